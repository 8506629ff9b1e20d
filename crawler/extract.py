"""HTML -> Article: what a page publishes, and the comments under it, as records. Pure: no network, no database.

The parts: structured_data.py (schema.org), page_metadata.py, page_title.py, page_dates.py, bylines.py, agencies.py and
page_body.py; this file puts them together.
"""

from __future__ import annotations

import hashlib
import re
from datetime import datetime

from lxml.html import HtmlElement

from crawler.addresses import canonical_url
from crawler.agencies import page_agency
from crawler.bylines import page_authors
from crawler.outlet import page_outlet
from crawler.page_body import page_body
from crawler.page_dates import page_dates, parse_date
from crawler.page_metadata import (
    article_kind,
    declared_address,
    declared_language,
    is_paywalled,
    page_section,
    read_metas,
    text_language,
)
from crawler.page_title import page_title
from crawler.paragraphs import clean_text
from crawler.sponsored import is_sponsored
from crawler.structured_data import (
    Item,
    StructuredData,
    comment_text,
    first_string,
    plain_text,
    read_structured_data,
    strings,
)
from db.models import Article, ExtractionError, utc_now

MAX_BYTES = 10_000_000
MAX_COMMENTS = 2_000
MAX_ATTRIBUTES = 2_000

_LONG_TAG = re.compile(r"<([a-zA-Z][\w:-]*)\s[^<>]{10000,}>")
_MARKUP = re.compile(r"<(?:script|style)\b[^<>]*>?[^<]*|<[^<>]*>?", re.IGNORECASE)
_LATIN = frozenset({
    "cp775", "cp852", "cp1250", "cp1254", "cp1257", "iso8859_2", "iso8859_4", "iso8859_9", "iso8859_10", "iso8859_13", "iso8859_16",
    "mac_latin2", "mac_turkish",
})  # fmt: skip
"""Code pages as Python calls them, which share most letters with windows-1252."""
_WESTERN = frozenset({
    "af", "ca", "da", "de", "en", "es", "eu", "fi", "fo", "fr", "ga", "gl", "is", "it", "nb", "nl", "nn", "no", "pt", "sv",
})  # fmt: skip
"""Languages that are written in windows-1252, the default of the HTML Standard (13.2.3.2) for all but some named others."""


def extract_page(
    html: bytes,
    url: str,
    *,
    content_type: str | None = None,
    fallback_date: datetime | None = None,
    now: datetime | None = None,
    comments: bool = True,
    remove: str | None = None,
) -> list[Article]:
    """The page's own article first, then the comments that its data names (kind "comment"), in page order.

    html: the body as received, decompressed. url: the address it came from. content_type: the HTTP header, for the charset.
    fallback_date: the listing's date, used when the page shows none. now: no date after it is believed (default: the present).
    remove: a CSS selector of elements that are taken out first.
    Raises ExtractionError when the page is empty, too large, not HTML, or has no text.
    """
    now = now or utc_now()
    tree = _parse(decode_page(html, content_type))
    if remove:
        _remove(tree, remove)
    data = read_structured_data(tree, url)
    metas = read_metas(tree)
    address = canonical_url(url, declared=declared_address(tree, metas))
    outlet = page_outlet(data, metas, url)
    body = page_body(tree, address, data, metas)
    text = body.text
    if not text:
        raise ExtractionError("no text found: the page holds no article, or needs a browser to show it")
    published_at, modified_at = page_dates(tree, data, metas, address, now=now, fallback=fallback_date)
    article = Article(
        url=address,
        title=page_title(tree, data, metas, outlet) or text.split("\n", 1)[0][:120],
        text=text,
        authors=page_authors(tree, data, metas, outlet),
        published_at=published_at,
        modified_at=modified_at,
        language=text_language(text, declared_language(tree, metas)),
        kind=article_kind(data, metas),
        section=page_section(data, metas),
        sitename=outlet.name,
        paywalled=is_paywalled(tree, data, metas),
        sponsored=is_sponsored(tree, data, metas, address),
        agency=page_agency(data, metas, (*text.split("\n\n"), *body.left_out), outlet.name),
    )
    return [article, *(_comments(data, article, now) if comments else ())]


def decode_page(html: bytes, content_type: str | None = None) -> str:
    """The page as text. Valid UTF-8 is UTF-8 whatever is declared; else byte order mark, HTTP header, meta tag, detection.

    Follows the WHATWG encoding standard through w3lib ("iso-8859-1" means windows-1252). Raises ExtractionError when the
    body is empty, larger than 10 MB, or binary.
    """
    if not html.strip():
        raise ExtractionError("the page is empty")
    if len(html) > MAX_BYTES:
        raise ExtractionError(f"the page has {len(html):,} bytes, more than {MAX_BYTES:,}")
    if (
        html[:4] in (b"%PDF", b"\x89PNG", b"GIF8", b"PK\x03\x04")
        or html[:3] == b"\xff\xd8\xff"
        or html[:2] == b"\x1f\x8b"
    ):
        raise ExtractionError("not an HTML page but a binary file")
    try:
        return html.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    from w3lib.encoding import html_to_unicode

    try:
        _, text = html_to_unicode(content_type, html, auto_detect_fun=_detected_encoding)
    except (LookupError, UnicodeError):  # A name of Python's that no page is written in ("idna", "zlib").
        text = html.decode(_detected_encoding(html), errors="replace")
    return str(text)


def _detected_encoding(html: bytes) -> str:
    """Of a page that declares none. Bytes alone do not tell the Latin code pages apart (a German page passes for a Polish one), but
    the language does, which its plain letters show."""
    from trafilatura.utils import detect_encoding

    found: str = next(iter(detect_encoding(html)), "windows-1252")
    if found in _LATIN:
        words = _MARKUP.sub(" ", html.decode("ascii", errors="replace")).replace("\ufffd", " ")
        if text_language(words, None) in _WESTERN:
            return "windows-1252"
    return found


def _parse(text: str) -> HtmlElement:
    from trafilatura.utils import load_html

    text = _LONG_TAG.sub(_without_attributes, text.replace("\0", ""))
    if "<" not in text:
        raise ExtractionError("not an HTML page: there is no markup in it")
    try:
        tree = load_html(text)
    except (ValueError, TypeError, RecursionError) as error:
        raise ExtractionError(f"not a readable HTML page: {error}") from error
    if tree is None:
        raise ExtractionError("not an HTML page: nothing in it could be parsed")
    return tree


def _remove(tree: HtmlElement, selector: str) -> None:
    from parsel import css2xpath

    for element in tree.xpath(css2xpath(selector)):
        if element.getparent() is not None:
            element.drop_tree()


def _without_attributes(tag: re.Match[str]) -> str:
    """libxml2 takes time in the square of the attributes of one tag: 100,000 of them are a minute and a half."""
    return f"<{tag[1]}>" if len(tag[0].split()) > MAX_ATTRIBUTES else tag[0]


def _comments(data: StructuredData, article: Article, now: datetime) -> list[Article]:
    found: dict[str, Article] = {}
    for item in data.comments[:MAX_COMMENTS]:
        text = clean_text(plain_text(comment_text(item)))
        author = first_string(item.get("author") or item.get("creator"))
        raw_date = first_string(item.get("datePublished") or item.get("dateCreated"))
        published_at = parse_date(raw_date) if raw_date else None
        address = f"{article.url}#{_comment_id(item, text, author)}"
        if not text or address in found:
            continue
        found[address] = Article(
            url=address,
            title=f"Comment on {article.title}",
            text=text,
            authors=(author,) if author and not author.startswith("http") else (),
            published_at=published_at if published_at and published_at <= now else None,
            language=text_language(text, article.language),
            kind="comment",
            section=article.section,
            sitename=article.sitename,
            paywalled=False,
            parent_url=article.url,
        )
    return list(found.values())


def _comment_id(item: Item, text: str, author: str | None) -> str:
    """The comment's own id: the fragment of its address, its identifier, else a digest that stays the same between crawls."""
    for value in (*strings(item.get("@id")), *strings(item.get("url")), *strings(item.get("mainEntityOfPage"))):
        fragment = value.partition("#")[2]
        if fragment:
            return fragment
    identifier = first_string(item.get("identifier"))
    if identifier and len(identifier) < 100 and " " not in identifier:
        return identifier
    return "comment-" + hashlib.sha256(f"{author}\n{text}".encode()).hexdigest()[:12]
