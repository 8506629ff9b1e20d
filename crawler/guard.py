"""Which addresses may be asked: only public ones, unless a source says `allow_private`. Pure but for the name lookup of
`connect_public`; Scrapy's side of it lies in crawler/middlewares.py.

A feed or a redirect of a stranger must not make this program read what only this machine or its network can reach
(server-side request forgery, OWASP; the metadata service of a cloud machine is 169.254.169.254).
"""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Any

from db.models import DebatewatchError

_NUMERIC_HOST = re.compile(r"(?:0x[0-9a-f]+|\d+)(?:\.(?:0x[0-9a-f]*|\d+)){0,3}\.?", re.IGNORECASE)
"""What the C library's inet_aton takes for an IPv4 address: "127.1", "2130706433", "0x7f.1", "0177.0.0.1"."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


class AddressRefusedError(DebatewatchError):
    """A request for an address of this machine or its network, by a source that may not."""


def is_public(address: str) -> bool:
    """True for an IP address (IPv4 or IPv6, as text) that anybody on the internet can reach.

    Loopback, private, link-local, shared, reserved, multicast and unspecified addresses are not public, nor are IPv6 forms that
    carry such an IPv4 address (mapped, 6to4, Teredo, NAT64). Text that is no address is not public.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if not ip.is_global or ip.is_multicast or (ip.is_reserved and ip not in _NAT64):
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return True
    carried = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64:
        carried.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return all(is_public(str(inner)) for inner in carried if inner is not None)


def literal_address(host: str) -> str | None:
    """The IP address that a host name already is, in its usual form; None for a real name.

    Takes the odd notations too that the system's resolver takes ("2130706433" is 127.0.0.1).
    """
    bare = host.strip("[]")
    try:
        return str(ipaddress.ip_address(bare.partition("%")[0]))
    except ValueError:
        pass
    if _NUMERIC_HOST.fullmatch(bare):
        try:
            return socket.inet_ntoa(socket.inet_aton(bare.rstrip(".")))
        except OSError:
            return None
    return None


def connect_public(
    address: tuple[str, int], timeout: Any = None, source_address: tuple[str, int] | None = None
) -> socket.socket:
    """`socket.create_connection`, to public addresses only: what was checked is what is connected to.

    Raises AddressRefusedError when the host has no public address, OSError when none of them answers.
    """
    host, port = address
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    public = [str(entry[4][0]) for entry in found if is_public(str(entry[4][0]))]
    if not public:
        raise AddressRefusedError(f"{host} is not a public address; allow_private = true permits it")
    error: OSError | None = None
    for ip in public:
        try:
            return socket.create_connection((ip, port), timeout, source_address)
        except OSError as failed:
            error = failed
    raise error or OSError(f"{host}: no address answered")
