"""Send an issued report by e-mail: each issue once to its recipients, and every attempt on record.

How a message travels is the caller's: `by_smtp` with the settings' server for the command line, Airflow's own
connection in the DAG. An attempt that fails raises, so that its task is tried again; `ops.report_deliveries` shows it.

Reads: an issue in `<home>/reports/`. Writes: `ops.duckdb`, table report_deliveries.
Run: `warehouse report weekly --send`; the DAGs `weekly_report` and `monthly_report`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from pathlib import Path

from serving import mail
from serving.reports import archive, rendering
from serving.reports.archive import Kept
from serving.reports.content import Card, Cards, Report, Section
from warehouse import clock, ledger
from warehouse.errors import CallError, NothingToDo, WarehouseError
from warehouse.settings import Settings

SECONDS = 30
_TABLE = """
create table if not exists report_deliveries (
    kind varchar, period varchar, revision bigint, recipients varchar, attempt bigint, state varchar, error varchar,
    tried_at timestamp, ran_at timestamp
)
"""


@dataclass(frozen=True)
class Mail:
    """A message, before it is known how it travels.

    Attributes:
        sender: From.
        recipients: To.
        subject: Its subject.
        html: Body.
        text: The same as plain text.
        attachments: Files.
        message_id: The same at each attempt: who gets it twice sees it once.
    """

    sender: str
    recipients: tuple[str, ...]
    subject: str
    html: str
    text: str
    attachments: tuple[Path, ...]
    message_id: str


def send(settings: Settings, kept: Kept, travel: Callable[[Mail], None]) -> Mail:
    """Send an issue to its recipients, unless it has been.

    Args:
        settings: Recipients and sender.
        kept: The issue.
        travel: Hands a message to a server, or raises an `OSError` (smtplib's errors are) or `WarehouseError`.

    Raises:
        NothingToDo: It was sent before, or there is nobody to send it to.
        WarehouseError: It could not be handed over; a row says so, and the next call tries again.
    """
    if not settings.recipients_of(kept.kind):
        raise NothingToDo(
            f"nobody gets the {kept.kind} report: {kept.kind.upper()}_REPORT_RECIPIENTS is not set"
        )
    message = compose(settings, kept)
    attempt = _attempts(settings, kept)
    try:
        travel(message)
    except (OSError, WarehouseError) as error:
        said = " ".join(str(error).split())[:300]
        _record(settings, kept, message, attempt, "failed", said)
        raise WarehouseError(
            f"the {kept.kind} report of {kept.period} was not delivered (attempt {attempt}): {said}",
            "nothing is lost: it is kept, and sent when this is run again",
        ) from error
    _record(settings, kept, message, attempt, "sent", None)
    return message


def compose(settings: Settings, kept: Kept) -> Mail:
    """The message of an issue: the numbers on top as its body, the whole as PDF and page attached."""
    report = _with_cards(archive.report_of(kept))
    revision = f" (revision {kept.revision})" if kept.revision > 1 else ""
    if not settings.email_from:
        raise CallError(
            "EMAIL_FROM is not set, so nothing can be sent", "set it (see .env.example)"
        )
    host = settings.email_from.rpartition("@")[2].rstrip(">")
    return Mail(
        sender=settings.email_from,
        recipients=settings.recipients_of(kept.kind),
        subject=f"{report.title}: {report.words}{revision}",
        html=rendering.mail_html(report),
        text=rendering.mail_text(report),
        attachments=(kept.pdf, kept.html),
        message_id=f"<{kept.name}.{kept.content_hash[:16]}@{host}>",
    )


def by_smtp(settings: Settings) -> Callable[[Mail], None]:
    """Hands messages to the settings' mail server.

    Raises:
        CallError: The settings name no server, or none that makes sense.
    """
    if not settings.smtp_url:
        raise CallError("SMTP_URL is not set, so nothing can be sent", "set it (see .env.example)")
    url = settings.smtp_url

    def travel(message: Mail) -> None:
        try:
            with mail.connect(url, seconds=SECONDS) as server:
                refused = server.send_message(as_message(message))
        except ValueError:
            raise CallError("SMTP_URL makes no sense", "see .env.example") from None
        if refused:
            raise WarehouseError(f"the server refused {', '.join(sorted(refused))}")

    return travel


def as_message(mail: Mail) -> EmailMessage:
    """A message as it goes over the wire: text and HTML as alternatives, then the attachments."""
    message = EmailMessage()
    message["From"], message["To"] = mail.sender, ", ".join(mail.recipients)
    message["Subject"], message["Message-ID"] = mail.subject, mail.message_id
    message["Date"] = format_datetime(ledger.wall_clock())
    message.set_content(mail.text)
    message.add_alternative(mail.html, subtype="html")
    kinds = {".pdf": ("application", "pdf"), ".html": ("text", "html")}
    for path in mail.attachments:
        maintype, subtype = kinds[path.suffix]
        message.add_attachment(
            path.read_bytes(), maintype=maintype, subtype=subtype, filename=path.name
        )
    return message


def _with_cards(written: dict) -> Report:
    """An issue's content as far as a message shows it."""
    cards = [
        Card(**card)
        for section in written["sections"]
        for block in section["blocks"]
        if block["kind"] == "cards"
        for card in block["cards"]
    ]
    return Report(
        sections=[Section("", [Cards(cards)])],
        **{
            name: written[name]
            for name in (
                "kind",
                "period",
                "title",
                "words",
                "about",
                "version",
                "revision",
                "changes",
            )
        },
    )


def _attempts(settings: Settings, kept: Kept) -> int:
    """The number of the next attempt.

    Raises:
        NothingToDo: The issue was sent.
    """
    with ledger.ops(settings) as con:
        con.execute(_TABLE)
        rows = con.execute(
            "select state from report_deliveries where kind = ? and period = ? and revision = ?",
            [kept.kind, kept.period, kept.revision],
        ).fetchall()
    if ("sent",) in rows:
        raise NothingToDo(
            f"the {kept.kind} report of {kept.period} (revision {kept.revision}) was sent before"
        )
    return len(rows) + 1


def _record(
    settings: Settings, kept: Kept, mail: Mail, attempt: int, state: str, error: str | None
) -> None:
    with ledger.ops(settings) as con:
        con.execute(
            "insert into report_deliveries values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                kept.kind, kept.period, kept.revision, ", ".join(mail.recipients), attempt, state, error,
                ledger.naive(clock.now(settings)), ledger.wall_clock(),
            ],
        )  # fmt: skip
