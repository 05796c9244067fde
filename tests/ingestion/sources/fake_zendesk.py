"""A small Zendesk of our own: exports and lists over HTTP, with faults on demand."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

TOKEN = "zd_canary_51c2"


def iso(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


class FakeZendesk:
    """Records by stream; exports give pages of `page`, `faults` see each request first."""

    def __init__(self, page: int = 1000) -> None:
        self.page = page
        self.tickets: list[dict[str, Any]] = []
        self.events: list[dict[str, Any]] = []
        self.lists: dict[str, list[dict[str, Any]]] = {
            "users": [],
            "organizations": [],
            "satisfaction_ratings": [],
        }
        self.calls: list[tuple[str, dict[str, list[str]]]] = []
        self.faults: list[Callable[[str, dict[str, list[str]]], Any]] = []
        self.authorizations: set[str] = set()
        lock = threading.Lock()
        fake = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 20

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                query = parse_qs(parts.query)
                with lock:
                    fake.calls.append((parts.path, query))
                    fake.authorizations.add(self.headers.get("Authorization", ""))
                    status, headers, body = fake.answer(
                        parts.path, query, self.headers.get("Authorization", "")
                    )
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
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self) -> FakeZendesk:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def ticket(self, number: int, at: int, status: str = "open") -> None:
        self.tickets = [ticket for ticket in self.tickets if ticket["id"] != number]
        self.tickets.append(
            {"id": number, "status": status, "updated_at": iso(at), "generated_timestamp": at}
        )

    def event(self, number: int, at: int, comment: str | None = None) -> None:
        children = [{"id": number * 10, "event_type": "Change", "status": "open"}]
        if comment:
            children.append(
                {
                    "id": number * 10 + 1,
                    "event_type": "Comment",
                    "body": comment,
                    "public": True,
                    "author_id": 7,
                }
            )
        self.events.append(
            {
                "id": number,
                "ticket_id": 1,
                "timestamp": at,
                "created_at": iso(at),
                "updater_id": 7,
                "child_events": children,
            }
        )

    def record(self, stream: str, number: int, at: int, **more: Any) -> None:
        self.lists[stream] = [record for record in self.lists[stream] if record["id"] != number]
        self.lists[stream].append(
            {"id": number, "created_at": iso(at), "updated_at": iso(at), **more}
        )

    def answer(self, path: str, query: dict[str, list[str]], authorization: str) -> Any:
        for fault in list(self.faults):
            answer = fault(path, query)
            if answer is not None:
                return answer
        if TOKEN not in authorization and "Basic" not in authorization:
            return 401, {}, {"error": "Couldn't authenticate you"}
        name = path.removeprefix("/api/v2/").removesuffix(".json")
        if name == "incremental/tickets/cursor":
            return self._tickets(query)
        if name == "incremental/ticket_events":
            return self._events(query)
        if name not in self.lists:
            return 404, {}, {"error": "InvalidEndpoint"}
        records = sorted(self.lists[name], key=lambda record: record["id"])
        start = int(query.get("page[after]", ["0"])[0])
        size = int(query["page[size]"][0])
        more = len(records) > start + size
        meta = {"has_more": more, "after_cursor": str(start + size) if more else None}
        return 200, {}, {name: records[start : start + size], "meta": meta, "links": {"next": None}}

    def _tickets(self, query: dict[str, list[str]]) -> Any:
        order = sorted(
            self.tickets, key=lambda ticket: (ticket["generated_timestamp"], ticket["id"])
        )
        if "cursor" in query:
            at, number = map(int, query["cursor"][0].split("-"))
            order = [t for t in order if (t["generated_timestamp"], t["id"]) > (at, number)]
        else:
            order = [t for t in order if t["generated_timestamp"] >= int(query["start_time"][0])]
        page = order[: self.page]
        after = f"{page[-1]['generated_timestamp']}-{page[-1]['id']}" if page else None
        return (
            200,
            {},
            {"tickets": page, "after_cursor": after, "end_of_stream": len(order) <= self.page},
        )

    def _events(self, query: dict[str, list[str]]) -> Any:
        start = int(query["start_time"][0])
        order = sorted(
            (e for e in self.events if e["timestamp"] >= start),
            key=lambda e: (e["timestamp"], e["id"]),
        )
        page = order[: self.page]
        end = page[-1]["timestamp"] if page else None
        return (
            200,
            {},
            {
                "ticket_events": page,
                "count": len(page),
                "end_time": end,
                "end_of_stream": len(order) <= self.page,
            },
        )
