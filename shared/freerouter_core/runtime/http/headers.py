"""`headers_of`: the headers of a request to an account."""

from __future__ import annotations

import base64
from functools import lru_cache
from urllib.parse import unquote

from ..._version import __version__
from ...catalogue.addresses import split_address
from ...catalogue.providers import Account
from .decoding import ACCEPT_ENCODING

Headers = tuple[tuple[str, str], ...]


def headers_of(account: Account, *, with_body: bool) -> Headers:
    """The headers of a request to `account`. The user's own override the others."""
    is_openrouter = account.dialect == "openrouter"
    return _headers(account.key, account.base_url, account.headers, is_openrouter, with_body)


@lru_cache(maxsize=256)
def _headers(
    key: str, base_url: str, own: Headers, is_openrouter: bool, with_body: bool
) -> Headers:
    headers = {
        "accept": "application/json, text/event-stream",
        "accept-encoding": ACCEPT_ENCODING,
        "user-agent": f"freerouter/{__version__}",
    }
    if with_body:
        headers["content-type"] = "application/json"
    if key:
        headers["authorization"] = f"Bearer {key}"
    elif "@" in base_url and (parts := split_address(base_url)) is not None:
        login = base64.b64encode(unquote(parts.userinfo).encode()).decode()
        headers["authorization"] = f"Basic {login}"
    if is_openrouter:
        headers["x-title"] = "FreeRouter"
    headers |= {name.lower(): value for name, value in own}
    return tuple(headers.items())
