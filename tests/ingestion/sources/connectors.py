"""Runs a connector as the runner does: a process of its own, protocol messages on its stdout."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]


@dataclass
class Outcome:
    """What a connector said."""

    code: int
    messages: list[dict[str, Any]]
    records: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    states: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    statuses: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    counted: Counter = field(default_factory=Counter)
    errors: list[dict[str, Any]] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    stderr: str = ""

    def ids(self, stream: str) -> list[str]:
        return [record["id"] for record in self.records[stream]]

    def one(self, stream: str, identity: str) -> dict[str, Any]:
        """The last record of an object."""
        return [record for record in self.records[stream] if record["id"] == identity][-1]

    def resume(self) -> list[dict[str, Any]]:
        """The last state of each stream, as a state file has it."""
        return [
            {
                "type": "STREAM",
                "stream": {"stream_descriptor": {"name": name}, "stream_state": states[-1]},
            }
            for name, states in self.states.items()
        ]

    def error(self) -> str:
        assert len(self.errors) == 1, self.errors
        return self.errors[0]["message"]


def outcome_of(code: int, text: str, stderr: str = "") -> Outcome:
    found = Outcome(code, [json.loads(line) for line in text.split("\n") if line], stderr=stderr)
    since_state: Counter = Counter()
    for message in found.messages:
        if message["type"] == "RECORD":
            record = message["record"]
            found.records[record["stream"]].append(record["data"])
            since_state[record["stream"]] += 1
        elif message["type"] == "STATE":
            stream = message["state"]["stream"]
            name = stream["stream_descriptor"]["name"]
            assert message["state"]["sourceStats"]["recordCount"] == since_state.pop(name, 0)
            found.states[name].append(stream["stream_state"])
        elif message["type"] == "TRACE" and message["trace"]["type"] == "STREAM_STATUS":
            status = message["trace"]["stream_status"]
            found.statuses[status["stream_descriptor"]["name"]].append(status["status"])
        elif message["type"] == "TRACE" and message["trace"]["type"] == "ERROR":
            found.errors.append(message["trace"]["error"])
        elif message["type"] == "LOG":
            found.logs.append(message["log"]["message"])
    return found


def catalog_of(*streams: str, mode: str = "incremental") -> dict[str, Any]:
    return {
        "streams": [
            {
                "stream": {
                    "name": name,
                    "json_schema": {},
                    "supported_sync_modes": ["full_refresh", "incremental"],
                },
                "sync_mode": mode,
                "destination_sync_mode": "append",
            }
            for name in streams
        ]
    }


def run(
    source: str,
    command: str,
    tmp_path: Path,
    config: dict[str, Any],
    catalog: dict[str, Any] | None = None,
    state: list[dict[str, Any]] | str | None = None,
) -> Outcome:
    """Start `python -m ingestion.sources.<source> <command>` and read what it says."""
    arguments = [sys.executable, "-m", f"ingestion.sources.{source}", command]
    files = {"config": config, "catalog": catalog, "state": state}
    for name, content in files.items():
        if content is None or command == "spec":
            continue
        path = tmp_path / f"{name}.json"
        path.write_text(content if isinstance(content, str) else json.dumps(content))
        arguments += [f"--{name}", str(path)]
    done = subprocess.run(
        arguments, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False
    )
    return outcome_of(done.returncode, done.stdout, done.stderr)


def read_here(
    source: Any, config: dict[str, Any], catalog: dict[str, Any], state: Any = None
) -> Outcome:
    """The same read without a new process (importing airbyte-cdk takes 3 s each time)."""
    import io
    import logging
    import tempfile

    from ingestion.sources.protocol import launch

    class Keep(logging.Handler):
        def __init__(self) -> None:
            super().__init__()
            self.lines: list[str] = []

        def emit(self, record: logging.LogRecord) -> None:
            self.lines.append(record.getMessage())

    keep = Keep()
    out = io.BytesIO()
    logging.getLogger("airbyte").addHandler(keep)
    try:
        with tempfile.TemporaryDirectory() as folder:
            arguments = ["read"]
            for name, content in (("config", config), ("catalog", catalog), ("state", state)):
                if content is not None:
                    path = Path(folder) / f"{name}.json"
                    path.write_text(content if isinstance(content, str) else json.dumps(content))
                    arguments += [f"--{name}", str(path)]
            code = launch(source, arguments, out)
    finally:
        logging.getLogger("airbyte").removeHandler(keep)
    found = outcome_of(code, out.getvalue().decode())
    found.logs.extend(keep.lines)
    return found
