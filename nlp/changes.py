"""Changes of position: where the sequence of a speaker's dated statements turns. Pure: statements in, changes out.

Method "segments-2". The statements of a speaker, on the side as a whole or on one proposition, are put in the order of their dates;
those of one day count once, with the position most of them take. The sequence is cut into the parts, each of at least MIN_DAYS
days, that make it likeliest when each part has its own shares of positions and each cut costs the logarithm of the days, at least
PENALTY, in log-likelihood (optimal partitioning: Jackson et al. 2005, doi:10.1109/LSP.2001.838216; the price is that of Schwarz's
criterion for a place and a share, Yao 1988, doi:10.1016/0167-7152(88)90118-6). A cut counts as a change when most of each part
beside it (MIN_SHARE) agrees on a position, not the same one, and when shuffling the days of the two parts gains as much in at most
MAX_P of cases; a cut that does not is taken back, the least certain first.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from itertools import groupby

from db.models import AUTHOR, PositionChange, StoredStatement

METHOD = "segments-2"
MIN_DAYS = 3
MIN_SHARE = 0.6
MAX_P = 0.05
"""Four days on each side and no exception reach 0.03 (2 of 70 orders), four and three 0.06: with less evidence than that, a change
would too often be the judge's error."""
MIN_SCORE = 0.5
"""A statement whose side, or stance, is less likely than not does not count."""
PENALTY = 2.0
"""In nats: a cut must make even a short sequence more than seven times likelier. There the test against shuffled days is the
stricter one; in a long one, where some week of exceptions is to be expected, the price is."""
_EXACT_ORDERS = 2_000
_DRAWN_ORDERS = 1_000


@dataclass(frozen=True, slots=True)
class Day:
    """The position a speaker took on one day, and the statements that say so."""

    moment: datetime
    position: str
    statements: tuple[int, ...]


def find_changes(
    statements: Sequence[StoredStatement], *, neutral: str = "neutral", seed: int = 0
) -> list[PositionChange]:
    """All changes of position in these statements, by speaker, the side as a whole first, then by proposition.

    Statements without a date, without a side, on the `neutral` side, by an author who is not named, or less sure than MIN_SCORE
    do not count.
    """
    found: list[PositionChange] = []
    spoken = [s for s in statements if s.published_at is not None and s.side and s.speaker.name != AUTHOR]
    key = _speaker
    for _, own in groupby(sorted(spoken, key=lambda s: (key(s), s.published_at, s.id)), key=key):
        theirs = list(own)
        sides = [(s, s.side) for s in theirs if s.side and s.side != neutral and _sure(s.score)]
        found += _changes(sides, None, seed)
        propositions = sorted({position.proposition_id for s in theirs for position in s.positions})
        for proposition in propositions:
            stances = [
                (s, p.stance) for s in theirs for p in s.positions if p.proposition_id == proposition and _sure(p.score)
            ]
            found += _changes(stances, proposition, seed)
    return found


def _sure(score: float | None) -> bool:
    """Hand-coded statements have no score: somebody was sure."""
    return score is None or score >= MIN_SCORE


def _speaker(statement: StoredStatement) -> str:
    return statement.speaker.actor_id or statement.speaker.name


def _changes(
    taken: Sequence[tuple[StoredStatement, str]], proposition: str | None, seed: int
) -> Iterator[PositionChange]:
    """The changes in the statements of one speaker on one subject, each with the position it takes."""
    days = list(_days(taken))
    bounds = [0, *_cuts([day.position for day in days], seed), len(days)]
    for start, cut, end in zip(bounds, bounds[1:], bounds[2:], strict=False):
        before, after = days[start:cut], days[cut:end]
        old, new = _majority(before), _majority(after)
        speaker = taken[0][0].speaker
        yield PositionChange(
            speaker=speaker.name,
            actor_id=speaker.actor_id,
            proposition_id=proposition,
            before=old,
            after=new,
            not_before=next(day.moment for day in reversed(before) if day.position == old),
            changed_at=next(day.moment for day in after if day.position == new),
            strength=round(
                (_share(before, old) - _share(after, old) + _share(after, new) - _share(before, new)) / 2, 4
            ),
            before_statements=tuple(s for day in before for s in day.statements),
            after_statements=tuple(s for day in after for s in day.statements),
            method=METHOD,
        )


def _days(taken: Iterable[tuple[StoredStatement, str]]) -> Iterator[Day]:
    """One observation a day. A day with as many statements for one position as for another is "mixed"."""
    for _, same_day in groupby(taken, key=lambda pair: pair[0].published_at.date() if pair[0].published_at else None):
        pairs = list(same_day)
        counts = Counter(position for _, position in pairs).most_common(2)
        tied = len(counts) > 1 and counts[0][1] == counts[1][1]
        moment = pairs[0][0].published_at
        if moment is not None:
            yield Day(moment, "mixed" if tied else counts[0][0], tuple(s.id for s, _ in pairs))


def _majority(days: Sequence[Day]) -> str:
    return Counter(day.position for day in days).most_common(1)[0][0]


def _share(days: Sequence[Day], position: str) -> float:
    return sum(day.position == position for day in days) / len(days)


def _cuts(positions: Sequence[str], seed: int) -> list[int]:
    """Where the sequence turns, as indexes of the first day of each new part."""
    cuts = _partition(positions)
    while cuts:
        bounds = [0, *cuts, len(positions)]
        doubt = [
            _p_value(positions[start:end], cut - start, seed)
            if _clear(positions[start:cut], positions[cut:end])
            else math.inf
            for start, cut, end in zip(bounds, bounds[1:], bounds[2:], strict=False)
        ]
        worst = max(range(len(cuts)), key=lambda number: doubt[number])
        if doubt[worst] <= MAX_P:
            break
        del cuts[worst]
    return cuts


def _partition(positions: Sequence[str]) -> list[int]:
    """The cuts of the likeliest partition into parts of at least MIN_DAYS. O(n^2) in the days."""
    penalty = max(PENALTY, math.log(max(1, len(positions))))
    prefixes: list[Counter[str]] = [Counter()]
    for position in positions:
        prefixes.append(prefixes[-1] + Counter([position]))
    best: list[float] = [-penalty] + [-math.inf] * len(positions)
    last = [0] * (len(positions) + 1)
    for end in range(MIN_DAYS, len(positions) + 1):
        for start in (0, *range(MIN_DAYS, end - MIN_DAYS + 1)):
            value = best[start] + _log_likelihood(prefixes[end] - prefixes[start], end - start) - penalty
            if value > best[end] + 1e-12:
                best[end], last[end] = value, start
    cuts: list[int] = []
    end = len(positions)
    while end and last[end]:
        end = last[end]
        cuts.append(end)
    return cuts[::-1]


def _clear(before: Sequence[str], after: Sequence[str]) -> bool:
    """Whether most of each part agrees on a position, and not on the same one."""
    (old, old_count), (new, new_count) = Counter(before).most_common(1)[0], Counter(after).most_common(1)[0]
    return old != new and old_count >= MIN_SHARE * len(before) and new_count >= MIN_SHARE * len(after)


def _gain(positions: Sequence[str], cut: int) -> float:
    """What cutting here adds to the log-likelihood."""
    parts = positions[:cut], positions[cut:]
    return sum(_log_likelihood(Counter(part), len(part)) for part in parts) - _log_likelihood(
        Counter(positions), len(positions)
    )


def _best_gain(positions: Sequence[str]) -> float:
    """The most that any cut that leaves MIN_DAYS on both sides adds to the log-likelihood."""
    total = len(positions)
    term = _terms(total)
    left = dict.fromkeys(positions, 0)
    right = Counter(positions)
    # Moving one day from right to left changes two counts: the sums follow, which takes a fifth of the time of summing anew.
    of_left, of_right = 0.0, sum(term[count] for count in right.values())
    whole, best = of_right - term[total], 0.0
    for cut, position in enumerate(positions, 1):
        of_left += term[left[position] + 1] - term[left[position]]
        of_right += term[right[position] - 1] - term[right[position]]
        left[position] += 1
        right[position] -= 1
        if MIN_DAYS <= cut <= total - MIN_DAYS:
            best = max(best, of_left - term[cut] + of_right - term[total - cut] - whole)
    return best


@lru_cache(maxsize=64)
def _terms(most: int) -> tuple[float, ...]:
    """n ln n for every n up to the most: a log-likelihood is the sum of those of the counts less that of their sum."""
    return (0.0, *(n * math.log(n) for n in range(1, most + 1)))


def _log_likelihood(counts: Counter[str], total: int) -> float:
    return sum(count * math.log(count / total) for count in counts.values() if count)


def _p_value(positions: Sequence[str], cut: int, seed: int) -> float:
    """How often a random order of the same days can be cut with as much gain: over all orders where they are few, else
    over drawn ones."""
    gain = _gain(positions, cut) - 1e-9
    counts = Counter(positions)
    orders = math.factorial(len(positions))
    for count in counts.values():
        orders //= math.factorial(count)
    if orders <= _EXACT_ORDERS:
        return sum(_best_gain(order) >= gain for order in _orders(counts, len(positions))) / orders
    shuffled, source = list(positions), random.Random(seed)  # noqa: S311 - seeded, so that a run can be repeated
    reached = 0
    for _ in range(_DRAWN_ORDERS):
        source.shuffle(shuffled)
        reached += _best_gain(shuffled) >= gain
    return (reached + 1) / (_DRAWN_ORDERS + 1)


def _orders(counts: Counter[str], length: int) -> Iterator[tuple[str, ...]]:
    """Every distinct order of a multiset."""
    if length == 0:
        yield ()
        return
    for position in sorted(counts):
        if counts[position]:
            counts[position] -= 1
            for rest in _orders(counts, length - 1):
                yield (position, *rest)
            counts[position] += 1
