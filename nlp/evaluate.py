"""The accuracy card: every layer of the analysis scored on labelled passages that nothing was trained or tuned on.

Reads labelled passages and scores the very reader and judge that the analysis uses; stores nothing. Extraction is scored in
tests/crawler, on saved pages. Intervals are percentiles of a bootstrap over passages (Efron and Tibshirani 1993), seeded.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from db.models import Judgement, Mention, Statement
from nlp.debate import Debate
from nlp.inspection import Inspector
from nlp.scoring import Passage, held_out, load_passages, match, right_speaker, same_name

RESAMPLES: Final = 500
SEED: Final = 0


@dataclass(frozen=True, slots=True)
class Counts:
    """right: found and labelled; found; labelled. F1 = 2 right / (found + labelled)."""

    right: int = 0
    found: int = 0
    labelled: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.right + other.right, self.found + other.found, self.labelled + other.labelled)

    @property
    def precision(self) -> float:
        """Right among the found."""
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        """Right among the labelled."""
        return self.right / self.labelled if self.labelled else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / (self.found + self.labelled) if self.found + self.labelled else 0.0


@dataclass(frozen=True, slots=True)
class Layer:
    """One line of the card. low, high: the 95 % interval of F1."""

    name: str
    counts: Counts
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Card:
    """The accuracy card."""

    passages: int
    layers: tuple[Layer, ...]
    notes: tuple[str, ...] = field(default=())

    def header(self) -> list[str]:
        """Column names of `rows`."""
        return ["layer", "precision", "recall", "F1", "95 % interval", "labelled"]

    def rows(self) -> list[list[str]]:
        """One row a layer, as text."""
        return [
            [
                layer.name,
                f"{layer.counts.precision:.3f}",
                f"{layer.counts.recall:.3f}",
                f"{layer.counts.f1:.3f}",
                f"{layer.low:.3f} to {layer.high:.3f}",
                str(layer.counts.labelled),
            ]
            for layer in self.layers
        ]

    def to_json(self) -> dict[str, Any]:
        """The same, for a program."""
        return {
            "passages": self.passages,
            "layers": {
                layer.name: {
                    "precision": round(layer.counts.precision, 4),
                    "recall": round(layer.counts.recall, 4),
                    "f1": round(layer.counts.f1, 4),
                    "low": round(layer.low, 4),
                    "high": round(layer.high, 4),
                    "right": layer.counts.right,
                    "found": layer.counts.found,
                    "labelled": layer.counts.labelled,
                }
                for layer in self.layers
            },
            "notes": list(self.notes),
        }


def evaluate(
    debate: Debate,
    folder: Path | None = None,
    *,
    limit: int | None = None,
    progress: Callable[[int, int, str], None] | None = None,
) -> Card:
    """Scores the reader and the judge on the held-out fifth of the shipped passages, or on all of a folder of your own."""
    passages = load_passages(folder) if folder else [p for p in load_passages() if held_out(p["id"])]
    passages = passages[:limit]
    inspector = Inspector(debate)
    scored: list[dict[str, Counts]] = []
    for number, passage in enumerate(passages, 1):
        reading = inspector.inspect(passage["text"], author=passage.get("author"))
        scored.append(_score(debate, passage, reading.mentions, reading.statements, reading.judgements))
        if progress:
            progress(number, len(passages), passage["id"])
    names = list(dict.fromkeys(name for row in scored for name in row))
    layers = tuple(Layer(name, _total(scored, name), *_interval(scored, name)) for name in names)
    labelled = Counter(s["side"] for p in passages for s in p["statements"])
    commonest, count = labelled.most_common(1)[0] if labelled else ("none", 0)
    share = count / max(1, sum(labelled.values()))
    return Card(
        len(passages),
        layers,
        (
            f"{len(passages)} passages; a statement is found when its evidence overlaps by half (intersection over union).",
            f"Always guessing the commonest side ({commonest}) would be right for {share:.3f} of the statements found.",
        ),
    )


def _score(
    debate: Debate,
    passage: Passage,
    mentions: Sequence[Mention],
    statements: Sequence[Statement],
    judgements: Sequence[Judgement],
) -> dict[str, Counts]:
    labelled = passage["statements"]
    pairs = match(statements, labelled)
    found, wanted, known = len(statements), len(labelled), debate.actors_by_alias
    speakers = sides = both = claims = agreed = 0
    actors = Counts()
    by_side = {side: Counts() for side in ("open", "closed")}
    for one, other in pairs:
        statement, judgement, gold = statements[one], judgements[one], labelled[other]
        spoken = right_speaker(statement, gold)
        right_side = judgement.side == gold["side"]
        speakers += spoken
        sides += right_side
        both += spoken and right_side
        expected = known.get(gold["speaker"])
        if expected:
            actors += Counts(int(statement.speaker.actor_id in {actor.id for actor in expected}), 1, 1)
        if gold["side"] in by_side:
            by_side[gold["side"]] += Counts(int(right_side), 1, 1)
        agreed += len(_claims(judgement) & {(p["id"], p["stance"]) for p in gold["propositions"]})
    claims = sum(len(judgement.positions) for judgement in judgements)
    wanted_claims = sum(len(gold["propositions"]) for gold in labelled)
    taken = any(judgement.side in ("open", "closed") for judgement in judgements)
    return {
        "names": _names(passage, mentions),
        "statements found": Counts(len(pairs), found, wanted),
        "found, with the right speaker": Counts(speakers, found, wanted),
        "found, with the right side": Counts(sides, found, wanted),
        "found, with speaker and side": Counts(both, found, wanted),
        "side, of statements found": Counts(sides, len(pairs), len(pairs)),
        "side, of open statements found": by_side["open"],
        "side, of closed statements found": by_side["closed"],
        "speaker's actor, where known": actors,
        "propositions": Counts(agreed, claims, wanted_claims),
        "no false side in passages without": Counts(int(not taken), 1, 1) if not labelled else Counts(),
    }


def _claims(judgement: Judgement) -> set[tuple[str, str]]:
    return {(position.proposition_id, position.stance) for position in judgement.positions}


def _names(passage: Passage, mentions: Sequence[Mention]) -> Counts:
    """Names by what they mean, once a passage: labelled entities against the names and surfaces found."""
    text = passage["text"]
    found = {(mention.name, text[mention.start : mention.end]) for mention in mentions}
    wanted = {(entity["canonical"], entity["surface"]) for entity in passage["entities"]}

    def same(one: tuple[str, str], other: tuple[str, str]) -> bool:
        return same_name(one[0], other[0]) or same_name(one[1], other[1])

    right = sum(any(same(entity, name) for name in found) for entity in wanted)
    false = sum(not any(same(entity, name) for entity in wanted) for name in found)
    return Counts(right, right + false, len(wanted))


def _total(scored: Sequence[dict[str, Counts]], name: str) -> Counts:
    return sum((row[name] for row in scored if name in row), Counts())


def _interval(scored: Sequence[dict[str, Counts]], name: str) -> tuple[float, float]:
    source = random.Random(SEED)  # noqa: S311 - seeded, so that the card can be repeated
    drawn = (
        sorted(_total(source.choices(scored, k=len(scored)), name).f1 for _ in range(RESAMPLES)) if scored else [0.0]
    )
    return drawn[int(0.025 * len(drawn))], drawn[min(len(drawn) - 1, int(0.975 * len(drawn)))]
