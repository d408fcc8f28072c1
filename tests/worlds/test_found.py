"""What once broke, each as the smallest world that shows it."""

from __future__ import annotations

import asyncio
import gc
import json
import pickle
import weakref
from typing import Any

import httpx
import pytest

from freerouter_core import ChatRequest, Limit, Provider, Router, Structured, errors
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.runtime.runtime import Runtime
from freerouter_core.simulator import Phase, SimAccount, SimModel, World
from freerouter_core.wire.json_values import Json

GOOD = {"choices": [{"message": {"content": "hi"}, "finish_reason": "stop"}]}


class Scripted(Router):
    """A router over scripted replies. It keeps the bodies of its chat requests."""

    bodies: list[Json]


def answering(
    *replies: httpx.Response, models: int = 1, limits: list[Limit] | None = None, **policy: Any
) -> Scripted:
    """A router whose provider gives these responses in turn, the last one for ever; models m0, m1, … are listed."""
    rows = [
        {
            "id": f"acme/m{n}:free",
            "context_length": (99 - n) * 1000,
            "pricing": {"prompt": "0", "completion": "0"},
        }
        for n in range(models)
    ]
    left = list(replies)

    def reply(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"data": rows})
        bodies.append(json.loads(request.content))
        return left.pop(0) if len(left) > 1 else left[0]

    bodies: list[Json] = []
    world = World([])
    runtime = Runtime(clock=world.clock, client=httpx.MockTransport(reply), cache=None)
    provider = Provider("openrouter", "https://x.test/v1", "key-abcdefgh", limits=limits or [])
    router = Scripted(providers=(provider,), strategy="context", runtime=runtime, **policy)
    router.__dict__["bodies"] = bodies
    return router


def error(
    status: int, message: str, headers: dict[str, str] | None = None, **metadata: Any
) -> httpx.Response:
    body = {"error": {"message": message, "code": status, "metadata": metadata}}
    return httpx.Response(status, json=body, headers=headers)


def ok(**changes: Any) -> httpx.Response:
    return httpx.Response(200, json=GOOD | changes)


def test_three_hanging_models_do_not_keep_the_fourth_from_answering() -> None:
    hanging = [SimModel(f"a/m{n}:free", context=900_000 - n, script=["hang"] * 9) for n in range(3)]
    with World([*hanging, SimModel("a/good:free")]) as world:
        stream = world.router(strategy="context").stream("x")

        assert "".join(d.text for d in stream).startswith("This is a/good:free")
        assert [a["fault"] for a in stream.outcome.attempts] == ["slow", "slow", "slow", None]


def test_a_reset_in_the_past_makes_no_storm() -> None:
    past = error(
        429, "Rate limit exceeded: free-models-per-min.", {"X-RateLimit-Reset": "1700000000000"}
    )
    router = answering(past, timeout=20.0)
    with pytest.raises(errors.Exhausted):
        router.chat("x")

    assert len(router.bodies) <= 5


@pytest.mark.parametrize(
    "refusal", [error(402, "Insufficient credits."), httpx.Response(307, headers={"location": "/"})]
)
def test_an_accounts_trouble_is_proved_twice_not_once_for_every_model(
    refusal: httpx.Response,
) -> None:
    router = answering(refusal, models=15)
    with pytest.raises(errors.Exhausted) as caught:
        router.chat("x")

    assert len(router.bodies) == 2
    assert not caught.value.should_retry


def test_a_routine_reset_header_on_a_503_is_no_stated_wait() -> None:
    busy = error(
        503, "overloaded", {"X-RateLimit-Reset": "1800086400000", "X-RateLimit-Remaining": "900"}
    )
    router = answering(busy, ok())

    assert router.chat("x").text == "hi"


def test_a_guard_that_does_its_work_is_kept() -> None:
    """The server says that only the price limit excludes the model: it is gone, and nothing is sent without the limit."""
    availability = {"code": "constraint_filtered", "excluded_by": ["max_price"]}
    excluded = httpx.Response(
        404, json={"error": {"message": "No endpoints", "code": 404, "availability": availability}}
    )
    router = answering(excluded, ok(), models=2)
    router.chat("x")

    assert all("max_price" in body["provider"] for body in router.bodies)


def test_a_model_that_charges_is_not_asked_again() -> None:
    router = answering(ok(usage={"cost": 0.01}), models=2)
    asked = [router.chat("x").attempt.model.id for _ in range(2)]

    assert asked == ["acme/m0:free", "acme/m1:free"]


@pytest.mark.parametrize(
    "further",
    [
        {"plugins": [{"id": "web"}]},
        {"models": ["a/paid"]},
        {"model": "a/paid"},
        {"allow_paid": True},
        {"route": "fallback"},
    ],
)
def test_no_parameter_can_cost(further: dict[str, Any]) -> None:
    router = answering(ok())
    with pytest.raises(errors.BadRequest):
        router.chat(ChatRequest.of("x").but(parameters=further))

    assert router.bodies == []


@pytest.mark.parametrize("raised", [StopIteration, SystemExit, KeyboardInterrupt, ValueError])
def test_a_callable_may_raise_anything(raised: type[BaseException]) -> None:
    def validate(answer: object) -> None:
        raise raised("no")

    with pytest.raises(errors.Exhausted, match=raised.__name__):
        answering(ok(), max_retries=0).chat(ChatRequest.of("x").but(validate=validate))

    def strategy(need: object, models: object) -> list[Any]:
        raise raised("no")

    with pytest.raises(errors.BadSetting, match=raised.__name__):
        answering(ok()).__class__(
            strategy=strategy, api_key="k", runtime=answering(ok()).runtime
        ).chat("x")


def test_a_refused_hedge_leaves_the_scope_to_others() -> None:
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


def test_an_overdue_attempt_and_a_full_window_still_come_to_the_other_model() -> None:
    with World(
        [SimModel("a/m:free", context=900_000, script=["hang"]), SimModel("b/m:free")]
    ) as world:
        provider = Provider(
            "openrouter", "https://x.test/v1", "k", limits=[Limit(requests=1, per=25.0)]
        )
        outcome = Router(providers=(provider,), strategy="context", runtime=world.runtime).chat("x")

        assert outcome.answer.model == "b/m:free"
        assert 25 < world.elapsed < 27


def test_concurrency_queues() -> None:
    with World([SimModel("a/m:free", first_token=1.0, jitter=0.0)]) as world:
        provider = Provider("openrouter", "https://x.test/v1", "k", limits=[Limit(concurrent=1)])
        router = Router(providers=(provider,), runtime=world.runtime)

        async def crowd() -> list[str]:
            return [
                o.text for o in await asyncio.gather(*(router.achat(f"n{n}") for n in range(4)))
            ]

        assert len(asyncio.run(crowd())) == 4
        assert world.elapsed < 12


def test_a_stated_wait_is_not_undone_by_an_answer_already_under_way() -> None:
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


def test_an_upstreams_refused_key_is_not_ours() -> None:
    upstream = error(401, "Provider returned error", raw="invalid api key", provider_name="Foo")

    assert answering(upstream, ok(), models=2).chat("x").text == "hi"


@pytest.mark.parametrize("kind", ["text/event-stream", "text/plain", "application/json", ""])
def test_a_stream_request_answered_whole(kind: str) -> None:
    reply = httpx.Response(
        200, content=json.dumps(GOOD).encode(), headers={"content-type": kind} if kind else {}
    )
    stream = answering(reply).stream("x")

    assert "".join(d.text for d in stream) == "hi"


def test_a_stream_cut_after_its_end_was_said_is_whole() -> None:
    async def body() -> Any:
        yield b'data: {"choices": [{"delta": {"content": "hi"}}]}\n\n'
        yield b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
        raise httpx.RemoteProtocolError("peer closed")

    reply = httpx.Response(200, content=body(), headers={"content-type": "text/event-stream"})

    assert "".join(d.text for d in answering(reply).stream("x")) == "hi"


KEY = "key-abcdefgh"


@pytest.mark.parametrize(
    "message",
    [
        {"content": None, "refusal": f"I refuse {KEY}"},
        {"tool_calls": [{"id": "1", "function": {"name": KEY, "arguments": "{}"}}]},
        {"content": "x" * 270 + f" {KEY}"},
    ],
)
def test_keys_in_answers_do_not_reach_errors(message: dict[str, Any]) -> None:
    reply = httpx.Response(200, json={"choices": [{"message": message, "finish_reason": "stop"}]})
    with pytest.raises(errors.FreeRouterError) as caught:
        answering(reply, max_retries=0).chat(
            ChatRequest.of("x").but(structured=Structured({"type": "object"}))
        )

    assert KEY not in str(caught.value) + repr(pickle.dumps(caught.value))


def test_keys_are_out_before_words_are_cut_and_out_of_journals() -> None:
    with pytest.raises(errors.FreeRouterError) as caught:
        answering(error(500, "x" * 294 + f" {KEY}"), max_retries=0).chat("x")
    outcome = answering(ok(model=f"a/{KEY}")).chat("x")

    assert "key-" not in str(caught.value)
    assert KEY not in repr(pickle.dumps(outcome.journal)) + str(outcome.metadata)


def test_an_empty_argument_cut_by_length_is_no_empty_call() -> None:
    call = {"id": "1", "function": {"name": "delete_all", "arguments": ""}}
    reply = httpx.Response(
        200, json={"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "length"}]}
    )
    tool = {
        "type": "function",
        "function": {"name": "delete_all", "parameters": {"type": "object"}},
    }
    with pytest.raises(errors.Exhausted, match="truncated"):
        answering(reply, max_retries=0).chat(ChatRequest.of("x").but(tools=[tool]))


def test_one_model_does_not_agree_with_itself() -> None:
    """After a tool's result an empty answer counts when a second model gives it, not when the first repeats itself."""
    history: list[Json] = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]  # fmt: skip
    empty = [Phase(0, 1e9, "empty")]
    with World([SimModel("a/m:free", phases=empty)]) as world, pytest.raises(errors.Exhausted):
        world.router().chat(ChatRequest(history))
    with World([SimModel("a/m:free", phases=empty), SimModel("b/m:free", phases=empty)]) as world:
        assert world.router().chat(ChatRequest(history)).text == ""


def test_a_call_written_as_text_moves_on() -> None:
    says = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    tool = {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
    }
    reply = httpx.Response(
        200, json={"choices": [{"message": {"content": says}, "finish_reason": "stop"}]}
    )

    assert answering(reply, ok(), models=2).chat(ChatRequest.of("x").but(tools=[tool])).text == "hi"


@pytest.mark.parametrize("says", ['Sure: {"n": 1} ok?', '```json\n{"n": 1}\n```', '{"n": 1}'])
@pytest.mark.parametrize("flags", [{"structured": False, "tools": False, "json_object": False}, {}])
def test_a_structured_stream_is_the_object_whatever_surrounds_it(
    says: str, flags: dict[str, Any]
) -> None:
    wish = Structured(
        {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    )
    with World([SimModel("a/m:free", says=lambda body: says, **flags)]) as world:
        text = "".join(
            d.text for d in world.router().stream(ChatRequest.of("x").but(structured=wish))
        )

    assert json.loads(text) == {"n": 1}


def test_prose_before_the_object_keeps_failover_alive() -> None:
    wish = Structured(
        {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    )
    talker = SimModel(
        "a/m:free", context=900_000, says=lambda body: "I would rather talk about something else."
    )
    with World([talker, SimModel("b/m:free", says=lambda body: '{"n": 1}')]) as world:
        stream = world.router(strategy="context").stream(ChatRequest.of("x").but(structured=wish))

        assert "".join(d.text for d in stream) == '{"n": 1}'


def test_event_loops_are_not_kept() -> None:
    with World([SimModel("a/m:free")]) as world:
        router = world.router()
        loop = asyncio.new_event_loop()
        loop.run_until_complete(router.achat("x"))
        loop.close()
        gone = weakref.ref(loop)
        del loop
        gc.collect()

        assert gone() is None


def test_a_long_line_in_small_pieces_is_read_in_linear_time() -> None:
    from freerouter_core.wire.sse import MAX_LINE_BYTES, SSEDecoder

    decoder = SSEDecoder()
    with pytest.raises(ValueError, match="longer"):
        for _ in range(MAX_LINE_BYTES // 1000 + 2):
            decoder.feed(b"x" * 1000)


@pytest.mark.parametrize(
    "request_",
    [
        ChatRequest([{"role": "user", "content": [{"type": []}]}]),
        ChatRequest([{"role": "user", "content": "x"}], tools=[None]),  # type: ignore[list-item]  # refused, whatever its type
        ChatRequest([]),
        ChatRequest.of("x").but(timeout=-3),
    ],
)
def test_malformed_requests_are_bad_requests(request_: ChatRequest) -> None:
    with pytest.raises(errors.BadRequest) as caught:
        answering(ok()).chat(request_)

    assert caught.value.hint


def test_a_slow_catalogue_of_one_provider_does_not_hold_up_the_other() -> None:
    async def reply(request: httpx.Request) -> httpx.Response:
        if request.url.host == "slow.test":
            await asyncio.sleep(1e6)
        if request.method == "GET":
            return httpx.Response(
                200,
                json={"data": [{"id": "a/m:free", "pricing": {"prompt": "0", "completion": "0"}}]},
            )
        return ok()

    world = World([])
    runtime = Runtime(clock=world.clock, client=httpx.MockTransport(reply), cache=None)
    slow = Provider("slow", "https://slow.test/v1", "k", free="all")
    router = Router(
        providers=(Provider("openrouter", "https://x.test/v1", "k"), slow), runtime=runtime
    )
    router.chat("x")
    assert world.elapsed < 2
    before = world.elapsed
    router.chat("x")

    assert world.elapsed - before < 2


def test_a_timeout_bounds_the_first_catalogue_too() -> None:
    async def reply(request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(1e6)
        return ok()

    world = World([])
    runtime = Runtime(clock=world.clock, client=httpx.MockTransport(reply), cache=None)
    with pytest.raises(errors.FreeRouterError):
        Router(
            providers=(Provider("openrouter", "https://x.test/v1", "k"),),
            runtime=runtime,
            timeout=2.0,
        ).chat("x")

    assert world.elapsed == pytest.approx(2.0, abs=0.01)


def test_only_a_bare_gone_suspects_the_guard() -> None:
    """Six models excluded by the price limit, or gated: nothing is ever sent without the limit."""
    availability = {"code": "constraint_filtered", "excluded_by": ["max_price"]}
    for refusal in (
        httpx.Response(
            404,
            json={"error": {"message": "No endpoints", "code": 404, "availability": availability}},
        ),
        error(403, "a/m:free is only available on agentic harnesses."),
        error(404, "No endpoints found matching your data policy (Free model publication)."),
    ):
        router = answering(refusal, models=6)
        with pytest.raises(errors.Exhausted):
            router.chat("x")
        assert len(router.bodies) == 6
        assert all("max_price" in body["provider"] for body in router.bodies)


def test_not_paying_wins() -> None:
    from langchain_freerouter import ChatFreeRouter

    paid = SimModel("a/paid", prompt_price="0.000001", completion_price="0.000001")
    with World([paid]) as world:
        with pytest.raises(errors.NoCandidates):
            ChatFreeRouter(router=world.router(allow_paid=True), allow_paid=False).invoke("x")
        assert world.requests == []
        assert ChatFreeRouter(router=world.router(allow_paid=True)).invoke("x").content


@pytest.mark.parametrize("end", [b"data: [DONE]\n\n", b""])
def test_comments_after_the_end_do_not_put_it_off(end: bytes) -> None:
    async def body() -> Any:
        yield b'data: {"choices": [{"delta": {"content": "hi"}}]}\n\n'
        yield b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n' + end
        for _ in range(600):
            await asyncio.sleep(0.5)
            yield b": OPENROUTER PROCESSING\n\n"

    router = answering(
        httpx.Response(200, content=body(), headers={"content-type": "text/event-stream"})
    )
    started = router.runtime.clock.now()  # type: ignore[union-attr]

    assert "".join(d.text for d in router.stream("x")) == "hi"
    assert router.runtime.clock.now() - started < 5  # type: ignore[union-attr]


@pytest.mark.parametrize("headers", [{"Retry-After": "0"}, {"X-RateLimit-Reset": "1700000000000"}])
def test_a_wait_that_is_over_states_nothing(headers: dict[str, str]) -> None:
    busy = error(429, "Provider returned error", headers, provider_name="X")
    router = answering(busy, ok(), models=2)
    for _ in range(4):
        router.chat("x")

    assert [body["model"] for body in router.bodies].count("acme/m0:free") == 1


def test_a_named_model_does_not_wait_for_a_catalogue_that_hangs() -> None:
    async def reply(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            await asyncio.sleep(1e6)
        return ok()

    world = World([])
    runtime = Runtime(clock=world.clock, client=httpx.MockTransport(reply), cache=None)
    router = Router(
        model="a/m:free",
        providers=(Provider("openrouter", "https://x.test/v1", "k"),),
        runtime=runtime,
    )
    router.chat("x")
    assert world.elapsed <= 2.1
    world.clock.advance(20.0)
    before = world.elapsed
    router.chat("x")
    router.chat("x")

    assert world.elapsed - before < 0.1


def test_a_validator_that_breaks_benches_nobody() -> None:
    def validate(answer: object) -> None:
        raise NameError("typo")

    router = answering(ok(), models=2)
    with pytest.raises(errors.Exhausted, match="typo"):
        router.chat(ChatRequest.of("x").but(validate=validate))

    assert router.health().usable == router.free_models()


def test_keys_quoted_by_a_model_are_out_of_the_journal() -> None:
    said = {"choices": [{"message": {"content": f"your key is {KEY}"}, "finish_reason": "stop"}]}
    outcome = answering(httpx.Response(200, json=said)).chat("x")

    assert KEY in outcome.text  # the model's own words are the caller's
    assert KEY not in repr(outcome.journal.entries) + repr(pickle.dumps(outcome.journal))


@pytest.mark.parametrize("tools", ["whole", "fragments"])
def test_text_before_a_call_is_not_lost_where_json_was_wished_for(tools: str) -> None:
    chunks = [
        {"delta": {"reasoning": "hm"}},
        {"delta": {"content": "Let me look. "}},
        {
            "delta": {
                "tool_calls": [
                    {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
                ]
            }
        },
        {"delta": {}, "finish_reason": "tool_calls"},
    ]
    body = (
        b"".join(b"data: " + json.dumps({"choices": [c]}).encode() + b"\n\n" for c in chunks)
        + b"data: [DONE]\n\n"
    )
    reply = httpx.Response(200, content=body, headers={"content-type": "text/event-stream"})
    tool = {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
    }
    request = ChatRequest.of("x").but(tools=[tool], structured=Structured({"type": "object"}))
    deltas = list(answering(reply, tool_streaming=tools).stream(request))

    assert "".join(d.text for d in deltas) == "Let me look. "
    assert "".join(d.reasoning for d in deltas) == "hm"
    assert any(d.tool_calls or d.fragments for d in deltas)


def test_an_errors_body_that_hangs_is_not_waited_for() -> None:
    async def body() -> Any:
        yield b'{"error": '
        await asyncio.sleep(1e6)

    router = answering(
        httpx.Response(429, content=body(), headers={"retry-after": "9"}), ok(), models=2
    )
    started = router.runtime.clock.now()  # type: ignore[union-attr]

    assert router.chat("x").text == "hi"
    assert router.runtime.clock.now() - started < 3  # type: ignore[union-attr]


def test_an_answer_that_says_the_limit_is_spent_is_believed() -> None:
    """Groq's and Cerebras' answers tell what is left: nobody need be refused to learn it."""
    headers = {
        "x-ratelimit-remaining-requests": "0",
        "x-ratelimit-reset-requests": "40s",
        "x-ratelimit-remaining-tokens": "9",
        "x-ratelimit-reset-tokens": "90s",
    }
    asked: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.method == "GET":
            return httpx.Response(200, json={"data": [{"id": "a"}, {"id": "b"}]})
        name = json.loads(request.content)["model"]
        asked.append(name)
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

    assert asked == ["a", "b", "b", "a"]
