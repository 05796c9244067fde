"""An iterator that runs in a thread, a few items ahead of whoever takes them, so that two stages share the cores.

Reads and writes: nothing. Run: imported by `ingestion`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Generic, TypeVar

Item = TypeVar("Item")

_LAST_WORK_SECONDS = 2.0  # who waits for a download or a silent connector is not waited for


def _one(_item: object) -> int:
    return 1


@contextmanager
def ahead(
    items: Iterator[Item], room: int = 2, weight: Callable[[Item], int] = _one
) -> Iterator[Belt[Item]]:
    """Yields a belt with the same items in the same order; at the end of the block the thread stops, wherever it is.

    Args:
        items: What the thread runs; nothing else may use it. An error in it is raised to the taker.
        room: How much may wait; an item heavier than that waits alone.
        weight: What an item weighs.
    """
    belt = Belt(room, weight)
    thread = threading.Thread(target=belt.fill, args=(items,), name="ahead", daemon=True)
    thread.start()
    try:
        yield belt
    finally:
        belt.stop()
        thread.join(_LAST_WORK_SECONDS)


class Belt(Generic[Item]):
    """What waits between the two threads; items are never None."""

    def __init__(self, room: int, weight: Callable[[Item], int]) -> None:
        self.room = room
        self.weight = weight
        self._waiting: deque[Item] = deque()
        self._held = 0
        self._has_ended = self._is_stopped = False
        self._error: BaseException | None = None
        self._moved = threading.Condition()

    def fill(self, items: Iterator[Item]) -> None:
        """Put all items on, until somebody stops it."""
        try:
            for item in items:
                if not self._put(item):
                    break
        except BaseException as error:  # noqa: BLE001 - whoever takes the items raises it
            self._error = error
        with self._moved:
            self._has_ended = True
            self._moved.notify_all()

    def _put(self, item: Item) -> bool:
        weight = self.weight(item)
        with self._moved:
            self._moved.wait_for(
                lambda: self._is_stopped or not self._waiting or self._held + weight <= self.room
            )
            if self._is_stopped:
                return False
            self._waiting.append(item)
            self._held += weight
            self._moved.notify_all()
        return True

    def __iter__(self) -> Iterator[Item]:
        """All items, as they come."""
        while (item := self.take()) is not None:
            yield item

    def take(self, seconds: float | None = None) -> Item | None:
        """The next item; None if there is none for so long, or none any more (`is_over`).

        Raises:
            BaseException: What the other thread met, once all items before are taken.
        """
        with self._moved:
            self._moved.wait_for(lambda: self._waiting or self._has_ended, seconds)
            if self._waiting:
                item = self._waiting.popleft()
                self._held -= self.weight(item)
                self._moved.notify_all()
                return item
        if self.is_over and self._error:
            raise self._error
        return None

    @property
    def is_over(self) -> bool:
        """Whether nothing more comes."""
        with self._moved:
            return self._has_ended and not self._waiting

    def stop(self) -> None:
        """Let the other thread go."""
        with self._moved:
            self._is_stopped = True
            self._waiting.clear()
            self._moved.notify_all()
