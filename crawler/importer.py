"""import_paths(...) -> CrawlReport: WARC, WACZ, JSONL, CSV and HTML files and folders, through the same extraction, relevance and
near-duplicate checks as a crawl. Reads local files only; fetches nothing.

What is read is filed under `--source`, else under the source that one of our own archives names (a replay), else under
"import:<name of the file or folder>".
"""

from __future__ import annotations

import re
import time
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from crawler.addresses import is_web_url
from crawler.extract import extract_page
from crawler.import_rows import MAX_BYTES, Found, import_address, read_csv, read_jsonl
from crawler.items import Progress, Tally
from crawler.journal import is_journal
from crawler.pipelines import Collector
from crawler.relevance import Relevance
from crawler.sources import Source, SourcesFile
from crawler.time_limit import time_limit
from crawler.warc import ArchivedPage, iter_records
from db.models import (
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
_HTML = {".html", ".htm", ".xhtml"}
_SUFFIXES = (".warc", ".warc.gz", ".wacz", ".jsonl", ".ndjson", ".csv", *_HTML)
_MAX_COMPLAINTS = 5


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

    def _keep(self, source: Source, found: Found) -> None:
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
                with time_limit():
                    articles = extract_page(
                        found.html or b"", found.url, content_type=found.content_type, fallback_date=found.published_at
                    )
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

    def _read(self, file: Path) -> Iterator[Found]:
        name = file.name.lower()
        if name.endswith((".jsonl", ".ndjson")):
            yield from read_jsonl(file)
        elif name.endswith(".csv"):
            yield from read_csv(file)
        elif name.endswith(".wacz"):
            yield from self._read_wacz(file)
        elif name.endswith((".warc", ".warc.gz")):
            yield from self._read_warc(file)
        else:
            yield _read_html(file)

    def _read_warc(self, file: Path) -> Iterator[Found]:
        problems: list[str] = []
        # A record of our own archive keeps its place, so that its page is one click away after a replay.
        own = file.resolve().parent == self.archive
        for page in iter_records(file, on_error=problems.append):
            if _is_page(page):
                yield _from_archive(page, file.name, (file.name, page.offset, page.length) if own else None)
        for problem in problems:
            yield Found(file.name, error=problem)

    def _read_wacz(self, file: Path) -> Iterator[Found]:
        problems: list[str] = []
        try:
            with zipfile.ZipFile(file) as archive:
                for name in sorted(archive.namelist()):
                    if name.startswith("archive/") and name.endswith((".warc", ".warc.gz")):
                        with archive.open(name) as stream:
                            for page in iter_records(Path(name), stream=stream, on_error=problems.append):
                                if _is_page(page):
                                    yield _from_archive(page, file.name, None)
        except (zipfile.BadZipFile, OSError, EOFError, RuntimeError, zlib.error) as error:
            # A RuntimeError is a file that is encrypted, or packed in a way that is not known here.
            problems.append(f"not a readable WACZ file ({error})")
        for problem in problems:
            yield Found(file.name, error=problem)


def _is_page(page: ArchivedPage) -> bool:
    html = "html" in page.headers.get("content-type", "").lower()
    return page.status == 200 and html and page.target in (None, "page") and is_web_url(page.url)


def _from_archive(page: ArchivedPage, name: str, warc: tuple[str, int, int] | None) -> Found:
    return Found(
        f"{name} at byte {page.offset}",
        page.url,
        page.body,
        page.headers.get("content-type"),
        fetched_at=page.fetched_at,
        status=page.status,
        source_id=page.source_id,
        warc=warc,
    )


def _read_html(file: Path) -> Found:
    try:
        if file.stat().st_size > MAX_BYTES:
            return Found(file.name, error=f"larger than {MAX_BYTES} bytes")
        html = file.read_bytes()
    except OSError as error:
        return Found(file.name, error=f"cannot be read ({error.strerror})")
    return Found(file.name, own_address(html) or import_address(html), html)


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
