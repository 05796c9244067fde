"""The odd customers whose oddity isn't in their billing, and the lives of all odd ones.

Odd customers are scripted: no hazard, an even level of usage, a few tickets. Those with odd billing
come from `sandbox.oddities`; `sandbox/README.md` describes each.
"""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta

import numpy as np

from sandbox.company import Account, BillingAction, CompanyOptions
from sandbox.lifecycle import WEEK, Life, add_months
from sandbox.tickets import open_ticket

Scripted = list[tuple[Account, list[BillingAction]]]


def strangers(options: CompanyOptions) -> tuple[Scripted, dict[str, datetime]]:
    """Accounts with their billing, and for some of them when the product gets to know them."""
    start, end = options.start_at, options.base_end

    def account(name: str, company: str, signup_at: datetime, tier: str, **more: object) -> Account:
        values = {
            "email": f"billing@{name.replace('_', '-')}.example",
            "country": "US", "industry": "research",
            "currency": "USD", "company_size": 8, "users": 2, "calls_per_day": 2.5,
        } | more  # fmt: skip
        return Account(f"acc_odd_{name}", company, tier=tier, signup_at=signup_at, **values)

    third = add_months(start, 2) + timedelta(days=4, hours=9)
    twins = [
        account(
            f"twin_{letter}", f"Twin {letter.upper()}", third + timedelta(hours=n), "Developer",
            email="office@twins.example", note="two customers with one e-mail",
        )
        for n, letter in enumerate("ab")
    ]  # fmt: skip
    silent = account(
        "silent", "Silent Partner", third + timedelta(days=3), "Free",
        users=0, silent=True, note="a customer without any activity",
    )  # fmt: skip
    early = account(
        "early_usage", "Early Bird", add_months(start, 3) + timedelta(days=7, hours=10), "Free",
        note="its usage came five days before its account",
    )  # fmt: skip
    in_flight = account(
        "in_flight", "In Flight", end - timedelta(days=6, hours=13), "Free", calls_per_day=12.0,
        note="at the end of the base span its usage is known, its account isn't yet",
    )  # fmt: skip
    ghost = account(
        "ghost", "", add_months(start, 1), "Free",
        users=0, in_product=False, calls_per_day=1.5, note="usage of a customer nobody knows",
    )  # fmt: skip
    found: Scripted = [
        (twin, [BillingAction(
            twin.signup_at + timedelta(minutes=30),
            "subscribe",
            {"key": "main", "items": [{"price": "developer_month_usd", "quantity": 1}]},
        )])
        for twin in twins
    ]  # fmt: skip
    found += [(silent, []), (early, []), (in_flight, []), (ghost, [])]
    joined = add_months(start, 1) + timedelta(days=9, hours=8)
    left = add_months(joined, 4) - timedelta(days=3)
    closed = account(
        "closed", "Closed Shop", joined, "Developer",
        deleted_at=left + timedelta(days=1), note="left, and its account was deleted",
    )  # fmt: skip
    plan = {"key": "main", "items": [{"price": "developer_month_usd", "quantity": 1}]}
    found.append(
        (
            closed,
            [
                BillingAction(joined + timedelta(minutes=20), "subscribe", plan),
                BillingAction(left, "cancel_now", {"key": "main", "reason": "voluntary"}),
            ],
        )
    )
    known_from = {
        early.account_id: early.signup_at + timedelta(days=5),
        in_flight.account_id: end + timedelta(days=1, hours=12),
    }
    return found, known_from


def scripted_life(
    options: CompanyOptions,
    account: Account,
    actions: list[BillingAction],
    created_at: datetime | None,
    last_week: int,
) -> Life:
    """The life of an odd customer: even, with a ticket now and then.

    Args:
        options: The company.
        account: Who.
        actions: Its billing, as scripted.
        created_at: When the product's database knows it, if later than its signup.
        last_week: Number of the last week to live through.
    """
    start = options.start_at
    first = int((account.signup_at - start) / WEEK)
    weeks = max(1, last_week - first + 1)
    key = int.from_bytes(
        hashlib.blake2b(account.account_id.encode(), digest_size=4).digest(), "big"
    )
    life = Life(account, key, first, actions=actions, users=account.users, created_at=created_at)
    life.engagement = [0.3] * weeks
    life.satisfaction = [0.3] * weeks
    life.level = [account.calls_per_day] * weeks
    life.tiers = [account.tier] * weeks
    life.seats = [1] * weeks
    if account.silent:
        return life
    life.active_from = account.signup_at + timedelta(hours=2)
    if account.in_product and account.users > 0:
        chances = np.random.default_rng([options.seed, 16, key]).random((weeks, 2)).tolist()
        for n, (chance, within) in enumerate(chances):
            at = (start + (first + n + within) * WEEK).replace(microsecond=0)
            known = max(account.signup_at, created_at or account.signup_at)
            if (
                chance < 0.03
                and at > known
                and (account.deleted_at is None or at < account.deleted_at)
            ):
                ticket_key = [options.seed, 17, key, first + n]
                life.tickets.append(
                    open_ticket(ticket_key, account.account_id, at, 0.3, incident=False)
                )
    return life


def silent_from(account: Account, actions: list[BillingAction]) -> datetime | None:
    """When an odd customer's calls end: deleted, or two days after it left for good."""
    ends = [account.deleted_at] if account.deleted_at is not None else []
    last: datetime | None = None
    for action in sorted(actions, key=lambda action: action.at):
        if action.kind in {"cancel_now", "delete_customer"}:
            last = action.at + timedelta(days=2)
        elif action.kind == "subscribe":
            last = None
    if last is not None:
        ends.append(last)
    return min(ends) if ends else None
