"""The people: users of the product, who write to the support desk too, and its agents."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from sandbox.lifecycle import Life

_FIRST = (
    "Ada", "Ben", "Chen", "Dana", "Elif", "Femi", "Grace", "Hugo", "Ines", "Jonas", "Kaja", "Lena",
    "Mateo", "Noor", "Olga", "Pablo", "Quinn", "Rosa", "Sven", "Tara", "Uma", "Vera", "Wei", "Yuki",
)  # fmt: skip
_LAST = (
    "Abe", "Brandt", "Costa", "Diaz", "Eriksen", "Fischer",
    "Gupta", "Haas", "Ito", "Jansen", "Khan", "Lopez",
    "Meyer", "Novak", "Okafor", "Patel", "Rossi", "Sato",
    "Tran", "Usman", "Vogel", "Wang", "Young", "Zhou",
)  # fmt: skip
AGENTS = tuple(
    (9001 + n, name)
    for n, name in enumerate(("Alex Reyes", "Bo Lind", "Cam Wright", "Dee Moore", "Eli Park"))
)


@dataclass(frozen=True)
class User:
    """A person at a customer.

    Attributes:
        user_id: `usr_…` in the product.
        support_id: Number at the support desk.
        email: At the customer's domain.
        name: First and last.
        role: owner, admin or member.
        created_at: When the account got the user.
    """

    user_id: str
    support_id: int
    email: str
    name: str
    role: str
    created_at: datetime


def _number(text: str, size: int = 6) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=size).digest(), "big")


def organization_number(account_id: str) -> int:
    """Number of a customer's organisation at the support desk."""
    return 10_000_000_000 + _number(account_id) % 80_000_000_000


def users(life: Life) -> list[User]:
    """All users that an account ever gets, oldest first; the owner came with the signup."""
    account = life.account
    domain = account.email.partition("@")[2]
    found = []
    seeds = [_number(f"{account.account_id}/{n}") for n in range(life.users)]
    delays = [0, *sorted(seed // 576 % (life.users * 12 * 86_400) + 600 for seed in seeds[1:])]
    for n, seed in enumerate(seeds):
        name = f"{_FIRST[seed % 24]} {_LAST[seed // 24 % 24]}"
        found.append(
            User(
                user_id=f"usr_{account.account_id.removeprefix('acc_')}_{n}",
                support_id=organization_number(account.account_id) * 100 + n,
                email=f"{name.lower().replace(' ', '.')}.{n}@{domain}",
                name=name,
                role="owner" if n == 0 else "admin" if n == 1 else "member",
                created_at=(life.created_at or account.signup_at) + timedelta(seconds=delays[n]),
            )
        )
    return found
