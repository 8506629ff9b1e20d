"""Which feeds and sitemaps a site has, and whether each configured source still answers. A handful of requests, made by
crawler.fetcher under the same rules as those of a crawl. Writes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import datetime
from itertools import islice
from urllib.parse import urljoin

from crawler.addresses import absolute_url
from crawler.fetcher import Answered, Fetcher, FetchError, unpacked
from crawler.items import Entry
from crawler.middlewares import describe
from crawler.sources import CrawlSettings, Source, SourcesFile
from crawler.spiders.feed import read_feed
from crawler.spiders.kinds import spider_of
from crawler.spiders.listing import Listing, ListingError, Scope
from crawler.spiders.sitemap import read_sitemap
from db.models import InputError, to_iso, utc_now

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
MAX_DECLARED = 40
"""Feeds and sitemaps looked at of those that a site declares."""
MAX_UNPACKED = 50_000_000
_STEPS = 4
"""Listings read to check a source: a list of crawls, the number of pages of an index and one of them, for example."""


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
    linked = {**_linked_feeds(page), **dict.fromkeys(_robots_sitemaps(robots, page.url))}
    declared = dict(islice(linked.items(), MAX_DECLARED))
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
        absolute_url(page.url, link.attrib["href"]): link.attrib.get("title")
        for link in links
        if link.attrib.get("type", "").lower() in _FEED_TYPES
    }


def _robots_sitemaps(robots: bytes, url: str) -> list[str]:
    from protego import Protego

    return [absolute_url(url, address) for address in Protego.parse(robots.decode("utf-8", errors="replace")).sitemaps]


def _read_as_any(answer: Answered) -> tuple[str | None, Listing]:
    try:
        body = unpacked(answer.body, MAX_UNPACKED) if answer.body[:2] == b"\x1f\x8b" else answer.body
    except FetchError:
        return None, Listing()
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
    except (
        Exception
    ) as error:  # Answers come from strangers: whatever one of them breaks, the other sources are checked.
        return SourceCheck(source.id, False, 0, None, describe(error))
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
