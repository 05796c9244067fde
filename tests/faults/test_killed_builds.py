"""A build that dies at each of its steps, and dbt with it between two models: the next one makes the same gold.

One prepared home: a build of the first deliveries, then more of them landed, some late, some again. What died before is not
cleared away: each kill meets what the one before left.
"""

from __future__ import annotations

import shutil
import time
from pathlib import Path

import psutil
import pytest

from tests.dbt.company import BATCHES
from tests.dbt.warehouse_of import land_batch, rows_of, settings_at
from tests.faults import small_road
from tests.faults.comparing import damage, gold_hashes
from tests.faults.dying import SERVER, ended, killed_at
from warehouse import failpoints, ledger
from warehouse.settings import Settings

pytestmark = pytest.mark.slow(minutes=3)

# point → the layer that is being built, and at which time that the point is met
KILLS = (
    ("build.begun", "silver", 1),
    ("build.node_finished", "silver", 25),
    ("build.node_finished", "gold", 2),
    ("build.dbt_ended", "gold", 1),
    ("build.noted", "gold", 1),
    ("build.recorded", "gold", 1),
)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Built of the first deliveries; the others have landed since."""
    settings = settings_at(tmp_path_factory.mktemp("prepared") / "home")
    land_batch(settings, 0, BATCHES[0])
    assert ended(small_road.build, settings) == 0
    for number in (1, 2):
        land_batch(settings, number, BATCHES[number])
    return settings


@pytest.fixture(scope="module")
def gold(prepared: Settings, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What a build that nobody kills makes of it."""
    settings = copied(prepared, tmp_path_factory.mktemp("unharmed") / "home")
    before = gold_hashes(settings.warehouse_db)
    assert ended(small_road.build, settings) == 0
    after = gold_hashes(settings.warehouse_db)
    assert before["fact_api_usage"] != after["fact_api_usage"]
    return after


def copied(settings: Settings, home: Path) -> Settings:
    shutil.copytree(settings.home, home)
    return settings.over(home=home)


def test_killed_at_each_step_the_next_build_makes_the_same_gold(prepared, gold, tmp_path):
    settings = copied(prepared, tmp_path / "home")
    for point, layer, nth in KILLS:
        killed_at(f"{point}:{nth}", small_road.build, settings, (layer,))
    orphan = left_alone(settings)
    # it waits for dbt, which has the locks still: DuckDB would refuse the file, were they let go
    assert ended(small_road.build, settings) == 0
    assert not orphan.is_running()
    said = [record["request_id"] for batch in BATCHES for record in batch["usage", "api_calls"]]
    built = rows_of(settings, "select request_id from gold.fact_api_usage")
    assert not damage(
        {"calls": set(said)}, {"calls": [row[0] for row in built]},
        gold=(gold, gold_hashes(settings.warehouse_db)),
    )  # fmt: skip
    assert {build.layer for build in ledger.builds(settings)} == {"silver", "gold"}


def left_alone(settings: Settings) -> psutil.Process:
    """A dbt whose parent was killed just after it had started."""
    process = SERVER.Process(target=small_road.build, args=(settings, ("silver",)))
    process.start()
    parent = psutil.Process(process.pid)
    while not (children := parent.children()):
        time.sleep(0.05)
    process.kill()
    process.join()
    assert children[0].is_running()
    return children[0]


def test_every_point_of_the_build_is_among_them():
    assert {point for point, _, _ in KILLS} == set(failpoints.points_of("build"))
