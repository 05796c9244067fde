"""What this process and its children took: CPU and memory.

Standard library only, because the peers' environments import it too.
Reads: `/proc`. Writes: nothing. Run: by the benchmarks.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path


def cpu_seconds() -> float:
    """CPU seconds of this process so far, and of its children that have ended."""
    return sum(os.times()[:4])


class Peak:
    """The highest resident memory of any child process, looked at ten times a second.

    Use it as a context; `bytes` holds the figure afterwards.
    """

    def __init__(self) -> None:
        self.bytes = 0
        self._over = threading.Event()
        self._watch = threading.Thread(target=self._look, daemon=True)

    def __enter__(self) -> None:
        self._watch.start()

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._watch.join()

    def _look(self) -> None:
        own = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children")
        while not self._over.wait(0.1):
            for child in own.read_text().split():
                try:
                    status = Path(f"/proc/{child}/status").read_text()
                except OSError:
                    continue
                for line in status.splitlines():
                    if line.startswith("VmHWM:"):
                        self.bytes = max(self.bytes, int(line.split()[1]) * 1024)
