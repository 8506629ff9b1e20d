"""What a page says about its article: title, dates, kind, section, language, paywall. Pure; authors are in bylines.py.

Each property has an order of trust: the page's JSON-LD or microdata, then meta tags, then what is visible.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import cache
from html import unescape
from typing import Any
from urllib.parse import urlsplit

from lxml.html import HtmlElement

from crawler.structured_data import ARTICLE_TYPES, StructuredData, first_string, strings, types_of
from db.models import ArticleKind

EARLIEST = datetime(1991, 8, 6, tzinfo=UTC)
"""The first web page; anything before is an epoch zero or a slip of a template."""

DATE_LANGUAGES = ("en", "fr", "de", "es", "it", "pt", "nl", "pl")
"""Languages in which a date written in words is understood."""

_SEPARATORS = r"[-–—|•·»:]"
_FALSE = {"false", "no", "0", "http://schema.org/false", "https://schema.org/false"}
_PAYWALL_NOTICE = re.compile(
    r"subscribe (?:now )?to (?:continue|keep|read the (?:full|rest)|unlock)"
    r"|(?:this|the full) (?:article|story) is (?:only |reserved |exclusively )?(?:available )?(?:for|to) (?:\w+ )?subscribers"
    r"|to (?:continue|keep) reading,? (?:please )?(?:subscribe|register|sign up|log in)"
    r"|already a subscriber\? (?:log|sign) in to"
    r"|(?:article|contenu) réservé aux abonnés|abonnez-vous pour (?:lire|continuer)|il vous reste [\d.,]+ ?% de cet article"
    r"|(?:jetzt|hier) weiterlesen mit|dieser artikel ist (?:nur )?für abonnenten"
    r"|contenido exclusivo para suscriptores|suscríbete para (?:seguir|continuar)",
    re.IGNORECASE,
)
Metas = dict[str, list[str]]


def read_metas(tree: HtmlElement) -> Metas:
    """All meta tags by lower-case name or property, with their trimmed values in page order."""
    metas: Metas = {}
    for element in tree.iter("meta"):
        name = (element.get("property") or element.get("name") or element.get("itemprop") or "").strip().lower()
        value = " ".join(unescape(element.get("content") or "").split())
        if name and value:
            metas.setdefault(name, []).append(value)
    return metas


def declared_address(tree: HtmlElement, metas: Metas) -> str | None:
    """rel=canonical, else og:url, as written."""
    for link in tree.iter("link"):
        if "canonical" in (link.get("rel") or "").lower().split() and (link.get("href") or "").strip():
            return str(link.get("href")).strip()
    return next(iter(metas.get("og:url", ())), None)


def site_name(data: StructuredData, metas: Metas, url: str) -> str | None:
    """The outlet's name as it writes it: og:site_name, the publisher, the application's name; else the host."""
    publisher = first_string(data.article.get("publisher"))
    for item in data.items:
        if "website" in types_of(item):
            publisher = publisher or first_string(item.get("name"))
    for name in (*metas.get("og:site_name", ()), publisher, *metas.get("application-name", ())):
        if name and not name.startswith("http") and len(name) <= 80:
            return name.lstrip("@")
    return (urlsplit(url).hostname or "").removeprefix("www.") or None


def page_title(tree: HtmlElement, data: StructuredData, metas: Metas, sitename: str | None) -> str:
    """The headline without the outlet's name; "" when the page has none."""
    headings = [text for element in tree.iter("h1") if (text := _text_of(element))]
    head = next((text for element in tree.iter("title") if (text := _text_of(element))), "")
    candidates = [
        first_string(data.article.get("headline")),
        *metas.get("og:title", ()),
        *metas.get("citation_title", ()),
        first_string(data.article.get("name")),
        *metas.get("twitter:title", ()),
        *metas.get("parsely-title", ()),
        *metas.get("dc.title", ()),
        *(headings if len(headings) == 1 else ()),
        head,
        *headings,
        *(text for element in tree.iter("h2") if (text := _text_of(element))),
    ]
    title = next((text for raw in candidates if raw and (text := _without_markup(raw))), "")
    return _without_site(title, sitename, headings)[:500]


def page_dates(
    tree: HtmlElement, data: StructuredData, metas: Metas, url: str, *, now: datetime, fallback: datetime | None
) -> tuple[datetime | None, datetime | None]:
    """Publication and last change, UTC; never after `now`. A date without an hour is midnight UTC, one without a zone UTC."""
    published = _first_date(
        [
            *strings(data.article.get("datePublished")),
            *_metas(
                metas,
                "article:published_time",
                "article:published",
                "og:published_time",
                "og:article:published_time",
                "datepublished",
            ),
            *_metas(
                metas,
                "citation_publication_date",
                "citation_online_date",
                "citation_date",
                "parsely-pub-date",
                "sailthru.date",
            ),
            *_metas(
                metas,
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
    if published is None:
        published = _visible_date(tree, url, now, extensive=False)
    if published is None and fallback is not None:
        published = _checked(fallback, now)
    if published is None:
        published = _visible_date(tree, url, now, extensive=True)
    modified = _first_date(
        [
            *strings(data.article.get("dateModified")),
            *_metas(metas, "article:modified_time", "og:updated_time", "datemodified", "dcterms.modified"),
        ],
        now,
    )
    if modified is not None and published is not None and modified < published:
        modified = None
    return published, modified


def article_kind(data: StructuredData, metas: Metas) -> ArticleKind:
    """paper for scholarly pages, post for blogs and forums, article for everything else."""
    if "citation_title" in metas and ("citation_author" in metas or "citation_journal_title" in metas):
        return "paper"
    kinds = {ARTICLE_TYPES[name] for name in types_of(data.article) if name in ARTICLE_TYPES}
    if "paper" in kinds:
        return "paper"
    return "post" if kinds == {"post"} else "article"


def page_section(data: StructuredData, metas: Metas) -> str | None:
    """The section of the outlet in which the article stands, as written."""
    section = first_string(data.article.get("articleSection"))
    return section or next(
        iter(_metas(metas, "article:section", "parsely-section", "og:article:section", "section")), None
    )


def is_paywalled(tree: HtmlElement, data: StructuredData, metas: Metas) -> bool:
    """True when the page says that its text is not free, in data or in a notice that a reader sees."""
    article = data.article
    parts = article.get("hasPart")
    claims = [article.get("isAccessibleForFree")]
    claims += [
        part.get("isAccessibleForFree")
        for part in (parts if isinstance(parts, list) else [parts])
        if isinstance(part, dict)
    ]
    said = [str(claim).strip().lower() for claim in claims if claim is not None]
    if any(claim in _FALSE for claim in said):
        return True
    tiers = [tier.lower() for tier in _metas(metas, "article:content_tier", "og:article:content_tier")]
    if any(tier in ("locked", "metered", "paid", "premium") for tier in tiers):
        return True
    if said or tiers:
        return False
    return any(
        _PAYWALL_NOTICE.search(text)
        for element in tree.iter("p", "div", "h2", "h3", "span")
        if (text := _own_text(element))
    )


def declared_language(tree: HtmlElement, metas: Metas) -> str | None:
    """The language that the page declares, ISO 639-1 in lower case."""
    for value in (tree.get("lang"), *_metas(metas, "og:locale", "content-language", "language", "dc.language")):
        match = re.match(r"\s*([A-Za-z]{2})(?:[-_].*)?\s*$", value or "")
        if match:
            return match[1].lower()
    return None


def text_language(text: str, declared: str | None) -> str | None:
    """ISO 639-1 of a text: what its words say when they say it surely, else what the page declares."""
    words = len(text.split())
    if words < 8:
        return declared
    language, probability = _identifier().classify(text[:5000])
    # Measured on the publisher pages: at 20 words and 0.9 the words were never wrong; shorter ones mix names of all languages.
    if declared is None or (words >= 20 and probability >= 0.9):
        return str(language)
    return declared


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
        r"(\d{4})[-/](\d{2})[-/](\d{2})(?:[T ](\d{2}:\d{2}(?::\d{2})?)(?:\.\d+)?\s*(Z|[+-]\d{2}:?\d{2})?)?", text
    )
    if match:
        try:
            return _in_utc(
                datetime.fromisoformat(
                    f"{match[1]}-{match[2]}-{match[3]}" + (f"T{match[4]}{match[5] or ''}" if match[4] else "")
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
        value = element.get("datetime") or element.get("content") or _text_of(element)
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


def _metas(metas: Metas, *names: str) -> list[str]:
    return [value for name in names for value in metas.get(name, ())]


def _text_of(element: HtmlElement) -> str:
    return " ".join(element.text_content().split())


def _own_text(element: HtmlElement) -> str:
    """The words of an element that holds a notice rather than a page."""
    own = " ".join(" ".join([element.text or "", *(child.tail or "" for child in element)]).split())
    return own if len(own) < 400 else ""


def _without_markup(raw: str) -> str:
    text = re.sub(r"</?[a-zA-Z][^<>]{0,100}>", "", unescape(raw))
    return " ".join(text.replace("\u00ad", "").replace("\u200b", "").split())


def _without_site(title: str, sitename: str | None, headings: list[str]) -> str:
    """Takes the outlet's name off either end, when it is there behind a separator."""
    for name in filter(None, (sitename, re.sub(r"^(?:The|Le|La|El|Die|Der)\s+", "", sitename or ""))):
        shorter = re.sub(
            rf"\s+{_SEPARATORS}\s+(?:\w+\s+{_SEPARATORS}\s+)?{re.escape(name)}$|^{re.escape(name)}\s*{_SEPARATORS}\s+",
            "",
            title,
            flags=re.I,
        )
        if shorter and shorter != title:
            return shorter
    for heading in headings:
        rest = title[len(heading) :]
        if len(heading) >= 15 and title.startswith(heading) and re.match(rf"\s+{_SEPARATORS}\s", rest):
            return heading
    return title


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
