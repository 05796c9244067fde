"""Lifetime value: of buyers who come and go unseen (BG/NBD), and of subscribers (hazards by tenure and plan).

The functions here import SciPy only when called.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import date

    import pandas as pd

    from ml.ltv.transactions import Fitted


def fit(transactions: pd.DataFrame, *, until: date | str) -> Fitted:
    """Fit any table of purchases (customer_id, date, amount); see `ml.ltv.transactions.fit`."""
    from ml.ltv.transactions import fit as fit_now

    return fit_now(transactions, until=until)
