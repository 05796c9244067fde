"""The whole company at an instant: everybody's life, the calls they make, the bills they get.

A pure function of options and instant: what is before an instant doesn't depend on how far the
simulation goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING

import numpy as np

from sandbox import billing, oddities
from sandbox.company import CURRENCY_EXPONENTS, Account, BillingAction, CompanyOptions
from sandbox.inputs import usd_rates
from sandbox.lifecycle import WEEK, Life, live
from sandbox.people import person
from sandbox.strangers import scripted_life, silent_from, strangers
from sandbox.usage import DAY, Usage

if TYPE_CHECKING:
    from sandbox.billing import BillingWorld

CALLS_PER_UNIT = 100


@dataclass(frozen=True)
class Company:
    """The company just before an instant.

    Attributes:
        options: What it is made from.
        now: The instant.
        lives: All customers that have signed up, the odd ones included.
        usage: Their calls.
        billing: Stripe's view of them, and its truth.
    """

    options: CompanyOptions
    now: datetime
    lives: list[Life]
    usage: Usage
    billing: BillingWorld


def population(
    options: CompanyOptions, now: datetime
) -> tuple[list[Life], dict[str, list[BillingAction]]]:
    """Everybody who has signed up before `now`, and the scripts of the odd ones.

    The odd customers are among the `options.customers`, unless the company is too small for that.
    """
    last_week = int((max(now, options.base_end) - options.start_at) / WEEK)
    strange, known_from = strangers(options)
    at_base = [
        account
        for account, _ in [*strange, *oddities.odd_customers(options.start_at, options.base_end)]
    ]
    odd = sum(
        account.in_product
        and known_from.get(account.account_id, account.signup_at) < options.base_end
        for account in at_base
    )
    ordinary = max(options.customers // 2, options.customers - odd)
    lives: list[Life] = []
    for index in count():
        somebody = person(options, ordinary, index)
        if somebody.account.signup_at >= max(now, options.base_end):
            break
        lives.append(live(options, somebody, last_week))
    scripts: dict[str, list[BillingAction]] = {}
    for account, actions in [*strange, *oddities.odd_customers(options.start_at, now)]:
        scripts[account.account_id] = actions
        lives.append(
            scripted_life(options, account, actions, known_from.get(account.account_id), last_week)
        )
    return lives, scripts


def simulate(options: CompanyOptions, now: datetime) -> Company:
    """Simulate the company up to an instant; `Usage.files` makes the files, day by day.

    Args:
        options: The company.
        now: The end, exclusive; midnight UTC.
    """
    lives, scripts = population(options, now)
    days = int((now - options.start_at) / DAY)
    usage = Usage(options, lives, _scripted_usage(lives, scripts), days)
    metered = _metered(usage, lives, days)
    lives = [life for life in lives if life.account.signup_at < now]
    accounts: list[tuple[Account, list[BillingAction]]] = []
    for life in lives:
        actions = [*life.actions, *metered.get(life.account.account_id, [])]
        due = sorted(
            (action for action in actions if action.at < now), key=lambda action: action.at
        )
        if due:
            accounts.append((life.account, due))
    world = billing.simulate(
        accounts,
        start=options.start_at,
        now=now,
        seed=options.seed,
        rates=minor_rates(options, now),
    )
    return Company(options, now, lives, usage, world)


def minor_rates(options: CompanyOptions, now: datetime) -> Callable[[str, int], Decimal]:
    """US cents for one minor unit of a currency on the day of an instant."""
    days = (now - options.start_at).days + 1
    table = usd_rates(options.seed, options.start, days)

    def rate(currency: str, at: int) -> Decimal:
        day = datetime.fromtimestamp(at, tz=UTC).date()
        return table[day, currency].scaleb(2 - CURRENCY_EXPONENTS[currency])

    return rate


def _scripted_usage(
    lives: list[Life], scripts: dict[str, list[BillingAction]]
) -> dict[str, tuple[float, datetime, datetime | None]]:
    found = {}
    for life in lives:
        account = life.account
        # Stripe customers that the product doesn't know make no calls; the ghost does, of course.
        if account.account_id in scripts and life.active_from is not None:
            level = (
                account.calls_per_day
                if account.in_product or account.account_id == "acc_odd_ghost"
                else 0.0
            )
            found[account.account_id] = (
                level,
                life.active_from,
                silent_from(account, scripts[account.account_id]),
            )
    return found


def _metered(usage: Usage, lives: list[Life], days: int) -> dict[str, list[BillingAction]]:
    """Usage that is billed: at the end of each period, the calls of its whole days, in hundreds."""
    if not any(life.metered for life in lives):
        return {}
    calls = (
        np.array([usage.counts(day)[0] for day in range(days)])
        .reshape(days, len(usage.ids))
        .cumsum(axis=0)
    )
    start = usage.options.start_at
    found: dict[str, list[BillingAction]] = {}
    for life in lives:
        column = usage.column.get(life.account.account_id)
        for key, price, since, until in life.metered:
            first, last = int((since - start) / DAY), int((until - start) / DAY)
            if column is None or last >= days:
                continue
            total = int(calls[last - 1, column]) - (int(calls[first - 1, column]) if first else 0)
            if total > 0:
                params = {"key": key, "price": price, "quantity": -(-total // CALLS_PER_UNIT)}
                found.setdefault(life.account.account_id, []).append(
                    BillingAction(until - DAY / 24, "report_usage", params)
                )
    return found
