"""Gold as a lake: the tables of a published edition as files, for tools that read Parquet or Delta.

    lake/gold/<edition>/version=v000003-…/<table>.parquet
    lake/gold/<edition>/manifest.json                        which version is current, and what is in each

A version's folder is whole before it has its name. Those exported too long ago go; the current one stays.

Reads: `published/current/<edition>.duckdb`. Writes: `lake/gold/` (Delta: `lake/delta/gold/`).
Run: `warehouse lake export`.
"""

from __future__ import annotations

import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

from serving.sql import EDITIONS, current_file
from warehouse import clock, duck, lake, locks
from warehouse.errors import CallError
from warehouse.lake import Exported
from warehouse.settings import Settings


def export_gold(
    settings: Settings, edition: str = "restricted", *, form: str = "parquet"
) -> Exported:
    """Bring the lake's gold layer up to the published version.

    Args:
        settings: Where the editions and the lake are, and how long the lake keeps a version.
        edition: restricted or analyst.
        form: One of `lake.FORMATS`; a Delta table keeps its own history, so that there is one for all versions.

    Raises:
        CallError: There is no such edition.
        WarehouseError: Nothing is published.
    """
    if edition not in EDITIONS:
        raise CallError(f"no edition '{edition}'", f"editions are: {', '.join(EDITIONS)}")
    today = clock.now(settings).date()
    folder = lake.folder(settings, "gold", form) / edition
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locks.hold(folder, what="lake export", timeout=settings.lock_timeout):
        # looked up in here: another version may have come while this one waited for its turn
        path = current_file(settings, edition)
        for left in folder.glob(".tmp-*"):
            shutil.rmtree(left)
        said = lake.read_manifest(folder)
        version = path.parent.name
        name = f"version={version}" if form == "parquet" else ""
        versions: dict[str, Any] = {
            known: about
            for known, about in said.get("versions", {}).items()
            if form == "delta" or (folder / f"version={known}").is_dir()
        }
        done = Exported()
        # a Delta table holds one version: another one is written even where it was there before
        is_there = version in versions and (form == "parquet" or said.get("current") == version)
        if is_there:
            done.unchanged = len(versions[version]["tables"])
        else:
            target = folder / f".tmp-{name}" if name else folder
            tables = _write(settings, path, target, form)
            if name:
                # one that no manifest knows was left by an export that was killed
                shutil.rmtree(folder / name, ignore_errors=True)
                target.rename(folder / name)
            else:
                lake.writer(form, folder).keep_only((table["table"], "") for table in tables)
            versions[version] = {"exported_on": str(today), "tables": tables}
            done.written, done.rows = len(tables), sum(table["rows"] for table in tables)
        oldest = str(today - timedelta(days=settings.lake_gold_days))
        old = [known for known, about in versions.items() if about["exported_on"] < oldest]
        for known in set(old) - {version}:
            done.removed += len(versions.pop(known)["tables"])
        lake.write_manifest(folder, {"current": version, "format": form, "versions": versions})
        lake.writer(form, folder).forget(days=settings.lake_gold_days)
        for left in folder.glob("version=*"):
            if left.name.removeprefix("version=") not in versions:
                shutil.rmtree(left)
    return done


def _write(settings: Settings, path: Path, folder: Path, form: str) -> list[dict[str, Any]]:
    files = lake.writer(form, folder)
    with duck.connect(path, read_only=True, threads=settings.threads) as con:
        names = con.execute(
            "select table_name from duckdb_tables() where schema_name = 'gold' order by table_name"
        ).fetchall()
        return [files.write(con, f'select * from gold."{name}"', name, "") for (name,) in names]
