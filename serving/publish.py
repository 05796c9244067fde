"""Publish: write a candidate of both editions, audit it, and switch readers over in one step.

Readers see whole, audited versions only and are never blocked: a version is a folder that is complete before
`published/current` points to it, and open readers keep theirs. The newest three versions stay, to go back to. Going
back withdraws the version that was current: nobody goes back to it, and its content is not published again unasked.

Reads: `warehouse.duckdb`, `ops.duckdb`, the gates' pages under `<home>/logs/quality`, dbt's manifest.
Writes: `published/<version>/{restricted,analyst}.duckdb`, `manifest.json`, `docs/`; `published/current`;
rows in `ops.publishes`.
Run: `warehouse publish [--again | --rollback]`.
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


def publish(settings: Settings, *, again: bool = False) -> PublishedVersion:
    """Publish the warehouse as it stands, if every gate has passed it.

    Args:
        settings: Whose warehouse and versions.
        again: Publish content, too, that a rollback withdrew.

    Raises:
        GateRefused: A gate failed, never ran, or ran before the last build.
        WarehouseError: The candidate failed its audit, a column isn't classified, or the content was withdrawn.
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
            is_withdrawn = identity in ledger.withdrawn(settings, "content_hash")
            if is_withdrawn and not again:
                raise WarehouseError(
                    "what the warehouse holds was withdrawn by a rollback, so it is not published again"
                    + (f"; readers keep {current.name}" if current else ""),
                    "mend it and build, or publish it all the same: `warehouse publish --again`",
                )
            is_same = current is not None and current.content_hash == identity
            if current is not None and is_same and auditing.is_whole(settings, current.path):
                # killed between the switch and its record, an earlier publish left no row
                if is_withdrawn or not ledger.is_published(settings, current.name):
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
    """Withdraw the current version, and point readers to the newest before it that is whole and not withdrawn.

    Raises:
        WarehouseError: There is none.
    """
    with locks.hold(settings.published_dir, what="rollback", timeout=settings.lock_timeout):
        current = _current_name(settings)
        before = [name for name in versions(settings) if current is not None and name < current]
        notes = dict.fromkeys(_withdrawn(settings), " (withdrawn)") | {
            name: " (damaged)"
            for name in before
            if not auditing.is_whole(settings, settings.published_dir / name)
        }
        good = [name for name in before if name not in notes]
        if current is None or not good:
            kept = ", ".join(name + notes.get(name, "") for name in versions(settings))
            raise WarehouseError(
                "there is no earlier version to go back to", f"kept versions: {kept or 'none'}"
            )
        # before the switch: killed between the two, the next publish does not take it for good
        _withdraw(settings, current)
        _switch(settings, good[-1])
        ledger.record_publish(
            settings,
            version=good[-1],
            content_hash=None,
            action="rollback",
            published_at=clock.now(settings),
        )
        path = settings.published_dir / good[-1]
    return PublishedVersion(path.name, path, is_new=False, content_hash=_content_of(path))


def _withdraw(settings: Settings, name: str) -> None:
    """Write down that a version is withdrawn, and its content too, unless its files alone are to blame."""
    path = settings.published_dir / name
    ledger.record_publish(
        settings,
        version=name,
        content_hash=_content_of(path) if auditing.is_whole(settings, path) else None,
        action="withdraw",
        published_at=clock.now(settings),
    )


def _withdrawn(settings: Settings) -> set[str]:
    """Names of the kept versions that nobody should go back to: they or their content were withdrawn."""
    names = ledger.withdrawn(settings, "version")
    contents = ledger.withdrawn(settings, "content_hash")
    return {
        name
        for name in versions(settings)
        if name in names or _content_of(settings.published_dir / name) in contents
    }


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
    if not pointer.is_symlink() or not (path / "manifest.json").exists():
        return None
    return PublishedVersion(path.name, path, is_new=False, content_hash=_content_of(path))


def _current_name(settings: Settings) -> str | None:
    """What `current` points to, whether or not it is whole or even there."""
    pointer = settings.published_dir / "current"
    return pointer.readlink().name if pointer.is_symlink() else None


def _content_of(path: Path) -> str:
    try:
        said = json.loads((path / "manifest.json").read_text(encoding="utf-8"))
        return str(said["content_hash"])
    except (OSError, ValueError, KeyError, TypeError):
        # equal to no content: readers are served, and the next publish makes a version that is whole
        return ""


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
        "bytes": {path.name: path.stat().st_size for path in sorted(candidate.glob("*.duckdb"))},
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
    """What a crashed publish left: candidates, links that were never moved into place, versions that nobody saw."""
    current = _current_name(settings)
    for name in versions(settings):
        is_newer = current is None or name > current
        if is_newer and not ledger.is_published(settings, name):
            _remove(settings, name)
    for path in settings.published_dir.glob(".tmp-*"):
        shutil.rmtree(path)
    for path in settings.published_dir.glob(".current-*"):
        path.unlink()


def _keep_newest(settings: Settings) -> None:
    """Keep so many versions; those that were withdrawn go first, the current one never."""
    withdrawn = _withdrawn(settings)
    oldest_first = sorted(versions(settings), key=lambda name: (name not in withdrawn, name))
    for name in oldest_first[: -settings.keep_versions]:
        if name != _current_name(settings):
            _remove(settings, name)


def _remove(settings: Settings, name: str) -> None:
    """Take a version's name away before its files: killed in between, no half of it counts as a version."""
    doomed = settings.published_dir / f".tmp-{name}"
    (settings.published_dir / name).rename(doomed)
    shutil.rmtree(doomed)
