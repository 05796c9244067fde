"""Write the two editions of a version: `restricted` is gold as it is, `analyst` is gold without persons.

Reads: `warehouse.duckdb` schema gold, `ops.duckdb`. Writes: two DuckDB files in a candidate folder.
Run: by `serving.publish`.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from pathlib import Path

import duckdb

from quality import scoring
from serving import pii
from serving.alerts.log import COLUMNS as ALERT_COLUMNS
from warehouse import duck, locks
from warehouse.settings import Settings

# Made at publish, from rows that change with every run of the gates: no part of a version's identity.
MADE_AT_PUBLISH = frozenset({*scoring.DESCRIPTIONS, "alert_log"})
OPS_TABLES = (
    "builds", "check_runs", "check_results", "publishes", "alert_log", "alert_deliveries", "alert_snoozes",
    "model_registry", "reports", "report_deliveries",
)  # fmt: skip
# Free text that may quote values of rows.
OPS_ANALYST_DROPS = {
    "check_results": ("observed", "detail", "advice"),
    "alert_log": ("subject", "message"),
    "alert_deliveries": ("title", "body", "error"),
    "alert_snoozes": ("subject", "reason"),
    "model_registry": ("details", "file", "sha256"),
    "reports": ("changes",),
    "report_deliveries": ("recipients", "error"),
}
UNKNOWN_MEMBERS = ("unknown",)
CUSTOMER = "customer_id"
PSEUDONYM_LENGTH = 32  # hex digits: 128 bits
_BLOCK = 64  # SHA-256's block, in bytes


def columns_of(
    con: duckdb.DuckDBPyConnection, schema: str = "gold", catalog: str | None = None
) -> dict[str, dict[str, str]]:
    """Table → column → type of a schema, tables by name, columns in order. Views are not among them."""
    views = views_of(con, schema, catalog)
    rows = con.execute(
        "select table_name, column_name, data_type from duckdb_columns() where schema_name = ? "
        "and database_name = coalesce(?, current_database()) order by table_name, column_index",
        [schema, catalog],
    ).fetchall()
    rows = [row for row in rows if row[0] not in views]
    found: dict[str, dict[str, str]] = {}
    for table, column, kind in rows:
        found.setdefault(table, {})[column] = kind
    return found


def views_of(
    con: duckdb.DuckDBPyConnection, schema: str = "gold", catalog: str | None = None
) -> dict[str, str]:
    """View → the statement that makes it; it names tables of its own file alone, without the file's name."""
    return dict(
        con.execute(
            "select view_name, sql from duckdb_views() where schema_name = ? and not internal "
            "and database_name = coalesce(?, current_database()) order by view_name",
            [schema, catalog],
        ).fetchall()
    )


def fingerprint(con: duckdb.DuckDBPyConnection) -> tuple[dict[str, int], dict[str, str]]:
    """Rows and a checksum of every gold table, whatever order its rows stand in."""
    counts: dict[str, int] = {}
    sums: dict[str, str] = {}
    for table, columns in columns_of(con).items():
        # sums of doubles differ in their last bits with the number of threads: nine digits are content
        rounded = ", ".join(
            f'format(\'{{:.9e}}\', "{column}") as "{column}"'
            for column, kind in columns.items()
            if kind in ("DOUBLE", "FLOAT")
        )
        replaced = f" replace ({rounded})" if rounded else ""
        row = con.execute(
            "select count(*), cast(coalesce(sum(hash(t)), 0) as varchar) "
            f'from (select *{replaced} from gold."{table}") as t'
        ).fetchone()
        counts[table] = int(row[0]) if row else 0
        shape = hashlib.sha256(repr(sorted(columns.items())).encode()).hexdigest()[:16]
        sums[table] = f"{row[1] if row else 0}:{shape}"
    # a view has no rows of its own
    for view, sql in views_of(con).items():
        sums[view] = hashlib.sha256(sql.encode()).hexdigest()
    return counts, sums


def content_hash(settings: Settings, sums: Mapping[str, str]) -> str:
    """What a version's content is, in one hash: gold's rows and everything that shapes the editions."""
    digest = hashlib.sha256()
    for table in sorted(set(sums) - MADE_AT_PUBLISH):
        digest.update(f"{table}={sums[table]}\n".encode())
    digest.update(pii.RULES_FILE.read_bytes())
    digest.update(Path(__file__).read_bytes())
    digest.update(str(settings.min_group_size).encode())
    # a new key gives new pseudonyms; only its mark goes in, never the key
    digest.update(hmac.new(_key(settings), b"publish", hashlib.sha256).digest())
    return digest.hexdigest()


def write_restricted(settings: Settings, target: Path) -> None:
    """Copy gold, and what the gates said, into a new file. Call it inside the warehouse's lock."""
    con = duck.connect(target, memory_limit=settings.memory_limit, threads=settings.threads)
    try:
        _attach(con, settings.warehouse_db, "source")
        con.execute("create schema gold")
        con.execute("create schema ops")
        tables = columns_of(con, catalog="source")
        for table in tables:
            con.execute(f'create table gold."{table}" as select * from source.gold."{table}"')
        _copy_views(con)
        _copy_comments(con)
        con.execute("detach source")
        _write_ops(con, settings, set(tables))
        _finish(con)
    finally:
        con.close()


def write_analyst(settings: Settings, restricted: Path, target: Path) -> None:
    """Write the edition without persons from the restricted one.

    Raises:
        WarehouseError: A column that `serving/pii.yml` doesn't classify.
    """
    con = duck.connect(target, memory_limit=settings.memory_limit, threads=settings.threads)
    try:
        _attach(con, restricted, "source")
        tables = columns_of(con, catalog="source")
        classes = pii.classify(tables)
        _prepare_pseudonyms(con, settings)
        con.execute("create schema gold")
        con.execute("create schema ops")
        _map_customers(con, tables)
        for table, columns in tables.items():
            chosen = [
                _shown(column, classes[table][column])
                for column in columns
                if classes[table][column] != "drop"
            ]
            joined = (
                f" left join customer_pseudonyms as c on c.value = t.{CUSTOMER}"
                if CUSTOMER in columns
                else ""
            )
            groups = pii.small_groups(table, columns, classes[table])
            count = f't."{groups.count_column}"' if groups else ""
            where = f" where {count} >= {settings.min_group_size} or {count} = 0" if groups else ""
            con.execute(
                f'create table gold."{table}" as select {", ".join(chosen)} '
                f'from source.gold."{table}" as t{joined}{where}'
            )
        _copy_views(con)
        _copy_comments(con)
        for table in columns_of(con, "ops", "source"):
            dropped = OPS_ANALYST_DROPS.get(table, ())
            exclude = f" exclude ({', '.join(dropped)})" if dropped else ""
            con.execute(
                f'create table ops."{table}" as select *{exclude} from source.ops."{table}"'
            )
        con.execute("detach source")
        _finish(con)
    finally:
        con.close()


def _finish(con: duckdb.DuckDBPyConnection) -> None:
    """Bring everything into the file itself: closing would do it too, and say nothing where the disk is full."""
    con.execute("checkpoint")


def pseudonym(settings: Settings, value: str) -> str:
    """The pseudonym of one value, as it stands in the analyst's edition."""
    digest = hmac.new(_key(settings), value.encode(), hashlib.sha256).hexdigest()
    return digest[:PSEUDONYM_LENGTH]


def _key(settings: Settings) -> bytes:
    if not settings.pseudonym_key:
        from warehouse.errors import CallError

        raise CallError(
            "PSEUDONYM_KEY is not set, so the analyst's edition can't be written",
            "set it (see .env.example); keep it outside the data folder",
        )
    return settings.pseudonym_key.encode()


def _prepare_pseudonyms(con: duckdb.DuckDBPyConnection, settings: Settings) -> None:
    """Lay out the key for HMAC in SQL, in a temporary table: it never reaches the file."""
    key = _key(settings)
    key = hashlib.sha256(key).digest() if len(key) > _BLOCK else key
    key = key.ljust(_BLOCK, b"\0")
    con.execute(
        "create temp table pad as select cast(? as blob) as inner_pad, cast(? as blob) as outer_pad",
        [bytes(byte ^ 0x36 for byte in key), bytes(byte ^ 0x5C for byte in key)],
    )


def _map_customers(con: duckdb.DuckDBPyConnection, tables: Mapping[str, Mapping[str, str]]) -> None:
    """Hash each customer once, not once per row of a fact: facts are joined to this."""
    values = " union ".join(
        f'select {CUSTOMER} as value from source.gold."{table}"'
        for table, columns in tables.items()
        if CUSTOMER in columns
    )
    con.execute(
        "create temp table customer_pseudonyms as select value, "
        f"{_hmac('value')} as pseudonym from ({values or 'select null::varchar as value'}) "
        "where value is not null"
    )


def _shown(column: str, rule: pii.Rule) -> str:
    """How a column is selected into the analyst's edition."""
    if rule != "pseudonymise":
        return f't."{column}"'
    if column == CUSTOMER:
        return f'c.pseudonym as "{column}"'
    hashed = _hmac(f't."{column}"')
    return f'{hashed} as "{column}"'


def _hmac(value: str) -> str:
    """HMAC-SHA256 (RFC 2104) of a text, in DuckDB's own functions; the unknown member keeps its name."""
    inner = f"unhex(sha256((select inner_pad from pad) || encode({value})))"
    hashed = f"left(sha256((select outer_pad from pad) || {inner}), {PSEUDONYM_LENGTH})"
    known = ", ".join(f"'{member}'" for member in UNKNOWN_MEMBERS)
    return f"case when {value} in ({known}) then {value} else {hashed} end"


def _attach(con: duckdb.DuckDBPyConnection, path: Path, name: str) -> None:
    escaped = str(path).replace("'", "''")
    con.execute(f"attach '{escaped}' as {name} (read_only)")


def _copy_views(con: duckdb.DuckDBPyConnection) -> None:
    """Make the source's views anew: they read this edition's own tables, so that they show no more than those."""
    for sql in views_of(con, catalog="source").values():
        con.execute(sql)


def _copy_comments(con: duckdb.DuckDBPyConnection) -> None:
    """Take the descriptions of tables, views and columns along, for those that are there."""
    kept = {
        (table, column)
        for table, column in con.execute(
            "select table_name, column_name from duckdb_columns() where schema_name = 'gold' "
            "and database_name = current_database()"
        ).fetchall()
    }
    tables = {table for table, _ in kept}
    for kind in ("table", "view"):
        for name, comment in con.execute(
            f"select {kind}_name, comment from duckdb_{kind}s() where database_name = 'source' "
            "and schema_name = 'gold' and comment is not null"
        ).fetchall():
            if name in tables:
                con.execute(f'comment on {kind} gold."{name}" is {_literal(comment)}')
    for table, column, comment in con.execute(
        "select table_name, column_name, comment from duckdb_columns() where database_name = 'source' "
        "and schema_name = 'gold' and comment is not null"
    ).fetchall():
        if (table, column) in kept:
            con.execute(f'comment on column gold."{table}"."{column}" is {_literal(comment)}')


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _write_ops(con: duckdb.DuckDBPyConnection, settings: Settings, gold: set[str]) -> None:
    with locks.hold(settings.ops_db, what="publish", timeout=settings.lock_timeout):
        _attach(con, settings.ops_db, "ledger")
        present = {
            row[0]
            for row in con.execute(
                "select table_name from duckdb_tables() where database_name = 'ledger'"
            ).fetchall()
        }
        for table in OPS_TABLES:
            if table in present:
                con.execute(f"create table ops.{table} as select * from ledger.{table}")
        for table in ("data_quality_scores", "data_quality_issues"):
            con.execute(
                f"create table gold.{table} as select * from ledger.{table} order by table_name, id"
            )
        con.execute(f"create table gold.data_quality_daily as {scoring.DAILY}")
        for table, columns in scoring.DESCRIPTIONS.items():
            for column, text in columns.items():
                what = f"column gold.{table}.{column}" if column else f"table gold.{table}"
                con.execute(f"comment on {what} is {_literal(text)}")
        if "alert_log" not in gold:
            _write_alerts(con, is_logged="alert_log" in present)
        con.execute("detach ledger")


def _write_alerts(con: duckdb.DuckDBPyConnection, *, is_logged: bool) -> None:
    """The alerts' log as a table of gold, with its columns described; a log of before may lack some of them."""
    columns = ", ".join(f"{name} {kind}" for name, (kind, _) in ALERT_COLUMNS.items())
    con.execute(f"create table gold.alert_log ({columns})")
    if is_logged:
        con.execute("insert into gold.alert_log by name select * from ledger.alert_log")
    con.execute(
        "comment on table gold.alert_log is "
        "'One row per rule, subject and period that was judged, and one per failed task.'"
    )
    for name, (_, description) in ALERT_COLUMNS.items():
        con.execute(f"comment on column gold.alert_log.{name} is {_literal(description)}")
