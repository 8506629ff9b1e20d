"""RSS and Atom feeds. Reads what a feed names; the pages themselves are fetched like any others."""

from __future__ import annotations

from calendar import timegm
from datetime import UTC, datetime
from time import struct_time
from typing import Any
from urllib.parse import urljoin

from scrapy.http import Response

from crawler.items import Entry
from crawler.spiders.base import Listing, ListingError, SourceSpider


class FeedSpider(SourceSpider):
    """kind = "feed": any RSS or Atom; further pages by rel=next (RFC 5005)."""

    name = "feed"
    anywhere = True

    def read(self, response: Response) -> Listing:
        """The entries of a feed, in its order."""
        content_type = (response.headers.get(b"Content-Type") or b"application/xml").decode("latin-1")
        return read_feed(response.body, response.url, content_type)


def read_feed(body: bytes, url: str, content_type: str = "application/xml") -> Listing:
    """The entries of an RSS or Atom feed. Raises ListingError when the bytes are no feed."""
    import feedparser

    feed = feedparser.parse(body, response_headers={"content-type": content_type, "content-location": url})
    if not feed.entries and not feed.get("version"):
        raise ListingError("this is no RSS or Atom feed")
    entries = tuple(
        Entry(
            urljoin(url, entry.get("link", "")),
            _moment(entry, "published_parsed"),
            _moment(entry, "updated_parsed"),
        )
        for entry in feed.entries
        if entry.get("link")
    )
    following = [link.get("href", "") for link in feed.feed.get("links", []) if link.get("rel") == "next"]
    return Listing(entries, tuple(urljoin(url, href) for href in following))


def _moment(entry: Any, key: str) -> datetime | None:
    # dict.get: feedparser's own falls back from updated to published, which says nothing about a change.
    found = dict.get(entry, key)
    if not isinstance(found, struct_time):
        return None
    try:
        return datetime.fromtimestamp(timegm(found), UTC)
    except (ValueError, OverflowError, OSError):
        return None
