"""Lifetime value of subscribers: hazards found again, futures that add up, rows as promised."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest
import yaml

import ml
from ml import registry
from ml.churn import labels
from ml.ltv import futures, hazards, panel, subscriptions
from tests.ml import company
from warehouse.duck import connect
from warehouse.settings import PROJECT_ROOT

LTV = "select * from ml.customer_ltv order by as_of_date, customer_id"
COHORTS = "select * from ml.cohort_ltv order by as_of_date, cohort_month"
STEADY = futures.Changes((), np.ones((1, 1)))


def constant(share: float, *, seen: float = 1e9) -> hazards.Hazards:
    """Everyone leaves at the same rate, known beyond doubt."""
    shape = (2, len(hazards.CLASSES), len(hazards.BANDS))
    return hazards.Hazards(("Team",), np.full(shape, share * seen), np.full(shape, seen))


def payers(count: int = 1, **changes) -> pd.DataFrame:
    row = {"tier": "Team", "tenure_days": 100.0, "period_days": 30.0, "days_to_renewal": 10.0, "is_end_set": False,
           "churn_probability": np.nan, "monthly_value": 100.0}  # fmt: skip
    return pd.DataFrame([row | changes] * count)


def test_at_a_constant_rate_the_value_is_the_geometric_sum():
    """10 % leave in each 30 days, in their middle: 95 % of a period is paid, then 90 % of that, and so on."""
    told = futures.simulate(payers(), constant(0.1), STEADY, seed=1)
    periods = futures.HORIZON_DAYS / 30
    month = 12 * 30 / 365
    assert told.value[0] == pytest.approx(100 * month * 0.95 * (1 - 0.9**periods) / 0.1, rel=1e-3)
    assert told.survival_12m[0] == pytest.approx(0.9 ** (365 / 30), rel=0.005)
    assert told.lifetime_months[0] == pytest.approx(told.value[0] / 100)


def test_drawn_futures_have_the_exact_mean():
    told = futures.simulate(payers(400), constant(0.05), STEADY, seed=1)
    assert told.drawn.mean() == pytest.approx(told.value.mean(), rel=0.02)
    assert told.drawn_12m.mean() == pytest.approx(told.value_12m.mean(), rel=0.02)


def test_who_has_set_an_end_brings_half_a_period():
    told = futures.simulate(payers(is_end_set=True), constant(0.05), STEADY, seed=1)
    assert told.value[0] == pytest.approx(100 * 12 * 30 / 365 / 2)
    assert (told.drawn == told.value[0]).all()


def test_a_year_is_renewed_once_a_year():
    """Nobody leaves but at the renewal, in 100 days and a year later: half each time."""
    model = constant(1e-6)
    model.left[:, 1] = 0.5 * model.seen[:, 1]
    yearly = payers(period_days=365.0, days_to_renewal=100.0)
    told = futures.simulate(yearly, model, STEADY, seed=1)
    assert told.survival_12m[0] == pytest.approx(0.5, abs=0.001)
    # periods 3, 15, 27, 40, 52 of 30 days hold a renewal: 3.5 periods in full, then half as many each time
    assert told.value[0] == pytest.approx(
        100 * 12 * 30 / 365 * (3.5 + 0.5 * 12 + 0.25 * 12 + 0.125 * 13 + 0.0625 * 12 + (1825 / 30 - 52.5) / 32),
        rel=0.01,
    )  # fmt: skip


def test_a_bad_score_lowers_the_value_and_fades():
    usual, worse, better = (
        futures.simulate(payers(churn_probability=score), constant(0.05), STEADY, seed=1)
        for score in (0.05, 0.5, 0.005)
    )
    assert worse.value[0] < usual.value[0] < better.value[0]
    alone = futures.simulate(payers(), constant(0.05), STEADY, seed=1)
    assert usual.value[0] == pytest.approx(alone.value[0], rel=1e-6)
    # of those who outlive the risky time as many stay as of others
    late = (1 - 0.05) ** 12
    assert worse.value[0] > 0.5 * usual.value[0] * late


def test_the_interval_widens_where_little_is_known():
    rows = payers(200)
    wide, narrow = (
        futures.interval(futures.simulate(rows, constant(0.05, seen=seen), STEADY, seed=1).drawn.sum(axis=0))
        for seen in (40, 1e9)
    )  # fmt: skip
    assert wide[1] - wide[0] > 2 * (narrow[1] - narrow[0])


def test_shares_are_counted_by_hand_and_small_cells_lean_on_the_rest():
    cell = {"tenure_days": 10.0, "period_days": 30.0, "days_to_renewal": 5.0}
    rows = [{"tier": "Team", "churns": n < 30, **cell} for n in range(300)]
    rows += [{"tier": "Enterprise", "churns": True, **cell}]
    found = hazards.fit(pd.DataFrame(rows))
    assert found.tiers == ("Enterprise", "Team")
    everyone = (31 + 60 * (31 + 1) / (301 + 20)) / (301 + 60)
    assert found.mean[1, 0, 0] == pytest.approx((30 + 60 * everyone) / 360)
    # one leaver of one says little: a good deal nearer to the rest than to 1
    assert everyone < found.mean[0, 0, 0] < everyone + 0.02


@pytest.mark.parametrize(
    ("period", "due", "offset", "kind"),
    [(30, 5, 0, 0), (365, 5, 0, 1), (365, 29.9, 0, 1), (365, 30, 0, 2), (365, 30, 30, 1), (365, 5, 360, 1),
     (365, 5, 330, 2), (365, -1, 0, 2), (np.nan, np.nan, 0, 0), (90, 5, 0, 0), (184, 5, 0, 1)],
)  # fmt: skip
def test_renewal_class(period, due, offset, kind):
    assert hazards.renewal_class([period], [due], offset=offset) == [kind]


PAID = ["customer_id", "as_of", "tier", "mrr_reporting_minor"]


def test_changes_are_those_of_money_not_of_customers():
    """One pays 900 and then 1800, nine pay 100 and stay: 1800 become 2700, and half of the money has not changed."""
    at = pd.Timestamp("2025-01-01")
    rows = [(f"c{n}", at + timedelta(days=30 * k), "Team", 100.0 if n else 900.0 * (1 + k)) for n in range(10) for k in (0, 1)]  # fmt: skip
    found = futures.changes(pd.DataFrame(rows, columns=PAID))
    assert found.mean == pytest.approx([1.5])
    assert np.unique(found.ratios).tolist() == [1.0, 2.0]
    assert futures.changes(pd.DataFrame(rows[:1], columns=PAID)).mean == [1.0]


def test_a_tier_that_was_seen_enough_changes_in_its_own_way():
    at = pd.Timestamp("2025-01-01")
    rows = [(f"{tier}{n}", at + timedelta(days=30 * k), tier, 100.0 * ratio**k)
            for tier, ratio, count in (("Team", 1.1, futures.LEAST_CHANGES), ("Enterprise", 0.9, 50))
            for n in range(count) for k in (0, 1)]  # fmt: skip
    found = futures.changes(pd.DataFrame(rows, columns=PAID))
    assert found.tiers == ("Team",)
    assert found.mean == pytest.approx([1.1, (200 * 1.1 + 50 * 0.9) / 250])
    both = pd.concat([payers(tier="Team"), payers(tier="Enterprise")], ignore_index=True)
    told = futures.simulate(both, constant(1e-4), found, seed=1)
    assert told.value_12m[0] > told.value_12m[len(both) // 2]


def test_who_has_asked_to_end_goes_when_what_was_billed_runs_out():
    rows = payers(is_end_set=True, period_days=365.0, days_to_renewal=100.0)
    told = futures.simulate(rows, constant(0.05), STEADY, seed=1)
    # three periods whole and half of the fourth
    assert told.lifetime_months == pytest.approx(3.5 * futures.PER_PERIOD)
    assert np.abs(told.drawn - told.value[:, None]).max() < 1e-9


def test_a_tenure_nobody_was_seen_in_leaves_like_the_one_before():
    panel_rows = pd.DataFrame({"tier": "Team", "tenure_days": 30.0, "period_days": 30.0, "days_to_renewal": 5.0,
                               "churns": [True] * 300 + [False] * 700})  # fmt: skip
    older = panel_rows.assign(tenure_days=200.0, churns=[True] * 20 + [False] * 980)
    found = hazards.fit(pd.concat([panel_rows, older]))
    newest = (300 + 60 * (320 + 1) / (2000 + 20)) / (1000 + 60)
    # nobody was seen in the second tenure, so the third leans on the first
    oldest = (20 + 60 * newest) / (1000 + 60)
    assert found.mean[0, 0, 3] == pytest.approx(oldest)
    assert oldest < 0.05 < 0.25 < found.mean[0, 0, 0]


def test_the_panel_is_the_churn_population_with_its_terms(con):
    instants = [datetime(2025, month, 1, tzinfo=UTC) for month in (6, 7)]
    found = panel.paying(con, instants)
    people = labels.population(con, instants)
    pd.testing.assert_frame_equal(found[list(people.columns)], people)
    assert found["tier"].notna().all()
    back = found.set_index(["customer_id", "as_of"]).loc["comes_back"]
    signup = con.execute("select signup_date from gold.dim_customers where customer_id = 'comes_back'").fetchone()[0]  # fmt: skip
    returned = signup.replace(hour=9) + timedelta(days=60)
    for as_of, row in back.iterrows():
        assert row["tenure_days"] == pytest.approx((as_of - returned) / timedelta(days=1))


def test_nothing_later_has_a_say(own):
    moment = datetime(2025, 4, 1, tzinfo=UTC)
    con = connect(own.settings.warehouse_db)
    before = subscriptions.gather(con, moment)
    con.execute("delete from gold.fact_mrr_movements where occurred_at > '2025-04-01'")
    con.execute(
        "update gold.fact_revenue set amount_reporting_minor = 1e9 where processed_at > '2025-04-01'"
    )
    con.execute("delete from gold.fact_subscription_events where occurred_at > '2025-04-01'")
    pd.testing.assert_frame_equal(subscriptions.gather(con, moment), before)
    con.close()


def test_earned_is_the_part_of_the_period_that_is_over(con):
    """A line of 30 days, 10 of them over, is earned by a third."""
    row = con.execute(
        """select customer_id, billing_period_start, amount_reporting_minor from gold.fact_revenue
        qualify row_number() over (partition by customer_id order by processed_at) = 1 order by customer_id limit 1"""
    ).fetchone()
    moment = (row[1] + timedelta(days=10)).replace(tzinfo=UTC)
    found = panel.customers(con, moment).set_index("customer_id").loc[row[0]]
    assert found["earned_minor"] == pytest.approx(float(row[2]) / 3)


def test_every_customer_has_a_value(trained, rows):
    table = rows(trained.settings.warehouse_db, LTV)
    assert len(table) == 260
    paying = table[table["customer_state"].isin(["paying", "ending"])]
    assert len(paying) == trained.score.customers_scored
    assert (paying["predicted_reporting_minor"] > 0).all()
    others = table.drop(paying.index)
    assert (others["predicted_reporting_minor"] == 0).all()
    assert set(others["customer_state"]) == {"lost", "never_paid"}
    money = [name for name in table if name.endswith("_reporting_minor")]
    table[money] = table[money].astype(float)
    assert (table["ltv_reporting_minor"] == table["earned_reporting_minor"] + table["predicted_reporting_minor"]).all()  # fmt: skip
    assert (table["predicted_low_reporting_minor"] <= table["predicted_high_reporting_minor"]).all()
    alive = table.loc[paying.index]
    risky = alive["churn_probability"] > alive["churn_probability"].median()
    assert alive[risky]["survival_12m"].mean() < alive[~risky]["survival_12m"].mean()


def test_cohorts_add_up_to_their_customers(trained, rows):
    customers = rows(trained.settings.warehouse_db, LTV).dropna(subset="cohort_month")
    cohorts = rows(trained.settings.warehouse_db, COHORTS).set_index("cohort_month")
    for name in ("earned_reporting_minor", "predicted_reporting_minor", "ltv_reporting_minor"):
        sums = customers[name].astype(float).groupby(customers["cohort_month"]).sum()
        np.testing.assert_allclose(cohorts[name].astype(float), sums, atol=1)
    assert cohorts["cohort_customers"].sum() == len(customers)
    low, high = (
        cohorts[f"predicted_{end}_reporting_minor"].astype(float) for end in ("low", "high")
    )
    assert (low <= cohorts["predicted_reporting_minor"].astype(float)).all()
    assert (high >= cohorts["predicted_reporting_minor"].astype(float) * 0.9).all()


def test_the_margin_is_in_every_amount(own, rows):
    before = rows(own.settings.warehouse_db, LTV).set_index("customer_id")
    ml.score(own.settings.over(gross_margin=0.5))
    after = rows(own.settings.warehouse_db, LTV).set_index("customer_id")
    for name in (
        "earned_reporting_minor",
        "predicted_reporting_minor",
        "monthly_value_reporting_minor",
    ):
        np.testing.assert_allclose(
            after[name].astype(float), before[name].astype(float) / 2, atol=1
        )


def test_valuing_again_changes_nothing(own, rows):
    before = rows(own.settings.warehouse_db, LTV), rows(own.settings.warehouse_db, COHORTS)
    ml.score(own.settings)
    pd.testing.assert_frame_equal(rows(own.settings.warehouse_db, LTV), before[0])
    pd.testing.assert_frame_equal(rows(own.settings.warehouse_db, COHORTS), before[1])


def test_training_again_on_the_same_data_is_the_same_model(own):
    first = registry.champion(own.settings, subscriptions.NAME)
    assert subscriptions.train(own.settings).version == first.version
    assert first.status == "promoted"


@pytest.fixture(scope="module")
def history() -> pd.DataFrame:
    """Thirty periods of a company in which 3 % of Enterprise and 8 % of Team leave in each."""
    random = np.random.default_rng(9)
    rows = []
    for number in range(900):
        tier, share, price = [("Team", 0.08, 9900.0), ("Enterprise", 0.03, 49900.0)][number % 2]
        first = int(random.integers(0, 29))
        for period in range(first, 30):
            churns = random.random() < share
            at = pd.Timestamp("2023-01-01") + timedelta(days=30 * period)
            rows.append(
                (f"c{number}", at, tier, 30.0 * (period - first), 30.0, 5.0, price, False, churns)
            )
            if churns:
                break
    return pd.DataFrame(rows, columns=["customer_id", "as_of", "tier", "tenure_days", "period_days", "days_to_renewal",
                                       "mrr_reporting_minor", "is_end_set", "churns"])  # fmt: skip


def test_a_held_out_year_is_met(history):
    """The year not learned from brings about what was told, and better than by one rate for all."""
    found = subscriptions.back_test(history)
    assert found["customers"] > 150
    assert found["total_expected_to_actual"] == pytest.approx(1, abs=0.1)
    assert found["total_inside_interval"]
    assert found["mean_absolute_error_minor"] < found["formula_mean_absolute_error_minor"]
    # at least 85 %: who can only pay in full or leave has few values, and both ends belong to the interval
    assert 0.85 <= found["share_inside_interval"] <= 0.97


def test_the_held_out_year_is_not_learned_from(history):
    start = sorted(history["as_of"].unique())[-subscriptions.YEAR_PERIODS]
    garbled = history.assign(churns=history["churns"] & (history["as_of"] < start))
    before, after = subscriptions.back_test(history), subscriptions.back_test(garbled)
    expected = [each["total_expected_to_actual"] for each in (before, after)]
    # only what really happened is another: nobody who left counts half any more
    assert expected[1] == pytest.approx(expected[0], rel=0.1)
    assert expected[1] < expected[0]


@pytest.mark.parametrize(
    ("name", "path"), [("customer_ltv", "ml/customer_ltv"), ("cohort_ltv", "kpis/kpi_cohort_ltv")]
)
def test_the_contracts_of_gold_are_what_python_writes(trained, rows, name, path):
    [model] = yaml.safe_load((PROJECT_ROOT / f"dbt_project/models/gold/{path}.yml").read_text())[
        "models"
    ]
    promised = {
        c["name"]: c["data_type"].replace(" ", "").replace("string", "varchar")
        for c in model["columns"]
    }
    written = rows(trained.settings.warehouse_db, f"describe ml.{name}")
    found = dict(zip(written["column_name"], written["column_type"].str.lower(), strict=True))
    assert found == promised


def test_an_empty_company_has_no_values(tmp_path, rows):
    built = company.build(tmp_path, customers=5, days=20)
    con = connect(built.settings.warehouse_db)
    con.execute("delete from gold.fact_mrr_movements")
    con.close()
    ml.train_outlook(built.settings)
    ml.score(built.settings, date(2025, 7, 1))
    assert set(rows(built.settings.warehouse_db, LTV)["customer_state"]) == {"never_paid"}
    assert rows(built.settings.warehouse_db, COHORTS).empty
