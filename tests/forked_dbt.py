"""dbt for tests that start it often: a server has read dbt and the project once, and each command is a fork of it.

A start of dbt costs 5.5 CPU seconds before it does anything, a fork 1. It is the same dbt on the same models, in a process
of its own with the same environment, folder and locks; tests that start `warehouse …`, or kill, have the real thing.

Run: `python -m tests.forked_dbt SOCKET`, by `child`; ends when whoever started it does.
"""

from __future__ import annotations

import array
import contextlib
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

from tests import parsed
from warehouse import dbt_process
from warehouse.settings import PROJECT_ROOT, Settings

real_child = dbt_process.child


@dataclass
class Forked:
    """What `warehouse.dbt_process` needs to know of a process."""

    pid: int
    stdout: TextIO
    _answer: TextIO

    def wait(self) -> int:
        """Its exit code; it tells it, unless it was killed."""
        return int(self._answer.readline() or -signal.SIGKILL)


class Server:
    """The server of this process, started when the first command comes."""

    def __init__(self) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="dbt-"))
        self._path = str(self._folder / "socket")
        # it ends when this end of the pipe is closed
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.forked_dbt", self._path],
            cwd=PROJECT_ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout
        assert self._process.stdout.readline() == "ready\n"

    def close(self) -> None:
        """Let it end."""
        self._process.communicate()
        shutil.rmtree(self._folder)

    def read(self, settings: Settings, target: str) -> Path:
        """Where what dbt reads of the project is kept, for the variables of these settings."""
        here = settings.over(home=self._folder / parsed.key(settings))
        folder = here.dbt_target_dir / target
        if not folder.exists():
            parsed.give(here, target)
        return folder

    @contextmanager
    def run(self, request: dict[str, Any], locks: Sequence[int]) -> Iterator[Forked]:
        """A fork that runs a command."""
        reading, writing = os.pipe()
        with (
            socket.socket(socket.AF_UNIX) as connection,
            connection.makefile("r") as answer,
            os.fdopen(reading) as stdout,
        ):
            connection.connect(self._path)
            given = array.array("i", [writing, *locks])
            connection.sendmsg([b"!"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, given)])
            os.close(writing)
            connection.sendall(json.dumps(request).encode() + b"\n")
            pid = int(answer.readline())
            try:
                yield Forked(pid, stdout, answer)
            except BaseException:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
                raise


_server: Server | None = None


@contextmanager
def child(
    line: Sequence[str], settings: Settings, environment: dict[str, str], locks: Sequence[int]
) -> Iterator[Any]:
    """In the place of `warehouse.dbt_process.child`."""
    global _server  # noqa: PLW0603 - one for all tests of a worker
    # what a server stands on, and a program in the place of dbt
    if "parse" in line or Path(line[0]) != Path(sys.executable).parent / "dbt":
        with real_child(line, settings, environment, locks) as process:
            yield process
        return
    target = line[line.index("--target") + 1]
    _server = _server or Server()
    request = {
        "arguments": line[1:],
        "home": str(settings.home),
        "environment": environment,
        "read": str(_server.read(settings, target)),
    }
    with _server.run(request, locks) as forked:
        yield forked


def close() -> None:
    """Let the server end, where there is one."""
    global _server  # noqa: PLW0603 - one for all tests of a worker
    if _server is not None:
        _server.close()
        _server = None


def serve(path: str) -> None:
    """Take commands, until our standard input ends."""
    from dbt.cli.main import dbtRunner

    manifests: dict[str, Any] = {}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(path)
        door.listen()
        print("ready", flush=True)
        while sys.stdin not in select.select([door, sys.stdin], [], [])[0]:
            connection, _ = door.accept()
            _, passed, _, _ = connection.recvmsg(1, socket.CMSG_SPACE(64 * 4))
            descriptors = array.array("i")
            for _, _, data in passed:
                descriptors.frombytes(data)
            request = json.loads(connection.makefile("r").readline())
            _become(request)
            read = request["read"]
            if read not in manifests:
                manifests[read] = dbtRunner().invoke(_parsing(request)).result
            if os.fork() == 0:
                _run(dbtRunner(manifest=manifests[read]), request, descriptors[0], connection)
            connection.close()
            for descriptor in descriptors:
                os.close(descriptor)


def _become(request: dict[str, Any]) -> None:
    os.environ.clear()
    os.environ.update(request["environment"])
    time.tzset()
    os.chdir(request["home"])


def _parsing(request: dict[str, Any]) -> list[str]:
    """The command's own options that say what is read, and where it was read before."""
    given = request["arguments"]
    kept = ["--project-dir", "--target", "--vars"]
    options = [word for name in kept for word in (name, given[given.index(name) + 1])]
    return [
        "--quiet",
        "--log-level-file",
        "none",
        "parse",
        *options,
        "--target-path",
        request["read"],
    ]


def _run(runner: Any, request: dict[str, Any], output: int, connection: socket.socket) -> NoReturn:
    connection.sendall(f"{os.getpid()}\n".encode())
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for stream in (1, 2):
        os.dup2(output, stream)
    os.close(output)
    given = request["arguments"]
    target = Path(given[given.index("--target-path") + 1])
    target.mkdir(parents=True, exist_ok=True)
    shutil.copy(Path(request["read"]) / "manifest.json", target)
    outcome = runner.invoke(given)
    if outcome.exception is not None:
        print(outcome.exception)
    code = 0 if outcome.success else 1 if outcome.exception is None else 2
    sys.stdout.flush()
    connection.sendall(f"{code}\n".encode())
    sys.exit(code)


if __name__ == "__main__":
    serve(sys.argv[1])
