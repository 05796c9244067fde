"""Gold against an oracle in plain Python, on random Stripe histories, and that order, batches and repetition are nothing.

One build holds all histories at once; `pytest tests/dbt/test_random_histories.py --histories-seed 7` tries others. What was found
once stands in `histories/cases/` and is built along with the random ones.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from tests.dbt.histories import cases, feeding, generator, play
from tests.dbt.histories.compare import Expected, daily_disagreements, disagreements
from tests.dbt.histories.generator import NOW
from tests.dbt.histories.reading import Choices
from tests.dbt.warehouse_of import differences
from warehouse.settings import Settings

pytestmark = pytest.mark.slow(minutes=4)

CUSTOMERS = 1_000
BATCHED = 120
BATCHES = 3
Told = dict[str, play.Told]


@pytest.fixture(scope="module")
def told(pytestconfig: pytest.Config) -> Told:
    seed = pytestconfig.getoption("--histories-seed")
    random = {f"h{n}": play.told(generator.script(seed, n), f"h{n}") for n in range(CUSTOMERS)}
    return random | {name: play.told(script, name) for name, script in cases.all_cases().items()}


@pytest.fixture(scope="module")
def warehouse(told: Told, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = feeding.warehouse_at(tmp_path_factory.mktemp("histories"))
    feeding.feed(settings, feeding.loads_of(told))
    feeding.build(settings)
    return settings


def test_every_number_of_every_history_is_the_oracles(told: Told, warehouse: Settings) -> None:
    expected = Expected(told)
    assert disagreements(warehouse, expected) == {}
    assert daily_disagreements(warehouse, expected) == []


def test_order_batches_and_repetition_change_nothing(told: Told, tmp_path: Path) -> None:
    some = feeding.loads_of(dict(list(told.items())[:BATCHED]))
    at_once = feeding.warehouse_at(tmp_path / "at_once")
    feeding.feed(at_once, some)
    feeding.build(at_once)
    home = tmp_path / "in_steps"
    in_steps = feeding.warehouse_at(home, wrong_rates=True)
    syncs = feeding.batches(some, BATCHES, seed=1)
    for left, sync in zip(reversed(range(BATCHES)), syncs, strict=True):
        feeding.feed(in_steps, sync)
        if not left:
            feeding.land_rates(in_steps)
        # time goes on between the builds: what was still ahead has happened by the next one
        feeding.build(feeding.settings_of(home, NOW - left * timedelta(days=40)))
    tables = [f"gold.{table}" for table in feeding.GOLD]
    assert differences(at_once, in_steps, [*tables, *feeding.BY_KEY]) == {}


@pytest.mark.soak
def test_choices_turned_round_are_the_oracles_too(told: Told, tmp_path: Path) -> None:
    choices = {
        "churn_recognition": "cancellation", "paused_counts_as_mrr": True, "past_due_counts_as_mrr": False,
    }  # fmt: skip
    some = dict(list(told.items())[:BATCHED])
    settings = feeding.warehouse_at(tmp_path / "other", **choices)
    feeding.feed(settings, feeding.loads_of(some))
    feeding.build(settings)
    assert disagreements(settings, Expected(some, Choices(**choices))) == {}
