"""What a landing file says of its loads, for those who only read it: the build and the raw gate.

Reads: `landing/<source>.duckdb`, table `landing.loads`. The caller holds the file's lock.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from warehouse import duck
from warehouse.settings import Settings


def first_load_at(source: str, settings: Settings) -> datetime | None:
    """When the first load was committed: who the file is; None before it."""
    return _of_loads("min(committed_at)", source, settings)


def last_load_id(source: str, settings: Settings) -> int:
    """Highest load id, 0 before the first."""
    return int(_of_loads("coalesce(max(load_id), 0)", source, settings))


def _of_loads(figure: str, source: str, settings: Settings) -> Any:
    con = duck.connect(settings.landing(source), read_only=True)
    try:
        return con.execute(f"select {figure} from landing.loads").fetchall()[0][0]
    finally:
        con.close()
