"""What one process learns and others read: notes in a shared store."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest

from freerouter_core import ChatRequest, Limit, Provider, Router, Runtime, errors
from freerouter_core.routing.state import RoutingState
from freerouter_core.runtime.ledger.notes import Times, read_day
from freerouter_core.runtime.ledger.state_sync import StateSync
from freerouter_core.runtime.loop.clock import RealClock
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.wire.fault import Cause, Fault, Kind

from .ledgers import SHARED, ledger_at

KEY = ("p", "o", "m")


def sync_at(state: str) -> StateSync:
    return StateSync(RoutingState(), ledger_at(state), RealClock())


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
        "[[9e9, true], {}]",
        '[[9e9, true, "x", 1, false, 0.0, ""], {}]',
        '[["soon", true, "account-day", 1, false, 0.0, ""], {}]',
        '[[NaN, true, "account-day", 1, false, 0.0, ""], {}]',
        '[[9e9, true, "account-day", 1, false, 0.0, ""], []]',
        '[[9e9, true, "account-day", 1, false, 0.0, ""], {"x": 1}]',
        '[[9e9, true, "account-day", 1, false, 0.0, ""], {"x": [1.0, {}, {}]}]',
        '[[9e9, true, "account-day", 1, false, 0.0, ""], {"x": [1.0, 7, {"a": 1}]}]',
        '[[9e9, true, "account-day", 1, false, 0.0, ""], {"x": [1.0, {"a": "b"}, {"a": 1}]}]',
        '[[9e9, true, "account-day", 1, false, 0.0, ""], {"x": [1.0, {"a": 1}, {"b": 1}]}]',
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


def test_what_people_usually_want_is_known_after_a_restart(tmp_path: Path) -> None:
    """A job that is started again still leaves the evening to those who come then."""
    limits = [Limit(100, per=86_400.0, reset="utc-day")]
    state = f"sqlite:///{tmp_path}/s.db"
    with World([SimModel("a/m:free", first_token=0.0)], clock="real") as world:
        client = world.transport()
        provider = Provider("openrouter", "https://x.invalid/api/v1", "k", limits=limits)

        def process() -> tuple[Runtime, Router]:
            runtime = Runtime(clock=RealClock(), client=client, cache=None, state=state)
            return runtime, Router(providers=(provider,), runtime=runtime)

        first, router = process()
        router.chat("somebody asks")
        (window,) = first.ledger.demands.by_window
        learnt = first.ledger.demands.by_window[window]
        learnt.hours = [float(hour) for hour in range(24)]
        first.ledger.demands.touched.add(window)
        router.chat("somebody asks again")
        first.close()

        second, router = process()
        router.health()
        known = second.ledger.demands.by_window[window]
        scope = window.removesuffix("|r|86400|utc-day")
        visits = [runtime.state.people.visit(scope) for runtime in (first, second)]
        second.close()
    assert visits[1] is not None and visits[0] is not None
    assert visits[1].first == visits[0].first, "who came before is known"
    assert known.hours == learnt.hours
    assert known.since == learnt.since


def test_a_day_that_was_run_into_is_known_after_a_restart(tmp_path: Path) -> None:
    state = f"sqlite:///{tmp_path}/s.db"

    async def live() -> None:
        one, other = sync_at(state), sync_at(state)
        now = RealClock().now()
        for _ in range(30):
            one._state.days.sent("account", now, background=True)
        one._state.days.spent("account", now)
        one._state.days.touched.add("one that nobody asked")
        await one._exchange()
        await other._exchange()
        known = one._state.days.known("account")
        assert known is not None and known[1] == 29
        assert other._state.days.known("account") == known
        assert other._state.days.known("one that nobody asked") is None
        await one._ledger.drain()
        await other._ledger.drain()

    asyncio.run(live())


@pytest.mark.parametrize(
    "note", ["[]", "{}", "[1, 2]", "[1, null, -1]", "[1, 2.5, 0]", "[99999999, 3, 0]", "[true,1,1]"]
)
def test_a_day_that_nobody_wrote_is_none(note: str) -> None:
    with pytest.raises(ValueError):
        read_day(note, Times(1_800_000_000.0, 1_800_000_000.0))
    assert read_day("[20833, 40, 0]", Times(1_800_000_000.0, 1_800_000_000.0)) == (20_833, 40, 0)
