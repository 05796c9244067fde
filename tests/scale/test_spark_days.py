"""Two more days on the Spark cluster: what is built on top must say what DuckDB says, after each of them.

Needs `make install-scale`; run by `make test-scale`, on the company that tests/scale/test_spark.py has built.
"""

from __future__ import annotations

import pytest

from tests.scale.both_targets import BothTargets

pytestmark = [pytest.mark.scale, pytest.mark.timeout(2400)]


@pytest.mark.parametrize("day", [1, 2])
def test_gold_of_one_more_day_is_the_same(both_targets: BothTargets, day: int):
    both_targets.home("sandbox", "advance", "--days", "1")
    both_targets.land()
    both_targets.build()
    assert both_targets.differences() == []
    assert all(count > 0 for count in both_targets.tasks())
