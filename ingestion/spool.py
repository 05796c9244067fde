"""Folders in the spool that live as long as their work, and those of dead processes swept away.

A killed process leaves its folder behind, with a connector's configuration in it: the next sync removes it.

Reads and writes: `spool/`. Run: imported by whoever spools.
"""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from warehouse.settings import Settings

_OURS = re.compile(r"[a-z0-9_]+-(\d+)-[a-z0-9_]+")


@contextmanager
def folder(what: str, settings: Settings) -> Iterator[Path]:
    """A fresh folder (mode 700) for the length of a `with` block.

    Args:
        what: Its kind; the process's id follows in its name.
        settings: Where the spool is.
    """
    spool = settings.spool_dir
    spool.mkdir(parents=True, exist_ok=True, mode=0o700)
    _sweep(spool)
    with tempfile.TemporaryDirectory(dir=spool, prefix=f"{what}-{os.getpid()}-") as path:
        yield Path(path)


def _sweep(spool: Path) -> None:
    for path in spool.iterdir():
        match = _OURS.fullmatch(path.name)
        if match and not _is_alive(int(match[1])):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
