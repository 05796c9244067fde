"""A company's new day taken in while its processes are killed at random, then compared with an unharmed run.

A round takes the day in once. First `warehouse run` is killed, with all it has started or alone, so that connectors and dbt outlive
it for a while. Then the stages follow each other as Airflow's tasks do: each is killed some times, at a random moment or at a
failpoint the n-th time that it is met, and then let go to its end. Nothing is cleared away in between: each process meets what the
ones before it left.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from serving.editions import MADE_AT_PUBLISH
from tests.faults.comparing import Damage, damage, gold_hashes
from tests.road.conftest import Warehouse
from warehouse import duck, failpoints
from warehouse.settings import PROJECT_ROOT, Settings
from warehouse.sources import SOURCES
from warehouse.stages import STAGES

WAREHOUSE_RUN = "warehouse run"
# whose points a stage meets, and how often at most; a higher n is never met
POINTS = {
    "ingest": "landing", "gate": "gate", "silver": "build", "gold": "build", "ml": "build", "train": "train", "score": "score",
    "publish": "publish",
}  # fmt: skip
MET = {"landing": 6, "build.node_finished": 100, "gate": 2}
KILLS_OF_A_STAGE = 2
LANDED = {
    "files": "select _raw, count(*) from $table group by all",
    "airbyte": """
        with syncs as (select distinct load_id, sync_id from landing.loads),
        told as (select _raw, sync_id, count(*) as times from $table join syncs on load_id = _load_id group by all)
        select _raw, max(times) from told group by all
    """,
}


@dataclass
class Company:
    """A small company of which one day is built and published, and the next is there to be taken in.

    Attributes:
        home: Its data folder; every round takes a copy.
        seconds: How long each stage, and a whole run, takes when nobody kills it.
        rows: What an unharmed run lands, by stream.
        published: What readers see before and after it.
        gold: What it makes of the day.
    """

    home: Path
    seconds: dict[str, float] = field(default_factory=dict)
    rows: dict[str, list[str]] = field(default_factory=dict)
    published: tuple[dict[str, str], dict[str, str]] = ({}, {})
    gold: dict[str, str] = field(default_factory=dict)

    @classmethod
    def made(cls, folder: Path) -> Company:
        """Make it, and take in the new day in a copy, unharmed."""
        warehouse = Warehouse(folder / "prepared")
        warehouse.create(customers=20, months=2, calls=400)
        warehouse("run")
        warehouse("sandbox", "advance", "--days", "1")
        unharmed = Warehouse(folder / "unharmed")
        shutil.copytree(warehouse.home, unharmed.home, symlinks=True)
        seconds = {stage.name: _seconds_of(unharmed, stage.name) for stage in STAGES}
        unharmed("verify")
        return cls(
            warehouse.home,
            seconds | {WAREHOUSE_RUN: sum(seconds.values())},
            rows=landed_rows(unharmed.settings),
            published=(published_hashes(warehouse.settings), published_hashes(unharmed.settings)),
            gold=gold_hashes(unharmed.settings.warehouse_db),
        )


@dataclass
class Kill:
    """One kill that was tried.

    Attributes:
        whom: A stage, or `warehouse run`.
        how: A failpoint with its n, or the second it came at.
        hit: Whether the process died of it; a point may not be met, a process may end before.
    """

    whom: str
    how: str
    hit: bool


def killed_round(
    company: Company, home: Path, chance: random.Random, say: Callable[[Kill], None]
) -> list[Kill]:
    """Take the new day in, killing; what readers see is whole after each kill."""
    warehouse = Warehouse(home)
    shutil.copytree(company.home, home, symlinks=True)
    tried = []
    plan = [(stage.name, chance.randint(0, 2 * KILLS_OF_A_STAGE)) for stage in STAGES]
    for name, times in [(WAREHOUSE_RUN, 1), *plan]:
        for _ in range(times):
            kill = _killed(warehouse, name, company.seconds[name], chance)
            assert published_hashes(warehouse.settings) in company.published, kill
            tried.append(kill)
            say(kill)
        if name != WAREHOUSE_RUN:
            _seconds_of(warehouse, name)
    return tried


def harm(company: Company, home: Path) -> Damage:
    """What the kills left: landed rows and gold against those of the unharmed run. The truth is asked, too."""
    warehouse = Warehouse(home)
    warehouse("verify")
    return damage(
        company.rows | {"published": company.published[1].items()},
        landed_rows(warehouse.settings)
        | {"published": published_hashes(warehouse.settings).items()},
        gold=(company.gold, gold_hashes(warehouse.settings.warehouse_db)),
    )


def landed_rows(settings: Settings) -> dict[str, list[str]]:
    """Every landed row, by source and stream, as often as it is there.

    An API tells what stands at the cursor again in each sync, killed or not: of a connector, a row counts as often as the sync that
    brought it most often did.
    """
    found = {}
    for source, spec in SOURCES.items():
        with duck.connect(settings.landing(source), read_only=True) as con:
            for stream in spec.streams:
                rows = con.execute(
                    LANDED[spec.style].replace("$table", f"raw_{source}.{stream}")
                ).fetchall()
                found[f"{source}.{stream}"] = [row for row, times in rows for _ in range(times)]
    return found


def published_hashes(settings: Settings) -> dict[str, str]:
    """What readers see now. What the gates said names their runs: it differs from run to run."""
    hashes = gold_hashes(settings.published_dir / "current" / "restricted.duckdb")
    return {table: content for table, content in hashes.items() if table not in MADE_AT_PUBLISH}


def _killed(warehouse: Warehouse, name: str, seconds: float, chance: random.Random) -> Kill:
    points = (
        failpoints.points_of(POINTS[name.split("_", maxsplit=1)[0]])
        if name != WAREHOUSE_RUN
        else []
    )
    if points and chance.random() < 0.5:
        point = chance.choice(points)
        most = MET.get(point) or MET.get(point.split(".")[0], 1)
        how = f"{point}:{chance.randint(1, most)}"
        with _started(warehouse, name, WAREHOUSE_FAILPOINT=how) as process:
            return Kill(name, how, _died(warehouse, name, process))
    moment, alone = chance.uniform(0, seconds), chance.random() < 0.5
    with _started(warehouse, name) as process:
        try:
            process.wait(moment)
        except subprocess.TimeoutExpired:
            children = [] if alone else psutil.Process(process.pid).children(recursive=True)
            process.kill()
            for child in children:
                with suppress(psutil.NoSuchProcess):
                    child.kill()
        how = f"{moment:.1f} s{', its children live on' if alone else ''}"
        return Kill(name, how, _died(warehouse, name, process))


def _died(warehouse: Warehouse, name: str, process: subprocess.Popen) -> bool:
    """Whether a process was killed; one that was not has to end well, whatever the killed ones left it."""
    code = process.wait()
    assert code in (0, -signal.SIGKILL), f"{name} failed: {_last_words(warehouse)}"
    return code == -signal.SIGKILL


def _seconds_of(warehouse: Warehouse, name: str) -> float:
    """Let a stage go to its end."""
    started = time.monotonic()
    with _started(warehouse, name) as process:
        assert process.wait() == 0, f"{name} failed: {_last_words(warehouse)}"
    return time.monotonic() - started


def _started(warehouse: Warehouse, name: str, **variables: str) -> subprocess.Popen:
    ours = {str(field.validation_alias) for field in Settings.model_fields.values()}
    environment = {key: value for key, value in os.environ.items() if key not in ours}
    command = (
        [str(Path(sys.executable).parent / "warehouse"), "run"]
        if name == WAREHOUSE_RUN
        else [sys.executable, "-m", "tests.faults.one_stage", name]
    )
    with _output(warehouse).open("wb") as output:
        return subprocess.Popen(
            command,
            env=environment | warehouse.variables | variables,
            cwd=PROJECT_ROOT,
            stdout=output,
            stderr=subprocess.STDOUT,
        )


def _output(warehouse: Warehouse) -> Path:
    return warehouse.home.with_suffix(".log")


def _last_words(warehouse: Warehouse) -> str:
    return _output(warehouse).read_text(errors="replace")[-2000:]


def summary(tried: list[Kill]) -> str:
    """One line: how many kills, and of what."""
    hit = [kill for kill in tried if kill.hit]
    at_points = sum(kill.how.split(":")[0] in failpoints.POINTS for kill in hit)
    whom = ", ".join(
        f"{name} {count}" for name, count in Counter(kill.whom for kill in hit).items()
    )
    return (
        f"{len(hit)} kills, {at_points} at failpoints and {len(hit) - at_points} at random moments ({whom}); "
        f"{len(tried) - len(hit)} processes ended before their kill"
    )
