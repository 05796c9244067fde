"""Judge every period since the last time, walk the incidents, write the log, deliver what is to be told.

Reads: the published restricted edition; `ops.duckdb`. Writes: `ops.duckdb` (see `log`), `published/<version>/alerts.json`.
Run: `warehouse alerts check`, at the end of `warehouse run`, and in Airflow after each publish.

Each complete period of a rule is judged once, in the order of time, however many were published at once. A rule that has never been
judged begins with the newest complete period: its past is no news.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path

from serving.alerts import channels, log, messages, summary
from serving.alerts.judging import Judgement, bursts, judge, judge_level
from serving.alerts.log import Entry, Snooze
from serving.alerts.rules import SEVERITIES, Rule, read_rules
from serving.alerts.series import Edition, Unreadable, open_version
from serving.publish import current_version
from warehouse import clock, locks
from warehouse.errors import NothingToDo
from warehouse.ledger import naive
from warehouse.settings import Settings

#: So far back a rule over minutes looks when it has never been judged.
FIRST_LOOK = timedelta(days=1)


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


@dataclass(frozen=True)
class Observation:
    """One period of one rule's subject, judged.

    Attributes:
        rule: The rule.
        subject: What was judged by itself.
        judgement: Verdict and numbers.
        period: In words.
        starts_at: Its beginning (naive UTC).
        ends_at: Its end; observations are walked in this order.
        judged_through: Up to when the rule is judged with it.
        note: Why nothing could be said, where nothing could.
    """

    rule: Rule
    subject: str
    judgement: Judgement
    period: str
    starts_at: datetime
    ends_at: datetime
    judged_through: datetime
    note: str = ""


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
            incidents = Incidents(log.last_rows(con), log.snoozes(con), now)
            through = log.judged_through(con)
            is_new = folder.name not in log.versions_judged(con)
        seen = _observe(settings, folder, rules, through, incidents, now)
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
            log.write(con, entries, queue)
        delivered, undelivered = deliver(settings)
        summary.write(settings, folder, rules)
    return Report(
        version=folder.name,
        rules=len(rules),
        judged=len(made),
        firing=incidents.open_count(),
        told=tuple(entry.message for entry in entries if entry.told),
        delivered=delivered,
        undelivered=tuple(undelivered),
        warnings=tuple(f"rule {seen_.rule.name}: {seen_.note}" for seen_ in seen if seen_.note),
    )


def _current(settings: Settings) -> Path:
    found = current_version(settings)
    if found is None:
        raise NothingToDo("nothing is published that alerts could look at")
    return found.path


def _in_order(observation: Observation) -> tuple[datetime, bool, int]:
    """By time; at one instant what is broken before what is well, the severest first: so that one message tells of an incident."""
    is_well = observation.judgement.verdict != "broken"
    return observation.ends_at, is_well, -SEVERITIES.index(observation.rule.severity)


# --- what was to be judged --------------------------------------------------------------------------


def _observe(
    settings: Settings,
    folder: Path,
    rules: Iterable[Rule],
    through: dict[str, datetime],
    incidents: Incidents,
    now: datetime,
) -> list[Observation]:
    """Everything that is to be judged of a version: complete, and not judged before."""
    found: list[Observation] = []
    with open_version(settings, folder / "restricted.duckdb") as edition:
        for rule in rules:
            since = through.get(rule.name)
            try:
                if isinstance(rule.window, timedelta):
                    found += _of_minutes(edition, rule, since, incidents)
                elif rule.window == "publish":
                    found += _of_states(edition, rule, incidents, now)
                else:
                    found += _of_periods(edition, rule, since, incidents)
            except Unreadable as error:
                # judged through nowhere: once its table is there, it goes on where it stopped
                none = Judgement("no data")
                found.append(Observation(rule, "", none, "", now, now, since or now, error.message))
    return found


def _of_periods(
    edition: Edition, rule: Rule, since: datetime | None, incidents: Incidents
) -> Iterator[Observation]:
    periods = edition.periods(rule, since)
    if not periods:
        return
    values = edition.values(rule)
    open_subjects = incidents.open_subjects(rule) if rule.metric.per else set()
    for period in periods:
        subjects = {subject for subject, series in values.items() if period in series}
        gone = open_subjects - subjects
        judged = {subject: judge(rule, values[subject], period) for subject in sorted(subjects)}
        judged |= {subject: Judgement("over") for subject in sorted(gone)}
        for subject, judgement in judged.items():
            if judgement.verdict == "broken":
                open_subjects.add(subject)
            elif judgement.verdict != "no data":
                open_subjects.discard(subject)
        starts_at, ends_at = edition.begins(period), edition.ends(rule, period)
        for subject, judgement in (judged or {"": Judgement("no data")}).items():
            yield Observation(
                rule, subject, judgement, messages.period_in_words(rule, period), starts_at, ends_at, ends_at,
            )  # fmt: skip


def _of_states(
    edition: Edition, rule: Rule, incidents: Incidents, now: datetime
) -> Iterator[Observation]:
    values = edition.state(rule, now)
    ((name, limit),) = rule.condition.items()
    judged: dict[str, Judgement] = {
        subject: Judgement("no data") if value is None else judge_level(name, limit, value)
        for subject, value in sorted(values.items())
    }
    judged |= {
        subject: Judgement("over") for subject in incidents.open_subjects(rule) - set(values)
    }
    period = f"at {messages.instant_in_words(now, edition.zone)}"
    for subject, judgement in (judged or {"": Judgement("no data")}).items():
        yield Observation(rule, subject, judgement, period, now, now, now)


def _of_minutes(
    edition: Edition, rule: Rule, since: datetime | None, incidents: Incidents
) -> Iterator[Observation]:
    """Bursts as periods of their own; what is between and after them is well, once a whole window was."""
    through = edition.through(rule.needs)
    if through is None or (since is not None and through <= since):
        return
    since = since if since is not None else through - FIRST_LOOK
    window: timedelta = rule.window  # type: ignore[assignment]
    ((name, limit),) = rule.condition.items()
    rows = edition.instants(rule, since - window, through)
    for subject in sorted({*rows, *incidents.open_subjects(rule)} or {""}):
        found, most = bursts(rows.get(subject, []), window, limit.amount, since)
        at = since
        for burst in found:
            if burst.begins_at > at:
                yield _span(edition, rule, subject, Judgement("ok", threshold=limit.amount, condition=name), at, burst.begins_at)  # fmt: skip
            broken = Judgement("broken", burst.most, threshold=limit.amount, condition=name)
            yield _span(edition, rule, subject, broken, burst.begins_at, burst.ends_at)
            at = burst.ends_at
        if not found or at + window <= through:
            calm = Judgement("ok", None if found else most, threshold=limit.amount, condition=name)
            yield _span(edition, rule, subject, calm, at, through)


def _span(
    edition: Edition, rule: Rule, subject: str, judgement: Judgement, starts: datetime, ends: datetime
) -> Observation:  # fmt: skip
    words = " to ".join(messages.instant_in_words(at, edition.zone) for at in (starts, ends))
    return Observation(rule, subject, judgement, words, starts, ends, ends)


# --- incidents --------------------------------------------------------------------------------------


@dataclass
class Incidents:
    """Which rules are broken, and what has been told of them: walked through period by period.

    Args:
        last: The newest row of each rule and subject.
        snoozes: Who is not to be told of what.
        now: By the warehouse's clock (naive UTC).
    """

    last: Iterable[Entry]
    snoozes: list[Snooze]
    now: datetime
    _newest: dict[tuple[str, str], Entry] = field(init=False)

    def __post_init__(self) -> None:
        self._newest = {(entry.rule, entry.subject): entry for entry in self.last}

    def open_subjects(self, rule: Rule) -> set[str]:
        """Subjects of which a rule is broken."""
        return {
            subject
            for (name, subject), entry in self._newest.items()
            if name == rule.name and entry.state in log.OPEN
        }

    def open_count(self) -> int:
        """Rules and subjects that are broken."""
        return sum(
            entry.state in log.OPEN and entry.rule != log.FAILED_TASK
            for entry in self._newest.values()
        )

    def take(self, observation: Observation, version: str, *, is_new: bool) -> Entry | None:
        """The log's row of an observation, and whether it is told; None where it says nothing new.

        Args:
            observation: The next one in time.
            version: Published version it comes from.
            is_new: Whether this version is judged for the first time (else how things stand is written only where that changed).
        """
        rule, judgement = observation.rule, observation.judgement
        key = (rule.name, observation.subject)
        before = self._newest.get(key)
        state, told, is_told = self._next(rule, observation.subject, judgement, before)
        if not is_new and told is None and (rule.window == "publish" or observation.note):
            same = before.state if before else "ok"
            if state in (same, "no data") or (state == "ok" and same == "recovered"):
                return None
        was_open = before is not None and before.state in log.OPEN
        began = self.now if state in log.OPEN else None
        entry = Entry(
            fired_at=before.fired_at if before and was_open else began, rule=rule.name, severity=rule.severity,
            subject=observation.subject, message=observation.note, id=uuid.uuid4().hex[:16], evaluated_at=self.now,
            version=version, owner=rule.owner, incident=rule.incident, period=observation.period,
            period_start=observation.starts_at, period_end=observation.ends_at, judged_through=observation.judged_through,
            value=judgement.value, baseline=judgement.baseline, threshold=judgement.threshold, unit=rule.unit,
            condition_kind=judgement.condition, state=state, told=told, is_told=is_told,
        )  # fmt: skip
        if state != "no data":
            self._newest[key] = entry
        return entry

    def _next(
        self, rule: Rule, subject: str, judgement: Judgement, before: Entry | None
    ) -> tuple[str, str | None, bool]:
        """State, what is told now (fired, recovered or nothing), and whether people know of what is open."""
        was_open = before is not None and before.state in log.OPEN
        knew = before is not None and was_open and before.is_told
        if judgement.verdict == "no data":
            return "no data", None, False
        others = [
            entry
            for (name, its_subject), entry in self._newest.items()
            if entry.incident == rule.incident and name != rule.name and its_subject == subject
            and entry.state in log.OPEN and entry.is_told
        ]  # fmt: skip
        if judgement.verdict != "broken":
            # what was told is told to be over, snoozed or not, once the last rule of the incident is well
            is_over = knew and not others
            return "recovered" if was_open else "ok", "recovered" if is_over else None, False
        if any(snooze.covers(rule.name, subject, self.now) for snooze in self.snoozes):
            return "snoozed", None, knew
        is_known = knew or any(
            SEVERITIES.index(entry.severity) >= SEVERITIES.index(rule.severity) for entry in others
        )
        return "firing", None if is_known else "fired", True


# --- messages ---------------------------------------------------------------------------------------


def _worded(settings: Settings, rule: Rule, entry: Entry) -> Entry:
    """The row with its sentence, where there is something to say."""
    if entry.message or entry.state in ("ok", "no data"):
        return entry
    if entry.value is None:
        gone = f" ({entry.subject})" if entry.subject else ""
        return replace(
            entry, message=f"{rule.title}{gone}: well again, or no longer measured, {entry.period}"
        )
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


def deliver(settings: Settings) -> tuple[int, list[str]]:
    """Send every message that waits, oldest first.

    Returns:
        How many arrived, and one line for each that did not. A channel that refused one is not asked again this time: its
        messages stay in order.
    """
    with log.opened(settings) as con:
        waiting = [item for item in log.waiting(con) if channels.is_on(settings, item.channel)]
    delivered, failed, left = 0, {}, []
    for item in waiting:
        if item.channel not in failed:
            error = None
            try:
                channels.send(settings, item.channel, item.title, item.body, item.entry)
                delivered += 1
            except channels.Undelivered as refused:
                error = failed[item.channel] = refused.message
            with log.opened(settings) as con:
                log.note_delivery(con, item, naive(clock.now(settings)), error)
        if item.channel in failed:
            left.append(f"{item.title} ({failed[item.channel]})")
    return delivered, left
