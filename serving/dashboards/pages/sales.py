"""Sales: new and growing customers, who may grow next, and what discounts take.

Reads: gold.kpi_mrr_monthly, kpi_revenue_by_dimension, fact_mrr_movements, dim_customers, customer_segments.
"""

from __future__ import annotations

from serving.dashboards import charts, customers, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.filters import Period, Slice
from serving.dashboards.formats import columns_of
from serving.dashboards.page import Page

MONEY = (
    "mrr_reporting_minor", "list_mrr_reporting_minor", "new_reporting_minor", "expansion_reporting_minor",
    "reactivation_reporting_minor", "arpa_minor",
)  # fmt: skip


def draw(context: Context) -> None:
    """What was won by month, the movements behind it, and whom to talk to."""
    with filters.bar():
        period = filters.period(context)
        chosen = filters.customers(context)
    table = "kpi_revenue_by_dimension" if chosen.dimension else "kpi_mrr_monthly"
    of = columns_of(table)
    month = of("month_start_on", "Month", formats.MONTH)
    new = of("new_reporting_minor", "New", context.money)
    expansion = of("expansion_reporting_minor", "Expansion", context.money)
    back = of("reactivation_reporting_minor", "Reactivation", context.money)
    net, gross = (
        of("mrr_reporting_minor", "Net MRR", context.money),
        of("list_mrr_reporting_minor", "List MRR", context.money),
    )
    won = of("new_customers", "New customers")
    select = f"select * replace ({context.amounts(*MONEY)}) from gold.{table}"
    where = []
    if chosen.dimension:
        select, where = (
            f"select * from ({select} where dimension = ? and value = ?)",
            [chosen.dimension, chosen.value],
        )
    now, before = parts.last_two_months(
        context, select, period, "month_start_on", "is_complete", *where
    )
    arpa = of("arpa_minor", "ARPA", context.money)
    parts.month_cards(
        context,
        [new, expansion, back, won, of("paying_customers", "Paying customers"), arpa, net, gross],
        now,
        before,
    )
    months = context.course(
        f"{select} where month_start_on between ? and ? order by month_start_on",
        *where, period.first_month, period.until,
    )  # fmt: skip
    cells = parts.cells()
    with next(cells):
        parts.panel(
            context, "MRR won", months, [month, new, expansion, back],
            lambda data: charts.bars(data, month, [new, expansion, back]),
        )  # fmt: skip
    with next(cells):
        parts.panel(
            context, "Net and list MRR", months, [month, gross, net],
            lambda data: charts.lines(data, month, [gross, net]),
            note="What lies between them are discounts",
        )  # fmt: skip
    _movements(context, period, chosen)
    _prospects(context, chosen)


def _movements(context: Context, period: Period, chosen: Slice) -> None:
    of = columns_of("fact_mrr_movements")
    condition, values = customers.where(chosen)
    rows = context.ask(
        "select m.customer_id, c.company_name, c.tier, m.movement_type, m.amount_reporting, m.date_partition "
        "from gold.fact_mrr_movements as m join gold.dim_customers as c using (customer_id) "
        f"where m.date_partition between ? and ? and {condition} "
        "order by m.date_partition desc, abs(m.amount_reporting) desc limit 500",
        period.start, period.end, *values,
    )  # fmt: skip
    parts.listing(
        context, "Movements of MRR", customers.linked(rows),
        [
            of("date_partition", "Day", formats.DAY), customers.COMPANY, customers.TIER,
            of("movement_type", "Movement", formats.TEXT), of("amount_reporting", "MRR", context.money),
        ],
        note="The newest first, 500 at most",
    )  # fmt: skip


def _prospects(context: Context, chosen: Slice) -> None:
    of = columns_of("customer_segments")
    condition, values = customers.where(chosen)
    rows = context.ask(
        "select s.*, c.company_name, c.tier, c.industry from gold.customer_segments as s "
        "join gold.dim_customers as c using (customer_id) "
        f"where s.is_latest and not s.is_paid and s.calls_30d > 0 and not c.is_deleted and {condition} "
        "order by s.calls_30d desc limit 200",
        *values,
    )
    parts.listing(
        context, "Active, and not paying yet", customers.linked(rows),
        [
            customers.COMPANY, customers.TIER, customers.INDUSTRY,
            of("calls_30d", "Calls, 30 days"), of("active_days_30d", "Active days"),
            of("features_used_30d", "Features"), of("cluster_segment", "Segment", formats.TEXT),
        ],
        note="By calls in the 30 days before the last scoring",
    )  # fmt: skip


PAGE = Page(
    title="Sales",
    about="What was won and what grew, customer by customer, and who uses the product without paying.",
    section="Teams",
    position=4,
    icon=":material/handshake:",
    url="sales",
    draw=draw,
)
