"""Alerts from a published version to the log: each period once, one message for one incident, quiet when told to be."""

from __future__ import annotations

import html
import json
import shutil
from datetime import date, datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from serving.alerts import log
from serving.alerts.evaluation import evaluate
from serving.alerts.failures import task_failed
from serving.alerts.rules import CHANNELS, SEVERITIES, read_rules
from serving.dashboards.context import Context
from serving.dashboards.pages.alerts import measured
from tests.serving.alert_company import Company
from warehouse import duck
from warehouse.errors import CallError
from warehouse.settings import Settings

# a Sunday
LAST = date(2025, 7, 27)


@pytest.fixture(scope="module")
def judged_once(tmp_path_factory) -> Path:
    """The home of a company whose past is no news any more."""
    made = Company(tmp_path_factory.mktemp("company") / "home", LAST)
    report = made.judge()
    assert (report.firing, report.told, report.warnings) == (0, (), ())
    return made.home


@pytest.fixture
def company(judged_once, tmp_path) -> Company:
    shutil.copytree(judged_once, tmp_path / "home")
    return Company(tmp_path / "home", LAST, number=1)


def calls(day: str, number: int) -> str:
    return f"update gold.kpi_daily set calls = {number} where day = '{day}'"


def test_clean_days_say_nothing(company):
    for _ in range(9):
        assert company.move().told == ()
    assert {entry.state for entry in company.log()} <= {"ok", "no data"}
    # rules of days have a row a day, each once
    days = [entry.period_start for entry in company.log("rule = 'usage_drop'")]
    assert days == [datetime(2025, 7, 27) + timedelta(days=n) for n in range(10)]


def test_one_message_for_an_incident_and_one_when_it_is_over(company):
    company.plant(calls("2025-07-28", 700), calls("2025-07-29", 750))
    assert company.move().told == (
        "API calls of the day: 700, Mon 2025-07-28, -30.0% against 1,000 in the mean of the same weekday of 4 weeks before (limit 800)",
    )
    again = company.move()
    assert (again.told, again.firing) == (
        (),
        2,
    )  # the rule, and the one for scatter that tells of the same incident
    over = company.move()
    assert [(len(over.told), over.firing)] == [(1, 0)]
    assert [row[:2] for row in company.story("usage_drop")[1:]] == [
        ("Mon 2025-07-28", "firing"), ("Tue 2025-07-29", "firing"), ("Wed 2025-07-30", "recovered"),
    ]  # fmt: skip
    told = [entry.told for entry in company.log("incident = 'usage' and told is not null")]
    assert told == ["fired", "recovered"]


def test_several_days_published_at_once_are_judged_one_by_one(company):
    company.plant(calls("2025-07-29", 700), calls("2025-08-02", 200))
    report = company.move(7)
    assert len(report.told) == 4  # two incidents, each told and told to be over
    assert [entry.told for entry in company.log("incident = 'usage' and told is not null")] == [
        "fired",
        "recovered",
    ] * 2
    assert [period for period, state, _ in company.story("usage_drop") if state == "firing"] == [
        "Tue 2025-07-29",
        "Sat 2025-08-02",
    ]


def test_the_same_version_again_says_nothing_new(company):
    company.plant(calls("2025-07-28", 700))
    folder = company.home / "published"
    company.move()
    rows = len(company.log())
    version = max(folder.iterdir())
    for _ in range(2):
        report = evaluate(company.settings, version=version)
        assert (report.judged, report.told, report.firing) == (0, (), 2)
    assert len(company.log()) == rows
    # a rebuild of the same days is a new version: what stands is written again, days are not judged again
    report = company.judge()
    assert report.told == ()
    assert company.story("usage_drop")[1:] == [("Mon 2025-07-28", "firing", "fired")]


def test_a_day_is_judged_when_it_is_complete_and_not_before(company):
    company.plant(calls("2025-07-28", 10))
    company.behind["usage"] = LAST
    # Stripe's day is over, the usage log's is not: a partial day is no drop, and revenue doesn't wait for it
    report = company.move()
    assert not any("calls" in title for title in report.told)
    assert company.story("usage_drop") == [("Sun 2025-07-27", "ok", None)]
    assert company.story("revenue_drop")[-1] == ("Mon 2025-07-28", "ok", None)
    company.behind.clear()
    company.move()
    assert [row[0] for row in company.story("usage_drop")] == [
        "Sun 2025-07-27",
        "Mon 2025-07-28",
        "Tue 2025-07-29",
    ]
    assert company.story("usage_drop")[1][1:] == ("firing", "fired")


def test_a_missing_day_is_no_data_and_ends_no_incident(company):
    company.plant(
        calls("2025-07-28", 700),
        "delete from gold.kpi_daily where day = '2025-07-29'",
        calls("2025-07-30", 700),
    )
    company.move(3)
    assert company.story("usage_drop")[1:] == [
        ("Mon 2025-07-28", "firing", "fired"), ("Tue 2025-07-29", "no data", None), ("Wed 2025-07-30", "firing", None),
    ]  # fmt: skip


def test_the_reporting_time_zone_decides_when_a_day_is_over(tmp_path):
    company = Company(tmp_path / "home", LAST)
    company.settings_changes["reporting_timezone"] = "America/New_York"
    company.judge()
    # at midnight UTC of the 28th it is still the 27th in New York
    assert company.story("usage_drop") == [("Sat 2025-07-26", "ok", None)]
    assert company.log("rule = 'usage_drop'")[0].period_end == datetime(2025, 7, 27, 4)


def test_a_stopped_source_is_told_once_and_when_it_is_back(company):
    company.behind["stripe"] = LAST
    told = [company.move().told for _ in range(4)]
    company.behind.clear()
    told.append(company.move().told)
    # a day behind is no news yet
    assert [len(titles) for titles in told] == [0, 1, 0, 0, 1]
    assert told[1][0].startswith(
        "Hours that a source is behind (stripe): 48 hours, at Wed 2025-07-30 00:00:00"
    )
    assert [
        row[1:] for row in company.story("source_stopped") if "stripe" in str(row) or row[2]
    ] == [("firing", "fired"), ("recovered", "recovered")]


def test_a_source_that_stops_after_a_publish_is_seen_on_the_same_version(company):
    version = max((company.home / "published").iterdir())
    company.last += 2 * timedelta(days=1)  # time goes on, nothing is published
    report = evaluate(company.settings, version=version)
    assert len(report.told) == 5
    assert evaluate(company.settings, version=version).told == ()


def test_gaps_tell_of_the_source_that_has_stopped_already(company):
    company.behind["support"] = LAST
    company.plant(
        "insert into gold.completeness_ledger values ('support', 'tickets', '2025-07-28', true)"
    )
    told = company.move().told
    assert told == (
        "Days of a source's streams that are missing from the last four weeks (support): 1, at Tue 2025-07-29 00:00:00 (limit 0)",
    )
    # now the severer rule of the same incident: people on other channels must know
    assert len(company.move().told) == 1
    company.behind.clear()
    company.changes.clear()
    assert len(company.move().told) == 1
    assert [entry.told for entry in company.log("incident = 'source' and told is not null")] == [
        "fired",
        "fired",
        "recovered",
    ]


def failures(*instants: str) -> str:
    return "insert into gold.fact_payment_failures values " + ", ".join(
        f"('{at}')" for at in instants
    )


def test_payment_failures_between_two_looks_and_over_their_border(company):
    noon = [f"2025-07-28 12:00:{second:02}" for second in range(0, 55, 5)]
    border = [f"2025-07-28 23:59:{second}" for second in range(50, 56)] + [
        f"2025-07-29 00:01:0{second}" for second in range(6)
    ]
    company.plant(failures(*noon), failures(*border))
    first = company.move()
    assert [
        entry.told for entry in company.log("rule = 'payment_failures' and told is not null")
    ] == ["fired", "recovered"]
    assert (
        "Failed payments within 5 minutes: 11, Mon 2025-07-28 12:00:00 to Mon 2025-07-28 12:00:50 (limit 10)"
        in first.told
    )
    second = company.move()
    assert [title for title in second.told if "12, Mon" in title] == [
        "Failed payments within 5 minutes: 12, Mon 2025-07-28 23:59:50 to Tue 2025-07-29 00:01:05 (limit 10)"
    ]
    assert len(company.log("rule = 'payment_failures' and told = 'fired'")) == 2
    assert company.move().told == ()


def test_payment_failures_that_go_on_are_one_incident(company):
    every_ten_seconds = [
        f"2025-07-28 23:{minute}:{second:02}"
        for minute in range(50, 60)
        for second in range(0, 60, 10)
    ]
    and_on = [
        f"2025-07-29 00:{minute:02}:{second:02}"
        for minute in range(5)
        for second in range(0, 60, 10)
    ]
    company.plant(failures(*every_ten_seconds), failures(*and_on))
    assert len(company.move().told) == 1
    assert len(company.move().told) == 1
    told = [
        (entry.told, entry.state)
        for entry in company.log("rule = 'payment_failures' and told is not null")
    ]
    assert told == [("fired", "firing"), ("recovered", "recovered")]


def test_a_feature_is_judged_by_itself_and_over_when_it_is_watched_no_longer(company):
    rows = ", ".join(
        f"('{name}', date '2025-07-24' + {day}, {day}, {rate})"
        for name, rate in (("liked", 0.3), ("ignored", 0.05)) for day in range(10)
    )  # fmt: skip
    company.plant(f"insert into gold.kpi_feature_launches values {rows}")
    told = [company.move().told for _ in range(9)]
    # day 7 is 31 July; the table's last day is 2 August
    assert [len(titles) for titles in told] == [0, 0, 0, 1, 0, 0, 1, 0, 0]
    assert told[3] == (
        "Adoption of a new feature, a week after its launch (ignored): 5.00%, Thu 2025-07-31 (limit 10.00%)",
    )
    assert "(ignored): no longer measured, Sun 2025-08-03" in told[6][0]


def test_a_severer_rule_of_the_same_incident_is_told_a_weaker_one_is_not(company):
    # beyond its scatter first (25 % up is nothing to usage_drop), then a drop
    company.plant(calls("2025-07-28", 1500), calls("2025-07-29", 500), calls("2025-07-30", 1500))
    told = [company.move() for _ in range(4)]
    assert [[entry.rule, entry.told] for entry in company.log("told is not null")] == [
        ["usage_unusual", "fired"], ["usage_drop", "fired"], ["usage_unusual", "recovered"],
    ]  # fmt: skip
    assert told[-1].firing == 0


# --- quiet ------------------------------------------------------------------------------------------


def snooze(company: Company, rule: str, until: datetime, subject: str = "") -> None:
    with log.opened(company.settings) as con:
        log.snooze(con, rule, subject, until, datetime(2025, 7, 28), "known")


def test_a_snoozed_rule_is_judged_and_told_to_nobody_until_it_ends(company):
    # the weaker rule of the same incident is quiet with it
    snooze(company, "usage_drop", datetime(2025, 7, 31))
    company.plant(*(calls(f"2025-07-{day}", 100) for day in (28, 29, 30, 31)))
    told = [company.move().told for _ in range(4)]
    assert [len(titles) for titles in told] == [0, 0, 1, 0]
    assert [(state, told) for _, state, told in company.story("usage_drop")[1:]] == [
        ("snoozed", None), ("snoozed", None), ("firing", "fired"), ("firing", None),
    ]  # fmt: skip


def test_what_was_never_told_is_not_told_to_be_over(company):
    snooze(company, "usage_drop", datetime(2025, 8, 30))
    company.plant(calls("2025-07-28", 100))
    assert [company.move().told, company.move().told] == [(), ()]
    assert company.story("usage_drop")[-1] == ("Tue 2025-07-29", "recovered", None)


def test_a_weak_rule_that_is_snoozed_hides_no_severer_one(company):
    snooze(company, "usage_unusual", datetime(2025, 8, 30))
    company.plant(calls("2025-07-28", 100))
    assert len(company.move().told) == 1


def test_a_rule_that_is_switched_off_leaves_nothing_open(company):
    company.plant(calls("2025-07-28", 790))
    assert company.move().firing == 1
    own(company.home, "rules: {usage_drop: {enabled: false}}")
    report = company.move()
    assert (report.told, report.firing) == ((), 0)
    assert company.log("rule = 'usage_drop'")[-1].message == "the rule is switched off"


def test_one_subject_may_be_snoozed_alone(company):
    snooze(company, "source_stopped", datetime(2025, 8, 30), "usage")
    company.behind |= {"usage": LAST, "support": LAST}
    told = company.move(3).told
    assert [("usage" in title, "support" in title) for title in told] == [(False, True)]


# --- rules ------------------------------------------------------------------------------------------


def own(home: Path, text: str) -> Settings:
    (home / "alerts.yml").write_text(text, encoding="utf-8")
    return Settings.for_test(home)


NEW_RULE = """
rules:
  few_active:
    title: Active customers
    owner: product
    severity: warning
    metric: kpi_daily.dau
    condition: {below: 90}
    needs: [usage]
    channels: [slack]
    what_to_do: ask around
  cac_high:
    condition: {above: 900}
  slow_calls:
    enabled: false
"""


def test_a_rule_of_your_own_and_changes_to_ours(company):
    rules = {rule.name: rule for rule in read_rules(own(company.home, NEW_RULE))}
    assert rules["few_active"].owner == "product"
    assert rules["cac_high"].condition["above"].amount == 900
    assert rules["cac_high"].owner == "marketing"
    assert "slow_calls" not in rules
    company.plant("update gold.kpi_daily set dau = 80 where day >= '2025-07-20'")
    # a new rule begins with the newest day: its past is no news
    assert company.move().told == ("Active customers: 80, Mon 2025-07-28 (limit 90)",)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ("severity: loud", "rule few_active: severity 'loud' is none of info, warning, critical"),
        ("channels: [pigeon]", "rule few_active: channel 'pigeon' is none of slack, email, webhook, oncall"),
        ("channels: slack", "rule few_active: channels is no list of names"),
        ("channels: [oncall]", "rule few_active: only severity critical goes to channel oncall"),
        ("condition: {under: 5}", "rule few_active: condition 'under' is none of"),
        ("condition: {below: few}", "rule few_active: condition below: 'few' is no number, such as 5, 15% or 2 points"),
        ("condition: {unusual: 5%}", "rule few_active: condition unusual: '5%' is no plain number"),
        ("window: hour", "rule few_active: window 'hour' is none of day, month, publish, or such as '5 minutes'"),
        ("window: 5 minutes", "rule few_active: metric: rows in a window of minutes need 'at' and no 'value'"),
        ("needs: [weather]", "rule few_active: source 'weather' is none of"),
        ("metric: kpi_daily", "rule few_active: metric: value is missing"),
        ("metric: kpi daily.dau", "rule few_active: metric: table 'kpi daily' is no name"),
        ("metric: {table: 'k; drop table x', value: a, at: b}", "rule few_active: metric: table 'k; drop table x' is no name"),
        ("history: 0", "rule few_active: history is a number of periods from 1 to 12"),
        ("colour: red", "rule few_active: no key 'colour'"),
        ("what_to_do: ''", "rule few_active: what_to_do is missing"),
        ("owner: 5", "rule few_active: owner is no text"),
    ],
)  # fmt: skip
def test_a_rule_that_makes_no_sense_is_one_line(tmp_path, change, line):
    rule, _, _ = NEW_RULE.partition("  cac_high")
    key = change.partition(":")[0]
    kept = [row for row in rule.split("\n") if row.strip().partition(":")[0] != key]
    settings = own(tmp_path, "\n".join([*kept, f"    {change}"]))
    with pytest.raises(CallError) as refused:
        read_rules(settings)
    assert line in refused.value.message
    assert refused.value.message.startswith("alerts.yml: ")
    assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    "text", ["rules: [", "- a", "rules: {a b: {}}", "rules: {a: 1}", "other: {}"]
)
def test_a_file_that_is_no_rules_is_one_line(tmp_path, text):
    with pytest.raises(CallError, match=r"^alerts\.yml"):
        read_rules(own(tmp_path, text))


def test_a_rule_whose_table_is_not_there_is_a_warning_and_holds_up_no_other(company):
    own(company.home, NEW_RULE.replace("kpi_daily.dau", "kpi_nothing.dau"))
    company.plant(calls("2025-07-28", 100))
    report = company.move()
    assert len(report.warnings) == 1
    assert report.warnings[0].startswith(
        "rule few_active: Catalog Error: Table with name kpi_nothing does not exist"
    )
    assert len(report.told) == 1
    assert [entry.state for entry in company.log("rule = 'few_active'")] == ["no data"]


def test_a_rules_sql_reads_nothing_but_the_edition(company):
    secret = company.home / "secret.csv"
    secret.write_text("a\n1\n")
    own(
        company.home,
        NEW_RULE.replace(
            "kpi_daily.dau",
            f"{{table: kpi_daily, at: day, value: (select max(a) from '{secret}')}}",
        ),
    )
    assert "disabled by configuration" in company.move().warnings[0]


def test_a_rules_sql_is_one_select(company):
    two = "1 as double) as value from gold.kpi_daily; select cast(1"
    metric = f"{{table: kpi_daily, at: day, value: '{two}'}}"
    own(company.home, NEW_RULE.replace("kpi_daily.dau", metric))
    assert company.move().warnings == ("rule few_active: expected one statement, found 2",)


def test_our_rules_are_complete(tmp_path):
    rules = read_rules(Settings.for_test(tmp_path))
    assert {rule.name for rule in rules} >= {
        "revenue_drop", "usage_drop", "error_rate", "churn_up", "health_drop", "at_risk_up", "payment_failures", "cac_high",
        "feature_adoption", "slow_calls", "source_stopped", "days_missing", "checks_failed", "usage_unusual", "revenue_unusual",
    }  # fmt: skip
    assert {channel for rule in rules for channel in rule.channels} == set(CHANNELS)
    assert {rule.severity for rule in rules} <= set(SEVERITIES)


# --- the log ----------------------------------------------------------------------------------------


def test_failed_tasks_fit_into_the_log_of_before(tmp_path):
    settings = Settings.for_test(
        tmp_path, as_of=datetime.fromisoformat("2025-07-01T00:00:00+00:00")
    )
    con = duck.connect(settings.ops_db)
    con.execute(
        "create table alert_log (fired_at timestamp, rule varchar, severity varchar, subject varchar, message varchar)"
    )
    con.execute("insert into alert_log values ('2025-06-01', 'task_failed', 'error', 'a.b', 'old')")
    con.close()
    task_failed(settings, dag="transform", task="gold", run="r1", error="boom")
    con = duck.connect(settings.ops_db)
    assert con.execute("select fired_at, rule, severity, subject, message, is_delivered from alert_log order by fired_at").fetchall() == [
        (datetime(2025, 6, 1), "task_failed", "error", "a.b", "old", None),
        (datetime(2025, 7, 1), "task_failed", "error", "transform.gold", "transform.gold failed in r1: boom", None),
    ]  # fmt: skip
    con.close()


def test_what_is_open_lies_beside_the_version(company):
    company.plant(calls("2025-07-28", 700))
    company.move()
    version = max((company.home / "published").iterdir())
    said = json.loads((version / "alerts.json").read_text())
    assert {entry["rule"] for entry in said["open"]} == {"usage_drop", "usage_unusual"}
    assert said["evaluated_at"] == "2025-07-29T00:00:00"
    assert {rule["rule"] for rule in said["rules"]} >= {"usage_drop"}
    assert oct((version / "alerts.json").stat().st_mode)[-3:] == "640"


# --- the page ---------------------------------------------------------------------------------------


def drawn(home: str) -> None:
    """What the dashboards draw; Streamlit runs it by itself, so that its imports are inside."""
    from pathlib import Path

    from serving.dashboards.context import Context
    from serving.dashboards.pages.alerts import PAGE
    from warehouse.settings import Settings

    PAGE.draw(Context(Settings.for_test(Path(home))))


def test_the_page_shows_what_is_open_with_its_owner_and_what_to_do(company):
    company.plant(
        calls("2025-07-28", 700),
        "insert into gold.alert_log values ('revenue_drop', '', 'ok', 500, 500, 425, '2025-07-20')",
    )
    company.move()
    (company.home / "published" / "current").symlink_to(
        max((company.home / "published").glob("v*")).name
    )
    page = AppTest.from_function(
        drawn, kwargs={"home": str(company.home)}, default_timeout=120
    ).run()
    assert not page.exception
    said = " ".join(element.proto.body for element in page.get("html"))
    (told,) = company.log("told = 'fired'")
    assert html.escape(told.message) in said
    assert "gold.kpi_endpoint_daily; is a large customer silent?" in said
    assert {item.value for item in page.subheader} == {
        "Wrong now",
        "Lately",
        "What a rule measured",
        "Rules",
    }


def test_the_pages_days_are_those_of_the_reporting_zone(company):
    # the 20th in Tokyo begins on the 19th in UTC
    company.plant(
        "insert into gold.alert_log values ('revenue_drop', '', 'ok', 500, 500, 425, '2025-07-19 15:00')"
    )
    company.move()
    (company.home / "published" / "current").symlink_to(
        max((company.home / "published").glob("v*")).name
    )
    asked = Context(company.settings.over(reporting_timezone="Asia/Tokyo"))
    assert measured(asked, "revenue_drop", date(2025, 7, 20), date(2025, 7, 20))[
        "day"
    ].tolist() == [pd.Timestamp(2025, 7, 20)]
    assert measured(asked, "revenue_drop", date(2025, 7, 19), date(2025, 7, 19)).empty
