"""Security headers for every response: nothing from other hosts, no scripts but those that ship with the program."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Awaitable, Callable, MutableMapping
from functools import cache
from pathlib import Path
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

_INLINE_SCRIPT = re.compile(r"<script>(.*?)</script>", re.DOTALL)


@cache
def content_security_policy() -> str:
    """The policy of the site. Datasette's own templates carry inline scripts: those that are fixed text are allowed by their
    sha256 (https://www.w3.org/TR/CSP3/#grammardef-hash-source), and nothing else inline runs."""
    import datasette

    templates = Path(str(datasette.__file__)).parent / "templates"
    scripts = {"DATASETTE_ALLOW_FACET = true;", "DATASETTE_ALLOW_FACET = false;"}
    for template in templates.glob("*.html"):
        scripts.update(s for s in _INLINE_SCRIPT.findall(template.read_text(encoding="utf-8")) if "{" + "{" not in s)
    # The templating engine keeps the text of a script as it is, line breaks included.
    hashes = sorted(base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts)
    return "; ".join(
        [
            "default-src 'none'",
            "script-src 'self' " + " ".join(f"'sha256-{value}'" for value in hashes),
            # Vega and Datasette set style attributes; styles cannot run anything.
            "style-src 'self' 'unsafe-inline'",
            "img-src 'self' data:",
            "font-src 'self'",
            "connect-src 'self'",
            "frame-src 'self'",
            "form-action 'self'",
            "base-uri 'none'",
            "frame-ancestors 'self'",
        ]
    )


ARCHIVED_PAGE_POLICY = (
    "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'"
)
"""For pages of other people: an origin of their own, no scripts, no forms, nothing loaded from anywhere."""


def with_security_headers(application: Application) -> Application:
    """Wraps an ASGI application; a header that a page has set itself stays."""
    wanted = {
        b"content-security-policy": content_security_policy().encode(),
        b"x-content-type-options": b"nosniff",
        b"referrer-policy": b"no-referrer",
        b"x-frame-options": b"SAMEORIGIN",
        b"cross-origin-opener-policy": b"same-origin",
        b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
        b"x-dns-prefetch-control": b"off",
    }

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await application(scope, receive, send)
            return

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", []))
                present = {bytes(name).lower() for name, _ in headers}
                headers += [(name, value) for name, value in wanted.items() if name not in present]
                message = {**message, "headers": headers}
            await send(message)

        await application(scope, receive, sending)

    return wrapped
