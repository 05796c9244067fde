"""Amounts times c: a company whose every amount is seven times another's has seven times its numbers, and nothing else is different.

The same random Stripe histories twice, in two warehouses. What Stripe sent stays exact. What is rounded (MRR to six places once an item,
a refund's share of a line and recognised revenue to the minor unit) may be off by what seven roundings of the small company and one of the
large one can differ: (c + 1) / 2 of the last place each.
"""

from __future__ import annotations

import re
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest

from tests.dbt.histories import feeding, generator, play
from tests.dbt.warehouse_of import rows_of
from warehouse.settings import Settings

pytestmark = pytest.mark.slow(minutes=2)

C = 7
CUSTOMERS = 40
SEED = 3
TABLES = tuple(
    table for table in feeding.GOLD if table != "fact_balance_transactions"
)  # the histories have none
OTHER_MONEY = {"total", "subtotal", "total_excluding_tax", "tax", "balance", "net", "fee"}
LAST_PLACE = Decimal("0.000001")
# items of a customer at one time, customers of a currency: more than the histories have
MOST_ITEMS, MOST_IN_A_CURRENCY = 8, 100


def scaled(value: Any, key: str = "") -> Any:
    """A Stripe object with every amount times c; whole numbers and decimals as text alike."""
    if isinstance(value, dict):
        return {name: scaled(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [scaled(inner, key) for inner in value]
    if isinstance(value, int | str) and ("amount" in key or key in OTHER_MONEY):
        return value * C if isinstance(value, int) else str(Decimal(value) * C)
    return value


@pytest.fixture(scope="module")
def warehouses(tmp_path_factory: pytest.TempPathFactory) -> tuple[Settings, Settings]:
    told = {f"h{n}": play.told(generator.script(SEED, n), f"h{n}") for n in range(CUSTOMERS)}
    loads: list[tuple[datetime, play.Streams]] = feeding.loads_of(told)
    found = []
    for name, some in (("plain", loads), ("scaled", [(at, scaled(told)) for at, told in loads])):
        settings = feeding.warehouse_at(tmp_path_factory.mktemp(name))
        feeding.feed(settings, some)
        feeding.build(settings)
        found.append(settings)
    return found[0], found[1]


def bound(table: str, column: str) -> Decimal:
    """By how much a number may differ from c times the small company's: roundings behind it, (c + 1) / 2 of their last place."""
    each = Decimal(C + 1) / 2
    if table in ("fact_invoices", "fact_dunning") or column in ("discount_minor", "tax_minor"):
        return Decimal(0)
    if table == "fact_revenue":  # a share, and what was shared out before it; at a rate below 2
        return each * 4 if "reporting" in column else each * 2
    if table.startswith("fact_revenue_recognised"):  # one entry's days, by the customer's entries
        return each * 12
    items = MOST_IN_A_CURRENCY if table == "kpi_mrr_daily" else MOST_ITEMS
    return each * LAST_PLACE * items * (12 if column.startswith("arr") else 1)


@pytest.mark.parametrize("table", TABLES)
def test_amounts_times_c_are_numbers_times_c(
    warehouses: tuple[Settings, Settings], table: str
) -> None:
    kinds = dict(
        rows_of(
            warehouses[0],
            "select column_name, data_type from duckdb_columns() "
            f"where schema_name = 'gold' and table_name = '{table}' and column_name <> 'load_id' order by column_index",
        )
    )
    money = [
        name
        for name, kind in kinds.items()
        if re.search("minor|amount", name) and re.match("DECIMAL|BIGINT", kind)
    ]
    plain = ", ".join(f'"{name}"' for name in kinds if name not in money)
    query = f"select {plain}, {', '.join(money)} from gold.{table} order by {plain}"
    small, large = (rows_of(settings, query) for settings in warehouses)
    assert len(small) > 5
    first = len(kinds) - len(money)
    assert [row[:first] for row in small] == [row[:first] for row in large]
    for name, *pairs in zip(money, *(zip(a[first:], b[first:], strict=True) for a, b in zip(small, large, strict=True)), strict=True):  # fmt: skip
        off = [abs(b - C * a) for a, b in pairs if a is not None]
        assert [a is None for a, _ in pairs] == [b is None for _, b in pairs]
        assert max(off, default=0) <= bound(table, name), name
    assert sum(abs(a) for row in large for a in row[first:] if a is not None) > 0
