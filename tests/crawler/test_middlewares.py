"""The rules between a spider and the network, as far as they need no network: addresses, waiting times, what is asked again."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawler.guard import AddressRefusedError, connect_public, is_public, literal_address
from crawler.items import Entry
from crawler.middlewares import describe, retry_after
from crawler.spiders.feed import read_feed
from crawler.spiders.listing import ListingError, is_due, next_try
from crawler.spiders.section import looks_like_article
from crawler.spiders.sitemap import parse_moment, read_sitemap
from db.models import FailedTries, Outcome, PageState


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:127.0.0.1",
        "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "not an address", "",
    ],
)  # fmt: skip
def test_addresses_of_this_machine_and_its_network_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:2800:220:1::1", "64:ff9b::808:808"])
def test_addresses_of_the_internet_are(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", "127.0.0.1"), ("2130706433", "127.0.0.1"), ("0x7f000001", "127.0.0.1"), ("0177.0.0.1", "127.0.0.1"),
        ("127.1", "127.0.0.1"), ("[::1]", "::1"), ("::1", "::1"), ("example.org", None), ("1and1.example", None),
        ("999.1.1.1.1", None), ("deadbeef", None),
    ],
)  # fmt: skip
def test_odd_notations_are_seen_through(host: str, address: str | None) -> None:
    assert literal_address(host) == address


@given(st.ip_addresses())
def test_any_address_is_judged_without_error(address: object) -> None:
    assert is_public(str(address)) in (True, False)
    assert literal_address(str(address)) == str(address).partition("%")[0]


def test_a_connection_goes_to_public_addresses_only() -> None:
    with pytest.raises(AddressRefusedError, match="not a public address"):
        connect_public(("localhost", 9))


NOW = datetime(2024, 3, 14, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        (b"120", 120),
        (b"Thu, 14 Mar 2024 12:01:00 GMT", 60),
        (b"Thu, 14 Mar 2024 11:00:00 GMT", 0),
        (b"soon", 0),
        (None, 0),
    ],
)
def test_retry_after_is_read_as_seconds_or_date(header: bytes | None, seconds: float) -> None:
    assert retry_after(header, NOW) == seconds


def test_what_twisted_wraps_is_said_in_words() -> None:
    wrapped = "[<twisted.python.failure.Failure twisted.internet.error.ConnectionLost: Connection was lost.>]"
    assert describe(OSError(wrapped)) == "Connection was lost."
    assert describe(ValueError()) == "ValueError"


def state(fetched: datetime, last_modified: str | None = None, outcome: Outcome = "stored") -> PageState:
    return PageState("https://example.org/a", None, last_modified, fetched, outcome)


HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("entry", "known", "due"),
    [
        (Entry("u", NOW - 30 * DAY, NOW - HOUR), state(NOW - 2 * HOUR), True),
        (Entry("u", NOW - 30 * DAY, NOW - 3 * HOUR), state(NOW - 2 * HOUR), False),
        (Entry("u", None, NOW - 10 * DAY), state(NOW - DAY, "Wed, 28 Feb 2024 00:00:00 GMT"), True),
        (Entry("u", None, NOW - 20 * DAY), state(NOW - DAY, "Wed, 28 Feb 2024 00:00:00 GMT"), False),
        (Entry("u", NOW - DAY), state(NOW - 7 * HOUR), True),
        (Entry("u", NOW - DAY), state(NOW - HOUR), False),
        (Entry("u", NOW - 9 * DAY), state(NOW - 8 * DAY), False),
        (Entry("u"), state(NOW - 8 * DAY), False),
        (Entry("u", NOW - 30 * DAY, NOW - 3 * HOUR), state(NOW + 4000 * DAY), True),
        (Entry("u", NOW - DAY), state(NOW + 2 * HOUR / 60), False),
        (Entry("u", None, NOW + 2 * DAY), state(NOW - DAY, outcome="unchanged"), False),
        (Entry("u", None, NOW), state(NOW - HOUR, outcome="unchanged"), False),
        (Entry("u", None, NOW), state(NOW - HOUR, outcome="off_topic"), False),
        (Entry("u", None, NOW), state(NOW - 7 * HOUR, outcome="unchanged"), True),
        (Entry("u", None, NOW - 10 * DAY), state(NOW - DAY, "Wed, 28 Feb 2024 00:00:00 GMT", "unchanged"), False),
    ],
    ids=[
        "changed since",
        "not since",
        "changed after its copy",
        "as old as its copy",
        "fresh",
        "just seen",
        "settled",
        "undated",
        "fetched by a wrong clock",
        "by one a little ahead",
        "to be changed the day after tomorrow, and looked at for that",
        "changed now, as an hour ago in vain",
        "changed now, off topic an hour ago",
        "changed now, in vain long ago",
        "as old as its copy, which was confirmed",
    ],
)
def test_a_known_page_is_asked_again_only_with_reason(entry: Entry, known: PageState, due: bool) -> None:
    assert is_due(entry, known, NOW, recheck_days=3) is due


@pytest.mark.parametrize(
    ("first", "last", "final", "may"),
    [
        (NOW - HOUR, NOW - HOUR, False, True),
        (NOW - 3 * HOUR, NOW - HOUR, False, False),
        (NOW - 2 * HOUR, NOW - HOUR, False, True),
        (NOW - 30 * DAY, NOW - 23 * HOUR, False, True),
        (NOW - 30 * DAY, NOW - 23 * HOUR, True, False),
        (NOW - 30 * DAY, NOW - 7 * DAY, True, True),
        (NOW - DAY, NOW + 400 * DAY, True, True),
    ],
)
def test_what_keeps_failing_is_tried_ever_less_often(first: datetime, last: datetime, final: bool, may: bool) -> None:
    assert (next_try(FailedTries(first, last, final), NOW) <= NOW) is may


def test_feeds_give_links_and_both_dates() -> None:
    atom = b"""<feed xmlns="http://www.w3.org/2005/Atom"><link rel="next" href="/page2"/><entry><title>A</title>
      <link href="/a"/><published>2024-03-14T09:30:00-05:00</published><updated>2024-03-15T00:00:00Z</updated></entry>
      <entry><title>no link</title></entry></feed>"""
    listing = read_feed(atom, "https://example.org/feed")
    assert listing.more == ("https://example.org/page2",)
    assert listing.entries == (
        Entry("https://example.org/a", datetime(2024, 3, 14, 14, 30, tzinfo=UTC), datetime(2024, 3, 15, tzinfo=UTC)),
    )


def test_an_rss_item_without_a_date_of_change_has_none() -> None:
    rss = b"""<rss version="2.0"><channel><item><link>https://example.org/a</link>
      <pubDate>Thu, 14 Mar 2024 09:30:00 GMT</pubDate></item></channel></rss>"""
    (entry,) = read_feed(rss, "https://example.org/feed").entries
    assert entry.updated is None


def test_sitemaps_are_newest_first_with_news_dates() -> None:
    xml = b"""<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:n="http://www.google.com/schemas/sitemap-news/0.9">
      <url><loc>https://example.org/old</loc><lastmod>2023-01-01</lastmod></url>
      <url><loc>https://example.org/news</loc><n:news><n:publication_date>2024-03-14T09:00:00+01:00</n:publication_date></n:news></url>
      <url><loc>https://example.org/undated</loc><lastmod>soon</lastmod></url></urlset>"""
    entries = read_sitemap(xml, "https://example.org/map").entries
    assert [entry.url[20:] for entry in entries] == ["news", "old", "undated"]
    assert entries[0].published == datetime(2024, 3, 14, 8, tzinfo=UTC)


def test_an_index_gives_its_children_latest_first_and_is_never_asked_conditionally() -> None:
    xml = b"""<sitemapindex><sitemap><loc>/a.xml</loc><lastmod>2023-01-01</lastmod></sitemap>
      <sitemap><loc>/b.xml</loc><lastmod>2024-01</lastmod></sitemap></sitemapindex>"""
    listing = read_sitemap(xml, "https://example.org/i.xml")
    assert (listing.more, listing.conditional) == (("https://example.org/b.xml", "https://example.org/a.xml"), False)


@given(st.binary(max_size=300))
def test_bytes_that_are_no_listing_are_said_to_be_none(body: bytes) -> None:
    for read in (read_sitemap, read_feed):
        try:
            read(body, "https://example.org/x")
        except ListingError as error:
            assert str(error).startswith(("this is no", "the answer is no"))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-03", datetime(2024, 3, 1, tzinfo=UTC)),
        ("2024-03-14T09:30:00-05:00", datetime(2024, 3, 14, 14, 30, tzinfo=UTC)),
        ("", None),
        ("x", None),
        ("0001-01-01T00:00:00+05:00", None),
        ("9999-12-31T23:59:59-05:00", None),
    ],
)
def test_all_w3c_dates_are_read(text: str, moment: datetime | None) -> None:
    assert parse_moment(text) == moment


def test_links_to_articles_are_told_from_links_to_sections() -> None:
    assert looks_like_article("https://example.org/2024/03/14/x")
    assert looks_like_article("https://example.org/senate-votes-on-open-weights")
    assert looks_like_article("https://example.org/article/1234567")
    assert not looks_like_article("https://example.org/technology/ai")
