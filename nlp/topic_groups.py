"""Groups of vectors, drawn without a random number: Ward's method for a first fit, anchored groups for a later one. Pure.

Classes here have the interface of scikit-learn's reductions and clusterings, so that BERTopic can be handed them.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np
import numpy.typing as npt

from nlp.embeddings import Vectors, normalise

Assignments = npt.NDArray[np.int64]

SMALLEST: Final = 3
"""Documents that make a topic; smaller groups join the nearest topic, or none."""
COMPONENTS: Final = 8
"""On 87 development articles 8 components gave 7 topics that a reader recognises, 16 gave 17 that overlap."""
MANY: Final = 1_000
"""Texts from which twice the components are kept: on 5,000 ledes of news the keywords of the topics then cohere better."""
ALL_DISTANCES: Final = 3_000
"""Texts up to which Ward's method sees all distances (8 n^2 bytes); beyond, those to the 30 nearest are enough."""
STAYS: Final = 0.05
"""Cosine by which another topic must be nearer before a document leaves the one that it is in."""
SAME: Final = 0.92
"""Cosine of two centroids from which their topics are one."""
TIGHT: Final = 0.45
"""Mean cosine within a group of documents outside the standing topics that makes it a new one."""


class Components:
    """Principal components, each text as a direction among them: BERTopic's reduction. No numbers are drawn."""

    def fit(self, vectors: Vectors, y: object = None) -> Components:
        """Finds the components. y is of the interface, and not used."""
        from sklearn.decomposition import PCA

        self._pca = PCA(
            n_components=min(COMPONENTS * (1 + (len(vectors) >= MANY)), *vectors.shape), svd_solver="full"
        ).fit(vectors.astype(np.float64))
        return self

    def transform(self, vectors: Vectors) -> Vectors:
        """Each row of vectors (n, d) as a direction among the components."""
        # Rounded, so that the last bits of another machine's arithmetic decide nothing.
        return np.round(normalise(self._pca.transform(vectors.astype(np.float64)).astype(np.float32)), 5)


class Ward:
    """Ward's clustering with the number of groups that separates best (silhouette, Rousseeuw 1987): BERTopic's clustering."""

    labels_: Assignments

    def fit(self, points: Vectors, y: object = None) -> Ward:
        """Finds the groups; `labels_` holds them. y is of the interface, and not used."""
        from sklearn.cluster import ward_tree
        from sklearn.neighbors import kneighbors_graph

        count = len(points)
        graph = None
        if count > ALL_DISTANCES:
            nearest = kneighbors_graph(points, n_neighbors=30, include_self=False)
            graph = nearest.maximum(nearest.T)
        children = np.asarray(ward_tree(points, connectivity=graph)[0], np.int64)
        self.labels_, best = np.zeros(count, np.int64), -1.0
        for number in numbers_to_try(count):
            labels = _cut(children, count, number)
            separated = separation(points, labels)
            if separated > best + 1e-6:
                self.labels_, best = labels, separated
        return self


def numbers_to_try(count: int) -> list[int]:
    """Numbers of topics: from `fewest` to four times that, to one for six texts and 60 at most, in steps that grow."""
    number, largest = fewest(count), min(60, count // 6, 4 * fewest(count))
    found = []
    while number <= largest:
        found.append(number)
        number += max(1, number // 8)
    return found


class Anchored:
    """The standing topics with new documents in them: centroids move, documents stay unless another topic is clearly nearer.

    centroids: (k, d) of the standing topics; known: (n,) the number of the topic that each text is in, -1 for a text that is in
    none or new; floor: see `assign`. New texts that lie at the edge of every topic and near each other become new topics, topics
    that came to be the same become one (the larger), and those with fewer than SMALLEST texts end.
    """

    labels_: Assignments

    def __init__(self, centroids: Vectors, known: Assignments, floor: float) -> None:
        self._centroids, self._known, self._floor = centroids, known, floor

    def fit(self, points: Vectors, y: object = None) -> Anchored:
        """Finds the groups; `labels_` holds them. y is of the interface, and not used."""
        vectors, centroids = np.asarray(points, np.float32), self._centroids
        for _ in range(2):
            groups = self._nearest(vectors, centroids)
            centroids = moved(vectors, groups, centroids)
        groups = self._with_new(vectors, groups, centroids)
        centroids = moved(vectors, groups, centroids)
        self.labels_ = _without_small(_merged(groups, centroids))
        return self

    def _nearest(self, vectors: Vectors, centroids: Vectors) -> Assignments:
        similarity = vectors @ centroids.T
        rows = np.arange(len(vectors))
        nearest = similarity.argmax(axis=1)
        own = np.where(self._known >= 0, similarity[rows, self._known], -1.0)
        groups = np.where(own >= similarity[rows, nearest] - STAYS, self._known, nearest)
        return np.where(similarity[rows, groups] >= self._floor - STAYS * (self._known >= 0), groups, -1).astype(
            np.int64
        )

    def _with_new(self, vectors: Vectors, groups: Assignments, centroids: Vectors) -> Assignments:
        from sklearn.cluster import AgglomerativeClustering

        best = (vectors @ centroids.T).max(axis=1)
        inside = best[(self._known >= 0) & (groups >= 0)]
        edge = max(self._floor, float(np.quantile(inside, 0.25))) if len(inside) else self._floor
        outside = np.flatnonzero((self._known < 0) & (best < edge))[:ALL_DISTANCES]
        smallest = max(SMALLEST, len(vectors) // 200)
        if len(outside) < smallest:
            return groups
        found = AgglomerativeClustering(
            n_clusters=None, metric="cosine", linkage="average", distance_threshold=1 - TIGHT
        ).fit_predict(vectors[outside])
        number, result = len(centroids), groups.copy()
        for group in range(int(found.max()) + 1):
            if int((found == group).sum()) >= smallest:
                result[outside[found == group]] = number
                number += 1
        return result


def moved(vectors: Vectors, groups: Assignments, before: Vectors | None = None) -> Vectors:
    """The normalised mean of each group, in the order of their numbers; a group without a text keeps its centroid of before."""
    count = max(int(groups.max(initial=-1)) + 1, 0 if before is None else len(before))
    rows = []
    for group in range(count):
        inside = vectors[groups == group]
        if len(inside):
            rows.append(inside.mean(axis=0))
        else:
            rows.append(before[group] if before is not None and group < len(before) else np.zeros(vectors.shape[1]))
    return normalise(np.array(rows, np.float32).reshape(count, vectors.shape[1]))


def settled(vectors: Vectors, groups: Assignments) -> Assignments:
    """Each text with the nearest centroid, three times over (Lloyd's method, on the sphere): where `assign` would put it."""
    for _ in range(3):
        centroids = moved(vectors, groups)
        groups = np.where(groups >= 0, (vectors @ centroids.T).argmax(axis=1), -1).astype(np.int64)
    return groups


def separation(points: Vectors, groups: Assignments) -> float:
    """Silhouette (Rousseeuw 1987) of 2,000 texts at even steps, texts in no group left out; -1 for fewer than two groups."""
    from sklearn.metrics import silhouette_score

    grouped = np.flatnonzero(groups >= 0)
    looked_at = (
        grouped[np.linspace(0, len(grouped) - 1, min(len(grouped), 2_000)).astype(int)] if len(grouped) else grouped
    )
    different = len(set(groups[looked_at].tolist()))
    if not 1 < different < len(looked_at):
        return -1.0
    return float(silhouette_score(points[looked_at], groups[looked_at], metric="cosine"))


def fewest(count: int) -> int:
    """Topics that so many texts are at least worth: 8 for 1,000, 25 for 10,000. Silhouette alone would leave a few vast ones."""
    return max(2, round(math.sqrt(count) / 4))


def _merged(groups: Assignments, centroids: Vectors) -> Assignments:
    sizes = np.bincount(groups[groups >= 0], minlength=len(centroids))
    order = np.lexsort((np.arange(len(sizes)), -sizes))
    result = groups.copy()
    kept: list[int] = []
    for number in order.tolist():
        near = [other for other in kept if float(centroids[number] @ centroids[other]) >= SAME]
        if near and sizes[number]:
            result[groups == number] = near[0]
        else:
            kept.append(number)
    return result


def _without_small(groups: Assignments) -> Assignments:
    sizes = np.bincount(groups[groups >= 0], minlength=1)
    return np.where((groups >= 0) & (sizes[np.maximum(groups, 0)] >= SMALLEST), groups, -1).astype(np.int64)


def _cut(children: npt.NDArray[np.int64], count: int, groups: int) -> Assignments:
    """The partition of a tree of merges (scikit-learn's `children_`, in the order of the merges) into that many groups."""
    owner = list(range(count + len(children)))
    for step, (one, other) in enumerate(children[: count - groups].tolist()):
        owner[one] = owner[other] = count + step
    # A parent comes after its children, so that one pass from the top finds every root.
    for node in range(count + len(children) - 1, -1, -1):
        owner[node] = owner[owner[node]]
    _, labels = np.unique(owner[:count], return_inverse=True)
    return np.asarray(labels, np.int64)
