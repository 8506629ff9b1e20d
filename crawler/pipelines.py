"""A fetched page -> its rows: extraction, relevance, near-duplicates, and the store's one short transaction for each page.

`Collector` is what a crawl and an import share; `StorePipeline` ties it to Scrapy. No network here.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Self

from scrapy import signals
from scrapy.crawler import Crawler
from scrapy.exceptions import DropItem

from crawler.duplicates import SHORT_WORDS, find_duplicates, signature
from crawler.extract import extract_page
from crawler.freshness import due_at, quiet_interval
from crawler.items import Answer, Job, Page
from crawler.paragraphs import storable
from crawler.readers import read_page
from crawler.relevance import Relevance
from crawler.sources import Source
from crawler.time_limit import time_limit
from db.log import event
from db.models import ArchiveError, Article, ExtractionError, Fetch, Outcome, StoreError
from db.store import Store


class Collector:
    """Turns fetched bytes into articles and keeps them. One for each run; it counts new and updated texts."""

    def __init__(self, store: Store, run_id: int, relevance: Relevance, *, step: str = "crawl") -> None:
        self.store = store
        self.run_id = run_id
        self.relevance = relevance
        self.step = step
        self.documents = 0
        self.updated = 0

    def page(
        self, source: Source, fetch: Fetch, body: bytes, *, content_type: str | None, published: datetime | None
    ) -> Outcome:
        """Extracts a page and keeps what it holds. A page that cannot be read is a `failed` fetch and a row in `failures`."""
        try:
            with time_limit():
                articles = read_page(source, fetch, body, content_type=content_type, published=published)
        except Exception as error:  # Pages come from strangers: whatever one of them breaks, the others are read.
            return self.failure(fetch, error)
        return self.articles(fetch, articles, judge=source.relevance)

    def articles(self, fetch: Fetch, articles: list[Article], *, judge: bool = True) -> Outcome:
        """Keeps an article and its comments, unless it is not about the debate. The fetch's row says what came of it."""
        article, *comments = map(storable, articles)
        if judge:
            verdict = self.relevance.judge(article.title, _judged_text(articles), article.language)
            if not verdict.relevant:
                self.store.record_fetch(
                    self.run_id,
                    replace(
                        fetch,
                        outcome="off_topic",
                        reason=f"relevance {verdict.score:g} < {self.relevance.threshold:g}",
                        final_url=article.url if article.url != fetch.url else fetch.final_url,
                        published_at=article.published_at,
                    ),
                )
                return "off_topic"
        # Comments first: the page's row tells later crawls that it is done with, so it must be the last thing written.
        for comment in comments:
            self._save(fetch.source_id, comment, None)
        return self._save(fetch.source_id, article, fetch)

    def _save(self, source_id: str, article: Article, fetch: Fetch | None) -> Outcome:
        bands: tuple[int, ...] = ()
        near: list[int] = []
        if article.kind != "comment":  # Comments are short and answer one another: only equal ones are the same.
            bands = signature(article.text).bands
            near = find_duplicates(article.text, self.store.documents_sharing_bands(bands))
        saved = self.store.save_article(self.run_id, source_id, article, bands=bands, near=near, fetch=fetch)
        if saved.updated:
            self.updated += 1
        elif saved.outcome == "stored":
            self.documents += 1
        return saved.outcome

    def answer(self, fetch: Fetch, error: BaseException | None) -> int | None:
        """The row of a fetch that gives nothing to read; its id, None for a failure. What a listing names is not fetched yet: its
        validators count only once all of it is (`settle`)."""
        if error is not None:
            self.failure(fetch, error)
            return None
        if fetch.target == "listing" and fetch.outcome == "stored":
            fetch = replace(fetch, etag=None, last_modified=None, due_at=None)
        elif fetch.target == "listing" and fetch.outcome == "unchanged":
            fetch = self._when_due(fetch)
        return self.store.record_fetch(self.run_id, fetch)

    def settle(self, fetch_id: int, fetch: Fetch) -> None:
        """A listing of which everything was had: its validators count, and it need not be asked for again before it is due."""
        self.store.settle_listing(fetch_id, self._when_due(fetch))

    def _when_due(self, fetch: Fetch) -> Fetch:
        """The listing's own time, or a later one when its source has long been quiet."""
        quiet = fetch.fetched_at - (self.store.last_new_at(fetch.source_id) or fetch.fetched_at)
        by_rhythm = due_at(fetch.fetched_at, quiet_interval(quiet))
        times = [moment for moment in (fetch.due_at, by_rhythm) if moment is not None]
        return replace(fetch, due_at=max(times, default=None))

    def failure(self, fetch: Fetch, error: BaseException) -> Outcome:
        """A page or listing that could not be read: its fetch, and a row in `failures` with the error."""
        detail = " ".join(str(error).encode("utf-8", errors="replace").decode().split())
        reason = fetch.reason or (detail or type(error).__name__)[:300]
        self.store.record_failure(self.run_id, self.step, type(error).__name__, detail, url=fetch.url)
        self.store.record_fetch(self.run_id, replace(fetch, outcome="failed", reason=reason))
        return "failed"


def _judged_text(articles: list[Article]) -> str:
    """What says whether a page is about the debate: its text, and its comments where it has next to none of its own (a thread
    that opens with a bare link is about what its comments are about)."""
    own = articles[0].text
    if len(own.split()) >= SHORT_WORDS:
        return own
    return "\n\n".join(article.text for article in articles)


def warm_up() -> None:
    """Loads what extraction and comparison load at their first use. In the middle of a crawl that would hold up the answers under
    way for seconds, and AutoThrottle would take their sites for slow ones."""
    text = "Warm-up. " * 40
    with suppress(ExtractionError):
        extract_page(
            f"<html><head><title>Page</title></head><body><p>{text}</p></body></html>".encode(), "https://example.org/a"
        )
    signature(text)


def _log(fetch: Fetch, outcome: Outcome) -> None:
    event(
        "page" if fetch.target == "page" else "listing",
        level="warning" if outcome == "failed" else "info",
        source=fetch.source_id,
        url=fetch.url,
        outcome=outcome,
        reason=fetch.reason,
        status=fetch.status,
        bytes=fetch.bytes,
        seconds=fetch.seconds,
    )


class StorePipeline:
    """Takes what the spiders hand over, one item after the other, and keeps the tally of the source."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler
        self._listings: list[tuple[int, int, Fetch]] = []
        self._unfinished = False
        crawler.signals.connect(self.closed, signal=signals.spider_closed)

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Called by Scrapy."""
        return cls(crawler)

    @property
    def _job(self) -> Job:
        job: Job = self._crawler.spider.job  # type: ignore[union-attr]
        return job

    def process_item(self, item: Page | Answer) -> Page | Answer:
        """One item -> its rows. A store that cannot be written ends the crawl; anything else concerns this page only."""
        job = self._job
        try:
            step = job.journal.item(item)
            outcome = self._page(item) if isinstance(item, Page) else self._answer(item, step)
        except (StoreError, ArchiveError) as error:
            job.stop(error)
            raise DropItem(str(error)) from error
        if item.fetch.target == "page":
            job.tally.outcomes[outcome] += 1
            job.tally.done += 1
        _log(item.fetch, outcome)
        job.report(job, item.fetch.url)
        return item

    def _page(self, item: Page) -> Outcome:
        job = self._job
        try:
            return job.collector.page(
                job.source, item.fetch, item.body, content_type=item.content_type, published=item.published
            )
        except (StoreError, ArchiveError):
            raise
        except (
            Exception
        ) as error:  # What a page holds that cannot be kept is a failure of this page: it never goes without a row.
            return job.collector.failure(item.fetch, error)

    def _answer(self, item: Answer, step: int) -> Outcome:
        job, fetch = self._job, item.fetch
        fetch_id = job.collector.answer(fetch, item.error)
        if fetch_id is not None and item.conditional and fetch.target == "listing" and fetch.outcome == "stored":
            self._listings.append((step, fetch_id, fetch))
        if fetch.outcome in ("failed", "disallowed") and fetch.target == "listing":
            job.tally.errors.append(f"{fetch.url}: {fetch.reason}")
        if fetch.outcome == "failed" and not item.final:
            self._unfinished = True
        return fetch.outcome

    def closed(self, reason: str) -> None:
        """When every page of this crawl's listings was had, the next crawl may ask whether the listings changed at all."""
        left_out = getattr(self._crawler.spider, "left_out", True)
        if reason != "finished" or left_out or self._unfinished:
            return
        try:
            self._job.journal.validators([step for step, _, _ in self._listings])
            for _, fetch_id, fetch in self._listings:
                self._job.collector.settle(fetch_id, fetch)
        except (StoreError, ArchiveError) as error:
            self._job.stop(error)
