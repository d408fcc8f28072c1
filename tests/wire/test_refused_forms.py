"""Forms that a server refuses, in the words and shapes of many: what is learnt from each."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freerouter_core.wire.fault import Cause
from freerouter_core.wire.json_values import Json
from freerouter_core.wire.judge import judge_rejection
from freerouter_core.wire.rejection import read_rejection

MARK = "messages[0].content[0].cache_control"


def learnt(error: str | Json, status: int = 400) -> frozenset[str]:
    body = {"error": {"message": error, "code": None}} if isinstance(error, str) else error
    content = json.dumps(body).encode()
    return judge_rejection(read_rejection(status, {}, content), 0.0).lacks


def forbidden(*path: Any) -> Json:
    told = {"type": "extra_forbidden", "msg": "Extra inputs are not permitted"}
    return {**told, "loc": ["body", *path], "input": {"type": "ephemeral"}}


MARKS: list[str | Json] = [
    f"Unknown parameter: '{MARK}'.",
    f"Error from provider: Extra inputs are not permitted, field: '{MARK}'",
    "messages.0.content.0.text.cache_control: Extra inputs are not permitted",
    "messages.1.cache_control: Extra inputs are not permitted",
    "tools.0.cache_control: Extra inputs are not permitted",
    "Unrecognized request argument supplied: cache_control",
    "property 'messages.0.content.0.cache_control' is unsupported",
    "property 'cache_control' is unsupported",
    "'cache_control' is not supported by this model",
    f"Unrecognized field `{MARK}`",
    "json: unknown field \"cache_control\"",
    "Invalid JSON payload received. Unknown name \"cache_control\": Cannot find field.",
    "body -> messages -> 0 -> content -> 0 -> cache_control: unexpected field",
    ("[{'type': 'extra_forbidden', 'loc': ('body', 'messages', 0, 'content', 0, 'text', "
     "'cache_control'), 'msg': 'Extra inputs are not permitted'}]"),
    {"detail": [forbidden("messages", 0, "user", "content", 0, "text", "cache_control")]},
    {"detail": [forbidden("tools", 0, "cache_control"), forbidden("messages", 0, "x")]},
    {"message": json.dumps([forbidden("messages", 0, "content", 0, "cache_control")])},
]  # fmt: skip


@pytest.mark.parametrize("error", MARKS)
@pytest.mark.parametrize("status", [400, 422])
def test_a_refused_cache_mark_is_learnt_in_any_shape(error: str | Json, status: int) -> None:
    assert learnt(error, status) == {"cache-marks"}


def test_too_many_cache_marks_are_the_callers() -> None:
    assert learnt("A maximum of 4 blocks with cache_control may be provided. Found 5.") == set()


def test_a_field_of_the_callers_own_tool_is_none_of_the_request() -> None:
    words = "Unknown parameter: 'tools[0].function.parameters.properties.seed.cache'."
    path = ("tools", 0, "function", "parameters", "properties", "seed")

    assert learnt(words) == set()
    assert learnt({"detail": [forbidden(*path)]}) == set()


USERS_ONLY = [
    ("Invalid 'messages[2]'. Image URLs are only allowed for messages with role 'user', but this "
     "message with role 'tool' contains an image URL."),
    "Images are only supported in user messages",
    "image_url is only permitted on the role user",
    "Files are only accepted from the user",
    "The message with role 'tool' has an image_url",
    "messages[2]: role `assistant` must not contain an image",
    "images are not supported in tool messages",
    "Image content is not allowed for role 'tool'",
    "Tool messages cannot contain images",
    "tool results do not support images",
    "Tool results must not include any image",
    "tool messages can only contain text",
    "System messages only support strings",
]  # fmt: skip


@pytest.mark.parametrize("words", USERS_ONLY)
def test_media_that_only_users_may_send_move_to_the_user(words: str) -> None:
    assert learnt(words) == {"flat-content"}


@pytest.mark.parametrize(
    "words",
    [
        "This model only supports text content",
        "images are not supported by this model",
        "Images are not supported in this model, ask the user to remove them",
        "The model does not support image input",
        "Only text messages are supported",
    ],
)
def test_a_model_that_sees_nothing_is_another_thing(words: str) -> None:
    assert learnt(words) <= {"image"}


NULLS = [
    ("Invalid type for 'messages[1].content': expected one of a string or array of objects, but "
     "got null instead."),
    ("[{'type': 'string_type', 'loc': ('body', 'messages', 1, 'content'), 'msg': 'Input should be "
     "a valid string'}] [type=string_type, input_value=None, input_type=NoneType]"),
    "messages.1.content: none is not an allowed value",
    "content must not be null",
    "messages[1].content cannot be null",
    "content: expected a string, received null",
]  # fmt: skip
LISTS = [
    "messages.0.content: Input should be a valid string [type=string_type, input_type=list]",
    "content must be a string, got an array",
    ("'messages.0' : for 'role:system' the following must be satisfied[('messages.0.content' : "
     "value must be a string)]"),
]  # fmt: skip
EITHER = [
    "ValidationError: body.messages.content.str - Input should be a valid string",
    "messages.1.content: Input should be a valid string",
    "content must be a string",
    "content: expected a string",
]


@pytest.mark.parametrize("words", NULLS)
def test_a_refused_null_becomes_an_empty_string(words: str) -> None:
    assert learnt(words) == {"content-null"}


@pytest.mark.parametrize("words", LISTS)
def test_a_refused_list_becomes_a_string(words: str) -> None:
    assert learnt(words) == {"flat-content"}


@pytest.mark.parametrize("words", EITHER)
def test_where_nobody_says_what_it_was_both_are_mended(words: str) -> None:
    assert learnt(words) == {"flat-content", "content-null"}


def test_the_input_tells_that_it_was_null() -> None:
    error = {"type": "string_type", "loc": ["body", "messages", 1, "content", "str"],
             "msg": "Input should be a valid string", "input": None}  # fmt: skip
    body = json.dumps({"detail": [error]}).encode()
    fault = judge_rejection(read_rejection(422, {}, body), 0.0)

    assert (fault.cause, fault.lacks) == (Cause.NO_PARAMETER, frozenset({"content-null"}))


NO_FORMAT = [
    "'response_format' is not supported with this model.",
    "response_format is not supported",
    "This model does not support response_format",
    "json_object response format not supported",
    "response_format.type must be text",
    "'response_format.type' : value must be 'text'",
    "response format not allowed for model x",
    "The model x does not support the response_format parameter",
    "`response_format` is unsupported here",
    "response_format: only 'text' is supported",
    "Response formats are not available on this endpoint",
    "We do not accept response_format",
    "This deployment does not yet support custom response formats",
    "JSON mode is not enabled for models/x",
]
NO_SCHEMA = [
    "This response_format type is unavailable now",
    "Invalid parameter: 'response_format' of type 'json_schema' is not supported with this model.",
    "'response_format.type' must be 'json_object' or 'text'",
    "response_format type json_schema not supported",
    "This model does not support response format `json_schema`. See supported models",
    "Structured outputs are not supported for this model",
    "response_format of type 'json_schema' is not supported, use json_object",
]


@pytest.mark.parametrize("words", NO_FORMAT)
def test_a_refused_format_is_refused_in_every_type(words: str) -> None:
    assert learnt(words) == {"structured_outputs", "response_format"}


@pytest.mark.parametrize("words", NO_SCHEMA)
def test_a_refused_type_of_a_format_says_nothing_of_the_plainer_one(words: str) -> None:
    assert learnt(words) == {"structured_outputs"}


@pytest.mark.parametrize(
    "words",
    [
        "Invalid schema for response_format 'r': 'required' is missing",
        "messages must mention json to use response_format of type json_object",
    ],
)
def test_a_format_that_was_misused_is_taken(words: str) -> None:
    assert learnt(words) == set()


UNFORCED = [
    "tool_choice is not supported by this model, must be auto",
    "Only tool_choice auto is supported",
    "tool_choice must be one of: auto, none",
    "The provided tool_choice value is invalid: only 'auto' and 'none'",
    "'required' is not a valid tool_choice",
    "tool_choice=required is not supported yet",
    "Forced tool use is incompatible with thinking mode",
    "Thinking may not be enabled when tool_choice forces tool use.",
    "This model only supports tool_choice: 'auto'",
    "tool_choice: Input should be 'auto' or 'none'",
    "Invalid value for tool_choice: 'required'",
    "unsupported tool_choice: any",
    "tool_choice 'required' is invalid for this model",
    "Forced function calling is not supported",
    "We do not support forcing a tool call",
    "tool_choice is incompatible with reasoning",
    "tool_choice can only be 'none' or 'auto'",
    "`tool_choice` expected one of `auto`, `none`",
    "Forcing function calls is unsupported here",
    "For this model tool_choice may only be auto",
    "tool-choice only allowed values: auto",
]


@pytest.mark.parametrize("words", UNFORCED)
def test_a_refused_choice_leaves_the_tools(words: str) -> None:
    assert learnt(words) == {"tool_choice"}


@pytest.mark.parametrize(
    "words",
    [
        "tool_choice must be one of 'auto', 'none' or 'required'",
        "tool_choice should be auto, none, required or an object",
        "'tool_choice' is only allowed when 'tools' are given",
        "tool_choice names 'f', which is not among the tools",
        "tool_choice must be set when tools are given",
        "the tool 'force_update' was not found",
    ],
)
def test_a_choice_that_was_misused_is_taken(words: str) -> None:
    assert learnt(words) == set()
