"""What happens in a run, one line an event on stderr: text for a person, or one JSON object for a machine (`--log json`).

A person gets only the events that come with a text; a machine gets all of them, a line for each page among them. Nothing secret is
written: passwords in addresses and values of query fields that look like keys are struck out. Knows no table.
"""

from __future__ import annotations

import json
import os
import re
import sys
from typing import Literal

from db.models import to_iso, utc_now

LogFormat = Literal["plain", "json"]
Level = Literal["info", "warning", "error"]

VARIABLE = "DEBATEWATCH_LOG"
"""Of the environment: how a process that was started by another finds its format."""

_USER = re.compile(r"(?<=://)[^/@\s]+@|(?<![\w.+-])[\w.+-]+:[^\s/@:]+@(?=[\w\[])")
"""In an address, or without its beginning ("invalid hostname: user:password@host")."""
_FIELD = re.compile(
    r"([?&;#](?:[\w.-]*(?:key|token|secret|passw|signature|auth|session)[\w.-]*|pass|pwd|sig|code|sid)=)[^&;#\s\"']+",
    re.I,
)


def set_format(format: LogFormat) -> None:
    """Chooses the format for this process and those that it starts."""
    os.environ[VARIABLE] = format


def log_format() -> LogFormat:
    """The format chosen; plain when none is."""
    return "json" if os.environ.get(VARIABLE) == "json" else "plain"


def event(name: str, text: str | None = None, *, level: Level = "info", **fields: object) -> None:
    """Writes an event. `name`: what happened, as "page" or "crawl finished"; `fields`: its figures, without those that are None."""
    if log_format() == "json":
        told = {"at": to_iso(utc_now()), "level": level, "event": name, "text": text, **fields}
        line = json.dumps(
            {key: _harmless(value) for key, value in told.items() if value is not None}, ensure_ascii=False
        )
    elif text is not None:
        line = "debatewatch: " + " ".join(without_secrets(text).split())
    else:
        return
    # One write a line: several processes share this stream.
    sys.stderr.write(line + "\n")
    sys.stderr.flush()


def without_secrets(text: str) -> str:
    """The text without passwords in addresses and values of fields that look like keys."""
    return _FIELD.sub(r"\1***", _USER.sub("***@", text))


def _harmless(value: object) -> object:
    if isinstance(value, str):
        return without_secrets(value)
    return value if isinstance(value, int | float | list | dict) else without_secrets(str(value))
