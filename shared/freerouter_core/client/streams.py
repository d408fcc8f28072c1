"""`Stream` and `AsyncStream`: an answer as it comes, and its outcome at the end."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Self

from ..errors import FreeRouterError
from ..routing.plan import Outcome
from ..wire.delta import Delta


class _HasOutcome:
    """The outcome of a stream, once there is one."""

    def __init__(self) -> None:
        self._outcome: Outcome | None = None

    @property
    def outcome(self) -> Outcome:
        """The whole answer and how it came about. There once the stream was read to its end.

        Raises:
            FreeRouterError: the stream has not ended yet, was closed, or failed.
        """
        if self._outcome is None:
            raise FreeRouterError(
                "the stream has no outcome yet",
                hint="read it to its end first; a stream that was closed or that failed has none",
            )
        return self._outcome

    @property
    def done(self) -> bool:
        """Whether the stream has ended with an answer, so that `outcome` is there."""
        return self._outcome is not None

    def _finish(self, outcome: Outcome) -> None:
        self._outcome = outcome


class Stream(_HasOutcome):
    """An iterator of `Delta`s, and a context manager that closes it.

    The request is sent when the first delta is asked for.
    """

    def __init__(self, start: Callable[[], Generator[Delta, None, Outcome]]) -> None:
        super().__init__()
        self._deltas = self._read(start)

    def _read(
        self, start: Callable[[], Generator[Delta, None, Outcome]]
    ) -> Generator[Delta, None, None]:
        self._finish((yield from start()))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Delta:
        return next(self._deltas)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel the request if it is still running."""
        self._deltas.close()


class AsyncStream(_HasOutcome):
    """An asynchronous iterator of `Delta`s, and a context manager that closes it.

    The request is sent when the first delta is asked for.
    """

    def __init__(
        self, start: Callable[[Callable[[Outcome], None]], AsyncGenerator[Delta, None]]
    ) -> None:
        super().__init__()
        self._deltas = start(self._finish)

    def __aiter__(self) -> Self:
        return self

    def __anext__(self) -> Awaitable[Delta]:
        return self._deltas.__anext__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Cancel the request if it is still running."""
        await self._deltas.aclose()
