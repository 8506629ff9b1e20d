"""The site without a browser: every page and query answers, is escaped, is read-only, and carries its security headers."""

from __future__ import annotations

import asyncio
import html
import re
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml

from db.archive_reader import read_answer
from db.models import ArchiveError, InputError, StoreError
from db.serve import build, free_port, load_metadata, shipped_metadata
from db.site import cells, figures, marks
from db.site.marks import Span
from db.store import Store
from tests.db.site_samples import EVIDENCE_AFTER, EVIDENCE_BEFORE, HOSTILE, Sample, build_sample

ROOT = Path(__file__).parents[2]
METADATA = yaml.safe_load((ROOT / "metadata.yml").read_text(encoding="utf-8"))
DESCRIBED = METADATA["databases"]["debatewatch"]
QUERIES = DESCRIBED["queries"]
EMPTY = {"judge_disagreements", "new_actors", "terms_by_speaker"}
"""Queries without a row in so small a debate, or without a second judge: tests/db/test_events.py, tests/db/test_terms.py and
tests/nlp/test_second_judge.py ask them."""
PAGES = [
    "/",
    "/-/statement/{before}",
    "/-/statement/{after}",
    "/-/statement/{other}",
    "/-/document/{document}",
    "/-/document/2",
    "/-/actor/brandvik",
    "/-/actor/raman",
    "/-/actor/corvid",
    "/-/speaker/Priya%20Raman%20%2F%20guest",
    "/-/topic/1",
    "/-/archive/{archived}",
    "/-/search?q=weights",
    "/-/search",
    "/-/about",
    "/-/dashboards",
    "/-/dashboards/debate",
    "/-/dashboards/debate/stance",
    "/debatewatch",
    "/debatewatch/documents?_search=weights",
    "/debatewatch/statements/{before}",
    "/debatewatch?sql=select+*+from+articles",
    *[f"/debatewatch/{table}" for table in DESCRIBED["tables"]],
    *[f"/debatewatch/{query}" for query in QUERIES],
]


class Site:
    """Datasette over the sample, asked without a server."""

    def __init__(self, sample: Sample) -> None:
        self.sample = sample
        self.datasette = build(sample.path, metadata=shipped_metadata())

    def get(self, path: str) -> Any:
        named = path.format(
            **{name: getattr(self.sample, name) for name in ("before", "after", "other", "document", "archived")}
        )
        return asyncio.run(self.datasette.client.get(named))

    def rows(self, query: str) -> list[dict[str, Any]]:
        answer = self.get(f"/debatewatch/{query}{'&' if '?' in query else '?'}_shape=array")
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield Site(build_sample(tmp_path_factory.mktemp("site")))


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    yield Site(build_sample(tmp_path_factory.mktemp("hostile"), hostile=True))


class _Elements(HTMLParser):
    """All start tags of a page with their attributes, and the text outside scripts."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


# --- every page ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", PAGES)
def test_every_page_answers_with_security_headers_and_no_inline_handlers(site: Site, path: str) -> None:
    answer = site.get(path)
    assert answer.status_code == 200, answer.text[:500]
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "'unsafe-inline'" not in policy.split("style-src")[0]
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["x-frame-options"] == "SAMEORIGIN"
    for tag, attributes in _Elements(answer.text).tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        if tag in ("script", "img", "iframe", "link"):
            address = attributes.get("src") or attributes.get("href") or ""
            assert not re.match(r"(https?:)?//", address) or attributes.get("rel") == "alternate", address


@pytest.mark.parametrize("path", PAGES)
def test_hostile_text_stays_text_on_every_page(hostile: Site, path: str) -> None:
    answer = hostile.get(path)
    assert answer.status_code == 200, answer.text[:500]
    tags = _Elements(answer.text).tags
    assert not [1 for tag, attributes in tags if tag == "img" and attributes.get("src") == "x"]
    for tag, attributes in tags:
        assert not [name for name in attributes if name.startswith("on")], (tag, attributes)
        for name in ("href", "src", "action"):
            address = (attributes.get(name) or "").strip().lower()
            assert not address.startswith(("javascript:", "data:", "vbscript:")), (tag, address)
    assert "<script>window.hacked" not in answer.text


def test_the_hostile_text_is_really_there(hostile: Site) -> None:
    assert html.escape(HOSTILE, quote=False).split("&gt;")[0] in hostile.get("/-/document/{document}").text


def test_links_to_other_sites_give_nothing_away(site: Site) -> None:
    for path in ("/-/statement/{before}", "/debatewatch/articles", "/debatewatch/actor_statements"):
        links = [
            a for tag, a in _Elements(site.get(path).text).tags if tag == "a" and "127.0.0.1:9" in (a.get("href") or "")
        ]
        assert links
        assert all("noopener" in str(link["rel"]) and "nofollow" in str(link["rel"]) for link in links)


@pytest.mark.parametrize(
    "path", ["/-/statement/999", "/-/document/999", "/-/actor/nobody", "/-/speaker/nobody", "/-/topic/999", "/-/archive/999",
             "/-/statement/99999999999999999999", "/-/nothing", "/debatewatch/nothing", "/-/dashboards/nothing"],
)  # fmt: skip
def test_what_is_not_there_is_a_short_404(site: Site, path: str, capsys: pytest.CaptureFixture[str]) -> None:
    answer = site.get(path)
    assert answer.status_code == 404
    assert "content-security-policy" in answer.headers
    assert "Traceback" not in answer.text
    assert capsys.readouterr().out == ""


# --- read-only -------------------------------------------------------------------------------------------------------


def test_the_database_cannot_be_written_or_downloaded(site: Site) -> None:
    before = site.sample.path.read_bytes()
    for sql in (
        "delete from articles",
        "update statements set side = 'open'",
        "pragma query_only = 0",
        "attach 'x.db' as x",
    ):
        assert site.get(f"/debatewatch.json?sql={sql.replace(' ', '+')}").status_code == 400
    assert site.get("/debatewatch.db").status_code == 403

    def write(connection: sqlite3.Connection) -> None:
        connection.execute("DELETE FROM failures")

    database = site.datasette.databases["debatewatch"]
    with pytest.raises(sqlite3.OperationalError):
        asyncio.run(database.execute_fn(write))
    with pytest.raises(StoreError, match="read-only"):
        database.connect(write=True)
    assert site.sample.path.read_bytes() == before


def test_a_query_that_takes_too_long_is_ended(site: Site) -> None:
    endless = "with recursive n(i) as (select 1 union all select i %2B 1 from n) select count(*) from n"
    answer = asyncio.run(
        build(site.sample.path, metadata=shipped_metadata(), sql_time_limit_ms=50).client.get(
            f"/debatewatch.json?sql={endless}"
        )
    )
    assert answer.status_code == 400
    assert "limit" in answer.text or "interrupted" in answer.text.lower()


def test_rows_written_while_it_is_served_are_seen(tmp_path: Path) -> None:
    site = Site(build_sample(tmp_path))
    assert len(site.rows("failures.json")) == 1
    with Store.open(site.sample.path) as store:
        store.record_failure(1, "crawl", "OSError", "while it is served")
    assert len(site.rows("failures.json")) == 2


def test_a_path_with_signs_that_mean_something_in_addresses_is_served(tmp_path: Path) -> None:
    folder = tmp_path / "50% of #1?"
    folder.mkdir()
    assert Site(build_sample(folder)).get("/").status_code == 200


# --- queries ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("query", list(QUERIES))
def test_every_query_is_described_and_gives_rows_without_parameters(site: Site, query: str) -> None:
    assert QUERIES[query]["title"]
    assert QUERIES[query]["description"]
    assert site.rows(f"{query}.json") or query in EMPTY


@pytest.mark.parametrize("query", list(QUERIES))
@pytest.mark.parametrize("value", ["'", '"', "%", "weights AND", "(", "é☃", "2025-01-01"])
def test_no_parameter_breaks_a_query(site: Site, query: str, value: str) -> None:
    parameters = dict.fromkeys(QUERIES[query]["params"], value)
    site.rows(f"{query}.json?" + "&".join(f"{name}={urllib.request.quote(v)}" for name, v in parameters.items()))


def test_an_actors_statements_come_with_evidence_address_and_archived_page(site: Site) -> None:
    rows = site.rows("actor_statements.json?actor=brandvik")
    assert [row["evidence"] for row in rows] == [EVIDENCE_AFTER, EVIDENCE_BEFORE]
    assert rows[1]["url"] == "http://127.0.0.1:9/0.html"
    assert rows[1]["archived"] == f"/-/archive/{site.sample.archived}"
    assert rows[1]["propositions"] == "disagree: Openness is safer"
    assert site.rows("actor_statements.json?actor=brand&side=open&since=2025-01-01") == rows[:1]
    assert site.rows("actor_statements.json?actor=nobody") == []


def test_two_actors_differ_by_their_latest_positions(site: Site) -> None:
    rows = site.rows("actors_differ.json?first=Brandvik&second=Raman")
    assert [(r["proposition"], r["first_stance"], r["second_stance"], r["differ"]) for r in rows] == [
        ("Openness is safer", "agree", "agree", "no")
    ]
    assert rows[0]["first_evidence"] == EVIDENCE_AFTER


def test_a_change_of_position_shows_the_evidence_of_both_sides(site: Site) -> None:
    (row,) = site.rows("changes_of_position.json")
    assert (row["before"], row["after"]) == ("closed", "open")
    assert (row["before_evidence"], row["after_evidence"]) == (EVIDENCE_BEFORE, EVIDENCE_AFTER)
    assert row["before_statement_id"] == site.sample.before


def test_the_balance_of_an_outlet_counts_a_reprint_once_for_each_outlet(site: Site) -> None:
    shares = {(r["outlet"], r["side"]): (r["statements"], r["share"]) for r in site.rows("outlet_balance.json")}
    assert shares == {
        ("Harbour Wire", "closed"): (1, 1.0),
        ("The Meridian Courier", "open"): (2, 0.667),
        ("The Meridian Courier", "closed"): (1, 0.333),
    }


def test_search_finds_words_and_knows_no_syntax_errors(site: Site) -> None:
    assert [row["evidence"] for row in site.rows('search_statements.json?q=weights"')] == [EVIDENCE_BEFORE]
    page = site.get("/-/search?q=publish+weights").text
    assert "publish weights" in page
    assert f"/-/statement/{site.sample.before}" in page
    assert site.get("/-/search?q=%22%22%22+*+NEAR(").status_code == 200


# --- pages -----------------------------------------------------------------------------------------------------------


def test_the_front_page_shows_what_moved_and_says_that_it_is_a_sample(site: Site) -> None:
    page = site.get("/").text
    assert "This is a sample" in page
    assert EVIDENCE_BEFORE[:30] in page
    assert "nothing collected" in page
    assert "What we do not know" in page


def test_the_front_page_of_an_empty_database_says_what_to_do(tmp_path: Path) -> None:
    with Store.open(tmp_path / "empty.db"):
        pass
    datasette = build(tmp_path / "empty.db", metadata=shipped_metadata())
    page = asyncio.run(datasette.client.get("/"))
    assert page.status_code == 200
    assert "debatewatch run" in page.text
    for query in QUERIES:
        assert asyncio.run(datasette.client.get(f"/debatewatch/{query}")).status_code == 200


def test_a_statement_stands_in_its_paragraph_with_every_article_that_carries_it(site: Site) -> None:
    page = site.get("/-/statement/{before}").text
    assert "At Corvid Labs the tone was firm." in page
    assert "The hall emptied" not in page
    assert re.search(
        r'<mark class="evidence side-closed"[^>]*id="evidence"[^>]*>“We will never publish weights,” ', page
    )
    assert re.search(r'<mark class="speaker"[^>]*>Brandvik</mark>', page)
    assert "The Meridian Courier" in page
    assert "Harbour Wire" in page
    assert f'rel="next" href="/-/statement/{site.sample.after}"' in page
    assert f'rel="prev" href="/-/statement/{site.sample.before}"' in site.get("/-/statement/{after}").text


def test_a_copy_without_texts_says_so_and_keeps_the_evidence(tmp_path: Path) -> None:
    site = Site(build_sample(tmp_path))
    with sqlite3.connect(site.sample.path) as connection:
        connection.execute("UPDATE documents SET text = ''")
    assert "does not hold the text" in site.get("/-/statement/{before}").text
    assert EVIDENCE_BEFORE in site.get("/-/statement/{before}").text
    assert "does not hold the text" in site.get("/-/document/{document}").text


def test_an_actors_page_has_role_positions_and_changes(site: Site) -> None:
    page = site.get("/-/actor/brandvik").text
    assert "chief executive of Corvid Labs" in page
    assert "https://www.wikidata.org/wiki/Q42" in page
    assert "Openness is safer" in page
    assert "Changes of position" in page


def test_the_feed_has_one_entry_for_each_change_with_an_id_that_lasts(site: Site) -> None:
    answer = site.get("/-/changes.atom")
    assert answer.headers["content-type"].startswith("application/atom+xml")
    atom = "{http://www.w3.org/2005/Atom}"
    feed = ET.fromstring(answer.text)
    entry, burst = feed.findall(f"{atom}entry")
    assert burst.findtext(f"{atom}title") == "Burst of a topic: Corvid and its weights"
    assert entry.findtext(f"{atom}title") == "Tomas Brandvik: closed to open on side as a whole"
    assert entry.find(f"{atom}link").attrib["href"].endswith(f"/-/statement/{site.sample.after}")  # type: ignore[union-attr]
    assert ET.fromstring(site.get("/-/changes.atom").text).findtext(f"{atom}entry/{atom}id") == entry.findtext(
        f"{atom}id"
    )


def test_the_feed_survives_hostile_names(hostile: Site) -> None:
    assert HOSTILE in str(ET.fromstring(hostile.get("/-/changes.atom").text).findtext(".//{*}entry/{*}title"))


# --- the archive -----------------------------------------------------------------------------------------------------


def test_an_archived_page_is_shown_in_a_sandbox(site: Site) -> None:
    frame = site.get("/-/archive/{archived}").text
    assert re.search(r'<iframe[^>]*sandbox=""', frame)
    assert "sha256" in frame
    page = site.get("/-/archive/{archived}/page")
    assert "Kept page" in page.text
    policy = page.headers["content-security-policy"]
    assert policy.startswith("sandbox;")
    assert "allow-scripts" not in policy
    assert "script-src" not in policy
    assert "default-src 'none'" in policy
    assert page.headers["content-type"] == "text/html; charset=utf-8"


@pytest.mark.parametrize(
    "name", ["../sample.db", "/etc/passwd", "a/../b.warc.gz", "..", "", "missing.warc.gz", "x.db", ".warc.gz"]
)
def test_the_archive_reads_nothing_but_its_own_files(site: Site, name: str) -> None:
    with pytest.raises(ArchiveError):
        read_answer(site.sample.path.parent / "archive", name, 0)


def test_the_archive_follows_no_link_out_of_its_folder(tmp_path: Path) -> None:
    build_sample(tmp_path)
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "link.warc.gz").symlink_to(tmp_path / "archive" / "sample-00000.warc.gz")
    with pytest.raises(ArchiveError, match="not a file of the page archive"):
        read_answer(tmp_path / "other", "link.warc.gz", 0)


def test_a_missing_or_damaged_archive_is_said_on_the_page(tmp_path: Path) -> None:
    site = Site(build_sample(tmp_path))
    kept = tmp_path / "archive" / "sample-00000.warc.gz"
    kept.write_bytes(b"\0" * 5000)
    assert "no readable record" in site.get("/-/archive/{archived}").text
    kept.unlink()
    assert "was it moved" in site.get("/-/archive/{archived}").text
    assert site.get("/-/archive/{archived}/page").status_code == 404


# --- pure parts ------------------------------------------------------------------------------------------------------


def test_marks_may_overlap_and_links_never_nest() -> None:
    text = "One & two <three> four."
    spans = [Span(0, 9, "evidence", href="/s", anchor="s1"), Span(6, 17, "mention", href="/a"), Span(6, 9, "speaker")]
    (marked,) = marks.paragraphs(text, spans)
    assert re.sub(r"<[^>]+>", "", marked) == "One &amp; two &lt;three&gt; four."
    assert not re.search(r"<a [^>]*>(?:(?!</a>).)*<a ", marked)
    assert marked.count('id="s1"') == 1


def test_a_figure_tells_nothing_collected_from_zero() -> None:
    drawn = figures.stacked_bars(["2024-Q1", "2024-Q2", "2024-Q3"], [("open", "Open")], {
        ("2024-Q1", "open"): 3, ("2024-Q2", "open"): None, ("2024-Q3", "open"): 0}, title="T")  # fmt: skip
    assert drawn.count('class="no-data"') == 1
    assert "2024-Q2: nothing collected" in drawn
    assert "2024-Q3" not in drawn
    assert figures.stacked_bars([], [], {}, title="T") == ""


@pytest.mark.parametrize(
    "address", ["javascript:alert(1)", "data:text/html,x", "//evil.test", "http://", "ftp://x.test", "http://[", " x"]
)
def test_only_web_addresses_become_links(address: str) -> None:
    assert "<a" not in cells.outside(address, address)
    assert cells.render({"url": address}, address, "url", "articles", str) is None


def test_dates_that_cannot_be_read_are_shown_as_they_are() -> None:
    assert cells.moment("2024-03-14T09:30:00Z") == '<time datetime="2024-03-14T09:30:00Z">14 Mar 2024, 09:30 UTC</time>'
    assert cells.moment("<soon>") == "&lt;soon&gt;"
    assert "undated" in cells.moment(None)


# --- serving ---------------------------------------------------------------------------------------------------------


def test_metadata_is_taken_from_the_file_named_then_from_the_folder_then_shipped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_metadata(None)["title"] == METADATA["title"]
    (tmp_path / "metadata.yml").write_text("title: Mine")
    assert load_metadata(None) == {"title": "Mine"}
    (tmp_path / "other.yml").write_text("title: Other")
    assert load_metadata(tmp_path / "other.yml") == {"title": "Other"}
    (tmp_path / "empty.yml").write_text("")
    assert load_metadata(tmp_path / "empty.yml") == {}


@pytest.mark.parametrize("text", ["a: [", "- one\n- two", None])
def test_metadata_that_cannot_be_read_is_one_line_with_the_file(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "metadata.yml"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=r"metadata\.yml"):
        load_metadata(path)


def test_another_projects_metadata_still_gives_the_pages(site: Site, tmp_path: Path) -> None:
    (tmp_path / "bare.yml").write_text("title: Nuclear power\n")
    datasette = build(site.sample.path, metadata=tmp_path / "bare.yml")
    page = asyncio.run(datasette.client.get("/"))
    assert page.status_code == 200
    assert "Nuclear power" in page.text


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        build(tmp_path / "missing.db")
    (tmp_path / "text.db").write_text("not a database at all")
    with pytest.raises(StoreError):
        build(tmp_path / "text.db")


def test_a_taken_port_means_the_next_free_one() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port("127.0.0.1", port) > port


_SERVE = """
import sys
from pathlib import Path
from db.serve import serve
path, port, strict, metadata = sys.argv[1:]
ready = lambda url: print(url, flush=True)
serve(path, port=int(port), strict_port=strict == "strict", metadata=Path(metadata), on_ready=ready)
print("ended", flush=True)
"""


def _serving(sample: Sample, port: int, strict: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _SERVE, str(sample.path), str(port), strict, str(shipped_metadata())],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_answers_then_ends_cleanly_on_a_signal(site: Site, number: signal.Signals) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = _serving(site.sample, taken.getsockname()[1], "any")
        assert process.stdout is not None
        url = process.stdout.readline().strip()
        with urllib.request.urlopen(url + "debatewatch/articles.json?_shape=array") as answer:
            assert answer.status == 200
        process.send_signal(number)
        out, error = process.communicate(timeout=20)
    assert (out, error, process.returncode) == ("ended\n", "", 0)


def test_a_port_that_the_user_named_is_never_swapped(site: Site) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        process = _serving(site.sample, taken.getsockname()[1], "strict")
        _, error = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "InputError" in error
    assert "is taken" in error
