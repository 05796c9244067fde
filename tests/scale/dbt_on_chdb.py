"""dbt on chdb, ClickHouse as a library: load what dbt reads, run dbt, keep gold as Parquet.

dbt-clickhouse speaks to a server; here its client is one that asks the library.

Reads: a JSON file {"tables": {"schema.name": Parquet files}, "dbt": dbt's words, a list a command, "gold": a folder, "engine": a folder}.
Run: `python -m tests.scale.dbt_on_chdb work.json`, in a process of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

from chdb.session import Session
from dbt.adapters.clickhouse import ClickHouseColumn
from dbt.adapters.clickhouse.dbclient import ChClientWrapper
from dbt.cli.main import dbtRunner
from dbt_common.exceptions import DbtDatabaseError


class LibraryClient(ChClientWrapper):
    """What dbt-clickhouse asks of a client, answered by one session of chdb."""

    session: Session

    def _ask(self, sql: str, form: str) -> str:
        try:
            return self.session.query(sql, form).data()
        except Exception as error:
            raise DbtDatabaseError(str(error)) from error

    def query(self, sql: str, **kwargs: object) -> SimpleNamespace:
        said = json.loads(self._ask(sql, "JSONCompact") or '{"meta": [], "data": []}')
        return SimpleNamespace(
            result_set=said["data"], column_names=[column["name"] for column in said["meta"]]
        )

    def command(self, sql: str, **kwargs: object) -> str | int:
        said = self._ask(sql, "TabSeparated").strip()
        return int(said) if said.isdigit() else said

    def columns_in_query(self, sql: str, **kwargs: object) -> list[ClickHouseColumn]:
        said = json.loads(self._ask(f"select * from (\n{sql}\n) limit 0", "JSONCompact"))
        return [ClickHouseColumn.create(column["name"], column["type"]) for column in said["meta"]]

    def get_ch_setting(self, setting_name: str) -> tuple[str, int]:
        return self._ask(
            f"select value from system.settings where name = '{setting_name}'", "TabSeparated"
        ).strip(), 0

    def close(self) -> None:
        """The session outlives dbt's connections."""

    def _create_client(self, credentials: object) -> Session:
        for name, value in self._conn_settings.items():
            if name != "session_id":
                self.session.query(f"set {name} = '{value}'")
        return self.session

    def _set_client_database(self) -> None:
        """Models name their schema."""

    def _server_version(self) -> str:
        return self._ask("select version()", "TabSeparated").strip()


def main(work: dict) -> bool:
    session = LibraryClient.session = Session(work["engine"])
    for table, files in work["tables"].items():
        schema, name = table.split(".")
        session.query(f"create database if not exists {schema}")
        session.query(
            f"create or replace table {schema}.{name} engine = MergeTree order by tuple() as select * from file('{files}', Parquet)"
        )
    with mock.patch("dbt.adapters.clickhouse.connections.get_db_client", LibraryClient):
        success = all(dbtRunner().invoke(words).success for words in work["dbt"])
    names = (
        session.query(
            "select name from system.tables where database = 'gold' and engine = 'MergeTree'",
            "TabSeparated",
        )
        .data()
        .split()
    )
    for name in names:
        file = Path(work["gold"]) / f"{name}.parquet"
        session.query(f"select * from gold.{name} into outfile '{file}' truncate format Parquet")
    return success


if __name__ == "__main__":
    sys.exit(0 if main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))) else 1)
