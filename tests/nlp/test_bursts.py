"""Bursts: a topic's unusual weeks are found where they are, and chance is not taken for one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date, timedelta
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from db.models import TopicBurst, WeekCount
from nlp.bursts import GAMMA, _states, find_bursts

MONDAY = date(2024, 1, 1)


def _found(counts: list[int], base: list[int]) -> list[TopicBurst]:
    weeks = [MONDAY + timedelta(days=7 * number) for number in range(len(counts))]
    return find_bursts(
        [WeekCount(1, week, count) for week, count in zip(weeks, counts, strict=True) if count],
        dict(zip(weeks, base, strict=True)),
    )


def test_weeks_with_an_unusual_share_are_a_burst_with_its_days_and_what_would_be_usual() -> None:
    counts = [1] * 20 + [9, 8, 9] + [1] * 20
    [burst] = _found(counts, [20] * 43)
    assert (burst.started_on, burst.ended_on) == (MONDAY + timedelta(weeks=20), MONDAY + timedelta(weeks=23, days=-1))
    assert (burst.topic_id, burst.documents) == (1, 26)
    assert burst.expected == round(60 * sum(counts) / (43 * 20), 2)
    assert burst.strength > GAMMA * math.log(43)


def test_a_topic_that_grows_with_all_of_the_coverage_does_not_burst() -> None:
    assert _found([1] * 10 + [10] * 3 + [1] * 10, [10] * 10 + [100] * 3 + [10] * 10) == []


def test_even_coverage_two_texts_and_no_coverage_are_no_bursts() -> None:
    assert _found([2] * 30, [20] * 30) == []
    assert _found([0] * 30 + [2] + [0] * 30, [3] * 61) == []
    assert find_bursts([], {}) == []


def test_weeks_without_any_text_neither_break_a_burst_nor_count() -> None:
    [burst] = _found([0] * 20 + [8, 0, 8] + [0] * 20, [10] * 21 + [0] + [10] * 21)
    assert (burst.documents, burst.ended_on) == (16, MONDAY + timedelta(weeks=23, days=-1))


def test_a_burst_begins_and_ends_with_a_text_and_not_with_weeks_in_which_nothing_was_collected() -> None:
    [burst] = _found([1] * 10 + [0] * 5 + [9] + [0] * 3 + [1] * 14, [20] * 10 + [0] * 5 + [20] + [0] * 3 + [20] * 14)
    assert (burst.started_on, burst.ended_on) == (MONDAY + timedelta(weeks=15), MONDAY + timedelta(weeks=16, days=-1))


@given(st.lists(st.floats(-3, 3), min_size=1, max_size=8), st.floats(0.1, 3))
def test_the_states_are_those_that_cost_least(gains: list[float], entering: float) -> None:
    """Against all sequences of states."""

    def saved(states: Sequence[int]) -> float:
        entered = sum(state > before for before, state in zip((0, *states), states, strict=False))
        return sum(gain for gain, state in zip(gains, states, strict=True) if state) - entered * entering

    best = max(saved(states) for states in product((0, 1), repeat=len(gains)))
    assert saved(_states(gains, entering)) == pytest.approx(best)
