"""All customers, found by name or id, by tier, plan, industry, country or currency.

Reads: gold.dim_customers, fact_customer_health, customer_churn_scores, customer_segments.
"""

from __future__ import annotations

import streamlit as st

from serving.dashboards import customers, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.formats import Measure, columns_of
from serving.dashboards.page import Page

ORDERS = {
    "MRR": "mrr desc nulls last",
    "Churn risk": "s.churn_probability desc nulls last",
    "Health": "h.health_score nulls last",
    "Newest": "c.signup_date desc nulls last",
}
WHO = {"Paying": "c.is_paying", "Not paying": "not c.is_paying", "All": "true"}


def draw(context: Context) -> None:
    """A listing that leads to the page of each."""
    with filters.bar():
        sought = st.text_input(
            "Find", key="find", bind="query-params", placeholder="Company or id", width=220
        )
        who = WHO[filters.choice("Show", list(WHO), key="show")]
        order = ORDERS[filters.choice("By", list(ORDERS), key="order")]
        chosen = filters.customers(context)
    condition, values = customers.where(chosen)
    rows = context.ask(
        f"select c.*, c.mrr_reporting_minor / {context.units} as mrr_reporting, h.health_score, s.churn_probability, "
        f"g.cluster_segment from gold.dim_customers as c "
        "left join gold.fact_customer_health as h on h.customer_id = c.customer_id and h.date_partition = ? "
        "left join gold.customer_churn_scores as s on s.customer_id = c.customer_id and s.is_latest "
        "left join gold.customer_segments as g on g.customer_id = c.customer_id and g.is_latest "
        "where c.customer_id != 'unknown' and not c.is_deleted "
        "and (contains(lower(coalesce(c.company_name, '')), lower(?)) or contains(lower(c.customer_id), lower(?))) "
        f"and {who} and {condition} order by {order.replace('mrr ', 'c.mrr_reporting_minor ')}, c.customer_id",
        context.complete_through, sought, sought, *values,
    )  # fmt: skip
    of = columns_of("dim_customers")
    parts.listing(
        context, "Customers", customers.linked(rows),
        [
            customers.COMPANY, customers.TIER, customers.INDUSTRY, customers.COUNTRY,
            Measure("mrr_reporting", "MRR", context.money, "dim_customers.mrr_reporting_minor"),
            Measure("health_score", "Health", formats.DECIMAL, "fact_customer_health.health_score"),
            Measure("churn_probability", "Churn risk", formats.PERCENT, "customer_churn_scores.churn_probability"),
            Measure("cluster_segment", "Segment", formats.TEXT, "customer_segments.cluster_segment"),
            of("signup_date", "Since", formats.DAY),
        ],
        empty="No customer fits.",
    )  # fmt: skip


PAGE = Page(
    title="Customers",
    about="Every customer, one click away from its own page.",
    section="Customers",
    position=1,
    icon=":material/groups:",
    url="customers",
    draw=draw,
)
