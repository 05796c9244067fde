"""The road of a company that reports by another clock than UTC's, an hour in which its date is not UTC's, with settings of its own."""

from __future__ import annotations

import json
from datetime import datetime, timedelta

import pytest

from tests.road.conftest import Warehouse

pytestmark = [pytest.mark.slow(minutes=3), pytest.mark.timeout(1800)]


def test_the_road_in_tokyo_in_the_morning(tmp_path):
    warehouse = Warehouse(tmp_path / "data")
    warehouse(
        "sandbox", "create", "--customers", "40", "--months", "4", "--calls", "4000", "--seed", "3"
    )
    clock = json.loads((warehouse.home / "sandbox" / "clock.json").read_text())
    now = datetime.fromisoformat(clock["now"]) - timedelta(minutes=1)
    said = warehouse(
        "run", REPORTING_TIMEZONE="Asia/Tokyo", GROSS_MARGIN="0.8", WAREHOUSE_AS_OF=now.isoformat()
    )
    assert "v000001" in said
