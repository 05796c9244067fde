"""What a connector said of its streams, and whether a sync of it was complete.

Reads and writes: nothing. Run: imported by the runner.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ingestion import connector as connectors
from ingestion.connector import Connector
from ingestion.destination.airbyte import Destination
from ingestion.destination.messages import GLOBAL, LEGACY, error_text, part, stream_of
from warehouse.errors import IncompleteLoad

_REFUSED = re.compile(
    r"(?<!\d)4(00|01|02|03|04|10|22|29)(?!\d)|forbidden|unauthori[sz]ed|not found", re.IGNORECASE
)


@dataclass
class Heard:
    """What a connector said beside its records; streams are named by their tables."""

    tables: dict[str, str]
    complete: set[str] = field(default_factory=set)
    incomplete: set[str] = field(default_factory=set)
    errors: list[str] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)

    def trace(self, message: dict[str, Any], connector: Connector) -> str | None:
        """Take in a TRACE message; returns the stream that has just said COMPLETE, if one has."""
        trace = part(message, "trace")
        if trace.get("type") == "STREAM_STATUS":
            about = part(trace, "stream_status")
            stream = stream_of(part(about, "stream_descriptor"))
            stream = self.tables.get(stream, stream)
            if about.get("status") == "COMPLETE":
                self.complete.add(stream)
                self.incomplete.discard(stream)
                return stream
            if about.get("status") == "INCOMPLETE":
                self.complete.discard(stream)
                self.incomplete.add(stream)
        elif trace.get("type") == "ERROR":
            text = connectors.mask(error_text(message), connector.secrets)
            self.errors.append(text.splitlines()[0][:400])
        return None

    def log(self, text: str) -> None:
        """Take in what it logged: that the source refused something may be why a stream is empty."""
        if _REFUSED.search(text):
            self.refusals.append(text.splitlines()[0][:300])


def complete_streams(destination: Destination, heard: Heard) -> set[str]:
    """Streams that said COMPLETE, less those that are empty because the source refused them (a swallowed 4xx)."""
    complete = heard.complete & set(destination.plans)
    counts = destination.counts()
    names = {table: name for name, table in heard.tables.items()}  # as the source calls them
    for stream in sorted(stream for stream in complete if not counts[stream]):
        either = "|".join(re.escape(name) for name in (stream, names.get(stream, stream)))
        named = re.compile(rf"(?<![A-Za-z0-9_])({either})(?![A-Za-z0-9_])", re.IGNORECASE)
        refusal = next((text for text in heard.refusals if named.search(text)), None)
        if refusal:
            complete.discard(stream)
            heard.errors.append(f"{stream} has no records, after: {refusal}")
    return complete


def judge(
    name: str,
    connector: Connector,
    plans: Iterable[str],
    complete: set[str],
    heard: Heard,
    code: int,
    last_words: Iterable[str],
) -> None:
    """Raise if the sync was not complete.

    Raises:
        IncompleteLoad: With the connector's own words.
    """
    missing = sorted(set(plans) - complete)
    if not missing and code == 0:
        return
    words = heard.errors[0] if heard.errors else next(iter(reversed(list(last_words))), "")
    streams = ", ".join(missing[:5]) + (" …" if len(missing) > 5 else "")
    what = f"{name}: {streams} not complete" if missing else f"{name}: the connector failed"
    said = f": {connectors.mask(words, connector.secrets)[:400]}" if words else ""
    raise IncompleteLoad(
        f"{what} (exit code {code}){said}",
        "what came before its last state is landed; sync again to go on from there",
    )


def refuse_stuck(name: str, streams: set[str]) -> None:
    """Raise for streams that were broken off, went on from their state, and said COMPLETE without another word.

    Such a connector may have put into its state that it is done before it had sent all: rows would be missing for good.

    Raises:
        IncompleteLoad: Names them, and how to read them again.
    """
    if streams:
        raise IncompleteLoad(
            f"{name}: {', '.join(sorted(streams))} had been broken off, and now the connector sent nothing more: "
            "its state may say done too early, with rows missing",
            "sync again with --restart-from-complete, which reads on from the last state at which the stream was "
            "complete (kept for this name; --resume takes it back)",
        )


def where_broken_off(streams: set[str], states: dict[str, Any]) -> dict[str, tuple[str, Any]]:
    """Key and state that each stream goes on from: its own, or that of all streams."""
    common = LEGACY if LEGACY in states else GLOBAL
    keys = {stream: stream if stream in states else common for stream in streams}
    return {stream: (key, states[key]) for stream, key in keys.items() if key in states}


def what_is_gone(stream: str, count: int | None) -> str:
    """What a window's reading found missing, for people; no count where nothing could be told."""
    if count is None:
        return f"records of {stream} were set aside, so that none was taken for deleted"
    return f"{count:,} records of {stream} are there no more: they have left tombstones"
