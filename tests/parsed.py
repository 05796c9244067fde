"""What dbt reads of the project before it builds anything: made once, and given to each test's data folder.

Without it a data folder costs 16 CPU seconds more for each of the two targets, and the suite has more than ten.

Writes: the folder that `tests/conftest.py` makes and removes.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from warehouse import locks
from warehouse.dbt_process import dbt_variables, run_dbt
from warehouse.settings import Settings

FOLDER = "TESTS_PARSED"  # environment variable: all workers share one
_FILE = "partial_parse.msgpack"


def key(settings: Settings) -> str:
    """What dbt reads is the same for settings of the same key."""
    variables = json.dumps(dbt_variables(settings), sort_keys=True)
    return hashlib.sha256(variables.encode()).hexdigest()


def give(settings: Settings, *targets: str) -> None:
    """Put what dbt read of the project into a data folder in which dbt has not run.

    Args:
        settings: Whose data folder, and the settings that dbt's variables follow from.
        *targets: `dev`, `gold`.
    """
    shared = settings.over(home=Path(os.environ[FOLDER]) / key(settings))
    for target in targets:
        made = shared.dbt_target_dir / target / _FILE
        with locks.hold(made, what="dbt parse"):
            if not made.exists():
                run_dbt(shared, ["parse"], target=target)
        theirs = settings.dbt_target_dir / target
        theirs.mkdir(parents=True, exist_ok=True)
        shutil.copy(made, theirs / _FILE)
