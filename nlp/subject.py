"""Is a stretch of text about the debate at all? The last question the reader asks of what it takes for a statement. Pure.

The reader's own weights were learnt on texts of the debate, where every view is a view on it; elsewhere people hold views on
football. A stretch is on the subject when it is near enough to a proposition or an example sentence of the debate file, or, in
the debate that they were trained for, when a logistic regression on its vector says so.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Final

import numpy as np

from db.models import ModelError
from nlp.debate import Debate
from nlp.embeddings import Embedder, Vectors, check_sha256

FOLDER: Final = Path(__file__).parent / "models" / "subject-linear"
THRESHOLD: Final = 0.4
"""Probability from which a stretch is on the subject. See the card for what it keeps and what it turns away."""
NEAR: Final = 0.58
"""Cosine similarity to an example from which a stretch is on the subject whatever the regression says. Sentences on the regulation
of AI that do not touch the subject lie below 0.55."""
NEAR_ALONE: Final = 0.25
"""The same where there is no regression. 95 % of labelled statements lie at 0.25 or more from the shipped examples, half of the
views on other things found on news pages do."""


@dataclass(frozen=True, slots=True)
class SubjectWeights:
    """weights: (dimensions,); bias; the debate and the embedding they belong to."""

    debate_id: str
    embedding: str
    weights: Vectors
    bias: float
    sha256: str


@lru_cache(maxsize=2)
def load_weights(folder: Path = FOLDER) -> SubjectWeights:
    """Reads weights.npz and model.json of a folder; ModelError when they are missing or do not belong together."""
    try:
        description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: the subject model cannot be read ({error}); install debatewatch again") from error
    sha256 = check_sha256(folder / "weights.npz", description["sha256"])
    with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
        weights, bias = arrays["weights"].astype(np.float32), float(arrays["bias"])
    return SubjectWeights(description["debate"], description["embedding"], weights, bias, sha256)


class Subject:
    """Decides for one debate."""

    def __init__(self, debate: Debate, embedder: Embedder | None = None) -> None:
        self._embedder = embedder or Embedder()
        trained = load_weights()
        fits = trained.debate_id == debate.id and trained.embedding == self._embedder.key
        self._weights = trained if fits else None
        examples = [text for p in debate.propositions for text in (p.text, *p.agree, *p.disagree)]
        self._examples = self._embedder.encode(examples)

    @property
    def models(self) -> dict[str, str]:
        """Model file -> sha256, for `runs.models`."""
        own = {"subject-linear": self._weights.sha256} if self._weights else {}
        return {**self._embedder.models, **own}

    def on_subject(self, texts: Sequence[str]) -> list[bool]:
        """For each stretch of text, whether it is about the debate."""
        if not texts:
            return []
        vectors = self._embedder.encode(texts)
        nearest = (vectors @ self._examples.T).max(axis=1)
        if self._weights is None:
            return [bool(near >= NEAR_ALONE) for near in nearest]
        chances = 1 / (1 + np.exp(-(vectors @ self._weights.weights + self._weights.bias)))
        return [bool(chance >= THRESHOLD or near >= NEAR) for chance, near in zip(chances, nearest, strict=True)]
