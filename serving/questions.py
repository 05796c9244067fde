"""Saved questions: a file each, SQL below a head of comments, so that any client can run it as it is.

    -- title: Monthly recurring revenue by tier
    -- description: What customers of each tier pay a month, at each month's end.
    -- chart: {kind: line, x: month, y: mrr_usd, color: tier}
    -- ---
    select …

The head ends with the line `-- ---`; where a file has none, with its first line that is no comment.
Those of the project lie in `serving/questions`; a person's own in `<home>/questions`, which win
where both have a name.

Reads: `serving/questions/*.sql`, `<home>/questions/*.sql`. Writes: `<home>/questions/<name>.sql`.
Run: `warehouse sql --question NAME`, the dashboards' SQL page.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from warehouse.errors import CallError
from warehouse.settings import Settings

SHIPPED = Path(__file__).with_suffix("")
KINDS = ("line", "bar", "area", "point")
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")
# Without it a comment at the beginning of the SQL would be taken for the head's.
_END = "-- ---\n"
_HEAD = re.compile(rf"(?:--[^\n]*\n)*?{_END}|(?:--[^\n]*\n)*")


@dataclass(frozen=True)
class Chart:
    """How an answer is drawn.

    Attributes:
        kind: One of `KINDS`.
        x: Column along the axis.
        y: Column of the values.
        color: Column that tells series apart, if there are several.
    """

    kind: str
    x: str
    y: str
    color: str | None = None


@dataclass(frozen=True)
class Question:
    """A saved question.

    Attributes:
        name: Its file's name, without `.sql`.
        title: What it asks, for people.
        description: What its answer means, and who needs it.
        sql: The select.
        chart: How its answer is drawn, if it says so.
        is_own: Whether it lies in the data folder.
    """

    name: str
    title: str
    sql: str
    description: str = ""
    chart: Chart | None = None
    is_own: bool = False


def own_folder(settings: Settings) -> Path:
    """Where people's own questions lie."""
    return settings.home / "questions"


def all_questions(settings: Settings) -> list[Question]:
    """Every question, by title."""
    found = {
        path.stem: _read(path, is_own=folder != SHIPPED)
        for folder in (SHIPPED, own_folder(settings))
        for path in folder.glob("*.sql")
    }
    return sorted(found.values(), key=lambda question: question.title.lower())


def find(settings: Settings, name: str) -> Question:
    """The question of a name.

    Raises:
        CallError: There is none.
    """
    known = {question.name: question for question in all_questions(settings)}
    if name not in known:
        raise CallError(f"no saved question '{name}'", f"there are: {', '.join(sorted(known))}")
    return known[name]


def save(settings: Settings, question: Question, *, replace: bool = False) -> Path:
    """Write a question into the data folder.

    Args:
        settings: Where the data folder is.
        question: What to save.
        replace: Whether one of the same name may be replaced.

    Raises:
        CallError: The name is no file's name, the question is empty, or there is one of that name already.
    """
    if not _NAME.fullmatch(question.name):
        raise CallError(
            f"'{question.name}' is no name for a question",
            "use small letters, digits, - and _, such as mrr_by_tier",
        )
    if not question.sql.strip():
        raise CallError("there is no SQL to save", "write the question first")
    folder = own_folder(settings)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    path = folder / f"{question.name}.sql"
    if path.exists() and not replace:
        raise CallError(f"there is a question '{question.name}' already", "choose another name")
    partial = folder / f".{question.name}.{os.getpid()}.partial"
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
        file.write(_written(question))
    partial.replace(path)
    return path


def name_of(title: str) -> str:
    """A file's name made of a title."""
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")[:63]


def _written(question: Question) -> str:
    head: dict[str, Any] = {"title": question.title, "description": question.description}
    if question.chart:
        head["chart"] = {name: value for name, value in vars(question.chart).items() if value}
    lines = yaml.safe_dump(
        {name: value for name, value in head.items() if value},
        sort_keys=False,
        allow_unicode=True,
        width=10_000,
    ).splitlines()
    return "".join(f"-- {line}\n" for line in lines) + _END + question.sql.strip() + "\n"


def _read(path: Path, *, is_own: bool) -> Question:
    """A file as a question. One whose head can't be read is still a question, and says so."""
    text = path.read_text(encoding="utf-8", errors="replace")
    found = _HEAD.match(text)
    head = found[0] if found else ""
    sql = text[len(head) :].strip()
    try:
        said = (
            yaml.safe_load(re.sub(r"^-- ?", "", head.removesuffix(_END), flags=re.MULTILINE)) or {}
        )
        return Question(
            path.stem,
            str(said.get("title") or path.stem),
            sql,
            str(said.get("description") or ""),
            _chart(said.get("chart")),
            is_own,
        )
    except (yaml.YAMLError, AttributeError, TypeError):
        return Question(
            path.stem, path.stem, text, f"The head of {path.name} can't be read.", is_own=is_own
        )


def _chart(said: Any) -> Chart | None:
    if said is None:
        return None
    chart = Chart(**said)
    if chart.kind not in KINDS:
        raise TypeError(chart.kind)
    return chart
