"""Whether a value breaks a rule: its baseline, its limit, its verdict. Arithmetic only; nothing is read or written.

A baseline that doesn't exist (the first weeks, days missing) or that nothing can be compared with (zero) gives no
verdict. Limits of a level are strict ("above 5%"); those of a change are reached ("falls by 15%" holds at 15 %).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from statistics import mean, median
from typing import Literal

from serving.alerts.rules import LEVELS, SCATTERS, Limit, Rule

Verdict = Literal["ok", "broken", "no data", "over"]

WEEK = timedelta(days=7)
#: Of the earlier values that a baseline asks for, so many must be there (of four weekdays, one may be missing).
ENOUGH = 3
#: A weekday's own scatter is taken from so many of them; it needs half.
SCATTER_WEEKS = 12
#: The median absolute deviation of a normal distribution, times this, = its standard deviation.
MAD_TO_DEVIATION = 1.4826
#: Twelve values may lie close together by chance: a scatter below this share of the level is not believed.
LEAST_SCATTER = 0.04
#: Sums of decimals that became doubles: a hair's breadth is no difference.
_HAIR = 1e-9


@dataclass(frozen=True)
class Judgement:
    """What a rule says of one period.

    Attributes:
        verdict: ok, broken, no data, or over (what was judged is no longer there).
        value: The metric's value.
        baseline: What it is compared with, where it is.
        threshold: The value at which the rule breaks, in the metric's unit.
        condition: The condition that holds, or the one that is nearest to it.
    """

    verdict: Verdict
    value: float | None = None
    baseline: float | None = None
    threshold: float | None = None
    condition: str = ""


def judge(rule: Rule, values: Mapping[date, float | None], period: date) -> Judgement:
    """Judge one day or month.

    Args:
        rule: Whose condition.
        values: The metric per day (or first day of the month); a period that is missing, or None, has no value.
        period: The one to judge.
    """
    value = values.get(period)
    if value is None:
        return Judgement("no data")
    baseline = _baseline(rule, values, period) if set(rule.condition) - set(LEVELS) else None
    found = [
        judged
        for name, limit in rule.condition.items()
        for judged in _one(name, limit, value, baseline, values, period)
    ]
    if not found:
        return Judgement("no data", value, baseline)
    broken = [judged for judged in found if judged.verdict == "broken"]

    def distance(judged: Judgement) -> float:
        return abs(value - (judged.threshold or 0))

    # of several limits, the one that came first on the way, or that would come first
    return max(broken, key=distance) if broken else min(found, key=distance)


def _one(
    name: str,
    limit: Limit,
    value: float,
    baseline: float | None,
    values: Mapping[date, float | None],
    period: date,
) -> Iterator[Judgement]:
    """The judgements of one condition (`unusual` looks both ways); none where nothing can be said."""
    if name in LEVELS:
        yield judge_level(name, limit, value)
    elif name in SCATTERS:
        yield from _judge_scatter(name, limit, value, values, period)
    elif baseline is not None and (baseline > 0 or not _is_relative(name, limit)):
        step = limit.amount * baseline if limit.is_relative else limit.amount
        if name == "falls_by":
            yield _reached(name, value, baseline, baseline - step, is_fall=True)
        else:
            threshold = limit.amount * baseline if name == "times" else baseline + step
            yield _reached(name, value, baseline, threshold, is_fall=False)


def _is_relative(name: str, limit: Limit) -> bool:
    return name == "times" or limit.is_relative


def judge_level(name: str, limit: Limit, value: float) -> Judgement:
    """Judge a value by itself: strictly above, or strictly below."""
    hair = _HAIR * max(abs(limit.amount), abs(value))
    beyond = value - limit.amount if name == "above" else limit.amount - value
    return Judgement(
        "broken" if beyond > hair else "ok", value, threshold=limit.amount, condition=name
    )


def _reached(
    name: str, value: float, baseline: float, threshold: float, *, is_fall: bool
) -> Judgement:
    hair = _HAIR * max(abs(threshold), abs(value))
    short = value - threshold if is_fall else threshold - value
    return Judgement("broken" if short <= hair else "ok", value, baseline, threshold, name)


def _baseline(rule: Rule, values: Mapping[date, float | None], period: date) -> float | None:
    before = _earlier(rule, period)
    there = [value for day in before if (value := values.get(day)) is not None]
    return mean(there) if len(there) >= min(ENOUGH, rule.history) else None


def _earlier(rule: Rule, period: date) -> list[date]:
    """The periods whose mean is the baseline: a weekday's own, or the months before."""
    if rule.window == "day":
        return [period - week * WEEK for week in range(1, rule.history + 1)]
    months = period.year * 12 + period.month - 1
    return [
        date(number // 12, number % 12 + 1, 1) for number in range(months - rule.history, months)
    ]


def _judge_scatter(
    name: str, limit: Limit, value: float, values: Mapping[date, float | None], period: date
) -> Iterator[Judgement]:
    """Robust z-score of a day among the same weekday's, each taken as a share of the level of its time.

    The level of a day is the mean of the 28 days before it: every weekday is in it four times, and growth is no news.
    """
    level = _level(values, period)
    shares = [
        earlier / its_level
        for week in range(1, SCATTER_WEEKS + 1)
        if (earlier := values.get(day := period - week * WEEK)) is not None
        and (its_level := _level(values, day))
    ]
    if not level or len(shares) < SCATTER_WEEKS / 2:
        return
    usual = median(shares)
    scatter = MAD_TO_DEVIATION * median([abs(share - usual) for share in shares])
    scatter = max(scatter, LEAST_SCATTER * abs(usual))
    baseline = usual * level
    step = limit.amount * scatter * level
    if name != "unusually_high":
        yield _reached(name, value, baseline, baseline - step, is_fall=True)
    if name != "unusually_low":
        yield _reached(name, value, baseline, baseline + step, is_fall=False)


def _level(values: Mapping[date, float | None], day: date) -> float | None:
    there = [
        value
        for back in range(1, 29)
        if (value := values.get(day - timedelta(days=back))) is not None
    ]
    found = mean(there) if len(there) >= 21 else None
    return found if found and found > 0 else None


@dataclass(frozen=True)
class Burst:
    """Rows that came closer together than a rule allows.

    Attributes:
        begins_at: First row of the first window with too many.
        ends_at: Last instant at which a window had too many.
        most: The most rows in one window.
    """

    begins_at: datetime
    ends_at: datetime
    most: int


def bursts(
    instants: Sequence[datetime], window: timedelta, limit: float, since: datetime
) -> tuple[list[Burst], int]:
    """Every burst of rows in any window that ends after an instant.

    A count only grows at a row, so it is enough to look back from each row: over `(row - window, row]`. Windows with
    too many that overlap are one burst.

    Args:
        instants: The rows, in order; those of one window before `since` too: no window is cut.
        window: Its length.
        limit: Most rows that a window may hold.
        since: Windows that end up to here were looked at before.

    Returns:
        The bursts in order, and the most rows in any of the windows.
    """
    found: list[Burst] = []
    most = first = 0
    for last, instant in enumerate(instants):
        while instants[first] <= instant - window:
            first += 1
        if instant <= since:
            continue
        count = last - first + 1
        most = max(most, count)
        if count <= limit:
            continue
        if found and instants[first] <= found[-1].ends_at:
            found[-1] = Burst(found[-1].begins_at, instant, max(found[-1].most, count))
        else:
            found.append(Burst(instants[first], instant, count))
    return found, most
