"""What Spark is started with. The session itself is tried in tests/scale."""

import pytest

from warehouse import spark
from warehouse.errors import CallError
from warehouse.settings import Settings
from warehouse.spark import configuration


def test_a_laptop_listens_to_itself_alone_and_keeps_its_files_in_the_data_folder(tmp_path):
    said = configuration(Settings.for_test(tmp_path))
    assert said["spark.master"] == "local-cluster[2,1,1024]"
    assert said["spark.driver.host"] == said["spark.driver.bindAddress"] == "127.0.0.1"
    assert said["spark.sql.warehouse.dir"].startswith(str(tmp_path.resolve()))


def test_a_cluster_keeps_sparks_defaults_and_the_own_file_wins(tmp_path):
    own = tmp_path / "spark.conf"
    own.write_text(
        "# ours\nspark.executor.memory 16g\nspark.sql.shuffle.partitions=400\n\n"
        "spark.driver.extraJavaOptions -Da=b -Dc=d\n"
    )
    said = configuration(
        Settings.for_test(tmp_path, spark_master="spark://m:7077", spark_properties=own)
    )
    assert "spark.sql.adaptive.enabled" not in said
    assert said["spark.executor.memory"] == "16g"
    assert said["spark.sql.shuffle.partitions"] == "400"
    assert said["spark.driver.extraJavaOptions"] == "-Da=b -Dc=d"


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CallError, match=r"SPARK_PROPERTIES: there is no file .*none\.conf"):
        configuration(Settings.for_test(tmp_path, spark_properties=tmp_path / "none.conf"))


def test_what_is_missing_is_said_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(spark, "find_spec", lambda name: None)
    assert spark.main(["build"], Settings.for_test(tmp_path)) == 2
    assert capsys.readouterr().err == (
        "Error: pyspark and dbt-spark are not installed: make install-scale\n"
    )
