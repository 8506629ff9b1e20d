"""A crawl that is killed again and again (SIGKILL) ends with the same rows as one that nobody disturbed.

No reprints here: their texts do not depend on the order in which they come, but which of two is counted as the duplicate does.
"""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import threading
from contextlib import suppress
from pathlib import Path

from crawler.run import crawl
from tests.crawler.test_crawl import CONTENT, rows, sources_file
from tests.crawler.webserver import WebServer, article, debate_text, rss

KILLS = 20
PAGES = 90
FETCHED = """SELECT url, max(outcome), count(*), count(article_id) FROM fetches WHERE target = 'page' GROUP BY url ORDER BY url"""


def _kill_crawl() -> None:
    for process in multiprocessing.active_children():
        if process.name == "debatewatch-crawl":
            with suppress(ProcessLookupError):
                os.kill(process.pid or 0, signal.SIGKILL)


def twenty_kills(tmp_path: Path) -> None:
    """Raises AssertionError when twenty kills at random moments change anything in the end. Too slow for a test: half a minute."""
    chance = random.Random(20)
    with WebServer() as web:
        paths = [f"/page/{number}" for number in range(PAGES)]
        web.pages |= {path: article(f"Page {path}", debate_text(number)) for number, path in enumerate(paths)}
        web.pages["/feed"] = rss(web.base, paths)
        sources = sources_file(tmp_path, [{"id": "site", "kind": "feed", "url": f"{web.base}/feed"}])
        (tmp_path / "whole").mkdir()
        crawl(tmp_path / "whole" / "x.db", sources)
        killed = 0
        while killed < KILLS:
            page = chance.randint(1, 3)

            def show(done: int, total: int, what: str, page: int = page) -> None:
                if done == page:
                    threading.Timer(chance.random() * 0.03, _kill_crawl).start()

            report = crawl(tmp_path / "x.db", sources, progress=show)
            assert report.interrupted, "the crawl ended before its kill: it needs more pages"
            killed += 1
        last = crawl(tmp_path / "x.db", sources)
        assert last.ok
        assert rows(tmp_path, CONTENT) == rows(tmp_path / "whole", CONTENT)
        assert rows(tmp_path, FETCHED) == rows(tmp_path / "whole", FETCHED)
        assert rows(tmp_path, "SELECT status, count(*) FROM runs GROUP BY 1 ORDER BY 1") == [
            ("done", 1),
            ("interrupted", KILLS),
        ]
        assert rows(tmp_path, "PRAGMA integrity_check") == [("ok",)]
