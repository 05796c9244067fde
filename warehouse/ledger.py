"""The ledger in `ops.duckdb`: what was built, what the gates said, what was published.

Publishing asks it one question: do the newest results of every gate belong to the warehouse as it
stands now?
A build that is newer than a gate's run makes that run worthless, and one that began and came to no end makes every
run so, until another has ended. Each target has a warehouse of its own, and so builds
and gates of its own; what has landed (gate raw) is the same for all.

Reads and writes: `ops.duckdb`, tables builds, builds_begun, check_runs, check_results, publishes.
Run: used by `warehouse.transform` (record_begun, record_build), `quality.gates` and `serving.publish`; nobody
calls it by hand.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

import duckdb

from warehouse import duck, loads, locks
from warehouse.settings import Settings

# The gates that must pass before a publish.
GATES = ("raw", "gold", "scores")
# The layers that the ML step adds after gold's own gate has run: they don't make the gold gate's
# results stale.
AFTER_GOLD = frozenset({"ml", "after_ml", "scores"})

# In schema main, so that `ops.builds` reads well: a schema `ops` in a file of that name would be
# ambiguous to DuckDB.
_TABLES = """
create sequence if not exists ordinal;
create table if not exists builds (
    build_id varchar, ordinal bigint, layer varchar, is_full_refresh boolean, finished_at timestamp,
    ran_at timestamp, taken_in varchar
);
alter table builds add column if not exists taken_in varchar;
alter table builds add column if not exists target varchar default 'duckdb';
create table if not exists builds_begun (ordinal bigint, layer varchar, target varchar, ran_at timestamp);
create table if not exists check_runs (
    run_id varchar, ordinal bigint, gate varchar, passed boolean, check_count bigint, failed_count
    bigint,
    scope varchar, checked_at timestamp, ran_at timestamp
);
alter table check_runs add column if not exists target varchar default 'duckdb';
create table if not exists check_results (
    run_id varchar, gate varchar, suite varchar, table_name varchar, column_name varchar,
    expectation varchar,
    dimension varchar, severity varchar, success boolean, observed varchar, detail varchar,
    checked_at timestamp, ran_at timestamp, advice varchar
);
alter table check_results add column if not exists advice varchar;
create table if not exists publishes (
    version varchar, ordinal bigint, content_hash varchar, action varchar, published_at timestamp,
    ran_at timestamp
);
"""


@dataclass(frozen=True)
class Build:
    """One finished build of one layer; `taken_in` is how far it read the landing file of each source."""

    build_id: str
    ordinal: int
    layer: str
    finished_at: datetime
    ran_at: datetime
    taken_in: Mapping[str, loads.Reach]


@dataclass(frozen=True)
class CheckRun:
    """One run of one gate; `scope` is what it looked at (the raw gate: `loads.as_text`)."""

    run_id: str
    ordinal: int
    gate: str
    passed: bool
    check_count: int
    failed_count: int
    scope: str | None
    checked_at: datetime
    ran_at: datetime


@contextmanager
def ops(settings: Settings) -> Iterator[duckdb.DuckDBPyConnection]:
    """Open `ops.duckdb` for reading and writing, under its lock, with the ledger's tables in place.

    Keep the block short: every stage writes here.
    """
    with locks.hold(settings.ops_db, what="the ledger", timeout=settings.lock_timeout):
        con = duck.connect(settings.ops_db)
        try:
            con.execute(_TABLES)
            yield con
        finally:
            con.close()


def wall_clock() -> datetime:
    """The real time, naive UTC, as DuckDB's TIMESTAMP wants it (`ran_at`: never a business instant)."""
    return datetime.now(UTC).replace(tzinfo=None)


def naive(instant: datetime) -> datetime:
    """An aware instant as naive UTC, as DuckDB's TIMESTAMP wants it."""
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant


def record_build(
    settings: Settings,
    layers: str | Iterable[str],
    finished_at: datetime,
    *,
    is_full_refresh: bool = False,
    taken_in: Mapping[str, loads.Reach] | None = None,
) -> str:
    """Write down that layers of the warehouse have just been rebuilt.

    Args:
        settings: Whose `ops.duckdb`.
        layers: One or more of bronze, silver, gold, ml, after_ml.
        finished_at: `clock.now`.
        is_full_refresh: Whether the layer was built from nothing.
        taken_in: How far it read the landing file of each source; nothing for a layer that reads none.

    Returns:
        The build's id.
    """
    build_id = uuid.uuid4().hex[:12]
    names = [layers] if isinstance(layers, str) else list(layers)
    with ops(settings) as con:
        for layer in names:
            con.execute(
                "insert into builds values (?, nextval('ordinal'), ?, ?, ?, ?, ?, ?)",
                [
                    build_id,
                    layer,
                    is_full_refresh,
                    naive(finished_at),
                    wall_clock(),
                    loads.as_text(taken_in or {}),
                    settings.target,
                ],
            )
    return build_id


def record_begun(settings: Settings, layer: str) -> None:
    """Write down that a layer is about to be rebuilt: where that comes to no end, its tables are of two builds."""
    with ops(settings) as con:
        con.execute(
            "insert into builds_begun values (nextval('ordinal'), ?, ?, ?)",
            [layer, settings.target, wall_clock()],
        )


def unfinished(settings: Settings) -> list[str]:
    """Layers of this target whose last build did not come to its end."""
    if not settings.ops_db.exists():
        return []
    with ops(settings) as con:
        rows = con.execute(
            "with begun as (select layer, max(ordinal) as at from builds_begun where target = $1 group by layer), "
            "ended as (select layer, max(ordinal) as at from builds where target = $1 group by layer) "
            "select layer from begun left join ended using (layer) "
            "where begun.at > coalesce(ended.at, 0) order by layer",
            [settings.target],
        ).fetchall()
    return [layer for (layer,) in rows]


def builds(settings: Settings) -> list[Build]:
    """The newest build of each layer of this target, newest last."""
    if not settings.ops_db.exists():
        return []
    with ops(settings) as con:
        rows = con.execute(
            "select build_id, ordinal, layer, finished_at, ran_at, taken_in from builds where target = ? "
            "qualify row_number() over (partition by layer order by ordinal desc) = 1 order by ordinal",
            [settings.target],
        ).fetchall()
    return [Build(*row[:-1], loads.from_text(row[-1])) for row in rows]


def record_check(
    settings: Settings,
    *,
    run_id: str,
    gate: str,
    passed: bool,
    checked_at: datetime,
    results: Sequence[Sequence[object]],
    scope: str | None = None,
) -> None:
    """Write down one gate's run and its results, in one transaction.

    Args:
        settings: Whose `ops.duckdb`.
        run_id: Id of the run.
        gate: raw, gold or scores; dbt_silver, dbt_gold or dbt_ml for the tests of a layer.
        passed: Whether nothing of severity error failed.
        checked_at: `clock.now`.
        results: Rows (suite, table_name, column_name, expectation, dimension, severity, success,
        observed, detail, advice).
        scope: What was looked at.
    """
    ran_at = wall_clock()
    failed = sum(1 for row in results if not row[6])
    with ops(settings) as con:
        con.execute("begin")
        con.execute(
            "insert into check_runs values (?, nextval('ordinal'), ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                run_id,
                gate,
                passed,
                len(results),
                failed,
                scope,
                naive(checked_at),
                ran_at,
                settings.target,
            ],
        )
        if results:
            # one statement: row by row, a gate's hundreds cost more than some of its checks
            suite, table, column, expectation, dimension, severity, success, observed, detail, advice = (
                list(values) for values in zip(*results, strict=True)
            )  # fmt: skip
            texts = [
                suite,
                table,
                column,
                expectation,
                dimension,
                severity,
                observed,
                detail,
                advice,
            ]
            con.execute(
                "insert into check_results (run_id, gate, suite, table_name, column_name, expectation, dimension, "
                "severity, observed, detail, advice, success, checked_at, ran_at) "
                f"select ?, ?, {', '.join(['unnest(?::varchar[])'] * len(texts))}, unnest(?::boolean[]), ?, ?",
                [run_id, gate, *texts, success, naive(checked_at), ran_at],
            )
        con.execute("commit")


def forget_results(settings: Settings, *, before: datetime) -> int:
    """Remove the single results of old runs; the runs stay, and all results of each gate's newest run on each target.

    Args:
        settings: Whose `ops.duckdb`.
        before: Results of runs before this instant go.

    Returns:
        How many rows were removed.
    """
    with ops(settings) as con:
        gone = con.execute(
            "delete from check_results where checked_at < ? and (gate, run_id) not in "
            "(select (gate, arg_max(run_id, ordinal)) from check_runs group by gate, target)",
            [naive(before)],
        ).fetchone()
    return int(gone[0]) if gone else 0


def latest_checks(settings: Settings, *, passed_only: bool = False) -> dict[str, CheckRun]:
    """The newest run of each gate, on this target.

    Args:
        settings: Whose `ops.duckdb`.
        passed_only: Look at runs that passed only.
    """
    if not settings.ops_db.exists():
        return {}
    with ops(settings) as con:
        rows = con.execute(
            "select run_id, ordinal, gate, passed, check_count, failed_count, scope, checked_at, ran_at "
            f"from check_runs where (target = ? or gate = 'raw') {'and passed' if passed_only else ''} "
            "qualify row_number() over (partition by gate order by ordinal desc) = 1",
            [settings.target],
        ).fetchall()
    return {row[2]: CheckRun(*row) for row in rows}


def failures(settings: Settings, run_id: str) -> list[str]:
    """One line per failed check of severity error of a run."""
    with ops(settings) as con:
        rows = con.execute(
            "select table_name, column_name, expectation, detail, advice from check_results "
            "where run_id = ? and not success and severity = 'error' order by all",
            [run_id],
        ).fetchall()
    return [
        f"{table}{'.' + column if column else ''}: {what}: {detail}{'; ' + advice if advice else ''}"
        for table, column, what, detail, advice in rows
    ]


def standing(settings: Settings, gates: Sequence[str]) -> dict[str, str]:
    """Why each gate's newest run does not clear the warehouse as it stands; empty if all do.

    Args:
        settings: Whose `ops.duckdb`.
        gates: The gates that must be clear.

    Returns:
        Gate → reason, in words.
    """
    newest = builds(settings)
    checks = latest_checks(settings)
    # silver's tables are not what readers get: who built on them began too
    broken = [layer for layer in unfinished(settings) if layer != "silver"]
    reasons: dict[str, str] = {}
    for gate in gates:
        run = checks.get(gate)
        if run is None:
            reasons[gate] = "has never run on this warehouse"
            continue
        if not run.passed:
            lines = failures(settings, run.run_id)
            reasons[gate] = lines[0] if lines else f"{run.failed_count} checks failed"
            continue
        if gate == "raw":
            if unseen := _loads_unseen(newest, run):
                reasons[gate] = f"loads of {', '.join(unseen)} were built in that it has not seen"
            continue
        half_built = [layer for layer in broken if gate != "gold" or layer not in AFTER_GOLD]
        if half_built:
            reasons[gate] = f"the last build of layer {half_built[-1]} did not finish"
            continue
        relevant = [build for build in newest if gate != "gold" or build.layer not in AFTER_GOLD]
        later = [build for build in relevant if build.ordinal > run.ordinal]
        if not relevant:
            reasons[gate] = "no build is on record"
        elif later:
            reasons[gate] = f"layer {later[-1].layer} was built after this gate's last run"
    return reasons


def unjudged(settings: Settings) -> str:
    """Why what was taken in last has not been through gold's gate, in words; empty where it has, well or not."""
    ended = {build.layer: build.ordinal for build in builds(settings)}
    if broken := [layer for layer in unfinished(settings) if layer not in AFTER_GOLD]:
        return f"the last build of layer {broken[0]} did not finish"
    if ended.get("silver", 0) > ended.get("gold", 0):
        return "gold was not built since silver"
    gate = latest_checks(settings).get("gold")
    if ended.get("gold", 0) > (gate.ordinal if gate else 0):
        return "gate gold has not looked at the last build"
    return ""


def _loads_unseen(newest: Sequence[Build], run: CheckRun) -> list[str]:
    """Sources of which a build took in loads that landed after the raw gate had looked."""
    if not run.scope:
        return []
    seen = loads.from_text(run.scope)
    return sorted(
        {
            source
            for build in newest
            for source, taken in build.taken_in.items()
            if taken.is_beyond(seen.get(source, loads.Reach(0)))
        }
    )


def record_publish(
    settings: Settings,
    *,
    version: str,
    content_hash: str | None,
    action: str,
    published_at: datetime,
) -> None:
    """Write down that readers now see a version, or that it is withdrawn.

    Args:
        settings: Whose `ops.duckdb`.
        version: Name of the version.
        content_hash: Hash of its gold tables; None where the content is not what the action is about.
        action: publish, rollback (to this version) or withdraw (it was gone back from).
        published_at: `clock.now`.
    """
    with ops(settings) as con:
        con.execute(
            "insert into publishes values (?, nextval('ordinal'), ?, ?, ?, ?)",
            [version, content_hash, action, naive(published_at), wall_clock()],
        )


def is_published(settings: Settings, version: str) -> bool:
    """Whether it is on record that readers were given this version."""
    with ops(settings) as con:
        found = con.execute("select count(*) from publishes where version = ?", [version])
        return found.fetchall()[0][0] > 0


def withdrawn(settings: Settings, what: Literal["version", "content_hash"]) -> set[str]:
    """Versions (or contents) that readers were taken back from and have not been given again since."""
    with ops(settings) as con:
        rows = con.execute(
            f"select {what} from publishes where {what} is not null group by {what} "
            "having arg_max(action, ordinal) = 'withdraw'"
        ).fetchall()
    return {row[0] for row in rows}


def last_training(settings: Settings, code_version: str) -> datetime | None:
    """When the model registry last took in a model trained by this version of the code (aware, UTC); None before."""
    if not settings.ops_db.exists():
        return None
    with ops(settings) as con:
        exists = con.execute(
            "select count(*) from information_schema.tables where table_name = 'model_registry'"
        ).fetchone()
        if not exists or not exists[0]:
            return None
        row = con.execute(
            "select max(trained_as_of) from model_registry where code_version = ?", [code_version]
        ).fetchone()
    trained_at = row[0] if row else None
    return trained_at.replace(tzinfo=UTC) if trained_at else None
