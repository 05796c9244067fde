"""Land the messages of a connector: rows and cursor of a slice (what stands between two states) in one commit.

A slice that has too many bad rows, or another number of records than the source says, is not
committed, and nothing after it; the cursor stays before it. Small slices share a commit. A full
refresh goes into a new generation; the old one is served until the stream is COMPLETE.

Reads: what it was fed. Writes: `landing/<source>.duckdb`, and `spool/` where more waits than memory should hold.
Run: imported by the runner.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from ingestion.destination import messages
from ingestion.destination.landing import Landing
from ingestion.destination.lines import Lines
from ingestion.destination.messages import GLOBAL, LEGACY
from ingestion.destination.sifting import ROWS, UNKNOWN, Sifter, Tally
from ingestion.destination.typecheck import Rules
from ingestion.destination.waiting import Waiting
from warehouse.errors import IncompleteLoad, QuarantineExceeded, WarehouseError
from warehouse.settings import Settings

# small slices wait until so much has come together: row groups of DuckDB (122,880 rows) that are full are written
# compressed at once, others are compressed again with the next commit …
COMMIT_BYTES = 192 << 20
COMMIT_SECONDS = 15.0  # … or so much time has gone by

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
    """Records between two states."""

    number: int
    lines: int = 0
    states: list[tuple[str, Any, int | None]] = field(default_factory=list)
    complete: set[str] = field(default_factory=set)  # streams that said COMPLETE before its end


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
        is_anew: bool = False,
    ) -> None:
        """Start with nothing.

        Args:
            plans: How each stream is landed, by what the connector calls it.
            settings: Memory, threads and the threshold of bad rows.
            opener: Opens the landing file.
            folder: Where more waits than memory should hold.
            now: Up to when a stream is complete that says so.
            sync_id: Of this sync.
            window: Days that are read once more; the cursor stays where it is.
            broken_off: Key and state at which the last sync broke off, by stream.
            is_anew: All that goes by a cursor is read from the start.
        """
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
        sifter = Sifter(
            {plan.name: plan.rules for plan in plans.values()}, self.tables, settings, now=now
        )
        self._waiting = Waiting(sifter, folder, threads=settings.threads)
        self._slices: list[Slice] = []
        self._current = Slice(0)
        # records by stream since that stream's last state, and those of no known stream
        self._since: Counter[str] = Counter()
        self._is_anew = is_anew
        # a state of all streams is none of streams that have no cursor
        self._has_common = is_anew or not all(plan.renew for plan in plans.values())
        self._finished: set[str] = set()  # streams that are committed as complete
        self._generations: dict[str, int] = {}
        self._begun: dict[str, int] = {}  # generations of the commit under way
        self._last_states: dict[str, Any] = {}
        self._first_load: int | None = None
        self._last_commit = time.monotonic()
        self._started = datetime.now(UTC)

    def close(self) -> None:
        """Let go of what waits."""
        self._waiting.close()

    def records(self, run: Lines) -> None:
        """Take in a run of records."""
        self._waiting.add(run, self._current.number)
        self._current.lines += len(run)
        self.received += len(run)

    def state(self, message: dict[str, Any]) -> None:
        """A STATE: the slice ends here; it is committed at once or with the next ones."""
        stream, state, count = messages.state_of(message)
        stream = self.tables.get(stream, stream)
        self._last_states[stream] = state
        self._current.states.append((stream, state, count))
        self._slices.append(self._current)
        self._current = Slice(self._current.number + 1)
        waited = time.monotonic() - self._last_commit
        if self._waiting.size >= COMMIT_BYTES or waited >= COMMIT_SECONDS:
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
        self._last_commit = time.monotonic()

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
        last, self._current = self._current, Slice(self._current.number + 1)
        if complete:
            self._land([last], complete, is_last=True)
        return complete - self._finished

    def counts(self) -> Counter[str]:
        """Records by stream: those that are committed, and what came since the last state."""
        return self.rows_by_stream + self._waiting.tally()[self._current.number].records

    def _is_stuck(self, stream: str) -> bool:
        """Whether a stream still has the state in which the last sync broke off."""
        if stream not in self.broken_off:
            return False
        key, state = self.broken_off[stream]  # its own, or that of all streams
        return self._last_states.get(key, state) == state

    # --- one commit -------------------------------------------------------------------------------

    def _land(self, slices: list[Slice], complete: set[str], *, is_last: bool = False) -> None:
        """Commit some slices; those before the first one that is bad, if one is.

        Raises:
            WarehouseError: What is wrong with the first bad slice.
        """
        tally = self._waiting.tally()
        wanted = complete if is_last else set(self.plans)
        good, since, fault = self._verdict(slices, tally, wanted)
        if good:
            self._land_good(slices[:good], tally, complete, wanted, is_last=is_last)
            self._since = since
            self._waiting.drop(slices[good - 1].number + 1)
        if fault:
            raise fault

    def _land_good(
        self,
        slices: list[Slice],
        tally: Tally,
        complete: set[str],
        wanted: set[str],
        *,
        is_last: bool,
    ) -> None:
        self._begun = {}
        numbers = range(slices[0].number, slices[-1].number + 1)
        with self.open() as landing, landing.transaction() as load_id:
            sent = {stream: None for number in numbers for stream in tally[number].records}
            streams = [stream for stream in sent if stream in wanted]
            landed, aside = self._insert(landing, load_id, numbers, streams, wanted)
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
        self._is_anew = False
        self._finished |= complete
        self._generations |= self._begun
        self._first_load = self._first_load or load_id
        for number in numbers:
            self.unasked += tally[number].unasked
            self.wrong_mode += tally[number].wrong_mode.total()
        self.loads += bool(landed or aside)
        self.rows += landed.total()
        self.quarantined += aside.total()
        self.rows_by_stream.update(landed)

    def _insert(
        self,
        landing: Landing,
        load_id: int,
        slices: range,
        streams: list[str],
        wanted: set[str],
    ) -> tuple[Counter[str], Counter[str]]:
        """Insert what some slices hold of some streams; returns the rows landed and set aside, by stream."""
        landed: Counter[str] = Counter()
        for stream in streams:
            generation = self._generation(landing, stream, load_id)
            rows = self._waiting.rows(stream, slices)
            landed[stream] = landing.insert(stream, ROWS, rows, load_id, None, generation)
        named = self._named(wanted)
        bad = [row for row in self._waiting.bad(slices) if row.stream in named]
        landing.set_aside(load_id, bad)
        return +landed, Counter(row.stream for row in bad)

    def _verdict(
        self, slices: list[Slice], tally: Tally, wanted: set[str]
    ) -> tuple[int, Counter[str], WarehouseError | None]:
        """How many slices from the start are good, records by stream since its last state, the next one's fault."""
        since = self._since
        for good, part in enumerate(slices):
            seen = tally[part.number]
            bad = {s: count for s, count in seen.bad.items() if s in self._named(wanted)}
            total = max(part.lines, sum(seen.records[stream] for stream in wanted))
            if sum(bad.values()) > self.settings.quarantine_threshold * total:
                row = min((seen.first_bad[stream] for stream in bad), key=lambda row: row.line)
                fault: WarehouseError = QuarantineExceeded(
                    f"{sum(bad.values()):,} of {total:,} records between two states are bad, more than "
                    f"{self.settings.quarantine_threshold:.0%}; the first: {row.stream}, {row.reason}",
                    "nothing of them was landed, the cursor stays before them; "
                    "repair the source, or raise QUARANTINE_THRESHOLD",
                )
                return good, since, fault
            after = since + seen.records + seen.unasked
            after[UNKNOWN] += seen.bad[UNKNOWN]
            for key, state, stated in part.states:
                unknown = after.pop(UNKNOWN, 0)  # each may have been a record of any stream
                for streams in self._counted(key, state, after):
                    arrived = sum(after[stream] for stream in streams)
                    sent = arrived if stated is None else stated
                    if arrived <= sent <= arrived + unknown:
                        break
                else:
                    fault = IncompleteLoad(
                        f"{'the source' if key in (GLOBAL, LEGACY) else key} says it sent {sent:,} records "
                        f"since its last state, {arrived:,} arrived",
                        "nothing of them was landed; sync again",
                    )
                    return good, since, fault
                for stream in streams:
                    del after[stream]
                after[UNKNOWN] = unknown - (sent - arrived)
            since = after
        return len(slices), since, None

    def _counted(self, key: str, state: Any, since: Counter[str]) -> list[set[str]]:
        """Whose records the count of a state may mean, the likelier first.

        A GLOBAL one may be that of the streams it names, beside others that have states of their own.
        """
        if key not in (GLOBAL, LEGACY):
            return [{key}]
        named = {self.tables.get(name, name) for name in messages.streams_of_global(state)}
        return [named, set(since)] if named else [set(since)]

    def _named(self, wanted: set[str]) -> set[str]:
        """What bad rows are called that belong to some streams: what is no record may be of any stream."""
        return wanted | {UNKNOWN} if wanted >= set(self.plans) else wanted

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
        kept = {*self.plans, GLOBAL, LEGACY} if self._has_common else set(self.plans)
        latest = {key: state for part in slices for key, state, _ in part.states if key in kept}
        if latest:
            landing.make_way(latest)
            if GLOBAL in latest or LEGACY in latest:
                landing.mark_open(set(self.plans) - self._finished, load_id)
        for key, state in latest.items():
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
            is_all = self._has_common and self._finished | complete >= set(self.plans)
            landing.mark_complete(complete | ({GLOBAL, LEGACY} if is_all else set()))
