"""A saved page -> its record, for people and scripts who have a file and want what the tracker would store of it."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

from crawler.addresses import is_web_url
from crawler.extract import MAX_BYTES, decode_page, extract_page
from crawler.page_metadata import declared_address, read_metas
from db.models import ExtractionError, to_iso


def extract_file(path: Path, *, url: str | None = None) -> dict[str, Any]:
    """The record of one saved page (HTML, also gzipped).

    url: the address it came from; without it, the one that the page declares.
    Returns file, url, title, authors, published_at (UTC, ISO 8601), language, text, canonical_url, kind, paywalled; what the page
    does not tell is None. Raises ExtractionError when the file is no page with text.
    """
    html = _read(path)
    address = url or _declared(html)
    article = extract_page(html, address or "", comments=False)[0]
    return {
        "file": str(path),
        "url": address,
        "title": article.title,
        "authors": list(article.authors),
        "published_at": to_iso(article.published_at),
        "language": article.language,
        "text": article.text,
        "canonical_url": article.url or None,
        "kind": article.kind,
        "paywalled": article.paywalled,
    }


def _read(path: Path) -> bytes:
    with path.open("rb") as file:
        head = file.read(2)
        file.seek(0)
        if head != b"\x1f\x8b":
            return file.read(MAX_BYTES + 1)
        try:
            with gzip.open(file) as unpacked:
                return unpacked.read(MAX_BYTES + 1)
        except (EOFError, OSError, zlib.error) as error:
            raise ExtractionError(f"broken gzip file ({error}); fetch the page again") from error


def _declared(html: bytes) -> str | None:
    """The address that the page names as its own (rel=canonical, og:url), when it is one on the web."""
    from trafilatura.utils import load_html

    tree = load_html(decode_page(html))
    address = declared_address(tree, read_metas(tree)) if tree is not None else None
    return address if address and is_web_url(address) else None
