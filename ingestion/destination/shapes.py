r"""What a batch's lines look like, as one regular expression that only surely good lines match.

A program writes its records in one shape: the same fields, in the same order. The shape is learned
from a few lines of the batch, and made strict with the rules: then a match proves at once that the
line is JSON, that no key stands twice and that every value is what it must be. Measured on 1 M
usage events: 1 CPU s, where parsing the JSON and testing its values takes 4. A line that does not
match is not bad, only not proved: `typecheck` looks at it.

Reads and writes: nothing. Run: imported by `ingestion.destination.checking`.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, timedelta
from functools import lru_cache

import numpy as np

from ingestion.destination.lines import Lines
from ingestion.destination.typecheck import Rule, Rules

SAMPLE = 64  # lines that a batch's shapes are learned from
MOST_SHAPES = 8
MOST_FIELDS = 200  # RE2's automaton is built as it goes: a large one would not pay

Shape = str | tuple[tuple[str, "Shape"], ...]  # a scalar, or an object's fields in order

_ESCAPED = (
    r'\\(?:["\\/bfnrt]|u(?:00[2-9A-Fa-f][0-9A-Fa-f]|0[1-9A-Fa-f][0-9A-Fa-f]{2}'
    r"|[1-9A-CE-Fa-ce-f][0-9A-Fa-f]{3}|[Dd][0-7][0-9A-Fa-f]{2}))"
)
_CHARACTER = rf'(?:[^"\\\x00-\x1f]|{_ESCAPED})'
_TEXT = rf'"{_CHARACTER}*"'
_FILLED_TEXT = rf'"{_CHARACTER}+"'
_UNSIGNED = r"(?:0|[1-9][0-9]{0,17})"  # of any 18 digits DuckDB keeps each
_DECIMAL = r"(?:0|[1-9][0-9]{0,29})(?:\.[0-9]{1,30})?"
_ANY_NUMBER = r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][-+]?[0-9]+)?"
_TIME = r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,6})?"
_ZONE = r"(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])"
_DAY_OF_ANY_YEAR = (
    r"(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)"
    r"|02-(?:0[1-9]|1[0-9]|2[0-8]))"
)
_DAY = timedelta(days=1)


def proved(lines: Lines, rules: Rules) -> np.ndarray:
    """Which lines are surely good, as a mask."""
    pattern = _pattern_of(lines, rules)
    return np.zeros(len(lines), bool) if pattern is None else lines.matches(pattern)


def _pattern_of(lines: Lines, rules: Rules) -> str | None:
    """The shapes of some lines as one pattern; None if they are too many, or none can prove anything."""
    step = -(-len(lines) // SAMPLE)
    seen = Counter(_shape(lines[index]) for index in range(0, len(lines), max(step, 1)))
    common = [shape for shape, _ in seen.most_common(MOST_SHAPES) if shape]
    patterns = [pattern for shape in common if (pattern := _pattern(shape, rules))]
    return "|".join(patterns) or None


def _shape(text: str) -> Shape | None:
    """A record's shape; None if it has none that a pattern could say (an array with objects, a key twice)."""
    try:
        shape = json.loads(text, object_pairs_hook=_fields)
    except (ValueError, RecursionError):
        return None
    return shape if isinstance(shape, tuple) and _size(shape) <= MOST_FIELDS else None


def _fields(pairs: list[tuple[str, object]]) -> Shape:
    if len(dict(pairs)) < len(pairs):
        raise ValueError("a key stands twice")
    return tuple((name, _kind(value)) for name, value in pairs)


def _kind(value: object) -> Shape:
    if isinstance(value, tuple):
        return value
    if isinstance(value, list):
        if any(isinstance(item, tuple | list) for item in value):
            raise ValueError("an array with more than scalars")
        return "list"
    return "scalar"


def _size(shape: Shape) -> int:
    """Fields of all levels; as it is limited, so is the nesting."""
    return sum(1 + _size(value) for _, value in shape) if isinstance(shape, tuple) else 0


# --- patterns -------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def _pattern(shape: Shape, rules: Rules) -> str | None:
    """Pattern of the good records of a shape; None where a rule can't be said by one."""
    names = {name for name, _ in shape}
    if any(rule.required and rule.name not in names for rule in rules.fields):
        return None
    fields = []
    for name, kind in shape:
        value = _value(rules, name, kind)
        if value is None:
            return None
        fields.append(f"{_key(name)}{value}")
    return rf"\{{{', ?'.join(fields)}\}}"


def _key(name: str) -> str:
    return f"{re.escape(json.dumps(name, ensure_ascii=False))}: ?"


def _value(rules: Rules, name: str, kind: Shape) -> str | None:
    rule = rules.by_name.get(name)
    if rules.mode is not None and name == "livemode":
        return str(rules.mode).lower() if rule is None or rule.kind in ("any", "boolean") else None
    if rule is None:
        return _untyped(kind)
    good = _typed(rule, kind, rules.from_text)
    if good is None or rule.required:
        return good
    empty = '""|' if rules.from_text else ""
    return f"(?:{good}|{empty}null)"


def _untyped(kind: Shape) -> str:
    """Any JSON of the same structure."""
    if isinstance(kind, tuple):
        return rf"\{{{', ?'.join(_key(name) + _untyped(value) for name, value in kind)}\}}"
    scalar = f"(?:{_TEXT}|{_ANY_NUMBER}|true|false|null)"
    return rf"\[(?:{scalar}(?:, ?{scalar})*)?\]" if kind == "list" else scalar


def _typed(rule: Rule, kind: Shape, from_text: bool) -> str | None:
    """Pattern of a present value that the rule surely passes; None where there is no simple one."""
    mark = '"' if from_text else ""  # in CSV a number stands in quotes
    match rule.kind:
        case "any" if kind == "scalar":
            return f"(?:{_FILLED_TEXT}|{_ANY_NUMBER}|true|false)"
        case "any":
            return _untyped(kind)
        case "text":
            return _FILLED_TEXT if rule.required else _TEXT
        case "boolean":
            return f"{mark}(?:true|false){mark}"
        case "integer" | "number":
            number = _number(rule)
            return number and f"{mark}{number}{mark}"
        case "date":
            return f'"{_dates(None, None)}"'
        case "instant" | "local_instant":
            zone = _ZONE if rule.kind == "instant" else f"{_ZONE}?"
            dates = _dates(rule.low, rule.high)
            text = dates and f'"{dates}[T ]{_TIME}{zone}"'
            numbers = rule.epoch and _epochs(rule.low, rule.high)
            return f"(?:{text}|{mark}{numbers}{mark})" if text and numbers else text
    raise AssertionError(rule.kind)


def _number(rule: Rule) -> str | None:
    """Numbers within the rule's range; None for a range that is neither of one sign nor small."""
    if rule.low is None and rule.high is None:
        return f"-?{_UNSIGNED if rule.kind == 'integer' else _DECIMAL}"
    if rule.low == 0 and rule.high is None:
        return _UNSIGNED if rule.kind == "integer" else _DECIMAL
    if (
        rule.kind == "integer"
        and None not in (rule.low, rule.high)
        and rule.low >= 0
        and rule.high < 1000
    ):
        return f"(?:{_either(range(math.ceil(rule.low), math.floor(rule.high) + 1))})"
    return None


def _dates(low: datetime | None, high: datetime | None) -> str | None:
    """Days that lie within the bounds in every time zone; None for bounds that are odd.

    Old years are left out, and 29 February of all years but the upper bound's.
    """
    if high is None:
        return f"(?:1[1-9]|2[0-8])[0-9]{{2}}-{_DAY_OF_ANY_YEAR}" if low is None else None
    last = high.date() - _DAY
    years = range(low.year + 1 if low else 1900, last.year)
    days = (last - date(last.year, 1, 1)).days + 1
    newest = [f"{last - n * _DAY:%m-%d}" for n in range(days)]
    if not years:
        return None
    return f"(?:(?:{_either(years)})-{_DAY_OF_ANY_YEAR}|{last.year}-(?:{_either(newest)}))"


def _epochs(low: datetime, high: datetime) -> str | None:
    """Seconds, or milliseconds, from 2001-09-09 (ten digits) up to a day or so before the upper bound."""
    last = str(int(high.timestamp()))
    if low.timestamp() > 10**9 or len(last) != 10 or last[0] != "1":
        return None
    below = [
        f"{last[:n]}[0-{int(last[n]) - 1}][0-9]{{{9 - n}}}" for n in range(1, 6) if last[n] != "0"
    ]
    return rf"(?:{_either(below)})(?:[0-9]{{3}})?(?:\.[0-9]{{1,6}})?" if below else None


def _either(words: Iterable[object]) -> str:
    return "|".join(map(str, words))
