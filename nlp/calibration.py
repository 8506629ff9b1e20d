"""Makes probabilities of the stance model's logits, and chooses the floors under which it says nothing. Needs no torch.

Everything here is fitted on passages that the weights were not trained on (part "tune") and scored on others still (the held-out
tenth). The results stand in model.json and on the card.
"""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from nlp.debate import Debate, Proposition
from nlp.embeddings import Embedder, file_sha256
from nlp.encoder import NAME, Encoder, describe
from nlp.scoring import Passage
from nlp.stance import NEUTRAL, StanceInput, StanceModel, leaned, related, softmax
from nlp.stance_examples import ExampleJudge
from nlp.training_set import (
    NONE,
    PAIR_CLASSES,
    Example,
    Pair,
    as_read,
    of_part,
    public_pairs,
    silences,
    statements,
)

UNCALIBRATED: Final = {
    "side_slope": 1.0,
    "lean": 0.0,
    "stance_slope": 1.0,
    "stance_offset": 0.0,
    "stance_floor": 0.5,
    "neutral_floor": 0.0,
    "silence_floor": 0.5,
    "relation_slope": 1.0,
}
PAIRS_SCORED: Final = 600
FLAT: Final = 0.002
"""F1 that the floor of silence may lose: over half of its range F1 is the same, and the lower, the more plain sentences that stand
alone are turned away."""
SEED: Final = 0
SHOTS: Final = 3
"""Example sentences a stance in the measure of what a few examples are worth."""

Logits = npt.NDArray[np.float64]


def description(
    folder: Path, debate: Debate, sides: Sequence[str], heads: Sequence[tuple[str, str]], claim: str, seed: int
) -> dict[str, Any]:
    """What model.json says of the weights in a folder, before calibration."""
    return {
        "name": NAME,
        "debate": debate.id,
        "sides": list(sides),
        "heads": [list(head) for head in heads],
        "claim": claim,
        "propositions": {p.id: p.text for p in debate.propositions},
        "calibration": UNCALIBRATED,
        "seed": seed,
        "sha256": file_sha256(folder / "model.onnx"),
        "tokenizer_sha256": file_sha256(folder / "tokenizer.json"),
    }


def calibrate(folder: Path, debate: Debate, passages: Sequence[Passage], public: Path) -> dict[str, float]:
    """Fits the calibration of the weights in a folder on the tuning part, and writes it into model.json."""
    encoder = Encoder(folder)
    tune = of_part(passages, "tune")
    spoken = [example for passage in tune for example in statements(passage)]
    rng = random.Random(SEED)  # noqa: S311 - seeded, so that it can be repeated
    silent = as_read(debate, tune)[1] + [e for passage in tune for e in silences(passage, rng)]
    pairs = _sample(public_pairs(public, rng, split="dev"), rng)
    path = folder / "model.json"
    told = json.loads(path.read_text(encoding="utf-8"))
    told["calibration"] = fit(encoder, spoken, silent, pairs)
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
    describe.cache_clear()
    return dict(told["calibration"])


def fit(
    encoder: Encoder, spoken: Sequence[Example], silent: Sequence[Example], pairs: Sequence[Pair]
) -> dict[str, float]:
    """Slopes with the least log loss (temperature scaling, Guo et al. 2017; Platt 1999), floors with the best F1."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import f1_score

    told = encoder.description
    read = [encoder.read(example.text, example.context) for example in (*spoken, *silent)]
    logits = np.array([sides for sides, _ in read], np.float64)
    codes = np.array([told.sides.index(example.side) for example in (*spoken, *silent)])
    found = dict(UNCALIBRATED)
    found["side_slope"] = _best_slope(logits, codes)
    logits = logits * found["side_slope"]
    found["lean"] = _lean(logits, codes, told.contested)
    chances = softmax(leaned(logits, told.contested, found["lean"]))
    speaks = codes != told.sides.index(NONE)
    found["silence_floor"] = _best_floor(
        np.arange(0.16, 0.97, 0.04), lambda floor: f1_score(speaks, chances[:, -1] < floor, zero_division=0), flat=FLAT
    )
    four, truth = chances[speaks, :-1], codes[speaks]
    neutral = told.sides.index(NEUTRAL)
    found["neutral_floor"] = _best_floor(
        np.arange(0.0, 0.61, 0.05),
        lambda floor: f1_score(
            truth, np.where(_normal(four).max(axis=1) < floor, neutral, four.argmax(axis=1)), average="micro"
        ),
    )
    stances = np.array([stances for _, stances in read], np.float64)[speaks]
    held = np.array([[tuple(head) in (example.stances or ()) for head in told.heads] for example in spoken])
    platt = LogisticRegression(C=1e6).fit(stances.reshape(-1, 1), held.reshape(-1))
    found["stance_slope"], found["stance_offset"] = (
        round(float(platt.coef_[0, 0]), 4),
        round(float(platt.intercept_[0]), 4),
    )
    probable = 1 / (1 + np.exp(-(stances * found["stance_slope"] + found["stance_offset"])))
    found["stance_floor"] = _best_floor(
        np.arange(0.1, 0.7, 0.02), lambda floor: f1_score(held, probable >= floor, average="micro", zero_division=0)
    )
    if pairs:
        relations = np.array([encoder.relate(pair.text, pair.claim) for pair in pairs], np.float64)
        found["relation_slope"] = _best_slope(relations, np.array([PAIR_CLASSES.index(p.relation) for p in pairs]))
    return found


def score(model: StanceModel, examples: Sequence[Example]) -> dict[str, Any]:
    """Side accuracy, macro-F1, recall of each side, and micro-F1 of (proposition, stance), against the commonest side.

    A statement that the model takes for none counts as wrong.
    """
    from sklearn.metrics import f1_score, recall_score

    judged = model.judge([StanceInput(example.text, context=example.context) for example in examples])
    truth, found = [example.side for example in examples], [j.side if j else NONE for j in judged]
    names = sorted(set(truth))
    recalls = recall_score(truth, found, average=None, labels=names, zero_division=0)
    taken = [(a, b) for a, b in zip(truth, found, strict=True) if a in ("open", "closed")]
    right = claimed = 0
    for example, judgement in zip(examples, judged, strict=True):
        claims = {(p.proposition_id, p.stance) for p in judgement.positions} if judgement else set()
        right += len(claims & (example.stances or frozenset()))
        claimed += len(claims)
    wanted = sum(len(example.stances or ()) for example in examples)
    return {
        "statements": len(examples),
        "accuracy": round(sum(a == b for a, b in zip(truth, found, strict=True)) / len(truth), 3),
        "commonest_side": round(max(Counter(truth).values()) / len(truth), 3),
        "macro_f1": round(float(f1_score(truth, found, average="macro", labels=names, zero_division=0)), 3),
        "open_from_closed": round(sum(a == b for a, b in taken) / max(1, len(taken)), 3),
        "recall": {name: round(float(value), 3) for name, value in zip(names, recalls, strict=True)},
        "taken_for_none": round(found.count(NONE) / len(found), 3),
        "propositions": {
            "precision": round(right / max(1, claimed), 3),
            "recall": round(right / max(1, wanted), 3),
            "micro_f1": round(2 * right / max(1, claimed + wanted), 3),
        },
    }


def score_silence(model: StanceModel, silent: Sequence[Example]) -> float:
    """The share of stretches without a statement that the model turns away."""
    judged = model.judge([StanceInput(example.text, context=example.context) for example in silent])
    return round(sum(judgement is None for judgement in judged) / max(1, len(silent)), 3)


def score_claims(encoder: Encoder, public: Path, *, shots: int = 0) -> dict[str, float]:
    """New claims in plain words: agree from disagree on claims of Perspectrum's test part, which nothing was trained on.

    shots: example sentences a stance that each claim comes with. `accuracy` is over the sentences left.
    """
    by_claim: dict[str, list[Pair]] = {}
    rng = random.Random(SEED)  # noqa: S311 - seeded, so that it can be repeated
    for pair in public_pairs(public, rng, split="test"):
        if pair.relation != "neither":
            by_claim.setdefault(pair.claim, []).append(pair)
    embedder = Embedder()
    relate = partial(related, encoder)
    right = total = 0
    for claim, pairs in by_claim.items():
        held = {stance: [p for p in pairs if p.relation == stance] for stance in ("agree", "disagree")}
        if min(map(len, held.values())) <= SHOTS or total >= PAIRS_SCORED:
            continue
        shown = {stance: tuple(p.text for p in found[:shots]) for stance, found in held.items()}
        proposition = Proposition("claim", claim, "", claim, shown["agree"], shown["disagree"])
        judge = ExampleJudge([proposition], embedder)
        for pair in (p for found in held.values() for p in found[SHOTS:]):
            (vector,) = embedder.encode([pair.text])
            agree = judge.agreement(0, pair.text, vector, relate(pair.text, claim), relate)
            right += (agree >= 0.5) == (pair.relation == "agree")
            total += 1
    return {"sentences": total, "accuracy": round(right / max(1, total), 3)}


def held_out_scores(folder: Path, debate: Debate, passages: Sequence[Passage], public: Path) -> dict[str, Any]:
    """Everything that the card tells, on the held-out passages."""
    model = StanceModel.for_debate(debate, folder=folder)
    kept = of_part(passages, "held-out")
    spoken = [example for passage in kept for example in statements(passage)]
    rng = random.Random(SEED)  # noqa: S311 - seeded, so that it can be repeated
    return {
        "statements": score(model, spoken),
        "silences_turned_away": score_silence(model, [e for passage in kept for e in silences(passage, rng)]),
        "mistakes_turned_away": score_silence(model, as_read(debate, kept)[1]),
        "new_claims": score_claims(Encoder(folder), public),
        "new_claims_with_examples": score_claims(Encoder(folder), public, shots=SHOTS),
    }


def _normal(rows: Logits) -> Logits:
    return np.asarray(rows / rows.sum(axis=1, keepdims=True), np.float64)


def _best_slope(logits: Logits, codes: npt.NDArray[np.int64]) -> float:
    def loss(slope: float) -> float:
        return -float(np.log(softmax(logits * slope)[np.arange(len(codes)), codes]).mean())

    return round(float(min(np.arange(0.3, 3.01, 0.05), key=loss)), 2)


def _lean(logits: Logits, codes: npt.NDArray[np.int64], contested: list[int]) -> float:
    """By how much the first of the two sides must be raised against the other for both to be recalled equally well."""

    def unevenness(lean: float) -> tuple[float, float]:
        found = leaned(logits, contested, lean)[:, :-1].argmax(axis=1)
        one, other = ((found[codes == side] == side).mean() for side in contested)
        return abs(one - other), abs(lean)

    return round(float(min(np.arange(-1.5, 1.51, 0.05), key=unevenness)), 2)


def _best_floor(floors: npt.NDArray[np.float64], quality: Callable[[float], float], flat: float = 0.0) -> float:
    """The lowest floor of the highest quality; with `flat`, the highest of those at most that far below it."""
    reached = {float(floor): quality(float(floor)) for floor in floors}
    best = max(reached.values())
    good = [floor for floor, value in reached.items() if value >= best - flat]
    return round(max(good) if flat else min(good), 2)


def _sample(pairs: Any, rng: random.Random) -> list[Pair]:
    found = list(pairs)
    return rng.sample(found, min(len(found), PAIRS_SCORED))
