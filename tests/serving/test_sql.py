"""`warehouse sql`: answers on the published edition, and no way out of it."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, datetime
from decimal import Decimal

import pytest
from pyarrow import parquet

from serving.sql import Table, query, render
from tests.quality.company import build_gold, settings_of
from tests.serving.test_publish import pass_gates
from warehouse.errors import CallError, WarehouseError


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    from serving.publish import publish

    settings = settings_of(tmp_path_factory.mktemp("sql"))
    build_gold(settings)
    pass_gates(settings)
    publish(settings)
    return settings


def test_answers_with_columns_and_python_values(settings):
    answer = query(
        settings,
        "select customer_id, mrr, signup_date from gold.dim_customers where customer_id = ?",
        parameters=["acc_ada"],
    )
    assert answer.columns == ["customer_id", "mrr", "signup_date"]
    assert answer.rows == [("acc_ada", Decimal("150.00"), datetime(2025, 1, 1, 10))]


@pytest.mark.parametrize(
    "sql",
    [
        "copy (select 1) to 'stolen.csv'",
        "copy gold.dim_customers to '{folder}/analyst.duckdb.wal'",
        "explain analyze copy (select 1) to '{folder}/analyst.duckdb.wal'",
        "/* x */ explain analyze copy (select 1) to '{folder}/analyst.duckdb.wal'",
        "select * from read_csv('/etc/passwd')",
        "select * from read_text('/etc/passwd')",
        "select * from '/etc/passwd'",
        "select * from glob('/etc/*')",
        "attach '{folder}/restricted.duckdb' as other",
        "install httpfs",
        "load httpfs",
        "set enable_external_access = true",
        "reset lock_configuration",
        "pragma enable_profiling",
        "create table gold.x as select 1",
        "insert into gold.dim_plans select * from gold.dim_plans",
        "drop table gold.dim_plans",
        "update gold.dim_customers set mrr = 1",
        "export database '{folder}/out'",
        "select 1; drop table gold.dim_plans",
        "call pragma_version(); select 1",
        "",
        "nonsense",
    ],
)  # fmt: skip
def test_nothing_but_a_select_within_the_edition_gets_through(settings, sql):
    folder = (settings.published_dir / "current").resolve()
    before = sorted(path.name for path in folder.iterdir())
    with pytest.raises(CallError):
        query(settings, sql.format(folder=folder), edition="analyst")
    assert sorted(path.name for path in folder.iterdir()) == before


def test_the_analyst_can_not_read_the_restricted_file(settings):
    restricted = (settings.published_dir / "current").resolve() / "restricted.duckdb"
    for sql in (f"select * from read_blob('{restricted}')", f"from '{restricted}'"):
        with pytest.raises(CallError):
            query(settings, sql, edition="analyst")


def test_python_variables_are_no_tables(settings):
    secrets = [1, 2, 3]
    assert secrets
    with pytest.raises(CallError, match="secrets"):
        query(settings, "select * from secrets")


def test_looking_around_is_allowed(settings):
    assert query(settings, "show tables from gold").rows
    assert query(settings, "describe gold.dim_customers").rows[0][0] == "id"
    assert query(settings, "summarize gold.fact_revenue").rows
    assert query(settings, "explain select 1").rows
    assert query(settings, "from gold.dim_plans").rows


def test_a_query_that_runs_too_long_is_stopped(settings):
    with pytest.raises(WarehouseError, match=r"longer than 0\.5 s"):
        query(
            settings,
            "select count(*) from range(1000000000000) as a, range(1000000) as b",
            seconds=0.5,
        )


def test_a_query_that_needs_too_much_memory_fails_and_spills_nowhere(settings):
    with pytest.raises(WarehouseError, match="memory"):
        query(
            settings.over(memory_limit="50MB"),
            "select count(*) from (select distinct md5(range::varchar) from range(20000000))",
        )


def test_limit_says_that_it_cut(settings):
    answer = query(settings, "select * from gold.fact_api_usage", limit=10)
    assert (len(answer.rows), answer.is_truncated) == (10, True)
    assert not query(settings, "select 1", limit=1).is_truncated


def test_nothing_published_and_unknown_edition_say_what_to_do(tmp_path):
    with pytest.raises(WarehouseError, match="nothing is published") as nothing:
        query(settings_of(tmp_path), "select 1")
    assert "warehouse run" in nothing.value.hint
    with pytest.raises(CallError, match="no edition"):
        query(settings_of(tmp_path), "select 1", edition="public")


ODD = Table(
    ["name", "amount", "on", "none"],
    [('=HYPERLINK("x")', Decimal("-1.50"), date(2025, 1, 2), None), ("+1", -3, None, None), ("a,\"b\"\n", 0.1, None, None),
     ("@cmd", 1, None, None), ("-x", 1, None, None), ("\tx", 1, None, None)],
)  # fmt: skip


def test_csv_defuses_formulas_and_keeps_numbers():
    rows = list(csv.reader(io.StringIO(render(ODD, "csv").decode())))
    assert rows[0] == ["name", "amount", "on", "none"]
    assert rows[1] == ['\'=HYPERLINK("x")', "-1.50", "2025-01-02", ""]
    assert rows[2][:2] == ["'+1", "-3"]
    assert rows[3][0] == 'a,"b"\n'
    assert [row[0] for row in rows[4:]] == ["'@cmd", "'-x", "'\tx"]


def test_csv_has_a_row_a_row_whatever_breaks_lines_within_a_text():
    texts = ["fine\r=1+1", "two\r\nlines", "\r=1+1", "\n=1+1"]
    made = render(Table(["text"], [(text,) for text in texts]), "csv").decode()
    assert "\r" not in made
    rows = list(csv.reader(io.StringIO(made)))
    assert rows == [["text"], ["fine\n=1+1"], ["two\nlines"], ["'\n=1+1"], ["'\n=1+1"]]


def test_json_keeps_columns_of_one_name_and_any_key_of_a_map(settings):
    answer = query(
        settings,
        "select 1 as id, 2 as id, map {date '2025-01-02': 1.50} as days, map {1.50: 1} as amounts, "
        "map {{'a': date '2025-01-02'}: 1} as structs",
    )
    assert json.loads(render(answer, "json")) == [
        {
            "id": 1, "id_1": 2, "days": {"2025-01-02": "1.50"}, "amounts": {"1.50": 1},
            "structs": {"key": [{"a": "2025-01-02"}], "value": [1]},
        }
    ]  # fmt: skip


def test_json_keeps_every_digit():
    rows = json.loads(render(ODD, "json"))
    assert rows[0] == {
        "name": '=HYPERLINK("x")',
        "amount": "-1.50",
        "on": "2025-01-02",
        "none": None,
    }


def test_parquet_keeps_types_and_names_that_repeat(settings):
    answer = query(
        settings,
        "select mrr, signup_date, null::date as nothing, uuid() as odd, 1 as mrr from gold.dim_customers",
    )
    table = parquet.read_table(io.BytesIO(render(answer, "parquet")))
    assert table.column_names == ["mrr", "signup_date", "nothing", "odd", "mrr_1"]
    assert [str(kind) for kind in table.schema.types] == [
        "decimal128(18, 2)",
        "timestamp[us]",
        "date32[day]",
        "extension<arrow.uuid>",
        "int32",
    ]
    assert table.column(0).to_pylist() == [row[0] for row in answer.rows]
    empty = parquet.read_table(
        io.BytesIO(render(query(settings, "select 1 as a where false"), "parquet"))
    )
    assert (empty.num_rows, empty.column_names) == (0, ["a"])


def test_another_format_is_a_wrong_call():
    with pytest.raises(CallError, match="no format 'xml'"):
        render(ODD, "xml")
