"""Retention: what statements rest on stays and is found, everything else goes by age and size, and the database stays well."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from datasette.app import Datasette

import debatewatch
from crawler.process import crawl_lock
from crawler.prune import PruneReport, parse_size, prune
from crawler.warc import ArchivedAt, ArchiveWriter, iter_records, read_record
from db.doctor import examine
from db.models import ArchiveError, Article, Fetch, InputError, SourceRow, Speaker, Statement, utc_now
from db.store import Store

DAY = timedelta(days=1)


@dataclass
class Debate:
    """A database and its archive: pages of two files, of which those with a statement are evidence."""

    path: Path
    places: dict[str, ArchivedAt]

    @property
    def archive(self) -> Path:
        return self.path.parent / "archive"

    def prune(self, **rules: Any) -> PruneReport:
        report = prune(self.path, self.archive, **rules)
        assert examine(self.path, self.archive) == []
        return report

    def archived(self) -> set[str]:
        """The pages whose rows say where they lie; that they lie there is what doctor checks."""
        with closing(sqlite3.connect(self.path)) as connection:
            found = connection.execute("SELECT url FROM fetches WHERE warc_file IS NOT NULL")
            return {url.rpartition("/")[2] for (url,) in found}

    def files(self) -> list[str]:
        return sorted(path.name for path in self.archive.iterdir())


PAGES = ("first-said", "first-plain", "first-offtopic", "second-plain", "second-unread")


@pytest.fixture
def debate(tmp_path: Path) -> Debate:
    places: dict[str, ArchivedAt] = {}
    with Store.open(tmp_path / "x.db") as store:
        store.sync_sources([SourceRow("site", "Site", "https://site.example/", "feed")])
        run = store.start_run("crawl", "1")
        for file in ("first", "second"):
            writer = ArchiveWriter(tmp_path / "archive", file, info={"isPartOf": "site"})
            for name in (name for name in PAGES if name.startswith(file)):
                _keep(store, run, writer, name, places)
            writer.close()
        step = store.start_run("read", "1")
        for document in store.documents():
            said = [Statement(0, 10, Speaker("Ines", "Ines"), "direct")] if document.title == "first-said" else []
            if document.title != "second-unread":
                store.save_readings(step, "read", "1", [(document, [], said)])
    return Debate(tmp_path / "x.db", places)


def _keep(store: Store, run: int, writer: ArchiveWriter, name: str, places: dict[str, ArchivedAt]) -> None:
    url = f"https://site.example/{name}"
    body = f"<p>{name}</p>".encode() + os.urandom(2000)
    places[name] = place = writer.write(
        url, request=("GET /", []), response=("200 OK", [("Content-Type", "text/html")], body), target="page"
    )
    fetch = Fetch("site", url, "stored", utc_now(), status=200, warc_file=place.file, warc_offset=place.offset)
    if name.endswith("offtopic"):
        store.record_fetch(run, replace(fetch, outcome="off_topic"))
    else:
        store.save_article(run, "site", Article(url, name, f"{name} is a text. " * 30), fetch=fetch)


def test_what_statements_rest_on_stays_and_all_else_goes(debate: Debate) -> None:
    before = {name: (debate.archive / place.file).read_bytes() for name, place in debate.places.items()}
    report = debate.prune(older_than=timedelta(0) - DAY)
    assert debate.archived() == {"first-said", "second-unread"}
    assert (report.pages, report.evidence, report.problems) == (3, 2, ())
    assert debate.files() == ["first-00000-kept-1.warc.gz", "second-00000-kept-1.warc.gz"]
    assert report.size == sum(path.stat().st_size for path in debate.archive.iterdir())
    assert report.bytes == len(before["first-said"]) + len(before["second-unread"]) - report.size
    problems: list[str] = []
    kept = list(iter_records(debate.archive / "first-00000-kept-1.warc.gz", on_error=problems.append))
    assert [(page.url, page.source_id) for page in kept] == [("https://site.example/first-said", "site")]
    assert problems == []


def test_a_replay_finds_what_was_moved_also_twice_and_not_what_is_gone(debate: Debate) -> None:
    for _ in range(2):
        debate.prune(older_than=timedelta(0) - DAY)
        place = debate.places["first-said"]
        assert b"first-said" in read_record(debate.archive, place.file, place.offset)[1]
        gone = debate.places["first-plain"]
        with pytest.raises(ArchiveError, match="no such archive file"):
            read_record(debate.archive, gone.file, gone.offset)
        _all_but_one_are_read(debate)


def _all_but_one_are_read(debate: Debate) -> None:
    """The text that was not read turns out to say nothing: its page may go, too."""
    with Store.open(debate.path) as store:
        step = store.start_run("read", "1")
        store.save_readings(step, "read", "1", [(d, [], []) for d in store.documents() if d.title == "second-unread"])


def test_a_dry_run_changes_nothing_and_says_the_same(debate: Debate) -> None:
    files = debate.files()
    dry = debate.prune(older_than=timedelta(0) - DAY, dry_run=True)
    assert (debate.files(), len(debate.archived())) == (files, 5)
    real = debate.prune(older_than=timedelta(0) - DAY)
    assert (dry.pages, dry.evidence) == (real.pages, real.evidence)
    # The file that is written anew says where its records lay.
    assert abs(dry.size - real.size) < 1000


def test_what_is_young_and_fits_stays(debate: Debate) -> None:
    files = debate.files()
    assert debate.prune(older_than=DAY, max_bytes=1_000_000).pages == 0
    assert debate.files() == files


def test_a_size_takes_the_oldest_first_and_no_more_than_needed(debate: Debate) -> None:
    size = sum(path.stat().st_size for path in debate.archive.iterdir())
    report = debate.prune(max_bytes=size - 1000)
    assert report.pages == 1
    assert debate.archived() == set(PAGES) - {"first-plain"}


def test_the_page_under_which_a_comment_says_something_stays(debate: Debate) -> None:
    with Store.open(debate.path) as store:
        run = store.start_run("crawl", "1")
        comment = Article(
            "https://site.example/second-plain#1",
            "Re",
            "Weights should be open, I say.",
            kind="comment",
            parent_url="https://site.example/second-plain",
        )
        saved = store.save_article(run, "site", comment)
        (document,) = [d for d in store.documents() if d.id == saved.document_id]
        said = Statement(0, 22, Speaker("AUTHOR", "AUTHOR"), "authorial")
        store.save_readings(store.start_run("read", "1"), "read", "1", [(document, [], [said])])
    debate.prune(older_than=timedelta(0) - DAY)
    assert debate.archived() == {"first-said", "second-plain", "second-unread"}


def test_a_damaged_file_and_a_journal_are_left_alone(debate: Debate) -> None:
    damaged = debate.archive / debate.places["second-plain"].file
    damaged.write_bytes(damaged.read_bytes()[:-10])
    journal = debate.archive / "journal-of-crawl-20260301000000-1-00000.warc.gz"
    journal.write_bytes(b"")
    report = prune(debate.path, debate.archive, older_than=timedelta(0) - DAY)
    assert "second-00000.warc.gz: left alone" in report.problems[0]
    assert debate.files() == ["first-00000-kept-1.warc.gz", journal.name, damaged.name]


def test_links_of_articles_work_whether_their_page_is_there_or_not(debate: Debate) -> None:
    debate.prune(older_than=timedelta(0) - DAY)

    async def visit() -> None:
        datasette = Datasette([str(debate.path)])
        await datasette.invoke_startup()
        for name, there in (("first-said", True), ("first-plain", False)):
            with closing(sqlite3.connect(debate.path)) as connection:
                number, document = connection.execute(
                    """SELECT f.id, a.document_id FROM fetches AS f JOIN articles AS a ON a.id = f.article_id
                       WHERE f.url LIKE ?""",
                    [f"%/{name}"],
                ).fetchone()
            page = await datasette.client.get(f"/-/document/{document}")
            assert page.status_code == 200
            assert f"https://site.example/{name}" in page.text
            assert (f"/-/archive/{number}" in page.text) is there
            archived = await datasette.client.get(f"/-/archive/{number}")
            assert archived.status_code == (200 if there else 404)

    asyncio.run(visit())


def test_without_a_rule_or_beside_a_crawl_nothing_is_done(debate: Debate) -> None:
    with pytest.raises(InputError, match="prune needs a rule"):
        debate.prune()
    with crawl_lock(debate.path), pytest.raises(InputError, match="a crawl is at work"):
        debate.prune(older_than=DAY)


@pytest.mark.parametrize(("text", "size"), [("500MB", 500_000_000), ("5 GB", 5_000_000_000), ("1kB", 1000)])
def test_sizes_are_read(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize("text", ["", "5", "5 GiB", "-1GB", "1.5GB"])
def test_anything_else_is_no_size(text: str) -> None:
    with pytest.raises(InputError, match="write it as 500MB"):
        parse_size(text)


def test_the_command_says_what_it_would_do(debate: Debate, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        debatewatch.main(["prune", "--max-size", "1kB", "--dry-run", "--db", str(debate.path)])
    assert ended.value.code == 0
    assert "3 archived answers would be taken out" in capsys.readouterr().out
