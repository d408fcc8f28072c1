"""What `Router.stream` and `Router.astream` hand out: deltas as they come, and the outcome once they have ended."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Generator

from ..routing.plan import Outcome
from ..wire.stream import Delta


class Stream:
    """An iterator of `Delta`s. `outcome` is set once it has ended; `close()` cancels the request."""

    def __init__(self, start: Callable[[], Generator[Delta, None, Outcome]]) -> None:
        self.outcome: Outcome | None = None
        self._deltas = self._run(start)

    def _run(self, start: Callable[[], Generator[Delta, None, Outcome]]) -> Generator[Delta, None, None]:
        self.outcome = yield from start()

    def __iter__(self) -> Generator[Delta, None, None]:
        return self._deltas

    def close(self) -> None:
        self._deltas.close()


class AsyncStream:
    """An asynchronous iterator of `Delta`s. `outcome` is set once it has ended; `aclose()` cancels the request."""

    def __init__(self, start: Callable[[Callable[[Outcome], None]], AsyncGenerator[Delta, None]]) -> None:
        self.outcome: Outcome | None = None
        self._deltas = start(self._finish)

    def _finish(self, outcome: Outcome) -> None:
        self.outcome = outcome

    def __aiter__(self) -> AsyncGenerator[Delta, None]:
        return self._deltas

    async def aclose(self) -> None:
        await self._deltas.aclose()
