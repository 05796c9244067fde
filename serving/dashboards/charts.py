"""Charts in one style: lines, bars, a waterfall, a heat map, a fan of forecasts; all of them fit a phone.

What isn't complete yet is drawn as such: lines go on dashed to a hollow point, bars are hollow with a dashed edge,
areas pale. Days are drawn as calendar days whatever the reader's time zone. A chart takes the frame of an answer and
the measures to draw.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, Literal

import altair as alt
import pandas as pd

from serving.dashboards.formats import Format, Measure

HEIGHT = 260
# Where an axis of lines begins.
Start = Literal["near", "zero", "log"]
PARTIAL = "not complete yet"
_DASHES = [4, 3]
# Text on cells of a heat map.
_LIGHT_TEXT, _DARK_TEXT = "#ffffff", "#10151d"
# Vega's own signal: the width of the chart that is drawn.
_IS_WIDE = "width > 480"
# Ticks of an axis in log: 1, 3, 10, 30, …
_DECADES = [first * 10**power for power in range(7) for first in (1, 3)]


@dataclass(frozen=True)
class Palette:
    """Colours of one background.

    Attributes:
        series: Of series, in order; told apart by the colour-blind too.
        good: Gains.
        bad: Losses.
        fair: A little less than good.
        warn: A little less than bad.
        neutral: What is neither.
        ink: Text and rules.
        scale: From little to much.
    """

    series: tuple[str, ...]
    good: str
    bad: str
    fair: str
    warn: str
    neutral: str
    ink: str
    scale: tuple[str, ...]


_LIGHT = Palette(
    series=("#1f5fbf", "#d9730d", "#0f8a6c", "#8e4ec6", "#c2255c", "#5c6b7d", "#b08900", "#2aa3c9"),
    good="#0f8a6c", bad="#c9372c", fair="#7cc4ad", warn="#e0a100", neutral="#5c6b7d", ink="#1b2430",
    scale=("#eef4fc", "#a9c8f0", "#5a93de", "#1f5fbf", "#123d80"),
)  # fmt: skip
_DARK = Palette(
    series=("#6ea8ff", "#ff9f4a", "#3ecfa6", "#c69bf2", "#ff7aa8", "#9aa9bd", "#e3c04a", "#6fd3ee"),
    good="#2fb48f", bad="#ff7b6e", fair="#8fdcc4", warn="#e3b341", neutral="#9aa9bd", ink="#e6ebf2",
    scale=("#16263d", "#1f4479", "#2f68b8", "#6ea8ff", "#c5dcff"),
)  # fmt: skip

# Series that mean something good or bad look like it on every page.
TONES = {
    "Excellent": "good", "Good": "fair", "At Risk": "warn", "Critical": "bad", "Not scored": "neutral",
    "Low": "fair", "Medium": "warn", "High": "bad",
    "Expansion": "good", "Reactivation": "fair", "Contraction": "warn", "Churn": "bad",
}  # fmt: skip


_is_paper: ContextVar[bool] = ContextVar("is_paper", default=False)


@contextmanager
def on_paper() -> Iterator[None]:
    """Charts drawn in the block are for paper, whatever a browser would like; reports need no Streamlit."""
    token = _is_paper.set(True)
    try:
        yield
    finally:
        _is_paper.reset(token)


def palette() -> Palette:
    """The colours for the reader's background."""
    if _is_paper.get():
        return _LIGHT
    import streamlit as st

    return _DARK if st.context.theme.type == "dark" else _LIGHT


def lines(
    data: pd.DataFrame, x: Measure, measures: Sequence[Measure], *, scale: Start = "near"
) -> alt.LayerChart:
    """Lines over days or months, one a measure.

    Args:
        data: A row a day or month, with `x`, the measures, and `is_complete` where a row may not be over.
        x: The day or month.
        measures: What is drawn; all of one form.
        scale: Where the axis begins: near the values, or at zero; log for values of very different size.
    """
    return _lines(_long(data, x, measures), measures[0].form, [m.label for m in measures], scale)


def lines_by(
    data: pd.DataFrame,
    x: Measure,
    series: str,
    measure: Measure,
    *,
    order: Sequence[str] = (),
    scale: Start = "near",
) -> alt.LayerChart:
    """Lines over days or months, one for each value of the column `series`."""
    names = [name for name in order if name in set(data[series])] or sorted(data[series].unique())
    long = _long(data, x, [measure])
    long["series"] = data[series].to_numpy()
    return _lines(long, measure.form, names, scale)


def _lines(long: pd.DataFrame, form: Format, names: Sequence[str], start: Start) -> alt.LayerChart:
    color = _by_series(names)
    scale, axis = alt.Scale(zero=start == "zero"), _axis(form)
    if start == "log":
        scale, axis.values = alt.Scale(type="log", nice=False), _DECADES
    y = alt.Y("value:Q", axis=axis, scale=scale, title=None)
    base = alt.Chart(long).encode(x=_when(long), y=y, color=color, tooltip=_tooltip(len(names) > 1))
    # one point makes no line; more are there to be pointed at
    is_seen = long.groupby("series").size().max() == 1
    layers = [
        base.mark_line(strokeWidth=2).transform_filter("datum.is_complete"),
        base.mark_point(size=60, opacity=int(is_seen), filled=True),
    ]
    if not long["is_complete"].all():
        layers += [
            base.mark_line(strokeWidth=2, strokeDash=_DASHES).transform_filter("datum.is_tail"),
            base.mark_point(size=45, filled=False, strokeWidth=1.5).transform_filter(
                "!datum.is_complete"
            ),
        ]
    return alt.layer(*layers).properties(height=HEIGHT)


def bars(data: pd.DataFrame, x: Measure, measures: Sequence[Measure]) -> alt.Chart:
    """Bars over months or weeks, stacked where there are several measures; what isn't over is hollow."""
    long = _long(data, x, measures)
    return _bars(long, measures[0].form, [m.label for m in measures])


def bars_by(
    data: pd.DataFrame, x: Measure, series: str, measure: Measure, *, order: Sequence[str] = ()
) -> alt.Chart:
    """Bars over months or weeks, stacked by the column `series`."""
    names = [name for name in order if name in set(data[series])] or sorted(data[series].unique())
    long = _long(data, x, [measure])
    long["series"] = data[series].to_numpy()
    return _bars(long, measure.form, names)


def _bars(long: pd.DataFrame, form: Format, names: Sequence[str]) -> alt.Chart:
    place = {name: number for number, name in enumerate(names)}
    long["place"] = long["series"].map(place)
    hollow = alt.condition("datum.is_complete", alt.value(1), alt.value(0.18))
    return (
        alt.Chart(long)
        .mark_bar(strokeWidth=1.2, cornerRadiusTopLeft=2, cornerRadiusTopRight=2)
        .encode(
            x=alt.X("when_text:O", sort=None, title=None, axis=_steps()),
            y=alt.Y("value:Q", axis=_axis(form), title=None, stack="zero"),
            color=_by_series(names),
            order=alt.Order("place:Q"),
            fillOpacity=hollow,
            stroke=_by_series(names, alt.Stroke),
            strokeDash=alt.condition("datum.is_complete", alt.value([1, 0]), alt.value(_DASHES)),
            tooltip=_tooltip(len(names) > 1),
        )
        .properties(height=HEIGHT)
    )


def areas_by(
    data: pd.DataFrame, x: Measure, series: str, measure: Measure, *, order: Sequence[str]
) -> alt.Chart:
    """Areas over days, stacked by the column `series`, the first name of `order` at the bottom."""
    names = [name for name in order if name in set(data[series])]
    long = _long(data, x, [measure])
    long["series"] = data[series].to_numpy()
    long["place"] = long["series"].map({name: number for number, name in enumerate(names)})
    return (
        alt.Chart(long)
        .mark_area()
        .encode(
            x=_when(long),
            y=alt.Y("value:Q", axis=_axis(measure.form), title=None, stack="zero"),
            opacity=alt.Opacity(
                "is_complete:N",
                legend=None,
                scale=alt.Scale(domain=[True, False], range=[0.85, 0.35]),
            ),
            color=_by_series(names),
            order=alt.Order("place:Q"),
            tooltip=_tooltip(has_series=True),
        )
        .properties(height=HEIGHT)
    )


def ranked(
    data: pd.DataFrame, category: Measure, measure: Measure, text: Measure | None = None
) -> alt.LayerChart:
    """Horizontal bars with their numbers (or `text`) beside them, in the order of the rows."""
    written = text or measure
    shown = pd.DataFrame(
        {
            "category": [category.form.text(value) for value in data[category.key]],
            "value": data[measure.key],
            "value_text": [written.form.text(value) for value in data[written.key]],
        }
    )
    axis = alt.Axis(labelLimit=150, ticks=False, domain=False)
    y = alt.Y("category:N", sort=None, title=None, axis=axis)
    # room on the right for the number of the longest bar
    top = float(shown["value"].max() or 0) * 1.35
    x = alt.X("value:Q", axis=None, scale=alt.Scale(domain=[0, top or 1]))
    tooltip = [
        alt.Tooltip("category:N", title=category.label),
        alt.Tooltip("value_text:N", title=measure.label),
    ]
    base = alt.Chart(shown).encode(y=y, x=x, tooltip=tooltip)
    colors = palette()
    return alt.layer(
        # a bar thinner than its corner says nothing: there the number stands alone
        base.mark_bar(color=colors.series[0], cornerRadiusEnd=2, height={"band": 0.7}).encode(
            opacity=alt.condition(f"datum.value > {top / 100}", alt.value(1), alt.value(0))
        ),
        base.mark_text(align="left", dx=5, color=colors.ink).encode(text="value_text:N"),
    ).properties(height=max(90, 30 * len(shown) + 10))


def waterfall(
    data: pd.DataFrame, step: str, amount: str, is_total: str, form: Format
) -> alt.LayerChart:
    """From an opening to a closing total, each step hanging where the one before ended.

    Args:
        data: A row a step, in order.
        step: Column with its name.
        amount: Column with its signed amount, or the total itself.
        is_total: Column that says whether it stands on the ground.
        form: How amounts are written.
    """
    level, rows = 0.0, []
    colors = palette()
    for row in data.to_dict("records"):
        start, end = (0.0, row[amount]) if row[is_total] else (level, level + row[amount])
        level = end
        color = colors.series[0] if row[is_total] else colors.good if end >= start else colors.bad
        text = form.text(row[amount])
        signed = text if row[is_total] or row[amount] <= 0 else f"+{text}"
        rows.append(
            {
                "step": row[step],
                "start": start,
                "end": end,
                "high": max(start, end),
                "color": color,
                "text": signed,
            }
        )
    shown = pd.DataFrame(rows)
    # on a phone names are slanted, and the numbers stand in the table below only
    axis = alt.Axis(ticks=False, labelOverlap=False, **_slanted("right"))
    x = alt.X("step:N", sort=None, title=None, axis=axis)
    low = _floor(shown)
    scale = alt.Scale(
        domain=[low, shown["high"].max() + 0.08 * (shown["high"].max() - low)], nice=False
    )
    base = alt.Chart(shown).encode(
        x=x, tooltip=[alt.Tooltip("step:N", title="Step"), alt.Tooltip("text:N", title="Amount")]
    )
    return alt.layer(
        base.mark_bar(cornerRadius=1, width={"band": 0.62}, clip=True).encode(
            y=alt.Y("start:Q", scale=scale, axis=_axis(form), title=None),
            y2="end:Q",
            color=alt.Color("color:N", scale=None),
        ),
        base.mark_text(dy=-8, color=colors.ink, fontSize=12).encode(
            y=alt.Y("high:Q", scale=scale),
            text="text:N",
            opacity=alt.condition(_IS_WIDE, alt.value(1), alt.value(0)),
        ),
    ).properties(height=HEIGHT + 40)


def _floor(shown: pd.DataFrame) -> float:
    """Where the axis begins: low enough to show the steps, which are small beside the totals."""
    lowest, highest = shown[["start", "end"]].iloc[1:-1].min().min(), shown["high"].max()
    return max(0.0, lowest - 1.5 * (highest - lowest)) if lowest > 0 else float(min(lowest, 0))


def heat(data: pd.DataFrame, x: Measure, y: Measure, measure: Measure) -> alt.LayerChart:
    """A cell for each pair of two categories, with its number in it; what isn't over is pale, with an edge."""
    shown = pd.DataFrame(
        {
            "x": data[x.key].to_numpy(),
            "y": [y.form.text(value) for value in data[y.key]],
            "value": data[measure.key],
            "value_text": [measure.form.text(value) for value in data[measure.key]],
            "is_complete": data.get("is_complete", True),
        }
    )
    colors = palette()
    low, high = shown["value"].min(), shown["value"].max()
    # text that can be read on its cell: a pale one is nearly the background
    is_dark_cell = (shown["value"] > (low + high) / 2) == (colors is _LIGHT)
    on_cell = is_dark_cell.map({True: _LIGHT_TEXT, False: _DARK_TEXT})
    shown["ink"] = on_cell.where(shown["is_complete"].astype(bool), colors.ink)
    base = alt.Chart(shown).encode(
        x=alt.X(
            "x:O",
            title=x.label,
            axis=alt.Axis(
                ticks=False,
                domain=False,
                orient="top",
                labelOverlap=x.form.is_number,
                **({"labelAngle": 0} if x.form.is_number else _slanted("left")),
            ),
        ),
        y=alt.Y(
            "y:O",
            sort=None,
            title=None,
            axis=alt.Axis(ticks=False, domain=False, labelOverlap=False, labelFlush=False),
        ),
        tooltip=[
            alt.Tooltip("y:N", title=y.label),
            alt.Tooltip("x:N", title=x.label),
            alt.Tooltip("value_text:N", title=measure.label),
        ],
    )
    return (
        alt.layer(
            base.mark_rect(cornerRadius=2, stroke=colors.neutral).encode(
                color=alt.Color(
                    "value:Q",
                    scale=alt.Scale(range=list(colors.scale), domain=[low, high]),
                    legend=None,
                ),
                fillOpacity=alt.condition("datum.is_complete", alt.value(1), alt.value(0.35)),
                strokeWidth=alt.condition("datum.is_complete", alt.value(0), alt.value(1)),
            ),
            # on a phone cells are too narrow for numbers: touching one shows its own
            base.mark_text(fontSize=11).encode(
                opacity=alt.condition(
                    f"width > {30 * shown['x'].nunique()}", alt.value(1), alt.value(0)
                ),
                text="value_text:N",
                color=alt.Color("ink:N", scale=None),
            ),
        )
        .resolve_scale(color="independent")
        .properties(height=23 * shown["y"].nunique() + (40 if x.form.is_number else 110))
    )


def fan(known: pd.DataFrame, ahead: pd.DataFrame, x: Measure, measure: Measure) -> alt.LayerChart:
    """What was, and what may come: the expected course, dashed, within its interval.

    Args:
        known: Days that are over, with `x` and the measure.
        ahead: Days to come, with `x`, `baseline`, `pessimistic` and `optimistic`.
        x: The day.
        measure: What is forecast.
    """
    colors = palette()
    past = _long(known, x, [measure])
    future = _long(ahead, x, [Measure("baseline", "Expected", measure.form)])
    future["low"], future["high"] = ahead["pessimistic"].to_numpy(), ahead["optimistic"].to_numpy()
    future["range_text"] = [
        f"{measure.form.text(low)} to {measure.form.text(high)}"
        for low, high in zip(future["low"], future["high"], strict=True)
    ]
    y = alt.Y("value:Q", axis=_axis(measure.form), scale=alt.Scale(zero=False), title=None)
    when = _when(pd.concat([past, future]))
    names = ["Actual", "Expected", "85 % interval"]
    actual, expected = colors.series[:2]
    color = alt.Color(
        "kind:N", title=None, scale=alt.Scale(domain=names, range=[actual, expected, f"{expected}40"]),
        legend=alt.Legend(orient="top", symbolType="square", symbolStrokeWidth=0, symbolOpacity=1),
    )  # fmt: skip
    past["kind"], future["kind"] = names[0], names[1]
    band = future.assign(kind=names[2])
    tooltip = [
        alt.Tooltip("when_text:N", title="Day"),
        alt.Tooltip("value_text:N", title=measure.label),
    ]
    ranged = [*tooltip, alt.Tooltip("range_text:N", title="85 % interval")]
    return alt.layer(
        alt.Chart(band)
        .mark_area(opacity=1)
        .encode(x=when, y=alt.Y("low:Q", title=None), y2="high:Q", color=color, tooltip=ranged),
        alt.Chart(past).mark_line(strokeWidth=2).encode(x=when, y=y, color=color, tooltip=tooltip),
        alt.Chart(future)
        .mark_line(strokeWidth=2, strokeDash=_DASHES)
        .encode(x=when, y=y, color=color, tooltip=ranged),
    ).properties(height=HEIGHT)


# --- what charts share
# -----------------------------------------------------------------------------------------------


def _long(data: pd.DataFrame, x: Measure, measures: Sequence[Measure]) -> pd.DataFrame:
    """A row a point: when and value, both as text too, series, is_complete, is_tail (from the last complete one on)."""
    is_complete = (
        data["is_complete"].astype(bool)
        if "is_complete" in data
        else pd.Series(True, index=data.index)
    )
    last = data.loc[is_complete, x.key].max()
    parts = []
    for measure in measures:
        when_text = [x.form.text(value) for value in data[x.key]]
        parts.append(
            pd.DataFrame(
                {
                    "when": data[x.key].to_numpy(),
                    "when_text": when_text,
                    "value": data[measure.key].to_numpy(),
                    "value_text": [
                        measure.form.text(value) + ("" if complete else f" ({PARTIAL})")
                        for value, complete in zip(data[measure.key], is_complete, strict=True)
                    ],
                    "series": measure.label,
                    "is_complete": is_complete.to_numpy(),
                    "is_tail": (~is_complete | (data[x.key] == last)).to_numpy(),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def _when(long: pd.DataFrame) -> alt.X:
    """An axis of days, in as many labels as a phone has room for."""
    days = (long["when"].max() - long["when"].min()).days
    form = "%-d %b" if days < 150 else "%b %Y"
    axis = alt.Axis(
        format=form, labelAngle=0, tickCount=5, labelOverlap=True, grid=False, labelFlush=True
    )
    return alt.X("when:T", title=None, axis=axis, scale=alt.Scale(type="utc"))


def _steps() -> alt.Axis:
    """An axis of months or weeks: labels that would touch each other are left out."""
    return alt.Axis(labelAngle=0, labelOverlap="greedy", labelSeparation=8, ticks=False, grid=False)


def _axis(form: Format) -> alt.Axis:
    return alt.Axis(labelExpr=form.axis, tickCount=5, domain=False, ticks=False, labelFlush=False)


def _slanted(align: str) -> dict[str, Any]:
    """Names along an axis: level where there is room, slanted on a phone."""
    return {
        "labelAngle": alt.ExprRef(f"{_IS_WIDE} ? 0 : -35"),
        "labelAlign": alt.ExprRef(f"{_IS_WIDE} ? 'center' : '{align}'"),
    }


def _by_series(names: Sequence[str], channel: Any = alt.Color) -> Any:
    """A colour for each series; one alone needs no legend."""
    colors = palette()
    plain = iter(colors.series)
    chosen = [
        getattr(colors, TONES[name]) if name in TONES else next(plain, colors.neutral)
        for name in names
    ]
    scale = alt.Scale(domain=list(names), range=chosen)
    legend = alt.Legend(
        orient="top", title=None, labelLimit=160, columns=alt.ExprRef("width < 420 ? 3 : 6")
    )
    return channel("series:N", scale=scale, legend=legend if len(names) > 1 else None)


def _tooltip(has_series: bool) -> list[alt.Tooltip]:
    named = [alt.Tooltip("series:N", title="Series")] if has_series else []
    return [
        alt.Tooltip("when_text:N", title="When"),
        *named,
        alt.Tooltip("value_text:N", title="Value"),
    ]
