"""Compare gold with the company's truth: every row of every truth table, both ways, exactly.

Reads: `sandbox/truth/*.csv`; gold in the newest published restricted edition, or in the private
warehouse file.
Run: `warehouse verify`

The currency of a customer is not compared: no source knows it for those who never paid, and some
pay in two.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal

import duckdb

from warehouse import duck
from warehouse.errors import CallError, WarehouseError
from warehouse.settings import Settings

EXAMPLES = 10
Edition = Literal["published", "private"]
Row = tuple[Any, ...]


@dataclass(frozen=True)
class TableCheck:
    """One truth table against gold.

    Attributes:
        name: The truth table.
        compared: Rows that are in either.
        differences: Rows that differ, or are in one only.
        examples: The first ten of those, in words.
    """

    name: str
    compared: int
    differences: int
    examples: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class _Comparison:
    """How one truth table is found in gold.

    Attributes:
        name: The truth table.
        columns: Columns of the truth that are compared, key columns first.
        keys: How many of them are the key.
        readers: Text of the CSV → value, per column.
        sql: The same columns from gold.
        where: Which truth rows count; all by default.
    """

    name: str
    columns: tuple[str, ...]
    keys: int
    readers: tuple[Callable[[str], Any], ...]
    sql: str
    where: Callable[[dict[str, str]], bool] = lambda _: True


def _instant(text: str) -> datetime | None:
    if text == "":
        return None
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at


def _word(text: str) -> str | None:
    return text or None


def _flag(text: str) -> bool:
    return text == "true"


_COMPARISONS = (
    _Comparison(
        "customers",
        ("customer_id", "signup_at", "first_call_at", "tier", "is_deleted"),
        1,
        (_word, _instant, _instant, _word, _flag),
        "select customer_id, signup_date, first_api_call_date, tier, is_deleted "
        "from gold.dim_customers where customer_id != 'unknown'",
    ),
    _Comparison(
        "calls",
        ("day", "endpoint", "status_class", "calls"),
        3,
        (date.fromisoformat, _word, _word, int),
        "select cast(\"timestamp\" as date), endpoint, (response_code // 100) || 'xx', count(*) "
        "from gold.fact_api_usage group by all",
    ),
    _Comparison(
        "revenue",
        ("month", "currency", "revenue_type", "amount_minor"),
        3,
        (_word, _word, _word, Decimal),
        "select strftime(processed_at, '%Y-%m'), currency, revenue_type, sum(amount_minor) "
        "from gold.fact_revenue group by all having sum(amount_minor) != 0",
        lambda row: Decimal(row["amount_minor"]) != 0,
    ),
    _Comparison(
        "recognised",
        ("month", "currency", "revenue_type", "recognised_minor"),
        3,
        (_word, _word, _word, Decimal),
        "select strftime(month, '%Y-%m'), currency, revenue_type, sum(recognised_minor) "
        "from gold.fact_revenue_recognised_customer_months where is_complete "
        "group by all having sum(recognised_minor) != 0",
    ),
    _Comparison(
        "deferred",
        ("month", "currency", "deferred_minor", "unbilled_minor"),
        2,
        (_word, _word, Decimal, Decimal),
        "select strftime(date_partition, '%Y-%m'), currency, sum(deferred_minor), "
        "sum(unbilled_minor) from gold.fact_revenue_recognised_daily "
        "where date_partition = last_day(date_partition) "
        "group by all having sum(deferred_minor) != 0 or sum(unbilled_minor) != 0",
    ),
    _Comparison(
        "dunning",
        ("invoice_id", "first_failed_at", "outcome", "recovered_at"),
        1,
        (_word, _instant, _word, _instant),
        "select stripe_invoice_id, first_failed_at, outcome, recovered_at from gold.fact_dunning",
    ),
    _Comparison(
        "balance",
        ("month", "currency", "type", "amount_minor", "fee_minor", "net_minor"),
        3,
        (_word, _word, _word, Decimal, Decimal, Decimal),
        "select strftime(created_at, '%Y-%m'), currency, transaction_type, sum(amount_minor), "
        "sum(fee_minor), sum(net_minor) from gold.fact_balance_transactions group by all",
    ),
    _Comparison(
        "payouts",
        ("payout_id", "currency", "amount_minor", "status"),
        1,
        (_word, _word, Decimal, _word),
        "select payout_id, currency, amount_minor, status from gold.fact_payouts",
    ),
    _Comparison(
        "mrr_month_end",
        ("customer_id", "month", "currency", "mrr_minor"),
        3,
        (_word, _word, _word, Decimal),
        "select customer_id, strftime(month, '%Y-%m'), currency, closing_mrr_minor "
        "from gold.fact_customer_months where is_complete and closing_mrr_minor != 0",
    ),
    _Comparison(
        "movements",
        ("customer_id", "at", "type", "currency", "amount_minor"),
        4,
        (_word, _instant, _word, _word, Decimal),
        "select customer_id, occurred_at, movement_type, currency, amount_minor "
        "from gold.fact_mrr_movements",
    ),
    _Comparison(
        "customer_months",
        ("customer_id", "month", "currency", "category", "opening_minor", "closing_minor"),
        3,
        (_word, _word, _word, _word, Decimal, Decimal),
        # months with list MRR alone are gold's own
        "select customer_id, strftime(month, '%Y-%m'), currency, category, opening_mrr_minor, closing_mrr_minor "
        "from gold.fact_customer_months where opening_mrr_minor != 0 or closing_mrr_minor != 0 or new_minor != 0 "
        "or expansion_minor != 0 or contraction_minor != 0 or churn_minor != 0 or reactivation_minor != 0",
    ),
    _Comparison(
        "retention",
        (
            "month",
            "interval_months",
            "start_customers",
            "churned_customers",
            "start_minor",
            "end_minor",
            "kept_minor",
        ),
        2,
        (_word, int, int, int, Decimal, Decimal, Decimal),
        "select strftime(month_start_on, '%Y-%m'), interval_months, start_customers, churned_customers, "
        "start_mrr_reporting_minor, end_mrr_reporting_minor, kept_mrr_reporting_minor "
        "from gold.kpi_retention_monthly",
    ),
    _Comparison(
        "cohorts",
        ("cohort_month", "month", "customers", "mrr_minor"),
        2,
        (_word, _word, int, Decimal),
        "select strftime(cohort_month, '%Y-%m'), strftime(month_start_on, '%Y-%m'), retained_customers, "
        "retained_mrr_reporting_minor from gold.kpi_cohorts",
    ),
    _Comparison(
        "churned",
        ("customer_id", "at", "reason"),
        2,
        (_word, _instant, _word),
        "select distinct customer_id, occurred_at, reason "
        "from gold.fact_mrr_movements where movement_type = 'churn'",
    ),
    _Comparison(
        "tickets",
        ("ticket_id", "customer_id", "created_at", "solved_at", "status"),
        1,
        (int, _word, _instant, _instant, _word),
        "select cast(ticket_id as bigint), customer_id, created_at, solved_at, status "
        "from gold.fact_support_tickets",
    ),
)


def verify(settings: Settings, edition: Edition | None = None) -> list[TableCheck]:
    """Compare every truth table with gold.

    Args:
        settings: Where.
        edition: The newest published restricted edition, or the private warehouse file; by default
            the published one, if anything has been published.

    Raises:
        CallError: There is no sandbox company to compare with.
        WarehouseError: There is no gold.
    """
    folder = settings.sandbox_dir / "truth"
    if settings.mode != "sandbox" or not (folder / "customers.csv").exists():
        raise CallError(
            f"there is no truth in {folder}",
            "only a sandbox company knows its true numbers: `warehouse sandbox create`",
        )
    published = settings.published_dir / "current" / "restricted.duckdb"
    path = (
        published
        if edition == "published" or (edition is None and published.exists())
        else settings.warehouse_db
    )
    if not path.exists():
        raise WarehouseError(f"{path} does not exist", "run `warehouse run` first")
    connection = duck.connect(path, read_only=True)
    try:
        return [_compare(connection, folder, comparison) for comparison in _COMPARISONS]
    finally:
        connection.close()


def _compare(
    connection: duckdb.DuckDBPyConnection, folder: Path, comparison: _Comparison
) -> TableCheck:
    truth = _read(folder / f"{comparison.name}.csv", comparison)
    try:
        gold = [_plain(row) for row in connection.execute(comparison.sql).fetchall()]
    except duckdb.Error as error:
        missing = f"gold can't be read: {str(error).splitlines()[0]}"
        return TableCheck(comparison.name, len(truth), max(1, len(truth)), [missing])
    return differences(comparison.name, comparison.columns, comparison.keys, truth, gold)


def _read(path: Path, comparison: _Comparison) -> list[Row]:
    with path.open(newline="") as file:
        return [
            tuple(
                read(row[name])
                for name, read in zip(comparison.columns, comparison.readers, strict=True)
            )
            for row in csv.DictReader(file)
            if comparison.where(row)
        ]


def _plain(row: Row) -> Row:
    """Instants without a zone, as in the truth; numbers compare by value anyway."""
    return tuple(
        value.astimezone(UTC).replace(tzinfo=None)
        if isinstance(value, datetime) and value.tzinfo
        else value
        for value in row
    )


def differences(
    name: str, columns: Sequence[str], keys: int, truth: list[Row], gold: list[Row]
) -> TableCheck:
    """Compare two lists of rows as multisets, and say which keys differ.

    Args:
        name: Of the check.
        columns: Names of the values.
        keys: The first so many are the key.
        truth: The rows as they should be.
        gold: The rows as they are.
    """
    expected, found = Counter(truth), Counter(gold)
    missing, surplus = expected - found, found - expected
    by_key: dict[Row, tuple[list[Row], list[Row]]] = {}
    for side, rows in enumerate((missing, surplus)):
        for row in rows.elements():
            by_key.setdefault(row[:keys], ([], []))[side].append(row[keys:])
    examples = []
    ordered = sorted(by_key, key=lambda key: tuple(str(value) for value in key))
    for key in ordered[:EXAMPLES]:
        wanted, got = by_key[key]
        label = ", ".join(f"{column} {value}" for column, value in zip(columns, key, strict=False))
        examples.append(
            f"{label}: truth {_words(columns[keys:], wanted)}, gold {_words(columns[keys:], got)}"
        )
    compared = len({row[:keys] for row in truth} | {row[:keys] for row in gold})
    return TableCheck(name, compared, len(by_key), examples)


def _words(columns: Sequence[str], rows: list[Row]) -> str:
    if not rows:
        return "has none"
    return " and ".join(
        "(" + ", ".join(f"{name} {value}" for name, value in zip(columns, row, strict=True)) + ")"
        if columns
        else "one"
        for row in rows
    )
