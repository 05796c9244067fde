"""Builds warehouses from hand-made batches, and compares them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb

from tests.dbt.company import AS_OF, Batch
from tests.dbt.landing_files import ensure_all, land
from warehouse.dbt_process import run_dbt
from warehouse.settings import Settings

# the core's own gold, with all that it stands on; billing and KPIs have tests of their own
GOLD = (
    "dim_customers", "dim_customers_history", "dim_date", "dim_endpoints", "dim_features", "fact_api_usage",
    "fact_feature_usage", "agg_api_usage_daily", "fact_customer_health", "fact_support_tickets", "fact_marketing_spend",
    "fact_experiment_exposures", "complete_through",
)  # fmt: skip
SELECTION = " ".join(f"+{model}" for model in GOLD)
SILVER = (
    "int_api_calls", "int_customer_usage_daily", "int_accounts", "int_account_versions", "int_logins", "int_tickets",
    "int_ticket_status_history", "int_ticket_comments", "int_fx_rates", "int_ad_spend", "int_experiment_exposures",
)  # fmt: skip


def settings_at(home: Path) -> Settings:
    """Settings of a warehouse at the fixture company's now."""
    home.mkdir(parents=True, exist_ok=True)
    return Settings.for_test(home, as_of=AS_OF)


def land_batch(settings: Settings, number: int, batch: Batch, *, shuffled: bool = False) -> None:
    """Land one batch, stream by stream."""
    ensure_all(settings)
    for (source, stream), records in batch.items():
        rows = list(records)
        if shuffled:
            random.Random(number).shuffle(rows)
        at = AS_OF - timedelta(hours=5 - number)
        land(settings, source, stream, rows, at=at, complete_through=AS_OF)


def merged(batches: Sequence[Batch], *, times: int = 1) -> Batch:
    """All batches as one, every record `times` times, in another order."""
    everything: Batch = {}
    for batch in reversed(batches):
        for key, records in batch.items():
            everything.setdefault(key, []).extend(list(records) * times)
    return everything


def run_core(settings: Settings, *, with_tests: bool = False, full_refresh: bool = False) -> None:
    """One start of dbt over everything the core's gold stands on."""
    command = [
        "build",
        "--select",
        *SELECTION.split(),
        *(["--full-refresh"] if full_refresh else []),
    ]
    if with_tests:
        # tests that read models outside of this selection belong to those models; unit tests run once, in test_billing_cases.py
        command += ["--indirect-selection", "cautious", "--exclude-resource-types", "unit_test"]
    else:
        command += ["--exclude-resource-types", "test", "unit_test"]
    run_dbt(settings, command, target="dev")


def rows_of(settings: Settings, sql: str) -> list[tuple[Any, ...]]:
    """Answer of a query on the warehouse."""
    con = duckdb.connect(str(settings.warehouse_db), read_only=True)
    try:
        return con.execute(sql).fetchall()
    finally:
        con.close()


def differences(
    left: Settings, right: Settings, tables: Sequence[str]
) -> dict[str, list[tuple[Any, ...]]]:
    """Rows that stand in one warehouse only, by table (technical load ids aside).

    Args:
        left: One warehouse.
        right: The other.
        tables: Names with their schema.
    """
    con = duckdb.connect()
    con.execute(f"attach '{left.warehouse_db}' as one (read_only)")
    con.execute(f"attach '{right.warehouse_db}' as two (read_only)")
    found = {}
    try:
        for table in tables:
            schema, name = table.split(".")
            columns = con.execute(
                "select string_agg('\"' || column_name || '\"', ', ' order by column_index) from duckdb_columns() "
                "where database_name = 'one' and schema_name = ? and table_name = ? and column_name <> 'load_id'",
                [schema, name],
            ).fetchone()[0]
            rows = con.execute(
                f"(select 'left', {columns} from one.{table} except all select 'left', {columns} from two.{table}) union all "
                f"(select 'right', {columns} from two.{table} except all select 'right', {columns} from one.{table})"
            ).fetchall()
            if rows:
                found[table] = rows
    finally:
        con.close()
    return found
