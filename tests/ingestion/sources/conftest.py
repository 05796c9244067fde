"""A fake Stripe, and a way to read it."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from ingestion.sources.stripe.resources import RESOURCES
from ingestion.sources.stripe.source import StripeSource
from tests.ingestion.sources.connectors import Outcome, catalog_of, read_here
from tests.ingestion.sources.fake_stripe import FakeStripe

STRIPE_STREAMS = (
    *(resource.stream for resource in RESOURCES),
    "payout_transactions",
    "balance_transactions",
    "events",
)


@pytest.fixture
def stripe() -> Iterator[FakeStripe]:
    with FakeStripe() as fake:
        yield fake


@pytest.fixture
def sync(stripe: FakeStripe) -> Callable[..., Outcome]:
    """Read the fake Stripe: `sync("customers", after=outcome)`; all streams if none is named."""

    def read(
        *streams: str, after: Outcome | None = None, state=None, mode: str = "incremental", **config
    ) -> Outcome:
        stripe.calls.clear()
        settings = stripe.config(**{"as_of": "2025-07-01T00:00:00Z", **config})
        catalog = catalog_of(*(streams or STRIPE_STREAMS), mode=mode)
        return read_here(StripeSource(), settings, catalog, after.resume() if after else state)

    return read
