"""Who wrote it: the people in a byline, and the news agency that a page credits. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from html import unescape

from lxml.html import HtmlElement

from crawler.page_metadata import Metas
from crawler.structured_data import StructuredData, first_string, strings, types_of

_LEAD = re.compile(
    r"^(?:(?:words|text|story|written|posted|reported|analysis|review|opinion|published|reviewed|exclusive)\s+)?"
    r"(?:by|von|par|por|di|from)[\s:]+",
    re.IGNORECASE,
)
_SPLIT = re.compile(r"\s*(?:;|\||•|\n|\band\b|\bund\b|\bet\b|\be\b(?=\s+[A-Z])|\by\b(?=\s+[A-ZÁÉÍÓÚ])|&|\bwith\b)\s*")
_JOB = re.compile(
    r"\b(?:reporter|editor|correspondent|columnist|writer|journalist|producer|contributor|chief|director|analyst|critic"
    r"|blogger|fellow|professor of|author of|co-?founder|bureau|desk|intern|redakteur\w*|redaktion|journaliste"
    r"|correspondant\w*|redactor\w*|corresponsal|assistant|senior|staff)\b",
    re.IGNORECASE,
)
_NOBODY = re.compile(
    r"^(?:the\s+)?(?:staff|admin\w*|author|editor\w*|editorial(?:\s+\w+)?|redacci[oó]n|r[eé]daction|redaktion|web\s?master"
    r"|guest|anonymous|unknown|contributor\w*|news(?:room|desk)?|newsroom staff|team|user|root|none|null|n/a|press release"
    r"|agenc(?:y|ies|ias?)|agences?|wire(?:s| services?| reports?)?|super\s?user|default)$"
    r"|\b(?:staff|team|desk|newsroom|editors|redaktion|r[eé]daction|redacci[oó]n|admin|news|media|magazine|online|digital"
    r"|wire|agency|agences?|agencia|institute|foundation|university|inc|ltd|llc|gmbh|editorial board|staff reporter)\.?$",
    re.IGNORECASE,
)
_AGENCIES = """
Reuters|Associated Press|The Associated Press|AP|AFP|Agence France-Presse|Agence France Presse|dpa|Deutsche Presse-Agentur|PA
PA Media|Press Association|Bloomberg|Bloomberg News|UPI|United Press International|EFE|Agencia EFE|Europa Press|ANSA|Kyodo
Kyodo News|Xinhua|Yonhap|The Canadian Press|Canadian Press|AAP|Australian Associated Press|Dow Jones Newswires|TASS|Interfax
ATS|Keystone-SDA|APA|Belga|ANP|TT|NTB|Ritzau|STT|PTI|Press Trust of India|IANS|ANI
"""
_AGENCY_NAMES = frozenset(name.casefold() for name in re.split(r"[|\n]", _AGENCIES) if name)
_AGENCY_SHAPE = re.compile(
    r"\b(?:Wire|Newswire|News Agency|Press Agency|Wire Service|Presseagentur|Nachrichtenagentur)$"
)
_DATELINE = re.compile(r"^.{0,80}?\(([A-Z][^()]{1,40})\)\s*[-–—]+\s")
_SOURCE_LINE = re.compile(
    r"^[(\[]?(?:(?:Source|Quelle|Fuente|Credit|Agency)\s*:|Reporting by|Avec|With reporting (?:from|by)|Distributed by"
    r"|This (?:story|article|report) (?:was|is) (?:first |originally )?(?:published|provided|distributed|supplied|reported) by"
    r"|Copyright \d{4},?)\s+(.{2,60}?)[.\])]?$|^[—–-]\s*(.{2,40}?)\.?$",
    re.IGNORECASE,
)
_SURNAME_FIRST = re.compile(r"^([^,]+), ([^,]+)$")
_INLINE = "//*[self::a or self::span or self::p or self::div]"
_BYLINE_XPATHS = (
    "//*[@rel='author' or @itemprop='author']",
    "//address[contains(@class, 'author') or contains(@class, 'byline')]",
    _INLINE + "[contains(concat(' ', normalize-space(@class), ' '), ' author ')]",
    _INLINE + "[contains(@class, 'author-name') or contains(@class, 'author_name') or contains(@class, 'authorName')]",
    _INLINE + "[contains(@class, 'byline') or contains(@class, 'Byline') or @id='byline']",
)
_NOT_HERE = (
    "[not(ancestor::aside or ancestor::footer or ancestor::nav or ancestor::*[contains(@itemtype, 'Comment')]"
    " or ancestor::*[contains(@class, 'comment')])]"
)


def page_authors(tree: HtmlElement, data: StructuredData, metas: Metas, sitename: str | None) -> tuple[str, ...]:
    """The people who sign the page, in its order; () when nobody does. The first source that names people decides."""
    for raw in (
        _declared_names(data),
        [_SURNAME_FIRST.sub(r"\2 \1", name) for name in metas.get("citation_author", [])],
        [*metas.get("author", []), *metas.get("article:author", [])],
        [
            *metas.get("parsely-author", []),
            *metas.get("sailthru.author", []),
            *metas.get("dc.creator", []),
            *metas.get("byl", []),
        ],
    ):
        if people := clean_authors(raw, sitename):
            return people
    for xpath in _BYLINE_XPATHS:
        found = [text for element in tree.xpath(xpath + _NOT_HERE)[:6] if 3 <= len(text := _lines_of(element)) <= 160]
        if people := clean_authors(found, sitename, visible=True):
            return people
    return ()


def clean_authors(names: Iterable[str], sitename: str | None, *, visible: bool = False) -> tuple[str, ...]:
    """People's names out of raw bylines: no "By", e-mail, job title, agency, outlet or "Staff"; "A and B" are two.

    `visible` bylines must look like names (two or more capitalised words), as anything may stand in the same element.
    """
    people: list[str] = []
    for raw in names:
        text = re.sub(r"<[^<>]{0,200}>", " ", unescape(raw))
        if "://" in text or text.startswith("www."):
            continue
        text = re.sub(r"\S+@\S+\.\S+|@\w+|\([^()]*\)", " ", text)
        for line in text.splitlines():
            for part in _SPLIT.split(_LEAD.sub("", " ".join(line.split()))):
                people.extend(_people_in(_LEAD.sub("", part)))
    kept: dict[str, str] = {}
    for name in people:
        if _is_person(name, sitename, visible):
            kept.setdefault(name.casefold(), name)
    return tuple(kept.values())[:30]


def page_agency(data: StructuredData, metas: Metas, lines: Sequence[str], sitename: str | None) -> str | None:
    """The agency that the page credits for its text, as written: in its data, its byline, a dateline or a source line.

    lines: the text's paragraphs, and after them what stood beside it.
    """
    own = (sitename or "").casefold()
    credits = [first_string(data.article.get(key)) for key in ("sourceOrganization", "provider", "copyrightHolder")]
    credits += _declared_names(data, organisations=True) + metas.get("author", []) + metas.get("article:author", [])
    for name in credits:
        for part in re.split(r"\s*(?:,|;|\bet\b|\band\b|/)\s*", _LEAD.sub("", name or "")):
            if is_agency(part) and part.casefold() != own:
                return part
    organisation = first_string(data.article.get("sourceOrganization")) or first_string(data.article.get("provider"))
    publisher = first_string(data.article.get("publisher"))
    if (
        organisation
        and not organisation.startswith("http")
        and organisation.casefold() not in (own, (publisher or "").casefold())
    ):
        return organisation
    match = _DATELINE.match(lines[0]) if lines else None
    if match and is_agency(match[1]) and match[1].casefold() != own:
        return match[1]
    for line in (*lines[:1], *lines[-6:]):
        found = _SOURCE_LINE.match(line) if len(line) < 150 else None
        name = (found[1] or found[2] or "").strip() if found else ""
        if is_agency(name) and name.casefold() != own:
            return name
    return None


def is_agency(name: str) -> bool:
    """True for the name of a news agency: a known one, or one that calls itself a wire or a news agency."""
    return name.casefold() in _AGENCY_NAMES or bool(_AGENCY_SHAPE.search(name) and len(name.split()) <= 5)


def _declared_names(data: StructuredData, *, organisations: bool = False) -> list[str]:
    """Names in the article's author property; objects that are only referred to by @id are looked up among the page's."""
    by_id = {item["@id"]: item for item in data.items if isinstance(item.get("@id"), str) and item.get("name")}
    value = data.article.get("author") or data.article.get("creator")
    names: list[str] = []
    for author in value if isinstance(value, list) else [value]:
        if isinstance(author, Mapping):
            full = author if author.get("name") else by_id.get(str(author.get("@id")), author)
            is_organisation = any("organization" in name for name in types_of(full))
            if is_organisation == organisations or (organisations and not types_of(full)):
                given, family = first_string(full.get("givenName")), first_string(full.get("familyName"))
                names.extend(strings(full.get("name")) or ([f"{given} {family}"] if given and family else []))
        else:
            names.extend(strings(author))
    return names


def _lines_of(element: HtmlElement) -> str:
    """The words of an element, a line break where the page breaks the line."""
    parts = [element.text or ""]
    for child in element.iterdescendants():
        parts.append("\n" if child.tag in ("br", "p", "div", "li") else "")
        parts += [child.text or "" if isinstance(child.tag, str) else "", child.tail or ""]
    return "\n".join(line for raw in "".join(parts).split("\n") if (line := " ".join(raw.split())))


def _people_in(text: str) -> list[str]:
    """ "A, B" is two people; "A, Political Editor" and "A, London" are one."""
    parts = [part.strip(" .,:–—-/\u00a0") for part in re.split(r",|\s[-–—/]\s", text)]
    if len(parts) > 1:
        parts = [
            part
            for number, part in enumerate(parts)
            if number == 0 or (len(part.split()) >= 2 and not _JOB.search(part))
        ]
    return [re.sub(r"\s+(?:on|in|at)\s+.*$", "", part) for part in parts if part]


def _is_person(name: str, sitename: str | None, visible: bool) -> bool:
    words = name.split()
    if (
        not 2 <= len(name) <= 60
        or len(words) > 6
        or not any(character.isalpha() for character in name)
        or re.search(
            r"\d{2}|[_/]" if visible else r"\d{4}.*\s|\s.*\d{4}", name
        )  # a handle may hold figures, a date is no name
        or re.search(r"https?:|[<>{}=\\]", name)
    ):
        return False
    folded = name.casefold()
    site = (sitename or "").casefold()
    if site and (folded in (site, site.removeprefix("the ")) or folded.removeprefix("the ") == site):
        return False
    if _NOBODY.search(name) or is_agency(name) or (_JOB.search(name) and (visible or len(words) <= 3)):
        return False
    if visible:
        return len(words) >= 2 and sum(word[0].isupper() for word in words) >= 2
    return True
