"""SQL: ask anything of the published edition, see the answer as a table and a chart, keep the question.

Questions are answered in a process of their own (`serving.reader`), within limits that the page tells.

Reads: the newest edition; saved questions. Writes: `<home>/questions/<name>.sql`.
"""

from __future__ import annotations

import html
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import streamlit as st

from serving import catalog, questions, reader
from serving.dashboards import filters, formats, free_chart, parts
from serving.dashboards.context import Context
from serving.dashboards.page import Page
from serving.questions import Chart, Question
from serving.sql import EDITIONS, Table, to_csv, to_parquet, told_apart
from warehouse.errors import CallError, WarehouseError

ROWS = 10_000
# Queries at a time, of everybody who has the page open.
TURNS = 2
_NEW = ""
_STATE = "sql_answer"


@dataclass(frozen=True)
class Answer:
    """What was asked last, and what came back."""

    sql: str
    edition: str
    version: str
    table: Table
    seconds: float


def draw(context: Context) -> None:
    """The question, its answer, and what can be asked."""
    known = {question.name: question for question in questions.all_questions(context.settings)}
    with filters.bar():
        name = st.selectbox(
            "Saved question", [_NEW, *known], key="question", bind="query-params", width=340,
            format_func=lambda name: known[name].title if name else "A new one",
        )  # fmt: skip
        edition = filters.choice("Edition", EDITIONS, key="edition")
    saved = known.get(name)
    is_opened = st.session_state.get("sql_opened", _NEW) != name
    if is_opened:
        st.session_state["sql_opened"] = name
        st.session_state["sql_text"] = saved.sql if saved else ""
        st.session_state.pop(_STATE, None)
    if saved and saved.description:
        st.caption(saved.description)
    _browser(context, edition)
    with st.form("sql_form", border=False):
        text = st.text_area(
            "SQL", key="sql_text", height=240, placeholder="select * from gold.kpi_daily order by day desc limit 30",
        )  # fmt: skip
        is_asked = st.form_submit_button(
            "Run", type="primary", icon=":material/play_arrow:", help="Ctrl+Enter"
        )
    settings = context.settings
    st.caption(
        f"One select, read-only, at most {settings.sql_seconds:g} s, {settings.sql_memory_limit} of memory "
        f"and {ROWS:,} rows. Schemas `gold` and `ops`."
    )
    if (is_asked or (is_opened and saved)) and text:
        st.session_state.pop(_STATE, None)
        st.session_state.pop("sql_page", None)
        try:
            st.session_state[_STATE] = _ask(context, text, edition)
        except WarehouseError as error:
            parts.failure(error)
    answer: Answer | None = st.session_state.get(_STATE)
    if answer is not None:
        _show(answer, saved)
        _keep(context, answer, saved)


def _ask(context: Context, text: str, edition: str) -> Answer:
    settings = context.settings
    turns = _turns()
    with st.spinner(f"Running, at most {settings.sql_seconds:g} s"):
        if not turns.acquire(timeout=settings.sql_seconds):
            raise WarehouseError(f"{TURNS} other queries are running", "try again in a minute")
        try:
            begun = time.monotonic()
            version, table = reader.on_newest(
                settings, edition, lambda it: (it.path.parent.name, it.ask(text, limit=ROWS))
            )
        finally:
            turns.release()
    table = replace(table, columns=told_apart(table.columns))
    return Answer(text, edition, version, table, time.monotonic() - begun)


@st.cache_resource
def _turns() -> threading.BoundedSemaphore:
    return threading.BoundedSemaphore(TURNS)


def _show(answer: Answer, saved: Question | None) -> None:
    """The answer in a frame: as a table or a chart, and as files."""
    table = answer.table
    spec = saved.chart if saved and saved.sql == answer.sql else None
    suggested = spec or free_chart.suggest(table)
    can_be_drawn = bool(table.rows) and suggested is not None
    cut = f"the first {len(table.rows):,} rows" if table.is_truncated else _count(len(table.rows))
    with st.container(border=True, key="sql_answer_frame"):
        with st.container(horizontal=True, vertical_alignment="center"):
            view = st.segmented_control(
                "View", ["Table", "Chart"] if can_be_drawn else ["Table"], required=True,
                default="Chart" if can_be_drawn and spec else "Table",
                key=f"view_{hash(answer.sql)}", label_visibility="collapsed",
            )  # fmt: skip
            st.caption(
                f"{cut} · {answer.seconds:.1f} s · version `{answer.version}`, {answer.edition}"
            )
        if not table.rows:
            parts.nothing("The answer has no rows.")
        elif view == "Chart" and suggested:
            st.session_state["sql_chart"] = _chart(table, suggested)
        else:
            _rows(table)
        _files(table, f"{saved.name if saved else 'answer'}-{answer.version}")


def _files(table: Table, name: str) -> None:
    """All rows of the answer, to take along."""
    kinds = (("CSV", "text/csv", to_csv), ("Parquet", "application/vnd.apache.parquet", to_parquet))
    with st.container(horizontal=True, gap="small"):
        for label, mime, made in kinds:
            st.download_button(
                label, lambda made=made: made(table), file_name=f"{name}.{label.lower()}", mime=mime,
                type="tertiary", icon=":material/download:", key=f"sql_{label}", on_click="ignore",
            )  # fmt: skip


def _chart(table: Table, suggested: Chart) -> Chart:
    """Let the reader choose what is drawn, and draw it; returns what was chosen."""
    values = free_chart.numbers(table)
    none = "none"
    key = f"{hash(tuple(table.columns))}"
    with filters.bar():
        kind = st.selectbox(
            "Chart",
            questions.KINDS,
            _place(questions.KINDS, suggested.kind),
            key=f"kind_{key}",
            width=150,
        )
        x = st.selectbox(
            "Along", table.columns, _place(table.columns, suggested.x), key=f"x_{key}", width=150
        )
        y = st.selectbox("Values", values, _place(values, suggested.y), key=f"y_{key}", width=150)
        series = [none, *(column for column in table.columns if column not in (x, y))]
        color = st.selectbox(
            "Series", series, _place(series, suggested.color), key=f"color_{key}", width=150
        )
    chosen = Chart(kind, x, y, None if color == none else color)
    drawing = free_chart.draw(table, chosen)
    if drawing.note:
        st.caption(drawing.note)
    if drawing.legend:
        keys = (
            f"<span><i style='background:{color}'></i>{html.escape(name)}</span>"
            for name, color in drawing.legend.items()
        )
        st.html(f"<div class='legend'>{''.join(keys)}</div>")
    st.altair_chart(
        drawing.chart, width="stretch", alt=f"Chart: {y} along {x}. Its data stand in the table."
    )
    return chosen


def _place(options: Sequence[str], wanted: str | None) -> int:
    return list(options).index(wanted) if wanted in options else 0


def _rows(table: Table) -> None:
    """Rows as a table of the page itself, some at a time."""
    pages = -(-len(table.rows) // parts.ROWS)
    page = min(st.session_state.get("sql_page", 1), pages)
    shown = table.rows[(page - 1) * parts.ROWS : page * parts.ROWS]
    st.html(_table(table.columns, shown, free_chart.numbers(table)))
    if pages > 1:
        st.pagination(pages, key="sql_page")


def _table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], numbers: Sequence[str] = ()
) -> str:
    """A table that takes the keyboard and can be read aloud."""
    marks = [" class='number'" if column in numbers else "" for column in columns]
    heads = "".join(
        f"<th scope='col'{mark}>{html.escape(column)}</th>"
        for column, mark in zip(columns, marks, strict=True)
    )
    lines = (
        "".join(f"<td{mark}>{_cell(value)}</td>" for value, mark in zip(row, marks, strict=True))
        for row in rows
    )
    body = "".join(f"<tr>{line}</tr>" for line in lines)
    return (
        f"<div class='listing' tabindex='0'><table><thead><tr>{heads}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    return formats.NOTHING if value is None else html.escape(str(value)[:500])


def _count(rows: int) -> str:
    return "1 row" if rows == 1 else f"{rows:,} rows"


def _browser(context: Context, edition: str) -> None:
    """Which tables there are, and what their columns mean."""
    with st.expander(
        "Tables and columns", icon=":material/schema:", key="sql_browser", on_change="rerun"
    ) as browser:
        if not browser.open:
            return
        known = {one.full_name: one for one in _relations(context, edition, context.version)}
        chosen = st.selectbox("Table", known, key="sql_table", width=340)
        relation = known[chosen]
        rows = "" if relation.rows is None else f" {relation.rows:,} rows."
        st.caption(f"{relation.comment}{rows}")
        rows = [(column.name, column.type, column.comment) for column in relation.columns]
        st.html(_table(("Column", "Type", "What it means"), rows))


@st.cache_data(max_entries=4, show_spinner=False)
def _relations(
    _context: Context,
    edition: str,
    version: str,  # noqa: ARG001 - part of the cache's key
) -> list[catalog.Relation]:
    return reader.on_newest(_context.settings, edition, lambda it: catalog.relations(it.ask))


def _keep(context: Context, answer: Answer, saved: Question | None) -> None:
    """Save the question as a file, with the chart that was chosen."""
    with st.popover(
        "Save this question",
        type="tertiary",
        icon=":material/save:",
        key="sql_save",
        on_change="rerun",
    ) as box:
        if not box.open:
            return
        with st.form("sql_save_form", border=False):
            title = st.text_input(
                "Title", saved.title if saved and saved.is_own else "", key="sql_title"
            )
            about = st.text_input(
                "What its answer means",
                saved.description if saved and saved.is_own else "",
                key="sql_about",
            )
            if not st.form_submit_button("Save"):
                return
        name = questions.name_of(title)
        try:
            question = Question(name, title, answer.sql, about, st.session_state.get("sql_chart"))
            path = questions.save(
                context.settings,
                question,
                replace=saved is not None and saved.is_own and saved.name == name,
            )
        except CallError as error:
            parts.failure(error)
        else:
            st.success(f"Saved as {path.name}, among the data folder's questions.")


PAGE = Page(
    title="SQL",
    about="Ask anything of the published data, see the answer as a table or a chart, and keep the question.",
    section="Data",
    position=5,
    icon=":material/terminal:",
    url="sql",
    draw=draw,
)
