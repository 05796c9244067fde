"""dbt as a process of its own: it ends with the command that has started it."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil

from warehouse.settings import PROJECT_ROOT

# `warehouse build` with a dbt that says its id and waits
BUILD = """
import sys
from warehouse.cli import main
from warehouse import dbt_process
dbt_process.DBT = ({dbt!r},)
sys.argv = ["warehouse", "build"]
main()
"""


def test_sigterm_ends_dbt_too(tmp_path: Path) -> None:
    dbt, said = tmp_path / "dbt", tmp_path / "pid"
    dbt.write_text(f"#!/bin/sh\necho $$ > {said}.new && mv {said}.new {said}\nexec sleep 600\n")
    dbt.chmod(0o700)
    build = subprocess.Popen(
        [sys.executable, "-c", BUILD.format(dbt=str(dbt))],
        env={"WAREHOUSE_HOME": str(tmp_path / "data"), "PSEUDONYM_KEY": "a-key-for-tests-0123456789abcdef"},
        cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    deadline = time.monotonic() + 60
    while not said.exists() and time.monotonic() < deadline and build.poll() is None:
        time.sleep(0.05)
    child = psutil.Process(int(said.read_text()))
    build.send_signal(signal.SIGTERM)
    output, _ = build.communicate(timeout=60)
    assert (build.returncode, output.strip().splitlines()[-1]) == (130, "stopped")
    assert not child.is_running()
