"""Random Stripe histories of one customer each, as scripts for `play.py`; a seed and a number name one for good.

Most steps are ordinary; what is rare in life (several changes in one second, a successor within the grace, discounts of every scope,
coupons made anew under an old id) is frequent here.
"""

from __future__ import annotations

import random
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]
HOUR = 3600
DAY = 24 * HOUR
BEGIN = int(datetime(2023, 1, 3, tzinfo=UTC).timestamp())
NOW = datetime(2024, 6, 20, 12, tzinfo=UTC)
END = int(NOW.timestamp())
#: when earlier syncs listed everything
LOOKS = (BEGIN + 130 * DAY + 4711, BEGIN + 371 * DAY + 61_007)
CURRENCIES = ("usd", "usd", "usd", "eur", "eur", "jpy", "kwd")


class Writer:
    """Writes one customer's script."""

    def __init__(self, seed: int, number: int) -> None:
        self.random = random.Random(f"{seed}-{number}")
        self.steps: list[Object] = []
        self.prices: dict[str, Object] = {}
        self.taxes = {
            "a": {"created": BEGIN - DAY, "percent": "19", "inclusive": True},
            "b": {"created": BEGIN - DAY, "percent": "7.5", "inclusive": True},
            "c": {"created": BEGIN - DAY, "percent": "20", "inclusive": False},
        }
        self.counts: dict[str, int] = {}
        # an account writes one API version until it is moved to another; some mix them event by event
        self.moves_at = self.random.randint(BEGIN, END)
        self.version_pair = tuple(sorted(self.random.choices((0, 1, 2, 3), k=2)))
        self.mixes = self.random.random() < 0.3
        self.currency = self.random.choice(CURRENCIES)
        self.scale = {"usd": 1000, "eur": 1000, "jpy": 150, "kwd": 3000}

    def new(self, kind: str) -> str:
        """The next name of a kind."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        return f"{kind}{self.counts[kind]}"

    def chance(self, probability: float) -> bool:
        """A biased coin."""
        return self.random.random() < probability

    def step(self, at: int, do: str, **more: Any) -> None:
        """Write a step, unless it is after now."""
        if at >= END - HOUR:
            return
        version = self.version_pair[at >= self.moves_at]
        if self.mixes:
            version = self.random.choice((0, 1, 2, 3))
        self.steps.append({"at": at, "do": do, "v": version, **more})

    def latecomer(self) -> Object:
        """A history that began before the first sync, which lists what is; nothing that leaves no trace happened before."""
        seen, begin = LOOKS[1], BEGIN + self.random.randint(0, 200 * DAY)
        self.step(begin - HOUR, "customer", cus=self.new("c"))
        self._coupons(begin)
        self.steps = [one for one in self.steps if one["at"] < begin]
        sub, item = self.new("s"), self.price(self.currency)
        trial = 14 * DAY if self.chance(0.3) else None
        given = [name for name in self.coupon_names if self._lasts(name, begin, seen)]
        names = []
        for at in sorted(self.random.randint(begin + 20 * DAY, seen - 10 * DAY) for _ in range(2)):
            spec = {
                "item": self.new("i"),
                "price": self.price(self.currency),
                "quantity": self._quantity(),
            }
            names.append(spec["item"])
            self.step(at, "add_item", sub=sub, spec=spec)
        first = {
            "item": self.new("i"),
            "price": item,
            "quantity": self._quantity(),
            "tax": self.random.choice(([], ["a"])),
        }
        self.step(
            begin, "subscribe", sub=sub, cus="c1", currency=self.currency, items=[first], trial=trial, status="active", tax=[],
            coupons={self.new("d"): self.random.choice(given)} if given and self.chance(0.4) else {},
        )  # fmt: skip
        if trial:
            self.step(begin + trial, "trial_over", sub=sub, to="active")
        if given and self.chance(0.4):
            at = self.random.randint(begin + 20 * DAY, seen - DAY)
            if self._lasts(given[0], at, seen):
                self.step(at, "discount", sub=sub, item=None, coupons={self.new("d"): given[0]}, replace=False)  # fmt: skip
        if self.chance(0.2):
            self.step(seen - self.random.randint(HOUR, 9 * DAY), "end", sub=sub, reason="cancellation_requested")  # fmt: skip
        at = seen
        for _ in range(self.random.randint(0, 5)):
            at += self.random.randint(HOUR, 40 * DAY)
            at = self._change(sub, [first["item"], *names], at)
        self._ending(sub, at)
        return self._finished() | {"looks": list(LOOKS[1:]), "seen_from": seen, "drops_expired": False}  # fmt: skip

    def _lasts(self, coupon: str, at: int, until: int) -> bool:
        """Whether a discount by that coupon is still there then."""
        terms = next(one["terms"] for one in self.steps if one["do"] == "coupon" and one["coupon"] == coupon)  # fmt: skip
        return terms["duration"] != "repeating" or at + terms["days"] * DAY > until

    def script(self) -> Object:
        """The whole history."""
        if self.chance(0.1):
            return self.latecomer()
        begin = BEGIN + self.random.randint(0, 200 * DAY)
        customers = [self.new("c") for _ in range(self.random.choice((1, 1, 1, 1, 2)))]
        for name in customers:
            self.step(begin - HOUR, "customer", cus=name)
        self._coupons(begin)
        at = begin
        for _ in range(self.random.choice((1, 1, 2, 2, 3))):
            at = self._life(self.random.choice(customers), at)
            if at >= END:
                break
        for name in customers:
            if self.chance(0.25):
                self._customer_discounts(name, begin)
            if self.chance(0.06):
                self.step(
                    begin + self.random.randint(100 * DAY, 500 * DAY), "delete_customer", cus=name
                )
        if self.chance(0.7):
            self._money(customers)
        return self._finished()

    def _finished(self) -> Object:
        return {
            "prices": self.prices, "taxes": self.taxes, "steps": sorted(self.steps, key=lambda one: one["at"]),
            "list_version": self.random.choice((3, 3, 2, 1)), "drops_expired": self.chance(0.6),
            "looks": list(LOOKS) if self.chance(0.4) else [],
        }  # fmt: skip

    # -- prices and coupons -----------------------------------------------------------------------------------------

    def _amount(self, currency: str) -> str:
        unit = self.random.randint(1, 20) * self.scale[currency]
        return self.random.choice(
            (
                str(unit), str(unit), str(unit), str(unit - 1), str(self.random.randint(1, 99_999)), f"{self.random.randint(0, 99)}.{self.random.randint(1, 999):03}",
                f"0.{self.random.randint(1, 99999):05}",
            )
        )  # fmt: skip

    def _terms(self, currency: str, tiered: bool) -> Object:
        if not tiered:
            return {"amount": self._amount(currency)}
        bounds = sorted(self.random.sample(range(1, 30), self.random.choice((1, 2, 3))))
        tiers = []
        for bound in [*bounds, None]:
            flat = self._amount(currency) if self.chance(0.4) else None
            unit = self._amount(currency) if flat is None or self.chance(0.8) else "0"
            tiers.append([bound, unit, flat])
        return {"tiers": tiers}

    def price(self, currency: str) -> str:
        """A new price, in that currency or with an option in it."""
        interval, count = self.random.choice(
            (("month", 1),) * 6 + (("month", 3), ("year", 1), ("year", 1), ("week", 1), ("week", 2), ("day", 1), ("day", 10), ("month", 6), ("year", 2))
        )  # fmt: skip
        tiered = self.chance(0.2)
        own = currency
        options = {}
        if self.chance(0.15):
            own = self.random.choice([one for one in ("usd", "eur", "jpy") if one != currency])
            options[currency] = self._terms(currency, tiered)
        name = self.new("p")
        spec = self._terms(own, tiered) | {
            "currency": own, "created": BEGIN - DAY, "interval": interval, "count": count, "product": self.random.choice("xyz"),
            "usage": "metered" if self.chance(0.1) else "licensed",
            "tax": self.random.choice(("unspecified", "unspecified", "inclusive", "exclusive")), "options": options,
        }  # fmt: skip
        if tiered:
            spec["mode"] = self.random.choice(("graduated", "volume"))
        elif self.chance(0.1):
            spec["divide"] = [self.random.randint(2, 12), self.random.choice(("up", "down"))]
        if self.chance(0.05) and not tiered:
            spec["amount"] = "0"
        self.prices[name] = spec
        return name

    def _coupon_terms(self) -> Object:
        duration = self.random.choice(("forever", "forever", "repeating", "repeating", "once"))
        terms: Object = {"duration": duration}
        if duration == "repeating":
            terms |= {"months": 3, "days": self.random.choice((20, 31, 92, 181))}
        if self.chance(0.55):
            terms["percent"] = self.random.choice(("10", "20", "50", "100", "33.33", "12.5", "7"))
        else:
            terms |= {
                "off": self.random.choice((1, 7, 100)) * self.scale[self.currency] // self.random.choice((1, 3, 10)) + 1,
                "currency": self.currency,
            }  # fmt: skip
            if self.chance(0.3):
                terms["options"] = {
                    name: self.random.randint(1, 9) * self.scale[name] // 2
                    for name in self.scale
                    if name != self.currency
                }
        if self.chance(0.25):
            terms["products"] = self.random.sample("xyz", self.random.choice((1, 2)))
        return terms

    def _coupons(self, begin: int) -> None:
        self.coupon_names = [self.new("k") for _ in range(4)]
        for name in self.coupon_names:
            terms = self._coupon_terms()
            again = self.chance(0.1)
            if again:
                terms.pop("products", None)
            self.step(begin - 2 * HOUR, "coupon", coupon=name, terms=terms)
            if again:
                self.step(begin + self.random.randint(DAY, 200 * DAY), "coupon", coupon=name, terms=self._coupon_terms())  # fmt: skip

    def coupons(self, probability: float) -> Object:
        """Names of new discounts with the coupons they give."""
        if not self.chance(probability):
            return {}
        names = self.random.sample(self.coupon_names, self.random.choice((1, 1, 1, 2, 3)))
        return {self.new("d"): name for name in names}

    def _customer_discounts(self, cus: str, begin: int) -> None:
        at = begin + self.random.randint(-600, 90 * DAY)
        for _ in range(self.random.choice((1, 1, 2))):
            (given,) = [{self.new("d"): self.random.choice(self.coupon_names)}]
            self.step(at, "customer_discount", cus=cus, coupons=given, updated=self.chance(0.7))
            at += self.random.randint(HOUR, 150 * DAY)
            if self.chance(0.5):
                self.step(at, "customer_undiscount", cus=cus, updated=self.chance(0.7))
                at += self.random.randint(HOUR, 90 * DAY)

    # -- subscriptions ----------------------------------------------------------------------------------------------

    def _spec(self) -> Object:
        names = [name for name, spec in self.prices.items() if self.currency in {spec["currency"], *spec["options"]}]  # fmt: skip
        price = self.random.choice(names) if names and self.chance(0.3) else self.price(self.currency)  # fmt: skip
        return {
            "item": self.new("i"), "price": price, "quantity": self._quantity(),
            "tax": self.random.choice(([], [], [], [], ["a"], ["c"], ["a", "b"], ["b", "c"])), "coupons": self.coupons(0.1),
        }  # fmt: skip

    def _quantity(self) -> int:
        return self.random.choice((1, 1, 1, 2, 3, 5, 7, 12, 25, 40, 1000))

    def _life(self, cus: str, begin: int) -> int:
        """One subscription from its beginning to its end; when the next one begins."""
        if self.chance(0.12):
            self.currency = self.random.choice(CURRENCIES)
            self._coupons(begin)
        sub = self.new("s")
        items = [self._spec() for _ in range(self.random.choice((1, 1, 1, 2, 2, 3, 4)))]
        trial = self.random.choice((7, 14, 30)) * DAY if self.chance(0.25) else None
        status = "incomplete" if not trial and self.chance(0.08) else "active"
        self.step(
            begin, "subscribe", sub=sub, cus=cus, currency=self.currency, items=items, trial=trial, status=status,
            tax=self.random.choice(([], [], [], [], ["a"], ["c"])), coupons=self.coupons(0.25),
            backdated=20 * DAY if self.chance(0.05) else 0, automatic=self.chance(0.1),
        )  # fmt: skip
        at = begin
        if status == "incomplete":
            at += self.random.randint(1, 22 * HOUR)
            if self.chance(0.3):
                self.step(begin + 23 * HOUR, "status", sub=sub, to="incomplete_expired")
                return begin + self.random.randint(1, 60) * HOUR
            self.step(at, "status", sub=sub, to="active")
        if trial:
            at = begin + trial
            if self.chance(0.15):
                until = at + 7 * DAY
                self.step(begin + trial // 2, "trial", sub=sub, until=until)
                at = until
            becomes = self.random.choices(("active", "past_due", "canceled", "paused"), (8, 1, 2, 1))[0]  # fmt: skip
            self.step(at, "trial_over", sub=sub, to=becomes, lag=self.random.choice((0, 0, 30, 1800)))  # fmt: skip
            if becomes == "canceled":
                return at + self.random.randint(-20, 60) * HOUR
            at += 2 * HOUR
            if becomes == "paused":
                at += self.random.randint(1, 40 * DAY)
                self.step(at, "status", sub=sub, to="active")
        names = [spec["item"] for spec in items]
        for _ in range(self.random.randint(0, 9)):
            at += self.random.choice((self.random.randint(60, 5 * DAY), self.random.randint(DAY, 70 * DAY)))  # fmt: skip
            for _ in range(self.random.choice((1, 1, 1, 1, 1, 2, 2, 3))):
                at = self._change(sub, names, at)
        return self._ending(sub, at)

    def _change(self, sub: str, names: list[str], at: int) -> int:
        """One change; returns the instant at which the next may follow (mostly the same)."""
        changes = (
            (self._quantities, 22), (self._swap, 12), (self._add, 8), (self._remove, 6), (self._touch, 8), (self._dunning, 10),
            (self._pause, 9), (self._ask, 7), (self._discounts, 12), (self._undiscount, 6), (self._retrial, 1), (self._paused, 2),
        )  # fmt: skip
        change = self.random.choices([one for one, _ in changes], [often for _, often in changes])[0]  # fmt: skip
        return change(sub, names, at)

    def _quantities(self, sub: str, names: list[str], at: int) -> int:
        item = self.random.choice(names)
        number = 0 if self.chance(0.1) else self._quantity()
        self.step(at, "quantity", sub=sub, item=item, quantity=number, pending=self.chance(0.1))
        if self.chance(0.15):
            # thought better of it, within the second
            self.step(at, "quantity", sub=sub, item=item, quantity=self._quantity())
        return at

    def _swap(self, sub: str, names: list[str], at: int) -> int:
        price, item = self.price(self.currency), self.random.choice(names)
        self.step(at, "swap", sub=sub, item=item, price=price, quantity=self._quantity())
        return at

    def _add(self, sub: str, names: list[str], at: int) -> int:
        spec = self._spec()
        names.append(spec["item"])
        self.step(at, "add_item", sub=sub, spec=spec)
        return at

    def _remove(self, sub: str, names: list[str], at: int) -> int:
        self.step(at, "remove_item", sub=sub, item=self.random.choice(names))
        return at

    def _touch(self, sub: str, names: list[str], at: int) -> int:
        self.step(at, "touch", sub=sub)
        return at

    def _dunning(self, sub: str, names: list[str], at: int) -> int:
        self.step(at, "status", sub=sub, to="past_due")
        at += self.random.randint(HOUR, 10 * DAY)
        if self.chance(0.4):
            self.step(at, "status", sub=sub, to="unpaid")
            at += self.random.randint(HOUR, 20 * DAY)
        if self.chance(0.8):
            self.step(at, "status", sub=sub, to="active")
        return at

    def _paused(self, sub: str, names: list[str], at: int) -> int:
        self.step(at, "status", sub=sub, to="paused", lag=self.random.choice((0, 0, 40)))
        at += self.random.randint(HOUR, 40 * DAY)
        self.step(at, "status", sub=sub, to="active")
        return at

    def _ask(self, sub: str, names: list[str], at: int) -> int:
        self.step(at, "ask", sub=sub, until=at + 30 * DAY, at_period_end=self.chance(0.7))
        if self.chance(0.6):
            at += self.random.randint(0, 5 * DAY)
            self.step(at, "withdraw", sub=sub)
        return at

    def _discounts(self, sub: str, names: list[str], at: int) -> int:
        where = self.random.choice(names) if self.chance(0.3) else None
        given = self.coupons(1)
        self.step(at, "discount", sub=sub, item=where, coupons=given, replace=self.chance(0.5))
        return at

    def _undiscount(self, sub: str, names: list[str], at: int) -> int:
        where = self.random.choice(names) if self.chance(0.3) else None
        self.step(at, "undiscount", sub=sub, item=where, deleted=self.chance(0.8))
        return at

    def _retrial(self, sub: str, names: list[str], at: int) -> int:
        until = at + 10 * DAY
        self.step(at, "trial", sub=sub, until=until)
        self.step(until, "trial_over", sub=sub, to="active", lag=self.random.choice((0, 20)))
        return until + HOUR

    def _pause(self, sub: str, names: list[str], at: int) -> int:
        lasts = self.random.randint(HOUR, 70 * DAY)
        resumes_at = at + lasts if self.chance(0.5) else None
        self.step(at, "pause", sub=sub, behavior=self.random.choice(("void", "keep_as_draft", "mark_uncollectible")), resumes_at=resumes_at)  # fmt: skip
        if resumes_at is None:
            at += lasts
            if self.chance(0.85):
                self.step(at, "resume", sub=sub)
            return at
        if self.chance(0.2):
            # resumed by hand before its time
            at += lasts // 2
            self.step(at, "resume", sub=sub)
            return at
        if self.chance(0.4):
            self.step(resumes_at, "resume", sub=sub, lag=self.random.choice((0, 5, 900)))
        return resumes_at + HOUR

    def _ending(self, sub: str, at: int) -> int:
        """How it ends, if at all, and when the successor begins."""
        at += self.random.randint(HOUR, 60 * DAY)
        if self.chance(0.35):
            return at
        if self.chance(0.3):
            self.step(at - 1800, "status", sub=sub, to="past_due")
            self.step(at, "end", sub=sub, reason="payment_failed", lag=self.random.choice((0, 3)))
        else:
            if self.chance(0.5):
                self.step(at - 3000, "ask", sub=sub, until=at, at_period_end=self.chance(0.5))
            self.step(at, "end", sub=sub, reason="cancellation_requested", lag=self.random.choice((0, 0, 4, 600)))  # fmt: skip
        gap = self.random.choice(
            (0, 0, self.random.randint(1, DAY), self.random.randint(1, DAY), DAY, DAY + 1, -self.random.randint(1, DAY), -DAY, -DAY - 1,
             self.random.randint(-20 * DAY, 0), self.random.randint(2 * DAY, 90 * DAY))
        )  # fmt: skip
        return at + gap

    # -- money ------------------------------------------------------------------------------------------------------

    def _money(self, customers: list[str]) -> None:
        subs = [one for one in self.steps if one["do"] == "subscribe"]
        waiting: list[tuple[str, str, str]] = []
        if self.chance(0.1):
            charge, at = self.new("h"), BEGIN + 250 * DAY
            currency = self.random.choice(CURRENCIES)
            amount = self.random.randint(1, 90_000)
            self.step(
                at, "charge", cus=customers[0], currency=currency, charge=charge, amount=amount
            )
            self._after("", [], charge, at)
        for _ in range(self.random.randint(1, 5)):
            sub = self.random.choice(subs) if subs and self.chance(0.8) else None
            at = (sub["at"] if sub else BEGIN + 210 * DAY) + self.random.randint(HOUR, 200 * DAY)
            cus = sub["cus"] if sub else self.random.choice(customers)
            currency = sub["currency"] if sub else self.random.choice(CURRENCIES)
            name = self.new("n")
            lines = self._lines(sub, at, currency)
            self.step(
                at, "invoice", inv=name, cus=cus, sub=sub["sub"] if sub else None, currency=currency, lines=lines,
                balance=self.random.choice((0, 0, 0, 0, 500)),
            )  # fmt: skip
            self._fate(name, lines, at, waiting, (cus, currency))

    def _lines(self, sub: Object | None, at: int, currency: str) -> list[Object]:
        lines = []
        exclusive, taxed = self.chance(0.5), self.chance(0.6)
        for _ in range(self.random.choice((1, 1, 2, 3, 4, 12))):
            kind = self.random.choice(("item", "item", "item", "usage", "proration", "proration", "one_time") if sub else ("one_time",))  # fmt: skip
            amount = (
                self.random.randint(1, 40) * self.scale[currency] // self.random.choice((1, 1, 7))
            )
            if kind == "proration" and self.chance(0.5):
                amount = -amount // 3
            if self.chance(0.05):
                amount = 0
            off = [abs(amount) // self.random.choice((10, 3, 1))] if amount > 0 and self.chance(0.25) else []  # fmt: skip
            if off and self.chance(0.3):
                off.append((amount - off[0]) // 4)
            left = amount - sum(off)
            taxes: list[list[Any]] = []
            if taxed and (amount < 0 or self.chance(0.9)):
                taxes = [[round(left * 0.19), False]] if exclusive else [[left - round(left / 1.19), True]]  # fmt: skip
                if self.chance(0.2):
                    taxes.append([round(left * 0.05), False])
            line: Object = {
                "line": self.new("l"), "kind": kind, "amount": amount, "off": off, "taxes": taxes, "quantity": self._quantity(),
                "start": at, "end": at + self.random.choice((0, 30, 31, 365)) * DAY,
            }  # fmt: skip
            if kind != "one_time" and sub and not self._of_item(line, sub, lines, left):
                continue
            lines.append(line)
        return lines

    def _of_item(self, line: Object, sub: Object, lines: list[Object], left: int) -> bool:
        """Let a line be about one of the subscription's items; False where that item may have no more of them."""
        spec = self.random.choice(sub["items"])
        line |= {"item": spec["item"], "price": spec["price"]}
        if sub["automatic"]:
            # the latest line tells the tax inside the price: one an invoice
            taxes = [[left - round(left / 1.19), True]] if self.chance(0.8) else []
            line |= {"kind": "item", "rate": self.random.choice("ab"), "taxes": taxes}
            return spec["item"] not in {one.get("item") for one in lines}
        if line["kind"] == "usage":
            metered = [name for name, one in self.prices.items() if one["usage"] == "metered"]
            line |= {"kind": "item", "price": self.random.choice(metered or [spec["price"]])}
        return True

    def _fate(
        self,
        name: str,
        lines: list[Object],
        at: int,
        waiting: list[tuple[str, str, str]],
        whose: tuple[str, str],
    ) -> None:
        """What becomes of an invoice."""
        fate = self.random.choices(("paid", "steps", "together", "void", "lost", "open"), (9, 3, 2, 2, 3, 1))[0]  # fmt: skip
        if self.chance(0.15):
            at += self.random.randint(1, 5 * DAY)
            self._credit(name, lines, at, [])
            if self.chance(0.3):
                at += self.random.randint(1, 5 * DAY)
                self.step(at, "void_note", note=f"o{self.counts.get('o', 0)}")
        at += self.random.randint(0, 6 * DAY)
        charge = self.new("h")
        if fate == "paid":
            self.step(at, "pay", charge=charge, invoices=[[name, None]])
        elif fate == "steps":
            at = self._paid_in_steps(name, charge, at)
        elif fate == "together":
            other = next((inv for inv, cus, currency in waiting if (cus, currency) == whose), None)
            if other is None:
                waiting.append((name, *whose))
                return
            # the later of the two is the one that is paid
            at = max([at, *(one["at"] for one in self.steps if one.get("inv") == other)])
            self.step(at, "pay", charge=charge, invoices=[[other, None], [name, self.random.choice((None, None, 700))]])  # fmt: skip
        elif fate == "void":
            self.step(at, "void", inv=name)
        elif fate == "lost":
            at = self._given_up(name, charge, at)
        self._after(name, lines, charge, at)

    def _paid_in_steps(self, name: str, charge: str, at: int) -> int:
        self.step(at, "pay", charge=charge, invoices=[[name, self.random.randint(1, 9000)]])
        at += self.random.randint(0, 9 * DAY)
        if self.chance(0.7):
            self.step(at, "pay", charge=self.new("h"), invoices=[[name, None]])
        elif self.chance(0.5):
            self.step(at, "uncollectible", inv=name)
        return at

    def _given_up(self, name: str, charge: str, at: int) -> int:
        self.step(at, "uncollectible", inv=name)
        at += self.random.randint(1, 40 * DAY)
        after = self.random.choice(("paid", "void", "stays"))
        if after == "paid":
            self.step(at, "pay", charge=charge, invoices=[[name, None]])
        elif after == "void":
            self.step(at, "void", inv=name)
        return at

    def _after(self, name: str, lines: list[Object], charge: str, at: int) -> None:
        """Refunds, credit notes and disputes of what was paid."""
        for _ in range(self.random.choice((0, 0, 1, 1, 2, 3))):
            at += self.random.randint(0, 12 * DAY)
            kind = self.random.choice(("refund", "refund", "all", "credit", "linked", "dispute", "dispute"))  # fmt: skip
            amount = self.random.choice((self.random.randint(1, 5000), self.random.randint(1, 50000), 333))  # fmt: skip
            refund = self.new("r")
            if kind == "refund":
                status = self.random.choice(("succeeded",) * 5 + ("failed",))
                self.step(at, "refund", charge=charge, refund=refund, amount=amount, status=status)
            elif kind == "all":
                self.step(at, "refund", charge=charge, refund=refund, amount=10**9, status="succeeded")  # fmt: skip
            elif kind == "credit":
                self._credit(name, lines, at, [])
            elif kind == "linked":
                self.step(at, "refund", charge=charge, refund=refund, amount=amount, status="succeeded")  # fmt: skip
                self._credit(name, lines, at, [[refund, amount]])
            else:
                dispute = self.new("q")
                status = self.random.choice(("needs_response", "under_review", "warning_needs_response"))  # fmt: skip
                self.step(at, "dispute", charge=charge, dispute=dispute, amount=amount, status=status)  # fmt: skip
                if self.chance(0.7):
                    later = at + self.random.randint(1, 40 * DAY)
                    self.step(later, "decide", dispute=dispute, to=self.random.choice(("won", "lost")))  # fmt: skip

    def _credit(self, name: str, lines: list[Object], at: int, refunds: list[list[Any]]) -> None:
        chosen = self.random.sample(lines, min(len(lines), self.random.randint(1, 3)))
        credited = []
        for line in chosen:
            if line["amount"] <= 0:
                continue
            part = self.random.choice((1, 2, 3, 10))
            credited.append(
                {
                    "line": line["line"], "amount": line["amount"] // part, "off": [off // part for off in line["off"]],
                    "taxes": [[tax // part, inclusive] for tax, inclusive in line["taxes"]],
                }
            )  # fmt: skip
        if lines and self.chance(0.15):
            amount = self.random.randint(1, 2000)
            credited.append({"line": None, "amount": amount, "off": [], "taxes": self.random.choice(([], [[amount // 6, True]]))})  # fmt: skip
        if credited:
            self.step(at, "credit", inv=name, note=self.new("o"), lines=credited, refunds=refunds)


def script(seed: int, number: int) -> Object:
    """The history of that seed and number."""
    return Writer(seed, number).script()
