"""The panels that charts are put together from: bars, lines, intervals, and marks of sources. Only altair objects, no database.

Every function takes the altair module, for who draws nothing does not load it, and a width in pixels.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from db.chart_axis import Span, bands, frame, moment, time_axis
from db.timelines import Timeline

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#6A5ACD", "#8C6D31")
OTHERS = "#9A9A9A"
MAX_SERIES = 8
"""Series with a colour of their own; the rest are summed as "other", because nobody tells more than eight colours apart."""

HEIGHT = 320
SHARE_HEIGHT = 130
MARKS_HEIGHT = 18
ROW_HEIGHT = 46


def stacked_bars(alt: Any, timeline: Timeline, spans: list[Span], width: int) -> Any:
    """Stacked bars that span their period. The stacks are added up here, so that a bar has its period's width."""
    measure = {"topics": "articles", "terms": "uses"}.get(timeline.kind, "statements")
    by_share = timeline.kind == "topics"
    shown, colors = _series(timeline, measure)
    order = list(colors)
    axis = (
        alt.Axis(format=".0%", title="share of what was collected", tickCount=5)
        if by_share
        else _count_axis(alt, measure, 6)
    )
    records = _stacked(_records(timeline, shown, measure), spans, order, "share" if by_share else "count")
    highest = max((record["high"] for record in records), default=0)
    chosen = alt.selection_point(fields=["series"], bind="legend")
    drawn = (
        alt.Chart(alt.Data(values=records))
        .mark_rect(stroke="#FFFFFF", strokeWidth=0.4)
        .add_params(chosen)
        .encode(
            opacity=alt.condition(chosen, alt.value(1.0), alt.value(0.2)),
            x=time_axis(alt, "start", spans, width),
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
    return alt.layer(frame(alt, spans, width), *bands(alt, spans, width, HEIGHT), drawn).properties(
        width=width, height=HEIGHT
    )


def actor_rows(alt: Any, timeline: Timeline, spans: list[Span], width: int) -> Any:
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
            x=time_axis(alt, "middle", spans, width, labels=last), y=y
        )
        line = base.mark_line(
            color=OKABE_ITO[0],
            strokeWidth=1.6,
            invalid="break-paths-show-domains",
            point=alt.OverlayMarkDef(size=16, filled=True, color=OKABE_ITO[0]),
        ).encode(x=time_axis(alt, "middle", spans, width, labels=last), y=y, tooltip=_tooltip(alt, "statements"))
        name = alt.TitleParams(text=label, anchor="start", fontSize=12, fontWeight="normal", offset=3, frame="group")
        ends = frame(alt, spans, width, labels=last)
        layers = alt.layer(ends, *bands(alt, spans, width, ROW_HEIGHT, labels=last, words=False), area, line)
        rows.append(layers.properties(width=width, height=ROW_HEIGHT, title=name))
    return alt.vconcat(*rows, spacing=4)


def polarisation_line(alt: Any, timeline: Timeline, spans: list[Span], width: int) -> Any:
    """A line that breaks where there is no figure."""
    at = {span.period: span for span in spans}
    values = [{**row, "middle": at[row["period"]].middle} for row in timeline.rows]
    line = (
        alt.Chart(alt.Data(values=values))
        .mark_line(
            color=OKABE_ITO[0],
            strokeWidth=2,
            invalid="break-paths-show-domains",
            point=alt.OverlayMarkDef(size=36, filled=True, color=OKABE_ITO[0]),
        )
        .encode(
            x=time_axis(alt, "middle", spans, width),
            y=alt.Y("polarisation:Q", axis=alt.Axis(title="polarisation", tickCount=5), scale=alt.Scale(domain=[0, 1])),
            tooltip=[alt.Tooltip(f"{name}:N") for name in ("period", "polarisation", "actors", "pairs", "statements")],
        )
    )
    ends = frame(alt, spans, width)
    return alt.layer(ends, *bands(alt, spans, width, HEIGHT), line).properties(width=width, height=HEIGHT)


def shares(alt: Any, timeline: Timeline, spans: list[Span], width: int) -> list[Any]:
    """For stances: each side's part of the statements, with its interval. A period with one text has no width to show."""
    if timeline.kind != "stances":
        return []
    at = {span.period: span for span in spans}
    shown, colors = _series(timeline, "statements")
    # Side by side within their period, so that no interval hides another.
    places = {name: (number + 1) / (len(colors) + 1) for number, name in enumerate(colors)}
    values = [
        {
            "middle": at[row["period"]].part(places[shown[row["id"]]]),
            "period": row["period"],
            "series": shown[row["id"]],
            "part": row["statement_share"],
            "low": row["statement_share_low"],
            "high": row["statement_share_high"],
        }
        for row in timeline.rows
        if row["statement_share"] and row["statement_share_low"] is not None
    ]
    base = alt.Chart(alt.Data(values=values))
    color = alt.Color("series:N", legend=None, scale=alt.Scale(domain=list(colors), range=list(colors.values())))
    axis = alt.Axis(format=".0%", title=["part of statements,", "95 % interval"], tickCount=3)
    x = time_axis(alt, "middle", spans, width, labels=False)
    y = alt.Y("part:Q", axis=axis, scale=alt.Scale(domain=[0, 1]))
    tooltip = [
        alt.Tooltip("period:N"),
        alt.Tooltip("series:N", title="what"),
        alt.Tooltip("part:Q", format=".0%", title="part of statements"),
        alt.Tooltip("low:Q", format=".0%", title="at least"),
        alt.Tooltip("high:Q", format=".0%", title="at most"),
    ]
    low = alt.Y("low:Q", axis=axis, scale=alt.Scale(domain=[0, 1]))
    rules = base.mark_rule(strokeWidth=1.4).encode(x=x, y=low, y2="high", color=color, tooltip=tooltip)
    points = base.mark_point(filled=True, size=24, opacity=1).encode(x=x, y=y, color=color, tooltip=tooltip)
    ends = frame(alt, spans, width, labels=False)
    empty = bands(alt, spans, width, SHARE_HEIGHT, labels=False, words=False)
    return [alt.layer(ends, *empty, rules, points).properties(width=width, height=SHARE_HEIGHT)]


def event_marks(alt: Any, timeline: Timeline, spans: list[Span], width: int) -> list[Any]:
    """A strip of triangles: up where a source was added or came back, down where one fell silent."""
    at = {span.period: span for span in spans}
    grouped: dict[tuple[str, bool], list[str]] = {}
    for event in told_events(timeline):
        grouped.setdefault((event["period"], event["event"] == "silent"), []).append(event["source"])
    if not grouped:
        return []
    values = [
        {
            "middle": at[period].middle,
            "period": period,
            "what": "fell silent" if silent else "added, or came back",
            "sources": ", ".join(names),
            "place": 0 if silent else 1,
        }
        for (period, silent), names in grouped.items()
    ]
    marks = (
        alt.Chart(alt.Data(values=values))
        .mark_point(filled=True, size=44, opacity=1)
        .encode(
            x=time_axis(alt, "middle", spans, width, labels=False),
            y=alt.Y("place:Q", axis=None, scale=alt.Scale(domain=[-0.4, 1.4])),
            shape=alt.Shape(
                "what:N",
                legend=None,
                scale=alt.Scale(domain=["fell silent", "added, or came back"], range=["triangle-down", "triangle-up"]),
            ),
            color=alt.Color(
                "what:N",
                legend=None,
                scale=alt.Scale(domain=["fell silent", "added, or came back"], range=["#B34700", "#4D4D4D"]),
            ),
            tooltip=[alt.Tooltip("period:N"), alt.Tooltip("what:N"), alt.Tooltip("sources:N")],
        )
    )
    ends = frame(alt, spans, width, labels=False)
    return [alt.layer(ends, marks).resolve_scale(color="independent").properties(width=width, height=MARKS_HEIGHT)]


def told_events(timeline: Timeline) -> list[dict[str, Any]]:
    """The events that change the base within the chart: sources that are there from its first period were not added in it."""
    first = timeline.rows[0]["period"] if timeline.rows else ""
    return [event for event in timeline.events if event["event"] != "added" or event["period"] != first]


def nothing(alt: Any, width: int) -> Any:
    """What stands where there is nothing to draw."""
    words = alt.Chart(alt.Data(values=[{"words": "nothing to show: no article of this choice has a date"}]))
    return (
        words.mark_text(color="#6F6F6F", fontSize=13)
        .encode(text="words:N")
        .properties(width=width, height=ROW_HEIGHT * 2)
    )


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


def _series(timeline: Timeline, measure: str) -> tuple[dict[str, str], dict[str, str]]:
    """Series id -> name shown, and name shown -> colour. Beyond MAX_SERIES the smallest are shown as one, "other",
    and those of which there is nothing not at all."""
    totals = dict.fromkeys((identity for identity, _ in timeline.series), 0)
    for row in timeline.rows:
        totals[row["id"]] += row[measure] or 0
    largest = sorted(totals, key=lambda identity: -totals[identity])[:MAX_SERIES]
    shown: dict[str, str] = {}
    colors: dict[str, str] = {}
    for identity, label in timeline.series:
        if identity in largest and (totals[identity] or len(totals) <= MAX_SERIES):
            name = label if label not in shown.values() else f"{label} ({identity})"
            shown[identity] = name
            colors[name] = timeline.colors.get(identity) or OKABE_ITO[len(colors) % len(OKABE_ITO)]
    for identity, _ in timeline.series:
        if identity not in largest and totals[identity]:
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
    """One record a period and series shown; series that are shown as one are summed. Periods in which nothing was collected have
    none."""
    summed: dict[tuple[str, str], dict[str, Any]] = {}
    for row in timeline.rows:
        if not row["collected"] or row["id"] not in shown:
            continue
        name = shown[row["id"]]
        new = _record(row, name, measure)
        known = summed.setdefault((row["period"], name), new)
        if known is not new:
            known["count"] += new["count"]
            for field in ("articles", "documents", "share"):
                # A text has one topic, but may use several terms: it would count for each of them.
                known[field] = known[field] + new[field] if timeline.kind == "topics" else None
    return list(summed.values())


def _stacked(records: list[dict[str, Any]], spans: list[Span], order: list[str], height: str) -> list[dict[str, Any]]:
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
                "start": moment(span.start, margin),
                "end": moment(span.end, -margin),
                "low": low,
                "high": high,
            }
            found.append(record | corners)
    return found


def _legend_columns(names: Iterable[str], width: int) -> int:
    """As many columns as fit: one row if all do."""
    widths = [len(name) * 6.2 + 40 for name in names] or [1.0]
    return len(widths) if sum(widths) <= width else max(1, int(width // max(widths)))
