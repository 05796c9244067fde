"""What a page is given: the data of one published version, how to write numbers, and what they mean.

Reads: the newest published restricted edition. Writes: nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from functools import cached_property
from typing import Any

import pandas as pd

from serving.dashboards import edition as editions
from serving.dashboards.formats import Format, minor_units, money
from serving.sql import Table
from warehouse.settings import Settings

#: Columns that say of which day, week or month a row is → from there to its last day.
PERIODS = {
    "day": pd.DateOffset(days=0),
    "date_partition": pd.DateOffset(days=0),
    "week_start_on": pd.DateOffset(days=6),
    "month_start_on": pd.offsets.MonthEnd(),
    "month": pd.offsets.MonthEnd(),
}


class Context:
    """One run of one page: everything it asks comes from the same version.

    Args:
        settings: Where the editions are, and the reporting currency.

    Raises:
        WarehouseError: Nothing is published.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.edition = editions.newest(settings)

    @property
    def version(self) -> str:
        """The published version's name."""
        return self.edition.version

    def table(self, statement: str, *parameters: Any) -> Table:
        """One select's answer as Python values; `?` stands for a parameter.

        Raises:
            WarehouseError: It isn't a select, makes no sense, or takes too long.
        """
        return editions.answer(self.edition, statement, list(parameters))

    def ask(self, statement: str, *parameters: Any) -> pd.DataFrame:
        """The same as a frame that charts and tables can draw."""
        return editions.to_frame(self.table(statement, *parameters))

    def course(self, statement: str, *parameters: Any, source: str | None = None) -> pd.DataFrame:
        """The same of a table with a row a day, week or month, with `is_complete`: whether all of it is there.

        Where a source has stopped, its later days are over and nearly empty: partial, and no drop (METRICS §0).

        Args:
            statement: One select with one of the columns `PERIODS`.
            parameters: Values for `?`.
            source: The only one that its numbers are made of; otherwise all have to be complete.
        """
        rows = self.ask(statement, *parameters)
        key = next(column for column in PERIODS if column in rows)
        last_days = pd.to_datetime(rows[key]) + PERIODS[key]
        through = self.complete_through if source is None else self._through(source)
        is_there = last_days <= pd.Timestamp(through) if through else False
        is_over = rows["is_complete"].astype(bool) if "is_complete" in rows else True
        return rows.assign(is_complete=is_there & is_over)

    def _through(self, source: str) -> date | None:
        """The last day through which every stream of a source is complete; None before the first."""
        found = self.values(
            "select cast(timezone(?, timezone('UTC', min(complete_through))) as date) - 1 from gold.complete_through "
            "where source = ? and stream <> 'mrr_movements' having count(*) = count(complete_through)",
            self.settings.reporting_timezone,
            source,
        )
        return found[0] if found else None

    def row(self, statement: str, *parameters: Any) -> dict[str, Any]:
        """The first row as column → value; empty where there is none."""
        found = self.table(statement, *parameters)
        return dict(zip(found.columns, found.rows[0], strict=True)) if found.rows else {}

    def values(self, statement: str, *parameters: Any) -> list[Any]:
        """The first column."""
        return [row[0] for row in self.table(statement, *parameters).rows]

    # --- how numbers are written
    # -------------------------------------------------------------------------------------------

    @property
    def currency(self) -> str:
        """The reporting currency."""
        return self.settings.reporting_currency

    @property
    def units(self) -> int:
        """Minor units in one of the reporting currency."""
        return minor_units(self.currency)

    def amounts(self, *columns: str) -> str:
        """Minor units of the reporting currency as amounts, for `select * replace ({context.amounts('mrr_minor')})`."""
        return ", ".join(f"{column} / {self.units} as {column}" for column in columns)

    @cached_property
    def money(self) -> Format:
        """Amounts of the reporting currency, in its major units."""
        return money(self.currency)

    # --- what numbers mean
    # -------------------------------------------------------------------------------------------

    @cached_property
    def complete_through(self) -> date | None:
        """The last day through which every source is complete; None before the first."""
        return self.values("select max(day) from gold.kpi_daily where is_complete")[0]

    @cached_property
    def descriptions(self) -> Mapping[str, str]:
        """`table.column` → what dbt says of it, and `table` → the same of the table."""
        columns = self.table(
            "select table_name || '.' || column_name, comment from duckdb_columns() "
            "where schema_name = 'gold' and comment is not null "
            "union all select table_name, comment from duckdb_tables() "
            "where schema_name = 'gold' and comment is not null"
        )
        return {name: " ".join(text.split()) for name, text in columns.rows}

    def definition(self, source: str) -> str:
        """What dbt says of `table.column`; empty where it says nothing."""
        return self.descriptions.get(source, "")
