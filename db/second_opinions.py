"""What a second judge says of statements, beside our own judgement: which are still to be asked, and what was answered.

Answers are kept by text, place and speaker, not by statement: they may have cost money, and outlive a new analysis of
that text.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from db.coding import HAND_CODED
from db.connection import Connection
from db.models import Position, paragraph


@dataclass(frozen=True, slots=True)
class Question:
    """A statement to judge: where it stands, who says it, and the paragraph around it."""

    id: int
    document_id: int
    document_sha256: str
    start: int
    end: int
    text: str
    speaker: str
    context: str


class SecondOpinions(Connection):
    """The part of the store that keeps what a second judge says."""

    def questions(self, version: str, *, after: int, limit: int) -> list[Question]:
        """The next judged statements with id > `after` that this version of a judge has not answered."""
        rows = self._rows(
            """SELECT s.id, s.document_id, d.sha256, s.start, s."end" AS finish, s.text, s.speaker_name, d.text AS document_text
               FROM statements AS s JOIN documents AS d ON d.id = s.document_id
               WHERE s.id > :after AND s.side IS NOT NULL AND s.rule != :coded
                 AND EXISTS (SELECT 1 FROM articles AS a WHERE a.document_id = d.id)
                 AND NOT EXISTS (SELECT 1 FROM second_opinions AS o WHERE o.version = :version AND o.start = s.start
                                 AND o."end" = s."end" AND o.document_sha256 = d.sha256 AND o.speaker_name = s.speaker_name)
               ORDER BY s.id LIMIT :limit""",
            {"after": after, "coded": HAND_CODED, "version": version, "limit": limit},
        )
        found = []
        for row in rows:
            context = paragraph(row["document_text"], row["start"], row["finish"])
            place = (row["id"], row["document_id"], row["sha256"], row["start"], row["finish"])
            found.append(Question(*place, row["text"], row["speaker_name"], context))
        return found

    def save_second_opinion(
        self, run_id: int, judge: str, version: str, question: Question, side: str, positions: tuple[Position, ...]
    ) -> None:
        """Writes an answer. A language model gives no probabilities: the scores of its positions are not kept."""
        told = json.dumps({position.proposition_id: position.stance for position in positions})
        with self._write() as connection:
            connection.execute(
                """INSERT OR REPLACE INTO second_opinions (run_id, judge, version, document_sha256, start, "end",
                       speaker_name, side, positions) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                [
                    run_id,
                    judge,
                    version,
                    question.document_sha256,
                    question.start,
                    question.end,
                    question.speaker,
                    side,
                    told,
                ],
            )
