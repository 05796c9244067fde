"""The app that Streamlit runs: the menu, and around every page its heading and how far the data go.

Reads: the newest published edition. Writes: nothing.
Run: `warehouse dashboard` (serving/dashboards/server.py).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import streamlit as st

from serving.dashboards import parts
from serving.dashboards.context import Context
from serving.dashboards.page import SECTIONS, Page, all_pages
from serving.sql import current_file
from warehouse.errors import WarehouseError
from warehouse.settings import load_settings

# A file of ours: Streamlit would ask Google's servers for the picture of a symbol.
ICON = Path(__file__).with_name("icon.svg")
# How often an open page looks for a newer version.
LOOK_SECONDS = 20


def main() -> None:
    """Draw the page that the address names."""
    st.set_page_config(page_title="Warehouse", page_icon=str(ICON), layout="wide")
    parts.style()
    menu: dict[str, list] = {section: [] for section in SECTIONS}
    for page in all_pages():
        menu[page.section].append(
            st.Page(
                _drawn(page),
                title=page.title,
                icon=page.icon,
                url_path=page.url,
                default=page.url == "",
            )
        )
    st.navigation({section: found for section, found in menu.items() if found}).run()


def _drawn(page: Page) -> Callable[[], None]:
    def draw() -> None:
        st.title(page.title, anchor=False)
        st.markdown(page.about)
        try:
            context = Context(load_settings())
            parts.standing(context)
            page.draw(context)
            _follow(context)
        except WarehouseError as error:
            parts.failure(error)

    return draw


def _follow(context: Context) -> None:
    """Draw the page anew soon after something newer is published."""

    @st.fragment(run_every=LOOK_SECONDS)
    def look() -> None:
        if current_file(context.settings, "restricted").parent != context.edition.folder:
            st.rerun()

    look()


main()
