"""How far back a source reaches: which pages lie in the window of time of a crawl, and what was not to be had of it. No input or
output.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from crawler.items import Entry
from crawler.spiders.listing import Listing, Scope


@dataclass(slots=True)
class Reach:
    """What the listings of one source named, in one crawl."""

    oldest: datetime | None = None
    passed_since: bool = False
    """A page older than the window was named, so the source reaches at least that far."""
    undated: int = 0
    unread: int = 0
    """Listings that were known and not asked for."""

    def takes(self, entry: Entry, scope: Scope) -> bool:
        """Whether a page lies in the window of time; one without any date does."""
        latest, first = entry.date, entry.published or entry.seen
        if latest is None:
            self.undated += 1
            return True
        if self.oldest is None or latest < self.oldest:
            self.oldest = latest
        if scope.since is not None and latest < scope.since:
            self.passed_since = True
            return False
        return scope.until is None or first is None or first <= scope.until

    def notes(self, scope: Scope, listings: int, limit: int | None) -> Iterator[str]:
        """What the window asked for and did not get. `listings`: those read; `limit`: that of pages, when it ended the crawl."""
        oldest = f"the oldest was of {self.oldest:%Y-%m-%d}" if self.oldest else "its listings give no dates"
        if limit is not None:
            yield f"stopped at its limit of {limit} pages ({oldest}); run it again for the rest, or raise --limit"
        elif self.unread:
            yield f"stopped after {listings} listings ({oldest}); raise max_pages of {scope.source.id} to go further back"
        elif (
            scope.since is not None and not self.passed_since and self.oldest is not None and self.oldest > scope.since
        ):
            yield f"its listings named nothing before {self.oldest:%Y-%m-%d}"
        if self.undated:
            yield f"{self.undated} pages without a date in their listing were taken whatever their date"


def is_behind(listing: Listing, scope: Scope) -> bool:
    """Whether all that a listing dates lies before the window of time, and so does what follows it."""
    dates = [entry.date for entry in listing.entries if entry.date is not None]
    return scope.since is not None and bool(dates) and max(dates) < scope.since
