"""Base URLs: checked, joined with a path, and shown without the secrets that they may hold.

The user and password of an address are secrets, and so are its query and its fragment.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from ipaddress import ip_address
from typing import NamedTuple
from urllib.parse import urlsplit

from ..errors import BadSetting

_PATH = re.compile(r"[/?#]")
_ADDRESS = re.compile(
    r"(https?)://(?:([^/?#\s@\\]*)@)?"
    r"((?:\[[0-9A-Fa-f:.]+\]|[^/?#\s@:\\\[\]]+)(?::[0-9]{1,5})?)"
    r"((?:/[^?#\s]*)?)(?:\?([^#\s]*))?(?:#\S*)?",
    re.IGNORECASE,
)


_PRIVATE = (".local", ".internal", ".lan", ".home.arpa")
"""Ends of names that stand in no public directory."""


class Address(NamedTuple):
    """The parts of a base URL. `host` includes the port, `path` its leading slash."""

    scheme: str
    userinfo: str
    host: str
    path: str
    query: str

    @property
    def shown(self) -> str:
        """It without its secrets."""
        return f"{self.scheme}://{self.host}{self.path}"

    @property
    def secrets(self) -> tuple[str, ...]:
        """The user with the password, the password, and what the query holds."""
        _, _, password = self.userinfo.partition(":")
        values = (pair.partition("=")[2] for pair in self.query.split("&"))
        return tuple(filter(None, (self.userinfo, password, self.query, *values)))


def split_address(address: str) -> Address | None:
    """The parts of an http or https URL. None if it is none."""
    match = _ADDRESS.fullmatch(address)
    if match is None:
        return None
    scheme, userinfo, host, path, query = match.groups("")
    return Address(scheme.lower(), userinfo, host, path.rstrip("/"), query)


@lru_cache(maxsize=256)
def is_private(address: str) -> bool:
    """Whether a base URL leads into one's own network: by a private number, or by a name that no
    public server has."""
    host = (urlsplit(address).hostname or "") if split_address(address) is not None else ""
    try:
        return ip_address(host).is_private
    except ValueError:
        return bool(host) and ("." not in host or host.endswith(_PRIVATE))


def check_address(address: str, owner: str) -> str:
    """`address`, if requests can be sent there. Raises `BadSetting`, which does not show it."""
    address = address.strip()
    if split_address(address) is None:
        raise BadSetting(
            f"the base_url of {owner} is not an address",
            hint="write it as https://host/v1",
        )
    return address.rstrip("/")


def shown_address(address: str | None) -> str | None:
    """The address without its secrets, for texts, tables and files."""
    parts = split_address(address or "")
    return parts.shown if parts is not None else address and "(not an address)"


@lru_cache(maxsize=256)
def address_name(address: str) -> str:
    """The address as what is learnt is stored under it: with a hash in place of its secrets."""
    parts = split_address(address)
    if parts is not None and not parts.secrets and "#" not in address:
        return address
    digest = hashlib.sha256(address.encode()).hexdigest()[:8]
    return f"{shown_address(address)}#{digest}"


def without_userinfo(address: str) -> str:
    """The address as it is connected to. The user and password go into a header."""
    if "@" not in address or (parts := split_address(address)) is None:
        return address
    return address.replace(f"://{parts.userinfo}@", "://", 1)


def join_address(address: str, path: str) -> str:
    """The URL of a path below a base URL: the base's query stays at the end.

    A path that is a whole URL stays as it is.
    """
    if path.startswith(("http://", "https://")):
        return path
    base, _, query = address.partition("#")[0].partition("?")
    below, _, further = path.partition("?")
    query = "&".join(filter(None, (further, query)))
    return f"{base.rstrip('/')}{below}" + (f"?{query}" if query else "")


def address_at_host(address: str, path: str) -> str:
    """The URL of a path at the host of an address, which keeps its user and query."""
    scheme, _, rest = address.partition("://")
    host, query = _PATH.split(rest, maxsplit=1)[0], address.partition("?")[2]
    return join_address(f"{scheme}://{host}" + (f"?{query}" if query else ""), path)
