"""Airbyte's own source of made-up data, as its makers ship it: 40,100 records; killed, it loses rows, and we say so.

Optional, as connectors pin other versions than we do: install it in an environment of its own and name its executable,
`SOURCE_FAKER=faker-env/bin/source-faker` (docs/add-a-source.md).
"""

from __future__ import annotations

import multiprocessing
import os
import time

import pytest

from ingestion import runner
from ingestion.destination import airbyte
from ingestion.destination.opening import opened
from serving.sql import query_landing
from warehouse.errors import IncompleteLoad
from warehouse.settings import Settings

FAKER = os.environ.get("SOURCE_FAKER", "")
STREAMS = {"products": 100, "users": 20_000, "purchases": 20_000}

pytestmark = [
    pytest.mark.skipif(not FAKER, reason="SOURCE_FAKER does not name a source-faker executable"),
    pytest.mark.slow(minutes=2),
]


def sync(settings: Settings, **options):
    config = {"count": 20_000, "seed": 1, "parallelism": 2} | options.pop("config", {})
    return runner.sync_exec(FAKER, config, "faker", settings, **options)


def broken_off(settings: Settings, config: dict) -> None:
    airbyte.COMMIT_BYTES = 1  # a commit at every state
    sync(settings, config=config)


def latest(settings: Settings) -> dict[str, int]:
    return {
        stream: query_landing(settings, "faker", f"select count(*) from latest.{stream}").rows[0][0]
        for stream in STREAMS
    }


def latest_users(settings: Settings) -> int:
    return query_landing(settings, "faker", "select count(*) from latest.users").rows[0][0]


def users_landed(settings: Settings) -> bool:
    if not settings.landing("faker").exists():
        return False
    with opened("faker", settings, streams=["users"]) as landing:
        return bool(landing.con.execute("select count(*) from raw_faker.users").fetchall()[0][0])


def kill_in_the_middle_of_users(settings: Settings, config: dict) -> None:
    process = multiprocessing.get_context("spawn").Process(
        target=broken_off, args=(settings, config)
    )
    process.start()
    deadline = time.monotonic() + 60
    while not users_landed(settings) and time.monotonic() < deadline:
        time.sleep(0.1)
    process.kill()
    process.join()
    assert 0 < latest_users(settings) < STREAMS["users"]


def test_all_of_it_lands(settings):
    result = sync(settings)
    assert (result.rows, result.quarantined, result.rows_by_stream) == (40_100, 0, STREAMS)
    assert latest(settings) == STREAMS


def test_killed_and_resumed_it_sends_all_again(settings):
    kill_in_the_middle_of_users(settings, {})
    sync(settings)
    assert latest(settings) == STREAMS


def test_the_loss_that_the_source_itself_causes_is_told_and_can_be_mended(settings):
    """With `always_updated` off, a state anywhere in a stream makes it send nothing more."""
    config = {"always_updated": False}
    kill_in_the_middle_of_users(settings, config)
    lost = STREAMS["users"] - latest_users(settings)
    with pytest.raises(IncompleteLoad, match="users had been broken off"):
        sync(settings, config=config)
    assert latest(settings) == STREAMS | {"users": STREAMS["users"] - lost}
    with opened("faker", settings) as landing:
        assert landing.complete_through().keys() == {"products", "purchases"}
    sync(settings, config=config, restart_from_complete=True)
    assert latest(settings) == STREAMS
    assert sync(settings, config=config).rows == 0  # and now it is known to be complete
