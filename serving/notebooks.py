"""Run the notebooks on the published edition and render them to pages that open without Jupyter.

A notebook that fails never touches the published version: its page of before stays, the other notebooks are rendered,
and one line names it.

Reads: `notebooks/*.ipynb`, `published/current` (through `serving.sql`, in a kernel of each notebook's own).
Writes: `published/<version>/notebooks/<name>.html`, each whole or not at all.
Run: `warehouse notebooks`; in Airflow after each publish.
"""

from __future__ import annotations

import html
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from serving.publish import PublishedVersion, current_version
from warehouse.errors import NothingToDo, WarehouseError
from warehouse.settings import PROJECT_ROOT, Settings, reader_environment

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbformat import NotebookNode

FOLDER = PROJECT_ROOT / "notebooks"
CELL_SECONDS = 300


@dataclass(frozen=True)
class Rendered:
    """Pages that were written.

    Attributes:
        version: Published version that they show, and lie beside.
        pages: The files, in order of name.
    """

    version: str
    pages: list[Path]


def render(
    settings: Settings, *, folder: Path = FOLDER, say: Callable[[str], None] | None = None
) -> Rendered:
    """Execute every notebook on the current version and write its page.

    Args:
        settings: Where the editions are.
        folder: Where the notebooks are.
        say: Told which notebook is under way, if given.

    Raises:
        NothingToDo: Nothing is published, or another version became current meanwhile.
        WarehouseError: Notebooks failed; those that did not have their pages.
    """
    current = current_version(settings)
    if current is None:
        raise NothingToDo("nothing is published that notebooks could show")
    pages, failed = [], []
    for path in sorted(folder.glob("*.ipynb")):
        if say is not None:
            say(path.stem)
        try:
            book = execute(settings, path)
        except WarehouseError as error:
            failed.append(error.message)
            continue
        pages.append(_write(settings, current, f"{path.stem}.html", page(book)))
    if failed:
        raise WarehouseError(
            "; ".join(failed), f"{len(pages)} of {len(pages) + len(failed)} pages were written"
        )
    return Rendered(current.name, pages)


def execute(settings: Settings, path: Path) -> NotebookNode:
    """A notebook with its outputs; a kernel of its own runs it, which gets no secret of ours.

    Raises:
        WarehouseError: A cell failed or took too long; one line with the notebook's name and the cell's error.
    """
    import nbformat
    from jupyter_client.kernelspec import NoSuchKernel
    from nbclient import NotebookClient
    from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError

    book = nbformat.read(path, as_version=4)
    client = NotebookClient(
        book, timeout=CELL_SECONDS, resources={"metadata": {"path": str(path.parent)}}
    )
    try:
        return client.execute(env=_environment(settings))
    except CellExecutionError as error:
        said = f"{error.ename}: {error.evalue}".splitlines()[0][:300]
    except CellTimeoutError:
        said = f"a cell took more than {CELL_SECONDS} s"
    except DeadKernelError:
        said = "its kernel died"
    except NoSuchKernel as error:
        said = f"there is no kernel named {error.name}"
    raise WarehouseError(f"notebook '{path.stem}' failed: {said}")


def page(book: NotebookNode) -> str:
    """The notebook as one HTML file that asks no other host for anything; what it says and shows, without its code."""
    from nbconvert import HTMLExporter

    exporter: Any = HTMLExporter(
        template_name="basic", exclude_input=True, exclude_output_prompt=True
    )
    body, _ = exporter.from_notebook_node(book)
    title = next(
        (cell.source.splitlines()[0].lstrip("# ") for cell in book.cells if cell.source), ""
    )
    return _PAGE.format(title=html.escape(title), body=body)


_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>{title}</title>
<style>
body {{ font: 15px/1.5 system-ui, sans-serif; color: #1f2933; max-width: 1080px; margin: 2rem auto; padding: 0 1rem; }}
h1, h2 {{ line-height: 1.2; margin-top: 2rem; }}
.anchor-link {{ display: none; }}
table {{ display: block; overflow-x: auto; border-collapse: collapse; font-size: 13px; margin: 1rem 0; }}
caption {{ text-align: left; padding-bottom: .4rem; color: #52606d; }}
td, th {{ padding: .25rem .7rem; border-bottom: 1px solid #e4e7eb; text-align: right; }}
img {{ max-width: 100%; }}
pre {{ white-space: pre-wrap; }}
</style>
</head>
<body>
{body}
</body>
</html>
"""


def _environment(settings: Settings) -> dict[str, str]:
    """What a kernel needs to find the edition and this project, and to draw into the notebook."""
    found = reader_environment(settings)
    found.pop("MPLBACKEND", None)
    return found


def _write(settings: Settings, version: PublishedVersion, name: str, text: str) -> Path:
    """Put a page beside the editions it shows, if those are still the current ones."""
    now = current_version(settings)
    if now is None or now.name != version.name:
        raise NothingToDo(
            f"{version.name} is no longer the current version; the newest has its turn"
        )
    folder = version.path / "notebooks"
    folder.mkdir(mode=0o700, exist_ok=True)
    partial = folder / f".{name}.partial"
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o640), "w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(folder / name)
    return folder / name
