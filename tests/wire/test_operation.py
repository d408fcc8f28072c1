"""`Operation`: what the engine needs of a chat, and of a request that is none."""

from __future__ import annotations

from typing import Any

import pytest

from freerouter_core.catalogue.model import Model
from freerouter_core.catalogue.providers import Account
from freerouter_core.catalogue.serving import Space
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.call_text import CallGate
from freerouter_core.wire.chat import ChatOperation
from freerouter_core.wire.embeddings import EmbedRequest
from freerouter_core.wire.fault import Cause, Fault, Kind
from freerouter_core.wire.json_gate import JsonGate
from freerouter_core.wire.request import ChatRequest
from freerouter_core.wire.structured import Structured
from freerouter_core.wire.terms import Terms

MODEL = Model("acme/a:free")
ACCOUNT = Account("openrouter", "https://acme.test", "k")
TOOL = {"type": "function", "function": {"name": "get weather", "parameters": {"type": "object"}}}
OBJECT = Structured({"type": "object", "properties": {"n": {"type": "integer"}}})
ASK = ChatRequest.of("hello")


def chat(**fields: Any) -> ChatOperation:
    return ChatOperation(ASK.but(**fields))


def test_a_request_that_is_no_chat_offers_no_tools_and_wants_no_form() -> None:
    texts = EmbedRequest(["one"], Space(family="tiny"))
    fault = Fault(Kind.BROKEN, Cause.EMPTY)

    assert (texts.validate, texts.tools, texts.must_call, texts.may_restart, texts.may_call) == (
        None, False, False, False, False,
    )  # fmt: skip
    assert (texts.form(MODEL, ACCOUNT), texts.gate(), texts.own_names) == (None, None, {})
    assert (texts.callable_tools, texts.stops) == (frozenset(), ())
    assert texts.with_invalid_calls(Answer("x"), fault) is None


def test_a_chat_goes_to_chat_completions_and_is_read_there() -> None:
    body, form = chat().body(MODEL, ACCOUNT, Terms())
    answer = chat().read({"choices": [{"message": {"content": "Hi."}}]}, MODEL)

    assert chat().path(MODEL) == "/chat/completions"
    assert (body["model"], form) == ("acme/a:free", None)
    assert (answer.text, answer.model) == ("Hi.", "acme/a:free")


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, (False, False, False, False)),
        ({"tools": [TOOL]}, (True, False, False, True)),
        ({"tools": [TOOL], "tool_choice": "required"}, (True, True, False, True)),
        ({"structured": OBJECT}, (False, False, False, True)),
        ({"structured": OBJECT, "replaces": True}, (False, False, True, True)),
    ],
)
def test_a_chat_tells_what_it_may_say(fields: dict[str, Any], expected: object) -> None:
    asked = chat(**fields)

    assert (asked.tools, asked.must_call, asked.may_restart, asked.may_call) == expected


@pytest.mark.parametrize(
    ("fields", "gate"),
    [
        ({}, None),
        ({"tools": [TOOL]}, CallGate),
        ({"tools": [TOOL], "tool_choice": "none"}, None),
        ({"structured": OBJECT}, JsonGate),
        ({"structured": Structured({"type": "array", "items": {}})}, JsonGate),
    ],
)
def test_text_that_may_be_no_answer_is_held_back(
    fields: dict[str, Any], gate: type[object] | None
) -> None:
    held = chat(**fields).gate()

    assert held is None if gate is None else isinstance(held, gate)


def test_a_chat_knows_its_validator_its_form_and_the_own_names_of_its_tools() -> None:
    def validate(_: Answer) -> None:
        """Accepts everything."""

    assert chat(validate=validate).validate is validate
    assert chat(structured=OBJECT).form(MODEL, ACCOUNT) == "json_schema"
    assert list(chat(tools=[TOOL]).own_names.values()) == ["get weather"]
