"""Retention: takes old pages out of the page archive, and never one that a statement rests on.

A file of which nothing stays is deleted. One of which something stays is written anew with just that, under another name
(`...-kept-1.warc.gz`); records are copied byte for byte, and the file says where each lay before, so that a replay finds it. Only
then does the database learn of it, in one transaction, and only then does the old file go: killed at any moment, every row still
points at its record. Journals stay; a replay takes pages that were taken out for pages that could not be read.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from crawler.journal import is_journal
from crawler.process import crawl_lock
from crawler.warc import KEPT_URI, kept_offsets
from db.models import ArchiveError, InputError, from_iso, utc_now
from db.store import Store

_KEPT = re.compile(r"(?P<stem>.+?)(-kept-\d+)?\.warc\.gz")


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What was taken out, or would be. Sizes in bytes."""

    pages: int
    """Exchanges taken out, with what the crawler asked in passing (robots.txt, redirects)."""
    bytes: int
    evidence: int
    """Records that statements rest on, or may once their text is read: never taken out."""
    size: int
    """Of the whole archive afterwards."""
    problems: tuple[str, ...] = ()
    """Files that were left alone, and why."""


@dataclass(frozen=True, slots=True)
class _Exchange:
    """An answer and its request: bytes `offset` to `end` of a file, asked at `at`."""

    file: str
    offset: int
    end: int
    at: datetime
    evidence: bool

    @property
    def size(self) -> int:
        return self.end - self.offset


def prune(
    store_path: Path,
    archive: Path,
    *,
    older_than: timedelta | None = None,
    max_bytes: int | None = None,
    dry_run: bool = False,
) -> PruneReport:
    """Takes out what is older than so long, and then the oldest until the archive is no larger than so many bytes.

    What statements rest on stays, so the archive may stay larger. Raises InputError without a rule, or while a crawl is at work;
    ArchiveError and StoreError when something cannot be written: what was done until then stands.
    """
    if older_than is None and max_bytes is None:
        raise InputError("prune needs a rule: --older-than 180d, or --max-size 5GB, or both")
    with crawl_lock(store_path), Store.open(store_path, create=False) as store:
        evidence = store.archived_evidence()
        problems: list[str] = []
        files = [path for path in sorted(archive.glob("*.warc.gz")) if not is_journal(path)]
        exchanges = {path: found for path in files if (found := _read(path, evidence, problems)) is not None}
        size = sum(path.stat().st_size for path in archive.glob("*.warc.gz"))
        out = _choose([e for found in exchanges.values() for e in found], size, older_than, max_bytes)
        for path, found in exchanges.items():
            leaving = [exchange for exchange in found if exchange in out]
            if leaving and not dry_run:
                _take_out(store, path, [exchange for exchange in found if exchange not in out])
        freed = sum(exchange.size for exchange in out)
        if not dry_run:
            after = sum(path.stat().st_size for path in archive.glob("*.warc.gz"))
            size, freed = after, size - after
        else:
            size -= freed
    return PruneReport(len(out), freed, len(evidence), size, tuple(problems))


def parse_size(text: str) -> int:
    """ "500MB" or "5GB" in bytes (decimal, as disks are sold). Raises InputError for anything else."""
    match = re.fullmatch(r"\s*(\d{1,6})\s*([kMGT])B\s*", text)
    if match is None:
        raise InputError(f"{text!r} is not a size; write it as 500MB or 5GB")
    return int(match[1]) * {"k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}[match[2]]


def _choose(
    exchanges: list[_Exchange], size: int, older_than: timedelta | None, max_bytes: int | None
) -> set[_Exchange]:
    free = sorted((e for e in exchanges if not e.evidence), key=lambda e: (e.at, e.file, e.offset))
    limit = utc_now() - older_than if older_than is not None else None
    out: set[_Exchange] = set()
    for exchange in free:
        if (limit is not None and exchange.at < limit) or (max_bytes is not None and size > max_bytes):
            out.add(exchange)
            size -= exchange.size
    return out


def _read(path: Path, evidence: set[tuple[str, int]], problems: list[str]) -> list[_Exchange] | None:
    """The exchanges of a file; None for one that is damaged, which is left alone."""
    try:
        return [
            _Exchange(path.name, offset, end, at, (path.name, offset) in evidence) for offset, end, at in _spans(path)
        ]
    except Exception as error:  # warcio raises what zlib, struct and its parsers raise.
        problems.append(f"{path}: left alone, because it cannot be read to its end ({type(error).__name__})")
        return None


def _spans(path: Path) -> Iterator[tuple[int, int, datetime]]:
    """Where each answer begins, and where the record after its request does."""
    from warcio.archiveiterator import ArchiveIterator

    begin: tuple[int, datetime] | None = None
    end = 0
    with path.open("rb") as stream:
        records = ArchiveIterator(stream)
        for record in records:
            kind, date = record.rec_type, record.rec_headers.get_header("WARC-Date")
            record.raw_stream.read()
            if (
                getattr(record.raw_stream, "limit", 0) > 0
            ):  # warcio hands out a record that is cut short as if it were whole.
                raise EOFError
            offset, length = records.get_record_offset(), records.get_record_length()
            if kind != "request" and begin is not None:
                yield begin[0], offset, begin[1]
                begin = None
            if kind in ("response", "resource"):
                begin = offset, from_iso(date) or utc_now()
            end = offset + length
        if begin is not None:
            yield begin[0], end, begin[1]
        if stream.seek(0, os.SEEK_END) > end:
            raise EOFError


def _take_out(store: Store, path: Path, staying: list[_Exchange]) -> None:
    """Puts what stays of a file into another, tells the database, and deletes the file."""
    match = _KEPT.fullmatch(path.name)
    assert match is not None
    before: Mapping[int, int] = kept_offsets(path)
    target = _free_name(path, match["stem"])
    moved: dict[int, int] = {}
    if staying:
        original = {present: first for first, present in before.items()}
        # The map comes first and its length depends on the offsets, so these count from the end of its own record.
        places, length = {}, 0
        for exchange in staying:
            places[original.get(exchange.offset, exchange.offset)] = length
            length += exchange.size
        start = _write_kept(path, target, match["stem"], places, staying)
        moved = {
            exchange.offset: start + places[original.get(exchange.offset, exchange.offset)] for exchange in staying
        }
    store.move_archived(path.name, target.name, moved)
    path.unlink()


def _free_name(path: Path, stem: str) -> Path:
    """A killed run may have left a file behind: no name is used twice."""
    number = 1
    while (target := path.with_name(f"{stem}-kept-{number}.warc.gz")).exists():
        number += 1
    return target


def _write_kept(path: Path, target: Path, stem: str, places: dict[int, int], staying: list[_Exchange]) -> int:
    """Writes the new file, whole before it has its name; returns where its first exchange begins."""
    temporary = target.with_name(f".{stem}")
    try:
        start = _head(path, temporary, {"what": "kept", "of": f"{stem}.warc.gz", "offsets": places})
        with path.open("rb") as source, temporary.open("ab") as file:
            for exchange in staying:
                source.seek(exchange.offset)
                file.write(source.read(exchange.size))
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise ArchiveError(f"{target.parent}: the archive cannot be written ({error.strerror or error})") from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    return start


def _head(path: Path, temporary: Path, kept: dict[str, Any]) -> int:
    """The file's own first record, and one that says where the others lay; returns the length of both."""
    from io import BytesIO

    from warcio.archiveiterator import ArchiveIterator
    from warcio.warcwriter import WARCWriter

    with path.open("rb") as source, temporary.open("wb") as file:
        records = ArchiveIterator(source)
        first = next(iter(records))
        first.content_stream().read()
        length = records.get_record_length()
        if first.rec_type == "warcinfo":
            source.seek(0)
            file.write(source.read(length))
        payload = json.dumps(kept, sort_keys=True).encode()
        writer = WARCWriter(file, gzip=True, warc_version="WARC/1.1")
        writer.write_record(
            writer.create_warc_record(
                KEPT_URI,
                "metadata",
                payload=BytesIO(payload),
                length=len(payload),
                warc_content_type="application/json",
            )
        )
        return file.tell()
