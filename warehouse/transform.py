"""Build the models, layer by layer: what was landed, what must be made anew, one start of dbt for each.

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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import duckdb

from warehouse import clock, duck, exchange, lake, ledger, loads, spark, spark_session
from warehouse.dbt_process import DBT_PROJECT, dbt_variables, first_row, run_dbt
from warehouse.errors import CallError, WarehouseError
from warehouse.failpoints import hit
from warehouse.locks import hold
from warehouse.settings import Settings
from warehouse.sources import SOURCES


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

    On Spark all of them run in one session, which the second finds warm: the shared one, if there is one.

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
            session = stack.enter_context(spark_session.of_a_build(settings))
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
        taken_in: dict[str, loads.Reach] = {}
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
                taken_in[source] = loads.reach(source, settings)
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
        ledger.record_begun(settings, layer.name)
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
        landed = {source: loads.reach(source, settings).began_at for source in SOURCES}
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


def _read_results(layer: Layer, target: Path) -> BuildResult:
    results = json.loads((target / "run_results.json").read_text())
    kinds = [result["unique_id"].split(".")[0] for result in results["results"]]
    return BuildResult(
        layer=layer.name,
        models=sum(kind in {"model", "seed"} for kind in kinds),
        tests=sum(kind in {"test", "unit_test"} for kind in kinds),
        seconds=float(results["elapsed_time"]),
    )
