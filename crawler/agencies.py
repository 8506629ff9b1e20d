"""The news agency that a page credits for its text. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from crawler.page_metadata import Metas
from crawler.structured_data import StructuredData, author_names, first_string

_AGENCIES = """
Reuters|Associated Press|The Associated Press|AP|AFP|Agence France-Presse|Agence France Presse|dpa|Deutsche Presse-Agentur|PA
PA Media|Press Association|Bloomberg|Bloomberg News|UPI|United Press International|EFE|Agencia EFE|Europa Press|ANSA|Kyodo
Kyodo News|Xinhua|Yonhap|The Canadian Press|Canadian Press|AAP|Australian Associated Press|Dow Jones Newswires|TASS|Interfax
ATS|Keystone-SDA|SDA|APA|Belga|ANP|TT|NTB|Ritzau|STT|PTI|Press Trust of India|IANS|ANI|dpa-AFX|AFX|epd|KNA|SID|dts
dts Nachrichtenagentur|Austria Presse Agentur|PAP|Polska Agencja Prasowa|ČTK|CTK|TASR|MTI|LUSA|Agência Lusa|AGI|Adnkronos
LaPresse|RIA Novosti|Укринформ|Интерфакс|ТАСС|РИА Новости|Anadolu|Anadolu Agency|Anadolu Ajansı|DHA|İHA|Notimex|Télam
Agência Brasil|Agencia Estado|Antara|Bernama|新华社|共同通信|時事通信|共同|時事|연합뉴스|AP通信|ロイター
"""
_AGENCY_NAMES = frozenset(name.casefold() for name in re.split(r"[|\n]", _AGENCIES) if name)
_AGENCY_SHAPE = re.compile(
    r"\b(?:Wire|Newswire|News Agency|Press Agency|Wire Service|Presseagentur|Nachrichtenagentur)$"
)
_DATELINE = re.compile(r"^.{0,80}?\(([A-Z][^()]{1,40})\)\s*[-–—]+\s")
_SOURCE_LINE = re.compile(
    r"^[(\[]?(?:(?:Source|Quelle|Fuente|Credit|Agency)\s*:|Reporting by|Avec|With reporting (?:from|by)|Distributed by"
    r"|This (?:story|article|report) (?:was|is) (?:first |originally )?(?:published|provided|distributed|supplied|reported) by"
    r"|Copyright \d{4},?)\s+(.{2,60}?)[.\])]?$|^[—–-]\s*(.{2,40}?)\.?$",
    re.IGNORECASE,
)
_BY = re.compile(r"^(?:by|von|par|por|di|from)[\s:]+", re.IGNORECASE)


def page_agency(data: StructuredData, metas: Metas, lines: Sequence[str], sitename: str | None) -> str | None:
    """The agency that the page credits for its text, as written: in its data, its byline, a dateline or a source line.

    lines: the text's paragraphs, and after them what stood beside it.
    """
    own = (sitename or "").casefold()
    credits = [first_string(data.article.get(key)) for key in ("sourceOrganization", "provider", "copyrightHolder")]
    credits += author_names(data, organisations=True) + metas.get("author", []) + metas.get("article:author", [])
    for name in credits:
        for part in re.split(r"\s*(?:,|;|\bet\b|\band\b|/)\s*", _BY.sub("", name or "")):
            if is_agency(part) and part.casefold() != own:
                return part
    organisation = first_string(data.article.get("sourceOrganization")) or first_string(data.article.get("provider"))
    publisher = first_string(data.article.get("publisher"))
    if (
        organisation
        and not organisation.startswith("http")
        and organisation.casefold() not in (own, (publisher or "").casefold())
    ):
        return organisation
    match = _DATELINE.match(lines[0]) if lines else None
    if match and is_agency(match[1]) and match[1].casefold() != own:
        return match[1]
    for line in (*lines[:1], *lines[-6:]):
        found = _SOURCE_LINE.match(line) if len(line) < 150 else None
        name = (found[1] or found[2] or "").strip() if found else ""
        if is_agency(name) and name.casefold() != own:
            return name
    return None


def is_agency(name: str) -> bool:
    """True for the name of a news agency: a known one, or one that calls itself a wire or a news agency."""
    return name.casefold() in _AGENCY_NAMES or bool(_AGENCY_SHAPE.search(name) and len(name.split()) <= 5)
