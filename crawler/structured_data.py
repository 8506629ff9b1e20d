"""What a page says of itself in schema.org terms: JSON-LD and microdata, read leniently into plain dictionaries. Pure.

Nothing here trusts the page: wrong JSON, numbers for names and endless nesting give less data, never an exception.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from html import unescape
from typing import Any

from lxml.html import HtmlElement

Item = Mapping[str, Any]
"""One schema.org object: property -> value as the page wrote it."""

MAX_DEPTH = 12
MAX_ITEMS = 5_000
"""Real pages nest 4 to 6 deep and hold some hundred objects; these bounds only stop hostile ones."""

ARTICLE_TYPES = {
    "newsarticle": "article",
    "reportagenewsarticle": "article",
    "analysisnewsarticle": "article",
    "backgroundnewsarticle": "article",
    "opinionnewsarticle": "article",
    "reviewnewsarticle": "article",
    "askpublicnewsarticle": "article",
    "liveblogposting": "article",
    "advertisercontentarticle": "article",
    "techarticle": "article",
    "report": "article",
    "article": "article",
    "blogposting": "post",
    "socialmediaposting": "post",
    "discussionforumposting": "post",
    "scholarlyarticle": "paper",
    "medicalscholarlyarticle": "paper",
}
"""schema.org type in lower case -> the kind of article it is."""

_TAG = re.compile(r"<[^<>]{0,500}>")
_BLOCK_END = re.compile(r"</(?:p|div|h[1-6]|li|blockquote)>|<br\s*/?>", re.IGNORECASE)
_JSON_NOISE = re.compile(
    r"^\s*(?:<!--|//\s*<!\[CDATA\[|<!\[CDATA\[|/\*\s*<!\[CDATA\[\s*\*/)|(?:-->|//\s*\]\]>|\]\]>|/\*\s*\]\]>\s*\*/|;)\s*$"
)


@dataclass(frozen=True, slots=True)
class StructuredData:
    """All objects of a page, the one that is its article, and those that are comments on it, in page order."""

    items: tuple[Item, ...] = ()
    article: Item = field(default_factory=dict)
    comments: tuple[Item, ...] = ()
    from_markup: bool = False
    """True when the article is microdata: its texts are pieces of what a reader sees, menus and all."""


def read_structured_data(tree: HtmlElement, url: str) -> StructuredData:
    """Reads JSON-LD first and microdata after it; `url` tells the page's own article from those it merely links to."""
    roots: list[Any] = []
    for script in tree.iter("script"):
        if "ld+json" in (script.get("type") or "").lower():
            roots.append(_parse_json(script.text_content()))
    items = list(_walk(roots))
    article = _choose_article(items, url)
    comments = _comments(items, article)
    from_markup = not article
    if not article or not comments:
        micro = list(_walk(_microdata(tree, url)))
        article = article or _choose_article(micro, url)
        comments = comments or _comments(micro, article)
        items += micro
    return StructuredData(tuple(items), article, tuple(comments), from_markup)


def types_of(item: Item) -> tuple[str, ...]:
    """The object's schema.org types in lower case, without the address in front."""
    return tuple(name.rstrip("/").rsplit("/", 1)[-1].rsplit(":", 1)[-1].lower() for name in strings(item.get("@type")))


def strings(value: object) -> list[str]:
    """The texts in a value that may be a text, a number, an object with a name, or a list of these."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, bool) or value is None:
        return []
    if isinstance(value, int | float):
        return [str(value)]
    if isinstance(value, Mapping):
        return strings(next((value[key] for key in ("name", "@value", "url", "@id") if value.get(key)), None))
    if isinstance(value, list):
        return [text for part in value[:200] if not isinstance(part, list) for text in strings(part)]
    return []


def author_names(data: StructuredData, *, organisations: bool = False) -> list[str]:
    """The names in the article's author property, of people or else of organisations.

    Objects that are only referred to by @id are looked up among the page's.
    """
    by_id = {item["@id"]: item for item in data.items if isinstance(item.get("@id"), str) and item.get("name")}
    value = data.article.get("author") or data.article.get("creator")
    names: list[str] = []
    for author in value if isinstance(value, list) else [value]:
        if isinstance(author, Mapping):
            full = author if author.get("name") else by_id.get(str(author.get("@id")), author)
            is_organisation = "person" not in types_of(full) and any("organization" in name for name in types_of(full))
            if is_organisation == organisations or (organisations and not types_of(full)):
                given, family = first_string(full.get("givenName")), first_string(full.get("familyName"))
                names.extend(strings(full.get("name")) or ([f"{given} {family}"] if given and family else []))
        else:
            names.extend(strings(author))
    return names


def first_string(value: object) -> str | None:
    """The first text in a value, trimmed, entities resolved; None when it holds none."""
    return next((text for raw in strings(value) if (text := " ".join(unescape(raw).split()))), None)


def plain_text(value: object) -> str:
    """A text property (articleBody, text) as paragraphs separated by blank lines; markup in it is taken out."""
    raw = "\n".join(strings(value))
    if "<" in raw or "&" in raw:
        raw = unescape(_TAG.sub("", _BLOCK_END.sub("\n", raw)))
        raw = _TAG.sub("", raw)
    return "\n\n".join(line for part in raw.splitlines() if (line := " ".join(part.split())))


def _parse_json(text: str) -> Any:
    text = _JSON_NOISE.sub("", _JSON_NOISE.sub("", text.replace("\0", "")))
    # Trailing commas are the mistake seen most often in templates; strict=False allows raw line breaks in strings.
    for candidate in (text, re.sub(r",(\s*[}\]])", r"\1", text)):
        try:
            return json.loads(candidate, strict=False)
        except (ValueError, RecursionError):
            continue
    return None


def _walk(value: Any) -> Iterator[Item]:
    """Every object in a JSON value, in the order in which the page has them."""
    stack, seen = [(value, 0)], 0
    while stack and seen < MAX_ITEMS:
        current, depth = stack.pop()
        if depth > MAX_DEPTH:
            continue
        children: list[Any] = []
        if isinstance(current, Mapping):
            seen += 1
            if "@type" in current or "@id" in current or depth == 0:
                yield current
            children = list(current.values())
        elif isinstance(current, list):
            children = current
        stack.extend((child, depth + 1) for child in reversed(children) if isinstance(child, Mapping | list))


def _choose_article(items: list[Item], url: str) -> Item:
    """The page's own article: the one that carries this address, else the one that says most of itself; no entry of a live page."""
    entries = {id(entry) for item in items for entry in _walk(item.get("liveBlogUpdate"))}
    articles = [
        item for item in items if id(item) not in entries and any(name in ARTICLE_TYPES for name in types_of(item))
    ]
    if not articles:
        return {}

    def rank(item: Item) -> tuple[int, int]:
        addresses = strings(item.get("url")) + strings(item.get("mainEntityOfPage")) + strings(item.get("@id"))
        own = any(
            address.split("#")[0].split("?")[0].rstrip("/") == url.split("#")[0].split("?")[0].rstrip("/")
            for address in addresses
        )
        telling = (
            "headline",
            "datePublished",
            "author",
            "articleBody",
            "text",
            "dateModified",
            "isAccessibleForFree",
            "comment",
        )
        return int(own), sum(1 for key in telling if item.get(key))

    # max keeps the first of equals: a page's article comes before its teasers.
    return max(articles, key=rank)


def _comments(items: list[Item], article: Item) -> list[Item]:
    found = [item for item in items if "comment" in types_of(item) and plain_text(comment_text(item))]
    unique: dict[str, Item] = {}
    for item in found:
        unique.setdefault(
            f"{first_string(item.get('@id'))}|{first_string(item.get('url'))}|{plain_text(comment_text(item))}", item
        )
    return [item for item in unique.values() if item is not article]


def comment_text(item: Item) -> object:
    """The property in which a comment carries its words."""
    return next((item[key] for key in ("text", "articleBody", "commentText", "description") if item.get(key)), None)


def _microdata(tree: HtmlElement, url: str) -> list[Any]:
    if not tree.xpath("boolean(//*[@itemscope and @itemtype])"):
        return []
    from extruct.w3cmicrodata import MicrodataExtractor

    try:
        raw = MicrodataExtractor(nested=True).extract_items(tree, url)
    except Exception:  # extruct meets hostile markup with any exception; the page still has its text.
        return []
    return [_as_linked_data(item, 0) for item in raw]


def _as_linked_data(value: Any, depth: int) -> Any:
    """extruct's microdata in the shape of JSON-LD, so that one reader serves both."""
    if depth > MAX_DEPTH:
        return None
    if isinstance(value, list):
        return [_as_linked_data(part, depth + 1) for part in value]
    if isinstance(value, Mapping) and ("type" in value or "properties" in value):
        properties = value.get("properties", {})
        item = (
            {key: _as_linked_data(part, depth + 1) for key, part in properties.items()}
            if isinstance(properties, Mapping)
            else {}
        )
        item["@type"] = value.get("type", "Thing")
        if "id" in value:
            item["@id"] = value["id"]
        return item
    return value
