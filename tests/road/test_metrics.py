"""MetricFlow's answers on the published edition are the KPI tables' numbers: for every metric, in all and by each dimension."""

from __future__ import annotations

import csv
import re
from datetime import date
from math import isclose
from pathlib import Path

import duckdb
import pytest
import yaml

from tests.road.conftest import Warehouse
from warehouse.settings import PROJECT_ROOT

pytestmark = pytest.mark.slow(minutes=10)

KPIS = PROJECT_ROOT / "dbt_project" / "models" / "gold" / "kpis"
# what MetricFlow calls the dimension; the interval's sums are asked for by their length
ASKED_BY = {
    "plan": "customer__plan", "industry": "customer__industry", "tier": "customer__tier", "country": "customer__country",
    "currency": "currency",
}  # fmt: skip
PERIOD = re.compile(r"__(day|month|quarter)$")
Answer = dict[tuple[str, ...], float]


def shown(table: str) -> dict[str, str]:
    """Metric → column of a KPI table, out of its yml; amounts for people aside."""
    (model,) = yaml.safe_load((KPIS / f"{table}.yml").read_text())["models"]
    found = {}
    for column in model["columns"]:
        metric = column.get("config", {}).get("meta", {}).get("metric")
        if metric and not column["name"].endswith("_amount"):
            found[metric] = column["name"]
    return found


def asked(road: Warehouse, folder: Path, metrics: list[str], *group_by: str) -> dict[str, Answer]:
    """What `warehouse mf query` answers, by metric; without what is NULL."""
    path = folder / "answer.csv"
    path.unlink(missing_ok=True)
    road(
        "mf", "query", "--quiet", "--metrics", ",".join(metrics), "--group-by", ",".join(group_by), "--csv", str(path),
    )  # fmt: skip
    answers: dict[str, Answer] = {metric: {} for metric in metrics}
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            key = tuple(row[name][:10] if PERIOD.search(name) else row[name] for name in group_by)
            for metric in metrics:
                if row[metric] != "":
                    answers[metric][key] = float(row[metric])
    return answers


def stored(road: Warehouse, sql: str) -> Answer:
    path = road.home / "published" / "current" / "restricted.duckdb"
    con = duckdb.connect(str(path), read_only=True)
    try:
        rows = con.execute(sql).fetchall()
    finally:
        con.close()
    return {
        tuple(str(part) for part in key): float(value) for *key, value in rows if value is not None
    }


def unequal(answer: Answer, table: Answer) -> list[str]:
    """Keys on which the two differ; 0 and nothing are the same where MetricFlow has no row to say 0."""
    found = []
    for key in sorted(answer.keys() | table.keys()):
        left, right = answer.get(key, 0.0), table.get(key, 0.0)
        if not isclose(left, right, rel_tol=1e-12, abs_tol=1e-9):
            found.append(f"{key}: MetricFlow {left}, table {right}")
    return found


def test_by_month_every_metric_is_the_tables(road, tmp_path):
    columns = shown("kpi_mrr_monthly")
    answers = asked(road, tmp_path, list(columns), "metric_time__month")
    for metric, column in columns.items():
        table = stored(road, f"select month_start_on, {column} from gold.kpi_mrr_monthly")
        assert unequal(answers[metric], table) == [], metric
    # and there is something to compare: eight months, the last with an LTV
    assert len(answers["mrr"]) == 8
    assert ("2024-08-01",) in answers["ltv"]
    # nothing is said of months to come
    assert max(answers["mean_logo_churn_6m"]) == ("2024-08-01",)


@pytest.mark.parametrize("dimension", ASKED_BY)
def test_by_dimension_every_metric_is_the_tables(road, tmp_path, dimension):
    columns = shown("kpi_revenue_by_dimension")
    answers = asked(road, tmp_path, list(columns), "metric_time__month", ASKED_BY[dimension])
    for metric, column in columns.items():
        table = stored(
            road,
            f"select month_start_on, value, {column} from gold.kpi_revenue_by_dimension where dimension = '{dimension}'",
        )
        assert unequal(answers[metric], table) == [], metric
    assert len({value for _, value in answers["mrr"]}) > 1


def test_retention_is_the_tables_over_each_interval(road, tmp_path):
    columns = shown("kpi_retention_monthly")
    sums = [metric for metric in columns if metric.startswith("interval_")]
    by_length = asked(road, tmp_path, sums, "metric_time__month", "retention__interval_months")
    for metric in sums:
        table = stored(
            road,
            f"select month_start_on, interval_months, {columns[metric]} from gold.kpi_retention_monthly",
        )
        assert unequal(by_length[metric], table) == [], metric
    ratios = {
        f"{metric}{suffix}": (column, length)
        for metric, column in columns.items()
        for length, suffix in ((1, ""), (3, "_3m"), (6, "_6m"), (12, "_12m"))
        if metric not in sums
    }
    answers = asked(road, tmp_path, list(ratios), "metric_time__month")
    for metric, (column, length) in ratios.items():
        table = stored(
            road,
            f"select month_start_on, {column} from gold.kpi_retention_monthly where interval_months = {length}",
        )
        assert unequal(answers[metric], table) == [], metric
    assert answers["nrr_6m"]


def test_recognised_revenue_is_the_tables(road, tmp_path):
    columns = shown("kpi_recognised_revenue_monthly")
    answers = asked(road, tmp_path, list(columns), "metric_time__month", "currency")
    for metric, column in columns.items():
        table = stored(
            road,
            f"select month_start_on, currency, sum({column}) from gold.kpi_recognised_revenue_monthly group by all",
        )
        assert unequal(answers[metric], table) == [], metric


def test_cohorts_are_the_tables(road, tmp_path):
    columns = shown("kpi_cohorts")
    answers = asked(
        road, tmp_path, list(columns), "cohort__cohort_month__month", "cohort__months_since"
    )
    for metric, column in columns.items():
        table = stored(road, f"select cohort_month, months_since, {column} from gold.kpi_cohorts")
        named = {(month[:10], since): value for (month, since), value in answers[metric].items()}
        assert unequal(named, table) == [], metric


# table: what it is asked by, and the same columns of the table
GRAINS = {
    "kpi_dunning_monthly": (["metric_time__month", "currency"], "month_start_on, currency"),
    "kpi_fees_monthly": (["metric_time__month", "currency"], "month_start_on, currency"),
    "kpi_usage_daily": (["metric_time__day"], "day"),
    "kpi_support_monthly": (["metric_time__month"], "month_start_on"),
    "kpi_surveys_monthly": (["metric_time__month"], "month_start_on"),
    "kpi_activation_monthly": (["metric_time__month"], "month_start_on"),
    "kpi_endpoint_daily": (["metric_time__day", "usage__endpoint"], "day, endpoint"),
    "kpi_feature_adoption_monthly": (["metric_time__month", "adoption__feature_name"], "month_start_on, feature_name"),
    "kpi_health_daily": (["metric_time__day", "health__health_band"], "day, health_band"),
    "kpi_usage_retention_monthly": (
        ["usage_cohort__cohort_month_on__month", "usage_cohort__months_since"], "cohort_month_on, months_since",
    ),
}  # fmt: skip


def test_payments_usage_and_experience_are_the_tables(road, tmp_path):
    by_grain: dict[tuple[str, ...], list[str]] = {}
    for table, (grain, _) in GRAINS.items():
        by_grain.setdefault(tuple(grain), []).append(table)
    for grain, tables in by_grain.items():
        # one question for all tables of a grain: MetricFlow's start is what takes time
        columns = {table: shown(table) for table in tables}
        metrics = [metric for table in tables for metric in columns[table]]
        answers = asked(road, tmp_path, metrics, *grain)
        for table in tables:
            for metric, column in columns[table].items():
                # a survey's columns are empty in the other survey's row
                rows = stored(
                    road, f"select {GRAINS[table][1]}, max({column}) from gold.{table} group by all"
                )
                assert rows, f"{table}.{column}: nothing to compare"
                assert unequal(answers[metric], rows) == [], f"{table}.{column}"


def test_a_quarters_state_is_its_last_months(road, tmp_path):
    answers = asked(road, tmp_path, ["mrr", "paying_customers", "new_mrr", "nrr_3m"], "metric_time__quarter")  # fmt: skip
    months = stored(road, "select month_start_on, mrr_reporting_minor from gold.kpi_mrr_monthly")
    quarter = next(key for key in answers["mrr"] if key[0].startswith("2024-04-01"))
    assert isclose(answers["mrr"][quarter], months["2024-06-01",])
    moved = stored(
        road,
        "select date_trunc('quarter', month_start_on)::date, sum(new_reporting_minor) from gold.kpi_mrr_monthly group by 1",
    )
    assert isclose(answers["new_mrr"][quarter], moved["2024-04-01",])
    kept = stored(
        road, "select month_start_on, nrr from gold.kpi_retention_monthly where interval_months = 3"
    )
    assert isclose(answers["nrr_3m"][quarter], kept["2024-06-01",])


def test_mrr_at_any_instant_is_that_of_the_month_ends(road):
    ends = [date(2024, month, 1) for month in range(2, 10)]
    for end in ends:
        instant = f"timestamp '{end}' - interval 1 microsecond"
        assert stored(
            road,
            "select customer_id, currency, sum(mrr_minor) from gold.fact_mrr_history "
            f"where valid_from <= {instant} and valid_to > {instant} group by all having sum(mrr_minor) > 0",
        ) == stored(
            road,
            "select customer_id, currency, closing_mrr_minor from gold.fact_customer_months "
            f"where month = date '{end}' - interval 1 month and closing_mrr_minor > 0",
        )


def test_the_analysts_edition_answers_too_and_a_wrong_metric_is_an_error(road, tmp_path):
    path = tmp_path / "analyst.csv"
    words = (
        "query",
        "--quiet",
        "--metrics",
        "mrr,paying_customers",
        "--group-by",
        "metric_time__month",
    )
    road("mf", "--edition", "analyst", *words, "--csv", str(path))
    months = stored(road, "select month_start_on, mrr_reporting_minor from gold.kpi_mrr_monthly")
    with path.open(newline="") as file:
        for row in csv.DictReader(file):
            assert isclose(float(row["mrr"]), months[row["metric_time__month"][:10],])
    output = road("mf", "query", "--metrics", "no_such_metric", expect=1)
    assert "no_such_metric" in output
