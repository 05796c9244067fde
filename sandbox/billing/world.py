"""All customers' billing together: what the API serves, and the truth about it.

Run: `simulate(accounts_with_actions, start=…, now=…, seed=…).write(path)`.
Writes: stripe.sqlite with `objects`, `events`, `more` (fields that must be asked for) and
    `payout_members`.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any

import orjson

from sandbox.billing.actions import schedule
from sandbox.billing.calendar import instant, month_name, month_starts, seconds
from sandbox.billing.catalogue import Catalogue
from sandbox.billing.dunning import dunning
from sandbox.billing.ids import stripe_id
from sandbox.billing.ledger import Ledger
from sandbox.billing.movements import CustomerMrr, Rates, customer_mrr
from sandbox.billing.recognition import month_ends
from sandbox.billing.revenue import Entry
from sandbox.billing.state import Customer, event_body
from sandbox.company import Account, BillingAction

_SCHEMA = """
create table objects (
    type text, id text, created integer, livemode integer, deleted integer, json text, primary key
    (type, id)
) without rowid;
create index objects_by_time on objects (type, deleted, created, id);
create table events (id text primary key, created integer, type text, seq integer, json text);
create index events_by_time on events (created, seq);
create table more (
    type text, id text, field text, json text, primary key (type, id, field)
) without rowid;
create table payout_members (
    payout text, balance_transaction text, primary key (payout, balance_transaction)
);
create table links (type text, id text, parent text);
create index links_by_parent on links (type, parent);
"""


class BillingWorld:
    """What `simulate` made.

    Attributes:
        truth_mrr: (customer, month `YYYY-MM`, currency, minor units with six places), where it
            isn't 0.
        truth_movements: (customer, instant, type, signed minor units, currency).
        truth_churned: (customer, instant, voluntary | involuntary | pause).
        truth_entries: Every signed revenue entry.
        truth_revenue: (month, currency, revenue type, minor units).
        truth_recognised: (month, currency, revenue type, minor units), of the months that are over.
        truth_deferred: (month, currency, deferred, unbilled minor units) at their ends.
        truth_dunning: (invoice, first failure, recovered | lost | open, instant of its payment).
        truth_balance: (month, settlement currency, Stripe's type, amount, fee, net).
        truth_payouts: (payout, currency, amount, status).
    """

    def __init__(
        self,
        customers: list[Customer],
        catalogue: Catalogue,
        ledger: Ledger,
        *,
        start: int,
        now: int,
        seed: int,
        rates: Rates | None = None,
    ) -> None:
        self._customers = customers
        self._catalogue = catalogue
        self._ledger = ledger
        self._start = start
        self._now = now
        self._seed = seed
        self._mrr: dict[str, CustomerMrr] = {}
        self.truth_mrr: list[tuple[str, str, str, Decimal]] = []
        self.truth_movements: list[tuple[str, datetime, str, Decimal, str]] = []
        self.truth_churned: list[tuple[str, datetime, str]] = []
        self.truth_entries: list[Entry] = []
        ends = month_starts(start, now)
        for customer in customers:
            if not customer.account.livemode:
                continue
            mine = [subscription.mrr for subscription in customer.all_subscriptions]
            mrr = self._mrr[customer.truth_id] = customer_mrr(mine, rates=rates)
            self.truth_mrr += [
                (customer.truth_id, month_name(end - 1), currency, amount)
                for end in ends
                for currency, amount in mrr.before(end).items()
            ]
            self.truth_movements += [
                (customer.truth_id, instant(m.at), m.kind, m.amount, m.currency)
                for m in mrr.movements
            ]
            self.truth_churned += [
                (customer.truth_id, instant(at), reason) for at, reason in mrr.churned
            ]
            self.truth_entries += customer.entries
        self.truth_revenue = _revenue(self.truth_entries)
        self.truth_dunning = [row for c in customers if c.account.livemode for row in dunning(c)]
        self.truth_recognised, self.truth_deferred = month_ends(self.truth_entries, ends)
        self.truth_balance = _balance(
            transaction
            for found in (*(c.transactions for c in customers), ledger.transactions)
            for transaction in found
        )
        self.truth_payouts = [
            (payout["id"], payout["currency"].upper(), payout["amount"], payout["status"])
            for payout in ledger.payouts
        ]

    @property
    def customer_mrr(self) -> Mapping[str, CustomerMrr]:
        """Each live customer's MRR over time, by the name that gold gives it."""
        return self._mrr

    def paying(self, customer_id: str, at: datetime) -> bool:
        """Whether a customer's MRR is above 0 just before an instant."""
        return bool(self.mrr_before(customer_id, at))

    def mrr_before(self, customer_id: str, at: datetime) -> dict[str, Decimal]:
        """A customer's MRR per currency just before an instant; empty where it is 0."""
        found = self._mrr.get(customer_id)
        return found.before(seconds(at)) if found else {}

    @cached_property
    def objects(self) -> list[tuple[str, str, int, bool, bool, dict[str, Any]]]:
        """(type, id, created, livemode, deleted, object) of all that the API can show."""
        return [
            (kind, id_, created, bool(livemode), bool(deleted), orjson.loads(body))
            for kind, id_, created, livemode, deleted, body in self._object_rows()
        ]

    @cached_property
    def events(self) -> list[dict[str, Any]]:
        """All events, oldest first."""
        return [orjson.loads(body) for *_, body in self._event_rows()]

    @property
    def payout_members(self) -> list[tuple[str, str]]:
        """(payout, balance transaction) of what each payout paid out."""
        return self._ledger.members

    def _object_rows(self) -> Iterable[tuple[str, str, int, int, int, bytes]]:
        for kind, obj, _ in self._catalogue.objects():
            yield kind, obj["id"], obj["created"], 1, 0, orjson.dumps(obj)
        for customer in self._customers:
            livemode = int(customer.account.livemode)
            for (kind, id_), obj in customer.objects.items():
                created = _created(obj)
                if kind == "customer" and customer.is_deleted:
                    gone = {"id": id_, "object": "customer", "deleted": True}
                    yield kind, id_, created, livemode, 1, orjson.dumps(gone)
                else:
                    yield kind, id_, created, livemode, 0, orjson.dumps(obj)
            for obj in customer.transactions:
                yield "balance_transaction", obj["id"], obj["created"], 1, 0, orjson.dumps(obj)
        for obj in self._ledger.transactions:
            yield "balance_transaction", obj["id"], obj["created"], 1, 0, orjson.dumps(obj)
        for obj in self._ledger.payouts:
            yield "payout", obj["id"], obj["created"], 1, 0, orjson.dumps(obj)

    def _event_rows(self) -> list[tuple[str, int, str, int, bytes]]:
        """(id, created, type, position, JSON), oldest first.

        The order is by time and then by owner, so that a later `now` only adds at the end.
        """
        rows: list[tuple[int, int, str, str, bytes]] = []
        for kind in ("product", "price", "coupon", "promotion_code", "tax_rate"):
            for found, obj, _ in self._catalogue.objects():
                if found == kind:
                    event_id = stripe_id("evt", self._seed, kind, obj["id"])
                    name = f"{kind}.created"
                    body = event_body(event_id, name, obj["created"], {"object": obj})
                    rows.append((obj["created"], 0, event_id, name, body))
        for customer in self._customers:
            rows += [(at, 1, event_id, kind, body) for at, event_id, kind, body in customer.events]
        rows += [(at, 2, id_, kind, body) for at, id_, kind, body in self._ledger.events]
        rows.sort(key=lambda row: (row[0], row[1]))
        return [
            (event_id, at, kind, seq, body)
            for seq, (at, _, event_id, kind, body) in enumerate(rows, start=1)
        ]

    def write(self, sqlite_path: Path) -> None:
        """Write the store that the API serves, whole or not at all."""
        sqlite_path = Path(sqlite_path)
        sqlite_path.parent.mkdir(parents=True, exist_ok=True)
        candidate = sqlite_path.with_name(f".{sqlite_path.name}.new")
        candidate.unlink(missing_ok=True)
        connection = sqlite3.connect(candidate)
        try:
            connection.execute("pragma journal_mode=off")
            connection.execute("pragma synchronous=off")
            connection.executescript(_SCHEMA)
            connection.executemany(
                "insert into objects values (?, ?, ?, ?, ?, ?)",
                ((*row[:5], row[5].decode()) for row in self._object_rows()),
            )
            connection.executemany(
                "insert into events values (?, ?, ?, ?, ?)",
                ((*row[:4], row[4].decode()) for row in self._event_rows()),
            )
            connection.executemany("insert into more values (?, ?, ?, ?)", self._more_rows())
            connection.executemany("insert into payout_members values (?, ?)", self._ledger.members)
            connection.executemany("insert into links values (?, ?, ?)", self._link_rows())
            connection.commit()
        finally:
            connection.close()
        candidate.replace(sqlite_path)

    def _more_rows(self) -> Iterable[tuple[str, str, str, str]]:
        for kind, obj, fields in self._catalogue.objects():
            for field, value in fields.items():
                yield kind, obj["id"], field, orjson.dumps(value).decode()
        for customer in self._customers:
            for (kind, id_), fields in customer.more.items():
                for field, value in fields.items():
                    yield kind, id_, field, orjson.dumps(value).decode()

    def _link_rows(self) -> Iterable[tuple[str, str, str]]:
        """(type, id, parent) for lists asked for by customer, subscription, invoice, charge."""
        names = ("customer", "invoice", "charge", "payment_intent")
        for customer in self._customers:
            for (kind, id_), obj in customer.objects.items():
                for name in names:
                    parent = obj.get(name)
                    if isinstance(parent, str):
                        yield kind, id_, parent
                parent = ((obj.get("parent") or {}).get("subscription_details") or {}).get(
                    "subscription"
                )
                if parent:
                    yield kind, id_, parent


def _created(obj: dict[str, Any]) -> int:
    return obj.get("created") or obj.get("date") or obj.get("start") or 0


def _revenue(entries: Iterable[Entry]) -> list[tuple[str, str, str, int]]:
    sums: dict[tuple[str, str, str], int] = {}
    for entry in entries:
        key = (month_name(entry.at), entry.currency, entry.revenue_type)
        sums[key] = sums.get(key, 0) + entry.amount
    return [(*key, amount) for key, amount in sorted(sums.items())]


def _balance(
    transactions: Iterable[dict[str, Any]],
) -> list[tuple[str, str, str, int, int, int]]:
    sums: dict[tuple[str, str, str], tuple[int, int, int]] = {}
    for row in transactions:
        key = (month_name(row["created"]), row["currency"].upper(), row["type"])
        amount, fee, net = sums.get(key, (0, 0, 0))
        sums[key] = (amount + row["amount"], fee + row["fee"], net + row["net"])
    return [(*key, *amounts) for key, amounts in sorted(sums.items())]


def simulate(
    accounts_with_actions: list[tuple[Account, list[BillingAction]]],
    *,
    start: datetime,
    now: datetime,
    seed: int,
    rates: Rates | None = None,
) -> BillingWorld:
    """Do what customers decided, the way Stripe would, up to `now`.

    Each customer is moved forward alone, and nothing depends on `now` but where it stops: a later
    `now` adds and never changes the past.

    Args:
        accounts_with_actions: Each account with its actions; without one before `now` Stripe
            doesn't know it.
        start: The company's first instant.
        now: Exclusive end.
        seed: For ids.
        rates: (currency, Unix seconds) to the reporting currency, for the category of
            mixed-currency movements.
    """
    begin, end = seconds(start), seconds(now)
    catalogue = Catalogue(seed, begin)
    customers = []
    for account, actions in accounts_with_actions:
        due = sorted((a for a in actions if seconds(a.at) < end), key=lambda action: action.at)
        if not due:
            continue
        customer = Customer(account, catalogue, seed, end)
        # The company makes a Stripe customer of whom it first bills.
        customer.begin(seconds(due[0].at))
        for action in due:
            schedule(customer, action)
        customer.run()
        customers.append(customer)
    ledger = Ledger((t for c in customers for t in c.transactions), seed, end)
    return BillingWorld(customers, catalogue, ledger, start=begin, now=end, seed=seed, rates=rates)
