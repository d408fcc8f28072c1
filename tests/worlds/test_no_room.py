"""Servers that turn requests away without a word, and have room for them a little later.

Whoever is turned away waits and asks again while there is time, and few requests are sent.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from freerouter_core import Provider, Router, errors
from freerouter_core.routing.crowding import PATIENCE
from freerouter_core.routing.failures import NEWCOMER
from freerouter_core.simulator import Phase, SimAccount, SimModel, World

from .lived import Lived

OUTAGE = 40.0
"""Seconds for which a server turns everybody away."""


def crowded(fault: str, at_once: int = 4) -> SimAccount:
    return SimAccount(per_minute=None, at_once=at_once, at_once_fault=fault)


@pytest.mark.parametrize("provider", ["mine", "openrouter"])
@pytest.mark.parametrize("fault", ["429-silent", "429-bare", "503-silent", "503", "429-at-once"])
def test_a_burst_is_answered_by_a_server_that_takes_few_at_once(fault: str, provider: str) -> None:
    lived = Lived(40, account=crowded(fault), provider=provider)

    assert lived.ends == {"answered": 40}
    assert lived.refused <= 100, "the burst itself, and each a little later"


@pytest.mark.parametrize(
    ("at_once", "first_token", "timeout"), [(1, 0.3, 120.0), (4, 8.0, 120.0), (20, 1.0, 30.0)]
)
def test_however_many_it_takes_and_however_long_they_take(
    at_once: int, first_token: float, timeout: float
) -> None:
    account = crowded("429-silent", at_once)
    lived = Lived(40, account=account, first_token=first_token, timeout=timeout)

    assert lived.ends == {"answered": 40}
    assert lived.refused <= 180


def test_one_stray_refusal_slows_nobody_down() -> None:
    """A limit learnt from one refusal let eighteen of a hundred calls through."""
    phases = (Phase(20.0, 20.6, "503-silent"),)
    lived = Lived(100, gap=0.5, first_token=10.0, phases=phases)

    assert lived.ends == {"answered": 100}
    assert lived.refused <= 2
    assert lived.seconds < 50.0 + 20.0


@pytest.mark.parametrize("fault", ["503-silent", "429-silent", "429-upstream"])
def test_a_model_that_refuses_now_and_then_answers_all(fault: str) -> None:
    phases = (Phase(0.0, 9_999.0, fault, share=0.1),)
    lived = Lived(100, gap=0.5, first_token=5.0, phases=phases, provider="openrouter")

    assert lived.ends == {"answered": 100}


def test_a_burst_at_a_few_models_of_such_an_account() -> None:
    lived = Lived(40, models=3, account=crowded("429-silent"))

    assert lived.ends == {"answered": 40}
    assert lived.refused <= 150


@pytest.mark.parametrize("calls", [1, 40])
@pytest.mark.parametrize("fault", ["503-loading", "503-silent", "429-silent"])
def test_a_server_that_is_starting_is_waited_for(fault: str, calls: int) -> None:
    lived = Lived(calls, phases=(Phase(0.0, OUTAGE, fault),))

    assert lived.ends == {"answered": calls}
    assert lived.seconds < 60.0
    assert lived.refused <= calls + 20, "one asks for all"


@pytest.mark.parametrize("fault", ["500", "502", "408"])
def test_a_server_that_never_answered_and_fails_is_told_after_a_while(fault: str) -> None:
    lived = Lived(1, phases=(Phase(0.0, 9_999.0, fault),))

    assert lived.ends == {"Exhausted": 1}
    assert lived.refused <= 9
    assert NEWCOMER <= lived.seconds < 2 * NEWCOMER


@pytest.mark.parametrize("calls", [1, 60])
@pytest.mark.parametrize("models", [1, 3])
@pytest.mark.parametrize("fault", ["500", "502", "408", "cut"])
def test_a_server_in_trouble_at_the_first_calls_is_waited_for(
    fault: str, models: int, calls: int
) -> None:
    """A hundred calls with 60 s each were lost after 4 s, with 900 requests."""
    lived = Lived(calls, models=models, phases=(Phase(0.0, 15.0, fault),))

    assert lived.ends == {"answered": calls}
    assert lived.refused <= 20 + 3 * calls


def test_a_server_that_never_has_room_is_asked_seldom_until_the_time_is_over() -> None:
    lived = Lived(40, phases=(Phase(0.0, 9_999.0, "503-loading"),))

    assert set(lived.ends) <= {"Exhausted", "DeadlineExceeded"}
    assert 55.0 < lived.seconds <= 60.0
    assert lived.refused <= 65
    assert "Loading model" in lived.errors[0].message


def test_many_models_that_never_have_room_cost_one_call_few_requests() -> None:
    lived = Lived(1, models=10, phases=(Phase(0.0, 9_999.0, "503-loading"),))

    assert lived.refused <= 45


def test_a_call_with_little_time_asks_although_others_hold_back() -> None:
    """A guess of ours ends no request before its time."""
    phases = (Phase(0.0, 10.0, "503-loading"),)
    with World([SimModel("a/m:free", phases=phases)]) as world:
        with pytest.raises(errors.FreeRouterError):
            world.router(timeout=9.0).chat("x")
        sent = len(world.requests)
        with pytest.raises(errors.FreeRouterError):
            world.router(timeout=0.5).chat("x")

        assert len(world.requests) > sent


@pytest.mark.parametrize("fault", ["429-upstream", "503-silent"])
def test_patience_with_a_busy_model_does_not_use_up_the_day(fault: str) -> None:
    """Six calls that name it, and then twenty that name another, of fifty requests a day."""
    busy = SimModel("a/busy:free", phases=(Phase(0.0, 1_200.0, fault),))
    with World([busy, SimModel("a/idle:free")], [SimAccount(per_minute=20, per_day=50)]) as world:
        for _ in range(6):
            with pytest.raises(errors.FreeRouterError):
                world.router(model="a/busy:free", fallback_models=()).chat("x")
            world.clock.advance(120.0)
        assert len(world.requests) <= 6 * 5

        idle = world.router(model="a/idle:free")
        assert all(idle.chat(f"Question {n}").text for n in range(20))


@pytest.mark.parametrize("models", [1, 4])
def test_a_day_that_is_spent_without_a_word_is_looked_at_seldom(models: int) -> None:
    """A hundred calls in fifty minutes, and a bare 429 for each request after the tenth."""
    served = [SimModel(f"a/m{n}:free") for n in range(models)]
    with World(served, [SimAccount(per_minute=None, per_day=10)], dialect="nvidia") as world:
        at = Provider("mine", "https://x.test/v1", "sk-simulated", free="all", limits=[])
        router = Router(providers=(at,), runtime=world.runtime, timeout=60.0)

        async def call(number: int) -> bool:
            await asyncio.sleep(30.0 * number)
            try:
                await router.achat(f"Question {number}")
            except errors.FreeRouterError:
                return False
            return True

        async def all_calls() -> list[bool]:
            return await asyncio.gather(*(call(n) for n in range(100)))

        assert sum(world.runtime.call(all_calls)) >= 9, "one may have been a hedge"
        late = [seen for seen in world.requests if seen.at > 1_500.0]
        assert len(late) <= models * (1_500 / 60 + 1), "each is asked once a minute"


def test_what_cannot_pass_is_told_at_once() -> None:
    for fault in ("401", "404-gone", "402", "400-context"):
        lived = Lived(1, phases=(Phase(0.0, 9_999.0, fault),))

        assert lived.seconds < 5.0, fault


def test_a_burst_at_an_address_where_nobody_listens_is_told_at_once() -> None:
    lived = Lived(40, phases=(Phase(0.0, 9_999.0, "refused"),), timeout=120.0)

    assert lived.ends == {"Exhausted": 40}
    assert lived.seconds < 5.0


@pytest.mark.parametrize("calls", [1, 40])
def test_patience_ends_however_many_wait(calls: int) -> None:
    lived = Lived(calls, phases=(Phase(0.0, 9_999.0, "503-loading"),), timeout=None)

    assert lived.ends == {"Exhausted": calls}
    assert lived.seconds < PATIENCE + 60.0


def test_two_keys_of_a_provider_are_two_accounts() -> None:
    """One of them has no room left; the other's calls do not wait for that."""
    accounts = [SimAccount("k-full", per_minute=None, per_day=1), SimAccount("k-free")]
    with World([SimModel("a/m:free", first_token=1.0)], accounts, dialect="nvidia") as world:
        full, free = (
            Router(
                providers=(Provider("mine", "https://x.test/v1", key, free="all", limits=[]),),
                runtime=world.runtime,
                timeout=60.0,
            )
            for key in ("k-full", "k-free")
        )
        full.chat("x")

        async def call(router: Router, after: float) -> float:
            await asyncio.sleep(after)
            began = world.clock.now()
            with contextlib.suppress(errors.FreeRouterError):
                await router.achat("x")
            return world.clock.now() - began

        async def both() -> list[float]:
            _, *seconds = await asyncio.gather(
                call(full, 0.0), *(call(free, 1.0 + n) for n in range(20))
            )
            return seconds

        assert max(world.runtime.call(both)) < 3.0


def test_an_address_where_nobody_ever_answered_is_given_up_soon() -> None:
    down = (Phase(5.0, 30.0, "refused"),)
    assert Lived(1, phases=(Phase(0.0, 9_999.0, "refused"),)).seconds < 5.0

    with World([SimModel("a/m:free", phases=down)]) as world:
        router = world.router(timeout=60.0)
        router.chat("x")
        world.clock.advance(5.0)
        assert router.chat("x").text, "it answered a moment ago: it is starting again"


def test_retries_that_the_owner_limits_are_no_more_than_that() -> None:
    lived = Lived(1, phases=(Phase(0.0, 9_999.0, "503-loading"),), max_retries=1)

    assert lived.refused == 2


def test_a_rate_that_nobody_states_is_still_learnt() -> None:
    """Twenty a minute, and forty calls: it is not how many are under way."""
    lived = Lived(40, account=SimAccount(per_minute=20), timeout=120.0)

    assert lived.ends == {"answered": 40}
    assert lived.refused <= 31
    assert lived.seconds < 70.0


@pytest.mark.parametrize("models", [1, 2, 3, 5])
def test_who_hears_nothing_from_all_models_is_answered_once_they_speak(models: int) -> None:
    """A call sat on dead connections until its deadline, while the models answered others."""
    phases = (Phase(40.0, 60.0, "hang"),)
    lived = Lived(10, models=models, gap=10.1, phases=phases)

    assert lived.ends == {"answered": 10}
    assert max(lived.times) < 50.0
