"""The headline KPIs that close a run: the newest complete day of the master table, as people read it.

Reads: the newest published restricted edition.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from serving.sql import query
from warehouse.settings import Settings

NOTHING = "n/a"


def _money(settings: Settings) -> Callable[[Any], str]:
    return lambda value: f"{settings.reporting_currency} {value:,.2f}"


def _count(value: Any) -> str:
    return f"{value:,.0f}"


def _percent(value: Any) -> str:
    return f"{value:.1%}"


def headlines(settings: Settings) -> list[tuple[str, str]]:
    """Label and value of each headline figure, in the order a board would ask for them."""
    money = _money(settings)
    shown: tuple[tuple[str, str, Callable[[Any], str]], ...] = (
        ("day", "Complete through", str),
        ("customers_total", "Customers", _count),
        ("customers_paying", "Paying customers", _count),
        ("mrr_amount", "MRR", money),
        ("arr_amount", "ARR", money),
        ("arpa_amount", "ARPA", money),
        ("nrr_30d", "NRR, 30 days", _percent),
        ("grr_30d", "GRR, 30 days", _percent),
        ("logo_churn_rate_30d", "Logo churn, 30 days", _percent),
        ("calls", "API calls that day", _count),
        ("error_rate", "Error rate", _percent),
        ("latency_p95_ms", "Latency p95 (ms)", _count),
        ("mau", "Active customers, 28 days", _count),
        ("tickets_open", "Open tickets", _count),
        ("health_score_mean", "Mean health score", _count),
        ("customers_at_risk", "Customers at risk", _count),
    )
    columns = ", ".join(column for column, _, _ in shown)
    result = query(
        settings,
        f"select {columns} from gold.kpi_daily where is_complete order by day desc limit 1",
    )
    if not result.rows:
        return [("Complete days", "none yet")]
    return [
        (label, NOTHING if value is None else form(value))
        for (_, label, form), value in zip(shown, result.rows[0], strict=True)
    ]
