"""What Scrapy does between a spider and the network here: robots.txt that is obeyed also when it cannot be read, retries that wait
as long as the site asks, refused private addresses, conditional requests, and the page archive. Size limits are Scrapy's own
(DOWNLOAD_MAXSIZE counts before and after decompression). Nothing here touches the database.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Self
from urllib.parse import urlsplit
from urllib.request import getproxies

from scrapy.crawler import Crawler
from scrapy.downloadermiddlewares.retry import RetryMiddleware
from scrapy.downloadermiddlewares.robotstxt import RobotsTxtMiddleware
from scrapy.exceptions import CannotResolveHostError, IgnoreRequest
from scrapy.extensions.throttle import AutoThrottle
from scrapy.http import Request, Response
from scrapy.robotstxt import RobotParser
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IHostnameResolver, IResolutionReceiver
from zope.interface import implementer  # type: ignore[import-untyped]

from crawler.addresses import MAX_LENGTH
from crawler.guard import is_public, is_web_port, literal_address
from crawler.items import Job
from crawler.settings import ROBOTSTXT_USER_AGENT
from crawler.warc import ArchivedAt
from db.models import ArchiveError

MAX_RETRY_AFTER = 60.0
"""Seconds. A site that asks for more is left until the next crawl."""
MAX_ROBOTS_BYTES = 512_000
MAX_CRAWL_DELAY = 1_200.0
"""Seconds. A longer Crawl-delay would leave no time for even one page of a site in a crawl (CrawlSettings.minutes)."""


class RobotsForbiddenError(IgnoreRequest):
    """robots.txt disallows the address."""


class RobotsUnreachableError(IgnoreRequest):
    """robots.txt could not be read, so nothing else of the site may be (RFC 9309, 2.3.1.4)."""


class PrivateAddressError(IgnoreRequest):
    """The address lies on this machine or its network, and the source does not say allow_private."""


def job_of(crawler: Crawler) -> Job:
    """The job that a crawler works on (its spider holds it)."""
    job: Job = crawler.spider.job  # type: ignore[union-attr]
    return job


class _Unreachable(RobotParser):
    """Stands in for a robots.txt that could not be read."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    @classmethod
    def from_crawler(cls, crawler: Crawler, robotstxt_body: bytes) -> Self:
        raise NotImplementedError

    def allowed(self, url: str | bytes, user_agent: str | bytes) -> bool:
        raise self._error


class RobotsMiddleware(RobotsTxtMiddleware):
    """robots.txt as RFC 9309 has it: 4xx means everything is allowed, 5xx or no answer means nothing is. Scrapy's own allows
    everything in both cases. A Crawl-delay lengthens the delay of the source."""

    def process_request_2(self, rp: RobotParser | None, request: Request) -> None:
        """Raises RobotsForbiddenError, or what kept robots.txt from being read."""
        if rp is not None and not rp.allowed(request.url, ROBOTSTXT_USER_AGENT) and not self._is_open_api(request):
            raise RobotsForbiddenError("robots.txt")

    def _is_open_api(self, request: Request) -> bool:
        """Whether the request is for the interface that the source declares as documented for programs, on its own host."""
        source = job_of(self.crawler).source
        return (
            source.documented_api
            and request.meta.get("target") == "listing"
            and urlsplit(request.url).netloc.lower() == urlsplit(source.url).netloc.lower()
        )

    async def _parse_robots(self, response: Response, netloc: str, request: Request) -> None:
        if response.status >= 500 or response.status == 429:
            raise RobotsUnreachableError(f"robots.txt unreachable (HTTP {response.status}), so nothing is fetched")
        body = robots_rules(response.body) if response.status < 300 else b""
        await super()._parse_robots(response.replace(body=body), netloc, request)
        parser = self._parsers[netloc]
        if isinstance(parser, RobotParser):
            self._slow_down(parser.crawl_delay(ROBOTSTXT_USER_AGENT))

    def _slow_down(self, delay: float | None) -> None:
        throttle = self.crawler.get_extension(AutoThrottle)
        if delay and throttle is not None:
            throttle.mindelay = max(throttle.mindelay, min(delay, MAX_CRAWL_DELAY))
            throttle.maxdelay = max(throttle.maxdelay, throttle.mindelay)
            downloader = self.crawler.engine.downloader
            downloader._delay = max(downloader._delay, throttle.mindelay)
            for slot in downloader.slots.values():
                slot.delay = max(slot.delay, throttle.mindelay)

    def _robots_error(self, exc: Exception, netloc: str) -> None:
        if not isinstance(exc, RobotsUnreachableError | PrivateAddressError):
            exc = RobotsUnreachableError(f"robots.txt unreachable ({describe(exc)}), so nothing is fetched")
        waiting, unreachable = self._parsers[netloc], _Unreachable(exc)
        self._parsers[netloc] = unreachable
        if isinstance(waiting, Deferred):
            waiting.callback(unreachable)


def robots_rules(body: bytes) -> bytes:
    """As much of a robots.txt as is read (RFC 9309, 2.5, wants at least 500 kibibytes): a longer one would take minutes."""
    return body if len(body) <= MAX_ROBOTS_BYTES else body[:MAX_ROBOTS_BYTES].rpartition(b"\n")[0]


class RetryAfterMiddleware(RetryMiddleware):
    """Retries after 429, 5xx and broken connections, not before the time that Retry-After names (RFC 9110, 10.2.3)."""

    async def process_response(  # type: ignore[override]  # Scrapy awaits what it gets.
        self, request: Request, response: Response
    ) -> Request | Response:
        """The same request again, or the answer when there is no further try."""
        again = super().process_response(request, response)
        if not isinstance(again, Request):
            return response
        wait = retry_after(response.headers.get(b"Retry-After"))
        if wait > MAX_RETRY_AFTER:
            return response
        if wait and await _interrupted(job_of(self.crawler).stopping, wait):
            return response
        return again


async def _interrupted(event: asyncio.Event, seconds: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    return True


def retry_after(header: bytes | None, now: datetime | None = None) -> float:
    """Seconds that a Retry-After header asks for, as a number or a date; 0 without one that can be read."""
    text = (header or b"").decode("latin-1").strip()
    if text.isdigit():
        return float(text)
    try:
        until = parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return 0.0
    if until.tzinfo is None:
        until = until.replace(tzinfo=UTC)
    return max(0.0, (until - (now or datetime.now(UTC))).total_seconds())


class ConditionalMiddleware:
    """Asks "only if changed" with what the last fetch left (RFC 9110, 13.1)."""

    def process_request(self, request: Request) -> None:
        """Adds If-None-Match and If-Modified-Since from `meta["state"]`."""
        state = request.meta.get("state")
        if state is None:
            return
        if state.etag:
            request.headers["If-None-Match"] = state.etag
        if state.last_modified:
            request.headers["If-Modified-Since"] = state.last_modified


class AddressGuardMiddleware:
    """Refuses private addresses written as such; names that resolve to one are refused by GuardedResolver below, which sees the
    address that is connected to."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Called by Scrapy."""
        return cls(crawler)

    def process_request(self, request: Request) -> None:
        """Raises PrivateAddressError. A request behind a redirect passes here as well."""
        job = job_of(self._crawler)
        try:
            parts = urlsplit(request.url)
            host, port = (parts.hostname or "").rstrip("."), parts.port
        except ValueError as error:
            raise PrivateAddressError(f"unreadable address ({error})") from error
        if len(request.url) > MAX_LENGTH:
            raise PrivateAddressError(f"address of more than {MAX_LENGTH} characters")
        if not is_web_port(port):
            raise PrivateAddressError(f"port {port} belongs to another service than the web")
        if job.source.allow_private:
            if host in job.private_hosts:
                request.meta["proxy"] = None  # A proxy would look for its own network's address.
            return
        literal = literal_address(host)
        if host in job.private_hosts or (literal is not None and not is_public(literal)):
            raise _refused(host)

    def process_exception(self, request: Request, exception: Exception) -> None:
        """Tells a name that was refused from one that does not exist."""
        host = (urlsplit(request.url).hostname or "").rstrip(".")
        if isinstance(exception, CannotResolveHostError) and host in GuardedResolver.refused:
            raise _refused(host)


def _refused(host: str) -> PrivateAddressError:
    return PrivateAddressError(f"private address ({host}); allow_private = true permits it")


@implementer(IHostnameResolver)
class GuardedResolver:
    """Resolves names for the whole process (IPv4 and IPv6) and keeps public addresses only. Twisted connects to what this gives, so
    there is no second look-up that could answer differently (DNS rebinding). Hosts of sources with allow_private, and of the
    machine's own proxy, may be anything."""

    allowed: frozenset[str] = frozenset()
    refused: set[str] = set()  # noqa: RUF012 (one resolver in a process)

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._system = reactor.nameResolver
        self._proxies = {urlsplit(url if "//" in url else f"//{url}").hostname for url in getproxies().values()}

    @classmethod
    def from_crawler(cls, crawler: Any, reactor: Any) -> Self:
        """Called by Scrapy."""
        return cls(reactor)

    def install_on_reactor(self) -> None:
        """Called by Scrapy."""
        self._reactor.installNameResolver(self)

    def resolveHostName(  # noqa: N802 (Twisted's name)
        self,
        receiver: Any,
        name: str,
        portNumber: int = 0,  # noqa: N803
        addressTypes: Sequence[type] | None = None,  # noqa: N803
        transportSemantics: str = "TCP",  # noqa: N803
    ) -> Any:
        """Twisted's IHostnameResolver."""
        if name.rstrip(".") not in self.allowed and name not in self._proxies:
            receiver = _PublicOnly(receiver, name, self.refused)
        return self._system.resolveHostName(receiver, name, portNumber, addressTypes, transportSemantics)


@implementer(IResolutionReceiver)
class _PublicOnly:
    def __init__(self, receiver: Any, name: str, refused: set[str]) -> None:
        self._receiver, self._name, self._refused = receiver, name.rstrip("."), refused
        self._passed = self._held = False

    def resolutionBegan(self, resolution: Any) -> None:  # noqa: N802
        self._receiver.resolutionBegan(resolution)

    def addressResolved(self, address: Any) -> None:  # noqa: N802
        if is_public(address.host):
            self._passed = True
            self._receiver.addressResolved(address)
        else:
            self._held = True

    def resolutionComplete(self) -> None:  # noqa: N802
        if self._held and not self._passed:
            self._refused.add(self._name)
        self._receiver.resolutionComplete()


class ArchiveMiddleware:
    """Writes every exchange to the archive, as it was transferred, and leaves in `meta["archived"]` where it lies."""

    def __init__(self, crawler: Crawler) -> None:
        self._crawler = crawler

    @classmethod
    def from_crawler(cls, crawler: Crawler) -> Self:
        """Called by Scrapy."""
        return cls(crawler)

    def process_response(self, request: Request, response: Response) -> Response:
        """A disk that cannot be written ends the crawl: a page without its archived copy is no evidence."""
        if request.meta.get("passing"):
            return response  # A stretch of a file of many pages: those that are wanted are asked for, and kept, one by one.
        try:
            request.meta["archived"] = self._write(request, response)
        except ArchiveError as error:
            job_of(self._crawler).stop(error)
            raise IgnoreRequest(str(error)) from error
        return response

    def _write(self, request: Request, response: Response) -> ArchivedAt:
        from http import HTTPStatus

        parts = urlsplit(request.url)
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        try:
            phrase = HTTPStatus(response.status).phrase
        except ValueError:
            phrase = ""
        return job_of(self._crawler).archive.write(
            request.url,
            request=(f"{request.method} {path}", [("Host", parts.netloc), *_headers(request)]),
            response=(f"{response.status} {phrase}".strip(), _headers(response), response.body),
            target=request.meta.get("target", "robots"),
        )


def _headers(message: Request | Response) -> list[tuple[str, str]]:
    return [
        (name.decode("latin-1"), value.decode("latin-1").replace("\r", " ").replace("\n", " "))
        for name, values in message.headers.items()
        for value in values
    ]


def describe(error: BaseException) -> str:
    """An error in one line: its message, or its kind where it has none."""
    text = " ".join(str(error).split())
    # Twisted wraps what happened to a connection: "[<twisted.python.failure.Failure ...ConnectionLost: why>]".
    wrapped = re.findall(r"<twisted\.python\.failure\.Failure [\w.]+: (.*?)>", text)
    text = "; ".join(dict.fromkeys(wrapped)) or text
    return text[:300] if text else type(error).__name__
