"""Look at a source without landing anything: its spec, whether it answers, its catalog, its first records.

Reads: the source. Writes: nothing that stays. Run: `warehouse source spec|check|discover|read
NAME`.
"""

from __future__ import annotations

import importlib
import json
import logging
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

from ingestion import connector as connectors
from ingestion.catalogs import catalog_of, configured_catalog, schema_of
from ingestion.connector import Connector
from ingestion.destination.lines import Lines
from ingestion.destination.messages import error_text, open_envelope
from ingestion.files import locate, reading
from ingestion.files.stream import FileStream
from warehouse import clock
from warehouse.errors import CallError, SourceOff, WarehouseError
from warehouse.settings import PROJECT_ROOT, Settings
from warehouse.sources import SourceSpec, source

log = logging.getLogger(__name__)


def source_spec(name: str, settings: Settings) -> dict[str, Any]:
    """What settings a source takes (its Airbyte spec)."""
    spec = source(name)
    if spec.style == "files":
        return json.loads(
            (PROJECT_ROOT / Path(*spec.connector.split(".")) / "spec.json").read_text(
                encoding="utf-8"
            )
        )
    return connectors.ask(
        Connector((sys.executable, "-m", spec.connector), spec.title, {}, is_ours=True),
        "spec",
        settings,
    )


def source_check(name: str, settings: Settings) -> str:
    """Whether a source answers; returns what it said.

    Raises:
        WarehouseError: It does not.
    """
    spec = source(name)
    if missing := spec.missing(settings):
        raise SourceOff(
            f"source {name} is off: {', '.join(missing)} not set",
            "set it in .env, see .env.example",
        )
    if spec.style == "files":
        streams = importlib.import_module(spec.connector).FILE_STREAMS
        counts = [
            f"{len(_files(spec, settings, stream)):,} files of {stream.name}" for stream in streams
        ]
        return ", ".join(counts)
    connector = connectors.of_source(spec, settings)
    answer = connectors.ask(connector, "check", settings)
    message = connectors.mask(str(answer.get("message") or ""), connector.secrets)
    if answer.get("status") != "SUCCEEDED":
        raise WarehouseError(
            f"{name}: {message or 'check failed'}", "check its settings with `warehouse doctor`"
        )
    return message or "the source answers"


def source_discover(name: str, settings: Settings) -> dict[str, Any]:
    """The catalog of a source: its streams with their schemas, keys and sync modes."""
    spec = source(name)
    if spec.style == "files":
        streams = importlib.import_module(spec.connector).FILE_STREAMS
        return {
            "streams": [
                {
                    "name": stream.name,
                    "json_schema": schema_of(stream.rules(clock.now(settings))),
                    "supported_sync_modes": ["full_refresh", "incremental"],
                    "source_defined_primary_key": [
                        [column] for column in spec.keys.get(stream.name, ())
                    ],
                }
                for stream in streams
            ]
        }
    return connectors.ask(connectors.of_source(spec, settings), "discover", settings)


def source_read(
    name: str, settings: Settings, *, stream: str | None = None, limit: int = 10
) -> Iterator[dict[str, Any]]:
    """The first records of a source, as {"stream", "data"}, without landing anything.

    Args:
        name: The source.
        settings: Where it is.
        stream: Only this one.
        limit: How many records.
    """
    spec = source(name)
    if missing := spec.missing(settings):
        raise SourceOff(
            f"source {name} is off: {', '.join(missing)} not set",
            "set it in .env, see .env.example",
        )
    if stream and stream not in spec.streams:
        raise CallError(f"{name} has no stream {stream}", f"it has: {', '.join(spec.streams)}")
    read = _file_records if spec.style == "files" else _connector_records
    yield from islice(_sound(read(spec, settings, stream)), limit)


def _sound(records: Iterator[tuple[str, str]]) -> Iterator[dict[str, Any]]:
    """Records that are JSON; a sync sets the others aside with their reasons."""
    for stream, text in records:
        try:
            yield {"stream": stream, "data": json.loads(text)}
        except (ValueError, RecursionError):
            if text.strip():
                log.warning("a line of %s is no record and not shown: %s", stream, text[:200])


def _connector_records(
    spec: SourceSpec, settings: Settings, stream: str | None
) -> Iterator[tuple[str, str]]:
    connector = connectors.of_source(spec, settings)
    found = catalog_of(spec, connector, settings)
    catalog = configured_catalog(found, (stream,) if stream else spec.streams, keys=spec.keys)
    with connectors.started(connector, "read", settings, catalog=catalog) as process:
        for message in process.output():
            if isinstance(message, Lines):
                for line in message.raws():
                    text = line.decode("utf-8", "backslashreplace")
                    try:
                        yield open_envelope(text)[:2]
                    except (ValueError, RecursionError):
                        log.warning("a line is no record and not shown: %s", text[:200])
            elif message["type"] == "TRACE" and message["trace"].get("type") == "ERROR":
                words = connectors.mask(error_text(message), connector.secrets)
                raise WarehouseError(f"{spec.name}: {words}")


def _files(spec: SourceSpec, settings: Settings, stream: FileStream) -> list[locate.Found]:
    config = spec.config(settings)
    return locate.files(str(config["location"]), stream.patterns, time.time(), config.get("token"))


def _file_records(
    spec: SourceSpec, settings: Settings, stream: str | None
) -> Iterator[tuple[str, str]]:
    for files in importlib.import_module(spec.connector).FILE_STREAMS:
        if stream and files.name != stream:
            continue
        for number, file in enumerate(_files(spec, settings, files)):
            with tempfile.TemporaryDirectory() as folder:
                path = locate.local_copy(file, Path(folder), number)
                for piece in reading.pieces(path, file.name, files.columns):
                    for line in piece.lines:
                        yield files.name, line
