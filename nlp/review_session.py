"""Goes through statements with a person: one key each on a terminal, the first letter of a line where answers are piped in."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

import click

from db.models import AUTHOR
from db.reviews import Review, ReviewItem
from db.store import Store

RIGHT, SIDE, SPEAKER, NONE, SKIP, QUIT = "rwpnsq"
KEYS: Final = "[r]ight  [w]rong side  wrong s[p]eaker  [n]ot a statement  [s]kip  [q]uit"

Ask = Callable[[str], str]


def review_with(store: Store, reviewer: str, limit: int) -> None:
    """Reviews at most `limit` statements; each review is written at once."""
    terminal = sys.stdin.isatty()
    key = click.getchar if terminal else lambda: _line("")[:1]
    for review, item in review_statements(
        store.statements_to_review(reviewer, limit), reviewer, store.side_ids(), key=key, line=_line
    ):
        store.save_review(review, item)


def _line(prompt: str) -> str:
    """One line of standard input, after a prompt; EOFError at its end."""
    click.echo(prompt, nl=False)
    line = sys.stdin.readline()
    if not line:
        raise EOFError
    return line.strip()


def review_statements(
    items: Iterable[ReviewItem], reviewer: str, sides: Sequence[str], *, key: Callable[[], str], line: Ask
) -> Iterator[tuple[Review, ReviewItem]]:
    """Shows each statement and yields what the person says of it, until they quit or the input ends (EOFError).

    key: reads one key. line: shows a prompt and reads a line.
    """
    for number, item in enumerate(items, 1):
        click.echo(_shown(number, item))
        try:
            review = _ask(item, reviewer, sides, key, line)
        except EOFError:
            return
        if review is not None:
            yield review, item


def _shown(number: int, item: ReviewItem) -> str:
    evidence = click.style(_plain(item.text), bold=True, underline=True)
    speaker = "the author" if item.speaker == AUTHOR else _plain(item.speaker)
    return (
        f"\n{number}. {_plain(item.title)}\n   {_plain(item.before[-300:])} {evidence} {_plain(item.after[:300])}\n"
        f"   {click.style(speaker, bold=True)}: {click.style(item.side, bold=True)} ({item.score:.2f})"
    )


def _plain(text: str) -> str:
    """A page's text on one line; what could steer a terminal is left out."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _ask(item: ReviewItem, reviewer: str, sides: Sequence[str], key: Callable[[], str], line: Ask) -> Review | None:
    """The review; None to skip. Quitting is EOFError, like the end of the input."""
    click.echo(f"   {KEYS}")
    while True:
        pressed = key().lower()
        if pressed in (QUIT, "\x03", "\x04"):
            raise EOFError
        if pressed == SKIP:
            return None
        place = (item.document_sha256, item.start, item.end, reviewer)
        if pressed == RIGHT:
            return Review(*place, "right", item.side, item.speaker)
        if pressed == NONE:
            return Review(*place, "no statement", None, None)
        if pressed == SIDE:
            return Review(*place, "wrong side", _side(item, sides, line), item.speaker)
        if pressed == SPEAKER:
            name = line(f"   who says it ({AUTHOR} for the author of the text): ").strip()
            if name:
                return Review(*place, "wrong speaker", _side(item, sides, line, same=True), name)
        click.echo(f"   {KEYS}")


def _side(item: ReviewItem, sides: Sequence[str], line: Ask, *, same: bool = False) -> str:
    """The side that the person names, by its first letters; `same` allows an empty line for the side shown."""
    choices = sides if same else [side for side in sides if side != item.side]
    while True:
        said = line(f"   side ({', '.join(choices)}{'; empty: as shown' if same else ''}): ").strip().lower()
        if same and not said:
            return item.side
        named = [side for side in choices if said and side.startswith(said)]
        if len(named) == 1:
            return named[0]
