"""`make soak`: thirty days in a loop, each taken in, equal to the truth, and about as cheap as the one before."""

import json
import resource

import pytest

from tests.road.conftest import Warehouse

DAYS = 30


@pytest.mark.soak
@pytest.mark.timeout(14_400)
def test_thirty_days_never_fail_and_cost_about_the_same(tmp_path):
    warehouse = Warehouse(tmp_path / "data")
    warehouse.create(customers=500, months=18, calls=1_000_000)
    warehouse("run")
    costs = []
    for day in range(DAYS):
        warehouse("sandbox", "advance", "--days", "1")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        warehouse("run")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        costs.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        tables = json.loads(warehouse("verify", "--json"))
        assert {t["name"]: t["examples"] for t in tables if t["differences"]} == {}, (
            f"day {day + 1}"
        )
        print(f"day {day + 1:>2}: {costs[-1]:6.1f} CPU s")
    first, last = sorted(costs[:10])[5], sorted(costs[-10:])[5]
    assert last < 1.3 * first, (
        f"median of the first ten days {first:.1f} CPU s, of the last ten {last:.1f}"
    )
