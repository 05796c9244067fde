"""What one more day of usage costs on a short and on a long history.

A day of 100,000 calls goes the whole way of usage: a file is synced, silver and gold are built with all their tests, by the
functions that `warehouse run` calls. History lands by SQL, day by day, as the file reader would have landed it.

Reads: nothing; makes its own calls.
Writes: a scratch folder, which it removes; a table to standard output.
Run: `make bench-usage`, or `python -m benchmarks.usage --short 200000 --long 2000000` for a small one;
    `--full-only --long 100000000` builds one long history from nothing and one day more;
    `--against-sql 5000000` compares dbt with its own SQL run by DuckDB alone, `--runs` times.
"""

from __future__ import annotations

import argparse
import gzip
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.measuring import Peak, cpu_seconds
from ingestion.destination.landing import Landing
from ingestion.destination.opening import ensure, opened
from ingestion.runner import sync
from warehouse import duck
from warehouse.settings import Settings
from warehouse.sources import SOURCES
from warehouse.transform import build

PER_DAY = 100_000
ACCOUNTS = 500
END = datetime(2026, 1, 1, tzinfo=UTC)  # of history; the further days follow
THREADS = 2
MEMORY_LIMIT = "4GB"  # the default of WAREHOUSE_MEMORY_LIMIT
DAYS_PER_LOAD = 10

#: One day's calls as JSON texts, in the sandbox's shape: 3 in 1,000 come twice.
_CALLS = """
    select
        '{{"request_id":"req_' || left(md5('{day}-' || (i - if(i % 333 = 1, 1, 0))), 24)
        || '","customer_id":"acc_' || lpad((h % {accounts})::varchar, 6, '0')
        || '","endpoint":"' || ['/quantize', '/inference', '/embeddings', '/batch-process', '/models'][1 + (h >> 4) % 5]
        || '","method":"POST","status_code":' || [200, 200, 200, 200, 200, 200, 200, 404, 429, 503][1 + (h >> 8) % 10]
        || ',"response_time_ms":' || (h >> 16) % 40000 / 10
        || ',"bytes_processed":' || (h >> 24) % 900000
        || ',"feature":"' || ['basic_quantization', 'batch_processing', 'webhooks', 'audit_log'][1 + (h >> 12) % 4]
        || '","region":"' || ['us-east-1', 'eu-central-1', 'ap-south-1'][1 + (h >> 6) % 3]
        || '","timestamp":"' || strftime(
            timestamp '{day}' + to_microseconds(i * 86400000000 // {rows}), '%Y-%m-%dT%H:%M:%S.%gZ'
        ) || '"}}'
    from (select range as i, (hash('{day}', range - if(range % 333 = 1, 1, 0)) >> 8)::bigint as h from range({rows}))
"""


@dataclass
class Cost:
    """CPU seconds (this process and its children) and wall seconds of one step."""

    cpu: float
    wall: float


def timed(step: Callable[[], object]) -> Cost:
    """Run a step and say what it cost."""
    before, start = cpu_seconds(), time.monotonic()
    step()
    return Cost(cpu_seconds() - before, time.monotonic() - start)


def calls_of(day: datetime, rows: int = PER_DAY) -> str:
    """SELECT of one day's calls as JSON texts."""
    return _CALLS.format(day=day.date(), rows=rows, accounts=ACCOUNTS)


def settings_of(home: Path, now: datetime) -> Settings:
    """Settings of a benchmark's data folder at an instant."""
    return Settings.for_test(
        home,
        as_of=now,
        threads=THREADS,
        memory_limit=MEMORY_LIMIT,
        usage_location=str(home / "files"),
    )


def land_history(settings: Settings, rows: int) -> None:
    """Land accounts, and the days before `END` that make up so many calls."""
    (settings.home / "files").mkdir(parents=True)
    for source in SOURCES:
        ensure(source, settings)
    with opened("product", settings) as landing, landing.transaction() as load_id:
        _insert(landing, load_id, "accounts", _accounts(), ACCOUNTS)
    days = [END - timedelta(days=back) for back in range(rows // PER_DAY, 0, -1)]
    for first in range(0, len(days), DAYS_PER_LOAD):
        with opened("usage", settings) as landing, landing.transaction() as load_id:
            some = days[first : first + DAYS_PER_LOAD]
            _insert(
                landing, load_id, "api_calls", " union all ".join(map(calls_of, some)), PER_DAY * len(some)
            )  # fmt: skip


def _accounts() -> str:
    account = {
        "id": "acc_«n»", "name": "Company «n»", "email": "owner-«n»@example.com", "industry": "retail", "country": "US",
        "tier": "growth", "signup_at": "2020-01-01T00:00:00Z", "created_at": "2020-01-01T00:00:00Z",
        "updated_at": "2020-01-01T00:00:00Z",
    }  # fmt: skip
    return f"select replace('{json.dumps(account)}', '«n»', lpad(range::varchar, 6, '0')) from range({ACCOUNTS})"


def _insert(landing: Landing, load_id: int, stream: str, texts: str, rows: int) -> None:
    at = END.replace(tzinfo=None)
    landing.con.execute(
        f"insert into {landing.schema}.{stream} "
        f"select json, {load_id:d}, timestamp '{at}', 0, row_number() over (), null from ({texts}) as made(json)"
    )
    landing.record_load(
        load_id, stream, started_at=END, landed=rows, quarantined=0, sync_id=load_id
    )


def one_more_day(home: Path, day: datetime) -> dict[str, Cost]:
    """Deliver a day's file and take it the whole way; the cost of each step."""
    with (
        duck.connect(":memory:") as con,
        gzip.open(home / "files" / f"{day.date()}.jsonl.gz", "wt", 6) as file,
    ):
        file.writelines(f"{line}\n" for (line,) in con.execute(calls_of(day)).fetchall())
    settings = settings_of(home, day + timedelta(days=1))
    steps = {
        "landing": lambda: sync("usage", settings),
        "silver": lambda: build(settings, ["silver"]),
        "gold": lambda: build(settings, ["gold"]),
    }
    return {name: timed(step) for name, step in steps.items()}


def measure(home: Path, rows: int, days: int) -> tuple[Cost, float, list[dict[str, Cost]]]:
    """Build a history from nothing, then day by day.

    Returns:
        Cost of the full build, its peak memory in bytes, and the costs of each day.
    """
    settings = settings_of(home, END)
    land_history(settings, rows)
    peak = Peak()
    with peak:
        full = timed(lambda: build(settings, ["silver", "gold"], full_refresh=True))
    costs = [one_more_day(home, END + timedelta(days=number)) for number in range(days)]
    return full, peak.bytes, costs


@dataclass(frozen=True)
class Beside:
    """CPU seconds of full builds: by dbt and by its SQL in DuckDB alone, of a history and of nothing."""

    dbt: float
    dbt_of_nothing: float
    alone: float
    alone_of_nothing: float

    @property
    def ratio(self) -> float:
        """What dbt needs for the history beyond what it needs for nothing, by what DuckDB alone needs."""
        return (self.dbt - self.dbt_of_nothing) / self.alone

    @property
    def ratio_of_rows(self) -> float:
        """The same where DuckDB's statements on nothing are not counted either: the rows' cost alone."""
        return (self.dbt - self.dbt_of_nothing) / (self.alone - self.alone_of_nothing)


def against_sql(scratch: Path, rows: int, runs: int) -> list[Beside]:
    """Build nothing and a history, by dbt and by dbt's SQL in DuckDB alone, in turns; prints CPU seconds.

    Each build starts from a fresh warehouse file. dbt has read the project before: what it knows of it is copied from the
    build of nothing, for which the same paths and settings hold.
    """
    nothing, history = settings_of(scratch / "nothing", END), settings_of(scratch / "history", END)
    land_history(nothing, 0)
    _by_dbt(nothing)
    land_history(history, rows)
    shutil.copytree(nothing.dbt_target_dir, history.dbt_target_dir)
    found = []
    for number in range(1, runs + 1):
        run = Beside(
            dbt_of_nothing=_by_dbt(nothing),
            dbt=_by_dbt(history),
            alone_of_nothing=_alone(nothing),
            alone=_alone(history),
        )
        print(
            f"run {number}, {rows:,} calls from nothing: dbt {run.dbt:.1f} CPU s, of nothing {run.dbt_of_nothing:.1f}; "
            f"its SQL alone {run.alone:.1f}, of nothing {run.alone_of_nothing:.1f}; "
            f"ratio {run.ratio:.2f}, of the rows alone {run.ratio_of_rows:.2f}"
        )
        found.append(run)
    return found


def _by_dbt(settings: Settings) -> float:
    """CPU seconds of a full build by dbt into a fresh warehouse file."""
    settings.warehouse_db.unlink(missing_ok=True)
    return timed(lambda: build(settings, ["silver", "gold"], full_refresh=True)).cpu


def _alone(settings: Settings) -> float:
    """CPU seconds of what dbt compiled, models and tests in its order, in one DuckDB connection and a fresh file."""
    folder = settings.home / "straight"
    folder.mkdir()
    statements = list(_statements(settings))
    try:
        return timed(lambda: _run(statements, folder / "warehouse.duckdb", settings)).cpu
    finally:
        shutil.rmtree(folder)


def _run(statements: Sequence[str], file: Path, settings: Settings) -> None:
    with duck.connect(file, memory_limit=MEMORY_LIMIT, threads=THREADS) as con:
        for source in SOURCES:
            con.execute(f"attach '{settings.landing(source)}' as landing_{source} (read_only)")
        con.execute(f"attach '{settings.warehouse_db}' as built (read_only)")
        for statement in statements:
            con.execute(statement).fetchall()


def _statements(settings: Settings) -> Iterator[str]:
    """What the last build ran, without contracts, comments and hooks: the tables alone, then each test."""
    for target in ("dev", "gold"):
        made = settings.dbt_target_dir / target
        nodes = json.loads((made / "manifest.json").read_text())["nodes"]
        results = json.loads((made / "run_results.json").read_text())["results"]
        for result in sorted(results, key=_ended):
            node = nodes[result["unique_id"]]
            yield f"create schema if not exists {node['schema']}"
            yield _statement(node)


def _ended(result: dict[str, Any]) -> str:
    return max((step["completed_at"] or "" for step in result["timing"]), default="")


def _statement(node: dict[str, Any]) -> str:
    name = f"{node['schema']}.{node['name']}"
    if node["resource_type"] == "seed":
        return f"create table {name} as from built.{name}"
    if node["resource_type"] == "test":
        return f"select count(*) from ({node['compiled_code']}) as failures"
    kind = "view" if node["config"]["materialized"] == "view" else "table"
    return f"create {kind} {name} as {node['compiled_code']}"


def report(rows: int, full: Cost, peak: float, costs: Sequence[dict[str, Cost]]) -> float:
    """Print one history's figures; returns the median CPU of a day."""
    print(
        f"{rows:>11,} calls from nothing: {full.cpu:7.1f} CPU s, {full.wall:7.1f} s, peak {peak / 2**30:.2f} GiB"
    )
    for number, cost in enumerate(costs, 1):
        parts = ", ".join(f"{name} {step.cpu:.1f}" for name, step in cost.items())
        print(f"    day {number}: {sum(step.cpu for step in cost.values()):6.1f} CPU s ({parts})")
    return statistics.median(sum(step.cpu for step in cost.values()) for cost in costs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--short", type=int, default=2_000_000, help="calls of the short history")
    parser.add_argument("--long", type=int, default=20_000_000, help="calls of the long one")
    parser.add_argument("--days", type=int, default=5, help="further days of 100,000 calls")
    parser.add_argument("--full-only", action="store_true", help="the long history alone, one day")
    parser.add_argument("--against-sql", type=int, metavar="CALLS", help="dbt beside its own SQL")
    parser.add_argument("--runs", type=int, default=3, help="of --against-sql; medians count")
    chosen = parser.parse_args(arguments)
    scratch = Path(tempfile.mkdtemp(prefix="bench-"))
    medians = {}
    try:
        if chosen.against_sql:
            runs = against_sql(scratch, chosen.against_sql, chosen.runs)
            ratio = statistics.median(run.ratio for run in runs)
            of_rows = statistics.median(run.ratio_of_rows for run in runs)
            print(
                f"dbt less nothing / its SQL alone: {ratio:.2f}; / that less nothing: {of_rows:.2f}"
            )
            return
        for rows in (chosen.long,) if chosen.full_only else (chosen.short, chosen.long):
            full, peak, costs = measure(
                scratch / str(rows), rows, 1 if chosen.full_only else chosen.days
            )
            medians[rows] = report(rows, full, peak, costs)
        if len(medians) == 2:
            print(
                f"a day at {chosen.long:,} / a day at {chosen.short:,}: {medians[chosen.long] / medians[chosen.short]:.2f}"
            )
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
