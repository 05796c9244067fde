"""Raw as a lake: what landed is there, what has not changed is not written, what is gone goes."""

from __future__ import annotations

import json
import multiprocessing
import os
import re
import signal
import time
from datetime import timedelta
from pathlib import Path

import pytest
from deltalake import DeltaTable

from ingestion import lake
from tests.ingestion.conftest import NOW
from tests.ingestion.test_window import WINDOW, item, play
from tests.road.conftest import Warehouse
from warehouse import duck
from warehouse.errors import CallError, WarehouseError
from warehouse.lake import hold_raw

FIRST = [item("a", 1), item("b", 2), item("c", 2)]


def folder(desk) -> Path:
    return desk.settings.home / "lake" / "raw" / "fake"


def on_files(desk, sql: str) -> list[tuple]:
    """Ask the files, as another tool would: nothing is known but the layout."""
    with duck.connect(":memory:") as con:
        con.execute(
            f"create view items as from read_parquet('{folder(desk)}/items/*/*.parquet', hive_partitioning = true)"
        )
        con.execute(
            f"create view loads as from read_parquet('{folder(desk)}/_landing/loads.parquet')"
        )
        return con.execute(sql).fetchall()


def export(desk):
    return lake.export_raw(desk.settings, ["fake"])["fake"]


def is_same(desk) -> bool:
    """Whether the files hold what the landing file holds, row by row."""
    columns = "_raw, _load_id, _extracted_at, _generation, _position, _file"
    rows = f"select {columns} from {{}} order by all"
    return on_files(desk, rows.format("items")) == desk.query(rows.format("raw_fake.items"))


def told(desk) -> dict:
    return json.loads((folder(desk) / "manifest.json").read_text())


def test_what_landed_is_in_files_by_the_day_of_its_load(desk):
    play(desk, FIRST)
    done = export(desk)
    assert (done.written, done.unchanged, done.removed, done.rows) == (1, 0, 0, 3)
    assert is_same(desk)
    (day,) = desk.query("select distinct committed_at::date from landing.loads")[0]
    assert on_files(desk, "select distinct load_date from items") == [(day,)]
    assert on_files(desk, "select sum(rows_landed) from loads") == [(3,)]
    (entry,) = told(desk)["days"]
    assert (entry["stream"], entry["day"], entry["rows"]) == ("items", str(day), 3)
    assert (folder(desk) / entry["file"]).stat().st_mode & 0o777 == 0o640


def test_only_days_that_changed_are_written(desk):
    play(desk, FIRST)
    backdate(desk, days=2)
    play(desk, [item("d", 3)])
    assert export(desk).written == 2
    play(desk, [item("e", 3)])
    done = export(desk)
    assert (done.written, done.unchanged, done.rows) == (1, 1, 2)
    assert is_same(desk)
    done = export(desk)
    assert (done.written, done.unchanged, done.removed) == (0, 2, 0)


def test_a_window_that_is_read_again_changes_the_days_it_took_rows_from(desk):
    play(desk, FIRST)
    backdate(desk, days=2)
    export(desk)
    play(desk, [item("b", 2, more=1)], window=WINDOW)  # c is gone
    assert export(desk).written == 2
    assert is_same(desk)


def test_a_full_refresh_takes_old_files_away(desk):
    play(desk, FIRST)
    backdate(desk, days=2)
    export(desk)
    play(desk, [item("z", 1)], full_refresh=True)
    done = export(desk)
    assert (done.written, done.removed) == (1, 1)
    assert is_same(desk)
    assert len(list(folder(desk).glob("items/*"))) == 1


def test_days_that_are_too_old_go(desk):
    play(desk, FIRST)
    backdate(desk, days=9)
    play(desk, [item("d", 3)])
    export(desk)
    (newest,) = desk.query("select max(committed_at)::date from landing.loads")[0]
    # loads have the wall clock's days, whatever day it is in a sandbox
    kept_five = desk.settings.over(lake_raw_days=5, as_of=NOW + timedelta(days=5000))
    done = lake.export_raw(kept_five, ["fake"])["fake"]
    assert (done.written, done.unchanged, done.removed) == (0, 1, 1)
    assert on_files(desk, "select distinct load_date from items") == [(newest,)]
    assert desk.query("select count(*) from raw_fake.items") == [(4,)]  # landing keeps them
    # what Spark's builds read is never too old for them
    done = lake.export_raw(kept_five.over(target="spark"), ["fake"])["fake"]
    assert (done.written, done.unchanged, done.removed) == (1, 1, 0)
    assert is_same(desk)


def test_a_file_that_was_cut_is_written_again(desk):
    play(desk, FIRST)
    export(desk)
    (entry,) = told(desk)["days"]
    file = folder(desk) / entry["file"]
    file.write_bytes(file.read_bytes()[:-1])
    assert export(desk).written == 1
    assert is_same(desk)


def test_a_source_that_was_lost_and_landed_again_is_written_again(desk):
    play(desk, FIRST)
    export(desk)
    desk.settings.landing("fake").unlink()
    play(desk, [item("a", 1, more=1), item("b", 2), item("c", 2)])  # as many rows of load 1
    assert export(desk).written == 1
    assert is_same(desk)


def test_two_exports_wait_for_each_other(desk):
    play(desk, FIRST)
    waiter = Warehouse(desk.settings.home)
    with hold_raw(desk.settings, "a build"):
        said = waiter("lake", "export", "--layer", "raw", expect=1, WAREHOUSE_LOCK_TIMEOUT="0.2")
    assert "raw is in use by a build" in said


@pytest.mark.parametrize("point", ["lake.day_written:1", "lake.day_written:2", "lake.manifest_written"])  # fmt: skip
def test_an_export_killed_at(desk, point):
    play(desk, FIRST)
    backdate(desk, days=2)
    play(desk, [item("d", 3)])
    export(desk)
    play(desk, [item("z", 1), item("y", 2)], full_refresh=True)
    play(desk, [item("b", 2)], window=WINDOW)
    backdate(desk, days=1)
    play(desk, [item("x", 4)])
    settings = desk.settings.over(failpoint=point)
    process = multiprocessing.get_context("spawn").Process(
        target=lake.export_raw, args=(settings, ["fake"])
    )
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    on_files(desk, "select count(*) from items")  # every file is whole
    export(desk)
    assert is_same(desk)
    assert export(desk).written == 0
    assert not list(folder(desk).rglob(".*"))


def test_a_damaged_manifest_is_one_clear_line(desk):
    play(desk, FIRST)
    export(desk)
    (folder(desk) / "manifest.json").write_text("{")
    with pytest.raises(WarehouseError, match=r"manifest.json is damaged"):
        export(desk)


def test_a_source_that_never_landed_is_named(desk):
    play(desk, FIRST)
    with pytest.raises(CallError, match="nothing has landed from 'nobody'"):
        lake.export_raw(desk.settings, ["nobody"])


def test_delta_tables_hold_the_same(desk):
    play(desk, FIRST)
    backdate(desk, days=2)
    play(desk, [item("d", 3)])
    assert lake.export_raw(desk.settings, ["fake"], form="delta")["fake"].written == 2
    play(desk, [item("b", 2, more=1)], window=WINDOW)
    lake.export_raw(desk.settings, ["fake"], form="delta")
    table = DeltaTable(str(desk.settings.home / "lake/delta/raw/fake/items"))
    found = sorted(table.to_pyarrow_table().column("_raw").to_pylist())
    assert found == [raw for (raw,) in desk.query("select _raw from raw_fake.items order by 1")]
    again = lake.export_raw(desk.settings, ["fake"], form="delta")["fake"]
    assert (again.written, again.unchanged) == (0, 2)
    play(desk, [], full_refresh=True)  # nothing is left of the stream
    assert lake.export_raw(desk.settings, ["fake"], form="delta")["fake"].removed == 2
    path = desk.settings.home / "lake/delta/raw/fake/items"
    assert DeltaTable(str(path)).to_pyarrow_table().num_rows == 0
    assert len(list(path.rglob("*.parquet"))) > 2  # readers of older versions have a week
    long_ago = time.time() - 8 * 86400
    for file in path.rglob("*.parquet"):
        os.utime(file, (long_ago, long_ago))
    for entry in path.glob("_delta_log/*.json"):
        entry.write_text(re.sub(r'"deletionTimestamp":\d+', f'"deletionTimestamp":{int(long_ago) * 1000}', entry.read_text()))  # fmt: skip
    lake.export_raw(desk.settings, ["fake"], form="delta")
    assert list(path.rglob("*.parquet")) == []


def backdate(desk, *, days: int) -> None:
    """As if what has landed had been loaded so many days earlier."""
    with duck.connect(desk.settings.landing("fake")) as con:
        con.execute(f"update landing.loads set committed_at = committed_at - interval {days} day")
