"""The standfirst of an article: what stands between its headline and its first paragraph, which extractors leave out. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from lxml.html import HtmlElement

from crawler.boilerplate import is_boilerplate
from crawler.page_metadata import Metas
from crawler.paragraphs import clean_text, text_key
from crawler.structured_data import StructuredData, first_string

LEAD_WORDS = 8
MAX_LEAD = 1_500
"""Characters. A block as long as this between headline and text is another article."""
MAX_LEADS = 2

_BLOCKS = frozenset(
    re.findall(r"\w+", "p div h1 h2 h3 h4 h5 section article ul ol table header main aside figure form blockquote")
)
_NOT_TEXT = frozenset(
    re.findall(
        r"\w+",
        "script style nav footer aside form figure figcaption button noscript select iframe svg table ul ol head template",
    )
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


def missing_lead(lines: list[str], tree: HtmlElement, data: StructuredData, metas: Metas) -> list[str]:
    """The standfirst, which extractors take for part of the page's head: what stands between headline and first paragraph."""
    if not lines:
        return []
    blocks = list(_text_blocks(tree))
    keys = [text_key(text) for _, text in blocks]
    first = text_key(lines[0])
    start = next(
        (i for i, key in enumerate(keys) if key == first or (len(first) > 80 and key.startswith(first[:80]))), None
    )
    whole = text_key(" ".join(lines))
    headlines = {
        key
        for raw in (*metas.get("og:title", ()), *(h.text_content() for h in tree.iter("h1")))
        if (key := text_key(raw))
    }
    described = _described_lead(blocks[:start], keys, whole, data, metas)
    if described is not None:
        lines = [described, *lines]
        whole = text_key(described) + " " + whole
    if start is None:
        return [described] if described else []
    above = [i for i in range(start) if blocks[i][0].tag == "h1" or keys[i] in headlines]
    between = blocks[above[-1] + 1 : start] if above else []
    leads = [
        text
        for element, text in between
        if _is_lead(element, text) and text_key(text) not in whole and text_key(text) not in headlines
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
        key = " ".join(text_key(raw or "").split()[:12])
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
