"""Locks between processes, and the one door to DuckDB."""

import errno
import os
import signal
import subprocess
import sys
import time

import duckdb
import pytest

from tests.road.conftest import Warehouse
from warehouse import duck, locks
from warehouse.errors import LockTimeout, WarehouseError

HOLD = """
import sys, time
from pathlib import Path
from warehouse.locks import hold
with hold(Path(sys.argv[1]), what="the other one"):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock of `x.duckdb`."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path / "x.duckdb")], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_a_waiter_says_what_it_waits_for_and_gives_up_in_time(tmp_path, holder):
    said = []
    with (
        pytest.raises(LockTimeout) as refused,
        locks.hold(tmp_path / "x.duckdb", what="me", timeout=0.3, say=said.append),
    ):
        pass
    assert "the other one" in refused.value.message
    assert said == [f"waiting for x.duckdb, in use by the other one (pid {holder.pid})"]


def test_a_lock_vanishes_with_its_process(tmp_path, holder):
    holder.kill()
    holder.wait()
    started = time.monotonic()
    with locks.hold(tmp_path / "x.duckdb", what="me", timeout=5):
        assert time.monotonic() - started < 2


def test_a_child_that_inherits_a_lock_keeps_it_where_its_parent_is_killed(tmp_path):
    program = (
        "import subprocess, sys, time; from pathlib import Path; from warehouse.locks import hold\n"
        "with hold(Path(sys.argv[1]), what='a build') as lock:\n"
        "    print(subprocess.Popen(['sleep', '60'], stdout=-3, pass_fds=[lock]).pid, flush=True)\n"
        "    time.sleep(60)"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / "x.duckdb")],
        stdout=subprocess.PIPE,
        text=True,
    )
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    try:
        with (
            pytest.raises(LockTimeout, match="a build"),
            locks.hold(tmp_path / "x.duckdb", what="me", timeout=0.2),
        ):
            pass
    finally:
        os.kill(child, signal.SIGKILL)
    with locks.hold(tmp_path / "x.duckdb", what="me", timeout=5):
        pass


def test_a_full_disk_takes_the_holders_name_and_not_the_lock(tmp_path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "pwrite", full)
    path = tmp_path / "x.duckdb"
    with (
        locks.hold(path, what="the first"),
        pytest.raises(LockTimeout, match="in use by another process"),
        locks.hold(path, what="me", timeout=0.1),
    ):
        pass


def test_new_files_open_in_older_clients_and_are_private(tmp_path):
    path = tmp_path / "new.duckdb"
    con = duck.connect(path)
    tags = con.execute(
        "select tags['storage_version'] from duckdb_databases() where database_name = 'new'"
    ).fetchone()[0]
    zone = con.execute("select current_setting('TimeZone')").fetchone()[0]
    con.close()
    assert tags.startswith("v1.4.0")
    assert zone == "UTC"
    assert path.stat().st_mode & 0o777 == 0o600


def test_nothing_is_downloaded(tmp_path):
    con = duck.connect(tmp_path / "new.duckdb")
    for setting in ("autoinstall_known_extensions", "autoload_known_extensions"):
        assert con.execute("select current_setting(?)", [setting]).fetchone()[0] is False
    con.close()


def test_a_damaged_file_is_an_error_with_a_hint(tmp_path):
    path = tmp_path / "bad.duckdb"
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(WarehouseError) as refused:
        duck.connect(path)
    assert "bad.duckdb" in refused.value.message
    assert "runbook" in refused.value.hint


COMMITTED_AND_KILLED = """
import os, signal, sys
from warehouse import duck
con = duck.connect(sys.argv[1])
con.execute("create table if not exists t (i integer)")
con.execute("checkpoint")
con.execute("insert into t values (1)")
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("is_lost", [False, True], ids=["written on", "made anew"])
def test_a_restored_file_beside_the_wal_of_another_is_told_what_to_do(tmp_path, is_lost):
    path, wal = tmp_path / "ops.duckdb", tmp_path / "ops.duckdb.wal"

    def commit() -> None:
        subprocess.run([sys.executable, "-c", COMMITTED_AND_KILLED, str(path)], check=False)

    commit()
    backup = {file: file.read_bytes() for file in (path, wal)}
    if is_lost:
        path.unlink()
        wal.unlink()
    commit()
    path.write_bytes(backup[path])
    with pytest.raises(WarehouseError) as refused:
        duck.connect(path)
    assert "without the .wal" in refused.value.hint
    # as the runbook says: away with it, and then all that was copied
    wal.unlink()
    for file, content in backup.items():
        file.write_bytes(content)
    with duck.connect(path, read_only=True) as con:
        assert con.execute("select count(*) from t").fetchone() == (1,)


def test_what_is_no_damage_is_not_called_so(tmp_path):
    assert "only the user" in duck.hint_for("IO Error: Cannot open file: Permission denied")
    assert "make room" in duck.hint_for("IO Error: No space left on device")


def test_a_missing_file_is_not_made_by_a_reader(tmp_path):
    with pytest.raises(WarehouseError, match="does not exist"):
        duck.connect(tmp_path / "none.duckdb", read_only=True)
    assert not (tmp_path / "none.duckdb").exists()


def test_a_file_open_elsewhere_is_said_so(tmp_path):
    path = tmp_path / "busy.duckdb"
    duckdb.connect(str(path)).close()
    script = f"import duckdb, time; c = duckdb.connect({str(path)!r}); print('open', flush=True); time.sleep(60)"
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout.readline() == "open\n"
        with pytest.raises(WarehouseError, match="can't open"):
            duck.connect(path)
        other.kill()


def test_a_connection_beside_another_has_its_time_zone(monkeypatch):
    monkeypatch.setenv("TZ", "Asia/Kolkata")
    time.tzset()
    try:
        with duck.connect(":memory:") as con, duck.beside(con) as other:
            con.execute("create table t as select timestamptz '2025-01-01 00:00:00+00' as instant")
            assert other.execute("select instant::varchar from t").fetchall() == [
                ("2025-01-01 00:00:00+00",)
            ]
    finally:
        monkeypatch.undo()
        time.tzset()


def test_a_build_waits_for_whoever_writes_before_it_looks_at_the_file(tmp_path):
    home = Warehouse(tmp_path / "data")
    path = home.settings.warehouse_db
    with locks.hold(path, what="another build"), duck.connect(path):
        said = home("build", expect=1, WAREHOUSE_LOCK_TIMEOUT="0.2")
    assert "warehouse.duckdb is in use by another build" in said
