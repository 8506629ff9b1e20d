"""Timelines as charts: Vega-Lite specifications through altair, drawn by vl-convert without a browser. No input, no database.

Colours are told apart by colour-blind readers (Okabe and Ito 2008, https://jfly.uni-koeln.de/color/); a period without data is a
grey band, never a zero. HTML is self-contained: Vega is inlined, nothing is loaded from elsewhere.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from db.models import DebatewatchError, utc_now
from db.timelines import Timeline, next_start

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#6A5ACD", "#8C6D31")
OTHERS = "#9A9A9A"
MAX_SERIES = 8
"""Series with a colour of their own; the rest are summed as "other", because nobody tells more than eight colours apart."""

HEIGHT = 320
ROW_HEIGHT = 46
LABEL_WIDTH = 74
"""Pixels that a label under the axis needs."""

_TITLES = {"topics": "Topics", "stances": "Sides taken", "actors": "Who speaks"}
_UNITS = {"day": "day", "week": "ISO week", "month": "month", "quarter": "quarter"}
_STEPS = {
    "day": (1, 2, 7, 14, 28, 91, 182),
    "week": (1, 2, 4, 13, 26, 52),
    "month": (1, 2, 3, 6, 12, 24),
    "quarter": (1, 2, 4, 8),
}
"""Every how many periods a label may stand."""


@dataclass(frozen=True, slots=True)
class _Span:
    """One period on the x axis."""

    period: str
    start: date
    end: date
    """First day of the next period."""
    empty: bool
    """Nothing was collected."""

    @property
    def middle(self) -> str:
        return _moment(self.start, (self.end - self.start) / 2)


def chart(timeline: Timeline, *, title: str | None = None, source: str = "Debatewatch") -> Any:
    """A timeline as an altair chart: stacked bars for topics (share of what was collected) and stances (statements), and a line
    for each actor (statements), one under the other.

    title: of the chart, else one made of kind and dates. source: what the source line names.
    """
    import altair as alt

    spans = _spans(timeline)
    width = min(1080, max(600, 16 * len(spans)))
    if not timeline.rows:
        panels = _nothing(alt, width)
    elif timeline.kind == "actors":
        panels = _actor_rows(alt, timeline, spans, width)
    else:
        panels = _bars(alt, timeline, spans, width)
    span = f"{spans[0].period} to {spans[-1].period}" if spans else "nothing collected yet"
    heading = alt.TitleParams(
        text=textwrap.wrap(title or f"{_TITLES[timeline.kind]} by {_UNITS[timeline.by]}, {span}", width // 9),
        subtitle=[line for note in _notes(timeline, source, spans) for line in textwrap.wrap(note, width // 6)],
        anchor="start",
        frame="group",
        fontSize=17,
        subtitleFontSize=11.5,
        subtitleColor="#555555",
        subtitlePadding=6,
        offset=16,
    )
    return (
        panels.properties(title=heading)
        .configure(font="Helvetica, Arial, Liberation Sans, sans-serif", background="#FFFFFF", padding=20)
        .configure_view(stroke=None)
        .configure_axis(
            labelFontSize=11,
            titleFontSize=11,
            titleFontWeight="normal",
            titleColor="#333333",
            gridColor="#E9E9E9",
            domainColor="#999999",
            tickColor="#999999",
        )
        .configure_legend(labelFontSize=12, symbolSize=130, rowPadding=4, columnPadding=18)
    )


def draw(timeline: Timeline, format: str, *, title: str | None = None, source: str = "Debatewatch") -> bytes:
    """The chart as a file: "html" (interactive, self-contained), "svg" or "png" (at twice the size, fit for print)."""
    import vl_convert

    spec = chart(timeline, title=title, source=source).to_json()
    if format == "html":
        return _without_markup(str(vl_convert.vegalite_to_html(spec, bundle=True))).encode()
    if format == "svg":
        return str(vl_convert.vegalite_to_svg(spec)).encode()
    return bytes(vl_convert.vegalite_to_png(spec, scale=2))


def _without_markup(page: str) -> str:
    """The page with every < of the specification escaped: names come from other people's pages, and one with </script> in it
    would end the script and start markup of its own (https://html.spec.whatwg.org/#restrictions-for-contents-of-script-elements)."""
    before, start, rest = page.rpartition("const spec = ")
    spec, end, after = rest.rpartition("const opts = ")
    if not start or not end:
        raise DebatewatchError("the chart library writes its pages otherwise than this version knows; use png or svg")
    return before + start + spec.replace("<", "\\u003c") + end + after


# --- the two kinds of chart -------------------------------------------------------------------------------------------------


def _bars(alt: Any, timeline: Timeline, spans: list[_Span], width: int) -> Any:
    """Stacked bars that span their period. The stacks are added up here, so that a bar has its period's width."""
    measure = "articles" if timeline.kind == "topics" else "statements"
    by_share = timeline.kind == "topics"
    shown, colors = _series(timeline, measure)
    order = list(colors)
    axis = (
        alt.Axis(format=".0%", title="share of what was collected", tickCount=5)
        if by_share
        else _count_axis(alt, "statements", 6)
    )
    records = _stacked(_records(timeline, shown, measure), spans, order, "share" if by_share else "count")
    highest = max((record["high"] for record in records), default=0)
    bars = (
        alt.Chart(alt.Data(values=records))
        .mark_rect(stroke="#FFFFFF", strokeWidth=0.4)
        .encode(
            x=_x(alt, "start", spans, width),
            x2="end",
            y=alt.Y("low:Q", axis=axis, scale=alt.Scale(domain=[0, highest * 1.05 or 1], nice=False)),
            y2="high",
            color=alt.Color(
                "series:N",
                title=None,
                sort=order,
                scale=alt.Scale(domain=order, range=[colors[name] for name in order]),
                legend=alt.Legend(
                    orient="bottom", columns=_legend_columns(order, width), labelLimit=340, symbolType="square"
                ),
            ),
            tooltip=_tooltip(alt, measure),
        )
    )
    return alt.layer(_frame(alt, spans, width), *_bands(alt, spans, width, HEIGHT), bars).properties(
        width=width, height=HEIGHT
    )


def _actor_rows(alt: Any, timeline: Timeline, spans: list[_Span], width: int) -> Any:
    """A line for each actor in a row of its own, all on one scale: lines of small numbers on top of each other cannot be read."""
    highest = max((row["statements"] or 0 for row in timeline.rows), default=0)
    middles = {span.period: span for span in spans}
    rows = []
    for position, (identity, label) in enumerate(timeline.series):
        values = [
            {**_record(row, label, "statements"), "middle": middles[row["period"]].middle}
            for row in timeline.rows
            if row["id"] == identity
        ]
        last = position == len(timeline.series) - 1
        base = alt.Chart(alt.Data(values=values))
        y = alt.Y(
            "count:Q",
            title=None,
            axis=_count_axis(alt, None, min(2, max(1, highest))),
            scale=alt.Scale(domain=[0, max(1, highest)]),
        )
        area = base.mark_area(color=OKABE_ITO[0], opacity=0.16, invalid="break-paths-show-domains").encode(
            x=_x(alt, "middle", spans, width, labels=last), y=y
        )
        line = base.mark_line(
            color=OKABE_ITO[0],
            strokeWidth=1.6,
            invalid="break-paths-show-domains",
            point=alt.OverlayMarkDef(size=16, filled=True, color=OKABE_ITO[0]),
        ).encode(x=_x(alt, "middle", spans, width, labels=last), y=y, tooltip=_tooltip(alt, "statements"))
        name = alt.TitleParams(text=label, anchor="start", fontSize=12, fontWeight="normal", offset=3, frame="group")
        frame = _frame(alt, spans, width, labels=last)
        layers = alt.layer(frame, *_bands(alt, spans, width, ROW_HEIGHT, labels=last, words=False), area, line)
        rows.append(layers.properties(width=width, height=ROW_HEIGHT, title=name))
    return alt.vconcat(*rows, spacing=4)


def _nothing(alt: Any, width: int) -> Any:
    """What stands where there is nothing to draw."""
    words = alt.Chart(alt.Data(values=[{"words": "nothing to show: no article of this choice has a date"}]))
    return (
        words.mark_text(color="#6F6F6F", fontSize=13)
        .encode(text="words:N")
        .properties(width=width, height=ROW_HEIGHT * 2)
    )


def _x(alt: Any, field: str, spans: list[_Span], width: int, *, labels: bool = True) -> Any:
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


def _frame(alt: Any, spans: list[_Span], width: int, *, labels: bool = True) -> Any:
    """Nothing to see: two points that make the time axis run from the first to the last moment (Vega warns of a domain that is
    given for bars with two ends)."""
    ends = [{"start": _moment(spans[0].start)}, {"start": _moment(spans[-1].end)}]
    points = alt.Chart(alt.Data(values=ends)).mark_point(opacity=0, tooltip=None)
    return points.encode(x=_x(alt, "start", spans, width, labels=labels))


def _bands(
    alt: Any, spans: list[_Span], width: int, height: int, *, labels: bool = True, words: bool = True
) -> list[Any]:
    """Grey bands over neighbouring periods without data, named where there is room. labels: whether this panel's time axis has
    labels (layers of one panel must agree on their axis)."""
    found: list[dict[str, Any]] = []
    for span in spans:
        if span.empty and found and found[-1]["end"] == _moment(span.start):
            found[-1] |= {"end": _moment(span.end), "last": span.period, "days": found[-1]["days"] + _days(span)}
        elif span.empty:
            found.append(
                {"start": _moment(span.start), "end": _moment(span.end), "first": span.period, "last": span.period}
                | {"days": _days(span), "begun": span.start}
            )
    if not found:
        return []
    per_day = width / max(1, (spans[-1].end - spans[0].start).days)
    for band in found:
        band["middle"] = _moment(band.pop("begun"), timedelta(days=band["days"]) / 2)
        pixels = band["days"] * per_day
        band["label"] = "no data" if words and pixels >= 14 else ""
        band["angle"] = 0 if pixels >= 56 else 270
    rects = (
        alt.Chart(alt.Data(values=found))
        .mark_rect(color="#DCDCDC", opacity=0.75)
        .encode(
            x=_x(alt, "start", spans, width, labels=labels),
            x2="end",
            tooltip=[alt.Tooltip("first:N", title="no data from"), alt.Tooltip("last:N", title="to")],
        )
    )
    named = [
        alt.Chart(alt.Data(values=[band for band in found if band["angle"] == angle and band["label"]]))
        .mark_text(color="#6F6F6F", fontSize=11, angle=angle, y=height / 2)
        .encode(x=_x(alt, "middle", spans, width, labels=labels), text="label:N")
        for angle in {band["angle"] for band in found if band["label"]}
    ]
    return [rects, *named]


def _count_axis(alt: Any, title: str | None, ticks: int) -> Any:
    """An axis of whole numbers."""
    return alt.Axis(title=title, format="d", tickMinStep=1, tickCount=ticks)


def _tooltip(alt: Any, measure: str) -> list[Any]:
    return [
        alt.Tooltip("period:N"),
        alt.Tooltip("series:N", title="what"),
        alt.Tooltip("count:Q", title=measure),
        alt.Tooltip("articles:Q"),
        alt.Tooltip("documents:Q", title="unique texts"),
        alt.Tooltip("collected:Q", title="collected in all"),
        alt.Tooltip("share:Q", format=".1%", title="share of articles"),
    ]


# --- what is drawn ------------------------------------------------------------------------------------------------------------


def _spans(timeline: Timeline) -> list[_Span]:
    """The periods, in order."""
    found = {}
    for row in timeline.rows:
        start = date.fromisoformat(row["start"])
        found[start] = _Span(row["period"], start, next_start(start, timeline.by), row["state"] == "no data")
    return [found[start] for start in sorted(found)]


def _series(timeline: Timeline, measure: str) -> tuple[dict[str, str], dict[str, str]]:
    """Series id -> name shown, and name shown -> colour. Beyond MAX_SERIES the smallest are shown as one, "other"."""
    totals = dict.fromkeys((identity for identity, _ in timeline.series), 0)
    for row in timeline.rows:
        totals[row["id"]] += row[measure] or 0
    largest = sorted(totals, key=lambda identity: -totals[identity])[:MAX_SERIES]
    shown: dict[str, str] = {}
    colors: dict[str, str] = {}
    for identity, label in timeline.series:
        if identity in largest:
            name = label if label not in shown.values() else f"{label} ({identity})"
            shown[identity] = name
            colors[name] = timeline.colors.get(identity) or OKABE_ITO[len(colors) % len(OKABE_ITO)]
    for identity, _ in timeline.series:
        if identity not in shown:
            shown[identity] = "other"
            colors["other"] = OTHERS
    return shown, colors


def _record(row: dict[str, Any], name: str, measure: str) -> dict[str, Any]:
    """What a mark carries: `count` is what is drawn, the rest stands in the tooltip."""
    return {
        "period": row["period"],
        "start": row["start"],
        "series": name,
        "count": row[measure],
        "articles": row["articles"],
        "documents": row["documents"],
        "collected": row["collected"],
        "share": row["share"],
    }


def _records(timeline: Timeline, shown: dict[str, str], measure: str) -> list[dict[str, Any]]:
    """One record a period and series shown; series that are shown as one are summed. Periods without data have none."""
    summed: dict[tuple[str, str], dict[str, Any]] = {}
    for row in timeline.rows:
        if row["state"] == "no data":
            continue
        name = shown[row["id"]]
        new = _record(row, name, measure)
        known = summed.setdefault((row["period"], name), new)
        if known is not new:
            for field in ("count", "articles", "documents", "share"):
                known[field] += new[field]
    return list(summed.values())


def _stacked(records: list[dict[str, Any]], spans: list[_Span], order: list[str], height: str) -> list[dict[str, Any]]:
    """The records that have something to show, with the corners of their bars; a gap is left between periods."""
    at = {span.start.isoformat(): span for span in spans}
    gap = 0.12 if len(spans) <= 60 else 0.0
    reached: dict[str, float] = {}
    found = []
    for record in sorted(records, key=lambda record: (record["start"], order.index(record["series"]))):
        span = at[record["start"]]
        low = reached.get(span.period, 0.0)
        reached[span.period] = high = low + record[height]
        margin = (span.end - span.start) * gap / 2
        if record[height]:
            corners = {
                "start": _moment(span.start, margin),
                "end": _moment(span.end, -margin),
                "low": low,
                "high": high,
            }
            found.append(record | corners)
    return found


def _marked(spans: list[_Span], width: int) -> list[_Span]:
    """The periods that get a label: all, or every so many, beginning with a year where there is one."""
    by = {1: "day", 7: "week"}.get(_days(spans[0]), "month" if _days(spans[0]) < 60 else "quarter")
    most = max(2, width // LABEL_WIDTH)
    step = next((step for step in _STEPS[by] if len(spans) / step <= most), len(spans) // most + 1)
    first = 0
    if by in ("month", "quarter") and step > 1:
        first = next((i for i, span in enumerate(spans[:step]) if _number(span, by) % step == 0), 0)
    return spans[first::step]


def _number(span: _Span, by: str) -> int:
    """Months or quarters since year 0: a multiple of 12 (4) is January (the first quarter)."""
    months = span.start.year * 12 + span.start.month - 1
    return months if by == "month" else months // 3


def _name(span: _Span) -> str:
    """A period as people write it: 14 Mar 2024, 2024-W11, Mar 2024, Q1 2024."""
    if "W" in span.period:
        return span.period
    if "Q" in span.period:
        return f"{span.period[5:]} {span.period[:4]}"
    return f"{span.start:%b %Y}" if len(span.period) == 7 else f"{span.start.day} {span.start:%b %Y}"


def _legend_columns(names: Iterable[str], width: int) -> int:
    """As many columns as fit: one row if all do."""
    widths = [len(name) * 6.2 + 40 for name in names] or [1.0]
    return len(widths) if sum(widths) <= width else max(1, int(width // max(widths)))


def _notes(timeline: Timeline, source: str, spans: list[_Span]) -> list[str]:
    what = {
        "topics": "Articles on each topic, as a share of everything collected in the period (pages off topic included).",
        "stances": "Statements found on each side, each counted once however often its text was reprinted.",
        "actors": "Statements found, by speaker; all rows on one scale.",
    }[timeline.kind]
    second = f"Source: {source}, {utc_now().date().isoformat()}."
    if any(span.empty for span in spans):
        second += " Grey: nothing was collected, which is not zero."
    if timeline.undated:
        articles = "article" if timeline.undated == 1 else "articles"
        second += f" {timeline.undated} {articles} without a date left out."
    return [what, second]


def _days(span: _Span) -> int:
    return (span.end - span.start).days


def _moment(day: date, later: timedelta = timedelta()) -> str:
    """A day, and how much later, as a UTC moment that Vega reads the same in every time zone."""
    seconds = int(later.total_seconds())
    moved = day + timedelta(days=seconds // 86400)
    rest = seconds % 86400
    return f"{moved.isoformat()}T{rest // 3600:02}:{rest % 3600 // 60:02}:{rest % 60:02}Z"


def _milliseconds(span: _Span) -> int:
    """The middle of a period, in milliseconds since 1970, as Vega counts."""
    return (span.start.toordinal() - date(1970, 1, 1).toordinal()) * 86_400_000 + _days(span) * 43_200_000
