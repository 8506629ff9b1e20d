"""Compares databases row for row, but for the times at which a program ran."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

RUN_TIMES = {"added_at", "updated_at", "removed_at", "seen_at", "started_at", "finished_at", "failed_at", "applied_at"}


def content(path: Path) -> dict[str, list[tuple[object, ...]]]:
    """Table -> all its rows in the order of their keys, without the columns that say when a program ran; whether they are filled
    is kept."""
    with closing(sqlite3.connect(path)) as database:
        tables = database.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND sql NOT LIKE 'CREATE VIRTUAL%' AND name NOT LIKE '%_fts_%'"
        ).fetchall()
        found = {}
        for (table,) in tables:
            names = [row[1] for row in database.execute(f"PRAGMA table_info({table})")]
            shown = ", ".join(f'"{n}" IS NULL' if n in RUN_TIMES else f'"{n}"' for n in names)
            order = ", ".join(f'"{n}"' for n in names if n not in RUN_TIMES)
            found[table] = database.execute(f"SELECT {shown} FROM {table} ORDER BY {order}").fetchall()
        return found
