"""What is served is enough: the truth can be found again from events and objects alone.

The reading below knows nothing of the simulation's state; it is how a warehouse would do it, for the odd customers and
for whoever else there is. MRR comes from subscription events, discounts and prices; revenue from invoices, credit notes,
refunds and disputes by their rules.
"""

from collections import Counter, defaultdict
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import orjson
import pytest

from sandbox.billing import simulate
from sandbox.billing.mrr import MrrItem, Rate, Reduction, Tier, item_mrrs
from sandbox.billing.revenue import NetLine, allocate, half_up
from sandbox.oddities import odd_customers

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2025, 7, 1, tzinfo=UTC)
DAY = 86_400


@pytest.fixture(scope="module")
def world():
    return simulate(odd_customers(START, NOW), start=START, now=NOW, seed=7)


@pytest.fixture(scope="module")
def objects(world):
    found = defaultdict(dict)
    for kind, id_, _, livemode, _, obj in world.objects:
        if livemode:
            found[kind][id_] = obj
    for kind, id_, field, value in world._more_rows():
        if id_ in found[kind]:
            found[kind][id_][f"_{field}"] = orjson.loads(value)
    return found


@pytest.fixture(scope="module")
def names(world):
    found = {}
    for event in world.events:
        obj = event["data"]["object"]
        if event["type"] == "customer.created":
            found[obj["id"]] = obj["metadata"].get("account_id", obj["id"])
    return found


# --- MRR ---------------------------------------------------------------------------------------


def rate_of(price, currency):
    option = price["_currency_options"][currency]
    if price["billing_scheme"] == "tiered":
        tiers = tuple(
            Tier(
                t["up_to"],
                Decimal(t["unit_amount_decimal"]),
                Decimal(t["flat_amount_decimal"] or 0),
            )
            for t in price["_tiers"]
        )
        return Rate(None, tiers, price["tiers_mode"])
    packs = price["transform_quantity"] or {"divide_by": 1, "round": "up"}
    return Rate(
        Decimal(option["unit_amount_decimal"]),
        divide_by=packs["divide_by"],
        round_up=packs["round"] == "up",
    )


def reduction_of(discount, coupons, currency):
    coupon = coupons[discount["source"]["coupon"]]
    percent = coupon["percent_off"]
    return Reduction(
        coupon["duration"],
        discount["end"],
        None if percent is None else Decimal(str(percent)),
        coupon["_currency_options"].get(currency, {"amount_off": 0})["amount_off"]
        if percent is None
        else None,
        frozenset(coupon.get("_applies_to", {"products": []})["products"]),
    )


def mrr_of(subscription, at, shared, discounts, objects):
    if subscription["status"] not in {"active", "past_due"} or subscription["pause_collection"]:
        return Decimal(0)
    currency = subscription["currency"]

    def read(ids):
        made = (reduction_of(discounts[id_], objects["coupon"], currency) for id_ in ids)
        return [r for r in made if r.end is None or at < r.end]

    tax = sum(
        Decimal(str(r["percentage"])) for r in subscription["default_tax_rates"] if r["inclusive"]
    )
    items = []
    for item in subscription["items"]["data"]:
        price = objects["price"][item["price"]["id"]]
        recurring = price["recurring"]
        items.append(
            MrrItem(
                item["id"],
                price["product"],
                rate_of(price, currency),
                item.get("quantity"),
                recurring["interval"],
                recurring["interval_count"],
                recurring["usage_type"] == "metered",
                Decimal(tax),
                tuple(read(item["discounts"])),
            )
        )
    reductions = read(subscription["discounts"]) or read(shared)
    return sum(item_mrrs(items, reductions, at).values(), Decimal(0))


class FromEvents:
    """MRR of subscriptions over time, from events alone."""

    def __init__(self, world, objects):
        self.objects = objects
        self.versions, self.shared, self.ended = defaultdict(list), defaultdict(list), {}
        for event in world.events:
            obj, at, kind = event["data"]["object"], event["created"], event["type"]
            if kind.startswith("customer.subscription.") and event["livemode"]:
                self.versions[obj["id"]].append((at, obj))
                if kind.endswith("deleted"):
                    self.ended[obj["id"]] = at
            elif kind.startswith("customer.discount.") and not obj["subscription"]:
                now = [obj["id"]] if kind.endswith("created") else []
                self.shared[obj["customer"]].append((at, now))
        self.begun = {id_: self._begins(id_) for id_ in self.versions}

    def customer(self, id_):
        return self.versions[id_][0][1]["customer"]

    def _begins(self, id_):
        """First instant of MRR above 0, of those at which something changes."""
        discounts = self.objects["discount"].values()
        ends = {d["end"] for d in discounts if d["customer"] == self.customer(id_) and d["end"]}
        instants = sorted({at for at, _ in self.versions[id_]} | ends)
        return next((at for at in instants if self.mrr_at(id_, at) > 0), None)

    def mrr_at(self, id_, at):
        subscription = _latest(self.versions[id_], at, None)
        if subscription is None:
            return Decimal(0)
        common = _latest(self.shared[subscription["customer"]], at, [])
        return mrr_of(subscription, at, common, self.objects["discount"], self.objects)

    def mrr_before(self, id_, at):
        """Just before an instant, with migrations held and cut."""
        end = self.ended.get(id_)
        if end and self.mrr_at(id_, end - 1) > 0:
            near = [
                begin for other, begin in self.begun.items()
                if other != id_ and begin and self.customer(other) == self.customer(id_)
                and abs(begin - end) <= DAY and begin > self.begun[id_]
            ]  # fmt: skip
            if near and min(near) < at:
                return Decimal(0)
            if near and end < at:
                return self.mrr_at(id_, end - 1)
        return self.mrr_at(id_, at - 1)


def _latest(steps, at, default):
    return next((value for when, value in reversed(steps) if when <= at), default)


def test_mrr_at_every_month_end_from_events(world, objects, names):
    events = FromEvents(world, objects)
    found = Counter()
    for year, month in [(2024, m) for m in range(1, 13)] + [(2025, m) for m in range(1, 7)]:
        at = int(datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC).timestamp())
        for id_, versions in events.versions.items():
            currency = versions[0][1]["currency"].upper()
            found[names[events.customer(id_)], f"{year}-{month:02d}", currency] += (
                events.mrr_before(id_, at)
            )
    truth = {(customer, month, currency): mrr for customer, month, currency, mrr in world.truth_mrr}
    assert {key: mrr for key, mrr in found.items() if mrr} == truth


# --- revenue -----------------------------------------------------------------------------------


def net_of(line):
    off = sum(part["amount"] for part in line["discount_amounts"])
    return (
        line["amount"]
        - off
        - sum(t["amount"] for t in line["taxes"] if t["tax_behavior"] == "inclusive")
    )


class FromObjects:
    """Signed revenue per month, currency and type, from objects alone."""

    def __init__(self, objects):
        self.objects = objects
        self.sums = Counter()
        self.taken = Counter()
        self.credited = Counter()
        self.metered = {
            id_ for id_, price in objects["price"].items()
            if price["recurring"] and price["recurring"]["usage_type"] == "metered"
        }  # fmt: skip
        self.lines = {
            id_: [
                NetLine(line["id"], self.kind_of(line), net_of(line))
                for line in invoice.get("_lines", invoice["lines"]["data"])
            ]
            for id_, invoice in objects["invoice"].items()
        }

    def kind_of(self, line):
        price = ((line["pricing"] or {}).get("price_details") or {}).get("price")
        if price in self.metered:
            return "usage"
        item, loose = (
            line["parent"]["subscription_item_details"],
            line["parent"]["invoice_item_details"],
        )
        return "subscription" if item or loose["proration"] else "one_time"

    def post(self, at, currency, kind, amount):
        self.sums[f"{datetime.fromtimestamp(at, UTC):%Y-%m}", currency.upper(), kind] += amount

    def spread(self, at, currency, amount, id_, sign):
        """Split what is revenue already over an invoice's lines by net."""
        mine = self.lines[id_]
        parts = allocate(amount, [x.net for x in mine], [x.line_id for x in mine])
        self.post_parts(at, currency, parts, id_, sign)
        return parts

    def post_parts(self, at, currency, parts, id_, sign):
        for line, part in zip(self.lines[id_], parts, strict=True):
            self.post(at, currency, line.revenue_type, sign * part)

    def gross(self, at, currency, amount, id_):
        """Take a gross amount: rounded on what has been taken in all, per line."""
        mine, total = self.lines[id_], self.objects["invoice"][id_]["total"]
        levels = []
        for taken in (self.taken[id_], self.taken[id_] + amount):
            part = half_up(Fraction(taken * sum(line.net for line in mine), total))
            levels.append(allocate(part, [x.net for x in mine], [x.line_id for x in mine]))
        self.taken[id_] += amount
        parts = [after - before for before, after in zip(*levels, strict=True)]
        self.post_parts(at, currency, parts, id_, -1)
        return parts

    def invoices(self):
        for id_, invoice in self.objects["invoice"].items():
            at, currency = invoice["status_transitions"], invoice["currency"]
            for name, sign in (("finalized_at", 1), ("voided_at", -1)):
                for line in self.lines[id_] if at[name] else ():
                    gone = self.credited[line.line_id] if name == "voided_at" else 0
                    self.post(at[name], currency, line.revenue_type, sign * (line.net - gone))
            if at["marked_uncollectible_at"]:
                remained = invoice["amount_paid"] if at["paid_at"] else invoice["amount_remaining"]
                parts = self.gross(at["marked_uncollectible_at"], currency, remained, id_)
                if at["paid_at"]:
                    self.post_parts(at["paid_at"], currency, parts, id_, 1)

    def credit_notes(self):
        for note in self.objects["credit_note"].values():
            kinds = {line.line_id: line.revenue_type for line in self.lines[note["invoice"]]}
            for line in note["lines"]["data"]:
                named = line["invoice_line_item"]
                if named:
                    self.post(note["created"], note["currency"], kinds[named], -net_of(line))
                    self.credited[named] += net_of(line)
                else:
                    parts = self.spread(
                        note["created"], note["currency"], net_of(line), note["invoice"], -1
                    )
                    for mine, part in zip(self.lines[note["invoice"]], parts, strict=True):
                        self.credited[mine.line_id] += part

    def refunds_and_disputes(self, closed):
        notes = self.objects["credit_note"].values()
        linked = {refund["refund"] for note in notes for refund in note["refunds"]}
        payments = {
            payment["payment"]["payment_intent"]: payment["invoice"]
            for payment in self.objects["invoice_payment"].values()
        }
        objects = [*self.objects["refund"].values(), *self.objects["dispute"].values()]
        for obj in sorted(objects, key=lambda obj: obj["created"]):
            if obj["id"] in linked or obj["status"].startswith("warning_"):
                continue
            where = obj["currency"], obj["amount"], payments[obj["payment_intent"]]
            parts = self.gross(obj["created"], *where)
            if obj["status"] == "won":
                self.post_parts(closed[obj["id"]], obj["currency"], parts, where[-1], 1)


def test_revenue_from_objects(world, objects):
    closed = {
        e["data"]["object"]["id"]: e["created"]
        for e in world.events
        if e["type"] == "charge.dispute.closed"
    }
    found = FromObjects(objects)
    found.credit_notes()
    found.invoices()
    found.refunds_and_disputes(closed)
    truth = {
        (month, currency, kind): amount for month, currency, kind, amount in world.truth_revenue
    }
    assert {key: amount for key, amount in found.sums.items() if amount or key in truth} == truth
