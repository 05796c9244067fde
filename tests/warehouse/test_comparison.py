"""Two golds side by side: what counts as a difference, and how it is told."""

import pytest

from tests.road.conftest import Warehouse
from warehouse import duck
from warehouse.comparison import compare
from warehouse.errors import WarehouseError


def gold(path, *statements):
    con = duck.connect(path)
    con.execute("create schema gold")
    for statement in statements:
        con.execute(statement)
    con.close()
    return path


MONEY = "create table gold.money (id varchar, amount decimal(18, 2), share double, load_id bigint)"


def sides(tmp_path, left, right):
    one = gold(tmp_path / "l.duckdb", MONEY, *left)
    other = gold(tmp_path / "r.duckdb", MONEY, *right)
    (found,) = compare(one, other)
    return found


def test_order_loads_and_the_last_digits_of_doubles_are_no_difference(tmp_path):
    found = sides(
        tmp_path,
        [
            "insert into gold.money values ('a', 1.00, 0.1 + 0.2::double, 1), ('b', null, null, 1), ('b', null, null, 1)"
        ],
        [
            "insert into gold.money values ('b', null, null, 7), ('a', 1.00, 0.3::double, 7), ('b', null, null, 7)"
        ],
    )
    assert (found.left, found.right, found.differences) == (3, 3, 0)


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ("('a', 1.01, 0.5, 1)", "id a: amount 1.00 / 1.01"),
        ("('a', 1.00, 0.5000001, 1)", "id a: share 0.5 / 0.5000001"),
        ("('a', 1.00, null, 1)", "id a: share 0.5 / None"),
        ("('a', null, 0.5, 1)", "id a: amount 1.00 / None"),
        ("('a', 1.00, 0.5, 1), ('a', 1.00, 0.5, 1)", "only right: id a"),
    ],
)
def test_a_cent_a_ratio_a_missing_value_and_a_row_twice_are_found(tmp_path, other, told):
    found = sides(
        tmp_path,
        ["insert into gold.money values ('a', 1.00, 0.5, 1)"],
        [f"insert into gold.money values {other}"],
    )
    assert found.differences > 0
    assert any(example.startswith(told) for example in found.examples)


def test_tables_and_columns_of_one_side_only_are_named(tmp_path):
    left = gold(tmp_path / "l.duckdb", MONEY, "create table gold.more as select 1 as id")
    right = gold(tmp_path / "r.duckdb", "create table gold.money (id varchar, amount double)")
    money, more = compare(left, right)
    assert money.differences
    assert "amount DECIMAL(18,2)" in money.examples[0]
    assert more.differences
    assert more.examples == ["it is on one side only"]


def test_a_target_that_was_never_built_is_named(tmp_path):
    left = gold(tmp_path / "l.duckdb", MONEY)
    with pytest.raises(WarehouseError, match=r"r\.duckdb does not exist"):
        compare(left, tmp_path / "r.duckdb")


def test_the_command_ends_with_1_where_rows_differ(tmp_path):
    left = gold(tmp_path / "l.duckdb", MONEY, "insert into gold.money values ('a', 1, 1, 1)")
    right = gold(tmp_path / "r.duckdb", MONEY)
    home = Warehouse(tmp_path / "data")
    said = home("compare", str(left), str(right), expect=1)
    assert "1 differences" in said
    assert "only left: id a" in said
    assert "0 differences" in home("compare", str(left), str(left))
