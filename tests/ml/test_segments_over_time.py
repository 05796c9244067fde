"""Segments over time: names that stay while the clusters fit, moves counted by hand, chances that add up."""

from __future__ import annotations

from datetime import date

import numpy as np
import pandas as pd
import pytest
import yaml

import ml
from ml import registry
from ml.features import features, snapshot_of
from ml.segmentation import clusters, transitions
from warehouse.duck import connect
from warehouse.settings import PROJECT_ROOT

MOVES = (
    "select * from ml.segment_transitions order by scheme, month_start_on, from_segment, to_segment"
)
JAN, FEB, MAR = (date(2025, month, 1) for month in (1, 2, 3))


def seen(*rows) -> pd.DataFrame:
    return pd.DataFrame(
        rows, columns=["customer_id", "as_of_date", "cluster_segment", "rule_segment"]
    )


def test_moves_by_hand():
    """a stays a Champion and becomes At Risk, b comes in February: two moves in all."""
    counts = transitions.count(
        seen(("a", JAN, "Champions", "Regular"), ("a", FEB, "Champions", "Regular"), ("a", MAR, "At Risk", "Dormant"),
             ("b", FEB, "Champions", "Explorer"), ("b", MAR, "Champions", "Regular"))
    )  # fmt: skip
    moved = counts[counts["customers"] > 0].set_index(
        ["scheme", "month_start_on", "from_segment", "to_segment"]
    )
    assert moved["customers"].to_dict() == {
        ("cluster", JAN, "Champions", "Champions"): 1,
        ("rule", JAN, "Regular", "Regular"): 1,
        ("cluster", FEB, "Champions", "At Risk"): 1,
        ("cluster", FEB, "Champions", "Champions"): 1,
        ("rule", FEB, "Regular", "Dormant"): 1,
        ("rule", FEB, "Explorer", "Regular"): 1,
    }
    # every pair of every month is there
    assert len(counts) == 2 * (6 * 6 + 5 * 5)
    chance = transitions.probabilities(counts, "cluster")
    np.testing.assert_allclose(chance.sum(axis=1), 1)
    sizes = (np.array([2, 0, 0, 1, 0, 0]) + 1) / 9
    assert chance.loc["Champions", "At Risk"] == pytest.approx((1 + 10 * 0.5 * sizes[3]) / 13)
    # nobody was seen to leave it: half stays, the rest goes by size
    assert chance.loc["Hibernating", "Hibernating"] == pytest.approx(0.5 + 0.5 * sizes[4])


def test_the_matrix_tells_more_than_the_sizes(trained):
    metrics = registry.champion(trained.settings, transitions.NAME).metrics
    for scheme in transitions.SCHEMES:
        assert metrics[f"{scheme}_log_loss"] < metrics[f"{scheme}_log_loss_of_sizes"]


def test_clusters_are_stable_across_seeds(trained):
    metrics = registry.champion(trained.settings, transitions.NAME).metrics
    assert metrics["seed_ari_min"] > 0.8
    assert metrics["fresh_ari"] > 0.8


def test_clusters_that_fit_are_kept_and_others_are_not(con):
    newest, _ = snapshot_of(con)
    today = clusters.inputs(features(con, newest))
    in_use, named = clusters.fit(today, seed=1)
    nudged = today.assign(days_since_signup=today["days_since_signup"] + 7)
    assert clusters.still_fits(in_use, nudged, clusters.fit(nudged, seed=2)[0])
    told = clusters.assign(in_use, named, today)
    assert (clusters.assign(in_use, named, nudged) == told).mean() > 0.95
    others = today.assign(
        days_since_signup=today["days_since_signup"] + 2000,
        days_silent=today["days_silent"] * 50 + 300,
    )
    assert not clusters.still_fits(in_use, others, clusters.fit(others, seed=2)[0])


def test_a_week_later_the_same_clusters_are_in_use(own):
    con = connect(own.settings.warehouse_db)
    con.execute("update gold.customer_features set days_since_signup = days_since_signup + 7")
    con.close()
    again = ml.train(own.settings)
    assert again.segments.version == own.train.segments.version


def test_every_month_has_its_moves(trained, rows):
    table = rows(trained.settings.warehouse_db, MOVES)
    assert set(table["scheme"]) == {"cluster", "rule"}
    assert table["month_start_on"].nunique() == 12
    sums = table.groupby(["scheme", "month_start_on", "from_segment"]).agg(
        moved=("customers", "sum"),
        present=("from_customers", "first"),
        chance=("probability_30d", "sum"),
    )
    assert (sums["moved"] == sums["present"]).all()
    np.testing.assert_allclose(sums["chance"], 1, atol=1e-5)
    everyone = (
        table[table["month_start_on"] == table["month_start_on"].max()]
        .groupby("scheme")["customers"]
        .sum()
    )
    assert everyone.nunique() == 1


def test_moving_again_changes_nothing(own, rows):
    before = rows(own.settings.warehouse_db, MOVES)
    first = registry.champion(own.settings, transitions.NAME)
    assert transitions.train(own.settings).version == first.version
    ml.score(own.settings)
    pd.testing.assert_frame_equal(rows(own.settings.warehouse_db, MOVES), before)


def test_the_contract_of_gold_is_what_python_writes(trained, rows):
    path = PROJECT_ROOT / "dbt_project/models/gold/ml/segment_transitions.yml"
    [model] = yaml.safe_load(path.read_text())["models"]
    promised = {c["name"]: c["data_type"].replace("string", "varchar") for c in model["columns"]}
    written = rows(trained.settings.warehouse_db, "describe ml.segment_transitions")
    assert (
        dict(zip(written["column_name"], written["column_type"].str.lower(), strict=True))
        == promised
    )
