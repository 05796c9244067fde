"""The ordinary customers as they sign up; a pure function of the seed and their number."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from sandbox.company import FEATURES, Account, CompanyOptions

INDUSTRIES = (
    "fintech", "healthcare", "retail", "gaming", "logistics", "education",
    "media", "manufacturing", "security", "robotics", "research", "energy",
)  # fmt: skip
_PLACES = (
    # country, its currency, share
    ("US", "USD", 0.40), ("CA", "USD", 0.07),
    ("IN", "USD", 0.06), ("BR", "USD", 0.04), ("AU", "USD", 0.04),
    ("DE", "EUR", 0.10), ("FR", "EUR", 0.06),
    ("NL", "EUR", 0.04), ("ES", "EUR", 0.03), ("GB", "GBP", 0.10),
    ("JP", "JPY", 0.05), ("KW", "KWD", 0.01),
)  # fmt: skip
_HEADS = (
    "Acorn", "Birch", "Cobalt", "Delta", "Ember",
    "Fjord", "Granite", "Harbor", "Indigo", "Juniper", "Kestrel",
    "Lumen", "Maple", "Nimbus", "Onyx", "Prairie",
    "Quartz", "Raven", "Summit", "Tidal", "Umber", "Vector",
    "Willow", "Xenon", "Yarrow", "Zephyr", "Bright", "Clear", "North", "Silver", "Copper", "Amber",
)  # fmt: skip
_TAILS = (
    "AI", "Analytics", "Robotics", "Labs", "Health",
    "Pay", "Games", "Freight", "Learning", "Media", "Works",
    "Secure", "Research", "Energy", "Systems", "Vision", "Studio", "Cloud", "Bio", "Motion",
)  # fmt: skip
_REGIONS = {
    "US": "us-east-1", "CA": "us-east-1", "BR": "us-east-1", "IN": "ap-south-1", "AU": "ap-south-1",
    "JP": "ap-northeast-1", "KW": "eu-central-1",
}  # fmt: skip

# How customers begin: on the free plan for good (nearly), free and then paid, paid from the first
# hour, with a trial.
_BEGINNINGS = (("free", 0.14), ("free_then_paid", 0.34), ("direct", 0.32), ("trial", 0.20))


@dataclass(frozen=True)
class Person:
    """An account with the traits that the simulation gives it and no source shows.

    Attributes:
        index: Number in order of signup; keys its random streams.
        account: The account.
        plan: Tier that it wants to pay for.
        beginning: free, free_then_paid, direct or trial.
        fit: How well the product fits its work: where its engagement settles.
        patience: Where its satisfaction settles.
        usage_factor: Its calls beside those of others like it.
        seats: Seats wanted at first.
        annual: Pays by the year.
        threshold: Leaves when its cumulated hazard crosses this.
        activates_after: From signup to the first call; None: never.
        tastes: Weight of each feature in its calls.
        eagerness: Delay in weeks before it takes up each feature.
    """

    index: int
    account: Account
    plan: str
    beginning: str
    fit: float
    patience: float
    usage_factor: float
    seats: int
    annual: bool
    threshold: float
    activates_after: timedelta | None
    tastes: np.ndarray
    eagerness: np.ndarray


def account_id(seed: int, index: int) -> str:
    """`acc_` and ten hexadecimal digits."""
    return "acc_" + hashlib.blake2b(f"{seed}:{index}".encode(), digest_size=5).hexdigest()


def region(country: str) -> str:
    """The data centre that serves a country."""
    return _REGIONS.get(country, "eu-central-1")


def _signup_at(options: CompanyOptions, ordinary: int, index: int, within: float) -> datetime:
    """A quarter waited for the launch; others come at a slowly rising rate, after the base span too."""
    span = (options.base_end - options.start_at) / timedelta(seconds=1)
    if index < ordinary:
        x = (index + within) / ordinary
        share = 0.08 * x / 0.25 if x < 0.25 else 0.08 + 0.92 * ((x - 0.25) / 0.75) ** 0.9
        seconds = span * share
    else:
        seconds = span + span * 0.92 * 0.9 / (0.75 * ordinary) * (index - ordinary + within)
    at = options.start_at + timedelta(seconds=int(seconds))
    # Nobody signs up at the same second as another, and most do at office hours.
    return at.replace(microsecond=0)


def person(options: CompanyOptions, ordinary: int, index: int) -> Person:
    """The ordinary customer number `index`.

    Args:
        options: The company.
        ordinary: How many ordinary customers have signed up by the end of the base span.
        index: From 0; numbers beyond `ordinary` sign up later.
    """
    rng = np.random.default_rng([options.seed, 11, index])
    u = rng.random(24)
    normal = rng.standard_normal(6)
    signup_at = _signup_at(options, ordinary, index, float(u[0]))
    shares = np.cumsum([share for *_, share in _PLACES])
    country, currency, _ = _PLACES[min(int(np.searchsorted(shares, u[1])), len(_PLACES) - 1)]
    size = max(1, int(np.exp(3.1 + 1.5 * normal[0])))
    # Bigger companies buy bigger plans, with exceptions.
    score = np.log(size) + 0.9 * normal[1]
    plan = "Developer" if score < 3.0 else "Team" if score < 4.9 else "Enterprise"
    beginnings = np.cumsum([share for _, share in _BEGINNINGS])
    beginning = _BEGINNINGS[min(int(np.searchsorted(beginnings, u[2])), len(_BEGINNINGS) - 1)][0]
    if plan == "Enterprise" and beginning == "free":
        beginning = "free_then_paid"
    seats = {
        "Developer": 1,
        "Team": 3 + int(min(size, 200) ** 0.5 * (0.4 + u[3])),
        "Enterprise": 15 + int(min(size, 3000) ** 0.6 * (0.4 + u[3])),
    }[plan]
    annual = bool(u[4] < {"Developer": 0.06, "Team": 0.10, "Enterprise": 0.22}[plan])
    fit = 0.15 + 0.75 * float(normal[2])
    activates: timedelta | None = timedelta(hours=float(np.exp(1.2 + 1.8 * normal[3])))
    if u[5] < 0.06:
        activates, beginning = None, "free"
    name = f"{_HEADS[int(u[6] * len(_HEADS))]} {_TAILS[int(u[7] * len(_TAILS))]}"
    # Names repeat in a large company, as they do; domains don't.
    domain = f"{name.lower().replace(' ', '-')}-{index}.example"
    account = Account(
        account_id=account_id(options.seed, index),
        name=name,
        email=f"billing@{domain}",
        country=country,
        industry=INDUSTRIES[int(u[8] * len(INDUSTRIES))],
        tier=plan if beginning in {"direct", "trial"} else "Free",
        currency=currency,
        signup_at=signup_at,
        company_size=size,
    )
    # Thresholds are spread evenly over the customers (golden ratio), so that chance does little to
    # the totals.
    spread = (0.5 + (index + 1) * 0.6180339887498949 + options.seed * 0.7548776662466927) % 1.0
    return Person(
        index=index,
        account=account,
        plan=plan,
        beginning=beginning,
        fit=fit,
        patience=0.3 + 0.5 * float(normal[4]),
        usage_factor=float(np.exp(0.6 * normal[5])),
        seats=seats,
        annual=annual,
        threshold=float(-np.log(1 - spread * 0.9999)),
        activates_after=activates,
        tastes=rng.gamma(0.8, 1.0, len(FEATURES)) + 0.05,
        eagerness=rng.exponential(14.0, len(FEATURES)) * np.exp(-0.5 * fit) - 4.0,
    )
