"""Data quality: scores by layer, table and dimension, their trend, and what to do about what fails.

Reads: gold.data_quality_daily, data_quality_scores, data_quality_issues.
"""

from __future__ import annotations

import streamlit as st

from quality.expectations import DIMENSIONS
from serving.dashboards import charts, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.filters import Period
from serving.dashboards.formats import Measure, columns_of
from serving.dashboards.page import Page

LAYERS = ("Gold", "Silver", "Bronze", "Raw")
_daily, _score, _issue = (
    columns_of(f"data_quality_{table}") for table in ("daily", "scores", "issues")
)
DAY = _score("date_partition", "Day", formats.DAY)
SCORES = ("overall_score", *DIMENSIONS)


def draw(context: Context) -> None:
    """A layer's newest scores, its trend, its tables, and the issues of all layers."""
    with filters.bar():
        period = filters.period(context, default="90 days")
        layer = filters.choice("Layer", LAYERS, key="layer").lower()
        table = _table(context, layer, period)
    days = context.ask(
        "select * from gold.data_quality_daily where layer = ? and date_partition between ? and ? "
        "order by date_partition",
        layer, period.start, period.until,
    )  # fmt: skip
    if days.empty or table is None:
        parts.nothing("Nothing of this layer was checked in this period.")
    else:
        _cards(context, layer)
        cells = parts.cells()
        with next(cells):
            _trend(context, days)
        with next(cells):
            _of_table(context, table, period)
        _tables(context, layer)
    _issues(context, period)


def _named(of, form: formats.Format = formats.PERCENT) -> list[Measure]:
    return [of(score, score.removesuffix("_score").capitalize(), form) for score in SCORES]


def _cards(context: Context, layer: str) -> None:
    newest = (
        "select * from gold.data_quality_daily where layer = ? order by date_partition desc limit 1"
    )
    now = context.row(newest, layer)
    before = context.row(f"{newest} offset 1", layer)
    measures = [
        *_named(_daily),
        _daily("tables", "Tables checked"),
        _daily("lowered_tables", "Tables lowered", is_good_up=False),
    ]
    against = DAY.form.text(before["date_partition"]) if before else ""
    parts.cards(
        context,
        f"Mean scores, checked on {DAY.form.text(now['date_partition'])}",
        measures,
        now,
        before,
        against,
    )


def _trend(context: Context, days) -> None:
    # a dimension that no table of the layer is checked for has no line
    shown = [measure for measure in _named(_daily) if days[measure.key].notna().any()]
    parts.panel(
        context, "Trend of the layer", days, [DAY, *shown],
        lambda data: charts.lines(data, DAY, shown),
        note="Mean over the layer's tables, by day of the checks",
    )  # fmt: skip


def _table(context: Context, layer: str, period: Period) -> str | None:
    """Let the reader choose a table of the layer; the lowest first."""
    tables = context.values(
        "select table_name from gold.data_quality_scores where starts_with(table_name, ?) "
        "and date_partition between ? and ? group by table_name order by min(overall_score), table_name",
        layer, period.start, period.until,
    )  # fmt: skip
    return (
        st.selectbox("Table", tables, key="table", bind="query-params", width=300)
        if tables
        else None
    )


def _of_table(context: Context, table: str, period: Period) -> None:
    days = context.ask(
        "select * from gold.data_quality_scores where table_name = ? and date_partition between ? and ? "
        "order by date_partition",
        table, period.start, period.until,
    )  # fmt: skip
    shown = [measure for measure in _named(_score) if days[measure.key].notna().any()]
    parts.panel(
        context, "Trend of a table", days, [DAY, *shown],
        lambda data: charts.lines(data, DAY, shown),
        note=f"Of {table}",
    )  # fmt: skip


def _tables(context: Context, layer: str) -> None:
    tables = context.ask(
        "select * from gold.data_quality_scores where starts_with(table_name, ?) and date_partition = "
        "(select max(date_partition) from gold.data_quality_daily where layer = ?) "
        "order by overall_score, table_name",
        layer, layer,
    )  # fmt: skip
    parts.listing(
        context, "Tables", tables,
        [
            _score("table_name", "Table", formats.TEXT), *_named(_score),
            _score("check_count", "Checks"), _score("failed_count", "Failed", is_good_up=False),
        ],
        note="The lowest first, on the newest day; a dash: no check of that dimension",
    )  # fmt: skip


def _issues(context: Context, period: Period) -> None:
    columns = [
        _issue("table_name", "Table", formats.TEXT), _issue("expectation", "What should hold", formats.TEXT),
        _issue("detail", "What was found", formats.TEXT), _issue("first_seen_at", "Since", formats.DAY),
    ]  # fmt: skip
    parts.listing(
        context, "Open issues",
        context.ask(
            "select * from gold.data_quality_issues where is_open order by severity, first_seen_at, table_name"
        ),
        [
            *columns, _issue("recommendation", "What to do", formats.TEXT),
            _issue("severity", "Severity", formats.TEXT),
        ],
        note="Of all layers; an error blocks the publish, a warning is shown", empty="No check fails.",
    )  # fmt: skip
    parts.listing(
        context, "Issues that were mended",
        context.ask(
            "select * from gold.data_quality_issues where not is_open and cast(resolved_at as date) between ? and ? "
            "order by resolved_at desc, table_name",
            period.start, period.until,
        ),
        [*columns, _issue("resolved_at", "Mended", formats.DAY)],
        note="In this period", empty="None was mended in this period.",
    )  # fmt: skip


PAGE = Page(
    title="Data quality",
    about="How good the data are, table by table, and what to do where they are not.",
    section="Data",
    position=2,
    icon=":material/verified:",
    url="data-quality",
    draw=draw,
)
