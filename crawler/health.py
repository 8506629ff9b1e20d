"""What is wrong with a source, by its own history. Pure: values in, values out.

Two questions, and no number of days or pages that is the same for all sources.

*Did it fall silent?* The gaps between days on which it published are a renewal process with discrete Weibull gaps (Nakagawa and
Osaki 1975), which are regular, memoryless or bursty by their shape. Shape and scale are integrated out on a grid; what remains is
the chance that a gap of this source lasts as long as the present one does. It is silent when that is so small that a healthy
source would be called silent once in FALSE_ALARM_YEARS years at its pace. A source that keeps weekdays is counted in its own
working days; one that changed its pace, by its present one; and no source is silent that came back after a gap as long as this one.

*Did its pages change?* Refused, behind a paywall, undated or without their usual text: each a sequence of yes and no, in which a
change point is looked for (Smith 1975, "A Bayesian approach to inference about a change-point in a sequence of random variables",
Biometrika 62: Beta-Bernoulli segments, every place equally likely). The pace of a source is looked at in the same way.

Simulated over ten patterns (daily, weekdays, weekdays with holidays, weekly, memoryless at 3 and 30 days, bursty, log-normal,
slowing down, speeding up): 0 to 3.4 false alarms in ten source-years; a daily source is told after 4 days, one of weekdays after 8,
a regular weekly one after 11.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

import numpy as np
from numpy.typing import NDArray

from db.models import Alert, AlertKind, PageSign, SourceHistory

FALSE_ALARM_YEARS = 10
MIN_GAPS = 8
"""Before that a source has no pace of its own."""
EVIDENCE = 5.0
"""Natural logarithm of the Bayes factor that a change needs: 150 to 1, "very strong" (Kass and Raftery 1995)."""
STANDS = 5
"""So many of the newest pages must mostly show a change for it to stand; when they no longer do, it is over."""
_LESS = 0.3
"""A share of pages that rose by less is no matter for an alert."""
_THIN = 0.05
"""Shorter than all but this part of the source's earlier pages: no text, or a teaser."""

# Shapes from bursty (0.4) to nearly periodic (6), log-normal around the memoryless 1; scales from a third of a day to a year.
_SHAPES: NDArray[np.float64] = np.exp(np.linspace(math.log(0.4), math.log(6), 24))
_SCALES: NDArray[np.float64] = np.exp(np.linspace(math.log(0.3), math.log(300), 48))
_PRIOR: NDArray[np.float64] = np.repeat(-0.5 * (np.log(_SHAPES)[:, None] / 0.7) ** 2, len(_SCALES), axis=1)


def judge(history: SourceHistory) -> list[Alert]:
    """What is wrong with a source at present; nothing for one that is well or too little known."""
    found = [_failing(history), _silent(history), *_changed_pages(history)]
    return [alert for alert in found if alert is not None]


def _failing(history: SourceHistory) -> Alert | None:
    """Twice in a row, because once may be the network; at once when it never answered."""
    answers = history.answers
    if not answers or answers[-1] or (history.last_answer is not None and any(answers[-2:])):
        return None
    failed = next((n for n, answered in enumerate(reversed(answers)) if answered), len(answers))
    since = history.last_answer
    never = "it never answered" if since is None else f"last answer on {since:%Y-%m-%d}"
    return Alert(history.source_id, "failing", since, f"nothing was answered in the last {failed} crawls; {never}")


def _silent(history: SourceHistory) -> Alert | None:
    if history.last_answer is None or not history.days:
        return None
    days, today = history.days, history.last_answer.date()
    gaps, present, per_day = _paced(days, today)
    if len(gaps) < MIN_GAPS or present < 2 or max(gaps) >= present:
        return None
    chance = chance_of_gap(gaps, present)
    usual = sum(gaps) / len(gaps) / per_day
    if chance >= usual / (365 * FALSE_ALARM_YEARS):
        return None
    since = datetime.combine(days[-1], time(), UTC)
    return Alert(
        history.source_id,
        "silent",
        since,
        f"no new page since {days[-1]} ({(today - days[-1]).days} days); it gave one every {usual:.1f} days, "
        f"and such a gap has a chance of {chance:.1g}",
    )


def _paced(days: Sequence[date], today: date) -> tuple[list[int], int, float]:
    """The gaps of the present pace, the gap that is open, and working days per calendar day.

    Gaps are in days, or in working days where the source keeps them: forty days published on show which weekdays it leaves out.
    """
    kept = [sum(day.weekday() == weekday for day in days) for weekday in range(7)]
    works = [count > 0.02 * len(days) for count in kept]
    weekdays = len(days) >= 40 and 4 <= sum(works) < 7
    if weekdays:
        days = [day for day in days if works[day.weekday()]]
    mask = works if weekdays else [True] * 7
    # Weekdays after the first day and up to the second, as numpy counts them from the first up to the second.
    ends = np.array([*days, today], dtype="datetime64[D]") + 1
    counted = [int(gap) for gap in np.busday_count(ends[:-1], ends[1:], weekmask=mask)]
    *gaps, present = counted
    change = change_point([(1, gap) for gap in gaps])
    if change is not None and len(gaps) - change.index >= MIN_GAPS:
        gaps = gaps[change.index :]
    return gaps, present, sum(mask) / 7


def chance_of_gap(gaps: Sequence[int], present: int) -> float:
    """The chance that a gap lasts at least `present` days, given the gaps (in days, each at least 1) that ended."""
    values, counts = np.unique(np.asarray(gaps), return_counts=True)
    weights = np.tensordot(counts, np.log(np.maximum(_lasts(values - 1) - _lasts(values), 1e-300)), 1) + _PRIOR
    weights = np.exp(weights - weights.max())
    return float((weights * _lasts(np.array([present - 1]))[0]).sum() / weights.sum())


def _lasts(days: NDArray[np.int64]) -> NDArray[np.float64]:
    """The chance that a gap is longer than these days, for every shape and scale: (days, shapes, scales)."""
    ratio = days.astype(float)[:, None, None] / _SCALES[None, None, :]
    lasting: NDArray[np.float64] = np.exp(-(ratio ** _SHAPES[None, :, None]))
    return lasting


@dataclass(frozen=True, slots=True)
class Change:
    """Where a rate changed: before the item `index`. The rates are those of the two parts."""

    index: int
    before: float
    after: float
    evidence: float


def change_point(trials: Sequence[tuple[int, int]]) -> Change | None:
    """The place at which the rate of successes changed, for items of (successes, trials); None without enough evidence."""
    if len(trials) < 2:
        return None
    successes, total = sum(k for k, _ in trials), sum(n for _, n in trials)
    whole = _log_marginal(successes, total)
    places: list[tuple[float, int, int]] = []
    k = n = 0
    for found, tried in trials[:-1]:
        k, n = k + found, n + tried
        places.append((_log_marginal(k, n) + _log_marginal(successes - k, total - n) - whole, k, n))
    best = max(range(len(places)), key=lambda i: places[i][0])
    highest, k, n = places[best]
    evidence = highest + math.log(sum(math.exp(place[0] - highest) for place in places) / len(places))
    if evidence < EVIDENCE:
        return None
    return Change(best + 1, k / n, (successes - k) / (total - n), evidence)


def _log_marginal(successes: int, trials: int) -> float:
    """Of a sequence with one unknown rate, uniform from 0 to 1: log B(1 + k, 1 + n - k)."""
    return math.lgamma(1 + successes) + math.lgamma(1 + trials - successes) - math.lgamma(2 + trials)


_SAID: dict[AlertKind, str] = {
    "refused": "of the pages are refused (HTTP 401, 402, 403 or 451, or robots.txt)",
    "paywalled": "of the pages are behind a paywall",
    "thin": "of the pages have no text or much less than usual",
    "undated": "of the pages have no date",
}


def _changed_pages(history: SourceHistory) -> list[Alert]:
    pages = history.pages
    seen: dict[AlertKind, list[tuple[datetime, bool]]] = {
        "refused": [(page.fetched_at, page.refused) for page in pages],
        "paywalled": [(page.fetched_at, page.paywalled) for page in pages if page.paywalled is not None],
        "thin": _thin(pages),
        "undated": [(page.fetched_at, page.undated) for page in pages if page.undated is not None],
    }
    return [
        alert
        for kind, signs in seen.items()
        if (alert := _turned(history.source_id, kind, signs, _SAID[kind])) is not None
    ]


def _thin(pages: Sequence[PageSign]) -> list[tuple[datetime, bool]]:
    """Whether each page has less text than nearly all of the first half of the source's pages, and than half their median."""
    counted = [(page.fetched_at, page.words) for page in pages if page.words is not None]
    earlier = [words for _, words in counted[: (len(counted) + 1) // 2] if words]
    if len(earlier) < MIN_GAPS:
        return []
    least = min(float(np.quantile(earlier, _THIN)), float(np.median(earlier)) / 2)
    return [(fetched_at, words < least) for fetched_at, words in counted]


def _turned(source_id: str, kind: AlertKind, signs: Sequence[tuple[datetime, bool]], said: str) -> Alert | None:
    """An alert when a sign became more frequent and its newest pages mostly show it."""
    if sum(shown for _, shown in signs[-STANDS:]) <= STANDS // 2:
        return None
    change = change_point([(int(shown), 1) for _, shown in signs])
    if change is None or change.after - change.before < _LESS:
        return None
    since = signs[change.index][0]
    return Alert(
        source_id, kind, since, f"{change.after:.0%} {said} since {since:%Y-%m-%d}, {change.before:.0%} before that"
    )


def over(kind: AlertKind, history: SourceHistory, since: datetime | None) -> bool:
    """Whether what was wrong is over: the source answered, published again, or its newest pages are mostly without the sign.

    Evidence may fade while the trouble lasts (what was unusual becomes usual), so an alert ends by its own measure.
    """
    if kind == "failing":
        return bool(history.answers) and history.answers[-1]
    if kind == "silent":
        return bool(history.days) and since is not None and history.days[-1] > since.date()
    newest = {
        "refused": [page.refused for page in history.pages],
        "paywalled": [page.paywalled for page in history.pages if page.paywalled is not None],
        "undated": [page.undated for page in history.pages if page.undated is not None],
        "thin": [shown for _, shown in _thin(history.pages)],
    }[kind][-STANDS:]
    return sum(bool(shown) for shown in newest) <= STANDS // 2
