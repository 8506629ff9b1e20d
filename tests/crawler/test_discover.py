"""Finding the feeds and sitemaps of a site, and asking sources whether they still answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from crawler.discover import check_sources, discover
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
