"""Lifetime value of buyers who come and go unseen: published numbers, known parameters found again, honest intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import ml.ltv
from ml.ltv import bg_nbd, gamma_gamma
from ml.ltv.transactions import summary

# Fader, Hardie and Lee (2005), table 2: the 2,357 buyers of CDNOW, in weeks.
CDNOW = bg_nbd.BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
# Fader and Hardie, The Gamma-Gamma Model of Monetary Value (2013): the 946 of them who bought again.
CDNOW_VALUES = gamma_gamma.GammaGamma(p=6.25, q=3.74, scale=15.44)


def buyers(model: bg_nbd.BgNbd, customers: int, weeks: float, seed: int) -> pd.DataFrame:
    """Purchases after the first, one row each, simulated as the model tells the story: rate, leaving, one by one."""
    random = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        rate, leaves = random.gamma(model.r, 1 / model.alpha), random.beta(model.a, model.b)
        begun = random.uniform(0, 12)
        at = begun + random.exponential(1 / max(rate, 1e-12))
        rows.append((customer, begun, begun))
        while at < weeks:
            rows.append((customer, begun, at))
            if random.random() < leaves:
                break
            at += random.exponential(1 / rate)
    return pd.DataFrame(rows, columns=["customer_id", "begun", "at"])


def of_customers(purchases: pd.DataFrame, until: float) -> tuple[np.ndarray, ...]:
    """Frequency, recency and age of each customer, by a time."""
    known = purchases[purchases["at"] <= until].groupby("customer_id")
    begun = known["begun"].first().to_numpy()
    return (known.size() - 1).to_numpy(), known["at"].max().to_numpy() - begun, until - begun


@pytest.fixture(scope="module")
def shop() -> pd.DataFrame:
    return buyers(CDNOW, 6000, 78, seed=11)


def test_known_parameters_are_found_again(shop):
    found = bg_nbd.fit(*of_customers(shop, 39))
    past = of_customers(shop, 39)
    at_truth = bg_nbd.log_likelihood(CDNOW.r, CDNOW.alpha, CDNOW.a, CDNOW.b, *(np.asarray(p, float) for p in past)).sum()  # fmt: skip
    # as near as the data can say: twice the gain in likelihood is chi-square with 4 degrees (99.9 %: 18.5)
    assert 0 <= 2 * (found.log_likelihood - at_truth) < 18.5
    assert found.r == pytest.approx(CDNOW.r, rel=0.12)
    assert found.alpha == pytest.approx(CDNOW.alpha, rel=0.15)
    assert found.a / (found.a + found.b) == pytest.approx(CDNOW.a / (CDNOW.a + CDNOW.b), rel=0.2)


def test_the_unit_of_time_changes_nothing_but_alpha(shop):
    weeks = bg_nbd.fit(*of_customers(shop, 39))
    frequency, recency, age = of_customers(shop, 39)
    days = bg_nbd.fit(frequency, recency * 7, age * 7)
    assert days.alpha == pytest.approx(7 * weeks.alpha, rel=0.01)
    assert (days.r, days.a, days.b) == pytest.approx((weeks.r, weeks.a, weeks.b), rel=0.01)


def test_the_published_customer():
    """Two purchases, the last in week 30.43 of 38.86: 1.226 more are expected in the next 39 weeks."""
    assert CDNOW.expected_purchases(39, 2, 30.43, 38.86) == pytest.approx(1.226, abs=0.001)


def test_what_is_expected_happens(shop):
    """Of the next 39 weeks, in sum and by number of former purchases."""
    model = bg_nbd.fit(*of_customers(shop, 39))
    past = of_customers(shop, 39)
    after = of_customers(shop, 78)[0] - past[0]
    told = model.expected_purchases(39, *past)
    assert told.sum() == pytest.approx(after.sum(), rel=0.08)
    for low, high in ((0, 0), (1, 2), (3, 99)):
        chosen = (past[0] >= low) & (past[0] <= high)
        assert told[chosen].mean() == pytest.approx(after[chosen].mean(), rel=0.15)


def test_drawn_futures_have_the_exact_mean():
    past = (np.array([0, 2, 10]), np.array([0, 30.43, 20]), np.array([38.86, 38.86, 38]))
    drawn = CDNOW.simulate_future(39, *past, draws=100_000, random=np.random.default_rng(1))
    np.testing.assert_allclose(drawn.mean(axis=1), CDNOW.expected_purchases(39, *past), rtol=0.03)


def test_who_never_bought_again_counts_as_alive_and_long_silence_as_gone():
    alive = CDNOW.p_alive([0, 10, 10], [0, 38, 10], [39, 39, 39])
    assert alive[0] == 1
    assert alive[1] > 0.9
    assert alive[2] < 0.05


def test_known_values_are_found_again():
    random = np.random.default_rng(5)
    count = 1 + random.geometric(0.3, 4000)
    rate = random.gamma(CDNOW_VALUES.q, 1 / CDNOW_VALUES.scale, 4000)
    mean = random.gamma(CDNOW_VALUES.p * count, 1 / rate) / count
    found = gamma_gamma.fit(count, mean)
    # only means are seen, so p is told by little; the likelihood says whether the truth is as good (3 degrees, 99.9 %)
    at_truth = gamma_gamma.log_likelihood(
        CDNOW_VALUES.p, CDNOW_VALUES.q, CDNOW_VALUES.scale, count, mean
    ).sum()
    assert 0 <= 2 * (found.log_likelihood - at_truth) < 16.3
    assert found.q == pytest.approx(CDNOW_VALUES.q, rel=0.1)
    assert found.p * found.scale == pytest.approx(CDNOW_VALUES.p * CDNOW_VALUES.scale, rel=0.1)
    told = CDNOW_VALUES.expected_value(count, mean)
    assert told.mean() == pytest.approx(mean.mean(), rel=0.03)
    # few purchases say little: what is told lies between the seen mean and everyone's
    everyone = CDNOW_VALUES.p * CDNOW_VALUES.scale / (CDNOW_VALUES.q - 1)
    assert (np.abs(told - everyone) <= np.abs(mean - everyone) + 1e-9).all()


@pytest.fixture(scope="module")
def purchases(shop) -> pd.DataFrame:
    random = np.random.default_rng(3)
    rate = random.gamma(CDNOW_VALUES.q, 1 / CDNOW_VALUES.scale, shop["customer_id"].max() + 1)
    return pd.DataFrame(
        {
            "customer_id": shop["customer_id"],
            "date": pd.Timestamp("2024-01-01") + pd.to_timedelta((shop["at"] * 7).round(), unit="D"),
            "amount": random.gamma(CDNOW_VALUES.p, 1, len(shop)) / rate[shop["customer_id"]],
        }
    )  # fmt: skip


def test_intervals_hold_what_they_promise(purchases):
    until = pd.Timestamp("2024-01-01") + pd.Timedelta(days=39 * 7)
    told = ml.ltv.fit(purchases, until=until).predict(days=39 * 7, level=0.85, draws=400)
    later = purchases[(purchases["date"] > until) & (purchases["date"] <= until + pd.Timedelta(days=39 * 7))]  # fmt: skip
    spent = later.groupby("customer_id")["amount"].sum()
    actual = told["customer_id"].map(spent).fillna(0.0)
    assert told["expected_value"].sum() == pytest.approx(actual.sum(), rel=0.12)
    inside = actual.between(told["value_low"], told["value_high"] + 1e-9)
    # most buy nothing and are expected to: of those with something in sight the share is what was said
    open_ended = told["value_high"] > 0
    assert inside.mean() >= 0.85
    assert 0.80 <= inside[open_ended].mean() <= 0.95


def test_the_same_seed_gives_the_same_intervals(purchases):
    fitted = ml.ltv.fit(purchases.head(2000), until="2025-06-30")
    pd.testing.assert_frame_equal(fitted.predict(90, seed=4), fitted.predict(90, seed=4))


def test_what_comes_later_changes_nothing(purchases):
    until = "2024-09-01"
    garbled = purchases.assign(
        amount=purchases["amount"].where(purchases["date"] <= until, 1e9),
    )
    pd.testing.assert_frame_equal(summary(purchases, until=until), summary(garbled, until=until))


def test_summary_by_hand():
    """Two purchases of a day are one; a refund is none; the first purchase counts in no mean."""
    rows = pd.DataFrame(
        [("a", "2025-01-01 09:00", 5), ("a", "2025-01-01 18:00", 5), ("a", "2025-01-15", 30), ("a", "2025-01-22", 50),
         ("a", "2025-01-23", -20), ("b", "2025-01-08", 7), ("b", "2025-03-01", 7)],
        columns=["customer_id", "date", "amount"],
    )  # fmt: skip
    found = summary(rows, until="2025-01-29").set_index("customer_id")
    assert found.loc["a"].to_dict() == {
        "frequency": 2, "recency": 3, "age": 4, "mean_value": 40, "first_value": 10,
    }  # fmt: skip
    assert found.loc["b", ["frequency", "recency", "age"]].tolist() == [0, 0, 3]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (pd.DataFrame({"customer_id": ["a"], "date": ["2025-01-01"]}), "lack amount"),
        (pd.DataFrame({"customer_id": ["a"], "date": ["2025-01-01"], "amount": [None]}), "missing values"),
        (pd.DataFrame({"customer_id": ["a"], "date": ["2026-01-01"], "amount": [1]}), "no purchase up to 2025-06-30"),
        (pd.DataFrame({"customer_id": ["a"], "date": ["2025-01-01"], "amount": [1]}), "nobody bought twice"),
    ],
)  # fmt: skip
def test_a_table_that_says_nothing_is_told(rows, message):
    with pytest.raises(ValueError, match=message):
        ml.ltv.fit(rows, until="2025-06-30")
