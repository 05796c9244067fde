"""Start the dashboards: Streamlit on this machine alone, asking no other machine for anything.

Everything that Streamlit is told stands here, so that a person's own `~/.streamlit` changes nothing of it.

Run: `warehouse dashboard [--port 8501]`.
"""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

from warehouse.errors import WarehouseError
from warehouse.settings import Settings, reader_environment

APP = Path(__file__).with_name("app.py")

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


def command(port: int) -> list[str]:
    """The command that serves the dashboards on a port of this machine."""
    options = {**OPTIONS, **THEME, "server.port": port}
    flags = [f"--{name}={_value(value)}" for name, value in options.items()]
    return [sys.executable, "-m", "streamlit", "run", str(APP), *flags]


def _value(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


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
    words = command(port)
    os.execve(words[0], words, reader_environment(settings))
