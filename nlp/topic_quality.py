"""How good a grouping of documents is, in the measures of the field: coherence and diversity of its keywords, outliers. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations
from typing import Final

import numpy as np
import numpy.typing as npt

WORD: Final = r"(?u)\b[^\W\d_][\w-]*[^\W_]\b"
"""A word, for every count of words in topics: letters first, at least two characters."""
WINDOW: Final = 10
"""Words that count as said together: the window of c_npmi in Röder, Both and Hinneburg (WSDM 2015) and in gensim."""
EPSILON: Final = 1e-12
"""Added to the probability of a pair, as gensim does: words that never meet then score about -0.3, by how rare they are."""
COMPARED: Final = 10
"""Words of each topic that are scored, as BERTopic's `top_n_words`."""


def words_of(keywords: Sequence[str]) -> list[str]:
    """The single words of keywords, lower case, each once, COMPARED at most: "open weights" counts as its two words."""
    words = (word for keyword in keywords for word in re.findall(WORD, keyword.lower()))
    return list(dict.fromkeys(words))[:COMPARED]


def diversity(topics: Sequence[Sequence[str]]) -> float:
    """Share of different words among the words of all topics (Dieng, Ruiz and Blei 2020); 1.0 when there are none."""
    words = [word for topic in topics for word in topic]
    return len(set(words)) / len(words) if words else 1.0


def coherence(topics: Sequence[Sequence[str]], texts: Sequence[str]) -> float:
    """c_npmi, -1 to 1: mean normalised pointwise mutual information of the word pairs of each topic, then over topics.

    Windows of WINDOW words slide over the texts, one word at a time; a shorter text is one window. A topic with fewer than two
    words is left out; 0.0 when none is left.
    """
    vocabulary = {word: number for number, word in enumerate(dict.fromkeys(w for topic in topics for w in topic))}
    if not vocabulary or not texts:
        return 0.0
    values = npmi(*windows_together(vocabulary, texts))
    means = [
        float(np.mean([values[vocabulary[one], vocabulary[other]] for one, other in combinations(topic, 2)]))
        for topic in topics
        if len(topic) > 1
    ]
    return float(np.mean(means)) if means else 0.0


def npmi(together: npt.NDArray[np.float64], windows: int) -> npt.NDArray[np.float64]:
    """Normalised pointwise mutual information of each two words, (n, n); together: see `windows_together`."""
    alone = together.diagonal() / windows
    both = together / windows + EPSILON
    value = np.log(both / (alone[:, None] * alone[None, :] + EPSILON**2)) / np.maximum(-np.log(both), EPSILON)
    return np.clip(value, -1.0, 1.0)


def windows_together(vocabulary: dict[str, int], texts: Sequence[str]) -> tuple[npt.NDArray[np.float64], int]:
    """In how many windows each two words stand (the diagonal: each one), and how many windows there are."""
    from scipy.sparse import csr_array

    rows: list[npt.NDArray[np.int64]] = []
    columns: list[npt.NDArray[np.int64]] = []
    windows = 0
    for text in texts:
        numbers = np.array([vocabulary.get(word, -1) for word in re.findall(WORD, text.lower())], np.int64)
        last = max(len(numbers) - WINDOW, 0)
        places = np.flatnonzero(numbers >= 0)
        starts = places[:, None] - np.arange(WINDOW)
        inside = (starts >= 0) & (starts <= last)
        rows.append(starts[inside] + windows)
        columns.append(np.broadcast_to(numbers[places][:, None], starts.shape)[inside])
        windows += last + 1
    row, column = np.concatenate(rows), np.concatenate(columns)
    seen = csr_array((np.ones(len(row)), (row, column)), shape=(windows, len(vocabulary)))
    seen.sum_duplicates()
    seen.data[:] = 1.0
    return np.asarray((seen.T @ seen).todense()), windows
