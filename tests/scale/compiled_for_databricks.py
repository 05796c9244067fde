"""Every model compiled for Databricks, by dbt-databricks and without a connection: no table is there yet.

Reads: a JSON file {"dbt": dbt's words, a list a command}.
Run: `python -m tests.scale.compiled_for_databricks work.json`, in a process of its own.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from unittest import mock

from dbt.adapters.base import available
from dbt.adapters.databricks.impl import DatabricksAdapter
from dbt.cli.main import dbtRunner

WITHOUT_CONNECTION = ["--no-introspect", "--no-populate-cache"]


@available
def nothing_is_there(*args: object, **kwargs: object) -> None:
    """What the adapter says of a relation that it does not find."""


def main(work: dict) -> bool:
    with mock.patch.object(DatabricksAdapter, "get_relation", nothing_is_there):
        return all(
            dbtRunner().invoke([*words, *WITHOUT_CONNECTION]).success for words in work["dbt"]
        )


if __name__ == "__main__":
    sys.exit(0 if main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))) else 1)
