"""Every read that people see: status, summary, statements, changes of position. Timelines have their own file, db.timelines.

Read-only: nothing here writes, and the connection could not. Rows are plain dictionaries whose keys are named in each docstring.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sqlite_utils import Database

from db.migrations import migrations
from db.models import StoreError, UnknownNameError, from_iso

Row = dict[str, Any]


@contextmanager
def open_read(path: Path | str) -> Iterator[sqlite3.Connection]:
    """A read-only connection to a Debatewatch database, closed at the end.

    Raises StoreError with one line when the file is missing, is no database, is not one of ours, or has an older schema.
    """
    path = Path(path)
    if not path.is_file():
        raise StoreError(f"{path}: no such database; `debatewatch crawl` or `debatewatch import` makes one")
    try:
        connection = sqlite3.connect(f"file:{quote(str(path.absolute()))}?mode=ro", uri=True, timeout=30)
        found = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'statements'").fetchone()
    except sqlite3.Error as error:
        raise StoreError(f"{path}: cannot be read as a database ({error})") from error
    if found is None:
        connection.close()
        raise StoreError(f"{path}: not a Debatewatch database; name one with --db")
    if migrations.pending(Database(connection)):
        connection.close()
        raise StoreError(f"{path}: made by an older Debatewatch; `debatewatch analyze` brings it up to date")
    try:
        yield connection
    finally:
        connection.close()


def rows(
    connection: sqlite3.Connection, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()
) -> list[Row]:
    """The rows of a query as dictionaries."""
    cursor = connection.execute(sql, parameters)
    names = [column[0] for column in cursor.description]
    return [dict(zip(names, row, strict=True)) for row in cursor]


def last_run_id(connection: sqlite3.Connection) -> int:
    """The number of the newest run; 0 before the first."""
    return int(connection.execute("SELECT coalesce(max(id), 0) FROM runs").fetchone()[0])


def last_crawl(connection: sqlite3.Connection) -> datetime | None:
    """When the newest crawl began (UTC); None before the first."""
    return from_iso(connection.execute("SELECT max(started_at) FROM runs WHERE step = 'crawl'").fetchone()[0])


def totals(connection: sqlite3.Connection) -> dict[str, int]:
    """How much there is: articles, documents, sources, statements, speakers, topics, changes_of_position, undated_articles,
    failed_fetches."""
    counted = rows(
        connection,
        """SELECT (SELECT count(*) FROM articles) AS articles,
                  (SELECT count(DISTINCT document_id) FROM articles) AS documents,
                  (SELECT count(*) FROM sources WHERE removed_at IS NULL) AS sources,
                  (SELECT count(*) FROM statements WHERE document_id IN (SELECT document_id FROM articles)) AS statements,
                  (SELECT count(DISTINCT coalesce(actor_id, speaker_name)) FROM statements) AS speakers,
                  (SELECT count(*) FROM topics WHERE ended_run_id IS NULL) AS topics,
                  (SELECT count(*) FROM position_changes) AS changes_of_position,
                  (SELECT count(*) FROM articles WHERE published_at IS NULL) AS undated_articles,
                  (SELECT count(*) FROM fetches WHERE outcome = 'failed') AS failed_fetches""",
    )
    return {name: int(value) for name, value in counted[0].items()}


def outcomes(connection: sqlite3.Connection) -> dict[str, int]:
    """Pages (not listings) by what came of them: outcome -> number of distinct addresses, by their newest fetch."""
    return {
        row["outcome"]: row["pages"]
        for row in rows(
            connection,
            """SELECT outcome, count(*) AS pages FROM fetches WHERE target = 'page'
               AND id IN (SELECT max(id) FROM fetches WHERE target = 'page' GROUP BY url) GROUP BY outcome ORDER BY pages DESC""",
        )
    }


def status(connection: sqlite3.Connection) -> dict[str, Any]:
    """For the command `status`: totals, the last ten runs, open failures, sources that are not ok, what stands against them
    (alerts), the newest changes, bursts and new actors."""
    runs = rows(
        connection, "SELECT id, step, status, started_at, finished_at, counts FROM runs ORDER BY id DESC LIMIT 10"
    )
    for run in runs:
        run["counts"] = json.loads(run["counts"])
    return {
        "totals": totals(connection),
        "pages": outcomes(connection),
        "runs": runs,
        "new_articles_7_days": rows(
            connection,
            "SELECT count(*) AS n FROM articles WHERE added_at >= strftime('%Y-%m-%dT%H:%M:%SZ', 'now', '-7 days')",
        )[0]["n"],
        "failures": rows(
            connection,
            """SELECT step, error, count(*) AS failures, max(failed_at) AS last_at FROM failures
               GROUP BY step, error ORDER BY last_at DESC LIMIT 20""",
        ),
        "sources": rows(
            connection,
            """SELECT source_id, state, last_success_at, failed, articles, week, usual_week, why FROM source_health
               WHERE state NOT IN ('ok', 'removed') ORDER BY state, source_id""",
        ),
        "alerts": alerts(connection),
        "changes": changes(connection, limit=10),
        "bursts": bursts(connection, limit=10),
        "new_actors": new_actors(connection, limit=10),
    }


def alerts(connection: sqlite3.Connection) -> list[Row]:
    """What stands against sources that are still collected: source_id, kind, since, detail (figures), opened_at, told_at. A source
    whose last crawl gave nothing but failures is among them at once, without detail."""
    return rows(
        connection,
        """SELECT a.source_id, a.kind, a.since, a.detail, a.opened_at, a.told_at FROM source_alerts AS a
           JOIN sources ON sources.id = a.source_id WHERE a.closed_at IS NULL AND sources.removed_at IS NULL
           UNION ALL
           SELECT source_id, 'failing', last_success_at, NULL, last_fetch_at, NULL FROM source_health
           WHERE state = 'failing' AND source_id NOT IN
               (SELECT source_id FROM source_alerts WHERE closed_at IS NULL AND kind = 'failing')
           ORDER BY 1, 2""",
    )


def changes(connection: sqlite3.Connection, *, limit: int = 1000) -> list[Row]:
    """Changes of position, newest first: id, speaker, actor_id, about (the proposition, or "side as a whole"), before, after,
    not_before, changed_at, strength, statements (number of statements it rests on)."""
    return rows(
        connection,
        """SELECT c.id, coalesce(a.name, c.speaker_name) AS speaker, c.actor_id, coalesce(p.label, 'side as a whole') AS about,
                  c.before, c.after, substr(c.not_before, 1, 10) AS not_before, substr(c.changed_at, 1, 10) AS changed_at,
                  round(c.strength, 3) AS strength,
                  (SELECT count(*) FROM position_change_statements AS s WHERE s.change_id = c.id) AS statements
           FROM position_changes AS c LEFT JOIN actors AS a ON a.id = c.actor_id
           LEFT JOIN propositions AS p ON p.id = c.proposition_id
           ORDER BY c.changed_at DESC, c.id LIMIT ?""",
        [limit],
    )


def bursts(connection: sqlite3.Connection, *, limit: int = 1000) -> list[Row]:
    """Weeks in which a topic took an unusual share of the coverage, newest first: topic_id, topic, started_on, ended_on, documents,
    expected, strength."""
    return rows(
        connection,
        """SELECT b.topic_id, t.label AS topic, b.started_on, b.ended_on, b.documents, round(b.expected, 1) AS expected,
                  round(b.strength, 2) AS strength
           FROM topic_bursts AS b JOIN topics AS t ON t.id = b.topic_id ORDER BY b.started_on DESC, b.id LIMIT ?""",
        [limit],
    )


def new_actors(connection: sqlite3.Connection, *, limit: int = 1000) -> list[Row]:
    """Who entered the debate, newest first: speaker, actor_id, entered_at, side (of the first statement), statement_id,
    statements, documents."""
    return rows(
        connection,
        """SELECT speaker, actor_id, substr(entered_at, 1, 10) AS entered_at, side, statement_id, statements, documents
           FROM new_actors ORDER BY entered_at DESC, statement_id LIMIT ?""",
        [limit],
    )


def change_evidence(connection: sqlite3.Connection, change_id: int) -> list[Row]:
    """The statements a change rests on, by date: statement_id, moment (before, after), date, side, text, title, url, outlet, and
    telling (1 when it takes the position of its moment itself: the days on each side of a change mostly agree, not all)."""
    return rows(
        connection,
        """SELECT s.id AS statement_id, e.moment, substr(d.published_at, 1, 10) AS date, s.side, s.text, d.title,
                  a.url, a.source_id AS source_id, o.name AS outlet,
                  coalesce(CASE e.moment WHEN 'before' THEN c.before ELSE c.after END =
                           CASE WHEN c.proposition_id IS NULL THEN s.side
                                ELSE (SELECT p.stance FROM positions AS p
                                      WHERE p.statement_id = s.id AND p.proposition_id = c.proposition_id) END, 0) AS telling
           FROM position_change_statements AS e JOIN position_changes AS c ON c.id = e.change_id
           JOIN statements AS s ON s.id = e.statement_id
           JOIN documents AS d ON d.id = s.document_id
           LEFT JOIN articles AS a ON a.id = (SELECT min(id) FROM articles WHERE document_id = d.id)
           LEFT JOIN sources AS o ON o.id = a.source_id
           WHERE e.change_id = ? ORDER BY d.published_at, s.id""",
        [change_id],
    )


def nearest_evidence(evidence: Sequence[Row]) -> tuple[Row | None, Row | None]:
    """Of what `change_evidence` gives, the last statement before the change and the first after it that say what changed."""
    before = [row for row in evidence if row["moment"] == "before"][::-1]
    after = [row for row in evidence if row["moment"] == "after"]
    # Sorting keeps the order of equals.
    last, first = (sorted(found, key=lambda row: -row["telling"]) for found in (before, after))
    return (last[0] if last else None), (first[0] if first else None)


def speakers(connection: sqlite3.Connection, *, limit: int = 10) -> list[Row]:
    """Who speaks most: speaker, actor_id, statements, and the number by side in `sides`."""
    found = rows(
        connection,
        """SELECT coalesce(a.name, s.speaker_name) AS speaker, s.actor_id, count(*) AS statements,
                  json_group_array(s.side) AS sides
           FROM statements AS s LEFT JOIN actors AS a ON a.id = s.actor_id
           WHERE s.side IS NOT NULL AND s.document_id IN (SELECT document_id FROM articles)
           GROUP BY coalesce(s.actor_id, s.speaker_name) ORDER BY statements DESC, speaker LIMIT ?""",
        [limit],
    )
    for row in found:
        names = json.loads(row["sides"])
        row["sides"] = {name: names.count(name) for name in sorted(set(names))}
    return found


def sides(connection: sqlite3.Connection) -> list[Row]:
    """Statements by side, in the debate's order: id, name, color, statements."""
    return rows(
        connection,
        """SELECT sides.id, sides.name, sides.color, count(s.id) AS statements FROM sides
           LEFT JOIN statements AS s ON s.side = sides.id AND s.document_id IN (SELECT document_id FROM articles)
           GROUP BY sides.id ORDER BY sides.position""",
    )


def topics(connection: sqlite3.Connection) -> list[Row]:
    """The standing topics, largest first: id, label, keywords, documents, articles, first_at, last_at."""
    found = rows(
        connection,
        """SELECT t.id, t.label, t.keywords, count(DISTINCT c.document_id) AS documents, count(a.id) AS articles,
                  min(a.published_at) AS first_at, max(a.published_at) AS last_at
           FROM topics AS t LEFT JOIN current_document_topics AS c ON c.topic_id = t.id
           LEFT JOIN articles AS a ON a.document_id = c.document_id
           WHERE t.ended_run_id IS NULL GROUP BY t.id ORDER BY documents DESC, t.id""",
    )
    for row in found:
        row["keywords"] = json.loads(row["keywords"])
    return found


def topic(connection: sqlite3.Connection, topic_id: int) -> Row:
    """One topic, standing or ended: id, label, keywords, standing, documents (its size now, 0 when ended), examples (title,
    published_at, url, score: the most typical articles first), runs (run_id, started_at, documents: of every run that assigned to
    it), events. UnknownNameError when there is none of that id."""
    found = rows(
        connection, "SELECT id, label, keywords, ended_run_id IS NULL AS standing FROM topics WHERE id = ?", [topic_id]
    )
    if not found:
        raise UnknownNameError(f"no topic {topic_id}; `debatewatch topics list` names them")
    row = found[0]
    row["keywords"], row["standing"] = json.loads(row["keywords"]), bool(row["standing"])
    row["documents"] = rows(
        connection, "SELECT count(*) AS n FROM current_document_topics WHERE topic_id = ?", [topic_id]
    )[0]["n"]
    row["examples"] = rows(
        connection,
        """SELECT a.title, a.published_at, a.url, round(c.score, 3) AS score
           FROM current_document_topics AS c JOIN articles AS a ON a.id =
               (SELECT min(id) FROM articles WHERE document_id = c.document_id)
           WHERE c.topic_id = ? ORDER BY c.score DESC, a.id LIMIT 10""",
        [topic_id],
    )
    row["runs"] = rows(
        connection,
        """SELECT t.run_id, r.started_at, count(*) AS documents FROM document_topics AS t JOIN runs AS r ON r.id = t.run_id
           WHERE t.topic_id = ? GROUP BY t.run_id ORDER BY t.run_id""",
        [topic_id],
    )
    row["events"] = topic_events(connection, topic_id=topic_id)
    return row


def topic_events(connection: sqlite3.Connection, *, topic_id: int | None = None, limit: int = 1_000) -> list[Row]:
    """What became of topics over fits, newest first: at, run_id, kind, topic_id, topic, other_topic_id, other, similarity.

    kind: birth, death, merge (into other), split (off other), drift, continue; similarity: what decided it.
    """
    return rows(
        connection,
        """SELECT r.started_at AS at, e.run_id, e.kind, e.topic_id, t.label AS topic, e.other_topic_id, o.label AS other,
                  e.similarity
           FROM topic_events AS e JOIN runs AS r ON r.id = e.run_id JOIN topics AS t ON t.id = e.topic_id
           LEFT JOIN topics AS o ON o.id = e.other_topic_id
           WHERE ? IS NULL OR e.topic_id = ? OR e.other_topic_id = ? ORDER BY e.id DESC LIMIT ?""",
        [topic_id, topic_id, topic_id, limit],
    )


def summary(connection: sqlite3.Connection) -> str:
    """What was found, as text for a person: what was collected, who says what, which topics, what changed."""
    count = totals(connection)
    pages = ", ".join(f"{number} {name.replace('_', ' ')}" for name, number in outcomes(connection).items())
    spoken = {row["name"]: row["statements"] for row in sides(connection)}
    lines = [
        "What was collected",
        f"  {count['articles']} articles from {count['sources']} sources, {count['documents']} unique texts "
        f"({count['articles'] - count['documents']} reprints). Pages: {pages}.",
        "",
        "Who says what",
        f"  {count['statements']} statements by {count['speakers']} speakers: "
        + ", ".join(f"{number} {name.lower()}" for name, number in spoken.items())
        + ".",
    ]
    for row in speakers(connection, limit=8):
        split = ", ".join(f"{number} {name}" for name, number in row["sides"].items())
        lines.append(f"  {row['speaker']:<28.28} {row['statements']:>4}   {split}")
    lines += ["", "Topics"]
    for row in topics(connection)[:10]:
        lines.append(f"  {row['label']:<44.44} {row['documents']:>4} texts, {row['articles']} articles")
    lines += ["", "Changes of position"]
    moved = changes(connection, limit=8)
    for row in moved:
        lines.append(
            f"  {row['speaker']:<24.24} {row['about']}: {row['before']} -> {row['after']}, between {row['not_before']} and "
            f"{row['changed_at']} ({row['statements']} statements)"
        )
    if not moved:
        lines.append("  none with enough evidence")
    return "\n".join(lines) + "\n"
