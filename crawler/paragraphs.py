"""Text as paragraphs, and the form in which two pieces of text are compared. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import fields, replace
from typing import Any

from db.models import Article

_INVISIBLE = dict.fromkeys(
    (
        *range(0x09),
        0x0B,
        0x0C,
        *range(0x0E, 0x20),
        0x7F,
        0xAD,
        0x200B,
        0x200E,
        0x200F,
        0x2060,
        0xFEFF,
        *range(0xD800, 0xE000),
    )
)
_WORD = re.compile(r"\w+")


def clean_text(text: str) -> str:
    """NFC, no control characters or soft hyphens, every run of spaces one space, paragraphs separated by one blank line."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n").translate(_INVISIBLE))
    return "\n\n".join(line for raw in text.splitlines() if (line := " ".join(raw.split())))


def storable(article: Article) -> Article:
    """The article without half characters, which JSON can write ("\\ud800") and no database takes."""
    return replace(article, **{field.name: _whole(getattr(article, field.name)) for field in fields(article)})


def _whole(value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(map(_whole, value))
    return value.encode("utf-8", errors="replace").decode() if isinstance(value, str) else value


def text_key(text: str) -> str:
    """The words of a text alone, in lower case: equal for texts that differ in spaces, quotes and punctuation only."""
    return " ".join(_WORD.findall(text)).casefold()
