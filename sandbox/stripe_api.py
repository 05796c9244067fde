"""Stripe's list, retrieve and events API over HTTP, from the store that `sandbox.billing` writes.

Shapes, errors and paging are Stripe's, API version 2026-10-28.endive. The store is opened per
request, so that a store that is replaced while this runs is served from then on.

Reads: stripe.sqlite.
Run: `uvicorn.run(create_app(path, clock, keys={"sk_…"}), date_header=False)` (the sandbox's clock
    is in `Date`).
"""

from __future__ import annotations

import sqlite3
from base64 import b64decode
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from datetime import datetime
from email.utils import format_datetime
from itertools import count
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.billing.shapes import API_VERSION
from sandbox.stripe_store import ARRAY, RESOURCES, ApiError, Query, Store, expand_path, parse_query

Object = dict[str, Any]
# Now and then, as with Stripe; a first sync of the default company meets a few.
RATE_LIMIT_EVERY = 97
_KEY_PREFIXES = ("sk_live_", "rk_live_", "sk_test_", "rk_test_")


class StripeApi:
    """The requests' handler.

    Args:
        sqlite_path: The store.
        clock: The sandbox's now.
        keys: Secret keys that are let in; None: all that look like one.
        rate_limit_every: Every so many requests one is answered 429; None or 0: never.
        event_retention_days: How far back events reach; None: to the beginning.
    """

    def __init__(
        self,
        sqlite_path: Path,
        clock: Callable[[], datetime],
        *,
        keys: Collection[str] | None = None,
        rate_limit_every: int | None = RATE_LIMIT_EVERY,
        event_retention_days: int | None = None,
    ) -> None:
        self._path = Path(sqlite_path)
        self._clock = clock
        self._keys = None if keys is None else frozenset(keys)
        self._every = rate_limit_every or 0
        self._retention = event_retention_days
        self._requests = count(1)

    async def __call__(self, request: Request) -> Response:
        """Answer a request."""
        number = next(self._requests)
        headers = {
            "Request-Id": f"req_{number:014d}",
            "Stripe-Version": request.headers.get("stripe-version", API_VERSION),
            "Date": format_datetime(self._clock(), usegmt=True),
        }
        try:
            self._authenticate(request)
            self._limit_rate(number)
            body, status = self._answer(request), 200
        except ApiError as error:
            error.body["request_log_url"] = (
                f"https://dashboard.stripe.com/logs/{headers['Request-Id']}"
            )
            body, status = orjson.dumps({"error": error.body}), error.status
            headers |= error.headers
        return Response(body, status, headers=headers, media_type="application/json")

    def _authenticate(self, request: Request) -> None:
        given = request.headers.get("authorization", "")
        scheme, _, key = given.partition(" ")
        if scheme.lower() == "basic":
            key = b64decode(key + "==").decode("utf-8", "replace").partition(":")[0]
        if not key:
            raise ApiError(
                401,
                "You did not provide an API key. You need to provide your API key in the "
                "Authorization header, using Bearer auth (e.g. 'Authorization: Bearer "
                "YOUR_SECRET_KEY').",
            )
        known = key.startswith(_KEY_PREFIXES) if self._keys is None else key in self._keys
        if not known:
            raise ApiError(401, f"Invalid API Key provided: {key[:8]}****{key[-4:]}")

    def _limit_rate(self, number: int) -> None:
        if not self._every or number % self._every:
            return
        # Stripe names no time to wait, except when it does: every third time here.
        waits = {"Retry-After": "1"} if (number // self._every) % 3 == 0 else {}
        raise ApiError(
            429,
            "Request rate limit exceeded. Learn more about rate limits here "
            "https://stripe.com/docs/rate-limits.",
            code="rate_limit",
            headers={"Stripe-Rate-Limited-Reason": "global-rate", **waits},
        )

    @contextmanager
    def _store(self) -> Iterator[Store]:
        connection = sqlite3.connect(f"{self._path.absolute().as_uri()}?mode=ro", uri=True)
        try:
            yield Store(connection)
        finally:
            connection.close()

    def _answer(self, request: Request) -> bytes:
        parts = request.path_params["path"].strip("/").split("/")
        params = request.query_params.multi_items()
        resource = parts[0]
        known = resource in RESOURCES or resource in {"account", "subscription_items"}
        if request.method != "GET" or not known or len(parts) > 3:
            raise ApiError(404, f"Unrecognized request URL ({request.method}: {request.url.path}).")
        with self._store() as store:
            if resource == "account":
                return orjson.dumps(ACCOUNT)
            if resource == "subscription_items":
                return self._subscription_items(store, parts, params)
            if len(parts) == 1:
                return self._list(store, resource, params)
            if len(parts) == 2:
                return self._retrieve(store, resource, parts[1], params)
            if parts[2] == "lines" and resource in {"invoices", "credit_notes"}:
                lines = store.embedded(RESOURCES[resource], parts[1])
                if lines is None:
                    raise _missing(RESOURCES[resource], parts[1])
                return _sublist(lines, parse_query("lines", params), request.url.path)
        raise ApiError(404, f"Unrecognized request URL (GET: {request.url.path}).")

    def _oldest_event(self) -> int | None:
        if self._retention is None:
            return None
        return int(self._clock().timestamp()) - self._retention * 86_400

    def _list(self, store: Store, resource: str, params: list[tuple[str, str]]) -> bytes:
        query = parse_query(resource, params)
        rows, has_more = store.page(resource, query, self._oldest_event())
        if query.expand:
            rows = [_expanded(store, row, query.expand) for row in rows]
        head = f'{{"object":"list","url":"/v1/{resource}","has_more":{str(has_more).lower()}'
        return f'{head},"data":[{",".join(rows)}]}}'.encode()

    def _retrieve(
        self, store: Store, resource: str, id_: str, params: list[tuple[str, str]]
    ) -> bytes:
        kind = RESOURCES[resource]
        paths = []
        for name, value in params:
            array = ARRAY.match(name)
            if not array or array[1] != "expand":
                raise ApiError(
                    400,
                    f"Received unknown parameter: {name}",
                    code="parameter_unknown",
                    param=name,
                )
            paths.append(expand_path(value, listed=False))
        found = store.get(kind, id_)
        if found is None or (kind == "event" and self._is_forgotten(found)):
            raise _missing(kind, id_)
        if paths and not orjson.loads(found).get("deleted"):
            found = _expanded(store, found, paths)
        return found.encode()

    def _is_forgotten(self, event: str) -> bool:
        oldest = self._oldest_event()
        return oldest is not None and orjson.loads(event)["created"] < oldest

    def _subscription_items(
        self, store: Store, parts: list[str], params: list[tuple[str, str]]
    ) -> bytes:
        wanted = [value for name, value in params if name == "subscription"]
        if len(parts) > 1 or not wanted:
            raise ApiError(
                400,
                "Missing required param: subscription.",
                code="parameter_missing",
                param="subscription",
            )
        found = store.get("subscription", wanted[0])
        if found is None:
            raise _missing("subscription", wanted[0])
        items = orjson.loads(found)["items"]["data"]
        query = parse_query("lines", [p for p in params if p[0] != "subscription"])
        return _sublist(
            [_expanded_object(store, item, query.expand) for item in items],
            query,
            "/v1/subscription_items",
        )


ACCOUNT: Object = {
    "id": "acct_1SandboxQuantumAPI",
    "object": "account",
    "business_profile": {"name": "Quantum API", "url": None},
    "business_type": "company",
    "charges_enabled": True,
    "country": "US",
    "default_currency": "usd",
    "details_submitted": True,
    "email": "billing@quantum-api.example",
    "payouts_enabled": True,
    "settings": {"dashboard": {"display_name": "Quantum API", "timezone": "Etc/UTC"}},
    "type": "standard",
}


def _missing(kind: str, id_: str) -> ApiError:
    return ApiError(404, f"No such {kind}: '{id_}'", code="resource_missing", param="id")


def _expanded(store: Store, body: str, paths: list[list[str]]) -> str:
    return orjson.dumps(_expanded_object(store, orjson.loads(body), paths)).decode()


def _expanded_object(store: Store, obj: Object, paths: list[list[str]]) -> Object:
    for path in paths:
        obj = store.expand(obj, path)
    return obj


def _sublist(items: list[Object], query: Query, url: str) -> bytes:
    """A page of a list that lives in an object, in its own order."""
    ids = [item["id"] for item in items]
    cursor = query.after or query.before
    if cursor and cursor not in ids:
        param = "starting_after" if query.after else "ending_before"
        raise ApiError(400, f"No such object: '{cursor}'", code="resource_missing", param=param)
    if query.before:
        rest = items[: ids.index(query.before)]
        shown, has_more = rest[-query.limit :], len(rest) > query.limit
    else:
        rest = items[ids.index(query.after) + 1 :] if query.after else items
        shown, has_more = rest[: query.limit], len(rest) > query.limit
    return orjson.dumps({"object": "list", "url": url, "has_more": has_more, "data": shown})


def create_app(
    sqlite_path: Path,
    clock: Callable[[], datetime],
    *,
    keys: Collection[str] | None = None,
    rate_limit_every: int | None = RATE_LIMIT_EVERY,
    event_retention_days: int | None = None,
) -> Starlette:
    """The API as an ASGI application.

    Args:
        sqlite_path: The store that `BillingWorld.write` makes.
        clock: The sandbox's now (aware); it is the answers' `Date`.
        keys: Secret keys that are let in; None: all that look like one.
        rate_limit_every: Every so many requests one is answered 429; None or 0: never.
        event_retention_days: 30 is like Stripe; None keeps all events.
    """
    api = StripeApi(
        sqlite_path,
        clock,
        keys=keys,
        rate_limit_every=rate_limit_every,
        event_retention_days=event_retention_days,
    )
    methods = ["GET", "POST", "DELETE"]
    return Starlette(routes=[Route("/v1/{path:path}", api.__call__, methods=methods)])
