"""What Spark is started with. The session itself is tried in tests/scale."""

from __future__ import annotations

import re
import shutil
import signal
import sys
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from typer.testing import CliRunner

from warehouse import dbt_process, lake, spark, spark_session, transform
from warehouse.cli.app import app
from warehouse.errors import CallError, LockTimeout, WarehouseError
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


def test_a_setting_without_a_value_is_named(tmp_path):
    own = tmp_path / "spark.conf"
    own.write_text("spark.executor.memory\n")
    with pytest.raises(CallError, match=r"'spark\.executor\.memory' in .* has no value"):
        configuration(Settings.for_test(tmp_path, spark_properties=own))


class Session:
    """Stands for Spark: it knows no table, and where schemas are is what they are called."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def sql(self, query: str) -> Session:
        self.asked.append(query)
        return self

    def collect(self) -> list[dict[str, str]]:
        return [{"tableName": "kept"}]


def test_leftovers_go_from_our_schemas_wherever_the_tables_are(tmp_path):
    own = tmp_path / "spark.conf"
    own.write_text(f"spark.sql.warehouse.dir file:{tmp_path / 'shared'}\n")
    settings = Settings.for_test(tmp_path / "home", spark_properties=own)
    for folder in ("gold.db/kept", "gold.db/left", "others.db/theirs"):
        (spark.tables_folder(settings) / folder).mkdir(parents=True)
    session: Any = Session()
    spark._remove_leftovers(session, settings)
    assert session.asked == ["create schema if not exists gold", "show tables in gold"]
    there = sorted(
        str(path.relative_to(tmp_path / "shared")) for path in tmp_path.glob("shared/*/*")
    )
    assert there == ["gold.db/kept", "others.db/theirs"]


def test_a_metastore_that_was_moved_or_copied_is_forgotten(tmp_path):
    first = Settings.for_test(tmp_path / "first")
    (first.spark_dir / "metastore").mkdir(parents=True)
    for _ in range(2):
        spark._forget_another_place(first)
        assert (first.spark_dir / "metastore").exists()
    second = Settings.for_test(tmp_path / "second")
    shutil.copytree(first.home, second.home)
    spark._forget_another_place(second)
    assert not (second.spark_dir / "metastore").exists()
    assert (first.spark_dir / "metastore").exists()


def test_what_is_missing_is_said_in_one_line(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(spark, "find_spec", lambda name: None)
    assert spark.main(['["build"]'], Settings.for_test(tmp_path)) == 2
    assert capsys.readouterr().err == (
        "Error: pyspark and dbt-spark are not installed: make install-scale\n"
    )


def test_an_exit_code_is_told_apart_from_what_dbt_says():
    assert spark.exit_code('{"exit code of dbt": 1}\n') == 1
    assert spark.exit_code('{"info": {"msg": "exit code of dbt"}}\n') is None
    assert spark.exit_code("exit code of dbt\n") is None


CLUSTER = """
import json, os, sys
for number, line in enumerate(sys.stdin, 1):
    command = json.loads(line)
    verb = next(word for word in command["arguments"] if word in {"build", "test"})
    says = {"name": "LogModelResult", "level": "info", "msg": f"{verb} {number} in {os.getpid()} at {command['now']}"}
    print(json.dumps({"info": says}))
    if verb == "test":
        says = {"name": "RunResultError", "level": "error", "msg": "the model is wrong"}
        print(json.dumps({"info": says}))
    print(json.dumps({"exit code of dbt": int(verb == "test")}), flush=True)
open("stopped", "w").close()
"""


def told(line: str) -> list[str]:
    """Which command it was, in which process, at what time of the warehouse."""
    return re.split(" in | at ", line)


def test_commands_of_a_session_run_in_one_process_that_ends_by_itself(tmp_path, monkeypatch):
    settings = Settings.for_test(tmp_path)
    monkeypatch.setattr(spark_session, "DBT_ON_SPARK", (sys.executable, "-c", CLUSTER))
    said: list[str] = []
    with spark_session.process(settings) as session:
        run = partial(
            dbt_process.run_dbt, settings, target="spark", progress=said.append, session=session
        )
        run(["build"])
        with pytest.raises(WarehouseError, match="dbt test failed: the model is wrong"):
            run(["test"])
        run(["build"])
    verbs, processes, _ = zip(*map(told, said), strict=True)
    assert verbs == ("build 1", "test 2", "build 3")
    assert len(set(processes)) == 1
    assert session.returncode == 0
    assert (tmp_path / "stopped").exists()


def test_a_failed_layer_lets_the_session_stop(tmp_path, monkeypatch):
    monkeypatch.setattr(spark_session, "DBT_ON_SPARK", (sys.executable, "-c", CLUSTER))
    settings = Settings.for_test(tmp_path)
    with (
        pytest.raises(WarehouseError, match="the model is wrong"),
        spark_session.process(settings) as session,
    ):
        dbt_process.run_dbt(settings, ["test"], target="spark", session=session)
    assert session.returncode == 0
    assert (tmp_path / "stopped").exists()


def test_whoever_goes_away_kills_the_session(tmp_path, monkeypatch):
    monkeypatch.setattr(spark_session, "DBT_ON_SPARK", (sys.executable, "-c", CLUSTER))
    with (
        pytest.raises(KeyboardInterrupt),
        spark_session.process(Settings.for_test(tmp_path)) as session,
    ):
        raise KeyboardInterrupt
    assert session.returncode == -signal.SIGKILL


def ask(settings: Settings) -> None:
    """One command, in a session of its own."""
    with spark_session.process(settings) as session:
        dbt_process.run_dbt(settings, ["build"], target="spark", session=session)


@pytest.mark.parametrize("ends", ["sys.exit(2)", "os.close(0); time.sleep(0.5); sys.exit(2)"])
def test_a_session_that_never_came_says_why(tmp_path, monkeypatch, ends):
    program = f"import os, sys, time; print('Error: there is no Java: install it', file=sys.stderr); {ends}"
    monkeypatch.setattr(spark_session, "DBT_ON_SPARK", (sys.executable, "-c", program))
    with pytest.raises(WarehouseError, match="dbt build failed: Error: there is no Java"):
        ask(Settings.for_test(tmp_path))


def test_a_session_that_ends_without_an_answer_has_failed(tmp_path, monkeypatch):
    monkeypatch.setattr(spark_session, "DBT_ON_SPARK", (sys.executable, "-c", "input()"))
    with pytest.raises(WarehouseError, match="dbt build failed: exit code 1"):
        ask(Settings.for_test(tmp_path))


def test_a_build_says_what_is_missing_before_it_begins(tmp_path, monkeypatch):
    monkeypatch.setattr(spark, "find_spec", lambda name: None)
    with pytest.raises(CallError, match="pyspark and dbt-spark are not installed"):
        transform.build(Settings.for_test(tmp_path, target="spark"))


@pytest.fixture
def said(monkeypatch) -> list[str]:
    """What the sessions of builds say, which do nothing else."""
    said: list[str] = []

    def layer_built(settings, layer, full_refresh, dbt, lock):
        dbt(["build"], target="spark")
        return transform.BuildResult(layer.name, 1, 1, 1.0)

    def run_dbt(*words, progress, **options):
        return theirs(*words, progress=said.append, **options)

    theirs = dbt_process.run_dbt
    monkeypatch.setattr(spark_session, "DBT_ON_SPARK", (sys.executable, "-c", CLUSTER))
    monkeypatch.setattr(transform, "_build_layer", layer_built)
    monkeypatch.setattr(transform, "run_dbt", run_dbt)
    monkeypatch.setattr(spark, "require", lambda: None)
    return said


def test_warehouse_build_runs_its_layers_in_one_session(tmp_path, monkeypatch, said):
    monkeypatch.setenv("WAREHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("WAREHOUSE_TARGET", "spark")
    done = CliRunner().invoke(app, ["build", "--layer", "silver", "--layer", "gold"])
    assert done.exit_code == 0, done.output
    assert "silver: 1 models built" in done.output
    assert "gold: 1 models built" in done.output
    verbs, processes, _ = zip(*map(told, said), strict=True)
    assert verbs == ("build 1", "build 2")
    assert len(set(processes)) == 1


def test_stages_of_a_run_share_a_session_until_a_gate_wants_its_own(tmp_path, said):
    settings = Settings.for_test(tmp_path, target="spark", lock_timeout=0.2)
    with spark_session.shared(settings):
        for hour, layer in enumerate(("silver", "gold", "ml")):
            as_of = datetime(2025, 7, 1, hour, tzinfo=UTC)
            transform.build(settings.over(as_of=as_of), [layer])
        # nobody else has one meanwhile
        with pytest.raises(LockTimeout, match="session is in use by a Spark session"):
            spark.hold_session(settings).__enter__()
        spark_session.end_shared()
        with spark.hold_session(settings):
            pass
        transform.build(settings, ["silver"])
    verbs, processes, times = zip(*map(told, said), strict=True)
    assert times[:3] == tuple(f"2025-07-01 0{hour}:00:00" for hour in range(3))
    assert verbs == ("build 1", "build 2", "build 3", "build 1")
    assert len(set(processes[:3])) == 1
    assert processes[3] != processes[0]
    spark_session.end_shared()
    with spark.hold_session(settings):
        pass


def test_a_road_that_stops_lets_the_shared_session_stop(tmp_path, said):
    settings = Settings.for_test(tmp_path, target="spark")
    with suppress(WarehouseError), spark_session.shared(settings):
        transform.build(settings, ["silver"])
        raise WarehouseError("a gate refused")
    assert (tmp_path / "stopped").exists()
    assert len(said) == 1


def test_no_export_changes_raw_under_a_build(tmp_path):
    settings = Settings.for_test(tmp_path, target="spark", lock_timeout=0.2)
    met: list[str] = []

    def dbt(*_, **__):
        with pytest.raises(LockTimeout) as refused, lake.hold_raw(settings, "an export"):
            pass
        met.append(refused.value.message)
        raise WarehouseError("enough was seen")

    with pytest.raises(WarehouseError, match="enough was seen"):
        transform._build_layer(settings, transform.LAYERS["silver"], False, dbt, 0)
    assert "raw is in use by warehouse build of silver" in met[0]
    with lake.hold_raw(settings, "an export"):
        pass


def test_after_a_cluster_that_died_half_done_everything_is_built_anew(tmp_path, monkeypatch):
    settings = Settings.for_test(tmp_path, target="spark")
    monkeypatch.setattr(transform, "_bring_back", lambda *_: None)
    monkeypatch.setattr(transform, "_record_tests", lambda *_: None)
    results = settings.dbt_target_dir / "spark" / "run_results.json"
    results.parent.mkdir(parents=True)

    def is_full(ends: str) -> bool:
        asked: list[str] = []

        def dbt(command, **_):
            asked.extend(command)
            if ends != "killed":
                results.write_text('{"results": [], "elapsed_time": 1}')
            if ends != "well":
                raise WarehouseError(ends)

        with suppress(WarehouseError):
            transform._build_layer(settings, transform.LAYERS["gold"], False, dbt, 0)
        return "--full-refresh" in asked

    assert is_full("well")
    assert not is_full("a test failed")
    assert not is_full("killed")
    assert is_full("a test failed")
    assert is_full("well")
    assert not is_full("well")
