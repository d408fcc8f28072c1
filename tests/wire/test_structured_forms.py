"""Structured output: the form each model is asked in, and the value in what comes back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freerouter_core import Model, Structured
from freerouter_core.errors import BadRequest
from freerouter_core.wire.answer import Answer
from freerouter_core.wire.json_gate import JsonGate
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.structured import choose_form, write_form
from freerouter_core.wire.structured_reader import Parsed, iter_json, read_structured
from freerouter_core.wire.tool_calls import ToolCall

SCHEMA: Json = {
    "type": "object",
    "properties": {"a": {"type": "integer"}, "b": {"type": "string"}},
    "required": ["a"],
}
CLOSED: Json = {**SCHEMA, "required": ["a", "b"], "additionalProperties": False}
FULL = frozenset({"structured_outputs", "response_format", "tools", "tool_choice"})


def model(parameters: frozenset[str] = FULL, *lacks: str) -> Model:
    return Model("a/m", parameters=parameters, lacks=frozenset(lacks))


# -- what is asked for -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("response_format", "structured"),
    [
        ({"type": "json_object"}, Structured(None, method="json_mode")),
        (
            {
                "type": "json_schema",
                "json_schema": {
                    "name": "my name",
                    "description": "d",
                    "schema": SCHEMA,
                    "strict": True,
                },
            },
            Structured(SCHEMA, "my_name", description="d", method="json_schema", strict=True),
        ),
        (
            {"type": "json_schema", "json_schema": {"name": "n"}},
            Structured(None, "n", method="json_schema"),
        ),
        ({"type": "json_schema", "json_schema": SCHEMA}, Structured(SCHEMA, method="json_schema")),
        (
            {"type": "json_schema", "name": "n", "schema": SCHEMA, "strict": False},
            Structured(SCHEMA, "n", method="json_schema", strict=False),
        ),
        ({"type": "json_object", "schema": SCHEMA}, Structured(SCHEMA, method="json_mode")),
        ({"type": "json_object", "schema": "odd"}, Structured(None, method="json_mode")),
        ({"type": "json_schema", "json_schema": {}}, None),
        ({"type": "json_schema", "json_schema": "odd"}, None),
        ({"type": "text"}, None),
    ],
)
def test_a_response_format_is_read(response_format: Json, structured: Structured | None) -> None:
    assert Structured.from_response_format(response_format) == structured


@pytest.mark.parametrize("schema", ["", "odd", [], [[]], 0, -1, True])
def test_a_schema_that_is_none_is_refused(schema: object) -> None:
    with pytest.raises(BadRequest, match="must be an object"):
        Structured.from_response_format(
            {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
        )


def test_a_schema_that_is_none_is_refused_beside_its_name() -> None:
    with pytest.raises(BadRequest, match="must be an object"):
        Structured.from_response_format({"type": "json_schema", "name": "n", "schema": "odd"})


def test_equal_wishes_have_equal_hashes_in_any_order_of_keys() -> None:
    one = Structured({"type": "object", "title": "t"})
    other = Structured({"title": "t", "type": "object"})

    assert one == other
    assert hash(one) == hash(other)


# -- forms -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "form"),
    [
        ("auto", "json_schema"),
        ("json_schema", "json_schema"),
        ("function_calling", "tool"),
        ("json_mode", "json_object"),
    ],
)
def test_a_model_that_takes_everything_is_asked_as_preferred(method: Any, form: str) -> None:
    assert choose_form(Structured(SCHEMA, method=method), model(), with_tools=False) == form


@pytest.mark.parametrize(
    ("structured", "lacks", "with_tools", "form"),
    [
        (Structured(SCHEMA), ["structured_outputs"], False, "tool"),
        (Structured(SCHEMA), ["structured_outputs", "tool_choice"], False, "json_object"),
        (Structured(SCHEMA), ["structured_outputs", "tools"], False, "json_object"),
        (Structured(SCHEMA), [*FULL], False, "prompt"),
        (Structured(SCHEMA), ["response_format"], False, "tool"),
        (Structured(SCHEMA), ["response_format", "tool_choice"], False, "prompt"),
        (Structured(None), [], False, "json_object"),
        (Structured(None), ["response_format"], False, "prompt"),
        (Structured({"type": "array"}), ["structured_outputs"], False, "json_object"),
        (Structured({"type": "array"}), [], False, "json_schema"),
        (Structured(SCHEMA), [], True, "json_schema"),
        (Structured(SCHEMA), ["json-with-tools"], True, "prompt"),
        (Structured(SCHEMA), ["json-with-tools"], False, "json_schema"),
        (Structured(None), [], True, "prompt"),
    ],
)
def test_what_a_model_lacks_or_tools_forbid_leads_to_the_next_form(
    structured: Structured, lacks: list[str], with_tools: bool, form: str
) -> None:
    assert choose_form(structured, model(FULL, *lacks), with_tools=with_tools) == form


def test_a_model_of_which_nothing_is_known_is_not_forced_to_call_a_tool() -> None:
    structured = Structured(SCHEMA, method="function_calling")

    assert choose_form(structured, model(frozenset()), with_tools=False) == "json_schema"


def test_a_reference_to_an_object_can_be_a_tools_arguments() -> None:
    schema = {"$ref": "#/$defs/X", "$defs": {"X": SCHEMA}}
    structured = Structured(schema, method="function_calling")

    assert choose_form(structured, model(), with_tools=False) == "tool"


def written(structured: Structured, form: Any, *messages: Json) -> Json:
    body: Json = {"messages": list(messages) or [{"role": "user", "content": "x"}]}
    write_form(body, structured, form)
    return body


@pytest.mark.parametrize(
    ("structured", "inner"),
    [
        (Structured(SCHEMA, "a b"), {"name": "a_b", "schema": SCHEMA}),
        (Structured(CLOSED), {"name": "answer", "schema": CLOSED, "strict": True}),
        (Structured(CLOSED, strict=False), {"name": "answer", "schema": CLOSED}),
        (
            Structured(SCHEMA, description="d"),
            {"name": "answer", "schema": SCHEMA, "description": "d"},
        ),
    ],
)
def test_a_schema_becomes_a_response_format_that_is_strict_if_possible(
    structured: Structured, inner: Json
) -> None:
    assert written(structured, "json_schema")["response_format"] == {
        "type": "json_schema",
        "json_schema": inner,
    }


def test_a_schema_is_made_strict_on_demand() -> None:
    body = written(Structured(SCHEMA, strict=True), "json_schema")
    inner = body["response_format"]["json_schema"]

    assert inner["strict"] is True
    assert inner["schema"]["required"] == ["a", "b"]


@pytest.mark.parametrize(
    ("structured", "function"),
    [
        (
            Structured(SCHEMA, "a b"),
            {"name": "a_b", "description": "Give the answer.", "parameters": SCHEMA},
        ),
        (
            Structured(SCHEMA, description="d"),
            {"name": "answer", "description": "d", "parameters": SCHEMA},
        ),
    ],
)
def test_a_schema_goes_as_the_arguments_of_a_forced_tool(
    structured: Structured, function: Json
) -> None:
    body = written(structured, "tool")

    assert body["tools"] == [{"type": "function", "function": function}]
    assert body["tool_choice"] == {"type": "function", "function": {"name": function["name"]}}


def test_a_strict_tool_says_so() -> None:
    [tool] = written(Structured(SCHEMA, strict=True), "tool")["tools"]

    assert tool["function"]["strict"] is True
    assert tool["function"]["parameters"]["required"] == ["a", "b"]


@pytest.mark.parametrize(
    ("structured", "form", "message", "instructed"),
    [
        (Structured(None), "json_object", "give me JSON", False),
        (Structured(None), "json_object", "give me an object", True),
        (Structured(SCHEMA), "json_object", "give me JSON", True),
        (Structured(None), "prompt", "give me JSON", True),
    ],
)
def test_a_model_without_a_fitting_field_gets_the_schema_in_the_prompt(
    structured: Structured, form: Any, message: str, instructed: bool
) -> None:
    body = written(structured, form, {"role": "user", "content": message})
    head = body["messages"][0]

    assert ("response_format" in body) is (form == "json_object")
    assert (head["role"] == "system") is instructed
    if instructed and structured.schema is not None:
        assert json.dumps(SCHEMA) in head["content"]


@pytest.mark.parametrize(
    ("head", "roles"),
    [
        ({"role": "system", "content": "be brief"}, ["system", "user"]),
        ({"role": "developer", "content": "be brief"}, ["developer", "user"]),
        ({"role": "system", "content": [{"type": "text"}]}, ["system", "system", "user"]),
        ({"role": "assistant", "content": "x"}, ["system", "assistant", "user"]),
    ],
)
def test_the_instruction_joins_a_leading_system_message(head: Json, roles: list[str]) -> None:
    user = {"role": "user", "content": "x"}
    messages = written(Structured(None), "prompt", head, user)["messages"]

    assert [message["role"] for message in messages] == roles
    assert messages[0]["content"].endswith("no prose, no code fence.")
    assert messages[-1] is user


# -- reading ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('{"a": 1}', [{"a": 1}]),
        ("7", [7]),
        ('```json\n{"a": 1}\n``` and ```\n{"a": 2}\n```', [{"a": 1}, {"a": 2}]),
        ('Sure: {"a": [1, 2]} or [3]', [{"a": [1, 2]}, [3]]),
        ('a {"b": x} {"a": 1}', [{"a": 1}]),
        ('<think>{"a": 0}</think>{"a": 1}', [{"a": 1}]),
        ('<think>{"a": 1}', [{"a": 1}]),
        ('hm </think> {"a": 1}', [{"a": 1}]),
        ("no JSON", []),
        ("{" * 50 + '{"a": 1}', [{"a": 1}]),
        ('{"a": ' * 100_000, []),
    ],
)
def test_json_is_found_in_the_text_in_fences_and_in_prose(text: str, values: list[Any]) -> None:
    distinct: list[Any] = []
    for value in iter_json(text):
        if value not in distinct:
            distinct.append(value)

    assert distinct == values


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        (Answer('{"a": 1}'), {"a": 1}),
        (Answer('{"a": 1, "b": null}'), {"a": 1}),
        (Answer('first {"a": "x"}, then {"a": 2}'), {"a": 2}),
        (Answer("x", tool_calls=(ToolCall("1", "answer", '{"a": 3}'),)), {"a": 3}),
        (Answer('{"a": 4}', tool_calls=(ToolCall("1", "answer", '{"a": 3}'),)), {"a": 3}),
        (Answer('{"a": 4}', tool_calls=(ToolCall("1", "other", '{"a": 3}'),)), {"a": 4}),
        (Answer('{"a": 4}', tool_calls=(ToolCall("1", "answer", '{"a": '),)), {"a": 4}),
    ],
)
def test_of_values_that_match_alike_the_first_counts(answer: Answer, value: object) -> None:
    assert read_structured(answer, Structured(SCHEMA)) == Parsed(value, json.dumps(value))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("no", "the answer holds no JSON"),
        ("7", "the JSON does not match the schema: $: expected object, got int"),
        ('{"a": "x"}', "the JSON does not match the schema: $.a: expected integer, got str"),
    ],
)
def test_a_value_that_breaks_the_schema_is_a_problem(text: str, problem: str) -> None:
    assert read_structured(Answer(text), Structured(SCHEMA)) == Parsed(problem=problem)


def test_without_a_schema_any_object_will_do() -> None:
    assert read_structured(Answer('{"x": 1}'), Structured(None)).value == {"x": 1}
    assert read_structured(Answer("[1]"), Structured(None)).problem == (
        "the JSON does not match the schema: $: expected object"
    )


def test_what_a_class_will_judge_may_break_the_schema() -> None:
    text = 'or 7 or {"a": "2"} or {"a": "3"}'

    assert read_structured(Answer(text), Structured(SCHEMA, lax=True)).value == {"a": "2"}
    assert read_structured(Answer(text), Structured(SCHEMA)).value is None
    assert read_structured(Answer("7"), Structured(SCHEMA, lax=True)).problem is not None


def test_what_was_shown_in_pieces_must_be_the_json_itself() -> None:
    structured = Structured(SCHEMA)

    assert read_structured(Answer('{"a": 1}'), structured, bare=True).value == {"a": 1}
    assert read_structured(Answer('so {"a": 1}'), structured, bare=True).problem is not None


def test_a_value_that_is_nested_too_deeply_is_a_problem_and_no_crash() -> None:
    schema: Json = {"type": "array", "items": {"$ref": "#"}}
    text = "[" * 900 + "]" * 900

    assert read_structured(Answer(text), Structured(schema)).problem == "the answer holds no JSON"


# -- streams ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pieces", "shown", "rest"),
    [
        ([" ", ' {"a"', ": 1}"], ["", '{"a"', ": 1}"], ""),
        (["[1", "]"], ["[1", "]"], ""),
        (["Sure: ", '{"a": 1}'], ["", ""], 'Sure: {"a": 1}'),
        (["```json", "\n{}"], ["", ""], "```json\n{}"),
        ([" "], [""], " "),
    ],
)
def test_only_the_json_itself_is_shown_while_it_grows(
    pieces: list[str], shown: list[str], rest: str
) -> None:
    gate = JsonGate()

    assert [gate.feed(piece) for piece in pieces] == shown
    assert gate.release() == rest
    assert gate.release() == ""
    assert gate.feed("more") == "more"
