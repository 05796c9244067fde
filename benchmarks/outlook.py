"""What lifetime value, forecasts and segments are worth: figures on companies that are built, as one page.

Of each data folder (a sandbox company that has been through `warehouse run`): forecasts of the last 180 days, chosen and
made on the days before them; the held-out year of lifetime value; stability and held-out moves of the segments. The
folders have been trained (`warehouse run`, or `python -m benchmarks.churn`, which tells what training costs).

Reads: the folders' `warehouse.duckdb`, `ops.duckdb` and models (copied, never changed). Writes: docs/model-cards/outlook.md.
Run: python -m benchmarks.outlook FOLDER [FOLDER ...]
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from ml import outlook, registry
from ml.features import snapshot_of
from ml.forecasting import backtest, company, intervals, methods
from warehouse.duck import connect
from warehouse.settings import PROJECT_ROOT, Settings

PAGE = PROJECT_ROOT / "docs" / "model-cards" / "outlook.md"
HELD_OUT = backtest.HORIZON_DAYS


def main(folders: list[Path]) -> None:
    """Measure each folder and write the page."""
    parts = [
        "# Lifetime value, forecasts and segments, measured",
        "",
        "By `python -m benchmarks.outlook FOLDER ...` on sandbox companies; every figure is of days that were not learned from.",
    ]
    for folder in folders:
        with tempfile.TemporaryDirectory() as home:
            parts += _measure(folder, Path(home))
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text("\n".join(parts) + "\n")
    print(PAGE.read_text())


def _measure(folder: Path, home: Path) -> list[str]:
    for name in ("warehouse.duckdb", "ops.duckdb"):
        shutil.copy(folder / name, home / name)
    shutil.copytree(folder / "models", home / "models")
    con = connect(home / "warehouse.duckdb", read_only=True)
    moment, day = snapshot_of(con)
    days = company.history(con, day)
    customers = con.execute("select count(*) from gold.dim_customers").fetchone()[0]
    con.close()
    settings = Settings.for_test(home, as_of=moment)
    trained = outlook.train(settings)
    ltv, moves = (
        registry.find(settings, trained[name].version) for name in ("ltv", "segment_transitions")
    )
    chosen = company.choose(days.iloc[:-HELD_OUT])
    lines = [
        "",
        f"## {folder.name}: {customers:,} customers, {len(days)} days",
        "",
        f"The last {HELD_OUT} days, by what was known before them (error: sum of |error| / sum of actuals):",
        "",
        "| metric | method | error | naive | seasonal naive | inside 85 % |",
        "|---|---|---:|---:|---:|---:|",
        *(_held_out(days, name, chosen[name]) for name in company.METRICS),
        "",
        f"The rolling back-test, {backtest.JUDGED_CUTOFFS} cut-offs 30 days apart, by the method it chose (intervals by what was known at each):",
        "",
        "| metric | method | error | naive | seasonal naive | inside 85 % |",
        "|---|---|---:|---:|---:|---:|",
        *(_back_tested(name, found) for name, found in trained["forecasts"].metrics.items()),
        "",
    ]
    for title, metrics in (
        ("Lifetime value, a year held out", ltv.metrics),
        ("Segments", moves.metrics),
    ):
        lines += [f"{title}:", "", "| figure | value |", "|---|---:|"]
        lines += [f"| {name} | {value:.4g} |" if isinstance(value, float) else f"| {name} | {value} |"
                  for name, value in sorted(metrics.items())]  # fmt: skip
        lines.append("")
    return lines


def _back_tested(name: str, found: dict[str, Any]) -> str:
    errors = (found["error"], found["naive_error"], found["seasonal_naive_error"])
    return (
        f"| {name} | {found['method']} | "
        + " | ".join(f"{value:.3f}" for value in errors)
        + f" | {found['share_inside']:.2f} |"
    )


def _held_out(days: Any, name: str, each: dict[str, Any]) -> str:
    """Forecast and compare one metric, by the method chosen on the days before."""
    metric = company.METRICS[name]
    known = days.iloc[:-HELD_OUT]
    actual = days[name].to_numpy(float)[-HELD_OUT:]
    past = known[name].to_numpy(float)
    past = past[np.flatnonzero(past > 0)[0] :]
    told = methods.forecast(
        past, HELD_OUT, (each["method"], *methods.BENCHMARKS), is_flow=metric.is_flow
    )
    width = intervals.half_width(
        company.former_errors(each), np.array(each["ages"], float), HELD_OUT
    )
    inside = np.abs(intervals.errors(actual, told[each["method"]])) <= width
    error = [
        np.abs(actual - told[method]).sum() / actual.sum()
        for method in (each["method"], *methods.BENCHMARKS)
    ]
    return (
        f"| {name} | {each['method']} | "
        + " | ".join(f"{value:.3f}" for value in error)
        + f" | {inside.mean():.2f} |"
    )


if __name__ == "__main__":
    main([Path(name) for name in sys.argv[1:]])
