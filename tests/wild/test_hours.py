"""Hours of use beside an account that refuses, on the virtual clock: what its refusals cost.

Each number is a ratio: requests of the refusing account to calls. In brackets is what the same
hours cost while benches were forgotten as they ended. The account comes first in the order, so each
call that may ask it does.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from freerouter_core import Router, errors

from .replies import HI, PERSON, Reply, answer, refuse
from .row import STRUCTURED, Host, hosts
from .rows.lessons import DEBT, HOUR, KILO_LIMIT, NVIDIA, ODD_429, WEEK, ZAI, several
from .ways import request_of
from .wires import WildWire

CALLS, EVERY = 360, 180.0
"""Eighteen hours."""
OTHER = Host("groq", {"llama-4": HI})


def used(wire: WildWire, provider: str) -> int:
    return sum(asked == provider for asked, _ in wire.asked)


def call(router: Router) -> str:
    """The text, or the name of the error."""
    try:
        return router.chat("Tell me").text
    except errors.FreeRouterError as error:
        return type(error).__name__


def hours(wire: WildWire, calls: int = CALLS, every: float = EVERY) -> set[str]:
    """Call again and again; what came of it."""
    router, came = wire.router(), set()
    for _ in range(calls):
        came.add(call(router))
        wire.clock.advance(every)
    return came


@pytest.mark.parametrize(
    ("host", "share"),
    [
        (Host("openrouter", {"a/x:free": DEBT, "b/y:free": DEBT}), 0.025),  # (1.0)
        (Host("ollama-cloud", {"gpt-oss:20b": WEEK, "gemma4:31b": WEEK}), 0.025),  # (.53)
        (Host("zai", {"glm-4.7-flash": ZAI, "glm-4.6v-flash": ZAI}), 0.025),  # (.54)
        (Host("nvidia", several(NVIDIA, 20)), 0.04),  # (1.0)
        (Host("kilo", {"a/x:free": KILO_LIMIT}, key=""), 0.025),  # (.003: it was out for good)
        (Host("ollama-cloud", {"gpt-oss:20b": HOUR, "gemma4:31b": HOUR}), 0.07),  # (.54)
        (Host("north", {"a/x": ODD_429, "b/y": ODD_429}), 0.06),  # (.54)
        (Host("north", several(refuse(500, "insufficient balance"), 8)), 0.32),  # (1.0)
        (Host("north", several(refuse(503, "无可用渠道"), 8)), 0.32),  # (1.0)
    ],
    ids=[
        "debt",
        "week",
        "Z.ai 1113",
        "forbidden",
        "anonymous",
        "hour",
        "unknown",
        "debt as 500",
        "no channel",
    ],
)
def test_an_account_that_refuses_for_hours_costs_few_calls(host: Host, share: float) -> None:
    wire = WildWire([host, OTHER])
    came = hours(wire)

    assert came == {"hi"}
    assert used(wire, host.provider) / CALLS <= share, used(wire, host.provider)


def test_a_key_that_is_good_for_nothing_costs_a_handful_of_requests() -> None:
    """And every call says so. (It was 60 a call, and none said so.)"""
    wire = WildWire([Host("nvidia", several(NVIDIA, 20))])
    came = hours(wire)

    assert came == {"AuthenticationFailed"}
    assert len(wire.asked) <= 12


@pytest.mark.parametrize(
    ("reply", "most"), [(NVIDIA, 8), (refuse(401, "no"), 3), (DEBT, 3)], ids=["403", "401", "402"]
)
def test_what_an_account_refuses_survives_restarts(reply: Reply, most: int) -> None:
    """Forty processes, one after the other, each with one call."""
    wire = WildWire([Host("north", several(reply, 20)), OTHER])
    for _ in range(40):
        assert call(wire.router()) == "hi"
        wire.restart()
        wire.clock.advance(60.0)

    assert used(wire, "north") <= most


def test_whoever_pays_is_asked_again_within_hours() -> None:
    """The debt is paid after six hours."""
    paid_at = 120
    count = 0

    def reply(_: object) -> Reply:
        return HI if count > paid_at else DEBT

    wire = WildWire([Host("openrouter", {"a/x:free": reply}), OTHER])
    router, before = wire.router(), 0
    for count in range(CALLS):
        router.chat("Tell me")
        wire.clock.advance(EVERY)
        before = used(wire, "openrouter") if count == paid_at else before
    after = used(wire, "openrouter") - before

    assert before <= 6
    assert after >= 100, "most calls of the other twelve hours"


def test_a_model_without_json_is_asked_for_json_at_most_twice_in_ten_minutes() -> None:
    """It answers in prose. Plain requests may still go to it. (It was one seven times.)"""
    prose: Sequence[str] = ["a/x", "b/y", "c/z"]
    wire = WildWire(
        hosts(north={**dict.fromkeys(prose, answer("Prose.")), "d/w": PERSON, "e/v": PERSON})
    )
    router = wire.router(strategy="adaptive")
    for n in range(190):
        router.chat(request_of(STRUCTURED) if n % 3 == 0 else "Tell me")
        wire.clock.advance(3.0)
    wrong = [
        model
        for (_, model), body in zip(wire.asked, wire.bodies, strict=True)
        if model in prose and body.keys() & {"response_format", "tools"}
    ]

    assert all(wrong.count(model) <= 2 for model in prose)
    assert len(wrong) <= 0.03 * 190
    plain = {row.model.wire_name: row for row in router.explain("Tell me").rows}
    assert all(plain[model].usable for model in prose), "and it may still be asked plainly"


def test_a_key_that_is_refused_one_time_in_ten_costs_one_request_each_time() -> None:
    """(It was out for 15 minutes each time: 82 of 100 calls failed.)"""
    count = 0

    def reply(_: object) -> Reply:
        nonlocal count
        count += 1
        return refuse(401, "Invalid token") if count % 10 == 0 else HI

    wire = WildWire([Host("north", dict.fromkeys(("a/x", "b/y"), reply))])

    assert hours(wire, 100, 20.0) == {"hi"}
    assert len(wire.asked) <= 112
