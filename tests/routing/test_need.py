"""What a request asks of a model, read off its wire form."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.errors import BadRequest
from freerouter_core.routing.need import Need, asked, checked_need, need_of
from freerouter_core.wire.request import ChatRequest
from freerouter_core.wire.structured import Structured

TOOL = {"type": "function", "function": {"name": "f", "parameters": {}}}


def user(content: Any) -> dict[str, Any]:
    return {"role": "user", "content": content}


def test_a_text_needs_tokens_and_nothing_else() -> None:
    need = need_of(ChatRequest.of("x" * 338))

    assert need == Need(prompt_tokens=100, least_tokens=63)
    assert (need.output_tokens, need.limit) == (512, None)


def test_text_is_counted_in_bytes() -> None:
    assert need_of(ChatRequest.of("ä" * 169)).prompt_tokens == 100


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens"])
def test_the_callers_limit_is_reserved_for_the_answer(name: str) -> None:
    need = need_of(ChatRequest.of("x").but(parameters={name: 99}))

    assert (need.output_tokens, need.limit) == (99, 99)
    assert need_of(ChatRequest.of("x").but(parameters={name: "99"})).limit is None


@pytest.mark.parametrize(
    ("part", "kind"),
    [
        ("image_url", "image"),
        ("image", "image"),
        ("input_audio", "audio"),
        ("video_url", "video"),
        ("input_video", "video"),
        ("file", "file"),
    ],
)
def test_a_medium_is_an_input_of_1200_tokens(part: str, kind: str) -> None:
    need = need_of(ChatRequest([user([{"type": part}, {"type": "text", "text": "x" * 23}])]))

    assert need == Need(prompt_tokens=1_210, least_tokens=6, inputs=frozenset({kind}))


def test_odd_contents_are_counted_as_text() -> None:
    need = need_of(
        ChatRequest([user(["x" * 21, {"type": "text", "text": None}]), user(None), user(7)])
    )
    assert need.prompt_tokens == int((3 * 12 + 21 + 4) / 3.5)


def test_tools_schemas_and_calls_are_counted() -> None:
    call = {"function": {"name": "f", "arguments": "x" * 34}}
    message = {"role": "assistant", "content": "", "tool_calls": [call]}
    assert need_of(ChatRequest([message])).prompt_tokens == 20

    tools = need_of(ChatRequest([user("")], [{"a": ["x", ("y",)]}]))
    assert tools.prompt_tokens == int((12 + 7 + 3 + 5) / 3.5)
    schema = need_of(ChatRequest([user("")]).but(structured=Structured({"a": "x" * 34})))
    assert schema.prompt_tokens == int((12 + 7 + 34) / 3.5)
    assert schema.structured
    assert need_of(ChatRequest([user("")]).but(structured=Structured(None))).structured


@pytest.mark.parametrize(
    ("choice", "tools", "tool_choice"),
    [(None, True, False), ("auto", True, False), ("none", False, False), ("required", True, True)],
)
def test_tools_are_needed_unless_none_may_be_called(
    choice: str | None, tools: bool, tool_choice: bool
) -> None:
    need = need_of(ChatRequest([user("x")], [TOOL]).but(tool_choice=choice))

    assert (need.tools, need.tool_choice) == (tools, tool_choice)


def test_after_a_tools_result_an_empty_answer_can_be_right() -> None:
    result = {"role": "tool", "content": "7", "tool_call_id": "1"}

    assert need_of(ChatRequest([user("x"), result])).after_tool
    assert not need_of(ChatRequest([result, user("x")])).after_tool


def test_the_task_is_read_from_the_last_message_of_the_user() -> None:
    messages = [user("Write a poem"), user("Fix this python code"), {"role": "tool"}]

    assert need_of(ChatRequest(messages), "auto").task == "code"
    assert need_of(ChatRequest(messages), "vision").task == "vision"
    assert need_of(ChatRequest(messages)).task is None


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("x", "x"),
        ([{"type": "text", "text": "x"}, {"type": "image"}, "y"], "x\n"),
        (None, ""),
        (7, ""),
    ],
)
def test_what_the_user_asked_last(content: Any, text: str) -> None:
    assert asked([user("before"), user(content)]) == text
    assert asked([{"role": "system", "content": "x"}]) == ""


def test_the_ways_of_asking_that_not_every_model_does_well() -> None:
    assert Need().ways == ()
    assert Need(tools=True, structured=True).ways == ("tools", "structured")


# -- checks -------------------------------------------------------------------------------------


def test_a_sound_request_passes() -> None:
    request = ChatRequest.of("x").but(timeout=1, model="a")

    assert checked_need(request, allow_paid=False) == need_of(request)


@pytest.mark.parametrize("timeout", [0, -1.0, "9"])
def test_a_timeout_must_be_positive_seconds(timeout: Any) -> None:
    with pytest.raises(BadRequest, match="timeout"):
        checked_need(ChatRequest.of("x").but(timeout=timeout), allow_paid=False)


def test_a_model_must_be_a_name() -> None:
    request = ChatRequest.of("x")
    object.__setattr__(request, "model", 7)
    with pytest.raises(BadRequest, match="model=7 must be a name"):
        checked_need(request, allow_paid=False)


@pytest.mark.parametrize(
    "request_",
    [
        ChatRequest([{"role": "user", "content": "x", "tool_calls": [7]}]),
        ChatRequest([user("x")], 7),  # type: ignore[arg-type]  # malformed on purpose
    ],
)
def test_a_malformed_request_is_a_bad_one(request_: ChatRequest) -> None:
    with pytest.raises(BadRequest, match="malformed"):
        checked_need(request_, allow_paid=False)


def test_what_may_cost_money_must_be_permitted() -> None:
    request = ChatRequest.of("x").but(extra_body={"plugins": [{"id": "web"}]})
    with pytest.raises(BadRequest, match="plugins"):
        checked_need(request, allow_paid=False)

    checked_need(request, allow_paid=True)


PICTURE = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
ASKED = {"role": "user", "content": [PICTURE]}
CALLED = {"role": "assistant", "content": None, "tool_calls": [{"function": {"arguments": "{}"}}]}
SHOWN = {"role": "tool", "content": [PICTURE]}
SAID = {"role": "assistant", "content": "a cat"}
TEXT = {"role": "user", "content": "and?"}


@pytest.mark.parametrize(
    ("messages", "needed", "older"),
    [
        ([ASKED], {"image"}, set()),
        ([ASKED, CALLED, SHOWN], {"image"}, set()),
        ([TEXT, CALLED, SHOWN], set(), {"image"}),
        ([ASKED, SAID, TEXT], set(), {"image"}),
        ([ASKED, SAID, ASKED], {"image"}, set()),
        ([TEXT, SAID, TEXT], set(), set()),
    ],
)
def test_only_the_users_own_pictures_of_this_turn_must_be_seen(
    messages: list[Any], needed: set[str], older: set[str]
) -> None:
    need = need_of(ChatRequest(messages))

    assert need.inputs == frozenset(needed)
    assert need.older_inputs == frozenset(older)


def test_answers_of_a_job_are_of_a_size_of_their_own() -> None:
    need = Need(tools=True)

    assert need.of("interactive").way == need.way == "tools"
    assert need.of("background").way == "tools in background"
    assert Need(mode="embedding").of("background").way == "embedding"
