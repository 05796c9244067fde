"""A query check asks its query once: a sequence counts how often the table's one row was looked at."""

from contextlib import closing

import pytest

from quality.engine import DuckDBEvaluator
from quality.expectations import Suite, no_rows
from warehouse import duck


@pytest.mark.parametrize(("faults", "success"), [("< 0", True), ("> 0", False)])
def test_a_query_is_asked_once_and_where_it_finds_rows_once_more_for_a_sample(
    tmp_path, faults, success
):
    con = duck.connect(tmp_path / "one.duckdb")
    con.execute("create schema gold")
    con.execute("create table gold.one as select 1 as id")
    con.close()
    check = no_rows(
        "nothing", f"select * from {{batch}} where nextval('asked') {faults}", "accuracy"
    )
    with closing(DuckDBEvaluator(threads=1)) as opened:
        opened.attach_schema(tmp_path / "one.duckdb", "gold")
        opened.execute("create sequence asked")
        (result,) = opened.run_all(
            "gold", [Suite("gold.one", "gold.one", ("gold", "one"), [check])]
        )
        ((next_number,),) = opened.execute("select nextval('asked')")
    assert result.success is success
    assert result.observed == ("0" if success else "1")
    assert next_number - 1 == (1 if success else 2)
