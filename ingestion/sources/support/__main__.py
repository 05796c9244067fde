"""Run: `python -m ingestion.sources.support spec|check|discover|read …`."""

import sys

from ingestion.sources.support.source import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
