"""A small company whose whole road has been run once, by the command line, as a user would."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import parsed
from warehouse.settings import PROJECT_ROOT, Settings

CUSTOMERS, MONTHS, CALLS, SEED = 60, 8, 20_000, 11


@dataclass(frozen=True)
class Warehouse:
    """A data folder, and the command line on it."""

    home: Path

    @property
    def settings(self) -> Settings:
        return Settings.for_test(self.home)

    @property
    def variables(self) -> dict[str, str]:
        """The settings of its processes."""
        return {
            "WAREHOUSE_HOME": str(self.home),
            "PSEUDONYM_KEY": "a-key-for-tests-0123456789abcdef",
        }

    def __call__(self, *words: str, expect: int = 0, **variables: str) -> str:
        """Run `warehouse …` in a process of its own; its output, or a failed assertion with it."""
        ours = {str(field.validation_alias) for field in Settings.model_fields.values()}
        environment = {k: v for k, v in os.environ.items() if k not in ours}
        done = subprocess.run(
            [str(Path(sys.executable).parent / "warehouse"), *words],
            env=environment | self.variables | variables,
            cwd=PROJECT_ROOT,
            capture_output=True,
            text=True,
            # the longest is the whole road on Spark
            timeout=1800,
            check=False,
        )
        assert done.returncode == expect, (
            f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        )
        return done.stdout + done.stderr

    def create(
        self, *, customers: int = CUSTOMERS, months: int = MONTHS, calls: int = CALLS
    ) -> None:
        parsed.give(self.settings, "dev", "gold")
        self(
            "sandbox", "create", "--customers", str(customers), "--months", str(months),
            "--calls", str(calls), "--seed", str(SEED),
        )  # fmt: skip


@pytest.fixture(scope="session")
def road(tmp_path_factory) -> Warehouse:
    """The small company, landed, built, scored and published. Tests that change it take a copy (`moved_on`)."""
    warehouse = Warehouse(tmp_path_factory.mktemp("road") / "data")
    warehouse.create()
    warehouse("run")
    return warehouse
