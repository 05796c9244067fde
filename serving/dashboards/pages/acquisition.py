"""Acquisition: who signs up, who pays, what it costs, and how many get to value.

Reads: gold.kpi_acquisition_monthly, kpi_activation_monthly, kpi_mrr_monthly, kpi_funnels.
"""

from __future__ import annotations

from serving.dashboards import charts, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.formats import Measure, columns_of
from serving.dashboards.page import Page

_came = columns_of("kpi_acquisition_monthly")
_began = columns_of("kpi_activation_monthly")
_paid = columns_of("kpi_mrr_monthly")
MONTH = _came("month_start_on", "Month", formats.MONTH)
SIGNUPS = _came("signups", "Signups")
NEW_PAYING = _came("new_paying_customers", "New paying")
ACTIVATION = _began("activation_rate", "Activated", formats.PERCENT)
ONBOARDING = _began("onboarding_completion_rate", "Onboarded", formats.PERCENT)
HOURS_TO_VALUE = _began(
    "time_to_first_value_hours_median", "Time to first value", formats.HOURS, is_good_up=False
)


def draw(context: Context) -> None:
    """Months of acquisition and activation, and the two funnels."""
    spend = _came("spend_amount", "Marketing spend", context.money, is_good_up=None)
    cac = _came("cac_amount", "CAC", context.money, is_good_up=False)
    payback = _paid("cac_payback_months", "Payback, months", formats.DECIMAL, is_good_up=False)
    ltv_to_cac = _paid("ltv_to_cac", "LTV to CAC", formats.RATIO)
    with filters.bar():
        period = filters.period(context)
    select = (
        "select a.*, b.activation_rate, b.onboarding_completion_rate, b.time_to_first_value_hours_median, "
        "m.cac_payback_months, m.ltv_to_cac from gold.kpi_acquisition_monthly as a "
        "left join gold.kpi_activation_monthly as b using (month_start_on) "
        "left join gold.kpi_mrr_monthly as m using (month_start_on) "
    )
    now, before = parts.last_two_months(
        context, select, period, "a.month_start_on", "a.is_complete"
    )
    parts.month_cards(
        context, [SIGNUPS, NEW_PAYING, spend, cac, payback, ltv_to_cac, ACTIVATION, ONBOARDING, HOURS_TO_VALUE],
        now, before,
    )  # fmt: skip
    months = context.course(
        f"{select} where a.month_start_on between ? and ? order by a.month_start_on",
        period.first_month, period.until,
    )  # fmt: skip
    cells = parts.cells()
    with next(cells):
        parts.panel(
            context, "Signups", months, [MONTH, SIGNUPS, NEW_PAYING],
            lambda data: charts.lines(data, MONTH, [SIGNUPS, NEW_PAYING], scale="zero"),
        )  # fmt: skip
        parts.panel(
            context, "Cost of a new customer", months[months["cac_amount"].notna()], [MONTH, cac],
            lambda data: charts.bars(data, MONTH, [cac]),
        )  # fmt: skip
    with next(cells):
        parts.panel(
            context,
            "Marketing spend",
            months,
            [MONTH, spend],
            lambda data: charts.bars(data, MONTH, [spend]),
        )
        parts.panel(
            context, "Activation", months[months["activation_rate"].notna()], [MONTH, ACTIVATION, ONBOARDING],
            lambda data: charts.lines(data, MONTH, [ACTIVATION, ONBOARDING]),
            note="Of the month's signups: with a first successful call; with one in time",
        )  # fmt: skip
    _funnels(context)


def _funnels(context: Context) -> None:
    of = columns_of("kpi_funnels")
    step, customers = of("step_name", "Step", formats.TEXT), of("customers", "Customers")
    measures = [
        step, customers,
        of("conversion_from_start", "Of the first step", formats.PERCENT),
        of("conversion_from_step_before", "Of the step before", formats.PERCENT),
        of("hours_since_step_before_median", "Median hours since", formats.HOURS, is_good_up=False),
    ]  # fmt: skip
    cells = parts.cells()
    for funnel, title in (
        ("activation", "Funnel: activation"),
        ("monetisation", "Funnel: monetisation"),
    ):
        steps = context.ask(
            "select * from gold.kpi_funnels where funnel = ? order by step_number", funnel
        )
        steps["shown"] = [
            f"{formats.COUNT.text(row.customers)} ({formats.PERCENT_WHOLE.text(row.conversion_from_start)})"
            for row in steps.itertuples()
        ]
        with next(cells):
            parts.panel(
                context, title, steps, measures,
                lambda data: charts.ranked(data, step, customers, text=Measure("shown", "Customers", formats.TEXT)),
                note="All customers whose window is over",
            )  # fmt: skip


PAGE = Page(
    title="Acquisition",
    about="How customers come, what they cost, and how many of them get to value and pay.",
    section="Executive",
    position=3,
    icon=":material/group_add:",
    url="acquisition",
    draw=draw,
)
