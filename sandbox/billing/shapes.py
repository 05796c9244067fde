"""Stripe objects as API version 2026-10-28.endive shows them (field names as in the stripe 16 SDK).

Only builders: what changes later is changed by the simulation. Fields that must be asked for
(`expand`) aren't here.
"""

from __future__ import annotations

from typing import Any

API_VERSION = "2026-10-28.endive"
Object = dict[str, Any]


def customer(cus_id: str, account: Any, at: int) -> Object:
    """A customer; `account` is a `sandbox.company.Account`."""
    return {
        "id": cus_id,
        "object": "customer",
        "address": {
            "city": None,
            "country": account.country,
            "line1": None,
            "line2": None,
            "postal_code": None,
            "state": None,
        },
        "balance": 0,
        "created": at,
        "currency": None,
        "default_source": None,
        "delinquent": False,
        "description": None,
        "discount": None,
        "email": account.email,
        "invoice_prefix": cus_id[-8:].upper(),
        "invoice_settings": {
            "custom_fields": None,
            "default_payment_method": None,
            "footer": None,
            "rendering_options": None,
        },
        "livemode": account.livemode,
        "metadata": {"account_id": account.account_id} if account.stripe_metadata else {},
        "name": account.name,
        "next_invoice_sequence": 1,
        "phone": None,
        "preferred_locales": [],
        "shipping": None,
        "tax_exempt": "none",
        "test_clock": None,
    }


def discount(
    di_id: str,
    coupon_id: str,
    customer_id: str,
    start: int,
    end: int | None,
    *,
    subscription: str | None = None,
    item: str | None = None,
    promotion_code: str | None = None,
) -> Object:
    """A discount; its coupon is an id."""
    return {
        "id": di_id,
        "object": "discount",
        "checkout_session": None,
        "customer": customer_id,
        "end": end,
        "invoice": None,
        "invoice_item": None,
        "promotion_code": promotion_code,
        "source": {"coupon": coupon_id, "type": "coupon"},
        "start": start,
        "subscription": subscription,
        "subscription_item": item,
    }


def subscription_item(si_id: str, sub_id: str, at: int, quantity: int | None) -> Object:
    """A subscription item, without price and periods; metered ones have no quantity."""
    item: Object = {
        "id": si_id,
        "object": "subscription_item",
        "billing_thresholds": None,
        "created": at,
        "current_period_end": at,
        "current_period_start": at,
        "discounts": [],
        "metadata": {},
        "plan": None,
        "price": None,
        "quantity": quantity,
        "subscription": sub_id,
        "tax_rates": [],
    }
    if quantity is None:
        del item["quantity"]
    return item


def subscription(
    sub_id: str, customer_id: str, at: int, currency: str, *, livemode: bool, key: str
) -> Object:
    """An active subscription without items."""
    return {
        "id": sub_id,
        "object": "subscription",
        "application": None,
        "application_fee_percent": None,
        "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
        "billing_cycle_anchor": at,
        "billing_cycle_anchor_config": None,
        "billing_mode": {
            "flexible": {"proration_discounts": "included"},
            "type": "flexible",
            "updated_at": None,
        },
        "billing_thresholds": None,
        "cancel_at": None,
        "cancel_at_period_end": False,
        "canceled_at": None,
        "cancellation_details": {"comment": None, "feedback": None, "reason": None},
        "collection_method": "charge_automatically",
        "created": at,
        "currency": currency,
        "customer": customer_id,
        "days_until_due": None,
        "default_payment_method": None,
        "default_source": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "ended_at": None,
        "items": {},
        "latest_invoice": None,
        "livemode": livemode,
        "metadata": {"key": key},
        "next_pending_invoice_item_invoice": None,
        "pause_collection": None,
        "pending_setup_intent": None,
        "pending_update": None,
        "schedule": None,
        "start_date": at,
        "status": "active",
        "test_clock": None,
        "trial_end": None,
        "trial_settings": {
            "end_behavior": {
                "billing_cycle_anchor": None,
                "missing_payment_method": "create_invoice",
            }
        },
        "trial_start": None,
    }


def subscription_schedule(
    sched_id: str, customer_id: str, at: int, *, livemode: bool, end_behavior: str
) -> Object:
    """A schedule that has not started, without phases."""
    return {
        "id": sched_id,
        "object": "subscription_schedule",
        "application": None,
        "billing_mode": {
            "flexible": {"proration_discounts": "included"},
            "type": "flexible",
            "updated_at": None,
        },
        "canceled_at": None,
        "completed_at": None,
        "created": at,
        "current_phase": None,
        "customer": customer_id,
        "default_settings": {
            "application_fee_percent": None,
            "automatic_tax": {"disabled_reason": None, "enabled": False, "liability": None},
            "billing_cycle_anchor": "automatic",
            "collection_method": "charge_automatically",
            "default_payment_method": None,
            "description": None,
            "on_behalf_of": None,
            "transfer_data": None,
        },
        "end_behavior": end_behavior,
        "livemode": livemode,
        "metadata": {},
        "pause_schedules": [],
        "phases": [],
        "released_at": None,
        "released_subscription": None,
        "status": "not_started",
        "subscription": None,
        "test_clock": None,
    }


def phase(start: int, end: int, currency: str, items: list[Object], coupon: str | None) -> Object:
    """A phase of a schedule."""
    return {
        "add_invoice_items": [],
        "application_fee_percent": None,
        "billing_cycle_anchor": None,
        "collection_method": None,
        "currency": currency,
        "default_payment_method": None,
        "default_tax_rates": [],
        "description": None,
        "discounts": (
            [{"coupon": coupon, "discount": None, "promotion_code": None}] if coupon else []
        ),
        "end_date": end,
        "items": items,
        "metadata": {},
        "on_behalf_of": None,
        "proration_behavior": "create_prorations",
        "start_date": start,
        "transfer_data": None,
        "trial_end": None,
    }


def list_of(data: list[Object], url: str, *, shown: int = 10) -> Object:
    """An embedded list as Stripe shows it: its first ten."""
    return {
        "object": "list",
        "data": data[:shown],
        "has_more": len(data) > shown,
        "total_count": len(data),
        "url": url,
    }


def invoice_item(ii_id: str, customer_id: str, at: int, currency: str, amount: int) -> Object:
    """A pending invoice item."""
    return {
        "id": ii_id,
        "object": "invoiceitem",
        "amount": amount,
        "currency": currency,
        "customer": customer_id,
        "date": at,
        "description": None,
        "discountable": True,
        "discounts": [],
        "invoice": None,
        "livemode": True,
        "metadata": {},
        "net_amount": amount,
        "parent": None,
        "period": {"start": at, "end": at},
        "pricing": None,
        "proration": False,
        "proration_details": None,
        "quantity": 1,
        "quantity_decimal": "1",
        "tax_rates": [],
        "test_clock": None,
    }


def invoice(in_id: str, customer: Object, at: int, currency: str, reason: str) -> Object:
    """A draft without lines."""
    return {
        "id": in_id,
        "object": "invoice",
        "account_country": "US",
        "account_name": "Quantum API",
        "amount_due": 0,
        "amount_overpaid": 0,
        "amount_paid": 0,
        "amount_remaining": 0,
        "amount_shipping": 0,
        "attempt_count": 0,
        "attempted": False,
        "auto_advance": True,
        "automatically_finalizes_at": None,
        "billing_reason": reason,
        "collection_method": "charge_automatically",
        "created": at,
        "currency": currency,
        "customer": customer["id"],
        "customer_email": customer["email"],
        "customer_name": customer["name"],
        "default_tax_rates": [],
        "description": None,
        "discounts": [],
        "due_date": None,
        "effective_at": None,
        "ending_balance": None,
        "from_invoice": None,
        "last_finalization_error": None,
        "lines": {},
        "livemode": customer["livemode"],
        "metadata": {},
        "next_payment_attempt": None,
        "number": None,
        "parent": None,
        "period_end": at,
        "period_start": at,
        "post_payment_credit_notes_amount": 0,
        "pre_payment_credit_notes_amount": 0,
        "receipt_number": None,
        "starting_balance": 0,
        "status": "draft",
        "status_transitions": {
            "finalized_at": None,
            "marked_uncollectible_at": None,
            "paid_at": None,
            "voided_at": None,
        },
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "total": 0,
        "total_discount_amounts": [],
        "total_excluding_tax": 0,
        "total_pretax_credit_amounts": [],
        "total_taxes": [],
        "webhooks_delivered_at": at,
    }


def invoice_line(
    il_id: str, in_id: str, currency: str, amount: int, description: str | None
) -> Object:
    """An invoice line without parent, price, discounts and taxes."""
    return {
        "id": il_id,
        "object": "line_item",
        "amount": amount,
        "currency": currency,
        "description": description,
        "discount_amounts": [],
        "discountable": True,
        "discounts": [],
        "invoice": in_id,
        "livemode": True,
        "metadata": {},
        "parent": None,
        "period": {"start": 0, "end": 0},
        "pretax_credit_amounts": [],
        "pricing": None,
        "quantity": 1,
        "quantity_decimal": "1",
        "subscription": None,
        "subtotal": amount,
        "taxes": [],
    }


def tax(amount: int, *, inclusive: bool, rate_id: str, taxable: int) -> Object:
    """A tax of a line, an invoice or a credit note."""
    return {
        "amount": amount,
        "tax_behavior": "inclusive" if inclusive else "exclusive",
        "tax_rate_details": {"tax_rate": rate_id},
        "taxability_reason": "not_available",
        "taxable_amount": taxable,
        "type": "tax_rate_details",
    }


def charge(
    ch_id: str,
    customer: Object,
    at: int,
    currency: str,
    amount: int,
    *,
    intent: str,
    last4: str,
    failed: bool,
) -> Object:
    """A charge that succeeded or failed."""
    return {
        "id": ch_id,
        "object": "charge",
        "amount": amount,
        "amount_captured": 0 if failed else amount,
        "amount_refunded": 0,
        "application_fee_amount": None,
        "balance_transaction": None,
        "billing_details": {
            "address": None,
            "email": customer["email"],
            "name": customer["name"],
            "phone": None,
            "tax_id": None,
        },
        "captured": not failed,
        "created": at,
        "currency": currency,
        "customer": customer["id"],
        "description": "Subscription update",
        "disputed": False,
        "failure_code": "card_declined" if failed else None,
        "failure_message": "Your card was declined." if failed else None,
        "livemode": customer["livemode"],
        "metadata": {},
        "outcome": {
            "network_status": "declined_by_network" if failed else "approved_by_network",
            "reason": "generic_decline" if failed else None,
            "risk_level": "normal",
            "seller_message": "The bank declined it." if failed else "Payment complete.",
            "type": "issuer_declined" if failed else "authorized",
        },
        "paid": not failed,
        "payment_intent": intent,
        "payment_method": None,
        "payment_method_details": {
            "card": {"brand": "visa", "exp_month": 12, "exp_year": 2030, "last4": last4},
            "type": "card",
        },
        "receipt_url": None,
        "refunded": False,
        "review": None,
        "status": "failed" if failed else "succeeded",
    }


def invoice_payment(
    inpay_id: str, in_id: str, at: int, currency: str, amount: int, *, intent: str
) -> Object:
    """A payment of an invoice that is still to succeed."""
    return {
        "id": inpay_id,
        "object": "invoice_payment",
        "amount_paid": None,
        "amount_requested": amount,
        "created": at,
        "currency": currency,
        "invoice": in_id,
        "is_default": True,
        "livemode": True,
        "payment": {"payment_intent": intent, "type": "payment_intent"},
        "status": "open",
        "status_transitions": {"canceled_at": None, "paid_at": None},
    }


def refund(re_id: str, charge: Object, at: int, amount: int, *, balance_transaction: str) -> Object:
    """A refund that succeeded."""
    return {
        "id": re_id,
        "object": "refund",
        "amount": amount,
        "balance_transaction": balance_transaction,
        "charge": charge["id"],
        "created": at,
        "currency": charge["currency"],
        "destination_details": {"card": {"type": "refund"}, "type": "card"},
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": "requested_by_customer",
        "receipt_number": None,
        "source_transfer_reversal": None,
        "status": "succeeded",
        "transfer_reversal": None,
    }


def credit_note(cn_id: str, invoice: Object, at: int, number: str) -> Object:
    """An issued credit note without lines and amounts."""
    return {
        "id": cn_id,
        "object": "credit_note",
        "amount": 0,
        "amount_shipping": 0,
        "created": at,
        "currency": invoice["currency"],
        "customer": invoice["customer"],
        "customer_balance_transaction": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "effective_at": at,
        "invoice": invoice["id"],
        "lines": {},
        "livemode": invoice["livemode"],
        "memo": None,
        "metadata": {},
        "number": number,
        "out_of_band_amount": None,
        "pdf": "https://pay.stripe.com/credit_notes/sandbox.pdf",
        "post_payment_amount": 0,
        "pre_payment_amount": 0,
        "pretax_credit_amounts": [],
        "reason": "order_change",
        "refunds": [],
        "shipping_cost": None,
        "status": "issued",
        "subtotal": 0,
        "subtotal_excluding_tax": 0,
        "total": 0,
        "total_excluding_tax": 0,
        "total_taxes": [],
        "type": "post_payment",
        "voided_at": None,
    }


def credit_note_line(cnli_id: str, amount: int, *, invoice_line_id: str | None) -> Object:
    """A credit note's line: of an invoice line, or custom."""
    return {
        "id": cnli_id,
        "object": "credit_note_line_item",
        "amount": amount,
        "description": None,
        "discount_amount": 0,
        "discount_amounts": [],
        "invoice_line_item": invoice_line_id,
        "livemode": True,
        "metadata": {},
        "pretax_credit_amounts": [],
        "quantity": None if invoice_line_id else 1,
        "tax_rates": [],
        "taxes": [],
        "type": "invoice_line_item" if invoice_line_id else "custom_line_item",
        "unit_amount": None if invoice_line_id else amount,
        "unit_amount_decimal": None if invoice_line_id else str(amount),
    }


def dispute(dp_id: str, charge: Object, at: int, amount: int, status: str) -> Object:
    """A dispute as it opens."""
    return {
        "id": dp_id,
        "object": "dispute",
        "amount": amount,
        "balance_transactions": [],
        "charge": charge["id"],
        "created": at,
        "currency": charge["currency"],
        "enhanced_eligibility_types": [],
        "evidence": {},
        "evidence_details": {
            "due_by": at + 10 * 86_400,
            "enhanced_eligibility": {},
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": True,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "payment_method_details": {
            "card": {"brand": "visa", "case_type": "chargeback", "network_reason_code": "10.4"},
            "type": "card",
        },
        "reason": "fraudulent",
        "status": status,
    }


def balance_transaction(
    txn_id: str,
    at: int,
    currency: str,
    amount: int,
    fee: int,
    *,
    kind: str,
    category: str,
    source: str | None,
    available_on: int,
    exchange_rate: float | None,
) -> Object:
    """A movement of the account's balance."""
    return {
        "id": txn_id,
        "object": "balance_transaction",
        "amount": amount,
        "available_on": available_on,
        "balance_type": "payments",
        "created": at,
        "currency": currency,
        "description": None,
        "exchange_rate": exchange_rate,
        "fee": fee,
        "fee_details": (
            [
                {
                    "amount": fee,
                    "application": None,
                    "currency": currency,
                    "description": "Stripe processing fees",
                    "type": "stripe_fee",
                }
            ]
            if fee
            else []
        ),
        "net": amount - fee,
        "reporting_category": category,
        "source": source,
        "status": "pending",
        "type": kind,
    }


def payout(po_id: str, at: int, currency: str, amount: int, arrival: int) -> Object:
    """An automatic payout on its way."""
    return {
        "id": po_id,
        "object": "payout",
        "amount": amount,
        "application_fee": None,
        "application_fee_amount": None,
        "arrival_date": arrival,
        "automatic": True,
        "balance_transaction": None,
        "created": at,
        "currency": currency,
        "description": "STRIPE PAYOUT",
        "destination": None,
        "failure_balance_transaction": None,
        "failure_code": None,
        "failure_message": None,
        "livemode": True,
        "metadata": {},
        "method": "standard",
        "original_payout": None,
        "reconciliation_status": "in_progress",
        "reversed_by": None,
        "source_type": "card",
        "statement_descriptor": None,
        "status": "in_transit",
        "trace_id": {"status": "pending", "value": None},
        "type": "bank_account",
    }
