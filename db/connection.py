"""Opens the database, brings its schema up to date, and makes one write one transaction. Knows no table."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import sqlite_utils

from db.migrations import migrations
from db.models import (
    StoreError,
)

BUSY_SECONDS = 30
"""How long a write waits for another process's write before it gives up."""


class Connection:
    """A Debatewatch database, open for writing. Use as a context manager, or call `close`."""

    def __init__(self, path: Path, db: sqlite_utils.Database) -> None:
        self.path = path
        self.db = db

    @classmethod
    def open(cls, path: Path | str, *, create: bool = True) -> Self:
        """Opens (and with `create` makes) the database, in WAL mode with foreign keys on and the newest schema.

        Raises StoreError with one line when the file is missing, is not a database, is of a newer version, or is locked.
        """
        path = Path(path)
        if not create and not path.exists():
            raise StoreError(f"{path}: no such database; `debatewatch crawl` or `debatewatch import` makes one")
        if not path.parent.exists():
            raise StoreError(
                f"{path}: the folder {path.parent} does not exist; make it, or name another file with --db"
            )
        connection: sqlite3.Connection | None = None
        try:
            connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
            connection.execute(f"PRAGMA busy_timeout = {BUSY_SECONDS * 1000}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            db = sqlite_utils.Database(connection)
            newer = {m.name for m in migrations.applied(db)} - {m.name for m in migrations._migrations}
            if newer:
                raise StoreError(f"{path}: made by a newer Debatewatch ({', '.join(sorted(newer))}); upgrade this one")
            if migrations.pending(db):
                migrations.apply(db)
            connection.execute("PRAGMA foreign_keys = ON")
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
            raise StoreError(f"{path}: cannot be opened as a Debatewatch database ({error}){_advice(error)}") from error
        except StoreError:
            if connection is not None:
                connection.close()
            raise
        return cls(path, db)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection; what was committed stays."""
        self.db.conn.close()

    @contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        """One write transaction. IMMEDIATE, because a deferred one that must upgrade fails at once under WAL when another
        process has written since (https://www.sqlite.org/isolation.html)."""
        connection = self.db.conn
        try:
            connection.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError as error:
            raise StoreError(f"{self.path}: cannot be written ({error}); {_mend(error)}") from error
        try:
            yield connection
            connection.execute("COMMIT")
        except sqlite3.OperationalError as error:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise StoreError(
                f"{self.path}: a write failed ({error}) and left nothing behind; {_mend(error)}"
            ) from error
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _rows(self, sql: str, parameters: Sequence[object] | Mapping[str, object] = ()) -> Iterator[dict[str, Any]]:
        cursor = self.db.conn.execute(sql, parameters)
        names = [column[0] for column in cursor.description]
        for row in cursor:
            yield dict(zip(names, row, strict=True))


_MENDS = {
    sqlite3.SQLITE_CORRUPT: "restore a copy, or build it anew from its archive: debatewatch replay archive --db NEW",
    sqlite3.SQLITE_BUSY: "is another process holding it?",
    sqlite3.SQLITE_LOCKED: "is another process holding it?",
    sqlite3.SQLITE_READONLY: "this user may not write the file or its folder",
    sqlite3.SQLITE_CANTOPEN: "this user may not write the file or its folder",
    sqlite3.SQLITE_FULL: "make room on the disk and run it again",
    sqlite3.SQLITE_IOERR: "is the disk full, or gone?",
}


def _mend(error: sqlite3.Error) -> str:
    """What to do about an error of SQLite's (https://www.sqlite.org/rescode.html; the low byte is the kind)."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return _MENDS.get(code, "debatewatch doctor looks into it")


def _advice(error: sqlite3.Error) -> str:
    return f"; {_mend(error)}" if getattr(error, "sqlite_errorcode", 0) & 0xFF in _MENDS else ""


def as_json(value: object) -> str:
    """A value as the database keeps it: JSON with sorted keys, so that the same value is the same text."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)
