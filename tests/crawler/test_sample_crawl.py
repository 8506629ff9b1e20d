"""The sample web, crawled as a user would: everything that it lists lands once, reprints meet, an update is found."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from crawler.replay import replay
from crawler.run import crawl
from crawler.sample_web import SampleWeb
from crawler.sources import load_sources
from db.models import CrawlReport
from tests.crawler.same_rows import content


@dataclass(frozen=True)
class Crawled:
    """Three crawls: the first, a second over the unchanged sites, a third after one article was updated."""

    web: SampleWeb
    reports: tuple[CrawlReport, CrawlReport, CrawlReport]
    asked: tuple[list[str], list[str], list[str]]
    database: Path

    def rows(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        with closing(sqlite3.connect(self.database)) as connection:
            return connection.execute(sql, parameters).fetchall()


@pytest.fixture(scope="module")
def crawled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Crawled]:
    folder = tmp_path_factory.mktemp("sample")
    with SampleWeb() as web:
        (folder / "sources.toml").write_text(web.sources_toml(), encoding="utf-8")
        sources = load_sources(folder / "sources.toml")
        reports, asked = [], []
        for number in range(3):
            if number == 2:
                web.publish_update()
            before = len(web.requests)
            reports.append(crawl(folder / "x.db", sources))
            asked.append([f"{outlet} {path}" for outlet, _, path, _ in web.requests[before:]])
        yield Crawled(web, tuple(reports), tuple(asked), folder / "x.db")  # type: ignore[arg-type]


def test_every_article_of_every_outlet_is_fetched_once(crawled: Crawled) -> None:
    for outlet in crawled.web.outlets:
        listed = crawled.web.articles(outlet)
        outcomes = next(dict(s.outcomes) for s in crawled.reports[0].sources if s.source_id == outlet)
        outcomes.pop("disallowed", None)
        assert sum(outcomes.values()) == len(listed), outlet
        assert outcomes.get("failed", 0) == 0, outlet
    most = "SELECT max(n) FROM (SELECT count(*) AS n FROM fetches WHERE run_id = 1 AND target = 'page' GROUP BY url)"
    assert crawled.rows(most) == [(1,)]
    assert crawled.reports[0].ok


def test_off_topic_articles_are_counted_and_left_out(crawled: Crawled) -> None:
    off_topic = {a.title for outlet in crawled.web.outlets for a in crawled.web.articles(outlet) if a.off_topic}
    assert off_topic
    assert off_topic.isdisjoint(title for (title,) in crawled.rows("SELECT title FROM articles"))
    everything = sum(len(crawled.web.articles(outlet)) for outlet in crawled.web.outlets)
    lost = crawled.reports[0].total("off_topic") - len(off_topic)
    assert 0 <= lost <= 0.03 * everything, "relevance loses at most 3 % of what is on topic"
    assert crawled.rows("SELECT count(*) FROM fetches WHERE outcome = 'off_topic' AND published_at IS NULL") == [(0,)]


def test_wire_copy_is_one_document_in_several_outlets(crawled: Crawled) -> None:
    reprints = [a for outlet in crawled.web.outlets for a in crawled.web.articles(outlet) if a.wire and not a.off_topic]
    assert reprints
    for reprint in reprints:
        assert reprint.wire is not None
        outlet, _, name = reprint.wire.partition("/")
        original = next(a for a in crawled.web.articles(outlet) if a.name == name.removesuffix(".md"))
        documents = crawled.rows(
            "SELECT DISTINCT document_id FROM articles WHERE (source_id = ? AND title = ?) OR (source_id = ? AND title = ?)",
            reprint.outlet,
            reprint.title,
            original.outlet,
            original.title,
        )
        assert len(documents) == 1, f"{reprint.outlet}: {reprint.title}"


def test_comments_are_articles_of_their_own_under_their_thread(crawled: Crawled) -> None:
    written = sum(len(a.comments) for a in crawled.web.articles("commons") if not a.off_topic)
    found = crawled.rows("SELECT parent_url, authors, published_at FROM articles WHERE kind = 'comment'")
    assert len(found) == written > 0
    threads = {
        url for (url,) in crawled.rows("SELECT url FROM articles WHERE source_id = 'commons' AND kind != 'comment'")
    }
    assert {parent for parent, _, _ in found} <= threads
    assert all(authors != "[]" and published for _, authors, published in found)


def test_disallowed_pages_are_never_asked_for(crawled: Crawled) -> None:
    refused = crawled.rows("SELECT source_id, url FROM fetches WHERE outcome = 'disallowed'")
    assert refused
    for outlet, url in refused:
        path = url.removeprefix(crawled.web.base_url(outlet))
        assert not any(f"{outlet} {path}" in asked for asked in crawled.asked)


def test_a_second_crawl_asks_for_listings_only_and_adds_nothing(crawled: Crawled) -> None:
    second = crawled.reports[1]
    assert (second.documents, second.updated, second.ok) == (0, 0, True)
    listings = {
        f"{outlet} {url.removeprefix(crawled.web.base_url(outlet))}"
        for outlet, url in crawled.rows("SELECT source_id, url FROM fetches WHERE target = 'listing'")
    }
    assert {asked for asked in crawled.asked[1] if not asked.endswith("/robots.txt")} <= listings
    assert crawled.rows("SELECT count(*) FROM articles WHERE run_id = 2") == [(0,)]
    assert crawled.rows("SELECT count(*) FROM documents WHERE run_id = 2") == [(0,)]
    [(first_bytes,), (second_bytes,)] = crawled.rows(
        "SELECT sum(coalesce(bytes, 0)) FROM fetches WHERE run_id IN (1, 2) GROUP BY run_id ORDER BY run_id"
    )
    assert second_bytes < 0.05 * first_bytes


def test_the_update_is_found_and_both_versions_are_kept(crawled: Crawled) -> None:
    third = crawled.reports[2]
    assert (third.documents, third.updated, third.total("stored")) == (0, 1, 1)
    versions = crawled.rows(
        """SELECT d.text FROM article_versions AS v JOIN documents AS d ON d.id = v.document_id
           WHERE v.article_id IN (SELECT id FROM articles WHERE updated_at IS NOT NULL) ORDER BY v.id"""
    )
    assert len(versions) == 2
    assert versions[0] != versions[1]


def test_every_kept_page_has_its_archived_copy(crawled: Crawled) -> None:
    from crawler.warc import read_record

    kept = crawled.rows("SELECT warc_file, warc_offset FROM fetches WHERE article_id IS NOT NULL AND status = 200")
    assert len(kept) > 80
    for file, offset in kept[::10]:
        headers, body = read_record(crawled.database.parent / "archive", file, offset)
        assert headers[":status"] == "200"
        assert b"<html" in body[:2000].lower()


def test_the_archive_alone_gives_the_same_rows_again(crawled: Crawled, tmp_path: Path) -> None:
    """Three crawls: everything, nothing new (all listings unchanged), one update."""
    report = replay(tmp_path / "again.db", crawled.database.parent / "archive")
    first, again = content(crawled.database), content(tmp_path / "again.db")
    assert {table for table in first if again[table] != first[table]} == set()
    assert len(first["runs"]) == 3
    assert (report.documents, report.updated) == (crawled.reports[0].documents, 1)
