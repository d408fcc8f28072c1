"""Equal requests cost nothing: kept answers, and requests under way that several wait for."""

from __future__ import annotations

import asyncio
import gc
import itertools
import json
import threading
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from freerouter_core import (
    AnswerCache,
    ChatRequest,
    Guard,
    Provider,
    Router,
    Stream,
    Verdict,
    events,
)
from freerouter_core.client.answer_cache.lookup import Lookup
from freerouter_core.client.config import ToolStreaming
from freerouter_core.errors import (
    BadRequest,
    BadSetting,
    DeadlineExceeded,
    Exhausted,
    FreeRouterError,
    StreamBroken,
)
from freerouter_core.routing.plan import Outcome
from freerouter_core.runtime.cache.cache import LEASE, Cache
from freerouter_core.runtime.cache.sqlite import SqliteBytes
from freerouter_core.runtime.loop.clock import VirtualClock
from freerouter_core.simulator import SimAccount, SimModel, World
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.request import Lane

from ..inspection import comes_to_rest

TOOL = {
    "type": "function",
    "function": {
        "name": "look",
        "parameters": {"type": "object", "properties": {"at": {"type": "string"}}},
    },
}
PLACES = ["memory", "sqlite"]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "memory" if request.param == "memory" else f"sqlite:///{tmp_path}/x.db"


def counting() -> Callable[[Any], str]:
    """A model that never says the same."""
    numbers = itertools.count(1)
    return lambda body: f"answer {next(numbers)}"


def a_world(*models: SimModel) -> World[Any]:
    return World(models or [SimModel("acme/a:free", says=counting())])


def read(stream: Stream) -> list[Delta]:
    with stream:
        return list(stream)


# -- kept answers ----------------------------------------------------------------------------------


def test_an_equal_request_costs_nothing(place: str) -> None:
    world = a_world()
    router = world.router(answer_cache=place)
    first = router.chat("hi")
    world.clock.advance(60)
    again = router.chat([{"role": "user", "content": [{"type": "text", "text": "hi"}]}])

    assert len(world.asked) == 1
    assert first.cached is None
    assert "cached" not in first.metadata
    assert again.answer == first.answer
    assert again.metadata["cached"]["age"] == pytest.approx(60, abs=2)
    assert again.metadata["cached"]["model"] == "acme/a:free"
    assert again.metadata | {"cached": 0} == first.metadata | {"attempts": [], "cached": 0}
    assert (again.metadata["cost"], again.attempts, again.journal.entries) == (0.0, [], [])


def test_without_the_option_each_request_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_world()
    for _ in range(2):
        world.router().chat("hi")
    monkeypatch.setenv("FREEROUTER_ANSWER_CACHE", "true")
    for _ in range(2):
        world.router(answer_cache="off").chat("hi")
    assert len(world.asked) == 4
    for _ in range(2):
        world.router().chat("hi")
    assert len(world.asked) == 5


def test_streams_and_whole_answers_serve_each_other(place: str) -> None:
    world = a_world(SimModel("acme/a:free", says=lambda body: "x" * 450, reasoning=True))
    router = world.router(answer_cache=place)
    deltas = read(router.stream("hi"))
    whole = router.chat("hi")
    stream = router.stream("hi")
    replayed = read(stream)

    assert len(world.asked) == 1
    for each in (deltas, replayed):
        assert "".join(delta.text for delta in each) == whole.text == "x" * 450
        assert "".join(delta.reasoning for delta in each) == whole.answer.reasoning
        assert [delta.model for delta in each if delta.model] == ["acme/a:free"]
    assert stream.outcome.answer == whole.answer
    assert stream.outcome.cached is not None


@pytest.mark.parametrize("pieces", ["whole", "fragments"])
def test_tool_calls_come_as_they_are_asked_for(pieces: ToolStreaming) -> None:
    world = a_world()
    router = world.router(answer_cache="memory", tool_streaming=pieces)
    request = ChatRequest.of("look").but(tools=[TOOL], tool_choice="required")
    first, again = read(router.stream(request)), read(router.stream(request))

    def calls(deltas: list[Delta]) -> list[str]:
        told = [call.arguments for delta in deltas for call in delta.tool_calls]
        return told or ["".join(piece.arguments for d in deltas for piece in d.fragments)]

    assert len(world.asked) == 1
    assert calls(first) == calls(again)
    assert any(delta.fragments for delta in again) == (pieces == "fragments")
    assert any(delta.tool_calls for delta in again) == (pieces == "whole")


def test_fresh_asks_anew_and_replaces(place: str) -> None:
    router = a_world().router(answer_cache=place)
    hi = ChatRequest.of("hi")
    texts = [router.chat(each).text for each in (hi, hi.but(fresh=True), hi)]
    assert texts == ["answer 1", "answer 2", "answer 2"]


def test_an_answer_is_too_old_after_its_time(place: str) -> None:
    world = a_world()
    router = world.router(answer_cache=AnswerCache(ttl=100, store=place))
    router.chat("hi")
    assert router.cache_stats()["entries"] == 1  # it is written
    world.clock.advance(90)
    assert router.chat("hi").text == "answer 1"
    impatient = world.router(answer_cache=AnswerCache(ttl=50, store=place))
    assert impatient.chat("hi").text == "answer 2"
    assert router.cache_stats()["stored"] == 2
    world.clock.advance(45)
    assert router.chat("hi").text == "answer 2"
    world.clock.advance(5)
    assert router.chat("hi").text == "answer 3"


def test_two_namespaces_never_meet(place: str) -> None:
    world = a_world()
    names = ["", "ada", "bob"]
    routers = [world.router(answer_cache=AnswerCache(namespace=n, store=place)) for n in names]
    texts = [router.chat("hi").text for router in (*routers, *routers)]
    assert texts == ["answer 1", "answer 2", "answer 3"] * 2


def test_two_formats_live_side_by_side(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    world = a_world()

    def ask() -> str:
        return world.router(answer_cache=place).chat("hi").text

    assert ask() == "answer 1"
    with monkeypatch.context() as newer:
        newer.setattr("freerouter_core.routing.answer_key.FORMAT", 2)
        assert [ask(), ask()] == ["answer 2", "answer 2"]
    assert ask() == "answer 1"


def test_variants_are_handed_out_in_turn(place: str) -> None:
    world = a_world()
    router = world.router(answer_cache=AnswerCache(variants=3, store=place))
    warm = ChatRequest.of("hi").but(parameters={"temperature": 0.9})
    cold = warm.but(parameters={"temperature": 0})

    assert [router.chat(warm).text for _ in range(3)] == ["answer 1", "answer 2", "answer 3"]
    later = [router.chat(warm).text for _ in range(6)]
    assert sorted(later) == sorted(["answer 1", "answer 2", "answer 3"] * 2)
    assert later[:3] == later[3:]
    assert [router.chat(cold).text for _ in range(2)] == ["answer 4"] * 2


def test_each_of_several_samples_is_an_answer_of_its_own() -> None:
    router = a_world().router(answer_cache="memory")
    hi = ChatRequest.of("hi")
    asked = [router.chat(hi.but(sample=n)).text for n in (0, 1, 0, 1)]
    assert asked == ["answer 1", "answer 2"] * 2


def test_what_was_cut_is_not_kept() -> None:
    world = a_world(SimModel("acme/a:free", says=lambda _: "word " * 200))
    request = ChatRequest.of("hi").but(parameters={"max_tokens": 3})
    router = world.router(answer_cache="memory")
    outcome = router.chat(request)
    assert outcome.answer.finish_reason == "length"
    router.chat(request)
    assert len(world.asked) == 2


def test_what_looks_like_a_key_is_not_kept(place: str) -> None:
    world = a_world(SimModel("acme/a:free", says=lambda _: "use sk-or-v1-0123456789abcdef"))
    router = world.router(answer_cache=place)
    for _ in range(2):
        assert "0123456789" in router.chat("hi").text
    assert (len(world.asked), router.cache_stats()["stored"]) == (2, 0)


def test_what_was_continued_or_flagged_is_not_kept() -> None:
    half = SimModel(
        "acme/half:free", script=["mid-stream-cut"] * 9, says=lambda _: "Once upon a time"
    )
    whole = SimModel("acme/whole:free", says=lambda _: "Once upon a time there was a ship.")
    world = a_world(half, whole)
    router = world.router(model="acme/half:free", on_stream_break="continue", answer_cache="memory")
    stream = router.stream("Tell me a story")
    read(stream)
    assert stream.outcome.seams
    assert router.cache_stats()["stored"] == 0

    class Flags(Guard):
        def judge(self, exchange: Any) -> Verdict:
            return Verdict("flag", "hm")

    flagged = world.router(guards=[Flags()], answer_cache="memory")
    assert flagged.chat("hi").flags
    assert flagged.cache_stats()["stored"] == 0


def test_what_was_charged_is_not_kept() -> None:
    paid = SimModel("acme/pro", prompt_price="0.000001", completion_price="0.000002")
    world = a_world(paid)
    router = world.router(model="acme/pro", allow_paid=True, answer_cache="memory")
    for _ in range(2):
        router.chat("hi")
    assert len(world.asked) == 2


def test_an_answer_of_a_provider_that_may_not_be_asked_will_not_do() -> None:
    world = a_world()

    def ask(address: str, key: str) -> str:
        provider = Provider("openrouter", f"https://{address}.invalid/api/v1", key, limits=[])
        return world.router(answer_cache="memory", providers=[provider]).chat("hi").text

    assert ask("simulated", "sk-one") == ask("simulated", "sk-other") == "answer 1"
    assert ask("elsewhere", "sk-one") == "answer 2"
    assert ask("simulated", "sk-one") == "answer 3"  # the other's is kept in place of the first


def test_a_kept_answer_is_validated_by_who_reads_it(place: str) -> None:
    router = a_world().router(answer_cache=place)

    def not_the_first(answer: Answer) -> None:
        if answer.text == "answer 1":
            raise ValueError("not this one")

    assert router.chat("hi").text == "answer 1"
    strict = ChatRequest.of("hi").but(validate=not_the_first)
    assert router.chat(strict).text == "answer 2"
    assert router.chat(strict).text == "answer 2"
    assert router.chat("hi").text == "answer 2"
    assert router.cache_stats()["dropped"] == 1


def test_what_a_validator_puts_into_an_answer_breaks_no_request(place: str) -> None:
    router = a_world().router(answer_cache=place)

    def spoil(answer: Answer) -> None:
        assert answer.usage is not None
        answer.usage["seen"] = object()

    assert router.chat(ChatRequest.of("hi").but(validate=spoil)).text == "answer 1"
    assert router.cache_stats()["stored"] == 0


def test_a_variant_that_will_not_do_is_the_one_to_be_replaced(place: str) -> None:
    world = a_world()

    def router(address: str) -> Router:
        provider = Provider("openrouter", f"https://{address}.invalid/api/v1", "k", limits=[])
        cache = AnswerCache(variants=3, store=place)
        return world.router(answer_cache=cache, providers=[provider])

    warm = ChatRequest.of("hi").but(parameters={"temperature": 1})
    here, elsewhere = router("simulated"), router("elsewhere")
    asked = (here, elsewhere, here)
    assert [each.chat(warm).text for each in asked] == ["answer 1", "answer 2", "answer 3"]
    assert here.chat(warm).text == "answer 4"  # in place of the other's
    texts = [here.chat(warm).text for _ in range(3)]
    assert sorted(texts) == ["answer 1", "answer 3", "answer 4"]


def test_a_variant_that_a_validator_rejects_is_the_one_to_be_replaced(place: str) -> None:
    world = a_world()
    router = world.router(answer_cache=AnswerCache(variants=2, store=place))
    warm = ChatRequest.of("hi").but(parameters={"temperature": 1})
    assert [router.chat(warm).text for _ in range(2)] == ["answer 1", "answer 2"]

    def not_the_first(answer: Answer) -> None:
        if answer.text == "answer 1":
            raise ValueError("not this one")

    texts = {router.chat(warm.but(validate=not_the_first)).text for _ in range(6)}
    assert texts == {"answer 2", "answer 3"}
    assert len(world.asked) == 3


def test_guards_decide_what_is_shared() -> None:
    world = a_world()

    class Long(Guard):
        def __init__(self, least: int) -> None:
            self.least = least

        def judge(self, exchange: Any) -> bool:
            return len(exchange.text) >= self.least

    def ask(*guards: Any) -> str:
        return world.router(guards=guards, answer_cache="memory").chat("hi").text

    assert ask() == "answer 1"
    assert ask(Long(3)) == ask(Long(3)) == "answer 2"
    assert ask(Long(4)) == "answer 3"
    assert ask(lambda exchange: True) == ask(lambda exchange: True) == "answer 4"
    assert ask(lambda exchange: None) == "answer 5"

    def chosen(*strategies: Any) -> list[str]:
        routers = [world.router(strategy=each, answer_cache="memory") for each in strategies]
        return [router.chat("hi").text for router in routers]

    assert chosen("random", lambda need, models: models) == ["answer 1", "answer 6"]
    assert chosen(lambda need, models: models, lambda need, models: models[:1]) == [
        "answer 6",
        "answer 7",
    ]


def test_no_answer_is_younger_than_it_is(tmp_path: Path) -> None:
    place, ages = f"sqlite:///{tmp_path}/x.db", []
    for start in (1_800_000_000.0, 1_800_000_000.0 - 100):  # the clocks of two machines
        world = World([SimModel("acme/a:free")], clock=VirtualClock(start))
        router = world.router(answer_cache=place)
        router.chat("hi")
        assert router.cache_stats()["entries"] == 1  # it is written
        ages.append(router.chat("hi").metadata["cached"]["age"])
    assert ages == [0.0, 0.0]


def test_what_is_malformed_fails_as_without_a_cache() -> None:
    router = a_world().router(answer_cache="memory")
    for request in (
        ChatRequest([]),
        ChatRequest([{"role": "wizard", "content": "hi"}]),
        ChatRequest.of("hi").but(extra_body={"x": object()}),
        ChatRequest.of("hi").but(timeout=-1),
    ):
        errors = []
        for each in (router, router.with_options(answer_cache=False)):
            with pytest.raises(BadRequest) as caught:
                each.chat(request)
            errors.append(str(caught.value))
        assert errors[0] == errors[1]


# -- under way -------------------------------------------------------------------------------------


async def at_once(of: Router, *works: Coroutine[Any, Any, Any]) -> list[Any]:
    """The results and errors of works that all begin before any time passes."""

    async def all_of_them() -> list[Any]:
        return await asyncio.gather(*works, return_exceptions=True)

    return await asyncio.to_thread(of._runtime.call, all_of_them)


async def after_streams(work: Coroutine[Any, Any, Any]) -> Any:
    """A work that begins when streams have begun, which takes them some steps of the loop."""
    for _ in range(10):
        await asyncio.sleep(0)
    return await work


async def test_equal_requests_under_way_are_sent_once(place: str) -> None:
    world = a_world()
    router = world.router(answer_cache=place)
    outcomes = await at_once(router, *(router.achat("hi") for _ in range(64)))
    assert len(world.asked) == 1
    assert {outcome.text for outcome in outcomes} == {"answer 1"}
    joined = [o for o in outcomes if o.cached is not None]
    assert len(joined) == 63
    assert all(o.metadata["attempts"] == [] and o.metadata["cost"] == 0 for o in joined)
    stats = router.cache_stats()
    assert (stats["misses"], stats["joined"], stats["requests_saved"]) == (1, 63, 63)


async def test_who_joins_a_stream_late_sees_it_from_its_beginning() -> None:
    world = World([SimModel("acme/a:free", says=lambda _: "abcdefgh" * 20, speed=40)])
    router = world.router(answer_cache="memory")
    first = router.astream("hi")
    shown = [(await anext(first)).text, (await anext(first)).text]
    late = router.astream("hi")
    begun = (await anext(late)).text
    whole = router.achat("hi")
    rest, others, outcome = await asyncio.gather(_rest(first), _rest(late), whole)
    assert len(world.asked) == 1
    assert "".join(shown) + rest == begun + others == outcome.text
    assert begun.startswith(shown[0])
    assert late.outcome.cached is not None


async def _rest(stream: Any) -> str:
    return "".join([delta.text async for delta in stream])


async def test_the_first_may_leave_while_others_listen() -> None:
    world = World([SimModel("acme/a:free", says=lambda _: "abcdefgh" * 20, speed=40)])
    router = world.router(answer_cache="memory")
    first, late = router.astream("hi"), router.astream("hi")
    await anext(first)
    await anext(late)
    await first.aclose()
    await _rest(late)
    assert late.outcome.text == "abcdefgh" * 20
    assert len(world.asked) == 1
    assert router.cache_stats()["stored"] == 1


async def test_the_last_who_leaves_ends_it() -> None:
    judging, go_on = threading.Event(), threading.Event()

    class Gate(Guard):
        on_prompt, on_answer = True, False

        def judge(self, exchange: Any) -> None:
            judging.set()
            go_on.wait(30)

    world = a_world()
    router = world.router(answer_cache="memory", guards=[Gate()])
    seen: list[events.Event] = []
    router.subscribe(seen.append)
    tasks = [asyncio.ensure_future(router.achat("hi")) for _ in range(2)]
    await asyncio.to_thread(judging.wait, 30)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    go_on.set()
    outcome = await router.achat("hi")
    await asyncio.to_thread(router.flush)
    assert outcome.cached is None
    assert len(world.asked) == 1
    assert sum(isinstance(event, events.CalledOff) for event in seen) == 1


async def test_an_error_of_the_request_is_shared_and_a_deadline_is_not() -> None:
    world = World([SimModel("acme/a:free", script=["hang"], first_token=1)])
    router = world.router(answer_cache="memory", fallback_models=(), model="acme/a:free")
    hasty, patient = ChatRequest.of("hi").but(timeout=5), ChatRequest.of("hi").but(timeout=90)
    results = await at_once(router, router.achat(hasty), router.achat(patient))
    assert isinstance(results[0], (DeadlineExceeded, Exhausted))
    assert not isinstance(results[1], BaseException)

    broken = World([SimModel("acme/b:free", script=["401"] * 9)])
    router = broken.router(answer_cache="memory", model="acme/b:free", fallback_models=())
    errors = await at_once(router, *(router.achat("hi") for _ in range(3)))
    assert len({type(error) for error in errors}) == 1
    assert len({id(error) for error in errors}) == 3
    assert len(broken.asked) == 1


@pytest.mark.parametrize(
    ("leader", "follower"),
    [
        ({"max_retries": 0}, {}),
        ({"max_wait": 0}, {"max_wait": 90}),
        ({"timeout": 6}, {"timeout": 300}),
    ],
)
async def test_an_error_of_the_firsts_options_is_not_shared(
    leader: dict[str, Any], follower: dict[str, Any]
) -> None:
    model = SimModel("acme/a:free", script=["503"], first_token=1)
    world = World([model], [SimAccount("sk-simulated", per_minute=1)])
    routers = [
        world.router(answer_cache="memory", model="acme/a:free", fallback_models=(), **options)
        for options in (leader, follower)
    ]
    results = await at_once(routers[0], *(router.achat("hi") for router in routers))
    assert [isinstance(result, Exhausted) for result in results] == [True, False]


async def test_who_may_not_ask_a_provider_joins_none_that_asks_it() -> None:
    world = a_world()
    providers = [
        Provider("openrouter", f"https://{name}.invalid/api/v1", "sk-x", limits=[])
        for name in ("one", "two")
    ]
    routers = [world.router(answer_cache="memory", providers=[each]) for each in providers]
    outcomes = await at_once(routers[0], *(router.achat("hi") for router in routers * 2))
    assert len(world.asked) == 2
    assert [outcome.cached is None for outcome in outcomes] == [True, True, False, False]
    assert [outcome.attempt.account.address for outcome in outcomes[2:]] == [
        outcome.attempt.account.address for outcome in outcomes[:2]
    ]


async def test_who_has_a_key_of_his_own_waits_for_no_other() -> None:
    world = a_world()
    providers = [
        Provider("openrouter", "https://simulated.invalid/api/v1", key, limits=[])
        for key in ("sk-one", "sk-two")
    ]
    routers = [world.router(answer_cache="memory", providers=[each]) for each in providers]
    outcomes = await at_once(routers[0], *(router.achat("hi") for router in routers))
    assert [outcome.cached for outcome in outcomes] == [None, None]
    later = [await router.achat("hi") for router in routers]
    assert all(outcome.cached is not None for outcome in later)
    assert len(world.asked) == 2


async def test_who_keeps_answers_elsewhere_joins_nobody(tmp_path: Path) -> None:
    world = a_world()
    places = ("memory", f"sqlite:///{tmp_path}/x.db")
    routers = [world.router(answer_cache=place) for place in places]
    await at_once(routers[0], *(router.achat("hi") for router in routers))
    assert len(world.asked) == 2
    assert [router.cache_stats()["entries"] for router in routers] == [1, 1]


async def test_who_streams_may_join_who_does_not() -> None:
    world = a_world()
    router = world.router(answer_cache="memory")
    whole, streamed = await at_once(router, router.achat("hi"), _rest(router.astream("hi")))
    assert (whole.text, streamed, len(world.asked)) == ("answer 1", "answer 1", 1)


async def test_each_caller_may_change_what_is_his(place: str) -> None:
    router = a_world().router(answer_cache=place)

    async def changing() -> Outcome:
        outcome = await router.achat("hi")
        assert outcome.answer.usage is not None
        outcome.answer.usage["prompt_tokens"] -= 1_000  # at once, before others get theirs
        return outcome

    outcomes = await at_once(router, *(changing() for _ in range(3)))
    outcomes += [await changing(), await changing()]
    tokens = {outcome.answer.usage["prompt_tokens"] for outcome in outcomes}
    assert len(tokens) == 1
    assert tokens.pop() < 0


async def test_a_background_request_of_another_process_keeps_nobody_waiting(
    tmp_path: Path,
) -> None:
    router = a_world().router(answer_cache=f"sqlite:///{tmp_path}/x.db")
    lookup = router._context.lookup(ChatRequest.of("hi"))
    assert lookup is not None
    other, lease = another_process(router), lookup.lease(lookup.keys[0], "background")

    async def work() -> float:
        assert await other.claim(lease)
        began = router._runtime.clock.now()
        await router.achat("hi")
        await other.store.close()
        return router._runtime.clock.now() - began

    assert await asyncio.to_thread(router._runtime.call, work) < LEASE / 2


def test_a_session_remembers_what_cost_it_nothing() -> None:
    world = a_world()
    session = world.router(answer_cache="memory").session("job")
    for label in ("asked", "kept"):
        session.chat("hi", label=label)
    steps = session.router.session_memory().steps
    assert [(step.label, step.model, step.attempts) for step in steps] == [
        ("asked", "acme/a:free", 1),
        ("kept", "acme/a:free", 0),
    ]


async def test_each_follower_keeps_a_deadline_of_its_own() -> None:
    world = World([SimModel("acme/a:free", first_token=30, jitter=0)])
    router = world.router(answer_cache="memory")
    patient, hasty = ChatRequest.of("hi").but(timeout=90), ChatRequest.of("hi").but(timeout=5)
    results = await at_once(router, router.achat(patient), router.achat(hasty))
    assert not isinstance(results[0], BaseException)
    assert isinstance(results[1], DeadlineExceeded)
    assert len(world.asked) == 1


async def test_a_broken_stream_is_shared_by_those_who_saw_it() -> None:
    broken = SimModel("acme/a:free", script=["mid-stream-cut"], says=lambda _: "abcdefgh" * 9)
    router = World([broken]).router(answer_cache="memory", model="acme/a:free")
    first, late = router.astream("hi"), router.astream("hi")
    results = await at_once(router, _rest(first), _rest(late), after_streams(router.achat("hi")))
    assert [type(result) for result in results[:2]] == [StreamBroken, StreamBroken]
    assert results[0] is not results[1]
    assert not isinstance(results[2], BaseException)


async def test_others_terms_are_others_streams() -> None:
    """Who validates otherwise, or takes calls in pieces, gets the whole answer at the end."""
    world = World([SimModel("acme/a:free", says=counting(), speed=10)])
    router = world.router(answer_cache="memory")
    pieces = router.with_options(tool_streaming="fragments")

    def never(answer: Answer) -> None:
        raise ValueError("no")

    streams = [router.astream("hi"), pieces.astream("hi")]
    hard = after_streams(router.achat(ChatRequest.of("hi").but(validate=never, timeout=20)))
    results = await at_once(router, *map(_rest, streams), hard)
    assert results[0] == results[1] == "answer 1"
    assert isinstance(results[2], Exhausted)


async def test_who_asks_anew_joins_nobody() -> None:
    world = a_world()
    router = world.router(answer_cache="memory")
    fresh = ChatRequest.of("hi").but(fresh=True)
    outcomes = await at_once(router, router.achat("hi"), router.achat(fresh), router.achat(fresh))
    assert {outcome.text for outcome in outcomes} == {"answer 1", "answer 2", "answer 3"}
    assert all(outcome.cached is None for outcome in outcomes)


async def test_what_a_validator_rejects_is_an_error_of_his_own() -> None:
    world = World([SimModel("acme/a:free", says=counting(), speed=10)])
    router = world.router(answer_cache="memory", fallback_models=(), model="acme/a:free")

    def never(answer: Answer) -> None:
        raise ValueError("no")

    hard = ChatRequest.of("hi").but(validate=never)
    results = await at_once(router, router.achat(hard), router.achat("hi"))
    assert isinstance(results[0], Exhausted)
    assert isinstance(results[1], Outcome)


async def test_variants_that_are_asked_for_at_once_are_asked_for_each() -> None:
    world = a_world()
    router = world.router(answer_cache=AnswerCache(variants=2, store="memory"))
    warm = ChatRequest.of("hi").but(parameters={"temperature": 1})
    outcomes = await at_once(router, *(router.achat(warm) for _ in range(4)))
    assert {outcome.text for outcome in outcomes} == {"answer 1", "answer 2"}
    assert router.cache_stats()["entries"] == len(world.asked) == 2


async def test_who_joins_gets_calls_as_he_wants_them() -> None:
    world = World([SimModel("acme/a:free", speed=10)])
    request = ChatRequest.of("look").but(tools=[TOOL], tool_choice="required")
    router = world.router(answer_cache="memory")
    pieces = router.with_options(tool_streaming="fragments")

    async def deltas(of: Router) -> list[Delta]:
        return [delta async for delta in of.astream(request)]

    for first, second in ((router, pieces), (pieces, router)):
        router.clear_cache()
        told = await at_once(first, deltas(first), deltas(second), after_streams(deltas(second)))
        for of, seen in zip((first, second, second), told, strict=True):
            whole = of is router
            assert any(delta.tool_calls for delta in seen) == whole
            assert any(delta.fragments for delta in seen) != whole
    assert len(world.asked) == 2


async def test_nobody_who_is_waited_for_waits_for_the_background() -> None:
    world = World([SimModel("acme/a:free", says=counting())])
    router = world.router(answer_cache="memory")
    late, soon = ChatRequest.of("hi").but(lane="background"), ChatRequest.of("hi")
    await at_once(router, router.achat(late), router.achat(soon), router.achat(late))
    assert len(world.asked) == 2


# -- other processes -------------------------------------------------------------------------------


def another_process(router: Router) -> Cache:
    """The router's cache as another process sees it."""
    return Cache(SqliteBytes(_cache_of(router).path), router._runtime.clock, print, "another")


def _cache_of(router: Router) -> SqliteBytes:
    lookup = router._context.lookup(ChatRequest.of("hi"))
    assert lookup is not None
    assert isinstance(lookup.cache.store, SqliteBytes)
    return lookup.cache.store


def waits_for_another(
    router: Router,
    then: Callable[[Cache, Lookup], Coroutine[Any, Any, None]],
    lane: Lane = "interactive",
) -> Outcome:
    """The outcome of a request while another process asks the same. `then`: what that one does,
    once the request waits for it."""
    other = another_process(router)
    lookup = router._context.lookup(ChatRequest.of("hi"))
    assert lookup is not None

    async def work() -> Outcome:
        assert await other.claim(lookup.lease(lookup.keys[0], lane))
        asked = asyncio.ensure_future(router.achat(ChatRequest.of("hi").but(lane=lane)))
        for _ in range(20):  # a look into the file takes real time
            await asyncio.sleep(0.02)
        assert not asked.done()
        await then(other, lookup)
        outcome = await asked
        await other.store.close()
        return outcome

    return router._runtime.call(work)


@pytest.mark.parametrize("lane", ["interactive", "background"])
def test_who_waited_for_another_process_has_joined_it(tmp_path: Path, lane: Lane) -> None:
    world = a_world()
    router = world.router(answer_cache=f"sqlite:///{tmp_path}/x.db")
    router.chat("hi")
    assert router.cache_stats()["entries"] == 1  # it is written
    seen: list[events.Event] = []
    router.subscribe(seen.append)
    (value,) = router._runtime.call(lambda: _cache_of(router).newest(1))
    router.clear_cache()

    async def keep(other: Cache, lookup: Lookup) -> None:
        await other.put({value.key: value.value}, None, 10**6)
        await other.release(lookup.lease(value.key, lane))

    outcome = waits_for_another(router, keep, lane)
    assert outcome.metadata["cached"]["joined"] is True
    assert len(world.asked) == 1
    router.flush()
    assert [e.result for e in seen if isinstance(e, events.AnswerCacheUsed)] == ["joined"]
    stats = router.cache_stats()
    assert (stats["misses"], stats["joined"], stats["hits"]) == (1, 1, 0)


def test_another_process_that_fails_is_followed_by_this_one(tmp_path: Path) -> None:
    world = a_world()
    router = world.router(answer_cache=f"sqlite:///{tmp_path}/x.db")

    async def fail(other: Cache, lookup: Lookup) -> None:
        await other.release(lookup.lease(lookup.keys[0], "interactive"))

    outcome = waits_for_another(router, fail)
    assert (outcome.cached, outcome.text, len(world.asked)) == (None, "answer 1", 1)
    stats = router.cache_stats()
    assert (stats["misses"], stats["joined"], stats["hits"]) == (1, 0, 0)


@pytest.mark.parametrize("seconds", [0.1, 60])
def test_nobody_waits_for_another_process_for_ever(tmp_path: Path, seconds: float) -> None:
    world = World([SimModel("acme/a:free", first_token=seconds, jitter=0)])
    router = world.router(answer_cache=f"sqlite:///{tmp_path}/x.db")
    other, request = another_process(router), ChatRequest.of("hi").but(timeout=10)
    lookup = router._context.lookup(request)
    assert lookup is not None
    lease = lookup.lease(lookup.keys[0], "interactive")

    async def renew() -> None:
        while await other.claim(lease):
            await asyncio.sleep(LEASE / 3)

    async def work() -> Outcome:
        renewal = asyncio.ensure_future(renew())
        await asyncio.sleep(LEASE / 2)
        try:
            return await asyncio.wait_for(router.achat(request), 20)
        finally:
            renewal.cancel()
            await other.store.close()

    began = world.clock.now()
    if seconds < 1:
        assert router._runtime.call(work).cached is None
    else:
        with pytest.raises(FreeRouterError):
            router._runtime.call(work)
    assert LEASE < world.clock.now() - began < 10 + LEASE


def test_a_long_request_keeps_its_lease_and_gives_it_back(tmp_path: Path) -> None:
    world = World([SimModel("acme/a:free", first_token=4 * LEASE, jitter=0)])
    router = world.router(answer_cache=f"sqlite:///{tmp_path}/x.db")
    lookup = router._context.lookup(ChatRequest.of("hi"))
    assert lookup is not None
    other, lease = another_process(router), lookup.lease(lookup.keys[0], "interactive")

    async def work() -> list[bool]:
        asked = asyncio.ensure_future(router.achat("hi"))
        claimed = []
        for _ in range(3):
            await asyncio.sleep(LEASE)
            claimed.append(await other.claim(lease))
        await asked
        await router._runtime.caches.drain()
        claimed.append(await other.claim(lease))
        await other.store.close()
        return claimed

    assert router._runtime.call(work) == [False, False, False, True]


def test_what_is_being_written_is_newer_than_what_is_kept(tmp_path: Path) -> None:
    router = a_world().router(answer_cache=f"sqlite:///{tmp_path}/x.db")
    router.chat("hi")
    assert comes_to_rest(router._runtime)  # it is written, and its lease is given back
    with _cache_of(router)._lock:  # nothing is written for a while
        assert router.chat(ChatRequest.of("hi").but(fresh=True)).text == "answer 2"
        assert router.chat("hi").text == "answer 2"
        soon = router._runtime.call(lambda: asyncio.wait_for(router.achat("hi"), 5))
        assert (soon.text, soon.cached is None) == ("answer 2", False)
    assert router.chat("hi").text == "answer 2"


# -- what is told ----------------------------------------------------------------------------------


def test_what_is_told_of_kept_answers(place: str) -> None:
    world = a_world()
    router = world.router(answer_cache=place)
    seen: list[events.Event] = []
    router.subscribe(seen.append)
    for _ in range(3):
        router.chat("hi")
    stats = router.cache_stats()
    router.flush()
    results = [event.result for event in seen if isinstance(event, events.AnswerCacheUsed)]
    (kept,) = router.kept_answers()

    assert sorted(results) == ["hit", "hit", "miss", "stored"]
    assert sum(isinstance(event, events.Answered) for event in seen) == 1
    assert (stats["hits"], stats["misses"], stats["stored"]) == (2, 1, 1)
    assert (stats["requests_saved"], stats["entries"]) == (2, 1)
    assert stats["bytes"] == kept["bytes"] > 0
    assert stats["tokens_saved"] > 0
    assert (kept["model"], kept["text"], len(kept["key"])) == ("acme/a:free", "answer 1", 64)
    assert router.quota().lines == () or all(line.used <= 1 for line in router.quota().lines)


def test_clearing_forgets(place: str) -> None:
    world = a_world()
    router = world.router(answer_cache=place)
    router.chat("old")
    world.clock.advance(100)
    router.chat("new")
    assert router.clear_cache(older=50) == 1
    assert [kept["text"] for kept in router.kept_answers()] == ["answer 2"]
    assert router.clear_cache() == 1
    assert router.cache_stats()["entries"] == 0
    router.chat("new")
    assert len(world.asked) == 3


def test_an_option_is_a_word_an_address_a_table_or_an_answer_cache(tmp_path: Path) -> None:
    world = a_world()
    assert world.router().config.answer_cache is False
    assert world.router(answer_cache=True).config.answer_cache == AnswerCache()
    table = {"ttl": "12h", "variants": 2}
    assert world.router(answer_cache=table).config.answer_cache == AnswerCache(
        ttl=43_200, variants=2
    )
    secret = world.router(answer_cache="redis://:secret@host/0")
    assert "secret" not in repr(secret.config) + json.dumps(secret.describe())
    described = world.router(answer_cache=AnswerCache(namespace="a")).describe()
    assert described["answer_cache"] == {"namespace": "a"}
    assert Router(answer_cache=described["answer_cache"]).config.answer_cache == AnswerCache(
        namespace="a"
    )
    wrong: Any
    for wrong in ("somewhere", 3, {"tll": 3}, {"ttl": -1}):
        with pytest.raises(BadSetting):
            world.router(answer_cache=wrong)


def test_the_settings_file_and_the_environment_turn_it_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    world = a_world()
    (tmp_path / "freerouter.toml").write_text('[router]\nanswer_cache = {ttl = "1h"}\n')
    assert world.router()._resolved.answer_cache == AnswerCache(ttl=3600)
    monkeypatch.setenv("FREEROUTER_ANSWER_CACHE", "nowhere")
    (tmp_path / "freerouter.toml").unlink()
    with pytest.raises(BadSetting, match="FREEROUTER_ANSWER_CACHE"):
        world.router().chat("hi")


def test_nothing_is_left_under_way() -> None:
    router = a_world().router(answer_cache="memory")
    for n in range(5):
        router.chat(f"{n}")
    gc.collect()
    assert not router._runtime.flights._flights
