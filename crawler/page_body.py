"""The text of a page's article, as paragraphs: trafilatura, mended where the page itself says better. Pure.

Each mend was measured on the labelled pages of shared/data (tests/crawler/test_extraction_quality.py holds the sum of them).
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from functools import lru_cache

from lxml.html import HtmlElement

from crawler.boilerplate import is_boilerplate
from crawler.declared_body import agree
from crawler.page_lead import missing_lead
from crawler.page_metadata import Metas
from crawler.paragraphs import clean_text, text_key
from crawler.structured_data import StructuredData, comment_text, plain_text

# It reports every thin page as an error; whoever asked for the page does that.
logging.getLogger("trafilatura").setLevel(logging.CRITICAL)

SHORT_RESULT = 1_000
"""Characters. Under this length the quick extraction has often missed the article, so the thorough one is asked too."""
MUCH_LONGER = 1.5
LINK_WORDS = 8
"""A line of so many words that is one link and nothing else points to another article."""
TEASER_WORDS = 5
"""A list of which every item begins with a link of so many words is a list of other articles."""
MAX_BOX = 500
"""Characters. A box of a newsletter or an advertisement says little; anything longer may be the article around it."""

_BESIDE = re.compile(
    r"author[\w-]*(?:bio|box|card|desc|info|about|profile)|about-?(?:the-?)?author|\bbio(?:graphy)?\b|viafoura|\bcoral-|recirc"
    r"|visually-?hidden|\bsr-only\b|screen-?reader|a11y-?(?:hidden|skip)"
    r"|(?:inline-?)?related-?(?:content|articles?|stories|links?|posts?)|inline-?promo",
    re.IGNORECASE,
)
"""Class names and ids of what stands beside an article: notes on its authors, words for screen readers, comment forms, teasers."""
_BESIDE_SHORT = re.compile(r"caption|read-?more|more-?links?\b|also-?read", re.IGNORECASE)
MAX_BESIDE = 2_000
MAX_BESIDE_SHORT = 400
"""Characters. A longer element with such a name is the page's own wrapper."""
MAX_CAPTIONS = 0.2
"""Share of a page's text; where captions are more than that, they are what the page publishes."""

_BESIDE_TAGS = frozenset(("div", "section", "aside", "p", "span", "figcaption", "a", "ul"))
_PAGE = frozenset(("body", "html", "main", "article"))
_ADVERT = re.compile(
    r"\s*(?:advertisement|advertorial|anzeige|werbung|publicit[ée]|publicidad|sponsored(?: content| by)?|promoted)\s*\W*\s",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Body:
    """text: the article's paragraphs separated by blank lines. left_out: lines beside it, such as credits, in page order."""

    text: str
    left_out: tuple[str, ...] = ()


def page_body(tree: HtmlElement, url: str, data: StructuredData, metas: Metas) -> Body:
    """The article's text; empty when the page has none. Comments are not part of it."""
    declared = clean_text(plain_text(data.article.get("articleBody") or data.article.get("text")))
    tree = deepcopy(tree)
    _drop_comments(tree, data)
    _drop_boxes(tree)
    _drop_beside(tree)
    _undo_layout_tables(tree)
    lines = clean_text(_extract(tree, url)).split("\n\n")
    lines = _unrepeated(line for line in lines if line)
    lines, left_out = _without_boilerplate(lines, tree)
    titles = {text_key(raw) for raw in (*metas.get("og:title", ()), *(h.text_content() for h in tree.iter("h1")))}
    while lines and text_key(lines[0]) in titles:
        lines = lines[1:]
    lines = [*missing_lead(lines, tree, data, metas), *lines]
    agreed = agree(lines, declared, whole=not data.from_markup)
    kept = set(agreed)
    left_out += [line for line in lines if line not in kept]
    return Body("\n\n".join(agreed), tuple(left_out))


def _extract(tree: HtmlElement, url: str) -> str:
    quick = _trafilatura(tree, url, fast=True)
    if len(quick) >= SHORT_RESULT:
        return quick
    thorough = _trafilatura(tree, url, fast=False)
    return thorough if len(thorough) > MUCH_LONGER * len(quick) else quick


def _trafilatura(tree: HtmlElement, url: str, *, fast: bool) -> str:
    from trafilatura import bare_extraction

    try:
        document = bare_extraction(tree, url=url, fast=fast, include_comments=False)
    except Exception:  # hostile markup makes it raise many kinds; a page that cannot be read has no text, and says so.
        return ""
    return "" if document is None or isinstance(document, dict) else document.text or ""


def _unrepeated(lines: Iterator[str]) -> list[str]:
    """Every long line once: templates print a paragraph twice, for print or for small screens."""
    seen: set[str] = set()
    kept = []
    for line in lines:
        key = text_key(line)
        if len(key) < 40 or key not in seen:
            kept.append(line.strip("| ") if line.startswith("|") else line.removeprefix("- "))
        seen.add(key)
    return [line for line in kept if line]


def _without_boilerplate(lines: list[str], tree: HtmlElement) -> tuple[list[str], list[str]]:
    """Lines that belong to the article, and those that point elsewhere."""
    links = {
        key
        for link in tree.iter("a")
        if link.get("href") and len((key := text_key(link.text_content())).split()) >= LINK_WORDS
    }
    kept = [line for line in lines if not is_boilerplate(line) and text_key(line) not in links]
    if sum(map(len, kept)) * 2 < sum(map(len, lines)):
        # More links than text: a list of links is what this page publishes.
        kept = [line for line in lines if not is_boilerplate(line)]
    left = set(kept)
    return kept, [line for line in lines if line not in left]


def _drop_comments(tree: HtmlElement, data: StructuredData) -> None:
    """Takes out the elements that hold the comments which the page's data names."""
    if not data.comments:
        return
    texts = {text_key(plain_text(comment_text(item))) for item in data.comments}
    for element in tree.xpath("//*[contains(@itemtype, 'schema.org/Comment')]"):
        _drop(element)
    for element in tree.xpath("//body//*[self::p or self::div or self::blockquote or self::li]"):
        if element.getparent() is not None and len(key := text_key(element.text_content())) > 0 and key in texts:
            _drop(element)


def _drop_boxes(tree: HtmlElement) -> None:
    """Takes out boxes that ask for an e-mail address, and short ones that begin by calling themselves advertising."""
    for field in tree.xpath("//input[@type='email' or contains(@name, 'email')]"):
        box = field
        while (
            (parent := box.getparent()) is not None and parent.tag not in _PAGE and len(parent.text_content()) < MAX_BOX
        ):
            box = parent
        _drop(box)
    for box in tree.xpath("//div | //section | //aside | //p"):
        first = next((text for text in box.itertext() if text.strip()), "")
        if _ADVERT.match(first + " ") and sum(map(len, box.itertext())) < MAX_BOX:
            _drop(box)
    for teasers in tree.xpath("//ul[count(li) > 1] | //ol[count(li) > 1]"):
        if all(_is_teaser(item) for item in teasers.iterchildren("li")):
            _drop(teasers)


def _drop_beside(tree: HtmlElement) -> None:
    """Takes out what its class or id calls a thing beside the article, unless it is too long for that."""
    short: list[HtmlElement] = []
    for element in tree.xpath("//body//*[@class or @id]"):
        if element.tag not in _BESIDE_TAGS:
            continue
        name = f"{element.get('class') or ''} {element.get('id') or ''}"
        length = _longest_beside(name)
        if length == 0 or len(element.text_content()) >= length:
            continue
        if length == MAX_BESIDE:
            _drop(element)
        else:
            short.append(element)
    paragraphs = sum(len(paragraph.text_content()) for paragraph in tree.iter("p"))
    if sum(len(element.text_content()) for element in short) < MAX_CAPTIONS * paragraphs:
        for element in short:
            _drop(element)


@lru_cache(maxsize=10_000)
def _longest_beside(name: str) -> int:
    """How many characters an element of this class and id may hold to stand beside an article; 0: it does not."""
    if _BESIDE.search(name):
        return MAX_BESIDE
    return MAX_BESIDE_SHORT if _BESIDE_SHORT.search(name) else 0


def _is_teaser(item: HtmlElement) -> bool:
    """A list item that begins with a link of a headline's length."""
    words = " ".join(item.itertext()).split()
    link = next(item.iter("a"), None)
    headline = [] if link is None else " ".join(link.itertext()).split()
    return len(headline) >= TEASER_WORDS and words[: len(headline)] == headline


def _undo_layout_tables(tree: HtmlElement) -> None:
    """Tables that hold whole paragraphs lay out the page; as plain blocks they are read like any other page."""
    for table in tree.xpath("//table[.//p[string-length() > 80] or .//table]"):
        for part in (table, *table.iter("tbody", "tr", "td", "th")):
            part.tag = "div"


def _drop(element: HtmlElement) -> None:
    if element.getparent() is not None:
        element.drop_tree()
