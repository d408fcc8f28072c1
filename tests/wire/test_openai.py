"""OpenAI's API from the server's side: bodies of clients in, answers and chunks out."""

from __future__ import annotations

import pytest

from freerouter_core import errors
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.openai import read_request, write_answer, write_delta, write_end
from freerouter_core.wire.tool_calls import InvalidToolCall, ToolCall, ToolCallFragment

MESSAGES: list[Json] = [{"role": "user", "content": "x"}]
CALL = ToolCall("c1", "f", '{"a": 1}')
WIRE_CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "f", "arguments": '{"a": 1}'},
}


def test_a_body_becomes_a_request() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    request, stream, include_usage = read_request(
        {
            "messages": MESSAGES,
            "model": "a/m:free",
            "tools": [tool],
            "tool_choice": "auto",
            "parallel_tool_calls": False,
            "temperature": 0,
            "top_p": None,
            "max_completion_tokens": 9,
            "provider": {"order": ["x"]},
            "response_format": {"type": "json_object"},
            "reasoning_effort": "low",
            "stream": True,
            "stream_options": {"include_usage": True},
            "user": "ignored",
            "n": 1,
        }
    )

    assert request.messages == MESSAGES
    assert request.model == "a/m:free"
    assert (request.tools, request.tool_choice) == ([tool], "auto")
    assert request.parallel_tool_calls is False
    assert request.parameters == {"temperature": 0, "max_completion_tokens": 9}
    assert request.extra_body == {"provider": {"order": ["x"]}}
    assert request.structured is not None
    assert request.structured.method == "json_mode"
    assert request.reasoning == "low"
    assert (stream, include_usage) == (True, True)


def test_a_body_needs_no_more_than_messages() -> None:
    request, stream, include_usage = read_request({"messages": MESSAGES})

    assert (request.tools, request.model, request.structured) == ([], None, None)
    assert (stream, include_usage) == (False, False)


def test_messages_are_copies_and_what_is_no_object_is_judged_later() -> None:
    messages = [MESSAGES[0], "odd"]
    request = read_request({"messages": messages})[0]

    assert request.messages == messages
    assert request.messages[0] is not messages[0]


@pytest.mark.parametrize("model", ["auto", "freerouter", "openrouter/free", "openrouter/auto"])
def test_some_names_mean_any_model(model: str) -> None:
    assert read_request({"messages": MESSAGES, "model": model})[0].model is None


@pytest.mark.parametrize(
    ("reasoning", "effort", "wanted"),
    [(None, None, None), (None, "low", "low"), (False, "low", False), ({"effort": "x"}, None, {})],
)
def test_openrouters_reasoning_counts_before_openais_effort(
    reasoning: object, effort: object, wanted: object
) -> None:
    body = {"messages": MESSAGES, "reasoning": reasoning, "reasoning_effort": effort}

    assert read_request(body)[0].reasoning == (wanted if wanted != {} else reasoning)


@pytest.mark.parametrize("options", [None, "x", {}, {"include_usage": False}])
def test_usage_ends_a_stream_only_if_it_is_wanted(options: object) -> None:
    assert not read_request({"messages": MESSAGES, "stream_options": options}).include_usage


@pytest.mark.parametrize("response_format", [None, {"type": "text"}])
def test_plain_text_asks_for_nothing_structured(response_format: object) -> None:
    body = {"messages": MESSAGES, "response_format": response_format}

    assert read_request(body)[0].structured is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": None}, "messages and tools must be lists"),
        ({"tools": "x"}, "messages and tools must be lists"),
        ({"n": 2}, "n must be 1"),
        ({"model": 7}, "model must be a name"),
        ({"functions": [1]}, "functions is not served"),
        ({"function_call": "auto"}, "function_call is not served"),
        ({"logprobs": True}, "logprobs is not served"),
        ({"stream": "yes"}, "stream must be true or false"),
        ({"response_format": "json"}, "no known shape"),
        ({"response_format": {"type": "json_schema"}}, "no known shape"),
        ({"response_format": {"type": "grammar"}}, "no known shape"),
    ],
)
def test_what_cannot_be_served_is_refused(change: Json, message: str) -> None:
    with pytest.raises(errors.BadRequest, match=message):
        read_request({"messages": MESSAGES, **change})
    with pytest.raises(errors.BadRequest, match="JSON object"):
        read_request([change])


def test_an_answer_is_written_as_a_completion() -> None:
    answer = Answer(
        "x", reasoning="r", finish_reason="length", usage={"total_tokens": 1}, model="a/m"
    )

    assert write_answer(answer, "id", 5, {"attempts": []}) == {
        "id": "id",
        "object": "chat.completion",
        "created": 5,
        "model": "a/m",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "x", "refusal": None, "reasoning": "r"},
                "finish_reason": "length",
                "logprobs": None,
            }
        ],
        "usage": {"total_tokens": 1},
        "freerouter": {"attempts": []},
    }


@pytest.mark.parametrize(
    ("answer", "message", "finish_reason"),
    [
        (Answer(), {"content": "", "refusal": None}, "stop"),
        (Answer(refusal="no"), {"content": "", "refusal": "no"}, "stop"),
        (
            Answer(tool_calls=(CALL,), finish_reason="stop"),
            {"content": None, "refusal": None, "tool_calls": [WIRE_CALL]},
            "tool_calls",
        ),
        (Answer("x", finish_reason="odd"), {"content": "x", "refusal": None}, "stop"),
        (
            Answer("x", finish_reason="content_filter"),
            {"content": "x", "refusal": None},
            "content_filter",
        ),
    ],
)
def test_a_message_has_content_or_calls_and_a_known_finish_reason(
    answer: Answer, message: Json, finish_reason: str
) -> None:
    choice = write_answer(answer, "id", 5, {})["choices"][0]

    assert choice["message"] == {"role": "assistant", **message}
    assert choice["finish_reason"] == finish_reason


@pytest.mark.parametrize(
    ("delta", "first", "written"),
    [
        (Delta("x"), False, {"content": "x"}),
        (Delta(), True, {"role": "assistant", "content": ""}),
        (Delta(reasoning="r"), False, {"reasoning": "r"}),
        (Delta(tool_calls=(CALL,)), False, {"tool_calls": [{"index": 0, **WIRE_CALL}]}),
        (
            Delta(fragments=(ToolCallFragment(1, "c1", "f", ""),)),
            False,
            {
                "tool_calls": [
                    {
                        "index": 1,
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "f", "arguments": ""},
                    }
                ]
            },
        ),
        (
            Delta(fragments=(ToolCallFragment(0, None, None, "{}"),)),
            False,
            {"tool_calls": [{"index": 0, "function": {"arguments": "{}"}}]},
        ),
    ],
)
def test_a_delta_is_written_as_a_chunk(delta: Delta, first: bool, written: Json) -> None:
    assert write_delta(delta, "id", 5, "a/m", first) == {
        "id": "id",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "a/m",
        "choices": [{"index": 0, "delta": written, "finish_reason": None, "logprobs": None}],
    }


def test_a_stream_ends_with_its_finish_reason_and_then_usage_if_it_is_wanted() -> None:
    answer = Answer("x", finish_reason="stop", usage={"total_tokens": 1}, model="a/m")
    last, usage = write_end(answer, "id", 5, {"attempts": []}, include_usage=True)

    assert last["choices"] == [{"index": 0, "delta": {}, "finish_reason": "stop", "logprobs": None}]
    assert last["freerouter"] == {"attempts": []}
    assert (usage["choices"], usage["usage"]) == ([], {"total_tokens": 1})
    assert len(list(write_end(answer, "id", 5, {}, include_usage=False))) == 1


def test_an_invalid_call_is_written_so_that_no_client_carries_it_out() -> None:
    invalid = InvalidToolCall("2", "delete_file", '{"path": "/home/me', "it was cut")
    answer = Answer(tool_calls=(ToolCall("1", "f", "{}"),), invalid_calls=(invalid,))
    choice = write_answer(answer, "id", 1, {})["choices"][0]
    delta = Delta(tool_calls=answer.tool_calls, invalid_calls=(invalid,))
    streamed = write_delta(delta, "id", 1, "m", False)["choices"][0]["delta"]["tool_calls"]

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    for calls in (choice["message"]["tool_calls"], streamed):
        assert [call["function"]["arguments"] for call in calls] == ["{}", "(it was cut)"]
    assert [call["index"] for call in streamed] == [0, 1]
    only = write_answer(Answer(invalid_calls=(invalid,)), "id", 1, {})["choices"][0]
    assert (only["finish_reason"], only["message"]["content"]) == ("tool_calls", None)
