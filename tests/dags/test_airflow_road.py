"""The real scheduler: the road is triggered over the REST API and runs to the published edition; a planted fault
makes the right task fail, and publish does not run.

One Airflow for the module: it takes half a minute to come up.
"""

import time

import duckdb
import psutil
import pytest
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry

from sandbox.serve import running
from sandbox.verify import verify
from sandbox.world import create
from tests import parsed
from warehouse import duck, home
from warehouse.orchestrator import airflow
from warehouse.settings import Settings
from warehouse.sources import SOURCES

pytestmark = [pytest.mark.slow(minutes=8), pytest.mark.timeout(1500)]

ROAD_SECONDS = 1200


class Api:
    """Airflow's REST API, as a person's script would use it."""

    def __init__(self, it):
        self.url = f"{it.url}/api/v2"
        token = requests.post(
            f"{it.url}/auth/token", json={"username": it.user, "password": it.password}, timeout=30
        ).json()["access_token"]
        self.session = requests.Session()
        # reading is asked again while Airflow's SQLite is busy and the API answers 500
        busy = Retry(total=6, backoff_factor=1, status_forcelist=[500, 502, 503])
        self.session.mount("http://", HTTPAdapter(max_retries=busy))
        self.session.headers["Authorization"] = f"Bearer {token}"

    def get(self, path, **params):
        answer = self.session.get(f"{self.url}{path}", params=params, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def trigger(self, dag, **conf):
        """Trigger a run; asked again while Airflow's SQLite is busy and the API answers 5xx, which it does after a minute."""

        def asked():
            answer = self.session.post(
                f"{self.url}/dags/{dag}/dagRuns",
                json={"logical_date": None, "conf": conf},
                timeout=90,
            )
            if answer.status_code >= 500:
                return None
            answer.raise_for_status()
            return answer.json()["dag_run_id"]

        return self.wait(asked, seconds=300)

    def runs(self, dag):
        return self.get(f"/dags/{dag}/dagRuns", limit=100)["dag_runs"]

    def tasks(self, dag, run):
        found = self.get(f"/dags/{dag}/dagRuns/{run}/taskInstances")["task_instances"]
        return {task["task_id"]: task["state"] for task in found}

    def wait(self, what, seconds=ROAD_SECONDS):
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if (found := what()) is not None:
                return found
            time.sleep(1)
        states = {
            dag: [run["state"] for run in self.runs(dag)]
            for dag in ("transform", "score_models", "publish")
        }
        raise AssertionError(f"not within {seconds} s; {states}")

    def queued_assets(self, dag):
        """How many assets have news that this DAG has not yet been started for."""
        return self.get(f"/dags/{dag}/assets/queuedEvents")["total_entries"]

    def wait_until_quiet(self):
        """Wait until nothing of the road is queued, running or about to start, so that nobody holds the file.

        Between two DAGs there is a moment when none runs: then the finished one's asset waits in the queue.
        """

        def states():
            return {
                (dag, run["dag_run_id"]): run["state"]
                for dag in ("transform", "score_models", "publish")
                for run in self.runs(dag)
            }

        def quiet():
            before = states()
            about_to_start = any(
                self.queued_assets(dag) for dag in ("transform", "score_models", "publish")
            )
            # the same runs before and after: none was started while we looked at the queues
            at_rest = not about_to_start and not {"queued", "running"} & set(before.values())
            return True if at_rest and states() == before else None

        self.wait(quiet)

    def wait_for_run(self, dag, run):
        def ended():
            state = self.get(f"/dags/{dag}/dagRuns/{run}")["state"]
            return state if state in {"success", "failed"} else None

        return self.wait(ended)


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    made = home.prepare(Settings.for_test(tmp_path_factory.mktemp("airflow") / "data"))
    create(made, customers=40, months=6, seed=5, calls=8_000)
    parsed.give(made, "dev", "gold")
    return made


@pytest.fixture(scope="module")
def api(settings):
    with running(settings) as reachable, airflow(reachable, port=0) as it:
        yield Api(it)
    left = [
        p.pid
        for p in psutil.process_iter(["environ"])
        if (p.info["environ"] or {}).get("WAREHOUSE_HOME") == str(settings.home)
    ]
    assert left == [], "processes were left behind"


def test_the_road_runs_from_ingest_to_the_published_edition(api, settings):
    for source in SOURCES:
        run = api.trigger(f"ingest_{source}")
        assert api.wait_for_run(f"ingest_{source}", run) == "success"

    def published():
        # the run of a publish that found a newer build under way succeeds too: its task was skipped
        done = [api.tasks("publish", run["dag_run_id"])["publish"] for run in api.runs("publish")]
        return "success" if "success" in done else None

    assert api.wait(published) == "success"
    current = settings.published_dir / "current" / "restricted.duckdb"
    con = duckdb.connect(str(current), read_only=True)
    customers = con.execute(
        "select count(*) from gold.dim_customers where customer_id <> 'unknown'"
    ).fetchone()[0]
    calls = con.execute("select count(*) from gold.fact_api_usage").fetchone()[0]
    scores = con.execute("select count(*) from gold.customer_churn_scores").fetchone()[0]
    con.close()
    assert customers >= 40
    assert calls > 4_000
    assert scores > 0


def test_what_airflow_published_equals_the_truth(api, settings):
    api.wait_until_quiet()
    # assets and the schedule have started transform several times; with nothing new it ends early
    for dag in ("transform", "score_models", "publish"):
        assert {run["state"] for run in api.runs(dag)} == {"success"}, dag
    found = {table.name: table.examples for table in verify(settings) if table.differences}
    assert found == {}


def test_a_backfill_names_its_window_and_is_idempotent(api, settings):
    day = "2024-06-15"
    run = api.trigger("ingest_usage", **{"from": day, "to": day})
    assert api.wait_for_run("ingest_usage", run) == "success"
    api.wait_until_quiet()
    found = {table.name: table.examples for table in verify(settings) if table.differences}
    assert found == {}


def test_a_planted_fault_fails_the_right_task_and_publish_does_not_run(api, settings):
    current = (settings.published_dir / "current").resolve()
    publishes = len(api.runs("publish"))
    con = duck.connect(settings.landing("usage"))
    con.execute(
        "insert into raw_usage.api_calls select '{}', _load_id, _extracted_at, 0, 1, _file from raw_usage.api_calls limit 1"
    )
    con.close()

    run = api.trigger("transform")
    assert api.wait_for_run("transform", run) == "failed"
    states = api.tasks("transform", run)
    assert states["gate_raw"] == "failed"
    assert {states[task] for task in ("silver", "gold", "gate_gold")} == {"upstream_failed"}
    assert len(api.runs("publish")) == publishes
    assert (settings.published_dir / "current").resolve() == current

    con = duck.connect(settings.ops_db)
    told = con.execute("select subject, message from ops.alert_log").fetchall()
    con.close()
    assert any(subject == "transform.gate_raw" and "raw" in message for subject, message in told)
