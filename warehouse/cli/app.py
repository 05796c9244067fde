"""The root of the command line: its app, its consoles, its global options."""

from __future__ import annotations

import logging
import re
import shlex
import sys

import typer
from rich.console import Console
from rich.markup import escape

from warehouse.settings import Settings, load_settings

OUR_PACKAGES = {"warehouse", "ingestion", "ml", "quality", "serving", "sandbox"}

console = Console()
stderr = Console(stderr=True)

# All but line feed and tab.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

app = typer.Typer(
    name="warehouse",
    help="The analytics warehouse that an API company opens every morning.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def _options(
    context: typer.Context,
    verbose: bool = typer.Option(False, "--verbose", "-v", help="Show logs and tracebacks."),
) -> None:
    context.obj = {"verbose": verbose}
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.WARNING,
        format="%(asctime)s %(name)s %(message)s",
        stream=sys.stderr,
    )
    if not verbose:
        for handler in logging.getLogger().handlers:
            handler.addFilter(_ours_or_an_error)


def _ours_or_an_error(record: logging.LogRecord) -> bool:
    """The libraries' own chatter is for --verbose; ours, such as a lock waited for, is for everybody."""
    return record.name.split(".")[0] in OUR_PACKAGES or record.levelno >= logging.ERROR


def literal(text: str) -> str:
    """Text from outside, to be printed as it is: no markup, and no control character that a terminal would obey."""
    return escape(_CONTROL.sub(lambda found: f"\\x{ord(found[0]):02x}", text))


def is_verbose() -> bool:
    """Whether --verbose stands before the command; asked where its options may not have been read."""
    return "--verbose" in sys.argv or "-v" in sys.argv


def not_foreseen() -> str:
    """What to do about an error of ours; --verbose stands before the command, so the whole line is shown."""
    if is_verbose():
        return "this was not foreseen; report it with what stands above"
    again = shlex.join(["warehouse", "--verbose", *sys.argv[1:]])
    return f"this was not foreseen; run `{again}` and report it"


def settings_for(*, prepare: bool = False) -> Settings:
    """Settings for a command; `prepare` also makes the data folder ready (for commands that write)."""
    from warehouse import home

    settings = load_settings()
    if prepare:
        return home.prepare(settings)
    home.check_mode(settings)
    return settings
