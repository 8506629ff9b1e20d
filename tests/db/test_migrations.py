"""The schema: every table is strict, every reference holds, and a file of a newer version is left alone."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from db.migrations import migrations
from db.models import StoreError
from db.store import Store

TABLES = (
    *(
        "sources",
        "runs",
        "fetches",
        "articles",
        "documents",
        "actors",
        "mentions",
        "statements",
        "positions",
        "propositions",
    ),
    *("topics", "document_topics", "topic_events", "position_changes", "failures"),
)
VIEWS = ("topic_timeline", "stance_timeline", "actor_positions", "source_health")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    with Store.open(tmp_path / "debate.db"):
        pass
    return tmp_path / "debate.db"


def test_the_tables_and_views_that_others_rely_on_are_there(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        kinds = dict(connection.execute("SELECT name, type FROM sqlite_master"))
        assert {kinds.get(name) for name in TABLES} == {"table"}
        assert {kinds.get(name) for name in VIEWS} == {"view"}
        for view in VIEWS:
            assert connection.execute(f"SELECT count(*) FROM {view}").fetchone() == (0,)


def test_every_table_of_ours_is_strict(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        loose = [
            row[1]
            for row in connection.execute("PRAGMA table_list")
            if row[0] == "main" and row[2] == "table" and not row[5] and not row[1].startswith(("sqlite_", "_"))
        ]
    assert [name for name in loose if "_fts" not in name] == []


def test_a_reference_to_nothing_is_refused(path: Path) -> None:
    with Store.open(path) as store, pytest.raises(sqlite3.IntegrityError, match="FOREIGN KEY"):
        store.db.conn.execute("INSERT INTO failures (run_id, step, error, failed_at) VALUES (99, 'x', 'y', 'z')")


def test_readers_are_not_blocked_by_writers(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_opening_again_changes_nothing(path: Path) -> None:
    def schema() -> list[tuple[str, ...]]:
        with sqlite3.connect(path) as connection:
            return connection.execute("SELECT name, sql FROM sqlite_master ORDER BY name").fetchall()

    before = schema()
    with Store.open(path) as store:
        assert migrations.pending(store.db) == []
    assert schema() == before


def test_an_interrupted_migration_leaves_nothing_half_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import db.migrations as module

    monkeypatch.setattr(module, "_VIEWS", "CREATE VIEW months AS SELECT 1;\nCREATE VIEW broken AS SELEKT 1")
    with pytest.raises(StoreError, match="cannot be opened"):
        Store.open(tmp_path / "debate.db")
    with sqlite3.connect(tmp_path / "debate.db") as connection:
        assert connection.execute("SELECT count(*) FROM sqlite_master WHERE type = 'view'").fetchone() == (0,)
    monkeypatch.undo()
    with Store.open(tmp_path / "debate.db") as store:
        assert migrations.pending(store.db) == []


def test_a_file_of_a_newer_version_is_left_alone(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at) VALUES ('debatewatch', 'm999_future', '2030-01-01')"
        )
    with pytest.raises(StoreError, match=r"made by a newer Debatewatch .m999_future."):
        Store.open(path)


def test_the_months_of_the_views_have_no_holes_over_the_turn_of_a_year(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from db.models import Article
    from tests.db.samples import SOURCES

    with Store.open(tmp_path / "debate.db") as store:
        store.sync_sources(SOURCES)
        run = store.start_run("crawl", "1")
        for month, year in ((11, 2023), (2, 2024)):
            when = datetime(year, month, 28, 23, tzinfo=UTC)
            store.save_article(
                run, "ledger", Article(f"https://l.example/{month}", "T", f"Text {month}.", published_at=when)
            )
        found = store.db.conn.execute("SELECT month, collected FROM months ORDER BY month").fetchall()
    assert found == [("2023-11", 1), ("2023-12", 0), ("2024-01", 0), ("2024-02", 1)]
