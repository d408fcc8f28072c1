"""`RedisConnection`: one connection to a Redis server, opened when it is first needed."""

from __future__ import annotations

from typing import Any

from ...errors import MissingExtra
from ..loop.patience import Patience
from .store import StoreFailed

ANSWER_TIMEOUT = 1.5
"""Seconds for an answer, and for the connection before it."""


class RedisConnection:
    """A connection to the database at `url` (redis://, rediss:// or unix://)."""

    def __init__(self, url: str) -> None:
        try:
            import redis.asyncio as client
        except ImportError as error:
            raise MissingExtra(
                "FREEROUTER_STATE names Redis, and its client is not installed",
                hint="pip install 'freerouter-llm[redis]', or FREEROUTER_STATE=sqlite",
            ) from error
        self._client = client
        self._url = url
        self._connection: Any = None
        self._abandoned: list[object] = []
        """Connections of a parent process. Kept, so that no destructor closes them."""

    def forget(self) -> None:
        """After a fork: drop the connection, which is the parent's. Close nothing."""
        self._abandoned.append(self._connection)
        self._connection = None

    async def close(self) -> None:
        """Close the connection. The next command opens another."""
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.aclose(close_connection_pool=True)

    async def _execute(self, *command: str | bytes | int) -> Any:
        """What the server answers. Raises `StoreFailed`."""
        try:
            if self._connection is None:
                self._connection = self._client.from_url(
                    self._url, socket_timeout=None, single_connection_client=True
                )
            async with Patience(ANSWER_TIMEOUT):  # a command that is cancelled disconnects
                return await self._connection.execute_command(*command)
        except (self._client.RedisError, OSError, ValueError, TypeError) as error:
            # Its message may quote the URL's password.
            raise StoreFailed(type(error).__name__) from None
