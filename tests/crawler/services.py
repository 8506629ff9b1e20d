"""Loopback servers that answer as public interfaces are documented to: Hacker News search, arXiv, GDELT, Wayback, Common Crawl.

Each is a handler for `WebServer.otherwise`; the documentation of its format stands in its docstring.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from io import BytesIO
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

from tests.crawler.webserver import Asked, Reply


def json_reply(value: object, status: int = 200, **headers: str) -> Reply:
    return Reply(json.dumps(value).encode(), status, headers, "application/json")


def digits(moment: datetime) -> str:
    return moment.strftime("%Y%m%d%H%M%S")


def parameters(asked: Asked) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(asked.path).query).items()}


@dataclass
class HackerNews:
    """hn.algolia.com/api: `search_by_date` gives hits, nbHits, page, nbPages (of at most 1,000 hits), hitsPerPage; newest first;
    `numericFilters` bounds created_at_i; `/items/ID` gives a story with its comments as nested `children`."""

    items: list[dict[str, Any]]
    """Stories and comments as `hit` or `item` write them, with `children` ids."""
    shown: int = 1_000
    busy: int = 0
    """So many first answers are 429 with Retry-After."""

    def __call__(self, asked: Asked) -> Reply:
        if self.busy:
            self.busy -= 1
            return Reply(b"Too many requests", 429, {"Retry-After": "1"})
        path = urlsplit(asked.path).path
        if path.startswith("/api/v1/items/"):
            found = next((item for item in self.items if str(item["id"]) == path.rpartition("/")[2]), None)
            return json_reply(self._tree(found)) if found else json_reply({"error": "Not Found", "status": 404}, 404)
        if path != "/api/v1/search_by_date":
            return Reply(b"not here", 404)
        given = parameters(asked)
        assert given["tags"] == "(story,comment)"
        hits = [self._hit(item) for item in sorted(self.items, key=lambda item: -item["created_at_i"])]
        for bound in filter(None, given.get("numericFilters", "").split(",")):
            name, sign, value = bound.partition(">=") if ">=" in bound else bound.partition("<=")
            assert name == "created_at_i"
            hits = [h for h in hits if (h[name] >= int(value) if sign == ">=" else h[name] <= int(value))]
        size, page = int(given["hitsPerPage"]), int(given["page"])
        pages = -(-min(len(hits), self.shown) // size)
        part = hits[page * size : (page + 1) * size] if page < pages else []
        return json_reply({"hits": part, "nbHits": len(hits), "page": page, "nbPages": pages, "hitsPerPage": size})

    def _hit(self, item: dict[str, Any]) -> dict[str, Any]:
        kind, common = item["type"], {"created_at_i": item["created_at_i"], "author": item["author"]}
        if kind == "comment":
            return common | {
                "objectID": str(item["id"]),
                "story_id": item["story_id"],
                "comment_text": item["text"],
                "_tags": ["comment", f"author_{item['author']}", f"story_{item['story_id']}"],
            }
        return common | {
            "objectID": str(item["id"]),
            "title": item["title"],
            "url": item.get("url"),
            "_tags": ["story"],
        }

    def _tree(self, item: dict[str, Any]) -> dict[str, Any]:
        children = [self._tree(child) for child in self.items if child.get("parent_id") == item["id"]]
        return {"title": None, "text": None, "url": None} | item | {"children": children}


@dataclass
class Arxiv:
    """info.arxiv.org/help/api/user-manual.html: Atom with opensearch:totalResults; `start`, `max_results`, sorted by submittedDate;
    `submittedDate:[FROM TO]` in the search; errors as a feed with one entry of /api/errors."""

    papers: Mapping[str, tuple[datetime, datetime, str]]
    """id -> (published, updated, abstract)."""
    empty_once: bool = False

    def __call__(self, asked: Asked) -> Reply:
        given = parameters(asked)
        if "broken" in given["search_query"]:
            return self._feed(
                "<entry><id>http://arxiv.org/api/errors#incorrect_id_format</id><title>Error</title>"
                "<summary>incorrect search</summary></entry>",
                1,
                status=400,
            )
        assert (given["sortBy"], given["sortOrder"]) == ("submittedDate", "descending")
        papers = sorted(self.papers.items(), key=lambda paper: paper[1][0], reverse=True)
        if "submittedDate:[" in given["search_query"]:
            first, last = given["search_query"].partition("submittedDate:[")[2].rstrip("]").split(" TO ")
            papers = [paper for paper in papers if first <= paper[1][0].strftime("%Y%m%d%H%M") <= last]
        start, size = int(given["start"]), int(given["max_results"])
        if self.empty_once and start:
            self.empty_once = False
            return self._feed("", len(papers))
        return self._feed("".join(self._entry(*paper) for paper in papers[start : start + size]), len(papers))

    def _entry(self, number: str, paper: tuple[datetime, datetime, str]) -> str:
        published, updated, abstract = paper
        version = 1 if published == updated else 2
        return (
            f"<entry><id>http://arxiv.org/abs/{number}v{version}</id><updated>{updated:%Y-%m-%dT%H:%M:%SZ}</updated>"
            f"<published>{published:%Y-%m-%dT%H:%M:%SZ}</published><title>Paper\n  {number}</title>"
            f"<summary>  {escape(abstract)}\n</summary><author><name>Ana Lima</name></author><author><name>Bo Berg</name>"
            f'</author><arxiv:primary_category xmlns:arxiv="http://arxiv.org/schemas/atom" term="cs.CY"/>'
            f'<link href="http://arxiv.org/abs/{number}v{version}" rel="alternate" type="text/html"/></entry>'
        )

    def _feed(self, entries: str, total: int, status: int = 200) -> Reply:
        xml = (
            '<?xml version="1.0" encoding="UTF-8"?><feed xmlns="http://www.w3.org/2005/Atom"><title>ArXiv Query</title>'
            f'<opensearch:totalResults xmlns:opensearch="http://a9.com/-/spec/opensearch/1.1/">{total}'
            f"</opensearch:totalResults>{entries}</feed>"
        )
        return Reply(xml.encode(), status, content_type="application/atom+xml; charset=UTF-8")


@dataclass
class Gdelt:
    """blog.gdeltproject.org/gdelt-doc-2-0-api-debuts: mode=ArtList, format=json, at most 250 records, no further pages; times of
    fourteen digits; complaints are plain text with status 200, too fast askers get 429."""

    articles: Mapping[str, datetime]
    """Address -> when GDELT saw it."""
    busy: int = 0

    def __call__(self, asked: Asked) -> Reply:
        given = parameters(asked)
        if self.busy:
            self.busy -= 1
            text = b"Please limit requests to one every 5 seconds or contact us for larger queries."
            return Reply(text, 429, {"Retry-After": "1"}, "text/html")
        if len(given["query"]) < 5:
            return Reply(b"The specified phrase is too short.", content_type="text/html")
        assert (given["mode"], given["format"], given["sort"]) == ("ArtList", "json", "DateDesc")
        first, last = given.get("startdatetime", "0"), given.get("enddatetime", "9")
        found = sorted(
            ((moment, url) for url, moment in self.articles.items() if first <= digits(moment) <= last), reverse=True
        )
        articles = [
            {
                "url": url,
                "url_mobile": "",
                "title": "An article",
                "seendate": moment.strftime("%Y%m%dT%H%M%SZ"),
                "socialimage": "",
                "domain": urlsplit(url).hostname,
                "language": "English",
                "sourcecountry": "United States",
            }
            for moment, url in found[: int(given["maxrecords"])]
        ]
        return json_reply({"articles": articles} if articles else {})


@dataclass
class Wayback:
    """github.com/internetarchive/wayback, wayback-cdx-server/README.md: output=json gives field names, rows, and with
    showResumeKey after an empty row the key, as it goes into an address; sorted by address and time. Pages as captured are at
    /web/TIMEid_/ADDRESS."""

    captures: list[tuple[datetime, str, str, Reply]]
    """(when, address, status, page)."""
    most: int = 1_000

    def __call__(self, asked: Asked) -> Reply:
        path = urlsplit(asked.path).path
        if path.startswith("/web/"):
            for moment, address, _, page in self.captures:
                if unquote(asked.path) == f"/web/{digits(moment)}id_/{address}":
                    return page
            return Reply(b"not captured", 404)
        if path != "/cdx/search/cdx":
            return Reply(b"not here", 404)
        given = parse_qs(urlsplit(asked.path).query)
        (pattern,), (first,), (last,) = given["url"], given["from"], given["to"]
        assert (given["output"], given["showResumeKey"]) == (["json"], ["true"])
        rows, seen = [], set()
        for moment, address, status, _ in sorted(self.captures, key=lambda capture: (capture[1], capture[0])):
            wanted = pattern.removesuffix("*") in address and first <= digits(moment) <= last
            wanted = wanted and ("statuscode:200" not in given.get("filter", []) or status == "200")
            if wanted and not (given.get("collapse") == ["urlkey"] and address in seen):
                seen.add(address)
                rows.append([digits(moment), address, "text/html", status])
        after = int(given.get("resumeKey", ["0 0"])[0].split()[-1])
        size = min(int(given["limit"][0]), self.most)
        part = rows[after : after + size]
        if not part:
            return json_reply([])
        rest = [[], [f"org%2Cexample%29%2F+{after + size}"]] if len(rows) > after + size else []
        return json_reply([["timestamp", "original", "mimetype", "statuscode"], *part, *rest])


def warc_record(url: str, body: bytes, moment: datetime, content_type: str = "text/html; charset=utf-8") -> bytes:
    """One response as a gzip member of its own (WARC 1.1, ISO 28500:2017)."""
    from warcio.statusandheaders import StatusAndHeaders
    from warcio.warcwriter import WARCWriter

    stream = BytesIO()
    writer = WARCWriter(stream, gzip=True)
    headers = StatusAndHeaders("200 OK", [("Content-Type", content_type)], protocol="HTTP/1.1")
    record = writer.create_warc_record(
        url,
        "response",
        payload=BytesIO(body),
        http_headers=headers,
        warc_headers_dict={"WARC-Date": moment.strftime("%Y-%m-%dT%H:%M:%SZ")},
    )
    writer.write_record(record)
    return stream.getvalue()


@dataclass
class CommonCrawl:
    """commoncrawl.org/blog/announcing-the-common-crawl-index and pywb's CDX server API: /collinfo.json lists the crawls, their
    `cdx-api` takes url, output=json (an object a line), page, showNumPages; 404 with a message when nothing was captured.
    data.commoncrawl.org gives files, in part with Range (RFC 9110, 14), lists of files as warc.paths.gz."""

    crawls: Mapping[str, list[tuple[str, datetime, bytes]]] = field(default_factory=dict)
    """Name of a crawl -> (address, when, page); all captures of one crawl are in one file."""
    files: dict[str, bytes] = field(default_factory=dict)
    page_size: int = 2
    ignores_range: bool = False

    def __call__(self, asked: Asked) -> Reply:
        path = urlsplit(asked.path).path
        if path == "/collinfo.json":
            base = f"http://{asked.headers['host']}"
            return json_reply(
                [
                    {"id": name, "name": name, "cdx-api": f"{base}/{name}-index"}
                    for name in sorted(self.crawls, reverse=True)
                ]
            )
        name = path.strip("/").removesuffix("-index")
        if name in self.crawls:
            return self._index(name, parameters(asked))
        return self._file(path.strip("/"), asked.headers.get("range"))

    def _index(self, name: str, given: dict[str, str]) -> Reply:
        lines, offset, data = [], 0, b""
        for url, moment, page in self.crawls[name]:
            record = warc_record(url, page, moment)
            if given["url"].removesuffix("*") in url:
                lines.append(
                    {"urlkey": "x", "timestamp": digits(moment), "url": url, "mime": "text/html", "status": "200"}
                    | {"length": str(len(record)), "offset": str(offset), "filename": f"crawl-data/{name}.warc.gz"}
                )
            offset, data = offset + len(record), data + record
        self.files[f"crawl-data/{name}.warc.gz"] = data
        if not lines:
            return json_reply({"message": f"No Captures found for: {given['url']}"}, 404)
        if given.get("showNumPages"):
            return json_reply({"pages": -(-len(lines) // self.page_size), "pageSize": 5, "blocks": 1})
        start = int(given["page"]) * self.page_size
        part = lines[start : start + self.page_size]
        return Reply("\n".join(map(json.dumps, part)).encode(), content_type="text/x-ndjson")

    def _file(self, path: str, wanted: str | None) -> Reply:
        data = self.files.get(path)
        if data is None:
            return Reply(b"<Error><Code>NoSuchKey</Code></Error>", 404, content_type="application/xml")
        if wanted is None or self.ignores_range:
            return Reply(data, content_type="application/octet-stream")
        first, last = map(int, wanted.removeprefix("bytes=").split("-"))
        if first >= len(data):
            return Reply(b"", 416, {"Content-Range": f"bytes */{len(data)}"})
        part = data[first : last + 1]
        stretch = {"Content-Range": f"bytes {first}-{first + len(part) - 1}/{len(data)}"}
        return Reply(part, 206, stretch, "application/octet-stream")


def paths_file(paths: list[str]) -> bytes:
    return gzip.compress("\n".join(paths).encode() + b"\n")


Clock = Callable[[int], datetime]


def day(number: int, hour: int = 12) -> datetime:
    """A day of March 2024."""
    return datetime(2024, 3, number, hour, tzinfo=UTC)
