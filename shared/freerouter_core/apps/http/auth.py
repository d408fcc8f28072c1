"""`AccessMiddleware`: which requests the service accepts."""

from __future__ import annotations

import asyncio
import contextlib
import hmac
from collections.abc import Collection

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from .errors import refusal

MAX_BODY = 10_000_000
"""Largest request body, in bytes."""
PUBLIC_PATHS = ("/", "/health", "/api/v1/health")
"""Paths that need no token: health checks, and the page. The page holds no data and asks for the
token itself."""


class AccessMiddleware:
    """ASGI middleware that checks the bearer token, Host, Origin and Content-Length.

    `token`: None lets everybody in. `hosts`: the accepted host names; None accepts any.
    """

    def __init__(self, app: ASGIApp, token: str | None, hosts: Collection[str] | None) -> None:
        self.app, self.hosts = app, hosts
        self.tokens = _encodings(token) if token else ()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refused = self._check(dict(scope["headers"]), scope["path"])
            if refused is not None:
                await refused(scope, receive, send)
                return
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            # The server is shutting down and would log this as an error. Nobody awaits this task.
            return

    def _check(self, headers: dict[bytes, bytes], path: str) -> JSONResponse | None:
        host = headers.get(b"host", b"").decode("latin-1")
        if self.hosts is not None and _host_name(host) not in self.hosts:
            return refusal(403, "this service does not answer to that host name")
        origin = headers.get(b"origin")
        if origin is not None and origin.decode("latin-1").partition("://")[2] != host:
            return refusal(403, "requests from the pages of other sites are not accepted")
        if path not in PUBLIC_PATHS and not self._authorized(headers.get(b"authorization", b"")):
            return refusal(401, "a bearer token is needed", {"www-authenticate": "Bearer"})
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 12 or int(length) > MAX_BODY:
            return refusal(413, f"the body is larger than {MAX_BODY:,} bytes")
        return None

    def _authorized(self, header: bytes) -> bool:
        if not self.tokens:
            return True
        scheme, _, credentials = header.partition(b" ")
        return scheme.lower() == b"bearer" and any(
            hmac.compare_digest(credentials.strip(), token) for token in self.tokens
        )


def _encodings(token: str) -> tuple[bytes, ...]:
    """The token as clients send it: UTF-8 from most, Latin-1 from browsers."""
    encodings = [token.encode()]
    with contextlib.suppress(UnicodeEncodeError):
        encodings.append(token.encode("latin-1"))
    return tuple(encodings)


def _host_name(host: str) -> str:
    """The host without its port: `[::1]:8080` is `::1`."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0]
