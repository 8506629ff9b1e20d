"""Changes of position as an Atom feed (RFC 4287). Everything in it is text, escaped by the XML writer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from xml.etree import ElementTree as ET  # written only, nothing is parsed

from db.queries import Row

_ATOM = "http://www.w3.org/2005/Atom"
# XML 1.0 has no characters below the space but these three (section 2.2).
_CONTROL = {number: None for number in range(32) if chr(number) not in "\t\n\r"}


def atom(changes: Sequence[Row], *, title: str, absolute: Callable[[str], str]) -> str:
    """The feed as text. `absolute` makes a path of the site an address; changes are those of reads.feed_of_changes.

    Ids are made from who, what and when and not from row numbers, which change with each analysis.
    """
    ET.register_namespace("", _ATOM)
    feed = ET.Element(f"{{{_ATOM}}}feed")
    home = absolute("/")

    def add(parent: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
        element = ET.SubElement(parent, f"{{{_ATOM}}}{name}", attributes)
        element.text = text.translate(_CONTROL) or None
        return element

    add(feed, "title", f"{title}: changes of position")
    add(feed, "id", absolute("/-/changes.atom"))
    add(feed, "link", rel="self", href=absolute("/-/changes.atom"))
    add(feed, "link", href=home)
    add(feed, "updated", max((row["found_at"] for row in changes), default="1970-01-01T00:00:00Z"))
    add(add(feed, "author"), "name", title)
    for row in changes:
        entry = add(feed, "entry")
        what = f"{row['speaker']}: {row['before']} to {row['after']} ({row['about']})"
        key = "|".join(
            str(row[name]) for name in ("actor_id", "speaker_name", "proposition_id", "before", "after", "changed_at")
        )
        add(entry, "title", what)
        add(entry, "id", f"{home}-/change#{_digest(key)}")
        add(entry, "updated", row["found_at"])
        add(entry, "published", row["changed_at"])
        if row["statement_id"] is not None:
            add(entry, "link", href=absolute(f"/-/statement/{row['statement_id']}"))
        last, first = row["not_before"][:10], row["changed_at"][:10]
        add(entry, "summary", f"{what}. Last statement of the old position {last}, first of the new one {first}.")
    return ET.tostring(feed, encoding="unicode", xml_declaration=True).replace(
        "encoding='us-ascii'", "encoding='utf-8'"
    )


def _digest(key: str) -> str:
    import hashlib

    return hashlib.sha256(key.encode()).hexdigest()[:20]
