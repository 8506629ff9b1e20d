"""Feeds: RSS 0.9 to 2.0, RDF, Atom and JSON Feed, paged and archived (RFC 5005). Reads what a feed names; the pages themselves are
fetched like any others.
"""

from __future__ import annotations

import re
from calendar import timegm
from datetime import UTC, datetime
from time import struct_time
from typing import Any

from scrapy.http import Response

from crawler.addresses import absolute_url
from crawler.freshness import feed_hints
from crawler.items import Entry
from crawler.spiders.answers import read_json_object
from crawler.spiders.base import SourceSpider
from crawler.spiders.listing import Listing, ListingError, Scope
from crawler.spiders.sitemap import parse_moment

MAX_FEED_ENTRIES = 5_000
"""Of one document. Feedparser takes 0.2 ms for each, in which the crawl stands still."""
_ENTRY = re.compile(rb"<(?:[\w-]+:)?(?:item|entry)[\s>/]", re.IGNORECASE)
_CLOSE = {
    b"<rss": b"</channel></rss>",
    b"<rdf:rdf": b"</rdf:RDF>",
    b"<feed": b"</feed>",
}


class FeedSpider(SourceSpider):
    """kind = "feed"; further pages by rel=next, older ones of an archived feed by rel=prev-archive (RFC 5005, 3 and 4)."""

    name = "feed"
    anywhere = True

    @classmethod
    def read(cls, response: Response, scope: Scope) -> Listing:
        """The entries of a feed, in its order."""
        content_type = (response.headers.get(b"Content-Type") or b"application/xml").decode("latin-1")
        return read_feed(response.body, response.url, content_type)


def read_feed(body: bytes, url: str, content_type: str = "application/xml") -> Listing:
    """The entries of a feed of any format. Raises ListingError when the bytes are none."""
    if body.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
        return _read_json_feed(body, url)
    import feedparser

    short = _first_entries(body)
    # Feedparser knows no entities but those of HTML, and loads none from elsewhere.
    feed = feedparser.parse(short, response_headers={"content-type": content_type, "content-location": url})
    if not feed.entries and not feed.get("version"):
        raise ListingError("this is no RSS or Atom feed")
    entries = tuple(
        Entry(
            absolute_url(url, entry.get("link", "")),
            _moment(entry, "published_parsed"),
            _moment(entry, "updated_parsed"),
        )
        for entry in feed.entries
        if entry.get("link")
    )
    links = feed.feed.get("links", [])
    following = [link.get("href", "") for rel in ("next", "prev-archive") for link in links if link.get("rel") == rel]
    return Listing(
        entries, tuple(absolute_url(url, href) for href in following), hints=feed_hints(body), complete=short is body
    )


def _first_entries(body: bytes) -> bytes:
    """The feed without what comes after its first entries: the newest, in every feed."""
    for number, match in enumerate(_ENTRY.finditer(body)):
        if number == MAX_FEED_ENTRIES:
            head = body[:2_000].lower()
            return body[: match.start()] + next((end for start, end in _CLOSE.items() if start in head), b"")
    return body


def _read_json_feed(body: bytes, url: str) -> Listing:
    """JSON Feed 1.0 and 1.1 (jsonfeed.org/version/1.1)."""
    feed = read_json_object(body)
    items = feed.get("items")
    if "jsonfeed.org/version/" not in str(feed.get("version")) or not isinstance(items, list):
        raise ListingError("this is JSON, but no JSON feed")
    entries = [_json_entry(item, url) for item in items[:MAX_FEED_ENTRIES] if isinstance(item, dict)]
    following = feed.get("next_url")
    return Listing(
        tuple(entry for entry in entries if entry is not None),
        (absolute_url(url, following),) if isinstance(following, str) and following else (),
        complete=len(items) <= MAX_FEED_ENTRIES,
    )


def _json_entry(item: dict[str, Any], url: str) -> Entry | None:
    # Many feeds give the address as the id alone; a link blog's external_url is what its item is about, not the item.
    address = next((item[key] for key in ("url", "id", "external_url") if _is_address(item.get(key))), None)
    if address is None:
        return None
    published, updated = (parse_moment(str(item.get(key) or "")) for key in ("date_published", "date_modified"))
    return Entry(absolute_url(url, address), published, updated)


def _is_address(value: object) -> bool:
    return isinstance(value, str) and (value.startswith(("http://", "https://", "/")))


def _moment(entry: Any, key: str) -> datetime | None:
    # dict.get: feedparser's own falls back from updated to published, which says nothing about a change.
    found = dict.get(entry, key)
    if not isinstance(found, struct_time):
        return None
    try:
        return datetime.fromtimestamp(timegm(found), UTC)
    except (ValueError, OverflowError, OSError):
        return None
