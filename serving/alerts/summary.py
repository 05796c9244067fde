"""What is open, what happened lately, and the rules: a file beside the published version, for the alerts page.

The edition itself was written before it was judged: its `gold.alert_log` ends with the evaluation before. Readers never
open `ops.duckdb`, so what they may see of it is put where they read.

Reads: `ops.duckdb`. Writes: `published/<version>/alerts.json`, whole or not at all.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from serving.alerts import log
from serving.alerts.log import Entry
from serving.alerts.rules import FAILED_TASK, Rule
from warehouse import clock
from warehouse.ledger import naive
from warehouse.settings import Settings

FILE = "alerts.json"
#: A failed task is listed so long after it failed; nothing says when it is well again.
TASKS_FOR = timedelta(days=2)
LATELY = 500


def write(settings: Settings, folder: Path, rules: Iterable[Rule]) -> None:
    """Write the summary of a version that has been judged."""
    now = naive(clock.now(settings))
    with log.opened(settings) as con:
        said = {
            "evaluated_at": now.isoformat(),
            "open": [_shown(entry) for entry in open_entries(log.last_rows(con), now)],
            "snoozes": [
                {"rule": snooze.rule, "subject": snooze.subject, "until": snooze.until.isoformat()}
                for snooze in log.snoozes(con)
                if snooze.until > now
            ],
            "lately": [_shown(entry) for entry in log.changes(con, LATELY)],
            "rules": [rule_in_words(rule) for rule in rules],
        }
    fresh = folder / f".{FILE}-{os.getpid()}"
    fresh.write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    fresh.chmod(0o640)
    fresh.replace(folder / FILE)


def open_entries(last: Iterable[Entry], now: datetime) -> list[Entry]:
    """What is wrong now, newest first: incidents that are not over, and tasks that failed lately."""
    found = [
        entry
        for entry in last
        if entry.state in log.OPEN
        and (entry.rule != FAILED_TASK or entry.evaluated_at > now - TASKS_FOR)
    ]
    return sorted(found, key=lambda entry: entry.fired_at or now, reverse=True)


def rule_in_words(rule: Rule) -> dict[str, str]:
    """A rule as people read it."""
    metric = rule.metric
    window = rule.window
    if isinstance(window, timedelta):
        window = f"any {window // timedelta(minutes=1)} minutes"
    return {
        "rule": rule.name,
        "title": rule.title,
        "owner": rule.owner,
        "severity": rule.severity,
        "metric": f"{metric.table}.{metric.value or metric.at}",
        "condition": " or ".join(
            f"{name.replace('_', ' ')} {limit.said}" for name, limit in rule.condition.items()
        ),
        "window": window,
        "channels": ", ".join(rule.channels),
        "what_to_do": rule.what_to_do,
        "unit": rule.unit,
    }


def _shown(entry: Entry) -> dict[str, Any]:
    return {
        name: value.isoformat() if isinstance(value, datetime) else value
        for name, value in log.as_dict(entry).items()
    }
