"""One sync in a process of its own, to be killed; see test_failpoints."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Any

from ingestion import runner
from ingestion.destination import airbyte
from warehouse.settings import Settings


def sync(what: dict[str, Any]) -> None:
    """Sync the fake connector or the usage files, killed at `what["failpoint"]`, with `what["bug"]` planted."""
    airbyte.COMMIT_BYTES = 1  # a commit at every state
    if what["bug"] == "cursor before rows":
        _commit_the_cursor_before_the_rows()
    if (
        what["bug"] == "cursor after commit"
    ):  # so late that a kill right after the commit comes before it
        airbyte.Destination._write_states = lambda *_: None
    settings = Settings.for_test(
        Path(what["home"]), as_of=datetime.fromisoformat(what["now"]), failpoint=what["failpoint"],
        usage_location=what["usage"],
    )  # fmt: skip
    if what["kind"] == "files":
        runner.sync("usage", settings)
    else:
        command, window = f"{sys.executable} {what['fake']}", what.get("window")
        runner.sync_exec(command, what["config"], "fake", settings, window=window)


def _commit_the_cursor_before_the_rows() -> None:
    land = airbyte.Destination._land_good

    def cursor_first(self, slices, *arguments, **options):
        with self.open() as landing, landing.transaction() as load_id:
            self._write_states(landing, slices, load_id)
        land(self, slices, *arguments, **options)

    airbyte.Destination._land_good = cursor_first
