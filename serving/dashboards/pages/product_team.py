"""Product team: adoption of each feature, how customers get started, and what they say.

Reads: gold.kpi_feature_adoption_monthly, kpi_activation_monthly, kpi_surveys_monthly.
"""

from __future__ import annotations

import streamlit as st

from serving.dashboards import charts, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.filters import Period
from serving.dashboards.formats import columns_of
from serving.dashboards.page import Page
from serving.dashboards.pages.product import features

_began = columns_of("kpi_activation_monthly")
_asked = columns_of("kpi_surveys_monthly")
_adopted = columns_of("kpi_feature_adoption_monthly")


def draw(context: Context) -> None:
    """Activation, features and surveys by month."""
    with filters.bar():
        period = filters.period(context)
    month = _began("month_start_on", "Month", formats.MONTH)
    signups = _began("signups", "Signups")
    onboarded = _began("onboarding_completion_rate", "Onboarded", formats.PERCENT)
    hours = _began(
        "time_to_first_value_hours_median", "Time to first value", formats.HOURS, is_good_up=False
    )
    nps, ces = _asked("nps", "NPS", formats.DECIMAL), _asked("ces", "CES", formats.RATIO)
    select = (
        "select b.*, n.nps, c.ces from gold.kpi_activation_monthly as b "
        "left join gold.kpi_surveys_monthly as n on n.month_start_on = b.month_start_on and n.survey_kind = 'nps' "
        "left join gold.kpi_surveys_monthly as c on c.month_start_on = b.month_start_on and c.survey_kind = 'ces' "
    )
    now, before = parts.last_two_months(
        context, select, period, "b.month_start_on", "b.is_complete"
    )
    activated = _began("activation_rate", "Activated", formats.PERCENT)
    parts.month_cards(context, [signups, activated, onboarded, hours, nps, ces], now, before)
    months = context.course(
        f"{select} where b.month_start_on between ? and ? order by b.month_start_on",
        period.first_month, period.until,
    )  # fmt: skip
    cells = parts.cells()
    with next(cells):
        features(context, period)
    with next(cells):
        _feature(context, period)
    with next(cells):
        known = months[months["time_to_first_value_hours_median"].notna()]
        parts.panel(
            context, "Time to first value", known, [month, hours], lambda data: charts.bars(data, month, [hours]),
            note="Median hours from signup to the first successful call, by month of signup",
        )  # fmt: skip
    for title, measure, note in (
        ("Net promoter score", nps, "Months with too few answers have no score"),
        ("Customer effort score", ces, "Mean of 1 (much effort) to 7 (none)"),
    ):
        with next(cells):
            parts.panel(
                context, title, months[months[measure.key].notna()], [month, measure],
                lambda data, measure=measure: charts.lines(data, month, [measure]),
                note=note,
            )  # fmt: skip


def _feature(context: Context, period: Period) -> None:
    known = context.values("select feature_name from gold.dim_features order by feature_name")
    if not known:
        return
    month = _adopted("month_start_on", "Month", formats.MONTH)
    adopting, active = (
        _adopted("adopting_customers", "Used it"),
        _adopted("active_customers", "Active customers"),
    )
    feature = st.selectbox("Feature", known, key="feature", bind="query-params")
    months = context.course(
        "select * from gold.kpi_feature_adoption_monthly where feature_name = ? and month_start_on between ? and ? "
        "order by month_start_on",
        feature, period.first_month, period.until,
    )  # fmt: skip
    parts.panel(
        context, "Adoption of the feature", months,
        [month, adopting, active, _adopted("adoption_rate", "Adoption", formats.PERCENT)],
        lambda data: charts.lines(data, month, [active, adopting], scale="zero"),
        note=f"{feature}: customers in the 30 days up to a month's end",
    )  # fmt: skip


PAGE = Page(
    title="Product",
    about="Which features are used, how fast new customers get to value, and what customers say.",
    section="Teams",
    position=2,
    icon=":material/extension:",
    url="product-team",
    draw=draw,
)
