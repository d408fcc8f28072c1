"""One bad picture, file or tool does not take a model from all who come after it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from freerouter_core.errors import BadRequest, FreeRouterError
from freerouter_core.routing.need import need_of
from freerouter_core.routing.part_doubts import print_of
from freerouter_core.routing.plan import Plan
from freerouter_core.routing.state import RoutingState
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.request import ChatRequest

from .driver import NOW, Play, answers, fails, model, plan, play

EYES = frozenset({"image", "audio", "video", "file"})
A, B = model("a", inputs=EYES), model("b", "two", inputs=EYES)
TOOL: Json = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
KINDS = ["image", "audio", "file", "tools"]
each_kind = pytest.mark.parametrize("kind", KINDS)


def asked(kind: str, data: str = "good", text: str = "What?", *models: Any) -> Plan:
    """A request with a part of this kind."""
    parts: dict[str, Json] = {
        "image": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        "audio": {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
        "file": {"type": "file", "file": {"file_data": data}},
        "tools": {"type": "text", "text": "no part"},
    }
    tools = [{**TOOL, "function": {**TOOL["function"], "description": data}}]
    request = ChatRequest(
        [{"role": "user", "content": [{"type": "text", "text": text}, parts[kind]]}],
        tools=tools if kind == "tools" else [],
    )
    return plan(*(models or (A, B)), request=request, need=need_of(request))


def refusal(kind: str, cause: Cause) -> Fault:
    lacks = {"tools", "tool_choice"} if kind == "tools" else {kind}
    return Fault(Kind.UNFIT, cause, "no", status=400, lacks=frozenset(lacks), teaches=False)


def of_model(kind: str) -> Fault:
    return refusal(kind, Cause.NO_IMAGE)


def of_one(kind: str) -> Fault:
    return refusal(kind, Cause.BAD_PART)


def seen(kind: str) -> RoutingState:
    """A state in which A has just answered such a request."""
    state = RoutingState()
    play(asked(kind), {"a": answers()}, state=state)
    return state


def lacks(state: RoutingState) -> frozenset[str]:
    return state.health.of(A.identity).lacks_at(NOW)


@each_kind
def test_who_answered_such_a_request_lacks_nothing_by_one_refusal(kind: str) -> None:
    state = seen(kind)
    bad = play(asked(kind, "bad"), {"a": fails(of_model(kind)), "b": answers()}, state=state)
    assert bad.asked == ["a", "b"]
    assert not lacks(state)

    assert play(asked(kind), {"a": answers()}, state=state).asked == ["a"]


@each_kind
def test_the_same_request_again_is_no_second_proof(kind: str) -> None:
    state, fates = seen(kind), {"a": fails(of_model(kind)), "b": answers()}
    for text in ("What?", "What is it?", "Please?"):
        play(asked(kind, "bad", text), fates, state=state)
    assert not lacks(state)

    play(asked(kind, "another bad one"), fates, state=state)
    assert kind in lacks(state)


@each_kind
def test_an_answer_in_between_ends_the_doubt(kind: str) -> None:
    state, fates = seen(kind), {"a": fails(of_model(kind)), "b": answers()}
    for data in ("bad", "worse", "awful"):
        play(asked(kind, data), fates, state=state)
        assert not lacks(state)
        play(asked(kind), {"a": answers()}, state=state)


@each_kind
def test_words_about_one_part_teach_nothing_to_who_takes_such(kind: str) -> None:
    state, fates = seen(kind), {"a": fails(of_one(kind)), "b": answers()}
    for data in ("bad", "worse", "awful"):
        play(asked(kind, data), fates, state=state)

    assert not lacks(state)


@each_kind
def test_who_refuses_every_part_is_believed_to_take_none(kind: str) -> None:
    state, fates = RoutingState(), {"a": fails(of_one(kind)), "b": answers()}
    play(asked(kind, "bad"), fates, state=state)
    assert not lacks(state)

    play(asked(kind, "worse"), fates, state=state)
    assert kind in lacks(state)


@each_kind
def test_words_about_a_model_teach_at_once_if_nothing_speaks_against_them(kind: str) -> None:
    state = RoutingState()
    play(asked(kind), {"a": fails(of_model(kind)), "b": answers()}, state=state)

    assert kind in lacks(state)


@each_kind
def test_the_doubts_are_forgotten_with_everything_else(kind: str) -> None:
    state = seen(kind)
    play(asked(kind, "bad"), {"a": fails(of_model(kind)), "b": answers()}, state=state)
    assert state.health.doubted_parts
    state.health.reset()

    assert not state.health.doubted_parts


def test_if_all_refuse_a_part_the_user_is_told_that_it_is_the_part() -> None:
    state = RoutingState()
    for one in (A, B):
        play(asked("image", "good", "What?", one), {one.id: answers()}, state=state)
    fates = {"a": fails(of_model("image")), "b": fails(of_model("image"))}
    with pytest.raises(FreeRouterError) as error:
        Play(asked("image", "bad"), fates, state=state).run()

    assert type(error.value) is BadRequest
    assert "bad-part" in str(error.value)


def test_a_part_of_an_older_turn_is_told_in_words_and_the_model_asked_again() -> None:
    picture = {"type": "image_url", "image_url": {"url": "data:image/png;base64,bad"}}
    request = ChatRequest([
        {"role": "user", "content": [picture]},
        {"role": "assistant", "content": "A cat"},
        {"role": "user", "content": "Is it?"},
    ])  # fmt: skip
    state = seen("image")
    fates = {"a": [fails(of_model("image")), answers()]}
    played = play(plan(A, request=request, need=need_of(request)), fates, state=state)

    assert played.asked == ["a", "a"]


def test_two_requests_are_told_apart_by_their_parts_and_tools() -> None:
    """Their texts do not count."""
    assert print_of(asked("image", "x", "1")) == print_of(asked("image", "x", "1"))
    assert print_of(asked("image", "x")) != print_of(asked("image", "y"))
    assert print_of(asked("tools", "x")) != print_of(asked("tools", "y"))
    long = "x" * 2_000
    assert print_of(asked("file", long)) != print_of(asked("file", long + "y"))
    numbered = ChatRequest([{"role": "user", "content": [{"type": "image", "n": 1}]}])
    other = ChatRequest([{"role": "user", "content": [{"type": "image", "n": 2}]}])
    assert print_of(plan(A, request=numbered)) != print_of(plan(A, request=other))
    chat = asked("image")
    assert print_of(replace(chat, request=chat.operation)) == 0, "it is no request of a user"
