"""`verify` finds nothing where gold is the truth, and names every kind of difference."""

from __future__ import annotations

import shutil

import pytest

from sandbox.verify import verify
from warehouse import duck
from warehouse.errors import CallError, WarehouseError
from warehouse.settings import Settings

GOLD = """
    create schema gold;
    create table gold.dim_customers as
        select customer_id, cast(signup_at as timestamp) as signup_date,
            cast(nullif(first_call_at, '') as timestamp) as first_api_call_date,
            nullif(tier, '') as tier, is_deleted = 'true' as is_deleted
        from truth('customers')
        union all select 'unknown', null, null, null, false;
    create table gold.fact_api_usage as
        select endpoint, cast(left(status_class, 1) as integer) * 100 + 4 as response_code,
            cast(day as timestamp) + interval 5 hour as "timestamp"
        from truth('calls'), range(cast(calls as integer));
    create table gold.fact_revenue as
        select cast(month || '-03' as timestamp) as processed_at, currency, revenue_type,
            cast(amount_minor as bigint) as amount_minor
        from truth('revenue');
    create table gold.fact_revenue_recognised_customer_months as
        select cast(month || '-01' as date) as month, currency, revenue_type, true as is_complete,
            cast(recognised_minor as bigint) as recognised_minor
        from truth('recognised')
        union all select date '2024-07-01', 'USD', 'subscription', false, 5;
    create table gold.fact_revenue_recognised_daily as
        select last_day(cast(month || '-01' as date)) as date_partition, currency,
            cast(deferred_minor as bigint) as deferred_minor,
            cast(unbilled_minor as bigint) as unbilled_minor
        from truth('deferred')
        union all select date '2024-02-10', 'USD', 7, 0;
    create table gold.fact_dunning as
        select invoice_id as stripe_invoice_id, cast(first_failed_at as timestamp) as first_failed_at,
            outcome, cast(nullif(recovered_at, '') as timestamp) as recovered_at
        from truth('dunning');
    create table gold.fact_balance_transactions as
        select cast(month || '-03' as timestamp) as created_at, currency, type as transaction_type,
            cast(amount_minor as bigint) as amount_minor, cast(fee_minor as bigint) as fee_minor,
            cast(net_minor as bigint) as net_minor
        from truth('balance');
    create table gold.fact_payouts as
        select payout_id, currency, cast(amount_minor as bigint) as amount_minor, status
        from truth('payouts');
    create table gold.fact_customer_months as
        select customer_id, cast(month || '-01' as date) as month, currency, category,
            month in (select month from truth('mrr_month_end')) as is_complete,
            cast(opening_minor as decimal(28, 6)) as opening_mrr_minor,
            cast(closing_minor as decimal(28, 6)) as closing_mrr_minor,
            1 as new_minor, 0 as expansion_minor, 0 as contraction_minor, 0 as churn_minor,
            0 as reactivation_minor
        from truth('customer_months')
        union all select 'acc_x', date '2024-02-01', 'USD', 'none', true, 0, 0, 0, 0, 0, 0, 0;
    create table gold.kpi_retention_monthly as
        select cast(month || '-01' as date) as month_start_on,
            cast(interval_months as integer) as interval_months,
            cast(start_customers as bigint) as start_customers,
            cast(churned_customers as bigint) as churned_customers,
            cast(start_minor as decimal(28, 6)) as start_mrr_reporting_minor,
            cast(end_minor as decimal(28, 6)) as end_mrr_reporting_minor,
            cast(kept_minor as decimal(28, 6)) as kept_mrr_reporting_minor
        from truth('retention');
    create table gold.kpi_cohorts as
        select cast(cohort_month || '-01' as date) as cohort_month,
            cast(month || '-01' as date) as month_start_on,
            cast(customers as bigint) as retained_customers,
            cast(mrr_minor as decimal(28, 6)) as retained_mrr_reporting_minor
        from truth('cohorts');
    create table gold.fact_mrr_movements as
        select m.customer_id, cast(m."at" as timestamp) as occurred_at, m.type as movement_type,
            cast(m.amount_minor as decimal(28, 6)) as amount_minor, m.currency, c.reason
        from truth('movements') as m
        left join truth('churned') as c
            on m.customer_id = c.customer_id and m."at" = c."at" and m.type = 'churn';
    create table gold.fact_support_tickets as
        select ticket_id, customer_id, cast(created_at as timestamp) as created_at,
            cast(nullif(solved_at, '') as timestamp) as solved_at, status
        from truth('tickets');
"""


@pytest.fixture
def settings(later, tmp_path) -> Settings:
    """A data folder whose private gold is made from the truth itself."""
    shutil.copytree(later.sandbox_dir / "truth", tmp_path / "sandbox" / "truth")
    mine = Settings.for_test(tmp_path)
    connection = duck.connect(mine.warehouse_db)
    connection.execute(
        "create macro truth(name) as table select * from read_csv("
        f"'{mine.sandbox_dir}/truth/' || name || '.csv', all_varchar = true)"
    )
    connection.execute(GOLD)
    connection.close()
    return mine


def change(settings: Settings, sql: str) -> None:
    connection = duck.connect(settings.warehouse_db)
    connection.execute(sql)
    connection.close()


def test_no_difference_where_there_is_none(settings):
    checks = verify(settings)
    assert [check.name for check in checks] == [
        "customers", "calls", "revenue", "recognised", "deferred", "dunning",
        "balance", "payouts", "mrr_month_end", "movements", "customer_months", "retention",
        "cohorts", "churned", "tickets",
    ]  # fmt: skip
    assert all(check.compared > 0 for check in checks)
    assert all(check.examples == [] for check in checks)
    assert sum(check.differences for check in checks) == 0


@pytest.mark.parametrize(
    ("sql", "table", "says"),
    [
        ("delete from gold.dim_customers where customer_id = 'acc_odd_silent'",
         "customers", "customer_id acc_odd_silent: truth (signup_at"),
        ("update gold.dim_customers set tier = 'Team' where customer_id = 'acc_odd_silent'",
         "customers", "tier Team"),
        ("insert into gold.fact_api_usage values ('/quantize', 200, timestamp '2024-02-03')",
         "calls", "day 2024-02-03, endpoint /quantize, status_class 2xx"),
        ("update gold.fact_revenue set amount_minor = amount_minor + 1 where currency = 'JPY' and processed_at = timestamp '2024-04-03' and revenue_type = 'subscription'",
         "revenue", "month 2024-04, currency JPY, revenue_type subscription"),
        ("update gold.fact_revenue_recognised_customer_months set recognised_minor = recognised_minor + 1 where currency = 'JPY' and month = date '2024-04-01'",
         "recognised", "month 2024-04, currency JPY, revenue_type subscription"),
        ("update gold.fact_revenue_recognised_daily set unbilled_minor = unbilled_minor + 1 where currency = 'JPY' and date_partition = date '2024-04-30'",
         "deferred", "month 2024-04, currency JPY"),
        ("update gold.fact_dunning set outcome = 'open' where outcome = 'recovered'",
         "dunning", "outcome open"),
        ("update gold.fact_balance_transactions set fee_minor = fee_minor + 1 where transaction_type = 'charge'",
         "balance", "type charge"),
        ("update gold.fact_payouts set status = 'paid' where status = 'failed'", "payouts", "status failed"),
        ("insert into gold.fact_customer_months values ('acc_y', date '2024-02-01', 'USD', 'new', true, 0, 0.000001, 0, 0, 0, 0, 0)",
         "mrr_month_end", "customer_id acc_y, month 2024-02, currency USD: truth has none, gold"),
        ("update gold.fact_customer_months set category = 'churn' where category = 'new'",
         "customer_months", "category churn"),
        ("update gold.kpi_retention_monthly set kept_mrr_reporting_minor = kept_mrr_reporting_minor + 1",
         "retention", "interval_months 1: truth (start_customers"),
        ("update gold.kpi_cohorts set retained_customers = retained_customers + 1",
         "cohorts", "cohort_month 2024-01, month 2024-01"),
        ("insert into gold.fact_mrr_movements select * from gold.fact_mrr_movements where movement_type = 'new' order by all limit 1",
         "movements", "type new"),
        ("update gold.fact_mrr_movements set reason = 'pause' where reason = 'involuntary'",
         "churned", "reason involuntary"),
        ("update gold.fact_support_tickets set solved_at = null where ticket_id = '1001'",
         "tickets", "ticket_id 1001: truth"),
    ],
)  # fmt: skip
def test_each_kind_of_difference_is_found_and_named(settings, sql, table, says):
    change(settings, sql)
    checks = {check.name: check for check in verify(settings)}
    assert checks[table].differences >= 1
    assert says in checks[table].examples[0]
    others = [name for name, check in checks.items() if check.differences and name != table]
    # a month's end is in both
    assert others == (["customer_months"] if table == "mrr_month_end" else [])


def test_only_ten_examples_are_listed(settings):
    change(settings, "delete from gold.fact_support_tickets")
    (check,) = [check for check in verify(settings) if check.name == "tickets"]
    assert check.differences == check.compared > 10
    assert len(check.examples) == 10


def test_a_missing_table_is_a_difference(settings):
    change(settings, "drop table gold.fact_revenue")
    (check,) = [check for check in verify(settings) if check.name == "revenue"]
    assert check.differences > 0
    assert "fact_revenue" in check.examples[0]


def test_the_published_edition_comes_first(settings):
    version = settings.published_dir / "v1"
    version.mkdir(parents=True)
    shutil.copy(settings.warehouse_db, version / "restricted.duckdb")
    (settings.published_dir / "current").symlink_to("v1")
    change(settings, "delete from gold.fact_support_tickets")
    assert sum(check.differences for check in verify(settings)) == 0
    assert sum(check.differences for check in verify(settings, "private")) > 0


def test_without_gold_or_truth_it_says_so(settings, tmp_path):
    with pytest.raises(CallError, match="no truth"):
        verify(Settings.for_test(tmp_path / "nowhere"))
    settings.warehouse_db.unlink()
    with pytest.raises(WarehouseError) as error:
        verify(settings)
    assert "warehouse run" in error.value.hint
