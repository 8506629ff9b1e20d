"""A replay: what is missing or damaged in an archive is told and ends nothing; a database that exists is left alone."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from crawler.journal import is_journal
from crawler.replay import replay
from crawler.run import crawl
from crawler.warc import ArchiveWriter
from db.models import ArchiveError, InputError
from tests.crawler.same_rows import content
from tests.crawler.test_crawl import sources_file
from tests.crawler.webserver import WebServer, article, debate_text, rss


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small site, crawled: x.db and archive."""
    with WebServer() as web:
        web.pages = {f"/{n}": article(f"Page {n}", debate_text(n)) for n in range(3)}
        web.pages["/feed"] = rss(web.base, list(web.pages))
        crawl(tmp_path / "x.db", sources_file(tmp_path, [{"id": "site", "kind": "feed", "url": f"{web.base}/feed"}]))
    return tmp_path


def _runs(path: Path) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute("SELECT step, status FROM runs").fetchall()


def _journal(folder: Path) -> Path:
    return next(path for path in (folder / "archive").iterdir() if is_journal(path))


def test_a_crawl_that_was_killed_is_replayed_as_far_as_its_journal_goes(folder: Path) -> None:
    """gzip members are records: the last one says how the crawl ended."""
    journal = _journal(folder)
    whole = journal.read_bytes()
    journal.write_bytes(whole[: whole.rindex(b"\x1f\x8b\x08")])
    report = replay(folder / "again.db", folder / "archive")
    assert (report.documents, report.ok) == (3, True)
    assert _runs(folder / "again.db") == [("crawl", "interrupted")]
    assert content(folder / "again.db")["articles"] == content(folder / "x.db")["articles"]


def test_a_damaged_journal_and_a_lost_page_are_told_and_the_rest_is_there(folder: Path) -> None:
    journal = _journal(folder)
    whole = journal.read_bytes()
    journal.write_bytes(whole[: whole.rindex(b"\x1f\x8b\x08") + 30])
    report = replay(folder / "cut.db", folder / "archive")
    assert report.documents == 3
    assert not report.ok
    assert "damaged after this point" in report.sources[-1].errors[0]
    journal.write_bytes(whole)
    for path in (folder / "archive").iterdir():
        if not is_journal(path):
            path.unlink()
    report = replay(folder / "lost.db", folder / "archive")
    assert (report.documents, report.total("failed")) == (0, 3)
    assert "no such archive file" in report.sources[0].errors[0]


def test_what_is_no_step_of_a_journal_ends_it_with_a_line(folder: Path) -> None:
    journal = _journal(folder)
    other = ArchiveWriter(folder / "elsewhere", "other", info={"software": "another"})
    other.write_metadata("urn:other", b'["not ours"]')
    other.close()
    [strange] = (folder / "elsewhere").iterdir()
    journal.write_bytes(journal.read_bytes() + strange.read_bytes())
    report = replay(folder / "again.db", folder / "archive")
    assert report.documents == 3
    assert "no step of a journal" in report.sources[-1].errors[0]


def test_a_database_that_exists_is_left_alone_and_an_archive_without_a_journal_cannot_be_replayed(folder: Path) -> None:
    before = (folder / "x.db").read_bytes()
    with pytest.raises(InputError, match="exists already"):
        replay(folder / "x.db", folder / "archive")
    assert (folder / "x.db").read_bytes() == before
    _journal(folder).unlink()
    with pytest.raises(ArchiveError, match="debatewatch import"):
        replay(folder / "new.db", folder / "archive")
    assert not (folder / "new.db").exists()
