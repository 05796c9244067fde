"""The mail server of the settings' SMTP_URL: alerts and reports go by it.

Reads and writes: nothing. Run: by `serving.alerts.channels` and `serving.reports.delivery`.
"""

from __future__ import annotations

import smtplib
import ssl
from urllib.parse import unquote, urlsplit

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


def connect(url: str, *, seconds: float) -> smtplib.SMTP:
    """A connection that nobody else can read, but on this machine; logged in where the address has a user.

    Args:
        url: smtps://user:password@host:465, or smtp://user:password@host:587, which goes on encrypted (STARTTLS).
        seconds: How long the server may take to answer.

    Raises:
        ValueError: It is no such address.
        OSError: The server can't be reached, or refuses (smtplib's errors are of this kind).
    """
    address = urlsplit(url)
    host = address.hostname or ""
    if address.scheme not in ("smtp", "smtps") or not host:
        raise ValueError("no SMTP address")
    if address.scheme == "smtps":
        context = ssl.create_default_context()
        server = smtplib.SMTP_SSL(host, address.port or 465, timeout=seconds, context=context)
    else:
        server = smtplib.SMTP(host, address.port or 587, timeout=seconds)
    try:
        if address.scheme == "smtp" and host not in LOOPBACK:
            server.starttls(context=ssl.create_default_context())
        if address.username:
            server.login(unquote(address.username), unquote(address.password or ""))
    except BaseException:
        server.close()
        raise
    return server
