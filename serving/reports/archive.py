"""The reports that were issued: `reports/<kind>/<period>/r<n>/`, kept when the versions they quote are long gone.

An issue is never rewritten. The same content again is the issue that is there; other content (a late invoice, a
corrected rate) is a new revision, which says what differs.

Reads: the published restricted edition. Writes: `<home>/reports/`, a row in `ops.reports`, links in
`published/<version>/reports/`.
Run: `warehouse report weekly|monthly`; in Airflow on a schedule.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from serving.publish import current_version
from serving.reports import content, periods
from serving.reports.periods import Kind, Period
from warehouse import clock, ledger, locks
from warehouse.errors import NothingToDo, WarehouseError
from warehouse.settings import Settings

if TYPE_CHECKING:
    from serving.reports.source import Source

_REVISION = re.compile(r"r(\d+)")
_TABLE = """
create table if not exists reports (
    kind varchar, period varchar, revision bigint, version varchar, content_hash varchar, changes varchar[],
    issued_at timestamp, ran_at timestamp
)
"""


@dataclass(frozen=True)
class Kept:
    """A report that was issued.

    Attributes:
        kind: weekly or monthly.
        period: Such as 2025-W26.
        revision: 1 for the first issue.
        folder: Where the page, the document and content.json are.
        content_hash: What it says, in one hash.
        version: Published version that it quotes.
        is_new: Whether this call issued it.
    """

    kind: Kind
    period: str
    revision: int
    folder: Path
    content_hash: str
    version: str
    is_new: bool = False

    @property
    def html(self) -> Path:
        """The page."""
        return self.folder / f"{self.name}.html"

    @property
    def pdf(self) -> Path:
        """The document."""
        return self.folder / f"{self.name}.pdf"

    @property
    def name(self) -> str:
        """Such as weekly-2025-W26, with its revision from the second on."""
        return f"{self.kind}-{self.period}{f'-r{self.revision}' if self.revision > 1 else ''}"


def issue(settings: Settings, kind: Kind, period: str | None = None) -> Kept:
    """Write the report of a period from the published version, or find the issue that says the same.

    Args:
        settings: Where everything is.
        kind: weekly or monthly.
        period: Such as 2025-W26 or 2025-06; the newest that is complete otherwise.

    Raises:
        NothingToDo: No period is complete yet.
        CallError: It is no such period.
        WarehouseError: Nothing is published, or the period is not complete.
    """
    # what draws and sets is heavy; a publish, which links what is kept, does without it
    from serving.reports import monthly, source, weekly

    version = current_version(settings)
    if version is None:
        raise WarehouseError("nothing is published yet", "run `warehouse run` first")
    with locks.hold(settings.reports_dir, what=f"{kind} report", timeout=settings.lock_timeout):
        with source.opened(settings, version) as numbers:
            wanted = _period(numbers, kind, period)
            write = weekly.write if kind == "weekly" else monthly.write
            report = write(numbers, wanted)
        kept = keep(settings, report)
    place(settings, version.path)
    return kept


def keep(settings: Settings, report: content.Report) -> Kept:
    """Keep a report: as the issue that says the same, or else as the period's next revision."""
    kind, hashed = periods.kind_of(report.kind), report.content_hash()
    before = newest(settings, kind, report.period)
    if before is not None and before.content_hash == hashed:
        return before
    if before is not None:
        report = replace(
            report,
            revision=before.revision + 1,
            changes=content.differences(report_of(before)["said"], report.said()),
        )
    return _write_issue(settings, kind, report, hashed)


def due(settings: Settings, kind: Kind) -> Kept:
    """The report of the period that was over last, by the warehouse's clock; written if there is none yet.

    Raises:
        WarehouseError: That period is not complete in every source yet.
    """
    zone = ZoneInfo(settings.reporting_timezone)
    wanted = periods.before(kind, clock.now(settings).astimezone(zone).date())
    return newest(settings, kind, wanted.name) or issue(settings, kind, wanted.name)


def listed(settings: Settings) -> list[Kept]:
    """All issues, by kind, period and revision."""
    return [
        _read(kind, folder)
        for kind in periods.KINDS
        for folder in _revisions(settings.reports_dir / kind)
    ]


def newest(settings: Settings, kind: Kind, period: str) -> Kept | None:
    """The newest issue of a period; None if there is none."""
    found = [kept for kept in listed(settings) if (kept.kind, kept.period) == (kind, period)]
    return found[-1] if found else None


def report_of(kept: Kept) -> dict[str, Any]:
    """An issue's content, as it was written."""
    return json.loads((kept.folder / "content.json").read_text(encoding="utf-8"))


def place(settings: Settings, version_folder: Path) -> None:
    """Link the newest issue of each kind into a version's folder, beside its editions."""
    for kind in periods.KINDS:
        found = [kept for kept in listed(settings) if kept.kind == kind]
        if not found:
            continue
        folder = version_folder / "reports"
        folder.mkdir(mode=0o700, exist_ok=True)
        for path in (found[-1].html, found[-1].pdf):
            link = folder / f"{kind}{path.suffix}"
            # renamed over itself, a link would stay beside it
            if link.exists() and link.samefile(path):
                continue
            fresh = folder / f".{link.name}.partial"
            fresh.unlink(missing_ok=True)
            os.link(path, fresh)
            fresh.replace(link)


def _period(numbers: Source, kind: Kind, asked: str | None) -> Period:
    unit = "week" if kind == "weekly" else "month"
    complete = {
        row["period_start_on"]
        for row in numbers.rows(
            "select period_start_on from gold.kpi_headlines where period = ? and is_complete group by all",
            unit,
        )
    }
    if asked is None:
        if not complete:
            raise NothingToDo(f"no {unit} is complete in every source yet")
        return Period(kind, max(complete))
    period = periods.parse(kind, asked)
    if period.start not in complete:
        newest_one = Period(kind, max(complete)).name if complete else "none"
        raise WarehouseError(
            f"{period.name} is not complete in every source (newest that is: {newest_one})",
            "wait for its last day to be published; `warehouse status` shows what is late",
        )
    return period


def _write_issue(settings: Settings, kind: Kind, report: content.Report, hashed: str) -> Kept:
    """Write an issue whole or not at all, and put it on record."""
    from serving.reports import rendering

    folder = settings.reports_dir / kind / report.period / f"r{report.revision}"
    kept = Kept(kind, report.period, report.revision, folder, hashed, report.version, is_new=True)
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    for parent in (settings.reports_dir, settings.reports_dir / kind, folder.parent, partial):
        parent.mkdir(parents=True, mode=0o700, exist_ok=True)
    issued_at = clock.now(settings)
    said = {"content_hash": hashed, "issued_at": issued_at.isoformat(), "said": report.said()}
    written = json.dumps(report.as_json() | said, ensure_ascii=False, indent=1)
    _write(partial / kept.html.name, rendering.html(report).encode())
    _write(partial / kept.pdf.name, rendering.pdf(report))
    _write(partial / "content.json", written.encode())
    partial.rename(folder)
    with ledger.ops(settings) as con:
        con.execute(_TABLE)
        con.execute(
            "insert into reports values (?, ?, ?, ?, ?, ?, ?, ?)",
            [
                kind, report.period, report.revision, report.version, hashed, list(report.changes),
                ledger.naive(issued_at), ledger.wall_clock(),
            ],
        )  # fmt: skip
    return kept


def _write(path: Path, content: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _revisions(folder: Path) -> Iterator[Path]:
    """Folders of issues below a kind's, by period and revision."""
    for period in sorted(folder.iterdir()) if folder.exists() else ():
        found = [path for path in period.iterdir() if _REVISION.fullmatch(path.name)]
        yield from sorted(found, key=lambda path: int(path.name[1:]))


def _read(kind: Kind, folder: Path) -> Kept:
    written = json.loads((folder / "content.json").read_text(encoding="utf-8"))
    return Kept(
        kind, folder.parent.name, int(folder.name[1:]), folder, written["content_hash"], written["version"],
    )  # fmt: skip
