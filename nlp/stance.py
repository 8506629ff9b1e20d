"""A statement -> the side it takes and the propositions it agrees or disagrees with, each with a calibrated score. Pure.

One pass of a fine-tuned transformer (nlp/encoder.py) over the evidence, marked in its paragraph, gives the side, the stance on
every proposition that the weights were trained for, and the chance that it is no statement on the subject at all: then there is no
judgement. Any other proposition is put to the same transformer as a claim in plain words, helped by the example sentences of the
debate file (nlp/stance_examples.py). A statement about which nothing is sure enough is called neutral.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from db.models import Judgement, Position
from nlp.debate import Debate
from nlp.embeddings import Embedder
from nlp.encoder import FOLDER, NAME, Encoder
from nlp.stance_examples import ExampleJudge

METHOD: Final = "transformer-3"
"""Changes with the code; the weights and the debate have sums of their own in the version."""

NEUTRAL: Final = "neutral"
MIXED: Final = "mixed"

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class StanceInput:
    """A statement to judge: its evidence, who says it, and the paragraph it stands in.

    The method reads the evidence and a few words around it. The speaker is not told to it: nobody is judged by reputation.
    """

    text: str
    speaker: str = ""
    context: str = ""
    title: str = ""


class StanceModel:
    """Judges statements on one debate. Build it with `for_debate`."""

    def __init__(self, debate: Debate, encoder: Encoder) -> None:
        self._debate = debate
        self._encoder = encoder
        trained = encoder.description
        at_home = trained.debate == debate.id
        known = {p.id for p in debate.propositions if at_home and trained.propositions.get(p.id) == p.text}
        self._heads = [(head, column) for column, head in enumerate(trained.heads) if head[0] in known]
        self._new = tuple(p for p in debate.propositions if p.id not in known)
        self._embedder = Embedder() if self._new else None
        self._examples = ExampleJudge(self._new, self._embedder) if self._embedder else None
        # The side head may speak only where it was trained on this debate's sides, and still knows most of its propositions.
        self._knows_sides = (
            at_home
            and {side.id for side in debate.sides} == set(trained.sides[:-1])
            and len(known) * 2 > len(debate.propositions)
        )

    @classmethod
    def for_debate(cls, debate: Debate, *, threads: int | None = None, folder: Path = FOLDER) -> StanceModel:
        """The judge for a debate: trained heads where they know it, claims in plain words where they do not.

        Raises ModelError when the weights are missing or damaged.
        """
        return cls(debate, Encoder(folder, threads=threads))

    @property
    def models(self) -> dict[str, str]:
        """Model file -> sha256, for `runs.models`."""
        used = {f"{NAME}/model.onnx": self._encoder.sha256}
        return {**used, **self._embedder.models} if self._embedder else used

    @property
    def version(self) -> str:
        """Changes whenever a statement might be judged otherwise: method, weights, calibration, or the debate's propositions."""
        return f"{METHOD}/{self._encoder.description.key}/{self._debate.fingerprint[:12]}"

    @property
    def notes(self) -> tuple[str, ...]:
        """What a user of the judgements should know."""
        if not self._new:
            return ()
        return (
            f"{len(self._new)} of {len(self._debate.propositions)} propositions are new to the model: they were judged by their "
            "wording and their example sentences, with no weights trained for them",
        )

    def judge(self, inputs: Sequence[StanceInput]) -> list[Judgement | None]:
        """One judgement for each statement, in order; None for one that is no statement on the subject.

        A statement's judgement does not depend on the others.
        """
        return [self._judge_one(item.text, item.context) for item in inputs]

    def _judge_one(self, text: str, context: str) -> Judgement | None:
        calibration = self._encoder.description.calibration
        logits, stance_logits = self._encoder.read(text, context)
        scaled = logits.astype(np.float64) * calibration["side_slope"]
        sides = softmax(leaned(scaled, self._encoder.description.contested, calibration["lean"]))
        compared = self._compared(text)
        # What the weights were never asked about may be a statement on a proposition that is new to them.
        if self._knows_sides and sides[-1] >= calibration["silence_floor"] and not compared:
            return None
        chances = _sigmoid(stance_logits * calibration["stance_slope"] + calibration["stance_offset"])
        positions = self._held(chances, calibration["stance_floor"]) + compared
        positions.sort(key=lambda p: (-p.score, p.proposition_id))
        if not self._knows_sides:
            return side_of(self._debate, positions)
        return self._with_side(sides[:-1] / sides[:-1].sum(), positions)

    def _held(self, chances: Scores, floor: float) -> list[Position]:
        """At most one stance on each proposition that the heads know, those above the floor."""
        best: dict[str, Position] = {}
        for (proposition, stance), column in self._heads:
            score = float(chances[column])
            if score >= floor and (proposition not in best or score > best[proposition].score):
                best[proposition] = Position(proposition, stance, round(score, 4))
        return list(best.values())

    def _compared(self, text: str) -> list[Position]:
        """The stances on propositions that are new to the weights."""
        if self._examples is None:
            return []
        return self._examples.judge(text, partial(related, self._encoder))

    def _with_side(self, probabilities: Scores, positions: Sequence[Position]) -> Judgement:
        trained = self._encoder.description
        best = int(probabilities.argmax())
        side, score = trained.sides[best], float(probabilities[best])
        if side != NEUTRAL and score < trained.calibration["neutral_floor"]:
            # Too close to guess: "neutral" is then what the tool says, with the probability that it gives to it.
            side, score = NEUTRAL, float(probabilities[trained.sides.index(NEUTRAL)])
        return Judgement(side, round(score, 4), tuple(p for p in positions if self._fits(p, side)))

    def _fits(self, position: Position, side: str) -> bool:
        """Whether a position may go with a side: who takes one does not argue for the other, who takes none supports neither."""
        towards = supported(self._debate, position)
        return side == MIXED or not towards or towards == side


def supported(debate: Debate, position: Position) -> str:
    """The side that a position counts for: agreeing for `supports`, disagreeing for the other of two; "" for none."""
    supports = debate.proposition(position.proposition_id).supports
    if not supports or position.stance == "agree":
        return supports
    contested = [side.id for side in debate.sides if side.id not in (MIXED, NEUTRAL)]
    return next(side for side in contested if side != supports) if len(contested) == 2 else ""


def related(encoder: Encoder, text: str, claim: str) -> Scores:
    """The calibrated chances (3,) that a text agrees with a claim, disagrees, or says neither."""
    return softmax(encoder.relate(text, claim).astype(np.float64) * encoder.description.calibration["relation_slope"])


def side_of(debate: Debate, positions: Sequence[Position]) -> Judgement:
    """The side that follows from the positions, by the sum of their scores.

    Neutral when nothing counts; mixed when the second side has more than half of the first one's weight.
    """
    weight = {side.id: 0.0 for side in debate.sides if side.id not in (MIXED, NEUTRAL)}
    for position in positions:
        if side := supported(debate, position):
            weight[side] += position.score
    ranked = sorted(weight, key=lambda side: -weight[side])
    total = sum(weight.values())
    if not total:
        return Judgement(NEUTRAL, 0.5, tuple(positions))
    best = weight[ranked[0]]
    if len(ranked) > 1 and weight[ranked[1]] > best / 2:
        return Judgement(MIXED, round(2 * weight[ranked[1]] / total, 4), tuple(positions))
    strongest = max(p.score for p in positions)
    return Judgement(ranked[0], round(strongest * best / total, 4), tuple(positions))


def leaned(logits: Scores, contested: Sequence[int], lean: float) -> Scores:
    """Logits (..., sides) with the first of the two contested sides raised by `lean` against the other."""
    raised = logits.copy()
    raised[..., contested] += np.array([0.5, -0.5]) * lean
    return raised


def softmax(logits: Scores) -> Scores:
    """Logits (..., n) -> probabilities along the last axis."""
    raised = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True), np.float64)


def _sigmoid(logits: npt.NDArray[Any]) -> Scores:
    return np.asarray(1 / (1 + np.exp(-logits.astype(np.float64))), np.float64)
