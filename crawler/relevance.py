"""Is this text about the debate? Counts the terms of sources.toml and judges. Pure: no network, no database, no files.

A page is relevant when every aspect that the groups count for ("ai", "openness") reaches the threshold. An aspect's score is

    sum over its groups of  min(at_most, sum over their terms of weight * (1 + ln n))  /  sqrt(max(words, 120) / 120)

with n the occurrences of the term, an occurrence in the title counting three. The logarithm is the damping of term
frequency in Manning, Raghavan, Schütze, "Introduction to Information Retrieval", 6.4.1; the root asks a text of 5,000 words
for about 6 times the evidence that one of 120 words needs, so that a passing mention does not carry a long page.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from db.models import SourcesFileError

SHORT_TEXT_WORDS = 120
"""Up to this length, a wire item or a comment, one clear sentence is enough."""
TITLE_WEIGHT = 3
FALLBACK_LANGUAGE = "en"
"""Debates borrow their English terms ("open source"), so these are looked for in every language."""

_WORD = re.compile(r"\w+")
_GAP = r"(?:\W+\w+){0,4}\W+"


@dataclass(frozen=True, slots=True)
class TermGroup:
    """Terms that count alike. `terms` holds them by language (ISO 639-1), `counts_for` the aspects they are evidence of."""

    name: str
    counts_for: tuple[str, ...]
    weight: float
    terms: Mapping[str, tuple[str, ...]]
    at_most: float = math.inf
    """What the group can add in all, before the length of the text is taken into account."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """score: the weakest aspect over the threshold's scale, 0 upwards; terms: what was found, as written in sources.toml."""

    score: float
    relevant: bool
    terms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Term:
    """`stems` must all be in a text before the pattern is tried: looking for them is many times faster."""

    written: str
    stems: tuple[str, ...]
    pattern: re.Pattern[str]


class Relevance:
    """Judges texts by the `[relevance]` table; compiled once, safe to use from several threads."""

    def __init__(self, threshold: float, groups: tuple[TermGroup, ...]) -> None:
        self.threshold = threshold
        self.groups = groups
        self.aspects = tuple(dict.fromkeys(aspect for group in groups for aspect in group.counts_for))
        self._terms = tuple(
            {language: tuple(map(_compile, dict.fromkeys(terms))) for language, terms in group.terms.items()}
            for group in groups
        )

    @classmethod
    def from_table(cls, table: Mapping[str, object], where: str = "sources.toml") -> Self:
        """Reads the `[relevance]` table. Raises SourcesFileError naming `where`, the entry and the mend."""
        unknown = set(table) - {"threshold", "group"}
        if unknown:
            raise SourcesFileError(
                f"{where}: [relevance] has an unknown key {sorted(unknown)[0]!r}: only threshold and group exist"
            )
        threshold = table.get("threshold", 1.0)
        if isinstance(threshold, bool) or not isinstance(threshold, int | float) or threshold < 0:
            raise SourcesFileError(f"{where}: [relevance] threshold must be a number from 0 upwards, not {threshold!r}")
        entries = table.get("group", [])
        if not isinstance(entries, list):
            raise SourcesFileError(f"{where}: [relevance] group must be written as [[relevance.group]] tables")
        return cls(
            float(threshold), tuple(_read_group(entry, number, where) for number, entry in enumerate(entries, 1))
        )

    def judge(self, title: str, text: str, language: str | None = None) -> Verdict:
        """Scores a text with its title. `language` is ISO 639-1; unknown ones are judged by the English terms alone.

        Without any group everything is relevant (score = threshold).
        """
        if not self.groups:
            return Verdict(self.threshold, True, ())
        title, text = title.replace("’", "'"), text.replace("’", "'")
        folded = f"{title}\n{text}".lower()
        words = sum(1 for _ in _WORD.finditer(text))
        length = math.sqrt(max(words, SHORT_TEXT_WORDS) / SHORT_TEXT_WORDS)
        scores = dict.fromkeys(self.aspects, 0.0)
        found: list[str] = []
        languages = tuple(dict.fromkeys((FALLBACK_LANGUAGE, (language or FALLBACK_LANGUAGE)[:2].lower())))
        for group, terms in zip(self.groups, self._terms, strict=True):
            points = 0.0
            for term in (term for tongue in languages for term in terms.get(tongue, ())):
                if all(stem in folded for stem in term.stems):
                    count = TITLE_WEIGHT * _occurrences(term, title) + _occurrences(term, text)
                    if count:
                        points += group.weight * (1 + math.log(count))
                        found.append(term.written)
            for aspect in group.counts_for:
                scores[aspect] += min(points, group.at_most) / length
        score = round(min(scores.values()), 3)
        return Verdict(score, score >= self.threshold, tuple(dict.fromkeys(found)))


def _compile(term: str) -> _Term:
    """ "open weight*" as a pattern over whole words; the syntax is described in sources.toml."""
    stretches = [stretch.strip() for stretch in term.replace("’", "'").split(" ... ")]
    parts = []
    for stretch in stretches:
        words = []
        for word in re.split(r"[\s-]+", stretch):
            stem = re.escape(word.removesuffix("*"))
            if word.endswith("*"):
                words.append(stem + r"\w*")
            else:
                # A term that ends in a full stop ("A.I.") has no word boundary after it.
                words.append(stem + (r"(?!\w)" if word[-1:].isalnum() else ""))
        parts.append(r"[\s\u00a0‐‑-]+".join(words))
    stems = tuple(word.removesuffix("*").lower() for word in re.split(r"[\s-]+", " ".join(stretches)))
    return _Term(term, stems, re.compile(r"(?<!\w)" + _GAP.join(parts), re.NOFLAG if term.isupper() else re.IGNORECASE))


def _occurrences(term: _Term, text: str) -> int:
    return sum(1 for _ in term.pattern.finditer(text))


def _read_group(entry: object, number: int, where: str) -> TermGroup:
    if not isinstance(entry, Mapping):
        raise SourcesFileError(f"{where}: [relevance] group {number} must be a [[relevance.group]] table")
    name = str(entry.get("name", f"group {number}"))
    label = f"{where}: [[relevance.group]] {name!r}"
    unknown = set(entry) - {"name", "counts_for", "weight", "at_most", "terms"}
    if unknown:
        raise SourcesFileError(
            f"{label} has an unknown key {sorted(unknown)[0]!r}: use name, counts_for, weight, at_most and terms"
        )
    weight, at_most = (
        _positive(entry, key, default, label) for key, default in (("weight", 1.0), ("at_most", math.inf))
    )
    aspects = entry.get("counts_for", [name])
    if (
        not isinstance(aspects, list)
        or not aspects
        or not all(isinstance(aspect, str) and aspect for aspect in aspects)
    ):
        raise SourcesFileError(f'{label}: counts_for must be a list of names, such as ["ai", "openness"]')
    table = entry.get("terms")
    if not isinstance(table, Mapping) or not table:
        raise SourcesFileError(f'{label} needs terms by language, such as terms = {{en = ["open weight*"]}}')
    terms: dict[str, tuple[str, ...]] = {}
    for language, words in table.items():
        if not isinstance(words, list) or not all(isinstance(word, str) and _WORD.search(word) for word in words):
            raise SourcesFileError(f"{label}: terms.{language} must be a list of words or phrases")
        terms[str(language)] = tuple(words)
    return TermGroup(name, tuple(aspects), weight, terms, at_most)


def _positive(entry: Mapping[str, object], key: str, default: float, label: str) -> float:
    value = entry.get(key, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise SourcesFileError(f"{label}: {key} must be a number above 0, not {value!r}")
    return float(value)
