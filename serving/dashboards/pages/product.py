"""Product performance: how much the API is used, by how many, how fast and how well it answers.

Reads: gold.kpi_activity_by_dimension, kpi_usage_daily, kpi_usage_weekly, kpi_feature_adoption_monthly,
kpi_usage_retention_monthly, forecasts.
"""

from __future__ import annotations

from serving.dashboards import charts, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.filters import Period, Slice
from serving.dashboards.formats import Measure, columns_of
from serving.dashboards.page import Page

TABLE = "kpi_activity_by_dimension"
DIMENSIONS = ("tier", "plan", "industry", "country")
_by = columns_of(TABLE)
_daily = columns_of("kpi_usage_daily")
MONTH = _by("month_start_on", "Month", formats.MONTH)
DAY = _daily("day", "Day", formats.DAY)
CALLS = _by("calls", "Calls")
ACTIVE = _by("active_customers", "Active customers")
ERRORS = _by("error_rate", "Error rate", formats.PERCENT_FINE, is_good_up=False)
OUR_ERRORS = _by("server_error_rate", "Server errors", formats.PERCENT_FINE, is_good_up=False)
UNITS = _by("compute_units", "Compute units")


def draw(context: Context) -> None:
    """Months by any dimension; days, features and cohorts of everybody."""
    with filters.bar():
        period = filters.period(context)
        chosen = filters.customers(context, TABLE, DIMENSIONS)
    _months(context, period, chosen)
    if chosen.dimension:
        parts.of_everybody("Days, weeks, latency, features and cohorts")
    _days(context, period)
    cells = parts.cells()
    with next(cells):
        _weeks(context, period)
    with next(cells):
        features(context, period)
    _retention(context)
    _capacity(context, period)


def _months(context: Context, period: Period, chosen: Slice) -> None:
    select = f"select * from gold.{TABLE} where dimension = ? and value = ?"
    where = (chosen.dimension or "all", chosen.value or "all")
    now, before = parts.last_two_months(
        context, f"select * from ({select})", period, "month_start_on", "is_complete", *where
    )
    parts.month_cards(context, [CALLS, ACTIVE, UNITS, ERRORS, OUR_ERRORS], now, before)
    months = context.course(
        f"{select} and month_start_on between ? and ? order by month_start_on",
        *where, period.first_month, period.until,
    )  # fmt: skip
    cells = parts.cells()
    with next(cells):
        parts.panel(
            context,
            "Calls by month",
            months,
            [MONTH, CALLS],
            lambda data: charts.bars(data, MONTH, [CALLS]),
        )
    with next(cells):
        parts.panel(
            context, "Errors by month", months, [MONTH, ERRORS, OUR_ERRORS],
            lambda data: charts.lines(data, MONTH, [ERRORS, OUR_ERRORS], scale="zero"),
        )  # fmt: skip


def _days(context: Context, period: Period) -> None:
    days = context.course(
        "select * from gold.kpi_usage_daily where day between ? and ? order by day",
        period.start,
        period.until,
        source="usage",
    )
    active = [
        _daily("monthly_active_customers", "MAU"),
        _daily("weekly_active_customers", "WAU"),
        _daily("daily_active_customers", "DAU"),
    ]
    cells = parts.cells()
    with next(cells):
        parts.panel(
            context, "Active customers", days, [DAY, *active, _daily("stickiness", "DAU / MAU", formats.PERCENT)],
            lambda data: charts.lines(data, DAY, active, scale="zero"),
        )  # fmt: skip
    with next(cells):
        latency(context, days)


def latency(context: Context, days) -> None:
    """Percentiles of the response time by day."""
    percentiles = [
        _daily("latency_p99_ms", "p99", formats.MILLISECONDS, is_good_up=False),
        _daily("latency_p95_ms", "p95", formats.MILLISECONDS, is_good_up=False),
        _daily("latency_p50_ms", "p50", formats.MILLISECONDS, is_good_up=False),
    ]
    parts.panel(
        context, "Response time", days, [DAY, *percentiles],
        lambda data: charts.lines(data, DAY, percentiles, scale="log"),
    )  # fmt: skip


def _weeks(context: Context, period: Period) -> None:
    of = columns_of("kpi_usage_weekly")
    week = of("week_start_on", "Week of", formats.DAY)
    producers = of("weekly_active_producers", "Weekly active producers")
    weeks = context.course(
        "select * from gold.kpi_usage_weekly where week_start_on between ? and ? order by week_start_on",
        period.start, period.until, source="usage",
    )  # fmt: skip
    parts.panel(
        context, "Weekly active producers", weeks,
        [week, producers, of("calls", "Calls"), of("calls_growth_rate", "Growth of calls", formats.PERCENT)],
        lambda data: charts.lines(data, week, [producers], scale="zero"),
    )  # fmt: skip


def features(context: Context, period: Period) -> None:
    """Who uses each feature, in the last month that is over."""
    of = columns_of("kpi_feature_adoption_monthly")
    feature = of("feature_name", "Feature", formats.TEXT)
    rate = of("adoption_rate", "Adoption", formats.PERCENT)
    adopted = context.ask(
        "select * from gold.kpi_feature_adoption_monthly where month_start_on = (select max(month_start_on) "
        "from gold.kpi_feature_adoption_monthly where is_complete and month_start_on <= ? "
        "and last_day(month_start_on) <= ?) order by adoption_rate desc",
        period.end,
        context.complete_through,
    )
    month = formats.MONTH.text(adopted["month_start_on"].iloc[0]) if not adopted.empty else ""
    parts.panel(
        context, "Adoption of features", adopted,
        [feature, rate, of("adopting_customers", "Customers"), of("usage_count", "Calls")],
        lambda data: charts.ranked(data, feature, rate),
        note=f"In the 30 days up to the end of {month}",
    )  # fmt: skip


def _retention(context: Context) -> None:
    of = columns_of("kpi_usage_retention_monthly")
    cohort, since = (
        of("cohort_month_on", "Cohort", formats.MONTH),
        of("months_since", "Months since"),
    )
    rate = of("retention_rate", "Still calling", formats.PERCENT_WHOLE)
    cells = context.ask(
        "select * from gold.kpi_usage_retention_monthly order by cohort_month_on, months_since"
    )
    parts.panel(
        context, "Who keeps calling", cells, [cohort, since, of("cohort_customers", "Customers"), rate],
        lambda data: charts.heat(data, since, cohort, rate),
        note="Share of a cohort with a successful call in the month, by months since its first",
    )  # fmt: skip


def _capacity(context: Context, period: Period) -> None:
    of = columns_of("forecasts")
    day = Measure("day", "Day", formats.DAY, "forecasts.target_on")
    ahead = context.ask(
        "select *, target_on as day from gold.forecasts where is_latest and metric = 'compute_units' order by target_on"
    )
    known = context.ask(
        "select day, compute_units from gold.kpi_daily where is_complete and day >= ? order by day",
        period.start,
    )
    parts.panel(
        context, "Capacity: compute units a day", ahead,
        [day, of("baseline", "Expected"), of("pessimistic", "Lower"), of("optimistic", "Upper")],
        lambda data: charts.fan(known, data, day, Measure("compute_units", "Compute units")),
        note="What was, and six months ahead within an 85 % interval",
    )  # fmt: skip


PAGE = Page(
    title="Product performance",
    about="How much the API is used, by how many, how fast it answers and how often it fails.",
    section="Executive",
    position=4,
    icon=":material/speed:",
    url="product",
    draw=draw,
)
