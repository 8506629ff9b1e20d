"""Feeds of every format and age, paged and archived ones, and those that mean harm."""

from __future__ import annotations

import json
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from parsel import Selector

from crawler.addresses import is_web_url
from crawler.items import Entry
from crawler.run import crawl
from crawler.spiders.feed import MAX_FEED_ENTRIES, read_feed
from crawler.spiders.listing import Listing, ListingError
from crawler.spiders.section import read_section
from crawler.spiders.sitemap import read_sitemap
from tests.crawler.test_crawl import CONTENT, rows, sources_file
from tests.crawler.webserver import Reply, WebServer, article, debate_text

HOME = "https://example.org/feed"
RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"'
ITEM = "<item><title>A</title><link>https://example.org/a</link>{}</item>"


@pytest.mark.parametrize(
    ("xml", "published"),
    [
        (f'<rdf:RDF {RDF} xmlns="http://my.netscape.com/rdf/simple/0.9/"><channel/>{ITEM.format("")}</rdf:RDF>', None),
        (
            f'<rdf:RDF {RDF} xmlns="http://purl.org/rss/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/">'
            f'<channel rdf:about="x"/>{ITEM.format("<dc:date>2024-03-14T09:30Z</dc:date>")}</rdf:RDF>',
            datetime(2024, 3, 14, 9, 30, tzinfo=UTC),
        ),
        *(
            (f'<rss version="{version}"><channel>{ITEM.format("")}</channel></rss>', None)
            for version in ("0.91", "0.92", "0.93", "0.94")
        ),
        (
            f'<rss version="2.0"><channel>{ITEM.format("<pubDate>Thu, 14 Mar 2024 09:30:00 GMT</pubDate>")}</channel></rss>',
            datetime(2024, 3, 14, 9, 30, tzinfo=UTC),
        ),
    ],
    ids=["RSS 0.90", "RSS 1.0", "0.91", "0.92", "0.93", "0.94", "2.0"],
)
def test_every_age_of_rss_is_read(xml: str, published: datetime | None) -> None:
    (entry,) = read_feed(xml.encode(), HOME).entries
    assert (entry.url, entry.date) == ("https://example.org/a", published)


def test_json_feeds_are_read_with_their_next_page() -> None:
    feed = {
        "version": "https://jsonfeed.org/version/1.1",
        "title": "Feed",
        "next_url": "/feed?page=2",
        "items": [
            {"id": "1", "url": "https://example.org/a", "date_published": "2024-03-14T10:30:00+01:00"},
            {
                "id": "https://example.org/b",
                "date_modified": "2024-03-15T00:00:00Z",
                "external_url": "https://else.example/x",
            },
            {"id": "3", "content_text": "no address"},
            "no item",
        ],
    }
    listing = read_feed(json.dumps(feed).encode(), HOME, "application/feed+json")
    assert listing.entries == (
        Entry("https://example.org/a", datetime(2024, 3, 14, 9, 30, tzinfo=UTC)),
        Entry("https://example.org/b", None, datetime(2024, 3, 15, tzinfo=UTC)),
    )
    assert listing.more == ("https://example.org/feed?page=2",)


@pytest.mark.parametrize(
    "body", [b"{", b'{"items": []}', b'{"version": "https://jsonfeed.org/version/1"}', b'{"a":' * 9_000]
)
def test_json_that_is_no_feed_is_told(body: bytes) -> None:
    with pytest.raises(ListingError):
        read_feed(body, HOME)


def test_an_archived_feed_is_followed_back_to_the_date_and_told_where_it_ends(tmp_path: Path) -> None:
    """RFC 5005, section 4: the newest entries, and documents of older ones by rel=prev-archive."""
    with WebServer() as web:
        atom = '<feed xmlns="http://www.w3.org/2005/Atom"><title>F</title>{}{}</feed>'
        for month in range(1, 7):
            link = f'<link rel="prev-archive" href="/archive/{month - 1}"/>' if month > 1 else ""
            entry = (
                f'<entry><title>{month}</title><link href="/p/{month}"/><published>2024-0{month}-05T00:00:00Z</published>'
                f"<updated>2024-0{month}-05T00:00:00Z</updated></entry>"
            )
            web.pages["/feed" if month == 6 else f"/archive/{month}"] = Reply(atom.format(link, entry).encode())
            web.pages[f"/p/{month}"] = article(f"{month}", debate_text(month), date=f"2024-0{month}-05T00:00:00Z")
        sources = sources_file(tmp_path, [{"id": "s", "kind": "feed", "url": f"{web.base}/feed", "max_pages": 4}])
        report = crawl(tmp_path / "x.db", sources, since=datetime(2023, 1, 1, tzinfo=UTC))
        assert [url[-1] for url, *_ in rows(tmp_path, CONTENT)] == list("3456")
        (note,) = report.sources[0].notes
        assert (
            note == "stopped after 4 listings (the oldest was of 2024-03-05); raise max_pages of s to go further back"
        )
        sources = sources_file(tmp_path, [{"id": "s", "kind": "feed", "url": f"{web.base}/feed"}])
        report = crawl(tmp_path / "x.db", sources, since=datetime(2024, 2, 1, tzinfo=UTC))
        assert [url[-1] for url, *_ in rows(tmp_path, CONTENT)] == list("23456")
        assert report.sources[0].notes == (), "everything since then was there"


def test_a_hundred_thousand_entries_are_cut_to_the_newest() -> None:
    items = "".join(f"<item><link>https://example.org/{n}</link></item>" for n in range(100_000))
    body = f'<rss version="2.0"><channel>{items}</channel></rss>'.encode()
    started = time.process_time()
    listing = read_feed(body, HOME)
    assert (len(listing.entries), listing.complete) == (MAX_FEED_ENTRIES, False)
    assert listing.entries[-1].url == f"https://example.org/{MAX_FEED_ENTRIES - 1}"
    assert time.process_time() - started < 10, "reading all of them would take longer"
    feed = {
        "version": "https://jsonfeed.org/version/1",
        "items": [{"id": f"https://e.org/{n}"} for n in range(100_000)],
    }
    assert len(read_feed(json.dumps(feed).encode(), HOME).entries) == MAX_FEED_ENTRIES


def test_entities_of_feeds_are_neither_expanded_nor_loaded() -> None:
    bomb = '<!DOCTYPE rss [<!ENTITY a "aaaaaaaaaa">' + "".join(
        f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(9)
    )
    external = '<!DOCTYPE rss [<!ENTITY x SYSTEM "file:///etc/passwd">'
    for head, name in ((bomb, "j"), (external, "x")):
        xml = f'{head}]><rss version="2.0"><channel><item><link>https://example.org/&{name};</link></item></channel></rss>'
        assert all(len(entry.url) < 100 and "root:" not in entry.url for entry in read_feed(xml.encode(), HOME).entries)


def test_a_plain_list_of_addresses_is_a_sitemap() -> None:
    listing = read_sitemap(
        b"\xef\xbb\xbfhttps://example.org/a\r\nhttps://example.org/b\n", "https://example.org/map.txt"
    )
    assert [entry.url for entry in listing.entries] == ["https://example.org/a", "https://example.org/b"]
    for body in (b"not a list", b"", b"https://example.org/a and words"):
        with pytest.raises(ListingError):
            read_sitemap(body, "https://example.org/map.txt")


def test_children_of_an_index_that_did_not_change_since_are_not_read() -> None:
    xml = b"""<sitemapindex><sitemap><loc>/a.xml</loc><lastmod>2023-01-01</lastmod></sitemap>
      <sitemap><loc>/b.xml</loc><lastmod>2024-01</lastmod></sitemap><sitemap><loc>/c.xml</loc></sitemap></sitemapindex>"""
    listing = read_sitemap(xml, "https://example.org/i.xml", since=datetime(2024, 1, 1, tzinfo=UTC))
    assert listing.more == ("https://example.org/b.xml", "https://example.org/c.xml")


def test_an_address_that_is_none_costs_only_itself() -> None:
    odd = ["http://[bad", "https://example.org/\ud800", "https://example.org/" + "a" * 9_000]
    feed = {"version": "https://jsonfeed.org/version/1.1", "items": [{"url": url} for url in (*odd, "/a")]}
    assert usable(read_feed(json.dumps(feed).encode(), HOME)) == ["https://example.org/a"]
    urls = "".join(f"<url><loc>{url}</loc></url>" for url in (odd[0], odd[2], "https://example.org/a"))
    assert usable(read_sitemap(f"<urlset>{urls}</urlset>".encode(), HOME)) == ["https://example.org/a"]
    page = f'<base href="{odd[0]}"><main><a href="{odd[0]}/2024/01/x">x</a><a href="/2024/01/a">a</a></main>'
    assert usable(read_section(Selector(text=page), HOME)) == ["https://example.org/2024/01/a"]


def usable(listing: Listing) -> list[str]:
    return [entry.url for entry in listing.entries if is_web_url(entry.url)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_a_sitemap_is_read_in_any_encoding_and_with_bare_ampersands(encoding: str) -> None:
    written = "https://example.org/caf\u00e9?a=1&b=2"
    urls = f"<url><loc>{written}</loc></url><url><loc><![CDATA[{written}]]></loc></url>"
    xml = f'<?xml version="1.0" encoding="UTF-8"?><urlset>{urls}</urlset>'
    assert [entry.url for entry in read_sitemap(xml.encode(encoding), HOME).entries] == [written, written]


def test_a_plain_sitemap_may_have_lines_that_are_no_address() -> None:
    listing = read_sitemap(b"# pages\r\nhttps://example.org/a\r\nhttps://example.org/b\r\n", HOME)
    assert [entry.url for entry in listing.entries] == ["https://example.org/a", "https://example.org/b"]
    with pytest.raises(ListingError):
        read_sitemap(b"See https://example.org/a\nfor more", HOME)
