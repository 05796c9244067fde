"""Documents that don't add up stop the build, and the message names the object.

One start of dbt over a company of which Stripe says two wrong things: invoice `in_short` says 500 without tax and has lines of 700;
payout `po_bad` of 900 paid out 1000 less 50 of fees. `in_right` and `po_right` are as they should be.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.dbt.billing_cases import charge, invoice, line, paid_by
from tests.dbt.billing_company import NOW, customer, seconds
from tests.dbt.landing_files import ensure_all, land
from warehouse.dbt_process import run_dbt
from warehouse.errors import WarehouseError
from warehouse.settings import Settings

pytestmark = pytest.mark.slow(minutes=1)

TESTS = (
    "assert_revenue_equals_the_ledger", "assert_payouts_are_what_they_paid_out", "assert_the_balance_is_what_moved_it",
)  # fmt: skip


def transaction(name: str, amount: int, fee: int, *, kind: str, source: str) -> dict[str, Any]:
    """A movement of the balance."""
    return {
        "id": f"txn_{name}", "object": "balance_transaction", "created": seconds("2024-01-10"), "currency": "usd", "amount": amount,
        "fee": fee, "net": amount - fee, "type": kind, "reporting_category": kind, "source": source, "status": "available",
        "available_on": seconds("2024-01-12"),
    }  # fmt: skip


def payout(name: str, amount: int) -> dict[str, Any]:
    """An automatic payout that Stripe has reconciled."""
    return {
        "id": f"po_{name}", "object": "payout", "created": seconds("2024-01-12"), "livemode": True, "currency": "usd", "amount": amount,
        "status": "paid", "automatic": True, "reconciliation_status": "completed", "balance_transaction": f"txn_po_{name}",
        "arrival_date": seconds("2024-01-13"),
    }  # fmt: skip


def paid_out(name: str, of: str, net: int, kind: str) -> dict[str, Any]:
    """What the connector lands of a payout's transactions."""
    return {
        "id": f"po_{of}/txn_{name}", "payout": f"po_{of}", "balance_transaction": f"txn_{name}", "livemode": True, "type": kind,
        "currency": "usd", "net": net,
    }  # fmt: skip


def company() -> dict[str, list[dict[str, Any]]]:
    """Everything Stripe says."""
    paid = invoice(
        "right", "2024-01-10", [line("right", 1000)], 1000, customer="cus_a", payments=paid_by("one", 1000)
    )  # fmt: skip
    short = invoice("short", "2024-01-11", [line("short", 700)], 700, customer="cus_a")
    transactions = [
        transaction("one", 1000, 50, kind="charge", source="ch_one"),
        transaction("two", 1000, 50, kind="charge", source="ch_two"),
        transaction("po_right", -950, 0, kind="payout", source="po_right"),
        transaction("po_bad", -900, 0, kind="payout", source="po_bad"),
    ]
    members = [
        paid_out("one", "right", 950, "charge"),
        paid_out("po_right", "right", -950, "payout"),
        paid_out("two", "bad", 950, "charge"),
        paid_out("po_bad", "bad", -900, "payout"),
    ]
    return {
        "customers": [customer("cus_a", "acc_a")],
        "invoices": [paid, short | {"total_excluding_tax": 500}],
        "charges": [
            charge("one", 1000, of="cus_a") | {"balance_transaction": "txn_one"},
            charge("two", 1000, of=None) | {"balance_transaction": "txn_two"},
        ],
        "balance_transactions": transactions,
        "payouts": [payout("right", 950), payout("bad", 900)],
        "payout_transactions": members,
    }


def test_the_build_fails_and_names_the_invoice_and_the_payout(tmp_path: Path) -> None:
    settings = Settings.for_test(tmp_path, as_of=NOW)
    ensure_all(settings)
    for stream, records in company().items():
        land(settings, "stripe", stream, records, at=NOW - timedelta(hours=1))
    models = ("+fact_revenue", "+fact_payouts", "+fact_balance_transactions")
    run_dbt(
        settings,
        ["build", "--select", *models, "--exclude-resource-types", "test", "unit_test"],
        target="dev",
    )
    with pytest.raises(WarehouseError) as refused:
        run_dbt(settings, ["test", "--select", *TESTS], target="dev")
    message = str(refused.value)
    assert "invoice_id in_short, currency USD, gold_minor 700, ledger_minor 500" in message
    assert "payout_id po_bad, compared transactions, amount_minor 900, found_minor 950" in message
    assert "in_right" not in message
    assert "po_right" not in message
