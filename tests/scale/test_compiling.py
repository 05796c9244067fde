"""Every model's code for Spark, rendered in a session without a cluster: what CI looks at."""

import json

import pytest

from warehouse import spark_session
from warehouse.dbt_process import DBT_PROJECT, run_dbt
from warehouse.settings import Settings

pytestmark = [pytest.mark.scale, pytest.mark.timeout(900)]


def test_every_model_compiles_for_spark(tmp_path):
    settings = Settings.for_test(tmp_path, target="spark", spark_master="local[1]")
    for folder in (settings.logs_dir, settings.landing_dir):
        folder.mkdir(parents=True)
    with spark_session.process(settings) as session:
        run_dbt(settings, ["compile"], target="spark", session=session)
    target = settings.dbt_target_dir / "spark"
    nodes = json.loads((target / "manifest.json").read_text())["nodes"].values()
    compiled = {
        node["original_file_path"]
        for node in nodes
        if node["resource_type"] == "model" and node["compiled_code"]
    }
    written = {
        str(path.relative_to(DBT_PROJECT)) for path in (DBT_PROJECT / "models").rglob("*.sql")
    }
    assert compiled == written
