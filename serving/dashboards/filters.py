"""What a reader can narrow a page down to. Each choice stands in the address, so that a link shows the same page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import streamlit as st

from serving.dashboards.context import Context

PERIODS = {"30 days": 30, "90 days": 90, "12 months": 365, "All": None}
OWN_DATES = "Dates…"
DIMENSIONS = ("tier", "plan", "industry", "country", "currency")
EVERYBODY = "All customers"


@dataclass(frozen=True)
class Period:
    """The days that a reader looks at.

    Attributes:
        start: First day.
        end: Last day; never after the last one through which every source is complete.
        until: Up to where charts go: `end`, or, where that is the newest day, on to what is not complete yet.
    """

    start: date
    end: date
    until: date

    @property
    def before(self) -> date:
        """Where the period before ended: the day before `start`."""
        return self.start - timedelta(days=1)

    @property
    def first_month(self) -> date:
        """First day of the month in which it starts."""
        return self.start.replace(day=1)


@dataclass(frozen=True)
class Slice:
    """Customers of one value of a dimension; `dimension` None: all of them."""

    dimension: str | None = None
    value: str | None = None


def bar() -> Any:
    """Where a page's filters stand, side by side, and below each other on a phone."""
    return st.container(horizontal=True, gap="medium")


def period(context: Context, default: str = "12 months") -> Period:
    """Let the reader choose the days shown; they end with the last complete day, or where the reader says."""
    last = context.complete_through or date(1970, 1, 1)
    first = context.values("select min(day) from gold.kpi_daily")[0] or last
    chosen = st.segmented_control(
        "Period", [*PERIODS, OWN_DATES], default=default, required=True, key="period",
        bind="query-params",
    )  # fmt: skip
    if chosen == OWN_DATES:
        picked = st.date_input(
            "Dates", (max(first, last - timedelta(days=89)), last), min_value=first, max_value=last,
            key="dates", bind="query-params", width=240,
        )  # fmt: skip
        start, end = picked if len(picked) == 2 else (picked[0], last)
        return Period(start, end, date.max if end == last else end)
    length = PERIODS[chosen]
    start = first if length is None else max(first, last - timedelta(days=length - 1))
    return Period(start, last, date.max)


def customers(
    context: Context,
    table: str = "kpi_revenue_by_dimension",
    dimensions: Sequence[str] = DIMENSIONS,
) -> Slice:
    """Let the reader choose customers by one dimension, among the values that a KPI table has.

    Args:
        context: The page's.
        table: A gold table with columns `dimension` and `value`.
        dimensions: Those offered.
    """
    dimension = st.selectbox(
        "Customers by", [EVERYBODY, *(name.capitalize() for name in dimensions)], key="by",
        bind="query-params", width=180,
    )  # fmt: skip
    if dimension == EVERYBODY:
        return Slice()
    known = context.values(
        f"select value from gold.{table} where dimension = ? group by value order by value",
        dimension.lower(),
    )
    if not known:
        return Slice()
    value = st.selectbox(
        dimension, known, key=f"{dimension.lower()}", bind="query-params", width=220
    )
    return Slice(dimension.lower(), value)


def choice(label: str, options: Sequence[str], *, key: str, default: str | None = None) -> str:
    """Let the reader choose one of a few."""
    return st.segmented_control(
        label, options, default=default or options[0], required=True, key=key, bind="query-params"
    )
