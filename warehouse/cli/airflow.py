"""`warehouse up`: Airflow with the DAGs on the configured sources, until Ctrl-C."""

from __future__ import annotations

import signal
import threading

import typer

from warehouse.cli.app import app, console, settings_for


@app.command()
def up(
    port: int = typer.Option(8080, help="Where the UI answers on 127.0.0.1 (another where taken)."),
) -> None:
    """Start Airflow with the DAGs, print address and login, stop cleanly with Ctrl-C."""
    from sandbox.serve import running
    from warehouse.orchestrator import airflow

    settings = settings_for(prepare=True)
    if settings.mode == "sandbox" and not (settings.sandbox_dir / "company.json").exists():
        from sandbox.world import create

        console.print("creating the sandbox company")
        create(settings)
    asked_to_stop = threading.Event()

    def ask(*_: object) -> None:
        # a second signal while stopping must not leave a half-stopped Airflow behind
        if asked_to_stop.is_set():
            return
        asked_to_stop.set()
        raise KeyboardInterrupt

    for sign in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        # under nohup a closed terminal is no reason to stop
        if sign != signal.SIGHUP or signal.getsignal(sign) is not signal.SIG_IGN:
            signal.signal(sign, ask)
    try:
        with running(settings) as reachable, airflow(reachable, port=port, say=console.print) as it:
            console.print(
                f"\n  Airflow: [bold]{it.url}[/]   user {it.user}   password {it.password}"
            )
            console.print(
                "  The DAGs start by themselves; each one's docs say what it does. Ctrl-C stops it.\n"
            )
            it.process.wait()
    except KeyboardInterrupt:
        pass
    console.print("stopped; no process is left")
