"""Scores and segments: rows as promised, the same on every repetition, kept through rebuilds."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pytest
import yaml

import ml
from ml import registry, scoring
from ml.churn import evaluation, promotion
from ml.features import FEATURES
from ml.segmentation import clusters, rules
from tests.faults.dying import killed_at
from tests.ml import company
from tests.ml.rendered import rendered
from warehouse import failpoints, stages
from warehouse.duck import connect
from warehouse.settings import PROJECT_ROOT

SCORES = "select * from ml.customer_churn_scores order by as_of_date, customer_id"
SEGMENTS = "select * from ml.customer_segments order by as_of_date, customer_id"


def test_every_paying_customer_has_one_score(trained, rows):
    table = rows(trained.settings.warehouse_db, SCORES)
    paying = rows(
        trained.settings.warehouse_db,
        "select customer_id from gold.fact_mrr_movements group by customer_id having sum(amount_minor) > 0",
    )
    assert sorted(table["customer_id"]) == sorted(paying["customer_id"])
    assert "free" not in set(table["customer_id"])
    assert table["is_latest"].all()
    assert trained.score.customers_scored == len(table)


@pytest.mark.parametrize(
    ("probability", "band"),
    [
        (0.0, "Low"),
        (0.199999, "Low"),
        (0.2, "Medium"),
        (0.5, "High"),
        (0.799, "High"),
        (0.8, "Critical"),
        (1, "Critical"),
    ],
)
def test_bands(probability, band):
    assert scoring.risk_band(probability) == band


def test_reasons_have_sign_and_order(trained, rows):
    table = rows(trained.settings.warehouse_db, SCORES)
    table = table[~table["is_end_already_set"]]
    sizes = table[[f"factor_{n}_contribution" for n in (1, 2, 3)]].abs().to_numpy()
    assert (sizes[:, 0] >= sizes[:, 1]).all()
    assert (sizes[:, 1] >= sizes[:, 2]).all()
    assert table["factor_1_contribution"].lt(0).any()
    assert table["factor_1_contribution"].gt(0).any()
    risky = table.nlargest(10, "churn_probability")
    safe = table.nsmallest(10, "churn_probability")
    assert risky["factor_1_contribution"].mean() > safe["factor_1_contribution"].mean()


def test_money_at_risk_is_probability_times_mrr(trained, rows):
    table = rows(trained.settings.warehouse_db, SCORES)
    np.testing.assert_allclose(
        table["mrr_at_risk_minor"].astype(float),
        table["mrr_minor"].astype(float) * table["churn_probability"],
        atol=1e-5,
    )
    both = table.set_index("customer_id").loc["two_currencies"]
    assert (both["currency"], float(both["mrr_minor"]), float(both["mrr_reporting_minor"])) == (
        "USD",
        9900,
        15900,
    )


def test_an_end_already_set_is_scored_one_apart(own, rows):
    con = connect(own.settings.warehouse_db)
    con.execute("""insert into gold.fact_subscription_events by name
        select * replace ('later' as id, timestamp '2025-06-30' as occurred_at, 'cancel_requested' as event_type)
        from gold.fact_subscription_events where customer_id = 'never_calls'""")
    con.close()
    ml.score(own.settings)
    row = rows(own.settings.warehouse_db, SCORES).set_index("customer_id").loc["never_calls"]
    assert row["is_end_already_set"]
    assert row["churn_probability"] == 1
    assert row["risk_band"] == "Critical"
    assert row["factor_1_name"] == "end_already_set"
    assert row["mrr_at_risk_minor"] == row["mrr_minor"]
    assert row["recommended_action"].startswith("Win-back")


def test_scoring_again_changes_nothing(own, rows):
    before = rows(own.settings.warehouse_db, SCORES), rows(own.settings.warehouse_db, SEGMENTS)
    ml.score(own.settings)
    pd.testing.assert_frame_equal(rows(own.settings.warehouse_db, SCORES), before[0])
    pd.testing.assert_frame_equal(rows(own.settings.warehouse_db, SEGMENTS), before[1])


@pytest.mark.parametrize("point", failpoints.points_of("score"))
def test_killed_at_any_step_scoring_again_gives_the_same(own, rows, point):
    day = date(2025, 6, 1)
    before = rows(own.settings.warehouse_db, SCORES)
    killed_at(point, ml.score, own.settings, day)
    # what was there is still there, and whole
    pd.testing.assert_frame_equal(rows(own.settings.warehouse_db, SCORES), before)
    ml.score(own.settings, day)
    after = rows(own.settings.warehouse_db, SCORES)
    assert not after.duplicated(["customer_id", "as_of_date"]).any()
    others = after[after["as_of_date"].dt.date != day].reset_index(drop=True)
    pd.testing.assert_frame_equal(others, before)
    assert set(after["as_of_date"].dt.date) == {day, date(2025, 7, 1)}


def test_history_survives_the_warehouse_file(own, rows):
    ml.score(own.settings, date(2025, 6, 1))
    before = rows(own.settings.warehouse_db, SCORES)
    assert sorted(set(before["as_of_date"].dt.date)) == [date(2025, 6, 1), date(2025, 7, 1)]
    assert set(before[before["is_latest"]]["as_of_date"].dt.date) == {date(2025, 7, 1)}
    con = connect(own.settings.warehouse_db)
    con.execute("drop schema ml cascade")
    con.close()
    ml.score(own.settings)
    pd.testing.assert_frame_equal(rows(own.settings.warehouse_db, SCORES), before)


def _rename(settings, old, new):
    con = connect(settings.warehouse_db)
    for table in ("dim_customers", "customer_features", "fact_mrr_movements"):
        con.execute(f"update gold.{table} set customer_id = ? where customer_id = ?", [new, old])
    con.close()


def test_a_customer_whose_id_changed_is_shown_under_the_one_that_gold_knows(own, rows):
    """never_calls was scored as `cus_A1` on 1 June and 1 July; then Stripe tells whose account that is."""
    tables = ("customer_churn_scores", "customer_segments", "customer_ltv")
    _rename(own.settings, "never_calls", "cus_A1")
    ml.score(own.settings, date(2025, 6, 1))
    ml.score(own.settings)
    old_rows = "select * from ml.{} where customer_id = 'cus_A1'"
    assert all(len(rows(own.settings.warehouse_db, old_rows.format(name))) == 2 for name in tables)
    _rename(own.settings, "cus_A1", "never_calls")
    ml.score(own.settings)
    for name in tables:
        after = rows(own.settings.warehouse_db, f"select * from ml.{name}")
        assert "cus_A1" not in set(after["customer_id"]), name
        assert after[after["is_latest"]]["customer_id"].eq("never_calls").sum() == 1, name
        assert not after.duplicated(["customer_id", "as_of_date"]).any(), name
    kept = rows(
        own.settings.ops_db,
        "select as_of_date from ops.score_history where customer_id = 'cus_A1'",
    )
    assert set(kept["as_of_date"].dt.date) == {date(2025, 6, 1)}


def test_of_a_day_the_newest_model_counts(own, rows, monkeypatch):
    con = connect(own.settings.warehouse_db)
    con.execute("update gold.fact_api_usage set response_code = 500 where customer_id = 'acc_0001'")
    company.describe(con)
    con.close()
    monkeypatch.setattr(
        promotion, "decide", lambda *_, **__: promotion.Decision("promoted", "by hand")
    )
    newer = ml.train(own.settings).churn
    assert newer.version != own.train.churn.version
    ml.score(own.settings)
    table = rows(own.settings.warehouse_db, SCORES)
    assert set(table["model_version"]) == {newer.version}
    assert not table.duplicated(["customer_id", "as_of_date"]).any()
    kept = rows(own.settings.ops_db, "select distinct model_version from ops.score_history")
    assert set(kept["model_version"]) == {newer.version, own.train.churn.version}


# what gold adds to what Python writes
JOINED = {"expected_ltv_impact_reporting_minor"}


def _gold(con, *names):
    """Gold's tables over schema ml, by dbt's own SQL."""
    con.execute("create or replace table gold.customer_ltv as from ml.customer_ltv")
    for name in ("customer_churn_scores", *names):
        con.execute(f"create or replace table gold.{name} as {rendered(name)}")


def test_realised_performance_is_what_scikit_learn_says(own):
    day = date(2025, 5, 1)
    ml.score(own.settings, day)
    con = connect(own.settings.warehouse_db)
    _gold(con, "churn_score_performance", "model_decisions", "feature_drift")
    [found] = con.execute("from gold.churn_score_performance").df().to_dict("records")
    told = con.execute(
        """select churn_probability as p, exists (from gold.fact_mrr_movements as moves
            where moves.customer_id = scores.customer_id and movement_type = 'churn'
            and occurred_at > timestamp '2025-05-01' and occurred_at <= timestamp '2025-05-31') as y
        from gold.customer_churn_scores as scores where as_of_date = ? and not is_end_already_set""",
        [day],
    ).df()
    by_hand = evaluation.measure(told["y"], told["p"])
    assert found["as_of_date"].date() == day  # the day scored last is not over yet
    assert (found["customers"], found["churned_customers"]) == (by_hand.rows, by_hand.positives)
    for name in ("roc_auc", "brier", "log_loss", "accuracy", "base_rate"):
        assert found[name] == pytest.approx(getattr(by_hand, name)), name
    drifted = con.execute(
        "select as_of_date, count(*), min(psi) from gold.feature_drift group by all"
    ).fetchall()
    assert sorted(drifted)[0][:2] == (day, len(FEATURES))
    assert min(row[2] for row in drifted) >= 0
    [decision] = (
        con.execute("from gold.model_decisions where model_name = 'churn'").df().to_dict("records")
    )
    assert decision["status"] == "promoted"
    assert decision["gain_over_baseline_low"] > 0
    assert decision["model_version"] == own.train.churn.version
    # of the last of those 30 days Stripe has not been read yet
    con.execute("update gold.complete_through set complete_through = '2025-05-30'")
    _gold(con, "churn_score_performance")
    assert con.execute("select count(*) from gold.churn_score_performance").fetchone() == (0,)
    con.close()


def test_the_value_at_risk_is_probability_times_what_is_predicted(own):
    con = connect(own.settings.warehouse_db)
    _gold(con)
    table = con.execute(
        """select scores.*, ltv.predicted_reporting_minor from gold.customer_churn_scores as scores
        left join gold.customer_ltv as ltv using (customer_id, as_of_date)"""
    ).df()
    con.close()
    assert len(table) == own.score.customers_scored
    expected = table["churn_probability"] * table["predicted_reporting_minor"].astype(float)
    np.testing.assert_allclose(
        table["expected_ltv_impact_reporting_minor"].astype(float), expected, atol=1e-5
    )
    assert expected.gt(0).any()


def test_the_contracts_of_gold_are_what_python_writes(trained, rows):
    for name in ("customer_churn_scores", "customer_segments", "feature_drift", "model_decisions"):
        path = PROJECT_ROOT / "dbt_project/models/gold/ml" / f"{name}.yml"
        [model] = yaml.safe_load(path.read_text())["models"]
        promised = {
            column["name"]: column["data_type"].replace(" ", "").replace("string", "varchar")
            for column in model["columns"]
        }
        written = rows(trained.settings.warehouse_db, f"describe ml.{name}")
        found = dict(zip(written["column_name"], written["column_type"].str.lower(), strict=True))
        assert found == {key: kind for key, kind in promised.items() if key not in JOINED}


def test_every_customer_has_both_segments(trained, rows):
    table = rows(trained.settings.warehouse_db, SEGMENTS)
    assert len(table) == 260
    assert set(table["cluster_segment"]) == set(clusters.CLUSTER_SEGMENTS)
    assert set(table["rule_segment"]) <= set(rules.RULE_SEGMENTS)
    means = table.groupby("cluster_segment")[["days_silent", "active_days_30d"]].mean()
    assert means["days_silent"].idxmax() == "Hibernating"
    assert means["active_days_30d"].idxmax() == "Champions"


@pytest.mark.parametrize(
    ("calls", "features", "silent", "age", "paid", "value", "segment"),
    [
        (0, 0, 31, 200, False, 1, "Dormant"),
        (60, 11, 31, 200, True, 1, "Dormant"),  # first match
        (0, 0, 30, 200, True, 1, "Other"),
        (0, 0, 99, 200, False, 0, "Other"),  # never paid anything
        (51, 11, 0, 10, True, 0, "Power User"),
        (51, 10, 0, 200, True, 1, "Other"),
        (50, 11, 0, 200, True, 1, "Regular"),
        (5, 1, 0, 91, True, 1, "Regular"),
        (5, 1, 0, 90, True, 1, "Other"),
        (4, 1, 0, 89, False, 0, "Explorer"),
        (1, 1, 0, 10, False, 0, "Explorer"),
        (4, 1, 0, 90, False, 0, "Other"),
        (4, 1, 0, 10, True, 1, "Other"),
    ],
)
def test_rule_segments(calls, features, silent, age, paid, value, segment):
    row = pd.DataFrame(
        [{"active_calls_7d": calls, "features_used_30d": features, "days_silent": silent, "days_since_signup": age,
          "is_paid": paid, "lifetime_value": value}]
    )  # fmt: skip
    assert list(rules.rule_segment(row)) == [segment]


def test_names_follow_the_centroids_not_the_numbers():
    engaged = [-2, 1.5, 0.6, -0.4, -0.2]
    centroids = pd.DataFrame(
        {
            "days_silent": [2.0, -1, -1, -0.5, 0],
            "calls_30d": engaged,
            "active_days_30d": engaged,
            "feature_adoption_30d": engaged,
            "mrr_reporting": engaged,
            "calls_trend_30d": [0, 0.2, 0.1, -1, 0.9],
            "days_since_signup": [0, 0.5, 1, 0, -1.0],
        }
    )
    told = ["Hibernating", "Champions", "Loyal Customers", "At Risk", "Potential Loyalists"]
    assert clusters.names(centroids) == told
    turned = centroids.iloc[[3, 1, 4, 0, 2]].reset_index(drop=True)
    assert clusters.names(turned) == [told[place] for place in (3, 1, 4, 0, 2)]


def test_names_are_stable_across_seeds(trained, con):
    from ml.features import features

    table = clusters.inputs(features(con, company.END))
    told = []
    for seed in (1, 2, 3):
        pipeline, named = clusters.fit(table, seed=seed)
        told.append(clusters.assign(pipeline, named, table))
    agreement = [(told[0] == other).mean() for other in told[1:]]
    assert min(agreement) > 0.95


def test_too_few_customers_are_unclassified(tmp_path, rows):
    tiny = company.build(tmp_path, customers=10, days=60)
    ml.train(tiny.settings)
    ml.score(tiny.settings)
    table = rows(tiny.settings.warehouse_db, SEGMENTS)
    assert set(table["cluster_segment"]) == {"Unclassified"}
    assert set(table["rule_segment"]) <= set(rules.RULE_SEGMENTS)


def test_training_tells_what_was_decided_and_how_good_the_models_are(own):
    told = stages.train(own.settings, lambda line: None, force=True)
    json.dumps(told, allow_nan=False)
    best = own.train.evaluation["best"]
    assert told["decision"] == own.train.churn.status
    for name in ("roc_auc", "pr_auc", "brier", "expected_calibration_error"):
        assert told[f"challenger_{name}"] == told[f"champion_{name}"] == best[name]
    forecasts = registry.champion(own.settings, "forecasts").metrics
    assert told["forecast_calls_method"] == forecasts["calls"]["method"]
    assert told["forecast_calls_seasonal_naive_error"] == forecasts["calls"]["seasonal_naive_error"]
    moves = registry.champion(own.settings, "segment_transitions").metrics
    assert told["segments_seed_ari_mean"] == moves["seed_ari_mean"]


def test_scoring_tells_what_has_drifted_most(own, rows):
    drift = rows(own.settings.warehouse_db, "select * from ml.feature_drift where is_latest")
    first = drift.sort_values("psi", ascending=False).iloc[0]
    told = own.score.figures()
    assert told["most_drifted_feature"] in set(drift[drift["psi"] == first["psi"]]["feature_name"])
    assert told["most_drifted_psi"] == first["psi"]
    assert told["customers"] == own.score.customers_scored
