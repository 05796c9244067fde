"""The entry point: registers the commands, runs one, and turns errors into one line and an exit code."""

from __future__ import annotations

import signal
import sys

import typer
from typer.exceptions import TyperException

from warehouse.cli import (  # noqa: F401 - they register
    airflow,
    alerts,
    build,
    compare,
    lake,
    reports,
    run,
    sandbox,
    serving,
    sources,
    sql,
)
from warehouse.cli.app import app, is_verbose, literal, not_foreseen, stderr
from warehouse.errors import CallError, WarehouseError

STOPPED = 130  # as shells say it of what Ctrl-C ended


def main() -> None:
    """Entry point: one clear line for an error, its hint on the next, and the right exit code."""
    signal.signal(signal.SIGTERM, _stop)
    try:
        code = app(prog_name="warehouse", standalone_mode=False)
        if code == STOPPED:  # typer has swallowed the interrupt
            stderr.print("stopped")
    except BrokenPipeError:
        code = 0
    # typer carries a click of its own: what it raises is not what the package click defines
    except (typer.Abort, KeyboardInterrupt) as stopped:
        stderr.print("stopped")
        code = STOPPED if isinstance(stopped, KeyboardInterrupt) else 1
    except TyperException as error:
        code = _wrong_call(error)
    except Exception as error:  # noqa: BLE001 - the last resort: still one line
        if is_verbose():
            stderr.print_exception()
        code = _explain(error)
    sys.exit(code if isinstance(code, int) else 0)


def _explain(error: Exception) -> int:
    """Say in one line what went wrong and in another what to do; returns the exit code."""
    if isinstance(error, WarehouseError):
        message, hint = error.message, error.hint
    elif isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        message = f"{error.strerror or error}{where}"
        hint = "nothing was committed; mend it and run this again (docs/runbook.md)"
    else:
        first = str(error).strip().splitlines()[0] if str(error).strip() else ""
        message = f"{type(error).__name__}: {first}"
        hint = not_foreseen()
    stderr.print(f"[bold red]error[/]: {literal(message)}", highlight=False, soft_wrap=True)
    if hint:
        stderr.print(f"  → {literal(hint)}", highlight=False, soft_wrap=True)
    return error.exit_code if isinstance(error, WarehouseError) else 1


def _stop(_signal: int, _frame: object) -> None:
    """SIGTERM ends a command as Ctrl-C does: in order, with its children."""
    raise KeyboardInterrupt


def _wrong_call(error: TyperException) -> int:
    """Say what is wrong with the command's words (asked nothing at all, typer has shown the help)."""
    context = getattr(error, "ctx", None)
    if message := error.format_message():
        stderr.print(f"[bold red]error[/]: {literal(message)}", highlight=False, soft_wrap=True)
        path = context.command_path if context else "warehouse"
        stderr.print(f"  → see `{path} --help`", highlight=False, soft_wrap=True)
    return CallError.exit_code
