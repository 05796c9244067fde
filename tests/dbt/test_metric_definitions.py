"""Every ratio of recurring revenue stands in models/semantic, and nowhere else: read from the files, without a database."""

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
# The tables of recurring revenue: all of their ratios are metrics.
REVENUE = (
    "kpi_acquisition_monthly", "kpi_cohorts", "kpi_mrr_daily", "kpi_mrr_monthly", "kpi_retention_monthly", "kpi_revenue_by_dimension",
)  # fmt: skip
# The master table quotes usage, support and surveys too; these of its ratios are revenue's.
OF_KPI_DAILY = {
    "arpa_amount": "arpa", "arr_amount": "arr", "logo_churn_rate_30d": "logo_churn", "nrr_30d": "nrr", "grr_30d": "grr",
}  # fmt: skip


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


def metric_of(column: dict[str, Any]) -> str | None:
    return column.get("config", {}).get("meta", {}).get("metric")


@pytest.mark.parametrize("table", REVENUE)
def test_every_ratio_of_a_kpi_table_is_a_metric(table):
    ratios = {
        name: metric_of(c) for name, c in columns(table).items() if c["data_type"] == "double"
    }
    assert [name for name, metric in ratios.items() if metric not in metrics()] == []


@pytest.mark.parametrize("table", REVENUE)
def test_a_kpi_table_has_no_formula_of_its_own(table):
    sql = re.sub(r"--.*|\{#.*?#\}", "", (KPIS / f"{table}.sql").read_text())
    assert "rate(" not in sql.replace("_rate(", ""), f"{table} divides: use metric('…')"
    assert not re.search(r"\s/\s|nullif\(", sql), f"{table} divides: use metric('…')"
    shown = {metric_of(column) for column in columns(table).values()} - {None}
    assert shown <= set(metrics())
    # a ratio that the yml names is asked for by name
    asked = set(re.findall(r"metric\('(\w+)'", sql)) | set(re.findall(r"'(\w+)'", sql))
    ratios = {
        re.sub(r"_(3|6|12)m$", "", metric)
        for metric in shown
        if metrics()[metric]["type"] != "simple"
    } - {"cac", "mean_logo_churn"}
    assert ratios <= asked


def test_the_master_table_quotes_the_same_ratios():
    assert {
        name: metric_of(column)
        for name, column in columns("kpi_daily").items()
        if metric_of(column)
    } == OF_KPI_DAILY
    sql = (KPIS / "kpi_daily.sql").read_text()
    for metric in OF_KPI_DAILY.values():
        assert f"metric('{metric}'" in sql


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
