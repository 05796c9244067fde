"""Alerts: what is wrong now, what happened lately, what a rule measured, and which rules there are.

Reads: `alerts.json` beside the version (what was judged of it); gold.alert_log (every evaluation before it).
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pandas as pd
import streamlit as st

from serving.alerts.summary import FILE
from serving.dashboards import charts, filters, formats, parts
from serving.dashboards.context import Context
from serving.dashboards.filters import Period
from serving.dashboards.formats import Format, Measure, columns_of
from serving.dashboards.page import Page

_log = columns_of("alert_log")
SEVERITY = _log("severity", "Severity", formats.TEXT)
RULE = _log("rule", "Rule", formats.TEXT)
OWNER = _log("owner", "Owner", formats.TEXT)
WHAT = _log("message", "What", formats.TEXT)
STATE = _log("state", "State", formats.TEXT)
FIRED = _log("fired_at", "Since (UTC)", formats.INSTANT)
JUDGED = _log("evaluated_at", "Judged (UTC)", formats.INSTANT)
ARRIVED = _log("is_delivered", "Delivered", formats.YES)
DAY = Measure("day", "Day", formats.DAY, "alert_log.period_start")
RULES = [
    Measure(key, label, formats.TEXT)
    for key, label in (
        ("rule", "Rule"), ("title", "Watches"), ("condition", "Fires when"), ("window", "Window"),
        ("severity", "Severity"), ("owner", "Owner"), ("channels", "Told in"),
    )
]  # fmt: skip


def draw(context: Context) -> None:
    """Open alerts, the newest changes, a rule's values, and the rules."""
    judged = _judged(context)
    if judged is None:
        parts.nothing("This version has not been judged yet: `warehouse alerts check` does it.")
        return
    doing = {rule["rule"]: rule["what_to_do"] for rule in judged["rules"]}
    found = [{**entry, "what_to_do": doing.get(entry["rule"], "")} for entry in judged["open"]]
    parts.listing(
        context, "Wrong now", _rows(found),
        [FIRED, SEVERITY, WHAT, STATE, OWNER, Measure("what_to_do", "What to do", formats.TEXT)],
        note=f"As judged {formats.INSTANT.text(pd.Timestamp(judged['evaluated_at']))} UTC", empty="Nothing is wrong.",
    )  # fmt: skip
    parts.listing(
        context, "Lately", _rows(judged["lately"]), [JUDGED, STATE, SEVERITY, RULE, WHAT, ARRIVED],
        note="Incidents that began, were snoozed or ended, the newest first", empty="Nothing has happened yet.",
    )  # fmt: skip
    _values(context, judged["rules"])
    parts.listing(
        context, "Rules", pd.DataFrame(judged["rules"]), RULES,
        note="Ours, and those of alerts.yml in the data folder (docs/alerts.md)",
    )  # fmt: skip


def _judged(context: Context) -> dict[str, Any] | None:
    path = context.edition.folder / FILE
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None


def _rows(entries: list[dict[str, Any]]) -> pd.DataFrame:
    rows = pd.DataFrame(entries)
    for column in {"fired_at", "evaluated_at"} & set(rows.columns):
        rows[column] = pd.to_datetime(rows[column])
    return rows


def _values(context: Context, rules: list[dict[str, Any]]) -> None:
    """What a rule measured, what it was compared with, and its limit."""
    units = {rule["rule"]: rule["unit"] for rule in rules if rule["window"] in ("day", "month")}
    with filters.bar():
        period: Period = filters.period(context, default="90 days")
        rule = st.selectbox("Rule", list(units), key="rule", bind="query-params", width=280)
    form = _form(context, units[rule])
    values = measured(context, rule, period.start, period.until)
    shown = [
        _log("value", "Value", form, is_good_up=None),
        _log("baseline", "Compared with", form, is_good_up=None),
        _log("threshold", "Limit", form, is_good_up=None),
    ]
    drawn = [m for m in shown if not values.empty and values[m.key].notna().any()]
    parts.panel(
        context, "What a rule measured", values, [DAY, _log("subject", "Subject", formats.TEXT), *shown, STATE],
        lambda data: charts.lines(data, DAY, drawn),
        note="Every evaluation before this version",
    )  # fmt: skip


def measured(context: Context, rule: str, start: date, until: date) -> pd.DataFrame:
    """What a rule measured within these days of the reporting zone; the log has instants in UTC."""
    return context.ask(
        "select cast(timezone(?, timezone('UTC', period_start)) as date) as day, subject, value, baseline, threshold, "
        "state from gold.alert_log where rule = ? and value is not null and day between ? and ? order by day, subject",
        context.settings.reporting_timezone, rule, start, until,
    )  # fmt: skip


def _form(context: Context, unit: str) -> Format:
    known = {"money": context.money, "share": formats.PERCENT_FINE, "ms": formats.MILLISECONDS}
    return known.get(unit, formats.COUNT)


PAGE = Page(
    title="Alerts",
    about="What is wrong now, who is to act, and what has happened lately.",
    section="Data",
    position=3,
    icon=":material/notifications:",
    url="alerts",
    draw=draw,
)
