"""The list of sources: one line a source, and what each of them needs.

Everything that works per source (the command line, the DAG factory, `status`, dbt's attachments,
doctor) goes by
`SOURCES`. A new source is a folder `ingestion/sources/<name>/` and an entry here.

Reads: settings that are handed in. Writes: nothing.
Run: imported only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from pathlib import Path

    from warehouse.settings import Settings

Style = Literal["airbyte", "files"]


@dataclass(frozen=True)
class SourceSpec:
    """One source of raw data.

    Attributes:
        name: the source's name; its landing file is `landing/<name>.duckdb`, its schema
        `raw_<name>`.
        style: `airbyte` = a connector process that speaks the protocol; `files` = files taken by
        reference.
        streams: the raw tables that exist from the start (a connector may add others).
        connector: module started as `python -m <connector>`, or the module that holds
        `FILE_STREAMS`.
        title: the name people see.
        needs: names of the settings without which the source is off.
        make_config: settings -> the connector's config (file sources: {"location": …}).
        keys: stream -> primary key columns, for checks and for the deduplicated views.
        secrets: keys of the config whose values are masked in every log line.
    """

    name: str
    style: Style
    streams: tuple[str, ...]
    connector: str
    title: str
    needs: tuple[str, ...]
    make_config: Callable[[Settings], dict[str, Any]]
    keys: dict[str, tuple[str, ...]]
    secrets: tuple[str, ...] = ()

    @property
    def schema(self) -> str:
        """Name of the raw schema in the landing file."""
        return f"raw_{self.name}"

    def landing_path(self, settings: Settings) -> Path:
        """The source's landing file."""
        return settings.landing(self.name)

    def missing(self, settings: Settings) -> tuple[str, ...]:
        """Names of the settings that the source still needs (upper case, as in `.env`)."""
        return tuple(name.upper() for name in self.needs if not getattr(settings, name, None))

    def is_on(self, settings: Settings) -> bool:
        """Whether every setting that the source needs is there."""
        return not self.missing(settings)

    def config(self, settings: Settings) -> dict[str, Any]:
        """The connector's config from the settings; instants and dates as ISO text."""
        return {
            key: _plain(value)
            for key, value in self.make_config(settings).items()
            if value is not None
        }


def _plain(value: Any) -> Any:
    """Return a config value as JSON can hold it (secret strings opened, instants as text)."""
    if hasattr(value, "get_secret_value"):
        return value.get_secret_value()
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    return value


def _now(settings: Settings) -> datetime:
    from warehouse.clock import now  # late: `clock` is not needed to list the sources

    return now(settings)


def _stripe(settings: Settings) -> dict[str, Any]:
    return {
        "api_key": settings.stripe_api_key,
        "api_base": settings.stripe_api_base,
        "start_date": settings.start_date,
        "as_of": _now(settings),
    }


def _support(settings: Settings) -> dict[str, Any]:
    return {
        "base_url": settings.support_base_url,
        "token": settings.support_token,
        "start_date": settings.start_date,
        "as_of": _now(settings),
    }


def _product(settings: Settings) -> dict[str, Any]:
    return {
        "url": settings.product_db_url,
        "start_date": settings.start_date,
        "as_of": _now(settings),
    }


def _usage(settings: Settings) -> dict[str, Any]:
    return {
        "location": settings.usage_location,
        "token": settings.usage_token,
        "as_of": _now(settings),
    }


def _inputs(settings: Settings) -> dict[str, Any]:
    return {"location": settings.inputs_location, "as_of": _now(settings)}


def _ids(*streams: str) -> dict[str, tuple[str, ...]]:
    return dict.fromkeys(streams, ("id",))


_STRIPE = (
    "customers", "products", "prices", "coupons", "promotion_codes", "tax_rates", "subscriptions",
    "subscription_schedules", "invoices", "invoice_items", "charges", "refunds", "credit_notes",
    "disputes", "payouts", "payout_transactions", "balance_transactions", "events",
)  # fmt: skip
_SUPPORT = (
    "tickets", "ticket_comments", "users", "organizations", "satisfaction_ratings", "ticket_events",
)  # fmt: skip
_PRODUCT = (
    "accounts", "account_changes", "users", "logins", "feature_flags", "experiment_exposures",
    "experiment_conversions", "survey_answers",
)  # fmt: skip

SOURCES: dict[str, SourceSpec] = {
    spec.name: spec
    for spec in (
        SourceSpec(
            name="usage",
            style="files",
            streams=("api_calls",),
            connector="ingestion.sources.usage",
            title="API usage logs",
            needs=("usage_location",),
            make_config=_usage,
            keys={"api_calls": ("request_id",)},
            secrets=("token",),
        ),
        SourceSpec(
            name="stripe",
            style="airbyte",
            streams=_STRIPE,
            connector="ingestion.sources.stripe",
            title="Stripe",
            needs=("stripe_api_key",),
            make_config=_stripe,
            keys=_ids(*_STRIPE),
            secrets=("api_key",),
        ),
        SourceSpec(
            name="support",
            style="airbyte",
            streams=_SUPPORT,
            connector="ingestion.sources.support",
            title="Support desk",
            needs=("support_base_url", "support_token"),
            make_config=_support,
            keys=_ids(*_SUPPORT),
            secrets=("token",),
        ),
        SourceSpec(
            name="product",
            style="airbyte",
            streams=_PRODUCT,
            connector="ingestion.sources.product",
            title="Product database",
            needs=("product_db_url",),
            make_config=_product,
            keys=_ids(*_PRODUCT),
            secrets=("url",),
        ),
        SourceSpec(
            name="inputs",
            style="files",
            streams=("fx_rates", "ad_spend"),
            connector="ingestion.sources.inputs",
            title="Small tables (exchange rates, ad spend)",
            needs=("inputs_location",),
            make_config=_inputs,
            keys={
                "fx_rates": ("date", "base", "quote"),
                "ad_spend": ("date", "channel", "campaign", "currency"),
            },
        ),
    )
}


def source(name: str) -> SourceSpec:
    """The source of that name.

    Raises:
        warehouse.errors.CallError: if there is none.
    """
    if name in SOURCES:
        return SOURCES[name]
    from warehouse.errors import CallError

    raise CallError(f"there is no source {name!r}", hint=f"one of: {', '.join(SOURCES)}")
