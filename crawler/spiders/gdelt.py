"""GDELT DOC 2.0: which articles of the world's press match a search (blog.gdeltproject.org/gdelt-doc-2-0-api-debuts/). It only
discovers: every article is then asked for at its own site, under that site's robots.txt.

`url` is https://api.gdeltproject.org/api/v2/doc/doc, `query` a search in its syntax ('"open source AI" sourcelang:english').
"""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import parse_qsl, urlencode, urlsplit

from scrapy.http import Response

from crawler.items import Entry
from crawler.spiders.answers import DIGITS, from_digits, read_json_object
from crawler.spiders.base import SourceSpider
from crawler.spiders.listing import Listing, ListingError, Scope

RECORDS = 250
"""Of one answer, the most that it gives; there are no further pages, so that older ones need a window that ends earlier."""


class GdeltSpider(SourceSpider):
    """kind = "gdelt": newest first; without --since, what the service searches by itself (the last three months)."""

    name = "gdelt"
    anywhere = True

    @classmethod
    def first(cls, scope: Scope) -> tuple[str, ...]:
        """One search for each query."""
        return tuple(_search(scope, query, scope.until) for query in scope.source.query)

    @classmethod
    def read(cls, response: Response, scope: Scope) -> Listing:
        """The articles of one answer, and the window before it."""
        return read_articles(response.body, response.url, scope)


def _search(scope: Scope, query: str, until: datetime | None) -> str:
    parameters = {
        "query": query,
        "mode": "ArtList",
        "format": "json",
        "sort": "DateDesc",
        "maxrecords": str(RECORDS),
    }
    if scope.since:
        parameters["startdatetime"] = f"{scope.since:{DIGITS}}"
    if until or scope.since:
        parameters["enddatetime"] = f"{until or scope.now:{DIGITS}}"
    return f"{scope.source.url}?{urlencode(parameters)}"


def read_articles(body: bytes, url: str, scope: Scope) -> Listing:
    """The articles that an answer names. Raises ListingError with GDELT's own words, which come as plain text."""
    articles = read_json_object(body).get("articles", [])
    if not isinstance(articles, list):
        raise ListingError("the answer names no articles")
    # What GDELT gives as a date is when it saw the article, at most a quarter of an hour after it appeared.
    entries = tuple(
        Entry(article["url"], published=from_digits(article.get("seendate")))
        for article in articles
        if isinstance(article, dict) and isinstance(article.get("url"), str)
    )
    dates = [entry.published for entry in entries if entry.published is not None]
    if len(articles) < RECORDS or not dates:
        return Listing(entries)
    asked = dict(parse_qsl(urlsplit(url).query))
    oldest = min(dates)
    if asked.get("enddatetime") == f"{oldest:{DIGITS}}":
        oldest -= timedelta(
            seconds=1
        )  # More than one answer holds were seen at one moment; the others are out of reach.
    return Listing(entries, (_search(scope, asked.get("query", ""), oldest),))
