"""Stores that fail, are damaged, or are lost for a while."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from freerouter_core import Limit, errors
from freerouter_core.events import StoreLost
from freerouter_core.routing.charges import Charge, Grant, Refusal
from freerouter_core.runtime.ledger import Ledger, StoreFailed
from freerouter_core.runtime.ledger.open_store import open_store
from freerouter_core.runtime.ledger.redis import RedisStore
from freerouter_core.runtime.loop.clock import RealClock

from .ledgers import LANES, MINUTE, ledger_at, reserve, settled


@contextlib.contextmanager
def holding(path: Path) -> Iterator[None]:
    """Another process holds the file."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    yield
    db.rollback()
    db.close()


def test_grants_from_memory_count_when_the_store_is_back(tmp_path: Path) -> None:
    """And what ended meanwhile is told then."""

    async def live() -> None:
        ledger = ledger_at(f"sqlite:///{tmp_path}/state.db")
        lane = await reserve(ledger, LANES)
        with holding(tmp_path / "state.db"):
            lost = [await reserve(ledger, MINUTE) for _ in range(6)]
            ledger.settle(lane, sent=True)
        assert [isinstance(got, Grant) for got in lost] == [True] * 5 + [False]
        ledger._retry_store_at = 0.0
        assert isinstance(await reserve(ledger, MINUTE), Refusal)
        await ledger.drain()
        other = ledger_at(f"sqlite:///{tmp_path}/state.db")
        assert await other.used(LANES) == 0
        await other.drain()

    asyncio.run(live())


def test_a_process_that_lost_the_store_takes_its_part_of_each_limit(tmp_path: Path) -> None:
    """The others go on: that this one hears nothing of them is no proof that they are gone."""
    url = f"sqlite:///{tmp_path}/state.db"

    async def live() -> list[bool]:
        one, other = ledger_at(url), ledger_at(url)
        for ledger in (one, other, one):
            assert isinstance(await reserve(ledger, MINUTE), Grant)
        with holding(tmp_path / "state.db"):
            got = [await reserve(one, MINUTE) for _ in range(3)]
        await one.drain()
        await other.drain()
        return [isinstance(result, Grant) for result in got]

    assert MINUTE.limit.requests == 5
    assert asyncio.run(live()) == [False] * 3, "half of five are two, and two were taken"


def test_a_grant_settled_while_the_store_is_lost_is_settled_once(tmp_path: Path) -> None:
    day = Charge("account", Limit(tokens=100, per=86_400.0, reset="utc-day"))

    async def live() -> None:
        ledger = ledger_at(f"sqlite:///{tmp_path}/state.db")
        first, _ = await reserve(ledger, day, tokens=60), await reserve(ledger, day, tokens=40)
        with holding(tmp_path / "state.db"):
            ledger.settle(first, sent=True, tokens=30)
            await settled(ledger)
            assert await ledger.used(day) == 70
        await ledger.drain()

    asyncio.run(live())


def damaged(path: Path) -> str:
    path.write_bytes(b"this is no database " * 400)
    return f"sqlite:///{path}"


def in_the_way(path: Path) -> str:
    path.write_text("a file where a folder should be")
    return f"sqlite:///{path}/state.db"


def locked(path: Path) -> str:
    import sqlite3

    holder = sqlite3.connect(path, check_same_thread=False)
    holder.execute("PRAGMA journal_mode=WAL")
    holder.execute("BEGIN IMMEDIATE")
    HELD.append(holder)
    return f"sqlite:///{path}"


HELD: list[Any] = []


@pytest.fixture
def held() -> Iterator[None]:
    yield
    for connection in HELD:
        connection.close()
    HELD.clear()


@pytest.mark.usefixtures("held")
@pytest.mark.parametrize(
    "broken",
    [in_the_way, locked, lambda _: "redis://127.0.0.1:9/0"],
    ids=["no folder", "locked", "no server"],
)
def test_a_store_that_fails_fails_no_request(broken: Callable[[Path], str], tmp_path: Path) -> None:
    """Memory takes over, with one word about it, and still knows the limits."""
    seen: list[Any] = []

    async def live() -> None:
        ledger = ledger_at(broken(tmp_path / "state.db"), seen.append)
        got = [await reserve(ledger, MINUTE) for _ in range(7)]
        assert sum(isinstance(g, Grant) for g in got) == 5
        ledger.settle(got[0], sent=True)
        await ledger.drain()

    asyncio.run(live())

    assert [type(event) for event in seen] == [StoreLost]
    assert "took too long" not in seen[0].reason, "who waits for it loses two seconds"


def test_a_damaged_file_is_renamed(tmp_path: Path) -> None:
    async def live() -> None:
        ledger = ledger_at(damaged(tmp_path / "state.db"))
        assert isinstance(await reserve(ledger, MINUTE), Grant)
        assert not ledger._retry_store_at
        await ledger.drain()

    asyncio.run(live())

    assert (tmp_path / "state.db.spoilt").exists()


@pytest.mark.parametrize("name", ["profile", "thesis.docx", "passwords.db", "cookies.sqlite"])
def test_a_file_of_somebody_else_s_is_left_as_it_is(name: str, tmp_path: Path) -> None:
    """A wrong path, or one in a `.env` that somebody else wrote."""
    seen: list[Any] = []

    async def live() -> None:
        ledger = ledger_at(damaged(tmp_path / name), seen.append)
        before = (tmp_path / name).read_bytes()
        assert isinstance(await reserve(ledger, MINUTE), Grant)
        await ledger.drain()
        assert (tmp_path / name).read_bytes() == before

    asyncio.run(live())

    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert [type(event) for event in seen] == [StoreLost]


def test_a_removed_file_is_created_again_and_shared(tmp_path: Path) -> None:
    path = tmp_path / "state.db"

    async def live() -> None:
        one, other = (ledger_at(f"sqlite:///{path}") for _ in range(2))
        assert isinstance(await reserve(one, MINUTE), Grant)
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink()
        got = [await reserve(ledger, MINUTE) for ledger in (other, one, other, one, other, one)]
        assert sum(isinstance(g, Grant) for g in got) == 5
        for ledger in (one, other):
            await ledger.drain()

    asyncio.run(live())


def test_a_lost_redis_server_is_used_again(redis_url: str) -> None:
    async def live() -> None:
        store = RedisStore(redis_url)
        ledger = Ledger(RealClock(), store)
        assert isinstance(await reserve(ledger, MINUTE), Grant)
        store._url, connection, store._connection = "redis://127.0.0.1:9/0", store._connection, None
        assert isinstance(await reserve(ledger, MINUTE), Grant)
        assert ledger._retry_store_at
        assert ledger._memory.window(MINUTE).used == 2, "what the store granted is known here too"
        store._connection, ledger._retry_store_at = connection, 0.0
        assert isinstance(await reserve(ledger, MINUTE), Grant)
        await ledger.drain()

    asyncio.run(live())


def test_errors_of_a_store_hold_no_password() -> None:
    async def live() -> str:
        with pytest.raises(StoreFailed) as caught:
            await RedisStore("redis://user:sesame@127.0.0.1:9/0").notes_since(0)
        return str(caught.value)

    assert "sesame" not in asyncio.run(live())
    with pytest.raises(errors.BadSetting) as caught:
        open_store("postgres://user:sesame@host/db")
    assert "sesame" not in str(caught.value)
