"""Files by reference: each once, changed ones again, unfinished ones later; and every way a file can be wrong."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
import shutil
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ingestion import runner
from ingestion.files import locate, reading, sift, take
from warehouse import duck
from warehouse.errors import IncompleteLoad, QuarantineExceeded, SourceOff, WarehouseError

OLD = 1_700_000_000  # long before the test: the file is finished


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "usage"
    path.mkdir()
    return path


class Usage:
    def __init__(self, settings, folder):
        self.folder = folder
        self.settings = settings.over(usage_location=str(folder))

    def put(self, name, data: bytes, mtime: float = OLD):
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        os.utime(path, (mtime, mtime))
        return path

    def sync(self, **options):
        return runner.sync("usage", self.settings, **options)

    def query(self, sql):
        with duck.connect(self.settings.landing("usage"), read_only=True) as con:
            return con.execute(sql).fetchall()

    def rows(self):
        return self.query("select _file, _position, _raw from raw_usage.api_calls order by all")

    def ids(self):
        return sorted(
            row[0]
            for row in self.query("select _raw::json->>'request_id' from raw_usage.api_calls")
        )

    def bad(self):
        return self.query("select file, line, reason from landing.quarantine order by all")


@pytest.fixture
def usage(settings, folder):
    return Usage(settings, folder)


def call(n, **other):
    row = {
        "request_id": f"r{n}", "customer_id": "acc_1", "endpoint": "/analyze", "method": "POST", "status_code": 200,
        "response_time_ms": 12.5, "bytes_processed": 9007199254740993, "feature": "batch_processing", "region": "eu",
        "timestamp": "2025-06-01T12:00:00.123Z",
    }  # fmt: skip
    return row | other


def text(*rows) -> str:
    return "".join((row if isinstance(row, str) else json.dumps(row)) + "\n" for row in rows)


def calls(count, start=0) -> str:
    return text(*(call(n) for n in range(start, start + count)))


# --- what a file does when it is sound ------------------------------------------------------------------------------


def test_lines_are_kept_exactly_with_their_numbers(usage):
    odd = '{"request_id":"r1", "customer_id":"a","status_code":200,"response_time_ms":1.10,"bytes_processed":0,"new":{"x":1.0},"timestamp":"2025-06-01T00:00:00+05:30"}'
    usage.put("2025-06-01.jsonl", text(call(0), odd).encode())
    result = usage.sync()
    assert (result.rows, result.quarantined) == (2, 0)
    assert usage.rows() == [
        ("2025-06-01.jsonl", 1, json.dumps(call(0))),
        ("2025-06-01.jsonl", 2, odd),
    ]
    assert usage.query("select rows_landed, rows_quarantined, day::text from landing.files") == [
        (2, 0, "2025-06-01")
    ]


@pytest.mark.parametrize("name", ["a.jsonl", "a.jsonl.gz", "a.parquet", "a.csv", "a.csv.gz"])
def test_formats(usage, name):
    rows = [call(n, status_code=200 + n) for n in range(3)]
    if name.endswith(".parquet"):
        sink = io.BytesIO()
        for row in rows:
            row["timestamp"] = datetime.fromisoformat(row["timestamp"])
        pq.write_table(pa.Table.from_pylist(rows), sink)
        data = sink.getvalue()
    elif "csv" in name:
        out = io.StringIO()
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)
        data = out.getvalue().encode()
    else:
        data = text(*rows).encode()
    usage.put(name, gzip.compress(data) if name.endswith(".gz") else data)
    assert usage.sync().rows == 3
    seen = usage.query(
        "select _raw::json->>'request_id', (_raw::json->>'status_code')::int, (_raw::json->>'bytes_processed')::bigint, "
        "(_raw::json->>'timestamp')::timestamptz::timestamp::text from raw_usage.api_calls order by 1"
    )
    assert seen == [
        (f"r{n}", 200 + n, 9007199254740993, "2025-06-01 12:00:00.123") for n in range(3)
    ]


def parquet_call(n, **other):
    row = call(n) | other
    sink = io.BytesIO()
    at = datetime.fromisoformat(row["timestamp"])
    pq.write_table(pa.Table.from_pylist([row | {"timestamp": at}]), sink)
    return sink.getvalue()


@pytest.mark.parametrize(
    "name",
    ["2025-06-02 [1].parquet", "2025-06-02 ?.parquet", "2025-06-02 *.parquet", "[1]/2025-06-02 [1].parquet"],
)  # fmt: skip
def test_a_parquet_file_with_a_pattern_for_a_name_is_read_itself(usage, name):
    usage.put(name.replace("[1]", "1").replace("?", "1").replace("*", "1"), parquet_call(1))
    usage.put(name, parquet_call(2))
    assert usage.sync().rows == 2
    assert usage.ids() == ["r1", "r2"]


def test_the_folders_of_a_parquet_file_are_no_columns(usage):
    usage.put("region=us/2025-06-01.parquet", parquet_call(1, region="eu"))
    usage.put("year=2025/month=06/day=03/part-1.parquet", parquet_call(2))
    usage.sync()
    seen = usage.query(
        "select _raw::json->>'region', json_keys(_raw) from raw_usage.api_calls order by all"
    )
    assert seen == [("eu", list(call(0)))] * 2


def test_a_list_of_instants_in_a_parquet_file_is_a_list(usage):
    at = datetime.fromisoformat("2025-06-01T12:00:00.123Z")
    usage.put("2025-06-01.parquet", parquet_call(1, retries=[at], days=[[at.replace(tzinfo=None)]]))
    usage.sync()
    seen = usage.query("select _raw::json->'retries', _raw::json->'days' from raw_usage.api_calls")
    assert seen == [('["2025-06-01 12:00:00.123+00"]', '[["2025-06-01 12:00:00.123"]]')]


def test_a_file_is_taken_once_also_under_another_name(usage):
    data = calls(5).encode()
    usage.put("2025-06-01.jsonl", data)
    usage.sync()
    usage.put("2025-06-01.again.jsonl", data)
    assert usage.sync().rows == 0
    os.utime(usage.folder / "2025-06-01.jsonl")  # touched, not changed
    assert usage.sync().rows == 0
    assert len(usage.rows()) == 5
    assert usage.query("select name, same_as, rows_landed from landing.files order by name") == [
        ("2025-06-01.again.jsonl", "2025-06-01.jsonl", 0),
        ("2025-06-01.jsonl", None, 5),
    ]


def test_a_changed_file_lands_again_in_place_of_what_it_was(usage):
    usage.put("2025-06-01.jsonl", calls(5).encode())
    usage.put("2025-06-02.jsonl", calls(5, 100).encode())
    usage.sync()
    usage.put("2025-06-01.jsonl", calls(7).encode(), OLD + 1)
    assert usage.sync().rows == 7
    assert usage.query(
        "select _file, count(*), max(_load_id) from raw_usage.api_calls group by 1 order by 1"
    ) == [
        ("2025-06-01.jsonl", 7, 2),
        ("2025-06-02.jsonl", 5, 1),
    ]


def test_a_copy_is_not_lost_when_its_twin_changes(usage):
    usage.put("a.jsonl", calls(5).encode())
    usage.put("b.jsonl", calls(5).encode())
    usage.sync()
    usage.put("a.jsonl", calls(2, 50).encode(), OLD + 1)
    usage.sync()
    assert usage.ids() == ["r0", "r1", "r2", "r3", "r4", "r50", "r51"]


@pytest.mark.parametrize("rotated", ["app.1.jsonl", "app.jsonl.1.jsonl", "zz.jsonl"])
def test_a_log_that_was_rotated_keeps_its_rows(usage, rotated):
    usage.put("app.jsonl", calls(5).encode())
    usage.sync()
    usage.put(rotated, calls(5).encode())
    usage.put("app.jsonl", calls(2, 50).encode(), OLD + 1)
    usage.sync()
    assert usage.ids() == ["r0", "r1", "r2", "r3", "r4", "r50", "r51"]
    assert usage.query("select name, same_as, rows_landed from landing.files order by name") == [
        *sorted([("app.jsonl", None, 2), (rotated, None, 5)])
    ]
    assert usage.sync().rows == 0


def test_logs_that_are_rotated_one_after_another_keep_their_rows(usage):
    days = [calls(2, day * 10).encode() for day in range(4)]
    for day in range(4):
        for age in range(day + 1):
            name = f"app.{age}.jsonl" if age else "app.jsonl"
            usage.put(name, days[day - age], OLD + day)
        usage.sync()
    assert usage.ids() == ["r0", "r1", "r10", "r11", "r20", "r21", "r30", "r31"]
    assert usage.sync().rows == 0


@pytest.mark.parametrize(
    "names", [("a.jsonl", "b.jsonl", "c.jsonl"), ("c.jsonl", "b.jsonl", "a.jsonl")]
)
def test_files_that_trade_places_keep_their_rows(usage, names):
    first, second, third = names
    usage.put(first, calls(3).encode())
    usage.put(second, calls(2, 50).encode())
    usage.sync()
    usage.put(first, calls(2, 50).encode(), OLD + 1)
    usage.put(second, calls(3).encode(), OLD + 1)
    usage.put(third, calls(3).encode(), OLD + 1)
    usage.sync()
    assert usage.ids() == ["r0", "r1", "r2", "r50", "r51"]
    assert usage.sync().rows == 0


def test_a_file_that_becomes_a_copy_no_longer_says_what_it_said(usage):
    usage.put("a.jsonl", calls(3).encode())
    usage.put("b.jsonl", calls(2, 50).encode())
    usage.sync()
    usage.put("a.jsonl", calls(2, 50).encode(), OLD + 1)
    usage.sync()
    assert usage.ids() == ["r50", "r51"]
    assert usage.query("select count(*) from landing.tombstones") == [(3,)]
    assert usage.query("select sum(rows_landed) from landing.loads") == [(2,)]


def test_what_an_older_version_lost_in_a_rotation_comes_back(usage):
    usage.put("app.jsonl", calls(2, 50).encode())
    usage.put("app.1.jsonl", calls(5).encode())
    usage.sync()
    with duck.connect(usage.settings.landing("usage")) as con:  # as such a version left it
        con.execute("delete from raw_usage.api_calls where _file = 'app.1.jsonl'")
        con.execute("update landing.files set same_as = 'app.jsonl' where name = 'app.1.jsonl'")
    assert usage.sync().rows == 5
    assert len(usage.ids()) == 7


def test_a_fault_is_told_once_though_files_are_looked_at_again(usage):
    bad = (calls(98) + "{\n{\n").encode()
    usage.put("app.jsonl", calls(5).encode())
    usage.sync()
    usage.put("app.1.jsonl", calls(5).encode())
    usage.put("app.jsonl", calls(2, 50).encode(), OLD + 1)
    usage.put("bad.jsonl", bad)
    usage.put("copy of bad.jsonl", bad)
    with pytest.raises(QuarantineExceeded, match=r"bad\.jsonl: 2 of 100 rows are bad"):
        usage.sync()
    ((message,),) = usage.query("select message from landing.syncs where status = 'failed'")
    assert (message.count("; bad.jsonl: ") + message.startswith("bad.jsonl: ")) == 1
    assert len(usage.ids()) == 7


def test_a_window_lands_its_days_again_and_nothing_else(usage):
    for day in (1, 2, 3):
        usage.put(f"2025-06-0{day}.jsonl", calls(3, day * 10).encode())
    usage.sync()
    before = usage.rows()
    assert usage.sync(window=(date(2025, 6, 2), date(2025, 6, 2))).rows == 3
    assert usage.rows() == before
    assert usage.query(
        "select _file, max(_load_id) from raw_usage.api_calls group by 1 order by 1"
    ) == [
        ("2025-06-01.jsonl", 1),
        ("2025-06-02.jsonl", 2),
        ("2025-06-03.jsonl", 1),
    ]


def test_a_clock_that_goes_back_an_hour_loses_nothing(usage):
    usage.put("2025-06-01.jsonl", calls(3).encode())
    through = usage.sync().complete_through
    # the file system's clock has gone back too: the new file looks older than the one before it
    usage.put("2025-06-02.jsonl", calls(3, 100).encode(), OLD - 3600)
    usage.put("2025-06-01.jsonl", calls(4).encode(), OLD - 3600)
    usage.settings = usage.settings.over(as_of=usage.settings.as_of - timedelta(hours=1))
    result = usage.sync()
    assert usage.ids() == ["r0", "r1", "r100", "r101", "r102", "r2", "r3"]
    assert result.complete_through > through
    assert usage.sync().rows == 0


def test_complete_through_ends_at_the_first_gap(usage):
    for day in (1, 2, 4):
        usage.put(f"2025-06-0{day}.jsonl", calls(1, day).encode())
    assert str(usage.sync().complete_through) == "2025-06-03 00:00:00+00:00"
    usage.put("2025-06-03.jsonl", calls(1, 3).encode())
    assert str(usage.sync().complete_through) == "2025-06-05 00:00:00+00:00"


def test_a_window_does_not_move_complete_through(usage):
    """A file of another day that was left out is a gap still, though others of its day have landed."""
    usage.put("2025-05-31.jsonl", calls(3).encode())
    usage.put("2025-06-01.part-1.jsonl", calls(3, 10).encode())
    cut = usage.put("2025-06-01.part-2.jsonl.gz", gzip.compress(calls(200, 1000).encode())[:-50])
    usage.put("2025-06-02.jsonl", calls(3, 20).encode())
    with pytest.raises(IncompleteLoad):
        usage.sync()
    through = usage.query("select * from landing.complete_through")
    assert [str(at) for _, at in through] == ["2025-06-01 00:00:00"]
    result = usage.sync(window=(date(2025, 5, 31), date(2025, 5, 31)))
    assert str(result.complete_through) == "2025-06-01 00:00:00+00:00"
    assert usage.query("select * from landing.complete_through") == through
    cut.write_bytes(gzip.compress(calls(200, 1000).encode()))
    assert str(usage.sync().complete_through) == "2025-06-03 00:00:00+00:00"


@pytest.fixture
def streamed(monkeypatch):
    """Files of more than 20,000 bytes are large; the names of those that were streamed."""
    monkeypatch.setattr(reading, "PIECE_BYTES", 10_000)
    monkeypatch.setattr(reading, "_READ_BYTES", 3_000)
    monkeypatch.setattr(sift, "CHECK_BYTES", 10_000)
    monkeypatch.setattr(take, "LARGE_BYTES", 20_000)
    names = []
    large = take.FileTaker._large

    def noted(taker, read, belt):
        names.append(read.file.name)
        return large(taker, read, belt)

    monkeypatch.setattr(take.FileTaker, "_large", noted)
    return names


def test_a_large_file_lands_in_pieces_and_one_commit(usage, streamed):
    usage.put(
        "2025-06-01.jsonl",
        (calls(500) + text(call("x", status_code=7)) + calls(500, 1000)).encode(),
    )
    result = usage.sync()
    assert (result.rows, result.quarantined, result.loads) == (1000, 1, 1)
    assert streamed == ["2025-06-01.jsonl"]
    assert usage.bad() == [("2025-06-01.jsonl", 501, "status_code: 7 is below 100")]
    assert usage.query(
        "select min(_position), max(_position), count(distinct _position) from raw_usage.api_calls"
    ) == [(1, 1001, 1000)]


def test_a_large_file_with_too_many_bad_rows_leaves_nothing(usage, streamed):
    usage.put(
        "2025-06-01.jsonl",
        (calls(500) + text(*[call(n, status_code=7) for n in range(50)])).encode(),
    )
    usage.put("2025-06-02.jsonl", calls(3).encode())
    with pytest.raises(
        QuarantineExceeded,
        match=r"2025-06-01.jsonl: 50 of 550 rows are bad, more than 1%; the first: line 501",
    ):
        usage.sync()
    assert streamed == ["2025-06-01.jsonl"]
    assert len(usage.rows()) == 3
    assert usage.bad() == []


def test_a_large_file_that_changes_while_it_is_read_waits(usage, streamed, monkeypatch):
    path = usage.put("2025-06-01.jsonl", calls(500).encode())
    usage.put("2025-06-02.jsonl", calls(3, 1000).encode())
    pieces = reading.pieces

    def written_meanwhile(where, *rest):
        for piece in pieces(where, *rest):
            yield piece
            if where == path:
                with path.open("ab") as file:
                    file.write(text(call("late")).encode())

    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(reading, "pieces", written_meanwhile)
        result = usage.sync()
    assert streamed == ["2025-06-01.jsonl"]
    assert result.warnings == (
        "2025-06-01.jsonl is still being written; it is taken by a later sync",
    )
    assert len(usage.rows()) == 3
    path.write_bytes(calls(500).encode())
    assert usage.sync().rows == 500


def test_inputs_are_small_tables(settings, tmp_path):
    (tmp_path / "fx_rates.csv").write_text(
        "date,base,quote,rate,source\n2025-01-01,USD,EUR,0.9612,ecb\n"
    )
    (tmp_path / "ad_spend.csv").write_text(
        "date,channel,campaign,currency,spend_minor,impressions,clicks\n2025-01-01,search,brand,USD,12345,,7\n"
    )
    settings = settings.over(inputs_location=str(tmp_path))
    result = runner.sync("inputs", settings)
    assert result.rows_by_stream == {"fx_rates": 1, "ad_spend": 1}
    assert result.complete_through == settings.as_of
    with duck.connect(settings.landing("inputs"), read_only=True) as con:
        found = con.execute("select _raw from raw_inputs.fx_rates").fetchall()
    assert found == [
        (
            '{"date": "2025-01-01", "base": "USD", "quote": "EUR", "rate": "0.9612", "source": "ecb"}',
        )
    ]


def test_without_a_location_the_source_is_off(settings):
    with pytest.raises(SourceOff, match="USAGE_LOCATION not set"):
        runner.sync("usage", settings)


def test_a_location_may_be_a_file_of_the_folder_one_is_in(usage, monkeypatch):
    usage.put("a.jsonl", calls(2).encode())
    usage.put("b.jsonl", calls(3, 10).encode())
    monkeypatch.chdir(usage.folder)
    usage.settings = usage.settings.over(usage_location="a.jsonl")
    assert usage.sync().rows == 2


def test_folders_where_tools_keep_what_is_not_finished_are_not_read(usage):
    for folder in ("_temporary/0/task_1", ".staging", "2025/_old"):
        usage.put(f"{folder}/part-0.jsonl", calls(2, 70).encode())
    usage.put("_day=2025-06-01/part-0.jsonl", calls(3).encode())
    assert usage.sync().rows == 3


def test_a_location_that_does_not_exist_is_an_error(usage):
    shutil.rmtree(usage.folder)
    with pytest.raises(WarehouseError, match="usage does not exist"):
        usage.sync()


# --- TRUST.md §3, files: the whole table -----------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """A file that is wrong in one way: what must be said of it, and how many of its rows land."""

    name: str
    data: bytes
    lands: int = 0
    error: str = ""
    bad: tuple[tuple[int, str], ...] = ()
    mtime: float = OLD


GZ = gzip.compress(calls(200).encode())
BOMB = gzip.compress(b" " * (80 << 20))
CUT = calls(200).encode() + b'{"request_id":"cut","customer_id":"a"'
HUGE = text(call("h", note="x" * 1_100_000))

FAULTS = {
    "truncated gzip": Fault("a.jsonl.gz", GZ[:-100], error="a.jsonl.gz is cut off: the gzip ends in the middle"),
    "gzip without its checksum": Fault("a.jsonl.gz", GZ[:-8], error="a.jsonl.gz is cut off"),
    "gzip with a flipped bit": Fault("a.jsonl.gz", GZ[:300] + bytes([GZ[300] ^ 1]) + GZ[301:], error="a.jsonl.gz is damaged"),
    "gzip with a wrong checksum": Fault("a.jsonl.gz", GZ[:-8] + b"\0\0\0\0" + GZ[-4:], error="a.jsonl.gz is damaged: .*check"),
    "gzip with rubbish behind it": Fault("a.jsonl.gz", GZ + b"rubbish", error="a.jsonl.gz is damaged"),
    "not gzip at all": Fault("a.jsonl.gz", b"hello\n", error="is not gzip, though its name ends in .gz"),
    "gzip of several members": Fault("a.jsonl.gz", GZ + gzip.compress(calls(50, 900).encode()), lands=250),
    "gzip without the suffix": Fault("a.jsonl", GZ, lands=200),
    "gzip bomb": Fault("a.jsonl.gz", BOMB, error="expands more than 300 times"),
    "empty file": Fault("a.jsonl", b"", error="a.jsonl is empty"),
    "empty gzip": Fault("a.jsonl.gz", gzip.compress(b""), lands=0),
    "byte order mark only": Fault("a.jsonl", b"\xef\xbb\xbf", error="a byte order mark only"),
    "byte order mark": Fault("a.jsonl", b"\xef\xbb\xbf" + calls(3).encode(), lands=3),
    "CRLF": Fault("a.jsonl", calls(3).replace("\n", "\r\n").encode(), lands=3),
    "blank lines": Fault("a.jsonl", ("\n" + calls(3) + "\n  \n").encode(), lands=3),
    "last line without newline": Fault("a.jsonl", calls(3).encode()[:-1], lands=3),
    "last line cut": Fault("a.jsonl", CUT, lands=200, bad=((201, "the last line is cut off: not JSON"),)),
    "UTF-16": Fault("a.jsonl", calls(3).encode("utf-16"), error="is UTF-16; it must be UTF-8"),
    "UTF-16 without a mark": Fault("a.jsonl", calls(3).encode("utf-16-le"), error="is UTF-16"),
    "invalid UTF-8": Fault("a.jsonl", calls(200).encode() + text(call("b", region="X")).encode().replace(b"X", b"\xff"), lands=200, bad=((201, "not UTF-8"),)),
    "a huge line": Fault("a.jsonl", (calls(200) + HUGE + calls(2, 900)).encode(), lands=202, bad=((201, "line of 1,1.* bytes; the limit is 1,048,576"),)),
    "100,000-deep nesting": Fault("a.jsonl", (calls(200) + text('{"a":' + "[" * 100_000 + "]" * 100_000 + "}")).encode(), lands=200, bad=((201, "nested deeper than 512"),)),
    "too many bad rows": Fault("a.jsonl", (calls(98) + "{\n{\n").encode(), error="a.jsonl: 2 of 100 rows are bad, more than 1%; the first: line 99, not JSON"),
    "not Parquet": Fault("a.parquet", b"PAR1 or not", error="a.parquet is not readable Parquet"),
    "CSV without a column": Fault("a.csv", b"request_id,customer_id\n1,2\n", error="a.csv has no column status_code, timestamp"),
    "CSV with a short row": Fault("a.csv", ("request_id,customer_id,status_code,response_time_ms,bytes_processed,timestamp\n" + "".join(f"r{n},a,200,1,1,2025-06-01T00:00:00Z\n" for n in range(150)) + "r,a,200\n").encode(), lands=150, bad=((152, "3 fields where the header has 6"),)),
    "a name with a newline and a quote": Fault("a'\"\n; drop table x.jsonl", calls(3).encode(), lands=3),
    "a name of 255 bytes": Fault("n" * 249 + ".jsonl", calls(3).encode(), lands=3),
    "a name that is not UTF-8": Fault("\udcff.jsonl", calls(3).encode(), lands=3),
    "a name that is still being written": Fault("a.jsonl.part", calls(3).encode()),
    "hidden": Fault(".a.jsonl", calls(3).encode()),
}  # fmt: skip


@pytest.mark.parametrize("case", FAULTS.values(), ids=FAULTS.keys())
def test_a_file_that_is_wrong(usage, case):
    usage.put("2025-06-01.jsonl", calls(2, 5000).encode())
    usage.put(case.name, case.data, case.mtime)
    if case.error:
        with pytest.raises((IncompleteLoad, QuarantineExceeded), match=case.error) as error:
            usage.sync()
        assert "\n" not in error.value.message
        assert usage.query("select status from landing.syncs") == [("failed",)]
    else:
        usage.sync()
    assert len(usage.rows()) == 2 + case.lands  # the sound file lands in any case
    found = usage.bad()
    assert len(found) == len(case.bad)
    for (_, line, reason), (at, words) in zip(found, case.bad, strict=True):
        assert line == at
        import re

        assert re.match(words, reason), reason


LINES = {
    "NaN": (call(1, response_time_ms=float("nan")), "NaN is not a number in JSON"),
    "NaN in a field of no one": (call(1, other=float("nan")), "NaN is not a number in JSON"),
    "1e400": (json.dumps(call(1)).replace("12.5", "1e400"), "response_time_ms: 1e400 is too large for a number"),
    "below zero": (call(1, response_time_ms=-0.5), "response_time_ms: -0.5 is below 0"),
    "over 2^63": (call(1, bytes_processed=2**63), "bytes_processed: 9223372036854775808 does not fit into 64 bits"),
    "1.5 bytes": (call(1, bytes_processed=1.5), "bytes_processed: 1.5 is not an integer"),
    "true bytes": (call(1, bytes_processed=True), "bytes_processed: true is not an integer"),
    "negative bytes": (call(1, bytes_processed=-1), "bytes_processed: -1 is below 0"),
    "status as text": (call(1, status_code="200"), 'status_code: "200" is not an integer'),
    "status 99": (call(1, status_code=99), "status_code: 99 is below 100"),
    "status 600": (call(1, status_code=600), "status_code: 600 is above 599"),
    "no status": (call(1, status_code=None), "status_code: missing"),
    "no request id": ({k: v for k, v in call(1).items() if k != "request_id"}, "request_id: missing"),
    "empty customer": (call(1, customer_id=""), "customer_id: empty"),
    "customer as number": (call(1, customer_id=7), "customer_id: 7 is not text"),
    "key in other case": ({("Request_ID" if k == "request_id" else k): v for k, v in call(1).items()}, "request_id: missing"),
    "duplicate key": (json.dumps(call(1))[:-1] + ', "status_code": 500}', "key 'status_code' stands twice"),
    "duplicate unknown key": (json.dumps(call(1))[:-1] + ', "x": 1, "x": 2}', "key 'x' stands twice"),
    "trailing comma": (json.dumps(call(1))[:-1] + ",}", "not JSON: Expecting property name"),
    "an array": ("[1]", "not a JSON object"),
    "half an emoji": (call(1, note="x\ud83d"), "half a surrogate pair"),
    "half an emoji in a key": (call(1, note={"\ud83d": 1}), "half a surrogate pair"),
    "two objects": ("{} {}", "not JSON: Extra data"),
    "no zone": (call(1, timestamp="2025-06-01T00:00:00"), 'timestamp: "2025-06-01T00:00:00" has no time zone'),
    "24:00": (call(1, timestamp="2025-06-01T24:00:00Z"), 'timestamp: "2025-06-01T24:00:00Z" does not exist in the calendar'),
    "30 February": (call(1, timestamp="2025-02-30T00:00:00Z"), 'timestamp: "2025-02-30T00:00:00Z" does not exist in the calendar'),
    "milliseconds as year": (call(1, timestamp="55840-06-01T00:00:00Z"), 'timestamp: "55840-06-01T00:00:00Z" is not an instant'),
    "infinity": (call(1, timestamp="infinity"), 'timestamp: "infinity" is not an instant'),
    "epoch as text": (call(1, timestamp="1748779200"), 'timestamp: "1748779200" is not an instant'),
    "microseconds": (call(1, timestamp=1748779200000000), "timestamp: 1748779200000000 milliseconds since 1970 lie outside"),
    "epoch of 2026": (call(1, timestamp=1767225600), "timestamp: 1767225600 seconds since 1970 lie outside"),
    "epoch of 1999": (call(1, timestamp=946684799999), "timestamp: 946684799999 milliseconds since 1970 lie outside"),
    "epoch with exponent": (call(1, timestamp=1e22), "timestamp: 1e+22 is no number of seconds or milliseconds"),
    "far future": (call(1, timestamp="2025-07-04T00:00:00Z"), 'timestamp: "2025-07-04T00:00:00Z" lies outside 2000-01-01 to 2025-07-03'),
    "1999": (call(1, timestamp="1999-12-31T23:59:59Z"), 'timestamp: "1999-12-31T23:59:59Z" lies outside'),
}  # fmt: skip


def test_every_bad_line_is_set_aside_with_its_reason(usage):
    rows = [line for line, _ in LINES.values()]
    usage.put("2025-06-01.jsonl", (calls(5000) + text(*rows)).encode())
    result = usage.sync()
    assert (result.rows, result.quarantined) == (5000, len(rows))
    found = {line: reason for _, line, reason in usage.bad()}
    assert sorted(found) == list(range(5001, 5001 + len(rows)))
    for number, (name, (_, words)) in enumerate(LINES.items(), start=5001):
        assert found[number].startswith(words), f"{name}: {found[number]}"
    assert len(usage.ids()) == 5000  # all of them can be read
    raw = usage.query("select raw from landing.quarantine where line = 5001")
    assert raw == [(rows[0] if isinstance(rows[0], str) else json.dumps(rows[0]),)]


COLUMNS = "request_id,customer_id,status_code,response_time_ms,bytes_processed,feature,timestamp\n"


def csv_call(n, feature="basic"):
    return f"r{n},a,200,1,1,{feature},2025-06-01T00:00:00Z\n"


STRAY_QUOTES = {
    "never closed": ({1000: '"basic'}, range(1002, 5002), "not CSV: unexpected end of data"),
    "closed in the middle of a field": ({1000: '"basic', 1200: '"basic"'}, range(1002, 1203), "not CSV: ',' expected after"),
    "closed at the end of a field": ({1000: '"basic', 1200: 'basic"'}, range(1002, 1203), "a quote makes one row of 201 lines"),
    "closed after more commas": ({1000: '"basic, b', 1200: 'b, basic"'}, range(1002, 1203), "a quote makes one row of 201 lines"),
    "closed at the end of the next line's field": ({1000: '"basic', 1001: 'basic"'}, range(1002, 1004), "a quote makes one row of 2 lines"),
    "closed with too many fields": ({1000: '"basic', 1200: 'basic",b'}, range(1002, 1203), "8 fields where the header has 7"),
}  # fmt: skip


@pytest.mark.parametrize("case", STRAY_QUOTES.values(), ids=STRAY_QUOTES.keys())
def test_a_stray_quote_in_a_csv_swallows_no_row(usage, case):
    features, lines, words = case
    rows = [csv_call(n, features.get(n, "basic")) for n in range(5000)]
    usage.put("2025-06-01.csv", (COLUMNS + "".join(rows)).encode())
    if len(lines) > 50:
        with pytest.raises(QuarantineExceeded, match=f"{len(lines):,} of 5,000 rows are bad") as e:
            usage.sync()
        assert f"line 1002, {words}" in e.value.message
    usage.settings = usage.settings.over(quarantine_threshold=0.9)
    result = usage.sync()
    assert (result.rows, result.quarantined) == (5000 - len(lines), len(lines))
    found = usage.query("select line, raw from landing.quarantine order by line")
    assert found == [(line, rows[line - 2].rstrip()) for line in lines]
    assert all(reason.startswith(words) for _, _, reason in usage.bad())


def test_a_stray_quote_in_a_large_csv_swallows_no_row(usage):
    """The reader gives up after 1 MiB; what follows is read as rows again."""
    usage.settings = usage.settings.over(quarantine_threshold=0.9)
    rows = [csv_call(n, '"basic' if n == 20_000 else "basic") for n in range(60_000)]
    usage.put("2025-06-01.csv", (COLUMNS + "".join(rows)).encode())
    result = usage.sync()
    assert result.rows + result.quarantined == 60_000
    assert result.quarantined < 30_000
    assert usage.query("select count(distinct line), min(line) from landing.quarantine") == [
        (result.quarantined, 20_002)
    ]


def test_a_text_of_several_lines_in_a_csv_is_one_row(usage):
    notes = ['"two\nlines"', '"a, b\r\nc, d, e\n\n""quoted"""', '"a,b,c,d,e,f\n"']
    rows = [csv_call(n, note) for n, note in enumerate(notes)]
    usage.put("2025-06-01.csv", (COLUMNS + "".join(rows) + csv_call(3)).encode())
    assert (usage.sync().rows, usage.bad()) == (4, [])
    seen = usage.query(
        "select _position, _raw::json->>'feature' from raw_usage.api_calls order by 1"
    )
    assert seen == [
        (2, "two\nlines"),
        (4, 'a, b\r\nc, d, e\n\n"quoted"'),
        (8, "a,b,c,d,e,f\n"),
        (10, "basic"),
    ]


def test_a_file_that_somebody_still_writes_waits(usage):
    import time

    path = usage.put("2025-06-01.jsonl", CUT, time.time() - 10)
    result = usage.sync()
    assert (result.rows, result.warnings) == (
        0,
        ("2025-06-01.jsonl is still being written; it is taken by a later sync",),
    )
    path.write_bytes(calls(201).encode())
    assert usage.sync().rows == 201


def test_a_gzip_that_somebody_still_writes_waits(usage):
    import time

    usage.put("2025-06-01.jsonl.gz", GZ[:-50], time.time() - 10)
    assert "still being written" in usage.sync().warnings[0]


@pytest.mark.parametrize(
    ("name", "day"),
    [
        ("2025-06-30.jsonl", "2025-06-30"),
        ("calls-20250630-7.jsonl.gz", "2025-06-30"),
        ("2025-06-30/part-1.jsonl", "2025-06-30"),
        ("2025/06/30/part-1.jsonl", "2025-06-30"),
        ("year=2025/month=06/day=30/part-1.parquet", "2025-06-30"),
        ("2025-06-29/2025-06-30.late-1.jsonl", "2025-06-30"),
        ("2025-02-30.jsonl", "None"),
        ("part-120250630.jsonl", "None"),
    ],
)
def test_the_day_of_a_file_stands_in_its_name_or_in_its_folders(name, day):
    assert str(locate.Found(name, name, 1, "", None).day) == day


def test_what_a_file_no_longer_says_leaves_a_tombstone(usage):
    usage.put("2025-06-01.jsonl", text(call(1), call(2), call(3)).encode())
    usage.put("2025-06-02.jsonl", text(call(9)).encode())
    usage.sync()
    usage.put(
        "2025-06-01.jsonl", text(call(1), call(3, status_code=500), call(4)).encode(), OLD + 1
    )
    usage.sync()
    gone = "select file, raw::json->>'request_id', (raw::json->>'status_code')::int from landing.tombstones order by all"
    assert usage.query(gone) == [("2025-06-01.jsonl", "r2", 200), ("2025-06-01.jsonl", "r3", 200)]
    assert usage.query("select sum(rows_landed) from landing.loads") == [(4,)]
    usage.sync(window=(date(2025, 6, 1), date(2025, 6, 2)))  # nothing has changed since
    assert len(usage.query(gone)) == 2


def test_a_window_keeps_the_rows_of_files_that_were_put_away(usage):
    usage.put("2025-06-01.jsonl", calls(2).encode())
    usage.put("2025-06-02.jsonl", calls(2, 10).encode())
    usage.sync()
    (usage.folder / "2025-06-01.jsonl").unlink()
    result = usage.sync(window=(date(2025, 6, 1), date(2025, 6, 2)))
    assert result.warnings == ("2025-06-01.jsonl is no longer there; its rows stay",)
    assert usage.ids() == ["r0", "r1", "r10", "r11"]


def test_a_large_file_that_changed_takes_the_place_of_what_it_was(usage, streamed):
    usage.put("2025-06-01.jsonl", calls(300).encode())
    usage.sync()
    usage.put("2025-06-01.jsonl", calls(300, 2).encode(), OLD + 1)
    assert usage.sync().rows == 300
    assert len(streamed) == 2
    assert usage.ids() == sorted(f"r{n}" for n in range(2, 302))
    gone = "select raw::json->>'request_id' from landing.tombstones order by all"
    assert usage.query(gone) == [("r0",), ("r1",)]
