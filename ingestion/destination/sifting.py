"""Take records out of their envelopes and check them: what lands, and what is set aside, of each slice.

Reads and writes: nothing. Run: imported by `ingestion.destination.waiting`.
"""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
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
from warehouse.settings import Settings

UNKNOWN = "?"  # the stream of a line that names none
ROWS = pa.schema(
    {
        "line": pa.string_view(),
        "position": pa.int64(),
        "emitted_at": pa.timestamp("us"),
        "slice": pa.int64(),
    }
)
NO_ROWS = pa.RecordBatch.from_pylist([], ROWS)


@dataclass
class Part:
    """One stream's rows of a piece: those that land (of `ROWS`), and those set aside, each with its slice."""

    stream: str
    rows: pa.RecordBatch
    bad: list[tuple[int, BadRow]] = field(default_factory=list)


@dataclass
class Seen:
    """What was seen of a slice, by stream; rows of the wrong mode are a rule, not damage."""

    records: Counter[str] = field(default_factory=Counter)
    bad: Counter[str] = field(default_factory=Counter)
    first_bad: dict[str, BadRow] = field(default_factory=dict)
    unasked: Counter[str] = field(default_factory=Counter)  # the catalog does not name their stream
    wrong_mode: Counter[str] = field(default_factory=Counter)

    def add(self, other: Seen) -> None:
        """Take in what was seen of the rest of the slice."""
        self.records += other.records
        self.bad += other.bad
        self.first_bad = other.first_bad | self.first_bad
        self.unasked += other.unasked
        self.wrong_mode += other.wrong_mode


Tally = defaultdict[int, Seen]  # by slice


class Sifter:
    """Sifts pieces of a sync, several at a time; it keeps nothing of them."""

    def __init__(
        self, rules: dict[str, Rules], tables: dict[str, str], settings: Settings, *, now: datetime
    ) -> None:
        """Keep what is known before.

        Args:
            rules: By table, what its records must be.
            tables: The table of each stream, by what the connector calls it.
            settings: Memory and threads of the DuckDB that looks at unusual lines.
            now: When a record was emitted that does not say so.
        """
        self.rules = rules
        self.tables = tables
        self.settings = settings
        self.now = naive(now)
        self._con: duckdb.DuckDBPyConnection | None = None
        self._opening = threading.Lock()

    def close(self) -> None:
        """Let go of DuckDB."""
        if self._con:
            self._con.close()

    def sift(self, lines: Lines, slices: np.ndarray, before: int) -> tuple[list[Part], Tally]:
        """Sift some messages.

        Args:
            lines: The messages, a line each.
            slices: In which slice each stands, ascending.
            before: Lines of the sync before these.
        """
        lines, broken = repaired(lines)
        positions = np.arange(before + 1, before + 1 + len(lines))
        parts, tally = [], Tally(Seen)
        found = envelopes.opened(lines, self.now)
        aside = found.aside | {index: ("not UTF-8", text) for index, text in broken.items()}
        for name, records in found.records.items():
            at = records.index
            if name not in self.tables:  # the selection, not the connector, decides
                for number, count in _by_slice(slices[at]):
                    tally[number].unasked[name] += count
                continue
            stream = self.tables[name]
            checked = self._check(stream, name, records, lines, aside)
            parts.append(_part(stream, records, checked, slices[at], positions[at], tally))
            at = np.delete(at, [n for n in checked.blank if int(at[n]) in aside])
            for number, count in _by_slice(slices[at]):
                tally[number].records[stream] += count
        if aside:
            parts.append(_unknown(aside, slices, positions, tally))
        return parts, tally

    def _connect(self) -> duckdb.DuckDBPyConnection:
        """A connection for a thread; DuckDB is not even started where all lines are of a usual shape."""
        with self._opening:
            if self._con is None:
                self._con = duck.connect(
                    ":memory:",
                    memory_limit=self.settings.memory_limit,
                    threads=self.settings.threads,
                )
            return duck.beside(self._con)

    def _check(
        self,
        stream: str,
        name: str,
        records: envelopes.Records,
        lines: Lines,
        aside: dict[int, tuple[str, str]],
    ) -> checking.Checked:
        """Check a stream's records; what was cut wrongly is corrected, what is no record goes aside."""
        rules = self.rules[stream]
        checked = checking.check(self._connect, records.lines, rules)
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


def _by_slice(slices: np.ndarray) -> list[tuple[int, int]]:
    """How many rows each slice has."""
    numbers, counts = np.unique(slices, return_counts=True)
    return list(zip(numbers.tolist(), counts.tolist(), strict=True))


def _part(
    stream: str,
    records: envelopes.Records,
    checked: checking.Checked,
    slices: np.ndarray,
    positions: np.ndarray,
    tally: Tally,
) -> Part:
    """Split a stream's records into what lands and what is set aside."""
    bad = []
    for index, reason in sorted(checked.bad.items()):
        row = BadRow(stream, None, int(positions[index]), reason, records.lines[index])
        number = int(slices[index])
        bad.append((number, row))
        if reason.startswith(WRONG_MODE.partition("{")[0]):
            tally[number].wrong_mode[stream] += 1
        else:
            tally[number].bad[stream] += 1
            tally[number].first_bad.setdefault(stream, row)
    mask = checked.keep(len(records.lines))
    lines, emitted = records.lines, records.emitted
    if mask is not None:
        lines, emitted = lines.take(mask), emitted[mask]
        positions, slices = positions[mask], slices[mask]
    columns = [lines.arrow(), pa.array(positions), pa.array(emitted), pa.array(slices)]
    return Part(stream, pa.record_batch(columns, schema=ROWS), bad)


def _unknown(
    aside: dict[int, tuple[str, str]], slices: np.ndarray, positions: np.ndarray, tally: Tally
) -> Part:
    """Lines that are no records."""
    part = Part(UNKNOWN, NO_ROWS)
    for index, (reason, raw) in sorted(aside.items()):
        row = BadRow(UNKNOWN, None, int(positions[index]), reason, raw)
        number = int(slices[index])
        part.bad.append((number, row))
        tally[number].bad[UNKNOWN] += 1
        tally[number].first_bad.setdefault(UNKNOWN, row)
    return part
