"""Judge every period since the last time, walk the incidents, write the log, deliver what is to be told.

Reads: the published restricted edition; `ops.duckdb`. Writes: `ops.duckdb` (see `log`),
`published/<version>/alerts.json`.
Run: `warehouse alerts check`, at the end of `warehouse run`, and in Airflow after each publish.

Each complete period of a rule is judged once, in the order of time, however many were published at once. A rule that
has never been judged begins with the newest complete period: its past is no news.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from serving.alerts import channels, log, messages, summary
from serving.alerts.delivery import deliver
from serving.alerts.incidents import Incidents
from serving.alerts.log import Entry
from serving.alerts.observing import Observation, observe
from serving.alerts.rules import SEVERITIES, Rule, read_rules
from serving.alerts.series import open_version
from serving.publish import current_version
from warehouse import clock, locks
from warehouse.errors import NothingToDo
from warehouse.ledger import naive
from warehouse.settings import Settings


@dataclass(frozen=True)
class Report:
    """What an evaluation did.

    Attributes:
        version: Published version that was judged.
        rules: Rules that are on.
        judged: Periods that were judged, over all rules.
        firing: Open incidents.
        told: Titles of the messages made.
        delivered: Messages that arrived, older ones among them.
        undelivered: One line per message that still waits.
        warnings: One line per rule that could not be judged.
    """

    version: str
    rules: int
    judged: int
    firing: int
    told: tuple[str, ...] = ()
    delivered: int = 0
    undelivered: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def evaluate(settings: Settings, *, version: Path | None = None) -> Report:
    """Judge a published version, tell what is new, and try again what has not arrived.

    Args:
        settings: Whose rules, log and channels.
        version: Folder of the version; the current one otherwise.

    Raises:
        NothingToDo: Nothing is published.
        CallError: A rule makes no sense.
    """
    rules = read_rules(settings)
    folder = version or _current(settings)
    now = naive(clock.now(settings))
    with locks.hold(settings.home / "alerts", what="alerts", timeout=settings.lock_timeout):
        with log.opened(settings) as con:
            incidents = Incidents(log.last_rows(con), log.snoozes(con), rules, now)
            through = log.judged_through(con)
            is_new = folder.name not in log.versions_judged(con)
        retired = incidents.retire(folder.name)
        with open_version(settings, folder / "restricted.duckdb") as edition:
            seen = observe(edition, rules, through, incidents, now)
        made = [
            (entry, observation.rule)
            for observation in sorted(seen, key=_in_order)
            if (entry := incidents.take(observation, folder.name, is_new=is_new)) is not None
        ]
        entries = [_worded(settings, rule, entry) for entry, rule in made]
        queue = [
            message
            for entry, (_, rule) in zip(entries, made, strict=True)
            for message in _messages(settings, rule, entry)
        ]
        waits = {entry.id for entry, *_ in queue}
        entries = [
            replace(entry, is_delivered=False) if entry.id in waits else entry for entry in entries
        ]
        with log.opened(settings) as con:
            log.write(con, [*retired, *entries], queue)
            waiting = log.waiting(con)
        delivered, undelivered = deliver(settings, waiting)
        summary.write(settings, folder, rules)
    return Report(
        version=folder.name,
        rules=len(rules),
        judged=len(made),
        firing=incidents.open_count(),
        told=tuple(entry.message for entry in entries if entry.told),
        delivered=delivered,
        undelivered=tuple(undelivered),
        warnings=tuple(f"rule {one.rule.name}: {one.note}" for one in seen if one.note),
    )


def _current(settings: Settings) -> Path:
    found = current_version(settings)
    if found is None:
        raise NothingToDo("nothing is published that alerts could look at")
    return found.path


def _in_order(observation: Observation) -> tuple[datetime, bool, int]:
    """By time; at one instant what is broken before what is well, the severest first, so that one message tells it."""
    is_well = observation.judgement.verdict != "broken"
    return observation.ends_at, is_well, -SEVERITIES.index(observation.rule.severity)


def _worded(settings: Settings, rule: Rule, entry: Entry) -> Entry:
    """The row with its sentence, where there is something to say."""
    if entry.message or entry.state in ("ok", "no data"):
        return entry
    if entry.value is None:
        return replace(entry, message=messages.without_value(rule, entry))
    return replace(entry, message=messages.fact(rule, entry, settings.reporting_currency))


def _messages(
    settings: Settings, rule: Rule, entry: Entry
) -> Iterator[tuple[Entry, str, str, str]]:
    """(row, channel, title, body) for each channel of its rule that is set up."""
    if entry.told:
        worded = messages.fired if entry.told == "fired" else messages.recovered
        title, body = worded(rule, entry)
        for channel in rule.channels:
            if channels.is_on(settings, channel):
                yield entry, channel, title, body
