"""A shared store that is slow, or was quiet: what a request waits for, and for how long."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import pytest

from freerouter_core import ChatRequest, Limit, Provider, errors
from freerouter_core.routing.charges import Charge
from freerouter_core.routing.state import RoutingState
from freerouter_core.runtime.ledger import Ledger
from freerouter_core.runtime.ledger.state_sync import INTERVAL, OUTDATED, OUTDATED_WAIT, StateSync
from freerouter_core.runtime.ledger.store import Decide, MemoryStore
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.simulator import SimModel, World

T = TypeVar("T")
NOTE = {"g|scope": "false"}


class SlowStore(MemoryStore):
    """A store that others share. Each method takes its own seconds."""

    shared = True

    def __init__(self, change: float = 0.0, read: float = 0.0) -> None:
        super().__init__()
        self.seconds = {"change": change, "read": read}
        self.notes: dict[str, str] = {}
        self.put_at: list[float] = []

    async def change(self, charges: tuple[Charge, ...], decide: Decide[T], now: float) -> T:
        await asyncio.sleep(self.seconds["change"])
        return await super().change(charges, decide, now)

    async def put_notes(self, notes: dict[str, str], now: float) -> None:
        self.put_at.append(now)

    async def notes_since(self, number: int) -> tuple[int, dict[str, str]]:
        await asyncio.sleep(self.seconds["read"])
        return 1, dict(self.notes)


@pytest.mark.parametrize("slow", [{"change": 1.9}, {"read": 1.9}])
def test_a_slow_store_takes_no_more_than_the_caller_s_time(slow: dict[str, float]) -> None:
    """And what comes too late is not sent."""
    with World([SimModel("a/b:free")]) as world:
        world.runtime.ledger.store = SlowStore(**slow)
        where = Provider("openrouter", "https://w.invalid/api/v1", "k", limits=[Limit(5)])
        router = world.router(providers=(where,), hedge="off")
        with pytest.raises(errors.FreeRouterError):
            router.chat(ChatRequest([{"role": "user", "content": "hi"}], timeout=1.0))
        assert world.elapsed == pytest.approx(1.0, abs=0.01)
        assert not world.requests
        world.runtime.call(lambda: asyncio.sleep(10.0))  # the store learns that it is given back
        charge = Charge(next(iter(router._resolved.accounts.values())).scope, Limit(5))
        assert world.runtime.call(lambda: world.runtime.ledger.used(charge)) == 0.0


def at(clock: VirtualClock, *, read: float = 0.0) -> tuple[StateSync, SlowStore]:
    store = SlowStore(read=read)
    return StateSync(RoutingState(), Ledger(clock, store), clock), store


@pytest.mark.parametrize(("quiet", "known"), [(INTERVAL + 0.1, False), (OUTDATED, True)])
def test_the_requests_after_a_quiet_time_know_what_others_learnt(quiet: float, known: bool) -> None:
    clock = VirtualClock()
    sync, store = at(clock, read=0.01)

    async def live() -> list[Any]:
        await sync.pull()
        store.notes = NOTE
        await asyncio.sleep(quiet)

        async def request() -> Any:
            await sync.pull()
            return sync._state.price_caps.get("scope")

        return await asyncio.gather(*(request() for _ in range(3)))

    loop = clock.new_event_loop(lambda: True)
    assert loop.run_until_complete(live()) == [False if known else None] * 3
    loop.close()


def test_all_first_requests_know_what_others_learnt() -> None:
    clock = VirtualClock()
    sync, store = at(clock, read=1.0)
    store.notes = NOTE

    async def request() -> Any:
        await sync.pull()
        return sync._state.price_caps.get("scope")

    async def live() -> list[Any]:
        return await asyncio.gather(*(request() for _ in range(3)))

    loop = clock.new_event_loop(lambda: True)
    assert loop.run_until_complete(live()) == [False] * 3
    loop.close()


def test_a_slow_store_delays_the_requests_after_a_quiet_time_a_little() -> None:
    clock = VirtualClock()
    sync, store = at(clock)

    async def live() -> tuple[float, float]:
        await sync.pull()
        store.seconds["read"] = 1.9
        await asyncio.sleep(OUTDATED)
        began = clock.elapsed
        await asyncio.gather(*(sync.pull() for _ in range(3)))
        quiet = clock.elapsed - began
        await asyncio.sleep(5 * OUTDATED)
        store.seconds["read"] = 5.0
        await sync.pull(0.1)
        await asyncio.sleep(3.0)  # by now it has failed, and is left alone
        began = clock.elapsed
        await sync.pull()
        return quiet, clock.elapsed - began

    loop = clock.new_event_loop(lambda: True)
    quiet, lost = loop.run_until_complete(live())
    loop.close()
    assert quiet == pytest.approx(OUTDATED_WAIT)
    assert lost == 0.0


def test_what_a_request_learns_is_shared_before_it_ends() -> None:
    with World([SimModel("a/b:free", script=["429-minute"])]) as world:
        store = world.runtime.ledger.store = SlowStore()
        world.router(hedge="off").chat("hi")
        assert world.elapsed > 25.0, "it waited for the account"
        assert store.put_at[0] - world.start < 3.0
