"""One crawl in one process: which sites at once, which sources after one another, and how it ends. crawler.run starts it in a
child process, because Twisted's reactor starts only once; `crawl_here` also serves a debugger.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import signal
import time
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crawler.freshness import LONGEST
from crawler.items import Job, Progress, Tally
from crawler.journal import Journal
from crawler.lock import RunLock
from crawler.pipelines import Collector, warm_up
from crawler.relevance import Relevance
from crawler.settings import LOG_LEVEL, base_settings, for_source, user_agent
from crawler.sources import CrawlSettings, Source
from crawler.spiders.base import scope_of
from crawler.spiders.kinds import spider_of
from crawler.spiders.listing import next_try
from crawler.warc import ArchiveWriter
from db.log import LogFormat, event
from db.models import CrawlReport, DebatewatchError, RunStatus, SourceReport, utc_now
from db.store import Store

VERSION = "1"
"""Of the way pages are collected; kept with each run."""


@dataclass(frozen=True, slots=True)
class CrawlRequest:
    """What one crawl is to do; travels to the child process."""

    store_path: Path
    settings: CrawlSettings
    relevance: dict[str, object]
    all_sources: tuple[Source, ...]
    """Every configured source: the table of sources follows the file."""
    sources: tuple[Source, ...]
    since: datetime | None
    until: datetime | None
    limit: int | None
    archive_dir: Path
    log_level: str = LOG_LEVEL
    log: LogFormat = "plain"
    """How events are written on stderr."""
    due: bool = False
    """Only sources that are due, by their own hints and their rhythm."""


def crawl_lock(store_path: Path) -> RunLock:
    """The lock that a crawl holds while it writes to a database."""
    return RunLock(store_path.with_name(f"{store_path.name}.crawl.lock"), "a crawl")


def crawl_here(request: CrawlRequest, progress: Progress) -> CrawlReport:
    """Crawls in this process, once: what `crawl` runs in a child, for a debugger. Raises what `crawl` raises."""
    with (
        Store.open(request.store_path) as store,
        crawl_lock(request.store_path),
    ):
        store.close_abandoned_runs(("crawl",))
        store.sync_sources(source.to_row() for source in request.all_sources)
        return _Crawl(request, store, progress).run()


class _Crawl:
    """One crawl: its jobs, and the one Scrapy process that runs them."""

    def __init__(self, request: CrawlRequest, store: Store, progress: Progress) -> None:
        self.request, self.store, self.progress = request, store, progress
        warm_up()
        self.run_id = store.start_run("crawl", VERSION, parameters=self._parameters())
        self.collector = Collector(store, self.run_id, Relevance.from_table(request.relevance))
        self.journal = Journal(request.archive_dir, self.run_id, info=self._info())
        self.private_hosts = frozenset(
            host.lower().rstrip(".")
            for source in request.all_sources
            if source.allow_private
            for host in (
                urlsplit(source.url).hostname or "",
                urlsplit(source.data_url).hostname or "",
                *(domain.rpartition(":")[0] or domain for domain in source.allowed_domains),
            )
        )
        self.jobs: list[Job] = []
        self.error: BaseException | None = None
        self.stopping = asyncio.Event()
        self._stop_all: Callable[[], None] = lambda: None
        self.interrupted = False

    def _parameters(self) -> dict[str, object]:
        request = self.request
        chosen = {"since": request.since, "until": request.until, "limit": request.limit}
        return {"sources": [source.id for source in request.sources]} | {
            k: v for k, v in chosen.items() if v is not None
        }

    def run(self) -> CrawlReport:
        """Crawls until every source is done, a signal comes, or nothing can be written any more."""
        started = time.monotonic()
        status: RunStatus = "failed"
        event("crawl started", run=self.run_id, sources=len(self.request.sources))
        try:
            self.journal.begin(VERSION, self._parameters(), self.request.all_sources, self.request.relevance)
            self._run_scrapy()
            if self.error is not None:
                raise self.error
            report = self._report(time.monotonic() - started)
            everything_failed = len(report.failing) == len(report.sources) > 0
            if self.interrupted:
                status = "interrupted"
            elif not everything_failed:
                status = "done" if report.ok else "partial"
        finally:
            with suppress(DebatewatchError):
                self.store.finish_run(self.run_id, status, self._counts())
            with suppress(DebatewatchError):
                self.journal.end(status)
            seconds = round(time.monotonic() - started, 1)
            event("crawl finished", run=self.run_id, status=status, seconds=seconds, counts=self._counts())
        return report

    def _run_scrapy(self) -> None:
        from scrapy.crawler import AsyncCrawlerProcess

        from crawler.middlewares import GuardedResolver

        GuardedResolver.allowed = self.private_hosts
        process = AsyncCrawlerProcess(base_settings(self.request.log_level))
        from twisted.internet import reactor

        twisted_reactor: Any = reactor
        loop = asyncio.get_event_loop()

        async def everything() -> None:
            room = asyncio.Semaphore(self.request.settings.concurrency)
            await asyncio.gather(*(self._crawl_site(process, site, room) for site in self._sites()))

        def end(done: asyncio.Task[None]) -> None:
            if not done.cancelled() and done.exception() is not None:
                self.error = self.error or done.exception()
            twisted_reactor.stop()

        def interrupt() -> None:
            self.interrupted = True
            self._stop(process)

        def orphaned(sentinel: int) -> None:
            loop.remove_reader(sentinel)
            interrupt()

        self._stop_all = lambda: self._stop(process)
        loop.create_task(everything()).add_done_callback(end)
        for number in (signal.SIGTERM, signal.SIGINT):
            with suppress(ValueError, RuntimeError, NotImplementedError):  # Only the main thread has signals.
                loop.add_signal_handler(number, interrupt)
        parent = multiprocessing.parent_process()
        if parent is not None:
            # Without its parent nobody waits for the report: end like after a signal.
            loop.add_reader(parent.sentinel, orphaned, parent.sentinel)
        process.start(stop_after_crawl=False, install_signal_handlers=False)

    def _stop(self, process: Any) -> None:
        if not self.stopping.is_set():
            self.stopping.set()
            self._ending = asyncio.ensure_future(process.stop())

    def _sites(self) -> list[list[Source]]:
        """Sources of one site are crawled one after the other: the delay is the site's, not the source's."""
        sites: dict[str, list[Source]] = {}
        for source in self.request.sources:
            sites.setdefault(urlsplit(source.url).netloc.lower(), []).append(source)
        return list(sites.values())

    async def _crawl_site(self, process: Any, site: list[Source], room: asyncio.Semaphore) -> None:
        for source in site:
            async with room:
                if not self.stopping.is_set():
                    await self._crawl_source(process, source)

    async def _crawl_source(self, process: Any, source: Source) -> None:
        from scrapy.crawler import Crawler

        job = self._job(source)
        self.jobs.append(job)
        due = self._due_at(spider_of(source.kind).first(scope_of(job))[0])
        if due is not None and due > utc_now():
            job.tally.due_at = due
            return
        crawler = Crawler(spider_of(source.kind), self._settings(source))
        try:
            await process.crawl(crawler, job=job)
            unexpected = crawler.stats.get_value("spider_exceptions/count", 0) if crawler.stats else 0
            if unexpected:
                job.tally.errors.append(
                    f"{unexpected} pages were lost over an error in the spider; crawl with a log to see it"
                )
        except Exception as error:
            job.tally.errors.append(f"{type(error).__name__}: {error}")
        finally:
            job.archive.close()

    def _due_at(self, listing: str) -> datetime | None:
        # What a site demanded with Retry-After is kept in any case.
        due = self.store.due_at(listing, refused=not self.request.due)
        tries = self.store.failed_tries(listing) if due is None and self.request.due else None
        if tries is None or not tries.final:
            return due
        # Gone for good, as it seems. Once a day it is asked all the same: who shut us out may let us in again.
        return min(next_try(tries, utc_now()), tries.last + LONGEST)

    def _settings(self, source: Source) -> Any:
        request = self.request
        backfill = request.since is not None or request.until is not None
        return for_source(request.settings, source, request.log_level, backfill=backfill)

    def _info(self) -> dict[str, str]:
        """What every file of the archive says of itself."""
        return {
            "software": user_agent(""),
            "format": "WARC File Format 1.1",
            "conformsTo": "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
            "robots": "obey",
            "operator": self.request.settings.contact,
        }

    def _job(self, source: Source) -> Job:
        request = self.request
        name = f"{source.id}-{utc_now():%Y%m%d%H%M%S}-{self.run_id}"
        return Job(
            source=source,
            settings=request.settings,
            run_id=self.run_id,
            store=self.store,
            collector=self.collector,
            archive=ArchiveWriter(request.archive_dir, name, info={**self._info(), "isPartOf": source.id}),
            journal=self.journal,
            tally=Tally(),
            report=self._progressed,
            stop=self._fail,
            stopping=self.stopping,
            private_hosts=self.private_hosts,
            since=request.since,
            until=request.until,
            limit=request.limit or source.limit or request.settings.limit,
        )

    def _fail(self, error: BaseException) -> None:
        self.error = self.error or error
        self._stop_all()

    def _progressed(self, job: Job, url: str) -> None:
        self.progress(
            sum(j.tally.done for j in self.jobs), sum(j.tally.planned for j in self.jobs), f"{job.source.id} {url}"
        )

    def _counts(self) -> dict[str, object]:
        totals: Counter[str] = Counter()
        for job in self.jobs:
            totals.update(job.tally.outcomes)
        return {**totals, "documents": self.collector.documents, "updated": self.collector.updated}

    def _report(self, seconds: float) -> CrawlReport:
        by_id = {job.source.id: job.tally for job in self.jobs}
        sources = tuple(
            _source_report(source.id, by_id[source.id]) if source.id in by_id else SourceReport(source.id, {})
            for source in self.request.sources
        )
        return CrawlReport(
            self.run_id,
            seconds,
            sources,
            self.collector.documents,
            self.collector.updated,
            interrupted=self.interrupted,
        )


def _source_report(source_id: str, tally: Tally) -> SourceReport:
    return SourceReport(source_id, dict(tally.outcomes), tuple(tally.errors), tuple(tally.notes), tally.due_at)
