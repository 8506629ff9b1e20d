"""The values that travel from the spiders to the pipeline, and what all parts of one crawl share. No input or output here."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from crawler.sources import CrawlSettings, Source
from db.models import Fetch, PageState

if TYPE_CHECKING:
    from crawler.journal import Journal
    from crawler.pipelines import Collector
    from crawler.warc import ArchiveWriter
    from db.store import Store

Progress = Callable[[int, int, str], None]
"""Called with (pages done, pages known to be done, what was just done)."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One page as a listing names it; times are those of the listing, UTC."""

    url: str
    """The page's own address, whichever copy of it is asked for."""
    published: datetime | None = None
    updated: datetime | None = None
    seen: datetime | None = None
    """When an archive saw the page: no date of publication, but it places the page in a window of time."""
    ask: str | None = None
    """Where the page is to be had, when not at its own address: a capture, an interface's record."""
    span: tuple[int, int] | None = None
    """The first and the last byte to ask for, of a file that holds many pages."""

    @property
    def date(self) -> datetime | None:
        """What places the page in time."""
        return self.updated or self.published or self.seen


@dataclass(frozen=True, slots=True)
class Page:
    """A page that was fetched and is to be read."""

    fetch: Fetch
    body: bytes
    content_type: str | None
    published: datetime | None


@dataclass(frozen=True, slots=True)
class Answer:
    """A fetch that gives nothing to read: a listing, an unchanged page, a refusal, a failure."""

    fetch: Fetch
    error: BaseException | None = None
    """What a programming error or an unreadable listing raised; it becomes a row in `failures`."""
    final: bool = False
    """The same request would end the same way again (404, robots.txt): no reason to read its listing again."""
    conditional: bool = True
    """A listing that may be asked for conditionally the next time; an index of sitemaps may not (its children change alone)."""


@dataclass(slots=True)
class Tally:
    """What one source gave so far."""

    outcomes: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What a window of time (--since, --until) could not reach, and why."""
    due_at: datetime | None = None
    """Set when the source was not asked, because it is not due before."""
    planned: int = 0
    done: int = 0


@dataclass(frozen=True, slots=True)
class Job:
    """One source in one crawl: what its spider, middlewares and pipeline need to know."""

    source: Source
    settings: CrawlSettings
    run_id: int
    store: Store
    collector: Collector
    archive: ArchiveWriter
    journal: Journal
    tally: Tally
    report: Callable[[Job, str], None]
    """Tells the progress: (this job, what was just done)."""
    stop: Callable[[BaseException], None]
    """Ends the whole crawl over an error that every further page would meet (full disk, locked database)."""
    stopping: asyncio.Event
    private_hosts: frozenset[str]
    """Hosts of sources that may lie on private addresses."""
    since: datetime | None = None
    until: datetime | None = None
    limit: int = 200

    def state(self, url: str) -> PageState | None:
        """What earlier crawls know of an address."""
        return self.store.page_state(url)
