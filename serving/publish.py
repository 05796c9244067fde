"""Publish: write a candidate of both editions, audit it, and switch readers over in one step.

Readers see whole, audited versions only and are never blocked: a version is a folder that is complete before
`published/current` points to it, and open readers keep theirs. The newest three versions stay, to go back to.

Reads: `warehouse.duckdb`, `ops.duckdb`, the gates' pages under `<home>/logs/quality`, dbt's manifest.
Writes: `published/<version>/{restricted,analyst}.duckdb`, `manifest.json`, `docs/`; `published/current`;
a row in `ops.publishes`.
Run: `warehouse publish [--rollback]`.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import duckdb

from quality import docs, scoring
from serving import audit as auditing
from serving import dictionary, editions, pii
from warehouse import clock, duck, ledger, locks
from warehouse.durable import sync
from warehouse.errors import GateOutdated, GateRefused, WarehouseError
from warehouse.failpoints import hit
from warehouse.ledger import GATES
from warehouse.settings import Settings

_VERSION = re.compile(r"v(\d{6})-\d{4}-\d{2}-\d{2}-[0-9a-f]{8}")


@dataclass(frozen=True)
class PublishedVersion:
    """A version that readers see.

    Attributes:
        name: Such as `v000003-2025-07-01-1f0c9a2b`: counter, warehouse day, content.
        path: Its folder.
        is_new: Whether this call made it (the same content again makes none).
        content_hash: What its content is, in one hash.
    """

    name: str
    path: Path
    is_new: bool
    content_hash: str


def publish(settings: Settings) -> PublishedVersion:
    """Publish the warehouse as it stands, if every gate has passed it.

    Raises:
        GateRefused: A gate failed, never ran, or ran before the last build.
        WarehouseError: The candidate failed its audit, or a column isn't classified.
    """
    settings.published_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = clock.now(settings)
    with locks.hold(settings.published_dir, what="publish", timeout=settings.lock_timeout):
        _remove_leftovers(settings)
        with locks.hold(settings.warehouse_db, what="publish", timeout=settings.lock_timeout):
            _refuse_unchecked(settings)
            counts, sums = _fingerprint_of(settings)
            identity = editions.content_hash(settings, sums)
            current = current_version(settings)
            if current is not None and current.content_hash == identity:
                # killed between the switch and its record, an earlier publish left no row
                if not ledger.is_published(settings, current.name):
                    _record(settings, current.name, identity, now)
                return current
            _refuse_unclassified(settings)
            name = _next_name(settings, now, identity)
            candidate = settings.published_dir / f".tmp-{name}"
            candidate.mkdir(mode=0o700)
            restricted, analyst = candidate / "restricted.duckdb", candidate / "analyst.duckdb"
            scoring.keep(settings)
            try:
                editions.write_restricted(settings, restricted)
            except BaseException as error:
                shutil.rmtree(candidate, ignore_errors=True)
                raise _in_words(error) from error
        try:
            hit("publish.restricted_written", settings)
            editions.write_analyst(settings, restricted, analyst)
            hit("publish.analyst_written", settings)
            auditing.audit(settings, restricted, analyst, counts=counts, sums=sums)
            rows = _write_docs(settings, restricted, candidate, name, now)
            _write_dictionary(settings, restricted, candidate)
            _write_manifest(candidate, name, identity, counts, now, rows)
            _link_reports(settings, candidate)
            _seal(candidate)
            hit("publish.sealed", settings)
        except BaseException as error:
            shutil.rmtree(candidate, ignore_errors=True)
            raise _in_words(error) from error
        path = settings.published_dir / name
        candidate.rename(path)
        sync(settings.published_dir)
        hit("publish.renamed", settings)
        _switch(settings, name)
        hit("publish.switched", settings)
        _record(settings, name, identity, now)
        hit("publish.recorded", settings)
        _keep_newest(settings)
    return PublishedVersion(name, path, is_new=True, content_hash=identity)


def _in_words(error: BaseException) -> BaseException:
    """DuckDB's error (a full disk, no memory) for a person; every other one as it is."""
    if not isinstance(error, duckdb.Error):
        return error
    said = str(error).splitlines()[0][:300]
    return WarehouseError(f"the new version could not be written: {said}", duck.hint_for(said))


def _record(settings: Settings, name: str, identity: str, now: datetime) -> None:
    ledger.record_publish(
        settings, version=name, content_hash=identity, action="publish", published_at=now
    )


def rollback(settings: Settings) -> PublishedVersion:
    """Point readers back to the version before the current one.

    Raises:
        WarehouseError: There is none.
    """
    with locks.hold(settings.published_dir, what="rollback", timeout=settings.lock_timeout):
        current = current_version(settings)
        names = versions(settings)
        before = [name for name in names if current is not None and name < current.name]
        if current is None or not before:
            raise WarehouseError(
                "there is no earlier version to go back to",
                f"kept versions: {', '.join(names) if names else 'none'}",
            )
        _switch(settings, before[-1])
        ledger.record_publish(
            settings,
            version=before[-1],
            content_hash=None,
            action="rollback",
            published_at=clock.now(settings),
        )
        found = current_version(settings)
    assert found is not None
    return found


def versions(settings: Settings) -> list[str]:
    """Names of the versions kept, oldest first."""
    if not settings.published_dir.exists():
        return []
    return sorted(
        path.name
        for path in settings.published_dir.iterdir()
        if path.is_dir() and not path.is_symlink() and _VERSION.fullmatch(path.name)
    )


def current_version(settings: Settings) -> PublishedVersion | None:
    """The version that readers see; None if nothing is published."""
    pointer = settings.published_dir / "current"
    path = pointer.resolve()
    manifest = path / "manifest.json"
    if not pointer.is_symlink() or not manifest.exists():
        return None
    try:
        identity = str(json.loads(manifest.read_text(encoding="utf-8"))["content_hash"])
    except (ValueError, KeyError, TypeError):
        # equal to no content: readers are served, and the next publish makes a version that is whole
        identity = ""
    return PublishedVersion(path.name, path, is_new=False, content_hash=identity)


def _refuse_unchecked(settings: Settings) -> None:
    if not settings.warehouse_db.exists():
        raise WarehouseError("there is no warehouse to publish", "run `warehouse run` first")
    reasons = ledger.standing(settings, GATES)
    if reasons:
        gate, reason = next(iter(reasons.items()))
        checks = ledger.latest_checks(settings)
        is_outdated = all(gate in checks and checks[gate].passed for gate in reasons)
        refusal = GateOutdated if is_outdated else GateRefused
        raise refusal(gate, [reason, *(f"{g}: {why}" for g, why in list(reasons.items())[1:])])


def _refuse_unclassified(settings: Settings) -> None:
    """Find out before anything is copied that a column has no class."""
    con = duck.connect(settings.warehouse_db, read_only=True, threads=settings.threads)
    try:
        pii.classify(editions.columns_of(con))
    finally:
        con.close()


def _fingerprint_of(settings: Settings) -> tuple[dict[str, int], dict[str, str]]:
    con = duck.connect(settings.warehouse_db, read_only=True, threads=settings.threads)
    try:
        return editions.fingerprint(con)
    finally:
        con.close()


def _next_name(settings: Settings, now: datetime, identity: str) -> str:
    numbers = [int(_VERSION.fullmatch(name)[1]) for name in versions(settings)]  # type: ignore[index]
    return f"v{max(numbers, default=0) + 1:06d}-{now:%Y-%m-%d}-{identity[:8]}"


def _write_docs(
    settings: Settings, restricted: Path, candidate: Path, name: str, now: datetime
) -> int:
    con = duck.connect(restricted, read_only=True)
    try:
        rows = con.execute(
            "select r.gate, r.table_name, r.expectation, r.dimension, r.severity, r.success, r.observed, "
            "concat_ws('; ', r.detail, nullif(r.advice, '')) "
            "from ops.check_results as r join (select gate, arg_max(run_id, ordinal) as run_id from ops.check_runs "
            "where target = ? or gate = 'raw' group by gate) as n on n.gate = r.gate and n.run_id = r.run_id "
            "order by case r.gate when 'raw' then 1 when 'gold' then 2 when 'scores' then 3 else 4 end, r.gate, "
            "r.table_name, r.expectation",
            [settings.target],
        ).fetchall()
    finally:
        con.close()
    docs.build(
        candidate / "docs" / "quality",
        settings.logs_dir / "quality",
        [docs.Row(*row) for row in rows],
        version=name,
        checked_at=now,
    )
    return len(rows)


def _write_dictionary(settings: Settings, restricted: Path, candidate: Path) -> None:
    """What each table and column means; a warehouse that dbt hasn't built has no lineage to show."""
    manifest = settings.dbt_target_dir / "gold" / "manifest.json"
    if not manifest.exists():
        return
    con = duck.connect(restricted, read_only=True)
    try:
        dictionary.build(candidate / "docs" / "index.html", manifest, con)
    finally:
        con.close()


def _link_reports(settings: Settings, candidate: Path) -> None:
    """The newest reports stand beside the newest version too."""
    # reports read versions: they know this module
    from serving.reports.archive import place

    place(settings, candidate)


def _write_manifest(
    candidate: Path,
    name: str,
    identity: str,
    counts: dict[str, int],
    now: datetime,
    checks: int,
) -> None:
    said = {
        "version": name,
        "content_hash": identity,
        "published_at": now.isoformat(),
        "checks": checks,
        "duckdb": duckdb.__version__,
        "storage_version": duck.STORAGE_VERSION,
        "tables": dict(sorted(counts.items())),
    }
    (candidate / "manifest.json").write_text(json.dumps(said, indent=2) + "\n", encoding="utf-8")


def _seal(candidate: Path) -> None:
    """Folders 700, files 640, and all of it on the disk before anyone can see it."""
    for path in _walk(candidate):
        if path.is_dir():
            path.chmod(0o700)
        else:
            path.chmod(0o640)
        sync(path)


def _walk(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.is_dir():
            yield from _walk(path)
        else:
            yield path
    yield folder


def _switch(settings: Settings, name: str) -> None:
    """Point `current` to a version: a new link is renamed over the old one, which is atomic."""
    fresh = settings.published_dir / f".current-{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(name, target_is_directory=True)
    fresh.replace(settings.published_dir / "current")
    sync(settings.published_dir)


def _remove_leftovers(settings: Settings) -> None:
    """What a crashed publish left: candidates, and links that were never moved into place."""
    for path in settings.published_dir.glob(".tmp-*"):
        shutil.rmtree(path)
    for path in settings.published_dir.glob(".current-*"):
        path.unlink()


def _keep_newest(settings: Settings) -> None:
    current = current_version(settings)
    for name in versions(settings)[: -settings.keep_versions]:
        if current is None or name != current.name:
            shutil.rmtree(settings.published_dir / name)
