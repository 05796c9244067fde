"""How things stand: per source, per layer, per gate, and what readers see.

Reads: landing files, `ops.duckdb`, `published/current`. Writes: nothing.
Run: `warehouse status [--json]`.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import duckdb

from warehouse import clock, duck, ledger, locks
from warehouse.errors import WarehouseError
from warehouse.ledger import GATES
from warehouse.settings import Settings
from warehouse.sources import SOURCES, SourceSpec

DAMAGED = (
    "the published version is damaged: `warehouse publish` makes it anew, "
    "`warehouse publish --rollback` goes back"
)
SHOWN_GAPS = 10  # lines for people; `--json` lists all

#: Days of the ledger that are gaps, those of one stream that follow each other as one.
_GAPS = """
    with gaps as (
        select source, stream, state, date_day, date_day - cast(row_number() over same as integer) as island
        from gold.completeness_ledger where is_gap
        window same as (partition by source, stream, state order by date_day)
    )
    select source, stream, state, min(date_day) as first_day, max(date_day) as last_day
    from gaps group by source, stream, state, island order by first_day desc, source, stream
"""

# A landing file is locked for the length of a commit only; whoever asks for the status doesn't wait
# for long.
PATIENCE_SECONDS = 5.0


def status(settings: Settings) -> dict[str, Any]:
    """Everything `warehouse status` shows, as plain data.

    Returns:
        `now`, `mode`, `sources` (a dict each), `builds`, `gates`, `published`, `gaps` (of the published
        ledger, newest first), and `lines`: the rest in words.
    """
    sources = [_source(settings, spec) for spec in SOURCES.values()]
    builds = [
        {"layer": build.layer, "build_id": build.build_id, "finished_at": build.finished_at,
        "ran_at": build.ran_at}
        for build in ledger.builds(settings)
    ]  # fmt: skip
    gates = _gates(settings)
    published = _published(settings)
    gaps, damage = _gaps(settings, published)
    now = clock.now(settings)
    return {
        "now": now,
        "mode": settings.mode,
        "home": str(settings.home),
        "sources": sources,
        "builds": builds,
        "gates": gates,
        "published": published,
        "gaps": gaps,
        "lines": _lines(settings, now, builds, gates, published)
        + ([damage] if damage else _gap_lines(gaps, published)),
    }


def _source(settings: Settings, spec: SourceSpec) -> dict[str, Any]:
    row: dict[str, Any] = {
        "source": spec.name,
        "is_on": settings.mode == "sandbox" or spec.is_on(settings),
        "last_sync": None,
        "last_status": None,
        "rows": 0,
        "quarantined": 0,
        "complete_through": None,
        "note": "",
    }
    notes = [] if row["is_on"] else [f"off: {', '.join(spec.missing(settings))} not set"]
    path = settings.landing(spec.name)
    if path.exists():
        try:
            row |= _landing(settings, path)
        except WarehouseError as error:
            notes.append(error.message)
    elif row["is_on"]:
        notes.append("never synced")
    if row["last_status"] not in (None, "complete"):
        notes.append(
            f"last sync {row['last_status']}: {row.pop('last_message', '') or 'no message'}"
        )
    row.pop("last_message", None)
    row["note"] = "; ".join(notes)
    return row


def _landing(settings: Settings, path: Path) -> dict[str, Any]:
    patience = min(PATIENCE_SECONDS, settings.lock_timeout)
    with locks.hold(path, what="warehouse status", timeout=patience, say=lambda _: None):
        con = duck.connect(path, read_only=True)
        try:
            sums = con.execute(
                "select coalesce(sum(rows_landed), 0), coalesce(sum(rows_quarantined), 0) from landing.loads"
            ).fetchone()
            through = con.execute(
                "select min(complete_through) from landing.complete_through"
            ).fetchone()
            last = con.execute(
                "select coalesce(ended_at, started_at), status, message from landing.syncs "
                "order by sync_id desc limit 1"
            ).fetchone()
        finally:
            con.close()
    ended, state, message = last or (None, None, None)
    return {
        "rows": int(sums[0]) if sums else 0,
        "quarantined": int(sums[1]) if sums else 0,
        "complete_through": through[0] if through else None,
        "last_sync": ended,
        "last_status": state,
        "last_message": message,
    }


def _gates(settings: Settings) -> list[dict[str, Any]]:
    newest = ledger.latest_checks(settings)
    runs = {gate: newest[gate] for gate in GATES if gate in newest}
    reasons = ledger.standing(settings, GATES) if runs else {}
    return [
        {
            "gate": gate,
            "passed": run.passed,
            "checks": run.check_count,
            "failed": run.failed_count,
            "checked_at": run.checked_at,
            "ran_at": run.ran_at,
            "holds": gate not in reasons,
            "reason": reasons.get(gate, ""),
        }
        for gate, run in sorted(runs.items(), key=lambda item: item[1].ordinal)
    ]


def _published(settings: Settings) -> dict[str, Any] | None:
    from serving.publish import current_version, versions

    current = current_version(settings)
    if current is None:
        return None
    return {"version": current.name, "path": str(current.path), "kept": versions(settings)}


def _gaps(settings: Settings, published: dict[str, Any] | None) -> tuple[list[dict[str, Any]], str]:
    """The published ledger's gaps; or none, and why they can't be read."""
    from serving.audit import is_whole

    if published is None:
        return [], ""
    folder = Path(published["path"])
    if not is_whole(settings, folder):
        return [], DAMAGED
    try:
        with duck.connect(folder / "restricted.duckdb", read_only=True) as con:
            rows = con.execute(_GAPS).fetchall()
    except duckdb.CatalogException:  # a version from before there was a ledger
        return [], ""
    except (WarehouseError, duckdb.Error):
        return [], DAMAGED
    names = ("source", "stream", "state", "from", "to")
    return [dict(zip(names, row, strict=True)) for row in rows], ""


def _gap_lines(gaps: list[dict[str, Any]], published: dict[str, Any] | None) -> list[str]:
    if not gaps:
        return ["gaps: none"] if published else []
    lines = [
        f"gap: {gap['source']}.{gap['stream']} {gap['state']} {gap['from']}"
        + (f" to {gap['to']}" if gap["to"] != gap["from"] else "")
        for gap in gaps[:SHOWN_GAPS]
    ]
    if len(gaps) > SHOWN_GAPS:
        lines.append(
            f"and {len(gaps) - SHOWN_GAPS} gaps more: gold.completeness_ledger where is_gap"
        )
    return lines


def _lines(
    settings: Settings,
    now: datetime,
    builds: list[dict[str, Any]],
    gates: list[dict[str, Any]],
    published: dict[str, Any] | None,
) -> list[str]:
    lines = [f"now {now:%Y-%m-%d %H:%M} UTC, mode {settings.mode}, data in {settings.home}"]
    built = ", ".join(f"{build['layer']} {_moment(build['ran_at'])}" for build in builds)
    lines.append(f"last build: {built or 'never'}")
    for gate in gates:
        verdict = "passed" if gate["passed"] else "refused"
        stale = f" ({gate['reason']})" if gate["reason"] else ""
        lines.append(
            f"gate {gate['gate']}: {verdict} {_moment(gate['ran_at'])}, "
            f"{gate['checks']} checks, {gate['failed']} failed{stale}"
        )
    if not gates:
        lines.append("gates: never ran")
    if published is None:
        lines.append("published: nothing yet; run `warehouse run`")
    else:
        lines.append(f"published: {published['version']} ({len(published['kept'])} versions kept)")
    return lines


def _moment(at: datetime | None) -> str:
    return f"{at:%Y-%m-%d %H:%M}" if at else "never"
