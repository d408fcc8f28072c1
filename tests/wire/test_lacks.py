"""What an error says about the model."""

from __future__ import annotations

import json
from typing import Any

import pytest

from freerouter_core.wire.fault import Kind
from freerouter_core.wire.judge import judge_rejection
from freerouter_core.wire.rejection import Rejection

MESSAGES = [
    ("System message must be at the beginning.", "later-system"),
    ("Developer instruction is not enabled for models/gemma-9", "no-system"),
    (("developer is not one of ['system', 'assistant', 'user', 'tool', 'function'] - "
      "'messages.[6].role'"), "developer"),
    ("Conversation roles must alternate user/assistant/user/assistant/...", "alternation"),
    ("Unexpected role 'user' after role 'tool'", "user-after-tool"),
    ("Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.", "tool-ids-9"),
    (("Expected last role User or Tool (or Assistant with prefix True) for serving but got "
      "assistant"), "prefill"),
    (("'messages.0' : for 'role:system' the following must be satisfied[('messages.0.content' : "
      "value must be a string)]"), "flat-content"),
    ("json mode cannot be combined with tool/function calling", "json-with-tools"),
    ("This response_format type is unavailable now", "structured_outputs"),
    (("Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16, but got "
      "10 instead."), "max-tokens-16"),
    (("Unsupported parameter: 'max_tokens' is not supported with this model. Use "
      "'max_completion_tokens' instead."), "max_completion_tokens"),
    ("Reasoning is mandatory for this endpoint and cannot be disabled.", "reasoning-off"),
    ("Unsupported parameter: 'parallel_tool_calls' is not supported with this model.",
     "parallel_tool_calls"),
    (("Unsupported value: 'temperature' does not support 0 with this model. Only the default (1) "
      "value is supported."), "temperature"),
    ("Unrecognized request argument supplied: top_k", "top_k"),
    ("property 'logprobs' is unsupported", "logprobs"),
    (("messages.2.assistant.reasoning_content: property 'messages.2.assistant.reasoning_content' "
      "is unsupported"), "reasoning-fields"),
    ("Invalid JSON payload received. Unknown name \"seed\": Cannot find field.", "seed"),
    ("unknown field: parameter 'strict' is not a valid field.", "strict"),
    ("Value error, current model does not support parameter `enable_thinking`.", "enable_thinking"),
    ("parallel_tool_calls=False is not supported by this model.", "parallel_tool_calls"),
    ("Validation: Unsupported parameter(s): `chat_template_kwargs`", "chat_template_kwargs"),
    ("facebook/opt-125m is not a multimodal model None", "image"),
    ("At most 0 image(s) may be provided in one prompt.", "image"),
    ("messages[13]: unknown variant `image_url`, expected `text` at line 1 column 9", "image"),
    ("Invalid content type. image_url is only supported by certain models.", "image"),
    ("DeepSeek Responses does not support image tool results.", "image"),
    ("Model do not support image input. Request id: 02", "image"),
    ("<400> Unexpected item type in content.", "image"),
    ("image input is not supported - hint: you may need to provide the mmproj", "image"),
    ("The server was not compiled for multimodal", "image"),
    ("this model is missing data required for image input", "image"),
    ("Multimodal inputs are not supported by this deployment", "image"),
    ("Vision is not enabled for this model", "image"),
    ("At most 0 audio(s) may be provided in one prompt.", "audio"),
    ("messages[1]: unknown variant `input_audio`, expected `text`", "audio"),
    ("At most 0 video(s) may be provided in one prompt.", "video"),
    ("messages[1]: unknown variant `file`, expected `text` or `image_url`", "file"),
    ("messages: text content blocks must be non-empty", "content-empty"),
    ("messages.3: text content blocks must contain non-whitespace text", "content-empty"),
    (("messages.1: all messages must have non-empty content except for the optional final assistant"
      " message"), "content-empty"),
    ("* GenerateContentRequest.contents[6].parts: contents.parts must not be empty.",
     "content-empty"),
    ("The content field in the Message object at messages.1 is empty. Add a ContentBlock",
     "content-empty"),
    ("The `reasoning_content` in the thinking mode must be passed back to the API.",
     "reasoning-required"),
    (("thinking is enabled but reasoning_content is missing in assistant tool call message at index"
      " 7"), "reasoning-required"),
    ("messages.1.content.0: Invalid `signature` in `thinking` block", "reasoning-fields"),
    ("`max_tokens` must be less than or equal to `8192`, the maximum value for `max_tokens`",
     "max-output-8192"),
    ("max_tokens is too large: 32000. This model supports at most 16384 completion tokens",
     "max-output-16384"),
    ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", "max-output-8192"),
    ("<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]",
     "max-output-8192"),
    ("max_tokens should be <= 8192", "max-output-8192"),
    ("`max_completion_tokens` must be at most 4096 for this model", "max-output-4096"),
    ("max_output_tokens can be no more than 2048", "max-output-2048"),
    (("max_tokens: 20000 > 8192, which is the maximum allowed number of output tokens for "
      "claude-3-5-haiku"), "max-output-8192"),
    ("max_tokens (20000) exceeds the model's maximum output tokens (8192)", "max-output-8192"),
    ("max_tokens exceeds the maximum number of completion tokens of 16384", "max-output-16384"),
]  # fmt: skip


@pytest.mark.parametrize("wrapped", [False, True])
@pytest.mark.parametrize(
    ("message", "lacks"), MESSAGES, ids=[message[:40] for message, _ in MESSAGES]
)
def test_an_error_says_what_the_model_lacks(message: str, lacks: str, wrapped: bool) -> None:
    error: dict[str, Any] = {"message": message, "code": 400}
    if wrapped:  # as OpenRouter hands on an upstream's words
        error = {
            "message": "Provider returned error",
            "code": 400,
            "metadata": {"raw": json.dumps({"error": {"message": message}})},
        }
    fault = judge_rejection(Rejection(400, {}, error), 0.0)

    assert (fault.kind, fault.lacks, fault.teaches) == (Kind.UNFIT, frozenset({lacks}), False)


def test_pydantics_errors_name_the_unknown_field() -> None:
    error = {
        "detail": [
            {
                "type": "extra_forbidden",
                "loc": ["body", "seed"],
                "msg": "Extra inputs are not permitted",
            }
        ]
    }

    assert judge_rejection(Rejection(422, {}, error), 0.0).lacks == {"seed"}


@pytest.mark.parametrize(
    ("loc", "kind", "lacks"),
    [
        (
            ["body", "messages", 2, "assistant", "reasoning_content"],
            "extra_forbidden",
            {"reasoning-fields"},
        ),
        (["body", "messages", 2, "name"], "extra_forbidden", {"message-name"}),
        (["body", "stream_options", "include_usage"], "extra_forbidden", {"stream_options"}),
        (["body", "tools", 0, "function", "strict"], "extra_forbidden", {"strict"}),
        (["body", "tools"], "extra_forbidden", {"tools"}),
        (["body", "tools", 0, "function", "parameters"], "missing", set()),
        (["body", "tools", 0, "function", "junk"], "extra_forbidden", set()),
        (["body", "temperature"], "less_than_equal", set()),
        (["body", "max_tokens"], "greater_than", set()),
    ],
)
def test_only_an_unknown_field_is_a_lack_of_the_model(
    loc: list[Any], kind: str, lacks: set[str]
) -> None:
    """A refused value is the caller's mistake. It must not change later requests."""
    error = {"detail": [{"type": kind, "loc": loc, "msg": "no", "input": {"x": 1}}]}

    assert judge_rejection(Rejection(422, {}, error), 0.0).lacks == lacks


@pytest.mark.parametrize(
    "error",
    [
        {
            "message": "bad",
            "failed_generation": "json mode cannot be combined with tool/function calling",
        },
        {
            "detail": [
                {"type": "missing", "loc": ["body", "x"], "input": "it does not support tools"}
            ]
        },
        {
            "message": "Provider returned error",
            "metadata": {"raw": '{"flagged_input": "System message must be at the beginning"}'},
        },
        {"message": "Guess the mime type of this tool"},
        {"message": "the image could not be downloaded from its address"},
        {"message": "Invalid image data: cannot be decoded"},
        {"message": "your messages are empty of sense"},
    ],
)
def test_text_quoted_in_an_error_says_nothing_about_the_model(error: dict[str, Any]) -> None:
    assert judge_rejection(Rejection(400, {}, error), 0.0).lacks == frozenset()


def test_null_content_is_told_from_list_content() -> None:
    error = {
        "detail": [
            {
                "type": "string_type",
                "loc": ["body", "messages", 1, "content"],
                "msg": "Input should be a valid string",
                "input": None,
            }
        ]
    }

    assert judge_rejection(Rejection(422, {}, error), 0.0).lacks == {"content-null"}


def test_a_plain_bad_request_is_the_callers_mistake() -> None:
    fault = judge_rejection(
        Rejection(400, {}, {"message": "'messages' must be an array", "code": 400}), 0.0
    )

    assert (fault.cause, fault.lacks) == ("bad-request", frozenset())
