"""Histories that once came out wrong, shrunk to what matters; each file is named by what it shows."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def all_cases() -> dict[str, dict[str, Any]]:
    """Scripts by name."""
    return {
        path.stem: json.loads(path.read_text())
        for path in sorted(Path(__file__).parent.glob("*.json"))
    }
