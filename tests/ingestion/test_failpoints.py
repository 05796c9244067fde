"""Killed (SIGKILL) at every named step of landing and run again: nothing lost, nothing twice, rows and cursor agree.

The same harness must catch a writer that loses rows by design: two planted bugs show that it does.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from ingestion.destination.opening import opened
from tests.faults.comparing import Damage, damage
from tests.faults.dying import SERVER
from tests.ingestion import killed
from tests.ingestion.conftest import FAKE, NOW
from warehouse import duck, failpoints
from warehouse.settings import Settings

ROWS = 60
# a server that has the imports done forks the children: a new interpreter for each would cost a second
SERVER.set_forkserver_preload(["tests.ingestion.killed"])


def start(tmp_path: Path, kind: str, failpoint: str | None, bug: str = "", **config):
    what = {
        "kind": kind, "home": str(tmp_path / "data"), "failpoint": failpoint, "bug": bug, "fake": str(FAKE),
        "config": {"count": {"items": ROWS}, "page": 20} | config, "now": NOW.isoformat(), "usage": str(tmp_path / "usage"),
    }  # fmt: skip
    process = SERVER.Process(target=killed.sync, args=(what,))
    process.start()
    return process


def run(*args, **options) -> int:
    """Exit code of a sync that ended, or died."""
    process = start(*args, **options)
    process.join()
    return process.exitcode


def landed(tmp_path: Path, source: str, table: str, key: str) -> list[str]:
    settings = Settings.for_test(tmp_path / "data")
    if not settings.landing(source).exists():
        return []
    with duck.connect(settings.landing(source)) as con:
        return [
            row[0]
            for row in con.execute(
                f"select _raw::json->>'{key}' from raw_{source}.{table} order by _load_id, _position"
            ).fetchall()
        ]


def left(tmp_path: Path) -> Damage:
    """What the connector said against what landed of it."""
    said = [f"items_{n}" for n in range(ROWS)]
    return damage({"items": said}, {"items": landed(tmp_path, "fake", "items", "id")})


def agree(tmp_path: Path) -> bool:
    """Whether the cursor says exactly what has landed."""
    with duck.connect(Settings.for_test(tmp_path / "data").landing("fake")) as con:
        (state,) = con.execute(
            "select coalesce(max((state::json->>'next')::int), 0) from landing.state"
        ).fetchall()[0]
        (count,) = con.execute("select count(distinct _raw) from raw_fake.items").fetchall()[0]
    return state == count


@pytest.mark.parametrize("point", failpoints.points_of("landing"))
@pytest.mark.parametrize("nth", [1, 2])
def test_a_connector_sync_killed_at(tmp_path, point, nth):
    assert run(tmp_path, "connector", f"{point}:{nth}") == -signal.SIGKILL
    assert agree(tmp_path)
    assert run(tmp_path, "connector", None) == 0
    assert not left(tmp_path)


@pytest.mark.parametrize(
    "point",
    [
        point
        for point in failpoints.points_of("landing")
        # files have a ledger, no cursor
        if point != "landing.cursor_written"
    ],
)
def test_a_file_sync_killed_at(tmp_path, point):
    from tests.ingestion.test_files import OLD, calls

    (tmp_path / "usage").mkdir()
    for day in range(1, 4):
        path = tmp_path / "usage" / f"2025-06-0{day}.jsonl"
        path.write_text(calls(20, day * 100))
        os.utime(path, (OLD, OLD))
    assert run(tmp_path, "files", point) == -signal.SIGKILL
    assert run(tmp_path, "files", None) == 0
    said = [f"r{day * 100 + n}" for day in range(1, 4) for n in range(20)]
    assert not damage(
        {"calls": said}, {"calls": landed(tmp_path, "usage", "api_calls", "request_id")}
    )


def test_the_harness_catches_a_cursor_that_is_committed_before_its_rows(tmp_path):
    bug = "cursor before rows"
    assert run(tmp_path, "connector", "landing.rows_written:2", bug) == -signal.SIGKILL
    run(tmp_path, "connector", None, bug)
    assert left(tmp_path).lost == {"items": [f"items_{n}" for n in range(20, 40)]}


def test_the_harness_catches_a_cursor_that_is_committed_after_its_rows(tmp_path):
    bug = "cursor after commit"
    assert run(tmp_path, "connector", "landing.after_commit:2", bug) == -signal.SIGKILL
    run(tmp_path, "connector", None, bug)
    assert left(tmp_path).doubled["items"] == [f"items_{n}" for n in range(40)]


def test_sigterm_stops_the_connector_and_leaves_no_file(tmp_path):
    process = start(tmp_path, "connector", None, pause=5)
    deadline = time.monotonic() + 20
    while not has_landed_some(tmp_path) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.terminate()
    process.join(20)
    assert process.exitcode == 143
    assert not list((tmp_path / "data" / "spool").iterdir())
    assert agree(tmp_path)
    assert run(tmp_path, "connector", None) == 0
    assert landed(tmp_path, "fake", "items", "id") == [f"items_{n}" for n in range(ROWS)]


def has_landed_some(tmp_path: Path) -> bool:
    """Look under the lock: the sync is running."""
    settings = Settings.for_test(tmp_path / "data")
    if not settings.landing("fake").exists():
        return False
    with opened("fake", settings, streams=["items"]) as landing:
        return landing.con.execute("select count(*) > 0 from raw_fake.items").fetchall()[0][0]


def test_two_syncs_at_once_land_everything_once(tmp_path):
    both = [start(tmp_path, "connector", None, pause=0.05) for _ in range(2)]
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    assert landed(tmp_path, "fake", "items", "id") == [f"items_{n}" for n in range(ROWS)]
