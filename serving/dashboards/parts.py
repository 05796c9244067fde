"""What pages are put together from: cards of numbers, panels of a chart with its data, listings with links.

Every number that a part shows has its definition and its data one click away, as text and as a CSV file.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st
from altair.utils.schemapi import debug_mode

from serving.dashboards import charts, formats
from serving.dashboards.context import Context
from serving.dashboards.filters import Period
from serving.dashboards.formats import Measure
from serving.sql import Table, to_csv
from warehouse.errors import WarehouseError

STYLE = Path(__file__).with_name("style.css")
# Streamlit's own leaves a gap below charts.
_PADDING = {"left": 0, "right": 8, "top": 6, "bottom": 0}
# Rows of a table that are shown at once.
ROWS = 15
# Text of more letters than this may be broken into lines.
LONG_TEXT = 24
_MARKDOWN = re.compile(r"([\\`*_{}\[\]()<>#+\-!|$:~])")


def style() -> None:
    """The rules that all pages share."""
    st.html(STYLE)


def standing(context: Context) -> None:
    """How far the data go, and which version this is."""
    through = formats.DAY.text(context.complete_through)
    zone = context.settings.reporting_timezone
    st.caption(f"Complete through **{through}** (days of {zone}) · version `{context.version}`")


def failure(error: WarehouseError) -> None:
    """What went wrong, and what to do about it, as the command line says it."""
    hint = f"\n\n{plain(error.hint)}" if error.hint else ""
    st.error(f"{plain(error.message)}{hint}", icon=":material/error:")


def plain(text: str) -> str:
    """Text as it is, where Streamlit reads Markdown: a name from outside brings no link and no picture."""
    return _MARKDOWN.sub(r"\\\1", text)


def nothing(text: str) -> None:
    """Say that there is nothing to show, and why."""
    st.info(plain(text), icon=":material/info:")


def cards(
    context: Context,
    title: str,
    measures: Sequence[Measure],
    now: Mapping[str, Any],
    before: Mapping[str, Any],
    against: str,
) -> None:
    """A row of numbers, each with its difference from the period before.

    Args:
        context: The page's.
        title: Names the row.
        measures: What is shown, in order.
        now: Column → value; empty where there is none.
        before: The same of the period before.
        against: What the difference is from, such as "30 days before"; empty where there is nothing earlier.
    """
    st.subheader(plain(title), anchor=False)
    st.caption(f"Change since {against}" if against else "Nothing earlier to compare with")
    with st.container(key=f"cards_{_slug(title)}"):
        for measure in measures:
            value, earlier = now.get(measure.key), before.get(measure.key)
            change = measure.form.change(value, earlier)
            # what is rounded away is no change
            is_other = change is not None and re.search("[1-9]", change) is not None
            st.metric(
                measure.label,
                measure.form.text(value),
                change,
                delta_color=_delta_color(measure) if is_other else "off",
                delta_arrow="auto" if is_other else "off",
                help=plain(context.definition(measure.source)) or None,
                border=True,
            )
    columns = {"now": ("Now", now), "before": (against, before)}
    _behind_values(context, title, measures, columns)


def last_two_months(
    context: Context, select: str, period: Period, month: str, is_complete: str, *parameters: Any
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The newest month of the period that is over and of which all is there, and the one before; empty where none is.

    Args:
        context: The page's.
        select: A select without `where`, with a row a month.
        period: What the reader looks at.
        month: Its column with the month's first day.
        is_complete: Its column that says whether the month is over.
        parameters: Values for `?` in `select`.
    """
    found = context.table(
        f"{select} where {is_complete} and {month} <= ? and last_day({month}) <= ? order by {month} desc limit 2",
        *parameters,
        period.end,
        context.complete_through,
    )
    rows = [dict(zip(found.columns, row, strict=True)) for row in found.rows]
    now, before, *_ = [*rows, {}, {}]
    return now, before


def month_cards(
    context: Context, measures: Sequence[Measure], now: Mapping[str, Any], before: Mapping[str, Any]
) -> None:
    """Cards of a month that is over, against the month before."""
    if not now:
        nothing("No month of this choice is over yet.")
        return
    title = f"In {formats.MONTH.text(now['month_start_on'])}"
    cards(context, title, measures, now, before, formats.MONTH.text(before.get("month_start_on")))


def of_everybody(what: str) -> None:
    """Say that what follows knows no dimension."""
    st.caption(f"{what} are of all customers: they have no dimensions.")


def _delta_color(measure: Measure) -> Any:
    return {True: "normal", False: "inverse", None: "off"}[measure.is_good_up]


def panel(
    context: Context,
    title: str,
    data: pd.DataFrame,
    measures: Sequence[Measure],
    drawn: Callable[[pd.DataFrame], alt.TopLevelMixin],
    note: str = "",
    defined: Sequence[Measure] | None = None,
) -> None:
    """A frame around a chart: its title above, its definitions and data behind a button below.

    Args:
        context: The page's.
        title: What the chart shows.
        data: What the chart is made of.
        measures: Columns of `data`, in order: those of the table and of the file, and what is defined.
        drawn: Makes the chart of the data; not called where there are none.
        note: How to read it, if that isn't obvious.
        defined: What is defined, where it isn't the columns (rows of a waterfall).
    """
    with st.container(border=True, key=f"panel_{_slug(title)}", height="stretch"):
        st.subheader(plain(title), anchor=False)
        is_partial = "is_complete" in data and not data["is_complete"].astype(bool).all()
        notes = [note, f"dashed, hollow or pale: {charts.PARTIAL}" if is_partial else ""]
        said = "; ".join(filter(None, notes))
        if said:
            st.caption(plain(said[0].upper() + said[1:]))
        if data.empty:
            nothing("Nothing yet for this choice.")
            return
        _require(data, measures)
        # our charts are tested; checking each piece of each against its schema takes half of a page's time
        with debug_mode(arg=False):
            chart = drawn(data).properties(padding=_PADDING)
        st.altair_chart(chart, width="stretch", alt=f"Chart: {title}. Its data stand below.")
        _behind(context, title, data, measures, measures if defined is None else defined)


def listing(
    context: Context,
    title: str,
    data: pd.DataFrame,
    measures: Sequence[Measure],
    note: str = "",
    empty: str = "Nothing to list for this choice.",
) -> None:
    """A table in a frame: its first rows, more on demand, and all of them as a file.

    Args:
        context: The page's.
        title: What its rows are.
        data: The rows, the most important first.
        measures: Columns of `data`, in order.
        note: How to read it.
        empty: Said where there are no rows.
    """
    with st.container(border=True, key=f"listing_{_slug(title)}", height="stretch"):
        st.subheader(plain(title), anchor=False)
        if note:
            st.caption(plain(note))
        if data.empty:
            nothing(empty)
            return
        _require(data, measures)
        shown = data
        if len(data) > ROWS:
            pages = -(-len(data) // ROWS)
            page = st.session_state.get(f"at_{_slug(title)}", 1)
            page = min(page, pages)
            shown = data.iloc[(page - 1) * ROWS : page * ROWS]
        st.html(_table(shown, measures))
        if len(data) > ROWS:
            with st.container(horizontal=True, vertical_alignment="center"):
                st.pagination(pages, key=f"at_{_slug(title)}")
                st.caption(f"{len(data):,} rows")
        _behind(context, title, data, measures, measures, is_shown=True)


def facts(
    context: Context, title: str, measures: Sequence[Measure], values: Mapping[str, Any]
) -> None:
    """What is known of one thing, as names and values."""
    with st.container(border=True, key=f"facts_{_slug(title)}"):
        st.subheader(plain(title), anchor=False)
        said = "".join(
            f"<div><dt>{html.escape(m.label)}</dt><dd>{html.escape(m.form.text(values.get(m.key)))}</dd></div>"
            for m in measures
        )
        st.html(f"<dl class='facts'>{said}</dl>")
        _behind_values(context, title, measures, {"value": ("Value", values)}, is_shown=True)


def cells() -> Iterator[Any]:
    """Places for panels, two in a row and equally high; on a phone they stand below each other."""
    while True:
        yield from st.columns(2, gap="medium")


def _behind(
    context: Context,
    title: str,
    data: pd.DataFrame,
    measures: Sequence[Measure],
    defined: Sequence[Measure],
    *,
    is_shown: bool = False,
    file: Sequence[Measure] | None = None,
) -> None:
    """The buttons below a part: what its numbers mean, where they come from, and its data, to see and as a file."""
    slug = _slug(title)
    with st.container(horizontal=True, gap="small"):
        opened = st.popover(
            "Definitions" if is_shown else "Definitions and data",
            type="tertiary", icon=":material/info:", key=f"about_{slug}", on_change="rerun",
        )  # fmt: skip
        st.download_button(
            "CSV", lambda: _csv(data, file or measures), file_name=f"{slug}-{context.version}.csv", mime="text/csv",
            type="tertiary", icon=":material/download:", key=f"csv_{slug}", on_click="ignore",
            help=plain(f"Download: {title}"),
        )  # fmt: skip
    if opened.open:
        with opened:
            st.html(_definitions(context, defined))
            if not is_shown:
                st.html(_table(data, measures))


def _behind_values(
    context: Context,
    title: str,
    measures: Sequence[Measure],
    columns: Mapping[str, tuple[str, Mapping[str, Any]]],
    *,
    is_shown: bool = False,
) -> None:
    """The same where measures are rows: as people read them to see, with all their digits as a file."""
    rows = [
        {"measure": measure.label}
        | {key: measure.form.text(values.get(measure.key)) for key, (_, values) in columns.items()}
        | {f"{key}_exact": values.get(measure.key) for key, (_, values) in columns.items()}
        for measure in measures
    ]
    name = Measure("measure", "Measure", formats.TEXT)
    shown = [name, *(Measure(key, label, formats.TEXT) for key, (label, _) in columns.items())]
    file = [name, *(Measure(f"{key}_exact", label) for key, (label, _) in columns.items())]
    # as objects: a column of rates and counts keeps each as it is
    data = pd.DataFrame(rows, dtype=object)
    _behind(context, title, data, shown, measures, is_shown=is_shown, file=file)


def _require(data: pd.DataFrame, measures: Iterable[Measure]) -> None:
    """Refuse an answer without a column that is to be shown: an edition from before the column was."""
    missing = [measure.key for measure in measures if measure.key not in data]
    if missing:
        raise WarehouseError(
            f"the version shown has no {', '.join(missing)}", "publish again: `warehouse run`"
        )


def _definitions(context: Context, measures: Iterable[Measure]) -> str:
    said = [
        f"<dt>{html.escape(measure.label)}</dt><dd>{html.escape(context.definition(measure.source))}"
        f"<br><code>gold.{html.escape(measure.source)}</code></dd>"
        for measure in measures
        if measure.source
    ]
    return f"<dl class='definitions'>{''.join(said)}</dl>"


def _table(data: pd.DataFrame, measures: Sequence[Measure]) -> str:
    """Rows as a table of the page itself: its links take the keyboard, and it can be read aloud."""
    rows = data.to_dict("records")
    columns = [_column(rows, measure) for measure in measures]
    heads = "".join(
        f"<th scope='col' class='{kind}'>{html.escape(measure.label)}</th>"
        for measure, (kind, _) in zip(measures, columns, strict=True)
    )
    lines = zip(
        *([f"<td class='{kind}'>{cell}</td>" for cell in cells] for kind, cells in columns),
        strict=True,
    )
    body = "".join(f"<tr>{''.join(line)}</tr>" for line in lines)
    table = f"<table><thead><tr>{heads}</tr></thead><tbody>{body}</tbody></table>"
    # what is wider than a phone scrolls by itself, by the keyboard too
    return f"<div class='listing' tabindex='0'>{table}</div>"


def _column(rows: Sequence[Mapping[str, Any]], measure: Measure) -> tuple[str, list[str]]:
    """How a column is laid out (number, short or long text), and its cells."""
    texts = [measure.form.text(row[measure.key]) for row in rows]
    is_long = max(map(len, texts), default=0) > LONG_TEXT
    kind = "number" if measure.form.is_number else "long" if is_long else "short"
    cells = [html.escape(text) for text in texts]
    if measure.address:
        cells = [
            f"<a href='{html.escape(row[measure.address])}'>{cell}</a>"
            for row, cell in zip(rows, cells, strict=True)
        ]
    return kind, cells


def _csv(data: pd.DataFrame, measures: Sequence[Measure]) -> str:
    """The columns shown, with all their digits; no cell acts as a formula in a spreadsheet."""
    columns = [measure.key for measure in measures]
    rows = [
        tuple(None if formats.is_missing(value) else _exact(value) for value in row)
        for row in data[columns].itertuples(index=False)
    ]
    return to_csv(Table([measure.label or measure.key for measure in measures], rows))


def _exact(value: Any) -> Any:
    """Days as days: pandas keeps them as midnights."""
    if isinstance(value, pd.Timestamp):
        return value.date() if value == value.normalize() else value.to_pydatetime()
    return value


def _slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")
