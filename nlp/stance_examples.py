"""Propositions that no weights were trained for: what the transformer makes of their wording, and their example sentences. Pure.

Two questions. Is the statement about the proposition at all? By what the transformer says of the pair; and, from the nearest
example or the proposition itself, by cosine similarity. For or against? The transformer's odds, moved by a ridge regression on the
vectors of the example sentences of both stances, so that a few examples make it better. Scores: nlp/models/stance-mpnet/card.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from db.models import Position, Stance
from nlp.debate import Proposition
from nlp.embeddings import Embedder, Vectors

NEAR: Final = 0.2
"""Cosine similarity to the nearest example under which a statement is about something else, whatever the transformer says."""
FLOOR: Final = 0.5
"""Probability of a stance from which it is reported."""
RIDGE: Final = 1.0
LEAN_SLOPE: Final = 4.0
"""Ridge values of new sentences lie within about +-0.5 of few examples; the slope makes them log odds."""


class ExampleJudge:
    """Judges statements on propositions by their wording and by example."""

    def __init__(self, propositions: Sequence[Proposition], embedder: Embedder) -> None:
        self._ids = [p.id for p in propositions]
        self._both = [bool(p.agree and p.disagree) for p in propositions]
        """Whether there are examples of both stances: those of one alone would pull everything to their side."""
        self._embedder = embedder
        self._anchors: list[Vectors] = []
        self._weights: list[Vectors] = []
        self._centres: list[Vectors] = []
        for proposition in propositions:
            vectors = embedder.encode([*proposition.agree, *proposition.disagree, proposition.text])
            # The proposition itself is the plainest way of agreeing with it.
            signs = np.array([1.0] * len(proposition.agree) + [-1.0] * len(proposition.disagree) + [1.0], np.float32)
            balance = np.where(signs > 0, 1 / (signs > 0).sum(), 1 / max(1, (signs < 0).sum()))
            centre = (vectors * balance[:, None]).sum(axis=0) / 2
            centred = vectors - centre
            # Dual form: as many equations as sentences, not as dimensions.
            gram = centred @ centred.T + RIDGE * np.eye(len(signs)) / (len(signs) * balance)
            self._weights.append(np.asarray(centred.T @ np.linalg.solve(gram, signs), np.float32))
            self._centres.append(np.asarray(centre, np.float32))
            self._anchors.append(vectors)

    def judge(self, text: str, relations: Sequence[npt.NDArray[np.float64]]) -> list[Position]:
        """The positions of one statement. relations: for each proposition, P(agrees), P(disagrees), P(neither)."""
        (vector,) = self._embedder.encode([text])
        found = []
        for index, relation in enumerate(relations):
            if float((self._anchors[index] @ vector).max()) < NEAR:
                continue
            agree = self.agreement(index, vector, relation)
            stance: Stance = "agree" if agree >= 0.5 else "disagree"
            if (score := (1 - float(relation[2])) * max(agree, 1 - agree)) >= FLOOR:
                found.append(Position(self._ids[index], stance, round(score, 4)))
        return found

    def agreement(self, index: int, vector: Vectors, relation: npt.NDArray[np.float64]) -> float:
        """Probability that a statement agrees with the proposition of that number, given that it takes a stance on it."""
        odds = float(np.log(relation[0] / relation[1]))
        if self._both[index]:
            odds += LEAN_SLOPE * float((vector - self._centres[index]) @ self._weights[index])
        return float(1 / (1 + np.exp(-odds)))
