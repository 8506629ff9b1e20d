"""What a listing names, what decides whether it is wanted, and when a known page is worth another request. Pure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from crawler.freshness import Hints
from crawler.items import Entry
from crawler.sources import Source
from db.models import FailedTries, PageState

RECHECK_EVERY = timedelta(hours=6)
"""A page without a date of change in its listing is looked at again at most so often."""


LONGEST_FAILING, LONGEST_FINAL = timedelta(days=1), timedelta(days=7)
"""An address that keeps failing is tried at least so often while its listing names it."""
_NOTHING_NEW = ("unchanged", "off_topic")
CLOCKS_APART = timedelta(minutes=5)
"""A clock that was a little ahead at the last crawl is no matter."""


@dataclass(frozen=True, slots=True)
class Scope:
    """What decides which listings are asked for and what of them counts: the source, the window of time and the limits."""

    source: Source
    now: datetime
    since: datetime | None = None
    until: datetime | None = None
    max_bytes: int = 10_000_000
    """Of one answer."""
    relevant: Callable[[str], bool] = lambda text: True
    """Whether a text may be about the debate; for sources of millions of pages, that are not all to be fetched."""


@dataclass(frozen=True, slots=True)
class Listing:
    """What a listing names: pages, and further listings (the next page, child sitemaps)."""

    entries: tuple[Entry, ...] = ()
    more: tuple[str, ...] = ()
    later: tuple[str, ...] = ()
    """Listings to be asked for one after the other, each when `more` of the one before has come to its end."""
    conditional: bool = True
    """False when the listing may stay as it is while those it names change."""
    hints: Hints | None = None
    """What a feed says of its own rhythm."""
    complete: bool = True
    """False when there was more in it than is read of one listing."""
    whole: bool = False
    """The listing holds the pages themselves: they are read from it and not asked for."""


class ListingError(ValueError):
    """A listing that cannot be read: no feed, no sitemap, no links."""


def is_due(entry: Entry, state: PageState, now: datetime, recheck_days: float) -> bool:
    """Whether a page that is known is worth another (conditional) request.

    It is when its listing says that it changed since it was fetched, or since the date that the page itself gave (listings of
    archives carry old dates). A listing that claimed a change where there was none (some write the present into every line) is
    believed again only some hours later, and no more while its date is still to come. Where the listing has no date of change, in
    the days after publication, when corrections are made. And when it was fetched in the future: the clock was wrong then, and
    nobody knows how long ago that is.
    """
    if state.fetched_at > now + CLOCKS_APART:
        return True
    in_vain = entry.updated is not None and entry.updated > now + CLOCKS_APART and state.outcome in _NOTHING_NEW
    if entry.updated is not None and entry.updated != entry.published and not in_vain:
        own = _http_date(state.last_modified)
        older = own is not None and entry.updated > own and state.outcome != "unchanged"
        return (entry.updated > state.fetched_at or older) and not is_doubted(entry, state, now)
    return (
        entry.published is not None
        and now - entry.published <= timedelta(days=recheck_days)
        and now - state.fetched_at >= RECHECK_EVERY
    )


def is_doubted(entry: Entry, state: PageState, now: datetime) -> bool:
    """Whether a listing says that a page changed which showed nothing new when that was last said, a short while ago."""
    return (
        entry.updated is not None
        and entry.updated > state.fetched_at
        and state.outcome in _NOTHING_NEW
        and now - state.fetched_at < RECHECK_EVERY
    )


def next_try(tries: FailedTries, now: datetime) -> datetime:
    """When an address that failed is worth another try: at the next crawl, and then each time after as long again as it has been
    failing, at most a day; a week where time alone seldom helps. Now, when it was tried in the future, by a wrong clock."""
    wait = min(tries.last - tries.first, LONGEST_FINAL if tries.final else LONGEST_FAILING)
    return now if tries.last > now + CLOCKS_APART else tries.last + wait - wait / 10


def _http_date(text: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text or "")
    except (ValueError, TypeError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
