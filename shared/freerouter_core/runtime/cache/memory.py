"""`MemoryBytes`: what this process alone keeps."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection, Mapping

from ..loop.os_threads import new_lock
from .store import Kept

_Entry = tuple[bytes, float, float]
"""(the value, when it was written, when it expires)."""


class MemoryBytes:
    """Bytes by key, in the order of their last use. Any thread may read."""

    shared = False

    def __init__(self) -> None:
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0
        self._lock = new_lock()

    def read(self, keys: Collection[str], now: float) -> dict[str, bytes]:
        values: dict[str, bytes] = {}
        with self._lock:
            for key in keys:
                entry = self._entries.get(key)
                if entry is not None and entry[2] > now:
                    values[key] = entry[0]
                    self._entries.move_to_end(key)
        return values

    async def get(self, keys: Collection[str], now: float) -> dict[str, bytes]:
        return self.read(keys, now)

    async def put(
        self, values: Mapping[str, bytes], now: float, expires: float | None, max_bytes: int
    ) -> None:
        end = math.inf if expires is None else expires
        with self._lock:
            for key, value in values.items():
                self._forget(key)
                self._entries[key] = (value, now, end)
                self._bytes += len(value)
            while self._bytes > max_bytes:
                self._forget(next(iter(self._entries)))

    async def drop(self, keys: Collection[str]) -> None:
        with self._lock:
            for key in keys:
                self._forget(key)

    async def clear(self, before: float | None) -> int:
        with self._lock:
            old = [k for k, entry in self._entries.items() if before is None or entry[1] < before]
            for key in old:
                self._forget(key)
        return len(old)

    async def size(self) -> tuple[int, int]:
        return len(self._entries), self._bytes

    async def newest(self, limit: int) -> list[Kept]:
        with self._lock:
            kept = [Kept(key, e[0], e[1], e[1]) for key, e in self._entries.items()]
        return sorted(kept, key=lambda entry: -entry.written)[:limit]

    async def claim(self, key: str, owner: str, now: float, until: float) -> bool:
        """Always: nobody else would ask."""
        return True

    async def release(self, key: str, owner: str) -> None:
        """Nobody else waits."""

    def forget(self) -> None:
        """A fork keeps what was kept. A thread of the parent may have held the lock."""
        self._lock = new_lock()

    async def close(self) -> None:
        """Nothing is open."""

    def _forget(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry[0])
