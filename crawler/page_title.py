"""The headline of a page, without the name of its outlet. Pure."""

from __future__ import annotations

import re
from html import unescape

from lxml.html import HtmlElement

from crawler.outlet import Outlet, without_outlet
from crawler.page_metadata import Metas, text_of
from crawler.paragraphs import text_key
from crawler.structured_data import StructuredData, first_string

ALIKE = 0.5
"""Share of the shorter headline's words that two headlines of one article share at least."""
MAX_LENGTH = 500
"""Characters."""

_KEY = re.compile(r"[a-z0-9]+(?:[-_][a-z0-9]+)*")
"""A file name or a key of the template ("escenic", "child-seats-2018") is no headline while there is another."""


def page_title(tree: HtmlElement, data: StructuredData, metas: Metas, outlet: Outlet) -> str:
    """The headline that the page's data, its meta tags or its headings give, in this order; "" when it has none.

    The headline of the data counts only when what a reader sees confirms it: live pages put that of their last entry there.
    """
    headings = [text for element in tree.iter("h1") if (text := _without_markup(text_of(element)))]
    head = next((text for element in tree.iter("title") if (text := text_of(element))), "")
    shown = [*metas.get("og:title", ()), *headings, head]
    declared = _without_markup(first_string(data.article.get("headline")) or "")
    candidates = [
        declared if _is_confirmed(declared, shown) else "",
        *metas.get("og:title", ()),
        *metas.get("citation_title", ()),
        first_string(data.article.get("name")),
        *metas.get("twitter:title", ()),
        *metas.get("parsely-title", ()),
        *metas.get("dc.title", ()),
        *(headings if len(headings) == 1 else ()),
        head,
        *headings,
        declared,
        *(text for element in tree.iter("h2") if (text := text_of(element))),
    ]
    titles = [title for raw in candidates if raw and (title := _without_markup(raw))]
    title = next((title for title in titles if not _KEY.fullmatch(title)), titles[0] if titles else "")
    return _untruncated(without_outlet(title, outlet, headings), headings)[:MAX_LENGTH]


def _is_confirmed(headline: str, shown: list[str]) -> bool:
    words = set(text_key(headline).split())
    if not words:
        return False
    others = [other for raw in shown if (other := set(text_key(raw).split()))]
    return not others or any(len(words & other) >= ALIKE * min(len(words), len(other)) for other in others)


def _untruncated(title: str, headings: list[str]) -> str:
    """The heading that a title ending in dots was cut from."""
    stem = re.sub(r"\s*(?:…|\.{3})$", "", title)
    if stem != title and len(stem) >= 20:
        return next((heading for heading in headings if heading.startswith(stem)), title)
    return title


def _without_markup(raw: str) -> str:
    text = re.sub(r"</?[a-zA-Z][^<>]{0,100}>", "", unescape(raw))
    return " ".join(text.replace("\u00ad", "").replace("\u200b", "").split())
