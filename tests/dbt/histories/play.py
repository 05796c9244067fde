"""Plays a script as Stripe would: keeps the objects, refuses what can't be, and writes events and lists.

A script is plain JSON: prices, coupons and taxes by name, and steps in order of time. A step that has lost its object (because a
step before it was taken out) does nothing, so that any subset of steps is a history that Stripe could have told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.dbt.histories import shapes

Object = dict[str, Any]
Streams = dict[str, list[Object]]
HOUR = 3600


class Stripe:
    """The account as one customer's history makes it."""

    def __init__(self, script: Object, key: str) -> None:
        self.script, self.key = script, key
        self.prices = {
            name: spec | {"id": self.named("price", name), "product": self.named("prod", spec["product"])}
            for name, spec in script["prices"].items()
        }  # fmt: skip
        self.taxes = {
            name: spec | {"id": self.named("txr", name)} for name, spec in script["taxes"].items()
        }
        self.coupons: dict[str, Object] = {}
        self.customers: dict[str, Object] = {}
        self.subs: dict[str, Object] = {}
        self.discounts: dict[str, Object] = {}
        self.invoices: dict[str, Object] = {}
        self.charges: dict[str, Object] = {}
        self.refunds: dict[str, Object] = {}
        self.disputes: dict[str, Object] = {}
        self.notes: dict[str, Object] = {}
        self.events: list[Object] = []
        self.gone: list[Object] = []

    def named(self, kind: str, name: str) -> str:
        """An id of this history's own."""
        return f"{kind}_{self.key}_{name}"

    def tell(
        self, kind: str, at: int, thing: Object, version: int, previous: Object | None = None
    ) -> None:
        """Write an event; its id says nothing of its place."""
        data: Object = {"object": thing}
        if previous is not None:
            data["previous_attributes"] = previous
        mixed = hashlib.md5(f"{self.key}-{len(self.events)}".encode()).hexdigest()[:16]
        self.events.append(
            {
                "id": f"evt_{mixed}", "object": "event", "type": kind, "created": at, "livemode": True,
                "api_version": shapes.VERSIONS[version], "data": data,
            }
        )  # fmt: skip

    def told(self) -> Streams:
        """Play all steps; what the warehouse gets."""
        looks = list(self.script.get("looks", []))
        self.looks: list[tuple[int, Streams]] = []
        for step in sorted(self.script["steps"], key=lambda one: one["at"]):
            while looks and looks[0] < step["at"]:
                self.looks.append((looks[0], self._looked()))
                looks.pop(0)
            getattr(self, "do_" + step["do"])(step)
        version = self.script.get("list_version", 3)
        prices = [shapes.price(spec, expanded=True) for spec in self.prices.values()]
        listed = {
            "prices": prices,
            "coupons": [shapes.coupon(one, expanded=True) for one in self.coupons.values()],
            "tax_rates": [shapes.tax_rate(one) for one in self.taxes.values()],
            "customers": [
                {"id": one["id"], "object": "customer", "deleted": True}
                if one.get("deleted")
                else shapes.customer(one, version)
                for one in self.customers.values()
            ],
            "subscriptions": [
                shapes.subscription(one, version, expanded=True) for one in self.subs.values()
            ],
        }
        for stream, things, shape in (
            ("invoices", self.invoices, shapes.invoice),
            ("charges", self.charges, shapes.charge),
            ("refunds", self.refunds, shapes.refund),
            ("credit_notes", self.notes, shapes.credit_note),
            ("disputes", self.disputes, shapes.dispute),
        ):
            listed[stream] = [shape(one, version) for one in things.values()]
        seen_from = self.script.get("seen_from", 0)
        self.seen = [one for one in self.events if one["created"] >= seen_from]
        return listed | {"events": self.events}

    def _looked(self) -> Streams:
        """What an earlier sync listed of things that change."""
        version = self.script.get("list_version", 3)
        return {
            "customers": [shapes.customer(one, version) for one in self.customers.values() if not one.get("deleted")],
            "subscriptions": [shapes.subscription(one, version, expanded=True) for one in self.subs.values()],
            "coupons": [shapes.coupon(one, expanded=True) for one in self.coupons.values()],
        }  # fmt: skip

    # -- customers, coupons, discounts ------------------------------------------------------------------------------

    def do_customer(self, step: Object) -> None:
        one = {
            "id": self.named("cus", step["cus"]), "created": step["at"], "account": f"acc_{self.key}", "discount": None,
        }  # fmt: skip
        self.customers[step["cus"]] = one
        self.tell("customer.created", step["at"], shapes.customer(one, step["v"]), step["v"])

    def do_delete_customer(self, step: Object) -> None:
        """All that it has ends at once; no list shows it any more."""
        one = self.customers.get(step["cus"])
        if one is None or one.get("deleted"):
            return
        for name, sub in self.subs.items():
            if sub["customer"] == one["id"]:
                self._end(step | {"sub": name}, "cancellation_requested")
        one["deleted"] = True
        self.tell("customer.deleted", step["at"], shapes.customer(one, step["v"]), step["v"])

    def do_coupon(self, step: Object) -> None:
        """Make a coupon, or make another under the same id."""
        old = self.coupons.get(step["coupon"])
        if old:
            self.tell("coupon.deleted", step["at"], shapes.coupon(old), step["v"])
        one = step["terms"] | {
            "id": self.named("cpn", step["coupon"]), "created": step["at"],
            "products": [self.named("prod", name) for name in step["terms"].get("products", [])],
        }  # fmt: skip
        self.coupons[step["coupon"]] = one
        self.tell("coupon.created", step["at"], shapes.coupon(one), step["v"])

    def _discount(
        self, step: Object, name: str, cus: str, sub: str | None, item: str | None
    ) -> Object | None:
        coupon = self.coupons.get(step["coupons"][name])
        if coupon is None:
            return None
        end = step["at"] + coupon["days"] * 24 * HOUR if coupon["duration"] == "repeating" else None
        one = {
            "id": self.named("di", name), "customer": cus, "subscription": sub, "item": item, "start": step["at"], "end": end,
            "coupon": coupon,
        }  # fmt: skip
        self.discounts[name] = one
        self.tell(
            "customer.discount.created",
            step["at"],
            shapes.discount(one, step["v"], expanded=step["v"] == 3),
            step["v"],
        )
        return one

    def _gone(self, cus: str) -> bool:
        return self.customers.get(cus, {"deleted": True}).get("deleted", False)

    def do_customer_discount(self, step: Object) -> None:
        one = self.customers.get(step["cus"])
        if one is None or not step["coupons"] or self._gone(step["cus"]):
            return
        before = dict(one)
        (name,) = step["coupons"]
        made = self._discount(step, name, one["id"], None, None)
        if made is None:
            return
        one["discount"] = made
        if step.get("updated", True):
            self._customer_updated(before, one, step)

    def _customer_updated(self, before: Object, one: Object, step: Object) -> None:
        was, now = shapes.customer(before, step["v"]), shapes.customer(one, step["v"])
        self.tell("customer.updated", step["at"], now, step["v"], _changed(was, now))

    def do_customer_undiscount(self, step: Object) -> None:
        one = self.customers.get(step["cus"])
        if (
            self._gone(step["cus"])
            or one is None
            or one["discount"] is None
            or _over(one["discount"], step["at"])
        ):
            return
        before, removed = dict(one), one["discount"]
        one["discount"] = None
        self._undiscounted(removed, step)
        if step.get("updated", True):
            self._customer_updated(before, one, step)

    def _undiscounted(self, removed: Object, step: Object) -> None:
        self.tell(
            "customer.discount.deleted", step["at"], shapes.discount(removed, step["v"], expanded=step["v"] == 3), step["v"],
        )  # fmt: skip

    # -- subscriptions ----------------------------------------------------------------------------------------------

    def _item(self, step: Object, spec: Object, cus: str, sub: str) -> Object:
        item_id = self.named("si", spec["item"])
        return {
            "id": item_id, "name": spec["item"], "created": step["at"], "price": self.prices[spec["price"]], "quantity": spec["quantity"],
            "tax": [self.taxes[name] for name in spec.get("tax", [])],
            "discounts": [
                made
                for name in spec.get("coupons", {})
                if (made := self._discount(step | {"coupons": spec["coupons"]}, name, cus, sub, item_id))
            ],
        }  # fmt: skip

    def do_subscribe(self, step: Object) -> None:
        if self._gone(step["cus"]):
            return
        cus, sub_id, at = (
            self.customers[step["cus"]]["id"],
            self.named("sub", step["sub"]),
            step["at"],
        )
        trial_end = at + step["trial"] if step.get("trial") else None
        sub = {
            "id": sub_id, "customer": cus, "created": at, "currency": step["currency"], "status": "trialing" if trial_end else step["status"],
            "items": [self._item(step, spec, cus, sub_id) for spec in step["items"]],
            "tax": [self.taxes[name] for name in step.get("tax", [])], "pause": None, "trial_start": at if trial_end else None,
            "trial_end": trial_end, "cancel_at": None, "cancel_at_period_end": False, "canceled_at": None, "ended_at": None, "reason": None,
            "paused_at": None, "metadata": {}, "automatic": step.get("automatic", False), "start": at - step.get("backdated", 0), "period": [at, at + 30 * 24 * HOUR],
            "discounts": [
                made for name in step.get("coupons", {}) if (made := self._discount(step, name, cus, sub_id, None))
            ],
        }  # fmt: skip
        self.subs[step["sub"]] = sub
        version = max(step["v"], self._oldest(sub))
        self.tell("customer.subscription.created", at, shapes.subscription(sub, version), version)

    @staticmethod
    def _oldest(*states: Object) -> int:
        """The oldest API version that can say it all."""
        rich = any(
            len(sub["discounts"]) > 1 or any(item["discounts"] for item in sub["items"])
            for sub in states
        )
        return 1 if rich else 0

    def _update(
        self, step: Object, change: Callable[[Object], None], *, kind: str = "updated"
    ) -> None:
        """Change a living subscription and tell it, where it changed."""
        sub = self.subs.get(step["sub"])
        if sub is None or sub["ended_at"] is not None:
            return
        before = sub | {"items": [dict(item) for item in sub["items"]]}
        if self.script.get("drops_expired", True):
            for holder in (sub, *sub["items"]):
                holder["discounts"] = [
                    one for one in holder["discounts"] if not _over(one, step["at"])
                ]
        change(sub)
        version = max(step["v"], self._oldest(before, sub))
        was, now = shapes.subscription(before, version), shapes.subscription(sub, version)
        if was != now and step.get("told", True):
            at = step["at"] + step.get("lag", 0)
            previous = _changed(was, now) if kind == "updated" else None
            self.tell(f"customer.subscription.{kind}", at, now, version, previous)
            for other in self._also(before["status"], sub["status"], step):
                self.tell(f"customer.subscription.{other}", at, now, version)

    @staticmethod
    def _also(before: str, after: str, step: Object) -> list[str]:
        """Events that come with an update and show the same object, without saying what it was before."""
        kinds = ["pending_update_applied"] if step.get("pending") else []
        if before != after and after == "paused":
            kinds.append("paused")
        if before == "paused" and after == "active":
            kinds.append("resumed")
        return kinds

    def _of(self, sub: Object, name: str) -> Object:
        return next((item for item in sub["items"] if item["name"] == name), {})

    def do_quantity(self, step: Object) -> None:
        self._update(
            step, lambda sub: self._of(sub, step["item"]).update(quantity=step["quantity"])
        )

    def do_swap(self, step: Object) -> None:
        """Another price on the same item."""
        self._update(step, lambda sub: self._of(sub, step["item"]).update(
            price=self.prices[step["price"]], quantity=step["quantity"]))  # fmt: skip

    def do_add_item(self, step: Object) -> None:
        def change(sub: Object) -> None:
            sub["items"] = [
                *sub["items"],
                self._item(step, step["spec"], sub["customer"], sub["id"]),
            ]

        self._update(step, change)

    def do_remove_item(self, step: Object) -> None:
        def change(sub: Object) -> None:
            if len(sub["items"]) > 1:
                sub["items"] = [item for item in sub["items"] if item["name"] != step["item"]]

        self._update(step, change)

    def do_touch(self, step: Object) -> None:
        """Something that is nothing to us: metadata, or the next period."""

        def change(sub: Object) -> None:
            sub["metadata"] = {"note": str(step["at"])}
            sub["period"] = [step["at"], step["at"] + 30 * 24 * HOUR]

        self._update(step, change)

    def do_status(self, step: Object) -> None:
        def change(sub: Object) -> None:
            allowed = {
                "active": ("past_due", "unpaid", "incomplete", "paused"), "past_due": ("active",), "unpaid": ("past_due",),
                "paused": ("active", "past_due"), "incomplete_expired": ("incomplete",),
            }  # fmt: skip
            if sub["status"] in allowed[step["to"]]:
                sub["status"] = step["to"]
                if step["to"] == "paused":
                    sub["paused_at"] = step["at"]
                if step["to"] == "incomplete_expired":
                    sub["ended_at"] = step["at"]

        self._update(step, change)

    def do_trial_over(self, step: Object) -> None:
        """What a trial's end makes of it; the event comes a little later."""
        sub = self.subs.get(step["sub"])
        if sub is None or sub["status"] != "trialing" or sub["trial_end"] != step["at"]:
            return
        if step["to"] == "canceled":
            self._end(step, "cancellation_requested")
            return

        def change(thing: Object) -> None:
            thing["status"] = step["to"]
            if step["to"] == "paused":
                thing["paused_at"] = step["at"]

        self._update(step, change)

    def do_trial(self, step: Object) -> None:
        """A trial, longer or begun in mid-life."""

        def change(sub: Object) -> None:
            if sub["status"] in ("active", "trialing"):
                sub |= {
                    "status": "trialing", "trial_end": step["until"],
                    "trial_start": sub["trial_start"] if sub["status"] == "trialing" else step["at"],
                }  # fmt: skip

        self._update(step, change)

    def do_pause(self, step: Object) -> None:
        self._update(step, lambda sub: sub.update(
            pause={"behavior": step["behavior"], "resumes_at": step["resumes_at"]}))  # fmt: skip

    def do_resume(self, step: Object) -> None:
        self._update(step, lambda sub: sub.update(pause=None))

    def do_ask(self, step: Object) -> None:
        """Ask to cancel: at the period's end, or only a date."""

        def change(sub: Object) -> None:
            sub |= {"cancel_at": step["until"], "canceled_at": step["at"],
                    "cancel_at_period_end": step["at_period_end"], "reason": "cancellation_requested"}  # fmt: skip

        self._update(step, change)

    def do_withdraw(self, step: Object) -> None:
        self._update(step, lambda sub: sub.update(
            cancel_at=None, canceled_at=None, cancel_at_period_end=False, reason=None))  # fmt: skip

    def do_end(self, step: Object) -> None:
        self._end(step, step["reason"])

    def _end(self, step: Object, reason: str) -> None:
        def change(sub: Object) -> None:
            sub |= {"status": "canceled", "ended_at": step["at"], "reason": reason,
                    "canceled_at": sub["canceled_at"] or step["at"]}  # fmt: skip

        self._update(step, change, kind="deleted")

    def do_discount(self, step: Object) -> None:
        """Put discounts on a subscription or one of its items, in place of those it has or after them."""

        def change(sub: Object) -> None:
            holder = self._of(sub, step["item"]) if step.get("item") else sub
            if not holder:
                return
            item_id = holder["id"] if step.get("item") else None
            made = [
                one
                for name in step["coupons"]
                if (one := self._discount(step, name, sub["customer"], sub["id"], item_id))
            ]
            if step["replace"]:
                for removed in holder["discounts"]:
                    if not _over(removed, step["at"]):
                        self._undiscounted(removed, step)
            holder["discounts"] = made if step["replace"] else [*holder["discounts"], *made]

        self._update(step, change)

    def do_undiscount(self, step: Object) -> None:
        def change(sub: Object) -> None:
            holder = self._of(sub, step["item"]) if step.get("item") else sub
            for removed in holder.get("discounts", []):
                if not _over(removed, step["at"]) and step.get("deleted", True):
                    self._undiscounted(removed, step)
            if holder:
                holder["discounts"] = []

        self._update(step, change)

    # -- money ------------------------------------------------------------------------------------------------------

    def do_invoice(self, step: Object) -> None:
        if self._gone(step["cus"]):
            return
        sub = self.subs.get(step["sub"]) if step.get("sub") else None
        names = {item["name"]: item for item in sub["items"]} if sub else {}
        lines = [
            line
            | {
                "id": self.named("il", line["line"]), "item": names[line["item"]]["id"] if line.get("item") in names else None,
                "price": self.prices[line["price"]] if line.get("price") else None,
                "rate": self.taxes[line["rate"]]["id"] if line.get("rate") else "txr",
            }
            for line in step["lines"]
        ]  # fmt: skip
        for line in lines:
            if line["item"] is None and line["kind"] in ("item", "proration"):
                line["kind"], line["price"] = "one_time", None
        exclusive = sum(tax for line in lines for tax, inclusive in line["taxes"] if not inclusive)
        total = sum(line["amount"] - sum(line["off"]) for line in lines) + exclusive
        due = max(total - step.get("balance", 0), 0)
        one = {
            "id": self.named("in", step["inv"]), "created": step["at"] - HOUR, "customer": self.customers[step["cus"]]["id"],
            "subscription": sub["id"] if sub else None, "currency": step["currency"], "lines": lines, "total": total, "due": due,
            "paid": 0, "remaining": due, "status": "open" if due else "paid", "attempts": 0, "payments": [], "finalized_at": step["at"],
            "paid_at": None if due else step["at"], "voided_at": None, "uncollectible_at": None, "credited_before": 0, "credited_after": 0,
        }  # fmt: skip
        self.invoices[step["inv"]] = one
        self._invoice_told("invoice.finalized", step, one)

    def _invoice_told(self, kind: str, step: Object, one: Object) -> None:
        """An event's snapshot: ten lines at most, and nothing that would have to be asked for."""
        thing = shapes.invoice(one, step["v"])
        thing.pop("payments", None)
        lines = thing["lines"]["data"]
        thing["lines"] |= {"data": lines[:10], "has_more": len(lines) > 10}
        self.tell(kind, step["at"], thing, step["v"])

    def do_pay(self, step: Object) -> None:
        """One charge for one invoice or several, whole or in part."""
        paid = [
            (one, min(amount or one["remaining"], one["remaining"]))
            for name, amount in step["invoices"]
            if (one := self.invoices.get(name)) and one["status"] in ("open", "uncollectible") and one["remaining"]
        ]  # fmt: skip
        if not paid or len({one["customer"] for one, _ in paid}) > 1:
            return
        charge_id = self.named("ch", step["charge"])
        charge = {
            "id": charge_id, "created": step["at"], "customer": paid[0][0]["customer"], "currency": paid[0][0]["currency"],
            "amount": sum(amount for _, amount in paid), "refunded": 0, "disputed": False, "invoices": [one["id"] for one, _ in paid],
            "contested": 0,
        }  # fmt: skip
        self.charges[step["charge"]] = charge
        for one, amount in paid:
            one["payments"] = [*one["payments"], (charge_id, amount)]
            one["paid"] += amount
            one["remaining"] -= amount
            one["attempts"] += 1
            if not one["remaining"]:
                one["status"], one["paid_at"] = "paid", step["at"]
                self._invoice_told("invoice.paid", step, one)
        self.tell("charge.succeeded", step["at"], shapes.charge(charge, step["v"]), step["v"])

    def do_charge(self, step: Object) -> None:
        """A payment that no invoice asked for."""
        if self._gone(step["cus"]):
            return
        customer = self.customers[step["cus"]]
        charge = {
            "id": self.named("ch", step["charge"]), "created": step["at"], "customer": customer["id"], "currency": step["currency"],
            "amount": step["amount"], "refunded": 0, "disputed": False, "invoices": [None], "contested": 0,
        }  # fmt: skip
        self.charges[step["charge"]] = charge
        self.tell("charge.succeeded", step["at"], shapes.charge(charge, step["v"]), step["v"])

    def do_void(self, step: Object) -> None:
        one = self.invoices.get(step["inv"])
        if one and one["status"] in ("open", "uncollectible") and not one["paid"]:
            one |= {"status": "void", "voided_at": step["at"]}
            self._invoice_told("invoice.voided", step, one)

    def do_uncollectible(self, step: Object) -> None:
        one = self.invoices.get(step["inv"])
        if one and one["status"] == "open":
            one |= {"status": "uncollectible", "uncollectible_at": step["at"]}
            self._invoice_told("invoice.marked_uncollectible", step, one)

    def do_refund(self, step: Object) -> None:
        charge = self.charges.get(step["charge"])
        if charge is None:
            return
        amount = min(step["amount"], charge["amount"] - charge["refunded"] - charge["contested"])
        if amount <= 0:
            return
        one = {
            "id": self.named("re", step["refund"]), "created": step["at"], "amount": amount, "charge": charge["id"],
            "currency": charge["currency"], "status": step["status"],
        }  # fmt: skip
        self.refunds[step["refund"]] = one
        if step["status"] == "succeeded":
            charge["refunded"] += amount
        self.tell("refund.created", step["at"], shapes.refund(one, step["v"]), step["v"])
        self.tell("charge.refunded", step["at"], shapes.charge(charge, step["v"]), step["v"])

    def do_credit(self, step: Object) -> None:
        """A credit note: lowers what is to pay first; what is above it, with refunds or without, is after payment."""
        invoice = self.invoices.get(step["inv"])
        if invoice is None or invoice["status"] not in ("open", "paid"):
            return
        own = {line["line"]: line["id"] for line in invoice["lines"]}
        lines = [
            {
                "id": self.named("cnli", f"{step['note']}{n}"), "line": own.get(line["line"]), "amount": line["amount"], "off": line["off"],
                "taxes": line["taxes"],
            }
            for n, line in enumerate(step["lines"])
        ]  # fmt: skip
        exclusive = sum(tax for line in lines for tax, inclusive in line["taxes"] if not inclusive)
        total = sum(line["amount"] - sum(line["off"]) for line in lines) + exclusive
        if (
            total <= 0
            or total > invoice["total"] - invoice["credited_before"] - invoice["credited_after"]
        ):
            return
        before = min(total, invoice["remaining"])
        links = [
            (self.refunds[name]["id"], min(amount, total - before))
            for name, amount in step["refunds"]
            if name in self.refunds and self.refunds[name]["status"] == "succeeded" and total > before
        ][:1]  # fmt: skip
        one = {
            "id": self.named("cn", step["note"]), "created": step["at"], "customer": invoice["customer"], "currency": invoice["currency"],
            "invoice": invoice["id"], "status": "issued", "voided_at": None, "lines": lines, "total": total, "before": before,
            "after": total - before, "refunds": links, "of": step["inv"],
        }  # fmt: skip
        self.notes[step["note"]] = one
        invoice["credited_before"] += before
        invoice["credited_after"] += total - before
        invoice["remaining"] -= before
        self.tell("credit_note.created", step["at"], shapes.credit_note(one, step["v"]), step["v"])
        if invoice["status"] == "open" and not invoice["remaining"]:
            invoice["status"], invoice["paid_at"] = "paid", step["at"]
            self._invoice_told("invoice.paid", step, invoice)

    def do_void_note(self, step: Object) -> None:
        """Only a note on an open invoice can be taken back."""
        one = self.notes.get(step["note"])
        if one is None or one["status"] != "issued" or one["after"] or one["refunds"]:
            return
        invoice = self.invoices[one["of"]]
        if invoice["status"] != "open":
            return
        one |= {"status": "void", "voided_at": step["at"]}
        invoice["credited_before"] -= one["before"]
        invoice["remaining"] += one["before"]
        self.tell("credit_note.voided", step["at"], shapes.credit_note(one, step["v"]), step["v"])

    def do_dispute(self, step: Object) -> None:
        charge = self.charges.get(step["charge"])
        if charge is None:
            return
        amount = min(step["amount"], charge["amount"] - charge["refunded"] - charge["contested"])
        if amount <= 0:
            return
        charge["contested"] += amount
        charge["disputed"] = True
        one = {
            "id": self.named("dp", step["dispute"]), "created": step["at"], "amount": amount, "charge": charge["id"],
            "currency": charge["currency"], "status": step["status"], "of": step["charge"],
        }  # fmt: skip
        self.disputes[step["dispute"]] = one
        self.tell("charge.dispute.created", step["at"], shapes.dispute(one, step["v"]), step["v"])

    def do_decide(self, step: Object) -> None:
        """A dispute is won or lost (a warning is only closed)."""
        one = self.disputes.get(step["dispute"])
        if one is None or one["status"] in ("won", "lost", "warning_closed"):
            return
        warning = one["status"].startswith("warning")
        one["status"] = "warning_closed" if warning else step["to"]
        if one["status"] != "lost":
            self.charges[one["of"]]["contested"] -= one["amount"]
        self.tell("charge.dispute.closed", step["at"], shapes.dispute(one, step["v"]), step["v"])


def _over(discount: Object, at: int) -> bool:
    return discount["end"] is not None and discount["end"] <= at


def _changed(was: Object, now: Object) -> Object:
    """`previous_attributes`: arrays and lists whole, of a hash only what changed in it."""
    previous: Object = {}
    for field in {**was, **now}:
        before, after = was.get(field), now.get(field)
        if before == after:
            continue
        if field == "items" and isinstance(before, dict):
            previous[field] = {"data": before["data"]}
        elif isinstance(before, dict) and isinstance(after, dict):
            previous[field] = {
                key: before.get(key)
                for key in {**before, **after}
                if before.get(key) != after.get(key)
            }
        else:
            previous[field] = before
    return previous


@dataclass(frozen=True)
class Told:
    """What Stripe says of a script.

    Attributes:
        streams: All events, and lists at its end.
        seen: The events that the warehouse gets to see; the others were over before its first sync.
        looks: What earlier syncs listed, with their instants.
    """

    streams: Streams
    seen: list[Object]
    looks: list[tuple[int, Streams]]

    @property
    def fed(self) -> Streams:
        """What the last sync lands."""
        return self.streams | {"events": self.seen}


def told(script: Object, key: str) -> Told:
    """Play a script under a name."""
    stripe = Stripe(script, key)
    streams = stripe.told()
    return Told(streams, stripe.seen, stripe.looks)
