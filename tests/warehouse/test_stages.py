"""What the stages decide by themselves."""

from __future__ import annotations

from tests.quality.company import NOW, build_landing, settings_of
from warehouse import duck, ledger, loads
from warehouse.sources import SOURCES
from warehouse.stages import anything_new


def is_new(settings) -> bool:
    return anything_new(settings, lambda _: None)["new"]


def test_the_first_build_waits_for_the_first_sync_of_every_source_that_is_on(tmp_path):
    settings = settings_of(tmp_path)
    build_landing(settings)
    assert is_new(settings)
    for source in set(SOURCES) - {"stripe"}:
        settings.landing(source).unlink()
        assert not is_new(settings)
    # in real mode those without settings are off, and nobody waits for them
    assert is_new(settings.over(mode="real"))
    settings.landing("stripe").unlink()
    assert not is_new(settings.over(mode="real"))


def test_what_was_synced_is_new_until_gold_was_judged_whatever_the_clock_says(tmp_path):
    settings = settings_of(tmp_path)
    build_landing(settings)

    def built(layer: str) -> None:
        reaches = {source: loads.reach(source, settings) for source in SOURCES}
        ledger.record_begun(settings, layer)
        ledger.record_build(settings, layer, NOW, taken_in=reaches if layer == "silver" else {})

    def judged(*, passed: bool) -> None:
        ledger.record_check(
            settings, run_id="r", gate="gold", passed=passed, checked_at=NOW, results=[]
        )

    for layer in ("silver", "gold"):
        built(layer)
        assert is_new(settings)
    # a gate that refused has judged: nothing gets better by asking it again
    judged(passed=False)
    assert not is_new(settings)
    # a sync that ended before those that were taken in, by a clock that was set back
    con = duck.connect(settings.landing("stripe"))
    con.execute("update landing.syncs set ended_at = '2025-02-27'")
    con.close()
    assert is_new(settings)
    built("silver")
    built("gold")
    judged(passed=True)
    assert not is_new(settings)
    ledger.record_begun(settings, "gold")
    assert is_new(settings)
