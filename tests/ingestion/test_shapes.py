"""What is taken for granted at full speed is what the exact way says: envelopes, plain CSV, typed columns."""

from __future__ import annotations

import io
import json
import random
import threading
import time
from datetime import UTC, datetime
from itertools import islice

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion.ahead import ahead
from ingestion.destination import envelopes, messages, shapes, typecheck
from ingestion.destination.lines import Lines, repaired
from ingestion.files import reading
from ingestion.sources.usage import api_call
from warehouse import duck

NOW = datetime(2025, 7, 1, tzinfo=UTC)
RULES = api_call(NOW)
GOOD = (
    '{"request_id":"r%d","customer_id":"a","status_code":200,"response_time_ms":1.50,'
    '"bytes_processed":7,"timestamp":"2025-06-30T23:59:59.123Z"%s}'
)


def split(texts):
    """Lines as they are read: of one buffer, a newline between them."""
    return Lines.split("".join(f"{text}\n" for text in texts).encode())


# --- shapes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "more",
    [
        "",
        ',"note":"caf\\u00e9 é \\n"',
        ',"x":{"y":[1,2.5e3,"z"],"e":{}}',
        ',"n":null',
        ',"a.b (c)|":true',
    ],
)
def test_lines_of_one_shape_are_proved(more):
    assert shapes.proved(split([GOOD % (n, more) for n in range(300)]), RULES).all()


def test_a_proof_holds_for_the_judge():
    """Lines of a proved shape with one byte changed: what is still proved the judge passes."""
    dice = random.Random(11)
    texts = [GOOD % (n, ',"x":{"y":[1]}') for n in range(200)]
    for _ in range(20_000):
        text = dice.choice(texts[:200])
        at = dice.randrange(len(text))
        texts.append(
            text[:at]
            + dice.choice('0129-.:eE"\\{}[], TZ+\t\x01nua')
            + text[at + dice.choice((0, 1)) :]
        )
    proved = shapes.proved(split(texts), RULES)
    assert 200 < proved.sum() < len(texts) - 5000  # both kinds occur
    for text, is_proved in zip(texts, proved, strict=True):
        assert not (is_proved and typecheck.judge(RULES, text)), text


def test_days_beyond_the_bounds_are_not_proved():
    texts = [
        (GOOD % (1, "")).replace("2025-06-30", day)
        for day in (
            "2025-06-30",
            "2025-07-02",
            "2025-07-03",
            "2026-01-01",
            "2000-01-01",
            "1999-12-31",
            "2024-02-30",
        )
    ]
    assert shapes.proved(split(texts), RULES).tolist() == [True, True] + [False] * 5


def test_instants_as_numbers_are_proved_where_the_judge_passes_them():
    """Seconds, milliseconds, with fractions and without; up to a day or so before the bound, never beyond it."""
    dice = random.Random(4)
    text = GOOD.replace('"2025-06-30T23:59:59.123Z"', "%s")
    numbers = [1748779200, 1748779200123, 1748779200.5, "1748779200123.250", 1000000000]
    assert shapes.proved(split([text % (n, number, "") for n, number in enumerate(numbers)]), RULES).all()  # fmt: skip
    texts = [text % (n, dice.randrange(9 * 10**8, 2 * 10**9) * dice.choice([1, 1000, 10**6]), "") for n in range(5000)]  # fmt: skip
    texts += [text % (n, 1751500800 + dice.randrange(-300_000, 300_000), "") for n in range(5000)]
    proved = shapes.proved(split(texts), RULES)
    assert 3000 < proved.sum() < 8000  # both kinds occur
    for line, is_proved in zip(texts, proved, strict=True):
        assert not (is_proved and typecheck.judge(RULES, line)), line


# --- lines ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "data",
    [
        b"\n",
        b"a\n\n b\n",
        b'"a\nb"\n',
        b"a\x01b\nc\n",
        b"\xff\n",
        b"\xef\xbb\xbfa\n",
        b"a\x00,b\nNA\n",
        b"a\r\nb\n",
    ],
)
def test_split_keeps_every_byte(data):
    expected = [line.removesuffix(b"\r") for line in data.split(b"\n")[:-1]]
    lines = Lines.split(data)
    assert list(lines.raws()) == expected
    assert lines.arrow().cast(pa.large_binary()).to_pylist() == expected


TEXTS = ["", "a", "twelve bytes", "thirteen byte", "é" * 6, "é" * 7, '{"a":1}' * 40, "", "z"]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_lines_reach_duckdb_as_they_are(end):
    lines = Lines.split("".join(f"{text}{end}" for text in TEXTS).encode())
    short, long = Lines.of(["x"]), Lines.of(["y" * 5000, "é"])
    with duck.connect(":memory:") as con:
        for some, expected in (
            (lines, TEXTS),
            (lines.take(np.array([7, 2, 3])), ["", "twelve bytes", "thirteen byte"]),
            (lines.cut(0, 0).blank([3, 6]), [*TEXTS[:3], "", *TEXTS[4:6], "", *TEXTS[7:]]),
            (Lines.together([short, lines, long]), ["x", *TEXTS, "y" * 5000, "é"]),
            (Lines.of_arrow(pa.array(["no", *TEXTS], pa.large_string()).slice(1)), TEXTS),
            (Lines.of([]), []),
        ):
            con.register("found", pa.table({"line": some.arrow()}))
            assert [text for (text,) in con.execute("from found").fetchall()] == expected
            assert list(some) == expected
            assert some.is_utf8()
            assert some.matches("[a-z].*").tolist() == [
                text[:1].isascii() and text[:1].islower() for text in expected
            ]


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_that_are_not_utf8_are_blanked(end):
    data = b"a\n\xff\xe9\nb\n\xc3\n\xa9\n".replace(b"\n", end)
    lines, bad = repaired(Lines.split(data))
    assert list(lines) == ["a", "", "b", "", ""]
    assert bad == {1: "\\xff\\xe9", 3: "\\xc3", 4: "\\xa9"}


def test_beginnings_and_ends():
    lines = Lines.split(b"abc\nab\n\nxabc\nabcabc\n")
    assert lines.begin_with(b"abc").tolist() == [True, False, False, False, True]
    assert lines.end_with(b"ab", 1).tolist() == [True, False, False, True, True]
    assert Lines.of(["a"]).begin_with(b"abc").tolist() == [False]


# --- envelopes ------------------------------------------------------------------------------------

FORMS = (
    '{"type":"RECORD","record":{"stream":"%s","data":%s,"emitted_at":1735689600000}}',
    '{"type": "RECORD", "record": {"stream": "%s", "data": %s, "emitted_at": 1735689600000}}',
    '{"type":"RECORD","record":{"namespace":"é","stream":"%s","data":%s,"emitted_at":1735689600000}}',
    '{"type":"RECORD","record":{"stream":"%s","data":%s,"namespace":null,"emitted_at":1735689600000,"meta":{}}}',
    '{"record":{"emitted_at":1735689600000,"data":%s,"stream":"%s"},"type":"RECORD"}',
    '{"type":"RECORD","record":{"stream":"%s","data":%s}}',
)


def test_envelopes_of_any_form_open_alike():
    dice = random.Random(3)
    data = ['{"a":1.10}', '{"data":{"emitted_at":1}}', '{"t":"}\\"é"}', "{}"]
    texts = []
    for _ in range(2000):
        form, parts = dice.choice(FORMS), (dice.choice(["s", "t"]), dice.choice(data))
        texts.append(form % (parts[::-1] if form.startswith('{"record"') else parts))
    found = envelopes.opened(split(texts), datetime(2025, 1, 1))
    seen = {
        int(index): (stream, line, at.item())
        for stream, records in found.records.items()
        for index, line, at in zip(records.index, records.lines, records.emitted, strict=True)
    }
    assert not found.aside
    assert all((records.index[1:] > records.index[:-1]).all() for records in found.records.values())
    for index, text in enumerate(texts):
        stream, line, _ = messages.open_envelope(text)
        assert seen[index] == (stream, line, datetime(2025, 1, 1))


def test_the_last_word_on_what_was_cut_wrongly():
    usual = FORMS[0] % ("s", '{"a":1}')
    odd = usual.replace('},"emitted_at"', '},"namespace":null,"emitted_at"')
    other = usual.replace('},"emitted_at"', '},"stream":"t","emitted_at"')
    broken = FORMS[0] % ("s", '{"a":')
    lines = split([usual, odd, other, broken])
    records = envelopes.opened(lines, datetime(2025, 1, 1)).records["s"]
    assert len(records.lines) == 4
    correct, none = envelopes.last_word("s", records, [1, 2, 3], lines)
    assert correct == {1: '{"a":1}'}
    assert {at: reason for at, (reason, _) in none.items()} == {
        2: "a record that names its stream twice",
        3: "not JSON",
    }


# --- CSV and Parquet ------------------------------------------------------------------------------


def test_plain_csv_reads_like_python(monkeypatch):
    dice = random.Random(5)
    values = [
        "",
        "x",
        "1.10",
        "é",
        "a b",
        "back\\slash",
        '"q, ""q"""',
        '""',
        "NA",
        "null",
        "'",
        "\ufeffx",
    ]
    fast = odd = 0
    for _ in range(300):
        rows = [",".join(dice.choice(values) for _ in range(3)) for _ in range(5)]
        if dice.random() < 0.3:
            rows[dice.randrange(5)] = dice.choice(["", "a,b", 'a"b,c,d', "a,b,c,d", "a\tb,c,d"])
        data = ("\n".join(rows) + "\n").encode()
        plain = reading._plain_rows(data, ["k", 'é "', "z"])
        exact = next(reading._odd_rows([data], ["k", 'é "', "z"], 2))
        if plain is None:
            odd += 1
            continue
        fast += 1
        assert [json.loads(text.as_py()) for text in plain] == [
            json.loads(text) for text in exact.lines
        ]
        assert plain.to_pylist() == list(exact.lines)
    assert fast > 100
    assert odd > 50


def test_csv_goes_on_in_python_where_it_becomes_odd(tmp_path, monkeypatch):
    monkeypatch.setattr(reading, "PIECE_BYTES", 100)
    monkeypatch.setattr(reading, "_READ_BYTES", 64)
    rows = [f"{n},x" for n in range(60)] + ['60,"two', 'lines"', "61,x", "62"] + ["63,x"]
    path = tmp_path / "a.csv"
    path.write_text("a,b\n" + "\n".join(rows))
    pieces = list(reading.pieces(path, path.name, ("a",)))
    found = {
        int(number): text
        for piece in pieces
        for number, text in zip(piece.numbers, piece.lines, strict=True)
    }
    assert len(pieces) > 2
    assert found[2] == '{"a": "0", "b": "x"}'
    assert found[62] == '{"a": "60", "b": "two\\nlines"}'
    assert found[66] == '{"a": "63", "b": "x"}'
    assert [bad for piece in pieces for bad in piece.bad] == [
        (65, "1 fields where the header has 2", "62")
    ]


def test_what_columns_prove_the_judge_passes(tmp_path):
    dice = random.Random(9)
    choices = {
        "request_id": ["r", "", None, "é\n"],
        "customer_id": ["a"],
        "status_code": [200, 99, 600, None, 599],
        "response_time_ms": [0.0, -0.0, 1.5, -1.0, float("nan"), float("inf"), None],
        "bytes_processed": [0, -1, 2**62],
        "timestamp": [
            NOW,
            datetime(1999, 1, 1, tzinfo=UTC),
            datetime(2025, 7, 3, 1, tzinfo=UTC),
            None,
        ],
        "extra": [1.0, float("nan"), None],
    }
    rows = [
        {
            name: values[0] if dice.random() < 0.8 else dice.choice(values)
            for name, values in choices.items()
        }
        for _ in range(3000)
    ]
    sink = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), sink)
    path = tmp_path / "a.parquet"
    path.write_bytes(sink.getvalue())
    proved = 0
    for piece in reading.pieces(path, path.name, (), RULES):
        for text, is_proved in zip(piece.lines, piece.proved, strict=True):
            proved += is_proved
            assert is_proved == (typecheck.judge(RULES, text) is None), text
    assert 300 < proved < 2700


@pytest.mark.parametrize("scale", [1, 1000, 10**6])
def test_a_column_of_instants_as_whole_numbers_is_proved_within_its_bounds(tmp_path, scale):
    dice = random.Random(9)
    bounds = [946684800, 1751500800]
    rows = [
        {
            "request_id": f"r{n}", "customer_id": "a", "status_code": 200, "response_time_ms": 1.5, "bytes_processed": 0,
            "timestamp": (dice.choice(bounds) + dice.randrange(-10**6, 10**6)) * scale,
        }
        for n in range(500)
    ]  # fmt: skip
    path = tmp_path / "a.parquet"
    pq.write_table(pa.Table.from_pylist(rows), path)
    (piece,) = reading.pieces(path, path.name, (), RULES)
    good = [typecheck.judge(RULES, line) is None for line in piece.lines]
    assert list(piece.proved) == good
    assert sum(good) == (0 if scale == 10**6 else pytest.approx(250, abs=60))


# --- ahead ----------------------------------------------------------------------------------------


def test_ahead_keeps_order_raises_errors_and_stops():
    def numbers():
        yield from range(50)
        raise OSError("gone")

    taken = []
    with pytest.raises(OSError, match="gone"), ahead(numbers()) as items:
        taken.extend(items)
    assert taken == list(range(50))

    def endless():
        while True:
            yield 1

    with ahead(endless()) as items:
        assert list(islice(items, 3)) == [1, 1, 1]
    assert "ahead" not in {thread.name for thread in threading.enumerate()}


def test_ahead_holds_no_more_than_it_has_room_for():
    made = []

    def parts():
        for size in (5, 5, 5, 50, 1):
            made.append(size)
            yield size

    with ahead(parts(), 10, int) as belt:
        assert [belt.take() for _ in range(2)] == [5, 5]
        wait_for(made, [5, 5, 5, 50])  # the heavy one waits for an empty belt
        assert belt.take() == 5
        wait_for(made, [5, 5, 5, 50, 1])
        assert [belt.take(), belt.take(), belt.take()] == [50, 1, None]
        assert belt.is_over


def test_a_belt_says_when_nothing_comes_in_time():
    go_on = threading.Event()

    def slow():
        yield 1
        go_on.wait()
        yield 2

    with ahead(slow()) as belt:
        assert belt.take() == 1
        assert belt.take(0.05) is None
        assert not belt.is_over
        go_on.set()
        assert list(belt) == [2]


def wait_for(made, expected):
    for _ in range(500):
        if made == expected:
            return
        time.sleep(0.01)
    raise AssertionError(made)
