"""The time axis of charts: periods, their labels, and the bands over periods without data. Only altair objects, no database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from db.timelines import Timeline, next_start

LABEL_WIDTH = 74
"""Pixels that a label under the axis needs."""

_STEPS = {
    "day": (1, 2, 7, 14, 28, 91, 182),
    "week": (1, 2, 4, 13, 26, 52),
    "month": (1, 2, 3, 6, 12, 24),
    "quarter": (1, 2, 4, 8),
}
"""Every how many periods a label may stand."""


@dataclass(frozen=True, slots=True)
class Span:
    """One period on the x axis."""

    period: str
    start: date
    end: date
    """First day of the next period."""
    empty: bool
    """No source was healthy."""

    @property
    def middle(self) -> str:
        """The moment in its middle."""
        return self.part(0.5)

    def part(self, share: float) -> str:
        """The moment at which that share of the period has passed."""
        return moment(self.start, (self.end - self.start) * share)


def spans_of(timeline: Timeline) -> list[Span]:
    """The periods, in order."""
    found = {}
    for row in timeline.rows:
        start = date.fromisoformat(row["start"])
        found[start] = Span(row["period"], start, next_start(start, timeline.by), row["state"] == "no data")
    return [found[start] for start in sorted(found)]


def time_axis(alt: Any, field: str, spans: list[Span], width: int, *, labels: bool = True) -> Any:
    """The time axis: labels stand in the middle of their period, as many as fit."""
    marked = _marked(spans, width) if labels else []
    names = ", ".join(f"{_milliseconds(span)}: '{_name(span)}'" for span in marked)
    axis = alt.Axis(
        title=None,
        grid=False,
        values=[_milliseconds(span) for span in marked],
        labels=labels,
        labelExpr=f"({{{names}}})[+datum.value]",
        labelOverlap=False,
        ticks=labels,
        domain=labels,
    )
    return alt.X(f"{field}:T", axis=axis, scale=alt.Scale(type="utc", nice=False))


def frame(alt: Any, spans: list[Span], width: int, *, labels: bool = True) -> Any:
    """Nothing to see: two points that make the time axis run from the first to the last moment (Vega warns of a domain that is
    given for bars with two ends)."""
    ends = [{"start": moment(spans[0].start)}, {"start": moment(spans[-1].end)}]
    points = alt.Chart(alt.Data(values=ends)).mark_point(opacity=0, tooltip=None)
    return points.encode(x=time_axis(alt, "start", spans, width, labels=labels))


def bands(
    alt: Any, spans: list[Span], width: int, height: int, *, labels: bool = True, words: bool = True
) -> list[Any]:
    """Grey bands over neighbouring periods without data, named where there is room. labels: whether this panel's time axis has
    labels (layers of one panel must agree on their axis)."""
    found: list[dict[str, Any]] = []
    for span in spans:
        if span.empty and found and found[-1]["end"] == moment(span.start):
            found[-1] |= {"end": moment(span.end), "last": span.period, "days": found[-1]["days"] + _days(span)}
        elif span.empty:
            found.append(
                {"start": moment(span.start), "end": moment(span.end), "first": span.period, "last": span.period}
                | {"days": _days(span), "begun": span.start}
            )
    if not found:
        return []
    per_day = width / max(1, (spans[-1].end - spans[0].start).days)
    for band in found:
        band["middle"] = moment(band.pop("begun"), timedelta(days=band["days"]) / 2)
        pixels = band["days"] * per_day
        band["label"] = "no data" if words and pixels >= 14 else ""
        band["angle"] = 0 if pixels >= 56 else 270
    rects = (
        alt.Chart(alt.Data(values=found))
        .mark_rect(color="#DCDCDC", opacity=0.75)
        .encode(
            x=time_axis(alt, "start", spans, width, labels=labels),
            x2="end",
            tooltip=[alt.Tooltip("first:N", title="no data from"), alt.Tooltip("last:N", title="to")],
        )
    )
    named = [
        alt.Chart(alt.Data(values=[band for band in found if band["angle"] == angle and band["label"]]))
        .mark_text(color="#6F6F6F", fontSize=11, angle=angle, y=height / 2)
        .encode(x=time_axis(alt, "middle", spans, width, labels=labels), text="label:N")
        for angle in {band["angle"] for band in found if band["label"]}
    ]
    return [rects, *named]


def _marked(spans: list[Span], width: int) -> list[Span]:
    """The periods that get a label: all, or every so many, beginning with a year where there is one."""
    by = {1: "day", 7: "week"}.get(_days(spans[0]), "month" if _days(spans[0]) < 60 else "quarter")
    most = max(2, width // LABEL_WIDTH)
    step = next((step for step in _STEPS[by] if len(spans) / step <= most), len(spans) // most + 1)
    first = 0
    if by in ("month", "quarter") and step > 1:
        first = next((i for i, span in enumerate(spans[:step]) if _number(span, by) % step == 0), 0)
    return spans[first::step]


def _number(span: Span, by: str) -> int:
    """Months or quarters since year 0: a multiple of 12 (4) is January (the first quarter)."""
    months = span.start.year * 12 + span.start.month - 1
    return months if by == "month" else months // 3


def _name(span: Span) -> str:
    """A period as people write it: 14 Mar 2024, 2024-W11, Mar 2024, Q1 2024."""
    if "W" in span.period:
        return span.period
    if "Q" in span.period:
        return f"{span.period[5:]} {span.period[:4]}"
    return f"{span.start:%b %Y}" if len(span.period) == 7 else f"{span.start.day} {span.start:%b %Y}"


def _days(span: Span) -> int:
    return (span.end - span.start).days


def moment(day: date, later: timedelta = timedelta()) -> str:
    """A day, and how much later, as a UTC moment that Vega reads the same in every time zone."""
    seconds = int(later.total_seconds())
    moved = day + timedelta(days=seconds // 86400)
    rest = seconds % 86400
    return f"{moved.isoformat()}T{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}Z"


def _milliseconds(span: Span) -> int:
    """The middle of a period, in milliseconds since 1970, as Vega counts."""
    return (span.start.toordinal() - date(1970, 1, 1).toordinal()) * 86_400_000 + _days(span) * 43_200_000
