"""Marketing: what each channel costs, and what comes of it.

Reads: gold.kpi_marketing_monthly, kpi_acquisition_monthly, kpi_mrr_monthly.
"""

from __future__ import annotations

from serving.dashboards import charts, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.filters import Period
from serving.dashboards.formats import columns_of
from serving.dashboards.page import Page

_came = columns_of("kpi_acquisition_monthly")
_paid = columns_of("kpi_mrr_monthly")
_spent = columns_of("kpi_marketing_monthly")


def draw(context: Context) -> None:
    """Spend by channel, and what a customer costs and is worth."""
    with filters.bar():
        period = filters.period(context)
    month = _came("month_start_on", "Month", formats.MONTH)
    spend = _came("spend_amount", "Spend", context.money, is_good_up=None)
    cac = _came("cac_amount", "CAC", context.money, is_good_up=False)
    ltv = _paid("ltv_minor", "LTV", context.money)
    ratio = _paid("ltv_to_cac", "LTV to CAC", formats.RATIO)
    payback = _paid("cac_payback_months", "Payback, months", formats.DECIMAL, is_good_up=False)
    clicks, signups = _came("clicks", "Clicks"), _came("signups", "Signups")
    paying = _came("new_paying_customers", "New paying")
    select = (
        f"select a.*, m.ltv_minor / {context.units} as ltv_minor, m.ltv_to_cac, m.cac_payback_months "
        "from gold.kpi_acquisition_monthly as a left join gold.kpi_mrr_monthly as m using (month_start_on) "
    )
    now, before = parts.last_two_months(
        context, select, period, "a.month_start_on", "a.is_complete"
    )
    parts.month_cards(
        context, [spend, clicks, signups, paying, cac, ltv, ratio, payback], now, before
    )
    months = context.course(
        f"{select} where a.month_start_on between ? and ? order by a.month_start_on",
        period.first_month, period.until,
    )  # fmt: skip
    cells = parts.cells()
    with next(cells):
        _channels(context, period)
        parts.panel(
            context, "LTV to CAC", months[months["ltv_to_cac"].notna()], [month, ratio, ltv, cac],
            lambda data: charts.lines(data, month, [ratio], scale="zero"),
        )  # fmt: skip
    with next(cells):
        parts.panel(
            context,
            "Clicks",
            months,
            [month, clicks],
            lambda data: charts.bars(data, month, [clicks]),
        )
        parts.panel(
            context, "Cost of a new customer", months[months["cac_amount"].notna()], [month, cac],
            lambda data: charts.bars(data, month, [cac]),
        )  # fmt: skip
    _last_month(context, period)


def _channels(context: Context, period: Period) -> None:
    month, channel = (
        _spent("month_start_on", "Month", formats.MONTH),
        _spent("channel", "Channel", formats.TEXT),
    )
    spend = _spent("spend_amount", "Spend", context.money)
    rows = context.course(
        "select * from gold.kpi_marketing_monthly where month_start_on between ? and ? "
        "order by month_start_on, channel",
        period.first_month, period.until,
    )  # fmt: skip
    parts.panel(
        context, "Spend by channel", rows, [month, channel, spend],
        lambda data: charts.bars_by(data, month, "channel", spend),
    )  # fmt: skip


def _last_month(context: Context, period: Period) -> None:
    rows = context.ask(
        "select * from gold.kpi_marketing_monthly where month_start_on = (select max(month_start_on) "
        "from gold.kpi_marketing_monthly where is_complete and month_start_on <= ? and last_day(month_start_on) <= ?) "
        "order by spend_amount desc",
        period.end,
        context.complete_through,
    )
    title = (
        "Channels"
        if rows.empty
        else f"Channels in {formats.MONTH.text(rows['month_start_on'].iloc[0])}"
    )
    parts.listing(
        context, title, rows,
        [
            _spent("channel", "Channel", formats.TEXT), _spent("spend_amount", "Spend", context.money),
            _spent("impressions", "Impressions"), _spent("clicks", "Clicks"),
        ],
    )  # fmt: skip


PAGE = Page(
    title="Marketing",
    about="What each channel costs, how many customers come, and what one costs and is worth.",
    section="Teams",
    position=3,
    icon=":material/campaign:",
    url="marketing",
    draw=draw,
)
