"""Requests: how they are made, and what is refused before anything is sent."""

from __future__ import annotations

from types import MappingProxyType
from typing import Any
from uuid import UUID

import pytest

from freerouter_core import ChatRequest, errors
from freerouter_core.wire.json_values import Json, is_larger
from freerouter_core.wire.request import check_request

TOOL: Json = {"type": "function", "function": {"name": "f"}}
FORCED: Json = {"type": "function", "function": {"name": "f"}}


def request(**fields: Any) -> ChatRequest:
    return ChatRequest(**{"messages": [{"role": "user", "content": "x"}], **fields})


def test_a_text_a_list_and_a_request_are_all_prompts() -> None:
    whole = request()

    assert ChatRequest.of("x") == whole
    assert ChatRequest.of(({"role": "user", "content": "x"},)) == whole
    assert ChatRequest.of(whole) is whole


def test_a_copy_changes_only_the_named_fields() -> None:
    assert request().but(model="a/m").model == "a/m"
    assert request().model is None


@pytest.mark.parametrize("name", ["x" * 501, "a\nb"])
def test_no_model_has_an_odd_name(name: str) -> None:
    with pytest.raises(errors.BadRequest, match="no model has such a name"):
        request(model=name)
    assert request(model="x" * 500).model


@pytest.mark.parametrize(
    "wrong",
    [
        {"model": "sk-secret1"},
        {"fallback_models": ["a/b", "sk-secret1"]},
        {"lane": "sk-secret1"},
        {"lane": ["sk-secret1"]},
    ],
)
def test_a_key_in_place_of_a_name_is_refused_and_not_shown(wrong: dict[str, Any]) -> None:
    with pytest.raises(errors.BadRequest) as caught:
        request(**wrong)
    assert "sk-secret1" not in str(caught.value)


@pytest.mark.parametrize(
    ("tools", "choice", "must_call"),
    [
        ([], "required", False),
        ([TOOL], None, False),
        ([TOOL], "auto", False),
        ([TOOL], "required", True),
        ([TOOL], FORCED, "f"),
        ([TOOL], {"type": "function"}, True),
        ([TOOL], {"function": None}, True),
    ],
)
def test_what_must_be_called(tools: list[Json], choice: Any, must_call: str | bool) -> None:
    assert request(tools=tools, tool_choice=choice).must_call == must_call


def test_only_functions_are_on_offer_by_name() -> None:
    assert request(tools=[TOOL, {"type": "web"}, {"function": "odd"}]).offered == {"f"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"messages": []}, "at least one message"),
        ({"messages": [{"content": "x"}]}, "at least one message"),
        ({"messages": [{"role": ""}]}, "at least one message"),
        ({"messages": [7]}, "at least one message"),
        ({"tools": [None]}, "each tool must be a dict"),
        ({"tools": [{"function": "f"}]}, "function must be an object with a name"),
        ({"tools": [{"function": {"name": ""}}]}, "function must be an object with a name"),
        ({"tools": [{"function": {"name": "f", "parameters": []}}]}, "its parameters a schema"),
        (
            {"tools": [{"function": {"name": "f", "parameters": {"type": "array"}}}]},
            "its parameters a schema",
        ),
        ({"tools": [TOOL], "tool_choice": {}}, "tool_choice is in no known form"),
        ({"tools": [TOOL], "tool_choice": "nope"}, "tool_choice is in no known form"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice is in no known form"),
        ({"tools": [TOOL], "tool_choice": {"type": []}}, "tool_choice is in no known form"),
        (
            {"tools": [TOOL], "tool_choice": {"function": {"name": "g"}}},
            r"names 'g', which is not among the tools \['f'\]",
        ),
        ({"parameters": {"allow_paid": True}}, "'allow_paid' may not be given"),
        ({"extra_body": {"api_key": "k"}}, "'api_key' may not be given"),
        ({"extra_body": {"model": "m"}}, "'model' may not be given"),
        ({"parameters": {"guards": [print]}}, "'guards' may not be given"),
        ({"extra_body": {"strategy": "random"}}, "'strategy' may not be given"),
        ({"parameters": {"n": 2}}, "n must be 1"),
        ({"parameters": {"image_documents": [UUID(int=0)]}}, r"image_documents\[0\] is an object"),
        ({"parameters": {"temperature": float("nan")}}, "temperature is an object"),
        ({"tools": [{**TOOL, "x": UUID(int=0)}]}, r"tools\[0\].x is an object"),
        ({"parameters": {"provider": {}}}, "'provider' may not be given"),
        ({"parameters": {"stream": True}}, "'stream' may not be given"),
        ({"parameters": {"messages": []}}, "'messages' may not be given"),
    ],
)
def test_what_no_model_could_take_is_refused(fields: Json, message: str) -> None:
    with pytest.raises(errors.BadRequest, match=message):
        check_request(request(**fields), allow_paid=True)


ODD_VALUES: tuple[object, ...] = ({}, [], "", 0, False, {"on": True})
"""A field counts by its presence, whatever it holds."""


@pytest.mark.parametrize(
    ("fields", "feature"),
    [
        ({"tools": [{"type": "openrouter:web_search"}]}, "openrouter:web_search"),
        ({"extra_body": {"tools": [{"type": "openrouter:fetch"}]}}, "openrouter:fetch"),
        ({"extra_body": {"models": ["a/m"]}}, "models"),
        ({"extra_body": {"plugins": [{"id": "web"}]}}, "plugins"),
        ({"extra_body": {"route": "fallback"}}, "route"),
        ({"parameters": {"web_search_options": {"a": 1}}}, "web_search_options"),
        ({"model": "a/m:online"}, ":online"),
        ({"model": "a/m:online:free"}, ":online"),
        ({"model": "a/m@preset/x:free"}, "@preset"),
        *(
            ({"tools": [{"type": kind}]}, kind)
            for kind in (
                "web_search",
                "web_search_preview",
                "web_search_preview_2025_03_11",
                "web_search_20250305",
                "code_interpreter",
                "file_search",
                "image_generation",
                "mcp",
                "computer_use_preview",
                "builtin_function",
                "custom",
                "web",
                "Function",
            )
        ),
        ({"tools": [{"google_search": {}}]}, "a tool without a function"),
        ({"tools": [{**TOOL, "google_search": {}}]}, "google_search"),
        ({"extra_body": {"tools": "odd"}}, "tools in no known form"),
        ({"extra_body": {"tools": [7]}}, "a tool in no known form"),
        (
            {"extra_body": {"tools": [7], "tool_choice": "paid_search"}},
            "a tool in no known form, tool_choice paid_search",
        ),
        ({"extra_body": {"tools": ({"type": "web_search"},)}}, "web_search"),
        ({"extra_body": {"tool_choice": {"type": "web_search"}}}, "tool_choice web_search"),
        ({"tools": [TOOL], "tool_choice": ["web_search"]}, "tool_choice in no known form"),
        *(
            ({where: {name: value}}, name)
            for where in ("parameters", "extra_body")
            for name in (
                "plugins",
                "models",
                "route",
                "preset",
                "web_search_options",
                "search_parameters",
                "enable_search",
                "search_settings",
                "connectors",
                "service_tier",
                "web_search",
                "extra_body",
                "a_field_of_next_year",
            )
            for value in ODD_VALUES
        ),
    ],
)
def test_what_could_cost_money_is_refused_unless_it_is_permitted(
    fields: Json, feature: str
) -> None:
    check_request(request(**fields), allow_paid=True)
    with pytest.raises(errors.BadRequest, match=f"^{feature} can cost money"):
        check_request(request(**fields), allow_paid=False)


@pytest.mark.parametrize(
    "choice",
    [
        "web_search",
        [{"type": "web_search"}],
        {"type": "allowed_tools", "tools": [{"type": "mcp"}]},
        {"type": "allowed_tools", "allowed_tools": {"tools": [{"type": "mcp"}]}},
    ],
)
def test_a_choice_of_something_that_is_no_function_is_refused(choice: Any) -> None:
    for tools in ([TOOL], "no list"):
        fields = {"tools": tools, "tool_choice": choice}
        check_request(request(extra_body=fields), allow_paid=True)
        with pytest.raises(errors.BadRequest, match="can cost money"):
            check_request(request(extra_body=fields), allow_paid=False)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"messages": (MappingProxyType({"role": "user", "content": "x"}),)},
        {"tools": [TOOL], "tool_choice": FORCED},
        {"tools": [{"name": "f", "input_schema": {}}]},
        {"tools": [{"function": {"name": "f"}, "cache_control": {"type": "ephemeral"}}]},
        {"extra_body": {"tools": [TOOL], "tool_choice": {"type": "allowed_tools"}}},
        {
            "extra_body": {
                "tools": [TOOL],
                "tool_choice": {"type": "allowed_tools", "tools": [TOOL]},
            }
        },
        {"extra_body": {"tools": [TOOL], "tool_choice": TOOL["function"]["name"]}},
        {"extra_body": {"tools": [{"name": "f"}], "tool_choice": "f"}},
        {"tools": [TOOL], "tool_choice": "required"},
        {"extra_body": {"plugins": None, "chat_template_kwargs": {"enable_thinking": False}}},
        {"extra_body": {"provider": {"order": ["x"]}, "stream": True}},
        {"model": "a/m:free"},
    ],
)
def test_all_other_parameters_are_accepted(fields: Json) -> None:
    check_request(request(**fields), allow_paid=False)


@pytest.mark.parametrize(
    ("value", "size"),
    [("text", 0), (7, 0), ([1, "a"], 2), ({"a": {"b": (1, 2)}}, 4), ([[1, 2]] * 3, 9)],
)
def test_a_size_counts_what_is_written_twice_twice(value: object, size: int) -> None:
    assert not is_larger(value, size)
    assert is_larger(value, size - 1) == bool(size)


def test_a_request_has_a_size() -> None:
    many = {"extra_body": {"metadata": {"a": [1] * 100_000}}}
    with pytest.raises(errors.BadRequest, match="more than 100,000 values"):
        check_request(request(**many), allow_paid=True)


def test_a_lane_that_does_not_exist_is_refused() -> None:
    with pytest.raises(errors.BadRequest, match="lane='fast' is none"):
        request(lane="fast")
