"""Sources in and out as OPML 2.0 (opml.org/spec2.opml), the format in which feed readers exchange subscriptions. Reads and
writes files of this machine; no network, no database.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from lxml import etree

from crawler.addresses import canonical_url, is_web_url
from crawler.lenient_xml import xml_text
from crawler.paragraphs import clean_text
from crawler.sources import Source, SourcesFile, load_sources
from db.models import InputError, utc_now

MAX_BYTES = 20_000_000
"""A hundred thousand subscriptions."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A feed that an OPML file names."""

    name: str
    url: str
    language: str | None = None
    folder: str | None = None
    """The outline that it stands in."""


def read_opml(path: Path) -> list[Subscription]:
    """The feeds of an OPML file, in its order, each once. Other outlines (links, folders) are passed over.

    Raises InputError when the file cannot be read, or is no OPML.
    """
    try:
        data = path.read_bytes() if path.stat().st_size <= MAX_BYTES else b""
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    # Readers write what no XML parser should take ("AT&T"); entities are still neither expanded nor loaded.
    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(xml_text(data), parser)
    except (etree.XMLSyntaxError, ValueError):
        root = None
    if root is None or _tag(root) != "opml":
        raise InputError(
            f"{path}: not an OPML file (or larger than {MAX_BYTES} bytes); export one from your feed reader"
        )
    found: dict[str, Subscription] = {}
    for outline in root.iter(etree.Element):
        subscription = _subscription(outline) if _tag(outline) == "outline" else None
        if subscription is not None:
            found.setdefault(canonical_url(subscription.url), subscription)
    return list(found.values())


def _tag(element: Any) -> str:
    # Written in capitals by some, in a namespace by others.
    return str(element.tag).rpartition("}")[2].lower()


def _subscription(outline: Any) -> Subscription | None:
    address = _attribute(outline, "xmlUrl")
    if address.startswith("feed:"):  # "feed://host/path" and "feed:https://host/path" are both written.
        address = re.sub(r"^feed:(?://)?(?=https?:)|^feed:(?=//)", "", address)
        address = f"https:{address}" if address.startswith("//") else address
    if (
        not is_web_url(address) or "@" in urlsplit(address).netloc
    ):  # With a user's password in it, nobody's list should have it.
        return None
    name = _attribute(outline, "title") or _attribute(outline, "text") or address
    language = re.match(r"[a-z]{2}(?![a-z])", _attribute(outline, "language").lower())
    parent = outline.getparent()
    folder = _attribute(parent, "text") or _attribute(parent, "title") if parent is not None else ""
    return Subscription(name, address, language[0] if language else None, folder or None)


def _attribute(outline: Any, name: str) -> str:
    # Names of attributes are written in every mixture of cases.
    value = next((value for key, value in outline.attrib.items() if key.lower() == name.lower()), "")
    return " ".join(clean_text(value).split())


def add_sources(path: Path, subscriptions: Iterable[Subscription]) -> list[Source]:
    """Appends subscriptions to a sources.toml, as feeds; those whose address it has already are left out. Returns what was added.

    The file keeps its comments, and is replaced at once or not at all. Raises SourcesFileError and InputError.
    """
    known = load_sources(path)
    addresses = {canonical_url(source.url) for source in known.sources}
    ids = {source.id for source in known.sources}
    new = []
    for subscription in subscriptions:
        if canonical_url(subscription.url) not in addresses:
            addresses.add(canonical_url(subscription.url))
            identifier = _identifier(subscription.name, ids)
            ids.add(identifier)
            note = f"From {subscription.folder}." if subscription.folder else None
            new.append(
                Source(
                    identifier, subscription.name, "feed", subscription.url, language=subscription.language, note=note
                )
            )
    if new:
        _replace(path, path.read_text(encoding="utf-8").rstrip() + "\n" + "".join(map(_entry, new)))
    return new


def _identifier(name: str, taken: set[str]) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", errors="ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower()).strip("-")[:32].strip("-") or "feed"
    number = 1
    while (identifier := slug if number == 1 else f"{slug}-{number}") in taken:
        number += 1
    return identifier


def _entry(source: Source) -> str:
    keys = ("id", "name", "kind", "url", "language", "note")
    values = {key: getattr(source, key) for key in keys}
    lines = [f"{key} = {_quoted(value)}" for key, value in values.items() if value is not None]
    return "\n".join(["", "[[source]]", *lines, ""])


def _quoted(text: str) -> str:
    # A JSON string is a TOML basic string, but for DEL (toml.io, "String").
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "")


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f"{path.name}.new")
    try:
        draft.write_text(text, encoding="utf-8")
        load_sources(draft)
        draft.replace(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror})") from error
    finally:
        draft.unlink(missing_ok=True)


def write_opml(sources: SourcesFile | Sequence[Source]) -> bytes:
    """Sources as OPML 2.0, UTF-8. Feeds are subscriptions (type "rss"); other kinds are links, which readers pass over."""
    entries = sources.sources if isinstance(sources, SourcesFile) else sources
    root = etree.Element("opml", version="2.0")
    head = etree.SubElement(root, "head")
    etree.SubElement(head, "title").text = "Debatewatch sources"
    etree.SubElement(head, "dateCreated").text = f"{utc_now():%a, %d %b %Y %H:%M:%S GMT}"
    body = etree.SubElement(root, "body")
    for source in entries:
        attributes = {"text": source.name, "title": source.name, "category": f"/{source.kind}"}
        if source.kind == "feed":
            attributes |= {"type": "rss", "xmlUrl": source.url}
        else:
            attributes |= {"type": "link", "url": source.url}
        if source.language:
            attributes["language"] = source.language
        etree.SubElement(body, "outline", attributes)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", pretty_print=True))
