"""The rules: read from YAML, checked when read, one clear line for what is wrong.

Reads: `serving/alerts/rules.yml`, and `<home>/alerts.yml` where there is one: rules of your own, and changes to ours.
Run: by `serving.alerts.evaluation`; `warehouse alerts rules` shows them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal

import yaml

from warehouse.errors import CallError
from warehouse.settings import Settings
from warehouse.sources import SOURCES

Window = Literal["day", "month", "publish"]
Wrong = Callable[[str], CallError]

OURS = Path(__file__).with_name("rules.yml")
SEVERITIES = ("info", "warning", "critical")
CHANNELS = ("slack", "email", "webhook", "oncall")
#: What the log calls a task of Airflow that failed.
FAILED_TASK = "task_failed"
UNITS = ("number", "money", "share", "ms", "hours")
#: Conditions that need nothing but the value, those against a baseline, and those against the metric's own scatter.
LEVELS = ("above", "below")
CHANGES = ("falls_by", "rises_by", "times")
SCATTERS = ("unusual", "unusually_low", "unusually_high")

_NAME = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_MINUTES = re.compile(r"(\d+) minutes?")
_FRACTION = re.compile(r"(\d+(?:\.\d+)?)\s*(%|points?)?")
_FILE = "alerts.yml"


@dataclass(frozen=True)
class Limit:
    """A number of a condition.

    Attributes:
        amount: 0.15 for "15%", 0.02 for "2 points".
        is_relative: A share of the baseline ("15%" of a change).
        said: As it stands in the file.
    """

    amount: float
    is_relative: bool = False
    said: str = ""


@dataclass(frozen=True)
class Metric:
    """Where a rule's numbers stand in the published edition.

    Attributes:
        table: Table of schema gold.
        value: SQL of the number: a column, or an aggregate of a period's rows; nothing for rows that are counted.
        at: Column of the day, month or instant. Nothing where the table says how things stand now.
        per: Column whose values are judged each by itself.
        where: SQL of the rows that count.
    """

    table: str
    value: str = ""
    at: str = ""
    per: str = ""
    where: str = ""


@dataclass(frozen=True)
class Rule:
    """One thing that is watched.

    Attributes:
        name: Its name in the file.
        title: What it watches, as the first words of a message.
        owner: Who is to act.
        severity: info, warning or critical.
        metric: Its numbers.
        condition: Condition → limit; it is broken when any of them holds.
        window: day, month, publish (how things stand at each publish) or some minutes of rows (any such span).
        needs: Sources, or source.stream, through which a period must be complete; empty: all.
        history: Earlier values that make the baseline: the same weekday's for days, the months before for months.
        channels: Where messages go.
        what_to_do: A line or a link.
        unit: How its numbers are written.
        incident: Rules with the same one tell of one incident with one message; the rule's own name otherwise.
    """

    name: str
    title: str
    owner: str
    severity: str
    metric: Metric
    condition: Mapping[str, Limit]
    window: Window | timedelta
    needs: tuple[str, ...]
    history: int
    channels: tuple[str, ...]
    what_to_do: str
    unit: str
    incident: str


@dataclass(frozen=True)
class _Words:
    """A rule as it stands in the file: every key that there is."""

    title: str
    owner: str
    severity: str
    metric: Any
    condition: Any
    what_to_do: str
    window: str = "day"
    needs: Any = field(default_factory=list)
    history: int | None = None
    channels: Any = field(default_factory=list)
    unit: str = "number"
    incident: str = ""
    enabled: bool = True


_KEYS = tuple(word.name for word in fields(_Words))
_NEEDED = ("title", "owner", "severity", "metric", "condition", "channels", "what_to_do")


def read_rules(settings: Settings) -> list[Rule]:
    """All rules that are on, ours and those of the data folder, in order.

    Raises:
        CallError: A file or a rule makes no sense; the line names file, rule and key.
    """
    told = _read(OURS)
    own = settings.home / _FILE
    if own.exists():
        for name, words in _read(own).items():
            # a rule of ours is changed key by key; any other name is a new one
            told[name] = {**told.get(name, {}), **words}
    shown = own.name if own.exists() else OURS.name
    rules = [_rule(name, words, shown) for name, words in told.items()]
    return [rule for rule in rules if rule is not None]


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        raise CallError(f"{path.name}{where}: no YAML", _hint()) from None
    if not isinstance(document, dict) or set(document) - {"rules"}:
        raise CallError(f"{path.name}: it has one key, 'rules'", _hint())
    rules = document.get("rules") or {}
    if not isinstance(rules, dict):
        raise CallError(f"{path.name}: rules is no mapping of names to rules", _hint())
    for name, words in rules.items():
        if not _NAME.fullmatch(str(name)):
            raise CallError(f"{path.name}: '{name}' is no name: a-z, 0-9 and _", _hint())
        if not isinstance(words, dict):
            raise CallError(f"{path.name}: rule {name} has no keys", _hint())
    return rules


def _hint() -> str:
    return "docs/alerts.md shows a rule with every key"


def _rule(name: str, words: Mapping[str, Any], file: str) -> Rule | None:
    """A rule as the rest of the package needs it; None where it is switched off."""

    def wrong(what: str) -> CallError:
        return CallError(f"{file}: rule {name}: {what}", _hint())

    if unknown := set(words) - set(_KEYS):
        raise wrong(f"no key '{sorted(unknown)[0]}'; keys are {', '.join(_KEYS)}")
    if words.get("enabled") is False:
        return None
    if missing := [key for key in _NEEDED if not words.get(key)]:
        raise wrong(f"{missing[0]} is missing")
    said = _Words(**words)
    _check_texts(name, said, wrong)
    _one_of(said.severity, SEVERITIES, "severity", wrong)
    _one_of(said.unit, UNITS, "unit", wrong)
    channels = _texts(said.channels, "channels", wrong)
    for channel in channels:
        _one_of(channel, CHANNELS, "channel", wrong)
    if "oncall" in channels and said.severity != "critical":
        raise wrong("only severity critical goes to channel oncall")
    needs = _texts(said.needs, "needs", wrong)
    for need in needs:
        _one_of(need.split(".")[0], tuple(SOURCES), "source", wrong)
    window = _window(said.window, wrong)
    return Rule(
        name=name, title=said.title, owner=said.owner, severity=said.severity,
        metric=_metric(said.metric, window, wrong), condition=_condition(said.condition, window, wrong),
        window=window, needs=needs, history=_history(said.history, window, wrong), channels=channels,
        what_to_do=said.what_to_do, unit=said.unit, incident=said.incident or name,
    )  # fmt: skip


def _check_texts(name: str, said: _Words, wrong: Wrong) -> None:
    for key in ("title", "owner", "what_to_do", "incident"):
        if not isinstance(getattr(said, key), str):
            raise wrong(f"{key} is no text")
    if FAILED_TASK in (name, said.incident):
        raise wrong(f"'{FAILED_TASK}' is the log's word for a failed task")


def _one_of(said: Any, known: tuple[str, ...], what: str, wrong: Wrong) -> None:
    if said not in known:
        raise wrong(f"{what} '{said}' is none of {', '.join(known)}")


def _history(said: Any, window: Window | timedelta, wrong: Wrong) -> int:
    if said is None:
        return 6 if window == "month" else 4
    if not isinstance(said, int) or isinstance(said, bool) or not 1 <= said <= 12:
        raise wrong("history is a number of periods from 1 to 12")
    return said


def _texts(said: Any, key: str, wrong: Wrong) -> tuple[str, ...]:
    if not isinstance(said, list) or not all(isinstance(item, str) for item in said):
        raise wrong(f"{key} is no list of names")
    return tuple(said)


def _window(said: Any, wrong: Wrong) -> Window | timedelta:
    if said in ("day", "month", "publish"):
        return said
    if (match := _MINUTES.fullmatch(str(said))) and int(match[1]):
        return timedelta(minutes=int(match[1]))
    raise wrong(f"window '{said}' is none of day, month, publish, or such as '5 minutes'")


def _metric(said: Any, window: Window | timedelta, wrong: Wrong) -> Metric:
    if isinstance(said, str):  # table.column, the column of a table with one row a day
        table, _, column = said.partition(".")
        said = {"table": table, "value": column, "at": "day"}
    names = {item.name for item in fields(Metric)}
    if not isinstance(said, dict) or not all(isinstance(text, str) for text in said.values()):
        raise wrong(f"metric is table.column, or a mapping of {', '.join(sorted(names))}")
    if unknown := set(said) - names:
        raise wrong(f"metric has no key '{sorted(unknown)[0]}'")
    metric = Metric(**{"table": "", **said})
    for key in ("table", "at", "per"):
        text = getattr(metric, key)
        if (text or key == "table") and not _NAME.fullmatch(text):
            raise wrong(f"metric: {key} '{text}' is no name")
    if isinstance(window, timedelta):
        if not metric.at or metric.value:
            raise wrong("metric: rows in a window of minutes need 'at' and no 'value'")
    elif not metric.value:
        raise wrong("metric: value is missing")
    if window in ("day", "month") and not metric.at:
        raise wrong("metric: at is missing: the column of the day or month")
    return metric


def _condition(said: Any, window: Window | timedelta, wrong: Wrong) -> dict[str, Limit]:
    known = (*LEVELS, *CHANGES, *SCATTERS)
    if not isinstance(said, dict) or not said:
        raise wrong(f"condition is one or more of {', '.join(known)}, each with its limit")
    found: dict[str, Limit] = {}
    for name, limit in said.items():
        if name not in known:
            raise wrong(f"condition '{name}' is none of {', '.join(known)}")
        match = _FRACTION.fullmatch(str(limit).strip()) if not isinstance(limit, bool) else None
        if not match:
            raise wrong(f"condition {name}: '{limit}' is no number, such as 5, 15% or 2 points")
        amount, unit = float(match[1]), match[2]
        if unit and name in (*SCATTERS, "times"):
            raise wrong(f"condition {name}: '{limit}' is no plain number")
        if name not in LEVELS and amount == 0:
            raise wrong(f"condition {name}: 0 would hold every day")
        is_relative = unit == "%" and name in CHANGES
        found[name] = Limit(amount / 100 if unit else amount, is_relative, str(limit))
    if window not in ("day", "month") and (set(found) - set(LEVELS) or len(found) > 1):
        raise wrong("a window of minutes, or of each publish, knows one condition: above or below")
    if window == "month" and set(found) & set(SCATTERS):
        raise wrong("unusual values are looked for among days only")
    return found
