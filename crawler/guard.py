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
_NOT_PUBLIC = tuple(
    ipaddress.ip_network(network)
    for network in (
        "168.63.129.16/32",  # Azure's platform service, an address of the internet by its number alone.
        "192.0.0.0/24",  # IETF protocol assignments (RFC 6890); 192.0.0.192 is Oracle Cloud's metadata service.
        "192.88.99.0/24",  # 6to4 relays, withdrawn (RFC 7526).
        "fec0::/10",  # Site-local, withdrawn (RFC 3879) and still routed inside networks.
        "3fff::/20",  # Documentation (RFC 9637); Python 3.11 does not know it.
    )
)
"""What `ipaddress` calls global and no web server of a stranger has."""
_ISATAP = (0x00005EFE, 0x02005EFE)
"""The third quarter of an IPv6 address whose last quarter is an IPv4 address (RFC 5214, 6.1)."""
_SERVICE_PORTS = frozenset({
    1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109, 110, 111,
    113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531, 532, 540, 548,
    554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060, 5061, 6000, 6379,
    6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080, 11211,
})  # fmt: skip
"""Ports of mail, shells, caches and the like: the bad ports of the Fetch Standard (https://fetch.spec.whatwg.org/#port-blocking),
and those of Redis and memcached, which take the lines of an HTTP request for commands."""


class AddressRefusedError(DebatewatchError):
    """A request for an address of this machine or its network, by a source that may not."""


def is_public(address: str) -> bool:
    """True for an IP address (IPv4 or IPv6, as text) that anybody on the internet can reach.

    Loopback, private, link-local, shared, reserved, multicast and unspecified addresses and the metadata services of cloud machines
    are not public, nor are IPv6 forms that carry such an IPv4 address (mapped, 6to4, Teredo, NAT64, ISATAP). Text that is no
    address is not public.
    """
    try:
        ip = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return False
    if not ip.is_global or ip.is_multicast or (ip.is_reserved and ip not in _NAT64):
        return False
    if any(ip in network for network in _NOT_PUBLIC):
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return True
    carried = [ip.ipv4_mapped, ip.sixtofour, *(ip.teredo or ())]
    if ip in _NAT64 or (int(ip) >> 32) & 0xFFFFFFFF in _ISATAP:
        carried.append(ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF))
    return all(is_public(str(inner)) for inner in carried if inner is not None)


def is_web_port(port: int | None) -> bool:
    """False for a port of another service, which a request could be made to talk to; None is the scheme's own port."""
    return port not in _SERVICE_PORTS and port != 0


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
