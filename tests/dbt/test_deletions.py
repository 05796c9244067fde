"""Rows really gone from a source, found out by reading a window again: deleted in gold, in history before, other days untouched.

The product's database (SQLite) and the support desk. Of 3 January one row each of accounts, users, logins and exposures is
deleted outright, and an organisation, its tickets' customer, vanishes from the desk's list. Later the account comes back.
"""

from __future__ import annotations

import hashlib
import sqlite3
from datetime import date, datetime

import pytest

from ingestion import runner
from ingestion.destination.latest import Described
from ingestion.destination.opening import opened
from serving.reader import query_landing
from tests.dbt.company import AS_OF
from tests.dbt.landing_files import ensure_all, land
from tests.dbt.warehouse_of import differences, rows_of, settings_at
from warehouse import duck
from warehouse.dbt_process import run_dbt

pytestmark = pytest.mark.slow(minutes=3)

DAY = date(2024, 1, 3)
REMOVED = AS_OF.replace(tzinfo=None)
DAILY = {"int_logins": "logged_in_at", "int_experiment_exposures": "exposed_at", "int_tickets": "created_at"}  # fmt: skip
TABLES = (
    "silver.int_accounts", "silver.int_account_versions", "silver.int_users", "silver.int_logins", "silver.int_tickets",
    "silver.int_experiment_exposures", "gold.dim_customers", "gold.dim_customers_history", "gold.fact_experiment_exposures",
)  # fmt: skip
SELECTION = "+int_users +int_logins +int_tickets +dim_customers +dim_customers_history +fact_experiment_exposures"
SCHEMA = """
    create table accounts (id text primary key, name text, email text, industry text, country text, tier text,
        signup_at text, created_at text not null, updated_at text not null, deleted_at text);
    create table users (id text primary key, account_id text, email text, name text, role text,
        created_at text not null, updated_at text not null);
    create table logins (id text primary key, user_id text, account_id text, session_seconds integer, logged_in_at text not null);
    create table experiment_exposures (id text primary key, experiment text, variant text, account_id text, exposed_at text not null);
    create table account_changes (id text primary key, account_id text, field text, old_value text, new_value text, changed_at text);
    create table feature_flags (id text primary key, account_id text, feature text, enabled integer, updated_at text);
    create table experiment_conversions (id text primary key, experiment text, account_id text, value_minor integer,
        currency text, converted_at text);
    create table survey_answers (id text primary key, account_id text, kind text, score integer, answered_at text);
"""


def at(day: int, hour: int = 12) -> str:
    return f"2024-01-{day:02}T{hour:02}:00:00Z"


def account(key: str, day: int, changed: int) -> tuple:
    return (key, key.title(), f"{key}@example.com", None, "DE", "Team", at(day), at(day), at(changed), None)  # fmt: skip


class Company:
    """The product's database, and the warehouse made of it."""

    def __init__(self, home) -> None:
        path = home / "product.sqlite"
        self.settings = settings_at(home / "data").over(product_db_url=f"sqlite:///{path}")
        self.base = sqlite3.connect(path, isolation_level=None)
        self.base.executescript(SCHEMA)

    def put(self, table: str, *rows: tuple) -> None:
        marks = ", ".join("?" * len(rows[0]))
        self.base.executemany(f"insert into {table} values ({marks})", rows)

    def build(self, *words: str) -> None:
        command = ["build", "--select", *SELECTION.split(), "--exclude-resource-types", "unit_test", *words]  # fmt: skip
        run_dbt(self.settings, command, target="dev")

    def days(self) -> dict[tuple[str, date], str]:
        """A hash of each day's rows."""
        found = {}
        for model, instant in DAILY.items():
            query = f"select {instant}::date, list(t::text order by t::text)::text from silver.{model} as t group by 1"
            for day, rows in rows_of(self.settings, query):
                found[model, day] = hashlib.sha256(rows.encode()).hexdigest()
        return found

    def lose_organization(self) -> None:
        """The desk's list of the day's organisations, read again, is empty."""
        about = Described("organizations", "organizations", (("id",),), ("updated_at",), {"created_at": {}})  # fmt: skip
        with opened("support", self.settings) as landing:
            landing.describe([about])
            with landing.transaction() as load_id:
                gone = landing.replace_window(
                    load_id, "organizations", "created_at", (DAY, DAY), since=load_id, generation=0, sync_id=1
                )  # fmt: skip
        assert gone == 1


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Company:
    found = Company(tmp_path_factory.mktemp("deletions"))
    ensure_all(found.settings)
    found.put("accounts", account("ada", 3, 3), account("bob", 3, 10), account("cyd", 5, 5))
    users = [("u1", "ada", 3), ("u2", "ada", 3), ("u3", "cyd", 5)]
    found.put("users", *((key, owner, f"{key}@example.com", key, "admin", at(day), at(day)) for key, owner, day in users))  # fmt: skip
    found.put("logins", *((f"l{n}", "u1", "ada", 60, at(day)) for n, day in enumerate([2, 3, 3, 4])))  # fmt: skip
    found.put("experiment_exposures", *((f"x{n}", "trial", "b", key, at(day)) for n, (key, day) in enumerate([("ada", 3), ("cyd", 3), ("cyd", 5)])))  # fmt: skip
    organization = {"id": 7, "external_id": "ada", "name": "Ada", "created_at": at(3), "updated_at": at(3)}  # fmt: skip
    tickets = [
        {"id": n, "organization_id": 7, "requester_id": 1, "status": "open", "created_at": at(day), "updated_at": at(day)}
        for n, day in enumerate([3, 4])
    ]  # fmt: skip
    land(found.settings, "support", "organizations", [organization], at=AS_OF)
    land(found.settings, "support", "tickets", tickets, at=AS_OF)
    return found


def test_deletions_of_a_window_reach_gold_and_other_days_stay(company: Company) -> None:
    runner.sync("product", company.settings)
    company.build("--exclude-resource-types", "test")
    before = company.days()

    for table, key in (("accounts", "bob"), ("users", "u2"), ("logins", "l2"), ("experiment_exposures", "x1")):  # fmt: skip
        company.base.execute(f"delete from {table} where id = ?", [key])
    result = runner.sync("product", company.settings, window=(DAY, DAY))
    assert sorted(result.warnings) == [
        f"1 records of {stream} are there no more: they have left tombstones"
        for stream in ("accounts", "experiment_exposures", "logins", "users")
    ]
    company.lose_organization()
    company.build("--indirect-selection", "cautious")

    assert query_landing(company.settings, "product", "select id from latest.accounts order by id").rows == [("ada",), ("cyd",)]  # fmt: skip
    customers = "select customer_id, is_deleted, deleted_at from gold.dim_customers where customer_source = 'product' order by 1"
    assert rows_of(company.settings, customers) == [("ada", False, None), ("bob", True, REMOVED), ("cyd", False, None)]  # fmt: skip
    history = "select is_deleted, valid_from, valid_to from gold.dim_customers_history where customer_id = 'bob' order by valid_from"
    assert rows_of(company.settings, history) == [
        (False, datetime(2024, 1, 3, 12), REMOVED),
        (True, REMOVED, None),
    ]
    users = "select user_id, deleted_at from silver.int_users order by 1"
    assert rows_of(company.settings, users) == [("u1", None), ("u2", REMOVED), ("u3", None)]
    exposures = (
        "select customer_id, exposed_at::date from gold.fact_experiment_exposures order by 1"
    )
    assert rows_of(company.settings, exposures) == [("ada", DAY), ("cyd", date(2024, 1, 5))]
    # a ticket keeps the customer of an organisation that is gone
    assert rows_of(company.settings, "select distinct customer_id from silver.int_tickets") == [("ada",)]  # fmt: skip
    after = company.days()
    changed = {key for key in before | after if before.get(key) != after.get(key)}
    assert changed == {("int_logins", DAY), ("int_experiment_exposures", DAY)}


def test_the_same_window_once_more_and_a_full_refresh_change_nothing(
    company: Company, tmp_path_factory: pytest.TempPathFactory
) -> None:
    kept = company.settings.over(home=tmp_path_factory.mktemp("kept"))
    with duck.connect(company.settings.warehouse_db) as con:
        con.execute(f"attach '{kept.warehouse_db}' as kept")
        con.execute("copy from database warehouse to kept")
    result = runner.sync("product", company.settings, window=(DAY, DAY))
    assert result.warnings == ()
    company.build("--full-refresh", "--exclude-resource-types", "test")
    assert differences(kept, company.settings, TABLES) == {}


def test_an_account_that_comes_back_is_not_deleted(company: Company) -> None:
    company.put("accounts", account("bob", 3, 10))
    runner.sync("product", company.settings, window=(DAY, DAY))
    company.build("--exclude-resource-types", "test")
    customers = "select is_deleted, deleted_at from gold.dim_customers where customer_id = 'bob'"
    assert rows_of(company.settings, customers) == [(False, None)]
    history = (
        "select is_deleted, valid_to from gold.dim_customers_history where customer_id = 'bob'"
    )
    assert rows_of(company.settings, history) == [(False, None)]
