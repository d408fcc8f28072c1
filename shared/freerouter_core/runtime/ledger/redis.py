"""`RedisStore`: one store for many machines.

Windows change by compare-and-set, in one Lua script. So the decision itself is the same Python as
in the other stores. The script only tells whether another process was quicker, and what it left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

from ...errors import MissingExtra
from ...routing.charges import Charge
from ...routing.usage_stats import Tallies
from ...routing.window import LEASE, Window
from .store import Decide, StoreFailed

T = TypeVar("T")
PREFIX = "freerouter:{state}:"
"""The braces keep all keys on one node of a cluster, where a script can see them."""
MAX_TRIES = 64
"""Rounds of compare-and-set in which other processes may be quicker."""
SOCKET_TIMEOUT = 1.5
"""Seconds for a connection, and for each answer."""
MAX_CACHED = 10_000
"""Windows remembered from the last round trip."""
NOTES_LIFETIME = 30 * 86_400
"""Seconds after which notes are dropped, unless one is written."""
HISTORY_LIFETIME = 31 * 86_400
"""Seconds after which a day's usage is dropped."""
_HISTORY = f"{PREFIX}history:"
_NOTES = (f"{PREFIX}number", f"{PREFIX}notes", f"{PREFIX}order")
_COMPARE_AND_SET = """
for i = 1, #KEYS do
  if (redis.call('GET', KEYS[i]) or '') ~= ARGV[i] then
    return redis.call('MGET', unpack(KEYS))
  end
end
for i = 1, #KEYS do
  redis.call('SET', KEYS[i], ARGV[#KEYS + i], 'EX', ARGV[2 * #KEYS + i])
end
return false
"""
_PUT_NOTES = f"""
local number = redis.call('INCR', KEYS[1])
for i = 1, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[3], number, ARGV[i])
end
for i = 1, 3 do redis.call('EXPIRE', KEYS[i], {NOTES_LIFETIME}) end
return number
"""
_NOTES_SINCE = """
local keys = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf')
local result = {redis.call('GET', KEYS[1]) or '0'}
for _, key in ipairs(keys) do
  result[#result + 1] = key
  result[#result + 1] = redis.call('HGET', KEYS[2], key) or ''
end
return result
"""
_ADD_TALLIES = f"""
for i = 1, #ARGV, 2 do
  redis.call('HINCRBYFLOAT', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('EXPIRE', KEYS[1], {HISTORY_LIFETIME})
"""


class RedisStore:
    """Windows and notes in the database at `url` (redis://, rediss:// or unix://)."""

    shared = True

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
        self._cached: dict[str, bytes] = {}
        """Windows as they were last seen. They may be outdated: compare-and-set finds out."""
        self._connection: Any = None
        self._lock: asyncio.Lock | None = None
        self._abandoned: list[object] = []
        """Connections of a parent process. Kept, so that no destructor closes them."""

    async def change(self, charges: tuple[Charge, ...], decide: Decide[T], now: float) -> T:
        # One after the other: this process's own requests need not compete with each other.
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            return await self._compare_and_set(charges, decide)

    async def _compare_and_set(self, charges: tuple[Charge, ...], decide: Decide[T]) -> T:
        keys = [f"{PREFIX}w:{charge.window}" for charge in charges]
        fresh = False
        for _ in range(MAX_TRIES):
            before = [self._cached.get(key, b"") for key in keys]
            windows = {c: Window.of(text) for c, text in zip(charges, before, strict=True)}
            result, changed = decide(windows.__getitem__)
            if not changed and fresh:
                return result
            if not changed:  # decided by what may be outdated: look, and decide again
                self._remember(keys, await self._execute("MGET", *keys))
                fresh = True
                continue
            after = [windows[charge].state() for charge in charges]
            lifetimes = [str(_lifetime(charge)) for charge in charges]
            values: list[str | bytes] = [*keys, *before, *after, *lifetimes]
            current = await self._execute("EVAL", _COMPARE_AND_SET, len(keys), *values)
            if not current:
                self._remember(keys, after)
                return result
            self._remember(keys, current)
            fresh = True
        raise StoreFailed("other processes were quicker every time")

    async def put_notes(self, notes: dict[str, str], now: float) -> None:
        if notes:
            pairs = [part for pair in notes.items() for part in pair]
            await self._execute("EVAL", _PUT_NOTES, len(_NOTES), *_NOTES, *pairs)

    async def notes_since(self, number: int) -> tuple[int, dict[str, str]]:
        newest, *parts = await self._execute(
            "EVAL", _NOTES_SINCE, len(_NOTES), *_NOTES, str(number)
        )
        texts = [part.decode() for part in parts]
        return int(newest), dict(zip(texts[::2], texts[1::2], strict=True))

    async def add(self, tallies: Tallies, hour: int) -> None:
        # One hash for each day, which expires.
        days: dict[int, list[str]] = {}
        for (at, model), tally in tallies.items():
            for name, value in tally.items():
                if value:
                    days.setdefault(at // 24, []).extend((f"{at}|{name}|{model}", repr(value)))
        for day, pairs in days.items():
            await self._execute("EVAL", _ADD_TALLIES, 1, f"{_HISTORY}{day}", *pairs)

    async def history(self, since: int) -> Tallies:
        tallies: Tallies = {}
        for key in await self._execute("KEYS", f"{_HISTORY}*"):
            if int(key.decode().removeprefix(_HISTORY)) < since // 24:
                continue
            sums: dict[bytes, bytes] = await self._execute("HGETALL", key)
            for field, value in sums.items():
                hour, name, model = field.decode().split("|", 2)
                if int(hour) >= since:
                    tallies.setdefault((int(hour), model), {})[name] = float(value)
        return tallies

    def forget(self) -> None:
        self._abandoned.append(self._connection)
        self._connection = self._lock = None
        self._cached.clear()

    async def close(self) -> None:
        connection, self._connection = self._connection, None
        self._lock = None  # the next loop needs its own
        if connection is not None:
            await connection.aclose(close_connection_pool=True)

    async def _execute(self, *command: str | bytes | int) -> Any:
        try:
            if self._connection is None:
                self._connection = self._client.from_url(
                    self._url,
                    socket_timeout=SOCKET_TIMEOUT,
                    socket_connect_timeout=SOCKET_TIMEOUT,
                    single_connection_client=True,
                )
            return await self._connection.execute_command(*command)
        except (self._client.RedisError, OSError, ValueError, TypeError) as error:
            # Its message may quote the URL's password.
            raise StoreFailed(type(error).__name__) from None

    def _remember(self, keys: list[str], texts: Sequence[bytes | None]) -> None:
        if len(self._cached) > MAX_CACHED:
            self._cached.clear()
        self._cached.update({key: text or b"" for key, text in zip(keys, texts, strict=True)})


def _lifetime(charge: Charge) -> int:
    """Seconds after which a window that nobody changed is empty."""
    limit = charge.limit
    if limit.concurrent is not None:
        return int(LEASE) + 60
    return 33 * 86_400 if limit.reset == "utc-month" else int(limit.per) + 86_400
