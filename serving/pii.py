"""Which columns the analyst's edition may show, by the rules of `pii.yml`; anything unclassified is refused.

Reads: `serving/pii.yml`. Writes: nothing.
Run: by `serving.publish`; `warehouse doctor` may call `classify` too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml

from warehouse.errors import WarehouseError

Rule = Literal["drop", "pseudonymise", "keep"]
RULES_FILE = Path(__file__).with_name("pii.yml")
_RULES = ("drop", "pseudonymise", "keep")


@dataclass(frozen=True)
class SmallGroups:
    """The column that counts customers in a table of groups."""

    count_column: str


@cache
def rules() -> dict[str, Any]:
    """The rules as written."""
    return yaml.safe_load(RULES_FILE.read_text(encoding="utf-8"))


def classify(tables: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, Rule]]:
    """The class of every column.

    Args:
        tables: Table → column → DuckDB type, of schema gold.

    Raises:
        WarehouseError: A column finds no class; the message names the first and how many more.
    """
    classes: dict[str, dict[str, Rule]] = {}
    unknown: list[str] = []
    for table, columns in tables.items():
        classes[table] = {}
        for column, kind in columns.items():
            rule = _class_of(table, column, kind)
            if rule is None:
                unknown.append(f"gold.{table}.{column} ({kind})")
            else:
                classes[table][column] = rule
    if unknown:
        more = f" (and {len(unknown) - 1} more: {', '.join(unknown[1:6])})" if unknown[1:] else ""
        raise WarehouseError(
            f"nobody has said whether analysts may see {unknown[0]}{more}",
            "add it to serving/pii.yml as drop, pseudonymise or keep, then publish again",
        )
    return classes


def _class_of(table: str, column: str, kind: str) -> Rule | None:
    stated = (rules()["tables"].get(table) or {}).get(column) or rules()["columns"].get(column)
    if stated is not None:
        if stated not in _RULES:
            raise WarehouseError(
                f"serving/pii.yml: {table}.{column} is '{stated}'",
                f"use one of {', '.join(_RULES)}",
            )
        return stated
    if re.fullmatch(rules()["types"]["keep"], kind):
        return "keep"
    if kind != "VARCHAR" or re.search(rules()["suspicious"], column):
        return None
    for pattern, rule in rules()["patterns"]:
        if re.fullmatch(pattern, column):
            return rule
    return None


def small_groups(
    table: str, columns: Mapping[str, str], classes: Mapping[str, Rule]
) -> SmallGroups | None:
    """How small groups are recognised in a table, if it is an aggregate over customers by a dimension."""
    said = rules()["small_groups"]
    if not re.fullmatch(said["tables"], table) or table in said["tables_exempt"]:
        return None
    dimensions = [
        column
        for column, kind in columns.items()
        if re.fullmatch(said["also_a_dimension"], column)
        or (
            kind == "VARCHAR"
            and classes[column] == "keep"
            and not re.fullmatch(said["not_a_dimension"], column)
        )
    ]
    count = next((column for column in said["counts"] if column in columns), None)
    return SmallGroups(count) if dimensions and count else None
