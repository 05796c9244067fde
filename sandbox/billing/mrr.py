"""Monthly recurring revenue of a subscription, by METRICS.md §1, in exact arithmetic.

What it says is truth: the simulation calls it with its own state, and no SQL is involved. Amounts
are minor units; a result has six places, rounded half-up once per item.

Run: `item_mrrs(items, discounts)`; worked examples are in tests/sandbox/test_billing_mrr.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

_MICRO = 1_000_000
_PER_MONTH = {
    "month": Fraction(1),
    "year": Fraction(1, 12),
    "week": Fraction(52, 12),
    "day": Fraction(365, 12),
}


@dataclass(frozen=True)
class Tier:
    """One step of a tiered price, in minor units; `up_to` is inclusive, None is infinity."""

    up_to: int | None
    unit: Decimal = Decimal(0)
    flat: Decimal = Decimal(0)


@dataclass(frozen=True)
class Rate:
    """What a price asks in one currency: an amount per unit, or tiers.

    Attributes:
        unit: Minor units per unit; None where there are tiers.
        tiers: Steps in rising order.
        tiers_mode: graduated or volume.
        divide_by: Divide the quantity first (`transform_quantity`).
        round_up: Round that division up, else down.
    """

    unit: Decimal | None
    tiers: tuple[Tier, ...] = ()
    tiers_mode: str = ""
    divide_by: int = 1
    round_up: bool = True


@dataclass(frozen=True)
class Reduction:
    """A discount as it counts for MRR.

    Attributes:
        duration: once, repeating or forever.
        end: When a repeating one ends, Unix seconds.
        percent_off: Percent, or None.
        amount_off: Minor units per billing period, or None.
        products: The products that it is limited to; empty = all.
    """

    duration: str
    end: int | None = None
    percent_off: Decimal | None = None
    amount_off: int | None = None
    products: frozenset[str] = frozenset()

    def counts(self, at: int) -> bool:
        """Whether it lowers MRR at an instant (once never does; at its end it no longer does)."""
        return self.duration != "once" and (self.end is None or at < self.end)


@dataclass(frozen=True)
class MrrItem:
    """A subscription item as it counts for MRR.

    Attributes:
        item_id: For ties.
        product: Of its price.
        rate: What the price asks in the subscription's currency.
        quantity: Units; None for metered ones.
        interval: day, week, month or year.
        interval_count: So many of them are a period.
        metered: Metered prices count nothing.
        inclusive_tax: Percent of tax inside the price.
        reductions: The item's own discounts, in the order listed.
    """

    item_id: str
    product: str
    rate: Rate
    quantity: int | None
    interval: str
    interval_count: int = 1
    metered: bool = False
    inclusive_tax: Decimal = Decimal(0)
    reductions: tuple[Reduction, ...] = ()


def amount_at(rate: Rate, quantity: int) -> Decimal:
    """What a quantity costs per period, in minor units, before discounts and not rounded.

    Raises:
        ValueError: if the quantity is above the last tier.
    """
    if rate.divide_by != 1:
        quantity = -(-quantity // rate.divide_by) if rate.round_up else quantity // rate.divide_by
    if rate.unit is not None:
        return rate.unit * quantity
    # a quantity of 0 lies in the first tier and pays its flat fee
    total, below = Decimal(0), 0
    for tier in rate.tiers:
        last = tier.up_to is None or quantity <= tier.up_to
        if rate.tiers_mode == "volume":
            if last:
                return tier.unit * quantity + tier.flat
            continue
        within = (quantity if last else tier.up_to or 0) - below
        total += tier.unit * within + tier.flat
        if last:
            return total
        below = tier.up_to or 0
    msg = f"no tier holds quantity {quantity}"
    raise ValueError(msg)


def per_month(interval: str, interval_count: int) -> Fraction:
    """Factor from an amount per period to an amount per month."""
    return _PER_MONTH[interval] / interval_count


def six_places(value: Fraction) -> Decimal:
    """Round half-up to six places."""
    numerator = value.numerator * _MICRO
    whole, rest = divmod(abs(numerator), value.denominator)
    if 2 * rest >= value.denominator:
        whole += 1
    sign = -1 if numerator < 0 else 1
    return Decimal(sign * whole).scaleb(-6)


def spread(total: Fraction, left: Sequence[Fraction], ids: Sequence[str]) -> list[Fraction]:
    """Spread a fixed discount over what is left of items, at six places, by largest remainder.

    What remains is what is apportioned: of two equal items the one with the lower id keeps the odd
    millionth.

    Args:
        total: The discount; more than all that is left takes all that is left.
        left: What is left of each item.
        ids: Their ids, for ties.

    Returns:
        Each item's part; they add up to `total` (to all that is left) at six places.
    """
    whole = sum(left, Fraction(0))
    if whole <= 0:
        return [Fraction(0)] * len(left)
    if total >= whole:
        return list(left)
    exact = [total * part / whole * _MICRO for part in left]
    floors = [value.numerator // value.denominator for value in exact]
    target = (2 * total * _MICRO + 1) // 2
    missing = target - sum(floors)
    by_remainder = sorted(
        range(len(left)), key=lambda i: (exact[i] - floors[i], ids[i]), reverse=True
    )
    for i in by_remainder[:missing]:
        floors[i] += 1
    return [Fraction(value, _MICRO) for value in floors]


def item_mrrs(
    items: Sequence[MrrItem], reductions: Sequence[Reduction], at: int, *, net: bool = True
) -> dict[str, Decimal]:
    """MRR of each item of a subscription whose state counts (active or past due, not paused).

    Args:
        items: Its items.
        reductions: The subscription's discounts in the order listed, or the customer's where it
            has none.
        at: The instant, Unix seconds.
        net: False leaves the discounts out (list MRR).

    Returns:
        Minor units with six places, per item id.
    """
    counting = [item for item in items if not item.metered]
    left = []
    for item in counting:
        gross = Fraction(amount_at(item.rate, item.quantity or 0))
        left.append(gross * per_month(item.interval, item.interval_count))
    if net:
        for i, item in enumerate(counting):
            for reduction in item.reductions:
                _apply(reduction, counting, left, [i], at)
        everyone = list(range(len(counting)))
        for reduction in reductions:
            _apply(reduction, counting, left, everyone, at)
    return {
        item.item_id: six_places(part / (1 + Fraction(item.inclusive_tax) / 100))
        for item, part in zip(counting, left, strict=True)
    }


def _apply(
    reduction: Reduction,
    items: Sequence[MrrItem],
    left: list[Fraction],
    who: Sequence[int],
    at: int,
) -> None:
    """Take one discount from what is left of the items that it touches."""
    if not reduction.counts(at):
        return
    touched = [i for i in who if not reduction.products or items[i].product in reduction.products]
    if reduction.percent_off is not None:
        for i in touched:
            left[i] -= left[i] * Fraction(reduction.percent_off) / 100
        return
    # A fixed amount is per billing period: each interval's invoice gets it once.
    rhythms = {(items[i].interval, items[i].interval_count) for i in touched}
    for interval, count in sorted(rhythms):
        group = [
            i for i in touched if (items[i].interval, items[i].interval_count) == (interval, count)
        ]
        total = Fraction(reduction.amount_off or 0) * per_month(interval, count)
        parts = spread(total, [left[i] for i in group], [items[i].item_id for i in group])
        for i, part in zip(group, parts, strict=True):
            left[i] -= part
