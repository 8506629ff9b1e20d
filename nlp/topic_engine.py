"""The only file that imports BERTopic: texts and vectors -> groups. Pure.

BERTopic is handed everything it would otherwise fetch or guess: vectors, the reduction, the clustering and the words of its
c-TF-IDF.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from nlp.embeddings import Vectors
from nlp.topic_groups import Assignments
from nlp.topic_quality import WORD


def cluster(texts: list[str], vectors: Vectors, reduction: Any, clustering: Any) -> Assignments:
    """A group for each text, as `clustering` numbers them (-1: none). vectors: (n, d); the two have scikit-learn's interface."""
    from bertopic import BERTopic
    from sklearn.feature_extraction.text import CountVectorizer

    model = BERTopic(
        embedding_model=None,
        umap_model=reduction,
        hdbscan_model=clustering,
        # The words are found in topic_words, with names and without boilerplate; BERTopic only needs some to go on.
        vectorizer_model=CountVectorizer(stop_words="english", token_pattern=WORD),
        calculate_probabilities=False,
        verbose=False,
    )
    try:
        model.fit_transform(texts, embeddings=np.asarray(vectors, np.float32))
    except (ValueError, TypeError):
        # Texts with no word to count, or with one (scipy then takes its weights for a number): one topic.
        return np.zeros(len(texts), np.int64)
    # BERTopic numbers topics by size; the clustering's own numbers say the same, and an anchored one's are those of its anchors.
    return np.asarray(clustering.labels_, np.int64)


def unreduced() -> Any:
    """A reduction that leaves vectors as they are."""
    from bertopic.dimensionality import BaseDimensionalityReduction

    return BaseDimensionalityReduction()


def fit_plain(texts: Sequence[str], vectors: Vectors, *, seed: int) -> tuple[Assignments, list[list[str]]]:
    """BERTopic as it comes, with the same vectors, to compare with: topic numbers (-1: outlier), and the words of each topic.

    UMAP and HDBSCAN have BERTopic's own parameters; UMAP draws from the seed.
    """
    from bertopic import BERTopic
    from sklearn.feature_extraction.text import CountVectorizer
    from umap import UMAP

    model = BERTopic(
        embedding_model=None,
        umap_model=UMAP(
            n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", low_memory=False, random_state=seed
        ),
        vectorizer_model=CountVectorizer(stop_words="english"),
        verbose=False,
    )
    found, _ = model.fit_transform(list(texts), embeddings=np.asarray(vectors, np.float32))
    groups = np.asarray(found, np.int64)
    return groups, [[str(word) for word, _ in model.get_topic(t)] for t in range(int(groups.max()) + 1)]
