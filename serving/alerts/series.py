"""A metric's values per period, and how far they are complete: out of one published edition.

Reads: schema gold of a restricted edition, through a connection that is locked down (`serving.sql`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb

from serving.alerts.rules import Metric, Rule
from serving.sql import ask, open_edition
from warehouse.errors import WarehouseError
from warehouse.ledger import naive
from warehouse.settings import Settings

#: Lags behind its source by design (CONTRACT: a migration may still turn up); a rule that needs it says so.
_LAGS = "stripe.mrr_movements"

Values = dict[date, float | None]


class Unreadable(WarehouseError):
    """A rule's metric can't be read from this version: no such table or column, or no SQL."""


@dataclass(frozen=True)
class Edition:
    """One published version, open for reading.

    Attributes:
        con: The connection.
        complete_through: `source.stream` → instant (naive UTC) up to which it is complete; None: nothing is yet.
        zone: Whose calendar days are meant.
    """

    con: duckdb.DuckDBPyConnection
    complete_through: Mapping[str, datetime | None]
    zone: ZoneInfo

    def through(self, needs: Sequence[str]) -> datetime | None:
        """Up to when everything that a rule needs is complete (naive UTC); None where something has never been.

        Args:
            needs: Sources, or source.stream; empty for all sources.
        """
        wanted = [
            at
            for stream, at in self.complete_through.items()
            if (stream in needs or stream.split(".")[0] in needs or not needs)
            and (stream != _LAGS or stream in needs)
        ]
        return min((at for at in wanted if at), default=None) if None not in wanted else None

    def begins(self, period: date) -> datetime:
        """The instant (naive UTC) at which a calendar day begins."""
        return naive(datetime.combine(period, time(), tzinfo=self.zone))

    def ends(self, rule: Rule, period: date) -> datetime:
        """The instant (naive UTC) at which a rule's day or month is over."""
        return self.begins(_after(rule, period))

    def last_complete(self, rule: Rule) -> date | None:
        """The newest day, or first day of a month, that is over and of which all is there."""
        through = self.through(rule.needs)
        if through is None:
            return None
        day = through.replace(tzinfo=UTC).astimezone(self.zone).date()
        # the day of `through` itself has only begun
        return _before(rule, day.replace(day=1) if rule.window == "month" else day)

    def periods(self, rule: Rule, since: datetime | None) -> list[date]:
        """The complete periods that end after an instant; without one, the newest alone."""
        last = self.last_complete(rule)
        found: list[date] = []
        while last is not None and (since is None or self.ends(rule, last) > since):
            found.append(last)
            if since is None:
                break
            last = _before(rule, last)
        return found[::-1]

    def values(self, rule: Rule) -> dict[str, Values]:
        """Subject → period → value of a rule that looks at days or months.

        Raises:
            Unreadable: The metric isn't there.
        """
        metric = rule.metric
        rows = self._rows(
            f"select cast({metric.at} as date) as period, {_subject(metric)} as subject, "
            f"cast({metric.value} as double) as value {_source(metric)} group by all",
        )
        found: dict[str, Values] = {}
        for period, subject, value in rows:
            found.setdefault(subject, {})[period] = value
        return found

    def state(self, rule: Rule, now: datetime) -> dict[str, float | None]:
        """Subject → value of a rule that looks at how things stand; `$now` in its SQL is now.

        Raises:
            Unreadable: The metric isn't there.
        """
        rows = self._rows(
            f"select {_subject(rule.metric)} as subject, cast({rule.metric.value} as double) as value "
            f"{_source(rule.metric)} group by all",
            **({"now": now} if "$now" in rule.metric.value + rule.metric.where else {}),
        )
        return {subject: value for subject, value in rows if subject is not None}

    def instants(self, rule: Rule, after: datetime, through: datetime) -> dict[str, list[datetime]]:
        """Subject → instants of its rows in (after, through], in order.

        Raises:
            Unreadable: The metric isn't there.
        """
        metric = rule.metric
        rows = self._rows(
            f"select {_subject(metric)} as subject, {metric.at} as happened_at {_source(metric)} "
            f"{'and' if metric.where else 'where'} {metric.at} > $after and {metric.at} <= $through "
            "order by happened_at",
            after=after,
            through=through,
        )
        found: dict[str, list[datetime]] = {}
        for subject, at in rows:
            found.setdefault(subject, []).append(at)
        return found

    def _rows(self, statement: str, **parameters: Any) -> list[tuple[Any, ...]]:
        try:
            found = ask(self.con, statement, parameters=parameters or None)
        except WarehouseError as error:
            raise Unreadable(error.message.removeprefix("SQL: ")) from None
        if found.is_truncated:
            raise Unreadable(f"more than {len(found.rows):,} rows: an aggregate is wanted")
        return found.rows


@contextmanager
def open_version(settings: Settings, path: Path) -> Iterator[Edition]:
    """Open a restricted edition for the length of a `with` block."""
    with open_edition(settings, path) as con:
        rows = con.execute(
            "select source || '.' || stream, complete_through from gold.complete_through"
        ).fetchall()
        yield Edition(con, dict(rows), ZoneInfo(settings.reporting_timezone))


def _subject(metric: Metric) -> str:
    return f"cast({metric.per} as varchar)" if metric.per else "''"


def _source(metric: Metric) -> str:
    where = f" where ({metric.where})" if metric.where else ""
    return f"from gold.{metric.table}{where}"


def _before(rule: Rule, period: date) -> date:
    before = period - timedelta(days=1)
    return before.replace(day=1) if rule.window == "month" else before


def _after(rule: Rule, period: date) -> date:
    if rule.window == "day":
        return period + timedelta(days=1)
    return (period + timedelta(days=31)).replace(day=1)
