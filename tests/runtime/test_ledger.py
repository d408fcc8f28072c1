"""The ledger's lines, and what processes tell each other through a store."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from typing import Any, TypeVar

import pytest

from freerouter_core import Limit
from freerouter_core.catalogue.providers import Account
from freerouter_core.events import Event, QuotaLow, StoreLost
from freerouter_core.routing.charges import Charge, Grant, Refusal
from freerouter_core.routing.congestion import FREE, Congestion
from freerouter_core.routing.lanes import Place
from freerouter_core.routing.state import RoutingState
from freerouter_core.runtime.ledger import Ledger, MemoryStore, StoreFailed
from freerouter_core.runtime.ledger.ledger import LOOK_AGAIN, STORE_RETRY_AFTER
from freerouter_core.runtime.ledger.open_store import open_store
from freerouter_core.runtime.ledger.state_sync import StateSync
from freerouter_core.runtime.ledger.store import Decide
from freerouter_core.runtime.loop.clock import RealClock, VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.wire.fault import Cause, Fault, Kind

LANE = Charge("account", Limit(concurrent=1))
MINUTE = Charge("account", Limit(requests=1, per=60.0))
HOUR = Charge("account", Limit(requests=5, per=3_600.0))
DAY = Charge("account", Limit(requests=50, per=86_400.0, reset="utc-day"))
T = TypeVar("T")


def at(number: int, *, background: bool = False) -> Place:
    return Place(background, number)


MODEL = ("openrouter", "https://openrouter.ai/api/v1", "acme/a:free")


@pytest.fixture
def runtime() -> Runtime:
    return Runtime(clock=VirtualClock(), cache=None)


# -- the line --------------------------------------------------------------------------------------


def test_the_first_to_come_is_the_first_to_be_served(runtime: Runtime) -> None:
    """By the numbers of their requests, in whatever order they join the line."""
    served: list[int] = []

    async def request(number: int) -> None:
        ledger = runtime.ledger
        while not isinstance(grant := await ledger.reserve(at(number), (LANE,), 0, 0.0), Grant):
            await ledger.wait(at(number), grant.scope, grant.until)
        served.append(number)
        await asyncio.sleep(1.0)
        ledger.settle(grant, sent=True)

    async def all_of_them() -> None:
        first = asyncio.ensure_future(request(1))
        await asyncio.sleep(0.1)
        others = [asyncio.ensure_future(request(number)) for number in (5, 3, 4, 2)]
        await asyncio.gather(first, *others)

    runtime.call(all_of_them)

    assert served == [1, 2, 3, 4, 5]


def test_a_new_request_waits_until_the_last_in_line_expects_room(runtime: Runtime) -> None:
    async def live() -> None:
        ledger, now = runtime.ledger, runtime.clock.now()
        waiting = [
            asyncio.ensure_future(ledger.wait(at(number), "account", now + seconds))
            for number, seconds in ((2, 40.0), (3, 50.0))
        ]
        await asyncio.sleep(0)
        refusal = await ledger.reserve(at(4), (LANE,), 0, 0.0)
        assert isinstance(refusal, Refusal)
        assert refusal.until == now + 50.0
        earlier = await ledger.reserve(at(1), (LANE,), 0, 0.0)
        assert isinstance(earlier, Grant), "nobody who came before it waits"
        assert ledger._lines.length("account") == 2
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert ledger._lines.length("account") == 0

    runtime.call(live)


def test_who_stands_behind_an_overdue_request_does_not_try_again_all_the_time(
    runtime: Runtime,
) -> None:
    async def live() -> None:
        ledger, now = runtime.ledger, runtime.clock.now()
        waiting = [
            asyncio.ensure_future(ledger.wait(at(number), "account", now + seconds))
            for number, seconds in ((2, 40.0), (3, -1.0))
        ]
        await asyncio.sleep(0)
        refusal = await ledger.reserve(at(4), (LANE,), 0, 0.0)
        assert isinstance(refusal, Refusal)
        assert refusal.until == now + LOOK_AGAIN
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)

    runtime.call(live)


def test_only_the_head_is_woken_and_a_head_that_leaves_hands_its_turn_on(
    runtime: Runtime,
) -> None:
    turns: list[int] = []

    async def waiter(number: int, until: float) -> None:
        await runtime.ledger.wait(at(number), "account", until)
        turns.append(number)

    async def live() -> None:
        now = runtime.clock.now()
        tasks = [asyncio.ensure_future(waiter(n, now + 60.0 * n)) for n in (1, 2, 3)]
        await asyncio.sleep(0)
        runtime.ledger._lines.wake({"account"})
        await asyncio.sleep(0.1)
        assert turns == [1]
        tasks[1].cancel()
        await asyncio.sleep(0.1)
        assert turns == [1, 3], "it may try at once: the turn was another's"
        await asyncio.gather(*tasks, return_exceptions=True)

    runtime.call(live)


def test_who_stands_behind_does_not_say_when_there_is_room(runtime: Runtime) -> None:
    """A row of a job waits in the same line for hours, until its day goes on."""
    ledger, clock = runtime.ledger, runtime.clock

    async def scenario() -> Any:
        now = clock.now()
        waits = [
            asyncio.ensure_future(ledger.wait(place, "account", now + seconds))
            for place, seconds in ((at(1), 20.0), (at(2, background=True), 9_000.0))
        ]
        await asyncio.sleep(0)
        mine = await ledger.reserve(at(3), (MINUTE,), 0, 0.0)
        row = await ledger.reserve(at(4, background=True), (MINUTE,), 0, 0.0)
        for waiting in waits:
            waiting.cancel()
        assert isinstance(mine, Refusal)
        assert isinstance(row, Refusal)
        return mine.until - now, row.until - now

    assert runtime.call(scenario) == (20.0, 9_000.0)


@pytest.mark.parametrize("number", [1, 2])
def test_a_request_does_not_wait_for_later_ones_or_for_itself(
    number: int, runtime: Runtime
) -> None:
    async def live() -> None:
        now = runtime.clock.now()
        waiting = asyncio.ensure_future(runtime.ledger.wait(at(2), "account", now + 40.0))
        await asyncio.sleep(0)
        assert runtime.ledger._lines.busy_until("account", at(number)) is None
        assert runtime.ledger._lines.busy_until("account", at(3)) == now + 40.0
        waiting.cancel()

    runtime.call(live)


def test_each_in_the_line_has_a_turn_at_its_time(runtime: Runtime) -> None:
    """Although nothing is given back that would wake them."""
    turns: list[tuple[int, float]] = []
    start = runtime.clock.now()

    async def waiter(number: int) -> None:
        await runtime.ledger.wait(at(number), "account", start + 10.0 * number)
        turns.append((number, round(runtime.clock.now() - start, 3)))

    async def live() -> None:
        async with asyncio.timeout(100.0):
            await asyncio.gather(*(waiter(number) for number in (1, 2, 3)))

    runtime.call(live)

    assert turns == [(1, 10.0), (2, 20.0), (3, 30.0)]


def test_a_refusal_never_ends_in_the_past(runtime: Runtime) -> None:
    """The head of the line is late: whoever is refused for its sake would ask again at once."""

    async def live() -> None:
        ledger, now = runtime.ledger, runtime.clock.now()
        waiting = asyncio.ensure_future(ledger.wait(at(1), "account", now - 5.0))
        await asyncio.sleep(0)
        refusal = await ledger.reserve(at(2), (LANE,), 0, 0.0)
        assert isinstance(refusal, Refusal)
        assert refusal.until > now
        await waiting

    runtime.call(live)


def test_what_was_never_sent_makes_room_for_the_next_at_once(runtime: Runtime) -> None:
    async def live() -> float:
        ledger, start = runtime.ledger, runtime.clock.now()
        grant = await ledger.reserve(at(1), (MINUTE,), 0, 0.0)
        refusal = await ledger.reserve(at(2), (MINUTE,), 0, 0.0)
        assert isinstance(grant, Grant)
        assert isinstance(refusal, Refusal)
        waiting = asyncio.ensure_future(ledger.wait(at(2), refusal.scope, refusal.until))
        await asyncio.sleep(1.0)
        ledger.settle(grant, sent=False)
        await waiting
        assert isinstance(await ledger.reserve(at(2), (MINUTE,), 0, 0.0), Grant)
        return runtime.clock.now() - start

    assert runtime.call(live) == pytest.approx(1.0)


def test_tokens_that_were_reserved_and_not_used_make_room_for_all_they_suffice_for(
    runtime: Runtime,
) -> None:
    """An answer takes less than was reserved for it: two of the three in line need not wait."""
    clock, ledger = runtime.clock, runtime.ledger
    tokens = Charge("account", Limit(tokens=100, per=60.0))

    async def seconds_of(number: int, began: float) -> float:
        while True:
            got = await ledger.reserve(at(number), (tokens,), 40, 0.0)
            if isinstance(got, Grant):
                return round(clock.now() - began)
            await ledger.wait(at(number), got.scope, got.until)

    async def scenario() -> list[float]:
        began = clock.now()
        first = await ledger.reserve(at(1), (tokens,), 100, 0.0)
        assert isinstance(first, Grant)
        waiting = [asyncio.ensure_future(seconds_of(number, began)) for number in (2, 3, 4)]
        await asyncio.sleep(5)
        ledger.settle(first, sent=True, tokens=10)
        return await asyncio.gather(*waiting)

    assert runtime.call(scenario) == [5, 5, 66]


def test_a_long_line_makes_a_request_dear(runtime: Runtime) -> None:
    account = Account("p", "https://p.invalid", "k", limits=(MINUTE.limit,))

    async def live() -> tuple[Congestion, Congestion]:
        ledger, now = runtime.ledger, runtime.clock.now()
        free = ledger.congestion(account, (), now)
        waiting = [
            asyncio.ensure_future(ledger.wait(at(number), account.scope, now + 9.0))
            for number in range(3)
        ]
        await asyncio.sleep(0)
        crowded = ledger.congestion(account, (), now)
        await asyncio.gather(*waiting)
        return free, crowded

    free, crowded = runtime.call(live)

    assert (free, crowded.waiting) == (FREE, 3)
    assert crowded.delay > 1.0


def test_limits_that_were_learnt_make_a_request_dear_and_a_models_own_do_not(
    runtime: Runtime,
) -> None:
    day, own = Limit(requests=4, per=86_400.0, reset="utc-day"), Limit(requests=1, scope="model")
    account = Account("p", "https://p.invalid", "k", limits=(day, own))
    learnt = Charge(account.scope, Limit(requests=2), name="learnt")

    async def live() -> list[Congestion]:
        ledger, now = runtime.ledger, runtime.clock.now()
        costs = [ledger.congestion(account, (learnt,), now)]
        charges = (Charge(account.scope, day), learnt, Charge(f"{account.scope}|m", own))
        await ledger.reserve(at(1), charges, 0, 0.0)
        costs.append(ledger.congestion(account, (learnt,), now))
        costs.append(ledger.congestion(account, (), now))
        costs.append(ledger.congestion(account, (learnt,), now + 61.0))
        return costs

    fresh, used, unlearnt, later = runtime.call(live)

    assert fresh == FREE
    assert used.delay > 1.0
    assert used.denial > 0.0
    assert (unlearnt.delay, unlearnt.denial) == (0.0, used.denial)
    assert (later.delay, later.denial) == (0.0, used.denial), "the minute has passed"


def test_full_limits_tell_when_they_are_free_and_leases_do_not(runtime: Runtime) -> None:
    async def live() -> None:
        ledger, now = runtime.ledger, runtime.clock.now()
        await ledger.reserve(at(1), (MINUTE, LANE), 0, 0.0)
        free = await ledger.free_at((MINUTE, LANE, DAY))
        assert list(free) == [MINUTE.window]
        assert 60.0 < free[MINUTE.window] - now < 61.0
        assert await ledger.used(MINUTE) == 1
        await asyncio.sleep(61.0)
        assert await ledger.used(MINUTE) == 0
        assert await ledger.free_at((MINUTE,)) == {}

    runtime.call(live)


def test_after_a_fork_leases_are_gone_and_what_was_spent_stays_spent(runtime: Runtime) -> None:
    async def live() -> None:
        ledger = runtime.ledger
        await ledger.reserve(at(1), (MINUTE, LANE), 0, 0.0)
        ledger.forget()
        assert (await ledger.used(MINUTE), await ledger.used(LANE)) == (1, 0)

    runtime.call(live)


def test_an_owner_is_warned_once_in_each_period_from_four_fifths_on(runtime: Runtime) -> None:
    seen: list[Event] = []
    runtime.subscribe(seen.append)

    async def spend(requests: int) -> None:
        for number in range(requests):
            await runtime.ledger.reserve(at(number), (HOUR,), 0, 0.0)

    warnings = []
    for requests in (3, 1, 1):
        runtime.call(partial(spend, requests))
        runtime.flush()
        warnings.append(len(seen))
    runtime.clock.advance(3_601.0)  # type: ignore[attr-defined]  # the fixture's clock is virtual
    runtime.call(lambda: spend(4))
    runtime.flush()

    assert [*warnings, len(seen)] == [0, 1, 1, 2]
    assert seen[0] == QuotaLow("account", 4, 5, 3_600.0)


# -- a store that others share ---------------------------------------------------------------------


class Shared(MemoryStore):
    """A store that other processes see, and that can be broken."""

    shared = True

    def __init__(self) -> None:
        super().__init__()
        self.broken = False
        self.calls = 0

    async def change(self, charges: tuple[Charge, ...], decide: Decide[T], now: float) -> T:
        self.calls += 1
        await asyncio.sleep(0.01)
        if self.broken:
            raise StoreFailed("it is broken")
        return await super().change(charges, decide, now)


def two_processes(clock: VirtualClock, emit: Any = None) -> tuple[Ledger, Ledger, Shared]:
    store = Shared()
    return Ledger(clock, store, emit), Ledger(clock, store), store


def test_after_a_fork_no_lease_of_the_parent_is_remembered_beside_a_store(
    runtime: Runtime,
) -> None:
    async def live() -> None:
        ours, _, store = two_processes(VirtualClock())
        await ours.reserve(at(1), (LANE,), 0, 0.0)
        ours.forget()
        store.broken = True
        assert isinstance(await ours.reserve(at(1), (LANE,), 0, 0.0), Grant)

    runtime.call(live)


def test_what_the_store_refuses_is_not_taken_here(runtime: Runtime) -> None:
    async def live() -> None:
        ours, theirs, _ = two_processes(VirtualClock())
        grant = await theirs.reserve(at(1), (LANE,), 0, 0.0)
        assert isinstance(grant, Grant)
        assert isinstance(await ours.reserve(at(1), (LANE,), 0, 0.0), Refusal)
        theirs.settle(grant, sent=True)
        await theirs.drain()
        assert isinstance(await ours.reserve(at(1), (LANE,), 0, 0.0), Grant)

    runtime.call(live)


def test_what_ended_while_the_store_was_lost_is_reported_later(runtime: Runtime) -> None:
    async def live() -> None:
        clock = VirtualClock()
        ours, theirs, store = two_processes(clock)
        grant = await ours.reserve(at(1), (LANE,), 0, 0.0)
        assert isinstance(grant, Grant)
        store.broken = True
        ours.settle(grant, sent=True)
        await asyncio.gather(*ours.tasks)
        store.broken = False
        clock.advance(STORE_RETRY_AFTER)
        assert isinstance(await theirs.reserve(at(1), (LANE,), 0, 0.0), Refusal)
        await ours.drain()
        assert isinstance(await theirs.reserve(at(1), (LANE,), 0, 0.0), Grant)

    runtime.call(live)


def test_a_lost_store_is_reported_once_and_left_alone_for_a_while(runtime: Runtime) -> None:
    events: list[Event] = []

    async def live() -> None:
        clock = VirtualClock()
        ours, _, store = two_processes(clock, events.append)
        store.broken = True
        for _ in range(2):
            await asyncio.gather(*(ours.reserve(at(n), (DAY,), 0, 0.0) for n in range(3)))
        assert store.calls == 3, "those that were under way together"
        clock.advance(STORE_RETRY_AFTER)
        await ours.reserve(at(9), (DAY,), 0, 0.0)
        assert store.calls == 4

    runtime.call(live)

    assert events == [StoreLost("it is broken", STORE_RETRY_AFTER)] * 2


# -- notes -----------------------------------------------------------------------------------------


def stated(until: float) -> Fault:
    return Fault(kind=Kind.ACCOUNT, cause=Cause.ACCOUNT_DAY, status=429, until=until)


GUESSED = Fault(kind=Kind.ACCOUNT, cause=Cause.ACCOUNT_GUESSED, status=429)


class Process:
    """One process's knowledge, beside others that share its store."""

    def __init__(self, path: Path) -> None:
        clock = RealClock()
        self.state = RoutingState()
        self.sync = StateSync(self.state, Ledger(clock, open_store(f"sqlite:///{path}")), clock)

    def learns(self, fault: Fault, later: float = 0.0) -> None:
        now = time.time() + later
        self.state.health.account_refused("scope", fault, now, Random(1))
        model = replace(fault, kind=Kind.BUSY, cause=Cause.MODEL_MINUTE)
        self.state.health.failed(MODEL, model, now, Random(1))

    def ends(self) -> tuple[float, float]:
        """Until when the account and the model are benched, unix seconds."""
        health = self.state.health
        return health.accounts.benches["scope"].until, health.of(MODEL).benched_until

    async def exchanges(self) -> None:
        await self.sync._exchange()

    async def close(self) -> None:
        await self.sync._ledger.drain()


@pytest.mark.parametrize("ours", ["nothing", "guessed", "stated earlier"])
@pytest.mark.parametrize("ours_first", [True, False])
async def test_a_stated_wait_of_another_process_is_never_shortened(
    ours: str, ours_first: bool, tmp_path: Path
) -> None:
    """Whoever writes first: all, and a process that starts later, keep to the later end."""
    now = time.time()
    us, they, late = (Process(tmp_path / "state.db") for _ in range(3))
    they.learns(stated(now + 3_600.0))
    if ours == "guessed":
        us.learns(GUESSED)
    elif ours == "stated earlier":
        us.learns(stated(now + 60.0))
    for process in (us, they, us, they) if ours_first else (they, us, they, us):
        await process.exchanges()
    await late.sync.pull()

    for process in (us, they, late):
        assert process.ends() == pytest.approx((now + 3_600.0, now + 3_600.0))
        await process.close()


async def test_an_own_stated_wait_is_not_shortened_by_another_process(tmp_path: Path) -> None:
    """It wrote without having read ours."""
    now = time.time()
    us, they, hasty = (Process(tmp_path / name) for name in ("one.db", "one.db", "two.db"))
    us.learns(stated(now + 3_600.0))
    await us.exchanges()
    hasty.learns(GUESSED)
    notes = {
        key: note
        for key in hasty.state.health.touched
        if (note := hasty.sync._note_of(key)) is not None
    }
    await they.sync._ledger.store.put_notes(notes, now)
    await us.exchanges()

    assert us.ends() == pytest.approx((now + 3_600.0, now + 3_600.0))
    for process in (us, they, hasty):
        await process.close()


async def test_what_a_process_learnt_itself_is_not_overwritten_before_it_is_written(
    tmp_path: Path,
) -> None:
    us, they = (Process(tmp_path / "state.db") for _ in range(2))
    they.learns(GUESSED)
    await they.exchanges()
    us.learns(GUESSED)
    us.learns(GUESSED, later=61.0)
    await us.exchanges()
    await they.exchanges()

    assert us.state.health.accounts.benches["scope"].strikes == 2
    assert they.state.health.accounts.benches["scope"].strikes == 2
    for process in (us, they):
        await process.close()


async def test_a_process_does_not_read_back_what_it_wrote(tmp_path: Path) -> None:
    """What it has learnt since, and not told yet, would be lost."""
    us = Process(tmp_path / "state.db")
    us.learns(GUESSED)
    await us.exchanges()
    us.state.health.touched.clear()
    us.state.health.accounts.benches["scope"].until = 1.0
    await us.exchanges()

    assert us.state.health.accounts.benches["scope"].until == 1.0
    await us.close()


async def test_what_could_not_be_written_is_written_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    us, they = (Process(tmp_path / "state.db") for _ in range(2))
    us.learns(GUESSED)
    us.state.health.usage.paid(MODEL, time.time(), 0.25)

    async def fails(*_: object) -> None:
        raise StoreFailed("full")

    ledger = us.sync._ledger
    for method in ("put_notes", "add"):
        with monkeypatch.context() as patch:
            patch.setattr(ledger.store, method, fails)
            await us.exchanges()
        ledger._retry_store_at = 0.0
    await us.exchanges()
    await they.sync.pull()

    assert they.state.health.accounts.benches["scope"].cause == Cause.ACCOUNT_GUESSED
    tallies = await they.sync._ledger.history(0)
    assert [tally["usd"] for tally in tallies.values() if "usd" in tally] == [0.25]
    for process in (us, they):
        await process.close()


async def test_a_probe_is_a_process_s_own_and_the_newer_list_of_lacks_is_kept(
    tmp_path: Path,
) -> None:
    us, they = (Process(tmp_path / "state.db") for _ in range(2))
    us.learns(GUESSED)
    they.learns(GUESSED)
    ours, theirs = us.state.health.of(MODEL), they.state.health.of(MODEL)
    ours.probing = True
    ours.lacks, ours.lacks_since = frozenset({"tools"}), 1_000.0
    theirs.lacks, theirs.lacks_since = frozenset({"seed"}), 2_000.0
    for process in (they, us, they):
        await process.exchanges()

    assert (ours.probing, theirs.probing) == (True, False)
    assert ours.lacks == theirs.lacks == {"seed"}
    for process in (us, they):
        await process.close()


async def test_a_refused_key_and_a_suspicion_survive_a_restart_until_a_reset(
    tmp_path: Path,
) -> None:
    """A mended key is another one, so its account is another one, too."""
    us, they = (Process(tmp_path / "state.db") for _ in range(2))
    now = time.time()
    refused = Fault(kind=Kind.ACCOUNT, cause=Cause.KEY_REFUSED, status=401)
    forbidden = Fault(kind=Kind.BUSY, cause=Cause.FORBIDDEN, status=403)
    us.state.health.account_refused("scope", refused, now, Random(1), model="a")
    for name in ("one", "two"):
        us.state.health.account_suspected("other", name, forbidden, now)
    await us.exchanges()
    await they.sync.pull()
    bench = they.state.health.accounts.benches["scope"]

    assert (bench.cause, bench.firm, bench.model) == (Cause.KEY_REFUSED, True, "a")
    assert bench == us.state.health.accounts.benches["scope"]
    third = they.state.health.account_suspected("other", "three", forbidden, now)
    assert third is not None
    us.state.health.reset()
    await us.exchanges()
    await they.exchanges()

    assert "scope" not in they.state.health.accounts.benches
    for process in (us, they):
        await process.close()


async def test_what_processes_suspect_is_added_up_and_an_answer_ends_it_for_all(
    tmp_path: Path,
) -> None:
    us, they = (Process(tmp_path / "state.db") for _ in range(2))
    now = time.time()
    forbidden = Fault(kind=Kind.BUSY, cause=Cause.FORBIDDEN, status=403)
    us.state.health.account_suspected("scope", "one", forbidden, now)
    they.state.health.account_suspected("scope", "two", forbidden, now)
    for process in (us, they, us):
        await process.exchanges()
    [suspicion] = us.state.health.accounts.suspicions.by_scope["scope"].values()
    assert suspicion.refusals == {"one": 1, "two": 1}
    assert us.state.health.account_answered("scope", "three", now) is None
    for process in (us, they):
        await process.exchanges()

    assert they.state.health.accounts.suspicions.by_scope == {}
    for process in (us, they):
        await process.close()


async def test_a_reset_ends_benches_everywhere(tmp_path: Path) -> None:
    us, they = (Process(tmp_path / "state.db") for _ in range(2))
    us.learns(GUESSED)
    await us.exchanges()
    await they.exchanges()
    us.state.health.reset()
    await us.exchanges()
    await they.exchanges()

    assert "scope" not in they.state.health.accounts.benches
    assert they.state.health.of(MODEL).benched_until == 0.0
    for process in (us, they):
        await process.close()
