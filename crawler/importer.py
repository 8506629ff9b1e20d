"""import_paths(...) -> CrawlReport: WARC, WACZ, JSONL, CSV and HTML files and folders, through the same extraction, relevance and
near-duplicate checks as a crawl. Reads local files only; fetches nothing.

JSONL objects and CSV columns: `text` or `html` (one is needed), and `url`, `title`, `authors` (a list, or names separated by ";"),
`published_at` (ISO 8601; UTC where it has no offset), `language`, `kind`. Common other names are understood (_NAMES); what else a
line holds is ignored. A text without a web address gets "import:" and the start of its sha256, so that the same text imported
twice is one article; a local path is never an address.

What is read is filed under `--source`, else under the source that one of our own archives names (a replay), else under
"import:<name of the file or folder>".
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import sys
import time
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import get_args

from crawler.addresses import canonical_url, is_web_url
from crawler.extract import extract_page
from crawler.items import Progress, Tally
from crawler.journal import is_journal
from crawler.pipelines import Collector
from crawler.relevance import Relevance
from crawler.sources import Source, SourcesFile
from crawler.warc import ArchivedPage, iter_records
from db.models import (
    Article,
    ArticleKind,
    CrawlReport,
    Fetch,
    InputError,
    RunStatus,
    SourceReport,
    SourceRow,
    StoreError,
    utc_now,
)
from db.store import Store

VERSION = "1"
_NAMES: Mapping[str, tuple[str, ...]] = {
    "url": ("url", "link", "uri"),
    "title": ("title", "headline"),
    "text": ("text", "body", "content", "plain_text", "maintext"),
    "html": ("html",),
    "authors": ("authors", "author", "byline"),
    "published_at": ("published_at", "published", "publishing_date", "date", "date_publish", "publish_date"),
    "language": ("language", "lang"),
    "kind": ("kind",),
}
"""Our columns, and what other tools call them (newspaper, news-please, fundus, trafilatura); the first that is filled counts."""
_HTML = {".html", ".htm", ".xhtml"}
_SUFFIXES = (".warc", ".warc.gz", ".wacz", ".jsonl", ".ndjson", ".csv", *_HTML)
_MAX_HTML = 10_000_000
_MAX_COMPLAINTS = 5


@dataclass(frozen=True, slots=True)
class _Found:
    """One thing to keep: a page to extract, or an article that is ready; or why there is neither."""

    where: str
    """File and place in it, for messages."""
    url: str = ""
    html: bytes | None = None
    content_type: str | None = None
    article: Article | None = None
    error: str | None = None
    fetched_at: datetime | None = None
    status: int | None = None
    source_id: str | None = None
    warc: tuple[str, int, int] | None = None


def import_paths(
    store_path: Path | str,
    paths: Sequence[Path],
    sources: SourcesFile,
    *,
    source_id: str | None = None,
    everything: bool = False,
    progress: Progress | None = None,
) -> CrawlReport:
    """Reads the files (and the folders, recursively) into the database. `everything` keeps what is not about the debate, too.

    A line or page that cannot be read is a row in `failures` and counted, never the end. Raises UnknownNameError for a source
    that does not exist, InputError for a file of a kind it does not know, StoreError when nothing can be written.
    """
    store_path = Path(store_path)
    if source_id is not None:
        sources.pick([source_id])
    files = list(_files(paths))
    known = {source.id: source for source in sources.sources}
    started = time.monotonic()
    with Store.open(store_path) as store:
        run_id = store.start_run(
            "import", VERSION, parameters={"files": [file.name for file, _ in files], "everything": everything}
        )
        status: RunStatus = "failed"
        collector = Collector(store, run_id, Relevance.from_table(sources.relevance), step="import")
        importer = _Importer(store, collector, known, source_id, everything, store_path.parent / "archive")
        try:
            for number, (file, name) in enumerate(files):
                if progress is not None:
                    progress(number, len(files), file.name)
                importer.file(file, name)
            if progress is not None:
                progress(len(files), len(files), "")
            report = CrawlReport(
                run_id,
                time.monotonic() - started,
                tuple(
                    SourceReport(name, dict(tally.outcomes), tuple(tally.errors))
                    for name, tally in importer.tallies.items()
                ),
                collector.documents,
                collector.updated,
            )
            status = "done" if report.ok else "partial"
        finally:
            totals = {"documents": collector.documents, "updated": collector.updated}
            store.finish_run(run_id, status, totals)
    return report


def _files(paths: Sequence[Path]) -> Iterator[tuple[Path, str]]:
    """(file, name of what it was given as)."""
    for path in paths:
        name = re.sub(r"[^a-z0-9_-]+", "-", path.resolve().name.lower().split(".")[0]).strip("-") or "files"
        if path.is_dir():
            for file in sorted(path.rglob("*")):
                if file.is_file() and file.name.lower().endswith(_SUFFIXES) and not is_journal(file):
                    yield file, name
        elif not path.exists():
            raise InputError(f"{path}: no such file; check the name")
        elif not path.name.lower().endswith(_SUFFIXES):
            raise InputError(f"{path}: not a kind that can be imported; known are {', '.join(_SUFFIXES)}")
        else:
            yield path, name


class _Importer:
    def __init__(
        self,
        store: Store,
        collector: Collector,
        known: Mapping[str, Source],
        source_id: str | None,
        everything: bool,
        archive: Path,
    ) -> None:
        self.store, self.collector, self.known = store, collector, known
        self.source_id, self.everything, self.archive = source_id, everything, archive.resolve()
        self.tallies: dict[str, Tally] = {}
        self._added: set[str] = set()

    def file(self, file: Path, name: str) -> None:
        """Everything in one file."""
        source: Source | None = None
        for found in self._read(file):
            # A damaged tail belongs to the source of what came before it.
            if source is None or found.error is None:
                source = self._source(found.source_id, name)
            self._keep(source, found)
        if source is None:
            self._source(None, name)

    def _source(self, archived_for: str | None, name: str) -> Source:
        wanted = self.source_id or (archived_for if archived_for in self.known else None)
        source = self.known[wanted] if wanted else Source(f"import:{name}", name, "section", f"import:{name}")
        if source.id not in self._added:
            self._added.add(source.id)
            self.tallies[source.id] = Tally()
            self.store.add_source(source.to_row() if wanted else SourceRow(source.id, name, source.url, "import"))
        return source

    def _keep(self, source: Source, found: _Found) -> None:
        tally = self.tallies[source.id]
        fetch = Fetch(
            source_id=source.id,
            url=found.url or f"import:{found.where}",
            outcome="stored",
            fetched_at=found.fetched_at or utc_now(),
            status=found.status,
            bytes=len(found.html) if found.html is not None else None,
            warc_file=found.warc[0] if found.warc else None,
            warc_offset=found.warc[1] if found.warc else None,
            warc_length=found.warc[2] if found.warc else None,
        )
        judge = source.relevance and not self.everything
        try:
            if found.error is not None:
                outcome = self.collector.failure(fetch, InputError(f"{found.where}: {found.error}"))
            elif found.article is not None:
                outcome = self.collector.articles(fetch, [found.article], judge=judge)
            else:
                articles = extract_page(found.html or b"", found.url, content_type=found.content_type)
                outcome = self.collector.articles(fetch, articles, judge=judge)
        except StoreError:
            raise
        except Exception as error:  # As in a crawl: one page never ends the import.
            outcome = self.collector.failure(fetch, error)
        tally.outcomes[outcome] += 1
        if found.error is not None and found.html is None and found.url == "":
            self._complain(tally, f"{found.where}: {found.error}")

    @staticmethod
    def _complain(tally: Tally, error: str) -> None:
        # A broken file of a million lines is said to be broken a few times; every line is a row in `failures`.
        if len(tally.errors) < _MAX_COMPLAINTS:
            tally.errors.append(error)
        elif len(tally.errors) == _MAX_COMPLAINTS:
            tally.errors.append("further lines could not be read either; the table failures has them all")

    def _read(self, file: Path) -> Iterator[_Found]:
        name = file.name.lower()
        if name.endswith((".jsonl", ".ndjson")):
            yield from _read_jsonl(file)
        elif name.endswith(".csv"):
            yield from _read_csv(file)
        elif name.endswith(".wacz"):
            yield from self._read_wacz(file)
        elif name.endswith((".warc", ".warc.gz")):
            yield from self._read_warc(file)
        else:
            yield _read_html(file)

    def _read_warc(self, file: Path) -> Iterator[_Found]:
        problems: list[str] = []
        # A record of our own archive keeps its place, so that its page is one click away after a replay.
        own = file.resolve().parent == self.archive
        for page in iter_records(file, on_error=problems.append):
            if _is_page(page):
                yield _from_archive(page, file.name, (file.name, page.offset, page.length) if own else None)
        for problem in problems:
            yield _Found(file.name, error=problem)

    def _read_wacz(self, file: Path) -> Iterator[_Found]:
        problems: list[str] = []
        try:
            with zipfile.ZipFile(file) as archive:
                for name in sorted(archive.namelist()):
                    if name.startswith("archive/") and name.endswith((".warc", ".warc.gz")):
                        with archive.open(name) as stream:
                            for page in iter_records(Path(name), stream=stream, on_error=problems.append):
                                if _is_page(page):
                                    yield _from_archive(page, file.name, None)
        except (zipfile.BadZipFile, OSError) as error:
            problems.append(f"not a readable WACZ file ({error})")
        for problem in problems:
            yield _Found(file.name, error=problem)


def _is_page(page: ArchivedPage) -> bool:
    html = "html" in page.headers.get("content-type", "").lower()
    return page.status == 200 and html and page.target in (None, "page") and is_web_url(page.url)


def _from_archive(page: ArchivedPage, name: str, warc: tuple[str, int, int] | None) -> _Found:
    return _Found(
        f"{name} at byte {page.offset}",
        page.url,
        page.body,
        page.headers.get("content-type"),
        fetched_at=page.fetched_at,
        status=page.status,
        source_id=page.source_id,
        warc=warc,
    )


def _read_html(file: Path) -> _Found:
    try:
        if file.stat().st_size > _MAX_HTML:
            return _Found(file.name, error=f"larger than {_MAX_HTML} bytes")
        html = file.read_bytes()
    except OSError as error:
        return _Found(file.name, error=f"cannot be read ({error.strerror})")
    return _Found(file.name, own_address(html) or import_address(html), html)


def own_address(html: bytes) -> str | None:
    """The web address that a saved page gives for itself: rel=canonical, og:url, or the browser's "saved from" comment."""
    from parsel import Selector

    saved = re.search(rb"<!-- saved from url=\(\d+\)(\S+) -->", html[:4096])
    page = Selector(text=html[:1_000_000].decode("utf-8", errors="replace"))
    candidates = (
        page.css("link[rel=canonical]::attr(href)").get(),
        page.css('meta[property="og:url"]::attr(content)').get(),
        saved[1].decode("latin-1") if saved else None,
    )
    return next((address.strip() for address in candidates if address and is_web_url(address)), None)


def import_address(content: bytes) -> str:
    """The address of something that has none on the web: "import:" and the start of its sha256."""
    return f"import:{hashlib.sha256(content).hexdigest()[:32]}"


def _read_jsonl(file: Path) -> Iterator[_Found]:
    try:
        with file.open("rb") as lines:
            for number, line in enumerate(lines, 1):
                where = f"{file.name} line {number}"
                if not line.strip():
                    continue
                try:
                    row = json.loads(line)
                except ValueError as error:  # JSONDecodeError and UnicodeDecodeError are both.
                    yield _Found(where, error=f"not JSON ({error})")
                    continue
                if isinstance(row, dict):
                    yield _from_row(row, where)
                else:
                    yield _Found(where, error="not a JSON object")
    except OSError as error:
        yield _Found(file.name, error=f"cannot be read ({error.strerror})")


def _read_csv(file: Path) -> Iterator[_Found]:
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    try:
        with file.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
            for number, row in enumerate(csv.DictReader(lines), 2):
                yield _from_row({key: value for key, value in row.items() if key}, f"{file.name} row {number}")
    except (OSError, csv.Error) as error:
        yield _Found(file.name, error=f"not a readable CSV file ({error})")


def _from_row(row: Mapping[str, object], where: str) -> _Found:
    cells = {ours: _cell(row, names) for ours, names in _NAMES.items()}
    text, html = cells["text"], cells["html"]
    if not isinstance(text, str) and not isinstance(html, str):
        return _Found(where, error='no "text" and no "html"; one of them is needed')
    content = str(html if isinstance(html, str) else text).encode("utf-8", errors="replace")
    given = str(cells["url"] or "").strip()
    url = canonical_url(given) if is_web_url(given) else import_address(content)
    if isinstance(html, str):
        return _Found(where, url, content, "text/html; charset=utf-8")
    try:
        published_at = _moment(cells["published_at"])
    except ValueError:
        return _Found(where, error=f"published_at {cells['published_at']!r} is not an ISO 8601 date such as 2024-03-14")
    kind: ArticleKind = "article"
    for known in get_args(ArticleKind):
        kind = known if cells["kind"] == known else kind
    body = _paragraphs(str(text))
    article = Article(
        url=url,
        title=str(cells["title"] or "").strip() or body.partition("\n")[0][:100],
        text=body,
        authors=_names(cells["authors"]),
        published_at=published_at,
        language=str(cells["language"]).strip()[:2].lower() if cells["language"] else _language(body),
        kind=kind,
    )
    return _Found(where, url, article=article)


def _cell(row: Mapping[str, object], names: tuple[str, ...]) -> object:
    return next((row[name] for name in names if row.get(name) not in (None, "", [])), None)


def _names(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else str(value or "").split(";")
    return tuple(dict.fromkeys(str(part).strip() for part in parts if str(part).strip()))


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    moment = datetime.fromisoformat(str(value).strip())
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _paragraphs(text: str) -> str:
    """The text with the paragraph breaks that extraction writes, too."""
    clean = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return re.sub(r"\n[ \t]*\n\s*", "\n\n", clean).strip()


def _language(text: str) -> str | None:
    import py3langid

    return str(py3langid.classify(text[:5000])[0]) if text else None
