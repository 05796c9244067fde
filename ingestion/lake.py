"""Raw as a lake: what has landed, as files by source, stream and day of the load, for engines that read files.

    lake/raw/<source>/<stream>/load_date=2025-07-01/part-0.parquet     the raw table's columns
    lake/raw/<source>/_landing/<table>.parquet                         what landing knows: loads, tombstones …
    lake/raw/<source>/manifest.json                                    what is there, with the rows of each load

An export writes the days that changed. Rows of a load only ever go: a day is as it was if it has as many rows of each
load as then, and its file is as long. It shows one moment of a source: the landing file is locked while it lasts.

Where another target is set, the lake is what its builds read: then no day is too old.

Reads: `landing/*.duckdb`. Writes: `lake/raw/` (Delta: `lake/delta/raw/`), under the caller's lock (`lake.hold_raw`).
Run: `warehouse lake export`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import date, timedelta
from typing import Any

from ingestion.destination.landing import Landing
from ingestion.destination.opening import opened
from warehouse import clock, lake, ledger
from warehouse.errors import CallError
from warehouse.failpoints import hit
from warehouse.lake import Exported
from warehouse.settings import Settings

DETAILS = "_landing"
# who reads a Delta table as it was has so long
READERS_DAYS = 7


def export_raw(
    settings: Settings,
    sources: Iterable[str] = (),
    *,
    form: str = "parquet",
    say: Callable[[str], None] = lambda _: None,
) -> dict[str, Exported]:
    """Bring the lake's raw layer up to what has landed.

    Args:
        settings: Where landing and lake are, and how long the lake keeps raw.
        sources: Which; all that have landed if none is named.
        form: One of `lake.FORMATS`.
        say: Told each source as it is begun.

    Returns:
        By source, what was done.

    Raises:
        CallError: Nothing has landed from a source that is named.
    """
    landed = sorted(path.stem for path in settings.landing_dir.glob("*.duckdb"))
    wanted = list(sources) or landed
    if unknown := sorted(set(wanted) - set(landed)):
        raise CallError(
            f"nothing has landed from '{unknown[0]}'", f"there is: {', '.join(landed) or 'nothing'}"
        )
    done = {}
    for source in wanted:
        say(source)
        with opened(source, settings) as landing:
            done[source] = _export(landing, settings, form)
    return done


def _export(landing: Landing, settings: Settings, form: str) -> Exported:
    folder = lake.folder(settings, "raw", form) / landing.source
    files = lake.writer(form, folder)
    known = {
        (entry["stream"], entry["day"]): entry
        for entry in lake.read_manifest(folder).get("days", [])
    }
    # days are those of the wall clock, as landing writes them down
    oldest = ledger.wall_clock().date() - timedelta(days=settings.lake_raw_days)
    if settings.target != "duckdb":
        oldest = date.min
    days: list[dict[str, Any]] = []
    done = Exported()
    for stream in landing.streams():
        for day, loads in _days(landing, stream).items():
            entry = known.get((stream, str(day)))
            if day < oldest:
                continue
            if entry and entry["loads"] == loads and files.has(entry, stream, _partition(day)):
                done.unchanged += 1
            else:
                query = f"select * from {landing.schema}.{stream} where _load_id in ({', '.join(loads)})"
                written = files.write(landing.con, query, stream, _partition(day))
                entry = {"stream": stream, "day": str(day), "loads": loads, **written}
                done.written += 1
                done.rows += written["rows"]
                hit("lake.day_written", settings)
            days.append(entry)
    details = [(f"{DETAILS}/{table}", "") for table in landing.details()]
    said = [
        files.write(landing.con, f"select * from landing.{table}", f"{DETAILS}/{table}", "")
        for table in landing.details()
    ]
    exported_at = clock.now(settings).isoformat()
    lake.write_manifest(
        folder,
        {
            "source": landing.source,
            "exported_at": exported_at,
            "format": form,
            "days": days,
            "landing": said,
        },
    )
    hit("lake.manifest_written", settings)
    kept = [(entry["stream"], _partition(entry["day"])) for entry in days]
    done.removed = files.keep_only([*kept, *details])
    files.forget(days=READERS_DAYS)
    return done


def _partition(day: date | str) -> str:
    return f"load_date={day}"


def _days(landing: Landing, stream: str) -> dict[date, dict[str, dict[str, Any]]]:
    """By load id, when it was and how many of its rows are still there, of each day on which such rows were loaded.

    When: a landing file that was lost and synced again counts its loads from 1.
    """
    rows = landing.con.execute(
        f"""
        with loads as (
            select load_id, min(committed_at) as loaded_at from landing.loads group by load_id
        )
        select loaded_at, _load_id, count(*)
        from {landing.schema}.{stream}
        inner join loads on load_id = _load_id
        group by all
        order by all
        """
    ).fetchall()
    found: dict[date, dict[str, dict[str, Any]]] = {}
    for at, load_id, count in rows:
        found.setdefault(at.date(), {})[str(load_id)] = {"at": at.isoformat(), "rows": count}
    return found
