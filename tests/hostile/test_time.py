"""Clocks jump, machines sleep and processes are killed: no wait gets longer by it (law 12)."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from random import Random
from typing import Any

import pytest

from freerouter_core import Limit
from freerouter_core.catalogue.calendar import DAY
from freerouter_core.routing.account_benches import Bench
from freerouter_core.routing.charges import Charge, Grant, Refusal
from freerouter_core.routing.health import LACKS_KEPT, Health
from freerouter_core.routing.lanes import Place
from freerouter_core.routing.limits import reserve
from freerouter_core.routing.state import RoutingState
from freerouter_core.routing.window import LEASE, RENEWAL, Window
from freerouter_core.runtime.ledger import Ledger
from freerouter_core.runtime.ledger.notes import (
    Times,
    read_account,
    read_health,
    write_account,
    write_health,
)
from freerouter_core.runtime.ledger.sqlite import SqliteStore
from freerouter_core.runtime.ledger.state_sync import StateSync
from freerouter_core.runtime.loop import clock as clock_module
from freerouter_core.runtime.loop.clock import RealClock, VirtualClock
from freerouter_core.wire.fault import Cause, Fault, Kind

NOW = 1_800_000_000.0
HOUR = 3_600.0
MINUTE = Charge("account", Limit(requests=1, per=60.0))
UTC_DAY = Charge("account", Limit(requests=1, per=DAY, reset="utc-day"))
BUCKET = Charge("account", Limit(requests=1, per=60.0, reset="bucket"))
LANE = Charge("account", Limit(concurrent=1))


class Machine:
    """A machine's clock and a clock that only moves forward."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.wall, self.steady = NOW, 1_000.0
        monkeypatch.setattr(time, "time", lambda: self.wall)
        self.clock = RealClock(lambda: self.steady)

    def run(self, seconds: float) -> None:
        self.wall, self.steady = self.wall + seconds, self.steady + seconds


def test_time_asleep_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the clock that moves forward stands still meanwhile."""
    machine = Machine(monkeypatch)
    assert machine.clock.now() == NOW
    machine.wall += 8 * HOUR
    assert machine.clock.now() == NOW + 8 * HOUR
    machine.run(5.0)
    assert machine.clock.now() == pytest.approx(NOW + 8 * HOUR + 5.0)


def test_a_clock_of_ones_own_is_followed_by_its_own_time() -> None:
    class Own(RealClock):
        at = NOW

        def wall(self) -> float:
            return self.at

    clock = Own(lambda: 1_000.0)
    assert clock.now() == NOW
    clock.at += 8 * HOUR
    assert clock.now() == NOW + 8 * HOUR


@pytest.mark.parametrize("jump", [-6 * HOUR, -60.0, -0.5, 0.5])
def test_a_clock_that_is_set_back_prolongs_no_wait(
    jump: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(monkeypatch)
    until = machine.clock.now() + 30.0
    machine.wall += jump
    before = machine.clock.now()
    assert before == NOW, "time never runs backwards"
    machine.run(30.0)
    assert machine.clock.now() == pytest.approx(until)
    assert machine.clock.wall() == NOW + jump + 30.0


def test_a_jump_ends_no_request_that_is_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    machine, busy = Machine(monkeypatch), True
    machine.clock.new_event_loop(lambda: busy).close()
    machine.wall += 6 * HOUR
    assert machine.clock.now() == NOW
    busy = False
    assert machine.clock.now() == NOW + 6 * HOUR


def test_the_machine_s_best_clock_is_found() -> None:
    source = clock_module._best_source()
    assert source() <= source()


def test_a_loop_looks_at_the_time_now_and_then() -> None:
    class Selector:
        def __init__(self) -> None:
            self.waited: list[float | None] = []

        def select(self, timeout: float | None = None) -> list[Any]:
            self.waited.append(timeout)
            return []

    selector = Selector()
    loop = RealClock().new_event_loop(lambda: False)
    watched: Any = loop._selector  # type: ignore[attr-defined]
    real, watched._real = watched._real, selector
    for timeout in (None, 0.5, 3_600.0):
        watched.select(timeout)
    watched._real = real
    loop.close()
    assert selector.waited == [None, 0.5, clock_module.MAX_IDLE_WAIT]


# -- windows that others share ------------------------------------------------------------------


@pytest.mark.parametrize("charge", [MINUTE, UTC_DAY, BUCKET, LANE])
@pytest.mark.parametrize("ahead", [10.0, 6 * HOUR, 400 * DAY])
def test_what_a_wrong_clock_wrote_fills_no_window(charge: Charge, ahead: float) -> None:
    window = Window(leases=charge.limit.concurrent is not None)
    for n in range(3):
        reserve(lambda _: window, (charge,), n, NOW + ahead)
    result = reserve(lambda _: window, (charge,), 9, NOW)
    if charge is UTC_DAY and ahead < DAY:  # the same day
        assert isinstance(result, Refusal)
    elif charge is BUCKET:  # its level counts, its time does not
        assert isinstance(result, Refusal)
        assert result.until <= NOW + 61.0
    else:
        assert isinstance(result, Grant)
    assert window.used >= 0.0


def test_a_clock_that_is_a_little_ahead_counts() -> None:
    window = Window()
    reserve(lambda _: window, (MINUTE,), 1, NOW + 3.0)
    assert isinstance(reserve(lambda _: window, (MINUTE,), 2, NOW), Refusal)


class Ahead(VirtualClock):
    """A process whose own time is hours ahead of the machine's."""

    def wall(self) -> float:
        return self.now() - 6 * HOUR


async def test_processes_of_a_machine_go_by_its_clock(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    ahead, right = Ahead(NOW + 6 * HOUR), VirtualClock(NOW)
    theirs, ours = Ledger(ahead, SqliteStore(path)), Ledger(right, SqliteStore(path))
    try:
        assert isinstance(await theirs.reserve(Place(False, 1), (MINUTE,), 0, 0.0), Grant)
        refusal = await ours.reserve(Place(False, 1), (MINUTE,), 0, 0.0)
        assert isinstance(refusal, Refusal)
        assert refusal.until == pytest.approx(NOW + 60.5)
        right.advance(61.0)
        assert isinstance(await ours.reserve(Place(False, 2), (MINUTE,), 0, 0.0), Grant)
        ahead.advance(61.0)
        refusal = await theirs.reserve(Place(False, 2), (MINUTE,), 0, 0.0)
        assert isinstance(refusal, Refusal)
        assert refusal.until == pytest.approx(ahead.now() + 60.5), "by its own clock"
    finally:
        await theirs.drain()
        await ours.drain()


# -- notes that others share ---------------------------------------------------------------------

MODEL = ("p", "o", "m")


class SetRight(VirtualClock):
    """A machine whose clock was hours ahead: a process's own time still is."""

    right = False

    def wall(self) -> float:
        return self.now() - 6 * HOUR if self.right else self.now()


def sync_of(clock: VirtualClock, path: Path) -> StateSync:
    return StateSync(RoutingState(), Ledger(clock, SqliteStore(path)), clock)


@pytest.mark.parametrize("theirs", [Ahead, SetRight])
@pytest.mark.parametrize("stated", [True, False])
async def test_what_a_wrong_clock_wrote_benches_nobody_longer(
    theirs: type[VirtualClock], stated: bool, tmp_path: Path
) -> None:
    clock, right = theirs(NOW + 6 * HOUR), VirtualClock(NOW)
    wrong, ours = sync_of(clock, tmp_path / "state.db"), sync_of(right, tmp_path / "state.db")
    try:
        at = clock.now()
        until = at + 300.0 if stated else None
        book = wrong._state.health
        book.failed(MODEL, Fault(Kind.BUSY, Cause.SERVER, until=until), at, Random(1))
        book.failed_form(MODEL, "json_schema", at, last=False)
        lacks = Fault(Kind.UNFIT, Cause.UNKNOWN, lacks=frozenset({"seed"}))
        book.failed(MODEL, lacks, at, Random(1))
        guessed = Fault(Kind.ACCOUNT, Cause.ACCOUNT_GUESSED, until=until)
        book.account_refused("s", guessed, at, Random(1))
        book.accounts.suspect("s", "m", Fault(Kind.BUSY, Cause.AMBIGUOUS_429), at)
        await wrong._exchange()
        right.advance(60.0)
        await ours.pull()

        health, accounts = ours._state.health.of(MODEL), ours._state.health.accounts
        latest = NOW + (300.0 if stated else 24.0) + (60.0 if theirs is SetRight else 0.0)
        assert NOW < health.benched_until <= latest
        assert NOW < accounts.benches["s"].until <= latest
        now = right.now()
        assert accounts.benches["s"].since <= now
        assert health.lacks_at(now) == {"seed"}
        assert health.lacks_at(now + LACKS_KEPT + 1.0) == frozenset()
        assert not any(way.unable(now + HOUR) for way in health.ways.values())
        [suspicion] = accounts.suspicions.by_scope["s"].values()
        assert suspicion.models_since(now + 60.0) == 0
        # And what we tell is by the machine's clock, too.
        if stated and isinstance(clock, SetRight):
            clock.right = True
            later = sync_of(clock, tmp_path / "state.db")
            await later.pull()
            assert later._state.health.of(MODEL).benched_until <= clock.now() + 300.0
            await later._ledger.drain()
    finally:
        await wrong._ledger.drain()
        await ours._ledger.drain()


@pytest.mark.parametrize("far", [HOUR, 400 * DAY, 1e200])
def test_no_note_benches_for_longer_than_anybody_waits(far: float) -> None:
    times = Times(NOW, NOW)
    guess = Bench(NOW + far, False, Cause.ACCOUNT_GUESSED, since=NOW + far)
    health = Health(lacks_since=NOW + far, benched_until=NOW + far)
    health.availability.seen_at = NOW + far
    if far > HOUR:
        for read, text in (
            (read_account, write_account(guess, {}, times)),
            (read_health, write_health(health, times)),
        ):
            with pytest.raises(ValueError, match="too long"):
                read(text, times)
        return
    bench, _ = read_account(write_account(guess, {}, times), times)
    assert bench is not None
    assert (bench.until, bench.since) == (NOW + 720.0, NOW)
    record = read_health(write_health(health, times), times)
    seen_at = record.availability.seen_at
    assert (seen_at, record.lacks_since, record.benched_until) == (NOW, NOW, NOW + far)


# -- leases -------------------------------------------------------------------------------------


def test_a_lease_is_short() -> None:
    assert RENEWAL * 2 < LEASE <= 30.0


async def test_a_killed_process_frees_its_lanes_and_a_living_one_keeps_them(
    tmp_path: Path,
) -> None:
    path, clock = tmp_path / "state.db", VirtualClock(NOW)
    living, other = Ledger(clock, SqliteStore(path)), Ledger(clock, SqliteStore(path))
    try:
        grant = await living.reserve(Place(False, 1), (LANE,), 0, 0.0)
        assert isinstance(grant, Grant)
        for _ in range(12):  # two minutes of one request
            clock.advance(RENEWAL)
            living._leases._on_timer()
            while living.tasks:
                await asyncio.wait(set(living.tasks))
            assert isinstance(await other.reserve(Place(False, 1), (LANE,), 0, 0.0), Refusal)
        clock.advance(LEASE + 0.1)  # it was killed
        assert isinstance(await other.reserve(Place(False, 1), (LANE,), 0, 0.0), Grant)
    finally:
        living.forget()
        await other.drain()


async def test_a_lease_that_ended_is_renewed_no_more(tmp_path: Path) -> None:
    clock = VirtualClock(NOW)
    ledger = Ledger(clock, SqliteStore(tmp_path / "state.db"))
    grant = await ledger.reserve(Place(False, 1), (LANE,), 0, 0.0)
    assert isinstance(grant, Grant)
    assert ledger._leases._timer is not None
    ledger._renew((grant,))  # on its way while the request ends
    ledger.settle(grant, sent=True)
    assert ledger._leases._timer is None
    await ledger.drain()
    assert isinstance(await ledger.reserve(Place(False, 2), (LANE,), 0, 0.0), Grant)
    await ledger.drain()


async def test_a_machine_that_slept_takes_its_lanes_again() -> None:
    clock = VirtualClock(NOW)
    ledger = Ledger(clock)
    grant = await ledger.reserve(Place(False, 1), (LANE,), 0, 0.0)
    clock.advance(8 * HOUR)
    assert await ledger.used(LANE) == 0.0
    ledger._leases._on_timer()
    assert await ledger.used(LANE) == 1.0
    assert isinstance(grant, Grant)
    ledger.settle(grant, sent=True)
    assert await ledger.used(LANE) == 0.0
    ledger.forget()
