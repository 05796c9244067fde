"""Forecasts of the company: choose a method per metric by back-test once a week, continue the history every day.

History is what is over: days up to which every source is complete, and for MRR and customers also the grace in which an
end may still turn out to be a migration.

Reads: gold.kpi_daily, kpi_mrr_daily, complete_through; the registry. Writes: the registry.
Run: by `warehouse train` and `warehouse score`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from ml import registry
from ml.forecasting import backtest, intervals, methods
from warehouse import clock
from warehouse.duck import connect
from warehouse.locks import hold

if TYPE_CHECKING:
    import duckdb

    from warehouse.settings import Settings

NAME = "forecasts"
SEED = 20250703  # nothing is drawn; a version has one
DAYS = 184  # six months, whichever
LEAST_DAYS = 4 * methods.WEEK


@dataclass(frozen=True)
class Metric:
    """What is forecast.

    Attributes:
        is_flow: A day's numbers add up; otherwise they stand at its end.
        unit: Of the numbers.
    """

    is_flow: bool
    unit: str


METRICS = {
    "mrr": Metric(is_flow=False, unit="minor"),
    "paying_customers": Metric(is_flow=False, unit="customers"),
    "calls": Metric(is_flow=True, unit="calls"),
    "compute_units": Metric(is_flow=True, unit="compute units"),
}

_HISTORY = """
    with

    mrr_days as (

        select date_partition as day, sum(mrr_reporting_minor) as mrr
        from gold.kpi_mrr_daily
        group by date_partition

    ),

    settled as (

        select coalesce(min(complete_through), timestamp '9999-12-31') as complete_through
        from gold.complete_through
        where stream = 'mrr_movements'

    )

    select
        days.day,
        coalesce(mrr_days.mrr, 0)::double as mrr,
        days.customers_paying::double as paying_customers,
        days.calls::double as calls,
        days.compute_units::double as compute_units,
    from gold.kpi_daily as days
    cross join settled
    left join mrr_days on days.day = mrr_days.day
    where
        days.is_complete
        and days.day < $1::date
        and days.day + interval 1 day <= settled.complete_through
    order by days.day
"""

BACKTEST_COLUMNS = [
    "metric", "method", "cutoff_on", "days_ahead", "as_of_date", "model_version", "is_chosen", "days", "actual_mean",
    "mean_absolute_error", "naive_error", "seasonal_naive_error", "share_inside",
]  # fmt: skip


def history(con: duckdb.DuckDBPyConnection, day: date) -> pd.DataFrame:
    """The days before a day that are over in every source, in order: day, and a column per metric."""
    return con.execute(_HISTORY, [day]).df()


def train(settings: Settings) -> registry.Model:
    """Choose a method per metric; nothing happens where the same history was tried before."""
    now = clock.now(settings)
    with hold(settings.warehouse_db, what="reading the history", timeout=settings.lock_timeout):
        con = connect(settings.warehouse_db, read_only=True, threads=settings.threads)
        try:
            days = history(con, now.astimezone(UTC).date())
        finally:
            con.close()
    version = registry.version_of(NAME, days, SEED)
    known = registry.settled(settings, NAME, version)
    if known is not None:
        return known
    chosen = choose(days)
    told = {name: each["method"] for name, each in chosen.items()}
    is_tested = any(each["rows"] for each in chosen.values())
    model = registry.Model(
        name=NAME, version=version, kind="back-tested" if is_tested else "untested",
        status="promoted" if is_tested else "fallback",
        reason=", ".join(f"{name}: {method}" for name, method in told.items())
        or "no metric has four weeks of history yet",
        trained_as_of=_naive(now),
        data_from=days["day"].min().to_pydatetime() if len(days) else None,
        data_to=days["day"].max().to_pydatetime() if len(days) else None,
        training_rows=len(days), features=list(METRICS), metrics=figures(chosen), details={}, seed=SEED,
        pipeline=chosen,
    )  # fmt: skip
    return registry.register(settings, model, now=now)


def choose(days: pd.DataFrame) -> dict[str, dict[str, Any]]:
    """Per metric with enough history: the method, its former errors, and the back-test's rows, as plain values."""
    found = {}
    for name, metric in METRICS.items():
        begun, values = _begun(days, name)
        if len(values) < LEAST_DAYS:
            continue
        tested = backtest.back_test(values, is_flow=metric.is_flow)
        if tested is None:
            # a first year's growth of MRR goes on for no other (on a ten months' company drift was wrong by half)
            goes_on = metric.is_flow and len(values) >= backtest.LEAST_DAYS
            method = "drift" if goes_on else "naive"
            found[name] = {"method": method, "errors": [], "ages": [], "rows": []}
            continue
        rows = [
            {**row, "cutoff_on": str((begun + timedelta(days=row["known_days"])).date())}
            for row in tested.rows
        ]
        found[name] = {
            "method": tested.chosen,
            "errors": [[None if np.isnan(value) else round(float(value), 6) for value in row] for row in tested.errors],
            "ages": tested.ages.tolist(),
            "rows": rows,
        }  # fmt: skip
    return found


_SUMMED = [
    "actual_mean", "mean_absolute_error", "naive_error", "seasonal_naive_error", "share_inside",
]  # fmt: skip


def figures(chosen: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Per metric: the chosen method's error, those of the benchmarks, and the share inside the interval."""
    told = {}
    for name, each in chosen.items():
        if not each["rows"]:
            continue
        rows = pd.DataFrame(each["rows"])
        rows = rows[rows["is_chosen"]]
        summed = rows[_SUMMED].multiply(rows["days"], axis=0).sum()
        actual = summed["actual_mean"] or 1.0
        told[name] = {
            "method": each["method"],
            "error": float(summed["mean_absolute_error"] / actual),
            "naive_error": float(summed["naive_error"] / actual),
            "seasonal_naive_error": float(summed["seasonal_naive_error"] / actual),
            "share_inside": float(summed["share_inside"] / rows["days"].sum()),
        }
    return told


def values(
    days: pd.DataFrame, model: registry.Model, *, day: date, settings: Settings
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows of ml.forecasts and of ml.forecast_backtests.

    Args:
        days: As `history` returns them.
        model: The registry's, with its parameters.
        day: The day scored.
        settings: Reporting currency.
    """
    parts = []
    for name, each in model.pipeline.items():
        metric = METRICS[name]
        begun, past = _begun(days, name)
        if len(past) < LEAST_DAYS:
            continue
        baseline = methods.forecast(past, DAYS, (each["method"],), is_flow=metric.is_flow)[each["method"]]  # fmt: skip
        width = intervals.half_width(former_errors(each), np.array(each["ages"], float), DAYS)
        first = begun + timedelta(days=len(past))
        parts.append(
            pd.DataFrame(
                {
                    "metric": name,
                    "target_on": [(first + timedelta(days=ahead)).date() for ahead in range(DAYS)],
                    "as_of_date": day,
                    "model_version": model.version,
                    "method": each["method"],
                    "is_fallback": not each["rows"],
                    "unit": metric.unit,
                    "reporting_currency": settings.reporting_currency,
                    "days_ahead": np.arange(1, DAYS + 1),
                    "baseline": baseline.round(2),
                    "pessimistic": (baseline * np.exp(-width)).round(2),
                    "optimistic": (baseline * np.exp(width)).round(2),
                }
            )
        )
    tested = [
        {"metric": name, "as_of_date": day, "model_version": model.version, **row}
        for name, each in model.pipeline.items()
        for row in each["rows"]
    ]
    told = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=FORECAST_COLUMNS)
    tests = pd.DataFrame(tested, columns=BACKTEST_COLUMNS)
    tests["cutoff_on"] = pd.to_datetime(tests["cutoff_on"]).dt.date
    return told, tests.round(6)


FORECAST_COLUMNS = [
    "metric", "target_on", "as_of_date", "model_version", "method", "is_fallback", "unit", "reporting_currency",
    "days_ahead", "baseline", "pessimistic", "optimistic",
]  # fmt: skip


def former_errors(each: dict[str, Any]) -> np.ndarray:
    """Errors of a metric's back-test as an array, from the plain values that are stored."""
    rows = [[np.nan if value is None else value for value in row] for row in each["errors"]]
    return np.array(rows, float).reshape(len(rows), backtest.HORIZON_DAYS)


def _begun(days: pd.DataFrame, name: str) -> tuple[pd.Timestamp, np.ndarray]:
    """The first day on which there was anything, and the numbers from it on."""
    numbers = days[name].to_numpy(float)
    there = np.flatnonzero(numbers > 0)
    first = int(there[0]) if there.size else len(numbers)
    begun = pd.Timestamp(days["day"].iloc[first]) if there.size else pd.Timestamp(0)
    return begun, numbers[first:]


def _naive(moment: datetime) -> datetime:
    return moment.astimezone(UTC).replace(tzinfo=None)
