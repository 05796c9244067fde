"""Locks between processes: one writer per file, a waiter says what it waits for, a lock vanishes with its process."""

from __future__ import annotations

import fcntl
import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from warehouse.errors import LockTimeout

log = logging.getLogger(__name__)


@contextmanager
def hold(
    path: Path, *, what: str, timeout: float = 600, say: Callable[[str], None] = log.warning
) -> Iterator[int]:
    """Hold the lock of a file for the length of a `with` block; yields its descriptor.

    A child that inherits the descriptor (`pass_fds`) holds the lock too, even where we are killed.

    Args:
        path: The file to guard; the lock file stands beside it as `<name>.lock`.
        what: Who we are, in words; the next waiter reads it.
        timeout: Seconds to wait.
        say: Told once when there is something to wait for.

    Raises:
        LockTimeout: Another process kept the lock for `timeout` seconds.
    """
    lock_path = path.with_name(path.name + ".lock")
    lock_path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    descriptor = os.open(lock_path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        _acquire(descriptor, path, timeout, say)
        _name_holder(descriptor, f"{what} (pid {os.getpid()})")
        yield descriptor
        _name_holder(descriptor, "")
    finally:
        os.close(descriptor)


def _name_holder(descriptor: int, holder: str) -> None:
    # flock is the lock, the name a courtesy to whoever waits: a full disk takes the name alone
    with suppress(OSError):
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, holder.encode(), 0)


def _acquire(descriptor: int, path: Path, timeout: float, say: Callable[[str], None]) -> None:
    deadline = time.monotonic() + timeout
    said = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            holder = os.pread(descriptor, 500, 0).decode(errors="replace") or "another process"
            if time.monotonic() >= deadline:
                waited = f"; waited {timeout:g} s" if timeout else ""
                raise LockTimeout(
                    f"{path.name} is in use by {holder}{waited}",
                    "wait until it has finished, or stop that process, then run this again",
                ) from None
            if not said:
                say(f"waiting for {path.name}, in use by {holder}")
                said = True
            time.sleep(0.05)
