"""Two more days on the Spark cluster: what is built on top must say what DuckDB says, after each of them, and reads those days.

Needs `make install-scale`; run by `make test-scale`, on the company that tests/scale/test_spark.py has built (alone it builds its own).
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.scale import event_log
from tests.scale.both_targets import BothTargets

pytestmark = [pytest.mark.scale, pytest.mark.timeout(2400)]


def test_gold_of_one_more_day_is_the_same(both_targets: BothTargets):
    one_more_day(both_targets)


def test_gold_of_another_day_is_the_same_and_reads_its_folders(
    both_targets: BothTargets, tmp_path: Path
):
    (tmp_path / "spark.conf").write_text(event_log.properties(tmp_path / "events"))
    one_more_day(both_targets, SPARK_PROPERTIES=str(tmp_path / "spark.conf"))
    (session,) = (tmp_path / "events").iterdir()
    read = event_log.folders_read(session, "int_api_calls")
    of_the_fact = [folders for plan, folders in read if "fact_api_usage__fresh" in plan]
    # a year and a half has a folder a day, and a day's calls are of some days
    assert of_the_fact
    assert max(of_the_fact) < max(folders for _, folders in read) / 10


def one_more_day(company: BothTargets, **of_spark: str) -> None:
    company.home("sandbox", "advance", "--days", "1")
    company.land()
    company.build(**of_spark)
    assert company.differences() == []
    assert all(count > 0 for count in company.tasks())
