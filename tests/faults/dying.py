"""Run a step in a process of its own that is to be killed at a failpoint."""

from __future__ import annotations

import multiprocessing
import resource
import signal
from collections.abc import Callable
from typing import Any

from warehouse.errors import WarehouseError
from warehouse.settings import Settings

# a server without threads forks the children: forked from here, they would inherit locks that nobody opens
SERVER = multiprocessing.get_context("forkserver")


def killed_at(point: str, step: Callable[..., Any], settings: Settings, *args: Any) -> None:
    """Run a step that must die at a point.

    Args:
        point: Its name, or `name:n`.
        step: A function of a module; its first argument are the settings.
        settings: Without a failpoint.
        *args: The step's further arguments.
    """
    assert ended(step, settings.over(failpoint=point), *args) == -signal.SIGKILL, point


def ended(step: Callable[..., Any], *args: Any) -> int | None:
    """Exit code of a step in a process of its own."""
    process = SERVER.Process(target=step, args=args)
    process.start()
    process.join()
    return process.exitcode


def refused(step: Callable[..., Any], *args: Any) -> str:
    """What a step in a process of its own says when it fails: its message and its hint.

    Raises:
        AssertionError: It did not fail, or not in words for people.
    """
    ours, theirs = SERVER.Pipe(duplex=False)
    process = SERVER.Process(target=_tell, args=(theirs, step, args))
    process.start()
    theirs.close()
    try:
        said = ours.recv()
    except EOFError:
        said = None
    process.join()
    assert said, f"{step.__name__} did not fail in words for people"
    return said


def _tell(pipe: Any, step: Callable[..., Any], args: tuple[Any, ...]) -> None:
    try:
        step(*args)
    except WarehouseError as error:
        pipe.send(f"{error.message} → {error.hint}")


def with_files_up_to(size: int, step: Callable[..., Any], *args: Any) -> None:
    """Run a step in a process, and those it starts, in which no file may grow beyond so many bytes: as if the disk were full."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    step(*args)
