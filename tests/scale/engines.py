"""dbt on another engine, in a process of its own, and its gold beside DuckDB's."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import duckdb
import pytest

from tests.scale.what_dbt_reads import as_files
from warehouse.dbt_process import DBT_PROJECT, dbt_environment, dbt_variables
from warehouse.settings import Settings

# of the engine's own
LEFT_OUT = {"id", "load_id"}


def needs(*packages: str) -> pytest.MarkDecorator:
    """Skip where the extra `targets` is not installed."""
    missing = [package for package in packages if find_spec(package) is None]
    return pytest.mark.skipif(
        bool(missing), reason=f"no {', '.join(missing)}: uv pip install -e '.[targets]'"
    )


@dataclass(frozen=True)
class Ran:
    """What a run left behind.

    Attributes:
        succeeded: Models that were built, each time.
        failed: Models that the engine refused.
        gold: A folder of Parquet files, one a table.
    """

    succeeded: set[str]
    failed: set[str]
    gold: Path


def words(settings: Settings, target: str, folder: Path, command: str) -> list[str]:
    """dbt's words for a command on a target: models alone, their tests ask in DuckDB's words."""
    variables = dbt_variables(settings) | {"persist_docs": False}
    return [
        "--log-path", str(folder / "logs"), command, "--project-dir", str(DBT_PROJECT), "--profiles-dir", str(DBT_PROJECT),
        "--target", target, "--target-path", str(folder / "target"), "--vars", json.dumps(variables), "--threads", "1",
    ]  # fmt: skip


def build(settings: Settings, target: str, module: str, folder: Path, *, times: int) -> Ran:
    """Load what dbt reads, build everything so many times, and keep gold."""
    (folder / "gold").mkdir(parents=True)
    command = [
        *words(settings, target, folder, "build"),
        "--exclude-resource-type",
        "test",
        "unit_test",
    ]
    tables = as_files(settings, folder)
    status = _work(settings, module, folder, [command] * times, tables)
    return Ran(
        {model for model, said in status.items() if said == "success"},
        {model for model, said in status.items() if said == "error"},
        folder / "gold",
    )


def compiled(settings: Settings, target: str, module: str, folder: Path) -> set[str]:
    """The models that dbt writes as the target's SQL, with nothing in the engine."""
    folder.mkdir(exist_ok=True)
    command = [*words(settings, target, folder, "compile"), "--select", "resource_type:model"]
    status = _work(settings, module, folder, [command], {})
    return {model for model, said in status.items() if said == "success"}


def _work(
    settings: Settings,
    module: str,
    folder: Path,
    commands: list[list[str]],
    tables: dict[tuple[str, str], str],
) -> dict[str, str]:
    """Each model's status at the end of the last command."""
    work = {
        "tables": {".".join(table): files for table, files in tables.items()},
        "dbt": commands,
        "gold": str(folder / "gold"),
        "engine": str(folder / "engine"),
    }
    (folder / "work.json").write_text(json.dumps(work), encoding="utf-8")
    environment = os.environ | dbt_environment(settings) | {"PYTHONWARNINGS": "ignore"}
    said = subprocess.run(
        [sys.executable, "-m", module, str(folder / "work.json")],
        check=False, cwd=DBT_PROJECT.parent, env=environment, text=True, capture_output=True,
    )  # fmt: skip
    results = folder / "target" / "run_results.json"
    assert results.exists(), said.stdout[-3000:] + said.stderr[-3000:]
    return {
        result["unique_id"].split(".")[-1]: result["status"]
        for result in json.loads(results.read_text(encoding="utf-8"))["results"]
        if result["unique_id"].startswith("model.")
    }


def models() -> set[str]:
    return {path.stem for path in (DBT_PROJECT / "models").rglob("*.sql")}


def unlike_duckdb(settings: Settings, gold: Path) -> dict[str, int]:
    """Rows of gold tables that DuckDB has otherwise, by table: fractions to the fifth place, all else exactly."""
    unlike = {}
    with duckdb.connect() as con:
        con.execute(f"attach '{settings.warehouse_db}' as duck (read_only)")
        for file in sorted(gold.glob("*.parquet")):
            columns = {
                name: kind
                for name, kind, *_ in con.execute(f"describe duck.gold.{file.stem}").fetchall()
                if name not in LEFT_OUT and not kind.startswith("MAP")
            }
            ours, theirs = (
                _rows(columns, relation) for relation in (f"duck.gold.{file.stem}", f"'{file}'")
            )
            same = " and ".join(
                f"(abs(ours.c{place} - theirs.c{place}) <= 1e-5 + 1e-9 * abs(ours.c{place}) or ours.c{place} is null and theirs.c{place} is null)"
                if _is_fraction(kind) else f"ours.c{place} is not distinct from theirs.c{place}"
                for place, kind in enumerate(columns.values())
            )  # fmt: skip
            (count,) = con.execute(
                f"select count(*) from ({ours}) as ours full join ({theirs}) as theirs using (place) where not coalesce({same}, false)"
            ).fetchone()
            if count:
                unlike[file.stem] = count
    return unlike


def _is_fraction(kind: str) -> bool:
    return kind in {"DOUBLE", "FLOAT"} or kind.startswith("DECIMAL")


def _rows(columns: dict[str, str], relation: str) -> str:
    """A table's columns by number, and its rows by place: in the order of what is exact, then of fractions, coarsely."""
    exact = [
        f'cast("{name}" as {kind})' for name, kind in columns.items() if not _is_fraction(kind)
    ]
    coarse = [
        f'round(cast("{name}" as double), 2)'
        for name, kind in columns.items()
        if _is_fraction(kind)
    ]
    listed = ", ".join(
        f'cast("{name}" as {"double" if _is_fraction(kind) else kind}) as c{place}'
        for place, (name, kind) in enumerate(columns.items())
    )
    return f"select row_number() over (order by {', '.join(exact + coarse)}) as place, {listed} from {relation}"
