"""What drives Great Expectations, and its engine for DuckDB (`quality.engine_spark` has Spark's).

GE 1.24 has no dialect for DuckDB. Through duckdb-engine its cursor is fetched after its connection was closed, so that
nothing evaluates; an execution engine that keeps the connection open cures that. All suites of a call run in one
process on one connection.

Reads: a DuckDB file (read-only) or an in-memory database that has landing files attached.
Writes: GE's data docs into a folder.
Run: by `quality.gates`.
"""

from __future__ import annotations

import atexit
import logging
import os
import sys
import uuid
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import Any

from quality.advice import advice_for
from quality.expectations import NO_ROWS, Check, CheckResult, Suite

log = logging.getLogger(__name__)

_GE_SEVERITY = {"error": "critical", "warning": "warning"}
SAMPLE = 5


class Evaluator(ABC):
    """An open GE context on the tables of one engine.

    Args:
        docs_dir: Where GE's data docs go; none otherwise.
    """

    def __init__(self, docs_dir: Path | None = None) -> None:
        import great_expectations as gx
        from great_expectations.data_context.types.base import ProgressBarsConfig

        logging.getLogger("great_expectations").setLevel(logging.ERROR)
        self._gx = gx
        self._context = gx.get_context(mode="ephemeral")
        self._context.enable_analytics(False)
        self._context.variables.progress_bars = ProgressBarsConfig(globally=False)
        # a definition is looked for and then added: two threads take turns
        self._stores = Lock()
        self._has_docs = docs_dir is not None
        if docs_dir is not None:
            self._context.add_data_docs_site(
                site_name="quality",
                site_config={
                    "class_name": "SiteBuilder",
                    "site_index_builder": {"class_name": "DefaultSiteIndexBuilder"},
                    "store_backend": {
                        "class_name": "TupleFilesystemStoreBackend",
                        "base_directory": str(docs_dir),
                    },
                },
            )

    @abstractmethod
    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL where the suites' tables are."""

    @abstractmethod
    def _batch(self, suite: Suite) -> tuple[Any, dict[str, Any] | None]:
        """A suite's table as GE's batch definition, and the parameters that it is read with."""

    def run_all(self, gate: str, suites: Iterable[Suite]) -> list[CheckResult]:
        """Evaluate suites, one after the other; their results in order."""
        return [result for suite in suites for result in self.run(gate, suite)]

    def run(self, gate: str, suite: Suite) -> list[CheckResult]:
        """Evaluate one suite."""
        if suite.error or suite.note:
            says = "table can be read" if suite.error else "table is expected to be absent"
            return [
                CheckResult(
                    gate, suite.name, suite.table, "", says, "completeness", "error",
                    not suite.error, "", suite.error or suite.note,
                    advice_for(suite.table, "", "completeness") if suite.error else "",
                )
            ]  # fmt: skip
        if not suite.checks:
            return []
        ge_suite = self._gx.ExpectationSuite(suite.name)
        for position, check in enumerate(suite.checks):
            ge_suite.add_expectation(self._expectation(check, position))
        with self._stores:
            definition, parameters = self._batch(suite)
            validation = self._gx.ValidationDefinition(
                name=suite.name, data=definition, suite=self._context.suites.add(ge_suite)
            )
            validation = self._context.validation_definitions.add(validation)
        outcome = validation.run(
            batch_parameters=parameters,
            result_format={"result_format": "SUMMARY", "partial_unexpected_count": SAMPLE},
        )
        results = {result.expectation_config.meta["position"]: result for result in outcome.results}
        return [
            self._result(gate, suite, check, results.get(position))
            for position, check in enumerate(suite.checks)
        ]

    def _result(self, gate: str, suite: Suite, check: Check, outcome: Any) -> CheckResult:
        success = bool(outcome is not None and outcome.success)
        found = dict(outcome.result) if outcome is not None and outcome.result else {}
        detail = "" if success else _detail(check, found, outcome, self._sample(suite, check))
        return CheckResult(
            gate, suite.name, suite.table, check.column, check.says,
            check.dimension, check.severity, success, _observed(found), detail,
            "" if success else check.advice or advice_for(suite.table, check.column, check.dimension),
        )  # fmt: skip

    def _sample(self, suite: Suite, check: Check) -> str:
        """Some of the rows that break a query check: GE counts them only."""
        query = check.arguments.get("unexpected_rows_query")
        if query is None:
            return ""
        schema, name = suite.asset
        batch = query.replace("{batch}", f"{schema}.{name}")
        try:
            rows = self.execute(f"select * from ({batch}) as faults limit {SAMPLE - 2}")
        except Exception as error:  # noqa: BLE001 - whatever the driver raises is already the check's failure
            log.debug("no sample of %s: %s", suite.name, error)
            return ""
        return "; ".join("(" + ", ".join(str(value)[:60] for value in row) + ")" for row in rows)

    def build_docs(self) -> None:
        """Write GE's data docs of everything that ran."""
        if self._has_docs:
            self._context.build_data_docs()

    def _expectation(self, check: Check, position: int) -> Any:
        from quality.no_rows import ExpectNoRows

        kind = ExpectNoRows if check.kind == NO_ROWS else getattr(self._gx.expectations, check.kind)
        return kind(
            **check.arguments,
            description=check.says,
            severity=_GE_SEVERITY[check.severity],
            meta={"position": position},
        )


class DuckDBEvaluator(Evaluator):
    """On one DuckDB connection; close it, or the files stay locked.

    Args:
        threads: Threads DuckDB may use.
        docs_dir: Where GE's data docs go; none otherwise.
    """

    def __init__(self, *, threads: int, docs_dir: Path | None = None) -> None:
        # GE would import pyspark where that is installed: seconds for nothing, and where there is no main file pyspark
        # ends the process. Gates on Spark have imported it before
        nothing: Any = None
        sys.modules.setdefault("pyspark", nothing)
        super().__init__(docs_dir)
        from great_expectations.datasource.fluent.sql_datasource import SQLDatasource

        warnings.filterwarnings("ignore", module=r"duckdb_engine|great_expectations")
        SQLDatasource.execution_engine_override = _kept_open_engine()
        config: dict[str, Any] = {
            "autoinstall_known_extensions": False,
            "autoload_known_extensions": False,
            "threads": threads,
        }
        self._datasource = self._context.data_sources.add_sql(
            name="warehouse",
            # GE opens a second engine of its own to test assets: only a named database in memory is seen by both.
            # Files are attached to it, not opened by it: that way we say when they are let go.
            connection_string=f"duckdb:///:memory:gate_{uuid.uuid4().hex}",
            create_temp_table=False,
            kwargs={"connect_args": {"config": config}},
        )
        self._attached: list[str] = []
        self.execute("set timezone = 'UTC'")

    def execute(self, sql: str) -> list[tuple[Any, ...]]:
        """Run SQL on the same connection that the suites will see."""
        engine = self._datasource.get_execution_engine()
        with engine.get_connection() as connection:
            # what GE read is still an open transaction, and a file that was read in it can't be detached
            connection.commit()
            cursor = connection.exec_driver_sql(sql)
            rows = [tuple(row) for row in cursor.fetchall()] if cursor.returns_rows else []
            connection.commit()
        return rows

    def attach(self, path: Path, name: str) -> None:
        """Attach a DuckDB file read-only."""
        escaped = str(path).replace("'", "''")
        self.execute(f"attach '{escaped}' as {name} (read_only)")
        self._attached.append(name)

    def detach(self, name: str) -> None:
        """Let go of an attached file."""
        self.execute(f"detach {name}")
        self._attached.remove(name)

    def attach_schema(self, path: Path, schema: str) -> None:
        """Attach a DuckDB file read-only and show one of its schemas under its own name."""
        self.attach(path, "attached_file")
        self.execute(f"create schema {schema}")
        for (table,) in self.execute(
            "select table_name from information_schema.tables "
            f"where table_catalog = 'attached_file' and table_schema = '{schema}' order by table_name"
        ):
            self.execute(
                f'create view {schema}."{table}" as select * from attached_file.{schema}."{table}"'
            )

    def _batch(self, suite: Suite) -> tuple[Any, dict[str, Any] | None]:
        schema, name = suite.asset
        asset = self._datasource.add_table_asset(suite.name, table_name=name, schema_name=schema)
        return asset.add_batch_definition_whole_table("all"), None

    def close(self) -> None:
        """Let go of the files."""
        for name in list(self._attached):
            self.detach(name)
        engine = self._datasource.get_execution_engine()
        engine.close()
        engine.engine.dispose()
        self._datasource.get_engine().dispose()


_engines: list[type] = []


def _kept_open_engine() -> type:
    """GE's SQL engine with one connection that stays open (made late: its base class is GE's)."""
    if _engines:
        return _engines[0]
    from great_expectations.execution_engine import SqlAlchemyExecutionEngine

    atexit.register(_hush_exit)

    class KeptOpenEngine(SqlAlchemyExecutionEngine):
        """One connection, opened at first use, closed by `close`."""

        @contextmanager
        def get_connection(self) -> Iterator[Any]:
            if self._connection is None:
                self._connection = self.engine.connect()
            yield self._connection

        def close(self) -> None:
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            super().close()

    _engines.append(KeptOpenEngine)
    return KeptOpenEngine


def _observed(found: dict[str, Any]) -> str:
    if found.get("observed_value") is not None:
        value = str(found["observed_value"])
        return value if len(value) <= 200 else value[:197] + "…"
    if "unexpected_count" in found:
        return f"{found['unexpected_count']} of {found.get('element_count', 0)} rows"
    return ""


def _hush_exit() -> None:
    """Close stderr for the very end of the process.

    Where GE and duckdb-engine are both loaded, DuckDB's binding finds its own module objects alive after
    Python has gone and prints pages of "nanobind: leaked". Tracebacks have been printed by the time this runs.
    """
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _detail(check: Check, found: dict[str, Any], outcome: Any, sample: str) -> str:
    error = _exception(outcome)
    if error:
        return f"could not be evaluated: {error}"
    parts = []
    if check.kind == NO_ROWS:
        parts.append(
            f"{found.get('observed_value', '?')} rows break it"
            + (f", such as {sample}" if sample else "")
        )
    elif "unexpected_count" in found:
        values = ", ".join(
            str(value) for value in found.get("partial_unexpected_list", [])[:SAMPLE]
        )
        parts.append(
            f"{found['unexpected_count']} rows break it" + (f", such as {values}" if values else "")
        )
    elif "observed_value" in found:
        parts.append(f"observed {_observed(found)}")
    return "; ".join(parts)


def _exception(outcome: Any) -> str:
    if outcome is None:
        return "no result came back"
    info = outcome.exception_info or {}
    candidates = [info] if "raised_exception" in info else list(info.values())
    for candidate in candidates:
        if isinstance(candidate, dict) and candidate.get("raised_exception"):
            lines = str(candidate.get("exception_message", "")).splitlines()
            return lines[0] if lines else "an exception without a message"
    return ""
