"""What the answers of interfaces have in common: JSON, XML without surprises, and times of fourteen digits. Pure."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from lxml import etree

from crawler.spiders.listing import ListingError

DIGITS = "%Y%m%d%H%M%S"
"""How archives and GDELT write a time."""


def read_json(body: bytes) -> Any:
    """The value in an answer. Raises ListingError, with the beginning of what came instead."""
    try:
        # Titles carry raw control characters; strict=False takes them.
        return json.loads(body, strict=False)
    except (ValueError, RecursionError) as error:
        raise ListingError(f"the answer is no JSON but {shown(body)!r}") from error


def read_json_object(body: bytes) -> dict[str, Any]:
    """The object in an answer. Raises ListingError for anything else."""
    found = read_json(body)
    if not isinstance(found, dict):
        raise ListingError(f"the answer is no JSON object but {shown(body)!r}")
    return found


def shown(body: bytes) -> str:
    """The beginning of an answer, in one line, for a message."""
    return " ".join(body[:400].decode("utf-8", errors="replace").split())[:160]


def read_xml(body: bytes) -> Any:
    """The root element. No entity is expanded, nothing is loaded from elsewhere. Raises ListingError for what is no XML."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        return etree.fromstring(body, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise ListingError(f"the answer is no XML but {shown(body)!r}") from error


def from_digits(text: object) -> datetime | None:
    """The UTC moment that "20240314093000" or GDELT's "20240314T093000Z" writes; None for anything else."""
    digits = str(text).replace("T", "").removesuffix("Z")
    try:
        return datetime.strptime(digits, DIGITS).replace(tzinfo=UTC)
    except ValueError:
        return None


def from_seconds(value: object) -> datetime | None:
    """The UTC moment so many seconds after 1970; None for what is no such number."""
    try:
        return datetime.fromtimestamp(int(str(value)), UTC)
    except (ValueError, OverflowError, OSError):
        return None
