"""The billing store as Stripe's API reads it: checked list queries, pages, expansion, errors in Stripe's shape.

Reads: stripe.sqlite.
"""

from __future__ import annotations

import re
import sqlite3
from dataclasses import dataclass, field
from typing import Any

import orjson

Object = dict[str, Any]

# Resource in the address → type in the store.
RESOURCES = {
    "customers": "customer",
    "products": "product",
    "prices": "price",
    "coupons": "coupon",
    "promotion_codes": "promotion_code",
    "tax_rates": "tax_rate",
    "subscriptions": "subscription",
    "subscription_schedules": "subscription_schedule",
    "invoices": "invoice",
    "invoiceitems": "invoiceitem",
    "invoice_payments": "invoice_payment",
    "charges": "charge",
    "refunds": "refund",
    "credit_notes": "credit_note",
    "disputes": "dispute",
    "payouts": "payout",
    "balance_transactions": "balance_transaction",
    "events": "event",
}
# Filters by a plain field of the object, and those by an object that it belongs to.
_FIELDS = {
    "customers": {"email"},
    "products": {"active"},
    "prices": {"active", "currency", "product", "type"},
    "promotion_codes": {"active", "code"},
    "tax_rates": {"active", "inclusive"},
    "subscriptions": {"status", "collection_method"},
    "invoices": {"status", "collection_method"},
    "payouts": {"status"},
    "balance_transactions": {"currency", "source", "type"},
}
_PARENTS = {
    "subscriptions": {"customer"},
    "subscription_schedules": {"customer"},
    "invoices": {"customer", "subscription"},
    "invoiceitems": {"customer", "invoice"},
    "invoice_payments": {"invoice"},
    "charges": {"customer", "payment_intent"},
    "refunds": {"charge", "payment_intent"},
    "credit_notes": {"customer", "invoice"},
    "disputes": {"charge", "payment_intent"},
}
_ASKED_FOR = {
    "price": {"tiers", "currency_options"},
    "coupon": {"applies_to", "currency_options"},
    "invoice": {"payments"},
}
_BY_PREFIX = {
    "cus": "customer",
    "sub": "subscription",
    "sub_sched": "subscription_schedule",
    "in": "invoice",
    "ch": "charge",
    "di": "discount",
    "price": "price",
    "prod": "product",
    "promo": "promotion_code",
    "txn": "balance_transaction",
    "re": "refund",
    "cn": "credit_note",
    "du": "dispute",
    "po": "payout",
    "txr": "tax_rate",
}
ARRAY = re.compile(r"^(expand|types)\[\d*\]$")
_RANGE = re.compile(r"^created(?:\[(gte|gt|lte|lt)\])?$")
_OPERATORS = {"gte": ">=", "gt": ">", "lte": "<=", "lt": "<", None: "="}
_MAX_EXPAND_DEPTH = 4


class ApiError(Exception):
    """An error as Stripe answers it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.headers = headers or {}
        self.body = {"message": message, "type": "invalid_request_error"}
        if code:
            self.body["code"] = code
            self.body["doc_url"] = f"https://stripe.com/docs/error-codes/{code.replace('_', '-')}"
        if param:
            self.body["param"] = param


@dataclass
class Query:
    """A list request, checked.

    Attributes:
        limit: Objects of a page.
        after: starting_after.
        before: ending_before.
        expand: Paths to expand, split.
        types: Event types; `*` is a wildcard.
        ranges: (operator, Unix seconds) on `created`.
        fields: Filters by a field's value.
        parents: Ids of objects that what is listed belongs to.
        payout: Only what this payout paid out.
    """

    limit: int = 10
    after: str | None = None
    before: str | None = None
    expand: list[list[str]] = field(default_factory=list)
    types: list[str] = field(default_factory=list)
    ranges: list[tuple[str, int]] = field(default_factory=list)
    fields: dict[str, str] = field(default_factory=dict)
    parents: list[str] = field(default_factory=list)
    payout: str | None = None


def parse_query(resource: str, params: list[tuple[str, str]]) -> Query:
    """Check a list request's parameters as Stripe would.

    Raises:
        ApiError: 400 for one that is unknown or makes no sense.
    """
    query = Query()
    for name, value in params:
        array = ARRAY.match(name)
        if name == "limit":
            query.limit = _limit(value)
        elif name == "starting_after":
            query.after = value
        elif name == "ending_before":
            query.before = value
        elif array and array[1] == "expand":
            query.expand.append(expand_path(value, listed=True))
        elif not _filter(query, resource, name, value):
            raise ApiError(
                400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name
            )
    if query.after and query.before:
        raise ApiError(
            400,
            "Received both ending_before and starting_after parameters. Please pass in only one.",
            param="ending_before",
        )
    return query


def _filter(query: Query, resource: str, name: str, value: str) -> bool:
    """Take a parameter that narrows a list; False if the resource has no such one."""
    array, time = ARRAY.match(name), _RANGE.match(name)
    if resource == "events" and ((array and array[1] == "types") or name == "type"):
        query.types.append(value)
    elif time:
        query.ranges.append((_OPERATORS[time[1]], _integer(name, value)))
    elif name in _FIELDS.get(resource, ()):
        query.fields[name] = value
    elif name in _PARENTS.get(resource, ()):
        query.parents.append(value)
    elif resource == "balance_transactions" and name == "payout":
        query.payout = value
    else:
        return resource == "events" and name == "delivery_success"
    return True


def _integer(name: str, value: str) -> int:
    if not re.fullmatch(r"-?\d{1,18}", value):
        raise ApiError(
            400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=name
        )
    return int(value)


def _limit(value: str) -> int:
    limit = _integer("limit", value)
    if not 1 <= limit <= 100:
        bound = "greater than or equal to 1" if limit < 1 else "less than or equal to 100"
        raise ApiError(
            400,
            f"This value must be {bound} (it currently is '{limit}').",
            code="parameter_invalid_integer",
            param="limit",
        )
    return limit


def expand_path(value: str, *, listed: bool) -> list[str]:
    """Check a path to expand and split it; in lists it begins with `data`."""
    path = value.split(".")
    if len(path) > _MAX_EXPAND_DEPTH:
        raise ApiError(
            400,
            f"You cannot expand more than {_MAX_EXPAND_DEPTH} levels of a property. "
            f"Property: {value}",
            param="expand",
        )
    if listed and (path[0] != "data" or len(path) == 1):
        raise ApiError(
            400,
            f"This property cannot be expanded ({value}). You may want to try expanding "
            f"'data.{value}' instead.",
            code="property_cannot_be_expanded",
            param="expand",
        )
    return path[1:] if listed else path


class Store:
    """The billing store, open for one request."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._sql = connection

    def get(self, kind: str, id_: str) -> str | None:
        """An object's JSON; of a deleted one what Stripe says then."""
        table = "events where id = ?" if kind == "event" else "objects where type = ? and id = ?"
        args = (id_,) if kind == "event" else (kind, id_)
        row = self._sql.execute(f"select json from {table}", args).fetchone()
        return row[0] if row else None

    def more(self, kind: str, id_: str, name: str) -> Any:
        """A field that must be asked for; None if this object has none."""
        row = self._sql.execute(
            "select json from more where type = ? and id = ? and field = ?", (kind, id_, name)
        ).fetchone()
        return orjson.loads(row[0]) if row else None

    def page(self, resource: str, query: Query, oldest_event: int | None) -> tuple[list[str], bool]:
        """One page, newest first, and whether there is more.

        Raises:
            ApiError: 400 if a cursor names nothing.
        """
        kind = RESOURCES[resource]
        is_event = kind == "event"
        table, tie = ("events", "seq") if is_event else ("objects", "id")
        where, args = self._where(kind, query, oldest_event)
        cursor = query.after or query.before
        if cursor:
            where.append(f"(created, {tie}) {'<' if query.after else '>'} (?, ?)")
            args += self._position(kind, table, tie, cursor, bool(query.after))
        order = "asc" if query.before else "desc"
        # Few belong to one parent: they are looked up, and only then put in order (a "+" keeps SQLite from walking
        # through all of a type in order instead).
        walk = "+" if query.parents or query.payout else ""
        text = (
            f"select json from {table} where {' and '.join(where)} "
            f"order by {walk}created {order}, {walk}{tie} {order} limit ?"
        )
        rows = [row[0] for row in self._sql.execute(text, [*args, query.limit + 1])]
        has_more = len(rows) > query.limit
        rows = rows[: query.limit]
        return (rows[::-1] if query.before else rows), has_more

    def _position(self, kind: str, table: str, tie: str, cursor: str, after: bool) -> list[Any]:
        text = f"select created, {tie} from {table} where id = ?"
        args = [cursor]
        if table == "objects":
            text += " and type = ?"
            args.append(kind)
        row = self._sql.execute(text, args).fetchone()
        if row is None:
            param = "starting_after" if after else "ending_before"
            raise ApiError(400, f"No such {kind}: '{cursor}'", code="resource_missing", param=param)
        return list(row)

    def _where(
        self, kind: str, query: Query, oldest_event: int | None
    ) -> tuple[list[str], list[Any]]:
        where: list[str] = []
        args: list[Any] = []
        if kind == "event":
            where.append("created >= ?")
            args.append(oldest_event if oldest_event is not None else 0)
            if query.types:
                where.append("(" + " or ".join("type glob ?" for _ in query.types) + ")")
                args += query.types
        else:
            where += ["type = ?", "deleted = 0"]
            args.append(kind)
        for operator, value in query.ranges:
            # A page begins at the cursor: from the range's end on, all pages before it would be read again.
            is_behind_cursor = operator[0] == ("<" if query.after else ">" if query.before else "")
            where.append(f"{'+' if is_behind_cursor else ''}created {operator} ?")
            args.append(value)
        fields = dict(query.fields)
        if kind == "subscription" and fields.get("status") == "all":
            del fields["status"]
        elif kind == "subscription" and "status" not in fields:
            where.append("json_extract(json, '$.status') not in ('canceled')")
        for name, value in fields.items():
            where.append(f"cast(json_extract(json, '$.{name}') as text) = ?")
            args.append({"true": "1", "false": "0"}.get(value, value))
        for parent in query.parents:
            where.append("id in (select id from links where type = ? and parent = ?)")
            args += [kind, parent]
        if query.payout:
            where.append("id in (select balance_transaction from payout_members where payout = ?)")
            args.append(query.payout)
        return where, args

    def expand(self, obj: Any, path: list[str]) -> Any:
        """Put the objects in the place of their ids along a path.

        Raises:
            ApiError: 400 for what can't be expanded.
        """
        if not path:
            return self._object(obj) if isinstance(obj, str) else obj
        if isinstance(obj, list):
            return [self.expand(part, path) for part in obj]
        if isinstance(obj, str):
            obj = self._object(obj)
        if not isinstance(obj, dict):
            return obj
        name, rest = path[0], path[1:]
        if name in _ASKED_FOR.get(obj.get("object", ""), ()):
            value = self.more(obj["object"], obj["id"], name)
            if value is not None:
                obj[name] = self.expand(value, rest) if rest else value
            return obj
        if name not in obj:
            raise ApiError(
                400,
                f"This property cannot be expanded ({name}).",
                code="property_cannot_be_expanded",
                param="expand",
            )
        value = obj[name]
        if name == "coupon" and isinstance(value, str):
            value = orjson.loads(self.get("coupon", value) or b"null")
        elif isinstance(value, list) and not rest:
            value = [self._object(part) if isinstance(part, str) else part for part in value]
        obj[name] = self.expand(value, rest)
        return obj

    def _object(self, id_: str) -> Any:
        kind = _BY_PREFIX.get(id_.rpartition("_")[0])
        found = self.get(kind, id_) if kind else None
        return orjson.loads(found) if found else id_

    def embedded(self, kind: str, id_: str) -> list[Object] | None:
        """All lines of an invoice or a credit note; None if there is no such object."""
        found = self.get(kind, id_)
        if found is None:
            return None
        return self.more(kind, id_, "lines") or orjson.loads(found)["lines"]["data"]
