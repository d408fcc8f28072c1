"""What a reviewer who had not seen the guards, sessions and ranking found in them, each with the way it was found."""

from __future__ import annotations

import contextlib
import pickle
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.load import dumps, loads

from freerouter_core import (
    ChatRequest,
    Exchange,
    Guard,
    Router,
    Runtime,
    Settings,
    Structured,
    Verdict,
    errors,
)
from freerouter_core.client.config import ToolStreaming
from freerouter_core.errors import BadSetting, DeadlineExceeded, Exhausted, NoCandidates, Refused
from freerouter_core.guards import CrisisGuard, ModerationGuard, PatternGuard, read_classifier
from freerouter_core.routing.timings import USUAL_TOKENS, Pool
from freerouter_core.runtime.endpoint_facts import EndpointFacts
from freerouter_core.runtime.loop.clock import RealClock
from freerouter_core.simulator import Phase, SimAccount, SimModel, World
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

ONE, TWO = "a/one:free", "b/two:free"
PAIR = [SimModel(ONE), SimModel(TWO)]
TOOL = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}


def ask(**more: Any) -> ChatRequest:
    return ChatRequest([{"role": "user", "content": "x"}], **more)


# -- sessions -----------------------------------------------------------------------------------------------------------


def test_a_session_goes_back_to_free_models_as_soon_as_one_is_up() -> None:
    models = [
        SimModel(ONE, phases=[Phase(0, 30, "429-upstream")]),
        SimModel("z/paid", prompt_price="0.000001", completion_price="0.000001"),
    ]
    with World(models) as world:
        session = world.router(allow_paid=True).session("x")
        session.chat("x")
        world.clock.advance(120.0)
        session.chat("x")

        assert world.asked[-1] == ONE


def test_whom_the_caller_names_stands_before_a_sessions_model() -> None:
    with World(PAIR) as world:
        session = world.router(
            strategy=lambda need, models: [m for m in models if m.id == ONE]
        ).session("s")
        session.chat("x")
        session.chat(ask(model=TWO))
        ChatFreeRouter(router=world.router(), session="s").invoke("x", model=ONE)
        assert world.asked == [ONE, TWO, ONE]

        world.router().session("s").chat(ask(model=TWO))
        session.chat("x")
        assert world.asked[-1] == ONE, "the strategy leaves the other out"


def test_only_the_models_of_the_call_are_asked_whatever_a_session_remembers() -> None:
    with World([SimModel(ONE, script=["502"] * 9), SimModel(TWO)]) as world:
        world.router(model=TWO).session("j").chat("x")
        with pytest.raises(Exhausted):
            world.router(model=ONE, fallback_models=(), timeout=5.0).session("j").chat("x")


def test_explain_shows_a_sessions_model_first() -> None:
    with World(PAIR) as world:
        session = world.router(strategy="random").session("e")
        kept = session.chat("x").attempt.model.id

        assert {session.router.explain("x").candidates[0].id for _ in range(5)} == {kept}


@pytest.mark.filterwarnings("ignore:The function `loads` is in beta")
def test_a_session_given_as_an_object_brings_its_policy_along_in_writing() -> None:
    with World(PAIR) as world:
        session = world.router(privacy="no-train", min_quality=3.0).session("zz")
        written = dumps(ChatFreeRouter(session=session))
        back = loads(
            written, valid_namespaces=["langchain_freerouter"], allowed_objects=[ChatFreeRouter]
        )

    router = back.make_router()
    assert (router.privacy, router.min_quality, back.session) == ("no-train", 3.0, "zz")
    again = FreeRouter.from_dict(FreeRouter(session=session).to_dict())
    assert again.make_router().privacy == "no-train"


def test_sessions_are_not_kept_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("freerouter_core.routing.session_memory.MAX_SESSIONS", 3)
    with World(PAIR) as world:
        for n in range(5):
            world.router().session(f"s{n}").chat("x")

        assert [stats.name for stats in world.router().stats().sessions] == ["s2", "s3", "s4"]


# -- guards ---------------------------------------------------------------------------------------------------------------


class Leaky(Guard):
    name, on_prompt = "leaky", True

    def judge(self, exchange: Exchange) -> Verdict:
        raise ValueError("bad key sk-or-v1-SECRET and own-key-of-mine-99")


def test_no_key_leaks_through_a_guard_of_the_prompt() -> None:
    with World(PAIR, [SimAccount("own-key-of-mine-99")]) as world:
        told = str(world.router(guards=[Leaky()]).chat("x").metadata)
        strict = Leaky()
        strict.when_unsure = "reject"
        with pytest.raises(Refused) as caught:
            world.router(guards=[strict]).chat("x")

    for words in (told, str(caught.value)):
        assert "could not judge" in words
        assert "SECRET" not in words
        assert "own-key" not in words


def test_a_guard_of_the_prompt_has_as_long_as_the_call() -> None:
    class Slow(Guard):
        on_prompt = True

        def judge(self, exchange: Exchange) -> None:
            done.wait(5.0)

    done = threading.Event()
    with World(PAIR, clock="real") as world, pytest.raises(DeadlineExceeded, match="guards"):
        world.router(guards=[Slow()], timeout=0.1).chat("x")
    done.set()


@pytest.mark.parametrize(
    "make",
    [
        lambda: PatternGuard(["x"], action="rejct"),  # type: ignore[arg-type]
        lambda: ModerationGuard(action="block"),  # type: ignore[arg-type]
        lambda: Verdict("block", "no"),  # type: ignore[arg-type]
        lambda: Verdict("flag", reason=7),  # type: ignore[arg-type]
    ],
)
def test_a_verdict_that_is_none_is_said(make: Any) -> None:
    with pytest.raises(BadSetting):
        make()


def test_an_asynchronous_guard_is_refused() -> None:
    async def later(exchange: Exchange) -> bool:
        return True

    with World(PAIR) as world, pytest.raises(BadSetting, match="asynchronous"):
        world.router(guards=[later])  # type: ignore[list-item]  # refused, whatever its type


def test_a_guard_may_end_its_thread_and_not_the_call() -> None:
    def gone(exchange: Exchange) -> bool:
        raise SystemExit

    with World(PAIR) as world:
        assert world.router(guards=[gone]).chat("x").flags[0].unsure


def test_a_guard_changes_neither_the_request_nor_the_callers_list() -> None:
    def changes(exchange: Exchange) -> bool:
        exchange.messages[0]["content"] = "changed"  # type: ignore[index]
        return True

    changes.on_prompt = True  # type: ignore[attr-defined]
    messages = [{"role": "user", "content": "mine"}]
    with World(PAIR) as world:
        world.router(guards=[changes]).chat(messages)

        assert messages[0]["content"] == world.requests[0].body["messages"][0]["content"] == "mine"


def test_a_broken_guard_says_nothing_of_the_models() -> None:
    def broken(exchange: Exchange) -> bool:
        raise ZeroDivisionError

    with World(PAIR) as world:
        router = world.router(guards=[Leaky(), broken], min_safety=7.0)
        for _ in range(12):
            router.chat("x")

        assert all(health.safety == 8.0 for health in world.runtime.state.health.models.values())


@pytest.mark.parametrize("mode", ["whole", "fragments"])
def test_a_guarded_stream_gives_its_tool_calls(mode: ToolStreaming) -> None:
    with World([SimModel(ONE)]) as world:
        router = world.router(guards=[lambda exchange: True], tool_streaming=mode)
        deltas = list(router.stream(ask(tools=[TOOL], tool_choice="required")))

    assert [call.name for delta in deltas for call in delta.tool_calls] == ["f"]


def test_moderation_asks_its_classifier_whatever_is_wished_of_answers() -> None:
    judge = SimModel(
        "acme/llama-guard:free", tools=False, context=8_192, says=lambda request: "safe"
    )
    with World([SimModel(ONE), judge]) as world:
        router = world.router(
            guards=[ModerationGuard()], capabilities=("tools",), min_context=100_000
        )
        assert router.chat("x").flags == ()
        assert world.asked == [ONE, judge.id]


@pytest.mark.parametrize(
    ("said", "safe"),
    [
        ("Safety: unsafe", False),
        ("safety concerns: this is unsafe", False),
        ('{"safety": "not safe"}', False),
        ("It is safe.", True),
    ],
)
def test_unsafe_is_never_read_as_safe(said: str, safe: bool) -> None:
    assert read_classifier(said)[0] is safe


def test_help_before_an_object_stands_beside_it() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    with World([SimModel(ONE)]) as world:
        router = world.router(guards=[CrisisGuard("Call 112.")])
        request = ChatRequest(
            [{"role": "user", "content": "I want to die"}], structured=Structured(schema)
        )
        outcome = router.chat(request)

    assert outcome.text.startswith("{")
    assert outcome.metadata["prepend"] == "Call 112."


def test_a_cache_does_not_go_round_a_guard() -> None:
    cache = InMemoryCache()
    with World([SimModel(ONE, says=lambda request: "the secret is out")]) as world:
        first = ChatFreeRouter(router=world.router(), cache=cache, guards=[PatternGuard(["zebra"])])
        second = ChatFreeRouter(
            router=world.router(), cache=cache, guards=[PatternGuard(["secret"])]
        )
        first.invoke("x")
        first.invoke("x")
        assert len(world.requests) == 1
        with pytest.raises(Refused):
            second.invoke("x")


# -- what is believed -----------------------------------------------------------------------------------------------------


class Liar(World):
    """Says of each answer that it had so many tokens."""

    tokens = "0"

    def respond(self, method: str, path: str, headers: Any, body: bytes) -> Any:
        script = super().respond(method, path, headers, body)
        number = f'"completion_tokens": {self.tokens}'.encode()
        told = [
            re.sub(rb'"completion_tokens": \d+', number, part) if isinstance(part, bytes) else part
            for part in script.body
        ]
        return replace(script, body=tuple(told))


@pytest.mark.parametrize(
    "tokens", ["1000000000", "-5", "1" * 401, "true", "1e9"], ids=lambda text: text[:9]
)
def test_no_claim_of_tokens_poisons_what_is_expected(tokens: str) -> None:
    with Liar([SimModel(ONE)]) as world:
        world.tokens = tokens
        book = world.runtime.state.health
        router = world.router()
        for _ in range(5):
            router.chat("x")
        assert 0 < book.pool.size.mean < 2 * USUAL_TOKENS
        assert book.pool.size.likely(None) < 10 * USUAL_TOKENS

        router.reset()
        assert book.pool == Pool()


def test_a_capped_account_still_answers_within_a_short_time() -> None:
    with World([SimModel(ONE, first_token=0.3)]) as world:
        assert world.router(daily_cap=50, timeout=1.5).chat("x").text
        for _ in range(12):
            world.router(daily_cap=50).chat("x")
        short = ask(parameters={"max_tokens": 5}, timeout=2.0)
        assert world.router(daily_cap=50, model=ONE).chat(short).text


def test_explain_is_the_ranking_that_is_used() -> None:
    models = [
        SimModel(f"m{n}/x:free", first_token=0.2 + n, script=["502"] * (n % 3)) for n in range(6)
    ]
    with World(models, [SimAccount(per_minute=None, per_day=50)]) as world:
        router = world.router(daily_cap=50, strategy="performance")
        for _ in range(6):
            first = router.explain("x").candidates[0].id
            world.requests.clear()
            router.chat("x")
            assert world.asked[0] == first
            world.clock.advance(700.0)


# -- filters ----------------------------------------------------------------------------------------------------------------


def test_a_filter_reaches_the_adapters_that_use_the_router() -> None:
    with World([SimModel(ONE, context=8_192), SimModel(TWO, context=131_072)]) as world:
        router = world.router(strategy="context")
        llm = ChatFreeRouter(router=router, model=ONE)
        llm.invoke("x")
        router.set_filter(min_context=100_000)
        llm.invoke("x")

        assert world.asked == [ONE, TWO]


def test_a_filter_that_makes_no_sense_changes_nothing() -> None:
    with World(PAIR) as world:
        router = world.router()
        before = pickle.dumps(router)
        for wrong in (
            {"max_latency": 0},
            {"min_quality": 50},
            {"providers": ["nonsense"]},
            {"min_context": -1},
            {"x": 1},
        ):
            with pytest.raises(BadSetting):
                router.set_filter(**wrong)
        assert pickle.dumps(router) == before


def test_opinions_and_wishes_that_are_none_are_said() -> None:
    with World(PAIR) as world:
        router = world.router()
        for make in (
            lambda: world.router(quality={"m": "high"}),  # type: ignore[dict-item]
            lambda: router.recommend("x", limit=0),
            lambda: router.recommend("x", weights={"free": float("nan")}),
            lambda: router.recommend(None),  # type: ignore[arg-type]
            lambda: router.performance(hours=float("inf")),
        ):
            with pytest.raises(BadSetting):
                make()
        assert router.recommend("x", capabilities="tools")[0].reasons == ("has tools",)
        with pytest.raises(NoCandidates):
            world.router(min_quality=9.9).chat("x")


# -- beside the requests ------------------------------------------------------------------------------------------------------


def test_what_is_kept_of_endpoints_is_looked_at() -> None:
    assert EndpointFacts(1.0, 0.5, 50.0).is_plausible(2.0)
    assert not EndpointFacts(5.0, 0.5, 50.0).is_plausible(2.0), "from the future"
    assert not EndpointFacts(1.0, -0.5, 50.0).is_plausible(2.0)
    with pytest.raises(TypeError):
        EndpointFacts(1.0, "fast", 50.0).is_plausible(2.0)  # type: ignore[arg-type]


def test_one_model_without_endpoints_does_not_hide_the_others(tmp_path: Path) -> None:
    class Patchy(World):
        def respond(self, method: str, path: str, headers: Any, body: bytes) -> Any:
            if path.endswith(f"/{ONE}/endpoints"):
                return super().respond(method, "/nowhere", headers, body)
            return super().respond(method, path, headers, body)

    with Patchy(PAIR, endpoints=True) as world:
        for _ in range(3):
            world.router().chat("x")
            world.clock.advance(10.0)
        told = world.router().cache_stats()

    assert (told["scanned"], told["scans_failed"]) == (1, 1)


FORKS = """
import os
from freerouter_core.runtime.http import aiohttp_transport
assert aiohttp_transport.load() is None, "its import begins here"
child = os.fork()
if child == 0:
    import aiohttp
    os._exit(7)
raise SystemExit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


def test_a_fork_waits_for_an_import_that_is_under_way() -> None:
    assert subprocess.run([sys.executable, "-c", FORKS], timeout=60, check=False).returncode == 7


# -- what a last reader found ---------------------------------------------------------------------------------------------


def test_the_newest_sessions_are_remembered_and_a_look_makes_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("freerouter_core.routing.session_memory.MAX_SESSIONS", 2)
    with World([SimModel(ONE, script=[None, None, "401"])]) as world:
        for name in ("old", "older", "new"):
            session = world.router(fallback_models=(), model=ONE).session(name)
            with contextlib.suppress(errors.FreeRouterError):
                session.chat("x")
        assert world.router().session("nobody").stats().calls == 0

        assert {stats.name for stats in world.router().stats().sessions} == {"older", "new"}


def test_a_timeout_is_given_out_once() -> None:
    class Slow(Guard):
        on_prompt, on_answer = True, False

        def judge(self, exchange: Exchange) -> None:
            threading.Event().wait(0.25)

    def slow(need: Any, models: Any) -> Any:
        threading.Event().wait(0.25)
        return models

    with World(PAIR, clock="real") as world:
        world.router().chat("x")
        began = time.monotonic()
        with pytest.raises(DeadlineExceeded):
            world.router(guards=[Slow()], strategy=slow, timeout=0.3).chat("x")

    assert time.monotonic() - began < 0.45


def test_marks_and_resets_reach_the_shared_state(tmp_path: Path) -> None:
    state = f"sqlite:///{tmp_path}/s.db"

    def process() -> Runtime:
        return Runtime(clock=RealClock(), client=world.transport(), cache=None, state=state)

    with World(PAIR, clock="real") as world:

        def router(runtime: Runtime) -> Router:
            return world.router().with_options(runtime=runtime)

        works: list[tuple[Callable[[Router], object], float]] = [
            (lambda router: router.grade(ONE, 9.0), 1.0),
            (lambda router: router.reset(), 0.0),
        ]
        for work, expected in works:
            first, second = process(), process()
            work(router(first))
            first.close()
            router(second).health()
            health = second.state.health.models.get(
                ("openrouter", "https://simulated.invalid/api/v1", ONE)
            )
            grades = 0.0 if health is None else health.grades
            second.close()
            assert grades == expected


def test_a_filter_of_a_sessions_router_reaches_the_adapters() -> None:
    with World([SimModel(ONE, context=8_192), SimModel(TWO, context=131_072)]) as world:
        session = world.router(model=ONE).session("f")
        llm = ChatFreeRouter(session=session)
        llm.invoke("x")
        session.router.set_filter(min_context=100_000)
        llm.invoke("x")

        assert world.asked == [ONE, TWO]


def test_a_filter_set_while_settings_are_read_is_not_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    with World([SimModel(ONE, context=8_192), SimModel(TWO, context=131_072)]) as world:
        router = world.router()
        load, reading, go = Settings.load, threading.Event(), threading.Event()

        def slow() -> Settings:
            if threading.current_thread().name == "reader":
                reading.set()
                go.wait(5.0)
            return load()

        monkeypatch.setattr(Settings, "load", slow)
        reader = threading.Thread(target=router.check, name="reader")
        reader.start()
        reading.wait(5.0)
        router.set_filter(min_context=100_000)
        go.set()
        reader.join()

        assert [model.id for model in router.explain("x").candidates] == [TWO]


def test_dev_mode_names_its_models(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEV_MODE", "true")

    assert Router().chat("x").metadata["model_name"].startswith("simulated/")


def test_odd_kinds_are_said_and_a_guards_words_hold_no_key() -> None:
    with World(PAIR, [SimAccount("own-key-of-mine-99")]) as world:
        router = world.router()
        for make in (
            lambda: router.set_filter(capabilities=[["tools"]]),
            lambda: world.router(quality={1: 5, "a": 3}),  # type: ignore[dict-item]
            lambda: router.recommend("x", weights={1: 2, None: 1}),  # type: ignore[dict-item]
        ):
            with pytest.raises(BadSetting):
                make()
        guarded = world.router(
            guards=[lambda exchange: Verdict("flag", prepend="key own-key-of-mine-99")]
        )
        assert "own-key" not in guarded.chat("x").text
        with pytest.raises(errors.BadRequest):
            guarded.chat([{"role": "user", "content": threading.Lock()}])
