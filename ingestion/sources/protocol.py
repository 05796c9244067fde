"""What the project's Python connectors share: the Airbyte protocol around a feed of records.

A connector is a `FeedSource`: a list of `Feed`s, each of which yields records and `Checkpoint`s.
This module turns them into protocol messages (stream statuses, records, states with their record
counts, one error trace) on top of airbyte-cdk's `Source` and `AirbyteEntrypoint`.

Reads: the configuration, catalog and state files named on the command line.
Writes: protocol messages on stdout, one JSON document a line.
Run: `python -m ingestion.sources.<name> read --config F --catalog F [--state F]`
"""

from __future__ import annotations

import json
import logging
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Protocol
from urllib.parse import urlsplit

import orjson
import yaml
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.logger import PRINT_BUFFER
from airbyte_cdk.models import (
    AirbyteCatalog,
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteMessageSerializer,
    AirbyteRecordMessage,
    AirbyteStateBlob,
    AirbyteStateMessage,
    AirbyteStateType,
    AirbyteStream,
    AirbyteStreamState,
    AirbyteStreamStatus,
    ConfiguredAirbyteCatalog,
    ConnectorSpecification,
    ConnectorSpecificationSerializer,
    FailureType,
    Status,
    StreamDescriptor,
    SyncMode,
    Type,
)
from airbyte_cdk.sources import Source
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.stream_status_utils import as_airbyte_message as stream_status
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

#: The state of a stream that has no cursor: what airbyte-cdk's own full-refresh streams send.
NO_CURSOR_STATE = {"__ab_no_cursor_state_message": True}

LOOPBACK = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Checkpoint:
    """A place a later sync can go on from, once everything yielded before it is committed."""

    state: dict[str, Any]


class Feed(Protocol):
    """One stream: what it is called, what its records look like, and how they are read."""

    name: str

    def describe(self) -> AirbyteStream:
        """The stream's entry in the catalog."""
        ...

    def read(self, state: dict[str, Any] | None) -> Iterator[dict[str, Any] | Checkpoint]:
        """Records and checkpoints; the last thing yielded is a checkpoint.

        Args:
            state: the last committed checkpoint, or None for a first sync or a full refresh.
        """
        ...


def config_error(message: str, internal: str | None = None) -> AirbyteTracedException:
    """An error that the person who set the connector up can repair."""
    return AirbyteTracedException(
        message=message, internal_message=internal or message, failure_type=FailureType.config_error
    )


def transient_error(message: str, internal: str | None = None) -> AirbyteTracedException:
    """An error that may be gone at the next try."""
    return AirbyteTracedException(
        message=message,
        internal_message=internal or message,
        failure_type=FailureType.transient_error,
    )


def source_error(message: str, internal: str | None = None) -> AirbyteTracedException:
    """The source said something it must not say; landing it would be landing a wrong answer."""
    return AirbyteTracedException(
        message=message, internal_message=internal or message, failure_type=FailureType.system_error
    )


def checked_base_url(url: str, hosts: Iterable[str], setting: str) -> str:
    """The URL without its last slash, if it is one that secrets may be sent to.

    Args:
        url: the base address from the configuration.
        hosts: names allowed over https; one that starts with a dot stands for its subdomains.
        setting: what the address is called where it is set, for the error.

    Raises:
        AirbyteTracedException: the address is neither https to an allowed host nor loopback.
    """
    hosts = tuple(hosts)
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        _ = parts.port
    except ValueError as error:
        raise config_error(f"{setting} is not a URL: {url!r} ({error})") from None
    plain = not (parts.username or parts.password or parts.query or parts.fragment)
    allowed = any(host == name or (name[0] == "." and host.endswith(name)) for name in hosts)
    if plain and parts.scheme == "https" and allowed:
        return url.rstrip("/")
    if plain and parts.scheme in ("http", "https") and host in LOOPBACK:
        return url.rstrip("/")
    shown = ", ".join(f"https://{'*' if name[0] == '.' else ''}{name}" for name in hosts)
    raise config_error(f"{setting} {url!r} is not allowed: use {shown} or a loopback address")


def parse_instant(value: str, setting: str) -> datetime:
    """An aware UTC instant from ISO 8601 text; a bare date is its midnight in UTC."""
    try:
        instant = datetime.fromisoformat(value.replace("Z", "+00:00"))
    except (ValueError, AttributeError):
        text = f"{setting} must be an ISO 8601 date or instant, not {value!r}"
        raise config_error(text) from None
    return instant.replace(tzinfo=UTC) if instant.tzinfo is None else instant.astimezone(UTC)


@dataclass(frozen=True)
class Span:
    """The settings about time that every connector takes."""

    as_of: datetime | None = None
    start: datetime | None = None
    window_from: datetime | None = None
    window_to: datetime | None = None

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Span:
        """Read them from a configuration and refuse a window that is none."""
        found = {
            name: parse_instant(config[key], key) if config.get(key) else None
            for name, key in (
                ("as_of", "as_of"),
                ("start", "start_date"),
                ("window_from", "window_from"),
                ("window_to", "window_to"),
            )
        }
        span = cls(**found)
        if span.window_from and span.window_to and span.window_from >= span.window_to:
            raise config_error("window_from must lie before window_to")
        return span

    @property
    def is_window(self) -> bool:
        """Whether this is a backfill, which leaves the cursor where it is."""
        return self.window_from is not None or self.window_to is not None

    @property
    def now(self) -> datetime:
        """The project's now: as_of if given, else the wall clock."""
        return self.as_of or datetime.now(UTC)

    @property
    def emitted_at(self) -> int:
        """Milliseconds to stamp a record with."""
        return int((self.as_of.timestamp() if self.as_of else time.time()) * 1000)


@dataclass(frozen=True)
class Problem:
    """A stream that could not be read while the others could."""

    stream: str
    error: AirbyteTracedException = field(compare=False)


class StreamRefused(AirbyteTracedException):
    """The source refuses this one stream; the others can still be read."""


class FeedSource(Source):
    """A connector made of feeds. Subclasses give `folder`, `title`, `feeds` and `probe`."""

    folder: Path
    title: str

    def feeds(self, config: Mapping[str, Any]) -> list[Feed]:
        """All streams of this source, in the order they are best read in."""
        raise NotImplementedError

    def probe(self, config: Mapping[str, Any]) -> str:
        """Make a real call; return what was found, raise what is wrong."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of connections at the end of a read."""

    # airbyte-cdk looks for spec.yaml in the *top-level* package, which is the project's, not ours.
    def spec(self, logger: logging.Logger) -> ConnectorSpecification:  # noqa: ARG002
        """The connector's settings, from spec.yaml in its folder."""
        text = (self.folder / "spec.yaml").read_text(encoding="utf-8")
        return ConnectorSpecificationSerializer.load(yaml.safe_load(text))

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:  # noqa: ARG002
        """The configuration as it is: airbyte-cdk would write it, secrets and all, to a file."""
        return config

    @classmethod
    def read_state(cls, state_path: str) -> list[AirbyteStateMessage]:
        """The states in a file; what is no list of states is refused by name."""
        try:
            content = json.loads(Path(state_path).read_text(encoding="utf-8")) if state_path else []
        except (OSError, ValueError) as error:
            raise config_error(f"The state file cannot be read: {error}") from None
        if not isinstance(content, list):
            raise config_error("The state file holds no list of states: reset it")
        try:
            return super().read_state(state_path)
        except Exception as error:  # noqa: BLE001 - the serialiser raises kinds of its own
            line = str(error).splitlines()[0]
            raise config_error(f"The state file holds no Airbyte states: {line}") from None

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:  # noqa: ARG002
        """Whether the source answers, in one line either way."""
        try:
            found = self.probe(config)
        except AirbyteTracedException as error:
            message = filter_secrets(error.message or str(error))
            return AirbyteConnectionStatus(status=Status.FAILED, message=message)
        finally:
            self.close()
        return AirbyteConnectionStatus(status=Status.SUCCEEDED, message=filter_secrets(found))

    def discover(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteCatalog:  # noqa: ARG002
        """The catalog of all streams."""
        try:
            return AirbyteCatalog(streams=[feed.describe() for feed in self.feeds(config)])
        finally:
            self.close()

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        """Read the configured streams one after the other.

        A stream that the source refuses (`StreamRefused`) is INCOMPLETE and the others go on; any
        other failure stops the sync, because what broke one request will break the next.
        """
        span = Span.of(config)
        feeds = {feed.name: feed for feed in self.feeds(config)}
        configured = {entry.stream.name: entry for entry in catalog.streams}
        missing = sorted(set(configured) - set(feeds))
        if missing:
            raise config_error(
                f"{self.title} has no stream {', '.join(missing)}: it has {', '.join(feeds)}"
            )
        states = states_by_stream(state or [])
        refused: list[Problem] = []
        try:
            for name, feed in feeds.items():
                if name not in configured:
                    continue
                entry = configured[name]
                incremental = entry.sync_mode == SyncMode.incremental
                before = states.get(name) if incremental else None
                yield stream_status(entry.stream, AirbyteStreamStatus.STARTED)
                try:
                    yield from self._read_feed(feed, entry.stream, before, span)
                except StreamRefused as error:
                    yield stream_status(entry.stream, AirbyteStreamStatus.INCOMPLETE)
                    refused.append(Problem(name, error))
                    logger.warning("%s: %s", name, filter_secrets(str(error)))
                    continue
                except Exception as error:
                    yield stream_status(entry.stream, AirbyteStreamStatus.INCOMPLETE)
                    raise named(error, name) from error
                yield stream_status(entry.stream, AirbyteStreamStatus.COMPLETE)
        finally:
            self.close()
        if refused:
            raise config_error(
                f"{self.title} refused {', '.join(problem.stream for problem in refused)}: "
                f"{refused[0].error}"
            )

    def _read_feed(
        self, feed: Feed, stream: AirbyteStream, before: dict[str, Any] | None, span: Span
    ) -> Iterator[AirbyteMessage]:
        running = False
        last: dict[str, Any] | Checkpoint | None = None
        fixed = span.emitted_at if span.as_of else None
        for last in feed.read(before):
            if isinstance(last, Checkpoint):
                yield state_message(feed.name, last.state)
                continue
            if not running:
                yield stream_status(stream, AirbyteStreamStatus.RUNNING)
                running = True
            record = AirbyteRecordMessage(
                stream=feed.name, data=last, emitted_at=fixed or int(time.time() * 1000)
            )
            yield AirbyteMessage(type=Type.RECORD, record=record)
        if not isinstance(last, Checkpoint):
            raise AssertionError(f"feed {feed.name} ended without a checkpoint")  # noqa: TRY004


def states_by_stream(
    states: list[AirbyteStateMessage],
) -> dict[str, dict[str, Any]]:
    """Each stream's last state; a stream that has none is absent."""
    found: dict[str, dict[str, Any]] = {}
    for message in states:
        if not message.stream:
            raise config_error("The state is not a per-stream state: reset it and sync again")
        blob = message.stream.stream_state
        value = dict(blob.__dict__) if blob is not None else {}
        if value and value != NO_CURSOR_STATE:
            found[message.stream.stream_descriptor.name] = value
    return found


def state_message(stream: str, state: dict[str, Any]) -> AirbyteMessage:
    """A per-stream STATE; its record count is filled in by `AirbyteEntrypoint.read`."""
    return AirbyteMessage(
        type=Type.STATE,
        state=AirbyteStateMessage(
            type=AirbyteStateType.STREAM,
            stream=AirbyteStreamState(
                stream_descriptor=StreamDescriptor(name=stream),
                stream_state=AirbyteStateBlob(state),
            ),
        ),
    )


def named(error: Exception, stream: str) -> AirbyteTracedException:
    """The error as a traced one that names its stream."""
    descriptor = StreamDescriptor(name=stream)
    if isinstance(error, AirbyteTracedException):
        return AirbyteTracedException(
            message=f"{stream}: {error.message}",
            internal_message=error.internal_message,
            failure_type=error.failure_type,
            exception=error,
            stream_descriptor=descriptor,
        )
    line = str(error).splitlines()[0] if str(error) else type(error).__name__
    return AirbyteTracedException(
        message=f"{stream}: {type(error).__name__}: {line}",
        internal_message=str(error),
        failure_type=FailureType.system_error,
        exception=error,
        stream_descriptor=descriptor,
    )


def launch(
    source: Source | Callable[[], Source], arguments: list[str], out: BinaryIO | None = None
) -> int:
    """Run one connector command and return the process's exit code.

    Records are written by orjson directly, because the serialiser that airbyte-cdk uses for every
    message takes twice as long for the same line. A failure becomes exactly one error trace.

    Args:
        source: the connector, or what makes it (a failure of which is reported like any other).
        arguments: the command line without the program.
        out: where messages go; stdout if not given.
    """
    out = out or sys.stdout.buffer
    code = 0
    with PRINT_BUFFER:
        try:
            connector = source if isinstance(source, Source) else source()
            entrypoint = AirbyteEntrypoint(connector)
            parsed = entrypoint.parse_args(arguments)
            for message in _messages(entrypoint, connector, parsed):
                if message.type == Type.RECORD:
                    out.write(_record_line(message.record))
                    continue
                _write(out, message)
        except BrokenPipeError:
            raise SystemExit(1) from None
        except Exception as error:  # noqa: BLE001 - the protocol reports every failure
            traced = (
                error
                if isinstance(error, AirbyteTracedException)
                else AirbyteTracedException(
                    message=f"{type(error).__name__}: {error}",
                    internal_message=str(error),
                    failure_type=FailureType.system_error,
                    exception=error,
                )
            )
            _write(out, traced.as_sanitized_airbyte_message())
            code = 1
    out.flush()
    return code


def _messages(
    entrypoint: AirbyteEntrypoint, source: Source, parsed: Any
) -> Iterator[AirbyteMessage]:
    """The messages of one command, counted by airbyte-cdk's own entry point."""
    entrypoint.logger.setLevel(logging.DEBUG if parsed.debug else logging.INFO)
    spec = source.spec(entrypoint.logger)
    if parsed.command == "spec":
        yield AirbyteMessage(type=Type.SPEC, spec=spec)
        return
    with tempfile.TemporaryDirectory() as scratch:
        config = source.configure(source.read_config(parsed.config), scratch)
        if parsed.command == "check":
            yield from entrypoint.check(spec, config)
        elif parsed.command == "discover":
            yield from entrypoint.discover(spec, config)
        else:
            catalog = source.read_catalog(parsed.catalog)
            state = source.read_state(parsed.state)
            yield from entrypoint.read(spec, config, catalog, state)


def _record_line(record: AirbyteRecordMessage) -> bytes:
    said = {
        "type": "RECORD",
        "record": {
            "stream": record.stream,
            "data": record.data,
            "emitted_at": record.emitted_at,
        },
    }
    try:
        return orjson.dumps(said, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # half an emoji: the destination sets it aside
        return json.dumps(said, separators=(",", ":")).encode() + b"\n"


def _write(out: Any, message: AirbyteMessage) -> None:
    # What waits in the print buffer (logs) comes first, and a checkpoint must not wait in ours.
    PRINT_BUFFER.flush()
    out.write(
        orjson.dumps(AirbyteMessageSerializer.dump(message), option=orjson.OPT_APPEND_NEWLINE)
    )
    if message.type != Type.RECORD:
        out.flush()
