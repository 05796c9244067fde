"""Take the records of a commit out of their envelopes and check them: what lands, and what is set aside, of each slice.

Reads and writes: nothing. Run: imported by `ingestion.destination.airbyte`.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime

import duckdb
import numpy as np
import pyarrow as pa

from ingestion.destination import checking, envelopes
from ingestion.destination.landing import BadRow, naive
from ingestion.destination.lines import Lines, repaired
from ingestion.destination.typecheck import WRONG_MODE, Rules, judge
from warehouse import duck

UNKNOWN = "?"  # the stream of a line that names none
ROWS = pa.schema(
    {"line": pa.string_view(), "position": pa.int64(), "emitted_at": pa.timestamp("us")}
)


@dataclass
class Part:
    """One stream's rows of a piece: those that land, and those set aside."""

    stream: str
    lines: Lines = field(default_factory=lambda: Lines.of([]))
    positions: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    emitted: np.ndarray = field(default_factory=lambda: np.zeros(0, "datetime64[us]"))
    bad: list[BadRow] = field(default_factory=list)

    def rows(self) -> pa.RecordBatch:
        """What lands."""
        columns = [self.lines.arrow(), pa.array(self.positions), pa.array(self.emitted)]
        return pa.record_batch(columns, schema=ROWS)


@dataclass
class Tally:
    """What was seen: records by (slice, stream), the bad ones by slice; wrong-mode rows are a rule, not damage."""

    records: Counter[tuple[int, str]] = field(default_factory=Counter)
    bad: Counter[int] = field(default_factory=Counter)
    first_bad: dict[int, BadRow] = field(default_factory=dict)
    unasked: Counter[str] = field(default_factory=Counter)  # of streams the catalog doesn't name
    wrong_mode: int = 0
    lines: int = 0

    def add(self, other: Tally) -> None:
        """Take in what was seen of the next piece."""
        self.records += other.records
        self.bad += other.bad
        self.first_bad = other.first_bad | self.first_bad
        self.unasked += other.unasked
        self.wrong_mode += other.wrong_mode
        self.lines += other.lines

    def count_bad(self, number: int, row: BadRow) -> None:
        """Count a bad row of a slice."""
        self.bad[number] += 1
        self.first_bad.setdefault(number, row)


class Sifter:
    """Sifts the slices of one commit, piece by piece; `tally` is whole once all pieces are."""

    def __init__(
        self,
        rules: dict[str, Rules],
        tables: dict[str, str],
        slices: Iterable[int],
        *,
        now: datetime,
        position: int,
        only: set[str] | None,
    ) -> None:
        """Keep what is known before.

        Args:
            rules: By table, what its records must be.
            tables: The table of each stream, by what the connector calls it.
            slices: How many lines each slice has.
            now: When a record was emitted that does not say so.
            position: Lines of the sync before these.
            only: Tables of which anything is wanted; None for all.
        """
        self.rules = rules
        self.tables = tables
        self.now = now
        self.only = only
        self.tally = Tally()
        self._ends = np.cumsum(list(slices))
        self._before = position

    def parts(
        self, con: duckdb.DuckDBPyConnection, pieces: Iterable[bytes], *, threads: int
    ) -> Iterator[Part]:
        """All parts of all pieces, in order.

        Args:
            con: Where DuckDB checks; each piece gets a cursor of its own.
            pieces: Bytes that end with a line.
            threads: How many pieces are sifted at a time.
        """
        under_way: deque[Future[tuple[list[Part], Tally]]] = deque()
        first = 0
        with ThreadPoolExecutor(threads) as pool:
            for piece in pieces:
                under_way.append(pool.submit(self._sift, duck.beside(con), piece, first))
                first += piece.count(b"\n")
                if len(under_way) > threads:
                    yield from self._sifted(under_way.popleft())
            while under_way:
                yield from self._sifted(under_way.popleft())

    def _sifted(self, done: Future[tuple[list[Part], Tally]]) -> list[Part]:
        parts, tally = done.result()
        self.tally.add(tally)
        return parts

    def _sift(
        self, con: duckdb.DuckDBPyConnection, piece: bytes, first: int
    ) -> tuple[list[Part], Tally]:
        """Sift a piece before which so many lines stand."""
        lines, broken = repaired(Lines.split(piece))
        which = np.searchsorted(self._ends, np.arange(first, first + len(lines)), side="right")
        positions = np.arange(len(lines)) + (self._before + first + 1)
        parts, tally = [], Tally(lines=len(lines))
        found = envelopes.opened(lines, naive(self.now))
        aside = found.aside | {index: ("not UTF-8", text) for index, text in broken.items()}
        for name, records in found.records.items():
            stream = self.tables.get(name, name)
            if self.only is not None and stream not in self.only and name in self.tables:
                continue
            at = records.index
            if name in self.tables:
                checked = self._check(con, stream, name, records, lines, aside)
                parts.append(_part(stream, records, checked, which[at], positions[at], tally))
                at = np.delete(at, [n for n in checked.blank if int(at[n]) in aside])
            else:  # not asked for; the selection, not the connector, decides
                tally.unasked[name] += len(at)
            for number, count in zip(*np.unique(which[at], return_counts=True), strict=True):
                tally.records[int(number), stream] += int(count)
        if aside and (self.only is None or self.only >= set(self.rules)):
            parts.append(_unknown(aside, which, positions, tally))
        return parts, tally

    def _check(
        self,
        con: duckdb.DuckDBPyConnection,
        stream: str,
        name: str,
        records: envelopes.Records,
        lines: Lines,
        aside: dict[int, tuple[str, str]],
    ) -> checking.Checked:
        """Check a stream's records; what was cut wrongly is corrected, what is no record goes aside."""
        rules = self.rules[stream]
        checked = checking.check(con, records.lines, rules)
        other, none = envelopes.last_word(name, records, list(checked.bad), lines)
        for at, why in none.items():
            aside[int(records.index[at])] = why
            del checked.bad[at]
            checked.blank.add(at)
        if other:
            texts = list(records.lines)
            for at, text in other.items():
                texts[at] = text
                reason = judge(rules, text)
                checked.bad.pop(at)
                checked.bad |= {at: reason} if reason else {}
            records.lines = Lines.of(texts)
        return checked


def _part(
    stream: str,
    records: envelopes.Records,
    checked: checking.Checked,
    which: np.ndarray,
    positions: np.ndarray,
    tally: Tally,
) -> Part:
    """Split a stream's records into what lands and what is set aside."""
    bad = []
    for index, reason in sorted(checked.bad.items()):
        row = BadRow(stream, None, int(positions[index]), reason, records.lines[index])
        bad.append(row)
        if reason.startswith(WRONG_MODE.partition("{")[0]):
            tally.wrong_mode += 1
        else:
            tally.count_bad(int(which[index]), row)
    mask = checked.keep(len(records.lines))
    if mask is None:
        return Part(stream, records.lines, positions, records.emitted, bad)
    return Part(stream, records.lines.take(mask), positions[mask], records.emitted[mask], bad)


def _unknown(
    aside: dict[int, tuple[str, str]], which: np.ndarray, positions: np.ndarray, tally: Tally
) -> Part:
    """Lines that are no records."""
    part = Part(UNKNOWN)
    for index, (reason, raw) in sorted(aside.items()):
        row = BadRow(UNKNOWN, None, int(positions[index]), reason, raw)
        part.bad.append(row)
        tally.count_bad(int(which[index]), row)
    return part
