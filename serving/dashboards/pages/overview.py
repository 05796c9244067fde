"""Company overview: the master table's newest complete day, and its course.

Reads: gold.kpi_daily.
"""

from __future__ import annotations

from serving.dashboards import charts, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.formats import Measure
from serving.dashboards.page import Page

DAY = Measure("day", "Day", formats.DAY, "kpi_daily.day")


def draw(context: Context) -> None:
    """Cards of the last day chosen against the day before the first, and their course."""
    with filters.bar():
        period = filters.period(context)
    headlines = (
        Measure("mrr_amount", "MRR", context.money, "kpi_daily.mrr_amount"),
        Measure("arr_amount", "ARR", context.money, "kpi_daily.arr_amount"),
        Measure(
            "customers_paying", "Paying customers", formats.COUNT, "kpi_daily.customers_paying"
        ),
        Measure("arpa_amount", "ARPA", context.money, "kpi_daily.arpa_amount"),
        Measure("nrr_30d", "NRR, 30 days", formats.PERCENT, "kpi_daily.nrr_30d"),
        Measure(
            "logo_churn_rate_30d",
            "Logo churn, 30 days",
            formats.PERCENT,
            "kpi_daily.logo_churn_rate_30d",
            False,
        ),
        Measure("mau", "Active customers, 28 days", formats.COUNT, "kpi_daily.mau"),
        Measure("error_rate", "Error rate", formats.PERCENT_FINE, "kpi_daily.error_rate", False),
        Measure("health_score_mean", "Mean health", formats.DECIMAL, "kpi_daily.health_score_mean"),
        Measure(
            "customers_at_risk",
            "Customers at risk",
            formats.COUNT,
            "kpi_daily.customers_at_risk",
            False,
        ),
    )
    one_day = "select * from gold.kpi_daily where day = ?"
    now, before = context.row(one_day, period.end), context.row(one_day, period.before)
    parts.cards(
        context,
        f"On {formats.DAY.text(period.end)}",
        headlines,
        now,
        before,
        formats.DAY.text(period.before),
    )

    days = context.ask("select * from gold.kpi_daily where day >= ? order by day", period.start)
    left, right = parts.side_by_side()
    mrr = headlines[0]
    with left:
        parts.panel(
            context,
            "Monthly recurring revenue",
            days,
            [DAY, mrr],
            lambda data: charts.lines(data, DAY, [mrr]),
        )
    with right:
        paying = headlines[2]
        parts.panel(
            context,
            "Paying customers",
            days,
            [DAY, paying],
            lambda data: charts.lines(data, DAY, [paying]),
        )


PAGE = Page(
    title="Company overview",
    about="Where the company stands: revenue, customers, usage and health on one page.",
    section="Executive",
    position=1,
    icon=":material/monitoring:",
    url="overview",
    draw=draw,
)
