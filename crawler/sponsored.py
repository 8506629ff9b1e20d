"""Is a page paid for by whom it is about? Told by its data, its address, or the label over its headline. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from lxml.html import HtmlElement

from crawler.page_metadata import Metas, meta_values, text_of
from crawler.structured_data import StructuredData, strings, types_of

MAX_HEAD = 600
"""Characters. More than this around the headline is no longer the head of the article."""
MAX_LABEL = 60
"""Characters of a label."""

_LABEL = re.compile(
    r"\W*(?:(?:sponsored|paid|partner|branded|promoted|advertiser|native)\s+(?:content|post|program|story|article|feature|by\b.*|for\b.*)"
    r"|advertorial|paid\s+(?:partnership|advertisement)|(?:presented|paid\s+for|brought\s+to\s+you)\s+by\b.+|brandvoice"
    r"|in\s+partnership\s+with\b.+|advertorial\s+anzeige|gesponsert(?:er\s+\w+)?|(?:bezahlter|werblicher)\s+inhalt|publireportage"
    r"|(?:contenu|article|publication)\s+(?:sponsoris[ée]e?|partenaire)|publi-?(?:r[ée]dactionnel|communiqu[ée])|communiqu[ée]\s+partenaire"
    r"|contenido\s+patrocinado|patrocinado|publirreportaje|conte[úu]do\s+(?:patrocinado|de\s+marca)|publieditorial|contenuto\s+sponsorizzato"
    r"|gesponsorde?(?:\s+\w+)?|partnerbijdrage|annons[øo]rinnhold|sponsrat(?:\s+inneh[åa]ll)?|kommersiellt\s+samarbete|kaupallinen\s+yhteisty[öo]"
    r"|(?:materia[łl]|artyku[łl])\s+(?:sponsorowany|partnera)|komer[čc]n[íi]\s+sd[ěe]len[íi])\W*",
    re.IGNORECASE,
)
_SAID = frozenset(("true", "1", "sponsored", "anzeige", "sponsor"))
"""As a section or a tag these tell; over a headline "Anzeige" stands for the advertisement beside it."""
_PATH = re.compile(
    r"/(?:sponsored(?:-content|-post)?|advertorials?|paid-?posts?|partner-?content|branded-?content|brand-?voice|native-?ad\w*|publireportage"
    r"|publirreportajes?|contenu-(?:sponsorise|partenaire))(?:/|$)",
    re.IGNORECASE,
)


def is_sponsored(tree: HtmlElement, data: StructuredData, metas: Metas, url: str) -> bool:
    """True when the page says that somebody paid for it: schema.org's AdvertiserContentArticle or sponsor, a section or tag of that
    name, an address such as /sponsored/, or a label in the head of the article. An advertisement beside it does not count.
    """
    sponsors = [name for name in strings(data.article.get("sponsor")) if not name.startswith("http")]
    if "advertisercontentarticle" in types_of(data.article) or sponsors:
        return True
    if _PATH.search(urlsplit(url).path):
        return True
    named = [
        *strings(data.article.get("articleSection")),
        *meta_values(metas, "article:section", "article:tag", "parsely-section", "og:type", "sponsored"),
    ]
    if any(_LABEL.fullmatch(name) or name.lower() in _SAID for name in named):
        return True
    return any(_LABEL.fullmatch(label) for label in _labels(tree))


def _labels(tree: HtmlElement) -> list[str]:
    """The short lines around the headline, which may say what kind of piece this is."""
    for heading in tree.iter("h1"):
        if not text_of(heading):
            continue
        head = heading
        while (parent := head.getparent()) is not None and parent.tag not in ("body", "main", "article"):
            if len(text_of(parent)) > MAX_HEAD:
                break
            head = parent
        return [
            text
            for element in head.iter("p", "div", "span", "a", "strong", "em", "b", "small", "li", "h2", "h3")
            if 0 < len(text := text_of(element)) <= MAX_LABEL
        ]
    return []
