"""What waits for a commit: the records of a sync, sifted as they come, a piece at a time beside the connector.

A piece is kept in memory, or in a file where more waits than memory should hold. Slices have numbers that only grow;
what is asked for is a range of them.

Reads: what it was given. Writes: a folder of the spool. Run: imported by `ingestion.destination.airbyte`.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from ingestion.destination.landing import BadRow
from ingestion.destination.lines import Lines
from ingestion.destination.sifting import NO_ROWS, ROWS, Part, Seen, Sifter, Tally

PIECE_BYTES = 8 << 20  # are sifted at once
MEMORY_BYTES = 256 << 20  # wait in memory; what comes then waits in files

# in a file there are only the texts, without what stood around them
_FILED = ROWS.set(0, pa.field("line", pa.large_string()))


@dataclass
class _Piece:
    """Messages that are sifted at once: ranges of one buffer.

    Attributes:
        before: Lines of the sync before it.
        runs: Its messages.
        slices: In which slice the messages of each run stand.
        size: Bytes.
        sifted: What came of it, once it is closed.
    """

    before: int
    runs: list[Lines] = field(default_factory=list)
    slices: list[int] = field(default_factory=list)
    size: int = 0
    sifted: Future[_Sifted] | None = None


@dataclass
class _Sifted:
    """What came of a piece; its parts' rows are in memory, or batches of a file."""

    parts: list[Part]
    tally: Tally
    file: Path | None = None

    def rows(self, number: int) -> pa.RecordBatch:
        """Rows of a part."""
        if self.file is None:
            return self.parts[number].rows
        with pa.memory_map(str(self.file)) as file:
            batch = pa.ipc.open_file(file).get_batch(number)
        return batch.set_column(0, ROWS.field(0), Lines.of_arrow(batch.column(0)).arrow())


class Waiting:
    """Records of a sync that are not committed yet."""

    def __init__(self, sifter: Sifter, folder: Path, *, threads: int) -> None:
        """Start with nothing.

        Args:
            sifter: Takes the records out of their envelopes.
            folder: Where more waits than memory should hold.
            threads: How many pieces are sifted at a time.
        """
        self.sifter = sifter
        self.folder = folder
        self.threads = threads
        self.lines = 0
        self._pieces: list[_Piece] = []
        self._open: _Piece | None = None
        self._held = 0  # bytes of pieces in memory
        self._files = 0
        self._pool = ThreadPoolExecutor(threads, "sift")

    def close(self) -> None:
        """Let go of everything."""
        self._pool.shutdown(cancel_futures=True)
        self.sifter.close()
        self._pieces, self._open = [], None

    @property
    def size(self) -> int:
        """Bytes that wait."""
        return sum(piece.size for piece in self._pieces) + (self._open.size if self._open else 0)

    def add(self, run: Lines, number: int) -> None:
        """Take in records of a slice."""
        while len(run):
            if self._open and (
                self._open.size >= PIECE_BYTES or self._open.runs[-1].data is not run.data
            ):
                self._shut()
            if self._open is None:
                self._open = _Piece(self.lines)
            ends = run.ends - run.starts[0]
            count = max(int(np.searchsorted(ends, PIECE_BYTES - self._open.size, "right")), 1)
            self._open.runs.append(run.take(slice(None, count)))
            self._open.slices.append(number)
            self._open.size += int(ends[count - 1]) + 1
            self.lines += count
            run = run.take(slice(count, None))

    def tally(self) -> Tally:
        """What is seen in all that wait, when they are sifted."""
        self._shut()
        found = Tally(Seen)
        for sifted in self._sifted():
            for number, seen in sifted.tally.items():
                found[number].add(seen)
        return found

    def rows(self, stream: str, slices: range) -> Iterator[pa.RecordBatch]:
        """What lands of a stream in some slices, of the schema `ROWS`."""
        for sifted in self._sifted():
            for number, part in enumerate(sifted.parts):
                if part.stream == stream:
                    yield _within(sifted.rows(number), slices)

    def bad(self, slices: range) -> list[BadRow]:
        """What is set aside in some slices."""
        return [
            row
            for sifted in self._sifted()
            for part in sifted.parts
            for number, row in part.bad
            if number in slices
        ]

    def drop(self, before: int) -> None:
        """Let go of pieces that hold nothing of a slice or later ones."""
        for piece in [piece for piece in self._pieces if piece.slices[-1] < before]:
            self._pieces.remove(piece)
            if file := piece.sifted.result().file:
                file.unlink()
            else:
                self._held -= piece.size

    def _sifted(self) -> Iterator[_Sifted]:
        return (piece.sifted.result() for piece in self._pieces)

    def _shut(self) -> None:
        """Give the open piece to be sifted."""
        piece, self._open = self._open, None
        if piece is None:
            return
        under_way = [other for other in self._pieces if not other.sifted.done()]
        if len(under_way) > self.threads:  # a connector is not read faster than that
            under_way[0].sifted.result()
        file = None
        if self._held + piece.size > MEMORY_BYTES:
            file = self.folder / f"piece-{self._files}.arrow"
            self._files += 1
        else:
            self._held += piece.size
        piece.sifted = self._pool.submit(self._sift, piece, file)
        self._pieces.append(piece)

    def _sift(self, piece: _Piece, file: Path | None) -> _Sifted:
        lines = Lines(
            piece.runs[0].data,
            np.concatenate([run.starts for run in piece.runs]),
            np.concatenate([run.ends for run in piece.runs]),
        )
        slices = np.repeat(piece.slices, [len(run) for run in piece.runs])
        piece.runs.clear()
        parts, tally = self.sifter.sift(lines, slices, piece.before)
        if file:
            with pa.ipc.new_file(str(file), _FILED) as out:
                for part in parts:
                    line = part.rows.column(0).cast(_FILED.field(0).type)
                    out.write_batch(part.rows.set_column(0, _FILED.field(0), line))
            parts = [replace(part, rows=NO_ROWS) for part in parts]
        return _Sifted(parts, tally, file)


def _within(rows: pa.RecordBatch, slices: range) -> pa.RecordBatch:
    """The rows that stand in some slices."""
    numbers = rows.column("slice").to_numpy()
    first, last = np.searchsorted(numbers, [slices.start, slices.stop])
    return rows.slice(first, last - first)
