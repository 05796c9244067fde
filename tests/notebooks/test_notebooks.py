"""The notebooks run on a published edition and show its numbers; they are committed without outputs."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

import ml
from serving import editions
from serving.sql import query
from tests.ml import company
from warehouse import ledger
from warehouse.duck import connect
from warehouse.settings import PROJECT_ROOT, Settings

NOTEBOOKS = sorted((PROJECT_ROOT / "notebooks").glob("*.ipynb"))

# The tables of gold that the notebooks read and `ml` does not, as dbt's contracts have them.
GOLD = """
create table gold.customer_churn_scores as from ml.customer_churn_scores;
create table gold.customer_segments as from ml.customer_segments;
alter table gold.fact_mrr_movements add column amount_reporting decimal(28, 6);
update gold.fact_mrr_movements set amount_reporting = amount_reporting_minor / 100;
create or replace table gold.dim_customers as
    select *, 'Company ' || customer_id as company_name, 'USD' as currency, 1.0 as mrr from gold.dim_customers;
create table gold.kpi_mrr_monthly as
with months as (
    select month::date as month_start_on, month < timestamp '2025-06-01' as is_complete
    from range(timestamp '2024-06-01', timestamp '2025-07-01', interval 1 month) as r(month)
)
select
    month_start_on, is_complete, sum(amount_reporting_minor) as mrr_reporting_minor, sum(amount_reporting) as mrr_amount,
    12 * sum(amount_reporting) as arr_amount, count(distinct customer_id) as paying_customers, 1::bigint as new_customers,
    1::bigint as churned_customers, 1.5 as quick_ratio, sum(amount_reporting_minor) / count(distinct customer_id) as arpa_minor
from months
inner join gold.fact_mrr_movements on occurred_at < month_start_on + interval 1 month
group by month_start_on, is_complete;
create table gold.kpi_retention_monthly as
    select month_start_on, is_complete, 1 as interval_months, 10::bigint as start_customers, 0.04 as logo_churn_rate,
        1.02 as nrr, 0.97 as grr
    from gold.kpi_mrr_monthly;
create table gold.kpi_revenue_monthly as
    select month_start_on, is_complete, 'USD' as currency, revenue_type, 2900.0 as net_revenue_reporting_minor
    from gold.kpi_mrr_monthly cross join (values ('subscription'), ('usage'), ('one_time')) as types(revenue_type);
"""


@pytest.fixture(scope="module")
def published(tmp_path_factory) -> Settings:
    """A small company, trained, scored and written as an edition that `published/current` points to."""
    settings = company.build(tmp_path_factory.mktemp("published")).settings
    ml.train(settings)
    ml.score(settings)
    con = connect(settings.warehouse_db)
    con.execute(GOLD)
    con.close()
    ledger.record_build(settings, "gold", company.END)
    version = settings.published_dir / "v000001"
    version.mkdir(parents=True)
    editions.write_restricted(settings, version / "restricted.duckdb")
    (settings.published_dir / "current").symlink_to(version.name)
    return settings


@pytest.fixture(scope="module")
def executed(published) -> dict[str, nbformat.NotebookNode]:
    """Every notebook, run from top to bottom by a kernel of its own that knows only the data folder."""
    done = {}
    kept = {name: os.environ.get(name) for name in ("WAREHOUSE_HOME", "PYTHONPATH", "MPLBACKEND")}
    os.environ |= {"WAREHOUSE_HOME": str(published.home), "PYTHONPATH": str(PROJECT_ROOT)}
    os.environ.pop("MPLBACKEND", None)
    try:
        for path in NOTEBOOKS:
            book = nbformat.read(path, as_version=4)
            client = NotebookClient(
                book, timeout=120, resources={"metadata": {"path": str(path.parent)}}
            )
            done[path.stem] = client.execute()
    finally:
        for name, value in kept.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
    return done


def _texts(book) -> str:
    shown = []
    for cell in book.cells:
        for output in cell.get("outputs", []):
            shown.append(output.get("text", ""))
            data = output.get("data", {})
            shown += [data.get("text/html", ""), data.get("text/plain", "")]
    return "\n".join(shown)


def _plots(book) -> int:
    return sum(
        "image/png" in output.get("data", {})
        for cell in book.cells
        for output in cell.get("outputs", [])
    )


def test_both_notebooks_are_there():
    assert {path.stem for path in NOTEBOOKS} >= {"revenue", "churn"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_committed_without_outputs(path: Path):
    book = nbformat.read(path, as_version=4)
    nbformat.validate(book)
    for cell in book.cells:
        if cell.cell_type == "code":
            assert cell.outputs == []
            assert cell.execution_count is None
    assert str(Path.home()) not in path.read_text()


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_reads_published_gold_alone(path: Path):
    code = "\n".join(
        cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"
    )
    assert "from serving.sql import query" in code
    for inner in ("duckdb", "silver.", "bronze.", "import ml", "from ml"):
        assert inner not in code


def test_revenue_shows_the_numbers_of_gold(executed, published):
    text = _texts(executed["revenue"])
    newest = query(
        published,
        "select mrr_amount, paying_customers from gold.kpi_mrr_monthly where is_complete order by month_start_on desc limit 1",
    ).rows[0]
    assert f"USD {newest[0]:,.2f}" in text
    assert "May 2025" in text  # June is not complete here
    assert f"{newest[1]:,}" in text
    assert _plots(executed["revenue"]) == 4


def test_churn_shows_the_scores_of_gold(executed, published):
    text = _texts(executed["churn"])
    first = query(
        published,
        "select customer_id, recommended_action, model_version from gold.customer_churn_scores where is_latest "
        "order by mrr_at_risk_reporting_minor desc, customer_id limit 1",
    ).rows[0]
    assert f"Company {first[0]}" in text
    assert first[1] in text
    assert first[2] in text
    assert "nobody_churns" in text
    for segment in ("Champions", "Hibernating", "At Risk"):
        assert segment in text
    assert _plots(executed["churn"]) == 4


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_cell_warns(executed, path: Path):
    for cell in executed[path.stem].cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", output.get("text")
