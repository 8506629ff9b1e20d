"""Timelines: how much of what was collected in each period carries a topic, a side, an actor or a term, and how polarised
the debate was. Read-only.

One definition for the command line, the exports and the charts; by month it gives the same figures as the views
`topic_timeline`, `stance_timeline`, `stance_intervals`, `term_timeline` and `polarisation_timeline`, which the site and its
canned queries read:

- a period is a day, an ISO 8601 week, a month or a quarter, by the publication date of each article, in UTC or the zone named; a
  date without a time of day (midnight UTC) is that day in every zone;
- `articles` counts every article (reach), `documents` every unique text once (a reprint does not count again);
- `collected` is everything collected of the period, pages found off topic included, and `share` = articles / collected;
- a source is healthy in a period when a page of it is dated then, or when it answered a request made then; a period without a
  healthy source has no counts (state "no data"): that is not zero;
- stances: `statement_share` is a side's part of the statements of all sides in the period, `statement_share_low` and
  `statement_share_high` bound it (95 %, bootstrap over texts: db.bootstrap);
- polarisation: one number from 0 to 1, with the actors and pairs of actors that it rests on (db.polarisation defines it).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Any, Literal
from zoneinfo import ZoneInfo

from db.bootstrap import share_intervals
from db.models import InputError, from_iso, utc_now
from db.polarisation import polarisation
from db.queries import Row, rows
from db.timeline_sql import FILTERS, NAMES, SERIES, TimelineSql

Kind = Literal["topics", "stances", "actors", "terms", "polarisation"]
By = Literal["day", "week", "month", "quarter"]

MAX_ACTORS = 20
"""Actors shown when none is named: those with the most statements."""

COUNTS: Mapping[Kind, tuple[str, ...]] = {
    "topics": ("documents", "articles"),
    "stances": ("documents", "articles", "statements"),
    "actors": ("documents", "articles", "statements", "mentions"),
    "terms": ("documents", "articles", "uses", "uses_in_statements"),
    "polarisation": ("documents", "articles", "statements"),
}
"""What is counted of each kind."""
_SHARES = ("statement_share", "statement_share_low", "statement_share_high")
_POLARISATION = ("actors", "pairs", "polarisation")
_FIGURES: Mapping[str, tuple[str, ...]] = {"stances": _SHARES, "polarisation": _POLARISATION}
"""What rows of a kind carry beside counts."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """A timeline: one row a period and series, periods ascending, series in the order of `series`.

    rows: period ("2024-03", "2024-W11", "2024-Q1", "2024-03-14"), start (first day), id, label, documents, articles,
    statements (stances, actors, polarisation), mentions (actors: articles that name the actor), uses and uses_in_statements
    (terms), collected, share, for stances statement_share with its bounds, for polarisation actors, pairs and polarisation,
    healthy_sources, state ("counted", "zero", "no data").
    """

    kind: Kind
    by: By
    zone: str
    """The time zone of the periods ("UTC", "Europe/Berlin")."""
    series: tuple[tuple[str, str], ...]
    """(id, label) of each series; polarisation has one."""
    colors: Mapping[str, str]
    """Series id -> hex colour, for those that have one of their own (sides)."""
    rows: tuple[Row, ...]
    events: tuple[Row, ...]
    """When a source was added, fell silent or came back: period, source_id, source, event (added, silent, back), at (UTC)."""
    undated: int
    """Articles without a date: in no period."""
    chosen: tuple[tuple[str, str], ...] = ()
    """What the filters choose, as people call it: ("outlet", "The Ledger"), ("since", "2024-03-14") ..."""

    @property
    def columns(self) -> list[str]:
        """The keys of each row, in the order in which they are written."""
        own = (*COUNTS[self.kind], "collected", "share", *_FIGURES.get(self.kind, ()))
        return ["period", "start", "id", "label", *own, "healthy_sources", "state"]


def timeline(
    connection: sqlite3.Connection,
    kind: Kind,
    *,
    by: By = "month",
    zone: str = "UTC",
    since: datetime | None = None,
    until: datetime | None = None,
    filters: Mapping[str, str | None] | None = None,
    max_actors: int = MAX_ACTORS,
    intervals: bool = True,
) -> Timeline:
    """Counts one kind of timeline.

    zone: IANA name of the time zone of the periods. since, until: days of that zone, both included; without them, from the first
    to the last period with an article. No period begins after today, unless an article is dated then.
    filters: topic, actor (id or speaker's name), side, proposition, outlet (a source's id or name), source, country, kind,
    language. intervals: False leaves the bounds of stances empty, for who does not show them: they take most of the time.
    Outlet, source, country, kind and language choose the articles, and with them what counts as collected (off-topic
    pages have no language or kind: they count only without these two); the others choose what is counted. Raises InputError for
    a filter, a name or a zone that is not there, and when since lies after until.
    """
    chosen = {name: value for name, value in (filters or {}).items() if value is not None}
    named = _names(connection, chosen)
    named += [(name, day.date().isoformat()) for name, day in (("since", since), ("until", until)) if day]
    sql = TimelineSql(_use_zone(connection, zone))
    connection.create_function("period_of", 2, _period_of, deterministic=True)
    first, before = bounds(since, until)
    parameters = {
        "by": by,
        "since": first,
        "before": before,
        "most": max_actors,
        **{name: chosen.get(name) for name in FILTERS},
    }

    def read(query: str) -> list[Row]:
        return rows(connection, query, parameters)

    base = _Base(read, sql)
    series = _series(read, kind, sql, parameters)
    counted = _counted(read, kind, sql)
    periods = [(str(_period_of(day.isoformat(), by)), day) for day in _calendar(by, base.carrying, since, until)]
    lines = [
        _line(period, day, identity, label, kind, counted.get((period, identity), {}), base)
        for period, day in periods
        for identity, label in series
    ]
    if kind == "stances":
        _add_shares(read, sql, lines, intervals=intervals)
    elif kind == "polarisation":
        found = {row["period"]: row for row in read(polarisation(sql.taken))}
        for line in lines:
            line.update((name, found.get(line["period"], {}).get(name)) for name in _POLARISATION)
    colors = {row["id"]: row["color"] for row in read("SELECT id, color FROM sides")} if kind == "stances" else {}
    shown = {period for period, _ in periods}
    events = tuple(event for event in read(sql.events) if event["period"] in shown)
    undated = int(read(sql.undated)[0]["n"])
    return Timeline(kind, by, zone, tuple(series), colors, tuple(lines), events, undated, tuple(named))


_Read = Callable[[str], list[Row]]


class _Base:
    """What the counts of each period rest on."""

    def __init__(self, read: _Read, sql: TimelineSql) -> None:
        found = read(sql.collected)
        self.collected = {str(row["period"]): int(row["collected"]) for row in found}
        # The timeline runs from the first to the last period with an article: sites keep off-topic pages of twenty years ago.
        self.carrying = [str(row["period"]) for row in found if row["on_topic"]]
        self.healthy = {str(row["period"]): int(row["healthy_sources"]) for row in read(sql.healthy)}


def _line(period: str, day: date, identity: str, label: str, kind: Kind, found: Row, base: _Base) -> Row:
    """One row of a timeline."""
    collected, healthy = base.collected.get(period, 0), base.healthy.get(period, 0)
    counts = {name: (found.get(name, 0) if healthy else None) for name in COUNTS[kind]}
    return {
        "period": period,
        "start": day.isoformat(),
        "id": identity,
        "label": label,
        **counts,
        "collected": collected,
        "share": round(counts["articles"] / collected, 6) if collected and counts["articles"] is not None else None,
        "healthy_sources": healthy,
        "state": "no data" if not healthy else "counted" if any(counts.values()) else "zero",
    }


def _counted(read: _Read, kind: Kind, sql: TimelineSql) -> dict[tuple[str, str], Row]:
    counted = {(row["period"], row["id"]): row for row in read(sql.counts[kind])}
    if kind == "actors":
        for row in read(sql.mentions):
            counted.setdefault((row["period"], row["id"]), {}).update(mentions=row["mentions"])
    return counted


def _add_shares(read: _Read, sql: TimelineSql, lines: list[Row], *, intervals: bool) -> None:
    """Each side's part of the statements of all sides, with its interval."""
    totals: dict[str, int] = {}
    said: dict[tuple[str, str], int] = {}
    for row in read(f"SELECT period, side, sum(statements) AS statements FROM ({sql.said}) GROUP BY 1, 2"):
        totals[row["period"]] = totals.get(row["period"], 0) + row["statements"]
        said[row["period"], row["side"]] = row["statements"]
    drawn = read(share_intervals(sql.said)) if intervals else []
    bounds = {(row["period"], row["side"]): row for row in drawn}
    for line in lines:
        total, bound = totals.get(line["period"]), bounds.get((line["period"], line["id"]), {})
        share = round(said.get((line["period"], line["id"]), 0) / total, 4) if total else None
        line.update(zip(_SHARES, (share, bound.get("low"), bound.get("high")), strict=True))


def _series(read: _Read, kind: Kind, sql: TimelineSql, parameters: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = [(str(row["id"]), str(row["label"])) for row in read(SERIES.get(kind, sql.speakers))]
    if not found and kind == "actors" and parameters["actor"]:
        # An actor who is mentioned but never speaks has a timeline of mentions.
        found = [(row["id"], row["label"]) for row in read("SELECT id, name AS label FROM actors WHERE id = :actor")]
    return found


def _names(connection: sqlite3.Connection, chosen: Mapping[str, str]) -> list[tuple[str, str]]:
    """What the filters choose, as people call it. Raises InputError for a filter that does not exist, or a value that the database
    does not know."""
    unknown = set(chosen) - set(FILTERS)
    if unknown:
        raise InputError(f"timeline: no filter {sorted(unknown)[0]!r}; there are {', '.join(FILTERS)}")
    named = []
    for name, value in chosen.items():
        found = connection.execute(NAMES[name], [value]).fetchone()
        if found is None:
            what = "standing topic" if name == "topic" else name
            raise InputError(f"timeline: this database has no {what} {value!r}")
        named.append((name, str(found[0])))
    return named


# --- periods ------------------------------------------------------------------------------------------------------------------


def _use_zone(connection: sqlite3.Connection, name: str) -> str | None:
    """Makes the moments of a time zone known to the connection; returns the SQL function that gives them, None for UTC."""
    if name == "UTC":
        return None
    try:
        zone = ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise InputError(f"timeline: no time zone {name!r}; name one like Europe/Berlin or America/New_York") from error

    @lru_cache(maxsize=65_536)
    def local_moment(moment: str | None) -> str | None:
        if moment is None or moment.endswith("T00:00:00Z"):
            return moment  # Only a date: it is that day wherever one reads it.
        utc = from_iso(moment)
        return utc.astimezone(zone).replace(tzinfo=None).isoformat() if utc else None

    connection.create_function("local_moment", 1, local_moment, deterministic=True)
    return "local_moment"


def bounds(since: datetime | None, until: datetime | None) -> tuple[str, str]:
    """Days, both included, as texts that compare with the database's moments: (the first, the first after the last); "" and "9999"
    stand for an open end. Raises InputError when since lies after until."""
    if since and until and since.date() > until.date():
        raise InputError(f"since {since.date()} lies after until {until.date()}; there is nothing between them")
    last = until.date() if until else date.max
    return since.date().isoformat() if since else "", "9999" if last.year > 9998 else f"{last + timedelta(days=1)}"


def _period_of(moment: str | None, by: str) -> str | None:
    """The period that an ISO 8601 date or moment lies in; None for None."""
    if moment is None:
        return None
    if by == "day":
        return moment[:10]
    if by == "month":
        return moment[:7]
    if by == "quarter":
        return f"{moment[:4]}-Q{(int(moment[5:7]) + 2) // 3}"
    year, week, _ = date.fromisoformat(moment[:10]).isocalendar()
    return f"{year:04}-W{week:02}"


def _first_day(period: str, by: str) -> date:
    if by == "day":
        return date.fromisoformat(period)
    if by == "month":
        return date.fromisoformat(f"{period}-01")
    if by == "quarter":
        return date(int(period[:4]), int(period[-1]) * 3 - 2, 1)
    return date.fromisocalendar(int(period[:4]), int(period[-2:]), 1)


def _calendar(by: By, periods: list[str], since: datetime | None, until: datetime | None) -> Iterator[date]:
    """First days of all periods from `since` (or the first with data) to `until` (or the last), gaps included."""
    found = sorted(_first_day(period, by) for period in periods)
    if not found and not (since and until):
        return
    first = since.date() if since else found[0]
    last = min(until.date(), max([utc_now().date(), *found[-1:]])) if until else found[-1]
    day = _first_day(str(_period_of(first.isoformat(), by)), by)
    while day <= last:
        yield day
        day = next_start(day, by)


def next_start(day: date, by: str) -> date:
    """The first day of the period after the one that begins on `day`."""
    if by in ("day", "week"):
        return day + timedelta(days=1 if by == "day" else 7)
    months = day.month - 1 + (1 if by == "month" else 3)
    return date(day.year + months // 12, months % 12 + 1, 1)
