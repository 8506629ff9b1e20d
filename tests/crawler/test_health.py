"""The health of sources: judged by their own past, told once, and over when they recover."""

from __future__ import annotations

import json
import random
import socketserver
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

import debatewatch
from crawler.health import change_point, judge, over
from crawler.sources import AlertSettings, load_sources
from crawler.watch import watch
from db.models import (
    AlertKind,
    Article,
    CrawlReport,
    Fetch,
    Outcome,
    PageSign,
    SourceHistory,
    SourceReport,
    SourceRow,
    SourcesFileError,
)
from db.queries import alerts, open_read, rows
from db.store import Store
from tests.crawler.webserver import Asked, Reply, WebServer

MONDAY = date(2025, 1, 6)
NOON = datetime(2025, 1, 6, 12, tzinfo=UTC)


def history(days: Sequence[date], silent_for: int, pages: Sequence[PageSign] = ()) -> SourceHistory:
    today = datetime(days[-1].year, days[-1].month, days[-1].day, 12, tzinfo=UTC) + timedelta(days=silent_for)
    return SourceHistory("site", (True,), today, tuple(days), tuple(pages))


def days(*gaps: int) -> list[date]:
    found = [MONDAY]
    for gap in gaps:
        found.append(found[-1] + timedelta(days=gap))
    return found


def told_after(published: Sequence[date]) -> int:
    """Days of silence after which the source is called silent."""
    return next((n for n in range(1, 400) if judge(history(published, n))), 400)


WEEKDAYS = [day for n in range(140) if (day := MONDAY + timedelta(days=n)).weekday() < 5]


@pytest.mark.parametrize(
    ("published", "least", "most"),
    [
        (days(*[1] * 90), 3, 5),
        (WEEKDAYS, 5, 12),
        (days(*[7, 6, 8, 7] * 13), 9, 14),
        (days(*[1, 1, 2, 1, 30, 1, 1, 25, 2, 1, 40] * 5), 41, 400),
        (days(*[5] * 60, *[1] * 40), 2, 12),
    ],
    ids=["daily", "weekdays", "weekly", "in bursts", "faster than it was"],
)
def test_silence_is_measured_by_the_own_pace_of_a_source(published: list[date], least: int, most: int) -> None:
    assert least <= told_after(published) <= most


def test_a_source_with_little_past_is_not_called_silent() -> None:
    assert told_after(days(*[1] * 7)) == 400


def test_a_source_is_not_silent_for_a_gap_that_it_came_back_from() -> None:
    assert told_after(days(*[1] * 60, 14, *[1] * 20)) > 14


def test_sources_that_are_well_are_seldom_called_silent() -> None:
    """Seeded: forty sources without memory, each looked at on every day of a year and more."""
    chance = random.Random(5)
    false = years = 0.0
    for _ in range(40):
        pace = chance.choice([1.5, 3, 8])
        gaps = [1 + int(chance.expovariate(1 / (pace - 0.5))) for _ in range(100)]
        published = days(*gaps)
        years += (published[-1] - published[20]).days / 365
        false += sum(bool(judge(history(published[: n + 1], gaps[n]))) for n in range(20, 100))
    assert years > 30
    assert false / years < 0.3


def test_a_change_of_rate_is_found_where_it_is_and_not_without_evidence() -> None:
    change = change_point([(0, 1)] * 40 + [(1, 1)] * 10)
    assert change is not None
    assert (change.index, change.before, change.after) == (40, 0.0, 1.0)
    assert change_point([(0, 1)] * 40 + [(1, 1)] * 2) is None
    assert change_point([(n % 2, 1) for n in range(100)]) is None
    assert change_point([]) is None


GOOD = PageSign(NOON, refused=False, paywalled=False, undated=False, words=600)


def pages(*signs: PageSign) -> list[PageSign]:
    return [replace(sign, fetched_at=NOON + timedelta(hours=n)) for n, sign in enumerate(signs)]


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        ("refused", PageSign(NOON, refused=True)),
        ("paywalled", replace(GOOD, paywalled=True)),
        ("undated", replace(GOOD, undated=True)),
        ("thin", replace(GOOD, words=40)),
        ("thin", PageSign(NOON, refused=False, words=0)),
    ],
)
def test_a_turn_of_the_pages_is_found_and_its_beginning_named(kind: AlertKind, bad: PageSign) -> None:
    (alert,) = judge(history([MONDAY], 0, pages(*[GOOD] * 30, *[bad] * 10)))
    assert (alert.kind, alert.since) == (kind, NOON + timedelta(hours=30))
    assert "100% of the pages" in alert.detail
    assert "0% before that" in alert.detail
    back = history([MONDAY], 0, pages(*[GOOD] * 30, *[bad] * 10, *[GOOD] * 5))
    assert not over(kind, history([MONDAY], 0, pages(*[GOOD] * 30, *[bad] * 10)), alert.since)
    assert over(kind, back, alert.since)
    assert judge(back) == []


def test_pages_that_always_were_so_and_single_ones_are_no_turn() -> None:
    paywalled, refused = replace(GOOD, paywalled=True), PageSign(NOON, refused=True)
    assert judge(history([MONDAY], 0, pages(*[paywalled] * 60))) == []
    assert judge(history([MONDAY], 0, pages(*[GOOD] * 30, *[refused] * 2))) == []
    assert judge(history([MONDAY], 0, pages(*[GOOD] * 30, *[refused, GOOD] * 4))) == []


def test_one_crawl_without_an_answer_is_no_alert_two_are() -> None:
    well = history([MONDAY], 0)
    assert judge(replace(well, answers=(True, True, False))) == []
    (alert,) = judge(replace(well, answers=(True, False, False)))
    assert (alert.kind, "last 2 crawls" in alert.detail) == ("failing", True)
    (alert,) = judge(SourceHistory("site", (False,), None, (), ()))
    assert "it never answered" in alert.detail


# --- with a database -----------------------------------------------------------------------------------------------------


class Site:
    """A database with one source that gave a page on each of so many days, each found by a crawl of that day."""

    def __init__(self, folder: Path, number_of_days: int) -> None:
        self.path = folder / "x.db"
        self.today = datetime(2026, 3, 1, 12, tzinfo=UTC)
        with Store.open(self.path) as store:
            store.sync_sources([SourceRow("site", "The Site", "https://site.example/feed", "feed")])
            for number in range(number_of_days):
                self._crawl(store, "stored", f"page-{number}")

    def crawl(self, listing: Outcome, page: str | None = None) -> CrawlReport:
        """The crawl of the next day."""
        with Store.open(self.path) as store:
            return self._crawl(store, listing, page)

    def _crawl(self, store: Store, listing: Outcome, page: str | None) -> CrawlReport:
        self.today += timedelta(days=1)
        run = store.start_run("crawl", "1")
        store.record_fetch(run, Fetch("site", "https://site.example/feed", listing, self.today, target="listing"))
        if page is not None:
            url = f"https://site.example/{page}"
            article = Article(url, page, f"The text of {page}. " * 60, published_at=self.today)
            store.save_article(run, "site", article, fetch=Fetch("site", url, "stored", self.today, status=200))
        store.finish_run(run, "done")
        return CrawlReport(run, 1.0, (SourceReport("site", {}),), 1, 0)

    def watch(self, report: CrawlReport, settings: AlertSettings | None = None) -> list[str]:
        with Store.open(self.path) as store:
            return watch(store, report, settings or AlertSettings(), now=self.today + timedelta(hours=1))

    def until_silent(self, settings: AlertSettings | None = None) -> list[str]:
        for _ in range(10):
            if lines := self.watch(self.crawl("unchanged"), settings):
                return lines
        raise AssertionError("nobody was told of ten days of silence")


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path, 30)


def test_silence_stands_until_the_next_page_and_is_said_once(site: Site) -> None:
    (line,) = site.until_silent()
    assert line.startswith("site is silent: no new page since 2026-03-31 (")
    assert site.watch(site.crawl("unchanged")) == []
    with open_read(site.path) as connection:
        (health,) = rows(connection, "SELECT state, why, since FROM source_health")
        assert health["state"] == "silent"
        assert health["since"] == "2026-03-31T00:00:00Z"
        assert [alert["kind"] for alert in alerts(connection)] == ["silent"]
    assert site.watch(site.crawl("stored", page="back")) == ["site is no longer silent"]
    with open_read(site.path) as connection:
        assert rows(connection, "SELECT state, why FROM source_health") == [{"state": "ok", "why": None}]
        assert alerts(connection) == []


def test_a_time_without_crawls_is_no_silence_of_a_source(site: Site) -> None:
    """Nobody looked for a year: what the source published then is not known."""
    site.today += timedelta(days=365)
    assert site.watch(site.crawl("failed")) == []


def test_rows_of_a_clock_that_ran_ahead_change_nothing(site: Site) -> None:
    true = site.today
    site.today += timedelta(days=4000)
    site.crawl("unchanged")
    site.today = true
    assert site.watch(site.crawl("stored", page="next")) == []
    assert site.until_silent()


def test_when_no_source_answers_it_is_the_network(tmp_path: Path) -> None:
    with Store.open(tmp_path / "x.db") as store:
        store.sync_sources(
            [SourceRow(name, name, f"https://{name}.example/", "feed") for name in ("one", "two", "three")]
        )
        for day in range(3):
            run = store.start_run("crawl", "1")
            for name in ("one", "two", "three"):
                store.record_fetch(
                    run,
                    Fetch(name, f"https://{name}.example/", "failed", NOON + timedelta(days=day), target="listing"),
                )
        report = CrawlReport(run, 1.0, tuple(SourceReport(name, {}) for name in ("one", "two", "three")), 0, 0)
        (line,) = watch(store, report, AlertSettings(), now=NOON + timedelta(days=9))
        assert "is this machine's network there?" in line
        assert store.open_alerts() == []


def test_a_webhook_is_told_once_and_again_of_the_recovery(site: Site) -> None:
    got: list[dict[str, object]] = []

    def hook(asked: Asked) -> Reply:
        got.append(json.loads(asked.body))
        return Reply(b"ok")

    with WebServer() as web:
        web.pages["/hook?token=secret"] = Reply(b"away", 503)
        settings = AlertSettings(webhook=f"{web.base}/hook?token=secret")
        _, problem = site.until_silent(settings)
        assert "the webhook could not be reached (answer 503)" in problem
        assert "secret" not in problem
        web.pages["/hook?token=secret"] = hook
        for _ in range(2):
            assert site.watch(site.crawl("unchanged"), settings) == []
        site.watch(site.crawl("stored", page="back"), settings)
    silent, recovered = got
    assert [alert["kind"] for alert in silent["alerts"]] == ["silent"]  # type: ignore[attr-defined]
    assert str(silent["text"]).startswith("site is silent")
    assert recovered["alerts"] == []
    assert recovered["text"] == "site is no longer silent"


class _Smtp(socketserver.StreamRequestHandler):
    """As much of RFC 5321 as a client needs to hand over one message."""

    def handle(self) -> None:
        self.wfile.write(b"220 here\r\n")
        while line := self.rfile.readline():
            command = line[:4].upper()
            if command == b"DATA":
                self.wfile.write(b"354 go on\r\n")
                message = b"".join(iter(self.rfile.readline, b".\r\n"))
                self.server.messages.append(message.decode())  # type: ignore[attr-defined]
            self.wfile.write(b"221 bye\r\n" if command == b"QUIT" else b"250 fine\r\n")


@contextmanager
def mail_server() -> Iterator[tuple[int, list[str]]]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), _Smtp) as server:
        messages: list[str] = []
        server.messages = messages  # type: ignore[attr-defined]
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield server.server_address[1], messages
        server.shutdown()


def test_an_e_mail_says_it_once(site: Site) -> None:
    with mail_server() as (port, messages):
        settings = AlertSettings(email="me@example.org", smtp=f"smtp://127.0.0.1:{port}")
        site.until_silent(settings)
        site.watch(site.crawl("unchanged"), settings)
    (message,) = messages
    assert "To: me@example.org" in message
    assert "Subject: Debatewatch: site is silent" in message
    with closing(sqlite3.connect(site.path)) as connection:
        assert connection.execute("SELECT count(*) FROM source_alerts WHERE told_at IS NOT NULL").fetchone() == (1,)


def test_a_receiver_that_is_away_does_not_have_the_other_told_again_and_again(site: Site) -> None:
    with WebServer() as web, mail_server() as (port, messages):
        web.pages["/hook"] = Reply(b"away", 503)
        settings = AlertSettings(webhook=f"{web.base}/hook", email="me@example.org", smtp=f"smtp://127.0.0.1:{port}")
        _, problem = site.until_silent(settings)
        assert problem == "alerts: the webhook could not be reached (answer 503); others were told"
        for _ in range(2):
            assert site.watch(site.crawl("unchanged"), settings) == []
    assert len(messages) == 1


def test_a_password_is_not_sent_unencrypted(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBATEWATCH_SMTP_PASSWORD", "secret")
    with mail_server() as (port, messages):
        _, problem = site.until_silent(
            AlertSettings(email="me@example.org", smtp=f"smtp://me@example.org@127.0.0.1:{port}")
        )
    assert messages == []
    assert "the e-mail could not be reached" in problem
    assert "secret" not in problem


def test_status_fails_while_an_alert_stands(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    for silent in (False, True):
        if silent:
            site.until_silent()
        with pytest.raises(SystemExit) as ended:
            debatewatch.main(["status", "--fail-on-alert", "--db", str(site.path)])
        assert ended.value.code == int(silent)
    assert "it gave one every 1.0 days" in capsys.readouterr().out


def test_settings_of_alerts_are_read_and_mistakes_named(tmp_path: Path) -> None:
    source = '[[source]]\nid = "a"\nname = "A"\nkind = "feed"\nurl = "https://a.example/feed"\n'
    path = tmp_path / "sources.toml"
    path.write_text(
        f'[alerts]\nwebhook = "https://a.example/hook"\nsmtp = "smtps://me@b.example@mail.example:465"\n{source}'
    )
    assert load_sources(path).alerts.webhook == "https://a.example/hook"
    for wrong in ('webhook = "a.example"', 'email = "nobody"', 'smtp = "mail.example"', "mail = 3"):
        path.write_text(f"[alerts]\n{wrong}\n{source}")
        with pytest.raises(SourcesFileError, match=r"sources.toml: \[alerts\]"):
            load_sources(path)
