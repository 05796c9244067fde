"""The support source: the manifest, run by airbyte-cdk, with states on the way and one clear error.

Reads: the support desk's API.
Writes: Airbyte messages on stdout.
Run: `python -m ingestion.sources.support read --config F --catalog F [--state F]`
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml
from airbyte_cdk.entrypoint import AirbyteEntrypoint
from airbyte_cdk.models import (
    AirbyteConnectionStatus,
    AirbyteMessage,
    AirbyteStateMessage,
    ConfiguredAirbyteCatalog,
    Status,
    StreamDescriptor,
    TraceType,
    Type,
)
from airbyte_cdk.sources.declarative.concurrent_declarative_source import (
    ConcurrentDeclarativeSource,
)
from airbyte_cdk.utils.airbyte_secrets_utils import filter_secrets
from airbyte_cdk.utils.traced_exception import AirbyteTracedException

from ingestion.sources.protocol import (
    FeedSource,
    Span,
    checked_base_url,
    config_error,
    launch,
    parse_instant,
    state_message,
    states_by_stream,
)

logger = logging.getLogger("airbyte.support")

FOLDER = Path(__file__).parent
HOSTS = (".zendesk.com",)

#: Streams that come oldest first, and the field they come by (whole seconds).
EXPORTS = {
    "tickets": "generated_timestamp",
    "ticket_events": "timestamp",
    "ticket_comments": "timestamp",
}
LIST_CURSOR = "updated_at"
LIST_BORN = "created_at"  # the schemas' x-window-field
RECORDS_PER_STATE = 5_000


class SupportSource(ConcurrentDeclarativeSource):
    """The manifest beside this file."""

    def __init__(
        self,
        config: Mapping[str, Any] | None = None,
        catalog: ConfiguredAirbyteCatalog | None = None,
        state: list[AirbyteStateMessage] | None = None,
    ) -> None:
        """Take what airbyte-cdk wants to know before it builds a stream.

        Args:
            config: the settings; None for `spec`.
            catalog: the streams to read.
            state: where the last sync ended.
        """
        self._span = Span.of(config or {})
        self._given = states_by_stream(state or [])
        sound = [] if self._span.is_window else self._sound(state or [])
        super().__init__(
            catalog=catalog,
            config=_normal(config),
            state=sound,
            source_config=manifest(),
        )

    def configure(self, config: Mapping[str, Any], temp_dir: str) -> Mapping[str, Any]:  # noqa: ARG002
        """The configuration as it is: airbyte-cdk would write it, secrets and all, to a file."""
        return self._config or config

    def check(self, logger: logging.Logger, config: Mapping[str, Any]) -> AirbyteConnectionStatus:
        """Whether the desk answers with users, in one line either way."""
        try:
            result = super().check(logger, config)
        except AirbyteTracedException as error:
            result = AirbyteConnectionStatus(status=Status.FAILED, message=str(error))
        if result.status == Status.SUCCEEDED:
            message = f"The support desk answers at {self._config['base_url']}"
            return AirbyteConnectionStatus(status=Status.SUCCEEDED, message=message)
        lines = (result.message or "The support desk does not answer").strip("'\"").splitlines()
        # airbyte-cdk wraps the reason in where it was found; the reason is what helps.
        reason = lines[0].rpartition("Error: ")[2].rpartition("not available: ")[2] or lines[0]
        return AirbyteConnectionStatus(status=Status.FAILED, message=filter_secrets(reason))

    def read(
        self,
        logger: logging.Logger,
        config: Mapping[str, Any],
        catalog: ConfiguredAirbyteCatalog,
        state: list[AirbyteStateMessage] | None = None,
    ) -> Iterator[AirbyteMessage]:
        """airbyte-cdk's messages with our stamps, states on the way, and one error at the end."""
        missing = {entry.stream.name for entry in catalog.streams} - {
            stream["name"] for stream in self.resolved_manifest["streams"]
        }
        if missing:
            raise config_error(f"The support desk has no stream {', '.join(sorted(missing))}")
        errors: list[AirbyteMessage] = []
        progress = {name: _Progress(field) for name, field in EXPORTS.items()}
        adapt = self._in_window if self._span.is_window else self._with_states
        try:
            for message in super().read(logger, config, catalog, state):
                if message.type == Type.TRACE and message.trace.type == TraceType.ERROR:
                    errors.append(message)
                    continue
                yield from adapt(message, progress)
        except AirbyteTracedException as error:
            raise _clear(errors, error) from error

    def _with_states(
        self, message: AirbyteMessage, progress: Mapping[str, _Progress]
    ) -> Iterator[AirbyteMessage]:
        """The message with our stamp; after a record of an export now and then a state."""
        if message.type == Type.RECORD and self._span.as_of:
            message.record.emitted_at = self._span.emitted_at
        if message.type == Type.STATE:
            name = message.state.stream.stream_descriptor.name
            if name in progress:
                message = progress[name].kept(name, message)
        yield message
        if message.type == Type.RECORD and message.record.stream in progress:
            place = progress[message.record.stream].after(message.record.data)
            if place is not None:
                yield state_message(message.record.stream, place)

    def _in_window(
        self, message: AirbyteMessage, _: Mapping[str, _Progress]
    ) -> Iterator[AirbyteMessage]:
        """The message if it is of the window; the state stays as it was given."""
        if message.type == Type.STATE:
            name = message.state.stream.stream_descriptor.name
            yield state_message(name, self._given.get(name, {}))
        elif message.type != Type.RECORD:
            yield message
        elif self._is_in_window(message.record.stream, message.record.data):
            message.record.emitted_at = self._span.emitted_at
            yield message

    def _is_in_window(self, stream: str, record: Mapping[str, Any]) -> bool:
        if stream in EXPORTS:
            return self._has(datetime.fromtimestamp(record[EXPORTS[stream]], UTC))
        # lists are complete: what they have no more of those created in the window is deleted
        created = record.get(LIST_BORN)
        return self._has(parse_instant(record.get(LIST_CURSOR), f"{stream}.{LIST_CURSOR}")) or (
            created is not None and self._has(parse_instant(created, f"{stream}.{LIST_BORN}"))
        )

    def _has(self, at: datetime) -> bool:
        """Whether an instant lies in the window."""
        start, end = self._span.window_from, self._span.window_to
        return not ((start and at < start) or (end and at >= end))

    def _sound(self, state: list[AirbyteStateMessage]) -> list[AirbyteStateMessage]:
        """The states without those of the future, which would leave out all that is.

        Raises:
            AirbyteTracedException: a state is corrupt; guessing a cursor would lose data in silence.
        """
        sound = []
        latest = max(self._span.now, datetime.now(UTC)) + timedelta(days=1)
        for message in state:
            if not message.stream or message.stream.stream_state is None:
                continue
            name = message.stream.stream_descriptor.name
            value = dict(message.stream.stream_state.__dict__)
            cursor = value.get(EXPORTS.get(name, LIST_CURSOR))
            if not value or name not in (
                *EXPORTS,
                "users",
                "organizations",
                "satisfaction_ratings",
            ):
                continue
            try:
                at = (
                    datetime.fromtimestamp(int(cursor), UTC)
                    if name in EXPORTS
                    else parse_instant(cursor, LIST_CURSOR)
                )
            except (TypeError, ValueError, OverflowError, AirbyteTracedException):
                raise config_error(
                    f"The state of {name} is not one this connector wrote: reset the stream"
                ) from None
            if at > latest:
                logger.warning("%s: the cursor lies in the future: reading all again", name)
                continue
            sound.append(message)
        return sound


class _Progress:
    """Counts an export's records, and says where it could be gone on from."""

    def __init__(self, field: str) -> None:
        self.field, self.count, self.last, self.is_ordered = field, 0, None, True

    def after(self, record: Mapping[str, Any]) -> dict[str, str] | None:
        """A state, now and then, as long as records do come oldest first."""
        value = record.get(self.field)
        if not isinstance(value, int) or (self.last is not None and value < self.last):
            self.is_ordered = False
            return None
        self.last = value
        self.count += 1
        if self.is_ordered and self.count % RECORDS_PER_STATE == 0:
            return {self.field: str(value)}
        return None

    def kept(self, stream: str, message: AirbyteMessage) -> AirbyteMessage:
        """airbyte-cdk's state, or ours if it lies further on.

        After a failure airbyte-cdk sends the state that the stream began with.
        """
        theirs = getattr(message.state.stream.stream_state, self.field, None)
        if not self.is_ordered or self.last is None or theirs is None or int(theirs) >= self.last:
            return message
        return state_message(stream, {self.field: str(self.last)})


def manifest() -> dict[str, Any]:
    """The manifest with each stream's schema from schemas/.

    airbyte-cdk looks for schema files in the top-level package, which is the project's.
    """
    content = yaml.safe_load((FOLDER / "manifest.yaml").read_text(encoding="utf-8"))
    for stream in content["streams"]:
        text = (FOLDER / "schemas" / f"{stream['name']}.json").read_text(encoding="utf-8")
        stream["schema_loader"] = {"type": "InlineSchemaLoader", "schema": json.loads(text)}
    return content


def _normal(config: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The settings with a checked address and instants in one spelling."""
    if not config:
        return None
    normal = dict(config)
    if isinstance(normal.get("base_url"), str):
        normal["base_url"] = checked_base_url(normal["base_url"], HOSTS, "base_url")
    for key in ("start_date", "window_from", "window_to"):
        if normal.get(key):
            normal[key] = parse_instant(normal[key], key).strftime("%Y-%m-%dT%H:%M:%SZ")
        else:
            normal.pop(key, None)
    return normal


def _clear(errors: list[AirbyteMessage], raised: AirbyteTracedException) -> AirbyteTracedException:
    """The first stream's error, alone: the others say the same of their streams."""
    if not errors:
        return raised
    first = errors[0].trace.error
    stream = first.stream_descriptor.name if first.stream_descriptor else None
    names = sorted(
        {e.trace.error.stream_descriptor.name for e in errors if e.trace.error.stream_descriptor}
    )
    message = (first.message or "").splitlines()[0]
    return AirbyteTracedException(
        message=f"{', '.join(names)}: {message}" if names else message,
        internal_message=first.internal_message,
        failure_type=first.failure_type or raised.failure_type,
        stream_descriptor=StreamDescriptor(name=stream) if stream else None,
    )


def main(arguments: list[str]) -> int:
    """Build the source from the files on the command line, and run the command."""
    return launch(lambda: source_for(arguments), arguments)


def source_for(arguments: list[str]) -> SupportSource:
    """The source as airbyte-cdk wants it: with configuration, catalog and state in hand."""
    config = AirbyteEntrypoint.extract_config(arguments)
    catalog = AirbyteEntrypoint.extract_catalog(arguments)
    state = AirbyteEntrypoint.extract_state(arguments)
    return SupportSource(
        config=SupportSource.read_config(config) if config else None,
        catalog=SupportSource.read_catalog(catalog) if catalog else None,
        state=FeedSource.read_state(state) if state else None,
    )
