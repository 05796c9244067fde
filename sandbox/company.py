"""What all parts of the simulated company share: accounts, billing actions, catalogue, options.

Nothing here computes; `sandbox.lifecycle` decides what customers do, `sandbox.billing` does what
they decided, the way Stripe would.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

TIERS = ("Free", "Developer", "Team", "Enterprise")
FEATURES = (
    "basic_quantization",
    "advanced_quantization",
    "batch_processing",
    "real_time_inference",
    "gpu_acceleration",
    "model_hosting",
    "usage_dashboard",
    "webhooks",
    "custom_models",
    "team_workspaces",
    "audit_log",
    "priority_queue",
)
ENDPOINTS = (
    "/quantize",
    "/inference",
    "/batch-process",
    "/analyze",
    "/models",
    "/embeddings",
    "/benchmark",
    "/jobs",
)
CURRENCY_EXPONENTS: Mapping[str, int] = {
    "USD": 2,
    "EUR": 2,
    "GBP": 2,
    "JPY": 0,
    "KWD": 3,
    "AUD": 2,
    "CAD": 2,
    "CHF": 2,
    "INR": 2,
}


@dataclass(frozen=True)
class CompanyOptions:
    """What a company is made from; with the time, all of its data is a pure function of this.

    Attributes:
        customers: Accounts signed up by the end of the base span, the odd ones included.
        months: Length of the base span.
        seed: Seed of every random stream.
        calls: API calls in the base span, about.
        start: First day.
        event_retention_days: How long Stripe events are kept; None keeps them all.
    """

    customers: int = 500
    months: int = 18
    seed: int = 7
    calls: int = 1_000_000
    start: date = date(2024, 1, 1)
    event_retention_days: int | None = None

    @property
    def start_at(self) -> datetime:
        """First instant of the company."""
        return datetime(self.start.year, self.start.month, self.start.day, tzinfo=UTC)

    @property
    def base_end(self) -> datetime:
        """Exclusive end of the base span: where a new company's clock stands."""
        years, month = divmod(self.start.month - 1 + self.months, 12)
        return datetime(self.start.year + years, month + 1, min(self.start.day, 28), tzinfo=UTC)


@dataclass(frozen=True)
class Account:
    """One customer of the company, as at its signup.

    Attributes:
        account_id: `acc_…`; the `customer_id` of silver and gold.
        name: Company name.
        email: Billing contact; two accounts may share one.
        country: ISO 3166 code.
        industry: One of a dozen.
        tier: Tier at signup; later ones are in the product's `account_changes`.
        currency: ISO code of its prices, upper case.
        signup_at: Aware, UTC.
        company_size: Employees.
        calls_per_day: Usual calls on a weekday (for the odd ones; the others' is simulated).
        users: Logins that the account has.
        deleted_at: When the product deleted the account, if it did.
        livemode: False for the Stripe objects of the one test-mode customer.
        stripe_metadata: False: its Stripe customer doesn't name the account (then it is known by
            its Stripe id).
        in_product: False: no row in the product's database (the test-mode and unlinked Stripe
            customers).
        silent: True: no usage at all.
        note: What makes it odd, for the README.
        extra: Anything else.
    """

    account_id: str
    name: str
    email: str
    country: str
    industry: str
    tier: str
    currency: str
    signup_at: datetime
    company_size: int = 10
    calls_per_day: float = 3.0
    users: int = 2
    deleted_at: datetime | None = None
    livemode: bool = True
    stripe_metadata: bool = True
    in_product: bool = True
    silent: bool = False
    note: str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BillingAction:
    """One thing that a customer, or the company about it, does in billing.

    Attributes:
        at: When, aware, UTC.
        kind: subscribe, subscription_schedule, change_quantity, change_price, add_item, remove_item, apply_coupon,
            remove_coupon, pause, resume, cancel_now, cancel_at_period_end, uncancel, payment_fails,
            report_usage, invoice_item, refund, credit_note, dispute, void, mark_uncollectible,
            delete_customer, set_tax.
        params: What that kind needs; `key` names the customer's own subscription, `price` a key of
            the catalogue.
    """

    at: datetime
    kind: str
    params: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class PriceSpec:
    """A price of the ordinary catalogue; billing adds odd ones and makes Stripe objects of all.

    Attributes:
        key: `<product>_<interval>_<currency>`, lower case, such as `team_month_eur`.
        product: developer, team, enterprise or usage.
        currency: ISO code, upper case.
        unit_amount: Minor units per unit and interval.
        interval: month or year.
        usage_type: licensed or metered (`usage`: per 100 calls, reported by `report_usage`).
    """

    key: str
    product: str
    currency: str
    unit_amount: int
    interval: str
    usage_type: str = "licensed"


@dataclass(frozen=True)
class CouponSpec:
    """A coupon of the ordinary catalogue.

    Attributes:
        key: Its Stripe id.
        percent_off: Percent.
        duration: once, repeating or forever.
        duration_in_months: For repeating.
    """

    key: str
    percent_off: int
    duration: str
    duration_in_months: int | None = None


# Per seat and month, minor units; a year costs ten months. developer_b is the dearer arm of the
# pricing experiment.
_MONTHLY: Mapping[str, Mapping[str, int]] = {
    "developer": {"USD": 4900, "EUR": 4500, "GBP": 3900, "JPY": 7000, "KWD": 15_000},
    "developer_b": {"USD": 5900, "EUR": 5400, "GBP": 4700, "JPY": 8400, "KWD": 18_000},
    "team": {"USD": 3900, "EUR": 3600, "GBP": 3100, "JPY": 5800, "KWD": 12_000},
    "enterprise": {"USD": 7900, "EUR": 7300, "GBP": 6300, "JPY": 11_800, "KWD": 24_500},
}
_PER_100_CALLS: Mapping[str, int] = {"USD": 250, "EUR": 230, "GBP": 200, "JPY": 370, "KWD": 770}

ORDINARY_PRICES: tuple[PriceSpec, ...] = (
    *(
        PriceSpec(
            f"{product}_{interval}_{currency.lower()}",
            product.removesuffix("_b"),
            currency,
            amount * (10 if interval == "year" else 1),
            interval,
        )
        for product, amounts in _MONTHLY.items()
        for currency, amount in amounts.items()
        for interval in ("month", "year")
    ),
    *(
        PriceSpec(f"usage_month_{currency.lower()}", "usage", currency, amount, "month", "metered")
        for currency, amount in _PER_100_CALLS.items()
    ),
)

ORDINARY_COUPONS: tuple[CouponSpec, ...] = (
    CouponSpec("welcome20", 20, "once"),
    CouponSpec("growth10", 10, "repeating", 3),
    CouponSpec("partner15", 15, "forever"),
)
