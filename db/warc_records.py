"""Reads the records of a WARC file one after the other, also of one that is damaged: what is whole before, between and behind the
damage is found. Reads the one stream that it is given.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from typing import IO, Any, TypeVar

Taken = TypeVar("Taken")
_PIECE = 1_000_000
_BLANK_LINE = 4
_START = re.compile(rb"\x1f\x8b\x08|(?<=\r\n\r\n)WARC/1\.[01]\r\n")
"""Of a gzip member (RFC 1952, 2.3.1), or of a record after a blank line in a file that is not gzipped."""
_OVERLAP = 32
"""More than a beginning and the blank line before it take."""


def whole_records(
    stream: IO[bytes], take: Callable[[Any], Taken | None], *, on_damage: Callable[[int, Exception], None]
) -> Iterator[tuple[Taken, int, int]]:
    """What `take` makes of each record of warcio, with the record's offset and length in bytes; left out where it makes None.

    A damaged record is told once, with the byte at which it begins, and reading goes on at the next one; in a stream that
    cannot seek it ends there.
    """
    start: int | None = stream.tell() if stream.seekable() else 0
    while start is not None:
        end = start
        try:
            for taken, offset, length in records_until_damage(stream, take):
                end = offset + length
                if taken is not None:
                    yield taken, offset, length
            return
        except Exception as error:  # warcio raises what zlib, struct and its parsers raise.
            if stream.seekable():
                stream.seek(end)
                blank = stream.read(65536)
                end += len(blank) - len(blank.lstrip(b"\r\n"))
            on_damage(end, error)
            start = _next_start(stream, end + 1) if stream.seekable() else None


def records_until_damage(
    stream: IO[bytes], take: Callable[[Any], Taken | None]
) -> Iterator[tuple[Taken | None, int, int]]:
    """Every record up to the first damage, of which it raises. Raises EOFError for a record that is cut short, which warcio would
    hand out as if it were whole."""
    from warcio.archiveiterator import ArchiveIterator

    end = stream.tell() if stream.seekable() else 0
    records = ArchiveIterator(stream)
    for record in records:
        taken = take(record)
        while record.raw_stream.read(65536):
            pass
        if getattr(record.raw_stream, "limit", 0) > 0:
            raise EOFError("a record is cut short")
        offset, length = records.get_record_offset(), records.get_record_length()
        if records.reader.decompressor is None and records.err_count:
            raise ValueError("a record is not as long as it says")
        if record.format == "warc" and not _says_what_it_is(record.rec_headers):
            raise ValueError("a record does not say what it is")
        end = offset + length
        yield taken, offset, length
    if stream.seekable():
        # warcio takes a tail too short for a record's headers for the end of the file.
        stream.seek(end)
        if stream.read(65536).strip(b"\r\n"):  # The blank lines after the last record of a file that is not gzipped.
            raise EOFError("a record is cut short")


def _says_what_it_is(headers: Any) -> bool:
    """Whether the fields without which a record cannot be read are there (WARC 1.1, 5.2 and 5.5)."""
    return (headers.get_header("WARC-Type") or "").isalpha() and headers.get_header("Content-Length") is not None


def _next_start(stream: IO[bytes], position: int) -> int | None:
    """Seeks to the first record that begins at or after a position (at least 1); None when there is none."""
    before = max(0, position - _BLANK_LINE)
    while True:
        stream.seek(before)
        piece = stream.read(_PIECE)
        for match in _START.finditer(piece):
            place = before + match.start()
            if place >= position and _begins_record(stream, place):
                stream.seek(place)
                return place
        if len(piece) < _PIECE:
            return None
        before += _PIECE - _OVERLAP


def _begins_record(stream: IO[bytes], place: int) -> bool:
    """Whether a place that looks like a beginning is one: three bytes of a picture may be those of a gzip member, too."""
    stream.seek(place)
    head = stream.read(4096)
    if not head.startswith(b"WARC/"):
        try:
            head = zlib.decompressobj(wbits=31).decompress(head, 5)
        except zlib.error:
            return False
    return head.startswith(b"WARC/")
