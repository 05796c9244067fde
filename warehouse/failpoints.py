"""Named points at which a test can kill this process, to show that nothing is lost or taken twice.

`WAREHOUSE_FAILPOINT=landing.rows_written` kills the process (SIGKILL: no clean-up, as when power
fails) the first time it gets there; `landing.rows_written:3` the third time. Unset, a point costs
one comparison. `warehouse doctor` refuses an installation that has one set.

Reads: `settings.failpoint`. Writes: nothing.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

from warehouse.errors import CallError
from warehouse.settings import Settings

# In the order of the road; what stands on the disk at that moment.
POINTS = {
    "landing.rows_written": "rows of a commit are written, not its cursor",
    "landing.cursor_written": "rows and cursor are written, nothing is committed",
    "landing.before_commit": "all of a commit is written, nothing is committed",
    "landing.after_commit": "rows and cursor are committed, the connector goes on",
    "backfill.window_replaced": "what a window's new reading replaces is removed, nothing is committed",
    "gate.checked": "a gate has looked at everything, its results are not on record",
    "build.begun": "a layer's locks are held, dbt has not started",
    "build.node_finished": "dbt is between two models (or tests), and dies with us",
    "build.dbt_ended": "dbt has built the layer, what it was built on is not noted",
    "build.noted": "what the layer was built on is noted, the build is not on record",
    "bring_gold.before_commit": "what a cluster built is written to the warehouse file, not committed",
    "build.recorded": "the build is on record",
    "train.model_stored": "a model's file is there, the registry does not know it",
    "score.history_kept": "scores are in the history, not in the warehouse",
    "score.before_commit": "scores are written to the warehouse, not committed",
    "publish.restricted_written": "the restricted edition is written beside the current version",
    "publish.analyst_written": "both editions are written",
    "publish.sealed": "the candidate is audited and on the disk",
    "publish.renamed": "the new version has its name, readers see the old one",
    "publish.switched": "readers see the new version, the ledger does not know it",
    "publish.recorded": "the new version is on record, old ones are not removed",
    "lake.day_written": "a day's file of the lake is replaced, the manifest tells of the old one",
    "lake.manifest_written": "the lake's manifest is new, files that it does not name are still there",
}

_seen: Counter[str] = Counter()


def hit(name: str, settings: Settings, *children: int) -> None:
    """Die here, if that is what the settings ask for.

    Args:
        name: The point's name, one of `POINTS`.
        settings: Whose `failpoint` is `name` or `name:n`.
        *children: Ids of processes that die just before us, as they would where power fails.

    Raises:
        CallError: The settings name a point that does not exist.
    """
    if not settings.failpoint:
        return
    wanted, _, nth = settings.failpoint.partition(":")
    if wanted not in POINTS or not (nth or "1").isdecimal():
        raise CallError(
            f"no failpoint '{settings.failpoint}'", f"name or name:n, of {', '.join(POINTS)}"
        )
    if wanted != name:
        return
    _seen[name] += 1
    if _seen[name] >= int(nth or 1):
        for child in (*children, os.getpid()):
            os.kill(child, signal.SIGKILL)


def points_of(stage: str) -> list[str]:
    """The points of one stage, such as `landing`, in their order."""
    return [name for name in POINTS if name.startswith(f"{stage}.")]
