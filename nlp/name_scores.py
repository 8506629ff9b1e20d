"""How well people and organisations are found in texts of a field in general: scored on CrossNER's sentences about AI. Pure but for
reading the file.

CrossNER (Liu et al. 2021, MIT) is not part of this project: a file of it is a word and its BIO label a line, a blank line after
each sentence. A name counts when its stretch of text and its kind are right. spaCy's own names are the baseline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from db.models import Counts, InputError, Mention

if TYPE_CHECKING:
    from spacy.tokens import Doc

Name = tuple[int, int, str]
"""Start, end, and "person" or "organisation"."""

_LABELS: Final = {
    "person": "person",
    "researcher": "person",
    "organisation": "organisation",
    "university": "organisation",
}
_OURS: Final = {
    "person": "person",
    "company": "organisation",
    "organisation": "organisation",
    "government": "organisation",
}
_SPACY: Final = {"PERSON": "person", "ORG": "organisation"}


@dataclass(frozen=True, slots=True)
class LabelledSentence:
    """A sentence and the people and organisations in it."""

    text: str
    names: frozenset[Name]


def labelled_sentences(path: Path) -> list[LabelledSentence]:
    """The sentences of a file of CrossNER; InputError names a line that is none of it."""
    found: list[LabelledSentence] = []
    words: list[tuple[str, str]] = []
    for number, line in enumerate([*path.read_text(encoding="utf-8").splitlines(), ""], 1):
        word, tab, label = line.partition("\t")
        if line and (not tab or label[:2] not in ("O", "B-", "I-")):
            raise InputError(f"{path}: line {number}: not a word and its BIO label with a tab between them")
        if line:
            words.append((word, label))
        elif words:
            found.append(LabelledSentence(" ".join(word for word, _ in words), frozenset(_names(words))))
            words = []
    return found


def _names(words: Sequence[tuple[str, str]]) -> Iterator[Name]:
    at, open_name = 0, None
    for word, label in words:
        if open_name and not label.startswith("I-"):
            yield open_name
            open_name = None
        kind = _LABELS.get(label[2:])
        if kind and label.startswith("B-"):
            open_name = (at, at + len(word), kind)
        elif open_name:
            open_name = (open_name[0], at + len(word), open_name[2])
        at += len(word) + 1
    if open_name:
        yield open_name


def count_mentions(sentence: LabelledSentence, mentions: Sequence[Mention]) -> Counts:
    """Ours."""
    return _counts(sentence, {(m.start, m.end, _OURS.get(m.type, "")) for m in mentions})


def count_entities(sentence: LabelledSentence, doc: Doc) -> Counts:
    """spaCy's own."""
    return _counts(sentence, {(e.start_char, e.end_char, _SPACY.get(e.label_, "")) for e in doc.ents})


def _counts(sentence: LabelledSentence, found: set[Name]) -> Counts:
    found = {name for name in found if name[2]}
    return Counts(len(found & sentence.names), len(found), len(sentence.names))
