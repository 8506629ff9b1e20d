"""People's names out of raw bylines: nobody's staff, no outlet, no agency, no job title. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import unescape

from crawler.agencies import is_agency
from crawler.outlet import Outlet

MAX_PEOPLE = 30
MAX_LENGTH = 60
"""Characters of one name."""

_LEAD = re.compile(
    r"^(?:(?:words|text|story|written|posted|reported|reporting|analysis|review|opinion|published|reviewed|exclusive|article"
    r"|post\s+author|veröffentlicht|geschrieben|eingestellt|aufgezeichnet|publié|écrit|rédigé|publicado|escrito|redactado"
    r"|pubblicato|scritto|geschreven|geplaatst|skriven|skrevet|napisane|autor|ein\s+(?:kommentar|gastbeitrag|interview))\s+)?"
    r"(?:by|von|vom|par|por|di|from|door|av|af|przez|yazan|a\s+cura\s+di)[\s:]+"
    r"|^(?:(?:post\s+)?authors?(?:\(s\))?|autor(?:in|en|innen|es|a|as|i|e|ka)?|auteure?s?|verfasser(?:in)?|redakteur(?:in)?"
    r"|författare|skribent|forfatter|kirjoittaja|yazar|penulis|автор|text[eo]?|tekst[ty]?|testo|interview)\s*:\s*"
    r"|^(?:post\s+)?(?:author|autor|auteur)(?=(?-i:[A-ZÀ-Þ])|\s+(?-i:[A-ZÀ-Þ]))\s*"
    r"|^(?-i:By|BY|Von|Par|Por)(?=(?-i:[A-ZÀ-Þ][a-zß-ÿ]))",  # templates that forget the space
    re.IGNORECASE,
)
_NEXT = r"(?=\s+[A-ZÀ-ÞĀ-ŽА-Я])"
_SPLIT = re.compile(
    r"\s*(?:;|\||•|·|\n|、|\band\b|\bund\b|\bsowie\b|\bet\b|\boch\b|\bog\b|\bsamt\b|\bve\b|\bи\b|\bта\b"
    rf"|\b(?:e|y|en|i|a){_NEXT}|&|\bwith\b|\bmit{_NEXT}|\bavec{_NEXT}|\bcon{_NEXT})\s*"
)
_JOB = re.compile(
    r"\b(?:reporter|editor|correspondent|columnist|writer|journalist|producer|contributor|chief|director|analyst|critic"
    r"|blogger|fellow|professor of|author of|co-?founder|bureau|desk|intern|redakteur\w*|redaktion|journaliste"
    r"|correspondant\w*|korrespondent\w*|redactor\w*|corresponsal|periodista|giornalista|inviat[oa]|redacteur|verslaggever"
    r"|assistant|senior|staff)\b",
    re.IGNORECASE,
)
_NOBODY = re.compile(
    r"^(?:the\s+)?(?:staff|admin\w*|authors?|autor(?:in|en|es)?|auteurs?|editor\w*|editorial(?:\s+\w+)?|web\s?(?:master|redaktion)"
    r"|guest(?:\s+(?:author|contributor|blogger|writer))?|gast(?:autor|beitrag)\w*|anonymous|unknown|contributor\w*|publisher"
    r"|news(?:room|desk)?|newsroom staff|team|user|root|none|null|n/a|name|press release|pressemitteilung|leserbriefe?"
    r"|letters?(?:\s+to\s+the\s+editor)?|agenc(?:y|ies|ias?)|agences?|agentur(?:en)?|agenzi[ae]|wire(?:s| services?| reports?)?"
    r"|super\s?user|default|combined|various|red\.?|(?:news\s+)?(?:services?|reports?))$"
    r"|\b(?:staff|team|desk|newsroom|editors|(?:\w*-?)redaktion\w*|r[eé]daction|redacci[oó]n?|redactie|redazione|reda[cç][aã]o"
    r"|redakcj[ai]|redakce|szerkeszt[őo]s[ée]g|toimitus|zesp[óo][łl]|redaksi(?:yon)?|admin|news|media|magazine?|magazin|online"
    r"|digital|wire|agency|agences?|agenturen|agencias?|agenzie|institute?|institut|foundation|stiftung|universit(?:y|[äa]t)"
    r"|inc|ltd|llc|gmbh|ag|e\.\s?v|(?:news\s+)?service reports?|wire reports?|editorial board|staff reporters?)\.?$"
    r"|^(?:redaktion|r[eé]daction|redacci[oó]n|redactie|redazione|reda[cç][aã]o|newsroom|team|agenturen|equipo|équipe|zesp[óo][łl])\b"
    r"|редакц|编辑部|編集部|取材班",
    re.IGNORECASE,
)
_ADDRESS = re.compile(
    r"\.(?:com|org|net|de|at|ch|fr|it|es|uk|eu|pl|nl|se|no|dk|fi|cz|tv|info|io|ai|news)\b|\[at\]|https?:", re.IGNORECASE
)
_WHEN = re.compile(
    r"\s*(?:\b(?:on|in|at|am|um|le|el|il|em|op|den|dne|vom|zuletzt|updated|published|last|posted|publi[eé]|aktualisiert)\s.*|\d.*)$",
    re.IGNORECASE,
)
"""What follows a visible name: "am 21. April", "on Monday", "Updated 20:10 GMT"."""
_PARTICLES = frozenset(
    re.findall(
        r"\S+",
        "de del della di da dos das do du des la le van von vom der den dem ten ter zu zum bin ibn al el ben y e af av of",
    )
)
_LETTER = re.compile(r"[^\W\d_]")


def clean_authors(names: Iterable[str], outlet: Outlet, *, visible: bool = False) -> tuple[str, ...]:
    """People's names out of raw bylines: no "By", e-mail, job title, agency, outlet or "Staff"; "A and B" are two.

    `visible` bylines must look like names (two or more capitalised words), as anything may stand in the same element.
    """
    people: list[str] = []
    for raw in names:
        text = re.sub(r"<[^<>]{0,200}>", " ", unescape(raw))
        if "://" in text or text.startswith("www."):
            continue
        text = re.sub(r"\S+@\S+\.\S+|@\w+|\([^()]*\)", " ", text)
        for line in text.splitlines():
            for part in _SPLIT.split(_LEAD.sub("", " ".join(line.split()))):
                people.extend(_people_in(_LEAD.sub("", part), visible))
    kept: dict[str, str] = {}
    for name in people:
        if _is_person(name, outlet, visible):
            kept.setdefault(name.casefold(), name)
    return tuple(kept.values())[:MAX_PEOPLE]


def has_lead(text: str) -> bool:
    """True when a text begins as a byline does: "By", "Von", "Autor:"."""
    return _LEAD.match(text) is not None


def _people_in(text: str, visible: bool) -> list[str]:
    """ "A, B" is two people; "A, Political Editor" and "A, London" are one."""
    parts = [part.strip(" .,:–—-/\u00a0") for part in re.split(r",|\s[-–—/]\s", text)]
    if len(parts) > 1:
        parts = [
            part
            for number, part in enumerate(parts)
            if number == 0 or (len(part.split()) >= 2 and not _JOB.search(part))
        ]
    if not visible:
        return [re.sub(r"\s+(?:on|in|at)\s+.*$", "", part) for part in parts if part]
    names = [_WHEN.sub("", part).strip(" .,:–—-/") for part in parts]
    return [name.title() if name.isupper() and " " in name else name for name in names if name]


def _is_person(name: str, outlet: Outlet, visible: bool) -> bool:
    words = name.split()
    if (
        not 2 <= len(name) <= MAX_LENGTH
        or len(words) > 6
        or _LETTER.search(name) is None
        or re.search(
            r"\d|[_/:!?…«»\"“”]" if visible else r"\d{4}.*\s|\s.*\d{4}", name
        )  # a handle may hold figures, a date is no name
        or re.search(r"[<>{}=\\]", name)
        or _ADDRESS.search(name)
    ):
        return False
    if outlet.is_named(name) or is_agency(name) or _NOBODY.search(name):
        return False
    if len(words) == 1 and name.isupper() and len(name) <= 5 and name.isascii():
        return False  # initials of an organisation
    if _JOB.search(name) and (visible or len(words) <= 3):
        return False
    return not visible or _looks_like_a_name(words)


def _looks_like_a_name(words: list[str]) -> bool:
    """Two or more capitalised words, with nothing but particles between; or few letters of a script without capitals."""
    letters = "".join(words)
    if letters.upper() == letters.lower():
        return 2 <= len(letters) <= 20
    capitals = sum(word[0].isupper() for word in words)
    return (
        capitals >= 2
        and words[0][0].isupper()
        and all(word[0].isupper() or word.casefold() in _PARTICLES for word in words)
    )
