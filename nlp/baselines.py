"""What the reader and the judge must beat: simple methods, scored on the same passages in the same call. No figures here.

Three for the side of a given span: the commonest side, a lexicon, and frozen sentence vectors with a logistic regression (the last
two are the usual first tries). One for quotations: textacy's rules, where that optional package is installed.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from importlib.util import find_spec
from math import log
from typing import TYPE_CHECKING, Any, Final

from db.models import Speaker, Statement
from nlp.debate import Debate
from nlp.embeddings import Embedder

if TYPE_CHECKING:
    from spacy.tokens import Doc

NEUTRAL: Final = "neutral"
SEED: Final = 0

_WORD = re.compile(r"\w+(?:['’-]\w+)*")

Sides = Callable[[Sequence[str]], list[str]]
"""Texts -> the side of each."""


def commonest_side(sides: Iterable[str]) -> Sides:
    """Always the commonest side of the training part."""
    ((commonest, _),) = Counter(sides).most_common(1)
    return lambda texts: [commonest] * len(texts)


def lexicon_sides(debate: Debate) -> Sides:
    """By words: those of the debate file's example sentences weigh for the side that uses them more (smoothed log odds)."""
    contested = [side.id for side in debate.contested_sides]
    used = {side: Counter[str]() for side in contested}
    for proposition in debate.propositions:
        if not proposition.supports:
            continue
        used[proposition.supports].update(_words(proposition.text, *proposition.agree))
        others = [side for side in contested if side != proposition.supports]
        if len(others) == 1:
            used[others[0]].update(_words(*proposition.disagree))
    totals = {side: used[side].total() for side in contested}

    def side_of(text: str) -> str:
        known = [word for word in _words(text) if any(used[side][word] for side in contested)]
        weight = {side: sum(log((used[side][word] + 1) / (totals[side] + 1)) for word in known) for side in contested}
        return max(contested, key=lambda side: weight[side]) if known else NEUTRAL

    return lambda texts: [side_of(text) for text in texts]


def embedded_sides(embedder: Embedder, texts: Sequence[str], sides: Sequence[str]) -> Sides:
    """Frozen sentence vectors and a logistic regression, fitted on the training part."""
    from sklearn.linear_model import LogisticRegression

    model: Any = LogisticRegression(max_iter=300, random_state=SEED).fit(embedder.encode(texts), list(sides))
    return lambda given: [str(side) for side in model.predict(embedder.encode(given))] if given else []


def textacy_installed() -> bool:
    """Whether the optional package textacy (extra `eval`) is there."""
    return find_spec("textacy") is not None


def textacy_quotes(doc: Doc) -> list[Statement]:
    """The direct quotations that textacy's rules find in a parsed text, each with its speaker; none where they give up."""
    from textacy.extract.triples import direct_quotations

    try:
        quotes = list(direct_quotations(doc))
    except ValueError:  # An odd number of quotation marks: "it's safest to bail out", says textacy.
        return []
    return [
        Statement(
            quote.content.start_char,
            quote.content.end_char,
            Speaker(name := " ".join(token.text for token in quote.speaker), name),
            "direct",
            "textacy",
        )
        for quote in quotes
        if len(quote.content.text.strip())
    ]


def _words(*texts: str) -> list[str]:
    return [word for text in texts for word in _WORD.findall(text.lower())]
