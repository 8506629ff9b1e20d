"""Timelines: how much of what was collected in each period carries a topic, a side, or an actor. Read-only.

One definition for the command line, the exports and the charts; by month it gives the same figures as the views
`topic_timeline` and `stance_timeline`, which the site reads:

- a period is a day, an ISO 8601 week, a month or a quarter, in UTC, by the publication date of each article;
- `articles` counts every article (reach), `documents` every unique text once (a reprint does not count again);
- `collected` is everything collected of the period, pages found off topic included, and `share` = articles / collected;
- a period of which nothing was collected has no counts and no share (state "no data"): that is not zero.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any, Literal

from db.models import InputError
from db.queries import Row, rows

Kind = Literal["topics", "stances", "actors"]
By = Literal["day", "week", "month", "quarter"]

MAX_ACTORS = 20
"""Actors shown when none is named: those with the most statements."""

_FILTERS = ("topic", "actor", "side", "source", "language", "kind")


@dataclass(frozen=True, slots=True)
class Timeline:
    """A timeline: one row a period and series, periods ascending, series in the order of `series`.

    rows: period ("2024-03", "2024-W11", "2024-Q1", "2024-03-14"), start (first day), id, label, documents, articles,
    statements (stances and actors), mentions (actors: articles that name the actor), collected, share, state.
    """

    kind: Kind
    by: By
    series: tuple[tuple[str, str], ...]
    """(id, label) of each series."""
    colors: Mapping[str, str]
    """Series id -> hex colour, for those that have one of their own (sides)."""
    rows: tuple[Row, ...]
    undated: int
    """Articles without a date: in no period."""

    @property
    def columns(self) -> list[str]:
        """The keys of each row, in the order in which they are written."""
        counts = {"topics": [], "stances": ["statements"], "actors": ["statements", "mentions"]}[self.kind]
        return ["period", "start", "id", "label", "documents", "articles", *counts, "collected", "share", "state"]


def timeline(
    connection: sqlite3.Connection,
    kind: Kind,
    *,
    by: By = "month",
    since: datetime | None = None,
    until: datetime | None = None,
    filters: Mapping[str, str | None] | None = None,
    max_actors: int = MAX_ACTORS,
) -> Timeline:
    """Counts one kind of timeline.

    since, until: days (UTC), both included; without them, from the first to the last period with an article.
    filters: topic, actor (id or speaker's name), side, source, language, kind. `source`, `language` and `kind` choose the articles,
    and with them what counts as collected (off-topic pages have no language or kind: they count only without these two);
    `topic`, `actor` and `side` choose what is counted. Raises InputError for a filter or a name that is not there.
    """
    chosen = {name: value for name, value in (filters or {}).items() if value is not None}
    unknown = set(chosen) - set(_FILTERS)
    if unknown:
        raise InputError(f"timeline: no filter {sorted(unknown)[0]!r}; there are {', '.join(_FILTERS)}")
    connection.create_function("period_of", 2, _period_of, deterministic=True)
    parameters = {
        "by": by,
        "since": since.date().isoformat() if since else "",
        "before": (until.date() + timedelta(days=1)).isoformat() if until else "9999",
        **{name: chosen.get(name) for name in _FILTERS},
    }
    _check_names(connection, chosen)
    collected, carrying = _collected(connection, parameters)
    series = _series(connection, kind, parameters, max_actors)
    counted = {(row["period"], row["id"]): row for row in rows(connection, _COUNTS[kind], parameters)}
    if kind == "actors":
        for row in rows(connection, _MENTIONS, parameters):
            counted.setdefault((row["period"], row["id"]), {}).update(mentions=row["mentions"])
    names = ["documents", "articles"] + {"topics": [], "stances": ["statements"], "actors": ["statements", "mentions"]}[
        kind
    ]
    result = []
    for first in _calendar(by, carrying, since, until):
        period = str(_period_of(first.isoformat(), by))
        total = collected.get(period, 0)
        for identity, label in series:
            found = counted.get((period, identity), {})
            counts = {name: (found.get(name, 0) if total else None) for name in names}
            result.append(
                {
                    "period": period,
                    "start": first.isoformat(),
                    "id": identity,
                    "label": label,
                    **counts,
                    "collected": total,
                    "share": round(counts["articles"] / total, 6) if total and counts["articles"] is not None else None,
                    "state": _state(total, counts),
                }
            )
    colors = (
        {row["id"]: row["color"] for row in rows(connection, "SELECT id, color FROM sides")}
        if kind == "stances"
        else {}
    )
    undated = rows(
        connection, f"SELECT count(*) AS n FROM articles AS a WHERE published_at IS NULL AND {_CHOSEN}", parameters
    )
    return Timeline(kind, by, tuple(series), colors, tuple(result), int(undated[0]["n"]))


def _state(collected: int, counts: Mapping[str, int | None]) -> str:
    if not collected:
        return "no data"
    return "counted" if any(counts.values()) else "zero"


# Articles that the filters choose. An empty parameter chooses all.
_CHOSEN = """(:source IS NULL OR a.source_id = :source) AND (:language IS NULL OR a.language = :language)
    AND (:kind IS NULL OR a.kind = :kind)"""
_IN_RANGE = "a.published_at >= :since AND a.published_at < :before"
_IN_TOPIC = """(:topic IS NULL OR EXISTS (SELECT 1 FROM current_document_topics AS t
    WHERE t.document_id = a.document_id AND t.topic_id = CAST(:topic AS INTEGER)))"""
_SPOKEN = """(:side IS NULL OR s.side = :side)
    AND (:actor IS NULL OR coalesce(s.actor_id, s.speaker_name) = :actor)"""
_HAS_STATEMENT = f"""(:side IS NULL AND :actor IS NULL
    OR EXISTS (SELECT 1 FROM statements AS s WHERE s.document_id = a.document_id AND {_SPOKEN}))"""

_COUNTS: Mapping[Kind, str] = {
    "topics": f"""
        SELECT period_of(a.published_at, :by) AS period, CAST(c.topic_id AS TEXT) AS id,
               count(DISTINCT a.document_id) AS documents, count(DISTINCT a.id) AS articles
        FROM articles AS a JOIN current_document_topics AS c USING (document_id)
        WHERE c.topic_id IS NOT NULL AND {_IN_RANGE} AND {_CHOSEN} AND {_HAS_STATEMENT} GROUP BY 1, 2""",
    "stances": f"""
        SELECT period_of(a.published_at, :by) AS period, s.side AS id, count(DISTINCT s.id) AS statements,
               count(DISTINCT a.document_id) AS documents, count(DISTINCT a.id) AS articles
        FROM articles AS a JOIN statements AS s USING (document_id)
        WHERE s.side IS NOT NULL AND {_SPOKEN} AND {_IN_RANGE} AND {_CHOSEN} AND {_IN_TOPIC} GROUP BY 1, 2""",
    "actors": f"""
        SELECT period_of(a.published_at, :by) AS period, coalesce(s.actor_id, s.speaker_name) AS id,
               count(DISTINCT s.id) AS statements, count(DISTINCT a.document_id) AS documents, count(DISTINCT a.id) AS articles
        FROM articles AS a JOIN statements AS s USING (document_id)
        WHERE {_SPOKEN} AND {_IN_RANGE} AND {_CHOSEN} AND {_IN_TOPIC} GROUP BY 1, 2""",
}

_MENTIONS = f"""
    SELECT period_of(a.published_at, :by) AS period, m.actor_id AS id, count(DISTINCT a.id) AS mentions
    FROM articles AS a JOIN mentions AS m USING (document_id)
    WHERE m.actor_id IS NOT NULL AND (:actor IS NULL OR m.actor_id = :actor) AND {_IN_RANGE} AND {_CHOSEN} AND {_IN_TOPIC}
    GROUP BY 1, 2"""


def _collected(connection: sqlite3.Connection, parameters: Mapping[str, Any]) -> tuple[dict[str, int], list[str]]:
    """Period -> everything collected of it that the filters choose, off-topic pages included where they can be told; and the
    periods with an article. The timeline runs from the first to the last of these, as the view `months` does: sites keep
    off-topic pages of twenty years ago."""
    found = rows(
        connection,
        f"""SELECT period_of(day, :by) AS period, count(*) AS collected, max(on_topic) AS on_topic FROM (
                SELECT a.published_at AS day, 1 AS on_topic FROM articles AS a WHERE {_IN_RANGE} AND {_CHOSEN}
                UNION ALL
                SELECT a.published_at, 0 FROM collected AS a
                WHERE a.on_topic = 0 AND {_IN_RANGE} AND (:source IS NULL OR a.source_id = :source)
                  AND :language IS NULL AND :kind IS NULL
            ) GROUP BY 1""",
        parameters,
    )
    return {row["period"]: int(row["collected"]) for row in found}, [row["period"] for row in found if row["on_topic"]]


def _series(
    connection: sqlite3.Connection, kind: Kind, parameters: Mapping[str, Any], max_actors: int
) -> list[tuple[str, str]]:
    if kind == "topics":
        sql = """SELECT CAST(id AS TEXT) AS id, label FROM topics WHERE ended_run_id IS NULL
                 AND (:topic IS NULL OR id = CAST(:topic AS INTEGER)) ORDER BY size DESC, id"""
    elif kind == "stances":
        sql = "SELECT id, name AS label FROM sides WHERE :side IS NULL OR id = :side ORDER BY position"
    else:
        sql = f"""SELECT coalesce(s.actor_id, s.speaker_name) AS id, coalesce(x.name, s.speaker_name) AS label
                  FROM articles AS a JOIN statements AS s USING (document_id) LEFT JOIN actors AS x ON x.id = s.actor_id
                  WHERE {_SPOKEN} AND {_IN_RANGE} AND {_CHOSEN} AND {_IN_TOPIC}
                  GROUP BY 1 ORDER BY count(DISTINCT s.id) DESC, 1 LIMIT {int(max_actors)}"""
    found = [(str(row["id"]), str(row["label"])) for row in rows(connection, sql, parameters)]
    if not found and kind == "actors" and parameters["actor"]:
        # An actor who is mentioned but never speaks has a timeline of mentions.
        named = rows(connection, "SELECT id, name AS label FROM actors WHERE id = :actor", parameters)
        found = [(row["id"], row["label"]) for row in named]
    return found


def _check_names(connection: sqlite3.Connection, chosen: Mapping[str, str]) -> None:
    """Raises InputError for a topic, actor, side or source that the database does not know."""
    known = {
        "topic": "SELECT 1 FROM topics WHERE CAST(id AS TEXT) = ?",
        "side": "SELECT 1 FROM sides WHERE id = ?",
        "source": "SELECT 1 FROM sources WHERE id = ?",
        "actor": "SELECT 1 FROM actors WHERE id = ?1 UNION ALL SELECT 1 FROM statements WHERE speaker_name = ?1",
    }
    for name, sql in known.items():
        if name in chosen and connection.execute(sql, [chosen[name]]).fetchone() is None:
            raise InputError(f"timeline: this database has no {name} {chosen[name]!r}")


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
    first = since.astimezone(UTC).date() if since else found[0]
    last = until.astimezone(UTC).date() if until else found[-1]
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
