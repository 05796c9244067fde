"""What landing costs: a million usage events in each format, ours beside DuckDB's own reading and beside other tools.

Each landing is a process of its own, all ways of a format take turns, and the table shows medians and, of rows
per second, the ratio to DuckDB reading the same files into text columns (nothing of a value is lost there).
Ours is the whole of `warehouse sync usage`, or of `warehouse sync --exec`, called in that process.

Reads: nothing; makes its events (`benchmarks/landing_events.py`).
Writes: a scratch folder, which it removes; a table to standard output.
Run: `make bench-landing`, or `python -m benchmarks.landing --rows 10000000 --runs 1`. The peers are shown when
`make bench-peers` has installed them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import landing_events
from warehouse.settings import PROJECT_ROOT

FORMATS = (*landing_events.FORMATS, "messages")
OWN = ("ours", "duckdb-text", "duckdb-json")
LIMIT = "duckdb-text"
#: Other tools: what each can read, and its environment below `.peers`.
PEERS = {
    "dlt-arrow": ("dlt", ("jsonl", "parquet")),
    "target-duckdb": ("target-duckdb", ("messages",)),
    "pyairbyte": ("pyairbyte", ("messages",)),
}
#: The peers neither call home nor ask a registry.
QUIET = ("AIRBYTE_OFFLINE_MODE=1", "DO_NOT_TRACK=1", "RUNTIME__DLTHUB_TELEMETRY=false")
_PEER_ENVIRONMENTS = PROJECT_ROOT / ".peers"
_FEW = 100


@dataclass(frozen=True)
class Cost:
    """What one landing cost.

    Attributes:
        rows: Rows that stand in the table.
        wall: Seconds on the clock.
        cpu: CPU seconds, of child processes too.
        peak_bytes: Highest resident memory.
    """

    rows: int
    wall: float
    cpu: float
    peak_bytes: int


def land(python: Path, module: str, way: str, kind: str, few: Path, files: Path) -> Cost | str:
    """Land once, in a process of its own; the last line of its error if it failed."""
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        done = subprocess.run(
            ["env", *QUIET, python, "-m", module, way, kind, few / kind, files / kind, scratch],
            cwd=PROJECT_ROOT, capture_output=True, text=True, check=False,
        )  # fmt: skip
    if done.returncode:
        return (done.stderr.strip().splitlines() or ["failed"])[-1][:100]
    return Cost(**json.loads(done.stdout.splitlines()[-1]))


def measure(
    kind: str, few: Path, files: Path, some: Path, runs: int
) -> dict[str, list[Cost] | str]:
    """All ways to land a format, in turns.

    Args:
        kind: The format.
        few: Folder of a few rows, for the first look.
        files: Folder of all rows.
        some: Folder of the rows that the peers which go record by record get.
        runs: How often each.
    """
    ways: dict[str, tuple[Path, str, Path]] = {
        way: (Path(sys.executable), "benchmarks.landing_ways", files) for way in OWN
    }
    found: dict[str, list[Cost] | str] = {}
    for peer, (name, formats) in PEERS.items():
        python = _PEER_ENVIRONMENTS / name / "bin" / "python"
        if kind in formats and python.exists():
            ways[peer] = (python, "benchmarks.landing_peers", some if kind == "messages" else files)
        elif kind in formats:
            found[peer] = "not installed (make bench-peers)"
    for _ in range(runs):
        for way, (python, module, folder) in ways.items():
            cost = land(python, module, way, kind, few, folder)
            before = found.setdefault(way, [])
            if isinstance(cost, str) or isinstance(before, str):
                found[way] = cost if isinstance(cost, str) else before
            else:
                before.append(cost)
    return found


def report(kind: str, found: dict[str, list[Cost] | str]) -> None:
    """Print a format's lines of the table."""
    limit = found[LIMIT]
    speed = 0.0 if isinstance(limit, str) else _speed(limit)
    for way, costs in found.items():
        if isinstance(costs, str):
            print(f"{kind:<10} {way:<14} {costs}")
            continue
        millions = costs[0].rows / 1e6
        print(
            f"{kind:<10} {way:<14} {costs[0].rows:>11,} {_median(costs, 'wall'):>8.2f} {_median(costs, 'cpu'):>8.2f} "
            f"{_speed(costs):>10,.0f} {_speed(costs) / speed if speed else 0:>7.2f} "
            f"{_median(costs, 'cpu') / millions:>10.2f} {_median(costs, 'peak_bytes') / 2**20:>8.0f}",
            flush=True,
        )


def _median(costs: list[Cost], name: str) -> float:
    return statistics.median(getattr(cost, name) for cost in costs)


def _speed(costs: list[Cost]) -> float:
    return costs[0].rows / _median(costs, "wall")


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--runs", type=int, default=5, help="of each way")
    parser.add_argument("--formats", nargs="+", choices=FORMATS, default=FORMATS)
    parser.add_argument(
        "--peer-rows", type=int, default=50_000, help="messages for tools that go record by record"
    )
    chosen = parser.parse_args(arguments)
    scratch = Path(tempfile.mkdtemp(prefix="bench-"))
    few, files, some = scratch / "few", scratch / "all", scratch / "some"
    try:
        landing_events.make(few, _FEW, tuple(chosen.formats))
        landing_events.make(files, chosen.rows, tuple(chosen.formats))
        if "messages" in chosen.formats:
            landing_events.make(some, min(chosen.rows, chosen.peer_rows), ("messages",))
        print(
            f"{chosen.rows:,} events, medians of {chosen.runs}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}"
        )
        print(
            f"{'format':<10} {'way':<14} {'rows':>11} {'wall s':>8} {'CPU s':>8} {'rows/s':>10} {'ratio':>7} "
            f"{'CPU s/M':>10} {'peak MB':>8}"
        )
        for kind in chosen.formats:
            report(kind, measure(kind, few, files, some, chosen.runs))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


if __name__ == "__main__":
    main()
