"""Housekeeping of the data folder: leftovers of crashes, logs and single check results that nobody reads any more.

Writes: removes files under `<home>/spool`, `<home>/published/.tmp-*` and `<home>/logs`, and old rows of
`ops.check_results`; nothing else.
"""

from __future__ import annotations

import shutil
import time
from datetime import timedelta
from pathlib import Path

from warehouse import clock, ledger
from warehouse.locks import hold
from warehouse.settings import Settings

KEEP_LOGS_SECONDS = 30 * 86_400
# scores and issues say what older checks found
KEEP_RESULTS = timedelta(days=90)
# a spool older than this belongs to no running sync
KEEP_SPOOL_SECONDS = 2 * 86_400


def tidy(settings: Settings) -> dict[str, int]:
    """Remove what crashes left behind and what is old.

    Returns:
        How many files (and check results) of each kind were removed.
    """
    from quality import scoring

    removed = {"spool": 0, "candidates": 0, "logs": 0}
    now = time.time()
    for path in _files(settings.spool_dir):
        if now - path.stat().st_mtime > KEEP_SPOOL_SECONDS:
            path.unlink()
            removed["spool"] += 1
    with hold(settings.published_dir, what="maintenance", timeout=settings.lock_timeout):
        for candidate in settings.published_dir.glob(".tmp-*"):
            shutil.rmtree(candidate)
            removed["candidates"] += 1
    for path in _files(settings.logs_dir):
        if now - path.stat().st_mtime > KEEP_LOGS_SECONDS:
            path.unlink()
            removed["logs"] += 1
    if settings.ops_db.exists():
        scoring.keep(settings)
        removed["check_results"] = ledger.forget_results(
            settings, before=clock.now(settings) - KEEP_RESULTS
        )
    return removed


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()] if folder.exists() else []
