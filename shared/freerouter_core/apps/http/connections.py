"""`bounded_protocol`: uvicorn's protocol over h11, with a timeout for headers and most connections.

uvicorn waits for a request as long as the connection is open. Connections that never send one would
take every place, and half-open ones never end by themselves.

httptools is not used, installed or not: it stops at an offer to upgrade and drops the body. Java's
client offers HTTP/2 with each request. Beside the work for a chat the time that it saves was not
measurable.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Base
else:
    _Base = object

HEADER_TIMEOUT = 15.0
"""Seconds in which a connection must bring the next request's headers."""
MOST_CONNECTIONS = 2_048
"""Connections at once. One more closes the one that has waited longest without a request."""


def most_connections() -> int:
    """Half of the files that this process may open, at most `MOST_CONNECTIONS`: models need some,
    too."""
    try:
        import resource
    except ImportError:  # Windows
        return MOST_CONNECTIONS // 4
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST_CONNECTIONS if soft < 0 else max(16, min(MOST_CONNECTIONS, soft // 2))


class _Bounds(_Base):
    """Mixed into a protocol of uvicorn's, whose attributes it uses."""

    most: int
    waiting: dict[_Bounds, None]
    """Connections without a request under way, those that have waited longest first."""
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if len(self.connections) > self.most:
            oldest = next(iter(self.waiting), self)
            oldest.give_up()
        if not transport.is_closing():
            self._wait()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._stop_waiting()

    def on_response_complete(self) -> None:
        super().on_response_complete()  # may begin the next request, if it is here already
        if self.cycle.response_complete and not self.transport.is_closing():
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        super().connection_lost(exc)

    def _should_upgrade(self) -> bool:
        """Never, and nothing is logged: an offer may be ignored (RFC 9110, 7.8)."""
        return False

    def give_up(self) -> None:
        """Close the connection: it brings no request."""
        self._stop_waiting()
        self.transport.abort()

    def _wait(self) -> None:
        self._stop_waiting()
        self.waiting[self] = None
        self._timer = self.loop.call_later(HEADER_TIMEOUT, self.give_up)

    def _stop_waiting(self) -> None:
        self.waiting.pop(self, None)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


def bounded_protocol(most: int | None = None) -> type[asyncio.Protocol]:
    """The class for uvicorn's `http=`. It is one server's, as it counts its connections."""
    from uvicorn.protocols.http.h11_impl import H11Protocol

    limits = {"most": most_connections() if most is None else most, "waiting": {}}
    return type("BoundedProtocol", (_Bounds, H11Protocol), limits)
