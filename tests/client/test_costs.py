"""Never paying unasked, and knowing what a request would cost and what is used."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from freerouter_core import ChatRequest, Provider, Router, errors
from freerouter_core.runtime.key_status import KeyStatus
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import SimAccount, SimModel, World
from langchain_freerouter import ChatFreeRouter

PAID: dict[str, Any] = {"prompt_price": "0.000001", "completion_price": "0.000002"}
LONG = "word " * 2_000


def test_an_estimate_goes_by_the_prices_of_the_catalogue() -> None:
    with World([SimModel("a/free:free"), SimModel("b/paid", **PAID)]) as world:
        router = world.router(allow_paid=True)
        request = ChatRequest([{"role": "user", "content": LONG}], parameters={"max_tokens": 1_000})
        free, paid = router.estimate_cost(request), router.estimate_cost(request, "b/paid")

        assert (free.model, free.tier, free.usd) == ("a/free:free", "free", 0.0)
        assert paid.tier == "paid"
        assert paid.usd == pytest.approx(paid.prompt_tokens * 1e-6 + 1_000 * 2e-6)
        assert router.estimate_cost("x", "c/nobody").usd is None
        assert not world.requests


def test_max_cost_per_request_keeps_long_requests_from_paid_models() -> None:
    """The free model is broken. The paid one may answer a short request, not a long one."""
    with World([SimModel("a/free:free", script=["502"] * 99), SimModel("b/paid", **PAID)]) as world:
        router = world.router(allow_paid=True, max_cost_per_request=0.002, max_retries=3)
        short = ChatRequest([{"role": "user", "content": "hi"}], parameters={"max_tokens": 100})

        assert router.chat(short).answer.model == "b/paid"
        with pytest.raises(errors.Exhausted):
            router.chat(LONG)
        assert [s.model for s in world.requests if not s.model.endswith(":free")] == ["b/paid"]
        assert "max_cost_per_request" in str(router.explain(LONG))


def test_the_daily_budget_is_never_overdrawn() -> None:
    """Reserved by the estimate, settled by what was charged, and never overdrawn."""
    with World([SimModel("b/paid", **PAID)]) as world:
        router = world.router(allow_paid=True, daily_budget_usd=0.01, timeout=20.0)
        dear = ChatRequest([{"role": "user", "content": "x"}], parameters={"max_tokens": 3_000})
        for _ in range(3):
            router.chat(
                dear
            )  # 0.006 USD at most, and next to nothing in the end: the simulator charges nothing
        with pytest.raises(errors.FreeRouterError):
            router.chat(dear.but(parameters={"max_tokens": 6_000}))

        assert len(world.requests) == 3
        world.clock.advance(86_400.0)
        router.chat(dear)


def test_the_daily_cap_bounds_the_requests_of_a_day(caplog: pytest.LogCaptureFixture) -> None:
    with (
        World([SimModel("a/m:free"), SimModel("b/m:free")], [SimAccount("k", None)]) as world,
        caplog.at_level(logging.WARNING),
    ):
        llm = ChatFreeRouter(router=world.router(), daily_cap=5, timeout=30.0)
        for _ in range(5):
            llm.invoke("x")
        with pytest.raises(errors.Exhausted) as caught:
            llm.invoke("x")

        assert len(world.requests) == 5
        assert caught.value.rate_limited
        assert caught.value.retry_after is not None
        assert caught.value.retry_after > 3_600
        assert "QuotaLow" in caplog.text


def test_quota_reports_usage_and_waits() -> None:
    with World(
        [SimModel("a/m:free", script=[None, None, "429-minute"])], [SimAccount("k", 20)]
    ) as world:
        router = world.router(timeout=5.0)
        for _ in range(2):
            router.chat("x")
        [line] = router.quota().lines
        assert (line.kind, line.used, line.limit, line.left) == ("requests", 2, 20, 18)
        with pytest.raises(errors.FreeRouterError):
            router.chat("x")
        cause, seconds = router.quota().waits["openrouter"]

        assert cause == "account-minute"
        assert 20 < seconds <= 30
        assert "of 20 requests a minute" in str(router.quota())


def test_quota_believes_openrouters_count_of_the_day() -> None:
    """Someone else spent the day, then credits were bought: both are believed at once."""
    account = SimAccount("k", None, per_day=50)
    with World([SimModel("a/m:free")], [account]) as world:
        router = world.router(timeout=5.0)
        router.chat("x")
        day = next(line for line in router.quota().lines if line.per == 86_400.0)
        assert (day.used, day.limit, day.left, day.reset) == (1, 50, 49, "utc-day")

        account.days = dict.fromkeys(account.days, 50)
        assert router.quota().waits["openrouter"][0] == "account-day"
        with pytest.raises(errors.Exhausted):
            router.chat("x")
        assert len(world.requests) == 1, "nobody was asked in vain"

        account.per_day = 1_000
        assert not router.quota().waits
        assert router.chat("x").text
        assert [seen.fate for seen in world.requests] == ["answer", "answer"]


@pytest.mark.parametrize("answer", ["404", "garbage", "null", "error"])
def test_quota_needs_no_key_endpoint(answer: str) -> None:
    import httpx

    with World([SimModel("a/m:free")], [SimAccount("k", 20)]) as world:
        inner = world.transport()

        class Without(httpx.AsyncBaseTransport):
            async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
                if not request.url.path.endswith("/key"):
                    return await inner.handle_async_request(request)
                if answer == "error":
                    raise httpx.ConnectError("no")
                body = {
                    "garbage": "<html>",
                    "null": '{"data": {"free_model_daily_requests": null}}',
                }
                return httpx.Response(404 if answer == "404" else 200, text=body.get(answer, "{}"))

        router = world.router(http_client=Without())
        router.chat("x")
        assert [line.used for line in router.quota().lines] == [1]


def ollama_cloud(usage: object) -> tuple[Router, list[str]]:
    """A router that asks Ollama Cloud, whose usage says this; what it was asked."""
    import httpx

    asked: list[str] = []

    def reply(request: httpx.Request) -> httpx.Response:
        asked.append(str(request.url))
        if request.url.path == "/api/usage":
            return httpx.Response(200, json=usage)
        if request.url.path.endswith("/models"):
            return httpx.Response(200, json={"data": [{"id": "gpt-oss:20b"}]})
        message = {"role": "assistant", "content": "hi"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        return httpx.Response(200, json={"choices": [choice]})

    clock = VirtualClock()
    runtime = Runtime(clock=clock, client=httpx.MockTransport(reply), cache=None, state="memory")
    return Router(providers=[Provider("ollama-cloud", api_key="k")], runtime=runtime), asked


def test_ollama_cloud_tells_used_fractions() -> None:
    """pi-multi-account#30: a null means no limit, and no reset is named."""
    windows = {"session": {"usage": 0.046, "models": []}, "weekly": {"usage": 1.0}}
    router, asked = ollama_cloud({"limits": windows})
    report = router.quota()
    used = {line.span: line.used for line in report.lines if line.kind == "percent"}

    assert used == {"in 5 hours": 4.6, "a week": 100.0}
    assert "https://ollama.com/api/usage" in asked
    because, seconds = report.waits["ollama-cloud"]
    assert because == "account-day"
    assert 0 < seconds <= 7 * 86_400.0


@pytest.mark.parametrize(
    "usage",
    [{}, [], {"limits": None}, {"limits": {"session": {"usage": None}, "weekly": "odd"}},
     {"limits": {"session": {"usage": True}}}],
)  # fmt: skip
def test_what_ollama_cloud_does_not_tell_is_no_limit(usage: object) -> None:
    router, _ = ollama_cloud(usage)

    assert not [line for line in router.quota().lines if line.kind == "percent"]
    assert router.chat("x").text == "hi"


def test_windows_end_where_ollama_cloud_ends_them() -> None:
    monday = 1_796_601_600.0  # 2026-12-07, midnight UTC
    week = KeyStatus(1.0, 100, "percent", 604_800.0, "fixed")
    session = KeyStatus(1.0, 100, "percent", 18_000.0, "fixed")

    assert week.ends(monday - 1) == monday
    assert week.ends(monday) == monday + 604_800.0
    assert session.ends(monday) % 18_000.0 == 0.0
    assert KeyStatus(1, 2).ends(monday + 5) == monday + 86_400.0


@pytest.mark.parametrize("ceiling", ["max_cost_per_request", "daily_budget_usd"])
@pytest.mark.parametrize(("prompt", "completion"), [("-1", "-1"), ("0.001", "-1")])
def test_an_unknown_price_exceeds_every_cost_limit(
    ceiling: str, prompt: str, completion: str
) -> None:
    dear = SimModel("acme/auto", prompt_price=prompt, completion_price=completion)
    with World([dear], [SimAccount("k", None)]) as world:
        options: dict[str, Any] = {ceiling: 100.0}
        with pytest.raises(errors.NoCandidates):
            world.router(allow_paid=True, timeout=5.0, **options).chat("x")
        with pytest.raises(errors.FreeRouterError):
            world.router(
                model="never/listed", fallback_models=(), allow_paid=True, timeout=5.0, **options
            ).chat("x")
        assert not world.requests


def test_a_daily_cap_does_not_delay_answers() -> None:
    with World([SimModel("a/m:free", first_token=0.3)]) as world:
        assert world.router(daily_cap=50, timeout=1.5).chat("x").text
        for _ in range(12):
            world.router(daily_cap=50).chat("x")
        short = ChatRequest.of("x").but(parameters={"max_tokens": 5}, timeout=2.0)
        assert world.router(daily_cap=50, model="a/m:free").chat(short).text
