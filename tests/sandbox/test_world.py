"""The company is a pure function of its options and the time; nothing is half done."""

from __future__ import annotations

import hashlib
import json
import sqlite3
import stat
from datetime import UTC, datetime, timedelta

import pytest

from sandbox import world
from sandbox.company import CompanyOptions
from tests.sandbox.conftest import SMALL
from warehouse import clock
from warehouse.errors import CallError
from warehouse.settings import Settings


def contents(settings: Settings) -> dict[str, str]:
    folder = settings.sandbox_dir
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix != ".lock"
    }


def test_the_same_options_give_the_same_bytes(company, tmp_path):
    again = Settings.for_test(tmp_path)
    world.create(again, **SMALL)
    assert contents(again) == contents(company)


def test_another_seed_gives_another_company(company, tmp_path):
    other = Settings.for_test(tmp_path)
    world.create(other, **SMALL, seed=8)
    mine, theirs = contents(company), contents(other)
    assert mine["truth/mrr_month_end.csv"] != theirs["truth/mrr_month_end.csv"]
    assert mine["usage/2024-03-04.jsonl.gz"] != theirs["usage/2024-03-04.jsonl.gz"]


def test_days_one_by_one_equal_days_at_once_equal_a_company_made_later(later, tmp_path):
    step_by_step = Settings.for_test(tmp_path / "steps")
    world.create(step_by_step, **SMALL)
    for _ in range(4):
        world.advance(step_by_step, 1)
    at_once = Settings.for_test(tmp_path / "at_once")
    options = CompanyOptions(**SMALL)
    at_once.sandbox_dir.mkdir(parents=True)
    world._build(at_once, options, None, options.base_end + timedelta(days=4), None)
    assert contents(step_by_step) == contents(later)
    assert contents(at_once) == contents(later)


@pytest.mark.parametrize(
    ("store", "table"),
    [
        ("stripe", "events"),
        ("support", "ticket_events"),
        ("support", "comments"),
        ("product", "account_changes"),
        ("product", "logins"),
        ("product", "survey_answers"),
        ("product", "experiment_exposures"),
    ],
)
def test_what_has_happened_stays(company, later, store, table):
    def rows(settings: Settings) -> set[tuple]:
        connection = sqlite3.connect(settings.sandbox_dir / f"{store}.sqlite")
        try:
            return set(connection.execute(f"select * from {table}"))
        finally:
            connection.close()

    before, after = rows(company), rows(later)
    assert before
    assert before <= after


def test_usage_files_are_never_touched_again(company, later):
    before, after = contents(company), contents(later)
    old = {name for name in before if name.startswith("usage/")}
    assert all(after[name] == before[name] for name in old)
    assert {name for name in after if name.startswith("usage/")} > old


def test_creating_again_changes_nothing(company):
    before = contents(company)
    stamps = {path: path.stat().st_mtime_ns for path in company.sandbox_dir.rglob("*.csv")}
    report = world.create(company, **SMALL)
    assert not report.created
    assert contents(company) == before
    assert {path: path.stat().st_mtime_ns for path in stamps} == stamps


def test_creating_again_after_days_have_passed_changes_nothing(later):
    before = contents(later)
    assert not world.create(later, **SMALL).created
    assert contents(later) == before


def test_another_company_in_the_same_folder_is_refused(company):
    with pytest.raises(CallError, match="another company") as error:
        world.create(company, **SMALL | {"customers": 70})
    assert error.value.exit_code == 2
    assert error.value.hint


def test_advance_needs_a_company_and_a_positive_number(tmp_path, company):
    with pytest.raises(CallError, match="no sandbox company"):
        world.advance(Settings.for_test(tmp_path), 1)
    with pytest.raises(CallError, match="can't move on by 0"):
        world.advance(company, 0)


def test_nothing_happens_in_real_mode(tmp_path):
    with pytest.raises(CallError, match="sandbox mode only"):
        world.create(Settings.for_test(tmp_path, mode="real"))
    assert not (tmp_path / "sandbox").exists()


def test_the_clock_moves(company, later):
    assert clock.now(company) == datetime(2024, 7, 1, tzinfo=UTC)
    assert clock.now(later) == datetime(2024, 7, 5, tzinfo=UTC)


@pytest.mark.parametrize("left", [2, 9, 14])
def test_an_interrupted_advance_is_done_again(later, tmp_path, monkeypatch, left):
    settings = Settings.for_test(tmp_path)
    world.create(settings, **SMALL)
    replace = world._replace

    def fails(source, target, **how):
        nonlocal left
        left -= 1
        if left < 0:
            raise OSError("power cut")
        replace(source, target, **how)

    monkeypatch.setattr(world, "_replace", fails)
    with pytest.raises(OSError, match="power cut"):
        world.advance(settings, 4)
    monkeypatch.setattr(world, "_replace", replace)
    assert clock.now(settings) == datetime(2024, 7, 1, tzinfo=UTC)
    world.advance(settings, 4)
    assert contents(settings) == contents(later)


def test_an_interrupted_create_is_done_again(company, tmp_path, monkeypatch):
    settings = Settings.for_test(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(world, "_replace", lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            world.create(settings, **SMALL)
    assert not world.exists(settings)
    world.create(settings, **SMALL)
    assert contents(settings) == contents(company)


def test_files_are_private(company):
    loose = [
        path.name
        for path in company.sandbox_dir.rglob("*")
        if stat.S_IMODE(path.stat().st_mode) & 0o077
    ]
    assert loose == []


def test_options_are_written_down(company):
    kept = json.loads((company.sandbox_dir / "company.json").read_text())
    assert kept["customers"] == 60
    assert world.read_options(company) == CompanyOptions(**SMALL)


def test_about_as_many_customers_as_asked_for():
    from sandbox.simulation import population

    options = CompanyOptions(customers=200, months=12, calls=0)
    lives, _ = population(options, options.base_end)
    known = [
        life
        for life in lives
        if life.account.in_product
        and (life.created_at or life.account.signup_at) < options.base_end
    ]
    assert len(known) == 200
