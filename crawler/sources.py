"""Loads and validates sources.toml -> frozen SourcesFile. Reads that one file; no network, no database."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from crawler.addresses import is_web_url
from db.models import SourceRow, SourcesFileError, UnknownNameError

SourceKind = Literal[
    "feed", "sitemap", "section", "hackernews", "arxiv", "gdelt", "wayback", "commoncrawl", "commoncrawl-news"
]
KINDS: tuple[SourceKind, ...] = get_args(SourceKind)
NEED_QUERY = ("hackernews", "arxiv", "gdelt", "wayback", "commoncrawl")
KIND_DELAYS: Mapping[str, float] = {"arxiv": 3.0, "gdelt": 5.0}
"""Seconds between two requests that the owners of interfaces ask for (info.arxiv.org/help/api/tou.html; what api.gdeltproject.org
answers to faster ones). A source's own `delay` counts instead."""
SHIPPED_SOURCES = Path(__file__).with_name("sources.toml")


@dataclass(frozen=True, slots=True)
class CrawlSettings:
    """The one polite setting for all sources. Times in seconds, sizes in bytes."""

    contact: str = ""
    """An address or page that a site's owner can write to; sent in the User-Agent."""
    delay: float = 1.0
    """Between two requests to one site; a longer Crawl-delay of its robots.txt counts instead."""
    concurrency: int = 8
    """Sites read at the same time."""
    timeout: float = 30.0
    retries: int = 2
    """Further tries after a 429, a 5xx answer or a broken connection."""
    max_bytes: int = 10_000_000
    """Larger answers are given up, before and after decompression."""
    limit: int = 200
    """New or changed pages of one source in one crawl; the next crawl takes the next ones."""
    minutes: float = 30.0
    """For one source in one crawl; a site that answers slowly, or wants long delays, gives the rest in the next one. Not when going
    back to --since."""
    recheck_days: float = 3.0
    """So long after its publication a page is looked at again (for corrections) when its listing has no date of change."""


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """Who is told when something is wrong with a source, and when it is well again. The one on the terminal always is."""

    webhook: str | None = None
    """Gets a POST of JSON; its "text" is what chat services show."""
    email: str | None = None
    email_from: str | None = None
    """Default: the same address."""
    smtp: str = "smtp://localhost:25"
    """smtp://user@host:port (with STARTTLS where it is offered) or smtps://; the password is $DEBATEWATCH_SMTP_PASSWORD."""


@dataclass(frozen=True, slots=True)
class Source:
    """One [[source]] entry. `include` and `exclude` are regular expressions searched for in a page's URL."""

    id: str
    name: str
    kind: SourceKind
    url: str
    country: str | None = None
    language: str | None = None
    allow_private: bool = False
    delay: float | None = None
    limit: int | None = None
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    links: str | None = None
    """CSS selector of the links to articles on a section page."""
    next: str | None = None
    """CSS selector of the link to the next section page."""
    query: tuple[str, ...] = ()
    """What an interface is asked for: words (hackernews), a search in its own syntax (arxiv, gdelt), or addresses such as
    "example.org/blog/*" (wayback, commoncrawl). Several are asked one after the other."""
    data_url: str = "https://data.commoncrawl.org"
    """Where the captures that Common Crawl's index names lie."""
    documented_api: bool = False
    """`url` is an interface that its owner documents for programs: a Disallow of its robots.txt, which speaks to crawlers of pages,
    does not close it (arXiv's does so). Pages are never covered by it."""
    max_pages: int | None = None
    """Listing documents (section pages, child sitemaps, feed pages, pages of results) read in one crawl: 10, and up to 1,000 on the
    way back to --since."""
    relevance: bool = True
    """False: everything is kept, whatever it is about."""
    unverified: bool = False
    """Whoever wrote the entry was not certain of the address; `debatewatch sources check` tells."""
    allowed_domains: tuple[str, ...] = ()
    """Further hosts that listed pages may lie on."""
    hints: Mapping[str, str] = field(default_factory=dict)
    """CSS selectors of body, title, author and date, and of what to remove first, where extraction alone goes wrong."""
    note: str | None = None

    def to_row(self) -> SourceRow:
        """The entry as the database keeps it: what differs from the defaults is its config."""
        default = Source(self.id, self.name, self.kind, self.url)
        config = {
            key: value
            for key, value in asdict(self).items()
            if value != getattr(default, key) and key not in ("country", "language")
        }
        return SourceRow(self.id, self.name, self.url, self.kind, self.country, self.language, config)


@dataclass(frozen=True, slots=True)
class SourcesFile:
    """A whole sources.toml. `relevance` is its table as read, for crawler.relevance."""

    path: Path
    crawl: CrawlSettings
    relevance: Mapping[str, object]
    sources: tuple[Source, ...]
    alerts: AlertSettings = AlertSettings()

    def pick(self, ids: tuple[str, ...] | list[str]) -> tuple[Source, ...]:
        """The sources of these ids, all when there are none. Raises UnknownNameError with the nearest id that exists."""
        known = {source.id: source for source in self.sources}
        for wanted in ids:
            if wanted not in known:
                close = difflib.get_close_matches(wanted, known, n=1)
                hint = f"did you mean {close[0]!r}?" if close else "`debatewatch sources list` shows those that do"
                raise UnknownNameError(f"{self.path}: no source {wanted!r}; {hint}")
        return tuple(known[wanted] for wanted in dict.fromkeys(ids)) if ids else self.sources


def load_sources(path: Path | None = None) -> SourcesFile:
    """Reads sources.toml (the shipped one without `path`).

    Raises SourcesFileError with one line that names the file, the entry and the mend.
    """
    path = path or SHIPPED_SOURCES
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SourcesFileError(
            f"{path}: cannot be read ({error.strerror}); name another file with --sources"
        ) from error
    except UnicodeDecodeError as error:
        raise SourcesFileError(f"{path}: not UTF-8 at byte {error.start}; save it as UTF-8") from error
    except tomllib.TOMLDecodeError as error:
        raise SourcesFileError(f"{path}: not valid TOML: {error}") from error
    _check_keys(table, ("crawl", "alerts", "relevance", "source"), f"{path}")
    entries = table.get("source", [])
    if not isinstance(entries, list) or not entries:
        raise SourcesFileError(f"{path}: no source; add a [[source]] entry with id, name, kind and url")
    sources = tuple(_read_source(entry, number, path) for number, entry in enumerate(entries, 1))
    _check_unique(sources, path)
    relevance = table.get("relevance", {})
    if not isinstance(relevance, dict):
        raise SourcesFileError(f"{path}: relevance must be a [relevance] table")
    from crawler.relevance import Relevance

    Relevance.from_table(relevance, str(path))
    crawl, alerts = _read_crawl(table.get("crawl", {}), path), _read_alerts(table.get("alerts", {}), path)
    return SourcesFile(path, crawl, relevance, sources, alerts)


def _check_unique(sources: tuple[Source, ...], path: Path) -> None:
    ids: set[str] = set()
    for source in sources:
        if source.id in ids:
            raise SourcesFileError(f"{path}: [[source]] {source.id!r} stands there twice; give one another id")
        ids.add(source.id)


def _check_keys(table: Mapping[str, object], allowed: tuple[str, ...], where: str) -> None:
    for key in table:
        if key not in allowed:
            close = difflib.get_close_matches(key, allowed, n=1)
            mend = f"did you mean {close[0]!r}?" if close else f"known are {', '.join(allowed)}"
            raise SourcesFileError(f"{where}: unknown key {key!r}; {mend}")


def _read_crawl(table: object, path: Path) -> CrawlSettings:
    where = f"{path}: [crawl]"
    if not isinstance(table, dict):
        raise SourcesFileError(f"{path}: crawl must be a [crawl] table")
    readers: dict[str, Callable[[object, str], Any]] = {
        "contact": _text,
        "delay": _number(0),
        "concurrency": _whole(1),
        "timeout": _number(0.1),
        "retries": _whole(0),
        "max_bytes": _whole(1000),
        "limit": _whole(1),
        "minutes": _number(0.01),
        "recheck_days": _number(0),
    }
    _check_keys(table, tuple(readers), where)
    return CrawlSettings(**{key: readers[key](value, f"{where} {key}") for key, value in table.items()})


def _read_alerts(table: object, path: Path) -> AlertSettings:
    where = f"{path}: [alerts]"
    if not isinstance(table, dict):
        raise SourcesFileError(f"{path}: alerts must be an [alerts] table")
    address = _matching(r"[^@\s]+@[^@\s]+", "an e-mail address")
    readers: dict[str, Callable[[object, str], Any]] = {
        "webhook": _url,
        "email": address,
        "email_from": address,
        "smtp": _matching(
            r"smtps?://([^@\s/:]+(@[^@\s/:]+)?@)?[^@\s/:]+(:\d{1,5})?", "smtp://user@host:port or smtps://..."
        ),
    }
    _check_keys(table, tuple(readers), where)
    return AlertSettings(**{key: readers[key](value, f"{where} {key}") for key, value in table.items()})


_REQUIRED = ("id", "name", "kind", "url")


def _read_source(entry: object, number: int, path: Path) -> Source:
    if not isinstance(entry, dict):
        raise SourcesFileError(f"{path}: source {number} must be a [[source]] table")
    where = f"{path}: [[source]] {entry.get('id', f'number {number}')!r}"
    readers: dict[str, Callable[[object, str], Any]] = {
        "id": _matching(r"[a-z0-9][a-z0-9_-]{0,39}", "small letters, digits, - and _, at most 40"),
        "name": _text,
        "kind": _one_of(KINDS),
        "url": _url,
        "country": _matching(r"[A-Z]{2}", 'a code of two capitals, such as "US" (ISO 3166; "EU" and "UN" are fine)'),
        "language": _matching(r"[a-z]{2}", 'a code of two small letters, such as "en" (ISO 639-1)'),
        "allow_private": _boolean,
        "delay": _number(0),
        "limit": _whole(1),
        "include": _patterns,
        "exclude": _patterns,
        "links": _css,
        "next": _css,
        "query": _queries,
        "data_url": _url,
        "documented_api": _boolean,
        "max_pages": _whole(1),
        "relevance": _boolean,
        "unverified": _boolean,
        "allowed_domains": _texts,
        "hints": _hints,
        "note": _text,
    }
    _check_keys(entry, tuple(readers), where)
    for key in _REQUIRED:
        if key not in entry:
            raise SourcesFileError(f"{where}: {key} is missing; every source needs {', '.join(_REQUIRED)}")
    if entry["kind"] in NEED_QUERY and not entry.get("query"):
        raise SourcesFileError(f'{where}: query is missing; kind = "{entry["kind"]}" needs what to search for')
    return Source(**{key: readers[key](value, f"{where}: {key}") for key, value in entry.items()})


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise SourcesFileError(f"{where} must be text in quotes, not {value!r}")
    return value.strip()


def _texts(value: object, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise SourcesFileError(f'{where} must be a list such as ["..."], not {value!r}')
    return tuple(_text(item, where) for item in value)


def _queries(value: object, where: str) -> tuple[str, ...]:
    return tuple(
        query for query in (_texts(value, where) if isinstance(value, list) else (_text(value, where),)) if query
    )


def _boolean(value: object, where: str) -> bool:
    if not isinstance(value, bool):
        raise SourcesFileError(f"{where} must be true or false, not {value!r}")
    return value


def _whole(least: int) -> Callable[[object, str], int]:
    def read(value: object, where: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise SourcesFileError(f"{where} must be a whole number from {least} upwards, not {value!r}")
        return value

    return read


def _number(least: float) -> Callable[[object, str], float]:
    def read(value: object, where: str) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value < float("inf"):
            raise SourcesFileError(f"{where} must be a number from {least} upwards, not {value!r}")
        return float(value)

    return read


def _matching(pattern: str, words: str) -> Callable[[object, str], str]:
    def read(value: object, where: str) -> str:
        if not re.fullmatch(pattern, _text(value, where)):
            raise SourcesFileError(f"{where} must be {words}, not {value!r}")
        return _text(value, where)

    return read


def _one_of(choices: tuple[str, ...]) -> Callable[[object, str], str]:
    def read(value: object, where: str) -> str:
        if value not in choices:
            raise SourcesFileError(f"{where} must be one of {', '.join(choices)}, not {value!r}")
        return str(value)

    return read


def _url(value: object, where: str) -> str:
    if not is_web_url(_text(value, where)):
        raise SourcesFileError(f"{where} must be a whole http or https address, not {value!r}")
    if "@" in urlsplit(_text(value, where)).netloc:
        raise SourcesFileError(f"{where} must be an address without a user and a password: it is kept and shown")
    return _text(value, where)


def _patterns(value: object, where: str) -> tuple[str, ...]:
    for pattern in _texts(value, where):
        try:
            re.compile(pattern)
        except re.error as error:
            raise SourcesFileError(f"{where}: {pattern!r} is not a regular expression ({error})") from error
    return _texts(value, where)


def _css(value: object, where: str) -> str:
    from parsel.csstranslator import HTMLTranslator

    selector = _text(value, where)
    try:
        HTMLTranslator().css_to_xpath(selector)
    except Exception as error:  # cssselect has no common base for its errors.
        raise SourcesFileError(f"{where}: {selector!r} is not a CSS selector ({error})") from error
    return selector


def _hints(value: object, where: str) -> dict[str, str]:
    if not isinstance(value, dict):
        raise SourcesFileError(f'{where} must be a table such as {{body = "article .text"}}, not {value!r}')
    _check_keys(value, ("body", "title", "author", "date", "remove"), where)
    return {key: _css(selector, f"{where}.{key}") for key, selector in value.items()}
