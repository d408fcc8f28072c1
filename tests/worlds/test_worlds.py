"""One table of scripted worlds. Every way of asking lives through each of them.

Each test asserts the attempts, not just the answer: what was asked, in which order, and how each
failure was understood.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass, field
from typing import Any

import pytest
from llama_index.core.base.llms.types import CompletionResponse
from llama_index.core.prompts import PromptTemplate

from freerouter_core import Router, errors
from freerouter_core.simulator import FAULTS, SimAccount, SimModel, World
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

from ..frameworks import Person, collect, merged, raw_of

Attempts = list[tuple[str, str | None]]


@dataclass(frozen=True)
class Case:
    """One world and what must happen in it.

    Attributes:
        scripts: what models a, b, … meet, in the order they are asked.
        attempts: (model, fault) of each attempt.
        streamed: the attempts of a stream. None: those of a whole call.
        error: what must be raised.
        stream_error: what a stream must raise. None: as `error`.
        partial: the text that a `StreamBroken` must hold.
        policy: arguments of the router.
    """

    name: str
    scripts: tuple[tuple[str | None, ...], ...]
    attempts: Attempts
    _: KW_ONLY
    streamed: Attempts | None = None
    error: type[errors.FreeRouterError] | None = None
    stream_error: type[errors.FreeRouterError] | None = None
    partial: str = ""
    policy: dict[str, Any] = field(default_factory=dict)


def one(fault: str, kind: str) -> Case:
    """The first model fails with `fault` before its first token, and the second answers."""
    return Case(fault, ((fault,), ()), [("a", kind), ("b", None)])


def broken(fault: str, kind: str) -> Case:
    """The first model fails after text was shown. A whole call goes on; a stream breaks."""
    return Case(
        fault,
        ((fault,), ()),
        [("a", kind), ("b", None)],
        streamed=[("a", kind)],
        stream_error=errors.StreamBroken,
        partial="Once upon a ",
    )


CASES = [
    Case("first answers", ((), ()), [("a", None)]),
    one("429-upstream", "busy"),
    one("429-bare", "busy"),
    one("429-at-once", "busy"),
    one("429-silent", "busy"),
    one("429-retry-after", "busy"),
    one("400-invalid", "unfit"),
    one("402", "account"),
    one("403-harness", "gone"),
    one("403-moderation", "refused"),
    one("404-gone", "gone"),
    one("404-ended", "gone"),
    one("404-policy", "gone"),
    one("404-tools", "unfit"),
    one("404-tool-choice", "unfit"),
    one("404-upstream", "busy"),
    one("408", "slow"),
    one("500", "busy"),
    one("502", "busy"),
    one("503", "busy"),
    one("503-loading", "busy"),
    one("503-silent", "busy"),
    one("524", "slow"),
    one("html-502", "busy"),
    one("refused", "busy"),
    one("timeout", "slow"),
    one("cut", "busy"),
    one("hang", "slow"),
    one("slow", "slow"),
    one("error-in-200", "busy"),
    one("choices-null", "broken"),
    one("choices-empty", "broken"),
    one("not-json", "busy"),
    one("empty", "broken"),
    one("truncated-tool", "broken"),
    one("stream-error-before", "busy"),
    one("stream-error-empty-choices", "busy"),
    one("stream-error-bare", "busy"),
    broken("mid-stream-error", "busy"),
    broken("mid-stream-finish-error", "busy"),
    broken("mid-stream-cut", "busy"),
    Case(
        "mid-stream-half",
        (("mid-stream-half",), ()),
        [("a", "busy"), ("b", None)],
        streamed=[("a", "busy")],
        stream_error=errors.StreamBroken,
        partial="This is acme/a:free, simulated. ",
    ),
    Case(
        "mid-stream-eof",
        (("mid-stream-eof",), ()),
        [("a", "busy"), ("b", None)],
        streamed=[("a", "broken")],
        stream_error=errors.StreamBroken,
        partial="Once upon a ",
    ),
    broken("stall", "slow"),
    Case(
        "five fail in five ways",
        (("429-upstream",), ("empty",), ("404-gone",), ("502",), ("cut",), ()),
        [("a", "busy"), ("b", "broken"), ("c", "gone"), ("d", "busy"), ("e", "busy"), ("f", None)],
    ),
    Case("one model, a passing fault: asked again", (("502", None),), [("a", "busy"), ("a", None)]),
    Case(
        "the account's minute is spent elsewhere: waited out to the second",
        (("429-minute", None), ("429-minute", None)),
        [("a", "account"), ("a", None)],
    ),
    Case("the account's day is spent", (("429-day",), ()), [("a", "account")],
     error=errors.Exhausted),
    Case("the key is refused", (("401",), ()), [("a", "account")],
     error=errors.AuthenticationFailed),
    Case(
        "two models of one account refuse the content: that proves nothing",
        (("403-moderation",), ("403-moderation",), ()),
        [("a", "refused"), ("b", "refused"), ("c", None)],
    ),
    Case(
        "all refuse the content",
        (("403-moderation",), ("403-moderation",)),
        [("a", "refused"), ("b", "refused")],
        error=errors.Refused,
    ),
    Case(
        "no retries wanted",
        (("502",), ()),
        [("a", "busy")],
        error=errors.Exhausted,
        policy={"max_retries": 0},
    ),
    Case(
        "only the named one, and it is gone",
        (("404-gone",), ()),
        [("a", "gone")],
        error=errors.Exhausted,
        policy={"model": "acme/a:free", "fallback_models": ()},
    ),
    Case(
        "the named one first, then the list, then the rest",
        (("502",), ("502",), ("502",), ()),
        [("c", "busy"), ("b", "busy"), ("a", "busy"), ("d", None)],
        policy={"model": "acme/c:free", "fallback_models": ["acme/b:free"]},
    ),
    Case(
        "the price guard is not understood: blamed before the model is",
        (("400-max-price", None), ()),
        [("a", "unfit"), ("a", None)],
    ),
    Case(
        "two gone in a row: the second is tried without the guard first",
        (("404-gone",), ("404-gone", None), ()),
        [("a", "gone"), ("b", "gone"), ("b", None)],
    ),
]  # fmt: skip


def world_of(case: Case) -> World:
    """Models a, b, … in falling context, so that strategy "context" asks them in that order."""
    return World(
        [
            SimModel(
                f"acme/{chr(97 + n)}:free",
                context=(20 - n) * 50_000,
                script=script,
                first_token=0.2,
                jitter=0.0,
            )
            for n, script in enumerate(case.scripts)
        ],
        [SimAccount("sk-world", per_minute=None)],
    )


@dataclass(frozen=True)
class Reply:
    text: str
    metadata: dict[str, Any]


Way = Callable[[Router], Reply]


def core_chat(router: Router) -> Reply:
    outcome = router.chat("Tell me")
    return Reply(outcome.text, outcome.metadata)


def core_stream(router: Router) -> Reply:
    stream = router.stream("Tell me")
    text = "".join(delta.text for delta in stream)
    return Reply(text, stream.outcome.metadata)


def lc_invoke(router: Router) -> Reply:
    message = ChatFreeRouter(router=router).invoke("Tell me")
    return Reply(message.text, message.response_metadata)


def lc_ainvoke(router: Router) -> Reply:
    message = asyncio.run(ChatFreeRouter(router=router).ainvoke("Tell me"))
    return Reply(message.text, message.response_metadata)


def lc_batch(router: Router) -> Reply:
    (message,) = ChatFreeRouter(router=router).batch(["Tell me"])
    return Reply(message.text, message.response_metadata)


def lc_stream(router: Router) -> Reply:
    message = merged(ChatFreeRouter(router=router).stream("Tell me"))
    return Reply(message.text, message.response_metadata)


def lc_astream(router: Router) -> Reply:
    message = merged(asyncio.run(collect(ChatFreeRouter(router=router).astream("Tell me"))))
    return Reply(message.text, message.response_metadata)


def li_complete(router: Router) -> Reply:
    response = FreeRouter(router=router).complete("Tell me")
    return Reply(response.text, raw_of(response)["freerouter"])


def li_acomplete(router: Router) -> Reply:
    response = asyncio.run(FreeRouter(router=router).acomplete("Tell me"))
    return Reply(response.text, raw_of(response)["freerouter"])


def li_stream(router: Router) -> Reply:
    return streamed(list(FreeRouter(router=router).stream_complete("Tell me")))


def li_astream(router: Router) -> Reply:
    async def run() -> list[CompletionResponse]:
        return await collect(await FreeRouter(router=router).astream_complete("Tell me"))

    return streamed(asyncio.run(run()))


def streamed(responses: list[CompletionResponse]) -> Reply:
    """Each of LlamaIndex's responses holds the text so far."""
    text = ""
    for response in responses:
        text += response.delta or ""
        assert response.text == text
    return Reply(text, raw_of(responses[-1])["freerouter"])


WHOLE = [core_chat, lc_invoke, lc_ainvoke, lc_batch, li_complete, li_acomplete]
STREAMED = [core_stream, lc_stream, lc_astream, li_stream, li_astream]


@pytest.mark.parametrize("way", WHOLE + STREAMED, ids=lambda way: way.__name__)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_way_of_asking_meets_the_expected_attempts(case: Case, way: Way) -> None:
    streamed = way in STREAMED
    expected = case.streamed if streamed and case.streamed is not None else case.attempts
    error = (case.stream_error or case.error) if streamed else case.error
    with world_of(case) as world:
        router = world.router(**{"strategy": "context", **case.policy})
        if error is None:
            reply = way(router)
            attempts = reply.metadata["attempts"]

            assert reply.text.endswith("You said: Tell me")
            assert reply.metadata["model_name"] == attempts[-1]["model"]
            assert reply.metadata["cost"] == 0
        else:
            with pytest.raises(error) as caught:
                way(router)
            attempts = caught.value.attempts
            if isinstance(caught.value, errors.StreamBroken):
                assert caught.value.partial == case.partial
            assert caught.value.hint

        assert [(a["model"][5:-5], a["fault"]) for a in attempts] == expected
        assert not any(seen.problem for seen in world.requests)


@pytest.mark.parametrize("case", [c for c in CASES if c.error is None], ids=lambda case: case.name)
def test_structured_answers_meet_the_same_attempts(case: Case) -> None:
    """In both frameworks, and then the object."""

    def langchain(router: Router) -> Any:
        return (
            ChatFreeRouter(router=router).with_structured_output(Person).invoke("Tell of Anna, 33")
        )

    def llamaindex(router: Router) -> Any:
        prompt = PromptTemplate("Tell of Anna, 33")
        return FreeRouter(router=router).structured_predict(Person, prompt)

    for ask in (langchain, llamaindex):
        with world_of(case) as world:
            assert ask(world.router(**{"strategy": "context", **case.policy})) == Person(
                name="Anna", age=33
            )
            assert [seen.model[5:-5] for seen in world.requests] == [
                model for model, _ in case.attempts
            ]


def test_every_fault_of_the_simulator_is_in_the_table() -> None:
    used = {fault for case in CASES for script in case.scripts for fault in script if fault}

    of_vectors = {fault for fault in FAULTS if fault.startswith("vectors-")}
    elsewhere = {"400-context"} | of_vectors  # see test_discovery, test_embedding
    assert set(FAULTS) - used == elsewhere


def test_a_stated_wait_is_kept_to_the_second() -> None:
    with World(
        [SimModel("acme/a:free", script=["429-minute"], jitter=0.0)], [SimAccount("k", None)]
    ) as world:
        world.router().chat("x")
        first, second = (seen.at for seen in world.requests)

    # 30 s after the first was answered; the refusal itself took 0.2 s
    assert 30.0 <= second - first < 30.3


def test_a_call_ends_at_its_timeout() -> None:
    with World([SimModel("acme/a:free", script=["hang"] * 9)]) as world:
        with pytest.raises(errors.DeadlineExceeded) as caught:
            world.router(timeout=12.0).chat("x")

        assert world.elapsed == pytest.approx(12.0, abs=0.01)
        assert caught.value.attempts[-1]["fault"] == "slow"


def test_keep_alive_comments_are_not_tokens() -> None:
    """A stream of comments alone is left for another model, though bytes come every second."""
    with World(
        [SimModel("acme/a:free", context=900_000, script=["hang"]), SimModel("acme/b:free")]
    ) as world:
        stream = world.router(strategy="context").stream("x")
        text = "".join(delta.text for delta in stream)

        assert text.startswith("This is acme/b:free")
        assert world.elapsed < 10


def test_an_overdue_attempt_may_still_answer_first() -> None:
    """An overdue attempt goes on beside the next one. The first answer counts."""
    models = [
        SimModel("acme/a:free", context=900_000, first_token=22.0, speed=1e6, jitter=0.0),
        SimModel("acme/b:free", first_token=20.0, speed=1e6, jitter=0.0),
    ]
    with World(models) as world:
        outcome = world.router(strategy="context").chat("x")

        assert outcome.answer.model == "acme/a:free"
        assert world.asked == ["acme/a:free", "acme/b:free"]
        assert world.elapsed == pytest.approx(22.0, abs=0.1)


def test_no_request_is_sent_that_a_known_limit_would_refuse() -> None:
    """Sixty calls at once, twenty a minute: three windows answer them, in order, none refused."""

    async def concurrent_calls(router: Router) -> list[str]:
        return [o.text for o in await asyncio.gather(*(router.achat(f"n{n}") for n in range(60)))]

    with World(
        [SimModel(f"acme/{x}:free") for x in "abc"], [SimAccount("k", per_minute=20)]
    ) as world:
        router = world.router(timeout=300.0, hedge="off")  # a hedge would be one more
        router.refresh()  # at a cold start, whoever comes with the first list may go first
        texts = asyncio.run(concurrent_calls(router))

        assert [t.rpartition(" ")[2] for t in texts] == [f"n{n}" for n in range(60)]
        assert [seen.fate for seen in world.requests] == ["answer"] * 60
        assert 120 < world.elapsed < 125
        order = [seen.body["messages"][0]["content"] for seen in world.requests]
        assert order == [f"n{n}" for n in range(60)]  # first come, first served
