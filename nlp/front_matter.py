"""The YAML block between two lines of --- at the beginning of a text: who wrote it, and when. Pure.

The body keeps its place: the block becomes as many blanks and line ends, so that offsets are those of the text as given.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import yaml

from db.models import InputError

_BLOCK = re.compile(r"\s*---[ \t]*\r?\n(.*?\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
_LONGEST = 4_000
"""Characters; nested brackets take YAML's parser quadratic time."""
_AUTHORS = ("author", "authors", "byline", "by")
_DATES = ("date", "published", "published_at", "pubdate")


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The body of a text, and what its front matter says: None where it says nothing."""

    body: str
    author: str | None = None
    published_at: datetime | None = None
    """Aware, UTC."""


def split_front_matter(text: str) -> FrontMatter:
    """Separates front matter from a text; a text without one is its own body.

    Raises InputError for a date that is none. A block that is no YAML mapping is text (a rule between two lines, say).
    """
    block = _BLOCK.match(text)
    if block is None or len(block[0]) > _LONGEST:
        return FrontMatter(text)
    try:
        found = yaml.safe_load(block[1])
    except (yaml.YAMLError, ValueError, RecursionError):
        return FrontMatter(text)
    if not isinstance(found, dict) or not all(isinstance(key, str) for key in found):
        return FrontMatter(text)
    values = {key.casefold(): value for key, value in found.items()}
    body = re.sub(r"[^\r\n]", " ", block[0]) + text[block.end() :]
    return FrontMatter(body, _author(_first(values, _AUTHORS)), _moment(_first(values, _DATES)))


def _first(values: dict[str, Any], keys: tuple[str, ...]) -> Any:
    return next((values[key] for key in keys if values.get(key)), None)


def _author(value: Any) -> str | None:
    """A name, or several joined as the analysis joins them; each may be a mapping with a name."""
    named = [
        item.get("name") if isinstance(item, dict) else item for item in (value if isinstance(value, list) else [value])
    ]
    # Anything but plain text is left out: YAML's aliases could make a list that is endless to print.
    return " and ".join(" ".join(name.split()) for name in named if isinstance(name, str) and name.strip()) or None


def _moment(value: Any) -> datetime | None:
    if value is None:
        return None
    if isinstance(value, datetime):
        moment = value
    elif isinstance(value, date):
        moment = datetime.combine(value, time())
    else:
        shown = value.strip()[:40] if isinstance(value, str) else f"a {type(value).__name__}"
        try:
            moment = datetime.fromisoformat(shown)
        except ValueError as error:
            raise InputError(f"front matter: {shown!r} is not a date; write it as 2024-03-14") from error
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
