"""The support desk over HTTP, in Zendesk's shape.

Incremental exports (tickets by cursor, ticket events by time), comments of a ticket, users,
organisations and satisfaction ratings by cursor pagination. Every request needs a bearer token or
basic `…/token:<token>`; now and then the answer is 429 with Retry-After, as Zendesk's limits give.

Reads: `support.sqlite`, opened anew for each request, since `sandbox advance` replaces it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import itertools
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

TOKEN = "sandbox"  # noqa: S105 - a word, not a secret
_LISTS = ("users", "organizations", "satisfaction_ratings")
_PAGE, _LARGEST_PAGE = 100, 100
_LARGEST_EXPORT = 1000


class _Refused(Exception):
    """An answer that is an error, in Zendesk's shape."""

    def __init__(
        self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None
    ) -> None:
        super().__init__(status)
        self.status, self.body, self.headers = status, body, headers or {}


def create_app(
    store: Path, *, token: str = TOKEN, limit_every: int = 97, retry_after: int = 1
) -> Starlette:
    """The HTTP application.

    Args:
        store: `support.sqlite`.
        token: What callers must show.
        limit_every: Every so manieth request is answered with 429; 0: never.
        retry_after: Seconds in that answer's Retry-After.
    """
    api = _Api(Path(store), token, limit_every, retry_after)
    routes = [
        ("/api/v2/incremental/tickets/cursor{ext}", api.ticket_export),
        ("/api/v2/incremental/ticket_events{ext}", api.event_export),
        ("/api/v2/tickets/{ticket_id:int}/comments{ext}", api.comments),
        *((f"/api/v2/{name}{{ext}}", api.listing(name)) for name in _LISTS),
    ]
    return Starlette(
        routes=[
            Route(path.replace("{ext}", extension), api.guarded(handler))
            for path, handler in routes
            for extension in (".json", "")
        ]
        + [Route("/{path:path}", api.guarded(api.missing))]
    )


class _Api:
    def __init__(self, store: Path, token: str, limit_every: int, retry_after: int) -> None:
        self.store, self.token, self.limit_every, self.retry_after = (
            store,
            token,
            limit_every,
            retry_after,
        )
        self.requests = itertools.count(1)

    def guarded(self, handler: Callable[[Request], dict[str, Any]]) -> Callable[[Request], Any]:
        """Wrap a handler with the token check, the rate limit and Zendesk's errors."""

        async def answer(request: Request) -> Response:
            try:
                self._authenticate(request)
                self._limit()
                body, status, headers = handler(request), 200, {}
            except _Refused as refused:
                body, status, headers = refused.body, refused.status, refused.headers
            return Response(orjson.dumps(body), status, headers, media_type="application/json")

        return answer

    def _authenticate(self, request: Request) -> None:
        kind, _, given = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "basic":
            try:
                given = base64.b64decode(given, validate=True).decode().rpartition(":")[2]
            except (binascii.Error, UnicodeDecodeError):
                given = ""
        elif kind.lower() != "bearer":
            given = ""
        if not hmac.compare_digest(given.encode(), self.token.encode()):
            raise _Refused(401, {"error": "Couldn't authenticate you"})

    def _limit(self) -> None:
        if self.limit_every and next(self.requests) % self.limit_every == 0:
            raise _Refused(
                429,
                {
                    "error": "APIRateLimitExceeded",
                    "description": "Number of allowed API requests per minute exceeded",
                },
                {"Retry-After": str(self.retry_after)},
            )

    def _rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        connection = sqlite3.connect(f"file:{self.store}?mode=ro", uri=True)
        try:
            return connection.execute(sql, values).fetchall()
        finally:
            connection.close()

    # --- endpoints --------------------------------------------------------------------------------

    def missing(self, _: Request) -> dict[str, Any]:
        """Any other address."""
        raise _Refused(404, {"error": "InvalidEndpoint", "description": "Not found"})

    def ticket_export(self, request: Request) -> dict[str, Any]:
        """Tickets changed since `start_time`, or after a cursor, in order of change."""
        query = request.query_params
        size = min(_whole(query.get("per_page"), _LARGEST_EXPORT, "per_page"), _LARGEST_EXPORT)
        if cursor := query.get("cursor"):
            at, number = _read_cursor(cursor)
        elif "start_time" in query:
            at, number = _whole(query["start_time"], 0, "start_time"), -1
        else:
            raise _bad_request("start_time", "start_time is required")
        rows = self._rows(
            "select at, id, json from tickets where (at, id) > (?, ?) order by at, id limit ?",
            at,
            number,
            size + 1,
        )
        more, rows = len(rows) > size, rows[:size]
        after = _cursor(*rows[-1][:2]) if rows else query.get("cursor") or _cursor(at, number)
        url = str(request.url.replace(query=f"cursor={after}"))
        return {
            "tickets": [orjson.loads(text) for *_, text in rows],
            "after_cursor": after,
            "after_url": url,
            "before_cursor": None,
            "before_url": None,
            "end_of_stream": not more,
        }

    def event_export(self, request: Request) -> dict[str, Any]:
        """Ticket events since `start_time`; the next page begins with the end time of this one."""
        query = request.query_params
        size = min(_whole(query.get("per_page"), _LARGEST_EXPORT, "per_page"), _LARGEST_EXPORT)
        if "start_time" not in query:
            raise _bad_request("start_time", "start_time is required")
        start = _whole(query["start_time"], 0, "start_time")
        rows = self._rows(
            "select at, json from ticket_events where at >= ? order by at, id limit ?",
            start,
            size + 1,
        )
        more, rows = len(rows) > size, rows[:size]
        # Like Zendesk's, the next page begins with this one's last second, so that none of its
        # events is lost; only a second that fills a page alone is given whole.
        if more and rows[-1][0] == start:
            rows = self._rows("select at, json from ticket_events where at = ? order by id", start)
            more = bool(self._rows("select 1 from ticket_events where at > ? limit 1", start))
        end = rows[-1][0] if rows else None
        if more and end == start:
            end = start + 1
        events = [orjson.loads(text) for _, text in rows]
        if "comment_events" not in query.get("include", ""):
            for event in events:
                for child in event["child_events"]:
                    child.pop("body", None)
        page = request.url.include_query_params(start_time=end) if end is not None else None
        return {
            "ticket_events": events,
            "next_page": str(page) if page else None,
            "count": len(events),
            "end_time": end,
            "end_of_stream": not more,
        }

    def comments(self, request: Request) -> dict[str, Any]:
        """Comments of one ticket."""
        ticket = request.path_params["ticket_id"]
        if not self._rows("select 1 from tickets where id = ?", ticket):
            raise _Refused(404, {"error": "RecordNotFound", "description": "Not found"})
        return self._page(request, "comments", "ticket_id = ?", ticket)

    def listing(self, name: str) -> Callable[[Request], dict[str, Any]]:
        """A handler for a plain list."""
        return lambda request: self._page(request, name, "?", 1)

    def _page(self, request: Request, table: str, where: str, value: object) -> dict[str, Any]:
        query = request.query_params
        size = _whole(query.get("page[size]"), _PAGE, "page[size]")
        if not 1 <= size <= _LARGEST_PAGE:
            raise _bad_request("page[size]", f"page[size] must be between 1 and {_LARGEST_PAGE}")
        after = _read_cursor(query["page[after]"])[1] if query.get("page[after]") else -1
        # Ratings can be asked for from an instant on, as Zendesk's can.
        since = (
            _whole(query.get("start_time"), 0, "start_time")
            if table == "satisfaction_ratings"
            else 0
        )
        rows = self._rows(
            f"select at, id, json from {table} where {where} and id > ? and at >= ? "
            "order by id limit ?",
            value, after, since, size + 1,
        )  # fmt: skip
        more, rows = len(rows) > size, rows[:size]
        cursor = _cursor(0, rows[-1][1]) if rows else None
        before = _cursor(0, rows[0][1]) if rows else None
        following = request.url.include_query_params(**{"page[after]": cursor, "page[size]": size})
        previous = request.url.remove_query_params("page[after]").include_query_params(
            **{"page[before]": before, "page[size]": size}
        )
        return {
            table: [orjson.loads(text) for *_, text in rows],
            "meta": {"has_more": more, "after_cursor": cursor, "before_cursor": before},
            "links": {
                "next": str(following) if more else None,
                "prev": str(previous) if after >= 0 else None,
            },
        }


def _bad_request(field: str, text: str) -> _Refused:
    return _Refused(
        400,
        {"error": "InvalidValue", "description": text, "details": {field: [{"description": text}]}},
    )


def _whole(text: str | None, default: int, field: str) -> int:
    if text is None or text == "":
        return default
    try:
        return int(float(text))
    except ValueError:
        raise _bad_request(field, f"{field} is not a number") from None


def _cursor(at: int, number: int) -> str:
    return base64.urlsafe_b64encode(f"{at}||{number}".encode()).decode().rstrip("=")


def _read_cursor(cursor: str) -> tuple[int, int]:
    try:
        text = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
        at, number = text.split("||")
        return int(at), int(number)
    except (ValueError, UnicodeDecodeError, binascii.Error):
        raise _bad_request("cursor", "cursor is invalid") from None
