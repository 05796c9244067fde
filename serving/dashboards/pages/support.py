"""Support: the load, how fast it is answered, and how content customers are.

Reads: gold.kpi_support_daily, kpi_support_monthly, kpi_activity_by_dimension, fact_support_tickets, dim_customers.
"""

from __future__ import annotations

from serving.dashboards import charts, customers, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.filters import Period, Slice
from serving.dashboards.formats import columns_of
from serving.dashboards.page import Page

DIMENSIONS = ("tier", "plan", "industry", "country")
_monthly = columns_of("kpi_support_monthly")
_daily = columns_of("kpi_support_daily")
MONTH = _monthly("month_start_on", "Month", formats.MONTH)


def draw(context: Context) -> None:
    """Tickets by month and day, times, ratings, and what is open."""
    with filters.bar():
        period = filters.period(context)
        chosen = filters.customers(context, "kpi_activity_by_dimension", DIMENSIONS)
    if chosen.dimension:
        _of_some(context, period, chosen)
    else:
        _of_all(context, period)
    _open(context, chosen)


def _of_all(context: Context, period: Period) -> None:
    created = _monthly("tickets_created", "Tickets", is_good_up=False)
    reply = _monthly("first_reply_minutes_median", "First reply", formats.MINUTES, is_good_up=False)
    solved = _monthly("resolution_minutes_median", "Resolution", formats.MINUTES, is_good_up=False)
    csat = _monthly("csat", "CSAT", formats.PERCENT)
    now, before = parts.last_two_months(
        context, "select * from gold.kpi_support_monthly", period, "month_start_on", "is_complete"
    )
    parts.month_cards(
        context,
        [
            created, reply,
            _monthly("first_reply_business_minutes_median", "First reply, business", formats.MINUTES, is_good_up=False),
            solved, csat, _monthly("tickets_reopened", "Reopened", is_good_up=False),
            _monthly("tickets_per_1000_calls", "Per 1,000 calls", formats.RATIO, is_good_up=False),
        ],
        now, before,
    )  # fmt: skip
    months = context.course(
        "select * from gold.kpi_support_monthly where month_start_on between ? and ? order by month_start_on",
        period.first_month, period.until,
    )  # fmt: skip
    days = context.course(
        "select * from gold.kpi_support_daily where day between ? and ? order by day",
        period.start,
        period.until,
        source="support",
    )
    day, still_open = (
        _daily("day", "Day", formats.DAY),
        _daily("tickets_open", "Open", is_good_up=False),
    )
    cells = parts.cells()
    with next(cells):
        parts.panel(
            context,
            "Tickets",
            months,
            [MONTH, created],
            lambda data: charts.bars(data, MONTH, [created]),
        )
        hours = context.course(
            "select month_start_on, is_complete, first_reply_minutes_median / 60 as reply_hours, "
            "resolution_minutes_median / 60 as solved_hours from gold.kpi_support_monthly "
            "where month_start_on between ? and ? order by month_start_on",
            period.first_month, period.until,
        )  # fmt: skip
        times = [
            formats.Measure(
                "solved_hours", "Resolution", formats.HOURS, solved.source, is_good_up=False
            ),
            formats.Measure(
                "reply_hours", "First reply", formats.HOURS, reply.source, is_good_up=False
            ),
        ]
        parts.panel(
            context, "Median times", hours, [MONTH, *times],
            lambda data: charts.lines(data, MONTH, times, scale="zero"),
            note="Calendar hours, by month of creation",
        )  # fmt: skip
    with next(cells):
        parts.panel(
            context, "Backlog", days,
            [day, still_open, _daily("tickets_created", "Created"), _daily("tickets_solved", "Solved")],
            lambda data: charts.lines(data, day, [still_open], scale="zero"),
            note="Tickets open at the end of the day",
        )  # fmt: skip
        parts.panel(
            context, "Satisfaction", months[months["csat"].notna()], [MONTH, csat, _monthly("ratings", "Ratings")],
            lambda data: charts.lines(data, MONTH, [csat]),
            note="Good of all ratings; months with too few have none",
        )  # fmt: skip


def _of_some(context: Context, period: Period, chosen: Slice) -> None:
    of = columns_of("kpi_activity_by_dimension")
    month = of("month_start_on", "Month", formats.MONTH)
    tickets = of("tickets_created", "Tickets", is_good_up=False)
    rate = of("tickets_per_1000_calls", "Per 1,000 calls", formats.RATIO, is_good_up=False)
    select = "select * from gold.kpi_activity_by_dimension where dimension = ? and value = ?"
    now, before = parts.last_two_months(
        context,
        f"select * from ({select})",
        period,
        "month_start_on",
        "is_complete",
        chosen.dimension,
        chosen.value,
    )
    csat = of("csat", "CSAT", formats.PERCENT)
    parts.month_cards(context, [tickets, rate, csat, of("customers", "Customers")], now, before)
    months = context.course(
        f"{select} and month_start_on between ? and ? order by month_start_on",
        chosen.dimension, chosen.value, period.first_month, period.until,
    )  # fmt: skip
    cells = parts.cells()
    with next(cells):
        parts.panel(
            context,
            "Tickets",
            months,
            [month, tickets],
            lambda data: charts.bars(data, month, [tickets]),
        )
    with next(cells):
        known = months[months["tickets_per_1000_calls"].notna()]
        parts.panel(
            context, "Tickets per 1,000 calls", known, [month, rate, csat],
            lambda data: charts.lines(data, month, [rate], scale="zero"),
        )  # fmt: skip
    parts.of_everybody("Backlog and times")


def _open(context: Context, chosen: Slice) -> None:
    of = columns_of("fact_support_tickets")
    condition, values = customers.where(chosen)
    rows = context.ask(
        "select t.customer_id, t.subject, t.priority, t.created_at, t.first_replied_at is not null as is_answered, "
        "c.company_name, c.tier from gold.fact_support_tickets as t join gold.dim_customers as c using (customer_id) "
        f"where t.is_open and {condition} order by t.created_at limit 500",
        *values,
    )
    parts.listing(
        context, "Open tickets", customers.linked(rows),
        [
            of("created_at", "Since", formats.INSTANT), customers.COMPANY, customers.TIER,
            of("subject", "Subject", formats.TEXT), of("priority", "Priority", formats.TEXT),
            formats.Measure("is_answered", "Answered", formats.YES, "fact_support_tickets.first_replied_at"),
        ],
        note="The oldest first, 500 at most",
        empty="No ticket is open.",
    )  # fmt: skip


PAGE = Page(
    title="Support",
    about="How many tickets come, how fast they are answered and solved, and what is open.",
    section="Teams",
    position=5,
    icon=":material/support_agent:",
    url="support",
    draw=draw,
)
