"""Two golds side by side: what counts as a difference, and how it is told."""

import pytest

from tests.road.conftest import Warehouse
from warehouse import duck, locks
from warehouse.comparison import compare
from warehouse.errors import LockTimeout, WarehouseError


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
        ("('a', 1.00, 'nan', 1)", "id a: share 0.5 / nan"),
        ("('a', 1.00, 'infinity', 1)", "id a: share 0.5 / inf"),
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


def test_what_is_no_number_is_like_itself_alone(tmp_path):
    left = "insert into gold.money values ('a', 1, 'nan', 1), ('b', 1, 'infinity', 1), ('c', 1, null, 1)"
    assert sides(tmp_path, [left], [left]).differences == 0
    right = "insert into gold.money values ('a', 1, null, 1), ('b', 1, '-infinity', 1), ('c', 1, 'nan', 1)"
    (tmp_path / "other").mkdir()
    assert sides(tmp_path / "other", [left], [right]).differences == 3


def test_scores_that_one_side_has_not_made_yet_are_awaited(tmp_path):
    scores = "create table gold.customer_ltv as select 'a' as customer_id, 1.5::double as ltv"
    one = gold(tmp_path / "l.duckdb", MONEY, scores, "create table gold.ml_feature_store (id int)")
    other = gold(tmp_path / "r.duckdb", MONEY)
    found = {each.table: each for each in compare(one, other)}
    assert (found["customer_ltv"].left, found["customer_ltv"].right) == (1, 0)
    assert {name for name, each in found.items() if each.is_awaited} == {
        "customer_ltv",
        "ml_feature_store",
    }
    assert not any(each.differences for each in found.values())
    # one of them that a side has lost is a difference
    third = gold(tmp_path / "t.duckdb", MONEY, "create table gold.ml_feature_store (id int)")
    lost = next(each for each in compare(one, third) if each.table == "customer_ltv")
    assert (lost.differences, lost.examples) == (1, ["it is on one side only"])
    home = Warehouse(tmp_path / "data")
    assert "2 tables are made of scores" in home("compare", str(one), str(other))


def test_a_file_that_somebody_writes_is_waited_for(tmp_path):
    home = Warehouse(tmp_path / "data")
    for target in ("duckdb", "spark"):
        gold(home.settings.over(target=target).warehouse_db, MONEY)
    writer = home.settings.over(target="spark").warehouse_db
    with locks.hold(writer, what="a build"):
        said = home("compare", expect=LockTimeout.exit_code, WAREHOUSE_LOCK_TIMEOUT="0.2")
    assert "warehouse-spark.duckdb is in use by a build" in said
    assert "✓ money" in home("compare")


def test_a_damaged_file_is_one_clear_line(tmp_path):
    damaged = tmp_path / "r.duckdb"
    damaged.write_bytes(b"x" * 8192)
    with pytest.raises(WarehouseError, match=r"can't open .*r\.duckdb"):
        compare(gold(tmp_path / "l.duckdb", MONEY), damaged)


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
