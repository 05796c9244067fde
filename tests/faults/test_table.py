"""docs/faults.md is true: every test that it names exists; every failpoint is met in the code."""

from __future__ import annotations

import ast
import re

import yaml

from warehouse import failpoints
from warehouse.settings import PROJECT_ROOT

PAGE = PROJECT_ROOT / "docs" / "faults.md"
NAMED = re.compile(r"`((?:tests|dbt_project)/[^`:]+)::(\w+)`")
ROOMS = ("warehouse", "ingestion", "quality", "ml", "serving")


def names_in(path: str) -> set[str]:
    """Tests in a file: functions of Python, unit tests of dbt."""
    text = (PROJECT_ROOT / path).read_text(encoding="utf-8")
    if path.endswith(".yml"):
        return {test["name"] for test in yaml.safe_load(text)["unit_tests"]}
    return {node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)}


def test_every_test_that_the_page_names_exists():
    named = NAMED.findall(PAGE.read_text(encoding="utf-8"))
    assert len(named) > 80
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (PROJECT_ROOT / path).exists() or name not in names_in(path)
    ]
    assert not missing, missing


def test_every_row_names_a_test():
    rows = [
        line for line in PAGE.read_text(encoding="utf-8").splitlines()
        if line.startswith("|") and not re.match(r"\|(---|.*\btest \|$)", line)
    ]  # fmt: skip
    assert len(rows) > 60
    assert not [row for row in rows if not NAMED.search(row)]


def test_every_failpoint_is_met_in_the_code_and_only_those():
    calls = [
        node.args[0].value
        for room in ROOMS
        for path in (PROJECT_ROOT / room).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "hit"
        and isinstance(node.args[0], ast.Constant)
    ]
    assert set(calls) == set(failpoints.POINTS)
    assert len(calls) == len(set(calls))
