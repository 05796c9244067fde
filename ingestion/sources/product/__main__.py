"""Run: `python -m ingestion.sources.product spec|check|discover|read …`."""

import sys

from ingestion.sources.product.source import ProductSource
from ingestion.sources.protocol import launch

if __name__ == "__main__":
    sys.exit(launch(ProductSource(), sys.argv[1:]))
