"""Gold as a lake: the files of a version are those of the edition; old versions go, the current one stays."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest
from deltalake import DeltaTable

from serving.lake import export_gold
from warehouse import duck
from warehouse.errors import WarehouseError
from warehouse.settings import Settings

FIRST, SECOND, THIRD = (
    "v000001-2025-05-01-aaaaaaaa",
    "v000002-2025-06-30-bbbbbbbb",
    "v000003-2025-08-06-cccccccc",
)


@pytest.fixture
def settings(tmp_path) -> Settings:
    return Settings.for_test(tmp_path / "data", as_of=datetime(2025, 7, 1, tzinfo=UTC))


def publish(settings: Settings, version: str, mrr: str) -> None:
    folder = settings.published_dir / version
    folder.mkdir(parents=True)
    with duck.connect(folder / "restricted.duckdb") as con:
        con.execute("create schema gold")
        con.execute(
            f"create table gold.kpi_daily as select date '2025-06-30' as day, cast({mrr.split(',', maxsplit=1)[0]} as decimal(18, 2)) as mrr{mrr[len(mrr.split(',', maxsplit=1)[0]) :]}"
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
    assert export_gold(settings).removed == 0  # 35 days are kept
    settings = settings.over(as_of=datetime(2025, 8, 6, tzinfo=UTC))
    publish(settings, THIRD, "3")
    done = export_gold(settings)  # the others were exported 36 days ago
    assert (done.written, done.removed) == (2, 4)
    folder = settings.lake_dir / "gold" / "restricted"
    assert [path.name for path in folder.glob("version=*")] == [f"version={THIRD}"]
    assert json.loads((folder / "manifest.json").read_text())["current"] == THIRD
    much_later = settings.over(as_of=datetime(2026, 7, 1, tzinfo=UTC))
    assert export_gold(much_later).removed == 0
    assert rows(settings, THIRD, "dim_customers")


def test_a_version_that_readers_went_back_to_is_current_and_not_written_again(settings):
    publish(settings, FIRST, "1")
    export_gold(settings)
    publish(settings, SECOND, "2")
    export_gold(settings)
    folder = settings.lake_dir / "gold" / "restricted"
    file = folder / f"version={FIRST}" / "kpi_daily.parquet"
    written = file.stat().st_ino
    (settings.published_dir / "current").unlink()
    (settings.published_dir / "current").symlink_to(FIRST)
    done = export_gold(settings)
    assert (done.written, done.unchanged) == (0, 2)
    assert file.stat().st_ino == written
    assert json.loads((folder / "manifest.json").read_text())["current"] == FIRST


def test_an_export_that_waited_writes_the_version_of_its_turn(settings, monkeypatch):
    publish(settings, FIRST, "1")

    @contextmanager
    def hold(*_, **__):
        publish(settings, SECOND, "2")
        yield

    monkeypatch.setattr("serving.lake.locks.hold", hold)
    export_gold(settings)
    manifest = settings.lake_dir / "gold" / "restricted" / "manifest.json"
    assert json.loads(manifest.read_text())["current"] == SECOND


def test_a_table_that_a_version_has_no_more_goes_from_delta(settings):
    publish(settings, FIRST, "1")
    export_gold(settings, form="delta")
    publish(settings, SECOND, "2")
    with duck.connect(settings.published_dir / SECOND / "restricted.duckdb") as con:
        con.execute("drop table gold.dim_customers")
    export_gold(settings, form="delta")
    tables = [
        path.name
        for path in (settings.lake_dir / "delta/gold/restricted").iterdir()
        if path.is_dir()
    ]
    assert tables == ["kpi_daily"]


def test_a_delta_table_takes_the_columns_of_a_newer_version(settings):
    publish(settings, FIRST, "1")
    export_gold(settings, form="delta")
    publish(settings, SECOND, "2, 'x' as more")
    assert export_gold(settings, form="delta").written == 2
    table = DeltaTable(
        str(settings.lake_dir / "delta/gold/restricted/kpi_daily")
    ).to_pyarrow_table()
    assert table.column_names == ["day", "mrr", "more"]
    assert [str(mrr) for mrr in table.column("mrr").to_pylist()] == ["2.00"]


def test_without_a_published_version_there_is_one_clear_line(settings):
    with pytest.raises(WarehouseError, match="nothing is published yet"):
        export_gold(settings)
