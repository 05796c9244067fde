"""The default sandbox, built on DuckDB and on a Spark cluster of two executor processes."""

from __future__ import annotations

import json

from tests.road.conftest import Warehouse
from warehouse.comparison import TableComparison, compare
from warehouse.sources import SOURCES
from warehouse.spark import EXECUTORS

SPARK = {"WAREHOUSE_TARGET": "spark"}


class BothTargets:
    """One company's landing files, and what each target builds of them.

    Attributes:
        home: Its data folder, and the command line on it.
        said: What `warehouse run` has said on Spark.
    """

    def __init__(self, home: Warehouse) -> None:
        self.home = home
        self.said = ""

    def land(self) -> None:
        for source in SOURCES:
            self.home("sync", source)

    def run(self) -> None:
        """The whole road on Spark, from the sources to what people read; then gold on DuckDB, of what has landed."""
        self.said = self.home("run", **SPARK)
        self.home("build", "--layer", "silver", "--layer", "gold")

    def build(self, **of_spark: str) -> None:
        """On DuckDB, then on Spark (and settings for that), where both layers run in one session."""
        self.home("build", "--layer", "silver", "--layer", "gold")
        self.home("build", "--layer", "silver", "--layer", "gold", **SPARK, **of_spark)

    def differences(self) -> list[TableComparison]:
        """Tables of gold that say something else."""
        ours = self.home.settings
        found = compare(ours.warehouse_db, ours.over(target="spark").warehouse_db)
        assert any(one.table == "fact_api_usage" and one.right > 0 for one in found)
        return [one for one in found if one.differences]

    def tasks(self) -> list[int]:
        """Tasks that each executor of the last build has run, as Spark's REST API told them."""
        said = json.loads((self.home.settings.dbt_target_dir / "spark" / EXECUTORS).read_text())
        return [one["tasks"] for one in said]
