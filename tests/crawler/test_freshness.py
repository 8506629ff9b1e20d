"""When a source is asked again."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from crawler.freshness import Hints, due_at, feed_hints, fresh_for, quiet_interval
from crawler.replay import replay
from crawler.run import crawl
from tests.crawler.same_rows import content
from tests.crawler.test_crawl import rows, sources_file
from tests.crawler.webserver import Reply, WebServer, article, debate_text, rss

NOW = datetime(2024, 3, 14, 10, 0, tzinfo=UTC)  # A Thursday.
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.mark.parametrize(
    ("xml", "hints"),
    [
        (b"<rss><channel><ttl>60</ttl></channel></rss>", Hints(HOUR)),
        (b"<ttl>soon</ttl>", Hints()),
        (b"<ttl>99999999999999</ttl>", Hints()),
        (b"<sy:updatePeriod> daily </sy:updatePeriod><sy:updateFrequency>4</sy:updateFrequency>", Hints(6 * HOUR)),
        (b"<sy:updatePeriod>hourly</sy:updatePeriod><sy:updateFrequency>0</sy:updateFrequency>", Hints(HOUR)),
        (b"<skipHours><hour>0</hour><hour>24</hour><hour>7</hour></skipHours>", Hints(skip_hours=frozenset({0, 7}))),
        (b"<skipDays><day>Saturday</day><day>sunday</day><day>x</day></skipDays>", Hints(skip_days=frozenset({5, 6}))),
        (b"<skipHours>" + b"".join(b"<hour>%d</hour>" % n for n in range(24)) + b"</skipHours>", Hints()),
        (b"<skipHours><hour>5</hour>", Hints()),
        (b"", Hints()),
    ],
)
def test_a_feeds_hints_are_read_and_nonsense_is_none(xml: bytes, hints: Hints) -> None:
    assert feed_hints(xml) == hints


@pytest.mark.parametrize(
    ("headers", "fresh"),
    [
        ({"cache-control": "public, max-age=3600", "age": "600"}, 50 * 60),
        ({"cache-control": "max-age=60", "age": "600"}, 0),
        ({"cache-control": "no-cache, max-age=3600"}, 0),
        ({"expires": "Thu, 14 Mar 2024 11:00:00 GMT", "date": "Thu, 14 Mar 2024 10:00:00 GMT"}, 3600),
        ({"expires": "0", "date": "Thu, 14 Mar 2024 10:00:00 GMT"}, 0),
        ({}, 0),
    ],
)
def test_an_answer_is_fresh_for_as_long_as_its_headers_say(headers: dict[str, str], fresh: int) -> None:
    assert fresh_for(headers) == timedelta(seconds=fresh)


def test_the_longest_of_the_hints_counts_and_left_out_hours_and_days_follow() -> None:
    assert due_at(NOW, timedelta()) is None
    assert due_at(NOW, 2 * HOUR, Hints(HOUR)) == NOW + timedelta(minutes=115)
    assert due_at(NOW, 400 * DAY) == NOW + DAY - timedelta(minutes=5)
    assert due_at(NOW, timedelta(), Hints(skip_hours=frozenset({10, 11}))) == NOW + 2 * HOUR
    weekend = Hints(DAY, skip_days=frozenset({4, 5, 6}))
    assert due_at(NOW, timedelta(), weekend) == datetime(2024, 3, 18, tzinfo=UTC)
    every_hour_but_one = Hints(skip_hours=frozenset(range(24)) - {9})
    assert due_at(NOW, timedelta(), every_hour_but_one) == datetime(2024, 3, 15, 9, tzinfo=UTC)


def test_a_quiet_source_is_left_alone_for_a_tenth_of_its_silence_and_a_day_at_most() -> None:
    assert quiet_interval(timedelta(minutes=49)) == timedelta()
    assert quiet_interval(10 * HOUR) == HOUR
    assert quiet_interval(400 * DAY) == DAY


def _feed(
    web: WebServer, hint: str = "", headers: dict[str, str] | None = None, paths: tuple[str, ...] = ("/a",)
) -> Reply:
    plain = rss(web.base, list(paths))
    return Reply(plain.body.replace(b"<channel>", b"<channel>" + hint.encode()), headers=headers or {})


@pytest.mark.parametrize(
    ("hint", "headers"),
    [
        ("<ttl>60</ttl>", {}),
        ("<sy:updatePeriod>daily</sy:updatePeriod>", {}),
        ("", {"Cache-Control": "max-age=3600"}),
        ("", {"Cache-Control": "max-age=3600", "ETag": '"1"'}),
    ],
)
def test_an_unattended_crawl_leaves_out_what_is_not_due(tmp_path: Path, hint: str, headers: dict[str, str]) -> None:
    with WebServer() as web:
        web.pages = {
            "/feed": _feed(web, hint, headers),
            "/a": article("A", debate_text(1)),
            "/b": article("B", debate_text(2)),
        }
        sources = sources_file(tmp_path, [{"id": "s", "kind": "feed", "url": f"{web.base}/feed"}])
        assert crawl(tmp_path / "x.db", sources).documents == 1
        asked, fetches = len(web.asked), rows(tmp_path, "SELECT count(*) FROM fetches")
        web.pages["/feed"] = _feed(web, hint, headers, ("/a", "/b"))
        again = crawl(tmp_path / "x.db", sources, due=True)
        assert (len(web.asked), rows(tmp_path, "SELECT count(*) FROM fetches")) == (asked, fetches)
        assert again.ok and again.sources[0].due_at is not None
        assert crawl(tmp_path / "x.db", sources).documents == 1, "whoever starts a crawl by hand wants it now"
        replay(tmp_path / "again.db", tmp_path / "archive")
        assert content(tmp_path / "again.db")["fetches"] == content(tmp_path / "x.db")["fetches"]


def test_a_crawl_that_could_not_take_all_is_carried_on_whatever_the_hints_say(tmp_path: Path) -> None:
    with WebServer() as web:
        web.pages = {f"/{n}": article(f"{n}", debate_text(n)) for n in range(3)}
        web.pages["/feed"] = _feed(web, "<ttl>600</ttl>", paths=tuple(f"/{n}" for n in range(3)))
        sources = sources_file(tmp_path, [{"id": "s", "kind": "feed", "url": f"{web.base}/feed"}], {"timeout": 60.0})
        assert [crawl(tmp_path / "x.db", sources, limit=2, due=True).documents for _ in range(3)] == [2, 1, 0]
        assert web.paths().count("/feed") == 2


def test_retry_after_is_kept_by_the_next_crawls(tmp_path: Path) -> None:
    with WebServer() as web, WebServer() as busy:
        later: dict[str, Any] = {"Retry-After": "7200"}
        busy.pages = {"/feed": Reply(b"", 503, later)}
        web.pages = {
            "/feed": _feed(web, paths=("/a", "/b")),
            "/a": Reply(b"", 429, later),
            "/b": article("B", debate_text(2)),
        }
        entries = [{"id": name, "kind": "feed", "url": f"{s.base}/feed"} for name, s in (("web", web), ("busy", busy))]
        sources = sources_file(tmp_path, entries, {"retries": 0})
        crawl(tmp_path / "x.db", sources)
        second = crawl(tmp_path / "x.db", sources)
        assert (web.paths().count("/a"), busy.paths().count("/feed")) == (1, 1), "neither the page nor the source"
        assert [source.due_at is None for source in second.sources] == [True, False]
        with closing(sqlite3.connect(tmp_path / "x.db")) as connection, connection:
            connection.execute("UPDATE fetches SET due_at = '2024-01-01T00:00:00Z'")
        web.pages["/a"] = article("A", debate_text(1))
        assert crawl(tmp_path / "x.db", sources).documents == 1


def test_a_source_long_quiet_is_asked_less_often(tmp_path: Path) -> None:
    with WebServer() as web:
        web.pages = {"/feed": _feed(web), "/a": article("A", debate_text(1))}
        sources = sources_file(tmp_path, [{"id": "s", "kind": "feed", "url": f"{web.base}/feed"}])
        crawl(tmp_path / "x.db", sources)
        ten_days = (datetime.now(UTC) - 10 * DAY).strftime("%Y-%m-%dT%H:%M:%SZ")
        with closing(sqlite3.connect(tmp_path / "x.db")) as connection, connection:
            connection.execute("UPDATE fetches SET fetched_at = ?", [ten_days])
        crawl(tmp_path / "x.db", sources)
        third = crawl(tmp_path / "x.db", sources, due=True)
        assert web.paths().count("/feed") == 2
        due = third.sources[0].due_at
        assert due is not None and 20 * HOUR < due - datetime.now(UTC) < DAY


def test_an_unattended_crawl_asks_once_a_day_for_a_listing_that_is_gone(tmp_path: Path) -> None:
    with WebServer() as web:
        sources = sources_file(tmp_path, [{"id": "s", "kind": "feed", "url": f"{web.base}/feed"}])

        def times() -> int:
            return sum(request.path == "/feed" for request in web.asked)

        def asked(*, failing: timedelta, last: timedelta) -> bool:
            """Whether the listing is asked for, when it has been failing for so long and was last tried so long ago."""
            with closing(sqlite3.connect(tmp_path / "x.db")) as connection, connection:
                for number, ago in (("min", failing), ("max", last)):
                    moment = f"{datetime.now(UTC) - ago:%Y-%m-%dT%H:%M:%SZ}"
                    connection.execute(
                        f"UPDATE fetches SET fetched_at = ? WHERE id = (SELECT {number}(id) FROM fetches)", [moment]
                    )
            before = times()
            crawl(tmp_path / "x.db", sources, due=True)
            return times() > before

        web.pages = {"/feed": Reply(b"gone", 410)}
        crawl(tmp_path / "x.db", sources, due=True)
        crawl(tmp_path / "x.db", sources, due=True)
        assert times() == 2, "once may be a mistake"
        day = timedelta(days=1)
        assert not asked(failing=40 * day, last=day / 2)
        assert asked(failing=40 * day, last=day)
        web.pages = {"/feed": Reply(b"broken", 503)}
        assert asked(failing=40 * day, last=2 * day)
        assert asked(failing=40 * day, last=day / 24), "the site, or the network, may be back at any time"
