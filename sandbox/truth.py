"""The company's true numbers, as CSV; computed by the simulation, by none of the project's SQL.

Writes: `truth/*.csv`; `sandbox.verify` compares them with gold.
"""

from __future__ import annotations

import csv
import io
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import orjson

from sandbox.billing.calendar import seconds
from sandbox.billing.retention import cohorts, customer_months, months, retention
from sandbox.hazard import month_starts, probability_30d
from sandbox.product import born, iso
from sandbox.simulation import Company, minor_rates
from sandbox.support import SupportDesk

COLUMNS = {
    "customers": ("customer_id", "signup_at", "first_call_at", "tier", "currency", "is_deleted"),
    "mrr_month_end": ("customer_id", "month", "currency", "mrr_minor"),
    "movements": ("customer_id", "at", "type", "amount_minor", "currency"),
    "customer_months": (
        "customer_id",
        "month",
        "currency",
        "category",
        "opening_minor",
        "closing_minor",
    ),
    "retention": (
        "month",
        "interval_months",
        "start_customers",
        "churned_customers",
        "start_minor",
        "end_minor",
        "kept_minor",
    ),
    "cohorts": ("cohort_month", "month", "customers", "mrr_minor"),
    "revenue": ("month", "currency", "revenue_type", "amount_minor"),
    "balance": ("month", "currency", "type", "amount_minor", "fee_minor", "net_minor"),
    "payouts": ("payout_id", "currency", "amount_minor", "status"),
    "recognised": ("month", "currency", "revenue_type", "recognised_minor"),
    "dunning": ("invoice_id", "first_failed_at", "outcome", "recovered_at"),
    "deferred": ("month", "currency", "deferred_minor", "unbilled_minor"),
    "calls": ("day", "endpoint", "status_class", "calls"),
    "tickets": ("ticket_id", "customer_id", "created_at", "solved_at", "status"),
    "churned": ("customer_id", "at", "reason"),
    "hazard": ("customer_id", "month", "probability_30d"),
}


def truth(
    company: Company,
    desk: SupportDesk,
    stripe_store: Path,
    calls: Iterable[tuple[str, str, str, int]],
    first_calls: dict[str, str],
) -> dict[str, str]:
    """All truth tables as CSV text, by name.

    Args:
        company: The company.
        desk: Its support desk.
        stripe_store: Its `stripe.sqlite`, for Stripe customers that the product doesn't know.
        calls: (day, endpoint, status class, new calls) of every file delivered so far.
        first_calls: First call of each account, among the calls delivered so far.
    """
    world = company.billing
    summed: dict[tuple[str, str, str], int] = defaultdict(int)
    for day, endpoint, status_class, number in calls:
        summed[day, endpoint, status_class] += number
    rows: dict[str, Iterable[Sequence[object]]] = {
        "customers": _customers(company, stripe_store, first_calls),
        "mrr_month_end": ((*key, f"{mrr:.6f}") for *key, mrr in world.truth_mrr if mrr != 0),
        "movements": (
            (customer, _text(at), kind, f"{amount:.6f}", currency)
            for customer, at, kind, amount, currency in world.truth_movements
        ),
        **_month_ends(company),
        "revenue": world.truth_revenue,
        "recognised": world.truth_recognised,
        "deferred": world.truth_deferred,
        "dunning": (
            (invoice, _text(failed), outcome, _text(recovered or ""))
            for invoice, failed, outcome, recovered in world.truth_dunning
        ),
        "balance": world.truth_balance,
        "payouts": world.truth_payouts,
        "calls": ((*key, number) for key, number in summed.items()),
        "tickets": (
            (number, customer, iso(created), iso(solved) if solved else "", status)
            for number, customer, created, solved, status in desk.truth
        ),
        "churned": ((customer, _text(at), reason) for customer, at, reason in world.truth_churned),
        "hazard": _hazard(company),
    }
    return {name: _csv(COLUMNS[name], table) for name, table in rows.items()}


def _month_ends(company: Company) -> dict[str, Iterable[Sequence[object]]]:
    """Customer-months, retention and cohorts, in US dollars where amounts are converted."""
    customers = company.billing.customer_mrr
    calendar = months(seconds(company.options.start_at), seconds(company.now))
    rates = minor_rates(company.options, company.now)
    return {
        "customer_months": _six_places(customer_months(customers, calendar, rates)),
        "retention": _six_places(retention(customers, calendar, rates)),
        "cohorts": _six_places(cohorts(customers, calendar, rates)),
    }


def _six_places(rows: Iterable[Sequence[object]]) -> Iterable[Sequence[object]]:
    for row in rows:
        yield [f"{value:.6f}" if isinstance(value, Decimal) else value for value in row]


def _text(at: datetime | int | str) -> str:
    if isinstance(at, int):
        return datetime.fromtimestamp(at, tz=UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return iso(at) if isinstance(at, datetime) else at


def _customers(
    company: Company, stripe_store: Path, first_calls: dict[str, str]
) -> Iterable[Sequence[object]]:
    known = set()
    for life in company.lives:
        account = life.account
        if not account.in_product or born(life) >= company.now:
            continue
        known.add(account.account_id)
        deleted = account.deleted_at is not None and account.deleted_at < company.now
        yield (
            account.account_id, iso(account.signup_at), first_calls.get(account.account_id, ""),
            life.tier_at(company.now), account.currency, str(deleted).lower(),
        )  # fmt: skip
    for customer_id, created, deleted, currency in _stripe_customers(stripe_store):
        if customer_id not in known:
            yield (
                customer_id,
                _text(created),
                first_calls.get(customer_id, ""),
                "",
                currency,
                str(deleted).lower(),
            )


def _stripe_customers(store: Path) -> list[tuple[str, int, bool, str]]:
    """Live Stripe customers as gold names them: the account they name, or their Stripe id."""
    connection = sqlite3.connect(f"file:{store}?mode=ro", uri=True)
    try:
        rows = connection.execute(
            "select id, created, deleted, json from objects "
            "where type = 'customer' and livemode = 1"
        ).fetchall()
    finally:
        connection.close()
    found = []
    for key, created, deleted, text in rows:
        customer = orjson.loads(text)
        # A deleted object no longer says whose it was, but then the product does.
        if not deleted:
            name = (customer.get("metadata") or {}).get("account_id") or key
            found.append((name, created, bool(deleted), (customer.get("currency") or "").upper()))
    return found


def _hazard(company: Company) -> Iterable[Sequence[object]]:
    for at in month_starts(company.options, company.now):
        for life in company.lives:
            if life.person is not None:
                probability = probability_30d(company.options, life, at)
                if probability is not None:
                    yield life.account.account_id, f"{at:%Y-%m}", f"{probability:.6f}"


def _csv(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(sorted([str(value) for value in row] for row in rows))
    return text.getvalue()
