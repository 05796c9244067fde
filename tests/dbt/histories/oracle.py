"""What every number must be: folds Stripe's events in plain Python, from METRICS.md §1-§2 and STRIPE.md, without a line of SQL.

Times are Unix seconds, money exact fractions of minor units, MRR decimals of 6 places as integers of millionths.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from functools import total_ordering
from typing import Any

from tests.dbt.histories.reading import (
    PER_MONTH,
    Account,
    Choices,
    Discount,
    Item,
    State,
    Subscription,
    exact,
)

Object = dict[str, Any]
MILLION = 1_000_000
GRACE = 24 * 3600
Rate = Callable[[str, int], Fraction]
#: when, refund, dispute or bad_debt, its id, gross size
Taking = tuple[int, str, str, int]


def half_up(number: Fraction) -> int:
    """Rounded half away from zero."""
    whole = int(abs(number) + Fraction(1, 2))
    return whole if number >= 0 else -whole


def largest_remainder(parts: dict[Any, Fraction], whole: int) -> dict[Any, int]:
    """Whole numbers that make up `whole`, next to `parts`; ties go to the lower key."""
    floors = {key: part.numerator // part.denominator for key, part in parts.items()}
    order = sorted(parts, key=lambda key: (floors[key] - parts[key], key))
    for key in order[: whole - sum(floors.values())]:
        floors[key] += 1
    return floors


# -- MRR ---------------------------------------------------------------------------------------------------------------


def tiered(tiers: list[Object], mode: str, quantity: Fraction) -> Fraction:
    """What a quantity costs; `up_to` belongs to its tier."""
    below, total = Fraction(0), Fraction(0)
    for tier in tiers:
        top = None if tier["up_to"] in (None, "inf") else exact(tier["up_to"])
        unit = exact(tier.get("unit_amount_decimal") or tier.get("unit_amount") or 0)
        flat = exact(tier.get("flat_amount_decimal") or tier.get("flat_amount") or 0)
        last = top is None or quantity <= top
        if mode == "volume" and last:
            return unit * quantity + flat
        if mode == "graduated":
            total += unit * ((quantity if last else top) - below) + flat
            if last:
                return total
            below = top
    raise AssertionError("tiers without an end")


def per_month(price: Object, currency: str, quantity: int | None) -> Fraction:
    """A price's monthly amount at that quantity in minor units, before discounts, with inclusive tax."""
    recurring = price["recurring"]
    if recurring["usage_type"] == "metered" or quantity is None:
        return Fraction(0)
    terms = price if currency == price["currency"] else price["currency_options"][currency]
    units = Fraction(quantity)
    divide = price.get("transform_quantity")
    if divide:
        units = units / divide["divide_by"]
        units = Fraction(
            units.numerator // units.denominator
            + (divide["round"] == "up" and units.denominator > 1)
        )
    if terms.get("tiers"):
        amount = tiered(terms["tiers"], price["tiers_mode"], units)
    else:
        amount = exact(terms["unit_amount_decimal"]) * units
    return amount * PER_MONTH[recurring["interval"]] / recurring["interval_count"]


@dataclass(frozen=True)
class Mrr:
    """Millionths of minor units."""

    list: int = 0
    net: int = 0

    def __add__(self, other: Mrr) -> Mrr:
        """Both."""
        return Mrr(self.list + other.list, self.net + other.net)


def item_mrr(account: Account, state: State, customer: str, at: int) -> dict[str, Mrr]:
    """MRR of each item of a paying subscription at an instant."""
    gross = {
        item.id: per_month(account.prices[item.price], state.currency, item.quantity)
        for item in state.items
    }
    left = dict(gross)
    held = [account.discounts[name] for name in state.discounts]
    own = [one for one in held if one.holds_at(at)]
    if not own:
        own = [one for one in account.customer_discounts.get(customer, []) if one.holds_at(at)]
    for item in state.items:
        for name in item.discounts:
            _take(account, account.discounts[name], (item,), left, at, state.currency)
    for one in own:
        _take(account, one, state.items, left, at, state.currency)
    mrr = {}
    for item in state.items:
        untaxed = 1 + _tax_inside(account, state, item, at)
        mrr[item.id] = Mrr(
            half_up(gross[item.id] * MILLION / untaxed), half_up(left[item.id] * MILLION / untaxed)
        )
    return mrr


def _tax_inside(account: Account, state: State, item: Item, at: int) -> Fraction:
    """The rate of the tax that is in an item's price: the item's own, else the subscription's, else its latest invoice line's."""
    known = account.automatic_rates.get(item.id, [])
    told = next((rate for since, rate in reversed(known) if since <= at), Fraction(0))
    by_hand = (item.inclusive if item.inclusive is not None else state.inclusive) or Fraction(0)
    behaviour = account.prices[item.price]["tax_behavior"]
    if not state.is_automatic or behaviour == "exclusive":
        return by_hand
    # a price that leaves it open is as the account's settings have it, which the lines alone show
    return told if behaviour == "inclusive" else max(told, by_hand)


def _take(
    account: Account,
    discount: Discount,
    items: Iterable[Item],
    left: dict[str, Fraction],
    at: int,
    currency: str,
) -> None:
    """Take a discount from what is left of the items it touches."""
    if not discount.lowers_mrr_at(at):
        return
    coupon = discount.coupon
    by_interval: dict[tuple[str, int], list[str]] = defaultdict(list)
    for item in items:
        price = account.prices[item.price]
        if coupon.products and price["product"] not in coupon.products:
            continue
        if coupon.percent is not None:
            left[item.id] *= 1 - coupon.percent / 100
        elif price["recurring"]["usage_type"] == "licensed":
            by_interval[price["recurring"]["interval"], price["recurring"]["interval_count"]].append(item.id)  # fmt: skip
    for (interval, count), ids in by_interval.items():
        off = Fraction(coupon.off_in(currency)) * PER_MONTH[interval] / count
        for name, part in _spread_over(ids, left, off).items():
            left[name] -= part


def _spread_over(ids: list[str], left: dict[str, Fraction], off: Fraction) -> dict[str, Fraction]:
    """A fixed amount over what is left of some items, at six places."""
    total = sum((left[name] for name in ids), Fraction(0))
    if off >= total:
        return {name: left[name] for name in ids}
    if len(ids) == 1:
        return {ids[0]: off}
    # the odd millionth is taken from the higher id: the lower one keeps it
    shares = {_Backwards(name): off * left[name] / total * MILLION for name in ids}
    spread = largest_remainder(shares, half_up(off * MILLION))
    return {key.name: Fraction(part, MILLION) for key, part in spread.items()}


@total_ordering
@dataclass(frozen=True)
class _Backwards:
    """A key that sorts the other way round."""

    name: str

    def __lt__(self, other: _Backwards) -> bool:
        """Higher names first."""
        return self.name > other.name


def sub_mrr(account: Account, sub: Subscription, at: int) -> Mrr:
    """A subscription's own MRR at an instant."""
    state = next((state for since, state in reversed(sub.steps) if since <= at), None)
    choices = account.choices
    if state is None or state.status not in choices.paying:
        return Mrr()
    if is_paused(state, at) and not choices.paused_counts_as_mrr:
        return Mrr()
    if state.is_asked and choices.churn_recognition == "cancellation":
        return Mrr()
    stripe_customer = next(
        one["customer"] for one in account.streams["subscriptions"] if one["id"] == sub.id
    )
    total = Mrr()
    for mrr in item_mrr(account, state, stripe_customer, at).values():
        total += mrr
    return total


def is_paused(state: State, at: int) -> bool:
    """Whether its collection is paused."""
    return state.pause is not None and (state.pause[1] is None or at < state.pause[1])


@dataclass
class Step:
    """A subscription's (or a customer's and currency's) MRR from an instant on."""

    at: int
    mrr: Mrr


def sub_steps(account: Account, sub: Subscription, now: int) -> list[Step]:
    """A subscription's own MRR at every instant at which it can change."""
    instants = {since for since, _ in sub.steps}
    for _, state in sub.steps:
        if state.pause and state.pause[1]:
            instants.add(state.pause[1])
    first = min(instants)
    for one in account.discounts.values():
        instants |= {one.start} | ({one.end} if one.end else set())
    for rates in account.automatic_rates.values():
        instants |= {since for since, _ in rates}
    steps: list[Step] = []
    for at in sorted(at for at in instants if first <= at < now):
        mrr = sub_mrr(account, sub, at)
        if not steps or steps[-1].mrr != mrr:
            steps.append(Step(at, mrr))
    return steps


def handed_over(subs: dict[str, list[Step]], ends: dict[str, int]) -> dict[str, list[Step]]:
    """Hold an ended subscription's MRR until its successor begins, or let go of it where that began before."""
    begins = {name: next((one.at for one in steps if one.mrr.net > 0), None) for name, steps in subs.items()}  # fmt: skip
    result = {}
    for name, steps in subs.items():
        end = ends.get(name)
        before = [one for one in steps if end is not None and one.at < end]
        if end is None or begins[name] is None or not before or before[-1].mrr.net == 0:
            result[name] = steps
            continue
        successors = sorted(
            begun
            for other, begun in begins.items()
            if other != name and begun is not None and begun > begins[name] and abs(begun - end) <= GRACE
        )  # fmt: skip
        if not successors:
            result[name] = steps
        else:
            kept = [one for one in before if one.at < successors[0]]
            result[name] = [*kept, Step(successors[0], Mrr())]
    return result


@dataclass(frozen=True)
class Movement:
    """A row of the event-grain table."""

    at: int
    currency: str
    kind: str
    amount: int


@dataclass
class CustomerMrr:
    """A customer's MRR per currency, and what moved it."""

    steps: dict[str, list[Step]]
    movements: list[Movement]
    reasons: dict[tuple[int, str], str | None]

    def at(self, currency: str, instant: int) -> Mrr:
        """MRR just before an instant."""
        return next((one.mrr for one in reversed(self.steps[currency]) if one.at < instant), Mrr())


def customer_mrr(account: Account, customer: str, now: int, rate: Rate) -> CustomerMrr:
    """Fold one customer."""
    mine = {sub.id: sub for sub in account.subscriptions if sub.customer == customer}
    own = {name: sub_steps(account, sub, now) for name, sub in mine.items()}
    ends = {name: sub.ended_at for name, sub in mine.items() if sub.ended_at is not None}
    held = handed_over(own, ends)
    by_currency: dict[str, list[str]] = defaultdict(list)
    for name, sub in mine.items():
        by_currency[sub.steps[-1][1].currency.upper()].append(name)
    steps = {
        currency: _summed([held[name] for name in names]) for currency, names in by_currency.items()
    }
    movements: list[Movement] = []
    had_some = False
    for at in sorted({one.at for own_steps in steps.values() for one in own_steps}):
        before = {currency: _value(own_steps, at - 1) for currency, own_steps in steps.items()}
        after = {currency: _value(own_steps, at) for currency, own_steps in steps.items()}
        was = sum((before[currency].net * rate(currency, at) for currency in steps), Fraction(0))
        now_worth = sum(
            (after[currency].net * rate(currency, at) for currency in steps), Fraction(0)
        )
        kind = _kind(was, now_worth, had_some=had_some)
        for currency in sorted(steps):
            change = after[currency].net - before[currency].net
            if change:
                movements.append(Movement(at, currency, kind, change))
        had_some = had_some or now_worth > 0
    return CustomerMrr(steps, movements, _reasons(account.choices, mine, held, movements))


def _summed(many: list[list[Step]]) -> list[Step]:
    steps: list[Step] = []
    for at in sorted({one.at for own in many for one in own}):
        total = Mrr()
        for own in many:
            total += _value(own, at)
        steps.append(Step(at, total))
    return steps


def _value(steps: list[Step], at: int) -> Mrr:
    return next((one.mrr for one in reversed(steps) if one.at <= at), Mrr())


def _kind(was: Fraction, now: Fraction, *, had_some: bool) -> str:
    if was == 0:
        return "reactivation" if had_some else "new"
    if now == 0:
        return "churn"
    return "expansion" if now >= was else "contraction"


def _reasons(
    choices: Choices,
    subs: dict[str, Subscription],
    held: dict[str, list[Step]],
    movements: list[Movement],
) -> dict[tuple[int, str], str | None]:
    """Why, where exactly one subscription moved at that instant and its states leave no doubt."""
    reasons: dict[tuple[int, str], str | None] = {}
    for movement in movements:
        moved = [
            name for name, steps in held.items() if _value(steps, movement.at) != _value(steps, movement.at - 1)
        ]  # fmt: skip
        if len(moved) == 1:
            sub, at = subs[moved[0]], movement.at
            before = next((one for since, one in reversed(sub.steps) if since < at), None)
            after = next(one for since, one in reversed(sub.steps) if since <= at)
            stood_still = _stood_still(choices, before, at - 1)
            if movement.amount > 0:
                known = "pause" if stood_still else None
            else:
                known = "?" if stood_still else _fallen(choices, after, at, sub.reason)
            if known != "?":
                reasons[at, movement.currency] = known
    return reasons


def _stood_still(choices: Choices, state: State | None, at: int) -> bool:
    """Whether a pause took its MRR away."""
    if state is None:
        return False
    return state.status == "paused" or (is_paused(state, at) and not choices.paused_counts_as_mrr)


def _fallen(choices: Choices, after: State, at: int, reason: str | None) -> str:
    if after.status in ("trialing", "incomplete"):
        return "?"
    if after.ended_at is not None and after.ended_at <= at:
        return {"payment_failed": "involuntary", None: "?"}.get(reason, "voluntary")
    if _stood_still(choices, after, at):
        return "pause"
    if after.status not in choices.paying:
        return "involuntary"
    return "voluntary"


# -- revenue -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """A signed amount of revenue without tax."""

    invoice: str | None
    line: str
    kind: str
    revenue_type: str
    currency: str
    at: int
    amount: int


def _tax_amounts(line: Object) -> list[tuple[int, bool]]:
    if "taxes" in line:
        return [(one["amount"], one["tax_behavior"] == "inclusive") for one in line["taxes"]]
    return [(one["amount"], one["inclusive"]) for one in line.get("tax_amounts", [])]


def net_of(line: Object) -> int:
    """Amount without discounts and inclusive taxes; of an invoice's or a credit note's line."""
    off = sum(one["amount"] for one in line.get("discount_amounts") or [])
    return line["amount"] - off - sum(tax for tax, inclusive in _tax_amounts(line) if inclusive)


def _revenue_type(account: Account, line: Object) -> str:
    price = (line.get("price") or line.get("plan") or {}).get("id")
    price = price or ((line.get("pricing") or {}).get("price_details") or {}).get("price")
    parent = line.get("parent") or {}
    details = parent.get("subscription_item_details") or parent.get("invoice_item_details") or {}
    if price and account.prices[price]["recurring"]["usage_type"] == "metered":
        return "usage"
    is_of_item = line.get("type") == "subscription" or parent.get("type") == "subscription_item_details"  # fmt: skip
    proration = line.get("proration") or details.get("proration")
    return "subscription" if is_of_item or proration else "one_time"


class Revenue:
    """All entries of an account."""

    def __init__(self, account: Account) -> None:
        self.account = account
        self.entries: list[Entry] = []
        self.invoices = {one["id"]: one for one in account.streams["invoices"]}
        for invoice in self.invoices.values():
            self._invoice(invoice)
        linked = self._credit_notes()
        self._takings(linked)
        self._voids()

    def _lines(self, invoice: Object) -> dict[str, Object]:
        return {line["id"]: line for line in invoice["lines"]["data"]}

    def _add(self, invoice: Object, kind: str, at: int, amounts: dict[str, int]) -> None:
        lines = self._lines(invoice)
        for name, amount in amounts.items():
            kind_of = _revenue_type(self.account, lines[name]) if name in lines else "one_time"
            self.entries.append(
                Entry(invoice["id"], name, kind, kind_of, invoice["currency"].upper(), at, amount)
            )

    def _spread(self, invoice: Object, amount: int) -> dict[str, int]:
        """An amount over the invoice's lines, by their net."""
        nets = {name: net_of(line) for name, line in self._lines(invoice).items()}
        total = sum(nets.values())
        if not total:
            return {}
        return largest_remainder(
            {name: Fraction(amount * net, total) for name, net in nets.items()}, amount
        )

    def _share(self, invoice: Object) -> Fraction:
        """The part of a payment that is revenue; the rest is tax."""
        net = sum(net_of(line) for line in invoice["lines"]["data"])
        return Fraction(net, invoice["total"]) if invoice["total"] else Fraction(0)

    def _invoice(self, invoice: Object) -> None:
        finalized_at = invoice["status_transitions"]["finalized_at"]
        if finalized_at:
            self._add(invoice, "line", finalized_at, self._nets(invoice))

    def _nets(self, invoice: Object) -> dict[str, int]:
        return {name: net_of(line) for name, line in self._lines(invoice).items()}

    def _voids(self) -> None:
        """A void takes what the credit notes have left of each line."""
        for invoice in self.invoices.values():
            at = invoice["status_transitions"]["voided_at"]
            if at:
                left = self._nets(invoice)
                for one in self.entries:
                    if one.invoice == invoice["id"] and one.kind.startswith("credit_note"):
                        left[one.line] += one.amount
                self._add(invoice, "void", at, {name: -net for name, net in left.items()})

    def _credit_notes(self) -> dict[str, int]:
        """Write the credit notes; what of each refund is theirs."""
        linked: dict[str, int] = defaultdict(int)
        for note in self.account.streams["credit_notes"]:
            invoice = self.invoices[note["invoice"]]
            amounts: dict[str, int] = defaultdict(int)
            custom = 0
            for line in note["lines"]["data"]:
                if line.get("invoice_line_item"):
                    amounts[line["invoice_line_item"]] -= net_of(line)
                else:
                    custom += net_of(line)
            for name, amount in self._spread(invoice, custom).items():
                amounts[name] -= amount
            self._add(invoice, "credit_note", note["created"], dict(amounts))
            over = invoice["status_transitions"]["voided_at"]
            if note.get("voided_at") and (not over or note["voided_at"] < over):
                back = {name: -amount for name, amount in amounts.items()}
                self._add(invoice, "credit_note_void", note["voided_at"], back)
            if "refunds" in note:
                for one in note["refunds"]:
                    linked[one["refund"]] += one["amount_refunded"]
            elif note.get("refund"):
                linked[note["refund"]] += 10**18
        return linked

    def _paid(self) -> dict[str, list[tuple[str, int]]]:
        """What each charge paid of which invoice."""
        paid: dict[str, list[tuple[str, int]]] = defaultdict(list)
        by_intent = {one["payment_intent"]: one for one in self.account.streams["charges"]}
        for invoice in self.invoices.values():
            if "payments" in invoice:
                for one in invoice["payments"]["data"]:
                    charge = by_intent[one["payment"]["payment_intent"]]
                    paid[charge["id"]].append((invoice["id"], one["amount_paid"]))
        for charge in self.account.streams["charges"]:
            if charge.get("invoice") and charge["id"] not in paid:
                paid[charge["id"]].append((charge["invoice"], charge["amount"]))
        return paid

    def _takings(self, linked: dict[str, int]) -> None:
        """Refunds, disputes and write-offs: what has been taken of an invoice in all is rounded, then split over its lines."""
        by_charge = self._taken_from_charges(linked)
        paid = self._paid()
        by_invoice: dict[str, list[Taking]] = defaultdict(list)
        for charge, takings in by_charge.items():
            taken = 0
            for at, kind, name, size in sorted(takings) if charge in paid else []:
                before = self._parts(paid[charge], taken)
                after = self._parts(paid[charge], taken + size)
                taken += size
                for invoice, part in after.items():
                    if part != before[invoice]:
                        by_invoice[invoice].append((at, kind, name, part - before[invoice]))
        for name, invoice in self.invoices.items():
            gave_up = invoice["status_transitions"]["marked_uncollectible_at"]
            if gave_up:
                by_invoice[name].append((gave_up, "bad_debt", name, self._written_off(invoice)))
        won = {
            one["data"]["object"]["id"]: one["created"]
            for one in self.account.events
            if one["type"] == "charge.dispute.closed" and one["data"]["object"]["status"] == "won"
        }
        for name, takings in by_invoice.items():
            self._taken(self.invoices[name], sorted(takings), won)

    def _taken_from_charges(self, linked: dict[str, int]) -> dict[str, list[Taking]]:
        by_charge: dict[str, list[Taking]] = defaultdict(list)
        for one in self.account.streams["refunds"]:
            size = one["amount"] - min(linked.get(one["id"], 0), one["amount"])
            if one["status"] == "succeeded" and size:
                by_charge[one["charge"]].append((one["created"], "refund", one["id"], size))
        for one in self.account.streams["disputes"]:
            if not one["status"].startswith("warning"):
                by_charge[one["charge"]].append((one["created"], "dispute", one["id"], one["amount"]))  # fmt: skip
        return by_charge

    def _taken(self, invoice: Object, takings: list[Taking], won: dict[str, int]) -> None:
        taken, share, moments = 0, self._share(invoice), invoice["status_transitions"]
        for at, kind, name, size in takings:
            before = self._spread(invoice, half_up(taken * share))
            taken += size
            after = self._spread(invoice, half_up(taken * share))
            back = {line: before[line] - after[line] for line in after}
            restored = {line: -amount for line, amount in back.items()}
            self._add(invoice, kind, at, back)
            if kind == "dispute" and name in won:
                self._add(invoice, "dispute_reversal", won[name], restored)
            recovered_at = moments["paid_at"] or moments["voided_at"]
            if kind == "bad_debt" and recovered_at:
                self._add(invoice, "bad_debt_recovered", recovered_at, restored)

    def _written_off(self, invoice: Object) -> int:
        """What was open when it was given up."""
        return next(
            one["data"]["object"]["amount_remaining"]
            for one in self.account.events
            if one["type"] == "invoice.marked_uncollectible" and one["data"]["object"]["id"] == invoice["id"]
        )  # fmt: skip

    @staticmethod
    def _parts(paid: list[tuple[str, int]], amount: int) -> dict[str, int]:
        """An amount by what the charge paid of each invoice, rounded cumulatively."""
        total, running, before, parts = sum(part for _, part in paid), 0, 0, {}
        for name, part in sorted(paid):
            running += part
            upto = half_up(Fraction(amount * running, total))
            parts[name] = upto - before
            before = upto
        return parts
