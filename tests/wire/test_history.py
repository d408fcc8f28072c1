"""Conversations from anywhere, as messages that strict servers take."""

from __future__ import annotations

import copy
from datetime import date
from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core import ChatRequest, errors
from freerouter_core.simulator.request_validation import validation_error
from freerouter_core.wire.history import NO_OUTPUT, NO_TEXT, read_messages, readable
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.tool_pairing import CALL_NOT_RUN

USER: Json = {"role": "user", "content": "x"}


def call(ident: str = "c1", name: str = "f", arguments: str = '{"a": 1}') -> Json:
    return {"id": ident, "type": "function", "function": {"name": name, "arguments": arguments}}


def turn(*calls: Json, content: str | None = None) -> Json:
    return {"role": "assistant", "content": content, "tool_calls": list(calls)}


def result(content: Any = "3", ident: str = "c1") -> Json:
    return {"role": "tool", "tool_call_id": ident, "content": content}


CALLED = [USER, turn(call()), result()]

HISTORIES: list[tuple[str, list[Any], list[Json]]] = [
    ("what the wire takes already", [{"role": "system", "content": "s"}, USER],
     [{"role": "system", "content": "s"}, USER]),
    ("OpenAI's own, with every field of an answer",
     [USER, {"role": "assistant", "content": None, "refusal": None, "annotations": [],
             "audio": None, "function_call": None, "tool_calls": [call()]}, result()], CALLED),
    ("an answer with an empty list of calls (AI SDK)",
     [USER, {"role": "assistant", "content": "y", "tool_calls": [], "id": "m1"}, USER],
     [USER, {"role": "assistant", "content": "y"}, USER]),
    ("thoughts that a client echoes",
     [USER, {"role": "assistant", "content": "y", "reasoning_content": "hm"}, USER],
     [USER, {"role": "assistant", "content": "y", "reasoning": "hm"}, USER]),
    ("the AI SDK's page: a call with its result in it",
     [USER, {"role": "assistant", "parts": [
         {"type": "step-start"}, {"type": "text", "text": "look"},
         {"type": "tool-f", "toolCallId": "c1", "state": "output-available", "input": {"a": 1},
          "output": 3}]}],
     [USER, turn(call(), content="look"), result()]),
    ("the AI SDK's page: a tool of any name, and its error",
     [USER, {"role": "assistant", "parts": [
         {"type": "dynamic-tool", "toolName": "f", "toolCallId": "c1", "input": {"a": 1},
          "errorText": "3"}]}],
     [USER, turn(call()), result()]),
    ("LangChain's messages, dumped flat",
     [{"type": "human", "content": "x"},
      {"type": "ai", "content": "", "tool_calls": [{"name": "f", "args": {"a": 1}, "id": "c1"}]},
      {"type": "tool", "content": "3", "tool_call_id": "c1"}], CALLED),
    ("LangChain's messages, dumped with their types",
     [{"type": "human", "data": {"type": "human", "content": "x"}},
      {"type": "ai", "data": {"content": "y"}}, {"type": "human", "data": {"content": "x"}}],
     [USER, {"role": "assistant", "content": "y"}, USER]),
    ("Cohere's roles",
     [{"role": "USER", "message": "x"}, {"role": "CHATBOT", "message": "y"},
      {"role": "User", "content": "x"}],
     [USER, {"role": "assistant", "content": "y"}, USER]),
    ("Ollama's pictures",
     [{"role": "user", "content": "x",
       "images": ["aGk=", {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}],
     [{"role": "user", "content": [
         {"type": "text", "text": "x"},
         {"type": "image_url", "image_url": {"url": "data:image/png;base64,aGk="}},
         {"type": "image_url", "image_url": {"url": "https://x/y.png"}}]}]),
    ("free text to a tool (Responses)",
     [USER, {"type": "custom_tool_call", "call_id": "c1", "name": "f", "input": "*** x"},
      {"type": "custom_tool_call_output", "call_id": "c1", "output": "3"}],
     [USER, turn(call(arguments='{"input": "*** x"}')), result()]),
    ("a call that only its own service knows, with an id (Responses)",
     [USER, {"type": "local_shell_call", "call_id": "c1", "action": {"a": 1}},
      {"type": "local_shell_call_output", "call_id": "c1", "output": "3"}],
     [USER, turn(call(name="local_shell")), result()]),
    ("a search that a service ran (Responses)",
     [USER, {"type": "web_search_call", "id": "w", "action": {"query": "x"}}, USER], [USER, USER]),
    ("OpenAI's old functions",
     [USER, {"role": "assistant", "content": None,
             "function_call": {"name": "f", "arguments": '{"a": 1}'}},
      {"role": "function", "name": "f", "content": "3"}],
     [USER, turn(call("call_0")), result(ident="call_0")]),
    ("Anthropic's",
     [USER, {"role": "assistant", "content": [
         {"type": "thinking", "thinking": "hm", "signature": "s"},
         {"type": "text", "text": "look"},
         {"type": "tool_use", "id": "c1", "name": "f", "input": {"a": 1}}]},
      {"role": "user", "content": [
          {"type": "tool_result", "tool_use_id": "c1", "content": [{"type": "text", "text": "3"}]},
          {"type": "text", "text": "go on"}]}],
     [USER, {**turn(call(), content="look"), "reasoning": "hm"}, result(),
      {"role": "user", "content": "go on"}]),
    ("Anthropic's result alone",
     [USER, turn(call()), {"role": "user", "content": [
         {"type": "tool_result", "tool_use_id": "c1", "content": "3"}]}], CALLED),
    ("Gemini's",
     [{"role": "user", "parts": [{"text": "x"}]},
      {"role": "model", "parts": [{"text": "hm", "thought": True},
                                  {"functionCall": {"name": "f", "args": {"a": 1}}}]},
      {"role": "function", "parts": [
          {"functionResponse": {"name": "f", "response": {"n": 3}}}]}],
     [USER, {**turn(call("call_0")), "reasoning": "hm"}, result('{"n": 3}', "call_0")]),
    ("OpenAI's responses",
     [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "x"}]},
      {"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]},
      {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "y"}]},
      {"type": "function_call", "call_id": "c1", "name": "f", "arguments": '{"a": 1}'},
      {"type": "function_call", "call_id": "c2", "name": "f", "arguments": ""},
      {"type": "web_search_call", "id": "ws"},
      {"type": "function_call_output", "call_id": "c1", "output": "3"},
      {"type": "function_call_output", "call_id": "c2", "output": [
          {"type": "input_text", "text": "4"}]}],
     [USER, {**turn(call(), call("c2", arguments="{}"), content="y"), "reasoning": "hm"},
      result(), result("4", "c2")]),
    ("two texts of one turn (responses)",
     [USER, {"type": "message", "role": "assistant", "content": [{"type": "output_text",
                                                                 "text": "One."}]},
      {"type": "message", "role": "assistant", "content": [{"type": "output_text",
                                                            "text": "Two."}]}],
     [USER, {"role": "assistant", "content": "One.\nTwo."}]),
    ("Gemini's signature on a call",
     [USER, {"role": "assistant", "tool_calls": [{**call(), "extra_content": {"google": {}}}]},
      result()], [USER, {**turn({**call(), "extra_content": {"google": {}}})}, result()]),
    ("arguments that hold a date",
     [USER, {"role": "assistant", "tool_calls": [{"id": "c1", "name": "f", "args": {
         "a": date(2026, 1, 2)}}]}, result()],
     [USER, turn(call(arguments='{"a": "2026-01-02"}')), result()]),
    ("a call that begins a turn (responses)",
     [USER, {"type": "function_call", "call_id": "c1", "name": "f", "arguments": {"a": 1}},
      {"type": "function_call_output", "call_id": "c1", "output": 3}], CALLED),
    ("Bedrock's",
     [{"role": "user", "content": [{"text": "x"}]},
      {"role": "assistant", "content": [
          {"toolUse": {"toolUseId": "c1", "name": "f", "input": {"a": 1}}}]},
      {"role": "user", "content": [{"toolResult": {"toolUseId": "c1", "content": [
          {"json": {"n": 3}}]}}]}],
     [USER, turn(call()), result('[{"json": {"n": 3}}]')]),
    ("the AI SDK's",
     [USER, {"role": "assistant", "content": [
         {"type": "tool-call", "toolCallId": "c1", "toolName": "f", "input": {"a": 1}}]},
      {"role": "tool", "content": [
          {"type": "tool-result", "toolCallId": "c1", "toolName": "f",
           "output": {"type": "json", "value": {"n": 3}}}]}],
     [USER, turn(call()), result('{"n": 3}')]),
    ("LangChain's roles", [{"role": "human", "content": "x"}, {"role": "ai", "content": "y"}],
     [USER, {"role": "assistant", "content": "y"}]),
    ("a result that is a list", [USER, turn(call()), result([1, 2])],
     [USER, turn(call()), result("[1, 2]")]),
    ("a result that is a number", [USER, turn(call()), result(7.5)],
     [USER, turn(call()), result("7.5")]),
    ("a result of several texts",
     [USER, turn(call()), result([{"type": "text", "text": "a.txt"},
                                  {"type": "text", "text": "b.txt"}])],
     [USER, turn(call()), result("a.txt\nb.txt")]),
    ("arguments that are null or nothing",
     [USER, turn(call("c1", arguments="null"), call("c2", arguments="")), result(),
      result(ident="c2")],
     [USER, turn(call("c1", arguments="{}"), call("c2", arguments="{}")), result(),
      result(ident="c2")]),
    ("arguments that were encoded twice",
     [USER, turn(call(arguments='"{\\"a\\": 1}"')), result()], CALLED),
    ("numbers that JSON has no form for",
     [USER, turn(call(arguments='{"a": NaN, "b": [1e999], "c": 1}')), result()],
     [USER, turn(call(arguments='{"a": null, "b": [null], "c": 1}')), result()]),
    ("the same in Python",
     [USER, {"role": "assistant", "content": None, "tool_calls": [
         {"id": "c1", "name": "f", "args": {"a": float("nan"), "b": (1, {"c": float("inf")})}}]},
      result()],
     [USER, turn(call(arguments='{"a": null, "b": [1, {"c": null}]}')), result()]),
    ("arguments that are none", [USER, turn(call(arguments='{"a": ')), result()],
     [USER, turn(call(arguments="{}")), result()]),
    ("arguments that are a list",
     [USER, {"role": "assistant", "tool_calls": [{"id": "c1", "name": "f", "args": [1]}]},
      result()], [USER, turn(call(arguments="{}")), result()]),
    ("a call that was not run", [USER, turn(call()), USER],
     [USER, turn(call()), result(CALL_NOT_RUN), USER]),
    ("an invalid call that nobody answered",
     [USER, {"role": "assistant", "content": [
         {"type": "invalid_tool_call", "id": "c1", "name": "f", "args": "{"}]}, USER],
     [USER, USER]),
    ("a refusal that was all",
     [USER, {"role": "assistant", "content": None, "refusal": "no"}, USER],
     [USER, {"role": "assistant", "content": "no"}, USER]),
    ("a sound that was all",
     [USER, {"role": "assistant", "content": None, "audio": {"id": "1", "transcript": "y"}}, USER],
     [USER, {"role": "assistant", "content": "y"}, USER]),
    ("a picture that a model drew",
     [USER, {"role": "assistant", "content": [
         {"type": "text", "text": "y"}, {"type": "image", "base64": "aGk="}]}, USER],
     [USER, {"role": "assistant", "content": "y"}, USER]),
    ("a picture that was all",
     [USER, {"role": "assistant", "content": [{"type": "image", "base64": "aGk="}]}, USER],
     [USER, {"role": "assistant",
             "content": "[A picture was left out: this model does not take it.]"}, USER]),
    ("texts cut at a quotation",
     [USER, {"role": "assistant", "content": [{"type": "text", "text": "It is blue"},
                                              {"type": "text", "text": ", says A."}]}, USER],
     [USER, {"role": "assistant", "content": "It is blue, says A."}, USER]),
    ("empty messages",
     [{"role": "system", "content": " "}, USER, {"role": "assistant", "content": ""},
      {"role": "user", "content": []}, {"role": "user", "content": None}, USER], [USER, USER]),
    ("results that name their tool, in another order",
     [USER, {"role": "model", "parts": [{"functionCall": {"name": "f", "args": {"a": 1}}},
                                        {"functionCall": {"name": "g", "args": {}}}]},
      {"role": "user", "parts": [{"functionResponse": {"name": "g", "response": {"n": 4}}},
                                 {"functionResponse": {"name": "f", "response": {"n": 3}}}]}],
     [USER, turn(call("call_0"), call("call_1", "g", "{}")), result('{"n": 4}', "call_1"),
      result('{"n": 3}', "call_0")]),
    ("two calls of one id",
     [USER, turn(call(), call()), result(), result("4"), USER],
     [USER, turn(call(), call("c1#1")), result(), result("4", "c1#1"), USER]),
    ("an empty result", [USER, turn(call()), result("")],
     [USER, turn(call()), result(NO_OUTPUT)]),
    ("an empty last message",
     [USER, {"role": "assistant", "content": "y"}, {"role": "user", "content": " "}],
     [USER, {"role": "assistant", "content": "y"}, {"role": "user", "content": NO_TEXT}]),
    ("a name that the wire does not allow", [{**USER, "name": "Ann Lee"}],
     [{**USER, "name": "Ann_Lee"}]),
    ("a name that is none", [{**USER, "name": None}], [USER]),
    ("a result without a call", [USER, result()],
     [USER, {"role": "user", "content": "Result of a tool: 3"}]),
    ("a beginning to continue", [USER, {"role": "assistant", "content": "y", "prefix": True}],
     [USER, {"role": "assistant", "content": "y", "prefix": True}]),
]  # fmt: skip


@pytest.mark.parametrize(
    ("messages", "wire"), [h[1:] for h in HISTORIES], ids=[h[0] for h in HISTORIES]
)
def test_histories_of_every_api_become_wire_messages(messages: list[Any], wire: list[Json]) -> None:
    before = copy.deepcopy(messages)

    assert read_messages(messages) == wire
    assert messages == before, "the caller's own messages were changed"
    assert read_messages(wire) == wire, "a second reading changes nothing"


def test_the_writer_of_thoughts_stays_for_the_body_to_decide() -> None:
    own = {"role": "assistant", "content": "y", "reasoning": "r", "reasoning_details": [{"a": 1}]}
    read = read_messages([USER, {**own, "model": ["a/m"]}, {"role": "assistant", "content": "z",
                                                             "model": ["a/m"]}])  # fmt: skip

    assert read[1] == {**own, "model": ["a/m"]}
    assert read[2] == {"role": "assistant", "content": "z"}


@pytest.mark.parametrize(
    ("messages", "says"),
    [
        ([], "at least one message"),
        ("hello", "at least one message"),
        ([7], "at least one message"),
        ([{"content": "x"}], "role None"),
        ([{"role": "narrator", "content": "x"}], "'narrator', which no chat model knows"),
        ([{"role": "user", "content": ""}], "every message of the request is empty"),
        ([{"role": "user", "content": UUID(int=0)}], "an object of the type UUID"),
    ],
)
def test_what_is_no_conversation_is_refused_in_words(messages: Any, says: str) -> None:
    with pytest.raises(errors.BadRequest, match=says):
        read_messages(messages)


def test_arguments_may_be_any_mapping_and_no_other_object() -> None:
    def asked(argument: object) -> list[Json]:
        calls = [{"id": "c1", "name": "f", "args": {"a": argument}}]
        return [USER, {"role": "assistant", "tool_calls": calls}, result()]

    read = read_messages(asked(MappingProxyType({"b": 1})))
    assert read[1]["tool_calls"][0]["function"]["arguments"] == '{"a": {"b": 1}}'
    with pytest.raises(errors.BadRequest, match="argument of the type object"):
        readable(ChatRequest(asked(object())))


def test_malformed_messages_are_an_error_of_the_tree() -> None:
    class Odd(dict[str, Any]):
        def get(self, key: str, default: Any = None) -> Any:
            raise ValueError("odd")

    with pytest.raises(errors.BadRequest, match="malformed: ValueError: odd"):
        readable(ChatRequest([Odd(role="user", content=["x"])]))
    assert readable(ChatRequest.of("x")).messages == [USER]


ROLES = st.sampled_from(["user", "assistant", "tool", "system", "model", "human"])
TEXTS = st.sampled_from(["", " ", "x", "null", '{"a": 1}'])
IDS = st.sampled_from(["c1", "c2", ""])
CALLS = st.fixed_dictionaries({"id": IDS, "name": st.sampled_from(["f", "math.add", ""]),
                               "args": TEXTS})  # fmt: skip
CONTENTS = TEXTS | st.lists(
    st.fixed_dictionaries({"type": st.just("text"), "text": TEXTS})
    | st.fixed_dictionaries({"type": st.just("tool_result"), "tool_use_id": IDS, "content": TEXTS})
    | st.fixed_dictionaries({"functionCall": CALLS}),
    max_size=3,
)
MESSAGES = st.fixed_dictionaries(
    {"role": ROLES, "content": CONTENTS},
    optional={"tool_calls": st.lists(CALLS, max_size=2), "tool_call_id": IDS},
)


@given(st.lists(MESSAGES, min_size=1, max_size=6))
def test_any_history_is_valid_or_refused(messages: list[Any]) -> None:
    from freerouter_core.catalogue.model import Model
    from freerouter_core.catalogue.providers import Account
    from freerouter_core.wire.body import build_body

    try:
        request = readable(ChatRequest(messages))
    except errors.BadRequest as error:
        assert "empty" in error.message
        return
    account = Account("openrouter", "https://x.test", "k", dialect="openrouter")
    body, _ = build_body(request, Model("a/m:free"), account)

    assert validation_error(body) is None, body
