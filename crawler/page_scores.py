"""How well pages are turned into texts: scored on saved pages whose wanted and unwanted pieces a person has marked.

Reads a folder with `segments.jsonl` ({"file", "url", "wanted": [], "unwanted": []} a line) and the pages in `html/`, gzipped or
not; no network and no database. Counts as trafilatura's own evaluation does: wanted pieces found, unwanted ones kept, wanted ones
missed.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import trafilatura

from crawler.extract import extract_page
from db.models import Counts, ExtractionError, InputError


@dataclass(frozen=True, slots=True)
class LabelledPage:
    """A saved page and the pieces of text that its record must have and must not have."""

    url: str
    html: bytes
    wanted: tuple[str, ...]
    unwanted: tuple[str, ...]


def labelled_pages(folder: Path, *, every: int = 1) -> Iterator[LabelledPage]:
    """The folder's pages, or every so many of them; InputError when there are none or one is not as described above."""
    labels = folder / "segments.jsonl"
    if not labels.is_file():
        raise InputError(f"{folder}: no segments.jsonl there; name a folder of labelled pages")
    for number, line in enumerate(labels.read_text(encoding="utf-8").splitlines()[::every]):
        try:
            row = json.loads(line)
            content = (folder / "html" / row["file"]).read_bytes()
            html = gzip.decompress(content) if row["file"].endswith(".gz") else content
            yield LabelledPage(row["url"], html, tuple(row["wanted"]), tuple(row["unwanted"]))
        except (ValueError, KeyError, TypeError, OSError) as error:
            raise InputError(f"{labels}: line {number * every + 1}: not a labelled page ({error})") from error


def score_folder(
    folder: Path, *, every: int = 1, limit: int | None = None, progress: Callable[[int, int, str], None] | None = None
) -> dict[str, list[Counts]]:
    """Method -> the counts of each page: of this extraction ("Debatewatch"), and of plain trafilatura, the baseline.

    every, limit: only every so many pages, and only so many. progress: called with (done, total, what).
    """
    pages = list(labelled_pages(folder, every=every))[:limit]
    scores: dict[str, list[Counts]] = {"Debatewatch": [], "trafilatura": []}
    for number, page in enumerate(pages, 1):
        scores["Debatewatch"].append(_counts(page, _ours(page)))
        scores["trafilatura"].append(_counts(page, _plain(page)))
        if progress:
            progress(number, len(pages), page.url)
    return scores


def _ours(page: LabelledPage) -> str:
    try:
        return extract_page(page.html, page.url)[0].text
    except ExtractionError:
        return ""


def _plain(page: LabelledPage) -> str:
    return trafilatura.extract(page.html, url=page.url, fast=True, include_comments=False) or ""


def _counts(page: LabelledPage, text: str) -> Counts:
    right = sum(piece in text for piece in page.wanted)
    return Counts(right, right + sum(piece in text for piece in page.unwanted), len(page.wanted))
