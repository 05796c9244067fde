"""Every model compiled for Databricks, by dbt-databricks and without a connection: no table is there yet.

Run: `python -m tests.scale.compiled_for_databricks …`, with dbt's words.
"""

from __future__ import annotations

import sys
from unittest import mock

from dbt.adapters.base import available
from dbt.adapters.databricks.impl import DatabricksAdapter
from dbt.cli.main import dbtRunner


@available
def nothing_is_there(*args: object, **kwargs: object) -> None:
    return None


def main(words: list[str]) -> bool:
    with mock.patch.object(DatabricksAdapter, "get_relation", nothing_is_there):
        return dbtRunner().invoke(words).success


if __name__ == "__main__":
    sys.exit(0 if main(sys.argv[1:]) else 1)
