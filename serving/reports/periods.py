"""Weeks and months as reports name them: `2025-W26`, `2025-06`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

from warehouse.errors import CallError

Kind = Literal["weekly", "monthly"]
KINDS: tuple[Kind, ...] = ("weekly", "monthly")


@dataclass(frozen=True)
class Period:
    """A whole calendar week (ISO, Monday to Sunday) or month.

    Attributes:
        kind: weekly or monthly.
        start: Its first day, in the reporting time zone.
    """

    kind: Kind
    start: date

    @property
    def name(self) -> str:
        """Such as 2025-W26 or 2025-06."""
        if self.kind == "monthly":
            return f"{self.start:%Y-%m}"
        year, week, _ = self.start.isocalendar()
        return f"{year}-W{week:02d}"

    @property
    def unit(self) -> str:
        """Week or month, as kpi_headlines has it."""
        return "week" if self.kind == "weekly" else "month"

    @property
    def end(self) -> date:
        """Its last day."""
        return self.next.start - timedelta(days=1)

    @property
    def next(self) -> Period:
        """The one after it."""
        if self.kind == "weekly":
            return Period("weekly", self.start + timedelta(days=7))
        return Period("monthly", (self.start + timedelta(days=31)).replace(day=1))

    @property
    def words(self) -> str:
        """For people: 23 to 29 June 2025, or June 2025."""
        if self.kind == "monthly":
            return f"{self.start:%B %Y}"
        first = f"{self.start.day}"
        if self.start.month != self.end.month:
            first += f" {self.start:%B}"
        if self.start.year != self.end.year:
            first += f" {self.start.year}"
        return f"{first} to {self.end.day} {self.end:%B %Y}"


def before(kind: Kind, day: date) -> Period:
    """The period that was over last on a day."""
    if kind == "weekly":
        return Period(kind, day - timedelta(days=day.weekday() + 7))
    return Period(kind, (day.replace(day=1) - timedelta(days=1)).replace(day=1))


def kind_of(text: str) -> Kind:
    """The kind of that name.

    Raises:
        CallError: There is none.
    """
    for kind in KINDS:
        if kind == text:
            return kind
    raise CallError(f"no report '{text}'", f"reports are: {', '.join(KINDS)}")


def parse(kind: Kind, text: str) -> Period:
    """The period of a name.

    Raises:
        CallError: It is no such period.
    """
    try:
        if kind == "weekly" and (found := re.fullmatch(r"(\d{4})-W(\d{2})", text)):
            return Period(kind, date.fromisocalendar(int(found[1]), int(found[2]), 1))
        if kind == "monthly" and (found := re.fullmatch(r"(\d{4})-(\d{2})", text)):
            return Period(kind, date(int(found[1]), int(found[2]), 1))
    except ValueError:
        pass
    form = "a week such as 2025-W26" if kind == "weekly" else "a month such as 2025-06"
    raise CallError(f"no period '{text}'", f"the {kind} report is of {form}")
