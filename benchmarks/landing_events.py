"""Usage events for the benchmark of landing: the same rows as JSONL, JSONL.gz, Parquet, CSV and as Airbyte messages.

Reads: nothing. Writes: a folder per format. Run: imported by `benchmarks.landing`.
"""

from __future__ import annotations

import gzip
import shutil
from datetime import date, timedelta
from pathlib import Path

from benchmarks.landing_connector import STREAM
from warehouse import duck

COLUMNS = (
    "request_id", "customer_id", "endpoint", "method", "status_code", "response_time_ms", "bytes_processed",
    "feature", "region", "timestamp",
)  # fmt: skip
FORMATS = ("jsonl", "jsonl.gz", "parquet", "csv")
FIRST_DAY = date(2025, 1, 1)
PER_DAY = 100_000
STATE_EVERY = 10_000  # records between two states

#: One day's calls, number `day`, of `rows` rows, in the shape and length of the sandbox's.
_DAY = """
    select
        'req_' || left(md5({day} || '-' || i), 24) as request_id,
        'acc_' || left(md5((h % 500)::varchar), 12) as customer_id,
        ['/v1/process', '/v1/query', '/v1/export', '/v1/transform'][1 + h % 4] as endpoint,
        if(h % 5 = 0, 'GET', 'POST') as method,
        [200, 200, 200, 200, 202, 404, 429, 503][1 + (h >> 8) % 8] as status_code,
        ((h >> 16) % 40000) / 10 as response_time_ms,
        (h >> 24) % 60000000 as bytes_processed,
        ['batch_processing', 'search', 'export', 'streaming'][1 + h % 4] as feature,
        ['us-east', 'eu-west', 'ap-south'][1 + (h >> 4) % 3] as region,
        {stamp} as timestamp
    from (
        select i, (hash({day}, i) >> 8)::bigint as h,
            timestamp '{first}' + interval ({day}) day + to_microseconds(i * 86_400_000_000 // {rows}) as instant
        from range({rows}) as r(i)
    )
"""
_TEXT_STAMP = "strftime(instant, '%Y-%m-%dT%H:%M:%S.%gZ')"
_STAMP = "instant::timestamptz"


def make(folder: Path, rows: int, formats: tuple[str, ...]) -> None:
    """Write all rows in each format, a file per day of 100,000 rows.

    Args:
        folder: Gets a folder per format, and `messages/messages.jsonl` if that is among them.
        rows: How many in all.
        formats: Of `FORMATS`, and `messages`.
    """
    with duck.connect(":memory:", threads=2) as con:
        for day, first in enumerate(range(0, rows, PER_DAY)):
            count = min(PER_DAY, rows - first)
            text = _DAY.format(first=FIRST_DAY, day=day, rows=count, stamp=_TEXT_STAMP)
            name = FIRST_DAY + timedelta(days=day)
            for kind in formats:
                target = folder / kind / f"{name}.{kind}"
                target.parent.mkdir(parents=True, exist_ok=True)
                if kind == "parquet":
                    typed = _DAY.format(first=FIRST_DAY, day=day, rows=count, stamp=_STAMP)
                    con.execute(f"copy ({typed}) to '{target}' (format parquet, compression zstd)")
                elif kind == "csv":
                    con.execute(f"copy ({text}) to '{target}' (format csv, header)")
                else:
                    plain = target.with_suffix(".plain")
                    con.execute(f"copy ({text}) to '{plain}' (format json)")
                    _finish(plain, target, kind)


def _finish(plain: Path, target: Path, kind: str) -> None:
    """Make of a day's JSON lines what the format wants."""
    if kind == "jsonl":
        plain.rename(target)
        return
    if kind == "jsonl.gz":
        with plain.open("rb") as source, gzip.open(target, "wb", 6) as packed:
            shutil.copyfileobj(source, packed, 1 << 20)
    else:
        _messages(plain, target.with_name("messages.jsonl"))
    plain.unlink()


def _messages(plain: Path, target: Path) -> None:
    """Add a day's records, in their envelopes, to a connector's output."""
    before = f'{{"type":"RECORD","record":{{"stream":"{STREAM}","data":'.encode()
    after = b',"emitted_at":1735689600000}}\n'
    lines = plain.read_bytes().splitlines()
    with target.open("ab") as out:
        for first in range(0, len(lines), STATE_EVERY):
            some = lines[first : first + STATE_EVERY]
            out.writelines(before + line + after for line in some)
            out.write(
                b'{"type":"STATE","state":{"type":"STREAM","stream":{"stream_descriptor":{"name":"%s"},'
                b'"stream_state":{"at":"%d"}},"sourceStats":{"recordCount":%d}}}\n'
                % (STREAM.encode(), target.stat().st_size + first, len(some))
            )
