r"""Read one file into pieces of lines, and say in one sentence what is wrong with a file that can't be read.

JSONL (plain or gzip), CSV (plain or gzip) and Parquet. Lines are kept as they were sent; a CSV row
becomes a JSON object of texts, a Parquet row what DuckDB's `to_json` makes of it. Limits of our
own, because DuckDB accepts a 17 MiB line and a 1.5 MB gzip that expands to 1 GiB: length of a line,
expansion of a gzip. Checksums of gzip members are verified.

Reads: the file. Writes: nothing. Run: imported by `ingestion.files.take`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
from isal import isal_zlib  # reads gzip in half of zlib's time

from ingestion.destination.lines import Lines, repaired
from ingestion.destination.typecheck import Rules
from ingestion.files.columns import proved_sql
from warehouse import duck

PIECE_BYTES = 8 << 20  # so small that memory is used again, not asked for anew
MAX_LINE_BYTES = 1 << 20
MAX_EXPANSION = 300  # times; usage logs have 5 to 20, gzip's bound is 1032
FREE_EXPANSION_BYTES = 64 << 20  # so much is never a bomb
_READ_BYTES = PIECE_BYTES
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_CSV_FIELD = r'(?:[^",\x00-\x1f]*|"(?:[^"\x00-\x1f]|"")*")'
_HEAD = 65_536  # of an overlong line this much is kept with its reason
_GZIP = b"\x1f\x8b"  # what a gzip member starts with
_GLOB = re.compile(r"[*?\[]")
_CSV_ROWS = 50_000
_PARQUET_ROWS = 50_000
_PARQUET_BYTES = 256 << 20


class FileFault(Exception):
    """A whole file that can't be taken; the message says why."""


class CutOff(FileFault):
    """The file ends in the middle: damaged, or still being written."""


class StillWritten(FileFault):
    """The file changed while it was read."""


@dataclass
class Piece:
    """Some lines of a file.

    Attributes:
        lines: JSON texts, valid UTF-8.
        numbers: Line number of each in the file, from 1.
        bad: Lines set aside before any check: (line number, reason, text).
        size: Bytes, for batching.
        last_is_cut: The file ends without a newline after the last of these lines.
        proved: Which of the lines are surely good, if the format can tell.
    """

    lines: Lines
    numbers: np.ndarray
    bad: list[tuple[int, str, str]] = field(default_factory=list)
    size: int = 0
    last_is_cut: bool = False
    proved: np.ndarray | None = None


def format_of(name: str) -> str:
    """`jsonl`, `csv` or `parquet`, by the file's name."""
    base = name.lower().removesuffix(".gz")
    if base.endswith(".csv"):
        return "csv"
    return "parquet" if base.endswith((".parquet", ".pq")) else "jsonl"


def pieces(
    path: Path,
    name: str,
    columns: tuple[str, ...],
    rules: Rules | None = None,
    con: duckdb.DuckDBPyConnection | None = None,
) -> Iterator[Piece]:
    """All lines of a file, in pieces of about 8 MiB.

    Args:
        path: Where it is.
        name: Its name, which tells the format.
        columns: Columns a CSV or Parquet file must have.
        rules: What a row must be, if the pieces shall say which rows are surely good.
        con: Where Parquet is read; one for many files saves opening one for each.

    Raises:
        FileFault: The file can't be read; what was yielded before must not be kept.
    """
    kind = format_of(name)
    if path.stat().st_size == 0:
        raise FileFault("is empty (0 bytes)")
    if kind == "parquet":
        with duck.connect(":memory:") if con is None else duck.beside(con) as reader:
            yield from _parquet(reader, path, columns, rules)
    elif kind == "csv":
        yield from _csv(_chunks(path), columns)
    else:
        yield from _jsonl(_chunks(path))


# --- bytes ----------------------------------------------------------------------------------------


def _chunks(path: Path) -> Iterator[bytes]:
    """The file's bytes, unpacked if it is gzip (by its first bytes, not by its name), without a byte order mark."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == _GZIP
        if path.name.endswith(".gz") and not is_gzip:
            raise FileFault("is not gzip, though its name ends in .gz")
        file.seek(0)
        source = _unpacked(file) if is_gzip else iter(lambda: file.read(_READ_BYTES), b"")
        first = next(source, b"")
        if (
            first.startswith((b"\xff\xfe", b"\xfe\xff"))
            or first[:200].count(0) > len(first[:200]) // 4
        ):
            raise FileFault("is UTF-16; it must be UTF-8")
        if first.startswith(_BYTE_ORDER_MARK):
            first = first[3:]
            if not first and not is_gzip:
                raise FileFault("is empty (a byte order mark only)")
        yield first
        yield from source


def _unpacked(file: io.BufferedReader) -> Iterator[bytes]:
    """Unpack gzip members, checking their checksums and how far they expand."""
    taken = made = 0
    member = isal_zlib.decompressobj(31)
    while packed := file.read(_READ_BYTES):
        taken += len(packed)
        while packed:
            if member.eof:
                packed = packed.lstrip(b"\0")
                if not packed:
                    break
                member = _next_member(packed)
            data = _decompressed(member, packed)
            made += len(data)
            if made > FREE_EXPANSION_BYTES and made > MAX_EXPANSION * taken:
                raise FileFault(f"expands more than {MAX_EXPANSION} times (a gzip bomb?)")
            if data:
                yield data
            packed = member.unused_data if member.eof else member.unconsumed_tail
    while not member.eof:
        data = _decompressed(member, b"")
        if not data:
            raise CutOff("is cut off: the gzip ends in the middle")
        yield data


def _next_member(packed: bytes) -> Any:
    if not packed.startswith(_GZIP[: len(packed)]):
        raise FileFault("is damaged: what follows its gzip is none")
    return isal_zlib.decompressobj(31)


def _decompressed(member: Any, packed: bytes) -> bytes:
    try:
        return member.decompress(packed, PIECE_BYTES)
    except isal_zlib.error as error:
        raise FileFault(f"is damaged: {error}") from None


# --- JSONL ----------------------------------------------------------------------------------------


def _jsonl(chunks: Iterator[bytes]) -> Iterator[Piece]:
    number = 1
    for data, length in _whole_lines(chunks):
        if length:
            yield _overlong(number, data, length)
            number += 1
            continue
        is_cut = not data.endswith(b"\n")
        piece = _piece(data + b"\n" if is_cut else data, number)
        piece.last_is_cut = is_cut
        number += len(piece.numbers)
        yield piece


def _whole_lines(chunks: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
    """Text that ends with a line, about a piece at a time; or a line longer than a piece: its head and its length."""
    held: list[bytes] = []
    size = 0
    head, length = b"", 0  # of a line that fills more than a piece
    for chunk in chunks:
        if length:
            end = chunk.find(b"\n")
            if end < 0:
                length += len(chunk)
                continue
            yield head, length + end
            length = 0
            chunk = chunk[end + 1 :]  # noqa: PLW2901 - what follows the long line
        held.append(chunk)
        size += len(chunk)
        if size < PIECE_BYTES:
            continue
        if b"\n" not in chunk:
            held = [b"".join(held)]
        cut = held[-1].rfind(b"\n") + 1
        if cut:
            last = memoryview(held.pop())
            yield b"".join([*held, last[:cut]]), 0
            held = [bytes(last[cut:])]
        else:
            head, length, held = held[-1][:_HEAD], size, []
        size = sum(map(len, held))
    if length:
        yield head, length
    elif size:
        yield b"".join(held), 0


def _piece(data: bytes, first_number: int) -> Piece:
    lines, broken = repaired(Lines.split(data))
    bad = [(first_number + index, "not UTF-8", text) for index, text in broken.items()]
    sizes = lines.sizes
    overlong = np.flatnonzero(sizes > MAX_LINE_BYTES).tolist()
    for index in overlong:
        head = lines.raw(index)[:_HEAD]
        bad.append(_overlong_row(first_number + index, head, int(sizes[index])))
    numbers = np.arange(first_number, first_number + len(lines), dtype=np.int64)
    return Piece(lines.blank(overlong) if overlong else lines, numbers, bad, len(data))


def _overlong_row(number: int, head: bytes, length: int) -> tuple[int, str, str]:
    reason = f"line of {length:,} bytes; the limit is {MAX_LINE_BYTES:,}"
    return number, reason, head.decode("utf-8", "backslashreplace")


def _overlong(number: int, head: bytes, length: int) -> Piece:
    return Piece(
        Lines.of([""]), np.array([number], np.int64), [_overlong_row(number, head, length)], _HEAD
    )


# --- CSV ------------------------------------------------------------------------------------------


def _csv(chunks: Iterator[bytes], columns: tuple[str, ...]) -> Iterator[Piece]:
    """Rows as JSON objects of texts: by Arrow while every line is a plain row, from there on by Python, exactly."""
    csv.field_size_limit(MAX_LINE_BYTES)
    blocks = _csv_blocks(chunks)
    first = next(blocks, b"")
    line, newline, rest = first.partition(b"\n")
    if line.count(b'"') % 2:
        raise FileFault("has a header of several lines")
    header = _header(line + newline, columns)
    number = 2
    for data in chain([rest] if rest else [], blocks):
        texts = _plain_rows(data, header)
        if texts is None:
            yield from _odd_rows(chain([data], blocks), header, number)
            return
        numbers = np.arange(number, number + len(texts), dtype=np.int64)
        number += len(texts)
        yield Piece(Lines.of_arrow(texts), numbers, [], texts.nbytes)


def _csv_blocks(chunks: Iterator[bytes]) -> Iterator[bytes]:
    for data, length in _whole_lines(chunks):
        if length:
            raise FileFault(f"has a line of more than {PIECE_BYTES:,} bytes")
        yield data


def _header(line: bytes, columns: tuple[str, ...]) -> list[str]:
    try:
        header = [name.strip() for name in next(csv.reader(_text_lines([line]), strict=True), [])]
    except csv.Error as error:
        raise FileFault(f"has no readable header: {error}") from None
    _check_header(header, columns)
    return header


def _plain_rows(data: bytes, header: list[str]) -> pa.LargeStringArray | None:
    """The rows of some lines as JSON; None unless each line is a row that can be read in one way only."""
    data = data if data.endswith(b"\n") else data + b"\n"
    if len(header) == 1 or data.startswith(_BYTE_ORDER_MARK):
        return None
    lines = Lines.split(data)
    row = rf"{_CSV_FIELD}(?:,{_CSV_FIELD}){{{len(header) - 1}}}"
    is_short = (lines.sizes <= MAX_LINE_BYTES).all()
    if not (is_short and lines.is_utf8() and lines.matches(row).all()):
        return None
    names = [str(number) for number in range(len(header))]
    table = pyarrow.csv.read_csv(
        pa.py_buffer(data),
        pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(data) + 1),
        pyarrow.csv.ParseOptions(newlines_in_values=False),
        pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(names, pa.large_string()), check_utf8=False
        ),
    )
    needs_escape = b"\\" in data or b'""' in data
    parts: list[pa.Scalar | pa.LargeStringArray] = []
    for name, values in zip(header, table.itercolumns(), strict=True):
        key = f'{json.dumps(name, ensure_ascii=False)}: "'
        parts.append(pa.scalar(f'", {key}' if parts else f"{{{key}", pa.large_string()))
        parts.append(_escaped(values.chunk(0)) if needs_escape else values.chunk(0))
    parts.append(pa.scalar('"}', pa.large_string()))
    return pc.binary_join_element_wise(*parts, pa.scalar("", pa.large_string()))


def _escaped(values: pa.LargeStringArray) -> pa.LargeStringArray:
    """Texts as they stand in JSON; characters that need another escape do not occur in a plain row."""
    slashed = pc.replace_substring(values, "\\", "\\\\")
    return pc.replace_substring(slashed, '"', '\\"')


def _odd_rows(blocks: Iterable[bytes], header: list[str], first_number: int) -> Iterator[Piece]:
    """The rows one by one, and what is wrong with each; of a bad one every line is set aside as it stands."""
    taken: list[str] = []  # lines that the reader has made a row of: several, if a quote is open
    reader = csv.reader(_noted(_text_lines(blocks), taken), strict=True)
    texts: list[str] = []
    numbers: list[int] = []
    bad: list[tuple[int, str, str]] = []
    while True:
        taken.clear()
        number = first_number + reader.line_num
        try:
            row = next(reader)
        except StopIteration:
            break
        except csv.Error as error:
            row, reason = [], f"not CSV: {error}"
        else:
            reason = _row_fault(row, header, taken)
        if reason:
            for at, line in enumerate(taken, number):
                texts.append("")
                numbers.append(at)
                bad.append((at, reason, _shown(line)))
        else:
            numbers.append(number)
            pairs = zip(header, row, strict=True)
            texts.append(json.dumps(dict(pairs), ensure_ascii=False) if row else "")
        if len(texts) >= _CSV_ROWS:
            yield _rows(texts, numbers, bad)
            texts, numbers, bad = [], [], []
    if texts:
        yield _rows(texts, numbers, bad)


def _noted(lines: Iterable[str], taken: list[str]) -> Iterator[str]:
    for line in lines:
        taken.append(line)
        yield line


def _shown(line: str) -> str:
    r"""A line as it stands, without its end, odd bytes written as `\\xNN`; of a long one the head."""
    head = line.rstrip("\r\n")[:_HEAD]
    return head.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _check_header(header: list[str], columns: tuple[str, ...]) -> None:
    missing = [name for name in columns if name not in header]
    if missing:
        raise FileFault(f"has no column {', '.join(missing[:5])}")
    if len(set(header)) != len(header):
        raise FileFault("has a column name twice in its header")


def _row_fault(row: list[str], header: list[str], lines: list[str]) -> str | None:
    if row and len(row) != len(header):
        return f"{len(row)} fields where the header has {len(header)}"
    if any("\udc80" <= char <= "\udcff" for value in row for char in value if not value.isascii()):
        return "not UTF-8"
    if len(lines) > 1 and _look_like_rows(lines, len(header)):
        return f"a quote makes one row of {len(lines)} lines that look like rows"
    return None


def _look_like_rows(lines: list[str], width: int) -> bool:
    """Whether a stray quote that a later one closed has made one row of several; text rarely has as many commas."""
    odd = sum(line.count(",") != width - 1 for line in lines)
    if len(lines) > 4:
        # the lines of the two quotes may hold commas that are none between fields
        return width > 1 and odd <= 2
    # two short lines of text with a comma each are no rows
    return width > 2 and not odd


def _rows(texts: list[str], numbers: list[int], bad: list[tuple[int, str, str]]) -> Piece:
    lines = Lines.of(texts)
    return Piece(lines, np.array(numbers, np.int64), bad, int(lines.sizes.sum()))


def _text_lines(blocks: Iterable[bytes]) -> Iterator[str]:
    for block in blocks:
        *whole, rest = block.split(b"\n")
        for line in whole:
            yield line.decode("utf-8", "surrogateescape") + "\n"
        if rest:
            yield rest.decode("utf-8", "surrogateescape")


# --- Parquet --------------------------------------------------------------------------------------


def _parquet(
    con: duckdb.DuckDBPyConnection, path: Path, columns: tuple[str, ...], rules: Rules | None
) -> Iterator[Piece]:
    try:
        whole = _GLOB.sub(r"[\g<0>]", str(path))  # a name is a name, not a pattern
        described = con.execute(
            "describe select * from read_parquet(?, hive_partitioning = false)", [whole]
        ).fetchall()
        types = {row[0]: row[1] for row in described}
        missing = [name for name in columns if name not in types]
        if missing:
            raise FileFault(f"has no column {', '.join(missing[:5])}")
        fields = ", ".join(
            f"{_quoted(name)} := {_as_json(name, kind)}" for name, kind in types.items()
        )
        proved = proved_sql(rules, types) if rules else None
        found = con.sql(
            f"select to_json(struct_pack({fields}))::varchar as line, file_row_number + 1 as n, "
            f"{proved or 'null'} as proved "
            "from read_parquet($path, file_row_number = true, hive_partitioning = false)",
            params={"path": whole},
        )
        for batch in found.to_arrow_reader(_PARQUET_ROWS):
            for some in _of_bounded_size(batch):
                texts = some.column("line").cast(pa.large_string())
                mask = some.column("proved").to_numpy(zero_copy_only=False) if proved else None
                numbers = some.column("n").to_numpy()
                yield Piece(Lines.of_arrow(texts), numbers, [], texts.nbytes, proved=mask)
    except duckdb.Error as error:
        raise FileFault(f"is not readable Parquet: {str(error).splitlines()[0][:200]}") from None


def _of_bounded_size(batch: pa.RecordBatch) -> Iterator[pa.RecordBatch]:
    """A batch's rows in parts of some hundred MiB at most, however wide they are."""
    rows = max(1, batch.num_rows * _PARQUET_BYTES // max(batch.nbytes, 1))
    return (batch.slice(first, rows) for first in range(0, batch.num_rows, rows))


def _as_json(name: str, kind: str) -> str:
    """A column as JSON says it: instants in ISO 8601 with their zone; an instant without one stays without one."""
    column = _quoted(name)
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"strftime({column} at time zone 'UTC', '%Y-%m-%dT%H:%M:%S.%fZ')"
    if kind.startswith("TIMESTAMP") and not kind.endswith("]"):
        return f"strftime({column}::timestamp, '%Y-%m-%dT%H:%M:%S.%f')"
    return column


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
