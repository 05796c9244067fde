"""Every field that is served exists in the stripe SDK's classes of today's API version."""

from collections import Counter
from datetime import UTC, datetime

import stripe

from sandbox.billing import shapes, simulate
from sandbox.oddities import odd_customers

START = datetime(2024, 1, 1, tzinfo=UTC)
NOW = datetime(2024, 9, 1, tzinfo=UTC)
CLASSES = {
    "balance_transaction": stripe.BalanceTransaction,
    "charge": stripe.Charge,
    "coupon": stripe.Coupon,
    "credit_note": stripe.CreditNote,
    "credit_note_line_item": stripe.CreditNoteLineItem,
    "customer": stripe.Customer,
    "discount": stripe.Discount,
    "dispute": stripe.Dispute,
    "invoice": stripe.Invoice,
    "invoice_payment": stripe.InvoicePayment,
    "invoiceitem": stripe.InvoiceItem,
    "line_item": stripe.InvoiceLineItem,
    "payout": stripe.Payout,
    "plan": stripe.Plan,
    "price": stripe.Price,
    "product": stripe.Product,
    "promotion_code": stripe.PromotionCode,
    "refund": stripe.Refund,
    "subscription": stripe.Subscription,
    "subscription_item": stripe.SubscriptionItem,
    "subscription_schedule": stripe.SubscriptionSchedule,
    "tax_rate": stripe.TaxRate,
}


def unknown_fields(obj, cls, path):
    """Fields of an object, and of the nested ones that have a class of their own, that the SDK doesn't know."""
    for name, value in obj.items():
        if name not in cls.__annotations__:
            yield f"{path}.{name}"
        words = "".join(word.title() for word in name.split("_"))
        nested = getattr(cls, words, None) or getattr(cls, words.removesuffix("es"), None)
        nested = nested or getattr(cls, words.removesuffix("s"), None)
        for part in value if isinstance(value, list) else [value]:
            if (
                isinstance(part, dict)
                and "object" not in part
                and hasattr(nested, "__annotations__")
            ):
                yield from unknown_fields(part, nested, f"{path}.{name}")


def objects_in(value):
    """All objects within a value that say what they are."""
    if isinstance(value, dict):
        if value.get("object") in CLASSES:
            yield value
        value = list(value.values())
    if isinstance(value, list):
        for part in value:
            yield from objects_in(part)


def test_fields_are_those_of_the_sdk():
    world = simulate(odd_customers(START, NOW), start=START, now=NOW, seed=7)
    kinds, unknown = Counter(), set()
    for *_, obj in world.objects:
        for part in objects_in(obj):
            kinds[part["object"]] += 1
            unknown |= set(unknown_fields(part, CLASSES[part["object"]], part["object"]))
    for event in world.events[:500]:
        unknown |= set(unknown_fields({**event, "data": None}, stripe.Event, "event"))
    assert not unknown
    assert set(kinds) == set(CLASSES)


def test_the_version_is_the_sdks():
    assert stripe.api_version == shapes.API_VERSION
