"""Features of customers as of given days: the one table that training, scoring and segments share.

dbt makes it (`dbt_project/models/gold/ml/customer_features.sql`), point-in-time: a value is made from rows that had
occurred when the day began. A test garbles every later row and expects the same.

Reads: gold.customer_features, gold.feature_dates, gold.dim_customers (in `use_cutoffs`).
Writes: temporary tables of its own connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from warehouse.errors import WarehouseError

if TYPE_CHECKING:
    import duckdb
    import pandas as pd

KEYS = ["customer_id", "as_of"]
_WHEN = "it does as of the 1st, 11th and 21st of each month, and of the day of the last build"

# What people read for each feature; the order is that of the table.
FEATURES: dict[str, str] = {
    "days_since_signup": "days since signup",
    "tier": "tier",
    "calls_7d": "calls in 7 days",
    "calls_30d": "calls in 30 days",
    "calls_usual_30d": "calls in 30 days, mean of 180 days",
    "calls_trend_7d": "calls of 7 days against those of 30 (log ratio)",
    "calls_trend_30d": "calls of 30 days against the 30 before (log ratio)",
    "calls_against_usual": "calls of 30 days against those of 180 (log ratio)",
    "calls_against_ever": "calls of 90 days against those since signup (log ratio)",
    "calls_per_seat_30d": "calls in 30 days per seat",
    "calls_per_mrr_30d": "calls in 30 days for the money (log ratio)",
    "active_days_30d": "days with calls in 30",
    "response_ms_30d": "mean response ms in 30 days",
    "error_rate_7d": "share of failed calls in 7 days",
    "error_rate_30d": "share of failed calls in 30 days",
    "days_since_last_call": "days since the last day with calls",
    "days_since_last_login": "days since the last day with logins",
    "login_days_30d": "days with logins in 30",
    "logins_30d": "logins in 30 days",
    "logins_usual_30d": "logins in 30 days, mean of 90 days",
    "logins_per_user_30d": "logins per user in 30 days",
    "logins_per_user_90d": "logins per user in 30 days, mean of 90 days",
    "logins_per_user_ever": "logins per user in 30 days, mean since signup",
    "logins_against_usual": "logins of 30 days against those of 180 (log ratio)",
    "logins_against_ever": "logins of 90 days against those since signup (log ratio)",
    "use_7d_against_ever": "calls and logins, halved every 7 days, against those since signup (log ratio)",
    "use_14d_against_ever": "calls and logins, halved every 14 days, against those since signup (log ratio)",
    "use_28d_against_ever": "calls and logins, halved every 28 days, against those since signup (log ratio)",
    "use_60d_against_ever": "calls and logins, halved every 60 days, against those since signup (log ratio)",
    "use_trend_30d": "calls and logins of 30 days against the 30 before (log ratio)",
    "session_minutes_30d": "minutes of sessions in 30 days",
    "users": "users",
    "engagement_30d": "share of 30 days with calls and with logins, mean of both",
    "feature_adoption_30d": "share of the known features used in 30 days",
    "features_used_90d": "features used in 90 days",
    "tickets_30d": "tickets in 30 days",
    "tickets_90d": "tickets in 90 days",
    "tickets_open": "open tickets",
    "slow_tickets_180d": "tickets of 180 days that waited a week for a solution",
    "nps_last": "last answer to the NPS survey in a year, 0 to 10",
    "nps_mean_365d": "mean answer to the NPS survey in a year",
    "effort_score_365d": "mean answer to the effort survey in a year, 1 to 7",
    "bad_ratings_365d": "tickets rated bad in a year",
    "good_ratings_365d": "tickets rated good in a year",
    "mrr_reporting": "MRR in minor units of the reporting currency",
    "mrr_change_30d": "change of MRR in 30 days (share)",
    "mrr_change_90d": "change of MRR in 90 days (share)",
    "days_since_first_mrr": "days since the first MRR",
    "days_paying": "days since it last began to pay",
    "contractions_180d": "contractions in 180 days",
    "expansions_180d": "expansions in 180 days",
    "was_lost_before": "had churned before",
    "seats": "seats",
    "billing_interval_months": "months between bills",
    "days_to_period_end": "days to the next bill",
    "is_renewal_due_30d": "next bill within 30 days",
    "is_long_term_due_30d": "end within 30 days of a period of more than half a year",
    "is_past_due": "payment past due",
    "days_past_due": "days for which a payment has been past due",
    "payment_failures_90d": "payment failures in 90 days",
}
CATEGORICAL = ("tier",)

# What is known of a feature's effect: 1 never lowers the risk of leaving, -1 never raises it.
DIRECTIONS: dict[str, int] = {
    "days_since_signup": -1,
    "calls_7d": -1,
    "calls_30d": -1,
    "calls_usual_30d": -1,
    "calls_trend_7d": -1,
    "calls_trend_30d": -1,
    "calls_against_usual": -1,
    "calls_against_ever": -1,
    "calls_per_seat_30d": -1,
    "calls_per_mrr_30d": -1,
    "active_days_30d": -1,
    "response_ms_30d": 1,
    "error_rate_7d": 1,
    "error_rate_30d": 1,
    "days_since_last_call": 1,
    "days_since_last_login": 1,
    "login_days_30d": -1,
    "logins_30d": -1,
    "logins_usual_30d": -1,
    "logins_per_user_30d": -1,
    "logins_per_user_90d": -1,
    "logins_per_user_ever": -1,
    "logins_against_usual": -1,
    "logins_against_ever": -1,
    "use_7d_against_ever": -1,
    "use_14d_against_ever": -1,
    "use_28d_against_ever": -1,
    "use_60d_against_ever": -1,
    "use_trend_30d": -1,
    "session_minutes_30d": -1,
    "engagement_30d": -1,
    "feature_adoption_30d": -1,
    "features_used_90d": -1,
    "tickets_30d": 1,
    "tickets_90d": 1,
    "tickets_open": 1,
    "slow_tickets_180d": 1,
    "nps_last": -1,
    "nps_mean_365d": -1,
    "effort_score_365d": -1,
    "bad_ratings_365d": 1,
    "good_ratings_365d": -1,
    "mrr_change_30d": -1,
    "mrr_change_90d": -1,
    "days_since_first_mrr": -1,
    "days_paying": -1,
    "contractions_180d": 1,
    "expansions_180d": -1,
    "was_lost_before": 1,
    "is_renewal_due_30d": 1,
    "is_long_term_due_30d": 1,
    "is_past_due": 1,
    "days_past_due": 1,
    "payment_failures_90d": 1,
}


def features(con: duckdb.DuckDBPyConnection, as_of: datetime | Sequence[datetime]) -> pd.DataFrame:
    """Features of every customer signed up by each instant.

    Args:
        con: The warehouse, open for reading or writing.
        as_of: One of the instants that gold describes customers at (`snapshots`), or several; aware,
            or naive meaning UTC.

    Returns:
        DataFrame: `customer_id`, `as_of` (naive UTC) and the columns of `FEATURES`, ordered by
        customer and instant. A value that does not exist (no call ever) is missing.

    Raises:
        WarehouseError: Gold has no snapshot of an instant.
    """
    wanted = _naive([as_of] if isinstance(as_of, datetime) else as_of)
    known = set(snapshots(con))
    if missing := [moment for moment in wanted if moment not in known]:
        raise WarehouseError(
            f"gold.customer_features does not describe customers as of {missing[0]:%Y-%m-%d %H:%M}",
            _WHEN,
        )
    frame = con.execute(
        f"""
        select {", ".join([*KEYS, *FEATURES])}
        from gold.customer_features
        where as_of in (select unnest($1::timestamp[]))
        order by customer_id, as_of
        """,
        [wanted],
    ).df()
    frame["as_of"] = frame["as_of"].astype("datetime64[us]")
    return frame


def snapshots(con: duckdb.DuckDBPyConnection) -> list[datetime]:
    """The instants (naive UTC) at which gold describes customers, oldest first."""
    return [
        row[0]
        for row in con.execute("select as_of from gold.feature_dates order by as_of").fetchall()
    ]


def snapshot_of(con: duckdb.DuckDBPyConnection, day: date | None = None) -> tuple[datetime, date]:
    """The instant (aware) of a day that gold describes customers at, and the day.

    Args:
        con: The warehouse.
        day: A day of the reporting time zone; None: the newest, which gold was built for last.

    Raises:
        WarehouseError: Gold does not describe customers as of that day.
    """
    rows = con.execute(
        "select as_of, as_of_date from gold.feature_dates where as_of_date = $1 or $1 is null order by as_of",
        [day],
    ).fetchall()
    if not rows:
        raise WarehouseError(
            f"gold.customer_features does not describe customers as of {day or 'any day'}", _WHEN
        )
    return rows[-1][0].replace(tzinfo=UTC), rows[-1][1]


def use_cutoffs(con: duckdb.DuckDBPyConnection, instants: Sequence[datetime]) -> None:
    """Fill the temporary tables `cutoff` (one row per instant) and `member` (per customer)."""
    con.execute(
        "create or replace temp table cutoff as select unnest($1::timestamp[]) as as_of",
        [_naive(instants)],
    )
    con.execute(
        """
        create or replace temp table member as
        select customers.customer_id, cutoff.as_of, customers.signup_date
        from gold.dim_customers as customers
        cross join cutoff
        where customers.signup_date <= cutoff.as_of
        """
    )


def _naive(instants: Sequence[datetime]) -> list[datetime]:
    return sorted(
        {
            moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
            for moment in instants
        }
    )
