"""The true chance that a paying customer is gone 30 days later, from its state at an instant.

Writes (through `sandbox.world`): `truth/hazard.csv`, one row per ordinary customer and month in
whose first instant it pays. The odd customers' ends are scripted, not drawn, so they have no
hazard.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from sandbox.company import CompanyOptions
from sandbox.lifecycle import (
    INVOLUNTARY,
    Life,
    Paid,
    add_months,
    failed_lately,
    failing_odds,
    leaving_odds,
    usage_trend,
)

HORIZON = timedelta(days=30)


def paying_stretch(life: Life, at: datetime) -> Paid | None:
    """The stretch of paying that a customer is in just before an instant."""
    for paid in life.paid:
        if paid.begins < at and (paid.ends is None or paid.ends >= at):
            return paid
    return None


def probability_30d(options: CompanyOptions, life: Life, at: datetime) -> float | None:
    """Chance that MRR falls to 0 in (at, at + 30 days]; None if it is 0 just before `at`.

    Who has asked to leave by then has probability 1; whose payment is failing, the chance that it
    is not rescued; otherwise the odds of the next review and the next payment, if a renewal falls
    into the 30 days.
    """
    paid = paying_stretch(life, at)
    if paid is None:
        return None
    if paid.asked_at is not None and paid.asked_at < at and paid.ends <= at + HORIZON:
        return 1.0
    stay = 1.0
    for begin, until, _ in life.dunning:
        if begin < at <= until:
            # Rescues come early: who still fails after some days is more likely lost.
            elapsed = (at - begin) / timedelta(days=1)
            rescued_later = max(0.02, 1 - ((max(elapsed, 1) - 1) / 17) ** (1 / 1.5))
            stay *= 1 - INVOLUNTARY / (INVOLUNTARY + (1 - INVOLUNTARY) * rescued_later)
    month = 1
    while add_months(paid.anchor, month) <= at:
        month += 1
    due = add_months(paid.anchor, month)
    if due <= at + HORIZON and not (paid.asked_at is not None and paid.asked_at < at):
        n = life.week_of(options.start_at, at)
        renewal = not paid.annual or month % 12 == 0
        odds = leaving_odds(
            engagement=life.engagement[n],
            satisfaction=life.satisfaction[n],
            open_tickets=sum(ticket.is_open(at) for ticket in life.tickets),
            trend=usage_trend(life.level, n),
            tenure_months=(at - paid.begins) / timedelta(days=30.4),
            tier=paid_tier(life, at),
            failed_lately=failed_lately(life, at),
            annual=paid.annual,
            renewal=renewal,
        )
        stay *= 1 - odds
        if renewal and due + timedelta(days=14) <= at + HORIZON:
            stay *= 1 - failing_odds(life.satisfaction[n]) * INVOLUNTARY
    return 1 - stay


def paid_tier(life: Life, at: datetime) -> str:
    """The tier just before an instant, of one who pays."""
    tier = life.tier_at(at)
    return "Developer" if tier == "Free" else tier


def month_starts(options: CompanyOptions, now: datetime) -> list[datetime]:
    """First instants of the months after the first, before now."""
    found, month = [], 1
    first = options.start_at.replace(day=1)
    while (at := add_months(first, month)) < now:
        found.append(at)
        month += 1
    return found
