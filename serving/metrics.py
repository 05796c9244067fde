"""Ask the semantic layer: MetricFlow's own command line on a published edition, read-only, without the internet.

MetricFlow looks for a dbt project with its semantic manifest; it is given one of three files. On every start it
would ask PyPI for a newer version of itself (and read a pickle from the common temporary folder for it): here it
doesn't.

Reads: `published/current/<edition>.duckdb`, `<home>/dbt/gold/semantic_manifest.json`. Writes: nothing but what
`--csv` names.
Run: `warehouse mf query --metrics nrr --group-by metric_time__month`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import yaml

from serving.sql import EDITIONS, current_file
from warehouse.errors import CallError, WarehouseError
from warehouse.settings import Settings, child_environment


def ask(
    settings: Settings, words: Sequence[str], *, edition: str = "restricted", quiet: bool = False
) -> str:
    """Run MetricFlow's command line.

    Args:
        settings: Where the editions are.
        words: What `mf` is told, such as `["query", "--metrics", "mrr"]`.
        edition: restricted or analyst.
        quiet: Return what it prints, instead of printing it.

    Raises:
        CallError: There is no such edition.
        WarehouseError: Nothing is built or published, or MetricFlow failed.
    """
    if edition not in EDITIONS:
        raise CallError(f"no edition '{edition}'", f"editions are: {', '.join(EDITIONS)}")
    return ask_file(settings, current_file(settings, edition), words, quiet=quiet)


def ask_file(settings: Settings, path: Path, words: Sequence[str], *, quiet: bool = False) -> str:
    """The same on any file with schema gold.

    Raises:
        WarehouseError: Nothing is built, or MetricFlow failed.
    """
    manifest = settings.dbt_target_dir / "gold" / "semantic_manifest.json"
    if not manifest.exists():
        raise WarehouseError(f"{manifest} does not exist", "run `warehouse build` first")
    with tempfile.TemporaryDirectory() as folder:
        _lay_out(Path(folder), manifest, path, settings)
        done = subprocess.run(
            [sys.executable, "-m", "serving.metrics", *words],
            env=child_environment(
                settings,
                DBT_PROFILES_DIR=folder,
                DBT_PROJECT_DIR=folder,
                DBT_SEND_ANONYMOUS_USAGE_STATS="false",
                DO_NOT_TRACK="1",
                TZ="UTC",
            ),
            check=False,
            text=True,
            stdout=subprocess.PIPE if quiet else None,
        )
    if done.returncode != 0:
        why = (done.stdout or "").strip()[-500:]
        raise WarehouseError(f"mf {' '.join(words)} failed{': ' + why if why else ''}")
    return done.stdout or ""


def _lay_out(folder: Path, manifest: Path, path: Path, settings: Settings) -> None:
    """The dbt project that MetricFlow wants to see: no models, a profile that only reads, the semantic manifest."""
    project = {
        "name": "warehouse",
        "version": "1.0.0",
        "profile": "warehouse",
        "flags": {"send_anonymous_usage_stats": False, "use_colors": False, "version_check": False},
    }
    edition = {
        "type": "duckdb",
        "path": str(path),
        "schema": "gold",
        "threads": 1,
        "config_options": {
            "access_mode": "read_only",
            "memory_limit": settings.memory_limit,
            "threads": str(settings.threads),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
            "allow_community_extensions": "false",
        },
        "settings": {"TimeZone": "UTC", "enable_external_access": False},
    }
    profile = {"warehouse": {"target": "edition", "outputs": {"edition": edition}}}
    (folder / "dbt_project.yml").write_text(yaml.safe_dump(project))
    (folder / "profiles.yml").write_text(yaml.safe_dump(profile))
    (folder / "target").mkdir()
    semantic = json.loads(manifest.read_text())
    for model in semantic["semantic_models"]:
        _forget_the_database(model["node_relation"])
    for spine in semantic["project_configuration"]["time_spines"]:
        _forget_the_database(spine["node_relation"])
    (folder / "target" / "semantic_manifest.json").write_text(json.dumps(semantic))


def _forget_the_database(relation: dict[str, str | None]) -> None:
    """The edition's file has another name than the file that was built."""
    relation["database"] = None
    relation["relation_name"] = f'"{relation["schema_name"]}"."{relation["alias"]}"'


def _mf() -> None:
    """MetricFlow's command line in this process, without the look for a newer version."""
    import update_checker

    def none_is_newer(*_: object, **__: object) -> None:
        return None

    update_checker.UpdateChecker.check = none_is_newer
    from dbt_metricflow.cli.main import cli

    cli(prog_name="warehouse mf")


if __name__ == "__main__":
    _mf()
