"""The command line `warehouse`: a thin layer that parses, calls one function, and prints.

Run: `warehouse --help`. Exit codes: 0 done; 1 failed; 2 wrong call; 3 done, but rows were
quarantined above the warning share; 4 a gate refused to publish.
"""

from warehouse.cli.main import main

__all__ = ["main"]
