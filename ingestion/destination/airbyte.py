"""Land the messages of a connector: rows and cursor of a slice (what stands between two states) in one commit.

A slice that has too many bad rows, or another number of records than the source says, is not
committed, and nothing after it; the cursor stays before it. Small slices share a commit. A full
refresh goes into a new generation; the old one is served until the stream is COMPLETE.

Reads: what it was fed. Writes: `landing/<source>.duckdb`, and `spool/` where more waits than memory should hold.
Run: imported by the runner.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

import pyarrow as pa

from ingestion.ahead import Belt, ahead
from ingestion.destination import messages
from ingestion.destination.landing import BadRow, Landing
from ingestion.destination.messages import GLOBAL, LEGACY
from ingestion.destination.sifting import ROWS, Part, Sifter, Tally
from ingestion.destination.typecheck import Rules
from warehouse.errors import IncompleteLoad, QuarantineExceeded, WarehouseError
from warehouse.settings import Settings

# small slices wait until so much has come together: row groups of DuckDB (122,880 rows) that are full are written
# compressed at once, others are compressed again with the next commit …
COMMIT_BYTES = 192 << 20
COMMIT_SECONDS = 15.0  # … or so much time has gone by
PIECE_BYTES = 8 << 20  # are sifted at once
SPOOL_BYTES = COMMIT_BYTES + (64 << 20)  # wait in memory; more of one slice waits in a file

Open = Callable[[], AbstractContextManager[Landing]]


@dataclass(frozen=True)
class StreamPlan:
    """How one stream is landed.

    Attributes:
        name: Its table, and what everything in the landing file calls it.
        rules: What its records must be.
        renew: Full refresh: rows go into a new generation, which replaces the old one when it is
            COMPLETE.
        window_field: The field by which a window read has every record, so that absence means deletion.
    """

    name: str
    rules: Rules
    renew: bool = False
    window_field: str | None = None


@dataclass
class Slice:
    """Records between two states, as a range of the spool."""

    start: int
    end: int = 0
    lines: int = 0
    states: list[tuple[str, Any, int | None]] = field(default_factory=list)
    complete: set[str] = field(default_factory=set)  # streams that said COMPLETE before its end


class _NotAllGood(Exception):
    """So many slices of a commit are good, and why the next one is not."""

    def __init__(self, good: int, fault: WarehouseError) -> None:
        self.good = good
        self.fault = fault


class Destination:
    """Lands one sync of a connector. Feed it the output with `take`, then say with `finish` how it ended."""

    def __init__(
        self,
        plans: dict[str, StreamPlan],
        settings: Settings,
        opener: Open,
        folder: Path,
        *,
        now: datetime,
        sync_id: int,
        window: tuple[date, date] | None = None,
        broken_off: dict[str, tuple[str, Any]] | None = None,
    ) -> None:
        self.tables = {stream: plan.name for stream, plan in plans.items()}
        self.plans = {plan.name: plan for plan in plans.values()}
        self.settings = settings
        self.open = opener
        self.now = now
        self.sync_id = sync_id
        self.window = window
        self.broken_off = broken_off or {}
        self.rows = self.quarantined = self.loads = self.received = 0
        self.rows_by_stream: Counter[str] = Counter()
        self.wrong_mode = 0
        # by stream: how many records of the window are there no more (see `Landing.replace_window`)
        self.gone: dict[str, int | None] = {}
        self.unasked: Counter[str] = Counter()  # records of streams that the catalog does not name
        self._spool = SpooledTemporaryFile(SPOOL_BYTES, dir=folder)  # noqa: SIM115 - `close` closes it
        self._size = 0
        self._slices: list[Slice] = []
        self._current = Slice(0)
        self._since: Counter[str] = Counter()  # records by stream since that stream's last state
        self._is_anew = all(plan.renew for plan in plans.values())
        self._finished: set[str] = set()  # streams that are committed as complete
        self._generations: dict[str, int] = {}
        self._begun: dict[str, int] = {}  # generations of the commit under way
        self._last_states: dict[str, Any] = {}
        self._first_load: int | None = None
        self._position = 0
        self._last_commit = time.monotonic()
        self._started = datetime.now(UTC)

    def close(self) -> None:
        """Let go of the spool."""
        self._spool.close()

    def records(self, run: bytes) -> None:
        """Spool a run of record lines."""
        self._spool.write(run)
        self._size += len(run)
        count = run.count(b"\n")
        self._current.lines += count
        self.received += count

    def state(self, message: dict[str, Any]) -> None:
        """A STATE: the slice ends here; it is committed at once or with the next ones."""
        self._current.end = self._size
        stream, state, count = messages.state_of(message)
        stream = self.tables.get(stream, stream)
        self._last_states[stream] = state
        self._current.states.append((stream, state, count))
        self._slices.append(self._current)
        self._current = Slice(self._size)
        waited = time.monotonic() - self._last_commit
        if self._size - self._slices[0].start >= COMMIT_BYTES or waited >= COMMIT_SECONDS:
            self.commit()

    def completed(self, stream: str) -> None:
        """A stream said COMPLETE: it is so from the commit of its last records on, whatever comes after.

        A stream without records is judged at the end (`finish`).
        """
        if self._current.lines:
            self._current.complete.add(stream)
        elif self._slices:
            self._slices[-1].complete.add(stream)
        elif self.rows_by_stream[stream]:  # all that it sent is committed
            with self.open() as landing, landing.transaction() as load_id:
                self._complete(landing, {stream}, load_id)
            self._finished.add(stream)

    def commit(self) -> None:
        """Commit the finished slices.

        Raises:
            QuarantineExceeded: A slice has too many bad rows; the slices before it were committed.
            IncompleteLoad: A slice has another number of records than the source says; likewise.
        """
        slices, self._slices = self._slices, []
        if slices:
            self._land(slices, set())
        self._reclaim()

    def finish(self, complete: set[str]) -> set[str]:
        """Commit what is left of the streams that are complete, and serve their new generations.

        Args:
            complete: Streams that ended with COMPLETE; of others nothing after their last state is
                kept.

        Returns:
            Those of them that are not taken for complete: the last sync broke off in their middle, and this one, which
            went on from the state they had there, added not a word to it.
        """
        self.commit()
        last, self._current = self._current, Slice(self._size)
        last.end = self._size
        self._land([last], complete, is_last=True)
        return complete - self._finished

    def count(self, stream: str) -> int:
        """Committed records of a stream, and one more if uncommitted ones may be its."""
        return self.rows_by_stream[stream] + bool(self._current.lines)

    def _is_stuck(self, stream: str) -> bool:
        """Whether a stream still has the state in which the last sync broke off."""
        if stream not in self.broken_off:
            return False
        key, state = self.broken_off[stream]  # its own, or that of all streams
        return self._last_states.get(key, state) == state

    def _reclaim(self) -> None:
        """Start the spool anew where nothing waits in it."""
        self._last_commit = time.monotonic()
        if not self._current.lines and self._size == self._current.start:
            self._spool.seek(0)
            self._spool.truncate()
            self._size = 0
            self._current = Slice(0)

    # --- one commit -------------------------------------------------------------------------------

    def _land(self, slices: list[Slice], complete: set[str], *, is_last: bool = False) -> None:
        """Commit some slices; those before the first one that is bad, if one is.

        Raises:
            WarehouseError: What is wrong with the first bad slice.
        """
        if is_last and not complete:
            return
        try:
            self._land_all(slices, complete, is_last=is_last)
        except _NotAllGood as found:
            if found.good:
                self._land_all(slices[: found.good], complete, is_last=is_last)
            raise found.fault from None

    def _land_all(self, slices: list[Slice], complete: set[str], *, is_last: bool) -> None:
        since = self._since.copy()
        self._begun = {}
        sifter = Sifter(
            {plan.name: plan.rules for plan in self.plans.values()},
            self.tables,
            [part.lines for part in slices],
            now=self.now,
            position=self._position,
            only=complete if is_last else None,
        )
        with self.open() as landing, landing.transaction() as load_id:
            landed, aside = self._insert(landing, load_id, sifter, slices)
            good, fault = self._verdict(slices, sifter.tally, since)
            if fault:
                raise _NotAllGood(good, fault)
            if self._is_anew:  # the common cursor was that of the old generations
                landing.forget_common_state()
            self._write_states(landing, slices, load_id)
            silent = {
                stream
                for stream in self.plans
                if not (self.rows_by_stream[stream] or landed[stream])
            }
            if is_last:
                complete = {s for s in complete if s not in silent or not self._is_stuck(s)}
            else:
                complete = {stream for part in slices for stream in part.complete} - silent
            self._complete(landing, complete, load_id)
            for stream in sorted(set(landed) | set(aside)):
                landing.record_load(
                    load_id,
                    stream,
                    started_at=self._started,
                    landed=landed[stream],
                    quarantined=aside[stream],
                    sync_id=self.sync_id,
                    window=self.window,
                )
        self._since = since
        self._is_anew = False
        self._finished |= complete
        self._generations |= self._begun
        self._first_load = self._first_load or load_id
        self._position += sifter.tally.lines
        self.unasked += sifter.tally.unasked
        self.wrong_mode += sifter.tally.wrong_mode
        self.loads += bool(landed or aside)
        self.rows += landed.total()
        self.quarantined += aside.total()
        self.rows_by_stream.update(landed)

    def _insert(
        self, landing: Landing, load_id: int, sifter: Sifter, slices: list[Slice]
    ) -> tuple[Counter[str], Counter[str]]:
        """Insert what the slices hold while it is sifted; returns the rows landed and set aside, by stream."""
        landed: Counter[str] = Counter()
        aside: Counter[str] = Counter()
        pieces = self._pieces(slices)
        threads = self.settings.threads
        with ahead(sifter.parts(landing.checker, pieces, threads=threads)) as belt:
            part = belt.take()
            while part:
                run = _Run(part, belt)
                if part.stream in self.plans:
                    generation = self._generation(landing, part.stream, load_id)
                    landed[part.stream] += landing.insert(
                        part.stream, ROWS, run.rows(), load_id, None, generation
                    )
                else:
                    deque(run.rows(), maxlen=0)
                landing.set_aside(load_id, run.bad)
                aside[part.stream] += len(run.bad)
                part = run.following
        return +landed, +aside

    def _pieces(self, slices: list[Slice]) -> Iterator[bytes]:
        """The slices' bytes in pieces that end with a line; one slice may have many, many slices have one."""
        at, end = slices[0].start, slices[-1].end
        self._spool.flush()
        rest = b""
        while at < end:
            data = self._read(at, min(PIECE_BYTES, end - at))
            at += len(data)
            data = rest + data
            cut = data.rfind(b"\n") + 1
            data, rest = data[:cut], data[cut:]
            if data:
                yield data

    def _read(self, at: int, count: int) -> bytes:
        self._spool.seek(at)
        data = self._spool.read(count)
        self._spool.seek(0, 2)
        return data

    def _verdict(
        self, slices: list[Slice], tally: Tally, since: Counter[str]
    ) -> tuple[int, WarehouseError | None]:
        """How many slices from the start are good, and what is wrong with the next one. Updates `since`."""
        by_slice: dict[int, Counter[str]] = {}
        for (part, stream), count in tally.records.items():
            by_slice.setdefault(part, Counter())[stream] = count
        for number, part in enumerate(slices):
            counts = by_slice.get(number, Counter())
            total, bad = max(part.lines, counts.total()), tally.bad[number]
            if bad > self.settings.quarantine_threshold * total:
                row = tally.first_bad[number]
                return number, QuarantineExceeded(
                    f"{bad:,} of {total:,} records between two states are bad, more than "
                    f"{self.settings.quarantine_threshold:.0%}; the first: {row.stream}, {row.reason}",
                    "nothing of them was landed, the cursor stays before them; "
                    "repair the source, or raise QUARANTINE_THRESHOLD",
                )
            after = since + counts
            for key, _, stated in part.states:
                seen = after.total() if key in (GLOBAL, LEGACY) else after[key]
                if stated is not None and stated != seen:
                    name = "the source" if key in (GLOBAL, LEGACY) else key
                    return number, IncompleteLoad(
                        f"{name} says it sent {stated:,} records since its last state, {seen:,} arrived",
                        "nothing of them was landed; sync again",
                    )
                if key in (GLOBAL, LEGACY):
                    after.clear()
                else:
                    after[key] = 0
            since.clear()
            since.update(after)
        return len(slices), None

    def _generation(self, landing: Landing, stream: str, load_id: int) -> int:
        """The generation this sync writes a stream's rows into."""
        known = self._generations.get(stream, self._begun.get(stream))
        if known is not None:
            return known
        if self.plans[stream].renew:
            generation = landing.begin_generation(stream, load_id, self.sync_id)
        else:  # an interrupted full refresh goes on where its cursor stands
            generation = landing.open_generation(stream) or landing.current_generation(stream)
        self._begun[stream] = generation
        return generation

    def _write_states(self, landing: Landing, slices: list[Slice], load_id: int) -> None:
        if self.window:
            return  # a backfill leaves the cursor where it is
        latest = {key: state for part in slices for key, state, _ in part.states}
        if latest:
            common = next((key for key in latest if key in (GLOBAL, LEGACY)), None)
            landing.keep_kind_of_state(common)
            if common:
                landing.mark_open(set(self.plans) - self._finished, load_id)
        for key, state in latest.items():
            if key not in self.plans and key not in (GLOBAL, LEGACY):
                continue
            if key in self.plans and self.plans[key].renew:
                self._generation(landing, key, load_id)  # the cursor belongs to the new generation
            landing.write_state(key, state, load_id)

    def _complete(self, landing: Landing, complete: set[str], load_id: int) -> None:
        if not complete:
            return
        for stream in sorted(complete & set(self.plans)):
            generation = self._generation(landing, stream, load_id)
            if generation > landing.current_generation(stream):
                landing.complete_generation(stream, generation, load_id, self.sync_id)
            field = self.plans[stream].window_field
            if self.window and field and stream not in self._finished:
                self.gone[stream] = landing.replace_window(
                    load_id, stream, field, self.window, since=self._first_load or load_id,
                    generation=generation, sync_id=self.sync_id,
                )  # fmt: skip
            if not self.window:
                landing.set_complete_through(stream, self.now)
        if not self.window:
            is_all = self._finished | complete >= set(self.plans)
            landing.mark_complete(complete | ({GLOBAL, LEGACY} if is_all else set()))


class _Run:
    """Parts of one stream that follow each other."""

    def __init__(self, first: Part, belt: Belt[Part]) -> None:
        self.bad: list[BadRow] = []
        self.following: Part | None = None  # the first one of another stream
        self._first = first
        self._belt = belt

    def rows(self) -> Iterator[pa.RecordBatch]:
        """Their rows; afterwards `bad` and `following` are known."""
        part: Part | None = self._first
        while part and part.stream == self._first.stream:
            self.bad += part.bad
            yield part.rows()
            part = self._belt.take()
        self.following = part
