"""The text of a page's article, as paragraphs: trafilatura, mended where the page itself says better. Pure.

Each mend was measured on the labelled pages of shared/data (tests/crawler/test_extraction_quality.py holds the sum of them).
"""

from __future__ import annotations

import logging
import re
import unicodedata
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass

from lxml.html import HtmlElement

from crawler.boilerplate import is_boilerplate
from crawler.page_metadata import Metas
from crawler.structured_data import StructuredData, comment_text, first_string, plain_text

logging.getLogger("trafilatura").setLevel(
    logging.CRITICAL
)  # it reports every thin page as an error; the caller does that

SHORT_RESULT = 1_000
"""Characters. Under this length the quick extraction has often missed the article, so the thorough one is asked too."""
MUCH_LONGER = 1.5
LINK_WORDS = 8
"""A line of so many words that is one link and nothing else points to another article."""
TEASER_WORDS = 5
LEAD_WORDS = 8
MAX_LEAD = 1_500
MAX_LEADS = 2

MAX_BOX = 500
"""Characters. A box of a newsletter or an advertisement says little; anything longer may be the article around it."""

_PAGE = frozenset(("body", "html", "main", "article"))
_ADVERT = re.compile(
    r"\s*(?:advertisement|advertorial|anzeige|werbung|publicit[ée]|publicidad|sponsored(?: content| by)?|promoted)\s*\W*\s",
    re.I,
)
_INVISIBLE = dict.fromkeys(
    (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, 0xAD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF)
)
_WORD = re.compile(r"\w+")
_BLOCKS = frozenset(
    [
        "p",
        "div",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "section",
        "article",
        "ul",
        "ol",
        "table",
        "header",
        "main",
        "aside",
        "figure",
        "form",
        "blockquote",
    ]
)
_NOT_TEXT = frozenset(
    [
        "script",
        "style",
        "nav",
        "footer",
        "aside",
        "form",
        "figure",
        "figcaption",
        "button",
        "noscript",
        "select",
        "iframe",
        "svg",
        "table",
        "ul",
        "ol",
        "head",
        "template",
    ]
)
_LEAD_CLASS = re.compile(
    r"lead|teaser|intro|standfirst|sub-?title|sub-?head|summary|\bdek|chapo|vorspann|abstract|excerpt|description|bajada|copete"
    r"|entradilla|deck|preamble|ingress|sumario",
    re.IGNORECASE,
)
_OTHER_CLASS = re.compile(
    r"byline|author|date|time|meta|share|social|caption|credit|breadcrumb|nav|menu|comment|cookie|consent|newsletter|promo|advert"
    r"|related|tags?\b|banner|login|search|paywall|sample-notice",
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
    _undo_layout_tables(tree)
    lines = clean_text(_extract(tree, url)).split("\n\n")
    lines = _unrepeated(line for line in lines if line)
    lines, left_out = _without_boilerplate(lines, tree)
    titles = {_key(raw) for raw in (*metas.get("og:title", ()), *(h.text_content() for h in tree.iter("h1")))}
    while lines and _key(lines[0]) in titles:
        lines = lines[1:]
    lines = [*_missing_lead(lines, tree, data, metas), *lines]
    text = "\n\n".join(lines)
    if len(declared) > 3 * len(text) or (len(lines) == 1 and _key(declared) == _key(text)):
        # Either the page shows next to nothing, or trafilatura took this very property and lost its paragraphs.
        text = declared
    return Body(text, tuple(left_out))


def clean_text(text: str) -> str:
    """NFC, no control characters or soft hyphens, every run of spaces one space, paragraphs separated by one blank line."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n").translate(_INVISIBLE))
    return "\n\n".join(line for raw in text.splitlines() if (line := " ".join(raw.split())))


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
        key = _key(line)
        if len(key) < 40 or key not in seen:
            kept.append(line.strip("| ") if line.startswith("|") else line.removeprefix("- "))
        seen.add(key)
    return [line for line in kept if line]


def _without_boilerplate(lines: list[str], tree: HtmlElement) -> tuple[list[str], list[str]]:
    """Lines that belong to the article, and those that point elsewhere."""
    links = {
        key
        for link in tree.iter("a")
        if link.get("href") and len((key := _key(link.text_content())).split()) >= LINK_WORDS
    }
    kept = [line for line in lines if not is_boilerplate(line) and _key(line) not in links]
    if sum(map(len, kept)) * 2 < sum(map(len, lines)):
        # More links than text: a list of links is what this page publishes.
        kept = [line for line in lines if not is_boilerplate(line)]
    left = set(kept)
    return kept, [line for line in lines if line not in left]


def _missing_lead(lines: list[str], tree: HtmlElement, data: StructuredData, metas: Metas) -> list[str]:
    """The standfirst, which extractors take for part of the page's head: what stands between headline and first paragraph."""
    if not lines:
        return []
    blocks = list(_text_blocks(tree))
    keys = [_key(text) for _, text in blocks]
    first = _key(lines[0])
    start = next(
        (i for i, key in enumerate(keys) if key == first or (len(first) > 80 and key.startswith(first[:80]))), None
    )
    whole = _key(" ".join(lines))
    headlines = {
        key for raw in (*metas.get("og:title", ()), *(h.text_content() for h in tree.iter("h1"))) if (key := _key(raw))
    }
    described = _described_lead(blocks[:start], keys, whole, data, metas)
    if described is not None:
        lines = [described, *lines]
        whole = _key(described) + " " + whole
    if start is None:
        return [described] if described else []
    above = [i for i in range(start) if blocks[i][0].tag == "h1" or keys[i] in headlines]
    between = blocks[above[-1] + 1 : start] if above else []
    leads = [
        text
        for element, text in between
        if _is_lead(element, text) and _key(text) not in whole and _key(text) not in headlines
    ]
    if len(leads) > 3 * MAX_LEADS:
        leads = []  # That is another article, or a list of them.
    return [*leads[:MAX_LEADS], *([described] if described else [])]


def _described_lead(
    blocks: list[tuple[HtmlElement, str]], keys: list[str], whole: str, data: StructuredData, metas: Metas
) -> str | None:
    """The visible block that begins as the page's description does, when the text lacks it."""
    for raw in (
        *metas.get("og:description", ()),
        *metas.get("description", ()),
        first_string(data.article.get("description")),
    ):
        key = " ".join(_key(raw or "").split()[:12])
        if len(key.split()) < 5:
            continue
        if key in whole:
            return None
        for (element, text), block_key in zip(blocks, keys, strict=False):
            if (
                block_key.startswith(key)
                and len(text) < MAX_LEAD
                and element.tag != "h1"
                and _link_share(element, text) < 0.5
            ):
                return text
    return None


def _is_lead(element: HtmlElement, text: str) -> bool:
    parent = element.getparent()
    names = " ".join(
        node.get(name) or ""
        for node in (element, parent)
        if node is not None
        for name in ("class", "id", "itemprop", "data-testid")
    )
    lead = _LEAD_CLASS.search(names) is not None
    return (
        len(text.split()) >= (6 if lead else LEAD_WORDS)
        and len(text) <= MAX_LEAD
        and (lead or (text.rstrip("\"'”’»« )")[-1:] in ".!?…" and _OTHER_CLASS.search(names) is None))
        and element.tag != "h1"
        and _link_share(element, text) <= 0.3
        and not is_boilerplate(text)
    )


def _text_blocks(tree: HtmlElement) -> Iterator[tuple[HtmlElement, str]]:
    """The smallest blocks that hold text, in page order, without navigation, asides and the like."""
    body = tree.find(".//body")
    stack = [tree if body is None else body]
    while stack:
        element = stack.pop()
        if not isinstance(element.tag, str) or element.tag in _NOT_TEXT:
            continue
        is_leaf = element.tag in ("p", "h1", "h2", "h3", "h4", "h5") or not any(
            child.tag in _BLOCKS for child in element.iterdescendants()
        )
        if is_leaf:
            if text := clean_text(element.text_content().replace("\n", " ")):
                yield element, text
        else:
            stack.extend(reversed(element))


def _link_share(element: HtmlElement, text: str) -> float:
    return sum(len(" ".join(link.text_content().split())) for link in element.iter("a")) / max(1, len(text))


def _drop_comments(tree: HtmlElement, data: StructuredData) -> None:
    """Takes out the elements that hold the comments which the page's data names."""
    if not data.comments:
        return
    texts = {_key(plain_text(comment_text(item))) for item in data.comments}
    for element in tree.xpath("//*[contains(@itemtype, 'schema.org/Comment')]"):
        _drop(element)
    for element in tree.xpath("//body//*[self::p or self::div or self::blockquote or self::li]"):
        if element.getparent() is not None and len(key := _key(element.text_content())) > 0 and key in texts:
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
        if len(text := " ".join(box.itertext())) < MAX_BOX and _ADVERT.match(text):
            _drop(box)
    for teasers in tree.xpath("//ul[count(li) > 1] | //ol[count(li) > 1]"):
        if all(_is_teaser(item) for item in teasers.iterchildren("li")):
            _drop(teasers)


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


def _key(text: str) -> str:
    return " ".join(_WORD.findall(text)).casefold()


def _drop(element: HtmlElement) -> None:
    if element.getparent() is not None:
        element.drop_tree()
