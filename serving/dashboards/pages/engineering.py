"""Engineering: traffic, errors and response times, of the whole API or of one endpoint.

Reads: gold.kpi_usage_daily, kpi_endpoint_daily.
"""

from __future__ import annotations

import streamlit as st

from serving.dashboards import charts, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.filters import Period
from serving.dashboards.formats import Measure, columns_of
from serving.dashboards.page import Page

WHOLE = "All endpoints"


def draw(context: Context) -> None:
    """Cards of the last day, its course, and the endpoints side by side."""
    known = context.values("select endpoint from gold.dim_endpoints order by endpoint")
    with filters.bar():
        period = filters.period(context, default="90 days")
        endpoint = st.selectbox(
            "Endpoint", [WHOLE, *known], key="endpoint", bind="query-params", width=220
        )
    is_whole = endpoint == WHOLE
    table = "kpi_usage_daily" if is_whole else "kpi_endpoint_daily"
    of = columns_of(table)
    day = of("day", "Day", formats.DAY)
    calls = of("calls", "Calls")
    errors = of("error_rate", "Error rate", formats.PERCENT_FINE, is_good_up=False)
    theirs = of("client_error_calls", "Client errors (4xx)", is_good_up=False)
    ours = of("server_error_calls", "Server errors (5xx)", is_good_up=False)
    limited = of("rate_limited_calls", "Rate limited (429)", is_good_up=False)
    percentiles = [
        of(f"latency_{name}_ms", name, formats.MILLISECONDS, is_good_up=False)
        for name in ("p99", "p95", "p50")
    ]
    select, chosen = f"select * from gold.{table} where true", []
    if not is_whole:
        select, chosen = f"select * from gold.{table} where endpoint = ?", [endpoint]
    parts.cards(
        context, f"On {formats.DAY.text(period.end)}",
        [calls, errors, theirs, ours, limited, *percentiles[::-1], of("compute_units", "Compute units")],
        context.row(f"{select} and day = ?", *chosen, period.end),
        context.row(f"{select} and day = ?", *chosen, period.before),
        formats.DAY.text(period.before),
    )  # fmt: skip
    days = context.course(
        f"{select} and day between ? and ? order by day",
        *chosen,
        period.start,
        period.until,
        source="usage",
    )
    shown: tuple[tuple[str, list[Measure], charts.Start], ...] = (
        ("Calls", [calls], "zero"),
        ("Response time", percentiles, "log"),
        ("Failed calls", [theirs, ours, limited], "zero"),
        ("Error rate", [errors], "zero"),
    )
    cells = parts.cells()
    for title, measures, start in shown:
        with next(cells):
            parts.panel(
                context, title, days, [day, *measures],
                lambda data, measures=measures, start=start: charts.lines(data, day, measures, scale=start),
            )  # fmt: skip
    _endpoints(context, period)


def _endpoints(context: Context, period: Period) -> None:
    of = columns_of("kpi_endpoint_daily")
    day, endpoint = of("day", "Day", formats.DAY), of("endpoint", "Endpoint", formats.TEXT)
    p95 = of("latency_p95_ms", "p95", formats.MILLISECONDS)
    days = context.course(
        "select * from gold.kpi_endpoint_daily where day between ? and ? order by day, endpoint",
        period.start, period.until, source="usage",
    )  # fmt: skip
    parts.panel(
        context, "Response time by endpoint", days, [day, endpoint, p95],
        lambda data: charts.lines_by(data, day, "endpoint", p95, scale="log"),
        note="95th percentile of the day",
    )  # fmt: skip
    rows = context.ask(
        "select * from gold.kpi_endpoint_daily where day = ? order by latency_p95_ms desc",
        period.end,
    )
    parts.listing(
        context, f"Endpoints on {formats.DAY.text(period.end)}", rows,
        [
            of("endpoint", "Endpoint", formats.TEXT), of("calls", "Calls"),
            of("error_rate", "Error rate", formats.PERCENT_FINE),
            of("server_error_calls", "5xx"), of("rate_limited_calls", "429"),
            of("latency_p50_ms", "p50", formats.MILLISECONDS), of("latency_p95_ms", "p95", formats.MILLISECONDS),
            of("latency_p99_ms", "p99", formats.MILLISECONDS), of("latency_max_ms", "Longest", formats.MILLISECONDS),
        ],
        note="The slowest first",
    )  # fmt: skip


PAGE = Page(
    title="Engineering",
    about="Does the API answer, how fast, and where does it fail?",
    section="Teams",
    position=1,
    icon=":material/terminal:",
    url="engineering",
    draw=draw,
)
