"""Lands histories in a warehouse of their own, at once or in any batches, and builds billing's gold.

Writes: `<home>/landing`, `<home>/warehouse.duckdb`.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.dbt.histories.compare import rates
from tests.dbt.histories.generator import NOW
from tests.dbt.histories.play import Object, Streams, Told
from tests.dbt.landing_files import ensure_all, land
from warehouse.dbt_process import run_dbt
from warehouse.settings import Settings

GOLD = (
    "fact_mrr_movements", "fact_customer_months", "kpi_mrr_daily", "fact_revenue", "fact_customer_retention",
    "fact_revenue_recognised_customer_months", "fact_dunning", "fact_invoices", "fact_balance_transactions",
)  # fmt: skip
#: What is built of changed keys only, beneath it or beside it.
BY_KEY = (
    "silver.int_subscription_sights", "silver.int_subscription_versions", "silver.int_subscription_item_versions",
    "silver.int_invoice_payments", "silver.int_invoice_failures", "silver.int_revenue_entries", "silver.int_item_segments",
    "silver.int_item_mrr", "gold.dim_customer_months",
)  # fmt: skip


def settings_of(home: Path, now: datetime = NOW, **choices: Any) -> Settings:
    """Settings of a warehouse of histories at an instant."""
    return Settings.for_test(
        home, as_of=now, reporting_currency="USD", reporting_timezone="America/New_York", **choices
    )


def warehouse_at(home: Path, *, wrong_rates: bool = False, **choices: Any) -> Settings:
    """A warehouse at the histories' now that has rates only; wrong ones are to be landed anew."""
    home.mkdir(parents=True, exist_ok=True)
    settings = settings_of(home, **choices)
    ensure_all(settings)
    land_rates(settings, wrong=wrong_rates)
    return settings


def land_rates(settings: Settings, *, wrong: bool = False) -> None:
    """Land the table of rates; a wrong one has another rate at the end of every third month, and is older."""
    table = rates()
    if wrong:
        table = [
            row | {"rate": "0.5"} if (date.fromisoformat(row["date"]) + timedelta(days=1)).day == 1
            and int(row["date"][5:7]) % 3 == 0 else row
            for row in table
        ]  # fmt: skip
    land(settings, "inputs", "fx_rates", table, at=NOW - timedelta(days=1 if wrong else 0))


def merged(many: Iterable[Streams]) -> Streams:
    """All records, stream by stream."""
    streams: dict[str, list[Object]] = defaultdict(list)
    for one in many:
        for stream, records in one.items():
            streams[stream] += records
    return dict(streams)


def loads_of(told: Mapping[str, Told]) -> list[tuple[datetime, Streams]]:
    """What the syncs landed: earlier looks, then everything at the end."""
    looks: dict[int, list[Streams]] = defaultdict(list)
    for one in told.values():
        for at, streams in one.looks:
            looks[at].append(streams)
    return [
        *((datetime.fromtimestamp(at, UTC), merged(looks[at])) for at in sorted(looks)),
        (NOW, merged(one.fed for one in told.values())),
    ]


def feed(settings: Settings, loads: Sequence[tuple[datetime, Streams]]) -> None:
    """Land records as one load per stream and instant."""
    for at, streams in loads:
        for stream, records in streams.items():
            if records:
                land(settings, "stripe", stream, records, at=at)


def batches(
    loads: Sequence[tuple[datetime, Streams]], count: int, seed: int
) -> list[list[tuple[datetime, Streams]]]:
    """The same records in so many syncs: in random order, some late, some twice or three times, each read when it was."""
    dice = random.Random(seed)
    syncs: list[list[tuple[datetime, dict[str, list[Object]]]]] = [
        [(at, defaultdict(list)) for at, _ in loads] for _ in range(count)
    ]
    for place, (_, streams) in enumerate(loads):
        for stream, records in streams.items():
            for record in records:
                for number in dice.sample(range(count), dice.choice((1, 1, 1, min(2, count)))):
                    syncs[number][place][1][stream] += [record] * dice.choice((1, 1, 1, 2))
    for sync in syncs:
        dice.shuffle(sync)
        for _, streams in sync:
            for records in streams.values():
                dice.shuffle(records)
    return [[(at, dict(streams)) for at, streams in sync] for sync in syncs]


def build(settings: Settings, *, full_refresh: bool = False) -> None:
    """One start of dbt over what billing's gold stands on, without tests."""
    command = [
        "build", "--select", *(f"+{model}" for model in GOLD), "--exclude-resource-types", "test", "unit_test",
        *(["--full-refresh"] if full_refresh else []),
    ]  # fmt: skip
    run_dbt(settings, command, target="dev")
