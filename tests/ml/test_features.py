"""Features: worked by hand on the smallest company, and blind to everything after the date."""

from __future__ import annotations

import math
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import pandas as pd
import pytest

from ml.churn import labels
from ml.features import FEATURES, features, snapshot_of, snapshots
from tests.ml import company
from tests.ml.rendered import rendered
from warehouse.duck import connect
from warehouse.errors import WarehouseError

T = datetime(2025, 3, 1, tzinfo=UTC)


@pytest.fixture
def small():
    """An empty gold, to be filled by hand."""
    con = connect(":memory:")
    tables, _ = company.simulate(12, 200, 1)
    company.fill(con, tables, rows=False)
    yield con
    con.close()


def _described(con, *moments):
    """Features as of dates that gold has no snapshot of by itself."""
    company.describe(con, moments)
    return features(con, list(moments))


def _customer(con, customer="a", signup="2025-01-01"):
    con.execute(
        "insert into gold.dim_customers by name select ? as customer_id, 'Team' as tier, ?::timestamp as signup_date",
        [customer, signup],
    )
    con.execute(
        "insert into gold.dim_customers_history by name select ? as customer_id, 'Team' as tier, ?::timestamp as valid_from",
        [customer, signup],
    )


def _calls(con, day, count, failed=0, ms=100):
    con.execute(
        """insert into gold.fact_api_usage by name
        select 'a' as customer_id, ?::timestamp + interval 12 hour as "timestamp",
            case when n < ? then 500 else 200 end as response_code, ? as response_time_ms from range(?) as r(n)""",
        [day, failed, ms, count],
    )


def _movement(con, at, kind, minor, currency="USD", customer="a"):
    con.execute(
        """insert into gold.fact_mrr_movements by name select ? as id, ? as customer_id, ? as currency,
        ? as movement_type, ? as amount_minor, ? as amount_reporting_minor, ?::timestamp as occurred_at,
        ?::timestamp::date as date_partition""",
        [customer + at, customer, currency, kind, minor, minor, at, at],
    )


def _event(con, at, kind, status="active", customer="a", subscription="s"):
    con.execute(
        """insert into gold.fact_subscription_events by name select ? as id, ? as customer_id, ? as subscription_id,
        ? as event_type, ? as status, ?::timestamp as occurred_at""",
        [subscription + at + kind, customer, subscription, kind, status, at],
    )


def _billed(con, start, end, quantity, subscription="s", kind="subscription", is_proration=False):
    con.execute(
        """insert into gold.fact_revenue by name select 'a' as customer_id, ? as subscription_id, 'line' as entry_type,
        ? as revenue_type, ? as is_proration, ? as quantity, ?::timestamp as billing_period_start,
        ?::timestamp as billing_period_end, ?::timestamp as processed_at, 100 as amount_reporting_minor""",
        [subscription, kind, is_proration, quantity, start, end, start],
    )


def test_worked_by_hand(small):
    _customer(small)
    _calls(small, "2025-01-20", 8)  # 40 days before
    _calls(small, "2025-02-10", 20, failed=5, ms=200)  # 19 days before
    _calls(small, "2025-02-28", 10, failed=1, ms=100)  # the day before
    _calls(small, "2025-03-01", 99)  # of the day itself, after t
    _movement(small, "2025-01-05", "new", 1000)
    _movement(small, "2025-02-20", "expansion", 500)
    small.execute("""insert into gold.fact_support_tickets by name
        select *, created_at::date as date_partition
        from (values ('t1', 'a', '2025-01-10'::timestamp, '2025-01-12'::timestamp),
            ('t2', 'a', '2025-02-15', null), ('t3', 'a', '2025-02-26', '2025-03-05'), ('t4', 'a', '2025-03-02', null))
        as t(ticket_id, customer_id, created_at, first_solved_at)""")
    small.execute("""insert into gold.fact_feature_usage by name
        select 'a' as customer_id, f as feature_name, 1 as usage_count, d::timestamp as first_used_at, d::date as date_partition
        from (values ('x', '2025-02-27'), ('y', '2025-01-02'), ('z', '2025-03-02')) as t(f, d)""")
    small.execute("""insert into silver.int_users by name
        select * from (values ('u1', 'a', '2025-01-01'::timestamp), ('u2', 'a', '2025-02-01'), ('u3', 'a', '2025-03-02'))
        as t(user_id, customer_id, created_at)""")
    small.execute("""insert into silver.int_logins by name
        select 'a' as customer_id, s as session_seconds, t::timestamp as logged_in_at
        from (values (60, '2025-01-15'), (120, '2025-02-20 09:00'), (180, '2025-02-20 15:00'), (99, '2025-03-01')) as l(s, t)""")
    small.execute("""insert into silver.int_survey_answers by name
        select 'a' as customer_id, * from (values ('n1', 'nps', 4, '2025-01-10'::timestamp), ('n2', 'nps', 9, '2025-02-10'),
            ('n3', 'nps', 0, '2025-03-02'), ('c1', 'ces', 6, '2025-02-11')) as s(answer_id, survey_kind, score, answered_at)""")
    small.execute("""insert into silver.int_satisfaction_ratings by name
        select * from (values ('t1', 'bad', '2025-01-13'::timestamp), ('t2', 'good', '2025-03-02')) as r(ticket_id, score, updated_at)""")
    row = _described(small, T).iloc[0]
    assert row["days_since_signup"] == 59
    assert row["calls_7d"] == 10
    assert row["calls_30d"] == 30
    assert row["active_days_30d"] == 2
    assert row["response_ms_30d"] == pytest.approx((20 * 200 + 10 * 100) / 30)
    assert row["error_rate_30d"] == pytest.approx(6 / 30)
    assert row["error_rate_7d"] == pytest.approx(0.1)
    assert row["days_since_last_call"] == 1
    assert row["tickets_30d"] == 2
    assert row["tickets_90d"] == 3
    assert row["slow_tickets_180d"] == 1  # t2 has waited for 14 days, t3 for 3
    assert row["calls_usual_30d"] == pytest.approx(38 / 59 * 30)  # over the days since signup
    assert row["calls_trend_30d"] == pytest.approx(math.log((30 + 3) / (8 + 3)))
    assert row["users"] == 2
    assert row["logins_30d"] == 2
    assert row["logins_per_user_ever"] == pytest.approx(3 / 2 / 59 * 30)
    assert row["login_days_30d"] == 1
    assert row["session_minutes_30d"] == 5
    assert row["engagement_30d"] == pytest.approx((2 / 30 + 1 / 30) / 2)
    assert row["nps_last"] == 9
    assert row["nps_mean_365d"] == 6.5
    assert row["effort_score_365d"] == 6
    assert (row["bad_ratings_365d"], row["good_ratings_365d"]) == (1, 0)
    assert row["feature_adoption_30d"] == 0.5  # x of x and y; z was not known yet
    assert row["features_used_90d"] == 2
    assert row["mrr_reporting"] == 1500
    assert row["mrr_change_30d"] == 0.5
    assert row["tier"] == "Team"


def test_a_customer_is_there_from_signup_on(small):
    _customer(small, "a", "2025-01-01")
    _customer(small, "late", "2025-03-02")
    assert list(_described(small, T)["customer_id"]) == ["a"]
    later = T + timedelta(days=5)
    assert list(_described(small, T, later)["customer_id"]) == ["a", "a", "late"]


def test_many_dates_are_the_single_dates_together(own):
    con = connect(own.settings.warehouse_db)
    moments = [T, T + timedelta(days=17), T + timedelta(days=60)]
    together = _described(con, *moments)
    apart = pd.concat([_described(con, moment) for moment in moments])
    con.close()
    apart = apart.sort_values(["customer_id", "as_of"]).reset_index(drop=True)
    pd.testing.assert_frame_equal(together, apart)


def test_a_date_that_gold_does_not_describe_is_refused(con):
    with pytest.raises(WarehouseError, match="does not describe customers as of 2025-03-02"):
        features(con, T + timedelta(days=1))


def test_customers_are_described_thrice_a_month_and_today(con):
    days = [moment.day for moment in snapshots(con)]
    assert set(days) == {1, 11, 21}
    assert snapshot_of(con) == (company.END, company.END.date())
    query = rendered("feature_dates", now="2025-06-18 00:00:00")
    found = con.execute(f"select as_of_date from ({query})").fetchall()
    assert (date(2025, 6, 18),) in found


GARBLE = {
    "fact_api_usage": ('"timestamp"', "response_code = 500, response_time_ms = 99999"),
    "fact_mrr_movements": ("occurred_at", "amount_minor = 1, amount_reporting_minor = 1, movement_type = 'churn'"),
    "fact_feature_usage": ("first_used_at", "feature_name = feature_name || random()::varchar"),
    "fact_support_tickets": ("created_at", "solved_at = null"),
    "fact_customer_health": ("calculated_at", "last_login_date = '2020-01-01', support_tickets_open = 77"),
    "int_logins": ("logged_in_at", "session_seconds = 99999"),
    "int_users": ("created_at", "customer_id = 'acc_0001'"),
    "int_survey_answers": ("answered_at", "score = 0"),
    "int_satisfaction_ratings": ("updated_at", "score = 'bad'"),
    "fact_subscription_events": (
        "occurred_at", "status = 'past_due', event_type = 'cancel_requested'"),
    "fact_revenue": ("processed_at", "amount_reporting_minor = 1, quantity = 777, billing_period_end = '2025-04-02'"),
    "fact_customer_months": ("month", "closing_mrr_reporting_minor = 1"),
    "dim_customers_history": ("valid_from", "tier = 'garbled'"),
}  # fmt: skip


def _garble(con, how):
    """Change everything after 1 April; returns how many rows that were."""
    touched = 0
    for name, (column, garble) in GARBLE.items():
        table, later = f"{company.schema_of(name)}.{name}", f"{column} > timestamp '2025-04-01'"
        changed = {
            "garbled": f"update {table} set {garble} where {later}",
            "deleted": f"delete from {table} where {later}",
            "doubled": f"insert into {table} select * from {table} where {later}",
        }[how]
        touched += con.execute(changed).fetchone()[0]
    for column in ("first_solved_at", "solved_at"):
        con.execute(
            f"update gold.fact_support_tickets set {column} = '2025-06-30' where {column} > '2025-04-01'"
        )
    con.execute("update gold.dim_customers set tier = 'garbled'")
    return touched


# Each lets one thing after the date in: what the test below must notice.
LEAKS = {
    "the label": ("movements.occurred_at <= members.as_of\n", "true\n"),
    "calls of the day itself": ("used.date_partition < members.as_of_date", "true"),
    "later answers": ("answers.answered_at <= members.as_of", "true"),
    "how a ticket ended": ("least(coalesce(tickets.first_solved_at, members.as_of), members.as_of)",
                           "coalesce(tickets.first_solved_at, members.as_of)"),
}  # fmt: skip


@pytest.mark.parametrize("leak", LEAKS)
def test_a_leak_on_purpose_is_caught(own, leak):
    honest, (bound, let_in) = rendered("customer_features"), LEAKS[leak]
    assert bound in honest
    con = connect(own.settings.warehouse_db)
    query = f"""select * from ({honest.replace(bound, let_in)}) where as_of = timestamp '2025-04-01' order by customer_id"""
    before = con.execute(query).df()
    _garble(con, "garbled")
    with pytest.raises(AssertionError):
        pd.testing.assert_frame_equal(con.execute(query).df(), before)
    con.close()


@pytest.mark.parametrize("how", ["garbled", "deleted", "doubled"])
def test_rows_after_the_date_change_nothing(own, how):
    moment = datetime(2025, 4, 1, tzinfo=UTC)
    con = connect(own.settings.warehouse_db)
    before, paying = features(con, moment), labels.population(con, [moment])
    inputs = labels.segment_inputs(con, moment)
    assert _garble(con, how) > 1000
    company.describe(con)
    pd.testing.assert_frame_equal(features(con, moment), before)
    pd.testing.assert_frame_equal(
        labels.population(con, [moment]).drop(columns="churns"), paying.drop(columns="churns")
    )
    pd.testing.assert_frame_equal(labels.segment_inputs(con, moment), inputs)
    con.close()


def test_the_order_of_rows_changes_nothing(own):
    con = connect(own.settings.warehouse_db)
    before = features(con, T)
    for name in GARBLE:
        table = f"{company.schema_of(name)}.{name}"
        con.execute(
            f"create or replace table {table} as select * from {table} order by hash({name}::varchar)"
        )
    company.describe(con)
    pd.testing.assert_frame_equal(features(con, T), before)
    con.close()


def test_a_missing_value_is_missing_not_zero(con):
    row = features(con, T).set_index("customer_id").loc["never_calls"]
    assert row["calls_30d"] == 0
    assert pd.isna(row["error_rate_30d"])
    assert pd.isna(row["days_since_last_call"])


def test_label_window_is_open_at_t_and_closed_at_30_days(small):
    ends = {"at_t": T, "just_after": T + timedelta(seconds=1), "day_30": T + timedelta(days=30),
            "later": T + timedelta(days=30, seconds=1)}  # fmt: skip
    for customer, at in ends.items():
        _customer(small, customer)
        _movement(small, "2025-02-01", "new", 1000, customer=customer)
        _movement(small, f"{at:%Y-%m-%d %H:%M:%S}", "churn", -1000, customer=customer)
    found = labels.population(small, [T]).set_index("customer_id")["churns"].to_dict()
    assert found == {
        "just_after": True,
        "day_30": True,
        "later": False,
    }  # at_t pays nothing any more


def test_end_already_set(con):
    """A request by t sets the end; before the request it is not known."""
    event = con.execute("""select customer_id, occurred_at from gold.fact_subscription_events
        where event_type = 'cancel_requested' order by id limit 1""").fetchone()
    asked = event[1].replace(tzinfo=UTC)
    found = labels.population(con, [asked - timedelta(hours=1), asked + timedelta(hours=1)])
    own = found[found["customer_id"] == event[0]]
    assert list(own["is_end_set"]) == [False, True]
    assert list(own["churns"]) == [True, True]


def test_two_currencies_are_one_row_in_the_reporting_currency(con):
    row = labels.population(con, [T]).set_index("customer_id").loc["two_currencies"]
    assert row["currency"] == "USD"
    assert row["mrr_minor"] == 9900
    assert (
        row["mrr_reporting_minor"] == 9900 + 5500
    )  # no month's end was over: the rate of the movement's day
    [now] = (
        labels.population(con, [company.END])
        .set_index("customer_id")
        .loc[["two_currencies"]]
        .itertuples()
    )
    assert now.mrr_reporting_minor == 9900 + 6000  # the rate of 30 June


def test_seats_and_periods_are_those_billed_by_then(small):
    _customer(small)
    _event(small, "2025-01-05", "created")
    _event(small, "2025-02-20", "past_due", "past_due")
    _event(small, "2025-01-05", "created", subscription="over")
    _event(small, "2025-01-20", "ended", "canceled", subscription="over")
    _billed(small, "2025-01-05", "2025-02-05", 2)
    _billed(small, "2025-02-05", "2025-03-05", 3)
    _billed(small, "2025-02-10", "2025-03-05", 99, is_proration=True)
    _billed(small, "2025-02-11", "2025-03-31", 5000, kind="usage")
    _billed(small, "2025-03-05", "2025-04-05", 7)  # after t
    _billed(small, "2025-01-05", "2026-01-05", 40, subscription="over")
    row = _described(small, T).iloc[0]
    assert row["days_past_due"] == 9
    assert row["seats"] == 3
    assert row["days_to_period_end"] == 4
    assert row["billing_interval_months"] == pytest.approx(28 * 12 / 365, abs=1e-6)
    assert row["is_renewal_due_30d"] == 1
    assert row["is_past_due"] == 1
    assert row["payment_failures_90d"] == 1


def test_the_end_is_set_when_no_subscription_goes_on(small):
    _customer(small)
    _movement(small, "2025-01-05", "new", 1000)
    _event(small, "2025-01-05", "created")
    _event(small, "2025-01-06", "created", subscription="second")

    def is_set():
        return labels.population(small, [T])["is_end_set"].tolist()

    assert is_set() == [False]
    _event(small, "2025-02-10", "cancel_requested")
    assert is_set() == [False]  # the second goes on
    _event(small, "2025-02-20", "ended", "canceled", subscription="second")
    assert is_set() == [True]
    _event(small, "2025-02-22", "cancel_withdrawn")
    assert is_set() == [False]


def test_every_feature_is_explained(con):
    table = features(con, T)
    assert list(table.columns) == ["customer_id", "as_of", *FEATURES]
    assert table[["customer_id", "as_of"]].duplicated().sum() == 0


def test_importing_costs_nothing():
    code = (
        "import sys, ml, ml.churn\n"
        "heavy = [m for m in ('pandas', 'numpy', 'sklearn', 'scipy', 'duckdb', 'skops', 'matplotlib') if m in sys.modules]\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
