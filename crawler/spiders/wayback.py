"""The Wayback Machine: captures of a site by its CDX server (github.com/internetarchive/wayback, wayback-cdx-server), then each
page as it was captured (`id_`: without the archive's own links and banner).

`url` is https://web.archive.org, `query` the addresses wanted: "example.org/blog/*", "*.example.org". A page that is known already,
from its own site or an earlier capture, is not asked for.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

from scrapy.http import Response

from crawler.items import Entry
from crawler.spiders.answers import DIGITS, from_digits, read_json
from crawler.spiders.base import SourceSpider
from crawler.spiders.listing import Listing, ListingError, Scope

CAPTURES = 1_000
"""Of one answer; a resumption key leads to the next ones."""
_OLDEST = datetime(1996, 5, 1, tzinfo=UTC)
_CAPTURE = re.compile(r"/web/\d{1,14}id_/(?P<original>https?:/{1,2}.+)$")


class WaybackSpider(SourceSpider):
    """kind = "wayback": month by month, the latest first, for the server sorts by address; without --since, this month and the
    last."""

    name = "wayback"
    anywhere = True

    @classmethod
    def first(cls, scope: Scope) -> tuple[str, ...]:
        """One search for each month and query."""
        until = scope.until or scope.now
        since = scope.since or (_OLDEST if scope.until else _month_before(_month(scope.now)))
        found: list[str] = []
        month = _month(until)
        while month >= _month(since):
            end = min(until, _month(month + timedelta(days=31)) - timedelta(seconds=1))
            found.extend(_search(scope, query, max(since, month), end) for query in scope.source.query)
            month = _month_before(month)
        return tuple(found)

    @classmethod
    def read(cls, response: Response, scope: Scope) -> Listing:
        """The captures of one answer, newest first, and the rest of its month."""
        return read_captures(response.body, response.url, scope)


def _month(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def _month_before(month: datetime) -> datetime:
    return _month(month - timedelta(days=1))


def _search(scope: Scope, query: str, since: datetime, until: datetime) -> str:
    parameters = [
        ("url", query),
        ("output", "json"),
        ("fl", "timestamp,original,mimetype,statuscode"),
        ("filter", "statuscode:200"),
        ("filter", "mimetype:text/html"),
        ("collapse", "urlkey"),
        ("from", f"{since:{DIGITS}}"),
        # The end of this month, not this second: the same address then serves every crawl.
        ("to", f"{until:{DIGITS}}" if scope.until else f"{_month(until + timedelta(days=31)):{DIGITS}}"),
        ("limit", str(CAPTURES)),
        ("showResumeKey", "true"),
    ]
    return f"{scope.source.url.rstrip('/')}/cdx/search/cdx?{urlencode(parameters)}"


def read_captures(body: bytes, url: str, scope: Scope) -> Listing:
    """The captures that an answer names: rows under a first one of field names, then, after an empty one, the resumption key."""
    rows = read_json(body) if body.strip() else []
    if not isinstance(rows, list) or not all(isinstance(row, list) for row in rows):
        raise ListingError("this is no answer of a CDX server")
    fields, key = (rows[0] if rows else []), None
    if len(rows) > 2 and rows[-2] == [] and len(rows[-1]) == 1:
        key, rows = str(rows[-1][0]), rows[:-2]
    base = scope.source.url.rstrip("/")
    captures = [dict(zip(fields, row, strict=False)) for row in rows[1:]]
    entries = [
        Entry(
            str(capture["original"]),
            seen=from_digits(capture["timestamp"]),
            ask=f"{base}/web/{capture['timestamp']}id_/{capture['original']}",
        )
        for capture in captures
        if str(capture.get("timestamp", "")).isdigit()
        and capture.get("original")
        # Asked for already; a server that does not filter must not have us fetch pictures.
        and capture.get("statuscode", "200") == "200"
        and capture.get("mimetype", "text/html") == "text/html"
    ]
    entries.sort(key=lambda entry: entry.seen or _OLDEST, reverse=True)
    asked = [(name, value) for name, value in parse_qsl(urlsplit(url).query) if name != "resumeKey"]
    # The key is given as it stands in an address.
    more = (f"{base}/cdx/search/cdx?{urlencode(asked)}&resumeKey={key}",) if key else ()
    return Listing(tuple(entries), more)


def original_address(capture: str) -> str | None:
    """The address of the page that a capture shows; None when `capture` is no capture's address."""
    match = _CAPTURE.search(capture)
    return re.sub(r"^(https?:)/{1,2}", r"\1//", match["original"]) if match else None
