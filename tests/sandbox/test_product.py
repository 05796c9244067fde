"""The product's database fits together, and the experiments and surveys show what was simulated."""

from __future__ import annotations

import sqlite3
from collections import Counter, defaultdict

import pytest

from sandbox.company import FEATURES, CompanyOptions
from sandbox.product import TABLES, product_database
from sandbox.simulation import population


@pytest.fixture(scope="module")
def tables(later) -> dict[str, list[dict]]:
    connection = sqlite3.connect(later.sandbox_dir / "product.sqlite")
    connection.row_factory = sqlite3.Row
    try:
        return {
            table: [dict(row) for row in connection.execute(f"select * from {table}")]
            for table in TABLES
        }
    finally:
        connection.close()


def test_every_table_has_rows_and_the_promised_columns(tables):
    for table, columns in TABLES.items():
        assert tables[table], table
        assert list(tables[table][0]) == columns.split(", ")
        assert len({row["id"] for row in tables[table]}) == len(tables[table])


def test_accounts_are_the_truths_customers(tables, later, read_truth):
    truth = {row["customer_id"]: row for row in read_truth(later, "customers")}
    accounts = {row["id"]: row for row in tables["accounts"]}
    # Stripe customers without an account are known by their Stripe id.
    assert {name for name in truth if name.startswith("acc_")} == set(accounts)
    assert len(truth) - len(accounts) == 1
    for name, account in accounts.items():
        assert account["tier"] == truth[name]["tier"]
        assert account["signup_at"] == truth[name]["signup_at"]


def test_tier_changes_lead_to_the_tier(tables):
    tier: dict[str, str] = {}
    for change in sorted(tables["account_changes"], key=lambda row: row["changed_at"]):
        if change["field"] == "tier":
            assert tier.get(change["account_id"], change["old_value"]) == change["old_value"]
            tier[change["account_id"]] = change["new_value"]
    accounts = {row["id"]: row for row in tables["accounts"]}
    assert len(tier) > 5
    for name, expected in tier.items():
        assert accounts[name]["tier"] == expected
    for change in tables["account_changes"]:
        assert accounts[change["account_id"]]["updated_at"] >= change["changed_at"]


def test_logins_are_by_users_who_were_there(tables):
    users = {row["id"]: row for row in tables["users"]}
    for login in tables["logins"]:
        user = users[login["user_id"]]
        assert user["account_id"] == login["account_id"]
        assert login["logged_in_at"] >= user["created_at"][:19]
        assert login["session_seconds"] > 0


def test_feature_flags_follow_the_tier(tables):
    enabled = defaultdict(int)
    for flag in tables["feature_flags"]:
        assert flag["feature"] in FEATURES
        enabled[flag["account_id"]] += flag["enabled"]
    count = {row["id"]: enabled[row["id"]] for row in tables["accounts"] if row["id"] in enabled}
    tiers = {row["id"]: row["tier"] for row in tables["accounts"]}
    by_tier = {tiers[name]: number for name, number in count.items()}
    assert by_tier == {"Free": 3, "Developer": 7, "Team": 10, "Enterprise": 12}


def test_the_closed_account_is_marked_deleted_and_silent_afterwards(tables, later, read_truth):
    (account,) = [row for row in tables["accounts"] if row["deleted_at"]]
    assert account["id"] == "acc_odd_closed"
    (truth,) = [r for r in read_truth(later, "customers") if r["is_deleted"] == "true"]
    assert truth["customer_id"] == "acc_odd_closed"
    logins = [row for row in tables["logins"] if row["account_id"] == account["id"]]
    assert logins
    assert all(row["logged_in_at"] <= account["deleted_at"] for row in logins)


def test_two_customers_share_an_email(tables):
    emails = Counter(row["email"] for row in tables["accounts"])
    assert [email for email, number in emails.items() if number > 1] == ["office@twins.example"]


def test_experiments_have_balanced_arms_and_converts_were_exposed():
    options = CompanyOptions(calls=0)
    lives, _ = population(options, options.base_end)
    tables = product_database(options, lives, options.base_end)
    first: dict[tuple[str, str], tuple[str, str]] = {}
    for _, experiment, variant, account, at in sorted(
        tables["experiment_exposures"], key=lambda row: row[4]
    ):
        first.setdefault((experiment, account), (variant, at))
    arms = Counter((experiment, variant) for (experiment, _), (variant, _) in first.items())
    assert set(arms) == {
        ("developer_price_2024", "price_49"), ("developer_price_2024", "price_59"),
        ("onboarding_checklist", "control"), ("onboarding_checklist", "checklist"),
    }  # fmt: skip
    for experiment in ("developer_price_2024", "onboarding_checklist"):
        sizes = [number for (name, _), number in arms.items() if name == experiment]
        # Within 3.5 standard deviations of an even split.
        assert abs(sizes[0] - sizes[1]) < 3.5 * sum(sizes) ** 0.5
    assert len(tables["experiment_exposures"]) > len(first)
    for _, experiment, account, at, value, _ in tables["experiment_conversions"]:
        assert first[experiment, account][1] <= at
        assert value > 0


def test_surveys_follow_satisfaction():
    options = CompanyOptions(calls=0)
    lives, _ = population(options, options.base_end)
    mood = {
        life.account.account_id: sum(life.satisfaction) / len(life.satisfaction) for life in lives
    }
    answers = product_database(options, lives, options.base_end)["survey_answers"]
    for kind, low, high in (("nps", 0, 10), ("ces", 1, 7)):
        scores = [(mood[account], score) for _, account, k, score, _ in answers if k == kind]
        assert len(scores) > 100
        assert all(low <= score <= high for _, score in scores)
        middle = sorted(m for m, _ in scores)[len(scores) // 2]
        happy = [score for m, score in scores if m >= middle]
        sad = [score for m, score in scores if m < middle]
        assert sum(happy) / len(happy) > sum(sad) / len(sad) + 0.3
