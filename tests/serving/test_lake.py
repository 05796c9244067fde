"""Gold as a lake: the files of a version are those of the edition; old versions go, the current one stays."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import pytest

from serving.lake import export_gold
from warehouse import duck
from warehouse.errors import WarehouseError
from warehouse.settings import Settings

FIRST, SECOND = "v000001-2025-05-01-aaaaaaaa", "v000002-2025-06-30-bbbbbbbb"


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings.for_test(tmp_path / "data", as_of=datetime(2025, 7, 1, tzinfo=UTC))


def publish(settings: Settings, version: str, mrr: str) -> None:
    folder = settings.published_dir / version
    folder.mkdir(parents=True)
    with duck.connect(folder / "restricted.duckdb") as con:
        con.execute("create schema gold")
        con.execute(
            f"create table gold.kpi_daily as select date '2025-06-30' as day, {mrr}::decimal(18, 2) as mrr"
        )
        con.execute("create table gold.dim_customers as select 'cus_' || range as customer_id from range(3)")  # fmt: skip
    pointer = settings.published_dir / "current"
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(version)


def rows(settings: Settings, version: str, table: str) -> list[tuple]:
    path = settings.lake_dir / "gold" / "restricted" / f"version={version}" / f"{table}.parquet"
    with duck.connect(":memory:") as con:
        return con.execute(f"from read_parquet('{path}', hive_partitioning = false)").fetchall()


def test_a_version_is_exported_once_with_every_digit(settings):
    publish(settings, FIRST, "1234567890123456.78")
    done = export_gold(settings)
    assert (done.written, done.rows) == (2, 4)
    ((_, mrr),) = rows(settings, FIRST, "kpi_daily")
    assert str(mrr) == "1234567890123456.78"
    again = export_gold(settings)
    assert (again.written, again.unchanged) == (0, 2)


def test_old_versions_go_and_the_current_one_stays(settings):
    publish(settings, FIRST, "1")
    export_gold(settings)
    publish(settings, SECOND, "2")
    done = export_gold(settings)  # the first is 61 days old, 35 are kept
    assert (done.written, done.removed) == (2, 2)
    folder = settings.lake_dir / "gold" / "restricted"
    assert [path.name for path in folder.glob("version=*")] == [f"version={SECOND}"]
    assert json.loads((folder / "manifest.json").read_text())["current"] == SECOND
    much_later = settings.over(as_of=datetime(2026, 7, 1, tzinfo=UTC))
    assert export_gold(much_later).removed == 0
    assert rows(settings, SECOND, "dim_customers")


def test_without_a_published_version_there_is_one_clear_line(settings):
    with pytest.raises(WarehouseError, match="nothing is published yet"):
        export_gold(settings)
