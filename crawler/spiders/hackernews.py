"""Hacker News: stories and comment threads by date, through the search service hn.algolia.com/api (its documentation).

`url` is the base of the interface (https://hn.algolia.com/api/v1), `query` the words. A story or comment that matches names its
thread; the thread is read as a post with its comments, each under its own address on news.ycombinator.com.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from scrapy.http import Response

from crawler.items import Entry
from crawler.paragraphs import clean_text
from crawler.spiders.answers import from_seconds, read_json_object
from crawler.spiders.base import SourceSpider
from crawler.spiders.listing import Listing, ListingError, Scope
from crawler.structured_data import plain_text
from db.models import Article, ExtractionError

HITS = 100
"""Of one page of results; the service shows the first 1,000 hits of a search, so that older ones need a search of their own."""
MAX_COMMENTS = 5_000
_ITEM = "https://news.ycombinator.com/item?id="


class HackerNewsSpider(SourceSpider):
    """kind = "hackernews": newest first."""

    name = "hackernews"
    anywhere = True

    @classmethod
    def first(cls, scope: Scope) -> tuple[str, ...]:
        """One search for each query."""
        base = scope.source.url.rstrip("/")
        return tuple(_search(base, query, scope.since, scope.until, 0) for query in scope.source.query)

    @classmethod
    def read(cls, response: Response, scope: Scope) -> Listing:
        """The threads of the hits."""
        return read_hits(response.body, response.url, scope)


def _search(base: str, query: str, since: datetime | None, until: datetime | None, page: int) -> str:
    bounds = [f"created_at_i>={since.timestamp():.0f}"] if since else []
    bounds += [f"created_at_i<={until.timestamp():.0f}"] if until else []
    parameters = {"query": query, "tags": "(story,comment)", "hitsPerPage": str(HITS), "page": str(page)}
    if bounds:
        parameters["numericFilters"] = ",".join(bounds)
    return f"{base}/search_by_date?{urlencode(parameters)}"


def read_hits(body: bytes, url: str, scope: Scope) -> Listing:
    """One page of results and the next one. A thread counts as changed when its latest hit was written."""
    answer = read_json_object(body)
    hits = answer.get("hits")
    if not isinstance(hits, list):
        raise ListingError(f"no hits in the answer: {answer.get('message') or 'another format'}")
    base = scope.source.url.rstrip("/")
    entries = [entry for hit in hits if isinstance(hit, dict) for entry in _entry(hit, base)]
    return Listing(tuple(entries), _following(answer, url, entries, scope))


def _entry(hit: dict[str, Any], base: str) -> Iterator[Entry]:
    is_comment = "comment" in (hit.get("_tags") or ()) or hit.get("comment_text") is not None
    thread = str((hit.get("story_id") if is_comment else hit.get("objectID")) or "")
    written = from_seconds(hit.get("created_at_i"))
    if thread.isdigit() and written is not None:
        yield Entry(_ITEM + thread, None if is_comment else written, written, ask=f"{base}/items/{thread}")


def _following(answer: dict[str, Any], url: str, entries: list[Entry], scope: Scope) -> tuple[str, ...]:
    asked = dict(parse_qsl(urlsplit(url).query))
    page, pages = int(answer.get("page") or 0), int(answer.get("nbPages") or 0)
    base, query = scope.source.url.rstrip("/"), asked.get("query", "")
    if page + 1 < pages:
        until = next((part[14:] for part in asked.get("numericFilters", "").split(",") if "<=" in part), None)
        return (_search(base, query, scope.since, from_seconds(until), page + 1),)
    if entries and int(answer.get("nbHits") or 0) > pages * HITS:
        # What the service holds back is older than what it showed.
        return (_search(base, query, scope.since, min(entry.updated for entry in entries if entry.updated), 0),)
    return ()


def read_thread(body: bytes, url: str) -> list[Article]:
    """A story and its comments, from /items/ID; deleted ones are left out. Raises ExtractionError when there is no story."""
    try:
        story = read_json_object(body)
    except ListingError as error:
        raise ExtractionError(str(error)) from error
    title, text = clean_text(plain_text(str(story.get("title") or ""))), _text(story.get("text"))
    if not title and not text:
        raise ExtractionError("no title and no text: the story was deleted")
    article = Article(
        url=url,
        # A story that links elsewhere has no text of its own.
        title=title or text.split("\n", 1)[0][:120],
        text=text or title,
        authors=_author(story),
        published_at=from_seconds(story.get("created_at_i")),
        language="en",
        kind="post",
        sitename="Hacker News",
    )
    return [article, *_comments(story, article)]


def _comments(story: dict[str, Any], article: Article) -> Iterator[Article]:
    # A stack, not recursion: threads nest as deep as people answer.
    waiting, found = list(reversed(_children(story))), 0
    while waiting and found < MAX_COMMENTS:
        comment = waiting.pop()
        waiting.extend(reversed(_children(comment)))
        text, number = _text(comment.get("text")), str(comment.get("id") or "")
        if not text or not number.isdigit():
            continue
        found += 1
        yield Article(
            url=_ITEM + number,
            title=f"Comment on {article.title}",
            text=text,
            authors=_author(comment),
            published_at=from_seconds(comment.get("created_at_i")),
            language="en",
            kind="comment",
            sitename="Hacker News",
            parent_url=article.url,
        )


def _children(item: dict[str, Any]) -> list[dict[str, Any]]:
    children = item.get("children")
    return [child for child in children if isinstance(child, dict)] if isinstance(children, list) else []


def _author(item: dict[str, Any]) -> tuple[str, ...]:
    author = item.get("author")
    return (author,) if isinstance(author, str) and author else ()


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return "\n\n".join(part for part in (clean_text(plain_text(part)) for part in value.split("<p>")) if part)
