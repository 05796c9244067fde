"""`warehouse doctor` is strict in real mode, takes notes in the sandbox, and never shows a value."""

from __future__ import annotations

import shutil
from types import SimpleNamespace

import pytest

from serving.publish import publish
from tests.quality.company import build_gold, build_landing, settings_of
from tests.serving.test_publish import pass_gates
from warehouse.doctor import examine

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
    monkeypatch.chdir(tmp_path)


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
