"""Bodies of Anthropic's Messages API as requests."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freerouter_core import errors
from freerouter_core.wire.history import readable
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.messages.read import read_request
from freerouter_core.wire.messages.signature import read_signature, sign
from freerouter_core.wire.request import ChatRequest

ASK: list[Json] = [{"role": "user", "content": "x"}]
WEATHER: Json = {"name": "weather", "input_schema": {"properties": {"city": {"type": "string"}}}}
CACHED = {"cache_control": {"type": "ephemeral", "ttl": "1h"}}


def read(**body: Any) -> ChatRequest:
    return read_request({"model": "auto", "max_tokens": 9, "messages": ASK, **body}).request


def messages(*conversation: Json, **body: Any) -> list[Json]:
    """The conversation as the wire has it in the end."""
    return [dict(m) for m in readable(read(messages=list(conversation), **body)).messages]


def test_a_body_becomes_a_request() -> None:
    request, stream, thinking = read_request(
        {
            "model": "acme/a:free",
            "max_tokens": 64,
            "system": "Be brief.",
            "messages": ASK,
            "temperature": 0.5,
            "top_p": 0.9,
            "top_k": 5,
            "stop_sequences": ["END"],
            "stream": True,
            "tools": [{**WEATHER, **CACHED, "description": "…", "eager_input_streaming": True}],
            "tool_choice": {"type": "any", "disable_parallel_tool_use": True},
            "metadata": {"user_id": "u"},
            "context_management": {"edits": []},
            "service_tier": "auto",
            "a_field_of_next_year": {"x": 1},
        }
    )

    assert request.messages == [{"role": "system", "content": "Be brief."}, *ASK]
    assert request.model == "acme/a:free"
    assert request.parameters == {
        "temperature": 0.5, "top_p": 0.9, "top_k": 5, "max_tokens": 64, "stop": ["END"],
    }  # fmt: skip
    schema = {"type": "object", "properties": {"city": {"type": "string"}}}
    function = {"name": "weather", "parameters": schema, "description": "…"}
    assert request.tools == [{"type": "function", "function": function}]
    assert (request.tool_choice, request.parallel_tool_calls) == ("required", False)
    assert (stream, thinking) == (True, False)
    assert request.reasoning is None


def test_a_body_needs_no_more_than_messages() -> None:
    request, stream, thinking = read_request({"messages": ASK})

    assert (request.tools, request.model, request.parameters) == ([], None, {})
    assert (stream, thinking) == (False, False)


@pytest.mark.parametrize(
    "body",
    [
        [],
        {"messages": "hello"},
        {"messages": ASK, "model": 7},
        {"messages": ASK, "stream": "yes"},
        {"messages": ASK, "system": 7},
        {"messages": ASK, "max_tokens": 0},
        {"messages": ASK, "max_tokens": True},
        {"messages": ASK, "max_tokens": "9"},
        {"messages": ASK, "stop_sequences": "END"},
        {"messages": ASK, "stop_sequences": [7]},
        {"messages": ASK, "tools": {"name": "f"}},
        {"messages": ASK, "tools": ["f"]},
        {"messages": ASK, "tools": [{"input_schema": {}}]},
        {"messages": ASK, "tools": [{"type": "bash_20250124"}]},
        {"messages": ASK, "tool_choice": "auto"},
        {"messages": ASK, "tool_choice": {"type": "tool"}},
        {"messages": ASK, "tool_choice": {"type": "one"}},
        {"messages": ASK, "thinking": True},
        {"messages": ASK, "thinking": {"budget_tokens": 9}},
        {"messages": ASK, "output_config": {"format": "json"}},
        {"messages": ASK, "output_config": {"format": {"type": "json_object"}}},
        {"messages": ASK, "output_format": {"type": "xml"}},
    ],
)
def test_a_wrong_body_is_refused_with_words(body: object) -> None:
    with pytest.raises(errors.BadRequest):
        read_request(body)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"tools": [{"type": "web_search_20250305", "name": "web_search"}]}, "web_search_20250305"),
        ({"tools": [{"type": "web_fetch_20260318", "name": "web_fetch"}]}, "web_fetch_20260318"),
        ({"tools": [WEATHER, {"type": "code_execution_20260521", "name": "c"}]}, "code_execution"),
        ({"tools": [{"type": "computer_20250124", "name": "computer"}]}, "computer_20250124"),
        ({"tools": [{"type": "mcp_toolset", "mcp_server_name": "x"}]}, "mcp_toolset"),
        ({"mcp_servers": [{"type": "url", "url": "https://x.test"}]}, "mcp_servers"),
        ({"container": {"skills": []}}, "container"),
        ({"inference_geo": "us"}, "inference_geo"),
    ],
)
def test_what_runs_at_anthropic_is_refused_by_name(fields: Json, named: str) -> None:
    with pytest.raises(errors.BadRequest, match=named):
        read(**fields)


def test_fields_that_ask_for_nothing_are_no_matter() -> None:
    read(mcp_servers=[], container=None, inference_geo="global", tools=None, system="")


@pytest.mark.parametrize(
    ("kind", "name", "required"),
    [
        ("bash_20250124", "bash", []),
        ("text_editor_20250728", "str_replace_based_edit_tool", ["command", "path"]),
        ("memory_20250818", "memory", ["command"]),
    ],
)
def test_tools_of_anthropics_that_run_at_the_caller_get_their_schema(
    kind: str, name: str, required: list[str]
) -> None:
    (tool,) = read(tools=[{"type": kind, "name": name, "max_characters": 9}]).tools

    assert tool["function"]["name"] == name
    assert tool["function"]["description"]
    assert "command" in tool["function"]["parameters"]["properties"]
    assert tool["function"]["parameters"]["required"] == required


@pytest.mark.parametrize(
    ("choice", "wanted", "parallel"),
    [
        (None, None, None),
        ({"type": "auto"}, "auto", None),
        ({"type": "auto", "disable_parallel_tool_use": False}, "auto", None),
        ({"type": "none"}, "none", None),
        ({"type": "any"}, "required", None),
        (
            {"type": "tool", "name": "weather", "disable_parallel_tool_use": True},
            {"type": "function", "function": {"name": "weather"}},
            False,
        ),
    ],
)
def test_choices_of_a_tool(choice: Json | None, wanted: object, parallel: bool | None) -> None:
    request = read(tools=[WEATHER], tool_choice=choice)
    without = read(tool_choice=choice)

    assert (request.tool_choice, request.parallel_tool_calls) == (wanted, parallel)
    assert (without.tool_choice, without.parallel_tool_calls) == (None, None)


@pytest.mark.parametrize(
    ("fields", "reasoning", "shown"),
    [
        ({}, None, False),
        ({"output_config": {"effort": "low"}}, None, False),
        ({"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}, False, False),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_048}}, {"max_tokens": 2_048}, True),
        ({"thinking": {"type": "enabled"}}, True, True),
        ({"thinking": {"type": "adaptive"}}, True, True),
        ({"thinking": {"type": "adaptive", "display": "omitted"}}, True, False),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "xhigh"}}, "xhigh", True),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "odd"}}, True, True),
        ({"thinking": {"type": "adaptive"}, "output_config": 7}, True, True),
    ],
)
def test_thinking_is_a_wish_and_thoughts_are_shown_to_who_asked(
    fields: Json, reasoning: object, shown: bool
) -> None:
    request, _, thinking = read_request({"messages": ASK, **fields})

    assert request.reasoning == reasoning
    assert thinking is shown


@pytest.mark.parametrize("place", ["output_config", "output_format"])
def test_structured_output(place: str) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    wanted = {"type": "json_schema", "schema": schema}
    structured = read(
        **{place: {"format": wanted} if place == "output_config" else wanted}
    ).structured

    assert structured is not None
    assert structured.schema == schema


# -- what is said ----------------------------------------------------------------------------------


def test_a_system_of_blocks_has_no_marks_and_no_attribution() -> None:
    system = [
        {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.80; cch=00000;"},
        {"type": "text", "text": "You are Claude Code.", **CACHED},
        {"type": "text", "text": ""},
        {"type": "text", "text": "Be brief.", **CACHED},
    ]

    head = messages(*ASK, system=system)[0]

    assert head == {"role": "system", "content": "You are Claude Code.\nBe brief."}


def test_a_system_message_in_the_middle_becomes_the_users() -> None:
    """Claude Code 2.1.154 and later (QwenLM/Qwen#2244, anthropics/claude-code#77698)."""
    reminder = {"role": "system", "content": "New agents are listed."}
    blocks = {"role": "system", "content": [{"type": "text", "text": "And skills.", **CACHED}]}
    answer = {"role": "assistant", "content": "y"}

    read = messages({"role": "system", "content": "First."}, *ASK, reminder, blocks, answer, blocks)

    assert [message["role"] for message in read] == ["system", "user", "assistant", "user"]
    assert read[1]["content"] == (
        "x\n<system-reminder>\nNew agents are listed.\n</system-reminder>"
        "\n<system-reminder>\nAnd skills.\n</system-reminder>"
    )
    assert read[3]["content"] == "<system-reminder>\nAnd skills.\n</system-reminder>"
    with pytest.raises(errors.BadRequest):
        messages("odd", reminder)  # type: ignore[arg-type]


WARM = {"type": "text", "text": "warm"}


def test_parallel_calls_and_their_results_stand_as_the_wire_wants_them() -> None:
    calls = [
        {"type": "tool_use", "id": f"toolu_{n}", "name": "weather", "input": {"city": n}}
        for n in "ab"
    ]
    results = [
        {"type": "text", "text": "<system-reminder>hurry</system-reminder>"},
        {"type": "tool_result", "tool_use_id": "toolu_b", "content": "cold", **CACHED},
        {
            "type": "tool_result",
            "tool_use_id": "toolu_a",
            "content": [{"type": "text", "text": "warm"}],
        },
        {"type": "text", "text": "go on"},
    ]

    read = messages(
        *ASK,
        {"role": "assistant", "content": [{"type": "text", "text": ""}, *calls]},
        {"role": "user", "content": results},
        tools=[WEATHER],
    )

    assert [message["role"] for message in read] == ["user", "assistant", "tool", "tool", "user"]
    assert [c["id"] for c in read[1]["tool_calls"]] == ["toolu_a", "toolu_b"]
    assert json.loads(read[1]["tool_calls"][0]["function"]["arguments"]) == {"city": "a"}
    assert {m["tool_call_id"]: m["content"] for m in read[2:4]} == {
        "toolu_b": "cold",
        "toolu_a": "warm",
    }
    assert read[4]["content"] == "<system-reminder>hurry</system-reminder>\ngo on"


PDF = "data:application/pdf"
PICTURE: Json = {
    "type": "image",
    "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"},
}


@pytest.mark.parametrize(
    ("block", "part"),
    [
        (PICTURE, {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}),
        (
            {"type": "image", "source": {"type": "url", "url": "https://x.test/a.png"}, **CACHED},
            {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
        ),
        (
            {
                "type": "document",
                "title": "a.pdf",
                "source": {"type": "base64", "media_type": "application/pdf", "data": "AAAA"},
                "citations": {"enabled": True},
            },
            {"type": "file", "file": {"filename": "a.pdf", "file_data": f"{PDF};base64,AAAA"}},
        ),
        (
            {"type": "document", "title": "t", "source": {"type": "text", "data": "abc"}},
            {"type": "text", "text": "[File t]\nabc"},
        ),
    ],
)
def test_pictures_and_documents(block: Json, part: Json) -> None:
    (message,) = messages({"role": "user", "content": [{"type": "text", "text": "see"}, block]})

    content = message["content"]
    assert (content[-1] == part) if isinstance(content, list) else (part["text"] in content)


def test_a_picture_in_a_tools_result_is_kept() -> None:
    """CommandCodeAI/command-code#850, raine/claude-code-proxy#59."""
    result = {"type": "tool_result", "tool_use_id": "t", "content": [PICTURE]}
    call = {"type": "tool_use", "id": "t", "name": "weather", "input": {}}

    read = messages(
        *ASK, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}
    )

    assert read[-1]["role"] == "tool"
    assert read[-1]["content"][0]["type"] == "image_url"


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "Error: the tool failed"),
        ("", "Error: the tool failed"),
        ("no such city", "Error: no such city"),
        ("Permission denied", "Permission denied"),
        ([{"type": "text", "text": "no such city"}], "Error:\nno such city"),
        ([{"type": "text", "text": "It failed."}], "It failed."),
        ({"type": "text", "text": "no such city"}, "Error:\nno such city"),
    ],
)
def test_a_result_that_is_an_error_says_so(content: object, told: str) -> None:
    call = {"type": "tool_use", "id": "t", "name": "weather", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": content}

    read = messages(
        *ASK, {"role": "assistant", "content": [call]}, {"role": "user", "content": [result]}
    )

    assert read[-1] == {"role": "tool", "tool_call_id": "t", "content": told}


def test_what_is_no_block_and_no_message_is_judged_where_all_are() -> None:
    assert messages({"role": "user", "content": ["plain"]})[0]["content"] == "plain"
    with pytest.raises(errors.BadRequest):
        readable(read(messages=["odd"]))
    with pytest.raises(errors.BadRequest):
        readable(read(messages=[{"role": "wizard", "content": "x"}]))


# -- thoughts --------------------------------------------------------------------------------------


def thought(signature: object) -> Json:
    blocks = [
        {"type": "redacted_thinking", "data": "…"},
        {"type": "thinking", "thinking": "Hm.", "signature": signature},
        {"type": "text", "text": "Yes."},
    ]
    return messages(*ASK, {"role": "assistant", "content": blocks}, *ASK)[1]


DETAILS: list[Json] = [{"type": "reasoning.encrypted", "data": "§"}]


def test_our_signature_says_whose_the_thoughts_are() -> None:
    assert thought(sign(["acme/a", "a"], DETAILS)) == {
        "role": "assistant",
        "content": "Yes.",
        "reasoning": "Hm.",
        "reasoning_details": DETAILS,
        "model": ["acme/a", "a"],
    }
    assert "reasoning_details" not in thought(sign(["acme/a"]))


@pytest.mark.parametrize(
    "signature",
    [None, 7, "", "EqQBCkYIBxgC", "fr1.", "fr1.%%%", "fr1.bm9uZQ==", "fr1.W10=", "fr1.e30=",
     "fr1.eyJtb2RlbCI6N30=", "fr1." + "A" * 70_000],
)  # fmt: skip
def test_any_other_signature_is_tolerated(signature: object) -> None:
    assert thought(signature) == {"role": "assistant", "content": "Yes.", "reasoning": "Hm."}


def test_long_details_are_not_kept() -> None:
    names, details = read_signature(sign(["a"], [{"data": "x" * 100_000}]))

    assert (names, details) == (["a"], ())
