"""The ledger knows whether the gates' word still holds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.quality.company import NOW, settings_of
from warehouse import duck, ledger, loads

GATES = ("raw", "gold", "scores")


@pytest.fixture
def settings(tmp_path):
    return settings_of(tmp_path)


def passed(settings, gate, *, success=True):
    row = (
        "s",
        "gold.t",
        "c",
        "c is never null",
        "completeness",
        "error",
        success,
        "",
        "2 rows break it",
        "",
    )
    ledger.record_check(
        settings,
        run_id=f"{gate}{success}",
        gate=gate,
        passed=success,
        checked_at=NOW,
        results=[row],
    )


def test_nothing_holds_before_the_first_run(settings):
    assert ledger.builds(settings) == []
    assert ledger.latest_checks(settings) == {}
    assert ledger.last_training(settings, "new") is None
    assert set(ledger.standing(settings, GATES)) == set(GATES)


def test_order_of_the_road_holds(settings):
    passed(settings, "raw")
    for layer in ("silver", "gold"):
        ledger.record_build(settings, layer, NOW)
    passed(settings, "gold")
    ledger.record_build(settings, "ml", NOW)
    passed(settings, "scores")
    assert ledger.standing(settings, GATES) == {}
    assert [build.layer for build in ledger.builds(settings)] == ["silver", "gold", "ml"]


@pytest.mark.parametrize(
    ("layer", "stale"),
    [("silver", {"gold", "scores"}), ("gold", {"gold", "scores"}), ("ml", {"scores"})],
)
def test_a_later_build_takes_the_word_away(settings, layer, stale):
    ledger.record_build(settings, "gold", NOW)
    for gate in GATES:
        passed(settings, gate)
    ledger.record_build(settings, layer, NOW)
    reasons = ledger.standing(settings, GATES)
    assert set(reasons) == stale
    assert all(f"layer {layer} was built after" in reason for reason in reasons.values())


def test_a_build_of_loads_that_the_raw_gate_has_not_seen_is_not_cleared(settings):
    # usage's load 8 landed between the gate and the build
    checked = {"run_id": "r", "gate": "raw", "passed": True, "checked_at": NOW, "results": []}
    ledger.record_check(settings, **checked, scope='{"usage": 7, "stripe": 3}')
    ledger.record_build(
        settings,
        "silver",
        NOW,
        taken_in={"usage": loads.Reach(8), "stripe": loads.Reach(3), "support": loads.Reach(0)},
    )
    assert ledger.standing(settings, ["raw"]) == {
        "raw": "loads of usage were built in that it has not seen"
    }
    ledger.record_check(settings, **checked, scope='{"usage": 8, "stripe": 3}')
    assert ledger.standing(settings, ["raw"]) == {}


def test_a_file_that_was_landed_anew_after_the_gate_is_not_cleared(settings):
    seen = loads.Reach(7, "2025-02-28T01:00:00", began_at="2025-01-01T00:00:00")
    ledger.record_check(
        settings, run_id="r", gate="raw", passed=True, checked_at=NOW, results=[], scope=loads.as_text({"usage": seen})
    )  # fmt: skip
    for taken, is_clear in (
        (seen, True),
        (replace(seen, load_id=6, committed_at="2025-02-27T01:00:00"), True),
        (replace(seen, load_id=1, began_at="2025-02-28T02:00:00"), False),
        (replace(seen, committed_at="2025-02-28T02:00:00"), False),
    ):
        ledger.record_build(settings, "silver", NOW, taken_in={"usage": taken})
        assert (ledger.standing(settings, ["raw"]) == {}) == is_clear, taken


@pytest.mark.parametrize(
    ("layer", "refused"), [("silver", set()), ("gold", {"gold", "scores"}), ("ml", {"scores"})]
)
def test_a_build_without_an_end_is_cleared_by_no_gate(settings, layer, refused):
    for built in ("silver", "gold", "ml"):
        ledger.record_begun(settings, built)
        ledger.record_build(settings, built, NOW)
    for gate in GATES:
        passed(settings, gate)
    assert ledger.standing(settings, GATES) == {}
    ledger.record_begun(settings.over(target="spark"), layer)  # another warehouse
    ledger.record_begun(settings, layer)
    for gate in GATES:  # what it left half built may even pass
        passed(settings, gate)
    assert ledger.standing(settings, GATES) == dict.fromkeys(
        refused, f"the last build of layer {layer} did not finish"
    )
    ledger.record_build(settings, layer, NOW)
    for gate in GATES:
        passed(settings, gate)
    assert ledger.standing(settings, GATES) == {}


def test_failed_run_is_told_by_its_check_and_a_later_pass_clears_it(settings):
    ledger.record_build(settings, "gold", NOW)
    passed(settings, "gold", success=False)
    assert ledger.standing(settings, ["gold"]) == {
        "gold": "gold.t.c: c is never null: 2 rows break it"
    }
    passed(settings, "gold")
    assert ledger.standing(settings, ["gold"]) == {}


def test_each_target_is_cleared_by_its_own_gates(settings):
    on_spark = settings.over(target="spark")
    passed(settings, "raw")
    ledger.record_build(on_spark, "gold", NOW)
    passed(on_spark, "gold", success=False)
    ledger.record_build(settings, "gold", NOW)
    passed(settings, "gold")
    assert ledger.standing(settings, ["raw", "gold"]) == {}
    # the other's word is about another gold; what has landed is the same for both
    assert set(ledger.standing(on_spark, ["raw", "gold"])) == {"gold"}
    assert [build.layer for build in ledger.builds(on_spark)] == ["gold"]
    ledger.record_build(on_spark, "gold", NOW)
    assert ledger.standing(settings, ["gold"]) == {}


def test_results_of_each_targets_newest_run_stay(settings):
    on_spark = settings.over(target="spark")
    passed(settings, "gold", success=False)
    passed(on_spark, "gold")
    later = NOW + timedelta(days=1)
    assert ledger.forget_results(settings, before=later) == 0
    ledger.record_check(
        settings, run_id="newer", gate="gold", passed=True, checked_at=NOW, results=[]
    )
    assert ledger.forget_results(settings, before=later) == 1


def test_what_was_recorded_before_there_were_targets_is_duckdbs(settings):
    ledger.record_build(settings, "gold", NOW)
    passed(settings, "gold")
    con = duck.connect(settings.ops_db)
    con.execute("alter table builds drop column target")
    con.execute("alter table check_runs drop column target")
    con.close()
    assert ledger.standing(settings, ["gold"]) == {}
    assert ledger.builds(settings.over(target="spark")) == []


def test_checks_without_any_build_clear_nothing(settings):
    passed(settings, "gold")
    assert ledger.standing(settings, ["gold"]) == {"gold": "no build is on record"}


def test_last_training_reads_the_registry(settings):
    con = duck.connect(settings.ops_db)
    con.execute("create table model_registry (trained_as_of timestamp, code_version varchar)")
    con.execute(
        "insert into model_registry values ('2025-02-01', 'new'), ('2025-02-08', 'new'), ('2025-02-09', 'old')"
    )
    con.close()
    assert ledger.last_training(settings, "new") == datetime(2025, 2, 8, tzinfo=UTC)
    assert ledger.last_training(settings, "newest") is None
