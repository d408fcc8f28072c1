"""Refusals, limits and waits, each in the smallest world that shows it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from freerouter_core import Limit, Provider, Router, errors
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimAccount, SimModel, World

from ..scripted import answer_response, error_response, scripted_router


def test_three_hanging_models_do_not_keep_the_fourth_from_answering() -> None:
    hanging = [SimModel(f"a/m{n}:free", context=900_000 - n, script=["hang"] * 9) for n in range(3)]
    with World([*hanging, SimModel("a/good:free")]) as world:
        stream = world.router(strategy="context").stream("x")

        assert "".join(d.text for d in stream).startswith("This is a/good:free")
        assert [a["fault"] for a in stream.outcome.attempts] == ["slow", "slow", "slow", None]


def test_a_reset_in_the_past_causes_no_storm_of_retries() -> None:
    past = error_response(
        429, "Rate limit exceeded: free-models-per-min.", {"X-RateLimit-Reset": "1700000000000"}
    )
    router = scripted_router(past, timeout=20.0)
    with pytest.raises(errors.Exhausted):
        router.chat("x")

    assert len(router.bodies) <= 5


@pytest.mark.parametrize(
    "refusal",
    [error_response(402, "Insufficient credits."), httpx.Response(307, headers={"location": "/"})],
)
def test_two_refusals_prove_that_the_account_is_refused(
    refusal: httpx.Response,
) -> None:
    router = scripted_router(refusal, models=15)
    with pytest.raises(errors.Exhausted) as caught:
        router.chat("x")

    assert len(router.bodies) == 2
    assert not caught.value.should_retry


def test_a_routine_reset_header_on_a_503_is_not_a_stated_wait() -> None:
    busy = error_response(
        503, "overloaded", {"X-RateLimit-Reset": "1800086400000", "X-RateLimit-Remaining": "900"}
    )
    router = scripted_router(busy, answer_response())

    assert router.chat("x").text == "hi"


def test_a_hedge_that_was_refused_a_slot_does_not_block_the_next_attempt() -> None:
    """Six slots are left, which a hedge may not use and an ordinary attempt may."""
    models = [
        SimModel(
            "a/slow:free",
            context=900_000,
            first_token=1.0,
            jitter=0.0,
            script=[None] * 14 + ["hang"],
        ),
        SimModel("b/good:free", first_token=0.1, jitter=0.0),
    ]
    with World(models, [SimAccount("k", per_minute=20)]) as world:
        router = world.router(strategy="context")
        for _ in range(14):
            router.chat("x")
        before = world.elapsed
        router.chat("x")

        assert world.elapsed - before < 30


def test_after_an_overdue_attempt_and_a_full_window_the_other_model_answers() -> None:
    with World(
        [SimModel("a/m:free", context=900_000, script=["hang"]), SimModel("b/m:free")]
    ) as world:
        provider = Provider(
            "openrouter", "https://x.test/v1", "k", limits=[Limit(requests=1, per=25.0)]
        )
        outcome = Router(providers=(provider,), strategy="context", runtime=world.runtime).chat("x")

        assert outcome.answer.model == "b/m:free"
        assert 25 < world.elapsed < 27


def test_calls_queue_for_a_concurrency_limit() -> None:
    with World([SimModel("a/m:free", first_token=1.0, jitter=0.0)]) as world:
        provider = Provider("openrouter", "https://x.test/v1", "k", limits=[Limit(concurrent=1)])
        router = Router(providers=(provider,), runtime=world.runtime)

        async def crowd() -> list[str]:
            return [
                o.text for o in await asyncio.gather(*(router.achat(f"n{n}") for n in range(4)))
            ]

        assert len(asyncio.run(crowd())) == 4
        assert world.elapsed < 12


def test_an_answer_under_way_does_not_end_a_stated_wait() -> None:
    with World(
        [SimModel("a/m:free", first_token=1.0, jitter=0.0, script=[None, "429-retry-after"])]
    ) as world:
        router = world.router()

        async def both() -> None:
            await asyncio.gather(router.achat("one"), router.achat("two"))
            await router.achat("three")

        asyncio.run(both())
        refused = next(seen.at for seen in world.requests if seen.fate == "429-retry-after")
        later = [seen.at for seen in world.requests if seen.at > refused]

        assert min(later) >= refused + 7


def test_an_upstreams_refused_key_is_not_the_routers() -> None:
    upstream = error_response(
        401, "Provider returned error", raw="invalid api key", provider_name="Foo"
    )

    assert scripted_router(upstream, answer_response(), models=2).chat("x").text == "hi"


@pytest.mark.parametrize("headers", [{"Retry-After": "0"}, {"X-RateLimit-Reset": "1700000000000"}])
def test_a_stated_wait_that_is_over_counts_as_a_guess(headers: dict[str, str]) -> None:
    busy = error_response(429, "Provider returned error", headers, provider_name="X")
    router = scripted_router(busy, answer_response(), models=2)
    for _ in range(4):
        router.chat("x")

    assert [body["model"] for body in router.bodies].count("acme/m0:free") == 1


def test_the_body_of_an_error_is_not_waited_for() -> None:
    async def body() -> Any:
        yield b'{"error": '
        await asyncio.sleep(1e6)

    router = scripted_router(
        httpx.Response(429, content=body(), headers={"retry-after": "9"}),
        answer_response(),
        models=2,
    )
    started = router.clock.now()

    assert router.chat("x").text == "hi"
    assert router.clock.now() - started < 3


def test_headers_of_an_answer_that_say_a_limit_is_spent_are_believed() -> None:
    """Groq's and Cerebras' answers tell what is left: nobody need be refused to learn it."""
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "40s",
        "x-ratelimit-remaining-tokens": "9",
        "x-ratelimit-reset-tokens": "90s",
    }
    models: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"data": [{"id": "a"}, {"id": "b"}]})
        name = json.loads(request.content)["model"]
        models.append(name)
        message = {"role": "assistant", "content": "hi"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return httpx.Response(
            200, json={"model": name, "choices": [choice]}, headers=headers if name == "a" else {}
        )

    clock = VirtualClock()
    runtime = Runtime(clock=clock, client=httpx.MockTransport(answer), cache=None)
    router = Router(
        model="a",
        providers=[Provider("groq", "https://x.test/v1", "k", limits=[])],
        runtime=runtime,
    )
    for _ in range(3):
        router.chat("x")
    clock.advance(41.0)
    router.chat("x")

    assert models == ["a", "b", "b", "a"]


@pytest.mark.parametrize(("lasts", "asked"), [(60.0, 2), (16 * 3_600.0, 24)])
def test_a_wait_that_may_be_in_milliseconds_is_probed(lasts: float, asked: int) -> None:
    """`Retry-After: 60000`, by a server that means a minute, and by one that means 16 hours."""
    refused = 0
    clock = VirtualClock()
    begins = clock.now()

    async def serve(request: httpx.Request) -> httpx.Response:
        nonlocal refused
        if request.method == "GET":
            return httpx.Response(200, json={"data": [{"id": "a/m"}]})
        if clock.now() - begins >= lasts:
            return answer_response()
        refused += 1
        left = "60000" if lasts == 60.0 else str(round(lasts - (clock.now() - begins)))
        return httpx.Response(429, headers={"retry-after": left})

    client = httpx.AsyncClient(transport=httpx.MockTransport(serve))
    runtime = Runtime(clock=clock, client=client, cache=None, state="memory")
    provider = Provider("mine", "https://x.test/v1", "k", free="all", limits=[])
    router = Router(providers=(provider,), runtime=runtime, timeout=30.0)
    answered = None
    for _ in range(17 * 60):
        try:
            answered = router.chat("x")
        except errors.Exhausted:
            clock.advance(60.0)
        else:
            break
    runtime.close()

    assert answered is not None
    assert refused <= asked
    assert clock.now() - begins <= lasts + 3_600.0
    assert lasts > 60.0 or clock.now() - begins <= 130.0
