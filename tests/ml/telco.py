"""A table of the public Telco churn table's shape, whose true chances of leaving are known.

The real one (7,043 customers) is not shipped. Columns, kinds of values and shares are alike: an id, Yes and No, services that
depend on each other, `TotalCharges` as text with blanks for who has just come, 0 and 1 for `SeniorCitizen`. The chances
are made up, with effects that add up and two that do not (new customers on fibre by the month; old ones on contracts).
"""

from __future__ import annotations

import numpy as np
import pandas as pd

ROWS = 7043
CONTRACTS = {"Month-to-month": (0.55, 18), "One year": (0.21, 42), "Two year": (0.24, 57)}
PAYMENTS = [
    "Electronic check",
    "Mailed check",
    "Bank transfer (automatic)",
    "Credit card (automatic)",
]
EXTRAS = {"OnlineSecurity": 0.37, "OnlineBackup": 0.44, "DeviceProtection": 0.44, "TechSupport": 0.37,
          "StreamingTV": 0.49, "StreamingMovies": 0.5}  # fmt: skip


def table(seed: int = 0) -> tuple[pd.DataFrame, pd.Series, np.ndarray]:
    """The features, who left (Yes or No), and the chance of it."""
    random = np.random.default_rng(seed)

    def yes(share: float) -> np.ndarray:
        return np.where(random.random(ROWS) < share, "Yes", "No")

    shares, means = zip(*CONTRACTS.values(), strict=True)
    contract = random.choice(list(CONTRACTS), ROWS, p=shares)
    is_monthly = contract == "Month-to-month"
    settled = random.normal([dict(zip(CONTRACTS, means, strict=True))[name] for name in contract], 16)  # fmt: skip
    tenure = np.where(is_monthly, random.exponential(18, ROWS), settled).clip(0, 72).round()
    internet = random.choice(["DSL", "Fiber optic", "No"], ROWS, p=[0.34, 0.44, 0.22])
    phone = np.where(internet == "No", "Yes", yes(0.88))
    partner = yes(0.48)
    features = pd.DataFrame(
        {
            "customerID": [f"{number:04d}-{''.join(random.choice(list('ABCDEFGHJK'), 5))}" for number in range(ROWS)],
            "gender": random.choice(["Male", "Female"], ROWS),
            "SeniorCitizen": (random.random(ROWS) < 0.16).astype(int),
            "Partner": partner,
            "Dependents": np.where(partner == "Yes", yes(0.5), yes(0.1)),
            "tenure": tenure.astype(int),
            "PhoneService": phone,
            "MultipleLines": np.where(phone == "No", "No phone service", yes(0.47)),
            "InternetService": internet,
            **{name: np.where(internet == "No", "No internet service", yes(share)) for name, share in EXTRAS.items()},
            "Contract": contract,
            "PaperlessBilling": yes(0.59),
            "PaymentMethod": random.choice(PAYMENTS, ROWS, p=[0.34, 0.23, 0.22, 0.21]),
        }
    )  # fmt: skip
    has = features.eq("Yes").astype(float)
    is_fibre = internet == "Fiber optic"
    streaming = has["StreamingTV"] + has["StreamingMovies"]
    services = has[["MultipleLines", *EXTRAS]].sum(axis=1) + streaming
    monthly = 20 * has["PhoneService"] + 25 * (internet == "DSL") + 50 * is_fibre + 5 * services
    monthly = (monthly + random.normal(0, 1, ROWS)).round(2)
    total = (monthly * tenure * random.normal(1, 0.03, ROWS)).round(2)
    features["MonthlyCharges"] = monthly
    features["TotalCharges"] = np.where(tenure == 0, " ", total.astype(str))
    odds = (
        -0.25
        + np.select([is_monthly, contract == "One year"], [0.95, -0.55], -1.7)
        - 0.62 * np.log1p(tenure)
        + np.select([is_fibre, internet == "No"], [0.95, -0.9], 0.0)
        - 0.4 * has["OnlineSecurity"]
        - 0.35 * has["TechSupport"]
        + 0.2 * streaming
        + 0.25 * features["SeniorCitizen"]
        + 0.35 * has["PaperlessBilling"]
        + 0.4 * (features["PaymentMethod"] == "Electronic check")
        - 0.2 * has["Dependents"]
        + 0.5 * (is_monthly & is_fibre & (tenure < 12))
        - 0.4 * (~is_monthly & (tenure > 48))
    )
    chance = (1 / (1 + np.exp(-odds))).to_numpy()
    left = pd.Series(np.where(random.random(ROWS) < chance, "Yes", "No"), name="Churn")
    return features, left, chance
