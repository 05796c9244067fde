"""An iterator that runs in a thread, a few items ahead of whoever takes them, so that two stages share the cores.

Reads and writes: nothing. Run: imported by `ingestion`.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from queue import Empty, Queue
from typing import Any, TypeVar

Item = TypeVar("Item")

_LAST_WORK_SECONDS = 2.0  # who waits for a download or a silent connector is not waited for


class _End:
    """The last thing in the queue: nothing more comes, or why."""

    def __init__(self, error: BaseException | None = None) -> None:
        self.error = error


@contextmanager
def ahead(items: Iterator[Item], depth: int = 2) -> Iterator[Iterator[Item]]:
    """Yields the same items in the same order; at the end of the block the thread stops, wherever it is.

    Args:
        items: What the thread runs; nothing else may use it. An error in it is raised to the taker.
        depth: How many items may wait.
    """
    ready: Queue[Any] = Queue(depth)
    is_over = threading.Event()

    def work() -> None:
        end = _End()
        try:
            for item in items:
                ready.put(item)
                if is_over.is_set():
                    return
        except BaseException as error:  # noqa: BLE001 - whoever takes the items raises it
            end = _End(error)
        ready.put(end)

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        yield _taken(ready)
    finally:
        is_over.set()
        _drain(ready, thread)


def _taken(ready: Queue[Any]) -> Iterator[Any]:
    item: Any
    while not isinstance(item := ready.get(), _End):
        yield item
    if item.error:
        raise item.error


def _drain(ready: Queue[Any], thread: threading.Thread) -> None:
    """Make room until the thread has seen that it is over."""
    for _ in range(int(_LAST_WORK_SECONDS / 0.05)):
        try:
            ready.get_nowait()
        except Empty:
            thread.join(0.05)
        if not thread.is_alive():
            return
