"""How values look in Datasette's tables: evidence leads to its page, dates are readable, sides are labelled. Pure.

Anything that is not known here is left to Datasette, which escapes it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlsplit

from markupsafe import Markup

Path = Callable[[str], str]
"""Puts the site's base address in front of a path."""

MAX_EVIDENCE = 280
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_ARCHIVED = re.compile(r"/-/archive/\d+")
_WIKIDATA = re.compile(r"Q[1-9]\d*")
_SIDE_COLUMNS = {"side", "stance", "before", "after", "first_stance", "second_stance"}
_KNOWN_SIDES = {"open", "closed", "mixed", "neutral", "agree", "disagree"}
_PAGES = {"actor_id": "actor", "organisation_id": "actor", "document_id": "document", "topic_id": "topic"}


def render(row: Mapping[str, Any], value: Any, column: str, table: str | None, path: Path) -> Markup | None:
    """A cell as safe HTML, or None to leave it to Datasette. `value` is a mapping for a foreign key with its label."""
    label: Any = None
    if isinstance(value, Mapping):
        value, label = value.get("value"), value.get("label")
    if value is None or value == "":
        return None
    keys = set(row.keys())
    page = "actor" if table == "actors" and column == "name" else _PAGES.get(column)
    if page:
        key = row["id"] if column == "name" and "id" in keys else value
        return _inside(path(f"/-/{page}/{quote(str(key), safe='')}"), label or value)
    if column.endswith("statement_id"):
        return _inside(path(f"/-/statement/{int(value)}"), f"statement {value}") if str(value).isdigit() else None
    if not isinstance(value, str):
        return None
    statement = _statement_of(row, keys, column, table)
    if statement is not None:
        short = value if len(value) <= MAX_EVIDENCE else value[: MAX_EVIDENCE - 1].rstrip() + "…"
        return _inside(path(f"/-/statement/{statement}"), short, css="evidence")
    if column in _SIDE_COLUMNS:
        return side_label(value)
    if column in ("speaker", "speaker_name", "first_speaker", "second_speaker", "who") and "actor_id" in keys:
        return speaker_link(value, _plain(row["actor_id"]), path)
    if column == "title" and (table == "documents" or "document_id" in keys):
        number = _plain(row["id"] if table == "documents" and "id" in keys else row["document_id"])
        return _inside(path(f"/-/document/{number}"), value)
    if column == "archived" and _ARCHIVED.fullmatch(value):
        return _inside(path(value), "archived page")
    if column == "warc_file" and table == "fetches" and "id" in keys:
        return _inside(path(f"/-/archive/{_plain(row['id'])}"), value)
    if column == "wikidata":
        return wikidata(value)
    if column in ("authors", "aliases", "keywords"):
        return _listed(value)
    if _MOMENT.fullmatch(value):
        return moment(value)
    if column == "state":
        return Markup('<span class="state state-{}">{}</span>').format(value.replace(" ", "-"), value)
    return outside(value, value) if column.endswith("url") and is_web_address(value) else None


def _statement_of(row: Mapping[str, Any], keys: set[str], column: str, table: str | None) -> int | None:
    """Number of the statement that this cell is the evidence of."""
    if table == "statements" and column == "text" and "id" in keys:
        return int(_plain(row["id"]))
    key = column.replace("evidence", "statement_id")
    if column == "about" and "statement_id" in keys and row["statement_id"] is not None:
        key = "statement_id"
    if key != column and key in keys and row[key] is not None:
        return int(_plain(row[key]))
    return None


def side_label(value: str) -> Markup:
    """A side or stance as a coloured label; the text says it too."""
    css = value if value in _KNOWN_SIDES else "other"
    return Markup('<span class="side side-{}">{}</span>').format(css, value.capitalize())


def speaker_link(name: str, actor_id: str | None, path: Path) -> Markup:
    """A speaker's name, leading to the actor's page, or to that of the name when it is linked to nobody."""
    if actor_id:
        return _inside(path(f"/-/actor/{quote(str(actor_id), safe='')}"), name)
    return _inside(path(f"/-/speaker/{quote(name, safe='')}"), name)


def moment(value: str | None, *, day_only: bool = False) -> Markup:
    """A stored moment (UTC) as people write dates: 14 Mar 2024, 09:30 UTC. What cannot be read is shown as it is."""
    if not value:
        return Markup('<span class="unknown">undated</span>')
    try:
        read = datetime.fromisoformat(value).astimezone(UTC)
    except ValueError:
        return Markup("{}").format(value)
    shown = f"{read.day} {read:%b %Y}" if day_only else f"{read.day} {read:%b %Y, %H:%M} UTC"
    return Markup('<time datetime="{}">{}</time>').format(value, shown)


def is_web_address(value: str) -> bool:
    """True for http and https addresses with a host, and nothing else (no javascript:, no data:)."""
    try:
        parts = urlsplit(value)
        return parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return False


def outside(href: str, text: str) -> Markup:
    """A link to another site, or plain text when the address is not one of the web."""
    if not is_web_address(href):
        return Markup("{}").format(text)
    return Markup('<a href="{}" rel="noopener noreferrer nofollow">{}</a>').format(href, text)


def wikidata(value: str) -> Markup | None:
    """A link to a Wikidata item; None when it is not the name of one."""
    if not _WIKIDATA.fullmatch(value):
        return None
    return outside(f"https://www.wikidata.org/wiki/{value}", f"Wikidata {value}")


def _inside(href: str, text: object, *, css: str = "") -> Markup:
    if css:
        return Markup('<a class="{}" href="{}">{}</a>').format(css, href, text)
    return Markup('<a href="{}">{}</a>').format(href, text)


def _plain(value: Any) -> Any:
    return value.get("value") if isinstance(value, Mapping) else value


def _listed(value: str) -> Markup | None:
    try:
        found = json.loads(value)
    except ValueError:
        return None
    return Markup("{}").format(", ".join(str(item) for item in found)) if isinstance(found, list) else None
