"""Signed revenue entries by the rules of METRICS.md §2, in exact whole minor units.

The simulation posts an entry in the moment in which it finalises, voids, credits, refunds or loses
something; none of it is derived from the objects that it serves.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction


@dataclass(frozen=True)
class Entry:
    """One signed amount of revenue without tax.

    Attributes:
        customer_id: The account.
        at: Instant, Unix seconds.
        currency: ISO code, upper case.
        revenue_type: subscription, usage or one_time.
        entry_type: line, void, bad_debt, bad_debt_recovered, credit_note, credit_note_void,
            refund, dispute or dispute_reversal.
        amount: Minor units.
    """

    customer_id: str
    at: int
    currency: str
    revenue_type: str
    entry_type: str
    amount: int


@dataclass(frozen=True)
class NetLine:
    """An invoice line as it counts for revenue: amount less discounts and inclusive taxes."""

    line_id: str
    revenue_type: str
    net: int


def half_up(value: Fraction) -> int:
    """The nearest whole number; halves go away from zero."""
    whole = (2 * abs(value.numerator) + value.denominator) // (2 * value.denominator)
    return whole if value >= 0 else -whole


def allocate(total: int, weights: Sequence[int], ids: Sequence[str]) -> list[int]:
    """Split a whole amount by weights: largest remainder, ties by id; the parts add up exactly.

    Without any weight (they add up to 0) the first id takes all.
    """
    whole = sum(weights)
    if whole == 0:
        first = min(range(len(ids)), key=lambda i: ids[i])
        return [total if i == first else 0 for i in range(len(ids))]
    exact = [Fraction(total * weight, whole) for weight in weights]
    parts = [value.numerator // value.denominator for value in exact]
    order = sorted(range(len(ids)), key=lambda i: (parts[i] - exact[i], ids[i]))
    for i in order[: total - sum(parts)]:
        parts[i] += 1
    return parts


def revenue_part(amount: int, lines: Iterable[NetLine], invoice_total: int) -> int:
    """The part of a gross amount (a refund, a dispute, what is unpaid) that is revenue, not tax."""
    if invoice_total == 0:
        return 0
    return half_up(Fraction(amount * sum(line.net for line in lines), invoice_total))


def split(amount: int, lines: Sequence[NetLine]) -> dict[str, int]:
    """Split revenue over an invoice's lines by their net, added up per revenue type."""
    parts = allocate(amount, [line.net for line in lines], [line.line_id for line in lines])
    by_type: dict[str, int] = {}
    for line, part in zip(lines, parts, strict=True):
        by_type[line.revenue_type] = by_type.get(line.revenue_type, 0) + part
    return by_type
