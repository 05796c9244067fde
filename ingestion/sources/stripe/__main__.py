"""Run: `python -m ingestion.sources.stripe spec|check|discover|read …`."""

import sys

from ingestion.sources.protocol import launch
from ingestion.sources.stripe.source import StripeSource

if __name__ == "__main__":
    sys.exit(launch(StripeSource(), sys.argv[1:]))
