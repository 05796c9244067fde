"""Send an issued report by e-mail: each issue once to each of its recipients, and every attempt on record.

Everybody gets a message of their own, so that an address that is refused keeps it from nobody else, and is the only one
that is tried again. How a message travels is the caller's: `by_smtp` with the settings' server for the command line,
Airflow's own connection in the DAG. Where one fails, `send` raises after the others, so that its task is tried again;
`ops.report_deliveries` shows it.

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
# `recipients` is one address; rows of older versions, which sent one message to all, have all of them
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
        recipient: To.
        subject: Its subject.
        html: Body.
        text: The same as plain text.
        attachments: Files.
        message_id: The same at each attempt and for everybody: who gets it twice sees it once.
    """

    sender: str
    recipient: str
    subject: str
    html: str
    text: str
    attachments: tuple[Path, ...]
    message_id: str


def send(settings: Settings, kept: Kept, travel: Callable[[Mail], None]) -> tuple[str, ...]:
    """Send an issue to those of its recipients who have not got it.

    Args:
        settings: Recipients and sender.
        kept: The issue.
        travel: Hands a message to a server, or raises an `OSError` (smtplib's errors are) or `WarehouseError`.

    Returns:
        To whom it was sent now.

    Raises:
        NothingToDo: Everybody has got it, or there is nobody to send it to.
        WarehouseError: It could not be handed over for all of them; rows say so, and the next call tries those again.
    """
    if not settings.recipients_of(kept.kind):
        raise NothingToDo(
            f"nobody gets the {kept.kind} report: {kept.kind.upper()}_REPORT_RECIPIENTS is not set"
        )
    attempts = _attempts(settings, kept)
    sent, refused = [], []
    for recipient, attempt in attempts.items():
        try:
            travel(compose(settings, kept, recipient))
        except (OSError, WarehouseError) as error:
            said = " ".join(str(error).split())[:300]
            _record(settings, kept, recipient, attempt, "failed", said)
            refused.append(f"{recipient} (attempt {attempt}): {said}")
        else:
            _record(settings, kept, recipient, attempt, "sent", None)
            sent.append(recipient)
    if refused:
        raise WarehouseError(
            f"the {kept.kind} report of {kept.period} was not delivered to {'; '.join(refused)}",
            "nothing is lost: it is kept, and sent to them when this is run again",
        )
    return tuple(sent)


def compose(settings: Settings, kept: Kept, recipient: str) -> Mail:
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
        recipient=recipient,
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
                server.send_message(as_message(message))
        except ValueError:
            raise CallError("SMTP_URL makes no sense", "see .env.example") from None

    return travel


def as_message(mail: Mail) -> EmailMessage:
    """A message as it goes over the wire: text and HTML as alternatives, then the attachments."""
    message = EmailMessage()
    message["From"], message["To"] = mail.sender, mail.recipient
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


def _attempts(settings: Settings, kept: Kept) -> dict[str, int]:
    """Recipients who have not got the issue, each with the number of the next attempt.

    Raises:
        NothingToDo: Everybody has got it.
    """
    with ledger.ops(settings) as con:
        con.execute(_TABLE)
        rows = con.execute(
            "select recipients, state from report_deliveries where kind = ? and period = ? and revision = ?",
            [kept.kind, kept.period, kept.revision],
        ).fetchall()
    tried = [(one, state) for recipients, state in rows for one in recipients.split(", ")]
    attempts = {
        one: sum(one == recipient for recipient, _ in tried) + 1
        for one in settings.recipients_of(kept.kind)
        if (one, "sent") not in tried
    }
    if not attempts:
        raise NothingToDo(
            f"the {kept.kind} report of {kept.period} (revision {kept.revision}) was sent before"
        )
    return attempts


def _record(
    settings: Settings, kept: Kept, recipient: str, attempt: int, state: str, error: str | None
) -> None:
    with ledger.ops(settings) as con:
        con.execute(
            "insert into report_deliveries values (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                kept.kind, kept.period, kept.revision, recipient, attempt, state, error,
                ledger.naive(clock.now(settings)), ledger.wall_clock(),
            ],
        )  # fmt: skip
