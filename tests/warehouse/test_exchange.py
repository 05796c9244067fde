"""Gold that comes back from a cluster's files, with the types and descriptions of its contract; scores that go out."""

import json
import shutil

import duckdb
import pytest

from tests.faults.dying import killed_at
from warehouse import duck, exchange
from warehouse.errors import WarehouseError
from warehouse.settings import Settings

COLUMNS = {
    "id": ("string", "Key."),
    "amount": ("decimal(18,2)", "It's money."),
    "at": ("timestamp", ""),
    "date_partition": ("date", ""),
}


@pytest.fixture
def settings(tmp_path):
    settings = Settings.for_test(tmp_path, target="spark")
    con = duck.connect(settings.warehouse_db)
    con.execute("create schema gold")
    con.execute("create schema ml")
    con.close()
    return settings


@pytest.fixture
def manifest(tmp_path):
    def model(alias, schema="gold", materialized="table"):
        columns = {
            name: {"name": name, "data_type": kind, "description": said}
            for name, (kind, said) in COLUMNS.items()
        }
        return {
            "alias": alias, "schema": schema, "resource_type": "model", "config": {"materialized": materialized},
            "description": "One row per payment.", "columns": columns,
        }  # fmt: skip

    nodes = {
        "model.warehouse.payments": model("payments"),
        "model.warehouse.shown": model("shown", materialized="view"),
        "model.warehouse.below": model("below", schema="silver"),
    }
    path = tmp_path / "manifest.json"
    path.write_text(json.dumps({"nodes": nodes}))
    return path


def files(settings, name, rows, part="part-0"):
    folder = settings.spark_dir / "warehouse" / "gold.db" / name / "date_partition=2025-06-30"
    folder.mkdir(parents=True, exist_ok=True)
    duckdb.execute(
        f"copy (select * from (values {rows}) as t(id, amount, \"at\")) to '{folder / f'{part}.parquet'}' (format parquet)"
    )


ROWS = "('a', 19.99, timestamptz '2025-06-30 23:59:59.5+00'), ('b', null, null)"


def test_types_are_those_of_the_contract_and_instants_are_utc(settings, manifest):
    files(settings, "payments", ROWS)
    files(settings, "below", ROWS)
    assert exchange.bring_gold(settings, manifest) == {"payments": 2}
    con = duck.connect(settings.warehouse_db, read_only=True)
    kinds = dict(
        con.execute(
            "select column_name, data_type from duckdb_columns() where table_name = 'payments'"
        ).fetchall()
    )
    assert kinds == {
        "id": "VARCHAR",
        "amount": "DECIMAL(18,2)",
        "at": "TIMESTAMP",
        "date_partition": "DATE",
    }
    con.execute("set timezone = 'America/New_York'")
    assert con.execute("select cast(\"at\" as varchar), cast(date_partition as varchar) from gold.payments where id = 'a'").fetchone() == (
        "2025-06-30 23:59:59.5", "2025-06-30",
    )  # fmt: skip
    said = con.execute(
        "select comment from duckdb_columns() where table_name = 'payments' and column_name = 'amount'"
    ).fetchone()
    assert said == ("It's money.",)


def test_only_what_has_other_files_comes_again(settings, manifest):
    files(settings, "payments", ROWS)
    exchange.bring_gold(settings, manifest)
    assert exchange.bring_gold(settings, manifest) == {}
    files(settings, "payments", "('c', 1.00, null)", part="part-1")
    assert exchange.bring_gold(settings, manifest) == {"payments": 3}


def test_what_a_killed_write_left_beside_the_table_stays_there(settings, manifest):
    files(settings, "payments", ROWS)
    table = settings.spark_dir / "warehouse" / "gold.db" / "payments"
    for left in (".spark-staging-5d0c/date_partition=2025-06-30", "_temporary/0"):
        (table / left).mkdir(parents=True)
        shutil.copy(next(table.glob("date*/*.parquet")), table / left / "part-0.parquet")
    assert exchange.bring_gold(settings, manifest) == {"payments": 2}


def test_killed_before_the_commit_it_comes_again_whole(settings, manifest):
    files(settings, "payments", ROWS)
    exchange.bring_gold(settings, manifest)
    files(settings, "payments", "('c', 1.00, null)", part="part-1")
    killed_at("bring_gold.before_commit", exchange.bring_gold, settings, manifest)
    con = duck.connect(settings.warehouse_db, read_only=True)
    assert con.execute("select count(*) from gold.payments").fetchone() == (2,)
    con.close()
    assert exchange.bring_gold(settings, manifest) == {"payments": 3}


def test_scores_go_out_and_their_absence_is_named(settings):
    with pytest.raises(WarehouseError, match="no scores yet"):
        exchange.hand_out_scores(settings)
    con = duck.connect(settings.warehouse_db)
    con.execute(
        "create table ml.customer_segments as select 'a' as customer_id, 0.5::double as share"
    )
    con.close()
    exchange.hand_out_scores(settings)
    kept = settings.lake_dir / "ml" / "customer_segments.parquet"
    assert duckdb.execute(f"select * from '{kept}'").fetchall() == [("a", 0.5)]


def test_a_table_without_a_file_is_empty_and_a_cluster_that_is_not_seen_is_named(
    settings, manifest
):
    with pytest.raises(WarehouseError, match=r"no table of gold is in .*gold\.db"):
        exchange.bring_gold(settings, manifest)
    (settings.spark_dir / "warehouse" / "gold.db" / "payments").mkdir(parents=True)
    assert exchange.bring_gold(settings, manifest) == {"payments": 0}
