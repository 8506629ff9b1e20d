"""Sitemaps, news sitemaps and indexes of them, gzipped or not (sitemaps.org, protocol 0.9)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from urllib.parse import urljoin

from scrapy.http import Response
from scrapy.utils.gz import gunzip, gzip_magic_number

from crawler.addresses import is_web_url
from crawler.items import Entry
from crawler.spiders.base import SourceSpider
from crawler.spiders.listing import Listing, ListingError, Scope


class SitemapSpider(SourceSpider):
    """kind = "sitemap": newest first; of an index, the children that changed last."""

    name = "sitemap"

    @classmethod
    def read(cls, response: Response, scope: Scope) -> Listing:
        """The pages or child sitemaps that a sitemap names."""
        body = response.body
        if gzip_magic_number(response):
            body = gunzip(body, max_size=scope.max_bytes)
        return read_sitemap(body, response.url, since=scope.since)


def read_sitemap(body: bytes, url: str, *, since: datetime | None = None) -> Listing:
    """The entries of a sitemap, newest first, or the children of an index (without those that last changed before `since`).

    A plain list of addresses, one a line, is a sitemap, too (sitemaps.org, "Text file"). Raises ListingError for anything else.
    """
    from lxml.etree import LxmlError
    from scrapy.utils.sitemap import Sitemap

    if body.lstrip()[:1] != b"<":
        return _plain(body)
    try:
        sitemap = Sitemap(body)
        rows: list[dict[str, Any]] = list(sitemap)
    except (LxmlError, StopIteration, TypeError, ValueError) as error:
        raise ListingError("this is no sitemap") from error
    if sitemap.type not in ("urlset", "sitemapindex"):
        raise ListingError(f"this is no sitemap but <{sitemap.type}>")
    oldest = datetime.min.replace(tzinfo=UTC)
    if sitemap.type == "sitemapindex":
        changed = [(parse_moment(row.get("lastmod")), urljoin(url, row["loc"])) for row in rows]
        children = sorted(changed, key=lambda child: child[0] or oldest, reverse=True)
        wanted = [address for moment, address in children if since is None or moment is None or moment >= since]
        return Listing(more=tuple(wanted), conditional=False)
    published = _news_dates(body)
    entries = [
        Entry(urljoin(url, row["loc"]), published.get(row["loc"]), parse_moment(row.get("lastmod"))) for row in rows
    ]
    return Listing(tuple(sorted(entries, key=lambda entry: entry.updated or entry.published or oldest, reverse=True)))


def _plain(body: bytes) -> Listing:
    lines = body.decode("utf-8-sig", errors="replace").split()
    if not lines or not all(is_web_url(line) for line in lines):
        raise ListingError("this is no sitemap")
    return Listing(tuple(Entry(line) for line in lines))


def _news_dates(body: bytes) -> dict[str, datetime]:
    """news:publication_date by address; Scrapy's reader leaves nested elements out."""
    if b"publication_date" not in body:
        return {}
    from lxml import etree

    parser = etree.XMLParser(recover=True, resolve_entities=False, no_network=True)
    root = etree.fromstring(body, parser)
    found: dict[str, datetime] = {}
    for element in root.iter("{*}url") if root is not None else ():
        loc, date = element.findtext("{*}loc"), element.findtext(".//{*}publication_date")
        moment = parse_moment(date)
        if loc and moment is not None:
            found[loc.strip()] = moment
    return found


def parse_moment(text: str | None) -> datetime | None:
    """A W3C date or date-time (the forms of sitemaps) as UTC; a bare date is its midnight; None for anything else."""
    text = (text or "").strip()
    for candidate in (text, f"{text}-01", f"{text}-01-01"):
        try:
            moment = datetime.fromisoformat(candidate)
        except ValueError:
            continue
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return None
