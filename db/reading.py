"""Selects the work of the analysis and writes what it reads: mentions, statements, stances, changes of position."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from db.coding import HAND_CODED
from db.connection import Connection
from db.models import (
    Document,
    Judgement,
    Mention,
    Position,
    PositionChange,
    Speaker,
    Statement,
    StoredStatement,
    StoreError,
    from_iso,
    paragraph,
    to_iso,
)
from db.runs import insert_failure

_STATEMENT_SQL = """
SELECT s.id, s.document_id, s.text, s.start, s."end" AS finish, s.speaker, s.speaker_name, s.actor_id, s.speaker_start,
       s.speaker_end, s.kind, s.side, s.score, d.published_at, d.title, d.text AS document_text
FROM statements AS s JOIN documents AS d ON d.id = s.document_id
"""


class Readings(Connection):
    """The part of the store that the reading and judging steps use."""

    def documents(self, ids: Iterable[int] | None = None) -> Iterator[Document]:
        """Documents that an article carries (or those of the given ids), by id."""
        if ids is None:
            rows = self._rows(
                """SELECT id, text, title, language, published_at, authors, kind FROM documents AS d
                   WHERE EXISTS (SELECT 1 FROM articles AS a WHERE a.document_id = d.id) ORDER BY id"""
            )
            yield from map(_document, rows)
            return
        for document_id in ids:
            for row in self._rows(
                "SELECT id, text, title, language, published_at, authors, kind FROM documents WHERE id = ?",
                [document_id],
            ):
                yield _document(row)

    def documents_to_do(
        self, step: str, version: str, *, after: int = 0, limit: int = 32, retry_run: int | None = None
    ) -> list[Document]:
        """The next documents with id > `after`, carried by an article, that this version of the step has not seen.

        A document on which this version failed is tried again, unless it failed in the run `retry_run` (the present one).
        """
        return [
            _document(row)
            for row in self._rows(
                """SELECT d.id, d.text, d.title, d.language, d.published_at, d.authors, d.kind FROM documents AS d
                   LEFT JOIN document_steps AS s ON s.document_id = d.id AND s.step = :step
                   WHERE d.id > :after AND EXISTS (SELECT 1 FROM articles AS a WHERE a.document_id = d.id)
                     AND (s.document_id IS NULL OR s.version != :version
                          OR (s.status = 'failed' AND s.run_id IS NOT :retry_run))
                   ORDER BY d.id LIMIT :limit""",
                {"step": step, "version": version, "after": after, "limit": limit, "retry_run": retry_run},
            )
        ]

    def count_to_do(self, step: str, version: str) -> int:
        """How many documents `documents_to_do` would give in all."""
        row = self.db.conn.execute(
            """SELECT count(*) FROM documents AS d LEFT JOIN document_steps AS s ON s.document_id = d.id AND s.step = ?
               WHERE EXISTS (SELECT 1 FROM articles AS a WHERE a.document_id = d.id)
                 AND (s.document_id IS NULL OR s.version != ? OR s.status = 'failed')""",
            [step, version],
        ).fetchone()
        return int(row[0])

    def mark_steps(
        self, run_id: int, step: str, version: str, document_ids: Iterable[int], status: str = "done"
    ) -> None:
        """Marks documents as seen by this version of a step, without other rows (skipped ones, and steps over vectors)."""
        with self._write() as connection:
            for document_id in document_ids:
                mark_document(connection, document_id, step, version, status, run_id)

    def fail_document(
        self, run_id: int, step: str, version: str, document_id: int, error: str, detail: str = ""
    ) -> None:
        """A document that the step could not read: a row in `failures`, and tried again by the next run."""
        with self._write() as connection:
            insert_failure(connection, run_id, step, error, detail, document_id=document_id)
            mark_document(connection, document_id, step, version, "failed", run_id)

    def save_readings(
        self,
        run_id: int,
        step: str,
        version: str,
        readings: Iterable[tuple[Document, Sequence[Mention], Sequence[Statement]]],
    ) -> None:
        """Replaces mentions and statements of each document (hand-coded ones stay), and marks it done: one transaction for the
        batch.

        Raises StoreError when an offset does not lie in its text: a programming error that must not be stored.
        """
        with self._write() as connection:
            for document, mentions, statements in readings:
                for start, end in [(m.start, m.end) for m in mentions] + [(s.start, s.end) for s in statements]:
                    if not 0 <= start < end <= len(document.text):
                        raise StoreError(f"document {document.id}: offsets {start}-{end} are not in its text")
                connection.execute("DELETE FROM mentions WHERE document_id = ?", [document.id])
                connection.execute(
                    "DELETE FROM statements WHERE document_id = ? AND rule != ?", [document.id, HAND_CODED]
                )
                connection.executemany(
                    """INSERT INTO mentions (document_id, actor_id, name, type, start, "end", run_id)
                       VALUES (?, ?, ?, ?, ?, ?, ?)""",
                    [(document.id, m.actor_id, m.name, m.type, m.start, m.end, run_id) for m in mentions],
                )
                connection.executemany(
                    """INSERT INTO statements (document_id, text, start, "end", speaker, speaker_name, actor_id, speaker_start,
                           speaker_end, kind, rule, run_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                    [
                        (
                            document.id,
                            document.text[s.start : s.end],
                            s.start,
                            s.end,
                            s.speaker.text,
                            s.speaker.name,
                            s.speaker.actor_id,
                            s.speaker.start,
                            s.speaker.end,
                            s.kind,
                            s.rule,
                            run_id,
                        )
                        for s in statements
                    ],
                )
                mark_document(connection, document.id, step, version, "done", run_id)

    def statements_to_judge(self, version: str, *, after: int = 0, limit: int = 256) -> list[StoredStatement]:
        """The next statements with id > `after` whose stance this version has not judged; what a person coded is never
        judged again."""
        rows = self._rows(
            f"{_STATEMENT_SQL} WHERE s.id > ? AND s.stance_version IS NOT ? AND s.rule != ? ORDER BY s.id LIMIT ?",
            [after, version, HAND_CODED, limit],
        )
        return [_stored_statement(row) for row in rows]

    def count_to_judge(self, version: str) -> int:
        """How many statements this version of the stance step has not judged."""
        row = self.db.conn.execute(
            "SELECT count(*) FROM statements WHERE stance_version IS NOT ? AND rule != ?", [version, HAND_CODED]
        ).fetchone()
        return int(row[0])

    def save_judgements(self, run_id: int, version: str, judgements: Iterable[tuple[int, Judgement | None]]) -> None:
        """Writes side and positions of statements, replacing earlier ones; what is judged to be no statement (None) is deleted.

        One transaction for the batch.
        """
        with self._write() as connection:
            for statement_id, judgement in judgements:
                connection.execute("DELETE FROM positions WHERE statement_id = ?", [statement_id])
                if judgement is None:
                    connection.execute("DELETE FROM statements WHERE id = ?", [statement_id])
                    continue
                connection.execute(
                    "UPDATE statements SET side = ?, score = ?, stance_run_id = ?, stance_version = ? WHERE id = ?",
                    [judgement.side, float(judgement.score), run_id, version, statement_id],
                )
                connection.executemany(
                    "INSERT INTO positions (statement_id, proposition_id, stance, score, run_id) VALUES (?, ?, ?, ?, ?)",
                    [(statement_id, p.proposition_id, p.stance, float(p.score), run_id) for p in judgement.positions],
                )

    def judged_statements(self) -> list[StoredStatement]:
        """All statements with a side, of texts that an article still carries, with their positions, by date and id."""
        positions: dict[int, list[Position]] = {}
        for row in self._rows("SELECT statement_id, proposition_id, stance, score FROM positions ORDER BY id"):
            positions.setdefault(row["statement_id"], []).append(
                Position(row["proposition_id"], row["stance"], row["score"])
            )
        rows = self._rows(
            f"""{_STATEMENT_SQL} WHERE s.side IS NOT NULL
                AND EXISTS (SELECT 1 FROM articles AS a WHERE a.document_id = s.document_id)
                ORDER BY d.published_at, s.id"""
        )
        return [_stored_statement(row, tuple(positions.get(row["id"], ()))) for row in rows]

    def replace_position_changes(self, run_id: int, changes: Iterable[PositionChange]) -> None:
        """Makes `position_changes` equal to what this run found."""
        with self._write() as connection:
            connection.execute("DELETE FROM position_changes")
            for change in changes:
                cursor = connection.execute(
                    """INSERT INTO position_changes (actor_id, speaker_name, proposition_id, before, after, not_before,
                           changed_at, strength, method, run_id) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                    [
                        change.actor_id,
                        change.speaker,
                        change.proposition_id,
                        change.before,
                        change.after,
                        to_iso(change.not_before),
                        to_iso(change.changed_at),
                        float(change.strength),
                        change.method,
                        run_id,
                    ],
                )
                connection.executemany(
                    "INSERT INTO position_change_statements (change_id, statement_id, moment) VALUES (?, ?, ?)",
                    [(cursor.lastrowid, s, "before") for s in change.before_statements]
                    + [(cursor.lastrowid, s, "after") for s in change.after_statements],
                )


def mark_document(
    connection: sqlite3.Connection, document_id: int, step: str, version: str, status: str, run_id: int
) -> None:
    """Notes what a version of a step made of a document, within the caller's transaction."""
    connection.execute(
        "INSERT OR REPLACE INTO document_steps (document_id, step, version, status, run_id) VALUES (?, ?, ?, ?, ?)",
        [document_id, step, version, status, run_id],
    )


def _document(row: Mapping[str, Any]) -> Document:
    return Document(
        id=row["id"],
        text=row["text"],
        title=row["title"],
        language=row["language"],
        published_at=from_iso(row["published_at"]),
        authors=tuple(json.loads(row["authors"])),
        kind=row["kind"],
    )


def _stored_statement(row: Mapping[str, Any], positions: tuple[Position, ...] = ()) -> StoredStatement:
    return StoredStatement(
        id=row["id"],
        document_id=row["document_id"],
        text=row["text"],
        context=paragraph(row["document_text"], row["start"], row["finish"]),
        speaker=Speaker(row["speaker"], row["speaker_name"], row["actor_id"], row["speaker_start"], row["speaker_end"]),
        kind=row["kind"],
        published_at=from_iso(row["published_at"]),
        title=row["title"],
        side=row["side"],
        score=row["score"],
        positions=positions,
    )
