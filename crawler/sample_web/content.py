"""Reads the articles and the outlets of the sample web from their files. No HTML and no network here.

An article file is TOML front matter between `+++` lines, then plain paragraphs, `## ` subheadings and `> ` quotations;
after it `+++ update` (the whole text as it reads after the update) and `+++ comment` blocks may follow.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any, Literal

from db.models import InputError

HERE = Path(__file__).parent
ARTICLES = HERE / "articles"
OUTLETS = HERE / "outlets.toml"

BlockKind = Literal["paragraph", "heading", "quote"]
ListingKind = Literal["rss", "atom", "news", "sitemap", "index", "pages"]
_MARK = re.compile(r"^\+\+\+[ \t]*(\w*)[ \t]*$", re.MULTILINE)
_NAME = re.compile(r"\d{4}-\d{2}-\d{2}-[a-z0-9-]+")


@dataclass(frozen=True, slots=True)
class Block:
    """One paragraph, subheading or block quotation; plain text on one line."""

    kind: BlockKind
    text: str


@dataclass(frozen=True, slots=True)
class SampleComment:
    """One comment of a thread; numbered from 1, `reply_to` 0 answers the opening post."""

    number: int
    author: str
    published: datetime
    reply_to: int
    blocks: tuple[Block, ...]


@dataclass(frozen=True, slots=True)
class SampleArticle:
    """One article as its file has it; `name` is the file's name without `.md`, times carry their offset."""

    outlet: str
    name: str
    title: str
    authors: tuple[str, ...]
    published: datetime
    kind: str
    section: str
    topic: str
    blocks: tuple[Block, ...]
    wire: str | None = None
    """For a reprint: "<outlet>/<name>" of the original."""
    off_topic: bool = False
    paywalled: bool = False
    updated: datetime | None = None
    updated_blocks: tuple[Block, ...] = ()
    comments: tuple[SampleComment, ...] = ()

    @property
    def slug(self) -> str:
        """The name without its date: `some-title`."""
        return self.name[11:]


@dataclass(frozen=True, slots=True)
class PlainPage:
    """A page that is no article: about, search, members' pages. `listed`: the listing names it, whatever robots.txt says."""

    path: str
    title: str
    text: str
    listed: bool = False


@dataclass(frozen=True, slots=True)
class Outlet:
    """How one outlet is made. Paths are patterns over {year} {month} {day} {section} {slug} {number} {path}."""

    id: str
    name: str
    tagline: str
    country: str
    language: str
    port: int
    zone: timezone
    article: str
    section: str
    listing: ListingKind
    listing_path: str
    style: str
    image: str
    charset: str = "utf-8"
    charset_in_header: bool = True
    per_page: int = 0
    """Articles on one page of the front listing; 0: all on one."""
    print: str | None = None
    amp: str | None = None
    disallow: tuple[str, ...] = ()
    crawl_delay: float | None = None
    pages: tuple[PlainPage, ...] = ()


def load_outlets(path: Path = OUTLETS) -> dict[str, Outlet]:
    """All outlets by id, in the order of the file. Raises InputError when an entry is wrong."""
    outlets: dict[str, Outlet] = {}
    for entry in tomllib.loads(path.read_text(encoding="utf-8"))["outlet"]:
        try:
            hours, minutes = entry.pop("utc_offset").split(":")
            offset = timedelta(hours=int(hours), minutes=int(minutes))
            pages = tuple(PlainPage(**page) for page in entry.pop("page", []))
            disallow = tuple(entry.pop("disallow", []))
            outlet = Outlet(**entry, zone=timezone(offset), pages=pages, disallow=disallow)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f'{path.name}: [[outlet]] "{entry.get("id")}": {error}; mend the entry') from error
        outlets[outlet.id] = outlet
    return outlets


def load_articles(folder: Path, outlet: str) -> list[SampleArticle]:
    """The articles of one outlet, newest first. A missing folder is an outlet without articles."""
    found = [read_article(path, outlet) for path in sorted((folder / outlet).glob("*.md"))]
    return sorted(found, key=lambda article: (article.published, article.name), reverse=True)


def read_article(path: Path, outlet: str) -> SampleArticle:
    """One article file. Raises InputError, in one line, when it is not as the module says."""
    if not _NAME.fullmatch(path.stem):
        raise InputError(f"{outlet}/{path.name}: name it YYYY-MM-DD-some-title.md")
    try:
        return _parse(path.read_text(encoding="utf-8"), path.stem, outlet)
    except (KeyError, ValueError, TypeError, AttributeError) as error:
        raise InputError(f"{outlet}/{path.name}: {error}; mend the file") from error


def _parse(text: str, name: str, outlet: str) -> SampleArticle:
    parts = _MARK.split(text)
    # split() gives: "", "", front matter, "", body, then ("update" | "comment"), its text, ... in turn
    if len(parts) < 5 or parts[0].strip() or parts[1] or parts[3]:
        raise ValueError("it must begin with front matter between two lines of +++")
    front: Mapping[str, Any] = tomllib.loads(parts[2])
    body = parts[4]
    updated_blocks: tuple[Block, ...] = ()
    comments: list[SampleComment] = []
    for mark, content in zip(parts[5::2], parts[6::2], strict=True):
        if mark == "update":
            updated_blocks = read_blocks(content)
        elif mark == "comment":
            comments.append(_comment(content, len(comments) + 1))
        else:
            raise ValueError(f'unknown mark "+++ {mark}"; use +++ update or +++ comment')
    if bool(front.get("updated")) != bool(updated_blocks):
        raise ValueError("`updated` and a `+++ update` text go together")
    return SampleArticle(
        outlet=outlet,
        name=name,
        title=str(front["title"]),
        authors=tuple(front.get("authors", ())),
        published=_aware(front["published"]),
        kind=str(front.get("kind", "article")),
        section=str(front.get("section") or "news"),
        topic=str(front.get("topic", "")),
        blocks=read_blocks(body),
        wire=front.get("wire") or None,
        off_topic=bool(front.get("off_topic", False)),
        paywalled=bool(front.get("paywalled", False)),
        updated=_aware(front["updated"]) if front.get("updated") else None,
        updated_blocks=updated_blocks,
        comments=tuple(comments),
    )


def _comment(content: str, number: int) -> SampleComment:
    front_text, found, body = content.partition("\n---")
    if not found:
        raise ValueError(f"comment {number} needs a line --- between its front matter and its text")
    front = tomllib.loads(front_text)
    reply_to = int(front.get("reply_to", 0))
    return SampleComment(number, str(front["author"]), _aware(front["published"]), reply_to, read_blocks(body))


def _aware(value: object) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ValueError(f"{value!r} must be a date and time with an offset")
    return value


def read_blocks(text: str) -> tuple[Block, ...]:
    """Paragraphs, subheadings and quotations of a plain text, lines joined. Raises ValueError when there are none."""
    blocks: list[Block] = []
    for part in re.split(r"\n[ \t]*\n", text.strip()):
        lines = [line.strip() for line in part.splitlines() if line.strip()]
        if not lines:
            continue
        if lines[0].startswith("## "):
            blocks.append(Block("heading", lines[0][3:].strip()))
            lines = lines[1:]
        kind: BlockKind = "quote" if lines and all(line.startswith(">") for line in lines) else "paragraph"
        if kind == "quote":
            lines = [line[1:].strip() for line in lines]
        if lines:
            blocks.append(Block(kind, " ".join(lines)))
    if not blocks:
        raise ValueError("there is no text")
    return tuple(blocks)
