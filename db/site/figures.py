"""Small charts as inline SVG, for pages that must be readable without JavaScript. Pure; every label is escaped.

Colours are the sides' own (debate.toml; the shipped ones are of the Okabe-Ito palette, safe for colour-blind readers), and each
chart says in text what it shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from markupsafe import Markup

_COLORS = ("#0072B2", "#D55E00", "#8C6BB1", "#8A8A8A", "#009E73", "#CC79A7")


def stacked_bars(
    periods: Sequence[str],
    series: Sequence[tuple[str, str]],
    counts: Mapping[tuple[str, str], int | None],
    *,
    colors: Mapping[str, str] | None = None,
    title: str,
    height: int = 220,
) -> Markup:
    """Bars by period, one colour a series. periods: "2024-Q1" or "2024-03"; counts: (period, series id) -> number, None for
    "nothing was collected" (drawn as a hatched column, which is not a zero)."""
    if not periods:
        return Markup("")
    width, left, bottom, top = 720, 34, 22, 8
    plot_height, step = height - bottom - top, (width - left) / len(periods)
    totals = {p: sum(counts.get((p, key)) or 0 for key, _ in series) for p in periods}
    ceiling = _ceiling(max(totals.values()) or 1)
    parts = [_grid(left, top, width, plot_height, ceiling)]
    year = ""
    for number, period in enumerate(periods):
        x = left + number * step
        if period[:4] != year:
            year = period[:4]
            parts.append(
                Markup('<text class="axis" x="{:.1f}" y="{}">{}</text>').format(x + 1, height - 6, year)
                + Markup('<line class="tick" x1="{:.1f}" x2="{:.1f}" y1="{}" y2="{}"/>').format(
                    x, x, top + plot_height, height - 4
                )
            )
        if all(counts.get((period, key)) is None for key, _ in series):
            parts.append(
                Markup(
                    '<rect class="no-data" x="{:.1f}" y="{}" width="{:.1f}" height="{}"><title>{}: nothing collected</title></rect>'
                ).format(x + 1, top, max(step - 2, 1), plot_height, period)
            )
            continue
        base = float(top + plot_height)
        for order, (key, label) in enumerate(series):
            value = counts.get((period, key)) or 0
            if not value:
                continue
            tall = value / ceiling * plot_height
            base -= tall
            parts.append(
                Markup(
                    '<rect x="{:.1f}" y="{:.1f}" width="{:.1f}" height="{:.1f}" fill="{}"><title>{}, {}: {}</title></rect>'
                ).format(
                    x + 1, base, max(step - 2, 1), max(tall, 1), color_of(key, order, colors), period, label, value
                )
            )
    return _svg(width, height, title, parts)


def lanes(
    points: Sequence[tuple[datetime, str, str, str]],
    series: Sequence[tuple[str, str]],
    *,
    colors: Mapping[str, str] | None = None,
    title: str,
) -> Markup:
    """One lane a series, one dot a point. points: (moment, series id, hover text, address)."""
    if not points:
        return Markup("")
    width, left, lane = 720, 70, 30
    height = lane * len(series) + 26
    first, last = min(p[0] for p in points), max(p[0] for p in points)
    start, finish = datetime(first.year, 1, 1, tzinfo=first.tzinfo), datetime(last.year + 1, 1, 1, tzinfo=last.tzinfo)
    scale = (width - left - 10) / (finish - start).total_seconds()

    def across(moment: datetime) -> float:
        return left + (moment - start).total_seconds() * scale

    parts = []
    for order, (_key, label) in enumerate(series):
        y = order * lane + lane / 2
        parts.append(
            Markup(
                '<line class="grid" x1="{}" x2="{}" y1="{}" y2="{}"/><text class="axis" x="0" y="{}">{}</text>'
            ).format(left, width, y, y, y + 4, label)
        )
    for year in range(first.year, last.year + 1):
        x = across(datetime(year, 1, 1, tzinfo=first.tzinfo))
        parts.append(
            Markup(
                '<line class="tick" x1="{:.1f}" x2="{:.1f}" y1="0" y2="{}"/><text class="axis" x="{:.1f}" y="{}">{}</text>'
            ).format(x, x, height - 20, x + 2, height - 6, year)
        )
    places = {key: order for order, (key, _) in enumerate(series)}
    for moment, key, hover, href in points:
        if key not in places:
            continue
        parts.append(
            Markup('<a href="{}"><circle cx="{:.1f}" cy="{}" r="6" fill="{}"><title>{}</title></circle></a>').format(
                href, across(moment), places[key] * lane + lane / 2, color_of(key, places[key], colors), hover
            )
        )
    return _svg(width, height, title, parts)


def sparkline(values: Sequence[int | None], *, title: str) -> Markup:
    """A row of thin bars; None (nothing collected) is left out, zero is a line on the ground."""
    if not values:
        return Markup("")
    width, height, most = 6 * len(values), 24, max([v or 0 for v in values] + [1])
    parts = [
        Markup('<rect class="spark" x="{}" y="{:.1f}" width="5" height="{:.1f}"/>').format(
            number * 6, height - max(value / most * height, 1), max(value / most * height, 1)
        )
        for number, value in enumerate(values)
        if value is not None
    ]
    return _svg(width, height, title, parts, css="sparkline")


def color_of(key: str, order: int, colors: Mapping[str, str] | None) -> str:
    """The colour of a series: its own, or the next of a palette."""
    return (colors or {}).get(key) or _COLORS[order % len(_COLORS)]


def _ceiling(most: int) -> int:
    for step in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10_000, 100_000):
        if most <= step * 4:
            return step * -(-most // step)
    return most


def _grid(left: int, top: int, width: int, plot_height: int, ceiling: int) -> Markup:
    values = sorted({0, ceiling // 2, ceiling})
    return Markup("").join(
        Markup(
            '<line class="grid" x1="{}" x2="{}" y1="{:.1f}" y2="{:.1f}"/><text class="axis" x="{}" y="{:.1f}">{}</text>'
        ).format(left, width, y, y, 0, y + 4, value)
        for value in values
        for y in [top + plot_height * (1 - value / ceiling)]
    )


def _svg(width: int, height: int, title: str, parts: Sequence[Markup], *, css: str = "figure") -> Markup:
    hatch = Markup(
        '<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)">'
        '<line class="hatch" x1="0" y1="0" x2="0" y2="6"/></pattern></defs>'
    )
    return Markup('<svg class="{}" viewBox="0 0 {} {}" role="img" aria-label="{}">{}{}</svg>').format(
        css, width, height, title, hatch if css == "figure" else "", Markup("").join(parts)
    )
