"""The notebooks run on a published edition and show its numbers; they are committed without outputs."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import nbformat
import pytest

import ml
from quality import scoring
from serving import editions, notebooks
from serving.sql import query
from tests.ml import company
from tests.ml.rendered import rendered
from warehouse import ledger
from warehouse.duck import connect
from warehouse.settings import Settings

NOTEBOOKS = sorted(notebooks.FOLDER.glob("*.ipynb"))

# What dbt builds of the tables of schema ml, in order.
AFTER_ML = (
    "customer_ltv", "customer_churn_scores", "customer_segments", "segment_transitions", "customer_next_segments",
    "feature_drift", "churn_score_performance", "kpi_segment_characteristics",
)  # fmt: skip

# The tables of gold that the notebooks read and `ml` does not, as dbt's contracts have them.
GOLD = """
alter table gold.fact_mrr_movements add column amount_reporting decimal(28, 6);
update gold.fact_mrr_movements set amount_reporting = amount_reporting_minor / 100;
create or replace table gold.dim_customers as
    select *, 'Company <b>' || customer_id || '</b>' as company_name, 'USD' as currency, 1.0 as mrr from gold.dim_customers;
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
    ml.score(settings, date(2025, 5, 1))
    ml.score(settings)
    con = connect(settings.warehouse_db)
    for model in AFTER_ML:
        con.execute(f"create table gold.{model} as {rendered(model)}")
    con.execute(GOLD)
    con.close()
    ledger.record_build(settings, "gold", company.END)
    scoring.keep(settings)
    version = settings.published_dir / "v000001"
    version.mkdir(parents=True)
    editions.write_restricted(settings, version / "restricted.duckdb")
    (settings.published_dir / "current").symlink_to(version.name)
    return settings


@pytest.fixture(scope="module")
def executed(published) -> dict[str, nbformat.NotebookNode]:
    """Every notebook, run from top to bottom by a kernel of its own that knows only the data folder."""
    return {path.stem: notebooks.execute(published, path) for path in NOTEBOOKS}


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


def test_the_notebooks_are_there():
    assert {path.stem for path in NOTEBOOKS} >= {"revenue", "churn", "segmentation"}


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
def test_no_name_of_the_data_becomes_markup(path: Path):
    """A Styler escapes nothing unless it is told to."""
    for cell in nbformat.read(path, as_version=4).cells:
        if cell.cell_type == "code":
            assert cell.source.count('escape="html"') == cell.source.count(".style.")


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
    assert f"Company &lt;b&gt;{first[0]}&lt;/b&gt;" in text
    assert f"<b>{first[0]}" not in text
    assert first[1] in text
    assert first[2] in text
    assert "nobody_churns" in text
    assert "1 scored days whose 30 days are over" in text
    assert _plots(executed["churn"]) == 5


def test_segmentation_shows_the_segments_of_gold(executed, published):
    text = _texts(executed["segmentation"])
    segments = query(
        published,
        "select segment, customers, calls_30d_median from gold.kpi_segment_characteristics where is_latest",
    ).rows
    assert {segment for segment, *_ in segments} >= {"Champions", "At Risk", "Regular"}
    for segment, customers, calls in segments:
        assert segment in text
        assert f">{customers}<" in text
        assert f">{calls:,.0f}<" in text
    (stability,) = query(
        published,
        "select cast(metrics->>'$.seed_ari_mean' as double) from ops.model_registry "
        "where model_name = 'segment_transitions'",
    ).rows[0]
    assert f"{stability:,.3f}" in text
    assert _plots(executed["segmentation"]) == 3


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_page_shows_the_plots_and_asks_no_other_host_for_anything(executed, path: Path):
    page = notebooks.page(executed[path.stem])
    assert page.count("data:image/png;base64,") == _plots(executed[path.stem])
    assert not re.search(r"""(src|href)\s*=\s*["']?(https?:)?//""", page)
    assert "from serving.sql import query" not in page


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_cell_warns(executed, path: Path):
    for cell in executed[path.stem].cells:
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr", output.get("text")
