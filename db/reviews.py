"""What people say of statements that the tracker read: what to show them next, what they said, how far the model agrees.

A review is kept by the sha256 of its text, by place and by reviewer, not by statement: a new analysis of the same text replaces the
statements and leaves the reviews. The model is always the present one; where it finds no statement any more, that is its answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from db.coding import HAND_CODED
from db.connection import Connection
from db.models import to_iso, utc_now

Verdict = Literal["right", "wrong side", "wrong speaker", "no statement"]
NO_STATEMENT: Final = "no statement"


@dataclass(frozen=True, slots=True)
class ReviewItem:
    """A statement to review, with what the model makes of it. start, end: characters of the text (`before`, `text`, `after`)."""

    document_sha256: str
    start: int
    end: int
    title: str
    before: str
    """The rest of the paragraph before the evidence."""
    text: str
    after: str
    speaker: str
    side: str
    score: float


@dataclass(frozen=True, slots=True)
class Review:
    """What a reviewer said of a statement. side, speaker: the right ones; None where there is no statement."""

    document_sha256: str
    start: int
    end: int
    reviewer: str
    verdict: Verdict
    side: str | None
    speaker: str | None


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the model and the reviewers agree; 0 reviews: nothing is known."""

    reviews: int
    right: int
    """Reviews whose side (or "no statement") the model gives too."""
    kappa: float | None
    """Cohen's kappa (1960) of these labels: 1 all agree, 0 what chance gives; None where only one label was given at all."""
    speakers: int
    """Reviews of statements that the model still finds."""
    speakers_right: int

    def to_text(self) -> str:
        """For a person, in one line."""
        if not self.reviews:
            return "No reviews yet."
        kappa = "not defined" if self.kappa is None else f"{self.kappa:.2f}"
        return (
            f"{self.reviews} reviews (least certain first). The model gives the same side for {self.right} of them "
            f"({self.right / self.reviews:.0%}), Cohen's kappa {kappa}; "
            f"the same speaker for {self.speakers_right} of {self.speakers}."
        )


class Reviews(Connection):
    """The part of the store that keeps reviews."""

    def statements_to_review(self, reviewer: str, limit: int) -> list[ReviewItem]:
        """Statements that this reviewer has not reviewed and that an article carries, least certain first."""
        rows = self._rows(
            """SELECT d.sha256, d.title, d.text AS document_text, s.text, s.start, s."end" AS finish, s.side, s.score,
                      coalesce(a.name, s.speaker_name) AS speaker
               FROM statements AS s JOIN documents AS d ON d.id = s.document_id LEFT JOIN actors AS a ON a.id = s.actor_id
               WHERE s.side IS NOT NULL AND s.rule != :coded
                 AND EXISTS (SELECT 1 FROM articles WHERE articles.document_id = d.id)
                 AND NOT EXISTS (SELECT 1 FROM reviews AS r WHERE r.document_sha256 = d.sha256 AND r.start = s.start
                                 AND r."end" = s."end" AND r.reviewer = :reviewer)
               ORDER BY s.score, s.id LIMIT :limit""",
            {"coded": HAND_CODED, "reviewer": reviewer, "limit": limit},
        )
        found = []
        for row in rows:
            text, start, end = row["document_text"], row["start"], row["finish"]
            left, right = text.rfind("\n\n", 0, start), text.find("\n\n", end)
            found.append(
                ReviewItem(
                    row["sha256"],
                    start,
                    end,
                    row["title"],
                    text[left + 2 if left >= 0 else 0 : start],
                    row["text"],
                    text[end : right if right >= 0 else len(text)],
                    row["speaker"],
                    row["side"],
                    row["score"],
                )
            )
        return found

    def side_ids(self) -> list[str]:
        """The sides of the debate, in their order."""
        return [str(row["id"]) for row in self._rows("SELECT id FROM sides ORDER BY position")]

    def save_review(self, review: Review, shown: ReviewItem) -> None:
        """Writes a review beside what was shown; one that the reviewer gave of the same place before is replaced."""
        with self._write() as connection:
            connection.execute(
                """INSERT OR REPLACE INTO reviews (document_sha256, start, "end", reviewer, verdict, side, speaker,
                       shown_side, shown_speaker, reviewed_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)""",
                [
                    review.document_sha256,
                    review.start,
                    review.end,
                    review.reviewer,
                    review.verdict,
                    review.side,
                    review.speaker,
                    shown.side,
                    shown.speaker,
                    to_iso(utc_now()),
                ],
            )

    def reviewed_texts(self) -> list[tuple[Review, str]]:
        """All reviews of texts that the database holds, each with its evidence, by text and place."""
        rows = self._rows(
            """SELECT r.*, substr(d.text, r.start + 1, r."end" - r.start) AS evidence
               FROM reviews AS r JOIN documents AS d ON d.sha256 = r.document_sha256
               ORDER BY d.id, r.start, r."end", r.id"""
        )
        return [
            (
                Review(
                    row["document_sha256"],
                    row["start"],
                    row["end"],
                    row["reviewer"],
                    row["verdict"],
                    row["side"],
                    row["speaker"],
                ),
                row["evidence"],
            )
            for row in rows
        ]

    def agreement(self, reviewer: str | None = None) -> Agreement:
        """How far the present statements agree with the reviews: of one reviewer, or all."""
        rows = list(
            self._rows(
                """SELECT coalesce(said_side, 'no statement') AS said, coalesce(model_side, 'no statement') AS model,
                          said_speaker, model_speaker
                   FROM review_agreement WHERE :reviewer IS NULL OR reviewer = :reviewer""",
                {"reviewer": reviewer},
            )
        )
        labels = [(str(row["said"]), str(row["model"])) for row in rows]
        named = [row for row in rows if row["said_speaker"] is not None and row["model_speaker"] is not None]
        return Agreement(
            len(labels),
            sum(said == model for said, model in labels),
            cohen_kappa(labels),
            len(named),
            sum(row["said_speaker"] == row["model_speaker"] for row in named),
        )


def cohen_kappa(labels: Sequence[tuple[str, str]]) -> float | None:
    """Agreement of two judges beyond chance (Cohen 1960); None without labels, or where both gave one and the same throughout."""
    if not labels:
        return None
    total = len(labels)
    one, other = Counter(first for first, _ in labels), Counter(second for _, second in labels)
    by_chance = sum(one[label] * other[label] for label in one) / total**2
    if by_chance == 1:
        return None
    return (sum(first == second for first, second in labels) / total - by_chance) / (1 - by_chance)
