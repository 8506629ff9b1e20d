"""Timelines as charts: Vega-Lite specifications through altair, drawn by vl-convert without a browser. No input, no database.

Colours are told apart by colour-blind readers (Okabe and Ito 2008, https://jfly.uni-koeln.de/color/); a period without data is a
grey band, never a zero. HTML is self-contained: Vega is inlined, nothing is loaded from elsewhere.
"""

from __future__ import annotations

from datetime import date
from typing import Any

from db.timelines import Timeline

OKABE_ITO = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#6A5ACD", "#8C6D31")
OTHERS = "#9A9A9A"
MAX_SERIES = 8
"""Series with a colour of their own; the rest are summed as "other", because nobody tells more than eight colours apart."""

_TITLES = {"topics": "Topics", "stances": "Sides taken", "actors": "Who speaks"}
_UNITS = {"day": "day", "week": "ISO week", "month": "month", "quarter": "quarter"}
_TICKS = {"day": "%-d %b %Y", "week": "%-d %b %Y", "month": "%b %Y", "quarter": "%b %Y"}


def chart(timeline: Timeline, *, title: str | None = None, source: str = "Debatewatch") -> Any:
    """A timeline as an altair chart: stacked bars of articles for topics and stances, lines of statements for actors.

    title: of the chart, else one made of kind and dates. source: what the source line names.
    """
    import altair as alt
    import pandas as pd

    alt.data_transformers.disable_max_rows()
    measure = "statements" if timeline.kind == "actors" else "articles"
    shown, colors = _series(timeline, measure)
    data = _records(timeline, shown)
    order = list(dict.fromkeys(shown.values()))
    periods = sorted({row["start"] for row in timeline.rows})
    width = min(1100, max(420, 22 * len(periods)))
    frame = pd.DataFrame(data, columns=["period", "start", "series", "count", "documents", "collected", "share"])
    gaps = pd.DataFrame(_gaps(timeline), columns=["period", "start", "end"])
    frame["start"] = pd.to_datetime(frame["start"])
    gaps["start"], gaps["end"] = pd.to_datetime(gaps["start"]), pd.to_datetime(gaps["end"])
    x = alt.X(
        "start:T",
        title=None,
        axis=alt.Axis(format=_TICKS[timeline.by], labelAngle=-40, labelOverlap="greedy", grid=False),
        scale=alt.Scale(type="utc"),
    )
    color = alt.Color(
        "series:N",
        title=None,
        sort=order,
        scale=alt.Scale(domain=order, range=[colors[name] for name in order]),
        legend=alt.Legend(orient="bottom", columns=max(1, width // 270), labelLimit=240, symbolType="square"),
    )
    tooltip = [
        alt.Tooltip("period:N"),
        alt.Tooltip("series:N"),
        alt.Tooltip("count:Q", title=measure),
        alt.Tooltip("documents:Q", title="unique texts"),
        alt.Tooltip("collected:Q", title="collected"),
        alt.Tooltip("share:Q", format=".1%"),
    ]
    base = alt.Chart(frame)
    if timeline.kind == "actors":
        marks = base.mark_line(point=True).encode(
            x=x, y=alt.Y("count:Q", title="statements"), color=color, tooltip=tooltip
        )
    else:
        # Bars of one period in width, so that a gap in time is a gap in the chart.
        marks = base.mark_bar(width={"expr": f"max(2, width / {max(1, len(periods))} - 2)"}).encode(
            x=x,
            y=alt.Y("share:Q", stack=True, title="share of what was collected", axis=alt.Axis(format="%")),
            color=color,
            order=alt.Order("rank:Q"),
            tooltip=tooltip,
        )
        frame["rank"] = frame["series"].map({name: position for position, name in enumerate(order)})
        base.data = frame
    bands = (
        alt.Chart(gaps)
        .mark_rect(color="#B0B0B0", opacity=0.28)
        .encode(x=alt.X("start:T"), x2="end:T", tooltip=[alt.Tooltip("period:N", title="no data in")])
    )
    layers = alt.layer(bands, marks) if len(gaps) else alt.layer(marks)
    span = (
        f"{timeline.rows[0]['period']} to {timeline.rows[-1]['period']}" if timeline.rows else "nothing collected yet"
    )
    heading = alt.TitleParams(
        text=title or f"{_TITLES[timeline.kind]} by {_UNITS[timeline.by]}, {span}",
        subtitle=_notes(timeline, source, bool(len(gaps))),
        anchor="start",
        fontSize=16,
        subtitleFontSize=11,
        subtitleColor="#555555",
        offset=14,
    )
    return (
        layers.properties(width=width, height=320, title=heading)
        .configure(font="Helvetica, Arial, sans-serif", background="#FFFFFF", padding=18)
        .configure_view(stroke=None)
        .configure_axis(labelFontSize=11, titleFontSize=11, titleFontWeight="normal", gridColor="#E6E6E6")
    )


def draw(timeline: Timeline, format: str, *, title: str | None = None, source: str = "Debatewatch") -> bytes:
    """The chart as a file: "html" (interactive, self-contained), "svg" or "png" (at twice the size, fit for print)."""
    import vl_convert

    spec = chart(timeline, title=title, source=source).to_json()
    if format == "html":
        return str(vl_convert.vegalite_to_html(spec, bundle=True)).encode()
    if format == "svg":
        return str(vl_convert.vegalite_to_svg(spec)).encode()
    return bytes(vl_convert.vegalite_to_png(spec, scale=2))


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


def _records(timeline: Timeline, shown: dict[str, str]) -> list[dict[str, Any]]:
    """One record a period and series shown; series that are shown as one are summed."""
    measure = "statements" if timeline.kind == "actors" else "articles"
    summed: dict[tuple[str, str], dict[str, Any]] = {}
    for row in timeline.rows:
        if row["state"] == "no data":
            continue
        name = shown[row["id"]]
        record = summed.setdefault(
            (row["period"], name),
            {
                "period": row["period"],
                "start": row["start"],
                "series": name,
                "count": 0,
                "documents": 0,
                "collected": row["collected"],
                "share": 0.0,
            },
        )
        record["count"] += row[measure]
        record["documents"] += row["documents"]
        record["share"] += row["share"]
    return list(summed.values())


def _gaps(timeline: Timeline) -> list[dict[str, str]]:
    """Periods of which nothing was collected, each from its first day to the first day of the next."""
    starts = sorted({(row["start"], row["period"], row["state"] == "no data") for row in timeline.rows})
    found = []
    for position, (start, period, empty) in enumerate(starts):
        if empty and position + 1 < len(starts):
            found.append({"period": period, "start": start, "end": starts[position + 1][0]})
    return found


def _notes(timeline: Timeline, source: str, gaps: bool) -> list[str]:
    what = (
        "Statements found, by speaker."
        if timeline.kind == "actors"
        else "Share of everything collected in the period, pages off topic included; an article may carry more than one."
    )
    second = f"Source: {source}, {date.today().isoformat()}. Reprints count as articles."  # noqa: DTZ011
    if gaps:
        second += " Grey: nothing was collected."
    if timeline.undated:
        second += f" {timeline.undated} articles without a date are left out."
    return [what, second]
