"""OpenAI's API from the server's side: bodies of clients in, answers and chunks out."""

from __future__ import annotations

import pytest

from freerouter_core import errors
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.openai import read_request

MESSAGES: list[Json] = [{"role": "user", "content": "x"}]


def test_a_body_becomes_a_request() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    request, stream, include_usage, n, left_out = read_request(
        {
            "messages": MESSAGES,
            "model": "a/m:free",
            "tools": [tool],
            "tool_choice": "auto",
            "parallel_tool_calls": False,
            "temperature": 0,
            "top_p": None,
            "max_completion_tokens": 9,
            "provider": {"order": ["x"]},
            "response_format": {"type": "json_object"},
            "reasoning_effort": "low",
            "stream": True,
            "stream_options": {"include_usage": True},
            "user": "ignored",
            "store": False,
            "stop": [],
            "odd": 1,
            "metadata": None,
            "logprobs": False,
            "modalities": ["text"],
            "n": 2,
        }
    )

    assert request.messages == MESSAGES
    assert request.model == "a/m:free"
    assert (request.tools, request.tool_choice) == ([tool], "auto")
    assert request.parallel_tool_calls is False
    assert request.parameters == {"temperature": 0, "max_tokens": 9}
    assert request.extra_body == {"provider": {"order": ["x"]}}
    assert request.structured is not None
    assert request.structured.method == "json_mode"
    assert request.reasoning == "low"
    assert (stream, include_usage, n) == (True, True, 2)
    assert left_out.keys() == {"user", "store", "odd"}


def test_a_body_needs_no_more_than_messages() -> None:
    request, stream, include_usage, n, left_out = read_request({"messages": MESSAGES})

    assert (request.tools, request.model, request.structured) == ([], None, None)
    assert (stream, include_usage, n, left_out) == (False, False, 1, {})


def test_messages_are_copies_and_what_is_no_object_is_judged_later() -> None:
    messages = [MESSAGES[0], "odd"]
    request = read_request({"messages": messages})[0]

    assert request.messages == messages
    assert request.messages[0] is not messages[0]


@pytest.mark.parametrize("model", ["auto", "freerouter", "openrouter/free", "openrouter/auto"])
def test_some_names_mean_any_model(model: str) -> None:
    assert read_request({"messages": MESSAGES, "model": model})[0].model is None


@pytest.mark.parametrize(
    ("reasoning", "effort", "wanted"),
    [(None, None, None), (None, "low", "low"), (False, "low", False), ({"effort": "x"}, None, {})],
)
def test_openrouters_reasoning_counts_before_openais_effort(
    reasoning: object, effort: object, wanted: object
) -> None:
    body = {"messages": MESSAGES, "reasoning": reasoning, "reasoning_effort": effort}

    assert read_request(body)[0].reasoning == (wanted if wanted != {} else reasoning)


@pytest.mark.parametrize("options", [None, {}, {"include_usage": False}])
def test_usage_ends_a_stream_only_if_it_is_wanted(options: object) -> None:
    assert not read_request({"messages": MESSAGES, "stream_options": options}).include_usage


@pytest.mark.parametrize("response_format", [None, {"type": "text"}])
def test_plain_text_asks_for_nothing_structured(response_format: object) -> None:
    body = {"messages": MESSAGES, "response_format": response_format}

    assert read_request(body)[0].structured is None


def test_a_custom_tool_with_a_schema_is_a_function() -> None:
    tool = {"type": "custom", "name": "f", "input_schema": {"type": "object"}}

    assert read_request({"messages": MESSAGES, "tools": [tool]}).request.tools == [tool]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"messages": None}, "messages and tools must be lists"),
        ({"tools": "x"}, "messages and tools must be lists"),
        ({"n": 0}, "n must be a whole number from 1 to 8"),
        ({"n": True}, "n must be a whole number"),
        ({"models": "a/m:free"}, "models must be a list of names"),
        ({"models": [1]}, "models must be a list of names"),
        ({"models": ["a/m:free"] * 21}, "models has more than 20 names"),
        ({"reasoning": 5}, "reasoning is in no known shape"),
        ({"reasoning_effort": ["low"]}, "reasoning_effort is in no known shape"),
        ({"max_tokens": "9"}, "max_tokens must be a whole number"),
        ({"max_completion_tokens": 0}, "max_completion_tokens must be a whole number"),
        ({"max_tokens": True}, "max_tokens must be a whole number"),
        ({"model": 7}, "model must be a name"),
        ({"functions": [1]}, "functions is not served"),
        ({"function_call": "auto"}, "function_call is not served"),
        ({"stream": "yes"}, "stream must be true or false"),
        ({"parallel_tool_calls": "no"}, "parallel_tool_calls must be true or false"),
        ({"tools": [{"type": "custom", "custom": {"name": "sql"}}]}, "custom tools are not served"),
        ({"tools": [{"type": "custom", "name": "sql"}]}, "custom tools are not served"),
        ({"stream_options": "usage"}, "stream_options must be an object"),
        ({"response_format": "json"}, "no known shape"),
        ({"response_format": {"type": "json_schema"}}, "no known shape"),
        ({"response_format": {"type": "grammar"}}, "no known shape"),
    ],
)
def test_what_cannot_be_served_is_refused(change: Json, message: str) -> None:
    with pytest.raises(errors.BadRequest, match=message):
        read_request({"messages": MESSAGES, **change})
    with pytest.raises(errors.BadRequest, match="JSON object"):
        read_request([change])


@pytest.mark.parametrize(
    ("body", "model", "models"),
    [
        ({"models": ["a/m:free", "b/m:free"]}, "a/m:free", ("a/m:free", "b/m:free")),
        ({"model": "c/m:free", "models": ["a/m:free"]}, "c/m:free", ("a/m:free",)),
        ({"model": "", "models": ["auto", "a/m:free"]}, None, ("a/m:free",)),
        ({"models": []}, None, ()),
    ],
)
def test_openrouters_models_follow_the_model(body: Json, model: object, models: object) -> None:
    request = read_request({"messages": MESSAGES, **body}).request

    assert (request.model, request.fallback_models) == (model, models)


def test_chances_of_tokens_are_asked_for_by_either_field() -> None:
    read = [
        read_request({"messages": MESSAGES, **body}).request.parameters
        for body in ({"logprobs": True, "top_logprobs": 2}, {"top_logprobs": 0}, {"logprobs": None})
    ]

    assert read == [{"logprobs": True, "top_logprobs": 2}, {}, {}]


@pytest.mark.parametrize("wanted", [True, False])
def test_reasoning_may_be_asked_for_in_openrouters_older_words(wanted: bool) -> None:
    request = read_request({"messages": MESSAGES, "include_reasoning": wanted}).request

    assert request.reasoning is (True if wanted else None)


def test_no_more_than_some_fields_are_told_as_left_out() -> None:
    told = read_request({"messages": MESSAGES, **{f"x{n}": n for n in range(50)}}).left_out

    assert len(told) == 20
