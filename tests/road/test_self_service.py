"""What people ask by themselves, on a company whose whole road has been run."""

from __future__ import annotations

import zipfile

import pytest
import yaml

from serving import questions
from serving.reader import Reader
from serving.sql import current_file
from serving.superset.bundle import bundle


@pytest.fixture(scope="module")
def reader(road):
    with Reader(road.settings, current_file(road.settings, "restricted")) as reader:
        yield reader


def test_every_saved_question_is_answered_and_its_chart_has_its_columns(road, reader):
    for question in questions.all_questions(road.settings):
        answer = reader.ask(question.sql)
        # a month or two may pass in which nobody's health falls
        assert answer.rows or question.name == "falling_health", question.name
        if chart := question.chart:
            drawn = {chart.x, chart.y, chart.color} - {None}
            assert drawn <= set(answer.columns), question.name


def test_a_saved_question_is_asked_by_its_name(road):
    assert "Enterprise" in road("sql", "--question", "mrr_by_tier")


def test_supersets_datasets_charts_and_dashboard_fit_the_edition(road, tmp_path):
    """What Superset would ask is asked of the edition; the bundle is whole."""
    file = current_file(road.settings, "analyst")
    with zipfile.ZipFile(bundle(road.settings, tmp_path / "bundle.zip")) as archive:
        found = {
            name.removeprefix("warehouse/"): yaml.safe_load(archive.read(name))
            for name in archive.namelist()
        }
    (database,) = (said for name, said in found.items() if name.startswith("databases/"))
    assert database["sqlalchemy_uri"].endswith("published/current/analyst.duckdb")
    config = database["extra"]["engine_params"]["connect_args"]["config"]
    assert (config["enable_external_access"], config["lock_configuration"]) == (False, True)
    datasets = {said["uuid"]: said for name, said in found.items() if name.startswith("datasets/")}
    charts = {said["uuid"]: said for name, said in found.items() if name.startswith("charts/")}
    with Reader(road.settings, file) as reader:
        for chart in charts.values():
            dataset, params = datasets[chart["dataset_uuid"]], chart["params"]
            assert dataset["database_uuid"] == database["uuid"]
            known = {metric["metric_name"]: metric["expression"] for metric in dataset["metrics"]}
            metrics = params.get("metrics") or [params["metric"]]
            groups = [*params.get("groupby", ()), *filter(None, [params.get("x_axis")])]
            where = [one["sqlExpression"] for one in params.get("adhoc_filters", ())]
            source = f"({dataset['sql']})" if dataset["sql"] else f"gold.{dataset['table_name']}"
            asked = ", ".join([*groups, *(known[metric] for metric in metrics)])
            filtered = f" where {' and '.join(where)}" if where else ""
            assert reader.ask(f"select {asked} from {source}{filtered} group by all").rows, chart["slice_name"]  # fmt: skip
    (dashboard,) = (said for name, said in found.items() if name.startswith("dashboards/"))
    shown = [one["meta"]["uuid"] for one in dashboard["position"].values() if isinstance(one, dict) and one["type"] == "CHART"]  # fmt: skip
    assert sorted(shown) == sorted(charts)
