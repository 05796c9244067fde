"""Instants as whole Unix seconds (UTC), and Stripe's way of stepping through billing periods.

A period's end is always counted from the anchor, so that 31 January is followed by 29 February and
then by 31 March.
"""

from __future__ import annotations

import calendar
from datetime import UTC, datetime

DAY = 86_400
HOUR = 3_600


def seconds(at: datetime) -> int:
    """Whole Unix seconds of an aware instant."""
    return int(at.timestamp())


def instant(at: int) -> datetime:
    """The aware UTC instant of Unix seconds."""
    return datetime.fromtimestamp(at, UTC)


def add_months(at: int, months: int) -> int:
    """The same day and time so many months later; the month's last day if there is no such day."""
    moment = instant(at)
    years, month = divmod(moment.month - 1 + months, 12)
    year = moment.year + years
    day = min(moment.day, calendar.monthrange(year, month + 1)[1])
    return int(moment.replace(year=year, month=month + 1, day=day).timestamp())


def add_intervals(anchor: int, interval: str, count: int) -> int:
    """The instant `count` intervals (day, week, month, year) after the anchor."""
    if interval == "day":
        return anchor + count * DAY
    if interval == "week":
        return anchor + count * 7 * DAY
    if interval == "month":
        return add_months(anchor, count)
    if interval == "year":
        return add_months(anchor, 12 * count)
    msg = f"unknown billing interval {interval!r}"
    raise ValueError(msg)


def month_start(at: int) -> int:
    """First instant of the month that an instant lies in."""
    moment = instant(at).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return int(moment.timestamp())


def month_starts(first: int, last: int) -> list[int]:
    """First instants of the months in (first, last], in order: when a month is over."""
    at = add_months(month_start(first), 1)
    found = []
    while at <= last:
        found.append(at)
        at = add_months(at, 1)
    return found


def month_name(at: int) -> str:
    """The UTC month of an instant, as `YYYY-MM`."""
    return instant(at).strftime("%Y-%m")
