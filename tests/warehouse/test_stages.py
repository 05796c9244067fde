"""What the stages decide by themselves."""

from __future__ import annotations

from tests.quality.company import build_landing, settings_of
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
