"""A data folder, a fake connector and short ways to look into a landing file."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ingestion import runner
from ingestion.connector import Connector
from warehouse import duck
from warehouse.settings import Settings

NOW = datetime(2025, 7, 1, tzinfo=UTC)
FAKE = Path(__file__).with_name("fake_connector.py")


@pytest.fixture
def settings(tmp_path):
    return Settings.for_test(tmp_path / "data", as_of=NOW)


class Desk:
    """Syncs the fake connector as source `fake` and reads what landed."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self.settings = settings
        self.folder = folder

    def sync(
        self,
        *,
        strict=True,
        full_refresh=False,
        window=None,
        mode=None,
        from_complete=None,
        **config,
    ):
        connector = Connector((sys.executable, str(FAKE)), "fake", config)
        found = runner.connectors.ask(connector, "discover", self.settings)
        return runner._sync_connector(
            "fake",
            connector,
            runner.configured_catalog(found),
            self.settings,
            is_strict=strict,
            full_refresh=full_refresh,
            window=window,
            mode=mode,
            from_complete=from_complete,
        )

    def play(self, *lines, **options):
        """Sync what a connector says: dicts are messages, bytes are lines as they are."""
        path = self.folder / "messages.jsonl"
        said = [
            line if isinstance(line, bytes) else json.dumps(line, separators=(",", ":")).encode()
            for line in lines
        ]
        path.write_bytes(b"\n".join(said) + b"\n")
        return self.sync(play=str(path), **options)

    def query(self, sql, source="fake"):
        with duck.connect(self.settings.landing(source), read_only=True) as con:
            return con.execute(sql).fetchall()

    def ids(self, stream="items"):
        return [
            row[0]
            for row in self.query(
                f"select _raw::json->>'id' from raw_fake.{stream} order by _load_id, _position"
            )
        ]


@pytest.fixture
def desk(settings, tmp_path):
    return Desk(settings, tmp_path)


def record(data, stream="items"):
    return {
        "type": "RECORD",
        "record": {"stream": stream, "data": data, "emitted_at": 1735689600000},
    }


def raw_record(data: str, stream="items"):
    """A record whose data is this very text."""
    return f'{{"type":"RECORD","record":{{"stream":"{stream}","data":{data},"emitted_at":1735689600000}}}}'.encode()


def descriptor(stream):
    """A stream by name, or by (namespace, name)."""
    if isinstance(stream, str):
        return {"name": stream}
    return {"name": stream[1], "namespace": stream[0]}


def state(value, stream="items", count=None):
    about = {
        "type": "STREAM",
        "stream": {"stream_descriptor": descriptor(stream), "stream_state": value},
    }
    return {
        "type": "STATE",
        "state": about
        | ({"sourceStats": {"recordCount": float(count)}} if count is not None else {}),
    }


def status(what, stream="items"):
    return {
        "type": "TRACE",
        "trace": {
            "type": "STREAM_STATUS",
            "emitted_at": 1,
            "stream_status": {"stream_descriptor": descriptor(stream), "status": what},
        },
    }
