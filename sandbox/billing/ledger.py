"""The account's balance and its automatic payouts, per settlement currency.

Dollars and yen are paid out every day, euro on Mondays. A payout takes what has become available
by then. While that adds up to nothing or less it waits; a balance that has been below zero for a
fortnight is debited from the bank account (a payout below zero). Every so many payouts one fails at the
bank: its amount comes back and goes out with the next one. Once a month Stripe takes a fee of its
own for billing.
"""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from sandbox.billing import shapes
from sandbox.billing.calendar import DAY, HOUR, add_months, instant, month_name, month_start
from sandbox.billing.ids import stripe_id
from sandbox.billing.revenue import half_up
from sandbox.billing.shapes import Object
from sandbox.billing.state import event_body

Event = tuple[int, str, str, bytes]

# Share of what was charged in a month.
_BILLING_FEE = Fraction(5, 1000)
_PAID_WEEKLY = {"eur"}
_DAYS_BELOW_ZERO = 14
# The fourth payout of each currency fails, and every fiftieth after it.
_FAILS_FIRST, _FAILS_EVERY = 4, 50


class Ledger:
    """Payouts, Stripe's own fees, their balance transactions and events.

    Attributes:
        payouts: All payouts begun before `now`.
        transactions: Balance transactions of payouts, failed payouts and Stripe's fees.
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
        by_currency: dict[str, list[Object]] = {}
        for transaction in transactions:
            by_currency.setdefault(transaction["currency"], []).append(transaction)
        for currency, found in sorted(by_currency.items()):
            fees = self._fees(currency, found)
            self._live(currency, [*found, *fees])
            for transaction in found:
                self._settle(transaction)
        for transaction in self.transactions:
            self._settle(transaction)

    def _settle(self, transaction: Object) -> None:
        if transaction["available_on"] <= self._now:
            transaction["status"] = "available"

    def _fees(self, currency: str, transactions: list[Object]) -> list[Object]:
        """What Stripe asks for billing: on the first of each month, of the month before."""
        charged: dict[int, int] = {}
        for transaction in transactions:
            if transaction["type"] == "charge":
                month = month_start(transaction["created"])
                charged[month] = charged.get(month, 0) + transaction["amount"]
        made = []
        for month, amount in sorted(charged.items()):
            at = add_months(month, 1) + 3 * HOUR
            fee = half_up(amount * _BILLING_FEE)
            if at < self._now and fee:
                made.append(
                    self._book(
                        ("fee", month_name(month)),
                        at,
                        currency,
                        -fee,
                        kind="stripe_fee",
                        category="fee",
                        source=None,
                        available_on=at - at % DAY + DAY,
                        description=f"Billing - usage fee ({month_name(month)})",
                    )
                )
        return made

    def _live(self, currency: str, transactions: list[Object]) -> None:
        """Pay out day by day."""
        by_day: dict[int, list[Object]] = {}
        for transaction in transactions:
            by_day.setdefault(transaction["available_on"], []).append(transaction)
        held: list[Object] = []
        below_since: int | None = None
        number = 0
        day = min(by_day)
        while day + HOUR < self._now:
            held += by_day.get(day, [])
            amount = sum(transaction["net"] for transaction in held)
            if amount >= 0:
                below_since = None
            elif below_since is None:
                below_since = day
            is_overdue = below_since is not None and day - below_since >= _DAYS_BELOW_ZERO * DAY
            is_payday = currency not in _PAID_WEEKLY or instant(day).weekday() == 0
            if (amount > 0 and is_payday) or is_overdue:
                number += 1
                fails = amount > 0 and number % _FAILS_EVERY == _FAILS_FIRST
                back = self._pay(currency, day + HOUR, amount, held, fails=fails)
                if back:
                    by_day.setdefault(back["available_on"], []).append(back)
                held, below_since = [], None
            day += DAY

    def _book(
        self,
        key: tuple[str, object],
        at: int,
        currency: str,
        amount: int,
        *,
        kind: str,
        category: str,
        source: str | None,
        available_on: int,
        description: str | None = None,
    ) -> Object:
        """A balance transaction without a fee."""
        made = shapes.balance_transaction(
            stripe_id("txn", self._seed, key[0], currency, key[1]),
            at,
            currency,
            amount,
            0,
            kind=kind,
            category=category,
            source=source,
            available_on=available_on,
            exchange_rate=None,
        )
        made["description"] = description
        self.transactions.append(made)
        return made

    def _pay(
        self, currency: str, at: int, amount: int, paid: list[Object], *, fails: bool
    ) -> Object | None:
        """Pay out, or debit; returns what comes back of a payout that fails before `now`."""
        arrival = at - at % DAY + DAY
        po_id = stripe_id("po", self._seed, currency, at)
        payout = shapes.payout(po_id, at, currency, amount, arrival)
        own = self._book(
            ("payout", at),
            at,
            currency,
            -amount,
            kind="payout",
            category="payout",
            source=po_id,
            available_on=arrival,
        )
        payout["balance_transaction"] = own["id"]
        self._emit("payout.created", payout, at)
        self.payouts.append(payout)
        self.members += [(po_id, transaction["id"]) for transaction in paid]
        self.members.append((po_id, own["id"]))
        then = arrival + 6 * HOUR
        if then >= self._now:
            return None
        # Stripe reconciles a payout that fails as well: what it took out went with it.
        back = self._fail(payout, then) if fails else None
        if not fails:
            payout["status"] = "paid"
            payout["trace_id"] = {"status": "supported", "value": po_id[-12:]}
            self._emit("payout.paid", payout, then, {"status": "in_transit"})
        payout["reconciliation_status"] = "completed"
        before = {"reconciliation_status": "in_progress"}
        self._emit("payout.reconciliation_completed", payout, then, before)
        return back

    def _fail(self, payout: Object, at: int) -> Object:
        """Send a payout back: its amount is in the balance again."""
        back = self._book(
            ("payout failure", at),
            at,
            payout["currency"],
            payout["amount"],
            kind="payout_failure",
            category="payout_reversal",
            source=payout["id"],
            available_on=at - at % DAY + DAY,
        )
        payout.update(
            status="failed",
            failure_balance_transaction=back["id"],
            failure_code="no_account",
            failure_message="The bank account could not be located.",
        )
        self._emit("payout.failed", payout, at, {"status": "in_transit"})
        return back

    def _emit(
        self, kind: str, payout: Object, at: int, previous: dict[str, Any] | None = None
    ) -> None:
        event_id = stripe_id("evt", self._seed, payout["id"], kind)
        data: dict[str, Any] = {"object": payout}
        if previous:
            data["previous_attributes"] = previous
        self.events.append((at, event_id, kind, event_body(event_id, kind, at, data)))
