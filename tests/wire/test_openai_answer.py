"""OpenAI's and OpenRouter's bodies and chunks from the server's side."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.wire.answer import Answer
from freerouter_core.wire.delta import Delta
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.openai_answer import Completion, added_usage, fingerprint
from freerouter_core.wire.tool_calls import InvalidToolCall, ToolCall, ToolCallFragment

CALL = ToolCall("c1", "f", '{"a": 1}')
WIRE_CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "f", "arguments": '{"a": 1}'},
}
COMPLETION = Completion("id", 5)
USAGE = {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3}
METADATA = {"attempts": [], "upstream_provider": "Acme"}


def choice_of(answer: Answer) -> Json:
    choice: Json = COMPLETION.whole([answer], [METADATA])["choices"][0]
    return choice


def test_an_answer_is_written_as_a_completion() -> None:
    answer = Answer("x", reasoning="r", finish_reason="length", usage=USAGE, model="a/m")

    assert Completion("id", 5, "default", {"left_out": {}}).whole([answer], [METADATA]) == {
        "id": "id",
        "object": "chat.completion",
        "created": 5,
        "model": "a/m",
        "system_fingerprint": fingerprint("a/m"),
        "service_tier": "default",
        "provider": "Acme",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "x", "refusal": None, "reasoning": "r"},
                "finish_reason": "length",
                "native_finish_reason": None,
                "logprobs": None,
            }
        ],
        "usage": USAGE,
        "freerouter": {**METADATA, "left_out": {}},
    }


def test_several_answers_are_choices_and_their_usage_is_added() -> None:
    usage = {**USAGE, "cost": 0, "prompt_tokens_details": {"cached_tokens": 1, "odd": None}}
    answers = [Answer("x", usage=usage, model="a/m"), Answer("y", usage=usage, model="b/m")]
    body = COMPLETION.whole(answers, [METADATA, {"attempts": [1]}])

    assert [choice["index"] for choice in body["choices"]] == [0, 1]
    assert body["usage"]["total_tokens"] == 6
    assert body["usage"]["prompt_tokens_details"] == {"cached_tokens": 2, "odd": None}
    assert body["freerouter"]["others"] == [{"attempts": [1]}]


@pytest.mark.parametrize(
    ("usages", "added"),
    [
        ([None, None], None),
        ([{}], {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}),
        ([{"prompt_tokens": 2, "completion_tokens": True}, None],
         {"prompt_tokens": 2, "completion_tokens": 0, "total_tokens": 2}),
    ],
)  # fmt: skip
def test_a_usage_has_the_counts_that_strict_clients_require(usages: Any, added: object) -> None:
    assert added_usage(iter(usages)) == added
    body = COMPLETION.whole([Answer(usage=usages[0])], [METADATA])
    assert ("usage" in body) is (usages[0] is not None)


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
            Answer("x", finish_reason="content_filter", audio={"id": "a"}, images=({"n": 1},)),
            {"content": "x", "refusal": None, "audio": {"id": "a"}, "images": [{"n": 1}]},
            "content_filter",
        ),
        (
            Answer("x", reasoning_details=({"type": "reasoning.text"},), annotations=({"n": 1},)),
            {"content": "x", "refusal": None, "annotations": [{"n": 1}],
             "reasoning_details": [{"type": "reasoning.text"}]},
            "stop",
        ),
    ],
)  # fmt: skip
def test_a_message_has_content_or_calls_and_a_known_finish_reason(
    answer: Answer, message: Json, finish_reason: str
) -> None:
    choice = choice_of(answer)

    assert choice["message"] == {"role": "assistant", **message}
    assert choice["finish_reason"] == finish_reason


@pytest.mark.parametrize(
    ("delta", "first", "written"),
    [
        (Delta("x"), False, {"content": "x"}),
        (Delta(), True, {"role": "assistant", "content": ""}),
        (Delta(reasoning="r"), False, {"reasoning": "r"}),
        (Delta(reasoning_details=({"n": 1},)), False, {"reasoning_details": [{"n": 1}]}),
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
    assert COMPLETION.chunk(delta, "a/m", first=first, index=1) == {
        "id": "id",
        "object": "chat.completion.chunk",
        "created": 5,
        "model": "a/m",
        "system_fingerprint": fingerprint("a/m"),
        "choices": [{"index": 1, "delta": written, "finish_reason": None, "logprobs": None}],
    }


def test_a_stream_ends_with_its_finish_reason_and_what_is_known_of_the_whole() -> None:
    chances = {"content": [{"token": "x"}], "refusal": None}
    answer = Answer(
        "x", finish_reason="stop", usage=USAGE, model="a/m", logprobs=chances, images=({"n": 1},)
    )
    last = COMPLETION.last(answer, METADATA)
    (usage,) = COMPLETION.usage([answer])

    assert last["choices"] == [
        {
            "index": 0,
            "delta": {"images": [{"n": 1}]},
            "finish_reason": "stop",
            "native_finish_reason": None,
            "logprobs": chances,
        }
    ]
    assert (last["provider"], last["freerouter"]) == ("Acme", METADATA)
    assert (usage["choices"], usage["usage"]) == ([], USAGE)
    assert not list(COMPLETION.usage([Answer()]))


def test_a_broken_stream_ends_with_openrouters_chunk() -> None:
    chunks = list(COMPLETION.failed({"error": {"code": 502, "message": "it broke"}}, "a/m"))

    assert [chunk["error"] for chunk in chunks] == [{"code": 502, "message": "it broke"}] * 2
    assert chunks[0]["choices"][0]["finish_reason"] == "error"
    assert chunks[1]["choices"] == []


def test_an_invalid_call_is_written_so_that_no_client_carries_it_out() -> None:
    invalid = InvalidToolCall("2", "delete_file", '{"path": "/home/me', "it was cut")
    answer = Answer(tool_calls=(ToolCall("1", "f", "{}"),), invalid_calls=(invalid,))
    choice = choice_of(answer)
    delta = Delta(tool_calls=answer.tool_calls, invalid_calls=(invalid,))
    streamed = COMPLETION.chunk(delta, "m")["choices"][0]["delta"]["tool_calls"]

    assert choice["finish_reason"] == "tool_calls"
    assert choice["message"]["content"] is None
    for calls in (choice["message"]["tool_calls"], streamed):
        assert [call["function"]["arguments"] for call in calls] == ["{}", "(it was cut)"]
    assert [call["index"] for call in streamed] == [0, 1]
    only = choice_of(Answer(invalid_calls=(invalid,)))
    assert (only["finish_reason"], only["message"]["content"]) == ("tool_calls", None)


def test_pieces_of_an_invalid_call_are_no_json() -> None:
    shown = InvalidToolCall("2", "g", '{"a": 1}', "cut", 1, shown=True)
    chunk = COMPLETION.chunk(
        Delta(fragments=(ToolCallFragment(0, None, None, "}"),), invalid_calls=(shown,)), "m"
    )

    assert chunk["choices"][0]["delta"]["tool_calls"] == [
        {"index": 0, "function": {"arguments": "}"}},
        {"index": 1, "function": {"arguments": "(cut)"}},
    ]
