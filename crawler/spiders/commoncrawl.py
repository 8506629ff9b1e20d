"""Common Crawl: captures of a site by the index of each crawl (index.commoncrawl.org, a CDX server of pywb), then each page by a
request for the bytes of its WARC record.

`url` is https://index.commoncrawl.org, `query` the addresses wanted ("example.org/blog/*"), `data_url` where the captures lie.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl, urlencode, urljoin, urlsplit

from scrapy.http import Response

from crawler.items import Entry
from crawler.spiders.answers import from_digits, read_json, read_json_object, shown
from crawler.spiders.base import SourceSpider
from crawler.spiders.listing import Listing, ListingError, Scope
from crawler.warc import iter_records
from db.models import ExtractionError

_OLDEST = datetime.min.replace(tzinfo=UTC)
_CRAWL_LASTS = timedelta(days=21)
"""A crawl takes two weeks, and is named after the one in which it began or ended."""


class CommonCrawlSpider(SourceSpider):
    """kind = "commoncrawl": crawl by crawl, the latest first; without --since, the latest alone."""

    name = "commoncrawl"
    anywhere = True
    statuses: ClassVar[tuple[int, ...]] = (HTTPStatus.NOT_FOUND,)

    @classmethod
    def first(cls, scope: Scope) -> tuple[str, ...]:
        """The list of crawls."""
        return (urljoin(scope.source.url, "/collinfo.json"),)

    @classmethod
    def read(cls, response: Response, scope: Scope) -> Listing:
        """The list of crawls, the number of pages of an index, or one of them: the address tells."""
        asked = dict(parse_qsl(urlsplit(response.url).query))
        if not asked:
            return read_crawls(response.body, response.url, scope)
        if response.status == HTTPStatus.NOT_FOUND:
            if b"No Captures found" not in response.body:
                raise ListingError(f"HTTP 404: {shown(response.body)}")
            return Listing()
        if "showNumPages" in asked:
            return read_page_count(response.body, response.url)
        return read_index(response.body, scope)


def read_crawls(body: bytes, url: str, scope: Scope) -> Listing:
    """The indexes of the crawls in the window of time, each asked how many pages it has. Raises ListingError for another answer."""
    crawls = read_json(body)
    if not isinstance(crawls, list):
        raise ListingError("this is no list of crawls")
    dated = [(_span(crawl), crawl["cdx-api"]) for crawl in crawls if isinstance(crawl, dict) and crawl.get("cdx-api")]
    dated.sort(key=lambda crawl: crawl[0], reverse=True)
    if scope.since is None and scope.until is None:
        dated = dated[:1]
    since, until = scope.since or _OLDEST, scope.until or datetime.max.replace(tzinfo=UTC)
    return Listing(
        later=tuple(
            f"{urljoin(url, api)}?{urlencode({'url': query, 'output': 'json', 'showNumPages': 'true'})}"
            for (start, end), api in dated
            if start <= until and end >= since
            for query in scope.source.query
        )
    )


def _span(crawl: dict[str, Any]) -> tuple[datetime, datetime]:
    """When a crawl ran: as it says, else by its name (CC-MAIN-2024-10 is of the tenth week of 2024)."""
    try:
        start, end = (datetime.fromisoformat(str(crawl[key])) for key in ("from", "to"))
        return tuple(moment.replace(tzinfo=moment.tzinfo or UTC) for moment in (start, end))  # type: ignore[return-value]
    except (KeyError, ValueError):
        pass
    try:
        week = datetime.strptime(f"{str(crawl.get('id'))[-7:]}-1", "%G-%V-%u").replace(tzinfo=UTC)
    except ValueError:
        return _OLDEST, _OLDEST
    return week - _CRAWL_LASTS, week + _CRAWL_LASTS


def read_page_count(body: bytes, url: str) -> Listing:
    """The pages of an index, to be asked for one after the other."""
    pages = read_json_object(body).get("pages")
    if not isinstance(pages, int):
        raise ListingError(f"no number of pages in {shown(body)!r}")
    asked = [(name, value) for name, value in parse_qsl(urlsplit(url).query) if name != "showNumPages"]
    base = url.partition("?")[0]
    return Listing(
        later=tuple(f"{base}?{urlencode([*asked, ('page', str(page))])}" for page in range(min(pages, 10_000)))
    )


def read_index(body: bytes, scope: Scope) -> Listing:
    """The captures that a page of an index names, one JSON object a line, newest first."""
    entries = []
    for line in body.splitlines():
        if not line.strip():
            continue
        capture = read_json_object(line)
        html = "html" in str(capture.get("mime-detected") or capture.get("mime") or "html")
        numbers = [str(capture.get(key, "")) for key in ("offset", "length")]
        if str(capture.get("status")) != "200" or not html or not all(number.isdigit() for number in numbers):
            continue
        offset, length = map(int, numbers)
        entries.append(
            Entry(
                str(capture.get("url")),
                seen=from_digits(capture.get("timestamp")),
                ask=f"{scope.source.data_url.rstrip('/')}/{capture.get('filename')}",
                span=(offset, offset + length - 1),
            )
        )
    entries.sort(key=lambda entry: entry.seen or _OLDEST, reverse=True)
    return Listing(tuple(entries))


def read_capture(record: bytes) -> tuple[str, bytes, str | None]:
    """Address, body and content type of the page in one WARC record. Raises ExtractionError when there is none."""
    problems: list[str] = []
    for page in iter_records(Path("record"), stream=BytesIO(record), on_error=problems.append):
        return page.url, page.body, page.headers.get("content-type")
    raise ExtractionError(f"no WARC record of a page in the answer ({problems[0] if problems else 'nothing in it'})")
