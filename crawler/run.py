"""crawl(...) -> CrawlReport: runs Scrapy in a fresh process each time (its reactor starts only once in a process), and reports
while it runs. What lands goes through crawler.pipelines; this file decides what is crawled, what at once, and how it ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from datetime import time as time_of_day
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from crawler.items import Progress
from crawler.process import CrawlRequest, crawl_here, crawl_lock
from crawler.settings import LOG_LEVEL
from crawler.sources import SourcesFile
from db.log import log_format, set_format
from db.models import CrawlReport, DebatewatchError, SourceReport


def crawl(
    store_path: Path | str,
    sources: SourcesFile,
    *,
    only: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
    archive_dir: Path | None = None,
    due: bool = False,
    progress: Progress | None = None,
    log_level: str = LOG_LEVEL,
) -> CrawlReport:
    """Collects from the sources (those of the ids in `only`, or all) into the database; can be called again and again.

    since, until: by the dates of the listings, UTC; an `until` at midnight includes its day. What a listing does not date is
    fetched. limit: pages a source. archive_dir: default `archive` next to the database. due: leaves out sources
    that are not due yet, by their own hints or their rhythm (a site's Retry-After is kept in any case). progress:
    called with (pages done, pages known to be done, address). SIGINT or SIGTERM ends the crawl after the pages in hand; what
    landed stays, the report says `interrupted`. Raises UnknownNameError for an id that is not there, StoreError and ArchiveError
    when nothing can be written, InputError when another crawl is at work on the database.
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
        log_format(),
        due and not only and since is None and until is None,
    )
    started = time.monotonic()
    context = _context()
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


def _context() -> Any:
    """How the child is started. A fork server keeps the libraries loaded, so that a second crawl of this process starts at once;
    never a plain fork, which would take along whatever threads this process has."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(
        [
            "crawler.process",
            "crawler.middlewares",
            "trafilatura",
            "extruct",
            "datasketch",
            "feedparser",
            "scrapy.crawler",
        ]
    )
    return context


def _listen(receiver: Connection, pid: int | None, progress: Progress) -> CrawlReport | None:
    """Reads what the child tells until it ends; None when it ended without a report."""
    interrupts = 0
    report: CrawlReport | None = None
    error: BaseException | None = None
    while True:
        try:
            kind, *values = receiver.recv()
            if kind == "progress":
                progress(*values)
            elif kind == "report":
                report = values[0]
            else:
                error = values[0]
        except EOFError:
            break
        except KeyboardInterrupt:
            # The first asks the crawl to end well, the second does not wait for that.
            interrupts += 1
            with suppress(ProcessLookupError):
                os.kill(pid or 0, signal.SIGTERM if interrupts == 1 else signal.SIGKILL)
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

    lock = crawl_lock(request.store_path)
    if lock.acquire():  # Otherwise the next crawl is under way already, and has closed it.
        with Store.open(request.store_path) as store:
            store.close_abandoned_runs(("crawl",))
        lock.release()
    sources = tuple(SourceReport(source.id, {}) for source in request.sources)
    return CrawlReport(0, seconds, sources, documents=0, updated=0, interrupted=True)


# --- in the child process -------------------------------------------------------------------------------------------------


def _child(sender: Connection, request: CrawlRequest) -> None:
    """The process that crawls. Whatever ends it is sent as a report or as an error."""
    set_format(request.log)
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
