"""The three stores of bytes: one set of tests, and what each may meet."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from freerouter_core.events import AnswersLost, Event
from freerouter_core.runtime.cache.cache import RETRY_AFTER, Cache, Caches, place_beside
from freerouter_core.runtime.cache.memory import MemoryBytes
from freerouter_core.runtime.cache.sqlite import SqliteBytes
from freerouter_core.runtime.cache.store import ByteStore
from freerouter_core.runtime.loop.clock import VirtualClock

NOW = 1_800_000_000.0
MANY = 10**9


@pytest.fixture
def store(state: str) -> ByteStore:
    return Caches(VirtualClock(), lambda event: None).open(state).store


def using(store: ByteStore, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run `work` on a loop of its own, and close the store."""

    async def run() -> None:
        try:
            await work()
        finally:
            await store.close()

    asyncio.run(run())


def test_what_is_put_is_got_until_it_expires(store: ByteStore) -> None:
    async def work() -> None:
        await store.put({"a": b"\x00one", "b": b"two"}, NOW, NOW + 100, MANY)
        await store.put({"c": b"three"}, NOW, None, MANY)
        assert await store.get(["a", "x", "c"], NOW + 99) == {"a": b"\x00one", "c": b"three"}
        assert await store.size() == (3, 12)
        await store.put({"a": b"1"}, NOW + 1, NOW + 100, MANY)
        assert await store.get(["a"], NOW + 2) == {"a": b"1"}
        assert await store.size() == (3, 9)
        await store.drop(["a", "x"])
        if isinstance(store, (MemoryBytes, SqliteBytes)):  # Redis looks at its own clock
            assert await store.get("b", NOW + 99.9) == {"b": b"two"}
            assert await store.get("b", NOW + 100) == {}
        await store.put({"d": b"4"}, NOW + 100, None, MANY)  # b is over
        if store.shared:  # in memory they are the first to go when there is no room
            assert await store.size() == (2, 6)
        assert await store.get("ab", NOW + 101) == {}
        assert store.read(["c"], NOW) in ({"c": b"three"}, None)
        await store.put({"e": b"5"}, NOW, NOW + 0.05, MANY)
        await asyncio.sleep(0.1)  # by which clock does not matter
        assert await store.get(["e"], NOW + 0.1) == {}

    using(store, work)


def test_the_least_recently_used_go_first(store: ByteStore) -> None:
    async def work() -> None:
        for n, key in enumerate("abcd"):
            await store.put({key: b"x" * 100}, NOW + n, None, 400)
        await store.get(["a"], NOW + 10)
        await store.put({"e": b"x" * 150}, NOW + 11, None, 400)
        assert sorted(await store.get("abcde", NOW + 12)) == ["a", "d", "e"]
        assert await store.size() == (3, 350)

    using(store, work)


def test_clearing_forgets_what_is_old_or_all(store: ByteStore) -> None:
    async def work() -> None:
        for n, key in enumerate("abc"):
            await store.put({key: b"x"}, NOW + n, None, MANY)
        newest = await store.newest(2)
        assert [(kept.key, kept.value, kept.written) for kept in newest] == [
            ("c", b"x", NOW + 2),
            ("b", b"x", NOW + 1),
        ]
        assert await store.clear(NOW + 1) == 1
        assert sorted(await store.get("abc", NOW)) == ["b", "c"]
        assert await store.clear(None) == 2
        assert await store.size() == (0, 0)
        await store.put({"a": b"xy"}, NOW, None, MANY)
        assert await store.size() == (1, 2)

    using(store, work)


def test_a_lease_is_had_by_one_until_it_ends(store: ByteStore) -> None:
    async def work() -> None:
        assert await store.claim("a", "one", NOW, NOW + 0.2)
        assert await store.claim("a", "one", NOW, NOW + 0.2)
        if store.shared:
            assert not await store.claim("a", "two", NOW, NOW + 0.2)
        await store.release("a", "two")
        if store.shared:
            assert not await store.claim("a", "two", NOW, NOW + 0.2)
        await store.release("a", "one")
        assert await store.claim("a", "two", NOW, NOW + 0.05)
        await asyncio.sleep(0.1)
        assert await store.claim("a", "one", NOW + 0.1, NOW + 1)

    using(store, work)


# -- the file --------------------------------------------------------------------------------------


def cache_of(store: ByteStore, clock: VirtualClock) -> tuple[Cache, list[Event]]:
    seen: list[Event] = []
    return Cache(store, clock, seen.append, "me"), seen


def test_only_the_owner_may_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "sub" / "answers.db"
    store = SqliteBytes(path)

    async def work() -> None:
        await store.put({"a": b"x"}, NOW, None, MANY)
        modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
        assert set(modes.values()) == {0o600}

    using(store, work)


@pytest.mark.parametrize("size", [1, 30, 1_000])
@pytest.mark.parametrize(
    ("name", "kept"), [("answers.db", True), ("x.answers.db", True), ("mine.txt", False)]
)
def test_a_file_that_is_no_database_is_a_miss(
    tmp_path: Path, name: str, kept: bool, size: int
) -> None:
    path = tmp_path / name
    mine = (b"my thesis " * 100)[:size]
    path.write_bytes(mine)
    store = SqliteBytes(path)
    cache, seen = cache_of(store, VirtualClock())

    async def work() -> None:
        assert await cache.get(["a"]) == {}
        assert await cache.put({"a": b"x"}, None, MANY) == kept
        assert await cache.get(["a"]) == ({"a": b"x"} if kept else {})

    using(store, work)
    assert len(seen) == (not kept)
    assert (path.read_bytes() == mine) == (not kept)


def test_a_database_of_another_program_is_a_miss(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    with sqlite3.connect(path) as db:
        db.execute("CREATE TABLE freerouter_bytes_1 (hello TEXT)")
    db.close()
    cache, seen = cache_of(store := SqliteBytes(path), VirtualClock())

    async def work() -> None:
        assert await cache.get(["a"]) == {}
        assert not await cache.put({"a": b"x"}, None, MANY)
        assert await cache.size() == (0, 0)

    using(store, work)
    assert [type(event) for event in seen] == [AnswersLost]


def test_a_locked_file_is_a_miss_and_is_tried_again(tmp_path: Path) -> None:
    path, clock = tmp_path / "x.db", VirtualClock()
    cache, seen = cache_of(store := SqliteBytes(path), clock)

    async def work() -> None:
        assert await cache.put({"a": b"x"}, None, MANY)
        other = sqlite3.connect(path, isolation_level=None)
        other.execute("BEGIN EXCLUSIVE")
        assert await cache.get(["a"]) == {"a": b"x"}  # who reads is not kept out
        assert not await cache.put({"b": b"x"}, None, MANY)
        assert await cache.get(["a"]) == {}  # left alone for a while
        assert cache.read(["a"]) is None
        assert await cache.claim("a")  # nobody waits for a lease that cannot be had
        clock.advance(RETRY_AFTER)
        assert not await cache.put({"b": b"x"}, None, MANY)
        assert len(seen) == 1  # it was told
        other.rollback()
        clock.advance(RETRY_AFTER)
        assert await cache.get(["a"]) == {"a": b"x"}
        other.execute("BEGIN EXCLUSIVE")
        assert not await cache.put({"b": b"x"}, None, MANY)
        other.rollback()
        other.close()

    using(store, work)
    assert len(seen) == 2


def test_a_file_that_is_taken_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "x.db"
    store = SqliteBytes(path)

    async def work() -> None:
        await store.put({"a": b"x"}, NOW, None, MANY)
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink()
        assert await store.get(["a"], NOW) == {}
        await store.put({"a": b"y"}, NOW, None, MANY)
        assert await store.get(["a"], NOW) == {"a": b"y"}

    using(store, work)


def test_a_read_at_once_never_opens_the_file_nor_waits_for_it(tmp_path: Path) -> None:
    store = SqliteBytes(tmp_path / "x.db")

    async def work() -> None:
        assert store.read(["a"], NOW) is None
        await store.put({"a": b"x"}, NOW, None, MANY)
        assert store.read(["a", "b"], NOW) == {"a": b"x"}
        with store._lock:
            assert store.read(["a"], NOW) is None
        (tmp_path / "x.db").unlink()
        (tmp_path / "x.db").mkdir()
        assert store.read(["a"], NOW) is None

    using(store, work)


def test_what_is_larger_than_all_may_be_is_not_kept() -> None:
    cache, _ = cache_of(MemoryBytes(), VirtualClock())

    async def work() -> None:
        assert not await cache.put({"a": b"x" * 11}, None, 10)
        assert await cache.put({"a": b"x" * 11, "b": b"x"}, None, 10)
        assert await cache.get("ab") == {"b": b"x"}

    using(cache.store, work)


def test_what_is_kept_beside_the_state() -> None:
    assert place_beside("memory") == "memory"
    assert place_beside("sqlite") == "sqlite"
    assert place_beside("redis://h/0") == "redis://h/0"
    assert place_beside("sqlite:////a/state.db") == "sqlite:////a/state.answers.db"


def test_a_fork_keeps_what_was_kept(tmp_path: Path) -> None:
    memory = MemoryBytes()
    with memory._lock:
        memory.forget()
    assert memory.read(["a"], NOW) == {}
