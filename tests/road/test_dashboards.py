"""Every page on a company whose road was run: drawn without a browser under many filters, and opened in a real Chromium.

In Chromium nothing may fail, leave the machine or be wider than a phone, and numbers are read from the page and compared with SQL
on gold.
"""

from __future__ import annotations

import csv
import io
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import duckdb
import pytest
import requests
from playwright.sync_api import Browser, Page, sync_playwright
from streamlit.testing.v1 import AppTest

from serving.dashboards.page import all_pages
from warehouse.settings import PROJECT_ROOT, Settings

PAGES = [page.url for page in all_pages()]
BY_CUSTOMERS = ["revenue", "product", "sales", "support", "customer-success", "customers"]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or ""
FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
PHONE = {"width": 390, "height": 844}
DESK = {"width": 1280, "height": 900}
# the script has run, and its charts are drawn
IDLE = '[data-testid="stApp"][data-test-script-state="notRunning"]'


def rows(home: Path, sql: str, *values) -> list[tuple]:
    """SQL on gold as it was published, past everything that the dashboards use."""
    file = (home / "published" / "current" / "restricted.duckdb").resolve()
    with duckdb.connect(str(file), read_only=True) as con:
        return con.execute(sql, list(values)).fetchall()


# --- without a browser -----------------------------------------------------------------------------------------------


def drawn(url: str, home: str) -> None:
    """The script of a test: one page, on one company."""
    from pathlib import Path

    from serving.dashboards.context import Context
    from serving.dashboards.page import all_pages
    from warehouse.settings import Settings

    page = next(page for page in all_pages() if page.url == url)
    page.draw(Context(Settings.for_test(Path(home))))


def app(url: str, settings: Settings) -> AppTest:
    return AppTest.from_function(
        drawn, kwargs={"url": url, "home": str(settings.home)}, default_timeout=120
    )


@pytest.mark.parametrize("url", PAGES)
def test_a_page_is_drawn_for_all_time(road, url):
    page = app(url, road.settings)
    page.session_state["period"] = "All"
    page.run()
    assert not page.exception
    assert not page.error
    controls = [control.value for control in page.button_group if control.key == "period"]
    assert controls in ([], ["All"], [["All"]])


def test_dates_of_the_readers_own_end_and_begin_a_comparison(road):
    page = app("", road.settings)
    page.session_state["period"] = "Dates…"
    page.session_state["dates"] = (date(2024, 3, 1), date(2024, 3, 31))
    page.run()
    ((now, before),) = rows(
        road.home,
        "select max(customers_paying) filter (day = date '2024-03-31'), max(customers_paying) filter (day = date '2024-02-29') "
        "from gold.kpi_daily",
    )
    paying = next(card for card in page.metric if card.label == "Paying customers")
    assert (paying.value, paying.delta) == (f"{now:,}", f"{now - before:+,}")


@pytest.mark.parametrize("dimension", ["Plan", "Industry"])
@pytest.mark.parametrize("url", BY_CUSTOMERS)
def test_a_page_is_drawn_for_some_customers(road, url, dimension):
    page = app(url, road.settings)
    page.session_state["by"] = dimension
    page.run()
    assert not page.exception
    assert page.selectbox(key=dimension.lower()).value is not None


@pytest.fixture(scope="module")
def young(road, tmp_path_factory) -> Settings:
    """The same edition without a single row: a company on its first day."""
    home = tmp_path_factory.mktemp("young") / "data"
    version = home / "published" / "v000001"
    version.mkdir(parents=True)
    file = version / "restricted.duckdb"
    shutil.copy((road.home / "published" / "current").resolve() / "restricted.duckdb", file)
    (home / "published" / "current").symlink_to("v000001")
    with duckdb.connect(str(file)) as con:
        for schema, table in con.execute(
            "select schema_name, table_name from duckdb_tables()"
        ).fetchall():
            con.execute(f'delete from {schema}."{table}"')
    return Settings.for_test(home)


@pytest.mark.parametrize("url", PAGES)
def test_a_page_of_a_company_without_data_says_so(young, url):
    page = app(url, young).run()
    assert not page.exception
    assert not page.error


# --- in Chromium -----------------------------------------------------------------------------------------------------


@dataclass
class Opened:
    """A page in the browser, and what it said and asked on the way."""

    page: Page
    errors: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def wait(self) -> None:
        self.page.wait_for_selector(IDLE, timeout=90_000)
        self.page.wait_for_selector("h1", timeout=90_000)
        # a run that was asked for begins a little later than it was asked
        self.page.wait_for_timeout(400)
        self.page.wait_for_selector(IDLE, timeout=90_000)

    def cards(self) -> dict[str, str]:
        """Label → value of every card."""
        found = {}
        for card in self.page.query_selector_all('[data-testid="stMetric"]'):
            label = card.query_selector('[data-testid="stMetricLabel"]').inner_text().strip()
            found[label] = card.query_selector('[data-testid="stMetricValue"]').inner_text().strip()
        return found

    def behind(self, title: str) -> tuple[str, list[list[str]]]:
        """What stands behind a panel's button, reached by the keyboard: the definitions, and the rows of its data."""
        self.page.locator(f".st-key-about_{slug(title)} button").first.focus()
        self.page.keyboard.press("Enter")
        body = self.page.locator('[data-testid="stPopoverBody"]')
        body.locator("table").wait_for(timeout=30_000)
        lines = [
            [cell.inner_text() for cell in line.query_selector_all("td")]
            for line in body.locator("tbody").element_handle().query_selector_all("tr")
        ]
        said = body.locator("dl").inner_text()
        self.page.keyboard.press("Escape")
        return said, lines


def slug(title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")


def number(text: str) -> float:
    """What a text on the page says: "$1,234" is 1234, "3.3%" is 0.033."""
    text = text.replace("\N{MINUS SIGN}", "-")
    digits = re.sub(r"[^0-9.\-]", "", text)
    return float(digits) / (100 if "%" in text else 1)


def assert_shown(text: str, value) -> None:
    """A text shows a value if they differ by no more than its last digit was rounded."""
    decimals = len(text.rstrip("%").rpartition(".")[2]) if "." in text else 0
    last = 10.0**-decimals / (100 if "%" in text else 1)
    assert abs(number(text) - float(value)) <= last * 0.501, (text, value)


@pytest.fixture(scope="module")
def served(road) -> Iterator[str]:
    """The dashboards as `warehouse dashboard` serves them; their address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    ours = {str(field.validation_alias) for field in Settings.model_fields.values()}
    environment = {k: v for k, v in os.environ.items() if k not in ours} | road.variables
    server = subprocess.Popen(
        [str(Path(sys.executable).parent / "warehouse"), "dashboard", "--port", str(port)],
        env=environment,
        cwd=PROJECT_ROOT,
        stdout=subprocess.DEVNULL,
    )
    address = f"http://127.0.0.1:{port}"
    try:
        until = time.monotonic() + 120
        while not healthy(address):
            assert server.poll() is None, f"ended with {server.returncode}"
            assert time.monotonic() < until, "not up after 120 s"
            time.sleep(0.3)
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def healthy(address: str) -> bool:
    try:
        return requests.get(f"{address}/_stcore/health", timeout=5).ok
    except requests.RequestException:
        return False


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    assert CHROMIUM, "these tests need Chromium: apt-get install chromium"
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield chromium
        chromium.close()


@pytest.fixture
def opened(served, browser):
    """Opens a page's address in a window of its own, and at the end holds that it kept quiet and at home."""
    windows = []

    def open_page(url: str, viewport: dict[str, int] = DESK, **options) -> Opened:
        window = browser.new_context(viewport=viewport, **options)
        page = Opened(window.new_page())
        windows.append((window, page))
        page.page.on(
            "console", lambda said: page.errors.append(said.text) if said.type == "error" else None
        )
        page.page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.page.on(
            "request",
            lambda asked: page.outside.append(asked.url) if is_outside(asked.url, served) else None,
        )
        page.page.goto(f"{served}/{url}")
        page.wait()
        return page

    yield open_page
    for window, page in windows:
        window.close()
        assert page.errors == []
        assert page.outside == []


def is_outside(url: str, address: str) -> bool:
    return not url.startswith((address, address.replace("http", "ws", 1), "data:", "blob:"))


@pytest.mark.parametrize("url", PAGES)
def test_a_page_fits_a_phone(road, opened, url):
    if url == "customer":
        ((someone,),) = rows(
            road.home, "select min(customer_id) from gold.dim_customers where is_paying"
        )
        url = f"customer?customer={someone}"
    page = opened(url, PHONE).page
    assert (
        page.locator('[data-testid="stException"], [data-testid="stAlertContentError"]').count()
        == 0
    )
    widths = page.evaluate(
        "[document.documentElement.scrollWidth, document.querySelector('[data-testid=stMain]').scrollWidth]"
    )
    assert widths == [390, 390]
    page.wait_for_timeout(500)
    charts = page.evaluate(
        "[...document.querySelectorAll('.stVegaLiteChart')].map(chart => chart.querySelector('canvas, svg'))"
        ".map(drawn => drawn ? drawn.getBoundingClientRect() : {right: 0, height: 0}).map(box => [box.right, box.height])"
    )
    for right, height in charts:
        assert right <= 390
        assert height > 80, "a chart is not drawn"


def test_the_overview_says_what_gold_says(road, opened):
    page = opened("")
    columns = {
        "MRR": "mrr_amount", "ARR": "arr_amount", "Paying customers": "customers_paying", "ARPA": "arpa_amount",
        "NRR, 30 days": "nrr_30d", "GRR, 30 days": "grr_30d", "Churn, 30 days": "logo_churn_rate_30d",
        "Customers": "customers_total", "Active, 28 days": "mau", "Error rate": "error_rate",
        "Mean health": "health_score_mean", "At risk": "customers_at_risk",
    }  # fmt: skip
    (truth,) = rows(
        road.home,
        f"select {', '.join(columns.values())} from gold.kpi_daily where is_complete order by day desc limit 1",
    )
    shown = page.cards()
    assert set(shown) == set(columns)
    for label, value in zip(columns, truth, strict=True):
        assert_shown(shown[label], value)
    ((through,),) = rows(road.home, "select max(day) from gold.kpi_daily where is_complete")
    assert f"Complete through {through.day} {through:%b %Y}" in page.page.inner_text("body")


def test_filters_change_revenue_to_what_gold_says_of_those_customers(road, opened):
    page = opened("revenue")
    everybody = page.cards()["MRR"]
    page.page.get_by_label("Customers by").click()
    page.page.get_by_role("option", name="Tier").click()
    page.wait()
    page.page.get_by_label("Tier", exact=True).click()
    page.page.get_by_role("option", name="Team").click()
    page.wait()
    assert "by=Tier" in page.page.url
    (truth,) = rows(
        road.home,
        "select mrr_reporting_minor / 100, paying_customers, nrr, grr, quick_ratio from gold.kpi_revenue_by_dimension "
        "where dimension = 'tier' and value = 'Team' and is_complete order by month_start_on desc limit 1",
    )
    shown = page.cards()
    assert shown["MRR"] != everybody
    for label, value in zip(
        ("MRR", "Paying customers", "Net (NRR)", "Gross (GRR)", "Quick ratio"), truth, strict=True
    ):
        if value is not None:
            assert_shown(shown[label], value)
    page.page.get_by_text("90 days", exact=True).click()
    page.wait()
    _, lines = page.behind("MRR at the month's end")
    months = rows(
        road.home,
        "select strftime(month_start_on, '%b %Y'), mrr_reporting_minor / 100 from gold.kpi_revenue_by_dimension "
        "where dimension = 'tier' and value = 'Team' and month_start_on >= date_trunc('month', "
        "(select max(day) - 89 from gold.kpi_daily where is_complete)) order by month_start_on",
    )
    assert [line[0] for line in lines] == [month for month, _ in months]
    for (_, text), (_, value) in zip(lines, months, strict=True):
        assert_shown(text, value)


def test_the_waterfall_adds_up_as_gold_does(road, opened):
    said, lines = opened("revenue").behind("From opening to closing MRR")
    (truth,) = rows(
        road.home,
        "select opening_mrr_reporting_minor, new_reporting_minor, expansion_reporting_minor, reactivation_reporting_minor, "
        "contraction_reporting_minor, churn_reporting_minor, fx_reporting_minor, mrr_reporting_minor "
        "from gold.kpi_mrr_monthly where is_complete order by month_start_on desc limit 1",
    )
    for (_, text), value in zip(lines, truth, strict=True):
        assert_shown(text, value / 100)
    assert sum(truth[:-1]) == truth[-1]
    ((meaning,),) = rows(
        road.home,
        "select comment from duckdb_columns() where table_name = 'kpi_mrr_monthly' and column_name = 'churn_reporting_minor'",
    )
    assert " ".join(meaning.split()) in said
    assert "gold.kpi_mrr_monthly.churn_reporting_minor" in said


def test_usage_by_industry_is_that_of_gold(road, opened):
    ((industry,),) = rows(
        road.home,
        "select value from gold.kpi_activity_by_dimension where dimension = 'industry' group by value "
        "order by sum(calls) desc limit 1",
    )
    shown = opened(f"product?by=Industry&industry={industry}").cards()
    (truth,) = rows(
        road.home,
        "select calls, active_customers, compute_units, error_rate, server_error_rate from gold.kpi_activity_by_dimension "
        "where dimension = 'industry' and value = ? and is_complete order by month_start_on desc limit 1",
        industry,
    )
    labels = ("Calls", "Active customers", "Compute units", "Error rate", "Server errors")
    for label, value in zip(labels, truth, strict=True):
        assert_shown(shown[label], value)


def test_a_download_is_all_of_gold_with_its_digits(road, opened):
    page = opened("?period=All").page

    def downloaded(place: str) -> list[list[str]]:
        with page.expect_download() as download:
            page.locator(f"[class*='{place}'] button").first.click()
        return list(csv.reader(io.StringIO(Path(download.value.path()).read_text())))

    lines = downloaded("st-key-csv_monthly_recurring_revenue")
    truth = rows(road.home, "select day, mrr_amount from gold.kpi_daily order by day")
    assert lines[0] == ["Day", "MRR"]
    assert [(day, float(mrr)) for day, mrr in lines[1:]] == [
        (str(day), float(mrr)) for day, mrr in truth
    ]
    ((now,),) = rows(
        road.home, "select arg_max(mrr_amount, day) from gold.kpi_daily where is_complete"
    )
    assert downloaded("st-key-csv_on_")[1][:2] == ["MRR", str(now)]


def test_a_listing_leads_to_the_page_of_a_customer(road, opened):
    page = opened("customers")
    link = page.page.locator(".listing a").first
    name = link.inner_text()
    link.focus()
    page.page.keyboard.press("Enter")
    page.page.wait_for_url("**/customer?customer=*")
    page.wait()
    (truth,) = rows(
        road.home,
        "select c.customer_id, h.health_score, h.api_calls_last_30d, h.support_tickets_open "
        "from gold.dim_customers as c join gold.fact_customer_health as h using (customer_id) "
        "where h.date_partition = (select max(day) from gold.kpi_daily where is_complete) "
        "order by c.mrr_reporting_minor desc nulls last, c.customer_id limit 1",
    )
    assert f"customer={truth[0]}" in page.page.url
    assert name in page.page.locator("h3").first.inner_text()
    shown = page.cards()
    for label, value in zip(("Health", "Calls, 30 days", "Open tickets"), truth[1:], strict=True):
        assert_shown(shown[label], value)


def test_pages_are_light_or_dark_as_the_reader_likes(opened):
    def background(scheme: str) -> str:
        page = opened("", color_scheme=scheme).page
        return page.evaluate(
            "getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor"
        )

    assert background("light") == "rgb(255, 255, 255)"
    assert background("dark") == "rgb(16, 21, 29)"


def test_the_sql_page_answers_what_gold_says(road, opened):
    page = opened("sql").page
    statement = "select tier, count(*) as customers from gold.dim_customers where tier is not null group by tier order by tier"
    page.get_by_role("textbox", name="SQL").fill(statement)
    page.keyboard.press("Control+Enter")
    page.locator(".listing td").first.wait_for()
    shown = page.locator(".listing tbody tr").evaluate_all(
        "rows => rows.map(row => [...row.cells].map(cell => cell.textContent))"
    )
    assert shown == [[tier, str(count)] for tier, count in rows(road.home, statement)]
    page.get_by_text("Chart", exact=True).click()
    page.locator(".stVegaLiteChart canvas, .stVegaLiteChart svg").first.wait_for()
    page.get_by_role("textbox", name="SQL").fill("copy (select 1) to 'stolen.csv'")
    page.keyboard.press("Control+Enter")
    page.get_by_text("only select is allowed here").wait_for()
    assert page.locator(".listing").count() == 0
