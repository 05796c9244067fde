"""The Stripe source: settings in, feeds out.

Reads: the Stripe API.
Writes: Airbyte messages on stdout.
Run: `python -m ingestion.sources.stripe read --config F --catalog F [--state F]`
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ingestion.sources.protocol import Feed, FeedSource, Span, source_error
from ingestion.sources.stripe.api import StripeApi
from ingestion.sources.stripe.feeds import (
    CreatedFeed,
    EventFeed,
    EventLog,
    ObjectFeed,
    PayoutTransactionFeed,
)
from ingestion.sources.stripe.resources import PAYOUTS, RESOURCES


class StripeSource(FeedSource):
    """Stripe's objects and events."""

    folder = Path(__file__).parent
    title = "Stripe"

    def __init__(self) -> None:
        self._apis: list[StripeApi] = []

    def feeds(self, config: Mapping[str, Any]) -> list[Feed]:
        """The streams in the order of reading: objects, then what has no events, then events."""
        span = Span.of(config)
        api = self._api(config)
        log = EventLog(api, span)
        common = {"api": api, "log": log, "span": span, "schemas": self.folder / "schemas"}
        return [
            *(ObjectFeed(resource.stream, resource=resource, **common) for resource in RESOURCES),
            # A request for each payout: a state after every page of them.
            PayoutTransactionFeed(
                "payout_transactions", resource=PAYOUTS, pages_per_checkpoint=1, **common
            ),
            CreatedFeed("balance_transactions", path="/v1/balance_transactions", **common),
            EventFeed("events", **common),
        ]

    def probe(self, config: Mapping[str, Any]) -> str:
        """Ask for one customer and one event: both are needed for anything else."""
        Span.of(config)
        api = self._api(config)
        modes = set()
        for path in ("/v1/customers", "/v1/events"):
            answer = api.get(path, {"limit": 1})
            if not isinstance(answer.get("data"), list):
                raise source_error(f"{api.api_base}{path} does not answer as Stripe does")
            modes.update(item.get("livemode") for item in answer["data"])
        mode = {frozenset({True}): "live", frozenset({False}): "test"}.get(frozenset(modes))
        return f"Stripe answers at {api.api_base}{f' ({mode} mode)' if mode else ''}"

    def close(self) -> None:
        """Close the HTTP connections."""
        while self._apis:
            self._apis.pop().close()

    def _api(self, config: Mapping[str, Any]) -> StripeApi:
        api = StripeApi(
            config["api_key"],
            api_base=config.get("api_base") or "https://api.stripe.com",
            timeout=config.get("request_timeout_seconds") or 40.0,
            max_attempts=config.get("max_attempts") or 8,
            backoff=config.get("backoff_seconds", 0.5),
        )
        self._apis.append(api)
        return api
