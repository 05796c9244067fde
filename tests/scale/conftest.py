"""A small company, built on DuckDB once: what it has in gold is what another engine is to have."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from warehouse.settings import Settings


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    home = tmp_path_factory.mktemp("company")
    warehouse = str(Path(sys.executable).parent / "warehouse")
    for words in (
        ["sandbox", "create", "--customers", "30", "--calls", "2000"],
        ["run"],
        ["lake", "export", "--layer", "raw"],
    ):
        subprocess.run(
            [warehouse, *words], check=True, cwd=home,
            env=os.environ | {"WAREHOUSE_HOME": str(home / "data")},
        )  # fmt: skip
    return Settings(WAREHOUSE_HOME=home / "data")
