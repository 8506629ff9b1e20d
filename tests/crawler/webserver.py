"""A small web server on loopback whose pages tests write, with a log of what was asked. For behaviours the sample web has not."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Reply:
    """What a path answers. `chunks` are sent one by one instead of `body`, without a length."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "text/html; charset=utf-8"
    chunks: Any = None


@dataclass(frozen=True)
class Asked:
    """One request that arrived, with the monotonic time."""

    path: str
    headers: dict[str, str]
    at: float
    body: bytes = b""


Handler = Callable[[Asked], Reply]


class WebServer:
    """`pages[path]` is a Reply or a function of the request. What is not there is for `otherwise`, else a 404."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.pages: dict[str, Reply | Handler] = {}
        self.otherwise: Handler = lambda asked: Reply(b"not here", 404)
        self.asked: list[Asked] = []
        self.ending = threading.Event()
        outer = self

        class _Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                outer._answer(self)

            def do_POST(self) -> None:
                outer._answer(self)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer((host, 0), _Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        self.base = f"http://{host}:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.ending.set()
        if self._thread.is_alive():
            self._server.shutdown()
        self._server.server_close()

    def paths(self) -> list[str]:
        return [asked.path for asked in self.asked]

    def times(self, path: str) -> list[float]:
        return [asked.at for asked in self.asked if asked.path == path]

    def _answer(self, request: BaseHTTPRequestHandler) -> None:
        headers = {name.lower(): value for name, value in request.headers.items()}
        body = request.rfile.read(int(headers.get("content-length", 0)))
        asked = Asked(request.path, headers, time.monotonic(), body)
        self.asked.append(asked)
        page = self.pages.get(request.path)
        if page is None:
            page = Reply(b"not here", 404) if request.path == "/robots.txt" else self.otherwise
        reply = page(asked) if callable(page) else page
        request.send_response(reply.status)
        request.send_header("Content-Type", reply.content_type)
        for name, value in reply.headers.items():
            request.send_header(name, value)
        if reply.chunks is None:
            request.send_header("Content-Length", str(len(reply.body)))
            request.end_headers()
            if reply.status != 304:
                request.wfile.write(reply.body)
            return
        request.send_header("Connection", "close")
        request.end_headers()
        try:
            for chunk in reply.chunks:
                request.wfile.write(chunk)
        except OSError:
            pass  # The crawler hung up, as it should.
        request.close_connection = True


def article(title: str, text: str, *, date: str = "2024-03-14T09:30:00Z", url: str | None = None) -> Reply:
    """A plain article page."""
    canonical = f'<link rel="canonical" href="{escape(url)}">' if url else ""
    paragraphs = "".join(f"<p>{escape(part)}</p>" for part in text.split("\n\n"))
    html = (
        f'<!doctype html><html lang="en"><head><title>{escape(title)}</title>{canonical}'
        f'<meta property="article:published_time" content="{date}"></head>'
        f"<body><main><article><h1>{escape(title)}</h1>{paragraphs}</article></main></body></html>"
    )
    return Reply(html.encode())


def rss(base: str, paths: list[str], *, date: str = "Thu, 14 Mar 2024 09:30:00 GMT") -> Reply:
    """An RSS feed of these paths (or whole addresses)."""
    items = "".join(
        f"<item><title>{escape(path)}</title><link>{escape(path if '://' in path else base + path)}</link>"
        f"<pubDate>{date}</pubDate></item>"
        for path in paths
    )
    xml = f'<?xml version="1.0"?><rss version="2.0"><channel><title>Feed</title>{items}</channel></rss>'
    return Reply(xml.encode(), content_type="application/rss+xml")


def sitemap(base: str, pages: dict[str, str]) -> Reply:
    """A sitemap of path -> lastmod."""
    urls = "".join(f"<url><loc>{base}{path}</loc><lastmod>{day}</lastmod></url>" for path, day in pages.items())
    xml = f'<?xml version="1.0"?><urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9">{urls}</urlset>'
    return Reply(xml.encode(), content_type="application/xml")


def debate_text(number: int) -> str:
    """About 90 words on open AI models; texts of different numbers are not near-duplicates."""
    chance = random.Random(number)
    syllables = ("ba", "do", "fi", "ga", "ku", "le", "mo", "ni", "pa", "ro", "su", "ta", "vi", "we", "zo")
    odd = [" ".join("".join(chance.choices(syllables, k=3)) for _ in range(8)) for _ in range(8)]
    return (
        f"Speaker {odd[0]} said that open source AI models should be released with open weights.\n\n"
        f"{' said. The '.join(odd[1:])}.\n\nClosed AI would leave {odd[0]} to a few companies."
    )
