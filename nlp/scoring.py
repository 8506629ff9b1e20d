"""How readings are compared with labelled passages: which are held out, when two names or two stretches of text are the same.

Pure but for reading the labelled passages; training, evaluation and tests all use these and no others.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from db.models import AUTHOR, InputError, Statement
from nlp.lexicon import lexicon

SHIPPED_LABELS: Final = Path(__file__).with_name("labels")
LEAST_OVERLAP: Final = 0.5

Passage = dict[str, Any]
"""A labelled passage: id, register, date, author, text, entities, statements (nlp/labels/GUIDE.md)."""
Overlap = Callable[[int, int, Mapping[str, Any]], float]
"""Start and end of a found statement, and a labelled one -> how much they are the same stretch of text, 0 to 1."""


def held_out(passage_id: str) -> bool:
    """Whether a passage is in the tenth that nothing is trained or tuned on."""
    return int(sha256(passage_id.encode()).hexdigest(), 16) % 10 == 0


def load_passages(folder: Path = SHIPPED_LABELS) -> list[Passage]:
    """All labelled passages of a folder's JSONL files, in the order of files and lines; InputError names a bad line."""
    found: list[Passage] = []
    for path in sorted(folder.glob("*.jsonl")):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            try:
                passage = json.loads(line)
                for statement in passage["statements"]:
                    if passage["text"][statement["start"] : statement["end"]] != statement["evidence"]:
                        raise ValueError("the offsets of a statement do not give its evidence")
                found.append(passage)
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f"{path}: line {number}: not a labelled passage ({error}); see nlp/labels/GUIDE.md"
                ) from error
    if not found:
        raise InputError(f"{folder}: no labelled passages in *.jsonl there")
    return found


def same_name(one: str, other: str) -> bool:
    """Whether two names are loosely the same: equal, a surname of a full name, or the words of one among the other's."""
    first, second = _plain(one), _plain(other)
    if not first or not second:
        return False
    if first == second or set(first) <= set(second) or set(second) <= set(first):
        return True
    return first[-1] == second[-1] and first[0][0] == second[0][0]


def _plain(name: str) -> list[str]:
    words = (
        name.casefold().replace("’", "'").replace("'s ", " ").removesuffix("'s").strip("@ ").replace(".", "").split()
    )
    titles = lexicon()["names"]["titles"] | {"the"}
    return [word for word in words if word not in titles] or words


def overlap(start: int, end: int, statement: Mapping[str, Any]) -> float:
    """Intersection over union of two stretches of text."""
    first, last = int(statement["start"]), int(statement["end"])
    return _shared(start, end, first, last) / (max(end, last) - min(start, first))


def share_of_shorter(start: int, end: int, statement: Mapping[str, Any]) -> float:
    """How much of the shorter of two stretches of text lies in the other: kinder than `overlap` to a span cut otherwise."""
    first, last = int(statement["start"]), int(statement["end"])
    return _shared(start, end, first, last) / min(end - start, last - first)


def _shared(start: int, end: int, first: int, last: int) -> int:
    return max(0, min(end, last) - max(start, first))


def right_speaker(statement: Statement, gold: Mapping[str, Any]) -> bool:
    """Whether a statement's speaker is the labelled one."""
    if gold["speaker"] == AUTHOR or statement.speaker.text == AUTHOR:
        return bool(gold["speaker"] == statement.speaker.text)
    return same_name(statement.speaker.name, gold["speaker"])


def match(
    found: Sequence[Statement], labelled: Sequence[Mapping[str, Any]], share_of: Overlap = overlap
) -> list[tuple[int, int]]:
    """Pairs (found, labelled) that overlap by half or more, each used once; pairs with the right speaker go first."""
    pairs = []
    for one, statement in enumerate(found):
        for other, gold in enumerate(labelled):
            share = share_of(statement.start, statement.end, gold)
            if share >= LEAST_OVERLAP:
                pairs.append((right_speaker(statement, gold), share, one, other))
    used: set[int] = set()
    taken: set[int] = set()
    chosen = []
    for _, _, one, other in sorted(pairs, key=lambda pair: (-pair[0], -pair[1], pair[2], pair[3])):
        if one not in used and other not in taken:
            used.add(one)
            taken.add(other)
            chosen.append((one, other))
    return chosen
