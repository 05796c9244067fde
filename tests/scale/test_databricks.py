"""The models as SQL for Databricks. There is no emulator of it: nothing is run, and no account was there to run it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scale.engines import compiled, models, needs
from warehouse.settings import Settings

pytestmark = [pytest.mark.scale, needs("dbt.adapters.databricks")]


def test_every_model_is_compiled(tmp_path: Path) -> None:
    settings = Settings(WAREHOUSE_HOME=tmp_path / "data")
    assert (
        compiled(settings, "databricks", "tests.scale.compiled_for_databricks", tmp_path / "run")
        == models()
    )
