"""What the revenue models cost: a full build of 100,000 subscriptions over 3 years, and one more day at 1 and at 3 years.

Reads: nothing; makes its company (`benchmarks/revenue_company.py`).
Writes: a scratch folder, which it removes; a report to standard output.
Run: `make bench`, or `python -m benchmarks.revenue --subscriptions 2000` for a small one.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.measuring import Peak, cpu_seconds
from benchmarks.revenue_company import Company, land_catalogue, land_span
from warehouse.dbt_process import run_dbt
from warehouse.settings import Settings

NOW = datetime(2025, 1, 1)
THREADS = 2
MEMORY_LIMIT = "3GB"

#: What a company of 3 % monthly churn must start within one year to have as many active ones as 100,000 over three leave.
SHARE_FOR_ONE_YEAR = 0.73

MODELS = (
    "fact_mrr_movements", "fact_customer_months", "fact_revenue", "fact_subscription_events", "dim_plans",
    "kpi_mrr_daily", "kpi_mrr_monthly", "kpi_retention_monthly", "kpi_cohorts", "kpi_revenue_daily",
    "kpi_revenue_monthly", "fact_revenue_recognised_daily", "fact_revenue_recognised_customer_months",
    "revenue_recognised_line_days", "fact_invoices", "fact_dunning", "fact_balance_transactions", "fact_payouts",
    "kpi_recognised_revenue_monthly", "kpi_dunning_monthly", "kpi_fees_monthly",
)  # fmt: skip


@dataclass
class Cost:
    """What one start of dbt cost.

    Attributes:
        wall: Seconds on the clock.
        cpu: CPU seconds of dbt's process (and the little that starting it takes).
        peak_bytes: Highest resident memory of it.
        models: Seconds in each model, by name.
    """

    wall: float
    cpu: float
    peak_bytes: int
    models: dict[str, float] = field(default_factory=dict)


#: What reads the JSON that landed; all else works on its columns.
READING = (
    "int_stripe_events", "int_stripe_object_looks", "int_stripe_invoices", "int_stripe_invoice_lines",
    "int_stripe_invoice_payments", "int_stripe_charges", "int_stripe_balance_transactions", "int_subscription_states",
)  # fmt: skip


def run_models(
    settings: Settings,
    models: Sequence[str] = MODELS,
    without: Sequence[str] = (),
    *,
    full_refresh: bool = False,
) -> Cost:
    """Build models with all they stand on, without tests; say what it cost.

    Args:
        settings: Where.
        models: Which.
        without: Which not, with all that they stand on.
        full_refresh: From nothing.
    """
    command = ["build", "--exclude-resource-types", "test", "unit_test", "--select"]
    command += [f"+{model}" for model in models]
    if without:
        command += ["--exclude", *(f"+{model}" for model in without)]
    if full_refresh:
        command.append("--full-refresh")
    peak = Peak()
    before, start = cpu_seconds(), time.monotonic()
    with peak:
        run_dbt(settings, command, target="dev")
    wall, cpu = time.monotonic() - start, cpu_seconds() - before
    results = json.loads((settings.dbt_target_dir / "dev" / "run_results.json").read_text())
    models = {
        result["unique_id"].split(".")[-1]: float(result["execution_time"])
        for result in results["results"]
    }
    return Cost(wall, cpu, peak.bytes, models)


def settings_of(home: Path, now: datetime) -> Settings:
    """Settings of a benchmark's data folder at an instant."""
    return Settings.for_test(home, as_of=now, threads=THREADS, memory_limit=MEMORY_LIMIT)


def measure(
    home: Path, company: Company, days: int
) -> tuple[dict[str, int], Cost, list[Cost], list[dict[str, int]]]:
    """Land a company's whole history, read it, build; then land and build day by day.

    Returns:
        Rows landed by stream, cost of the full build after reading, costs of the days, rows of the days.
    """
    home.mkdir(parents=True)
    settings = settings_of(home, company.now)
    land_catalogue(settings, company)
    rows = land_span(settings, company, company.begin, company.now)
    reading = run_models(settings, READING, full_refresh=True)
    report(f"reading all that landed at {company.years} years", reading)
    full = run_models(settings, MODELS, READING, full_refresh=True)
    report(f"revenue models from nothing at {company.years} years", full)
    costs, landed = [], []
    for day in range(days):
        since = company.now + timedelta(days=day)
        until = since + timedelta(days=1)
        landed.append(land_span(settings, company, since, until))
        costs.append(run_models(settings_of(home, until)))
        report(f"day {day + 1} at {company.years} years", costs[-1])
    return rows, full, costs, landed


def report(what: str, cost: Cost) -> None:
    """Print one run's cost and its dearest models."""
    print(
        f"{what}: wall {cost.wall:.1f} s, CPU {cost.cpu:.1f} s, peak {cost.peak_bytes / 2**30:.2f} GiB"
    )
    for model, seconds in sorted(cost.models.items(), key=lambda pair: -pair[1])[:12]:
        print(f"    {seconds:8.2f} s  {model}")


def landed_bytes(settings: Settings) -> dict[str, int]:
    """Bytes of JSON landed, by stream."""
    from warehouse import duck

    con = duck.connect(settings.landing("stripe"))
    try:
        streams = con.execute(
            "select table_name from duckdb_tables() where schema_name = 'raw_stripe' and estimated_size > 0"
        ).fetchall()
        return {
            stream: con.execute(f"select coalesce(sum(strlen(_raw)), 0) from raw_stripe.{stream}").fetchone()[0]
            for (stream,) in streams
        }  # fmt: skip
    finally:
        con.close()


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--subscriptions", type=int, default=100_000, help="started over 3 years")
    parser.add_argument("--days", type=int, default=5, help="further days, each landed and built")
    parser.add_argument("--only-full", action="store_true", help="no days, no younger company")
    parser.add_argument("--keep", type=Path, help="a folder that is left behind")
    chosen = parser.parse_args(arguments)
    scratch = chosen.keep or Path(tempfile.mkdtemp(prefix="bench-"))
    days = 0 if chosen.only_full else chosen.days
    medians = {}
    try:
        for years in (3,) if chosen.only_full else (3, 1):
            count = (
                chosen.subscriptions
                if years == 3
                else int(chosen.subscriptions * SHARE_FOR_ONE_YEAR)
            )
            company = Company(count, years, days + 1, NOW)
            home = scratch / f"years-{years}"
            rows, _, costs, landed = measure(home, company, days)
            print(f"landed at {years} years: {rows}")
            print(f"bytes of JSON: {landed_bytes(settings_of(home, NOW))}")
            if costs:
                medians[years] = statistics.median(cost.cpu for cost in costs)
                print(f"landed on the last day: {landed[-1]}")
                print(
                    f"one more day at {years} years: {medians[years]:.2f} CPU s (median of {days})"
                )
        if len(medians) == 2:
            print(f"a day at 3 years / a day at 1 year: {medians[3] / medians[1]:.2f}")
    finally:
        if not chosen.keep:
            shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
