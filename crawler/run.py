"""crawl(...) -> CrawlReport: runs Scrapy in a fresh process each time (its reactor starts only once in a process), and reports
while it runs. What lands goes through crawler.pipelines; this file decides what is crawled, what at once, and how it ends.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from datetime import time as time_of_day
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crawler.items import Progress
from crawler.lock import RunLock
from crawler.settings import LOG_LEVEL
from crawler.sources import CrawlSettings, Source, SourcesFile
from db.models import CrawlReport, DebatewatchError, RunStatus, SourceReport

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


def crawl(
    store_path: Path | str,
    sources: SourcesFile,
    *,
    only: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
    archive_dir: Path | None = None,
    progress: Progress | None = None,
    log_level: str = LOG_LEVEL,
) -> CrawlReport:
    """Collects from the sources (those of the ids in `only`, or all) into the database; can be called again and again.

    since, until: by the dates of the listings, UTC; an `until` at midnight includes its day. What a listing does not date is
    fetched. limit: pages a source. archive_dir: default `archive` next to the database. progress: called with (pages done, pages
    known to be done, address). SIGINT or SIGTERM ends the crawl after the pages in hand; what landed stays, the report says
    `interrupted`. Raises UnknownNameError for an id that is not there, StoreError and ArchiveError when nothing can be
    written, InputError when another crawl is at work on the database.
    """
    store_path = Path(store_path)
    if until is not None and until.time() == time_of_day():
        until += timedelta(days=1) - timedelta(microseconds=1)
    request = CrawlRequest(
        store_path,
        sources.crawl,
        dict(sources.relevance),
        sources.sources,
        sources.pick(list(only)),
        since,
        until,
        limit,
        archive_dir or store_path.parent / "archive",
        log_level,
    )
    started = time.monotonic()
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_child, args=(sender, request), name="debatewatch-crawl")
    process.start()
    sender.close()
    try:
        with _passing_on_signals(process.pid):
            report = _listen(receiver, process.pid, progress or (lambda done, total, what: None))
        process.join()
    finally:
        if process.is_alive():
            process.kill()
            process.join()
        receiver.close()
        process.close()
    return report or _close_killed(request, time.monotonic() - started)


def _listen(receiver: Connection, pid: int | None, progress: Progress) -> CrawlReport | None:
    """Reads what the child tells until it ends; None when it ended without a report."""
    interrupts = 0
    report: CrawlReport | None = None
    error: BaseException | None = None
    while True:
        try:
            kind, *values = receiver.recv()
        except EOFError:
            break
        except KeyboardInterrupt:
            # The first asks the crawl to end well, the second does not wait for that.
            interrupts += 1
            with suppress(ProcessLookupError):
                os.kill(pid or 0, signal.SIGTERM if interrupts == 1 else signal.SIGKILL)
            continue
        if kind == "progress":
            progress(*values)
        elif kind == "report":
            report = values[0]
        else:
            error = values[0]
    if error is not None:
        raise error
    return report


class _passing_on_signals:  # noqa: N801 (reads as a statement)
    """While it lasts, a SIGTERM for this process is one for the crawl, too."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self._before: Any = None

    def __enter__(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._pass_on)

    def _pass_on(self, number: int, frame: Any) -> None:
        with suppress(ProcessLookupError):
            os.kill(self._pid or 0, signal.SIGTERM)
        if callable(self._before):
            self._before(number, frame)

    def __exit__(self, *exception: object) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)


def _close_killed(request: CrawlRequest, seconds: float) -> CrawlReport:
    """The report of a crawl whose process was killed: its rows are there, its run is closed as interrupted."""
    from db.store import Store

    with Store.open(request.store_path) as store:
        store.close_abandoned_runs(("crawl",))
    sources = tuple(SourceReport(source.id, {}) for source in request.sources)
    return CrawlReport(0, seconds, sources, documents=0, updated=0, interrupted=True)


# --- in the child process -------------------------------------------------------------------------------------------------


def _child(sender: Connection, request: CrawlRequest) -> None:
    """The process that crawls. Whatever ends it is sent as a report or as an error."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches both processes; the parent passes it on.

    def send(*message: object) -> None:
        with suppress(BrokenPipeError):  # Nobody listens any more; what lands still counts.
            sender.send(message)

    try:
        send("report", crawl_here(request, lambda done, total, what: send("progress", done, total, what)))
    except DebatewatchError as error:
        send("error", error)
    except Exception as error:
        send("error", DebatewatchError(f"the crawl stopped over {type(error).__name__}: {error}; what landed stays"))
    finally:
        sender.close()


def crawl_here(request: CrawlRequest, progress: Progress) -> CrawlReport:
    """Crawls in this process, once: what `crawl` runs in a child, for a debugger. Raises what `crawl` raises."""
    from db.store import Store

    with (
        Store.open(request.store_path) as store,
        RunLock(request.store_path.with_name(f"{request.store_path.name}.crawl.lock"), "a crawl"),
    ):
        store.close_abandoned_runs(("crawl",))
        store.sync_sources(source.to_row() for source in request.all_sources)
        return _Crawl(request, store, progress).run()


class _Crawl:
    """One crawl: its jobs, and the one Scrapy process that runs them."""

    def __init__(self, request: CrawlRequest, store: Any, progress: Progress) -> None:
        from crawler.pipelines import Collector
        from crawler.relevance import Relevance

        self.request, self.store, self.progress = request, store, progress
        self.run_id = store.start_run("crawl", VERSION, parameters=self._parameters())
        self.collector = Collector(store, self.run_id, Relevance.from_table(request.relevance))
        self.private_hosts = frozenset(
            host.lower().rstrip(".")
            for source in request.all_sources
            if source.allow_private
            for host in (
                urlsplit(source.url).hostname or "",
                *(domain.rpartition(":")[0] or domain for domain in source.allowed_domains),
            )
        )
        self.jobs: list[Any] = []
        self.error: BaseException | None = None
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
        try:
            self._run_scrapy()
            if self.error is not None:
                raise self.error
            report = self._report(time.monotonic() - started)
            everything_failed = len(report.failing) == len(report.sources) > 0
            status = (
                "interrupted"
                if self.interrupted
                else "failed"
                if everything_failed
                else "done"
                if report.ok
                else "partial"
            )
        finally:
            with suppress(DebatewatchError):
                self.store.finish_run(self.run_id, status, self._counts())
        return report

    def _run_scrapy(self) -> None:
        from scrapy.crawler import AsyncCrawlerProcess

        from crawler.middlewares import GuardedResolver
        from crawler.settings import base_settings

        GuardedResolver.allowed = self.private_hosts
        process = AsyncCrawlerProcess(base_settings(self.request.log_level))
        from twisted.internet import reactor

        twisted_reactor: Any = reactor

        loop = asyncio.get_event_loop()
        self.stopping = asyncio.Event()

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

        from crawler.settings import for_source

        job = self._job(source)
        self.jobs.append(job)
        crawler = Crawler(_spider(source.kind), for_source(self.request.settings, source, self.request.log_level))
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

    def _job(self, source: Source) -> Any:
        from crawler.items import Job, Tally
        from crawler.settings import user_agent
        from crawler.warc import ArchiveWriter
        from db.models import utc_now

        request = self.request
        info = {
            "software": user_agent(""),
            "format": "WARC File Format 1.1",
            "conformsTo": "https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/",
            "robots": "obey",
            "operator": request.settings.contact,
            "isPartOf": source.id,
        }
        name = f"{source.id}-{utc_now():%Y%m%d%H%M%S}-{self.run_id}"
        return Job(
            source=source,
            settings=request.settings,
            run_id=self.run_id,
            store=self.store,
            collector=self.collector,
            archive=ArchiveWriter(request.archive_dir, name, info=info),
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

    def _progressed(self, job: Any, url: str) -> None:
        self.progress(
            sum(j.tally.done for j in self.jobs), sum(j.tally.planned for j in self.jobs), f"{job.source.id} {url}"
        )

    def _counts(self) -> dict[str, object]:
        totals: dict[str, int] = {}
        for job in self.jobs:
            for outcome, number in job.tally.outcomes.items():
                totals[outcome] = totals.get(outcome, 0) + number
        return {**totals, "documents": self.collector.documents, "updated": self.collector.updated}

    def _report(self, seconds: float) -> CrawlReport:
        by_id = {job.source.id: job.tally for job in self.jobs}
        sources = tuple(
            SourceReport(source.id, dict(by_id[source.id].outcomes), tuple(by_id[source.id].errors))
            if source.id in by_id
            else SourceReport(source.id, {})
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


def _spider(kind: str) -> Any:
    from crawler.spiders.feed import FeedSpider
    from crawler.spiders.section import SectionSpider
    from crawler.spiders.sitemap import SitemapSpider

    spiders: dict[str, Any] = {"feed": FeedSpider, "sitemap": SitemapSpider, "section": SectionSpider}
    return spiders[kind]
