"""Every rule of ours, by hand: just below, at and above its limit; week-ends, missing days, zero, the first weeks.

28 July 2025 is a Monday. Baselines here are given as what the four Mondays before were, so that each mean is plain to see.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from serving.alerts.judging import bursts, judge
from serving.alerts.rules import Rule, read_rules
from warehouse.settings import Settings

MONDAY = date(2025, 7, 28)
SATURDAY = date(2025, 7, 26)
JULY = date(2025, 7, 1)
WEEK = timedelta(days=7)


@pytest.fixture(scope="module")
def rules(tmp_path_factory) -> dict[str, Rule]:
    settings = Settings.for_test(tmp_path_factory.mktemp("home"))
    return {rule.name: rule for rule in read_rules(settings)}


def mondays(value, *before):
    """A Monday's value, and those of the Mondays before, the newest first."""
    return {MONDAY - n * WEEK: number for n, number in enumerate((value, *before))}


def months(value, *before):
    """July's value, and those of the months before, the newest first."""
    return {date(2025, 7 - n, 1): number for n, number in enumerate((value, *before))}


STEADY = (1000, 1000, 1000, 1000)
CASES = [
    # rule, values, period, verdict, baseline, threshold
    # the mean of 900, 1100, 950 and 1050 is 1000: 15 % below it is 850, and 850 is reached
    ("revenue_drop", mondays(850.01, 900, 1100, 950, 1050), MONDAY, "ok", 1000, 850),
    ("revenue_drop", mondays(850, 900, 1100, 950, 1050), MONDAY, "broken", 1000, 850),
    ("revenue_drop", mondays(849.99, 900, 1100, 950, 1050), MONDAY, "broken", 1000, 850),
    ("revenue_drop", mondays(2000, *STEADY), MONDAY, "ok", 1000, 850),
    ("mrr_drop", mondays(900.01, *STEADY), MONDAY, "ok", 1000, 900),
    ("mrr_drop", mondays(900, *STEADY), MONDAY, "broken", 1000, 900),
    ("usage_drop", mondays(801, *STEADY), MONDAY, "ok", 1000, 800),
    ("usage_drop", mondays(800, *STEADY), MONDAY, "broken", 1000, 800),
    ("usage_drop", mondays(799, *STEADY), MONDAY, "broken", 1000, 800),
    ("health_drop", mondays(72.1, 80, 80, 80, 80), MONDAY, "ok", 80, 72),
    ("health_drop", mondays(72, 80, 80, 80, 80), MONDAY, "broken", 80, 72),
    # mean of 3, 4, 4 and 5 is 4
    ("at_risk_up", mondays(8, 3, 4, 4, 5), MONDAY, "ok", 4, 9),
    ("at_risk_up", mondays(9, 3, 4, 4, 5), MONDAY, "broken", 4, 9),
    # nobody at risk for weeks: five more than none can be said
    ("at_risk_up", mondays(5, 0, 0, 0, 0), MONDAY, "broken", 0, 5),
    ("churn_jump", mondays(0.0799, 0.04, 0.04, 0.04, 0.04), MONDAY, "ok", 0.04, 0.08),
    ("churn_jump", mondays(0.08, 0.04, 0.04, 0.04, 0.04), MONDAY, "broken", 0.04, 0.08),
    # levels are strict
    ("error_rate", {MONDAY: 0.05}, MONDAY, "ok", None, 0.05),
    ("error_rate", {MONDAY: 0.0501}, MONDAY, "broken", None, 0.05),
    ("slow_calls", {MONDAY: 5000}, MONDAY, "ok", None, 5000),
    ("slow_calls", {MONDAY: 5000.1}, MONDAY, "broken", None, 5000),
    ("feature_adoption", {MONDAY: 0.1}, MONDAY, "ok", None, 0.1),
    ("feature_adoption", {MONDAY: 0.0999}, MONDAY, "broken", None, 0.1),
    ("cac_high", {JULY: 60}, JULY, "ok", None, 60),
    ("cac_high", {JULY: 60.01}, JULY, "broken", None, 60),
    # nobody was won: there is no cost of one
    ("cac_high", {JULY: None}, JULY, "no data", None, None),
    # mean of six months is 3 %: + 2 points are 5 %, 1.5 times are 4.5 %, which comes first
    ("churn_up", months(0.0449, 0.03, 0.02, 0.04, 0.03, 0.03, 0.03), JULY, "ok", 0.03, 0.045),
    ("churn_up", months(0.045, 0.03, 0.02, 0.04, 0.03, 0.03, 0.03), JULY, "broken", 0.03, 0.045),
    # at 5 %, + 2 points come before 1.5 times (7.5 %)
    ("churn_up", months(0.0699, *[0.05] * 6), JULY, "ok", 0.05, 0.07),
    ("churn_up", months(0.07, *[0.05] * 6), JULY, "broken", 0.05, 0.07),
    # a mean of zero: "1.5 times" says nothing, "2 points" does
    ("churn_up", months(0.019, *[0.0] * 6), JULY, "ok", 0, 0.02),
    ("churn_up", months(0.02, *[0.0] * 6), JULY, "broken", 0, 0.02),
    # three months are enough, two are not
    ("churn_up", months(0.09, 0.03, 0.03, 0.03), JULY, "broken", 0.03, 0.045),
    ("churn_up", months(0.09, 0.03, 0.03), JULY, "no data", None, None),
    # a missing day; one missing among the four; the first weeks; zero
    ("usage_drop", mondays(None, *STEADY), MONDAY, "no data", None, None),
    ("usage_drop", {day: 1000 for day in mondays(*STEADY) if day != MONDAY}, MONDAY, "no data", None, None),
    ("usage_drop", mondays(700, 1000, None, 1000, 1000), MONDAY, "broken", 1000, 800),
    ("usage_drop", mondays(700, 1000, None, None, 1000), MONDAY, "no data", None, None),
    ("usage_drop", mondays(0, 10, 10), MONDAY, "no data", None, None),
    ("usage_drop", mondays(0, 0, 0, 0, 0), MONDAY, "no data", 0, None),
]  # fmt: skip


@pytest.mark.parametrize(("name", "values", "period", "verdict", "baseline", "threshold"), CASES)
def test_a_rule_by_hand(rules, name, values, period, verdict, baseline, threshold):
    judged = judge(rules[name], values, period)
    assert judged.verdict == verdict
    assert judged.value == values.get(period)
    assert judged.baseline == pytest.approx(baseline)
    assert judged.threshold == pytest.approx(threshold)


def calendar(level=1000.0, weeks=20, growth=1.0, wobble=()):
    """Days up to and with MONDAY: weekdays at the level, Saturdays at 40 % of it, Sundays at 30 %."""
    values = {}
    for back in range(weeks * 7):
        day = MONDAY - timedelta(days=back)
        share = {5: 0.4, 6: 0.3}.get(day.weekday(), 1.0)
        nudge = wobble[(back // 7) % len(wobble)] if wobble else 1.0
        values[day] = level * share * nudge * growth ** (-back)
    return values


def test_a_week_end_is_no_alarm_and_a_bad_week_end_is_one(rules):
    values = calendar()
    for name in ("usage_drop", "usage_unusual"):
        assert judge(rules[name], values, SATURDAY).verdict == "ok"
        assert judge(rules[name], values, MONDAY).verdict == "ok"
    # 40 % of a weekday is a usual Saturday; 30 % is a quarter less than that
    values[SATURDAY] = 300
    assert judge(rules["usage_drop"], values, SATURDAY).verdict == "broken"


def test_unusual_by_hand(rules):
    """Mondays lie 3 % above and below their usual share in turns: a deviation of 1.4826 * 3 % = 4.45 %, six of them 26.7 %."""
    values = calendar(wobble=(1.0, 1.03, 0.97))
    judged = judge(rules["usage_unusual"], values, MONDAY)
    assert judged.verdict == "ok"
    assert judged.baseline == pytest.approx(1000, rel=0.02)
    assert 0.20 < 1 - _limit(rules, values, is_low=True) / judged.baseline < 0.34
    values[MONDAY] = _limit(rules, values, is_low=True) - 1
    assert judge(rules["usage_unusual"], values, MONDAY).verdict == "broken"
    values[MONDAY] = _limit(rules, values, is_low=True) + 1
    assert judge(rules["usage_unusual"], values, MONDAY).verdict == "ok"


def _limit(rules, values, *, is_low):
    extreme = {**values, MONDAY: 0.0 if is_low else 1e9}
    return judge(rules["usage_unusual"], extreme, MONDAY).threshold


def test_unusual_days_need_twelve_weeks_of_levels_and_believe_no_scatter_below_four_percent(rules):
    values = calendar()
    # no scatter at all: four percent are taken, six times: 24 %
    assert _limit(rules, values, is_low=True) == pytest.approx(760)
    assert _limit(rules, values, is_low=False) == pytest.approx(1240)
    # six Mondays with a level each: nine weeks; with eight there are five
    assert judge(rules["usage_unusual"], calendar(weeks=10), MONDAY).verdict == "ok"
    assert judge(rules["usage_unusual"], calendar(weeks=8), MONDAY).verdict == "no data"
    assert judge(rules["usage_unusual"], {**calendar(), MONDAY: 0}, MONDAY).verdict == "broken"


def test_growth_is_not_unusual(rules):
    # one percent a day: a Monday is a third above the one four weeks before
    assert judge(rules["usage_unusual"], calendar(growth=1.01), MONDAY).verdict == "ok"


# --- rows in minutes --------------------------------------------------------------------------------

NOON = datetime(2025, 7, 28, 12)
FIVE = timedelta(minutes=5)


def every(seconds, count, start=NOON):
    return [start + timedelta(seconds=seconds * n) for n in range(count)]


@pytest.mark.parametrize(
    ("instants", "most", "found"),
    [
        ([], 0, 0),
        (every(1, 10), 10, 0),
        (every(1, 11), 11, 1),
        # eleven rows over exactly five minutes: the first has left the window when the last comes
        (every(30, 11), 10, 0),
        (every(29.9, 11), 11, 1),
        # six before a full five minutes and six after: no bucket has more than six, a window has twelve
        ([NOON - timedelta(seconds=60) + timedelta(seconds=10 * n) for n in range(12)], 12, 1),
        # two bursts, a quiet hour between them
        ([*every(1, 11), *every(1, 12, NOON + timedelta(hours=1))], 12, 2),
        # all in one instant
        ([NOON] * 11, 11, 1),
    ],
)
def test_bursts_by_hand(instants, most, found):
    seen, highest = bursts(instants, FIVE, 10, since=NOON - timedelta(days=1))
    assert (len(seen), highest) == (found, most)


def test_a_burst_over_the_border_of_two_looks_is_seen_by_the_second():
    instants = every(10, 12, NOON - timedelta(seconds=60))
    before = [at for at in instants if at <= NOON]
    assert bursts(before, FIVE, 10, since=NOON - timedelta(days=1)) == ([], 7)
    seen, _ = bursts(instants, FIVE, 10, since=NOON)
    assert [burst.most for burst in seen] == [12]
    # and what was looked at is not looked at again
    assert bursts(instants, FIVE, 10, since=instants[-1]) == ([], 0)


def test_bursts_agree_with_counting_every_window_by_hand():
    import random

    chance = random.Random(5)
    for _ in range(200):
        instants = sorted(
            NOON + timedelta(seconds=chance.randrange(3600)) for _ in range(chance.randrange(80))
        )
        counts = [sum(end - FIVE < at <= end for at in instants) for end in instants]
        seen, most = bursts(instants, FIVE, 6, since=NOON - timedelta(days=1))
        assert most == max(counts, default=0)
        too_many = [end for end, count in zip(instants, counts, strict=True) if count > 6]
        assert all(any(b.begins_at <= end <= b.ends_at for b in seen) for end in too_many)
        assert len(seen) <= len(too_many)
        assert [b.most > 6 for b in seen] == [True] * len(seen)
