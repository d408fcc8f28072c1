"""Requests that ask the same have one canonical form, and requests that do not have two."""

from __future__ import annotations

from collections.abc import Callable
from types import MappingProxyType
from typing import Any

import pytest

from freerouter_core.wire.canonical import canonical, canonical_text
from freerouter_core.wire.request import ChatRequest
from freerouter_core.wire.structured import Structured

TOOL = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
PICTURE = {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}}


def form(content: Any = "hi", **fields: Any) -> str:
    return canonical_text(canonical(ChatRequest([{"role": "user", "content": content}], **fields)))


def talk(*messages: dict[str, Any]) -> str:
    return canonical_text(canonical(ChatRequest(list(messages))))


USER = {"role": "user", "content": "a"}


def called(ident: str, arguments: str = '{"a": 1, "b": 2}') -> tuple[dict[str, Any], ...]:
    call = {"id": ident, "function": {"name": "look", "arguments": arguments}, "type": "function"}
    return (
        {"role": "user", "content": "look"},
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": ident, "content": "seen"},
    )


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (form("hi"), form([{"type": "text", "text": "hi"}])),
        (form("hi"), form({"type": "text", "text": "hi"})),
        (form("hi"), form([{"type": "input_text", "text": "hi"}])),
        (
            form("hi"),
            form([{"text": "hi", "type": "text", "cache_control": {"type": "ephemeral"}}]),
        ),
        (form([PICTURE]), form([{**PICTURE, "cache_control": {"type": "ephemeral"}}])),
        (
            talk({"role": "System", "content": ["be brief"]}, {"role": "user", "content": "hi"}),
            talk({"content": "be brief", "role": "system"}, {"type": "human", "content": "hi"}),
        ),
        (
            talk(
                {"role": "user", "content": "a"}, {"role": "assistant", "content": "b", "id": "m1"}
            ),
            talk({"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}),
        ),
        (
            talk(
                USER, {"role": "assistant", "content": "b", "cache_control": {"type": "ephemeral"}}
            ),
            talk(USER, {"role": "assistant", "content": "b"}),
        ),
        (talk(*called("call_1")), talk(*called("toolu_77"))),
        (talk(*called("a"), *called("b")), talk(*called("c"), *called("c"))),
        (talk(*called("a")), talk(*called("a", '{"b":2,"a":1}'))),
        (form(parameters={"temperature": 0}), form(parameters={"temperature": 0.0})),
        (form(parameters={"temperature": 0.5}), form(extra_body={"temperature": 0.5})),
        (
            form(parameters={"temperature": 1}, extra_body={"temperature": 0}),
            form(parameters={"temperature": 0}),
        ),
        (form(parameters={"stop": "x", "seed": None}), form(parameters={"stop": ["x"]})),
        (form(parameters={"stop": []}), form()),
        (form(extra_body={"top_k": None, "stream": True}), form()),
        (form(reasoning=True), form(reasoning={"enabled": True, "effort": None})),
        (form(reasoning="high"), form(reasoning={"effort": "high"})),
        (form(tools=[TOOL]), form(tools=[dict(reversed(TOOL.items()))], tool_choice="auto")),
        (
            form(tools=[TOOL]),
            form(tools=[{"name": "look", "input_schema": {"type": "object"}}]),
        ),
        (
            form(tools=[TOOL]),
            form(tools=[{**TOOL, "strict": None, "cache_control": {"type": "ephemeral"}}]),
        ),
        (form(), form(tool_choice="none")),
        (
            form(structured=Structured({"a": 1, "b": 2})),
            form(structured=Structured({"b": 2, "a": 1})),
        ),
        (form(), form(model="a/b:free", timeout=3.0, validate=print, label="x", replaces=True)),
    ],
)
def test_what_cannot_change_the_answer_changes_nothing(one: str, other: str) -> None:
    assert one == other


def test_each_of_these_is_another_request() -> None:
    forms = [
        form("hi"),
        form("hi "),
        form([PICTURE]),
        form([{"type": "text", "text": "hi"}, PICTURE]),
        form([PICTURE, {"type": "text", "text": "hi"}]),
        talk({"role": "user", "name": "ada", "content": "hi"}),
        talk({"role": "system", "content": "hi"}, {"role": "user", "content": "hi"}),
        talk(*called("a")),
        talk(*called("a", '{"a": 1, "b": 3}')),
        talk(*called("a", '{"a": 1, "b": 2.0}')),
        form(parameters={"temperature": 0}),
        form(parameters={"temperature": 0.7}),
        form(parameters={"temperature": True}),
        form(parameters={"stop": ["a", "b"]}),
        form(parameters={"stop": ["b", "a"]}),
        form(extra_body={"unheard_of": None}),
        form(extra_body={"user": "ada"}),
        form(reasoning=True),
        form(reasoning=False),
        form(reasoning="high"),
        form(reasoning={"effort": "high", "exclude": True}),
        form(tools=[TOOL]),
        form(tools=[TOOL], tool_choice="required"),
        form(tools=[TOOL], parallel_tool_calls=False),
        form(tools=[TOOL, {"type": "function", "function": {"name": "hear"}}]),
        form(tools=[{"type": "function", "function": {"name": "hear"}}, TOOL]),
        form(tools=[{"type": "web_search"}]),
        form(structured=Structured(SCHEMA)),
        form(structured=Structured(SCHEMA, lax=True)),
        form(structured=Structured(SCHEMA, method="json_mode")),
        form(structured=Structured({**SCHEMA, "default": None})),
        form(structured=Structured(None)),
    ]
    assert len(set(forms)) == len(forms)


def test_results_of_two_calls_may_not_be_exchanged() -> None:
    def turn(first: str, second: str) -> str:
        calls = [
            {"id": ident, "function": {"name": "look", "arguments": "{}"}} for ident in ("a", "b")
        ]
        results = [{"role": "tool", "tool_call_id": i, "content": i} for i in (first, second)]
        contents = ("x", "y")
        return talk(
            {"role": "user", "content": "look"},
            {"role": "assistant", "tool_calls": calls},
            *({**r, "content": c} for r, c in zip(results, contents, strict=True)),
        )

    assert turn("a", "b") != turn("b", "a")


def test_arguments_that_are_longer_than_what_is_read_count_as_text() -> None:
    def long(end: str) -> str:
        items = ",".join(["1"] * 99_000)
        return talk(*called("a", f'{{"a":[{items},{end}]}}'))

    assert long("1") != long("2")


def test_keys_that_are_no_text_are_those_of_the_wire() -> None:
    assert canonical_text({1: "a", "b": 2}) == '{"1":"a","b":2}'


def test_any_mapping_is_an_object() -> None:
    assert canonical_text(MappingProxyType({"a": 1})) == '{"a":1}'


def test_what_json_has_no_form_for_has_no_canonical_text() -> None:
    unwritable: Callable[[], str] = lambda: canonical_text({"a": object()})  # noqa: E731
    with pytest.raises(TypeError, match="a object has no form in JSON"):
        unwritable()
