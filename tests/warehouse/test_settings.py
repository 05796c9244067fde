"""Settings: one reader of the environment, clear refusals, nothing secret shown."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from warehouse import clock, home
from warehouse.errors import CallError
from warehouse.settings import PROJECT_ROOT, Settings, child_environment, load_settings


@pytest.fixture
def bare(monkeypatch, tmp_path):
    """An environment without any of our variables, in an empty folder."""
    for field in Settings.model_fields.values():
        monkeypatch.delenv(str(field.validation_alias), raising=False)
    monkeypatch.chdir(tmp_path)
    return monkeypatch


def test_defaults_are_a_sandbox_in_the_current_folder(bare, tmp_path):
    settings = load_settings()
    assert settings.mode == "sandbox"
    assert settings.home == tmp_path / "data"
    assert settings.landing("usage") == tmp_path / "data" / "landing" / "usage.duckdb"


def test_the_environment_wins_over_the_env_file(bare, tmp_path):
    (tmp_path / ".env").write_text("REPORTING_CURRENCY=EUR\nSUPPORT_TOKEN=from-file\n")
    bare.setenv("REPORTING_CURRENCY", "JPY")
    settings = load_settings()
    assert (settings.reporting_currency, settings.support_token) == ("JPY", "from-file")


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("WAREHOUSE_MODE", "production", "sandbox"),
        ("WAREHOUSE_AS_OF", "2025-07-01T00:00:00", "time zone"),
        ("REPORTING_CURRENCY", "dollars", "three letters"),
        ("GROSS_MARGIN", "0", "greater than 0"),
        ("REPORTING_TIMEZONE", "Mars/Olympus", "time zone"),
        ("WAREHOUSE_MEMORY_LIMIT", "plenty", "size"),
        ("WAREHOUSE_START_DATE", "yesterday", "date"),
        ("TRANSFORM_SCHEDULE", "every day", "cron"),
        ("ALERT_SLACK_URL", "https://[x", "address"),
        ("SUPPORT_BASE_URL", "https://[x", "address"),
        ("SMTP_URL", "smtp://u:p@[x", "address"),
    ],
)
def test_a_wrong_value_is_one_line_that_names_the_setting(bare, variable, value, reason):
    bare.setenv(variable, value)
    with pytest.raises(CallError) as refused:
        load_settings()
    assert variable in refused.value.message
    assert reason in refused.value.message
    assert "\n" not in refused.value.message
    assert refused.value.exit_code == 2
    assert "[x" not in refused.value.message


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ("REPORTING_CURRENCY=EUR\nSUPPORT_TOKEN=Sch\u00fctz\n".encode("latin-1"), 2),
        ("REPORTING_CURRENCY=EUR\n".encode("utf-16"), 1),
    ],
)
def test_an_env_file_in_another_encoding_is_one_line(bare, tmp_path, content, line):
    (tmp_path / ".env").write_bytes(content)
    with pytest.raises(CallError) as refused:
        load_settings()
    assert refused.value.message == (
        f".env is not UTF-8: line {line} has a character in another encoding"
    )


def test_an_env_file_may_begin_with_a_byte_order_mark(bare, tmp_path):
    (tmp_path / ".env").write_text("WAREHOUSE_MODE=real\n", encoding="utf-8-sig")
    assert load_settings().mode == "real"


def test_an_empty_variable_is_an_unset_one(bare):
    bare.setenv("STRIPE_API_KEY", "")
    bare.setenv("WAREHOUSE_AS_OF", "")
    settings = load_settings()
    assert settings.stripe_api_key is None
    assert settings.as_of is None


def test_an_empty_variable_does_not_hide_the_env_file(bare, tmp_path):
    (tmp_path / ".env").write_text("PSEUDONYM_KEY=from-file\nKEEP_VERSIONS=\n")
    bare.setenv("PSEUDONYM_KEY", "")
    settings = load_settings()
    assert (settings.pseudonym_key, settings.keep_versions) == ("from-file", 3)


def test_secrets_are_not_in_repr_nor_passed_to_children(bare):
    bare.setenv("STRIPE_API_KEY", "canary-4711")
    bare.setenv("PSEUDONYM_KEY", "canary-4712")
    settings = load_settings()
    assert "canary" not in repr(settings)
    assert "canary" not in str(child_environment(settings))


def test_env_example_lists_every_setting_and_nothing_else():
    listed = set(
        re.findall(r"^([A-Z_]+)=", (PROJECT_ROOT / ".env.example").read_text(), re.MULTILINE)
    )
    ours = {str(field.validation_alias) for field in Settings.model_fields.values()}
    # failpoints are for test builds; the compose file has secrets of its own
    compose = {
        "POSTGRES_PASSWORD",
        "AIRFLOW_FERNET_KEY",
        "AIRFLOW_SECRET_KEY",
        "AIRFLOW_ADMIN_PASSWORD",
    }
    assert listed == (ours - {"WAREHOUSE_FAILPOINT"}) | compose


def test_a_folder_keeps_its_mode(tmp_path):
    home.prepare(Settings.for_test(tmp_path))
    with pytest.raises(CallError, match="belongs to mode"):
        home.prepare(Settings.for_test(tmp_path, mode="real"))


def test_the_folder_is_its_owners_only(tmp_path):
    settings = home.prepare(Settings.for_test(tmp_path / "data"))
    assert settings.home.stat().st_mode & 0o777 == 0o700
    assert (settings.home / "mode").stat().st_mode & 0o777 == 0o600


def test_real_mode_needs_a_pseudonym_key(tmp_path):
    with pytest.raises(CallError, match="PSEUDONYM_KEY"):
        home.prepare(Settings.for_test(tmp_path, mode="real", pseudonym_key=None))


def test_sandbox_mode_makes_a_private_key_outside_the_data_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    settings = home.prepare(Settings.for_test(tmp_path / "data", pseudonym_key=None))
    env_file = tmp_path / ".env"
    assert settings.pseudonym_key in env_file.read_text()
    assert env_file.stat().st_mode & 0o777 == 0o600
    assert len(settings.pseudonym_key) == 64


def test_the_key_stands_on_a_line_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("REPORTING_CURRENCY=EUR")
    settings = home.prepare(Settings.for_test(tmp_path / "data", pseudonym_key=None))
    lines = (tmp_path / ".env").read_text().splitlines()
    assert (lines[0], lines[-1]) == (
        "REPORTING_CURRENCY=EUR",
        f"PSEUDONYM_KEY={settings.pseudonym_key}",
    )


def test_now_is_as_of_then_the_sandbox_clock_then_the_wall(tmp_path):
    settings = Settings.for_test(tmp_path)
    assert abs((clock.now(settings) - datetime.now(UTC)).total_seconds()) < 60
    settings.sandbox_dir.mkdir()
    (settings.sandbox_dir / "clock.json").write_text('{"now": "2025-07-01T00:00:00+00:00"}')
    assert clock.now(settings) == datetime(2025, 7, 1, tzinfo=UTC)
    as_of = datetime(2024, 5, 6, tzinfo=UTC)
    assert clock.now(settings.over(as_of=as_of)) == as_of


def test_only_settings_reads_the_environment():
    reads = [
        str(path.relative_to(PROJECT_ROOT))
        for folder in ("warehouse", "ingestion", "ml", "quality", "serving", "dags")
        for path in (PROJECT_ROOT / folder).rglob("*.py")
        if re.search(r"os\.(environ|getenv)", path.read_text())
    ]
    assert reads == [str(Path("warehouse/settings.py"))]
