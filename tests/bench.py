"""Times each step on the built-in sample: python -m tests.bench (`make bench`). A person reads what it prints."""

from __future__ import annotations

import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crawler.run import crawl
from crawler.sample_web import SampleWeb
from crawler.sources import load_sources
from db.queries import open_read, totals
from db.timelines import timeline
from nlp.debate import load_debate
from nlp.run import STEPS, analyze
from tests.crawler.bench_kills import twenty_kills
from tests.crawler.bench_sources import SOURCES, ten_thousand_sources


@contextmanager
def timed(label: str, *, per: int = 0) -> Iterator[None]:
    """Prints wall time and the peak memory of this process so far; with `per`, the time for each of so many."""
    started = time.perf_counter()
    yield
    seconds = time.perf_counter() - started
    each = f"  {1000 * seconds / per:8.1f} ms each" if per else ""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"{label:<28} {seconds:7.2f} s  {peak:6.0f} MB{each}")


def main() -> None:
    """The sample crawled twice and analysed step by step, the timelines, a crawl killed twenty times, one of 10,000 sources."""
    with tempfile.TemporaryDirectory() as folder, SampleWeb() as web:
        database, sources_path = Path(folder) / "bench.db", Path(folder) / "sources.toml"
        sources_path.write_text(web.sources_toml(), encoding="utf-8")
        sources, debate = load_sources(sources_path), load_debate()
        pages = sum(len(web.articles(outlet)) for outlet in web.outlets)
        with timed("crawl", per=pages):
            crawl(database, sources)
        with timed("crawl again, unchanged"):
            crawl(database, sources)
        with open_read(database) as connection:
            documents = totals(connection)["documents"]
        for step in STEPS:
            with timed(f"analyze: {step}", per=documents):
                analyze(database, debate, steps=(step,))
        with timed("analyze again, nothing new"):
            analyze(database, debate)
        with open_read(database) as connection:
            for kind in ("topics", "stances", "actors"):
                with timed(f"timeline {kind} by week"):
                    timeline(connection, kind, by="week")
    with tempfile.TemporaryDirectory() as folder, timed("20 kills, then equality"):
        twenty_kills(Path(folder))
    with tempfile.TemporaryDirectory() as folder, timed("10,000 sources", per=SOURCES):
        peak = ten_thousand_sources(Path(folder))
    print(f"their crawl held {peak:.0f} MB at most")


if __name__ == "__main__":
    main()
