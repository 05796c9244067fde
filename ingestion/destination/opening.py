"""Open a landing file: its lock is held for as long as it is open.

Reads and writes: `landing/<source>.duckdb`. Run: imported by the runner; `ensure` by every stage that attaches the
files.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from ingestion.destination.landing import Landing
from ingestion.destination.typecheck import identifier
from warehouse import duck, locks
from warehouse.errors import WarehouseError
from warehouse.settings import Settings
from warehouse.sources import SOURCES

log = logging.getLogger(__name__)


def ensure(source: str, settings: Settings) -> Path:
    """Make the landing file of a source, and the tables that it has not yet, so that it can always be attached.

    Args:
        source: Name in `SOURCES`, or of a connector landed with `--exec`.
        settings: Where the data folder is.

    Returns:
        The landing file.
    """
    with opened(source, settings):
        return settings.landing(source)


@contextmanager
def opened(
    source: str,
    settings: Settings,
    *,
    streams: Iterable[str] = (),
    is_made: bool = False,
    say: Callable[[str], None] = log.warning,
) -> Iterator[Landing]:
    """Hold the landing file's lock and open it; its tables exist.

    Args:
        source: Whose file.
        settings: Where it is.
        streams: Further streams that need a table.
        is_made: The tables were there a moment ago, so that nobody need look.
        say: Told when somebody else has the file.
    """
    path = settings.landing(identifier(source))
    known = SOURCES[source].streams if source in SOURCES else ()
    with locks.hold(path, what=f"sync of {source}", timeout=settings.lock_timeout, say=say):
        con = duck.connect(path, memory_limit=settings.memory_limit, threads=settings.threads)
        # rows say where they stood (_file, _position): threads write row groups side by side, each its own
        con.execute("set preserve_insertion_order = false")
        try:
            landing = Landing(con, source, settings)
            if not is_made:
                landing.create((*known, *streams))
            yield landing
            # what closing would do, but it would merge row groups whatever `max_vacuum_tasks` says; what was
            # committed stands without it
            with suppress(duckdb.Error):
                con.execute("checkpoint")
        except duckdb.Error as error:  # a full disk, no memory: what a person can act on
            raise WarehouseError(
                f"{path.name}: {str(error).splitlines()[0][:300]}",
                "nothing of this commit was kept; make room (on the disk, or by WAREHOUSE_MEMORY_LIMIT) "
                "or repair the file, then sync again",
            ) from error
        finally:
            con.close()


class Opener:
    """Opens the landing file of a sync as often as it commits; the tables are looked for once."""

    def __init__(self, source: str, settings: Settings) -> None:
        self.source = source
        self.settings = settings
        self._landing: Landing | None = None
        self._is_made = False

    @contextmanager
    def __call__(self) -> Iterator[Landing]:
        """The open file; within `kept_open`, the one that is open."""
        if self._landing:
            yield self._landing
            return
        with opened(self.source, self.settings, is_made=self._is_made) as landing:
            self._is_made = True
            yield landing

    @contextmanager
    def kept_open(self) -> Iterator[None]:
        """One opening for all that comes in the block."""
        with self() as landing:
            self._landing = landing
            try:
                yield
            finally:
                self._landing = None
