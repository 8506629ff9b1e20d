"""Documents and their vectors -> topics, and the topics of a refit -> those of before. Pure.

Reduction and clustering draw no numbers (principal components and Ward's method in place of UMAP and HDBSCAN), so that the same
documents give the same topics. A refit starts from the standing topics; `match_topics` tells which of them go on.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from db.models import TopicEvent
from nlp.embeddings import Vectors
from nlp.topic_engine import cluster, unreduced
from nlp.topic_groups import (
    SMALLEST,
    STAYS,
    Anchored,
    Assignments,
    Components,
    Ward,
    fewest,
    moved,
    separation,
    settled,
)
from nlp.topic_words import Text, keywords_of, labels_of

METHOD: Final = "bertopic-ward-3"
MINIMUM: Final = 5
"""Documents below which nothing is fitted: any grouping of four texts is an accident."""
FEW: Final = 30
"""Documents below which components mean nothing; average-linkage clusters of the vectors themselves are used then."""
FLOOR: Final = 0.45
"""Cosine similarity to the nearest centroid from which a document belongs to a topic. Measured on the development posts and news
pages (MiniLM): members of a topic lie at 0.55 to 0.85, unrelated texts below 0.35."""
LOWEST: Final = 0.15
LEFT_OUT: Final = 0.05
"""Where texts are short or of every kind, members lie lower (median 0.41 in 5,000 ledes of news in 25 topics): the floor of a
fit is then what LEFT_OUT of its documents do not reach, and never below LOWEST."""
SEPARATES_BETTER: Final = 0.05
"""Silhouette by which new groups must be better before they take the place of the standing ones."""
CONTINUES: Final = 0.5
DRIFTS: Final = 0.75
"""Similarity (see `match_topics`) from which a new topic is an old one, and below which it is said to have drifted."""
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
    """What a fit found. assigned: the number of its topic for each document (-1: none); scores: cosine to that centroid; floor: the
    similarity that a document needs to belong (see `assign`)."""

    topics: tuple[FittedTopic, ...]
    assigned: Assignments
    scores: Scores
    floor: float = FLOOR


@dataclass(frozen=True, slots=True)
class Standing:
    """A topic of before: its id, its centroid, and the ids of its documents."""

    id: int
    centroid: Vectors
    members: frozenset[int]


@dataclass(frozen=True, slots=True)
class Anchors:
    """The standing topics that a fit starts from. centroids: (k, d); known: (n,) the number of the topic that each document is in,
    -1 for none or new."""

    centroids: Vectors
    known: Assignments


Together = tuple[Vectors, Vectors]
"""Centroids of two topics that a user has merged."""


def fit_topics(
    documents: Sequence[Text],
    vectors: Vectors,
    *,
    anchors: Anchors | None = None,
    together: Sequence[Together] = (),
    floor: float = FLOOR,
) -> Fit:
    """Groups the documents, largest topic first. The same documents give the same topics, in whatever order they come.

    vectors: (n, d), normalised. Fewer than MINIMUM documents, or documents that share nothing, give one topic or none. With
    anchors the standing topics go on (see `Anchored`), unless groups found afresh separate better by SEPARATES_BETTER, or the
    collection has outgrown them. together: groups nearest to two centroids of such a pair become one topic.
    """
    if len(documents) < MINIMUM:
        return Fit((), np.full(len(documents), -1, np.int64), np.zeros(len(documents), np.float32))
    order = np.array(sorted(range(len(documents)), key=lambda row: vectors[row].tobytes()))
    texts = [f"{documents[row].title}. {documents[row].text}" for row in order]
    groups = np.empty(len(order), np.int64)
    started = anchors and Anchors(anchors.centroids, anchors.known[order])
    groups[order] = _groups(texts, vectors[order], started, together, floor)
    floor = _floor(vectors, groups, floor)
    centroids = moved(vectors, groups)
    # Who is in a topic leaves it less easily than others come in: near the floor a document would go in and out with each fit.
    needed = np.where(anchors.known >= 0, floor - STAYS, floor) if anchors else floor
    near = (groups >= 0) & ((vectors * centroids[groups]).sum(axis=1) >= needed)
    groups, scores = assign(vectors, centroids, floor=floor, known=np.where(near, groups, -1))
    # What joined moves the centre; once is enough, twice changes almost nothing.
    numbers = {group: number for number, group in enumerate(_by_size(groups))}
    groups = np.array([numbers.get(g, -1) for g in groups.tolist()], np.int64)
    if not numbers:
        return Fit((), groups, scores, floor)
    centroids = moved(vectors, groups)
    scores = np.where(groups >= 0, (vectors * centroids[groups]).sum(axis=1), scores).astype(np.float32)
    return Fit(_described(documents, groups, scores, centroids), groups, scores, floor)


def _described(
    documents: Sequence[Text], groups: Assignments, scores: Scores, centroids: Vectors
) -> tuple[FittedTopic, ...]:
    keywords = keywords_of(documents, groups, len(centroids))
    members = []
    for number in range(len(centroids)):
        rows = np.flatnonzero(groups == number)
        members.append(tuple(int(r) for r in rows[np.lexsort((rows, -np.round(scores[rows], 6)))]))
    labels = labels_of(documents, groups, keywords, members)
    return tuple(
        FittedTopic(label, tuple(words), centroid, nearest)
        for label, words, centroid, nearest in zip(labels, keywords, centroids, members, strict=True)
    )


def _groups(
    texts: list[str], vectors: Vectors, anchors: Anchors | None, together: Sequence[Together], floor: float
) -> Assignments:
    """A group for each text, none left as an outlier where the fit is a fresh one of many texts."""
    fresh = _clusters(texts, vectors)
    if fresh.max() < 0:
        fresh = np.zeros(len(texts), np.int64)
    if len(texts) >= FEW:
        fresh = settled(vectors, fresh)
    fresh = _joined(vectors, fresh, together)
    if anchors is None or not len(anchors.centroids):
        return fresh
    standing = anchors.known >= 0
    reached = (vectors[standing] * anchors.centroids[anchors.known[standing]]).sum(axis=1)
    lowest = min(floor, max(LOWEST, float(np.quantile(reached, LEFT_OUT)))) if len(reached) else floor
    kept = cluster(texts, vectors, unreduced(), Anchored(anchors.centroids, anchors.known, lowest))
    outgrown = len(set(kept.tolist()) - {-1}) * 2 < fewest(len(texts))
    if kept.max() < 0 or outgrown:
        return fresh
    points = Components().fit(vectors).transform(vectors) if len(texts) >= FEW else vectors
    return fresh if separation(points, fresh) > separation(points, kept) + SEPARATES_BETTER else kept


def _joined(vectors: Vectors, groups: Assignments, together: Sequence[Together]) -> Assignments:
    """Makes one of the groups that a user has merged, wherever a fresh fit parts them again."""
    for one, other in together:
        centroids = moved(vectors, groups)
        if one.shape != centroids.shape[1:]:
            continue
        nearest = [int((centroids @ centroid).argmax()) for centroid in (one, other)]
        if all(float(centroids[n] @ c) >= DRIFTS for n, c in zip(nearest, (one, other), strict=True)):
            groups = np.where(groups == nearest[0], nearest[1], groups)
    return groups


def _floor(vectors: Vectors, groups: Assignments, floor: float) -> float:
    inside = np.flatnonzero(groups >= 0)
    if len(groups) < FEW or not len(inside):
        return floor
    reached = (vectors[inside] * moved(vectors, groups)[groups[inside]]).sum(axis=1)
    return round(min(floor, max(LOWEST, float(np.quantile(reached, LEFT_OUT)))), 4)


def _by_size(groups: Assignments) -> list[int]:
    sizes = Counter(g for g in groups.tolist() if g >= 0)
    return [group for group, _ in sorted(sizes.items(), key=lambda pair: (-pair[1], pair[0]))]


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


def _clusters(texts: list[str], vectors: Vectors) -> Assignments:
    """BERTopic's topic numbers, -1 for outliers."""
    from sklearn.cluster import AgglomerativeClustering

    few = len(texts) < FEW
    found = cluster(
        texts,
        vectors,
        unreduced() if few else Components(),
        AgglomerativeClustering(n_clusters=None, metric="cosine", linkage="average", distance_threshold=1 - FLOOR)
        if few
        else Ward(),
    )
    sizes = Counter(found.tolist())
    smallest = 2 if few else SMALLEST
    return np.array([g if g >= 0 and sizes[g] >= smallest else -1 for g in found.tolist()], np.int64)
