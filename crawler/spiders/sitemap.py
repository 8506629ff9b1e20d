"""Sitemaps, news sitemaps and indexes of them, gzipped or not (sitemaps.org, protocol 0.9)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from scrapy.http import Response
from scrapy.utils.gz import gunzip, gzip_magic_number

from crawler.addresses import absolute_url, is_web_url
from crawler.items import Entry
from crawler.lenient_xml import xml_text
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

    text = xml_text(body)
    if not text.startswith("<"):
        return _plain(text)
    body = text.encode()
    try:
        sitemap = Sitemap(body)
        rows: list[dict[str, Any]] = list(sitemap)
    except (LxmlError, StopIteration, TypeError, ValueError) as error:
        raise ListingError("this is no sitemap") from error
    if sitemap.type not in ("urlset", "sitemapindex"):
        raise ListingError(f"this is no sitemap but <{sitemap.type}>")
    oldest = datetime.min.replace(tzinfo=UTC)
    if sitemap.type == "sitemapindex":
        changed = [(parse_moment(row.get("lastmod")), absolute_url(url, row["loc"])) for row in rows]
        children = sorted(changed, key=lambda child: child[0] or oldest, reverse=True)
        wanted = [address for moment, address in children if since is None or moment is None or moment >= since]
        return Listing(more=tuple(wanted), conditional=False)
    published = _news_dates(body)
    entries = [
        Entry(absolute_url(url, row["loc"]), published.get(row["loc"]), parse_moment(row.get("lastmod")))
        for row in rows
    ]
    return Listing(tuple(sorted(entries, key=lambda entry: entry.updated or entry.published or oldest, reverse=True)))


def _plain(text: str) -> Listing:
    """One address a line; a line that is none is passed over, but most must be."""
    lines = [line.strip() for line in text.replace("&amp;", "&").splitlines() if line.strip()]
    addresses = [line for line in lines if is_web_url(line) and len(line.split()) == 1]
    if len(addresses) * 2 <= len(lines):
        raise ListingError("this is no sitemap")
    return Listing(tuple(Entry(address) for address in addresses))


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
        try:
            return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
        except OverflowError:  # The first or last day that there is, in another zone.
            return None
    return None
