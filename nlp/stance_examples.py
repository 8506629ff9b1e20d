"""Propositions that no weights were trained for: their example sentences in the debate file are all there is. Pure.

Two questions, both answered in the space of sentence vectors. Is the statement about the proposition at all? By its cosine
similarity to the proposition and to its examples. For or against? By a ridge regression on the examples of both stances. With
three to five sentences a stance this is a first guess: measured on the shipped debate, with its weights laid aside, it is scored
in nlp/models/stance-linear/card.md. Training makes it better, so say so wherever its results are shown.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from db.models import Position, Stance
from nlp.debate import Proposition
from nlp.embeddings import Embedder, Vectors

SUBJECT_FLOOR: Final = 0.35
"""Cosine similarity to the nearest example from which a statement counts as about a proposition."""
SUBJECT_MARGIN: Final = 0.08
"""A proposition this much less similar than the nearest one is left out: examples of one debate all resemble each other."""
LEAN_FLOOR: Final = 0.55
"""Probability of a stance from which it is reported."""
RIDGE: Final = 1.0
LEAN_SLOPE: Final = 4.0
"""Ridge values of new sentences lie within about +-0.5 of few examples; the slope spreads them over the probabilities."""


class ExampleJudge:
    """Judges statements on propositions by example."""

    def __init__(self, propositions: Sequence[Proposition], embedder: Embedder) -> None:
        self.ids = [p.id for p in propositions]
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

    def judge(self, vectors: Vectors) -> list[tuple[Position, ...]]:
        """The positions of each statement, given its vector; () when it is about none of them or leans neither way."""
        return [self._judge_one(vector) for vector in vectors]

    def _judge_one(self, vector: Vectors) -> tuple[Position, ...]:
        # One statement at a time: a product of matrices rounds differently with every number of rows.
        near = np.array([float((anchors @ vector).max()) for anchors in self._anchors])
        floor = max(SUBJECT_FLOOR, float(near.max()) - SUBJECT_MARGIN)
        found = []
        for index in np.flatnonzero(near >= floor):
            lean = float((vector - self._centres[index]) @ self._weights[index])
            agree = 1 / (1 + np.exp(-LEAN_SLOPE * lean))
            stance: Stance = "agree" if agree >= 0.5 else "disagree"
            if (score := max(agree, 1 - agree)) >= LEAN_FLOOR:
                found.append(Position(self.ids[index], stance, round(float(score), 4)))
        return tuple(found)
