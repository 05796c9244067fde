"""Whether what a table is made of has come, and in time: every landed stream, and every gold table by its sources.

Warnings only: a late source is no reason not to publish (CONTRACT §7), but its tables score lower until it is back.

Reads: gold's `complete_through` and `completeness_ledger`. Writes: nothing.
Run: by `quality.gates`, with gate gold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from quality.expectations import CheckResult
from quality.suites.gold import Table
from quality.suites.promises import CUSTOMER_SOURCES, LATE, NEWEST_DAYS, PROMISES
from warehouse import duck
from warehouse.settings import Settings
from warehouse.sources import SOURCES

# Puts all sources side by side.
OF_ALL_SOURCES = frozenset({"kpi_daily"})
SHOWN = 3
IN_TIME = "what it is made of is complete up to two days ago"
NO_GAP = f"no day of the last {NEWEST_DAYS} is missing in what it is made of"


def results(
    settings: Settings,
    tables: Mapping[str, Table],
    now: datetime,
    sources_off: Sequence[str],
) -> list[CheckResult]:
    """Two results for each stream, and for each gold table that was promised from sources.

    Args:
        settings: Whose warehouse file.
        tables: Gold as it stands.
        now: `clock.now`, naive UTC.
        sources_off: Sources that are off in real mode: nothing is expected of them.
    """
    if not {"complete_through", "completeness_ledger"} <= set(tables):
        return []  # gate gold says so
    con = duck.connect(settings.warehouse_db, read_only=True)
    try:
        # movements wait for the grace of a plan migration by design
        streams = con.execute(
            f"select source, stream, complete_through, complete_through < timestamp '{now}' - {LATE} "
            "from gold.complete_through where stream <> 'mrr_movements' order by all"
        ).fetchall()
        gaps = con.execute(
            "select source, stream, date_day, state from gold.completeness_ledger "
            f"where is_gap and date_day >= date '{now.date()}' - {NEWEST_DAYS} order by all"
        ).fetchall()
    finally:
        con.close()
    late = {
        (source, stream): f"{source}.{stream} is complete only through {through:%Y-%m-%d %H:%M}"
        if through
        else f"{source}.{stream} has never been complete"
        for source, stream, through, is_late in streams
        if is_late or through is None
    }
    missing: dict[tuple[str, str], list[str]] = {}
    for source, stream, day, state in gaps:
        missing.setdefault((source, stream), []).append(f"{source}.{stream} {state} on {day}")
    on = sorted({row[:2] for row in streams} | set(missing))
    on = [key for key in on if key[0] not in sources_off]
    made_of = {f"raw_{source}.{stream}": [(source, stream)] for source, stream in on}
    for name in tables:
        sources = sources_of(name)
        if read := [key for key in on if key[0] in sources]:
            made_of[f"gold.{name}"] = read
    return [
        result
        for table, read in sorted(made_of.items())
        for result in (
            _result(
                table, IN_TIME, "timeliness",
                [late[key] for key in read if key in late],
                "its source is late or failing: `warehouse status` says since when, docs/runbook.md what to do",
            ),
            _result(
                table, NO_GAP, "completeness",
                [line for key in read for line in missing.get(key, ())],
                "load the day again: `warehouse sync SOURCE --from DAY --to DAY`",
            ),
        )
    ]  # fmt: skip


def sources_of(table: str) -> Sequence[str]:
    """The sources that a gold table was promised from."""
    if table in OF_ALL_SOURCES:
        return tuple(SOURCES)
    promise = PROMISES.get(table)
    if promise is None:
        return ()
    return promise.sources or (CUSTOMER_SOURCES if promise.of_customers else ())


def _result(
    table: str, says: str, dimension: str, faults: Sequence[str], advice: str
) -> CheckResult:
    more = f" (and {len(faults) - SHOWN} more)" if len(faults) > SHOWN else ""
    return CheckResult(
        "gold", "freshness", table, "", says, dimension, "warning", not faults,
        f"{len(faults)} late or missing", "; ".join(faults[:SHOWN]) + more, advice if faults else "",
    )  # fmt: skip
