"""The journal of the work on a database: what each crawl was to do and what came back, in order, and when the texts were analysed,
so that the archive alone gives the same database again.

A WARC file of its own beside the pages, with one metadata record (JSON) for each step: "begin" (version, parameters, sources,
relevance), "page" and "answer" (a fetch as the pipeline got it; the bytes of a page lie where the fetch says), "validators"
(listings that may be asked for conditionally from now on) and "end" (status). A step is written before its rows, so that a crawl
that was killed has at most one step more in its journal than in its database. An analysis is one step, "analysis" (steps, seed,
refit), in a file of its own.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from crawler.items import Answer, Page
from crawler.sources import Source
from crawler.warc import ArchiveWriter, iter_metadata
from db.models import ArchiveError, Fetch, RunStatus, from_iso, to_iso, utc_now

_FILE = re.compile(r"journal-of-(?:crawl|analysis)-(\d{14})-(\d+)-(\d{5})\.warc\.gz")
_TIMES = ("fetched_at", "published_at", "due_at")


class Journal:
    """Writes the journal of one crawl."""

    def __init__(self, folder: Path, run_id: int, *, info: dict[str, str]) -> None:
        self._archive = ArchiveWriter(folder, _name("crawl", run_id), info=info)
        self._steps = 0

    def begin(
        self,
        version: str,
        parameters: Mapping[str, object],
        sources: Sequence[Source],
        relevance: Mapping[str, object],
    ) -> None:
        """What the crawl is to do; `sources` are all that are configured."""
        described = [asdict(source) for source in sources]
        self._write(
            "begin",
            "urn:debatewatch:crawl",
            {"version": version, "parameters": parameters, "sources": described, "relevance": relevance},
        )

    def item(self, item: Page | Answer) -> int:
        """What a spider handed over; returns the number of the step. Raises ArchiveError."""
        fetch = _fetch_to_json(item.fetch)
        if isinstance(item, Page):
            values = {"fetch": fetch, "content_type": item.content_type, "published": to_iso(item.published)}
            return self._write("page", item.fetch.url, values)
        error = None if item.error is None else {"kind": type(item.error).__name__, "text": str(item.error)}
        return self._write("answer", item.fetch.url, {"fetch": fetch, "error": error})

    def validators(self, steps: Sequence[int]) -> None:
        """Listings, by the numbers of their steps, of which everything was had."""
        self._write("validators", "urn:debatewatch:crawl", {"steps": list(steps)})

    def end(self, status: RunStatus) -> None:
        """How the crawl ended; closes the file."""
        self._write("end", "urn:debatewatch:crawl", {"status": status})
        self._archive.close()

    def _write(self, what: str, url: str, values: Mapping[str, object]) -> int:
        payload = json.dumps({"what": what, **values}, ensure_ascii=False, sort_keys=True, default=str)
        self._archive.write_metadata(url, payload.encode("utf-8", errors="replace"))
        self._steps += 1
        return self._steps - 1


def note_analysis(folder: Path, run_id: int, values: Mapping[str, object]) -> None:
    """Notes in an archive that the texts were analysed; `run_id` is the last run of it. Without an archive there is nothing to
    replay, and nothing is noted. Raises ArchiveError."""
    if folder.is_dir():
        archive = ArchiveWriter(folder, _name("analysis", run_id), info={"format": "WARC File Format 1.1"})
        payload = json.dumps({"what": "analysis", **values}, sort_keys=True)
        archive.write_metadata("urn:debatewatch:analysis", payload.encode())
        archive.close()


def _name(of: str, run_id: int) -> str:
    return f"journal-of-{of}-{utc_now():%Y%m%d%H%M%S}-{run_id}"


def _fetch_to_json(fetch: Fetch) -> dict[str, Any]:
    return asdict(fetch) | {name: to_iso(getattr(fetch, name)) for name in _TIMES}


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a journal as read; `values` are those that `Journal` wrote."""

    what: str
    values: Mapping[str, Any]

    @property
    def fetch(self) -> Fetch:
        """The fetch of a page or an answer."""
        values = self.values["fetch"]
        return Fetch(**values | {name: from_iso(values.get(name)) for name in _TIMES})

    @property
    def sources(self) -> tuple[Source, ...]:
        """The configured sources, of a begin."""
        entries: list[dict[str, Any]] = self.values["sources"]
        return tuple(Source(**{key: _frozen(value) for key, value in entry.items()}) for entry in entries)


def _frozen(value: Any) -> Any:
    """JSON knows no tuples."""
    return tuple(value) if isinstance(value, list) else value


def is_journal(path: Path) -> bool:
    """Whether a file of an archive is a journal: it holds no page."""
    return _FILE.fullmatch(path.name) is not None


def journals(folder: Path) -> list[tuple[Path, ...]]:
    """The files of each journal in an archive, the oldest first. Raises ArchiveError when there is none of a crawl."""
    found: dict[tuple[str, int], list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        match = _FILE.fullmatch(path.name)
        if match:
            found.setdefault((match[1], int(match[2])), []).append(path)
    if not any("-of-crawl-" in files[0].name for files in found.values()):
        raise ArchiveError(
            f"{folder}: no journal of a crawl in it, so it cannot be replayed; `debatewatch import` takes in its pages"
        )
    return [tuple(found[key]) for key in sorted(found)]


def read_journal(files: Sequence[Path], problems: list[str]) -> Iterator[Step]:
    """The steps of one journal, in order; what cannot be read ends it with a line in `problems`."""
    for path in files:
        for payload in iter_metadata(path, on_error=problems.append):
            try:
                values = json.loads(payload)
                yield Step(values.pop("what"), values)
            except (ValueError, KeyError, TypeError, AttributeError) as error:
                problems.append(f"{path}: a record that is no step of a journal ({error})")
                return
