"""Whether all models of a server are down at once."""

from __future__ import annotations

import asyncio
from random import Random
from typing import Any

import pytest

from freerouter_core import Limit
from freerouter_core.errors import FreeRouterError
from freerouter_core.routing.congestion import FREE
from freerouter_core.routing.health_book import NO_OUTAGE, HealthBook
from freerouter_core.routing.outage import (
    BEFORE,
    DOWN_SECONDS,
    LATEST_LOOK,
    LOOK_PRICE,
    MAX_CHANCE,
    MAX_MODELS,
    SOONEST_LOOK,
    Outage,
    symptom_of,
)
from freerouter_core.routing.state import RoutingState
from freerouter_core.routing.worth import PROBE_POLL, worth_asking_at
from freerouter_core.simulator import Phase, SimAccount, SimModel, World
from freerouter_core.wire.fault import Cause, Fault, Kind

from .driver import NOW, Fates, Play, account, answers, fails, model, plan, play
from .test_failures import failed

DOWN = Fault(Kind.BUSY, Cause.SERVER, status=503)
SILENT = Fault(Kind.SLOW, Cause.NO_TOKEN)
BUSY = Fault(Kind.BUSY, Cause.UPSTREAM_429, status=429)


def after(*failures: tuple[str, Fault], chance: float = 0.7, now: float = NOW) -> Outage:
    outage = Outage()
    for name, fault in failures:
        outage.failed(name, fault, now, chance)
    return outage


def alike(count: int, fault: Fault = DOWN, chance: float = 0.7) -> Outage:
    return after(*[(f"m{n}", fault) for n in range(count)], chance=chance)


def test_failures_alike_of_different_models_speak_for_an_outage() -> None:
    chances = [alike(n).chance_at(NOW) for n in range(5)]

    assert chances[:2] == [0.0, 0.0], "one model alone says nothing of the others"
    assert 0.3 < chances[2] < chances[3] < chances[4] <= MAX_CHANCE


def test_steady_models_say_more_than_those_that_often_fail_by_themselves() -> None:
    assert alike(2, chance=0.9).chance_at(NOW) > alike(2, chance=0.3).chance_at(NOW)


def test_a_model_that_fails_again_says_nothing_new() -> None:
    again = after(*[("a", DOWN), ("b", DOWN)] * 3)

    assert again.chance_at(NOW) == alike(2).chance_at(NOW)


@pytest.mark.parametrize("other", [BUSY, SILENT, Fault(Kind.BUSY, Cause.SERVER, status=500)])
def test_another_way_to_fail_begins_anew(other: Fault) -> None:
    outage = after(("a", DOWN), ("b", DOWN), ("c", DOWN), ("d", other))

    assert outage.chance_at(NOW) == 0.0


def test_what_was_never_sent_says_nothing() -> None:
    ours = Fault(Kind.FATAL, Cause.NO_SOCKET, teaches=False)
    outage = alike(3)
    outage.failed("d", ours, NOW, 0.7)

    assert outage.chance_at(NOW) == alike(3).chance_at(NOW)


def test_an_outage_ends_by_itself() -> None:
    outage = alike(3)
    chances = [outage.chance_at(NOW + n * DOWN_SECONDS) for n in range(4)]

    assert chances == pytest.approx([chances[0] / 2.718281828**n for n in range(4)])
    assert outage.chance_at(NOW - 60.0) == chances[0], "another clock may be ahead"
    outage.failed("m0", DOWN, NOW + 10 * DOWN_SECONDS, 0.7)
    assert outage.chance_at(NOW + 10 * DOWN_SECONDS) < BEFORE


def test_what_is_remembered_of_an_outage_is_bounded() -> None:
    assert len(alike(MAX_MODELS + 5).models) == MAX_MODELS


@pytest.mark.parametrize(
    ("cause", "symptom"),
    [
        (Cause.SERVER, "status 503"),
        (Cause.NO_TOKEN, "silence"),
        (Cause.TIMEOUT, "silence"),
        (Cause.READ_TIMEOUT, "silence"),
        (Cause.CONNECT, "no connection"),
        (Cause.PROTOCOL, "no connection"),
        (Cause.CONNECT_TIMEOUT, "no connection"),
        (Cause.SLOW, ""),  # a token had come
        (Cause.UPSTREAM_429, ""),
        (Cause.EMPTY, ""),
        (Cause.UNKNOWN, ""),
    ],
)
def test_only_a_servers_own_trouble_is_a_symptom(cause: Cause, symptom: str) -> None:
    assert symptom_of(Fault(Kind.BUSY, cause, status=503)) == symptom


def test_the_book_knows_the_outage_of_each_server_until_somebody_answers() -> None:
    book, rng = HealthBook(), Random(1)
    for name in "abc":
        book.failed(model(name).identity, DOWN, NOW, rng)
    assert book.outage_of(model("d").identity).chance_at(NOW) > 0.5
    assert book.outage_of(model("d", "two").identity) is NO_OUTAGE
    book.answered(model("b").identity, NOW, first_token=None, seconds=1.0, tokens=9)
    assert book.outage_of(model("d").identity) is NO_OUTAGE
    book.failed(model("a").identity, DOWN, NOW, rng)
    book.reset()
    assert book.outages == {}


# -- in a call ------------------------------------------------------------------------------------

MANY = [model(f"m{n}") for n in range(12)]
SMALL_DAY = Limit(requests=50, per=86_400.0)


def asked_in_an_outage(*limits: Limit) -> int:
    """Requests that a call of half a minute sends while every model fails alike."""
    played, _ = failed(
        plan(*MANY, accounts=[account(limits=limits)], timeout=30.0),
        {m.wire_name: fails(DOWN) for m in MANY},
    )
    return len(played.asked)


def test_an_outage_does_not_use_up_a_small_day() -> None:
    assert asked_in_an_outage(SMALL_DAY) <= 5
    assert asked_in_an_outage() >= len(MANY), "where nothing is scarce anything is tried"


def test_a_call_is_answered_when_the_outage_ends() -> None:
    fates: Fates = {m.wire_name: fails(DOWN) for m in MANY[:4]} | {
        m.wire_name: answers() for m in MANY[4:]
    }
    request = plan(*MANY, accounts=[account(limits=(SMALL_DAY,))], timeout=60.0)

    assert play(request, fates).asked == ["m0", "m1", "m2", "m3", "m4"]


def test_who_waits_looks_again_when_it_is_time_to() -> None:
    outage = alike(4)
    outage.looked_at = NOW - LATEST_LOOK + 5.0
    outage.since = NOW - 600.0
    terms: dict[str, Any] = {"congestion": FREE, "time_left": 60.0, "usual": 0.7, "probed": False}
    again = worth_asking_at(HealthBook().blank(), NOW, outage=outage, day=20, **terms)
    then = worth_asking_at(HealthBook().blank(), again, outage=outage, day=20, **terms)

    assert (again, then) == (NOW + PROBE_POLL, NOW + 2 * PROBE_POLL), "others may have looked"
    later = outage.looked_at + LATEST_LOOK
    assert worth_asking_at(HealthBook().blank(), later, outage=outage, day=20, **terms) == later


def test_an_outage_is_looked_at_more_and_more_seldom() -> None:
    outage = alike(4)
    gaps = []
    while outage.looked_at < NOW + 300.0:
        outage.looked_at = max(outage.looked_at, NOW)
        gaps.append(outage.look_at(0.0) - outage.looked_at)
        outage.looked_at = outage.look_at(0.0)

    assert gaps[:3] == [SOONEST_LOOK] * 3
    assert gaps == sorted(gaps)
    assert gaps[-1] == LATEST_LOOK
    assert len(gaps) <= 22
    outage.looked_at = outage.since
    assert outage.look_at(2.0) == outage.since + 2.0 * LOOK_PRICE, "where others wait"


def test_one_look_at_an_outage_serves_all_who_wait() -> None:
    """Eight callers, one after the other within a second, of an outage that goes on."""
    state, asked = RoutingState(), []
    for n in range(8):
        request = plan(*MANY, accounts=[account(limits=(SMALL_DAY,))], timeout=0.9 * LATEST_LOOK)
        fates: Fates = {m.wire_name: fails(DOWN, after=0.0) for m in MANY}
        played = Play(request, fates, state=state, now=NOW + n / 8)
        with pytest.raises(FreeRouterError):
            played.run()
        asked.append(len(played.asked))

    assert sum(asked) <= 5, asked


def test_a_burst_in_an_outage_leaves_room_in_the_minute() -> None:
    """Twelve callers at once, twenty requests a minute, and every model fails alike at first."""
    outage = Phase(0.0, 15.0, "503")
    models = [SimModel(f"a/m{n}:free", phases=[outage]) for n in range(12)]
    with World(models, [SimAccount(per_minute=20)]) as world:
        router = world.router(timeout=60.0, hedge="off")

        async def everybody() -> int:
            calls = (router.achat("hello") for _ in range(12))
            ends = await asyncio.gather(*calls, return_exceptions=True)
            return sum(not isinstance(end, BaseException) for end in ends)

        answered = world.runtime.call(everybody)
        times = [seen.at - world.requests[0].at for seen in world.requests]

    assert sum(at < 15.0 for at in times) <= 15
    assert answered >= 5
