"""The same company on other machines: the host's time zone and the number of threads are nothing, from files to the published edition.

Usage lands from files, the rest as connectors land it; then gold is built and an edition of it written and asked, under each clock.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pytest

from ingestion import runner
from quality import scoring
from serving import editions
from tests.dbt.company import AS_OF, BATCHES, Batch
from tests.dbt.warehouse_of import (
    GOLD,
    SILVER,
    differences,
    land_batch,
    merged,
    run_core,
    settings_at,
)
from warehouse.settings import Settings

pytestmark = pytest.mark.slow(minutes=3)

# (time zone of the host, threads)
MACHINES = {
    "plain": ("UTC", 2),
    "kolkata": ("Asia/Kolkata", 1),
    "new_york": ("America/New_York", 4),
}
USAGE = ("usage", "api_calls")


@contextmanager
def clock_of(zone: str) -> Iterator[None]:
    """The host's clock is another's."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = zone
    time.tzset()
    try:
        yield
    finally:
        os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
        time.tzset()


def made(home: Path, batch: Batch, threads: int) -> tuple[Settings, Path]:
    """The company's warehouse and a written edition of it."""
    folder = home / "usage"
    settings = settings_at(home / "data").over(threads=threads, usage_location=str(folder))
    folder.mkdir()
    (folder / "all.jsonl").write_text("".join(json.dumps(call) + "\n" for call in batch[USAGE]))
    os.utime(folder / "all.jsonl", (1_700_000_000, 1_700_000_000))
    land_batch(settings, 0, {key: rows for key, rows in batch.items() if key != USAGE})
    assert runner.sync("usage", settings).rows == len(batch[USAGE])
    run_core(settings)
    scoring.keep(settings)  # what the gates said goes along
    edition = home / "restricted.duckdb"
    editions.write_restricted(settings, edition)
    return settings, edition


@pytest.fixture(scope="module")
def companies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Settings, Path]]:
    found = {}
    for name, (zone, threads) in MACHINES.items():
        with clock_of(zone):
            found[name] = made(tmp_path_factory.mktemp(name), merged(BATCHES), threads)
    return found


def asked(edition: Path, zone: str) -> tuple[dict[str, int], dict[str, str]]:
    """Rows and checksums of what a reader sees, on a machine of that zone."""
    with clock_of(zone), duckdb.connect(str(edition), read_only=True) as con:
        return editions.fingerprint(con)


@pytest.mark.parametrize("name", [name for name in MACHINES if name != "plain"])
def test_clock_and_threads_are_nothing(
    companies: dict[str, tuple[Settings, Path]], name: str
) -> None:
    plain, other = companies["plain"], companies[name]
    tables = [*(f"gold.{table}" for table in GOLD), *(f"silver.{table}" for table in SILVER)]
    assert differences(plain[0], other[0], tables) == {}
    counts, sums = asked(plain[1], "UTC")
    assert counts["fact_api_usage"] == 8
    assert counts["fact_support_tickets"] > 0
    assert asked(other[1], MACHINES[name][0]) == (counts, sums)


def test_an_instant_is_what_it_was_on_every_machine(
    companies: dict[str, tuple[Settings, Path]],
) -> None:
    """Said out loud, as the same wrong hour everywhere would be equal too: 12:00 +05:30 is 06:30 UTC."""
    for name, (zone, _) in MACHINES.items():
        with clock_of(zone), duckdb.connect(str(companies[name][1]), read_only=True) as con:
            calls = con.execute('select "timestamp"::varchar, date_partition::varchar from gold.fact_api_usage where request_id = \'r4\'').fetchall()  # fmt: skip
        assert calls == [("2024-01-03 06:30:00", "2024-01-03")]
    assert AS_OF.utcoffset().total_seconds() == 0
