"""What a report says, apart from how it looks: HTML, PDF and message are made of the same content.

All values are texts already; nothing is computed from here on. A section that tells of the moment of issue (how far
data are complete) is `of_the_moment`: it is shown, and no part of what makes two issues of a period differ.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

SHOWN_CHANGES = 12


@dataclass(frozen=True)
class Card:
    """A number large enough to be read first.

    Attributes:
        label: What it is.
        value: As text.
        change: Against the period before, with its sign; empty where there is none.
        tone: good, bad or neutral: what the change means.
    """

    label: str
    value: str
    change: str = ""
    tone: str = "neutral"


@dataclass(frozen=True)
class Cards:
    """A row of cards."""

    cards: Sequence[Card]
    kind: str = "cards"


@dataclass(frozen=True)
class Table:
    """A table; the first column names its rows.

    Attributes:
        title: Above it; may be empty.
        columns: Headings.
        numeric: For each column, whether it stands on the right.
        rows: Cells.
        note: Below it.
        tones: For each row, what its change means (empty: none is coloured); it colours the column `toned`.
        toned: Index of that column.
        widths: Relative widths of columns that hold text of several words; empty: all as they come.
    """

    title: str
    columns: Sequence[str]
    numeric: Sequence[bool]
    rows: Sequence[Sequence[str]]
    note: str = ""
    tones: Sequence[str] = ()
    toned: int = -1
    widths: Sequence[float] = ()
    kind: str = "table"


@dataclass(frozen=True)
class Figure:
    """A chart.

    Attributes:
        title: Above it.
        svg: The picture.
        data: What it shows, as rows of texts: by this two issues are compared.
        is_half: Whether two stand side by side.
        note: Below it.
    """

    title: str
    svg: str
    data: Sequence[Sequence[str]]
    is_half: bool = False
    note: str = ""
    kind: str = "figure"


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: str = "text"


@dataclass(frozen=True)
class Terms:
    """What words mean: pairs of a term and its definition."""

    terms: Sequence[tuple[str, str]]
    kind: str = "terms"


@dataclass(frozen=True)
class Section:
    """A part with a heading.

    Attributes:
        title: The heading.
        blocks: What stands below it.
        of_the_moment: It tells of the moment of issue, not of the period.
    """

    title: str
    blocks: Sequence[Cards | Table | Figure | Text | Terms]
    of_the_moment: bool = False


@dataclass(frozen=True)
class Report:
    """A report of a period.

    Attributes:
        kind: weekly or monthly.
        period: Such as 2025-W26.
        title: Such as Weekly executive report.
        words: The period for people.
        about: Who may read it, the currency, the time zone.
        version: Published version that it quotes.
        sections: Its parts.
        revision: 1 for the first issue of the period.
        changes: What differs from the issue before, a line each.
    """

    kind: str
    period: str
    title: str
    words: str
    about: str
    version: str
    sections: Sequence[Section]
    revision: int = 1
    changes: Sequence[str] = field(default_factory=tuple)

    def content_hash(self) -> str:
        """What it says of its period, in one hash."""
        said = json.dumps(sorted(self.said().items()), ensure_ascii=False)
        return hashlib.sha256(said.encode()).hexdigest()

    def said(self) -> dict[str, str]:
        """Every value that it states about the period, by a name for people."""
        return dict(_values(self.sections))

    def as_json(self) -> dict[str, Any]:
        """For a file."""
        return asdict(self)


def _values(sections: Sequence[Section]) -> Iterator[tuple[str, str]]:
    for section in sections:
        if section.of_the_moment:
            continue
        for block in section.blocks:
            if isinstance(block, Cards):
                yield from ((f"{section.title}: {card.label}", card.value) for card in block.cards)
            elif isinstance(block, Table):
                yield from _cells(f"{section.title}: {block.title}".rstrip(": "), block)
            elif isinstance(block, Figure):
                data = json.dumps(block.data, ensure_ascii=False)
                yield f"{section.title}: figure '{block.title}'", data


def _cells(where: str, table: Table) -> Iterator[tuple[str, str]]:
    for row in table.rows:
        for column, cell in zip(table.columns[1:], row[1:], strict=True):
            yield f"{where}: {row[0]}, {column}", cell


def differences(before: dict[str, str], now: dict[str, str]) -> list[str]:
    """What two issues of a period say differently, a line each; the first dozen, then how many more."""
    lines = []
    for name in [*now, *(name for name in before if name not in now)]:
        old, new = before.get(name), now.get(name)
        if old == new:
            continue
        if "figure '" in name:
            lines.append(f"{name} shows other data")
        elif old is None:
            lines.append(f"{name}: {new} is new")
        elif new is None:
            lines.append(f"{name}: {old} is gone")
        else:
            lines.append(f"{name}: {old} is now {new}")
    more = len(lines) - SHOWN_CHANGES
    return [*lines[:SHOWN_CHANGES], f"and {more} more"] if more > 0 else lines
