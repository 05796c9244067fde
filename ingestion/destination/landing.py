"""The landing files: their tables, their load ids, and the one way rows get into them.

One DuckDB file per source, `landing/<source>.duckdb`: schema `raw_<source>` with one table per
stream, schema `landing` with what is known about the loads. Rows, cursor and load row are committed
together or not at all. `ingestion.destination.opening` opens the file, and only to commit.

Reads and writes: `landing/<source>.duckdb`. Run: imported by the runner.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pyarrow as pa

from ingestion.destination.latest import SCHEMA, Described, instant_sql, text_sql, view_sql
from ingestion.destination.messages import GLOBAL, LEGACY, streams_of_global
from ingestion.destination.typecheck import identifier
from warehouse import clock, failpoints
from warehouse.errors import WarehouseError
from warehouse.settings import Settings

log = logging.getLogger(__name__)

QUARANTINE_RAW_LIMIT = 1 << 20  # characters of a bad row that are kept beside its file and line

_ROW_GROUP = 122_880  # rows that DuckDB writes compressed at once, before the commit
# zstd: a quarter of the size of DuckDB's own choice for JSON text, at less than half the CPU
# (measured: 0.9 against 2.4 s for a million usage events)
_RAW_COLUMNS = """
    _raw varchar using compression zstd,
    _load_id bigint,
    _extracted_at timestamp,
    _generation bigint,
    _position bigint,
    _file varchar
"""
_TABLES = {
    "loads": "load_id bigint, stream varchar, started_at timestamp, committed_at timestamp, rows_landed bigint, "
    "rows_quarantined bigint, window_from date, window_to date, sync_id bigint",
    "quarantine": "load_id bigint, stream varchar, file varchar, line bigint, reason varchar, raw varchar",
    "state": "stream varchar, state varchar, complete_state varchar, is_complete boolean, load_id bigint",
    "files": "stream varchar, name varchar, content_hash varchar, bytes bigint, rows_landed bigint, "
    "rows_quarantined bigint, load_id bigint, taken_at timestamp, modified varchar, same_as varchar, day date",
    "syncs": "sync_id bigint, source varchar, started_at timestamp, ended_at timestamp, "
    "status varchar, message varchar",
    "generations": "stream varchar, generation bigint, is_complete boolean",
    "complete_through": "stream varchar, complete_through timestamp",
    "tombstones": "load_id bigint, stream varchar, file varchar, raw varchar, removed_at timestamp",
    "streams": "stream varchar, source_name varchar, primary_key varchar[][], cursor_field varchar[], fields json",
    "options": "name varchar, value boolean",
}


@dataclass(frozen=True)
class BadRow:
    """A row set aside: where it stood, why it is bad, and what it said."""

    stream: str
    file: str | None
    line: int
    reason: str
    raw: str


class Landing:
    """An open landing file (its lock is held). Use `opening.opened`."""

    def __init__(self, con: duckdb.DuckDBPyConnection, source: str, settings: Settings) -> None:
        self.con = con
        self.source = source
        self.schema = f"raw_{source}"
        self.settings = settings

    def create(self, streams: Iterable[str]) -> None:
        """Make the tables that are missing."""
        have = {
            name
            for (name,) in self.con.execute(
                "select schema_name || '.' || table_name from duckdb_tables()"
            ).fetchall()
        }
        wanted = [f"{self.schema}.{identifier(stream)}" for stream in dict.fromkeys(streams)]
        missing = [name for name in wanted if name not in have]
        details = [name for name in _TABLES if f"landing.{name}" not in have]
        has_it = (
            "select count(*) from pragma_table_info('landing.tombstones') where name = 'removed_at'"
        )
        if "landing.tombstones" in have and not self._one(has_it):  # of an older version
            self.con.execute("alter table landing.tombstones add column removed_at timestamp")
        if not missing and not details:
            return
        self.con.execute("begin")
        self.con.execute(f"create schema if not exists {self.schema}")
        self.con.execute("create schema if not exists landing")
        for name in details:
            self.con.execute(f"create table landing.{name} ({_TABLES[name]})")
        for name in missing:
            self.con.execute(f"create table {name} ({_RAW_COLUMNS})")
            self.con.execute(
                "insert into landing.generations values (?, 0, true)", [name.split(".")[1]]
            )
        self.con.execute("commit")

    @contextmanager
    def transaction(self) -> Iterator[int]:
        """One commit: yields the new load id; everything is rolled back if anything is raised."""
        self.con.execute("begin")
        try:
            yield self._next("loads", "load_id")
            failpoints.hit("landing.before_commit", self.settings)
            self.con.execute("commit")
        except BaseException:
            # out of memory or room, DuckDB has ended it by itself: what counts is why, not that
            with suppress(duckdb.Error):
                self.con.execute("rollback")
            raise
        failpoints.hit("landing.after_commit", self.settings)

    def _next(self, table: str, column: str) -> int:
        return self._one(f"select coalesce(max({column}), 0) + 1 from landing.{table}")

    def _one(self, sql: str, values: list[Any] | None = None) -> Any:
        rows = self.con.execute(sql, values or []).fetchall()
        return rows[0][0] if rows else None

    # --- what is known of the streams ----------------------------------------------------------------

    def describe(self, streams: Iterable[Described]) -> None:
        """Keep what the catalog says of the streams, and make each one's view `latest.<stream>` say it.

        Fields that only an earlier catalog knew stay: their rows are still there. A view's comment tells whether it is
        of this version of the project.
        """
        self.con.execute("begin")
        self.con.execute(f"create schema if not exists {SCHEMA}")
        views = dict(
            self.con.execute(
                "select view_name, comment from duckdb_views() where schema_name = ?", [SCHEMA]
            ).fetchall()
        )
        for about in streams:
            known = self.con.execute(
                "select primary_key, cursor_field, fields from landing.streams where stream = ?",
                [about.stream],
            ).fetchone()
            fields = about.fields | {
                name: schema
                for name, schema in (json.loads(known[2]) if known else {}).items()
                if name not in about.fields
            }
            sql = view_sql(self.schema, replace(about, fields=fields))
            comment = (
                f"newest row of each key; form {hashlib.sha256(sql.encode()).hexdigest()[:16]}"
            )
            row = ([list(path) for path in about.key], list(about.cursor), json.dumps(fields))
            is_same = known and (known[0], known[1], json.loads(known[2])) == (*row[:2], fields)
            if is_same and views.get(about.stream) == comment:
                continue
            self.con.execute("delete from landing.streams where stream = ?", [about.stream])
            self.con.execute(
                "insert into landing.streams values (?, ?, ?, ?, ?)",
                [about.stream, about.source_name, *row],
            )
            self.con.execute(sql)
            self.con.execute(f"comment on view {SCHEMA}.{about.stream} is '{comment}'")
        self.con.execute("commit")

    def streams(self) -> list[str]:
        """Streams that have a raw table."""
        rows = self.con.execute(
            "select table_name from duckdb_tables() where schema_name = ? order by table_name",
            [self.schema],
        ).fetchall()
        return [name for (name,) in rows]

    @staticmethod
    def details() -> list[str]:
        """Tables of schema `landing`: what is known of the loads."""
        return sorted(_TABLES)

    def tables(self) -> dict[str, str]:
        """The table of each stream that was described, by what the source calls it."""
        return dict(self.con.execute("select source_name, stream from landing.streams").fetchall())

    def option(self, name: str, value: bool | None) -> bool:
        """A choice about this source, kept until another is made; False at first.

        Args:
            name: What is chosen.
            value: The choice, or None for what was chosen last.
        """
        if value is not None:
            self.con.execute("delete from landing.options where name = ?", [name])
            self.con.execute("insert into landing.options values (?, ?)", [name, value])
        return bool(self._one("select value from landing.options where name = ?", [name]))

    # --- rows -------------------------------------------------------------------------------------

    def insert(
        self,
        stream: str,
        schema: pa.Schema,
        rows: Iterable[pa.RecordBatch],
        load_id: int,
        extracted_at: datetime | None,
        generation: int = 0,
    ) -> int:
        """Insert rows as they come, in one statement whose threads share them; returns their number.

        Args:
            stream: Which table.
            schema: Columns `line` (JSON text), `position`, optionally `file`, and `emitted_at`
                where `extracted_at` is None.
            rows: Of this schema. They are made in a thread of DuckDB's; an error there is raised here.
            load_id: Of this commit.
            extracted_at: When the rows were read, if the same for all.
            generation: Full-refresh generation they belong to.
        """
        at = "emitted_at" if extracted_at is None else f"timestamp '{utc_text(extracted_at)}'"
        file = "file" if "file" in schema.names else "null"
        errors: list[BaseException] = []
        self.con.register(
            "landing_rows", pa.RecordBatchReader.from_batches(schema, _told(rows, errors))
        )
        try:
            ((count,),) = self.con.execute(
                f"insert into {self.schema}.{identifier(stream)} "
                f"select line, {load_id:d}, {at}, {generation:d}, position, {file} from landing_rows"
            ).fetchall()
        finally:
            self.con.unregister("landing_rows")
        if errors:
            raise errors[0]
        if count >= _ROW_GROUP:
            # the next checkpoint need not rewrite them to merge what is left over
            self.con.execute("set max_vacuum_tasks = 0")
        if count:
            failpoints.hit("landing.rows_written", self.settings)
        return count

    def set_aside(self, load_id: int, bad: list[BadRow]) -> None:
        """Put bad rows into the quarantine table."""
        if not bad:
            return
        table = pa.table(
            {
                "stream": [row.stream for row in bad],
                "file": pa.array([row.file for row in bad], pa.string()),
                "line": [row.line for row in bad],
                "reason": [row.reason for row in bad],
                "raw": [_cut(row.raw) for row in bad],
            }
        )
        self.con.register("landing_bad", table)
        self.con.execute(
            f"insert into landing.quarantine select {load_id:d}, stream, file, line, reason, raw from landing_bad"
        )
        self.con.unregister("landing_bad")

    def record_load(
        self,
        load_id: int,
        stream: str,
        *,
        started_at: datetime,
        landed: int,
        quarantined: int,
        sync_id: int,
        window: tuple[date, date] | None = None,
    ) -> None:
        """Write a load's row (one per stream that took part in the commit)."""
        first, last = window or (None, None)
        self.con.execute(
            "insert into landing.loads values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                load_id,
                stream,
                naive(started_at),
                naive(datetime.now(UTC)),
                landed,
                quarantined,
                first,
                last,
                sync_id,
            ],
        )

    def remove(
        self, load_id: int, stream: str, where: str, values: list[Any], *, sync_id: int
    ) -> None:
        """Let go of rows whose place others take (a file's new version, a new generation).

        The load table counts them as negative rows of the load that removes them, so that its sum
        is always what the raw table holds. Inside a transaction.

        Args:
            load_id: Of this commit.
            stream: Which table.
            where: Condition on the raw table.
            values: Its parameters.
            sync_id: Of this sync.
        """
        table = f"{self.schema}.{identifier(stream)}"
        ((count,),) = self.con.execute(f"delete from {table} where {where}", values).fetchall()
        if count:
            self.count_removed(load_id, stream, rows=count, quarantined=0, sync_id=sync_id)

    def replace_file(self, load_id: int, stream: str, file: str, *, sync_id: int) -> None:
        """Let go of what earlier loads landed of a file, after this load has landed it anew. Inside a transaction.

        A record that the file no longer says leaves a tombstone: what was built from it must be built again.
        """
        table = f"{self.schema}.{identifier(stream)}"
        self.con.execute(
            f"insert into landing.tombstones select {load_id:d}, ?, _file, _raw, {self._now()} from {table} "
            f"where _file = ? and _load_id < {load_id:d} and md5_number(_raw) not in "
            f"(select md5_number(_raw) from {table} where _file = ? and _load_id = {load_id:d})",
            [stream, file, file],
        )
        before = f"_file = ? and _load_id < {load_id:d}"
        self.remove(load_id, stream, before, [file], sync_id=sync_id)

    def replace_window(
        self,
        load_id: int,
        stream: str,
        field: str,
        window: tuple[date, date],
        *,
        since: int,
        generation: int,
        sync_id: int,
    ) -> int | None:
        """Let what a window says now take the place of what earlier loads said of it. Inside a transaction.

        A record of the window that is said no more is removed, in all its versions, which stay as tombstones. A version
        (primary key and cursor field) that is said again replaces the one that stood there.

        Args:
            load_id: Of this commit.
            stream: Which table; it has a primary key.
            field: The field that the window goes by: the read has all records whose value lies in it, and a record's
                value never changes.
            window: First and last day in UTC, both included.
            since: The first load of this read.
            generation: The generation it is read into.
            sync_id: Of this sync.

        Returns:
            How many records are gone; None if records were set aside, since any of them may be one that is missing.
        """
        aside = "select count(*) from landing.quarantine where load_id >= ? and stream in (?, '?')"
        if self._one(aside, [since, stream]):
            return None
        key, cursor, fields = self.con.execute(
            "select primary_key, cursor_field, fields from landing.streams where stream = ?",
            [stream],
        ).fetchone()
        first, last = window
        table = f"{self.schema}.{identifier(stream)}"
        version = text_sql(tuple(cursor)) if cursor else "''"
        self.con.execute(
            f"""
            create or replace temp table landing_replaced as
            with records as (
                select rowid as place, _load_id >= {since:d} as is_new, _load_id, _position,
                    [{", ".join(text_sql(tuple(path)) for path in key)}] as id,
                    {version} as version, {instant_sql(field, json.loads(fields).get(field))} as came_at
                from {table} where _generation = {generation:d}
            ),
            said as (select distinct id, version from records where is_new),
            gone as (
                select id from records
                group by id
                having not bool_or(is_new)
                    and arg_max_null(came_at, (_load_id, _position)) >= timestamp '{first}'
                    and arg_max_null(came_at, (_load_id, _position)) < timestamp '{last + timedelta(days=1)}'
            )
            select place, id, true as is_gone from records semi join gone using (id)
            union all
            select place, id, false from records
            where not is_new and exists (
                from said where said.id = records.id and said.version is not distinct from records.version
            )
            """
        )
        self.con.execute(
            f"insert into landing.tombstones select {load_id:d}, ?, _file, _raw, {self._now()} from {table} "
            "where rowid in (select place from landing_replaced where is_gone)",
            [stream],
        )
        gone = self._one("select count(distinct id) from landing_replaced where is_gone")
        self.remove(
            load_id, stream, "rowid in (select place from landing_replaced)", [], sync_id=sync_id
        )
        self.con.execute("drop table landing_replaced")
        failpoints.hit("backfill.window_replaced", self.settings)
        return gone

    def _now(self) -> str:
        """SQL of the project's now."""
        return f"timestamp '{utc_text(clock.now(self.settings))}'"

    def count_removed(
        self, load_id: int, stream: str, *, rows: int, quarantined: int, sync_id: int
    ) -> None:
        """Count removed rows in the load table."""
        self.record_load(
            load_id,
            stream,
            started_at=datetime.now(UTC),
            landed=-rows,
            quarantined=-quarantined,
            sync_id=sync_id,
        )

    # --- state ------------------------------------------------------------------------------------

    def write_state(self, stream: str, state: Any, load_id: int) -> None:
        """Keep a cursor; the last complete one stays beside it."""
        text = json.dumps(state)
        done = self._one("select count(*) from landing.state where stream = ?", [stream])
        if done:
            self.con.execute(
                "update landing.state set state = ?, is_complete = complete_state is not distinct from ?, load_id = ? "
                "where stream = ?",
                [text, text, load_id, stream],
            )
        else:
            self.con.execute(
                "insert into landing.state values (?, ?, null, false, ?)", [stream, text, load_id]
            )
        failpoints.hit("landing.cursor_written", self.settings)

    def forget_common_state(self) -> None:
        """Let go of a cursor that is not one stream's. Inside a transaction."""
        self.con.execute("delete from landing.state where stream in (?, ?)", [GLOBAL, LEGACY])

    def has_common_state(self) -> bool:
        """Whether there is a cursor that is not one stream's."""
        known = "select count(*) from landing.state where stream in (?, ?)"
        return self._one(known, [GLOBAL, LEGACY]) > 0

    def make_way(self, states: dict[str, Any]) -> None:
        """Let go of cursors whose place others take: a new version of a connector may speak another kind.

        A LEGACY one is that of everything. A GLOBAL one is that of the streams it names; others may have their own
        beside it, and when all that it names have their own, it is let go of. Inside a transaction.

        Args:
            states: What takes their place, by stream or under `messages.GLOBAL` or `messages.LEGACY`.
        """
        if LEGACY in states:
            sql = "delete from landing.state where stream != ? and state is not null"
            self.con.execute(sql, [LEGACY])
            return
        self.con.execute("delete from landing.state where stream = ?", [LEGACY])
        kept = self._one("select state from landing.state where stream = ?", [GLOBAL])
        known = self.tables()
        named = {
            known.get(name, name)
            for name in streams_of_global(states.get(GLOBAL, json.loads(kept or "null")))
        }
        if GLOBAL in states:
            sql = "delete from landing.state where list_contains(?, stream) and state is not null"
            self.con.execute(sql, [sorted(named)])
            return
        rows = self.con.execute("select stream from landing.state where state is not null")
        if named and named <= {stream for (stream,) in rows.fetchall()} | states.keys():
            self.con.execute("delete from landing.state where stream = ?", [GLOBAL])

    def mark_open(self, streams: Iterable[str], load_id: int) -> None:
        """These streams are not complete at the state of all streams: a cursor row without a cursor says so.

        Those with a cursor of their own have their own word. Inside a transaction; `mark_complete` takes it back.
        """
        names = sorted(streams)
        self.con.execute(
            "delete from landing.state where list_contains(?, stream) and state is null", [names]
        )
        self.con.execute(
            "insert into landing.state select name, null, null, false, ? from unnest(?::varchar[]) as t(name) "
            "where name not in (select stream from landing.state)",
            [load_id, names],
        )

    def mark_complete(self, streams: Iterable[str]) -> None:
        """The latest state of these streams is one at which the stream was complete."""
        for stream in streams:
            self.con.execute(
                "delete from landing.state where stream = ? and state is null", [stream]
            )
            self.con.execute(
                "update landing.state set complete_state = state, is_complete = true where stream = ?",
                [stream],
            )

    def broken_off(self) -> set[str]:
        """Streams that have landed rows and a cursor, but were not complete there.

        At a state of all streams also those without rows: it may say of each of them that it is done.
        """
        rows = self.con.execute(
            "select stream from landing.state where not is_complete and (state is null or stream in "
            "(select stream from landing.loads group by stream having sum(rows_landed) > 0))"
        ).fetchall()
        return {stream for (stream,) in rows}

    def states(self, *, complete_only: bool = False) -> dict[str, Any]:
        """Committed cursors by stream (see `messages.GLOBAL`)."""
        column = "complete_state" if complete_only else "state"
        rows = self.con.execute(
            f"select stream, {column} from landing.state where {column} is not null order by stream"
        ).fetchall()
        found = {}
        for stream, text in rows:
            try:
                found[stream] = json.loads(text)
            except json.JSONDecodeError as error:
                raise WarehouseError(
                    f"the stored state of {self.source}.{stream} is damaged ({error.msg})",
                    f"`warehouse sync {self.source} --full-refresh` reads it from the start",
                ) from error
        return found

    # --- generations ------------------------------------------------------------------------------

    def current_generation(self, stream: str) -> int:
        """The generation that is served."""
        return (
            self._one(
                "select max(generation) from landing.generations where stream = ? and is_complete",
                [stream],
            )
            or 0
        )

    def open_generation(self, stream: str) -> int | None:
        """The generation that a full refresh has begun and not finished."""
        return self._one(
            "select max(generation) from landing.generations where stream = ? and not is_complete",
            [stream],
        )

    def begin_generation(self, stream: str, load_id: int, sync_id: int) -> int:
        """Start a new generation; what an earlier attempt left is removed. Inside a transaction."""
        current = self.current_generation(stream)
        highest = self._one(
            "select coalesce(max(generation), 0) from landing.generations where stream = ?",
            [stream],
        )
        self.remove(load_id, stream, "_generation > ?", [current], sync_id=sync_id)
        self.con.execute(
            "delete from landing.generations where stream = ? and not is_complete", [stream]
        )
        self.con.execute(
            "insert into landing.generations values (?, ?, false)", [stream, highest + 1]
        )
        # a cursor of the old generation must not be taken for one of the new
        self.con.execute("delete from landing.state where stream = ?", [stream])
        return highest + 1

    def complete_generation(self, stream: str, generation: int, load_id: int, sync_id: int) -> None:
        """Serve a generation and let go of older ones. Inside a transaction."""
        self.con.execute(
            "update landing.generations set is_complete = true where stream = ? and generation = ?",
            [stream, generation],
        )
        self.remove(load_id, stream, "_generation < ?", [generation], sync_id=sync_id)
        self.con.execute(
            "delete from landing.generations where stream = ? and generation < ?",
            [stream, generation],
        )

    # --- ledger -----------------------------------------------------------------------------------

    def set_complete_through(self, stream: str, at: datetime | None) -> None:
        """Say up to which instant a stream is complete."""
        self.con.execute("delete from landing.complete_through where stream = ?", [stream])
        self.con.execute(
            "insert into landing.complete_through values (?, ?)",
            [stream, naive(at) if at else None],
        )

    def complete_through(self) -> dict[str, datetime | None]:
        """Up to which instant each stream is complete."""
        rows = self.con.execute(
            "select stream, complete_through from landing.complete_through"
        ).fetchall()
        return {stream: at.replace(tzinfo=UTC) if at else None for stream, at in rows}

    def begin_sync(self, started_at: datetime) -> int:
        """Note that a sync runs; returns its id."""
        sync_id = self._next("syncs", "sync_id")
        self.con.execute(
            "insert into landing.syncs values (?, ?, ?, null, 'running', null)",
            [sync_id, self.source, naive(started_at)],
        )
        return sync_id

    def end_sync(self, sync_id: int, status: str, message: str) -> None:
        """Note how a sync ended: `complete` or `failed`."""
        self.con.execute(
            "update landing.syncs set ended_at = ?, status = ?, message = ? where sync_id = ?",
            [naive(datetime.now(UTC)), status, message[:2000], sync_id],
        )
        self.con.execute(
            "update landing.syncs set status = 'interrupted' where status = 'running' and sync_id < ?",
            [sync_id],
        )


def _told(rows: Iterable[pa.RecordBatch], errors: list[BaseException]) -> Iterator[pa.RecordBatch]:
    """The rows; an error ends them and is kept, because Arrow and DuckDB would pass on its words only."""
    try:
        yield from rows
    except BaseException as error:  # noqa: BLE001 - it is raised where the rows are inserted
        errors.append(error)


def naive(at: datetime) -> datetime:
    """An instant as DuckDB's TIMESTAMP in UTC."""
    return at.astimezone(UTC).replace(tzinfo=None)


def utc_text(at: datetime) -> str:
    """An instant as the text of a UTC TIMESTAMP."""
    return naive(at).isoformat(sep=" ", timespec="microseconds")


def _cut(raw: str) -> str:
    raw = raw.replace("\x00", "\\u0000")
    if len(raw) <= QUARANTINE_RAW_LIMIT:
        return raw
    return raw[:QUARANTINE_RAW_LIMIT] + f"… ({len(raw):,} characters in all)"
