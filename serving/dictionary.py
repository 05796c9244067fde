"""The data dictionary: dbt's docs site with its lineage, as one file that asks no other host for anything.

It is made of what dbt wrote when it built gold, and of the published edition's own catalog: `dbt docs generate` would
make the same for another start of dbt (7 CPU seconds, 20 where it parses anew); this takes half a second.

Reads: `<home>/dbt/gold/manifest.json`, an edition, the page that comes with dbt. Writes: one HTML file.
Run: by `serving.publish`.
"""

from __future__ import annotations

import json
from importlib import metadata
from pathlib import Path
from typing import Any

import duckdb

Manifest = dict[str, Any]
Catalog = dict[str, Any]

# What else dbt notes of a node is about this machine, or about how it was read.
_NOT_SHOWN = (
    "root_path",
    "build_path",
    "compiled_path",
    "created_at",
    "unrendered_config",
    "checksum",
)
_PUBLISHED = "source.warehouse.published"
# What a column means is read, not opened one by one.
_STYLE = "tr.column-row td[style*=ellipsis]{white-space:normal!important;max-width:none!important;min-width:13rem}"
# dbt's page as it comes asks for its icon, and for pictures under the names of its own placeholders.
_MENDED = (
    ("${require('./assets/favicons/favicon.ico')}", "data:,"),
    ('<use xlink:href="{{', '<use ng-attr-href="{{'),
    ("</head>", f"<style>{_STYLE}</style></head>"),
)


def build(target: Path, manifest_file: Path, con: duckdb.DuckDBPyConnection) -> Path:
    """Write the site.

    Args:
        target: The file to make.
        manifest_file: What dbt wrote when it built gold.
        con: The published edition that is described.

    Returns:
        The file.
    """
    manifest = shown(json.loads(manifest_file.read_text(encoding="utf-8")))
    catalog = catalog_of(manifest, con)
    page = metadata.distribution("dbt-core").locate_file("dbt/task/docs/index.html")
    html = Path(str(page)).read_text(encoding="utf-8")
    for found, mended in _MENDED:
        html = html.replace(found, mended)
    for name, said in (("MANIFEST", manifest), ("CATALOG", catalog)):
        # within a script nothing may look like its end
        text = json.dumps(said, separators=(",", ":")).replace("</", "<\\/")
        html = html.replace(f'"{name}.JSON INLINE DATA"', text)
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    target.write_text(html, encoding="utf-8")
    return target


def shown(manifest: Manifest) -> Manifest:
    """The manifest without the macros of dbt itself, and without what it says of this machine."""
    kept = dict(manifest)
    for kind in ("nodes", "sources", "macros", "unit_tests"):
        kept[kind] = {
            name: {key: value for key, value in one.items() if key not in _NOT_SHOWN}
            for name, one in manifest[kind].items()
            if kind != "macros" or one["package_name"] == manifest["metadata"]["project_name"]
        }
    return kept


def catalog_of(manifest: Manifest, con: duckdb.DuckDBPyConnection) -> Catalog:
    """What is in gold, under dbt's names; tables that are made at publish join the manifest as a source of their own.

    Args:
        manifest: Tables that dbt doesn't know are added to it.
        con: The published edition.
    """
    names = {
        node["alias"]: name
        for name, node in manifest["nodes"].items()
        if node["resource_type"] == "model" and node["schema"] == "gold"
    }
    catalog: Catalog = {
        "nodes": {},
        "sources": {},
        "errors": None,
        "metadata": manifest["metadata"],
    }
    for table, comment, rows in con.execute(
        "select table_name, comment, estimated_size from duckdb_tables() where schema_name = 'gold' "
        "and database_name = current_database() union all "
        "select view_name, comment, null from duckdb_views() where schema_name = 'gold' "
        "and database_name = current_database() order by all"
    ).fetchall():
        columns = _columns(con, table)
        name = names.get(table)
        if name is None:
            name = f"{_PUBLISHED}.{table}"
            manifest["sources"][name] = _source(name, table, comment, columns)
            manifest["parent_map"][name], manifest["child_map"][name] = [], []
        kind = "sources" if name.startswith("source.") else "nodes"
        catalog[kind][name] = _entry(name, table, comment, rows, columns)
    return catalog


def undescribed(manifest: Manifest, catalog: Catalog) -> list[str]:
    """Tables and columns of gold that nobody has described, as `table` or `table.column`."""
    missing = []
    for name, entry in {**catalog["nodes"], **catalog["sources"]}.items():
        node = manifest["nodes"].get(name) or manifest["sources"][name]
        table = entry["metadata"]["name"]
        if not (node["description"] or "").strip():
            missing.append(table)
        described = {
            c for c, said in node["columns"].items() if (said["description"] or "").strip()
        }
        missing += [f"{table}.{column}" for column in entry["columns"] if column not in described]
    return missing


def _columns(con: duckdb.DuckDBPyConnection, table: str) -> list[tuple[str, str, str]]:
    """Name, type and comment of each column, in order."""
    return con.execute(
        "select column_name, data_type, coalesce(comment, '') from duckdb_columns() where schema_name = 'gold' "
        "and table_name = ? and database_name = current_database() order by column_index",
        [table],
    ).fetchall()


def _entry(
    name: str,
    table: str,
    comment: str | None,
    rows: int | None,
    columns: list[tuple[str, str, str]],
) -> dict[str, Any]:
    """A table as dbt's catalog says it."""
    stats = {
        "has_stats": {
            "id": "has_stats",
            "label": "Has Stats?",
            "value": rows is not None,
            "include": False,
        }
    }
    if rows is not None:
        stats["row_count"] = {
            "id": "row_count", "label": "Rows", "value": rows, "include": True, "description": "Rows as published",
        }  # fmt: skip
    return {
        "unique_id": name,
        "metadata": {
            "type": "VIEW" if rows is None else "BASE TABLE", "schema": "gold", "name": table, "database": "edition",
            "comment": comment, "owner": None,
        },
        "columns": {
            column: {"type": kind, "index": place, "name": column, "comment": said}
            for place, (column, kind, said) in enumerate(columns, start=1)
        },
        "stats": stats,
    }  # fmt: skip


def _source(
    name: str, table: str, comment: str | None, columns: list[tuple[str, str, str]]
) -> dict[str, Any]:
    """A table that dbt doesn't know, as dbt's manifest says a source."""
    return {
        "unique_id": name, "resource_type": "source", "package_name": "warehouse", "source_name": "published",
        "source_description": "Tables of gold that are made when a version is published.",
        "loader": "warehouse publish",
        "name": table, "identifier": table, "schema": "gold", "database": "edition", "description": comment or "",
        "relation_name": f'"gold"."{table}"', "fqn": ["warehouse", "published", table], "tags": [], "meta": {},
        "source_meta": {}, "path": "", "original_file_path": "", "quoting": {}, "config": {"enabled": True},
        "columns": {
            column: {"name": column, "description": said, "data_type": kind, "meta": {}, "tags": []}
            for column, kind, said in columns
        },
    }  # fmt: skip
