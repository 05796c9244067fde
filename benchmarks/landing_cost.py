"""What one landing cost: each is measured in a process of its own, from the call to the closed file.

It lands a few rows first, so that what is loaded on first use does not count.

Standard library only, because the peers' environments import it too.
Reads: nothing. Writes: standard output. Run: imported by `benchmarks.landing_ways` and `benchmarks.landing_peers`.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.measuring import cpu_seconds

#: A way to land: the format, the folder of its files, an empty scratch folder; returns the rows that stand in the table.
Way = Callable[[str, Path, Path], int]


def main(ways: dict[str, Way]) -> None:
    """Take one way by name, and print its cost as a line of JSON: rows, wall and CPU seconds, highest resident bytes."""
    parser = argparse.ArgumentParser()
    parser.add_argument("way", choices=ways)
    parser.add_argument("format")
    parser.add_argument("few", type=Path, help="folder of a few rows")
    parser.add_argument("files", type=Path)
    parser.add_argument("scratch", type=Path)
    chosen = parser.parse_args()
    land = ways[chosen.way]
    for folder in ("few", "all"):
        (chosen.scratch / folder).mkdir()
    land(chosen.format, chosen.few, chosen.scratch / "few")
    cpu, start = cpu_seconds(), time.monotonic()
    rows = land(chosen.format, chosen.files, chosen.scratch / "all")
    wall, cpu = time.monotonic() - start, cpu_seconds() - cpu
    peak = max(
        resource.getrusage(who).ru_maxrss
        for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
    )
    print(json.dumps({"rows": rows, "wall": wall, "cpu": cpu, "peak_bytes": peak * 1024}))
