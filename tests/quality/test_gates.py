"""The gates pass a sound company, and name each planted fault."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import pytest

from quality.gates import check
from quality.suites import gold
from serving.publish import current_version, publish
from serving.sql import query
from tests.quality.company import NOW, RECORDS, build_gold, build_landing, land, settings_of
from warehouse import duck, ledger
from warehouse.errors import CallError, GateRefused, WarehouseError

pytestmark = pytest.mark.slow(minutes=4)


@pytest.fixture
def settings(tmp_path):
    return settings_of(tmp_path)


def failed(report):
    return {(result.table, result.expectation) for result in report.failures}


def test_sound_company_passes_all_gates_and_is_published(settings):
    build_landing(settings)
    build_gold(settings)
    report = check(["raw", "gold", "scores"], settings, enforce=True)
    assert report.passed
    assert len(report.results) > 250
    assert {result.gate for result in report.results} == {"raw", "gold", "scores"}
    with ledger.ops(settings) as con:
        rows = con.execute(
            "select gate, count(*), bool_and(success), count(distinct run_id), min(checked_at)::varchar "
            "from check_results group by gate order by gate"
        ).fetchall()
    assert [(row[0], row[2], row[3], row[4]) for row in rows] == [
        (gate, True, 1, "2025-03-01 00:00:00") for gate in ("gold", "raw", "scores")
    ]
    assert sum(row[1] for row in rows) == len(report.results)
    version = publish(settings)
    page = (version.path / "docs" / "quality" / "index.html").read_text()
    assert "gold.fact_revenue" in page
    pages = list((version.path / "docs").rglob("*.html"))
    assert len(pages) > 20
    for written in pages:
        text = written.read_text()
        assert 'src="http' not in text
        assert 'href="http' not in text


GOLD_FAULTS = {
    # planted in SQL: (table, what the gate must say)
    "update gold.fact_revenue set currency = 'usd' where stripe_invoice_id = 'in_1'": (
        "gold.fact_revenue", "currency is a code of three capital letters",
    ),
    "update gold.fact_revenue set revenue_type = 'gift' where stripe_invoice_id = 'in_2'": (
        "gold.fact_revenue", "revenue_type is one of subscription, usage, one_time",
    ),
    "insert into gold.fact_feature_usage select * from gold.fact_feature_usage limit 1": (
        "gold.fact_feature_usage", "(id) is unique",
    ),
    "update gold.fact_api_usage set customer_id = 'acc_nobody' where response_code = 500": (
        "gold.fact_api_usage", "every customer_id is in dim_customers",
    ),
    "update gold.fact_mrr_movements set amount_minor = 5001 where movement_type = 'expansion'": (
        "gold.fact_customer_months", "MRR at month end = sum of all movements before it",
    ),
    "update gold.fact_customer_months set opening_mrr_minor = 1 where customer_id = 'acc_bob' and month = '2025-02-01'": (
        "gold.fact_customer_months", "a month opens with what the month before closed with",
    ),
    "update gold.fact_support_tickets set solved_at = '2030-01-01'": (
        "gold.fact_support_tickets", "solved_at is not in the future",
    ),
    "update gold.dim_customers_history set valid_to = '2025-02-20' where tier = 'Developer' and customer_id = 'acc_ada'": (
        "gold.dim_customers_history", "versions of a customer don't overlap",
    ),
    "update gold.kpi_mrr_monthly set churn_reporting_minor = -21": (
        "gold.kpi_mrr_monthly", "opening + movements = mrr_reporting_minor",
    ),
    "delete from gold.kpi_daily where date_partition = '2025-01-15'": ("gold.kpi_daily", "no day is missing"),
    "update gold.fact_customer_health set health_score = 101 where customer_id = 'acc_cid'": (
        "gold.fact_customer_health", "health_score is at least 0 and at most 100",
    ),
    "delete from gold.fact_experiment_exposures; drop table gold.fact_marketing_spend": (
        "gold.fact_marketing_spend", "table can be read",
    ),
    "alter table gold.dim_endpoints rename column id to key; update gold.dim_date set date = null where false; "
    "delete from gold.dim_endpoints": ("gold.dim_endpoints", "has rows"),
}  # fmt: skip


def test_each_planted_fault_in_gold_is_named(settings):
    build_gold(settings, *GOLD_FAULTS)
    report = check("gold", settings)
    assert failed(report) == set(GOLD_FAULTS.values())
    detail = {(r.table, r.expectation): r.detail for r in report.failures}
    assert "(acc_nobody)" in detail["gold.fact_api_usage", "every customer_id is in dim_customers"]
    assert (
        "15001"
        in detail["gold.fact_customer_months", "MRR at month end = sum of all movements before it"]
    )


SCORE_FAULTS = {
    "update gold.customer_churn_scores set risk_band = 'High' where customer_id = 'acc_bob'": (
        "gold.customer_churn_scores", "the band agrees with the probability (0.2, 0.5, 0.8, lower edge inclusive)",
    ),
    "delete from gold.customer_churn_scores where customer_id = 'acc_ada'": (
        "gold.customer_churn_scores", "every paying customer is scored",
    ),
    "insert into gold.customer_churn_scores values ('x', 'acc_cid', 1.5, 'Critical', timestamp '2025-02-28', 'y')": (
        "gold.customer_churn_scores", "churn_probability is at least 0 and at most 1",
    ),
    "insert into gold.customer_segments values ('z', 'acc_cid', 'dormant', 'Hibernating')": (
        "gold.customer_segments", "one segment per customer",
    ),
    "delete from gold.customer_segments where customer_id = 'acc_ada'": (
        "gold.customer_segments", "every customer has a segment",
    ),
}  # fmt: skip


def test_each_planted_fault_in_scores_is_named(settings):
    build_gold(settings, *SCORE_FAULTS)
    assert failed(check("scores", settings)) == set(SCORE_FAULTS.values())


DAN = (
    ("insert into gold.dim_customers select md5('acc_dan'), 'acc_dan', 'dan@example.com', 'Dan', 'media', 'Team', "
    "timestamp '{at}', null, 50, timestamp '{at}', timestamp '{at}'"),
    ("insert into gold.fact_mrr_movements select 'dan', 'acc_dan', 'USD', 'new', 5000, timestamp '{at}', "
    "date '2025-03-01'"),
    "insert into gold.fact_customer_months select 'dan', 'acc_dan', date '2025-03-01', 'USD', 5000, 5000",
)  # fmt: skip


@pytest.mark.parametrize(
    ("at", "unscored"),
    [
        ("2025-03-01 00:35:00", set()),  # after the instant that today's scores are of
        ("2025-02-28 23:59:00", {"every paying customer is scored", "every customer has a segment"}),
    ],
)  # fmt: skip
def test_who_comes_today_is_scored_tomorrow(settings, at, unscored):
    build_gold(settings, *(statement.format(at=at) for statement in DAN))
    report = check("scores", settings.over(as_of=NOW + timedelta(hours=1)))
    assert {expectation for _, expectation in failed(report)} == unscored


def test_days_and_months_are_those_of_the_reporting_calendar(settings):
    # in Tokyo 1 March has begun, and an expansion of late 31 January UTC is February's
    tokyo = settings.over(
        reporting_timezone="Asia/Tokyo", as_of=datetime(2025, 2, 28, 16, tzinfo=UTC)
    )
    changes = (
        (
            "update gold.fact_mrr_movements set occurred_at = '2025-01-31 15:31:00', date_partition = '2025-02-01' "
            "where movement_type = 'expansion'"
        ),
        "update gold.fact_customer_health set date_partition = '2025-03-01'",
    )
    build_gold(tokyo, *changes)
    assert failed(check("gold", tokyo)) == set()
    # by UTC it is 28 February
    build_gold(settings, *changes)
    assert failed(check("gold", tokyo.over(reporting_timezone="UTC"))) == {
        ("gold.fact_customer_health", "date_partition is not in the future"),
        ("gold.feature_dates", "as_of_date is not in the future"),
    }


BEFORE_ITS_FIRST_INVOICE = (
    "update gold.dim_customers set mrr = 0",
    *(
        f"delete from gold.{table}"
        for table in (
            "fact_revenue", "fact_mrr_movements", "fact_customer_months", "fact_subscription_events", "kpi_mrr_monthly",
            "fact_support_tickets", "fact_marketing_spend", "customer_churn_scores",
        )
    ),
)  # fmt: skip


def test_a_company_before_its_first_invoice_passes_but_no_paid_invoice_is_lost(settings):
    build_gold(settings, *BEFORE_ITS_FIRST_INVOICE)
    assert check(["gold", "scores"], settings).passed
    paid = "create table gold.fact_invoices as select 'in_1' as id, 'in_1' as stripe_invoice_id, 100 as amount_paid_minor"
    build_gold(settings, *BEFORE_ITS_FIRST_INVOICE, paid)
    assert failed(check("gold", settings)) == {
        ("gold.fact_revenue", "there is revenue where an invoice was paid")
    }


def test_a_file_that_was_landed_anew_is_looked_at_whole(settings):
    build_landing(settings)
    check("raw", settings, enforce=True)
    land(settings, "usage", "api_calls", "not json")  # an id that has passed
    assert check("raw", settings).passed
    con = duck.connect(settings.landing("usage"))
    con.execute("update landing.loads set committed_at = '2025-03-01' where load_id = 1")
    con.close()
    assert failed(check("raw", settings)) == {("raw_usage.api_calls", "every row is a JSON object")}


def test_each_planted_fault_in_landing_is_named(settings):
    build_landing(settings)
    call = RECORDS["usage", "api_calls"]
    customer = RECORDS["stripe", "customers"]
    land(settings, "usage", "api_calls", {**call, "request_id": None})
    land(settings, "product", "accounts", {"id": "acc_x", "signup_at": "yesterday"})
    land(settings, "support", "tickets", {"id": 2, "created_at": "2031-01-01T00:00:00Z"})
    land(settings, "stripe", "customers", {**customer, "id": "cus_2", "livemode": True})
    land(
        settings, "stripe", "charges", {**RECORDS["stripe", "charges"], "id": "ch_2", "amount": 1.5}
    )
    land(settings, "inputs", "fx_rates", "not json")
    land(settings, "inputs", "ad_spend", RECORDS["inputs", "ad_spend"], quarantined=1)
    con = duck.connect(settings.landing("product"))
    con.execute(
        "insert into raw_product.users values ('{\"id\": 1}', 1, now()::timestamp, 0, 1, null)"
    )
    con.close()
    assert failed(check("raw", settings)) == {
        ("raw_usage.api_calls", "key (request_id) is never null"),
        ("raw_product.accounts", "signup_at is a readable instant"),
        ("raw_support.tickets", "created_at is not in the future"),
        ("raw_stripe.customers", "livemode is false, as the key says"),
        ("raw_stripe.charges", "money is whole minor units (amount, amount_refunded)"),
        ("raw_inputs.fx_rates", "every row is a JSON object"),
        ("raw_inputs", "at most 1.0% of the new rows were quarantined"),
        ("raw_product.users", "rows in the table = rows the load table counted"),
        ("raw_product.users", "created_at is a readable instant"),
    }


def test_objects_of_the_other_mode_in_quarantine_are_no_fault(settings):
    build_landing(settings)
    record = RECORDS["stripe", "charges"]
    land(
        settings,
        "stripe",
        "charges",
        record,
        quarantined=3,
        reason="livemode is true, expected false",
    )
    assert check("raw", settings).passed


def test_deleted_stripe_objects_need_no_instant(settings):
    build_landing(settings)
    land(
        settings,
        "stripe",
        "customers",
        {"id": "cus_1", "object": "customer", "deleted": True},
        load_id=2,
    )
    assert check("raw", settings).passed


def test_raw_gate_looks_at_new_loads_only_once_the_former_have_passed(settings):
    build_landing(settings)
    check("raw", settings, enforce=True)
    # an old row goes bad behind the gate's back: not looked at again; a new bad row is
    con = duck.connect(settings.landing("usage"))
    con.execute("update raw_usage.api_calls set _raw = 'broken'")
    con.close()
    assert check("raw", settings).passed
    land(settings, "usage", "api_calls", "also broken", load_id=2)
    report = check("raw", settings)
    assert failed(report) == {("raw_usage.api_calls", "every row is a JSON object")}
    assert report.failures[0].detail.startswith("1 rows break it")
    # it stays on the table until it is gone
    assert not check("raw", settings).passed


def test_refusing_gate_blocks_the_publish_and_the_version_before_stays(settings):
    build_landing(settings)
    build_gold(settings)
    check(["raw", "gold", "scores"], settings, enforce=True)
    before = publish(settings)
    build_gold(settings, "update gold.fact_revenue set revenue_type = 'gift'")
    with pytest.raises(GateRefused) as refused:
        check(["gold", "scores"], settings, enforce=True)
    assert refused.value.exit_code == 4
    assert refused.value.gate == "gold"
    for word in ("gold.fact_revenue", "revenue_type", "subscription, usage, one_time", "3 rows"):
        assert word in refused.value.message
    with pytest.raises(GateRefused, match=r"gold\.fact_revenue\.revenue_type"):
        publish(settings)
    assert current_version(settings).name == before.name


def test_sudden_drop_against_the_published_version_fails(settings):
    build_landing(settings)
    build_gold(settings)
    check(["raw", "gold", "scores"], settings, enforce=True)
    publish(settings)
    build_gold(settings, "delete from gold.fact_api_usage where response_time_ms > 300")
    report = check("gold", settings)
    assert failed(report) == {
        ("gold.fact_api_usage", "has at least 80% of the published version's 300 rows")
    }
    assert "observed 201" in report.failures[0].detail


def test_source_that_is_off_in_real_mode_is_no_fault(tmp_path):
    settings = settings_of(tmp_path, mode="real", stripe_api_key="sk_live_x")
    build_landing(settings_of(tmp_path))
    settings.landing("support").unlink()
    settings.landing("stripe").unlink()
    build_gold(settings, "drop table gold.fact_support_tickets")
    raw = check("raw", settings)
    assert {(r.table, r.success) for r in raw.results if r.table in ("raw_support", "raw_stripe")} == {
        ("raw_support", True), ("raw_stripe", False),
    }  # fmt: skip
    report = check("gold", settings)
    assert report.passed
    said = [r.detail for r in report.results if r.table == "gold.fact_support_tickets"]
    assert said == ["source support is off"]


@pytest.mark.parametrize(
    ("off", "must_have_rows"),
    [
        ((), {"kpi_daily", "kpi_usage_daily", "kpi_activation_monthly"}),
        (("support", "product", "usage"), {"kpi_daily"}),
        (("support", "product", "stripe", "inputs"), {"kpi_usage_daily"}),
    ],
)
def test_tables_that_live_on_a_source_that_is_off_may_be_empty(off, must_have_rows):
    names = ("kpi_daily", "kpi_usage_daily", "kpi_support_daily", "kpi_activation_monthly")
    tables = {name: gold.Table(name, {"day": "DATE"}, rows=0) for name in names}
    suites = gold.suites(tables, gold.moment(datetime(2025, 3, 1), "UTC"), off)
    asked = {
        suite.table.removeprefix("gold.")
        for suite in suites
        if any(check.says == "has rows" for check in suite.checks)
    }
    assert asked == must_have_rows


def test_late_source_is_a_warning_that_blocks_nothing(settings):
    build_gold(settings, "update gold.complete_through set complete_through = '2025-02-20'")
    report = check("gold", settings, enforce=True)
    late = {r.table: r.detail for r in report.warnings}
    assert {r.dimension for r in report.warnings} == {"timeliness"}
    assert "(usage, api_calls, 2025-02-20 00:00:00)" in late.pop("gold.complete_through")
    # the stream, and every table that is made of its source
    assert set(late) == {
        "raw_usage.api_calls", "gold.dim_features", "gold.dim_endpoints", "gold.fact_api_usage",
        "gold.fact_feature_usage", "gold.kpi_daily",
    }  # fmt: skip
    assert set(late.values()) == {"usage.api_calls is complete only through 2025-02-20 00:00"}


def test_a_gap_of_the_last_weeks_is_a_warning_that_names_the_day(settings):
    build_gold(
        settings,
        "update gold.completeness_ledger set date_day = '2025-02-20' where state = 'empty'",
    )
    report = check("gold", settings, enforce=True)
    gaps = {r.table: r.detail for r in report.warnings}
    assert {r.dimension for r in report.warnings} == {"completeness"}
    assert "(product, logins, 2025-02-20" in gaps.pop("gold.completeness_ledger")
    # usage has come; what customers are made of has not, whole
    assert {"gold.dim_customers_history", "gold.kpi_daily"} <= set(gaps)
    assert "gold.fact_api_usage" not in gaps
    assert set(gaps.values()) == {"product.logins empty on 2025-02-20"}


def test_a_planted_row_lowers_its_dimension_of_its_table_until_it_is_mended(settings):
    build_landing(settings)
    build_gold(settings)
    check(["raw", "gold", "scores"], settings, enforce=True)
    first = publish(settings)
    scores = (
        "select date_partition, table_name, completeness, accuracy, consistency, timeliness, validity "
        "from gold.data_quality_scores"
    )
    sound = query(settings, scores).rows
    assert {value for row in sound for value in row[2:]} == {1.0, None}

    tomorrow = settings.over(as_of=NOW + timedelta(days=1))
    build_gold(
        tomorrow,
        "update gold.fact_api_usage set response_time_ms = -7 where id = md5('req_7')",
        "update gold.complete_through set complete_through = '2025-03-01'",
    )
    assert failed(check("gold", tomorrow)) == {
        ("gold.fact_api_usage", "response_time_ms is at least 0")
    }
    with pytest.raises(GateRefused):
        publish(tomorrow)
    build_gold(tomorrow, "update gold.complete_through set complete_through = '2025-03-01'")
    later = settings.over(as_of=NOW + timedelta(days=2))
    check(["raw", "gold", "scores"], later, enforce=True)
    assert publish(later).name > first.name

    # the day on which nothing could be published is on record too: it is the trend
    lowered = [
        (str(row[0]), *row[1:])
        for row in query(settings, scores).rows
        if set(row[2:]) - {1.0, None}
    ]
    (count,) = query(
        settings,
        "select sum(if(severity = 'error', 3, 1)) from ops.check_results where table_name = 'gold.fact_api_usage' "
        "and dimension = 'validity' and checked_at = timestamp '2025-03-02'",
    ).rows[0]
    assert lowered == [
        ("2025-03-02", "gold.fact_api_usage", 1.0, None, 1.0, 1.0, pytest.approx((count - 3) / count))
    ]  # fmt: skip
    issues = query(
        settings,
        "select table_name, dimension, detail, first_seen_at::date::varchar, resolved_at::date::varchar, is_open, "
        "recommendation <> '' from gold.data_quality_issues",
    )
    assert issues.rows == [
        ("gold.fact_api_usage", "validity", "1 rows break it, such as -7", "2025-03-02", "2025-03-03", False, True)
    ]  # fmt: skip


def test_unknown_gate_and_missing_warehouse_say_what_to_do(settings):
    with pytest.raises(CallError, match="no gate 'silver'"):
        check("silver", settings)
    with pytest.raises(WarehouseError, match="no warehouse to check") as missing:
        check("gold", settings)
    assert "warehouse build" in missing.value.hint


def test_results_can_be_told_to_machines(settings):
    build_gold(settings)
    report = check("scores", settings)
    json.dumps([result.__dict__ for result in report.results])
