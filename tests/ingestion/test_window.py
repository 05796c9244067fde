"""A window that is read again: its records take the place of those of before, what is gone leaves a tombstone."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import signal
import sys
from datetime import date

import pytest

from ingestion import runner
from serving.sql import query_landing
from tests.ingestion import killed
from tests.ingestion.conftest import FAKE, NOW, record, state, status
from warehouse.errors import CallError, IncompleteLoad

WINDOW = (date(2025, 6, 2), date(2025, 6, 3))
CATALOG = {
    "name": "items",
    "json_schema": {
        "type": "object",
        "x-window-field": "at",
        "properties": {"id": {"type": "string"}, "at": {"type": "string", "format": "date-time"}},
    },
    "supported_sync_modes": ["full_refresh", "incremental"],
    "source_defined_primary_key": [["id"]],
    "default_cursor_field": ["at"],
}


def item(key: str, day: int, time: str = "12:00:00Z", **more) -> dict:
    return {"id": key, "at": f"2025-06-{day:02}T{time}", **more}


BEFORE = [
    item("a", 1), item("b", 2), item("c", 2), item("d", 3, "23:59:59Z"), item("e", 4, "00:00:00Z"),
    item("east", 4, "02:00:00+05:30"), item("west", 3, "22:00:00-05:00"),
]  # fmt: skip


def play(desk, records, *, window=None, ends=("COMPLETE",), **options):
    """Sync a connector with a window in its specification, which says these records."""
    catalog = options.pop("catalog", CATALOG)
    lines = [*(line if "type" in line else record(line) for line in records), state({"n": 1})]
    said = desk.folder / "messages.jsonl"
    said.write_text("".join(json.dumps(line) + "\n" for line in [*lines, *map(status, ends)]))
    config = desk.folder / "config.json"
    told = {"play": str(said), "catalog": [catalog], "given": options.pop("given", None)}
    config.write_text(json.dumps({name: value for name, value in told.items() if value}))
    command = f"{sys.executable} {FAKE}"
    return runner.sync_exec(command, config, "fake", desk.settings, window=window, **options)


def days(desk) -> dict[date, str]:
    """A hash of what landed of each day."""
    rows = desk.query(
        "select (_raw->>'at')::timestamptz::date, list(_raw order by _raw)::varchar from raw_fake.items group by 1"
    )
    return {day: hashlib.sha256(text.encode()).hexdigest() for day, text in rows}


def tombstones(desk) -> list[str]:
    rows = desk.query("select raw::json->>'id' from landing.tombstones order by all")
    return [key for (key,) in rows]


def latest(desk) -> list[str]:
    return [key for (key,) in query_landing(desk.settings, "fake", "select id from latest.items order by id").rows]  # fmt: skip


def is_balanced(desk) -> bool:
    """The load table adds up to what the raw table holds."""
    landed, held = (
        "select sum(rows_landed) from landing.loads",
        "select count(*) from raw_fake.items",
    )
    return desk.query(landed) == desk.query(held)


def test_what_the_window_says_no_more_leaves_a_tombstone_and_other_days_stay(desk):
    play(desk, BEFORE)
    before = days(desk)
    result = play(desk, [item("b", 2), item("new", 3)], window=WINDOW)
    assert result.warnings == ("3 records of items are there no more: they have left tombstones",)
    # the 4th in India was the 3rd in UTC, and the 3rd in New York the 4th
    assert tombstones(desk) == ["c", "d", "east"]
    assert latest(desk) == ["a", "b", "e", "new", "west"]
    after = days(desk)
    assert {day for day in before | after if before.get(day) != after.get(day)} == {*WINDOW}
    assert is_balanced(desk)
    play(desk, [item("b", 2), item("new", 3)], window=WINDOW)
    assert (days(desk), tombstones(desk)) == (after, ["c", "d", "east"])
    assert is_balanced(desk)


def test_a_version_that_is_said_anew_replaces_the_one_before(desk):
    """Without this, silver would have to guess which of two contents of one version is the right one."""
    play(desk, [item("b", 2, price=9), item("c", 2)])
    play(desk, [item("b", 2, price=1), item("c", 2)], window=WINDOW)
    assert desk.query("select _raw->>'price' from raw_fake.items where _raw->>'id' = 'b'") == [("1",)]  # fmt: skip
    assert tombstones(desk) == []


def test_a_record_that_comes_back_is_there_again(desk):
    play(desk, BEFORE)
    play(desk, [], window=WINDOW)
    assert latest(desk) == ["a", "e", "west"]
    play(desk, [item("b", 2)])
    assert latest(desk) == ["a", "b", "e", "west"]


def test_all_versions_of_a_record_go_and_older_versions_of_others_stay(desk):
    by_change = CATALOG | {"default_cursor_field": ["changed"]}
    play(desk, [item("b", 2, changed=1), item("c", 2, changed=1)], catalog=by_change)
    play(desk, [item("b", 2, changed=2), item("c", 2, changed=2)], catalog=by_change)
    play(desk, [item("b", 2, changed=3)], window=WINDOW, catalog=by_change)
    assert tombstones(desk) == ["c", "c"]
    assert desk.query("select _raw->>'changed' from raw_fake.items order by 1") == [("1",), ("2",), ("3",)]  # fmt: skip


@pytest.mark.parametrize(
    "catalog",
    [
        CATALOG | {"json_schema": {"type": "object", "properties": {"id": {"type": "string"}}}},
        CATALOG | {"source_defined_primary_key": None},
    ],
    ids=["no field", "no key"],
)
def test_without_a_field_or_a_key_absence_proves_nothing(desk, catalog):
    play(desk, BEFORE, catalog=catalog)
    play(desk, [item("b", 2)], window=WINDOW, catalog=catalog)
    assert tombstones(desk) == []
    assert desk.query("select count(*) from raw_fake.items") == [(8,)]


def test_a_window_that_was_not_read_to_its_end_proves_nothing(desk):
    play(desk, BEFORE)
    with pytest.raises(IncompleteLoad, match="items not complete"):
        play(desk, [item("b", 2)], window=WINDOW, ends=())
    assert tombstones(desk) == []
    assert latest(desk) == sorted(line["id"] for line in BEFORE)


def test_a_record_that_was_set_aside_is_not_taken_for_deleted(desk, monkeypatch):
    play(desk, BEFORE)
    loose = desk.settings.over(quarantine_threshold=0.9)
    monkeypatch.setattr(desk, "settings", loose)
    result = play(desk, [item("b", 2), item("d", 3) | {"id": None}], window=WINDOW)
    assert result.warnings == ("records of items were set aside, so that none was taken for deleted",)  # fmt: skip
    assert tombstones(desk) == []


def test_a_window_leaves_the_cursor_where_it_is(desk):
    """And the connector is not told of it: one that left out what lies before it would seem to say that it is gone."""
    play(desk, BEFORE)
    before = desk.query("select * from landing.state")
    given = desk.folder / "given.json"
    play(desk, [state({"n": 99})], window=WINDOW, given=str(given))
    assert desk.query("select * from landing.state") == before
    assert not given.exists()
    play(desk, BEFORE, given=str(given))
    assert json.loads(given.read_text())[0]["stream"]["stream_state"] == {"n": 1}


@pytest.mark.parametrize(
    ("point", "is_done"),
    [
        ("backfill.window_replaced", False),
        ("landing.before_commit:2", False),
        ("landing.after_commit:2", True),
    ],
)
def test_a_window_killed_at(desk, point, is_done):
    """The records are committed first; the second commit removes what they replace."""
    play(desk, BEFORE)
    said = desk.folder / "messages.jsonl"
    lines = [record(item("b", 2)), state({"n": 1}), status("COMPLETE")]
    said.write_text("".join(json.dumps(line) + "\n" for line in lines))
    what = {
        "kind": "connector", "home": str(desk.settings.home), "failpoint": point, "bug": "", "fake": str(FAKE),
        "config": {"play": str(said), "catalog": [CATALOG]}, "now": NOW.isoformat(), "usage": "", "window": WINDOW,
    }  # fmt: skip
    process = multiprocessing.get_context("spawn").Process(target=killed.sync, args=(what,))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL
    assert tombstones(desk) == (["c", "d", "east"] if is_done else [])
    assert latest(desk) == (["a", "b", "e", "west"] if is_done else sorted(i["id"] for i in BEFORE))
    play(desk, [item("b", 2)], window=WINDOW)
    assert tombstones(desk) == ["c", "d", "east"]
    assert latest(desk) == ["a", "b", "e", "west"]
    assert is_balanced(desk)


def test_a_full_refresh_that_is_not_finished_goes_first(desk):
    play(desk, BEFORE)
    with pytest.raises(IncompleteLoad):
        play(desk, [item("b", 2)], full_refresh=True, ends=())
    with pytest.raises(CallError, match="a full refresh of items is not finished"):
        play(desk, [item("b", 2)], window=WINDOW)
    assert latest(desk) == sorted(line["id"] for line in BEFORE)


def test_a_window_is_told_beside_the_configuration_and_not_kept_in_it(desk):
    """A connector that changes its configuration (a token good for one use) sends all of it back."""
    seen = {
        "token": "next",
        "window_from": "2025-06-02T00:00:00Z",
        "window_to": "2025-06-04T00:00:00Z",
    }
    control = {"type": "CONNECTOR_CONFIG", "connectorConfig": {"config": seen}}
    play(desk, [{"type": "CONTROL", "control": control}], window=WINDOW)
    assert json.loads((desk.folder / "config.json").read_text()) == {"token": "next"}


def test_calls_that_make_no_sense_are_refused(desk):
    with pytest.raises(CallError, match="exclude each other"):
        play(desk, [], window=WINDOW, full_refresh=True)
    with pytest.raises(CallError, match="before it starts"):
        play(desk, [], window=WINDOW[::-1])
    plain = desk.folder / "plain.sh"
    plain.write_text(
        """#!/bin/sh
echo '{"type":"SPEC","spec":{"connectionSpecification":{"properties":{"start_date":{"type":"string"}}}}}'
"""
    )
    plain.chmod(0o755)
    with pytest.raises(CallError, match="can't read a window") as error:
        runner.sync_exec(str(plain), {}, "plain", desk.settings, window=WINDOW)
    assert "start date" in error.value.hint
