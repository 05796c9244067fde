"""The default company behaves as promised: it loses 3-6 % of its payers a month, and the hazard knows which."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from sandbox.company import CompanyOptions
from sandbox.hazard import month_starts, probability_30d
from sandbox.lifecycle import add_months, leaving_odds
from sandbox.simulation import Company, simulate

THIRTY_DAYS = timedelta(days=30)


@cache
def default_company() -> Company:
    options = CompanyOptions(calls=0)
    return simulate(options, options.base_end)


def falls(company: Company) -> dict[str, list[datetime]]:
    """When each customer's MRR fell to 0, as billing has it."""
    found: dict[str, list[datetime]] = {}
    for customer, at, _ in company.billing.truth_churned:
        found.setdefault(customer, []).append(at)
    return found


def test_between_three_and_six_percent_of_the_payers_leave_in_a_month():
    company = default_company()
    left, paid, monthly = 0, 0, []
    gone = falls(company)
    for at in month_starts(company.options, company.now - THIRTY_DAYS):
        following = add_months(at, 1)
        payers = [
            life.account.account_id
            for life in company.lives
            if company.billing.paying(life.account.account_id, at)
        ]
        leavers = [
            name for name in payers if any(at <= when < following for when in gone.get(name, []))
        ]
        left, paid = left + len(leavers), paid + len(payers)
        monthly.append(len(leavers) / len(payers))
    assert len(monthly) == 16
    assert 0.03 <= left / paid <= 0.06
    assert 0.03 <= float(np.mean(monthly)) <= 0.06


@pytest.mark.parametrize("with_those_who_have_asked", [True, False])
def test_the_hazard_ranks_who_leaves_within_thirty_days(with_those_who_have_asked):
    company = default_company()
    gone = falls(company)
    chances, outcomes = [], []
    for at in month_starts(company.options, company.now - THIRTY_DAYS):
        for life in company.lives:
            if life.person is None:
                continue
            chance = probability_30d(company.options, life, at)
            if chance is None or (chance == 1.0 and not with_those_who_have_asked):
                continue
            name = life.account.account_id
            chances.append(chance)
            outcomes.append(any(at <= when <= at + THIRTY_DAYS for when in gone.get(name, [])))
    assert len(chances) > 2000
    assert 0.80 <= roc_auc_score(outcomes, chances) <= 0.88
    # Calibrated: the chances add up to about as many as left.
    assert sum(chances) == pytest.approx(sum(outcomes), rel=0.2)


def test_who_pays_by_the_simulation_pays_at_stripe():
    company = default_company()
    at = add_months(company.options.start_at, 12)
    for life in company.lives:
        if life.person is not None:
            simulated = probability_30d(company.options, life, at) is not None
            name = life.account.account_id
            assert company.billing.paying(name, at) == simulated, name


def test_tiers_and_currencies_are_a_mix():
    company = default_company()
    tiers = Counter(life.tier_at(company.now) for life in company.lives)
    assert set(tiers) == {"Free", "Developer", "Team", "Enterprise"}
    assert min(tiers.values()) >= 20
    currencies = Counter(currency for _, _, currency, _ in company.billing.truth_mrr)
    assert {"USD", "EUR", "GBP", "JPY", "KWD"} <= set(currencies)


def test_people_do_more_than_come_and_go():
    company = default_company()
    kinds = Counter(kind for _, _, kind, _, _ in company.billing.truth_movements)
    assert min(kinds[kind] for kind in ("new", "expansion", "contraction", "churn")) >= 40
    assert kinds["reactivation"] >= 5
    reasons = Counter(reason for *_, reason in company.billing.truth_churned)
    assert reasons["involuntary"] >= 5


def test_odds_follow_what_can_be_seen():
    calm = {
        "engagement": 0.5, "satisfaction": 0.5, "open_tickets": 0, "trend": 0.0,
        "tenure_months": 6.0, "tier": "Team", "failed_lately": False, "annual": False,
        "renewal": True,
    }  # fmt: skip
    usual = leaving_odds(**calm)
    for worse in (
        {"engagement": -1.0}, {"satisfaction": -1.0}, {"open_tickets": 2}, {"trend": -0.8},
        {"tenure_months": 1.0}, {"tier": "Developer"}, {"failed_lately": True},
    ):  # fmt: skip
        assert leaving_odds(**calm | worse) > usual
    assert leaving_odds(**calm | {"annual": True, "renewal": False}) < usual / 10


def test_renewals_keep_to_the_day_of_the_month():
    anchor = datetime(2024, 1, 31, 12, tzinfo=UTC)
    days = [add_months(anchor, n).day for n in range(4)]
    assert days == [31, 29, 31, 30]
    assert add_months(anchor, 12) == datetime(2025, 1, 31, 12, tzinfo=UTC)
