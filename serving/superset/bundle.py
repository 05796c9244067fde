"""Make the ZIP file that Superset imports: connection, datasets with their columns, charts, and a dashboard.

Columns, their types and what they mean come from the edition, so that they are said once, in dbt.

Reads: `assets/`, `published/current/<edition>.duckdb`. Writes: the ZIP file.
Run: `python -m serving.superset.bundle FILE.zip [edition]`; `serving/superset/up.sh` does.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

from serving import catalog
from serving.dashboards.formats import minor_units
from serving.sql import EDITIONS, ask, current_file, open_edition
from warehouse.errors import CallError
from warehouse.settings import Settings, load_settings

ASSETS = Path(__file__).with_name("assets")
_FOLDER = "warehouse"


def bundle(settings: Settings, target: Path, edition: str = "analyst") -> Path:
    """Write the ZIP file.

    Args:
        settings: Where the editions are.
        target: The file to write.
        edition: Which one is shown; the analyst's names nobody.

    Raises:
        WarehouseError: Nothing is published.
        CallError: There is no such edition, or a dataset's table isn't in it.
    """
    file = current_file(settings, edition)
    with open_edition(settings, file) as con:
        relations = {one.full_name: one for one in catalog.relations(lambda sql: ask(con, sql))}
    # through the pointer, so that each new connection sees the newest version
    path = settings.published_dir / "current" / file.name
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in _documents(path, relations, settings.reporting_currency):
            archive.writestr(
                f"{_FOLDER}/{name}", yaml.safe_dump(content, sort_keys=False, allow_unicode=True)
            )
    return target


def _documents(
    path: Path, relations: dict[str, catalog.Relation], currency: str
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and content of each file of the bundle."""
    yield (
        "metadata.yaml",
        {"version": "1.0.0", "type": "assets", "timestamp": "2025-01-01T00:00:00+00:00"},
    )
    database = _read("warehouse.yaml")
    database["sqlalchemy_uri"] = database["sqlalchemy_uri"].format(edition=path)
    yield "databases/warehouse.yaml", database
    for said in _read("datasets.yaml"):
        relation = relations.get(f"gold.{said['table']}")
        if relation is None:
            raise CallError(
                f"Superset's datasets name gold.{said['table']}, which isn't published",
                "mend assets/datasets.yaml",
            )
        yield (
            f"datasets/warehouse/{said['table']}.yaml",
            _dataset(said, relation, database["uuid"], currency),
        )
    charts = {
        file.stem: _read(f"charts/{file.name}")
        for file in sorted((ASSETS / "charts").glob("*.yaml"))
    }
    for name, chart in charts.items():
        yield f"charts/{name}.yaml", chart
    for file in sorted((ASSETS / "dashboards").glob("*.yaml")):
        yield f"dashboards/{file.name}", _dashboard(_read(f"dashboards/{file.name}"), charts)


def _read(name: str) -> Any:
    return yaml.safe_load((ASSETS / name).read_text(encoding="utf-8"))


def _dataset(
    said: dict[str, Any], relation: catalog.Relation, database: str, currency: str
) -> dict[str, Any]:
    units = minor_units(currency)
    chosen = (
        f"select * from {relation.full_name} where {said['where']}" if "where" in said else None
    )
    return {
        "table_name": said["table"], "sql": chosen, "schema": relation.schema, "main_dttm_col": said["time"],
        "description": relation.comment,
        "columns": [
            {
                "column_name": column.name, "type": column.type, "description": column.comment,
                "is_dttm": column.type.startswith(("DATE", "TIMESTAMP")), "groupby": True, "filterable": True,
                "is_active": True,
            }
            for column in relation.columns
        ],
        "metrics": [
            {
                "metric_name": metric["name"], "verbose_name": metric["label"].format(currency=currency),
                "expression": metric["expression"].format(units=units),
                "d3format": metric["format"],
            }
            for metric in said["metrics"]
        ],
        "uuid": said["uuid"], "database_uuid": database, "version": "1.0.0",
    }  # fmt: skip


def _dashboard(said: dict[str, Any], charts: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Rows of charts as the tree of positions that Superset keeps."""
    rows = said.pop("rows")
    position: dict[str, Any] = {
        "DASHBOARD_VERSION_KEY": "v2",
        "ROOT_ID": {"type": "ROOT", "id": "ROOT_ID", "children": ["GRID_ID"]},
        "GRID_ID": {"type": "GRID", "id": "GRID_ID", "parents": ["ROOT_ID"], "children": []},
        "HEADER_ID": {
            "type": "HEADER",
            "id": "HEADER_ID",
            "meta": {"text": said["dashboard_title"]},
        },
    }
    for number, row in enumerate(rows, start=1):
        row_id = f"ROW-{number}"
        position["GRID_ID"]["children"].append(row_id)
        position[row_id] = {
            "type": "ROW", "id": row_id, "parents": ["ROOT_ID", "GRID_ID"], "children": [],
            "meta": {"background": "BACKGROUND_TRANSPARENT"},
        }  # fmt: skip
        for name, width in row["charts"].items():
            chart_id = f"CHART-{name}"
            position[row_id]["children"].append(chart_id)
            position[chart_id] = {
                "type": "CHART", "id": chart_id, "children": [], "parents": ["ROOT_ID", "GRID_ID", row_id],
                "meta": {
                    "uuid": charts[name]["uuid"], "sliceName": charts[name]["slice_name"],
                    "width": width, "height": row["height"], "chartId": len(position),
                },
            }  # fmt: skip
    return {**said, "position": position, "metadata": {}}


if __name__ == "__main__":
    chosen = sys.argv[2] if len(sys.argv) > 2 else EDITIONS[1]
    bundle(load_settings(), Path(sys.argv[1]), chosen)
