"""Reads Stripe's objects of any API version into a neutral form, for the oracle; independent of the project's SQL.

Written from METRICS.md and STRIPE.md's table of old and new names alone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from itertools import pairwise, permutations
from typing import Any

Object = dict[str, Any]
Streams = dict[str, list[Object]]
#: METRICS.md §1, normalisation to a month
PER_MONTH = {"month": Fraction(1), "year": Fraction(1, 12), "week": Fraction(52, 12), "day": Fraction(365, 12)}  # fmt: skip


def exact(number: Any) -> Fraction:
    """A number of JSON, without binary rounding."""
    return Fraction(Decimal(str(number)))


@dataclass(frozen=True)
class Choices:
    """The arguable choices that can be turned round."""

    churn_recognition: str = "period_end"
    paused_counts_as_mrr: bool = False
    past_due_counts_as_mrr: bool = True
    trials_count_as_mrr: bool = False

    @property
    def paying(self) -> tuple[str, ...]:
        """Statuses that count."""
        return (
            "active",
            *(["past_due"] if self.past_due_counts_as_mrr else []),
            *(["trialing"] if self.trials_count_as_mrr else []),
        )


@dataclass(frozen=True)
class Coupon:
    """A coupon's terms."""

    id: str
    created: int
    percent: Fraction | None
    off: int | None
    duration: str
    products: frozenset[str]
    currency: str | None
    options: tuple[tuple[str, int], ...]

    def off_in(self, currency: str) -> int:
        """A fixed amount in a currency; nothing where the coupon has none in it."""
        return (self.off or 0) if currency == self.currency else dict(self.options).get(currency, 0)


@dataclass
class Discount:
    """A discount with its coupon and the instants between which it holds."""

    id: str
    coupon: Coupon
    start: int
    end: int | None

    def lowers_mrr_at(self, at: int) -> bool:
        """Whether it takes something from MRR."""
        return self.coupon.duration != "once" and self.holds_at(at)

    def holds_at(self, at: int) -> bool:
        """Whether it is in force, `once` too."""
        return self.start <= at and (self.end is None or at < self.end)


@dataclass(frozen=True)
class Item:
    """A subscription item: what of it touches MRR."""

    id: str
    price: str
    quantity: int | None
    discounts: tuple[str, ...]
    inclusive: Fraction | None


@dataclass(frozen=True)
class State:
    """A subscription between two changes."""

    status: str
    items: tuple[Item, ...]
    discounts: tuple[str, ...]
    inclusive: Fraction | None
    pause: tuple[str, int | None] | None
    trial_end: int | None
    ended_at: int | None
    currency: str
    is_asked: bool
    is_automatic: bool
    paused_at: int | None = None


@dataclass
class Subscription:
    """A subscription's steps: from each instant on, a state."""

    id: str
    customer: str
    reason: str | None = None
    steps: list[tuple[int, State]] = field(default_factory=list)

    @property
    def ended_at(self) -> int | None:
        """When it ended."""
        return self.steps[-1][1].ended_at if self.steps else None


def _inclusive(rates: list[Object]) -> Fraction | None:
    """Σ of the inclusive rates; None where there is no rate at all."""
    if not rates:
        return None
    return sum((exact(one["percentage"]) / 100 for one in rates if one["inclusive"]), Fraction(0))


def _ids(things: list[Any]) -> tuple[str, ...]:
    return tuple(one if isinstance(one, str) else one["id"] for one in things)


def state_of(thing: Object) -> State:
    """A subscription object of any version."""
    listed = thing.get("discounts")
    if listed is None:
        listed = [thing["discount"]] if thing.get("discount") else []
    items = []
    for one in thing["items"]["data"]:
        whole = one.get("price") or one["plan"]
        items.append(
            Item(
                one["id"], whole["id"], one.get("quantity"), _ids(one.get("discounts") or []), _inclusive(one.get("tax_rates") or []),
            )
        )  # fmt: skip
    pause = thing.get("pause_collection")
    details = (thing.get("status_details") or {}).get("paused") or {}
    return State(
        status=thing["status"], items=tuple(sorted(items, key=lambda item: item.id)), discounts=_ids(listed),
        inclusive=_inclusive(thing.get("default_tax_rates") or []),
        pause=(pause["behavior"], pause.get("resumes_at")) if pause else None, trial_end=thing.get("trial_end"),
        ended_at=thing.get("ended_at"), currency=thing["currency"], is_automatic=thing["automatic_tax"]["enabled"],
        is_asked=bool(thing.get("cancel_at_period_end") or thing.get("cancel_at")), paused_at=details.get("transitioned_at"),
    )  # fmt: skip


def before_of(event: Object) -> State:
    """The state before an update: the object with `previous_attributes` laid over it."""
    thing, previous = dict(event["data"]["object"]), event["data"]["previous_attributes"]
    for name, value in previous.items():
        now = thing.get(name)
        partly = isinstance(value, dict) and isinstance(now, dict) and name == "pause_collection"
        thing[name] = now | value if partly else value
    if "discount" in previous and "discounts" not in previous:
        thing["discounts"] = [previous["discount"]] if previous["discount"] else []
    return state_of(thing)


def _same(left: State, right: State) -> bool:
    """Equal but for what an old API version doesn't say."""
    return (left.status, left.items, left.discounts, left.pause, left.trial_end, left.ended_at) == (
        right.status, right.items, right.discounts, right.pause, right.trial_end, right.ended_at,
    )  # fmt: skip


def chained(known: State | None, events: list[Object]) -> list[Object]:
    """The events of one second in the order in which each begins where the one before ended."""
    first = [one for one in events if one["type"].endswith(".created")]
    last = [one for one in events if one["type"].endswith(".deleted")]
    between = [one for one in events if one not in first and one not in last]
    start = state_of(first[0]["data"]["object"]) if first else known
    for order in permutations(between):
        state = start
        for one in order:
            if state is not None and not _same(before_of(one), state):
                break
            state = state_of(one["data"]["object"])
        else:
            return [*first, *order, *last]
    raise AssertionError(f"no order of {[one['id'] for one in events]} makes a chain")


class Account:
    """Everything Stripe said of some customers, by what it is about."""

    def __init__(self, streams: Streams, choices: Choices) -> None:
        self.streams = streams
        self.choices = choices
        self.events = streams.get("events", [])
        self.prices = {one["id"]: one for one in streams["prices"]}
        said = [thing for _, _, thing in self._said("customer")] + streams["customers"]
        self.customer_of = {
            one["id"]: one["metadata"]["account_id"] for one in said if "metadata" in one
        }
        self.coupons = self._coupons()
        self.discounts, self.customer_discounts = self._discounts()
        self.subscriptions = self._subscriptions()
        self.automatic_rates = self._automatic_rates()

    def _said(self, kind: str) -> Iterator[tuple[int, str, Object]]:
        for event in self.events:
            if event["data"]["object"].get("object") == kind:
                yield event["created"], event["type"], event["data"]["object"]

    def _coupons(self) -> dict[tuple[str, int], Coupon]:
        products: dict[tuple[str, int], list[str]] = {}
        options: dict[tuple[str, int], tuple[tuple[str, int], ...]] = {}
        seen: dict[tuple[str, int], Object] = {}
        for one in [thing for _, _, thing in self._said("coupon")] + self.streams["coupons"]:
            key = one["id"], one["created"]
            seen[key] = one
            if "applies_to" in one:
                products[key] = one["applies_to"]["products"]
            if "currency_options" in one:
                options[key] = tuple(
                    (name, each["amount_off"]) for name, each in one["currency_options"].items()
                )
        return {
            key: Coupon(
                id=one["id"], created=one["created"], off=one.get("amount_off"), duration=one["duration"],
                percent=exact(one["percent_off"]) if one.get("percent_off") is not None else None,
                products=frozenset(products.get(key, [])), currency=one.get("currency"), options=options.get(key, ()),
            )
            for key, one in seen.items()
        }  # fmt: skip

    def _discounts(self) -> tuple[dict[str, Discount], dict[str, list[Discount]]]:
        """All discounts, and those of whole customers."""
        things: dict[str, Object] = {}
        deleted: dict[str, int] = {}
        of_customer: dict[str, list[str]] = defaultdict(list)
        for at, kind, thing in self._said("discount"):
            things[thing["id"]] = thing
            if kind == "customer.discount.deleted":
                deleted[thing["id"]] = at
        for event in self.events:
            if event["type"] == "customer.updated":
                # the end of a customer's discount may be told by this event alone
                removed = event["data"]["previous_attributes"].get("discount")
                now = event["data"]["object"].get("discount") or {}
                if removed and removed.get("id") and removed["id"] != now.get("id"):
                    deleted.setdefault(removed["id"], event["created"])
        found, customers = {}, defaultdict(list)
        for one in things.values():
            end = min((at for at in (one["end"], deleted.get(one["id"])) if at), default=None)
            found[one["id"]] = Discount(one["id"], self._coupon_of(one), one["start"], end)
            if not one["subscription"]:
                of_customer[one["customer"]].append(one["id"])
        for customer, names in of_customer.items():
            own = sorted((found[name] for name in names), key=lambda one: one.start)
            for this, following in pairwise(own):
                # one at a time: the next takes its place
                this.end = following.start if this.end is None else min(this.end, following.start)
            customers[customer] = own
        return found, customers

    def _coupon_of(self, discount: Object) -> Coupon:
        inside = discount.get("coupon") or discount["source"]["coupon"]
        if isinstance(inside, dict):
            return self.coupons[inside["id"], inside["created"]]
        # an id can have been used again: the newest of that name when the discount began
        created = max(at for name, at in self.coupons if name == inside and at <= discount["start"])
        return self.coupons[inside, created]

    def _subscriptions(self) -> list[Subscription]:
        told: dict[str, list[Object]] = defaultdict(list)
        for event in self.events:
            # `paused`, `resumed` and the like show what an update of the same second says in full
            kind = event["type"].rpartition(".")[2]
            if event["data"]["object"].get("object") == "subscription" and kind in (
                "created",
                "updated",
                "deleted",
            ):
                told[event["data"]["object"]["id"]].append(event)
        listed = {one["id"]: one for one in self.streams["subscriptions"]}
        return [self._folded(sub_id, events, listed[sub_id]) for sub_id, events in told.items()]

    def _automatic_rates(self) -> dict[str, list[tuple[int, Fraction]]]:
        """The tax inside each item's price by its invoice lines, from each invoice's creation on."""
        percent = {one["id"]: exact(one["percentage"]) / 100 for one in self.streams["tax_rates"]}
        found: dict[str, list[tuple[int, Fraction]]] = defaultdict(list)
        for invoice in sorted(self.streams["invoices"], key=lambda one: one["created"]):
            for line in invoice["lines"]["data"]:
                details = (line.get("parent") or {}).get("subscription_item_details") or {}
                item = line.get("subscription_item") or details.get("subscription_item")
                if not item:
                    continue
                rate = Fraction(0)
                for tax in line.get("taxes") or line.get("tax_amounts") or []:
                    name = tax.get("tax_rate") or tax["tax_rate_details"]["tax_rate"]
                    inclusive = tax.get("inclusive") or tax.get("tax_behavior") == "inclusive"
                    rate += percent.get(name, Fraction(0)) if inclusive else 0
                found[item].append((invoice["created"], rate))
        return found

    def _folded(self, sub_id: str, events: list[Object], listed: Object) -> Subscription:
        sub = Subscription(sub_id, self.customer_of[listed["customer"]])
        sub.reason = (listed.get("cancellation_details") or {}).get("reason")
        by_second: dict[int, list[Object]] = defaultdict(list)
        for event in events:
            by_second[event["created"]].append(event)
        state: State | None = None
        for second in sorted(by_second):
            for event in chained(state, by_second[second]):
                now = state_of(event["data"]["object"])
                at = _since(state, now, second)
                if sub.steps and sub.steps[-1][0] >= at:
                    # the same second: what is left of it counts
                    at = sub.steps.pop()[0]
                sub.steps.append((at, now))
                state = now
        return sub


def _since(before: State | None, now: State, told: int) -> int:
    """When a change took place: what the object says of it goes before the event's second."""
    if now.ended_at is not None and (before is None or before.ended_at is None):
        return min(told, now.ended_at)
    if before is None:
        return told
    if before.status == "trialing" and now.status != "trialing" and now.trial_end:
        return min(told, now.trial_end)
    if before.status != "paused" and now.status == "paused" and now.paused_at:
        return min(told, now.paused_at)
    return told
