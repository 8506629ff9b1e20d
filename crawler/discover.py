"""Which feeds and sitemaps a site has, and whether each configured source still answers. A handful of requests with the standard
library, under the same rules as a crawl: robots.txt obeyed, private addresses refused, sizes and times limited. Writes nothing.
"""

from __future__ import annotations

import gzip
import http.client
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from scrapy.http import Headers, Response
from scrapy.responsetypes import responsetypes

from crawler.guard import AddressRefusedError, connect_public
from crawler.items import Entry
from crawler.settings import ROBOTSTXT_USER_AGENT, user_agent
from crawler.sources import CrawlSettings, Source, SourcesFile
from crawler.spiders.feed import read_feed
from crawler.spiders.kinds import spider_of
from crawler.spiders.listing import Listing, ListingError, Scope
from crawler.spiders.sitemap import read_sitemap
from db.models import DebatewatchError, InputError, to_iso, utc_now

USUAL_PLACES = (
    "/feed",
    "/rss",
    "/rss.xml",
    "/feed.xml",
    "/atom.xml",
    "/index.xml",
    "/sitemap.xml",
    "/sitemap_index.xml",
    "/news-sitemap.xml",
)
"""Where the common publishing systems put them (WordPress, Ghost, Hugo, Jekyll, Substack)."""
_FEED_TYPES = ("application/rss+xml", "application/atom+xml", "application/feed+json", "application/json")
_STEPS = 4
"""Listings read to check a source: a list of crawls, the number of pages of an index and one of them, for example."""


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back. `url` is the address after redirects; `body` is decompressed."""

    url: str
    status: int
    content_type: str
    body: bytes
    content_range: str = ""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A feed or sitemap that could become a source. `entries` is what it lists now."""

    kind: str
    url: str
    title: str | None
    entries: int

    def to_json(self) -> dict[str, object]:
        """For --json."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class SourceCheck:
    """Whether a source answers: how many pages it lists, the newest date among them, and what is wrong."""

    source_id: str
    ok: bool
    entries: int
    newest: str | None
    reason: str | None

    def to_json(self) -> dict[str, object]:
        """For --json."""
        return asdict(self)


class FetchError(DebatewatchError):
    """An address gave nothing that can be read; says why."""


class Fetcher:
    """Fetches single addresses politely. `allow_private` is for addresses of one's own network."""

    def __init__(self, settings: CrawlSettings, *, allow_private: bool = False) -> None:
        self._settings = settings
        self._robots: dict[str, Any] = {}
        handlers: list[Any] = [] if allow_private else [_GuardedHTTP(), _GuardedHTTPS()]
        if allow_private:
            handlers.append(urllib.request.ProxyHandler({}))
        self._opener = urllib.request.build_opener(*handlers)
        self._opener.addheaders = [("User-Agent", user_agent(settings.contact)), ("Accept-Encoding", "gzip")]

    def get(self, url: str) -> Answered:
        """One address, redirects followed. Raises FetchError with the reason in words, robots.txt among them."""
        if urlsplit(url).scheme not in ("http", "https"):
            raise FetchError("not a web address")
        if not self._allowed(url):
            raise FetchError("disallowed by robots.txt")
        return self._get(url)

    @property
    def max_bytes(self) -> int:
        """Of one answer."""
        return self._settings.max_bytes

    def response(self, url: str, *, headers: Mapping[str, str], source: Source) -> Response:
        """A listing of a source, as a spider gets it. Raises FetchError."""
        open_api = source.documented_api and urlsplit(url).netloc == urlsplit(source.url).netloc
        if not open_api and not self._allowed(url):
            raise FetchError("disallowed by robots.txt")
        answer = self._get(urldefrag(url).url, headers)
        kept = Headers({"Content-Type": answer.content_type, "Content-Range": answer.content_range})
        address = url if answer.url == urldefrag(url).url else answer.url
        kind = responsetypes.from_args(headers=kept, url=address, body=answer.body)
        return kind(address, status=answer.status, headers=kept, body=answer.body)

    def robots(self, url: str) -> bytes:
        """The robots.txt of a site, empty when there is none. Raises FetchError when it cannot be had (RFC 9309, 2.3.1.4)."""
        try:
            return self._get(urljoin(url, "/robots.txt")).body
        except _HTTPStatusError as error:
            if 400 <= error.status < 500 and error.status != 429:
                return b""
            raise FetchError(f"robots.txt unreachable ({error}), so nothing is fetched") from error
        except FetchError as error:
            raise FetchError(f"robots.txt unreachable ({error}), so nothing is fetched") from error

    def _allowed(self, url: str) -> bool:
        from protego import Protego

        site = urlsplit(url).netloc
        if site not in self._robots:
            self._robots[site] = Protego.parse(self.robots(url).decode("utf-8", errors="replace"))
        return bool(self._robots[site].can_fetch(url, ROBOTSTXT_USER_AGENT))

    def _get(self, url: str, headers: Mapping[str, str] | None = None) -> Answered:
        limit = self._settings.max_bytes
        try:
            request = urllib.request.Request(url, headers=dict(headers or {}))  # noqa: S310 (callers check the scheme)
            with self._opener.open(request, timeout=self._settings.timeout) as response:
                body = response.read(limit + 1)
                if response.headers.get("Content-Encoding") == "gzip":
                    body = _gunzip(body, limit)
                if len(body) > limit:
                    raise FetchError(f"larger than {limit} bytes")
                kind, stretch = (response.headers.get(name, "") for name in ("Content-Type", "Content-Range"))
                return Answered(response.url, response.status, kind, body, stretch)
        except urllib.error.HTTPError as error:
            raise _HTTPStatusError(error.code) from error
        except AddressRefusedError as error:
            raise FetchError(str(error)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            if isinstance(cause, AddressRefusedError):
                raise FetchError(str(cause)) from error
            raise FetchError(" ".join(str(cause).split()) or type(cause).__name__) from error


class _HTTPStatusError(FetchError):
    def __init__(self, status: int) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status


class _PublicHTTPConnection(http.client.HTTPConnection):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._create_connection = connect_public


class _PublicHTTPSConnection(http.client.HTTPSConnection):
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._create_connection = connect_public


class _GuardedHTTP(urllib.request.HTTPHandler):
    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_PublicHTTPConnection, req)


class _GuardedHTTPS(urllib.request.HTTPSHandler):
    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(_PublicHTTPSConnection, req)


def _gunzip(body: bytes, limit: int) -> bytes:
    from io import BytesIO

    with gzip.GzipFile(fileobj=BytesIO(body)) as stream:
        return stream.read(limit + 1)


def discover(url: str, *, allow_private: bool = False, settings: CrawlSettings | None = None) -> list[Candidate]:
    """The feeds and sitemaps of the site that `url` lies on, those it declares first; each was fetched and read.

    Raises InputError when the site itself does not answer.
    """
    fetcher = Fetcher(settings or CrawlSettings(timeout=10), allow_private=allow_private)
    try:
        page = fetcher.get(url)
        robots = fetcher.robots(page.url)
    except FetchError as error:
        raise InputError(f"{url}: {error}; give the address of a page of the site") from error
    declared = {**_linked_feeds(page), **dict.fromkeys(_robots_sitemaps(robots, page.url))}
    places = {urljoin(page.url, place): None for place in USUAL_PLACES}
    found: list[Candidate] = []
    seen: set[str] = set()
    for address, title in {
        page.url: None,
        **declared,
        **{p: t for p, t in places.items() if p not in declared},
    }.items():
        try:
            answer = page if address == page.url else fetcher.get(address)
        except FetchError:
            continue
        kind, listing = _read_as_any(answer)
        if kind is not None and answer.url not in seen:
            seen.add(answer.url)
            found.append(Candidate(kind, answer.url, title, len(listing.entries) or len(listing.more)))
    return found


def _linked_feeds(page: Answered) -> dict[str, str | None]:
    from parsel import Selector

    links = Selector(text=page.body.decode("utf-8", errors="replace")).css("link[rel~=alternate][href]")
    return {
        urljoin(page.url, link.attrib["href"]): link.attrib.get("title")
        for link in links
        if link.attrib.get("type", "").lower() in _FEED_TYPES
    }


def _robots_sitemaps(robots: bytes, url: str) -> list[str]:
    from protego import Protego

    return [urljoin(url, address) for address in Protego.parse(robots.decode("utf-8", errors="replace")).sitemaps]


def _read_as_any(answer: Answered) -> tuple[str | None, Listing]:
    body = _gunzip(answer.body, 50_000_000) if answer.body[:2] == b"\x1f\x8b" else answer.body
    try:
        return "sitemap", read_sitemap(body, answer.url)
    except ListingError:
        pass
    try:
        return "feed", read_feed(body, answer.url, answer.content_type or "application/xml")
    except ListingError:
        return None, Listing()


def check_sources(sources: SourcesFile, *, only: Sequence[str] = ()) -> list[SourceCheck]:
    """Asks each source (those of the ids in `only`, or all) for its listing. Raises UnknownNameError for an unknown id."""
    chosen = sources.pick(list(only))
    with ThreadPoolExecutor(max_workers=sources.crawl.concurrency) as pool:
        return list(pool.map(lambda source: _check(source, sources.crawl), chosen))


def _check(source: Source, settings: CrawlSettings) -> SourceCheck:
    fetcher = Fetcher(settings, allow_private=source.allow_private)
    try:
        entries = _entries(source, fetcher)
    except (FetchError, ListingError) as error:
        return SourceCheck(source.id, False, 0, None, " ".join(str(error).split()))
    dates: list[datetime] = [date for entry in entries for date in (entry.updated, entry.published) if date is not None]
    return SourceCheck(
        source.id, bool(entries), len(entries), to_iso(max(dates, default=None)), None if entries else "lists no page"
    )


def _entries(source: Source, fetcher: Fetcher) -> tuple[Entry, ...]:
    """What the first listing names that names pages: of an index the pages of its first child."""
    spider = spider_of(source.kind)
    scope = Scope(source, utc_now(), max_bytes=fetcher.max_bytes)
    waiting = list(spider.first(scope)[:1])
    for _ in range(_STEPS):
        if not waiting:
            break
        url = waiting[0]
        listing = spider.read(fetcher.response(url, headers=spider.listing_headers(url), source=source), scope)
        if listing.entries:
            return listing.entries
        waiting = list(listing.more or listing.later or waiting[1:])
    return ()
