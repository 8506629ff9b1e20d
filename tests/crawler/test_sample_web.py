"""The sample web behaves like real outlets: every article is served, listed, dated and decodable, over real HTTP."""

from __future__ import annotations

import gzip
import json
import re
import socket
import tomllib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import feedparser
import httpx
import pytest
from lxml import etree
from parsel import Selector
from protego import Protego

from crawler.sample_web import SampleWeb
from crawler.sample_web.content import load_outlets, read_article
from crawler.sample_web.pages import NOTE
from crawler.sample_web.shown import PAYWALL_PARAGRAPHS
from crawler.sources import SHIPPED_SOURCES, Source, load_sources
from db.models import InputError, UnknownNameError

OUTLETS = load_outlets()
ANY_PORT = dict.fromkeys(OUTLETS, 0)
CLIENT = httpx.Client(verify=False, trust_env=False)  # one for all: making one takes longer than any request here
SITEMAP = {"s": "http://www.sitemaps.org/schemas/sitemap/0.9"}

FRONT = """+++
title = "{title}"
authors = {authors}
published = {published}
kind = "{kind}"
section = "policy"
topic = "weights"
{more}
+++
First paragraph of {title}, with “curly” quotes, a café & an <em dash> – all as text.

## A subheading

Second paragraph.

> Quoted paragraph.

Third paragraph, the last.
"""
COMMENTS = """
+++ comment
author = "quietkernel"
published = 2024-03-14T12:01:00Z
reply_to = 0
---
First comment.

Its second paragraph.
+++ comment
author = "tidepool"
published = 2024-03-14T13:01:00Z
reply_to = 1
---
An answer to the first.
"""


def write_article(folder: Path, outlet: str, name: str, more: str = "", tail: str = "", **front: str) -> None:
    fields = {"title": f"Title of {outlet}", "authors": '["Noor Castellan"]', "kind": "article"}
    text = FRONT.format(**(fields | {"published": f"{name[:10]}T09:30:00-05:00"} | front), more=more)
    (folder / outlet).mkdir(exist_ok=True)
    (folder / outlet / f"{name}.md").write_text(text + tail, encoding="utf-8")


@pytest.fixture(scope="module")
def web() -> Iterator[SampleWeb]:
    """The shipped sample."""
    with SampleWeb(ports=ANY_PORT) as served:
        yield served


@pytest.fixture(scope="module")
def sources(web: SampleWeb, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Source]:
    path = tmp_path_factory.mktemp("sources") / "sources.toml"
    path.write_text(web.sources_toml(), encoding="utf-8")
    loaded = load_sources(path)
    assert loaded.relevance == tomllib.loads(SHIPPED_SOURCES.read_text(encoding="utf-8"))["relevance"]
    return {source.id: source for source in loaded.sources}


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SampleWeb]:
    """One article in each outlet, and one of every special kind; nobody publishes its updates."""
    yield from serve_small(tmp_path_factory.mktemp("articles"))


@pytest.fixture
def updatable(tmp_path: Path) -> Iterator[SampleWeb]:
    """The same, for one test alone."""
    yield from serve_small(tmp_path)


def serve_small(tmp_path: Path) -> Iterator[SampleWeb]:
    for outlet in OUTLETS:
        write_article(tmp_path, outlet, "2024-03-14-plain")
    write_article(tmp_path, "northgate", "2024-03-15-locked", more="paywalled = true")
    write_article(tmp_path, "commons", "2024-03-15-thread", kind="comment-thread", tail=COMMENTS)
    write_article(tmp_path, "meridian", "2024-03-16-reprint", authors="[]", more='wire = "harbour/2024-03-14-plain"')
    update = "+++ update\nThe text as it reads after the update.\n"
    for outlet in ("meridian", "northgate", "statehouse", "kiosk"):
        write_article(tmp_path, outlet, "2024-03-13-changed", more="updated = 2024-03-17T08:00:00-05:00", tail=update)
    with SampleWeb(tmp_path, ports=ANY_PORT) as served:
        yield served


def text_of(page: httpx.Response) -> str:
    """The page as a browser shows it: decoded as declared, tags away, white space joined."""
    parts = Selector(decoded(page)).xpath("//body//text()[not(parent::script or parent::style)]").getall()
    return " ".join(" ".join(parts).split())


def decoded(page: httpx.Response) -> str:
    in_meta = re.search(rb'<meta[^>]+charset="?([\w-]+)', page.content)
    charset = page.charset_encoding or (in_meta.group(1).decode() if in_meta else "ascii")
    return page.content.decode(charset, "strict")


def spaceless(text: str) -> str:
    return re.sub(r"\s+", "", text)


def listed_urls(source: Source) -> list[str]:
    """What a reader of the listing finds, in its order, by the way that sources.toml describes."""
    if source.kind == "feed":
        return [entry.link for entry in feedparser.parse(CLIENT.get(source.url).content).entries]
    if source.kind == "sitemap":
        return sitemap_urls(source.url)
    assert source.links and source.next
    urls: list[str] = []
    address: str | None = source.url
    while address:
        page = Selector(decoded(CLIENT.get(address)))
        urls += [link.attrib["href"] for link in page.css(source.links)]
        older = page.css(source.next)
        address = older[0].attrib["href"] if older else None
    return urls


def sitemap_urls(url: str) -> list[str]:
    body = CLIENT.get(url).content
    root = etree.fromstring(gzip.decompress(body) if url.endswith(".gz") else body)
    found = [str(loc.text) for loc in root.iterfind(".//s:loc", SITEMAP)]
    return [page for child in found for page in sitemap_urls(child)] if "index" in root.tag else found


@pytest.mark.parametrize("outlet", OUTLETS)
def test_every_article_is_listed_newest_first_and_served_with_its_whole_text(
    outlet: str, web: SampleWeb, sources: dict[str, Source]
) -> None:
    articles = web.articles(outlet)
    expected = [web.url(outlet, article.name) for article in articles]
    listed = [url.partition("?")[0] for url in listed_urls(sources[outlet])]
    assert [url for url in listed if url in expected] == expected
    front = Selector(decoded(CLIENT.get(web.base_url(outlet) + "/"))).css("a::attr(href)").getall()
    if not OUTLETS[outlet].per_page:
        assert set(expected) <= {link.partition("?")[0] for link in front}
    for article, url in zip(articles, expected, strict=True):
        page = CLIENT.get(url)
        assert page.status_code == 200, url
        shown = spaceless(text_of(page))
        assert spaceless(article.title) in shown
        assert spaceless(NOTE) in shown
        for block in article.blocks[:PAYWALL_PARAGRAPHS] if article.paywalled else article.blocks:
            assert spaceless(block.text).lower() in shown.lower(), f"{url}: {block.text[:60]}"
        for comment in article.comments:
            assert all(spaceless(block.text) in shown for block in comment.blocks), url


@pytest.mark.parametrize("outlet", OUTLETS)
def test_every_page_says_that_it_is_a_sample_and_every_link_within_an_outlet_answers(
    outlet: str, small: SampleWeb
) -> None:
    base = small.base_url(outlet)
    seen: set[str] = set()
    waiting = [base + "/", base + "/no-such-page"]
    while waiting:
        url = waiting.pop().partition("#")[0]
        if url in seen or not url.startswith(base) or "/u/" in url:
            continue
        seen.add(url)
        page = CLIENT.get(url)
        assert page.status_code == (404 if url.endswith("/no-such-page") else 200), url
        if page.headers["Content-Type"].startswith("text/html"):
            tree = Selector(decoded(page))
            assert NOTE in text_of(page), url
            waiting += tree.css("[href]::attr(href), [src]::attr(src)").getall()
    articles = {small.url(outlet, article.name) for article in small.articles(outlet)}
    assert articles <= {url.partition("?")[0] for url in seen}


@pytest.mark.parametrize("outlet", [name for name, made in OUTLETS.items() if made.listing in ("rss", "atom")])
def test_feeds_are_well_formed_and_carry_dates_authors_and_a_teaser_only(outlet: str, web: SampleWeb) -> None:
    answer = CLIENT.get(web.base_url(outlet) + OUTLETS[outlet].listing_path)
    feed = feedparser.parse(answer.content, response_headers={"content-type": answer.headers["Content-Type"]})
    assert not feed.bozo, feed.get("bozo_exception")
    listed = {page.title for page in OUTLETS[outlet].pages if page.listed}
    entries = [entry for entry in feed.entries if entry.title not in listed]
    for article, entry in zip(web.articles(outlet), entries, strict=True):
        assert entry.title == article.title
        assert datetime(*entry.published_parsed[:6], tzinfo=UTC) == article.published.astimezone(UTC)
        assert set(article.authors) <= {author["name"] for author in entry.get("authors", [])}
        assert len(entry.summary) < 220


@pytest.mark.parametrize("outlet", [name for name, made in OUTLETS.items() if made.listing == "news"])
def test_news_sitemaps_name_title_and_publication_date(outlet: str, web: SampleWeb) -> None:
    news = {"n": "http://www.google.com/schemas/sitemap-news/0.9"}
    root = etree.fromstring(CLIENT.get(web.base_url(outlet) + OUTLETS[outlet].listing_path).content)
    dates = [datetime.fromisoformat(str(found.text)) for found in root.iterfind(".//n:publication_date", news)]
    assert dates == [article.published for article in web.articles(outlet)]
    assert [found.text for found in root.iterfind(".//n:title", news)] == [a.title for a in web.articles(outlet)]


def json_ld(page: httpx.Response) -> list[dict[str, object]]:
    found = []
    for script in Selector(decoded(page)).css('script[type="application/ld+json"]::text').getall():
        data = json.loads(script)
        found += data.get("@graph", [data])
    return found


@pytest.mark.parametrize(
    ("outlet", "kind"),
    [
        ("meridian", "NewsArticle"),
        ("northgate", "NewsArticle"),
        ("statehouse", "NewsArticle"),
        ("openbench", "BlogPosting"),
        ("commons", "DiscussionForumPosting"),
    ],
)
def test_json_ld_names_headline_and_the_instant_of_publication(outlet: str, kind: str, small: SampleWeb) -> None:
    article = next(found for found in small.articles(outlet) if found.slug == "plain")
    data = json_ld(CLIENT.get(small.url(outlet, article.name)))
    main = next(item for item in data if item["@type"] == kind)
    assert main["headline"] == article.title
    assert datetime.fromisoformat(str(main["datePublished"])) == article.published
    assert "Noor Castellan" in json.dumps(data)


def test_shipped_json_ld_parses_on_every_article(web: SampleWeb) -> None:
    for outlet in ("meridian", "northgate", "statehouse", "openbench", "commons"):
        for article in web.articles(outlet):
            headlines = {item.get("headline") for item in json_ld(CLIENT.get(web.url(outlet, article.name)))}
            assert article.title in headlines


def test_lantern_declares_its_charset_only_in_the_page_and_prints_dates_as_text(small: SampleWeb) -> None:
    page = CLIENT.get(small.url("lantern", "2024-03-14-plain"))
    assert page.headers["Content-Type"] == "text/html"
    assert b"caf\xe9" in page.content and b"&#8220;curly&#8221;" in page.content
    assert "with “curly” quotes, a café & an <em dash> –" in text_of(page)
    assert "March 14, 2024" in text_of(page)
    assert b"2024-03-14" not in page.content and b"published_time" not in page.content


def test_vaultroad_sends_windows_1252_as_its_header_says(small: SampleWeb) -> None:
    page = CLIENT.get(small.url("vaultroad", "2024-03-14-plain"))
    assert page.headers["Content-Type"] == "text/html; charset=windows-1252"
    assert b"\x93curly\x94" in page.content and b"charset=" not in page.content
    assert "with “curly” quotes, a café" in text_of(page)


def test_a_paywalled_article_shows_two_paragraphs_a_notice_and_says_so_to_machines(small: SampleWeb) -> None:
    page = CLIENT.get(small.url("northgate", "2024-03-15-locked"))
    assert "A subheading" in text_of(page) and "Subscribe to continue reading" in text_of(page)
    assert "Third paragraph" not in decoded(page)
    (data,) = json_ld(page)
    assert data["isAccessibleForFree"] is False
    assert data["hasPart"] == {
        "@type": "WebPageElement",
        "isAccessibleForFree": False,
        "cssSelector": ".n-paywall",
    }
    assert Selector(decoded(page)).css(".n-paywall")
    assert "Third paragraph" in text_of(CLIENT.get(small.url("northgate", "2024-03-14-plain")))


def test_a_thread_nests_its_replies_on_the_page_and_for_machines(small: SampleWeb) -> None:
    page = CLIENT.get(small.url("commons", "2024-03-15-thread"))
    (data,) = json_ld(page)
    (first,) = data["comment"]  # type: ignore[misc]
    assert first["author"]["name"] == "quietkernel"  # type: ignore[index]
    assert first["text"] == "First comment.\n\nIts second paragraph."  # type: ignore[index]
    (answer,) = first["comment"]  # type: ignore[index]
    assert answer["datePublished"] == "2024-03-14T13:01:00Z"
    assert answer["url"] == small.url("commons", "2024-03-15-thread") + "#comment-2"
    assert Selector(decoded(page)).css("#comment-1 #comment-2 .user::text").get() == "tidepool"


def test_shipped_comments_answer_the_post_or_a_comment_before_them(web: SampleWeb) -> None:
    """The server hangs a comment with a wrong `reply_to` under the post; in the shipped texts that is a slip."""
    slips = [
        f"{outlet}/{article.name}: comment {comment.number} answers {comment.reply_to}"
        for outlet in web.outlets
        for article in web.articles(outlet)
        for comment in article.comments
        if comment.reply_to >= comment.number
    ]
    assert not slips


def test_a_reprint_credits_the_agency_visibly_and_for_machines(small: SampleWeb) -> None:
    page = CLIENT.get(small.url("meridian", "2024-03-16-reprint"))
    assert Selector(decoded(page)).css(".byline__agency::text").get() == "Harbour Wire"
    (data,) = json_ld(page)
    assert data["sourceOrganization"] == {"@type": "NewsMediaOrganization", "name": "Harbour Wire"}


def test_the_amp_twin_points_back_and_tracking_parameters_change_nothing(small: SampleWeb) -> None:
    url = small.url("kiosk", "2024-03-14-plain")
    page = Selector(CLIENT.get(url + "?utm_source=kiosk").text)
    assert page.css("link[rel=canonical]::attr(href)").get() == url
    twin = CLIENT.get(page.css("link[rel=amphtml]::attr(href)").get() or "")
    assert Selector(twin.text).css("link[rel=canonical]::attr(href)").get() == url
    assert "Third paragraph, the last." in text_of(twin)


@pytest.mark.parametrize("outlet", OUTLETS)
def test_robots_txt_disallows_pages_that_exist_and_are_linked_but_no_article(outlet: str, small: SampleWeb) -> None:
    base = small.base_url(outlet)
    answer = CLIENT.get(base + "/robots.txt")
    assert answer.headers["Content-Type"].startswith("text/plain")
    robots = Protego.parse(answer.text)
    articles = [small.url(outlet, article.name) for article in small.articles(outlet)]
    assert all(robots.can_fetch(url, "debatewatch") for url in articles)
    links = Selector(decoded(CLIENT.get(articles[0]))).css("a::attr(href)").getall()
    forbidden = [url for url in links if url.startswith(base) and not robots.can_fetch(url, "debatewatch")]
    assert forbidden
    assert all(CLIENT.get(url).status_code == 200 for url in forbidden if "/u/" not in url)
    listing = OUTLETS[outlet].listing
    assert list(robots.sitemaps) == ([base + OUTLETS[outlet].listing_path] if "sitemap" in str(answer.text) else [])
    assert bool(list(robots.sitemaps)) == (listing in ("news", "sitemap", "index"))
    assert robots.crawl_delay("debatewatch") == (0.2 if outlet == "harbour" else None)


def test_some_listings_name_an_address_that_robots_txt_forbids(small: SampleWeb) -> None:
    assert "/members/whip-count" in CLIENT.get(small.base_url("statehouse") + "/sitemap.xml").text
    assert "/private/moderators" in CLIENT.get(small.base_url("commons") + "/threads.rss").text
    assert "/sponsored/" in CLIENT.get(small.base_url("lantern") + "/latest").text


def test_conditional_requests_are_answered_with_304_until_the_page_changes(small: SampleWeb) -> None:
    for outlet, path in [("meridian", "/rss/all.xml"), ("lantern", "/latest"), ("harbour", "/robots.txt")]:
        url = small.base_url(outlet) + path
        first = CLIENT.get(url)
        tag, date = first.headers["ETag"], first.headers["Last-Modified"]
        again = CLIENT.get(url, headers={"If-None-Match": tag})
        assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", tag)
        assert CLIENT.get(url, headers={"If-Modified-Since": date}).status_code == 304
        assert CLIENT.get(url, headers={"If-None-Match": '"other"', "If-Modified-Since": date}).status_code == 200
        assert CLIENT.get(url, headers={"If-Modified-Since": "Mon, 02 Jan 2023 00:00:00 GMT"}).status_code == 200
        assert CLIENT.get(url, headers={"If-Modified-Since": "no date"}).status_code == 200
    page = CLIENT.get(small.url("meridian", "2024-03-14-plain"))
    assert page.headers["Last-Modified"] == "Thu, 14 Mar 2024 14:30:00 GMT"


def test_head_gzip_and_404_work_as_http_wants_them(small: SampleWeb) -> None:
    url = small.url("rivage", "2024-03-14-plain")
    already = len(small.requests)
    plain = CLIENT.get(url, headers={"Accept-Encoding": "identity"})
    packed = CLIENT.get(url, headers={"Accept-Encoding": "gzip"})
    assert "Content-Encoding" not in plain.headers and packed.headers["Content-Encoding"] == "gzip"
    assert plain.content == packed.content
    head = CLIENT.head(url, headers={"Accept-Encoding": "identity"})
    assert (head.content, head.headers["Content-Length"]) == (b"", str(len(plain.content)))
    zipped = CLIENT.get(small.base_url("kiosk") + "/sitemaps/articles-2024.xml.gz")
    assert zipped.headers["Content-Type"] == "application/gzip" and "Content-Encoding" not in zipped.headers
    assert CLIENT.get(url + "/nothing").status_code == 404
    path = urlsplit(url).path
    assert [request for request in small.requests[already:] if request[0] == "rivage"] == [
        ("rivage", "GET", path, 200),
        ("rivage", "GET", path, 200),
        ("rivage", "HEAD", path, 200),
        ("rivage", "GET", path + "/nothing", 404),
    ]


@pytest.mark.parametrize("outlet", ["meridian", "northgate", "statehouse", "kiosk"])
def test_publishing_the_update_changes_text_date_tag_and_listing(outlet: str, updatable: SampleWeb) -> None:
    url = updatable.url(outlet, "2024-03-13-changed")
    path = OUTLETS[outlet].listing_path if outlet != "kiosk" else "/sitemaps/articles-2024.xml.gz"
    listing = updatable.base_url(outlet) + path
    before, listed_before = CLIENT.get(url), CLIENT.get(listing)
    assert "Third paragraph" in text_of(before) and "Updated:" not in text_of(before)
    moment = datetime.now(UTC).replace(microsecond=0)
    updatable.publish_update()
    after = CLIENT.get(url, headers={"If-None-Match": before.headers["ETag"]})
    assert after.status_code == 200
    assert "The text as it reads after the update." in text_of(after) and "Third paragraph" not in text_of(after)
    assert "Updated:" in text_of(after)
    assert feedparser.datetimes._parse_date(after.headers["Last-Modified"])[:6] >= moment.timetuple()[:6]
    listed = CLIENT.get(listing, headers={"If-None-Match": listed_before.headers["ETag"]})
    assert listed.status_code == 200
    body = gzip.decompress(listed.content).decode() if path.endswith(".gz") else listed.text
    assert f"{moment.year}-{moment:%m}" in body
    unchanged = updatable.url(outlet, "2024-03-14-plain")
    assert "Updated:" not in text_of(CLIENT.get(unchanged))


def test_a_taken_port_means_a_free_one() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with SampleWeb(ports=ANY_PORT | {"meridian": port}) as web:
            assert not web.base_url("meridian").endswith(f":{port}")
            assert CLIENT.get(web.base_url("meridian") + "/robots.txt").status_code == 200
        with pytest.raises(httpx.ConnectError):
            CLIENT.get(web.base_url("meridian") + "/robots.txt")


def test_unknown_names_are_refused_with_those_that_exist(web: SampleWeb) -> None:
    with pytest.raises(UnknownNameError, match='no sample outlet "times"; there are meridian, '):
        web.base_url("times")
    with pytest.raises(UnknownNameError, match=r"articles/harbour/2020-01-01-none\.md"):
        web.url("harbour", "2020-01-01-none")


@pytest.mark.parametrize(
    ("name", "text", "fault"),
    [
        ("untitled", "", "name it YYYY-MM-DD-some-title.md"),
        ("2024-01-01-a", "Only text", "must begin with front matter"),
        ("2024-01-01-a", "+++\npublished = 2024-01-01T00:00:00Z\n+++\nText", "title"),
        ("2024-01-01-a", '+++\ntitle = "T"\npublished = 2024-01-01T00:00:00\n+++\nText', "with an offset"),
        ("2024-01-01-a", '+++\ntitle = "T"\npublished = 2024-01-01T00:00:00Z\n+++\n\n', "there is no text"),
        ("2024-01-01-a", '+++\ntitle = "T"\npublished = 2024-01-01T00:00:00Z\n+++\nT\n+++ update\nU', "go together"),
        ("2024-01-01-a", '+++\ntitle = "T"\npublished = 2024-01-01T00:00:00Z\n+++\nT\n+++ note\nU', "unknown mark"),
        ("2024-01-01-a", '+++\ntitle = "T"\npublished = 2024-01-01T00:00:00Z\n+++\nT\n+++ comment\nU', "line ---"),
    ],
)
def test_a_broken_article_file_is_named_with_its_fault(tmp_path: Path, name: str, text: str, fault: str) -> None:
    path = tmp_path / f"{name}.md"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        read_article(path, "meridian")
    assert f"meridian/{name}.md" in str(caught.value) and fault in str(caught.value)
    assert "\n" not in str(caught.value)
