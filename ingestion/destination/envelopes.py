r"""Take the envelopes off RECORD messages: stream, instant, and the record's data as it was sent.

A connector writes the same text around every record. That text is learned from one message and
compared as bytes; what stands between is cut out without being parsed. If it then proves to be one
JSON object, the envelope was what it seemed to be; if it does not, `messages.open_envelope` has the
last word. DuckDB's JSON writer is no help here: it turns 1.10 into 1.1 and rounds what has more than
17 digits.

Reads and writes: nothing. Run: imported by `ingestion.destination.airbyte`.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from ingestion.destination.lines import Lines
from ingestion.destination.messages import open_envelope

MOST_FORMS = 64  # more kinds of envelopes in one batch are opened one by one
_EMITTED = re.compile(r'("emitted_at" ?: ?)(\d{1,14})(?!\d)')
_FAR = 10**14  # milliseconds, in the year 5138
_ZERO, _NINE = b"09"
_PROBE = '{"probe":0}'


@dataclass
class Records:
    """Records of one stream.

    Attributes:
        index: Which message each came in, ascending.
        lines: Their data.
        emitted: When they were emitted, UTC, as datetime64[us].
    """

    index: np.ndarray
    lines: Lines
    emitted: np.ndarray


@dataclass
class Opened:
    """Records by stream, and by index what is no record: (reason, text)."""

    records: dict[str, Records] = field(default_factory=dict)
    aside: dict[int, tuple[str, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class _Form:
    """The text around a record: all of a message but the data and the digits of `emitted_at`."""

    stream: str
    before: bytes
    after: bytes  # with the digits of the message it was learned from
    digits: tuple[int, int]  # where in `after` they stand

    def fits(self, lines: Lines) -> np.ndarray:
        """Mask of the lines that have this text around something."""
        first, last = self.digits
        digits = lines.tails(len(self.after) - first)[:, : last - first]
        # not so short that the two would overlap
        is_long = lines.sizes > len(self.before) + len(self.after)
        return (
            is_long
            & lines.begin_with(self.before)
            & lines.end_with(self.after[last:])
            & lines.end_with(self.after[:first], len(self.after) - first)
            & ((digits >= _ZERO) & (digits <= _NINE)).all(axis=1)
        )

    def cut(self, index: np.ndarray, lines: Lines) -> Records:
        """The records of lines that fit."""
        first, last = self.digits
        digits = lines.tails(len(self.after) - first)[:, : last - first].astype(np.int64) - _ZERO
        millis = digits @ (10 ** np.arange(last - first)[::-1])
        emitted = millis.astype("datetime64[ms]").astype("datetime64[us]")
        return Records(index, lines.cut(len(self.before), len(self.after)), emitted)


def opened(lines: Lines, now: datetime) -> Opened:
    """Open the envelopes of some messages, each a line of valid UTF-8.

    Args:
        lines: The messages.
        now: When a record was emitted that does not say so, UTC without a zone.
    """
    found = Opened()
    some: dict[str, list[Records]] = {}
    rest, messages = np.arange(len(lines)), lines
    for _ in range(MOST_FORMS):
        if not len(rest):
            break
        form = _form_of(messages[0])
        if form is None:
            _by_hand(rest[:1], messages.take(np.array([0])), now, some, found.aside)
            rest, messages = rest[1:], messages.take(np.arange(1, len(messages)))
            continue
        mask = form.fits(messages)
        if mask.all():
            some.setdefault(form.stream, []).append(form.cut(rest, messages))
            rest = rest[:0]
            break
        some.setdefault(form.stream, []).append(form.cut(rest[mask], messages.take(mask)))
        rest, messages = rest[~mask], messages.take(~mask)
    if len(rest):
        _by_hand(rest, messages, now, some, found.aside)
    found.records = {stream: _together(parts) for stream, parts in some.items()}
    return found


def last_word(
    stream: str, records: Records, which: list[int], messages: Lines
) -> tuple[dict[int, str], dict[int, tuple[str, str]]]:
    """Open some messages once more, one by one, because what was cut out of them is no good record.

    Args:
        stream: Of these records.
        records: Where they stand.
        which: Which of them, by their place in `records`.
        messages: All messages.

    Returns:
        By place, the data of those that hold another text, and what is no record of the stream:
        (reason, message).
    """
    other: dict[int, str] = {}
    none: dict[int, tuple[str, str]] = {}
    for at in which:
        text = messages[int(records.index[at])]
        try:
            name, data, _ = open_envelope(text)
        except json.JSONDecodeError:
            none[at] = ("not JSON", text)
        except RecursionError:
            continue  # so deep that it is bad in any case
        except ValueError as reason:
            none[at] = (str(reason), text)
        else:
            if name != stream:
                none[at] = ("a record that names its stream twice", text)
            elif data != records.lines[at]:
                other[at] = data
    return other, none


def _form_of(text: str) -> _Form | None:
    """The form of a message, if putting something else in place of its data and digits changes just these."""
    try:
        stream, data, emitted = open_envelope(text)
    except (ValueError, RecursionError):
        return None
    before, _, after = text.rpartition(data)
    digits = _EMITTED.search(after)
    if emitted is None or digits is None or int(digits[2]) != emitted:
        return None
    first, last = digits.span(2)
    other = "1" * (last - first)
    try:
        probed = open_envelope(f"{before}{_PROBE}{after[:first]}{other}{after[last:]}")
    except ValueError:
        return None
    if probed != (stream, _PROBE, int(other)):
        return None
    if not after.isascii():  # positions are counted in bytes
        return None
    return _Form(stream, before.encode(), after.encode(), (first, last))


def _by_hand(
    index: np.ndarray,
    messages: Lines,
    now: datetime,
    some: dict[str, list[Records]],
    aside: dict[int, tuple[str, str]],
) -> None:
    """Open envelopes of an unusual form one by one."""
    out: dict[str, tuple[list[int], list[str], list[datetime]]] = {}
    for at, text in zip(index.tolist(), messages, strict=True):
        if not text.strip():
            continue
        try:
            stream, data, emitted = open_envelope(text)
        except json.JSONDecodeError:
            aside[at] = ("not JSON", text)
            continue
        except RecursionError:
            aside[at] = ("nested too deeply", text)
            continue
        except ValueError as reason:
            aside[at] = (str(reason), text)
            continue
        is_told = emitted and emitted < _FAR
        instant = (
            datetime.fromtimestamp(emitted / 1000, UTC).replace(tzinfo=None) if is_told else now
        )
        for values, value in zip(
            out.setdefault(stream, ([], [], [])), (at, data, instant), strict=True
        ):
            values.append(value)
    for stream, (at, data, instants) in out.items():
        some.setdefault(stream, []).append(
            Records(
                np.array(at, np.int64), Lines.of(data), np.array(instants, dtype="datetime64[us]")
            )
        )


def _together(parts: list[Records]) -> Records:
    """One stream's records in the order in which they came."""
    if len(parts) == 1:
        return parts[0]
    index = np.concatenate([part.index for part in parts])
    order = np.argsort(index)
    lines = Lines.together([part.lines for part in parts]).take(order)
    emitted = np.concatenate([part.emitted for part in parts])
    return Records(index[order], lines, emitted[order])
