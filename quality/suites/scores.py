"""Gate `scores`: what the models wrote, before anyone acts on it.

Reads: `warehouse.duckdb`, schema gold. Writes: nothing.
Run: by `quality.gates`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from quality.expectations import Suite, between, in_set, no_rows, not_null
from quality.suites.gold import AFTER_ML, Moment, Table, is_after_ml, suite_of
from quality.suites.promises import UNKNOWN_CUSTOMER, Promise

RISK_BANDS = ("Low", "Medium", "High", "Critical")

# Scores are of the instant at which today began; customers are told as of now.
_SCORED_AT = "select max(as_of) from gold.feature_dates"
_THERE_BY_THEN = f"""
select customer_id, signup_date from gold.dim_customers
where customer_id <> '{UNKNOWN_CUSTOMER}' and coalesce(signup_date <= ({_SCORED_AT}), true)
"""

_BAND = "case when {p} < 0.2 then 'Low' when {p} < 0.5 then 'Medium' when {p} < 0.8 then 'High' else 'Critical' end"


def suites(tables: Mapping[str, Table], at: Moment, sources_off: Sequence[str]) -> list[Suite]:
    """The suites of what is built after the ML step.

    Args:
        tables: Gold as it stands.
        at: When it is looked at.
        sources_off: Sources that are off in real mode.
    """
    promises = {
        "customer_churn_scores": _churn(tables.get("customer_churn_scores")),
        "customer_segments": _segments(tables.get("customer_segments")),
        "customer_ltv": _ltv(tables.get("customer_ltv")),
        "forecasts": _forecasts(),
        # a company without enough history for a back-test has none
        "forecast_backtests": Promise(
            required=False, may_be_empty=True, checks=(between("share_inside", 0, 1),)
        ),
        "kpi_churn_risk": Promise(required=False, sources=("stripe",), may_be_empty=True),
        "kpi_cohort_ltv": Promise(required=False, may_be_empty=True),
        # a company has to be two months old before anybody can have moved
        "segment_transitions": Promise(
            required=False, may_be_empty=True, checks=(between("probability_30d", 0, 1),)
        ),
        "customer_next_segments": Promise(required=False, may_be_empty=True),
        "model_decisions": Promise(required=False),
        # the base rate has no features; the first scores wait a month for what came of them
        "feature_drift": Promise(required=False, may_be_empty=True),
        "churn_score_performance": Promise(required=False, may_be_empty=True),
    }
    others = sorted(name for name in tables if is_after_ml(name) and name not in AFTER_ML)
    return [
        suite_of(name, tables, at, promises.get(name, Promise(of_customers=True)), sources_off)
        for name in [*AFTER_ML, *others]
    ]


def _first(table: Table | None, *names: str) -> str | None:
    return next((name for name in names if table is not None and table.has(name)), None)


def _latest(table: Table | None) -> tuple[str, str]:
    """The newest scoring in a table that may keep former ones: (condition, column)."""
    if table is not None and table.has("is_latest"):
        return "is_latest", _first(table, "as_of_date") or ""
    column = _first(table, "as_of_date", "scored_at", "calculated_at", "date_partition")
    if column is None:
        return "true", ""
    return f"{column} = (select max({column}) from {{batch}})", column


def _churn(table: Table | None) -> Promise:
    probability = _first(table, "churn_probability", "probability", "churn_risk_score")
    band = _first(table, "risk_band", "churn_risk_band", "risk_level", "band")
    latest, column = _latest(table)
    checks = [
        no_rows(
            "one score per customer" + (f" and {column}" if column else ""),
            f"select customer_id{', ' + column if column else ''} from {{batch}} "
            f"group by all having count(*) > 1",
            "consistency", column="customer_id",
        ),
        no_rows(
            "every paying customer is scored",
            "select customer_id, mrr from gold.dim_customers where mrr > 0 "
            f"and customer_id <> '{UNKNOWN_CUSTOMER}' "
            f"and customer_id not in (select customer_id from {{batch}} where {latest}) "
            # who began to pay today is scored tomorrow
            f"and customer_id in (select customer_id from gold.fact_mrr_movements where occurred_at <= ({_SCORED_AT}) "
            "group by customer_id, currency having sum(amount_minor) > 0)",
            "completeness", column="customer_id",
            needs=("gold.dim_customers.mrr", "gold.fact_mrr_movements.currency", "gold.feature_dates.as_of"),
            advice="run `warehouse score` after the last build",
        ),
    ]  # fmt: skip
    if probability is not None:
        checks += [not_null(probability), between(probability, 0, 1)]
    if band is not None:
        checks += [not_null(band), in_set(band, RISK_BANDS)]
    if probability is not None and band is not None:
        expected = _BAND.replace("{p}", probability)
        checks.append(
            no_rows(
                "the band agrees with the probability (0.2, 0.5, 0.8, lower edge inclusive)",
                f"select customer_id, {probability}, {band} from {{batch}} where {band} <> {expected}",
                "consistency", column=band,
            )
        )  # fmt: skip
    columns = ("customer_id", *((probability,) if probability else ("churn_probability",)))
    # nobody may pay: that everybody who does is scored has a check of its own
    return Promise(columns=columns, checks=tuple(checks), sources=("stripe",), may_be_empty=True)


def _ltv(table: Table | None) -> Promise:
    latest, _ = _latest(table)
    return Promise(
        required=False,
        of_customers=True,
        grain=("customer_id", "as_of_date"),
        columns=("customer_id", "ltv_reporting_minor"),
        checks=(
            between("survival_12m", 0, 1),
            between("predicted_reporting_minor", 0),
            no_rows(
                "every customer has a lifetime value",
                f"{_THERE_BY_THEN} and customer_id not in (select customer_id from {{batch}} where {latest})",
                "completeness", column="customer_id", needs=("gold.feature_dates.as_of",),
                advice="run `warehouse score` after the last build",
            ),
            no_rows(
                "lifetime value = earned + predicted, and the interval is one",
                "select customer_id, ltv_reporting_minor, earned_reporting_minor from {batch} "
                "where ltv_reporting_minor <> earned_reporting_minor + predicted_reporting_minor "
                "or predicted_low_reporting_minor > predicted_high_reporting_minor",
                "accuracy", column="ltv_reporting_minor",
            ),
        ),
    )  # fmt: skip


def _forecasts() -> Promise:
    return Promise(
        required=False,
        may_be_empty=True,
        grain=("metric", "target_on", "as_of_date"),
        columns=("metric", "target_on", "baseline", "pessimistic", "optimistic"),
        checks=(
            between("pessimistic", 0),
            no_rows(
                "pessimistic <= baseline <= optimistic",
                "select metric, target_on, pessimistic, baseline, optimistic from {batch} "
                "where pessimistic > baseline or baseline > optimistic",
                "consistency", column="baseline",
            ),
        ),
    )  # fmt: skip


def _segments(table: Table | None) -> Promise:
    latest, column = _latest(table)
    checks = [
        no_rows(
            "one segment per customer" + (f" and {column}" if column else ""),
            f"select customer_id{', ' + column if column else ''} from {{batch}} "
            f"group by all having count(*) > 1",
            "consistency", column="customer_id",
        ),
        no_rows(
            "every customer has a segment",
            f"{_THERE_BY_THEN} and customer_id not in (select customer_id from {{batch}} where {latest})",
            "completeness", column="customer_id", needs=("gold.feature_dates.as_of",),
            advice="run `warehouse score` after the last build",
        ),
    ]  # fmt: skip
    rule = _first(table, "rule_segment", "segment")
    if rule is not None:
        checks.append(not_null(rule))
    return Promise(columns=("customer_id",), checks=tuple(checks), of_customers=True)
