"""dbt as a process of its own: its environment, a command to its end, and what it says.

In-process dbt would keep the warehouse file locked. On Spark a command goes to a process that has the session
(`warehouse.spark_session`), and answers in the same way.

Reads: dbt's log, as it comes. Writes: dbt's artifacts under `<home>/dbt`, its log under `<home>/logs`.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import duckdb

from warehouse import clock, duck, spark
from warehouse.errors import WarehouseError
from warehouse.failpoints import hit
from warehouse.settings import PROJECT_ROOT, Settings, child_environment

log = logging.getLogger(__name__)

DBT_PROJECT = PROJECT_ROOT / "dbt_project"
# beside the Python that runs us
DBT = (str(Path(sys.executable).parent / "dbt"),)
Process = subprocess.Popen[str]
# failed tests of which a row is named
NAMED_ROWS = 3


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
        session: The Spark session to run it in, on the target spark (`warehouse.spark_session`).

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
        if session:
            said = session
            # one that has ended already says why in what it has written
            with suppress(BrokenPipeError):
                command = {"now": _now(settings), "arguments": arguments}
                print(json.dumps(command), file=said.stdin, flush=True)
        else:
            said = stack.enter_context(
                child([*DBT, *arguments], settings, dbt_environment(settings), locks)
            )
        for raw in said.stdout or ():
            code = spark.exit_code(raw) if session else None
            if code is not None:
                break
            if _take_log_line(raw, errors, progress):
                hit("build.node_finished", settings, said.pid)
        if code is None:
            code = said.wait()
            if session:
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
def child(
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
