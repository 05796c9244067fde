"""What a stream of files is: which files, which columns, which rules. Sources of style `files` list theirs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from ingestion.destination.typecheck import Rules


@dataclass(frozen=True)
class FileStream:
    """A stream whose rows come as files.

    Attributes:
        name: The stream, a table of the landing file.
        patterns: Base names of its files.
        columns: Columns that every CSV or Parquet file has.
        rules: Rules of a row, given the run's now.
        is_daily: One or more files a day with the day in their name: completeness is counted in
            days.
    """

    name: str
    patterns: tuple[str, ...]
    columns: tuple[str, ...]
    rules: Callable[[datetime], Rules]
    is_daily: bool = False
