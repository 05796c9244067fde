"""The shell of `warehouse sql`: questions over several lines, and commands that begin with a backslash.

Every question is answered by the newest version; where that has changed since the question before, the shell says so.

Reads: editions, through `serving.reader`; saved questions.
Writes: `<home>/sql_history`, files of questions and answers.
"""

from __future__ import annotations

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.filters import Condition
from prompt_toolkit.history import FileHistory, History, InMemoryHistory
from prompt_toolkit.lexers import PygmentsLexer
from pygments.lexers.sql import SqlLexer
from rich.table import Table as Grid

from serving import catalog, questions
from serving.reader import Reader
from serving.sql import EDITIONS, FORMS, Table, current_file, render
from warehouse.cli import tables
from warehouse.cli.app import console, literal, stderr
from warehouse.cli.completion import SqlCompleter, Vocabulary, words
from warehouse.errors import CallError, WarehouseError
from warehouse.settings import Settings

ROWS_SHOWN = 200
STOPPED = 130
_TOGGLES = {"on": True, "off": False}


class Shell:
    """One session.

    Args:
        settings: Where the editions are, and the limits.
        edition: restricted or analyst.

    Raises:
        CallError: There is no such edition.
        WarehouseError: Nothing is published.
    """

    def __init__(self, settings: Settings, edition: str) -> None:
        self.settings = settings
        self.edition = edition
        self.limit = ROWS_SHOWN
        self.is_timed = False
        # None: where a grid would be too wide
        self.is_expanded: bool | None = None
        self.output: Path | None = None
        self.last = ""
        self.is_over = False
        self._commands: dict[str, tuple[str, str, Callable[[list[str]], None]]] = {
            r"\d": ("[TABLE]", "tables, or the columns of one and what they mean", self._describe),
            r"\dt": ("[PART]", "tables, or those with this part in their name", self._list_tables),
            r"\l": ("", "editions and saved questions", self._list),
            r"\c": ("EDITION", "ask another edition", self._change_edition),
            r"\i": ("QUESTION", "ask a saved question", self._ask_saved),
            r"\s": ("NAME [TITLE]", "save the last question", self._save),
            r"\o": ("FILE", f"the next answer, whole, into a file ({', '.join(FORMS)})", self._redirect),
            r"\x": ("[on|off|auto]", "a line for each column", self._expand),
            r"\timing": ("[on|off]", "say how long an answer took", self._time),
            r"\limit": ("ROWS", "rows shown of an answer", self._limit),
            r"\?": ("", "this help", self._help),
            r"\q": ("", "leave (or Ctrl-D)", self._quit),
        }  # fmt: skip
        self._completer = SqlCompleter()
        self._open(current_file(settings, edition))

    def run(self) -> None:
        """Read and answer until somebody leaves."""
        signal.signal(signal.SIGTERM, _stop)
        session: PromptSession[str] = PromptSession(
            history=self._history(),
            lexer=PygmentsLexer(SqlLexer),
            completer=self._completer,
            multiline=Condition(lambda: not is_complete(get_app().current_buffer.text)),
            prompt_continuation=lambda width, *_: "-> ".rjust(width),
        )
        console.print(
            f"{self._version()}, {self.edition} edition. \\? for help, \\q to leave.",
            highlight=False,
        )
        try:
            while not self.is_over:
                try:
                    line = session.prompt(f"{self.edition}=> ")
                except KeyboardInterrupt:
                    continue  # Ctrl-C: away with what was typed
                except EOFError:
                    break
                self.answer(line)
        finally:
            self._reader.close()

    def answer(self, line: str) -> None:
        """Do what one input says: a command, or one question or more. Errors are printed."""
        try:
            if line.strip().startswith("\\"):
                self._obey(line.strip())
            else:
                for statement in _statements(line):
                    self._ask(statement)
        except WarehouseError as error:
            stderr.print(
                f"[bold red]error[/]: {literal(error.message)}", highlight=False, soft_wrap=True
            )
            if error.hint:
                stderr.print(f"  → {literal(error.hint)}", highlight=False, soft_wrap=True)
        except OSError as error:
            stderr.print(f"[bold red]error[/]: {error.strerror}: {error.filename}", highlight=False)
        except KeyboardInterrupt:
            stderr.print("stopped")

    # --- asking
    # -------------------------------------------------------------------------------------------

    def _open(self, path: Path) -> None:
        """Take a version, and learn what is in it."""
        self._reader = Reader(self.settings, path)
        self.relations = catalog.relations(self._reader.ask)
        self._completer.vocabulary = Vocabulary(
            self.relations,
            words(self._reader),
            list(self._commands),
            {
                r"\d": lambda: [relation.full_name for relation in self.relations],
                r"\c": lambda: EDITIONS,
                r"\i": lambda: [one.name for one in questions.all_questions(self.settings)],
            },
        )

    def _look_for_newer(self) -> None:
        path = current_file(self.settings, self.edition)
        if path != self._reader.path:
            self._reader.close()
            self._open(path)
            console.print(f"[dim]now on {self._version()}[/]", highlight=False)

    def _version(self) -> str:
        return self._reader.path.parent.name

    def _ask(self, statement: str) -> None:
        self._look_for_newer()
        self.last = statement
        begun = time.monotonic()
        with console.status("Ctrl-C stops it"):
            answer = (
                self._reader.ask(statement)
                if self.output
                else self._reader.ask(statement, limit=self.limit)
            )
        took = time.monotonic() - begun
        if self.output:
            self._write(answer, self.output)
        else:
            self._show(answer)
        if self.is_timed:
            console.print(f"[dim]{took * 1000:,.0f} ms[/]", highlight=False)

    def _show(self, answer: Table) -> None:
        is_expanded = self.is_expanded
        if is_expanded is None:
            is_expanded = tables.is_too_wide(answer, console.width)
        console.print(tables.records(answer) if is_expanded else tables.grid(answer))
        more = f"the first {len(answer.rows):,} rows; \\o FILE takes all, \\limit shows more"
        count = "1 row" if len(answer.rows) == 1 else f"{len(answer.rows):,} rows"
        console.print(f"[dim]{more if answer.is_truncated else count}[/]", highlight=False)

    def _write(self, answer: Table, path: Path) -> None:
        path.write_bytes(render(answer, path.suffix.removeprefix(".") or "csv"))
        self.output = None
        first = "the first " if answer.is_truncated else ""
        console.print(f"{first}{len(answer.rows):,} rows in {path}", highlight=False)

    # --- commands
    # -------------------------------------------------------------------------------------------

    def _obey(self, line: str) -> None:
        try:
            name, *arguments = shlex.split(line.rstrip(";").replace("\\", "\\\\", 1))
        except ValueError as error:
            raise CallError(f"{line}: {error}", r"\? lists the commands") from None
        if name not in self._commands:
            raise CallError(f"no command {name}", r"\? lists the commands")
        self._commands[name][2](arguments)

    def _describe(self, arguments: list[str]) -> None:
        if not arguments:
            self._list_tables([])
            return
        self._look_for_newer()
        found = catalog.find(self.relations, arguments[0])
        if not found:
            raise CallError(f"no table '{arguments[0]}'", r"\dt lists the tables")
        for relation in found:
            shown = Grid("column", "type", "what it means", title_justify="left")
            shown.title = literal(f"{relation.full_name}: {relation.comment}".rstrip(": "))
            for column in relation.columns:
                shown.add_row(literal(column.name), literal(column.type), literal(column.comment))
            console.print(shown)

    def _list_tables(self, arguments: list[str]) -> None:
        self._look_for_newer()
        part = arguments[0].lower() if arguments else ""
        shown = Grid("table", "rows", "what a row is")
        for relation in self.relations:
            if part in relation.full_name:
                rows = "view" if relation.rows is None else f"{relation.rows:,}"
                shown.add_row(
                    literal(relation.full_name), rows, literal(relation.comment.split(". ")[0])
                )
        console.print(shown)

    def _list(self, _: list[str]) -> None:
        for edition in EDITIONS:
            mark = "*" if edition == self.edition else " "
            console.print(f"{mark} {edition} ({self._version()})", highlight=False)
        shown = Grid("question", "title", "what it answers")
        for question in questions.all_questions(self.settings):
            own = " (own)" if question.is_own else ""
            shown.add_row(
                literal(question.name), literal(question.title) + own, literal(question.description)
            )
        console.print(shown)

    def _change_edition(self, arguments: list[str]) -> None:
        edition = _one(arguments, r"\c EDITION")
        path = current_file(self.settings, edition)
        self._reader.close()
        self.edition = edition
        self._open(path)

    def _ask_saved(self, arguments: list[str]) -> None:
        question = questions.find(self.settings, _one(arguments, r"\i QUESTION"))
        console.print(f"[bold]{literal(question.title)}[/]", highlight=False)
        self._ask(question.sql)

    def _save(self, arguments: list[str]) -> None:
        if not arguments:
            raise CallError("it needs a name", r"\s NAME [TITLE]")
        name, *title = arguments
        question = questions.Question(name, " ".join(title) or name, self.last)
        console.print(f"saved in {questions.save(self.settings, question)}", highlight=False)

    def _redirect(self, arguments: list[str]) -> None:
        path = Path(_one(arguments, r"\o FILE")).expanduser()
        form = path.suffix.removeprefix(".") or "csv"
        if form not in FORMS:
            raise CallError(f"no format '{form}'", f"formats are: {', '.join(FORMS)}")
        self.output = path
        console.print(f"the next answer goes to {path}", highlight=False)

    def _expand(self, arguments: list[str]) -> None:
        said = arguments[0] if arguments else ""
        if said == "auto":
            self.is_expanded = None
        else:
            self.is_expanded = _TOGGLES.get(said, not self.is_expanded)
        state = {True: "on", False: "off", None: "auto"}[self.is_expanded]
        console.print(f"a line for each column: {state}", highlight=False)

    def _time(self, arguments: list[str]) -> None:
        self.is_timed = _TOGGLES.get(arguments[0] if arguments else "", not self.is_timed)
        console.print(f"timing: {'on' if self.is_timed else 'off'}", highlight=False)

    def _limit(self, arguments: list[str]) -> None:
        said = _one(arguments, r"\limit ROWS")
        if not said.isdigit() or int(said) == 0:
            raise CallError(f"'{said}' is no number of rows", r"\limit 1000, for one")
        self.limit = int(said)

    def _help(self, _: list[str]) -> None:
        console.print(
            "SQL ends with ; and may take several lines. Ctrl-C stops a query.", highlight=False
        )
        shown = Grid.grid(padding=(0, 2))
        for name, (takes, does, _command) in self._commands.items():
            shown.add_row(literal(name), literal(takes), literal(does))
        console.print(shown)

    def _quit(self, _: list[str]) -> None:
        self.is_over = True

    def _history(self) -> History:
        """What was typed before, readable by its owner alone; none is kept where the folder can't be written to."""
        path = self.settings.home / "sql_history"
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600))
        except OSError:
            return InMemoryHistory()
        return FileHistory(str(path))


def is_complete(text: str) -> bool:
    """Whether Enter sends it: a command, nothing, or SQL that ends with a semicolon outside quotes and comments."""
    if not text.strip() or text.lstrip().startswith("\\"):
        return True
    code = [start for start, kind in duckdb.tokenize(text) if kind != duckdb.token_type.comment]
    return bool(code) and text[code[-1]] == ";"


def _statements(text: str) -> list[str]:
    try:
        return [statement.query for statement in duckdb.extract_statements(text)]
    except duckdb.Error as error:
        raise CallError(f"SQL: {str(error).splitlines()[0]}", "check the statement") from None


def _one(arguments: list[str], usage: str) -> str:
    if len(arguments) != 1:
        raise CallError("it needs one word more, and no other", usage)
    return arguments[0]


def _stop(_signal: int, _frame: object) -> None:
    """SIGTERM ends the shell; as Ctrl-C it would only end a line."""
    sys.exit(STOPPED)
