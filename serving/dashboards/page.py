"""What a page is, and which pages there are: every module of `serving/dashboards/pages` that has a `PAGE`."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from serving.dashboards import pages

if TYPE_CHECKING:
    from serving.dashboards.context import Context

# As the menu shows them.
SECTIONS = ("Executive", "Teams", "Customers", "Data")


@dataclass(frozen=True)
class Page:
    """A page of the dashboards.

    Attributes:
        title: Its name in the menu and its heading.
        about: One sentence below the heading: which questions it answers.
        section: One of `SECTIONS`.
        position: Its place in the section.
        icon: A Material symbol, such as ":material/speed:".
        url: The last part of its address; empty for the page that opens first.
        draw: Draws what stands below the heading.
    """

    title: str
    about: str
    section: str
    position: int
    icon: str
    url: str
    draw: Callable[[Context], None]


def all_pages() -> list[Page]:
    """Every page, in the menu's order."""
    found = [
        importlib.import_module(f"{pages.__name__}.{module.name}").PAGE
        for module in pkgutil.iter_modules(pages.__path__)
    ]
    return sorted(found, key=lambda page: (SECTIONS.index(page.section), page.position))
