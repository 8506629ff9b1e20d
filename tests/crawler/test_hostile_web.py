"""A site that does everything a site can do wrong, and the honest pages beside it: one crawl survives it within its limits."""

from __future__ import annotations

import gzip
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from crawler.run import crawl
from db.models import CrawlReport
from tests.crawler.test_crawl import sources_file
from tests.crawler.webserver import Asked, Handler, Reply, WebServer, article, debate_text, rss

HONEST = 12
MAX_BYTES = 1_000_000
PAGE = article("Hostile", debate_text(50)).body
TEXT = "open source AI models should be released with open weights, she said. "


def _html(body: str) -> Reply:
    return Reply(f"<!doctype html><html><head><title>T</title></head><body>{body}</body></html>".encode())


def _pages(web: WebServer) -> dict[str, Reply | Handler]:
    """Behaviour -> what its page answers."""

    def endless(asked: Asked) -> Reply:
        def chunks() -> Iterator[bytes]:
            while not web.ending.is_set():
                yield b"<p>more</p>" * 10_000

        return Reply(chunks=chunks())

    def slow(asked: Asked) -> Reply:
        def chunks() -> Iterator[bytes]:
            while not web.ending.wait(0.2):
                yield b"x"

        return Reply(chunks=chunks())

    def silent(asked: Asked) -> Reply:
        web.ending.wait(20)
        return Reply(PAGE)

    def deeper(asked: Asked) -> Reply:
        return Reply(b"", 302, {"Location": f"{asked.path}/x"})

    deep = "<div>" * 20_000 + TEXT
    bomb = b"<p>" + b"a" * 30_000_000
    deflate = zlib.compress(bomb)
    entities = '<!DOCTYPE a [<!ENTITY b "bbbbbbbbbb">' + "".join(
        f'<!ENTITY {chr(c + 1)} "{f"&{chr(c)};" * 10}">' for c in range(ord("b"), ord("k"))
    )
    return {
        "endless body": endless,
        "one byte at a time": slow,
        "no answer": silent,
        "gzip bomb": Reply(gzip.compress(bomb), headers={"Content-Encoding": "gzip"}),
        "deflate bomb": Reply(deflate, headers={"Content-Encoding": "deflate"}),
        "twice compressed bomb": Reply(gzip.compress(gzip.compress(bomb)), headers={"Content-Encoding": "gzip, gzip"}),
        "gzip that is none": Reply(PAGE, headers={"Content-Encoding": "gzip"}),
        "gzip cut short": Reply(gzip.compress(PAGE)[:60], headers={"Content-Encoding": "gzip"}),
        "unknown encoding": Reply(PAGE, headers={"Content-Encoding": "x-unheard-of"}),
        "length too long": Reply(chunks=[PAGE], headers={"Content-Length": "999999999"}),
        "length that is no number": Reply(chunks=[PAGE], headers={"Content-Length": "many"}),
        "negative length": Reply(chunks=[PAGE], headers={"Content-Length": "-1"}),
        "length too short": Reply(chunks=[PAGE], headers={"Content-Length": "5"}),
        "chunks that are none": Reply(chunks=[b"zz\r\n", PAGE], headers={"Transfer-Encoding": "chunked"}),
        "redirect to itself": Reply(b"", 302, {"Location": "/redirect-to-itself"}),
        "redirect without end": deeper,
        "redirect without a target": Reply(b"", 302),
        "redirect to nonsense": Reply(b"", 302, {"Location": "http://[::bad/"}),
        "redirect to a file": Reply(b"", 302, {"Location": "file:///etc/passwd"}),
        "redirect to the metadata service": Reply(b"", 302, {"Location": "http://169.254.169.254/"}),
        "redirect to a long address": Reply(b"", 302, {"Location": "/" + "a" * 50_000}),
        "redirect with a line break": Reply(b"", 302, {"Location": "/a%0d%0aSet-Cookie:%20a=b"}),
        "refresh for ever": _html('<meta http-equiv="refresh" content="0; url=/refresh-for-ever">'),
        "status of no meaning": Reply(PAGE, 799),
        "status 204": Reply(b"", 204),
        "teapot": Reply(b"", 418),
        "wait for years": Reply(b"", 503, {"Retry-After": "999999999"}),
        "wait for a negative time": Reply(b"", 503, {"Retry-After": "-5"}),
        "headers of a megabyte": Reply(PAGE, headers={f"X-{n}": "a" * 10_000 for n in range(100)}),
        "header of a megabyte": Reply(PAGE, headers={"X-Long": "a" * 1_000_000}),
        "a cookie for another site": Reply(PAGE, headers={"Set-Cookie": "tracked=you; Domain=example.org"}),
        "image that calls itself a page": Reply(b"\x89PNG\r\n\x1a\n" + b"\0" * 500, content_type="text/html"),
        "type of a program": Reply(PAGE, content_type="application/x-msdownload"),
        "unknown charset": Reply(PAGE, content_type="text/html; charset=klingon"),
        "wrong charset": Reply(PAGE + "é".encode("utf-16"), content_type="text/html; charset=utf-16"),
        "null bytes": Reply(PAGE.replace(b"said", b"sa\0id")),
        "lone surrogates": _html(f"<p>{TEXT * 9} &#xD800; &#xDFFF; &#x110000;</p>"),
        "nested without end": _html(deep),
        "attributes without end": _html("<p " + " ".join(f"a{n}='x'" for n in range(20_000)) + f">{TEXT * 9}"),
        "fifty thousand links": _html(TEXT * 9 + "<a href='/p'>x</a>" * 50_000),
        "entities within entities": Reply((entities + "]><html><body>&k;</body></html>").encode()),
        "external entity": Reply(
            b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><html><body>&x;</body></html>',
            content_type="application/xhtml+xml",
        ),
        "data that nests without end": _html(
            f'<script type="application/ld+json">{"[" * 100_000}</script><p>{TEXT * 9}'
        ),
        "data of another shape": _html(
            f'<script type="application/ld+json">{{"@type": 5, "author": [[1]]}}</script><p>{TEXT * 9}'
        ),
        "date of the year 99999": article("Far", debate_text(51), date="99999-99-99T99:99:99Z"),
        "canonical of somebody else": article("Thief", debate_text(52), url="https://bank.example/"),
        "canonical to a script": article("Script", debate_text(53), url="javascript:alert(1)"),
        "title of a script": article("<script>alert(1)</script>'; DROP TABLE articles; --", debate_text(54)),
        "empty": Reply(b""),
        "only spaces": Reply(b" " * 900_000),
    }


class Survived:
    """The one crawl, and what it left."""

    def __init__(self, folder: Path, base: str, asked: list[Asked], report: CrawlReport, behaviours: list[str]) -> None:
        self.base, self.asked, self.report, self.behaviours = base, asked, report, behaviours
        with closing(sqlite3.connect(folder / "x.db")) as connection:
            self.outcomes = dict(connection.execute("SELECT url, outcome FROM fetches"))
            self.articles = {row[0] for row in connection.execute("SELECT url FROM articles")}
            self.texts = "".join(row[0] for row in connection.execute("SELECT text FROM documents"))


def _path(behaviour: str) -> str:
    return "/" + behaviour.replace(" ", "-")


@pytest.fixture(scope="module")
def survived(tmp_path_factory: pytest.TempPathFactory) -> Survived:
    folder = tmp_path_factory.mktemp("hostile")
    with WebServer() as web:
        hostile = _pages(web)
        honest = [f"/honest/{number}" for number in range(HONEST)]
        web.pages = {_path(name): page for name, page in hostile.items()}
        web.pages |= {path: article(f"Honest {path}", debate_text(number)) for number, path in enumerate(honest)}
        mixed = [*map(_path, hostile)]
        for number, path in enumerate(honest):
            mixed.insert(number * 4, path)
        web.pages["/feed"] = rss(web.base, mixed)
        sources = sources_file(
            folder,
            [{"id": "site", "kind": "feed", "url": f"{web.base}/feed"}],
            {"timeout": 1.0, "max_bytes": MAX_BYTES, "retries": 0},
        )
        report = crawl(folder / "x.db", sources)
        return Survived(folder, web.base, list(web.asked), report, list(hostile))


def test_everything_honest_is_collected(survived: Survived) -> None:
    assert {f"{survived.base}/honest/{number}" for number in range(HONEST)} <= survived.articles
    assert not survived.report.interrupted


def test_every_behaviour_is_one_row_with_an_outcome(survived: Survived) -> None:
    assert len(survived.behaviours) >= 40
    assert [name for name in survived.behaviours if survived.base + _path(name) not in survived.outcomes] == []


@pytest.mark.parametrize(
    "behaviour",
    ["endless body", "one byte at a time", "no answer", "gzip bomb", "deflate bomb", "twice compressed bomb", "redirect to itself",
     "redirect without end", "wait for years", "redirect to a file"],
)  # fmt: skip
def test_what_goes_beyond_a_limit_is_cut_off(survived: Survived, behaviour: str) -> None:
    assert survived.outcomes[survived.base + _path(behaviour)] == "failed"


def test_nothing_of_this_machine_is_read_and_nothing_is_filed_under_another_site(survived: Survived) -> None:
    assert "root:" not in survived.texts
    assert all(url.startswith(survived.base) for url in survived.articles)


def test_no_cookie_is_sent_back(survived: Survived) -> None:
    assert [asked.path for asked in survived.asked if "cookie" in asked.headers] == []
