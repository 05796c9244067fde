"""What is to be judged of a published version: the periods that are complete and were not judged before.

Reads: a published restricted edition (see `series`).
Run: by `evaluation`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from serving.alerts import messages
from serving.alerts.incidents import Incidents
from serving.alerts.judging import Judgement, Verdict, bursts, judge, judge_level
from serving.alerts.rules import Rule
from serving.alerts.series import Edition, Unreadable

#: So far back a rule over minutes looks when it has never been judged.
FIRST_LOOK = timedelta(days=1)


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
    judged_through: datetime | None
    note: str = ""


def observe(
    edition: Edition,
    rules: Iterable[Rule],
    through: Mapping[str, datetime],
    incidents: Incidents,
    now: datetime,
) -> list[Observation]:
    """Everything that is to be judged of a version, judged each by itself.

    Args:
        edition: The version.
        rules: Rules that are on.
        through: Rule → instant up to which it was judged before.
        incidents: What is open.
        now: By the warehouse's clock (naive UTC).
    """
    found: list[Observation] = []
    for rule in rules:
        since = through.get(rule.name)
        open_subjects = incidents.open_subjects(rule)
        try:
            if isinstance(rule.window, timedelta):
                found += _of_minutes(edition, rule, rule.window, since, open_subjects)
            elif rule.window == "publish":
                found += _of_states(edition, rule, open_subjects, now)
            else:
                found += _of_periods(edition, rule, since, open_subjects)
        except Unreadable as error:
            # judged through nothing: once its table is there, it goes on where it stopped
            none = Judgement("no data")
            found.append(Observation(rule, "", none, "", now, now, since, error.message))
    return found


def _of_periods(
    edition: Edition, rule: Rule, since: datetime | None, open_subjects: set[str]
) -> Iterator[Observation]:
    periods = edition.periods(rule, since)
    if not periods:
        return
    values = edition.values(rule)
    for period in periods:
        subjects = {subject for subject, series in values.items() if period in series}
        # a day without a row is no data; a subject without one is no longer there
        gone = open_subjects - subjects if rule.metric.per else set()
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
    edition: Edition, rule: Rule, open_subjects: set[str], now: datetime
) -> Iterator[Observation]:
    values = edition.state(rule, now)
    ((name, limit),) = rule.condition.items()
    judged: dict[str, Judgement] = {
        subject: Judgement("no data") if value is None else judge_level(name, limit, value)
        for subject, value in sorted(values.items())
    }
    judged |= {subject: Judgement("over") for subject in open_subjects - set(values)}
    period = f"at {messages.instant_in_words(now, edition.zone)}"
    for subject, judgement in (judged or {"": Judgement("no data")}).items():
        yield Observation(rule, subject, judgement, period, now, now, now)


def _of_minutes(
    edition: Edition,
    rule: Rule,
    window: timedelta,
    since: datetime | None,
    open_subjects: set[str],
) -> Iterator[Observation]:
    """Bursts as periods of their own; what is between and after them is well, once a whole window was."""
    through = edition.through(rule.needs)
    if through is None or (since is not None and through <= since):
        return
    since = since if since is not None else through - FIRST_LOOK
    ((name, limit),) = rule.condition.items()

    def span(verdict: Verdict, most: int | None, starts: datetime, ends: datetime) -> Observation:
        words = " to ".join(messages.instant_in_words(at, edition.zone) for at in (starts, ends))
        judgement = Judgement(verdict, most, threshold=limit.amount, condition=name)
        return Observation(rule, subject, judgement, words, starts, ends, ends)

    rows = edition.instants(rule, since - window, through)
    for subject in sorted({*rows, *open_subjects} or {""}):
        found, most = bursts(rows.get(subject, []), window, limit.amount, since)
        at = since
        for burst in found:
            if burst.begins_at > at:
                yield span("ok", None, at, burst.begins_at)
            yield span("broken", burst.most, burst.begins_at, burst.ends_at)
            at = burst.ends_at
        # a burst is over when a whole window was quiet, be it only a later look that sees the end of it
        is_open = bool(found) or subject in open_subjects
        if not is_open or at + window <= through:
            yield span("ok", None if is_open else most, at, through)
