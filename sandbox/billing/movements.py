"""From each subscription's MRR over time to a customer's movements and churns (METRICS.md §1).

A plan migration is one movement, at the instant at which the new subscription begins: where the
old one ended up to the grace before, its MRR is held until then; where it ends up to the grace
after, it counts no more from then on. "Begins" is the first instant of MRR above 0. With nothing
known to begin, the churn stands at the old end.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

ZERO = Decimal(0)
GRACE_SECONDS = 24 * 3600
Totals = dict[str, Decimal]
Rates = Callable[[str, int], Decimal]
# Only decides the category where one instant changes several currencies of one customer; never an
# amount.
_ROUGH_RATES = {
    "USD": Decimal(1),
    "EUR": Decimal("1.08"),
    "GBP": Decimal("1.27"),
    "JPY": Decimal("0.67"),
    "KWD": Decimal("0.325"),
}


@dataclass
class SubscriptionMrr:
    """One subscription's MRR over time.

    Attributes:
        currency: ISO code, upper case.
        steps: (instant, MRR from then on), instants rising.
        ended_at: When it ended, if it did.
        reasons: Why it changed, by instant: voluntary, involuntary or pause.
    """

    currency: str
    steps: list[tuple[int, Decimal]] = field(default_factory=list)
    ended_at: int | None = None
    reasons: dict[int, str] = field(default_factory=dict)

    def record(self, at: int, mrr: Decimal, reason: str) -> None:
        """Note what it is worth from an instant on; a second note of an instant replaces the first."""
        if self.steps and self.steps[-1][0] == at:
            self.steps.pop()
        if (self.steps[-1][1] if self.steps else ZERO) != mrr:
            self.steps.append((at, mrr))
            self.reasons[at] = reason

    def begins_at(self) -> int | None:
        """First instant of MRR above 0."""
        return next((at for at, mrr in self.steps if mrr > 0), None)


@dataclass(frozen=True)
class Movement:
    """One change of a customer's MRR in one currency; amounts carry their sign."""

    at: int
    kind: str
    amount: Decimal
    currency: str


@dataclass
class CustomerMrr:
    """A customer's MRR after migrations are joined.

    Attributes:
        steps: (instant, MRR per currency from then on).
        movements: All of them, in order.
        churned: (instant, reason) of each fall to 0.
    """

    steps: list[tuple[int, Totals]]
    movements: list[Movement]
    churned: list[tuple[int, str]]

    def before(self, at: int) -> Totals:
        """The state just before an instant: a change exactly then is not in it."""
        found = bisect_right(self.steps, at - 1, key=lambda step: step[0])
        return self.steps[found - 1][1] if found else {}


def join_migrations(
    subscriptions: Sequence[SubscriptionMrr], grace: int = GRACE_SECONDS
) -> list[list[tuple[int, Decimal]]]:
    """Each subscription's steps, with ends moved to where a successor begins."""
    begins = [subscription.begins_at() for subscription in subscriptions]
    joined = []
    for i, subscription in enumerate(subscriptions):
        steps, end = subscription.steps, subscription.ended_at
        ends_paying = len(steps) > 1 and steps[-1] == (end, ZERO)
        if end is None or not ends_paying:
            joined.append(list(steps))
            continue
        near = [
            at
            for j, at in enumerate(begins)
            if j != i and at is not None and abs(at - end) <= grace and at > (begins[i] or 0)
        ]
        if not near:
            joined.append(list(steps))
            continue
        at = min(near)
        joined.append([*(step for step in steps[:-1] if step[0] < at), (at, ZERO)])
    return joined


def customer_mrr(
    subscriptions: Sequence[SubscriptionMrr],
    *,
    grace: int = GRACE_SECONDS,
    rates: Rates | None = None,
) -> CustomerMrr:
    """Add a customer's subscriptions up and name each change.

    Args:
        subscriptions: All that the customer ever had.
        grace: Seconds within which an end and a beginning are one migration.
        rates: (currency, instant) to the reporting currency's minor units; only for the category
            of a change of several currencies at once.
    """
    changes: dict[int, list[tuple[int, Decimal]]] = {}
    for i, steps in enumerate(join_migrations(subscriptions, grace)):
        for at, mrr in steps:
            changes.setdefault(at, []).append((i, mrr))
    current = [ZERO] * len(subscriptions)
    result = CustomerMrr([], [], [])
    totals: Totals = {}
    paid_before = False
    for at in sorted(changes):
        fallen = []
        for i, mrr in changes[at]:
            if mrr < current[i]:
                fallen.append(i)
            current[i] = mrr
        after: Totals = {}
        for subscription, mrr in zip(subscriptions, current, strict=True):
            if mrr:
                after[subscription.currency] = after.get(subscription.currency, ZERO) + mrr
        deltas = {
            currency: after.get(currency, ZERO) - totals.get(currency, ZERO)
            for currency in sorted({*after, *totals})
        }
        deltas = {currency: delta for currency, delta in deltas.items() if delta}
        if not deltas:
            continue
        kind = _kind(totals, after, deltas, at, rates, paid_before=paid_before)
        result.movements += [Movement(at, kind, delta, c) for c, delta in deltas.items()]
        result.steps.append((at, after))
        if kind == "churn":
            result.churned.append((at, _reason(subscriptions, fallen, at)))
        totals = after
        paid_before = True
    return result


def _kind(
    before: Totals,
    after: Totals,
    deltas: Totals,
    at: int,
    rates: Rates | None,
    *,
    paid_before: bool,
) -> str:
    if not before:
        return "reactivation" if paid_before else "new"
    if not after:
        return "churn"
    if len(deltas) == 1:
        return "expansion" if next(iter(deltas.values())) > 0 else "contraction"
    rate = rates or (lambda currency, _at: _ROUGH_RATES[currency])
    change = sum((delta * rate(currency, at) for currency, delta in deltas.items()), ZERO)
    return "expansion" if change >= 0 else "contraction"


def _reason(subscriptions: Sequence[SubscriptionMrr], fallen: Sequence[int], at: int) -> str:
    """Why the customer fell to 0: the reason of what fell then (of its own end if that was moved)."""
    for i in fallen:
        subscription = subscriptions[i]
        reason = subscription.reasons.get(at)
        if reason is None and subscription.ended_at is not None:
            reason = subscription.reasons.get(subscription.ended_at)
        if reason:
            return reason
    return "voluntary"
