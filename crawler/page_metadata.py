"""What a page says about its article: kind, section, language, paywall. Pure.

Its title is in page_title.py, dates in page_dates.py, authors in bylines.py.
Each property has an order of trust: the page's JSON-LD or microdata, then meta tags, then what is visible.
"""

from __future__ import annotations

import re
from functools import cache
from html import unescape
from typing import Any

from lxml.html import HtmlElement

from crawler.structured_data import ARTICLE_TYPES, StructuredData, first_string, types_of
from db.models import ArticleKind

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
        iter(meta_values(metas, "article:section", "parsely-section", "og:article:section", "section")), None
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
    tiers = [tier.lower() for tier in meta_values(metas, "article:content_tier", "og:article:content_tier")]
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
    for value in (tree.get("lang"), *meta_values(metas, "og:locale", "content-language", "language", "dc.language")):
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


def meta_values(metas: Metas, *names: str) -> list[str]:
    """The values of the meta tags of these names, in that order of names."""
    return [value for name in names for value in metas.get(name, ())]


def text_of(element: HtmlElement) -> str:
    """The words of an element on one line, without style sheets and scripts in it."""
    if element.find(".//style") is None and element.find(".//script") is None:
        return " ".join(element.text_content().split())
    return " ".join("".join(element.xpath(".//text()[not(ancestor::style or ancestor::script)]")).split())


def _own_text(element: HtmlElement) -> str:
    """The words of an element that holds a notice rather than a page."""
    own = " ".join(" ".join([element.text or "", *(child.tail or "" for child in element)]).split())
    return own if len(own) < 400 else ""


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
