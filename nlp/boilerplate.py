"""What an outlet repeats under most of its articles (who owns it, how to subscribe), which would make topics of outlets. Pure.

Extraction takes most of it away, page by page; what is left shows only when the articles of an outlet are seen side by side.
Sentences are compared, with numbers and capitals left out of account, so that a date or a price makes no difference.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from db.models import Document

FEWEST: Final = 3
OFTEN: Final = 0.4
"""Documents of an outlet, and their share of it, in which a sentence is repeated. The background sentences of a running story, the
most repeated of what is no boilerplate, stay below a third of an outlet unless it has no other subject."""
_SENTENCE: Final = re.compile(r"\n+|(?<=[.!?])[\"”’)\]]*\s+")
_NUMBER: Final = re.compile(r"\d+")


def own_words(documents: Sequence[Document], outlets: Mapping[int, Collection[str]]) -> dict[int, str]:
    """The texts without what their outlet repeats, by document id, where that makes a difference and something is left.

    outlets: document id -> the outlets (hosts) whose articles carry it. Comments neither have boilerplate nor make any.
    """
    articles = [d for d in documents if d.kind != "comment"]
    # By their hashes: the sentences of a hundred thousand texts would fill the memory.
    sentences = {d.id: {hash(same) for s in _SENTENCE.split(d.text) if (same := _same(s))} for d in articles}
    totals: Counter[str] = Counter()
    counts: dict[str, Counter[int]] = defaultdict(Counter)
    for document in articles:
        for outlet in outlets.get(document.id, ()):
            totals[outlet] += 1
            counts[outlet].update(sentences[document.id])
    repeated = {
        outlet: {s for s, count in found.items() if count >= max(FEWEST, OFTEN * totals[outlet])}
        for outlet, found in counts.items()
    }
    found = {}
    for document in articles:
        boilerplate = set[int]().union(*(repeated[outlet] for outlet in outlets.get(document.id, ())))
        if boilerplate & sentences[document.id]:
            own = _without(document.text, boilerplate)
            if own:
                found[document.id] = own
    return found


def _without(text: str, boilerplate: Collection[int]) -> str:
    """The paragraphs of a text without these sentences."""
    paragraphs = (
        " ".join(
            sentence for sentence in _SENTENCE.split(paragraph) if hash(_same(sentence)) not in boilerplate
        ).strip()
        for paragraph in text.split("\n")
    )
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _same(sentence: str) -> str:
    """What is equal for two sentences that differ in numbers, capitals and spaces alone."""
    return " ".join(_NUMBER.sub("0", sentence.casefold()).split())
