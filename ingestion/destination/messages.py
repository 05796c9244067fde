"""The Airbyte protocol as bytes: records are passed on untouched, everything else is parsed.

A connector's stdout is scanned for the few lines that are no records (STATE, TRACE, LOG …); runs of
record lines between them stay bytes, so that a record costs no Python; `envelopes` takes them apart.

Reads and writes: nothing. Run: imported by `ingestion.destination`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from ingestion.destination.lines import Lines
from warehouse.errors import IncompleteLoad

GLOBAL = "*global*"  # under this name a state that is not one stream's is kept
LEGACY = "*legacy*"
MAX_MESSAGE_BYTES = 64 << 20

_MARKS = tuple(
    f'"{kind}"'.encode()
    for kind in (
        "STATE",
        "TRACE",
        "LOG",
        "CONTROL",
        "SPEC",
        "CATALOG",
        "CONNECTION_STATUS",
        "DESTINATION_CATALOG",
    )
)
_RECORD_BEGINS = (b'{"type":"RECORD",', b'{"type": "RECORD",')
_FEW = 1000  # of as many lines in a chunk each is looked at
_SPACE = re.compile(r"\s*")
_DECODER = json.JSONDecoder()


class Splitter:
    """Splits a connector's output into runs of record lines (bytes) and other messages (dicts)."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> Iterator[bytes | dict[str, Any]]:
        """Take in a chunk of output; the last, unfinished line waits for the next.

        Raises:
            IncompleteLoad: A line is longer than any message may be.
        """
        data = self._rest + chunk
        cut = data.rfind(b"\n") + 1
        data, self._rest = data[:cut], data[cut:]
        if len(self._rest) > MAX_MESSAGE_BYTES:
            raise IncompleteLoad(
                f"the connector sent a line of more than {MAX_MESSAGE_BYTES >> 20} MiB",
                "it may not speak the Airbyte protocol; run its `read` by hand",
            )
        if data:
            yield from self._parts(data)

    def end(self) -> Iterator[bytes | dict[str, Any]]:
        """What is left when the connector has ended: a last line without its newline."""
        data, self._rest = self._rest, b""
        if data.strip():
            yield from self._parts(data + b"\n")

    def _parts(self, data: bytes) -> Iterator[bytes | dict[str, Any]]:
        done = 0
        for start in _candidates(data):
            end = data.find(b"\n", start) + 1
            message = _control(data[start : end - 1])
            if message is None:
                continue
            if start > done:
                yield data[done:start]
            if message:
                yield message
            done = end
        if done == 0:
            yield data
        elif done < len(data):
            yield data[done:]


def _candidates(data: bytes) -> list[int]:
    """Where lines start that may be something else than a record."""
    lines = Lines.split(data)
    for begin in _RECORD_BEGINS:  # as connectors begin a RECORD
        lines = lines.take(~lines.begin_with(begin))
    return lines.starts.tolist() if len(lines) <= _FEW else sorted(_marked(data))


def _marked(data: bytes) -> set[int]:
    """The same where records begin otherwise: lines that hold another message's type, and those that are no JSON."""
    starts = set()
    for mark in _MARKS:
        at = data.find(mark)
        while at >= 0:
            starts.add(data.rfind(b"\n", 0, at) + 1)
            end = data.find(b"\n", at)
            at = data.find(mark, end)
    if data.count(b"\n{") + data.startswith(b"{") < data.count(b"\n"):
        at = 0
        while at < len(data):
            if data[at : at + 1] != b"{":
                starts.add(at)
            at = data.find(b"\n", at) + 1
    return starts


def _control(line: bytes) -> dict[str, Any] | None:
    """The message, {} for an empty line, a LOG for what is no message, or None for a record."""
    if not line.strip():
        return {}
    try:
        message = json.loads(line)
    except ValueError:
        message = None
    if isinstance(message, dict) and isinstance(message.get("type"), str):
        return None if message["type"] == "RECORD" else message
    if line.lstrip().startswith(b'{"type"'):
        return None  # a damaged message: it is set aside with the records
    return {
        "type": "LOG",
        "log": {"level": "INFO", "message": line.decode("utf-8", "replace")[:2000]},
    }


def open_envelope(text: str) -> tuple[str, str, int | None]:
    """Stream, data as it was sent, and emitted_at of a RECORD message of any form.

    Raises:
        ValueError: It is none; the message says why.
    """
    fields = _fields(text, "message")
    if fields.get("type") != '"RECORD"':
        raise ValueError(
            f"a message of type {fields.get('type', 'none')[:40]} stands among the records"
        )
    record = _fields(fields.get("record", "null"), "record")
    if not record.get("data", "").startswith("{"):
        raise ValueError("a record without data")
    name, namespace = (json.loads(record.get(key, "null")) for key in ("stream", "namespace"))
    if not isinstance(name, str):
        raise ValueError("a record without the name of its stream")  # noqa: TRY004 - it is the text that is wrong
    emitted = record.get("emitted_at", "null")
    stream = stream_of({"name": name, "namespace": namespace})
    return stream, record["data"], int(emitted) if emitted.isdigit() else None


def _fields(text: str, what: str) -> dict[str, str]:
    """Fields of a JSON object, each value as its exact text."""
    at = _SPACE.match(text, 0).end()
    if text[at : at + 1] != "{":
        raise ValueError(f"the {what} is not a JSON object")
    found: dict[str, str] = {}
    at = _SPACE.match(text, at + 1).end()
    while text[at : at + 1] == '"':
        name, at = _DECODER.raw_decode(text, at)
        at = _SPACE.match(text, at).end()
        if text[at : at + 1] != ":":
            raise ValueError(f"the {what} is not JSON")
        start = _SPACE.match(text, at + 1).end()
        _, at = _DECODER.raw_decode(text, start)
        found[name] = text[start:at]
        at = _SPACE.match(text, at).end()
        if text[at : at + 1] == ",":
            at = _SPACE.match(text, at + 1).end()
    if text[at : at + 1] != "}" or text[at + 1 :].strip():
        raise ValueError(f"the {what} is not JSON")
    return found


def stream_of(about: dict[str, Any]) -> str:
    """What we call a stream: its name, after its namespace if it has one (two may share a name)."""
    name, namespace = str(about.get("name") or ""), about.get("namespace")
    return f"{namespace}.{name}" if namespace else name


def state_of(message: dict[str, Any]) -> tuple[str, Any, int | None]:
    """Key, state and the record count that the source states, of a STATE message."""
    state = message.get("state") or {}
    count = (state.get("sourceStats") or {}).get("recordCount")
    count = int(count) if isinstance(count, int | float) else None
    kind = state.get("type") or ("STREAM" if "stream" in state else "LEGACY")
    if kind == "STREAM":
        about = state.get("stream") or {}
        return stream_of(about.get("stream_descriptor") or {}), about.get("stream_state"), count
    if kind == "GLOBAL":
        return GLOBAL, state.get("global"), count
    return LEGACY, state.get("data"), count


def state_messages(states: dict[str, Any], descriptors: dict[str, dict[str, Any]]) -> Any:
    """Committed states in the form that a connector reads with `--state`.

    Args:
        states: By stream, or under `GLOBAL` or `LEGACY`.
        descriptors: What the connector calls each stream: its name, and its namespace if it has one.
    """
    if LEGACY in states:
        return states[LEGACY]
    if GLOBAL in states:
        return [{"type": "GLOBAL", "global": states[GLOBAL]}]
    return [
        {
            "type": "STREAM",
            "stream": {"stream_descriptor": descriptors[name], "stream_state": state},
        }
        for name, state in states.items()
    ]
