"""What a model does not take, said in words that no row lists as they are: each teaches exactly
what it names. And words that name such things and teach nothing."""

from __future__ import annotations

import json

import pytest

from freerouter_core.wire.judge import judge_rejection
from freerouter_core.wire.rejection import read_rejection

NOW = 1_800_000_000.0

SAID: dict[str, list[str]] = {
    "image": [
        "This model cannot process images",
        "This model does not accept images",
        'Cannot read "image.png" (this model does not support image input)',
        "image_url is not allowed for this model",
        "Model x is text-only",
        "images are not supported by this model",
        "Vision is not available for this model",
        "Multimodal input is not supported",
        "Input modality image is not supported",
        "unsupported content type: image_url",
        "Unsupported modality: image",
        "'image_url' is not a supported content type",
        "This endpoint does not take image inputs",
        "invalid message content type: image_url",
        (
            "messages.0.content.1: Input tag 'image_url' found using 'type' does not match "
            "any of the expected tags: 'text'"
        ),
        "Image inputs are not supported for this model",
        "image content blocks are not supported",
        "The model is not a VLM (Vision Language Model), please use text-only prompts",
        (
            "Failed to deserialize the JSON body into the target type: messages[0]: unknown "
            "variant `image_url`, expected `text`"
        ),
        "No vision support",
    ],
    "tools": [
        "Tool use is not supported for this model",
        "`tools` is not supported in this model. For a list of supported models see docs",
        "tool calling is not supported with this model",
        "Function calling is not enabled for this model",
        "This model does not support function calling",
        "This model doesn't support tools",
        '"auto" tool choice requires --enable-auto-tool-choice and --tool-call-parser to be set',
        "Tools are not supported",
        "tools param is not supported by this endpoint",
        "The model does not support tool calls",
        "x does not support tools",
        "model does not support tool_use",
        "Function calling is not supported",
        "Unsupported parameter: tools",
        "tools unsupported",
    ],
    "structured_outputs": [
        "response_format is not supported by this model",
        "This model does not support response_format",
        "Structured outputs are not supported for this model",
        "json_schema is not supported",
        "This response_format type is unavailable now",
        (
            "Invalid parameter: 'response_format' of type 'json_schema' is not supported "
            "with this model"
        ),
        "guided decoding is not supported",
        "JSON mode is not supported for this model",
        "JSON mode is not enabled for models/x",
        "'response_format.type' must be 'json_object' or 'text'",
        "response_format type json_schema not supported",
        "Structured output is not available",
        "model features structured outputs not support",
        "This model does not support response format `json_schema`. See supported models",
    ],
    "temperature": [
        "temperature is not supported with this model",
        (
            "Unsupported value: 'temperature' does not support 0.3 with this model. Only the "
            "default (1) value is supported."
        ),
        "`temperature` is deprecated for this model",
        "temperature: Extra inputs are not permitted",
        "Unknown parameter: 'temperature'",
        "unexpected keyword argument 'temperature'",
        "Argument not supported on this model: temperature",
        "invalid temperature: only 1 is allowed for this model",
        "Parameter temperature is not allowed",
    ],
    "seed": [
        "seed is not supported",
        "Unknown field: seed",
        "Unrecognized key(s) in object: 'seed'",
        "property seed is not allowed",
        "The parameter 'seed' is not supported by this model",
        "Unexpected field 'seed'",
        'json: unknown field "seed"',
        "Invalid parameter: seed",
        "Additional properties are not allowed ('seed' was unexpected)",
        "Unsupported parameter(s): `seed`",
        "unknown field `seed`, expected one of `model`, `messages`",
    ],
    "logit_bias": [
        "`logit_bias` is not supported with this model",
        "logit_bias is not yet supported",
    ],
    "parallel_tool_calls": [
        "parallel_tool_calls is not supported",
        "Unsupported parameter: 'parallel_tool_calls' is not supported with this model.",
        "Model does not support parallel_tool_calls",
        "parallel_tool_calls: unknown field",
    ],
    "frequency_penalty": [
        "frequency_penalty is not supported",
        "Argument not supported on this model: presencePenalty/frequency_penalty",
    ],
    "stream_options": [
        "stream_options: Extra inputs are not permitted",
        "Unknown parameter: stream_options",
        "stream_options is not supported",
    ],
    "reasoning_effort": [
        "reasoning_effort is not supported with this model",
        "Unknown parameter: 'reasoning_effort'.",
        "Unrecognized request argument supplied: reasoning_effort",
    ],
    "strict": [
        "tools[0].function.strict: Extra inputs are not permitted",
    ],
    "tool_choice": [
        "tool_choice is not supported",
        "Unsupported parameter: 'tool_choice'",
        "tool_choice 'required' is not supported by this model",
        "does not support tool_choice",
        "`tool_choice` must be 'auto' or 'none'",
        "This model does not support forced tool use",
    ],
    "max_completion_tokens": [
        (
            "Unsupported parameter: 'max_tokens' is not supported with this model. Use "
            "'max_completion_tokens' instead."
        ),
        "Unknown parameter: 'max_tokens'",
    ],
    "no-system": [
        "System role not supported",
        "system role is not supported by this model",
        "Developer instruction is not enabled for models/gemma",
        "Unsupported value: 'messages[0].role' does not support 'system' with this model.",
        "role 'system' is not allowed",
    ],
    "prefill": [
        (
            "This model does not support assistant message prefill. The conversation must "
            "end with a user message."
        ),
        "Cannot continue from an assistant message",
        "last message role must be user",
        "The last message must be from the user",
        "Last message must have role user or tool",
    ],
    "alternation": [
        "Conversation roles must alternate user/assistant/user/assistant/...",
        "After the optional system message, conversation roles must alternate",
        'messages: roles must alternate between "user" and "assistant"',
    ],
    "content-empty": [
        "messages.1: all messages must have non-empty content",
        "The message at position 1 with role 'assistant' must not be empty",
        "Message content cannot be empty",
        "text content blocks must be non-empty",
        "messages: text content is empty",
        "content is empty",
        "Invalid assistant message: content or tool_calls must be set",
    ],
    "reasoning-required": [
        "The reasoning_content in the thinking mode must be passed back to the API.",
        (
            "thinking is enabled but reasoning_content is missing in assistant tool call "
            "message at index 2"
        ),
        "Missing `reasoning_content` field in the assistant message at message index 1",
        "reasoning_content is required",
        "missing reasoning_content",
        "assistant messages with tool calls need their reasoning_content",
    ],
    "flat-content": [
        "messages[0].content must be a string",
        (
            "'messages.0' : for 'role:user' the following must be "
            "satisfied[('messages.0.content' : value must be a string)]"
        ),
        "content: invalid type: sequence, expected a string",
        "content: Input should be a valid string",
        "Invalid type for 'messages[0].content': expected a string, but got an array instead.",
    ],
}
"""By what the model then lacks."""

NAMES_NOTHING = [
    "temperature must be between 0 and 2",
    "Unsupported image format: webp",
    "Invalid image: could not decode",
    "Role 'tool' must be a response to a preceding message with 'tool_calls'",
    "Image too large",
    "The image url is unreachable",
    "Das geht so nicht",
    "Invalid parameter: messages with role 'tool' must follow 'tool_calls'",
    "No tool output found for function call c",
    "tool_use ids were found without tool_result blocks",
    "messages: unexpected role",
    "An assistant message with 'tool_calls' must be followed by tool messages",
    "too many images",
    "file not found",
    "Unsupported file type: docx",
    "Failed to download image from https://x",
    "reasoning tokens exceeded",
    "Invalid value: 'x'. Supported values are: 'system', 'user'",
    "unknown role 'narrator'",
    "tool get_weather is not in the list of allowed tools",
    "user is not allowed to use this organization",
    'Unknown name "x": Cannot find field.',
    "video too long",
    "Invalid schema for response_format 'r': 'required' is missing",
    "thinking budget must be at least 1024",
    "Duplicate names are not allowed in tools",
    "Unknown tool_choice function 'x'",
    "messages[1].tool_calls: unexpected without tools",
    "'tool_choice' has the unknown value 'nope'",
    "Names with spaces are not allowed; see tools[0]",
]


@pytest.mark.parametrize(
    ("lacks", "words"), [(lacks, words) for lacks, said in SAID.items() for words in said]
)
@pytest.mark.parametrize("status", [400, 422])
def test_words_that_nobody_listed_teach_what_they_name(lacks: str, words: str, status: int) -> None:
    body = json.dumps({"error": {"message": words}}).encode()
    assert lacks in judge_rejection(read_rejection(status, {}, body), NOW).lacks


@pytest.mark.parametrize("words", NAMES_NOTHING)
def test_other_words_about_such_things_teach_nothing(words: str) -> None:
    body = json.dumps({"error": {"message": words}}).encode()
    assert not judge_rejection(read_rejection(400, {}, body), NOW).lacks
