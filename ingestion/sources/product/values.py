"""Database values as JSON, losslessly, and database types as JSON schema.

Reads and writes nothing.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import types

#: What orjson writes as a number without loss.
SMALLEST, LARGEST = -(2**63), 2**64 - 1

INSTANT = {
    "type": ["null", "string"],
    "format": "date-time",
    "airbyte_type": "timestamp_with_timezone",
}


def instant_text(value: datetime) -> str:
    """ISO 8601 in UTC with Z; a stamp without a zone is taken as UTC."""
    aware = value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    return aware.replace(tzinfo=None).isoformat() + "Z"


def to_json(value: Any) -> Any:
    """A value that JSON holds without loss.

    Integers of up to 64 bits are numbers, longer ones text. Decimals are text with the digits that
    the database has. What JSON has no number for (NaN, infinities) is text, never null.
    """
    if value is None or isinstance(value, bool | str):
        return value
    for kind, write in _WRITERS:
        if isinstance(value, kind):
            return write(value)
    return str(value)


def _duration(value: timedelta) -> str:
    seconds = Decimal(value // timedelta(microseconds=1)).scaleb(-6).normalize()
    return f"PT{seconds:f}S"


# In this order: a datetime is a date too.
_WRITERS: tuple[tuple[Any, Callable[[Any], Any]], ...] = (
    (int, lambda value: value if SMALLEST <= value <= LARGEST else str(value)),
    (float, lambda value: value if math.isfinite(value) else str(value)),
    (Decimal, lambda value: format(value, "f") if value.is_finite() else str(value)),
    (datetime, instant_text),
    (date | time, lambda value: value.isoformat()),
    (timedelta, _duration),
    (bytes | bytearray | memoryview, lambda value: base64.b64encode(bytes(value)).decode("ascii")),
    (Mapping, lambda value: {str(key): to_json(item) for key, item in value.items()}),
    (list | tuple | set | frozenset, lambda value: [to_json(item) for item in value]),
)


def schema_of(kind: types.TypeEngine[Any], *, is_nullable: bool) -> dict[str, Any]:
    """The JSON schema of a column."""
    schema = _schema_of(kind)
    if not is_nullable:
        schema["type"] = schema["type"][1]
    return schema


def _schema_of(kind: types.TypeEngine[Any]) -> dict[str, Any]:
    match kind:
        case types.Boolean():
            return {"type": ["null", "boolean"]}
        case types.Integer():
            return {"type": ["null", "integer"]}
        case types.Float():
            return {"type": ["null", "number"]}
        case types.Numeric():
            return {"type": ["null", "string"], "airbyte_type": "big_number"}
        case types.DateTime():
            return dict(INSTANT)
        case types.Date():
            return {"type": ["null", "string"], "format": "date"}
        case types.JSON():
            return {"type": ["null", "object", "array", "string", "number", "boolean"]}
        case types.ARRAY():
            return {"type": ["null", "array"]}
    return {"type": ["null", "string"]}


def reader_of(kind: types.TypeEngine[Any], dialect: str) -> Callable[[Any], Any]:
    """How a column's values become JSON.

    Values come from the driver as they are: SQLAlchemy's own conversion would refuse a stamp with a Z
    in SQLite and make floats of decimals there. SQLite keeps a boolean as 0 or 1, set right here.
    """
    if dialect != "sqlite":
        return to_json
    if isinstance(kind, types.Boolean):
        return lambda value: bool(value) if value in (0, 1) else to_json(value)
    if isinstance(kind, types.Numeric) and not isinstance(kind, types.Float):
        return lambda value: value if value is None else str(value)
    return to_json
