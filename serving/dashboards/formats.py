"""How numbers look: as text on a page, and on the axis of a chart.

Reads: the list of currencies that dbt seeds. Writes: nothing.
"""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import pandas as pd

from warehouse.settings import PROJECT_ROOT

NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥"}
_CURRENCIES = PROJECT_ROOT / "dbt_project" / "seeds" / "currencies.csv"


@dataclass(frozen=True)
class Format:
    """A way to write a value.

    Attributes:
        write: The value as text; never given a missing one.
        axis: The same for a chart's axis, shorter: a Vega expression of `datum.value`.
        is_number: Whether it stands on the right of a table's column.
        write_change: How the difference of two values is written, without its sign; `write` if not given.
    """

    write: Callable[[Any], str]
    axis: str = "datum.label"
    write_change: Callable[[Any], str] | None = None
    is_number: bool = True

    def text(self, value: Any) -> str:
        """The value as people read it; a dash where there is none."""
        return NOTHING if is_missing(value) else self.write(value)

    def change(self, now: Any, before: Any) -> str | None:
        """By how much a value differs from that of the period before, with its sign; None if either is missing.

        The sign is a hyphen where it is minus: by that Streamlit knows which way its arrow points.
        """
        if is_missing(now) or is_missing(before) or not self.is_number:
            return None
        difference = now - before
        sign = "-" if difference < 0 else "+"
        return sign + (self.write_change or self.write)(abs(difference))


def is_missing(value: Any) -> bool:
    """Whether there is no value (None, NaN, NaT)."""
    return value is None or bool(pd.isna(value))


def _signed(text: Callable[[Any], str]) -> Callable[[Any], str]:
    """With a real minus sign in front of everything, the currency's sign too."""
    return lambda value: (MINUS if value < 0 else "") + text(abs(value))


def _short(mark: str = "", unit: str = "") -> str:
    """An axis of numbers in three digits: 950, 12.5k, 3M, 1B."""
    digits = "replace(format(abs(datum.value), abs(datum.value) < 1 ? '~r' : '.3~s'), 'G', 'B')"
    return f"(datum.value < 0 ? '{MINUS}' : '') + '{mark}' + {digits} + '{unit}'"


COUNT = Format(_signed(lambda value: f"{value:,.0f}"), _short())
DECIMAL = Format(_signed(lambda value: f"{value:,.1f}"), _short())
RATIO = Format(_signed(lambda value: f"{value:,.2f}"), _short())
_PERCENT_AXIS = "format(datum.value, '.3~p')"
PERCENT = Format(
    _signed(lambda value: f"{value:.1%}"), _PERCENT_AXIS, lambda value: f"{value * 100:.1f} pp"
)
PERCENT_WHOLE = Format(
    _signed(lambda value: f"{value:.0%}"), _PERCENT_AXIS, lambda value: f"{value * 100:.0f} pp"
)
PERCENT_FINE = Format(
    _signed(lambda value: f"{value:.2%}"), _PERCENT_AXIS, lambda value: f"{value * 100:.2f} pp"
)
MILLISECONDS = Format(
    _signed(lambda value: f"{value:,.0f} ms"),
    "datum.value >= 1000 ? format(datum.value / 1000, '~r') + ' s' : format(datum.value, '~r') + ' ms'",
)
HOURS = Format(_signed(lambda value: f"{value:,.1f} h"), _short(unit=" h"))
TEXT = Format(str, is_number=False)
YES = Format(lambda value: "yes" if value else "no", is_number=False)
DAY = Format(lambda value: f"{value.day} {value:%b %Y}", is_number=False)
MONTH = Format(lambda value: f"{value:%b %Y}", is_number=False)
INSTANT = Format(lambda value: f"{value.day} {value:%b %Y %H:%M}", is_number=False)


def minutes(value: float) -> str:
    """Minutes in the unit a person would say: 45 min, 3.5 h, 2.1 d."""
    if value < 90:
        return f"{value:,.0f} min"
    if value < 48 * 60:
        return f"{value / 60:,.1f} h"
    return f"{value / 60 / 24:,.1f} d"


MINUTES = Format(_signed(minutes), _short(unit=" min"))


@cache
def minor_units(currency: str) -> int:
    """How many minor units make one of a currency: 100 for USD, 1 for JPY."""
    with _CURRENCIES.open(newline="", encoding="utf-8") as file:
        exponents = {row["currency"]: int(row["exponent"]) for row in csv.DictReader(file)}
    return 10 ** exponents[currency]


def money(currency: str) -> Format:
    """Amounts (in major units) of a currency: to the minor unit below 1,000, whole from there on."""
    mark = _SYMBOLS.get(currency, f"{currency} ")
    places = len(str(minor_units(currency))) - 1

    def write(value: Any) -> str:
        return f"{mark}{value:,.{places if abs(value) < 1000 else 0}f}"

    return Format(_signed(write), _short(mark))


@dataclass(frozen=True)
class Measure:
    """A column of an answer, as a page shows it.

    Attributes:
        key: The column's name in the answer.
        label: What people call it.
        form: How its values are written.
        source: The gold column behind it, `table.column`: dbt's description of that is its definition.
        is_good_up: Whether more is better; None: neither.
        address: The answer's column with the address that its values lead to.
    """

    key: str
    label: str
    form: Format = COUNT
    source: str = ""
    is_good_up: bool | None = True
    address: str | None = None


def columns_of(table: str) -> Callable[..., Measure]:
    """Makes measures of a gold table whose answers keep the columns' names: `columns_of("kpi_daily")("mau", "MAU")`."""

    def column(
        key: str, label: str, form: Format = COUNT, is_good_up: bool | None = True
    ) -> Measure:
        return Measure(key, label, form, f"{table}.{key}", is_good_up)

    return column
