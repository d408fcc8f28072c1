"""`RedisStore`: one store for many machines.

Windows change by compare-and-set, in one Lua script. So the decision itself is the same Python as
in the other stores. The script only tells whether another process was quicker, and what it left.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from ...routing.charges import Charge
from ...routing.limits import Windows
from ...routing.usage_stats import Tallies
from ...routing.window import LEASE, Window
from .redis_connection import RedisConnection
from .store import Decide, StoreFailed

T = TypeVar("T")
PREFIX = "freerouter:{state}:"
"""The braces keep all keys on one node of a cluster, where a script can see them."""
MAX_TRIES = 64
"""Rounds of compare-and-set in which other processes may be quicker."""
MAX_CACHED = 10_000
"""Windows remembered from the last round trip."""
NOTES_LIFETIME = 30 * 86_400
"""Seconds after which notes are dropped, unless one is written."""
HISTORY_LIFETIME = 31 * 86_400
"""Seconds after which a day's usage is dropped."""
_HISTORY = f"{PREFIX}history:"
_NOTES = (f"{PREFIX}number", f"{PREFIX}notes", f"{PREFIX}order")
MAX_DRIFT = 2.0
"""Seconds by which the server's clock may be elsewhere than it was thought to be."""
_COMPARE_AND_SET = f"""
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
if math.abs(now - ARGV[3 * #KEYS + 1]) > {MAX_DRIFT} then return time end
for i = 1, #KEYS do
  if (redis.call('GET', KEYS[i]) or '') ~= ARGV[i] then
    local current = redis.call('MGET', unpack(KEYS))
    for n = 1, #KEYS do time[2 + n] = current[n] or '' end
    return time
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


def _finder(by_name: dict[str, Window]) -> Windows:
    return lambda charge: by_name[charge.window]


class _Change:
    """One change that somebody waits for. `offset`: the caller's clock less the monotonic one."""

    def __init__(
        self,
        charges: tuple[Charge, ...],
        decide: Decide[Any],
        offset: float,
        result: asyncio.Future[Any],
    ) -> None:
        self.charges, self._decide, self.offset, self.result = charges, decide, offset, result

    def decided(self, windows: Windows) -> tuple[Any, bool]:
        """(the result, whether it changed a window). One whose caller has gone changes nothing."""
        if self.result.done():
            return None, True
        try:
            return self._decide(windows)
        except Exception as error:  # of this change: the others of the round are made
            self.fail(error)
            return None, True

    def resolve(self, result: object) -> None:
        """Tell the caller the result."""
        if not self.result.done():
            self.result.set_result(result)

    def fail(self, error: Exception) -> None:
        """Tell the caller that it failed."""
        if not self.result.done():
            self.result.set_exception(error)


class RedisStore(RedisConnection):
    """Windows and notes in the database at `url` (redis://, rediss:// or unix://)."""

    shared = True

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self._cached: dict[str, bytes] = {}
        """Windows as they were last seen. They may be outdated: compare-and-set finds out."""
        self.lead = 0.0
        self._lead_known = False
        self._waiting: list[_Change] = []
        """Changes that are made in the next round."""
        self._rounds: asyncio.Task[None] | None = None
        self._steady: Callable[[], float] = time.monotonic

    async def change(self, charges: tuple[Charge, ...], decide: Decide[T], now: float) -> T:
        # What is asked for during one round trip is decided in the next, all together: so a server
        # that is far away makes each request wait for two round trips, not for all the others.
        loop = asyncio.get_running_loop()
        change = _Change(charges, decide, now - self._steady(), loop.create_future())
        self._waiting.append(change)
        if self._rounds is None or self._rounds.done():
            self._rounds = loop.create_task(self._run_rounds())
        return await change.result  # type: ignore[no-any-return]  # it is what `decide` returned

    async def _run_rounds(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            batch = [change for change in batch if not change.result.done()]
            if not batch:
                continue
            try:
                await self._compare_and_set(batch)
            except StoreFailed as error:
                for change in batch:
                    change.fail(error)
            finally:
                for change in batch:  # this task was cancelled
                    change.result.cancel()

    async def _compare_and_set(self, batch: list[_Change]) -> None:
        charges = tuple({charge.window: charge for c in batch for charge in c.charges}.values())
        keys = [f"{PREFIX}w:{charge.window}" for charge in charges]
        offset = batch[-1].offset
        if not self._lead_known:
            self._learn_lead(await self._execute("TIME"), offset)
        fresh = False
        for _ in range(MAX_TRIES):
            before = [self._cached.get(key, b"") for key in keys]
            by_name = {c.window: Window.of(text) for c, text in zip(charges, before, strict=True)}
            windows = _finder(by_name)
            decisions = [change.decided(windows) for change in batch]
            changed = [changed for _, changed in decisions]
            if not all(changed) and not fresh:
                # Refused by what may be outdated: look, and decide again.
                self._remember(keys, await self._execute("MGET", *keys))
                fresh = True
                continue
            if any(changed):
                after = [by_name[charge.window].state() for charge in charges]
                lifetimes = [str(_lifetime(charge)) for charge in charges]
                at = repr(offset + self._steady() + self.lead)
                values: list[str | bytes] = [*keys, *before, *after, *lifetimes, at]
                answer = await self._execute("EVAL", _COMPARE_AND_SET, len(keys), *values)
                if answer:
                    self._learn_lead(answer[:2], offset)
                    if len(answer) > 2:
                        self._remember(keys, answer[2:])
                        fresh = True
                    continue
                self._remember(keys, after)
            for change, (result, _) in zip(batch, decisions, strict=True):
                change.resolve(result)
            return
        raise StoreFailed("other processes were quicker every time")

    def _learn_lead(self, server_time: Sequence[bytes | int], offset: float) -> None:
        """Compare the server's clock with this machine's: all that share a store go by its."""
        seconds, micros = (int(part) for part in server_time)
        self.lead = seconds + micros / 1e6 - (offset + self._steady())
        self._lead_known = True

    async def put_notes(self, notes: dict[str, str], now: float) -> None:
        if notes:
            pairs = [part for pair in notes.items() for part in pair]
            await self._execute("EVAL", _PUT_NOTES, len(_NOTES), *_NOTES, *pairs)

    async def notes_since(self, number: int) -> tuple[int, dict[str, str]]:
        newest, *parts = await self._execute(
            "EVAL", _NOTES_SINCE, len(_NOTES), *_NOTES, str(number)
        )
        texts = [part.decode("utf-8", "replace") for part in parts]
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
                hour, name, model = field.decode("utf-8", "replace").split("|", 2)
                if int(hour) >= since:
                    tallies.setdefault((int(hour), model), {})[name] = float(value)
        return tallies

    def forget(self) -> None:
        super().forget()
        self._rounds = None
        self._waiting = []
        self._cached.clear()

    async def close(self) -> None:
        rounds, self._rounds = self._rounds, None  # the next loop needs its own
        if rounds is not None:
            rounds.cancel()
        await super().close()

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
