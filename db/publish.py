"""The public copy of a database: everything that was counted and who said it, without the texts that belong to others.

Same tables and views, so that the site, metadata.yml and every query work on it; whole texts, archive references, vectors,
source settings, names of reviewers and details of failures are gone; evidence is cut. Checked before it is put in place: a copy
that still holds a long passage of a text is never left behind.
"""

from __future__ import annotations

import os
import sqlite3
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from db.log import without_secrets
from db.models import InputError, StoreError
from db.queries import open_read

LONGEST = 300
"""Characters of one passage that the copy may hold: a quotation, not the work."""

_ANCHOR = 32
"""Bytes by which a passage is recognised before it is compared in full."""

_STEPS = """
DELETE FROM statements WHERE document_id NOT IN (SELECT document_id FROM articles);
DELETE FROM mentions WHERE document_id NOT IN (SELECT document_id FROM articles);
DELETE FROM term_uses WHERE document_id NOT IN (SELECT document_id FROM articles);
DELETE FROM reviews WHERE document_sha256 NOT IN (
    SELECT sha256 FROM documents WHERE id IN (SELECT document_id FROM articles)
);
DELETE FROM second_opinions WHERE document_sha256 NOT IN (
    SELECT sha256 FROM documents WHERE id IN (SELECT document_id FROM articles)
);
UPDATE reviews SET reviewer = 'reviewer ' || known.number FROM (
    SELECT reviewer AS name, row_number() OVER (ORDER BY min(id)) AS number FROM reviews GROUP BY reviewer
) AS known WHERE known.name = reviews.reviewer;
UPDATE documents SET text = '';
UPDATE statements SET text = rtrim(substr(text, 1, :longest - 1)) || '…' WHERE length(text) > :longest;
DELETE FROM document_bands;
DELETE FROM article_texts;
DELETE FROM embeddings;
UPDATE topics SET centroid = x'';
UPDATE topic_merges SET centroid = x'', into_centroid = x'';
UPDATE failures SET detail = '', url = NULL;
UPDATE fetches SET warc_file = NULL, warc_offset = NULL, warc_length = NULL, etag = NULL, last_modified = NULL,
    reason = CASE WHEN outcome = 'failed' THEN NULL ELSE reason END;
UPDATE sources SET config = '{}', url = without_secrets(url);
UPDATE fetches SET url = without_secrets(url), final_url = without_secrets(final_url) WHERE target = 'listing';
INSERT INTO documents_fts(documents_fts) VALUES ('rebuild');
INSERT INTO statements_fts(statements_fts) VALUES ('rebuild')
"""
"""In order; statements of texts that no address carries any more go too: their publishers have withdrawn or changed them."""


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What the public copy holds, and the checks that it passed."""

    target: str
    bytes: int
    articles: int
    documents: int
    statements: int
    cut: int
    """Statements whose evidence was longer than LONGEST."""
    checks: tuple[str, ...]

    def to_json(self) -> dict[str, object]:
        """The report as plain values."""
        return asdict(self) | {"checks": list(self.checks)}

    def to_text(self) -> str:
        """The report for a person."""
        return (
            f"{self.target}: {self.bytes / 1_000_000:.1f} MB, {self.articles} articles, {self.documents} texts "
            "(titles and dates only), "
            f"{self.statements} statements, {self.cut} of them cut to {LONGEST} characters\n"
            f"  checked: {'; '.join(self.checks)}"
        )


def publish(source: Path | str, target: Path | str, *, force: bool = False) -> PublishReport:
    """Writes the public copy of `source` to `target`; nobody ever sees a half-made one.

    Raises InputError when `target` exists (without `force`) or is the database itself, StoreError when the copy cannot be
    written or does not pass its checks.
    """
    source, target = Path(source), Path(target)
    if target.exists() and target.resolve() == source.resolve():
        raise InputError(f"{target}: is the database itself; name another file")
    if target.exists() and not force:
        raise InputError(f"{target}: exists already; name another file, or replace it with --force")
    try:
        handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error.strerror}); name another file") from error
    os.close(handle)
    temporary = Path(name)
    try:
        with open_read(source) as original:
            cut, checks = _make(original, temporary)
        counted = _counts(temporary)
        mask = os.umask(0)
        os.umask(mask)
        temporary.chmod(0o666 & ~mask)
        for leftover in ("-wal", "-shm"):
            # Those of the file that is replaced: SQLite would take them for the new one's.
            Path(f"{target}{leftover}").unlink(missing_ok=True)
        temporary.replace(target)
    except sqlite3.Error as error:
        raise StoreError(f"{target}: the public copy cannot be made ({error})") from error
    except OSError as error:
        raise StoreError(f"{target}: cannot be written ({error.strerror}); name another file") from error
    finally:
        for path in (temporary, Path(f"{temporary}-wal"), Path(f"{temporary}-shm"), Path(f"{temporary}-journal")):
            path.unlink(missing_ok=True)
    return PublishReport(str(target), target.stat().st_size, *counted, cut, tuple(checks))


def _make(original: sqlite3.Connection, path: Path) -> tuple[int, list[str]]:
    """Copies, strips, compacts and checks; returns the number of statements cut, and the checks passed."""
    copy = sqlite3.connect(path, isolation_level=None)
    try:
        original.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE")
        copy.execute("PRAGMA foreign_keys = ON")
        cut = int(copy.execute("SELECT count(*) FROM statements WHERE length(text) > ?", [LONGEST]).fetchone()[0])
        # A feed's address may hold a key of its reader.
        copy.create_function("without_secrets", 1, lambda url: url and without_secrets(url), deterministic=True)
        copy.execute("BEGIN")
        for step in _STEPS.strip().split(";\n"):
            copy.execute(step, {"longest": LONGEST} if ":longest" in step else {})
        for table in ("articles", "fetches", "sources"):
            _hide_folders(copy, table)
        copy.execute("COMMIT")
        # VACUUM writes the file anew: without it, deleted texts would still lie in its free pages.
        copy.execute("VACUUM")
        checks = _check_structure(copy, path)
    finally:
        copy.close()
    _check_texts(
        (str(row[0]) for row in original.execute("SELECT text FROM documents UNION SELECT text FROM article_texts")),
        path,
    )
    return cut, [*checks, f"no passage of a text longer than {LONGEST} characters"]


def _hide_folders(copy: sqlite3.Connection, table: str) -> None:
    """Addresses of imported files keep the file's name and lose its folder, which is nobody's business."""
    columns = {row[1] for row in copy.execute(f"PRAGMA table_info({table})")} & {"url", "final_url", "parent_url"}
    for column in columns:
        for identity, url in copy.execute(f"SELECT id, {column} FROM {table} WHERE {column} LIKE 'file:%'").fetchall():
            hidden = f"file:{identity}/{url.rpartition('/')[2]}"
            copy.execute(f"UPDATE {table} SET {column} = ? WHERE id = ?", [hidden, identity])


def _check_structure(copy: sqlite3.Connection, path: Path) -> list[str]:
    damage = copy.execute("PRAGMA integrity_check").fetchone()[0]
    if damage != "ok":
        raise StoreError(f"{path.name}: the public copy is damaged ({damage}); nothing was put in place")
    broken = copy.execute("PRAGMA foreign_key_check").fetchone()
    if broken is not None:
        raise StoreError(
            f"{path.name}: a row of {broken[0]} in the public copy refers to nothing; nothing was put in place"
        )
    return ["integrity", "foreign keys"]


def _check_texts(texts: Iterator[str], path: Path) -> None:
    """Looks for passages of the texts in the bytes of the file, wherever they may lie. Raises StoreError for one over LONGEST.

    Every text leaves an anchor each LONGEST characters; the file is searched for all anchors at once, and a hit is grown in both
    directions as far as text and file agree. A passage longer than LONGEST characters and an anchor cannot be missed.
    """
    anchors: dict[bytes, list[tuple[bytes, int]]] = {}
    for text in texts:
        encoded = text.encode()
        at = 0
        for start in range(0, len(text), LONGEST):
            anchor = encoded[at : at + _ANCHOR]
            if len(anchor) == _ANCHOR:
                anchors.setdefault(anchor, []).append((encoded, at))
            at += len(text[start : start + LONGEST].encode())
    content = path.read_bytes()
    for place in range(len(content) - _ANCHOR + 1):
        for encoded, at in anchors.get(content[place : place + _ANCHOR], ()):
            passage = _common(content, place, encoded, at).decode(errors="ignore")
            if len(passage) > LONGEST:
                raise StoreError(
                    f"{path.name}: the public copy holds {len(passage)} characters of one text ({passage[:40]!r}...); "
                    "nothing was put in place"
                )


def _common(content: bytes, place: int, text: bytes, at: int) -> bytes:
    """The longest run around two places in which content and text agree."""
    before = 0
    while before < min(place, at) and content[place - before - 1] == text[at - before - 1]:
        before += 1
    after = 0
    while after < min(len(content) - place, len(text) - at) and content[place + after] == text[at + after]:
        after += 1
    return content[place - before : place + after]


def _counts(path: Path) -> tuple[int, int, int]:
    connection = sqlite3.connect(path)
    try:
        row = connection.execute(
            """SELECT (SELECT count(*) FROM articles), (SELECT count(DISTINCT document_id) FROM articles),
                      (SELECT count(*) FROM statements)"""
        ).fetchone()
    finally:
        connection.close()
    return int(row[0]), int(row[1]), int(row[2])
