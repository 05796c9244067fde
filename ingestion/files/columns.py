"""Which rows of a typed file are surely good, told from its columns: their types prove most of the rules.

Reads and writes: nothing. Run: imported by `ingestion.files.reading`.
"""

from __future__ import annotations

import re
from datetime import datetime

from ingestion.destination.typecheck import Rule, Rules

_INTEGERS = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
_FLOATS = {"FLOAT", "DOUBLE"}
_DECIMAL = re.compile(r"DECIMAL\(\d+,\d+\)")
_SOUND = _INTEGERS | {
    "VARCHAR",
    "BOOLEAN",
    "DATE",
    "UBIGINT",
    "HUGEINT",
    "TIMESTAMP WITH TIME ZONE",
    "TIMESTAMP",
}


def proved_sql(rules: Rules, types: dict[str, str]) -> str | None:
    """SQL that is true only for a row whose JSON every rule passes; None if the types can't tell.

    Args:
        rules: What a row must be.
        types: DuckDB's types of the file's columns.
    """
    if rules.mode is not None or len({name.lower() for name in types}) < len(types):
        return None
    tests = []
    for name, kind in types.items():
        if name in rules.by_name:
            continue
        if kind in _FLOATS:  # NaN and infinity are not JSON
            tests.append(f"coalesce(isfinite({_quoted(name)}), true)")
        elif kind not in _SOUND and not _DECIMAL.fullmatch(kind):
            return None
    for rule in rules.fields:
        if rule.name in types:
            good = _good_sql(rule, _quoted(rule.name), types[rule.name])
            missing = "false" if rule.required else "true"
            tests.append(f"coalesce({good}, {missing})")
        elif rule.required:
            return None
    return " and ".join(tests) or "true"


def _good_sql(rule: Rule, column: str, kind: str) -> str:
    """SQL that is true for a value that surely passes, false for any other, null for null."""
    match rule.kind:
        case "text" if kind == "VARCHAR":
            return f"{column} <> ''" if rule.required else f"{column} is not null or null"
        case "integer" | "number" if kind in _INTEGERS:
            return _within(rule, column)
        case "number" if kind in _FLOATS:
            return f"isfinite({column}) and {_within(rule, column)}"
        case "boolean" if kind == "BOOLEAN":
            return f"{column} is not null or null"
        case "instant" if kind == "TIMESTAMP WITH TIME ZONE":
            low = rule.low if isinstance(rule.low, datetime) else "1000-01-02 00:00:00+00"
            high = rule.high if isinstance(rule.high, datetime) else "2999-12-30 00:00:00+00"
            return f"{column} between timestamptz '{low}' and timestamptz '{high}'"
        case "instant" if rule.epoch and kind in _INTEGERS:
            low, high = (int(bound.timestamp()) for bound in (rule.low, rule.high))
            seconds = f"{column} between {low + 1} and {high}"
            return f"({seconds} or {column} between {low + 1}000 and {high}000)"
        case _:
            return f"if({column} is null, null, false)"


def _within(rule: Rule, column: str) -> str:
    low = f"{column} >= {rule.low}" if rule.low is not None else f"{column} is not null or null"
    high = f" and {column} <= {rule.high}" if rule.high is not None else ""
    return f"({low}){high}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
