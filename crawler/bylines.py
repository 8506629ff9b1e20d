"""Who wrote it: the people who sign a page, from its data, its meta tags, or the byline that a reader sees. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml.html import HtmlElement

from crawler.outlet import Outlet
from crawler.page_metadata import Metas
from crawler.people import clean_authors, has_lead
from crawler.structured_data import StructuredData, author_names, strings, types_of

MAX_BYLINE = 160
"""Characters. A longer element holds more than a byline."""

_SURNAME_FIRST = re.compile(r"^([^,]+), ([^,]+)$")
_EXACT = re.compile(
    r"(?:^|\s)(?:author|byline|autor|auteur|p-author)(?:\s|$)|author-?_?-?name|byline-?_?-?name|author-?link",
    re.IGNORECASE,
)
_LOOSE = re.compile(
    r"author|byline|autor\b|autoren|auteur|verfasser|schreiber|redakteur|firma\b|journalist", re.IGNORECASE
)
_BESIDE = re.compile(r"comment|caption|credit|avatar|gravatar|related|teaser|\bbio|-bio|about|sidebar", re.IGNORECASE)
"""Names of classes in which an author is not that of the article."""
_ELSEWHERE = frozenset(("aside", "footer", "nav", "figure", "form"))
_PAGE = frozenset(("html", "body", "main", "article"))


def page_authors(tree: HtmlElement, data: StructuredData, metas: Metas, outlet: Outlet) -> tuple[str, ...]:
    """The people who sign the page, in its order; () when nobody does. The first source that names people decides."""
    if _is_personal(data, outlet):
        outlet = Outlet()
    for raw in (
        author_names(data),
        [_SURNAME_FIRST.sub(r"\2 \1", name) for name in metas.get("citation_author", [])],
        [*metas.get("author", []), *metas.get("article:author", [])],
        [
            *metas.get("parsely-author", []),
            *metas.get("sailthru.author", []),
            *metas.get("dc.creator", []),
            *metas.get("byl", []),
        ],
    ):
        if people := clean_authors(raw, outlet):
            return people
    return _visible_authors(tree, outlet) or clean_authors(_only_person(data), outlet, visible=True)


def _is_personal(data: StructuredData, outlet: Outlet) -> bool:
    """True when the outlet is a person's own site, which bears the person's name."""
    return any(
        "person" in types_of(item) and ("organization" in types_of(item) or item is data.article.get("publisher"))
        for item in data.items
        for name in strings(item.get("name"))[:1]
        if outlet.is_named(name)
    )


def _only_person(data: StructuredData) -> list[str]:
    """The one person whom the page's data names, when it names no article."""
    people = {name for item in data.items if "person" in types_of(item) for name in strings(item.get("name"))[:1]}
    return list(people) if len(people) == 1 and not data.comments and not data.article else []


def _visible_authors(tree: HtmlElement, outlet: Outlet) -> tuple[str, ...]:
    """The byline that stands first on the page: what is marked exactly as an author, then what merely sounds like one."""
    elements = list(_byline_elements(tree))
    for rank in (0, 1):
        for element in (element for element, its_rank in elements if its_rank == rank):
            text = _lines_of(element)
            if 3 <= len(text) <= MAX_BYLINE and clean_authors([text], outlet, visible=True):
                # Further authors stand beside the first one; those of teasers stand somewhere else.
                near = _container(element)
                others = [
                    _lines_of(other) for other, its_rank in elements if its_rank == rank and _container(other) is near
                ]
                return clean_authors(
                    [text, *(other for other in others if len(other) <= MAX_BYLINE)], outlet, visible=True
                )
    return ()


def _byline_elements(tree: HtmlElement) -> Iterator[tuple[HtmlElement, int]]:
    """Elements that may hold the byline, in page order, with 0 for those marked as an author and 1 for the others."""
    for element in tree.iter("a", "span", "p", "div", "address", "strong", "b", "em", "li", "h3", "h4", "h5", "td"):
        names = f"{element.get('class') or ''} {element.get('id') or ''} {element.get('data-testid') or ''}"
        if (
            "author" in (element.get("rel") or "").split()
            or element.get("itemprop") == "author"
            or _EXACT.search(names)
        ):
            rank = 0
        elif _LOOSE.search(names) or (
            element.text and len(element.text) < MAX_BYLINE and has_lead(element.text.strip() + " ")
        ):
            rank = 1
        else:
            continue
        if not _is_elsewhere(element):
            yield element, rank


def _is_elsewhere(element: HtmlElement) -> bool:
    """True in asides, comments, notes on an author, and lists of other articles."""
    node = element
    while node is not None and node.tag not in _PAGE:
        if (
            node.tag in _ELSEWHERE
            or "Comment" in (node.get("itemtype") or "")
            or _BESIDE.search(f"{node.get('class') or ''} {node.get('id') or ''}")
        ):
            return True
        node = node.getparent()
    return False


def _container(element: HtmlElement) -> HtmlElement | None:
    parent = element.getparent()
    return parent if parent is None or parent.tag not in ("span", "li", "a") else parent.getparent()


def _lines_of(element: HtmlElement) -> str:
    """The words of an element, a line break where the page breaks the line."""
    parts = [element.text or ""]
    for child in element.iterdescendants():
        parts.append("\n" if child.tag in ("br", "p", "div", "li") else "")
        parts += [child.text or "" if isinstance(child.tag, str) else "", child.tail or ""]
    return "\n".join(line for raw in "".join(parts).split("\n") if (line := " ".join(raw.split())))
