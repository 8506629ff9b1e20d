"""What every spider does: ask for listings, choose the pages that are new or changed, hand what comes back to the pipeline.

A kind of source adds `read`: a listing's bytes -> the pages it names. Spiders touch no rows and extract nothing.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import scrapy
from scrapy.exceptions import DownloadCancelledError, DownloadTimeoutError, IgnoreRequest
from scrapy.http import Request, Response
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

from crawler.addresses import canonical_url, is_web_url
from crawler.items import Answer, Entry, Job, Page
from crawler.middlewares import PrivateAddressError, RobotsForbiddenError, describe, retry_after
from db.models import Fetch, Outcome, PageState, utc_now

RECHECK_EVERY = timedelta(hours=6)
"""A page without a date of change in its listing is looked at again at most so often."""
MAX_ENTRIES = 50_000
"""Pages taken from one listing: what a sitemap may hold at most (sitemaps.org, protocol 0.9)."""
_TEMPORARY = {408, 425, 429}
"""Client errors that time may cure; every other 4xx stays as it is."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a listing names: pages, and further listings (the next page, child sitemaps)."""

    entries: tuple[Entry, ...] = ()
    more: tuple[str, ...] = ()
    conditional: bool = True
    """False when the listing may stay as it is while those it names change."""


class ListingError(ValueError):
    """A listing that cannot be read: no feed, no sitemap, no links."""


class SourceSpider(scrapy.Spider):
    """Collects one source. `left_out` tells that pages were passed over (limit, since, until), so the listing is not done with."""

    name = "source"
    anywhere = False
    """True where pages may lie on any host (feeds are written by hand; sitemaps and link lists are not)."""

    def __init__(self, job: Job, **arguments: Any) -> None:
        super().__init__(name=job.source.id, **arguments)
        self.job = job
        self.left_out = False
        self._listings: set[str] = set()
        self._pages: set[str] = set()
        self._include = [re.compile(pattern) for pattern in job.source.include]
        self._exclude = [re.compile(pattern) for pattern in job.source.exclude]

    def read(self, response: Response) -> Listing:
        """What a listing names. Raises ListingError when it is none."""
        raise NotImplementedError

    async def start(self) -> AsyncIterator[Request]:
        """The source's own listing."""
        for request in self._ask([self.job.source.url]):
            yield request

    # --- listings -------------------------------------------------------------------------------------------------------

    def _ask(self, urls: list[str] | tuple[str, ...]) -> Iterator[Request]:
        for url in urls:
            if url not in self._listings and is_web_url(url) and len(self._listings) < self.job.source.max_pages:
                self._listings.add(url)
                # Listings first: the progress then knows early how much there is.
                yield self._request(url, "listing", self.job.state(url), self.on_listing, priority=10)

    def on_listing(self, response: Response) -> Iterator[Answer | Request]:
        """Reads a listing and asks for what it names."""
        if response.status == HTTPStatus.NOT_MODIFIED:
            yield Answer(self._fetch(response.request, "unchanged", response=response))
            return
        try:
            listing = self.read(response)
        except Exception as error:
            reason = f"unreadable listing: {describe(error)}"
            yield Answer(self._fetch(response.request, "failed", response=response, reason=reason), error)
            return
        yield Answer(
            self._fetch(response.request, "stored", response=response),
            conditional=listing.conditional,
        )
        yield from self._ask(listing.more)
        self.left_out = self.left_out or len(listing.entries) > MAX_ENTRIES
        for entry in listing.entries[:MAX_ENTRIES]:
            request = self._choose(entry)
            if request is not None:
                yield request

    # --- pages ----------------------------------------------------------------------------------------------------------

    def _choose(self, entry: Entry) -> Request | None:
        if not is_web_url(entry.url):
            return None
        url = canonical_url(entry.url)
        if url in self._pages or url in self._listings or not self._wanted(url):
            return None
        self._pages.add(url)
        if not self._in_window(entry):
            self.left_out = True
            return None
        state = self.job.state(url)
        if state is not None and not is_due(entry, state, utc_now(), self.job.settings.recheck_days):
            return None
        if self.job.tally.planned >= self.job.limit:
            self.left_out = True
            return None
        self.job.tally.planned += 1
        request = self._request(url, "page", state, self.on_page)
        request.meta["published"] = entry.published
        return request

    def _wanted(self, url: str) -> bool:
        source = self.job.source
        if not self.anywhere and not _same_site(url, source.url, source.allowed_domains):
            return False
        if source.allowed_domains and self.anywhere and not _same_site(url, source.url, source.allowed_domains):
            return False
        if self._include and not any(pattern.search(url) for pattern in self._include):
            return False
        return not any(pattern.search(url) for pattern in self._exclude)

    def _in_window(self, entry: Entry) -> bool:
        latest = entry.updated or entry.published
        if self.job.since is not None and latest is not None and latest < self.job.since:
            return False
        return self.job.until is None or entry.published is None or entry.published <= self.job.until

    def on_page(self, response: Response) -> Iterator[Page | Answer]:
        """Hands a page to the pipeline."""
        if response.status == HTTPStatus.NOT_MODIFIED:
            yield Answer(self._fetch(response.request, "unchanged", response=response))
            return
        content_type = response.headers.get(b"Content-Type")
        yield Page(
            # The pipeline decides what became of it.
            self._fetch(response.request, "stored", response=response),
            response.body,
            content_type.decode("latin-1") if content_type else None,
            response.meta.get("published"),
        )

    # --- what both share ------------------------------------------------------------------------------------------------

    def _request(self, url: str, target: str, state: PageState | None, callback: Any, priority: int = 0) -> Request:
        # dont_filter: this class asks for nothing twice, and a redirect to an address already asked for must still give an answer.
        return Request(
            url,
            callback=callback,
            errback=self.on_failure,
            priority=priority,
            dont_filter=True,
            meta={"asked": url, "target": target, "state": state},
        )

    def on_failure(self, failure: Failure) -> Iterator[Answer]:
        """A request that gave nothing to read, with the reason in words."""
        error: BaseException = failure.value or RuntimeError("no reason given")
        request: Request = failure.request  # type: ignore[attr-defined]
        response = getattr(error, "response", None) if isinstance(error, HttpError) else None
        outcome: Outcome = "failed"
        final = False
        if isinstance(error, RobotsForbiddenError | PrivateAddressError):
            outcome, final, reason = "disallowed", True, str(error)
        elif response is not None:
            final = 400 <= response.status < 500 and response.status not in _TEMPORARY
            reason = _http_reason(response)
        elif isinstance(error, DownloadTimeoutError):
            reason = f"no answer within {self.job.settings.timeout:g} s"
        elif isinstance(error, DownloadCancelledError) or "DOWNLOAD_MAXSIZE" in str(error):
            final, reason = True, f"larger than {self.job.settings.max_bytes} bytes"
        elif isinstance(error, IgnoreRequest):
            reason = describe(error)
        else:
            reason = f"{type(error).__name__.removesuffix('Error')}: {describe(error)}"
        yield Answer(self._fetch(request, outcome, response=response, reason=reason), final=final)

    def _fetch(
        self, request: Request | None, outcome: Outcome, *, response: Response | None = None, reason: str | None = None
    ) -> Fetch:
        assert request is not None
        meta = request.meta
        state: PageState | None = meta.get("state")
        archived = meta.get("archived") if response is not None else None
        final_url = response.url if response is not None else request.url
        etag, modified = (_header(response, name) for name in (b"ETag", b"Last-Modified"))
        if outcome == "unchanged" and state is not None:
            # A 304 need not repeat what it confirms.
            etag, modified = etag or state.etag, modified or state.last_modified
        return Fetch(
            source_id=self.job.source.id,
            url=meta["asked"],
            outcome=outcome,
            fetched_at=utc_now(),
            target=meta["target"],
            final_url=final_url if final_url != meta["asked"] else None,
            status=response.status if response is not None else None,
            reason=reason,
            bytes=len(response.body) if response is not None else None,
            seconds=round(meta["download_latency"], 3) if "download_latency" in meta else None,
            etag=etag,
            last_modified=modified,
            warc_file=archived.file if archived else None,
            warc_offset=archived.offset if archived else None,
            warc_length=archived.length if archived else None,
        )


def is_due(entry: Entry, state: PageState, now: datetime, recheck_days: float) -> bool:
    """Whether a page that is known is worth another (conditional) request.

    It is when its listing says that it changed since it was fetched, or since the date that the page itself gave (listings of
    archives carry old dates). Where the listing has no date of change, in the days after publication, when corrections are made.
    """
    if entry.updated is not None and entry.updated != entry.published:
        own = _http_date(state.last_modified)
        return entry.updated > state.fetched_at or (own is not None and entry.updated > own)
    return (
        entry.published is not None
        and now - entry.published <= timedelta(days=recheck_days)
        and now - state.fetched_at >= RECHECK_EVERY
    )


def _http_date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _http_reason(response: Response) -> str:
    try:
        words = f"HTTP {response.status} {HTTPStatus(response.status).phrase}"
    except ValueError:
        words = f"HTTP {response.status}"
    wait = retry_after(response.headers.get(b"Retry-After"))
    return f"{words}, asks to wait {wait:g} s" if wait else words


def _header(response: Response | None, name: bytes) -> str | None:
    value = response.headers.get(name) if response is not None else None
    return value.decode("latin-1") if value else None


def _same_site(url: str, home: str, allowed: tuple[str, ...]) -> bool:
    there, here = (urlsplit(address).netloc.lower().removeprefix("www.") for address in (url, home))
    if there == here or there.endswith(f".{here}"):
        return True
    return any(there == domain or there.endswith(f".{domain}") for domain in allowed)
