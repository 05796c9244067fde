"""Run dbt, layer by layer, as a process of its own (in-process dbt would keep the warehouse file locked).

On DuckDB all of it happens in the warehouse file. On Spark dbt reads the raw lake and leaves its tables there; gold
comes back into the target's own warehouse file (`warehouse.exchange`).

Reads: landing files (bronze, silver), `warehouse.duckdb` (gold and what follows the ML step).
Writes: `warehouse.duckdb`, one row per finished layer in `ops.builds`, what its tests found in `ops.check_results`,
dbt's artifacts under `<home>/dbt`.
Run: `warehouse build [--layer L] [--full-refresh]`.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from warehouse import clock, duck, exchange, lake, ledger, loads, spark
from warehouse.errors import CallError, WarehouseError
from warehouse.failpoints import hit
from warehouse.locks import hold
from warehouse.settings import PROJECT_ROOT, Settings, child_environment
from warehouse.sources import SOURCES

log = logging.getLogger(__name__)

DBT_PROJECT = PROJECT_ROOT / "dbt_project"
# beside the Python that runs us
DBT = (str(Path(sys.executable).parent / "dbt"),)
DBT_ON_SPARK = (sys.executable, "-m", "warehouse.spark")
Process = subprocess.Popen[str]
SPARK_SETTINGS = (
    "WAREHOUSE_HOME", "WAREHOUSE_TARGET", "SPARK_MASTER", "SPARK_DRIVER_MEMORY", "SPARK_PROPERTIES",
)  # fmt: skip
# failed tests of which a row is named
NAMED_ROWS = 3


@dataclass(frozen=True)
class Layer:
    """A part of the dbt project that is built by one start of dbt.

    Attributes:
        name: What people call it.
        select: dbt's selection.
        exclude: What is left to a later layer.
        reads_landing: Whether the landing files are attached (and locked) meanwhile.
    """

    name: str
    select: str
    exclude: str = ""
    reads_landing: bool = False


LAYERS: dict[str, Layer] = {
    layer.name: layer
    for layer in (
        Layer("silver", "path:seeds path:models/bronze path:models/silver", reads_landing=True),
        Layer("gold", "path:models/gold path:models/fingerprints", exclude="tag:after_ml"),
        Layer("ml", "tag:after_ml"),
    )
}
# bronze is views on landing: it is built together with the silver tables that read it
ALIASES = {"bronze": "silver"}


@dataclass(frozen=True)
class BuildResult:
    """What one layer's build did: how many nodes ran, and dbt's own seconds."""

    layer: str
    models: int
    tests: int
    seconds: float


def build(
    settings: Settings,
    layers: Sequence[str] = ("silver", "gold"),
    *,
    full_refresh: bool = False,
    progress: Callable[[str], None] | None = None,
) -> list[BuildResult]:
    """Build layers in order: `build_each`, to its end."""
    return list(build_each(settings, layers, full_refresh=full_refresh, progress=progress))


def build_each(
    settings: Settings,
    layers: Sequence[str],
    *,
    full_refresh: bool = False,
    progress: Callable[[str], None] | None = None,
) -> Iterator[BuildResult]:
    """Build layers in order; each is one dbt command that runs its models and their tests.

    On Spark all of them run in one session, which the second finds warm: the `shared_session`, if there is one.

    Args:
        settings: Where everything is.
        layers: Names out of `LAYERS`.
        full_refresh: Rebuild incremental models from everything landed.
        progress: Told a line per finished node.

    Yields:
        What a layer's build did, once it has ended.

    Raises:
        CallError: An unknown layer.
        WarehouseError: A model or test failed; the message names it. The published version is not
        touched.
    """
    names = list(dict.fromkeys(ALIASES.get(layer, layer) for layer in layers))
    for name in names:
        if name not in LAYERS:
            raise CallError(f"no layer '{name}'", f"layers are: {', '.join(LAYERS)}")
    if settings.target == spark.TARGET:
        spark.require()
    what = f"warehouse build of {', '.join(names)}"
    with ExitStack() as stack:
        session = None
        if settings.target == spark.TARGET:
            session = (_shared or stack.enter_context(SparkSessions(settings))).process()
        # kept from layer to layer: the next one reads what this one made
        lock = stack.enter_context(
            hold(settings.warehouse_db, what=what, timeout=settings.lock_timeout)
        )
        dbt = partial(run_dbt, settings, progress=progress, session=session)
        for name in names:
            yield _build_layer(settings, LAYERS[name], full_refresh, dbt, lock)


def _build_layer(
    settings: Settings, layer: Layer, full_refresh: bool, dbt: Callable[..., None], lock: int
) -> BuildResult:
    with ExitStack() as locks:
        held = [lock]
        taken_in: dict[str, int] = {}
        if layer.reads_landing:
            from ingestion.destination.opening import ensure

            what = f"warehouse build of {layer.name}"
            for source in SOURCES:
                ensure(source, settings)
                if settings.target == "duckdb":
                    landing = settings.landing(source)
                    held.append(
                        locks.enter_context(hold(landing, what=what, timeout=settings.lock_timeout))
                    )
                taken_in[source] = loads.last_load_id(source, settings)
            if settings.target == spark.TARGET:
                # dbt reads it to the layer's end: an export meanwhile would show it two moments
                locks.enter_context(lake.hold_raw(settings, what))
        hit("build.begun", settings)
        _make_schemas(settings)
        if settings.target == spark.TARGET:
            _hand_out(settings, layer)
        premises = _premises_file(settings, layer.name)
        noted = premises.read_text() if premises.exists() else None
        built_on = _premises(settings, layer)
        full_refresh = full_refresh or noted != built_on
        if settings.target == spark.TARGET:
            # a cluster changes a table file by file: where that dies half done, the next build is a full one
            premises.unlink(missing_ok=True)
        command = [
            "build", "--select", layer.select,
            *(["--exclude", layer.exclude] if layer.exclude else []),
            # hand-worked cases test the code, not the day's data: they run in `make test`
            "--exclude-resource-types", "unit_test",
            *(["--full-refresh"] if full_refresh else []),
        ]  # fmt: skip
        name = _target(settings, layer)
        target = settings.dbt_target_dir / name
        # what an earlier start found is not what this one finds
        results = target / "run_results.json"
        results.unlink(missing_ok=True)
        try:
            dbt(command, target=name, locks=held)
        except WarehouseError:
            # why dbt failed is told; what its tests found is kept if it can be
            with suppress(WarehouseError, duckdb.Error):
                _record_tests(settings, layer, target)
            # dbt has come to its end
            if noted is not None and results.exists():
                _note(premises, noted)
            raise
        _record_tests(settings, layer, target)
        result = _read_results(layer, target)
        hit("build.dbt_ended", settings)
        _note(premises, built_on)
        hit("build.noted", settings)
        if settings.target == spark.TARGET and not layer.reads_landing:
            _bring_back(settings, target / "manifest.json", held)
    ledger.record_build(settings, layer.name, clock.now(settings), taken_in=taken_in)
    hit("build.recorded", settings)
    return result


def _record_tests(settings: Settings, layer: Layer, target: Path) -> None:
    """Keep what dbt's tests found, those of a build that failed too: data-quality scores are made of them."""
    from quality.dbt_tests import record

    record(settings, layer.name, target, lambda query: first_row(settings, query))


def _note(path: Path, text: str) -> None:
    """Write a small file whole or not at all: half of it would say nothing to the next build."""
    fresh = path.with_suffix(".partial")
    fresh.write_text(text)
    fresh.replace(path)


def _premises(settings: Settings, layer: Layer) -> str:
    """What every day of an incremental table was built on: settings, seeds, landing files; not the clock.

    Another reporting time zone or compute multiplier changes old days too, and a landing file that was
    lost and synced again counts its loads from 1: then everything is rebuilt. So it is where a rule was
    changed.
    """
    if layer.reads_landing:
        landed = {source: str(loads.first_load_at(source, settings)) for source in SOURCES}
    else:
        below = _premises_file(settings, "silver")
        landed = json.loads(below.read_text())["landed"] if below.exists() else {}
    seeds = {
        seed.name: hashlib.sha256(seed.read_bytes()).hexdigest()
        for seed in sorted((DBT_PROJECT / "seeds").glob("*.csv"))
    }
    # variables without a setting stand in the project file
    project = hashlib.sha256((DBT_PROJECT / "dbt_project.yml").read_bytes()).hexdigest()
    return json.dumps(
        {
            "variables": dbt_variables(settings),
            "project": project,
            "seeds": seeds,
            "landed": landed,
            "rules": _rules(layer),
        },
        sort_keys=True,
    )


def _rules(layer: Layer) -> str:
    """One hash of all models up to a layer, and all macros: incremental tables hold what the rules of their time made.

    Views count too: what is taken in goes by rows that changed, and a view's rule changes none.
    """
    above = {"gold", "semantic", "fingerprints"} if layer.reads_landing else set()
    models = (DBT_PROJECT / "models").glob("**/*.sql")
    below = [
        path for path in models if path.relative_to(DBT_PROJECT / "models").parts[0] not in above
    ]
    digest = hashlib.sha256()
    for path in sorted([*below, *DBT_PROJECT.glob("macros/**/*.sql")]):
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _target(settings: Settings, layer: Layer) -> str:
    if settings.target != "duckdb":
        return settings.target
    return "dev" if layer.reads_landing else "gold"


def _premises_file(settings: Settings, layer: str) -> Path:
    suffix = "" if settings.target == "duckdb" else f"-{settings.target}"
    return settings.dbt_target_dir / f"premises-{layer}{suffix}.json"


def _hand_out(settings: Settings, layer: Layer) -> None:
    """What a layer reads that was not made on the cluster goes into the lake."""
    if layer.reads_landing:
        from ingestion.lake import export_raw

        # each landing file is locked while it is exported, not while the cluster works
        export_raw(settings, SOURCES)
    if layer.name == "ml":
        exchange.hand_out_scores(settings)


def _bring_back(settings: Settings, manifest: Path, locks: Sequence[int]) -> None:
    """Gold comes back as tables; its views are made over them, by DuckDB's own target."""
    exchange.bring_gold(settings, manifest)
    views = ["run", "--select", "path:models/gold,config.materialized:view"]
    run_dbt(settings, views, target="gold", locks=locks)


def _make_schemas(settings: Settings) -> None:
    """Make the warehouse file in the storage version that today's clients can open, before dbt makes it in its own."""
    con = duck.connect(settings.warehouse_db)
    try:
        for schema in ("bronze", "silver", "gold", "ml"):
            con.execute(f"create schema if not exists {schema}")
    finally:
        con.close()


def dbt_environment(settings: Settings) -> dict[str, str]:
    """The environment of a dbt process: where the files are, what time it is, and no secret.

    dbt runs in the data folder, and paths are relative to it: it parses the whole project again where one changes.
    """
    return child_environment(
        settings,
        DBT_PROFILES_DIR=str(DBT_PROJECT),
        DBT_SEND_ANONYMOUS_USAGE_STATS="false",
        DO_NOT_TRACK="1",
        WAREHOUSE_DB=str(settings.warehouse_db.relative_to(settings.home)),
        LAKE_DIR=str(settings.lake_dir),
        LANDING_DIR=str(settings.landing_dir.relative_to(settings.home)),
        WAREHOUSE_MEMORY_LIMIT=settings.memory_limit,
        WAREHOUSE_THREADS=str(settings.threads),
        TZ="UTC",
        WAREHOUSE_NOW=_now(settings),
    )


def _now(settings: Settings) -> str:
    return clock.now(settings).strftime("%Y-%m-%d %H:%M:%S")


def spark_environment(settings: Settings) -> dict[str, str]:
    """What the process with the Spark session needs besides: where to run, and where its tables are."""
    ours = settings.environment()
    return {
        "PYTHONPATH": str(PROJECT_ROOT),
        **{name: ours[name] for name in SPARK_SETTINGS if name in ours},
    }


def dbt_variables(settings: Settings) -> dict[str, str | float | bool]:
    """The dbt variables that follow from the settings."""
    key = settings.stripe_api_key or ""
    return {
        "reporting_currency": settings.reporting_currency,
        "reporting_timezone": settings.reporting_timezone,
        "churn_recognition": settings.churn_recognition,
        "paused_counts_as_mrr": settings.paused_counts_as_mrr,
        "past_due_counts_as_mrr": settings.past_due_counts_as_mrr,
        "migration_grace_hours": settings.migration_grace_hours,
        "fx_grace_days": settings.fx_grace_days,
        "recognise_before_invoice": settings.recognise_before_invoice,
        "charges_without_invoice_are_revenue": settings.charges_without_invoice_are_revenue,
        "gross_margin": settings.gross_margin,
        "min_responses": settings.min_responses,
        "expected_livemode": "_test_" not in key,
    }


def run_dbt(
    settings: Settings,
    words: Sequence[str],
    *,
    target: str,
    progress: Callable[[str], None] | None = None,
    locks: Sequence[int] = (),
    session: Process | None = None,
) -> None:
    """Run one dbt command to its end.

    Args:
        settings: Where everything is.
        words: dbt's own, such as `["build", "--select", "gold"]`.
        target: `dev` (landing attached), `gold` (nothing attached) or `spark`.
        progress: Told a line per finished node.
        locks: Descriptors of the locks it works under. It inherits them: where we are killed, it
            lives on for a while, and nobody else may write meanwhile.
        session: A `spark_process` to run it in, on the target spark; one of its own otherwise.

    Raises:
        WarehouseError: dbt failed; the message carries its first error.
    """
    target_path = settings.dbt_target_dir / target
    # dbt's options stand after its verb, so that a verb's own options can follow
    verb, *options = words
    arguments = [
        "--log-format", "json", "--log-path", str(settings.logs_dir / "dbt"),
        # debug lines are up to a tenth of a build's CPU; the statements stand in the target folder
        "--log-level-file", "info",
        verb, "--project-dir", str(DBT_PROJECT), "--target", target, "--target-path",
        str(target_path),
        "--vars", json.dumps(dbt_variables(settings)), *options,
    ]  # fmt: skip
    errors: dict[str, str] = {}
    code = None
    with ExitStack() as stack:
        if target == spark.TARGET:
            process = session or stack.enter_context(spark_process(settings, locks))
            # one that has ended already says why in what it has written
            with suppress(BrokenPipeError):
                command = {"now": _now(settings), "arguments": arguments}
                print(json.dumps(command), file=process.stdin, flush=True)
        else:
            process = stack.enter_context(
                _process([*DBT, *arguments], settings, dbt_environment(settings), locks)
            )
        for raw in process.stdout or ():
            code = spark.exit_code(raw) if target == spark.TARGET else None
            if code is not None:
                break
            if _take_log_line(raw, errors, progress):
                hit("build.node_finished", settings, process.pid)
        if code is None:
            code = process.wait()
            if target == spark.TARGET:
                # a session that ended without an answer has not done it, whatever its own code says
                code = code or 1
    if code != 0:
        error = _first_error(errors) or _how_it_ended(code)
        error += "".join(f"; {row}" for row in _failed_rows(settings, target_path))
        hint = f"the whole log is {os.path.relpath(settings.logs_dir / 'dbt' / 'dbt.log')}"
        if "no exchange rate" in error:
            hint = (
                "add the rate to fx_rates.csv in the folder INPUTS_LOCATION names, then run again"
            )
        elif for_room := duck.hint_for_room(error):
            hint = for_room
        raise WarehouseError(f"dbt {verb} failed: {error}", hint)


@contextmanager
def spark_process(settings: Settings, locks: Sequence[int] = ()) -> Iterator[Process]:
    """A Spark session in a process of its own, which runs dbt commands one after the other until the block ends."""
    environment = dbt_environment(settings) | spark_environment(settings)
    with _process(DBT_ON_SPARK, settings, environment, locks) as process:
        try:
            yield process
        except WarehouseError:
            _let_end(process)
            raise
        _let_end(process)


class SparkSessions:
    """A Spark session for as long as the block lasts, or several, one after the other: started when it is asked for.

    It inherits the sessions' lock: where we are killed it lives on for a while, and no other may write meanwhile.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._open = ExitStack()
        self._process: Process | None = None

    def __enter__(self) -> SparkSessions:
        return self

    def __exit__(self, *error: Any) -> None:
        self._open.__exit__(*error)

    def process(self) -> Process:
        """The session's process."""
        if self._process is None:
            lock = self._open.enter_context(spark.hold_session(self._settings))
            self._process = self._open.enter_context(spark_process(self._settings, [lock]))
        return self._process

    def end(self) -> None:
        """Let the session stop, so that somebody else can have one."""
        self._open.close()
        self._process = None


_shared: SparkSessions | None = None


@contextmanager
def shared_session(settings: Settings) -> Iterator[None]:
    """Builds of this process run in one Spark session, until the block ends or a gate wants one of its own."""
    global _shared  # noqa: PLW0603 - stages know the settings alone, and run in threads
    with SparkSessions(settings) as _shared:
        try:
            yield
        finally:
            _shared = None


def end_session() -> None:
    """Let the shared session stop, where there is one."""
    if _shared is not None:
        _shared.end()


def _let_end(process: Process) -> None:
    """No more commands: it stops its session, which one that is killed leaves to its executors."""
    assert process.stdin
    assert process.stdout
    with suppress(BrokenPipeError):
        process.stdin.close()
    for raw in process.stdout:
        log.debug("spark: %s", raw.rstrip())


@contextmanager
def _process(
    line: Sequence[str], settings: Settings, environment: dict[str, str], locks: Sequence[int]
) -> Iterator[Process]:
    """A child that reads what we say and tells what it does; killed where we don't wait for its end."""
    with subprocess.Popen(
        line,
        cwd=settings.home,
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        pass_fds=tuple(locks),
    ) as process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise


def _take_log_line(
    raw: str, errors: dict[str, str], progress: Callable[[str], None] | None
) -> bool:
    """Take one line of dbt's JSON log: pass on what finished, keep the first error of each kind.

    Returns:
        Whether it says that a model, a seed or a test has finished.
    """
    try:
        info = json.loads(raw)["info"]
    except (ValueError, KeyError, TypeError):
        log.debug("dbt: %s", raw.rstrip())
        if "Error" in raw:
            errors.setdefault("unstructured", raw.strip())
        return False
    message = " ".join(str(info.get("msg", "")).split())
    log.debug("dbt: %s", message)
    if info.get("level") == "error" and message:
        errors.setdefault(str(info.get("name")), message)
    is_result = info.get("name") in {"LogModelResult", "LogTestResult", "LogSeedResult"}
    if is_result and progress and info.get("level") != "error":
        progress(message)
    return is_result


def _how_it_ended(code: int) -> str:
    """What is known of a dbt that said nothing."""
    if code == -signal.SIGKILL:
        return "it was killed, as the system does where memory runs out"
    return f"exit code {code}"


def _first_error(errors: dict[str, str]) -> str:
    """The error that says most: the database's or compiler's own words, without the macro stack."""
    message = errors.get("RunResultError") or next(iter(errors.values()), "")
    if " in model " not in message and "RunResultFailure" in errors:
        # a failed test says "got 2 results": which test it was stands in the line before
        message = f"{errors['RunResultFailure']}: {message}"
    return message.split(" > in macro ")[0][:500].strip()


def _failed_rows(settings: Settings, target_path: Path) -> list[str]:
    """The first row of each failed test (of three at most): it names the object, an invoice, a payout or a day."""
    artifact = target_path / "run_results.json"
    results = json.loads(artifact.read_text())["results"] if artifact.exists() else []
    queries = [
        result["compiled_code"]
        for result in results
        if result["status"] == "fail" and result["unique_id"].startswith("test.")
    ]
    return [row for query in queries[:NAMED_ROWS] if (row := first_row(settings, query))]


def first_row(settings: Settings, query: str) -> str:
    """The first row that a failed test's query finds, in words; empty where it can't be asked again."""
    if not settings.warehouse_db.exists():
        return ""
    con = duck.connect(settings.warehouse_db, read_only=True)
    try:
        found = con.execute(f"select * from (\n{query}\n) as failed limit 1")
        names = [column[0] for column in found.description or ()]
        row = found.fetchone() or ()
    except duckdb.Error:
        # a test of landed files can't be asked again without them
        return ""
    finally:
        con.close()
    return ", ".join(f"{name} {value}" for name, value in zip(names, row, strict=False))[:200]


def _read_results(layer: Layer, target: Path) -> BuildResult:
    results = json.loads((target / "run_results.json").read_text())
    kinds = [result["unique_id"].split(".")[0] for result in results["results"]]
    return BuildResult(
        layer=layer.name,
        models=sum(kind in {"model", "seed"} for kind in kinds),
        tests=sum(kind in {"test", "unit_test"} for kind in kinds),
        seconds=float(results["elapsed_time"]),
    )
