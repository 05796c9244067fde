"""Why a customer has the score it has: exact, signed contributions, and what to do.

The chosen models are additive in log-odds: logistic regression is a weighted sum, and the boosting
candidate may not use interactions, so it is a sum of one function per feature. The contribution of
a feature is its term minus the mean of that term over the training rows; contributions plus one
constant give the log-odds of the published probability, exactly (these are the Shapley values of an
additive model). Platt's calibration is linear in log-odds and scales all terms alike.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from ml.churn import models

ACTIONS: tuple[tuple[tuple[str, ...], str], ...] = (
    (
        ("is_past_due", "days_past_due", "payment_failures_90d"),
        "Fix the payment: ask for a new card, offer an invoice",
    ),
    (
        ("tickets_30d", "tickets_90d", "tickets_open", "slow_tickets_180d"),
        "Have support lead call about the open tickets",
    ),
    (
        ("nps_last", "nps_mean_365d", "effort_score_365d", "bad_ratings_365d", "good_ratings_365d"),
        "Call about what they answered: ask what would make it better",
    ),
    (("error_rate_7d", "error_rate_30d", "response_ms_30d"), "Engineer reviews errors and latency with them"),
    (
        ("days_since_last_login", "days_since_last_call", "active_days_30d", "calls_7d", "calls_30d", "calls_usual_30d",
         "calls_trend_7d", "calls_trend_30d", "calls_against_usual", "calls_against_ever", "calls_per_seat_30d",
         "calls_per_mrr_30d", "login_days_30d", "logins_30d", "logins_usual_30d", "logins_per_user_30d",
         "logins_per_user_90d", "logins_per_user_ever", "logins_against_usual", "logins_against_ever",
         "use_7d_against_ever", "use_14d_against_ever", "use_28d_against_ever", "use_60d_against_ever", "use_trend_30d",
         "session_minutes_30d", "engagement_30d"),
        "Reach out about falling use; offer a check-in",
    ),
    (("feature_adoption_30d", "features_used_90d"), "Show the features they have not tried"),
    (
        ("mrr_change_30d", "mrr_change_90d", "contractions_180d", "expansions_180d", "seats", "users",
         "mrr_reporting", "tier"),
        "Review plan and seats with them",
    ),
    (
        ("days_to_period_end", "is_renewal_due_30d", "is_long_term_due_30d", "billing_interval_months"),
        "Talk about the renewal before it is due",
    ),
    (
        ("days_since_signup", "days_since_first_mrr", "days_paying", "was_lost_before"),
        "Onboarding call with customer success",
    ),
)  # fmt: skip
ACTION_END_SET = "Win-back: ask why they leave, offer a way to stay"
ACTION_NONE = "None needed"
WORTH_A_LOOK = 0.05  # below this probability nothing is recommended


def terms(pipeline: Any, table: pd.DataFrame) -> pd.DataFrame:
    """The additive terms of the calibrated log-odds, one column per feature, uncentred.

    Args:
        pipeline: A fitted candidate of `ml.churn.models`.
        table: Rows to explain.

    Returns:
        DataFrame: rows by features that the pipeline uses; empty of columns for the base rate.
    """
    if "prepare" not in pipeline.named_steps:
        return pd.DataFrame(index=table.index)
    prepare = pipeline.named_steps["prepare"]
    calibrated = pipeline.named_steps["model"].calibrated_classifiers_[0]
    slope = -calibrated.calibrators[0].a_
    inner = calibrated.estimator
    matrix = np.asarray(prepare.transform(table), dtype=float)
    owners = _owners(prepare)
    if hasattr(inner, "coef_"):
        per_column = matrix * inner.coef_[0]
        parts = {name: per_column[:, columns].sum(axis=1) for name, columns in owners.items()}
    else:
        anchor = matrix[:1]
        base = inner.decision_function(anchor)[0]
        parts = {}
        for name, columns in owners.items():
            varied = np.repeat(anchor, len(matrix), axis=0)
            varied[:, columns] = matrix[:, columns]
            parts[name] = inner.decision_function(varied) - base
    return pd.DataFrame({name: slope * values for name, values in parts.items()}, index=table.index)


def anchored_terms(pipeline: Any, table: pd.DataFrame, anchor: pd.DataFrame) -> pd.DataFrame:
    """Terms against a fixed row, so that tables explained apart can be compared."""
    with models.steady_threads():
        return terms(pipeline, pd.concat([anchor, table])).iloc[len(anchor) :]


def _owners(prepare: Any) -> dict[str, list[int]]:
    """Columns of the prepared matrix by the feature they come from."""
    owners: dict[str, list[int]] = {}
    for name, _, columns in prepare.transformers_:
        positions = range(*prepare.output_indices_[name].indices(2**31))
        if name == "number":
            owners |= {
                column: [position] for column, position in zip(columns, positions, strict=True)
            }
        elif name.startswith("category"):
            owners[columns[0]] = list(positions)
    return owners


def recommended_action(raising: list[str], probability: float, *, is_end_set: bool) -> str:
    """What to do, by the strongest factor that raises the risk.

    Args:
        raising: Names of the factors that raise it, strongest first.
        probability: The score.
        is_end_set: The customer has already ended what it pays for.
    """
    if is_end_set:
        return ACTION_END_SET
    if probability < WORTH_A_LOOK:
        return ACTION_NONE
    for factor in raising:
        for names, action in ACTIONS:
            if factor in names:
                return action
    return "Personal check-in by customer success"
