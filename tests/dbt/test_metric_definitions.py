"""Every ratio stands in models/semantic, and nowhere else: read from the files, without a database."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from warehouse.settings import PROJECT_ROOT

MODELS = PROJECT_ROOT / "dbt_project" / "models"
KPIS = MODELS / "gold" / "kpis"
TABLES = sorted(path.stem for path in KPIS.glob("*.sql"))
# What MetricFlow can't say, as it stands in the SQL; models/semantic/README.md gives the reasons, by table and column.
FORMULAS_OF_THEIR_OWN = {
    "kpi_activation_monthly": {"time_to_first_value_hours_median": ["/ 3600.0"]},
    "kpi_churn_risk": {"churn_probability_mean": ["avg(churn_probability)"]},
    "kpi_daily": {
        "health_score_mean": [
            "sum(customers * health_score_mean) / sum(customers) filter (where health_score_mean is not null)",
        ],
    },
    "kpi_funnels": {
        "conversion_from_start": [
            "rate('customers', 'first_value(customers) over (partition by funnel order by step_number)')",
        ],
        "conversion_from_step_before": [
            "rate('customers', 'lag(customers) over (partition by funnel order by step_number)')",
        ],
        "hours_since_step_before_median": ["/ 3600.0"],
    },
    "kpi_headlines": {
        "change_rate": ["rate('value - value_before', 'value_before')"],
        "mean_of_four_before": [
            "avg(cast(value as double)) over (partition by period, metric order by period_start_on rows between 4 preceding and 1 preceding)",
        ],
    },
    "kpi_health_daily": {
        "share_of_customers": ["rate('customers', 'sum(customers) over (partition by day)')"],
    },
    "kpi_usage_weekly": {
        "calls_growth_rate": [
            "rate('calls - lag(calls) over (order by week_start_on)', 'lag(calls) over (order by week_start_on)')",
        ],
    },
}  # fmt: skip
# medians, percentiles and the greatest of a day
NO_RATIO = re.compile(r"_median$|^median_|_p\d\d_ms$|_max_ms$")
DIVISION = re.compile(r"\brate\(|\s/\s|\bnullif\(|\bavg\(|\bmean\(")
# The master table makes these over its own intervals…
OF_KPI_DAILY = {
    "arpa_amount": "arpa", "arr_amount": "arr", "logo_churn_rate_30d": "logo_churn", "nrr_30d": "nrr", "grr_30d": "grr",
    "onboarding_completion_rate_28d": "onboarding_completion_rate", "csat_28d": "csat", "nps_28d": "nps", "ces_28d": "ces",
}  # fmt: skip
# … and quotes these from kpi_usage_daily.
QUOTED = {"error_rate": "error_rate", "stickiness": "stickiness"}


@cache
def metrics() -> dict[str, dict[str, Any]]:
    found = {}
    for path in (MODELS / "semantic").glob("*.yml"):
        # names of variables are all that Jinja has here
        found |= {
            metric["name"]: metric for metric in yaml.safe_load(path.read_text()).get("metrics", [])
        }
    return found


def columns(table: str) -> dict[str, dict[str, Any]]:
    (model,) = yaml.safe_load((KPIS / f"{table}.yml").read_text())["models"]
    return {column["name"]: column for column in model["columns"]}


def sql_of(table: str) -> str:
    """A KPI model's SQL without comments."""
    return re.sub(r"--.*|\{#.*?#\}", "", (KPIS / f"{table}.sql").read_text())


def metric_of(column: dict[str, Any]) -> str | None:
    return column.get("config", {}).get("meta", {}).get("metric")


@pytest.mark.parametrize("table", TABLES)
def test_every_ratio_of_a_kpi_table_is_a_metric(table):
    unnamed = {
        name
        for name, column in columns(table).items()
        if column["data_type"] == "double" and metric_of(column) is None
    }
    allowed = set(FORMULAS_OF_THEIR_OWN.get(table, {}))
    assert {name for name in unnamed if not NO_RATIO.search(name)} - allowed == set()
    assert allowed <= unnamed, f"{table}: is a metric now, not a formula of its own"


@pytest.mark.parametrize("table", TABLES)
def test_a_kpi_table_has_no_formula_of_its_own(table):
    sql = sql_of(table)
    for formulas in FORMULAS_OF_THEIR_OWN.get(table, {}).values():
        for formula in formulas:
            assert formula in sql, f"{table} has no {formula} any more"
            sql = sql.replace(formula, "", 1)
    found = DIVISION.search(sql)
    assert not found, f"{table} divides ({found and found.group()}): use metric('…')"


@pytest.mark.parametrize("table", [table for table in TABLES if table != "kpi_daily"])
def test_a_kpi_table_asks_for_its_ratios_by_name(table):
    shown = {metric_of(column) for column in columns(table).values()} - {None}
    assert shown <= set(metrics())
    asked = set(re.findall(r"'(\w+)'", sql_of(table)))
    ratios = {
        re.sub(r"_(3|6|12)m$", "", metric)
        for metric in shown
        if metrics()[metric]["type"] != "simple"
    } - {"cac", "mean_logo_churn"}
    assert ratios <= asked


def test_every_formula_that_is_no_metric_has_its_reason():
    readme = (MODELS / "semantic" / "README.md").read_text()
    for table, formulas in FORMULAS_OF_THEIR_OWN.items():
        rows = [line for line in readme.splitlines() if f"`{table}`" in line]
        for column in formulas:
            assert any(f"`{column}`" in row for row in rows), f"{table}.{column}"


def test_the_master_table_quotes_the_same_ratios():
    assert {
        name: metric_of(column)
        for name, column in columns("kpi_daily").items()
        if metric_of(column)
    } == OF_KPI_DAILY | QUOTED
    sql = sql_of("kpi_daily")
    for metric in OF_KPI_DAILY.values():
        assert f"metric('{metric}'" in sql
    for column in QUOTED:
        assert f"usage_days.{column}," in sql


def test_every_metric_says_what_it_is_and_whose():
    for name, metric in metrics().items():
        assert metric["description"].strip(), name
        assert metric["config"]["meta"]["owner"], name
        assert metric["label"], name


def test_every_metric_stands_on_the_page():
    page = Path(PROJECT_ROOT / "docs" / "metrics.md").read_text()
    for name in metrics():
        base = name if name.startswith("mean_") else re.sub(r"_(3|6|12)m$", "", name)
        if name == "gross_margin" or base.startswith("interval_"):
            continue
        assert f"`{base}`" in page, f"docs/metrics.md doesn't say what `{name}` is"
