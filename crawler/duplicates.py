"""Near-duplicate texts: wire copy, mirrors, AMP pages. Pure: the database finds candidates by band, this file decides.

MinHash with banding finds candidates (Broder 1997; Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", chapter 3);
the decision is then made on the shingles of the texts themselves, so that a collision never joins two articles.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from typing import Any

SHINGLE_WORDS = 3
PERMUTATIONS = 128
BANDS = 32
"""32 bands of 4 rows: a pair of Jaccard similarity 0.5 shares a band with probability 0.87, one of 0.2 with 0.05."""
SEED = 20230224
"""Fixed, because stored bands must mean the same in every run."""
MIN_JACCARD = 0.5
"""A reprint with one word in ten changed keeps about 0.57; two reports on one event that share their quotes stay under 0.3."""
MIN_CONTAINMENT = 0.8
MIN_SIZE_RATIO = 0.4
"""A shorter text is a cut reprint when 80 % of it stands in the longer one; under 40 % of its length it is a quotation."""
SHORT_WORDS = 25
"""Under this length two texts are the same only when they are equal: there are too few shingles to tell otherwise."""
MAX_REPLACED_FACTS = 0.3
"""Share of figures and names that differ in the same surroundings, above which two texts fill in one template."""

_WORD = re.compile(r"\w+(?:['’]\w+)*")


@dataclass(frozen=True, slots=True)
class Signature:
    """The MinHash of a text. `bands[i]` is the hash of band i, a signed 64-bit integer: what the database stores."""

    bands: tuple[int, ...]
    hashes: tuple[int, ...]

    def resemblance(self, other: Signature) -> float:
        """The estimated Jaccard similarity of the two texts, 0 to 1."""
        return sum(a == b for a, b in zip(self.hashes, other.hashes, strict=True)) / len(self.hashes)


@dataclass(frozen=True, slots=True)
class _Fingerprint:
    """What a decision rests on, computed once for each text."""

    words: tuple[str, ...]
    shingles: frozenset[str]
    facts: dict[tuple[str, str, str], str]
    """Figure or name by its surroundings: the two words before it and the one after, with figures and names masked."""


def signature(text: str) -> Signature:
    """The signature of a text (any length; an empty one has a signature of its own)."""
    minhash = _empty_minhash().copy()
    minhash.update_batch([shingle.encode() for shingle in sorted(_shingles(_words(text)))])
    hashes = tuple(int(value) for value in minhash.digest())
    rows = PERMUTATIONS // BANDS
    bands = tuple(
        int.from_bytes(blake2b(repr(hashes[start : start + rows]).encode(), digest_size=8).digest(), "big", signed=True)
        for start in range(0, PERMUTATIONS, rows)
    )
    return Signature(bands, hashes)


def similarity(a: str, b: str) -> float:
    """Exact Jaccard similarity of the word 3-shingles of two texts, 0 to 1."""
    return _jaccard(_shingles(_words(a)), _shingles(_words(b)))


def containment(a: str, b: str) -> float:
    """The share of the shorter text's shingles that also stand in the longer one, 0 to 1."""
    return _containment(_shingles(_words(a)), _shingles(_words(b)))


def is_near_duplicate(a: str, b: str) -> bool:
    """True when one text is a reprint of the other: cut, retitled or lightly edited, but not a template with other figures."""
    return _score(_fingerprint(a), _fingerprint(b)) > 0


def find_duplicates(text: str, candidates: Iterable[tuple[int, str]]) -> list[int]:
    """The ids of the candidates (id, text) that `text` is a reprint of, the most similar first. Of a candidate that comes with
    several texts those after a match are not looked at."""
    fingerprint = _fingerprint(text)
    scores: dict[int, float] = {}
    for number, other in candidates:
        if number not in scores:
            score = _score(fingerprint, _fingerprint(other))
            if score > 0:
                scores[number] = score
    return sorted(scores, key=lambda number: (-scores[number], number))


def find_duplicate(text: str, candidates: Iterable[tuple[int, str]]) -> int | None:
    """The id of the candidate (id, text) that `text` is a reprint of: the most similar one, None when there is none."""
    return next(iter(find_duplicates(text, candidates)), None)


def _score(a: _Fingerprint, b: _Fingerprint) -> float:
    """Similarity when the two are near-duplicates, 0 when they are not."""
    if a.words == b.words:
        return 1.0 if a.words else 0.0
    smaller, larger = sorted((len(a.words), len(b.words)))
    if smaller < SHORT_WORDS:
        return 0.0
    jaccard = _jaccard(a.shingles, b.shingles)
    cut = smaller / larger >= MIN_SIZE_RATIO and _containment(a.shingles, b.shingles) >= MIN_CONTAINMENT
    if not (jaccard >= MIN_JACCARD or cut) or _replaced_facts(a, b) > MAX_REPLACED_FACTS:
        return 0.0
    return jaccard


def _jaccard(a: frozenset[str], b: frozenset[str]) -> float:
    union = len(a | b)
    return len(a & b) / union if union else 1.0


def _containment(a: frozenset[str], b: frozenset[str]) -> float:
    smaller = min(len(a), len(b))
    return len(a & b) / smaller if smaller else 1.0


def _replaced_facts(a: _Fingerprint, b: _Fingerprint) -> float:
    """Share of the figures and names in the same surroundings that differ; one corrected figure alone counts as none."""
    shared = a.facts.keys() & b.facts.keys()
    replaced = sum(a.facts[key] != b.facts[key] for key in shared)
    return replaced / len(shared) if replaced > 1 else 0.0


def _words(text: str) -> tuple[str, ...]:
    return tuple(_WORD.findall(unicodedata.normalize("NFKC", text).casefold().replace("’", "'")))


def _shingles(words: tuple[str, ...]) -> frozenset[str]:
    if len(words) < SHINGLE_WORDS:
        return frozenset((" ".join(words),)) if words else frozenset()
    return frozenset(" ".join(words[i : i + SHINGLE_WORDS]) for i in range(len(words) - SHINGLE_WORDS + 1))


def _fingerprint(text: str) -> _Fingerprint:
    words = _words(text)
    return _Fingerprint(words, _shingles(words), _facts(text))


def _facts(text: str) -> dict[tuple[str, str, str], str]:
    tokens = re.findall(r"\d[\d.,:]*\d|\w+", unicodedata.normalize("NFKC", text))
    masked = ["#" if token[0].isdigit() or token[0].isupper() else token for token in tokens]
    facts: dict[tuple[str, str, str], list[str]] = {}
    for i in range(2, len(tokens) - 1):
        if masked[i] == "#":
            # Several facts in like surroundings are told apart by nothing, so they are compared together, in order.
            facts.setdefault((masked[i - 2], masked[i - 1], masked[i + 1]), []).append(tokens[i])
    return {surroundings: " ".join(found) for surroundings, found in facts.items()}


@cache
def _empty_minhash() -> Any:
    from datasketch import MinHash

    return MinHash(num_perm=PERMUTATIONS, seed=SEED)
