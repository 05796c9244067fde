"""Settings: the one place that reads the environment and `.env`.

Everything else receives a `Settings`. `.env.example` lists every variable; `warehouse doctor` shows
which are set.
"""

from __future__ import annotations

import os
import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from croniter import croniter
from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from warehouse.errors import CallError

PROJECT_ROOT = Path(__file__).resolve().parent.parent
# How DuckDB writes a size
SIZE = r"\d+(\.\d+)?\s*([KMGT]i?B|%)"


class Settings(BaseSettings):
    """All settings, frozen. Secrets never appear in `repr`."""

    model_config = SettingsConfigDict(
        frozen=True, extra="ignore",
        # Windows editors begin a file with a mark: it is no part of the first name
        env_file=".env", env_file_encoding="utf-8-sig",
        # a variable that is set to nothing is not set: it doesn't hide what .env says
        env_ignore_empty=True,
    )  # fmt: skip

    home: Path = Field(Path("./data"), validation_alias="WAREHOUSE_HOME")
    mode: Literal["sandbox", "real"] = Field("sandbox", validation_alias="WAREHOUSE_MODE")
    as_of: datetime | None = Field(None, validation_alias="WAREHOUSE_AS_OF")
    start_date: date | None = Field(None, validation_alias="WAREHOUSE_START_DATE")
    failpoint: str | None = Field(None, validation_alias="WAREHOUSE_FAILPOINT")

    stripe_api_key: str | None = Field(None, validation_alias="STRIPE_API_KEY", repr=False)
    stripe_api_base: str | None = Field(None, validation_alias="STRIPE_API_BASE")
    support_base_url: str | None = Field(None, validation_alias="SUPPORT_BASE_URL")
    support_token: str | None = Field(None, validation_alias="SUPPORT_TOKEN", repr=False)
    usage_location: str | None = Field(None, validation_alias="USAGE_LOCATION")
    usage_token: str | None = Field(None, validation_alias="USAGE_TOKEN", repr=False)
    product_db_url: str | None = Field(None, validation_alias="PRODUCT_DB_URL", repr=False)
    inputs_location: str | None = Field(None, validation_alias="INPUTS_LOCATION")

    reporting_currency: str = Field("USD", validation_alias="REPORTING_CURRENCY")
    reporting_timezone: str = Field("UTC", validation_alias="REPORTING_TIMEZONE")
    pseudonym_key: str | None = Field(None, validation_alias="PSEUDONYM_KEY", repr=False)

    churn_recognition: Literal["period_end", "cancellation"] = Field(
        "period_end", validation_alias="CHURN_RECOGNITION"
    )
    paused_counts_as_mrr: bool = Field(False, validation_alias="PAUSED_COUNTS_AS_MRR")
    past_due_counts_as_mrr: bool = Field(True, validation_alias="PAST_DUE_COUNTS_AS_MRR")
    migration_grace_hours: int = Field(24, ge=0, validation_alias="MIGRATION_GRACE_HOURS")
    fx_grace_days: int = Field(4, ge=0, le=31, validation_alias="FX_GRACE_DAYS")
    recognise_before_invoice: bool = Field(True, validation_alias="RECOGNISE_BEFORE_INVOICE")
    charges_without_invoice_are_revenue: bool = Field(
        False, validation_alias="CHARGES_WITHOUT_INVOICE_ARE_REVENUE"
    )
    gross_margin: float = Field(1.0, gt=0, le=1, validation_alias="GROSS_MARGIN")
    min_responses: int = Field(5, ge=1, validation_alias="MIN_RESPONSES")
    min_group_size: int = Field(5, ge=1, validation_alias="MIN_GROUP_SIZE")

    quarantine_threshold: float = Field(0.01, ge=0, le=1, validation_alias="QUARANTINE_THRESHOLD")
    quarantine_warning: float = Field(0.001, ge=0, le=1, validation_alias="QUARANTINE_WARNING")
    keep_versions: int = Field(3, ge=1, validation_alias="KEEP_VERSIONS")
    lake_raw_days: int = Field(730, ge=1, validation_alias="LAKE_RAW_DAYS")
    lake_gold_days: int = Field(35, ge=1, validation_alias="LAKE_GOLD_DAYS")
    target: Literal["duckdb", "spark"] = Field("duckdb", validation_alias="WAREHOUSE_TARGET")
    spark_master: str = Field("local-cluster[2,1,1024]", validation_alias="SPARK_MASTER")
    spark_driver_memory: str = Field("1g", validation_alias="SPARK_DRIVER_MEMORY")
    spark_properties: Path | None = Field(None, validation_alias="SPARK_PROPERTIES")
    memory_limit: str = Field("4GB", validation_alias="WAREHOUSE_MEMORY_LIMIT")
    threads: int = Field(2, ge=1, validation_alias="WAREHOUSE_THREADS")
    sql_memory_limit: str = Field("2GB", validation_alias="WAREHOUSE_SQL_MEMORY_LIMIT")
    sql_seconds: float = Field(60, gt=0, validation_alias="WAREHOUSE_SQL_SECONDS")
    lock_timeout: float = Field(600, gt=0, validation_alias="WAREHOUSE_LOCK_TIMEOUT")
    transform_schedule: str = Field("@daily", validation_alias="TRANSFORM_SCHEDULE")

    alert_slack_url: str | None = Field(None, validation_alias="ALERT_SLACK_URL", repr=False)
    alert_webhook_url: str | None = Field(None, validation_alias="ALERT_WEBHOOK_URL", repr=False)
    alert_oncall_url: str | None = Field(None, validation_alias="ALERT_ONCALL_URL", repr=False)
    alert_email_to: str | None = Field(None, validation_alias="ALERT_EMAIL_TO")
    smtp_url: str | None = Field(None, validation_alias="SMTP_URL", repr=False)
    email_from: str | None = Field(None, validation_alias="EMAIL_FROM")
    dashboard_port: int = Field(8501, ge=1, le=65535, validation_alias="DASHBOARD_PORT")

    weekly_report_recipients: str = Field("", validation_alias="WEEKLY_REPORT_RECIPIENTS")
    monthly_report_recipients: str = Field("", validation_alias="MONTHLY_REPORT_RECIPIENTS")
    weekly_report_schedule: str = Field("0 7 * * 1", validation_alias="WEEKLY_REPORT_SCHEDULE")
    monthly_report_schedule: str = Field("0 7 2 * *", validation_alias="MONTHLY_REPORT_SCHEDULE")

    @field_validator("home", "spark_properties")
    @classmethod
    def _absolute(cls, path: Path | None) -> Path | None:
        return path.expanduser().resolve() if path else None

    @field_validator("as_of")
    @classmethod
    def _utc(cls, as_of: datetime | None) -> datetime | None:
        if as_of is not None and as_of.tzinfo is None:
            raise ValueError("needs a time zone, such as 2025-07-01T00:00:00Z")
        return as_of.astimezone(UTC) if as_of else None

    @field_validator("reporting_currency")
    @classmethod
    def _currency(cls, code: str) -> str:
        if len(code) != 3 or not code.isalpha():
            raise ValueError("is an ISO currency code of three letters, such as USD")
        return code.upper()

    @field_validator("reporting_timezone")
    @classmethod
    def _timezone(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError, ZoneInfoNotFoundError):
            raise ValueError("is a time zone's name, such as Europe/Berlin") from None
        return name

    @field_validator("transform_schedule", "weekly_report_schedule", "monthly_report_schedule")
    @classmethod
    def _schedule(cls, schedule: str) -> str:
        if not croniter.is_valid(schedule):
            raise ValueError("is @hourly, @daily, @weekly or a cron expression, such as 0 6 * * *")
        return schedule

    @field_validator("memory_limit", "sql_memory_limit")
    @classmethod
    def _size(cls, size: str) -> str:
        if not re.fullmatch(SIZE, size):
            raise ValueError("is a size, such as 4GB")
        return size

    @field_validator(
        "stripe_api_base", "support_base_url",
        "alert_slack_url", "alert_webhook_url", "alert_oncall_url", "smtp_url",
    )  # fmt: skip
    @classmethod
    def _address(cls, address: str | None) -> str | None:
        try:
            urlsplit(address or "")
        except ValueError:
            # the parser's own words may have the address in them
            raise ValueError("is no address, such as https://example.com/path") from None
        return address

    @field_validator(
        "start_date", "stripe_api_base", "support_base_url", "usage_location", "product_db_url",
        "inputs_location",
        "stripe_api_key", "support_token", "usage_token", "pseudonym_key", "as_of", "failpoint",
        "alert_slack_url", "alert_webhook_url", "alert_oncall_url", "alert_email_to", "smtp_url", "email_from",
        mode="before",
    )  # fmt: skip
    @classmethod
    def _empty_is_unset(cls, value: Any) -> Any:
        return None if value == "" else value

    @property
    def transform_cron(self) -> str:
        """The schedule of `transform` as a cron expression."""
        presets = {"@daily": "0 0 * * *", "@hourly": "0 * * * *", "@weekly": "0 0 * * 0"}
        return presets.get(self.transform_schedule, self.transform_schedule)

    def recipients_of(self, kind: Literal["weekly", "monthly"]) -> tuple[str, ...]:
        """Addresses that a report goes to; they stand in the setting with commas between them."""
        listed = {
            "weekly": self.weekly_report_recipients,
            "monthly": self.monthly_report_recipients,
        }
        return tuple(address.strip() for address in listed[kind].split(",") if address.strip())

    # --- where things are
    # -------------------------------------------------------------------------------------------

    def landing(self, source: str) -> Path:
        """The landing file of a source."""
        return self.landing_dir / f"{source}.duckdb"

    @property
    def landing_dir(self) -> Path:
        """Folder of the landing files."""
        return self.home / "landing"

    @property
    def warehouse_db(self) -> Path:
        """The private, disposable warehouse file; each target has its own, so that they can be compared."""
        suffix = "" if self.target == "duckdb" else f"-{self.target}"
        return self.home / f"warehouse{suffix}.duckdb"

    @property
    def ops_db(self) -> Path:
        """What can't be rebuilt: registry, score history, check results, logs."""
        return self.home / "ops.duckdb"

    @property
    def published_dir(self) -> Path:
        """Folder of the published versions."""
        return self.home / "published"

    @property
    def lake_dir(self) -> Path:
        """Folder of raw and gold as files."""
        return self.home / "lake"

    @property
    def spark_dir(self) -> Path:
        """Folder of Spark's tables and metastore, where Spark runs on this machine."""
        return self.home / "spark"

    @property
    def reports_dir(self) -> Path:
        """Folder of the reports that were issued."""
        return self.home / "reports"

    @property
    def models_dir(self) -> Path:
        """Folder of the stored models."""
        return self.home / "models"

    @property
    def sandbox_dir(self) -> Path:
        """Folder of the sandbox company."""
        return self.home / "sandbox"

    @property
    def spool_dir(self) -> Path:
        """Folder where syncs spool before they commit."""
        return self.home / "spool"

    @property
    def logs_dir(self) -> Path:
        """Folder of logs."""
        return self.home / "logs"

    @property
    def dbt_target_dir(self) -> Path:
        """Folder of what dbt compiles and writes."""
        return self.home / "dbt"

    def over(self, **changes: Any) -> Settings:
        """The same settings with some replaced."""
        return self.model_copy(update=changes)

    @classmethod
    def for_test(cls, home: Path, **changes: Any) -> Settings:
        """Settings that read neither the environment nor `.env`.

        Args:
            home: The data folder, usually a test's temporary folder.
            **changes: Fields to set.
        """
        values = {
            "home": Path(home).resolve(),
            "pseudonym_key": "test-key-0123456789abcdef0123456789abcdef",
            **changes,
        }
        return cls.model_construct(**values)

    def environment(self) -> dict[str, str]:
        """The settings as environment variables, for a child process of ours (with its secrets)."""
        pairs = {}
        for name, field in type(self).model_fields.items():
            value = getattr(self, name)
            if value is not None:
                variable = str(field.validation_alias)
                pairs[variable] = (
                    value.isoformat() if isinstance(value, date | datetime) else str(value)
                )
        return pairs


def load_settings() -> Settings:
    """Read the settings from the environment and `.env`.

    Raises:
        CallError: A variable has a value that makes no sense, or `.env` can't be read as text.
    """
    try:
        settings = Settings()
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise CallError(
            f".env is not UTF-8: line {line} has a character in another encoding",
            "save it as UTF-8 in your editor",
        ) from None
    except ValidationError as error:
        first = error.errors()[0]
        name = str(first["loc"][0]) if first["loc"] else "settings"
        reason = first["msg"].removeprefix("Value error, ")
        raise CallError(
            f"setting {name.upper()}: {reason}", "see .env.example for what each setting means"
        ) from None
    return settings


def child_environment(settings: Settings, **extra: str) -> dict[str, str]:
    """Environment for a child process: what the system needs and the caller names; no secret of ours.

    Args:
        settings: Whose secrets are kept out.
        **extra: Variables to add.
    """
    ours = set(settings.environment())
    return {name: value for name, value in os.environ.items() if name not in ours} | extra


def reader_environment(settings: Settings) -> dict[str, str]:
    """Environment for a child process of ours that only reads editions: it finds them, and gets no secret."""
    found = child_environment(
        settings,
        WAREHOUSE_HOME=str(settings.home),
        WAREHOUSE_MODE=settings.mode,
        WAREHOUSE_MEMORY_LIMIT=settings.memory_limit,
        WAREHOUSE_THREADS=str(settings.threads),
        WAREHOUSE_SQL_MEMORY_LIMIT=settings.sql_memory_limit,
        WAREHOUSE_SQL_SECONDS=str(settings.sql_seconds),
        REPORTING_CURRENCY=settings.reporting_currency,
        REPORTING_TIMEZONE=settings.reporting_timezone,
    )
    roots = (str(PROJECT_ROOT), found.get("PYTHONPATH"))
    found["PYTHONPATH"] = os.pathsep.join(root for root in roots if root)
    return found


def environment_is_set(name: str) -> bool:
    """Whether a variable is present in the environment (for `doctor`, which never shows values)."""
    return bool(os.environ.get(name))


def airflow_environment() -> dict[str, str]:
    """Airflow's own variables, such as AIRFLOW__API__HOST (for `doctor`, which never shows values)."""
    return {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW_")}


def set_for_children(name: str, value: str) -> None:
    """Set a variable for the programs that this process starts and that are told nothing else."""
    os.environ[name] = value
