"""Reports: periods, revisions that say what changed, pages that ask nobody for anything, and messages that arrive once.

The reports' numbers are compared with gold in tests/road/test_reports.py.
"""

from __future__ import annotations

import re
from datetime import date

import duckdb
import pytest

from serving.reports import archive, content, delivery, periods, rendering, weekly
from serving.reports.content import Card, Cards, Figure, Report, Section, Table, Terms, Text
from serving.reports.source import Source
from tests.quality.company import settings_of
from tests.serving.mailbox import Mailbox, mail_server
from warehouse import ledger
from warehouse.errors import CallError, NothingToDo, WarehouseError

SVG = '<svg xmlns="http://www.w3.org/2000/svg" width="60" height="20" viewBox="0 0 60 20"><text y="12">MRR</text></svg>'


def report(mrr="$100", *, through="1 Jul 2025", version="v000001", figure="1"):
    return Report(
        kind="weekly", period="2025-W26", title="Weekly executive report", words="23 to 29 June 2025",
        about="Confidential", version=version,
        sections=[
            Section("Six numbers", [Cards([Card("MRR", mrr, "+$5", "good"), Card("Error rate", "3 %", "+1 pp", "bad")])]),
            Section("Revenue", [
                Table("", ["", "This week"], [False, True], [["MRR", mrr], ["<b>&", "2"]], tones=["good", "bad"], toned=1),
                Figure("Left", SVG, [[figure]], is_half=True), Figure("Right", SVG, [["2"]], is_half=True),
            ]),
            Section("Completeness", [Text(f"complete through {through}")], of_the_moment=True),
            Section("Definitions", [Terms([("MRR", "What recurs."), ("ARR", "Twelve times that.")])]),
        ],
    )  # fmt: skip


@pytest.fixture
def settings(tmp_path):
    return settings_of(
        tmp_path / "home",
        weekly_report_recipients="ann@example.com, bo@example.com",
        email_from="Warehouse <reports@example.com>",
    )


# --- periods ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "name", "start", "end", "words"),
    [
        ("weekly", "2025-W26", date(2025, 6, 23), date(2025, 6, 29), "23 to 29 June 2025"),
        ("weekly", "2025-W01", date(2024, 12, 30), date(2025, 1, 5), "30 December 2024 to 5 January 2025"),
        ("weekly", "2020-W53", date(2020, 12, 28), date(2021, 1, 3), "28 December 2020 to 3 January 2021"),
        ("monthly", "2024-02", date(2024, 2, 1), date(2024, 2, 29), "February 2024"),
        ("monthly", "2024-12", date(2024, 12, 1), date(2024, 12, 31), "December 2024"),
    ],
)  # fmt: skip
def test_a_period_is_a_whole_week_or_month(kind, name, start, end, words):
    period = periods.parse(kind, name)
    assert (period.start, period.end, period.words, period.name) == (start, end, words, name)
    assert periods.before(kind, period.next.start) == period
    assert periods.before(kind, period.next.end) == period


@pytest.mark.parametrize(
    ("kind", "name"),
    [("weekly", "2025-06"), ("weekly", "2025-W54"), ("monthly", "2025-13"), ("monthly", "../x")],
)
def test_what_is_no_period_is_a_wrong_call(kind, name):
    with pytest.raises(CallError, match="no period"):
        periods.parse(kind, name)


# --- kept ------------------------------------------------------------------------------------------------------------


def test_the_same_again_is_the_issue_that_is_there(settings):
    first = archive.keep(settings, report())
    # another version, another moment: the period's numbers are the same
    again = archive.keep(settings, report(through="2 Jul 2025", version="v000002"))
    assert (first.is_new, again.is_new) == (True, False)
    assert (again.folder, again.version) == (first.folder, "v000001")


def test_a_period_that_says_something_else_is_a_revision_that_names_it(settings):
    first = archive.keep(settings, report())
    before = {path.name: path.read_bytes() for path in first.folder.iterdir()}
    second = archive.keep(settings, report("$101", figure="9"))
    assert (second.revision, second.is_new) == (2, True)
    assert archive.report_of(second)["changes"] == [
        "Six numbers: MRR: $100 is now $101",
        "Revenue: MRR, This week: $100 is now $101",
        "Revenue: figure 'Left' shows other data",
    ]
    page = second.html.read_text()
    assert "Revision 2 of this report" in page
    assert "$100 is now $101" in page
    assert {path.name: path.read_bytes() for path in first.folder.iterdir()} == before
    assert [kept.revision for kept in archive.listed(settings)] == [1, 2]
    assert archive.newest(settings, "weekly", "2025-W26").name == "weekly-2025-W26-r2"
    with ledger.ops(settings) as con:
        rows = con.execute(
            "select period, revision, len(changes) from reports order by revision"
        ).fetchall()
    assert rows == [("2025-W26", 1, 0), ("2025-W26", 2, 3)]


def test_many_changes_are_a_dozen_lines_and_a_count():
    now = {f"figure {n}": "2" for n in range(20)}
    lines = content.differences({**dict.fromkeys(now, "1"), "gone": "3"}, {**now, "new": "4"})
    assert len(lines) == content.SHOWN_CHANGES + 1
    assert lines[-1] == "and 10 more"
    assert content.differences({"gone": "3"}, {"new": "4"}) == ["new: 4 is new", "gone: 3 is gone"]


def test_the_newest_lie_in_a_version_too_and_cost_no_room(settings, tmp_path):
    folder = tmp_path / "version"
    folder.mkdir()
    archive.keep(settings, report())
    archive.place(settings, folder)
    kept = archive.keep(settings, report("$101"))
    for _ in range(2):
        archive.place(settings, folder)
    assert {path.name for path in (folder / "reports").iterdir()} == {"weekly.html", "weekly.pdf"}
    assert (folder / "reports" / "weekly.pdf").samefile(kept.pdf)


# --- what they say --------------------------------------------------------------------------------------------------


def test_the_weeks_alerts_are_those_of_the_reporting_zones_days(settings):
    """The week of 23 to 29 June begins in Tokyo on the 22nd at 15:00 UTC, and ends on the 29th at 15:00."""
    with duckdb.connect() as con:
        con.execute(
            "create schema gold; create table gold.alert_log as select fired_at, strftime(fired_at, '%d %H:%M') as rule, "
            "'' as subject, 'error' as severity, 'fell' as message, 'ok' as state, 1 as ordinal from (values "
            "(timestamp '2025-06-22 14:59'), ('2025-06-22 15:00'), ('2025-06-29 14:59'), ('2025-06-29 15:00')) as t(fired_at)"
        )
        asked = Source(settings.over(reporting_timezone="Asia/Tokyo"), None, con)
        (told,) = weekly._alerts(asked, periods.parse("weekly", "2025-W26"))
    assert [row[2] for row in told.rows] == ["22 15:00", "29 14:59"]


# --- pages -----------------------------------------------------------------------------------------------------------


def test_the_page_asks_no_other_host_and_escapes_what_it_is_told():
    page = rendering.html(report())
    assert "&lt;b&gt;&amp;" in page
    loaded = re.findall(r"(?:src|href|action)\s*=|url\((?!#)|@import|<script|<link|<iframe", page)
    assert loaded == []
    assert "default-src 'none'" in page
    # two halves stand side by side
    assert page.count('class="halves"') == 1


def test_the_document_is_a_pdf_with_its_title():
    document = rendering.pdf(report())
    assert document.startswith(b"%PDF-")
    assert len(rendering.pages(report())) == 1


# --- sent ------------------------------------------------------------------------------------------------------------


def deliveries(settings):
    with ledger.ops(settings) as con:
        return con.execute(
            "select recipients, revision, attempt, state, error from report_deliveries order by all"
        ).fetchall()


def test_a_message_has_the_numbers_in_its_body_and_the_report_attached(settings):
    kept = archive.keep(settings, report())
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        delivery.send(
            settings, kept, delivery.by_smtp(settings.over(smtp_url=f"smtp://127.0.0.1:{port}"))
        )
    assert [recipients for recipients, _ in mailbox.messages] == [
        ["ann@example.com"],
        ["bo@example.com"],
    ]
    (_, message), _ = mailbox.messages
    assert message["To"] == "ann@example.com"
    assert message["Subject"] == "Weekly executive report: 23 to 29 June 2025"
    assert message["From"] == "Warehouse <reports@example.com>"
    assert message["Message-ID"] == f"<weekly-2025-W26.{kept.content_hash[:16]}@example.com>"
    assert "MRR: $100  +$5" in message.get_body(("plain",)).get_content()
    body = message.get_body(("html",)).get_content()
    assert "$100" in body
    assert "http" not in body
    attached = {part.get_filename(): part for part in message.iter_attachments()}
    assert set(attached) == {"weekly-2025-W26.pdf", "weekly-2025-W26.html"}
    assert attached["weekly-2025-W26.pdf"].get_content_type() == "application/pdf"
    assert attached["weekly-2025-W26.pdf"].get_content() == kept.pdf.read_bytes()


def test_a_refused_delivery_is_seen_tried_again_and_then_never_again(settings):
    kept = archive.keep(settings, report())
    mailbox = Mailbox(["451 come back later"])
    with mail_server(mailbox) as port:
        travel = delivery.by_smtp(settings.over(smtp_url=f"smtp://127.0.0.1:{port}"))
        with pytest.raises(
            WarehouseError,
            match=r"not delivered to ann@example\.com \(attempt 1\).*come back later",
        ):
            delivery.send(settings, kept, travel)
        assert [recipients for recipients, _ in mailbox.messages] == [["bo@example.com"]]
        assert delivery.send(settings, kept, travel) == ("ann@example.com",)
        with pytest.raises(NothingToDo, match="was sent before"):
            delivery.send(settings, kept, travel)
        # a revision is another message
        second = archive.keep(settings, report("$101"))
        delivery.send(settings, second, travel)
    assert [message["Subject"] for _, message in mailbox.messages] == [
        *["Weekly executive report: 23 to 29 June 2025"] * 2,
        *["Weekly executive report: 23 to 29 June 2025 (revision 2)"] * 2,
    ]
    assert [row[:4] for row in deliveries(settings)] == [
        ("ann@example.com", 1, 1, "failed"), ("ann@example.com", 1, 2, "sent"), ("ann@example.com", 2, 1, "sent"),
        ("bo@example.com", 1, 1, "sent"), ("bo@example.com", 2, 1, "sent"),
    ]  # fmt: skip
    errors = [row[4] for row in deliveries(settings)]
    assert "451" in errors[0]
    assert errors[1:] == [None] * 4


def test_an_address_that_is_refused_keeps_the_report_from_nobody_else(settings):
    kept = archive.keep(settings, report())
    mailbox = Mailbox(unknown=["bo@example.com"])
    with mail_server(mailbox) as port:
        travel = delivery.by_smtp(settings.over(smtp_url=f"smtp://127.0.0.1:{port}"))
        for attempt in (1, 2):
            with pytest.raises(
                WarehouseError, match=rf"to bo@example\.com \(attempt {attempt}\).*no such person"
            ):
                delivery.send(settings, kept, travel)
        assert [recipients for recipients, _ in mailbox.messages] == [["ann@example.com"]]
        mended = settings.over(weekly_report_recipients="ann@example.com, bob@example.com")
        assert delivery.send(mended, kept, travel) == ("bob@example.com",)


def test_what_an_older_version_sent_to_all_in_one_message_is_not_sent_again(settings):
    kept = archive.keep(settings, report())
    delivery.send(settings.over(weekly_report_recipients="x@example.com"), kept, lambda _: None)
    with ledger.ops(settings) as con:
        con.execute("update report_deliveries set recipients = 'ann@example.com, bo@example.com'")
    with pytest.raises(NothingToDo, match="was sent before"):
        delivery.send(settings, kept, pytest.fail)


def test_no_server_no_recipient_and_no_answer_say_so(settings):
    kept = archive.keep(settings, report())
    with pytest.raises(WarehouseError, match="SMTP_URL is not set"):
        delivery.by_smtp(settings)
    with pytest.raises(NothingToDo, match="WEEKLY_REPORT_RECIPIENTS is not set"):
        delivery.send(settings.over(weekly_report_recipients=""), kept, pytest.fail)
    with mail_server(Mailbox()) as port:
        pass
    with pytest.raises(WarehouseError, match="not delivered"):
        delivery.send(
            settings, kept, delivery.by_smtp(settings.over(smtp_url=f"smtp://127.0.0.1:{port}"))
        )
