"""What is said on stderr: text for a person by default, one JSON object an event on request, and no secrets in either."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

import debatewatch
from crawler.pipelines import _log
from crawler.schedule import Times, run_schedule
from db.log import VARIABLE, event, log_format, set_format, without_secrets
from db.models import Fetch, utc_now
from tests.crawler.test_crawl import sources_file
from tests.crawler.webserver import WebServer, article, debate_text, rss


@pytest.fixture(autouse=True)
def _plain_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "plain")


def test_a_person_gets_lines_and_only_of_what_has_words(capsys: pytest.CaptureFixture[str]) -> None:
    event("page", url="https://a.example/")
    event("error", "two\nlines", level="error")
    assert capsys.readouterr().err == "debatewatch: two lines\n"


def test_a_machine_gets_an_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_format("json")
    _log(Fetch("site", "https://a.example/\nx", "stored", utc_now(), status=200, seconds=0.5), "stored")
    event("error", "two\nlines", level="error")
    page, error = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    assert list(page) == ["at", "level", "event", "source", "url", "outcome", "status", "seconds"]
    assert (page["event"], page["outcome"], page["status"]) == ("page", "stored", 200)
    assert (error["level"], error["text"]) == ("error", "two\nlines")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://me:hidden@a.example/x", "https://***@a.example/x"),
        (
            "robots.txt unreachable (invalid hostname: me:hidden@a.example)",
            "robots.txt unreachable (invalid hostname: ***@a.example)",
        ),
        ("see https://a.example/?page=2&api_key=hidden&x=1", "see https://a.example/?page=2&api_key=***&x=1"),
        ("https://a.example/?access_token=hidden#top", "https://a.example/?access_token=***#top"),
        ("https://a.example/?X-Amz-Signature=hidden", "https://a.example/?X-Amz-Signature=***"),
        ("https://a.example/?q=open+source", "https://a.example/?q=open+source"),
        ("mail me@a.example", "mail me@a.example"),
    ],
)
def test_secrets_are_struck_out(text: str, shown: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert without_secrets(text) == shown
    for format in ("plain", "json"):
        set_format(format)  # type: ignore[arg-type]
        event("error", text, url=text)
        assert "hidden" not in capsys.readouterr().err


def test_the_option_holds_for_the_command_and_what_it_starts(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        debatewatch.main(["analyze", "--log", "json", "--db", "none.db"])
    assert ended.value.code == 2
    (line,) = capfd.readouterr().err.splitlines()
    assert "no such database" in json.loads(line)["text"]
    assert log_format() == "json"
    command = [sys.executable, "-c", f"import os; raise SystemExit(os.environ[{VARIABLE!r}] != 'json')"]
    run_schedule(command, Times(timedelta(hours=1)), lock=tmp_path / "x.lock", once=True)
    started, finished = (json.loads(line) for line in capfd.readouterr().err.splitlines())
    assert (started["event"], finished["event"], finished["exit_code"]) == ("cycle started", "cycle finished", 0)
    assert os.environ[VARIABLE] == "json"


def test_a_crawl_gives_a_line_for_each_page(tmp_path: Path) -> None:
    with WebServer() as web:
        web.pages["/page"] = article("Page", debate_text(1))
        web.pages["/feed"] = rss(web.base, ["/page", "/gone?token=hidden"])
        sources_file(tmp_path, [{"id": "site", "kind": "feed", "url": f"{web.base}/feed"}])
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        command = [sys.executable, "-m", "debatewatch", "crawl", "--log", "json"]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=120
        )
    assert done.returncode == 0, done.stderr
    told = done.stderr
    assert "hidden" not in told
    events = [json.loads(line) for line in told.splitlines()]
    assert [entry["event"] for entry in events] == ["crawl started", "listing", "page", "page", "crawl finished"]
    assert sorted(entry["outcome"] for entry in events if entry["event"] == "page") == ["failed", "stored"]
    assert events[-1]["counts"] == {"stored": 1, "failed": 1, "documents": 1, "updated": 0}
