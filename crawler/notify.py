"""Tells what is wrong with sources: a POST of JSON to a webhook, and a plain e-mail. Addresses are the user's own settings, so they
may be private; neither they nor a password are ever written to a log or an error.
"""

from __future__ import annotations

import json
import os
import smtplib
import ssl
import urllib.request
from collections.abc import Callable, Sequence
from email.message import EmailMessage
from urllib.parse import unquote, urlsplit

from crawler.settings import user_agent
from crawler.sources import AlertSettings
from db.models import Alert, to_iso

TIMEOUT = 20.0
"""Seconds; a receiver that hangs must not hold up the next crawl."""
PASSWORD = "DEBATEWATCH_SMTP_PASSWORD"  # noqa: S105 (the name of a variable)


def tell(
    settings: AlertSettings, opened: Sequence[Alert], closed: Sequence[Alert], text: str
) -> tuple[bool, list[str]]:
    """Sends the alerts, and those that are over, to whoever is named in the settings. `text` says the same for a person.

    Returns whether it counts as told (somebody was reached, or nobody is named), and one line for each receiver that was not
    reached: one whose address is wrong must not have all others told the same after every crawl.
    """
    ways: list[tuple[str, Callable[[], None]]] = []
    if settings.webhook:
        ways.append(("webhook", lambda: _post(settings.webhook or "", opened, closed, text)))
    if settings.email:
        ways.append(("e-mail", lambda: _mail(settings, text)))
    failed = []
    for name, send in ways:
        try:
            send()
        except (OSError, smtplib.SMTPException, ValueError) as error:
            # An HTTPError or an SMTP answer may repeat the address, which may hold a token.
            code = getattr(error, "code", None) or getattr(error, "smtp_code", None)
            why = f"answer {code}" if code else type(error).__name__
            failed.append(f"alerts: the {name} could not be reached ({why})")
    told = not ways or len(failed) < len(ways)
    following = "others were told" if told else "it is tried again after the next crawl"
    return told, [f"{problem}; {following}" for problem in failed]


def _post(url: str, opened: Sequence[Alert], closed: Sequence[Alert], text: str) -> None:
    body = json.dumps({"text": text, "alerts": [_plain(a) for a in opened], "recovered": [_plain(a) for a in closed]})
    request = urllib.request.Request(  # noqa: S310 (sources.toml takes http and https only)
        url, body.encode(), {"Content-Type": "application/json", "User-Agent": user_agent("")}, method="POST"
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT) as answer:  # noqa: S310
        answer.read(1000)


def _plain(alert: Alert) -> dict[str, object]:
    return {"source": alert.source_id, "kind": alert.kind, "since": to_iso(alert.since), "detail": alert.detail}


def _mail(settings: AlertSettings, text: str) -> None:
    message = EmailMessage()
    message["Subject"] = f"Debatewatch: {text.splitlines()[0]}"[:150]
    message["From"] = settings.email_from or settings.email
    message["To"] = settings.email
    message.set_content(text)
    server = urlsplit(settings.smtp)
    secure = server.scheme == "smtps"
    context = ssl.create_default_context()
    port = server.port or (465 if secure else 25)
    connection = (
        smtplib.SMTP_SSL(server.hostname or "", port, timeout=TIMEOUT, context=context)
        if secure
        else smtplib.SMTP(server.hostname or "", port, timeout=TIMEOUT)
    )
    with connection as smtp:
        smtp.ehlo()
        encrypted = secure
        if not secure and smtp.has_extn("starttls"):
            smtp.starttls(context=context)
            encrypted = True
        if server.username:
            if not encrypted:
                raise ValueError("a password is never sent unencrypted")
            smtp.login(unquote(server.username), os.environ.get(PASSWORD, ""))
        smtp.send_message(message)
