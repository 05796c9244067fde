"""One customer: what it pays, how it uses the product, what it asked, how it is, and whether it may leave.

Reads: gold.dim_customers, fact_customer_health, customer_churn_scores, customer_segments, customer_ltv,
fact_customer_months, fact_mrr_movements, fact_feature_usage, fact_support_tickets, fact_invoices.
"""

from __future__ import annotations

from typing import Any

import streamlit as st

from serving.dashboards import charts, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.filters import Period
from serving.dashboards.formats import Measure, columns_of
from serving.dashboards.page import Page
from serving.dashboards.pages.customer_success import reasons

_customer = columns_of("dim_customers")
_health = columns_of("fact_customer_health")
_score = columns_of("customer_churn_scores")


def draw(context: Context) -> None:
    """Everything known of the customer that the address names; without one, a way to choose."""
    known = {
        customer_id: f"{name or customer_id} ({customer_id})" if name else customer_id
        for customer_id, name in context.table(
            "select customer_id, company_name from gold.dim_customers where customer_id != 'unknown' "
            "order by coalesce(company_name, customer_id)"
        ).rows
    }
    with filters.bar():
        # the address says the id, not the label: a link stays right when a company is renamed
        asked = st.query_params.get("customer")
        place = list(known).index(asked) if asked in known else None
        customer_id = st.selectbox(
            "Customer", list(known), index=place, format_func=known.__getitem__, key="chosen_customer",
            placeholder="Choose a customer", width=380,
        )  # fmt: skip
        period = filters.period(context)
    if customer_id is None:
        if asked:
            st.warning(parts.plain(f"No customer is called {asked}."), icon=":material/search_off:")
        return
    st.query_params["customer"] = customer_id
    _who(context, customer_id)
    _cards(context, customer_id, period)
    _risk(context, customer_id)
    _course(context, customer_id, period)
    _events(context, customer_id)


def _who(context: Context, customer_id: str) -> None:
    row = context.row(
        f"select *, mrr_reporting_minor / {context.units} as mrr_now from gold.dim_customers where customer_id = ?",
        customer_id,
    )
    segment = context.row(
        "select cluster_segment, rule_segment from gold.customer_segments where customer_id = ? and is_latest",
        customer_id,
    )
    facts = [
        _customer("tier", "Tier", formats.TEXT), _customer("industry", "Industry", formats.TEXT),
        _customer("country", "Country", formats.TEXT), _customer("email", "E-mail", formats.TEXT),
        _customer("signup_date", "Since", formats.DAY), _customer("first_api_call_date", "First call", formats.DAY),
        Measure("mrr_now", "MRR now", context.money, "dim_customers.mrr_reporting_minor"),
        _customer("is_paying", "Pays", formats.YES), _customer("is_deleted", "Deleted", formats.YES),
        Measure("cluster_segment", "Segment", formats.TEXT, "customer_segments.cluster_segment"),
        Measure("rule_segment", "By rules", formats.TEXT, "customer_segments.rule_segment"),
    ]  # fmt: skip
    parts.facts(context, row["company_name"] or customer_id, facts, {**row, **segment})


def _cards(context: Context, customer_id: str, period: Period) -> None:
    select = "select * from gold.fact_customer_health where customer_id = ? and date_partition = ?"
    parts.cards(
        context, f"On {formats.DAY.text(period.end)}",
        [
            _health("health_score", "Health", formats.DECIMAL),
            _health("api_calls_last_7d", "Calls, 7 days"), _health("api_calls_last_30d", "Calls, 30 days"),
            _health("features_used_last_30d", "Features, 30 days"),
            _health("support_tickets_open", "Open tickets", is_good_up=False),
            _health("payment_status", "Payment", formats.TEXT),
        ],
        context.row(select, customer_id, period.end), context.row(select, customer_id, period.before),
        formats.DAY.text(period.before),
    )  # fmt: skip


def _risk(context: Context, customer_id: str) -> None:
    score = context.row(
        f"select * replace ({context.amounts('mrr_at_risk_reporting_minor')}) "
        "from gold.customer_churn_scores where customer_id = ? and is_latest",
        customer_id,
    )
    money = context.amounts("ltv_reporting_minor", "predicted_12m_reporting_minor")
    worth = context.row(
        f"select * replace ({money}) from gold.customer_ltv where customer_id = ? and is_latest",
        customer_id,
    )
    shown: list[Measure] = []
    values: dict[str, Any] = {}
    if score:
        values |= score | {"reasons": reasons(score)}
        shown += [
            _score("churn_probability", "May leave within 30 days", formats.PERCENT),
            _score("risk_band", "Risk", formats.TEXT),
            _score("mrr_at_risk_reporting_minor", "MRR at risk", context.money),
            Measure("reasons", "Why", formats.TEXT, "customer_churn_scores.factor_1_name"),
            _score("recommended_action", "What to do", formats.TEXT),
        ]
    if worth:
        of = columns_of("customer_ltv")
        values |= {
            key: worth[key] for key in ("ltv_reporting_minor", "predicted_12m_reporting_minor")
        }
        shown += [
            of("ltv_reporting_minor", "Lifetime value", context.money),
            of("predicted_12m_reporting_minor", "Next 12 months", context.money),
        ]
    if shown:
        parts.facts(context, "Risk and value", shown, values)


def _course(context: Context, customer_id: str, period: Period) -> None:
    days = context.course(
        "select * from gold.fact_customer_health where customer_id = ? and date_partition between ? and ? "
        "order by date_partition",
        customer_id, period.start, period.until,
    )  # fmt: skip
    cells = parts.cells()
    day = _health("date_partition", "Day", formats.DAY)
    health = _health("health_score", "Health", formats.DECIMAL)
    calls = _health("api_calls_last_7d", "Calls of 7 days")
    with next(cells):
        parts.panel(
            context,
            "Calls",
            days,
            [day, calls],
            lambda data: charts.lines(data, day, [calls], scale="zero"),
        )
    with next(cells):
        known = days[days["health_score"].notna()]
        parts.panel(
            context,
            "Health",
            known,
            [day, health],
            lambda data: charts.lines(data, day, [health], scale="zero"),
        )
    with next(cells):
        _mrr(context, customer_id, period)
    with next(cells):
        _features(context, customer_id, period)


def _mrr(context: Context, customer_id: str, period: Period) -> None:
    of = columns_of("fact_customer_months")
    month, currency = of("month", "Month", formats.MONTH), of("currency", "Currency", formats.TEXT)
    mrr = of("closing_mrr_reporting_minor", "MRR", context.money)
    months = context.course(
        f"select * replace ({context.amounts('closing_mrr_reporting_minor')}) from gold.fact_customer_months "
        "where customer_id = ? and month between ? and ? order by month, currency",
        customer_id, period.first_month, period.until,
    )  # fmt: skip
    parts.panel(
        context, "MRR by month", months, [month, currency, mrr],
        lambda data: charts.bars_by(data, month, "currency", mrr),
        note=f"In {context.currency}, by the currency in which it is paid",
    )  # fmt: skip


def _features(context: Context, customer_id: str, period: Period) -> None:
    of = columns_of("fact_feature_usage")
    feature, used = of("feature_name", "Feature", formats.TEXT), of("usage_count", "Calls")
    rows = context.ask(
        "select feature_name, sum(usage_count) as usage_count, max(last_used_at) as last_used_at "
        "from gold.fact_feature_usage where customer_id = ? and date_partition between ? and ? "
        "group by feature_name order by usage_count desc",
        customer_id, period.start, period.until,
    )  # fmt: skip
    parts.panel(
        context, "Features used", rows, [feature, used, of("last_used_at", "Last used", formats.INSTANT)],
        lambda data: charts.ranked(data, feature, used),
    )  # fmt: skip


def _events(context: Context, customer_id: str) -> None:
    of = columns_of("fact_mrr_movements")
    movements = context.ask(
        "select * from gold.fact_mrr_movements where customer_id = ? order by occurred_at desc",
        customer_id,
    )
    cells = parts.cells()
    with next(cells):
        parts.listing(
            context, "Movements of MRR", movements,
            [
                of("occurred_at", "When", formats.INSTANT), of("movement_type", "Movement", formats.TEXT),
                of("amount_reporting", "MRR", context.money), of("reason", "Reason", formats.TEXT),
            ],
        )  # fmt: skip
    of = columns_of("fact_invoices")
    total = f"total_reporting_minor / {context.units} as total"
    invoices = context.ask(
        f"select *, {total} from gold.fact_invoices where customer_id = ? order by finalized_at desc",
        customer_id,
    )
    with next(cells):
        parts.listing(
            context, "Invoices", invoices,
            [
                of("finalized_at", "When", formats.DAY), of("invoice_number", "Number", formats.TEXT),
                Measure("total", "Total", context.money, "fact_invoices.total_reporting_minor"),
                of("status", "Status", formats.TEXT),
            ],
        )  # fmt: skip
    of = columns_of("fact_support_tickets")
    tickets = context.ask(
        "select * from gold.fact_support_tickets where customer_id = ? order by created_at desc",
        customer_id,
    )
    parts.listing(
        context, "Tickets", tickets,
        [
            of("created_at", "When", formats.INSTANT), of("subject", "Subject", formats.TEXT),
            of("status", "Status", formats.TEXT), of("priority", "Priority", formats.TEXT),
            of("first_reply_minutes", "First reply", formats.MINUTES),
            of("resolution_minutes", "Resolution", formats.MINUTES), of("satisfaction", "Rating", formats.TEXT),
        ],
    )  # fmt: skip


PAGE = Page(
    title="One customer",
    about="What it pays, how it uses the product, how it is, and whether it may leave.",
    section="Customers",
    position=2,
    icon=":material/person:",
    url="customer",
    draw=draw,
)
