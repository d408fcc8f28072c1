"""Requests under way that several wait for."""

from __future__ import annotations

import asyncio
import gc
from typing import Any

import pytest

from freerouter_core.runtime.cache.single_flight import Flight, SingleFlight, Terms
from freerouter_core.runtime.loop.clock import RealClock
from freerouter_core.wire.delta import Delta


class Answering:
    """A request whose steps the test decides."""

    def __init__(self) -> None:
        self.flights: SingleFlight[str] = SingleFlight(RealClock())
        self.end: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self.flight = self.flights.start("key", Terms(True, (), ()), self._work)

    async def _work(self, flight: Flight[str]) -> str:
        return await self.end


@pytest.mark.parametrize(
    ("own", "of_another", "same"),
    [
        (None, None, True),
        (10.0, 10.0, True),
        (10.9, 10.0, True),
        (11.1, 10.0, False),
        (9.0, 10.0, True),
        (None, 10.0, False),
        (10.0, None, True),
    ],
)
def test_who_has_no_more_time_fails_as_the_other_did(
    own: float | None, of_another: float | None, same: bool
) -> None:
    terms = Terms(True, (), ("a",), own)
    assert terms.fails_as(Terms(False, ("x",), ("a",), of_another)) == same
    assert not terms.fails_as(Terms(True, (), ("b",), of_another))


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_joins_late_gets_what_was_shown_so_far_at_once_and_then_follows() -> None:
    work = Answering()
    early: list[str] = []
    late: list[str] = []
    first = asyncio.ensure_future(work.flight.follow(lambda delta: early.append(delta.text)))
    work.flight.show(Delta("a"))
    work.flight.show(Delta("b"))
    await settle()
    joined = work.flights.under_way("key")
    assert joined is work.flight
    second = asyncio.ensure_future(joined.follow(lambda delta: late.append(delta.text)))
    whole = asyncio.ensure_future(joined.follow(None))
    await settle()
    assert early == late == ["a", "b"]
    first.cancel()
    work.flight.show(Delta("c"))
    await settle()
    assert (early, late) == (["a", "b"], ["a", "b", "c"])
    work.end.set_result("abc")
    assert await second == await whole == "abc"
    await settle()
    assert "key" not in work.flights


async def test_the_last_who_leaves_ends_it_and_the_next_needs_another() -> None:
    work = Answering()
    followers = [asyncio.ensure_future(work.flight.follow(None)) for _ in range(2)]
    await settle()
    followers[0].cancel()
    await settle()
    assert work.flights.under_way("key") is work.flight
    followers[1].cancel()
    await asyncio.sleep(0)
    assert work.flights.under_way("key") is None
    await settle()
    assert work.flight.task.cancelled()


async def test_one_that_failed_is_not_joined() -> None:
    work = Answering()
    followers = [asyncio.ensure_future(work.flight.follow(None)) for _ in range(2)]
    await settle()
    work.end.set_exception(ValueError("no"))
    results = await asyncio.gather(*followers, return_exceptions=True)
    assert [type(result) for result in results] == [ValueError] * 2
    assert work.flights.under_way("key") is None


async def test_an_error_that_nobody_sees_is_no_noise() -> None:
    loop, noise = asyncio.get_running_loop(), list[object]()
    loop.set_exception_handler(lambda _, context: noise.append(context))
    flights: SingleFlight[str] = SingleFlight(RealClock())

    async def fails(flight: Flight[str]) -> str:
        try:
            await asyncio.Event().wait()
        finally:
            raise ValueError("no")

    follower = asyncio.ensure_future(flights.start("key", Terms(True, (), ()), fails).follow(None))
    await settle()
    follower.cancel()
    await settle()
    del follower
    gc.collect()
    assert "key" not in flights
    assert noise == []


async def test_what_is_being_kept_can_be_read_until_it_is_kept() -> None:
    work = Answering()
    kept: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def keep() -> None:
        await kept

    work.flight.value, work.flight.kept = b"x", asyncio.ensure_future(keep())
    follower = asyncio.ensure_future(work.flight.follow(None))
    await settle()
    work.end.set_result("x")
    assert await follower == "x"
    await settle()
    assert work.flights.under_way("key") is None
    assert work.flights.being_kept("key") == b"x"
    work.end = asyncio.get_running_loop().create_future()
    another = work.flights.start("key", Terms(True, (), ()), work._work)
    kept.set_result(None)
    await settle()
    assert work.flights.being_kept("key") is None
    assert work.flights.under_way("key") is another
    work.end.set_result("y")
    assert await another.follow(None) == "y"
    await settle()
    assert "key" not in work.flights


async def test_a_flight_tells_whether_others_follow() -> None:
    work = Answering()
    followers = [asyncio.ensure_future(work.flight.follow(None))]
    await settle()
    assert not work.flight.joined
    followers.append(asyncio.ensure_future(work.flight.follow(None)))
    await settle()
    followers.pop().cancel()
    await settle()
    assert work.flight.joined
    work.end.set_result("x")
    assert await followers[0] == "x"


async def test_a_follower_waits_no_longer_than_it_may_for_the_first_delta() -> None:
    work = Answering()
    stays = asyncio.ensure_future(work.flight.follow(None))
    now = RealClock().now()
    with pytest.raises(TimeoutError):
        await work.flight.follow(None, now + 0.01)
    shown: list[Delta] = []
    work.flight.show(Delta("a"))
    streams = asyncio.ensure_future(work.flight.follow(shown.append, now + 0.01))
    await asyncio.sleep(0.03)
    assert not streams.done()
    work.end.set_result("a")
    assert await streams == await stays == "a"


async def test_each_reads_at_its_own_pace() -> None:
    work = Answering()

    class Slow:
        is_full = False

        def __init__(self) -> None:
            self.seen: list[Delta] = []
            self.room = asyncio.Event()

        def __call__(self, delta: Delta) -> None:
            self.seen.append(delta)
            self.is_full = True

        async def drain(self) -> None:
            await self.room.wait()
            self.is_full = False

    slow, quick = Slow(), list[Any]()
    followers = [asyncio.ensure_future(work.flight.follow(show)) for show in (slow, quick.append)]
    await settle()
    for text in "abc":
        work.flight.show(Delta(text))
    work.end.set_result("abc")
    assert await followers[1] == "abc"
    assert (len(slow.seen), len(quick)) == (1, 3)
    slow.room.set()
    assert await followers[0] == "abc"
    assert len(slow.seen) == 3


async def test_nothing_is_under_way_after_a_fork() -> None:
    work = Answering()
    work.flights.forget()
    assert "key" not in work.flights
    work.flight.task.cancel()
