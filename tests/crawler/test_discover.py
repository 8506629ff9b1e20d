"""Finding the feeds and sitemaps of a site, and asking sources whether they still answer."""

from __future__ import annotations

import gzip
import socket
import threading
from contextlib import suppress
from pathlib import Path

import pytest

from crawler.discover import check_sources, discover
from crawler.fetcher import Fetcher, FetchError
from crawler.sources import CrawlSettings
from db.models import InputError
from tests.crawler.test_crawl import sources_file
from tests.crawler.webserver import Reply, WebServer, article, rss, sitemap


def test_declared_feeds_robots_sitemaps_and_usual_places_are_found_once() -> None:
    with WebServer() as web:
        link = '<link rel="alternate" type="application/rss+xml"'
        head = f'{link} title="All" href="/all.rss">{link} href="/no.rss">'
        web.pages = {
            "/": Reply(f"<html><head>{head}</head></html>".encode()),
            "/robots.txt": Reply(f"Sitemap: {web.base}/map.xml\nUser-agent: *\nDisallow: /feed\n".encode()),
            "/all.rss": rss(web.base, ["/a", "/b"]),
            "/no.rss": Reply(b"<html>not a feed</html>"),
            "/map.xml": sitemap(web.base, {"/a": "2024-03-14"}),
            "/rss.xml": Reply(b"", 301, {"Location": "/all.rss"}),
            "/feed": rss(web.base, ["/a"]),
        }
        found = discover(f"{web.base}/", allow_private=True)
        assert [(c.kind, c.url.removeprefix(web.base), c.title, c.entries) for c in found] == [
            ("feed", "/all.rss", "All", 2),
            ("sitemap", "/map.xml", None, 1),
        ]
        assert "/feed" not in web.paths(), "robots.txt is obeyed"
        assert found[0].to_json()["entries"] == 2


def test_a_private_site_needs_to_be_allowed() -> None:
    with WebServer() as web:
        with pytest.raises(InputError, match="not a public address"):
            discover(web.base)
        assert web.asked == []
        with pytest.raises(InputError, match="HTTP 404"):
            discover(web.base, allow_private=True)


def test_each_source_is_checked(tmp_path: Path) -> None:
    with WebServer() as web:
        index = f"<sitemapindex><sitemap><loc>{web.base}/map</loc></sitemap></sitemapindex>"
        web.pages = {
            "/feed": rss(web.base, ["/a"]),
            "/index": Reply(index.encode(), content_type="application/xml"),
            "/map": sitemap(web.base, {"/a": "2024-03-14", "/b": "2024-03-15"}),
            "/list": Reply(b"<h2><a href='/a-page-on-open-weights'>a</a></h2>"),
            "/page": article("No feed", "text"),
            "/shut": Reply(b"", 500),
        }
        entries = [
            ("feed", "feed", "/feed"),
            ("index", "sitemap", "/index"),
            ("list", "section", "/list"),
            ("page", "feed", "/page"),
            ("shut", "feed", "/shut"),
        ]
        sources = sources_file(
            tmp_path, [{"id": name, "kind": kind, "url": web.base + path} for name, kind, path in entries]
        )
        checks = check_sources(sources)
        assert [(c.source_id, c.ok, c.entries, c.newest) for c in checks] == [
            ("feed", True, 1, "2024-03-14T09:30:00Z"),
            ("index", True, 2, "2024-03-15T00:00:00Z"),
            ("list", True, 1, None),
            ("page", False, 0, None),
            ("shut", False, 0, None),
        ]
        assert checks[3].reason == "this is no RSS or Atom feed"
        assert checks[4].to_json()["reason"] == "HTTP 500"
        assert len(check_sources(sources, only=["feed"])) == 1


def fetcher() -> Fetcher:
    return Fetcher(CrawlSettings(timeout=1.0, max_bytes=100_000), allow_private=True)


@pytest.mark.parametrize(
    ("target", "why"),
    [
        ("ftp://127.0.0.1:{port}/x", "not a web address"),
        ("file:///etc/passwd", "not a web address"),
        ("data:text/html,x", "not a web address"),
        ("http://127.0.0.1:6379/", "port 6379 belongs to another service"),
        ("http://[bad/", "not a web address"),
        ("/private/x", "disallowed by robots.txt"),
        ("/moved", "more than 5 redirects"),
    ],
)
def test_a_redirect_leads_nowhere_but_to_the_web_and_only_where_robots_may_go(target: str, why: str) -> None:
    with WebServer() as web:
        web.pages = {
            "/robots.txt": Reply(b"User-agent: *\nDisallow: /private/"),
            "/moved": Reply(b"", 302, {"Location": target.format(port=web.port)}),
            "/private/x": Reply(b"secret"),
        }
        with pytest.raises(FetchError, match=why):
            fetcher().get(f"{web.base}/moved")
        assert "/private/x" not in web.paths()


@pytest.mark.parametrize("host", ["169.254.169.254", "2130706433", "0x7f.1", "[::ffff:127.0.0.1]", "127.0.0.1."])
def test_a_private_address_is_refused_in_any_notation(host: str) -> None:
    with pytest.raises(FetchError, match="not a public address"):
        Fetcher(CrawlSettings(timeout=1.0)).get(f"http://{host}/")


def test_an_address_with_letters_beyond_ascii_is_asked_for_as_it_goes_over_the_wire() -> None:
    with WebServer() as web:
        web.pages["/%C3%BCbersicht?q=%C3%A9"] = Reply(b"there")
        assert fetcher().get(f"{web.base}/\u00fcbersicht?q=\u00e9").body == b"there"
    with pytest.raises(FetchError, match=r"^127\.0\.0\.1 is not a public address"):
        Fetcher(CrawlSettings(timeout=1.0)).get("http://\uff11\uff12\uff17\u30020.0.1/")


def test_an_answer_that_trickles_is_ended_in_its_headers_and_in_its_body() -> None:
    """Each byte comes within the timeout of a socket, the whole of it never does."""
    listener = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def trickle() -> None:
        for begin in (b"HTTP/1.1 200 OK\r\nX-Slow: ", b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n"):
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                connection.recv(10_000)
                connection.sendall(begin)
                while not stop.wait(0.1):
                    connection.sendall(b"x")

    thread = threading.Thread(target=trickle, daemon=True)
    thread.start()
    address = f"http://127.0.0.1:{listener.getsockname()[1]}/"
    with listener:
        for _ in range(2):
            with pytest.raises(FetchError, match=r"unreachable \(no answer within 1 s"):
                fetcher().get(address)
        stop.set()
        thread.join(5)


def test_a_hostile_answer_costs_only_its_own_source(tmp_path: Path) -> None:
    with WebServer() as web:
        bad = {"/cut": gzip.compress(b"x" * 9_000)[:30], "/none": b"no gzip", "/bomb": gzip.compress(b"x" * 20_000_000)}
        web.pages = {path: Reply(body, headers={"Content-Encoding": "gzip"}) for path, body in bad.items()}
        web.pages["/papers"] = Reply(
            b'<feed xmlns="http://www.w3.org/2005/Atom" xmlns:o="http://a9.com/-/spec/opensearch/1.1/">'
            b"<o:totalResults>many</o:totalResults></feed>"
        )
        web.pages["/feed"] = rss(web.base, ["/a"])
        entries = [{"id": path[1:], "kind": "feed", "url": web.base + path} for path in (*bad, "/feed")]
        entries.append({"id": "papers", "kind": "arxiv", "url": f"{web.base}/papers", "query": ["all:x"]})
        checks = {check.source_id: check for check in check_sources(sources_file(tmp_path, entries))}
        assert {name for name, check in checks.items() if check.ok} == {"feed"}
        assert "unpacked" in (checks["cut"].reason or "")
        assert "larger than" in (checks["bomb"].reason or "")


def test_a_site_that_declares_a_hundred_thousand_feeds_is_looked_at_for_a_while() -> None:
    with WebServer() as web:
        links = "".join(f'<link rel="alternate" type="application/rss+xml" href="/f{n}">' for n in range(10_000))
        odd = '<link rel="alternate" type="application/rss+xml" href="http://[bad">'
        web.pages = {"/": Reply(f"<html><head>{odd}{links}</head></html>".encode()), "/f0": rss(web.base, ["/a"])}
        web.pages["/robots.txt"] = Reply(b"Sitemap: http://[bad\n" + b"Disallow: /x\n" * 100_000)
        assert [found.url for found in discover(web.base, allow_private=True)] == [f"{web.base}/f0"]
        assert len(web.asked) < 100


def test_the_proxy_of_this_machine_may_be_private(monkeypatch: pytest.MonkeyPatch) -> None:
    with WebServer() as web:
        web.otherwise = lambda asked: Reply(asked.path.encode())
        monkeypatch.setenv("http_proxy", web.base)
        assert Fetcher(CrawlSettings(timeout=1.0)).get("http://example.org/a").body == b"http://example.org/a"
        with pytest.raises(FetchError, match="not a public address"):
            Fetcher(CrawlSettings(timeout=1.0)).get("http://127.0.0.1/a")
