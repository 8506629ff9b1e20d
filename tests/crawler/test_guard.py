"""The address guard: no trick makes the crawler ask an address of this machine, its network or a cloud's metadata service."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import Any

import pytest
from twisted.internet.address import IPv4Address, IPv6Address

from crawler.guard import is_public, is_web_port
from crawler.middlewares import GuardedResolver
from crawler.run import crawl
from tests.crawler.test_crawl import sources_file
from tests.crawler.webserver import Reply, WebServer, article, debate_text, rss

HOME = "127.0.0.3"
"""The one host that the source of the test may ask; everything else of this machine it may not."""
TRICKS = {
    "loopback": "http://127.0.0.1:{port}/",
    "another loopback": "http://127.8.9.10:{port}/",
    "name": "http://localhost:{port}/",
    "name in capitals": "http://LOCALHOST:{port}/",
    "name with a dot": "http://localhost.:{port}/",
    "subdomain of localhost": "http://www.localhost:{port}/",
    "trailing dot": "http://127.0.0.1.:{port}/",
    "two trailing dots": "http://127.0.0.1..:{port}/",
    "this host": "http://0.0.0.0:{port}/",
    "zero": "http://0:{port}/",
    "two parts": "http://127.1:{port}/",
    "three parts": "http://127.0.1:{port}/",
    "dword": "http://2130706433:{port}/",
    "dword, dotted": "http://2130706433.:{port}/",
    "dword, overflowing": "http://6425673729:{port}/",
    "hex": "http://0x7f000001:{port}/",
    "hex in capitals": "http://0X7F000001:{port}/",
    "dotted hex": "http://0x7f.0x0.0x0.0x1:{port}/",
    "hex with zeros": "http://0x000000007f.0.0.1:{port}/",
    "octal": "http://0177.0.0.1:{port}/",
    "octal with zeros": "http://00000177.0.0.01:{port}/",
    "octal dword": "http://017700000001:{port}/",
    "mixed notations": "http://0x7f.0.0.01:{port}/",
    "mixed and short": "http://0177.1:{port}/",
    "leading zeros": "http://127.000.000.001:{port}/",
    "fullwidth digits": "http://１２７.０.０.１:{port}/",
    "circled digits": "http://①②⑦.⓪.⓪.①:{port}/",
    "ideographic dots": "http://127。0。0。1:{port}/",
    "halfwidth dots": "http://127｡0｡0｡1:{port}/",
    "fullwidth dots": "http://127．0．0．1:{port}/",
    "mathematical letters": "http://𝓵𝓸𝓬𝓪𝓵𝓱𝓸𝓼𝓽:{port}/",
    "soft hyphen": "http://local\u00adhost:{port}/",
    "zero-width space": "http://local\u200bhost:{port}/",
    "percent-encoded": "http://%31%32%37.0.0.1:{port}/",
    "percent-encoded name": "http://%6c%6f%63%61%6c%68%6f%73%74:{port}/",
    "IPv6 loopback": "http://[::1]:{port}/",
    "IPv6 loopback, long": "http://[0:0:0:0:0:0:0:1]:{port}/",
    "IPv6 with a zone": "http://[::1%25lo]:{port}/",
    "IPv6 unspecified": "http://[::]:{port}/",
    "mapped": "http://[::ffff:127.0.0.1]:{port}/",
    "mapped, hex": "http://[::ffff:7f00:1]:{port}/",
    "mapped, long": "http://[0:0:0:0:0:ffff:127.0.0.1]:{port}/",
    "mapped unspecified": "http://[::ffff:0.0.0.0]:{port}/",
    "compatible": "http://[::127.0.0.1]:{port}/",
    "translated": "http://[::ffff:0:127.0.0.1]:{port}/",
    "NAT64": "http://[64:ff9b::127.0.0.1]:{port}/",
    "local NAT64": "http://[64:ff9b:1::127.0.0.1]:{port}/",
    "6to4": "http://[2002:7f00:1::]:{port}/",
    "Teredo": "http://[2001:0:7f00:1::80ff:fffe]:{port}/",
    "ISATAP": "http://[2a00:1450::5efe:7f00:1]:{port}/",
    "unique local": "http://[fd00::1]:{port}/",
    "link-local": "http://[fe80::1]:{port}/",
    "site-local": "http://[fec0::1]:{port}/",
    "brackets around IPv4": "http://[127.0.0.1]:{port}/",
    "userinfo": "http://example.org@127.0.0.1:{port}/",
    "userinfo with a password": "http://example.org:80@127.0.0.1:{port}/",
    "userinfo of the allowed host": "http://127.0.0.3@127.0.0.1:{port}/",
    "two at signs": "http://a@127.0.0.3@127.0.0.1:{port}/",
    "backslash": "http://127.0.0.1:{port}\\@127.0.0.3/",
    "backslash before": "http://127.0.0.3\\@127.0.0.1:{port}/",
    "fragment": "http://127.0.0.1:{port}#@127.0.0.3/",
    "tab in the host": "http://127.0.\t0.1:{port}/",
    "line break in the host": "http://127.0.0.1\n:{port}/",
    "null byte": "http://127.0.0.1%00.example.org:{port}/",
    "no slashes": "http:127.0.0.1:{port}/",
    "three slashes": "http:///127.0.0.1:{port}/",
    "no scheme": "//127.0.0.1:{port}/",
    "https": "https://127.0.0.1:{port}/",
    "private class A": "http://10.0.0.1:{port}/",
    "private class B": "http://172.16.0.1:{port}/",
    "private class C": "http://192.168.0.1:{port}/",
    "shared": "http://100.64.0.1:{port}/",
    "broadcast": "http://255.255.255.255:{port}/",
    "multicast": "http://224.0.0.1:{port}/",
    "benchmark network": "http://198.18.0.1:{port}/",
    "metadata": "http://169.254.169.254/latest/meta-data/",
    "metadata dword": "http://2852039166/latest/meta-data/",
    "metadata, mapped": "http://[::ffff:169.254.169.254]/latest/meta-data/",
    "metadata by IPv6": "http://[fd00:ec2::254]/latest/meta-data/",
    "metadata of Azure": "http://168.63.129.16/machine?comp=goalstate",
    "metadata of Oracle": "http://192.0.0.192/opc/v1/instance/",
    "metadata of Alibaba": "http://100.100.100.200/latest/meta-data/",
    "secure shell": "http://127.0.0.3:22/",
    "mail": "http://127.0.0.3:25/",
    "Redis": "http://127.0.0.3:6379/",
    "port zero": "http://127.0.0.3:0/",
    "port out of range": "http://127.0.0.3:99999/",
    "file": "file:///etc/passwd",
    "file with a host": "file://127.0.0.1/etc/passwd",
    "data": "data:text/html,<p>open source AI</p>",
    "ftp": "ftp://127.0.0.1:{port}/",
    "gopher": "gopher://127.0.0.1:{port}/_GET",
    "javascript": "javascript:alert(1)",
    "view-source": "view-source:http://127.0.0.1:{port}/",
}


class Outcome:
    """What came of one crawl of a feed and of redirects that name every trick."""

    def __init__(self, asked: list[str], fetched: dict[str, tuple[str, str]], honest: int) -> None:
        self.asked, self.fetched, self.honest = asked, fetched, honest


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("guard")
    with WebServer(HOME) as home, WebServer("0.0.0.0") as secret:
        page = article("Secret", debate_text(9))
        paths = {name: f"/{number}" for number, name in enumerate(TRICKS)}
        addresses = {name: trick.format(port=secret.port) for name, trick in TRICKS.items()}
        secret.pages = dict.fromkeys(["/", "/robots.txt"], page)
        home.pages = {
            # As bytes, because a server may send what no standard allows.
            path: Reply(b"", 302, {"Location": addresses[name].replace("\n", "").encode().decode("latin-1")})
            for name, path in paths.items()
        }
        home.pages["/honest"] = article("Honest", debate_text(1))
        home.pages["/feed"] = rss(home.base, [*addresses.values(), *paths.values(), "/honest"])
        sources = sources_file(
            folder, [{"id": "home", "kind": "feed", "url": f"{home.base}/feed"}], {"timeout": 2.0, "retries": 0}
        )
        crawl(folder / "x.db", sources)
        asked = secret.paths()
        base = home.base
    with closing(sqlite3.connect(folder / "x.db")) as connection:
        found = {
            url: (outcome, reason)
            for url, outcome, reason in connection.execute("SELECT url, outcome, reason FROM fetches")
        }
        honest = connection.execute("SELECT count(*) FROM articles").fetchone()[0]
    return Outcome(asked, {name: found[base + path] for name, path in paths.items()}, honest)


def test_no_trick_reaches_what_only_this_machine_can(outcome: Outcome) -> None:
    assert outcome.asked == []
    assert outcome.honest == 1


@pytest.mark.parametrize("trick", TRICKS)
def test_a_redirect_to(trick: str, outcome: Outcome) -> None:
    """A page that redirects there is refused or failed, and said to be."""
    result, reason = outcome.fetched[trick]
    assert result in ("disallowed", "failed")
    assert reason


@pytest.mark.parametrize("address", ["168.63.129.16", "192.0.0.192", "fec0::1", "2a00:1450::200:5efe:a00:1", "3fff::1"])
def test_what_python_calls_global_and_is_not(address: str) -> None:
    assert not is_public(address)


def test_an_isatap_address_that_carries_a_public_one_is_public() -> None:
    assert is_public("2a00:1450::5efe:808:808")


def test_ports_of_other_services_are_no_web_ports() -> None:
    assert [port for port in (None, 80, 443, 8080, 8443, 22, 25, 6379, 0) if not is_web_port(port)] == [22, 25, 6379, 0]


class _Names:
    """Stands in for the system's resolver: each look-up of a name gets the next answer."""

    def __init__(self, *answers: list[Any]) -> None:
        self._answers = list(answers)

    def resolveHostName(self, receiver: Any, *arguments: object) -> None:  # noqa: N802 (Twisted's name)
        receiver.resolutionBegan(None)
        for address in self._answers.pop(0):
            receiver.addressResolved(address)
        receiver.resolutionComplete()


class _Received(list[str]):
    """Twisted's receiver: what it is given is what is connected to."""

    def resolutionBegan(self, resolution: Any) -> None:  # noqa: N802
        pass

    def addressResolved(self, address: Any) -> None:  # noqa: N802
        self.append(address.host)

    def resolutionComplete(self) -> None:  # noqa: N802
        pass


def test_a_name_whose_answer_changes_is_judged_by_the_address_that_is_connected_to() -> None:
    public, private = IPv4Address("TCP", "93.184.216.34", 80), IPv4Address("TCP", "127.0.0.1", 80)
    reactor = type(
        "Reactor", (), {"nameResolver": _Names([public], [private], [private, public, IPv6Address("TCP", "::1", 80)])}
    )
    resolver = GuardedResolver(reactor)
    answers = []
    for _ in range(3):
        resolver.resolveHostName(received := _Received(), "rebinding.example")
        answers.append(list(received))
    assert answers == [["93.184.216.34"], [], ["93.184.216.34"]]
    assert "rebinding.example" in GuardedResolver.refused
