"""Revenue over the days of service, by the rules of METRICS.md §2: recognised, deferred and unbilled at month ends.

Straight line over the UTC days from the period's first one to the one before its end; what has been recognised by the
end of a day is rounded, so that the days add up to the whole. A line is earned by its service, whenever it is
invoiced; what takes it back posts the elapsed share at once on its day.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from sandbox.billing.calendar import DAY, month_name
from sandbox.billing.revenue import Entry, half_up

Recognised = list[tuple[str, str, str, int]]
Deferred = list[tuple[str, str, int, int]]


def recognised_by(entry: Entry, day: int) -> int:
    """What has been recognised of an entry by the end of a day (days since 1970)."""
    start, booked = entry.start // DAY, entry.at // DAY
    days = max(entry.end // DAY - start, 1)
    begins = start if entry.entry_type == "line" else max(booked, start)
    if day < begins:
        return 0
    return half_up(Fraction(entry.amount * min(day - start + 1, days), days))


def month_ends(entries: Iterable[Entry], ends: Iterable[int]) -> tuple[Recognised, Deferred]:
    """Per month: what was recognised of each type, and what was deferred and unbilled at its end.

    Args:
        entries: Signed revenue entries.
        ends: First instants after each month, in order.
    """
    revenue: dict[tuple[str, str, str], int] = {}
    balances: dict[tuple[str, str], list[int]] = {}
    running = [(entry, 0) for entry in entries]
    for end in ends:
        last_day, month = end // DAY - 1, month_name(end - 1)
        unfinished = []
        for entry, before in running:
            done = recognised_by(entry, last_day)
            key = (month, entry.currency, entry.revenue_type)
            revenue[key] = revenue.get(key, 0) + done - before
            if done != entry.amount or entry.at >= end:
                unfinished.append((entry, done))
            balance = balances.setdefault((month, entry.currency), [0, 0])
            if entry.at < end:
                balance[0] += entry.amount - done
            elif done > 0:
                balance[1] += done
            else:
                # a credit that is earned before it is invoiced is owed to the customer
                balance[0] -= done
        running = unfinished
    return (
        [(*key, amount) for key, amount in sorted(revenue.items()) if amount],
        [(*key, *pair) for key, pair in sorted(balances.items()) if any(pair)],
    )
