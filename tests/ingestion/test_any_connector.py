"""What the destination promises of connectors that are not ours: odd names, every kind of state, and early words."""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import date, datetime

import pytest

from ingestion import connector as connectors
from ingestion import runner
from serving.reader import query_landing
from tests.ingestion.conftest import FAKE, record, state, status
from warehouse import duck
from warehouse.errors import CallError, IncompleteLoad, WarehouseError


def stream(name, *, key=("id",), cursor=None, **fields):
    """A catalog entry; a name is text or (namespace, name)."""
    about = {"name": name} if isinstance(name, str) else {"namespace": name[0], "name": name[1]}
    return about | {
        "json_schema": {"type": "object", "properties": {"id": {"type": "string"}} | fields},
        "supported_sync_modes": ["full_refresh", "incremental"],
        "source_defined_primary_key": [[field] for field in key],
        "default_cursor_field": [cursor] if cursor else [],
    }


def without_cursor(name):
    return stream(name) | {"supported_sync_modes": ["full_refresh"]}


def spaced(data, namespace, name):
    """A record of a stream in a namespace."""
    about = {"namespace": namespace, "stream": name, "data": data, "emitted_at": 1735689600000}
    return {"type": "RECORD", "record": about}


def whole_state(kind, value):
    return {
        "type": "STATE",
        "state": {"type": kind, ("global" if kind == "GLOBAL" else "data"): value},
    }


def play(desk, *lines, catalog, name="fake", **options):
    """Sync what a connector that is not ours says; the state it is given is in `given.json`."""
    said = desk.folder / "messages.jsonl"
    said.write_text("".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines))
    config = {"play": str(said), "catalog": catalog, "given": str(desk.folder / "given.json")}
    return runner.sync_exec(f"{sys.executable} {FAKE}", config, name, desk.settings, **options)


def given(desk):
    return json.loads((desk.folder / "given.json").read_text())


def latest(desk, sql):
    return query_landing(desk.settings, "fake", sql).rows


# --- how it is started ----------------------------------------------------------------------------


def test_an_executable_with_the_streams_that_are_wanted(desk):
    config = {"count": {"items": 5, "others": 7}}
    result = runner.sync_exec(
        f"python {FAKE}", config, "anything", desk.settings, select=["others"]
    )
    assert result.rows_by_stream == {"others": 7}
    assert desk.query("select count(*) from raw_anything.others", "anything") == [(7,)]
    with pytest.raises(CallError, match="the source has no stream nothing"):
        runner.sync_exec(f"python {FAKE}", config, "anything", desk.settings, select=["nothing"])


def test_a_module(desk):
    command = f"{sys.executable} -m tests.ingestion.fake_connector"
    assert runner.sync_exec(command, {"count": {"items": 3}}, "fake", desk.settings).rows == 3


def test_a_docker_command_line_sees_its_files(desk, monkeypatch):
    """An engine that runs the connector here, and only if the folder of its files is mounted into it."""
    engine = desk.folder / "docker"
    engine.write_text(
        f"""#!{sys.executable}
import os, sys
words = sys.argv[1:]
assert words[0] == "run" and words[1] == "-v", words
folder, inside, how = words[2].split(":")
image = words.index("some/connector:1.2")
assert folder == inside and how == "ro", words
assert all(word.startswith(folder) for word in words[image:] if word.endswith(".json")), words
os.execv({sys.executable!r}, [{sys.executable!r}, {str(FAKE)!r}, *words[image + 1:]])
"""
    )
    engine.chmod(0o755)
    monkeypatch.setenv("PATH", f"{desk.folder}:{os.environ['PATH']}")
    command = "docker run --rm -i some/connector:1.2"
    assert runner.sync_exec(command, {"count": {"items": 3}}, "fake", desk.settings).rows == 3


def test_what_can_not_be_started_is_one_clear_line(desk):
    with pytest.raises(CallError, match="can't start no-such-connector: No such file"):
        runner.sync_exec("no-such-connector", {}, "fake", desk.settings)


def test_what_is_wrong_with_its_configuration_is_its_own_word_in_one_line(desk, caplog):
    said = desk.folder / "fail.py"
    trace = {
        "type": "TRACE",
        "trace": {"type": "ERROR", "error": {"message": "count is not a number"}},
    }
    log = {"type": "LOG", "log": {"level": "FATAL", "message": "no number\nTraceback:\n  line 7"}}
    said.write_text(
        f"import json\nprint({json.dumps(json.dumps(log))})\nprint({json.dumps(json.dumps(trace))})\nraise SystemExit(1)\n"
    )
    with pytest.raises(
        WarehouseError, match=r"^fake: discover failed \(exit code 1\): count is not a number$"
    ) as error:
        runner.sync_exec(f"{sys.executable} {said}", {}, "fake", desk.settings)
    assert error.value.hint.startswith("mend its --config; what it takes says")
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == [
        "fake: no number"
    ]


def test_a_configuration_that_the_connector_changes_is_kept(desk):
    said, config = desk.folder / "messages.jsonl", desk.folder / "config.json"
    changed = {"refresh_token": "second", "count": {"items": 1}}
    control = {
        "type": "CONTROL",
        "control": {"type": "CONNECTOR_CONFIG", "connectorConfig": {"config": changed}},
    }
    said.write_text(f"{json.dumps(control)}\n{json.dumps(status('COMPLETE'))}\n")
    config.write_text(json.dumps({"refresh_token": "first", "play": str(said)}))
    runner.sync_exec(f"{sys.executable} {FAKE}", config, "fake", desk.settings)
    assert json.loads(config.read_text()) == changed
    assert [path.name for path in desk.folder.iterdir() if "config" in path.name] == ["config.json"]


CANARY = "canary-4711"
PEM = f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n/{CANARY}==\n-----END PRIVATE KEY-----\n"


@pytest.mark.parametrize(
    "config",
    [
        *({name: CANARY} for name in (
            "pat", "github_pat", "auth", "basicAuth", "Authorization", "pwd", "db_pwd", "pass", "api_pass", "apiPass",
            "passphrase", "bearer", "connection_string", "connectionString", "client-secret",
        )),
        {"deep": [{"tokens": ["other", CANARY]}]},
        {"replica_url": f"postgres://user:{CANARY}@host/db"},
        {"private_key": PEM},
        {"private_key": PEM.replace("\n", "\\n")},
        {"private_key": PEM.replace("\n", "\r\n")},
        {"account": json.dumps({"type": "service_account", "private_key": PEM}, indent=2)},
        {"how": {"pin": CANARY}},
    ],
    ids="-".join,
)  # fmt: skip
def test_no_secret_of_a_configuration_is_logged(desk, caplog, config):
    """Whatever it is called, whole, line by line, or as JSON has it; `pin` is one because the specification says so."""
    caplog.set_level(logging.DEBUG)
    said = desk.folder / "messages.jsonl"
    log = {"type": "LOG", "log": {"level": "WARN", "message": f"with {CANARY}, {PEM!r} and\n{PEM}"}}
    error = {"type": "TRACE", "trace": {"type": "ERROR", "error": {"message": f"not {CANARY}"}}}
    said.write_text(f"{json.dumps(log)}\nno message: {json.dumps(PEM)}\n{json.dumps(error)}\n")
    played = {
        "play": str(said),
        "stderr": f"{PEM}\n{json.dumps(PEM)}\n",
        "passive": True,
        "key": None,
    }
    options = {"window": (date(2025, 1, 1), date(2025, 1, 2))} if "how" in config else {}
    with pytest.raises(IncompleteLoad) as raised:
        runner.sync_exec(
            f"{sys.executable} {FAKE}", played | config, "fake", desk.settings, **options
        )
    told = [str(raised.value), caplog.text, *desk.query("select message from landing.syncs")[0]]
    assert not [text for text in told if CANARY in text]
    assert [text for text in told if "***" in text] == told
    assert "no message: " in caplog.text


def test_a_value_that_is_no_secret_is_logged(desk):
    config = {
        "path": "/data/path",
        "pattern": "*.csv",
        "passengers": "many",
        "key": None,
        "author": "Anna",
        "a_token": True,
    }
    connector = connectors.of_command("any", config, "fake")
    assert connector.secrets == ()


# --- what its streams are called ------------------------------------------------------------------


def test_streams_of_any_name_land_in_tables_of_plain_names(desk):
    names = ["Users", "users", "Order Lines", 'x"; drop table y', "2024", "ä" * 80]
    lines = [
        line for name in names for line in (record({"id": name}, name), status("COMPLETE", name))
    ]
    for _ in range(2):  # the second sync finds the same tables
        play(desk, *lines, catalog=[stream(name) for name in names], full_refresh=True)
    tables = dict(desk.query("select source_name, stream from landing.streams"))
    assert tables["users"] == "users"
    assert tables["Users"].startswith("users_")
    assert (tables["Order Lines"], tables["2024"]) == ("order_lines", "_2024")
    assert tables['x"; drop table y'] == "x___drop_table_y"
    for name, table in tables.items():
        assert desk.query(f"select _raw from raw_fake.{table}") == [
            (json.dumps({"id": name}, separators=(",", ":")),)
        ]
        assert latest(desk, f"select id from latest.{table}") == [(name,)]


def test_two_streams_of_one_name_in_two_namespaces(desk):
    catalog = [stream(("a", "users")), stream(("b", "users"))]
    names = [("a", "users"), ("b", "users")]
    lines = [
        line
        for n, name in enumerate(names)
        for line in (
            spaced({"id": name[0]}, *name),
            state({"n": n}, name, count=1),
            status("COMPLETE", name),
        )
    ]
    result = play(desk, *lines, catalog=catalog)
    assert result.rows_by_stream == {"a_users": 1, "b_users": 1}
    play(desk, *(status("COMPLETE", name) for name in names), catalog=catalog)
    assert [about["stream"] for about in given(desk)] == [
        {"stream_descriptor": {"name": "users", "namespace": "a"}, "stream_state": {"n": 0}},
        {"stream_descriptor": {"name": "users", "namespace": "b"}, "stream_state": {"n": 1}},
    ]


def test_a_stream_that_was_not_asked_for_is_told_and_left_out(desk):
    lines = (record({"id": "a"}), record({"id": "b"}, "surprise"), status("COMPLETE"))
    result = play(desk, *lines, catalog=[stream("items")])
    assert result.rows == 1
    assert result.warnings == ("1 records of 'surprise', which was not asked for, were left out",)


@pytest.mark.parametrize("name", ["users", ("public", "Users")])
def test_a_swallowed_403_is_not_covered_by_records_of_another_stream(desk, name):
    """Full refreshes without a STATE: what the next stream sends is no record of the one that was refused."""
    catalog = [without_cursor(name), without_cursor("orders")]
    called = name if isinstance(name, str) else ".".join(name)
    log = {"level": "WARN", "message": f"{called}: 403 Forbidden, ignoring the response"}
    users = spaced({"id": "u"}, *(name if isinstance(name, tuple) else (None, name)))
    orders = (record({"id": "o"}, "orders"), status("COMPLETE", "orders"))
    play(desk, users, status("COMPLETE", name), *orders, catalog=catalog)
    ((table, through),) = desk.query("from landing.complete_through where stream != 'orders'")
    with pytest.raises(IncompleteLoad, match=f"{table} has no records, after: {called}: 403"):
        play(desk, {"type": "LOG", "log": log}, status("COMPLETE", name), *orders, catalog=catalog)
    assert latest(desk, f"select id from latest.{table}") == [("u",)]
    kept = f"select complete_through from landing.complete_through where stream = '{table}'"
    assert desk.query(kept) == [(through,)]


# --- where it goes on -----------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["GLOBAL", "LEGACY"])
def test_a_state_of_all_streams_is_handed_back(desk, kind):
    cursor = {"shared_state": {"lsn": 7}, "stream_states": []}
    lines = (record({"id": "a"}), whole_state(kind, cursor), status("COMPLETE"))
    play(desk, *lines, catalog=[stream("items")])
    play(desk, status("COMPLETE"), catalog=[stream("items")])
    expected = [{"type": "GLOBAL", "global": cursor}] if kind == "GLOBAL" else cursor
    assert given(desk) == expected


def test_a_connector_that_learnt_another_kind_of_state_goes_on_from_that(desk):
    catalog = [stream("items")]
    play(
        desk,
        record({"id": "a"}),
        whole_state("LEGACY", {"n": 1}),
        status("COMPLETE"),
        catalog=catalog,
    )
    play(desk, record({"id": "b"}), state({"n": 2}), status("COMPLETE"), catalog=catalog)
    play(desk, status("COMPLETE"), catalog=catalog)
    assert [about["stream"]["stream_state"] for about in given(desk)] == [{"n": 2}]


def test_a_full_refresh_forgets_the_state_of_all_streams_of_the_generation_before(desk):
    catalog = [stream("items"), stream("others")]
    done = (status("COMPLETE"), status("COMPLETE", "others"))
    play(desk, record({"id": "a"}), whole_state("GLOBAL", {"n": 1}), *done, catalog=catalog)
    lines = (record({"id": "b"}), whole_state("GLOBAL", {"n": 0}))
    with pytest.raises(IncompleteLoad):
        play(desk, *lines, catalog=catalog, full_refresh=True)
    # 1 was complete, but in the generation before
    play(desk, *done, catalog=catalog, restart_from_complete=True)
    assert not (desk.folder / "given.json").exists()


@pytest.mark.parametrize("kind", ["GLOBAL", "LEGACY"])
def test_a_sync_of_a_stream_without_a_cursor_leaves_that_of_the_others_alone(desk, kind):
    catalog = [stream("lines", key=()), without_cursor("small")]
    done = (status("COMPLETE", "lines"), status("COMPLETE", "small"))
    small = (record({"id": "s"}, "small"), done[1])
    first = (record({"id": "a"}, "lines"), whole_state(kind, {"at": 5}), *small, done[0])
    play(desk, *first, catalog=catalog)
    kept = desk.query("select stream, state, complete_state, is_complete from landing.state")
    for options in ({}, {"full_refresh": True}):
        play(
            desk,
            whole_state(kind, {"at": 0}),  # it knows nothing of the other stream
            *small,
            catalog=catalog,
            select=["small"],
            **options,
        )
        assert not (desk.folder / "given.json").exists()
        columns = "stream, state, complete_state, is_complete"
        assert desk.query(f"select {columns} from landing.state") == kept
    with pytest.raises(IncompleteLoad, match="lines not complete"):
        play(desk, *small, *first[:1], whole_state(kind, {"at": 6}), catalog=catalog)
    assert given(desk) == ([{"type": kind, "global": {"at": 5}}] if kind == "GLOBAL" else {"at": 5})
    play(desk, *small, catalog=catalog, select=["small"])
    done_at = "select state, complete_state, is_complete from landing.state where stream like '*%'"
    assert desk.query(done_at) == [('{"at": 6}', '{"at": 5}', False)]


@pytest.mark.parametrize("kind", ["GLOBAL", "LEGACY"])
def test_where_all_streams_have_one_cursor_some_can_not_start_anew(desk, kind):
    """The others would be lost, or read twice, with the cursor that they share."""
    catalog = [stream("items"), stream("lines", key=()), without_cursor("small"), stream("never")]
    names = ["items", "lines", "small"]
    done = [status("COMPLETE", name) for name in names]
    lines = (record({"id": "a"}), whole_state(kind, {"at": 5}), *done)
    play(desk, *lines, catalog=catalog, select=names)
    with pytest.raises(CallError, match="start anew for some and go on for lines"):
        play(desk, *lines, catalog=catalog, select=["items"], full_refresh=True)
    assert desk.query("select max(generation) from landing.generations") == [(1,)]  # of small
    # of what is read at all, and is still there, nothing with a cursor is left out
    play(desk, *lines, catalog=catalog, select=["items", "lines"], full_refresh=True)
    play(desk, *lines[:2], done[0], catalog=catalog[:1], select=["items"], full_refresh=True)


def common_state(lsn, *names):
    entries = [{"stream_descriptor": {"name": name}, "stream_state": {}} for name in names]
    return {"shared_state": {"lsn": lsn}, "stream_states": entries}


@pytest.mark.parametrize("named", [(), ("items",)])
def test_a_state_of_some_streams_and_states_of_others_are_handed_back_together(desk, named):
    """As connectors of databases do: GLOBAL for what their log has, STREAM for other tables."""
    catalog = [stream("items"), stream("lines", key=())]
    done = (status("COMPLETE"), status("COMPLETE", "lines"))
    line = (record({"id": "l"}, "lines"), state({"x": 1}, "lines", count=1))
    common = common_state(5, *named)
    play(desk, record({"id": "a"}), whole_state("GLOBAL", common), *line, *done, catalog=catalog)
    about = {"stream_descriptor": {"name": "lines"}, "stream_state": {"x": 1}}
    expected = [{"type": "GLOBAL", "global": common}, {"type": "STREAM", "stream": about}]
    play(desk, *line, *done, catalog=catalog)  # a commit of the one alone
    assert given(desk) == expected
    play(desk, record({"id": "b"}), whole_state("GLOBAL", common), *done, catalog=catalog)
    assert given(desk) == expected
    rows = "select stream, is_complete from landing.state order by stream"
    assert desk.query(rows) == [("*global*", True), ("lines", True)]
    play(desk, *done, catalog=catalog, restart_from_complete=True)
    assert given(desk) == expected


def test_counts_of_a_state_of_some_streams_and_of_states_of_others_are_told_apart(desk):
    catalog = [stream("items"), stream("lines", key=())]
    done = (status("COMPLETE"), status("COMPLETE", "lines"))

    def said(of_items, of_lines):
        common = whole_state("GLOBAL", common_state(5, "items"))
        common["state"]["sourceStats"] = {"recordCount": of_items}
        line = record({"id": "l"}, "lines")
        own = state({"x": 1}, "lines", count=of_lines)
        return (record({"id": "a"}), line, common, line, own, *done)

    assert play(desk, *said(1, 2), catalog=catalog).rows == 3
    assert play(desk, *said(2, 1), catalog=catalog).rows == 3  # of all streams, as others count
    for wrong, told in (
        (said(3, 1), "the source says it sent 3"),
        (said(1, 3), "lines says it sent 3"),
    ):
        with pytest.raises(IncompleteLoad, match=told):
            play(desk, *wrong, catalog=catalog)


def test_a_state_of_all_streams_takes_the_place_of_theirs_and_they_of_its(desk):
    catalog = [stream("items"), stream("others")]
    done = (status("COMPLETE"), status("COMPLETE", "others"))
    own = (state({"n": 1}), state({"n": 2}, "others"))
    common = whole_state("GLOBAL", common_state(5, "items", "others"))
    expected = [["STREAM", "STREAM"], ["GLOBAL"], ["GLOBAL", "STREAM"], ["STREAM", "STREAM"]]
    for said, kinds in zip((own, (common,), own[:1], own[1:]), expected, strict=True):
        play(desk, record({"id": "a"}), *said, *done, catalog=catalog)
        play(desk, *done, catalog=catalog)
        assert [about["type"] for about in given(desk)] == kinds


def test_a_stream_of_a_mixed_connector_that_is_done_too_early_is_told(desk):
    """The stream with a cursor of its own is judged by that one, the other by the common one."""
    catalog = [stream("items"), stream("lines", key=())]
    done = (status("COMPLETE"), status("COMPLETE", "lines"))
    first = (
        record({"id": "l"}, "lines"), state({"x": 1}, "lines"),
        record({"id": "a"}), whole_state("GLOBAL", common_state(5, "items")),
    )  # fmt: skip
    with pytest.raises(IncompleteLoad, match="items, lines not complete"):
        play(desk, *first, catalog=catalog)
    with pytest.raises(IncompleteLoad, match="items, lines had been broken off"):
        play(desk, *done, catalog=catalog)
    with pytest.raises(IncompleteLoad, match="fake: items had been broken off"):
        play(desk, state({"x": 2}, "lines"), *done, catalog=catalog)
    play(desk, whole_state("GLOBAL", common_state(6, "items")), *done, catalog=catalog)


def test_a_stream_is_complete_from_its_own_word_on(desk):
    """The next stream fails: what is complete is served, and known as complete, all the same."""
    catalog = [stream("items"), stream("others")]
    lines = (record({"id": "a"}), status("COMPLETE"))
    with pytest.raises(IncompleteLoad):
        play(
            desk,
            *lines,
            record({"id": "o"}, "others"),
            state({}, "others"),
            catalog=catalog,
            full_refresh=True,
        )
    assert desk.query(
        "select generation, is_complete from landing.generations where stream = 'items'"
    ) == [(1, True)]
    assert desk.query("select stream from landing.complete_through") == [("items",)]


def test_a_stream_that_is_done_too_early_is_told_and_can_be_read_again(desk):
    """As airbyte-source-faker does: its state, wherever it stands, makes the next sync send nothing at all."""
    catalog = [stream("items")]
    first = (record({"id": "a"}), state({"updated_at": 1}))
    with pytest.raises(IncompleteLoad, match="items not complete"):
        play(desk, *first, catalog=catalog)
    for _ in range(2):
        with pytest.raises(
            IncompleteLoad,
            match="items had been broken off, and now the connector sent nothing more",
        ) as error:
            play(desk, state({"updated_at": 1}), status("COMPLETE"), catalog=catalog)
        assert "--restart-from-complete" in error.value.hint
        assert desk.query("select * from landing.complete_through") == []
    lines = (*first, record({"id": "b"}), state({"updated_at": 2}), status("COMPLETE"))
    play(desk, *lines, catalog=catalog, restart_from_complete=True)
    assert not (desk.folder / "given.json").exists()
    assert latest(desk, "select id from latest.items order by id") == [("a",), ("b",)]
    with pytest.raises(IncompleteLoad):
        play(desk, record({"id": "c"}), state({"updated_at": 3}), catalog=catalog)
    play(desk, record({"id": "c"}), state({"updated_at": 4}), status("COMPLETE"), catalog=catalog)
    assert [about["stream"]["stream_state"] for about in given(desk)] == [
        {"updated_at": 2}
    ]  # it was kept


@pytest.mark.parametrize("kind", ["GLOBAL", "LEGACY"])
def test_streams_that_a_state_of_all_streams_calls_done_too_early_are_told(desk, kind):
    """Killed in the second of three streams: the state says done of all, and the next sync sends nothing more."""
    catalog = [stream(name) for name in ("items", "others", "rest")]
    everywhere = [status("COMPLETE", name) for name in ("items", "others", "rest")]
    first = (
        record({"id": "a"}), whole_state(kind, {"at": 1}), status("COMPLETE"),
        record({"id": "o"}, "others"), whole_state(kind, {"at": 2}),
    )  # fmt: skip
    with pytest.raises(IncompleteLoad, match="others, rest not complete"):
        play(desk, *first, catalog=catalog)
    for lines in (everywhere, [whole_state(kind, {"at": 2}), *everywhere]):
        with pytest.raises(IncompleteLoad, match="others, rest had been broken off"):
            play(desk, *lines, catalog=catalog)
        assert desk.query("select stream from landing.complete_through") == [("items",)]
    # what was never complete has no state to go on from: all is read from the start
    lines = (*first[:4], record({"id": "p"}, "others"), whole_state(kind, {"at": 3}), *everywhere[1:])  # fmt: skip
    play(desk, *lines, catalog=catalog, restart_from_complete=True)
    assert not (desk.folder / "given.json").exists()
    assert latest(desk, "select id from latest.others order by id") == [("o",), ("p",)]
    assert len(desk.query("select stream from landing.complete_through")) == 3
    play(desk, *everywhere, catalog=catalog, restart_from_complete=False)


@pytest.mark.parametrize("kind", ["GLOBAL", "LEGACY"])
def test_streams_that_go_on_from_a_state_of_all_streams_are_complete(desk, kind):
    """What moves the state on, or says more of a stream, is not stuck, however little it is."""
    catalog = [stream("items"), stream("others")]
    done = (status("COMPLETE"), status("COMPLETE", "others"))
    with pytest.raises(IncompleteLoad):
        play(desk, record({"id": "a"}), whole_state(kind, {"at": 1}), catalog=catalog)
    with pytest.raises(IncompleteLoad, match="fake: others had been broken off"):
        play(desk, record({"id": "b"}), *done, catalog=catalog)
    play(desk, whole_state(kind, {"at": 2}), *done, catalog=catalog)
    play(desk, *done, catalog=catalog)


def test_a_stream_that_was_done_and_has_nothing_new_is_complete(desk):
    """The sync died after the last state and before the word COMPLETE of a later, empty sync."""
    catalog = [stream("items"), stream("others")]
    lines = (record({"id": "a"}), state({"n": 1}), status("COMPLETE"), status("COMPLETE", "others"))
    play(desk, *lines, catalog=catalog)
    with pytest.raises(IncompleteLoad, match="items, others not complete"):
        play(desk, state({"n": 1}), catalog=catalog)
    play(desk, state({"n": 1}), status("COMPLETE"), status("COMPLETE", "others"), catalog=catalog)


# --- what it said, at once ------------------------------------------------------------------------

TYPED = {
    "n": {"type": ["null", "integer"]},
    "price": {"type": "number"},
    "ok": {"type": "boolean"},
    "seen_at": {"type": "string", "format": "date-time"},
    "on": {"type": "string", "format": "date"},
    "deep": {"type": "object"},
}


def test_the_latest_view_has_the_newest_row_of_each_key_with_its_fields_as_columns(desk):
    row = {
        "id": "a", "n": 7, "price": 1.5, "ok": True, "seen_at": "2025-01-01T05:30:00+05:30", "on": "2025-01-01",
        "deep": {"x": [1]}, "new": "kept",
    }  # fmt: skip
    lines = (record(row | {"n": 8}), record(row), record({"id": "b"}), status("COMPLETE"))
    play(desk, *lines, catalog=[stream("items", cursor="n", **TYPED)])
    assert latest(desk, "select id, n, price, ok, seen_at, \"on\", deep, _drifted, _raw->>'new' from latest.items order by id") == [
        ("a", 8, 1.5, True, datetime(2025, 1, 1), datetime(2025, 1, 1).date(), '{"x":[1]}', [], "kept"),
        ("b", None, None, None, None, None, None, [], None),
    ]  # fmt: skip


def test_without_a_cursor_the_last_word_wins_and_without_a_key_every_row_stands(desk):
    catalog = [stream("items"), stream("lines", key=())]
    rows = [record({"id": "a", "v": v}, name) for name in ("items", "lines") for v in (2, 1)]
    play(desk, *rows, status("COMPLETE"), status("COMPLETE", "lines"), catalog=catalog)
    assert latest(desk, "select _raw->>'v' from latest.items") == [("1",)]
    assert latest(desk, "select count(*) from latest.lines") == [(2,)]


def test_types_that_drift_are_landed_as_sent_and_named(desk):
    rows = [
        {"id": "a", "n": "many", "seen_at": "soon"},
        {"id": "b", "n": 1, "seen_at": "2025-01-01T00:00:00Z"},
    ]
    play(desk, *map(record, rows), status("COMPLETE"), catalog=[stream("items", **TYPED)])
    assert latest(desk, "select id, n, seen_at, list_sort(_drifted), _raw->>'n' from latest.items order by id") == [
        ("a", None, None, ["n", "seen_at"], "many"),
        ("b", 1, datetime(2025, 1, 1), [], "1"),
    ]  # fmt: skip


ODD = [
    ("n", 1.5, None), ("n", "1e3", None), ("n", "1_000", None), ("n", "0x10", None), ("n", " 7", None),
    ("n", True, None), ("n", 9223372036854775808, None), ("n", -7, -7), ("n", 1.0, 1), ("n", "7", 7),
    ("n", 9223372036854775807, 9223372036854775807), ("n", 9007199254740993.0, None),
    ("price", "NaN", None), ("price", "Infinity", None), ("price", "1_0", None), ("price", "1,5", None),
    ("price", -1.5e3, -1500.0), ("ok", "yes", None), ("ok", 1, None), ("ok", "t", None), ("ok", False, False),
    ("on", "2025-06-30T23:59:59Z", None), ("on", "2025-6-3", None), ("on", "infinity", None),
    ("on", "2025-02-30", None), ("on", "2025-06-30", date(2025, 6, 30)),
    ("seen_at", "epoch", None), ("seen_at", "infinity", None), ("seen_at", "2025-06-30 12:00:00 Asia/Tokyo", None),
    ("seen_at", "2025-06-30", datetime(2025, 6, 30)), ("seen_at", "2025-06-30 12:00", datetime(2025, 6, 30, 12)),
    ("seen_at", "2025-06-30T12:00:00.5+02", datetime(2025, 6, 30, 10, 0, 0, 500000)),
]  # fmt: skip


def test_a_value_is_read_as_it_stands_or_not_at_all(desk):
    """A plain cast makes 2 of 1.5, true of yes and a day of an instant; 1.0 is an integer, as JSON schema has it."""
    rows = [record({"id": f"{n:02}", name: value}) for n, (name, value, _) in enumerate(ODD)]
    play(desk, *rows, status("COMPLETE"), catalog=[stream("items", **TYPED)])
    columns = list(TYPED)[:-1]
    names = ", ".join(f'"{name}"' for name in columns)
    found = latest(desk, f"select _drifted, {names} from latest.items order by id")
    for (name, value, expected), (drifted, *values) in zip(ODD, found, strict=True):
        read = dict(zip(columns, values, strict=True))[name]
        assert (read, drifted) == (expected, [name] if expected is None else []), (name, value)


def test_a_view_of_an_older_version_is_made_anew(desk):
    play(desk, record({"id": "a"}), status("COMPLETE"), catalog=[stream("items")])
    with duck.connect(desk.settings.landing("fake")) as con:
        con.execute("create or replace view latest.items as select 'old' as id")
    play(desk, status("COMPLETE"), catalog=[stream("items")])
    assert latest(desk, "select id from latest.items") == [("a",)]


def test_new_fields_become_columns_and_old_ones_stay(desk):
    play(
        desk,
        record({"id": "a", "old": 1}),
        status("COMPLETE"),
        catalog=[stream("items", old={"type": "integer"})],
    )
    lines = (record({"id": "b", "Old": "x", "new": "y"}), status("COMPLETE"))
    text = {"type": "string"}
    play(desk, *lines, catalog=[stream("items", Old=text, new=text, _raw=text)])
    assert latest(desk, "select id, old, old_, new, _raw_ from latest.items order by id") == [
        ("a", None, 1, None, None),
        ("b", "x", None, "y", None),
    ]  # DuckDB's columns know no case


def test_a_generation_that_is_not_complete_is_not_shown(desk):
    catalog = [stream("items")]
    play(desk, record({"id": "a"}), status("COMPLETE"), catalog=catalog)
    with pytest.raises(IncompleteLoad):
        play(desk, record({"id": "b"}), state({}), catalog=catalog, full_refresh=True)
    assert latest(desk, "select id from latest.items") == [("a",)]


def test_rows_that_a_database_log_calls_deleted_are_not_shown(desk):
    catalog = [
        stream(
            "items", cursor="lsn", lsn={"type": "integer"}, _ab_cdc_deleted_at={"type": "string"}
        )
    ]
    rows = [
        {"id": "a", "lsn": 2, "_ab_cdc_deleted_at": "2025-01-01T00:00:00Z"},
        {"id": "a", "lsn": 1},
        {"id": "b", "lsn": 3},
    ]
    play(desk, *map(record, rows), status("COMPLETE"), catalog=catalog)
    assert latest(desk, "select id from latest.items") == [("b",)]


def test_an_engineer_asks_a_landing_file_and_can_do_no_harm(desk):
    play(desk, record({"id": "a"}), status("COMPLETE"), catalog=[stream("items")])
    assert latest(desk, "select stream, rows_landed from landing.loads") == [("items", 1)]
    with pytest.raises(CallError, match="nothing has landed from 'other'"):
        query_landing(desk.settings, "other", "select 1")
    for sql in ("delete from raw_fake.items", f"copy (select 1) to '{desk.folder}/x'"):
        with pytest.raises(CallError, match="only select is allowed"):
            latest(desk, sql)
    with pytest.raises(CallError, match="nothing") as error:
        latest(desk, "select * from latest.nothing")
    assert "show all tables" in error.value.hint
