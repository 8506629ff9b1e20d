"""JSONL and CSV files -> what `import` is to keep, a row at a time: a row that cannot be read is told and the next one follows.

Objects and columns: `text` or `html` (one is needed), and `url`, `title`, `authors` (a list, or names separated by ";"),
`published_at` (a date; UTC where it has no offset, none when it lies in the future), `language`, `kind`. Common other names are
understood (_NAMES); what else a row holds is ignored. A text without a web address gets "import:" and the start of its sha256, so
that the same text imported twice is one article; a local path is never an address. Reads the one file that it is given.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import json
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from io import BufferedReader, TextIOWrapper
from pathlib import Path
from typing import IO, get_args

from crawler.addresses import canonical_url, is_web_url
from crawler.page_dates import parse_date
from crawler.paragraphs import clean_text
from db.models import Article, ArticleKind, utc_now

MAX_BYTES = 10_000_000
"""Of one text or page."""
MAX_LINE = 6 * MAX_BYTES
"""Of one line of JSON, which may write every character in six."""
_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_DELIMITERS = (",", ";", "\t", "|")
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
_KNOWN = frozenset(name for names in _NAMES.values() for name in names)


@dataclass(frozen=True, slots=True)
class Found:
    """One thing to keep: a page to extract, or an article that is ready; or why there is neither."""

    where: str
    """File and place in it, for messages."""
    url: str = ""
    html: bytes | None = None
    content_type: str | None = None
    article: Article | None = None
    error: str | None = None
    published_at: datetime | None = None
    """For a page that shows no date."""
    fetched_at: datetime | None = None
    status: int | None = None
    source_id: str | None = None
    warc: tuple[str, int, int] | None = None


def import_address(content: bytes) -> str:
    """The address of something that has none on the web: "import:" and the start of its sha256."""
    return f"import:{hashlib.sha256(content).hexdigest()[:32]}"


def read_jsonl(file: Path) -> Iterator[Found]:
    """What each line of a JSONL file holds, or why it holds nothing. It is UTF-8, or UTF-16 with a byte order mark."""
    try:
        with file.open("rb") as stream:
            for number, line in enumerate(_lines(_in_utf_8(stream)), 1):
                where = f"{file.name} line {number}"
                if len(line) > MAX_LINE:
                    yield Found(where, error=f"longer than {MAX_LINE} bytes")
                elif line.strip():
                    yield _from_line(line, where)
    except OSError as error:
        yield Found(file.name, error=f"cannot be read ({error.strerror})")


def _in_utf_8(stream: BufferedReader) -> Callable[[int], bytes]:
    """What reads a line of a file of UTF-8 or UTF-16, or its beginning of so many characters."""
    if not stream.peek(2).startswith(_UTF_16):
        return stream.readline
    # A line ends with "\n" alone: JSON may hold U+2028 as it is.
    text = TextIOWrapper(stream, "utf-16", errors="replace", newline="\n")
    return lambda limit: text.readline(limit).encode(errors="replace")


def _lines(read: Callable[[int], bytes]) -> Iterator[bytes]:
    """The lines of a file; of one that is too long the beginning alone, for a file without line ends must not fill the memory.
    `read` gives a line, or its beginning of so many characters."""
    while line := read(MAX_LINE + 1):
        rest = line
        while len(rest) > MAX_LINE and not rest.endswith(b"\n"):
            rest = read(MAX_LINE + 1)
        yield line


def _from_line(line: bytes, where: str) -> Found:
    try:
        row = json.loads(line.removeprefix(codecs.BOM_UTF8))
    except (ValueError, RecursionError) as error:  # JSONDecodeError and UnicodeDecodeError are ValueErrors.
        return Found(where, error=f"not JSON ({error})")
    return _from_row(row, where) if isinstance(row, dict) else Found(where, error="not a JSON object")


def read_csv(file: Path) -> Iterator[Found]:
    """What each row of a CSV file holds, or why it holds nothing. Commas, semicolons, tabs or bars stand between its columns; it is
    UTF-8, UTF-16 with a byte order mark, or windows-1252, which spreadsheets write."""
    csv.field_size_limit(MAX_BYTES)
    try:
        with file.open(encoding=_encoding(file), errors="replace", newline="") as lines:
            header = lines.readline()
            delimiter = max(_DELIMITERS, key=lambda sign: len(_KNOWN.intersection(_columns(header, sign))))
            columns = _columns(header, delimiter)
            for number, row in enumerate(_csv_rows(lines, delimiter, columns), 2):
                where = f"{file.name} row {number}"
                if isinstance(row, str):
                    yield Found(where, error=f"not a readable row ({row})")
                elif row:
                    yield _from_row(dict(zip(columns, row, strict=False)), where)
    except OSError as error:
        yield Found(file.name, error=f"cannot be read ({error.strerror})")


def _csv_rows(lines: IO[str], delimiter: str, columns: Sequence[str]) -> Iterator[list[str] | str]:
    """The cells of each row, or what is wrong with it. A quote that is opened and never closed takes its own row and not those
    below: a line inside a cell that is a whole row with its address begins the next one."""
    address = next((number for number, name in enumerate(columns) if name in _NAMES["url"]), None)
    waiting: deque[str] = deque()
    taken: list[str] = []

    def feed() -> Iterator[str]:
        while line := waiting.popleft() if waiting else lines.readline():
            taken.append(line)
            yield line

    def is_row(line: str) -> bool:
        try:
            cells = next(csv.reader([line], delimiter=delimiter, strict=True), [])
        except csv.Error:
            return False
        return address is not None and len(cells) == len(columns) and is_web_url(cells[address].strip())

    while True:
        taken.clear()
        row: list[str] | str | None
        try:
            row = next(csv.reader(feed(), delimiter=delimiter), None)
        except csv.Error as error:
            row = str(error)
        if row is None:
            return
        following = next((number for number, line in enumerate(taken) if number and is_row(line)), None)
        if following is not None:
            waiting.extendleft(reversed(taken[following:]))
            row = "a quote in it is not closed"
        yield row


def _columns(header: str, delimiter: str) -> list[str]:
    try:
        return [name.strip().lower() for name in next(csv.reader([header], delimiter=delimiter), [])]
    except csv.Error:
        return []


def _encoding(file: Path) -> str:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with file.open("rb") as stream:
        while part := stream.read(1_000_000):
            if stream.tell() == len(part) and part.startswith(_UTF_16):
                return "utf-16"
            try:
                decoder.decode(part)
            except UnicodeDecodeError:
                return "windows-1252"
    return "utf-8-sig"


def _from_row(row: Mapping[str, object], where: str) -> Found:
    cells = {ours: _cell(row, names) for ours, names in _NAMES.items()}
    text, html = cells["text"], cells["html"]
    if not isinstance(text, str) and not isinstance(html, str):
        return Found(where, error='no "text" and no "html"; one of them is needed')
    content = str(html if isinstance(html, str) else text).encode("utf-8", errors="replace")
    if len(content) > MAX_BYTES:
        return Found(where, error=f"larger than {MAX_BYTES} bytes")
    given = str(cells["url"] or "").strip()
    url = canonical_url(given) if is_web_url(given) else import_address(content)
    try:
        published_at = _moment(cells["published_at"])
    except ValueError:
        return Found(where, error=f"published_at {cells['published_at']!r} is not a date such as 2024-03-14")
    if isinstance(html, str):
        return Found(where, url, content, "text/html; charset=utf-8", published_at=published_at)
    kind: ArticleKind = "article"
    for known in get_args(ArticleKind):
        kind = known if cells["kind"] == known else kind
    body = _paragraphs(str(text))
    article = Article(
        url=url,
        title=" ".join(clean_text(str(cells["title"] or "")).split()) or body.partition("\n")[0][:100],
        text=body,
        authors=_names(cells["authors"]),
        published_at=published_at,
        language=str(cells["language"]).strip()[:2].lower() if cells["language"] else _language(body),
        kind=kind,
    )
    return Found(where, url, article=article)


def _cell(row: Mapping[str, object], names: tuple[str, ...]) -> object:
    value = next((row[name] for name in names if row.get(name) not in (None, "", [])), None)
    # JSON can write half a character ("\\ud800"), which no database takes.
    return value.encode("utf-8", errors="replace").decode() if isinstance(value, str) else value


def _names(value: object) -> tuple[str, ...]:
    parts = value if isinstance(value, list) else str(value or "").split(";")
    named = (part.get("name") if isinstance(part, dict) else part for part in parts)
    names = (" ".join(clean_text(str(name)).split()) for name in named if name is not None)
    return tuple(dict.fromkeys(name for name in names if name))


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    moment = parse_date(str(value))
    if moment is None:
        raise ValueError
    return moment if moment <= utc_now() else None


def _paragraphs(text: str) -> str:
    """The text with the paragraph breaks that extraction writes, too."""
    clean = text.replace("\r\n", "\n").replace("\r", "\n").replace("\x00", "")
    return re.sub(r"\n[ \t]*\n\s*", "\n\n", clean).strip()


def _language(text: str) -> str | None:
    import py3langid

    return str(py3langid.classify(text[:5000])[0]) if text else None
