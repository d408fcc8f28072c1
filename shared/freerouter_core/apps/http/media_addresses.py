"""`refuse_addresses_inside`: pictures and files at addresses of one's own network.

Whoever may use the service writes the address of a picture, and a model server fetches it: often
one on this machine. So it could be made to ask what only this network reaches: a router's page, a
cloud's metadata with its credentials. LiteLLM's proxy and LMDeploy refuse the same by default, with
a list of exceptions. A name that resolves to such an address is for the server to refuse: only it
knows what it connects to.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from collections.abc import Collection, Iterable, Iterator
from contextvars import ContextVar
from urllib.parse import unquote

from ...errors import BadRequest
from ...wire.content import MEDIA
from ...wire.json_values import JsonMapping, as_mapping

ANY = "*"
"""Among the allowed hosts: every host."""
allowed_hosts: ContextVar[Collection[str]] = ContextVar("allowed_hosts", default=())
"""The hosts inside one's own network that the media of a request may name."""

_LONGEST = 2_000
"""Letters of an address in which its host ends."""
_SCHEME = re.compile(r"https?:[/\\]*", re.IGNORECASE)
_NAMES = ("localhost", "internal", "local", "localdomain", "home.arpa")
"""Domains that are kept for one's own machine or network. A name without a dot is of it, too."""
_ONES_CLOUD = (ipaddress.ip_network("168.63.129.16/32"), ipaddress.ip_network("192.0.0.0/24"))
"""Servers of Azure and Oracle that each of their machines reaches. Python calls them global."""
_GLOBAL_IPV6 = ipaddress.ip_network("2000::/3")
_IPV4_WITHIN = [
    (ipaddress.ip_network(network), bits)
    for network, bits in (
        ("::/96", 0), ("::ffff:0:0/96", 0), ("::ffff:0:0:0/96", 0), ("64:ff9b::/96", 0),
        ("2002::/16", 80),
    )
]  # fmt: skip
"""(IPv6 networks whose addresses hold one of IPv4, the bits after it)."""

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def refuse_addresses_inside(messages: Iterable[JsonMapping]) -> None:
    """Raise `BadRequest` for a picture, film, sound or file at an address of one's own network.

    `messages` are in the wire's form (`history.readable`). `allowed_hosts` are exceptions.
    """
    allowed = allowed_hosts.get()
    if ANY in allowed:
        return
    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            kind = str(part.get("type"))
            for value in as_mapping(part.get(kind)).values() if kind in MEDIA else ():
                host = host_inside(value, allowed) if isinstance(value, str) else None
                if host is not None:
                    raise BadRequest(
                        f"{kind}: {host[:80]!r} is an address inside a network: it is not fetched",
                        hint="send the content itself, as a data: URL"
                        " (`serve --allow-media-host HOST` admits one)",
                    )


def host_inside(address: str, allowed: Collection[str] = ()) -> str | None:
    """The host of an http(s) address, if it is inside a network and not `allowed`; else None.

    Parsers differ about odd addresses. So each part that one of them may take for the host counts.
    """
    scheme = _SCHEME.match(address)
    if scheme is None:
        return None
    exceptions = {_normal(host.strip("[]")) for host in allowed}
    for host in _hosts(address[scheme.end() : _LONGEST]):
        if _is_inside(host) and host not in exceptions:
            return host
    return None


_PATH = re.compile(r"[/?#]")
_IGNORED = re.compile(r"[\t\r\n]")
"""What clients leave out of addresses."""
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
"""The last part of a host that is an IPv4 address, in whatever spelling."""


def _hosts(rest: str) -> Iterator[str]:
    """What may be the host in an address without its scheme."""
    authority = _PATH.split(_IGNORED.sub("", rest), maxsplit=1)[0]
    for part in unquote(authority).split("\\"):
        part = part.rpartition("@")[2]
        if part.startswith("["):
            yield _normal(part[1:].partition("]")[0].partition("%")[0])
        elif part.count(":") > 1:
            yield _normal(part)
            yield _normal(part.partition(":")[0])
        else:
            yield _normal(part.partition(":")[0])


def _normal(host: str) -> str:
    """A host as a resolver sees it: wide digits and dots are digits and dots."""
    host = unicodedata.normalize("NFKC", host).replace("\u3002", ".").casefold()
    return "".join(c for c in host if unicodedata.category(c) != "Cf").strip().rstrip(".")


def _is_inside(host: str) -> bool:
    if ":" in host:
        try:
            return not _is_public(ipaddress.IPv6Address(host))
        except ValueError:
            return True  # it is none: no public server is called so
    last = host.rpartition(".")[2]
    if _NUMBER.fullmatch(last):
        readings = {_ipv4(host, octal=True), _ipv4(host, octal=False)} - {None}
        return not readings or not all(_is_public(each) for each in readings if each)
    return "." not in host or any(host == name or host.endswith(f".{name}") for name in _NAMES)


def _ipv4(host: str, *, octal: bool) -> ipaddress.IPv4Address | None:
    """An address in any spelling: its last number fills what is left. None: it is none.

    `octal`: a leading zero means an octal number. C and browsers read so, others do not.
    """
    try:
        *first, last = [_number(text, octal=octal) for text in host.split(".")]
        if len(first) > 3 or any(number > 255 for number in first):
            return None
        value = int.from_bytes(bytes(first).ljust(4, b"\0"))
        return ipaddress.IPv4Address(value + last) if last < 256 ** (4 - len(first)) else None
    except ValueError:
        return None


def _number(text: str, *, octal: bool) -> int:
    if text.startswith("0x"):
        return int(text[2:] or "0", 16)
    return int(text, 8 if octal and text.startswith("0") else 10)


def _is_public(address: Address) -> bool:
    for network, after in _IPV4_WITHIN:
        if address in network:
            return _is_public(ipaddress.IPv4Address(int(address) >> after & 0xFFFFFFFF))
    if address.version == 6 and address not in _GLOBAL_IPV6:
        return False
    ones_own = address.is_multicast or any(address in network for network in _ONES_CLOUD)
    return address.is_global and not ones_own
