"""Customer success: health, who may leave and why, segments and where they move.

Reads: gold.kpi_health_daily, kpi_activity_by_dimension, kpi_churn_risk, customer_churn_scores, fact_customer_health,
kpi_segment_characteristics, segment_transitions, dim_customers.
"""

from __future__ import annotations

from typing import Any

from serving.dashboards import charts, customers, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.filters import Period, Slice
from serving.dashboards.formats import Measure, columns_of
from serving.dashboards.page import Page

HEALTH_BANDS = ("Excellent", "Good", "At Risk", "Critical", "Not scored")
RISK_BANDS = ("Critical", "High", "Medium", "Low")
SCHEMES = {"Behaviour": "cluster", "Rules": "rule"}
DIMENSIONS = ("tier", "plan", "industry", "country")
_risk = columns_of("kpi_churn_risk")
_score = columns_of("customer_churn_scores")
_health = columns_of("fact_customer_health")


def draw(context: Context) -> None:
    """Health by month and day, risk by customer, segments and their moves."""
    with filters.bar():
        period = filters.period(context)
        chosen = filters.customers(context, "kpi_activity_by_dimension", DIMENSIONS)
    _months(context, period, chosen)
    _risks(context, chosen)
    _poor_health(context, period, chosen)
    with filters.bar():
        scheme = SCHEMES[filters.choice("Segments by", list(SCHEMES), key="segments")]
    _segments(context, scheme)
    _moves(context, scheme)


def _months(context: Context, period: Period, chosen: Slice) -> None:
    of = columns_of("kpi_activity_by_dimension")
    month = of("month_start_on", "Month", formats.MONTH)
    mean, at_risk = (
        of("health_score_mean", "Mean health", formats.DECIMAL),
        of("customers_at_risk", "At risk", is_good_up=False),
    )
    select = "select * from gold.kpi_activity_by_dimension where dimension = ? and value = ?"
    where = (chosen.dimension or "all", chosen.value or "all")
    now, before = parts.last_two_months(
        context, f"select * from ({select})", period, "month_start_on", "is_complete", *where
    )
    parts.month_cards(
        context,
        [
            mean, at_risk, of("customers", "Customers"), of("active_customers", "Active"),
            of("csat", "CSAT", formats.PERCENT),
        ],
        now, before,
    )  # fmt: skip
    months = context.course(
        f"{select} and month_start_on between ? and ? order by month_start_on",
        *where,
        period.first_month,
        period.until,
    )
    cells = parts.cells()
    with next(cells):
        known = months[months["health_score_mean"].notna()]
        parts.panel(
            context, "Mean health at the month's end", known, [month, mean, at_risk],
            lambda data: charts.lines(data, month, [mean]),
        )  # fmt: skip
    with next(cells):
        if chosen.dimension:
            parts.panel(
                context,
                "Customers at risk",
                months,
                [month, at_risk],
                lambda data: charts.bars(data, month, [at_risk]),
            )
        else:
            _bands(context, period)


def _bands(context: Context, period: Period) -> None:
    band = columns_of("kpi_health_daily")
    day, count = band("day", "Day", formats.DAY), band("customers", "Customers")
    bands = context.course(
        "select * from gold.kpi_health_daily where day between ? and ? order by day, health_band",
        period.start, period.until,
    )  # fmt: skip
    parts.panel(
        context, "Customers by health", bands, [day, band("health_band", "Band", formats.TEXT), count],
        lambda data: charts.areas_by(data, day, "health_band", count, order=HEALTH_BANDS),
    )  # fmt: skip


def _risks(context: Context, chosen: Slice) -> None:
    bands = context.ask(
        f"select * replace ({context.amounts('mrr_at_risk_reporting_minor')}) from gold.kpi_churn_risk "
        "where as_of_date = (select max(as_of_date) from gold.kpi_churn_risk) "
        "order by list_position(['Critical', 'High', 'Medium', 'Low'], risk_band)"
    )
    band, at_risk = (
        _risk("risk_band", "Risk", formats.TEXT),
        _risk("mrr_at_risk_reporting_minor", "MRR at risk", context.money),
    )
    count = _risk("customers", "Customers")
    cells = parts.cells()
    with next(cells):
        parts.panel(
            context, "Customers by churn risk", bands,
            [band, count, at_risk, _risk("churn_probability_mean", "Mean probability", formats.PERCENT)],
            lambda data: charts.ranked(data, band, count),
        )  # fmt: skip
    with next(cells):
        parts.panel(
            context,
            "MRR at risk",
            bands,
            [band, at_risk],
            lambda data: charts.ranked(data, band, at_risk),
        )
    _who_may_leave(context, chosen)


def _who_may_leave(context: Context, chosen: Slice) -> None:
    condition, values = customers.where(chosen)
    rows = context.ask(
        f"select s.* replace ({context.amounts('s.mrr_reporting_minor', 's.mrr_at_risk_reporting_minor')}), "
        "c.company_name, c.tier from gold.customer_churn_scores as s join gold.dim_customers as c using (customer_id) "
        f"where s.is_latest and {condition} order by s.churn_probability desc, s.mrr_reporting_minor desc",
        *values,
    )
    if not rows.empty:
        rows["reasons"] = [reasons(row) for row in rows.to_dict("records")]
    parts.listing(
        context, "Who may leave", customers.linked(rows),
        [
            customers.COMPANY, customers.TIER,
            _score("churn_probability", "Within 30 days", formats.PERCENT),
            _score("risk_band", "Risk", formats.TEXT), _score("mrr_reporting_minor", "MRR", context.money),
            Measure("reasons", "Why", formats.TEXT, "customer_churn_scores.factor_1_name"),
            _score("recommended_action", "What to do", formats.TEXT),
        ],
        note="Paying customers, the most likely first; ▲ raises the risk, ▼ lowers it",
        empty="No customer has been scored yet.",
    )  # fmt: skip


def reasons(score: dict[str, Any]) -> str:
    """The strongest factors of a score in words, the strongest first."""
    said = []
    for number in (1, 2, 3):
        name, value = score[f"factor_{number}_name"], score[f"factor_{number}_value"]
        if formats.is_missing(name):
            continue
        contribution = score[f"factor_{number}_contribution"]
        mark = "" if formats.is_missing(contribution) else "▲ " if contribution > 0 else "▼ "
        text = str(name).replace("_", " ")
        said.append(f"{mark}{text}" + ("" if formats.is_missing(value) else f" {value}"))
    return "; ".join(said)


def _poor_health(context: Context, period: Period, chosen: Slice) -> None:
    condition, values = customers.where(chosen)
    rows = context.ask(
        f"select h.*, c.company_name, c.tier, c.mrr_reporting_minor / {context.units} as mrr "
        "from gold.fact_customer_health as h join gold.dim_customers as c using (customer_id) "
        f"where h.date_partition = ? and h.health_score < 70 and c.is_paying and {condition} "
        "order by h.health_score, mrr desc",
        period.end, *values,
    )  # fmt: skip
    parts.listing(
        context, "Paying customers in poor health", customers.linked(rows),
        [
            customers.COMPANY, customers.TIER, _health("health_score", "Health", formats.DECIMAL),
            _health("usage_trend_score", "Usage trend", formats.COUNT),
            _health("feature_adoption_score", "Features", formats.COUNT),
            _health("support_load_score", "Support", formats.COUNT),
            _health("payment_status_score", "Payment", formats.COUNT),
            _health("recency_score", "Recency", formats.COUNT),
            Measure("mrr", "MRR", context.money, "dim_customers.mrr_reporting_minor"),
        ],
        note=f"Below 70 on {formats.DAY.text(period.end)}, the poorest first, with the components of the score",
        empty="No paying customer has a score below 70.",
    )  # fmt: skip


def _segments(context: Context, scheme: str) -> None:
    of = columns_of("kpi_segment_characteristics")
    segment, count = of("segment", "Segment", formats.TEXT), of("customers", "Customers")
    mrr = of("mrr_reporting_minor", "MRR", context.money)
    at_risk = of("mrr_at_risk_reporting_minor", "MRR at risk", context.money)
    rows = context.ask(
        f"select * replace ({context.amounts(mrr.key, at_risk.key)}) "
        "from gold.kpi_segment_characteristics where is_latest and scheme = ? order by customers desc",
        scheme,
    )
    measures = [
        segment, count, of("paying_customers", "Paying"), mrr, at_risk,
        of("calls_30d_median", "Calls, 30 days", formats.COUNT),
        of("active_days_30d_median", "Active days", formats.COUNT),
        of("days_silent_median", "Days silent", formats.COUNT),
    ]  # fmt: skip
    cells = parts.cells()
    with next(cells):
        parts.panel(
            context,
            "Customers by segment",
            rows,
            [segment, count],
            lambda data: charts.ranked(data, segment, count),
        )
    with next(cells):
        parts.panel(
            context,
            "MRR by segment",
            rows,
            [segment, mrr],
            lambda data: charts.ranked(data, segment, mrr),
        )
    parts.listing(
        context, "What the segments are like", rows, measures, note="Medians of their customers"
    )


def _moves(context: Context, scheme: str) -> None:
    of = columns_of("segment_transitions")
    start, end = of("from_segment", "From", formats.TEXT), of("to_segment", "To", formats.TEXT)
    chance = of("probability_30d", "Chance in a month", formats.PERCENT_WHOLE)
    cells = context.ask(
        "select * from gold.segment_transitions where is_latest and scheme = ? and month_start_on = "
        "(select max(month_start_on) from gold.segment_transitions where is_latest and scheme = ?) "
        "order by from_segment, to_segment",
        scheme, scheme,
    )  # fmt: skip
    parts.panel(
        context, "Where customers move", cells, [start, end, chance, of("customers", "Moved in the last month")],
        lambda data: charts.heat(data, end, start, chance),
        note="From the segment on the left to the one above, within a month",
    )  # fmt: skip


PAGE = Page(
    title="Customer success",
    about="How customers are, who may leave and why, and what to do about it.",
    section="Teams",
    position=6,
    icon=":material/favorite:",
    url="customer-success",
    draw=draw,
)
