"""The ledger over three stores: memory, SQLite and Redis.

fakeredis stands in for Redis. The tests marked `system` use the real server.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import multiprocessing
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from freerouter_core import ChatRequest, Limit, Provider, Router, Runtime, errors
from freerouter_core.events import QuotaLow, StoreLost
from freerouter_core.routing.charges import Charge, Grant, Refusal
from freerouter_core.routing.state import RoutingState
from freerouter_core.runtime.ledger import Ledger, StoreFailed
from freerouter_core.runtime.ledger.open_store import open_store
from freerouter_core.runtime.ledger.redis import RedisStore
from freerouter_core.runtime.ledger.sqlite import SqliteStore
from freerouter_core.runtime.ledger.state_sync import StateSync
from freerouter_core.runtime.loop.clock import RealClock
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.wire.fault import Cause, Fault, Kind

from ..terminal import free_port

MINUTE = Charge("account", Limit(requests=5, per=60.0))
DAY = Charge("account", Limit(requests=9, per=86_400.0, reset="utc-day"))
TOKENS = Charge("account|m", Limit(tokens=100, per=60.0))
LANES = Charge("account|m", Limit(concurrent=1))


REDIS_SERVER = pytest.param("redis-server", marks=pytest.mark.system)
SHARED = ["sqlite", "redis", REDIS_SERVER]
"""The stores that processes share."""


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """A real Redis server on a free loopback port."""
    program, port = shutil.which("redis-server"), free_port()
    assert program, "tests marked `system` need redis-server"
    server = subprocess.Popen(
        [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"],
        stdout=subprocess.DEVNULL,
    )
    wait_for(port)
    yield f"redis://127.0.0.1:{port}/0"
    server.terminate()
    server.wait(10)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """fakeredis' TCP server on a free loopback port."""
    from fakeredis import TcpFakeServer

    port = free_port()
    stand_in = TcpFakeServer(("127.0.0.1", port), server_type="redis")
    thread = threading.Thread(target=stand_in.serve_forever, daemon=True)
    thread.start()
    wait_for(port)
    yield f"redis://127.0.0.1:{port}/0"
    stand_in.shutdown()
    stand_in.server_close()
    thread.join(10)


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
    raise AssertionError("the server did not start")


@pytest.fixture(params=["memory", *SHARED])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """`FREEROUTER_STATE` for each store, empty at first."""
    if request.param.startswith("redis"):
        url: str = request.getfixturevalue(
            "redis_url" if request.param == "redis" else "redis_server"
        )
        import redis

        with redis.from_url(url) as client:
            client.flushdb()
        return url
    return f"sqlite:///{tmp_path}/state.db" if request.param == "sqlite" else "memory"


def ledger_at(state: str, emit: Any = None) -> Ledger:
    return Ledger(RealClock(), open_store(state), emit)


async def reserve(ledger: Ledger, *charges: Charge, tokens: int = 0) -> Any:
    return await ledger.reserve(1, charges, tokens, 0.0)


def test_a_limit_holds_and_a_reservation_takes_all_or_nothing(state: str) -> None:
    async def live() -> None:
        ledger = ledger_at(state)
        got = [await reserve(ledger, MINUTE, DAY) for _ in range(7)]
        assert [type(g) for g in got] == [Grant] * 5 + [Refusal] * 2
        assert 59.0 < got[-1].until - time.time() < 61.0
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


async def settled(ledger: Ledger) -> None:
    while ledger.tasks:
        await asyncio.wait(set(ledger.tasks))


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


def test_a_note_is_read_once(state: str) -> None:
    async def live() -> None:
        ledger = ledger_at(state)
        store = ledger.store
        await store.put_notes({"m|a": "1", "m|b": "2"}, time.time())
        number, notes = await store.notes_since(0)
        assert notes == ({"m|a": "1", "m|b": "2"} if store.shared else {})
        await store.put_notes({"m|a": "3"}, time.time())
        again, notes = await store.notes_since(number)
        assert notes == ({"m|a": "3"} if store.shared else {})
        assert await store.notes_since(again) == (again, {})
        await ledger.drain()

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


@contextlib.contextmanager
def holding(path: Path) -> Iterator[None]:
    """Another process holds the file."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("BEGIN IMMEDIATE")
    yield
    db.rollback()
    db.close()


# -- notes -----------------------------------------------------------------------------------------

KEY = ("p", "o", "m")


def sync_at(state: str) -> StateSync:
    return StateSync(RoutingState(), ledger_at(state), RealClock())


@pytest.mark.parametrize("state", SHARED, indirect=True)
def test_a_stated_wait_survives_an_answer_in_another_process(state: str) -> None:
    async def live() -> None:
        now = time.time()
        one, other = sync_at(state), sync_at(state)
        stated = Fault(
            Kind.BUSY,
            Cause.MODEL_MINUTE,
            status=429,
            until=now + 3_600.0,
            lacks=frozenset({"tools"}),
        )
        one._state.health.failed(KEY, stated, now, Random(1))
        one._state.health.account_refused("s", replace(stated, kind=Kind.ACCOUNT), now, Random(1))
        other._state.health.answered(KEY, now, first_token=0.1, seconds=0.2, tokens=3)
        other._state.health.account_refused(
            "s", Fault(Kind.ACCOUNT, Cause.ACCOUNT_GUESSED, status=429), now, Random(1)
        )
        for notes in (one, other, one):
            await notes._exchange()
        for notes in (one, other):
            health = notes._state.health
            assert health.of(KEY).benched_until == pytest.approx(now + 3_600.0)
            assert health.of(KEY).lacks == {"tools"}
            assert health.accounts.benches["s"].until == pytest.approx(now + 3_600.0)
        one._state.health.reset()
        await one._exchange()
        await other._exchange()
        assert other._state.health.of(KEY).benched_until == 0.0
        assert "s" not in other._state.health.accounts.benches
        for notes in (one, other):
            await notes._ledger.drain()

    asyncio.run(live())


@pytest.mark.parametrize("state", SHARED, indirect=True)
@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '[9e9, true, "x", 1]',
        '["soon", true, "account-day", 1]',
        '[NaN, true, "account-day", 1]',
        '[9e9, true, "account-day"]',
    ],
)
def test_a_note_that_cannot_be_read_is_ignored(state: str, text: str) -> None:
    async def live() -> None:
        notes = sync_at(state)
        await notes._ledger.store.put_notes(
            {"a|s": text, 'm|["p", "o", "m"]': text, "m|x": text}, time.time()
        )
        await notes.pull()
        assert not notes._state.health.accounts.benches
        assert not notes._state.health.models
        await notes._ledger.drain()

    asyncio.run(live())


# -- stores that fail ------------------------------------------------------------------------------


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
        began = time.monotonic()
        got = [await reserve(ledger, MINUTE) for _ in range(7)]
        assert sum(isinstance(g, Grant) for g in got) == 5
        assert time.monotonic() - began < 2.0
        ledger.settle(got[0], sent=True)
        await ledger.drain()

    asyncio.run(live())

    assert [type(event) for event in seen] == [StoreLost]


def test_a_damaged_file_is_renamed(tmp_path: Path) -> None:
    async def live() -> None:
        ledger = ledger_at(damaged(tmp_path / "state.db"))
        assert isinstance(await reserve(ledger, MINUTE), Grant)
        assert not ledger._retry_store_at
        await ledger.drain()

    asyncio.run(live())

    assert (tmp_path / "state.db.spoilt").exists()


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


def test_the_file_holds_no_key(serve: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = "sk-or-v1-very-secret-0123456789"
    monkeypatch.setenv("FREEROUTER_STATE", f"sqlite:///{tmp_path}/state.db")
    url = serve(
        World(
            [SimModel("a/m:free", script=["502"], first_token=0.0)], [SimAccount(key)], clock="real"
        )
    )
    Router(base_url=url, api_key=key).chat("hello")
    Runtime.current().close()
    content = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())

    assert b"windows" in content
    assert key.encode() not in content
    assert key[6:].encode() not in content
    assert (tmp_path / "state.db").stat().st_mode & 0o077 == 0


# -- what is learnt is shared ----------------------------------------------------------------------


@pytest.mark.parametrize("state", SHARED, indirect=True)
def test_a_second_process_knows_what_the_first_learnt(state: str, serve: Any) -> None:
    """A second runtime over the same store knows benches and lacks."""

    def objects(body: Any) -> str | None:
        return "property 'seed' is unsupported" if "seed" in body else None

    world = World(
        [
            SimModel("a/m:free", objects=objects, first_token=0.0),
            SimModel("b/m:free", script=["429-retry-after"] * 9),
        ],
        clock="real",
    )
    provider = Provider("openrouter", serve(world), "sk-x", limits=[])
    request = ChatRequest([{"role": "user", "content": "x"}], parameters={"seed": 1})
    for first in (True, False):
        runtime = Runtime(cache=None, state=state)
        router = Router(
            model="b/m:free", fallback_models=("a/m:free",), providers=(provider,), runtime=runtime
        )
        outcome = router.chat(request)
        attempts = [(a["model"], a["fault"]) for a in outcome.attempts]
        learnt = [("b/m:free", "busy"), ("a/m:free", "unfit"), ("a/m:free", None)]
        assert attempts == (learnt if first else [("a/m:free", None)])
        runtime.close()


def test_a_refused_key_is_not_noted_for_other_processes(serve: Any, tmp_path: Path) -> None:
    state = f"sqlite:///{tmp_path}/state.db"
    url = serve(
        World([SimModel("a/m:free", first_token=0.0)], [SimAccount("sk-right")], clock="real")
    )
    for _ in range(2):
        runtime = Runtime(cache=None, state=state)
        router = Router(providers=(Provider("openrouter", url, "sk-wrong"),), runtime=runtime)
        with pytest.raises(errors.AuthenticationFailed):
            router.chat("x")
        assert not runtime.ledger._retry_store_at
        runtime.close()


# -- several processes -----------------------------------------------------------------------------


def worker(url: str, state: str, seconds: float) -> None:
    """Asks as fast as it may for a while."""
    runtime = Runtime(cache=None, state=state)
    limits = [Limit(requests=6, per=3.0)]
    router = Router(
        providers=(Provider("openrouter", url, "sk-shared", limits=limits),),
        runtime=runtime,
        timeout=30.0,
    )
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        router.chat("x")
    runtime.close()


class Strict(World):
    """Its account allows 6 requests in any 3 seconds."""

    refusals = 0
    under_way = threading.Event()

    def _limit_error(self, account: Any, context: Any) -> Any:
        now = self.clock.now()
        account.minute = [at for at in account.minute if at > now - 3.0]
        if len(account.minute) >= 6:
            type(self).refusals += 1
        account.minute.append(now)
        if len(self.requests) >= 8:
            self.under_way.set()
        return None


@pytest.mark.timeout(240)  # four processes start and work for five seconds each
@pytest.mark.parametrize("killed", [False, True], ids=["all live", "one is killed"])
@pytest.mark.parametrize("state", SHARED, indirect=True)
def test_four_processes_keep_to_the_limit_of_one_account(
    state: str, killed: bool, serve: Any
) -> None:
    """None is refused and little of the budget is left. See also `benchmarks/state.py --hammer`."""
    world = Strict(
        [SimModel("a/m:free", first_token=0.0, speed=1e6)], [SimAccount("sk-shared")], clock="real"
    )
    Strict.refusals = 0
    Strict.under_way.clear()
    url = serve(world)
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=worker, args=(url, state, 5.0)) for _ in range(4)]
    for process in workers:
        process.start()
    if killed:
        assert world.under_way.wait(60.0)
        os.kill(workers[0].pid or 0, signal.SIGKILL)
    for process in workers:
        process.join(60)

    assert Strict.refusals == 0
    first, last = world.requests[0].at, world.requests[-1].at
    could = 6 * (1 + (last - first) // 3.5)
    assert len(world.requests) >= (0.6 if killed else 0.8) * could
    assert json.dumps([process.exitcode for process in workers[1:]]) == "[0, 0, 0]"


def test_forks_during_traffic_lose_no_request(tmp_path: Path) -> None:
    """No connection crosses a fork: neither in a transaction, nor to be closed by the child."""
    many = Charge("account", Limit(requests=10_000, per=600.0))
    path = tmp_path / "state.db"

    async def live(ledger: Ledger, times: int) -> None:
        for _ in range(times):
            assert isinstance(await reserve(ledger, many), Grant)
        await ledger.drain()

    def lost(event: Any) -> None:
        raise AssertionError(event)

    ledger = Ledger(RealClock(), SqliteStore(path), emit=lost)
    traffic = threading.Thread(target=lambda: asyncio.run(live(ledger, 300)))
    traffic.start()
    children = []
    for _ in range(6):
        child = os.fork()
        if child == 0:
            asyncio.run(live(Ledger(RealClock(), SqliteStore(path), emit=lost), 10))
            os._exit(0)
        children.append(child)
    codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    traffic.join(60)
    other = Ledger(RealClock(), SqliteStore(path))

    assert codes == [0] * 6
    assert asyncio.run(other.used(many)) == 360
    asyncio.run(other.drain())


def test_after_a_fork_the_child_has_its_own_connection(tmp_path: Path) -> None:
    async def live(store: SqliteStore) -> None:
        ledger = Ledger(RealClock(), store)
        assert isinstance(await reserve(ledger, MINUTE), Grant)

    store = SqliteStore(tmp_path / "state.db")
    asyncio.run(live(store))
    child = os.fork()
    if child == 0:
        store.forget()
        asyncio.run(live(store))
        os._exit(0)

    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    asyncio.run(store.close())


def test_grades_and_resets_reach_the_shared_state(tmp_path: Path) -> None:
    state = f"sqlite:///{tmp_path}/s.db"

    def process() -> Runtime:
        return Runtime(clock=RealClock(), client=world.transport(), cache=None, state=state)

    with World([SimModel("a/one:free"), SimModel("b/two:free")], clock="real") as world:

        def router(runtime: Runtime) -> Router:
            return world.router().with_options(runtime=runtime)

        works: list[tuple[Callable[[Router], object], float]] = [
            (lambda router: router.grade("a/one:free", 9.0), 1.0),
            (lambda router: router.reset(), 0.0),
        ]
        for work, expected in works:
            first, second = process(), process()
            work(router(first))
            first.close()
            router(second).health()
            health = second.state.health.models.get(
                ("openrouter", "https://simulated.invalid/api/v1", "a/one:free")
            )
            grades = 0.0 if health is None else health.grades
            second.close()
            assert grades == expected
