"""`warehouse sandbox`: create, serve and move on the simulated company; `warehouse verify` against its truth."""

from __future__ import annotations

import json

import typer

from warehouse.cli.app import app, console, settings_for
from warehouse.errors import CallError

sandbox = typer.Typer(
    help="The simulated company whose true numbers are known.", no_args_is_help=True
)
app.add_typer(sandbox, name="sandbox")


def _sandbox_settings():
    settings = settings_for(prepare=True)
    if settings.mode != "sandbox":
        raise CallError(
            "WAREHOUSE_MODE is 'real'", "the sandbox needs a data folder of its own in sandbox mode"
        )
    return settings


@sandbox.command()
def create(
    customers: int = typer.Option(500, min=1, help="About how many customers in all."),
    months: int = typer.Option(18, min=1, help="Length of its history, from 2024-01-01."),
    seed: int = typer.Option(7, help="The same seed gives the same company."),
    calls: int = typer.Option(1_000_000, min=0, help="About how many API calls in all."),
    event_retention_days: int | None = typer.Option(
        None, min=1, help="Let Stripe forget its events after so many days, as the real one does."
    ),
) -> None:
    """Create the company (nothing happens if the same one is there)."""
    from sandbox.world import create as create_company

    settings = _sandbox_settings()
    with console.status("simulating the company"):
        summary = create_company(
            settings,
            customers=customers,
            months=months,
            seed=seed,
            calls=calls,
            event_retention_days=event_retention_days,
        )
    console.print(summary, highlight=False)


@sandbox.command()
def advance(
    days: int = typer.Option(1, "--days", min=1, help="How many days the company moves on."),
) -> None:
    """Let days pass: new usage (some of it late or delivered twice), tickets, invoices, customers."""
    from sandbox.world import advance as advance_company

    settings = _sandbox_settings()
    with console.status(f"moving on by {days} days"):
        summary = advance_company(settings, days)
    console.print(summary, highlight=False)


@sandbox.command()
def serve(
    host: str = typer.Option("127.0.0.1", help="Address to listen on."),
    port: int = typer.Option(8787, help="Port; 0 takes a free one."),
) -> None:
    """Serve the company's Stripe and support APIs until Ctrl-C."""
    from sandbox.serve import serve as serve_company

    serve_company(_sandbox_settings(), host, port)


@app.command()
def verify(as_json: bool = typer.Option(False, "--json", help="For machines.")) -> None:
    """Compare gold with the sandbox's truth, table by table."""
    from sandbox.verify import verify as compare

    tables = compare(settings_for())
    differences = sum(table.differences for table in tables)
    if as_json:
        typer.echo(
            json.dumps(
                [
                    {
                        "name": t.name,
                        "compared": t.compared,
                        "differences": t.differences,
                        "examples": t.examples,
                    }
                    for t in tables
                ],
                default=str,
            )
        )
    else:
        for table in tables:
            mark = "[green]✓[/]" if table.differences == 0 else "[red]✗[/]"
            console.print(
                f"{mark} {table.name:<18} {table.compared:>9,} compared  {table.differences:>6,} differences"
            )
            for example in table.examples:
                console.print(f"    {example}", highlight=False, markup=False)
    raise typer.Exit(1 if differences else 0)
