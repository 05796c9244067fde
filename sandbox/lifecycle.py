"""What ordinary customers live through, week by week: work, problems, plans, seats, leaving.

Each customer has an engagement (how much its work needs the product) and a satisfaction (what it
thinks of it). Both move weekly; projects end, incidents and long tickets hurt. Usage follows
engagement and plan. At each renewal the customer reviews its plan: the chance that it leaves then
is `leaving_odds`, a function of what can be seen of it, more or less; a payment may fail as well.
All random streams are keyed by customer, and run forward in time only: what has happened never
depends on how far the simulation goes.
"""

from __future__ import annotations

import calendar
import hashlib
import math
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np

from sandbox.company import Account, BillingAction, CompanyOptions
from sandbox.people import Person
from sandbox.tickets import Ticket, open_ticket
from sandbox.weather import incident

WEEK = timedelta(days=7)
TIER_LEVEL = {"Free": 1.0, "Developer": 3.2, "Team": 7.0, "Enterprise": 16.0}
PRICING_EXPERIMENT = "developer_price_2024"
ONBOARDING_EXPERIMENT = "onboarding_checklist"
# Share of failed payments that end in a cancellation.
INVOLUNTARY = 0.30


@dataclass
class Paid:
    """A stretch of paying, of one subscription.

    Attributes:
        key: The customer's name for the subscription.
        begins: When MRR begins (after the trial).
        anchor: Renewals are whole months, or years, after this.
        annual: Renewed by the year.
        ends: When MRR falls to 0; None: not decided.
        asked_at: When the customer asked for the end; None: it hasn't, or it was the payment.
        involuntary: Ended by failed payments.
    """

    key: str
    begins: datetime
    anchor: datetime
    annual: bool
    ends: datetime | None = None
    asked_at: datetime | None = None
    involuntary: bool = False


@dataclass
class Life:
    """One customer's history, up to the horizon and a little beyond; readers cut it at theirs.

    Attributes:
        account: The account at signup.
        key: Keys its random streams elsewhere.
        first_week: Number of the week of its signup.
        engagement: Per week.
        satisfaction: Per week.
        level: Calls on a usual day, per week, before the company's scale.
        tiers: Tier per week.
        seats: Seats per week.
        tier_changes: (when, from, to).
        actions: What it does in billing.
        tickets: Its tickets, in order.
        paid: Its stretches of paying.
        dunning: Failing payments: (from, until, ends in cancellation).
        metered: Billed usage: (subscription's key, price, from, to), for periods.
        active_from: First call is possible from here; None: it never calls.
        users: Number of users.
        person: Hidden traits; None for the odd customers, whose lives are scripted.
        created_at: When the product's database knows it, if later than its signup.
    """

    account: Account
    key: int
    first_week: int
    engagement: list[float] = field(default_factory=list)
    satisfaction: list[float] = field(default_factory=list)
    level: list[float] = field(default_factory=list)
    tiers: list[str] = field(default_factory=list)
    seats: list[int] = field(default_factory=list)
    tier_changes: list[tuple[datetime, str, str]] = field(default_factory=list)
    actions: list[BillingAction] = field(default_factory=list)
    tickets: list[Ticket] = field(default_factory=list)
    paid: list[Paid] = field(default_factory=list)
    dunning: list[tuple[datetime, datetime, bool]] = field(default_factory=list)
    metered: list[tuple[str, str, datetime, datetime]] = field(default_factory=list)
    active_from: datetime | None = None
    users: int = 2
    person: Person | None = None
    created_at: datetime | None = None

    def week_of(self, start: datetime, at: datetime) -> int:
        """Index into the weekly lists for an instant."""
        week = int((at - start) / WEEK) - self.first_week
        return max(0, min(week, len(self.engagement) - 1))

    def tier_at(self, at: datetime) -> str:
        """Tier just before an instant."""
        tier = self.account.tier
        for changed, _, new in self.tier_changes:
            if changed < at:
                tier = new
        return tier


def add_months(anchor: datetime, months: int) -> datetime:
    """`months` after an anchor, on its day of the month or the month's last, as Stripe renews."""
    years, month = divmod(anchor.month - 1 + months, 12)
    year = anchor.year + years
    return anchor.replace(
        year=year, month=month + 1, day=min(anchor.day, calendar.monthrange(year, month + 1)[1])
    )


def leaving_odds(
    *,
    engagement: float,
    satisfaction: float,
    open_tickets: int,
    trend: float,
    tenure_months: float,
    tier: str,
    failed_lately: bool,
    annual: bool,
    renewal: bool,
) -> float:
    """The true chance that a customer, reviewing its plan now, leaves at the end of this month.

    Args:
        engagement: About a standard normal.
        satisfaction: About a standard normal.
        open_tickets: Unsolved now.
        trend: Log of the last 4 weeks' usage over the 4 before.
        tenure_months: Since it began to pay.
        tier: Its plan.
        failed_lately: A payment failed in the last 60 days.
        annual: Pays by the year: it hardly leaves but when the year is over.
        renewal: The period, of a month or a year, ends now.
    """
    x = (
        -3.5
        - 1.25 * engagement
        - 0.6 * satisfaction
        + 0.55 * min(open_tickets, 3)
        - 0.9 * max(-1.5, min(1.0, trend))
        - 0.30 * math.log1p(tenure_months)
        + {"Developer": 0.45, "Team": 0.0, "Enterprise": -0.6}[tier]
        + (0.6 if failed_lately else 0.0)
    )
    p = 1 / (1 + math.exp(-x))
    if annual:
        p = min(0.6, 3 * p) if renewal else 0.05 * p
    return p


class _Living:
    """The walk of one customer through its weeks; `live` runs it."""

    def __init__(self, options: CompanyOptions, person: Person, last_week: int) -> None:
        self.start, self.seed = options.start_at, options.seed
        account = person.account
        first = int((account.signup_at - self.start) / WEEK)
        weeks = max(1, last_week - first + 1)
        self.normals = (
            np.random.default_rng([options.seed, 12, person.index])
            .standard_normal((weeks, 4))
            .tolist()
        )
        self.uniforms = (
            np.random.default_rng([options.seed, 13, person.index]).random((weeks, 14)).tolist()
        )
        self.reviews = np.random.default_rng([options.seed, 14, person.index])
        self.person = person
        self.life = Life(account=account, key=person.index, first_week=first, person=person)
        if person.activates_after is not None:
            self.life.active_from = account.signup_at + person.activates_after
        self.life.users = max(1, min(14, 1 + person.seats // 3))
        self.e = person.fit + 0.6 * self.normals[0][3]
        self.s = person.patience
        self.fit, self.plan, self.seats = person.fit, person.plan, person.seats
        self.tier = account.tier
        self.cumulated = 0.0
        self.periods = 0
        self.current: Paid | None = None
        self.month = 0
        self.gone_since: datetime | None = None
        self.threshold = person.threshold

    # --- one week ---------------------------------------------------------------------------------

    def live(self) -> Life:
        for n in range(len(self.normals)):
            begins = self.start + (self.life.first_week + n) * WEEK
            self._week(n, begins, begins + WEEK)
        return self.life

    def _week(self, n: int, begins: datetime, ends: datetime) -> None:
        life, normal, u = self.life, self.normals[n], self.uniforms[n]
        life.engagement.append(self.e)
        life.satisfaction.append(self.s)
        life.tiers.append(self.tier)
        life.seats.append(self.seats)
        life.level.append(self._level(n))
        trouble = incident(self.seed, life.first_week + n)
        entered = max(begins, life.account.signup_at)
        known_for = (ends - entered) / WEEK
        if life.active_from is not None and life.active_from < ends:
            hurt = self._tickets(n, entered, known_for, u, trouble)
        else:
            hurt = 0.0
        if self.current is None:
            self._maybe_subscribe(n, entered, ends, u)
        if self.current is not None:
            asked = self.current.asked_at is not None
            self._renewals(ends)
            if self.current is not None and not asked and self.current.asked_at is None:
                self._change_plan(n, begins, u)
        # What the week leaves behind. A project that ends takes the need for the product with it.
        if u[0] < 0.015:
            self.fit -= 1.3
        elif u[0] > 0.992:
            self.fit += 0.8
        self.e += 0.12 * (self.fit - self.e) + 0.30 * normal[0]
        self.s += (
            0.10 * (self.person.patience - self.s)
            + 0.22 * normal[1]
            - hurt
            - 1.5 * trouble * (u[1] < 0.3)
        )

    def _level(self, n: int) -> float:
        """Calls on a usual day."""
        ramp = min(1.0, 0.45 + 0.2 * n)
        growth = 1 + 0.012 * min(n, 78)
        gone = 1.0
        if self.tier == "Free" and self.gone_since is not None:
            # Most who left are silent; some go on a little on the free plan.
            gone = 0.25 if self.person.index % 4 == 0 else 0.0
        return (
            TIER_LEVEL[self.tier]
            * self.person.usage_factor
            * math.exp(0.75 * self.e)
            * ramp
            * growth
            * gone
        )

    def _tickets(
        self, n: int, entered: datetime, known_for: float, u: list[float], trouble: float
    ) -> float:
        """Open this week's tickets; returns how much they hurt."""
        paying = self.current is not None
        rate = (0.055 + 0.02 * min(self.seats, 40) ** 0.5 if paying else 0.02) * math.exp(
            -0.35 * self.s
        )
        if self.gone_since is not None and not paying:
            rate *= 0.15
        rate = min(1.5, rate + (0.8 * trouble if paying else 0.2 * trouble)) * known_for
        hurt, chance = 0.0, u[2]
        for k in range(2):
            if chance < 1 - math.exp(-rate / (k + 1)):
                at = entered + (0.02 + 0.47 * (k + u[3 + k])) * known_for * WEEK
                ticket = open_ticket(
                    [self.seed, 15, self.person.index, self.life.first_week + n, k],
                    self.life.account.account_id,
                    at.replace(microsecond=0),
                    self.s,
                    incident=trouble > 0,
                )
                self.life.tickets.append(ticket)
                hurt += 0.45 if ticket.stuck else 0.06
                chance = u[5]
            else:
                break
        return hurt

    # --- plans ------------------------------------------------------------------------------------

    def _maybe_subscribe(self, n: int, entered: datetime, ends: datetime, u: list[float]) -> None:
        person, life = self.person, self.life
        if person.activates_after is None:
            return
        if self.gone_since is not None:
            # Coming back: after a month at least, mostly never.
            away = (ends - self.gone_since) / WEEK
            if away > 5 and self.periods < 3 and u[6] < 0.008 * math.exp(0.8 * self.e):
                self.fit = max(self.fit, 0.3)
                self._subscribe(entered + u[7] * (ends - entered), trial=False, u=u)
            return
        if n == 0 and person.beginning in {"direct", "trial"}:
            at = life.account.signup_at + timedelta(minutes=4 + 50 * u[7])
            if at < ends:
                self._subscribe(at, trial=person.beginning == "trial", u=u)
            else:
                self._subscribe(
                    life.account.signup_at + timedelta(seconds=40),
                    trial=person.beginning == "trial",
                    u=u,
                )
            return
        if life.active_from is None or life.active_from >= ends:
            return
        chance = {"free": 0.006, "free_then_paid": 0.17}.get(person.beginning, 0.03) * math.exp(
            0.4 * self.e
        )
        if onboarding_arm(self.seed, life.account) == "checklist":
            chance *= 1.35
        if person.plan == "Developer" and pricing_arm(self.seed, life.account) == "price_59":
            chance *= 0.78
        if u[6] < chance:
            earliest = max(entered, life.active_from)
            self._subscribe(earliest + u[7] * (ends - earliest), trial=False, u=u)

    def _subscribe(self, at: datetime, *, trial: bool, u: list[float]) -> None:
        person, life = self.person, self.life
        at = at.replace(microsecond=0)
        self.periods += 1
        key = "main" if self.periods == 1 else f"again_{self.periods}"
        items = [{"price": self._price(), "quantity": self.seats}]
        annual = person.annual and self.periods == 1
        currency = life.account.currency.lower()
        if self.plan == "Enterprise" and not annual and person.index % 3 != 0:
            items.append({"price": f"usage_month_{currency}", "quantity": None})
        params: dict[str, object] = {"key": key, "items": items}
        begins = at
        if trial:
            params["trial_days"] = 14
            begins = at + timedelta(days=14)
        if u[8] < 0.10:
            params["coupon"] = ("welcome20", "growth10", "growth10", "partner15")[int(u[9] * 4)]
        if self.periods == 1 and life.account.country == "DE":
            life.actions.append(
                BillingAction(
                    at - timedelta(seconds=20), "set_tax", {"rate": 19, "inclusive": False}
                )
            )
        life.actions.append(BillingAction(at, "subscribe", params))
        self._set_tier(at, self.plan)
        if trial and self.reviews.random() < 0.22 / (1 + math.exp(1.5 * self.e)):
            gone = begins - timedelta(hours=5)
            life.actions.append(
                BillingAction(gone, "cancel_now", {"key": key, "reason": "voluntary"})
            )
            self._set_tier(gone, "Free")
            self.gone_since = gone
            return
        self.current = Paid(key, begins, begins, annual)
        self.month = 0
        life.paid.append(self.current)

    def _price(self) -> str:
        account = self.life.account
        product = self.plan.lower()
        interval = "year" if self.person.annual and self.periods == 1 else "month"
        if product == "developer" and pricing_arm(self.seed, account) == "price_59":
            product = "developer_b"
        return f"{product}_{interval}_{account.currency.lower()}"

    def _set_tier(self, at: datetime, tier: str) -> None:
        if tier != self.tier:
            self.life.tier_changes.append((at, self.tier, tier))
            self.tier = tier

    def _change_plan(self, n: int, begins: datetime, u: list[float]) -> None:
        paid = self.current
        at = (begins + (0.05 + 0.9 * u[11]) * WEEK).replace(microsecond=0)
        if at < paid.begins + timedelta(days=2) or paid.annual:
            return
        nearest = min(abs(at - add_months(paid.anchor, self.month + k)) for k in (0, 1))
        failing = any(
            begin - timedelta(days=1) < at < until + timedelta(days=1)
            for begin, until, _ in self.life.dunning
        )
        if nearest < timedelta(days=1) or failing:
            # Changes in the hours around a renewal, or while a payment fails, are left to the odd
            # customers.
            return
        price = self._price()
        if self.plan == "Developer":
            if n > 8 and self.e > 0.7 and u[10] < 0.02:
                self.plan, self.seats = "Team", 3 + int(4 * u[12])
                self._action(
                    at, "change_price", {"from": price, "to": self._price(), "quantity": self.seats}
                )
                self._set_tier(at, "Team")
            return
        if self.plan == "Team" and self.e < -1.0 and u[10] < 0.012:
            self.plan, self.seats = "Developer", 1
            self._action(at, "change_price", {"from": price, "to": self._price(), "quantity": 1})
            self._set_tier(at, "Developer")
            return
        if u[10] < 0.045:
            more = u[12] < 1 / (1 + math.exp(-1.2 * self.e - 0.4))
            step = max(1, int(self.seats * (0.08 + 0.2 * u[13])))
            seats = self.seats + step if more else max(2, self.seats - step)
            if seats != self.seats:
                self.seats = seats
                self._action(at, "change_quantity", {"price": price, "quantity": seats})

    def _action(self, at: datetime, kind: str, params: dict[str, object]) -> None:
        shared = {"key": self.current.key, "proration": "create_prorations"}
        self.life.actions.append(BillingAction(at, kind, shared | params))

    # --- renewals ---------------------------------------------------------------------------------

    def _renewals(self, ends: datetime) -> None:
        """Carry out ends that are due, then review the renewals whose review falls in this week."""
        while (paid := self.current) is not None:
            if paid.ends is not None:
                if paid.ends >= ends:
                    return
                self._end(paid)
                return
            due = add_months(paid.anchor, self.month + 1)
            # A review is five days ahead, so that this week's state is what decides.
            if due - timedelta(days=5) >= ends:
                return
            self._review(paid, due)

    def _review(self, paid: Paid, due: datetime) -> None:
        life = self.life
        self.month += 1
        u = self.reviews.random(8).tolist()
        review = (due - timedelta(days=0.2 + 4.7 * u[0])).replace(microsecond=0)
        renewal = not paid.annual or self.month % 12 == 0
        odds = self._odds(paid, review, renewal=renewal)
        self.cumulated -= math.log(1 - odds)
        metered = f"usage_month_{life.account.currency.lower()}"
        if any(
            action.kind == "subscribe" and action.params["key"] == paid.key
            and any(item["price"] == metered for item in action.params["items"])
            for action in life.actions
        ):  # fmt: skip
            life.metered.append((paid.key, metered, add_months(paid.anchor, self.month - 1), due))
        if self.cumulated > self.threshold:
            paid.asked_at = review
            now_or_never = not renewal or u[1] < 0.4
            paid.ends = review if now_or_never else due
            kind = "cancel_now" if now_or_never else "cancel_at_period_end"
            life.actions.append(
                BillingAction(review, kind, {"key": paid.key, "reason": "voluntary"})
            )
            # The next time it comes, it starts afresh.
            self.cumulated, self.threshold = 0.0, -math.log(1 - 0.999 * u[2])
        elif renewal and u[3] < failing_odds(self.s):
            cancel = u[4] < INVOLUNTARY
            until = due + timedelta(days=14 + 7 * u[5] if cancel else 1 + 17 * u[5] ** 1.5)
            until = until.replace(microsecond=0)
            since = due - timedelta(hours=2)
            then = "cancel" if cancel else "recover"
            params = {"key": paid.key, "from": since, "until": until, "then": then}
            life.actions.append(BillingAction(since, "payment_fails", params))
            life.dunning.append((due, until, cancel))
            if cancel:
                paid.ends, paid.involuntary = until, True

    def _odds(self, paid: Paid, at: datetime, *, renewal: bool) -> float:
        n = len(self.life.engagement) - 1
        return leaving_odds(
            engagement=self.e,
            satisfaction=self.s,
            open_tickets=sum(ticket.is_open(at) for ticket in self.life.tickets[-8:]),
            trend=usage_trend(self.life.level, n),
            tenure_months=(at - paid.begins) / timedelta(days=30.4),
            tier=self.plan,
            failed_lately=failed_lately(self.life, at),
            annual=paid.annual,
            renewal=renewal,
        )

    def _end(self, paid: Paid) -> None:
        self._set_tier(paid.ends, "Free")
        self.gone_since = paid.ends
        self.current = None


def live(options: CompanyOptions, person: Person, last_week: int) -> Life:
    """Simulate one ordinary customer through a number of the company's weeks.

    Args:
        options: The company.
        person: Who.
        last_week: Number of the last week, counted from the company's first day.
    """
    return _Living(options, person, last_week).live()


def usage_trend(level: list[float], week: int) -> float:
    """Log of the usage of the four weeks up to one, over that of the four before; 0 if unknown."""
    if week < 8:
        return 0.0
    before, after = sum(level[week - 7 : week - 3]), sum(level[week - 3 : week + 1])
    return math.log(after / before) if before > 0 and after > 0 else 0.0


def failing_odds(satisfaction: float) -> float:
    """The chance that a renewal's payment fails; careless customers have old cards."""
    return 0.026 * math.exp(-0.3 * max(-2.0, min(2.0, satisfaction)))


def failed_lately(life: Life, at: datetime) -> bool:
    """Whether a payment failed in the 60 days before an instant."""
    return any(begin < at and until > at - timedelta(days=60) for begin, until, _ in life.dunning)


def onboarding_arm(seed: int, account: Account) -> str | None:
    """Arm of the onboarding experiment; only who signs up from the fourth month on is exposed."""
    return _arm(seed, account, ONBOARDING_EXPERIMENT, ("control", "checklist"))


def pricing_arm(seed: int, account: Account) -> str | None:
    """Arm of the pricing experiment, Developer at 49 or 59 dollars or so; None: not exposed."""
    if account.tier != "Free":
        return None
    return _arm(seed, account, PRICING_EXPERIMENT, ("price_49", "price_59"))


def _arm(seed: int, account: Account, experiment: str, arms: tuple[str, str]) -> str:
    digest = hashlib.blake2b(
        f"{seed}:{experiment}:{account.account_id}".encode(), digest_size=4
    ).digest()
    return arms[digest[0] % 2]
