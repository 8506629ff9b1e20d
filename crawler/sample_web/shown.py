"""An article as its outlet shows it at this moment: the values that templates ask for. Pure."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from datetime import datetime

from crawler.sample_web.content import Block, SampleArticle

PAYWALL_PARAGRAPHS = 2
"""How many paragraphs a page shows before its paywall notice."""


@dataclass(frozen=True, slots=True)
class Shown:
    """An article as its outlet shows it now: the version in force, its addresses, and what templates ask for."""

    article: SampleArticle
    url: str
    path: str
    image: str
    print_url: str | None
    amp_url: str | None
    number: int
    published: datetime
    updated: datetime | None
    changed: datetime
    """When the page last changed: the Last-Modified header and the listing's lastmod."""
    blocks: tuple[Block, ...]
    agency: str | None

    @property
    def title(self) -> str:
        """The headline."""
        return self.article.title

    @property
    def authors(self) -> tuple[str, ...]:
        """Who signed it; empty when nobody did. The agency of a reprint is credited apart."""
        return tuple(name for name in self.article.authors if name != self.agency)

    @property
    def section(self) -> str:
        """The section's name, with a capital."""
        return section_name(self.article.section)

    @property
    def teaser(self) -> str:
        """The first sentences of the text, at most 180 characters, cut at a word."""
        text = next(block.text for block in self.blocks if block.kind != "heading")
        return text if len(text) <= 180 else text[:180].rsplit(" ", 1)[0].rstrip(",;:–—-") + " …"

    @property
    def visible(self) -> tuple[Block, ...]:
        """What a reader without a subscription sees."""
        return self.blocks[:PAYWALL_PARAGRAPHS] if self.article.paywalled else self.blocks

    @property
    def minutes(self) -> int:
        """Reading time at 220 words a minute."""
        return max(1, round(sum(len(block.text.split()) for block in self.blocks) / 220))

    @property
    def votes(self) -> int:
        """A number that stays the same for the same article: votes, reads, shares."""
        return 12 + zlib.crc32(self.article.name.encode()) % 240


def slugify(text: str) -> str:
    """`Law & Policy` -> `law-policy`; accents are dropped by a table small enough for the sample's sections."""
    plain = text.lower().translate(str.maketrans("éèêàâçôîïûù", "eeeaacoiiuu"))
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-") or "news"


def section_name(text: str) -> str:
    """`ai` -> `AI`, `policy` -> `Policy`; what has capitals stays."""
    return text.upper() if len(text) < 3 else text[:1].upper() + text[1:]
