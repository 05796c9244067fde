"""A small company whose gold and landing are written by hand.

Three customers: `acc_ada` pays 100 USD a month from January and 150 from February; `acc_bob` paid 50 EUR in January and
left in February; `acc_cid` is on the free plan. Now is 2025-03-01. Everything holds; a test breaks one thing.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

from ingestion.destination.opening import ensure
from warehouse import duck, ledger
from warehouse.settings import Settings
from warehouse.sources import SOURCES

NOW = datetime(2025, 3, 1, tzinfo=UTC)
CUSTOMERS = ("acc_ada", "acc_bob", "acc_cid")

GOLD = """
create schema gold;
create table gold.dim_customers as
select md5(customer_id) as id, * from (values
    ('acc_ada', 'ada@example.com', 'Ada Quantum Ltd', 'fintech', 'Team', timestamp '2025-01-01 10:00:00',
     timestamp '2025-01-02 08:00:00', 150.00::decimal(18, 2), timestamp '2025-01-01 10:00:00', timestamp '2025-02-10 00:00:00'),
    ('acc_bob', 'bob@example.com', 'Bob Robotics', 'robotics', 'Developer', timestamp '2025-01-03 10:00:00',
     timestamp '2025-01-04 08:00:00', 0, timestamp '2025-01-03 10:00:00', timestamp '2025-02-15 00:00:00'),
    ('acc_cid', 'cid@example.com', 'Cid Labs', 'media', 'Free', timestamp '2025-02-03 10:00:00',
     null, 0, timestamp '2025-02-03 10:00:00', timestamp '2025-02-03 10:00:00')
) as t(customer_id, email, company_name, industry, tier, signup_date, first_api_call_date, mrr, created_at, updated_at);
comment on column gold.dim_customers.mrr is 'Monthly recurring revenue now';
create table gold.dim_customers_history as
select md5(customer_id || valid_from::varchar) as id, * from (values
    ('acc_ada', 'Developer', timestamp '2025-01-01 10:00:00', timestamp '2025-02-10 00:00:00', false),
    ('acc_ada', 'Team', timestamp '2025-02-10 00:00:00', null, true),
    ('acc_bob', 'Developer', timestamp '2025-01-03 10:00:00', null, true),
    ('acc_cid', 'Free', timestamp '2025-02-03 10:00:00', null, true)
) as t(customer_id, tier, valid_from, valid_to, is_current);
create table gold.dim_date as select range::date as date from range(date '2025-01-01', date '2025-12-31', interval 1 day);
create table gold.dim_plans as select md5('price_1') as id, 'price_1' as price_id, 'Team' as plan_name;
create table gold.dim_features as select md5('analyze') as id, 'analyze' as feature_name;
create table gold.dim_endpoints as select md5('/analyze') as id, '/analyze' as endpoint;
create table gold.fact_api_usage as
select md5('req_' || n) as id, case when n % 3 = 0 then 'acc_bob' else 'acc_ada' end as customer_id, '/analyze' as endpoint,
    'POST' as method, case when n % 50 = 0 then 500 else 200 end as response_code, 100 + n as response_time_ms,
    1000::bigint as bytes_processed, 2.0::double as compute_units,
    timestamp '2025-01-02' + interval (n) hour as "timestamp",
    cast(timestamp '2025-01-02' + interval (n) hour as date) as date_partition
from range(300) as t(n);
create table gold.fact_revenue as
select md5(stripe_invoice_id) as id, * from (values
    ('acc_ada', 'sub_1', 100.00::decimal(38, 3), 10000::bigint, 'USD', 'subscription', timestamp '2025-01-05', timestamp '2025-02-05', timestamp '2025-01-05', 'in_1'),
    ('acc_ada', 'sub_1', 150.00, 15000, 'USD', 'subscription', timestamp '2025-02-05', timestamp '2025-03-05', timestamp '2025-02-05', 'in_2'),
    ('acc_bob', 'sub_2', 50.00, 5000, 'EUR', 'subscription', timestamp '2025-01-06', timestamp '2025-02-06', timestamp '2025-01-06', 'in_3')
) as t(customer_id, subscription_id, amount, amount_minor, currency, revenue_type, billing_period_start, billing_period_end, processed_at, stripe_invoice_id);
create table gold.fact_mrr_movements as
select md5(customer_id || occurred_at::varchar) as id, *, occurred_at::date as date_partition from (values
    ('acc_ada', 'USD', 'new', 10000::decimal(28, 6), timestamp '2025-01-05 00:00:00'),
    ('acc_ada', 'USD', 'expansion', 5000, timestamp '2025-02-05 00:00:00'),
    ('acc_bob', 'EUR', 'new', 5000, timestamp '2025-01-06 00:00:00'),
    ('acc_bob', 'EUR', 'churn', -5000, timestamp '2025-02-06 00:00:00')
) as t(customer_id, currency, movement_type, amount_minor, occurred_at);
create table gold.fact_customer_months as
select md5(customer_id || month::varchar) as id, * from (values
    ('acc_ada', date '2025-01-01', 'USD', 0::decimal(28, 6), 10000::decimal(28, 6)),
    ('acc_ada', date '2025-02-01', 'USD', 10000, 15000),
    ('acc_bob', date '2025-01-01', 'EUR', 0, 5000),
    ('acc_bob', date '2025-02-01', 'EUR', 5000, 0)
) as t(customer_id, month, currency, opening_mrr_minor, closing_mrr_minor);
create table gold.fact_customer_health as
select md5(customer_id) as id, customer_id, 80.0::double as health_score, 3 as api_calls_last_7d, 9 as api_calls_last_30d,
    timestamp '2025-02-27' as last_login_date, 0 as support_tickets_open, 'ok' as payment_status,
    0.5::double as feature_adoption_score, timestamp '2025-02-28' as calculated_at, date '2025-02-28' as date_partition
from (values ('acc_ada'), ('acc_bob'), ('acc_cid')) as t(customer_id);
create table gold.fact_feature_usage as
select md5('acc_ada' || n) as id, 'acc_ada' as customer_id, 'analyze' as feature_name, 5::bigint as usage_count,
    timestamp '2025-02-01' as first_used_at, timestamp '2025-02-02' as last_used_at, date '2025-02-01' + n::integer as date_partition
from range(5) as t(n);
create table gold.fact_support_tickets as
select md5('1') as id, '1' as ticket_id, 'acc_ada' as customer_id, timestamp '2025-02-01' as created_at,
    timestamp '2025-02-02' as solved_at, 'solved' as status;
create table gold.fact_subscription_events as
select md5('evt_1') as id, 'acc_ada' as customer_id, 'created' as event_type, timestamp '2025-01-05' as occurred_at;
create table gold.fact_marketing_spend as
select md5(d::varchar) as id, d::date as date_partition, 'search' as channel, 'USD' as currency, 1000::bigint as spend_minor,
    10 as clicks from range(date '2025-01-01', date '2025-02-28', interval 1 day) as t(d);
create table gold.fact_experiment_exposures as
select md5('x') as id, 'acc_ada' as customer_id, 'pricing' as experiment, 'A' as variant, timestamp '2025-02-01' as exposed_at;
create table gold.kpi_daily as
select d::date as date_partition, 3 as api_calls, 150.00::decimal(18, 2) as mrr
from range(date '2025-01-01', date '2025-03-01', interval 1 day) as t(d);
create table gold.kpi_mrr_monthly as
select date '2025-02-01' as month_start_on, 100.0 as opening_mrr_reporting_minor, 0.0 as new_reporting_minor,
    5.0 as expansion_reporting_minor, 0.0 as contraction_reporting_minor, -20.0 as churn_reporting_minor,
    0.0 as reactivation_reporting_minor, 1.0 as fx_reporting_minor, 86.0 as mrr_reporting_minor;
create table gold.complete_through as
select 'usage' as source, 'api_calls' as stream, timestamp '2025-02-28 12:00:00' as complete_through;
create table gold.completeness_ledger as
select md5(concat_ws('|', source, stream, date_day)) as id, *, timestamp '2025-02-28 12:00:00' as complete_through from (values
    ('usage', 'api_calls', date '2025-01-09', 3::bigint, 'complete', false),
    ('usage', 'api_calls', date '2025-01-10', 0::bigint, 'missing', true), ('usage', 'api_calls', date '2025-01-11', 0::bigint, 'missing', true),
    ('product', 'logins', date '2025-01-20', 0::bigint, 'empty', true), ('usage', 'api_calls', date '2025-02-28', 2::bigint, 'partial', false)
) as t(source, stream, date_day, row_count, state, is_gap);
create table gold.kpi_customers_by_industry as
select * from (values (date '2025-02-01', 'fintech', 6, 900.00::decimal(18, 2)), (date '2025-02-01', 'robotics', 1, 50.00))
    as t(month, industry, customer_count, mrr);
create table gold.feature_dates as
select md5('2025-03-01') as id, date '2025-03-01' as as_of_date, timestamp '2025-03-01' as as_of;
create table gold.customer_churn_scores as
select md5(customer_id) as id, * from (values
    ('acc_ada', 0.12::double, 'Low', timestamp '2025-02-28', 'usage falls'),
    ('acc_bob', 0.81::double, 'Critical', timestamp '2025-02-28', 'no logins')
) as t(customer_id, churn_probability, risk_band, scored_at, top_factor);
create table gold.customer_segments as
select md5(customer_id) as id, * from (values
    ('acc_ada', 'power users', 'Champions'), ('acc_bob', 'dormant', 'Hibernating'), ('acc_cid', 'explorers', 'At Risk')
) as t(customer_id, rule_segment, segment);
"""

RECORDS: dict[tuple[str, str], dict] = {
    ("usage", "api_calls"): {"request_id": "req_1", "customer_id": "acc_ada", "timestamp": "2025-02-01T10:00:00Z"},
    ("inputs", "fx_rates"): {"date": "2025-02-01", "base": "EUR", "quote": "USD", "rate": "1.1"},
    ("inputs", "ad_spend"): {"date": "2025-02-01", "channel": "search", "campaign": "a", "currency": "USD"},
    ("product", "accounts"): {"id": "acc_ada", "signup_at": "2025-01-01T10:00:00Z"},
    ("support", "tickets"): {"id": 1, "created_at": "2025-02-01T00:00:00Z"},
    ("stripe", "customers"): {"id": "cus_1", "object": "customer", "created": 1735725600, "livemode": False},
    ("stripe", "charges"): {
        "id": "ch_1", "object": "charge", "created": 1735725600, "livemode": False, "amount": 10000, "amount_refunded": 0,
    },
}  # fmt: skip


def settings_of(home: Path, **changes) -> Settings:
    return Settings.for_test(
        home,
        **{
            "as_of": NOW,
            "stripe_api_key": "sk_test_x",
            "threads": 1,
            "min_group_size": 5,
            **changes,
        },
    )


def build_gold(settings: Settings, *changes: str) -> None:
    """Write the company's gold, break it with SQL, and put the build on record."""
    settings.warehouse_db.unlink(missing_ok=True)
    con = duck.connect(settings.warehouse_db)
    for statement in (GOLD + ";".join(changes)).split(";"):
        if statement.strip():
            con.execute(statement)
    con.close()
    for layer in ("silver", "gold", "ml"):
        ledger.record_build(settings, layer, NOW)


def land(
    settings: Settings,
    source: str,
    stream: str,
    record: dict | str,
    *,
    load_id: int = 1,
    quarantined: int = 0,
    reason: str = "bad",
):
    """Append one record to a landing file as a load of its own."""
    raw = record if isinstance(record, str) else json.dumps(record)
    con = duck.connect(settings.landing(source))
    con.execute(
        f"insert into raw_{source}.{stream} values (?, ?, '2025-02-28', 0, 1, null)", [raw, load_id]
    )
    con.execute(
        "insert into landing.loads values (?, ?, '2025-02-28', '2025-02-28', 1, ?, null, null, 1)",
        [load_id, stream, quarantined],
    )
    for line in range(quarantined):
        con.execute(
            "insert into landing.quarantine values (?, ?, 'file', ?, ?, '{}')",
            [load_id, stream, line, reason],
        )
    con.execute("insert into landing.complete_through values (?, '2025-02-28')", [stream])
    con.close()


def build_landing(settings: Settings) -> None:
    """Landing files of all sources, with one good record in the streams of `RECORDS`."""
    for source in SOURCES:
        ensure(source, settings)
        con = duck.connect(settings.landing(source))
        con.execute(
            "insert into landing.syncs values (1, ?, '2025-02-28', '2025-02-28 00:01:00', 'complete', '')",
            [source],
        )
        con.close()
    for (source, stream), record in RECORDS.items():
        land(settings, source, stream, record)
