"""Limits over the three stores: memory, SQLite and Redis.

fakeredis stands in for Redis. The tests marked `system` use the real server.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import Any

import pytest

from freerouter_core import Limit
from freerouter_core.events import QuotaLow
from freerouter_core.routing.charges import Charge, Grant, Refusal

from .ledgers import DAY, LANES, MINUTE, SHARED, TOKENS, ledger_at, reserve, settled


def test_a_limit_holds_and_a_reservation_takes_all_or_nothing(state: str) -> None:
    async def live() -> None:
        ledger, began = ledger_at(state), time.time()
        got = [await reserve(ledger, MINUTE, DAY) for _ in range(7)]
        assert [type(g) for g in got] == [Grant] * 5 + [Refusal] * 2
        assert began + 59.0 < got[-1].until < time.time() + 61.0
        assert await ledger.used(DAY) == 5
        await ledger.drain()

    asyncio.run(live())


def test_settling_gives_back_leases_unused_tokens_and_unsent_requests(state: str) -> None:
    async def live() -> None:
        ledger = ledger_at(state)
        first = await reserve(ledger, TOKENS, LANES, MINUTE, tokens=90)
        assert isinstance(await reserve(ledger, LANES), Refusal)
        ledger.settle(first, sent=True, tokens=20)
        await settled(ledger)
        assert [await ledger.used(c) for c in (TOKENS, LANES, MINUTE)] == [20, 0, 1]
        unsent = await reserve(ledger, TOKENS, DAY, MINUTE, tokens=70)
        ledger.settle(unsent, sent=False)
        await settled(ledger)
        assert [await ledger.used(c) for c in (TOKENS, DAY, MINUTE)] == [20, 0, 1]
        await ledger.drain()

    asyncio.run(live())


def test_a_warning_comes_once_at_four_fifths_of_a_limit(state: str) -> None:
    async def live() -> None:
        seen: list[Any] = []
        ledger = ledger_at(state, seen.append)
        for _ in range(9):
            await reserve(ledger, DAY)
        assert [(type(e), e.used, e.limit) for e in seen] == [(QuotaLow, 8, 9)]
        await ledger.drain()

    asyncio.run(live())


@pytest.mark.parametrize("state", SHARED, indirect=True)
def test_two_ledgers_share_a_limit(state: str) -> None:
    async def live() -> None:
        one, other = ledger_at(state), ledger_at(state)
        got = [await reserve(ledger, MINUTE) for ledger in (one, other) * 5]
        assert sum(isinstance(g, Grant) for g in got) == 5
        one.settle(got[0], sent=False)
        await settled(one)
        assert isinstance(await reserve(other, MINUTE), Grant)
        await one.drain()
        await other.drain()

    asyncio.run(live())


@pytest.mark.parametrize("state", SHARED, indirect=True)
def test_a_hundred_concurrent_requests_of_four_ledgers_keep_to_a_limit(state: str) -> None:
    wide = Charge("account", Limit(requests=40, per=60.0))

    async def live() -> None:
        ledgers = [ledger_at(state) for _ in range(4)]
        got = await asyncio.gather(*(reserve(ledgers[n % 4], wide) for n in range(100)))
        assert sum(isinstance(g, Grant) for g in got) == 40
        assert not any(ledger._retry_store_at for ledger in ledgers)
        for ledger in ledgers:
            await ledger.drain()

    asyncio.run(live())


@pytest.mark.parametrize("state", SHARED, indirect=True)
def test_a_cancelled_reservation_leaves_nothing_taken(state: str) -> None:
    """Cancelled at each moment of a reserve: the lane is free again, here and in the store."""

    async def live() -> None:
        ledger, other = ledger_at(state), ledger_at(state)
        for turns in range(12):
            task = asyncio.ensure_future(reserve(ledger, LANES))
            for _ in range(turns):
                await asyncio.sleep(0)
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                ledger.settle(await task, sent=True)
            await settled(ledger)
            assert await ledger.used(LANES) == 0
            assert await other.used(LANES) == 0
        await ledger.drain()
        await other.drain()

    asyncio.run(live())


def test_usage_of_two_processes_adds_up(state: str) -> None:
    async def live() -> None:
        one, other = ledger_at(state), ledger_at(state)
        mine = {
            (500_000, '["p", "o", "m"]'): {"answers": 1, "failures": 2, "seconds": 3.5, "took:4": 1}
        }
        await one.store.add(mine, 500_000)
        await (other if one.store.shared else one).store.add(
            mine | {(500_100, "x"): {"answers": 1}}, 500_100
        )
        usage = await one.store.history(500_000)
        assert usage == {
            (500_000, '["p", "o", "m"]'): {
                "answers": 2,
                "failures": 4,
                "seconds": 7.0,
                "took:4": 2,
            },
            (500_100, "x"): {"answers": 1},
        }
        assert set(await one.store.history(500_001)) == {(500_100, "x")}
        await one.drain()
        await other.drain()

    asyncio.run(live())
