"""When a page was published and last changed: from its data, its meta tags, or what a reader sees. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache

from lxml.html import HtmlElement

from crawler.page_metadata import Metas, meta_values, text_of
from crawler.structured_data import StructuredData, strings

EARLIEST = datetime(1991, 8, 6, tzinfo=UTC)
"""The first web page; anything before is an epoch zero or a slip of a template."""

_ZONES = {
    **dict.fromkeys(("GMT", "UTC", "WET"), "Z"),
    **dict.fromkeys(("EST", "CDT"), "-0500"),
    **dict.fromkeys(("CST", "MDT"), "-0600"),
    **dict.fromkeys(("MST", "PDT"), "-0700"),
    **dict.fromkeys(("CET", "WEST"), "+0100"),
    **dict.fromkeys(("CEST", "EET"), "+0200"),
    **dict.fromkeys(("EEST", "MSK"), "+0300"),
    **dict.fromkeys(("JST", "KST"), "+0900"),
    "EDT": "-0400",
    "PST": "-0800",
    "AEST": "+1000",
    "AEDT": "+1100",
}
"""Names of zones behind an ISO date, where they mean one thing only (RFC 5322, 4.3, and those of Europe and the Pacific)."""

DATE_LANGUAGES = ("en", "fr", "de", "es", "it", "pt", "nl", "pl")
"""Languages in which a date written in words is understood."""


def page_dates(
    tree: HtmlElement, data: StructuredData, metas: Metas, url: str, *, now: datetime, fallback: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Publication and last change, UTC; never after `now`. A date without an hour is midnight UTC, one without a zone UTC."""
    modified = _first_date(
        [
            *strings(data.article.get("dateModified")),
            *meta_values(metas, "article:modified_time", "og:updated_time", "datemodified", "dcterms.modified"),
        ],
        now,
    )
    published = _declared_date(tree, data, metas, now, modified)
    if published is None:
        published = _visible_date(tree, url, now, extensive=False)
    if published is None and fallback is not None:
        published = _checked(fallback, now)
    if published is None:
        published = _visible_date(tree, url, now, extensive=True)
    if modified is not None and published is not None and modified < published:
        modified = None
    return published, modified


def _declared_date(
    tree: HtmlElement, data: StructuredData, metas: Metas, now: datetime, modified: datetime | None
) -> datetime | None:
    """The date of publication in the page's data, meta tags or marked times, in this order of trust."""
    declared = [
        *strings(data.article.get("datePublished")),
        *meta_values(
            metas,
            "article:published_time",
            "article:published",
            "og:published_time",
            "og:article:published_time",
            "datepublished",
        ),
    ]
    published = _first_date(declared, now)
    if published is not None and published == modified:
        # Some systems write the last change into both; another tag then keeps the first publication.
        return min(found for raw in declared if (found := _checked(parse_date(raw), now)))
    return published or _first_date(
        [
            *meta_values(
                metas,
                "citation_publication_date",
                "citation_online_date",
                "citation_date",
                "parsely-pub-date",
                "sailthru.date",
                "dc.date",
                "dc.date.issued",
                "dcterms.created",
                "dcterms.date",
                "pubdate",
                "publish-date",
                "publishdate",
                "date",
            ),
            *strings(data.article.get("dateCreated")),
            *_time_elements(tree),
        ],
        now,
    )


def parse_date(raw: str) -> datetime | None:
    """A date as pages write it (ISO 8601, RFC 2822, seconds since 1970, words in European languages), in UTC; None if none."""
    text = " ".join(raw.split())
    if not text or len(text) > 80 or not any(character.isdigit() for character in text):
        return None
    try:
        return _in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError):
        pass
    if re.fullmatch(r"\d{10}(?:\d{3})?", text):
        return datetime.fromtimestamp(int(text[:10]), UTC)
    match = re.match(
        r"(\d{4})[-/](\d{2})[-/](\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?\s*(Z|[+-]\d{2}:?\d{2})?([A-Z]{3,4}\b)?)?",
        text,
    )
    if match:
        try:
            return _in_utc(
                datetime.fromisoformat(
                    f"{match[1]}-{match[2]}-{match[3]}"
                    + (f"T{match[4]}{match[5] or _ZONES.get(match[6], '')}" if match[4] else "")
                )
            )
        except (ValueError, OverflowError):
            return None
    try:
        return _in_utc(parsedate_to_datetime(text))
    except (ValueError, TypeError, OverflowError, IndexError):
        pass
    return _date_in_words(text)


def _date_in_words(text: str) -> datetime | None:
    if not re.search(r"\b(?:19|20)\d\d\b", text):
        return None
    import dateparser

    try:
        found = dateparser.parse(
            text,
            languages=list(DATE_LANGUAGES),
            settings={"STRICT_PARSING": True, "PARSERS": ["absolute-time"], "DATE_ORDER": "DMY"},
        )
        return _in_utc(found) if found else None
    except Exception:  # dateparser raises many kinds on odd input; an unread date is None, never a guess.
        return None


def _in_utc(moment: datetime) -> datetime:
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return moment.replace(microsecond=0)


def _checked(moment: datetime | None, now: datetime) -> datetime | None:
    if moment is None:
        return None
    try:
        moment = _in_utc(moment)
    except OverflowError:
        return None
    return moment if EARLIEST <= moment <= now else None


def _first_date(candidates: list[str], now: datetime) -> datetime | None:
    return next((found for raw in candidates if (found := _checked(parse_date(raw), now))), None)


def _time_elements(tree: HtmlElement) -> Iterator[str]:
    """Dates in <time>: those marked as the publication first; never those in asides, comments or lists of other articles."""
    others = "ancestor::aside or ancestor::footer or ancestor::nav or ancestor::li or ancestor::*[contains(@itemtype, 'Comment')]"
    marked: list[str] = []
    plain: list[str] = []
    for element in tree.xpath(f"//time[not({others})] | //*[@itemprop='datePublished' and not({others})]")[:20]:
        value = element.get("datetime") or element.get("content") or text_of(element)
        (
            marked
            if element.get("pubdate") is not None
            or "publi" in (element.get("itemprop") or element.get("class") or "").lower()
            else plain
        ).append(value)
    yield from (*marked, *plain)


def _visible_date(tree: HtmlElement, url: str, now: datetime, *, extensive: bool) -> datetime | None:
    from htmldate import find_date

    _limit_languages()
    try:
        found = find_date(
            tree,
            extensive_search=extensive,
            original_date=True,
            url=url,
            max_date=(now + timedelta(days=1)).strftime("%Y-%m-%d"),
        )
    except Exception:  # htmldate raises ValueError, TypeError or OverflowError on hostile markup.
        return None
    return _checked(parse_date(found), now) if found else None


@cache
def _limit_languages() -> None:
    """htmldate asks dateparser for a date in any of 200 languages, which takes 2.5 s the first time; these take 0.4 s."""
    import dateparser
    import htmldate.extractors

    settings = {"NORMALIZE": True, "PARSERS": ["custom-formats", "absolute-time"], "PREFER_DATES_FROM": "past"}
    parser = dateparser.DateDataParser(languages=list(DATE_LANGUAGES), settings={**settings, "STRICT_PARSING": True})
    htmldate.extractors.get_external_parser = cache(lambda: parser)
