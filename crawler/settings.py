"""Scrapy's settings: only what differs from its defaults, each with its reason. `for_source` adds what sources.toml decides."""

from __future__ import annotations

from importlib import metadata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scrapy.settings import Settings

    from crawler.sources import CrawlSettings, Source

BOT_NAME = "Debatewatch"
ROBOTSTXT_USER_AGENT = BOT_NAME  # The name alone: what a robots.txt would call us.
ROBOTSTXT_OBEY = True  # Off by default.

# Both on by default, and both let whoever reaches the port run Python in this process.
TELNETCONSOLE_ENABLED = False
REMOTE_CONTROL_ENABLED = False

# Only what the debate is published on; a redirect to file: or ftp: leads nowhere.
DOWNLOAD_HANDLERS = {"data": None, "file": None, "ftp": None, "s3": None}
DOWNLOAD_VERIFY_CERTIFICATES = True  # Off by default; evidence must come from who it claims to come from.
COOKIES_ENABLED = False  # Nobody is logged in, and nobody is to be followed.
REDIRECT_MAX_TIMES = 5  # RFC 9309 asks for at least five; twenty, the default, is a trap.
METAREFRESH_ENABLED = False  # News pages reload themselves with it; that is no redirect.
REFERER_ENABLED = True
HTTPERROR_ALLOWED_CODES = [304]  # "Not modified" is an answer.

AUTOTHROTTLE_ENABLED = True  # A slow site is asked less often; the delay of sources.toml is the least.
DOWNLOAD_DELAY_JITTER = 0.0  # The default waits for half of a Crawl-delay half of the time.
CONCURRENT_REQUESTS = 4  # Of one source; more would only queue behind its delay, and a stop waits for the queue.
CONCURRENT_REQUESTS_PER_DOMAIN = 2
URLLENGTH_LIMIT = (
    0  # It drops requests without a word; crawler.addresses has the limit, the guard holds redirects to it.
)
CONCURRENT_ITEMS = 1  # Pages are read one after the other: near-duplicates in one crawl must see each other.
SCHEDULER_MEMORY_QUEUE = "scrapy.squeues.FifoMemoryQueue"  # In the listing's order: a crawl cut short has the newest.
RETRY_GIVE_UP_LOG_LEVEL = "DEBUG"  # The row in `fetches` says it.
LOG_LEVEL = "CRITICAL"  # What happened is in the database, not in a log nobody reads; crawl(log_level=...) shows more.
STATS_DUMP = False
LOGSTATS_INTERVAL = 0
MEMUSAGE_ENABLED = False  # It would mail, and it measures the parent's limits.

TWISTED_DNS_RESOLVER = "crawler.middlewares.GuardedResolver"
DOWNLOADER_MIDDLEWARES = {
    "scrapy.downloadermiddlewares.robotstxt.RobotsTxtMiddleware": None,
    "crawler.middlewares.RobotsMiddleware": 100,
    "scrapy.downloadermiddlewares.offsite.OffsiteMiddleware": None,  # The spiders choose hosts by sources.toml.
    "scrapy.downloadermiddlewares.retry.RetryMiddleware": None,
    "crawler.middlewares.RetryAfterMiddleware": 550,
    # Nearer to the network than retries, so that a refusal is not tried again.
    "crawler.middlewares.AddressGuardMiddleware": 560,
    "crawler.middlewares.ConditionalMiddleware": 570,
    # Nearer than decompression (590): the archive keeps what was transferred.
    "crawler.middlewares.ArchiveMiddleware": 860,
}
ITEM_PIPELINES = {"crawler.pipelines.StorePipeline": 100}


def user_agent(contact: str) -> str:
    """The User-Agent: name, version and where its owner can be reached."""
    try:
        version = metadata.version("debatewatch")
    except metadata.PackageNotFoundError:
        version = "0"
    return f"{BOT_NAME}/{version}" + (f" (+{contact})" if contact else "")


def base_settings(log_level: str = LOG_LEVEL) -> Settings:
    """This module as Scrapy settings."""
    from scrapy.settings import Settings

    settings = Settings()
    settings.setmodule("crawler.settings", priority="project")
    settings.set("LOG_LEVEL", log_level, priority="cmdline")
    return settings


def for_source(crawl: CrawlSettings, source: Source, log_level: str = LOG_LEVEL, *, backfill: bool = False) -> Settings:
    """The settings of one source's crawler. Delays and timeouts in seconds, sizes in bytes. A backfill takes the time it needs."""
    from crawler.sources import KIND_DELAYS

    delay = max(crawl.delay, KIND_DELAYS.get(source.kind, 0.0)) if source.delay is None else source.delay
    settings = base_settings(log_level)
    settings.setdict(
        {
            "USER_AGENT": user_agent(crawl.contact),
            "DOWNLOAD_DELAY": delay,
            "AUTOTHROTTLE_START_DELAY": delay,
            "AUTOTHROTTLE_MAX_DELAY": max(60.0, delay),
            "CLOSESPIDER_TIMEOUT": 0 if backfill else crawl.minutes * 60,
            "DOWNLOAD_TIMEOUT": crawl.timeout,
            "DNS_TIMEOUT": crawl.timeout,
            "DOWNLOAD_MAXSIZE": crawl.max_bytes,
            "DOWNLOAD_WARNSIZE": 0,
            "RETRY_TIMES": crawl.retries,
            "DEFAULT_REQUEST_HEADERS": {
                "Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
                "Accept-Language": f"{source.language},en;q=0.5" if source.language not in (None, "en") else "en",
            },
        },
        priority="cmdline",
    )
    return settings
