"""kind of a source -> its spider. The one place that knows them all."""

from __future__ import annotations

from crawler.sources import SourceKind
from crawler.spiders.arxiv import ArxivSpider
from crawler.spiders.base import SourceSpider
from crawler.spiders.commoncrawl import CommonCrawlSpider
from crawler.spiders.commoncrawl_news import CommonCrawlNewsSpider
from crawler.spiders.feed import FeedSpider
from crawler.spiders.gdelt import GdeltSpider
from crawler.spiders.hackernews import HackerNewsSpider
from crawler.spiders.section import SectionSpider
from crawler.spiders.sitemap import SitemapSpider
from crawler.spiders.wayback import WaybackSpider

_SPIDERS: dict[SourceKind, type[SourceSpider]] = {
    "feed": FeedSpider,
    "sitemap": SitemapSpider,
    "section": SectionSpider,
    "hackernews": HackerNewsSpider,
    "arxiv": ArxivSpider,
    "gdelt": GdeltSpider,
    "wayback": WaybackSpider,
    "commoncrawl": CommonCrawlSpider,
    "commoncrawl-news": CommonCrawlNewsSpider,
}


def spider_of(kind: SourceKind) -> type[SourceSpider]:
    """The spider that collects sources of this kind."""
    return _SPIDERS[kind]
