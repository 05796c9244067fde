"""What gold's tables promise beyond what follows from their columns: a line a check, by table.

Reads and writes: nothing. Run: imported by `quality.suites.gold`, which makes suites of it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from quality.expectations import Check, between, in_set, no_rows, not_null

REBUILD = "run `warehouse build --full-refresh`, and look at the model's inputs if it stays"
# An id that stands for nobody: facts of a customer that hasn't arrived yet point to it.
UNKNOWN_CUSTOMER = "unknown"
# Of large tables, and of days that may be mended, the newest are looked at.
NEWEST_DAYS = 35


@dataclass(frozen=True)
class Promise:
    """What CONTRACT §6 says of a table.

    Attributes:
        columns: Columns promised by name.
        grain: The business key, where `id` doesn't say it all.
        checks: What its meaning demands.
        sources: Without any of these sources the table may be empty.
        of_customers: Where no source brings customers, the table may be empty.
        may_be_empty: A company may have none of it: it is young, pays nothing yet, has no desk.
        required: The gate fails where the table is missing.
    """

    columns: Sequence[str] = ()
    grain: Sequence[str] = ()
    checks: Sequence[Check] = field(default_factory=tuple)
    sources: Sequence[str] = ()
    of_customers: bool = False
    may_be_empty: bool = False
    required: bool = True


# Either of these brings customers: one is enough.
CUSTOMER_SOURCES = ("product", "stripe")

REVENUE_TYPES = ("subscription", "usage", "one_time")
MOVEMENT_TYPES = ("new", "expansion", "contraction", "churn", "reactivation")

_BRIDGE = """
select m.customer_id, m.currency, m.month, m.closing_mrr_minor, coalesce(sum(v.amount_minor), 0) as moved
from gold.fact_customer_months as m
left join gold.fact_mrr_movements as v
    on v.customer_id = m.customer_id and v.currency = m.currency
    and cast(v.date_partition as timestamp) < cast(m.month as timestamp) + interval 1 month
where (select count(*) from {batch}) >= 0
group by m.customer_id, m.currency, m.month, m.closing_mrr_minor
having m.closing_mrr_minor <> coalesce(sum(v.amount_minor), 0)
"""


def _moves(suffix: str, *, has_fx: bool) -> str:
    parts = ["opening_mrr", "new", "expansion", "contraction", "churn", "reactivation"]
    return " + ".join(f"{part}_{suffix}" for part in [*parts, *(["fx"] if has_fx else [])])


def _bridge_row(table: str, key: str, closing: str, suffix: str, *, has_fx: bool) -> Check:
    """Opening + movements = closing, within one row."""
    moves = _moves(suffix, has_fx=has_fx)
    return no_rows(
        f"opening + movements = {closing}",
        f"select {key}, {moves} as bridged, {closing} from {{batch}} where {moves} <> {closing}",
        "accuracy",
        column=closing,
        needs=[f"gold.{table}.{name}" for name in [*moves.split(" + "), closing]],
        advice=REBUILD,
    )


_RECOGNISED_PER_DAY = """
with changes as (
    select date_partition, currency, amount_minor as due, 0 as balance from gold.fact_revenue
    union all
    select date_partition, currency, -recognised_minor as due, deferred_minor - unbilled_minor as balance from {batch}
), days as (
    select date_partition, currency, sum(due) as due, sum(balance) as balance from changes
    group by date_partition, currency
)
select date_partition, currency, balance, due from (
    select date_partition, currency, balance,
        sum(due) over (partition by currency order by date_partition) as due from days
) where balance <> due
"""

_CALLS_PER_DAY = """
select coalesce(f.date_partition, a.date_partition) as date_partition, f.calls as in_fact, a.calls as in_aggregate
from (select date_partition, count(*) as calls from gold.fact_api_usage group by date_partition) as f
full join (select date_partition, sum(calls) as calls from {batch} group by date_partition) as a
    on a.date_partition = f.date_partition
where f.calls is distinct from a.calls
"""

_REVENUE_PER_MONTH = """
select coalesce(f.currency, k.currency) as currency, coalesce(f.month, k.month) as month, f.amount_minor, k.net_minor
from (
    select currency, date_trunc('month', date_partition)::date as month, sum(amount_minor) as amount_minor
    from gold.fact_revenue group by currency, month
) as f
full join (
    select currency, month_start_on as month, sum(net_revenue_minor) as net_minor from {batch} group by currency, month
) as k on k.currency = f.currency and k.month = f.month
where coalesce(f.amount_minor, 0) <> coalesce(k.net_minor, 0)
"""

_CUSTOMER_MRR = """
select c.customer_id, c.mrr_minor, m.moved
from {batch} as c
left join (
    select customer_id, sum(amount_minor) as moved, count(distinct currency) as currencies
    from gold.fact_mrr_movements group by customer_id
) as m on m.customer_id = c.customer_id
where (m.currencies = 1 or m.currencies is null) and c.mrr_minor <> coalesce(m.moved, 0)
"""

_MRR_NOW = """
select coalesce(h.customer_id, m.customer_id) as customer_id, h.mrr_minor, m.closing_minor
from (
    select customer_id, currency, sum(mrr_minor) as mrr_minor from {batch}
    where valid_to = timestamp '9999-12-31' group by customer_id, currency
) as h
full join (
    select customer_id, currency, sum(closing_mrr_minor) as closing_minor from gold.fact_customer_months
    where month = (select max(month) from gold.fact_customer_months) group by customer_id, currency
) as m on m.customer_id = h.customer_id and m.currency = h.currency
where coalesce(h.mrr_minor, 0) <> coalesce(m.closing_minor, 0)
"""

# Revenue may be none at all; where an invoice was paid it is not.
_PAID_WITHOUT_REVENUE = """
select stripe_invoice_id, amount_paid_minor from gold.fact_invoices
where amount_paid_minor > 0 and (select count(*) from {batch}) = 0
"""

# A source that is this far behind is said to be late; that is no reason not to publish (CONTRACT §7).
LATE = "interval 2 days"


PROMISES: dict[str, Promise] = {
    "dim_customers": Promise(
        columns=(
            "customer_id", "email", "company_name", "industry", "tier", "signup_date", "first_api_call_date", "mrr",
            "created_at", "updated_at",
        ),
        grain=("customer_id",),
        checks=(
            between("mrr", 0),
            no_rows(
                "MRR of a customer = sum of its movements",
                _CUSTOMER_MRR, "accuracy", column="mrr_minor",
                needs=("gold.fact_mrr_movements.amount_minor", "gold.fact_mrr_movements.currency"), advice=REBUILD,
            ),
        ),
    ),
    "dim_customers_history": Promise(
        sources=("product",),
        checks=(
            no_rows(
                "versions of a customer don't overlap",
                "select customer_id, valid_from, valid_to, next_from from (select customer_id, valid_from, valid_to, "
                "lead(valid_from) over (partition by customer_id order by valid_from) as next_from from {batch}) "
                "where next_from < coalesce(valid_to, timestamp '9999-12-31')",
                "consistency",
                needs=("gold.dim_customers_history.valid_from", "gold.dim_customers_history.valid_to"),
                advice=REBUILD,
            ),
        ),
    ),
    "dim_date": Promise(),
    "dim_plans": Promise(may_be_empty=True),
    "dim_features": Promise(sources=("usage",)),
    "dim_endpoints": Promise(sources=("usage",)),
    "fact_api_usage": Promise(
        columns=(
            "id", "customer_id", "endpoint", "method", "response_code", "response_time_ms", "bytes_processed",
            "compute_units", "timestamp", "date_partition",
        ),
        sources=("usage",),
        checks=(
            not_null("endpoint"),
            not_null("timestamp"),
            between("response_code", 100, 599),
            between("response_time_ms", 0),
            between("bytes_processed", 0),
            between("compute_units", 0),
        ),
    ),
    "fact_revenue": Promise(
        columns=(
            "id", "customer_id", "subscription_id", "amount", "currency", "revenue_type", "billing_period_start",
            "billing_period_end", "processed_at", "stripe_invoice_id",
        ),
        sources=("stripe",), may_be_empty=True,
        checks=(
            in_set("revenue_type", REVENUE_TYPES),
            not_null("revenue_type"),
            not_null("amount"),
            not_null("currency"),
            not_null("processed_at"),
            no_rows(
                "amount and amount_minor have the same sign and vanish together",
                "select id, amount, amount_minor from {batch} where sign(amount) <> sign(amount_minor)",
                "accuracy", needs=("gold.fact_revenue.amount_minor",),
            ),
            no_rows(
                "there is revenue where an invoice was paid",
                _PAID_WITHOUT_REVENUE, "completeness", needs=("gold.fact_invoices.amount_paid_minor",), advice=REBUILD,
            ),
        ),
    ),
    "fact_mrr_movements": Promise(
        columns=("id", "customer_id", "currency", "movement_type", "amount_minor", "occurred_at"),
        sources=("stripe",), may_be_empty=True,
        checks=(
            not_null("movement_type"),
            not_null("amount_minor"),
            not_null("occurred_at"),
            no_rows(
                "new, expansion and reactivation add, contraction and churn take away",
                "select id, movement_type, amount_minor from {batch} where "
                "(movement_type in ('new', 'expansion', 'reactivation') and amount_minor <= 0) "
                "or (movement_type in ('contraction', 'churn') and amount_minor >= 0)",
                "consistency", column="movement_type",
            ),
        ),
    ),
    "fact_customer_months": Promise(
        grain=("customer_id", "month", "currency"),
        sources=("stripe",), may_be_empty=True,
        checks=(
            between("closing_mrr_minor", 0),
            _bridge_row("fact_customer_months", "customer_id, month", "closing_mrr_minor", "minor", has_fx=False),
            no_rows(
                "MRR at month end = sum of all movements before it",
                _BRIDGE, "accuracy", column="closing_mrr_minor",
                needs=(
                    "gold.fact_mrr_movements.amount_minor", "gold.fact_mrr_movements.currency",
                    "gold.fact_mrr_movements.date_partition", "gold.fact_customer_months.currency",
                    "gold.fact_customer_months.closing_mrr_minor", "gold.fact_customer_months.month",
                ),
                advice=REBUILD,
            ),
            no_rows(
                "a month opens with what the month before closed with",
                "select customer_id, currency, month, opening_mrr_minor, closed from (select *, "
                "lag(closing_mrr_minor) over w as closed, lag(month) over w as month_before from {batch} "
                "window w as (partition by customer_id, currency order by month)) "
                "where month_before = month - interval 1 month and opening_mrr_minor <> closed",
                "consistency", column="opening_mrr_minor",
                needs=(
                    "gold.fact_customer_months.opening_mrr_minor", "gold.fact_customer_months.closing_mrr_minor",
                    "gold.fact_customer_months.currency", "gold.fact_customer_months.month",
                ),
                advice=REBUILD,
            ),
        ),
    ),
    "fact_mrr_history": Promise(
        required=False,
        grain=("subscription_id", "subscription_item_id", "valid_from"),
        sources=("stripe",), may_be_empty=True,
        checks=(
            between("mrr_minor", 0),
            no_rows(
                "net MRR is at most list MRR",
                "select id, mrr_minor, list_mrr_minor from {batch} where mrr_minor > list_mrr_minor",
                "accuracy", column="mrr_minor", advice=REBUILD,
            ),
            no_rows(
                "MRR that holds now = closing MRR of the running month",
                _MRR_NOW, "accuracy", column="mrr_minor",
                needs=("gold.fact_customer_months.closing_mrr_minor", "gold.fact_customer_months.month"),
                advice=REBUILD,
            ),
        ),
    ),
    "dim_customer_months": Promise(
        required=False, grain=("customer_id", "month"), sources=("stripe",), may_be_empty=True
    ),
    "fact_customer_retention": Promise(
        required=False,
        grain=("customer_id", "month", "interval_months"),
        sources=("stripe",),
        # a company in its first month has nobody who paid before it
        may_be_empty=True,
        checks=(
            no_rows(
                "what is kept is part of the start and of the end",
                "select customer_id, month, interval_months, start_mrr_reporting_minor, end_mrr_reporting_minor, "
                "kept_mrr_reporting_minor from {batch} "
                "where kept_mrr_reporting_minor <> least(start_mrr_reporting_minor, end_mrr_reporting_minor) "
                "or is_churned <> (end_mrr_reporting_minor = 0)",
                "accuracy", column="kept_mrr_reporting_minor", advice=REBUILD,
            ),
        ),
    ),
    "fact_customer_health": Promise(
        columns=(
            "id", "customer_id", "health_score", "api_calls_last_7d", "api_calls_last_30d", "last_login_date",
            "support_tickets_open", "payment_status", "feature_adoption_score", "calculated_at", "date_partition",
        ),
        grain=("customer_id", "date_partition"),
        of_customers=True,
        checks=(
            between("health_score", 0, 100),
            between("api_calls_last_7d", 0),
            between("support_tickets_open", 0),
            no_rows(
                "calls of 7 days are at most those of 30 days",
                "select customer_id, date_partition, api_calls_last_7d, api_calls_last_30d from {batch} "
                "where api_calls_last_7d > api_calls_last_30d",
                "consistency", column="api_calls_last_7d",
            ),
        ),
    ),
    "fact_feature_usage": Promise(
        columns=(
            "id", "customer_id", "feature_name", "usage_count", "first_used_at", "last_used_at", "date_partition",
        ),
        sources=("usage",),
        checks=(
            between("usage_count", 0),
            no_rows(
                "first use is not after last use",
                "select id, first_used_at, last_used_at from {batch} where first_used_at > last_used_at",
                "consistency", column="first_used_at",
            ),
        ),
    ),
    "fact_support_tickets": Promise(
        sources=("support",), may_be_empty=True,
        checks=(
            no_rows(
                "a ticket is not solved before it was made",
                "select ticket_id, created_at, solved_at from {batch} where solved_at < created_at",
                "consistency", column="solved_at",
                needs=(
                    "gold.fact_support_tickets.ticket_id", "gold.fact_support_tickets.created_at",
                    "gold.fact_support_tickets.solved_at",
                ),
            ),
        ),
    ),
    "fact_subscription_events": Promise(sources=("stripe",), may_be_empty=True),
    "fact_marketing_spend": Promise(
        sources=("inputs",), may_be_empty=True, checks=(between("spend_minor", 0), between("clicks", 0)),
    ),
    "fact_experiment_exposures": Promise(may_be_empty=True, sources=("product",)),
    "agg_api_usage_daily": Promise(
        required=False,
        sources=("usage",),
        checks=(
            no_rows(
                "calls per day = rows of fact_api_usage", _CALLS_PER_DAY, "consistency", column="calls",
                needs=("gold.fact_api_usage.date_partition", "gold.agg_api_usage_daily.date_partition"), advice=REBUILD,
            ),
        ),
    ),
    "kpi_mrr_monthly": Promise(
        sources=("stripe",), may_be_empty=True,
        checks=(
            _bridge_row("kpi_mrr_monthly", "month_start_on", "mrr_reporting_minor", "reporting_minor", has_fx=True),
        ),
    ),
    "kpi_revenue_monthly": Promise(
        required=False,
        sources=("stripe",), may_be_empty=True,
        checks=(
            no_rows(
                "net revenue per currency and month = sum of fact_revenue",
                _REVENUE_PER_MONTH, "accuracy", column="net_revenue_minor",
                needs=(
                    "gold.fact_revenue.date_partition", "gold.fact_revenue.amount_minor",
                    "gold.kpi_revenue_monthly.month_start_on", "gold.kpi_revenue_monthly.currency",
                ),
                advice=REBUILD,
            ),
        ),
    ),
    "kpi_revenue_daily": Promise(required=False, sources=("stripe",), may_be_empty=True),
    "fact_revenue_recognised_daily": Promise(
        required=False,
        sources=("stripe",), may_be_empty=True,
        checks=(
            no_rows(
                "recognised + deferred - unbilled = net revenue, per currency and day",
                _RECOGNISED_PER_DAY, "accuracy", column="recognised_minor",
                needs=("gold.fact_revenue.date_partition", "gold.fact_revenue.amount_minor"), advice=REBUILD,
            ),
        ),
    ),
    "fact_revenue_recognised_customer_months": Promise(required=False, sources=("stripe",), may_be_empty=True),
    "fact_invoices": Promise(required=False, sources=("stripe",), may_be_empty=True),
    "fact_dunning": Promise(required=False, sources=("stripe",), may_be_empty=True),
    "fact_payment_failures": Promise(required=False, sources=("stripe",), may_be_empty=True),
    "fact_balance_transactions": Promise(required=False, sources=("stripe",), may_be_empty=True),
    "fact_payouts": Promise(
        required=False,
        sources=("stripe",),
        may_be_empty=True,
        checks=(
            no_rows(
                "an automatic payout that is reconciled = the sum of what it paid out",
                "select payout_id, difference_minor from {batch} where difference_minor <> 0",
                "accuracy", column="difference_minor", advice="look at the payout in Stripe's dashboard",
            ),
        ),
    ),
    "kpi_dunning_monthly": Promise(required=False, sources=("stripe",), may_be_empty=True),
    "kpi_fees_monthly": Promise(required=False, sources=("stripe",), may_be_empty=True),
    "kpi_recognised_revenue_monthly": Promise(required=False, sources=("stripe",), may_be_empty=True),
    "kpi_mrr_daily": Promise(required=False, sources=("stripe",), may_be_empty=True),
    "kpi_retention_monthly": Promise(required=False, sources=("stripe",), may_be_empty=True),
    "kpi_cohorts": Promise(required=False, sources=("stripe",), may_be_empty=True),
    "kpi_revenue_by_dimension": Promise(
        required=False,
        grain=("month_start_on", "dimension", "value"),
        sources=("stripe",), may_be_empty=True,
        checks=(
            in_set("dimension", ("plan", "industry", "tier", "country", "currency")),
            _bridge_row(
                "kpi_revenue_by_dimension", "month_start_on, dimension, value",
                "mrr_reporting_minor", "reporting_minor", has_fx=True,
            ),
        ),
    ),
    "metric_days": Promise(required=False),
    "customer_features": Promise(required=False, of_customers=True),
    "kpi_acquisition_monthly": Promise(required=False, of_customers=True),
    "kpi_marketing_monthly": Promise(required=False, may_be_empty=True),
    "kpi_activity_by_dimension": Promise(required=False, of_customers=True),
    "kpi_activation_monthly": Promise(required=False, sources=("usage",), of_customers=True),
    "kpi_funnels": Promise(required=False, of_customers=True),
    "kpi_headlines": Promise(
        required=False, grain=("period", "period_start_on", "metric"), of_customers=True
    ),
    "kpi_health_daily": Promise(required=False, of_customers=True),
    "kpi_paying_health_daily": Promise(
        required=False,
        of_customers=True,
        checks=(
            no_rows(
                "who is critical is at risk, and who is at risk pays",
                "select {day}, customers_critical, customers_at_risk, paying_customers from {batch} "
                "where customers_critical > customers_at_risk or customers_at_risk > paying_customers",
                "consistency", column="customers_at_risk",
            ),
        ),
    ),
    "kpi_usage_daily": Promise(required=False, sources=("usage",)),
    "kpi_usage_weekly": Promise(required=False, sources=("usage",), of_customers=True),
    "kpi_usage_retention_monthly": Promise(required=False, sources=("usage",), of_customers=True),
    "kpi_endpoint_daily": Promise(required=False, sources=("usage",)),
    "kpi_feature_adoption_monthly": Promise(required=False, sources=("usage",), of_customers=True),
    "kpi_feature_launches": Promise(
        required=False, sources=("usage",), of_customers=True, may_be_empty=True,
    ),
    "kpi_support_daily": Promise(required=False, sources=("support",), may_be_empty=True),
    "kpi_support_monthly": Promise(required=False, sources=("support",), may_be_empty=True),
    "kpi_surveys_monthly": Promise(required=False, sources=("product",), may_be_empty=True),
    "kpi_daily": Promise(
        of_customers=True,
        checks=(
            no_rows(
                "no day is missing",
                "select {day}, day_before from (select {day}, lag({day}) over (order by {day}) as day_before "
                "from {batch}) where {day} <> day_before + interval 1 day",
                "completeness",
            ),
        ),
    ),
    "complete_through": Promise(
        checks=(
            not_null("complete_through", severity="warning"),
            no_rows(
                "every stream is complete up to two days ago",
                "select source, stream, complete_through from {batch} "
                f"where stream <> 'mrr_movements' and complete_through < {{now}} - {LATE}",
                "timeliness", severity="warning", column="complete_through",
                advice="its source is late or failing: `warehouse status`",
            ),
        ),
    ),
    "completeness_ledger": Promise(
        required=False,
        checks=(
            no_rows(
                "no day of the last weeks is a gap",
                "select source, stream, date_day, state from {batch} "
                f"where is_gap and date_day >= cast({{now}} as date) - {NEWEST_DAYS}",
                "completeness", severity="warning", column="state",
                advice="load the day again: `warehouse sync SOURCE --from DAY --to DAY`",
            ),
        ),
    ),
}  # fmt: skip
