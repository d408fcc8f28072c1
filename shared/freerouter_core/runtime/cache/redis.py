"""`RedisBytes`: what many machines keep. Each step is one script, so none is seen half done."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from ..ledger.redis_connection import RedisConnection
from .store import Kept

PREFIX = "freerouter:{answers}:"
"""The braces keep all keys on one node of a cluster, where a script can see them."""
_INDEX = tuple(f"{PREFIX}{name}" for name in ("used", "written", "expires", "sizes", "total"))
"""When each entry was used, written and expires, its bytes, and the bytes of all."""
_REMOVE = f"""
local function remove(key)
  redis.call('DEL', '{PREFIX}v:' .. key)
  local size = redis.call('HGET', KEYS[4], key)
  if not size then return end
  redis.call('DECRBY', KEYS[5], size)
  redis.call('HDEL', KEYS[4], key)
  for i = 1, 3 do redis.call('ZREM', KEYS[i], key) end
end
"""
_GET = f"""
local values = {{}}
for i = 2, #ARGV do
  local value = redis.call('GET', '{PREFIX}v:' .. ARGV[i])
  values[i - 1] = value
  if value then redis.call('ZADD', KEYS[1], 'XX', ARGV[1], ARGV[i]) end
end
return values
"""
_PUT = f"""{_REMOVE}
for i = 4, #ARGV, 2 do
  remove(ARGV[i])
  local name = '{PREFIX}v:' .. ARGV[i]
  redis.call('SET', name, ARGV[i + 1])
  redis.call('ZADD', KEYS[1], ARGV[1], ARGV[i])
  redis.call('ZADD', KEYS[2], ARGV[1], ARGV[i])
  redis.call('HSET', KEYS[4], ARGV[i], #ARGV[i + 1])
  redis.call('INCRBY', KEYS[5], #ARGV[i + 1])
  if ARGV[2] ~= '' then
    redis.call('PEXPIRE', name, math.max(1, math.floor((ARGV[2] - ARGV[1]) * 1000)))
    redis.call('ZADD', KEYS[3], ARGV[2], ARGV[i])
  end
end
for _, key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[3], '-inf', ARGV[1])) do remove(key) end
while tonumber(redis.call('GET', KEYS[5]) or '0') > tonumber(ARGV[3]) do
  local oldest = redis.call('ZRANGE', KEYS[1], 0, 0)[1]
  if not oldest then redis.call('DEL', KEYS[5]) break end
  remove(oldest)
end
"""
_DROP = f"""{_REMOVE}
for i = 1, #ARGV do remove(ARGV[i]) end
"""
_CLEAR = f"""{_REMOVE}
local keys = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[1])
for _, key in ipairs(keys) do remove(key) end
return #keys
"""
_CLAIM = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
return redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) and 1 or 0
"""
_RELEASE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""


class RedisBytes(RedisConnection):
    """Bytes by key in the database at `url` (redis://, rediss:// or unix://)."""

    shared = True

    def read(self, keys: Collection[str], now: float) -> None:
        """Never at once: a server is asked."""

    async def get(self, keys: Collection[str], now: float) -> dict[str, bytes]:
        values = await self._script(_GET, repr(now), *keys)
        found = zip(keys, values, strict=False)
        return {key: value for key, value in found if isinstance(value, bytes)}

    async def put(
        self, values: Mapping[str, bytes], now: float, expires: float | None, max_bytes: int
    ) -> None:
        end = "" if expires is None else repr(expires)
        pairs = [part for pair in values.items() for part in pair]
        await self._script(_PUT, repr(now), end, max_bytes, *pairs)

    async def drop(self, keys: Collection[str]) -> None:
        await self._script(_DROP, *keys)

    async def clear(self, before: float | None) -> int:
        return int(await self._script(_CLEAR, "+inf" if before is None else f"({before!r}"))

    async def size(self) -> tuple[int, int]:
        entries = await self._execute("HLEN", _INDEX[3])
        return int(entries), int(await self._execute("GET", _INDEX[4]) or 0)

    async def newest(self, limit: int) -> list[Kept]:
        pairs = await self._execute("ZREVRANGE", _INDEX[1], 0, limit - 1, "WITHSCORES")
        written = _scores(pairs)
        used = _scores(await self._execute("ZREVRANGE", _INDEX[0], 0, -1, "WITHSCORES"))
        kept = []
        for key, at in written.items():
            value = await self._execute("GET", f"{PREFIX}v:{key}")
            if isinstance(value, bytes):
                kept.append(Kept(key, value, at, used.get(key, at)))
        return kept

    async def claim(self, key: str, owner: str, now: float, until: float) -> bool:
        milliseconds = max(1, int((until - now) * 1e3))
        name = f"{PREFIX}lease:{key}"
        return bool(await self._execute("EVAL", _CLAIM, 1, name, owner, milliseconds))

    async def release(self, key: str, owner: str) -> None:
        await self._execute("EVAL", _RELEASE, 1, f"{PREFIX}lease:{key}", owner)

    async def _script(self, script: str, *values: str | bytes | int) -> Any:
        return await self._execute("EVAL", script, len(_INDEX), *_INDEX, *values)


def _scores(pairs: object) -> dict[str, float]:
    """Scores by member, from members and scores in turn (RESP2) or as pairs (RESP3)."""
    if not isinstance(pairs, list):
        return {}
    flat = [part for pair in pairs for part in (pair if isinstance(pair, list) else [pair])]
    return {
        member.decode("utf-8", "replace"): float(score)
        for member, score in zip(flat[::2], flat[1::2], strict=False)
    }
