"""Serves the sample outlets over real HTTP on loopback, one port each. For the demo and the tests only: no other host."""

from __future__ import annotations

import gzip
import re
import socket
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Self, cast
from urllib.parse import unquote, urlsplit

from crawler.sample_web.content import ARTICLES, HERE, SampleArticle, load_articles, load_outlets
from crawler.sample_web.pages import Page, Site
from db.models import UnknownNameError

Request = tuple[str, str, str, int]
"""(outlet, method, path with query, status)."""


class SampleWeb:
    """All sample outlets, each on its own port, served by threads that end with the process.

    `articles_dir` holds one folder of article files for each outlet (default: the shipped texts); `ports` overrides the
    preferred port of an outlet (0: any free one). A taken port means a free one. Raises InputError for a broken article.
    """

    def __init__(
        self, articles_dir: Path | None = None, ports: Mapping[str, int] | None = None, host: str = "127.0.0.1"
    ) -> None:
        self.requests: list[Request] = []
        self._articles_dir = articles_dir or ARTICLES
        self._outlets = load_outlets()
        self._articles = {name: load_articles(self._articles_dir, name) for name in self._outlets}
        self._servers: dict[str, _OutletServer] = {}
        self._threads: list[threading.Thread] = []
        try:
            for name, outlet in self._outlets.items():
                self._servers[name] = _listen(host, (ports or {}).get(name, outlet.port), name, self.requests)
        except OSError:
            self.close()
            raise
        self._build(changed=None)
        for name, server in self._servers.items():
            # A short poll, so that closing ten servers takes no time.
            thread = threading.Thread(target=server.serve_forever, args=(0.05,), name=f"sample-{name}", daemon=True)
            thread.start()
            self._threads.append(thread)

    @property
    def outlets(self) -> tuple[str, ...]:
        """The ids of all outlets."""
        return tuple(self._outlets)

    def base_url(self, outlet: str) -> str:
        """`http://127.0.0.1:8711`, without a slash at the end. Raises UnknownNameError."""
        server = self._servers.get(outlet)
        if server is None:
            raise UnknownNameError(f'there is no sample outlet "{outlet}"; there are {", ".join(self._outlets)}')
        host, port = server.server_address[:2]
        return f"http://{host!s}:{port}"

    def url(self, outlet: str, article: str) -> str:
        """The address of an article, named as its file is, without `.md`. Raises UnknownNameError."""
        base = self.base_url(outlet)
        for shown in self._servers[outlet].site.shown:
            if shown.article.name == article:
                return shown.url
        raise UnknownNameError(
            f'there is no article "{article}" at {base}; its file would be articles/{outlet}/{article}.md'
        )

    def articles(self, outlet: str) -> tuple[SampleArticle, ...]:
        """The articles of an outlet, newest first, as their files have them."""
        return tuple(self._articles[outlet])

    def sources_toml(self) -> str:
        """The sources file that collects all outlets, with the addresses they are served at now."""
        text = shipped_relevance() + (HERE / "sources.toml").read_text(encoding="utf-8")
        for name in self._outlets:
            text = text.replace("{" + name + "}", self.base_url(name))
        return text

    def publish_update(self) -> None:
        """From now on updated articles are served in their second version, and the listings say that they changed.

        Last-Modified and lastmod become the present moment, as on a real site whose page just changed; the date that the
        page itself prints is the one its file gives.
        """
        self._build(changed=datetime.now(UTC).replace(microsecond=0))

    def close(self) -> None:
        """Stops listening; open connections are dropped."""
        # shutdown() waits for its server's poll to end: all at once, not one after the other.
        stopping = [threading.Thread(target=server.shutdown) for server in self._servers.values() if self._threads]
        for thread in stopping:
            thread.start()
        for thread in stopping + self._threads:
            thread.join(timeout=5)
        for server in self._servers.values():
            server.server_close()
            server.drop_connections()
        self._threads.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _build(self, changed: datetime | None) -> None:
        agencies = {name: outlet.name for name, outlet in self._outlets.items()}
        for name, server in self._servers.items():
            outlet = self._outlets[name]
            server.site = Site(outlet, self._articles[name], self.base_url(name), agencies=agencies, changed=changed)


def shipped_relevance() -> str:
    """The [relevance] table of crawler/sources.toml as text, so that the sample is judged by the shipped terms."""
    text = (HERE.parent / "sources.toml").read_text(encoding="utf-8")
    found = re.search(r"^\[relevance\]\n.*?(?=^\[\[?(?!\[?relevance)|\Z)", text, re.MULTILINE | re.DOTALL)
    return found.group().rstrip() + "\n\n" if found else ""


def _listen(host: str, port: int, outlet: str, requests: list[Request]) -> _OutletServer:
    try:
        return _OutletServer(host, port, outlet, requests)
    except OSError:
        return _OutletServer(host, 0, outlet, requests)


class _OutletServer(ThreadingHTTPServer):
    """One outlet's port. `site` is replaced as a whole when updates are published."""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, host: str, port: int, outlet: str, requests: list[Request]) -> None:
        super().__init__((host, port), _Handler)
        self.outlet = outlet
        self.requests = requests
        self.site: Site
        self._connections: set[socket.socket] = set()

    def get_request(self) -> tuple[socket.socket, tuple[str, int]]:
        """Remembers each connection, so that closing the server ends those that are kept alive."""
        connection, address = super().get_request()
        self._connections.add(connection)
        return connection, address

    def shutdown_request(self, request: object) -> None:
        """Forgets a connection that has ended."""
        connection = cast(socket.socket, request)
        self._connections.discard(connection)
        super().shutdown_request(connection)

    def drop_connections(self) -> None:
        """Ends every open connection."""
        for connection in tuple(self._connections):
            # One that its reader has just closed is no longer connected.
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that hangs up is no news; a fault of ours is, on stderr."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(cast(socket.socket, request), cast(tuple[str, int], client_address))


class _Handler(BaseHTTPRequestHandler):
    """GET and HEAD with conditional requests (RFC 9110, 13) and gzip."""

    protocol_version = "HTTP/1.1"
    server_version = "SampleWeb/1"
    sys_version = ""
    timeout = 30
    # Headers and body are two writes; without this the second waits 40 ms for the reader's delayed acknowledgement.
    disable_nagle_algorithm = True
    methods: ClassVar[tuple[str, ...]] = ("GET", "HEAD")

    def do_GET(self) -> None:
        self._answer(send_body=True)

    def do_HEAD(self) -> None:
        self._answer(send_body=False)

    def log_message(self, format: str, *args: object) -> None:
        """Nothing on stderr: `SampleWeb.requests` has it."""

    def _answer(self, *, send_body: bool) -> None:
        server = cast(_OutletServer, self.server)
        page = server.site.page(unquote(urlsplit(self.path).path))
        status = 304 if page.status == 200 and self._is_known(page) else page.status
        server.requests.append((server.outlet, self.command, self.path, status))
        body = page.body
        self.send_response(status)
        self.send_header("ETag", page.etag)
        self.send_header("Last-Modified", format_datetime(page.last_modified.astimezone(UTC), usegmt=True))
        self.send_header("Vary", "Accept-Encoding")
        self.send_header("Cache-Control", "max-age=0, must-revalidate")
        if status != 304:
            if "gzip" in self.headers.get("Accept-Encoding", "") and page.content_type != "application/gzip":
                body = gzip.compress(body, mtime=0)
                self.send_header("Content-Encoding", "gzip")
            self.send_header("Content-Type", page.content_type)
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if send_body and status != 304:
            self.wfile.write(body)

    def _is_known(self, page: Page) -> bool:
        """Whether the reader has this page already; If-None-Match goes before If-Modified-Since."""
        tags = self.headers.get("If-None-Match")
        if tags is not None:
            known = {tag.strip().removeprefix("W/") for tag in tags.split(",")}
            return "*" in known or page.etag.removeprefix("W/") in known
        since = self.headers.get("If-Modified-Since")
        if since is None:
            return False
        try:
            return page.last_modified.replace(microsecond=0) <= parsedate_to_datetime(since)
        except (TypeError, ValueError):
            return False


def main() -> None:
    """Serves until Ctrl-C and says where."""
    with SampleWeb() as web:
        print("The sample web; every outlet is fictional. Ctrl-C ends it.")
        for outlet in web.outlets:
            print(f"  {outlet:<11} {web.base_url(outlet)}/")
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            print()
