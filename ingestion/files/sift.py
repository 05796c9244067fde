"""Read the files that are due, one after another, and sift their rows: which land, which are set aside and why.

It runs beside the landing: one thread reads and unpacks, others sift; they know of the landing
file only what its ledger said at the start. Rows of small files are checked together.

Reads: the source's location. Writes: `spool/` (objects of a store). Run: imported by
`ingestion.files.take`.
"""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import numpy as np

from ingestion.ahead import ahead
from ingestion.destination.checking import check
from ingestion.destination.landing import BadRow
from ingestion.destination.lines import Lines
from ingestion.destination.typecheck import Rules
from ingestion.files import locate, reading
from ingestion.files.locate import Found
from ingestion.files.reading import CutOff, FileFault, Piece, StillWritten
from ingestion.files.stream import FileStream
from warehouse import duck
from warehouse.settings import Settings

CHECK_BYTES = 8 << 20  # of text that is checked together
YOUNG_SECONDS = 60.0  # an unfinished look of a file this young means that somebody still writes it


@dataclass
class Due:
    """A file to be read.

    Attributes:
        file: Which.
        content_hash: Of what it held when it was last taken, or None.
        is_forced: Read it though it has not changed.
    """

    file: Found
    content_hash: str | None
    is_forced: bool


@dataclass
class Part:
    """Something that is known of a file; a file has one or more, in order.

    Attributes:
        file: Of which.
        content_hash: SHA-256 of the file's bytes.
        lines: JSON texts that land.
        numbers: Line number of each.
        bad: What is set aside.
        size: Bytes of text.
        is_last: Nothing more comes of the file: it was read to its end.
        same_as: No rows: it is a copy of the file of this name, or (its own name) only touched.
        fault: No rows, and those before must not be kept: why the file can't be taken.
    """

    file: Found
    content_hash: str
    lines: Lines = field(default_factory=lambda: Lines.of([]))
    numbers: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    bad: list[BadRow] = field(default_factory=list)
    size: int = 0
    is_last: bool = False
    same_as: str | None = None
    fault: FileFault | None = None


class Sifter:
    """Reads and sifts the files of one stream. Use `parts`."""

    def __init__(
        self,
        stream: FileStream,
        rules: Rules,
        owners: dict[str, str],
        folder: Path,
        settings: Settings,
    ) -> None:
        """Keep what is needed to read.

        Args:
            stream: Whose files.
            rules: What a row must be.
            owners: By content hash, the name under which a content was taken.
            folder: Where objects of a store are copied to.
            settings: How many threads.
        """
        self.stream = stream
        self.rules = rules
        self.folder = folder
        self.settings = settings
        self._owners = dict(owners)

    def parts(self, due: Iterable[Due]) -> Iterator[Part]:
        """All parts of all files, in order."""
        under_way: deque[Future[list[Part]]] = deque()
        with (
            duck.connect(":memory:", threads=self.settings.threads) as con,
            ahead(self._read_all(due, con)) as coming,
            ThreadPoolExecutor(self.settings.threads, "sift") as pool,
        ):
            for some in _together(coming):
                under_way.append(pool.submit(self._sifted, con, some))
                if len(under_way) > self.settings.threads:
                    yield from under_way.popleft().result()
            while under_way:
                yield from under_way.popleft().result()

    # --- reading ----------------------------------------------------------------------------------

    def _read_all(
        self, due: Iterable[Due], con: duckdb.DuckDBPyConnection
    ) -> Iterator[tuple[Part, Piece | None]]:
        for number, one in enumerate(due):
            try:
                path = locate.local_copy(one.file, self.folder, number)
                yield from self._read(one, path, con)
            except FileFault as fault:
                yield Part(one.file, "", fault=fault), None
            except OSError as error:
                fault = FileFault(f"can't be read: {error.strerror or error}")
                yield Part(one.file, "", fault=fault), None
            finally:
                if one.file.store is not None:
                    (self.folder / f"object-{number}").unlink(missing_ok=True)

    def _read(
        self, due: Due, path: Path, con: duckdb.DuckDBPyConnection
    ) -> Iterator[tuple[Part, Piece | None]]:
        file = due.file
        before = path.stat()
        content_hash = _hash(path)
        owner = self._owners.get(content_hash)
        is_touched = owner == file.name and due.content_hash is not None and not due.is_forced
        if owner is not None and (owner != file.name or is_touched):
            yield Part(file, content_hash, same_as=owner), None
            return
        piece = None
        for piece in reading.pieces(path, file.name, self.stream.columns, self.rules, con):
            yield Part(file, content_hash, size=piece.size), piece
        after = path.stat()
        if (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
            raise StillWritten("is still being written")
        if piece and piece.last_is_cut and is_young(file):
            raise CutOff("is still being written")
        self._owners[content_hash] = file.name
        yield Part(file, content_hash, is_last=True), None

    # --- sifting ----------------------------------------------------------------------------------

    def _sifted(
        self, con: duckdb.DuckDBPyConnection, some: list[tuple[Part, Piece | None]]
    ) -> list[Part]:
        for rules in (self.rules, self.rules.as_text()):
            chosen = [
                (part, piece)
                for part, piece in some
                if piece and (reading.format_of(part.file.name) == "csv") is rules.from_text
            ]
            if chosen:
                self._check(con, chosen, rules)
        return [part for part, _ in some]

    def _check(
        self, con: duckdb.DuckDBPyConnection, some: list[tuple[Part, Piece]], rules: Rules
    ) -> None:
        proved = [piece.proved for _, piece in some]
        checked = check(
            lambda: duck.beside(con),
            Lines.together([piece.lines for _, piece in some]),
            rules,
            None if any(mask is None for mask in proved) else np.concatenate(proved),
        )
        ends = np.cumsum([len(piece.lines) for _, piece in some])
        marks = np.ones(int(ends[-1]), bool)
        for index in (*checked.bad, *checked.blank):
            marks[index] = False
        found: dict[int, list[tuple[int, str]]] = {}
        for index, reason in checked.bad.items():
            at = int(np.searchsorted(ends, index, side="right"))
            found.setdefault(at, []).append(
                (index - int(ends[at]) + len(some[at][1].lines), reason)
            )
        start = 0
        for at, (part, piece) in enumerate(some):
            self._sift(part, piece, marks[start : int(ends[at])], found.get(at, []))
            start = int(ends[at])

    def _sift(self, part: Part, piece: Piece, mask: np.ndarray, bad: list[tuple[int, str]]) -> None:
        """Split a piece into what lands and what is set aside."""
        name, stream = part.file.name, self.stream.name
        for number, reason, raw in piece.bad:
            part.bad.append(BadRow(stream, name, number, reason, raw))
        last = len(piece.lines) - 1
        for index, reason in bad:
            is_cut = piece.last_is_cut and index == last
            words = f"the last line is cut off: {reason}" if is_cut else reason
            raw = piece.lines[index]
            part.bad.append(BadRow(stream, name, int(piece.numbers[index]), words, raw))
        part.lines, part.numbers = piece.lines, piece.numbers
        if not mask.all():
            part.lines = piece.lines.take(mask)
            part.numbers = piece.numbers[mask]


def _together(
    coming: Iterable[tuple[Part, Piece | None]],
) -> Iterator[list[tuple[Part, Piece | None]]]:
    """What comes, so much at a time as is checked together."""
    waiting: list[tuple[Part, Piece | None]] = []
    for part, piece in coming:
        waiting.append((part, piece))
        if sum(held.size for held, _ in waiting) >= CHECK_BYTES:
            yield waiting
            waiting = []
    if waiting:
        yield waiting


def is_young(file: Found) -> bool:
    """Whether a file was touched so recently that somebody may still write it."""
    return file.age is not None and 0 <= file.age < YOUNG_SECONDS


def _hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
