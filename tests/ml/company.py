"""A small made-up company as gold tables, for the tests of `ml`.

Customers sign up over time; each has a health that wanders day by day. Health drives calls, errors,
tickets and logins, and the daily hazard of leaving, so that a model has something to find. A tenth
of the leavers ask 20 days ahead (their end is set); the others leave at once.

Odd ones: `never_calls` pays and never calls; `two_currencies` pays in USD and EUR; `free` never pays;
`comes_back` left and returned.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from tests.ml.rendered import rendered
from warehouse.duck import connect
from warehouse.settings import Settings

END = datetime(2025, 7, 1, tzinfo=UTC)
FEATURES = [f"feature_{number:02d}" for number in range(12)]


@dataclass(frozen=True)
class Company:
    """Where the company is, and the probability of leaving within 30 days it really had."""

    settings: Settings
    truth: pd.DataFrame


def build(home: Path, *, customers: int = 260, days: int = 420, seed: int = 3) -> Company:
    """Write `warehouse.duckdb` with the gold tables that `ml` reads, and what those are made of."""
    settings = Settings.for_test(home, as_of=END)
    tables, truth = simulate(customers, days, seed)
    con = connect(settings.warehouse_db)
    fill(con, tables)
    con.execute(KPIS)
    con.close()
    return Company(settings, truth)


def fill(
    con: duckdb.DuckDBPyConnection, tables: dict[str, pd.DataFrame], *, rows: bool = True
) -> None:
    """Make the tables (empty ones, on demand) and what dbt makes of them."""
    for schema in ("silver", "gold"):
        con.execute(f"create schema if not exists {schema}")
    for name, frame in tables.items():
        con.register("frame", frame)
        con.execute(
            f"create table {schema_of(name)}.{name} as select * {CASTS.get(name, '')} from frame"
            f"{'' if rows else ' limit 0'}"
        )
        con.unregister("frame")
    con.execute(USAGE_DAYS)
    describe(con)


def schema_of(table: str) -> str:
    """Gold reads silver and nothing below."""
    return "silver" if table.startswith("int_") else "gold"


def describe(con: duckdb.DuckDBPyConnection, dates: Sequence[datetime] | None = None) -> None:
    """Build gold.customer_features with dbt's own SQL, for its dates or for others."""
    if dates is None:
        con.execute(f"create or replace table gold.feature_dates as {rendered('feature_dates')}")
    else:
        con.register(
            "wanted",
            pd.DataFrame({"as_of": pd.to_datetime([d.replace(tzinfo=None) for d in dates])}),
        )
        con.execute(
            "create or replace table gold.feature_dates as "
            "select as_of::date as as_of_date, as_of::timestamp as as_of from wanted"
        )
    con.execute(
        f"create or replace table gold.customer_features as {rendered('customer_features')}"
    )


USAGE_DAYS = """
create view silver.int_customer_usage_daily as
select
    customer_id as source_customer_id, cast("timestamp" as date) as date_partition, count(*) as calls,
    count(*) filter (where response_code between 400 and 499) as client_error_calls,
    count(*) filter (where response_code >= 500) as server_error_calls,
    sum(response_time_ms) as response_time_ms_sum
from gold.fact_api_usage
group by all
"""

# What gold counts by day: the last day is not over yet, and movements are settled a day later.
KPIS = """
create table gold.kpi_mrr_daily as
    select date_day as date_partition, 'USD' as currency, sum(amount_reporting_minor) as mrr_reporting_minor
    from gold.dim_date inner join gold.fact_mrr_movements on cast(occurred_at as date) <= date_day
    group by date_day;
create table gold.kpi_daily as
    with used as (select cast("timestamp" as date) as day, count(*) as calls from gold.fact_api_usage group by all),
    paying as (
        select date_day as day, count(*) as customers_paying
        from (
            select date_day, customer_id from gold.dim_date
            inner join gold.fact_mrr_movements on cast(occurred_at as date) <= date_day
            group by all having sum(amount_minor) > 0
        ) group by all
    )
    select
        date_day as day, date_day < (select max(date_day) from gold.dim_date) as is_complete,
        coalesce(customers_paying, 0) as customers_paying, coalesce(calls, 0) as calls,
        3.5 * coalesce(calls, 0) as compute_units
    from gold.dim_date left join used on date_day = used.day left join paying on date_day = paying.day;
create table gold.complete_through as
    select 'stripe' as source, 'mrr_movements' as stream, timestamp '2025-06-30' as complete_through;
"""


CASTS = {
    "fact_mrr_movements": "replace (amount_minor::decimal(28, 6) as amount_minor, "
    "amount_reporting_minor::decimal(28, 6) as amount_reporting_minor, date_partition::date as date_partition)",
    "fact_customer_months": "replace (month::date as month, closing_mrr_minor::decimal(28, 6) as closing_mrr_minor, "
    "closing_mrr_reporting_minor::decimal(28, 6) as closing_mrr_reporting_minor)",
    "dim_date": "replace (date_day::date as date_day)",
    "fact_support_tickets": "replace (date_partition::date as date_partition)",
    "fact_feature_usage": "replace (date_partition::date as date_partition)",
    "fact_customer_health": "replace (date_partition::date as date_partition)",
    "int_satisfaction_ratings": "replace (ticket_id::varchar as ticket_id, score::varchar as score, "
    "updated_at::timestamp as updated_at)",
}


def simulate(  # noqa: C901
    customers: int, days: int, seed: int
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    """All rows, and the true probabilities."""
    random = np.random.default_rng(seed)
    start = (END - timedelta(days=days)).replace(tzinfo=None)
    rows: dict[str, list[tuple]] = {name: [] for name in COLUMNS}
    calls: list[np.ndarray] = []
    truth = []
    names = ["never_calls", "two_currencies", "free", "comes_back"]
    names += [f"acc_{number:04d}" for number in range(customers - len(names))]
    for number, customer in enumerate(names):
        signup = start + timedelta(days=int(random.integers(0, int(days * 0.7))), hours=9)
        tier, price = [("Developer", 2900), ("Team", 9900), ("Enterprise", 49900)][number % 3]
        rows["dim_customers"].append((customer, tier, signup))
        rows["int_users"].append((f"u_{customer}", customer, signup, None))
        rows["dim_customers_history"].append((customer, tier, signup, None))
        health = random.normal(0, 0.8)
        paying, ends_on, was_lost = False, None, False
        lifetime = (END.replace(tzinfo=None) - signup).days
        scale = float(random.uniform(0.6, 3))
        hazards = []
        for offset in range(lifetime):
            day = signup + timedelta(days=offset)
            health = 0.985 * health + random.normal(0, 0.22)
            if offset == 3 and customer != "free":
                _move(rows, customer, day, "new", price)
                if customer == "two_currencies":
                    _move(rows, customer, day, "new", 5000, currency="EUR")
                _event(rows, customer, day, "created")
                paying = True
            hazard = 0 if not paying else min(0.2, 0.0011 * np.exp(-1.5 * health))
            if customer in names[:4]:
                hazard = 0
            hazards.append(hazard if ends_on is None else 1.0)
            if customer == "comes_back" and offset in (40, 60) and was_lost is (offset == 60):
                _move(rows, customer, day, "churn" if offset == 40 else "reactivation",
                      -price if offset == 40 else price)  # fmt: skip
                _event(
                    rows,
                    customer,
                    day,
                    "ended" if offset == 40 else "created",
                    "canceled" if offset == 40 else "active",
                )
                was_lost, paying = True, offset == 60
            if paying and ends_on is None and random.random() < hazard:
                asks = random.random() < 0.1
                ends_on = offset + (20 if asks else 0)
                if asks:
                    _event(rows, customer, day, "cancel_requested")
            if paying and ends_on == offset:
                _move(rows, customer, day, "churn", -price)
                _event(rows, customer, day, "ended", "canceled")
                paying = False
            if customer == "never_calls":
                continue
            level = scale * np.exp(0.7 * health) * (1 if paying or offset < 3 else 0.02)
            made = int(random.poisson(level))
            if made:
                moments = np.sort(random.integers(0, 86_000, made))
                calls.append(
                    np.column_stack([np.full(made, number), np.full(made, offset), moments,
                                     np.where(random.random(made) < 0.04, 500, 200),
                                     random.gamma(4, 60 - 8 * np.clip(health, -2, 2), made).astype(int)])
                )  # fmt: skip
                for feature in random.choice(
                    12, size=int(np.clip(2 + 2 * health, 1, 10)), replace=False
                ):
                    rows["fact_feature_usage"].append(
                        (customer, FEATURES[feature], made, day, day.date())
                    )
            if random.random() < 0.012 * np.exp(-0.6 * health):
                rows["fact_support_tickets"].append(
                    (
                        f"t{len(rows['fact_support_tickets'])}",
                        customer,
                        day,
                        day + timedelta(days=3),
                        day + timedelta(days=3),
                        day.date(),
                    )
                )
            if offset % 30 == 5 and paying:
                rows["fact_revenue"].append(
                    (customer, f"sub_{customer}", "line", "subscription", False, 1 + price // 5000, day,
                     day + timedelta(days=30), day, price)
                )  # fmt: skip
            logged_in = day - timedelta(days=int(random.integers(0, 2 + int(6 * np.exp(-health)))))
            rows["int_logins"].append((customer, 600, max(logged_in, signup)))
            rows["fact_customer_health"].append(
                (
                    customer,
                    max(logged_in, signup),
                    int(health < -1),
                    "current",
                    day + timedelta(hours=15),
                    day.date(),
                )
            )
            if offset % 91 == 40:
                score = int(np.clip(7.5 + 2 * health, 0, 10))
                rows["int_survey_answers"].append(
                    (f"n{offset}{customer}", customer, "nps", score, day)
                )
        hazards = np.array(hazards)
        truth += [
            (customer, signup + timedelta(days=offset), 1 - (1 - hazards[offset]) ** 30)
            for offset in range(30, lifetime, 10)
        ]
    usage = np.concatenate(calls)
    signups = np.array([row[2] for row in rows["dim_customers"]], dtype="datetime64[s]")
    stamps = signups[usage[:, 0]].astype("datetime64[D]").astype("datetime64[s]")
    frame = pd.DataFrame(
        {
            "customer_id": np.array(names, dtype=object)[usage[:, 0]],
            "timestamp": (stamps + usage[:, 1] * np.timedelta64(86400, "s") + usage[:, 2]).astype(
                "datetime64[us]"
            ),
            "response_code": usage[:, 3],
            "response_time_ms": usage[:, 4],
        }
    )
    for day in pd.date_range(start, END.replace(tzinfo=None)):
        rows["dim_date"].append((day.date(), day.day, day < END.replace(tzinfo=None)))
    # What gold valued a euro at, by month end: 1.2 by the end of June.
    rows["fact_customer_months"] += [
        ("EUR", date(2025, 5, 1), True, 5000, 5900), ("EUR", date(2025, 6, 1), True, 5000, 6000),
        ("USD", date(2025, 6, 1), True, 100, 100),
    ]  # fmt: skip
    tables = {name: pd.DataFrame(rows[name], columns=columns) for name, columns in COLUMNS.items()}
    for table in tables.values():
        for column in table.columns:
            if column in INSTANTS:
                table[column] = pd.to_datetime(table[column]).astype("datetime64[us]")
    tables["fact_api_usage"] = frame[frame["timestamp"] < pd.Timestamp(END.replace(tzinfo=None))]
    return tables, pd.DataFrame(truth, columns=["customer_id", "at", "probability_30d"])


COLUMNS = {
    "dim_customers": ["customer_id", "tier", "signup_date"],
    "dim_customers_history": ["customer_id", "tier", "valid_from", "valid_to"],
    "fact_mrr_movements": ["id", "customer_id", "currency", "movement_type", "amount_minor", "amount_reporting_minor",
                           "occurred_at", "date_partition"],
    "fact_customer_months": ["currency", "month", "is_complete", "closing_mrr_minor", "closing_mrr_reporting_minor"],
    "dim_date": ["date_day", "day_of_month", "is_complete"],
    "fact_subscription_events": ["id", "customer_id", "subscription_id", "event_type", "occurred_at", "status"],
    "fact_feature_usage": ["customer_id", "feature_name", "usage_count", "first_used_at", "date_partition"],
    "fact_support_tickets": ["ticket_id", "customer_id", "created_at", "first_solved_at", "solved_at", "date_partition"],
    "fact_revenue": ["customer_id", "subscription_id", "entry_type", "revenue_type", "is_proration", "quantity",
                     "billing_period_start", "billing_period_end", "processed_at", "amount_reporting_minor"],
    "fact_customer_health": ["customer_id", "last_login_date", "support_tickets_open", "payment_status", "calculated_at",
                             "date_partition"],
    "int_logins": ["customer_id", "session_seconds", "logged_in_at"],
    "int_users": ["user_id", "customer_id", "created_at", "deleted_at"],
    "int_survey_answers": ["answer_id", "customer_id", "survey_kind", "score", "answered_at"],
    "int_satisfaction_ratings": ["ticket_id", "score", "updated_at"],
}  # fmt: skip


def _move(rows, customer, at, kind, amount, currency="USD"):
    identity = f"m{len(rows['fact_mrr_movements']):06d}"
    rate = 1.1 if currency == "EUR" else 1
    rows["fact_mrr_movements"].append(
        (identity, customer, currency, kind, amount, amount * rate, at, at.date())
    )


def _event(rows, customer, at, kind, status="active"):
    identity = f"e{len(rows['fact_subscription_events']):06d}"
    rows["fact_subscription_events"].append(
        (identity, customer, f"sub_{customer}", kind, at, status)
    )


def today() -> date:
    """The day that is scored."""
    return END.date()


INSTANTS = {"logged_in_at", "answered_at", "updated_at", "billing_period_start", "billing_period_end", "signup_date", "valid_from", "valid_to", "occurred_at", "created_at",
            "solved_at", "deleted_at", "processed_at", "last_login_date", "calculated_at", "first_used_at"}  # fmt: skip
