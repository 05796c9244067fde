"""Support tickets as they happen: opened, answered, solved, opened again, rated."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

SUBJECTS = (
    (
        "api_errors",
        "Requests to {endpoint} fail with 503",
        "We see errors since this morning, and retries don't help.",
    ),
    (
        "performance",
        "{endpoint} has become slow",
        "Latency doubled against last week; our own users notice.",
    ),
    (
        "accuracy",
        "Accuracy drop after int8 quantization",
        "The quantized model loses three points on our benchmark.",
    ),
    (
        "billing",
        "Question about our last invoice",
        "Could you explain the second line of the invoice?",
    ),
    (
        "how_to",
        "How do I set up batch jobs?",
        "The docs mention a manifest, but we can't find an example.",
    ),
    (
        "account",
        "Please add a colleague to our workspace",
        "She should see usage, but not billing.",
    ),
)
_WEIGHTS = np.cumsum([0.22, 0.18, 0.14, 0.14, 0.22, 0.10])
_TROUBLED = np.cumsum([0.55, 0.30, 0.05, 0.03, 0.05, 0.02])
PRIORITIES = ("low", "normal", "high", "urgent")


@dataclass(frozen=True)
class Ticket:
    """One ticket, with all that will happen to it (readers cut it at their instant).

    Attributes:
        account_id: Whose.
        created_at: When it was opened, by an end user.
        subject: Index into SUBJECTS.
        priority: One of PRIORITIES.
        stuck: True: it took very long, which customers remember.
        first_reply_at: First public comment of an agent; None: solved without one.
        note_at: An internal note of an agent; None: none.
        solves: Pairs (solved, opened again or None), in order.
        rating: good, bad, or None when the customer doesn't answer.
        salt: Keys its texts.
    """

    account_id: str
    created_at: datetime
    subject: int
    priority: str
    stuck: bool
    first_reply_at: datetime | None
    note_at: datetime | None
    solves: tuple[tuple[datetime, datetime | None], ...]
    rating: str | None
    salt: int

    def is_open(self, at: datetime) -> bool:
        """Whether it is unsolved just before an instant."""
        if at <= self.created_at:
            return False
        for solved, reopened in self.solves:
            if at <= solved:
                return True
            if reopened is None or at <= reopened:
                return False
        return False

    def status(self, at: datetime) -> str:
        """Zendesk's status just before an instant."""
        if not self.is_open(at):
            solved = self.solves[-1][0]
            return "closed" if at > solved + timedelta(days=28) else "solved"
        replied = self.first_reply_at
        if replied is None or at <= replied:
            return "new"
        return "open" if any(again and again < at for _, again in self.solves) else "pending"

    def solved_at(self, at: datetime) -> datetime | None:
        """The last solve that holds just before an instant; None while it is open."""
        if self.is_open(at):
            return None
        return max(solved for solved, _ in self.solves if solved < at)


def open_ticket(
    key: list[int], account_id: str, at: datetime, satisfaction: float, *, incident: bool
) -> Ticket:
    """A ticket that a customer opens.

    Args:
        key: Key of its random stream.
        account_id: Whose.
        at: When.
        satisfaction: The customer's, about a standard normal.
        incident: True: the API has had a bad day.
    """
    rng = np.random.default_rng(key)
    u = rng.random(10).tolist()
    normal = rng.standard_normal(5).tolist()
    subject = int(np.searchsorted(_TROUBLED if incident else _WEIGHTS, u[0]))
    priority = PRIORITIES[min(3, int(u[1] * 2.6 + (1.2 if subject < 2 else 0.0)))]
    stuck = u[2] < 0.13
    haste = {"low": 1.8, "normal": 1.0, "high": 0.5, "urgent": 0.25}[priority]
    reply_hours = min(96.0, 3.0 * haste * float(np.exp(0.8 * normal[0])))
    solve_hours = 30.0 * haste * float(np.exp(0.8 * normal[1]))
    if stuck:
        solve_hours += 24 * (8 + 22 * u[3])
    replied = at + timedelta(seconds=int(reply_hours * 3600) + 60)
    solved = max(at + timedelta(seconds=int(solve_hours * 3600)), replied + timedelta(minutes=7))
    first_reply: datetime | None = replied
    if subject == 5 and u[4] < 0.3:
        # A colleague is added and the ticket solved without a word.
        first_reply = None
    solves: list[tuple[datetime, datetime | None]] = []
    if u[5] < (0.16 if stuck else 0.07):
        again = solved + timedelta(seconds=int(3600 * (4 + 90 * u[6])))
        solves.append((solved, again))
        solved = again + timedelta(seconds=int(3600 * (2 + 50 * u[7])))
    solves.append((solved, None))
    rating = None
    if u[8] < 0.34:
        mood = (
            1.6
            + 0.9 * satisfaction
            - (2.2 if stuck else 0.0)
            - (0.7 if len(solves) > 1 else 0.0)
            + normal[2]
        )
        rating = "good" if mood > 0 else "bad"
    note = (
        replied + timedelta(seconds=int(120 + 3600 * u[9]))
        if priority in {"high", "urgent"}
        else None
    )
    return Ticket(
        account_id=account_id,
        created_at=at,
        subject=subject,
        priority=priority,
        stuck=stuck,
        first_reply_at=first_reply,
        note_at=note,
        solves=tuple(solves),
        rating=rating,
        salt=int(u[9] * 1e9),
    )
