"""Is a stretch of text about the debate at all? The reader's last question in a debate that no weights were trained for. Pure.

The reader's own weights were learnt on texts of the shipped debate, where every view is a view on it; elsewhere people hold views
on football. A stretch is on the subject when it is near enough to a proposition or an example sentence of the debate file. In the
shipped debate the stance model answers the question better (nlp/stance.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from nlp.debate import Debate
from nlp.embeddings import Embedder

NEAR: Final = 0.25
"""Cosine similarity to the nearest example from which a stretch is on the subject. 95 % of the labelled statements lie at 0.25
or more from the shipped examples, half of the views on other things found on news pages do."""


class Subject:
    """Decides for one debate."""

    def __init__(self, debate: Debate) -> None:
        self._embedder = Embedder()
        examples = [text for p in debate.propositions for text in (p.text, *p.agree, *p.disagree)]
        self._examples = self._embedder.encode(examples)

    @property
    def models(self) -> dict[str, str]:
        """Model file -> sha256, for `runs.models`."""
        return dict(self._embedder.models)

    def on_subject(self, texts: Sequence[str]) -> list[bool]:
        """For each stretch of text, whether it is about the debate."""
        if not texts:
            return []
        return [bool(near >= NEAR) for near in (self._embedder.encode(texts) @ self._examples.T).max(axis=1)]
