"""One table as a stream: by its cursor column where it has one, whole where it has none.

Reads: one table or view, in the snapshot of the connection it is given.
Writes: nothing.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from airbyte_cdk.models import AirbyteStream, SyncMode
from airbyte_cdk.utils import AirbyteTracedException
from sqlalchemy import types

from ingestion.sources.product.values import INSTANT, instant_text, reader_of, schema_of
from ingestion.sources.protocol import (
    NO_CURSOR_STATE,
    Checkpoint,
    Span,
    config_error,
    parse_instant,
    source_error,
)

#: The tables that the warehouse knows, and what each goes by. A table whose rows change goes by
#: updated_at, a log by when it was written.
CURSORS = {
    "accounts": "updated_at",
    "account_changes": "changed_at",
    "users": "updated_at",
    "logins": "logged_in_at",
    "feature_flags": "updated_at",
    "experiment_exposures": "exposed_at",
    "experiment_conversions": "converted_at",
    "survey_answers": "answered_at",
}
#: Other tables go by the first of these that they have.
USUAL_CURSORS = ("updated_at", "modified_at")

ROWS_PER_CHECKPOINT = 20_000
ROWS_AT_ONCE = 2_000

#: So many rows of the last seconds are remembered one by one; more are simply sent again.
REMEMBERED = 5_000

Item = dict[str, Any] | Checkpoint


@dataclass
class TableFeed:
    """A table or view.

    Attributes:
        name: its checked name.
        connection: with the snapshot.
        columns: as reflected, by checked name.
        key: primary key columns; empty for a view.
        span: start, window and now.
        schema: where it is.
        overlap: seconds before the cursor to look at again.
        window_field: when a row came to be, which never changes: a window has all rows by it, so that a row of
            the window that is not read is gone. None where no column says it.
    """

    name: str
    connection: sa.Connection
    columns: Mapping[str, Mapping[str, Any]]
    key: list[str]
    span: Span
    schema: str | None = None
    overlap: int = 300
    cursor: str | None = field(init=False)
    window_field: str | None = field(init=False)

    def __post_init__(self) -> None:
        if not self.key and "id" in self.columns:
            self.key = ["id"]
        wanted = CURSORS.get(self.name)
        usual = next((name for name in USUAL_CURSORS if name in self.columns), None)
        self.cursor = wanted if wanted in self.columns else usual
        born = "created_at" if self.cursor in USUAL_CURSORS else self.cursor
        self.window_field = born if self.key and self._is_instant(born) else None
        # Plain columns without types: the driver's values come through as they are.
        self._table = sa.table(self.name, *map(sa.column, self.columns), schema=self.schema)
        dialect = self.connection.dialect.name
        self._readers = [
            (name, reader_of(column["type"], dialect)) for name, column in self.columns.items()
        ]

    def describe(self) -> AirbyteStream:
        """The catalog entry, from what the database says of the table."""
        properties = {
            name: schema_of(column["type"], is_nullable=self._is_nullable(name))
            for name, column in self.columns.items()
        }
        if self.cursor and not self._is_stamp():
            nullable = self._is_nullable(self.cursor)
            properties[self.cursor] = {**INSTANT, "type": INSTANT["type"] if nullable else "string"}
        schema = {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "type": "object",
            "properties": properties,
            "required": [*self.key],
            "additionalProperties": True,
        }
        if self.window_field:
            schema["x-window-field"] = self.window_field
        stream = AirbyteStream(
            name=self.name,
            json_schema=schema,
            supported_sync_modes=[SyncMode.full_refresh],
            source_defined_primary_key=[[name] for name in self.key] or None,
            is_resumable=False,
        )
        if self.cursor:
            stream.supported_sync_modes.append(SyncMode.incremental)
            stream.source_defined_cursor = True
            stream.default_cursor_field = [self.cursor]
            stream.is_resumable = True
        return stream

    def touch(self) -> None:
        """Read one row, to know that it may be read.

        Raises:
            AirbyteTracedException: it may not.
        """
        try:
            self.connection.execute(sa.select(self._table).limit(1)).first()
        except sa.exc.DBAPIError as error:
            raise self._refused(error) from None

    def read(self, state: dict[str, Any] | None) -> Iterator[Item]:
        """Rows from a state on, oldest first; the whole table if there is no cursor column."""
        try:
            if self.cursor is None:
                if state:
                    raise config_error(f"{self.name} has no cursor column: sync it as full refresh")
                yield from self._rows(sa.select(self._table).order_by(*self._order()))
                yield Checkpoint(dict(NO_CURSOR_STATE))
            elif self.span.is_window:
                yield from self._window()
                yield Checkpoint(state or {})
            else:
                yield from self._by_cursor(self.cursor, checked_state(self.name, state))
        except sa.exc.DBAPIError as error:
            raise self._refused(error) from None

    def _window(self) -> Iterator[Item]:
        """Rows that changed or came to be in the window, and those of which that can't be told."""
        names = list(dict.fromkeys(filter(None, (self.cursor, self.window_field))))
        bounds = [sa.and_(*self._bounds(name)) for name in names]
        select = sa.select(self._table).where(sa.or_(self._table.c[self.cursor].is_(None), *bounds))
        for row in self._rows(select.order_by(self._table.c[self.cursor], *self._order())):
            if row[self.cursor] is None or any(self._is_in_window(row[name]) for name in names):
                yield row

    def _bounds(self, name: str) -> list[Any]:
        """The window for one column; text, which may be of any zone, is read from a day more on each side."""
        column, span = self._table.c[name], self.span
        more = timedelta(days=0 if self._is_native(name) else 1)
        bounds = []
        if span.window_from is not None:
            bounds.append(column >= self._bound(span.window_from - more, name))
        if span.window_to is not None:
            bounds.append(column < self._bound(span.window_to + more, name))
        return bounds

    def _is_in_window(self, value: Any) -> bool:
        if value is None:
            return False
        try:
            at = parse_instant(value, "window")
        except (AirbyteTracedException, OverflowError):  # no instant: it might be of the window
            return True
        start, end = self.span.window_from, self.span.window_to
        return not ((start and at < start) or (end and at >= end))

    def _by_cursor(self, cursor: str, state: Mapping[str, Any] | None) -> Iterator[Item]:
        place = state["cursor"] if state else None
        seen = set(state["seen"]) if state else set()
        since = parse_instant(place, "cursor") - timedelta(seconds=self.overlap) if place else None
        if since is None and self.span.start and cursor not in USUAL_CURSORS:
            since = self.span.start
        newest = cursor_before = parse_instant(place, "cursor") if place else None
        recent: deque[tuple[datetime, Item]] = deque()
        for count, row in enumerate(self._rows(self._select(since)), start=1):
            at = self._instant(row[cursor], row)
            if at is not None:
                newest = at if newest is None else max(newest, at)
                recent.append((at, row))
            is_old = at is not None and cursor_before is not None and at <= cursor_before
            if not (is_old and self._mark(row) in seen):
                yield row
            if count % ROWS_AT_ONCE == 0 and newest is not None:
                self._forget(recent, newest)
                if count % ROWS_PER_CHECKPOINT == 0:
                    yield self._checkpoint(newest, recent)
        if newest is None:
            yield Checkpoint(dict(state) if state else {})
            return
        self._forget(recent, newest)
        yield self._checkpoint(newest, recent)

    def _checkpoint(
        self, newest: datetime, recent: Collection[tuple[datetime, Item]]
    ) -> Checkpoint:
        marks = []
        if len(recent) <= REMEMBERED:
            marks = sorted({self._mark(row) for _, row in recent})
        return Checkpoint({"cursor": instant_text(newest), "seen": marks})

    def _forget(self, recent: deque[tuple[datetime, Item]], newest: datetime) -> None:
        """Drop what lies before the overlap; rows come oldest first."""
        floor = newest - timedelta(seconds=self.overlap)
        while recent and recent[0][0] < floor:
            recent.popleft()

    def _select(self, since: datetime | None) -> sa.Select[Any]:
        """Rows from an instant on, oldest first, and those that have no cursor value.

        The latter would never be seen otherwise; they are sent at every sync.
        """
        column = self._table.c[self.cursor]
        select = sa.select(self._table)
        if since is not None:
            bound = column >= self._bound(since, self.cursor)
            nullable = self._is_nullable(self.cursor)
            select = select.where(sa.or_(column.is_(None), bound) if nullable else bound)
        return select.order_by(column, *self._order())

    def _order(self) -> list[Any]:
        return [self._table.c[name] for name in self.key]

    def _is_nullable(self, name: str) -> bool:
        return name not in self.key and bool(self.columns[name].get("nullable", True))

    def _is_stamp(self) -> bool:
        return isinstance(self.columns[self.cursor]["type"], types.DateTime | types.Date)

    def _is_instant(self, name: str | None) -> bool:
        """Whether there is such a column, and it can hold instants: stamps, or text."""
        numbers = types.Integer | types.Numeric
        return name in self.columns and not isinstance(self.columns[name]["type"], numbers)

    def _is_native(self, name: str) -> bool:
        """Whether the database itself compares the column's instants."""
        is_stamp = isinstance(self.columns[name]["type"], types.DateTime)
        return is_stamp and self.connection.dialect.name != "sqlite"

    def _bound(self, instant: datetime, name: str) -> Any:
        """An instant as the column has it.

        Text is cut to whole seconds and has no zone, so that it sorts before every spelling of that
        second ("…:05", "…:05Z", "…:05.123Z").
        """
        kind = self.columns[name]["type"]
        if not self._is_native(name):
            if not self._is_instant(name):
                raise config_error(f"{self.name}.{name} is no instant but a {kind}")
            separator = " " if isinstance(kind, types.DateTime) and self._has_blank(name) else "T"
            return instant.replace(tzinfo=None, microsecond=0).isoformat(separator)
        return sa.literal(instant if kind.timezone else instant.replace(tzinfo=None), kind)

    def _has_blank(self, name: str) -> bool:
        """Whether SQLite's stamps are written with a blank in the middle (as SQLAlchemy does)."""
        column = self._table.c[name]
        value = self.connection.execute(sa.select(sa.func.max(column))).scalar()
        return isinstance(value, str) and value[10:11] == " "

    def _instant(self, value: Any, row: Mapping[str, Any]) -> datetime | None:
        if value is None:
            return None
        try:
            return parse_instant(value, self.cursor)
        except Exception:  # noqa: BLE001 - any reason means the same
            keys = ", ".join(str(row[name]) for name in self.key)
            raise source_error(
                f"{self.cursor} of row {keys} is no instant: {value!r}; set it right, or reading "
                "by it would lose rows"
            ) from None

    def _mark(self, row: Mapping[str, Any]) -> str:
        """A short name for this version of a row."""
        names = [*self.key, self.cursor] if self.key else list(row)
        text = "\x1f".join(str(row[name]) for name in names)
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()

    def _rows(self, select: sa.Select[Any]) -> Iterator[dict[str, Any]]:
        options = {"stream_results": True, "yield_per": ROWS_AT_ONCE}
        result = self.connection.execution_options(**options).execute(select)
        readers = self._readers
        for batch in result.partitions():
            for values in batch:
                yield {
                    name: read(value) for (name, read), value in zip(readers, values, strict=True)
                }

    def _refused(self, error: sa.exc.DBAPIError) -> Exception:
        lines = str(error.orig).strip().splitlines()
        return source_error(
            f"The database refused to read {self.name}: {lines[0] if lines else error}"
        )


def checked_state(stream: str, state: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The state, if this connector can have written it.

    Raises:
        AirbyteTracedException: it is corrupt; guessing a cursor would lose rows in silence.
    """
    if not state:
        return None
    try:
        parse_instant(state["cursor"], "cursor")
        is_good = all(isinstance(mark, str) for mark in state["seen"])
    except Exception:  # noqa: BLE001 - whatever is wrong with it, it is not ours
        is_good = False
    if not is_good:
        raise config_error(
            f"The state of {stream} is not one this connector wrote: reset the stream"
        )
    return state
