"""The documented calls as a user writes them. Type checkers read this file; the tests run it.

`assert_type` states what a user's editor shows.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Sequence
from typing import Any, assert_type

from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from llama_index.core.base.llms.types import ChatMessage, ChatResponse, CompletionResponse
from llama_index.core.llms.llm import LLM
from llama_index.core.prompts import PromptTemplate
from llama_index.core.tools import FunctionTool
from pydantic import BaseModel, SecretStr

import freerouter_core
from freerouter_core import (
    Answer,
    AsyncStream,
    ChatRequest,
    Delta,
    Exchange,
    Guard,
    Limit,
    Model,
    Need,
    Outcome,
    Provider,
    Router,
    Session,
    Settings,
    Stream,
    Structured,
    ToolCall,
    Verdict,
    errors,
    events,
)
from freerouter_core.errors import AttemptRecord
from freerouter_core.guards import CrisisGuard, ModerationGuard, PatternGuard
from freerouter_core.reports import (
    CostEstimate,
    Explanation,
    HealthReport,
    Models,
    PerformanceReport,
    QuotaReport,
    Recommendations,
    SessionStats,
    Stats,
)
from freerouter_core.runtime.loop.clock import RealClock, VirtualClock
from freerouter_core.simulator import Phase, SimAccount, SimModel, World, calm_models
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter


class City(BaseModel):
    name: str
    inhabitants: int


def get_weather(city: str) -> str:
    """The weather in a city."""
    return f"{city}: 21 °C"


class Polite(Guard):
    name = "polite"
    on_prompt = True

    def judge(self, exchange: Exchange) -> Verdict:
        assert_type(exchange.answer, Answer | None)
        if "rude" in exchange.text:
            return Verdict("reject", "not polite")
        return Verdict("flag", reason="looked at", prepend="Dear user,")


def short(exchange: Exchange) -> bool:
    return len(exchange.text) < 10_000


def no_swearing(exchange: Exchange) -> str | None:
    return "it swears" if "damn" in exchange.text else None


def by_name(need: Need, models: list[Model]) -> list[Model]:
    return sorted(models, key=lambda model: model.id)


def largest_first(need: Need, models: Sequence[Model]) -> Sequence[Model]:
    return sorted(models, key=lambda model: -model.context)


def example_world() -> World:
    models = [SimModel("acme/a:free", context=200_000), *calm_models()]
    return World(models, [SimAccount("sk-simulated", per_minute=20)], seed=1)


def providers_and_limits() -> None:
    limits = [Limit(requests=20), Limit(tokens=6_000, per=60.0, scope="model"), Limit(concurrent=2)]
    Provider("groq")
    Provider("openrouter", api_key="sk-…", limits=[])
    lab = Provider(
        "lab",
        base_url="http://127.0.0.1:9/v1",
        api_key="sk-lab",
        free=["small", "large"],
        limits=limits,
        headers={"x-team": "a"},
    )
    assert_type(lab.limits, tuple[Limit, ...] | None)
    assert_type(lab.free, str | tuple[str, ...] | None)
    Limit(requests=1000, per=86_400.0, reset="utc-day", scope="account")


def routers() -> None:
    Router()
    Router("acme/a:free")
    fallbacks = ["acme/b:free", "groq:c"]
    providers: list[str | Provider] = ["groq", Provider("openrouter", api_key="sk-…")]
    router = Router(
        model="acme/a:free",
        fallback_models=fallbacks,
        api_key="sk-…",
        providers=["openrouter", Provider("groq", api_key="sk-…")],
        strategy=by_name,
        prefer="quality",
        capabilities=["tools", "vision"],
        min_context=32_000,
        task="code",
        min_quality=1.0,
        min_safety=7,
        quality={"acme/a:free": 8.5, "acme/b:free": 4},
        max_latency=3,
        max_cost_per_token=0.00001,
        max_cost_per_request=0.01,
        daily_budget_usd=1,
        daily_cap=40,
        allow_paid=True,
        privacy="no-train",
        timeout=30,
        max_wait=120,
        lane="background",
        max_retries=3,
        max_failures=2,
        exclude_failed=1_800,
        on_stream_break="continue",
        tool_streaming="fragments",
        hedge="off",
        guards=[Polite(), short, no_swearing, PatternGuard(["password"]), CrisisGuard("Call 112.")],
        session_name="report",
    )
    assert_type(router, Router)
    assert_type(router.model, str)
    assert_type(router.fallback_models, tuple[str, ...] | None)
    Router(providers=providers, strategy=largest_first, fallback_models=())
    Router(providers=Provider("openrouter"), api_key=SecretStr("sk-…"), timeout=None)
    Router(providers="all", quality=[("acme/a:free", 8.0)], guards=(ModerationGuard(),))
    assert pickle.loads(pickle.dumps(Router(api_key="k"))) == Router(api_key="k")


def chats(router: Router) -> None:
    outcome = router.chat("Hello")
    assert_type(outcome, Outcome)
    assert_type(outcome.text, str)
    assert_type(outcome.answer, Answer)
    assert_type(outcome.answer.model, str)
    assert_type(outcome.answer.finish_reason, str | None)
    assert_type(outcome.answer.tool_calls, tuple[ToolCall, ...])
    assert_type(outcome.answer.cost, float | None)
    assert_type(outcome.provider, str)
    assert_type(outcome.attempts, list[AttemptRecord])
    assert_type(outcome.attempts[0]["fault"], str | None)
    assert_type(outcome.metadata, dict[str, Any])
    assert_type(outcome.journal.render(), list[str])

    router.chat([{"role": "user", "content": "Hello"}])
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
    text = {"type": "text", "text": "What is this?"}
    router.chat([{"role": "user", "content": [text, picture]}])
    messages: list[dict[str, str]] = [{"role": "system", "content": "Be brief."}]
    messages.append({"role": "user", "content": "Hello"})
    router.chat(messages)
    request = ChatRequest(
        [{"role": "user", "content": "Hello"}],
        tools=[{"type": "function", "function": {"name": "look"}}],
        tool_choice="none",
        parameters={"temperature": 0.2, "max_tokens": 100},
    )
    router.chat(request)
    wish = Structured({"type": "object", "properties": {"name": {"type": "string"}}})
    router.chat(ChatRequest.of(messages).but(structured=wish, timeout=20.0))


def streams(router: Router) -> None:
    for delta in router.stream("Tell me a story"):
        assert_type(delta, Delta)
        assert_type(delta.text, str)

    stream = router.stream("Tell me a story")
    assert_type(stream, Stream)
    assert_type(next(stream), Delta)
    text = "".join(delta.text for delta in stream)
    assert_type(stream.done, bool)
    assert_type(stream.outcome, Outcome)
    assert stream.outcome.answer.text.endswith(text)

    with router.stream([{"role": "user", "content": "Hello"}]) as stream_in_block:
        assert_type(stream_in_block, Stream)
        assert_type(next(stream_in_block).reasoning, str)
    router.stream("Hello").close()


async def asynchronous(router: Router) -> None:
    assert_type(await router.achat("Hello"), Outcome)
    stream = router.astream("Tell me a story")
    assert_type(stream, AsyncStream)
    assert_type(await anext(stream), Delta)
    async for delta in stream:
        assert_type(delta, Delta)
    assert_type(stream.outcome.text, str)
    async with router.astream("Hello") as stream_in_block:
        async for delta in stream_in_block:
            assert_type(delta.text, str)
            break
    await router.astream("Hello").aclose()
    assert_type(await router.afree_models(), Models)
    assert_type(await router.aexplain("Hello"), Explanation)
    assert_type(await router.ahealth(wait=1.0), HealthReport)
    assert_type(await router.aquota(ask=False), QuotaReport)


def sessions(router: Router) -> None:
    session = router.session("x", model="acme/a:free", fallback_models=["acme/b:free"])
    assert_type(session, Session)
    assert_type(session.chat("Hello", label="opening"), Outcome)
    assert_type(session.run([("outline", "Outline it"), ("write", "Write it")]), Outcome)
    for delta in session.stream("Hello"):
        assert_type(delta, Delta)
    stats = session.stats()
    assert_type(stats, SessionStats)
    assert_type(stats.calls, int)
    assert_type([step.label for step in stats.steps], list[str])


def reports(router: Router) -> None:
    router.chat("Hello")
    models = router.free_models()
    assert_type(models, Models)
    assert_type(models[0], Model)
    assert_type(models[:2], Models)
    assert_type([model.context for model in models], list[int])
    assert_type(router.best_model(), Model)
    assert_type(router.random_model().free, bool)
    assert_type(router.affordable_models(0.00001), Models)
    assert_type(router.models(), Models)
    assert_type(len(router.refresh()), int)

    explanation = router.explain("Hello")
    assert_type(explanation, Explanation)
    assert_type([row.reason for row in explanation.rows], list[str | None])
    assert_type(explanation.candidates, list[Model])

    health = router.health()
    assert_type(health, HealthReport)
    assert_type(health.usable, list[Model])
    assert_type([row.state_words for row in health.rows if not row.usable], list[str])
    failures = [row.health.failures for row in health.rows if row.health]
    assert_type(failures, list[int])

    quota = router.quota()
    assert_type(quota, QuotaReport)
    assert_type(quota.lines[0].left, float)
    assert_type(quota.lines[0].limit, int)

    performance = router.performance(hours=24)
    assert_type(performance, PerformanceReport)
    assert_type(performance.total.success, float | None)
    assert_type(performance.rows[0].answers, int)

    stats = router.stats()
    assert_type(stats, Stats)
    assert_type(stats.capabilities, dict[str, int])
    assert_type(stats.free, int)
    assert_type(router.cache_stats(), dict[str, int])

    for recommendation in router.recommend("Write Python code", limit=2, weights={"context": 80}):
        assert_type(recommendation.model, Model)
        assert_type(recommendation.score, float)
    assert_type(router.recommend("a task"), Recommendations)
    cost = router.estimate_cost("Hello", model="acme/a:free")
    assert_type(cost, CostEstimate)
    assert_type(cost.usd, float | None)
    assert_type(str(health.table()), str)

    assert_type(router.set_filter(min_context=100_000, capabilities=["tools"]), dict[str, Any])
    router.grade("acme/a:free", 9)
    assert_type(router.with_options(timeout=5), Router)
    router.reset()


def observers(router: Router) -> None:
    models: list[str] = []

    def observe(event: events.Event) -> None:
        if isinstance(event, events.Answered):
            assert_type(event.cost, float | None)
            models.append(event.model)

    stop = router.subscribe(observe)
    router.chat("Hello")
    router.flush()
    stop()
    assert models


def worlds() -> None:
    world = World(
        [
            SimModel("acme/a:free", phases=[Phase(0, 600, "502")]),
            SimModel("acme/b:free", script=["cut", None], says=lambda request: "Once upon a time"),
        ],
        accounts=[SimAccount("sk-test", per_minute=20, per_day=50)],
    )
    assert_type(world, World)
    assert_type(world.clock, VirtualClock)
    with world:
        router = world.router(model="acme/a:free", strategy="context", guards=[short])
        assert_type(router, Router)
        router.chat("Still there?")
        world.clock.advance(60)
        assert_type([seen.fate for seen in world.requests], list[str])
        assert_type(world.asked, list[str])
        assert_type(world.elapsed, float)
    with World([SimModel("acme/a:free")], clock="real") as real:
        assert_type(real.clock, RealClock)


def failures() -> None:
    with World([SimModel("acme/a:free", script=["429-upstream"] * 9)]) as world:
        try:
            world.router(max_retries=0).chat("Hello")
        except errors.Exhausted as error:
            assert_type(error.retry_after, float | None)
            assert_type(error.attempts, list[AttemptRecord])
            assert_type(error.status_code, int | None)
            assert_type(error.model, str | None)
            assert_type(error.hint, str)
            assert_type(error.should_retry, bool)
            assert_type(error.rate_limited, bool)
        else:
            raise AssertionError
    try:
        raise errors.StreamBroken("broken", partial="Once upon a")
    except errors.StreamBroken as error:
        assert_type(error.partial, str)
    try:
        raise errors.NoCandidates("none", skipped={"acme/a:free": "has no tools"})
    except errors.FreeRouterError as error:
        assert isinstance(error, errors.NoCandidates)
        assert_type(error.skipped, dict[str, str])


def settings() -> None:
    loaded = Settings.load()
    assert_type(loaded, Settings)
    assert_type(freerouter_core.__version__, str)


def mistakes() -> None:
    """What a type checker must not accept. Nobody calls this."""
    Router(temperature=0)  # type: ignore[call-arg]
    Router(prefer="cheap")  # type: ignore[arg-type]
    Router(tool_streaming="no")  # type: ignore[arg-type]
    Router(providers=[3])  # type: ignore[list-item]
    Router(guards=["polite"])  # type: ignore[list-item]
    Router(quality={"acme/a:free": "high"})  # type: ignore[dict-item]
    Router().chat(3)  # type: ignore[arg-type]
    assert Router().chat("Hello").txt  # type: ignore[attr-defined]
    World([], clock="real").clock.advance(60)  # type: ignore[attr-defined]
    World([]).router(temperature=0)  # type: ignore[call-arg]
    ChatFreeRouter(temprature=0)  # type: ignore[call-arg]
    FreeRouter(capabilities=3)  # type: ignore[arg-type]


def langchain(router: Router) -> None:
    ChatFreeRouter()
    ChatFreeRouter(
        model="acme/a:free",
        fallback_models=["acme/b:free"],
        api_key="sk-…",
        providers=["openrouter", Provider("groq", api_key="sk-…")],
        strategy=by_name,
        capabilities=["tools"],
        guards=[short, Polite()],
        temperature=0,
        max_tokens=100,
        stop=["\n"],
        reasoning="low",
        extra_body={"top_k": 3},
        timeout=30,
        max_wait=None,
        streaming=True,
    )
    ChatFreeRouter(api_key=SecretStr("sk-…"), session="report", reasoning=False, stop="END")
    llm = ChatFreeRouter(router=router, model="acme/a:free")
    base: BaseChatModel = llm
    message = llm.invoke("Hello")
    assert_type(message, AIMessage)
    assert_type(message.text + "", str)
    llm.invoke([HumanMessage("Hello")])
    text = "".join(chunk.text for chunk in llm.stream("Tell me a story"))
    assert text
    city = llm.with_structured_output(City).invoke("Tell me about Lisbon, with 545796 inhabitants")
    assert city == City(name="Lisbon", inhabitants=545_796)
    llm.with_structured_output(City, include_raw=True, method="json_schema")
    answer = llm.bind_tools([get_weather], tool_choice="auto").invoke("The weather in Lisbon?")
    assert_type(answer, AIMessage)
    assert_type(base.invoke("Hello"), AIMessage)
    asyncio.run(langchain_asynchronous(llm))


async def langchain_asynchronous(llm: ChatFreeRouter) -> None:
    assert_type(await llm.ainvoke("Hello"), AIMessage)
    async for chunk in llm.astream("Hello"):
        assert_type(chunk.text + "", str)


def llamaindex(router: Router) -> None:
    FreeRouter()
    FreeRouter(
        model="acme/a:free",
        fallback_models=["acme/b:free"],
        api_key="sk-…",
        providers=["groq"],
        capabilities=["tools"],
        guards=[short, Polite()],
        strategy=largest_first,
        temperature=0.2,
        max_tokens=100,
        context_window=8_192,
        system_prompt="Be brief.",
    )
    llm = FreeRouter(router=router)
    base: LLM = llm
    assert_type(llm.complete("Hello"), CompletionResponse)
    assert_type(llm.chat([ChatMessage("Hello")]), ChatResponse)
    for response in llm.stream_chat([ChatMessage("Hello")]):
        assert_type(response, ChatResponse)
        assert_type(response.delta, str | None)
    for completion in llm.stream_complete("Hello"):
        assert_type(completion.text, str)
    prompt = PromptTemplate("Tell me about {name}, with 545796 inhabitants")
    city = llm.structured_predict(City, prompt, name="Lisbon")
    assert city.inhabitants == 545_796
    tools = [FunctionTool.from_defaults(get_weather)]
    assert_type(llm.chat_with_tools(tools, "The weather in Lisbon?"), ChatResponse)
    assert_type(llm.metadata.context_window, int)
    assert_type(base.complete("Hello"), CompletionResponse)
    asyncio.run(llamaindex_asynchronous(llm))


async def llamaindex_asynchronous(llm: FreeRouter) -> None:
    assert_type(await llm.acomplete("Hello"), CompletionResponse)
    assert_type(await llm.achat([ChatMessage("Hello")]), ChatResponse)
    async for response in await llm.astream_chat([ChatMessage("Hello")]):
        assert_type(response, ChatResponse)
