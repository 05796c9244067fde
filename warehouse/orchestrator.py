"""Airflow on this machine: `airflow standalone` with the project's DAGs, in a folder of its own, gone on Ctrl-C.

Doesn't import Airflow: it starts it, and stops every process it started.
Writes: `<home>/airflow` (its SQLite database, logs, generated password and key).
Run: `warehouse up`.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import requests
from cryptography.fernet import Fernet

from warehouse import locks
from warehouse.errors import LockTimeout, WarehouseError
from warehouse.settings import PROJECT_ROOT, Settings, child_environment

USER = "admin"
WRITER_POOL = "warehouse_writer"
START_SECONDS = 300
STOP_SECONDS = 20


@dataclass(frozen=True)
class Airflow:
    """A running Airflow: where it answers, and who may log in."""

    url: str
    user: str
    password: str
    process: subprocess.Popen[bytes]


@contextmanager
def airflow(
    settings: Settings, *, port: int = 8080, say: Callable[[str], None] = lambda _: None
) -> Iterator[Airflow]:
    """Run Airflow for the length of a `with` block, and leave no process behind.

    Args:
        settings: What the tasks run with; in sandbox mode already pointed at the served sources.
        port: Where the UI answers on 127.0.0.1; a free one is taken where it is in use (or 0).
        say: Told what is going on.

    Raises:
        WarehouseError: It runs already; or it ended or didn't answer in time, and its log says why.
    """
    home = settings.home / "airflow"
    home.mkdir(parents=True, exist_ok=True, mode=0o700)
    port = _free_port(port)
    url = f"http://127.0.0.1:{port}"
    with _alone(home, url) as lock:
        password = _password(home)
        environment = _environment(settings, home, port)
        say("preparing Airflow's database")
        _airflow(environment, home, "db", "migrate")
        _airflow(
            environment, home, "pools", "set", WRITER_POOL, "1", "one writer of the warehouse file"
        )
        say("starting Airflow (about a minute)")
        with _standalone(environment, home, lock, say) as process:
            _wait_until_healthy(url, process, home)
            yield Airflow(url, USER, password, process)


@contextmanager
def _alone(home: Path, url: str) -> Iterator[int]:
    """Hold the lock of Airflow's folder: two on one SQLite would run the same tasks. Yields its descriptor."""
    with ExitStack() as stack:
        try:
            what = f"`warehouse up` at {url}"
            lock = stack.enter_context(locks.hold(home, what=what, timeout=0))
        except LockTimeout as taken:
            raise WarehouseError(
                taken.message,
                "Ctrl-C stops it where it runs; where that process is gone, "
                f"`fuser {home}.lock` names what it left behind",
            ) from None
        yield lock


@contextmanager
def _standalone(
    environment: dict[str, str], home: Path, lock: int, say: Callable[[str], None]
) -> Iterator[subprocess.Popen[bytes]]:
    """`airflow standalone`, stopped with all it started at the end; where we are killed, it keeps the lock."""
    with (home / "standalone.log").open("ab") as log_file:
        process = subprocess.Popen(
            [_program("airflow"), "standalone"],
            env=environment,
            cwd=home,
            stdin=subprocess.DEVNULL,
            stdout=log_file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            pass_fds=[lock],
        )
    try:
        yield process
    finally:
        try:
            # a terminal that was closed takes no line any more
            say("stopping Airflow")
        finally:
            stop(process.pid)
            process.wait()


def stop(pid: int) -> None:
    """Stop a process with all its descendants: ask first, insist after a while."""
    try:
        parent = psutil.Process(pid)
        family = [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for sign in (signal.SIGTERM, signal.SIGKILL):
        # new children may have appeared while the old ones were being asked
        for process in list(family):
            if process.is_running():
                family += [c for c in _children(process) if c not in family]
        for process in family:
            try:
                process.send_signal(sign)
            except psutil.NoSuchProcess:
                continue
        _, family = psutil.wait_procs(family, timeout=STOP_SECONDS)
        if not family:
            return


def _children(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _environment(settings: Settings, home: Path, port: int) -> dict[str, str]:
    """Airflow's own settings: the defaults that bite, set right (no examples, loopback only, a key, few workers)."""
    path = f"{PROJECT_ROOT}{os.pathsep}{Path(sys.executable).parent}"
    base = child_environment(settings)
    return base | settings.environment() | {
        "AIRFLOW_HOME": str(home),
        "AIRFLOW__CORE__DAGS_FOLDER": str(PROJECT_ROOT / "dags"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__PARALLELISM": "3",
        "AIRFLOW__CORE__FERNET_KEY": _fernet_key(home),
        "AIRFLOW__CORE__AUTH_MANAGER": (
            "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager"
        ),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": f"{USER}:admin",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(home / "passwords.json"),
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"http://127.0.0.1:{port}/execution/",
        "AIRFLOW__API__HOST": "127.0.0.1",
        "AIRFLOW__API__PORT": str(port),
        "AIRFLOW__API__BASE_URL": f"http://127.0.0.1:{port}",
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API__SECRET_KEY": _secret(home / "api.key"),
        "AIRFLOW__API_AUTH__JWT_SECRET": _secret(home / "jwt.key"),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{home / 'airflow.db'}?timeout=60",
        "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        # a task that is due at once waits for an API that comes up slowly on a busy machine: minutes, not ten seconds
        "AIRFLOW__WORKERS__EXECUTION_API_RETRIES": "12",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "PYTHONPATH": path,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{base.get('PATH', '')}",
    }  # fmt: skip


def _airflow(environment: dict[str, str], home: Path, *words: str) -> None:
    done = subprocess.run(
        [_program("airflow"), *words],
        env=environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:] or ["no output"]
        raise WarehouseError(f"airflow {' '.join(words)} failed: {last[0]}", f"see {home}")


def _wait_until_healthy(url: str, process: subprocess.Popen[bytes], home: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise WarehouseError(
                f"Airflow ended with code {process.returncode} while starting",
                f"see {home / 'standalone.log'}",
            )
        try:
            health = requests.get(f"{url}/api/v2/monitor/health", timeout=5).json()
            parts = ("metadatabase", "scheduler", "dag_processor")
            if all(health[part]["status"] == "healthy" for part in parts):
                return
        except (requests.RequestException, ValueError, KeyError):
            pass  # it is not up yet
        time.sleep(1)
    raise WarehouseError(
        f"Airflow did not answer within {START_SECONDS} s", f"see {home / 'standalone.log'}"
    )


def _free_port(wanted: int) -> int:
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise WarehouseError("no free port on 127.0.0.1", "stop something that listens")


def _password(home: Path) -> str:
    passwords = home / "passwords.json"
    if not passwords.exists():
        _write_private(passwords, json.dumps({USER: secrets.token_urlsafe(12)}))
    return str(json.loads(passwords.read_text())[USER])


def _secret(path: Path) -> str:
    if not path.exists():
        _write_private(path, secrets.token_hex(32))
    return path.read_text()


def _fernet_key(home: Path) -> str:
    path = home / "fernet.key"
    if not path.exists():
        _write_private(path, Fernet.generate_key().decode())
    return path.read_text()


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)


def _program(name: str) -> str:
    return str(Path(sys.executable).parent / name)
