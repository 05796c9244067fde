"""What people read: a title, and a few lines that say what, since when, against what, whose it is and what to do."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from serving.alerts.log import Entry
from serving.alerts.rules import Rule

_WHEN = "%a %Y-%m-%d"


def number(value: float | None, unit: str, currency: str = "") -> str:
    """A value as people write it, in its unit."""
    if value is None:
        return "no value"
    if unit == "share":
        return f"{value:.2%}"
    if unit == "money":
        return f"{value:,.2f} {currency}".strip()
    if unit in ("ms", "hours"):
        return f"{value:,.0f} {unit}"
    return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"


def period_in_words(rule: Rule, period: date) -> str:
    """`Fri 2025-06-27`, or `2025-06`."""
    return f"{period:%Y-%m}" if rule.window == "month" else f"{period:{_WHEN}}"


def instant_in_words(at: datetime, zone: ZoneInfo) -> str:
    """A naive UTC instant in the reporting time zone, to the second."""
    return f"{at.replace(tzinfo=UTC).astimezone(zone):{_WHEN} %H:%M:%S}"


def without_value(rule: Rule, entry: Entry) -> str:
    """One sentence where there is no value: a burst that ended, or a subject that is gone."""
    what = f"{rule.title}{f' ({entry.subject})' if entry.subject else ''}"
    said = "quiet again" if entry.threshold is not None else "no longer measured"
    return f"{what}: {said}, {entry.period}"


def fact(rule: Rule, entry: Entry, currency: str) -> str:
    """One sentence: the value, when, and what it is compared with."""
    value = number(entry.value, rule.unit, currency)
    limit = number(entry.threshold, rule.unit, currency)
    what = f"{rule.title}{f' ({entry.subject})' if entry.subject else ''}"
    if entry.baseline is None:
        return f"{what}: {value}, {entry.period} (limit {limit})"
    change = ""
    if entry.baseline and entry.value is not None and rule.unit != "share":
        change = f", {entry.value / entry.baseline - 1:+.1%}"
    usual = number(entry.baseline, rule.unit, currency)
    return f"{what}: {value}, {entry.period}{change} against {usual} {_baseline(rule, entry)} (limit {limit})"


def _baseline(rule: Rule, entry: Entry) -> str:
    if entry.condition_kind.startswith("unusual"):
        return "that is usual for the weekday"
    if rule.window == "month":
        return f"in the mean of {rule.history} months before"
    return f"in the mean of the same weekday of {rule.history} weeks before"


def fired(rule: Rule, entry: Entry) -> tuple[str, str]:
    """Title and body of a message that something is wrong; the row has its sentence."""
    return (
        f"[{rule.severity}] {entry.message}",
        "\n".join(
            (
                f"{entry.message}.",
                f"Rule: {rule.name}. Severity: {rule.severity}. Owner: {rule.owner}.",
                f"What to do: {rule.what_to_do}",
                f"Published version: {entry.version}.",
                f"Quiet for two days: warehouse alerts snooze {rule.name} --for 2d",
            )
        ),
    )


def recovered(rule: Rule, entry: Entry) -> tuple[str, str]:
    """Title and body of a message that it is over."""
    return (
        f"[recovered] {entry.message}",
        "\n".join(
            (
                f"{entry.message}.",
                f"Noticed {entry.fired_at:%Y-%m-%d %H:%M} UTC; over by now.",
                f"Rule: {rule.name}. Owner: {rule.owner}. Published version: {entry.version}.",
            )
        ),
    )
