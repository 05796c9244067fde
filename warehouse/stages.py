"""The list of stages, in order, each one function: `warehouse run` walks it, the DAGs' tasks call the same functions.

A stage takes the settings and somebody to tell its progress to, and returns a small dict of figures
(an XCom in
Airflow, a line on the command line). What it needs is imported when it runs: a DAG file stays cheap
to read.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from warehouse import clock, locks
from warehouse.errors import NothingToDo, WarehouseError
from warehouse.loads import Reach, reach
from warehouse.settings import Settings
from warehouse.sources import SOURCES, SourceSpec

Say = Callable[[str], None]
Figures = dict[str, Any]

TRAIN_EVERY = timedelta(days=7)


@dataclass(frozen=True)
class Stage:
    """One step of the road.

    Attributes:
        name: Its short name, also the Airflow task's.
        title: What it does, for people.
        run: `(settings, say) -> figures`.
        group: Stages of one group need nothing of each other and may run side by side.
    """

    name: str
    title: str
    run: Callable[[Settings, Say], Figures]
    group: str = ""


def ingest(
    settings: Settings, source: str, say: Say, window: tuple[date, date] | None = None
) -> Figures:
    """Land what is new in one source (or a window of it, `[from, to]` in whole days).

    Raises:
        SourceOff: It has no settings in real mode.
    """
    from ingestion.runner import sync
    from sandbox.serve import running

    with running(settings) as reachable:
        result = sync(source, reachable, window=window, progress=lambda rows: say(f"{rows:,} rows"))
    return {
        "source": source,
        "rows": result.rows,
        "quarantined": result.quarantined,
        "complete_through": str(result.complete_through) if result.complete_through else None,
        "warnings": list(result.warnings),
    }


def anything_new(settings: Settings, say: Say) -> Figures:
    """Whether any sync has finished since the last build that took landing in, or that build came to no judgement.

    Instants are looked at for being others, not later: a clock may have been set back.
    On the first day there is nothing to build before every source that is on has landed: the gate would refuse it.
    """
    from warehouse import ledger

    if missing := [spec.name for spec in SOURCES.values() if _is_awaited(spec, settings)]:
        say(f"waiting for the first sync of {', '.join(missing)}")
        return {"new": False}
    built = {build.layer: build for build in ledger.builds(settings)}
    taken_in = built["silver"].taken_in if "silver" in built else {}
    synced = [
        source
        for source in SOURCES
        if _synced_at(source, settings) != taken_in.get(source, Reach(0)).synced_at
    ]
    waiting = ledger.unjudged(settings)
    say(
        f"synced since the last build: {', '.join(synced) or 'none'}; {waiting or 'gold was judged'}"
    )
    return {"new": bool(synced or waiting)}


def _synced_at(source: str, settings: Settings) -> str | None:
    path = settings.landing(source)
    if not path.exists():
        return None
    with locks.hold(path, what="looking for syncs", timeout=settings.lock_timeout):
        return reach(source, settings).synced_at


def _is_awaited(spec: SourceSpec, settings: Settings) -> bool:
    is_on = settings.mode == "sandbox" or spec.is_on(settings)
    return is_on and not settings.landing(spec.name).exists()


def build(settings: Settings, layer: str, say: Say, *, full_refresh: bool = False) -> Figures:
    """Build one layer of the dbt project and run its tests."""
    from warehouse.transform import build as build_layers

    (result,) = build_layers(settings, [layer], full_refresh=full_refresh, progress=say)
    return {"layer": result.layer, "models": result.models, "tests": result.tests}


def gate(settings: Settings, names: list[str], say: Say) -> Figures:
    """Check gates and refuse to go on where one fails.

    Raises:
        GateRefused: Names the gate, the table and the expectation.
    """
    from quality.gates import check

    say("evaluating expectations")
    report = check(names, settings, enforce=True)
    return {"gates": names, "checks": len(report.results)}


def train(settings: Settings, say: Say, *, force: bool = False) -> Figures:
    """Train all models, if this version of the code has trained none, or the last training is a week old."""
    import ml
    from ml.registry import code_version
    from warehouse.ledger import last_training

    if not settings.warehouse_db.exists():
        raise NothingToDo("there is no gold to train on yet")
    trained_at = last_training(settings, code_version())
    if not force and trained_at is not None and clock.now(settings) - trained_at < TRAIN_EVERY:
        return {"trained": False, "last_trained_at": trained_at.isoformat()}
    say("fitting candidates")
    report = ml.train(settings)
    say("learning what lies ahead")
    return {"trained": True, **report.figures(), **ml.train_outlook(settings)}


def score(settings: Settings, say: Say) -> Figures:
    """Write scores, segments and lifetime values to schema ml (and train first, where this code never did)."""
    import ml
    from ml.registry import code_version
    from warehouse.ledger import last_training

    # a model of other code may ask for features that are no longer made
    if last_training(settings, code_version()) is None:
        train(settings, say, force=True)
    say("scoring customers")
    return ml.score(settings).figures()


def publish(settings: Settings, say: Say, *, again: bool = False) -> Figures:
    """Publish what passed the gates as a new version of both editions.

    Args:
        settings: Whose warehouse.
        say: Told what is under way.
        again: Publish content, too, that a rollback withdrew.
    """
    from serving.publish import publish as publish_version

    say("writing editions")
    version = publish_version(settings, again=again)
    return {"version": version.name, "new": version.is_new}


def alerts(settings: Settings, say: Say, *, insist: bool = False) -> Figures:
    """Judge the alerts' rules on the published version, and tell what is new.

    Args:
        settings: Whose rules, log and channels.
        say: Told what is under way.
        insist: Take a message that did not arrive for a failure; otherwise it is a warning. It waits either way.

    Raises:
        WarehouseError: Messages did not arrive, and `insist`.
    """
    from serving.alerts.evaluation import evaluate

    say("judging alerts")
    report = evaluate(settings)
    waits = [f"an alert waits: {line}" for line in report.undelivered]
    if insist and waits:
        raise WarehouseError(
            f"{len(waits)} messages did not arrive: {report.undelivered[0]}",
            "look at the channel's settings, then `warehouse alerts check`; they wait until then",
        )
    return {
        "rules": report.rules,
        "judged": report.judged,
        "firing": report.firing,
        "told": list(report.told),
        "warnings": [*report.warnings, *waits],
    }


def notebooks(settings: Settings, say: Say) -> Figures:
    """Execute the notebooks on the published version and render them.

    Not part of `warehouse run`: three kernels cost a small company some 15 CPU s, and nothing waits for the pages.
    """
    from serving.notebooks import render

    rendered = render(settings, say=say)
    return {"version": rendered.version, "pages": [str(path) for path in rendered.pages]}


def report(settings: Settings, kind: str, say: Say) -> Figures:
    """Write the report of the week or month that was over last, if it is not there yet.

    Raises:
        WarehouseError: That period is not complete in every source yet.
    """
    from serving.reports.archive import due
    from serving.reports.periods import kind_of

    say(f"writing the {kind} report")
    kept = due(settings, kind_of(kind))
    return {
        "period": kept.period, "revision": kept.revision, "new": kept.is_new, "path": str(kept.pdf),
    }  # fmt: skip


def send_report(
    settings: Settings, kind: str, period: str, travel: Callable[[Any], None], say: Say
) -> Figures:
    """Send the newest issue of a period to its recipients, once to each.

    Raises:
        NothingToDo: It was sent to all of them before, or there is nobody to send it to.
    """
    from serving.reports.archive import newest
    from serving.reports.delivery import send
    from serving.reports.periods import kind_of

    kept = newest(settings, kind_of(kind), period)
    if kept is None:
        raise NothingToDo(f"there is no {kind} report of {period}")
    say(f"sending {kept.name}")
    sent = send(settings, kept, travel)
    return {"sent": kept.name, "recipients": len(sent)}


def tidy(settings: Settings, say: Say) -> Figures:
    """Remove what crashes left behind and what is old."""
    from warehouse.tidy import tidy as tidy_up

    say("tidying up")
    return dict(tidy_up(settings))


def _ingest_stage(source: str) -> Stage:
    return Stage(
        f"ingest_{source}",
        f"land {source}",
        lambda settings, say: ingest(settings, source, say),
        group="ingest",
    )


def _build_stage(layer: str, title: str) -> Stage:
    return Stage(layer, title, lambda settings, say: build(settings, layer, say))


def _gate_stage(name: str, title: str, *gates: str) -> Stage:
    return Stage(name, title, lambda settings, say: gate(settings, list(gates), say))


STAGES: tuple[Stage, ...] = (
    *(_ingest_stage(source) for source in SOURCES),
    _gate_stage("gate_raw", "gate: raw in", "raw"),
    _build_stage("silver", "build bronze and silver"),
    _build_stage("gold", "build gold"),
    Stage("train", "train the models", train),
    Stage("score", "score customers", score),
    _build_stage("ml", "build gold's ML tables"),
    _gate_stage("gate", "gates: gold and scores out", "gold", "scores"),
    Stage("publish", "publish both editions", publish),
    Stage("alerts", "judge alerts", alerts),
)
