"""`Cache`: a store that may fail, as those see it who use it: a failure is a miss.

What may wait. A read or a write waits for the store, `STORE_TIMEOUT` seconds at most. One that
fails is left alone for `RETRY_AFTER` seconds; nothing is found or kept meanwhile, and one event
tells of it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import TypeVar

from ...errors import forgets_locals
from ...events import AnswersLost, Event
from ..ledger.store import StoreFailed
from ..loop.clock import Clock, RealClock
from ..loop.job import AsyncCall
from .memory import MemoryBytes
from .store import ByteStore, Kept

T = TypeVar("T")
STORE_TIMEOUT = 1.0
"""Seconds that a store may take. A request waits for it."""
RETRY_AFTER = 30.0
"""Seconds after which a store that failed is tried again."""
LEASE = 3.0
"""Seconds of a lease. Who holds it renews it."""


class Cache:
    """Bytes by key in one store. `owner` tells this process from others."""

    def __init__(
        self, store: ByteStore, clock: Clock, emit: Callable[[Event], None], owner: str
    ) -> None:
        self.store, self._clock, self._emit, self._owner = store, clock, emit, owner
        # A store takes real time, in which virtual time would run on.
        self._patience = STORE_TIMEOUT if isinstance(clock, RealClock) else None
        self._retry_at = 0.0
        self._told = False
        """Whether this outage was told."""

    @property
    def shared(self) -> bool:
        """Whether other processes see it."""
        return self.store.shared

    def read(self, keys: Collection[str]) -> dict[str, bytes] | None:
        """The values at once, on any thread. None: ask with `get`."""
        return self.store.read(keys, self._clock.wall()) if self._usable else None

    async def get(self, keys: Collection[str]) -> dict[str, bytes]:
        """The values of those keys that are kept."""
        if not self.store.shared:
            return self.store.read(keys, self._clock.wall()) or {}
        return await self._try(lambda now: self.store.get(keys, now)) or {}

    async def put(self, values: Mapping[str, bytes], ttl: float | None, max_bytes: int) -> bool:
        """Keep values for `ttl` seconds. Whether that was done: none may be too large."""
        values = {key: value for key, value in values.items() if len(value) <= max_bytes}

        async def put(now: float) -> bool:
            await self.store.put(values, now, None if ttl is None else now + ttl, max_bytes)
            return True

        return (bool(values) and await self._try(put)) or False

    async def drop(self, keys: Collection[str]) -> None:
        """Forget entries."""
        await self._try(lambda _: self.store.drop(keys))

    async def clear(self, older: float | None = None) -> int:
        """Forget what was written more than `older` seconds ago. None: everything. How many."""
        before = None if older is None else self._clock.wall() - older
        return await self._try(lambda _: self.store.clear(before)) or 0

    async def size(self) -> tuple[int, int]:
        """(entries, bytes)."""
        return await self._try(lambda _: self.store.size()) or (0, 0)

    async def newest(self, limit: int) -> list[Kept]:
        """The entries that were written last."""
        return await self._try(lambda _: self.store.newest(limit)) or []

    async def claim(self, key: str) -> bool:
        """Take or renew a lease of `LEASE` seconds. Whether nobody else has it."""
        return bool(
            await self._try(
                lambda now: self.store.claim(key, self._owner, now, now + LEASE), lost=True
            )
        )

    async def release(self, key: str) -> None:
        """Give a lease back."""
        await self._try(lambda _: self.store.release(key, self._owner))

    @property
    def _usable(self) -> bool:
        return not self._retry_at or self._clock.wall() >= self._retry_at

    async def _try(
        self, call: Callable[[float], AsyncCall[T]], *, lost: T | None = None
    ) -> T | None:
        """What the store says, or `lost`."""
        if not self.store.shared:  # memory, which neither waits nor fails
            return await call(self._clock.wall())
        if not self._usable:
            return lost
        try:
            with self._clock.stopped():
                async with asyncio.timeout(self._patience):
                    result = await call(self._clock.wall())
        except Exception as error:  # whatever a file or a server holds, no request may fail of it
            reason = str(error) if isinstance(error, StoreFailed) else type(error).__name__
            self._retry_at = self._clock.wall() + RETRY_AFTER
            if not self._told:
                self._told = True
                self._emit(AnswersLost(reason, RETRY_AFTER))
            return lost
        self._retry_at, self._told = 0.0, False
        return result


class Caches:
    """The caches of a runtime, by place. Each is opened at first use."""

    def __init__(self, clock: Clock, emit: Callable[[Event], None]) -> None:
        self._clock, self._emit = clock, emit
        self._by_place: dict[str, Cache] = {}
        self.tasks: set[asyncio.Task[object]] = set()
        """What is written beside the requests, and must end before stores are closed."""

    def open(self, place: str) -> Cache:
        """The cache at "memory", "sqlite", "sqlite:///path" or an address of Redis."""
        cache = self._by_place.get(place)
        if cache is None:
            cache = Cache(_open(place), self._clock, self._emit, os.urandom(8).hex())
            cache = self._by_place.setdefault(place, cache)
        return cache

    def spawn(self, work: AsyncCall[T]) -> asyncio.Task[T]:
        """Run work beside the requests. `drain` waits for it."""
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    async def drain(self) -> None:
        """Wait for what is being written, and close the stores."""
        if self.tasks:
            await asyncio.wait(set(self.tasks), timeout=STORE_TIMEOUT)
        for cache in self._by_place.values():
            await cache.store.close()

    def forget(self) -> None:
        """After a fork or a close: forget what was under way."""
        self.tasks.clear()
        for cache in self._by_place.values():
            cache.store.forget()


def place_beside(state: str) -> str:
    """Where answers are kept beside the state that `FREEROUTER_STATE` names."""
    if not state.startswith("sqlite:///"):
        return state
    path = Path(state.removeprefix("sqlite:///"))
    return f"sqlite:///{path.with_name(f'{path.stem}.answers.db')}"


@forgets_locals  # an address may hold a password
def _open(place: str) -> ByteStore:
    if place == "memory":
        return MemoryBytes()
    if place == "sqlite" or place.startswith("sqlite:///"):
        from .sqlite import FILE_NAME, SqliteBytes

        if place != "sqlite":
            return SqliteBytes(Path(place.removeprefix("sqlite:///")).expanduser())
        from platformdirs import user_state_path

        return SqliteBytes(user_state_path("freerouter") / FILE_NAME)
    from .redis import RedisBytes

    return RedisBytes(place)
