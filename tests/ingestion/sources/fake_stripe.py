"""A small Stripe of our own: lists, objects and events over HTTP, with faults on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

KEY = "sk_test_canary_7f3b1c"

OBJECT_OF = {
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
    "charges": "charge",
    "refunds": "refund",
    "credit_notes": "credit_note",
    "disputes": "dispute",
    "payouts": "payout",
    "balance_transactions": "balance_transaction",
    "events": "event",
}


class FakeStripe:
    """Objects by path, newest first by (created, order of arrival); `faults` see each request first."""

    def __init__(self) -> None:
        self.things: dict[str, list[dict[str, Any]]] = {name: [] for name in OBJECT_OF}
        self.inner: dict[str, list[dict[str, Any]]] = {}
        self.calls: list[tuple[str, dict[str, list[str]]]] = []
        self.faults: list[Callable[[str, dict[str, list[str]]], Any]] = []
        self.after: list[Callable[[str, dict[str, list[str]]], None]] = []
        self._number = 0
        self._lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 20  # headers and body in one write, or TCP waits 40 ms between them

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = parse_qs(parts.query)
                with fake._lock:
                    fake.calls.append((parts.path, query))
                    answer = fake.answer(parts.path, query, self.headers.get("Authorization", ""))
                    for hook in list(fake.after):
                        hook(parts.path, query)
                if answer is None:
                    self.close_connection = True
                    return
                status, headers, body = answer
                payload = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(payload)))
                self.end_headers()
                self.wfile.write(payload)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.02,), daemon=True
        )

    def __enter__(self) -> FakeStripe:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def config(self, **more: Any) -> dict[str, Any]:
        return {"api_key": KEY, "api_base": self.url, "backoff_seconds": 0.01, **more}

    def add(
        self, kind: str, created: int, identity: str | None = None, **more: Any
    ) -> dict[str, Any]:
        """A new object; one with the same id is replaced in its place."""
        self._number += 1
        thing = {
            "id": identity or f"{kind[:3]}_{self._number}",
            "object": OBJECT_OF[kind],
            "created": created,
            "livemode": False,
            **more,
        }
        if kind == "invoiceitems":
            thing["date"] = thing.pop("created")
        for place, old in enumerate(self.things[kind]):
            if old["id"] == thing["id"]:
                self.things[kind][place] = thing
                return thing
        self.things[kind].append(thing)
        return thing

    def event(
        self, kind: str, created: int, thing: dict[str, Any], identity: str | None = None
    ) -> dict[str, Any]:
        return self.add(
            "events",
            created,
            identity,
            type=kind,
            data={"object": dict(thing)},
            api_version="2026-10-28.endive",
        )

    def change(
        self, kind: str, event_type: str, created: int, thing: dict[str, Any], **changes: Any
    ) -> None:
        """Change an object and say so in an event."""
        thing.update(changes)
        self.event(event_type, created, thing)

    def remove(self, kind: str, identity: str) -> dict[str, Any]:
        thing = next(thing for thing in self.things[kind] if thing["id"] == identity)
        self.things[kind].remove(thing)
        return thing

    def paths(self) -> list[str]:
        return [path for path, _ in self.calls]

    def answer(self, path: str, query: dict[str, list[str]], authorization: str) -> Any:  # noqa: C901
        for fault in list(self.faults):
            answer = fault(path, query)
            if answer is not None:
                return answer if answer != "hang up" else None
        if authorization != f"Bearer {KEY}":
            return error(
                401, "Invalid API Key provided: sk_test_****", kind="invalid_request_error"
            )
        parts = path.removeprefix("/v1/").split("/")
        if path in self.inner:
            return self._list(self.inner[path], query, path)
        if len(parts) == 1 and parts[0] in ("subscription_items", "invoice_payments"):
            owner = (query.get("subscription") or query.get("invoice"))[0]
            return self._list(self.inner[f"{parts[0]}/{owner}"], query, path)
        if parts[0] not in self.things:
            return error(404, "Unrecognized request URL")
        things = self.things[parts[0]]
        if len(parts) == 2:
            for thing in things:
                if thing["id"] == parts[1]:
                    return 200, {}, thing
            return error(
                404, f"No such {parts[0]}: '{parts[1]}'", code="resource_missing", param="id"
            )
        order = sorted(enumerate(things), key=lambda item: (second(item[1]), item[0]), reverse=True)
        found = [thing for _, thing in order if within(thing, query)]
        for name in ("charge", "customer", "payout", "type"):
            if name in query:
                found = [thing for thing in found if thing.get(name) == query[name][0]]
        if parts[0] == "prices":
            active = query.get("active", ["true"])[0] == "true"
            found = [thing for thing in found if thing.get("active", True) == active]
        return self._list(found, query, path)

    def _list(self, found: list[dict[str, Any]], query: dict[str, list[str]], path: str) -> Any:
        if "starting_after" in query:
            after = query["starting_after"][0]
            places = [place for place, thing in enumerate(found) if thing["id"] == after]
            if not places:
                return error(
                    400,
                    f"No such object: '{after}'",
                    code="resource_missing",
                    param="starting_after",
                )
            found = found[places[0] + 1 :]
        limit = int(query.get("limit", ["10"])[0])
        return (
            200,
            {},
            {"object": "list", "url": path, "has_more": len(found) > limit, "data": found[:limit]},
        )


def second(thing: dict[str, Any]) -> int:
    return thing.get("created", thing.get("date"))


def within(thing: dict[str, Any], query: dict[str, list[str]]) -> bool:
    if "created[gte]" in query and second(thing) < int(query["created[gte]"][0]):
        return False
    return not ("created[lte]" in query and second(thing) > int(query["created[lte]"][0]))


def error(
    status: int,
    message: str,
    *,
    kind: str = "invalid_request_error",
    headers: dict[str, str] | None = None,
    **more: Any,
) -> Any:
    return status, headers or {}, {"error": {"type": kind, "message": message, **more}}


def times(count: int, answer: Any, path: str = "") -> Callable[[str, dict[str, list[str]]], Any]:
    """A fault that strikes the first `count` requests to a path."""
    left = [count]

    def fault(asked: str, query: dict[str, list[str]]) -> Any:
        if left[0] and path in asked:
            left[0] -= 1
            return answer
        return None

    return fault
