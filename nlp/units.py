"""Cuts a text into units, the smallest stretches that can carry a view: sentences, and turns of a transcript. Pure.

Own rules rather than the parser's sentences: a unit never ends inside an abbreviation, a sentence that goes on after a
quotation ("Is it safe?" she asked) stays whole, and comments without capitals are cut as well.
"""

import re
from dataclasses import dataclass

from nlp.quotes import paragraphs

_END = re.compile(r"(?:[.!?…]+|\.{3})(?P<close>[\"”’'»)\]]*)(?=\s)")
_ABBREVIATIONS = frozenset(
    [
        "mr",
        "mrs",
        "ms",
        "dr",
        "prof",
        "sen",
        "rep",
        "gov",
        "gen",
        "lt",
        "col",
        "maj",
        "capt",
        "sgt",
        "hon",
        "rev",
        "st",
        "jr",
        "sr",
        "vs",
        "v",
        "inc",
        "ltd",
        "co",
        "corp",
        "llc",
        "plc",
        "no",
        "nos",
        "art",
        "fig",
        "jan",
        "feb",
        "mar",
        "apr",
        "jun",
        "jul",
        "aug",
        "sep",
        "sept",
        "oct",
        "nov",
        "dec",
        "e.g",
        "i.e",
        "etc",
        "cf",
        "al",
        "approx",
        "est",
        "u.s",
        "u.k",
        "e.u",
        "a.i",
        "ph.d",
        "d.c",
        "u.n",
        "mt",
        "ft",
    ]
)
# "HOST:", "RADOVAN ILIC:", "Q:", "A (Dr Ashdown, lecturer):", "Senator Holt:" at the start of a paragraph or a sentence.
_CAPITALS = r"(?:[A-ZÀ-Ý][A-ZÀ-Ý.'’-]*)(?:\s+[A-ZÀ-Ý][A-ZÀ-Ý.'’-]*){0,4}"
_NAMED = r"(?:[A-ZÀ-Ý][\w.'’-]+)(?:\s+(?:de|van|von|der|la|al|[A-ZÀ-Ý][\w.'’-]*)){1,4}"
_LABEL = re.compile(
    rf"(?P<name>{_CAPITALS}|{_NAMED}|[A-Z]|@[\w.-]+)\s*(?P<note>\([^()]{{2,80}}\))?\s*:\s+(?P<after>\([^()]{{2,80}}\)\s+)?"
)
# "LONDON (Harbour Wire) - " and "CREEK BEND, Iowa (AP) - " say where a report was filed, not who speaks.
_DATELINE = re.compile(
    r"[A-ZÀ-Ý][A-ZÀ-Ý .'’/-]{2,40}(?:, [A-Z][\w. ]{1,20})?(?:, \w+\.? \d{1,2})?\s*(?:\([^()\n]{2,40}\))?\s*[-–—]{1,2} "
)
_NOT_LABEL = frozenset(
    [
        "UPDATE",
        "NOTE",
        "NB",
        "PS",
        "EDIT",
        "TLDR",
        "CORRECTION",
        "HEADLINE",
        "BREAKING",
        "SUMMARY",
        "WASHINGTON",
        "LONDON",
        "BRUSSELS",
        "PARIS",
        "BEIJING",
        "BERLIN",
    ]
)


@dataclass(frozen=True, slots=True)
class Unit:
    """One unit; `label` are the offsets of the name that a transcript sets before it, `paragraph` counts from 0."""

    start: int
    end: int
    paragraph: int
    label: tuple[int, int] | None = None


def split_units(text: str) -> list[Unit]:
    """The units of the text in order; they do not overlap, and leave out white space and transcript labels."""
    units: list[Unit] = []
    for number, (start, end) in enumerate(paragraphs(text)):
        label: tuple[int, int] | None = None
        for begin, stop in _sentences(text, start, end):
            begin = max(begin, dateline_end(text, start)) if begin == start else begin
            found = _label(text, begin, stop)
            if found is not None:
                label, begin = found
            if begin < stop:
                units.append(Unit(begin, stop, number, label))
    return units


def dateline_end(text: str, start: int) -> int:
    """Where the report begins behind the dateline of the paragraph at `start`; `start` itself when there is none."""
    match = _DATELINE.match(text, start)
    return match.end() if match is not None else start


def _sentences(text: str, start: int, end: int) -> list[tuple[int, int]]:
    cuts: list[int] = []
    for match in _END.finditer(text, start, end):
        if _ends_here(text, match, start, end):
            cuts.append(match.end())
    spans: list[tuple[int, int]] = []
    begin = start
    for cut in [*cuts, end]:
        piece = text[begin:cut]
        stripped = piece.strip()
        if stripped:
            left = begin + len(piece) - len(piece.lstrip())
            spans.append((left, left + len(stripped)))
        begin = cut
    return spans


def _ends_here(text: str, match: re.Match[str], start: int, end: int) -> bool:
    rest = text[match.end() : min(end, match.end() + 40)].lstrip()
    following = rest.lstrip("\"“‘'(«[—–- ")[:1]
    if not following:
        return False
    word = re.search(r"[\w.'’-]*$", text[start : match.start()])
    before = word.group().casefold() if word else ""
    if match.group().startswith(".") and not match.group("close") and match.group() == ".":
        if before in _ABBREVIATIONS or (len(before) == 1 and before.isalpha() and before != "i"):
            return False
        if re.fullmatch(r"(?:[a-z]\.)+[a-z]", before) and not following.isupper():
            return False
    if following.isupper() or following.isdigit():
        return True
    # Lower case goes on after a quotation or an ellipsis; otherwise it is a sentence of somebody who shuns capitals.
    if match.group("close") or match.group()[0] == "…" or match.group().startswith(".."):
        return False
    return following.islower() or not following.isalnum()


def _label(text: str, begin: int, end: int) -> tuple[tuple[int, int], int] | None:
    """Offsets of a transcript's speaker label at `begin` and where the words begin, or None."""
    match = _LABEL.match(text, begin, end)
    if match is None or match.group("name").split()[0] in _NOT_LABEL:
        return None
    span = match.span("name")
    note = "after" if match.group("after") else "note"
    if len(match.group("name")) == 1 and match.group(note):
        left, right = match.span(note)
        inner = text[left:right].strip()
        left += text[left:right].index("(") + 1
        span = (left, left + len(inner) - 2)
    return span, match.end()
