"""The vocabulary of the suites: what a check is, before Great Expectations is imported.

Importing Great Expectations costs about 8 CPU seconds, so suites are plain data here and become GE objects only when a
gate runs (`quality.engine`). Regex expectations don't exist on DuckDB: anything beyond GE's column expectations is a
SQL query whose rows are the faults.

Reads and writes: nothing. Run: imported by the suites.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

Dimension = Literal["completeness", "accuracy", "consistency", "timeliness", "validity"]
Severity = Literal["error", "warning"]
# our own expectation (`quality.no_rows`)
NO_ROWS = "ExpectNoRows"
DIMENSIONS: tuple[Dimension, ...] = (
    "completeness",
    "accuracy",
    "consistency",
    "timeliness",
    "validity",
)


@dataclass(frozen=True)
class Check:
    """One expectation about one table.

    Attributes:
        kind: Class name of the GE expectation.
        arguments: Its keyword arguments.
        says: What must hold, in words; people read this when it fails.
        dimension: METRICS §9's dimension.
        severity: `error` blocks the publish, `warning` is only kept and shown.
        column: The column it is about, if one.
        needs: Tables and columns ("gold.t" or "gold.t.c") without which it can't be evaluated.
        advice: What to do when it fails.
    """

    kind: str
    arguments: Mapping[str, Any]
    says: str
    dimension: Dimension
    severity: Severity = "error"
    column: str = ""
    needs: tuple[str, ...] = ()
    advice: str = ""


@dataclass(frozen=True)
class Suite:
    """The checks of one table.

    Attributes:
        name: Such as `gold.fact_revenue`.
        table: The table as people know it.
        asset: Schema and name of what GE looks at.
        checks: What must hold.
        error: Set when the table can't be looked at at all; the suite then is one failed check with this text.
        note: Set when the table is absent for a good reason; the suite then is one passed check that says so.
    """

    name: str
    table: str
    asset: tuple[str, str]
    checks: Sequence[Check] = field(default_factory=tuple)
    error: str = ""
    note: str = ""


@dataclass(frozen=True)
class CheckResult:
    """What one check found; `detail` and `advice` (what to do) are empty where it holds."""

    gate: str
    suite: str
    table: str
    column: str
    expectation: str
    dimension: str
    severity: str
    success: bool
    observed: str
    detail: str
    advice: str = ""

    @property
    def finding(self) -> str:
        """What was found and what to do, in one line."""
        return f"{self.detail}; {self.advice}" if self.advice else self.detail


def not_null(column: str, *, severity: Severity = "error") -> Check:
    """Every row has a value."""
    return Check(
        "ExpectColumnValuesToNotBeNull", {"column": column}, f"{column} is never null",
        "completeness", severity, column,
    )  # fmt: skip


def between(
    column: str,
    low: Any = None,
    high: Any = None,
    *,
    severity: Severity = "error",
    dimension: Dimension = "validity",
) -> Check:
    """Every value lies between two bounds, both included; nulls pass."""
    arguments = {"column": column, "min_value": low, "max_value": high}
    bounds = " and ".join(
        text
        for text in (
            f"at least {low}" if low is not None else "",
            f"at most {high}" if high is not None else "",
        )
        if text
    )
    return Check(
        "ExpectColumnValuesToBeBetween", arguments, f"{column} is {bounds}",
        dimension, severity, column,
    )  # fmt: skip


def in_set(column: str, values: Sequence[Any], *, severity: Severity = "error") -> Check:
    """Every value is one of these; nulls pass."""
    return Check(
        "ExpectColumnValuesToBeInSet", {"column": column, "value_set": list(values)},
        f"{column} is one of {', '.join(map(str, values))}", "validity", severity, column,
    )  # fmt: skip


def row_count(
    low: int | None,
    high: int | None = None,
    *,
    says: str,
    dimension: Dimension = "completeness",
    severity: Severity = "error",
    advice: str = "",
) -> Check:
    """The number of rows lies between two bounds."""
    return Check(
        "ExpectTableRowCountToBeBetween", {"min_value": low, "max_value": high}, says,
        dimension, severity, advice=advice,
    )  # fmt: skip


def has_columns(columns: Sequence[str]) -> Check:
    """These columns exist (others may)."""
    return Check(
        "ExpectTableColumnsToMatchSet", {"column_set": list(columns), "exact_match": False},
        f"has the promised columns {', '.join(columns)}", "validity",
    )  # fmt: skip


def no_rows(
    says: str,
    sql: str,
    dimension: Dimension,
    *,
    severity: Severity = "error",
    column: str = "",
    needs: Sequence[str] = (),
    advice: str = "",
) -> Check:
    """A query finds nothing; each of its rows is a fault. `{batch}` in it is the table.

    Literal braces don't occur in our SQL, so they need no escape.
    """
    return Check(
        NO_ROWS, {"unexpected_rows_query": sql}, says,
        dimension, severity, column, tuple(needs), advice,
    )  # fmt: skip


def unique(columns: str | Sequence[str], *, where: str = "", scope: str = "") -> Check:
    """No two rows share a key.

    A query instead of GE's own expectation, which reads the table twice and joins it to itself.

    Args:
        columns: The key.
        where: Look at these rows only (large facts).
        scope: The same in words.
    """
    names = [columns] if isinstance(columns, str) else list(columns)
    listed = ", ".join(names)
    return no_rows(
        f"({listed}) is unique{f' {scope}' if scope else ''}",
        f"select {listed}, count(*) as row_count from {{batch}} "
        f"{f'where {where} ' if where else ''}group by {listed} having count(*) > 1",
        "consistency",
        column=names[0] if len(names) == 1 else "",
    )
