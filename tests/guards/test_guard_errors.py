"""Guards that fail or interfere, and what a guarded answer may consist of."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from langchain_core.caches import InMemoryCache

from freerouter_core import ChatRequest, Exchange, Guard, Structured, Verdict
from freerouter_core.client.config import ToolStreaming
from freerouter_core.errors import BadRequest, BadSetting, DeadlineExceeded, Refused
from freerouter_core.guards import CrisisGuard, ModerationGuard, PatternGuard, read_classifier
from freerouter_core.runtime.loop import clock as clock_module
from freerouter_core.simulator import SimAccount, SimModel, World
from langchain_freerouter import ChatFreeRouter

ONE, TWO = "a/one:free", "b/two:free"
PAIR = [SimModel(ONE), SimModel(TWO)]
TOOL = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
}


def ask(**more: Any) -> ChatRequest:
    return ChatRequest([{"role": "user", "content": "x"}], **more)


class Leaky(Guard):
    name, on_prompt = "leaky", True

    def judge(self, exchange: Exchange) -> Verdict:
        raise ValueError("bad key sk-or-v1-SECRET and own-key-of-mine-99")


def test_the_error_of_a_guard_leaks_no_key() -> None:
    with World(PAIR, [SimAccount("own-key-of-mine-99")]) as world:
        metadata = str(world.router(guards=[Leaky()]).chat("x").metadata)
        strict = Leaky()
        strict.when_unsure = "reject"
        with pytest.raises(Refused) as caught:
            world.router(guards=[strict]).chat("x")

    for text in (metadata, str(caught.value)):
        assert "could not judge" in text
        assert "SECRET" not in text
        assert "own-key" not in text


def test_a_key_in_what_a_guard_prepends_is_redacted() -> None:
    def leak(exchange: Exchange) -> Verdict:
        return Verdict("flag", prepend="key own-key-of-mine-99")

    with World(PAIR, [SimAccount("own-key-of-mine-99")]) as world:
        assert "own-key" not in world.router(guards=[leak]).chat("x").text


def test_content_that_cannot_be_copied_for_guards_is_a_bad_request() -> None:
    with World(PAIR) as world, pytest.raises(BadRequest):
        world.router(guards=[Guard()]).chat([{"role": "user", "content": threading.Lock()}])


def test_guards_must_judge_within_the_timeout() -> None:
    class Slow(Guard):
        on_prompt = True

        def judge(self, exchange: Exchange) -> None:
            done.wait(5.0)

    done = threading.Event()
    with World(PAIR, clock="real") as world, pytest.raises(DeadlineExceeded, match="guards"):
        world.router(guards=[Slow()], timeout=0.1).chat("x")
    done.set()


def test_guards_and_a_strategy_share_one_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    class Slow(Guard):
        on_prompt, on_answer = True, False

        def judge(self, exchange: Exchange) -> None:
            world.clock.advance(25.0)

    def endless(need: Any, models: Any) -> Any:
        monkeypatch.setattr(clock_module, "CALLABLE_GRACE", 0.0)
        world.runtime.call(lambda: asyncio.sleep(0))  # the loop looks at the time again
        done.wait(10.0)
        return models

    done = threading.Event()
    monkeypatch.setattr(clock_module, "CALLABLE_GRACE", 30.0)
    with World(PAIR) as world:
        with pytest.raises(DeadlineExceeded, match=r"strategy .* took longer than 35 s"):
            world.router(guards=[Slow()], strategy=endless, timeout=60.0).chat("x")
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
def test_an_impossible_verdict_is_an_error(make: Any) -> None:
    with pytest.raises(BadSetting):
        make()


def test_an_asynchronous_guard_is_refused() -> None:
    async def later(exchange: Exchange) -> bool:
        return True

    with World(PAIR) as world, pytest.raises(BadSetting, match="asynchronous"):
        world.router(guards=[later])  # type: ignore[list-item]  # refused, whatever its type


def test_a_guard_that_exits_its_thread_does_not_end_the_call() -> None:
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


def test_a_broken_guard_does_not_change_the_safety_of_models() -> None:
    def broken(exchange: Exchange) -> bool:
        raise ZeroDivisionError

    with World(PAIR) as world:
        router = world.router(guards=[Leaky(), broken], min_safety=7.0)
        for _ in range(12):
            router.chat("x")

        assert all(health.safety == 8.0 for health in world.runtime.state.health.models.values())


@pytest.mark.parametrize("mode", ["whole", "fragments"])
def test_a_guarded_stream_yields_its_tool_calls(mode: ToolStreaming) -> None:
    with World([SimModel(ONE)]) as world:
        router = world.router(guards=[lambda exchange: True], tool_streaming=mode)
        deltas = list(router.stream(ask(tools=[TOOL], tool_choice="required")))

    assert [call.name for delta in deltas for call in delta.tool_calls] == ["f"]


def test_moderation_asks_its_classifier_though_it_lacks_required_capabilities() -> None:
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
    ("reply", "safe"),
    [
        ("Safety: unsafe", False),
        ("safety concerns: this is unsafe", False),
        ('{"safety": "not safe"}', False),
        ("It is safe.", True),
        ('{"a": ' * 100_000 + "}", None),
    ],
)
def test_unsafe_is_never_read_as_safe(reply: str, safe: bool | None) -> None:
    assert read_classifier(reply)[0] is safe


def test_help_in_a_crisis_stands_beside_a_structured_answer() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
    with World([SimModel(ONE)]) as world:
        router = world.router(guards=[CrisisGuard("Call 112.")])
        request = ChatRequest(
            [{"role": "user", "content": "I want to die"}], structured=Structured(schema)
        )
        outcome = router.chat(request)

    assert outcome.text.startswith("{")
    assert outcome.metadata["prepend"] == "Call 112."


def test_a_cached_answer_does_not_bypass_another_guard() -> None:
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
