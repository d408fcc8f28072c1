"""Limits in each provider's own words. The first refusal teaches them, and they are kept."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from freerouter_core import Provider, Router, errors
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import DIALECTS, Phase, SimAccount, SimModel, World
from langchain_freerouter import ChatFreeRouter

NAMES: dict[str, str] = {
    "openrouter": "acme/{}:free", "groq": "openai/{}", "gemini": "gemini-{}-flash",
    "mistral": "mistral-{}",
    "cerebras": "{}", "nvidia": "nvidia/{}", "cloudflare": "@cf/{}", "ollama": "{}:8b",
}  # fmt: skip
STATED = sorted(set(DIALECTS) - {"nvidia", "cloudflare"})
"""Those whose minute's refusal says until when."""


def world_of(dialect: str, models: int = 1, **account: Any) -> World:
    named = [
        SimModel(NAMES[dialect].format(letter), first_token=0.1, jitter=0.0)
        for letter in "abc"[:models]
    ]
    return World(named, [SimAccount("k", **account)], dialect=dialect)


def router_in(world: World, **options: Any) -> Router:
    free = "all" if world.dialect in ("cerebras", "gemini") else None  # made-up ids
    address = "https://sim.test/v1" if world.dialect != "ollama" else "http://sim.test/v1"
    provider = Provider(world.dialect, address, "k", free=free, limits=[])
    return Router(providers=[provider], runtime=world.runtime, **options)


@pytest.mark.parametrize("dialect", sorted(DIALECTS))
def test_each_dialect_lists_and_answers(dialect: str) -> None:
    with world_of(dialect, 3, per_minute=None) as world:
        router = router_in(world)
        message = ChatFreeRouter(router=router).invoke("hello")

        assert len(router.free_models()) == 3
        assert message.response_metadata["provider"] == dialect
        assert not any(seen.problem for seen in world.requests)


@pytest.mark.parametrize("dialect", STATED)
def test_a_stated_wait_for_the_minute_is_kept_to_the_second(dialect: str) -> None:
    """Four requests a minute. The first refusal says until when, and nothing is sent before."""
    with world_of(dialect, per_minute=4) as world:
        router = router_in(world, timeout=200.0)
        for n in range(9):
            router.chat(f"n{n}")
        refused = [seen for seen in world.requests if seen.fate == "account-minute"]
        answered = [seen.at for seen in world.requests if seen.fate == "answer"]

        assert len(refused) <= 3
        assert 60.0 <= answered[4] - answered[0] < 63.0
        assert len(answered) == 9


@pytest.mark.parametrize("dialect", ["openrouter", "groq", "gemini"])
def test_a_refusal_that_names_its_limit_tells_it_to_the_request(dialect: str) -> None:
    """Another process has used up the minute, so nothing that was let through tells it."""
    with world_of(dialect, per_minute=7) as world:
        (account,), now = (world.accounts or {}).values(), world.clock.now()
        (model,) = world.models
        account.minute += [now] * 7
        account.minutes[model] = [now] * 7
        router_in(world, timeout=100.0).chat("x")

        assert [seen.fate for seen in world.requests] == ["account-minute", "answer"]
        rates = [learned.rate for learned in world.runtime.state.adaptive_limits.rates.values()]
        assert min(rates) == 7


@pytest.mark.parametrize("dialect", ["groq", "gemini"])
def test_a_limit_of_a_model_is_not_the_accounts(dialect: str) -> None:
    with world_of(dialect, 3, per_minute=4) as world:
        router = router_in(world, timeout=20.0)
        for n in range(12):
            router.chat(f"n{n}")

        assert world.elapsed < 20.0, "the others answer while one rests"


@pytest.mark.parametrize("dialect", ["openrouter", "gemini", "cloudflare"])
def test_a_spent_day_lasts_until_the_providers_midnight(dialect: str) -> None:
    with world_of(dialect, per_minute=None, per_day=3) as world:
        router = router_in(world, timeout=30.0)
        for _ in range(3):
            router.chat("x")
        for _ in range(3):
            with pytest.raises(errors.Exhausted) as caught:
                router.chat("x")
        sent = len(world.requests)

        assert sent == 4, "nobody is asked again before it"
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > 600.0


def test_headers_of_answers_prevent_a_refusal() -> None:
    """Groq tells with each answer what is left: the limit is kept without ever being met."""
    with world_of("groq", per_minute=4) as world:
        router = router_in(world, timeout=200.0)
        for n in range(9):
            router.chat(f"n{n}")

        assert {seen.fate for seen in world.requests} == {"answer"}


def test_an_unknown_dialect_is_a_bad_setting() -> None:
    with pytest.raises(errors.BadSetting, match="dialect"):
        World([SimModel("a")], dialect="klingon")


def test_concurrent_calls_spread_over_eight_providers() -> None:
    """Each has one model and allows four requests a minute: thirty-two at once together."""

    async def concurrent_calls() -> list[Any]:
        return await asyncio.gather(*(router.achat(f"n{n}") for n in range(24)))

    worlds = {name: world_of(name, per_minute=4) for name in DIALECTS}
    clock = worlds["groq"].clock
    for world in worlds.values():
        world.clock = clock

    class Switch(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            name = request.url.host.partition(".")[0]
            return await worlds[name].transport().handle_async_request(request)

    runtime = Runtime(clock=clock, client=Switch(), cache=None, state="memory")
    providers = [
        Provider(name, f"https://{name}.test/v1", "k", free="all", limits=[]) for name in worlds
    ]
    router = Router(providers=providers, runtime=runtime, timeout=60.0)
    answers = asyncio.run(concurrent_calls())
    runtime.close()

    assert len(answers) == 24
    assert len({answer.provider for answer in answers}) >= 5


@pytest.mark.parametrize(
    ("dialect", "models"), [("nvidia", 1), ("nvidia", 3), ("cloudflare", 1), ("cloudflare", 3)]
)
def test_an_unstated_rate_is_learnt(dialect: str, models: int) -> None:
    """Twelve requests a minute, and refusals that state neither the limit nor a wait."""
    with world_of(dialect, models, per_minute=12) as world:
        router = router_in(world, timeout=1_200.0)
        for n in range(120):
            router.chat(f"n{n}")
        refused = sum(seen.fate == "account-minute" for seen in world.requests)

        assert refused <= (8 if models == 1 else 16), "two to guess it, and tests of the guess"
        assert world.elapsed < 1.02 * 540.0, "nine minutes are the least that 120 requests take"


@pytest.mark.parametrize(("failing", "share"), [(4, 1.0), (8, 0.5)])
def test_refusals_by_half_of_the_models_slow_no_call_down(failing: int, share: float) -> None:
    """Bare refusals come before any answer. They look like the account's limit until one comes."""
    names = [f"m{n}/x:free" for n in range(8)]
    models = [
        SimModel(
            name,
            first_token=0.5,
            phases=[Phase(0, 3_600, "429-bare", share)] if n < failing else [],
        )
        for n, name in enumerate(names)
    ]

    async def concurrent_calls(router: Router) -> list[Any]:
        return await asyncio.gather(*(router.achat(f"n{n}") for n in range(100)))

    with World(models, [SimAccount("k", None)]) as world:
        provider = Provider("openrouter", "https://sim.test/v1", "k", limits=[])
        router = Router(providers=[provider], runtime=world.runtime, timeout=60.0)
        answers = asyncio.run(concurrent_calls(router))

        assert len(answers) == 100
        assert world.elapsed < 20.0
