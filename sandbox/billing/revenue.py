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
        start: First instant of the line's service period.
        end: Its exclusive end.
    """

    customer_id: str
    at: int
    currency: str
    revenue_type: str
    entry_type: str
    amount: int
    start: int
    end: int


@dataclass(frozen=True)
class NetLine:
    """An invoice line as it counts for revenue: amount less discounts and inclusive taxes.

    Attributes:
        line_id: The line.
        revenue_type: subscription, usage or one_time.
        net: Minor units.
        start: First instant of its service period.
        end: Its exclusive end.
    """

    line_id: str
    revenue_type: str
    net: int
    start: int = 0
    end: int = 0


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


def split(amount: int, lines: Sequence[NetLine]) -> list[int]:
    """Split revenue over an invoice's lines by their net: a part per line."""
    return allocate(amount, [line.net for line in lines], [line.line_id for line in lines])


def taking(before: int, amount: int, lines: Sequence[NetLine], invoice_total: int) -> list[int]:
    """What a gross amount takes from each line of an invoice.

    Rounded on what has been taken in all, so that refunds in steps are the whole to the minor unit.

    Args:
        before: The gross amount that was taken earlier.
        amount: The gross amount that is taken now.
        lines: The invoice's lines.
        invoice_total: Its total, tax included.
    """
    later = split(revenue_part(before + amount, lines, invoice_total), lines)
    earlier = split(revenue_part(before, lines, invoice_total), lines)
    return [a - b for a, b in zip(later, earlier, strict=True)]
