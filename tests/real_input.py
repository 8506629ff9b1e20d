"""The whole line on real pages: python -m tests.real_input [--shared DIR] [--work DIR]

Serves the saved publisher pages (one outlet a publisher, with a generated RSS feed) and the Interconnects posts (a blog) on
loopback, crawls both with ordinary sources.toml entries, analyses, and prints what came out: pages by outcome, how many titles,
dates and authors agree with the expected records, documents, statements and topics from the posts, how many statements of sixteen
posts an annotator marked too, five statements drawn with a fixed seed for a person to judge, and wall time and peak memory of each
step. Not a test: a person reads what it prints.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import html
import json
import random
import re
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import markdown

from crawler.sample_web.server import shipped_relevance
from db.models import from_iso
from db.queries import open_read, rows
from nlp.scoring import LEAST_OVERLAP, share_of_shorter

COUNTRIES = ("uk", "ca", "au")
SEED = 7


@dataclass(frozen=True)
class Page:
    """A page as its site serves it; `expected` is the record of the public test data, empty for posts."""

    path: str
    body: bytes
    title: str
    published: datetime | None
    expected: Mapping[str, Any]


def publisher_pages(shared: Path) -> dict[str, list[Page]]:
    """Outlet -> its saved pages, at the paths they had."""
    outlets: dict[str, list[Page]] = {}
    for country in COUNTRIES:
        folder = shared / "pages" / "publishers" / country
        addresses = json.loads((folder / "meta.info").read_text())
        for recorded in sorted(folder.glob("*.json")):
            # One record for each saved page, in the order of their dates, whatever the parser's version is called.
            files = sorted(folder.glob(f"{recorded.stem}_*.html.gz"))
            records = json.loads(recorded.read_text()).values()
            outlets[f"{country}-{recorded.stem.lower()}"] = [
                Page(
                    urlsplit(addresses[file.name]["url"]).path or "/",
                    gzip.decompress(file.read_bytes()),
                    expected["title"],
                    datetime.fromisoformat(expected["publishing_date"]),
                    expected,
                )
                for file, expected in zip(files, records, strict=True)
            ]
    return outlets


def posts(shared: Path) -> list[Page]:
    """The posts as pages of a blog."""
    pages = []
    with gzip.open(shared / "posts" / "interconnects-2020-2023.jsonl.gz", "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            post = json.loads(line)
            text = re.sub(r"^:::.*$|^\{.*$", "", post["text"], flags=re.MULTILINE)
            title, day = html.escape(post["title"]), post["date"][:10]
            body = (
                f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
                f'<meta property="article:published_time" content="{day}T12:00:00Z">'
                f'<meta name="author" content="{html.escape(post["author"])}"></head>'
                f"<body><header><a href='/'>Blog</a></header><article><h1>{title}</h1>{markdown.markdown(text)}</article>"
                "<footer>CC-BY-4.0</footer></body></html>"
            )
            pages.append(
                Page(
                    f"/p/{number}",
                    body.encode(),
                    post["title"],
                    from_iso(f"{day}T12:00:00Z"),
                    {"authors": [post["author"]]},
                )
            )
    return pages


@contextmanager
def served(pages: list[Page], feed_title: str) -> Iterator[str]:
    """A site on loopback with robots.txt, a feed that lists all pages (without dates: those must come from the page), and the
    pages; yields its base URL."""
    by_path = {page.path: page for page in pages}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = urlsplit(self.path).path
            if path == "/robots.txt":
                self._send(b"User-agent: *\nAllow: /\n", "text/plain")
            elif path == "/feed.xml":
                self._send(_feed(pages, feed_title, f"http://{self.headers['Host']}"), "application/rss+xml")
            elif path in by_path:
                self._send(by_path[path].body, "text/html")
            else:
                self.send_error(404)

        def _send(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _feed(pages: list[Page], title: str, base: str) -> bytes:
    items = "".join(
        f"<item><title>{html.escape(page.title)}</title><link>{base}{html.escape(page.path)}</link></item>"
        for page in pages
    )
    return f'<?xml version="1.0"?><rss version="2.0"><channel><title>{title}</title>{items}</channel></rss>'.encode()


def sources_toml(sites: Mapping[str, str], *, everything: bool) -> str:
    """Ordinary entries, one a site; the relevance table is the shipped one."""
    entries = "".join(
        f'\n[[source]]\nid = "{name}"\nname = "{name}"\nkind = "feed"\nurl = "{base}/feed.xml"\nlanguage = "en"\n'
        f"allow_private = true\ndelay = 0.0\n" + ("relevance = false\n" if everything else "")
        for name, base in sites.items()
    )
    return f'[crawl]\ncontact = "https://example.org/contact"\n\n{shipped_relevance()}\n{entries}'


def timed(label: str, *arguments: str) -> str:
    """Runs a debatewatch command in a process of its own; prints wall time and peak memory, returns its output."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "debatewatch", *arguments], capture_output=True, text=True, check=False
    )
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    note = "" if peak > before else " or less"
    print(f"## {label}: exit {done.returncode}, {time.monotonic() - started:.1f} s, peak {peak / 1024:.0f} MB{note}")
    if done.stderr.strip():
        print("   " + "\n   ".join(done.stderr.strip().splitlines()[-6:]))
    return done.stdout


def agreement(database: Path, outlets: Mapping[str, list[Page]]) -> None:
    """How many titles, dates and authors of the stored publisher pages agree with the expected records."""
    with open_read(database) as connection:
        found = {
            (row["source_id"], urlsplit(row["url"]).path.rstrip("/")): row
            for row in rows(connection, "SELECT source_id, url, title, published_at, authors FROM articles")
        }
    tally = {"title": [0, 0], "date": [0, 0], "authors": [0, 0]}
    for name, pages in outlets.items():
        for page in pages:
            row = found.get((name, page.path.rstrip("/")))
            for field, right in _compare(page, row).items():
                tally[field][0] += right
                tally[field][1] += 1
                if not right:
                    got = row and {"title": row["title"], "date": row["published_at"], "authors": row["authors"]}[field]
                    wanted = {"title": page.title, "date": page.published, "authors": page.expected.get("authors")}[
                        field
                    ]
                    print(f"   {name} {page.path[-50:]} {field}: {got!r} instead of {wanted!r}")
    print("Agreement:", ", ".join(f"{field} {right}/{all_}" for field, (right, all_) in tally.items()))


def _compare(page: Page, row: Mapping[str, Any] | None) -> dict[str, bool]:
    right = {}
    if page.title:
        right["title"] = row is not None and _plain(row["title"]) == _plain(page.title)
    if page.published:
        right["date"] = row is not None and (row["published_at"] or "")[:10] == page.published.date().isoformat()
    if page.expected.get("authors"):
        wanted = {_plain(author) for author in page.expected["authors"]}
        right["authors"] = row is not None and {_plain(author) for author in json.loads(row["authors"])} == wanted
    return right


def _plain(text: str) -> str:
    return re.sub(r"\W+", " ", html.unescape(text)).strip().lower()


def show(database: Path, sql: str) -> None:
    """Prints the rows of a query, one a line."""
    with open_read(database) as connection:
        for row in rows(connection, sql):
            print("   " + "  ".join(f"{key}={value}" for key, value in row.items()))


def annotated(database: Path) -> None:
    """How many of the statements found in sixteen posts (drawn at random) an annotator marked too, and how many marks are found.

    data/annotated_posts.jsonl holds places alone, no text; a post whose text was extracted otherwise is left out.
    """
    taken = marked = posts_ = 0
    tally = {False: [0, 0], True: [0, 0]}
    with open_read(database) as connection:
        for line in (Path(__file__).parent / "data" / "annotated_posts.jsonl").read_text(encoding="utf-8").splitlines():
            post = json.loads(line)
            for document in rows(connection, "SELECT id, text FROM documents WHERE title = ?", (post["title"],)):
                if hashlib.sha256(document["text"].encode()).hexdigest() != post["text_sha256"]:
                    continue
                posts_ += 1
                statements = rows(
                    connection,
                    "SELECT start, end FROM statements WHERE document_id = ? AND side IS NOT NULL",
                    (document["id"],),
                )
                taken += len(statements)
                marked += sum(
                    any(share_of_shorter(s["start"], s["end"], gold) >= LEAST_OVERLAP for gold in post["statements"])
                    for s in statements
                )
                for gold in post["statements"]:
                    hit = any(share_of_shorter(s["start"], s["end"], gold) >= LEAST_OVERLAP for s in statements)
                    tally[gold["doubtful"]][0] += hit
                    tally[gold["doubtful"]][1] += 1
    print(f"{posts_} annotated posts: {taken} statements found, of which the annotator marked {marked};", end=" ")
    print(
        f"of the person's plain ones {tally[False][0]}/{tally[False][1]} found, of the doubtful {tally[True][0]}/{tally[True][1]}"
    )


def judge(database: Path) -> None:
    """Five statements drawn with a fixed seed, for a person to judge."""
    with open_read(database) as connection:
        found = rows(
            connection,
            """SELECT s.speaker, s.speaker_name, s.kind, s.side, round(s.score, 2) AS score, s.rule, s.text, d.title
               FROM statements AS s JOIN documents AS d ON d.id = s.document_id WHERE s.side IS NOT NULL ORDER BY s.id""",
        )
    for row in random.Random(SEED).sample(found, min(5, len(found))):
        print(
            f"   [{row['side']} {row['score']}] {row['speaker_name']} ({row['kind']}, {row['rule']}), in {row['title']!r}:"
        )
        print(f"      {row['text']}")


def main() -> None:
    """Runs it all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shared", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--work", type=Path, default=Path("real-input"))
    options = parser.parse_args()
    if not options.shared.is_dir():
        sys.exit(f"{options.shared}: not there; name the folder of the development data with --shared")
    options.work.mkdir(exist_ok=True)
    outlets = publisher_pages(options.shared)
    for name, sites, everything in (("publishers", outlets, True), ("posts", {"blog": posts(options.shared)}, False)):
        database = options.work / f"{name}.db"
        for old in (database, Path(f"{database}-wal"), Path(f"{database}-shm")):
            old.unlink(missing_ok=True)
        print(f"\n# {name}: {sum(len(pages) for pages in sites.values())} pages of {len(sites)} outlets")
        from contextlib import ExitStack

        with ExitStack() as stack:
            bases = {outlet: stack.enter_context(served(pages, outlet)) for outlet, pages in sites.items()}
            sources = options.work / f"{name}.toml"
            sources.write_text(sources_toml(bases, everything=everything), encoding="utf-8")
            print(timed("crawl", "crawl", "--db", str(database), "--sources", str(sources)))
        print(timed("analyze", "analyze", "--db", str(database)))
        show(database, "SELECT outcome, target, count(*) AS fetches FROM fetches GROUP BY 1, 2")
        show(
            database,
            """SELECT (SELECT count(*) FROM documents) AS documents, (SELECT count(*) FROM statements) AS statements,
                      (SELECT count(*) FROM topics) AS topics, (SELECT count(*) FROM failures) AS failures""",
        )
        if name == "publishers":
            agreement(database, outlets)
        else:
            show(database, "SELECT label, size FROM topics ORDER BY size DESC")
            annotated(database)
            judge(database)
    seed = next(iter(sorted((options.shared / "seed").glob("*.txt"))))
    print("\n# seed\n" + timed("inspect", "inspect", str(seed), "--date", "2023-12-31"))


if __name__ == "__main__":
    main()
