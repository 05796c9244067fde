"""Parts that both reports have: the waterfall of MRR, what words mean, how far data are complete.

Reads: gold.kpi_headlines, complete_through, completeness_ledger, data_quality_daily, data_quality_issues.
"""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from serving.dashboards import charts, formats
from serving.reports.content import Figure, Section, Table, Terms, Text
from serving.reports.periods import Period
from serving.reports.source import Source

# In the order of the bridge, with the sign with which they enter it.
_MOVEMENTS = (
    ("mrr_new", "New", 1),
    ("mrr_expansion", "Expansion", 1),
    ("mrr_reactivation", "Reactivation", 1),
    ("mrr_contraction", "Contraction", -1),
    ("mrr_churn", "Churn", -1),
    ("mrr_fx", "Exchange rates", 1),
)
SHOWN_ISSUES = 5


def waterfall(source: Source, period: Period) -> Figure | Text:
    """From the MRR before the period to that at its end."""
    figures = source.headlines(period)
    mrr = figures["mrr"]
    if mrr["value_before"] is None:
        return Text(
            f"MRR at the end of the {period.unit}: {source.money.text(mrr['value'])}. There is no {period.unit} before."
        )
    steps = [
        ("Opening", mrr["value_before"], True),
        *((label, sign * figures[metric]["value"], False) for metric, label, sign in _MOVEMENTS),
        ("Closing", mrr["value"], True),
    ]
    data = pd.DataFrame(steps, columns=["step", "amount", "is_total"])
    data["amount"] = data["amount"].astype(float)
    # among totals of five digits cents are noise, and too long for the bars
    form = source.whole_money if data["amount"].max() >= 10_000 else source.money
    chart = charts.waterfall(data, "step", "amount", "is_total", form)
    return source.figure(
        f"MRR movements of the {period.unit}",
        data,
        chart,
        note="The axis may begin above zero, so that movements can be seen beside the totals.",
    )


def definitions(source: Source, terms: Sequence[tuple[str, str, str]]) -> Section:
    """What the words of a report mean, in dbt's own descriptions.

    Args:
        source: Where they are.
        terms: Word, table and column that defines it.
    """
    said = [(word, source.descriptions[table, column]) for word, table, column in terms]
    return Section("Definitions", [Terms(said)])


def completeness(source: Source) -> Section:
    """How far each source is complete, what is missing, and how good the data are."""
    rows = source.rows(
        "select source, min(complete_through) as through, count(*) as streams from gold.complete_through "
        "where stream <> 'mrr_movements' group by source order by source"
    )
    gaps = {
        row["source"]: row["days"]
        for row in source.rows(
            "select source, count(*) as days from gold.completeness_ledger where is_gap group by source"
        )
    }
    table = Table(
        "Sources",
        ["Source", "Streams", "Complete through (UTC)", "Gaps (stream days)"],
        [False, True, True, True],
        [
            [
                row["source"], f"{row['streams']}", formats.INSTANT.text(row["through"]),
                f"{gaps.get(row['source'], 0)}",
            ]
            for row in rows
        ],
    )  # fmt: skip
    return Section(
        "Data completeness and quality",
        [
            Text(
                f"Numbers are those of the published version {source.version.name}. A period is reported only when it "
                f"is over and every source is complete through its last day; days are those of {source.zone}."
            ),
            table,
            *_quality(source),
        ],
        of_the_moment=True,
    )  # fmt: skip


def _quality(source: Source) -> list[Text | Table]:
    (score,) = source.rows(
        "select date_partition, overall_score, tables, lowered_tables from gold.data_quality_daily "
        "where layer = 'gold' order by date_partition desc limit 1"
    ) or [None]
    issues = source.rows(
        "select table_name, expectation, severity, first_seen_at, recommendation from gold.data_quality_issues "
        "where is_open order by severity, first_seen_at, table_name"
    )
    if score is None:
        return []
    lowered = (
        "all of them at 100 %"
        if not score["lowered_tables"]
        else f"{score['lowered_tables']} of them below 100 %"
    )
    said = Text(
        f"Mean quality score of {score['tables']} gold tables, checked on {formats.DAY.text(score['date_partition'])}: "
        f"{formats.PERCENT.text(score['overall_score'])}, {lowered}. Open issues: {len(issues) or 'none'}."
    )  # fmt: skip
    if not issues:
        return [said]
    more = len(issues) - SHOWN_ISSUES
    listed = Table(
        "Open data issues",
        ["Table", "What should hold", "Since", "What to do"],
        [False, False, False, False],
        [
            [row["table_name"], row["expectation"], formats.DAY.text(row["first_seen_at"]), row["recommendation"]]
            for row in issues[:SHOWN_ISSUES]
        ],
        note=f"and {more} more: gold.data_quality_issues" if more > 0 else "",
        widths=[1.3, 1.6, 0.7, 2.4],
    )  # fmt: skip
    return [said, listed]
