"""The CSS selectors that a source may give for body, title, author and date, where extraction alone goes wrong on its pages. Pure.

`remove` says what to take out before anything is read; extract_page does that too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from db.models import Article

_DAY = timedelta(days=1)
_BLOCKS = "p, h2, h3, h4, li, blockquote, pre"


def apply_hints(article: Article, html: bytes, content_type: str | None, hints: Mapping[str, str]) -> Article:
    """The article with what the selectors find. A selector that finds nothing leaves what extraction found."""
    from parsel import Selector
    from trafilatura.utils import decode_file

    charset = re.search(r"charset=[\"']?([\w-]+)", content_type or "", re.IGNORECASE)
    try:
        text = html.decode(charset[1]) if charset else decode_file(html)
    except (LookupError, UnicodeDecodeError):
        text = decode_file(html)
    page = Selector(text=text)
    if "remove" in hints:
        page.css(hints["remove"]).drop()
    titles = [_text(element) for element in page.css(hints["title"])] if "title" in hints else []
    body = _paragraphs(page.css(hints["body"])) if "body" in hints else ""
    authors = [_text(element) for element in page.css(hints["author"])] if "author" in hints else []
    dates = [_moment(element) for element in page.css(hints["date"])] if "date" in hints else []
    return replace(
        article,
        title=next(filter(None, titles), article.title),
        text=body or article.text,
        authors=tuple(dict.fromkeys(name for name in authors if name)) or article.authors,
        published_at=next((date for date in dates if date is not None), article.published_at),
    )


def _paragraphs(elements: Any) -> str:
    blocks: list[str] = []
    for element in elements:
        inner = element.css(_BLOCKS)
        # A block inside a block (a paragraph in a quotation) is part of the outer one.
        outer = [block for block in inner if not block.xpath("ancestor::*[self::p or self::li or self::blockquote]")]
        blocks.extend(_text(block) for block in outer or [element])
    return "\n\n".join(block for block in blocks if block)


def _text(element: Any) -> str:
    return " ".join("".join(element.xpath(".//text()[not(ancestor::script or ancestor::style)]").getall()).split())


def _moment(element: Any) -> datetime | None:
    for candidate in (element.attrib.get("datetime"), element.attrib.get("content"), _text(element)):
        try:
            moment = datetime.fromisoformat((candidate or "").strip())
        except ValueError:
            continue
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return _from_words(_text(element))


def _from_words(text: str) -> datetime | None:
    from htmldate.extractors import try_date_expr

    found = try_date_expr(text, "%Y-%m-%d", True, datetime(1990, 1, 1), datetime.now() + _DAY)  # noqa: DTZ001, DTZ005 (htmldate's are naive)
    return datetime.fromisoformat(found).replace(tzinfo=UTC) if found else None
