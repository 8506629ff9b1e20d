"""The command line is a contract: names, options, output and exit codes as the README states them."""

from __future__ import annotations

import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

import debatewatch
from tests.crawler.same_rows import content
from tests.crawler.test_crawl import sources_file
from tests.crawler.webserver import WebServer, article, debate_text, rss
from tests.db.samples import fill

TEXT = (
    "Ines Okafor, a researcher, told the committee that open weights make AI safer because anyone can inspect them.\n\n"
    '"Once the weights are out there, they can never be recalled," said Daniel Achterberg of Redgate Security. Meta and OpenAI '
    "did not comment.\n"
)
PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Weights for all | The Sample</title>
<link rel="canonical" href="https://sample.example/2024/weights">
<script type="application/ld+json">{"@type":"NewsArticle","headline":"Weights for all","datePublished":"2024-03-14T09:30:00-05:00",
"author":[{"@type":"Person","name":"Noor Castellan"}]}</script></head>
<body><nav><a href="/">Home</a></nav><article><h1>Weights for all</h1>
<p>The institute published the weights of its open-source AI model on Thursday, and said that anyone may use them.</p>
<p>Its director argued that open-weight models are easier to inspect than closed ones, and that this makes AI safer.</p>
</article><footer>Cookies</footer></body></html>"""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Result]:
    """Runs the command line in this process, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DEBATEWATCH_DB", raising=False)

    def call(*arguments: object) -> Result:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            debatewatch.main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return Result(int(ended.value.code or 0), captured.out, captured.err)

    return call


def _is_one_line(text: str) -> bool:
    return text.startswith("debatewatch: ") and text.count("\n") == 1 and "Traceback" not in text


def test_every_command_has_help(run: Callable[..., Result]) -> None:
    for name in debatewatch.cli.commands:
        assert run(name, "--help").code == 0


@pytest.mark.parametrize(
    "arguments",
    [
        ("no-such-command",),
        ("crawl", "--limit", "0"),
        ("crawl", "--since", "yesterday"),
        ("crawl", "--sources", "missing.toml"),
        ("crawl", "--source", "no-such-source"),
        ("analyze",),
        ("analyze", "--db", "missing.db"),
        ("extract", "missing.html"),
        ("inspect", "missing.txt"),
        ("inspect", "--debate", "missing.toml", "-"),
        ("timeline", "weather"),
        ("timeline", "topics", "--db", "missing.db"),
        ("export", "no-such-export"),
        ("serve", "--db", "missing.db"),
        ("status", "--db", "missing.db"),
        ("import-dna", "missing.dna"),
        ("schedule", "--every", "soon"),
        ("schedule", "--at", "noon"),
        ("publish", "public.db", "--db", "missing.db"),
    ],
)
def test_bad_usage_and_bad_input_get_one_line_and_exit_code_2(
    run: Callable[..., Result], arguments: tuple[str, ...]
) -> None:
    result = run(*arguments)
    assert result.code == 2
    assert _is_one_line(result.err), result.err


def test_a_file_that_is_no_database_is_told_and_left_alone(run: Callable[..., Result], tmp_path: Path) -> None:
    path = tmp_path / "notes.db"
    path.write_text("not a database, but somebody's notes " * 200)
    before = path.read_bytes()
    for command in ("status", "analyze", "timeline topics", "export statements", "serve"):
        result = run(*command.split(), "--db", path)
        assert result.code == 2
        assert _is_one_line(result.err), result.err
    assert path.read_bytes() == before


def test_init_makes_a_project_whose_files_are_used_and_never_overwritten(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    assert run("init", "mine").code == 0
    os.chdir("mine")
    (tmp_path / "mine" / "sources.toml").write_text("[[source]]\nid = 3\n")
    result = run("sources", "list")
    assert result.code == 2
    assert "sources.toml" in result.err
    assert _is_one_line(result.err)
    os.chdir(tmp_path)
    again = run("init", "mine")
    assert again.code == 2
    assert (tmp_path / "mine" / "sources.toml").read_text() == "[[source]]\nid = 3\n"


def test_feeds_go_to_a_feed_reader_and_come_back(run: Callable[..., Result], tmp_path: Path) -> None:
    exported = run("sources", "export", "--format", "opml", "-o", tmp_path / "all.opml")
    assert (exported.code, exported.out) == (0, "")
    refused = run("sources", "import", tmp_path / "all.opml")
    assert (refused.code, _is_one_line(refused.err)) == (2, True), "the shipped file is never written to"
    mine = tmp_path / "mine.toml"
    mine.write_text('[[source]]\nid = "x"\nname = "X"\nkind = "feed"\nurl = "https://www.eff.org/rss/updates.xml"\n')
    result = run("sources", "import", tmp_path / "all.opml", "--sources", mine, "--json")
    answer = json.loads(result.out)
    assert (answer["known"], len(answer["added"]) > 40) == (1, True)
    assert "No" not in run("sources", "export", "--sources", mine).err


def test_extract_writes_the_records_keys_for_plain_and_gzipped_pages(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    (tmp_path / "page.html").write_text(PAGE)
    (tmp_path / "page.html.gz").write_bytes(gzip.compress(PAGE.encode()))
    result = run("extract", "page.html", "page.html.gz", "--json")
    assert result.code == 0, result.err
    records = [json.loads(line) for line in result.out.splitlines()]
    assert [record["file"] for record in records] == ["page.html", "page.html.gz"]
    for record in records:
        assert list(record) == [
            "file", "url", "title", "authors", "published_at", "language", "text", "canonical_url", "kind", "paywalled",
        ]  # fmt: skip
        assert record["title"] == "Weights for all"
        assert record["authors"] == ["Noor Castellan"]
        assert record["published_at"] == "2024-03-14T14:30:00Z"
        assert record["canonical_url"] == "https://sample.example/2024/weights"
        assert "Cookies" not in record["text"]


def test_extract_tells_a_page_without_text_and_goes_on(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "empty.html").write_text("<html></html>")
    (tmp_path / "page.html").write_text(PAGE)
    result = run("extract", "empty.html", "page.html", "--json")
    assert result.code == 1
    assert _is_one_line(result.err)
    assert json.loads(result.out)["file"] == "page.html"


def test_inspect_keeps_its_contract(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    result = run("inspect", "text.txt", "--json")
    assert result.code == 0, result.err
    read = json.loads(result.out)
    assert set(read) == {"entities", "statements"}
    for entity in read["entities"]:
        assert set(entity) == {"start", "end", "text", "type", "actor", "name"}
        assert TEXT[entity["start"] : entity["end"]] == entity["text"]
    assert {entity["actor"] for entity in read["entities"]} >= {"meta", "openai"}
    sides = {}
    for statement in read["statements"]:
        assert set(statement) == {"start", "end", "text", "speaker", "kind", "side", "score", "propositions"}
        assert set(statement["speaker"]) == {"text", "start", "end", "actor", "name"}
        assert TEXT[statement["start"] : statement["end"]] == statement["text"]
        sides[statement["speaker"]["name"]] = statement["side"]
    assert sides == {"Ines Okafor": "open", "Daniel Achterberg": "closed"}


def test_inspect_reads_lines_in_order_and_tells_the_bad_ones(run: Callable[..., Result], tmp_path: Path) -> None:
    lines = [
        {"id": "a", "text": TEXT, "date": "2024-03-14"},
        {"id": "b", "text": "Nothing here.", "author": "Noor"},
        {"id": "c"},
    ]
    (tmp_path / "texts.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\nnot json\n")
    result = run("inspect", "--jsonl", "texts.jsonl")
    assert result.code == 1
    written = [json.loads(line) for line in result.out.splitlines()]
    assert [line["id"] for line in written] == ["a", "b", "c", None]
    assert "error" in written[2]
    assert "error" in written[3]
    assert written[0]["statements"]
    assert written[1]["statements"] == []


def test_inspect_shows_a_person_what_it_reads_and_why(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text(TEXT)
    result = run("inspect", "text.txt", "--explain")
    assert result.code == 0
    assert "Ines Okafor" in result.out
    assert "speaker: reporting verb: 'Ines Okafor'" in result.out
    assert "side: open with probability" in result.out
    assert "Meta: name 'Meta', ambiguous and decided by the words around it, of meta in the debate file" in result.out
    told = json.loads(run("inspect", "text.txt", "--explain", "--json").out)
    assert all(entity["why"] for entity in told["entities"])
    assert all(set(statement["why"]) == {"speaker", "side"} and statement["rule"] for statement in told["statements"])
    (tmp_path / "texts.jsonl").write_text(json.dumps({"id": "a", "text": TEXT}) + "\n")
    (line,) = run("inspect", "--jsonl", "texts.jsonl", "--explain").out.splitlines()
    assert json.loads(line) == {"id": "a", **told}


def test_inspect_uses_the_author_and_date_of_front_matter(run: Callable[..., Result], tmp_path: Path) -> None:
    opinion = "I say open them all, and let everyone look inside these models."
    text = f"---\ntitle: On weights\nauthor: Nell Harding\ndate: 2024-03-14\n---\n{opinion}\n"
    (tmp_path / "post.md").write_text(text)
    for options, author in (((), "Nell Harding"), (("--author", "Noor"), "Noor")):
        read = json.loads(run("inspect", "post.md", "--json", *options).out)
        (statement,) = read["statements"]
        assert statement["speaker"]["name"] == author
        assert text[statement["start"] : statement["end"]] == opinion == statement["text"]
        assert all(entity["start"] > text.rindex("---") for entity in read["entities"])
    (tmp_path / "post.md").write_text(text.replace("2024-03-14", "someday"))
    result = run("inspect", "post.md")
    assert (result.code, result.err.count("\n")) == (2, 1)
    assert "someday" in result.err


def test_import_keeps_what_is_about_the_debate_and_counts_the_rest(run: Callable[..., Result], tmp_path: Path) -> None:
    rows = [
        {
            "url": "https://a.example/1",
            "title": "Open weights",
            "text": TEXT,
            "published_at": "2024-03-14",
            "language": "en",
        },
        {
            "url": "https://a.example/2",
            "title": "Rain",
            "text": "It rained in the valley all week long. " * 20,
            "language": "en",
        },
        {"url": "https://a.example/3"},
    ]
    (tmp_path / "articles.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n{broken\n")
    result = run("import", "articles.jsonl", "--json")
    assert result.code == 1
    counts = json.loads(result.out)["sources"][0]
    assert (counts["stored"], counts["off_topic"], counts["failed"]) == (1, 1, 2)
    assert run("analyze").code == 0
    with sqlite3.connect(tmp_path / "debatewatch.db") as database:
        speakers = {row[0] for row in database.execute("SELECT speaker_name FROM statements")}
    assert "Daniel Achterberg" in speakers


@pytest.mark.xdist_group("demo")
@pytest.mark.parametrize("kind", debatewatch.TIMELINES)
@pytest.mark.parametrize("format_", debatewatch.TIMELINE_FORMATS)
def test_timelines_are_written_in_every_format(
    run: Callable[..., Result], demo_folder: Path, tmp_path: Path, kind: str, format_: str
) -> None:
    target = tmp_path / f"{kind}.{format_}"
    result = run("timeline", kind, "--db", demo_folder / "debatewatch.db", "--by", "quarter", "-o", target)
    assert result.code == 0, result.err
    head = target.read_bytes()[:400]
    starts = {"csv": b"period,", "json": b"[", "parquet": b"PAR1", "html": b"<!", "png": b"\x89PNG", "svg": b"<svg"}
    assert head.lstrip().startswith(starts[format_]), head


@pytest.mark.xdist_group("demo")
def test_every_export_can_be_written(run: Callable[..., Result], demo_folder: Path, tmp_path: Path) -> None:
    from db.exports import EXPORTS

    for name, export in EXPORTS.items():
        for format_ in export.formats:
            target = tmp_path / f"{name}.{format_}"
            result = run("export", name, "--db", demo_folder / "debatewatch.db", "--format", format_, "-o", target)
            assert result.code == 0, (name, format_, result.err)
            assert target.stat().st_size > 0


@pytest.mark.xdist_group("demo")
def test_status_tells_the_runs_and_the_changes(run: Callable[..., Result], demo_folder: Path) -> None:
    state = json.loads(run("status", "--json", "--db", demo_folder / "debatewatch.db").out)
    assert state["totals"]["articles"] > 90
    assert {entry["step"] for entry in state["runs"]} >= {"crawl", "read", "stance", "topics", "changes"}
    shown = run("status", "--db", demo_folder / "debatewatch.db")
    assert shown.code == 0
    assert "Changes of position" in shown.out


@pytest.mark.xdist_group("demo")
def test_analyze_again_does_nothing_twice(run: Callable[..., Result], demo_db: Path) -> None:
    with sqlite3.connect(demo_db) as database:
        before = list(database.execute('SELECT id, document_id, start, "end", side FROM statements ORDER BY id'))
    result = run("analyze", "--db", demo_db, "--json")
    assert result.code == 0
    assert all(step["done"] == 0 for step in json.loads(result.out) if step["step"] in ("read", "stance"))
    with sqlite3.connect(demo_db) as database:
        assert before == list(
            database.execute('SELECT id, document_id, start, "end", side FROM statements ORDER BY id')
        )


@pytest.mark.parametrize("kind", ["systemd", "cron", "github-actions", "docker-compose"])
def test_schedule_prints_units(run: Callable[..., Result], kind: str) -> None:
    result = run("schedule", "--every", "6h", "--at", "06:30", "--print", kind)
    assert result.code == 0
    assert ("schedule" if kind == "docker-compose" else "run") in result.out
    assert "debatewatch" in result.out


@pytest.mark.xdist_group("demo")
def test_serve_answers_on_the_next_free_port_and_ends_on_a_signal(demo_folder: Path) -> None:
    command = [sys.executable, "-m", "debatewatch", "serve", "--db", str(demo_folder / "debatewatch.db")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[1]
        with urllib.request.urlopen(url) as answer:
            assert answer.status == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(timeout=30) == 0


def test_the_demo_leaves_a_folder_alone_that_it_did_not_make(run: Callable[..., Result], tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("keep")
    result = run("demo", "--dir", "mine", "--no-serve")
    assert result.code == 2
    assert _is_one_line(result.err)
    assert (tmp_path / "mine" / "notes.txt").read_text() == "keep"


def test_a_replay_gives_the_same_rows_also_where_crawls_and_analyses_took_turns(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    steps = ("--step", "terms", "--step", "changes")
    with WebServer() as web:
        web.pages = {"/0": article("Page 0", debate_text(0))}
        web.pages["/feed"] = rss(web.base, ["/0"])
        sources_file(tmp_path, [{"id": "site", "kind": "feed", "url": f"{web.base}/feed"}])
        assert run("crawl", "--db", "x.db").code == 0
        assert run("analyze", "--db", "x.db", *steps).code == 0
        web.pages |= {"/1": article("Page 1", debate_text(1)), "/feed": rss(web.base, ["/0", "/1"])}
        assert run("crawl", "--db", "x.db").code == 0
        assert run("analyze", "--db", "x.db", *steps, "--seed", "3").code == 0
        assert run("analyze", "--db", "x.db", *steps).code == 0
    result = run("replay", "archive", "--db", "again.db")
    assert (result.code, result.err) == (0, "")
    first, again = content(tmp_path / "x.db"), content(tmp_path / "again.db")
    assert {table for table in first if again[table] != first[table]} == set()
    with sqlite3.connect(tmp_path / "again.db") as database:
        done = database.execute("SELECT step FROM runs ORDER BY id").fetchall()
    assert [step for (step,) in done if step in ("crawl", "terms")] == ["crawl", "terms", "crawl", "terms"]
    assert run("replay", "archive", "--db", "bare.db", "--no-analyze", "--json").code == 0
    assert content(tmp_path / "bare.db")["term_uses"] == []
    assert _is_one_line(run("replay", "archive", "--db", "x.db").err)


def test_doctor_tells_mends_and_says_when_all_is_well(run: Callable[..., Result], tmp_path: Path) -> None:
    path = fill(tmp_path / "x.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE fetches SET warc_file = NULL")
        connection.execute("UPDATE statements SET start = start + 1 WHERE id = 1")
        connection.commit()
    told = run("doctor", "--db", path)
    assert (told.code, told.out.split(":")[0]) == (1, "offsets")
    mended = run("doctor", "--db", path, "--mend", "--json")
    assert (mended.code, json.loads(mended.out)[0]["mended"]) == (0, True)
    fill(tmp_path / "well.db")
    with closing(sqlite3.connect(tmp_path / "well.db")) as connection:
        connection.execute("UPDATE fetches SET warc_file = NULL")
        connection.commit()
    assert run("doctor", "--db", tmp_path / "well.db").out == "Nothing is wrong.\n"


def test_status_fails_for_a_monitor_only_when_asked_and_only_while_a_source_is_failing(
    run: Callable[..., Result], tmp_path: Path
) -> None:
    path = fill(tmp_path / "x.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("UPDATE articles SET added_at = strftime('%Y-%m-%dT%H:%M:%SZ', 'now')")
        connection.execute("UPDATE fetches SET outcome = 'unchanged' WHERE outcome = 'failed'")
        connection.commit()
        assert run("status", "--db", path, "--fail-on-alert").code == 0
        connection.execute("UPDATE fetches SET outcome = 'failed' WHERE source_id = 'ledger'")
        connection.commit()
    assert run("status", "--db", path, "--fail-on-alert").code == 1
    assert run("status", "--db", path).code == 0


def test_a_sigterm_ends_an_analysis_when_its_batch_is_saved() -> None:
    shown: list[int] = []
    before = signal.getsignal(signal.SIGTERM)
    with debatewatch._ending_after_a_batch(lambda done, total, what: shown.append(done)) as progress:
        progress(1, 3, "reading")
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            progress(2, 3, "reading")
    assert shown == [1, 2]
    assert signal.getsignal(signal.SIGTERM) == before
