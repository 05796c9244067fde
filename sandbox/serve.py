"""Serve the company's HTTP sources on loopback: `/stripe`, `/support`, and `/usage` (the log files, as an export API).

Reads: `sandbox/stripe.sqlite`, `sandbox/support.sqlite`, `sandbox/usage/`, `sandbox/clock.json`
Run: `warehouse sandbox serve`, or `python -m sandbox.serve --home data --port 0` (prints its
address, ends with its stdin)
"""

from __future__ import annotations

import argparse
import json
import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING

from warehouse.errors import CallError, WarehouseError
from warehouse.settings import PROJECT_ROOT, Settings, child_environment

if TYPE_CHECKING:
    from starlette.applications import Starlette

# The company is a live account, so its key looks like a live one; it opens nothing but the sandbox.
STRIPE_KEY = "rk_live_sandbox"
SUPPORT_TOKEN = "sandbox"  # noqa: S105 - a word, not a secret
# Now and then a request is refused with 429, as the real ones do; the support desk's rate is
# `support_api`'s own.
_STRIPE_LIMIT_EVERY = 149
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0
_SOURCES = (
    "stripe_api_base", "stripe_api_key", "support_base_url",
    "usage_location", "product_db_url", "inputs_location",
)  # fmt: skip


def build_app(folder: Path) -> Starlette:
    """The APIs as one HTTP application.

    Args:
        folder: The `sandbox` folder of a data folder.
    """
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import JSONResponse
    from starlette.routing import Mount, Route

    from sandbox import stripe_api, support_api, usage_api

    def clock() -> datetime:
        return datetime.fromisoformat(json.loads((folder / "clock.json").read_bytes())["now"])

    def health(_: Request) -> JSONResponse:
        return JSONResponse({"now": clock().isoformat()})

    retention = json.loads((folder / "company.json").read_bytes()).get("event_retention_days")
    stripe = stripe_api.create_app(
        folder / "stripe.sqlite",
        clock,
        keys={STRIPE_KEY},
        rate_limit_every=_STRIPE_LIMIT_EVERY,
        event_retention_days=retention,
    )
    return Starlette(
        routes=[
            Route("/health", health),
            Mount("/stripe", stripe),
            Mount(
                "/support", support_api.create_app(folder / "support.sqlite", token=SUPPORT_TOKEN)
            ),
            Mount("/usage", usage_api.create_app(folder / "usage")),
        ]
    )


def serve(settings: Settings, host: str = "127.0.0.1", port: int = 8787) -> None:
    """Serve in the foreground until Ctrl-C; the address is logged by the server.

    Raises:
        CallError: There is no company to serve.
    """
    _require_company(settings)
    import uvicorn

    uvicorn.run(
        build_app(settings.sandbox_dir),
        host=host,
        port=port,
        log_level="info",
        access_log=False,
        date_header=False,  # Stripe's carries the sandbox's clock
    )


@contextmanager
def running(settings: Settings) -> Iterator[Settings]:
    """Settings that reach all sources of the sandbox, for the length of a `with` block.

    What already points somewhere stays; the HTTP sources that point nowhere are served by a process
    of our own, which ends with the block, or with us. In real mode nothing happens.

    Raises:
        CallError: Nothing points anywhere, and there is no company.
        WarehouseError: The server didn't start.
    """
    if settings.mode != "sandbox":
        yield settings
        return
    folder = settings.sandbox_dir
    if not (folder / "clock.json").exists():
        if not any(getattr(settings, name) for name in _SOURCES):
            _require_company(settings)
        yield settings
        return
    local = settings.over(
        usage_location=settings.usage_location or str(folder / "usage"),
        product_db_url=settings.product_db_url or f"sqlite:///{folder / 'product.sqlite'}",
        inputs_location=settings.inputs_location or str(folder / "inputs"),
    )
    if local.stripe_api_base and local.support_base_url:
        yield local.over(
            stripe_api_key=local.stripe_api_key or STRIPE_KEY,
            support_token=local.support_token or SUPPORT_TOKEN,
        )
        return
    with _child(settings) as address:
        changes: dict[str, str] = {}
        if not local.stripe_api_base:
            # Somebody's own key is never sent to the sandbox.
            changes |= {"stripe_api_base": f"{address}/stripe", "stripe_api_key": STRIPE_KEY}
        if not local.support_base_url:
            changes |= {"support_base_url": f"{address}/support", "support_token": SUPPORT_TOKEN}
        yield local.over(**changes)


@contextmanager
def _child(settings: Settings) -> Iterator[str]:
    """A server process; yields its address."""
    settings.logs_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    log = settings.logs_dir / "sandbox-serve.log"
    command = [sys.executable, "-m", "sandbox.serve", "--home", str(settings.home), "--port", "0"]
    with log.open("ab") as errors:
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            cwd=PROJECT_ROOT,
            env=child_environment(settings),
        )
    try:
        yield _address(process, log)
    finally:
        _stop(process)


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    out: IO[bytes] = process.stdout
    ready, _, _ = select.select([out], [], [], _START_SECONDS)
    line = out.readline().decode().strip() if ready else ""
    if not line.startswith("http://"):
        raise WarehouseError("the sandbox's server did not start", f"see {log}")
    return line


def _stop(process: subprocess.Popen[bytes]) -> None:
    # Its stdin is its leash: closing it is how it ends, the signals are for one that hangs.
    process.stdin.close()
    process.stdout.close()
    for insist in (lambda: None, process.terminate, process.kill):
        insist()
        try:
            process.wait(_STOP_SECONDS)
            return
        except subprocess.TimeoutExpired:
            continue


def _require_company(settings: Settings) -> None:
    if not (settings.sandbox_dir / "clock.json").exists():
        raise CallError(
            f"there is no sandbox company in {settings.sandbox_dir}",
            "run `warehouse sandbox create` first",
        )


def main(words: list[str] | None = None) -> None:
    """The server process: prints its address as its first line, ends when its stdin does."""
    import uvicorn

    parser = argparse.ArgumentParser(prog="python -m sandbox.serve")
    parser.add_argument("--home", type=Path, required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args(words)
    listener = socket.create_server((given.host, given.port))
    config = uvicorn.Config(
        build_app(given.home / "sandbox"),
        log_level="warning",
        access_log=False,
        date_header=False,
    )
    server = uvicorn.Server(config)
    parent = os.getppid()

    def watch() -> None:
        # The pipe ends when the parent closes it or dies; ppid is for a parent whose other children
        # keep it open.
        while not server.should_exit:
            ready, _, _ = select.select([sys.stdin], [], [], 2.0)
            if (ready and not os.read(sys.stdin.fileno(), 1024)) or os.getppid() != parent:
                server.should_exit = True
        # Open connections are no reason to stay.
        time.sleep(_STOP_SECONDS / 2)
        server.force_exit = True

    threading.Thread(target=watch, daemon=True).start()
    sys.stdout.write(f"http://{given.host}:{listener.getsockname()[1]}\n")
    sys.stdout.flush()
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
