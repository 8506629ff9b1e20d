"""Writes and reads the page archive: gzipped WARC 1.1 (ISO 28500:2017), one file for each crawl run and source, a new one at
MAX_FILE_BYTES. File names come from the run and the source id, never from a page.
"""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path
from typing import IO, Any

from db.models import ArchiveError, from_iso
from db.warc_records import records_until_damage, whole_records

MAX_FILE_BYTES = 1_000_000_000
"""About what archives use, so that one file still copies and opens quickly."""
MAX_BODY_BYTES = 20_000_000
"""Decompressed; a record that holds more is left out."""
KEPT_URI = "urn:debatewatch:kept"
TARGET_HEADER = "WARC-Debatewatch-Target"
"""Says what a response was fetched as: page, listing or robots. Readers ignore header fields they do not know (section 4)."""


@dataclass(frozen=True, slots=True)
class ArchivedAt:
    """Where a response lies: file name relative to the archive folder, offset and length in bytes."""

    file: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class ArchivedPage:
    """One archived answer. `body` is decompressed; header names are in lower case."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes
    fetched_at: datetime | None
    target: str | None
    """page, listing or robots in our own archives; None in others."""
    source_id: str | None
    """The source it was fetched for, in our own archives."""
    offset: int
    length: int


class ArchiveWriter:
    """Appends exchanges to the archive of one source in one run. Nothing is created before the first exchange."""

    def __init__(self, folder: Path, name: str, *, info: dict[str, str], max_bytes: int = MAX_FILE_BYTES) -> None:
        """`name` is the stem of the files: small letters, digits, - and _. `info` goes into the warcinfo record."""
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name):
            raise ArchiveError(f"{name!r} cannot name an archive file; use letters, digits, - and _")
        self._folder, self._name, self._info, self._max_bytes = folder, name, info, max_bytes
        self._number = 0
        self._file: IO[bytes] | None = None
        self._writer: Any = None

    def write(
        self,
        url: str,
        *,
        request: tuple[str, list[tuple[str, str]]],
        response: tuple[str, list[tuple[str, str]], bytes],
        target: str,
    ) -> ArchivedAt:
        """Appends a response and its request. `request` is (method and path, headers); `response` (status line without the
        protocol, headers, body as transferred). Raises ArchiveError when the disk is full or the folder cannot be written."""
        from warcio.statusandheaders import StatusAndHeaders

        with self._whole() as file:
            offset = file.tell()
            answered = self._writer.create_warc_record(
                url,
                "response",
                payload=BytesIO(response[2]),
                length=len(response[2]),
                http_headers=StatusAndHeaders(response[0], response[1], protocol="HTTP/1.1"),
                warc_headers_dict={TARGET_HEADER: target},
            )
            self._writer.write_record(answered)
            length = file.tell() - offset
            asked = self._writer.create_warc_record(
                url,
                "request",
                http_headers=StatusAndHeaders(f"{request[0]} HTTP/1.1", request[1], is_http_request=True),
                warc_headers_dict={
                    "WARC-Concurrent-To": answered.rec_headers.get_header("WARC-Record-ID"),
                    "WARC-Date": answered.rec_headers.get_header("WARC-Date"),
                },
            )
            self._writer.write_record(asked)
        return ArchivedAt(Path(file.name).name, offset, length)

    def write_metadata(self, url: str, payload: bytes) -> None:
        """Appends a metadata record (section 6.6): JSON that says something of `url`. Raises ArchiveError like `write`."""
        with self._whole():
            record = self._writer.create_warc_record(
                url, "metadata", payload=BytesIO(payload), length=len(payload), warc_content_type="application/json"
            )
            self._writer.write_record(record)

    @contextmanager
    def _whole(self) -> Iterator[IO[bytes]]:
        """What is written inside lands whole or not at all: a full disk leaves no half record in the file."""
        file, end = None, 0
        try:
            file = self._open()
            end = file.tell()
            yield file
            file.flush()
        except OSError as error:
            self._cut(file or self._file, end)
            raise ArchiveError(
                f"{self._folder}: the archive cannot be written ({error.strerror or error}); "
                "make room or mend the folder, and run it again"
            ) from error

    def _cut(self, file: IO[bytes] | None, end: int) -> None:
        """Gives up the file after its last whole record; the next exchange starts another."""
        if file is None:
            return
        path = Path(file.name)
        with suppress(OSError):  # It tries once more to write what it holds back.
            file.close()
        with suppress(OSError):
            os.truncate(path, end)
        self._file = None

    def close(self) -> None:
        """Closes the present file."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _open(self) -> IO[bytes]:
        from warcio.warcwriter import WARCWriter

        if self._file is not None and self._file.tell() >= self._max_bytes:
            self.close()
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{self._name}-{self._number:05d}.warc.gz"
            self._number += 1
            # "x": an archive that exists is never written into.
            self._file = path.open("xb")
            self._writer = WARCWriter(self._file, gzip=True, warc_version="WARC/1.1")
            self._writer.write_record(self._writer.create_warcinfo_record(path.name, self._info))
        return self._file


def read_record(folder: Path, file: str, offset: int) -> tuple[dict[str, str], bytes]:
    """The HTTP headers (names in lower case, with ":status") and the decompressed body of one archived response.

    Raises ArchiveError when the file or the record is not there, or the name leads out of the archive.
    """
    path = folder / file
    if Path(file).is_absolute() or not path.resolve().is_relative_to(folder.resolve()):
        raise ArchiveError(f"{file}: not a file of the archive {folder}")
    if not path.exists():
        path, offset = _kept(path, offset)
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            for page, _, _ in records_until_damage(stream, _page):
                if page is not None:
                    return {":status": str(page.status), **page.headers}, page.body
    except FileNotFoundError as error:
        raise ArchiveError(f"{path}: no such archive file; was it moved?") from error
    except Exception as error:
        raise ArchiveError(f"{path}: no readable record at byte {offset} ({error})") from error
    raise ArchiveError(f"{path}: no response at byte {offset}")


def kept_offsets(path: Path) -> dict[int, int]:
    """Where records of a file that retention wrote anew lay before (offset in the first file -> offset); empty for any other."""
    from warcio.archiveiterator import ArchiveIterator

    with path.open("rb") as stream:
        records = ArchiveIterator(stream)
        for record in records:
            if record.rec_type == "warcinfo":
                record.content_stream().read()
                continue
            if record.rec_headers.get_header("WARC-Target-URI") != KEPT_URI:
                break
            places: dict[str, int] = json.loads(record.content_stream().read())["offsets"]
            start = records.get_record_offset() + records.get_record_length()
            return {int(before): start + place for before, place in places.items()}
    return {}


def _kept(path: Path, offset: int) -> tuple[Path, int]:
    """Where a record lies now whose file retention wrote anew (crawler.prune); where it lay when that is not known."""
    stem = path.name.removesuffix(".warc.gz")
    for candidate in path.parent.glob(f"{glob.escape(stem)}-kept-*.warc.gz"):
        try:
            places = kept_offsets(candidate)
        except Exception:  # As in `iter_metadata`; the file that is missing is then the error.
            places = {}
        if offset in places:
            return candidate, places[offset]
    return path, offset


def iter_records(
    path: Path, *, stream: IO[bytes] | None = None, on_error: Callable[[str], None] | None = None
) -> Iterator[ArchivedPage]:
    """The responses (and resources) of a WARC file, gzipped or not, in order.

    A damaged record is left out, with one line for `on_error`, and what follows it is read. `stream` is read instead of `path`.
    """

    def say(what: str) -> None:
        if on_error is not None:
            on_error(f"{path}: {what}")

    def damaged(offset: int, error: Exception) -> None:
        say(f"damaged at byte {offset} ({type(error).__name__}); what can be read before and behind it was")

    try:
        if stream is not None:
            yield from _pages(stream, damaged)
        else:
            with path.open("rb") as opened:
                yield from _pages(opened, damaged)
    except OSError as error:
        say(f"cannot be read ({error.strerror or error})")


def iter_metadata(path: Path, *, on_error: Callable[[str], None]) -> Iterator[bytes]:
    """The payloads of the metadata records of a WARC file, in order. Damage ends it, for they build on one another: `on_error`
    gets one line, and what came before it counts."""

    def take(record: Any) -> bytes | None:
        return _body(record) if record.rec_type == "metadata" else None

    try:
        with path.open("rb") as stream:
            for body, _, _ in records_until_damage(stream, take):
                if body is not None:
                    yield body
    except Exception as error:  # warcio raises what zlib, struct and its parsers raise.
        on_error(f"{path}: damaged after this point ({type(error).__name__}: {error}); what came before was read")


def _pages(stream: IO[bytes], on_damage: Callable[[int, Exception], None]) -> Iterator[ArchivedPage]:
    source_id = None

    def take(record: Any) -> ArchivedPage | None:
        nonlocal source_id
        if record.rec_type == "warcinfo":
            found = re.search(rb"^isPartOf: (\S+)\r?$", record.content_stream().read(), re.MULTILINE)
            source_id = found[1].decode() if found else None
            return None
        return _page(record, source_id)

    for page, offset, length in whole_records(stream, take, on_damage=on_damage):
        yield replace(page, offset=offset, length=length)


def _page(record: Any, source_id: str | None = None) -> ArchivedPage | None:
    """None for a record that holds no page, or too large a one. Raises ValueError for one without its address."""
    if record.rec_type not in ("response", "resource"):
        return None
    if not record.rec_headers.get_header("WARC-Target-URI"):
        raise ValueError("a page without its address")
    body = _body(record)
    if body is None:
        return None
    http = record.http_headers
    headers = {name.lower(): value for name, value in http.headers} if http else {}
    if not http:
        headers = {"content-type": record.rec_headers.get_header("Content-Type") or ""}
    return ArchivedPage(
        url=record.rec_headers.get_header("WARC-Target-URI").strip("<>"),
        status=int(http.get_statuscode()) if http and http.get_statuscode().isdigit() else 200,
        headers=headers,
        body=body,
        fetched_at=_moment(record.rec_headers.get_header("WARC-Date")),
        target=record.rec_headers.get_header(TARGET_HEADER),
        source_id=source_id,
        offset=0,
        length=0,
    )


def _body(record: Any) -> bytes | None:
    """The decompressed body; None when it is larger than MAX_BODY_BYTES."""
    stream, parts, size = record.content_stream(), [], 0
    while part := stream.read(65536):
        parts.append(part)
        size += len(part)
        if size > MAX_BODY_BYTES:
            return None
    return b"".join(parts)


def _moment(text: str | None) -> datetime | None:
    try:
        found = from_iso(text)
    except ValueError:
        return None
    return found.astimezone(UTC).replace(microsecond=0) if found else None
