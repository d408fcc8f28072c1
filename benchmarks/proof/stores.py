"""The shared stores of a run: the package's own code over a file and over a simulated server.

Time passes, calls fail and replies are lost as the scene says. What a store does to its data is
real: `SqliteStore` writes a file, `RedisStore` compares and sets.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Any, ClassVar, TypeVar

from history import History, Trouble
from scene import Span

from freerouter_core.runtime.ledger import redis as redis_module
from freerouter_core.runtime.ledger.redis import RedisStore
from freerouter_core.runtime.ledger.sqlite import SqliteStore
from freerouter_core.runtime.ledger.store import StoreFailed
from freerouter_core.runtime.loop.clock import VirtualClock

T = TypeVar("T")
SLOW_ENOUGH_TO_FAIL = 1.4
"""Seconds from which on a call may have been given up by whoever asked."""


class Link:
    """The way from one process to the store. It is cut when the process dies."""

    def __init__(
        self, name: str, clock: VirtualClock, rng: Random, troubles: list[Span], history: History
    ) -> None:
        self.name, self.clock, self._rng = name, clock, rng
        self._troubles, self._history = troubles, history
        self.alive = True

    def _trouble(self) -> None:
        self._history.troubles.append(Trouble(self.clock.elapsed, "store", self.name))

    async def cross(self, work: Callable[[], T], latency: float) -> T:
        """Do `work` at the store, with the troubles of this moment. Raises OSError."""
        rng = self._rng
        kinds = {span.what for span in self._troubles if span.holds(self.clock.elapsed)}
        latency *= rng.uniform(0.2, 2.0)
        if "slow" in kinds:
            latency = rng.uniform(0.1, 3.0)
        if latency > SLOW_ENOUGH_TO_FAIL:
            self._trouble()
        await asyncio.sleep(latency / 2)
        lost = rng.random() if "lossy" in kinds else 1.0
        if "down" in kinds or lost < 0.2 or not self.alive:
            self._trouble()
            raise ConnectionError("no way to the store")
        result = work()
        await asyncio.sleep(latency / 2)
        if not self.alive or lost < 0.4:
            self._trouble()
            if lost < 0.3:
                await asyncio.sleep(60.0)
            raise ConnectionError("the reply was lost")
        return result


class SimulatedSqlite(SqliteStore):
    """The real file, without a thread: a transaction happens at one moment of the run."""

    def __init__(self, path: Path, link: Link) -> None:
        super().__init__(path)
        self._link = link

    async def _run(self, work: Callable[[sqlite3.Connection], T], *, writes: bool = True) -> T:
        try:
            return await self._link.cross(lambda: self._run_locked(work, writes=writes), 0.002)
        except OSError as error:
            raise StoreFailed(str(error)) from None

    def rows(self, query: str) -> list[Any]:
        """What the file holds, at once."""
        return self._run_locked(lambda db: db.execute(query).fetchall())

    def drop(self) -> None:
        if self._connection is not None:
            self._connection.close()


class RedisServer:
    """A Redis server, as far as `RedisStore` speaks to it. Its scripts are done in Python."""

    def __init__(self, clock: VirtualClock) -> None:
        self._clock = clock
        self.texts: dict[str, bytes] = {}
        self.notes: dict[str, tuple[int, str]] = {}
        self.number = 0
        self.history: dict[str, dict[str, float]] = {}

    def empty(self) -> None:
        for data in (self.texts, self.notes, self.history):
            data.clear()
        self.number = 0

    def dump(self) -> bytes:
        return repr((self.texts, self.notes, self.history)).encode()

    def _time(self) -> list[bytes]:
        seconds, fraction = divmod(self._clock.now(), 1.0)
        return [str(int(seconds)).encode(), str(int(fraction * 1e6)).encode()]

    def execute(self, name: str, *args: str | bytes | int) -> Any:
        if name == "TIME":
            return self._time()
        if name == "MGET":
            return [self.texts.get(str(key)) for key in args]
        if name == "KEYS":
            return [key.encode() for key in self.history]
        if name == "HGETALL":
            fields = self.history[bytes(args[0]).decode()]  # type: ignore[arg-type]  # as KEYS gave
            return {key.encode(): repr(value).encode() for key, value in fields.items()}
        script, count = str(args[0]), int(args[1])
        keys, values = [str(key) for key in args[2 : 2 + count]], args[2 + count :]
        return self._SCRIPTS[script](self, keys, values)

    def _compare_and_set(self, keys: list[str], values: tuple[Any, ...]) -> Any:
        count = len(keys)
        if abs(self._clock.now() - float(values[3 * count])) > redis_module.MAX_DRIFT:
            return self._time()
        now = [self.texts.get(key, b"") for key in keys]
        if now != list(values[:count]):
            return [*self._time(), *now]
        self.texts.update(zip(keys, values[count : 2 * count], strict=True))
        return None

    def _put_notes(self, keys: list[str], values: tuple[Any, ...]) -> Any:
        self.number += 1
        for key, note in zip(values[::2], values[1::2], strict=True):
            self.notes[str(key)] = (self.number, str(note))
        return self.number

    def _notes_since(self, keys: list[str], values: tuple[Any, ...]) -> Any:
        news = sorted(
            (number, key, note)
            for key, (number, note) in self.notes.items()
            if number > int(values[0])
        )
        parts = [part.encode() for _, key, note in news for part in (key, note)]
        return [str(self.number).encode(), *parts]

    def _add_tallies(self, keys: list[str], values: tuple[Any, ...]) -> Any:
        fields = self.history.setdefault(keys[0], {})
        for key, value in zip(values[::2], values[1::2], strict=True):
            fields[str(key)] = fields.get(str(key), 0.0) + float(value)

    _SCRIPTS: ClassVar[dict[str, Callable[[RedisServer, list[str], tuple[Any, ...]], Any]]] = {
        redis_module._COMPARE_AND_SET: _compare_and_set,  # noqa: SLF001  # what it is asked to do
        redis_module._PUT_NOTES: _put_notes,  # noqa: SLF001
        redis_module._NOTES_SINCE: _notes_since,  # noqa: SLF001
        redis_module._ADD_TALLIES: _add_tallies,  # noqa: SLF001
    }


class _Connection:
    def __init__(self, server: RedisServer, link: Link) -> None:
        self._server, self._link = server, link

    async def execute_command(self, *command: Any) -> Any:
        crossing: Awaitable[Any] = self._link.cross(lambda: self._server.execute(*command), 0.03)
        return await crossing


class SimulatedRedis(RedisStore):
    """The real store, connected to a simulated server. `steady`: its machine's steady clock."""

    def __init__(self, server: RedisServer, link: Link, steady: Callable[[], float]) -> None:
        super().__init__("redis://proof.invalid")
        self._connection = _Connection(server, link)
        self._steady = steady
