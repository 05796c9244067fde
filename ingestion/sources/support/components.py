"""What Zendesk's API shape needs beyond the manifest: answers are checked before they are believed.

airbyte-cdk takes an answer without records for an empty page, and one without paging fields for the
last page; either would end a stream as COMPLETE with rows missing.

Reads and writes nothing: the manifest names these classes, airbyte-cdk calls them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import InitVar, dataclass
from typing import Any

import orjson
import requests
from airbyte_cdk.sources.declarative.extractors.record_extractor import RecordExtractor
from airbyte_cdk.sources.declarative.interpolation.interpolated_string import InterpolatedString
from airbyte_cdk.sources.declarative.requesters.paginators.strategies.pagination_strategy import (
    PaginationStrategy,
)
from airbyte_cdk.sources.types import Config, Record

from ingestion.sources.protocol import parse_instant, source_error


def body_of(response: requests.Response) -> dict[str, Any]:
    """The answer as an object, parsed once per response.

    Raises:
        AirbyteTracedException: it is not a JSON object, or comes from somewhere else.
    """
    parsed = getattr(response, "parsed_body", None)
    if parsed is None:
        if response.history:
            raise source_error(
                f"The support desk redirects {_path(response.history[0])}: not followed"
            )
        try:
            parsed = _parsed(response.content)
        except (ValueError, RecursionError):
            raise source_error(
                f"The support desk's answer to {_path(response)} is not JSON"
            ) from None
        if not isinstance(parsed, dict):
            raise source_error(f"The support desk's answer to {_path(response)} is no JSON object")
        response.parsed_body = parsed
    return parsed


def _parsed(content: bytes) -> Any:
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:  # also for half an emoji: the destination sets aside its record
        return json.loads(content.decode(), parse_constant=_no_constant)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _path(response: requests.Response) -> str:
    return (response.request.path_url or "").partition("?")[0]


def _need(
    container: Any, field: str, kinds: type | tuple[type, ...], response: requests.Response
) -> Any:
    value = container.get(field) if isinstance(container, Mapping) else None
    # bool is an int to isinstance; no field here may be either.
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
        raise source_error(
            f"The support desk's answer to {_path(response)} has no usable {field!r}: "
            "the stream's end cannot be known"
        )
    return value


@dataclass
class RecordsOf(RecordExtractor):
    """The records under one field, which must be there.

    Attributes:
        field: where the list of records stands.
    """

    field: str
    config: Config
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        template = InterpolatedString.create(self.field, parameters=parameters)
        self.field = template.eval(self.config)

    def extract_records(self, response: requests.Response) -> Iterable[Mapping[str, Any]]:
        """All records of a page.

        Raises:
            AirbyteTracedException: the field is missing, or a record has no id.
        """
        records = _need(body_of(response), self.field, list, response)
        for record in records:
            if not isinstance(record, dict) or record.get("id") is None:
                raise source_error(f"The support desk sent one of {self.field} without an id")
        yield from records


@dataclass
class CommentsOf(RecordsOf):
    """The comments among the ticket events, each with what its event knows."""

    def extract_records(self, response: requests.Response) -> Iterable[Mapping[str, Any]]:
        """Comments in the shape of Zendesk's comments, with their ticket and time."""
        for event in super().extract_records(response):
            for child in event.get("child_events") or ():
                if child.get("event_type") != "Comment" and child.get("type") != "Comment":
                    continue
                yield {
                    **child,
                    "ticket_id": event.get("ticket_id"),
                    "audit_id": event["id"],
                    "author_id": child.get("author_id", event.get("updater_id")),
                    "created_at": child.get("created_at") or event.get("created_at"),
                    "timestamp": event.get("timestamp"),
                }


@dataclass
class ListPages(PaginationStrategy):
    """Zendesk's cursor pagination: `meta.has_more` and `meta.after_cursor`.

    `links.next` says the same as an address; the token is used, so that no answer can send the
    credentials to another host.
    """

    page_size: int
    config: Config
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        """Nothing to set up."""

    @property
    def initial_token(self) -> Any | None:
        """The first page needs none."""
        return None

    def get_page_size(self) -> int | None:
        """Records per page."""
        return self.page_size

    def next_page_token(
        self,
        response: requests.Response,
        last_page_size: int,  # noqa: ARG002 - airbyte-cdk's signature
        last_record: Record | None,  # noqa: ARG002
        last_page_token_value: Any | None = None,
        **_: Any,
    ) -> Any | None:
        """The next page's cursor, None at the end.

        Raises:
            AirbyteTracedException: the answer doesn't say whether there is more, or goes in circles.
        """
        meta = _need(body_of(response), "meta", dict, response)
        if not _need(meta, "has_more", bool, response):
            return None
        after = _need(meta, "after_cursor", str, response)
        return _moved_on(after, last_page_token_value, response)


def _moved_on(token: Any, before: Any, response: requests.Response) -> Any:
    if token == before:
        raise source_error(
            f"The support desk's pages of {_path(response)} go in circles at {token!r}"
        )
    return token


@dataclass
class ExportPages(PaginationStrategy):
    """What both kinds of incremental export share: they come oldest first.

    Attributes:
        cursor_field: the records' second of change.
    """

    cursor_field: str
    config: Config
    parameters: InitVar[Mapping[str, Any]]

    def __post_init__(self, parameters: Mapping[str, Any]) -> None:
        template = InterpolatedString.create(self.cursor_field, parameters=parameters)
        self.cursor_field = template.eval(self.config)
        until = self.config.get("window_to")
        self._until = parse_instant(until, "window_to").timestamp() if until else None

    @property
    def initial_token(self) -> Any | None:
        """The first page needs none."""
        return None

    def get_page_size(self) -> int | None:
        """The manifest sets it."""
        return None

    def _is_past_window(self, last_record: Record | None) -> bool:
        if self._until is None or last_record is None:
            return False
        return last_record[self.cursor_field] >= self._until


@dataclass
class CursorExportPages(ExportPages):
    """Incremental export by cursor: `end_of_stream` and `after_cursor`."""

    def next_page_token(
        self,
        response: requests.Response,
        last_page_size: int,  # noqa: ARG002 - airbyte-cdk's signature
        last_record: Record | None,
        last_page_token_value: Any | None = None,
        **_: Any,
    ) -> Any | None:
        """The next page's cursor, None at the end.

        Raises:
            AirbyteTracedException: the answer doesn't say whether there is more, or goes in circles.
        """
        body = body_of(response)
        if _need(body, "end_of_stream", bool, response) or self._is_past_window(last_record):
            return None
        after = _need(body, "after_cursor", str, response)
        return _moved_on(after, last_page_token_value, response)


#: A full page of a time-based export; a shorter one is the last where `end_of_stream` is not sent.
FULL_PAGE = 1000


@dataclass
class TimeExportPages(ExportPages):
    """Incremental export by time: `end_of_stream` (or `count`), and `end_time` to go on from."""

    def next_page_token(
        self,
        response: requests.Response,
        last_page_size: int,  # noqa: ARG002 - airbyte-cdk's signature
        last_record: Record | None,
        last_page_token_value: Any | None = None,
        **_: Any,
    ) -> Any | None:
        """The next page's start, None at the end.

        Raises:
            AirbyteTracedException: the answer doesn't say whether there is more, or goes in circles.
        """
        body = body_of(response)
        if "end_of_stream" in body:
            is_last = _need(body, "end_of_stream", bool, response)
        else:
            is_last = _need(body, "count", int, response) < FULL_PAGE
        if is_last or self._is_past_window(last_record):
            return None
        end = _need(body, "end_time", int, response)
        return _moved_on(end, last_page_token_value, response)
