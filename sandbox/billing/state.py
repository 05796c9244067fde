"""One customer's state: subscriptions, items, discounts, invoices, and what was emitted."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import count
from typing import Any

import orjson

from sandbox.billing import shapes
from sandbox.billing.catalogue import Catalogue, Coupon, Price
from sandbox.billing.ids import stripe_id
from sandbox.billing.movements import SubscriptionMrr
from sandbox.billing.mrr import MrrItem, Rate, Reduction, item_mrrs
from sandbox.billing.revenue import Entry, NetLine, taking
from sandbox.billing.shapes import Object
from sandbox.company import Account

# The account holds dollars, euro and yen; other currencies are converted. Constant rates of major
# units, as a bank might grant.
SETTLED_AS_SUCH = {"usd", "eur", "jpy"}
_TO_USD = {"gbp": Decimal("1.25"), "kwd": Decimal("3.2")}
_EXPONENTS = {"kwd": 3}
_PAYING_STATUSES = {"active", "past_due"}


@dataclass
class Discount:
    """A discount and the coupon that it comes from."""

    obj: Object
    coupon: Coupon

    def runs(self, at: int) -> bool:
        """Whether an invoice of this instant gets it."""
        return self.obj["end"] is None or at < self.obj["end"]


@dataclass
class Item:
    """A subscription item; periods are counted from its anchor."""

    obj: Object
    price: Price
    anchor: int
    periods: int = 0
    discounts: list[Discount] = field(default_factory=list)
    usage: int = 0

    @property
    def end(self) -> int:
        """End of its running period."""
        return self.obj["current_period_end"]

    @property
    def start(self) -> int:
        """Start of its running period."""
        return self.obj["current_period_start"]

    @property
    def quantity(self) -> int:
        """Its quantity; 0 for metered ones."""
        return self.obj.get("quantity") or 0


@dataclass
class Subscription:
    """A subscription and its clock."""

    obj: Object
    items: list[Item]
    mrr: SubscriptionMrr
    discounts: list[Discount] = field(default_factory=list)
    tax_rates: list[str] = field(default_factory=list)

    @property
    def is_over(self) -> bool:
        """Whether nothing can happen to it any more."""
        return self.obj["status"] in {"canceled", "incomplete_expired"}

    @property
    def item_discount_ids(self) -> list[str]:
        """Ids of its own discounts."""
        return [discount.obj["id"] for discount in self.discounts]


@dataclass
class Invoice:
    """An invoice, all of its lines (the object shows ten) and what they are worth as revenue.

    Attributes:
        credited: What credit notes in force have taken, per line.
        written_off: What its write-off took, per line.
        taken: Gross amount taken by refunds, disputes and write-offs so far.
        payment: Its payment, from the first attempt on; all attempts share a payment intent.
        first_failed: When a payment of it failed first.
    """

    obj: Object
    lines: list[Object]
    nets: list[NetLine]
    subscription: Subscription | None
    attempts: int = 0
    on_finalise: str = ""
    charge: Object | None = None
    credited: list[int] = field(default_factory=list)
    written_off: list[int] = field(default_factory=list)
    taken: int = 0
    payment: Object | None = None
    first_failed: int | None = None

    def take(self, amount: int) -> list[int]:
        """Take a gross amount back: what that is of each line's revenue."""
        parts = taking(self.taken, amount, self.nets, self.obj["total"])
        self.taken += amount
        return parts

    @property
    def status(self) -> str:
        """draft, open, paid, void or uncollectible."""
        return self.obj["status"]


@dataclass(frozen=True)
class FailingPayments:
    """A time in which payments fail, and what becomes of it.

    Attributes:
        start: First instant.
        until: When it is over: with `recover` the customer pays then, otherwise Stripe gives up
            then. None: at the third attempt, or after the last one.
        then: recover, unpaid, cancel or uncollectible.
    """

    start: int
    until: int | None
    then: str


class Customer:
    """One customer's billing, moved forward in time by a queue of what is due.

    Args:
        account: The account.
        catalogue: The company's prices and coupons.
        seed: Of the company.
        now: Exclusive end, Unix seconds: nothing at or after it happens.
    """

    def __init__(self, account: Account, catalogue: Catalogue, seed: int, now: int) -> None:
        self.account = account
        self.catalogue = catalogue
        self.now = now
        self.obj: Object = {}
        self.is_deleted = False
        self.currency = account.currency.lower()
        self.subscriptions: dict[str, Subscription] = {}
        self.all_subscriptions: list[Subscription] = []
        self.invoices: list[Invoice] = []
        self.pending: list[tuple[Object, Subscription | None, Price | None]] = []
        self.discounts: list[Discount] = []
        self.tax_rate: str | None = None
        self.failing: list[FailingPayments] = []
        self.entries: list[Entry] = []
        self.transactions: list[Object] = []
        self.objects: dict[tuple[str, str], Object] = {}
        self.more: dict[tuple[str, str], dict[str, Any]] = {}
        self.events: list[tuple[int, str, str, bytes]] = []
        self._seed = seed
        self._numbers: dict[str, int] = {}
        self._queue: list[tuple[int, int, int, Callable[..., None], tuple[Any, ...]]] = []
        self._order = count()
        self.id = stripe_id("cus", seed, account.account_id)

    @property
    def truth_id(self) -> str:
        """What gold calls the customer: the account; Stripe's id where Stripe names no account."""
        return self.account.account_id if self.account.stripe_metadata else self.id

    @property
    def currency_code(self) -> str:
        """ISO code of the account's currency, upper case."""
        return self.currency.upper()

    def new_id(self, prefix: str) -> str:
        """The customer's next id of a kind."""
        number = self._numbers[prefix] = self._numbers.get(prefix, 0) + 1
        return stripe_id(prefix, self._seed, self.account.account_id, number)

    def remember(self, key: str, subscription: Subscription) -> None:
        """Keep a new subscription under the name that actions use.

        Raises:
            ValueError: if one of that name still runs.
        """
        if key in self.subscriptions and not self.subscriptions[key].is_over:
            msg = f"{self.account.account_id} has a subscription {key!r} already"
            raise ValueError(msg)
        self.subscriptions[key] = subscription
        self.all_subscriptions.append(subscription)

    def at(self, when: int, do: Callable[..., None], *args: Any, first: bool = True) -> None:
        """Let something happen; what Stripe does by itself (`first`) goes before actions."""
        if when < self.now:
            heapq.heappush(self._queue, (when, 0 if first else 1, next(self._order), do, args))

    def run(self) -> None:
        """Do all that is due before `now`, in order."""
        while self._queue:
            when, _, _, do, args = heapq.heappop(self._queue)
            do(self, when, *args)

    def begin(self, at: int) -> None:
        """Create the Stripe customer."""
        self.obj = shapes.customer(self.id, self.account, at)
        self.keep(self.obj)
        self.emit("customer.created", self.obj, at)

    def keep(self, obj: Object, **more: Any) -> Object:
        """Have the API serve an object; `more` are the fields that must be asked for."""
        key = (obj["object"], obj["id"])
        self.objects[key] = obj
        if more:
            self.more.setdefault(key, {}).update(more)
        return obj

    def emit(self, kind: str, obj: Object, at: int, previous: dict[str, Any] | None = None) -> None:
        """Record an event with a snapshot of an object as it is now."""
        event_id = self.new_id("evt")
        data: dict[str, Any] = {"object": obj}
        if previous is not None:
            data["previous_attributes"] = previous
        livemode = self.account.livemode
        body = event_body(event_id, kind, at, data, livemode=livemode)
        self.events.append((at, event_id, kind, body))

    def change(self, kind: str, obj: Object, at: int, **changes: Any) -> None:
        """Change fields of an object and emit the event with what they were."""
        previous = {name: obj[name] for name in changes if obj[name] != changes[name]}
        if not previous:
            return
        obj.update(changes)
        self.emit(kind, obj, at, previous)

    def post(
        self, entry_type: str, at: int, invoice: Invoice, parts: Sequence[int], sign: int = 1
    ) -> None:
        """Add revenue, a part per line of an invoice, to the truth."""
        if not self.account.livemode:
            return
        self.entries += [
            Entry(
                self.truth_id,
                at,
                self.currency_code,
                line.revenue_type,
                entry_type,
                sign * amount,
                line.start,
                line.end,
            )
            for line, amount in zip(invoice.nets, parts, strict=True)
            if amount
        ]

    def fails_at(self, at: int, attempts: int = 0) -> FailingPayments | None:
        """The failing time that an instant lies in, if payments fail then."""
        for failing in self.failing:
            if failing.start <= at and (failing.until is None or at < failing.until):
                if failing.until is None and failing.then == "recover" and attempts >= 2:
                    continue
                return failing
        return None

    def recovered(self, at: int) -> None:
        """End the failing times without an end that a payment has just recovered from."""
        self.failing = [
            failing
            for failing in self.failing
            if failing.start > at or failing.until is not None or failing.then != "recover"
        ]

    def applicable(self, subscription: Subscription, at: int) -> list[Discount]:
        """A subscription's own running discounts, or the customer's where it has none."""
        own = [discount for discount in subscription.discounts if discount.runs(at)]
        return own or [discount for discount in self.discounts if discount.runs(at)]

    def mark(self, subscription: Subscription, at: int, reason: str = "voluntary") -> None:
        """Note a subscription's MRR after a change, with the reason should it have fallen."""
        obj = subscription.obj
        mrr = Decimal(0)
        if obj["status"] in _PAYING_STATUSES and obj["pause_collection"] is None:
            inclusive = self._inclusive_percent(subscription)
            items = [
                MrrItem(
                    item.obj["id"],
                    self.catalogue.product_ids[item.price.product],
                    rate_in(item.price, obj["currency"]),
                    item.quantity,
                    item.price.interval,
                    item.price.interval_count,
                    item.price.metered,
                    inclusive,
                    tuple(self._reduction(discount) for discount in item.discounts),
                )
                for item in subscription.items
            ]
            reductions = [self._reduction(d) for d in self.applicable(subscription, at)]
            mrr = sum(item_mrrs(items, reductions, at).values(), Decimal(0))
        subscription.mrr.record(at, mrr, reason)

    def mark_all(self, at: int) -> None:
        """Note all subscriptions' MRR after a change of the customer's."""
        for subscription in self.all_subscriptions:
            if not subscription.is_over:
                self.mark(subscription, at)

    def _inclusive_percent(self, subscription: Subscription) -> Decimal:
        rates = [self.catalogue.tax_json[id_] for id_ in subscription.tax_rates]
        return sum((Decimal(str(r["percentage"])) for r in rates if r["inclusive"]), Decimal(0))

    def _reduction(self, discount: Discount) -> Reduction:
        coupon = discount.coupon
        return Reduction(
            coupon.duration,
            discount.obj["end"],
            coupon.percent,
            None if coupon.percent is not None else coupon.amount.get(self.currency, 0),
            frozenset(self.catalogue.product_ids[key] for key in coupon.products),
        )

    def settle(
        self, amount: int, at: int, *, kind: str, category: str, source: str, fee: int | None = None
    ) -> Object:
        """Book a movement of the balance, converted where the account holds no such currency.

        Args:
            amount: Minor units of the customer's currency.
            at: When.
            kind: Stripe's type of the transaction.
            category: Stripe's reporting category.
            source: Id of the charge, refund or dispute.
            fee: Minor units of the settlement currency; None takes a card's usual fee.
        """
        currency, settled, rate = self.currency, amount, None
        if currency not in SETTLED_AS_SUCH:
            rate = _TO_USD[currency]
            scale = Decimal(10) ** (2 - _EXPONENTS.get(currency, 2))
            settled = int((Decimal(amount) * rate * scale).to_integral_value())
            currency = "usd"
        if fee is None:
            fee = settled * 29 // 1000 + 30
        day = at - at % 86_400
        transaction = shapes.balance_transaction(
            self.new_id("txn"),
            at,
            currency,
            settled,
            fee,
            kind=kind,
            category=category,
            source=source,
            available_on=day + 2 * 86_400,
            exchange_rate=None if rate is None else float(rate),
        )
        self.transactions.append(transaction)
        return transaction


def event_body(
    event_id: str, kind: str, at: int, data: dict[str, Any], *, livemode: bool = True
) -> bytes:
    """An event as JSON."""
    return orjson.dumps(
        {
            "id": event_id,
            "object": "event",
            "api_version": shapes.API_VERSION,
            "created": at,
            "data": data,
            "livemode": livemode,
            "pending_webhooks": 0,
            "request": {"id": None, "idempotency_key": None},
            "type": kind,
        }
    )


def rate_in(price: Price, currency: str) -> Rate:
    """What a price asks in a currency (its own, or one of its currency options).

    Raises:
        ValueError: if it has no amount in that currency.
    """
    if currency not in price.rates:
        msg = f"price {price.key!r} has no amount in {currency}; it has {sorted(price.rates)}"
        raise ValueError(msg)
    return price.rates[currency]
