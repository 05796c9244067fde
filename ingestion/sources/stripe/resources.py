"""What is read from Stripe: a table of resources, and which of them an event speaks of.

Reads and writes nothing: data and pure functions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ingestion.sources.protocol import source_error


@dataclass(frozen=True)
class Nested:
    """A list inside an object, of which Stripe inlines only the beginning.

    Attributes:
        name: the property.
        path: of the whole list; `{id}` is the object's.
        params: filters; `{id}` is the object's.
        expand: expansions of the list's own objects.
    """

    name: str
    path: str
    params: tuple[tuple[str, str], ...] = ()
    expand: tuple[str, ...] = ()


@dataclass(frozen=True)
class Resource:
    """A stream of objects.

    Attributes:
        stream: its name.
        path: of the list; `path/id` is one object.
        object: what Stripe calls the type.
        expand: expansions of one object (four levels at most, the list's `data` included).
        params: list filters.
        variants: further filters, a list each, where one list does not show everything.
        nested: lists inside, to be completed.
        dated: whether `start_date` applies (things that happened, as against things that are).
        created_type: the type of the event that says that one was created.
        deleted_type: the type of the event that says that one was deleted, if there is such a type.
        lists_new: whether new ones are listed even if no event names them.
    """

    stream: str
    path: str
    object: str
    expand: tuple[str, ...] = ()
    params: tuple[tuple[str, str], ...] = ()
    variants: tuple[tuple[tuple[str, str], ...], ...] = ((),)
    nested: tuple[Nested, ...] = ()
    dated: bool = False
    created_type: str = ""
    deleted_type: str = ""
    lists_new: bool = False

    @property
    def lists(self) -> list[dict[str, Any]]:
        """Query parameters of each list that has to be read to see everything."""
        expand = {"expand": [f"data.{path}" for path in self.expand]} if self.expand else {}
        return [{**dict(self.params), **dict(variant), **expand} for variant in self.variants]

    @property
    def one_params(self) -> dict[str, Any]:
        """Query parameters of one object."""
        return {"expand": list(self.expand)} if self.expand else {}


RESOURCES: tuple[Resource, ...] = (
    Resource(
        "customers",
        "/v1/customers",
        "customer",
        expand=("discount.source.coupon",),
        created_type="customer.created",
        deleted_type="customer.deleted",
    ),
    Resource(
        "products",
        "/v1/products",
        "product",
        created_type="product.created",
        deleted_type="product.deleted",
    ),
    Resource(
        "prices",
        "/v1/prices",
        "price",
        expand=("tiers", "currency_options"),
        # Archived ones are in a list of their own.
        variants=((), (("active", "false"),)),
        created_type="price.created",
        deleted_type="price.deleted",
    ),
    Resource(
        "coupons",
        "/v1/coupons",
        "coupon",
        expand=("applies_to", "currency_options"),
        created_type="coupon.created",
        deleted_type="coupon.deleted",
    ),
    Resource(
        "promotion_codes",
        "/v1/promotion_codes",
        "promotion_code",
        expand=("promotion.coupon",),
        created_type="promotion_code.created",
    ),
    Resource("tax_rates", "/v1/tax_rates", "tax_rate", created_type="tax_rate.created"),
    Resource(
        "subscriptions",
        "/v1/subscriptions",
        "subscription",
        expand=("discounts.source.coupon", "items.data.discounts"),
        params=(("status", "all"),),
        nested=(
            Nested(
                "items",
                "/v1/subscription_items",
                (("subscription", "{id}"),),
                expand=("discounts",),
            ),
        ),
        created_type="customer.subscription.created",
    ),
    Resource(
        "subscription_schedules",
        "/v1/subscription_schedules",
        "subscription_schedule",
        expand=("phases.discounts.coupon",),
        created_type="subscription_schedule.created",
    ),
    Resource(
        "invoices",
        "/v1/invoices",
        "invoice",
        expand=("payments", "discounts.source.coupon", "lines.data.discounts"),
        nested=(
            Nested("lines", "/v1/invoices/{id}/lines", expand=("discounts",)),
            Nested("payments", "/v1/invoice_payments", (("invoice", "{id}"),)),
        ),
        dated=True,
        created_type="invoice.created",
        deleted_type="invoice.deleted",
    ),
    Resource(
        "invoice_items",
        "/v1/invoiceitems",
        "invoiceitem",
        expand=("discounts.source.coupon",),
        dated=True,
        created_type="invoiceitem.created",
        deleted_type="invoiceitem.deleted",
        lists_new=True,
    ),
    Resource("charges", "/v1/charges", "charge", dated=True, created_type="charge.succeeded"),
    Resource("refunds", "/v1/refunds", "refund", dated=True, created_type="refund.created"),
    Resource(
        "credit_notes",
        "/v1/credit_notes",
        "credit_note",
        nested=(Nested("lines", "/v1/credit_notes/{id}/lines"),),
        dated=True,
        created_type="credit_note.created",
    ),
    Resource(
        "disputes", "/v1/disputes", "dispute", dated=True, created_type="charge.dispute.created"
    ),
    Resource(
        "payouts",
        "/v1/payouts",
        "payout",
        dated=True,
        created_type="payout.created",
        lists_new=True,
    ),
)

#: The payouts, once more: what each of them paid out.
PAYOUTS = next(resource for resource in RESOURCES if resource.stream == "payouts")

#: Event types that are landed, by how they begin; the others (checkout, payment intents, …) say
#: nothing that the warehouse asks for.
RELEVANT = (
    "charge.",
    "coupon.",
    "credit_note.",
    "customer.",
    "invoice.",
    "invoice_payment.",
    "invoiceitem.",
    "payout.",
    "plan.",
    "price.",
    "product.",
    "promotion_code.",
    "refund.",
    "subscription_schedule.",
    "tax_rate.",
)

#: An object's own type as a stream. A plan is the old name of a price with the same id.
_STREAM_OF = {resource.object: resource.stream for resource in RESOURCES} | {"plan": "prices"}

#: Other objects that changed when this one did: (property that names it, its stream).
_ALSO = {
    "discount": (
        ("customer", "customers"),
        ("subscription", "subscriptions"),
        ("invoice", "invoices"),
    ),
    "subscription_schedule": (
        ("subscription", "subscriptions"),
        ("released_subscription", "subscriptions"),
    ),
    "invoice_payment": (("invoice", "invoices"),),
    "refund": (("charge", "charges"),),
    "dispute": (("charge", "charges"),),
    "credit_note": (("invoice", "invoices"),),
}

#: A refund stands in its charge's event too, and before API version 2024-10 only there.
REFUNDS_OF_CHARGE = "refunds of charge"


def is_relevant(event_type: str) -> bool:
    """Whether events of this type are landed."""
    return event_type.startswith(RELEVANT)


def named_objects(event: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The (stream, id) of every object that an event says has changed.

    `invoice.upcoming` has an object without an id and names none.
    """
    data = event.get("data") or {}
    thing = data.get("object") or {}
    kind = thing.get("object")
    own = thing.get("id")
    if kind in _STREAM_OF and isinstance(own, str):
        yield _STREAM_OF[kind], own
    for name, stream in _ALSO.get(kind, ()):
        other = _id_of(thing.get(name))
        if other:
            yield stream, other
    if kind == "invoice":
        for line in (thing.get("lines") or {}).get("data") or ():
            item = _invoice_item_of(line)
            if item:
                yield "invoice_items", item
    if event.get("type") == "charge.refunded" and isinstance(own, str):
        yield REFUNDS_OF_CHARGE, own


def second_of(thing: Mapping[str, Any]) -> int:
    """When an object was created, in seconds; an invoice item calls it `date`."""
    value = thing.get("created", thing.get("date"))
    if type(value) is not int:
        raise source_error(f"Stripe sent {thing.get('id')} with no usable created: {value!r}")
    return value


def _id_of(value: Any) -> str | None:
    if isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str) and value else None


def _invoice_item_of(line: Mapping[str, Any]) -> str | None:
    details = (line.get("parent") or {}).get("invoice_item_details") or {}
    return _id_of(details.get("invoice_item")) or _id_of(line.get("invoice_item"))
