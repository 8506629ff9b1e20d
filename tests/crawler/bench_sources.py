"""Ten thousand sources in one file, on twenty hosts: all are asked, and the crawl stays under a gigabyte."""

from __future__ import annotations

import multiprocessing
import re
from contextlib import ExitStack
from pathlib import Path

from crawler.run import crawl
from tests.crawler.test_crawl import rows, sources_file
from tests.crawler.webserver import Reply, WebServer, rss

SOURCES = 10_000
HOSTS = 20
MOST = 1_000
"""Megabytes."""


def _peak() -> float:
    """The most memory that a crawl process of ours has held so far, in megabytes (as Linux counts it)."""
    found = 0.0
    for process in multiprocessing.active_children():
        status = Path(f"/proc/{process.pid}/status")
        if process.name == "debatewatch-crawl" and status.exists():
            told = re.search(r"VmHWM:\s+(\d+) kB", status.read_text(encoding="utf-8"))
            found = max(found, int(told[1]) / 1024 if told else 0.0)
    return found


def ten_thousand_sources(tmp_path: Path) -> float:
    """Crawls them; returns the peak memory in megabytes. AssertionError when one is left out, or memory is over MOST."""
    with ExitStack() as stack:
        webs = [stack.enter_context(WebServer(f"127.0.0.{number + 2}")) for number in range(HOSTS)]
        for web in webs:
            web.otherwise = lambda asked: rss("", [])
            web.pages["/robots.txt"] = Reply(b"User-agent: *\nAllow: /\n", content_type="text/plain")
        entries = [
            {"id": f"s{number}", "kind": "feed", "url": f"{webs[number % HOSTS].base}/{number}.xml"}
            for number in range(SOURCES)
        ]
        peaks = [0.0]
        report = crawl(
            tmp_path / "x.db", sources_file(tmp_path, entries), progress=lambda done, total, what: peaks.append(_peak())
        )
        assert report.ok
    assert rows(tmp_path, "SELECT count(DISTINCT source_id), count(*) FROM fetches WHERE target = 'listing'") == [
        (SOURCES, SOURCES)
    ]
    assert 0 < max(peaks) < MOST, f"{max(peaks):.0f} MB"
    return max(peaks)
