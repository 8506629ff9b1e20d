"""How stable topics are: ours beside plain BERTopic, with the same texts and vectors, in one call. `measure` is pure.

A seed shuffles the documents, chooses the tenth that comes later, and is UMAP's seed in plain BERTopic: what differs between two
runs over the same archive. The topic method itself draws no number.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Final

import numpy as np

from db.models import InputError
from db.store import Store
from nlp.embeddings import Vectors
from nlp.topic_engine import fit_plain
from nlp.topic_groups import Assignments, moved
from nlp.topic_quality import coherence, diversity, words_of
from nlp.topic_words import Text
from nlp.topics import Anchors, Fit, FittedTopic, Standing, fit_topics, match_topics

SEEDS: Final = (0, 1, 2, 3, 4)
WANTED: Final = 100
"""Documents below which UMAP and HDBSCAN, and so the comparison, say nothing."""
LATER: Final = 11
"""One document in so many comes later: a tenth more than there were."""


@dataclass(frozen=True, slots=True)
class Quality:
    """Means over seeds. ari: adjusted Rand index of each two seeds, outliers as a group of their own; carry_over: share of the
    documents in a topic that keep it when a tenth more come and the topics are fitted again; coherence: c_npmi; outliers: share."""

    topics: float
    ari: float
    carry_over: float
    coherence: float
    diversity: float
    outliers: float


@dataclass(frozen=True, slots=True)
class Stability:
    """The section on topics of the accuracy card."""

    documents: int
    seeds: tuple[int, ...]
    ours: Quality
    plain: Quality

    @property
    def notes(self) -> tuple[str, ...]:
        """What the figures rest on, for a person."""
        return (
            f"{self.documents} documents, seeds {', '.join(map(str, self.seeds))}; c_npmi over windows of 10 words; "
            "the same vectors for both.",
        )

    def header(self) -> list[str]:
        """Column names of `rows`."""
        return ["topics", "number", "ARI over seeds", "carry-over", "c_npmi", "diversity", "outliers"]

    def rows(self) -> list[list[str]]:
        """One row a method, as text."""
        return [
            [
                name,
                f"{q.topics:.1f}",
                *(f"{v:.3f}" for v in (q.ari, q.carry_over, q.coherence, q.diversity, q.outliers)),
            ]
            for name, q in (("debatewatch", self.ours), ("plain BERTopic", self.plain))
        ]

    def to_json(self) -> dict[str, Any]:
        """The same, for a program."""
        return {
            "documents": self.documents,
            "seeds": list(self.seeds),
            "debatewatch": {name: round(value, 4) for name, value in asdict(self.ours).items()},
            "plain_bertopic": {name: round(value, 4) for name, value in asdict(self.plain).items()},
        }


def measure(
    documents: Sequence[Text],
    vectors: Vectors,
    *,
    seeds: Sequence[int] = SEEDS,
    progress: Callable[[int, int, str], None] = lambda done, total, what: None,
) -> Stability:
    """Fits both methods twice for each seed: on ten elevenths of the documents, and on all. vectors: (n, d), normalised.

    At least two seeds and some 100 documents: UMAP and HDBSCAN fail on a handful (ValueError or TypeError, theirs).
    """
    ours, plain = [], []
    for number, seed in enumerate(seeds):
        order = np.random.default_rng(seed).permutation(len(documents))
        shuffled = [documents[row] for row in order]
        progress(2 * number, 2 * len(seeds), "plain BERTopic")
        plain.append(_plain(shuffled, vectors[order], order, seed))
        progress(2 * number + 1, 2 * len(seeds), "topics")
        ours.append(_ours(shuffled, vectors[order], order))
    texts = [f"{document.title}. {document.text}" for document in documents]
    progress(2 * len(seeds), 2 * len(seeds), "topics")
    return Stability(len(documents), tuple(seeds), _quality(ours, texts), _quality(plain, texts))


def evaluate_topics(
    database: Path, *, limit: int | None = None, progress: Callable[[int, int, str], None] | None = None
) -> Stability:
    """The same for the English documents of a database (comments left out, as in a fit), the first `limit` of them.

    Uses the vectors kept by the topics step and reads those that are missing; writes nothing. InputError below WANTED documents.
    """
    from nlp.embeddings import Embedder

    with Store.open(database, create=False) as store:
        documents = [d for d in store.documents() if d.kind != "comment" and (d.language or "en").startswith("en")][
            :limit
        ]
        if len(documents) < WANTED:
            raise InputError(f"{database}: {len(documents)} documents in English; stability needs {WANTED}")
        embedder = Embedder()
        kept, names = store.embeddings(embedder.key), store.names_by_document()
    missing = [d for d in documents if d.id not in kept]
    read = embedder.encode_documents([(d.title, d.text) for d in missing])
    known = {d.id: vector for d, vector in zip(missing, read, strict=True)}
    vectors = [known[d.id] if d.id in known else np.frombuffer(kept[d.id], np.float32) for d in documents]
    texts = [Text(d.title, d.text, tuple(names.get(d.id, ()))) for d in documents]
    return measure(texts, np.array(vectors, np.float32), progress=progress or (lambda done, total, what: None))


@dataclass(frozen=True, slots=True)
class _Outcome:
    """assigned: topics in the order of the caller's documents."""

    assigned: Assignments
    keywords: list[list[str]]
    carried: float


def _ours(documents: Sequence[Text], vectors: Vectors, order: Any) -> _Outcome:
    early = len(documents) - len(documents) // LATER
    first = fit_topics(documents[:early], vectors[:early])
    known = np.concatenate([first.assigned, np.full(len(documents) - early, -1, np.int64)])
    centroids = np.array([t.centroid for t in first.topics], np.float32).reshape(len(first.topics), vectors.shape[1])
    carried = _carried(first, fit_topics(documents, vectors, anchors=Anchors(centroids, known)))
    whole = fit_topics(documents, vectors)
    return _Outcome(_unshuffled(whole.assigned, order), [words_of(t.keywords) for t in whole.topics], carried)


def _plain(documents: Sequence[Text], vectors: Vectors, order: Any, seed: int) -> _Outcome:
    texts = [f"{document.title}. {document.text}" for document in documents]
    early = len(documents) - len(documents) // LATER
    first, _ = fit_plain(texts[:early], vectors[:early], seed=seed)
    whole, words = fit_plain(texts, vectors, seed=seed)
    carried = _carried(_as_fit(first, vectors[:early]), _as_fit(whole, vectors))
    return _Outcome(_unshuffled(whole, order), [words_of([w for w in topic if w]) for topic in words], carried)


def _as_fit(groups: Assignments, vectors: Vectors) -> Fit:
    topics = tuple(
        FittedTopic("", (), centroid, tuple(int(row) for row in np.flatnonzero(groups == number)))
        for number, centroid in enumerate(moved(vectors, groups))
    )
    return Fit(topics, groups, np.zeros(len(groups), np.float32))


def _carried(first: Fit, second: Fit) -> float:
    """Share of the documents with a topic in the first fit that have it in the second, topics matched as after every refit."""
    old = [Standing(number, topic.centroid, frozenset(topic.members)) for number, topic in enumerate(first.topics)]
    ids, _ = match_topics(old, second, range(len(second.assigned)), len(old))
    after = np.array([*ids, -1], np.int64)[second.assigned[: len(first.assigned)]]
    inside = first.assigned >= 0
    return float((after == first.assigned)[inside].mean()) if inside.any() else 1.0


def _unshuffled(groups: Assignments, order: Any) -> Assignments:
    result = np.empty_like(groups)
    result[order] = groups
    return result


def _quality(outcomes: Sequence[_Outcome], texts: Sequence[str]) -> Quality:
    from sklearn.metrics import adjusted_rand_score

    pairs = combinations([outcome.assigned for outcome in outcomes], 2)
    return Quality(
        topics=float(np.mean([len(o.keywords) for o in outcomes])),
        ari=float(np.mean([adjusted_rand_score(one, other) for one, other in pairs])),
        carry_over=float(np.mean([o.carried for o in outcomes])),
        coherence=float(np.mean([coherence(o.keywords, texts) for o in outcomes])),
        diversity=float(np.mean([diversity(o.keywords) for o in outcomes])),
        outliers=float(np.mean([(o.assigned < 0).mean() for o in outcomes])),
    )
