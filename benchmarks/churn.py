"""How good the churn model is on the sandbox company, beside the true hazard: the figures of docs/model-cards/.

For each seed a company is made and taken down the whole road to gold in a folder of its own; then the model is trained,
and its out-of-time predictions are set beside the chance that each customer really had (`truth/hazard.csv`) on the same
customers and dates. The calls are as dense as the default company's, unless said otherwise.

Reads and writes: a folder per seed below `--home`; a company that is built there already is taken as it is.
Writes: `docs/model-cards/churn-sandbox.md`.
Run: `python -m benchmarks.churn [--customers 5000 --months 24 --seeds 11 12 13 --calls N --home DIR]`; about ten minutes a
company of two million calls on 2 idle cores.
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from benchmarks.measuring import cpu_seconds
from warehouse.settings import PROJECT_ROOT, Settings, child_environment, load_settings

CARD = PROJECT_ROOT / "docs" / "model-cards" / "churn-sandbox.md"
COLUMNS = ("seed", "customer-dates", "left", "base rate", "AUC of the hazard", "AUC", "gap", "PR AUC", "ECE", "accuracy",
           "nobody churns", "top decile / base rate", "chosen", "train, s (CPU s)", "score, s (CPU s)")  # fmt: skip


def company(home: Path, *, customers: int, months: int, seed: int, calls: int) -> Settings:
    """Make the company and build its gold, unless it is there."""
    environment = child_environment(
        load_settings(),
        WAREHOUSE_HOME=str(home),
        PSEUDONYM_KEY="0123456789abcdef0123456789abcdef",
    )
    home.mkdir(parents=True, exist_ok=True)
    warehouse = [str(Path(sys.executable).parent / "warehouse")]
    made = [
        "sandbox",
        "create",
        "--customers",
        customers,
        "--months",
        months,
        "--seed",
        seed,
        "--calls",
        calls,
    ]
    settings = load_settings().over(home=home)
    if not settings.warehouse_db.exists():
        for arguments in (made, ["run"]):
            subprocess.run([*warehouse, *map(str, arguments)], env=environment, check=True)
    return settings


def figures(settings: Settings, seed: int) -> list[str]:
    """One row of the table: the out-of-time figures, the hazard's on the same rows, and the times."""
    import ml
    from ml.churn import evaluation

    settings.ops_db.unlink(missing_ok=True)  # as if never trained
    with timed() as trained:
        report = ml.train(settings)
        ml.train_outlook(settings)
    with timed() as scored:
        ml.score(settings)
    told = report.predictions.assign(month=lambda rows: rows["as_of"].dt.strftime("%Y-%m"))
    with (settings.sandbox_dir / "truth" / "hazard.csv").open() as file:
        truth = pd.DataFrame(csv.DictReader(file)).astype({"probability_30d": float})
    both = told.merge(truth, on=["customer_id", "month"])
    kind = report.churn.kind
    own = evaluation.measure(both["label"], both[kind])
    hazard = evaluation.measure(both["label"], both["probability_30d"])
    nobody = 1 - own.base_rate
    values = (own.base_rate, hazard.roc_auc, own.roc_auc, hazard.roc_auc - own.roc_auc, own.pr_auc,
              own.expected_calibration_error, own.accuracy, nobody)  # fmt: skip
    return [str(seed), f"{own.rows:,}", str(own.positives), *(f"{value:.4f}" for value in values),
            f"{own.top_decile_precision / own.base_rate:.2f}", kind,
            *(f"{each.wall:.0f} ({each.cpu:.0f})" for each in (trained, scored))]  # fmt: skip


@dataclass
class Cost:
    """Seconds on the clock, and of all processors."""

    wall: float = 0.0
    cpu: float = 0.0


@contextmanager
def timed() -> Iterator[Cost]:
    """What the block costs, known when it is over."""
    cost, wall, cpu = Cost(), time.monotonic(), cpu_seconds()
    yield cost
    cost.wall, cost.cpu = time.monotonic() - wall, cpu_seconds() - cpu


def main() -> None:
    """Make the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--customers", type=int, default=5000)
    parser.add_argument("--months", type=int, default=24)
    parser.add_argument("--seeds", type=int, nargs="+", default=[11, 12, 13])
    parser.add_argument(
        "--calls", type=int, help="of each company; as dense as the default one's by default"
    )
    parser.add_argument("--home", type=Path, default=Path("data/churn-study"))
    asked = parser.parse_args()
    calls = asked.calls or round(1_000_000 * asked.customers / 500 * asked.months / 18)
    rows = []
    for seed in asked.seeds:
        home = asked.home.absolute() / str(seed)
        settings = company(
            home, customers=asked.customers, months=asked.months, seed=seed, calls=calls
        )
        rows.append(figures(settings, seed))
    lines = [
        "# The churn model beside the true hazard",
        "",
        f"{asked.customers:,} customers, {asked.months} months, {calls:,} calls; `python -m benchmarks.churn`. Customers whose",
        "end was set already are in none of the figures, those with scripted lives (the odd ones) neither. Training is that of",
        "everything (churn, segments, lifetime value, forecasts), scoring that of one day.",
        "",
        "| " + " | ".join(COLUMNS) + " |",
        "|" + "---:|" * len(COLUMNS),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]
    CARD.parent.mkdir(parents=True, exist_ok=True)
    CARD.write_text("\n".join(lines))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
