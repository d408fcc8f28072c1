"""`RedisStore`: one store for many machines. Windows change by compare-and-set, in one Lua script, so that the decision itself stays
the same Python as everywhere; the script only says whether anybody else was quicker, and what they left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, TypeVar

from ...errors import MissingExtra
from ...routing.limits import LEASE, Charge, Window
from ...routing.usage_stats import Tallies
from .store import Decide, StoreFailed

T = TypeVar("T")
PREFIX = "freerouter:{state}:"
"""The braces keep all keys on one node of a cluster, where a script can see them."""
MAX_TRIES = 64
SOCKET_TIMEOUT = 1.5
"""For a connection, and for each answer."""
NOTES_LIFETIME = 30 * 86_400
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
_PUT_NOTES = """
local number = redis.call('INCR', KEYS[1])
for i = 1, #ARGV, 2 do
  redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[3], number, ARGV[i])
end
for i = 1, 3 do redis.call('EXPIRE', KEYS[i], 2592000) end
return number
"""
_NOTES_SINCE = """
local found = redis.call('ZRANGEBYSCORE', KEYS[3], '(' .. ARGV[1], '+inf')
local told = {redis.call('GET', KEYS[1]) or '0'}
for _, key in ipairs(found) do
  told[#told + 1] = key
  told[#told + 1] = redis.call('HGET', KEYS[2], key) or ''
end
return told
"""
_ADD_TALLIES = """
for i = 1, #ARGV, 2 do
  redis.call('HINCRBYFLOAT', KEYS[1], ARGV[i], ARGV[i + 1])
end
redis.call('EXPIRE', KEYS[1], 2678400)
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
        self._connected: Any = None
        self._lock: asyncio.Lock | None = None
        self._abandoned: list[Any] = []

    async def change(self, charges: tuple[Charge, ...], decide: Decide[T], now: float) -> T:
        """One after the other within a process: among its own requests nobody need be quicker than another."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        async with self._lock:
            return await self._change(charges, decide)

    async def _change(self, charges: tuple[Charge, ...], decide: Decide[T]) -> T:
        keys = [f"{PREFIX}w:{charge.window}" for charge in charges]
        sure = False
        for _ in range(MAX_TRIES):
            before = [self._cached.get(key, b"") for key in keys]
            windows = {c: Window.of(text) for c, text in zip(charges, before, strict=True)}
            result, dirty = decide(windows.__getitem__)
            if not dirty and sure:
                return result
            if not dirty:  # a refusal by what was known a while ago is none yet
                self._remember(keys, await self._execute("MGET", *keys))
                sure = True
                continue
            after = [windows[charge].state() for charge in charges]
            lives = [str(_lifetime(charge)) for charge in charges]
            current = await self._execute(
                "EVAL", _COMPARE_AND_SET, len(keys), *keys, *before, *after, *lives
            )
            if not current:
                self._remember(keys, after)
                return result
            self._remember(keys, current)
            sure = True
        raise StoreFailed("others were always quicker")

    async def put_notes(self, notes: dict[str, str], now: float) -> None:
        if notes:
            pairs = [part for pair in notes.items() for part in pair]
            await self._execute("EVAL", _PUT_NOTES, 3, *_NOTES, *pairs)

    async def notes_since(self, since: int) -> tuple[int, dict[str, str]]:
        number, *told = await self._execute("EVAL", _NOTES_SINCE, 3, *_NOTES, str(since))
        texts = [text.decode() for text in told]
        return int(number), dict(zip(texts[::2], texts[1::2], strict=True))

    async def add(self, tallies: Tallies, hour: int) -> None:
        """A hash for each day, which expires."""
        days: dict[int, list[str]] = {}
        for (at, model), tally in tallies.items():
            for name, value in tally.items():
                if value:
                    days.setdefault(at // 24, []).extend((f"{at}|{name}|{model}", repr(value)))
        for day, pairs in days.items():
            await self._execute("EVAL", _ADD_TALLIES, 1, f"{_HISTORY}{day}", *pairs)

    async def history(self, since: int) -> Tallies:
        found: Tallies = {}
        days = await self._execute("KEYS", f"{_HISTORY}*")
        for key in days:
            if int(key.decode().removeprefix(_HISTORY)) < since // 24:
                continue
            told: dict[bytes, bytes] = await self._execute("HGETALL", key)
            for field, value in told.items():
                hour, name, model = field.decode().split("|", 2)
                if int(hour) >= since:
                    found.setdefault((int(hour), model), {})[name] = float(value)
        return found

    def forget(self) -> None:
        self._abandoned.append(self._connected)  # the parent's: no destructor may touch it here
        self._connected = self._lock = None
        self._cached.clear()

    async def close(self) -> None:
        connected, self._connected = self._connected, None
        self._lock = None  # the next loop needs one of its own
        if connected is not None:
            await connected.aclose(close_connection_pool=True)

    async def _execute(self, *command: Any) -> Any:
        try:
            if self._connected is None:
                self._connected = self._client.from_url(
                    self._url,
                    socket_timeout=SOCKET_TIMEOUT,
                    socket_connect_timeout=SOCKET_TIMEOUT,
                    single_connection_client=True,
                )
            return await self._connected.execute_command(*command)
        except (self._client.RedisError, OSError, ValueError, TypeError) as error:
            raise StoreFailed(
                type(error).__name__
            ) from None  # its words may hold the URL's password

    def _remember(self, keys: list[str], texts: Sequence[bytes | None]) -> None:
        if len(self._cached) > 10_000:
            self._cached.clear()
        self._cached.update({key: text or b"" for key, text in zip(keys, texts, strict=True)})


_HISTORY = f"{PREFIX}history:"
_NOTES = (f"{PREFIX}number", f"{PREFIX}notes", f"{PREFIX}order")


def _lifetime(charge: Charge) -> int:
    """Seconds after which a window that nobody touches has nothing to tell any more."""
    limit = charge.limit
    if limit.concurrent is not None:
        return int(LEASE) + 60
    return 33 * 86_400 if limit.reset == "utc-month" else int(limit.per) + 86_400
