"""Find the files of a stream: in a folder, by a glob, in an object store, or at an HTTP export API.

Names come from outside and are only ever values: they never become part of a path we write to or of
SQL.

Reads: folder and store listings, and (from a store or API) the files, which are copied to the spool.
Writes: `spool/`. Run: imported by `ingestion.files.take`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from ingestion.files.exports import ExportApi
from warehouse.errors import WarehouseError

# Suffixes by which tools mark a file that they still write.
UNFINISHED = (".tmp", ".part", ".partial", ".crdownload", ".inprogress", ".swp", ".filepart")
_MAGIC = re.compile(r"[*?\[]")
_DAY = re.compile(r"(?<!\d)(20\d\d)[-_]?(0[1-9]|1[0-2])[-_]?(0[1-9]|[12]\d|3[01])(?!\d)")
_DAY_OF_FOLDERS = re.compile(
    r"(?:^|/)(?:year=)?(20\d\d)/(?:month=)?(0[1-9]|1[0-2])/(?:day=)?(0[1-9]|[12]\d|3[01])(?!\d)"
)


@dataclass(frozen=True)
class Found:
    r"""A file at the source.

    Attributes:
        name: Its name within the location, as text (bytes that are not UTF-8 written as `\\xNN`).
        where: Path, or what its store knows it by.
        size: Bytes.
        modified: What changes when it is written: time of modification, or the store's tag.
        age: Seconds since it was modified, by the machine's clock; None where a store doesn't say.
        store: What hands it out (`get_file`), or None for a file of this machine.
    """

    name: str
    where: Any
    size: int
    modified: str
    age: float | None
    store: Any = None

    @property
    def day(self) -> date | None:
        """The day in its name (or in its folders'), if there is one."""
        return day_of(self.name)


def day_of(name: str) -> date | None:
    """The day in a file's name, else in the nearest of its folders, else in folders such as `2025/06/30`."""
    parts = reversed(name.split("/"))
    for match in (*map(_DAY.search, parts), _DAY_OF_FOLDERS.search(name)):
        if match:
            try:
                return date(*map(int, match.groups()))
            except ValueError:
                continue
    return None


def files(
    location: str, patterns: tuple[str, ...], now: float, token: str | None = None
) -> list[Found]:
    """All finished files of a location whose base name fits one of the patterns, by name.

    Args:
        location: Folder, glob, `file://…`, an object store address such as `s3://bucket/prefix`, or an
            export API's (`https://…`).
        patterns: Such as `*.jsonl.gz`.
        now: The machine's clock, in seconds.
        token: An export API's.

    Raises:
        WarehouseError: The location does not exist or can't be listed.
    """
    parts = urlsplit(location)
    if parts.scheme in ("", "file"):
        path = unquote(parts.path) if parts.scheme == "file" else location
        found = list(_local(str(Path(path).expanduser()), now))
    elif parts.scheme in ("http", "https"):
        found = _exported(ExportApi(location, token), now)
    else:
        found = list(_stored(location, now))
    # a list that grows while its pages are read names a file twice: what was said last holds
    wanted = {file.name: file for file in found if _is_wanted(file.name, patterns)}
    return [wanted[name] for name in sorted(wanted)]


def _is_wanted(name: str, patterns: tuple[str, ...]) -> bool:
    *folders, base = name.split("/")
    if base.startswith((".", "_")) or base.lower().endswith(UNFINISHED):
        return False
    if any(map(_is_hidden, folders)):
        return False
    return any(fnmatch(base, pattern) for pattern in patterns)


def _is_hidden(folder: str) -> bool:
    """Whether tools keep there what is not finished or not data (`_temporary`); `_day=2025-06-01` holds data."""
    return folder.startswith((".", "_")) and "=" not in folder and folder not in (".", "..")


def _local(path: str, now: float) -> Iterator[Found]:
    folder, glob = _split_glob(path)
    if Path(folder).is_file() and not glob:
        folder, glob = os.path.split(folder)
        folder = folder or "."
    if not Path(folder).is_dir():
        raise WarehouseError(
            f"{folder} does not exist",
            "check the location setting; it is a folder, a glob or s3://…",
        )
    for name, entry in _walk(folder):
        if glob and not fnmatch(name, glob):
            continue
        about = entry.stat()
        yield Found(
            name=name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace"),
            where=entry.path,
            size=about.st_size,
            modified=f"{about.st_mtime_ns}.{about.st_ino}",
            age=now - about.st_mtime,
        )


def _walk(folder: str, prefix: str = "") -> Iterator[tuple[str, os.DirEntry[str]]]:
    try:
        entries = list(os.scandir(folder))
    except PermissionError as error:
        raise WarehouseError(
            f"can't list {folder}: {error.strerror}", "give this user the right to read it"
        ) from error
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from _walk(entry.path, f"{prefix}{entry.name}/")
        elif entry.is_file():
            yield prefix + entry.name, entry


def _split_glob(path: str) -> tuple[str, str]:
    """Folder before the first wildcard, and the glob below it ("" if there is none)."""
    parts = path.split("/")
    for position, part in enumerate(parts):
        if _MAGIC.search(part):
            return "/".join(parts[:position]) or ("/" if path.startswith("/") else "."), "/".join(
                parts[position:]
            )
    return path or ".", ""


def _stored(location: str, now: float) -> Iterator[Found]:
    import fsspec

    try:
        store, path = fsspec.core.url_to_fs(location)
        store.invalidate_cache()  # what this process listed before may have changed
        root, glob = _split_glob(path)
        listing = store.find(root, detail=True)
    except Exception as error:
        raise WarehouseError(
            f"can't list {location.split('?', maxsplit=1)[0]}: {type(error).__name__}: {str(error)[:200]}",
            "check the address and the store's credentials in the environment",
        ) from error
    for key, about in listing.items():
        name = key[len(root) :].removeprefix("/") or key.rsplit("/", 1)[-1]
        if about.get("type") != "file" or (glob and not fnmatch(name, glob)):
            continue
        written = about.get("LastModified") or about.get("mtime")
        tag = about.get("ETag") or about.get("etag") or written or ""
        yield Found(
            name=name,
            where=key,
            size=int(about.get("size") or 0),
            modified=str(tag),
            age=now - written.timestamp() if isinstance(written, datetime) else None,
            store=store,
        )


def _exported(api: ExportApi, now: float) -> list[Found]:
    try:
        return [
            Found(
                name=entry["name"],
                where=entry,
                size=entry["size"],
                modified=entry["sha256"],
                age=now - entry["updated_at"].timestamp(),
                store=api,
            )
            for entry in api.list()
        ]
    except OSError as error:
        raise WarehouseError(
            f"can't list {error}", "check the address, the token and the API; then sync again"
        ) from None


def local_copy(file: Found, spool: Path, number: int) -> Path:
    """The file on this machine; an object is copied to the spool under a number, never under its own name.

    Raises:
        OSError: The store does not hand it out.
    """
    if file.store is None:
        return Path(file.where)
    target = spool / f"object-{number}"
    try:
        file.store.get_file(file.where, str(target))
    except OSError:
        raise
    except Exception as error:  # each store's library has kinds of its own
        raise OSError(f"{type(error).__name__}: {error}") from error
    return target
