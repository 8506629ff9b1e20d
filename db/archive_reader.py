"""Reads one archived answer from the page archive, by file and offset. Reads only plain file names of the archive folder."""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from db.models import ArchiveError
from db.warc_records import whole_records

MAX_BYTES = 20_000_000
"""Decompressed; more is not shown."""
_PLAIN_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\.warc(\.gz)?")


@dataclass(frozen=True, slots=True)
class ArchivedAnswer:
    """What a server answered. `body` is decompressed, `sha256` is that of `body`."""

    url: str
    status: int
    content_type: str
    body: bytes
    sha256: str


def read_answer(folder: Path, file: str, offset: int) -> ArchivedAnswer:
    """The response at a byte offset of a file of the archive.

    Raises ArchiveError when the name is not a plain one, or nothing readable is there.
    """
    from warcio.archiveiterator import ArchiveIterator

    path = folder / file
    if not _PLAIN_NAME.fullmatch(file) or path.resolve().parent != folder.resolve():
        raise ArchiveError(f"{file}: not a file of the page archive")
    try:
        with path.open("rb") as stream:
            stream.seek(offset)
            record = next(iter(ArchiveIterator(stream)), None)
            if record is None or record.rec_type not in ("response", "resource"):
                raise ArchiveError(f"{file}: no response at byte {offset}")
            body = record.content_stream().read(MAX_BYTES + 1)
            http = record.http_headers
            headers = {name.lower(): value for name, value in http.headers} if http else {}
            status = int(http.get_statuscode()) if http and http.get_statuscode().isdigit() else 200
            url = record.rec_headers.get_header("WARC-Target-URI") or ""
    except FileNotFoundError as error:
        raise ArchiveError(f"{file}: is not in the folder {folder.name} beside the database; was it moved?") from error
    except ArchiveError:
        raise
    except Exception as error:  # warcio raises what zlib, struct and its parsers raise.
        raise ArchiveError(f"{file}: no readable record at byte {offset} ({type(error).__name__})") from error
    if len(body) > MAX_BYTES:
        raise ArchiveError(f"{file}: the page at byte {offset} is larger than {MAX_BYTES:,} bytes")
    return ArchivedAnswer(
        url.strip("<>"), status, headers.get("content-type", ""), body, hashlib.sha256(body).hexdigest()
    )


def places_of(folder: Path, file: str, url: str) -> list[int]:
    """The byte offsets of the responses of an address in a file of the archive, as far as it can be read."""
    path = folder / file
    if not _PLAIN_NAME.fullmatch(file) or path.resolve().parent != folder.resolve():
        return []

    def is_asked_for(record: Any) -> bool | None:
        asked = (record.rec_headers.get_header("WARC-Target-URI") or "").strip("<>")
        return True if record.rec_type in ("response", "resource") and asked == url else None

    try:
        with path.open("rb") as stream:
            found = whole_records(stream, is_asked_for, on_damage=lambda offset, error: None)
            return [offset for _, offset, _ in found]
    except OSError:
        return []
