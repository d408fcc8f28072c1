"""Answers of every recorded shape, over HTTP, as the messages of both frameworks.

The bodies in `tests/answers` were written for these tests, after the shapes of real ones.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
from langchain_core.messages import AIMessage
from llama_index.core.base.llms.types import (
    ChatMessage,
    ChatResponse,
    ImageBlock,
    TextBlock,
    ThinkingBlock,
    ToolCallBlock,
)

from freerouter_core import Provider
from freerouter_core.wire.message import ReasoningDetails
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

from ..frameworks import (
    chunks_of,
    collect,
    langchain_weather,
    llamaindex_weather,
    merged,
    raw_of,
)

ANSWERS = Path(__file__).parents[1] / "answers"
URL = "https://recorded.invalid/api/v1"
THOUGHT = "Both cities are asked for."
DETAILS = [
    {
        "type": "reasoning.text",
        "text": THOUGHT,
        "signature": "c2ln",
        "format": "anthropic-claude-v1",
        "index": 0,
    },
    {"type": "reasoning.encrypted", "data": "ZW5j", "format": "anthropic-claude-v1", "index": 1},
]
SOURCE = {
    "type": "url_citation",
    "url_citation": {
        "url": "https://bridge.example/history",
        "title": "History",
        "start_index": 4,
        "end_index": 25,
        "content": "opened in 1998",
    },
}
CITED: dict[str, Any] = {
    "text": "The bridge opened in 1998 [1].",
    "finish": ("stop", "STOP"),
    "tokens": (9, 8),
    "model": "acme/seer:free",
    "upstream": "South",
    "sources": [SOURCE],
}
EXPECTED: dict[str, dict[str, Any]] = {
    "tools_and_thoughts": {
        "text": "",
        "thought": THOUGHT,
        "details": DETAILS,
        "calls": [("toolu_1", "Köln"), ("toolu_2", "Łódź")],
        "finish": ("tool_calls", "tool_use"),
        "tokens": (120, 45),
        "model": "acme/thinker:free",
        "upstream": "North",
        "id": "gen-2001",
        "cached": 64,
        "reasoned": 21,
    },
    "citations_and_picture": CITED,
    "whole_call_without_index": {
        "text": "I look. ",
        "calls": [("c1", "Köln"), ("c2", "Łódź")],
        "finish": ("stop", "stop"),
        "tokens": (9, 8),
        "model": "acme/thinker:free",
        "upstream": "North",
    },
    "citations_null_after_stop": CITED,
    "cut_by_length_no_done": {
        "text": "One, two, three",
        "finish": ("length", "MAX_TOKENS"),
        "tokens": (9, 4),
        "model": "acme/thinker:free",
        "upstream": "North",
    },
}
FILES = sorted(path.name for path in ANSWERS.iterdir() if path.stem in EXPECTED)


OPTIONS: dict[str, Any] = {
    "model": "acme/named:free",
    "fallback_models": (),
    "providers": [Provider("openrouter", URL, "sk-x", limits=[])],
}


@pytest.fixture(params=FILES)
def recorded(request: pytest.FixtureRequest) -> Iterator[str]:
    """A server that gives one recorded answer to every request."""
    body = (ANSWERS / request.param).read_bytes()
    kind = "text/event-stream" if request.param.endswith(".sse") else "application/json"
    with respx.mock(assert_all_called=False) as server:
        server.get(f"{URL}/models").mock(
            httpx.Response(200, json={"data": [{"id": "acme/named:free"}]})
        )
        server.post(f"{URL}/chat/completions").mock(
            httpx.Response(200, content=body, headers={"content-type": kind})
        )
        yield request.param


def test_langchain_messages_hold_all_of_a_recorded_answer(recorded: str) -> None:
    llm = ChatFreeRouter(**OPTIONS).bind_tools([langchain_weather])
    if recorded.endswith(".json"):
        messages = [llm.invoke("x"), asyncio.run(llm.ainvoke("x"))]
    else:
        streams = [
            chunks_of(llm.stream("x")),
            chunks_of(asyncio.run(collect(llm.astream("x")))),
        ]
        for chunks in streams:
            assert sum("model_name" in c.response_metadata for c in chunks) == 1
            assert sum(c.usage_metadata is not None for c in chunks) == 1
            assert all(
                isinstance(piece["index"], int) for c in chunks for piece in c.tool_call_chunks
            )
        messages = [*map(merged, streams)]
    for message in messages:
        check_langchain(message, EXPECTED[Path(recorded).stem])


def check_langchain(message: AIMessage, expected: dict[str, Any]) -> None:
    metadata, usage = message.response_metadata, message.usage_metadata
    assert usage is not None
    assert message.content == expected["text"]
    assert message.additional_kwargs.get("reasoning_content", "") == expected.get("thought", "")
    assert message.additional_kwargs.get("reasoning_details", []) == expected.get("details", [])
    calls = [
        {"type": "tool_call", "id": i, "name": "get_weather", "args": {"city": c}}
        for i, c in expected.get("calls", [])
    ]
    assert message.tool_calls == calls
    assert not message.invalid_tool_calls
    assert (metadata["finish_reason"], metadata["native_finish_reason"]) == expected["finish"]
    assert (metadata["model_name"], metadata["upstream_provider"], metadata["cost"]) == (
        expected["model"],
        expected["upstream"],
        0,
    )
    assert (usage["input_tokens"], usage["output_tokens"]) == expected["tokens"]
    assert usage.get("input_token_details", {}).get("cache_read", 0) == expected.get("cached", 0)
    assert usage.get("output_token_details", {}).get("reasoning", 0) == expected.get("reasoned", 0)
    assert message.additional_kwargs.get("annotations", []) == expected.get("sources", [])
    blocks = [block["type"] for block in message.content_blocks]
    counts = {
        "reasoning": "thought" in expected,
        "text": bool(expected["text"]),
        "image": len(message.additional_kwargs.get("images", ())),
        "tool_call": len(calls),
    }
    assert blocks == [kind for kind, count in counts.items() for _ in range(count)]


def test_llamaindex_responses_hold_all_of_a_recorded_answer(recorded: str) -> None:
    llm = FreeRouter(**OPTIONS)
    kwargs = llm._prepare_chat_with_tools(
        [llamaindex_weather],
        "x",
        allow_parallel_tool_calls=True,
    )
    if recorded.endswith(".json"):
        answers = [llm.chat(**kwargs), asyncio.run(llm.achat(**kwargs))]
    else:

        async def run() -> list[ChatResponse]:
            return await collect(await llm.astream_chat(**kwargs))

        streams = [list(llm.stream_chat(**kwargs)), asyncio.run(run())]
        for responses in streams:
            assert "".join(str(r.delta) for r in responses) == EXPECTED[Path(recorded).stem]["text"]
        answers = [responses[-1] for responses in streams]
    for response in answers:
        check_llamaindex(response, EXPECTED[Path(recorded).stem])


def check_llamaindex(response: ChatResponse, expected: dict[str, Any]) -> None:
    blocks = response.message.blocks
    raw = raw_of(response)
    metadata = raw["freerouter"]
    assert (response.message.content or "") == expected["text"]
    thoughts = [block for block in blocks if isinstance(block, ThinkingBlock)]
    assert [(t.content, t.additional_information["reasoning_details"]) for t in thoughts] == (
        [(expected["thought"], expected["details"])] if "thought" in expected else []
    )
    calls = [
        (block.tool_call_id, block.tool_kwargs)
        for block in blocks
        if isinstance(block, ToolCallBlock)
    ]
    assert calls == [(i, {"city": city}) for i, city in expected.get("calls", [])]
    assert (
        raw["choices"][0]["finish_reason"],
        raw["choices"][0]["native_finish_reason"],
    ) == expected["finish"]
    assert (metadata["model_name"], metadata["upstream_provider"], metadata["cost"]) == (
        expected["model"],
        expected["upstream"],
        0,
    )
    assert (raw["usage"]["prompt_tokens"], raw["usage"]["completion_tokens"]) == expected["tokens"]
    assert response.message.additional_kwargs.get("annotations", []) == expected.get("sources", [])
    assert len([b for b in blocks if isinstance(b, TextBlock)]) == bool(expected["text"])
    assert all(b.resolve_image().read() == b"hi" for b in blocks if isinstance(b, ImageBlock))


def test_a_reply_to_a_turn_of_thoughts_carries_them_back() -> None:
    """OpenRouter wants them unchanged, with the results of the tools, for the same model."""
    body = (ANSWERS / "tools_and_thoughts.json").read_bytes()
    with respx.mock(assert_all_called=False) as server:
        server.get(f"{URL}/models").mock(
            httpx.Response(200, json={"data": [{"id": "acme/named:free"}]})
        )
        route = server.post(f"{URL}/chat/completions").mock(
            httpx.Response(200, content=body, headers={"content-type": "application/json"})
        )
        message = ChatFreeRouter(**OPTIONS).bind_tools([langchain_weather]).invoke("x")
        results = [
            langchain_weather.invoke({**call, "type": "tool_call"}) for call in message.tool_calls
        ]
        ChatFreeRouter(**OPTIONS).bind_tools([langchain_weather]).invoke(["x", message, *results])
        response = FreeRouter(**OPTIONS).chat(
            [ChatMessage("x")],
            tools=[
                {
                    "type": "function",
                    "function": {
                        "name": "get_weather",
                        "parameters": {"type": "object", "properties": {}},
                    },
                }
            ],
        )
        answers = [
            ChatMessage(role="tool", content="21", additional_kwargs={"tool_call_id": i})
            for i in ("toolu_1", "toolu_2")
        ]
        FreeRouter(**OPTIONS).chat(
            [ChatMessage("x"), response.message, *answers],
            tools=[
                {
                    "type": "function",
                    "function": {
                        "name": "get_weather",
                        "parameters": {"type": "object", "properties": {}},
                    },
                }
            ],
        )

    for n in (1, 3):
        sent = json.loads(route.calls[n].request.content)["messages"]
        assert sent[1]["reasoning_details"] == DETAILS
        assert [m["tool_call_id"] for m in sent[2:]] == ["toolu_1", "toolu_2"]


def test_signed_thoughts_stay_apart() -> None:
    text = {"type": "reasoning.text", "index": 0}
    stream = [
        text | {"text": "A1 "},
        text | {"text": "A2"},
        text | {"signature": "s1"},
        text | {"text": "B1", "index": 1},
        text | {"signature": "s2", "index": 1},
    ]

    merged = ReasoningDetails()
    merged.add(stream)
    assert [(d["text"], d["signature"]) for d in merged.merged()] == [
        ("A1 A2", "s1"),
        ("B1", "s2"),
    ]
