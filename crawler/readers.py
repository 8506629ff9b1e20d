"""A page as its source gives it -> Articles: what lies in an archive's or an interface's wrapping is taken out of it first. Pure.

The same bytes give the same articles in a crawl and in its replay.
"""

from __future__ import annotations

from datetime import datetime

from crawler.extract import extract_page
from crawler.hints import apply_hints
from crawler.sources import Source
from db.models import Article, Fetch


def read_page(
    source: Source, fetch: Fetch, body: bytes, *, content_type: str | None, published: datetime | None
) -> list[Article]:
    """The article first, then its comments. `published` is the listing's date, for pages that show none.

    Raises ExtractionError when the bytes hold no article.
    """
    from crawler.spiders.arxiv import read_paper
    from crawler.spiders.commoncrawl import read_capture
    from crawler.spiders.hackernews import read_thread
    from crawler.spiders.wayback import original_address

    if source.kind == "hackernews":
        return read_thread(body, fetch.url)
    if source.kind == "arxiv":
        return [read_paper(body, fetch.url)]
    url = fetch.final_url or fetch.url
    if source.kind == "wayback":
        url = original_address(url) or fetch.url
    elif source.kind in ("commoncrawl", "commoncrawl-news"):
        url, body, content_type = read_capture(body)
    articles = extract_page(
        body, url, content_type=content_type, fallback_date=published, remove=source.hints.get("remove")
    )
    if source.hints:
        articles[0] = apply_hints(articles[0], body, content_type, source.hints)
    return articles
