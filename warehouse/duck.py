"""The one door to DuckDB: every file is opened here, with the same settings.

Instants are UTC, nothing is ever downloaded, new files are written so that clients since 1.4 can
open them.
"""

from __future__ import annotations

import re
from pathlib import Path

import duckdb

from warehouse.errors import WarehouseError

STORAGE_VERSION = "v1.4.0"


def connect(
    path: Path | str,
    *,
    read_only: bool = False,
    memory_limit: str | None = None,
    threads: int | None = None,
) -> duckdb.DuckDBPyConnection:
    """Open a DuckDB file (or ":memory:").

    Args:
        path: The file; made if missing, readable by its owner only.
        read_only: Open without the right to write.
        memory_limit: Such as "4GB"; DuckDB's default otherwise.
        threads: Number of threads; DuckDB's default otherwise.

    Raises:
        WarehouseError: The file is missing, damaged, or open in another process.
    """
    is_new = str(path) != ":memory:" and not Path(path).exists()
    if is_new and read_only:
        raise WarehouseError(f"{path} does not exist", "run `warehouse run` first")
    if is_new:
        Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    config: dict[str, str | bool | int] = {
        "autoinstall_known_extensions": False,
        "autoload_known_extensions": False,
        "storage_compatibility_version": STORAGE_VERSION,
    }
    if memory_limit:
        config["memory_limit"] = memory_limit
    if threads:
        config["threads"] = threads
    try:
        con = duckdb.connect(str(path), read_only=read_only, config=config)
    except duckdb.Error as error:
        raise WarehouseError(
            f"can't open {path}: {str(error).splitlines()[0]}", hint_for(str(error))
        ) from error
    if is_new:
        Path(path).chmod(0o600)
    con.execute("set timezone = 'UTC'")
    return con


def beside(con: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Another connection to the same database, for another thread; a cursor alone would have the host's time zone."""
    other = con.cursor()
    other.execute("set timezone = 'UTC'")
    return other


def hint_for(error: str) -> str:
    """What to do about DuckDB's refusal to open or write a file."""
    if for_room := hint_for_room(error):
        return for_room
    if "lock" in error:
        return "another process has it open; wait for it, or close it"
    if "Permission denied" in error:
        return "only the user who made it may open it"
    if re.search(r"WAL.* does not match (the )?database file", error, re.DOTALL):
        # its rows belong to the file that was there before
        return "a restored file goes without the .wal that lay there: remove that, run this again (docs/runbook.md)"
    return "the file is damaged or not a DuckDB file; restore it (docs/runbook.md)"


def hint_for_room(error: str) -> str:
    """What to do where the disk is full or there is no memory; nothing if the error is another one."""
    if any(words in error for words in ("No space left", "Out of Disk", "Could not write file")):
        return "make room on the disk (docs/runbook.md); nothing is lost"
    if any(words in error for words in ("Out of Memory", "could not allocate", "memory runs out")):
        return "raise WAREHOUSE_MEMORY_LIMIT, or close what else needs memory; nothing is lost"
    return ""
