"""Catalogs: what streams a source has, and how each of them is to be read.

Reads: the answer of a connector's `discover`. Writes: `landing/catalogs/`. Run: imported by the
runner.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from ingestion import connector as connectors
from ingestion.connector import Connector
from ingestion.destination.latest import Described
from ingestion.destination.messages import stream_of
from ingestion.destination.typecheck import is_identifier
from ingestion.files.stream import FileStream
from warehouse.errors import CallError
from warehouse.settings import PROJECT_ROOT, Settings
from warehouse.sources import SourceSpec

log = logging.getLogger(__name__)


def configured_catalog(
    found: dict[str, Any],
    select: tuple[str, ...] | None = None,
    keys: dict[str, tuple[str, ...]] | None = None,
) -> dict[str, Any]:
    """A configured catalog: incremental where the stream can, full refresh elsewhere.

    Args:
        found: What `discover` said.
        select: Streams wanted; all if None.
        keys: Primary keys where the source states none.

    Raises:
        CallError: A stream that is wanted does not exist.
    """
    streams = {stream_of(stream): stream for stream in found.get("streams", [])}
    if unknown := [name for name in select or () if name not in streams]:
        raise CallError(
            f"the source has no stream {', '.join(unknown)}", f"it has: {', '.join(streams)}"
        )
    configured = []
    for name in select or streams:
        stream = streams[name]
        can = "incremental" in (stream.get("supported_sync_modes") or [])
        key = stream.get("source_defined_primary_key") or [
            [column] for column in (keys or {}).get(name, ())
        ]
        configured.append(
            {
                "stream": stream,
                "sync_mode": "incremental" if can else "full_refresh",
                "destination_sync_mode": "append_dedup"
                if can and key
                else "append"
                if can
                else "overwrite",
                "cursor_field": stream.get("default_cursor_field") or [],
                "primary_key": key,
            }
        )
    return {"streams": configured}


def with_cursor(found: dict[str, Any]) -> set[str]:
    """Streams that can go on from a cursor.

    Args:
        found: What `discover` said.
    """
    return {
        stream_of(stream)
        for stream in found.get("streams", [])
        if "incremental" in (stream.get("supported_sync_modes") or [])
    }


def window_field(entry: dict[str, Any]) -> str | None:
    """The field by which a stream's window read has every record: its JSON schema names it (`x-window-field`).

    Only with a primary key: else nothing says which record is missing.

    Args:
        entry: Of a configured catalog.
    """
    schema = entry["stream"].get("json_schema") or {}
    return schema.get("x-window-field") if entry["primary_key"] else None


def tables_of(configured: dict[str, Any], known: dict[str, str]) -> dict[str, str]:
    """The table of each stream: its name as it is, or made into one that may stand in SQL.

    Args:
        configured: Configured catalog.
        known: Tables of streams that have landed before; they keep them.
    """
    names = [stream_of(entry["stream"]) for entry in configured["streams"]]
    tables: dict[str, str] = {}
    for name in sorted(names, key=lambda name: not is_identifier(name)):
        if name in known:
            tables[name] = known[name]
            continue
        table = name
        if not is_identifier(name):
            table = re.sub(r"[^a-z0-9_]", "_", name.lower())
            table = (f"_{table}" if table[:1].isdigit() or not table else table)[:63]
        if table in (*known.values(), *tables.values()):  # `Users` and `users`
            table = f"{table[:54]}_{hashlib.sha256(name.encode()).hexdigest()[:8]}"
        tables[name] = table
    return tables


def described(configured: dict[str, Any], tables: dict[str, str]) -> list[Described]:
    """What a configured catalog says of its streams."""
    return [
        Described(
            stream=tables[stream_of(entry["stream"])],
            source_name=stream_of(entry["stream"]),
            key=tuple(tuple(path) for path in entry["primary_key"]),
            cursor=tuple(entry["cursor_field"]),
            fields=(entry["stream"].get("json_schema") or {}).get("properties") or {},
        )
        for entry in configured["streams"]
    ]


def described_files(
    spec: SourceSpec, streams: Iterable[FileStream], now: datetime
) -> list[Described]:
    """What the rules of a source's file streams say of them."""
    return [
        Described(
            stream=stream.name,
            source_name=stream.name,
            key=tuple((column,) for column in spec.keys.get(stream.name, ())),
            fields=schema_of(stream.rules(now))["properties"],
        )
        for stream in streams
    ]


def catalog_of(spec: SourceSpec, connector: Connector, settings: Settings) -> dict[str, Any]:
    """The catalog of one of our sources; kept until its code changes, as asking costs a start of the CDK."""
    digest = hashlib.sha256()
    folder = PROJECT_ROOT / Path(*spec.connector.split("."))
    for path in sorted(
        [
            *folder.rglob("*.py"),
            *folder.rglob("*.json"),
            *folder.rglob("*.yaml"),
            *folder.parent.glob("*.py"),
        ]
    ):
        digest.update(path.read_bytes())
    kept = settings.landing_dir / "catalogs" / f"{spec.name}-{digest.hexdigest()[:16]}.json"
    if kept.exists():
        try:
            return json.loads(kept.read_text(encoding="utf-8"))
        except ValueError:
            log.debug("%s is damaged; asking again", kept)
    found = connectors.ask(connector, "discover", settings)
    kept.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = kept.with_suffix(".tmp")
    fresh.write_text(json.dumps(found), encoding="utf-8")
    fresh.replace(kept)
    return found


def schema_of(rules: Any) -> dict[str, Any]:
    """JSON schema of a file stream's rules."""
    kinds: dict[str, dict[str, Any]] = {
        "text": {"type": "string"},
        "integer": {"type": "integer"},
        "number": {"type": "number"},
        "boolean": {"type": "boolean"},
        "instant": {"type": "string", "format": "date-time"},
        "date": {"type": "string", "format": "date"},
    }
    properties = {}
    for rule in rules.fields:
        bounds = {"minimum": rule.low, "maximum": rule.high}
        properties[rule.name] = kinds.get(rule.kind, {}) | {
            key: value for key, value in bounds.items() if isinstance(value, int | float)
        }
        if rule.epoch:
            properties[rule.name] |= {"x-epoch": True}
    required = [rule.name for rule in rules.fields if rule.required]
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": True,
    }
