"""What was judged, what is open or snoozed, and which messages wait: in `ops.duckdb`, because nothing can rebuild it.

Reads and writes: `ops.duckdb`, tables alert_log, alert_snoozes, alert_deliveries. Publishing copies them into the
editions, where `alert_log` is `gold.alert_log`.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields
from datetime import datetime
from typing import Any

import duckdb

from serving.alerts.rules import FAILED_TASK
from warehouse import ledger
from warehouse.settings import Settings

#: The first five are the log's oldest: failed tasks were written with them alone.
COLUMNS = {
    "fired_at": ("timestamp", "When the incident was first noticed, by the warehouse's clock (UTC)."),
    "rule": ("varchar", "Rule, or task_failed."),
    "severity": ("varchar", "info, warning, critical; error: a failed task."),
    "subject": ("varchar", "What was judged by itself: a source, a feature, a task; empty for the whole."),
    "message": ("varchar", "What was told, or why nothing could be said."),
    "id": ("varchar", "Id of the row."),
    "evaluated_at": ("timestamp", "When it was judged, by the warehouse's clock (UTC)."),
    "version": ("varchar", "Published version that was judged."),
    "owner": ("varchar", "Who is to act."),
    "incident": ("varchar", "Rules of one incident are told once."),
    "period": ("varchar", "Day, month, instant or span that was judged, in words."),
    "period_start": ("timestamp", "Its beginning (UTC)."),
    "period_end": ("timestamp", "Its end (UTC)."),
    "judged_through": ("timestamp", "Up to this instant (UTC) the rule has been judged with this row."),
    "value": ("double", "The metric's value."),
    "baseline": ("double", "What it was compared with."),
    "threshold": ("double", "The value at which the rule breaks."),
    "unit": ("varchar", "number, money, share, ms or hours."),
    "condition_kind": ("varchar", "The condition that held, or the nearest."),
    "state": ("varchar", "ok, firing, snoozed (firing, and nobody is told), recovered, no data."),
    "told": ("varchar", "fired or recovered: a message was made of this row."),
    "is_told": ("boolean", "Whether people have been told of the incident, by this row or one before."),
    "is_delivered": ("boolean", "Whether it reached every channel; NULL: nothing to deliver, or no channel set up."),
    "ordinal": ("bigint", "Order in which rows were written."),
}  # fmt: skip
_OF_ENTRY = ", ".join(name for name in COLUMNS if name != "ordinal")

_TYPED = [f"{name} {kind}" for name, (kind, _) in COLUMNS.items()]
_TABLES = f"""
create table if not exists alert_log ({", ".join(_TYPED)});
{" ".join(f"alter table alert_log add column if not exists {column};" for column in _TYPED)}
create table if not exists alert_snoozes (
    rule varchar, subject varchar, until timestamp, snoozed_at timestamp, reason varchar, ordinal bigint
);
create table if not exists alert_deliveries (
    log_id varchar, ordinal bigint, channel varchar, title varchar, body varchar, queued_at timestamp,
    attempts bigint, tried_at timestamp, delivered_at timestamp, error varchar
);
"""

OPEN = ("firing", "snoozed")


@dataclass(frozen=True)
class Entry:
    """A row of the log; attributes as in `COLUMNS`."""

    fired_at: datetime | None
    rule: str
    severity: str
    subject: str
    message: str
    id: str
    evaluated_at: datetime
    version: str | None = None
    owner: str = ""
    incident: str = ""
    period: str = ""
    period_start: datetime | None = None
    period_end: datetime | None = None
    judged_through: datetime | None = None
    value: float | None = None
    baseline: float | None = None
    threshold: float | None = None
    unit: str = "number"
    condition_kind: str = ""
    state: str = "ok"
    told: str | None = None
    is_told: bool = False
    is_delivered: bool | None = None


@dataclass(frozen=True)
class Waiting:
    """A message that has not reached its channel yet."""

    log_id: str
    channel: str
    title: str
    body: str
    attempts: int
    entry: Entry


@dataclass(frozen=True)
class Snooze:
    """Nobody is told of a rule until then (of one subject, or of all)."""

    rule: str
    subject: str
    until: datetime
    reason: str


def new_id() -> str:
    """An id for a row."""
    return uuid.uuid4().hex[:16]


@contextmanager
def opened(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """`ops.duckdb` under its lock, with the alerts' tables in place. Keep the block short."""
    with ledger.ops(settings) as con:
        con.execute(_TABLES)
        yield con


def last_rows(con: duckdb.DuckDBPyConnection) -> list[Entry]:
    """The newest row of each rule and subject that said anything (a row without data changes no state)."""
    rows = con.execute(
        f"select {_OF_ENTRY} from alert_log where state <> 'no data' "
        "qualify row_number() over (partition by rule, subject order by ordinal desc) = 1 order by ordinal"
    ).fetchall()
    return [Entry(*row) for row in rows]


def changes(con: duckdb.DuckDBPyConnection, most: int) -> list[Entry]:
    """The newest rows with which an incident began, was snoozed or ended, newest first."""
    rows = con.execute(
        f"select {_OF_ENTRY} from alert_log where state in ('firing', 'snoozed', 'recovered') "
        "qualify state is distinct from lag(state) over (partition by rule, subject order by ordinal) "
        f"or rule = '{FAILED_TASK}' order by ordinal desc limit {most}"
    ).fetchall()
    return [Entry(*row) for row in rows]


def rows(con: duckdb.DuckDBPyConnection, where: str) -> list[Entry]:
    """Rows of the log that fit, in the order in which they were written."""
    found = con.execute(f"select {_OF_ENTRY} from alert_log where {where} order by ordinal")
    return [Entry(*row) for row in found.fetchall()]


def judged_through(con: duckdb.DuckDBPyConnection) -> dict[str, datetime]:
    """Rule → instant up to which it has been judged."""
    return dict(
        con.execute(
            "select rule, max(judged_through) from alert_log where judged_through is not null group by rule"
        ).fetchall()
    )


def versions_judged(con: duckdb.DuckDBPyConnection) -> set[str]:
    """Published versions that have rows."""
    return {
        row[0]
        for row in con.execute("select version from alert_log where version is not null group by 1")
        .fetchall()
    }  # fmt: skip


def write(
    con: duckdb.DuckDBPyConnection,
    entries: Sequence[Entry],
    messages: Iterable[tuple[Entry, str, str, str]],
) -> None:
    """Add rows, and queue their messages, in one transaction.

    Args:
        con: From `opened`.
        entries: Rows, in the order in which they were judged.
        messages: (row, channel, title, body).
    """
    marks = ", ".join("?" for _ in fields(Entry))
    con.execute("begin")
    for entry in entries:
        con.execute(
            f"insert into alert_log ({_OF_ENTRY}, ordinal) values ({marks}, nextval('ordinal'))",
            list(astuple(entry)),
        )
    for entry, channel, title, body in messages:
        con.execute(
            "insert into alert_deliveries values (?, nextval('ordinal'), ?, ?, ?, ?, 0, null, null, null)",
            [entry.id, channel, title, body, entry.evaluated_at],
        )
    con.execute("commit")


def waiting(con: duckdb.DuckDBPyConnection) -> list[Waiting]:
    """Messages that have not arrived, oldest first."""
    columns = ", ".join(f"l.{item.name}" for item in fields(Entry))
    rows = con.execute(
        f"select d.log_id, d.channel, d.title, d.body, d.attempts, {columns} "
        "from alert_deliveries as d join alert_log as l on l.id = d.log_id "
        "where d.delivered_at is null order by d.ordinal"
    ).fetchall()
    return [Waiting(*row[:5], entry=Entry(*row[5:])) for row in rows]


def note_delivery(
    con: duckdb.DuckDBPyConnection, message: Waiting, at: datetime, error: str | None
) -> None:
    """Write down that a message arrived, or why it did not."""
    con.execute(
        "update alert_deliveries set attempts = attempts + 1, tried_at = ?, error = ?, "
        "delivered_at = case when ? is null then ? end where log_id = ? and channel = ?",
        [at, error, error, at, message.log_id, message.channel],
    )
    con.execute(
        "update alert_log set is_delivered = (select bool_and(delivered_at is not null) from alert_deliveries "
        "where log_id = ?) where id = ?",
        [message.log_id, message.log_id],
    )


def snoozes(con: duckdb.DuckDBPyConnection) -> list[Snooze]:
    """The newest snooze of each rule and subject."""
    rows = con.execute(
        "select rule, subject, until, reason from alert_snoozes "
        "qualify row_number() over (partition by rule, subject order by ordinal desc) = 1 order by ordinal"
    ).fetchall()
    return [Snooze(*row) for row in rows]


def snooze(
    con: duckdb.DuckDBPyConnection, rule: str, subject: str, until: datetime, now: datetime, reason: str
) -> None:  # fmt: skip
    """Tell nobody of a rule until then."""
    con.execute(
        "insert into alert_snoozes values (?, ?, ?, ?, ?, nextval('ordinal'))",
        [rule, subject, until, now, reason],
    )


def as_dict(entry: Entry) -> dict[str, Any]:
    """A row as column → value."""
    return {item.name: getattr(entry, item.name) for item in fields(Entry)}
