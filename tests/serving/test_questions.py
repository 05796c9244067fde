"""Saved questions: files that any client can run, the project's and a person's own."""

from __future__ import annotations

import stat
from decimal import Decimal

import duckdb
import pytest

from serving import questions
from serving.questions import Chart, Question
from tests.quality.company import settings_of
from warehouse.errors import CallError


@pytest.fixture
def settings(tmp_path):
    return settings_of(tmp_path)


def test_what_is_saved_is_found_again(settings):
    asked = Question(
        "plans", "Plans: an overview", "select 1 -- of all\n", "All of them, 'old' too\nand new.", Chart("bar", "a", "b")
    )  # fmt: skip
    path = questions.save(settings, asked)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(path.parent.iterdir()) == [path]
    found = questions.find(settings, "plans")
    assert (found.title, found.description, found.chart) == (
        asked.title,
        asked.description,
        asked.chart,
    )
    assert found.sql == "select 1 -- of all"
    assert found.is_own
    # any client takes the file as it is: a head of comments, then SQL
    lines = path.read_text().splitlines()
    assert lines[-1] == "select 1 -- of all"
    assert all(line.startswith("-- ") for line in lines[:-1])


def test_one_is_not_written_over_by_chance(settings):
    questions.save(settings, Question("plans", "Plans", "select 1"))
    with pytest.raises(CallError, match="already"):
        questions.save(settings, Question("plans", "Plans", "select 2"))
    questions.save(settings, Question("plans", "Plans", "select 2"), replace=True)
    assert questions.find(settings, "plans").sql == "select 2"


@pytest.mark.parametrize("first", ["-- of all plans", "-- title: hijack", "-- ---", "--"])
def test_sql_that_begins_with_a_comment_is_kept_whole(settings, first):
    asked = Question("plans", "Plans", f"{first}\nselect 1", "All of them.", Chart("bar", "a", "b"))
    questions.save(settings, asked)
    found = questions.find(settings, "plans")
    assert (found.title, found.description, found.chart, found.sql) == (
        asked.title,
        asked.description,
        asked.chart,
        asked.sql,
    )


def test_a_head_without_its_last_line_is_read_as_before(settings):
    questions.own_folder(settings).mkdir()
    (questions.own_folder(settings) / "old.sql").write_text(
        "-- title: Old\n-- description: 'Two\n\n--   lines'\n-- chart:\n--   kind: bar\n--   x: a\n--   y: b\nselect 1\n".replace(
            "Two\n\n", "Two\n-- \n"
        )
    )
    assert questions.find(settings, "old") == Question(
        "old", "Old", "select 1", "Two\nlines", Chart("bar", "a", "b"), is_own=True
    )


@pytest.mark.parametrize("name", ["../plans", "a/b", "", "Plans", ".hidden", "x" * 64])
def test_a_name_is_no_path(settings, name):
    with pytest.raises(CallError, match="no name for a question"):
        questions.save(settings, Question(name, "x", "select 1"))


def test_nothing_is_no_question(settings):
    with pytest.raises(CallError, match="no SQL"):
        questions.save(settings, Question("x", "x", "  \n"))


@pytest.mark.parametrize(
    "head", ["-- title: [", "-- chart: {kind: pie, x: a, y: b}", "-- chart: {x: a}", "-- - a list"]
)
def test_a_head_that_cannot_be_read_hides_no_question(settings, head):
    folder = questions.own_folder(settings)
    folder.mkdir()
    (folder / "odd.sql").write_text(f"{head}\nselect 1\n")
    found = questions.find(settings, "odd")
    assert "can't be read" in found.description
    assert "select 1" in found.sql


def test_a_file_without_a_head_is_a_question(settings):
    questions.own_folder(settings).mkdir()
    (questions.own_folder(settings) / "bare.sql").write_text("select 1")
    assert questions.find(settings, "bare") == Question("bare", "bare", "select 1", is_own=True)


def test_a_title_makes_a_name():
    assert questions.name_of("MRR, by Tier (net)!") == "mrr_by_tier_net"


def test_the_projects_own_say_what_they_are(settings):
    shipped = [one for one in questions.all_questions(settings) if not one.is_own]
    assert len(shipped) >= 8
    for question in shipped:
        assert question.title != question.name
        assert len(question.description) > 40
        assert "can't be read" not in question.description


# --- what the project's own say of a company -----------------------------------------------------------

# One customer who pays 12,345 minor units a month, of a reporting currency with so many of them in one.
GOLD = """
create schema gold;
create table gold.kpi_mrr_monthly as
    select date '2025-02-01' as month_start_on, true as is_complete, 12345::decimal(28, 6) as mrr_reporting_minor,
        (12345 / {units})::decimal(28, 6) as mrr_amount;
create table gold.kpi_revenue_by_dimension as
    select month_start_on, is_complete, mrr_reporting_minor, 'tier' as dimension, 'Team' as value, 1 as paying_customers
    from gold.kpi_mrr_monthly;
create table gold.dim_customers as
    select 'acc_ada' as customer_id, 'Ada' as company_name, 'Team' as tier, mrr_reporting_minor, true as is_paying
    from gold.kpi_mrr_monthly;
create table gold.customer_churn_scores as
    select customer_id, mrr_reporting_minor, mrr_reporting_minor / 5 as mrr_at_risk_reporting_minor, 0.2 as churn_probability,
        'Medium' as risk_band, 'calls' as factor_1_name, 1.0 as factor_1_value, 'logins' as factor_2_name,
        'call' as recommended_action, true as is_latest, false as is_end_already_set
    from gold.dim_customers;
create table gold.fact_support_tickets as select 'acc_ada' as customer_id, timestamp '2025-02-20' as created_at;
create table gold.fact_customer_health as
    select 'acc_ada' as customer_id, day::date as date_partition, 100 - n as health_score, 1 as api_calls_last_30d,
        0 as support_tickets_open, 'ok' as payment_status
    from range(31) as days(n), lateral (select date '2025-02-01' + n::int as day);
create table gold.fact_mrr_movements as
    select 'acc_ada' as customer_id, occurred_at, occurred_at::date + in_tokyo as date_partition, type as movement_type,
        1.0 as amount, 'USD' as currency, 1.0 as amount_reporting
    from (values
        (timestamp '2025-01-31 14:00', 0, 'January'), (timestamp '2025-01-31 16:00', 1, 'February'),
        (timestamp '2025-02-28 14:00', 0, 'February'), (timestamp '2025-02-28 16:00', 1, 'March')
    ) as t(occurred_at, in_tokyo, type);
"""


def answered(settings, name: str, units: int) -> list[dict]:
    with duckdb.connect() as con:
        con.execute(GOLD.format(units=units))
        cursor = con.execute(questions.find(settings, name).sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.mark.parametrize(
    "name", ["mrr_by_tier", "leaving_soon", "falling_health", "costly_support"]
)
@pytest.mark.parametrize(("units", "mrr"), [(1, "12345"), (100, "123.45"), (1000, "12.345")])
def test_amounts_are_right_in_any_reporting_currency(settings, name, units, mrr):
    (row,) = answered(settings, name, units)
    assert Decimal(str(row["mrr"])) == Decimal(mrr)
    if name == "leaving_soon":
        assert row["mrr_at_risk"] == pytest.approx(float(mrr) / 5)


def test_movements_of_a_month_are_those_of_the_reporting_zones_days(settings):
    rows = answered(settings, "mrr_movements_last_month", 100)
    assert [row["movement_type"] for row in rows] == ["February", "February"]
