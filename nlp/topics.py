"""Documents and their vectors -> topics, and the topics of a refit -> those of before. Pure; the only file that imports BERTopic.

BERTopic is handed everything it would otherwise fetch or guess: vectors, the reduction, the clustering and the words of its
c-TF-IDF. Reduction and clustering draw no numbers (principal components and Ward's method in place of UMAP and HDBSCAN), so that
the same documents give the same topics; what changes with new documents, `match_topics` gives its identity back.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from db.models import TopicEvent
from nlp.embeddings import Vectors, normalise
from nlp.topic_words import WORD, Text, keywords_of, labels_of

METHOD: Final = "bertopic-ward-1"
MINIMUM: Final = 5
"""Documents below which nothing is fitted: any grouping of four texts is an accident."""
FEW: Final = 30
"""Documents below which components mean nothing; average-linkage clusters of the vectors themselves are used then."""
SMALLEST: Final = 3
"""Documents that make a topic; smaller groups join the nearest topic, or none."""
COMPONENTS: Final = 8
"""On 87 development articles 8 components gave 7 topics that a reader recognises, 16 gave 17 that overlap."""
ALL_DISTANCES: Final = 3_000
"""Texts up to which Ward's method sees all distances (8 n^2 bytes); beyond, those to the 30 nearest are enough."""
FLOOR: Final = 0.45
"""Cosine similarity to the nearest centroid from which a document belongs to a topic. Measured on the development posts and news
pages (MiniLM): members of a topic lie at 0.55 to 0.85, unrelated texts below 0.35."""
CONTINUES: Final = 0.5
DRIFTS: Final = 0.75
"""Similarity (see `match_topics`) from which a new topic is an old one, and below which it is said to have drifted."""
Assignments = npt.NDArray[np.int64]
Scores = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class FittedTopic:
    """A topic of one fit: rows of its documents, nearest to the centroid first."""

    label: str
    keywords: tuple[str, ...]
    centroid: Vectors
    members: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Fit:
    """What a fit found. assigned: the number of its topic for each document (-1: none); scores: cosine to that centroid."""

    topics: tuple[FittedTopic, ...]
    assigned: Assignments
    scores: Scores


@dataclass(frozen=True, slots=True)
class Standing:
    """A topic of before: its id, its centroid, and the ids of its documents."""

    id: int
    centroid: Vectors
    members: frozenset[int]


def fit_topics(documents: Sequence[Text], vectors: Vectors, *, floor: float = FLOOR) -> Fit:
    """Groups the documents, largest topic first. The same documents in the same order give the same topics.

    vectors: (n, d), normalised. Fewer than MINIMUM documents, or documents that share nothing, give one topic or none.
    """
    if len(documents) < MINIMUM:
        return Fit((), np.full(len(documents), -1, np.int64), np.zeros(len(documents), np.float32))
    groups = _clusters([f"{d.title}. {d.text}" for d in documents], vectors)
    if groups.max() < 0:
        groups = np.zeros(len(documents), np.int64)
    centroids = _centroids(vectors, groups)
    near = (vectors * centroids[groups]).sum(axis=1) >= floor
    groups, scores = assign(vectors, centroids, floor=floor, known=np.where(near, groups, -1))
    # What joined moves the centre; once is enough, twice changes almost nothing.
    order = [
        int(g) for g, _ in sorted(Counter(g for g in groups.tolist() if g >= 0).items(), key=lambda p: (-p[1], p[0]))
    ]
    numbers = {old: new for new, old in enumerate(order)}
    groups = np.array([numbers.get(g, -1) for g in groups.tolist()], np.int64)
    if not order:
        return Fit((), groups, scores)
    centroids = _centroids(vectors, groups)
    scores = np.array(
        [float(v @ centroids[g]) if g >= 0 else float(s) for v, g, s in zip(vectors, groups, scores, strict=True)],
        np.float32,
    )
    keywords = keywords_of(documents, groups, len(order))
    labels = labels_of(documents, groups, keywords)
    topics = []
    for number in range(len(order)):
        rows = np.flatnonzero(groups == number)
        nearest = rows[np.lexsort((rows, -np.round(scores[rows], 6)))]
        topics.append(
            FittedTopic(labels[number], tuple(keywords[number]), centroids[number], tuple(int(r) for r in nearest))
        )
    return Fit(tuple(topics), groups, scores)


def assign(
    vectors: Vectors, centroids: Vectors, *, floor: float = FLOOR, known: Assignments | None = None
) -> tuple[Assignments, Scores]:
    """The nearest centroid of each vector, -1 where it is less similar than the floor; and that similarity.

    known: groups already found; only those without one (-1) are assigned.
    """
    if not len(centroids):
        return np.full(len(vectors), -1, np.int64), np.zeros(len(vectors), np.float32)
    similarity = vectors @ centroids.T
    nearest = similarity.argmax(axis=1)
    best = similarity[np.arange(len(vectors)), nearest]
    groups = np.where(best >= floor, nearest, -1)
    if known is not None:
        groups = np.where(known >= 0, known, groups)
    return groups.astype(np.int64), best.astype(np.float32)


def match_topics(
    old: Sequence[Standing], new: Fit, document_ids: Sequence[int], next_id: int
) -> tuple[list[int], list[TopicEvent]]:
    """Which old topic each new one continues: (an id for each new topic, the events that tell what happened).

    Pairs are those with the greatest total similarity (the Hungarian method, Kuhn 1955): the mean of the centroids' cosine and of
    Dice's coefficient over the documents that both fits saw. A pair below CONTINUES is none. A new topic of which most known
    documents come from one old topic that goes on is a split of it; an old one most of whose documents went on in one topic merged.
    """
    known = frozenset().union(*(o.members for o in old)) if old else frozenset()
    members = [frozenset(document_ids[row] for row in topic.members) & known for topic in new.topics]
    similarity = np.array([[_similarity(o, t, m) for t, m in zip(new.topics, members, strict=True)] for o in old])
    pairs: dict[int, int] = {}
    if old and new.topics:
        from scipy.optimize import linear_sum_assignment

        rows, columns = linear_sum_assignment(-similarity)
        pairs = {int(n): int(o) for o, n in zip(rows, columns, strict=True) if similarity[o, n] >= CONTINUES}
    ids: list[int] = []
    for number in range(len(new.topics)):
        if number in pairs:
            ids.append(old[pairs[number]].id)
        else:
            ids.append(next_id)
            next_id += 1
    events: list[TopicEvent] = []
    continued = set(pairs.values())
    for number, topic_id in enumerate(ids):
        if number in pairs:
            value = round(float(similarity[pairs[number], number]), 4)
            events.append(TopicEvent("continue" if value >= DRIFTS else "drift", topic_id, None, value))
            continue
        parent = _most_shared(members[number], [o.members for o in old])
        if parent is not None and parent in continued:
            events.append(TopicEvent("split", topic_id, old[parent].id, round(float(similarity[parent, number]), 4)))
        else:
            nearest = round(float(similarity[:, number].max()), 4) if old else None
            events.append(TopicEvent("birth", topic_id, None, nearest))
    for index, topic in enumerate(old):
        if index in continued:
            continue
        heir = _most_shared(topic.members, members)
        if heir is not None:
            events.append(TopicEvent("merge", topic.id, ids[heir], round(float(similarity[index, heir]), 4)))
        else:
            nearest = round(float(similarity[index].max()), 4) if new.topics else None
            events.append(TopicEvent("death", topic.id, None, nearest))
    return ids, events


def _similarity(old: Standing, new: FittedTopic, members: frozenset[int]) -> float:
    cosine = float(old.centroid @ new.centroid) if old.centroid.shape == new.centroid.shape else 0.0
    total = len(old.members) + len(members)
    return (cosine + 2 * len(old.members & members) / total) / 2 if total else cosine


def _most_shared(members: frozenset[int], others: Sequence[frozenset[int]]) -> int | None:
    """The group that holds more than half of the members, None when none does."""
    for index, other in enumerate(others):
        if len(members & other) * 2 > len(members):
            return index
    return None


# --- grouping -------------------------------------------------------------------------------------------------------------


def _clusters(texts: list[str], vectors: Vectors) -> Assignments:
    """BERTopic's topic numbers, -1 for outliers."""
    from bertopic import BERTopic
    from bertopic.dimensionality import BaseDimensionalityReduction
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.feature_extraction.text import CountVectorizer

    count = len(texts)
    few = count < FEW
    model = BERTopic(
        embedding_model=None,
        umap_model=BaseDimensionalityReduction() if few else _Components(),
        hdbscan_model=AgglomerativeClustering(
            n_clusters=None, metric="cosine", linkage="average", distance_threshold=1 - FLOOR
        )
        if few
        else _Ward(),
        # The words are found below, with names and without boilerplate; BERTopic only needs some to go on.
        vectorizer_model=CountVectorizer(stop_words="english", token_pattern=WORD),
        calculate_probabilities=False,
        verbose=False,
    )
    try:
        groups, _ = model.fit_transform(texts, embeddings=np.asarray(vectors, np.float32))
    except (ValueError, TypeError):
        # Texts with no word to count, or with one (scipy then takes its weights for a number): one topic.
        return np.zeros(count, np.int64)
    found = np.asarray(groups, np.int64)
    sizes = Counter(found.tolist())
    smallest = 2 if few else SMALLEST
    return np.array([g if g >= 0 and sizes[g] >= smallest else -1 for g in found.tolist()], np.int64)


class _Components:
    """Principal components, each text as a direction among them: BERTopic's reduction. No numbers are drawn."""

    def fit(self, vectors: Vectors, y: object = None) -> _Components:
        from sklearn.decomposition import PCA

        self._pca = PCA(n_components=min(COMPONENTS, *vectors.shape), svd_solver="full").fit(vectors.astype(np.float64))
        return self

    def transform(self, vectors: Vectors) -> Vectors:
        # Rounded, so that the last bits of another machine's arithmetic decide nothing.
        return np.round(normalise(self._pca.transform(vectors.astype(np.float64)).astype(np.float32)), 5)


class _Ward:
    """Ward's clustering with the number of groups that separates best (silhouette, Rousseeuw 1987): BERTopic's clustering."""

    labels_: Assignments

    def fit(self, points: Vectors, y: object = None) -> _Ward:
        from sklearn.cluster import AgglomerativeClustering
        from sklearn.metrics import silhouette_score
        from sklearn.neighbors import kneighbors_graph

        count = len(points)
        graph = None
        if count > ALL_DISTANCES:
            nearest = kneighbors_graph(points, n_neighbors=30, include_self=False)
            graph = nearest.maximum(nearest.T)
        looked_at = np.linspace(0, count - 1, min(count, 2_000)).astype(int)
        self.labels_, best = np.zeros(count, np.int64), -1.0
        for number in _numbers_to_try(count):
            labels = AgglomerativeClustering(n_clusters=number, linkage="ward", connectivity=graph).fit_predict(points)
            if len(set(labels[looked_at].tolist())) > 1:
                separated = float(silhouette_score(points[looked_at], labels[looked_at], metric="cosine"))
                if separated > best + 1e-6:
                    self.labels_, best = labels.astype(np.int64), separated
        return self


def _numbers_to_try(count: int) -> list[int]:
    """Numbers of topics: from two to one for six texts, 60 at most, in steps that grow."""
    number, largest = 2, min(60, count // 6)
    found = []
    while number <= largest:
        found.append(number)
        number += max(1, number // 8)
    return found


def _centroids(vectors: Vectors, groups: Assignments) -> Vectors:
    """The normalised mean of each group, in the order of their numbers."""
    return normalise(np.stack([vectors[groups == g].mean(axis=0) for g in range(int(groups.max()) + 1)]))
