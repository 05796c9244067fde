"""Relations that hold for usage from file to gold: the same calls, written and delivered in many ways, are the same rows.

Each way is a company of its own in one warehouse, with its own names of customers, calls and endpoints; so all of them cost three
starts of dbt, and one more for the backfill. The host's time zone is India's meanwhile.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import io
import json
import math
import os
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from ingestion import runner
from tests.dbt.landing_files import ensure_all, land
from tests.dbt.warehouse_of import rows_of
from warehouse.dbt_process import run_dbt
from warehouse.settings import Settings

pytestmark = pytest.mark.slow(minutes=3)

NOW = datetime(2025, 7, 1, tzinfo=UTC)
FIRST_DAY = datetime(2025, 6, 1, tzinfo=UTC)
DAYS = 6
STEPS = 3
SEED = 5
OLD = 1_700_000_000  # long before the test: the file is finished
INDIA = timezone(timedelta(hours=5, minutes=30))
SELECTION = "+fact_api_usage +agg_api_usage_daily +fact_feature_usage +int_customer_usage_daily"

Call = dict[str, Any]
# per step: name of a file → its lines, or its bytes
Files = dict[str, bytes]
Deliveries = list[Files]


def calls() -> list[Call]:
    """Lines of six days: calls, some of them twice, some in a newer version that may lie on the next day."""
    chance = random.Random(SEED)
    lines = [
        {
            "request_id": f"r{n}",
            "customer_id": f"acc{chance.randrange(4)}",
            "endpoint": f"/e{chance.randrange(3)}",
            "method": chance.choice(["GET", "POST"]),
            "status_code": chance.choice([200, 200, 200, 404, 429, 503]),
            "response_time_ms": chance.choice([3, 12.5, 480.125, 2600]),
            "bytes_processed": chance.randrange(10**9),
            "feature": chance.choice([None, "basic_quantization", "Größe \"é\" 🙂"]),
            "region": "eu-west",
            "timestamp": FIRST_DAY + timedelta(seconds=chance.randrange(DAYS * 86_400 - 7200)),
        }
        for n in range(150)
    ]  # fmt: skip
    newer = [
        line | {"timestamp": line["timestamp"] + timedelta(hours=2), "status_code": 200}
        for line in chance.sample(lines, 15)
    ]
    return [*lines, *newer, *chance.sample(lines, 15)]


def spread_calls() -> list[Call]:
    """Calls of three weeks whose latencies lie between 1 ms and a minute, as many short as long ones."""
    chance = random.Random(SEED)
    return [
        {
            "request_id": f"s{n}", "customer_id": "acc", "endpoint": "/e", "method": "GET", "status_code": 200,
            "response_time_ms": round(60_000 ** chance.random() + 0.001, 3), "bytes_processed": chance.randrange(10**9),
            "timestamp": FIRST_DAY + timedelta(seconds=chance.randrange(21 * 86_400)),
        }
        for n in range(1200)
    ]  # fmt: skip


def told(line: Call, name: str, zone: timezone | int = UTC) -> Call:
    """A line in the names of one company, its instant as text of a zone, or so many times the seconds since 1970."""
    at = line["timestamp"]
    if isinstance(zone, int):
        text = int(at.timestamp()) * zone
    else:
        text = at.astimezone(zone).isoformat().replace("+00:00", "Z")
    return line | {
        "request_id": f"{name}-{line['request_id']}",
        "customer_id": f"{name}-{line['customer_id']}",
        "endpoint": f"/{name}{line['endpoint']}",
        "timestamp": text,
    }


def written(lines: Sequence[Call], name: str, zone: timezone | int = UTC) -> bytes:
    """Lines as JSONL."""
    return "".join(
        json.dumps(told(line, name, zone), ensure_ascii=False) + "\n" for line in lines
    ).encode()


def shuffled(lines: Sequence[Call], seed: int = SEED) -> list[Call]:
    return random.Random(seed).sample(lines, len(lines))


def of_days(lines: Sequence[Call], first: int, last: int) -> list[Call]:
    """Lines of some days, counted from 0, both included."""
    return [line for line in lines if first <= (line["timestamp"] - FIRST_DAY).days <= last]


def odd(lines: Sequence[Call], name: str) -> bytes:
    """Keys the other way round, every letter escaped, blanks between."""

    def escaped(text: str) -> str:
        units = text.encode("utf-16-be")
        return "".join(f"\\u{units[n]:02x}{units[n + 1]:02X}" for n in range(0, len(units), 2))

    def value(of: Any) -> str:
        return f'"{escaped(of)}"' if isinstance(of, str) else json.dumps(of)

    return "".join(
        "{ "
        + " ,".join(
            f'"{escaped(key)}" :\t{value(of)}' for key, of in reversed(told(line, name).items())
        )
        + " }\n"
        for line in lines
    ).encode()


def as_csv(lines: Sequence[Call], name: str, zone: timezone | int) -> bytes:
    """Lines as CSV, where all values are text and what is missing is empty."""
    rows = [told(line, name, zone) for line in lines]
    out = io.StringIO()
    writer = csv.DictWriter(out, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    return out.getvalue().encode()


def in_parts(lines: Sequence[Call], name: str, parts: int) -> list[bytes]:
    return [written(lines[part::parts], name) for part in range(parts)]


def at_once(files: Files) -> Deliveries:
    return [files, {}, {}]


# the name of the company is the relation's
WAYS: dict[str, Callable[[list[Call], str], Deliveries]] = {
    "plain": lambda lines, name: at_once({"all.jsonl": written(lines, name)}),
    "shuffled": lambda lines, name: at_once({"all.jsonl": written(shuffled(lines), name)}),
    "split": lambda lines, name: [
        {"part.jsonl": part} for part in in_parts(shuffled(lines), name, STEPS)
    ],
    "replayed": lambda lines, name: [
        {"all.jsonl": written(shuffled(lines, seed), name)} for seed in range(STEPS)
    ],
    "overlapping": lambda lines, name: [
        {"window.jsonl": written(of_days(lines, first, first + 3), name)} for first in (0, 1, 2)
    ],
    "late": lambda lines, name: [
        {"days.jsonl": written(of_days(lines, first, first + 1), name)} for first in (4, 2, 0)
    ],
    "ten": lambda lines, name: at_once(
        {f"{n}.jsonl": part for n, part in enumerate(in_parts(lines, name, 10))}
    ),
    "gzip": lambda lines, name: at_once({"all.jsonl.gz": gzip.compress(written(lines, name))}),
    "zone": lambda lines, name: at_once({"all.jsonl": written(lines, name, INDIA)}),
    "epochs": lambda lines, name: [
        {"seconds.jsonl": written(lines[::3], name, 1)},
        {"milliseconds.jsonl": written(lines[1::3], name, 1000)},
        {"numbers.csv": as_csv(lines[2::3], name, 1000), "texts.csv": as_csv(lines[:1], name, 1)},
    ],
    "odd": lambda lines, name: at_once({"all.jsonl": odd(lines, name)}),
    "week": lambda lines, name: at_once({"all.jsonl": written(a_week_later(lines), name)}),
    "daily": lambda lines, name: at_once(
        {f"{day_of(n)}.jsonl": written(of_days(lines, n, n), name) for n in range(DAYS)}
    ),
}  # fmt: skip


def a_week_later(lines: Sequence[Call]) -> list[Call]:
    return [line | {"timestamp": line["timestamp"] + timedelta(days=7)} for line in lines]


def day_of(number: int) -> date:
    return (FIRST_DAY + timedelta(days=number)).date()


@dataclass
class Usage:
    """A folder of usage logs and the warehouse that is made of it."""

    settings: Settings
    folder: Path

    def put(self, name: str, files: Files, step: int) -> None:
        for file, data in files.items():
            # the daily files are named by their day alone: a backfill finds them by it
            path = self.folder / (file if name == "daily" else f"{name}-{step}-{file}")
            path.write_bytes(data)
            os.utime(path, (OLD + step, OLD + step))

    def build(self) -> None:
        command = ["build", "--select", *SELECTION.split(), "--exclude-resource-types", "test", "unit_test"]  # fmt: skip
        run_dbt(self.settings, command, target="dev")


@pytest.fixture(scope="module")
def india() -> Iterator[None]:
    """The host's clock is not UTC's."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Asia/Kolkata"
    time.tzset()
    yield
    os.environ.pop("TZ") if before is None else os.environ.update(TZ=before)
    time.tzset()


@pytest.fixture(scope="module")
def usage(india: None, tmp_path_factory: pytest.TempPathFactory) -> Usage:
    """Three syncs and three builds of everything; half the customers are named after their first calls."""
    folder = tmp_path_factory.mktemp("usage")
    settings = Settings.for_test(
        tmp_path_factory.mktemp("relations"), as_of=NOW, usage_location=str(folder)
    )
    ensure_all(settings)
    found = Usage(settings, folder)
    found.put("spread", {"all.jsonl": written(spread_calls(), "spread")}, 0)
    deliveries = {name: way(calls(), name) for name, way in WAYS.items()}
    for step in range(STEPS):
        for name, steps in deliveries.items():
            found.put(name, steps[step], step)
        if step:
            land(settings, "product", "accounts", [account(name, step) for name in WAYS], at=NOW)
        runner.sync("usage", settings)
        found.build()
    return found


def account(name: str, number: int) -> dict[str, Any]:
    since = "2025-05-01T00:00:00Z"
    return {
        "id": f"{name}-acc{number}", "name": name, "email": f"{name}{number}@example.com", "industry": "robotics",
        "country": "DE", "tier": "Team", "signup_at": since, "created_at": since, "updated_at": since, "deleted_at": None,
    }  # fmt: skip


FACTS = """
    select replace(request_id, $name || '-', '') as request_id, replace(customer_id, $name || '-', '') as customer_id,
        replace(source_customer_id, $name || '-', ''), replace(endpoint, '/' || $name, ''), method, feature, region,
        response_code, is_success, response_time_ms, bytes_processed, compute_units,
        "timestamp" - $later, date_partition - $later
    from gold.fact_api_usage where starts_with(request_id, $name || '-') order by all
"""
DAYS_OF_ENDPOINTS = """
    select date_partition - $later, replace(endpoint, '/' || $name, ''), status_class, calls, rate_limited_calls,
        bytes_processed, compute_units, response_time_ms_sum, response_time_ms_max, latency_histogram
    from gold.agg_api_usage_daily where starts_with(endpoint, '/' || $name || '/') order by all
"""
DAYS_OF_FEATURES = """
    select date_partition - $later, replace(customer_id, $name || '-', ''), feature_name, usage_count, successful_count,
        compute_units, first_used_at - $later, last_used_at - $later
    from gold.fact_feature_usage where starts_with(customer_id, $name || '-') order by all
"""
DAYS_OF_CUSTOMERS = """
    select date_partition - $later, replace(source_customer_id, $name || '-', ''), calls, successful_calls,
        client_error_calls, rate_limited_calls, server_error_calls, endpoints_used, features_used, bytes_processed,
        compute_units, response_time_ms_sum, first_called_at - $later, last_called_at - $later, first_success_at - $later
    from silver.int_customer_usage_daily where starts_with(source_customer_id, $name || '-') order by all
"""
TABLES = (FACTS, DAYS_OF_ENDPOINTS, DAYS_OF_FEATURES, DAYS_OF_CUSTOMERS)


def asked(usage: Usage, query: str, name: str, later: int = 0) -> list[tuple[Any, ...]]:
    """A table's rows of one company, without its name in them, and so many days earlier."""
    return rows_of(
        usage.settings,
        query.replace("$name", f"'{name}'").replace("$later", f"interval {later} day"),
    )


def test_the_plain_company_is_what_its_lines_say(usage: Usage) -> None:
    newest: dict[str, Call] = {}
    for line in sorted(calls(), key=lambda line: line["timestamp"]):
        newest[line["request_id"]] = line
    facts = asked(usage, FACTS, "plain")
    assert {(row[0], row[2], row[7], row[10], row[12]) for row in facts} == {
        (
            line["request_id"], line["customer_id"], line["status_code"], line["bytes_processed"],
            line["timestamp"].replace(tzinfo=None),
        )
        for line in newest.values()
    }  # fmt: skip
    assert len(facts) == len(newest) == 150
    # two of four customers have become known, one of them after his calls had been built twice
    assert {row[1] for row in facts} == {"acc1", "acc2", "unknown"}
    assert sum(row[3] for row in asked(usage, DAYS_OF_ENDPOINTS, "plain")) == 150
    assert sum(row[2] for row in asked(usage, DAYS_OF_CUSTOMERS, "plain")) == 150
    units = sum(
        max(Decimal(1), Decimal(str(line["response_time_ms"])) / 1000) for line in newest.values()
    )
    assert sum(row[11] for row in facts) == units


@pytest.mark.parametrize("name", [name for name in WAYS if name != "plain"])
@pytest.mark.parametrize("table", TABLES, ids=["calls", "endpoints", "features", "customers"])
def test_the_same_calls_are_the_same_rows(usage: Usage, name: str, table: str) -> None:
    expected = asked(usage, table, "plain")
    assert len(expected) > 10
    assert asked(usage, table, name, later=7 if name == "week" else 0) == expected


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_days_add_up_to_weeks_and_months(usage: Usage, period: str) -> None:
    """Sums are exact; a percentile is within 5 % of the call's own, read off the sums of equal buckets and not off the days' percentiles."""
    ours = "where endpoint = '/spread/e'"
    merged = rows_of(
        usage.settings,
        f"select date_trunc('{period}', date_partition)::date, sum(calls), sum(bytes_processed), sum(response_time_ms_sum), "
        f"max(response_time_ms_max), list(latency_histogram) from gold.agg_api_usage_daily {ours} group by 1 order by 1",
    )
    exact = rows_of(
        usage.settings,
        f"select date_trunc('{period}', date_partition)::date, count(*), sum(bytes_processed), sum(response_time_ms), "
        "max(response_time_ms), list(response_time_ms order by response_time_ms) "
        f"from gold.fact_api_usage {ours} group by 1 order by 1",
    )
    assert [row[:5] for row in merged] == [row[:5] for row in exact]
    assert len(exact) == {"day": 21, "week": 4, "month": 1}[period]
    for (*_, histograms), (*_, latencies) in zip(merged, exact, strict=True):
        buckets: Counter[int] = Counter()
        for histogram in histograms:
            buckets.update(histogram)
        assert buckets.total() == len(latencies)
        for share in (0.5, 0.95, 0.99):
            rank = math.ceil(share * len(latencies))
            bucket = next(b for b in sorted(buckets) if sum(n for c, n in buckets.items() if c <= b) >= rank)  # fmt: skip
            assert 1.1 ** (bucket - 0.5) == pytest.approx(float(latencies[rank - 1]), rel=0.05)


def test_a_backfill_changes_only_its_day(usage: Usage) -> None:
    before, number = by_day(usage), 2
    again = [line | {"bytes_processed": 10**9} for line in of_days(calls(), number, number)]
    day = day_of(number)
    usage.put("daily", {f"{day}.jsonl": written(again, "daily")}, STEPS)
    # what has come for another day meanwhile is not the backfill's
    other = day_of(number + 1)
    more = [line | {"bytes_processed": 10**9} for line in of_days(calls(), number + 1, number + 1)]
    usage.put("daily", {f"{other}.jsonl": written(more, "daily")}, STEPS)
    runner.sync("usage", usage.settings, window=(day, day))
    usage.build()
    after = by_day(usage)
    changed = {key for key in before.keys() | after.keys() if before.get(key) != after.get(key)}
    assert {changed_day for _, changed_day in changed} == {day}
    assert len(changed) == len(TABLES) - 1  # how often features were used is not how much


def by_day(usage: Usage) -> dict[tuple[int, date], str]:
    """One hash per table and day, of the whole warehouse."""
    tables = (
        "gold.fact_api_usage", "gold.agg_api_usage_daily", "gold.fact_feature_usage", "silver.int_customer_usage_daily",
    )  # fmt: skip
    found = {}
    for number, table in enumerate(tables):
        content = "list(row order by row::varchar)::varchar"
        for day, rows in rows_of(
            usage.settings,
            f"select date_partition, {content} from (select * exclude (load_id) from {table}) as row group by 1",
        ):
            found[number, day] = hashlib.sha256(rows.encode()).hexdigest()
    return found
