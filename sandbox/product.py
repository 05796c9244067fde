"""The product's database: accounts, users, logins, feature flags, experiments, surveys.

Writes: `product.sqlite`, tables as a real product database would have them; timestamps are ISO 8601
text with Z.
"""

from __future__ import annotations

import sqlite3
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np

from sandbox.company import FEATURES, ORDINARY_PRICES, TIERS, CompanyOptions
from sandbox.lifecycle import (
    ONBOARDING_EXPERIMENT,
    PRICING_EXPERIMENT,
    Life,
    add_months,
    onboarding_arm,
    pricing_arm,
)
from sandbox.staff import User, users

DAY = timedelta(days=1)
TABLES = {
    "accounts": (
        "id, name, email, industry, country, tier, signup_at, created_at, updated_at, deleted_at"
    ),
    "account_changes": "id, account_id, field, old_value, new_value, changed_at",
    "users": "id, account_id, email, name, role, created_at, updated_at",
    "logins": "id, user_id, account_id, logged_in_at, session_seconds",
    "feature_flags": "id, account_id, feature, enabled, updated_at",
    "experiment_exposures": "id, experiment, variant, account_id, exposed_at",
    "experiment_conversions": "id, experiment, account_id, converted_at, value_minor, currency",
    "survey_answers": "id, account_id, kind, score, answered_at",
}
_INTEGERS = {"session_seconds", "enabled", "value_minor", "score"}
_NEEDED = dict(
    zip(
        FEATURES,
        ("Free", "Developer", "Developer", "Free", "Team", "Developer",
         "Free", "Developer", "Team", "Team", "Enterprise", "Enterprise"),
        strict=True,
    )
)  # fmt: skip
_WEEKDAYS = (1.0, 1.05, 1.05, 1.0, 0.9, 0.25, 0.2)
_UNIT_AMOUNTS = {price.key: price.unit_amount for price in ORDINARY_PRICES}

Row = tuple[object, ...]


def iso(at: datetime) -> str:
    """ISO 8601 with Z; milliseconds only where there are any."""
    text = at.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text}.{at.microsecond // 1000:03d}Z" if at.microsecond >= 1000 else f"{text}Z"


def product_database(
    options: CompanyOptions, lives: list[Life], now: datetime
) -> dict[str, list[Row]]:
    """All rows just before `now`, per table.

    Args:
        options: The company.
        lives: All customers; those unknown to the product are left out.
        now: Nothing at or after this instant has happened.
    """
    known = [life for life in lives if life.account.in_product and born(life) < now]
    staff = {life.account.account_id: users(life) for life in known}
    tables: dict[str, list[Row]] = {table: [] for table in TABLES}
    for life in known:
        _account(tables, life, now)
        _users(tables, life, staff[life.account.account_id], now)
        _flags(tables, life, now)
        _experiments(tables, options, life, now)
        _surveys(tables, options, life, now)
    tables["logins"] = _logins(options, known, staff, now)
    return tables


def write(tables: dict[str, list[Row]], path: Path) -> None:
    """Write the database (a new file)."""
    connection = sqlite3.connect(path)
    try:
        connection.execute("pragma journal_mode = off")
        connection.execute("pragma synchronous = off")
        for table, columns in TABLES.items():
            names = columns.split(", ")
            typed = ", ".join(
                f"{name} {'integer' if name in _INTEGERS else 'text'}"
                f"{' primary key' if name == 'id' else ''}"
                for name in names
            )
            connection.execute(f"create table {table} ({typed})")
            marks = ", ".join("?" * len(names))
            connection.executemany(f"insert into {table} values ({marks})", tables[table])
        connection.commit()
    finally:
        connection.close()


def born(life: Life) -> datetime:
    """When the product's database got the account: at its signup, save for the odd ones."""
    return life.created_at or life.account.signup_at


def _account(tables: dict[str, list[Row]], life: Life, now: datetime) -> None:
    account = life.account
    deleted = (
        account.deleted_at if account.deleted_at is not None and account.deleted_at < now else None
    )
    changes = [(at, "tier", old, new) for at, old, new in life.tier_changes if at < now]
    if deleted is not None:
        changes.append((deleted, "deleted_at", None, iso(deleted)))
    updated = max([born(life), *(at for at, *_ in changes)])
    tables["accounts"].append(
        (
            account.account_id, account.name, account.email, account.industry, account.country,
            life.tier_at(now), iso(account.signup_at), iso(born(life)), iso(updated),
            iso(deleted) if deleted else None,
        )
    )  # fmt: skip
    for n, (at, field, old, new) in enumerate(sorted(changes, key=lambda change: change[0]), 1):
        key = f"chg_{account.account_id.removeprefix('acc_')}_{n}"
        tables["account_changes"].append((key, account.account_id, field, old, new, iso(at)))


def _users(tables: dict[str, list[Row]], life: Life, staff: list[User], now: datetime) -> None:
    for user in staff:
        if user.created_at < now:
            created = iso(user.created_at)
            tables["users"].append(
                (
                    user.user_id,
                    life.account.account_id,
                    user.email,
                    user.name,
                    user.role,
                    created,
                    created,
                )
            )


def _flags(tables: dict[str, list[Row]], life: Life, now: datetime) -> None:
    account = life.account
    if account.silent:
        return
    for feature in FEATURES:
        needed = TIERS.index(_NEEDED[feature])
        enabled, updated = TIERS.index(account.tier) >= needed, born(life)
        for at, _, new in life.tier_changes:
            if at < now and (TIERS.index(new) >= needed) != enabled:
                enabled, updated = not enabled, max(at, updated)
        key = f"flag_{account.account_id.removeprefix('acc_')}_{feature}"
        tables["feature_flags"].append(
            (key, account.account_id, feature, int(enabled), iso(updated))
        )


def _experiments(
    tables: dict[str, list[Row]], options: CompanyOptions, life: Life, now: datetime
) -> None:
    """Exposures and conversions of both experiments; the first subscription is the conversion."""
    if life.person is None:
        return
    account = life.account
    exposures: list[tuple[str, str, datetime]] = []
    if account.signup_at >= add_months(options.start_at, 3):
        exposures.append(
            (
                ONBOARDING_EXPERIMENT,
                str(onboarding_arm(options.seed, account)),
                account.signup_at + timedelta(minutes=1),
            )
        )
    arm = pricing_arm(options.seed, account)
    if arm is not None and life.active_from is not None:
        exposures.append((PRICING_EXPERIMENT, arm, life.active_from + timedelta(seconds=30)))
    for experiment, variant, at in exposures:
        if at >= now:
            continue
        key = f"{experiment}_{account.account_id.removeprefix('acc_')}"
        tables["experiment_exposures"].append(
            (f"exp_{key}", experiment, variant, account.account_id, iso(at))
        )
        again = at + timedelta(days=2)
        if life.key % 10 == 0 and again < now:
            # Seen twice: only the first exposure counts.
            tables["experiment_exposures"].append(
                (f"exp_{key}_2", experiment, variant, account.account_id, iso(again))
            )
        first = next((action for action in life.actions if action.kind == "subscribe"), None)
        if first is not None and at < first.at < now:
            item = first.params["items"][0]
            value = _UNIT_AMOUNTS[item["price"]] * item["quantity"]
            tables["experiment_conversions"].append(
                (
                    f"conv_{key}",
                    experiment,
                    account.account_id,
                    iso(first.at),
                    value,
                    account.currency,
                )
            )


def _surveys(
    tables: dict[str, list[Row]], options: CompanyOptions, life: Life, now: datetime
) -> None:
    """NPS about every quarter, CES after some solved tickets; both follow satisfaction."""
    account = life.account
    if life.active_from is None or account.silent:
        return
    rng = np.random.default_rng([options.seed, 24, life.key])
    short = account.account_id.removeprefix("acc_")
    asked = account.signup_at + 40 * DAY
    number = 0
    while asked < now:
        answers, hours, noise = (
            float(rng.random()),
            float(rng.random()),
            float(rng.standard_normal()),
        )
        at = (asked + timedelta(hours=200 * hours)).replace(microsecond=0)
        if answers < 0.38 and at < now and (account.deleted_at is None or at < account.deleted_at):
            mood = life.satisfaction[life.week_of(options.start_at, at)]
            score = max(0, min(10, round(7.7 + 1.9 * mood + 1.2 * noise)))
            tables["survey_answers"].append(
                (f"nps_{short}_{number}", account.account_id, "nps", score, iso(at))
            )
        number += 1
        asked += 91 * DAY
    for n, ticket in enumerate(life.tickets):
        at = ticket.solves[0][0] + timedelta(hours=3)
        if ticket.salt % 5 == 0 and at < now:
            mood = life.satisfaction[life.week_of(options.start_at, at)]
            effort = (
                5.4 + 0.9 * mood - (2.2 if ticket.stuck else 0.0) + (ticket.salt // 5 % 3 - 1) * 0.8
            )
            tables["survey_answers"].append(
                (
                    f"ces_{short}_{n}",
                    account.account_id,
                    "ces",
                    max(1, min(7, round(effort))),
                    iso(at),
                )
            )


def _first_logins(
    options: CompanyOptions, order: list[Life], staff: dict[str, list[User]], now: datetime
) -> list[Row]:
    """Whoever signs up is logged in within minutes, nine times out of ten."""
    rows: list[Row] = []
    for n, life in enumerate(order):
        rng = np.random.default_rng([options.seed, 29, n])
        at = born(life) + timedelta(seconds=int(20 + rng.exponential(240)))
        account = life.account
        if rng.random() < 0.9 and at < min(now, account.deleted_at or now):
            first = staff[account.account_id][0].user_id
            seconds = int(np.clip(600 * np.exp(0.9 * rng.standard_normal()), 30, 28_000))
            rows.append(
                (f"lgn_first_{n}", first, account.account_id, f"{at:%Y-%m-%dT%H:%M:%S}Z", seconds)
            )
    return rows


def _logins(
    options: CompanyOptions, lives: list[Life], staff: dict[str, list[User]], now: datetime
) -> list[Row]:
    """Logins of all accounts, a day at a time from that day's own stream."""
    # In the order in which they appear, so that later accounts don't move earlier ones' draws.
    order = sorted(
        (life for life in lives if staff[life.account.account_id] and life.active_from is not None),
        key=lambda life: (born(life), life.account.account_id),
    )
    if not order:
        return []
    start = options.start_at
    days = int((now - start) / DAY)
    weeks = days // 7 + 1
    rate = np.zeros((len(order), weeks))
    for n, life in enumerate(order):
        known = min(weeks, life.first_week + len(life.engagement)) - life.first_week
        # Whose work needs the product looks in nearly every day, whose doesn't every other week.
        usual = 0.25 * len(staff[life.account.account_id]) ** 0.5
        level = usual * np.exp(0.9 * np.array(life.engagement[:known]))
        silent = np.array([life.level[w] == 0.0 for w in range(known)])
        rate[n, life.first_week : life.first_week + known] = np.where(silent, 0.03 * usual, level)
    since = np.array([(born(life) - start) / DAY for life in order])
    gone = [life.account.deleted_at for life in order]
    until = np.array([(at - start) / DAY if at is not None else np.inf for at in gone])
    rows = _first_logins(options, order, staff, now)
    midnight = np.datetime64(start.replace(tzinfo=None), "s")
    joined = [
        [(user.created_at - start) / DAY for user in staff[life.account.account_id]]
        for life in order
    ]
    names = [[user.user_id for user in staff[life.account.account_id]] for life in order]
    accounts = [life.account.account_id for life in order]
    for day in range(days):
        rng = np.random.default_rng([options.seed, 23, day])
        share = np.clip(np.minimum(day + 1, until) - np.maximum(day, since), 0, 1)
        rates = rate[:, day // 7] * _WEEKDAYS[(start + day * DAY).weekday()] * share
        there = np.flatnonzero(rates > 0)
        who = np.repeat(there, rng.poisson(rates[there]))
        u, normal = rng.random((2, len(who))), rng.standard_normal(len(who))
        begins, ends = np.clip(since[who] - day, 0, 1), np.clip(until[who] - day, 0, 1)
        # At office hours mostly: the mean of two uniform draws would pile up at noon, a power keeps
        # it simple.
        within = begins + (0.25 + 0.6 * u[0]) * (ends - begins)
        seconds = (within * 86_400).astype(np.int64)
        stamps = np.datetime_as_string(midnight + day * 86_400 + seconds, unit="s").tolist()
        lengths = (420 * np.exp(0.9 * normal)).astype(int).clip(5, 28_000).tolist()
        for n, (account, pick, at, length, moment) in enumerate(
            zip(who.tolist(), u[1].tolist(), stamps, lengths, (day + within).tolist(), strict=True)
        ):
            present = sum(since_day < moment for since_day in joined[account]) or 1
            rows.append(
                (
                    f"lgn_{day}_{n}",
                    names[account][int(present * pick**1.6)],
                    accounts[account],
                    f"{at}Z",
                    length,
                )
            )
    return rows
