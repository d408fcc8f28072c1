"""`Gate`: who comes in to the service, and how it says no."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Collection, Mapping
from typing import Any

from starlette.responses import JSONResponse

LARGEST = 10_000_000
"""Bytes that a request's body may have."""
OPEN = ("/", "/health", "/api/v1/health")
"""Paths that want no token: the page, which holds nothing and asks for it, and what tells whether the process lives."""


def refusal(status: int, words: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    told = {"message": words, "type": "invalid_request_error", "code": status, "param": None}
    return JSONResponse({"error": told}, status, dict(headers or {}))


class Gate:
    """Who comes in: who brings the token, to a name that is ours, from no other site's page, with a body that is not too large."""

    def __init__(self, app: Any, token: str | None, hosts: Collection[str] | None) -> None:
        self.app, self.hosts = app, hosts
        self.tokens = _spellings(token) if token else ()

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            denied = self._denied(dict(scope["headers"]), scope["path"])
            if denied is not None:
                await denied(scope, receive, send)
                return
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            # the server ends, and would call it a failure of ours; nobody waits for this task
            return

    def _denied(self, headers: dict[bytes, bytes], path: str) -> JSONResponse | None:
        host = headers.get(b"host", b"").decode("latin-1")
        if self.hosts is not None and _name(host) not in self.hosts:
            return refusal(403, "this service does not answer to that name")
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1").partition("://")[2] != host:
            return refusal(403, "pages of other sites have no business here")
        kind, _, brought = headers.get(b"authorization", b"").partition(b" ")
        given = brought.strip()
        fine = not self.tokens or (
            kind.lower() == b"bearer"
            and any(hmac.compare_digest(given, token) for token in self.tokens)
        )
        if not (fine or path in OPEN):
            return refusal(401, "a bearer token is needed", {"www-authenticate": "Bearer"})
        claimed = headers.get(b"content-length", b"0")
        if not claimed.isdigit() or len(claimed) > 12 or int(claimed) > LARGEST:
            return refusal(413, f"the body is larger than {LARGEST:,} bytes")
        return None


def _spellings(token: str) -> tuple[bytes, ...]:
    """How clients send it in a header: most as UTF-8, browsers as Latin-1."""
    ways = [token.encode()]
    with contextlib.suppress(UnicodeEncodeError):
        ways.append(token.encode("latin-1"))
    return tuple(ways)


def _name(host: str) -> str:
    """The name in a Host header, without its port: `[::1]:8080` is `::1`."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
