"""What the stance model learns from: labelled passages, and public pairs of a sentence and a claim -> examples. Pure but for
reading the files; needs no torch, so that it is tested where nothing is trained.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import random
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from db.models import InputError, paragraph
from nlp.debate import Debate
from nlp.scoring import LEAST_OVERLAP, Passage, held_out, load_passages, overlap

NONE: Final = "none"
"""What a stretch of text is that carries no statement: a class of its own beside the sides."""
PAIR_CLASSES: Final = ("agree", "disagree", "neither")

Part = Literal["train", "tune", "held-out"]

SILENT: Final = 1.0
"""Examples without a statement, for each one with: most sentences of a real article carry none."""
ELSEWHERE: Final = 0.2
"""Of those, the share that is about anything else (see `elsewhere`)."""
MIN_EXAMPLES: Final = 10
"""Statements from which a side can be learnt, and a stance on a proposition gets a head of its own."""

_SENTENCE = re.compile(r"[^.!?]+[.!?]+[\"”’')]*|\S[^.!?]*$")
_LEAST_CHARACTERS: Final = 20
"""A shorter piece of a text says nothing that could be judged."""


@dataclass(frozen=True, slots=True)
class Example:
    """A stretch of text with what it says. side: a side of the debate, or NONE."""

    passage: str
    text: str
    side: str
    stances: frozenset[tuple[str, str]] | None = frozenset()
    """(proposition id, stance); None where nobody has said what the text asserts."""
    context: str = ""
    """The paragraph that the text stands in."""


@dataclass(frozen=True, slots=True)
class Pair:
    """A text, a claim, and what the text says of the claim: one of PAIR_CLASSES."""

    text: str
    claim: str
    relation: str


def part(passage_id: str) -> Part:
    """Which part a passage belongs to: the held-out tenth, the twentieth to tune on, or the training part."""
    if held_out(passage_id):
        return "held-out"
    return "tune" if int(hashlib.sha256(passage_id.encode()).hexdigest(), 16) % 20 == 5 else "train"


def load_labels(folders: Sequence[Path]) -> list[Passage]:
    """The labelled passages of all the folders; InputError names a bad line, or a folder without any."""
    return [passage for folder in folders for passage in load_passages(folder)]


def reviewed(passage: Passage) -> bool:
    """Whether the labels are a review's (nlp/review_labels.py), which says nothing of propositions."""
    return bool(passage.get("register") == "review")


def of_part(passages: Sequence[Passage], wanted: Part) -> list[Passage]:
    """The passages of one part. What was reviewed is only trained on: it has no propositions to calibrate or to score by."""
    return [p for p in passages if part(p["id"]) == wanted and (wanted == "train" or not reviewed(p))]


def statements(passage: Passage) -> list[Example]:
    """The labelled statements of a passage."""
    return [
        Example(
            passage["id"],
            passage["text"][labelled["start"] : labelled["end"]],
            labelled["side"],
            None if reviewed(passage) else frozenset((p["id"], p["stance"]) for p in labelled["propositions"]),
            paragraph(passage["text"], labelled["start"], labelled["end"]),
        )
        for labelled in passage["statements"]
    ]


def silences(passage: Passage, rng: random.Random) -> list[Example]:
    """Stretches of one or two sentences of a passage that touch no labelled statement: examples of NONE."""
    found: list[Example] = []
    text, held = passage["text"], passage["statements"]
    pieces = [match.span() for match in _SENTENCE.finditer(text)]
    free = [all(end <= s["start"] or start >= s["end"] for s in held) for start, end in pieces]
    number = 0
    while number < len(pieces):
        last = number + rng.choice((0, 0, 1))
        last = number if last >= len(pieces) or not free[last] else last
        start, end = pieces[number][0], pieces[last][1]
        stretch = text[start:end].strip()
        if free[number] and len(stretch) >= _LEAST_CHARACTERS:
            found.append(Example(passage["id"], stretch, NONE, context=paragraph(text, start, end)))
        number = last + 1
    return found


def as_read(debate: Debate, passages: Sequence[Passage]) -> tuple[list[Example], list[Example]]:
    """The reader's own statements in the passages: those that are a labelled one cut otherwise, and those that touch none.

    The first teach that a statement stays what it is wherever it was cut; the second are the hardest examples of NONE.
    """
    from nlp.reader import Reader, ReadFailure, ReadInput

    inputs = [ReadInput(passage["id"], passage["text"], author=passage.get("author")) for passage in passages]
    cut_otherwise: list[Example] = []
    mistaken: list[Example] = []
    readings = Reader(debate, off_subject=True).read(inputs)
    for passage, reading in zip(passages, readings, strict=True):
        if isinstance(reading, ReadFailure):
            raise InputError(f"passage {passage['id']} cannot be read: {reading.error}")
        labelled = statements(passage)
        for taken in reading.statements:
            text = passage["text"][taken.start : taken.end]
            context = paragraph(passage["text"], taken.start, taken.end)
            shares = [overlap(taken.start, taken.end, statement) for statement in passage["statements"]]
            best = max(range(len(shares)), key=shares.__getitem__, default=None)
            if best is None or not shares[best]:
                mistaken.append(Example(passage["id"], text, NONE, context=context))
            elif LEAST_OVERLAP <= shares[best] < 1:
                cut_otherwise.append(replace(labelled[best], text=text, context=context))
    return cut_otherwise, mistaken


def heads(examples: Sequence[Example], debate: Debate, least: int) -> list[tuple[str, str]]:
    """The (proposition, stance) with at least so many statements: each gets a head of its own."""
    counts = Counter(stance for example in examples for stance in example.stances or ())
    pairs = ((p.id, stance) for p in debate.propositions for stance in PAIR_CLASSES[:2])
    return [pair for pair in pairs if counts[pair] >= least]


def debate_pairs(examples: Sequence[Example], debate: Debate, rng: random.Random) -> list[Pair]:
    """Each statement with a proposition that it takes a stance on, and with one that it does not."""
    texts = {p.id: p.text for p in debate.propositions}
    pairs: list[Pair] = []
    for example in examples:
        if example.stances is None:
            continue
        taken = sorted((p, stance) for p, stance in example.stances if p in texts)
        if taken:
            proposition, stance = rng.choice(taken)
            pairs.append(Pair(example.text, texts[proposition], stance))
        others = [p for p in texts if p not in dict(taken)]
        if others:
            pairs.append(Pair(example.text, texts[rng.choice(others)], "neither"))
    return pairs


def public_pairs(folder: Path, rng: random.Random, split: str = "train") -> Iterator[Pair]:
    """Perspectrum (Chen et al. 2019): perspectives that support or undermine a claim, each also with a claim it is not about.

    folder: holds perspectrum.jsonl.gz with {"split", "claim", "statement", "stance"} a line. Nothing when it is missing.
    """
    rows = _rows(folder / "perspectrum.jsonl.gz", split)
    claims = sorted({row["claim"] for row in rows})
    for row in rows:
        yield Pair(row["statement"], row["claim"], row["stance"])
        if rng.random() < 0.5:
            other = rng.choice(claims)
            if other != row["claim"]:
                yield Pair(row["statement"], other, "neither")


def elsewhere(folder: Path, rng: random.Random, count: int) -> list[Example]:
    """Sentences about anything but the debate, half of them amid others of the same set: examples of NONE, `count` at most.

    They are the views of Perspectrum and the news of NewsMTSC (Hamborg and Donnay 2021, newsmtsc-train-dev.jsonl.gz), train parts;
    none where neither is in the folder.
    """
    found: list[Example] = []
    for name, key in (("perspectrum", "statement"), ("newsmtsc-train-dev", "sentence")):
        rows = _rows(folder / f"{name}.jsonl.gz", "train")
        texts = list(dict.fromkeys(str(row[key]).strip() for row in rows))
        texts = [text for text in rng.sample(texts, len(texts)) if len(text) >= _LEAST_CHARACTERS][: count // 2 + 1]
        for number, text in enumerate(texts):
            around = f"{texts[number - 1]} {text} {texts[(number + 1) % len(texts)]}" if rng.random() < 0.5 else ""
            found.append(Example(name, text, NONE, context=around))
    return found[:count]


def _rows(path: Path, split: str) -> list[Mapping[str, str]]:
    if not path.exists():
        return []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [row for row in map(json.loads, lines) if row["split"] == split]


def check_sides(examples: Sequence[Example], debate: Debate, least: int, where: str) -> None:
    """InputError when a side of the debate has fewer than `least` statements to train on."""
    for side in debate.sides:
        if sum(example.side == side.id for example in examples) < least:
            raise InputError(f'{where}: fewer than {least} statements to train on are "{side.id}"; label more of them')


# --- all of it together ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Material:
    """All that a training run needs; a file of its own, so that it can be trained from where there is no reader."""

    sides: tuple[str, ...]
    """The columns of the side head; the last is NONE."""
    heads: tuple[tuple[str, str], ...]
    """The columns of the stance head: (proposition id, stance)."""
    examples: tuple[Example, ...]
    pairs: tuple[Pair, ...]
    """Of statements and propositions, and public ones."""
    public: tuple[Pair, ...]
    """All public ones."""
    tune: tuple[Example, ...]
    """The labelled statements of the tuning part, to watch a run by."""

    def save(self, path: Path) -> None:
        """Writes it as gzipped JSON."""
        rows = {
            part_: [
                [e.passage, e.text, e.side, None if e.stances is None else sorted(e.stances), e.context] for e in some
            ]
            for part_, some in (("examples", self.examples), ("tune", self.tune))
        }
        told = {
            "sides": self.sides,
            "heads": self.heads,
            "pairs": [[p.text, p.claim, p.relation] for p in self.pairs],
            "public": [[p.text, p.claim, p.relation] for p in self.public],
        }
        with gzip.open(path, "wt", encoding="utf-8") as file:
            json.dump(told | rows, file)

    @classmethod
    def load(cls, path: Path) -> Material:
        """Reads what `save` wrote; InputError when it is something else."""
        try:
            with gzip.open(path, "rt", encoding="utf-8") as file:
                told = json.load(file)
            examples, tune = (
                tuple(
                    Example(passage, text, side, None if held is None else frozenset(map(tuple, held)), context)
                    for passage, text, side, held, context in told[part_]
                )
                for part_ in ("examples", "tune")
            )
            pairs, public = (tuple(Pair(*pair) for pair in told[name]) for name in ("pairs", "public"))
            return cls(tuple(told["sides"]), tuple(map(tuple, told["heads"])), examples, pairs, public, tune)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: not what `python -m nlp.train --step prepare` writes ({error})") from error


def prepare(labels: Sequence[Path], public: Path, debate: Debate, *, seed: int, pairs: int) -> Material:
    """Labelled passages and public pairs -> what is trained on. pairs: how many pairs of text and claim at most."""
    rng = random.Random(seed)  # noqa: S311 - seeded, so that it can be repeated
    passages = load_labels(labels)
    learnt = of_part(passages, "train")
    spoken = [example for passage in learnt for example in statements(passage)]
    check_sides(spoken, debate, MIN_EXAMPLES, ", ".join(map(str, labels)))
    silent = [e for passage in learnt for e in silences(passage, rng)]
    cut_otherwise, mistaken = as_read(debate, learnt)
    wanted = int(SILENT * len(spoken))
    others = elsewhere(public, rng, int(ELSEWHERE * wanted))
    silent = [*mistaken, *others, *rng.sample(silent, len(silent))][: max(len(mistaken) + len(others), wanted)]
    columns = heads(spoken, debate, MIN_EXAMPLES)
    spoken += cut_otherwise
    held = list(public_pairs(public, rng))
    paired = debate_pairs(spoken, debate, rng) + held
    return Material(
        (*(side.id for side in debate.sides), NONE),
        tuple(columns),
        (*spoken, *silent),
        tuple(rng.sample(paired, min(len(paired), pairs))),
        tuple(rng.sample(held, len(held))),
        tuple(example for passage in of_part(passages, "tune") for example in statements(passage)),
    )
