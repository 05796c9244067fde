"""Persons in an edition are found, and customers who name themselves like codes are no leak.

Twelve customers, `acc_0` to `acc_11`, of the companies `Company 0` to `Company 11`; each test says what stands where.
"""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pytest

from serving.leaks import TextColumn, find, persons_of

CUSTOMERS = 12


def leak(
    values: Sequence[str],
    *,
    named: Sequence[str] = (),
    listed: Sequence[str] = (),
    has_customers: bool = True,
    email: str = "",
) -> str | None:
    """What is found where each customer has one of the values, the last customers bear names, and a table lists codes."""
    with duckdb.connect(":memory:") as con:
        con.execute("create schema gold")
        con.execute(
            "create table gold.dim_customers as select 'acc_' || range as customer_id, "
            f"'Company ' || range as company_name, ? as email from range({CUSTOMERS})",
            [email],
        )
        for customer, name in enumerate(reversed(named)):
            con.execute(
                "update gold.dim_customers set company_name = ? where customer_id = ?",
                [name, f"acc_{CUSTOMERS - 1 - customer}"],
            )
        persons = persons_of(con, ["customer_id", "company_name", "email"])
        con.execute("create table gold.facts (customer_id varchar, kind varchar)")
        con.execute("create table gold.dim_kinds (kind varchar)")
        for customer, value in enumerate(values):
            con.execute("insert into gold.facts values (?, ?)", [f"pseudonym {customer}", value])
        for value in listed:
            con.execute("insert into gold.dim_kinds values (?)", [value])
        columns = [
            TextColumn("gold", "facts", "kind", has_customers=has_customers),
            TextColumn("gold", "dim_kinds", "kind", has_customers=False),
        ]
        return find(con, columns, persons)


NAMES = [f"Company {number}" for number in range(CUSTOMERS)]


@pytest.mark.parametrize("name", ["", " ", "unknown"])
def test_a_blank_name_is_none(name):
    assert leak([name] * 3, named=[name]) is None


def test_ids_and_addresses_are_leaks_wherever_they_stand():
    for has_customers in (True, False):
        codes = [*"abcdefghij", "acc_3"]
        assert leak(codes, has_customers=has_customers) == (
            "gold.facts.kind holds 1 names or ids of customers"
        )
        codes[-1] = "ask eve@example.org"
        assert (
            leak(codes, has_customers=has_customers) == "gold.facts.kind holds 1 e-mail addresses"
        )
    assert leak([*"abc", "eve@localhost"], email="eve@localhost") is not None
    assert leak([*"abc", "Low"], email="Low") is None


def test_a_column_of_names_is_a_leak_with_customers_and_without():
    for has_customers in (True, False):
        assert "holds 12 names" in (leak(NAMES, has_customers=has_customers) or "")
    assert "gold.dim_kinds.kind holds 3 names" in (leak("abc", listed=NAMES[:3]) or "")
    # such a list makes no codes of them, nor do customers who share them
    assert "gold.facts.kind holds 3 names" in (leak([*NAMES[:3], *"abcde"], listed=NAMES) or "")
    assert "gold.facts.kind holds 4 names" in (leak(NAMES[:4] * 3) or "")


def test_a_single_value_that_is_a_name_is_a_leak_where_one_customer_has_it():
    assert "holds 1 names" in (leak(["Company 7"]) or "")


def test_three_names_among_many_codes_are_a_leak_and_two_are_not():
    codes = list("abcdefghi")
    assert "holds 3 names" in (leak([*codes, *NAMES[:3]]) or "")
    assert leak([*codes, *NAMES[:2]]) is None


def test_what_two_customers_of_other_names_have_is_a_code():
    assert leak(["USD"] * 4, named=["USD"]) is None
    assert leak(["USD", "USD", "USD"], named=["USD"]) is None
    # one of the two may be its bearer
    assert leak(["USD", "USD"], named=["USD"]) is not None
    assert leak(["USD"] * 4, named=["USD"] * 3) is not None
    others = list("abcde")
    assert leak(["Team", "Free", "Pro"] * 3 + others, named=["Team", "Free", "Pro"]) is None
    assert leak(["Team", "Free", "Pro"] * 2 + others, named=["Team", "Free", "Pro"]) is not None


def test_what_a_table_without_customers_lists_is_a_code():
    assert leak(["USD"], named=["USD"]) is not None
    assert leak(["USD"], named=["USD"], listed=["USD"]) is None
    assert leak(["search"] * 9, named=["search"], has_customers=False) is None
