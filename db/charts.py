"""Timelines as charts: Vega-Lite specifications through altair, drawn by vl-convert without a browser. No input, no database.

Colours are told apart by colour-blind readers (Okabe and Ito 2008, https://jfly.uni-koeln.de/color/); a period without data is a
grey band, never a zero; triangles mark where a source was added or fell silent, for the base of all figures changes there. HTML is
self-contained: Vega is inlined, nothing is loaded from elsewhere; a click on the legend brings out a series.
"""

from __future__ import annotations

import textwrap
from typing import Any

from db.chart_axis import Span, spans_of
from db.chart_panels import (
    actor_rows,
    event_marks,
    nothing,
    polarisation_line,
    shares,
    stacked_bars,
    told_events,
)
from db.models import DebatewatchError, utc_now
from db.timelines import Timeline

MAX_EVENTS_NAMED = 12
"""Sources that the notes name one by one; all of them are marked on the chart."""
_TITLES = {
    "topics": "Topics",
    "stances": "Sides taken",
    "actors": "Who speaks",
    "terms": "Terms used",
    "polarisation": "Polarisation",
}
_UNITS = {"day": "day", "week": "ISO week", "month": "month", "quarter": "quarter"}


def chart(timeline: Timeline, *, title: str | None = None, source: str = "Debatewatch") -> Any:
    """A timeline as an altair chart: stacked bars for topics (share of what was collected) and stances (statements), and a line
    for each actor (statements), one under the other.

    title: of the chart, else one made of kind and dates. source: what the source line names.
    """
    import altair as alt

    spans = spans_of(timeline)
    width = min(1080, max(600, 16 * len(spans)))
    if not timeline.rows:
        panels = nothing(alt, width)
    elif timeline.kind == "actors":
        panels = actor_rows(alt, timeline, spans, width)
    elif timeline.kind == "polarisation":
        panels = polarisation_line(alt, timeline, spans, width)
    else:
        panels = stacked_bars(alt, timeline, spans, width)
    if timeline.rows:
        above = event_marks(alt, timeline, spans, width)
        below = shares(alt, timeline, spans, width)
        # Above the first panel, and without a title or an axis of its own: it belongs to the panel.
        panels = alt.vconcat(*above, panels, *below, spacing=6) if above or below else panels
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


def _notes(timeline: Timeline, source: str, spans: list[Span]) -> list[str]:
    what = {
        "topics": "Articles on each topic, as a share of everything collected in the period (pages off topic included).",
        "stances": "Statements found on each side, each counted once however often its text was reprinted.",
        "actors": "Statements found, by speaker; all rows on one scale.",
        "terms": "Uses of each term, each counted once however often its text was reprinted.",
        "polarisation": "0: nobody opposes anybody; 1: two camps of equal size, opposed on everything they both speak of. "
        "A period without two actors on one question has none.",
    }[timeline.kind]
    if timeline.chosen:
        what += f" Only {', '.join(f'{name} {value}' for name, value in timeline.chosen)}."
    second = f"Source: {source}, {utc_now().date().isoformat()}."
    if timeline.zone != "UTC":
        second += f" Periods in the time zone {timeline.zone}."
    if any(span.empty for span in spans):
        second += " Grey: no source was healthy, so nothing is known; that is not zero."
    if timeline.undated:
        articles = "article" if timeline.undated == 1 else "articles"
        second += f" {timeline.undated} {articles} without a date left out."
    return [what, second, *_event_notes(timeline)]


def _event_notes(timeline: Timeline) -> list[str]:
    """Names of the sources that the triangles mark."""
    told = told_events(timeline)
    parts = []
    for sign, words, kinds in (("▲", "added or back", ("added", "back")), ("▼", "fell silent", ("silent",))):
        named = [f"{event['source']} ({event['period']})" for event in told if event["event"] in kinds]
        if named:
            rest = len(named) - MAX_EVENTS_NAMED
            more = f" and {rest} more" if rest > 0 else ""
            parts.append(f"{sign} {words}: {', '.join(named[:MAX_EVENTS_NAMED])}{more}.")
    return [" ".join(parts)] if parts else []
