"""Canonical URLs: one address for one article, whatever link led to it. Pure: nothing is resolved or fetched.

Syntax normalisation after RFC 3986, section 6.2; the tracking parameters are listed below.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urljoin, urlsplit, urlunsplit

_TRACKING = re.compile(
    r"^(?:utm_\w+|pk_\w+|mtm_\w+|hsa_\w+|_hs\w+|mc_[ce]id|at_(?:medium|campaign|custom\d|link\w*)|ns_\w+|fbclid|gclid|dclid|gbraid|wbraid"
    r"|msclkid|ref|yclid|twclid|ttclid|igshid|igsh|mkt_tok|vero_id|wickedid|oly_(?:anon|enc)_id|__s|ref_src|ref_url|referrer|smid|smtyp"
    r"|cmpid|cmp|ito|ncid|ocid|sr_share|srnd|sref|xtor|spm|share|shared|sh|feature|partner|taid|guccounter|guce_\w+|outputtype)$",
    re.IGNORECASE,
)
"""Parameters that say how a reader came, never what is shown. courlan's list is wider: it takes `keyword`, `cid` and `session` away
too, by which some sites address their articles."""
MAX_LENGTH = 8_000
"""Characters of an address: what every server should take (RFC 9110, 4.1). A longer one is none."""
_DEFAULT_PORTS = {"http": 80, "https": 443}
_UNRESERVED_PATH = "/:@!$&'()*+,;=~-._"
_SECTION_WORDS = frozenset(
    {"index", "home", "news", "blog", "articles", "article", "posts", "default", "search", "tag", "category"}
)
"""Last path segments that name a listing, never one article."""


def is_web_url(url: str) -> bool:
    """True for an absolute http or https address with a host name."""
    return _split(url) is not None


def absolute_url(base: str, link: str) -> str:
    """A link as the page `base` writes it -> its whole address; "" for what can be none ("http://[")."""
    try:
        return urljoin(base, link.strip())
    except ValueError:
        return ""


def canonical_url(url: str, *, declared: str | None = None) -> str:
    """The canonical form of an address; idempotent.

    Scheme and host in lower case, no default port, user, fragment, tracking parameter, AMP or mobile twin where that is safe.
    `declared` is the page's own rel=canonical or og:url (relative to `url` where it is so written); it is believed only within
    the same registrable domain, and when it does not name the home page or a section of the site.
    An address that is not on the web is returned as it is.
    """
    own = _normalise(url)
    if own is None:
        return url
    if declared:
        other = _normalise(absolute_url(url.strip(), declared))
        if other is not None and _plausible(other, own):
            own = other
    return own


def registrable_domain(url: str) -> str:
    """The domain somebody can register ("example.co.uk"), or the host itself for addresses and local names. "" for no host."""
    parts = _split(url)
    if parts is None or parts.hostname is None:
        return ""
    return str(_suffixes()(parts.hostname).top_domain_under_public_suffix) or parts.hostname


def _split(url: str) -> SplitResult | None:
    try:
        url.encode()  # JSON can write half a character ("\\ud800"), of which no request can be made.
        parts = urlsplit(url.strip())
        host, _ = parts.hostname, parts.port
    except ValueError:
        return None
    if (
        len(url) > MAX_LENGTH
        or parts.scheme.lower() not in _DEFAULT_PORTS
        or not host
        or not re.fullmatch(r"[^\s/?#@<>\"\\^`{|}%]+", host)
    ):
        return None
    return parts


def _normalise(url: str) -> str | None:
    parts = _split(url)
    if parts is None or parts.hostname is None:
        return None
    scheme = parts.scheme.lower()
    try:
        host = parts.hostname.lower().rstrip(".")
        host = host if host.isascii() else host.encode("idna").decode("ascii")
    except UnicodeError:
        return None
    if not host:
        return None
    parameters = parse_qsl(parts.query, keep_blank_values=True, max_num_fields=None)
    path, parameters = _undo_amp(_path(parts.path), parameters)
    twin = _undo_mobile(host)
    host = f"[{twin}]" if ":" in twin else twin
    if parts.port is not None and parts.port != _DEFAULT_PORTS[scheme]:
        host = f"{host}:{parts.port}"
    kept = [(key, value) for key, value in parameters if not _is_tracking(key)]
    return urlunsplit((scheme, host, path, urlencode(kept, quote_via=quote, safe="/:,;@!*()$'~"), ""))


def _path(path: str) -> str:
    """Dot segments resolved, double slashes joined, percent-encoding in one form."""
    segments: list[str] = []
    for segment in path.split("/"):
        plain = unquote(segment, errors="surrogateescape")
        if plain == "..":
            segments = segments[:-1]
        elif plain not in ("", "."):
            segments.append(quote(plain, safe=_UNRESERVED_PATH.replace("/", ""), errors="surrogateescape"))
    slash = "/" if segments and path.endswith("/") else ""
    return "/" + "/".join(segments) + slash


def _undo_amp(path: str, parameters: list[tuple[str, str]]) -> tuple[str, list[tuple[str, str]]]:
    """Only the forms that AMP plugins write: `/amp` at the end, `.amp.html`, `?amp=1`, `?outputType=amp`."""
    while True:
        shorter = re.sub(r"(?<=[^/])/amp/?$", "/" if path.endswith("/") else "", path)
        shorter = re.sub(r"\.amp(\.html?)?$", lambda match: match[1] or "", shorter)
        if shorter == path:
            break
        path = shorter
    return path, [
        (key, value) for key, value in parameters if not (key.lower() == "amp" and value.lower() in ("", "1", "true"))
    ]


def _undo_mobile(host: str) -> str:
    """`m.`, `mobile.` and `amp.` in front of a registrable domain are twins of its `www.`; anything else is left alone."""
    label, _, rest = host.partition(".")
    if label in ("m", "mobile", "amp") and rest and _suffixes()(rest).top_domain_under_public_suffix == rest:
        return f"www.{rest}"
    return host


def _is_tracking(key: str) -> bool:
    return bool(_TRACKING.match(key))


def _plausible(declared: str, own: str) -> bool:
    if registrable_domain(declared) != registrable_domain(own):
        return False
    declared_parts, own_parts = urlsplit(declared), urlsplit(own)
    if declared_parts.port != own_parts.port and declared_parts.hostname == own_parts.hostname:
        return False
    there, here = (parts.path.strip("/").split("/") for parts in (declared_parts, own_parts))
    if there == here:
        return True
    above = len(there) < len(here)
    if there == [""] or (above and (here[: len(there)] == there or there[-1].isalpha())):
        return False  # The home page or a section: a template's mistake, not the article's address.
    return there[-1].lower() not in _SECTION_WORDS or bool(declared_parts.query)


@cache
def _suffixes() -> Any:
    import tldextract

    # No list is fetched and nothing cached: the snapshot that ships with the package decides.
    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None)
