"""When a listing is worth another request: what the feed says of itself (ttl, skipHours, skipDays, sy:updatePeriod), what HTTP says
(Cache-Control, Expires, Retry-After), and how long the source has been quiet. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

LONGEST = timedelta(days=1)
"""No hint keeps a source from being asked for longer, but for its own Retry-After."""
SLACK = 0.1, timedelta(minutes=5)
"""A tenth of an interval, at most five minutes, is not insisted on: an hourly schedule asks for a listing a little less than an
hour after it did so last."""
LONGEST_WAIT = timedelta(days=7)
"""A Retry-After beyond this is a mistake."""
QUIET_SHARE = 0.1
"""A source is asked again after a tenth of the time in which it had nothing new: the heuristic that HTTP caches use for a page that
says when it last changed (RFC 9111, 4.2.2)."""
SHORTEST_QUIET = timedelta(minutes=5)
"""Shorter intervals of that kind are none."""
_PERIODS = {
    "hourly": timedelta(hours=1),
    "daily": timedelta(days=1),
    "weekly": timedelta(weeks=1),
    "monthly": timedelta(days=30),
    "yearly": timedelta(days=365),
}
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


@dataclass(frozen=True, slots=True)
class Hints:
    """What a feed says of its own rhythm. Hours and days (Monday is 0) are of GMT."""

    interval: timedelta = timedelta()
    skip_hours: frozenset[int] = frozenset()
    skip_days: frozenset[int] = frozenset()


def feed_hints(xml: bytes) -> Hints:
    """The hints of an RSS or Atom feed (rssboard.org/rss-specification; web.resource.org/rss/1.0/modules/syndication).

    Read from the bytes: feedparser gives some of them only. A hint that makes no sense is none.
    """
    ttl = _number(_element(xml, b"ttl"))
    period = _PERIODS.get(_element(xml, b"sy:updatePeriod").lower(), timedelta())
    frequency = max(1, _number(_element(xml, b"sy:updateFrequency")))
    hours = {int(hour) % 24 for hour in _values(xml, b"skipHours", rb"\d{1,2}")}
    days = {_DAYS.index(day.lower()) for day in _values(xml, b"skipDays", rb"[A-Za-z]+") if day.lower() in _DAYS}
    return Hints(
        max(timedelta(minutes=min(ttl, 100_000)), period / frequency),
        frozenset(hours) if len(hours) < 24 else frozenset(),
        frozenset(days) if len(days) < 7 else frozenset(),
    )


def _element(xml: bytes, name: bytes) -> str:
    found = re.search(rb"<%b>\s{0,20}([\w.-]{1,20})\s{0,20}</%b>" % (name, name), xml)
    return found[1].decode() if found else ""


def _values(xml: bytes, parent: bytes, pattern: bytes) -> list[str]:
    start = xml.find(b"<%b" % parent)
    end = xml.find(b"</%b" % parent, start) if start >= 0 else -1
    inside = xml[start : min(end, start + 5_000)] if end > start else b""
    return [value.decode() for value in re.findall(rb"<(?:hour|day)>\s{0,20}(%b)\s{0,20}</" % pattern, inside)]


def _number(text: str) -> int:
    return int(text) if text.isdigit() and len(text) < 10 else 0


def fresh_for(headers: Mapping[str, str]) -> timedelta:
    """How long an answer stays fresh by its headers (names in lower case; RFC 9111, 4.2.1); nothing when it does not say."""
    control = headers.get("cache-control", "").lower()
    if re.search(r"no-cache|no-store", control):
        return timedelta()
    age = timedelta(seconds=_number(headers.get("age", "")))
    found = re.search(r"\bmax-age\s*=\s*\"?(\d{1,9})", control)
    if found:
        return max(timedelta(), timedelta(seconds=int(found[1])) - age)
    expires, date = (_date(headers.get(name, "")) for name in ("expires", "date"))
    return max(timedelta(), expires - date) if expires and date else timedelta()


def _date(text: str) -> datetime | None:
    try:
        moment = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def due_at(now: datetime, interval: timedelta, hints: Hints | None = None) -> datetime | None:
    """From when on a listing may be asked for again; None when nothing speaks against it at any time.

    `interval` is what HTTP says; the feed's own hints may ask for more, and for hours and days to be left out.
    """
    hints = hints or Hints()
    interval = min(max(interval, hints.interval), LONGEST)
    due = now + interval - min(interval * SLACK[0], SLACK[1])
    for _ in range(8 * 24):
        if due.hour not in hints.skip_hours and due.weekday() not in hints.skip_days:
            break
        due = due.replace(minute=0, second=0, microsecond=0) + timedelta(hours=1)
    return due if due > now else None


def quiet_interval(quiet: timedelta) -> timedelta:
    """How long to leave a source alone that has had nothing new for so long."""
    interval = min(quiet * QUIET_SHARE, LONGEST)
    return interval if interval >= SHORTEST_QUIET else timedelta()
