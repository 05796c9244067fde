"""`warehouse lake export`: raw and gold as files, for tools and engines that read Parquet or Delta."""

from __future__ import annotations

import typer

from warehouse.cli.app import app, console, settings_for
from warehouse.errors import CallError
from warehouse.lake import FORMATS, Exported, hold_raw

LAYERS = ("raw", "gold")

lake = typer.Typer(
    help="Raw and gold as files, for tools and engines that read Parquet or Delta.",
    no_args_is_help=True,
)
app.add_typer(lake, name="lake")


@lake.command()
def export(
    layer: str = typer.Option(None, help="raw or gold; both if left out."),
    source: list[str] = typer.Option([], help="Of raw, these sources only."),
    edition: str = typer.Option(
        "restricted", help="Of gold: restricted (all columns) or analyst (pseudonyms, no PII)."
    ),
    form: str = typer.Option("parquet", "--format", "-f", help="parquet or delta."),
) -> None:
    """Write what has changed since the last export; days of raw and versions of gold that are too old go."""
    from ingestion.lake import export_raw
    from serving.lake import export_gold

    if layer not in (None, *LAYERS):
        raise CallError(f"no layer '{layer}'", f"layers are: {', '.join(LAYERS)}")
    if form not in FORMATS:
        raise CallError(f"no format '{form}'", f"formats are: {', '.join(FORMATS)}")
    settings = settings_for(prepare=True)
    if layer != "gold":
        with hold_raw(settings, "warehouse lake export"):
            exported = export_raw(settings, source, form=form)
        for name, done in exported.items():
            _tell(f"raw {name}", done)
    if layer != "raw":
        _tell("gold", export_gold(settings, edition, form=form))


def _tell(what: str, done: Exported) -> None:
    removed = f", {done.removed:,} removed" if done.removed else ""
    console.print(
        f"{what}: {done.written:,} written ({done.rows:,} rows), {done.unchanged:,} unchanged{removed}",
        highlight=False,
    )
