"""Bodies of the Responses API as requests to a model."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest

from freerouter_core.errors import BadRequest
from freerouter_core.wire.history import readable
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.messages.signature import sign
from freerouter_core.wire.responses.read import ResponsesRequest, read_request, references

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}}


def read(**body: Any) -> ResponsesRequest:
    numbers = count(1)
    return read_request({"input": "hello", **body}, lambda: str(next(numbers)))


def test_a_body_becomes_a_request() -> None:
    asked = read(
        model="a/m:free",
        models=["b/m:free"],
        instructions="Be brief.",
        tools=[{"type": "function", "name": "f"}],
        tool_choice={"type": "function", "name": "f"},
        parallel_tool_calls=False,
        temperature=0.5,
        top_p=None,
        max_output_tokens=9,
        reasoning={"effort": "low", "summary": "auto"},
        text={"format": {"type": "json_schema", "name": "x", "schema": SCHEMA}, "verbosity": "low"},
        include=["message.output_text.logprobs"],
        top_logprobs=2,
        stream=True,
        store=False,
        metadata={"a": "b"},
        client_metadata={"c": "d"},
        odd=1,
        fresh=True,
        nothing=None,
    )
    request = asked.chat()

    assert readable(request).messages == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "hello"},
    ]
    assert (request.model, request.fallback_models) == ("a/m:free", ("b/m:free",))
    assert request.offered == {"f"}
    assert (request.must_call, request.parallel_tool_calls) == ("f", False)
    assert request.parameters == {
        "temperature": 0.5, "max_tokens": 9, "logprobs": True, "top_logprobs": 2,
    }  # fmt: skip
    assert request.reasoning == "low"
    assert request.fresh
    assert request.structured is not None
    assert request.structured.schema == SCHEMA
    assert (asked.stream, asked.store, asked.encrypted) == (True, False, False)
    assert asked.left_out.keys() == {"client_metadata", "odd"}
    assert asked.repeated["text"]["verbosity"] == "low"
    assert asked.repeated["tools"] == [
        {"type": "function", "name": "f", "parameters": {}, "strict": False}
    ]


def test_a_body_needs_no_more_than_an_input() -> None:
    asked = read()
    request = asked.chat()

    assert asked.items == (
        {
            "role": "user",
            "type": "message",
            "content": [{"type": "input_text", "text": "hello"}],
            "id": "msg_1",
        },
    )
    assert (request.tools, request.structured, request.reasoning) == ([], None, None)
    assert (asked.stream, asked.store, asked.previous) == (False, True, None)
    assert asked.repeated["text"] == {"format": {"type": "text"}, "verbosity": None}
    assert asked.repeated["parallel_tool_calls"] is True


def test_items_get_ids_and_instructions_may_be_items() -> None:
    asked = read(
        instructions=[{"role": "developer", "content": "Be brief."}],
        input=[
            {"role": "assistant", "content": "Hi."},
            {"role": "user", "content": [{"type": "input_text", "text": "x"}], "id": "mine"},
            {"type": "function_call_output", "call_id": "c", "output": "y"},
            {"type": "item_reference", "id": "fc_9"},
        ],
    )

    assert [item["id"] for item in asked.items] == ["msg_1", "msg_2", "mine", "item_3", "fc_9"]
    assert asked.items[1]["content"][0]["type"] == "output_text"
    assert asked.repeated["instructions"] is None
    assert references(asked.items) == ["fc_9"]


def test_thoughts_go_back_to_their_writer() -> None:
    details: list[Json] = [{"type": "reasoning.text", "text": "Hm.", "signature": "s"}]
    summary = [{"type": "summary_text", "text": "Hm."}]
    thoughts = {"type": "reasoning", "id": "rs", "summary": summary}
    items = [
        {"role": "user", "content": "x"},
        {**thoughts, "encrypted_content": sign(["a/m:free"], details)},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "y"}]},
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "c", "output": "z"},
        {**thoughts, "encrypted_content": sign(["a/m:free"])},
        {"type": "function_call", "call_id": "d", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "d", "output": "z"},
        {**thoughts, "encrypted_content": "gAAAA", "content": None},
        {"role": "user", "content": "w"},
    ]
    messages = readable(read(input=items).chat()).messages

    first, second = messages[1], messages[3]
    assert first["reasoning_details"] == details
    assert (first["content"], first["model"]) == ("y", ["a/m:free"])
    assert first["tool_calls"][0]["id"] == "c"
    assert (second["reasoning"], second["model"]) == ("Hm.", ["a/m:free"])
    assert "reasoning_details" not in second


def test_a_local_shells_result_tells_only_the_items_id() -> None:
    action = {"type": "exec", "command": ["ls"], "env": {}}
    call = {"type": "local_shell_call", "id": "lsh_1", "call_id": "c1", "action": action}
    outputs = [
        {"type": "local_shell_call_output", "id": ident, "output": "a"} for ident in ("lsh_1", "c1")
    ]
    for output in outputs:
        messages = readable(read(input=[call, output]).chat()).messages
        assert messages[1]["tool_call_id"] == messages[0]["tool_calls"][0]["id"] == "c1"


def test_a_screenshot_is_a_picture() -> None:
    shot = {"type": "computer_screenshot", "image_url": "http://x/y.png"}
    output = {"type": "computer_call_output", "call_id": "c", "output": shot}
    (message,) = readable(read(input=[output]).chat()).messages

    assert {"type": "image_url", "image_url": {"url": "http://x/y.png"}} in message["content"]


def test_the_turns_before_come_first() -> None:
    before = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]
    messages = readable(read(instructions="Be brief.").chat(before)).messages

    assert [message["content"] for message in messages] == ["Be brief.", "a", "b", "hello"]


@pytest.mark.parametrize(
    ("form", "method"),
    [({"type": "json_object"}, "json_mode"), ({"type": "text"}, None), (None, None)],
)
def test_a_form_may_be_plain(form: object, method: object) -> None:
    structured = read(text={"format": form}).chat().structured

    assert (structured and structured.method) == method


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"input": None}, "input must be a text or a list"),
        ({"input": ["x"]}, "input must be a text or a list"),
        ({"background": True}, "background is not served"),
        ({"conversation": "c"}, "conversation is not served"),
        ({"prompt": {"id": "p"}}, "prompt is not served"),
        ({"stream": 1}, "stream must be true or false"),
        ({"store": "no"}, "store must be true or false"),
        ({"previous_response_id": 1}, "previous_response_id must be a text"),
        ({"temperature": "hot"}, "temperature must be a number"),
        ({"top_p": True}, "top_p must be a number"),
        ({"top_logprobs": 1.5}, "top_logprobs must be a whole number"),
        ({"tool_choice": 5}, "tool_choice must be a text or an object"),
        ({"tool_choice": "web"}, "tool_choice 'web' is not known"),
        ({"metadata": []}, "metadata must be an object"),
        ({"include": "x"}, "include must be a list"),
        ({"instructions": 1}, "instructions must be a text or a list"),
        ({"text": 5}, "text must be an object"),
        ({"text": {"format": "x"}}, "text.format is in no known shape"),
        ({"text": {"format": {"type": "json_schema"}}}, "text.format is in no known shape"),
        ({"reasoning": "low"}, "reasoning must be an object"),
        ({"max_output_tokens": 0.5}, "max_output_tokens must be a whole number"),
    ],
)
def test_what_cannot_be_served_is_refused(body: Json, problem: str) -> None:
    with pytest.raises(BadRequest, match=problem):
        read(**body).chat()
    with pytest.raises(BadRequest, match="JSON object"):
        read_request([body], str)
