"""Answer what a person typed, in a process of its own that the system kills where a query breaks its limits.

DuckDB's own limits don't hold against every query: `select len(range(500000000))` took 16 GB under a limit of 500 MB,
a long `levenshtein` is deaf to an interrupt. So the system keeps them: the process has so much address space, may write
no file, and has an alarm set for each question. Whoever asks lives on, and hears what happened in one line.

Reads: the newest edition, or a landing file, through `serving.sql`. Writes: nothing.
Run: `warehouse sql`, the dashboards' SQL page.
"""

from __future__ import annotations

import contextlib
import pickle
import resource
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TypeVar

from serving import sql
from serving.sql import ROWS, Table
from warehouse.errors import CallError, WarehouseError

if TYPE_CHECKING:
    from collections.abc import Callable

    import duckdb

    from warehouse.settings import Settings

Answer = TypeVar("Answer")

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# An answer's size on its way to whoever asked.
ANSWER_BYTES = 64_000_000
# Beside what DuckDB may take: Python's copy of the answer, the program's own.
SLACK_BYTES = 256 * 1024 * 1024
# Linux says here how much address space is taken.
TAKEN = Path("/proc/self/statm")
# How much later than the interrupt the alarm rings.
GRACE_SECONDS = 1.0


@dataclass(frozen=True)
class Question:
    """What is asked.

    Attributes:
        sql: One select.
        parameters: Values for `?`.
        limit: Most rows to return.
        seconds: Longest time to run.
    """

    sql: str
    parameters: list[Any] | None
    limit: int
    seconds: float


class Reader:
    """A file, and the process that answers questions on it; started when needed, again after it was killed.

    Args:
        settings: Limits of memory, time and threads.
        path: The file, as `serving.sql.current_file` or `landing_file` name it.
    """

    def __init__(self, settings: Settings, path: Path) -> None:
        self.path = path
        self._settings = settings
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def ask(
        self,
        statement: str,
        *,
        parameters: list[Any] | None = None,
        limit: int = ROWS,
        seconds: float | None = None,
    ) -> Table:
        """Run one select.

        Args:
            statement: One select (or explain, describe, show, summarize).
            parameters: Values for `?`.
            limit: Most rows to return.
            seconds: Longest time to run; the setting otherwise.

        Raises:
            CallError: The statement isn't a select, or DuckDB can't make sense of it.
            WarehouseError: The file can't be opened, or the query broke a limit.
        """
        question = Question(statement, parameters, limit, seconds or self._settings.sql_seconds)
        try:
            process = self._process or self._start()
            assert process.stdin is not None
            pickle.dump(question, process.stdin)
            process.stdin.flush()
            answer = _receive(process)
        except (EOFError, BrokenPipeError, pickle.UnpicklingError):
            raise self._ended(question) from None
        except BaseException:
            # Ctrl-C, for one: nobody waits for the answer any more
            self.close()
            raise
        if isinstance(answer, WarehouseError):
            raise answer
        return answer

    def close(self) -> None:
        """End the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            for pipe in (self._process.stdin, self._process.stdout):
                assert pipe is not None
                # half a question may still be in it
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
            self._process = None

    def _start(self) -> subprocess.Popen[bytes]:
        settings = self._settings
        words = [str(self.path), settings.sql_memory_limit, str(settings.threads)]
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "serving.reader", *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            # nothing of the environment: neither a secret nor the name of a person's folder
            env={"PYTHONPATH": str(PROJECT_ROOT), "HOME": "/nonexistent", "TZ": "UTC"},
        )
        refusal = _receive(self._process)
        if refusal is not None:
            self.close()
            raise refusal
        return self._process

    def _ended(self, question: Question) -> WarehouseError:
        """Why there is no answer: by what the process ended."""
        assert self._process is not None
        code = self._process.wait()
        self.close()
        if code == -signal.SIGALRM:
            return sql.took_too_long(question.seconds)
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        return WarehouseError(
            f"the query's process ended by itself ({how})",
            "it may have needed too much memory; narrow it down",
        )


def _receive(process: subprocess.Popen[bytes]) -> Any:
    assert process.stdout is not None
    return pickle.load(process.stdout)  # noqa: S301 - this file wrote it


def landing_file(settings: Settings, source: str) -> Path:
    """The landing file of a source, or of what a connector was called (`--name`).

    Raises:
        CallError: There is none.
    """
    landed = sorted(path.stem for path in settings.landing_dir.glob("*.duckdb"))
    if source not in landed:
        raise CallError(
            f"nothing has landed from '{source}'", f"there is: {', '.join(landed) or 'nothing yet'}"
        )
    return settings.landing(source)


def on_newest(settings: Settings, edition: str, what: Callable[[Reader], Answer]) -> Answer:
    """Do something with the newest edition; where it is gone before it could be opened, with the one after it.

    Raises:
        CallError: There is no such edition, or `what` raised it.
        WarehouseError: Nothing is published, or `what` raised it.
    """
    while True:
        path = sql.current_file(settings, edition)
        try:
            with Reader(settings, path) as reader:
                return what(reader)
        except WarehouseError:
            if path.exists():
                raise


def query(
    settings: Settings, statement: str, *, edition: str = "restricted", limit: int = ROWS
) -> Table:
    """One select on the newest edition.

    Raises:
        CallError: There is no such edition, the statement isn't a select, or DuckDB can't make sense of it.
        WarehouseError: Nothing is published, or the query broke a limit.
    """
    return on_newest(settings, edition, lambda reader: reader.ask(statement, limit=limit))


def query_landing(settings: Settings, source: str, statement: str, *, limit: int = ROWS) -> Table:
    """One select on what a source has landed; its syncs wait with their commits until it has an answer.

    Args:
        settings: Where the landing files are.
        source: A source, or what a connector was called (`--name`).
        statement: One select on `latest.<stream>`, `raw_<source>.<stream>` or the tables of schema `landing`.
        limit: Most rows to return.

    Raises:
        CallError: There is no such landing file, the statement isn't a select, or DuckDB can't make sense of it.
        WarehouseError: The query broke a limit.
    """
    from warehouse import locks

    path = landing_file(settings, source)
    what = f"warehouse sql --landing {source}"
    with (
        locks.hold(path, what=what, timeout=settings.lock_timeout),
        Reader(settings, path) as reader,
    ):
        return reader.ask(statement, limit=limit)


# --- within the process
# -----------------------------------------------------------------------------------------------


def _serve(
    path: Path, memory_limit: str, threads: int, questions: BinaryIO, answers: BinaryIO
) -> None:
    """Answer until nobody asks any more."""
    # Ctrl-C is for whoever asks
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with sql.open_locked(path, memory_limit=memory_limit, threads=threads) as con:
            _confine(con)
            _send(answers, pickle.dumps(None))
            while True:
                question = pickle.load(questions)  # noqa: S301 - this file wrote it
                signal.setitimer(signal.ITIMER_REAL, question.seconds + GRACE_SECONDS)
                answer = _answer(con, question)
                signal.setitimer(signal.ITIMER_REAL, 0)
                _send(answers, answer)
    except WarehouseError as error:
        _send(answers, pickle.dumps(error))
    except (EOFError, BrokenPipeError):
        pass


def _confine(con: duckdb.DuckDBPyConnection) -> None:
    """What no query may change: so much address space beside what is taken now, and no byte in any file."""
    limits = [(resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)]
    # macOS keeps no such limit: there DuckDB's own is all that holds memory
    if TAKEN.exists():
        sized = "select parse_formatted_bytes(current_setting('memory_limit'))"
        ((allowed,),) = con.execute(sized).fetchall()
        taken = int(TAKEN.read_text().split()[0]) * resource.getpagesize()
        limits.append((resource.RLIMIT_AS, taken + allowed + SLACK_BYTES))
    for limit, most in limits:
        resource.setrlimit(limit, (most, most))


def _answer(con: duckdb.DuckDBPyConnection, question: Question) -> bytes:
    try:
        answer = pickle.dumps(
            sql.ask(
                con, question.sql, parameters=question.parameters, limit=question.limit, seconds=question.seconds,
            )
        )  # fmt: skip
        if len(answer) <= ANSWER_BYTES:
            return answer
    except WarehouseError as error:
        return pickle.dumps(error)
    except MemoryError:
        pass
    return pickle.dumps(
        WarehouseError(
            f"the answer is larger than {ANSWER_BYTES / 1e6:,.0f} MB",
            "ask for fewer columns or rows",
        )
    )


def _send(answers: BinaryIO, message: bytes) -> None:
    answers.write(message)
    answers.flush()


if __name__ == "__main__":
    _serve(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), sys.stdin.buffer, sys.stdout.buffer)
