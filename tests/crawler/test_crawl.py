"""A crawl over real HTTP on loopback: what is stored, what is not, and what the rows say about it."""

from __future__ import annotations

import gzip
import json
import multiprocessing
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from crawler.process import crawl_lock
from crawler.replay import replay
from crawler.run import crawl
from crawler.settings import for_source
from crawler.sources import CrawlSettings, Source, SourcesFile, load_sources
from crawler.warc import read_record
from db.models import ArchiveError, CrawlReport, InputError, utc_now
from tests.crawler.same_rows import content
from tests.crawler.webserver import Asked, Reply, WebServer, article, debate_text, rss, sitemap

RELEVANCE = """
[relevance]
threshold = 1.0
[[relevance.group]]
name = "debate"
terms = {en = ["open source AI"]}
"""


def sources_file(
    folder: Path, entries: list[dict[str, Any]], crawl_settings: dict[str, Any] | None = None
) -> SourcesFile:
    settings = {"delay": 0.0, "timeout": 5.0, "contact": "tests@example.org", **(crawl_settings or {})}
    lines = ["[crawl]", *(f"{key} = {json.dumps(value)}" for key, value in settings.items()), RELEVANCE]
    for entry in entries:
        full = {"name": entry["id"], "country": "US", "language": "en", "allow_private": True, **entry}
        lines += ["[[source]]", *(f"{key} = {json.dumps(value)}" for key, value in full.items())]
    path = folder / "sources.toml"
    path.write_text("\n".join(lines), encoding="utf-8")
    return load_sources(path)


def rows(folder: Path, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(folder / "x.db")) as connection:
        return connection.execute(sql, parameters).fetchall()


class Odd:
    """One crawl of a site on which everything happens at once, and what came of each address."""

    def __init__(self, folder: Path, web: WebServer, report: CrawlReport) -> None:
        self.folder, self.web, self.report = folder, web, report

    def fetch(self, path: str) -> dict[str, Any]:
        names = (
            "outcome",
            "reason",
            "status",
            "final_url",
            "article_id",
            "warc_file",
            "warc_offset",
            "published_at",
            "etag",
        )
        found = rows(self.folder, f"SELECT {', '.join(names)} FROM fetches WHERE url = ?", self.web.base + path)
        assert len(found) == 1, f"{path}: {len(found)} rows instead of exactly one"
        return dict(zip(names, found[0], strict=True))


def busy_once() -> Any:
    tries: list[float] = []

    def answer(asked: Asked) -> Reply:
        tries.append(asked.at)
        if len(tries) == 1:
            return Reply(b"come back", 503, {"Retry-After": "1"})
        return article("Back again", debate_text(3))

    return answer


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Odd]:
    folder = tmp_path_factory.mktemp("odd")
    with WebServer() as web:

        def slow() -> Iterator[bytes]:
            yield b"<html>"
            web.ending.wait(30)  # Set when the test server closes: no sleep, only an answer that never ends.

        def endless() -> Iterator[bytes]:
            while not web.ending.is_set():
                yield b"<p>more</p>" * 10_000

        reprint = debate_text(1) + "\n\nReporting by a wire."
        bomb = gzip.compress(b"<p>" + b"a" * 3_000_000 + b"</p>")
        web.pages = {
            "/robots.txt": Reply(
                b"User-agent: *\nDisallow: /private/\nSitemap: /none.xml\n", content_type="text/plain"
            ),
            "/plain": article("Plain", debate_text(1)),
            "/reprint": article("Reprinted", reprint, date="2024-03-15T09:30:00Z"),
            "/offtopic": article("Cooking", "How to bake a cake with flour, butter and six eggs. " * 10),
            "/private/page": article("Secret", debate_text(2)),
            "/busy": busy_once(),
            "/down": Reply(b"down", 503),
            "/later": Reply(b"later", 429, {"Retry-After": "7200"}),
            "/gone": Reply(b"gone", 410),
            "/moved": Reply(b"", 301, {"Location": "/target"}),
            "/target": article("Moved here", debate_text(4)),
            "/loop": Reply(b"", 302, {"Location": "/loop"}),
            "/to-metadata": Reply(b"", 302, {"Location": "http://169.254.169.254/latest/meta-data/"}),
            "/to-file": Reply(b"", 302, {"Location": "file:///etc/passwd"}),
            "/zipped": Reply(
                gzip.compress(article("Zipped", debate_text(5)).body), headers={"Content-Encoding": "gzip"}
            ),
            "/bomb": Reply(bomb, headers={"Content-Encoding": "gzip"}),
            "/huge": lambda asked: Reply(chunks=endless()),
            "/slow": lambda asked: Reply(chunks=slow()),
            "/empty": Reply(b"<html><body></body></html>"),
            "/broken": Reply(b"\x00\x01\x02" * 200, content_type="text/html"),
        }
        listed = [path for path in web.pages if path not in ("/robots.txt", "/target")]
        tracked = f"{web.base}/plain?utm_source=feed"
        listed.extend(["http://10.255.255.1/never", tracked])
        web.pages["/feed"] = rss(web.base, listed)
        web.pages["/nofeed"] = Reply(b"<html><p>no feed</p></html>")
        (closed := WebServer()).__exit__(None, None, None)
        sources = sources_file(
            folder,
            [
                {"id": "odd", "kind": "feed", "url": f"{web.base}/feed"},
                {"id": "nofeed", "kind": "feed", "url": f"{web.base}/nofeed"},
                {"id": "public", "kind": "feed", "url": f"{web.base}/feed?public", "allow_private": False},
                {"id": "number", "kind": "feed", "url": f"http://2130706433:{web.port}/feed", "allow_private": False},
                {"id": "name", "kind": "feed", "url": f"http://localhost:{web.port}/feed", "allow_private": False},
                {"id": "closed", "kind": "feed", "url": f"{closed.base}/feed"},
            ],
            {"timeout": 2.0, "max_bytes": 1_000_000, "retries": 1},
        )
        done: list[tuple[int, int, str]] = []
        report = crawl(folder / "x.db", sources, progress=lambda *seen: done.append(seen))
        assert done[-1][0] == done[-1][1] == len(listed) - 1, "the progress ends at what was planned"
        yield Odd(folder, web, report)


def test_a_relevant_page_is_stored_and_archived(odd: Odd) -> None:
    fetch = odd.fetch("/plain")
    assert (fetch["outcome"] in ("stored", "duplicate"), fetch["status"]) == (True, 200)
    headers, body = read_record(odd.folder / "archive", fetch["warc_file"], fetch["warc_offset"])
    assert headers[":status"] == "200"
    assert body == odd.web.pages["/plain"].body  # type: ignore[union-attr]
    title, source = rows(odd.folder, "SELECT title, source_id FROM articles WHERE id = ?", fetch["article_id"])[0]
    assert (title, source) == ("Plain", "odd")


def test_tracking_parameters_lead_to_no_second_request(odd: Odd) -> None:
    assert odd.web.paths().count("/plain") == 1
    assert not any("utm_source" in path for path in odd.web.paths())


def test_a_reprint_shares_the_document_and_keeps_its_own_article(odd: Odd) -> None:
    first, second = odd.fetch("/plain"), odd.fetch("/reprint")
    assert {first["outcome"], second["outcome"]} == {"stored", "duplicate"}
    documents = rows(
        odd.folder,
        "SELECT DISTINCT document_id FROM articles WHERE id IN (?, ?)",
        first["article_id"],
        second["article_id"],
    )
    assert len(documents) == 1


def test_an_off_topic_page_is_counted_with_its_date_and_not_stored(odd: Odd) -> None:
    fetch = odd.fetch("/offtopic")
    assert (fetch["outcome"], fetch["article_id"]) == ("off_topic", None)
    assert fetch["published_at"].startswith("2024-03-14")
    assert "relevance 0 < 1" in fetch["reason"]


def test_what_robots_txt_disallows_is_never_requested_and_still_a_row(odd: Odd) -> None:
    assert odd.fetch("/private/page")["outcome"] == "disallowed"
    assert odd.fetch("/private/page")["reason"] == "robots.txt"
    assert not any(path.startswith("/private") for path in odd.web.paths())


def test_a_busy_server_is_asked_again_not_before_the_time_it_names(odd: Odd) -> None:
    assert odd.fetch("/busy")["outcome"] == "stored"
    first, second = odd.web.times("/busy")
    assert second - first >= 1.0


@pytest.mark.parametrize(
    ("path", "status", "reason"),
    [
        ("/down", 503, "HTTP 503 Service Unavailable"),
        ("/later", 429, "HTTP 429 Too Many Requests, asks to wait 7200 s"),
        ("/gone", 410, "HTTP 410 Gone"),
        ("/loop", None, "max redirections reached"),
        ("/to-file", 302, "HTTP 302 Found"),
        ("/bomb", None, "larger than 1000000 bytes"),
        ("/huge", None, "larger than 1000000 bytes"),
        ("/slow", None, "no answer within 2 s"),
    ],
)
def test_a_failure_is_one_row_with_its_reason(odd: Odd, path: str, status: int | None, reason: str) -> None:
    fetch = odd.fetch(path)
    assert (fetch["outcome"], fetch["status"], fetch["reason"]) == ("failed", status, reason)


def test_failed_requests_are_tried_again_as_often_as_set_and_a_long_wait_not_at_all(odd: Odd) -> None:
    assert odd.web.paths().count("/down") == 2
    assert odd.web.paths().count("/later") == 1
    assert odd.web.paths().count("/gone") == 1


def test_a_redirect_is_one_row_under_the_address_asked_for(odd: Odd) -> None:
    fetch = odd.fetch("/moved")
    assert (fetch["outcome"], fetch["final_url"]) == ("stored", f"{odd.web.base}/target")


def test_compressed_pages_are_read_and_archived_as_transferred(odd: Odd) -> None:
    fetch = odd.fetch("/zipped")
    assert fetch["outcome"] == "stored"
    headers, body = read_record(odd.folder / "archive", fetch["warc_file"], fetch["warc_offset"])
    assert headers["content-encoding"] == "gzip"
    assert b"Zipped" in body


@pytest.mark.parametrize("path", ["/empty", "/broken"])
def test_a_page_that_cannot_be_read_is_a_failure_row_and_ends_nothing(odd: Odd, path: str) -> None:
    assert odd.fetch(path)["outcome"] == "failed"
    found = rows(odd.folder, "SELECT step, error FROM failures WHERE url = ?", odd.web.base + path)
    assert len(found) == 1
    assert found[0][0] == "crawl"


def test_private_addresses_are_refused_however_they_are_written(odd: Odd) -> None:
    reasons = dict(
        rows(odd.folder, "SELECT source_id, reason FROM fetches WHERE outcome = 'disallowed' AND target = 'listing'")
    )
    assert set(reasons) == {"public", "number", "name"}
    assert all(reason.startswith("private address") for reason in reasons.values())
    assert not any(path.startswith("/feed?public") for path in odd.web.paths())


def test_allow_private_holds_for_the_hosts_of_the_source_only(odd: Odd) -> None:
    for url in ("http://10.255.255.1/never", f"{odd.web.base}/to-metadata"):
        ((outcome, reason),) = rows(odd.folder, "SELECT outcome, reason FROM fetches WHERE url = ?", url)
        assert outcome == "disallowed"
        assert "private address" in reason


def test_a_listing_that_cannot_be_read_or_reached_is_an_error_of_its_source(odd: Odd) -> None:
    errors = {source.source_id: source.errors for source in odd.report.sources}
    assert "this is no RSS or Atom feed" in errors["nofeed"][0]
    assert "refused" in errors["closed"][0]
    assert errors["odd"] == ()
    assert not odd.report.ok
    assert rows(odd.folder, "SELECT status FROM runs")[0][0] == "partial"


def test_the_report_counts_what_the_rows_say(odd: Odd) -> None:
    counted = dict(
        rows(odd.folder, "SELECT outcome, count(*) FROM fetches WHERE target = 'page' AND source_id = 'odd' GROUP BY 1")
    )
    assert counted == next(dict(source.outcomes) for source in odd.report.sources if source.source_id == "odd")
    assert odd.report.documents == rows(odd.folder, "SELECT count(*) FROM documents")[0][0]


def test_the_archive_alone_gives_the_same_rows_again(odd: Odd) -> None:
    """Stored, updated, off topic, disallowed, failed, unreadable: all of it, in the order and with the numbers of the first."""
    report = replay(odd.folder / "again.db", odd.folder / "archive")
    first, again = content(odd.folder / "x.db"), content(odd.folder / "again.db")
    assert again.keys() == first.keys()
    for table, found in first.items():
        assert again[table] == found, table
    assert {len(first[name]) > 0 for name in ("sources", "runs", "fetches", "articles", "documents", "failures")} == {
        True
    }
    assert [(s.source_id, s.outcomes) for s in sorted(report.sources, key=lambda s: s.source_id) if s.outcomes] == [
        (s.source_id, s.outcomes) for s in sorted(odd.report.sources, key=lambda s: s.source_id) if s.outcomes
    ]
    assert {s.source_id: s.errors for s in report.sources if s.errors} == {
        s.source_id: s.errors for s in odd.report.sources if s.errors
    }


def test_the_crawler_says_who_it_is(odd: Odd) -> None:
    agents = {asked.headers["user-agent"] for asked in odd.web.asked}
    assert len(agents) == 1
    assert agents.pop().startswith("Debatewatch/")


# --- crawls one after the other -----------------------------------------------------------------------------------------


def test_only_what_changed_is_fetched_again(tmp_path: Path) -> None:
    with WebServer() as web:
        tags = {"/a": '"a1"', "/b": '"b1"'}

        def page(path: str, number: int, version: str) -> Any:
            def answer(asked: Asked) -> Reply:
                if asked.headers.get("if-none-match") == tags[path]:
                    return Reply(status=304)
                text = debate_text(number) + (f"\n\nUpdate {version}: one more paragraph." if version else "")
                return Reply(article(path, text).body, headers={"ETag": tags[path]})

            return answer

        web.pages = {"/a": page("/a", 1, ""), "/b": page("/b", 2, "")}
        web.pages["/map"] = sitemap(web.base, {"/a": "2024-03-14", "/b": "2024-03-14"})
        sources = sources_file(tmp_path, [{"id": "site", "kind": "sitemap", "url": f"{web.base}/map"}])
        assert crawl(tmp_path / "x.db", sources).documents == 2

        before = len(web.asked)
        again = crawl(tmp_path / "x.db", sources)
        assert (again.documents, again.updated, again.ok) == (0, 0, True)
        assert set(web.paths()[before:]) == {"/robots.txt", "/map"}, "pages that did not change are not asked for"

        # /a changes and says so; /b claims to, and has not.
        tags["/a"] = '"a2"'
        web.pages["/a"] = page("/a", 1, "two")
        web.pages["/map"] = sitemap(web.base, {"/a": "2099-01-01", "/b": "2099-01-01"})
        changed = crawl(tmp_path / "x.db", sources)
        assert dict(changed.sources[0].outcomes) == {"stored": 1, "unchanged": 1}
        assert (changed.documents, changed.updated) == (0, 1)
        assert rows(tmp_path, "SELECT count(*) FROM articles") == [(2,)]
        versions = "SELECT count(*) FROM article_versions AS v JOIN articles AS a ON a.id = v.article_id WHERE a.url LIKE '%/a'"
        assert rows(tmp_path, versions) == [(2,)], "the text before the update is kept"
        statuses = rows(tmp_path, "SELECT status, outcome FROM fetches WHERE url LIKE '%/b' ORDER BY id")
        assert statuses == [(200, "stored"), (304, "unchanged")]


def test_a_reprint_that_is_fetched_again_unchanged_is_no_update(tmp_path: Path) -> None:
    with WebServer() as web:
        web.pages["/first"] = article("First", debate_text(1))
        web.pages["/reprint"] = article("Reprint", debate_text(1) + "\n\nReporting by a wire.")
        web.pages["/map"] = sitemap(web.base, {"/first": "2024-03-14", "/reprint": "2024-03-14"})
        sources = sources_file(tmp_path, [{"id": "site", "kind": "sitemap", "url": f"{web.base}/map"}])
        crawl(tmp_path / "x.db", sources)
        web.pages["/map"] = sitemap(web.base, {"/first": "2099-01-01", "/reprint": "2099-01-01"})
        again = crawl(tmp_path / "x.db", sources)
        assert (dict(again.sources[0].outcomes), again.updated) == ({"unchanged": 2}, 0)
        assert rows(tmp_path, "SELECT count(*) FROM documents") == [(1,)]


def test_robots_txt_that_cannot_be_had_means_wait_and_one_that_is_not_there_means_go(tmp_path: Path) -> None:
    with WebServer() as broken, WebServer() as without:
        broken.pages["/robots.txt"] = Reply(b"oops", 500)
        for web in (broken, without):
            web.pages["/page"] = article("Page", debate_text(1))
            web.pages["/feed"] = rss(web.base, ["/page"])
        sources = sources_file(
            tmp_path,
            [
                {"id": name, "kind": "feed", "url": f"{web.base}/feed"}
                for name, web in (("broken", broken), ("without", without))
            ],
            {"retries": 0},
        )
        report = crawl(tmp_path / "x.db", sources)
        assert "robots.txt unreachable (HTTP 500)" in report.sources[0].errors[0]
        assert set(broken.paths()) == {"/robots.txt"}
        assert rows(tmp_path, "SELECT outcome FROM fetches WHERE source_id = 'broken'") == [("failed",)]
        assert report.sources[1].outcomes == {"stored": 1}


def test_a_crawl_delay_of_robots_txt_is_kept(tmp_path: Path) -> None:
    with WebServer() as web:
        web.pages["/robots.txt"] = Reply(b"User-agent: *\nCrawl-delay: 0.5\n", content_type="text/plain")
        paths = [f"/p{number}" for number in range(5)]
        web.pages |= {path: article(path, debate_text(number)) for number, path in enumerate(paths)}
        web.pages["/feed"] = rss(web.base, paths)
        crawl(tmp_path / "x.db", sources_file(tmp_path, [{"id": "s", "kind": "feed", "url": f"{web.base}/feed"}]))
        times = sorted(asked.at for asked in web.asked if asked.path.startswith("/p"))
        # A busy machine sees a request a little late, and the next one on time.
        assert all(later - earlier >= 0.4 for earlier, later in pairwise(times))


def test_delays_are_kept_whole_also_long_ones() -> None:
    source = Source("s", "S", "feed", "https://example.org/feed", delay=300.0)
    settings = for_source(CrawlSettings(minutes=5), source)
    assert settings.getfloat("DOWNLOAD_DELAY_JITTER") == 0
    assert settings.getfloat("AUTOTHROTTLE_MAX_DELAY") == settings.getfloat("DOWNLOAD_DELAY") == 300
    assert settings.getfloat("CLOSESPIDER_TIMEOUT") == 300
    assert for_source(CrawlSettings(), source, backfill=True).getfloat("CLOSESPIDER_TIMEOUT") == 0


def test_a_site_that_holds_every_answer_back_ends_at_its_time_and_the_next_crawl_goes_on(tmp_path: Path) -> None:
    with WebServer() as web:

        def held_back(asked: Asked) -> Reply:
            web.ending.wait(1.5)  # Set below: until then an answer that comes too late.
            return article(asked.path, debate_text(int(asked.path[2:])))

        paths = [f"/p{number}" for number in range(20)]
        web.pages = dict.fromkeys(paths, held_back) | {"/feed": rss(web.base, paths)}
        entry = {"id": "s", "kind": "feed", "url": f"{web.base}/feed"}
        hurried = sources_file(tmp_path, [entry], {"timeout": 1.0, "retries": 0, "minutes": 0.05})
        report = crawl(tmp_path / "x.db", hurried).sources[0]
        assert report.notes == ("stopped after its 0.05 minutes; the next crawl goes on from there",)
        assert len(web.asked) < 20
        web.ending.set()
        crawl(tmp_path / "x.db", sources_file(tmp_path, [entry], {"timeout": 60.0}))
        assert set(paths) <= set(web.paths())


def twelve_pages(web: WebServer) -> None:
    paths = [f"/page/{number}" for number in range(12)]
    web.pages |= {path: article(f"Page {path}", debate_text(number)) for number, path in enumerate(paths)}
    web.pages["/feed"] = rss(web.base, paths)


CONTENT = """SELECT a.url, a.title, a.published_at, d.text FROM articles AS a
             JOIN documents AS d ON d.id = a.document_id ORDER BY 1"""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_crawl_that_is_stopped_keeps_what_landed_and_the_next_one_completes_it(tmp_path: Path, number: int) -> None:
    with WebServer() as web:
        twelve_pages(web)
        sources = sources_file(tmp_path, [{"id": "site", "kind": "feed", "url": f"{web.base}/feed"}])
        (tmp_path / "whole").mkdir()
        crawl(tmp_path / "whole" / "x.db", sources)
        whole = rows(tmp_path / "whole", CONTENT)
        assert len(whole) == 12

        def stop(done: int, total: int, what: str) -> None:
            if done == 4:
                (child,) = (p for p in multiprocessing.active_children() if p.name == "debatewatch-crawl")
                os.kill(child.pid or 0, number)

        stopped = crawl(tmp_path / "x.db", sources, progress=stop)
        landed = len(rows(tmp_path, CONTENT))
        assert stopped.interrupted
        assert not stopped.ok
        assert 4 <= landed < 12
        assert rows(tmp_path, "SELECT status FROM runs") == [("interrupted",)]

        completed = crawl(tmp_path / "x.db", sources)
        assert rows(tmp_path, CONTENT) == whole
        assert completed.documents == 12 - landed, "nothing is fetched and kept twice"
        assert rows(
            tmp_path, "SELECT max(n) FROM (SELECT count(*) AS n FROM fetches WHERE target = 'page' GROUP BY url)"
        ) == [(1,)]


def test_a_second_crawl_of_the_same_database_is_turned_away(tmp_path: Path) -> None:
    sources = sources_file(tmp_path, [{"id": "site", "kind": "feed", "url": "http://127.0.0.1:9/feed"}])
    with crawl_lock(tmp_path / "x.db"), pytest.raises(InputError, match="a crawl is at work on this database already"):
        crawl(tmp_path / "x.db", sources)


def test_limit_and_dates_choose_pages_and_the_rest_comes_with_the_next_crawl(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    with WebServer() as web:
        days = {f"/{day:02d}": f"2024-03-{day:02d}" for day in range(1, 7)}
        web.pages |= {
            path: article(path, debate_text(n), date=f"{day}T10:00:00Z") for n, (path, day) in enumerate(days.items())
        }
        web.pages["/map"] = sitemap(web.base, days)
        sources = sources_file(tmp_path, [{"id": "site", "kind": "sitemap", "url": f"{web.base}/map"}])
        crawl(tmp_path / "x.db", sources, since=datetime(2024, 3, 4, tzinfo=UTC))
        assert [url[-2:] for url, *_ in rows(tmp_path, CONTENT)] == ["04", "05", "06"]
        crawl(tmp_path / "x.db", sources, limit=1)
        assert [url[-2:] for url, *_ in rows(tmp_path, CONTENT)] == ["03", "04", "05", "06"]
        crawl(tmp_path / "x.db", sources)
        assert len(rows(tmp_path, CONTENT)) == 6


def test_section_pages_are_followed_and_hints_are_used(tmp_path: Path) -> None:
    with WebServer() as web:
        head = "<html><body><nav><a href='/about'>About</a></nav>"
        web.pages["/list"] = Reply(
            f"{head}<h2><a href='/one'>1</a></h2><a class='more' href='/list2'>more</a>".encode()
        )
        web.pages["/list2"] = Reply(
            f"{head}<h2><a href='/two'>2</a></h2><h2><a href='https://else.example/x'>x</a></h2>".encode()
        )
        for number, path in enumerate(("/one", "/two")):
            text = debate_text(number)
            body = (
                f"<html lang=en><head><title>{path}</title></head><body><div class=story><p>{text}</p><p class=ad>Buy now.</p>"
                f"</div><b class=head>Story {number}</b>"
                "<b class=by>Ana Lima</b><i class=on>14 March 2024</i></body></html>"
            )
            web.pages[path] = Reply(body.encode())
        hints = 'hints = {body = ".story", title = ".head", author = ".by", date = ".on", remove = ".ad, nav"}'
        sources = sources_file(
            tmp_path, [{"id": "s", "kind": "section", "url": f"{web.base}/list", "links": "h2 a", "next": "a.more"}]
        )
        sources.path.write_text(sources.path.read_text() + "\n" + hints)
        report = crawl(tmp_path / "x.db", load_sources(sources.path))
        assert report.sources[0].outcomes == {"stored": 2}
        found = rows(tmp_path, "SELECT title, authors, substr(published_at, 1, 10) FROM articles ORDER BY title")
        assert found == [(f"Story {number}", '["Ana Lima"]', "2024-03-14") for number in (0, 1)]
        assert rows(tmp_path, "SELECT count(*) FROM documents WHERE text LIKE '%Buy now.%'") == [(0,)]


def test_ctrl_c_ends_the_crawl_after_the_pages_in_hand(tmp_path: Path) -> None:
    with WebServer() as web:
        twelve_pages(web)
        sources = sources_file(tmp_path, [{"id": "site", "kind": "feed", "url": f"{web.base}/feed"}])

        def interrupt(done: int, total: int, what: str) -> None:
            if done == 3:
                raise KeyboardInterrupt

        report = crawl(tmp_path / "x.db", sources, progress=interrupt)
        assert report.interrupted
        assert report.run_id == 1, "it ended well: the report is its own"
        assert report.documents == len(rows(tmp_path, CONTENT)) < 12


def test_a_run_that_a_signal_ends_says_so_by_its_exit_code(tmp_path: Path) -> None:
    """130, which the printed unit of systemd takes for a success, also while it crawls."""
    with WebServer() as web:
        twelve_pages(web)
        sources_file(tmp_path, [{"id": "site", "kind": "feed", "url": f"{web.base}/feed"}])
        started: list[subprocess.Popen[bytes]] = []
        path = next(path for path in web.pages if path not in ("/feed", "/robots.txt"))
        page = web.pages[path]

        def stop(asked: Asked) -> Reply:
            started[0].send_signal(signal.SIGTERM)
            assert isinstance(page, Reply)
            return page

        web.pages[path] = stop
        command = [sys.executable, "-m", "debatewatch", "run", "--db", "x.db", "--sources", "sources.toml"]
        started.append(subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE))
        _, said = started[0].communicate(timeout=120)
    assert started[0].returncode == 130
    assert b"what was collected is kept" in said
    assert rows(tmp_path, "SELECT step, status FROM runs") == [("crawl", "interrupted")]


def test_an_archive_that_cannot_be_written_ends_the_crawl_with_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with WebServer() as web:
        twelve_pages(web)
        sources = sources_file(tmp_path, [{"id": "site", "kind": "feed", "url": f"{web.base}/feed"}])
        with pytest.raises(ArchiveError, match="the archive cannot be written"):
            crawl(tmp_path / "x.db", sources, archive_dir=tmp_path / "file")
    assert rows(tmp_path, "SELECT status FROM runs") == [("failed",)]
    assert rows(tmp_path, "SELECT count(*) FROM articles") == [(0,)], "no evidence without its archived copy"


def test_what_keeps_failing_is_asked_for_ever_less_often_and_keeps_nothing_waiting(tmp_path: Path) -> None:
    """A feed that changes all the time and names the same dead pages first."""
    with WebServer() as web:
        dead, alive = ["/gone", "/empty", "/down", "/private/a"], ["/a", "/b"]
        web.pages = {
            "/robots.txt": Reply(b"User-agent: *\nDisallow: /private/\n"),
            "/feed": rss(web.base, dead + alive),
            "/gone": Reply(b"", 410),
            "/empty": Reply(b"<html><body></body></html>"),
            "/down": Reply(b"", 500),
            "/a": article("A", debate_text(1)),
            "/b": article("B", debate_text(2)),
        }
        sources = sources_file(
            tmp_path, [{"id": "s", "kind": "feed", "url": f"{web.base}/feed", "limit": 4}], {"retries": 0}
        )
        for hours_ago in (4, 3, 1):
            crawl(tmp_path / "x.db", sources)
            with closing(sqlite3.connect(tmp_path / "x.db")) as connection, connection:
                connection.execute(
                    """UPDATE fetches SET fetched_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now', ?)
                       WHERE run_id = (SELECT max(id) FROM runs)""",
                    [f"-{hours_ago} hours"],
                )
        assert [web.paths().count(path) for path in ("/gone", "/empty", "/down")] == [3, 3, 3]
        crawl(tmp_path / "x.db", sources)
        assert [web.paths().count(path) for path in ("/gone", "/empty", "/down")] == [3, 3, 3], (
            "failing for 3 hours, tried 1 ago"
        )
        assert rows(tmp_path, "SELECT count(*) FROM fetches WHERE outcome = 'disallowed'") == [(3,)]
        assert [path for path in alive if path in web.paths()] == alive


def test_a_sitemap_that_calls_everything_new_does_not_keep_what_is_new_waiting(tmp_path: Path) -> None:
    with WebServer() as web:
        paths = [f"/{number}" for number in range(6)]
        web.pages = {path: article(path, debate_text(number)) for number, path in enumerate(paths)}
        web.pages["/map"] = lambda asked: sitemap(web.base, dict.fromkeys(paths, f"{utc_now():%Y-%m-%dT%H:%M:%S.%fZ}"))
        sources = sources_file(tmp_path, [{"id": "s", "kind": "sitemap", "url": f"{web.base}/map", "limit": 2}])
        for _ in range(3):
            crawl(tmp_path / "x.db", sources)
        assert [web.paths().count(path) for path in paths] == [1] * 6


def test_a_page_with_half_characters_in_its_data_is_kept(tmp_path: Path) -> None:
    with WebServer() as web:
        data = json.dumps(
            {"@type": "NewsArticle", "author": {"name": "Ana \ud800 Lima"}, "articleSection": "AI \udfff"}
        )
        page = article("Half", debate_text(1)).body
        page = page.replace(b"</head>", f'<script type="application/ld+json">{data}</script></head>'.encode())
        web.pages = {"/feed": rss(web.base, ["/half"]), "/half": Reply(page)}
        crawl(tmp_path / "x.db", sources_file(tmp_path, [{"id": "s", "kind": "feed", "url": f"{web.base}/feed"}]))
        assert rows(tmp_path, "SELECT authors, section FROM articles") == [('["Ana ? Lima"]', "AI ?")]
        replay(tmp_path / "again.db", tmp_path / "archive")
