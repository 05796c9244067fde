"""Gate `gold`: every dimension, fact and KPI table before it may be published.

Each table gets the checks that follow from its columns (rows are there, keys unique, relations hold, nothing in the
future, no sudden drop against the published version), and tables of CONTRACT §6 get those that follow from what they
mean (money identities, the MRR bridge, intervals without overlap).

Reads: `warehouse.duckdb`, schema gold. Writes: nothing.
Run: by `quality.gates`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from quality.expectations import (
    NO_ROWS,
    Check,
    Suite,
    between,
    has_columns,
    no_rows,
    not_null,
    row_count,
    unique,
)
from quality.suites.promises import (
    CUSTOMER_SOURCES,
    NEWEST_DAYS,
    PROMISES,
    UNKNOWN_CUSTOMER,
    Promise,
)

# Whole-table unique checks on the big facts cost more than all the rest: there the newest days are looked at
# (dbt looks at the days it touched).
BIG_TABLE = 200_000
# Published tables hardly ever shrink; erasure and corrections take a few rows.
LEAST_SHARE = 0.8
FEW_ROWS = 20

# Columns that name an instant or day that can't lie in the future.
PAST = (
    "timestamp", "date_partition", "occurred_at", "processed_at", "created_at", "updated_at", "calculated_at",
    "signup_date", "first_api_call_date", "last_login_date", "first_used_at", "last_used_at", "exposed_at",
    "scored_at", "as_of_date", "solved_at", "complete_through",
)  # fmt: skip
SHARES = ("probability", "churn_probability", "error_rate", "success_rate", "adoption_rate")


@dataclass(frozen=True)
class Table:
    """A table as the catalogue and the published edition know it.

    Attributes:
        columns: Column → type.
        rows: Number of rows now.
        published_rows: Number of rows in the published version; None if it isn't there.
    """

    name: str
    columns: Mapping[str, str]
    rows: int
    published_rows: int | None = None

    def has(self, *names: str) -> bool:
        """Whether all these columns are there."""
        return all(name in self.columns for name in names)


# What Python's models write and dbt contracts after them: gate `scores` looks at these.
AFTER_ML = (
    "customer_churn_scores", "customer_segments", "customer_ltv", "forecasts", "model_decisions", "feature_drift",
    "churn_score_performance",
)  # fmt: skip
AFTER_ML_PREFIXES = (
    "customer_next_segments", "forecast", "kpi_churn_risk", "kpi_cohort_ltv", "kpi_segment",
    "ml_", "segment_",
)  # fmt: skip


@dataclass(frozen=True)
class Moment:
    """The instant of a check.

    Attributes:
        now: `clock.now`, naive UTC.
        today: The newest day that a column of days may name.
    """

    now: datetime
    today: date


def moment(now: datetime, zone: str) -> Moment:
    """Days are those of the reporting calendar; a source's own may be UTC's, whichever is later."""
    local = now.replace(tzinfo=UTC).astimezone(ZoneInfo(zone))
    return Moment(now, max(local.date(), now.date()))


def suites(tables: Mapping[str, Table], at: Moment, sources_off: Sequence[str]) -> list[Suite]:
    """The suites of all gold tables but the scores.

    Args:
        tables: Gold as it stands.
        at: When it is looked at.
        sources_off: Sources that are off in real mode: what needs them may be missing or empty.
    """
    names = [*PROMISES, *sorted(set(tables) - set(PROMISES))]
    return [
        suite_of(name, tables, at, PROMISES.get(name, Promise()), sources_off)
        for name in names
        if not is_after_ml(name)
    ]


def is_after_ml(name: str) -> bool:
    """Whether a table is built after the ML step."""
    return name in AFTER_ML or name.startswith(AFTER_ML_PREFIXES)


def suite_of(
    name: str,
    tables: Mapping[str, Table],
    at: Moment,
    promise: Promise,
    sources_off: Sequence[str],
) -> Suite:
    """The suite of one table: what follows from its columns, then what was promised."""
    label = f"gold.{name}"
    table = tables.get(name)
    off = [source for source in promise.sources if source in sources_off]
    if promise.of_customers and set(CUSTOMER_SOURCES) <= set(sources_off):
        off += [source for source in CUSTOMER_SOURCES if source not in off]
    if table is None:
        if off:
            return Suite(label, label, ("", ""), note=f"source {', '.join(off)} is off")
        if promise.required:
            return Suite(
                label, label, ("", ""), error="the table is missing; run `warehouse build`"
            )
        return Suite(label, label, ("", ""), note="not built in this project's present form")
    checks = [*_generic(table, tables, at, promise, is_off=bool(off))]
    if promise.columns:
        checks.append(has_columns(promise.columns))
    day = day_column(table)
    for check in promise.checks:
        query = check.arguments.get("unexpected_rows_query", "")
        if "{day}" in query and day is None:
            continue
        filled = query.replace("{day}", day or "").replace("{now}", f"timestamp '{at.now}'")
        if filled != query:
            check = replace(check, arguments={"unexpected_rows_query": filled})  # noqa: PLW2901
        if _can_run(check, table, tables):
            checks.append(check)
    # GE takes two equal expectations for one
    different = {(check.kind, str(check.arguments)): check for check in reversed(checks)}
    return Suite(label, label, ("gold", name), tuple(reversed(different.values())))


def day_column(table: Table) -> str | None:
    """The column that says which day a row of a daily table is."""
    return next(
        (name for name in ("date_partition", "day", "date", "date_day") if table.has(name)), None
    )


def _can_run(check: Check, table: Table, tables: Mapping[str, Table]) -> bool:
    """Whether all that a check reads exists; a missing promised column has its own check."""
    column = check.arguments.get("column")
    if column is not None and column not in table.columns:
        return False
    for need in check.needs:
        _, name, *rest = need.split(".")
        if name not in tables or not tables[name].has(*rest):
            return False
    return not check.column or check.kind != NO_ROWS or check.column in table.columns


def _generic(
    table: Table, tables: Mapping[str, Table], at: Moment, promise: Promise, *, is_off: bool
) -> list[Check]:
    checks: list[Check] = []
    if not (promise.may_be_empty or is_off):
        checks.append(
            row_count(1, says="has rows", advice="its inputs are empty, or a join lost them all")
        )
    published = table.published_rows
    if published is not None and published >= FEW_ROWS:
        least = int(published * LEAST_SHARE)
        checks.append(
            row_count(
                least,
                says=f"has at least {LEAST_SHARE:.0%} of the published version's {published} rows",
                advice="a sudden drop: look for a source that lost its history; `warehouse status`",
            )
        )
    checks += _keys(table, tables, at.today, promise)
    checks += _instants(table, at)
    if table.has("currency"):
        checks.append(
            no_rows(
                "currency is a code of three capital letters",
                "select currency, count(*) as row_count from {batch} "
                "where length(currency) <> 3 or currency <> upper(currency) group by currency",
                "validity",
                column="currency",
            )
        )
    checks += [between(name, 0, 1) for name in SHARES if table.has(name)]
    return checks


def _keys(table: Table, tables: Mapping[str, Table], today: date, promise: Promise) -> list[Check]:
    checks: list[Check] = []
    where, scope = "", ""
    if table.rows > BIG_TABLE and table.has("date_partition"):
        where = f"date_partition >= date '{today}' - {NEWEST_DAYS}"
        scope = f"in the newest {NEWEST_DAYS} days"
    keys = [["id"]] if table.has("id") else []
    if promise.grain and table.has(*promise.grain):
        keys.append(list(promise.grain))
    for key in keys:
        checks += [not_null(column) for column in key]
        checks.append(unique(key, where=where, scope=scope))
    customers = tables.get("dim_customers")
    if table.has("customer_id") and table.name != "dim_customers" and customers is not None:
        if "customer_id" not in promise.grain:
            checks.append(not_null("customer_id"))
        checks.append(
            no_rows(
                "every customer_id is in dim_customers",
                "select distinct customer_id from {batch} where customer_id is not null and customer_id not in "
                f"(select customer_id from gold.dim_customers) and customer_id <> '{UNKNOWN_CUSTOMER}'",
                "consistency",
                column="customer_id",
                advice="a fact of nobody: it belongs to the unknown member until its customer arrives",
            )
        )
    return checks


def _instants(table: Table, at: Moment) -> list[Check]:
    checks = []
    if table.name in {"dim_date", "forecasts"}:
        return checks
    for name in PAST:
        kind = table.columns.get(name, "")
        if not kind.startswith(("TIMESTAMP", "DATE")):
            continue
        bound = f"date '{at.today}'" if kind == "DATE" else f"timestamp '{at.now}'"
        checks.append(
            no_rows(
                f"{name} is not in the future",
                f"select {name}, count(*) as row_count from {{batch}} where {name} > {bound} group by {name}",
                "timeliness",
                column=name,
            )
        )
    return checks
