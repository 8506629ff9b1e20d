"""Common Crawl's news: WARC files of a gigabyte, several a day, without an index (commoncrawl.org/blog/news-dataset-available).
They are read in stretches by range requests; what is about the debate is then asked for by the bytes of its record, like any
capture.

`url` is https://data.commoncrawl.org. `include` and `allowed_domains` say which sites matter; a stretch is 8 MB at first.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import ClassVar
from urllib.parse import urldefrag

from scrapy.http import Response
from scrapy.utils.gz import gunzip

from crawler.items import Entry
from crawler.spiders.answers import from_digits
from crawler.spiders.base import SourceSpider
from crawler.spiders.listing import Listing, ListingError, Scope
from crawler.warc import MAX_BODY_BYTES, ArchivedPage, iter_records

FILE_LASTS = timedelta(hours=12)
"""Time between the first and the last capture in one file, at most; its name tells the first."""
_NAME = re.compile(r"CC-NEWS-(\d{14})-\d+\.warc\.gz$")
_MEMBER = b"\x1f\x8b\x08"
_TAG = re.compile(r"<[^<>]*>")
_PIECE = 65_536


class CommonCrawlNewsSpider(SourceSpider):
    """kind = "commoncrawl-news": the latest file first; without --since, those of this month."""

    name = "commoncrawl-news"
    anywhere = True
    passing = True
    statuses: ClassVar[tuple[int, ...]] = (HTTPStatus.NOT_FOUND, HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE)

    @classmethod
    def first(cls, scope: Scope) -> tuple[str, ...]:
        """The list of files of each month."""
        month = (scope.until or scope.now).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        since, found = scope.since or month, []
        while month + timedelta(days=31) > since and month.year >= 2016:  # The first news were captured in August 2016.
            found.append(f"{scope.source.url.rstrip('/')}/crawl-data/CC-NEWS/{month:%Y/%m}/warc.paths.gz")
            month = (month - timedelta(days=1)).replace(day=1)
        return tuple(found)

    @classmethod
    def listing_headers(cls, url: str) -> dict[str, str]:
        """The bytes that the fragment of an address names."""
        stretch = urldefrag(url).fragment
        return {"Range": stretch} if stretch.startswith("bytes=") else {}

    @classmethod
    def read(cls, response: Response, scope: Scope) -> Listing:
        """The list of files, or a stretch of one: the address tells."""
        stretch = re.fullmatch(r"bytes=(\d+)-(\d+)", urldefrag(response.url).fragment)
        if stretch is None:
            if response.status != HTTPStatus.OK:
                return Listing()  # A month that has not begun for the crawler.
            return read_paths(response.body, scope)
        if response.status == HTTPStatus.REQUESTED_RANGE_NOT_SATISFIABLE:
            return Listing()
        if response.status != HTTPStatus.PARTIAL_CONTENT:
            raise ListingError(f"HTTP {response.status} where a stretch of a file was asked for")
        total = re.search(rb"/(\d+)$", response.headers.get(b"Content-Range") or b"")
        return read_stretch(response.body, response.url, int(stretch[1]), int(total[1]) if total else None, scope)


def read_paths(body: bytes, scope: Scope) -> Listing:
    """The first stretch of each file that may hold captures of the window, the latest file first."""
    try:
        paths = gunzip(body, max_size=scope.max_bytes).decode("ascii", errors="replace").split()
    except (OSError, EOFError, zlib.error) as error:
        raise ListingError(f"the list of files cannot be unpacked ({error})") from error
    base, size = scope.source.url.rstrip("/"), _stretch_size(scope)
    named = sorted(((match[1], path) for path in paths if (match := _NAME.search(path))), reverse=True)
    return Listing(
        later=tuple(
            _address(f"{base}/{path}", 0, size) for digits, path in named if _may_hold(from_digits(digits), scope)
        )
    )


def _may_hold(started: datetime | None, scope: Scope) -> bool:
    if started is None or (scope.until is not None and started > scope.until):
        return False
    return scope.since is None or started + FILE_LASTS >= scope.since


def _stretch_size(scope: Scope) -> tuple[int, int]:
    """Bytes of a stretch, and of what is asked for beyond it, so that the last record is whole."""
    return scope.max_bytes * 8 // 10, scope.max_bytes // 10


def _address(file: str, start: int, size: tuple[int, int]) -> str:
    # The fragment never travels; it tells the stretches of one file apart.
    return f"{file}#bytes={start}-{start + sum(size) - 1}"


def read_stretch(body: bytes, url: str, start: int, total: int | None, scope: Scope) -> Listing:
    """The pages about the debate whose records begin in a stretch, and the next stretch. `total` is the size of the file."""
    file, size = urldefrag(url).url, _stretch_size(scope)
    entries = [
        Entry(page.url, seen=page.fetched_at, ask=file, span=(start + offset, start + offset + length - 1))
        for offset, length, page in records_in(body, size[0], at_start=start == 0)
        if page.status == HTTPStatus.OK
        and "html" in page.headers.get("content-type", "").lower()
        and scope.relevant(_text(page.body))
    ]
    following = start + size[0]
    ends = following >= total if total is not None else len(body) < sum(size)
    return Listing(tuple(entries), () if ends else (_address(file, following, size),))


def records_in(body: bytes, size: int, *, at_start: bool) -> Iterator[tuple[int, int, ArchivedPage]]:
    """(offset, length, page) of the records of pages that begin in the first `size` bytes of a stretch of a gzipped WARC file.

    Every record is a gzip member of its own (WARC 1.1, annex D). Unless the stretch is the file's first, it begins somewhere in a
    record of the one before; a record that the stretch does not hold to its end is left out.
    """
    offset = 0 if at_start else _next_member(body, 0)
    while 0 <= offset < size:
        length = _member_length(body, offset)
        if length is None:
            offset = _next_member(body, offset + 1)
            continue
        for page in iter_records(Path("stretch"), stream=BytesIO(body[offset : offset + length])):
            yield offset, length, page
        offset += length


def _member_length(body: bytes, offset: int) -> int | None:
    """Packed bytes of the gzip member at `offset`; None when it is broken, cut off or holds more than MAX_BODY_BYTES."""
    unpacker, unpacked = zlib.decompressobj(wbits=31), 0
    for start in range(offset, len(body), _PIECE):
        piece = body[start : start + _PIECE]
        try:
            unpacked += len(unpacker.decompress(piece))
        except zlib.error:
            return None
        if unpacker.eof:
            return start + len(piece) - len(unpacker.unused_data) - offset
        if unpacked > MAX_BODY_BYTES:
            return None
    return None


def _next_member(body: bytes, start: int) -> int:
    """Where the next WARC record begins, -1 when there is none: three bytes alone also stand in the midst of packed ones."""
    while (start := body.find(_MEMBER, start)) >= 0:
        try:
            if zlib.decompressobj(wbits=31).decompress(body[start : start + 1_000], 5) == b"WARC/":
                return start
        except zlib.error:
            pass
        start += 1
    return -1


def _text(html: bytes) -> str:
    """Roughly the words of a page: more than extraction will find in it."""
    return _TAG.sub(" ", html.decode("utf-8", errors="replace"))
