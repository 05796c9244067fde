"""Revenue and growth: MRR and what moved it, retention, cohorts, and what is expected.

Reads: gold.kpi_mrr_monthly, kpi_retention_monthly, kpi_revenue_by_dimension, kpi_cohorts, kpi_daily, forecasts.
"""

from __future__ import annotations

import pandas as pd
import streamlit as st

from serving.dashboards import charts, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.filters import Period, Slice
from serving.dashboards.formats import Measure, columns_of
from serving.dashboards.page import Page

INTERVALS = {"1 month": 1, "3 months": 3, "6 months": 6, "12 months": 12}
STEPS = (
    ("New", "new_reporting_minor"),
    ("Expansion", "expansion_reporting_minor"),
    ("Reactivation", "reactivation_reporting_minor"),
    ("Contraction", "contraction_reporting_minor"),
    ("Churn", "churn_reporting_minor"),
    ("Currency", "fx_reporting_minor"),
)
MONEY = (
    "opening_mrr_reporting_minor", "mrr_reporting_minor", "list_mrr_reporting_minor", "arr_reporting_minor",
    "revenue_reporting_minor", "arpa_minor", "arpu_minor", "ltv_minor", *(column for _, column in STEPS),
)  # fmt: skip


def draw(context: Context) -> None:
    """Everything about recurring revenue, of all customers or of some."""
    with filters.bar():
        period = filters.period(context)
        chosen = filters.customers(context)
        interval = INTERVALS[filters.choice("Retention over", list(INTERVALS), key="interval")]
    table = "kpi_revenue_by_dimension" if chosen.dimension else "kpi_mrr_monthly"
    months = _months(context, period, chosen, interval)
    if months.empty:
        parts.nothing("No recurring revenue for this choice.")
        return
    _cards(context, table, months)
    cells = parts.cells()
    of = columns_of(table)
    month = of("month_start_on", "Month", formats.MONTH)
    with next(cells):
        mrr = of("mrr_reporting_minor", "MRR", context.money)
        parts.panel(
            context,
            "MRR at the month's end",
            months,
            [month, mrr],
            lambda data: charts.bars(data, month, [mrr]),
        )
    with next(cells):
        _retention(context, chosen, months, month)
    _waterfall(context, table, months)
    _movements(context, table, months, month)
    if chosen.dimension:
        parts.of_everybody("Cohorts and the forecast")
    _cohorts(context)
    _forecast(context, period)


def _months(context: Context, period: Period, chosen: Slice, interval: int) -> pd.DataFrame:
    """A row a month: the bridge, and retention over the interval that ends with it."""
    amounts = context.amounts(*MONEY)
    if chosen.dimension:
        suffix = "" if interval == 1 else f"_{interval}m"
        return context.course(
            f"select * replace ({amounts}), nrr{suffix} as nrr_shown, grr{suffix} as grr_shown, "
            f"logo_churn{suffix} as churn_shown from gold.kpi_revenue_by_dimension "
            "where dimension = ? and value = ? and month_start_on between ? and ? order by month_start_on",
            chosen.dimension, chosen.value, period.first_month, period.until,
        )  # fmt: skip
    return context.course(
        f"select m.* replace ({amounts}), r.nrr as nrr_shown, r.grr as grr_shown, r.logo_churn_rate as churn_shown "
        "from gold.kpi_mrr_monthly as m left join gold.kpi_retention_monthly as r "
        "on r.month_start_on = m.month_start_on and r.interval_months = ? "
        "where m.month_start_on between ? and ? order by m.month_start_on",
        interval, period.first_month, period.until,
    )  # fmt: skip


def _retained(chosen: Slice) -> tuple[Measure, Measure, Measure]:
    """NRR, GRR and churn, with the definitions of the table that they come from."""
    table, churn = (
        ("kpi_revenue_by_dimension", "logo_churn")
        if chosen.dimension
        else ("kpi_retention_monthly", "logo_churn_rate")
    )
    return (
        Measure("nrr_shown", "Net (NRR)", formats.PERCENT, f"{table}.nrr"),
        Measure("grr_shown", "Gross (GRR)", formats.PERCENT, f"{table}.grr"),
        Measure("churn_shown", "Logo churn", formats.PERCENT, f"{table}.{churn}", is_good_up=False),
    )


def _cards(context: Context, table: str, months: pd.DataFrame) -> None:
    over = months[months["is_complete"].astype(bool)].to_dict("records")
    now, before, *_ = [*over[::-1], {}, {}]
    of = columns_of(table)
    nrr, grr, churn = _retained(Slice("any" if table == "kpi_revenue_by_dimension" else None))
    measures = (
        of("mrr_reporting_minor", "MRR", context.money),
        of("arr_reporting_minor", "ARR", context.money),
        of("revenue_reporting_minor", "Net revenue", context.money),
        of("paying_customers", "Paying customers"),
        of("arpa_minor", "ARPA", context.money),
        nrr, grr, churn,
        of("quick_ratio", "Quick ratio", formats.RATIO),
        of("ltv_minor", "LTV", context.money),
    )  # fmt: skip
    parts.month_cards(context, measures, now, before)


def _retention(context: Context, chosen: Slice, months: pd.DataFrame, month: Measure) -> None:
    nrr, grr, churn = _retained(chosen)
    known = months[months["nrr_shown"].notna()]
    parts.panel(
        context, "Revenue retained", known, [month, nrr, grr, churn],
        lambda data: charts.lines(data, month, [nrr, grr]),
    )  # fmt: skip


def _waterfall(context: Context, table: str, months: pd.DataFrame) -> None:
    names = {formats.MONTH.text(row["month_start_on"]): row for row in months.to_dict("records")}
    over = [name for name, row in names.items() if row["is_complete"]]
    with filters.bar():
        chosen = st.selectbox(
            "Month of the waterfall", list(names)[::-1], index=list(names)[::-1].index(over[-1]) if over else 0,
            key="month", width=220,
        )  # fmt: skip
    row = names[chosen]
    partly = "" if row["is_complete"] else f" ({charts.PARTIAL})"
    opening, closing = "opening_mrr_reporting_minor", "mrr_reporting_minor"
    steps = pd.DataFrame(
        [("Opening", row[opening], True, f"{table}.{opening}")]
        + [(label, row[column], False, f"{table}.{column}") for label, column in STEPS]
        + [("Closing", row[closing], True, f"{table}.{closing}")],
        columns=["step", "amount", "is_total", "source"],
    )
    parts.panel(
        context, "From opening to closing MRR", steps,
        [Measure("step", "Step", formats.TEXT), Measure("amount", "Amount", context.money)],
        lambda data: charts.waterfall(data, "step", "amount", "is_total", context.money),
        note=f"{chosen}{partly}; the axis is cut where all steps are far above 0",
        defined=[Measure("", step, source=source) for step, source in steps[["step", "source"]].to_numpy()],
    )  # fmt: skip


def _movements(context: Context, table: str, months: pd.DataFrame, month: Measure) -> None:
    of = columns_of(table)
    measures = [of(column, label, context.money) for label, column in STEPS[:-1]]
    parts.panel(
        context,
        "What moved MRR",
        months,
        [month, *measures],
        lambda data: charts.bars(data, month, measures),
    )


def _cohorts(context: Context) -> None:
    of = columns_of("kpi_cohorts")
    cohort, since = of("cohort_month", "Cohort", formats.MONTH), of("months_since", "Months since")
    shown = {
        "Customers": of("logo_retention", "Customers retained", formats.PERCENT_WHOLE),
        "Revenue": of("net_revenue_retention", "Net revenue retained", formats.PERCENT_WHOLE),
    }
    with filters.bar():
        measure = shown[filters.choice("Cohorts by", list(shown), key="cohorts")]
    cells = context.ask("select * from gold.kpi_cohorts order by cohort_month, months_since")
    parts.panel(
        context, "Cohorts", cells, [cohort, since, of("cohort_customers", "Customers"), *shown.values()],
        lambda data: charts.heat(data, since, cohort, measure),
        note=f"{measure.label}, by month of the first MRR and months since",
    )  # fmt: skip


def _forecast(context: Context, period: Period) -> None:
    of = columns_of("forecasts")
    ahead = context.ask(
        f"select * replace ({context.amounts('baseline', 'pessimistic', 'optimistic')}), target_on as day "
        "from gold.forecasts where is_latest and metric = 'mrr' order by target_on"
    )
    known = context.ask(
        "select day, mrr_amount from gold.kpi_daily where is_complete and day >= ? order by day",
        period.start,
    )
    day = Measure("day", "Day", formats.DAY, "forecasts.target_on")
    parts.panel(
        context, "MRR expected", ahead,
        [day, *(of(key, label, context.money) for key, label in (
            ("baseline", "Expected"), ("pessimistic", "Pessimistic"), ("optimistic", "Optimistic")))],
        lambda data: charts.fan(known, data, day, Measure("mrr_amount", "MRR", context.money)),
        note="What was, and six months ahead within an 85 % interval",
    )  # fmt: skip


PAGE = Page(
    title="Revenue and growth",
    about="Recurring revenue: how much, what moved it, how much of it stays, and what is expected.",
    section="Executive",
    position=2,
    icon=":material/payments:",
    url="revenue",
    draw=draw,
)
