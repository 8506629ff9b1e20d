"""Bursts: weeks in which a topic takes an unusual share of the coverage. Pure: weekly counts in, bursts out.

Method "kleinberg-2": the two-state automaton for batched arrivals of Kleinberg, "Bursty and Hierarchical Structure in Streams"
(KDD 2002, section 4). In its base state a topic gets its mean share of the texts of a week, in the burst state SCALING times that;
entering a burst costs GAMMA * ln(weeks). The cheapest sequence of states is found by dynamic programming, and a run of burst weeks
with at least MIN_DOCUMENTS texts is a burst. Weeks without a text cost nothing in either state.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta

from db.models import TopicBurst, WeekCount

METHOD = "kleinberg-2"
SCALING = 2.0
GAMMA = 1.0
"""Both as in the paper's examples."""
MIN_DOCUMENTS = 3
"""Fewer could be one event that two outlets took up."""


def find_bursts(counts: Sequence[WeekCount], collected: Mapping[date, int]) -> list[TopicBurst]:
    """All bursts, by topic and date.

    counts: texts of each topic in each week that has one, weeks named by their Monday (UTC). collected: everything collected in
    each week, texts of these topics included.
    """
    if not collected:
        return []
    first, last = min(collected), max(collected)
    weeks = [first + timedelta(days=7 * number) for number in range((last - first).days // 7 + 1)]
    base = [collected.get(week, 0) for week in weeks]
    by_topic: dict[int, dict[date, int]] = {}
    for count in counts:
        by_topic.setdefault(count.topic_id, {})[count.week] = count.documents
    return [
        burst
        for topic_id, of_topic in sorted(by_topic.items())
        for burst in _of_topic(topic_id, weeks, [of_topic.get(week, 0) for week in weeks], base)
    ]


def _of_topic(topic_id: int, weeks: Sequence[date], found: Sequence[int], base: Sequence[int]) -> Iterator[TopicBurst]:
    usual = sum(found) / sum(base)
    if not 0 < usual < 1:
        return
    raised = min(0.9999, SCALING * usual)
    gains = [_cost(r, d, usual) - _cost(r, d, raised) for r, d in zip(found, base, strict=True)]
    for start, end in _runs(_states(gains, GAMMA * math.log(len(weeks)))):
        # Weeks in which nothing was collected cost nothing in either state: a burst neither begins nor ends with one.
        start += next((number for number, count in enumerate(found[start:end]) if count), 0)
        end -= next((number for number, count in enumerate(found[start:end][::-1]) if count), 0)
        documents = sum(found[start:end])
        if documents >= MIN_DOCUMENTS:
            yield TopicBurst(
                topic_id=topic_id,
                started_on=weeks[start],
                ended_on=weeks[end - 1] + timedelta(days=6),
                documents=documents,
                expected=round(usual * sum(base[start:end]), 2),
                strength=round(sum(gains[start:end]), 4),
                method=METHOD,
            )


def _cost(found: int, base: int, share: float) -> float:
    """Minus the log-likelihood of that many texts of the topic among all of the week. The binomial coefficient is the same in
    both states and left out."""
    return -(found * math.log(share) + (base - found) * math.log(1 - share))


def _states(gains: Sequence[float], entering: float) -> list[bool]:
    """Whether each week belongs to a burst: the states that cost least (Viterbi). gains: what the burst state saves in a week."""
    calm = burst = 0.0
    came_from: list[tuple[bool, bool]] = []
    for number, gain in enumerate(gains):
        enter = calm - entering
        from_burst = number > 0 and burst >= enter
        left = number > 0 and burst > calm
        came_from.append((left, from_burst))
        calm, burst = (burst if left else calm), (burst if from_burst else enter) + gain
    state = burst > calm
    states = []
    for left, from_burst in reversed(came_from):
        states.append(state)
        state = from_burst if state else left
    return states[::-1]


def _runs(states: Sequence[bool]) -> Iterator[tuple[int, int]]:
    """(start, end) of each run of burst weeks, end exclusive."""
    start = None
    for number, state in enumerate([*states, False]):
        if state and start is None:
            start = number
        elif not state and start is not None:
            yield start, number
            start = None
