"""The published edition that a page reads: one version, held open, asked once for each answer.

A run of a page keeps the version it began with, even if that one is removed meanwhile. The next run sees the newest:
answers are cached by version, so that nothing old is shown after a publish.

Reads: `published/current/restricted.duckdb`, through `serving.sql`. Writes: nothing.
"""

from __future__ import annotations

import threading
from contextlib import ExitStack
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from serving import sql
from serving.sql import Table
from warehouse.errors import WarehouseError
from warehouse.settings import Settings

# The newest version is looked for so often, where publishes follow so fast that it is gone before it is opened.
ATTEMPTS = 5


class Edition:
    """One version, held open by a connection that is locked down; threads take turns.

    Args:
        settings: Limits of memory and threads.
        path: The edition's file.
    """

    def __init__(self, settings: Settings, path: Path) -> None:
        self.version = path.parent.name
        self.folder = path.parent
        self._turn = threading.Lock()
        # never closed by hand: a page under way elsewhere may still ask it; it closes when nobody holds it any more
        self._open = ExitStack()
        self._con = self._open.enter_context(sql.open_edition(settings, path))

    def ask(self, statement: str, parameters: list[Any]) -> Table:
        """One select's answer.

        Raises:
            WarehouseError: It isn't a select, makes no sense, or takes too long.
        """
        with self._turn:
            return sql.ask(self._con, statement, parameters=parameters)


def newest(settings: Settings) -> Edition:
    """The version that readers see now, opened at most once.

    Raises:
        WarehouseError: Nothing is published.
    """
    for _ in range(ATTEMPTS - 1):
        path = sql.current_file(settings, "restricted")
        try:
            return _opened(settings, path)
        except WarehouseError:
            if path.exists():
                raise
    return _opened(settings, sql.current_file(settings, "restricted"))


@st.cache_resource(max_entries=2, show_spinner=False)
def _opened(_settings: Settings, path: Path) -> Edition:
    return Edition(_settings, path)


def answer(edition: Edition, statement: str, parameters: list[Any]) -> Table:
    """One select's answer, from the cache if this version has given it before.

    Raises:
        WarehouseError: It isn't a select, makes no sense, or takes too long.
    """
    return _answered(edition, str(edition.folder), statement, parameters)


@st.cache_data(max_entries=500, show_spinner=False)
def _answered(
    _edition: Edition,
    folder: str,  # noqa: ARG001 - names the version: part of the cache's key
    statement: str,
    parameters: list[Any],
) -> Table:
    return _edition.ask(statement, parameters)


def to_frame(table: Table) -> pd.DataFrame:
    """An answer as a frame that charts can draw: decimals as floats, days and instants as pandas' own."""
    frame = pd.DataFrame(table.rows, columns=table.columns)
    for column in table.columns:
        known = next((value for value in frame[column] if value is not None), None)
        if isinstance(known, Decimal):
            frame[column] = frame[column].astype(float)
        elif isinstance(known, date | datetime):
            frame[column] = _instants(frame[column])
    return frame


def _instants(values: pd.Series) -> pd.Series:
    """Days or instants as pandas' own, in microseconds: in its nanoseconds the year 9999 doesn't fit.

    Those beyond Python's years, which come as text, are missing.
    """
    known = values.where([isinstance(value, date) for value in values], None)
    is_aware = any(getattr(value, "tzinfo", None) for value in known)
    return known.astype("datetime64[us, UTC]" if is_aware else "datetime64[us]")
