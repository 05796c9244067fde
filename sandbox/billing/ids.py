"""Identifiers in Stripe's look, made from what they name, so that they are the same in every run.

Run: called by the simulation.
"""

from __future__ import annotations

from hashlib import blake2b

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
# Stripe's customers, products and coupons' discounts have 14 characters, the younger kinds 24 that
# begin with 1.
_SHORT = {"cus", "prod", "mbur"}


def stripe_id(prefix: str, *parts: object) -> str:
    """Make the id of the object that the parts name.

    Args:
        prefix: `cus`, `sub`, `in`, …
        *parts: What makes the object unique; the first is the company's seed.

    Returns:
        For example `sub_1Kx0…`; always the same for the same parts.
    """
    digest = blake2b("\x1f".join(map(str, parts)).encode(), digest_size=20, person=prefix.encode())
    number = int.from_bytes(digest.digest(), "big")
    characters = []
    for _ in range(14 if prefix in _SHORT else 23):
        number, at = divmod(number, 62)
        characters.append(_ALPHABET[at])
    text = "".join(characters)
    return f"{prefix}_{text}" if prefix in _SHORT else f"{prefix}_1{text}"
