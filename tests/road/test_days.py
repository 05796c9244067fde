"""Days that arrive shuffled, late and twice: building on is building at once, after each of them."""

import os
import re
import subprocess
import sys

import pytest

from tests import parsed
from tests.road.conftest import Warehouse
from warehouse.settings import PROJECT_ROOT

pytestmark = [pytest.mark.slow(minutes=5), pytest.mark.timeout(1800)]


def replay(road: Warehouse, folder, days: int) -> None:
    home = Warehouse(folder / "replayed")
    home.home.mkdir()
    parsed.give(home.settings, "dev")
    done = subprocess.run(
        [sys.executable, "-m", "tests.road.replaying", "--landed", road.home, "--home", home.home, "--days", str(days)],
        cwd=PROJECT_ROOT, env=os.environ, capture_output=True, text=True, check=False,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    told = re.findall(r"^day \d+ until .*: ([\d,]+) rows, 0 tables differ", done.stdout, re.M)
    assert len(told) == days
    assert all(rows != "0" for rows in told)


def test_ten_days(road, tmp_path):
    replay(road, tmp_path, 10)


@pytest.mark.soak
@pytest.mark.timeout(14_400)
def test_ninety_days(road, tmp_path):
    replay(road, tmp_path, 90)
