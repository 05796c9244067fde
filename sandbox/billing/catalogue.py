"""The company's products, prices, coupons, promotion codes and tax rates, as Stripe objects.

The ordinary ones come from `sandbox.company`; the odd ones (weekly, daily, quarterly, tiers,
currency options, …) stand here. All of them exist from the company's first instant.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import orjson

from sandbox.billing.ids import stripe_id
from sandbox.billing.mrr import Rate, Tier
from sandbox.company import ORDINARY_COUPONS, ORDINARY_PRICES

TAX_PERCENTAGES = (5, 7, 8, 10, 19, 20, 21, 22, 25)
PRODUCTS = {
    "free": "Free",
    "developer": "Developer",
    "team": "Team",
    "enterprise": "Enterprise",
    "usage": "API calls",
    "credits": "Quantization credits",
    "support": "Premium support",
    "onboarding": "Onboarding",
}


@dataclass(frozen=True)
class Price:
    """A price and what the simulation needs of it.

    Attributes:
        key: The name that actions use.
        product: A key of `PRODUCTS`.
        currency: ISO code, lower case as in Stripe.
        rates: What it asks, per currency (lower case).
        interval: day, week, month, year; empty for one-off prices.
        interval_count: So many intervals are a period.
        metered: Billed at the end of a period for what was used.
        tax_behavior: exclusive, inclusive or unspecified.
    """

    key: str
    product: str
    currency: str
    rates: dict[str, Rate]
    interval: str = "month"
    interval_count: int = 1
    metered: bool = False
    tax_behavior: str = "unspecified"


@dataclass(frozen=True)
class Coupon:
    """A coupon: percent or fixed, once, repeating or forever."""

    key: str
    duration: str
    months: int | None = None
    percent: Decimal | None = None
    amount: dict[str, int] = field(default_factory=dict)
    products: tuple[str, ...] = ()


def _flat(key: str, product: str, currency: str, unit: str | int, **more: Any) -> Price:
    return Price(key, product, currency, {currency: Rate(Decimal(unit))}, **more)


def _tiers(*steps: tuple[int | None, int, int]) -> tuple[Tier, ...]:
    return tuple(Tier(up_to, Decimal(unit), Decimal(flat)) for up_to, unit, flat in steps)


ODD_PRICES: tuple[Price, ...] = (
    _flat("free_month_usd", "free", "usd", 0),
    _flat("developer_week_usd", "developer", "usd", 1200, interval="week"),
    _flat("developer_day_usd", "developer", "usd", 200, interval="day"),
    _flat("team_quarter_usd", "team", "usd", 11_100, interval_count=3),
    _flat("support_month_usd", "support", "usd", 9900),
    _flat("support_year_usd", "support", "usd", 99_000, interval="year"),
    _flat("developer_month_eur_inclusive", "developer", "eur", 11_900, tax_behavior="inclusive"),
    _flat("onboarding_once_usd", "onboarding", "usd", 50_000, interval=""),
    Price(
        "team_month_options",
        "team",
        "usd",
        {
            "usd": Rate(Decimal(1000)),
            "eur": Rate(Decimal(900)),
            "jpy": Rate(Decimal(1500)),
            "kwd": Rate(Decimal(3100)),
        },
    ),
    Price(
        "team_graduated_usd",
        "team",
        "usd",
        {"usd": Rate(None, _tiers((5, 3900, 2000), (20, 3400, 0), (None, 2900, 0)), "graduated")},
    ),
    Price(
        "team_volume_usd",
        "team",
        "usd",
        {"usd": Rate(None, _tiers((10, 3900, 0), (None, 3000, 1000)), "volume")},
    ),
    Price(
        "credits_pack_usd",
        "credits",
        "usd",
        {"usd": Rate(Decimal(1000), divide_by=5, round_up=True)},
    ),
    _flat("team_addon_usd", "team", "usd", 1000),
    _flat("team_plain_eur", "team", "eur", 10_000),
    _flat("usage_fine_usd", "usage", "usd", "0.5", metered=True),
)

ODD_COUPONS: tuple[Coupon, ...] = (
    Coupon("once2000", "once", amount={"usd": 2000, "eur": 1800}),
    Coupon("half3", "repeating", 3, Decimal(50)),
    Coupon("free3", "repeating", 3, Decimal(100)),
    Coupon("fixed6", "repeating", 6, amount={"usd": 1000}),
    Coupon("forever12000", "forever", amount={"usd": 12_000}),
    Coupon("forever1000", "forever", amount={"usd": 1000, "eur": 900, "jpy": 150, "kwd": 300}),
    Coupon("forever2000", "forever", amount={"usd": 2000}),
    Coupon("half_forever", "forever", None, Decimal(50)),
    Coupon("forever10", "forever", None, Decimal(10)),
    Coupon("forever20", "forever", None, Decimal(20)),
    Coupon("support25", "forever", None, Decimal(25), products=("support",)),
)

PROMOTION_CODES = {"WELCOME": "welcome20", "PARTNER": "partner15", "HALF": "half3"}


def _decimal_text(value: Decimal) -> str:
    return format(value.normalize(), "f")


def _whole(value: Decimal) -> int | None:
    return int(value) if value == value.to_integral_value() else None


class Catalogue:
    """Everything that exists once per company; objects are kept as JSON, since they never change.

    Args:
        seed: The company's seed; ids depend on it.
        start: First instant, Unix seconds.
    """

    def __init__(self, seed: int, start: int) -> None:
        self._seed = seed
        self._start = start
        self.prices = {price.key: price for price in (*_ordinary_prices(), *ODD_PRICES)}
        self.coupons = {coupon.key: coupon for coupon in (*_ordinary_coupons(), *ODD_COUPONS)}
        self.product_ids = {key: stripe_id("prod", seed, key) for key in PRODUCTS}
        self.price_ids = {key: stripe_id("price", seed, key) for key in self.prices}
        self.promotion_ids = {
            PROMOTION_CODES[code]: stripe_id("promo", seed, code) for code in PROMOTION_CODES
        }
        self.price_json: dict[str, dict[str, Any]] = {}
        self.price_fragment: dict[str, orjson.Fragment] = {}
        self.plan_fragment: dict[str, orjson.Fragment] = {}
        for key, price in self.prices.items():
            self.price_json[key] = self._price(price)
            self.price_fragment[key] = orjson.Fragment(orjson.dumps(self.price_json[key]))
            self.plan_fragment[key] = orjson.Fragment(orjson.dumps(self._plan(price)))
        self.tax_ids: dict[tuple[Decimal, bool], str] = {}
        self.tax_json: dict[str, dict[str, Any]] = {}
        self.tax_fragment: dict[str, orjson.Fragment] = {}
        for percentage in TAX_PERCENTAGES:
            for inclusive in (False, True):
                rate = self._tax_rate(percentage, inclusive=inclusive)
                self.tax_ids[Decimal(percentage), inclusive] = rate["id"]
                self.tax_json[rate["id"]] = rate
                self.tax_fragment[rate["id"]] = orjson.Fragment(orjson.dumps(rate))

    def price(self, key: str) -> Price:
        """A price by its key.

        Raises:
            ValueError: if there is none; the message lists the keys.
        """
        if key not in self.prices:
            msg = f"no price {key!r} in the catalogue; there are {', '.join(sorted(self.prices))}"
            raise ValueError(msg)
        return self.prices[key]

    def coupon(self, key: str) -> Coupon:
        """A coupon by its id.

        Raises:
            ValueError: if there is none; the message lists them.
        """
        if key not in self.coupons:
            msg = f"no coupon {key!r} in the catalogue; there are {', '.join(sorted(self.coupons))}"
            raise ValueError(msg)
        return self.coupons[key]

    def tax_rate_id(self, percentage: Decimal, *, inclusive: bool) -> str:
        """The id of a tax rate.

        Raises:
            ValueError: if the catalogue has no such rate.
        """
        found = self.tax_ids.get((Decimal(percentage), inclusive))
        if found is None:
            msg = f"no tax rate of {percentage} % in the catalogue; there are {TAX_PERCENTAGES}"
            raise ValueError(msg)
        return found

    def objects(self) -> list[tuple[str, dict[str, Any], dict[str, Any]]]:
        """(type, object, fields that must be asked for) of all that the catalogue holds."""
        found: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        found += [("product", self._product(key), {}) for key in PRODUCTS]
        found += [
            ("price", self.price_json[key], self._price_more(price))
            for key, price in self.prices.items()
        ]
        found += [
            ("coupon", self.coupon_object(coupon), self._coupon_more(coupon))
            for coupon in self.coupons.values()
        ]
        found += [("promotion_code", self._promotion(code), {}) for code in PROMOTION_CODES]
        found += [("tax_rate", rate, {}) for rate in self.tax_json.values()]
        return found

    def _product(self, key: str) -> dict[str, Any]:
        return {
            "id": self.product_ids[key],
            "object": "product",
            "active": True,
            "created": self._start,
            "default_price": None,
            "description": None,
            "images": [],
            "livemode": True,
            "marketing_features": [],
            "metadata": {"plan": key},
            "name": PRODUCTS[key],
            "package_dimensions": None,
            "shippable": None,
            "statement_descriptor": None,
            "tax_code": None,
            "type": "service",
            "unit_label": "seat" if key in {"team", "enterprise"} else None,
            "updated": self._start,
            "url": None,
        }

    def _recurring(self, price: Price) -> dict[str, Any] | None:
        if not price.interval:
            return None
        return {
            "interval": price.interval,
            "interval_count": price.interval_count,
            "meter": stripe_id("mtr", self._seed, price.key) if price.metered else None,
            "trial_period_days": None,
            "usage_type": "metered" if price.metered else "licensed",
        }

    def _price(self, price: Price) -> dict[str, Any]:
        rate = price.rates[price.currency]
        return {
            "id": self.price_ids[price.key],
            "object": "price",
            "active": True,
            "billing_scheme": "tiered" if rate.tiers else "per_unit",
            "created": self._start,
            "currency": price.currency,
            "custom_unit_amount": None,
            "livemode": True,
            "lookup_key": price.key,
            "metadata": {},
            "nickname": price.key.replace("_", " "),
            "product": self.product_ids[price.product],
            "recurring": self._recurring(price),
            "tax_behavior": price.tax_behavior,
            "tiers_mode": rate.tiers_mode or None,
            "transform_quantity": (
                {"divide_by": rate.divide_by, "round": "up" if rate.round_up else "down"}
                if rate.divide_by != 1
                else None
            ),
            "type": "recurring" if price.interval else "one_time",
            "unit_amount": None if rate.unit is None else _whole(rate.unit),
            "unit_amount_decimal": None if rate.unit is None else _decimal_text(rate.unit),
        }

    def _price_more(self, price: Price) -> dict[str, Any]:
        options = {
            currency: {
                "custom_unit_amount": None,
                "tax_behavior": price.tax_behavior,
                "unit_amount": None if rate.unit is None else _whole(rate.unit),
                "unit_amount_decimal": None if rate.unit is None else _decimal_text(rate.unit),
            }
            for currency, rate in price.rates.items()
        }
        more: dict[str, Any] = {"currency_options": options}
        rate = price.rates[price.currency]
        if rate.tiers:
            more["tiers"] = [
                {
                    "flat_amount": _whole(tier.flat) if tier.flat else None,
                    "flat_amount_decimal": _decimal_text(tier.flat) if tier.flat else None,
                    "unit_amount": _whole(tier.unit),
                    "unit_amount_decimal": _decimal_text(tier.unit),
                    "up_to": tier.up_to,
                }
                for tier in rate.tiers
            ]
        return more

    def _plan(self, price: Price) -> dict[str, Any]:
        """The legacy `plan` that subscription items still carry."""
        full = self.price_json[price.key]
        recurring = full["recurring"] or {}
        return {
            "id": full["id"],
            "object": "plan",
            "active": True,
            "amount": full["unit_amount"],
            "amount_decimal": full["unit_amount_decimal"],
            "billing_scheme": full["billing_scheme"],
            "created": full["created"],
            "currency": full["currency"],
            "interval": recurring.get("interval"),
            "interval_count": recurring.get("interval_count"),
            "livemode": True,
            "metadata": {},
            "meter": recurring.get("meter"),
            "nickname": full["nickname"],
            "product": full["product"],
            "tiers_mode": full["tiers_mode"],
            "transform_usage": full["transform_quantity"],
            "trial_period_days": None,
            "usage_type": recurring.get("usage_type"),
        }

    def coupon_object(self, coupon: Coupon) -> dict[str, Any]:
        """A coupon as Stripe shows it, without what must be asked for."""
        currency = next(iter(coupon.amount), None)
        return {
            "id": coupon.key,
            "object": "coupon",
            "amount_off": coupon.amount[currency] if currency else None,
            "created": self._start,
            "currency": currency,
            "duration": coupon.duration,
            "duration_in_months": coupon.months,
            "livemode": True,
            "max_redemptions": None,
            "metadata": {},
            "name": coupon.key,
            "percent_off": None if coupon.percent is None else float(coupon.percent),
            "redeem_by": None,
            "times_redeemed": 0,
            "valid": True,
        }

    def _coupon_more(self, coupon: Coupon) -> dict[str, Any]:
        more: dict[str, Any] = {}
        if coupon.products:
            more["applies_to"] = {"products": [self.product_ids[key] for key in coupon.products]}
        if coupon.amount:
            more["currency_options"] = {
                currency: {"amount_off": amount} for currency, amount in coupon.amount.items()
            }
        return more

    def _promotion(self, code: str) -> dict[str, Any]:
        return {
            "id": stripe_id("promo", self._seed, code),
            "object": "promotion_code",
            "active": True,
            "code": code,
            "created": self._start,
            "customer": None,
            "expires_at": None,
            "livemode": True,
            "max_redemptions": None,
            "metadata": {},
            "promotion": {"coupon": PROMOTION_CODES[code], "type": "coupon"},
            "restrictions": {
                "first_time_transaction": False,
                "minimum_amount": None,
                "minimum_amount_currency": None,
            },
            "times_redeemed": 0,
        }

    def _tax_rate(self, percentage: int, *, inclusive: bool) -> dict[str, Any]:
        return {
            "id": stripe_id("txr", self._seed, percentage, inclusive),
            "object": "tax_rate",
            "active": True,
            "country": None,
            "created": self._start,
            "description": None,
            "display_name": "VAT",
            "effective_percentage": float(percentage),
            "flat_amount": None,
            "inclusive": inclusive,
            "jurisdiction": None,
            "jurisdiction_level": None,
            "livemode": True,
            "metadata": {},
            "percentage": float(percentage),
            "rate_type": "percentage",
            "state": None,
            "tax_type": "vat",
        }


def _ordinary_prices() -> list[Price]:
    return [
        _flat(
            spec.key,
            spec.product,
            spec.currency.lower(),
            spec.unit_amount,
            interval=spec.interval,
            metered=spec.usage_type == "metered",
        )
        for spec in ORDINARY_PRICES
    ]


def _ordinary_coupons() -> list[Coupon]:
    return [
        Coupon(spec.key, spec.duration, spec.duration_in_months, Decimal(spec.percent_off))
        for spec in ORDINARY_COUPONS
    ]
