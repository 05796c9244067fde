"""Pages of notebooks lie beside the editions they show; what fails is told and hurts nothing else."""

from __future__ import annotations

import html
import json
from pathlib import Path

import duckdb
import nbformat
import pytest

from serving import notebooks
from warehouse.errors import NothingToDo, WarehouseError
from warehouse.settings import Settings

ASKS = """
import os
from serving.sql import query
from warehouse.settings import load_settings
settings = load_settings()
print(query(settings, "select answer from gold.kpi").rows[0][0], settings.reporting_currency, "STRIPE_API_KEY" in os.environ)
"""


def publish(settings: Settings, name: str, answer: int) -> Path:
    """A version with one number, made current."""
    folder = settings.published_dir / name
    folder.mkdir(parents=True)
    con = duckdb.connect(str(folder / "restricted.duckdb"))
    con.execute(f"create schema gold; create table gold.kpi as select {answer} as answer")
    con.close()
    (folder / "manifest.json").write_text(json.dumps({"content_hash": name}))
    pointer = settings.published_dir / "current"
    pointer.unlink(missing_ok=True)
    pointer.symlink_to(name)
    return folder


def notebook(folder: Path, name: str, code: str) -> None:
    """A notebook of one cell."""
    folder.mkdir(exist_ok=True)
    cells = [nbformat.v4.new_markdown_cell(f"# {name}"), nbformat.v4.new_code_cell(code)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / f"{name}.ipynb")


@pytest.fixture
def settings(tmp_path, monkeypatch) -> Settings:
    monkeypatch.setenv("STRIPE_API_KEY", "sk_live_never_shown")
    return Settings.for_test(
        tmp_path / "data", stripe_api_key="sk_live_never_shown", reporting_currency="EUR"
    )


def test_a_page_lies_beside_the_edition_it_shows(settings, tmp_path):
    version = publish(settings, "v000001", 4711)
    notebook(tmp_path / "books", "answers", ASKS)
    rendered = notebooks.render(settings, folder=tmp_path / "books")
    assert rendered.version == "v000001"
    (page,) = rendered.pages
    assert page == version / "notebooks" / "answers.html"
    text = page.read_text()
    assert "<title>answers</title>" in text
    assert "4711 EUR False" in text
    assert (page.stat().st_mode & 0o777, page.parent.stat().st_mode & 0o777) == (0o640, 0o700)


HOSTILE = """
import pandas as pd
name = '<img src="https://evil.example/x.png" onerror=alert(1)>'
pd.DataFrame({"company": [name]}).style.format(escape="html")
"""


def test_a_page_runs_nothing_and_loads_nothing_whatever_a_notebook_shows(settings, tmp_path):
    publish(settings, "v000001", 1)
    books = tmp_path / "books"
    notebook(books, "names", HOSTILE)
    title = "</title><script>alert(1)</script>"
    book = nbformat.read(books / "names.ipynb", as_version=4)
    book.cells[0].source = f"# {title}"
    nbformat.write(book, books / "names.ipynb")
    (page,) = notebooks.render(settings, folder=books).pages
    head = page.read_text().partition("</head>")[0]
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:" in head
    assert f"<title>{html.escape(title)}</title>" in head
    assert "&lt;img src=" in page.read_text()
    assert "<img" not in page.read_text()


def test_one_that_fails_is_named_in_one_line_and_takes_nothing_down(settings, tmp_path):
    version = publish(settings, "v000001", 1)
    books = tmp_path / "books"
    notebook(books, "breaks", "print('fine')")
    notebooks.render(settings, folder=books)
    notebook(books, "breaks", "1 / 0")
    notebook(books, "works", ASKS)
    with pytest.raises(WarehouseError) as failure:
        notebooks.render(settings, folder=books)
    assert failure.value.message == "notebook 'breaks' failed: ZeroDivisionError: division by zero"
    assert failure.value.hint == "1 of 2 pages were written"
    pages = {path.name: path.read_text() for path in (version / "notebooks").iterdir()}
    assert set(pages) == {"breaks.html", "works.html"}
    assert "fine" in pages["breaks.html"]
    assert (settings.published_dir / "current").resolve() == version


def test_a_version_published_meanwhile_gets_no_pages_of_the_old_one(settings, tmp_path):
    old = publish(settings, "v000001", 1)
    notebook(tmp_path / "books", "answers", ASKS)

    def meanwhile(_):
        publish(settings, "v000002", 2)

    with pytest.raises(NothingToDo, match="v000001 is no longer the current version"):
        notebooks.render(settings, folder=tmp_path / "books", say=meanwhile)
    assert not (old / "notebooks").exists()
    assert not (settings.published_dir / "v000002" / "notebooks").exists()


def test_nothing_published_is_nothing_to_do(settings, tmp_path):
    with pytest.raises(NothingToDo, match="nothing is published"):
        notebooks.render(settings, folder=tmp_path)
