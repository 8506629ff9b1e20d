"""Importing files: the same rows as a crawl, bad lines counted and never fatal."""

from __future__ import annotations

import csv
import json
import sqlite3
import zipfile
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from crawler.importer import import_address, import_paths, own_address
from crawler.journal import is_journal
from crawler.run import crawl
from crawler.sources import SourcesFile
from crawler.warc import iter_records
from db.models import InputError, UnknownNameError
from tests.crawler.test_crawl import sources_file
from tests.crawler.webserver import WebServer, article, debate_text, rss

OFF_TOPIC = "How to bake a cake with flour, butter and six eggs."


@pytest.fixture
def sources(tmp_path: Path) -> SourcesFile:
    return sources_file(tmp_path, [{"id": "site", "kind": "feed", "url": "http://127.0.0.1:9/feed"}])


def rows(tmp_path: Path, sql: str, name: str = "x.db") -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(tmp_path / name)) as connection:
        return connection.execute(sql).fetchall()


def test_jsonl_lines_become_articles_and_bad_ones_failures(tmp_path: Path, sources: SourcesFile) -> None:
    lines = [
        json.dumps(
            {
                "url": "https://example.org/a?utm_source=x",
                "title": "A",
                "text": debate_text(1),
                "authors": ["Ana Lima", "Bo Berg"],
                "published_at": "2024-03-14T09:30:00-05:00",
                "language": "en",
                "kind": "post",
            }
        ),
        json.dumps({"headline": "B", "maintext": debate_text(2), "author": "Ana Lima; Bo Berg", "date": "2024-03-15"}),
        json.dumps({"url": "https://example.org/cake", "text": OFF_TOPIC}),
        "{not json",
        "[1, 2]",
        json.dumps({"title": "no text"}),
        json.dumps({"text": "x", "published_at": "yesterday"}),
        "",
    ]
    (tmp_path / "my file.jsonl").write_text("\n".join(lines))
    report = import_paths(tmp_path / "x.db", [tmp_path / "my file.jsonl"], sources)
    (source,) = report.sources
    assert source.source_id == "import:my-file"
    assert source.outcomes == {"stored": 2, "off_topic": 1, "failed": 4}
    assert "line 4" in source.errors[0]
    assert not report.ok
    found = rows(tmp_path, "SELECT url, title, authors, published_at, kind FROM articles ORDER BY id")
    assert found[0] == ("https://example.org/a", "A", '["Ana Lima", "Bo Berg"]', "2024-03-14T14:30:00Z", "post")
    assert found[1][0] == import_address(debate_text(2).encode())
    assert found[1][1:4] == ("B", '["Ana Lima", "Bo Berg"]', "2024-03-15T00:00:00Z")
    assert rows(tmp_path, "SELECT step, count(*) FROM failures") == [("import", 4)]
    assert rows(tmp_path, "SELECT step, status FROM runs") == [("import", "partial")]


def test_a_second_import_changes_nothing(tmp_path: Path, sources: SourcesFile) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": debate_text(1)}))
    import_paths(tmp_path / "x.db", [tmp_path / "a.jsonl"], sources)
    again = import_paths(tmp_path / "x.db", [tmp_path / "a.jsonl"], sources)
    assert (again.documents, dict(again.sources[0].outcomes)) == (0, {"unchanged": 1})


def test_csv_with_html_and_text_columns(tmp_path: Path, sources: SourcesFile) -> None:
    import csv

    with (tmp_path / "t.csv").open("w", encoding="utf-8-sig", newline="") as file:
        table = csv.writer(file)
        table.writerow(["url", "title", "text", "html"])
        table.writerow(["https://example.org/1", "One", debate_text(1), ""])
        table.writerow(["https://example.org/2", "", "", article("Two", debate_text(2)).body.decode()])
        table.writerow(["https://example.org/3", "", "", ""])
    report = import_paths(tmp_path / "x.db", [tmp_path / "t.csv"], sources, source_id="site")
    assert report.sources[0].source_id == "site"
    assert report.sources[0].outcomes == {"stored": 2, "failed": 1}
    assert rows(tmp_path, "SELECT url, title FROM articles ORDER BY 1") == [
        ("https://example.org/1", "One"),
        ("https://example.org/2", "Two"),
    ]


def test_folders_of_saved_pages_use_the_address_that_a_page_gives_itself(tmp_path: Path, sources: SourcesFile) -> None:
    folder = tmp_path / "saved" / "deep"
    folder.mkdir(parents=True)
    (folder / "one.html").write_bytes(article("One", debate_text(1), url="https://example.org/one").body)
    (folder / "two.htm").write_bytes(article("Two", debate_text(2)).body)
    (folder / "empty.html").write_bytes(b"")
    (folder / "notes.txt").write_text("not a page")
    report = import_paths(tmp_path / "x.db", [tmp_path / "saved"], sources)
    assert report.sources[0].source_id == "import:saved"
    assert report.sources[0].outcomes == {"stored": 2, "failed": 1}
    urls = {url for (url,) in rows(tmp_path, "SELECT url FROM articles")}
    assert urls == {"https://example.org/one", import_address(article("Two", debate_text(2)).body)}
    assert str(tmp_path) not in "".join(str(row) for row in rows(tmp_path, "SELECT * FROM fetches"))


def test_a_saved_page_gives_its_address() -> None:
    assert own_address(b"<html><!-- saved from url=(0021)https://example.org/b -->") == "https://example.org/b"
    assert own_address(b'<meta property="og:url" content="https://example.org/c">') == "https://example.org/c"
    assert own_address(b'<link rel="canonical" href="/relative">') is None


def test_everything_keeps_what_is_off_topic(tmp_path: Path, sources: SourcesFile) -> None:
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": OFF_TOPIC}))
    report = import_paths(tmp_path / "x.db", [tmp_path / "a.jsonl"], sources, everything=True)
    assert report.sources[0].outcomes == {"stored": 1}


def test_an_archive_replayed_into_an_empty_database_gives_the_same_articles(tmp_path: Path) -> None:
    with WebServer() as web:
        web.pages = {f"/{n}": article(f"Page {n}", debate_text(n)) for n in range(3)}
        web.pages["/cake"] = article("Cake", OFF_TOPIC * 5)
        web.pages["/feed"] = rss(web.base, list(web.pages))
        sources = sources_file(tmp_path, [{"id": "site", "kind": "feed", "url": f"{web.base}/feed"}])
        crawl(tmp_path / "x.db", sources)
    report = import_paths(tmp_path / "y.db", [tmp_path / "archive"], sources)
    assert report.sources[0].source_id == "site", "our own archives name the source they were fetched for"
    assert report.sources[0].outcomes == {"stored": 3, "off_topic": 1}
    same = "SELECT url, source_id, title, published_at, sha256 FROM articles ORDER BY 1"
    assert rows(tmp_path, same, "y.db") == rows(tmp_path, same)
    place = "SELECT url, warc_file, warc_offset, warc_length FROM fetches WHERE target = 'page' ORDER BY 1"
    assert rows(tmp_path, place, "y.db") == rows(tmp_path, place), "a replayed page is still one click away"

    (file,) = (path for path in (tmp_path / "archive").iterdir() if not is_journal(path))
    with zipfile.ZipFile(tmp_path / "a.wacz", "w") as packed:
        packed.write(file, f"archive/{file.name}")
        packed.writestr("datapackage.json", "{}")
    wacz = import_paths(tmp_path / "z.db", [tmp_path / "a.wacz"], sources)
    assert wacz.documents == 3

    whole = file.read_bytes()
    file.write_bytes(whole[: list(iter_records(file))[-1].offset + 50])
    cut = import_paths(tmp_path / "c.db", [file], sources)
    assert cut.sources[0].outcomes["failed"] == 1
    assert "damaged at byte" in cut.sources[0].errors[0]
    assert cut.documents >= 2


def test_bad_files_and_names_are_refused_in_one_line(tmp_path: Path, sources: SourcesFile) -> None:
    (tmp_path / "a.docx").write_bytes(b"x")
    (tmp_path / "bad.wacz").write_bytes(b"x")
    with pytest.raises(InputError, match="not a kind that can be imported"):
        import_paths(tmp_path / "x.db", [tmp_path / "a.docx"], sources)
    with pytest.raises(InputError, match="no such file"):
        import_paths(tmp_path / "x.db", [tmp_path / "none.csv"], sources)
    with pytest.raises(UnknownNameError, match="no source 'nobody'"):
        import_paths(tmp_path / "x.db", [tmp_path / "a.docx"], sources, source_id="nobody")
    report = import_paths(tmp_path / "x.db", [tmp_path / "bad.wacz"], sources)
    assert "not a readable WACZ file" in report.sources[0].errors[0]


@pytest.mark.parametrize(("delimiter", "encoding"), [(";", "windows-1252"), ("\t", "utf-16"), (",", "utf-8-sig")])
def test_csv_is_read_as_spreadsheets_write_it(
    tmp_path: Path, sources: SourcesFile, delimiter: str, encoding: str
) -> None:
    with (tmp_path / "a.csv").open("w", encoding=encoding, newline="") as file:
        table = csv.writer(file, delimiter=delimiter)
        table.writerow(["URL", " Title ", "Text"])
        table.writerow(["https://example.org/a", "Caf\u00e9\x00", debate_text(1)])
        table.writerow(["https://example.org/b", "Huge", "open source AI " * 700_000])
        table.writerow(["https://example.org/c", "Last", debate_text(2)])
    (report,) = import_paths(tmp_path / "x.db", [tmp_path / "a.csv"], sources).sources
    assert report.outcomes == {"stored": 2, "failed": 1}
    assert rows(tmp_path, "SELECT title FROM articles ORDER BY url") == [("Caf\u00e9",), ("Last",)]


def test_a_quote_that_is_never_closed_costs_its_own_row(tmp_path: Path, sources: SourcesFile) -> None:
    one_line = [" ".join(debate_text(number).replace(",", "").split()) for number in range(7)]
    (tmp_path / "a.csv").write_text(
        "url,title,text\n"
        f'https://example.org/a,"First, with a comma","{debate_text(1)}\n\nA second paragraph, said ""so"".\n"\n'
        f'https://example.org/b,Broken,"{one_line[2]}\n'
        f"https://example.org/c,Second,{one_line[3]}\n"
        f'https://example.org/d,"Third, with a comma","{debate_text(4)}"\n'
        f'https://example.org/e,Broken too,"{one_line[5]}\n'
        f"https://example.org/f,Last,{one_line[6]}\n"
    )
    (report,) = import_paths(tmp_path / "x.db", [tmp_path / "a.csv"], sources).sources
    assert report.outcomes == {"stored": 4, "failed": 2}
    assert rows(tmp_path, "SELECT title FROM articles ORDER BY url") == [
        ("First, with a comma",),
        ("Second",),
        ("Third, with a comma",),
        ("Last",),
    ]
    assert "row 3: not a readable row (a quote in it is not closed)" in report.errors[0]


def test_jsonl_in_utf_16_is_read(tmp_path: Path, sources: SourcesFile) -> None:
    lines = [
        json.dumps(
            {"url": f"https://example.org/{n}", "title": f"Caf\u00e9\u2028{n}", "text": debate_text(n)},
            ensure_ascii=False,
        )
        for n in range(2)
    ]
    (tmp_path / "a.jsonl").write_bytes("\r\n".join([*lines, "{"]).encode("utf-16"))
    (report,) = import_paths(tmp_path / "x.db", [tmp_path / "a.jsonl"], sources).sources
    assert report.outcomes == {"stored": 2, "failed": 1}
    assert rows(tmp_path, "SELECT title FROM articles ORDER BY url") == [("Caf\u00e9 0",), ("Caf\u00e9 1",)]


def test_rows_that_no_database_takes_cost_only_themselves(tmp_path: Path, sources: SourcesFile) -> None:
    lines = [
        "[" * 100_000,
        json.dumps({"text": debate_text(1) + " \ud800", "title": "Half \ud83d", "url": "https://example.org/\ud800"}),
        json.dumps({"text": debate_text(2), "title": "Far", "published_at": "2999-01-01"}),
        json.dumps({"text": debate_text(3), "title": "First day", "published_at": "0001-01-01T00:00:00+05:00"}),
        json.dumps({"html": article("Page", debate_text(4), date="").body.decode(), "published_at": "14 March 2024"}),
        json.dumps(
            {"text": debate_text(5), "title": "Seconds", "published_at": 1710408600, "author": [{"name": "Ana Lima"}]}
        ),
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    (report,) = import_paths(tmp_path / "x.db", [tmp_path / "a.jsonl"], sources).sources
    assert report.outcomes == {"failed": 2, "stored": 4}
    assert rows(tmp_path, "SELECT title, published_at, authors FROM articles ORDER BY id") == [
        ("Half ?", None, "[]"),
        ("Far", None, "[]"),
        ("Page", "2024-03-14T00:00:00Z", "[]"),
        ("Seconds", "2024-03-14T09:30:00Z", '["Ana Lima"]'),
    ]


def test_a_wacz_file_that_is_locked_or_packed_unusually_is_a_failure(tmp_path: Path, sources: SourcesFile) -> None:
    for name, at, value in (("locked", (6, 8), 1), ("packed", (8, 10), 99)):
        path = tmp_path / f"{name}.wacz"
        with zipfile.ZipFile(path, "w") as archive:
            archive.writestr("archive/a.warc.gz", b"x")
        data = bytearray(path.read_bytes())
        for signature, offset in zip((b"PK\x03\x04", b"PK\x01\x02"), at, strict=True):
            data[data.find(signature) + offset] = value
        path.write_bytes(data)
    reports = import_paths(tmp_path / "x.db", [tmp_path / "locked.wacz", tmp_path / "packed.wacz"], sources).sources
    assert [report.outcomes for report in reports] == [{"failed": 1}, {"failed": 1}]
