"""Sources that are interfaces and archives, each against a loopback server that answers as its documentation says."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from crawler.discover import check_sources
from crawler.replay import replay
from crawler.run import crawl
from crawler.sources import Source
from crawler.spiders.answers import from_digits
from crawler.spiders.arxiv import read_paper, read_papers
from crawler.spiders.commoncrawl import read_capture
from crawler.spiders.commoncrawl_news import records_in
from crawler.spiders.gdelt import read_articles
from crawler.spiders.hackernews import read_hits, read_thread
from crawler.spiders.listing import ListingError, Scope
from crawler.spiders.wayback import WaybackSpider, original_address, read_captures
from db.models import ExtractionError
from tests.crawler.same_rows import content
from tests.crawler.services import Arxiv, CommonCrawl, Gdelt, HackerNews, Wayback, day, paths_file, warc_record
from tests.crawler.test_crawl import rows, sources_file
from tests.crawler.webserver import Asked, Reply, WebServer, article, debate_text

SINCE = datetime(2024, 3, 1, tzinfo=UTC)
ARTICLES = """SELECT url, title, kind, substr(published_at, 1, 10), authors FROM articles
              WHERE kind != 'comment' ORDER BY published_at"""


@pytest.fixture
def web() -> Iterator[WebServer]:
    with WebServer() as server:
        yield server


def source(web: WebServer, kind: str, path: str = "", **more: Any) -> dict[str, Any]:
    return {"id": kind, "kind": kind, "url": web.base + path, "delay": 0.0, **more}


def page(number: int) -> Reply:
    return article(f"Page {number}", debate_text(number), date=f"{day(number):%Y-%m-%dT%H:%M:%SZ}")


def notes(report: Any) -> str:
    return " / ".join(note for found in report.sources for note in found.notes)


# --- Hacker News --------------------------------------------------------------------------------------------------------


def story(number: int, *, text: str | None = None, **more: Any) -> dict[str, Any]:
    moment = int(day(number).timestamp())
    return {
        "id": number,
        "type": "story",
        "created_at_i": moment,
        "author": f"poster{number}",
        "title": f"Story {number}",
    } | {
        "text": text or debate_text(number),
        **more,
    }


def comment(number: int, parent: int, thread: int, on: int, text: str) -> dict[str, Any]:
    moment = int(day(on).timestamp())
    return {"id": number, "type": "comment", "created_at_i": moment, "author": f"reader{number}"} | {
        "text": text,
        "parent_id": parent,
        "story_id": thread,
    }


def test_threads_are_posts_with_comments_under_their_own_addresses(web: WebServer, tmp_path: Path) -> None:
    link = story(5, url="https://example.org/llama")
    link["text"] = None
    deleted = comment(103, 5, 5, 6, "") | {"text": None, "author": None}
    items = [
        link,
        comment(101, 5, 5, 5, "<p>Is open source AI safer?<p>I think it is, &quot;for now&quot;."),
        comment(102, 101, 5, 6, "Open source AI is <i>not</i> safe."),
        deleted,
        comment(104, 103, 5, 6, "An answer to somebody who left."),
        story(7),
    ]
    service = HackerNews(items, busy=1)
    web.otherwise = service
    sources = sources_file(tmp_path, [source(web, "hackernews", "/api/v1", query=["open source AI"])])
    report = crawl(tmp_path / "x.db", sources)
    assert report.ok
    assert rows(tmp_path, ARTICLES) == [
        ("https://news.ycombinator.com/item?id=5", "Story 5", "post", "2024-03-05", '["poster5"]'),
        ("https://news.ycombinator.com/item?id=7", "Story 7", "post", "2024-03-07", '["poster7"]'),
    ]
    assert rows(
        tmp_path,
        """SELECT a.url, a.parent_url, a.authors, d.text FROM articles AS a JOIN documents AS d ON d.id = a.document_id
           WHERE a.kind = 'comment' ORDER BY a.url LIMIT 2""",
    ) == [
        (
            "https://news.ycombinator.com/item?id=101",
            "https://news.ycombinator.com/item?id=5",
            '["reader101"]',
            'Is open source AI safer?\n\nI think it is, "for now".',
        ),
        (
            "https://news.ycombinator.com/item?id=102",
            "https://news.ycombinator.com/item?id=5",
            '["reader102"]',
            "Open source AI is not safe.",
        ),
    ]
    first, second = [asked.at for asked in web.asked if "search_by_date" in asked.path][:2]
    assert second - first >= 1.0, "Retry-After is kept"

    # A thread is read again when somebody writes in it, and only that one.
    before = len(web.asked)
    service.items.append(comment(105, 7, 7, 30, "Open source AI wins.") | {"created_at_i": 4102444800})
    crawl(tmp_path / "x.db", sources)
    assert [path for path in web.paths()[before:] if "items" in path] == ["/api/v1/items/7"]
    assert rows(tmp_path, "SELECT count(*) FROM articles WHERE kind = 'comment'") == [(4,)]

    again = replay(tmp_path / "again.db", tmp_path / "archive")
    assert again.ok
    assert content(tmp_path / "again.db")["documents"] == content(tmp_path / "x.db")["documents"]


def test_results_behind_the_thousandth_are_found_with_an_earlier_window(web: WebServer, tmp_path: Path) -> None:
    stories = [story(1, text=debate_text(n)) | {"id": n, "created_at_i": 1709290000 + 60 * n} for n in range(1, 321)]
    web.otherwise = HackerNews(stories, shown=200)
    sources = sources_file(tmp_path, [source(web, "hackernews", "/api/v1", query="AI")], {"limit": 2})
    report = crawl(tmp_path / "x.db", sources, since=SINCE)
    assert rows(tmp_path, "SELECT count(*) FROM articles") == [(2,)]
    assert "stopped at its limit of 2 pages" in notes(report)
    searched = [path for path in web.paths() if "search" in path]
    assert len(searched) == 1, "no further listings are read when the limit is reached"

    # Of the listings alone: three pages in two windows hold all stories, newest first.
    scope = Scope(Source("hackernews", "HN", "hackernews", f"{web.base}/api/v1", query=("AI",)), day(31))
    found, waiting = [], [f"{web.base}/api/v1/search_by_date?query=AI&tags=(story,comment)&hitsPerPage=100&page=0"]
    while waiting:
        url = waiting.pop()
        listing = read_hits(web.otherwise(Asked(url.removeprefix(web.base), {}, 0)).body, url, scope)
        found.extend(entry.url for entry in listing.entries)
        waiting.extend(more for more in listing.more if more != url)
    assert list(dict.fromkeys(found)) == [f"https://news.ycombinator.com/item?id={n}" for n in range(320, 0, -1)]


@pytest.mark.parametrize("body", [b"<html>", b"[1]", b'{"hits": 3}', b'{"message": "no"}', b"[" * 100_000])
def test_an_answer_that_is_no_result_is_an_unreadable_listing(body: bytes) -> None:
    with pytest.raises(ListingError):
        read_hits(
            body,
            "https://hn.example/search_by_date",
            Scope(Source("h", "h", "hackernews", "https://hn.example"), day(1)),
        )


@pytest.mark.parametrize("body", [b"<html>", b"{}", b'{"title": null, "children": 5}'])
def test_a_deleted_story_is_no_article(body: bytes) -> None:
    with pytest.raises(ExtractionError):
        read_thread(body, "https://news.ycombinator.com/item?id=1")


def test_a_thread_that_nests_deep_is_read() -> None:
    nested = b'{"id": 2, "text": "x", "children": [' * 300 + b"]}" * 300
    articles = read_thread(
        b'{"id": 1, "title": "T", "children": [' + nested + b"]}", "https://news.ycombinator.com/item?id=1"
    )
    assert len(articles) == 301


# --- arXiv --------------------------------------------------------------------------------------------------------------


def test_papers_are_read_from_the_answers_and_again_with_a_new_version(web: WebServer, tmp_path: Path) -> None:
    papers = {f"2403.{n:05d}": (day(n % 28 + 1), day(n % 28 + 1), debate_text(n)) for n in range(1, 131)}
    web.otherwise = Arxiv(papers)
    web.pages["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /api\n", content_type="text/plain")
    entry = source(web, "arxiv", "/api/query", query='cat:cs.CY AND all:"open weights"', documented_api=True)
    sources = sources_file(tmp_path, [entry], {"limit": 500})
    report = crawl(tmp_path / "x.db", sources)
    assert (report.documents, report.ok) == (130, True)
    assert len([path for path in web.paths() if "search_query" in path]) == 2, "papers themselves are never asked for"
    found = rows(
        tmp_path, "SELECT title, kind, authors, section FROM articles WHERE url = 'https://arxiv.org/abs/2403.00007'"
    )
    assert found == [("Paper 2403.00007", "paper", '["Ana Lima", "Bo Berg"]', "cs.CY")]
    assert rows(tmp_path, "SELECT count(*) FROM fetches WHERE target = 'page' AND warc_file IS NULL") == [(0,)]

    assert crawl(tmp_path / "x.db", sources).documents == 0
    assert rows(tmp_path, "SELECT count(*) FROM fetches WHERE target = 'page'") == [(130,)], "nothing twice"
    papers["2403.00007"] = (day(8), datetime(2099, 1, 1, tzinfo=UTC), debate_text(7) + "\n\nRevised.")
    assert crawl(tmp_path / "x.db", sources).updated == 1
    replay(tmp_path / "again.db", tmp_path / "archive")
    assert content(tmp_path / "again.db")["articles"] == content(tmp_path / "x.db")["articles"]


def test_a_window_of_time_is_part_of_the_search_and_what_it_did_not_reach_is_told(
    web: WebServer, tmp_path: Path
) -> None:
    papers = {f"2403.{n:05d}": (day(n), day(n), debate_text(n)) for n in range(5, 20)}
    web.otherwise = Arxiv(papers)
    sources = sources_file(tmp_path, [source(web, "arxiv", "/api/query", query="cat:cs.CY")])
    report = crawl(tmp_path / "x.db", sources, since=SINCE, until=day(10))
    assert report.documents == 6
    assert notes(report) == "its listings named nothing before 2024-03-05"


def test_errors_of_arxiv_and_its_empty_answers_are_failures_with_its_words(web: WebServer, tmp_path: Path) -> None:
    papers = {f"2403.{n:05d}": (day(n % 28 + 1), day(n % 28 + 1), debate_text(n)) for n in range(1, 131)}
    web.otherwise = Arxiv(papers, empty_once=True)
    sources = sources_file(tmp_path, [source(web, "arxiv", "/api/query", query=["cat:cs.CY"])], {"limit": 500})
    report = crawl(tmp_path / "x.db", sources)
    assert "an empty answer though there are 130 papers" in report.sources[0].errors[0]
    assert crawl(tmp_path / "x.db", sources).documents == 30, "the next crawl has the rest"
    bad = Scope(Source("a", "a", "arxiv", "https://arxiv.example/q", query=("x",)), day(1))
    error = Arxiv({})._feed("<entry><id>http://arxiv.org/api/errors#x</id><summary>bad id</summary></entry>", 1).body
    with pytest.raises(ListingError, match="arXiv says: bad id"):
        read_papers(error, bad.source.url, bad)


def test_a_disallowed_interface_stays_closed_unless_its_source_declares_it_documented(
    web: WebServer, tmp_path: Path
) -> None:
    web.otherwise = Arxiv({})
    web.pages["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /\n", content_type="text/plain")
    report = crawl(tmp_path / "x.db", sources_file(tmp_path, [source(web, "arxiv", "/api/query", query="cat:cs.CY")]))
    assert "robots.txt" in report.sources[0].errors[0]
    assert web.paths() == ["/robots.txt"]


def test_entities_and_strange_feeds_are_no_papers() -> None:
    scope = Scope(Source("a", "a", "arxiv", "https://arxiv.example/q", query=("x",)), day(1))
    entry = "<entry><id>http://arxiv.org/abs/2403.1</id><summary>&{};</summary></entry>"
    bomb = '<!DOCTYPE feed [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
    )
    external = '<!DOCTYPE feed [<!ENTITY x SYSTEM "file:///etc/passwd">'
    for head, name in ((bomb, "j"), (external, "x")):
        xml = f'{head}]><feed xmlns="http://www.w3.org/2005/Atom">{entry.format(name)}</feed>'.encode()
        with pytest.raises(ExtractionError, match=r"no abstract|no XML"):
            read_paper(xml, "https://arxiv.org/abs/2403.1")
    for body in (b"", b"<rss/>", b"not xml", b"\xff\xfe"):
        with pytest.raises(ListingError):
            read_papers(body, scope.source.url, scope)


# --- GDELT --------------------------------------------------------------------------------------------------------------


def test_gdelt_discovers_and_the_articles_come_from_their_own_sites(web: WebServer, tmp_path: Path) -> None:
    with WebServer() as press:
        paths = {f"/story/{n}": day(n) for n in range(1, 6)}
        press.pages = {path: page(n) for n, path in enumerate(paths, 1)}
        press.pages["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /story/5\n", content_type="text/plain")
        web.otherwise = Gdelt({press.base + path: moment for path, moment in paths.items()}, busy=1)
        sources = sources_file(tmp_path, [source(web, "gdelt", "/api/v2/doc/doc", query='"open source AI"')])
        report = crawl(tmp_path / "x.db", sources, since=day(2), until=day(5))
        assert report.sources[0].outcomes == {"stored": 3, "disallowed": 1}
        assert [url for url, *_ in rows(tmp_path, ARTICLES)] == [f"{press.base}/story/{n}" for n in (2, 3, 4)]
        assert len(web.paths()) == 3, "robots.txt, the answer 429, and the search"


def test_more_articles_than_one_answer_holds_are_found_with_earlier_windows() -> None:
    scope = Scope(
        Source("g", "g", "gdelt", "https://gdelt.example/doc", query=("open source AI",)), day(30), since=day(1)
    )
    articles = {f"https://press.example/{n}": day(1 + n // 40) for n in range(700)}
    articles |= {f"https://press.example/same-{n}": day(20) for n in range(400)}
    service, found, waiting = (
        Gdelt(articles),
        [],
        ["/doc?query=open+source+AI&mode=ArtList&format=json&sort=DateDesc&maxrecords=250"],
    )
    while waiting:
        url = waiting.pop().removeprefix("https://gdelt.example")
        listing = read_articles(service(Asked(url, {}, 0)).body, url, scope)
        found.extend(entry.url for entry in listing.entries)
        waiting.extend(listing.more)
    assert len({url for url in found if "same" not in url}) == 700
    assert len({url for url in found if "same" in url}) == 250, "what one moment holds beyond an answer is out of reach"


def test_gdelts_complaints_are_told(web: WebServer, tmp_path: Path) -> None:
    web.otherwise = Gdelt({})
    report = crawl(tmp_path / "x.db", sources_file(tmp_path, [source(web, "gdelt", "/doc", query="AI")]))
    assert "The specified phrase is too short" in report.sources[0].errors[0]
    scope = Scope(Source("g", "g", "gdelt", "https://gdelt.example/doc"), day(1))
    assert read_articles(b"{}", scope.source.url, scope).entries == ()
    raw = b'{"articles": [{"url": "https://a.example/1", "title": "a\ttab\x01", "seendate": "soon"}, 5]}'
    assert read_articles(raw, scope.source.url, scope).entries[0].published is None


# --- Wayback Machine ----------------------------------------------------------------------------------------------------


def test_captures_are_read_month_by_month_as_articles_of_their_own_addresses(web: WebServer, tmp_path: Path) -> None:
    pages = [
        (datetime(2024, 1 + n % 3, 10 + n, tzinfo=UTC), f"http://example.org/blog/{n}", "200", page(n + 1))
        for n in range(6)
    ]
    pages.append((datetime(2024, 2, 1, tzinfo=UTC), "http://example.org/blog/gone", "404", Reply(b"gone", 404)))
    pages.append((datetime(2024, 3, 30, tzinfo=UTC), "http://example.org/blog/0", "200", page(9)))
    pages.append((datetime(2024, 3, 1, tzinfo=UTC), "http://example.org/shop/1", "200", page(8)))
    web.otherwise = Wayback(pages, most=2)
    sources = sources_file(tmp_path, [source(web, "wayback", "", query="example.org/blog/*")])
    report = crawl(
        tmp_path / "x.db", sources, since=datetime(2024, 1, 1, tzinfo=UTC), until=datetime(2024, 3, 31, tzinfo=UTC)
    )
    assert report.ok, report.sources
    assert sorted(url for url, *_ in rows(tmp_path, ARTICLES)) == [f"http://example.org/blog/{n}" for n in range(6)]
    copies = rows(tmp_path, "SELECT final_url FROM fetches WHERE url = 'http://example.org/blog/0'")
    assert copies == [(f"{web.base}/web/20240330000000id_/http://example.org/blog/0",)], (
        "the latest capture, and the way to it"
    )
    months = [asked.split("from=")[1][:6] for asked in web.paths() if "/cdx/" in asked]
    assert months == sorted(months, reverse=True)
    before = len(web.asked)
    crawl(tmp_path / "x.db", sources, since=datetime(2024, 1, 1, tzinfo=UTC), until=datetime(2024, 3, 31, tzinfo=UTC))
    assert not any("/web/" in path for path in web.paths()[before:])
    replay(tmp_path / "again.db", tmp_path / "archive")
    assert content(tmp_path / "again.db")["articles"] == content(tmp_path / "x.db")["articles"]


def test_without_a_window_this_month_and_the_last_are_asked_for() -> None:
    scope = Scope(Source("w", "w", "wayback", "https://web.archive.org", query=("a.org/*", "b.org/*")), day(15))
    months = [(url.split("url=")[1][:1], url.split("from=")[1][:6]) for url in WaybackSpider.first(scope)]
    assert months == [("a", "202403"), ("b", "202403"), ("a", "202402"), ("b", "202402")]
    assert len(WaybackSpider.first(Scope(scope.source, day(15), until=datetime(1997, 1, 5, tzinfo=UTC)))) == 18


def test_odd_answers_of_a_cdx_server() -> None:
    scope = Scope(Source("w", "w", "wayback", "https://web.archive.org", query=("a.org/*",)), day(15))
    assert read_captures(b"", "https://web.archive.org/cdx", scope).entries == ()
    head, odd = b'[["timestamp", "original", "mimetype"]', b'["x", "http://a.org/y", "text/html"]]'
    picture = head + b', ["20240301000000", "http://a.org/x", "image/png"], ' + odd
    assert read_captures(picture, "https://web.archive.org/cdx", scope).entries == ()
    for body in (b"org.archive.wayback.exception.AdministrativeAccessControlException", b"{}", b"[1]"):
        with pytest.raises(ListingError):
            read_captures(body, "https://web.archive.org/cdx", scope)
    assert original_address("https://web.archive.org/web/20240301000000id_/https:/a.org/x?y=1") == "https://a.org/x?y=1"
    assert original_address("https://a.org/web/x") is None
    assert from_digits("20240314T093000Z") == datetime(2024, 3, 14, 9, 30, tzinfo=UTC)


# --- Common Crawl -------------------------------------------------------------------------------------------------------


def captured(*numbers: int) -> list[tuple[str, datetime, bytes]]:
    return [(f"https://example.org/blog/{n}", day(n), page(n).body) for n in numbers]


def test_captures_of_an_index_are_had_by_the_bytes_of_their_records(web: WebServer, tmp_path: Path) -> None:
    service = CommonCrawl({"CC-MAIN-2024-10": captured(1, 2, 3), "CC-MAIN-2023-50": captured(4), "CC-MAIN-2024-18": []})
    web.otherwise = service
    entry = source(web, "commoncrawl", "", query="example.org/blog/*", data_url=web.base)
    sources = sources_file(tmp_path, [entry])
    report = crawl(tmp_path / "x.db", sources, since=datetime(2024, 2, 20, tzinfo=UTC))
    assert report.ok, report.sources
    assert [url for url, *_ in rows(tmp_path, ARTICLES)] == [f"https://example.org/blog/{n}" for n in (1, 2, 3)]
    assert not any("2023-50" in path for path in web.paths()), "a crawl before the window"
    assert all("range" in asked.headers for asked in web.asked if asked.path.startswith("/crawl-data"))
    assert rows(tmp_path, "SELECT DISTINCT status, final_url FROM fetches WHERE target = 'page'") == [
        (206, f"{web.base}/crawl-data/CC-MAIN-2024-10.warc.gz")
    ]
    replay(tmp_path / "again.db", tmp_path / "archive")
    assert content(tmp_path / "again.db")["articles"] == content(tmp_path / "x.db")["articles"]

    (tmp_path / "latest").mkdir()
    latest = sources_file(tmp_path / "latest", [entry])
    assert crawl(tmp_path / "latest" / "x.db", latest).ok, "the latest crawl alone, which has nothing: no error"
    with pytest.raises(ExtractionError, match="no WARC record"):
        read_capture(b"not a record")


def test_news_files_are_read_in_stretches_and_only_what_matters_is_kept(web: WebServer, tmp_path: Path) -> None:
    name = "crawl-data/CC-NEWS/2024/03/CC-NEWS-20240302001234-00001.warc.gz"
    cooking = article("Cooking", "How to bake a cake with flour, butter and six eggs. " * 10).body
    records = [warc_record("https://example.org/robots.txt", b"User-agent: *", day(2), "text/plain")]
    for number in range(1, 41):
        body = page(number % 28 + 1).body if number % 10 == 0 else cooking
        records.append(warc_record(f"https://example.org/{number}", body, day(2)))
    whole = b"".join(records)
    web.otherwise = CommonCrawl(files={name: whole, "crawl-data/CC-NEWS/2024/03/warc.paths.gz": paths_file([name])})
    sources = sources_file(tmp_path, [source(web, "commoncrawl-news")], {"max_bytes": 10_000})
    report = crawl(
        tmp_path / "x.db", sources, since=datetime(2024, 3, 1, tzinfo=UTC), until=datetime(2024, 3, 31, tzinfo=UTC)
    )
    assert report.ok, report.sources
    assert sorted(url for url, *_ in rows(tmp_path, ARTICLES)) == [f"https://example.org/{n}" for n in (10, 20, 30, 40)]
    stretches = [asked for asked in web.asked if asked.path.endswith(".warc.gz")]
    assert len(stretches) > 4 + len(whole) // 10_000, "in stretches, then four records"
    assert rows(tmp_path, "SELECT count(*) FROM fetches WHERE target = 'listing' AND warc_file IS NOT NULL") == [(0,)]
    replay(tmp_path / "again.db", tmp_path / "archive")
    assert content(tmp_path / "again.db")["articles"] == content(tmp_path / "x.db")["articles"]


def test_every_record_begins_in_exactly_one_stretch() -> None:
    records = [warc_record(f"https://example.org/{n}", bytes([65 + n % 26]) * (n * 37), day(1)) for n in range(60)]
    whole, size = b"".join(records), 1_000
    found = []
    for start in range(0, len(whole), size):
        part = whole[start : start + size + 700]
        found += [page.url for _, _, page in records_in(part, size, at_start=start == 0)]
    assert found == [f"https://example.org/{n}" for n in range(60)]
    assert list(records_in(b"\x1f\x8b\x08 no record" * 9, 100, at_start=True)) == []


def test_a_server_that_ignores_ranges_ends_at_the_limit(web: WebServer, tmp_path: Path) -> None:
    name = "crawl-data/CC-NEWS/2024/03/CC-NEWS-20240302001234-00001.warc.gz"
    files = {name: b"\0" * 50_000, "crawl-data/CC-NEWS/2024/03/warc.paths.gz": paths_file([name])}
    web.otherwise = CommonCrawl(files=files, ignores_range=True)
    sources = sources_file(tmp_path, [source(web, "commoncrawl-news")], {"max_bytes": 6_000})
    report = crawl(
        tmp_path / "x.db", sources, since=datetime(2024, 3, 1, tzinfo=UTC), until=datetime(2024, 3, 31, tzinfo=UTC)
    )
    assert "larger than 6000 bytes" in report.sources[0].errors[0]


# --- all of them --------------------------------------------------------------------------------------------------------


def test_each_kind_is_checked_by_what_it_lists(tmp_path: Path) -> None:
    services = {
        "hackernews": ("/api/v1", HackerNews([story(5)])),
        "arxiv": ("/api/query", Arxiv({"2403.00001": (day(1), day(1), "An abstract.")})),
        "gdelt": ("/doc", Gdelt({"https://example.org/a": day(2)})),
        "wayback": ("", Wayback([(datetime.now(UTC), "http://example.org/a", "200", page(1))])),
        "commoncrawl": ("", CommonCrawl({"CC-MAIN-2024-10": captured(1, 2)})),
    }
    servers = {kind: WebServer() for kind in services}
    try:
        entries = []
        for kind, (path, service) in services.items():
            web = servers[kind].__enter__()
            web.otherwise = service  # type: ignore[assignment]
            entries.append(source(web, kind, path, query="example", data_url=web.base))
        checks = check_sources(sources_file(tmp_path, entries))
    finally:
        for web in servers.values():
            web.__exit__(None, None, None)
    assert [(check.source_id, check.ok, check.reason) for check in checks] == [(kind, True, None) for kind in services]


def test_addresses_of_this_machine_are_refused_behind_an_interface_too(web: WebServer, tmp_path: Path) -> None:
    web.otherwise = Gdelt(
        {"http://169.254.169.254/latest": day(2), "http://10.0.0.1/a": day(3), "file:///etc/passwd": day(4)}
    )
    sources = sources_file(
        tmp_path, [source(web, "gdelt", "/doc", query="open source AI")], {"timeout": 2.0, "retries": 0}
    )
    report = crawl(tmp_path / "x.db", sources)
    with closing(sqlite3.connect(tmp_path / "x.db")) as connection:
        assert connection.execute("SELECT count(*) FROM articles").fetchone() == (0,)
    assert set(report.sources[0].outcomes) <= {"failed", "disallowed"}
