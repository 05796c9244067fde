"""What a kill may not leave behind: a row lost, a row twice, another gold. One comparison for every harness."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.road.gold import contents


@dataclass(frozen=True)
class Damage:
    """What differs from the source and from the gold of a run that nobody killed; empty, and so false, if nothing does.

    Attributes:
        lost: Table → what the source said and has not landed.
        doubled: Table → what has landed more often than the source said it.
        gold: Tables whose content is another.
    """

    lost: dict[str, list[Hashable]]
    doubled: dict[str, list[Hashable]]
    gold: list[str]

    def __bool__(self) -> bool:
        return bool(self.lost or self.doubled or self.gold)


def damage(
    said: Mapping[str, Iterable[Hashable]],
    landed: Mapping[str, Iterable[Hashable]],
    gold: tuple[Mapping[str, str], Mapping[str, str]] = ({}, {}),
) -> Damage:
    """Compare what landed with what the source said, and two golds with each other.

    Args:
        said: Table → the source's rows, or their keys, each as often as it is to land.
        landed: The same of a landing file.
        gold: Content hashes by table (`gold_hashes`): of a run that nobody killed, and of this one.
    """
    wanted = {table: Counter(rows) for table, rows in said.items()}
    found = {table: Counter(rows) for table, rows in landed.items()}
    tables = sorted(wanted.keys() | found.keys())
    expected, hashes = gold
    return Damage(
        lost=_more(tables, wanted, found),
        doubled=_more(tables, found, wanted),
        gold=sorted(name for name, _ in set(expected.items()) ^ set(hashes.items())),
    )


def _more(
    tables: list[str], left: Mapping[str, Counter], right: Mapping[str, Counter]
) -> dict[str, list[Hashable]]:
    """What stands more often on the left."""
    more = {
        table: list((left.get(table, Counter()) - right.get(table, Counter())).elements())
        for table in tables
    }
    return {table: rows for table, rows in more.items() if rows}


def gold_hashes(path: Path) -> dict[str, str]:
    """One hash per gold table of a DuckDB file: of its business columns, whatever the order of its rows."""
    return {
        table: hashlib.sha256(repr(rows).encode()).hexdigest()
        for table, rows in contents(path).items()
    }
