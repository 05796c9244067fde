r"""Lines of text as ranges of one buffer: read, cut out of their envelopes, matched and landed without a copy.

The buffer is what was read; a line is where in it a text starts and ends. Arrow's string views have the
same form, and DuckDB scans them as they are. Measured on 1 M usage events (259 MB): 0.1 CPU s from bytes
to lines that DuckDB can insert, where Arrow's CSV reader as a splitter takes 0.9.

Reads and writes: nothing. Run: imported by the destination and by the file reader.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

_NEWLINE, _RETURN = 10, 13
_BLOCK = 256 << 10  # bytes searched at once: what is made of them stays in the processor's cache
_INLINE = 12  # bytes of a text that Arrow keeps in the view itself
_PREFIX = 4  # of a longer one it keeps so many there


class Lines:
    """Texts, each a range of the same bytes. What they say is UTF-8 once `is_utf8` has said so."""

    def __init__(self, data: bytes | pa.Buffer, starts: np.ndarray, ends: np.ndarray) -> None:
        """Take ranges of some bytes for texts.

        Args:
            data: The bytes, less than 2 GiB.
            starts: Where each text starts.
            ends: Where each ends (exclusive).
        """
        self.data = data if isinstance(data, pa.Buffer) else pa.py_buffer(data)
        self.bytes = np.frombuffer(self.data, np.uint8)
        self.starts = starts
        self.ends = ends

    @classmethod
    def split(cls, data: bytes | pa.Buffer, start: int = 0, end: int | None = None) -> Lines:
        r"""Lines of a text, or of a part of it, that end with "\n"; without their line ends ("\n" or "\r\n")."""
        everything = np.frombuffer(data, np.uint8)[:end]
        newlines = np.concatenate(
            [
                np.flatnonzero(everything[at : at + _BLOCK] == _NEWLINE) + at
                for at in range(start, max(len(everything), start + 1), _BLOCK)
            ]
        )
        starts = np.concatenate(([start], newlines[:-1] + 1)) if len(newlines) else newlines
        returns = (newlines > starts) & (everything[newlines - 1] == _RETURN)
        return cls(data, starts, newlines - returns if returns.any() else newlines)

    @classmethod
    def of(cls, texts: Sequence[str]) -> Lines:
        """Some texts."""
        encoded = [text.encode() for text in texts]
        bounds = np.fromiter(accumulate(map(len, encoded), initial=0), np.int64)
        return cls(b"".join(encoded), bounds[:-1], bounds[1:])

    @classmethod
    def of_arrow(cls, texts: pa.LargeStringArray) -> Lines:
        """Arrow's texts, none of them null."""
        _, offsets, data = texts.buffers()
        bounds = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + len(texts) + 1]
        first, last = int(bounds[0]), int(bounds[-1])
        own = data.slice(first, last - first) if data is not None else b""
        return cls(own, bounds[:-1] - first, bounds[1:] - first)

    @classmethod
    def together(cls, parts: Sequence[Lines]) -> Lines:
        """The lines of several buffers in one; a single one stays where it is."""
        if len(parts) == 1:
            return parts[0]
        begins = [0, *accumulate(len(part.bytes) for part in parts)]
        shifted = list(zip(parts, begins, strict=False))
        return cls(
            b"".join(part.data for part in parts),
            np.concatenate([part.starts + begin for part, begin in shifted]),
            np.concatenate([part.ends + begin for part, begin in shifted]),
        )

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, index: int) -> str:
        return self.raw(index).decode()

    def __iter__(self) -> Iterator[str]:
        return (raw.decode() for raw in self.raws())

    def raw(self, index: int) -> bytes:
        """A line's bytes."""
        return self.bytes[self.starts[index] : self.ends[index]].tobytes()

    def raws(self) -> Iterable[bytes]:
        """All lines' bytes."""
        data = memoryview(self.data)
        return (
            bytes(data[start:end])
            for start, end in zip(self.starts.tolist(), self.ends.tolist(), strict=True)
        )

    @property
    def sizes(self) -> np.ndarray:
        """Bytes of each line."""
        return self.ends - self.starts

    @property
    def span(self) -> int:
        """Bytes from the first line to the last one."""
        return int(self.ends[-1] - self.starts[0]) if len(self) else 0

    def take(self, which: np.ndarray | slice) -> Lines:
        """Some of them, by a mask, by index, or from one to another."""
        return Lines(self.data, self.starts[which], self.ends[which])

    def cut(self, before: int, after: int) -> Lines:
        """The same lines without so many bytes at their beginning and at their end."""
        return Lines(self.data, self.starts + before, self.ends - after)

    def blank(self, which: Sequence[int]) -> Lines:
        """The same lines, some of them empty."""
        ends = self.ends.copy()
        ends[which] = self.starts[which]
        return Lines(self.data, self.starts, ends)

    def begin_with(self, text: bytes) -> np.ndarray:
        """Which lines begin with a text, as a mask."""
        return self._say(self.starts, text) & (self.sizes >= len(text))

    def end_with(self, text: bytes, after: int = 0) -> np.ndarray:
        """Which lines end with a text, followed by so many other bytes, as a mask."""
        size = len(text) + after
        return self._say(self.ends - size, text) & (self.sizes >= size)

    def _say(self, places: np.ndarray, text: bytes) -> np.ndarray:
        if not text:
            return np.ones(len(places), bool)
        found = np.ascontiguousarray(self._at(places, len(text)))
        return found.view(f"S{len(text)}")[:, 0] == text

    def tails(self, size: int) -> np.ndarray:
        """The last bytes of each line, a row each; of lines shorter than that the row says something else."""
        return self._at(self.ends - size, size)

    def _at(self, places: np.ndarray, size: int) -> np.ndarray:
        if len(self.bytes) < size:
            return np.zeros((len(places), size), np.uint8)
        windows = np.lib.stride_tricks.sliding_window_view(self.bytes, size)
        return windows[np.clip(places, 0, len(windows) - 1)]

    # --- what Arrow and DuckDB make of them ---------------------------------------------------------

    def arrow(self) -> pa.StringViewArray:
        """The texts as an Arrow array, not copied."""
        views = np.zeros((len(self), 4), np.int32)
        sizes = self.sizes
        views[:, 0] = sizes
        views[:, 1:2] = np.ascontiguousarray(self._at(self.starts, _PREFIX)).view(np.int32)
        views[:, 3] = self.starts
        short = np.flatnonzero(sizes <= _INLINE)
        inline = views.view(np.uint8).reshape(len(self), 16)
        inline[short, _PREFIX:] = 0
        for at in range(_INLINE):
            short = short[sizes[short] > at]
            inline[short, _PREFIX + at] = self.bytes[self.starts[short] + at]
        buffers = [None, pa.py_buffer(views), self.data]
        return pa.Array.from_buffers(pa.string_view(), len(self), buffers)

    def is_utf8(self) -> bool:
        """Whether all lines are valid UTF-8; none begins or ends within a character."""
        return _is_valid(self._span()) or _is_valid(self.arrow())

    def matches(self, pattern: str) -> np.ndarray:
        """Which lines match a regular expression as a whole, as a mask.

        Args:
            pattern: In RE2's dialect, without anchors.
        """
        gap = self._gap()
        strings = self.arrow().cast(pa.large_string()) if gap is None else self._strings()
        end = r"\n?" if gap else ""
        found = pc.match_substring_regex(strings, rf"\A(?:{pattern}){end}\z")
        return found.to_numpy(zero_copy_only=False)

    def _gap(self) -> int | None:
        """0 if each line follows the one before, 1 if there is just a newline between, else None."""
        if len(self) == 0:
            return 0
        between = self.starts[1:] - self.ends[:-1]
        if not between.any():
            return 0
        only_newlines = (between == 1).all() and (self.bytes[self.ends[:-1]] == _NEWLINE).all()
        return 1 if only_newlines else None

    def _span(self) -> pa.LargeStringArray:
        """Everything from the first line to the last one, as one text."""
        bounds = [int(self.starts.min()), int(self.ends.max())] if len(self) else [0, 0]
        offsets = pa.py_buffer(np.array(bounds, np.int64))
        return pa.LargeStringArray.from_buffers(1, offsets, self.data)

    def _strings(self) -> pa.LargeStringArray:
        """The texts with what stands between them: nothing, or a newline at the end of each."""
        offsets = np.append(self.starts, self.ends[-1:] if len(self) else 0).astype(np.int64)
        return pa.LargeStringArray.from_buffers(len(self), pa.py_buffer(offsets), self.data)


def _is_valid(strings: pa.Array) -> bool:
    try:
        strings.validate(full=True)
    except pa.ArrowInvalid:
        return False
    return True


def repaired(lines: Lines) -> tuple[Lines, dict[int, str]]:
    r"""Blank the lines that are not UTF-8.

    Returns:
        The lines with every bad one empty, and the bad ones by index, their odd bytes written as
        `\\xNN`.
    """
    if lines.is_utf8():
        return lines, {}
    bad: dict[int, str] = {}
    for index, raw in enumerate(lines.raws()):
        try:
            raw.decode()
        except UnicodeDecodeError:
            bad[index] = raw.decode("utf-8", "backslashreplace")
    return lines.blank(list(bad)), bad
