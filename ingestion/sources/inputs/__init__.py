"""Small tables that people keep as CSV: exchange rates and advertising spend.

Reads: `INPUTS_LOCATION`. Writes: `landing/inputs.duckdb` through `ingestion.files`. Run: `warehouse
sync inputs`.
"""

from __future__ import annotations

from datetime import datetime

from ingestion.destination.typecheck import Rule, Rules
from ingestion.files.stream import FileStream

SMALLEST_RATE = 1e-12  # a rate of zero would make money vanish


def fx_rate(_now: datetime) -> Rules:
    """1 base = `rate` quote."""
    return Rules(
        (
            Rule("date", "date", required=True),
            Rule("base", "text", required=True),
            Rule("quote", "text", required=True),
            Rule("rate", "number", required=True, low=SMALLEST_RATE),
        )
    )


def ad_spend(_now: datetime) -> Rules:
    """What a campaign cost on a day, in minor units."""
    return Rules(
        (
            Rule("date", "date", required=True),
            Rule("channel", "text", required=True),
            Rule("campaign", "text"),
            Rule("currency", "text", required=True),
            Rule("spend_minor", "integer", required=True),
            Rule("impressions", "integer", low=0),
            Rule("clicks", "integer", low=0),
        )
    )


FILE_STREAMS = (
    FileStream(
        name="fx_rates",
        patterns=("fx_rates*.csv", "fx_rates*.csv.gz"),
        columns=("date", "base", "quote", "rate"),
        rules=fx_rate,
    ),
    FileStream(
        name="ad_spend",
        patterns=("ad_spend*.csv", "ad_spend*.csv.gz"),
        columns=("date", "channel", "currency", "spend_minor"),
        rules=ad_spend,
    ),
)
