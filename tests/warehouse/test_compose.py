"""docker-compose.yml: Airflow on PostgreSQL and the sandbox's sources, with no default secret."""

import re
from pathlib import PurePosixPath

import pytest
import yaml

from ingestion.sources.protocol import checked_base_url
from warehouse.settings import PROJECT_ROOT, Settings


@pytest.fixture(scope="module")
def compose():
    return yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text())


def test_the_services_that_the_road_needs_are_there(compose):
    assert set(compose["services"]) == {
        "postgres",
        "sandbox-company",
        "sandbox",
        "airflow-init",
        "airflow-api",
        "airflow-scheduler",
        "airflow-dag-processor",
        "redis",
        "airflow-worker",
    }
    # what only a cluster of workers needs stays out of the plain road
    assert {
        name
        for name, service in compose["services"].items()
        if "scale" in service.get("profiles", [])
    } == {"redis", "airflow-worker"}


def test_airflow_has_real_accounts_a_key_and_postgresql(compose):
    environment = compose["services"]["airflow-scheduler"]["environment"]
    assert environment["AIRFLOW__CORE__AUTH_MANAGER"].endswith("FabAuthManager")
    assert environment["AIRFLOW__CORE__LOAD_EXAMPLES"] == "False"
    assert environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"].startswith("postgresql+psycopg2://")


def test_every_secret_must_be_given(compose):
    text = (PROJECT_ROOT / "docker-compose.yml").read_text()
    for secret in (
        "POSTGRES_PASSWORD",
        "AIRFLOW_FERNET_KEY",
        "AIRFLOW_SECRET_KEY",
        "AIRFLOW_ADMIN_PASSWORD",
        "PSEUDONYM_KEY",
    ):
        first = re.search(rf"\$\{{{secret}(:?[?-])?", text)
        assert first, secret
        assert f"${{{secret}:?" in text, f"{secret} must have no default"
        assert f"${{{secret}:-" not in text


def test_the_ui_listens_on_loopback_only(compose):
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:8080:8080"]


def test_the_writers_pool_has_one_slot(compose):
    script = compose["services"]["airflow-init"]["command"][-1]
    assert "airflow pools set warehouse_writer 1 " in script


def test_our_variables_are_settings(compose):
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    ours = {
        name
        for name in compose["services"]["sandbox"]["environment"]
        if not name.startswith("AIRFLOW")
    }
    assert ours <= known
    assert {"WAREHOUSE_HOME", "STRIPE_API_BASE", "SUPPORT_BASE_URL", "USAGE_LOCATION"} <= ours


def test_every_setting_reaches_the_tasks(compose):
    known = {str(field.validation_alias) for field in Settings.model_fields.values()}
    given = set(compose["services"]["airflow-scheduler"]["environment"])
    # these are for tests and for looking back
    assert known - given == {"WAREHOUSE_FAILPOINT", "WAREHOUSE_AS_OF"}


def test_the_sandbox_is_on_the_loopback_of_the_tasks(compose):
    """Connectors refuse to send a key over plain http anywhere else."""
    scheduler = compose["services"]["airflow-scheduler"]["environment"]
    for name in ("STRIPE_API_BASE", "SUPPORT_BASE_URL"):
        default = re.search(r":-(.*)\}", scheduler[name])[1]
        assert checked_base_url(default, (), name) == default
    assert compose["services"]["sandbox"]["network_mode"] == "service:airflow-scheduler"


def test_real_sources_get_nothing_of_the_sandbox(compose):
    over = yaml.safe_load((PROJECT_ROOT / "docker-compose.real.yml").read_text())["services"]
    assert {name for name in over if over[name].get("profiles")} == {"sandbox", "sandbox-company"}
    for name, service in compose["services"].items():
        merged = service.get("environment", {}) | over.get(name, {}).get("environment", {})
        if name.startswith("airflow"):
            assert merged["WAREHOUSE_MODE"] == "real"
            assert not [key for key, value in merged.items() if "sandbox" in str(value).lower()]


def test_the_image_is_built_from_the_hashed_lock():
    dockerfile = (PROJECT_ROOT / "Dockerfile").read_text()
    assert "--require-hashes -r requirements-server.lock" in dockerfile
    lock = (PROJECT_ROOT / "requirements-server.lock").read_text()
    assert re.search(r"^apache-airflow-providers-fab==", lock, re.MULTILINE)
    assert re.search(r"^psycopg2-binary==", lock, re.MULTILINE)
    assert "--hash=sha256:" in lock


def test_what_a_volume_is_mounted_on_is_the_users_own(compose):
    """Docker makes a folder that the image lacks as root's, and its parents too: the image's user can't write there."""
    dockerfile = (PROJECT_ROOT / "Dockerfile").read_text()
    user = re.search(r"^USER (\S+)$", dockerfile, re.MULTILINE)[1]
    made = re.search(r"mkdir -p (.+?) \\?$", dockerfile, re.MULTILINE)[1].split()
    owned = re.search(rf"chown -R {user} (.+)$", dockerfile, re.MULTILINE)[1].split()
    over = yaml.safe_load((PROJECT_ROOT / "docker-compose.real.yml").read_text())
    targets = {
        PurePosixPath(volume.split(":")[1])
        for file in (compose, over)
        for service in file["services"].values()
        if service.get("image", "").startswith("api-warehouse")
        for volume in service.get("volumes", [])
    }
    assert targets == {PurePosixPath(path) for path in made}
    there = {PurePosixPath("/"), *PurePosixPath(f"/home/{user}/x").parents}
    for folder in {folder for target in targets for folder in (target, *target.parents)} - there:
        assert any(folder.is_relative_to(path) for path in owned), folder


def test_both_locks_pin_the_same_versions():
    def pins(name):
        text = (PROJECT_ROOT / name).read_text()
        return dict(re.findall(r"^([a-z0-9._-]+(?:\[[a-z,]+\])?)==(\S+)", text, re.MULTILINE))

    laptop, server = pins("requirements.lock"), pins("requirements-server.lock")
    assert len(laptop) > 200
    assert {
        name: (laptop[name], server[name])
        for name in laptop
        if server.get(name, laptop[name]) != laptop[name]
    } == {}
    assert "http://" not in (PROJECT_ROOT / "requirements.lock").read_text()
    assert "https://" not in (PROJECT_ROOT / "requirements.lock").read_text()
