"""What every spider does: ask for listings, choose the pages that are new or changed, hand what comes back to the pipeline.

A kind of source adds `first` (the listings to begin with) and `read` (a listing's bytes -> the pages it names), both pure, so
that a check of the sources uses them as well. Spiders touch no rows and extract nothing.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from http import HTTPStatus
from typing import Any, ClassVar
from urllib.parse import urldefrag, urlsplit

import scrapy
from scrapy.exceptions import DownloadCancelledError, DownloadTimeoutError, IgnoreRequest
from scrapy.http import Request, Response
from scrapy.spidermiddlewares.httperror import HttpError
from twisted.python.failure import Failure

from crawler.addresses import canonical_url, is_web_url
from crawler.freshness import LONGEST_WAIT, due_at, fresh_for
from crawler.items import Answer, Entry, Job, Page
from crawler.middlewares import PrivateAddressError, RobotsForbiddenError, describe, retry_after
from crawler.spiders.listing import Listing, Scope, is_doubted, is_due, next_try
from crawler.spiders.reach import Reach, is_behind
from crawler.time_limit import time_limit
from db.models import Fetch, Outcome, PageState, utc_now

MAX_ENTRIES = 50_000
"""Pages taken from one listing: what a sitemap may hold at most (sitemaps.org, protocol 0.9)."""
_TEMPORARY = {408, 425, 429}
"""Client errors that time may cure; every other 4xx stays as it is."""
DEFAULT_LISTINGS = 10
"""Listing documents read for one source in one crawl."""
BACKFILL_LISTINGS = 1_000
"""The same on the way back to --since: at a second each, a quarter of an hour."""
ROUGHLY_RELEVANT = 0.3
"""Share of the threshold that a whole page must reach to be fetched: its menus make it longer, so that it scores lower than its
article alone."""


class SourceSpider(scrapy.Spider):
    """Collects one source. `left_out` tells that pages were passed over (limit, since, until), so the listing is not done with."""

    name = "source"
    anywhere = False
    """True where pages may lie on any host (feeds are written by hand; sitemaps and link lists are not)."""
    statuses: ClassVar[tuple[int, ...]] = ()
    """Of answers beside 2xx that are listings, too."""
    passing = False
    """True when listings are too large to be kept in the archive, and what is wanted of them is asked for again."""

    def __init__(self, job: Job, **arguments: Any) -> None:
        super().__init__(name=job.source.id, **arguments)
        self.job = job
        self.left_out = False
        self.scope = scope_of(job)
        self._backfill = job.since is not None or job.until is not None
        self._later: deque[str] = deque()
        self._open = 0
        self._most_listings = job.source.max_pages or (BACKFILL_LISTINGS if job.since else DEFAULT_LISTINGS)
        self.reach = Reach()
        self._listings: set[str] = set()
        self._pages: set[str] = set()
        self._include = [re.compile(pattern) for pattern in job.source.include]
        self._exclude = [re.compile(pattern) for pattern in job.source.exclude]

    @classmethod
    def first(cls, scope: Scope) -> tuple[str, ...]:
        """The listings to begin with, asked for one after the other."""
        return (scope.source.url,)

    @classmethod
    def read(cls, response: Response, scope: Scope) -> Listing:
        """What a listing names. Raises ListingError when it is none."""
        raise NotImplementedError

    @classmethod
    def listing_headers(cls, url: str) -> dict[str, str]:
        """Further headers of the request for a listing."""
        return {}

    async def start(self) -> AsyncIterator[Request]:
        """The source's own listings."""
        self._later.extend(self.first(self.scope))
        for request in self._next():
            yield request

    # --- listings -------------------------------------------------------------------------------------------------------

    def _ask(self, urls: tuple[str, ...]) -> Iterator[Request]:
        for url in urls:
            if url in self._listings or not is_web_url(url):
                continue
            if len(self._listings) >= self._most_listings:
                self.reach.unread += 1
                continue
            self._listings.add(url)
            self._open += 1
            # In a window of time the pages of an unchanged listing are wanted, too.
            state = None if self._backfill else self.job.state(url)
            # Listings first: the progress then knows early how much there is.
            request = self._request(url, "listing", state, self.on_listing, priority=10)
            request.headers.update(self.listing_headers(url))
            request.meta["handle_httpstatus_list"] = [*self.statuses, HTTPStatus.NOT_MODIFIED]
            request.meta["passing"] = self.passing
            yield request

    def _next(self) -> Iterator[Request]:
        """The next of the listings that wait, when none is under way."""
        while self._later and self._open == 0 and not self._full:
            yield from self._ask((self._later.popleft(),))

    @property
    def _full(self) -> bool:
        return self.job.tally.planned >= self.job.limit

    def on_listing(self, response: Response) -> Iterator[Answer | Page | Request]:
        """Reads a listing and asks for what it names."""
        self._open -= 1
        if response.status == HTTPStatus.NOT_MODIFIED:
            unchanged = self._fetch(response.request, "unchanged", response=response)
            yield Answer(replace(unchanged, due_at=due_at(unchanged.fetched_at, _fresh_for(response))))
            yield from self._next()
            return
        asked = response.meta["asked"]
        if urldefrag(asked).url == response.url:
            response = response.replace(url=asked)  # Scrapy leaves the fragment away.
        try:
            with time_limit():
                listing = self.read(response, self.scope)
        except Exception as error:
            reason = f"unreadable listing: {describe(error)}"
            yield Answer(self._fetch(response.request, "failed", response=response, reason=reason), error)
            yield from self._next()
            return
        stored = self._fetch(response.request, "stored", response=response)
        due = due_at(stored.fetched_at, _fresh_for(response), listing.hints)
        yield Answer(replace(stored, due_at=due), conditional=listing.conditional)
        self.left_out = self.left_out or not listing.complete or len(listing.entries) > MAX_ENTRIES
        for entry in self._new_first(listing.entries[:MAX_ENTRIES]):
            request = self._choose(entry, response if listing.whole else None)
            if request is not None:
                yield request
        self._later.extend(listing.later)
        if self._full and (listing.more or self._later):
            self.left_out = True
        elif not is_behind(listing, self.scope):
            yield from self._ask(listing.more)
        yield from self._next()

    def _new_first(self, entries: tuple[Entry, ...]) -> Sequence[Entry]:
        """The pages of a listing, those never had before the others where there may be room for some only: looking at known pages
        again must not keep new ones waiting for ever."""
        if len(entries) <= self.job.limit - self.job.tally.planned:
            return entries
        return sorted(entries, key=lambda entry: self.job.state(canonical_url(entry.url)) is not None)

    def closed(self, reason: str) -> None:
        """Called by Scrapy: says what a window of time did not reach, or that there was no time for more."""
        if reason == "closespider_timeout":
            minutes = self.job.settings.minutes
            self.job.tally.notes.append(f"stopped after its {minutes:g} minutes; the next crawl goes on from there")
        if self._backfill and reason == "finished":
            self.job.tally.notes.extend(
                self.reach.notes(self.scope, len(self._listings), self.job.limit if self._full else None)
            )

    # --- pages ----------------------------------------------------------------------------------------------------------

    def _choose(self, entry: Entry, holder: Response | None) -> Request | Page | None:
        """The request for a page, or the page itself when the listing `holder` holds it; None when it is not wanted now."""
        if not is_web_url(entry.url):
            return None
        url = canonical_url(entry.url)
        if url in self._pages or url in self._listings or not self._wanted(url):
            return None
        self._pages.add(url)
        if not self.reach.takes(entry, self.scope):
            self.left_out = True
            return None
        if self._must_wait(url):
            self.left_out = True
            return None
        state = self.job.state(url)
        if state is not None and is_doubted(entry, state, utc_now()):
            self.left_out = True
        if holder is not None and state is not None and (entry.updated is None or entry.updated <= state.fetched_at):
            return None
        if state is not None and not is_due(entry, state, utc_now(), self.job.settings.recheck_days):
            return None
        tries = self.job.store.failed_tries(url)
        if tries is not None and next_try(tries, utc_now()) > utc_now():
            self.left_out = self.left_out or not tries.final
            return None
        if self.job.tally.planned >= self.job.limit:
            self.left_out = True
            return None
        self.job.tally.planned += 1
        if holder is not None:
            return self._page_of(holder, url, entry)
        request = self._request(url, "page", state, self.on_page)
        if entry.ask is not None:
            request = request.replace(url=entry.ask)
        if entry.span is not None:
            request.headers["Range"] = f"bytes={entry.span[0]}-{entry.span[1]}"
        request.meta["published"] = entry.published
        return request

    def _page_of(self, holder: Response, url: str, entry: Entry) -> Page:
        fetch = self._fetch(holder.request, "stored", response=holder)
        fetch = replace(fetch, url=url, final_url=holder.url, target="page", bytes=None, seconds=None, etag=None)
        return Page(replace(fetch, last_modified=None), holder.body, _header(holder, b"Content-Type"), entry.published)

    def _must_wait(self, url: str) -> bool:
        """Whether the site asked, with a Retry-After at the last try, not to be asked for the page yet."""
        moment = self.job.store.due_at(url, refused=True)
        return moment is not None and moment > utc_now()

    def _wanted(self, url: str) -> bool:
        source = self.job.source
        if not self.anywhere and not _same_site(url, source.url, source.allowed_domains):
            return False
        if source.allowed_domains and self.anywhere and not _same_site(url, source.url, source.allowed_domains):
            return False
        if self._include and not any(pattern.search(url) for pattern in self._include):
            return False
        return not any(pattern.search(url) for pattern in self._exclude)

    def on_page(self, response: Response) -> Iterator[Page | Answer]:
        """Hands a page to the pipeline."""
        if response.status == HTTPStatus.NOT_MODIFIED:
            yield Answer(self._fetch(response.request, "unchanged", response=response))
            return
        yield Page(
            # The pipeline decides what became of it.
            self._fetch(response.request, "stored", response=response),
            response.body,
            _header(response, b"Content-Type"),
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

    def on_failure(self, failure: Failure) -> Iterator[Answer | Request]:
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
        failed = self._fetch(request, outcome, response=response, reason=reason)
        wait = retry_after(response.headers.get(b"Retry-After")) if response is not None else 0.0
        if wait:
            failed = replace(failed, due_at=failed.fetched_at + min(timedelta(seconds=wait), LONGEST_WAIT))
        yield Answer(failed, final=final)
        if request.meta["target"] == "listing":
            self._open -= 1
            yield from self._next()

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


def scope_of(job: Job) -> Scope:
    """The scope of one source in one crawl."""
    source, relevance = job.source, job.collector.relevance

    def may_be_relevant(text: str) -> bool:
        return relevance.judge("", text, source.language).score >= relevance.threshold * ROUGHLY_RELEVANT

    judge = may_be_relevant if source.relevance else _anything
    return Scope(source, utc_now(), job.since, job.until, job.settings.max_bytes, judge)


def _anything(text: str) -> bool:
    return True


def _http_reason(response: Response) -> str:
    try:
        words = f"HTTP {response.status} {HTTPStatus(response.status).phrase}"
    except ValueError:
        words = f"HTTP {response.status}"
    wait = retry_after(response.headers.get(b"Retry-After"))
    return f"{words}, asks to wait {wait:g} s" if wait else words


def _fresh_for(response: Response) -> timedelta:
    names = ("Cache-Control", "Age", "Expires", "Date")
    return fresh_for({name.lower(): _header(response, name.encode()) or "" for name in names})


def _header(response: Response | None, name: bytes) -> str | None:
    value = response.headers.get(name) if response is not None else None
    return value.decode("latin-1") if value else None


def _same_site(url: str, home: str, allowed: tuple[str, ...]) -> bool:
    there, here = (urlsplit(address).netloc.lower().removeprefix("www.") for address in (url, home))
    if there == here or there.endswith(f".{here}"):
        return True
    return any(there == domain or there.endswith(f".{domain}") for domain in allowed)
