"""How long each page of the dashboards takes to load in Chromium, in a browser that has seen nothing yet.

From the address to the last drawn chart: `first` right after the server has started (for pages, not for the server's own imports: one page
is opened before), `then` the median of the runs after it, when answers are cached. Clients are a fresh browser profile each time, so that scripts and
fonts are loaded anew.

Reads: the published edition of WAREHOUSE_HOME. Writes: nothing.
Run: python -m benchmarks.dashboards [--runs 3]
"""

from __future__ import annotations

import argparse
import logging
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import requests
from playwright.sync_api import Browser, sync_playwright

from serving.sql import query
from warehouse.settings import load_settings

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"]
# the script has run, and every chart that it asked for is drawn
LOADED = """() => {
    const app = document.querySelector('[data-testid="stApp"][data-test-script-state="notRunning"]');
    const charts = [...document.querySelectorAll('.stVegaLiteChart')];
    return app && document.querySelector('h1') && charts.every(chart => chart.querySelector('canvas, svg'));
}"""


def main() -> None:
    """Print a table: page, first, then."""
    # imported here, Streamlit says that no server of its own runs
    logging.disable(logging.WARNING)
    from serving.dashboards.page import all_pages

    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    settings = load_settings()
    ((customer,),) = query(
        settings,
        "select customer_id from gold.dim_customers order by mrr_reporting_minor desc nulls last limit 1",
    ).rows
    (size,) = query(
        settings,
        "select (select count(*) from gold.dim_customers), (select count(*) from gold.fact_api_usage)",
    ).rows
    print(f"{size[0]:,} customers, {size[1]:,} calls; seconds, {runs} runs\n")
    print("| page | first | then |\n|---|---|---|")
    with served() as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        load(browser, f"{address}/freshness")
        for page in all_pages():
            url = f"{address}/{page.url}" + (
                f"?customer={customer}" if page.url == "customer" else ""
            )
            first, *then = [load(browser, url) for _ in range(runs + 1)]
            print(
                f"| {page.section}: {page.title} | {first:.2f} | {statistics.median(then):.2f} |",
                flush=True,
            )
        browser.close()


def load(browser: Browser, url: str) -> float:
    """Seconds from the address to the last drawn chart, in a fresh profile."""
    window = browser.new_context(viewport={"width": 1360, "height": 900})
    page = window.new_page()
    began = time.perf_counter()
    page.goto(url, wait_until="commit")
    page.wait_for_function(LOADED, timeout=60_000)
    seconds = time.perf_counter() - began
    window.close()
    return seconds


@contextmanager
def served() -> Iterator[str]:
    """The dashboards on a free port, as a process of their own; their address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [str(Path(sys.executable).parent / "warehouse"), "dashboard", "--port", str(port)]
    server = subprocess.Popen(words, stdout=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        while not _is_up(address):
            if server.poll() is not None:
                raise SystemExit(f"the dashboards ended with {server.returncode}")
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        server.wait()


def _is_up(address: str) -> bool:
    try:
        return requests.get(f"{address}/_stcore/health", timeout=5).ok
    except requests.RequestException:
        return False


if __name__ == "__main__":
    main()
