"""What the models said of each day, kept in `ops.duckdb`; schema ml of the warehouse file is made of it.

The warehouse file can be thrown away; a day scored again by the same model replaces its rows, and of each day schema
ml shows the rows of the newest model, of the customers that gold knows (docs/decisions/060-scores-of-ids-that-went.md).

Reads: gold.dim_customers. Reads and writes: ops.<history>, ml.<table>. Run: by `ml.scoring`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from ml import registry
from warehouse.duck import connect
from warehouse.failpoints import hit
from warehouse.locks import hold

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

    from warehouse.settings import Settings


@dataclass(frozen=True)
class History:
    """A table of `ops.duckdb` that keeps what each model said of each day.

    Attributes:
        name: Its name there.
        columns: Its columns and types: id, model_sequence, and what the rows have.
        key: What makes a row one of a day and model; as_of_date and model_version belong to it too.
    """

    name: str
    columns: str
    key: tuple[str, ...] = ("customer_id",)


def write(
    settings: Settings,
    histories: Mapping[str, History],
    tables: Mapping[str, pd.DataFrame],
    day: date,
) -> None:
    """History first, in one transaction of `ops.duckdb`; then schema ml, whole, in one of the warehouse.

    Args:
        settings: Says where both files are.
        histories: Of each table of schema ml, by its name.
        tables: The day's rows, by the same names.
        day: The day that the rows are of; what the same model said of it before is replaced.
    """
    with hold(settings.ops_db, what="score history", timeout=settings.lock_timeout):
        ops = registry.open_ops(connect(settings.ops_db))
        try:
            ops.begin()
            for name, frame in tables.items():
                _keep(ops, histories[name], frame, day)
            ops.commit()
            hit("score.history_kept", settings)
            whole = {name: _with_latest(ops, histories[name]) for name in tables}
            whole["model_decisions"] = registry.decisions(ops)
        finally:
            ops.close()
    with hold(settings.warehouse_db, what="writing scores", timeout=settings.lock_timeout):
        con = connect(settings.warehouse_db, threads=settings.threads)
        try:
            con.begin()
            con.execute("create schema if not exists ml")
            for name, kept in whole.items():
                con.register("kept", kept)
                shown = _shown(histories[name]) if name in histories else "select * from kept"
                con.execute(f"create or replace table ml.{name} as {shown}")
                con.unregister("kept")
            hit("score.before_commit", settings)
            con.commit()
        finally:
            con.close()


def _keep(ops: duckdb.DuckDBPyConnection, table: History, frame: pd.DataFrame, day: date) -> None:
    ops.execute(f"create table if not exists ops.{table.name} ({table.columns})")
    versions = sorted(set(frame["model_version"]))
    key = ", ".join(f"cast({column} as varchar)" for column in table.key)
    ops.execute(f"delete from ops.{table.name} where as_of_date = ? and model_version in (select unnest(?))",
                [day, versions])  # fmt: skip
    ops.register("frame", frame)
    own = list(frame.columns)
    listed = ", ".join(own)
    ops.execute(
        f"""
        insert into ops.{table.name} (id, {listed}, model_sequence)
        select md5(concat_ws('|', {key}, cast(as_of_date as varchar), model_version)),
            {", ".join(f"frame.{column}" for column in own)},
            coalesce((
                select registered.sequence from ops.model_registry as registered
                where registered.model_version = frame.model_version
            ), 0)
        from frame
        """
    )
    ops.unregister("frame")


def _with_latest(ops: duckdb.DuckDBPyConnection, table: History) -> Any:
    """The history as an Arrow table: of each day the newest model's rows; the newest day is the latest."""
    return ops.sql(
        f"""
        select
            * exclude (model_sequence),
            as_of_date = max(as_of_date) over () as is_latest,
        from ops.{table.name}
        qualify model_sequence = max(model_sequence) over (partition by as_of_date)
        """
    ).to_arrow_table()


def _shown(table: History) -> str:
    """What schema ml has of `kept`, in order: gold may have given up an id that was scored once."""
    known = (
        "where customer_id in (select customer_id from gold.dim_customers)"
        if "customer_id" in table.key
        else ""
    )
    return f"select * from kept {known} order by as_of_date, {', '.join(table.key)}"
