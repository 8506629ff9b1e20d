"""arXiv: papers by its interface (info.arxiv.org/help/api/user-manual.html), newest first. The answers hold title, authors and
abstract, so that the papers are read from them; the paper itself is never asked for.

`url` is https://export.arxiv.org/api/query, `query` a search in its syntax ('cat:cs.CY AND all:"open weights"').
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from scrapy.http import Response

from crawler.addresses import canonical_url
from crawler.items import Entry
from crawler.paragraphs import clean_text
from crawler.spiders.answers import read_xml
from crawler.spiders.base import SourceSpider
from crawler.spiders.listing import Listing, ListingError, Scope
from crawler.spiders.sitemap import parse_moment
from db.models import Article, ExtractionError

RESULTS = 100
"""Of one answer; the manual asks for slices of at most 2,000."""
LAST_RESULT = 30_000
"""What paging reaches (user manual, 3.1.1.2); older papers need a search that ends with the oldest one seen."""
_FIRST_PAPER = datetime(1991, 8, 1, tzinfo=UTC)
_ATOM = "{http://www.w3.org/2005/Atom}"
_ABSTRACT_PAGE = re.compile(r"https?://(?:[\w-]+\.)*arxiv\.org/abs/(?P<id>.+?)(?:v\d+)?$")


class ArxivSpider(SourceSpider):
    """kind = "arxiv": a paper is read again when it has a new version."""

    name = "arxiv"
    anywhere = True

    @classmethod
    def first(cls, scope: Scope) -> tuple[str, ...]:
        """One search for each query."""
        until = scope.until or scope.now + timedelta(days=1)
        return tuple(_search(scope, query, until, 0) for query in scope.source.query)

    @classmethod
    def read(cls, response: Response, scope: Scope) -> Listing:
        """The papers of one answer, and where the next ones are."""
        return read_papers(response.body, response.url, scope)


def _search(scope: Scope, query: str, until: datetime, start: int) -> str:
    """Without a window of time the search names none, so that the same address serves every crawl."""
    if scope.since is not None or scope.until is not None or until <= scope.now:
        since = scope.since or _FIRST_PAPER
        query = f"({query}) AND submittedDate:[{since:%Y%m%d%H%M} TO {until:%Y%m%d%H%M}]"
    parameters = {
        "search_query": query,
        "start": str(start),
        "max_results": str(RESULTS),
        "sortBy": "submittedDate",
        "sortOrder": "descending",
    }
    return f"{scope.source.url}?{urlencode(parameters)}"


def read_papers(body: bytes, url: str, scope: Scope) -> Listing:
    """The papers that an answer names. Raises ListingError for arXiv's own errors, which come as a feed as well."""
    feed = _feed(body)
    papers = feed.findall(f"{_ATOM}entry")
    for paper in papers:
        if "/api/errors" in _line(paper, "id"):
            raise ListingError(f"arXiv says: {_line(paper, 'summary')}")
    entries = [entry for entry in map(_entry, papers) if entry is not None]
    return Listing(tuple(entries), _following(feed, url, entries, scope), whole=True)


def _entry(paper: Any) -> Entry | None:
    address = _address(_line(paper, "id"))
    published, updated = (parse_moment(_line(paper, name)) for name in ("published", "updated"))
    return Entry(address, published, updated) if address else None


def _following(feed: Any, url: str, entries: list[Entry], scope: Scope) -> tuple[str, ...]:
    asked = dict(parse_qsl(urlsplit(url).query))
    total = int(feed.findtext("{http://a9.com/-/spec/opensearch/1.1/}totalResults") or 0)
    start = int(asked.get("start") or 0)
    if not entries and start < total:
        raise ListingError(f"an empty answer though there are {total} papers; arXiv gives such when it is busy")
    start += RESULTS
    if start >= total:
        return ()
    if start + RESULTS > LAST_RESULT:
        query = re.sub(r"^\((.*)\) AND submittedDate:\[.*\]$", r"\1", asked.get("search_query", ""))
        return (_search(scope, query, min(entry.published for entry in entries if entry.published), 0),)
    return (f"{scope.source.url}?{urlencode(asked | {'start': str(start)})}",)


def read_paper(body: bytes, url: str) -> Article:
    """The paper with this address, from an answer that holds it among others. Raises ExtractionError when it does not."""
    try:
        papers = _feed(body).findall(f"{_ATOM}entry")
    except ListingError as error:
        raise ExtractionError(str(error)) from error
    for paper in papers:
        address = _address(_line(paper, "id"))
        if address and canonical_url(address) == url:
            return _article(paper, url)
    raise ExtractionError(f"{url} is not in the answer")


def _article(paper: Any, url: str) -> Article:
    published, updated = (parse_moment(_line(paper, name)) for name in ("published", "updated"))
    abstract = clean_text(paper.findtext(f"{_ATOM}summary") or "")
    if not abstract:
        raise ExtractionError("no abstract")
    authors = [" ".join((name.text or "").split()) for name in paper.findall(f"{_ATOM}author/{_ATOM}name")]
    category = paper.find("{http://arxiv.org/schemas/atom}primary_category")
    return Article(
        url=url,
        title=_line(paper, "title"),
        text=abstract.replace("\n\n", " "),  # arXiv breaks its lines at a width.
        authors=tuple(author for author in authors if author),
        published_at=published,
        modified_at=updated if updated != published else None,
        language="en",
        kind="paper",
        section=category.get("term") if category is not None else None,
        sitename="arXiv",
    )


def _address(identifier: str) -> str | None:
    """The abstract's page, without the version: "http://arxiv.org/abs/2403.01234v2" is one paper with v1."""
    match = _ABSTRACT_PAGE.match(identifier)
    return f"https://arxiv.org/abs/{match['id']}" if match else None


def _feed(body: bytes) -> Any:
    feed = read_xml(body)
    if feed.tag != f"{_ATOM}feed":
        raise ListingError("this is no answer of arXiv's interface")
    return feed


def _line(paper: Any, name: str) -> str:
    return " ".join((paper.findtext(f"{_ATOM}{name}") or "").split())
