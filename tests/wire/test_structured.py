"""One wish, asked of each model in its own way, read from whatever comes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from freerouter_core import ChatRequest, Structured, errors
from freerouter_core.catalogue.model import Model
from freerouter_core.simulator import SimModel, World
from freerouter_core.simulator.instances import instance
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.schema import (
    find_violation,
    is_strict,
    make_strict,
    schema_name,
    without_nulls,
)
from freerouter_core.wire.structured import choose_form
from freerouter_core.wire.structured_reader import iter_json, read_structured
from freerouter_core.wire.tool_calls import ToolCall

PERSON: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "age": {"type": "integer"},
        "nick": {"type": "string"},
    },
    "required": ["name", "age"],
}
WISH = Structured(PERSON, "person")
ANNA = '{"name": "Anna", "age": 33}'


def model(*parameters: str) -> Model:
    return Model("m", parameters=frozenset({"max_tokens", *parameters}))


@pytest.mark.parametrize(
    ("has", "method", "with_tools", "form"),
    [
        (("structured_outputs", "tools", "tool_choice"), "auto", False, "json_schema"),
        (("tools", "tool_choice", "response_format"), "auto", False, "tool"),
        (("tools", "response_format"), "auto", False, "json_object"),
        (("tools",), "auto", False, "prompt"),
        ((), "auto", False, "prompt"),
        (("structured_outputs", "tools", "tool_choice"), "function_calling", False, "tool"),
        (("structured_outputs",), "function_calling", False, "json_schema"),
        (("structured_outputs", "response_format"), "json_mode", False, "json_object"),
        (("tools", "tool_choice", "response_format"), "auto", True, "prompt"),
        (("structured_outputs", "tools"), "auto", True, "json_schema"),
    ],
)
def test_the_strongest_form_that_a_model_takes_is_chosen(
    has: tuple[str, ...], method: Any, with_tools: bool, form: str
) -> None:
    assert (
        choose_form(Structured(PERSON, "person", method=method), model(*has), with_tools=with_tools)
        == form
    )


@pytest.mark.parametrize(
    "answer",
    [
        Answer(text=ANNA),
        Answer(text=f"```json\n{ANNA}\n```"),
        Answer(text=f"Here you are:\n```\n{ANNA}\n```\nAnything else?"),
        Answer(text=f"<think>a person…</think>{ANNA}"),
        Answer(text=f"Sure! {ANNA} Done."),
        Answer(tool_calls=(ToolCall("1", "person", ANNA),)),
        Answer(text='{"name": "Anna", "age": 33, "nick": null}'),
    ],
)
def test_every_form_of_answer_is_read(answer: Answer) -> None:
    parsed = read_structured(answer, WISH)

    assert parsed.problem is None
    assert parsed.value == {"name": "Anna", "age": 33}
    assert json.loads(parsed.text) == parsed.value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no JSON here", "no JSON"),
        ('{"name": "Anna"}', "'age' is missing"),
        ('{"name": "Anna", "age": "old"}', "expected integer"),
        ('{"name": "An', "no JSON"),
    ],
)
def test_an_answer_that_does_not_match_says_why(text: str, problem: str) -> None:
    assert problem in (read_structured(Answer(text=text), WISH).problem or "")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda x: st.lists(x) | st.dictionaries(st.text(max_size=3), x),
        max_leaves=8,
    )
)
def test_json_is_read_as_it_was_written(value: Any) -> None:
    assert next(iter_json(json.dumps(value))) == value


def test_violations_of_a_schema_are_found() -> None:
    schema = {
        "$defs": {
            "Pet": {
                "type": "object",
                "properties": {"kind": {"enum": ["cat", "dog"]}},
                "required": ["kind"],
            }
        },
        "type": "object",
        "properties": {
            "pets": {"type": "array", "items": {"$ref": "#/$defs/Pet"}, "minItems": 1},
            "size": {"anyOf": [{"type": "number", "minimum": 0}, {"type": "null"}]},
        },
        "additionalProperties": False,
    }

    assert find_violation({"pets": [{"kind": "cat"}], "size": None}, schema) is None
    assert "$.pets[0].kind" in (find_violation({"pets": [{"kind": "cow"}]}, schema) or "")
    assert "fewer" in (find_violation({"pets": []}, schema) or "")
    assert find_violation({"size": -1}, schema)
    assert find_violation({"other": 1}, schema)
    assert find_violation({"a": 1}, {"$ref": "#/loop", "loop": {"$ref": "#/loop"}}) is None


def test_a_strict_schema_allows_null_for_optional_fields() -> None:
    closed = make_strict(PERSON)

    assert is_strict(closed)
    assert not is_strict(PERSON)
    assert find_violation({"name": "A", "age": 1, "nick": None}, closed) is None
    assert without_nulls({"name": "A", "age": 1, "nick": None}, PERSON) == {"name": "A", "age": 1}


@given(st.text())
def test_any_name_becomes_one_that_endpoints_accept(name: str) -> None:
    schema = schema_name(name)

    assert 1 <= len(schema) <= 64
    assert schema.isascii()


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"structured": False},
        {"structured": False, "tool_choice": False},
        {"structured": False, "tools": False, "json_object": False},
    ],
)
@pytest.mark.parametrize("way", ["chat", "stream"])
def test_each_kind_of_model_answers_with_the_object(flags: dict[str, Any], way: str) -> None:
    with World([SimModel("acme/a:free", **flags)]) as world:
        request = ChatRequest.of("Tell of Anna, 33").but(structured=WISH)
        router = world.router()
        if way == "chat":
            text = router.chat(request).text
        else:
            text = "".join(delta.text for delta in router.stream(request))

        assert find_violation(json.loads(text), PERSON) is None
        assert not world.requests[0].problem


def test_after_an_answer_that_fails_validation_another_model_is_asked() -> None:
    """Three models fail: with prose, with another shape, and before a validator."""
    liar = SimModel(
        "acme/a:free",
        context=900_000,
        says=lambda body: "I would rather talk.",
        structured=False,
        tools=False,
    )
    other = SimModel(
        "acme/b:free",
        context=800_000,
        says=lambda body: '{"name": 1}',
        structured=False,
        tools=False,
    )
    young = SimModel("acme/c:free", context=700_000, says=lambda body: '{"name": "Kid", "age": 3}')
    good = SimModel("acme/d:free", context=600_000, says=lambda body: ANNA)

    def adults_only(answer: Answer) -> None:
        if json.loads(answer.text)["age"] < 18:
            raise ValueError("a child")

    with World([liar, other, young, good]) as world:
        outcome = world.router(strategy="context").chat(
            ChatRequest.of("x").but(structured=WISH, validate=adults_only)
        )

        assert json.loads(outcome.text)["name"] == "Anna"
        assert [a["fault"] for a in outcome.attempts] == ["broken", "broken", "broken", None]


def test_a_stream_whose_text_fails_validation_is_broken() -> None:
    with World([SimModel("acme/a:free", says=lambda body: '{"name": "Anna"}')]) as world:
        stream = world.router().stream(ChatRequest.of("x").but(structured=WISH))
        with pytest.raises(errors.StreamBroken) as caught:
            list(stream)

        assert caught.value.partial == '{"name": "Anna"}'


@given(st.integers(0, 10_000))
def test_the_simulator_obeys_schemas(seed: int) -> None:
    value = instance(PERSON, f"Somebody aged {seed}")

    assert find_violation(value, PERSON) is None
    assert value["age"] == seed
