"""Answers of odd shapes, and requests that are malformed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx
import pytest

from freerouter_core import ChatRequest, Structured, errors
from freerouter_core.simulator import Phase, SimModel, World
from freerouter_core.wire.json_values import Json

from ..scripted import GOOD, answer_response, scripted_router


@pytest.mark.parametrize("kind", ["text/event-stream", "text/plain", "application/json", ""])
def test_a_whole_answer_to_a_stream_request_is_streamed(kind: str) -> None:
    reply = httpx.Response(
        200, content=json.dumps(GOOD).encode(), headers={"content-type": kind} if kind else {}
    )
    stream = scripted_router(reply).stream("x")

    assert "".join(d.text for d in stream) == "hi"


def test_a_stream_that_is_cut_after_its_finish_reason_is_whole() -> None:
    async def body() -> Any:
        yield b'data: {"choices": [{"delta": {"content": "hi"}}]}\n\n'
        yield b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n'
        raise httpx.RemoteProtocolError("peer closed")

    reply = httpx.Response(200, content=body(), headers={"content-type": "text/event-stream"})

    assert "".join(d.text for d in scripted_router(reply).stream("x")) == "hi"


@pytest.mark.parametrize("end", [b"data: [DONE]\n\n", b""])
def test_comments_after_the_end_do_not_delay_it(end: bytes) -> None:
    async def body() -> Any:
        yield b'data: {"choices": [{"delta": {"content": "hi"}}]}\n\n'
        yield b'data: {"choices": [{"delta": {}, "finish_reason": "stop"}]}\n\n' + end
        for _ in range(600):
            await asyncio.sleep(0.5)
            yield b": OPENROUTER PROCESSING\n\n"

    router = scripted_router(
        httpx.Response(200, content=body(), headers={"content-type": "text/event-stream"})
    )
    started = router.clock.now()

    assert "".join(d.text for d in router.stream("x")) == "hi"
    assert router.clock.now() - started < 5


def test_a_call_cut_by_length_before_its_arguments_is_truncated() -> None:
    call = {"id": "1", "function": {"name": "delete_all", "arguments": ""}}
    reply = httpx.Response(
        200, json={"choices": [{"message": {"tool_calls": [call]}, "finish_reason": "length"}]}
    )
    tool = {
        "type": "function",
        "function": {"name": "delete_all", "parameters": {"type": "object"}},
    }
    request = ChatRequest.of("x").but(tools=[tool])
    answer = scripted_router(reply, max_retries=0).chat(request).answer

    assert (answer.tool_calls, [call.name for call in answer.invalid_calls]) == ((), ["delete_all"])


def test_an_empty_answer_counts_when_a_second_model_agrees() -> None:
    """After a tool's result. One model that repeats itself does not count."""
    history: list[Json] = [
        {"role": "user", "content": "x"},
        {"role": "assistant", "content": None,
         "tool_calls": [{"id": "c", "type": "function",
           "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "c", "content": "done"},
    ]  # fmt: skip
    empty = [Phase(0, 1e9, "empty")]
    with World([SimModel("a/m:free", phases=empty)]) as world, pytest.raises(errors.Exhausted):
        world.router().chat(ChatRequest(history))
    with World([SimModel("a/m:free", phases=empty), SimModel("b/m:free", phases=empty)]) as world:
        assert world.router().chat(ChatRequest(history)).text == ""


def test_after_a_tool_call_written_as_text_another_model_is_asked() -> None:
    says = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    tool = {
        "type": "function",
        "function": {"name": "f", "parameters": {"type": "object", "properties": {}}},
    }
    reply = httpx.Response(
        200, json={"choices": [{"message": {"content": says}, "finish_reason": "stop"}]}
    )

    assert (
        scripted_router(reply, answer_response(), models=2)
        .chat(ChatRequest.of("x").but(tools=[tool]))
        .text
        == "hi"
    )


@pytest.mark.parametrize("says", ['Sure: {"n": 1} ok?', '```json\n{"n": 1}\n```', '{"n": 1}'])
@pytest.mark.parametrize("flags", [{"structured": False, "tools": False, "json_object": False}, {}])
def test_a_structured_stream_is_only_the_object(says: str, flags: dict[str, Any]) -> None:
    wish = Structured(
        {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    )
    with World([SimModel("a/m:free", says=lambda body: says, **flags)]) as world:
        text = "".join(
            d.text for d in world.router().stream(ChatRequest.of("x").but(structured=wish))
        )

    assert json.loads(text) == {"n": 1}


def test_prose_before_an_object_does_not_commit_the_stream() -> None:
    wish = Structured(
        {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    )
    talker = SimModel(
        "a/m:free", context=900_000, says=lambda body: "I would rather talk about something else."
    )
    with World([talker, SimModel("b/m:free", says=lambda body: '{"n": 1}')]) as world:
        stream = world.router(strategy="context").stream(ChatRequest.of("x").but(structured=wish))

        assert "".join(d.text for d in stream) == '{"n": 1}'


@pytest.mark.parametrize("tools", ["whole", "fragments"])
def test_text_before_a_tool_call_is_kept_when_json_was_requested(tools: str) -> None:
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
    deltas = list(scripted_router(reply, tool_streaming=tools).stream(request))

    assert "".join(d.text for d in deltas) == "Let me look. "
    assert "".join(d.reasoning for d in deltas) == "hm"
    assert any(d.tool_calls or d.fragments for d in deltas)


@pytest.mark.parametrize(
    "request_",
    [
        ChatRequest([{"role": ["user"], "content": "x"}]),
        ChatRequest([{"role": "user", "content": ""}]),
        ChatRequest.of("x").but(tools=[None]),
        ChatRequest([]),
        ChatRequest.of("x").but(timeout=-3),
    ],
)
def test_malformed_requests_are_bad_requests(request_: ChatRequest) -> None:
    with pytest.raises(errors.BadRequest) as caught:
        scripted_router(answer_response()).chat(request_)

    assert caught.value.hint
