"""`doctor`: each kind of damage is found and named, and what can be mended is, without touching what was collected."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from io import BytesIO
from pathlib import Path

import pytest
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from db.doctor import Finding, examine
from db.models import StoreError


@pytest.fixture
def database(sample: Path, tmp_path: Path) -> Path:
    """A copy whose fetches name no archive: the sample of these tests was never fetched."""
    path = tmp_path / "debate.db"
    shutil.copyfile(sample, path)
    _execute(path, "UPDATE fetches SET warc_file = NULL")
    return path


def _execute(path: Path, script: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)


def _found(path: Path, *, mend: bool = False) -> list[Finding]:
    return examine(path, path.parent / "archive", mend=mend)


def test_a_database_that_is_well_gives_no_finding(database: Path) -> None:
    assert _found(database) == []


@pytest.mark.parametrize(
    ("check", "script"),
    [
        (
            "rows without their parent",
            "INSERT INTO positions SELECT 999, 999, proposition_id, stance, score, run_id FROM positions LIMIT 1",
        ),
        (
            "full-text index",
            """INSERT INTO documents_fts(documents_fts, rowid, title, text)
               SELECT 'delete', id, title, text FROM documents LIMIT 1""",
        ),
        ("missing indexes, triggers and views", "DROP INDEX fetches_url"),
        ("missing indexes, triggers and views", "DROP VIEW source_health"),
        ("offsets", "UPDATE statements SET start = start + 1 WHERE id = (SELECT min(id) FROM statements)"),
        ("offsets", 'UPDATE mentions SET "end" = 1000000 WHERE id = (SELECT min(id) FROM mentions)'),
    ],
    ids=["orphan", "full text", "index", "view", "statement", "name"],
)
def test_what_can_be_mended_is_found_first_and_mended_when_asked(database: Path, check: str, script: str) -> None:
    _execute(database, script)
    assert [(finding.check, finding.count, finding.mended) for finding in _found(database)] == [(check, 1, False)]
    assert [(finding.check, finding.mended) for finding in _found(database, mend=True)] == [(check, True)]
    if check == "offsets":  # The rows stay until they are read anew, and that is what was asked for.
        with closing(sqlite3.connect(database)) as connection:
            wanted = "SELECT count(*) FROM documents WHERE id NOT IN (SELECT document_id FROM document_steps)"
            assert connection.execute(wanted).fetchone()[0] >= 1
    else:
        assert _found(database) == []


def test_a_text_that_was_changed_is_told_and_left_alone(database: Path) -> None:
    _execute(database, "UPDATE documents SET text = text || ' More.' WHERE id = 1")
    (finding,) = _found(database, mend=True)
    assert (finding.check, finding.examples, finding.mended) == (
        "text that is not the one collected",
        ("document 1",),
        False,
    )


def test_articles_without_their_document_are_told_and_not_deleted(database: Path) -> None:
    _execute(database, "UPDATE articles SET document_id = 999 WHERE id = 1")
    (finding,) = _found(database, mend=True)
    assert (finding.check, finding.mended) == ("rows without their parent", False)
    with closing(sqlite3.connect(database)) as connection:
        assert connection.execute("SELECT count(*) FROM articles WHERE id = 1").fetchone() == (1,)


def test_an_archived_answer_that_is_gone_is_named(database: Path) -> None:
    _execute(database, "UPDATE fetches SET warc_file = 'gone.warc.gz', warc_offset = 7 WHERE id = 1")
    (finding,) = _found(database)
    assert finding.check == "archived answers"
    assert "gone.warc.gz" in finding.examples[0]


def test_a_full_text_index_that_is_gone_is_made_anew(database: Path) -> None:
    _execute(database, "DROP TABLE statements_fts")
    assert {finding.check for finding in _found(database)} == {"missing indexes, triggers and views", "full-text index"}
    assert all(finding.mended for finding in _found(database, mend=True))
    assert _found(database) == []


@pytest.mark.parametrize("offset", [7, 0, -5, "another"], ids=str)
def test_an_archived_answer_at_a_wrong_place_is_found_in_its_file(database: Path, offset: int | str) -> None:
    (database.parent / "archive").mkdir()
    with closing(sqlite3.connect(database)) as connection:
        pages = connection.execute("SELECT id, url FROM fetches WHERE article_id IS NOT NULL LIMIT 2").fetchall()
    places = []
    with (database.parent / "archive" / "a.warc.gz").open("wb") as file:
        writer = WARCWriter(file, gzip=True)
        writer.write_record(writer.create_warcinfo_record("a.warc.gz", {}))
        for _, url in pages:
            places.append(file.tell())
            headers = StatusAndHeaders("200 OK", [("Content-Type", "text/html")], protocol="HTTP/1.1")
            record = writer.create_warc_record(url, "response", payload=BytesIO(b"<p>x"), http_headers=headers)
            writer.write_record(record)
    for (fetch, _), place in zip(pages, places, strict=True):
        _execute(
            database,
            f"UPDATE fetches SET final_url = NULL, warc_file = 'a.warc.gz', warc_offset = {place} WHERE id = {fetch}",
        )
    assert _found(database) == []
    wrong = places[1] if offset == "another" else offset
    _execute(database, f"UPDATE fetches SET warc_offset = {wrong} WHERE id = {pages[0][0]}")
    assert [finding.check for finding in _found(database)] == ["places of archived answers"]
    assert [finding.mended for finding in _found(database, mend=True)] == [True]
    assert _found(database) == []


def test_a_damaged_file_is_told_and_nothing_is_written_to_it(database: Path) -> None:
    _execute(database, "PRAGMA journal_mode = DELETE; VACUUM")
    with closing(sqlite3.connect(database)) as connection:
        page, size = (
            connection.execute(sql).fetchone()[0]
            for sql in ("SELECT rootpage FROM sqlite_master WHERE name = 'statements'", "PRAGMA page_size")
        )
    with database.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    (finding,) = _found(database, mend=True)
    assert (finding.check, finding.mended) == ("damaged file", False)


def test_a_database_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="no such database"):
        _found(tmp_path / "none.db")
