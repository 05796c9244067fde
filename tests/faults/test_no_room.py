"""No room on the disk, no memory: one line that says so, nothing of it kept, and all is well once there is room again."""

from __future__ import annotations

import json
import os
import random
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingestion import runner
from serving.publish import current_version, publish
from tests.faults.dying import ended, refused, with_files_up_to
from tests.quality.company import build_gold, settings_of
from tests.serving.test_publish import pass_gates, published
from warehouse import dbt_process, duck
from warehouse.doctor import examine
from warehouse.errors import WarehouseError
from warehouse.settings import Settings
from warehouse.status import status

NOW = datetime(2025, 7, 1, tzinfo=UTC)
OLD = 1_700_000_000
ROWS = 40_000
LITTLE = 2 << 20


def sync(settings: Settings) -> None:
    runner.sync("usage", settings)


@pytest.fixture
def usage(tmp_path: Path) -> Settings:
    """One file with more than fits; its rows are random, so that they can't be packed away."""
    folder = tmp_path / "usage"
    folder.mkdir()
    settings = Settings.for_test(tmp_path / "data", as_of=NOW, usage_location=str(folder))
    runner.sync("usage", settings)
    chance = random.Random(1)
    lines = (
        {
            "request_id": f"r{n}", "customer_id": chance.randbytes(60).hex(), "status_code": 200, "bytes_processed": 1,
            "response_time_ms": 1, "timestamp": "2025-06-01T12:00:00Z",
        }
        for n in range(ROWS)
    )  # fmt: skip
    path = folder / "2025-06-01.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    os.utime(path, (OLD, OLD))
    return settings


def landed(settings: Settings) -> tuple[int, int]:
    """Rows, and rows according to the loads."""
    with duck.connect(settings.landing("usage"), read_only=True) as con:
        return con.execute(
            "select (select count(*) from raw_usage.api_calls), (select coalesce(sum(rows_landed), 0) from landing.loads)"
        ).fetchone()


def test_landing_on_a_full_disk(usage):
    said = refused(with_files_up_to, LITTLE, sync, usage)
    assert "make room" in said
    assert landed(usage) == (0, 0)
    sync(usage)
    assert landed(usage) == (ROWS, ROWS)


def test_landing_without_memory(usage):
    said = refused(sync, usage.over(memory_limit="4MB", threads=1))
    assert "could not allocate" in said
    assert "WAREHOUSE_MEMORY_LIMIT" in said
    assert landed(usage) == (0, 0)
    sync(usage)
    assert landed(usage) == (ROWS, ROWS)


def test_publishing_on_a_full_disk(tmp_path):
    settings = settings_of(tmp_path / "home")
    first = published(settings)
    build_gold(settings, "update gold.dim_customers set mrr = 7 where mrr > 0")
    pass_gates(settings)
    said = refused(with_files_up_to, 100_000, publish, settings)
    assert "make room" in said
    assert current_version(settings).name == first.name
    assert publish(settings).is_new


def test_publishing_without_memory(tmp_path):
    settings = settings_of(tmp_path / "home")
    first = published(settings)
    build_gold(settings, "update gold.dim_customers set mrr = 7 where mrr > 0")
    pass_gates(settings)
    said = refused(publish, settings.over(memory_limit="1MB"))
    assert "WAREHOUSE_MEMORY_LIMIT" in said
    assert current_version(settings).name == first.name
    assert publish(settings).is_new


def test_looking_around_on_a_full_disk(usage):
    """The files of a first sync are there, and not a byte more has room."""
    for look in (status, examine):
        assert ended(with_files_up_to, 0, look, usage) == 0, look.__name__


# how the kernel ends what takes too much memory; and what dbt writes to its log where a query does
DBT = {
    "kill -9 $$": ("dbt build failed: it was killed", "memory"),
    """echo '{"info": {"level": "error", "name": "RunResultError", "msg": "Runtime Error in model fact_api_usage Out of Memory Error: could not allocate block"}}'; exit 1""": (
        "dbt build failed: Runtime Error in model fact_api_usage Out of Memory Error",
        "WAREHOUSE_MEMORY_LIMIT",
    ),
    """echo '{"info": {"level": "error", "name": "RunResultError", "msg": "IO Error: Could not write file warehouse.duckdb: No space left on device"}}'; exit 1""": (
        "dbt build failed: IO Error",
        "make room",
    ),
}


@pytest.mark.parametrize("script", DBT)
def test_dbt_that_ends_for_want_of_room_is_told_why(tmp_path, monkeypatch, script):
    settings = Settings.for_test(tmp_path / "data", as_of=NOW)
    settings.home.mkdir()
    dbt = tmp_path / "dbt"
    dbt.write_text(f"#!/bin/sh\n{script}\n")
    dbt.chmod(0o700)
    monkeypatch.setattr(dbt_process, "DBT", (str(dbt),))
    with pytest.raises(WarehouseError) as error:
        dbt_process.run_dbt(settings, ["build"], target="gold")
    message, hint = DBT[script]
    assert error.value.message.startswith(message)
    assert hint in error.value.hint
