"""replay(...) -> CrawlReport: builds a new database from an archive alone, through the same pipeline as the crawls that wrote it.

Equal to the first database row for row but for the times at which it ran: same numbers, same texts, same versions, same failures;
with the same debate file and models also the same readings, for analyses are done where they were done then. Reads local files
only. What was imported is not in the archive, and not in the replay.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from crawler.items import Progress, Tally
from crawler.journal import Step, journals, read_journal
from crawler.pipelines import Collector
from crawler.process import crawl_lock
from crawler.relevance import Relevance
from crawler.sources import Source
from crawler.warc import read_record
from db.models import ArchiveError, CrawlReport, Fetch, InputError, RunStatus, SourceReport, from_iso
from db.store import Store


def replay(
    store_path: Path | str,
    archive: Path,
    *,
    analyze: Callable[[Mapping[str, Any]], None] | None = None,
    progress: Progress | None = None,
) -> CrawlReport:
    """Builds the database from the archive; the report sums all its crawls.

    analyze: called with the steps, seed and refit of each analysis where it was done then; without it analyses are left out.
    A page whose record is gone is a failed fetch, like one that could not be read. Raises InputError when the database exists,
    ArchiveError when the archive has no journal.
    """
    store_path = Path(store_path)
    if store_path.exists():
        raise InputError(f"{store_path}: exists already, and a replay builds a new database; name another with --db")
    crawls = journals(archive)
    started = time.monotonic()
    tallies: dict[str, Tally] = {}
    problems: list[str] = []
    documents = updated = run_id = 0
    with Store.open(store_path) as store, crawl_lock(store_path):
        for number, files in enumerate(crawls):
            if progress is not None:
                progress(number, len(crawls), files[0].name)
            steps = read_journal(files, problems)
            first = next(steps, None)
            if first is not None and first.what == "begin":
                collector = _Replay(store, archive, tallies).crawl(first, steps)
                documents, updated = documents + collector.documents, updated + collector.updated
                run_id = collector.run_id
            elif first is not None and first.what == "analysis" and analyze is not None:
                analyze(first.values)
    reports = [SourceReport(name, dict(tally.outcomes), tuple(tally.errors)) for name, tally in tallies.items()]
    if problems:
        reports.append(SourceReport("archive", {}, tuple(problems)))
    return CrawlReport(run_id, time.monotonic() - started, tuple(reports), documents, updated)


class _Replay:
    """One crawl of the archive, done again."""

    def __init__(self, store: Store, archive: Path, tallies: dict[str, Tally]) -> None:
        self.store, self.archive, self.tallies = store, archive, tallies
        self.listings: dict[int, tuple[int, Fetch]] = {}
        """Step -> (id of the fetch, fetch) of listings that wait to be settled."""
        self.outcomes: Counter[str] = Counter()

    def crawl(self, begin: Step, steps: Iterator[Step]) -> Collector:
        """Does the steps that follow the beginning."""
        sources = {source.id: source for source in begin.sources}
        self.store.sync_sources(source.to_row() for source in sources.values())
        run_id = self.store.start_run("crawl", begin.values["version"], parameters=begin.values["parameters"])
        collector = Collector(self.store, run_id, Relevance.from_table(begin.values["relevance"]))
        status: RunStatus = "interrupted"  # A journal without an end is of a crawl that was killed.
        for number, step in enumerate(steps, 1):
            if step.what == "page":
                self._page(collector, sources, step)
            elif step.what == "answer":
                self._answer(collector, step, number)
            elif step.what == "validators":
                for listing in step.values["steps"]:
                    collector.settle(*self.listings[listing])
            elif step.what == "end":
                status = step.values["status"]
        counts = {**self.outcomes, "documents": collector.documents, "updated": collector.updated}
        self.store.finish_run(run_id, status, counts)
        return collector

    def _page(self, collector: Collector, sources: dict[str, Source], step: Step) -> None:
        fetch = step.fetch
        try:
            _, body = read_record(self.archive, fetch.warc_file or "", fetch.warc_offset or 0)
        except ArchiveError as error:
            self._count(fetch.source_id, collector.failure(fetch, error), str(error))
            return
        outcome = collector.page(
            sources[fetch.source_id],
            fetch,
            body,
            content_type=step.values["content_type"],
            published=from_iso(step.values["published"]),
        )
        self._count(fetch.source_id, outcome)

    def _answer(self, collector: Collector, step: Step, number: int) -> None:
        fetch, error = step.fetch, step.values["error"]
        # The failure's row names the kind of the error and what it said, nothing else of it.
        raised = type(error["kind"], (Exception,), {})(error["text"]) if error else None
        fetch_id = collector.answer(fetch, raised)
        if fetch_id is not None:
            self.listings[number] = fetch_id, fetch
        if fetch.target == "page":
            self._count(fetch.source_id, fetch.outcome)
        elif fetch.outcome in ("failed", "disallowed"):
            self._tally(fetch.source_id).errors.append(f"{fetch.url}: {fetch.reason}")

    def _count(self, source_id: str, outcome: str, error: str | None = None) -> None:
        self._tally(source_id).outcomes[outcome] += 1
        self.outcomes[outcome] += 1
        if error:
            self._tally(source_id).errors.append(error)

    def _tally(self, source_id: str) -> Tally:
        return self.tallies.setdefault(source_id, Tally())
