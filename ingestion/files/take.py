"""Take files into the landing file: each once by content, changed ones again, unfinished ones later.

Files are read and sifted in threads of their own (`ingestion.files.sift`) while what came before
lands. Whole files are inserted one after another in a transaction that ends with their ledger rows; the
lock is held for that long only, and not while the next file keeps waiting. A large file is streamed in
a transaction of its own. A file that is damaged, or has too many bad rows, is left out by name, while
the others land; the sync then ends as failed, so that the gap is known.

Reads: the source's location. Writes: `landing/<source>.duckdb`. Run: imported by the runner.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import chain
from operator import attrgetter
from pathlib import Path

import numpy as np
import pyarrow as pa

from ingestion import spool
from ingestion.ahead import Belt, ahead
from ingestion.destination.landing import BadRow, Landing, naive
from ingestion.files import locate
from ingestion.files.locate import Found
from ingestion.files.reading import CutOff, FileFault, StillWritten
from ingestion.files.sift import Due, Part, Sifter, is_young
from ingestion.files.stream import FileStream
from warehouse.settings import Settings

log = logging.getLogger(__name__)

LARGE_BYTES = 48 << 20  # a file that has more text is large
COMMIT_BYTES = 256 << 20  # a commit takes so much text, …
COMMIT_SECONDS = 5.0  # … or what comes in so long a time, …
WAIT_SECONDS = 0.5  # … or what there is before the next file keeps waiting so long
AHEAD_BYTES = 32 << 20  # of text that is sifted while what came before lands
SETTLE_SECONDS = 2.0  # a file touched so recently is looked at twice
_ROWS = pa.schema(
    {
        "line": pa.string_view(),
        "position": pa.int64(),
        "file": pa.dictionary(pa.int32(), pa.string()),
    }
)

Open = Callable[[], AbstractContextManager[Landing]]


@dataclass
class Taken:
    """What came of one stream's files.

    Attributes:
        rows: Rows landed.
        quarantined: Rows set aside.
        loads: Commits made.
        faults: One sentence per file that was left out.
        too_many_bad: Those of them that were left out for their share of bad rows.
        waiting: Files that are still being written.
        warnings: What a person should know.
    """

    rows: int = 0
    quarantined: int = 0
    loads: int = 0
    faults: list[str] = field(default_factory=list)
    too_many_bad: int = 0
    waiting: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    gap_days: set[date | None] = field(default_factory=set)


@dataclass
class _Known:
    content_hash: str
    size: int
    modified: str
    same_as: str | None


@dataclass
class _Read:
    """A file that was read: all of it, or of a large one the beginning."""

    file: Found
    content_hash: str
    parts: list[Part]
    bad: list[BadRow] = field(default_factory=list)
    landed: int = 0
    size: int = 0
    is_large: bool = False

    @classmethod
    def of(cls, parts: list[Part]) -> _Read:
        """A file whose parts are all here."""
        bad = [row for part in parts for row in part.bad]
        landed = sum(len(part.lines) for part in parts)
        size = sum(part.size for part in parts)
        return cls(parts[0].file, parts[0].content_hash, parts, bad, landed, size)

    @classmethod
    def begun(cls, parts: list[Part]) -> _Read:
        """A large file, of which these parts are here."""
        return cls(parts[0].file, parts[0].content_hash, parts, is_large=True)


class FileTaker:
    """Takes the files of one stream. Use `run`."""

    def __init__(
        self,
        stream: FileStream,
        location: str,
        settings: Settings,
        opener: Open,
        *,
        now: datetime,
        sync_id: int,
        window: tuple[date, date] | None = None,
        is_again: bool = False,
        progress: Callable[[int], None] | None = None,
        token: str | None = None,
    ) -> None:
        self.stream = stream
        self.location = location
        self.token = token
        self.settings = settings
        self.open = opener
        self.now = now
        self.sync_id = sync_id
        self.window = window
        self.is_again = is_again
        self.progress = progress or (lambda _rows: None)
        self.rules = stream.rules(now)
        self.taken = Taken()
        self._owners: dict[str, str] = {}
        self._again = False
        self._left_out: set[str] = set()  # files that this run looks at no more
        self._started = datetime.now(UTC)
        self._begun: list[Part] = []  # parts of a file that is not here as a whole
        self._copies: list[tuple[Found, str, str | None]] = []

    def run(self) -> Taken:
        """Take what is new (or, with a window, the files of its days once more)."""
        with spool.folder("files", self.settings) as folder:
            self._pass(folder)
            while self._again:  # a changed file let go of what a file of another name still says
                self._again = False
                self._pass(folder)
        return self.taken

    def _pass(self, folder: Path) -> None:
        self._started = datetime.now(UTC)
        found = locate.files(self.location, self.stream.patterns, time.time(), self.token)
        known = self._ledger()
        self._owners = {
            about.content_hash: name for name, about in known.items() if not about.same_as
        }
        # a copy of what nobody holds any more is a file like any other
        known = {
            name: about
            for name, about in known.items()
            if not about.same_as or about.content_hash in self._owners
        }
        if not found:
            self.taken.warnings.append(f"{self.stream.name}: no files at {self.location}")
        for name in known.keys() - {file.name for file in found}:
            if self._is_in_window(locate.day_of(name)):
                self.taken.warnings.append(f"{_shown(name)} is no longer there; its rows stay")
        due = [
            Due(file, about.content_hash if about else None, self._is_forced(file))
            for file in self._settled(
                [file for file in found if self._is_due(file, known.get(file.name))]
            )
            for about in (known.get(file.name),)
        ]
        sifter = Sifter(self.stream, self.rules, self._owners, folder, self.settings)
        with ahead(sifter.parts(due), AHEAD_BYTES, attrgetter("size")) as belt:
            read = self._next(belt)
            while read:
                read = self._large(read, belt) if read.is_large else self._commit(read, belt)
        if self._copies:
            self._commit(None, belt)

    def _next(self, belt: Belt[Part], seconds: float | None = None) -> _Read | None:
        """The next file that lands, if it comes in so long a time."""
        while (part := belt.take(seconds)) is not None:
            parts = self._begun
            if part.fault:
                self._begun = []
                self._fault(part.file, part.fault)
            elif part.same_as:
                owner = part.same_as if part.same_as != part.file.name else None
                self._copies.append((part.file, part.content_hash, owner))
            else:
                parts.append(part)
                if part.is_last:
                    self._begun = []
                    read = _Read.of(parts)
                    if not self._refused(read):
                        self._owners[read.content_hash] = read.file.name
                        return read
                elif sum(held.size for held in parts) > LARGE_BYTES:
                    self._begun = []
                    return _Read.begun(parts)
        return None

    # --- which files ------------------------------------------------------------------------------

    def _ledger(self) -> dict[str, _Known]:
        with self.open() as landing:
            rows = landing.con.execute(
                "select name, content_hash, bytes, coalesce(modified, ''), same_as from landing.files where stream = ?",
                [self.stream.name],
            ).fetchall()
        return {name: _Known(*rest) for name, *rest in rows}

    def _is_forced(self, file: Found) -> bool:
        """Whether the file is to be read again though it has not changed."""
        if self.window and self.stream.is_daily:
            return self._is_in_window(file.day)
        return self.is_again

    def _is_in_window(self, day: date | None) -> bool:
        return (
            self.window is not None and day is not None and self.window[0] <= day <= self.window[1]
        )

    def _is_due(self, file: Found, about: _Known | None) -> bool:
        if file.name in self._left_out:
            return False
        is_new = about is None or (about.size, about.modified) != (file.size, file.modified)
        if self._is_forced(file):
            return is_new or not about.same_as
        return is_new and not (self.window and self.stream.is_daily)

    def _settled(self, due: list[Found]) -> Iterator[Found]:
        """The files that nobody writes to: those touched just now are looked at twice."""
        fresh = [file for file in due if file.store is None and file.age < SETTLE_SECONDS]
        if fresh:
            time.sleep(0.2)
        moving = {file.name for file in fresh if _has_moved(file)}
        for file in due:
            if file.name in moving:
                self._wait(file)
            else:
                yield file

    def _wait(self, file: Found) -> None:
        self._left_out.add(file.name)
        self.taken.waiting.append(file.name)
        self.taken.gap_days.add(file.day)
        self.taken.warnings.append(
            f"{file.name} is still being written; it is taken by a later sync"
        )

    def _fault(self, file: Found, fault: FileFault) -> None:
        if isinstance(fault, StillWritten) or (isinstance(fault, CutOff) and is_young(file)):
            self._wait(file)
            return
        self._left_out.add(file.name)
        self.taken.faults.append(f"{_shown(file.name)} {fault}")
        self.taken.gap_days.add(file.day)

    # --- landing ----------------------------------------------------------------------------------

    def _commit(self, first: _Read | None, belt: Belt[Part]) -> _Read | None:
        """Commit a file, those that come without delay, and the ledger's rows; returns the next file."""
        reads: list[_Read] = []
        following: list[_Read] = []  # what came, but belongs into another commit

        def rows() -> Iterator[pa.RecordBatch]:
            read, size, begun = first, 0, time.monotonic()
            while read:
                reads.append(read)
                yield from map(_rows, read.parts)
                read.parts = []
                size += read.size
                if size >= COMMIT_BYTES or time.monotonic() - begun >= COMMIT_SECONDS:
                    return
                read = self._next(belt, WAIT_SECONDS)
                if read and read.is_large:
                    following.append(read)
                    return

        with self.open() as landing, landing.transaction() as load_id:
            count = landing.insert(self.stream.name, _ROWS, rows(), load_id, self.now)
            copies, self._copies = self._copies, []
            bad = [row for read in reads for row in read.bad]
            self._replace(landing, load_id, {read.file.name: read.content_hash for read in reads})
            for file, content_hash, owner in copies:  # of which one may have rows of its own
                is_copy = owner and content_hash in self._owners
                if is_copy and file.name in self._owners.values():
                    self._replace(landing, load_id, {file.name: content_hash})
            landing.set_aside(load_id, bad)
            self._enter(landing, load_id, reads, copies)
            if reads:
                self._record(landing, load_id, count, len(bad))
        self._count(count, len(bad), is_load=bool(reads))
        return following[0] if following else self._next(belt)

    def _refused(self, read: _Read) -> bool:
        total = read.landed + len(read.bad)
        if not read.bad or len(read.bad) <= self.settings.quarantine_threshold * total:
            return False
        self._left_out.add(read.file.name)
        worst = read.bad[0]
        self.taken.faults.append(
            f"{_shown(read.file.name)}: {len(read.bad):,} of {total:,} rows are bad, more than "
            f"{self.settings.quarantine_threshold:.0%}; the first: line {worst.line}, {worst.reason}"
        )
        self.taken.too_many_bad += 1
        self.taken.gap_days.add(read.file.day)
        return True

    def _large(self, read: _Read, belt: Belt[Part]) -> _Read | None:
        """Stream a large file in a transaction of its own, for which the lock is held; returns the next file."""

        def rows() -> Iterator[pa.RecordBatch]:
            for part in chain(read.parts, belt):
                if part.fault:
                    raise part.fault
                read.landed += len(part.lines)
                read.bad += part.bad
                yield _rows(part)
                self.progress(self.taken.rows + read.landed)
                if part.is_last:
                    return

        try:
            with self.open() as landing, landing.transaction() as load_id:
                landing.insert(self.stream.name, _ROWS, rows(), load_id, self.now)
                if self._refused(read):
                    raise _Refused  # noqa: TRY301 - the transaction has to see it
                self._replace(landing, load_id, {read.file.name: read.content_hash})
                landing.set_aside(load_id, read.bad)
                self._enter(landing, load_id, [read], [])
                self._record(landing, load_id, read.landed, len(read.bad))
        except FileFault as fault:
            self._fault(read.file, fault)
        except _Refused:
            pass
        else:
            self._owners[read.content_hash] = read.file.name
            self._count(read.landed, len(read.bad), is_load=True)
        return self._next(belt)

    def _replace(self, landing: Landing, load_id: int, new: dict[str, str]) -> None:
        """Let go of what earlier versions of these files (content hash by name) landed."""
        stream = self.stream.name
        known = landing.con.execute(
            "select name, content_hash from landing.files "
            "where stream = ? and name in (select unnest(?::varchar[]))",
            [stream, list(new)],
        ).fetchall()
        for name, content_hash in known:
            landing.replace_file(load_id, stream, name, sync_id=self.sync_id)
            ((aside,),) = landing.con.execute(
                "delete from landing.quarantine where stream = ? and file = ?", [stream, name]
            ).fetchall()
            if aside:
                landing.count_removed(
                    load_id, stream, rows=0, quarantined=aside, sync_id=self.sync_id
                )
            if content_hash == new[name]:
                continue
            if self._owners.get(content_hash) == name:
                del self._owners[content_hash]
            landing.con.execute(
                "delete from landing.files where stream = ? and name = ?", [stream, name]
            )
            ((freed,),) = landing.con.execute(
                "delete from landing.files where stream = ? and same_as = ?", [stream, name]
            ).fetchall()
            self._again = self._again or freed > 0

    def _enter(
        self,
        landing: Landing,
        load_id: int,
        reads: list[_Read],
        copies: list[tuple[Found, str, str | None]],
    ) -> None:
        """Write the file ledger."""
        rows = [
            (read.file, read.content_hash, read.landed, len(read.bad), load_id, None)
            for read in reads
        ]
        for file, content_hash, owner in copies:
            if owner and content_hash in self._owners:
                rows.append((file, content_hash, 0, 0, load_id, owner))
            elif owner:  # it let go of this content, unless it was refused: then so is its copy
                self._again = self._again or owner not in self._left_out
            else:
                landing.con.execute(
                    "update landing.files set modified = ?, bytes = ? where stream = ? and name = ?",
                    [file.modified, file.size, self.stream.name, file.name],
                )
        if not rows:
            return
        names = [file.name for file, *_ in rows]
        landing.con.execute(
            "delete from landing.files where stream = ? and name in (select unnest(?))",
            [self.stream.name, names],
        )
        table = pa.table(
            {
                "stream": [self.stream.name] * len(rows),
                "name": names,
                "content_hash": [row[1] for row in rows],
                "bytes": [row[0].size for row in rows],
                "rows_landed": [row[2] for row in rows],
                "rows_quarantined": [row[3] for row in rows],
                "load_id": [row[4] for row in rows],
                "taken_at": pa.array([naive(self.now)] * len(rows), pa.timestamp("us")),
                "modified": [row[0].modified for row in rows],
                "same_as": pa.array([row[5] for row in rows], pa.string()),
                "day": pa.array([row[0].day for row in rows], pa.date32()),
            }
        )
        landing.con.register("landing_files", table)
        landing.con.execute("insert into landing.files select * from landing_files")
        landing.con.unregister("landing_files")

    def _record(self, landing: Landing, load_id: int, rows: int, bad: int) -> None:
        landing.record_load(
            load_id,
            self.stream.name,
            started_at=self._started,
            landed=rows,
            quarantined=bad,
            sync_id=self.sync_id,
            window=self.window,
        )

    def _count(self, rows: int, bad: int, *, is_load: bool) -> None:
        self.taken.rows += rows
        self.taken.quarantined += bad
        self.taken.loads += is_load
        self.progress(self.taken.rows)

    def complete_through(self, landing: Landing) -> datetime | None:
        """End of the last day before the first gap; the run's now for streams that are not daily."""
        days = {
            day
            for (day,) in landing.con.execute(
                "select distinct day from landing.files where stream = ?", [self.stream.name]
            ).fetchall()
        }
        gaps = self.taken.gap_days
        dated = sorted(day for day in days if day)
        if not self.stream.is_daily or not dated:
            return None if self.taken.faults or self.taken.waiting else self.now
        end = min((day for day in gaps if day), default=date.max)
        last = dated[0]
        if last >= end:
            return datetime(last.year, last.month, last.day, tzinfo=UTC)
        for day in dated[1:]:
            if day != last + timedelta(days=1) or day >= end:
                break
            last = day
        return min(
            datetime(last.year, last.month, last.day, tzinfo=UTC) + timedelta(days=1), self.now
        )


class _Refused(Exception):
    """A large file had too many bad rows: roll its transaction back."""


def _has_moved(file: Found) -> bool:
    try:
        about = Path(file.where).stat()
    except OSError:
        return True
    return file.size != about.st_size or file.modified != f"{about.st_mtime_ns}.{about.st_ino}"


def _rows(part: Part) -> pa.RecordBatch:
    names = pa.DictionaryArray.from_arrays(
        pa.array(np.zeros(len(part.lines), np.int32)), pa.array([part.file.name], pa.string())
    )
    return pa.record_batch([part.lines.arrow(), pa.array(part.numbers), names], schema=_ROWS)


def _shown(name: str) -> str:
    """A file name on one line."""
    return name.encode("unicode_escape").decode() if not name.isprintable() else name
