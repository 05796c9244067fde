"""`warehouse up` on a stand-in for Airflow: it ends with its terminal, and there is one of it."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from warehouse.locks import hold
from warehouse.settings import Settings

# all but `standalone` is done at once; that answers as Airflow does when it is well
AIRFLOW = """#!{python}
import json, os, sys
from http.server import BaseHTTPRequestHandler, HTTPServer
if sys.argv[1] != "standalone":
    sys.exit()
class Health(BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        parts = ("metadatabase", "scheduler", "dag_processor")
        self.wfile.write(json.dumps({{part: {{"status": "healthy"}} for part in parts}}).encode())
HTTPServer(("127.0.0.1", int(os.environ["AIRFLOW__API__PORT"])), Health).serve_forever()
"""
UP = """
import fcntl, sys, termios
from warehouse import orchestrator
from warehouse.cli import main
if sys.stdin.isatty():
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
orchestrator._program = lambda _: {airflow!r}
sys.argv = ["warehouse", "up", "--port", "0"]
main()
"""


class Ups:
    """Starts `warehouse up` on one data folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.home = folder, folder / "data"
        self.airflow = folder / "airflow"
        self.airflow.write_text(AIRFLOW.format(python=sys.executable))
        self.airflow.chmod(0o700)

    def start(self, terminal: int) -> subprocess.Popen:
        """In a session of its own, with that for its terminal (or -1: none)."""
        ours = {str(field.validation_alias) for field in Settings.model_fields.values()}
        kept = {name: value for name, value in os.environ.items() if name not in ours}
        # real mode makes no company first
        variables = {"WAREHOUSE_HOME": str(self.home), "WAREHOUSE_MODE": "real", "COLUMNS": "300"}
        return subprocess.Popen(
            [sys.executable, "-c", UP.format(airflow=str(self.airflow))],
            env=kept | variables | {"PSEUDONYM_KEY": "k" * 64},
            cwd=self.folder,
            stdin=subprocess.DEVNULL if terminal < 0 else terminal,
            stdout=subprocess.PIPE if terminal < 0 else terminal,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )

    def standalone(self) -> list[psutil.Process]:
        """What runs of our stand-in."""
        found = psutil.process_iter(["cmdline"])
        return [
            process for process in found if str(self.airflow) in (process.info["cmdline"] or [])
        ]


@pytest.fixture
def ups(tmp_path):
    made = Ups(tmp_path)
    yield made
    for process in made.standalone():
        process.kill()


def read_until(terminal: int, words: bytes) -> None:
    said = b""
    while words not in said:
        said += os.read(terminal, 10_000)


def test_closing_the_terminal_stops_airflow(ups):
    terminal, end = pty.openpty()
    up = ups.start(end)
    os.close(end)
    read_until(terminal, b"Ctrl-C stops it")
    assert len(ups.standalone()) == 1
    os.close(terminal)
    up.wait(timeout=60)
    assert ups.standalone() == []


def test_a_second_one_says_who_has_it_even_where_the_first_was_killed(ups):
    terminal, end = pty.openpty()
    first = ups.start(end)
    os.close(end)
    read_until(terminal, b"Ctrl-C stops it")

    def second() -> str:
        said, _ = ups.start(-1).communicate(timeout=60)
        return said.decode()

    assert "airflow is in use by `warehouse up` at http://127.0.0.1:" in (said := second())
    assert f"(pid {first.pid})" in said
    assert len(ups.standalone()) == 1
    first.send_signal(signal.SIGKILL)
    first.wait()
    assert f"`fuser {ups.home}/airflow.lock` names what it left behind" in second()
    (left,) = ups.standalone()
    left.kill()
    left.wait(10)
    with hold(ups.home / "airflow", what="me", timeout=5):
        pass
    os.close(terminal)
