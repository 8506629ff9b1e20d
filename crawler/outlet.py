"""The outlet that publishes a page, and how to tell its name from a headline or an author. Pure."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from crawler.page_metadata import Metas
from crawler.structured_data import StructuredData, first_string, types_of

SEPARATOR = r"(?:[-–—|│•·»›«/]|::|//)"
"""What stands, between spaces, between a headline and the name of its outlet."""

_ARTICLE = re.compile(r"^(?:the|le|la|les|l'|el|los|die|der|das|il|de|het|o|a)\s+", re.IGNORECASE)
_ADDED = re.compile(r"(?:news|online|media|digital|com|net|org|magazine?|newspaper|tv|nachrichten|noticias|aktuell)+")
_SECOND_LEVEL = frozenset(("co", "com", "org", "net", "gov", "ac", "edu", "or", "ne", "go"))


@dataclass(frozen=True)
class Outlet:
    """name: as the outlet writes it. host: that of the page, without www."""

    name: str | None = None
    host: str = ""

    def is_named(self, text: str) -> bool:
        """True for the outlet's name, however it is spelt: "BBC News" on bbc.co.uk, "La República" on larepublica.pe."""
        key = _letters(text)
        if not key:
            return False
        return any(
            key in (name, f"the{name}")
            or (len(name) >= 3 and key.startswith(name) and _ADDED.fullmatch(key[len(name) :]) is not None)
            for name in self._names
        )

    @cached_property
    def _names(self) -> frozenset[str]:
        spellings = [self.name or "", _ARTICLE.sub("", self.name or ""), re.sub(r"\.\w{2,4}$", "", self.name or "")]
        labels = self.host.split(".")
        if len(labels) > 1:
            spellings += [
                self.host,
                labels[-3] if len(labels) > 2 and labels[-2] in _SECOND_LEVEL else labels[-2],
            ]
        return frozenset(filter(None, map(_letters, spellings)))


def page_outlet(data: StructuredData, metas: Metas, url: str) -> Outlet:
    """The outlet: og:site_name, the publisher, the application's name; else its name is the host."""
    host = (urlsplit(url).hostname or "").removeprefix("www.")
    publisher = first_string(data.article.get("publisher"))
    for item in data.items:
        if "website" in types_of(item):
            publisher = publisher or first_string(item.get("name"))
    headlines = {_letters(title) for title in metas.get("og:title", ())}
    for name in (*metas.get("og:site_name", ()), publisher, *metas.get("application-name", ())):
        if name and not name.startswith("http") and len(name) <= 80 and "{" not in name:
            if any(headline.startswith(_letters(name)) and len(name.split()) > 4 for headline in headlines):
                continue  # A template that writes the headline where the outlet's name belongs.
            return Outlet(name.lstrip("@"), host)
    return Outlet(host or None, host)


def without_outlet(title: str, outlet: Outlet, headings: list[str]) -> str:
    """A headline without the outlet's name at either end, behind or before a separator."""
    if outlet.name:
        title = re.sub(rf"(?<=\S)\s+{SEPARATOR}\s+{re.escape(outlet.name)}$", "", title, flags=re.IGNORECASE)
    parts = re.split(rf"(\s+{SEPARATOR}\s+)", title)
    while len(parts) > 2 and outlet.is_named(parts[-1]):
        del parts[-2:]
        # "Headline - National | Outlet": a section in one word stands between.
        if len(parts) > 2 and re.fullmatch(r"[^\W\d]+", parts[-1]) and len(parts[0].split()) > 3:
            del parts[-2:]
    while len(parts) > 2 and outlet.is_named(parts[0]):
        del parts[:2]
    title = "".join(parts)
    prefix = re.match(r"([^:]{2,40}):\s+(?=\S)", title)
    if prefix and outlet.is_named(prefix[1]):
        title = title[prefix.end() :]
    for heading in headings:
        rest = title[len(heading) :]
        if len(heading) >= 15 and title.startswith(heading) and re.match(rf"\s+(?:{SEPARATOR}|:)\s", rest):
            return heading
    return title


def _letters(text: str) -> str:
    """Letters and digits alone, in lower case, without accents."""
    return "".join(character for character in unicodedata.normalize("NFKD", text.casefold()) if character.isalnum())
