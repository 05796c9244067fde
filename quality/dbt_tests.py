"""What dbt's tests found when a layer was built, as rows beside those of the gates.

A gate of its own name (`dbt_silver`, `dbt_gold`, `dbt_ml`) that blocks nothing: where a test of severity error fails,
dbt has failed already. Scores are made of these rows too, those of a build that failed included.

Reads: dbt's `run_results.json` and `manifest.json`, `quality/dbt_tests.yml`.
Writes: `ops.duckdb` (check_runs, check_results).
Run: by `warehouse.transform` after each start of dbt, under its locks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from quality.advice import advice_for
from quality.expectations import CheckResult
from quality.gates import keep
from warehouse.settings import Settings

NAMES_FILE = Path(__file__).with_name("dbt_tests.yml")
_SEVERITY = {"ERROR": "error", "WARN": "warning"}
# what dbt says of a test that looked (one that was skipped did not)
_LOOKED = ("pass", "fail", "warn", "error")


@cache
def names() -> dict[str, dict[str, dict[str, str]]]:
    """The tests by name, as written in `dbt_tests.yml`."""
    return yaml.safe_load(NAMES_FILE.read_text(encoding="utf-8"))


def record(settings: Settings, layer: str, target: Path, first_row: Callable[[str], str]) -> None:
    """Keep what the tests of one start of dbt found.

    Args:
        settings: Whose `ops.duckdb`.
        layer: The layer that was built.
        target: dbt's target folder; nothing is kept where dbt did not come to an end.
        first_row: The first row of a test's query, in words; empty where it can't be asked.
    """
    artifact = target / "run_results.json"
    if not artifact.exists():
        return
    run = json.loads(artifact.read_text(encoding="utf-8"))
    manifest = json.loads((target / "manifest.json").read_text(encoding="utf-8"))
    gate = f"dbt_{layer}"
    keep(settings, gate, run["metadata"]["invocation_id"], results(gate, run, manifest, first_row))


def results(
    gate: str,
    run: Mapping[str, Any],
    manifest: Mapping[str, Any],
    first_row: Callable[[str], str] = lambda _: "",
) -> list[CheckResult]:
    """The tests that looked, in the gates' words.

    Args:
        gate: What to call the run's checks.
        run: `run_results.json`.
        manifest: `manifest.json`.
        first_row: See `record`.
    """
    nodes = manifest["nodes"]
    return [
        _result(gate, nodes[outcome["unique_id"]], outcome, nodes, first_row)
        for outcome in run["results"]
        if outcome["unique_id"].startswith("test.") and outcome["status"] in _LOOKED
    ]


def _result(
    gate: str,
    test: Mapping[str, Any],
    outcome: Mapping[str, Any],
    nodes: Mapping[str, Any],
    first_row: Callable[[str], str],
) -> CheckResult:
    generic = test.get("test_metadata")
    said = names()["generic"][generic["name"]] if generic else names()["singular"][test["name"]]
    model = nodes[test["attached_node"] if generic else f"model.warehouse.{said['model']}"]
    table = f"{model['schema']}.{model['alias']}"
    column = test.get("column_name") or ""
    dimension = test["config"]["meta"].get("dimension", said["dimension"])
    success = outcome["status"] == "pass"
    observed = "" if outcome["failures"] is None else f"{outcome['failures']} rows"
    return CheckResult(
        gate, test["name"], table, column, _words(said["says"], generic), dimension,
        _SEVERITY[test["config"]["severity"].upper()], success, observed,
        "" if success else _detail(outcome, first_row), "" if success else advice_for(table, column, dimension),
    )  # fmt: skip


def _words(says: str, generic: Mapping[str, Any] | None) -> str:
    arguments = {
        name: ", ".join(map(str, value)) if isinstance(value, list) else str(value)
        for name, value in (generic or {}).get("kwargs", {}).items()
    }
    if "to" in arguments:  # ref('dim_customers')
        arguments["to"] = arguments["to"].split("'")[1]
    return says.format_map(arguments) if generic else says


def _detail(outcome: Mapping[str, Any], first_row: Callable[[str], str]) -> str:
    if outcome["status"] == "error":
        return f"could not be evaluated: {str(outcome['message']).splitlines()[0][:200]}"
    row = first_row(outcome["compiled_code"])
    return f"{outcome['failures']} rows break it" + (f", such as {row}" if row else "")
