"""Which rules are broken and what people know of it: one message for one incident, one when it is over.

Nothing is read or written here. The log's newest rows say where the last evaluation stopped; an observation is a step.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from serving.alerts import log
from serving.alerts.judging import Judgement
from serving.alerts.log import Entry, Snooze
from serving.alerts.rules import FAILED_TASK, SEVERITIES, Rule

if TYPE_CHECKING:
    from serving.alerts.observing import Observation


@dataclass
class Incidents:
    """Which rules are broken, and what has been told of them: walked through period by period.

    Args:
        last: The newest row of each rule and subject.
        snoozes: Rules that nobody is to be told of.
        rules: The rules that are on.
        now: By the warehouse's clock (naive UTC).
    """

    last: Iterable[Entry]
    snoozes: Iterable[Snooze]
    rules: Iterable[Rule]
    now: datetime
    _newest: dict[tuple[str, str], Entry] = field(init=False)

    def __post_init__(self) -> None:
        self._newest = {(entry.rule, entry.subject): entry for entry in self.last}
        self._rules = {rule.name: rule for rule in self.rules}

    def retire(self, version: str) -> list[Entry]:
        """Close what is open of rules that are on no longer: they will never say that it is over."""
        closed = [
            replace(
                entry, message="the rule is switched off", id=log.new_id(), evaluated_at=self.now, version=version,
                state="recovered", told=None, is_told=False, is_delivered=None,
            )
            for entry in self._newest.values()
            if entry.state in log.OPEN and entry.rule not in (*self._rules, FAILED_TASK)
        ]  # fmt: skip
        self._newest |= {(entry.rule, entry.subject): entry for entry in closed}
        return closed

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
            entry.state in log.OPEN and entry.rule != FAILED_TASK for entry in self._newest.values()
        )

    def take(self, observation: Observation, version: str, *, is_new: bool) -> Entry | None:
        """The log's row of an observation, and whether it is told; None where it says nothing new.

        Args:
            observation: The next one in time.
            version: Published version it comes from.
            is_new: Whether this version is judged for the first time; else states are written where they changed.
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
            subject=observation.subject, message=observation.note, id=log.new_id(), evaluated_at=self.now,
            version=version, owner=rule.owner, incident=rule.incident, period=observation.period,
            period_start=observation.starts_at, period_end=observation.ends_at,
            judged_through=observation.judged_through,
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
        if any(self._covers(snooze, rule, subject) for snooze in self.snoozes):
            return "snoozed", None, knew
        is_known = knew or any(
            SEVERITIES.index(entry.severity) >= SEVERITIES.index(rule.severity) for entry in others
        )
        return "firing", None if is_known else "fired", True

    def _covers(self, snooze: Snooze, rule: Rule, subject: str) -> bool:
        """Whether a snooze holds now: for its rule, and for those of the same incident that are no severer."""
        snoozed = self._rules.get(snooze.rule)
        return (
            snoozed is not None
            and self.now < snooze.until
            and snooze.subject in ("", subject)
            and snoozed.incident == rule.incident
            and SEVERITIES.index(snoozed.severity) >= SEVERITIES.index(rule.severity)
        )
