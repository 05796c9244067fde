"""The named odd customers of the company: one per billing oddity, with fixed actions.

`sandbox/README.md` tells what every table must say of each. Their account ids are `acc_odd_<name>`.
Most of what they do lies in the first half year; no month loses more than three of them, since they
count in the company's churn.

Run: `odd_customers(start, now)`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any

from sandbox.company import Account, BillingAction

Story = tuple[Account, list[BillingAction]]
_COUNTRIES = {"USD": "US", "EUR": "DE", "JPY": "JP", "KWD": "KW"}


class _Teller:
    """Writes one customer's story in days since the company's start."""

    def __init__(
        self,
        start: datetime,
        name: str,
        note: str,
        *,
        signup: float = 4,
        tier: str = "Developer",
        currency: str = "USD",
        **more: Any,
    ) -> None:
        self._start = start
        self._actions: list[BillingAction] = []
        words = name.replace("_", " ").title()
        self._account = Account(
            account_id=f"acc_odd_{name}",
            name=f"Odd {words}",
            email=f"billing@odd-{name.replace('_', '-')}.example",
            country=_COUNTRIES[currency],
            industry="Software",
            tier=tier,
            currency=currency,
            signup_at=self.time(signup),
            note=note,
            **more,
        )

    def time(self, day: float) -> datetime:
        """The instant so many days after the company's start."""
        return self._start + timedelta(days=day)

    def does(self, day: float, kind: str, /, **params: Any) -> _Teller:
        """Add an action."""
        self._actions.append(BillingAction(self.time(day), kind, params))
        return self

    def subscribes(
        self, day: float, price: str, quantity: int | None = 1, key: str = "main", **more: Any
    ) -> _Teller:
        """Begin a subscription of one price."""
        item = {"price": price, "quantity": quantity}
        return self.does(day, "subscribe", key=key, items=[item], **more)

    def fails(self, day: float, until: float) -> _Teller:
        """Let payments fail for a time, after which what is open is paid."""
        return self.does(day, "payment_fails", until=self.time(until), then="recover")

    def told(self) -> Story:
        """The account and its actions."""
        return self._account, self._actions


Tell = Callable[..., _Teller]


def odd_customers(start: datetime, now: datetime) -> list[Story]:
    """All odd customers that have signed up by `now`, with the actions that lie before it.

    Args:
        start: The company's first instant.
        now: Exclusive end.
    """

    def tell(name: str, note: str, **more: Any) -> _Teller:
        return _Teller(start, name, note, **more)

    stories = [
        teller.told()
        for chapter in (
            _intervals,
            _trials,
            _changes,
            _coupons,
            _pauses_and_failures,
            _ends,
            _schedules,
            _money,
            _prices,
            _lines,
            _reversals,
            _strays,
        )
        for teller in chapter(tell)
    ]
    return [
        (account, [action for action in actions if action.at < now])
        for account, actions in stories
        if account.signup_at < now
    ]


def _intervals(tell: Tell) -> Iterator[_Teller]:
    yield tell("annual", "pays by the year").subscribes(9.5, "developer_year_usd")
    yield tell("quarterly", "pays by the quarter", tier="Team").subscribes(
        10.25, "team_quarter_usd", 2
    )
    yield tell("weekly", "pays by the week").subscribes(11.4, "developer_week_usd")
    # Sixty daily invoices are enough.
    yield (
        tell("daily", "pays by the day, for two months")
        .subscribes(12.6, "developer_day_usd")
        .does(71.7, "cancel_now", key="main")
    )
    yield tell("mixed_intervals", "a month and a year in one subscription, half off").does(
        13.5,
        "subscribe",
        key="main",
        items=[
            {"price": "support_month_usd", "quantity": 1},
            {"price": "support_year_usd", "quantity": 1},
        ],
        coupon="half_forever",
    )
    yield (
        tell("month_to_year", "moves from monthly to annual")
        .subscribes(14.5, "developer_month_usd")
        .does(
            65.5,
            "change_price",
            key="main",
            **{"from": "developer_month_usd"},
            to="developer_year_usd",
        )
    )
    # 31 January 23:30: renewals are drafts over midnight, so their revenue is the next month's.
    yield tell("month_edge", "renews in the last half hour of a month").subscribes(
        30 + 23.5 / 24, "developer_month_usd"
    )
    # Exactly the first instant of February: it isn't in January's MRR.
    yield tell("first_instant", "begins at the first instant of a month").subscribes(
        31, "developer_month_usd"
    )


def _trials(tell: Tell) -> Iterator[_Teller]:
    yield tell("trial_converts", "trial of 14 days, then pays").subscribes(
        20.5, "developer_month_usd", trial_days=14
    )
    yield tell("trial_lapses", "trial of 14 days, then gone").subscribes(
        20.75, "developer_month_usd", trial_days=14, missing_payment_method="cancel"
    )
    yield tell("trial_pauses", "trial of 14 days, then paused for good").subscribes(
        21.5, "developer_month_usd", trial_days=14, missing_payment_method="pause"
    )
    yield (
        tell("incomplete", "its first payment never succeeds")
        .does(22.4, "payment_fails", until=None, then="cancel")
        .subscribes(22.5, "developer_month_usd")
    )


def _changes(tell: Tell) -> Iterator[_Teller]:
    yield (
        tell("seats", "3 seats, then 7, then 5", tier="Team")
        .subscribes(9.5, "team_month_usd", 3)
        .does(54.25, "change_quantity", key="main", price="team_month_usd", quantity=7)
        .does(84.75, "change_quantity", key="main", price="team_month_usd", quantity=5)
    )
    yield (
        tell("upgrade", "Developer to Enterprise in the middle of a month")
        .subscribes(14, "developer_month_usd")
        .does(
            60.5,
            "change_price",
            key="main",
            **{"from": "developer_month_usd"},
            to="enterprise_month_usd",
        )
    )
    yield (
        tell("downgrade", "Enterprise to Developer, settled at once", tier="Enterprise")
        .subscribes(15, "enterprise_month_usd", 2)
        .does(
            66.25,
            "change_price",
            key="main",
            **{"from": "enterprise_month_usd"},
            to="developer_month_usd",
            quantity=1,
            proration="always_invoice",
        )
    )
    yield (
        tell("two_subscriptions", "a plan and premium support; support ends")
        .subscribes(16.5, "developer_month_usd")
        .subscribes(40.5, "support_month_usd", key="support")
        .does(120.5, "cancel_now", key="support")
    )
    yield (
        tell("add_on", "adds and drops an item within one subscription", tier="Team")
        .subscribes(17.5, "team_month_usd", 2)
        .does(55.5, "add_item", key="main", price="support_month_usd", quantity=1)
        .does(100.5, "remove_item", key="main", price="support_month_usd")
    )
    yield (
        tell("free_plan", "free, then paid, then free again", tier="Free")
        .subscribes(18.5, "free_month_usd")
        .does(
            70.5, "change_price", key="main", **{"from": "free_month_usd"}, to="developer_month_usd"
        )
        .does(
            140.5,
            "change_price",
            key="main",
            **{"from": "developer_month_usd"},
            to="free_month_usd",
        )
    )
    yield (
        tell("zero_quantity", "lowers its seats to none, and returns", tier="Team")
        .subscribes(19.5, "team_month_usd", 2)
        .does(255.5, "change_quantity", key="main", price="team_month_usd", quantity=0)
        .does(310.5, "change_quantity", key="main", price="team_month_usd", quantity=1)
    )


def _coupons(tell: Tell) -> Iterator[_Teller]:
    yield tell("coupon_once", "20 % off its first invoice").subscribes(
        8.5, "developer_month_usd", coupon="welcome20", promotion_code=True
    )
    yield tell("coupon_repeating", "half off for three months").subscribes(
        8.75, "developer_month_usd", coupon="half3"
    )
    yield tell("coupon_forever", "10 % off for good").subscribes(
        9.25, "developer_month_usd", coupon="forever10"
    )
    yield tell("coupon_free", "nothing to pay for three months").subscribes(
        9.75, "developer_month_usd", coupon="free3"
    )
    yield tell("coupon_annual", "120 dollars off each year", tier="Team").subscribes(
        10.5, "team_year_usd", 3, coupon="forever12000"
    )
    yield tell("coupon_stacked", "10 % off the item, then 20 dollars off", tier="Team").does(
        11.5,
        "subscribe",
        key="main",
        items=[{"price": "team_month_options", "quantity": 10, "coupon": "forever10"}],
        coupon="forever2000",
    )
    yield tell("coupon_spread", "10 dollars off, spread over three items", tier="Team").does(
        12.5,
        "subscribe",
        key="main",
        items=[
            {"price": "team_month_options", "quantity": 1},
            {"price": "credits_pack_usd", "quantity": 5},
            {"price": "team_addon_usd", "quantity": 1},
        ],
        coupon="forever1000",
    )
    yield tell("coupon_product", "25 % off support only").does(
        13.25,
        "subscribe",
        key="main",
        items=[
            {"price": "developer_month_usd", "quantity": 1},
            {"price": "support_month_usd", "quantity": 1},
        ],
        coupon="support25",
    )
    yield (
        tell("coupon_customer", "10 % as a customer, 20 % on one of two subscriptions")
        .does(13.5, "apply_coupon", coupon="forever10")
        .subscribes(13.75, "developer_month_usd", coupon="forever20")
        .subscribes(14.75, "support_month_usd", key="support")
    )
    yield (
        tell("coupon_removed", "a discount that is taken away")
        .subscribes(15.5, "developer_month_usd", coupon="forever20")
        .does(90.5, "remove_coupon", key="main", coupon="forever20")
    )


def _pauses_and_failures(tell: Tell) -> Iterator[_Teller]:
    yield (
        tell("paused", "pauses and stays so")
        .subscribes(10, "developer_month_usd")
        .does(310.5, "pause", key="main")
    )
    yield (
        tell("pause_resumes", "pauses for 45 days")
        .subscribes(11, "developer_month_usd")
        .does(62.5, "pause", key="main", behavior="void")
        .does(107.5, "resume", key="main")
    )
    yield (
        tell("past_due", "a payment fails and succeeds nine days later")
        .subscribes(12, "developer_month_usd")
        .does(70, "payment_fails", until=None, then="recover")
    )
    yield (
        tell("unpaid", "payments fail for good: unpaid", tier="Team")
        .subscribes(13, "team_month_usd", 4)
        .does(162.5, "payment_fails", until=None, then="unpaid")
    )
    yield (
        tell("involuntary", "payments fail for good: canceled")
        .subscribes(11, "developer_month_usd")
        .does(40, "payment_fails", until=None, then="cancel")
    )


def _ends(tell: Tell) -> Iterator[_Teller]:
    yield (
        tell("cancel_now", "cancels at once")
        .subscribes(15, "developer_month_usd")
        .does(96.5, "cancel_now", key="main", feedback="too_expensive")
    )
    yield (
        tell("cancel_period_end", "cancels at the end of the period")
        .subscribes(16, "developer_month_usd")
        .does(97.5, "cancel_at_period_end", key="main", feedback="unused")
    )
    yield (
        tell("cancel_withdrawn", "asks to cancel, and stays")
        .subscribes(17, "developer_month_usd")
        .does(98.5, "cancel_at_period_end", key="main")
        .does(101.5, "uncancel", key="main")
    )
    yield (
        tell("reactivation", "leaves, and is back seven weeks later")
        .subscribes(18, "developer_month_usd")
        .does(68.5, "cancel_now", key="main")
        .subscribes(118.5, "developer_month_usd", key="again")
    )
    # STRIPE.md's case 9: the gap lies over a month's end.
    yield (
        tell("migration", "one plan ends at 23:00, the next begins at 10:00", tier="Team")
        .subscribes(5, "team_month_options", 10)
        .does(30 + 23 / 24, "cancel_now", key="main")
        .subscribes(31 + 10 / 24, "team_month_options", 12, key="next")
    )
    yield (
        tell("migration_overlap", "the next plan begins five hours before the old one ends")
        .subscribes(6, "developer_month_usd")
        .subscribes(75.5, "support_month_usd", key="next")
        .does(75.5 + 5 / 24, "cancel_now", key="main")
    )
    yield (
        tell("migration_late", "the next plan begins 25 hours after: churn and reactivation")
        .subscribes(7, "developer_month_usd")
        .does(76.5, "cancel_now", key="main")
        .subscribes(77.5 + 1 / 24, "support_month_usd", key="next")
    )


def _schedules(tell: Tell) -> Iterator[_Teller]:
    yield tell("schedule", "a schedule: a plan for two months, then seats of another").does(
        20.5,
        "subscription_schedule",
        phases=[
            {"price": "developer_month_usd", "quantity": 1, "months": 2},
            {"price": "team_month_usd", "quantity": 2, "months": 3},
        ],
    )
    yield tell(
        "schedule_ends", "a schedule that begins nine days later, with 10 % off, and ends"
    ).does(
        22.5,
        "subscription_schedule",
        phases=[{"price": "developer_month_usd", "months": 9, "coupon": "forever10"}],
        starts_in_days=9,
        end_behavior="cancel",
    )


def _money(tell: Tell) -> Iterator[_Teller]:
    yield tell("eur", "pays in euro by a currency option", tier="Team", currency="EUR").subscribes(
        10, "team_month_options", 3, coupon="forever10"
    )
    yield tell("jpy", "pays in yen, which has no cents", tier="Team", currency="JPY").subscribes(
        11, "team_month_options", 3, coupon="forever1000"
    )
    yield tell("kwd", "pays in dinar, of a thousand fils", tier="Team", currency="KWD").subscribes(
        12, "team_month_options", 3
    )
    yield (
        tell("tax_inclusive", "119 euro with 19 % inside, 10 % off", currency="EUR")
        .does(12.9, "set_tax", rate=19, inclusive=True)
        .subscribes(13, "developer_month_eur_inclusive", coupon="forever10")
    )
    yield (
        tell("tax_exclusive", "19 % on top", currency="EUR")
        .does(13.9, "set_tax", rate=19, inclusive=False)
        .subscribes(14, "developer_month_eur")
    )


def _prices(tell: Tell) -> Iterator[_Teller]:
    yield (
        tell("graduated", "graduated tiers: 4 seats, then 12, then 25", tier="Team")
        .subscribes(15, "team_graduated_usd", 4)
        .does(50.5, "change_quantity", key="main", price="team_graduated_usd", quantity=12)
        .does(100.5, "change_quantity", key="main", price="team_graduated_usd", quantity=25)
    )
    yield tell("volume", "volume tiers at 12 seats", tier="Team").subscribes(
        16, "team_volume_usd", 12
    )
    yield tell("packs", "packs of five, rounded up").subscribes(17, "credits_pack_usd", 12)
    metered = tell("metered", "a plan and metered calls").does(
        18,
        "subscribe",
        key="main",
        items=[{"price": "developer_month_usd", "quantity": 1}, {"price": "usage_fine_usd"}],
    )
    for month, used in enumerate((12_345, 20_001, 7, 0, 30_000)):
        metered.does(
            25 + 30 * month, "report_usage", key="main", price="usage_fine_usd", quantity=used
        )
    yield metered.does(150.5, "cancel_at_period_end", key="main")


def _lines(tell: Tell) -> Iterator[_Teller]:
    yield (
        tell("one_off", "buys onboarding once")
        .subscribes(19, "developer_month_usd")
        .does(33.5, "invoice_item", price="onboarding_once_usd", description="Onboarding")
        .does(
            60.5, "invoice_item", amount=2500, description="Extra storage", when="next", tax=False
        )
    )
    yield tell("many_lines", "an invoice of twelve lines").does(
        20.5,
        "invoice_item",
        amounts=[100 * n for n in range(1, 13)],
        description="Consulting day",
    )


def _reversals(tell: Tell) -> Iterator[_Teller]:
    yield (
        tell("credit_note", "a third of a paid invoice is credited to its balance")
        .subscribes(8, "support_month_usd")
        .does(45.5, "credit_note", which="first", amount=3300)
    )
    yield (
        tell("credit_note_custom", "an open invoice is credited in part by a line of its own")
        .subscribes(8.5, "support_month_usd")
        .does(60, "payment_fails", until=None, then="recover")
        .does(70.5, "credit_note", amount=900, custom=True)
    )
    yield (
        tell("refund_partial", "half of an invoice with tax is refunded", currency="EUR")
        .does(8.9, "set_tax", rate=19, inclusive=False)
        .subscribes(9, "team_plain_eur")
        .does(47.5, "refund", which="first", amount=5950)
    )
    yield (
        tell("refund_full", "an invoice with tax is credited and refunded whole", currency="EUR")
        .does(9.4, "set_tax", rate=19, inclusive=False)
        .subscribes(9.5, "team_plain_eur")
        .does(47.5, "refund", which="first", share=1, link_credit_note=True)
        .does(48.5, "cancel_now", key="main")
    )
    # Yen that are gone already: the balance stays below zero until the bank account is debited.
    yield (
        tell(
            "negative_balance",
            "two invoices are refunded when the balance is empty",
            tier="Team",
            currency="JPY",
        )
        .subscribes(11.5, "team_month_jpy", 20)
        .does(50.5, "refund", which="first", share=1)
        .does(50.75, "refund", which="first", share=1)
    )
    yield (
        tell("dispute_won", "a dispute that is won")
        .subscribes(10, "support_month_usd")
        .does(44.5, "dispute", which="first", outcome="won", closes_after_days=40)
    )
    yield (
        tell("dispute_lost", "a dispute that is lost")
        .subscribes(10.5, "support_month_usd")
        .does(44.5, "dispute", which="first", outcome="lost", closes_after_days=40)
        .does(45.5, "cancel_now", key="main")
    )
    yield (
        tell("dispute_warning", "an inquiry that comes to nothing")
        .subscribes(11, "support_month_usd")
        .does(44.5, "dispute", which="first", outcome="warning_closed", closes_after_days=40)
    )
    yield (
        tell("void", "an open invoice is voided")
        .subscribes(11.5, "developer_month_usd")
        .fails(70, 80)
        .does(74.5, "void", which="last")
    )
    yield (
        tell("uncollectible", "an invoice is written off")
        .subscribes(12.5, "developer_month_usd")
        .does(160, "payment_fails", until=None, then="uncollectible")
    )
    yield (
        tell("uncollectible_paid", "an invoice is written off, and paid a month later")
        .subscribes(13.5, "developer_month_usd")
        .fails(70, 85)
        .does(77.5, "mark_uncollectible", which="last", paid_later_days=30)
    )


def _strays(tell: Tell) -> Iterator[_Teller]:
    yield (
        tell("deleted", "its Stripe customer is deleted", tier="Team")
        .subscribes(14, "team_month_usd", 2)
        .does(105.5, "delete_customer")
    )
    yield tell(
        "unlinked",
        "its Stripe customer doesn't name the account",
        stripe_metadata=False,
        in_product=False,
        silent=True,
    ).subscribes(15, "developer_month_usd")
    yield tell(
        "test_mode",
        "a test-mode customer in the live lists",
        livemode=False,
        in_product=False,
        silent=True,
    ).does(16, "create_customer")
