"""The fast SQL filter never passes what the judge refuses: garbled records, many of them, from a fixed seed."""

from __future__ import annotations

import json
import random
from datetime import UTC, datetime

import pyarrow as pa
import pytest

from ingestion.destination import checking, typecheck
from ingestion.destination.lines import Lines
from ingestion.destination.typecheck import Rule, Rules
from ingestion.sources.usage import api_call
from warehouse import duck

NOW = datetime(2025, 7, 1, tzinfo=UTC)
VALUES = [
    "null", "true", "false", "0", "-0", "1", "-1", "007", "200", "599", "600", "1.0", "1.5", "1e2", "1E2", "1e400", "-1e400",
    "NaN", "nan", "-Infinity", "inf", "9223372036854775807", "9223372036854775808", "18446744073709551616", "12.50",
    "0.1e-5", '""', '" "', '"x"', '"1"', '"1.5"', '"-1"', '"007"', '"NaN"', '"true"', "[]", "{}", "[1,]", '{"a":1,}', "[NaN]",
    '"2025-06-01T00:00:00Z"', '"2025-06-01T00:00:00"', '"2025-06-01 00:00:00+05:30"', '"2025-06-01T00:00Z"',
    '"2025-06-01T24:00:00Z"', '"2025-06-01T23:60:00Z"', '"2025-06-31T00:00:00Z"', '"2025-06-01T00:00:00.123456789Z"',
    '"2025-06-01T00:00:00+99:00"', '"2025-06-01T00:00:00z"', '"1999-12-31T23:59:59Z"', '"2025-07-03T00:00:00Z"',
    '"2025-07-03T00:00:02Z"', '"55840-01-01T00:00:00Z"', '"infinity"', '"2025-06-01"', '"2025-02-30"', "1748779200",
    '"1748779200"', "1748779200.123456", "1748779200123", "1748779200123.5", "1748779200123456", "946684800", "946684799.9",
    "946684799999", "1751500800", "1751500801", "1751500800000", "1751500800001", "17487792000", "174877920012", "1e9",
    "946684799.99999999", "01748779200", "-1748779200",
    '"caf\\u00e9"', '"\\ud83d\\ude00"', '"\\ud83d"', '"\\uDE00\\uD83D"', '{"\\ud83d":1}', '"\\u0000"', '"tab\\there"', '"é"', '"NaN, "', '",}"',
]  # fmt: skip
RULES = {
    "usage": api_call(NOW),
    "usage from text": api_call(NOW).as_text(),
    "one of each": Rules(
        tuple(
            Rule(f"{kind}_{need}", kind, required=need == "needed")
            for kind in ("text", "integer", "number", "boolean", "instant", "local_instant", "date", "any")
            for need in ("needed", "optional")
        ),
        mode=True,
    ),
}  # fmt: skip
GOOD = {
    "text": '"x"', "integer": "200", "number": "1.50", "boolean": "true", "instant": '"2025-06-01T00:00:00Z"',
    "local_instant": '"2025-06-01T00:00:00"', "date": '"2025-06-01"', "any": '{"a":[1]}',
}  # fmt: skip


def garbled(rules: Rules, dice: random.Random) -> str:
    """A record that is mostly good, with some odd values, missing, doubled and unknown keys."""
    pairs = []
    for rule in rules.fields:
        good = GOOD[rule.kind]
        if rules.from_text and not good.startswith('"'):
            good = json.dumps(good)
        pairs.append((rule.name, good if dice.random() < 0.9 else dice.choice(VALUES)))
    for _ in range(dice.choice([0, 0, 0, 1, 2])):
        pairs.append(
            (dice.choice(["other", "Other", "livemode", pairs[0][0]]), dice.choice(VALUES))
        )
    if dice.random() < 0.1:
        del pairs[dice.randrange(len(pairs))]
    colon, comma = dice.choice([":", ": ", " :\t"]), dice.choice([",", ", "])
    text = "{" + comma.join(f'"{name}"{colon}{value}' for name, value in pairs) + "}"
    if dice.random() < 0.05:
        at = dice.randrange(len(text))
        text = text[:at] + dice.choice(['"', "}", ",", "\\", "0", "[", ""]) + text[at + 1 :]
    return text


@pytest.mark.parametrize("rules", RULES.values(), ids=RULES.keys())
def test_the_filter_agrees_with_the_judge(rules):
    dice = random.Random(7)
    texts = [garbled(rules, dice) for _ in range(6000)]
    expected = {
        n: reason for n, text in enumerate(texts) if (reason := typecheck.judge(rules, text))
    }
    with duck.connect(":memory:") as con:
        found = checking.check(lambda: con, Lines.of(texts), rules)
    for n in expected.keys() ^ found.bad.keys():
        pytest.fail(f"{texts[n]}: {expected.get(n)} but {found.bad.get(n)}")
    assert found.bad == expected
    assert 1000 < len(expected) < 5500  # both kinds occur


def test_what_the_judge_passes_duckdb_can_read():
    """An instant that passes is one that bronze can cast; a number that passes keeps its digits."""
    rules = api_call(NOW)
    dice = random.Random(8)
    passed = [
        text
        for text in (garbled(rules, dice) for _ in range(4000))
        if not typecheck.judge(rules, text)
    ]
    assert any("\\ud83d\\ude00" in text for text in passed)
    with duck.connect(":memory:") as con:
        con.register("rows", pa.table({"line": passed}))
        wrong = con.execute(
            "select line from rows where coalesce(try_cast(line->>'$.timestamp' as timestamptz)::timestamp, "
            "if(strlen(split_part(line->>'$.timestamp', '.', 1)) >= 12, "
            "make_timestamp((try_cast(line->>'$.timestamp' as decimal(20, 3)) * 1000)::bigint), "
            "make_timestamp((try_cast(line->>'$.timestamp' as decimal(20, 6)) * 1000000)::bigint))) "
            "not between '2000-01-01' and '2025-07-03 00:00:01' "
            "or try_cast(line->>'$.bytes_processed' as bigint) is null "
            "or (line->>'$.bytes_processed') <> try_cast(line->>'$.bytes_processed' as bigint)::varchar "
            "or not isfinite(try_cast(line->>'$.response_time_ms' as double))"
        ).fetchall()
    assert wrong == []
