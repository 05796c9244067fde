"""Now: `WAREHOUSE_AS_OF` if set, else the sandbox's clock, else the wall clock."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from warehouse.settings import Settings


def now(settings: Settings) -> datetime:
    """The instant that everything in one run calls now (aware, UTC).

    Reads: `sandbox/clock.json` in sandbox mode.
    """
    if settings.as_of is not None:
        return settings.as_of
    clock = settings.sandbox_dir / "clock.json"
    if settings.mode == "sandbox" and clock.exists():
        return datetime.fromisoformat(json.loads(clock.read_text())["now"]).astimezone(UTC)
    return datetime.now(UTC)
