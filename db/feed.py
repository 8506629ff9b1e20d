"""Changes of position as an Atom feed (RFC 4287) that a reader can subscribe to. Read-only; no file, no network."""

from __future__ import annotations

import html
import sqlite3
import uuid
from collections.abc import Callable
from xml.etree import ElementTree

from db.models import to_iso, utc_now
from db.queries import Row, change_evidence, changes, rows
from db.tables import xml_bytes, xml_text

ATOM = "http://www.w3.org/2005/Atom"
LONGEST_EXCERPT = 300
"""Characters of evidence in an entry: enough to judge it, little enough to quote."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://github.com/debatewatch/changes-of-position")


def atom(
    connection: sqlite3.Connection,
    since: str = "",
    before: str = "9999",
    *,
    limit: int = 200,
    absolute: Callable[[str], str] | None = None,
) -> bytes:
    """The newest changes of position, with the evidence before and after.

    An entry keeps its id when the same change is found again by a later analysis, so that readers show it once. `absolute` makes
    a path of the site an address: with it the feed names its own address, and an entry leads to the page of the statement that
    shows the new position; without it, to that statement's article.
    """
    found = [row for row in changes(connection, limit=limit) if since <= row["changed_at"] < before]
    ElementTree.register_namespace("", ATOM)
    feed = ElementTree.Element(f"{{{ATOM}}}feed")
    _add(feed, "title", "Debatewatch: changes of position")
    _add(feed, "subtitle", "Who held one position before and holds another now, with the statements that show it.")
    _add(feed, "id", _NAMESPACE.urn)
    _add(feed, "updated", _last_analysis(connection))
    _add(ElementTree.SubElement(feed, f"{{{ATOM}}}author"), "name", "Debatewatch")
    _add(feed, "generator", "Debatewatch")
    if absolute:
        _link(feed, "self", absolute("/-/changes.atom"))
        _link(feed, "alternate", absolute("/"))
    for change in found:
        _entry(feed, change, change_evidence(connection, change["id"]), absolute)
    return xml_bytes(feed)


def _entry(feed: ElementTree.Element, change: Row, evidence: list[Row], absolute: Callable[[str], str] | None) -> None:
    who = change["actor_id"] or change["speaker"]
    name = " ".join((who, change["about"], change["before"], change["after"], change["changed_at"]))
    entry = ElementTree.SubElement(feed, f"{{{ATOM}}}entry")
    _add(entry, "title", f"{change['speaker']}: {change['before']} to {change['after']} on {change['about'].lower()}")
    _add(entry, "id", uuid.uuid5(_NAMESPACE, name).urn)
    _add(entry, "updated", f"{change['changed_at']}T00:00:00Z")
    shown = next((row for row in evidence if row["moment"] == "after"), None)
    if shown and absolute:
        _link(entry, "alternate", absolute(f"/-/statement/{shown['statement_id']}"))
    elif shown and _is_web(shown["url"]):
        _link(entry, "alternate", shown["url"])
    _add(entry, "content", _content(change, evidence)).set("type", "html")


def _content(change: Row, evidence: list[Row]) -> str:
    parts = [
        f"<p>Between {change['not_before']} and {change['changed_at']}, resting on {change['statements']} statements "
        f"(strength {change['strength']}).</p>"
    ]
    for moment in ("before", "after"):
        lines = [_line(row) for row in evidence if row["moment"] == moment]
        parts.append(f"<h3>{moment.capitalize()}: {html.escape(change[moment])}</h3><ul>{''.join(lines)}</ul>")
    return "".join(parts)


def _line(row: Row) -> str:
    text = row["text"] if len(row["text"]) <= LONGEST_EXCERPT else row["text"][: LONGEST_EXCERPT - 1].rstrip() + "…"
    title = html.escape(row["title"])
    if _is_web(row["url"]):
        title = f'<a href="{html.escape(row["url"])}">{title}</a>'
    return f"<li>{row['date'] or 'undated'}, {html.escape(row['outlet'] or '')}, {title}: {html.escape(text)}</li>"


def _is_web(address: str | None) -> bool:
    """Only web addresses become links: an imported file may carry any text as its address."""
    return bool(address) and str(address).startswith(("http://", "https://"))


def _last_analysis(connection: sqlite3.Connection) -> str:
    found = rows(connection, "SELECT max(coalesce(finished_at, started_at)) AS moment FROM runs")[0]["moment"]
    return str(found or to_iso(utc_now()))


def _link(parent: ElementTree.Element, relation: str, address: str) -> None:
    ElementTree.SubElement(parent, f"{{{ATOM}}}link", rel=relation, href=xml_text(address))


def _add(parent: ElementTree.Element, name: str, text: str) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, f"{{{ATOM}}}{name}")
    element.text = xml_text(text)
    return element
