"""The whole road, by the command line: from the sources to published gold, equal to the truth.

The company is small (60 customers, 8 months, 20,000 calls) and holds every odd customer of sandbox/README.md.
"""

import json
import shutil
from datetime import date

import duckdb
import pytest

from tests.road.conftest import Warehouse
from tests.road.gold import contents, differences

# the days are one fixture: on a busy machine they take longer than a test may
pytestmark = [pytest.mark.slow(minutes=10), pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def moved_on(road, tmp_path_factory) -> Warehouse:
    """A copy of the road on which two more days have passed, each taken in by a run of its own."""
    warehouse = Warehouse(tmp_path_factory.mktemp("moved") / "data")
    shutil.copytree(road.home, warehouse.home, symlinks=True)
    for _ in range(2):
        warehouse("sandbox", "advance", "--days", "1")
        warehouse("run")
    return warehouse


def test_gold_equals_the_truth(road):
    tables = json.loads(road("verify", "--json"))
    compared = {table["name"]: table["compared"] for table in tables}
    assert {table["name"]: table["examples"] for table in tables if table["differences"]} == {}
    for name in ("customers", "mrr_month_end", "revenue", "calls", "tickets", "churned"):
        assert compared[name] > 0, name


def test_verify_finds_a_planted_difference(road, tmp_path):
    warehouse = Warehouse(tmp_path / "data")
    shutil.copytree(road.home, warehouse.home, symlinks=True)
    truth = warehouse.home / "sandbox" / "truth" / "mrr_month_end.csv"
    lines = truth.read_text().splitlines()
    cells = lines[-1].split(",")
    cells[-1] = "1.000000"
    truth.write_text("\n".join([*lines[:-1], ",".join(cells)]) + "\n")
    output = warehouse("verify", expect=1)
    assert "mrr_month_end" in output
    assert "1 differences" in output


def test_a_second_run_changes_nothing(road):
    before = (road.home / "published" / "current").resolve()
    gold = contents(road.settings.warehouse_db)
    road("run")
    assert (road.home / "published" / "current").resolve() == before
    assert differences(gold, contents(road.settings.warehouse_db)) == []


def test_more_days_are_taken_in_and_equal_the_truth(road, moved_on):
    tables = json.loads(moved_on("verify", "--json"))
    assert {table["name"]: table["examples"] for table in tables if table["differences"]} == {}
    then = json.loads(road("verify", "--json"))
    calls = {t["name"]: t["compared"] for t in tables}["calls"]
    assert calls > {t["name"]: t["compared"] for t in then}["calls"]


def test_the_warehouse_file_is_disposable(moved_on, tmp_path):
    """What was built on day by day is what is built at once, scores too."""
    before = contents(moved_on.settings.warehouse_db)
    assert len(before) > 20
    fresh = Warehouse(tmp_path / "data")
    shutil.copytree(moved_on.home, fresh.home, symlinks=True)
    fresh.settings.warehouse_db.unlink()
    fresh("build")
    fresh("score")
    fresh("build", "--layer", "ml")
    assert differences(before, contents(fresh.settings.warehouse_db)) == []


def test_an_analyst_asks_gold_in_three_formats(road):
    query = (
        "select customer_id, mrr from gold.dim_customers where mrr > 0 order by 2 desc, 1 limit 3"
    )
    rows = json.loads(road("sql", query, "--format", "json"))
    assert len(rows) == 3
    csv = road("sql", query, "--format", "csv").splitlines()
    assert csv[0] == "customer_id,mrr"
    assert [line.split(",")[0] for line in csv[1:]] == [row["customer_id"] for row in rows]
    assert rows[0]["customer_id"] in road("sql", query)


def test_the_analyst_edition_holds_no_name_and_no_address(road):
    current = (road.home / "published" / "current").resolve()
    restricted = contents(current / "restricted.duckdb")
    con = duckdb.connect(str(current / "restricted.duckdb"), read_only=True)
    secret = {
        value
        for row in con.execute(
            "select email, company_name, customer_id from gold.dim_customers"
        ).fetchall()
        for value in row
        if value and value != "unknown"
    }
    con.close()
    assert len(secret) > 100
    analyst = contents(current / "analyst.duckdb")
    assert set(analyst) <= set(restricted)
    for table, rows in analyst.items():
        seen = {cell for row in rows for cell in row if isinstance(cell, str)}
        assert seen & secret == set(), table


def test_status_says_how_far_each_source_is_complete(road):
    report = json.loads(road("status", "--json"))
    assert {row["source"] for row in report["sources"]} == {
        "usage",
        "stripe",
        "support",
        "product",
        "inputs",
    }
    for row in report["sources"]:
        assert row["complete_through"], row
        assert row["rows"] > 0


def test_one_clear_line_where_there_is_nothing_to_ask(tmp_path):
    warehouse = Warehouse(tmp_path / "data")
    output = warehouse("sql", "select 1", expect=1)
    assert output.startswith("error: ")
    assert "warehouse run" in output
    assert "Traceback" not in output


def test_the_other_mode_is_refused_on_this_folder(road):
    output = road("run", expect=2, WAREHOUSE_MODE="real")
    assert "never mix" in output


def test_real_mode_without_settings_reads_nothing_and_says_so(tmp_path):
    warehouse = Warehouse(tmp_path / "data")
    report = json.loads(warehouse("status", "--json", WAREHOUSE_MODE="real"))
    assert all("off" in (row["note"] or "") for row in report["sources"])


def test_each_day_is_judged_once_by_the_alerts_and_a_second_run_judges_nothing(moved_on):
    def judged() -> list[tuple]:
        con = duckdb.connect(str(moved_on.settings.ops_db), read_only=True)
        try:
            return con.execute(
                "select rule, cast(period_start as date), count(*) from alert_log "
                "where rule in ('usage_drop', 'revenue_drop', 'health_drop') group by all order by all"
            ).fetchall()
        finally:
            con.close()

    before = judged()
    days = [date(2024, 8, 31), date(2024, 9, 1), date(2024, 9, 2)]
    assert before == [
        (rule, day, 1) for rule in ("health_drop", "revenue_drop", "usage_drop") for day in days
    ]
    assert "0 periods judged" in moved_on("alerts", "check")
    assert judged() == before
