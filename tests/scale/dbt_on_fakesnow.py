"""dbt on fakesnow, an emulator of Snowflake on DuckDB: load what dbt reads, run dbt, keep gold as Parquet.

Reads: a JSON file {"tables": {"schema.name": Parquet files}, "dbt": dbt's words, a list a command, "gold": a folder}.
Run: `python -m tests.scale.dbt_on_fakesnow work.json`, in a process of its own: it takes the place of Snowflake's connector.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import fakesnow
import snowflake.connector
from dbt.cli.main import dbtRunner

DATABASE = "WAREHOUSE"
# a function in JavaScript is nothing that the emulator can run: DuckDB's own stands in for it
UNKNOWN_STATEMENTS = [r"create or replace function .*merged_json.*"]


def main(work: dict) -> bool:
    with fakesnow.patch(nop_regexes=UNKNOWN_STATEMENTS):
        emulated = snowflake.connector.connect(database=DATABASE, schema="SILVER")
        duck = emulated.cursor()._duck_conn
        duck.execute(
            f"create macro {DATABASE}.SILVER.merged_json(old, patch) as cast(json_merge_patch(old::json, patch::json) as varchar)"
        )
        for table, files in work["tables"].items():
            schema, name = table.upper().split(".")
            duck.execute(f"create schema if not exists {DATABASE}.{schema}")
            columns = duck.execute(
                f"describe select * from read_parquet('{files}', hive_partitioning = false)"
            ).fetchall()
            listed = ", ".join(f'"{column[0]}" as "{column[0].upper()}"' for column in columns)
            duck.execute(
                f"create table {DATABASE}.{schema}.{name} as select {listed} from read_parquet('{files}', hive_partitioning = false)"
            )
        success = all(dbtRunner().invoke(words).success for words in work["dbt"])
        for (name,) in duck.execute(
            "select table_name from duckdb_tables() where database_name = ? and schema_name = 'GOLD'",
            [DATABASE],
        ).fetchall():
            file = Path(work["gold"]) / f"{name.lower()}.parquet"
            duck.execute(f"copy {DATABASE}.GOLD.{name} to '{file}' (format parquet)")
    return success


if __name__ == "__main__":
    sys.exit(0 if main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))) else 1)
