"""Propositions that no weights were trained for: what the transformer makes of their wording, and their example sentences. Pure.

Two questions. Is the statement about the proposition at all? By what the transformer says of the pair; and, from the nearest
example or the proposition itself, by cosine similarity. For or against? The transformer's odds for the proposition, moved by what
it makes of the statement beside the nearest example sentences of both stances, and by a ridge regression on their vectors, so that
a few examples make it better. Scores: nlp/models/stance-deberta/card.md.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
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
LEAN_SLOPE: Final = 1.5
"""Ridge values of new sentences lie within about +-0.5 of few examples; the slope makes them log odds."""
COMPARED: Final = 3
"""Example sentences of each stance, the nearest first, that a statement is put beside: a pass of the transformer each."""
EXAMPLE_SHARE: Final = 0.3
"""What the odds beside one example count, for those beside the proposition. This and the slope were chosen on claims of
Perspectrum's dev part with three examples a stance: 0.87 right by the wording alone, 0.89 with the examples."""
SURE: Final = 0.05
"""Added to both chances beside an example: one example alone decides nothing."""

Relate = Callable[[str, str], npt.NDArray[np.float64]]
"""A text and a claim -> the chances (3,) that it agrees, disagrees, or says neither."""


class ExampleJudge:
    """Judges statements on propositions by their wording and by example."""

    def __init__(self, propositions: Sequence[Proposition], embedder: Embedder) -> None:
        self._propositions = propositions
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

    def judge(self, text: str, relate: Relate) -> list[Position]:
        """The positions of one statement."""
        (vector,) = self._embedder.encode([text])
        found = []
        for index, anchors in enumerate(self._anchors):
            if float((anchors @ vector).max()) < NEAR:
                continue
            relation = relate(text, self._propositions[index].text)
            if (about := 1 - float(relation[2])) < FLOOR:
                continue
            agree = self.agreement(index, text, vector, relation, relate)
            stance: Stance = "agree" if agree >= 0.5 else "disagree"
            if (score := about * max(agree, 1 - agree)) >= FLOOR:
                found.append(Position(self._propositions[index].id, stance, round(score, 4)))
        return found

    def agreement(
        self, index: int, text: str, vector: Vectors, relation: npt.NDArray[np.float64], relate: Relate
    ) -> float:
        """Probability that a statement agrees with the proposition of that number, given that it takes a stance on it.

        vector: the statement's. relation: its chances beside the proposition.
        """
        odds = float(np.log(relation[0] / relation[1]))
        proposition = self._propositions[index]
        if proposition.agree and proposition.disagree:  # Examples of one stance alone would pull everything to it.
            odds += LEAN_SLOPE * float((vector - self._centres[index]) @ self._weights[index])
            nearness = self._anchors[index] @ vector
            for sign, examples, first in (
                (1.0, proposition.agree, 0),
                (-1.0, proposition.disagree, len(proposition.agree)),
            ):
                nearest = sorted(range(len(examples)), key=lambda i: -float(nearness[first + i]))[:COMPARED]
                for beside in (relate(text, examples[i]) for i in nearest):
                    odds += sign * EXAMPLE_SHARE * float(np.log((beside[0] + SURE) / (beside[1] + SURE)))
        return float(1 / (1 + np.exp(-odds)))
