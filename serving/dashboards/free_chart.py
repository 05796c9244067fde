"""A chart of any answer: its reader says what stands on which axis, in the style of the other charts."""

from __future__ import annotations

import re
from dataclasses import dataclass

import altair as alt
import pandas as pd

from serving.dashboards import charts, formats
from serving.dashboards.edition import to_frame
from serving.questions import Chart
from serving.sql import Table

# As many series as there are colours that can be told apart.
SERIES = 8
# Points that a browser draws at once, and bars beside each other.
POINTS, BARS = 5000, 40
# So few points of lines can be marked without hiding them.
POINTS_MARKED = 60
_NUMBER = re.compile(r"U?(TINY|SMALL|BIG|HUGE)?INT(EGER)?|DECIMAL\(.*\)|DOUBLE|FLOAT")
_TIME = re.compile(r"DATE|TIMESTAMP.*")


@dataclass(frozen=True)
class Drawing:
    """A chart.

    Attributes:
        chart: For Streamlit.
        legend: Series and their colours; none where there is one alone. Beside the chart it wraps on a phone.
        note: What is left out, in words; empty where nothing.
    """

    chart: alt.TopLevelMixin
    legend: dict[str, str]
    note: str


def numbers(answer: Table) -> list[str]:
    """Columns that can be drawn as values."""
    return _of_kind(answer, _NUMBER)


def suggest(answer: Table) -> Chart | None:
    """The chart that an answer suggests: its first number over its first time or text; None without a number."""
    values, times = numbers(answer), _of_kind(answer, _TIME)
    others = [column for column in answer.columns if column not in values and column not in times]
    if not values or len(answer.columns) < 2:
        return None
    x = (times or others or values)[0]
    rest = [column for column in values if column != x]
    if not rest:
        return None
    color = others[0] if times and others and _repeats(answer, x) else None
    return Chart("line" if times else "bar" if others else "point", x, rest[0], color)


def draw(answer: Table, spec: Chart) -> Drawing:
    """Draw an answer.

    Args:
        answer: Its columns' names are told apart.
        spec: What stands where; each is a column of the answer, `y` one of `numbers`.
    """
    data, notes = _data(answer, spec), []
    if spec.color:
        largest = data.groupby("color")["y"].sum().nlargest(SERIES).index
        if (count := data["color"].nunique()) > SERIES:
            notes.append(f"the {SERIES} largest of {count} series")
        data = data[data["color"].isin(largest)]
    is_text = not pd.api.types.is_datetime64_any_dtype(data["x"]) and spec.x not in numbers(answer)
    most = BARS if spec.kind == "bar" and is_text else POINTS
    kept = list(dict.fromkeys(data["x"]))[:most] if is_text else None
    if kept is not None and data["x"].nunique() > most:
        notes.append(f"the first {most} of {data['x'].nunique()} values of {spec.x}")
        data = data[data["x"].isin(kept)]
    if len(data) > POINTS:
        notes.append(f"the first {POINTS:,} of {len(data):,} rows")
        data = data.head(POINTS)
    series = sorted(data["color"].unique()) if spec.color else []
    legend = dict(zip(series, charts.palette().series, strict=False))
    note = f"Drawn: {', '.join(notes)}" if notes else ""
    return Drawing(_chart(data, spec, legend, is_text=is_text), legend, note)


def _data(answer: Table, spec: Chart) -> pd.DataFrame:
    """Columns x, y and, where there are series, color."""
    frame = to_frame(answer)
    data = pd.DataFrame({"x": frame[spec.x], "y": pd.to_numeric(frame[spec.y])})
    if spec.color:
        data["color"] = [
            formats.NOTHING if formats.is_missing(v) else str(v) for v in frame[spec.color]
        ]
    data = data.dropna(subset=["x", "y"])
    if spec.kind in ("bar", "area"):
        # what has one name is one bar: pieces upon each other would look like series
        data = data.groupby(
            [c for c in ("x", "color") if c in data], sort=False, as_index=False
        ).sum()
    return data


def _chart(data: pd.DataFrame, spec: Chart, legend: dict[str, str], *, is_text: bool) -> alt.Chart:
    is_lying = is_text and spec.kind == "bar"
    values = {"title": spec.y, "axis": _numbers_axis(grid=True)}
    if is_lying:
        # names stand beside their bars, where they can be read
        names = alt.Axis(labelLimit=170, ticks=False, domain=False)
        encoding = {
            "y": alt.Y("x:N", title=None, sort=None, axis=names),
            "x": alt.X("y:Q", **values),
        }
    else:
        encoding = {"x": _along(data, spec, is_text=is_text), "y": alt.Y("y:Q", **values)}
    encoding["color"] = alt.value(charts.palette().series[0])
    if legend:
        scale = alt.Scale(domain=list(legend), range=list(legend.values()))
        encoding["color"] = alt.Color("color:N", scale=scale, legend=None)
    titles = {"x": spec.x, "y": spec.y, **({"color": spec.color} if spec.color else {})}
    encoding["tooltip"] = [alt.Tooltip(column, title=title) for column, title in titles.items()]
    height = max(90, 26 * data["x"].nunique() + 40) if is_lying else charts.HEIGHT + 40
    return (
        _marked(alt.Chart(data), spec.kind, len(data)).encode(**encoding).properties(height=height)
    )


def _along(data: pd.DataFrame, spec: Chart, *, is_text: bool) -> alt.X:
    """The axis below: of texts, times or numbers."""
    if is_text:
        axis = alt.Axis(labelLimit=140, labelAngle=-30, ticks=False)
        return alt.X("x:N", title=None, sort=None, axis=axis)
    if pd.api.types.is_datetime64_any_dtype(data["x"]):
        axis = alt.Axis(labelAngle=0, tickCount=6, labelOverlap=True, grid=False)
        return alt.X("x:T", title=None, axis=axis, scale=alt.Scale(type="utc"))
    return alt.X("x:Q", title=spec.x, axis=_numbers_axis(grid=False), scale=alt.Scale(zero=False))


def _numbers_axis(*, grid: bool) -> alt.Axis:
    return alt.Axis(
        labelExpr=formats.COUNT.axis,
        tickCount=5,
        domain=False,
        ticks=False,
        grid=grid,
        labelOverlap=True,
    )


def _marked(base: alt.Chart, kind: str, points: int) -> alt.Chart:
    if kind == "line":
        return base.mark_line(strokeWidth=2, point=points <= POINTS_MARKED)
    if kind == "area":
        return base.mark_area(opacity=0.85)
    if kind == "bar":
        return base.mark_bar(cornerRadiusEnd=2)
    return base.mark_circle(size=55, opacity=0.75)


def _of_kind(answer: Table, kind: re.Pattern[str]) -> list[str]:
    pairs = zip(answer.columns, answer.types, strict=True)
    return [column for column, of_column in pairs if kind.fullmatch(of_column)]


def _repeats(answer: Table, column: str) -> bool:
    values = [row[answer.columns.index(column)] for row in answer.rows]
    return len(set(values)) < len(values)
