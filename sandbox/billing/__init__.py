"""A small simulator of Stripe Billing, with the true MRR, movements and revenue of what it did.

Run: `simulate(accounts_with_actions, start=…, now=…, seed=…)`.
"""

from sandbox.billing.world import BillingWorld, simulate

__all__ = ["BillingWorld", "simulate"]
