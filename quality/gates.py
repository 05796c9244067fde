"""Run quality gates, keep their results as rows, and refuse where something of severity error failed.

Reads: landing files (gate raw), schema gold (gates gold and scores) in `warehouse.duckdb` or, on the target spark, on
the cluster, the published edition's row counts. Writes: `ops.duckdb` (check_runs, check_results), Great Expectations'
data docs under `<home>/logs/quality/<gate>/`.
Run: `warehouse check [GATE]`; the DAGs and `warehouse run` call `check(..., enforce=True)`.
"""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from quality.expectations import CheckResult
from quality.suites.gold import Table
from warehouse import clock, duck, ledger, loads, locks, spark, spark_session
from warehouse.errors import CallError, GateRefused, WarehouseError
from warehouse.failpoints import hit
from warehouse.ledger import GATES
from warehouse.settings import Settings
from warehouse.sources import SOURCES

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from quality.engine import Evaluator


@dataclass(frozen=True)
class CheckReport:
    """What one call of `check` found; a call may run several gates.

    Attributes:
        gate: The gates, joined by a comma.
        run_id: Id of the run in `ops.check_results`.
        results: Every check, in order.
    """

    gate: str
    run_id: str
    results: list[CheckResult]

    @property
    def failures(self) -> list[CheckResult]:
        """Failed checks of severity error, which block the publish."""
        return [r for r in self.results if not r.success and r.severity == "error"]

    @property
    def warnings(self) -> list[CheckResult]:
        """Failed checks of severity warning."""
        return [r for r in self.results if not r.success and r.severity != "error"]

    @property
    def passed(self) -> bool:
        """Whether nothing of severity error failed."""
        return not self.failures


def check(gate: str | Sequence[str], settings: Settings, *, enforce: bool = False) -> CheckReport:
    """Evaluate the suites of one or more gates, all in this process.

    Args:
        gate: raw, gold, scores, or several of them.
        settings: Whose warehouse.
        enforce: Raise where something of severity error failed (after the results are kept).

    Raises:
        CallError: An unknown gate.
        GateRefused: `enforce` was asked, and a gate failed.
        WarehouseError: The warehouse was never built.
    """
    gates = [gate] if isinstance(gate, str) else list(gate)
    for name in gates:
        if name not in GATES:
            raise CallError(f"no gate '{name}'", f"gates are: {', '.join(GATES)}")
    now = clock.now(settings)
    run_id = uuid.uuid4().hex[:12]
    results: list[CheckResult] = []
    in_file = [name for name in gates if name != "raw"]
    if settings.target == spark.TARGET:
        spark.require()
        # the gate on landing files hides it from GE, unless it is there already: later stages of this process need it
        import_module("pyspark")
    if "raw" in gates:
        results += _run_raw(settings, ledger.naive(now), run_id)
    if in_file:
        results += _run_gold(settings, in_file, ledger.naive(now), run_id)
    report = CheckReport(", ".join(gates), run_id, results)
    if enforce and not report.passed:
        first = report.failures[0]
        raise GateRefused(
            first.gate,
            [describe(result) for result in report.failures if result.gate == first.gate],
        )
    return report


def describe(result: CheckResult) -> str:
    """One line: the table, what should hold, what was found."""
    return f"{result.table}: expected that {result.expectation}; {result.finding}"


def _run_raw(settings: Settings, now: datetime, run_id: str) -> list[CheckResult]:
    from quality.engine import DuckDBEvaluator
    from quality.suites import raw

    passed = ledger.latest_checks(settings, passed_only=True).get("raw")
    passed_scope = loads.from_text(passed.scope if passed else None)
    # taken before the check: what lands meanwhile belongs to the next run
    scope = raw.landing_scope(settings)
    docs_dir = _docs_dir(settings, "raw")
    with closing(DuckDBEvaluator(threads=settings.threads, docs_dir=docs_dir)) as opened:
        results = opened.run_all("raw", raw.suites(opened, settings, now, passed_scope))
        opened.build_docs()
    _checked(settings, "raw", run_id, results, loads.as_text(scope))
    return results


def _run_gold(
    settings: Settings, gates: Sequence[str], now: datetime, run_id: str
) -> list[CheckResult]:
    from quality import freshness
    from quality.suites import gold, scores

    if not settings.warehouse_db.exists():
        raise WarehouseError(
            "there is no warehouse to check yet", "run `warehouse build` (or `warehouse run`) first"
        )
    modules = {"gold": gold, "scores": scores}
    found: list[CheckResult] = []
    off = [
        spec.name
        for spec in SOURCES.values()
        if settings.mode == "real" and not spec.is_on(settings)
    ]
    what = f"quality gate {', '.join(gates)}"
    on_spark = settings.target == spark.TARGET
    if on_spark:
        spark_session.end_shared()
    # the lock is kept until the results are on record, so that no build can slip in between
    with (
        spark.hold_session(settings) if on_spark else nullcontext(),
        locks.hold(settings.warehouse_db, what=what, timeout=settings.lock_timeout),
        spark.open_session(settings) if on_spark else nullcontext() as session,
    ):
        tables = gold_tables(settings)
        at = gold.moment(now, settings.reporting_timezone)
        for gate in gates:
            with _evaluator(settings, gate, tables, session) as opened:
                results = opened.run_all(gate, modules[gate].suites(tables, at, off))
                opened.build_docs()
            if gate == "gold":
                results += freshness.results(settings, tables, now, off)
            _checked(settings, gate, run_id, results)
            found += results
    return found


@contextmanager
def _evaluator(
    settings: Settings, gate: str, tables: Mapping[str, Table], session: SparkSession | None
) -> Iterator[Evaluator]:
    """A gate's evaluator where gold's tables are: on the cluster of a session, or in the warehouse file."""
    docs_dir = _docs_dir(settings, gate)
    if session is not None:
        from quality.engine_spark import SparkEvaluator

        rows = {name: table.rows for name, table in tables.items()}
        yield SparkEvaluator(session, rows, docs_dir)
    else:
        from quality.engine import DuckDBEvaluator

        with closing(DuckDBEvaluator(threads=settings.threads, docs_dir=docs_dir)) as opened:
            opened.attach_schema(settings.warehouse_db, "gold")
            yield opened


def gold_tables(settings: Settings) -> dict[str, Table]:
    """Gold as it stands: columns, rows, and the published version's rows."""
    published = _published_rows(settings)
    con = duck.connect(settings.warehouse_db, read_only=True)
    try:
        columns: dict[str, dict[str, str]] = {}
        for table, column, kind in con.execute(
            # a view has no rows of its own: the tables that it reads are checked
            "select table_name, column_name, data_type from information_schema.columns "
            "semi join (from information_schema.tables where table_type = 'BASE TABLE') "
            "using (table_schema, table_name) "
            "where table_schema = 'gold' order by table_name, ordinal_position"
        ).fetchall():
            columns.setdefault(table, {})[column] = kind
        tables = {}
        for name, kinds in columns.items():
            row = con.execute(f'select count(*) from gold."{name}"').fetchone()
            tables[name] = Table(name, kinds, int(row[0]) if row else 0, published.get(name))
    finally:
        con.close()
    return tables


def _published_rows(settings: Settings) -> dict[str, int]:
    manifest = settings.published_dir / "current" / "manifest.json"
    if not manifest.exists():
        return {}
    try:
        return dict(json.loads(manifest.read_text(encoding="utf-8"))["tables"])
    except (ValueError, KeyError, TypeError):
        raise WarehouseError(
            f"can't read {manifest.resolve()}, so a sudden drop could not be seen",
            "go back to a whole version with `warehouse publish --rollback`",
        ) from None


def _docs_dir(settings: Settings, gate: str) -> Path:
    folder = settings.logs_dir / "quality" / gate
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True, mode=0o700)
    return folder


def _checked(
    settings: Settings,
    gate: str,
    run_id: str,
    results: Sequence[CheckResult],
    scope: str | None = None,
) -> None:
    hit("gate.checked", settings)
    keep(settings, gate, run_id, results, scope)


def keep(
    settings: Settings,
    gate: str,
    run_id: str,
    results: Sequence[CheckResult],
    scope: str | None = None,
) -> None:
    """Put a run's results on record.

    Args:
        settings: Whose `ops.duckdb`.
        gate: raw, gold, scores, or dbt_<layer>.
        run_id: Id of the run.
        results: What its checks found.
        scope: What was looked at.
    """
    ledger.record_check(
        settings,
        run_id=run_id,
        gate=gate,
        passed=all(result.success or result.severity != "error" for result in results),
        checked_at=clock.now(settings),
        scope=scope,
        results=[
            (
                r.suite, r.table, r.column, r.expectation, r.dimension, r.severity, r.success, r.observed, r.detail,
                r.advice,
            )
            for r in results
        ],
    )  # fmt: skip
