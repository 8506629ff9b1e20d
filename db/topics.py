"""Writes embeddings, topics, the assignments of each run, and what became of topics over refits."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable
from datetime import date
from urllib.parse import urlsplit

from db.connection import Connection, as_json
from db.models import (
    InputError,
    Topic,
    TopicAssignment,
    TopicBurst,
    TopicEvent,
    UnknownNameError,
    WeekCount,
)

LONGEST_LABEL = 120
"""Characters: longer ones fit no legend, list or page title."""


class Topics(Connection):
    """The part of the store that the topic step uses."""

    def embeddings(self, model: str) -> dict[int, bytes]:
        """Vectors (float32 bytes) of the documents that an article carries, by document id, for one embedding model."""
        return {
            int(row[0]): bytes(row[1])
            for row in self.db.conn.execute(
                """SELECT document_id, vector FROM embeddings WHERE model = ?
                   AND EXISTS (SELECT 1 FROM articles AS a WHERE a.document_id = embeddings.document_id)
                   ORDER BY document_id""",
                [model],
            )
        }

    def embedded_digests(self, model: str) -> dict[int, str | None]:
        """Document id -> sha256 of the text that its vector is of, None where that is the whole text."""
        found = self.db.conn.execute("SELECT document_id, sha256 FROM embeddings WHERE model = ?", [model])
        return {int(row[0]): row[1] for row in found}

    def save_embeddings(self, model: str, vectors: Iterable[tuple[int, bytes, str | None]]) -> None:
        """Keeps vectors: document id, float32 bytes, sha256 of the text that was read, None for the whole text."""
        with self._write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO embeddings (document_id, model, vector, sha256) VALUES (?, ?, ?, ?)",
                [(document_id, model, vector, digest) for document_id, vector, digest in vectors],
            )

    def sites_of_documents(self) -> dict[int, set[str]]:
        """Document id -> the hosts whose articles carry it (one import may hold many); the source's id where there is no host."""
        found: dict[int, set[str]] = {}
        for document_id, url, source_id in self.db.conn.execute("SELECT document_id, url, source_id FROM articles"):
            found.setdefault(int(document_id), set()).add(urlsplit(url).netloc or source_id)
        return found

    def topics(self) -> list[Topic]:
        """The standing topics, by id."""
        return [
            Topic(
                row["id"],
                row["label"],
                tuple(json.loads(row["keywords"])),
                row["size"],
                bytes(row["centroid"]),
                row["document_id"],
                row["floor"],
                bool(row["label_edited"]),
            )
            for row in self._rows("SELECT * FROM topics WHERE ended_run_id IS NULL ORDER BY id")
        ]

    def topic_weeks(self) -> tuple[list[WeekCount], dict[date, int]]:
        """Texts of each standing topic by week of their first appearance, and everything collected by week (texts once, pages
        off topic included), from the first week with a text to the last."""
        monday = "date({0}, '-6 days', 'weekday 1')"
        counts = [
            WeekCount(int(row["topic_id"]), date.fromisoformat(row["week"]), int(row["documents"]))
            for row in self._rows(
                f"""SELECT c.topic_id, {monday.format("d.published_at")} AS week, count(*) AS documents
                    FROM current_document_topics AS c JOIN documents AS d ON d.id = c.document_id
                    JOIN topics AS t ON t.id = c.topic_id AND t.ended_run_id IS NULL
                    WHERE d.published_at IS NOT NULL AND d.id IN (SELECT document_id FROM articles)
                    GROUP BY 1, 2 ORDER BY 1, 2"""
            )
        ]
        weeks = {
            date.fromisoformat(row["week"]): (int(row["pages"]), int(row["texts"]))
            for row in self._rows(
                f"""SELECT {monday.format("published_at")} AS week, count(*) AS pages, sum(on_topic) AS texts FROM (
                        SELECT published_at, 1 AS on_topic FROM documents WHERE id IN (SELECT document_id FROM articles)
                        UNION ALL SELECT published_at, 0 FROM collected WHERE on_topic = 0
                    ) WHERE published_at IS NOT NULL GROUP BY 1 ORDER BY 1"""
            )
        }
        with_text = [week for week, (_, texts) in weeks.items() if texts]
        inside = (week for week in weeks if with_text and with_text[0] <= week <= with_text[-1])
        return counts, {week: weeks[week][0] for week in inside}

    def replace_topic_bursts(self, run_id: int, bursts: Iterable[TopicBurst]) -> None:
        """Makes `topic_bursts` equal to what this run found."""
        with self._write() as connection:
            connection.execute("DELETE FROM topic_bursts")
            connection.executemany(
                """INSERT INTO topic_bursts (topic_id, started_on, ended_on, documents, expected, strength, method, run_id)
                   VALUES (?, ?, ?, ?, ?, ?, ?, ?)""",
                [
                    (
                        b.topic_id,
                        b.started_on.isoformat(),
                        b.ended_on.isoformat(),
                        b.documents,
                        float(b.expected),
                        float(b.strength),
                        b.method,
                        run_id,
                    )
                    for b in bursts
                ],
            )

    def last_topic_fit(self) -> tuple[int, str] | None:
        """Id and version of the run whose fit the standing topics come from, however it ended; None before the first."""
        row = self.db.conn.execute(
            """SELECT id, version FROM runs WHERE step = 'topics' AND json_extract(parameters, '$.fit')
               AND EXISTS (SELECT 1 FROM document_topics WHERE run_id = runs.id) ORDER BY id DESC LIMIT 1"""
        ).fetchone()
        return (int(row[0]), str(row[1])) if row else None

    def topic_assignments(self, since_run: int) -> dict[int, tuple[int, int | None]]:
        """Document id -> (first run that assigned it, newest topic or None), of the assignments of this run and later ones."""
        found: dict[int, tuple[int, int | None]] = {}
        for document_id, run_id, topic_id in self.db.conn.execute(
            "SELECT document_id, run_id, topic_id FROM document_topics WHERE run_id >= ? ORDER BY run_id", [since_run]
        ):
            first = found[int(document_id)][0] if int(document_id) in found else int(run_id)
            found[int(document_id)] = (first, None if topic_id is None else int(topic_id))
        return found

    def names_by_document(self) -> dict[int, list[tuple[str, str]]]:
        """The distinct (name, type) mentioned in each document, known actors by their canonical name."""
        found: dict[int, list[tuple[str, str]]] = {}
        for row in self.db.conn.execute(
            """SELECT DISTINCT m.document_id, coalesce(a.name, m.name), m.type FROM mentions AS m
               LEFT JOIN actors AS a ON a.id = m.actor_id ORDER BY 1, 2, 3"""
        ):
            found.setdefault(int(row[0]), []).append((str(row[1]), str(row[2])))
        return found

    def next_topic_id(self) -> int:
        """The id that the next new topic gets; ids are never used twice."""
        return int(self.db.conn.execute("SELECT coalesce(max(id), 0) + 1 FROM topics").fetchone()[0])

    def save_topics(
        self,
        run_id: int,
        topics: Iterable[Topic],
        assignments: Iterable[TopicAssignment],
        events: Iterable[TopicEvent] = (),
    ) -> None:
        """A fit: makes the standing topics equal to `topics` (others end with this run; labels that a user edited stay), adds
        this run's assignments, and counts sizes by them. Earlier assignments stay readable under their own run."""
        with self._write() as connection:
            named = []
            for topic in topics:
                named.append(topic.id)
                connection.execute(
                    """INSERT INTO topics (id, label, keywords, size, document_id, centroid, floor, run_id)
                       VALUES (?, ?, ?, ?, ?, ?, ?, ?)
                       ON CONFLICT (id) DO UPDATE SET
                           label = CASE WHEN label_edited = 1 THEN label ELSE excluded.label END,
                           keywords = excluded.keywords, size = excluded.size, document_id = excluded.document_id,
                           centroid = excluded.centroid, floor = excluded.floor, ended_run_id = NULL""",
                    [
                        topic.id,
                        topic.label,
                        as_json(topic.keywords),
                        topic.size,
                        topic.document_id,
                        topic.centroid,
                        float(topic.floor),
                        run_id,
                    ],
                )
            marks = ", ".join("?" * len(named)) or "0"
            connection.execute(
                f"UPDATE topics SET ended_run_id = ? WHERE ended_run_id IS NULL AND id NOT IN ({marks})",
                [run_id, *named],
            )
            _insert_assignments(connection, run_id, assignments)
            _settle_sizes(connection)
            connection.executemany(
                "INSERT INTO topic_events (run_id, kind, topic_id, other_topic_id, similarity) VALUES (?, ?, ?, ?, ?)",
                [(run_id, e.kind, e.topic_id, e.other_topic_id, e.similarity) for e in events],
            )

    def save_assignments(self, run_id: int, assignments: Iterable[TopicAssignment]) -> None:
        """New documents assigned to the standing topics without a refit; topic sizes follow."""
        with self._write() as connection:
            _insert_assignments(connection, run_id, assignments)
            _settle_sizes(connection)

    def rename_topic(self, topic_id: int, label: str) -> None:
        """Gives a standing topic a label that refits keep, without signs that cannot be seen. InputError when it is empty, too
        long or another topic's."""
        label = " ".join("".join(sign for sign in label if sign.isprintable() or sign.isspace()).split())
        if not label:
            raise InputError("a topic's label cannot be empty")
        if len(label) > LONGEST_LABEL:
            raise InputError(f"a topic's label has at most {LONGEST_LABEL} characters, this one {len(label)}")
        self._standing(topic_id)
        taken = [t.id for t in self.topics() if t.label.casefold() == label.casefold() and t.id != topic_id]
        if taken:
            raise InputError(f'topic {taken[0]} is called "{label}" already; choose another label, or merge the two')
        with self._write() as connection:
            connection.execute("UPDATE topics SET label = ?, label_edited = 1 WHERE id = ?", [label, topic_id])

    def merge_topic(self, run_id: int, topic_id: int, into_id: int, *, centroid: bytes, similarity: float) -> int:
        """Ends a standing topic in another, under a run of its own; returns how many documents moved.

        centroid: of the two together; similarity: the cosine of the two. Both centroids of before are kept in `topic_merges`, so
        that a fit that finds both again makes one of them. Earlier assignments stay readable under their runs.
        """
        one, other = self._standing(topic_id), self._standing(into_id)
        with self._write() as connection:
            moved = connection.execute(
                """INSERT INTO document_topics (document_id, run_id, topic_id, score)
                   SELECT document_id, ?, ?, score FROM current_document_topics WHERE topic_id = ?""",
                [run_id, into_id, topic_id],
            ).rowcount
            connection.execute(
                "UPDATE topics SET centroid = ?, floor = min(floor, ?) WHERE id = ?", [centroid, one.floor, into_id]
            )
            connection.execute("UPDATE topics SET ended_run_id = ? WHERE id = ?", [run_id, topic_id])
            _settle_sizes(connection)
            connection.execute(
                """INSERT OR REPLACE INTO topic_merges (topic_id, into_id, centroid, into_centroid, run_id)
                   VALUES (?, ?, ?, ?, ?)""",
                [topic_id, into_id, one.centroid, other.centroid, run_id],
            )
            connection.execute(
                "INSERT INTO topic_events (run_id, kind, topic_id, other_topic_id, similarity) VALUES (?, 'merge', ?, ?, ?)",
                [run_id, topic_id, into_id, similarity],
            )
        return moved

    def topic_merges(self) -> list[tuple[bytes, bytes]]:
        """The centroids (float32 bytes) of the topics that a user has merged, as they were then."""
        return [
            (bytes(one), bytes(other))
            for one, other in self.db.conn.execute(
                "SELECT centroid, into_centroid FROM topic_merges ORDER BY run_id, topic_id"
            )
        ]

    def _standing(self, topic_id: int) -> Topic:
        found = [topic for topic in self.topics() if topic.id == topic_id]
        if not found:
            raise UnknownNameError(f"no standing topic {topic_id}; `debatewatch topics list` names them")
        return found[0]


def _insert_assignments(connection: sqlite3.Connection, run_id: int, assignments: Iterable[TopicAssignment]) -> None:
    connection.executemany(
        "INSERT OR REPLACE INTO document_topics (document_id, run_id, topic_id, score) VALUES (?, ?, ?, ?)",
        [(a.document_id, run_id, a.topic_id, float(a.score)) for a in assignments],
    )


def _settle_sizes(connection: sqlite3.Connection) -> None:
    """Sizes of the standing topics are the documents that are in them now."""
    connection.execute("UPDATE topics SET size = 0 WHERE ended_run_id IS NULL")
    connection.execute(
        """UPDATE topics SET size = counted.documents
           FROM (SELECT topic_id, count(*) AS documents FROM current_document_topics GROUP BY topic_id) AS counted
           WHERE counted.topic_id = topics.id AND topics.ended_run_id IS NULL"""
    )
