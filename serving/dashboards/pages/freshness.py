"""Freshness: up to when each source is complete, which days have gaps, and what was built and published.

Reads: gold.complete_through, completeness_ledger; ops.builds, ops.publishes.
"""

from __future__ import annotations

import streamlit as st

from serving.dashboards import charts, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.filters import Period
from serving.dashboards.formats import Measure, columns_of
from serving.dashboards.page import Page

_through = columns_of("complete_through")
_ledger = columns_of("completeness_ledger")
SOURCE, STREAM = (
    _through("source", "Source", formats.TEXT),
    _through("stream", "Stream", formats.TEXT),
)


def draw(context: Context) -> None:
    """Streams, their gaps, their rows by day, and the newest builds."""
    with filters.bar():
        period = filters.period(context, default="90 days")
    streams = context.ask(
        "select * from gold.complete_through order by complete_through nulls first, source, stream"
    )
    parts.listing(
        context, "Complete through", streams,
        [SOURCE, STREAM, _through("complete_through", "Complete through", formats.INSTANT)],
        note="Instants in UTC, the oldest first: numbers after them are partial",
    )  # fmt: skip
    _gaps(context, period)
    _rows(context, period)
    _builds(context)


def _gaps(context: Context, period: Period) -> None:
    gaps = context.ask(
        "select * from gold.completeness_ledger where is_gap and date_day between ? and ? "
        "order by date_day desc, source",
        period.start, period.until,
    )  # fmt: skip
    parts.listing(
        context, "Days with gaps", gaps,
        [
            _ledger("date_day", "Day", formats.DAY), _ledger("source", "Source", formats.TEXT),
            _ledger("stream", "Stream", formats.TEXT), _ledger("state", "State", formats.TEXT),
        ],
        empty="No day of this period has a gap.",
    )  # fmt: skip


def _rows(context: Context, period: Period) -> None:
    known = context.values(
        "select source || '.' || stream from gold.completeness_ledger where row_count is not null "
        "group by all order by all"
    )
    if not known:
        return
    with filters.bar():
        chosen = st.selectbox("Stream", known, key="stream", bind="query-params", width=280)
    day, rows = (
        _ledger("date_day", "Day", formats.DAY),
        _ledger("row_count", "Rows", is_good_up=None),
    )
    days = context.ask(
        "select *, state = 'complete' as is_complete from gold.completeness_ledger "
        "where source || '.' || stream = ? and date_day between ? and ? order by date_day",
        chosen, period.start, period.until,
    )  # fmt: skip
    parts.panel(
        context, "Rows by day", days, [day, rows, _ledger("state", "State", formats.TEXT)],
        lambda data: charts.lines(data, day, [rows], scale="zero"),
    )  # fmt: skip


def _builds(context: Context) -> None:
    builds = context.ask("select * from ops.builds order by ordinal desc limit 50")
    parts.listing(
        context, "Builds", builds,
        [
            Measure("layer", "Layer", formats.TEXT), Measure("finished_at", "As of", formats.INSTANT),
            Measure("is_full_refresh", "Full refresh", formats.YES), Measure("ran_at", "Ran at", formats.INSTANT),
        ],
        note="The newest first, of the version shown",
    )  # fmt: skip


PAGE = Page(
    title="Freshness",
    about="Up to when each source is complete, and which days have gaps.",
    section="Data",
    position=1,
    icon=":material/schedule:",
    url="freshness",
    draw=draw,
)
