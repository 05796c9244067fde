"""Spark sessions for dbt's commands: a process of its own for each, kept while builds go on.

A session takes as long to start as a small build, so all layers of `warehouse build`, and all stages of `warehouse run`
until a gate wants one of its own, run in the same.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

from warehouse import spark
from warehouse.dbt_process import Process, child, dbt_environment
from warehouse.errors import WarehouseError
from warehouse.settings import PROJECT_ROOT, Settings

log = logging.getLogger(__name__)

DBT_ON_SPARK = (sys.executable, "-m", "warehouse.spark")
SPARK_SETTINGS = (
    "WAREHOUSE_HOME", "WAREHOUSE_TARGET", "SPARK_MASTER", "SPARK_DRIVER_MEMORY", "SPARK_PROPERTIES",
)  # fmt: skip
_shared: Sessions | None = None


def _environment(settings: Settings) -> dict[str, str]:
    """What the process with the Spark session needs besides: where to run, and where its tables are."""
    ours = settings.environment()
    return {
        "PYTHONPATH": str(PROJECT_ROOT),
        **{name: ours[name] for name in SPARK_SETTINGS if name in ours},
    }


@contextmanager
def process(settings: Settings, locks: Sequence[int] = ()) -> Iterator[Process]:
    """A Spark session in a process of its own, which runs dbt commands one after the other until the block ends."""
    environment = dbt_environment(settings) | _environment(settings)
    with child(DBT_ON_SPARK, settings, environment, locks) as started:
        try:
            yield started
        except WarehouseError:
            _let_end(started)
            raise
        _let_end(started)


class Sessions:
    """A Spark session for as long as the block lasts, or several, one after the other: started when it is asked for.

    It inherits the sessions' lock: where we are killed it lives on for a while, and no other may write meanwhile.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open = ExitStack()
        self._process: Process | None = None

    def __enter__(self) -> Sessions:
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def process(self) -> Process:
        """The session's process."""
        if self._process is None:
            lock = self._open.enter_context(spark.hold_session(self._settings))
            self._process = self._open.enter_context(process(self._settings, [lock]))
        return self._process

    def end(self) -> None:
        """Let the session stop, so that somebody else can have one."""
        self._open.close()
        self._process = None


@contextmanager
def of_a_build(settings: Settings) -> Iterator[Process]:
    """The shared session's process where there is one, else one that ends with the block."""
    if _shared is not None:
        yield _shared.process()
        return
    with Sessions(settings) as own:
        yield own.process()


@contextmanager
def shared(settings: Settings) -> Iterator[None]:
    """Builds of this process run in one Spark session, until the block ends or a gate wants one of its own."""
    global _shared  # noqa: PLW0603 - stages know the settings alone, and run in threads
    with Sessions(settings) as _shared:
        try:
            yield
        finally:
            _shared = None


def end_shared() -> None:
    """Let the shared session stop, where there is one."""
    if _shared is not None:
        _shared.end()


def _let_end(process: Process) -> None:
    """No more commands: it stops its session, which one that is killed leaves to its executors."""
    assert process.stdin
    assert process.stdout
    with suppress(BrokenPipeError):
        process.stdin.close()
    for raw in process.stdout:
        log.debug("spark: %s", raw.rstrip())
