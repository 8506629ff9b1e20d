"""The text that a page shows and the articleBody that its data declares, put together by where they agree. Pure.

Neither is right alone. What a page shows ends in teasers, promotions and notes on its authors; articleBody often lacks subheadings,
lists and the standfirst, is cut off after a paragraph, or carries the whole page with its menus. Measured on the pages of
shared/data that declare one.
"""

from __future__ import annotations

from crawler.paragraphs import text_key

SHINGLE_WORDS = 4
SUPPORTED = 0.5
"""Share of a line's shingles that stand in the declared text, from which the line counts as declared."""
MOSTLY_DECLARED = 0.75
"""Share of the shown text that the declared one must support before its silence says anything."""
MAX_DROPPED = 0.25
"""Share of the shown text that may be dropped; where more is undeclared, the declared text is cut."""
PARAGRAPH = 80
"""Characters. A shorter line inside the text is a subheading or an item of a list, which articleBody leaves out."""
FAR_LONGER = 3.0
LONGER = 1.4
"""The declared text is taken whole where it is so many times as long and holds nearly all that is shown, or far longer anyway."""
CONTAINED = 0.9


def agree(lines: list[str], declared: str, *, whole: bool) -> list[str]:
    """The article's lines, from those shown and the declared text (paragraphs separated by blank lines; "" when there is none).

    whole: the declared text may stand for all of it; not so for microdata, which marks up the page with its menus.
    """
    if not declared:
        return lines
    text = "\n\n".join(lines)
    if len(declared) > FAR_LONGER * len(text) or (len(lines) == 1 and text_key(declared) == text_key(text)):
        # Either the page shows next to nothing, or trafilatura took this very property and lost its paragraphs.
        return declared.split("\n\n")
    support = _support(lines, declared)
    total = sum(map(len, lines))
    share = sum(len(line) * part for line, part in zip(lines, support, strict=True)) / total
    if whole and len(declared) > LONGER * len(text) and share >= CONTAINED and declared.count("\n\n") >= len(lines) / 2:
        return declared.split("\n\n")
    return _without_undeclared(lines, support) if share >= MOSTLY_DECLARED else lines


def _without_undeclared(lines: list[str], support: list[float]) -> list[str]:
    """Without what follows the last declared line, and undeclared paragraphs between declared ones."""
    declared = [number for number, part in enumerate(support) if part >= SUPPORTED]
    kept = [
        line
        for number, line in enumerate(lines)
        if number < declared[0]
        or support[number] >= SUPPORTED
        or (number < declared[-1] and (len(line) < PARAGRAPH or support[number] > 0))
    ]
    return kept if sum(map(len, kept)) >= (1 - MAX_DROPPED) * sum(map(len, lines)) else lines


def _support(lines: list[str], declared: str) -> list[float]:
    """For each line the share of its shingles of four words that stand in the declared text, 0 to 1."""
    whole = f" {text_key(declared)} "
    words = whole.split()
    shingles = {tuple(words[i : i + SHINGLE_WORDS]) for i in range(len(words) - SHINGLE_WORDS + 1)}
    shares = []
    for line in lines:
        key = text_key(line)
        own = key.split()
        parts = [tuple(own[i : i + SHINGLE_WORDS]) for i in range(len(own) - SHINGLE_WORDS + 1)]
        shares.append(
            sum(part in shingles for part in parts) / len(parts) if parts else float(f" {key} " in whole and bool(key))
        )
    return shares
