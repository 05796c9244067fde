"""Named points at which a test can kill this process, to show that nothing is lost or taken twice.

`WAREHOUSE_FAILPOINT=landing.rows_written` kills the process (SIGKILL: no clean-up, as when power
fails) the first time it
gets there; `landing.rows_written:3` the third time. Unset, a point costs one comparison. Points
that exist: `POINTS`.

Reads: `settings.failpoint`. Writes: nothing.
"""

from __future__ import annotations

import os
import signal
from collections import Counter

from warehouse.settings import Settings

POINTS = (
    "landing.rows_written",
    "landing.cursor_written",
    "landing.before_commit",
    "landing.after_commit",
)

_seen: Counter[str] = Counter()


def hit(name: str, settings: Settings) -> None:
    """Die here, if that is what the settings ask for.

    Args:
        name: The point's name, one of `POINTS` or of another stage's.
        settings: Whose `failpoint` is `name` or `name:n`.
    """
    if not settings.failpoint:
        return
    wanted, _, nth = settings.failpoint.partition(":")
    if wanted != name:
        return
    _seen[name] += 1
    if _seen[name] >= int(nth or 1):
        os.kill(os.getpid(), signal.SIGKILL)
