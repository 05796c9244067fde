"""One sync: start a connector or look at the files, land what is new, judge whether it was complete.

`sync` for our sources, `sync_exec` for any other connector; looking without landing is in
`ingestion.look`. Whatever happens, what is committed stays committed and the next sync goes on from
there.

Reads: the source. Writes: `landing/<source>.duckdb`, `spool/`. Run: `warehouse sync NAME`.
"""

from __future__ import annotations

import importlib
import json
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from ingestion import connector as connectors
from ingestion import spool
from ingestion.ahead import ahead
from ingestion.catalogs import (
    catalog_of,
    configured_catalog,
    described,
    described_files,
    tables_of,
    window_field,
    with_cursor,
)
from ingestion.connector import Connector
from ingestion.destination.airbyte import Destination, StreamPlan
from ingestion.destination.lines import Lines
from ingestion.destination.messages import GLOBAL, LEGACY, state_messages, stream_of
from ingestion.destination.opening import Opener
from ingestion.destination.typecheck import identifier, rules_from_schema
from ingestion.files.take import FileTaker, Taken
from ingestion.look import source_check, source_discover, source_read, source_spec
from ingestion.verdict import (
    Heard,
    complete_streams,
    judge,
    refuse_stuck,
    what_is_gone,
    where_broken_off,
)
from warehouse import clock, locks
from warehouse.errors import (
    CallError,
    IncompleteLoad,
    QuarantineExceeded,
    SourceOff,
    WarehouseError,
)
from warehouse.settings import Settings
from warehouse.sources import SOURCES, SourceSpec, source

__all__ = [
    "SyncResult", "configured_catalog", "source_check", "source_discover", "source_read", "source_spec", "sync",
    "sync_exec",
]  # fmt: skip

Window = tuple[date, date]
Progress = Callable[[int], None]

RESTART_FROM_COMPLETE = "restart_from_complete"

_PROGRESS_SECONDS = 0.5
_AHEAD_BYTES = 64 << 20  # of records that a connector may be ahead of a commit …
_OTHER_BYTES = 1 << 10  # … any other message counting as so many


@dataclass(frozen=True)
class SyncResult:
    """What a sync did.

    Attributes:
        source: Its source.
        rows: Rows landed.
        quarantined: Rows set aside.
        loads: Commits with rows.
        seconds: Wall time.
        warnings: What a person should know.
        complete_through: Up to which instant the source is complete (the least of its streams), if
            known.
        rows_by_stream: Rows landed per stream.
    """

    source: str
    rows: int
    quarantined: int
    loads: int
    seconds: float
    warnings: tuple[str, ...] = ()
    complete_through: datetime | None = None
    rows_by_stream: dict[str, int] = field(default_factory=dict)


def sync(
    name: str,
    settings: Settings,
    *,
    window: Window | None = None,
    full_refresh: bool = False,
    progress: Progress | None = None,
) -> SyncResult:
    """Land what is new in a source.

    Args:
        name: One of `SOURCES`.
        settings: Where the source is and where the data goes.
        window: Whole days, both included, to read once more; the cursor stays where it is.
        full_refresh: Read everything from the start into a new generation (files: all files once
            more).
        progress: Told the rows so far.

    Raises:
        SourceOff: The source has no settings.
        IncompleteLoad: Part of the source could not be read; what is whole was landed.
        QuarantineExceeded: Too many rows of a slice or file are bad; what is good before it was
            landed.
    """
    spec = source(name)
    if missing := spec.missing(settings):
        raise SourceOff(
            f"source {name} is off: {', '.join(missing)} not set",
            "set it in .env, see .env.example",
        )
    _check_window(window, full_refresh)
    with _alone(name, settings):
        if spec.style == "files":
            return _sync_files(spec, settings, window, full_refresh, progress)
        connector = connectors.of_source(spec, settings)
        connector.window = _window_config(window)
        catalog = configured_catalog(
            catalog_of(spec, connector, settings), spec.streams, keys=spec.keys
        )
        return _sync_connector(
            name, connector, catalog, settings, window=window, full_refresh=full_refresh, progress=progress,
            mode=_expected_livemode(spec, settings),
        )  # fmt: skip


def sync_exec(
    command: str,
    config: dict[str, Any] | Path | str | None,
    name: str,
    settings: Settings,
    select: Iterable[str] | None = None,
    *,
    window: Window | None = None,
    full_refresh: bool = False,
    restart_from_complete: bool | None = None,
    progress: Progress | None = None,
) -> SyncResult:
    """Land any connector that speaks the Airbyte protocol.

    Types may drift: only the key and sound JSON are checked, the rest is kept as the connector says
    it.

    Args:
        command: Executable, `python -m module`, or `docker run --rm image`.
        config: Its configuration, or the file that holds it.
        name: Name of the landing file and schema.
        settings: Where the data goes.
        select: Streams to land; all if None.
        window: Whole days, both included, to read once more; the cursor stays where it is.
        full_refresh: Read everything from the start into new generations.
        restart_from_complete: Go on from the last state at which a stream was complete, not from
            the latest: for connectors that mark streams done too early. Kept for this name until
            another choice is made; None: what was chosen last.
        progress: Told the rows so far.

    Raises:
        CallError: The name or the configuration is none, or the connector can't read a window.
    """
    if name in SOURCES:
        raise CallError(
            f"{name} is a source of ours, whose landing file this would mix with another's",
            "give the connector another --name",
        )
    try:
        identifier(name)
    except WarehouseError as error:
        raise CallError(error.message, error.hint) from None
    _check_window(window, full_refresh)
    file = None if config is None or isinstance(config, dict) else Path(config)
    connector = connectors.of_command(command, _config(config), name, file)
    with _alone(name, settings):
        if window:
            _refuse_without_window(connector, settings)
            connector.window = _window_config(window)
        found = connectors.ask(connector, "discover", settings)
        catalog = configured_catalog(found, tuple(select) if select else None)
        return _sync_connector(
            name, connector, catalog, settings, window=window, full_refresh=full_refresh, progress=progress,
            is_strict=False, from_complete=restart_from_complete, offered=with_cursor(found),
        )  # fmt: skip


def _check_window(window: Window | None, full_refresh: bool) -> None:
    if window and window[0] > window[1]:
        raise CallError(
            f"the window ends on {window[1]}, before it starts on {window[0]}",
            "swap --from and --to",
        )
    if window and full_refresh:
        raise CallError(
            "a window and a full refresh exclude each other: all else would be gone",
            "read the window without --full-refresh",
        )


def _window_config(window: Window | None) -> dict[str, str]:
    """How a connector is told its window: two instants, the second exclusive."""
    if window is None:
        return {}
    first, last = window
    return {
        "window_from": _midnight(first),
        "window_to": _midnight(last + timedelta(days=1)),
    }


def _refuse_without_window(connector: Connector, settings: Settings) -> None:
    """Raise if a connector's specification has no window."""
    spec = connectors.ask(connector, "spec", settings)
    known = (spec.get("connectionSpecification") or {}).get("properties") or {}
    if not {"window_from", "window_to"} <= known.keys():
        raise CallError(
            f"{connector.title} can't read a window: its specification has no window_from and window_to",
            "put its start date into --config, or read all of it with --full-refresh",
        )


def _config(config: dict[str, Any] | Path | str | None) -> dict[str, Any]:
    if config is None or isinstance(config, dict):
        return config or {}
    try:
        found = json.loads(Path(config).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CallError(
            f"can't read the configuration {config}: {error}", "it is a JSON object"
        ) from None
    if not isinstance(found, dict):
        raise CallError(f"the configuration {config} is no JSON object")
    return found


@contextmanager
def _alone(name: str, settings: Settings) -> Iterator[None]:
    """One sync of a source at a time; SIGTERM ends it like any other error, so that nothing is left behind."""
    settings.landing_dir.mkdir(parents=True, exist_ok=True, mode=0o700)

    def end(_signal: int, _frame: object) -> None:
        raise SystemExit(143)

    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, end) if is_main else None
    try:
        lock = settings.landing_dir / f"{name}.sync"
        with locks.hold(lock, what=f"another sync of {name}", timeout=settings.lock_timeout):
            yield
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before or signal.SIG_DFL)


# --- files ----------------------------------------------------------------------------------------


def _sync_files(
    spec: SourceSpec,
    settings: Settings,
    window: Window | None,
    full_refresh: bool,
    progress: Progress | None,
) -> SyncResult:
    begun = time.monotonic()
    now = clock.now(settings)
    opener = Opener(spec.name, settings)
    config = spec.config(settings)
    results: dict[str, Taken] = {}
    takers: list[FileTaker] = []
    streams = importlib.import_module(spec.connector).FILE_STREAMS
    with opener() as landing:
        landing.describe(described_files(spec, streams, now))
        sync_id = landing.begin_sync(datetime.now(UTC))
    try:
        for stream in streams:
            done = sum(taken.rows for taken in results.values())
            tell = (lambda rows, done=done: progress(done + rows)) if progress else None
            taker = FileTaker(
                stream,
                str(config["location"]),
                settings,
                opener,
                token=config.get("token"),
                now=now,
                sync_id=sync_id,
                window=window,
                is_again=full_refresh,
                progress=tell,
            )
            results[stream.name] = taker.run()
            takers.append(taker)
    except BaseException as error:
        with opener() as landing:
            landing.end_sync(sync_id, "failed", _one_line(error))
        raise
    faults = [fault for taken in results.values() for fault in taken.faults]
    with opener() as landing:
        if window is None:  # a window has not looked at the other days
            for taker in takers:
                landing.set_complete_through(taker.stream.name, taker.complete_through(landing))
        landing.end_sync(sync_id, "failed" if faults else "complete", "; ".join(faults))
        through = landing.complete_through()
    if faults:
        more = f" (and {len(faults) - 1} more files)" if len(faults) > 1 else ""
        kind = (
            QuarantineExceeded
            if all(t.too_many_bad == len(t.faults) for t in results.values())
            else IncompleteLoad
        )
        raise kind(
            f"{spec.name}: {faults[0]}{more}",
            "the other files are landed; repair or remove this one, then sync again",
        )
    instants = [through.get(stream) for stream in spec.streams]
    return SyncResult(
        source=spec.name,
        rows=sum(taken.rows for taken in results.values()),
        quarantined=sum(taken.quarantined for taken in results.values()),
        loads=sum(taken.loads for taken in results.values()),
        seconds=time.monotonic() - begun,
        warnings=tuple(warning for taken in results.values() for warning in taken.warnings),
        complete_through=min((at for at in instants if at), default=None)
        if all(instants)
        else None,
        rows_by_stream={stream: taken.rows for stream, taken in results.items()},
    )


# --- connectors -----------------------------------------------------------------------------------


def _sync_connector(
    name: str,
    connector: Connector,
    catalog: dict[str, Any],
    settings: Settings,
    *,
    window: Window | None = None,
    full_refresh: bool = False,
    progress: Progress | None = None,
    mode: bool | None = None,
    is_strict: bool = True,
    from_complete: bool | None = None,
    offered: set[str] | None = None,
) -> SyncResult:
    """One sync of a connector, whatever its catalog leaves out of the streams with a cursor that it has on offer."""
    begun = time.monotonic()
    now = clock.now(settings)
    opener = Opener(name, settings)
    with opener() as landing:
        tables = tables_of(catalog, landing.tables())
        landing.create(tables.values())
        landing.describe(described(catalog, tables))
        if window and (unfinished := [t for t in tables.values() if landing.open_generation(t)]):
            raise CallError(
                f"{name}: a full refresh of {', '.join(unfinished)} is not finished; a window would seem to finish it",
                f"sync {name} without a window first, which goes on with it",
            )
        is_anew = full_refresh and any(e["sync_mode"] != "full_refresh" for e in catalog["streams"])
        others = sorted({*landing.tables()} & (offered or set()) - {*tables})
        if is_anew and others and landing.has_common_state():
            raise CallError(
                f"{name} keeps one cursor for all its streams: it can't start anew for some and go on for "
                f"{', '.join(others)}",
                f"refresh all of {name}, without --stream",
            )
        sync_id = landing.begin_sync(datetime.now(UTC))
        is_careful = landing.option(RESTART_FROM_COMPLETE, from_complete)
        # a window is read whatever the cursor says
        found = {} if full_refresh or window else landing.states(complete_only=is_careful)
        # our own connectors are tried for this; others may say in a state that they are done too early
        is_trusted = connector.is_ours or is_careful or window is not None
        broken_off = set() if is_trusted else landing.broken_off()
    plans = {
        stream_of(entry["stream"]): StreamPlan(
            identifier(tables[stream_of(entry["stream"])]),
            rules_from_schema(
                entry["stream"].get("json_schema") or {},
                tuple(path[0] for path in entry.get("primary_key") or [] if len(path) == 1),
                strict=is_strict,
                mode=mode,
            ),
            renew=full_refresh or (entry["sync_mode"] == "full_refresh" and window is None),
            window_field=window_field(entry),
        )
        for entry in catalog["streams"]
    }
    going_on = {plan.name for plan in plans.values() if not plan.renew}
    going_on |= {GLOBAL, LEGACY} if going_on else set()
    states = {key: state for key, state in found.items() if key in going_on}
    heard = Heard(tables)
    with spool.folder("records", settings) as folder:
        destination = Destination(
            plans,
            settings,
            opener,
            folder,
            now=now,
            sync_id=sync_id,
            window=window,
            broken_off=where_broken_off(broken_off & going_on, states),
            is_anew=is_anew,
        )
        try:
            with connectors.started(
                connector,
                "read",
                settings,
                catalog=catalog,
                state=state_messages(states, _descriptors(catalog, tables)),
            ) as process:
                _listen(process, destination, heard, progress)
                code = process.wait()
            with opener.kept_open():
                destination.commit()
                complete = complete_streams(destination, heard)
                stuck = destination.finish(complete)
                said = process.last_words
                judge(name, connector, destination.plans, complete, heard, code, said)
                refuse_stuck(name, stuck)
                with opener() as landing:
                    landing.end_sync(sync_id, "complete", "")
                    through = landing.complete_through()
        except BaseException as error:
            with opener() as landing:
                landing.end_sync(
                    sync_id, "failed", connectors.mask(_one_line(error), connector.secrets)
                )
            raise
        finally:
            destination.close()
    if progress:
        progress(destination.rows)
    instants = [through.get(stream) for stream in destination.plans]
    warnings = [
        f"{n:,} records of {stream[:80]!r}, which was not asked for, were left out"
        for stream, n in destination.unasked.items()
    ]
    warnings += [f"the connector told of an error: {text}" for text in dict.fromkeys(heard.errors)]
    warnings += [what_is_gone(stream, n) for stream, n in destination.gone.items() if n != 0]
    if destination.wrong_mode:
        warnings.append(f"{destination.wrong_mode:,} records of the wrong livemode were set aside")
    return SyncResult(
        source=name,
        rows=destination.rows,
        quarantined=destination.quarantined,
        loads=destination.loads,
        seconds=time.monotonic() - begun,
        warnings=tuple(warnings),
        complete_through=min((at for at in instants if at), default=None)
        if all(instants)
        else None,
        rows_by_stream=dict(destination.rows_by_stream),
    )


def _weight(message: Lines | dict[str, Any]) -> int:
    return message.span if isinstance(message, Lines) else _OTHER_BYTES


def _listen(
    process: connectors.Process, destination: Destination, heard: Heard, progress: Progress | None
) -> None:
    """Take in a connector's output until it ends; it goes on while what it said before is committed."""
    told = time.monotonic()
    with ahead(process.output(), _AHEAD_BYTES, _weight) as messages:
        for message in messages:
            if isinstance(message, Lines):
                destination.records(message)
            elif message["type"] == "STATE":
                destination.state(message)
            elif message["type"] == "TRACE":
                complete = heard.trace(message, process.connector)
                if complete:
                    destination.completed(complete)
            elif message["type"] == "CONTROL":
                connectors.take_config(message, process.connector)
            elif message["type"] == "LOG":
                heard.log(connectors.pass_on(message, process.connector))
            if progress and time.monotonic() - told > _PROGRESS_SECONDS:
                progress(destination.received)
                told = time.monotonic()


def _descriptors(catalog: dict[str, Any], tables: dict[str, str]) -> dict[str, dict[str, Any]]:
    """What the connector calls the stream of each table."""
    return {
        tables[stream_of(entry["stream"])]: {
            key: entry["stream"][key] for key in ("name", "namespace") if entry["stream"].get(key)
        }
        for entry in catalog["streams"]
    }


def _expected_livemode(spec: SourceSpec, settings: Settings) -> bool | None:
    """Test key → test objects, live key → live ones; None where a source has no such thing."""
    if spec.name != "stripe":
        return None
    # rk_live_…, sk_test_…, and an organisation's sk_org_live_…
    kind = str(spec.config(settings).get("api_key", "")).split("_")[1:3]
    return True if "live" in kind else False if "test" in kind else None


def _midnight(day: date) -> str:
    return f"{day.isoformat()}T00:00:00Z"


def _one_line(error: BaseException) -> str:
    if isinstance(error, WarehouseError):
        return error.message
    return (str(error).splitlines() or [""])[0][:500] or type(error).__name__
