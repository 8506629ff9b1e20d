"""A full disk, a locked database, a network that goes away, a clock that was wrong: one line each, and the next run carries on."""

from __future__ import annotations

import multiprocessing
import os
import resource
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import db.connection
from crawler.run import crawl
from crawler.warc import ArchiveWriter, iter_records
from db.doctor import examine
from db.models import ArchiveError, Article, Fetch, SourceRow, StoreError
from db.store import Store
from tests.crawler.test_crawl import CONTENT, rows, sources_file
from tests.crawler.webserver import Reply, WebServer, article, debate_text, rss


@contextmanager
def files_no_larger_than(size: int) -> Iterator[None]:
    """Writes that would make a file larger fail, as on a full disk (setrlimit(2): EFBIG instead of ENOSPC)."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _exchange(writer: ArchiveWriter, name: str, body: bytes) -> str:
    place = writer.write(
        f"http://example.org/{name}", request=("GET /", []), response=("200 OK", [], body), target="page"
    )
    return place.file


def test_a_full_disk_leaves_no_half_record_in_the_archive(tmp_path: Path) -> None:
    writer = ArchiveWriter(tmp_path, "site", info={"isPartOf": "site"})
    with files_no_larger_than(100_000):
        first = _exchange(writer, "before", b"small")
        with pytest.raises(ArchiveError, match=r"the archive cannot be written .*make room") as told:
            _exchange(writer, "during", os.urandom(200_000))
    assert "\n" not in str(told.value)
    second = _exchange(writer, "after", b"small")
    writer.close()
    problems: list[str] = []
    found = [page.url for name in (first, second) for page in iter_records(tmp_path / name, on_error=problems.append)]
    assert found == ["http://example.org/before", "http://example.org/after"]
    assert problems == []


def _store(path: Path) -> tuple[Store, int]:
    store = Store.open(path)
    store.sync_sources([SourceRow("site", "Site", "https://site.example/", "feed")])
    return store, store.start_run("crawl", "1")


def _save(store: Store, run: int, name: str, words: int = 50) -> None:
    url = f"https://site.example/{name}"
    fetch = Fetch("site", url, "stored", datetime(2026, 3, 1, tzinfo=UTC))
    store.save_article(run, "site", Article(url, name, f"{name} says so. " * words), fetch=fetch)


def test_a_full_disk_leaves_nothing_of_a_page_in_the_database(tmp_path: Path) -> None:
    store, run = _store(tmp_path / "x.db")
    pages = store.db.execute("PRAGMA page_count").fetchone()[0]
    store.db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(StoreError, match="make room on the disk and run it again") as told:
        _save(store, run, "large", words=200_000)
    assert "\n" not in str(told.value)
    assert rows(tmp_path, "SELECT count(*) FROM articles") == [(0,)]
    store.db.execute("PRAGMA max_page_count = 1000000")
    _save(store, run, "large")
    store.close()
    assert rows(tmp_path, "SELECT title FROM articles") == [("large",)]
    assert examine(tmp_path / "x.db", tmp_path / "archive") == []


def test_a_database_that_another_process_holds_is_one_line_and_free_again_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db.connection, "BUSY_SECONDS", 0)
    store, run = _store(tmp_path / "x.db")
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match=r"database is locked\); is another process holding it\?"):
            _save(store, run, "page")
        other.execute("ROLLBACK")
    _save(store, run, "page")
    store.close()
    assert rows(tmp_path, "SELECT title FROM articles") == [("page",)]


def test_a_database_that_may_not_be_written_is_one_line(tmp_path: Path) -> None:
    store, run = _store(tmp_path / "x.db")
    store.db.execute("PRAGMA query_only = ON")
    with pytest.raises(StoreError, match="this user may not write the file or its folder"):
        _save(store, run, "page")
    store.close()
    if os.geteuid() == 0:
        return  # Root may write everything.
    (tmp_path / "x.db").chmod(0o444)
    with pytest.raises(StoreError, match="this user may not write the file or its folder"):
        Store.open(tmp_path / "x.db")


def test_a_crawl_that_fills_the_disk_ends_with_one_line_and_the_next_carries_on(tmp_path: Path) -> None:
    """From its first page on no file of the crawl may be larger than 2.5 MB; its archive would have 5."""
    with WebServer() as web:
        paths = [f"/page/{number}" for number in range(8)]
        for number, path in enumerate(paths):
            # Compression does nothing for random digits.
            filling = f"<!-- {os.urandom(600_000).hex()} -->".encode()
            web.pages[path] = Reply(article(path, debate_text(number)).body + filling)
        web.pages["/feed"] = rss(web.base, paths)
        sources = sources_file(tmp_path, [{"id": "site", "kind": "feed", "url": f"{web.base}/feed"}])

        def fill(done: int, total: int, what: str) -> None:
            for process in multiprocessing.active_children():
                if process.name == "debatewatch-crawl":
                    resource.prlimit(process.pid or 0, resource.RLIMIT_FSIZE, (2_500_000, resource.RLIM_INFINITY))

        with pytest.raises(ArchiveError, match="the archive cannot be written") as told:
            crawl(tmp_path / "x.db", sources, progress=fill)
        assert "\n" not in str(told.value)
        assert 0 < rows(tmp_path, "SELECT count(*) FROM articles")[0][0] < 8
        assert rows(tmp_path, "SELECT status FROM runs") == [("failed",)]
        assert examine(tmp_path / "x.db", tmp_path / "archive") == []
        assert crawl(tmp_path / "x.db", sources).ok
        (tmp_path / "whole").mkdir()
        crawl(tmp_path / "whole" / "x.db", sources)
    assert rows(tmp_path, CONTENT) == rows(tmp_path / "whole", CONTENT)
    assert examine(tmp_path / "x.db", tmp_path / "archive") == []


def test_a_network_that_went_away_and_returned_leaves_nothing_out(tmp_path: Path) -> None:
    """It goes in the middle of a crawl, is away for the next one, and is there for the third."""
    with WebServer() as web:
        paths = [f"/page/{number}" for number in range(6)]
        web.pages |= {path: article(f"Page {path}", debate_text(number)) for number, path in enumerate(paths)}
        web.pages["/feed"] = rss(web.base, paths)
        web.pages["/feed"].headers["ETag"] = '"1"'
        settings = {"retries": 0}
        sources = sources_file(tmp_path, [{"id": "site", "kind": "feed", "url": f"{web.base}/feed"}], settings)
        (tmp_path / "whole").mkdir()
        crawl(tmp_path / "whole" / "x.db", sources)
        gone = {path: web.pages.pop(path) for path in paths[3:]}

        def hang_up(_: object) -> Reply:
            raise ConnectionAbortedError

        web.pages |= dict.fromkeys(gone, hang_up)
        crawl(tmp_path / "x.db", sources)
        feed = web.pages["/feed"]
        web.pages |= dict.fromkeys([*paths, "/feed", "/robots.txt"], hang_up)
        assert not crawl(tmp_path / "x.db", sources).ok
        del web.pages["/robots.txt"]
        web.pages |= gone
        web.pages |= {path: article(f"Page {path}", debate_text(number)) for number, path in enumerate(paths[:3])}
        web.pages["/feed"] = feed
        assert crawl(tmp_path / "x.db", sources).ok
    assert rows(tmp_path, CONTENT) == rows(tmp_path / "whole", CONTENT)


def test_a_clock_before_the_last_crawl_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import debatewatch

    store, run = _store(tmp_path / "x.db")
    store.finish_run(run, "done")
    debatewatch._check_clock(tmp_path / "x.db")
    assert capsys.readouterr().err == ""
    ahead = (datetime.now(UTC) + timedelta(days=3650)).strftime("%Y-%m-%dT%H:%M:%SZ")
    store.db.execute("UPDATE runs SET started_at = ?", [ahead])
    store.close()
    debatewatch._check_clock(tmp_path / "x.db")
    line = capsys.readouterr().err
    assert "one of them is wrong; this crawl goes on" in line
    assert line.count("\n") == 1
