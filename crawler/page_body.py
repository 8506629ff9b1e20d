"""The text of a page's article, as paragraphs: trafilatura, mended where the page's own data says better. Pure."""

from __future__ import annotations

import logging
import re
import unicodedata
from copy import deepcopy

from lxml.html import HtmlElement

from crawler.structured_data import StructuredData, comment_text, plain_text

logging.getLogger("trafilatura").setLevel(
    logging.CRITICAL
)  # it reports every thin page as an error; the caller does that

_INVISIBLE = dict.fromkeys(
    (*range(0x09), 0x0B, 0x0C, *range(0x0E, 0x20), 0x7F, 0xAD, 0x200B, 0x200E, 0x200F, 0x2060, 0xFEFF)
)
_WORD = re.compile(r"\w+")


def page_body(tree: HtmlElement, url: str, data: StructuredData) -> str:
    """The article's paragraphs separated by blank lines; "" when the page has no text. Comments are not part of it."""
    declared = clean_text(plain_text(data.article.get("articleBody") or data.article.get("text")))
    extracted = clean_text(_extract(_without_comments(tree, data), url))
    return extracted or declared


def clean_text(text: str) -> str:
    """NFC, no control characters or soft hyphens, every run of spaces one space, paragraphs separated by one blank line."""
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n").translate(_INVISIBLE))
    return "\n\n".join(line for raw in text.splitlines() if (line := " ".join(raw.split())))


def _extract(tree: HtmlElement, url: str) -> str:
    from trafilatura import bare_extraction

    try:
        document = bare_extraction(tree, url=url, fast=True, include_comments=False)
    except (RecursionError, ValueError, TypeError):
        return ""
    return "" if document is None or isinstance(document, dict) else document.text or ""


def _without_comments(tree: HtmlElement, data: StructuredData) -> HtmlElement:
    """A copy without the elements that hold the comments which the page's data names."""
    tree = deepcopy(tree)
    if not data.comments:
        return tree
    texts = {_key(plain_text(comment_text(item))) for item in data.comments}
    for element in tree.xpath("//*[contains(@itemtype, 'schema.org/Comment')]"):
        _drop(element)
    for element in tree.xpath("//body//*[self::p or self::div or self::blockquote or self::li]"):
        if element.getparent() is not None and len(key := _key(element.text_content())) > 0 and key in texts:
            _drop(element)
    return tree


def _key(text: str) -> str:
    return " ".join(_WORD.findall(text)).casefold()


def _drop(element: HtmlElement) -> None:
    if element.getparent() is not None:
        element.drop_tree()
