"""Tool names that the wire does not allow, there and back."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core import ChatRequest, Structured
from freerouter_core.catalogue.model import Model
from freerouter_core.catalogue.providers import Account
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.body import build_body
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.tool_calls import ToolCall
from freerouter_core.wire.tool_names import (
    answer_with_own_names,
    own_names,
    rename_speakers,
    sent_name,
    speaker_name,
)

NAMES = ["add", "math.add", "乘法", "3d", "files/read", "-x", "a" * 65]
USER: Json = {"role": "user", "content": "x"}


def tool(name: str) -> Json:
    return {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}


def request(**fields: object) -> ChatRequest:
    return ChatRequest([USER], [tool(name) for name in NAMES]).but(**fields)


@given(st.lists(st.text(max_size=80), max_size=6, unique=True))
def test_every_name_is_accepted_and_no_two_become_one(names: list[str]) -> None:
    sent = [sent_name(name) for name in names]

    assert all(re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,63}", name) for name in sent)
    assert len(set(sent)) == len(names)
    assert [sent_name(name) for name in sent] == sent


def test_tools_choices_calls_and_results_are_renamed_alike() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "math.add", "arguments": "{}"}}
    turn = {"role": "assistant", "content": None, "tool_calls": [call]}
    asked = request(
        messages=[USER, turn, {"role": "tool", "tool_call_id": "c", "content": "3"}],
        tool_choice={"type": "function", "function": {"name": "乘法"}},
    )
    account = Account("gemini", "https://h/v1", "k")
    body, _ = build_body(asked, Model("gemini-3-flash", "gemini"), account)

    assert [t["function"]["name"] for t in body["tools"]] == [sent_name(name) for name in NAMES]
    assert body["tool_choice"]["function"]["name"] == sent_name("乘法")
    assert body["messages"][1]["tool_calls"][0]["function"]["name"] == sent_name("math.add")
    assert body["messages"][2]["name"] == sent_name("math.add")
    assert "math.add" in str(call), "the caller's own call was changed"


def test_what_comes_back_has_the_callers_own_names() -> None:
    names = own_names(request(structured=Structured({"type": "object"}, name="3d")))
    calls = tuple(ToolCall("c", sent_name(name), "{}") for name in [*NAMES, "other"])

    assert [c.name for c in answer_with_own_names(Answer(tool_calls=calls), names).tool_calls] == [
        *NAMES,
        "other",
    ]


def test_what_needs_no_change_stays_the_same_object() -> None:
    answer = Answer("x")

    assert answer_with_own_names(answer, {"a": "b"}) is answer
    assert own_names(ChatRequest([USER], [tool("add")])) == {}


def test_a_tool_without_a_function_goes_as_it_is() -> None:
    asked = ChatRequest([USER], [{"type": "odd"}])
    body, _ = build_body(asked, Model("m", "x"), Account("x", "https://h", "k"))

    assert body["tools"] == [{"type": "odd"}]


@pytest.mark.parametrize(
    ("name", "sent"),
    [
        ("agent-1", "agent-1"),
        ("1st_agent", "1st_agent"),
        ("Jörg <x>", "J_rg_x"),
        ("Bob Smith", "Bob_Smith"),
        ("a|b\\c/d", "a_b_c_d"),
        ("x" * 70, "x" * 64),
        ("", sent_name("")),
        ("李", sent_name("李")),
    ],
)
def test_who_says_a_message_has_a_name_that_servers_accept(name: str, sent: str) -> None:
    assert speaker_name(name) == sent
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", sent)


def test_only_those_who_speak_are_renamed() -> None:
    messages: list[Json] = [
        {"role": "user", "content": "x", "name": "Jörg"},
        {"role": "tool", "content": "x", "name": "look up", "tool_call_id": "1"},
        {"role": "user", "content": "x", "name": None},
        {"role": "user", "content": "x"},
    ]
    body: Json = {"messages": messages}
    rename_speakers(body)

    assert [message.get("name") for message in body["messages"]] == ["J_rg", "look up", None, None]
    assert messages[0]["name"] == "Jörg", "the caller's own are never changed"
    plain: Json = {"messages": messages[2:]}
    rename_speakers(plain)
    assert plain["messages"] == messages[2:]
