"""Companies that are built once: a small one on DuckDB alone, and the default sandbox on DuckDB and on Spark."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.road.conftest import Warehouse
from tests.scale.both_targets import BothTargets
from warehouse.settings import Settings


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """What it has in gold is what another engine is to have."""
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


@pytest.fixture(scope="session")
def both_targets(
    tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> BothTargets:
    """The default sandbox, which has gone the whole road on Spark, and has a gold on DuckDB."""
    home = Warehouse(tmp_path_factory.mktemp("scale") / "data")
    home("sandbox", "create", "--seed", str(pytestconfig.getoption("--sandbox-seed")))
    company = BothTargets(home)
    company.run()
    return company
