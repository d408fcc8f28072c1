"""`AccessMiddleware`: which requests the service accepts."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
from collections.abc import Collection

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from ...client.answer_cache.lookup import caller
from .errors import refusal
from .media_addresses import allowed_hosts

MAX_BODY = 10_000_000
"""Largest request body, in bytes."""
PUBLIC_PATHS = ("/", "/health", "/api/v1/health")
"""Paths that need no token: health checks, and the page. The page holds no data and asks for the
token itself."""

KEY_HEADERS = (b"x-api-key", b"api-key", b"x-goog-api-key")
"""Where clients of Anthropic, Azure and Gemini send a token."""


class AccessMiddleware:
    """ASGI middleware that checks the token, Host, Origin, Sec-Fetch-Site and Content-Length.

    `token`: None lets everybody in. With several, those who send different ones share no kept
    answer and no conversation. `hosts`: the accepted host names; None accepts any. `origins`: what
    else may send requests from a browser, such as `app://obsidian.md`. `media_hosts`: the hosts
    inside one's own network that pictures and files may be at.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str | Collection[str] | None,
        hosts: Collection[str] | None,
        origins: Collection[str] = (),
        media_hosts: Collection[str] = (),
    ) -> None:
        self.app, self.origins, self.media_hosts = app, frozenset(origins), frozenset(media_hosts)
        self.hosts = None if hosts is None else {host.lower() for host in hosts}
        given = [token] if isinstance(token, str) else list(token or ())
        self.tokens = [(each, _caller(word)) for word in given if word for each in _encodings(word)]
        self.tells_callers = len({mark for _, mark in self.tokens}) > 1

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            refused = self._check(dict(scope["headers"]), scope["method"], scope["path"])
            if refused is not None:
                await refused(scope, receive, send)
                return
            allowed_hosts.set(self.media_hosts)
        try:
            await self.app(scope, receive, send)
        except asyncio.CancelledError:
            # The server is shutting down and would log this as an error. Nobody awaits this task.
            return

    def _check(self, headers: dict[bytes, bytes], method: str, path: str) -> JSONResponse | None:
        host = headers.get(b"host", b"").decode("latin-1").lower()
        if self.hosts is not None and _host_name(host) not in self.hosts:
            hint = "`serve --allow-host NAME` admits one"
            words = f"this service does not answer to that host name ({hint})"
            return refusal(403, words, path=path)
        if self._foreign(headers, host, link=method == "GET" and path == "/"):
            hint = "`serve --allow-origin ORIGIN` admits one"
            words = f"requests from the pages of other sites are not accepted ({hint})"
            return refusal(403, words, path=path)
        if path not in PUBLIC_PATHS and not self._authorized(headers):
            scheme = {"www-authenticate": "Bearer"}
            return refusal(401, _unauthorized(headers), scheme, path=path)
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or len(length) > 12 or int(length) > MAX_BODY:
            return refusal(413, f"the body is larger than {MAX_BODY:,} bytes", path=path)
        return None

    def _foreign(self, headers: dict[bytes, bytes], host: str, *, link: bool) -> bool:
        """Whether a page of another site sends the request. `link`: the page of the service, to
        which others may link."""
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin in self.origins:
            return False
        if origin and origin.partition("://")[2].lower() != host:
            return True
        # Browsers say it of requests without an Origin, too: pictures, scripts, links.
        if headers.get(b"sec-fetch-site", b"none") in (b"none", b"same-origin"):
            return False
        return not (link and headers.get(b"sec-fetch-mode") == b"navigate")

    def _authorized(self, headers: dict[bytes, bytes]) -> bool:
        if not self.tokens:
            return True
        scheme, _, credentials = headers.get(b"authorization", b"").partition(b" ")
        given = [headers.get(name, b"") for name in KEY_HEADERS]
        if scheme.lower() == b"bearer":
            given.append(credentials.strip())
        marks = [
            mark
            for token, mark in self.tokens
            if any(hmac.compare_digest(one, token) for one in given)
        ]
        caller.set(marks[0] if marks and self.tells_callers else "")
        return bool(marks)


def _unauthorized(headers: dict[bytes, bytes]) -> str:
    """What to do about a token that is missing or wrong."""
    where = "it is what --token or FREEROUTER_SERVE_TOKEN says where the service was started"
    if any(headers.get(name) for name in (b"authorization", *KEY_HEADERS)):
        return f"the token is not one of this service's: {where}"
    return f"a token is needed, as `Authorization: Bearer TOKEN` or in x-api-key: {where}"


def _caller(token: str) -> str:
    """Whose requests come with this token, without the token itself."""
    return hashlib.sha256(token.encode()).hexdigest()


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
