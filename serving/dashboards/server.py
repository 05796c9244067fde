"""Start the dashboards: Streamlit on this machine alone, asking no other machine for anything.

Everything that Streamlit is told stands here, so that a person's own `~/.streamlit` changes nothing of it.

Run: `warehouse dashboard [--port 8501]`.
"""

from __future__ import annotations

import os
import re
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from warehouse.errors import WarehouseError
from warehouse.settings import Settings, reader_environment

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

# In a folder of its own: Streamlit would take `pages/` beside its script for pages of an older kind.
SCRIPT = Path(__file__).with_name("shell") / "app.py"
# Every other path is Streamlit's own.
PAGE_ADDRESS = re.compile(r"/[a-z0-9-]*")

OPTIONS = {
    "server.address": "127.0.0.1",
    "server.headless": True,
    "server.showEmailPrompt": False,
    # nothing is edited while it runs
    "server.fileWatcherType": "none",
    "server.runOnSave": False,
    "server.maxUploadSize": 1,
    "browser.gatherUsageStats": False,
    # no menu of a developer, no links to the internet beside an error
    "client.toolbarMode": "minimal",
    "client.showErrorDetails": "none",
    "client.showErrorLinks": False,
    # what leaves as a file goes through serving.sql, which defuses formulas
    "client.disableDataExport": True,
    "global.developmentMode": False,
    "logger.level": "warning",
}

# Blue, orange, green, … of equal weight, told apart by the colour-blind (after Okabe and Ito), for each background.
THEME = {
    "theme.baseRadius": "8px",
    "theme.baseFontSize": 15,
    "theme.light.primaryColor": "#1f5fbf",
    "theme.light.backgroundColor": "#ffffff",
    "theme.light.secondaryBackgroundColor": "#f3f5f8",
    "theme.light.textColor": "#1b2430",
    "theme.light.borderColor": "#d9dfe7",
    "theme.light.linkColor": "#1f5fbf",
    "theme.dark.primaryColor": "#6ea8ff",
    "theme.dark.backgroundColor": "#10151d",
    "theme.dark.secondaryBackgroundColor": "#1a212c",
    "theme.dark.textColor": "#e6ebf2",
    "theme.dark.borderColor": "#333e4e",
    "theme.dark.linkColor": "#8dbbff",
}


def take_over(settings: Settings, port: int) -> None:
    """Become the server, with what it needs of the settings and none of their secrets; returns only by an error.

    Raises:
        WarehouseError: The port is taken.
    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((OPTIONS["server.address"], port))
        except OSError as error:
            raise WarehouseError(
                f"port {port} is taken: {error.strerror}",
                "choose another with --port, or DASHBOARD_PORT",
            ) from None
    words = [sys.executable, "-m", __name__, str(port)]
    os.execve(words[0], words, reader_environment(settings))  # noqa: S606 - no shell is wanted


def serve(port: int) -> None:
    """Serve the dashboards on a port of this machine until stopped."""
    import streamlit as st
    from starlette.middleware import Middleware

    app = st.App(SCRIPT, middleware=[Middleware(FirstHtml)])
    app.run(config={**OPTIONS, **THEME, "server.port": port})


class FirstHtml:
    """Answers every page's address with Streamlit's HTML, told where its server is.

    Left alone, it would first look for the server below the address of the page, and fail.

    Args:
        app: What answers everything else.
    """

    def __init__(self, app: ASGIApp) -> None:
        from starlette.responses import HTMLResponse
        from streamlit import file_util

        html = (Path(file_util.get_static_dir()) / "index.html").read_text(encoding="utf-8")
        origin = "window.location.origin"
        told = f"<script>window.__streamlit = {{BACKEND_BASE_URL: {origin}, MAIN_PAGE_BASE_URL: {origin}}}</script>"
        html = html.replace("<title>Streamlit</title>", f"<title>Warehouse</title>{told}")
        self._answer = HTMLResponse(html, headers={"Cache-Control": "no-cache"})
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or pass on."""
        is_page = scope["type"] == "http" and PAGE_ADDRESS.fullmatch(scope["path"])
        await (self._answer if is_page else self._app)(scope, receive, send)


if __name__ == "__main__":
    serve(int(sys.argv[1]))
