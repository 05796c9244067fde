"""Usage files keep to the contract, and the truth counts what they hold."""

from __future__ import annotations

import gzip
import json
import re
from collections import Counter
from datetime import datetime
from pathlib import Path

import pytest

from sandbox.company import ENDPOINTS, FEATURES
from sandbox.simulation import simulate
from sandbox.usage import UsageFile
from sandbox.world import read_clock, read_options

FIELDS = [
    "request_id", "customer_id", "endpoint", "method", "status_code", "response_time_ms",
    "bytes_processed", "feature", "region", "timestamp",
]  # fmt: skip


def lines(path: Path) -> list[dict]:
    return [json.loads(line) for line in gzip.decompress(path.read_bytes()).splitlines()]


@pytest.fixture(scope="module")
def files(later) -> dict[str, list[dict]]:
    return {path.name: lines(path) for path in sorted((later.sandbox_dir / "usage").iterdir())}


def test_each_line_keeps_to_the_contract(files):
    for name, calls in files.items():
        for call in calls:
            assert list(call) == FIELDS
            assert call["endpoint"] in ENDPOINTS
            assert call["feature"] in FEATURES
            assert call["method"] in {"GET", "POST"}
            assert isinstance(call["status_code"], int)
            assert call["response_time_ms"] > 0
            assert call["bytes_processed"] >= 0
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", call["timestamp"])
            # A file holds the calls of the day in its name.
            assert call["timestamp"][:10] == name[:10]


def test_features_and_endpoints_all_occur(files):
    calls = [call for found in files.values() for call in found]
    assert {call["feature"] for call in calls} == set(FEATURES)
    assert len(FEATURES) == 12
    assert {call["endpoint"] for call in calls} == set(ENDPOINTS)
    assert {call["status_code"] // 100 for call in calls} == {2, 4, 5}
    assert 429 in {call["status_code"] for call in calls}


def test_about_as_many_calls_as_asked_for(company, read_truth):
    total = sum(int(row["calls"]) for row in read_truth(company, "calls"))
    assert total == pytest.approx(20_000, rel=0.05)


def test_every_day_has_its_file_when_it_is_over(later):
    names = {path.name for path in (later.sandbox_dir / "usage").glob("????-??-??.jsonl.gz")}
    assert len(names) == 182 + 4
    assert "2024-07-04.jsonl.gz" in names
    assert "2024-07-05.jsonl.gz" not in names


def test_the_truth_counts_distinct_calls_that_have_arrived(files, later, read_truth):
    first_seen: dict[str, dict] = {}
    for calls in files.values():
        for call in calls:
            first_seen.setdefault(call["request_id"], call)
    counted = Counter(
        (call["timestamp"][:10], call["endpoint"], f"{call['status_code'] // 100}xx")
        for call in first_seen.values()
    )
    truth = {
        (row["day"], row["endpoint"], row["status_class"]): int(row["calls"])
        for row in read_truth(later, "calls")
    }
    assert truth == dict(counted)


def test_the_truth_knows_each_first_call(files, later, read_truth):
    first: dict[str, str] = {}
    for calls in files.values():
        for call in calls:
            name = call["customer_id"]
            first[name] = min(call["timestamp"], first.get(name, call["timestamp"]))
    for row in read_truth(later, "customers"):
        assert row["first_call_at"] == first.get(row["customer_id"], "")


def test_late_files_hold_calls_that_came_in_no_other(files):
    late = {name: calls for name, calls in files.items() if ".late-" in name}
    assert len(late) > 10
    in_time = {
        call["request_id"]
        for name, calls in files.items()
        if re.fullmatch(r"\d{4}-\d\d-\d\d\.jsonl\.gz", name)
        for call in calls
    }
    for calls in late.values():
        assert calls
        assert in_time.isdisjoint(call["request_id"] for call in calls)


def test_a_late_file_comes_with_the_days_it_is_late(company, later):
    options, now = read_options(company), read_clock(company)
    usage = simulate(options, now).usage
    day = 180  # 2024-06-29, a day with late calls
    assert (now - options.start_at).days - day == 2
    there = {path.name for path in (company.sandbox_dir / "usage").glob("2024-06-29*")}
    assert there <= {"2024-06-29.jsonl.gz", "2024-06-29.late-1d.jsonl.gz"}
    afterwards = {path.name for path in (later.sandbox_dir / "usage").glob("2024-06-29*")}
    expected: list[UsageFile] = list(usage.files(day, None, read_clock(later)))
    assert {file.name for file in expected} == afterwards
    assert all(file.delivered_at <= read_clock(later) for file in expected)


def test_redelivered_files_are_the_same_bytes_under_another_name(later):
    again = sorted((later.sandbox_dir / "usage").glob("*.redelivered.jsonl.gz"))
    assert len(again) > 10
    for path in again:
        first = path.with_name(path.name.replace(".redelivered", ""))
        assert path.read_bytes() == first.read_bytes()


def test_partial_redeliveries_repeat_some_lines(files):
    parts = {name: calls for name, calls in files.items() if ".part-2." in name}
    assert len(parts) > 10
    for name, calls in parts.items():
        whole = files[name.replace(".part-2", "")]
        assert 0 < len(calls) < len(whole)
        assert all(call in whole for call in calls)


def test_advancing_three_days_brings_late_and_redelivered_files(company, later):
    before = {path.name for path in (company.sandbox_dir / "usage").iterdir()}
    new = {path.name for path in (later.sandbox_dir / "usage").iterdir()} - before
    assert any(".late-" in name for name in new)
    assert any(".redelivered." in name or ".part-2." in name for name in new)


def test_nobody_calls_before_being_active_and_weekends_are_quiet(files, later, read_truth):
    signup = {row["customer_id"]: row["signup_at"] for row in read_truth(later, "customers")}
    per_weekday: Counter[int] = Counter()
    for calls in files.values():
        for call in calls:
            if call["customer_id"] in signup:
                assert call["timestamp"] >= signup[call["customer_id"]][:19]
            per_weekday[datetime.fromisoformat(call["timestamp"]).weekday()] += 1
    assert per_weekday[5] < per_weekday[2] / 2


def test_the_ghost_calls_and_nobody_knows_it(files, later, read_truth):
    callers = {call["customer_id"] for calls in files.values() for call in calls}
    known = {row["customer_id"] for row in read_truth(later, "customers")}
    assert callers - known == {"acc_odd_ghost"}


def test_usage_may_come_before_its_account(files, company, later, read_truth):
    assert "acc_odd_in_flight" not in {r["customer_id"] for r in read_truth(company, "customers")}
    assert "acc_odd_in_flight" in {r["customer_id"] for r in read_truth(later, "customers")}
    before = [
        call
        for name, calls in files.items()
        if name < "2024-07-01"
        for call in calls
        if call["customer_id"] == "acc_odd_in_flight"
    ]
    assert before


def test_the_silent_customer_is_there_and_does_nothing(files, later, read_truth):
    (row,) = [r for r in read_truth(later, "customers") if r["customer_id"] == "acc_odd_silent"]
    assert row["first_call_at"] == ""
    assert not any(r["customer_id"] == "acc_odd_silent" for r in read_truth(later, "tickets"))
    assert not any(r["customer_id"] == "acc_odd_silent" for r in read_truth(later, "movements"))
