"""A timeout that counts only the time in which the loop runs."""

from __future__ import annotations

import asyncio

import pytest

from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.loop.patience import Patience


async def test_what_takes_too_long_is_cancelled() -> None:
    never = asyncio.get_running_loop().create_future()
    with pytest.raises(TimeoutError):
        async with Patience(0.02):
            await never

    assert never.cancelled()


def test_what_came_while_the_loop_stood_still_came_in_time() -> None:
    """Both the answer and the end of a timeout are due when the loop goes on."""
    clock = VirtualClock()
    loop = clock.new_event_loop(lambda: True)

    async def answered_in(limit: Patience | asyncio.Timeout) -> bool:
        answer = loop.create_future()
        loop.call_later(4.0, answer.set_result, True)
        loop.call_soon(clock.advance, 10.0)  # a busy machine
        try:
            async with limit:
                return bool(await answer)
        except TimeoutError:
            return False

    async def both() -> tuple[bool, bool]:
        return await answered_in(Patience(3.0)), await answered_in(asyncio.timeout(3.0))

    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        assert runner.run(both()) == (True, False)


async def test_errors_and_cancels_pass() -> None:
    async def patient() -> None:
        async with Patience(1.0):
            await asyncio.Event().wait()

    with pytest.raises(ZeroDivisionError):
        async with Patience(1.0):
            raise ZeroDivisionError
    task = asyncio.create_task(patient())
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait({task})

    assert task.cancelled()
