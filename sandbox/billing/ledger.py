"""Daily automatic payouts of what customers paid, per settlement currency.

A payout of a day takes the balance transactions that became available by then. While they add up
to nothing or less, they wait for the next one.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.billing import shapes
from sandbox.billing.calendar import DAY, HOUR
from sandbox.billing.ids import stripe_id
from sandbox.billing.shapes import Object
from sandbox.billing.state import event_body

Event = tuple[int, str, str, bytes]


class Ledger:
    """Payouts, their own balance transactions and events.

    Attributes:
        payouts: All payouts begun before `now`.
        transactions: The payouts' own balance transactions.
        members: (payout, balance transaction) of what each payout paid out.
        events: Events, as the customers' simulations keep them.
    """

    def __init__(self, transactions: Iterable[Object], seed: int, now: int) -> None:
        self.payouts: list[Object] = []
        self.transactions: list[Object] = []
        self.members: list[tuple[str, str]] = []
        self.events: list[Event] = []
        self._seed = seed
        self._now = now
        by_day: dict[tuple[str, int], list[Object]] = {}
        for transaction in transactions:
            if transaction["available_on"] <= now:
                transaction["status"] = "available"
            key = (transaction["currency"], transaction["available_on"])
            by_day.setdefault(key, []).append(transaction)
        waiting: dict[str, list[Object]] = {}
        for currency, day in sorted(by_day, key=lambda key: (key[1], key[0])):
            held = waiting.setdefault(currency, [])
            held += by_day[currency, day]
            amount = sum(transaction["net"] for transaction in held)
            at = day + HOUR
            if amount > 0 and at < now:
                self._pay(currency, at, amount, held)
                waiting[currency] = []

    def _pay(self, currency: str, at: int, amount: int, paid: list[Object]) -> None:
        arrival = at - at % DAY + DAY
        po_id = stripe_id("po", self._seed, currency, at)
        payout = shapes.payout(po_id, at, currency, amount, arrival)
        own = shapes.balance_transaction(
            stripe_id("txn", self._seed, "payout", currency, at),
            at,
            currency,
            -amount,
            0,
            kind="payout",
            category="payout",
            source=po_id,
            available_on=arrival,
            exchange_rate=None,
        )
        payout["balance_transaction"] = own["id"]
        self._emit("payout.created", payout, at)
        if arrival + 6 * HOUR < self._now:
            own["status"] = "available"
            then = arrival + 6 * HOUR
            payout["status"] = "paid"
            payout["trace_id"] = {"status": "supported", "value": po_id[-12:]}
            self._emit("payout.paid", payout, then, {"status": "in_transit"})
            payout["reconciliation_status"] = "completed"
            before = {"reconciliation_status": "in_progress"}
            self._emit("payout.reconciliation_completed", payout, then, before)
        self.payouts.append(payout)
        self.transactions.append(own)
        self.members += [(po_id, transaction["id"]) for transaction in paid]
        self.members.append((po_id, own["id"]))

    def _emit(
        self, kind: str, payout: Object, at: int, previous: dict[str, Any] | None = None
    ) -> None:
        event_id = stripe_id("evt", self._seed, payout["id"], kind)
        data: dict[str, Any] = {"object": payout}
        if previous:
            data["previous_attributes"] = previous
        self.events.append((at, event_id, kind, event_body(event_id, kind, at, data)))
