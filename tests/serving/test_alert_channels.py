"""Alerts as people get them: real mails from a local server, real posts to a local webhook, read as they came."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import threading
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from pathlib import Path

import pytest

from serving.alerts import channels, log
from serving.alerts.failures import task_failed, trial_entry
from serving.alerts.rules import read_rules
from tests.serving.alert_company import Company
from tests.serving.receivers import mailbox, webhook
from warehouse import locks
from warehouse.settings import PROJECT_ROOT, Settings

LAST = date(2025, 7, 27)
SECRET = "CANARY-0f9e8d7c"


@pytest.fixture(scope="module")
def mail():
    with mailbox() as box:
        yield box


@pytest.fixture(scope="module")
def hook():
    with webhook() as receiver:
        yield receiver


@pytest.fixture
def addresses(mail, hook):
    """Every channel, each address with a secret in it."""
    for kept in (mail.mails, mail.recipients, mail.logins, hook.posts):
        kept.clear()
    mail.refuses, mail.unknown, hook.status, hook.headers = None, set(), 200, {}
    return {
        "alert_slack_url": f"{hook.address}/slack/{SECRET}",
        "alert_webhook_url": f"{hook.address}/hook?token={SECRET}",
        "alert_oncall_url": f"{hook.address}/oncall/{SECRET}",
        "alert_email_to": "Finance <finance@example.com>, cfo@example.com",
        "email_from": "Warehouse <warehouse@example.com>",
        "smtp_url": f"smtp://alerts%40example.com:{SECRET}@127.0.0.1:{mail.port}",
    }


@pytest.fixture
def company(tmp_path, addresses) -> Company:
    made = Company(tmp_path / "home", LAST)
    made.judge()
    made.settings_changes |= addresses
    return made


REVENUE = "update gold.kpi_daily set recognised_revenue_amount = 400 where day = '2025-07-28'"
FELL = (
    "Daily revenue: 400.00 USD, Mon 2025-07-28, -20.0% against 500.00 USD in the mean of the same weekday of 4 weeks before "
    "(limit 425.00 USD)"
)
ROSE = "Daily revenue: 500.00 USD, Tue 2025-07-29, +0.0% against 500.00 USD in the mean of the same weekday of 4 weeks before (limit 425.00 USD)"


def test_an_incident_as_it_is_read_in_each_channel(company, mail, hook):
    company.plant(REVENUE)
    report = company.move()
    assert (report.told, report.delivered, report.undelivered) == ((FELL,), 3, ())

    (message,) = mail.mails
    assert message["Subject"] == f"[critical] {FELL}"
    assert message["From"] == "Warehouse <warehouse@example.com>"
    assert message["To"] == "Finance <finance@example.com>, cfo@example.com"
    assert mail.recipients == [["finance@example.com", "cfo@example.com"]]
    assert mail.logins == [(b"alerts@example.com", SECRET.encode())]
    assert message["Auto-Submitted"] == "auto-generated"
    assert (
        abs(
            (
                datetime.now(UTC) - parsedate_to_datetime(message["Date"]).replace(tzinfo=UTC)
            ).total_seconds()
        )
        < 600
    )
    assert message.get_content().splitlines() == [
        f"{FELL}.",
        "Rule: revenue_drop. Severity: critical. Owner: finance.",
        f"What to do: {read_rules(company.settings)[0].what_to_do}",
        "Published version: v000002-2025-07-29-0123abcd.",
        "Quiet for two days: warehouse alerts snooze revenue_drop --for 2d",
    ]
    posts = {path.split("/")[1].split("?")[0]: body for path, body in hook.posts}
    assert sorted(posts) == ["oncall", "slack"]
    assert posts["slack"]["text"] == f"[critical] {FELL}"
    assert posts["slack"]["attachments"][0]["text"].startswith(f"{FELL}.\nRule: revenue_drop.")
    assert posts["slack"]["attachments"][0]["color"] == "#c0392b"
    said = posts["oncall"]
    assert {key: said[key] for key in ("text", "key", "rule", "severity", "state", "told", "value", "baseline", "threshold", "period_start")} == {
        "text": f"[critical] {FELL}", "key": "revenue/", "rule": "revenue_drop", "severity": "critical", "state": "firing",
        "told": "fired", "value": 400, "baseline": 500, "threshold": 425, "period_start": "2025-07-28 00:00:00",
    }  # fmt: skip

    company.move()
    assert [message["Subject"] for message in mail.mails[1:]] == [f"[recovered] {ROSE}"]
    assert mail.mails[1].get_content().splitlines()[:2] == [
        f"{ROSE}.",
        "Noticed 2025-07-29 00:00 UTC; over by now.",
    ]
    last = hook.posts[-1][1] if hook.posts[-1][0].startswith("/oncall") else hook.posts[-2][1]
    assert (last["key"], last["told"], last["state"]) == ("revenue/", "recovered", "recovered")
    assert [entry.is_delivered for entry in company.log("told is not null")] == [True, True]


def test_what_does_not_arrive_waits_and_is_tried_again_in_order(company, mail, hook):
    mail.refuses, hook.status = "451 try later", 503
    company.plant(REVENUE)
    report = company.move()
    assert report.delivered == 0
    assert report.undelivered == (
        f"[critical] {FELL} (slack: HTTP 503)", f"[critical] {FELL} (email: SMTP 451)", f"[critical] {FELL} (oncall: HTTP 503)",
    )  # fmt: skip
    hook.status = 200
    # a day later it is over: Slack learns first that it began, mail still refuses
    report = company.move()
    assert (report.delivered, [line[-17:] for line in report.undelivered]) == (
        4,
        ["(email: SMTP 451)"] * 2,
    )
    assert [body["text"][:11] for path, body in hook.posts if path.startswith("/slack")] == [
        "[critical] ",
        "[recovered]",
    ]
    assert [entry.is_delivered for entry in company.log("told is not null")] == [False, False]
    mail.refuses = None
    assert company.move().delivered == 2
    assert [message["Subject"][:11] for message in mail.mails] == ["[critical] ", "[recovered]"]
    assert [entry.is_delivered for entry in company.log("told is not null")] == [True, True]
    assert company.move().delivered == 0
    with log.opened(company.settings) as con:
        tried = con.execute(
            "select channel, attempts, error from alert_deliveries order by ordinal"
        ).fetchall()
    assert tried[:3] == [("slack", 2, None), ("email", 3, None), ("oncall", 2, None)]


def test_an_email_that_one_recipient_was_refused_waits_and_holds_nothing_up(company, mail):
    mail.unknown = {"cfo@example.com"}
    company.plant(REVENUE)
    report = company.move()
    line = f"[critical] {FELL} (email: 1 of 2 recipients refused)"
    assert (report.delivered, report.undelivered) == (2, (line,))
    assert [entry.is_delivered for entry in company.log("told is not null")] == [False]
    report = company.move()
    assert report.undelivered == (line, f"[recovered] {ROSE} (email: 1 of 2 recipients refused)")
    assert mail.recipients == [["finance@example.com"]] * 3
    assert [message["Subject"][:11] for message in mail.mails] == ["[critical] "] * 2 + [
        "[recovered]"
    ]
    assert mail.mails[0]["Message-ID"] == mail.mails[1]["Message-ID"] != mail.mails[2]["Message-ID"]
    mail.unknown = set()
    assert company.move().delivered == 2
    assert [entry.is_delivered for entry in company.log("told is not null")] == [True, True]


def test_a_snoozed_rule_sends_nothing(company, mail, hook):
    with log.opened(company.settings) as con:
        log.snooze(con, "revenue_drop", "", datetime(2025, 8, 1), datetime(2025, 7, 28), "")
    company.plant(REVENUE)
    company.move()
    assert (mail.mails, hook.posts) == ([], [])


def test_a_channel_that_is_not_set_up_is_asked_nothing(company, mail, hook):
    company.settings_changes = {"alert_email_to": "finance@example.com"}
    company.plant(REVENUE)
    report = company.move()
    assert (report.told, report.delivered, report.undelivered) == ((FELL,), 0, ())
    assert [entry.is_delivered for entry in company.log("told is not null")] == [None]


def test_a_failed_task_goes_to_slack_and_the_webhook(tmp_path, addresses, hook, mail):
    settings = Settings.for_test(tmp_path, **addresses)
    task_failed(settings, dag="transform", task="gold", run="scheduled__1", error="boom <!channel>")
    told = "transform.gold failed in scheduled__1: boom <!channel>"
    assert [(path.split("/")[1].split("?")[0], body["text"]) for path, body in hook.posts] == [
        ("slack", told.replace("<", "&lt;").replace(">", "&gt;")), ("hook", told),
    ]  # fmt: skip
    assert mail.mails == []


def test_tasks_that_fail_at_once_are_told_once_each(tmp_path, addresses, hook, caplog):
    settings = Settings.for_test(tmp_path, lock_timeout=0.2, **addresses)
    # another failure, or an evaluation, is sending what waits
    with locks.hold(settings.home / "alerts", what="alerts", timeout=1):
        task_failed(settings, dag="transform", task="gold", run="r", error="boom")
    assert hook.posts == []
    assert "the alert waits: alerts is in use by alerts" in caplog.text
    failed = [
        threading.Thread(
            target=task_failed,
            args=(settings.over(lock_timeout=60),),
            kwargs={"dag": dag, "task": "sync", "run": "r", "error": "boom"},
        )
        for dag in ("ingest_usage", "ingest_stripe", "ingest_support")
    ]
    for one in failed:
        one.start()
    for one in failed:
        one.join()
    told = [body["text"].split()[0] for path, body in hook.posts if path.startswith("/hook")]
    assert sorted(told) == [
        "ingest_stripe.sync",
        "ingest_support.sync",
        "ingest_usage.sync",
        "transform.gold",
    ]


def test_a_failed_task_whose_message_does_not_arrive_is_logged_all_the_same(
    tmp_path, addresses, hook, caplog
):
    hook.status = 500
    settings = Settings.for_test(tmp_path, **addresses)
    task_failed(settings, dag="transform", task="gold", run="r", error="boom")
    assert [record.message for record in caplog.records if "waits" in record.message] == [
        "the alert waits: transform.gold failed in r: boom (slack: HTTP 500)",
        "the alert waits: transform.gold failed in r: boom (webhook: HTTP 500)",
    ]


def trouble(settings: Settings, channel: str) -> str:
    with pytest.raises(channels.Undelivered) as refused:
        channels.send(settings, channel, "title", "body", trial_entry(settings))
    return f"{refused.value.message} {refused.value.hint}"


def closed_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.parametrize(
    ("setting", "address", "line"),
    [
        (
            "alert_slack_url",
            f"http://example.com/{SECRET}",
            "slack: its address is no https:// address",
        ),
        ("alert_slack_url", f"https://[{SECRET}", "slack: its address makes no sense"),
        ("alert_webhook_url", f"file:///{SECRET}", "webhook: its address is no https:// address"),
        ("alert_webhook_url", "http://127.0.0.1:{closed}/" + SECRET, "webhook: ConnectionError"),
        ("smtp_url", f"smtp://u:{SECRET}@127.0.0.1:{{closed}}", "email: ConnectionRefusedError"),
        ("smtp_url", f"ftp://u:{SECRET}@127.0.0.1", "email: ValueError"),
        ("smtp_url", f"smtps://u:{SECRET}@127.0.0.1:{{mail}}", "email: SSLError"),
        ("smtp_url", f"smtp://u:{SECRET}@127.0.0.1:port", "email: ValueError"),
        ("alert_email_to", "nobody at all", "email: an address makes no sense"),
        ("email_from", "warehouse", "email: an address makes no sense"),
    ],
)
def test_a_wrong_address_is_one_line_without_it(tmp_path, addresses, mail, setting, address, line):
    changed = addresses | {setting: address.format(closed=closed_port(), mail=mail.port)}
    channel = {"alert_slack_url": "slack", "alert_webhook_url": "webhook"}.get(setting, "email")
    said = trouble(Settings.for_test(tmp_path, **changed), channel)
    assert said.startswith(line)
    assert SECRET not in said
    assert "\n" not in said


def test_a_redirect_is_not_followed(tmp_path, addresses, hook):
    hook.status, hook.headers = 302, {"Location": f"{hook.address}/elsewhere"}
    assert trouble(Settings.for_test(tmp_path, **addresses), "webhook").startswith(
        "webhook: HTTP 302"
    )
    assert hook.posts == []


def test_no_secret_is_written_anywhere(company, mail, hook, caplog):
    caplog.set_level(logging.DEBUG)
    mail.refuses, hook.status = "535 no", 500
    company.plant(REVENUE)
    company.move()
    mail.refuses, hook.status = None, 200
    company.move()
    # urllib3's debug log names paths; ours and everything that is shown at the usual level do not
    ours = [
        record.getMessage()
        for record in caplog.records
        if record.name.split(".")[0] in ("serving", "warehouse")
    ]
    assert not any(SECRET in line for line in ours)
    assert SECRET not in "".join(
        record.getMessage() for record in caplog.records if record.levelno > logging.DEBUG
    )
    for path in company.home.rglob("*"):
        if path.is_file():
            assert SECRET.encode() not in path.read_bytes(), path
    assert SECRET not in repr(company.settings)


def warehouse(home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess:
    ours = {str(field.validation_alias) for field in Settings.model_fields.values()}
    kept = {name: value for name, value in os.environ.items() if name not in ours}
    return subprocess.run(
        [str(Path(sys.executable).parent / "warehouse"), "alerts", *words],
        env=kept | {"WAREHOUSE_HOME": str(home), "PSEUDONYM_KEY": "k" * 32, "COLUMNS": "200"} | variables,
        cwd=PROJECT_ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def test_the_command_line(company, mail, hook, addresses):
    variables = {
        str(Settings.model_fields[name].validation_alias): value
        for name, value in addresses.items()
    }
    now = {"WAREHOUSE_AS_OF": "2025-07-29T00:00:00Z"}
    tried = warehouse(company.home, "test", **variables | {"ALERT_ONCALL_URL": ""}, **now)
    assert tried.returncode == 0, tried.stderr
    assert [line.split() for line in tried.stdout.splitlines()] == [
        ["✓", "slack", "sent"], ["✓", "email", "sent"], ["✓", "webhook", "sent"], ["·", "oncall", "off:", "ALERT_ONCALL_URL", "not", "set"],
    ]  # fmt: skip
    assert mail.mails[0]["Subject"] == "A test message of the warehouse's alerts"

    company.plant(REVENUE)
    company.move()
    (company.home / "published" / "current").symlink_to(
        max((company.home / "published").glob("v*")).name
    )
    (company.home / "published" / "current" / "manifest.json").write_text('{"content_hash": "x"}')
    listed = warehouse(company.home, **now)
    assert "revenue_drop" in listed.stdout
    assert "400.00 USD" in listed.stdout
    quiet = warehouse(company.home, "snooze", "revenue_drop", "--for", "2d", **now)
    assert quiet.stdout == "snooze of revenue_drop until 2025-07-31 00:00 UTC\n"
    assert warehouse(company.home, "snooze", "revenue", "--for", "2d", **now).returncode == 2
    assert (
        warehouse(company.home, "snooze", "revenue_drop", "--until", "2024-01-01", **now).returncode
        == 2
    )
    checked = warehouse(company.home, "check", **now)
    assert checked.stdout.startswith(
        "v000002-2025-07-29-0123abcd: 18 rules, 0 periods judged, 1 firing, 0 messages delivered"
    )
    assert SECRET not in "".join(
        done.stdout + done.stderr for done in (tried, listed, quiet, checked)
    )
