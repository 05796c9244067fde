"""Numbers of one published edition, and how reports write and draw them.

Reads: one version's restricted edition, locked down. Writes: nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

import altair as alt
import duckdb
import pandas as pd

from serving.dashboards import charts, formats
from serving.dashboards.formats import Format
from serving.publish import PublishedVersion
from serving.reports.content import Card, Figure, Table
from serving.reports.periods import Period
from serving.sql import open_edition
from warehouse.settings import Settings

# Charts are drawn for paper: pixels of 96 an inch, on 17 cm.
WIDTH, HALF_WIDTH, HEIGHT, HALF_HEIGHT = 600, 275, 190, 150
#: A week by its Monday; half a year of them needs no year.
WEEK = Format(lambda value: f"{value.day} {value:%b}", is_number=False)
#: Comes with matplotlib; readers without it have Verdana, whose letters are as wide.
FONT = "DejaVu Sans, Verdana, sans-serif"
_INK = "#3e4c59"


@dataclass(frozen=True)
class Headline:
    """A figure of kpi_headlines as a report shows it.

    Attributes:
        metric: Its name there.
        label: For people.
        is_good_up: Whether more is better; None: neither.
        is_fine: A share so small that it needs two decimals.
    """

    metric: str
    label: str
    is_good_up: bool | None = True
    is_fine: bool = False


class Source:
    """Answers from one version.

    Args:
        settings: Reporting currency and time zone.
        version: The version.
        con: A connection to its restricted edition.
    """

    def __init__(
        self, settings: Settings, version: PublishedVersion, con: duckdb.DuckDBPyConnection
    ) -> None:
        self.version = version
        self.zone = settings.reporting_timezone
        self.currency = settings.reporting_currency
        self.money = formats.money(settings.reporting_currency)
        mark = self.money.write(0)[:-1].rstrip("0.")
        self.whole_money = replace(
            self.money,
            write=lambda value: f"{formats.MINUS if value < 0 else ''}{mark}{abs(value):,.0f}",
        )
        self.minor_units = formats.minor_units(settings.reporting_currency)
        self._con = con

    def frame(self, sql: str, *parameters: Any) -> pd.DataFrame:
        """An answer for a chart."""
        return self._con.execute(sql, list(parameters)).df()

    def rows(self, sql: str, *parameters: Any, **named: Any) -> list[dict[str, Any]]:
        """An answer as rows; parameters stand for `?`, or for `$name`."""
        cursor = self._con.execute(sql, named or list(parameters))
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]

    def headlines(self, period: Period) -> dict[str, dict[str, Any]]:
        """Rows of kpi_headlines of a period, by metric."""
        rows = self.rows(
            "select * from gold.kpi_headlines where period = ? and period_start_on = ?",
            period.unit, period.start,
        )  # fmt: skip
        return {row["metric"]: row for row in rows}

    @cached_property
    def descriptions(self) -> dict[tuple[str, str], str]:
        """Dbt's words on every gold column, by table and column: they travel with the edition."""
        rows = self.rows(
            "select table_name, column_name, comment from duckdb_columns() "
            "where schema_name = 'gold' and comment is not null"
        )
        return {(row["table_name"], row["column_name"]): row["comment"].strip() for row in rows}

    def as_of(self, table: str, period: Period, where: str = "true") -> date | None:
        """The day of the scores or forecasts that belong to a period.

        The first after it, within the period that follows; else the last before its end.
        """
        (row,) = self.rows(
            f"select coalesce(min(as_of_date) filter (as_of_date between $next and $next_end), "
            f"max(as_of_date) filter (as_of_date < $next)) as as_of_date from gold.{table} where {where}",
            next=period.next.start, next_end=period.next.end,
        )  # fmt: skip
        return row["as_of_date"]

    def form(self, unit: str, *, is_fine: bool = False) -> Format:
        """How a unit of kpi_headlines is written."""
        if unit == "share":
            return formats.PERCENT_FINE if is_fine else formats.PERCENT
        return {
            "money": self.money,
            "count": formats.COUNT,
            "points": formats.DECIMAL,
            "ms": formats.MILLISECONDS,
            "minutes": formats.MINUTES,
        }[unit]

    def card(self, headline: Headline, figures: dict[str, dict[str, Any]]) -> Card:
        """A headline figure with its change."""
        row = figures.get(headline.metric)
        if row is None:
            return Card(headline.label, formats.NOTHING)
        form = self.form(row["unit"], is_fine=headline.is_fine)
        return Card(
            headline.label, form.text(row["value"]), _change(form, row), _tone(headline, row)
        )

    def headline_table(
        self,
        title: str,
        headlines: Sequence[Headline],
        figures: dict[str, dict[str, Any]],
        unit: str,
    ) -> Table:
        """Headline figures with the period before and the mean of four."""
        known = [
            (headline, figures[headline.metric])
            for headline in headlines
            if headline.metric in figures
        ]
        rows, tones = [], []
        for headline, row in known:
            form = self.form(row["unit"], is_fine=headline.is_fine)
            rows.append(
                [
                    headline.label, form.text(row["value"]), form.text(row["value_before"]),
                    _change(form, row) or formats.NOTHING, form.text(row["mean_of_four_before"]),
                ]
            )  # fmt: skip
            tones.append(_tone(headline, row))
        return Table(
            title,
            ["", f"This {unit}", f"{unit.capitalize()} before", "Change", f"Mean of 4 {unit}s"],
            [False, True, True, True, True],
            rows,
            tones=tones,
            toned=3,
        )  # fmt: skip

    def figure(
        self, title: str, data: pd.DataFrame, chart: alt.TopLevelMixin, *, is_half: bool = False, note: str = "",
        height: int | None = None,
    ) -> Figure:  # fmt: skip
        """A chart as it stands on paper."""
        return Figure(
            title, _svg(chart, is_half=is_half, height=height), _texts(data), is_half, note
        )


@contextmanager
def opened(settings: Settings, version: PublishedVersion) -> Iterator[Source]:
    """A version's restricted edition as a source of numbers; charts are drawn for paper meanwhile."""
    path = version.path / "restricted.duckdb"
    with open_edition(settings, path) as con, charts.on_paper():
        yield Source(settings, version, con)


def _change(form: Format, row: dict[str, Any]) -> str:
    """The change that the model has, with its sign, and in percent where that says something."""
    change, rate = row["change"], row["change_rate"]
    if change is None:
        return ""
    size = (form.write_change or form.write)(abs(change))
    if not change:
        return "no change"
    sign = formats.MINUS if change < 0 else "+"
    if row["unit"] not in ("money", "count") or rate is None:
        return f"{sign}{size}"
    return f"{sign}{size} ({sign}{abs(rate):.1%})"


def _tone(headline: Headline, row: dict[str, Any]) -> str:
    if headline.is_good_up is None or not row["change"]:
        return "neutral"
    return "good" if (row["change"] > 0) == headline.is_good_up else "bad"


def _texts(data: pd.DataFrame) -> list[list[str]]:
    return [[str(value) for value in row] for row in data.itertuples(index=False)]


def fonts() -> Path:
    """Where the letters of charts are: on every machine the same ones, whatever is installed."""
    import matplotlib as mpl

    return Path(mpl.get_data_path()) / "fonts" / "ttf"


def _svg(chart: Any, *, is_half: bool, height: int | None) -> str:
    """A chart as SVG with the letters of `FONT`; nothing is fetched."""
    import vl_convert

    vl_convert.register_font_directory(str(fonts()))
    size = {
        "width": HALF_WIDTH if is_half else WIDTH,
        "height": height or (HALF_HEIGHT if is_half else HEIGHT),
    }
    soft = {"labelColor": _INK, "titleColor": _INK}
    spec = (
        chart.properties(**size)
        .configure(
            font=FONT,
            background="transparent",
            padding={"left": 2, "right": 10, "top": 4, "bottom": 2},
            autosize=alt.AutoSizeParams(type="fit", contains="padding"),
        )
        .configure_axis(
            labelFontSize=9.5, titleFontSize=10, titleFontWeight="normal", gridColor="#e3e7ec",
            domainColor="#9aa5b1", tickColor="#9aa5b1", **soft,
        )
        .configure_axisX(labelSeparation=12)
        .configure_legend(labelFontSize=10, labelColor=_INK, symbolSize=60, symbolOpacity=1)
        .configure_text(fontSize=9.5)
        .configure_view(stroke=None)
        .to_dict()
    )  # fmt: skip
    return vl_convert.vegalite_to_svg(spec, allowed_base_urls=[])
