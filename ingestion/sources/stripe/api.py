"""Stripe over HTTP: one request with its retries, and one list read page by page.

Reads: the Stripe API (or the sandbox's), through the SDK's `raw_request`.
Writes: nothing.
"""

from __future__ import annotations

import logging
import random
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

import requests
import stripe

from ingestion.sources.protocol import (
    LOOPBACK,
    StreamRefused,
    checked_base_url,
    config_error,
    source_error,
    transient_error,
)
from ingestion.sources.stripe.resources import second_of

logger = logging.getLogger("airbyte.stripe")

HOSTS = ("api.stripe.com",)
PAGE_SIZE = 100

#: A longer pause than this is not waited for: the next sync goes on from the last state.
LONGEST_WAIT_SECONDS = 300.0
LONGEST_BACKOFF_SECONDS = 30.0


class _Listening(stripe.RequestsClient):
    """The SDK's HTTP client, which remembers what came last.

    For an answer that is not JSON the SDK's error has lost the status or the headers, Retry-After
    among them.
    """

    last_status: int | None = None
    last_headers: Mapping[str, str] = {}

    def request(self, *args: Any, **kwargs: Any) -> Any:
        """One request; the answer is kept in mind."""
        self.last_status, self.last_headers = None, {}
        content, status, headers = super().request(*args, **kwargs)
        self.last_status, self.last_headers = status, headers
        return content, status, headers


class NotFound(Exception):
    """The object that was asked for is not there."""


class AnchorGone(Exception):
    """The object that a page was to start after is not there any more."""


@dataclass
class StripeApi:
    """A patient reader of one Stripe account.

    Attributes:
        api_key: secret or restricted key.
        api_base: checked base address.
        timeout: seconds until a silent request is given up.
        max_attempts: tries per request.
        backoff: first wait in seconds.
        sleep: how to wait.
    """

    api_key: str
    api_base: str = "https://api.stripe.com"
    timeout: float = 40.0
    max_attempts: int = 8
    backoff: float = 0.5
    sleep: Callable[[float], None] = time.sleep
    requests_made: int = field(default=0, init=False)
    _refused_expansions: set[str] = field(default_factory=set, init=False)

    def __post_init__(self) -> None:
        self.api_base = checked_base_url(self.api_base, HOSTS, "api_base")
        stripe.enable_telemetry = False
        self._session = requests.Session()
        # A redirect would carry the key elsewhere; Stripe's API has none.
        self._session.max_redirects = 0
        if urlsplit(self.api_base).hostname in LOOPBACK:
            self._session.trust_env = False
        # The SDK's own retries ignore Retry-After and don't cover 429: there is one loop, ours.
        self._http = _Listening(timeout=self.timeout, session=self._session)
        self._client = stripe.StripeClient(
            self.api_key,
            base_addresses={"api": self.api_base},
            max_network_retries=0,
            http_client=self._http,
        )

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def get(self, path: str, params: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """One GET, tried until it works or cannot.

        Args:
            path: from /v1 on.
            params: query parameters; a list becomes `name[0]=…`.

        Raises:
            NotFound: there is no such object.
            AnchorGone: `starting_after` names an object that is gone.
            StreamRefused: the key may not read this.
            AirbyteTracedException: the key is wrong, or the source would not answer.
        """
        for attempt in range(1, self.max_attempts + 1):
            query = urlencode(_flat(self._without_refused(params or {})))
            url = f"{path}?{query}" if query else path
            try:
                self.requests_made += 1
                response = self._client.raw_request("get", url)
            except stripe.StripeError as error:
                if self._refuse_expansion(error, (params or {}).get("expand", ())):
                    continue
                wait = self._wait_after(error, path, attempt)
            else:
                if isinstance(response.data, dict):
                    return response.data
                raise source_error(f"Stripe answered {path} with no JSON object")
            self.sleep(wait)
        raise AssertionError("the last attempt raises")

    def _wait_after(self, error: stripe.StripeError, path: str, attempt: int) -> float:
        """Seconds to wait before the next try, or the error that ends it."""
        status = self._http.last_status
        if isinstance(error, stripe.AuthenticationError) or status == 401:
            raise config_error(
                f"Stripe refused the API key (401 on {path}): check STRIPE_API_KEY", _said(error)
            ) from None
        if isinstance(error, stripe.PermissionError) or status == 403:
            raise StreamRefused(
                message=f"Stripe's key may not read {path} (403): give it read permission",
                internal_message=_said(error),
                failure_type=config_error("").failure_type,
            ) from None
        if status in (400, 404) and error.code == "resource_missing":
            if getattr(error, "param", None) in ("starting_after", "ending_before"):
                raise AnchorGone(path) from None
            raise NotFound(path) from None
        if status == 404:
            raise NotFound(path) from None
        what = _what_happened(error, status)
        if not _may_pass(error, status):
            raise source_error(f"Stripe refused {path}: {what}", _said(error)) from None
        if attempt >= self.max_attempts:
            raise transient_error(
                f"Stripe did not answer {path} in {attempt} tries: {what}", _said(error)
            ) from None
        asked = _retry_after(self._http.last_headers)
        if asked is not None and asked > LONGEST_WAIT_SECONDS:
            raise transient_error(
                f"Stripe asks for a pause of {asked:.0f} s on {path}: sync again after it", what
            ) from None
        # Up to half of the wait is chance, so that many readers don't come back as one.
        grown = min(self.backoff * 2 ** (attempt - 1), LONGEST_BACKOFF_SECONDS)
        wait = max(grown * random.uniform(0.5, 1.0), asked or 0.0)
        logger.info("%s: %s; try %d follows in %.1f s", path, what, attempt + 1, wait)
        return wait

    def _refuse_expansion(self, error: stripe.StripeError, asked: Sequence[str]) -> bool:
        """Note an expansion that this account's API does not know: its id is landed unexpanded."""
        found = re.search(r"cannot be expanded \(([\w.]+)\)", error.user_message or "")
        if not found:
            return False
        last = found[1].rpartition(".")[2]
        refused = {path for path in asked if last in path.split(".")}
        if not refused - self._refused_expansions:
            return False
        self._refused_expansions |= refused
        logger.warning("Stripe does not expand %s: ids are landed", ", ".join(sorted(refused)))
        return True

    def _without_refused(self, params: Mapping[str, Any]) -> Mapping[str, Any]:
        if not self._refused_expansions or "expand" not in params:
            return params
        kept = [path for path in params["expand"] if path not in self._refused_expansions]
        return {**params, "expand": kept}

    def pages(
        self,
        path: str,
        params: Mapping[str, Any],
        *,
        since: int | None = None,
        until: int | None = None,
    ) -> Iterator[list[dict[str, Any]]]:
        """A list's pages, newest first.

        Objects that are created while this reads stand before the first page: the caller takes its
        cursor before the first request, so the next sync sees them. If the object that a page was to
        start after is deleted meanwhile, reading goes on by `created`.

        Args:
            path: of the list.
            params: filters and expansions.
            since: oldest `created` wanted, in seconds, inclusive.
            until: newest `created` wanted, in seconds, inclusive.
        """
        bounds: dict[str, Any] = {} if since is None else {"created[gte]": since}
        if until is not None:
            bounds["created[lte]"] = until
        after: dict[str, str] = {}
        oldest: int | None = None
        circle = _Circle(path)
        while True:
            try:
                answer = self.get(path, {"limit": PAGE_SIZE, **params, **bounds, **after})
            except AnchorGone:
                if not after or oldest is None:
                    raise source_error(f"Stripe lost its place in {path}") from None
                after, circle = {}, _Circle(path)
                bounds["created[lte]"] = oldest
                continue
            except NotFound:
                raise source_error(f"Stripe has no list {path} (404)") from None
            data, more = _page(answer, path)
            if data:
                yield data
            if not more:
                return
            if not data:
                raise source_error(f"Stripe says that {path} has more, but sent an empty page")
            oldest = _oldest(data, oldest)
            after = {"starting_after": circle.passed(data[-1]["id"])}

    def complete(self, path: str, params: Mapping[str, Any]) -> list[dict[str, Any]]:
        """A whole (short) list."""
        return [item for page in self.pages(path, params) for item in page]


class _Circle:
    """Notices a cursor that goes in circles, by Brent: a mark to compare with moves ever more seldom."""

    def __init__(self, path: str) -> None:
        self.path, self.mark, self.step, self.taken = path, None, 1, 0

    def passed(self, cursor: str) -> str:
        """The cursor, if it has not been seen at the mark.

        Raises:
            AirbyteTracedException: it has.
        """
        if cursor == self.mark:
            raise source_error(f"Stripe's list {self.path} goes in circles at {cursor}")
        self.taken += 1
        if self.taken == self.step:
            self.mark, self.step, self.taken = cursor, self.step * 2, 0
        return cursor


def _oldest(data: list[dict[str, Any]], before: int | None) -> int | None:
    stamped = [second_of(item) for item in data if "created" in item or "date" in item]
    return min(stamped, default=before)


def _page(answer: Mapping[str, Any], path: str) -> tuple[list[dict[str, Any]], bool]:
    data, more = answer.get("data"), answer.get("has_more")
    if not isinstance(data, list) or not isinstance(more, bool):
        raise source_error(f"Stripe's answer to {path} is no list: data or has_more is missing")
    if any(not isinstance(item, dict) or not isinstance(item.get("id"), str) for item in data):
        raise source_error(f"Stripe's list {path} has an object without an id")
    return data, more


def _flat(params: Mapping[str, Any]) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        if isinstance(value, list | tuple):
            pairs.extend((f"{name}[]", str(item)) for item in value)
        else:
            pairs.append((name, str(value)))
    return pairs


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after") or headers.get("Retry-After")
    if not value:
        return None
    try:
        return max(float(value), 0.0)
    except ValueError:
        pass
    try:
        return max((parsedate_to_datetime(value) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None


def _may_pass(error: stripe.StripeError, status: int | None) -> bool:
    if isinstance(error, stripe.APIConnectionError):
        return "SSL" not in str(error) and "redirect" not in str(error).lower()
    if status is None:
        return False
    if 200 <= status < 300:
        return True  # a page that is no JSON: a proxy or an outage notice in between
    return status in (408, 409, 425, 429) or status >= 500


def _what_happened(error: stripe.StripeError, status: int | None) -> str:
    if isinstance(error, stripe.APIConnectionError):
        cause = error.__cause__ or error.__context__
        text = str(cause or error)
        if "timed out" in text.lower() or "timeout" in type(cause).__name__.lower():
            return "no answer in time"
        if "redirect" in text.lower():
            return "redirected, which is not followed"
        return f"no connection ({type(cause or error).__name__})"
    if status is not None and 200 <= status < 300:
        return f"status {status}, but the body is not JSON"
    if status == 429:
        return "rate limited"  # without the number: the runner takes one in a log for a refusal
    said = (error.user_message or "").splitlines()
    return f"status {status}" + (f": {said[0][:200]}" if said and (status or 0) < 500 else "")


def _said(error: stripe.StripeError) -> str:
    return str(error)[:500]
