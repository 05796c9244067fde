"""A small company that the sandbox's tests share; they only read it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from sandbox import world
from warehouse.settings import Settings

SMALL = {"customers": 60, "months": 6, "calls": 20_000}


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The small company at the end of its base span."""
    settings = Settings.for_test(tmp_path_factory.mktemp("company"))
    world.create(settings, **SMALL)
    return settings


@pytest.fixture(scope="session")
def later(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """The same company four days later."""
    settings = Settings.for_test(tmp_path_factory.mktemp("later"))
    world.create(settings, **SMALL)
    world.advance(settings, 4)
    return settings


@pytest.fixture(scope="session")
def read_truth() -> Callable[[Settings, str], list[dict[str, str]]]:
    """Rows of a truth table."""

    def read(settings: Settings, name: str) -> list[dict[str, str]]:
        path: Path = settings.sandbox_dir / "truth" / f"{name}.csv"
        with path.open(newline="") as file:
            return list(csv.DictReader(file))

    return read
