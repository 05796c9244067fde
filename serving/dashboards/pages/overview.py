"""Company overview: the master table on the last day chosen, its course, and where revenue comes from.

Reads: gold.kpi_daily, kpi_mrr_monthly, kpi_revenue_by_dimension, kpi_health_daily.
"""

from __future__ import annotations

from serving.dashboards import charts, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.filters import Period
from serving.dashboards.formats import Measure, columns_of
from serving.dashboards.page import Page

_of = columns_of("kpi_daily")
DAY = _of("day", "Day", formats.DAY)
BANDS = ("Excellent", "Good", "At Risk", "Critical", "Not scored")


def draw(context: Context) -> None:
    """Cards of the last day against the day before the first, and their course."""
    with filters.bar():
        period = filters.period(context)
    _cards(context, period)
    days = context.ask(
        "select * from gold.kpi_daily where day between ? and ? order by day",
        period.start, period.until,
    )  # fmt: skip
    shown = (
        ("Monthly recurring revenue", [_of("mrr_amount", "MRR", context.money)]),
        ("Paying customers", [_of("customers_paying", "Paying customers")]),
        (
            "Customers who call the API",
            [_of("mau", "In 28 days"), _of("wau", "In 7 days"), _of("dau", "On the day")],
        ),
    )
    cells = parts.cells()
    for title, measures in shown:
        with next(cells):
            parts.panel(
                context, title, days, [DAY, *measures],
                lambda data, measures=measures: charts.lines(data, DAY, measures),
            )  # fmt: skip
    with next(cells):
        _health(context, period)
    _revenue(context, period)


def _cards(context: Context, period: Period) -> None:
    headlines = (
        _of("mrr_amount", "MRR", context.money),
        _of("arr_amount", "ARR", context.money),
        _of("customers_paying", "Paying customers"),
        _of("arpa_amount", "ARPA", context.money),
        _of("nrr_30d", "NRR, 30 days", formats.PERCENT),
        _of("grr_30d", "GRR, 30 days", formats.PERCENT),
        _of("logo_churn_rate_30d", "Churn, 30 days", formats.PERCENT, is_good_up=False),
        _of("customers_total", "Customers"),
        _of("mau", "Active, 28 days"),
        _of("error_rate", "Error rate", formats.PERCENT_FINE, is_good_up=False),
        _of("health_score_mean", "Mean health", formats.DECIMAL),
        _of("customers_at_risk", "At risk", is_good_up=False),
    )
    one_day = "select * from gold.kpi_daily where day = ?"
    parts.cards(
        context, f"On {formats.DAY.text(period.end)}", headlines,
        context.row(one_day, period.end), context.row(one_day, period.before),
        formats.DAY.text(period.before),
    )  # fmt: skip


def _health(context: Context, period: Period) -> None:
    band = columns_of("kpi_health_daily")
    day, customers = band("day", "Day", formats.DAY), band("customers", "Customers")
    bands = context.course(
        "select * from gold.kpi_health_daily where day between ? and ? order by day, health_band",
        period.start, period.until,
    )  # fmt: skip
    measures = [day, band("health_band", "Band", formats.TEXT), customers]
    parts.panel(
        context, "Customers by health", bands, measures,
        lambda data: charts.areas_by(data, day, "health_band", customers, order=BANDS),
    )  # fmt: skip


def _revenue(context: Context, period: Period) -> None:
    month = columns_of("kpi_mrr_monthly")
    start = month("month_start_on", "Month", formats.MONTH)
    revenue = month("revenue_reporting_minor", "Net revenue", context.money)
    months = context.course(
        f"select * replace ({context.amounts('revenue_reporting_minor')}) from gold.kpi_mrr_monthly "
        "where month_start_on between ? and ? order by month_start_on",
        period.first_month, period.until,
    )  # fmt: skip
    cells = parts.cells()
    with next(cells):
        parts.panel(
            context, "Net revenue by month", months, [start, revenue],
            lambda data: charts.bars(data, start, [revenue]),
        )  # fmt: skip
    with next(cells):
        _slices(context, period)


def _slices(context: Context, period: Period) -> None:
    by = columns_of("kpi_revenue_by_dimension")
    value = by("value", "Tier", formats.TEXT)
    mrr = by("mrr_reporting_minor", "MRR", context.money)
    month = context.values(
        "select max(month_start_on) from gold.kpi_revenue_by_dimension where is_complete and month_start_on <= ? "
        "and last_day(month_start_on) <= ?",
        period.end,
        context.complete_through,
    )[0]
    tiers = context.ask(
        f"select * replace ({context.amounts('mrr_reporting_minor')}) from gold.kpi_revenue_by_dimension "
        "where dimension = 'tier' and month_start_on = ? and mrr_reporting_minor > 0 order by mrr_reporting_minor desc",
        month,
    )
    customers = Measure(
        "paying_customers",
        "Paying customers",
        formats.COUNT,
        "kpi_revenue_by_dimension.paying_customers",
    )
    parts.panel(
        context, "MRR by tier", tiers, [value, mrr, customers],
        lambda data: charts.ranked(data, value, mrr),
        note=f"At the end of {formats.MONTH.text(month)}",
    )  # fmt: skip


PAGE = Page(
    title="Company overview",
    about="Where the company stands: revenue, customers, usage and health on one page.",
    section="Executive",
    position=1,
    icon=":material/monitoring:",
    url="",  # the page that opens first
    draw=draw,
)
