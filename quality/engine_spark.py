"""Great Expectations on Spark: the suites of gold's tables run where those are, before anybody reads what came back.

Reads: the cluster's gold, through a session that the caller has opened. Writes: GE's data docs into a folder.
Run: by `quality.gates`, on the target spark.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path
from threading import local
from typing import Any

from pyspark.sql import SparkSession

from quality.engine import Evaluator
from quality.expectations import CheckResult, Suite, row_count

# as many as dbt has models (profiles.yml): a query's planning keeps one thread of the driver busy
SUITES_AT_ONCE = 4


class SparkEvaluator(Evaluator):
    """On one Spark session, which belongs to the caller.

    Args:
        session: Where the tables are.
        rows: Rows that came back from there, by table of gold: readers get those, so none may be missing.
        docs_dir: Where GE's data docs go; none otherwise.
    """

    def __init__(
        self, session: SparkSession, rows: Mapping[str, int], docs_dir: Path | None = None
    ) -> None:
        super().__init__(docs_dir)
        self._session = session
        self._rows = rows
        self._own = local()
        self._numbers = count(1)

    def run_all(self, gate: str, suites: Iterable[Suite]) -> list[CheckResult]:
        """Evaluate suites side by side: a small query leaves most of a cluster idle."""
        with ThreadPoolExecutor(SUITES_AT_ONCE) as pool:
            found = pool.map(partial(self.run, gate), suites)
            return [result for results in found for result in results]

    def run(self, gate: str, suite: Suite) -> list[CheckResult]:
        """Evaluate one suite, and whether all of its table came back."""
        rows = self._rows.get(suite.asset[1])
        if rows is None:
            return super().run(gate, suite)
        if not self._session.catalog.tableExists(".".join(suite.asset)):
            missing = "the cluster has lost the table; run `warehouse build --full-refresh`"
            return super().run(gate, replace(suite, error=missing))
        came_back = row_count(
            rows, rows, says="has as many rows as came back", advice="run `warehouse build` again"
        )
        return super().run(gate, replace(suite, checks=(*suite.checks, came_back)))

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL on the same session that the suites will see."""
        return [tuple(row) for row in self._session.sql(sql).collect()]

    def _batch(self, suite: Suite) -> tuple[Any, dict[str, Any] | None]:
        datasource, session = self._of_thread()
        asset = datasource.add_dataframe_asset(suite.name)
        frame = session.table(".".join(suite.asset))
        return asset.add_batch_definition_whole_dataframe("all"), {"dataframe": frame}

    def _of_thread(self) -> tuple[Any, SparkSession]:
        """A thread's datasource, on a session of its own: GE shows its table to every query under the same name."""
        if not hasattr(self._own, "pair"):
            session = self._session.newSession()
            # most tables are looked at once or twice: a copy in memory costs more than reading the columns again
            datasource = self._context.data_sources.add_spark(
                name=f"warehouse {next(self._numbers)}", persist=False
            )
            datasource.get_execution_engine().spark = session
            self._own.pair = datasource, session
        return self._own.pair
