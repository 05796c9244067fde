"""What Superset imports; that its charts fit an edition is asked in tests/road/test_self_service.py."""

from __future__ import annotations

import zipfile
from pathlib import Path

import duckdb
import pytest
import yaml

from serving.superset.bundle import ASSETS, bundle
from tests.quality.company import settings_of

GOLD = """
create schema gold;
create table gold.kpi_daily (day date, mrr_amount decimal(28, 6));
create table gold.kpi_revenue_by_dimension (month_start_on date, mrr_reporting_minor decimal(28, 6));
create table gold.kpi_churn_risk (as_of_date date, mrr_at_risk_reporting_minor decimal(28, 6));
"""


def metrics(home: Path, currency: str) -> dict[str, tuple[str, str, str]]:
    """Table and metric → label, expression, format."""
    settings = settings_of(home, reporting_currency=currency)
    version = settings.published_dir / "current"
    version.mkdir(parents=True)
    with duckdb.connect(str(version / "analyst.duckdb")) as con:
        con.execute(GOLD)
    found = {}
    with zipfile.ZipFile(bundle(settings, home / "bundle.zip")) as archive:
        for name in archive.namelist():
            said = yaml.safe_load(archive.read(name))
            for one in said.get("metrics", ()):
                key = f"{said['table_name']}.{one['metric_name']}"
                found[key] = (one["verbose_name"], one["expression"], one["d3format"])
    return found


@pytest.mark.parametrize(("currency", "units"), [("USD", 100), ("JPY", 1), ("KWD", 1000)])
def test_amounts_are_those_of_the_reporting_currency(tmp_path, currency, units):
    found = metrics(tmp_path, currency)
    assert found["kpi_daily.mrr"] == (f"MRR, {currency}", "max(mrr_amount)", ",.0f")
    assert found["kpi_revenue_by_dimension.mrr"] == (
        f"MRR, {currency}",
        f"sum(mrr_reporting_minor) / {units}",
        ",.0f",
    )
    assert found["kpi_churn_risk.mrr_at_risk"] == (
        f"MRR at risk, {currency}",
        f"sum(mrr_at_risk_reporting_minor) / {units}",
        ",.0f",
    )


def test_no_chart_has_a_currency_of_its_own():
    for chart in (ASSETS / "charts").glob("*.yaml"):
        assert "$" not in chart.read_text(), chart.name
