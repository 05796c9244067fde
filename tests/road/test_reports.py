"""Reports quote published gold: headline figures by an oracle of their own, each number of both reports by SQL on gold."""

from __future__ import annotations

import re
import shutil
from collections import defaultdict
from datetime import date, timedelta
from pathlib import Path
from statistics import median

import duckdb
import pytest

from serving.dashboards import formats
from serving.publish import current_version
from serving.reports import archive, periods
from tests.road.conftest import Warehouse
from warehouse.errors import WarehouseError
from warehouse.settings import Settings

pytestmark = pytest.mark.slow(minutes=10)
MONEY = formats.money("USD")


def rows_of(settings: Settings, sql: str) -> list[tuple]:
    version = current_version(settings)
    assert version is not None
    with duckdb.connect(str(version.path / "restricted.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


@pytest.fixture(scope="module")
def settings(road, tmp_path_factory) -> Settings:
    """A copy of the road: reports are kept beside what they quote."""
    home = tmp_path_factory.mktemp("reports") / "data"
    shutil.copytree(road.home, home, symlinks=True)
    return Settings.for_test(home)


def headlines(settings: Settings, metric: str, period: str) -> dict[date, tuple]:
    sql = (
        "select period_start_on, value, value_before, change, change_rate, mean_of_four_before, is_complete "
        f"from gold.kpi_headlines where metric = '{metric}' and period = '{period}' order by 1"
    )
    return {row[0]: row[1:] for row in rows_of(settings, sql)}


def start_of(day: date, period: str) -> date:
    return day.replace(day=1) if period == "month" else day - timedelta(days=day.weekday())


@pytest.mark.parametrize("period", ["week", "month"])
def test_states_are_of_the_last_day_and_sums_over_the_days(settings, period):
    days = rows_of(
        settings,
        "select day, is_complete, mrr_amount, mrr_churn_amount, calls from gold.kpi_daily order by day",
    )
    mrr, complete, churn, calls = {}, {}, defaultdict(int), defaultdict(int)
    for day, is_complete, state, lost, called in days:
        start = start_of(day, period)
        mrr[start] = state
        complete[start] = is_complete and start_of(day + timedelta(days=1), period) != start
        churn[start] += lost
        calls[start] += called
    for metric, expected in (("mrr", mrr), ("mrr_churn", churn), ("calls", calls)):
        found = headlines(settings, metric, period)
        assert {start: row[0] for start, row in found.items()} == expected, metric
        assert {start: row[5] for start, row in found.items()} == complete, metric
        values = list(expected.values())
        for n, row in enumerate(found.values()):
            before = values[n - 1] if n else None
            assert row[1] == before
            assert row[2] == (None if before is None else values[n] - before)
            rate = None if not before else float(values[n] - before) / float(before)
            assert row[3] == (None if rate is None else pytest.approx(rate))
            mean = sum(float(value) for value in values[n - 4 : n]) / 4 if n >= 4 else None
            assert row[4] == (None if mean is None else pytest.approx(mean))


def test_ratios_and_medians_are_of_the_periods_own_rows(settings):
    calls = rows_of(
        settings,
        "select cast(date_trunc('week', date_partition) as date), count(*) filter (response_code >= 400), count(*) "
        "from gold.fact_api_usage group by all",
    )
    rates = headlines(settings, "error_rate", "week")
    for start, bad, all_calls in calls:
        assert float(rates[start][0]) == pytest.approx(bad / all_calls, abs=1e-6)
    minutes = defaultdict(list)
    for day, value in rows_of(
        settings,
        "select date_partition, first_reply_minutes from gold.fact_support_tickets where first_reply_minutes is not null",
    ):
        minutes[start_of(day, "month")].append(value)
    replies = headlines(settings, "first_reply_median", "month")
    for start, values in minutes.items():
        assert float(replies[start][0]) == pytest.approx(float(median(values)), abs=1e-5)


def test_the_weekly_report_says_what_gold_says(settings):
    kept = archive.issue(settings, "weekly")
    said = archive.report_of(kept)["said"]
    (newest,) = rows_of(
        settings,
        "select max(period_start_on) from gold.kpi_headlines where is_complete and period = 'week'",
    )
    assert kept.period == periods.Period("weekly", newest[0]).name
    sunday = newest[0] + timedelta(days=6)
    ((mrr, paying, at_risk),) = rows_of(
        settings,
        f"select mrr_amount, customers_paying, customers_at_risk from gold.kpi_daily where day = '{sunday}'",
    )
    assert said["The week in six numbers: MRR"] == MONEY.text(mrr)
    assert said["The week in six numbers: Paying customers"] == f"{paying}"
    assert said["Support and health: Customers at risk by health, This week"] == f"{at_risk}"
    accounts = rows_of(
        settings,
        "select company_name, mrr_at_risk_reporting_minor / 100 from gold.customer_churn_scores "
        "join gold.dim_customers using (customer_id) where is_latest and customer_churn_scores.mrr_reporting_minor > 0 "
        "order by mrr_at_risk_reporting_minor desc, customer_id limit 10",
    )
    listed = {
        name.split(": ")[-1].removesuffix(", MRR at risk"): value
        for name, value in said.items()
        if name.endswith(", MRR at risk")
    }
    assert listed == {name: MONEY.text(amount) for name, amount in accounts}
    page = kept.html.read_text()
    assert accounts[0][0] in page
    assert re.findall(r"(?:src|href)\s*=|url\((?!#)|@import|<script|<link|<image", page) == []
    # drawings of one page don't share a name
    names = re.findall(r'\bid="([^"]+)"', page)
    assert len(names) == len(set(names)) > 0


def test_the_monthly_report_says_what_gold_says(settings):
    kept = archive.issue(settings, "monthly")
    said = archive.report_of(kept)["said"]
    month = f"{kept.period}-01"
    ((arr, quick, ltv, payback),) = rows_of(
        settings,
        "select arr_amount, quick_ratio, ltv_minor / 100, cac_payback_months from gold.kpi_mrr_monthly "
        f"where month_start_on = '{month}'",
    )
    label = date.fromisoformat(month).strftime("%b %Y")
    assert said["The month in six numbers: ARR"] == MONEY.text(arr)
    assert said["The month in six numbers: Quick ratio"] == formats.RATIO.text(quick)
    assert said[f"Growth and efficiency: LTV, {label}"] == MONEY.text(ltv)
    assert said[f"Growth and efficiency: CAC payback, months, {label}"] == formats.DECIMAL.text(
        payback
    )
    ((churn,),) = rows_of(
        settings,
        f"select logo_churn_rate from gold.kpi_retention_monthly where interval_months = 1 and month_start_on = '{month}'",
    )
    assert said[f"Growth and efficiency: Logo churn, {label}"] == formats.PERCENT.text(churn)
    assert kept.pdf.read_bytes().startswith(b"%PDF-")
    assert (current_version(settings).path / "reports" / "monthly.pdf").samefile(kept.pdf)


def test_a_corrected_number_is_a_revision_and_the_same_numbers_are_none(settings, tmp_path):
    mine = settings.over(home=tmp_path / "data")
    shutil.copytree(settings.home, mine.home, symlinks=True)
    first = archive.issue(mine, "weekly")
    assert not archive.issue(mine, "weekly", first.period).is_new
    edition = Path(current_version(mine).path / "restricted.duckdb")
    edition.chmod(0o600)
    with duckdb.connect(str(edition)) as con:
        con.execute(
            "update gold.kpi_headlines set value = value + 1 where metric = 'customers_new' and period = 'week'"
        )
    second = archive.issue(mine, "weekly")
    assert (second.revision, second.period) == (first.revision + 1, first.period)
    ((signups,),) = rows_of(
        settings,
        "select value from gold.kpi_headlines where metric = 'customers_new' and period = 'week' and is_complete "
        "order by period_start_on desc limit 1",
    )
    assert archive.report_of(second)["changes"] == [
        f"Customers: Signups, This week: {signups:.0f} is now {signups + 1:.0f}"
    ]


def test_a_period_that_is_not_over_is_not_reported(settings):
    running = periods.parse("monthly", archive.issue(settings, "monthly").period).next.name
    with pytest.raises(WarehouseError, match=f"{running} is not complete in every source"):
        archive.issue(settings, "monthly", running)


def test_the_command_line_lists_what_is_kept(settings):
    archive.issue(settings, "monthly")
    told = Warehouse(settings.home)("report")
    assert "monthly" in told
