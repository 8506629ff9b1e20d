"""XML of strangers as a parser can take it: what sitemaps and OPML files get wrong most often, and what a parser that recovers
would cut away without a word. Pure.
"""

from __future__ import annotations

import codecs
import re
from html.entities import name2codepoint

_DECLARATION = re.compile(r"^\s*<\?xml[^>]*\?>")
_BARE_AMPERSAND = re.compile(r"&(?!#\d+;|#[xX][0-9a-fA-F]+;|[A-Za-z][\w.-]*;)")
_VERBATIM = re.compile(r"<!\[CDATA\[.*?\]\]>|<!--.*?-->", re.DOTALL)
_NAMED = re.compile(r"&(\w{2,8});")
_OF_XML = frozenset(("amp", "lt", "gt", "quot", "apos"))
_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


def xml_text(body: bytes) -> str:
    """The document as text without its declaration: by its byte order mark, else UTF-8 where it is valid, else as it declares, else
    windows-1252. Bare ampersands ("?a=1&b=2") are escaped, HTML's own entities are put into figures, and what XML has not
    is left out."""
    text = _DECLARATION.sub("", _decoded(body), count=1).strip()
    kept, end = [], 0
    for match in _VERBATIM.finditer(text):
        kept += [_with_references(text[end : match.start()]), match[0]]
        end = match.end()
    return _CONTROL.sub("", "".join([*kept, _with_references(text[end:])]))


def _with_references(text: str) -> str:
    return _NAMED.sub(_in_figures, _BARE_AMPERSAND.sub("&amp;", text))


def _in_figures(entity: re.Match[str]) -> str:
    known = entity[1] not in _OF_XML and entity[1] in name2codepoint
    return f"&#{name2codepoint[entity[1]]};" if known else entity[0]


def _decoded(body: bytes) -> str:
    for mark, encoding in ((codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16")):
        if body.startswith(mark):
            return body.decode(encoding, errors="replace")
    declared = re.match(rb"\s*<\?xml[^>]*\bencoding\s*=\s*[\"']([\w.-]{1,40})[\"']", body)
    for encoding in ("utf-8-sig", declared[1].decode() if declared else "utf-8"):
        try:
            return body.decode(encoding)
        except (UnicodeError, LookupError):
            continue
    return body.decode("windows-1252", errors="replace")
