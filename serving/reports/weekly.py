"""The weekly executive report: how the week went beside the weeks before, and who may leave.

Reads: gold.kpi_headlines, kpi_daily, customer_churn_scores, dim_customers, alert_log, and what `parts` reads.
"""

from __future__ import annotations

from datetime import timedelta

import pandas as pd

from serving.dashboards import charts, formats
from serving.dashboards.formats import Measure
from serving.reports import parts
from serving.reports.content import Cards, Report, Section, Table, Text
from serving.reports.periods import Period
from serving.reports.source import WEEK, Headline, Source

CARDS = (
    Headline("mrr", "MRR"),
    Headline("customers_paying", "Paying customers"),
    Headline("nrr_30d", "NRR, 30 days"),
    Headline("logo_churn_rate_30d", "Logo churn, 30 days", is_good_up=False),
    Headline("calls", "API calls"),
    Headline("error_rate", "Error rate", is_good_up=False, is_fine=True),
)
REVENUE = (
    Headline("mrr", "MRR"),
    Headline("arr", "ARR"),
    Headline("arpa", "ARPA"),
    Headline("net_revenue", "Net revenue posted"),
    Headline("nrr_30d", "NRR, 30 days"),
    Headline("grr_30d", "GRR, 30 days"),
)
CUSTOMERS = (
    Headline("customers_new", "Signups"),
    Headline("activated_customers", "Activated"),
    Headline("customers_paying", "Paying customers"),
    Headline("logo_churn_rate_30d", "Logo churn, 30 days", is_good_up=False),
    Headline("marketing_spend", "Marketing spend", is_good_up=None),
)
USAGE = (
    Headline("calls", "API calls"),
    Headline("compute_units", "Compute units"),
    Headline("mau", "Active customers, 28 days"),
    Headline("weekly_active_producers", "Weekly active producers"),
    Headline("error_rate", "Error rate", is_good_up=False, is_fine=True),
    Headline("latency_p95", "Latency, 95th percentile", is_good_up=False),
)
SUPPORT = (
    Headline("tickets_created", "Tickets created", is_good_up=False),
    Headline("tickets_solved", "Tickets solved", is_good_up=None),
    Headline("tickets_open", "Open at the end", is_good_up=False),
    Headline("first_reply_median", "First reply, median", is_good_up=False),
    Headline("csat_28d", "CSAT, 28 days"),
    Headline("nps_28d", "NPS, 28 days"),
    Headline("health_score_mean", "Mean health score"),
    Headline("customers_at_risk", "Customers at risk by health", is_good_up=False),
)
TERMS = (
    ("MRR", "kpi_daily", "mrr_amount"),
    ("ARR", "kpi_daily", "arr_amount"),
    ("ARPA", "kpi_daily", "arpa_amount"),
    ("NRR, 30 days", "kpi_daily", "nrr_30d"),
    ("GRR, 30 days", "kpi_daily", "grr_30d"),
    ("Logo churn, 30 days", "kpi_daily", "logo_churn_rate_30d"),
    ("Error rate", "kpi_daily", "error_rate"),
    ("Latency", "kpi_daily", "latency_p95_ms"),
    ("Weekly active producers", "kpi_usage_weekly", "weekly_active_producers"),
    ("First reply", "kpi_daily", "first_reply_minutes_median"),
    ("Health score", "kpi_daily", "health_score_mean"),
    ("Churn probability", "customer_churn_scores", "churn_probability"),
    ("MRR at risk", "customer_churn_scores", "mrr_at_risk_reporting_minor"),
)
WEEKS, DAYS = 26, 56
ACCOUNTS = 10


def write(source: Source, period: Period) -> Report:
    """The report of a week."""
    figures = source.headlines(period)

    def table(title, headlines):
        return source.headline_table(title, headlines, figures, period.unit)

    return Report(
        kind=period.kind,
        period=period.name,
        title="Weekly executive report",
        words=period.words,
        about=f"Confidential: names customers. Amounts in {source.currency}; days of {source.zone}.",
        version=source.version.name,
        sections=[
            Section("The week in six numbers", [Cards([source.card(headline, figures) for headline in CARDS])]),
            Section(
                "Recurring revenue",
                [
                    parts.waterfall(source, period),
                    table("", REVENUE),
                    _weeks(source, period, "mrr", "MRR at the end of the week"),
                ],
            ),
            Section("Customers", [table("", CUSTOMERS)]),
            Section(
                "Usage and reliability",
                [
                    table("", USAGE),
                    _weeks(source, period, "calls", "API calls by week", as_bars=True),
                    *_days(source, period),
                ],
            ),
            Section("Support and health", [table("", SUPPORT), _tickets(source, period)]),
            Section("Accounts most likely to leave", _at_risk(source, period)),
            Section("Alerts of the week", _alerts(source, period), of_the_moment=True),
            parts.completeness(source),
            parts.definitions(source, TERMS),
        ],
    )  # fmt: skip


def _weeks(source: Source, period: Period, metric: str, title: str, *, as_bars: bool = False):
    data = _history(source, period, [metric])
    week = Measure("period_start_on", "Week", WEEK)
    unit = source.headlines(period)[metric]["unit"]
    value = Measure("value", title, source.form(unit))
    chart = charts.bars(data, week, [value]) if as_bars else charts.lines(data, week, [value])
    return source.figure(title, data, chart)


def _history(source: Source, period: Period, metrics: list[str]) -> pd.DataFrame:
    return source.frame(
        "select period_start_on, metric, cast(value as double) as value, is_complete from gold.kpi_headlines "
        "where period = 'week' and list_contains(?, metric) and period_start_on between ? and ? order by all",
        metrics, period.start - timedelta(weeks=WEEKS - 1), period.start,
    )  # fmt: skip


def _days(source: Source, period: Period):
    data = source.frame(
        "select day, error_rate, latency_p95_ms, is_complete from gold.kpi_daily "
        "where day between ? and ? order by day",
        period.end - timedelta(days=DAYS - 1), period.end,
    )  # fmt: skip
    of_day = Measure("day", "Day", formats.DAY)
    for title, key, form in (
        ("Error rate by day", "error_rate", formats.PERCENT_FINE),
        ("Latency by day, 95th percentile", "latency_p95_ms", formats.MILLISECONDS),
    ):
        chart = charts.lines(data, of_day, [Measure(key, title, form)], scale="zero")
        yield source.figure(title, data[["day", key]], chart, is_half=True)


def _tickets(source: Source, period: Period):
    names = {"tickets_created": "Created", "tickets_solved": "Solved"}
    data = _history(source, period, list(names))
    data["metric"] = data["metric"].map(names)
    chart = charts.lines_by(
        data, Measure("period_start_on", "Week", formats.DAY), "metric", Measure("value", "Tickets"),
        order=list(names.values()), scale="zero",
    )  # fmt: skip
    return source.figure("Tickets by week", data, chart, height=130)


def _at_risk(source: Source, period: Period) -> list[Table | Text]:
    rows = source.rows(
        "select s.as_of_date, c.company_name, c.tier, s.mrr_reporting_minor, s.churn_probability, s.risk_band, "
        "s.mrr_at_risk_reporting_minor, s.is_end_already_set, s.recommended_action "
        "from gold.customer_churn_scores as s join gold.dim_customers as c using (customer_id) "
        "where s.as_of_date = ? and s.mrr_reporting_minor > 0 "
        "order by s.mrr_at_risk_reporting_minor desc, s.customer_id limit ?",
        source.as_of("customer_churn_scores", period), ACCOUNTS,
    )  # fmt: skip
    if not rows:
        return [Text("There are no churn scores of that week or before.")]

    def amount(minor):
        return source.money.text(minor / source.minor_units)

    return [
        Table(
            f"The {len(rows)} accounts with the most MRR at risk, scored on {formats.DAY.text(rows[0]['as_of_date'])}",
            ["Account", "Tier", "MRR", "Probability", "MRR at risk", "What to do"],
            [False, False, True, True, True, False],
            [
                [
                    row["company_name"] or formats.NOTHING, row["tier"] or formats.NOTHING,
                    amount(row["mrr_reporting_minor"]),
                    "has cancelled" if row["is_end_already_set"] else formats.PERCENT.text(row["churn_probability"]),
                    amount(row["mrr_at_risk_reporting_minor"]), row["recommended_action"],
                ]
                for row in rows
            ],
            widths=[1.4, 0.85, 0.7, 1, 0.9, 3],
        )
    ]  # fmt: skip


def _alerts(source: Source, period: Period) -> list[Table | Text]:
    rows = source.rows(
        "select fired_at, rule, subject, first(severity order by ordinal) as severity, "
        "first(message order by ordinal) as message, last(state order by ordinal) in ('firing', 'snoozed') as is_open "
        "from gold.alert_log where cast(timezone(?, timezone('UTC', fired_at)) as date) between ? and ? "
        "group by fired_at, rule, subject order by fired_at, rule, subject",
        source.zone, period.start, period.end,
    )  # fmt: skip
    if not rows:
        return [Text("None was raised.")]
    return [
        Table(
            "",
            ["Raised (UTC)", "Severity", "Rule", "What was said", ""],
            [False, False, False, False, False],
            [
                [
                    formats.INSTANT.text(row["fired_at"]), row["severity"], row["rule"], row["message"],
                    "open" if row["is_open"] else "",
                ]
                for row in rows
            ],
            widths=[1, 0.7, 1.2, 3.2, 0.4],
        )
    ]  # fmt: skip
