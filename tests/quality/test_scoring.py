"""Scores and issues, worked by hand from rows of check results."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from quality import scoring
from quality.expectations import CheckResult
from quality.gates import keep
from tests.quality.company import NOW, settings_of
from warehouse import ledger
from warehouse.tidy import tidy


@pytest.fixture
def settings(tmp_path):
    return settings_of(tmp_path / "home")


def found(table, dimension, severity, success, says="holds"):
    return CheckResult(
        "gold", table, table, "", says, dimension, severity, success, "", "" if success else "row 7",
        "" if success else "mend it",
    )  # fmt: skip


def run(settings, name, *results, gate="gold", after=timedelta()):
    keep(settings.over(as_of=NOW + after), gate, name, results)


def scores(settings, columns="*"):
    scoring.keep(settings)
    with ledger.ops(settings) as con:
        return con.execute(
            f"select {columns} from data_quality_scores order by date_partition, table_name"
        ).fetchall()


def issues(settings, columns):
    scoring.keep(settings)
    with ledger.ops(settings) as con:
        return con.execute(
            f"select {columns} from data_quality_issues order by first_seen_at, table_name"
        ).fetchall()


def test_a_dimension_is_the_share_that_passed_by_weight_and_the_whole_is_the_mean(settings):
    run(
        settings, "r1",
        # completeness: 3 + 1 passed of 3 + 1 + 3 = 4/7
        found("gold.t", "completeness", "error", True, "a"), found("gold.t", "completeness", "warning", True, "b"),
        found("gold.t", "completeness", "error", False, "c"),
        # validity: 3 of 3 + 1 = 3/4
        found("gold.t", "validity", "error", True, "d"), found("gold.t", "validity", "warning", False, "e"),
        # timeliness: 0 of 1
        found("gold.t", "timeliness", "warning", False, "f"),
        found("gold.u", "accuracy", "error", True, "g"),
    )  # fmt: skip
    rows = scores(
        settings,
        "table_name, date_partition::varchar, run_id, completeness, accuracy, consistency, timeliness, validity, "
        "overall_score, check_count, failed_count",
    )
    assert rows[0][:8] == (
        "gold.t", "2025-03-01", "r1", pytest.approx(4 / 7), None, None, 0.0, 0.75,
    )  # fmt: skip
    # (4/7 + 3/4 + 0) / 3 = (16 + 21) / 28 / 3 = 37/84
    assert rows[0][8:] == (pytest.approx(37 / 84), 6, 3)
    assert rows[1] == ("gold.u", "2025-03-01", "r1", None, 1.0, None, None, None, 1.0, 1, 0)


def test_gates_of_a_day_are_one_score_and_the_last_run_of_each_counts(settings):
    run(settings, "dbt1", found("gold.t", "accuracy", "error", False), gate="dbt_gold")
    run(settings, "r1", found("gold.t", "accuracy", "error", True))
    assert scores(settings, "accuracy, run_id, check_count") == [(0.5, "r1", 2)]
    run(settings, "dbt2", found("gold.t", "accuracy", "error", True), gate="dbt_gold")
    assert scores(settings, "accuracy, run_id, check_count") == [(1.0, "dbt2", 2)]
    assert scores(settings) == scores(settings)


def test_each_day_has_its_own_row_and_days_before_stay_as_they_were(settings):
    run(settings, "r1", found("gold.t", "accuracy", "error", False))
    first = scores(settings)
    run(settings, "r2", found("gold.t", "accuracy", "error", True), after=timedelta(days=1))
    assert scores(settings, "accuracy") == [(0.0,), (1.0,)]
    assert scores(settings)[:1] == first


def test_the_day_is_that_of_the_reporting_time_zone(settings):
    run(settings, "r1", found("gold.t", "accuracy", "error", True))
    new_york = settings.over(reporting_timezone="America/New_York")
    assert scores(new_york, "date_partition::varchar") == [("2025-02-28",)]


def test_an_issue_lasts_from_the_run_that_saw_it_to_the_one_that_found_it_mended(settings):
    bad, good = (found("gold.t", "accuracy", "warning", ok) for ok in (False, True))
    for n, result in enumerate((bad, bad, good, bad)):
        run(settings, f"r{n}", result, after=timedelta(days=n))
    day = datetime(2025, 3, 1)
    said = "table_name, detail, recommendation, first_seen_at, last_seen_at, resolved_at, is_open, run_id"
    assert issues(settings, said) == [
        ("gold.t", "row 7", "mend it", day, day + timedelta(days=1), day + timedelta(days=2), False, "r1"),
        ("gold.t", "row 7", "mend it", day + timedelta(days=3), day + timedelta(days=3), None, True, "r3"),
    ]  # fmt: skip


def test_what_a_broken_off_run_did_not_look_at_stays_open(settings):
    late = found("gold.t", "accuracy", "error", False)
    run(settings, "d1", late, gate="dbt_gold")
    # another test stopped dbt before it came to this one
    run(
        settings, "d2", found("gold.a", "accuracy", "error", False), gate="dbt_gold", after=timedelta(hours=1),
    )  # fmt: skip
    assert issues(settings, "table_name, is_open") == [("gold.t", True), ("gold.a", True)]
    # a whole run that no longer has the check: it was taken out
    run(
        settings, "d3", found("gold.a", "accuracy", "error", True), gate="dbt_gold", after=timedelta(hours=2),
    )  # fmt: skip
    assert issues(settings, "table_name, is_open") == [("gold.t", False), ("gold.a", False)]


def test_old_results_go_and_scores_stay(settings):
    run(settings, "r1", found("gold.t", "accuracy", "error", False))
    run(
        settings,
        "r2",
        found("gold.t", "accuracy", "error", True),
        gate="raw",
        after=timedelta(days=1),
    )
    run(settings, "r3", found("gold.t", "accuracy", "error", True), after=timedelta(days=100))
    removed = tidy(settings.over(as_of=NOW + timedelta(days=100)))
    # r2 is its gate's newest
    assert removed["check_results"] == 1
    with ledger.ops(settings) as con:
        assert con.execute("select run_id from check_results order by 1").fetchall() == [
            ("r2",),
            ("r3",),
        ]
    assert scores(settings, "accuracy") == [(0.0,), (1.0,), (1.0,)]
    assert issues(settings, "is_open, resolved_at::date::varchar") == [(False, "2025-06-09")]
