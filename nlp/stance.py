"""A statement -> the side it takes and the propositions it agrees or disagrees with, each with a calibrated score. Pure.

First method: frozen sentence vectors and hashed n-grams, each with a logistic regression, averaged (`models/stance-linear`,
trained by `python -m nlp.train stance`). Propositions that those weights do not know are read from the example sentences in the
debate file (nlp/stance_examples.py). A statement about which neither is sure enough is called neutral.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from db.models import Judgement, ModelError, Position, Stance
from nlp.debate import Debate
from nlp.embeddings import Embedder, Vectors, check_sha256
from nlp.ngrams import ngram_counts, weigh
from nlp.stance_examples import ExampleJudge

METHOD: Final = "linear-1"
"""Changes with the code; the weights, the embedding model and the debate have sums of their own in the version."""

FOLDER: Final = Path(__file__).with_name("models") / "stance-linear"

NEUTRAL: Final = "neutral"
MIXED: Final = "mixed"

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StanceInput:
    """A statement to judge: its evidence, who says it, and the paragraph it stands in.

    The present method reads the evidence alone. A speaker's name never decides a side: nobody is judged by reputation.
    """

    text: str
    speaker: str = ""
    context: str = ""
    title: str = ""


@dataclass(frozen=True, slots=True)
class LinearWeights:
    """What training left: heads are sides first, then (proposition, stance); the arrays have one column a head."""

    debate_id: str
    sides: tuple[str, ...]
    heads: tuple[tuple[str, Stance], ...]
    propositions: dict[str, str]
    """Proposition id -> the wording it was trained for; another wording is another proposition."""
    dense: npt.NDArray[np.float32]
    dense_bias: npt.NDArray[np.float32]
    sparse: npt.NDArray[np.float32]
    sparse_bias: npt.NDArray[np.float32]
    rarity: npt.NDArray[np.float32]
    calibration: dict[str, float]
    """side_slope; stance_slope, stance_offset (Platt 1999); stance_floor and neutral_floor, tuned out of fold."""
    embedding: str
    sha256: str


@lru_cache(maxsize=2)
def load_weights(folder: Path = FOLDER) -> LinearWeights:
    """Reads weights.npz and model.json of a folder; ModelError when they are missing or do not belong together."""
    try:
        description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{folder}: the stance model cannot be read ({error}); install debatewatch again") from error
    sha256 = check_sha256(folder / "weights.npz", description["sha256"])
    with np.load(folder / "weights.npz", allow_pickle=False) as arrays:
        sparse = arrays["sparse"].astype(np.float32) * arrays["sparse_scale"].astype(np.float32)
        dense, dense_bias, sparse_bias, rarity = (
            arrays[name].astype(np.float32) for name in ("dense", "dense_bias", "sparse_bias", "rarity")
        )
    return LinearWeights(
        debate_id=description["debate"],
        sides=tuple(description["sides"]),
        heads=tuple((proposition, stance) for proposition, stance in description["heads"]),
        propositions=dict(description["propositions"]),
        dense=dense,
        dense_bias=dense_bias,
        sparse=sparse,
        sparse_bias=sparse_bias,
        rarity=rarity,
        calibration=dict(description["calibration"]),
        embedding=description["embedding"],
        sha256=sha256,
    )


def features(embedder: Embedder, inputs: Sequence[StanceInput]) -> Vectors:
    """The dense features: the vector of each statement's evidence (n, dimensions).

    The paragraph around it, as a second vector, was worth 0.7 points of accuracy in cross-validation and cost three times the time.
    """
    return embedder.encode([i.text for i in inputs])


class StanceModel:
    """Judges statements on one debate. Build it with `for_debate`."""

    def __init__(self, debate: Debate, weights: LinearWeights | None, embedder: Embedder) -> None:
        self._debate = debate
        self._weights = weights
        self._embedder = embedder
        known = (
            set()
            if weights is None
            else {p.id for p in debate.propositions if weights.propositions.get(p.id) == p.text}
        )
        unknown = tuple(p for p in debate.propositions if p.id not in known)
        self._known = known
        self._examples = ExampleJudge(unknown, embedder) if unknown else None
        # The side head may speak only where it was trained on this debate's sides, and still knows most of its propositions.
        self._knows_sides = (
            weights is not None
            and {side.id for side in debate.sides} == set(weights.sides)
            and len(known) * 2 > len(debate.propositions)
        )

    @classmethod
    def for_debate(cls, debate: Debate, *, threads: int | None = None, folder: Path = FOLDER) -> StanceModel:
        """The judge for a debate: shipped weights where they know it, example sentences where they do not.

        Raises ModelError when the weights or the embedding model are missing or damaged.
        """
        embedder = Embedder(threads=threads)
        weights = load_weights(folder)
        if weights.embedding != embedder.key:
            raise ModelError(
                f"{folder}: trained on vectors of {weights.embedding}, not of {embedder.key}; train it again"
            )
        return cls(debate, weights if weights.debate_id == debate.id else None, embedder)

    @property
    def models(self) -> dict[str, str]:
        """Model file -> sha256, for `runs.models`."""
        used = dict(self._embedder.models)
        if self._weights is not None:
            used["stance-linear/weights.npz"] = self._weights.sha256
        return used

    @property
    def version(self) -> str:
        """Changes whenever a statement might be judged otherwise: method, weights, vectors, or the debate's propositions."""
        weights = self._weights.sha256[:12] if self._weights is not None else "examples"
        return f"{METHOD}/{weights}/{self._embedder.key}/{self._debate.fingerprint[:12]}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user of the judgements should know."""
        if self._examples is None:
            return ()
        return (
            f"{len(self._examples.ids)} of {len(self._debate.propositions)} propositions have no trained weights: they were judged "
            "by their example sentences alone, which is little better than a guess",
        )

    def judge(self, inputs: Sequence[StanceInput]) -> list[Judgement]:
        """One judgement for each statement, in order; a statement's judgement does not depend on the others."""
        if not inputs:
            return []
        dense = features(self._embedder, inputs)
        scores = self._linear(inputs, dense) if self._weights is not None else None
        few = self._examples.judge(dense) if self._examples else [()] * len(inputs)
        judgements = []
        for row in range(len(inputs)):
            positions = list(few[row])
            if scores is not None:
                positions += self._positions(scores[1][row])
            positions.sort(key=lambda p: (-p.score, p.proposition_id))
            if scores is not None and self._knows_sides:
                judgements.append(self._with_side(scores[0][row], positions))
            else:
                judgements.append(side_of(self._debate, positions))
        return judgements

    def _linear(self, inputs: Sequence[StanceInput], dense: Vectors) -> tuple[Scores, Scores]:
        """Probabilities of the sides (n, sides) and of each (proposition, stance) head (n, heads), calibrated."""
        weights = self._weights
        assert weights is not None
        dense_logits = np.empty((len(inputs), len(weights.dense_bias)), np.float32)
        sparse_logits = np.empty_like(dense_logits)
        # Row by row: a product of matrices rounds differently with every number of rows, and the scores must not.
        for row, item in enumerate(inputs):
            dense_logits[row] = dense[row] @ weights.dense + weights.dense_bias
            columns, values = weigh(ngram_counts(item.text), weights.rarity)
            sparse_logits[row] = values @ weights.sparse[columns] + weights.sparse_bias
        return combine(dense_logits, sparse_logits, len(weights.sides), weights.calibration)

    def _positions(self, probabilities: Scores) -> list[Position]:
        """At most one stance on each known proposition, those above the floor."""
        weights = self._weights
        assert weights is not None
        best: dict[str, Position] = {}
        for (proposition, stance), score in zip(weights.heads, probabilities, strict=True):
            if proposition in self._known and score >= weights.calibration["stance_floor"]:
                held = best.get(proposition)
                if held is None or score > held.score:
                    best[proposition] = Position(proposition, stance, round(float(score), 4))
        return list(best.values())

    def _with_side(self, probabilities: Scores, positions: Sequence[Position]) -> Judgement:
        weights = self._weights
        assert weights is not None
        best = int(probabilities.argmax())
        side, score = weights.sides[best], float(probabilities[best])
        if side != NEUTRAL and score < weights.calibration["neutral_floor"]:
            # Too close to guess: "neutral" is then what the tool says, with the probability that it gives to it.
            side, score = NEUTRAL, float(probabilities[weights.sides.index(NEUTRAL)])
        if side == NEUTRAL:
            # Who takes no side agrees with nothing that supports one.
            positions = [p for p in positions if not self._debate.proposition(p.proposition_id).supports]
        return Judgement(side, round(score, 4), tuple(positions))


def combine(
    dense_logits: npt.NDArray[np.floating[Any]],
    sparse_logits: npt.NDArray[np.floating[Any]],
    sides: int,
    calibration: dict[str, float],
) -> tuple[Scores, Scores]:
    """Two models' logits -> calibrated probabilities of the sides (they sum to 1) and of the other heads.

    Sides: the mean of both distributions, sharpened (temperature scaling, Guo et al. 2017).
    Others: Platt scaling of the mean logit.
    """
    first = _softmax(dense_logits[:, :sides].astype(np.float64))
    second = 1 / (1 + np.exp(-sparse_logits[:, :sides].astype(np.float64)))
    second /= second.sum(axis=1, keepdims=True)
    side = _softmax(np.log((first + second) / 2) * calibration["side_slope"])
    mean = (dense_logits[:, sides:].astype(np.float64) + sparse_logits[:, sides:].astype(np.float64)) / 2
    return side, 1 / (1 + np.exp(-(mean * calibration["stance_slope"] + calibration["stance_offset"])))


def side_of(debate: Debate, positions: Sequence[Position]) -> Judgement:
    """The side that follows from the positions: agreeing counts for `supports`, disagreeing for the other of two sides.

    Neutral when nothing counts; mixed when the second side has more than half of the first one's weight.
    """
    contested = [side.id for side in debate.sides if side.id not in (MIXED, NEUTRAL)]
    weight = dict.fromkeys(contested, 0.0)
    for position in positions:
        supports = debate.proposition(position.proposition_id).supports
        if not supports:
            continue
        if position.stance == "agree":
            weight[supports] += position.score
        elif len(contested) == 2:
            weight[next(side for side in contested if side != supports)] += position.score
    ranked = sorted(contested, key=lambda side: -weight[side])
    total = sum(weight.values())
    if not total:
        return Judgement(NEUTRAL, 0.5, tuple(positions))
    best = weight[ranked[0]]
    if len(ranked) > 1 and weight[ranked[1]] > best / 2:
        return Judgement(MIXED, round(2 * weight[ranked[1]] / total, 4) if total else 0.5, tuple(positions))
    strongest = max(p.score for p in positions)
    return Judgement(ranked[0], round(strongest * best / total, 4), tuple(positions))


def _softmax(logits: Scores) -> Scores:
    raised = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=1, keepdims=True), np.float64)
