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

from db.models import InputError
from nlp.debate import Debate
from nlp.scoring import LEAST_OVERLAP, Passage, held_out, load_passages, overlap

NONE: Final = "none"
"""What a stretch of text is that carries no statement: a class of its own beside the sides."""
PAIR_CLASSES: Final = ("agree", "disagree", "neither")

Part = Literal["train", "tune", "held-out"]

_SENTENCE = re.compile(r"[^.!?]+[.!?]+[\"”’')]*|\S[^.!?]*$")
_LEAST_CHARACTERS: Final = 20
"""A shorter piece of a text says nothing that could be judged."""


@dataclass(frozen=True, slots=True)
class Example:
    """A stretch of text with what it says. side: a side of the debate, or NONE; stances: (proposition id, stance)."""

    passage: str
    text: str
    side: str
    stances: frozenset[tuple[str, str]] = frozenset()


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


def statements(passage: Passage) -> list[Example]:
    """The labelled statements of a passage."""
    return [
        Example(
            passage["id"],
            passage["text"][labelled["start"] : labelled["end"]],
            labelled["side"],
            frozenset((p["id"], p["stance"]) for p in labelled["propositions"]),
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
        stretch = text[pieces[number][0] : pieces[last][1]].strip()
        if free[number] and len(stretch) >= _LEAST_CHARACTERS:
            found.append(Example(passage["id"], stretch, NONE))
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
            shares = [overlap(taken.start, taken.end, statement) for statement in passage["statements"]]
            best = max(range(len(shares)), key=shares.__getitem__, default=None)
            if best is None or not shares[best]:
                mistaken.append(Example(passage["id"], text, NONE))
            elif LEAST_OVERLAP <= shares[best] < 1:
                cut_otherwise.append(replace(labelled[best], text=text))
    return cut_otherwise, mistaken


def heads(examples: Sequence[Example], debate: Debate, least: int) -> list[tuple[str, str]]:
    """The (proposition, stance) with at least so many statements: each gets a head of its own."""
    counts = Counter(stance for example in examples for stance in example.stances)
    pairs = ((p.id, stance) for p in debate.propositions for stance in PAIR_CLASSES[:2])
    return [pair for pair in pairs if counts[pair] >= least]


def debate_pairs(examples: Sequence[Example], debate: Debate, rng: random.Random) -> list[Pair]:
    """Each statement with a proposition that it takes a stance on, and with one that it does not."""
    texts = {p.id: p.text for p in debate.propositions}
    pairs: list[Pair] = []
    for example in examples:
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
    path = folder / "perspectrum.jsonl.gz"
    if not path.exists():
        return
    rows: list[Mapping[str, str]] = []
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        rows = [row for row in map(json.loads, lines) if row["split"] == split]
    claims = sorted({row["claim"] for row in rows})
    for row in rows:
        yield Pair(row["statement"], row["claim"], row["stance"])
        if rng.random() < 0.5:
            other = rng.choice(claims)
            if other != row["claim"]:
                yield Pair(row["statement"], other, "neither")


def check_sides(examples: Sequence[Example], debate: Debate, least: int, where: str) -> None:
    """InputError when a side of the debate has fewer than `least` statements to train on."""
    for side in debate.sides:
        if sum(example.side == side.id for example in examples) < least:
            raise InputError(f'{where}: fewer than {least} statements to train on are "{side.id}"; label more of them')
