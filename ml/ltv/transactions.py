"""Lifetime value from a plain table of purchases: BG/NBD for how many, Gamma-Gamma for what they are worth.

For customers who buy when they like and leave unseen. Subscribers say when they leave: `ml.ltv.subscriptions`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from ml.ltv import bg_nbd, gamma_gamma

COLUMNS = ("customer_id", "date", "amount")
DAYS_OF_UNIT = 7.0  # weeks, as in the papers
LEVEL = 0.85
DRAWS = 1000
CHUNK = 20_000  # customers whose draws are held in memory at a time


@dataclass(frozen=True)
class Fitted:
    """Both models and what they were fitted on.

    Attributes:
        purchases: BG/NBD, in weeks.
        values: Gamma-Gamma, in the unit of `amount`; None where too few bought again, or worth has no mean (q <= 1):
            then every purchase is taken to be worth `mean_value`.
        customers: One row each: customer_id, frequency, recency and age (weeks), mean_value.
        mean_value: Mean of all purchases.
        until: Last day known.
    """

    purchases: bg_nbd.BgNbd
    values: gamma_gamma.GammaGamma | None
    customers: pd.DataFrame
    mean_value: float
    until: date

    def predict(
        self, days: int = 365, *, level: float = LEVEL, seed: int = 0, draws: int = DRAWS
    ) -> pd.DataFrame:
        """What each customer will buy in the `days` after `until`.

        Args:
            days: Horizon.
            level: Share of a customer's possible futures that lie inside low and high.
            seed: Of the simulation that gives the intervals; means are exact.
            draws: Futures per customer.

        Returns:
            DataFrame: customer_id, p_alive, expected_purchases, purchases_low, purchases_high, expected_value,
            value_low, value_high.
        """
        time = days / DAYS_OF_UNIT
        rows = self.customers
        past = tuple(rows[name].to_numpy() for name in ("frequency", "recency", "age"))
        expected = self.purchases.expected_purchases(time, *past)
        seen, mean = rows["frequency"].to_numpy(), rows["mean_value"].fillna(0.0).to_numpy()
        worth = (
            np.full(len(rows), self.mean_value)
            if self.values is None
            else self.values.expected_value(seen, mean)
        )
        random = np.random.default_rng(seed)
        edges = [0.5 - level / 2, 0.5 + level / 2]
        counts, sums = [], []
        for start in range(0, len(rows), CHUNK):
            part = slice(start, start + CHUNK)
            drawn = self.purchases.simulate_future(
                time, *(each[part] for each in past), draws=draws, random=random
            )
            money = (
                drawn * self.mean_value
                if self.values is None
                else self.values.simulate_sums(drawn, seen[part], mean[part], random=random)
            )
            counts.append(np.quantile(drawn, edges, axis=1, method="inverted_cdf"))
            sums.append(np.quantile(money, edges, axis=1))
        count, money = np.concatenate(counts, axis=1), np.concatenate(sums, axis=1)
        return pd.DataFrame(
            {
                "customer_id": rows["customer_id"],
                "p_alive": self.purchases.p_alive(*past),
                "expected_purchases": expected,
                "purchases_low": count[0],
                "purchases_high": count[1],
                "expected_value": expected * worth,
                "value_low": money[0],
                "value_high": money[1],
            }
        )


def fit(transactions: pd.DataFrame, *, until: date | str) -> Fitted:
    """Fit both models on purchases up to a day.

    Args:
        transactions: customer_id, date, amount; one row per purchase. Later ones are left out, and so are amounts that
            aren't above 0 (a refund is no purchase). What a customer buys on one day is one purchase.
        until: Last day that is known, included.

    Raises:
        ValueError: A column or a value is missing, or nobody bought on two days.
    """
    customers = summary(transactions, until=until)
    again = customers[customers["frequency"] > 0]
    past = (customers[name].to_numpy() for name in ("frequency", "recency", "age"))
    purchases = bg_nbd.fit(*past)
    values = None
    if len(again) >= 2 and again["mean_value"].nunique() > 1:
        values = gamma_gamma.fit(again["frequency"], again["mean_value"])
        values = values if values.q > 1 else None
    return Fitted(
        purchases=purchases,
        values=values,
        customers=customers.drop(columns="first_value"),
        mean_value=float(
            (customers["first_value"] + (customers["frequency"] * customers["mean_value"]).fillna(0)).sum()
            / (customers["frequency"] + 1).sum()
        ),
        until=pd.Timestamp(until).date(),
    )  # fmt: skip


def summary(transactions: pd.DataFrame, *, until: date | str) -> pd.DataFrame:
    """One row per customer: customer_id, frequency, recency, age (weeks), mean_value, first_value.

    `mean_value` is that of the purchases after the first, missing where there is none.
    """
    missing = [name for name in COLUMNS if name not in transactions.columns]
    if missing:
        raise ValueError(f"transactions lack {', '.join(missing)}: need {', '.join(COLUMNS)}")
    known = transactions[list(COLUMNS)]
    if known.isna().any().any():
        raise ValueError("transactions hold missing values: drop or fill them first")
    known = known.assign(
        date=pd.to_datetime(known["date"], format="ISO8601").dt.normalize(),
        amount=known["amount"].astype(float),
    )
    end = pd.Timestamp(until).normalize()
    known = known[(known["date"] <= end) & (known["amount"] > 0)]
    if known.empty:
        raise ValueError(f"no purchase up to {end:%Y-%m-%d}")
    days = known.groupby(["customer_id", "date"], as_index=False)["amount"].sum()
    days["is_first"] = ~days["customer_id"].duplicated()
    by_customer = days.groupby("customer_id")
    first, last = by_customer["date"].min(), by_customer["date"].max()
    later = days[~days["is_first"]].groupby("customer_id")["amount"]
    return pd.DataFrame(
        {
            "frequency": by_customer.size() - 1,
            "recency": (last - first).dt.days / DAYS_OF_UNIT,
            "age": (end - first).dt.days / DAYS_OF_UNIT,
            "mean_value": later.mean(),
            "first_value": days[days["is_first"]].set_index("customer_id")["amount"],
        }
    ).reset_index()
