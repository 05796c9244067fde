"""What a landing file says of a stream at once, without a model: the view `latest.<stream>`.

One row per primary key: the newest of the generation that is served, its fields as columns. It is for looking and for
first questions; silver decides by the source's own versions. Types may drift, and a view must not hide it: a value that
is not of its catalog's type reads null, its field is named in `_drifted`, and `_raw` has the record as it was sent.

Reads: what a catalog says. Writes: nothing; `Landing.describe` runs the SQL. Run: imported.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ingestion.destination.typecheck import Kind, kind_of

SCHEMA = "latest"
DELETED_AT = "_ab_cdc_deleted_at"  # so connectors that read a database's log mark a deleted row

_TYPES: dict[Kind, str] = {
    "integer": "bigint",
    "number": "double",
    "date": "date",
}
# JSON schema calls 1.0 an integer; with more than 15 digits DuckDB has rounded it when it took it out of the record
_WHOLE = r"-?(0|[1-9][0-9]{0,14})(\.0+)?"
_DAY = "[0-9]{4}-[0-9]{2}-[0-9]{2}"
_HOUR = "[T ][0-9:.]+"
_OWN = ("_drifted", "_raw", "_extracted_at", "_load_id")

Path = tuple[str, ...]


@dataclass(frozen=True)
class Described:
    """A stream as its catalog describes it.

    Attributes:
        stream: Its table.
        source_name: What the source calls it, after its namespace if it has one.
        key: Paths of the primary key's fields; empty: every row stands for itself.
        cursor: Path of the field that grows with each version, or ().
        fields: Its fields with their JSON schemas, in order.
    """

    stream: str
    source_name: str
    key: tuple[Path, ...] = ()
    cursor: Path = ()
    fields: dict[str, Any] = field(default_factory=dict)


def view_sql(raw: str, about: Described) -> str:
    """The statement that makes the view.

    Args:
        raw: Schema of the raw tables.
        about: The stream; its name is checked already, names of fields are quoted here.
    """
    columns = _columns(list(about.fields))
    paths = ", ".join(_quote(_pointer((name,))) for name in about.fields)
    read, drifts = [], []
    for number, (name, column) in enumerate(columns.items(), start=1):
        text = f"texts[{number}]"
        schema = about.fields[name]
        typed = _typed(text, kind_of(schema))
        if isinstance(schema, dict) and schema.get("x-epoch"):
            typed = f"coalesce({typed}, {_epoch(text)})"
        read.append(f"{typed} as {column}")
        if typed != text:
            drifts.append(
                f"case when {text} is not null and {typed} is null then {_quote(name)} end"
            )
    drifted = f"list_distinct([{', '.join(drifts)}])" if drifts else "[]"
    order = ["_extracted_at desc", "_load_id desc", "_position desc"]
    if about.cursor:
        kind = kind_of(about.fields.get(about.cursor[0])) if len(about.cursor) == 1 else "text"
        order.insert(0, f"{_typed(text_sql(about.cursor), kind)} desc nulls last")
    newest = ""
    if about.key:
        by = ", ".join(text_sql(path) for path in about.key)
        newest = f"qualify row_number() over (partition by {by} order by {', '.join(order)}) = 1"
    deleted = f"where {text_sql((DELETED_AT,))} is null" if DELETED_AT in about.fields else ""
    return f"""
        create or replace view {SCHEMA}.{about.stream} as
        with newest as (
            select *
            from {raw}.{about.stream}
            where _generation = (
                select coalesce(max(generation), 0) from landing.generations
                where stream = {_quote(about.stream)} and is_complete
            )
            {newest}
        ),
        opened as (
            select *, json_extract_string(_raw, [{paths}]::varchar[]) as texts
            from newest
            {deleted}
        )
        select {", ".join([*read, f"{drifted}::varchar[] as _drifted"])}, _raw, _extracted_at, _load_id
        from opened
    """


def instant_sql(name: str, schema: Any) -> str:
    """SQL that reads a field of `_raw` as a UTC instant: ISO 8601 text, or an integer of seconds since 1970.

    Args:
        name: The field.
        schema: Its JSON schema.
    """
    text = text_sql((name,))
    if kind_of(schema) == "integer":
        return f"make_timestamp(try_cast({text} as bigint) * 1000000)"
    # a text that begins otherwise is no instant to a source that compares texts
    is_iso = f"regexp_matches({text}, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}([T ]|$)')"
    return f"case when {is_iso} then {_typed(text, 'instant')} end"


def _columns(names: list[str]) -> dict[str, str]:
    """Quoted column names: DuckDB knows no case, so one that is taken gets a `_` more."""
    taken = set(_OWN)
    found = {}
    for name in names:
        column = name or "_"
        while column.lower() in taken:
            column += "_"
        taken.add(column.lower())
        found[name] = '"' + column.replace('"', '""') + '"'
    return found


def _typed(text: str, kind: Kind) -> str:
    """SQL that reads a text as its type, null where it is not; instants as UTC, whatever the session's time zone.

    A cast alone takes more than it should: 1.5 for 2, `yes` for true, an instant for its day.
    """
    if kind in ("instant", "local_instant"):
        return (
            f"case when regexp_full_match({text}, '{_DAY}{_HOUR} ?(Z|[+-][0-9:]+)') "
            f"then try_cast({text} as timestamptz) at time zone 'UTC' "
            f"when regexp_full_match({text}, '{_DAY}({_HOUR})?') then try_cast({text} as timestamp) end"
        )
    if kind == "boolean":
        return f"case {text} when 'true' then true when 'false' then false end"
    if kind not in _TYPES:
        return text
    cast = f"try_cast({text} as {_TYPES[kind]})"
    if kind == "number":
        return f"case when isfinite({cast}) and not contains({text}, '_') then {cast} end"
    exact = f"{cast}::varchar = {text}"  # most are, and it costs less than a pattern
    if kind == "integer":
        exact += f" or regexp_full_match({text}, '{_WHOLE}')"
    else:
        exact += f" and strlen({text}) = 10"  # neither infinite nor BC
    return f"case when {exact} then {cast} end"


def _epoch(text: str) -> str:
    """SQL that reads seconds since 1970, or milliseconds from 12 digits on, as a UTC instant; null where it is none."""
    scale = f"if(strlen(split_part({text}, '.', 1)) >= 12, 1000, 1000000)"
    return f"make_timestamp((try_cast({text} as decimal(20, 6)) * {scale})::bigint)"


def text_sql(path: Path) -> str:
    """SQL that reads a field of `_raw` as text; null where it is absent or null."""
    return f"json_extract_string(_raw, {_quote(_pointer(path))})"


def _pointer(path: Path) -> str:
    """A JSON pointer (RFC 6901), which has no wildcards."""
    return "".join("/" + name.replace("~", "~0").replace("/", "~1") for name in path)


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"
