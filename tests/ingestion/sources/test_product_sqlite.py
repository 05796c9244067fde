"""The product's database as SQLite: what changed, once, exactly, in one snapshot."""

from __future__ import annotations

import json
import logging
import sqlite3

import pytest

from ingestion.sources.product import table as tables
from ingestion.sources.product.source import ProductSource
from tests.ingestion.sources.connectors import catalog_of, read_here, run

ACCOUNTS = "create table accounts (id text primary key, name text, email text, created_at text not null, updated_at text not null, deleted_at text)"
LOGINS = "create table logins (id text primary key, user_id text, account_id text, logged_in_at text not null, session_seconds integer)"


@pytest.fixture
def base(tmp_path):
    path = tmp_path / "product.sqlite"
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(ACCOUNTS)
    connection.execute(LOGINS)
    yield connection
    connection.close()


@pytest.fixture
def sync(tmp_path, base):
    def read(*streams, after=None, state=None, mode="incremental", **config):
        settings = {
            "url": f"sqlite:///{tmp_path / 'product.sqlite'}",
            "as_of": "2025-07-01T00:00:00Z",
            **config,
        }
        return read_here(
            ProductSource(),
            settings,
            catalog_of(*streams, mode=mode),
            after.resume() if after else state,
        )

    return read


def put(base, number: int, at: str, name: str = "x") -> None:
    base.execute(
        "insert or replace into accounts values (?, ?, null, ?, ?, null)",
        (f"acc_{number}", name, at, at),
    )


def test_rows_come_as_they_are_and_only_once(base, sync):
    put(base, 1, "2025-06-01T10:00:00Z", 'Zoë "x"')
    put(base, 2, "2025-06-01T10:00:00.500Z")
    first = sync("accounts", "logins")
    assert first.code == 0
    assert first.one("accounts", "acc_1") == {
        "id": "acc_1", "name": 'Zoë "x"', "email": None, "created_at": "2025-06-01T10:00:00Z",
        "updated_at": "2025-06-01T10:00:00Z", "deleted_at": None,
    }  # fmt: skip
    assert (
        next(m for m in first.messages if m["type"] == "RECORD")["record"]["emitted_at"]
        == 1_751_328_000_000
    )
    second = sync("accounts", "logins", after=first)
    assert not second.records
    assert second.statuses["accounts"] == ["STARTED", "COMPLETE"]


def test_changes_ties_and_late_commits_are_found(base, sync):
    put(base, 1, "2025-06-01T10:00:00Z")
    first = sync("accounts")
    put(base, 2, "2025-06-01T10:00:00Z")  # the cursor's own instant
    put(base, 3, "2025-06-01T09:58:00Z")  # began before, committed after
    put(base, 4, "2025-06-02T00:00:00Z")
    second = sync("accounts", after=first)
    assert second.ids("accounts") == ["acc_3", "acc_2", "acc_4"]
    put(base, 1, "2025-06-03T00:00:00Z", "changed")
    third = sync("accounts", after=second)
    assert [(r["id"], r["name"]) for r in third.records["accounts"]] == [("acc_1", "changed")]


def test_a_deletion_is_a_change_of_deleted_at(base, sync):
    put(base, 1, "2025-06-01T10:00:00Z")
    first = sync("accounts")
    base.execute(
        "update accounts set deleted_at = '2025-06-05T00:00:00Z', updated_at = '2025-06-05T00:00:00Z'"
    )
    assert [r["deleted_at"] for r in sync("accounts", after=first).records["accounts"]] == [
        "2025-06-05T00:00:00Z"
    ]


def test_a_window_has_all_that_came_to_be_in_it_whatever_its_zone(base, sync):
    """Text sorts by its local time: without a look to both sides, rows of the window would seem to be deleted."""
    put(base, 1, "2025-06-01T10:00:00Z")
    put(base, 2, "2025-06-03T01:00:00+05:30")  # the 2nd in UTC
    put(base, 3, "2025-06-01T20:00:00-05:00")  # the 2nd too
    put(base, 4, "2025-06-02T23:59:59Z")
    put(base, 5, "2025-06-03T00:00:00Z")
    base.execute("update accounts set updated_at = '2025-06-20T00:00:00Z' where id = 'acc_4'")
    base.execute("update accounts set updated_at = '2025-06-02T00:00:00Z' where id = 'acc_1'")
    base.executemany("insert into logins values (?, 'u', 'a', ?, 1)", [("l1", "2025-06-02T05:00:00Z"), ("l2", "2025-06-01T05:00:00Z")])  # fmt: skip
    window = {"window_from": "2025-06-02T00:00:00Z", "window_to": "2025-06-03T00:00:00Z"}
    found = sync("accounts", "logins", **window)
    # 1 changed in the window, 4 came to be in it and changed later
    assert sorted(found.ids("accounts")) == ["acc_1", "acc_2", "acc_3", "acc_4"]
    assert found.ids("logins") == ["l1"]


def test_a_table_says_by_which_field_a_window_has_all_its_rows(base, tmp_path):
    base.execute("create table feature_flags (id text primary key, updated_at text)")
    base.execute("create table plans (id text primary key, created_at integer, updated_at text)")
    base.execute("create view users as select id as user_key, created_at, updated_at from accounts")
    tables_read = ["accounts", "logins", "feature_flags", "plans", "users"]
    config = {"url": f"sqlite:///{tmp_path / 'product.sqlite'}", "tables": tables_read}
    catalog = ProductSource().discover(logging.getLogger(), config)
    fields = {stream.name: stream.json_schema.get("x-window-field") for stream in catalog.streams}
    # what only says when it changed, has a number for it, or has no key proves no deletion
    assert fields == {"accounts": "created_at", "logins": "logged_in_at", "feature_flags": None, "plans": None, "users": None}  # fmt: skip


def test_states_on_the_way_let_a_broken_sync_go_on(base, sync, monkeypatch):
    monkeypatch.setattr(tables, "ROWS_PER_CHECKPOINT", 100)
    monkeypatch.setattr(tables, "ROWS_AT_ONCE", 50)
    base.execute("begin")
    base.executemany(
        "insert into logins values (?, 'u', 'a', ?, 1)",
        [(f"log_{n:04}", f"2025-06-01T{n // 60:02}:{n % 60:02}:00Z") for n in range(1000)],
    )
    base.execute("commit")
    whole = sync("logins")
    states = whole.states["logins"]
    assert len(states) == 11
    # a sync that ended at the fifth state goes on there, without a gap
    fifth = [
        {
            "type": "STREAM",
            "stream": {"stream_descriptor": {"name": "logins"}, "stream_state": states[4]},
        }
    ]
    rest = sync("logins", state=fifth)
    assert rest.ids("logins") == [f"log_{n:04}" for n in range(500, 1000)]


def test_a_row_without_its_instant_is_sent_every_time(base, sync):
    base.execute("create table users (id text primary key, updated_at text)")
    base.execute("insert into users values ('u1', null), ('u2', '2025-06-01T00:00:00Z')")
    first = sync("users")
    assert set(first.ids("users")) == {"u1", "u2"}
    assert sync("users", after=first).ids("users") == ["u1"]


def test_an_instant_that_is_none_stops_the_stream_by_name(base, sync):
    put(base, 1, "yesterday")
    found = sync("accounts")
    assert found.code == 1
    assert "updated_at of row acc_1 is no instant: 'yesterday'" in found.error()


def test_numbers_are_exact(base, sync):
    base.execute(
        "create table experiment_conversions (id text primary key, experiment text, account_id text, converted_at timestamp not null, "
        "value_minor integer, price numeric(30, 10), ratio double, is_paid boolean, blob blob, currency text)"
    )
    base.execute(
        "insert into experiment_conversions values ('c1', 'e', 'a', '2025-06-01T00:00:00Z', 9007199254740993, '12345678901234567890.1234567891', 0.1, 1, x'00ff', 'usd')"
    )
    row = sync("experiment_conversions").records["experiment_conversions"][0]
    assert row["value_minor"] == 9007199254740993
    assert row["is_paid"] is True
    assert row["ratio"] == 0.1
    assert row["blob"] == "AP8="
    assert isinstance(row["price"], str)


def test_a_table_without_a_cursor_is_read_whole(base, sync):
    base.execute("create table plans (id text primary key, name text)")
    base.execute("insert into plans values ('p1', 'a'), ('p2', 'b')")
    found = sync("plans", tables=["plans"], mode="full_refresh")
    assert found.ids("plans") == ["p1", "p2"]
    assert found.states["plans"] == [{"__ab_no_cursor_state_message": True}]
    refused = sync(
        "plans",
        tables=["plans"],
        state=[
            {
                "type": "STREAM",
                "stream": {"stream_descriptor": {"name": "plans"}, "stream_state": {"cursor": "x"}},
            }
        ],
    )
    assert "full refresh" in refused.error()


def test_a_window_reads_its_days_and_leaves_the_cursor(base, sync):
    for day in range(1, 10):
        put(base, day, f"2025-06-0{day}T00:00:00Z")
    first = sync("accounts")
    found = sync("accounts", after=first, window_from="2025-06-03", window_to="2025-06-05")
    assert found.ids("accounts") == ["acc_3", "acc_4"]
    assert found.states["accounts"] == [first.states["accounts"][-1]]


def test_stamps_with_a_blank_are_compared_rightly(base, sync):
    base.execute("create table users (id text primary key, updated_at datetime not null)")
    base.executemany(
        "insert into users values (?, ?)",
        [("u1", "2025-06-01 10:00:00"), ("u2", "2025-06-03 10:00:00.250000")],
    )
    first = sync("users")
    assert first.ids("users") == ["u1", "u2"]
    base.execute("insert into users values ('u3', '2025-06-03 10:00:01')")
    assert sync("users", after=first).ids("users") == ["u3"]
    assert sync("users", window_from="2025-06-01", window_to="2025-06-02").ids("users") == ["u1"]


@pytest.mark.parametrize("name", ["User Data", "users; drop table x", "Accounts2", "x" * 64, 'a"b'])
def test_an_ill_named_table_is_refused_by_name(base, sync, name):
    base.execute(f'create table "{name.replace(chr(34), chr(34) * 2)}" (id text)')
    found = sync("accounts", tables=["accounts", name])
    assert found.code == 1
    assert "is refused" in found.error()
    # and it is no hindrance to those who don't ask for it
    assert sync("accounts").code == 0


def test_an_ill_named_column_is_refused_by_name(base, sync):
    base.execute('alter table accounts add column "Evil Name" text')
    found = sync("accounts")
    assert "'Evil Name' (column of accounts) is refused" in found.error()


def test_a_renamed_table_is_an_error_that_names_it(base, sync):
    base.execute("alter table logins rename to log_ins")
    found = sync("accounts", "logins")
    assert found.code == 1
    assert "no stream logins" in found.error()


@pytest.mark.parametrize(
    "bad",
    [
        {"cursor": "soon", "seen": []},
        {"cursor": "2025-06-01T00:00:00Z"},
        {"cursor": "2025-06-01T00:00:00Z", "seen": [1]},
    ],
)
def test_a_corrupt_state_is_refused(base, sync, bad):
    put(base, 1, "2025-06-01T00:00:00Z")
    found = sync(
        "accounts",
        state=[
            {
                "type": "STREAM",
                "stream": {"stream_descriptor": {"name": "accounts"}, "stream_state": bad},
            }
        ],
    )
    assert "state of accounts" in found.error()


def test_what_is_written_while_reading_is_not_seen_in_part(base, sync, tmp_path, monkeypatch):
    # given a reader in the middle of a table, in a database that lets others write
    base.execute("pragma journal_mode = wal")
    base.execute("begin")
    base.executemany(
        "insert into accounts values (?, 'x', null, '2025-06-01', '2025-06-01T00:00:00Z', null)",
        [(f"acc_{n}",) for n in range(500)],
    )
    base.execute("insert into logins values ('log_1', 'u', 'acc_1', '2025-06-01T00:00:00Z', 1)")
    base.execute("commit")
    original = tables.TableFeed.read

    def read(self, state):
        if self.name == "logins":
            base.execute(
                "insert into logins values ('log_2', 'u', 'acc_new', '2025-06-01T00:00:01Z', 1)"
            )
        yield from original(self, state)

    monkeypatch.setattr(tables.TableFeed, "read", read)
    first = sync("accounts", "logins")
    # then a login of an account that was not there yet is not there either
    assert first.ids("logins") == ["log_1"]
    monkeypatch.undo()
    assert sync("accounts", "logins", after=first).ids("logins") == ["log_2"]


def test_nothing_can_be_written(base, tmp_path):
    source = ProductSource()
    connection = source._connect({"url": f"sqlite:///{tmp_path / 'product.sqlite'}"})
    with pytest.raises(Exception, match=r"readonly|query_only|read-only"):
        connection.exec_driver_sql("delete from accounts")
    source.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("sqlite:////nowhere/x.sqlite", "no SQLite file"),
        ("sqlite://", "must name"),
        ("not a url: hunter2", "no SQLAlchemy URL"),
        ("nosuch://h/d", "No driver"),
    ],
)
def test_an_address_that_leads_nowhere_is_said_clearly(url, said):
    result = ProductSource().check(logging.getLogger(), {"url": url})
    assert result.status.value == "FAILED"
    assert said in result.message
    assert "hunter2" not in result.message


def test_the_connector_as_a_process(base, tmp_path):
    put(base, 1, "2025-06-01T00:00:00Z")
    catalog = run(
        "product", "discover", tmp_path, {"url": f"sqlite:///{tmp_path / 'product.sqlite'}"}
    ).messages[-1]["catalog"]
    accounts = next(stream for stream in catalog["streams"] if stream["name"] == "accounts")
    assert accounts["source_defined_primary_key"] == [["id"]]
    assert accounts["default_cursor_field"] == ["updated_at"]
    assert accounts["json_schema"]["properties"]["updated_at"]["format"] == "date-time"
    assert json.dumps(accounts)
