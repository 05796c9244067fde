"""Forecasts: methods by hand, nothing known too early, intervals that hold, rows as promised."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
import yaml

import ml
from ml import registry
from ml.forecasting import backtest, company, intervals, methods
from warehouse.duck import connect
from warehouse.settings import PROJECT_ROOT

FORECASTS = "select * from ml.forecasts order by as_of_date, metric, target_on"
BACKTESTS = (
    "select * from ml.forecast_backtests order by as_of_date, metric, method, cutoff_on, days_ahead"
)


def calls(days: int, *, seed: int = 2, noise: float = 0.05) -> np.ndarray:
    """A growing number of calls with quiet week-ends."""
    at = np.arange(days)
    week = np.where(at % 7 >= 5, 0.5, 1.2)
    return (200 + 2 * at) * week * np.exp(np.random.default_rng(seed).normal(0, noise, days))


def test_the_benchmarks_by_hand():
    told = methods.forecast(np.arange(1.0, 101.0), 9, methods.BENCHMARKS, is_flow=True)
    assert told["naive"].tolist() == [100.0] * 9
    assert told["seasonal_naive"].tolist() == [94, 95, 96, 97, 98, 99, 100, 94, 95]


@pytest.mark.parametrize("is_flow", [True, False])
def test_drift_continues_a_straight_line(is_flow):
    told = methods.forecast(np.arange(1.0, 401.0), 180, ("drift",), is_flow=is_flow)["drift"]
    # what stands is exact; of what flows the week's rhythm is taken from the line's own rise within weeks
    np.testing.assert_allclose(told, np.arange(401.0, 581.0), rtol=1e-9 if not is_flow else 0.02)


@pytest.mark.parametrize("name", methods.METHODS)
def test_every_method_keeps_the_week_and_the_growth(name):
    history = calls(420)
    told = methods.forecast(history[:360], 60, (name,), is_flow=True)[name]
    naive = methods.forecast(history[:360], 60, ("seasonal_naive",), is_flow=True)["seasonal_naive"]
    actual = history[360:]
    assert np.abs(told - actual).mean() < np.abs(naive - actual).mean()
    ahead = np.arange(360, 420)
    assert told[ahead % 7 >= 5].mean() / told[ahead % 7 < 5].mean() == pytest.approx(
        0.5 / 1.2, rel=0.1
    )


def test_the_unit_changes_nothing():
    history = calls(300)
    cents, euros = (
        methods.forecast(history * unit, 90, methods.METHODS, is_flow=False) for unit in (1e6, 1)
    )
    for name in methods.METHODS:
        np.testing.assert_allclose(cents[name], euros[name] * 1e6, rtol=1e-4)  # where a search ends


@pytest.fixture(scope="module")
def tested() -> backtest.Tested:
    return backtest.back_test(calls(700), is_flow=True)


def test_the_chosen_method_beats_the_naive_ones(tested):
    rows = pd.DataFrame(tested.rows)
    chosen = rows[rows["is_chosen"]]
    assert set(chosen["method"]) == {tested.chosen}
    assert chosen["mean_absolute_error"].mean() < chosen["seasonal_naive_error"].mean()
    assert chosen["mean_absolute_error"].mean() < chosen["naive_error"].mean()
    errors = rows.groupby("method")["mean_absolute_error"].mean()
    assert errors[tested.chosen] < errors["seasonal_naive"]


def test_the_interval_holds_what_it_promises(tested):
    rows = pd.DataFrame(tested.rows)
    chosen = rows[rows["is_chosen"]]
    assert 0.75 <= np.average(chosen["share_inside"], weights=chosen["days"]) <= 0.95


def test_a_forecast_knows_nothing_of_later_days():
    """What comes after a cut-off changes neither what was said at it nor how wide it was."""
    history = calls(400)
    later = history.copy()
    later[350:] *= 3
    before, after = (
        pd.DataFrame(backtest.back_test(each, is_flow=True).rows) for each in (history, later)
    )
    last = sorted(before["known_days"].unique())[0]
    early = [
        rows[(rows["known_days"] == last) & (rows["days_ahead"] == 30)].set_index("method")
        for rows in (before, after)
    ]
    assert last + 30 <= 350
    pd.testing.assert_frame_equal(
        early[0].drop(columns="is_chosen"), early[1].drop(columns="is_chosen")
    )


def test_a_series_that_jumps_at_random_is_left_to_the_naive_forecast():
    random = np.random.default_rng(4)
    history = 1000 * np.exp(np.repeat(np.cumsum(random.normal(0, 0.5, 60)), 7))
    found = backtest.back_test(history, is_flow=False)
    rows = pd.DataFrame(found.rows)
    errors = rows.groupby("method")["mean_absolute_error"].mean()
    assert found.chosen in {"naive", "seasonal_naive"} or errors[found.chosen] <= errors["naive"]


def test_a_short_history_is_not_back_tested():
    assert backtest.back_test(calls(150), is_flow=True) is None
    days = pd.DataFrame(
        {
            "day": pd.date_range("2025-01-01", periods=100),
            **dict.fromkeys(company.METRICS, calls(100)),
        }
    )
    chosen = company.choose(days)
    methods_of = {name: each["method"] for name, each in chosen.items()}
    assert methods_of == {
        name: "drift" if metric.is_flow else "naive" for name, metric in company.METRICS.items()
    }
    assert all(each["rows"] == [] for each in chosen.values())
    assert company.former_errors(chosen["mrr"]).shape == (0, backtest.HORIZON_DAYS)


def test_widths_by_hand():
    """Twenty former forecasts, each off by exactly a tenth at every day: a tenth holds them all."""
    known = np.full((20, 60), 0.1) * np.where(np.arange(20) % 2, 1, -1)[:, None]
    width = intervals.half_width(known, np.zeros(20), 60)
    np.testing.assert_allclose(width, 0.1, rtol=0.05)
    nobody = intervals.half_width(np.empty((0, 0)), np.empty(0), 181)
    assert nobody[0] == pytest.approx(1.44 * 0.03, rel=0.4)
    assert nobody[180] == pytest.approx(1.44 * 0.15, rel=0.1)


def test_only_days_that_are_over_are_history(con):
    """The last day of the fixture is not complete, and movements are settled up to the end of 29 June."""
    days = company.history(con, date(2025, 7, 1))
    assert days["day"].max() == pd.Timestamp("2025-06-29")
    assert company.history(con, date(2025, 5, 1))["day"].max() == pd.Timestamp("2025-04-30")
    last = con.execute(
        "select sum(amount_reporting_minor) from gold.fact_mrr_movements where occurred_at < '2025-06-30'"
    ).fetchone()[0]
    assert days["mrr"].iloc[-1] == pytest.approx(float(last))


def test_six_months_of_every_metric(trained, rows):
    table = rows(trained.settings.warehouse_db, FORECASTS)
    assert set(table["metric"]) == set(company.METRICS)
    assert table.groupby("metric").size().tolist() == [184] * 4
    assert set(table.groupby("metric")["target_on"].min()) == {pd.Timestamp("2025-06-30")}
    assert (table["pessimistic"] <= table["baseline"]).all()
    assert (table["baseline"] <= table["optimistic"]).all()
    assert not table["is_fallback"].any()
    assert table["is_latest"].all()
    tested = rows(trained.settings.warehouse_db, BACKTESTS)
    chosen = tested[tested["is_chosen"]].groupby("metric")["method"].unique()
    assert {metric: method[0] for metric, method in chosen.items()} == dict(
        table.groupby("metric")["method"].first()
    )


def test_forecasting_again_changes_nothing(own, rows):
    before = rows(own.settings.warehouse_db, FORECASTS), rows(own.settings.warehouse_db, BACKTESTS)
    first = registry.champion(own.settings, company.NAME)
    assert company.train(own.settings).version == first.version
    ml.score(own.settings)
    pd.testing.assert_frame_equal(rows(own.settings.warehouse_db, FORECASTS), before[0])
    pd.testing.assert_frame_equal(rows(own.settings.warehouse_db, BACKTESTS), before[1])


def test_a_day_later_the_same_method_is_continued(own, rows):
    con = connect(own.settings.warehouse_db)
    con.execute("update gold.complete_through set complete_through = '2025-06-19'")
    con.close()
    ml.score(own.settings, date(2025, 6, 21))
    table = rows(own.settings.warehouse_db, FORECASTS)
    told = table.groupby("as_of_date").agg(
        first=("target_on", "min"), versions=("model_version", "nunique")
    )
    assert told["first"].tolist() == [pd.Timestamp("2025-06-19"), pd.Timestamp("2025-06-30")]
    assert table["model_version"].nunique() == 1


@pytest.mark.parametrize("name", ["forecasts", "forecast_backtests"])
def test_the_contracts_of_gold_are_what_python_writes(trained, rows, name):
    path = PROJECT_ROOT / f"dbt_project/models/gold/ml/{name}.yml"
    [model] = yaml.safe_load(path.read_text())["models"]
    promised = {c["name"]: c["data_type"].replace("string", "varchar") for c in model["columns"]}
    written = rows(trained.settings.warehouse_db, f"describe ml.{name}")
    assert (
        dict(zip(written["column_name"], written["column_type"].str.lower(), strict=True))
        == promised
    )
