"""Plain pages that list articles, with pagination: for sites that have neither feed nor sitemap."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from parsel import Selector
from scrapy.http import Response, TextResponse

from crawler.addresses import absolute_url, is_web_url
from crawler.items import Entry
from crawler.spiders.base import SourceSpider
from crawler.spiders.listing import Listing, ListingError, Scope

DEFAULT_LINKS = "main a[href], [role=main] a[href], article a[href], h1 a[href], h2 a[href], h3 a[href], h4 a[href]"
"""Where lists of articles stand on most sites: not in header, navigation and footer."""
_DATED = re.compile(r"/(?:19|20)\d\d[/-]\d{1,2}\b")
_NUMBERED = re.compile(r"\d{5,}")


class SectionSpider(SourceSpider):
    """kind = "section": `links` and `next` are CSS selectors; without `links`, links that look like articles."""

    name = "section"

    @classmethod
    def read(cls, response: Response, scope: Scope) -> Listing:
        """The links to articles on a section page, in its order, and its next page."""
        if not isinstance(response, TextResponse):
            raise ListingError("this is no HTML page")
        return read_section(response.selector, response.url, scope.source.links, scope.source.next)


def read_section(page: Selector, url: str, links: str | None = None, following: str | None = None) -> Listing:
    """What a section page names. Raises ListingError when it has no link to an article."""
    base = absolute_url(url, page.css("base::attr(href)").get() or "") or url
    linked = [absolute_url(base, href) for href in _hrefs(page, links or DEFAULT_LINKS)]
    found = [address for address in linked if is_web_url(address)]
    if links is None:
        found = [address for address in found if looks_like_article(address)]
    if not found:
        raise ListingError("no link to an article; set `links` to the CSS selector of the links")
    more = [absolute_url(base, href) for href in _hrefs(page, following or "a[rel~=next], link[rel~=next]")[:1]]
    return Listing(tuple(Entry(address) for address in dict.fromkeys(found)), tuple(more))


def looks_like_article(url: str) -> bool:
    """True for an address with a date, a long number, or a slug of at least four words."""
    path = urlsplit(url).path
    last = path.rstrip("/").rpartition("/")[2]
    return bool(_DATED.search(path) or _NUMBERED.search(last) or last.count("-") >= 3)


def _hrefs(page: Selector, selector: str) -> list[str]:
    hrefs = []
    for element in page.css(selector):
        # A selector may name the link or what stands around it.
        href = element.attrib.get("href") or element.css("a::attr(href)").get()
        if href and not href.startswith(("javascript:", "mailto:", "#")):
            hrefs.append(href.strip())
    return hrefs
