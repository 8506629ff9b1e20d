"""Scores from counts, with their intervals: percentiles of a bootstrap over passages or pages (Efron and Tibshirani 1993). Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from db.models import Counts

RESAMPLES: Final = 1000
SEED: Final = 0
OURS: Final = "Debatewatch"

Measure = Literal["F1", "recall", "share", "difference"]
"""F1: 2 right / (found + labelled). recall: right / labelled. share: right / found. difference: of two recalls."""
Rule = Literal["", "IoU", "half"]
"""When a found statement is a labelled one (nlp/measures.py); "" where a layer needs none."""

Values = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Layer:
    """One thing that is scored."""

    name: str
    measure: Measure
    rule: Rule = ""


@dataclass(frozen=True, slots=True)
class Score:
    """One line of the accuracy card: what a method makes of a layer. low, high: the 95 % interval of value."""

    layer: Layer
    method: str
    """OURS, or the baseline that was scored."""
    value: float
    low: float
    high: float
    counts: Counts


class Bootstrap:
    """The resamples of one set of passages or pages: every score of a card is drawn from the same ones."""

    def __init__(self, size: int, *, seed: int = SEED, resamples: int = RESAMPLES) -> None:
        draws = np.random.default_rng(seed).multinomial(size, [1 / size] * size, size=resamples)
        # The first row is the set itself.
        self._weights = np.vstack([np.ones((1, size)), draws])

    def score(self, layer: Layer, rows: Sequence[Counts], method: str = OURS) -> Score:
        """The score of a layer; rows: the counts of each passage, in the order of the set."""
        return _score(layer, method, self._values(layer.measure, rows), sum(rows, Counts()))

    def difference(self, layer: Layer, first: Sequence[Counts], second: Sequence[Counts]) -> Score:
        """The recall of the first minus that of the second, on the same passages; its counts are those of both together."""
        values = self._values("recall", first) - self._values("recall", second)
        return _score(layer, OURS, values, sum([*first, *second], Counts()))

    def _values(self, measure: Measure, rows: Sequence[Counts]) -> Values:
        """The measure on the set and on each resample; 0 where there is nothing to divide by."""
        table = np.array([(row.right, row.found, row.labelled) for row in rows], np.float64)
        right, found, labelled = (self._weights @ table).T
        above, below = {"F1": (2 * right, found + labelled), "share": (right, found)}.get(measure, (right, labelled))
        return np.asarray(np.divide(above, below, out=np.zeros_like(above), where=below > 0), np.float64)


def _score(layer: Layer, method: str, values: Values, counts: Counts) -> Score:
    low, high = np.percentile(values[1:], [2.5, 97.5])
    return Score(layer, method, round(float(values[0]), 4), round(float(low), 4), round(float(high), 4), counts)
