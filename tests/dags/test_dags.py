"""The DAG files: what is there, that they are cheap to read, and that they say what they do.

Airflow reads them in a process of its own: it writes its home folder on import.
"""

import json
import subprocess
import sys
from itertools import pairwise

import pytest

from serving.reports import archive
from tests.quality.company import settings_of
from tests.serving.mailbox import Mailbox, mail_server
from tests.serving.test_reports import report
from warehouse.settings import PROJECT_ROOT, Settings, child_environment
from warehouse.sources import SOURCES

DESCRIBE = """
import json, sys
from collections import defaultdict
from types import SimpleNamespace
from airflow.dag_processing.dagbag import DagBag
before = set(sys.modules)
bag = DagBag(dag_folder=sys.argv[1])
heavy = [name for name in ("pandas", "sklearn", "great_expectations", "airbyte_cdk", "stripe", "dbt", "ml")
         if name in set(sys.modules) - before]
dags = {
    dag_id: {
        "doc": dag.doc_md or "", "catchup": dag.catchup, "max_active_runs": dag.max_active_runs,
        "paused": dag.is_paused_upon_creation, "params": sorted(dag.params),
        "after": sorted(asset.name for asset in getattr(dag.timetable.asset_condition, "objects", [])),
        "tasks": {
            task.task_id: {
                "pool": task.pool, "retries": task.retries, "doc": task.doc_md or "",
                "downstream": sorted(task.downstream_task_ids), "outlets": [a.name for a in task.outlets],
                "callback": bool(task.on_failure_callback), "timeout": bool(task.execution_timeout),
            }
            for task in dag.tasks
        },
    }
    for dag_id, dag in bag.dags.items()
}

def told(dag_id, task_id, *arguments):
    # what a task returns and puts beside its asset, where a stage's figures are its name
    call = bag.dags[dag_id].get_task(task_id).python_callable
    call.__globals__["run_stage"] = lambda name, *rest, **options: {"stage": name}
    events = defaultdict(SimpleNamespace)
    returned = call(*arguments, outlet_events=events)
    return {"returned": returned, "extra": {asset.name: event.extra for asset, event in events.items()}}
figures = {"train": told("train_models", "train"), "gate_scores": told("score_models", "gate_scores", {"customers": 7})}
print(json.dumps({"dags": dags, "errors": bag.import_errors, "heavy": heavy, "figures": figures}))
"""


@pytest.fixture(scope="module")
def described(tmp_path_factory):
    home = tmp_path_factory.mktemp("airflow")
    done = subprocess.run(
        [sys.executable, "-c", DESCRIBE, str(PROJECT_ROOT / "dags")],
        env=child_environment(
            Settings.for_test(home),
            AIRFLOW_HOME=str(home),
            AIRFLOW__CORE__LOAD_EXAMPLES="False",
            PYTHONPATH=f"{PROJECT_ROOT}:{PROJECT_ROOT / 'dags'}",
        ),
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def dags(described):
    return described["dags"]


def test_every_file_is_read_without_an_error(described):
    assert described["errors"] == {}


def test_a_dag_per_source_and_one_per_stage(dags):
    assert set(dags) == {f"ingest_{source}" for source in SOURCES} | {
        "transform",
        "train_models",
        "score_models",
        "publish",
        "maintenance",
        "weekly_report",
        "monthly_report",
    }


def test_reading_the_dags_imports_nothing_heavy(described):
    assert described["heavy"] == []


def test_every_dag_and_task_says_what_it_does(dags):
    for dag_id, dag in dags.items():
        assert len(dag["doc"].strip()) > 100, dag_id
        for task_id, task in dag["tasks"].items():
            assert task["doc"], f"{dag_id}.{task_id}"


def test_one_run_at_a_time_no_catch_up_not_paused(dags):
    for dag_id, dag in dags.items():
        assert (dag["max_active_runs"], dag["catchup"], dag["paused"]) == (1, False, False), dag_id


def test_who_writes_the_warehouse_file_stands_in_the_writers_pool(dags):
    for dag_id in ("transform", "train_models", "score_models", "publish", "maintenance"):
        for task_id, task in dags[dag_id]["tasks"].items():
            if task_id not in ("alerts", "notebooks"):
                assert task["pool"] == "warehouse_writer", f"{dag_id}.{task_id}"
    # they read what is published, which nobody writes
    for task in ("alerts", "notebooks"):
        assert dags["publish"]["tasks"][task]["pool"] == "default_pool"
    # sources land in files of their own, side by side
    assert dags["ingest_usage"]["tasks"]["sync"]["pool"] == "default_pool"


def test_failures_are_retried_and_told(dags):
    for dag_id, dag in dags.items():
        for task_id, task in dag["tasks"].items():
            assert task["callback"], f"{dag_id}.{task_id}"
            assert task["timeout"], f"{dag_id}.{task_id}"
            # a report waits half a day for a late source
            patient = {"issue": 12, "send": 5}.get(task_id, 2)
            assert task["retries"] == patient, task_id


def test_each_scoring_is_published_by_itself(dags):
    # of two assets to wait for, one extra event of one would start the next night's publish too soon, every night
    assert dags["score_models"]["after"] == ["gold"]
    assert dags["publish"]["after"] == ["ml"]


def test_the_layers_follow_each_other(dags):
    tasks = dags["transform"]["tasks"]
    order = ["anything_new", "gate_raw", "silver", "gold", "gate_gold"]
    for before, after in pairwise(order):
        assert tasks[before]["downstream"] == [after]


def test_notebooks_come_after_the_version_they_show(dags):
    assert dags["publish"]["tasks"]["publish"]["downstream"] == ["alerts", "notebooks"]


def test_a_report_is_written_before_it_is_sent(dags):
    for kind in ("weekly", "monthly"):
        assert dags[f"{kind}_report"]["tasks"]["issue"]["downstream"] == ["send"]


SEND = """
import sys
import reports_dag
task = reports_dag.weekly_report.get_task("send")
for _ in range(3):
    try:
        print("told", task.python_callable({"period": "2025-W26"}))
    except Exception as error:
        print("told", type(error).__name__, error)
"""


def test_a_report_goes_by_airflows_connection_again_after_a_refusal_and_once(tmp_path):
    settings = settings_of(tmp_path / "home")
    kept = archive.keep(settings, report())
    mailbox = Mailbox(["451 come back later"])
    with mail_server(mailbox) as port:
        done = subprocess.run(
            [sys.executable, "-c", SEND],
            env=child_environment(
                settings,
                AIRFLOW_HOME=str(tmp_path / "airflow"),
                AIRFLOW__CORE__LOAD_EXAMPLES="False",
                AIRFLOW_CONN_SMTP_DEFAULT=json.dumps(
                    {
                        "conn_type": "smtp", "host": "127.0.0.1", "port": port,
                        "extra": {"disable_ssl": True, "disable_tls": True, "retry_limit": 0},
                    }
                ),
                PYTHONPATH=f"{PROJECT_ROOT}:{PROJECT_ROOT / 'dags'}",
                WAREHOUSE_HOME=str(settings.home),
                WEEKLY_REPORT_RECIPIENTS="ann@example.com",
                EMAIL_FROM="reports@example.com",
                PSEUDONYM_KEY="a-key-for-tests-0123456789abcdef",
            ),
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )  # fmt: skip
    told = [line for line in done.stdout.splitlines() if line.startswith("told")]
    assert len(told) == 3, done.stderr[-2000:]
    # one that raises AirflowException is tried again, one that skips is not
    assert told[0].startswith(
        "told AirflowException the weekly report of 2025-W26 was not delivered to ann@example.com (attempt 1)"
    )
    assert told[1] == "told {'sent': 'weekly-2025-W26', 'recipients': 1}"
    assert told[2].startswith("told AirflowSkipException")
    ((recipients, message),) = mailbox.messages
    assert recipients == ["ann@example.com"]
    assert message["Message-ID"].startswith("<weekly-2025-W26.")
    assert "$100" in message.get_body(("html",)).get_content()
    attached = {part.get_filename(): part.get_content() for part in message.iter_attachments()}
    assert attached["weekly-2025-W26.pdf"] == kept.pdf.read_bytes()


def test_assets_tell_what_became_new(dags):
    def outlets(dag_id, task_id):
        return dags[dag_id]["tasks"][task_id]["outlets"]

    for source in SOURCES:
        assert outlets(f"ingest_{source}", "sync") == [f"raw/{source}"]
    assert outlets("transform", "gate_gold") == ["gold"]
    assert outlets("score_models", "gate_scores") == ["ml"]
    assert outlets("train_models", "train") == ["models"]
    assert outlets("publish", "publish") == ["published"]


def test_models_figures_stand_in_xcom_and_beside_the_asset(described, dags):
    trained, scored = described["figures"]["train"], described["figures"]["gate_scores"]
    assert trained == {"returned": {"stage": "train"}, "extra": {"models": {"stage": "train"}}}
    # what was scored, once it has passed its gate
    assert scored == {"returned": {"stage": "gate"}, "extra": {"ml": {"customers": 7}}}
    assert dags["score_models"]["tasks"]["score"]["downstream"] == ["gate_scores", "gold_ml"]


def test_a_backfill_is_a_window_given_by_hand(dags):
    for source in SOURCES:
        assert dags[f"ingest_{source}"]["params"] == ["from", "to"]
