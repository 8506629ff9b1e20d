"""Text as paragraphs, and the form in which two pieces of text are compared. Pure."""

from __future__ import annotations

import re
import unicodedata

_INVISIBLE = dict.fromkeys(
    (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, 0xAD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF)
)
_WORD = re.compile(r"\w+")


def clean_text(text: str) -> str:
    """NFC, no control characters or soft hyphens, every run of spaces one space, paragraphs separated by one blank line."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n").translate(_INVISIBLE))
    return "\n\n".join(line for raw in text.splitlines() if (line := " ".join(raw.split())))


def text_key(text: str) -> str:
    """The words of a text alone, in lower case: equal for texts that differ in spaces, quotes and punctuation only."""
    return " ".join(_WORD.findall(text)).casefold()
