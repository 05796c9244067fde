"""What the shell offers while somebody types: tables, columns, functions, keywords, and the shell's own commands.

The edition isn't asked while somebody types: what is in it is learnt when it is opened.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from serving.catalog import Relation
from serving.reader import Reader

_NAME = r"[a-z_][\w.]*"
_SOURCE = re.compile(rf"\b(?:from|join)\s+({_NAME})(?:\s+(?:as\s+)?([a-z_]\w*))?", re.IGNORECASE)
_WANTS_TABLE = re.compile(r"\b(?:from|join|describe|summarize)\s+[\w.]*$", re.IGNORECASE)
_WORD = re.compile(r"[\w.]*$")
_COMMAND = re.compile(r"\s*(\\\S*)(?:\s+(\S*))?$")
# Words of SQL that DuckDB's list has among hundreds that hardly anybody needs.
_ALSO = ("by", "over", "partition", "filter", "exclude", "replace", "rows", "preceding", "ties")
_WORDS = """
select lower(keyword_name) as word, 'keyword' as kind from duckdb_keywords()
where keyword_category in ('reserved', 'type_function', 'column_name')
union
select function_name, 'function' from duckdb_functions()
where function_type in ('scalar', 'aggregate', 'macro', 'window')
    and regexp_full_match(function_name, '[a-z][a-z0-9_]*')
order by all
"""


@dataclass(frozen=True)
class Vocabulary:
    """What can be completed.

    Attributes:
        relations: Tables and views.
        words: Keywords and functions, with what they are.
        commands: The shell's commands.
        arguments: Command → tells what may follow it.
    """

    relations: Sequence[Relation] = ()
    words: Sequence[tuple[str, str]] = ()
    commands: Sequence[str] = ()
    arguments: Mapping[str, Callable[[], Sequence[str]]] = field(default_factory=dict)


def words(reader: Reader) -> list[tuple[str, str]]:
    """Keywords and functions of the DuckDB that answers."""
    return [*reader.ask(_WORDS).rows, *((word, "keyword") for word in _ALSO)]


class SqlCompleter(Completer):
    """Completes by what stands before the cursor; columns come from the tables that the statement names."""

    def __init__(self) -> None:
        self.vocabulary = Vocabulary()

    def get_completions(self, document: Document, _event: CompleteEvent) -> Iterator[Completion]:
        """See prompt_toolkit."""
        before = document.text_before_cursor
        if command := _COMMAND.match(before):
            name, argument = command.groups()
            if argument is None:
                yield from _matching(self.vocabulary.commands, name)
            elif name in self.vocabulary.arguments:
                yield from _matching(self.vocabulary.arguments[name](), argument)
            return
        if before.count("'") % 2:
            return
        word = _WORD.search(before)[0]  # type: ignore[index]
        if _WANTS_TABLE.search(before):
            yield from self._tables(word)
        elif "." in word:
            yield from self._of_qualifier(document.text, word)
        elif word:
            yield from self._columns(self._named_in(document.text).values(), word)
            yield from _matching(
                (w for w, _ in self.vocabulary.words), word, dict(self.vocabulary.words)
            )

    def _tables(self, word: str) -> Iterator[Completion]:
        for relation in self.vocabulary.relations:
            wanted = word.lower()
            if relation.full_name.startswith(wanted) or relation.name.startswith(wanted):
                yield Completion(
                    relation.full_name,
                    -len(word),
                    display_meta=relation.comment.split(". ")[0][:60],
                )

    def _of_qualifier(self, statement: str, word: str) -> Iterator[Completion]:
        """After a dot: tables of a schema, or columns of a table or its alias."""
        qualifier, part = word.lower().rsplit(".", 1)
        if any(relation.schema == qualifier for relation in self.vocabulary.relations):
            yield from self._tables(word)
        elif relation := self._named_in(statement).get(qualifier):
            yield from self._columns([relation], part)

    def _named_in(self, statement: str) -> dict[str, Relation]:
        """Alias or name → relation, for those behind `from` and `join`."""
        known = {}
        for relation in self.vocabulary.relations:
            known[relation.name] = known[relation.full_name] = relation
        found = {}
        for name, alias in _SOURCE.findall(statement.lower()):
            if name in known:
                found[name.rsplit(".", 1)[-1]] = known[name]
                found[name] = known[name]
                if alias:
                    found[alias] = known[name]
        return found

    @staticmethod
    def _columns(relations: Iterable[Relation], word: str) -> Iterator[Completion]:
        columns = {column.name: column.type for one in relations for column in one.columns}
        yield from _matching(columns, word, columns)


def _matching(
    known: Iterable[str], word: str, meta: dict[str, str] | None = None
) -> Iterator[Completion]:
    for candidate in known:
        if candidate.lower().startswith(word.lower()):
            yield Completion(candidate, -len(word), display_meta=(meta or {}).get(candidate, ""))
