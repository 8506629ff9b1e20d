"""What changed, as an Atom feed (RFC 4287) that a reader can subscribe to: changes of position, bursts of topics, and who entered
the debate. Read-only; no file, no network."""

from __future__ import annotations

import html
import sqlite3
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from xml.etree import ElementTree

from db.models import to_iso, utc_now
from db.queries import Row, bursts, change_evidence, changes, nearest_evidence, new_actors, rows
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
    """The newest changes of position with the evidence before and after, bursts of topics, and new actors, each kind with its own
    category (change, burst, new-actor).

    An entry keeps its id when the same thing is found again by a later analysis, so that readers show it once. `absolute` makes a
    path of the site an address: with it the feed names its own address, and an entry leads to the page that shows it; without it,
    a change leads to the article with the new position.
    """
    found = [
        *(_change(row, change_evidence(connection, row["id"]), absolute) for row in changes(connection, limit=limit)),
        *(_burst(row, absolute) for row in bursts(connection, limit=limit)),
        *(_new_actor(row, absolute) for row in new_actors(connection, limit=limit)),
    ]
    newest = sorted(
        (entry for entry in found if since <= entry.day < before), key=lambda entry: entry.day, reverse=True
    )
    ElementTree.register_namespace("", ATOM)
    feed = ElementTree.Element(f"{{{ATOM}}}feed")
    _add(feed, "title", "Debatewatch: what changed")
    _add(
        feed,
        "subtitle",
        "Who changed position, with the statements that show it; topics that burst; who entered the debate.",
    )
    _add(feed, "id", _NAMESPACE.urn)
    _add(feed, "updated", _last_analysis(connection))
    _add(ElementTree.SubElement(feed, f"{{{ATOM}}}author"), "name", "Debatewatch")
    _add(feed, "generator", "Debatewatch")
    if absolute:
        _link(feed, "self", absolute("/-/changes.atom"))
        _link(feed, "alternate", absolute("/"))
    for entry in newest[:limit]:
        _append(feed, entry)
    return xml_bytes(feed)


@dataclass(frozen=True, slots=True)
class _Entry:
    """One entry. `name` makes its id; `content` is HTML, already escaped."""

    category: str
    name: str
    title: str
    day: str
    link: str | None
    content: str


def _append(feed: ElementTree.Element, entry: _Entry) -> None:
    element = ElementTree.SubElement(feed, f"{{{ATOM}}}entry")
    _add(element, "title", entry.title)
    _add(element, "id", uuid.uuid5(_NAMESPACE, entry.name).urn)
    _add(element, "updated", f"{entry.day}T00:00:00Z")
    ElementTree.SubElement(element, f"{{{ATOM}}}category", term=entry.category)
    if entry.link:
        _link(element, "alternate", entry.link)
    _add(element, "content", entry.content).set("type", "html")


def _change(change: Row, evidence: list[Row], absolute: Callable[[str], str] | None) -> _Entry:
    who = change["actor_id"] or change["speaker"]
    _, shown = nearest_evidence(evidence)
    link = None
    if shown and absolute:
        link = absolute(f"/-/statement/{shown['statement_id']}")
    elif shown and _is_web(shown["url"]):
        link = shown["url"]
    return _Entry(
        "change",
        " ".join((who, change["about"], change["before"], change["after"], change["changed_at"])),
        f"{change['speaker']}: {change['before']} to {change['after']} on {change['about'].lower()}",
        change["changed_at"],
        link,
        _content(change, evidence),
    )


def _burst(burst: Row, absolute: Callable[[str], str] | None) -> _Entry:
    text = (
        f"{burst['documents']} texts from {burst['started_on']} to {burst['ended_on']}, where {burst['expected']} would be usual "
        f"(strength {burst['strength']})."
    )
    return _Entry(
        "burst",
        f"burst {burst['topic_id']} {burst['started_on']}",
        f"Burst of a topic: {burst['topic']}",
        burst["started_on"],
        absolute(f"/-/topic/{burst['topic_id']}") if absolute else None,
        f"<p>{html.escape(text)}</p>",
    )


def _new_actor(actor: Row, absolute: Callable[[str], str] | None) -> _Entry:
    statements = "1 statement" if actor["statements"] == 1 else f"{actor['statements']} statements"
    return _Entry(
        "new-actor",
        f"new actor {actor['actor_id'] or actor['speaker']}",
        f"New in the debate: {actor['speaker']}",
        actor["entered_at"],
        absolute(f"/-/statement/{actor['statement_id']}") if absolute else None,
        f"<p>First on {actor['entered_at']}, side {html.escape(actor['side'] or 'not judged')}; {statements} since.</p>",
    )


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
