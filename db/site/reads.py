"""What the site's pages read, beyond db.queries. Read-only; each function takes a connection and returns plain rows."""

from __future__ import annotations

import ipaddress
import json
import sqlite3
from typing import Any
from urllib.parse import urlsplit

from db import queries
from db.queries import Row, rows
from db.timelines import timeline

MAX_LISTED = 200
"""Rows of a list on a page; the tables behind it have all of them."""

_STATEMENT = """
    SELECT s.id, s.document_id, s.text, s.start, s."end" AS finish, s.speaker, s.speaker_name, s.actor_id, s.speaker_start,
           s.speaker_end, s.kind, s.rule, s.side, s.score, s.run_id, s.stance_run_id, coalesce(x.name, s.speaker_name) AS name,
           d.published_at, d.title
    FROM statements AS s JOIN documents AS d ON d.id = s.document_id LEFT JOIN actors AS x ON x.id = s.actor_id
"""
# Statements of versions of an article that no article carries any more are kept, but belong to no list.
_CARRIED = "EXISTS (SELECT 1 FROM articles AS a WHERE a.document_id = s.document_id)"


def one(connection: sqlite3.Connection, sql: str, parameters: list[object]) -> Row | None:
    """The first row, or None."""
    return next(iter(rows(connection, sql, parameters)), None)


def home(connection: sqlite3.Connection) -> dict[str, Any]:
    """The front page: totals, what moved with its evidence, timelines by quarter, the newest statements, sources in trouble."""
    moved = queries.changes(connection, limit=6)
    for change in moved:
        before, after = queries.nearest_evidence(queries.change_evidence(connection, change["id"]))
        change.update(last_before=before, first_after=after)
    topics = queries.topics(connection)[:6]
    return {
        "totals": queries.totals(connection),
        "sides": queries.sides(connection),
        "changes": moved,
        "stances": timeline(connection, "stances", by="quarter", intervals=False),
        "topics": [{**topic, "values": topic_values(connection, topic["id"])} for topic in topics],
        "statements": statements(connection, limit=8),
        "speakers": queries.speakers(connection, limit=10),
        "troubled": rows(
            connection,
            """SELECT source_id, source, state, last_success_at FROM source_health
               WHERE state NOT IN ('ok', 'removed') ORDER BY state, source LIMIT 20""",
        ),
        "period": one(connection, "SELECT min(published_at) AS first, max(published_at) AS last FROM articles", []),
        "unlinked": one(connection, "SELECT count(*) AS n FROM statements WHERE actor_id IS NULL", []),
        "unjudged": one(connection, "SELECT count(*) AS n FROM statements WHERE side IS NULL", []),
        "failures": one(connection, "SELECT count(*) AS n FROM failures", []),
        "empty_months": one(connection, "SELECT count(*) AS n FROM months WHERE healthy_sources = 0", []),
        "last_run": one(connection, "SELECT step, status, finished_at FROM runs ORDER BY id DESC LIMIT 1", []),
        "loopback": only_loopback(connection),
    }


def only_loopback(connection: sqlite3.Connection) -> bool:
    """True when every source is served on this computer: the sample, or a test, and no coverage of real outlets."""
    addresses = [row["url"] for row in rows(connection, "SELECT url FROM sources WHERE removed_at IS NULL")]
    return bool(addresses) and all(_is_loopback(address) for address in addresses)


def _is_loopback(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def statements(
    connection: sqlite3.Connection, where: str = "1", parameters: tuple[object, ...] = (), *, limit: int = MAX_LISTED
) -> list[Row]:
    """Statements of texts that an article carries, newest first. `where` is SQL of ours, values travel in `parameters`."""
    return rows(
        connection,
        f"{_STATEMENT} WHERE {_CARRIED} AND {where} ORDER BY d.published_at DESC, s.id DESC LIMIT ?",
        [*parameters, limit],
    )


def statement(connection: sqlite3.Connection, number: int) -> dict[str, Any] | None:
    """One statement with its text, its positions, the articles that carry it, its runs and its neighbours."""
    found = one(connection, f"{_STATEMENT} WHERE s.id = ?", [number])
    if found is None:
        return None
    whose, key = (
        ("s.actor_id = ?", found["actor_id"])
        if found["actor_id"]
        else (
            "s.actor_id IS NULL AND s.speaker_name = ?",
            found["speaker_name"],
        )
    )
    place = "(coalesce(d.published_at, ''), s.id)"
    own = (found["published_at"] or "", number)
    neighbour = f"""SELECT s.id, d.published_at, s.side FROM statements AS s JOIN documents AS d ON d.id = s.document_id
                    WHERE {whose} AND {_CARRIED} AND {place} {{}} (?, ?)
                    ORDER BY coalesce(d.published_at, '') {{}}, s.id {{}} LIMIT 1"""
    return {
        "statement": found,
        "document": one(connection, "SELECT * FROM documents WHERE id = ?", [found["document_id"]]),
        "positions": positions(connection, number),
        "articles": articles(connection, found["document_id"]),
        "runs": rows(
            connection,
            "SELECT id, step, version, started_at FROM runs WHERE id IN (?, ?) ORDER BY id",
            [found["run_id"], found["stance_run_id"]],
        ),
        "previous": one(connection, neighbour.format("<", "DESC", "DESC"), [key, *own]),
        "next": one(connection, neighbour.format(">", "ASC", "ASC"), [key, *own]),
    }


def positions(connection: sqlite3.Connection, statement_id: int) -> list[Row]:
    """What a statement says of which proposition: id, label, text, supports, stance, score."""
    return rows(
        connection,
        """SELECT q.id, q.label, q.text, q.supports, p.stance, p.score FROM positions AS p
           JOIN propositions AS q ON q.id = p.proposition_id WHERE p.statement_id = ? ORDER BY q.position""",
        [statement_id],
    )


def articles(connection: sqlite3.Connection, document_id: int) -> list[Row]:
    """The articles that carry a text now, earliest first, with outlet and the newest archived page."""
    return rows(
        connection,
        """SELECT a.id, a.url, a.title, a.published_at, a.modified_at, a.paywalled, a.sponsored, a.agency, a.authors, a.kind,
                  o.name AS outlet, a.source_id,
                  coalesce(
                      (SELECT max(f.id) FROM fetches AS f WHERE f.article_id = a.id AND f.warc_file IS NOT NULL),
                      -- A comment was kept with the page that it stands under.
                      (SELECT max(f.id) FROM fetches AS f JOIN articles AS p ON p.id = f.article_id
                       WHERE p.url = a.parent_url AND f.warc_file IS NOT NULL)) AS fetch_id
           FROM articles AS a JOIN sources AS o ON o.id = a.source_id WHERE a.document_id = ?
           ORDER BY a.published_at IS NULL, a.published_at, a.id LIMIT ?""",
        [document_id, MAX_LISTED],
    )


def document(connection: sqlite3.Connection, number: int) -> dict[str, Any] | None:
    """One text with its statements, mentions, articles, earlier versions and topic."""
    found = one(connection, "SELECT * FROM documents WHERE id = ?", [number])
    if found is None:
        return None
    return {
        "document": found,
        "authors": json.loads(found["authors"]),
        "statements": rows(connection, f"{_STATEMENT} WHERE s.document_id = ? ORDER BY s.start", [number]),
        "mentions": rows(
            connection,
            """SELECT m.start, m."end" AS finish, m.name, m.type, m.actor_id, x.name AS actor FROM mentions AS m
               LEFT JOIN actors AS x ON x.id = m.actor_id WHERE m.document_id = ? ORDER BY m.start LIMIT 5000""",
            [number],
        ),
        "articles": articles(connection, number),
        "versions": rows(
            connection,
            """SELECT v.document_id, v.title, v.seen_at, a.url FROM article_versions AS v JOIN articles AS a ON a.id = v.article_id
               WHERE v.article_id IN (SELECT article_id FROM article_versions WHERE document_id = ?) AND v.document_id != ?
               ORDER BY v.seen_at""",
            [number, number],
        ),
        "topic": one(
            connection,
            """SELECT t.id, t.label, c.score FROM current_document_topics AS c JOIN topics AS t ON t.id = c.topic_id
               WHERE c.document_id = ?""",
            [number],
        ),
    }


def actor(connection: sqlite3.Connection, key: str) -> dict[str, Any] | None:
    """An actor of debate.toml: who they are, what they said, what they hold, what changed."""
    found = one(connection, "SELECT * FROM actors WHERE id = ?", [key])
    if found is None:
        return None
    spoken = _spoken(connection, "s.actor_id = ?", key)
    return {
        "profile": found,
        "aliases": json.loads(found["aliases"]),
        "affiliations": rows(
            connection,
            """SELECT f.role, f.start, f."end" AS finish, o.id, o.name, 1 AS belongs FROM affiliations AS f
               JOIN actors AS o ON o.id = f.organisation_id WHERE f.actor_id = :key
               UNION ALL
               SELECT f.role, f.start, f."end", p.id, p.name, 0 FROM affiliations AS f
               JOIN actors AS p ON p.id = f.actor_id WHERE f.organisation_id = :key ORDER BY 6 DESC, 2, 5""",
            {"key": key},
        ),
        "mentioned": one(
            connection,
            """SELECT count(DISTINCT a.id) AS n FROM mentions AS m JOIN articles AS a USING (document_id) WHERE m.actor_id = ?""",
            [key],
        ),
        **spoken,
    }


def speaker(connection: sqlite3.Connection, name: str) -> dict[str, Any] | None:
    """A speaker who is linked to no actor: what they said, what they hold."""
    spoken = _spoken(connection, "s.actor_id IS NULL AND s.speaker_name = ?", name)
    return spoken if spoken["statements"] else None


def _spoken(connection: sqlite3.Connection, whose: str, key: str) -> dict[str, Any]:
    held = rows(
        connection,
        f"""SELECT q.id, q.label, q.text, q.supports, sum(p.stance = 'agree') AS agree, sum(p.stance = 'disagree') AS disagree,
                   min(d.published_at) AS first_at, max(d.published_at) AS last_at
            FROM positions AS p JOIN statements AS s ON s.id = p.statement_id JOIN documents AS d ON d.id = s.document_id
            JOIN propositions AS q ON q.id = p.proposition_id WHERE {whose} AND {_CARRIED} GROUP BY q.id ORDER BY q.position""",
        [key],
    )
    for row in held:
        row["over_time"] = rows(
            connection,
            f"""SELECT s.id, p.stance, d.published_at FROM positions AS p JOIN statements AS s ON s.id = p.statement_id
                JOIN documents AS d ON d.id = s.document_id WHERE {whose} AND p.proposition_id = ? AND {_CARRIED}
                ORDER BY d.published_at, s.id LIMIT 60""",
            [key, row["id"]],
        )
    changed = rows(
        connection,
        f"""SELECT s.id, s.before, s.after, s.not_before, s.changed_at, s.strength, coalesce(q.label, 'side as a whole') AS about
            FROM position_changes AS s LEFT JOIN propositions AS q ON q.id = s.proposition_id WHERE {whose}
            ORDER BY s.changed_at DESC, s.id LIMIT 50""",
        [key],
    )
    for row in changed:
        row["evidence"] = queries.change_evidence(connection, row["id"])
    return {
        "positions": held,
        "changes": changed,
        "statements": statements(connection, whose, (key,)),
        "sides": rows(connection, "SELECT id, name, color FROM sides ORDER BY position"),
    }


def topic(connection: sqlite3.Connection, number: int) -> dict[str, Any] | None:
    """A topic: its words, its timeline, what became of it, its documents, and what is said in them by side."""
    found = one(connection, "SELECT * FROM topics WHERE id = ?", [number])
    if found is None:
        return None
    return {
        "topic": found,
        "keywords": json.loads(found["keywords"]),
        "timeline": timeline(connection, "topics", by="month", filters={"topic": str(number)})
        if found["ended_run_id"] is None
        else None,
        "events": rows(
            connection,
            """SELECT e.kind, e.similarity, e.other_topic_id, o.label AS other, r.started_at FROM topic_events AS e
               JOIN runs AS r ON r.id = e.run_id LEFT JOIN topics AS o ON o.id = e.other_topic_id
               WHERE e.topic_id = ? AND e.kind != 'continue' ORDER BY e.id DESC LIMIT 50""",
            [number],
        ),
        "sides": rows(
            connection,
            """SELECT sides.id, sides.name, count(s.id) AS statements FROM sides LEFT JOIN statements AS s ON s.side = sides.id
               AND s.document_id IN (SELECT document_id FROM current_document_topics WHERE topic_id = ?)
               GROUP BY sides.id ORDER BY sides.position""",
            [number],
        ),
        "documents": rows(
            connection,
            """SELECT d.id, d.title, d.published_at, c.score,
                      (SELECT count(*) FROM articles AS a WHERE a.document_id = d.id) AS articles
               FROM current_document_topics AS c JOIN documents AS d ON d.id = c.document_id
               WHERE c.topic_id = ? ORDER BY d.published_at DESC, d.id DESC LIMIT ?""",
            [number, MAX_LISTED],
        ),
    }


def topic_values(connection: sqlite3.Connection, number: int) -> list[int | None]:
    """Unique texts of a topic by quarter, None where no source was healthy."""
    counted = timeline(connection, "topics", by="quarter", filters={"topic": str(number)})
    return [row["documents"] for row in counted.rows]


def archived(connection: sqlite3.Connection, fetch_id: int) -> Row | None:
    """Where the answer to one request lies in the archive: id, url, final_url, fetched_at, warc_file, warc_offset, outlet."""
    return one(
        connection,
        """SELECT f.id, f.url, f.final_url, f.fetched_at, f.status, f.warc_file, f.warc_offset, o.name AS outlet,
                  a.document_id, a.title
           FROM fetches AS f JOIN sources AS o ON o.id = f.source_id LEFT JOIN articles AS a ON a.id = f.article_id
           WHERE f.id = ? AND f.warc_file IS NOT NULL""",
        [fetch_id],
    )


def search(connection: sqlite3.Connection, words: str) -> dict[str, Any]:
    """Statements, documents and actors that have all of these words. Quoted word by word, so that no input is a syntax error."""
    match = " ".join('"' + word.replace('"', '""') + '"' for word in words.split())
    if not match:
        return {"statements": [], "documents": [], "actors": []}
    return {
        "statements": statements(
            connection, "s.id IN (SELECT rowid FROM statements_fts WHERE statements_fts MATCH ?)", (match,), limit=50
        ),
        "documents": rows(
            connection,
            """SELECT d.id, d.title, d.published_at FROM documents AS d
               WHERE d.id IN (SELECT rowid FROM documents_fts WHERE documents_fts MATCH ?)
                 AND EXISTS (SELECT 1 FROM articles AS a WHERE a.document_id = d.id)
               ORDER BY d.published_at DESC, d.id DESC LIMIT 50""",
            [match],
        ),
        "actors": rows(
            connection,
            r"""SELECT id, name, kind, role FROM actors WHERE name LIKE '%' || ? || '%' ESCAPE '\'
               OR aliases LIKE '%' || ? || '%' ESCAPE '\'
               ORDER BY name LIMIT 20""",
            [_like(words), _like(words)],
        ),
    }


def _like(words: str) -> str:
    return words.strip().replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_")


def about(connection: sqlite3.Connection) -> dict[str, Any]:
    """How the rows were made: the newest run of each step, the propositions, and the sides."""
    return {
        "runs": rows(
            connection,
            """SELECT r.id, r.step, r.version, r.status, r.finished_at, r.models FROM runs AS r
               WHERE r.id IN (SELECT max(id) FROM runs GROUP BY step) ORDER BY r.id""",
        ),
        "propositions": rows(connection, "SELECT id, label, text, supports FROM propositions ORDER BY position"),
        "sides": rows(connection, "SELECT id, name, description FROM sides ORDER BY position"),
    }
