"""`warehouse doctor` is strict in real mode, takes notes in the sandbox, and never shows a value."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest
import yaml

from serving.publish import publish
from tests.quality.company import build_gold, build_landing, settings_of
from tests.serving.test_publish import pass_gates
from warehouse.doctor import examine
from warehouse.settings import PROJECT_ROOT, airflow_environment

SECRETS = {
    "stripe_api_key": "rk_live_CANARY1",
    "support_base_url": "https://acme.zendesk.com",
    "support_token": "CANARY2",
    "product_db_url": "postgresql://reader:CANARY3@db/product",
    "usage_location": "/logs",
    "inputs_location": "/inputs",
    "pseudonym_key": "CANARY4-0123456789abcdef0123456789abcdef",
    "alert_webhook_url": "https://hooks.example.com/CANARY5",
    "as_of": None,
}


def real(tmp_path, **changes):
    home = tmp_path / "home"
    home.mkdir(mode=0o700, exist_ok=True)
    return settings_of(home, **{"mode": "real", **SECRETS, **changes})


def levels(settings):
    return {finding.name: finding.level for finding in examine(settings)}


def failures(settings):
    return {finding.name for finding in examine(settings) if finding.level == "fail"}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    """A folder and a person's home without anything, and no Airflow."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "person"))
    for name in airflow_environment():
        monkeypatch.delenv(name)


def test_sound_installation_has_no_failure(tmp_path):
    settings = real(tmp_path)
    build_landing(settings)
    build_gold(settings)
    pass_gates(settings)
    publish(settings)
    assert {name for name in failures(settings) if name != str(tmp_path)} == set()
    found = levels(settings)
    for name in (
        "python",
        "duckdb",
        "pseudonym key",
        "file rights",
        "file landing usage",
        "published analyst",
    ):
        assert found[name] == "ok"


def test_no_value_of_a_setting_is_shown(tmp_path):
    told = "\n".join(f"{f.name} {f.detail} {f.hint}" for f in examine(real(tmp_path)))
    assert "CANARY" not in told
    assert "STRIPE_API_KEY" in told


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"pseudonym_key": None}, "pseudonym key"),
        ({"pseudonym_key": "short"}, "pseudonym key"),
        ({"stripe_api_base": "http://127.0.0.1:9000"}, "STRIPE_API_BASE"),
        ({"stripe_api_base": "https://evil.example.com"}, "STRIPE_API_BASE"),
    ],
)
def test_strict_in_real_mode_a_note_in_the_sandbox(tmp_path, change, name):
    assert name in failures(real(tmp_path, **change))
    assert levels(real(tmp_path, mode="sandbox", stripe_api_key=None, **change))[name] == "note"


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"support_base_url": "http://acme.zendesk.com"}, "SUPPORT_BASE_URL"),
        ({"support_base_url": "https://me:secret@acme.zendesk.com"}, "SUPPORT_BASE_URL"),
        ({"failpoint": "landing.rows_written"}, "failpoint"),
        ({"mode": "sandbox"}, "Stripe key"),
        ({"memory_limit": "much"}, "memory limit"),
    ],
)
def test_wrong_in_any_mode(tmp_path, change, name):
    assert name in failures(real(tmp_path, **change))


def test_key_beside_the_data_is_refused(tmp_path):
    settings = real(tmp_path)
    (settings.home / ".env").write_text(f"PSEUDONYM_KEY={settings.pseudonym_key}\n")
    assert "pseudonym key" in failures(settings)


def test_rights_that_let_others_in_are_named(tmp_path):
    settings = real(tmp_path)
    build_landing(settings)
    settings.landing("stripe").chmod(0o644)
    (found,) = [f for f in examine(settings) if f.name == "file rights"]
    assert found.level == "fail"
    assert "stripe.duckdb is 644, expected 600" in found.detail
    assert found.hint == f"chmod 600 {settings.landing('stripe')}"


def test_env_file_that_others_may_read_is_named(tmp_path):
    settings = real(tmp_path)
    (tmp_path / ".env").write_text("X=1\n")
    (tmp_path / ".env").chmod(0o644)
    assert ".env" in failures(settings)


def test_damaged_landing_file_fails(tmp_path):
    settings = real(tmp_path)
    build_landing(settings)
    settings.landing("usage").write_bytes(b"damaged" * 1000)
    (found,) = [f for f in examine(settings) if f.name == "file landing usage"]
    assert found.level == "fail"
    assert "usage.duckdb" in found.detail


def test_folder_of_the_other_mode_fails(tmp_path):
    settings = real(tmp_path)
    (settings.home / "mode").write_text("sandbox\n")
    assert "mode" in failures(settings)


def test_the_disk_is_looked_at_first(tmp_path, monkeypatch):
    """Where it is full, other things are wrong for that reason alone."""
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=0))
    first = examine(real(tmp_path))[0]
    assert (first.name, first.level, first.detail) == ("disk", "fail", "0.0 GB free")


def test_every_source_off_fails_in_real_mode(tmp_path):
    off = dict.fromkeys(
        (
            "stripe_api_key",
            "support_base_url",
            "support_token",
            "product_db_url",
            "usage_location",
            "inputs_location",
        )
    )
    settings = real(tmp_path, **off)
    assert "sources" in failures(settings)
    (stripe,) = [f for f in examine(settings) if f.name == "source stripe"]
    assert stripe.detail == "off: STRIPE_API_KEY not set"


SAFE = {
    "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
    "AIRFLOW__API__HOST": "127.0.0.1",
    "AIRFLOW__CORE__AUTH_MANAGER": "airflow.providers.fab.auth_manager.fab_auth_manager.FabAuthManager",
    "AIRFLOW__CORE__FERNET_KEY": "CANARY6",
}


def airflows(settings):
    return {f.name: f.level for f in examine(settings) if f.name.upper().startswith("AIRFLOW")}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[(name, None) for name in SAFE],
        ("AIRFLOW__CORE__LOAD_EXAMPLES", "true"),
        ("AIRFLOW__API__HOST", "0.0.0.0"),
        (
            "AIRFLOW__CORE__AUTH_MANAGER",
            "airflow.api_fastapi.auth.managers.simple.simple_auth_manager.SimpleAuthManager",
        ),
        ("AIRFLOW__CORE__FERNET_KEY", ""),
    ],
)
def test_an_airflow_that_is_open_fails_in_real_mode(tmp_path, monkeypatch, name, value):
    """What is not said is as Airflow has it by default."""
    for safe in SAFE.items():
        monkeypatch.setenv(*safe)
    assert airflows(real(tmp_path)) == dict.fromkeys(SAFE, "ok")
    if value is None:
        monkeypatch.delenv(name)
    else:
        monkeypatch.setenv(name, value)
    assert airflows(real(tmp_path)) == dict.fromkeys(SAFE, "ok") | {name: "fail"}
    assert airflows(real(tmp_path, mode="sandbox"))[name] == "note"
    assert "CANARY" not in str(examine(real(tmp_path)))


def test_what_an_airflow_has_in_its_file_counts(tmp_path, monkeypatch):
    home = tmp_path / "server"
    home.mkdir()
    (home / "airflow.cfg").write_text(
        "[core]\nload_examples = False\nfernet_key_cmd = cat %(x)s\n[api]\nhost = localhost\n"
    )
    monkeypatch.setenv("AIRFLOW_HOME", str(home))
    expected = dict.fromkeys(SAFE, "ok") | {"AIRFLOW__CORE__AUTH_MANAGER": "fail"}
    assert airflows(real(tmp_path)) == expected
    # a variable wins, as it does for Airflow
    monkeypatch.setenv("AIRFLOW__API__HOST", "0.0.0.0")
    assert airflows(real(tmp_path)) == expected | {"AIRFLOW__API__HOST": "fail"}
    (home / "airflow.cfg").write_text("no file of settings\n")
    assert airflows(real(tmp_path)) == {"Airflow": "fail"}


def test_a_laptops_up_and_the_airflow_of_other_projects_are_not_judged(tmp_path, monkeypatch):
    settings = real(tmp_path)
    assert airflows(settings) == {"Airflow": "ok"}
    others = tmp_path / "person" / "airflow"
    others.mkdir(parents=True)
    (others / "airflow.cfg").write_text("[core]\nload_examples = True\ndags_folder = /elsewhere\n")
    assert airflows(settings) == {"Airflow": "ok"}
    # somebody looks into what `warehouse up` runs
    monkeypatch.setenv("AIRFLOW_HOME", str(settings.home / "airflow"))
    assert airflows(settings) == {"Airflow": "ok"}
    monkeypatch.delenv("AIRFLOW_HOME")
    (others / "airflow.cfg").write_text(f"[core]\ndags_folder = {PROJECT_ROOT / 'dags'}\n")
    assert airflows(settings) == dict.fromkeys(SAFE, "fail")


def test_compose_is_sound(tmp_path, monkeypatch):
    compose = yaml.safe_load((PROJECT_ROOT / "docker-compose.yml").read_text())
    for name, value in compose["services"]["airflow-scheduler"]["environment"].items():
        if name.startswith("AIRFLOW"):
            monkeypatch.setenv(name, value)
    assert airflows(real(tmp_path)) == dict.fromkeys(SAFE, "ok")
