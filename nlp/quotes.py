"""Finds quotations in a text by their marks. Pure: characters in, offsets out; nothing here knows who speaks.

Straight and curly double marks, guillemets, and single marks where a British text uses them; a quotation that runs over
several paragraphs (each opening with a mark, only the last one closed) is one quotation in several pieces.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

_PARAGRAPH = re.compile(r"[^\n]+(?:\n(?!\s*\n)[^\n]+)*")
_PAIRS = {"“": "”", "«": "»", "„": "“”"}
_SINGLE_OPEN = re.compile(r"(?:(?<=^)|(?<=[\s(\[—–:\"“]))['‘](?=[\w\[…])(?!(?:em|tis|twas|til|cause|n)\b|\d0s)")
# A closing single mark follows a word or a full stop and ends it: not the apostrophe inside "don't".
_SINGLE_CLOSE = re.compile(r"(?<=[\w.,!?;…\])])['’](?!\w)")


@dataclass(frozen=True, slots=True)
class Quote:
    """One piece of a quotation, marks included; pieces of one quotation over paragraphs share their `chain`."""

    start: int
    end: int
    chain: int

    @property
    def inner(self) -> tuple[int, int]:
        """Offsets without the marks."""
        return self.start + 1, max(self.start + 1, self.end - 1)


def paragraphs(text: str) -> list[tuple[int, int]]:
    """Offsets of the paragraphs: stretches between blank lines."""
    return [match.span() for match in _PARAGRAPH.finditer(text)]


def find_quotes(text: str) -> list[Quote]:
    """Every outermost quotation of the text in order, words of a few letters in marks included."""
    quotes: list[Quote] = []
    chain = 0
    running = False
    for start, end in paragraphs(text):
        for begin, stop, closed in _in_paragraph(text, start, end):
            # A paragraph that opens with a mark after one that never closed goes on with the same quotation.
            if not (running and not text[start:begin].strip()):
                chain += 1
            running = not closed
            quotes.append(Quote(begin, stop, chain))
    return quotes


def _in_paragraph(text: str, start: int, end: int) -> Iterator[tuple[int, int, bool]]:
    """Start, end and whether it is closed of each outermost quotation between the offsets."""
    position = start
    while position < end:
        char = text[position]
        if char in _PAIRS or char == '"':
            close = _closing(text, position, end, _PAIRS.get(char, '"'))
            if close is None:
                # Never closed: a quotation up to the end of the paragraph when it holds a sentence, else a stray mark.
                if " " in text[position:end] and _opens(text, position, start):
                    yield position, end, False
                    return
                position += 1
                continue
            yield position, close + 1, True
            position = close + 1
        elif char in "'‘" and _SINGLE_OPEN.match(text, position):
            match = _SINGLE_CLOSE.search(text, position + 1, end)
            match = _last_before_break(text, match, end)
            if match is None or '"' in text[position : match.start()] or "“" in text[position : match.start()]:
                position += 1
                continue
            yield position, match.end(), True
            position = match.end()
        else:
            position += 1


def _opens(text: str, position: int, start: int) -> bool:
    return position == start or text[position - 1] in " \t\n([—–:'‘"


def _closing(text: str, position: int, end: int, marks: str) -> int | None:
    """Where the quotation opened at `position` closes; curly quotations of the same kind nest."""
    depth = 0
    for index in range(position + 1, end):
        char = text[index]
        if char in marks:
            if depth == 0:
                return index
            depth -= 1
        elif char == text[position] and char != '"':
            depth += 1
    return None


def _last_before_break(text: str, match: re.Match[str] | None, end: int) -> re.Match[str] | None:
    """A plural's apostrophe ("the labs' weights") is no closing mark when a better one follows in the same sentence."""
    while match is not None and text[match.start() - 1] == "s" and text[match.end() : match.end() + 1] == " ":
        later = _SINGLE_CLOSE.search(text, match.end(), end)
        if later is None or _SINGLE_OPEN.search(text, match.end(), later.start()):
            break
        match = later
    return match


def covered(quotes: list[Quote], start: int, end: int) -> int:
    """How many characters between the offsets stand in quotations."""
    return sum(max(0, min(end, quote.end) - max(start, quote.start)) for quote in quotes)
