"""The public copy: what belongs to others is not in it, anywhere in the file, and everything that was counted still is."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from db.models import (
    Article,
    Document,
    Fetch,
    InputError,
    Judgement,
    SourceRow,
    Speaker,
    Statement,
    StoreError,
    utc_now,
)
from db.publish import LONGEST, publish
from db.queries import open_read, rows
from db.store import Store
from db.timelines import timeline
from tests.db.samples import SIDES, SOURCES, TEXTS, fill


@pytest.fixture
def public(sample: Path, tmp_path: Path) -> Path:
    publish(sample, tmp_path / "public.db")
    return tmp_path / "public.db"


def test_no_text_is_in_the_file_anywhere(public: Path) -> None:
    content = public.read_bytes()
    for text in TEXTS.values():
        assert text.encode()[-200:] not in content
    assert b"Filler sentence" not in content
    assert b"pages.warc.gz" not in content
    assert b"HTTP 503" not in content
    assert b"\1" * 16 not in content


def test_timelines_of_the_copy_equal_those_of_the_database(sample: Path, public: Path) -> None:
    with open_read(sample) as one, open_read(public) as other:
        for kind in ("topics", "stances", "actors"):
            assert timeline(one, kind) == timeline(other, kind)  # type: ignore[arg-type]
        views = [row["name"] for row in rows(one, "SELECT name FROM sqlite_master WHERE type = 'view'")]
        assert views
        for view in views:
            assert rows(one, f"SELECT * FROM {view}") == rows(other, f"SELECT * FROM {view}")


def test_search_finds_statements_and_titles_in_the_copy_and_no_text(public: Path) -> None:
    with open_read(public) as connection:
        found = "SELECT rowid FROM {0}_fts WHERE {0}_fts MATCH ?"
        assert len(connection.execute(found.format("statements"), ["criminals"]).fetchall()) == 3
        assert connection.execute(found.format("documents"), ["filler"]).fetchall() == []
        assert len(connection.execute(found.format("documents"), ["wire"]).fetchall()) == 1


def test_long_evidence_is_cut_and_its_place_stays(tmp_path: Path) -> None:
    path = _with_long_evidence(tmp_path / "long.db")
    report = publish(path, tmp_path / "public.db")
    assert report.cut == 1
    with open_read(tmp_path / "public.db") as connection:
        [row] = rows(connection, 'SELECT text, start, "end" FROM statements')
    assert len(row["text"]) <= LONGEST
    assert row["text"].endswith("…")
    assert (row["start"], row["end"]) == (0, 500)


def test_a_copy_that_still_holds_a_long_passage_is_never_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import db.publish as publishing

    path = _with_long_evidence(tmp_path / "long.db")
    monkeypatch.setattr(publishing, "_STEPS", "UPDATE documents SET text = ''")
    with pytest.raises(StoreError, match="holds 500 characters of one text"):
        publish(path, tmp_path / "public.db")
    assert [p.name for p in tmp_path.glob("*public*")] + [p.name for p in tmp_path.glob(".*")] == []


def _with_long_evidence(path: Path) -> Path:
    text = "".join(chr(0x61 + (n * n + n // 7) % 26) for n in range(2000))
    with Store.open(path) as store:
        store.sync_sources(SOURCES)
        store.sync_debate(SIDES, [], [], [])
        run = store.start_run("read", "1")
        saved = store.save_article(run, "harbour", Article("file:///home/someone/secret/note.html", "A note", text))
        document = Document(saved.document_id, text, "A note", None, None)
        store.save_readings(run, "read", "1", [(document, [], [Statement(0, 500, Speaker("X", "X"), "indirect")])])
        store.save_judgements(run, "1", [(1, Judgement("open", 0.9))])
    return path


def test_folders_of_imported_files_are_not_told(tmp_path: Path) -> None:
    publish(_with_long_evidence(tmp_path / "long.db"), tmp_path / "public.db")
    content = (tmp_path / "public.db").read_bytes()
    assert b"secret" not in content
    assert b"note.html" in content


def test_what_a_publisher_changed_is_not_kept_public(tmp_path: Path) -> None:
    """Statements of a text that no address carries any more go, and with them the evidence of changes."""
    path = fill(tmp_path / "debate.db")
    with Store.open(path) as store:
        run = store.start_run("crawl", "1")
        store.save_article(
            run, "ledger", Article("https://ledger.example/post", "Corrected", "Nothing to say here any more. " * 9)
        )
    assert publish(path, tmp_path / "public.db").statements == 5
    with open_read(tmp_path / "public.db") as connection:
        assert connection.execute("SELECT count(*) FROM statements WHERE speaker_name = 'Lena Moss'").fetchone() == (0,)


def test_the_copy_is_one_file_that_can_be_opened_like_any_other(public: Path) -> None:
    assert [path.name for path in public.parent.iterdir()] == ["public.db"]
    with Store.open(public, create=False) as store:
        assert store.db.conn.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert store.count_to_judge("1") == 0


def test_an_existing_file_is_replaced_only_when_told_to(sample: Path, tmp_path: Path) -> None:
    target = tmp_path / "public.db"
    target.write_text("something else")
    with pytest.raises(InputError, match="exists already"):
        publish(sample, target)
    assert target.read_text() == "something else"
    Path(f"{target}-wal").write_text("left over")
    report = publish(sample, target, force=True)
    assert not Path(f"{target}-wal").exists()
    assert (report.articles, report.documents, report.statements) == (7, 5, 6)
    assert "7 articles" in report.to_text()
    assert report.to_json()["checks"]


def test_the_database_itself_is_never_the_target(tmp_path: Path) -> None:
    path = fill(tmp_path / "debate.db")
    with pytest.raises(InputError, match="is the database itself"):
        publish(path, path, force=True)
    with sqlite3.connect(path) as connection:
        assert connection.execute("SELECT count(*) FROM documents WHERE text != ''").fetchone() == (6,)


def test_a_folder_that_does_not_exist_is_told_in_one_line(sample: Path, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot be written"):
        publish(sample, tmp_path / "missing" / "public.db")


def test_the_key_of_a_reader_in_the_address_of_a_feed_is_not_published(tmp_path: Path) -> None:
    with Store.open(tmp_path / "x.db") as store:
        url = "https://a.example/feed?page=1&api_key=hidden"
        store.sync_sources([SourceRow("a", "A", url, "feed", config={"query": ["hidden"]})])
        store.record_fetch(store.start_run("crawl", "1"), Fetch("a", url, "stored", utc_now(), target="listing"))
    publish(tmp_path / "x.db", tmp_path / "public.db")
    assert b"hidden" not in (tmp_path / "public.db").read_bytes()
    with open_read(tmp_path / "public.db") as connection:
        shown = {"url": "https://a.example/feed?page=1&api_key=***"}
        assert rows(connection, "SELECT url FROM sources") == rows(connection, "SELECT url FROM fetches") == [shown]
