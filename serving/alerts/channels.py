"""How a message gets to people: Slack, e-mail, a webhook, and on-call. Nobody else is asked anything.

Reads: the addresses in the settings. Writes: nothing. Sends: one POST or one e-mail per message and channel.

A channel is on when its address is set. Addresses are secrets: an error says which channel and what kind of error, no
more.
"""

from __future__ import annotations

import smtplib
from collections.abc import Callable
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime, parseaddr
from urllib.parse import urlsplit

import requests

from serving import mail
from serving.alerts.log import Entry, as_dict
from serving.mail import LOOPBACK
from warehouse.errors import WarehouseError
from warehouse.ledger import wall_clock
from warehouse.settings import Settings

SECONDS = 10
#: Colours of Slack's bar.
_COLOURS = {"critical": "#c0392b", "error": "#c0392b", "warning": "#d68910", "info": "#2e86c1"}


class Undelivered(WarehouseError):
    """A channel did not take a message; it waits and is tried again."""


class PartlyDelivered(Undelivered):
    """Some of a channel's recipients have the message; it waits, and what follows it goes to them meanwhile."""


def send(settings: Settings, channel: str, title: str, body: str, entry: Entry) -> None:
    """Send one message.

    Raises:
        Undelivered: It did not arrive everywhere, or the channel's address makes no sense.
    """
    _SENDERS[channel](settings, title, body, entry)


def is_on(settings: Settings, channel: str) -> bool:
    """Whether a channel's address is set."""
    return not missing(settings, channel)


def missing(settings: Settings, channel: str) -> list[str]:
    """The settings that a channel still lacks, as environment variables."""
    return [
        str(type(settings).model_fields[name].validation_alias)
        for name in _NEEDS[channel]
        if not getattr(settings, name)
    ]


def _slack(settings: Settings, title: str, body: str, entry: Entry) -> None:
    colour = "#1e8449" if entry.told == "recovered" else _COLOURS.get(entry.severity, "#7f8c8d")
    attachment = {"color": colour, "text": _plain(body), "fallback": _plain(title)}
    _post("slack", settings.alert_slack_url, {"text": _plain(title), "attachments": [attachment]})


def _plain(text: str) -> str:
    """Text in which Slack sees no mention and no link."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _webhook(settings: Settings, title: str, body: str, entry: Entry) -> None:
    _post("webhook", settings.alert_webhook_url, _document(title, body, entry))


def _oncall(settings: Settings, title: str, body: str, entry: Entry) -> None:
    _post("oncall", settings.alert_oncall_url, _document(title, body, entry))


def _document(title: str, body: str, entry: Entry) -> dict[str, object]:
    """What a webhook gets: `text` for people, the log's row for machines; `key` is the same from fired to recovered."""
    row = {name: str(value) if value is not None and not isinstance(value, str | float | bool) else value
           for name, value in as_dict(entry).items()}  # fmt: skip
    return {"text": title, "body": body, "key": f"{entry.incident}/{entry.subject}", **row}


def _post(channel: str, url: str | None, document: dict[str, object]) -> None:
    try:
        parts = urlsplit(url or "")
    except ValueError:
        raise Undelivered(f"{channel}: its address makes no sense", _hint(channel)) from None
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOOPBACK):
        raise Undelivered(f"{channel}: its address is no https:// address", _hint(channel))
    try:
        answer = requests.post(url or "", json=document, timeout=SECONDS, allow_redirects=False)
    except (requests.RequestException, ValueError) as error:
        # the error's text has the address in it
        raise Undelivered(f"{channel}: {type(error).__name__}", _hint(channel)) from None
    if not answer.ok or answer.is_redirect:
        raise Undelivered(f"{channel}: HTTP {answer.status_code}", _hint(channel))


def _email(settings: Settings, title: str, body: str, entry: Entry) -> None:
    message = EmailMessage()
    try:
        sender = _mailbox(settings.email_from)
        message["From"] = sender
        recipients = [_mailbox(one) for one in (settings.alert_email_to or "").split(",")]
        message["To"] = recipients
        message["Subject"] = " ".join(title.split())
        message["Date"] = format_datetime(wall_clock())
        # the same at each attempt: who gets it twice sees it once
        message["Message-ID"] = f"<{entry.id}@{sender.domain}>"
        message["Auto-Submitted"] = "auto-generated"
        message.set_content(f"{body}\n")
    except ValueError:
        raise Undelivered("email: an address makes no sense", _hint("email")) from None
    try:
        with mail.connect(settings.smtp_url or "", seconds=SECONDS) as server:
            refused = server.send_message(message)
    except smtplib.SMTPResponseException as error:
        raise Undelivered(f"email: SMTP {error.smtp_code}", _hint("email")) from None
    except (OSError, smtplib.SMTPException, ValueError) as error:
        raise Undelivered(f"email: {type(error).__name__}", _hint("email")) from None
    if refused:
        said = f"email: {len(refused)} of {len(recipients)} recipients refused"
        raise PartlyDelivered(said, _hint("email"))


def _mailbox(text: str | None) -> Address:
    name, address = parseaddr((text or "").strip())
    if not address:
        raise ValueError("no address")
    return Address(name, addr_spec=address)


def _hint(channel: str) -> str:
    return f"look at {', '.join(_variables(channel))}; `warehouse alerts test` tries it"


def _variables(channel: str) -> list[str]:
    return [str(Settings.model_fields[name].validation_alias) for name in _NEEDS[channel]]


_NEEDS: dict[str, tuple[str, ...]] = {
    "slack": ("alert_slack_url",),
    "email": ("smtp_url", "email_from", "alert_email_to"),
    "webhook": ("alert_webhook_url",),
    "oncall": ("alert_oncall_url",),
}
_SENDERS: dict[str, Callable[[Settings, str, str, Entry], None]] = {
    "slack": _slack,
    "email": _email,
    "webhook": _webhook,
    "oncall": _oncall,
}
