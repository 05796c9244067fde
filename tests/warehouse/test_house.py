"""The house is in order: what mirrors what, by name. A failure says what is missing, and where it belongs."""

from __future__ import annotations

import ast
import json
import re
from functools import cache
from pathlib import Path

import pytest
import yaml

from quality.suites.raw import INSTANTS
from warehouse.settings import PROJECT_ROOT, Settings
from warehouse.sources import SOURCES

MODELS = PROJECT_ROOT / "dbt_project" / "models"
BRONZE = MODELS / "bronze"
PACKAGES = ("warehouse", "ingestion", "ml", "quality", "serving", "sandbox", "dags")
GOLD = sorted((MODELS / "gold").rglob("*.sql"))
NAMELESS = {"utils", "util", "helpers", "helper", "common_utils", "misc"}


def text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def relative(path: Path) -> str:
    return str(path.relative_to(PROJECT_ROOT))


def document(path: Path) -> dict:
    return yaml.safe_load(text(path)) or {}


@cache
def described() -> dict[str, dict]:
    """Models and seeds by name, out of every yml file of the dbt project."""
    found = {}
    for path in (PROJECT_ROOT / "dbt_project").rglob("*.yml"):
        if path.is_relative_to(MODELS):
            found |= {model["name"]: model for model in document(path).get("models") or ()}
    return found


def python_files() -> list[Path]:
    return [path for package in PACKAGES for path in (PROJECT_ROOT / package).rglob("*.py")]


# --- a source and its mirrors -------------------------------------------------------------------


def missing_of(name: str) -> list[str]:
    """What a source of `SOURCES` still lacks, as sentences."""
    spec = SOURCES[name]
    folder = PROJECT_ROOT / "ingestion" / "sources" / name
    bronze = BRONZE / name
    specs = ("spec.json", "spec.yaml", "manifest.yaml")
    tests = PROJECT_ROOT / "tests" / "ingestion"
    own_tests = list((tests / "sources").glob(f"test_{name}*.py"))
    quoted = re.compile(rf"""["']{name}["']""")
    shared_tests = [path for path in tests.rglob("test_*.py") if quoted.search(text(path))]
    attached = {
        entry["alias"]
        for entry in document(PROJECT_ROOT / "dbt_project" / "profiles.yml")["warehouse"][
            "outputs"
        ]["dev"]["attach"]
    }
    landings = {
        source["name"]
        for source in document(BRONZE / "inputs" / "_landing__sources.yml")["sources"]
    }
    through = text(BRONZE / "inputs" / "stg_landing__complete_through.sql")
    example = text(PROJECT_ROOT / ".env.example")
    wanted = {
        f"ingestion/sources/{name}/__init__.py": (folder / "__init__.py").exists(),
        f"ingestion/sources/{name}/README.md, on what is odd about it": (
            folder / "README.md"
        ).exists(),
        f"a spec in ingestion/sources/{name}/ ({', '.join(specs)})": any(
            (folder / spec_name).exists() for spec_name in specs
        ),
        f"its module {spec.connector} is not its folder": (
            spec.connector == f"ingestion.sources.{name}"
        ),
        f"dbt_project/models/bronze/{name}/_{name}__sources.yml": (
            bronze / f"_{name}__sources.yml"
        ).exists(),
        f"landing_{name} under attach in dbt_project/profiles.yml": f"landing_{name}" in attached,
        f"landing_{name} in dbt_project/models/bronze/inputs/_landing__sources.yml": (
            f"landing_{name}" in landings
        ),
        f"'{name}' in the list of stg_landing__complete_through.sql": f"'{name}'" in through,
        f"tests/ingestion/sources/test_{name}.py (or a test of tests/ingestion that names it)": bool(
            own_tests or shared_tests
        ),
    }
    for stream in spec.streams:
        model = f"stg_{name}__{stream}"
        wanted |= {
            f"dbt_project/models/bronze/{name}/{model}.sql": (bronze / f"{model}.sql").exists(),
            f"a description of {model} in dbt_project/models/bronze/{name}/": bool(
                described().get(model, {}).get("description")
            ),
            f"stream {stream} of {name} in INSTANTS of quality/suites/raw.py": (
                (name, stream) in INSTANTS
            ),
            f"keys of stream {stream} in the entry of {name}": bool(spec.keys.get(stream)),
        }
    for setting in spec.needs:
        wanted[f"setting {setting} in warehouse/settings.py"] = setting in Settings.model_fields
        wanted[f"{setting.upper()} in .env.example"] = f"\n{setting.upper()}=" in example
    return [what for what, is_there in wanted.items() if not is_there]


@pytest.mark.parametrize("name", SOURCES)
def test_a_source_has_its_folder_bronze_gate_and_tests(name):
    missing = missing_of(name)
    assert not missing, f"source {name} lacks (docs/add-a-source.md): " + "; ".join(missing)


def test_what_a_new_source_lacks_is_named(monkeypatch):
    spec = SOURCES["inputs"]
    new = type(spec)(
        name="statuses", style="files", streams=("incidents",), connector="ingestion.sources.statuses",
        title="Status page", needs=("statuses_location",), make_config=spec.make_config, keys={},
    )  # fmt: skip
    monkeypatch.setitem(SOURCES, "statuses", new)
    missing = "\n".join(missing_of("statuses"))
    for part in (
        "ingestion/sources/statuses/README.md",
        "dbt_project/models/bronze/statuses/stg_statuses__incidents.sql",
        "quality/suites/raw.py",
        "profiles.yml",
        "tests/ingestion/sources/test_statuses.py",
        "STATUSES_LOCATION in .env.example",
    ):
        assert part in missing


def test_every_source_folder_and_bronze_folder_is_in_sources():
    folders = {
        path.name
        for path in (PROJECT_ROOT / "ingestion" / "sources").iterdir()
        if path.is_dir() and path.name != "__pycache__"
    }
    assert folders == set(SOURCES), "ingestion/sources and SOURCES differ"
    assert {path.name for path in BRONZE.iterdir() if path.is_dir()} == set(SOURCES)


def test_file_sources_have_a_readable_spec():
    for name, spec in SOURCES.items():
        if spec.style == "files":
            found = json.loads(text(PROJECT_ROOT / "ingestion" / "sources" / name / "spec.json"))
            assert "location" in found["connectionSpecification"]["properties"], name


# --- gold ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", GOLD, ids=lambda path: path.stem)
def test_a_gold_model_says_its_grain_and_describes_every_column(path):
    first = text(path).splitlines()[0]
    assert first.startswith("-- one row per "), f"{relative(path)}: the first line is the grain"
    assert len(first) > len("-- one row per x"), relative(path)
    own = path.with_suffix(".yml")
    assert own.exists(), f"{relative(own)} is missing"
    models = [model for model in document(own)["models"] if model["name"] == path.stem]
    assert len(models) == 1, f"{relative(own)} describes {path.stem} and nothing else"
    (model,) = models
    assert (model.get("description") or "").strip(), f"{path.stem} has no description"
    columns = model.get("columns") or []
    assert columns, f"{path.stem} has no columns in {relative(own)}"
    for column in columns:
        name = f"{path.stem}.{column['name']}"
        assert (column.get("description") or "").strip(), f"{name} has no description"
        assert column.get("data_type"), f"{name} has no data_type"
        # Spark's varchar has a length
        assert column["data_type"] != "varchar", f"{name}: say string, which every engine knows"


def test_every_model_that_is_described_exists():
    files = {path.stem for path in MODELS.rglob("*.sql")}
    assert set(described()) <= files, sorted(set(described()) - files)


def test_every_model_says_in_its_first_line_what_a_row_is():
    without = [
        relative(path)
        for path in sorted(MODELS.rglob("*.sql"))
        if not text(path).startswith("-- one row per ")
    ]
    assert not without, without


# --- code ---------------------------------------------------------------------------------------


def imported(path: Path) -> set[str]:
    """Top-level packages that a file imports, at whatever depth."""
    found = set()
    for node in ast.walk(ast.parse(text(path))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.split(".")[0])
    return found


DIALECTS = re.compile(r"macro\s+(?:duckdb|default|spark|databricks|snowflake|clickhouse)__")
# words of one engine that a model must leave to macros/portable
ENGINES_OWN = re.compile(
    r"target\.(?:type|name)|->>|::|//|\b(?:unnest|generate_series|list_(?:sort|transform|filter|contains|sum|distinct)|json_extract\w*|struct_pack|epoch_us|strftime|strptime"
    r"|regexp_full_match|regexp_extract|try_cast|timezone|to_months|string_agg|hugeint|varchar|quantile_cont|isodow"
    r"|explode|posexplode|get_json_object|from_json|collect_list|collect_set|rlike|unix_seconds|unix_micros|date_add|xxhash64"
    r"|qualify|asof|lateral|flatten|toDate\w*|arrayJoin)\b",
    re.I,
)


def test_what_engines_differ_in_stands_in_one_room():
    project = PROJECT_ROOT / "dbt_project"
    outside = [
        relative(path)
        for path in sorted((project / "macros").rglob("*.sql"))
        if "portable" not in path.parts and DIALECTS.search(text(path))
    ]
    assert outside == [], "macros of one engine belong into macros/portable"
    named = {
        relative(path): found
        for folder in ("models", "tests")
        for path in sorted((project / folder).rglob("*.sql"))
        if (found := sorted(set(ENGINES_OWN.findall(re.sub(r"--.*|{#.*?#}", "", text(path))))))
    }
    assert named == {}


def test_only_dags_imports_airflow():
    wrong = [
        relative(path)
        for path in python_files()
        if "airflow" in imported(path) and not path.is_relative_to(PROJECT_ROOT / "dags")
    ]
    assert not wrong, f"only dags/ imports airflow: {wrong}"


def test_nothing_imports_upwards():
    # docs/architecture.md, "may import"; dags/ may import all, the command line is the door to all
    rooms = ("ingestion", "ml", "quality", "serving", "sandbox")
    allowed = {"serving": {"quality"}}  # a published version carries the page of its checks
    for room in rooms:
        for path in (PROJECT_ROOT / room).rglob("*.py"):
            others = imported(path) & (set(rooms) - {room} - allowed.get(room, set()) | {"dags"})
            assert not others, f"{relative(path)} imports {sorted(others)}"


def test_every_module_has_a_name_that_says_what_it_holds():
    wrong = [relative(path) for path in python_files() if {path.stem, path.parent.name} & NAMELESS]
    assert not wrong, f"name it by what it holds: {wrong}"


def test_tests_mirror_the_packages():
    for package in PACKAGES:
        folder = PROJECT_ROOT / "tests" / package
        assert list(folder.rglob("test_*.py")), f"tests/{package} has no tests"
    for folder in {path.parent for path in (PROJECT_ROOT / "tests").rglob("test_*.py")}:
        # without it tests/ml would hide ml
        assert (folder / "__init__.py").exists(), f"{relative(folder)}/__init__.py is missing"


def test_packages_say_in_a_readme_what_they_do():
    for package in ("ingestion", "ml", "quality", "serving", "sandbox"):
        assert (PROJECT_ROOT / package / "README.md").exists(), package


# --- pages --------------------------------------------------------------------------------------


def pages() -> list[Path]:
    outside = {".venv", ".peers", "data", "node_modules"}
    return [
        path
        for path in sorted(PROJECT_ROOT.rglob("*.md"))
        if not outside & set(path.relative_to(PROJECT_ROOT).parts)
    ]


def test_links_in_the_pages_lead_somewhere():
    broken = []
    for page in pages():
        prose = re.sub(r"```.*?```", "", text(page), flags=re.S)
        for target in re.findall(r"\]\(([^)\s]+)\)", prose):
            if re.match(r"[a-z]+:", target) or target.startswith("#"):
                continue
            if not (page.parent / target.split("#")[0]).exists():
                broken.append(f"{relative(page)}: {target}")
    assert not broken, broken
