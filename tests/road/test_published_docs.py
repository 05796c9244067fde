"""What stands beside a published version: the data dictionary and the quality pages, readable without any network."""

from __future__ import annotations

import json
import re
import shutil
from html import unescape

import pytest
from playwright.sync_api import sync_playwright

from serving import dictionary
from warehouse import duck

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.fixture(scope="module")
def docs(road):
    return (road.home / "published" / "current").resolve() / "docs"


def test_every_column_of_gold_is_described(road, docs):
    manifest = dictionary.shown(
        json.loads((road.settings.dbt_target_dir / "gold" / "manifest.json").read_text())
    )
    con = duck.connect(docs.parent / "restricted.duckdb", read_only=True)
    catalog = dictionary.catalog_of(manifest, con)
    con.close()
    assert len(catalog["nodes"]) > 40
    assert dictionary.undescribed(manifest, catalog) == []


def test_an_undescribed_column_is_found():
    column = {"type": "BIGINT", "index": 1, "name": "calls", "comment": ""}
    entry = {"metadata": {"name": "kpi_x"}, "columns": {"day": column, "calls": column}}
    node = {"description": "One row per day.", "columns": {"day": {"description": "The day."}}}
    manifest = {"nodes": {"model.x": node}, "sources": {}}
    catalog = {"nodes": {"model.x": entry}, "sources": {}}
    assert dictionary.undescribed(manifest, catalog) == ["kpi_x.calls"]
    node["description"] = " "
    assert dictionary.undescribed(manifest, catalog) == ["kpi_x", "kpi_x.calls"]


def test_the_dictionary_tells_nothing_of_this_machine(road, docs):
    page = (docs / "index.html").read_text()
    assert str(road.home) not in page
    assert "INLINE DATA" not in page
    assert "kpi_daily" in page


def test_every_link_between_quality_pages_leads_somewhere(docs):
    pages = list((docs / "quality").rglob("*.html"))
    assert len(pages) > 50
    for page in pages:
        text = page.read_text()
        assert "<script" not in text, page
        assert not re.search(r"(src|href)=[\"']https?:", text), page
        for link in re.findall(r"href=[\"']([^\"'#]+)", text):
            assert (page.parent / unescape(link)).exists(), f"{page}: {link}"


@pytest.fixture(scope="module")
def browser():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


def opened(browser, address):
    """A page, and what went wrong on it: errors, and requests for anything but files."""
    page, wrong = browser.new_page(), []
    page.on("console", lambda said: wrong.append(said.text) if said.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request", lambda asked: None if asked.url.startswith(("file:", "data:")) else wrong.append(asked.url)
    )  # fmt: skip
    page.goto(address)
    return page, wrong


def test_the_dictionary_opens_with_columns_and_lineage(docs, browser):
    page, wrong = opened(browser, f"file://{docs}/index.html#!/model/model.warehouse.kpi_daily")
    page.get_by_text("The master table: every headline KPI per day").wait_for()
    page.get_by_text("Calendar day in the reporting time zone.").first.wait_for()
    assert page.locator("tr.column-row").count() > 30
    page.get_by_title("View Lineage Graph").click()
    page.get_by_text("Lineage Graph", exact=True).wait_for()
    assert wrong == []


def test_quality_pages_open_with_marks_and_lists(docs, browser):
    page, wrong = opened(browser, f"file://{docs}/quality/index.html")
    page.get_by_role("link", name="gold", exact=True).click()
    page.get_by_role("row", name="gold.fact_revenue what").get_by_text("what was found").click()
    page.get_by_text("Expectation Validation Result").wait_for()
    mark = page.locator("i.fa-check-circle").first
    assert mark.evaluate("it => getComputedStyle(it, '::before').content") == '"✓"'
    page.get_by_role("link", name="Home").click()
    page.get_by_text("as Great Expectations shows it").wait_for()
    assert wrong == []
