"""Type checks on raw JSON text: a fast SQL filter that passes only what is surely good, and a judge for the rest.

A rule set (`Rules`) says what a record of one stream must look like. From it come
  - `suspects_sql`: one DuckDB expression over the JSON text. True = perhaps bad. It may suspect a
  good record, but it
    never passes a bad one. Numbers are compared as text, never after a cast that rounds (1.5 → 2,
    true → 1).
  - `judge`: the exact answer in Python for one suspect: None, or the reason in words.
So a million good lines cost one scan, and every bad one gets a reason that a person can act on.

Reads: nothing. Writes: nothing. Run: imported by the destination and by the file reader.
"""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from warehouse.errors import WarehouseError

Kind = Literal["text", "integer", "number", "boolean", "instant", "local_instant", "date", "any"]

MAX_NESTING = 512
_IDENTIFIER = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_INTEGER = re.compile(r"-?(0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_EPOCH = re.compile(r"([1-9][0-9]{0,19})(\.[0-9]{1,9})?")
_MILLISECONDS_FROM = 12  # digits; bronze reads them so (macros/portable/time.sql)
_STAMP = r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?"
_ZONE = r"(Z|[+-](0\d|1[0-5])(:?[0-5]\d)?)"
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_LOCAL = re.compile(_STAMP)
_INSTANT = re.compile(_STAMP + _ZONE)
# What DuckDB's JSON reader lets through although JSON forbids it: NaN, Infinity, and a comma before
# a bracket.
_LAX_JSON = r"[:,\[]\s*-?[NnIi][AaNn][NnFf]|,\s*[\]}]"
_SQL_INSTANT = (
    r"[12][0-9]{3}-[0-9]{2}-[0-9]{2}[T ]([01][0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9](\.[0-9]+)?)?"
)
_SQL_ZONE = r"(Z|[+-](0[0-9]|1[0-5])(:?[0-5][0-9])?)"


class Malformed(Exception):
    """Not strict JSON; the message is the reason."""


def is_identifier(name: str) -> bool:
    """Whether a name may stand in SQL as it is."""
    return bool(_IDENTIFIER.fullmatch(name))


def identifier(name: str) -> str:
    """Return a name from outside, if it may stand in SQL.

    Raises:
        WarehouseError: It is not of the form `[a-z_][a-z0-9_]{0,62}`.
    """
    if not is_identifier(name):
        raise WarehouseError(
            f"{name[:80]!r} can't be a table name",
            "names of sources and streams are lower case letters, digits and _, 63 at most",
        )
    return name


@dataclass(frozen=True)
class Rule:
    """What one field of a record must be.

    Attributes:
        name: The field.
        kind: Its type; `instant` has a zone, `local_instant` need not have one.
        required: Missing, null and (for text) empty are refused.
        low: Smallest number, or earliest instant.
        high: Largest number, or latest instant.
        epoch: An instant may also be a number of seconds or milliseconds since 1970 (milliseconds from 12 digits on).
            It has bounds then, so that one cannot be taken for the other.
    """

    name: str
    kind: Kind
    required: bool = False
    low: float | datetime | None = None
    high: float | datetime | None = None
    epoch: bool = False


@dataclass(frozen=True)
class Rules:
    """What a record of one stream must be.

    Attributes:
        fields: Rules by field; other fields are kept as they are.
        from_text: Values are texts (CSV), so numbers stand in quotes and empty text means absent.
        unique_keys: Refuse an object that names a key twice.
        mode: Expected value of `livemode`, or None; the other kind is set aside.
    """

    fields: tuple[Rule, ...] = ()
    from_text: bool = False
    unique_keys: bool = True
    mode: bool | None = None
    by_name: dict[str, Rule] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.by_name.update({rule.name: rule for rule in self.fields})

    def as_text(self) -> Rules:
        """The same rules for a format whose values are all text."""
        return replace(self, from_text=True)


WRONG_MODE = "livemode is {found}, expected {expected}"


def rules_from_schema(
    schema: dict[str, Any],
    key: tuple[str, ...] = (),
    *,
    strict: bool = True,
    mode: bool | None = None,
) -> Rules:
    """Compile the JSON schema of a catalog's stream.

    Args:
        schema: JSON schema of the record (`properties` with `type`, `format`, `airbyte_type`).
        key: Primary key columns; they are required.
        strict: Check types; otherwise only the key and that the record is sound JSON (types may
            drift).
        mode: Expected `livemode`.
    """
    rules = {}
    for name, prop in (schema.get("properties") or {}).items():
        kind = kind_of(prop) if strict else "any"
        if kind != "any":
            low, high = (
                (prop.get("minimum"), prop.get("maximum"))
                if kind in ("integer", "number")
                else (None, None)
            )
            rules[name] = Rule(name, kind, low=low, high=high)
    for name in key:
        rules[name] = Rule(name, rules[name].kind if name in rules else "any", required=True)
    return Rules(tuple(rules.values()), unique_keys=False, mode=mode)


def kind_of(prop: Any) -> Kind:
    """What a JSON schema says a field is; `any` where it says nothing that can be checked."""
    if not isinstance(prop, dict):
        return "any"
    types = prop.get("type", [])
    types = {types} if isinstance(types, str) else set(types)
    types.discard("null")
    if prop.get("airbyte_type") == "integer" or types == {"integer"}:
        return "integer"
    if types in ({"number"}, {"number", "integer"}):
        return "number"
    if types == {"boolean"}:
        return "boolean"
    if types != {"string"}:
        return "any"
    if prop.get("format") == "date-time":
        is_local = prop.get("airbyte_type") == "timestamp_without_timezone"
        return "local_instant" if is_local else "instant"
    return "date" if prop.get("format") == "date" else "text"


# --- the fast filter ------------------------------------------------------------------------------


def suspects_sql(rules: Rules, source: str) -> str:
    """SELECT that lists the row numbers (`i`) of the records that may be bad.

    Every field is taken out as its JSON text, in one parse: a text still has its quotes then, so
    that the type is seen.

    Args:
        rules: What a record must be.
        source: Relation with columns `i` and `line`; every line is JSON as DuckDB reads it (else
            the query fails).
    """
    names = [rule.name for rule in rules.fields]
    if rules.mode is not None and "livemode" not in names:
        names.append("livemode")
    columns, tests = ["i", "line"], []
    if names:
        shape = "{" + ", ".join(f'{json.dumps(name)}: "JSON"' for name in names) + "}"
        columns.append(f"from_json(line, {_quote(shape)}) as r")
    tests += [_good_sql(rule, _value(rule.name), rules.from_text) for rule in rules.fields]
    if rules.mode is not None:
        expected = str(rules.mode).lower()
        tests.append(
            f"coalesce({_value('livemode')}, 'null') in ('null', '{expected}', '\"{expected}\"')"
        )
    if len({name.lower() for name in names}) < len(names):
        tests, columns = ["false"], ["i", "line"]  # a struct can't hold them: all are judged
    if not any(rule.required for rule in rules.fields):
        tests.append("json_type(line) = 'OBJECT'")  # else the required field says it
    if rules.unique_keys:
        columns.append("json_keys(line) as k")
        known = " + ".join(f"({_value(name)} is not null)::int" for name in names) or "0"
        # as many keys as known fields that are there: none can be double; else count them
        tests.append(
            f"case when len(k) = {known} then true else len(k) = len(list_distinct(k)) end"
        )
    tests.append(f"not regexp_matches(line, {_quote(_LAX_JSON)})")
    # an object of n levels has 2n brackets: short lines can't be deep
    brackets = "strlen(line) - strlen(replace(replace(line, '{', ''), '[', ''))"
    # CASE, not OR: DuckDB evaluates both sides of an OR
    tests.append(
        f"case when strlen(line) < {2 * MAX_NESTING} then true else {brackets} <= {MAX_NESTING} end"
    )
    return f"""
        select i
        from (select {", ".join(columns)} from {source})
        where not coalesce({" and ".join(tests)}, false)
        order by i
    """


def _value(name: str) -> str:
    """JSON text of a field, null where it is absent or null."""
    quoted = name.replace('"', '""')
    return f'(r."{quoted}"::varchar)'


def _good_sql(rule: Rule, value: str, from_text: bool) -> str:
    """SQL that is true only where the field is surely good."""
    good = _typed_sql(rule, value, from_text)
    if rule.required:
        return f"({value} <> '\"\"' and {good})"
    absent = f" or {value} = '\"\"'" if from_text else ""
    return f"({value} is null{absent} or ({good}))"


def _typed_sql(rule: Rule, value: str, from_text: bool) -> str:
    bare = f"trim({value}, '\"')"
    mark = '"' if from_text else ""  # in CSV a number stands in quotes
    match rule.kind:
        case "any":
            return "true"
        case "text":
            return f"starts_with({value}, '\"')"
        case "boolean":
            return f"{value} in ('{mark}true{mark}', '{mark}false{mark}')"
        case "date":
            shape = f"regexp_full_match({value}, '\"[12][0-9]{{3}}-[0-9]{{2}}-[0-9]{{2}}\"')"
            return f"{shape} and try_cast({bare} as date) is not null"
        case "integer":
            sign = "" if rule.low == 0 else "-?"
            return (
                f"regexp_full_match({value}, '{mark}{sign}(0|[1-9][0-9]{{0,17}}){mark}')"
                f"{_range_sql(rule, f'try_cast({bare} as bigint)')}"
            )
        case "number":
            sign = "" if rule.low == 0 else "-?"
            digits = rf"{sign}(0|[1-9][0-9]{{0,29}})(\.[0-9]{{1,30}})?"
            return (
                f"regexp_full_match({value}, '{mark}{digits}{mark}')"
                f"{_range_sql(rule, f'try_cast({bare} as double)')}"
            )
        case "instant" | "local_instant":
            zone = _SQL_ZONE if rule.kind == "instant" else f"{_SQL_ZONE}?"
            bounds = "".join(
                f" and try_cast({bare} as timestamptz) {sign} timestamptz {_quote(bound.isoformat())}"
                for sign, bound in ((">=", rule.low), ("<=", rule.high))
                if isinstance(bound, datetime)
            )
            bounds = bounds or f" and try_cast({bare} as timestamptz) is not null"
            good = f"regexp_full_match({value}, {_quote(chr(34) + _SQL_INSTANT + zone + chr(34))}){bounds}"
            return f"(({good}) or ({_epoch_sql(rule, value, mark)}))" if rule.epoch else good
    raise AssertionError(rule.kind)


def _epoch_sql(rule: Rule, value: str, mark: str) -> str:
    bare = f"trim({value}, '\"')"
    seconds = f"try_cast({bare} as double)"
    return (  # whole ones alone: a fraction may have been an exponent, which DuckDB has written anew
        f"regexp_full_match({value}, '{mark}[1-9][0-9]{{0,19}}{mark}') "
        f"and if(strlen({bare}) >= {_MILLISECONDS_FROM}, {seconds} / 1000, {seconds}) "
        f"between {rule.low.timestamp()} and {rule.high.timestamp()}"
    )


def _range_sql(rule: Rule, value: str) -> str:
    # 0 is said by the pattern: no sign
    low = f" and {value} >= {rule.low}" if rule.low else ""
    high = f" and {value} <= {rule.high}" if rule.high is not None else ""
    return low + high


def _quote(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


# --- the judge ------------------------------------------------------------------------------------


class _Number(str):
    """A number as it was written."""

    __slots__ = ()


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        double = next(name for name in names if names.count(name) > 1)
        raise Malformed(f"key {double[:60]!r} stands twice")
    return found


def _no_constant(name: str) -> Any:
    raise Malformed(f"{name} is not a number in JSON")


_UNIQUE = json.JSONDecoder(
    object_pairs_hook=_pairs, parse_constant=_no_constant, parse_int=_Number, parse_float=_Number
)
_PLAIN = json.JSONDecoder(parse_constant=_no_constant, parse_int=_Number, parse_float=_Number)


def parse(text: str, *, unique_keys: bool = True) -> Any:
    """Parse strict JSON; numbers stay as they are written.

    Raises:
        Malformed: With the reason in words.
    """
    if nesting(text) > MAX_NESTING:
        raise Malformed(f"nested deeper than {MAX_NESTING}")
    try:
        value = (_UNIQUE if unique_keys else _PLAIN).decode(text)
    except json.JSONDecodeError as error:
        raise Malformed(f"not JSON: {error.msg} at character {error.pos + 1}") from None
    except RecursionError:
        raise Malformed("nested too deeply") from None
    if _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode()
        except UnicodeEncodeError:  # DuckDB could read no row of the table that holds one
            raise Malformed("half a surrogate pair, such as half an emoji") from None
    return value


def nesting(text: str) -> int:
    """How deep brackets stand within one another, outside of strings."""
    depth = deepest = 0
    for bracket in re.findall(r'"(?:[^"\\]|\\.)*"|[\[{\]}]', text):
        if bracket in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif bracket in "]}":
            depth -= 1
    return deepest


def judge(rules: Rules, text: str) -> str | None:
    """Why a record is bad, or None if it is good."""
    try:
        record = parse(text, unique_keys=rules.unique_keys)
    except Malformed as reason:
        return str(reason)
    if not isinstance(record, dict):
        return "not a JSON object"
    if rules.mode is not None and record.get("livemode") in (
        not rules.mode,
        str(not rules.mode).lower(),
    ):
        return WRONG_MODE.format(
            found=str(not rules.mode).lower(), expected=str(rules.mode).lower()
        )
    for rule in rules.fields:
        reason = judge_field(rule, record.get(rule.name), rules.from_text)
        if reason:
            return f"{rule.name}: {reason}"
    return None


def judge_field(rule: Rule, value: Any, from_text: bool = False) -> str | None:
    """Why one value is bad, or None. Numbers are `_Number` texts, as `parse` gives them."""
    if from_text and value == "":
        value = None
    if value is None:
        return "missing" if rule.required else None
    if from_text and rule.kind in ("integer", "number") and isinstance(value, str):
        value = _Number(value) if _NUMBER.fullmatch(value) else value
    match rule.kind:
        case "any":
            return "empty" if rule.required and value == "" else None
        case "text":
            if not isinstance(value, str) or isinstance(value, _Number):
                return f"{_show(value)} is not text"
            return "empty" if rule.required and value == "" else None
        case "boolean":
            fine = isinstance(value, bool) or (from_text and value in ("true", "false"))
            return None if fine else f"{_show(value)} is not true or false"
        case "integer":
            return _judge_integer(rule, value)
        case "number":
            return _judge_number(rule, value)
        case _:
            return _judge_time(rule, value, from_text)


def _judge_integer(rule: Rule, value: Any) -> str | None:
    if not isinstance(value, _Number) or not _INTEGER.fullmatch(value):
        return f"{_show(value)} is not an integer"
    if len(value) > 20 or not -(2**63) <= int(value) < 2**63:
        return f"{_show(value)} does not fit into 64 bits"
    return _judge_range(rule, int(value))


def _judge_number(rule: Rule, value: Any) -> str | None:
    if not isinstance(value, _Number):
        return f"{_show(value)} is not a number"
    if not math.isfinite(float(value)):
        return f"{_show(value)} is too large for a number"
    return _judge_range(rule, float(value))


def _judge_range(rule: Rule, number: float) -> str | None:
    if isinstance(rule.low, int | float) and number < rule.low:
        return f"{number:g} is below {rule.low:g}"
    if isinstance(rule.high, int | float) and number > rule.high:
        return f"{number:g} is above {rule.high:g}"
    return None


def _judge_epoch(rule: Rule, value: str) -> str | None:
    found = _EPOCH.fullmatch(value)
    if not found:
        return f"{_show(_Number(value))} is no number of seconds or milliseconds since 1970"
    scale = 1000 if len(found[1]) >= _MILLISECONDS_FROM else 1
    if not rule.low.timestamp() <= float(value) / scale <= rule.high.timestamp():
        unit = "milliseconds" if scale > 1 else "seconds"
        return f"{value[:60]} {unit} since 1970 lie outside {rule.low:%Y-%m-%d} to {rule.high:%Y-%m-%d}"
    return None


def _judge_time(rule: Rule, value: Any, from_text: bool) -> str | None:
    is_text_of_number = from_text and isinstance(value, str) and _NUMBER.fullmatch(value)
    if rule.epoch and (isinstance(value, _Number) or is_text_of_number):
        return _judge_epoch(rule, value)
    if not isinstance(value, str) or isinstance(value, _Number):
        return f"{_show(value)} is not an ISO 8601 text"
    if rule.kind == "date":
        try:
            datetime.strptime(value, "%Y-%m-%d").replace(tzinfo=UTC)
        except ValueError:
            return f"{_show(value)} is not a date"
        return None if re.fullmatch(r"\d{4}-\d\d-\d\d", value) else f"{_show(value)} is not a date"
    if not _INSTANT.fullmatch(value):
        if not _LOCAL.fullmatch(value):
            return f"{_show(value)} is not an instant like 2025-06-30T12:00:00Z"
        if rule.kind == "instant":
            return f"{_show(value)} has no time zone"
    seconds = re.sub(r"\.\d+", "", value)  # a fraction of any length is fine
    try:
        at = datetime.fromisoformat(seconds)
    except ValueError:
        return f"{_show(value)} does not exist in the calendar"
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    low = rule.low if isinstance(rule.low, datetime) else datetime(1000, 1, 2, tzinfo=UTC)
    high = rule.high if isinstance(rule.high, datetime) else datetime(2999, 12, 30, tzinfo=UTC)
    if not low <= at <= high + timedelta(seconds=1):
        return f"{_show(value)} lies outside {low:%Y-%m-%d} to {high:%Y-%m-%d}"
    return None


def _show(value: Any) -> str:
    if isinstance(value, _Number):
        return str(value)[:60]
    return json.dumps(value, ensure_ascii=False)[:60]
