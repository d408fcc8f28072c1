"""A key that a server quotes in pieces, in what a model thinks, is shown to nobody."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx
import pytest

from freerouter_core import Router
from langchain_freerouter import ChatFreeRouter
from llamaindex_freerouter import FreeRouter

from ..scripted import KEY, scripted_router

Says = Callable[[str], dict[str, Any]]
"""The delta in which a piece of what a model thinks comes."""
FIELDS: dict[str, Says] = {
    "reasoning": lambda piece: {"reasoning": piece},
    "reasoning_content": lambda piece: {"reasoning_content": piece},
    "details": lambda piece: {
        "reasoning_details": [{"type": "reasoning.text", "text": piece, "index": 0}]
    },
    "content": lambda piece: {"content": [{"type": "thinking", "thinking": piece}]},
}
HELLO: Any = {"model": "auto", "messages": [{"role": "user", "content": "hello"}]}


def streamed(*deltas: dict[str, Any]) -> httpx.Response:
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks]
    text = "".join([*lines, "data: [DONE]\n\n"])
    return httpx.Response(200, text=text, headers={"content-type": "text/event-stream"})


def thinking(field: str, size: int) -> Router:
    """A router whose model thinks of its key, in pieces of that size, and says "hello"."""
    thought = f"I was sent {KEY}. So"
    pieces = [thought[n : n + size] for n in range(0, len(thought), size)]
    if field == "tags":
        deltas = [{"content": piece} for piece in ["<think>", *pieces, "</think>"]]
    else:
        deltas = [FIELDS[field](piece) for piece in pieces]
    return scripted_router(streamed(*deltas, {"content": "hello"}))


def by_router(router: Router) -> tuple[str, str, str]:
    deltas = list(router.stream("x"))
    details = [detail["text"] for delta in deltas for detail in delta.reasoning_details]
    thought = "".join(delta.reasoning for delta in deltas)
    return "".join(delta.text for delta in deltas), thought, "".join(details) + repr(deltas)


def by_langchain(router: Router) -> tuple[str, str, str]:
    whole = None
    for chunk in ChatFreeRouter(router=router).stream("x"):
        whole = chunk if whole is None else whole + chunk
    assert whole is not None
    thoughts = [b["reasoning"] for b in whole.content_blocks if b["type"] == "reasoning"]
    return whole.text, "".join(thoughts), repr(whole)


def by_llamaindex(router: Router) -> tuple[str, str, str]:
    *_, last = FreeRouter(router=router).stream_complete("x")
    return last.text, "I was sent [key]. So", repr(last)


def by_chat_completions(router: Router) -> tuple[str, str, str]:
    stream = router.openai_client().chat.completions.create(**HELLO, stream=True)
    deltas = [chunk.choices[0].delta.model_dump() for chunk in stream if chunk.choices]
    details = [one["text"] for d in deltas for one in d.get("reasoning_details") or ()]
    text = "".join(delta["content"] or "" for delta in deltas)
    return text, "".join(d.get("reasoning") or "" for d in deltas), "".join(details)


def by_responses(router: Router) -> tuple[str, str, str]:
    events = list(router.openai_client().responses.create(model="auto", input="x", stream=True))
    done = [one.text for one in events if one.type == "response.reasoning_summary_text.done"]
    parts = [one.delta for one in events if one.type == "response.reasoning_summary_text.delta"]
    said = [one.delta for one in events if one.type == "response.output_text.delta"]
    assert "".join(parts) == "".join(done)
    return "".join(said), "".join(done), repr(events)


@pytest.mark.parametrize(
    "read", [by_router, by_langchain, by_llamaindex, by_chat_completions, by_responses]
)
@pytest.mark.parametrize("size", [1, 3, 7, 11])
@pytest.mark.parametrize("field", [*FIELDS, "tags"])
def test_reasoning_in_pieces_shows_no_key(
    field: str, size: int, read: Callable[[Router], tuple[str, str, str]]
) -> None:
    text, thought, further = read(thinking(field, size))

    assert text == "hello"
    assert thought.startswith("I was sent ")
    assert thought.endswith("[key]. So")
    for shown in (thought, further):
        assert KEY not in shown
        assert KEY[3:] not in shown
