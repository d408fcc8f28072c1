"""`ByteStore`: bytes by key, with a time to live and a bound. One interface, three stores.

A store knows nothing of what the bytes mean. What it loses costs a request, so a store may forget
anything at any time, and none may hand out what was not written whole.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Kept:
    """One entry. `written` and `used` are unix seconds."""

    key: str
    value: bytes
    written: float
    used: float


class ByteStore(Protocol):
    """Bytes by key.

    All methods but `read` and `forget` run on the runtime's loop and raise `StoreFailed`. `now` is
    in unix seconds, as the machine's clock tells them.
    """

    shared: bool
    """Whether other processes see it."""

    def read(self, keys: Collection[str], now: float) -> dict[str, bytes] | None:
        """The values at once, on any thread. None: they could not be had without waiting."""

    async def get(self, keys: Collection[str], now: float) -> dict[str, bytes]:
        """The values of those keys that are kept and not expired."""

    async def put(
        self, values: Mapping[str, bytes], now: float, expires: float | None, max_bytes: int
    ) -> None:
        """Keep values until `expires`; None: for ever. The least recently used entries go until
        all values together have at most `max_bytes`."""

    async def drop(self, keys: Collection[str]) -> None:
        """Forget entries."""

    async def clear(self, before: float | None) -> int:
        """Forget all that was written before then, as one step. None: everything. How many."""

    async def size(self) -> tuple[int, int]:
        """(entries, bytes of their values)."""

    async def newest(self, limit: int) -> list[Kept]:
        """The entries that were written last, the newest first."""

    async def claim(self, key: str, owner: str, now: float, until: float) -> bool:
        """Take or renew a lease. Whether `owner` has it now."""

    async def release(self, key: str, owner: str) -> None:
        """Give a lease back."""

    def forget(self) -> None:
        """After a fork: drop connections, which are the parent's. Close nothing."""

    async def close(self) -> None:
        """Close connections. The next call opens new ones."""
