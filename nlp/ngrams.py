"""Text -> hashed counts of word and character n-grams, in plain Python and numpy. Pure.

The hash is CRC-32, so that the same text gives the same columns in every process and on every machine (Python's own is salted).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from math import log
from typing import Final
from zlib import crc32

import numpy as np
import numpy.typing as npt

WORD_COLUMNS: Final = 2**15
CHARACTER_COLUMNS: Final = 2**15
COLUMNS: Final = WORD_COLUMNS + CHARACTER_COLUMNS

_WORD = re.compile(r"\w+(?:['’]\w+)?|[?!]")


def ngram_counts(text: str) -> dict[int, float]:
    """Column -> 1 + log(count): words in runs of 1 to 3 (first half), and within each word 2 to 5 characters (second half)."""
    words = [word.replace("’", "'") for word in _WORD.findall(text.lower())]
    counts: Counter[int] = Counter()
    for size in (1, 2, 3):
        for start in range(len(words) - size + 1):
            counts[crc32(" ".join(words[start : start + size]).encode()) % WORD_COLUMNS] += 1
    for word, times in Counter(words).items():
        padded = f" {word} "
        for size in (2, 3, 4, 5):
            for start in range(len(padded) - size + 1):
                counts[WORD_COLUMNS + crc32(padded[start : start + size].encode()) % CHARACTER_COLUMNS] += times
    return {column: 1 + log(count) for column, count in sorted(counts.items())}


def weigh(
    counts: Mapping[int, float], rarity: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Columns and their TF-IDF values; words and characters are normalised to length 1 each, so that neither drowns the other."""
    columns = np.fromiter(counts.keys(), np.int64, len(counts))
    values = np.fromiter(counts.values(), np.float32, len(counts)) * rarity[columns]
    words = columns < WORD_COLUMNS
    for half in (words, ~words):
        length = float(np.linalg.norm(values[half]))
        if length > 0:
            values[half] /= length
    return columns, values
