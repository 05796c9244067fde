"""The default sandbox, built on DuckDB and on a Spark cluster of two executor processes."""

from __future__ import annotations

import json
import re

from tests.road.conftest import Warehouse
from warehouse.sources import SOURCES
from warehouse.spark import EXECUTORS

SPARK = {"WAREHOUSE_TARGET": "spark"}


class BothTargets:
    """One company's landing files, and what each target builds of them."""

    def __init__(self, home: Warehouse) -> None:
        self.home = home

    def land(self) -> None:
        for source in SOURCES:
            self.home("sync", source)

    def build(self) -> None:
        """On DuckDB, then on Spark, where both layers run in one session."""
        self.home("build", "--layer", "silver", "--layer", "gold")
        self.home("build", "--layer", "silver", "--layer", "gold", **SPARK)

    def differences(self) -> list[str]:
        said = self.home("compare", "duckdb", "spark")
        assert re.search(r"✓ fact_api_usage +[1-9]", said)
        return [line for line in said.splitlines() if not line.startswith("✓")]

    def tasks(self) -> list[int]:
        """Tasks that each executor of the last build has run, as Spark's REST API told them."""
        said = json.loads((self.home.settings.dbt_target_dir / "spark" / EXECUTORS).read_text())
        return [one["tasks"] for one in said]
