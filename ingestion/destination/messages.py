"""The Airbyte protocol as bytes: records are passed on untouched, everything else is parsed.

A connector's stdout is scanned for the few lines that are no records (STATE, TRACE, LOG …); runs of
record lines between them stay where they were read, so that a record costs no Python and no copy; `envelopes`
takes them apart.

Reads and writes: nothing. Run: imported by `ingestion.destination`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from ingestion.destination.lines import Lines
from warehouse.errors import IncompleteLoad

GLOBAL = "*global*"  # under this name a state that is not one stream's is kept
LEGACY = "*legacy*"
MAX_MESSAGE_BYTES = 64 << 20
BUFFER_BYTES = 8 << 20  # output is read into; a multiple of huge pages, which cost little to get

_LEAST_ROOM = 64 << 10
_RETURN = 13

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
# what a line that can't be parsed begins with, or holds, if it may have been a record
_DAMAGED = re.compile(rb'\s*\{(\s*"type"|.*"record")', re.DOTALL | re.IGNORECASE)
_RECORD_BEGINS = (b'{"type":"RECORD",', b'{"type": "RECORD",')
_FEW = 1000  # of as many lines in a chunk each is looked at
_SPACE = re.compile(r"\s*")
_DECODER = json.JSONDecoder()


class Splitter:
    """Splits a connector's output into runs of record lines (`Lines`) and other messages (dicts).

    The output is read into its buffer (`room`, `filled`) and stays there: runs are ranges of it.
    """

    def __init__(self) -> None:
        self._renew(BUFFER_BYTES)

    @property
    def room(self) -> memoryview:
        """Where the next bytes go."""
        return memoryview(self._bytes)[self._end :]

    @property
    def is_full(self) -> bool:
        """Whether there is so little room that the lines should be taken first."""
        return len(self._bytes) - self._end < _LEAST_ROOM

    def filled(self, count: int) -> None:
        """So many bytes were read into the room."""
        self._end += count

    def messages(self) -> Iterator[Lines | dict[str, Any]]:
        """What the lines say that have come to their end since the last call.

        Raises:
            IncompleteLoad: A line is longer than any message may be.
        """
        lines = Lines.split(self._buffer, self._start, self._end)
        if len(lines):
            last = int(lines.ends[-1])
            self._start = last + (2 if self._bytes[last] == _RETURN else 1)
        if self._end - self._start > MAX_MESSAGE_BYTES:
            raise IncompleteLoad(
                f"the connector sent a line of more than {MAX_MESSAGE_BYTES >> 20} MiB",
                "it may not speak the Airbyte protocol; run its `read` by hand",
            )
        if self.is_full:
            rest = self._bytes[self._start : self._end]
            self._renew(max(BUFFER_BYTES, 2 * len(rest)), rest)
        if len(lines):
            yield from _parts(lines)

    def end(self) -> Iterator[Lines | dict[str, Any]]:
        """What is left when the connector has ended: a last line without its newline too."""
        yield from self.messages()
        rest = self._bytes[self._start : self._end].tobytes()
        if rest.strip():
            yield from _parts(Lines.split(rest + b"\n"))

    def _renew(self, size: int, rest: np.ndarray | None = None) -> None:
        """Another buffer, which begins with a line that is not finished."""
        count = 0 if rest is None else len(rest)
        self._bytes = np.empty(size, np.uint8)
        if rest is not None:
            self._bytes[:count] = rest
        self._buffer = pa.py_buffer(self._bytes)
        self._start, self._end = 0, count


def _parts(lines: Lines) -> Iterator[Lines | dict[str, Any]]:
    done = 0
    for index in _candidates(lines):
        message = _control(lines.raw(index))
        if message is None:
            continue
        if index > done:
            yield lines.take(slice(done, index))
        if message:
            yield message
        done = index + 1
    if done < len(lines):
        yield lines.take(slice(done, None))


def _candidates(lines: Lines) -> list[int]:
    """Which lines may be something else than a record, by index."""
    index, odd = np.arange(len(lines)), lines
    for begin in _RECORD_BEGINS:  # as connectors begin a RECORD
        mask = ~odd.begin_with(begin)
        index, odd = index[mask], odd.take(mask)
    if len(odd) > _FEW:
        first = int(lines.starts[0])
        starts = _marked(lines.bytes[first : int(lines.ends[-1])].tobytes())
        index = np.searchsorted(lines.starts, np.array(sorted(starts), np.int64) + first)
    return index.tolist()


def _marked(data: bytes) -> set[int]:
    """The same where records begin otherwise: where lines start that hold another message's type, or are no JSON."""
    starts = set()
    for mark in _MARKS:
        at = data.find(mark)
        while at >= 0:
            starts.add(data.rfind(b"\n", 0, at) + 1)
            end = data.find(b"\n", at)
            at = data.find(mark, end) if end >= 0 else -1
    if data.count(b"\n{") + data.startswith(b"{") <= data.count(b"\n"):
        at, end = 0, 0
        while end >= 0:
            if data[at : at + 1] != b"{":
                starts.add(at)
            end = data.find(b"\n", at)
            at = end + 1
    return starts


def _control(line: bytes) -> dict[str, Any] | None:
    """The message, {} for an empty line, a LOG for what is no message, or None for a record."""
    if not line.strip():
        return {}
    try:
        message = json.loads(line)
    except (ValueError, RecursionError):
        if _DAMAGED.match(line):
            return None  # it is set aside with the records
        message = None
    kind = message.get("type") if isinstance(message, dict) else None
    if kind == "RECORD":
        return None
    text = line.decode("utf-8", "replace")[:2000]
    if isinstance(kind, str):
        return message if _says_something(message) else _log(f"an empty {kind}: {text}", "WARN")
    if line.lstrip().startswith(b'{"type"'):
        return None  # a damaged one too
    return _log(text, "INFO")


def _log(text: str, level: str) -> dict[str, Any]:
    return {"type": "LOG", "log": {"level": level, "message": text}}


def _says_something(message: dict[str, Any]) -> bool:
    """Whether a message has the body that its type asks for; of a STATE, a cursor that can be kept."""
    kind = message["type"]
    if kind in ("TRACE", "LOG", "CONTROL"):
        return isinstance(message.get(kind.lower()), dict)
    if kind != "STATE":
        return True
    key, state, _ = state_of(message)
    # of a stream it may be null: so a connector says that it starts anew
    return bool(key) and (isinstance(state, dict) or key not in (GLOBAL, LEGACY))


def part(message: dict[str, Any], name: str) -> dict[str, Any]:
    """An object within a message; empty where there is none, whatever else stands there."""
    found = message.get(name)
    return found if isinstance(found, dict) else {}


def error_text(message: dict[str, Any]) -> str:
    """What a TRACE of type ERROR says."""
    error = part(message, "trace").get("error")
    words = error.get("message") if isinstance(error, dict) else error
    return str(words or "unknown error")


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
    state = part(message, "state")
    count = part(state, "sourceStats").get("recordCount")
    count = int(count) if isinstance(count, int | float) and math.isfinite(count) else None
    kind = state.get("type") or ("STREAM" if "stream" in state else "LEGACY")
    if kind == "STREAM":
        about = part(state, "stream")
        return stream_of(part(about, "stream_descriptor")), about.get("stream_state"), count
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
    # GLOBAL first: a connector of the CDK tells by the first what kind they are
    common = [{"type": "GLOBAL", "global": states[GLOBAL]}] if GLOBAL in states else []
    return common + [
        {
            "type": "STREAM",
            "stream": {"stream_descriptor": descriptors[name], "stream_state": state},
        }
        for name, state in states.items()
        if name != GLOBAL
    ]


def streams_of_global(state: Any) -> set[str]:
    """Streams that a GLOBAL state names."""
    entries = state.get("stream_states") if isinstance(state, dict) else None
    return {
        stream_of(part(entry, "stream_descriptor"))
        for entry in entries or []
        if isinstance(entry, dict)
    }
