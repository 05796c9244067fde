"""The monthly investor report: recurring revenue, growth, retention, unit economics, cohorts, and what may come.

Reads: gold.kpi_headlines, kpi_mrr_monthly, kpi_retention_monthly, kpi_cohorts, kpi_daily, forecasts, and what `parts`
reads.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pandas as pd

from serving.dashboards import charts, formats
from serving.dashboards.formats import Measure
from serving.reports import parts
from serving.reports.content import Card, Cards, Figure, Report, Section, Table, Text
from serving.reports.periods import Period
from serving.reports.source import Headline, Source

HEADLINES = (
    Headline("arr", "ARR"),
    Headline("mrr", "MRR"),
    Headline("customers_paying", "Paying customers"),
    Headline("arpa", "ARPA"),
    Headline("net_revenue", "Net revenue posted"),
    Headline("calls", "API calls"),
    Headline("customers_new", "Signups"),
)
TERMS = (
    ("MRR", "kpi_daily", "mrr_amount"),
    ("ARR", "kpi_mrr_monthly", "arr_amount"),
    ("MRR growth", "kpi_headlines", "change_rate"),
    ("ARPA", "kpi_mrr_monthly", "arpa_minor"),
    ("NRR", "kpi_retention_monthly", "nrr"),
    ("GRR", "kpi_retention_monthly", "grr"),
    ("Logo churn", "kpi_retention_monthly", "logo_churn_rate"),
    ("Quick ratio", "kpi_mrr_monthly", "quick_ratio"),
    ("CAC", "kpi_mrr_monthly", "cac_minor"),
    ("LTV", "kpi_mrr_monthly", "ltv_minor"),
    ("LTV to CAC", "kpi_mrr_monthly", "ltv_to_cac"),
    ("CAC payback", "kpi_mrr_monthly", "cac_payback_months"),
    ("Recognised revenue", "kpi_daily", "recognised_revenue_amount"),
    ("Deferred revenue", "kpi_daily", "deferred_revenue_amount"),
    ("Cohort retention", "kpi_cohorts", "net_revenue_retention"),
    ("Forecast, expected", "forecasts", "baseline"),
    ("Forecast, lower end", "forecasts", "pessimistic"),
    ("Forecast, upper end", "forecasts", "optimistic"),
)
MONTHS, SHOWN, COHORTS = 24, 6, 12


def write(source: Source, period: Period) -> Report:
    """The report of a month."""
    figures = source.headlines(period)
    months = _months(source, period)
    interval = _interval(source, period)
    return Report(
        kind=period.kind,
        period=period.name,
        title="Monthly investor report",
        words=period.words,
        about=f"Confidential. Amounts in {source.currency}; days of {source.zone}.",
        version=source.version.name,
        sections=[
            Section("The month in six numbers", [Cards(_cards(source, figures, months, interval))]),
            Section(
                "Recurring revenue",
                [
                    parts.waterfall(source, period),
                    _arr(source, period),
                    source.headline_table("", HEADLINES, figures, period.unit),
                ],
            ),
            Section("Growth and efficiency", [_table(source, months)]),
            Section("Retention", [*_retention(source, period, interval), *_cohorts(source, period)]),
            Section("Outlook", _forecast(source, period)),
            Section(
                "What this report leaves out",
                [
                    Text(
                        "Everything here is made of subscriptions, invoices, usage, support and marketing spend. Cash, "
                        "burn and runway come from the books and are no part of it; LTV is before any cost of service "
                        "unless the setting for gross margin says otherwise."
                    )
                ],
            ),
            parts.completeness(source),
            parts.definitions(source, TERMS),
        ],
    )  # fmt: skip


def _months(source: Source, period: Period) -> list[dict[str, Any]]:
    """The newest months up to the period, oldest first, from the tables that own them."""
    rows = source.rows(
        "select m.*, r.logo_churn_rate, r.nrr, r.grr, h.mrr_growth, h.recognised, h.deferred "
        "from gold.kpi_mrr_monthly as m "
        "left join gold.kpi_retention_monthly as r on r.month_start_on = m.month_start_on and r.interval_months = 1 "
        "left join (select period_start_on, max(change_rate) filter (metric = 'mrr') as mrr_growth, "
        "max(value) filter (metric = 'recognised_revenue') as recognised, "
        "max(value) filter (metric = 'deferred_revenue') as deferred "
        "from gold.kpi_headlines where period = 'month' group by period_start_on) as h "
        "on h.period_start_on = m.month_start_on "
        "where m.month_start_on <= ? and m.is_complete order by m.month_start_on desc limit ?",
        period.start, SHOWN,
    )  # fmt: skip
    return rows[::-1]


def _interval(source: Source, period: Period) -> dict[str, Any] | None:
    """Retention over the longest interval that the month has."""
    rows = source.rows(
        "select * from gold.kpi_retention_monthly where month_start_on = ? and start_customers > 0 "
        "order by interval_months desc limit 1",
        period.start,
    )
    return rows[0] if rows else None


def _cards(
    source: Source,
    figures: dict[str, dict[str, Any]],
    months: list[dict[str, Any]],
    interval: dict[str, Any] | None,
) -> list[Card]:
    now = months[-1]
    length = interval["interval_months"] if interval else 1
    span = f"{length} month{'s' if length > 1 else ''}"
    return [
        source.card(Headline("arr", "ARR"), figures),
        Card("MRR growth in the month", formats.PERCENT.text(now["mrr_growth"])),
        Card(f"NRR over {span}", formats.PERCENT.text(interval["nrr"] if interval else None)),
        Card(f"GRR over {span}", formats.PERCENT.text(interval["grr"] if interval else None)),
        Card("Quick ratio", formats.RATIO.text(now["quick_ratio"])),
        Card("LTV to CAC", formats.RATIO.text(now["ltv_to_cac"])),
    ]


def _table(source: Source, months: list[dict[str, Any]]) -> Table:
    def minor(column: str) -> Callable[[dict[str, Any]], str]:
        return lambda row: source.money.text(
            None if row[column] is None else float(row[column]) / source.minor_units
        )

    def written(column: str, form: formats.Format) -> Callable[[dict[str, Any]], str]:
        return lambda row: form.text(row[column])

    lines: tuple[tuple[str, Callable[[dict[str, Any]], str]], ...] = (
        ("MRR at the end", written("mrr_amount", source.money)),
        ("MRR growth", written("mrr_growth", formats.PERCENT)),
        ("ARR", written("arr_amount", source.money)),
        ("Recognised revenue", written("recognised", source.money)),
        ("Deferred revenue at the end", written("deferred", source.money)),
        ("Paying customers", written("paying_customers", formats.COUNT)),
        ("New customers", written("new_customers", formats.COUNT)),
        ("Churned customers", written("churned_customers", formats.COUNT)),
        ("Logo churn", written("logo_churn_rate", formats.PERCENT)),
        ("NRR", written("nrr", formats.PERCENT)),
        ("GRR", written("grr", formats.PERCENT)),
        ("Quick ratio", written("quick_ratio", formats.RATIO)),
        ("ARPA", minor("arpa_minor")),
        ("Marketing spend", minor("spend_reporting_minor")),
        ("CAC", minor("cac_minor")),
        ("LTV", minor("ltv_minor")),
        ("LTV to CAC", written("ltv_to_cac", formats.RATIO)),
        ("CAC payback, months", written("cac_payback_months", formats.DECIMAL)),
    )
    return Table(
        "",
        ["", *(formats.MONTH.text(row["month_start_on"]) for row in months)],
        [False, *(True for _ in months)],
        [[label, *(write_row(row) for row in months)] for label, write_row in lines],
    )


def _arr(source: Source, period: Period) -> Figure:
    data = source.frame(
        "select month_start_on, cast(arr_amount as double) as arr_amount, is_complete from gold.kpi_mrr_monthly "
        "where month_start_on <= ? order by month_start_on desc limit ?",
        period.start, MONTHS,
    ).iloc[::-1]  # fmt: skip
    month = Measure("month_start_on", "Month", formats.MONTH)
    chart = charts.bars(data, month, [Measure("arr_amount", "ARR", source.money)])
    return source.figure("ARR at the end of the month", data, chart)


def _retention(
    source: Source, period: Period, interval: dict[str, Any] | None
) -> list[Figure | Text]:
    if interval is None:
        return [Text("Nobody paid at the beginning of an interval yet.")]
    length = interval["interval_months"]
    data = source.frame(
        "select month_start_on, nrr, grr, logo_churn_rate, is_complete from gold.kpi_retention_monthly "
        "where interval_months = 1 and month_start_on <= ? order by month_start_on desc limit ?",
        period.start, MONTHS,
    ).iloc[::-1]  # fmt: skip
    month = Measure("month_start_on", "Month", formats.MONTH)
    kept = [
        Measure("nrr", "Net (NRR)", formats.PERCENT),
        Measure("grr", "Gross (GRR)", formats.PERCENT),
    ]
    churn = [Measure("logo_churn_rate", "Logo churn", formats.PERCENT)]
    return [
        Text(
            f"Of what customers paid {length} months ago, {formats.PERCENT.text(interval['nrr'])} is still paid with "
            f"their expansion (NRR) and {formats.PERCENT.text(interval['grr'])} without it (GRR); "
            f"{formats.PERCENT.text(interval['logo_churn_rate'])} of them have left."
        ),
        source.figure("Revenue kept from month to month", data[["month_start_on", "nrr", "grr"]],
                      charts.lines(data, month, kept), is_half=True),
        source.figure("Logo churn in the month", data[["month_start_on", "logo_churn_rate"]],
                      charts.lines(data, month, churn, scale="zero"), is_half=True),
    ]  # fmt: skip


def _cohorts(source: Source, period: Period) -> list[Figure]:
    data = source.frame(
        "select cohort_month, months_since, net_revenue_retention, is_complete from gold.kpi_cohorts "
        "where month_start_on <= ? and is_complete and months_since <= ? "
        "and cohort_month > cast(? as date) - to_months(?) order by cohort_month, months_since",
        period.start, COHORTS, period.start, COHORTS,
    )  # fmt: skip
    if data.empty:
        return []
    chart = charts.heat(
        data,
        Measure("months_since", "Months since the first payment"),
        Measure("cohort_month", "Cohort", formats.MONTH),
        Measure("net_revenue_retention", "Net revenue retention", formats.PERCENT_WHOLE),
    )  # fmt: skip
    return [
        source.figure(
            "Net revenue retention by cohort", data, chart, height=17 * data["cohort_month"].nunique() + 40,
            note="A row is the customers who began to pay in that month; 100 % is what they paid at first.",
        )
    ]  # fmt: skip


def _forecast(source: Source, period: Period) -> list[Figure | Table | Text]:
    ahead = source.frame(
        "select as_of_date, target_on as day, method, is_fallback, baseline / ? as baseline, "
        "pessimistic / ? as pessimistic, optimistic / ? as optimistic "
        "from gold.forecasts where metric = 'mrr' and as_of_date = ? and target_on > ? order by target_on",
        *[source.minor_units] * 3, source.as_of("forecasts", period, "metric = 'mrr'"), period.end,
    )  # fmt: skip
    if ahead.empty:
        return [Text("There is no forecast of that month or before.")]
    known = source.frame(
        "select day, cast(mrr_amount as double) as mrr_amount from gold.kpi_daily "
        "where day <= ? and day > cast(? as date) - interval 365 day order by day",
        period.end, period.end,
    )  # fmt: skip
    of_day = Measure("day", "Day", formats.DAY)
    said_on = formats.DAY.text(ahead["as_of_date"].iloc[0])
    chart = charts.fan(known, ahead, of_day, Measure("mrr_amount", "MRR", source.money))
    figure = source.figure(
        "MRR, and what may come", pd.concat([known.tail(1), ahead]), chart,
        note=f"Said on {said_on} by the method that did best on the past ({ahead['method'].iloc[0]}); "
        "85 of 100 outcomes are expected inside the band.",
    )  # fmt: skip
    ends = ahead[pd.to_datetime(ahead["day"]).dt.is_month_end]
    table = Table(
        "MRR expected at the end of the month",
        ["Month", "Pessimistic", "Expected", "Optimistic"],
        [False, True, True, True],
        [
            [
                formats.MONTH.text(row.day), source.money.text(row.pessimistic), source.money.text(row.baseline),
                source.money.text(row.optimistic),
            ]
            for row in ends.itertuples()
        ],
    )  # fmt: skip
    return [figure, table]
