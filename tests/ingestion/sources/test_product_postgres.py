"""The product's database as PostgreSQL: a real server on a free port, as the user postgres."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import psycopg
import pytest

from ingestion.sources.product import table as tables
from ingestion.sources.product.source import ProductSource
from tests.ingestion.sources.connectors import catalog_of, read_here

PASSWORD = "pg_canary_88aa"


def _binaries() -> Path:
    found = shutil.which("pg_config")
    assert found, (
        "PostgreSQL's server programs are needed for this test: apt-get install postgresql libpq-dev"
    )
    return Path(
        subprocess.run(
            [found, "--bindir"], capture_output=True, text=True, check=True
        ).stdout.strip()
    )


@pytest.fixture(scope="module")
def server():
    """A server of its own; it is stopped by its process id."""
    binaries = _binaries()
    folder = Path(tempfile.mkdtemp(prefix="pg-"))
    user = pwd.getpwnam("postgres") if os.getuid() == 0 else None
    if user:
        os.chown(folder, user.pw_uid, user.pw_gid)
    who = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []} if user else {}
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder}
    subprocess.run(
        [binaries / "initdb", "-D", folder / "data", "-A", "trust", "-U", "owner", "-E", "UTF8", "--no-sync", "--locale=C"],
        check=True, **quiet, **who,
    )  # fmt: skip
    process = subprocess.Popen(
        [binaries / "postgres", "-D", folder / "data", "-p", str(port), "-c", "listen_addresses=127.0.0.1",
         "-c", f"unix_socket_directories={folder}", "-c", "fsync=off", "-c", "shared_buffers=16MB"],
        **quiet, **who,
    )  # fmt: skip
    url = f"host=127.0.0.1 port={port} user=owner dbname=postgres password={PASSWORD}"
    try:
        for _ in range(300):
            try:
                psycopg.connect(url).close()
                break
            except psycopg.OperationalError:
                time.sleep(0.1)
        yield url, f"postgresql://owner:{PASSWORD}@127.0.0.1:{port}/postgres"
    finally:
        process.send_signal(2)  # SIGINT: fast shutdown
        process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def base(server):
    with psycopg.connect(server[0], autocommit=True) as connection:
        connection.execute("drop schema public cascade")
        connection.execute("create schema public")
        connection.execute(
            "create table accounts (id text primary key, name text, updated_at timestamptz not null, deleted_at timestamptz)"
        )
        connection.execute(
            "create table logins (id text primary key, account_id text, logged_in_at timestamptz not null)"
        )
        yield connection


@pytest.fixture
def sync(server, base):
    def read(*streams, after=None, **config):
        settings = {"url": server[1], "as_of": "2025-07-01T00:00:00Z", **config}
        mode = config.pop("mode", "incremental")
        settings.pop("mode", None)
        return read_here(
            ProductSource(),
            settings,
            catalog_of(*streams, mode=mode),
            after.resume() if after else None,
        )

    return read


def test_every_type_is_exact(base, sync):
    base.execute(
        "create table users (id uuid primary key, n bigint, d numeric(38, 9), f double precision, b boolean, at timestamptz, "
        "bare timestamp, day date, doc jsonb, tags text[], bytes bytea, span interval, odd numeric, updated_at timestamptz not null)"
    )
    base.execute(
        "insert into users values ('11111111-2222-3333-4444-555555555555', 9223372036854775807, 12345678901234567890123456789.123456789, 'NaN', true, "
        "'2025-06-01 12:00:00.123456+02', '2025-06-01 12:00:00', '2025-06-01', '{\"a\": [1, null]}', '{x,y}', '\\x00ff', '1 hour', 'NaN', '2025-06-01T00:00:00Z')"
    )
    assert sync("users").records["users"] == [
        {
            "id": "11111111-2222-3333-4444-555555555555", "n": 9223372036854775807, "d": "12345678901234567890123456789.123456789",
            "f": "nan", "b": True, "at": "2025-06-01T10:00:00.123456Z", "bare": "2025-06-01T12:00:00Z", "day": "2025-06-01",
            "doc": {"a": [1, None]}, "tags": ["x", "y"], "bytes": "AP8=", "span": "PT3600S", "odd": "NaN", "updated_at": "2025-06-01T00:00:00Z",
        }
    ]  # fmt: skip


def test_stamps_that_python_has_no_value_for_are_text(base, sync):
    base.execute("insert into accounts values ('a', 'x', '2025-06-01T00:00:00Z', 'infinity')")
    assert sync("accounts").records["accounts"][0]["deleted_at"] == "infinity"


def test_only_what_changed_is_read_again_to_the_microsecond(base, sync):
    base.execute(
        "insert into accounts values ('a', 'x', '2025-06-01T00:00:00.000001Z', null), ('b', 'x', '2025-06-01T00:00:00.000002Z', null)"
    )
    first = sync("accounts")
    assert first.ids("accounts") == ["a", "b"]
    assert not sync("accounts", after=first).records
    base.execute(
        "update accounts set deleted_at = '2025-06-01T00:00:00.000003Z', updated_at = '2025-06-01T00:00:00.000003Z' where id = 'a'"
    )
    assert sync("accounts", after=first).ids("accounts") == ["a"]


def test_a_row_whose_transaction_was_committed_late_is_found(base, server, sync):
    with psycopg.connect(server[0]) as slow:
        slow.execute("insert into accounts values ('slow', 'x', '2025-06-01T00:00:00Z', null)")
        base.execute("insert into accounts values ('fast', 'x', '2025-06-01T00:01:00Z', null)")
        first = sync("accounts")
        assert first.ids("accounts") == ["fast"]
        slow.commit()
    assert sync("accounts", after=first).ids("accounts") == ["slow"]


def test_all_tables_are_read_as_of_one_instant(base, sync, monkeypatch):
    base.execute("insert into accounts values ('a', 'x', '2025-06-01T00:00:00Z', null)")
    original = tables.TableFeed.read

    def read(self, state):
        if self.name == "logins":
            base.execute("insert into logins values ('l', 'new', '2025-06-01T00:00:00Z')")
        yield from original(self, state)

    monkeypatch.setattr(tables.TableFeed, "read", read)
    assert not sync("accounts", "logins").records["logins"]


def test_the_connection_cannot_write(base, server):
    source = ProductSource()
    connection = source._connect({"url": server[1]})
    with pytest.raises(Exception, match="read-only transaction"):
        connection.exec_driver_sql("delete from accounts")
    source.close()


def test_views_and_tables_without_a_cursor(base, sync):
    base.execute("create table plans (code text primary key, name text)")
    base.execute("insert into plans values ('p', 'Plan')")
    base.execute("create view users as select id, name, updated_at from accounts")
    base.execute("insert into accounts values ('a', 'x', '2025-06-01T00:00:00Z', null)")
    assert sync("plans", tables=["plans"], mode="full_refresh").records["plans"] == [
        {"code": "p", "name": "Plan"}
    ]
    assert sync("users").ids("users") == ["a"]


def test_a_table_that_may_not_be_read_is_named(base, server, sync):
    base.execute("drop role if exists reader")
    base.execute("create role reader login")
    base.execute("grant usage on schema public to reader")
    found = sync("accounts", url=server[1].replace("owner:", "reader:"))
    assert found.code == 1
    assert "accounts" in found.error()
    assert "permission denied" in found.error()
    assert PASSWORD not in str(found.messages)


def test_a_server_that_is_down_is_said_without_the_password(sync):
    found = sync("accounts", url=f"postgresql://owner:{PASSWORD}@127.0.0.1:9/x?connect_timeout=2")
    assert found.code == 1
    assert "Cannot open" in found.error()
    assert PASSWORD not in str(found.messages)
