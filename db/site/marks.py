"""Puts marks into a text: statements, mentions, speakers. Pure; everything from the text is escaped."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from markupsafe import Markup, escape


@dataclass(frozen=True, slots=True)
class Span:
    """A passage to mark: character offsets, CSS classes, a hover text, an address, and an anchor for its first piece."""

    start: int
    end: int
    css: str
    title: str = ""
    href: str | None = None
    anchor: str | None = None


def paragraph_around(text: str, start: int, end: int) -> tuple[int, int]:
    """Offsets of the paragraphs (separated by blank lines) that a passage lies in."""
    before, after = text.rfind("\n\n", 0, start), text.find("\n\n", end)
    return (before + 2 if before >= 0 else 0), (after if after >= 0 else len(text))


def paragraphs(text: str, spans: Sequence[Span], *, start: int = 0, end: int | None = None) -> list[Markup]:
    """The paragraphs of text[start:end], each as safe HTML with its marks. Spans may overlap: of those with an address the
    first one named wins, since links cannot lie within links."""
    end = len(text) if end is None else end
    result = []
    at = start
    for piece in text[start:end].split("\n\n"):
        if piece.strip():
            result.append(_marked(text, at, at + len(piece), spans))
        at += len(piece) + 2
    return result


def _marked(text: str, start: int, end: int, spans: Iterable[Span]) -> Markup:
    inside = [span for span in spans if span.start < end and span.end > start]
    cuts = sorted({start, end, *(min(max(edge, start), end) for span in inside for edge in (span.start, span.end))})
    pieces = []
    for left, right in pairwise(cuts):
        piece: Markup = escape(text[left:right])
        active = [span for span in inside if span.start <= left and span.end >= right]
        link = next((span for span in active if span.href), None)
        # The widest mark lies outside, so that a name within a statement stays a mark within a mark.
        for span in sorted(active, key=lambda s: s.end - s.start):
            anchor = Markup(' id="{}"').format(span.anchor) if span.anchor and span.start == left else Markup("")
            if span is link:
                piece = Markup('<a class="{}" title="{}" href="{}"{}>{}</a>').format(
                    span.css, span.title, span.href, anchor, piece
                )
            else:
                piece = Markup('<mark class="{}" title="{}"{}>{}</mark>').format(span.css, span.title, anchor, piece)
        pieces.append(piece)
    return Markup("<br>").join(Markup("").join(pieces).split("\n"))
