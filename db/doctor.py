"""Checks a database and its page archive, and mends what can be mended without guessing. Nothing that was collected is removed:
what is deleted are rows that the schema itself would have deleted with their parent.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import sqlite_utils

from db.archive_reader import places_of, read_answer
from db.coding import HAND_CODED
from db.migrations import migrations
from db.models import ArchiveError, StoreError
from db.store import Store


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found wrong. `examples` names at most three of the `count` cases."""

    check: str
    count: int
    examples: tuple[str, ...]
    mend: str
    """What was done, or what the reader can do."""
    mended: bool = False


def examine(path: Path, archive: Path, *, mend: bool = False) -> list[Finding]:
    """Every check, in order; an empty list for a database that is well. With `mend`, what can be mended is.

    Checked: the file itself, indexes, triggers and views, rows whose parent is missing, the full-text indexes, the sha256 of each
    text, offsets that do not give the text of their statement or lie outside of it, and whether each archived answer is readable
    and that of its page. Raises StoreError when the file is no database of ours or, with `mend`, cannot be written.
    """
    with Store.open(path, create=False) as store:
        connection = store.db.conn
        found = [_damage(connection)]
        if found[0] is None:  # Nothing more can be said about a file that is damaged, and nothing may be written to it.
            try:
                with store.db.atomic() if mend else nullcontext():
                    found += [
                        _schema(connection, mend),
                        _orphans(connection, mend),
                        *_indexes(connection, mend),
                        _texts(connection),
                        _offsets(connection, mend),
                    ]
                found += _archive(connection, archive, mend)
            except sqlite3.OperationalError as error:
                raise StoreError(f"{path}: cannot be written ({error}); is another process holding it?") from error
    return [finding for finding in found if finding is not None]


def _finding(check: str, cases: list[str], mend: str, *, mended: bool = False) -> Finding | None:
    return Finding(check, len(cases), tuple(cases[:3]), mend, mended) if cases else None


def _damage(connection: sqlite3.Connection) -> Finding | None:
    try:
        cases = [str(row[0]) for row in connection.execute("PRAGMA integrity_check(100)")]
    except sqlite3.DatabaseError as error:
        cases = [str(error)]
    cases = [
        case for case in cases if case != "ok" and "fts" not in case
    ]  # Full-text indexes have a check of their own.
    return _finding("damaged file", cases, "restore a copy, or build it anew: debatewatch replay archive --db NEW")


def _schema(connection: sqlite3.Connection, mend: bool) -> Finding | None:
    """What hangs on the tables and can be made anew from them."""
    fresh = sqlite_utils.Database(memory=True)
    migrations.apply(fresh)
    present = {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}
    missing = {
        name: sql
        for name, sql in fresh.conn.execute(
            """SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND (type IN ('index', 'trigger', 'view') OR sql LIKE
               'CREATE VIRTUAL TABLE%') ORDER BY type != 'table', rowid"""
        )
        if name not in present
    }
    if mend:
        for name, sql in missing.items():
            connection.execute(sql)
            if sql.startswith("CREATE VIRTUAL TABLE"):
                connection.execute(f"INSERT INTO {name}({name}) VALUES ('rebuild')")
    done = "made anew" if mend else "--mend makes them anew"
    return _finding("missing indexes, triggers and views", list(missing), done, mended=mend)


def _orphans(connection: sqlite3.Connection, mend: bool) -> Finding | None:
    cases, deletable = [], True
    for table, rowid, parent, number in connection.execute("PRAGMA foreign_key_check").fetchall():
        cases.append(f"{table} {rowid}: no such row of {parent}")
        rules = {row[0]: row[6] for row in connection.execute(f"PRAGMA foreign_key_list({table})")}
        if rowid is None or rules[number] != "CASCADE":
            deletable = False
        elif mend:
            connection.execute(f"DELETE FROM {table} WHERE rowid = ?", [rowid])
    if mend and deletable:
        return _finding("rows without their parent", cases, "deleted, as with their parent", mended=True)
    advice = "--mend deletes them" if deletable else "some hold what was collected: debatewatch replay archive --db NEW"
    return _finding("rows without their parent", cases, advice)


def _indexes(connection: sqlite3.Connection, mend: bool) -> Iterator[Finding | None]:
    for table in ("documents_fts", "statements_fts"):
        try:
            # Rank 1 compares the index with the table it indexes (https://www.sqlite.org/fts5.html, 6.6).
            connection.execute(f"INSERT INTO {table}({table}, rank) VALUES ('integrity-check', 1)")
        except sqlite3.DatabaseError as error:
            if mend:
                connection.execute(f"INSERT INTO {table}({table}) VALUES ('rebuild')")
            yield Finding(
                "full-text index", 1, (f"{table}: {error}",), "built anew" if mend else "--mend builds it anew", mend
            )


def _texts(connection: sqlite3.Connection) -> Finding | None:
    cases = [
        f"document {row[0]}"
        for row in connection.execute("SELECT id, text, sha256 FROM documents")
        if hashlib.sha256(row[1].encode()).hexdigest() != row[2]
    ]
    return _finding("text that is not the one collected", cases, "build it anew: debatewatch replay archive --db NEW")


def _offsets(connection: sqlite3.Connection, mend: bool) -> Finding | None:
    # In Python: SQLite's length() and substr() end at a NUL character, which a text may hold.
    wrong: dict[int, str] = {}
    coded = False
    for document, text, said, start, end, rule in connection.execute(
        """SELECT d.id, d.text, s.text, s.start, s."end", s.rule FROM documents AS d JOIN statements AS s ON s.document_id = d.id"""
    ):
        if text[start:end] != said:
            wrong[document] = f"document {document}: statement at {start}-{end}"
            coded = coded or rule == HAND_CODED
    for document, text, start, end in connection.execute(
        'SELECT d.id, d.text, m.start, m."end" FROM documents AS d JOIN mentions AS m ON m.document_id = d.id'
    ):
        if end > len(text):
            wrong.setdefault(document, f"document {document}: name at {start}-{end} of {len(text)}")
    if mend and not coded:
        # Its rows stay until `analyze` replaces them.
        connection.executemany("DELETE FROM document_steps WHERE document_id = ?", [(document,) for document in wrong])
        return _finding("offsets", list(wrong.values()), "the next debatewatch analyze reads these anew", mended=True)
    advice = "import the coded file again" if coded else "--mend has debatewatch analyze read these anew"
    return _finding("offsets", list(wrong.values()), advice)


def _archive(connection: sqlite3.Connection, folder: Path, mend: bool) -> list[Finding | None]:
    lost: list[str] = []
    strayed: list[str] = []
    for file, offset, article, address, url in connection.execute(
        """SELECT warc_file, warc_offset, article_id, min(coalesce(final_url, url)), min(url) FROM fetches
           WHERE warc_file IS NOT NULL AND warc_offset IS NOT NULL GROUP BY warc_file, warc_offset, article_id
           ORDER BY warc_file, warc_offset"""
    ).fetchall():
        try:
            answered = read_answer(folder, file, offset).url
            # What came of a page that was not kept may be told under the address that it declares.
            if article is None or answered in (address, url):
                continue
            wrong = f"{file}: at byte {offset} lies {answered} instead of {address}"
        except ArchiveError as error:
            wrong = str(error)
        places = places_of(folder, file, address)
        (strayed if len(places) == 1 else lost).append(wrong)
        if mend and len(places) == 1:
            connection.execute(
                "UPDATE fetches SET warc_offset = ? WHERE warc_file = ? AND warc_offset = ? AND article_id IS ?",
                [places[0], file, offset, article],
            )
    done = "found again in their files" if mend else "--mend finds them in their files"
    return [
        _finding("archived answers", lost, f"put the files back into {folder}; the rows stay as they are"),
        _finding("places of archived answers", strayed, done, mended=mend),
    ]
