"""What a landing file says of its loads, for those who only read it: the build and the raw gate.

Reads: `landing/<source>.duckdb`, tables `landing.loads` and `landing.syncs`. The caller holds the file's lock.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime

from warehouse import duck
from warehouse.settings import Settings


@dataclass(frozen=True)
class Reach:
    """How far a landing file goes, and which file it is: one that was lost and synced anew counts from 1 again.

    Instants are ISO texts; None where there is none, or none was noted.

    Attributes:
        load_id: Highest load id, 0 before the first.
        committed_at: When that load was committed.
        began_at: When the first one was.
        synced_at: When the last sync ended, well or not: one that landed nothing may have made the source complete.
    """

    load_id: int
    committed_at: str | None = None
    began_at: str | None = None
    synced_at: str | None = None

    def is_beyond(self, seen: Reach) -> bool:
        """Whether it has loads that who had seen so much has not."""
        return (
            self.load_id > seen.load_id
            or _differ(self.began_at, seen.began_at)
            or (self.load_id == seen.load_id and _differ(self.committed_at, seen.committed_at))
        )


def _differ(one: str | None, other: str | None) -> bool:
    return None not in (one, other) and one != other


def as_text(reaches: Mapping[str, Reach]) -> str:
    """By source, as JSON."""
    return json.dumps({source: asdict(reach) for source, reach in reaches.items()}, sort_keys=True)


def from_text(text: str | None) -> dict[str, Reach]:
    """What `as_text` wrote; a bare number is a load id, as it was once noted."""
    found = json.loads(text or "{}")
    return {
        source: Reach(noted) if isinstance(noted, int) else Reach(**noted)
        for source, noted in found.items()
    }


def reach(source: str, settings: Settings) -> Reach:
    """How far a landing file goes."""
    con = duck.connect(settings.landing(source), read_only=True)
    try:
        load_id, committed_at, began_at, synced_at = con.execute(
            "select max(load_id), min(committed_at) filter (load_id = (select max(load_id) from landing.loads)), "
            "min(committed_at), (select max(ended_at) from landing.syncs) from landing.loads"
        ).fetchall()[0]
    finally:
        con.close()
    return Reach(load_id or 0, _iso(committed_at), _iso(began_at), _iso(synced_at))


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
