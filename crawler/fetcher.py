"""Fetches single addresses with the standard library, for looking at sources without a crawl and under the rules of one: robots.txt
obeyed, only public addresses and ports of the web, also behind a redirect, and limits on size, time and redirects. Writes nothing.
"""

from __future__ import annotations

import gzip
import http.client
import socket
import threading
import urllib.error
import urllib.request
import zlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any
from urllib.parse import urldefrag, urljoin, urlsplit

from scrapy.http import Headers, Response
from scrapy.responsetypes import responsetypes
from w3lib.url import safe_url_string

from crawler.addresses import absolute_url, is_web_url
from crawler.guard import AddressRefusedError, connect_public, is_public, is_web_port, literal_address
from crawler.middlewares import robots_rules
from crawler.settings import REDIRECT_MAX_TIMES, ROBOTSTXT_USER_AGENT, user_agent
from crawler.sources import CrawlSettings, Source
from db.models import DebatewatchError

_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back. `url` is the address after redirects; `body` is decompressed."""

    url: str
    status: int
    content_type: str
    body: bytes
    content_range: str = ""


class FetchError(DebatewatchError):
    """An address gave nothing that can be read; says why."""


class HTTPStatusError(FetchError):
    """An answer that is neither a success nor a redirect. `location` is what a redirect without an end points to."""

    def __init__(self, status: int, location: str = "") -> None:
        super().__init__(f"HTTP {status}")
        self.status, self.location = status, location


class Fetcher:
    """Fetches addresses one after the other. `allow_private` is for addresses of one's own network."""

    def __init__(self, settings: CrawlSettings, *, allow_private: bool = False) -> None:
        self._settings, self._allow_private = settings, allow_private
        self._robots: dict[str, Any] = {}
        self._connection: Any = None
        proxies = urllib.request.ProxyHandler({} if allow_private else None)
        self._proxies = {urlsplit(url if "//" in url else f"//{url}").hostname for url in proxies.proxies.values()}  # type: ignore[attr-defined]
        # Not build_opener: it adds handlers of ftp:, file: and data:, and one that follows redirects unseen.
        self._opener = urllib.request.OpenerDirector()
        for handler in (
            proxies,
            urllib.request.UnknownHandler(),
            _HTTP(self._connect),
            _HTTPS(self._connect),
            urllib.request.HTTPDefaultErrorHandler(),
            urllib.request.HTTPErrorProcessor(),
        ):
            self._opener.add_handler(handler)
        self._opener.addheaders = [("User-Agent", user_agent(settings.contact)), ("Accept-Encoding", "gzip")]

    @property
    def max_bytes(self) -> int:
        """Of one answer."""
        return self._settings.max_bytes

    def get(self, url: str) -> Answered:
        """One address, redirects followed. Raises FetchError with the reason in words, robots.txt among them."""
        return self._get(url)

    def response(self, url: str, *, headers: Mapping[str, str], source: Source) -> Response:
        """A listing of a source, as a spider gets it. Raises FetchError."""
        exempt = urlsplit(source.url).netloc if source.documented_api else None
        answer = self._get(urldefrag(url).url, headers, exempt=exempt)
        kept = Headers({"Content-Type": answer.content_type, "Content-Range": answer.content_range})
        address = url if answer.url == urldefrag(url).url else answer.url
        kind = responsetypes.from_args(headers=kept, url=address, body=answer.body)
        return kind(address, status=answer.status, headers=kept, body=answer.body)

    def robots(self, url: str) -> bytes:
        """The robots.txt of a site, empty when there is none. Raises FetchError when it cannot be had (RFC 9309, 2.3.1.4)."""
        try:
            return robots_rules(self._get(urljoin(url, "/robots.txt"), obey=False).body)
        except HTTPStatusError as error:
            if 400 <= error.status < 500 and error.status != 429:
                return b""
            raise FetchError(f"robots.txt unreachable ({error}), so nothing is fetched") from error
        except FetchError as error:
            raise FetchError(f"robots.txt unreachable ({error}), so nothing is fetched") from error

    def _allowed(self, url: str) -> bool:
        from protego import Protego

        site = urljoin(url, "/")
        if site not in self._robots:
            self._robots[site] = Protego.parse(self.robots(url).decode("utf-8", errors="replace"))
        return bool(self._robots[site].can_fetch(url, ROBOTSTXT_USER_AGENT))

    def _get(
        self, url: str, headers: Mapping[str, str] | None = None, *, obey: bool = True, exempt: str | None = None
    ) -> Answered:
        """obey: robots.txt is. exempt: the host of an interface whose robots.txt does not speak to programs."""
        for _ in range(REDIRECT_MAX_TIMES + 1):
            url = self._permitted(url)
            if obey and urlsplit(url).netloc != exempt and not self._allowed(url):
                raise FetchError("disallowed by robots.txt")
            try:
                return self._once(url, headers or {})
            except HTTPStatusError as error:
                if error.status not in _REDIRECTS or not error.location:
                    raise
                url = urldefrag(absolute_url(url, error.location)).url
        raise FetchError(f"more than {REDIRECT_MAX_TIMES} redirects")

    def _permitted(self, url: str) -> str:
        """The address as it goes over the wire (punycode, percent signs). Raises FetchError for one that may not be asked."""
        if not is_web_url(url):
            raise FetchError("not a web address")
        url = safe_url_string(url)
        parts = urlsplit(url)
        if not is_web_port(parts.port):
            raise FetchError(f"port {parts.port} belongs to another service than the web")
        literal = literal_address((parts.hostname or "").rstrip("."))
        if literal is not None and not is_public(literal) and not self._allow_private:
            raise FetchError(f"{parts.hostname} is not a public address; allow_private = true permits it")
        return url

    def _once(self, url: str, headers: Mapping[str, str]) -> Answered:
        """One request; raises FetchError. All of it takes no longer than the timeout, however slowly the other side sends."""
        limit, late = self._settings.max_bytes, threading.Event()

        def end() -> None:
            late.set()
            self._hang_up()

        timer = threading.Timer(self._settings.timeout, end)
        timer.daemon = True
        timer.start()
        try:
            request = urllib.request.Request(url, headers=dict(headers))  # noqa: S310 (the scheme was checked)
            with self._opener.open(request, timeout=self._settings.timeout) as response:
                body = response.read(limit + 1)
                if late.is_set():
                    raise TimeoutError
                if response.headers.get("Content-Encoding") == "gzip":
                    body = unpacked(body, limit)
                if len(body) > limit:
                    raise FetchError(f"larger than {limit} bytes")
                kind, stretch = (response.headers.get(name, "") for name in ("Content-Type", "Content-Range"))
                return Answered(url, response.status, kind, body, stretch)
        except urllib.error.HTTPError as error:
            with error:
                raise HTTPStatusError(error.code, error.headers.get("Location", "")) from error
        except AddressRefusedError as error:
            raise FetchError(str(error)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            cause = error.reason if isinstance(error, urllib.error.URLError) else error
            if isinstance(cause, AddressRefusedError):
                raise FetchError(str(cause)) from error
            if late.is_set() or isinstance(cause, TimeoutError):
                raise FetchError(f"no answer within {self._settings.timeout:g} s") from error
            raise FetchError(" ".join(str(cause).split()) or type(cause).__name__) from error
        finally:
            timer.cancel()

    def _hang_up(self) -> None:
        sock = getattr(self._connection, "opened", None)
        if sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(sock, socket.SHUT_RDWR)  # The connection's, whatever is wrapped around it.

    def _connect(self, connection: Any, address: tuple[str, int], *arguments: Any) -> socket.socket:
        self._connection = connection
        if self._allow_private or address[0] in self._proxies:
            return socket.create_connection(address, *arguments)
        return connect_public(address, *arguments)


class _KeepsSocket:
    """`opened` stays when urllib lets go of the socket, from which the body is still read."""

    opened: socket.socket | None = None

    def connect(self) -> None:
        super().connect()  # type: ignore[misc]
        self.opened = self.sock  # type: ignore[attr-defined]


class _HTTPConnection(_KeepsSocket, http.client.HTTPConnection):
    pass


class _HTTPSConnection(_KeepsSocket, http.client.HTTPSConnection):
    pass


def _connecting(connection: Any, connect: Any) -> Any:
    connection._create_connection = lambda *arguments: connect(connection, *arguments)
    return connection


class _HTTP(urllib.request.HTTPHandler):
    def __init__(self, connect: Any) -> None:
        super().__init__()
        self._connect = connect

    def http_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(lambda host, **more: _connecting(_HTTPConnection(host, **more), self._connect), req)


class _HTTPS(urllib.request.HTTPSHandler):
    def __init__(self, connect: Any) -> None:
        super().__init__()
        self._connect = connect

    def https_open(self, req: urllib.request.Request) -> Any:
        return self.do_open(lambda host, **more: _connecting(_HTTPSConnection(host, **more), self._connect), req)


def unpacked(body: bytes, limit: int) -> bytes:
    """A gzipped body, of which at most one byte more than `limit` is unpacked. Raises FetchError."""
    try:
        with gzip.GzipFile(fileobj=BytesIO(body)) as stream:
            return stream.read(limit + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise FetchError(f"cannot be unpacked ({error})") from error
