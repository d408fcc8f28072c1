"""Strict checks of a chat request: a client's mistake becomes a 400 that names it.

Some checks are stricter than the live service on purpose. vLLM, OpenAI and Google refuse fields
that OpenRouter drops.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping

from ..wire.schema import is_strict
from .encoding import prompt_tokens
from .instances import instance
from .models import SimModel
from .response import JsonView

_FIELDS = frozenset({
    "messages", "model", "models", "provider", "plugins", "stream", "stream_options",
    "max_tokens", "max_completion_tokens", "temperature", "top_p", "top_k", "top_a", "min_p",
    "frequency_penalty", "presence_penalty", "repetition_penalty", "seed", "stop", "logit_bias",
    "logprobs", "top_logprobs", "response_format", "tools", "tool_choice",
    "parallel_tool_calls", "reasoning", "reasoning_effort", "modalities", "image_config",
    "prediction", "metadata", "session_id", "user", "service_tier", "cache_control",
    "prompt_cache_key", "transforms", "route", "usage", "include_reasoning", "verbosity",
})  # fmt: skip
_MESSAGE_FIELDS = frozenset({
    "role", "content", "name", "tool_calls", "tool_call_id", "refusal", "reasoning",
    "reasoning_details", "cache_control",
})  # fmt: skip
_ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})
_INPUTS = {"image_url": "image", "input_audio": "audio", "file": "file", "video_url": "video"}
"""Types of content parts beside text, and the model's input that each needs."""
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_RANGES = {
    "temperature": (0.0, 2.0),
    "top_p": (0.0, 1.0),
    "frequency_penalty": (-2.0, 2.0),
    "presence_penalty": (-2.0, 2.0),
}


def validation_error(body: object) -> str | None:
    """The message of the 400 that a request body deserves; None if it is valid."""
    if not isinstance(body, Mapping):
        return "the body must be a JSON object"
    unknown = sorted(set(body) - _FIELDS)
    if unknown:
        return f"unknown field {unknown[0]!r}"
    if not isinstance(body.get("model"), str):
        return "'model' must be a string"
    return (
        _parameters_error(body)
        or _tools_error(body)
        or _format_error(body.get("response_format"))
        or _messages_error(body.get("messages"))
    )


def capability_error(model: SimModel, request: JsonView) -> str | None:
    """What a valid request needs and the model lacks, as the real service words it."""
    if request.get("tools") and not model.tools:
        return "No endpoints found that support tool use."
    if request.get("tool_choice") not in (None, "auto", "none") and not model.tool_choice:
        return "No endpoints found that support the provided 'tool_choice' value."
    parts = {
        part.get("type")
        for message in request["messages"]
        if isinstance(message.get("content"), list)
        for part in message["content"]
    }
    for part, needed in _INPUTS.items():
        if part in parts and needed not in model.inputs:
            return f"No endpoints found that support {needed} input"
    size = prompt_tokens(request)
    if size > model.context:
        return (
            f"This endpoint's maximum context length is {model.context} tokens. "
            f"However, you requested about {size} tokens."
        )
    return None


def _parameters_error(body: JsonView) -> str | None:
    for key, (low, high) in _RANGES.items():
        value = body.get(key)
        if value is not None and (not _is_number(value) or not low <= value <= high):
            return f"{key!r} must be a number from {low:g} to {high:g}"
    for key in ("max_tokens", "max_completion_tokens"):
        value = body.get(key)
        if value is not None and (
            not isinstance(value, int) or isinstance(value, bool) or value < 1
        ):
            return f"{key!r} must be a positive integer"
    stop = body.get("stop")
    is_list = (
        isinstance(stop, list) and 1 <= len(stop) <= 4 and all(isinstance(s, str) for s in stop)
    )
    if stop is not None and not isinstance(stop, str) and not is_list:
        return "'stop' must be a string or 1 to 4 strings"
    modalities = body.get("modalities") or []
    if not isinstance(modalities, list) or not all(isinstance(each, str) for each in modalities):
        return "'modalities' must be an array of strings"
    if body.get("stream_options") is not None and body.get("stream") is not True:
        return "'stream_options' is only allowed when 'stream' is true"
    if isinstance(body.get("models"), list) and len(body["models"]) > 3:
        return "'models' array must have 3 items or fewer."
    provider = body.get("provider")
    max_price = provider.get("max_price") if isinstance(provider, Mapping) else None
    if max_price is not None and not all(isinstance(v, str) for v in max_price.values()):
        return "'provider.max_price' values must be strings"
    return None


def _tools_error(body: JsonView) -> str | None:
    tools, choice = body.get("tools"), body.get("tool_choice")
    if "tools" in body and (not isinstance(tools, list) or not tools):
        return "'tools' must be a non-empty array"
    names = []
    for n, tool in enumerate(tools or ()):
        function = tool.get("function") if isinstance(tool, Mapping) else None
        if not isinstance(function, Mapping) or tool.get("type") != "function":
            return f"'tools[{n}]' must be {{type: function, function: …}}"
        if not isinstance(function.get("name"), str) or not _NAME.fullmatch(function["name"]):
            return f"'tools[{n}].function.name' must match [A-Za-z0-9_-]{{1,64}}"
        parameters = function.get("parameters")
        if parameters is not None and (
            not isinstance(parameters, Mapping) or parameters.get("type") != "object"
        ):
            return f"'tools[{n}].function.parameters' must be a schema of type object"
        if parameters is not None and not _is_schema(parameters):
            return f"'tools[{n}].function.parameters' is no valid schema"
        if function.get("strict") and not is_strict(parameters):
            return f"'tools[{n}]' is strict but its schema is not closed and fully required"
        names.append(function["name"])
    if len(names) != len(set(names)):
        return "two tools have the same name"
    if choice is None:
        return "'tool_choice' must not be null" if "tool_choice" in body else None
    if not names:
        return "'tool_choice' is only allowed when 'tools' are given"
    if isinstance(choice, Mapping):
        name = (choice.get("function") or {}).get("name")
        if name not in names:
            return f"'tool_choice' names {name!r}, which is not among the tools"
    elif choice not in ("auto", "none", "required"):
        return f"'tool_choice' has the unknown value {choice!r}"
    return None


def _is_schema(schema: JsonView) -> bool:
    """Whether there is a value that a schema describes."""
    try:
        instance(schema, "")
    except (TypeError, AttributeError, LookupError, ValueError):
        return False
    return True


def _format_error(value: object) -> str | None:
    if value is None:
        return None
    kind = value.get("type") if isinstance(value, Mapping) else None
    if kind in ("text", "json_object"):
        return None
    if not isinstance(value, Mapping) or kind != "json_schema":
        return f"'response_format.type' has the unknown value {kind!r}"
    inner = value.get("json_schema")
    if not isinstance(inner, Mapping) or not _NAME.fullmatch(str(inner.get("name", ""))):
        return "'response_format.json_schema.name' must match [A-Za-z0-9_-]{1,64}"
    if not isinstance(inner.get("schema"), Mapping):
        return "'response_format.json_schema.schema' is missing"
    if not _is_schema(inner["schema"]):
        return "'response_format.json_schema.schema' is no valid schema"
    if inner.get("strict") and not is_strict(inner["schema"]):
        return "'response_format' is strict but its schema is not closed and fully required"
    return None


def _messages_error(messages: object) -> str | None:
    if not isinstance(messages, list) or not messages:
        return "'messages' must be a non-empty array"
    open_calls: set[str] = set()
    for n, message in enumerate(messages):
        at = f"messages[{n}]"
        if not isinstance(message, Mapping) or message.get("role") not in _ROLES:
            return f"'{at}.role' must be one of {', '.join(sorted(_ROLES))}"
        unknown = sorted(set(message) - _MESSAGE_FIELDS)
        if unknown:
            return f"'{at}' has the unknown field {unknown[0]!r}"
        role = message["role"]
        if role == "tool":
            call_id = message.get("tool_call_id")
            if call_id not in open_calls:
                return f"'{at}.tool_call_id' {call_id!r} answers no open tool call"
            open_calls.discard(call_id)
        elif open_calls:
            return f"'{at}': tool call {min(open_calls)!r} was not answered"
        elif "tool_call_id" in message:
            return f"'{at}.tool_call_id' is only allowed in tool messages"
        error = _content_error(message, at) or _calls_error(message, at, open_calls)
        if error:
            return error
    return f"tool call {min(open_calls)!r} was not answered" if open_calls else None


def _content_error(message: JsonView, at: str) -> str | None:
    content = message.get("content")
    if content is None:
        return None if message["role"] == "assistant" else f"'{at}.content' is missing"
    if isinstance(content, str):
        return None
    if not isinstance(content, list) or not content:
        return f"'{at}.content' must be a string or a non-empty array"
    for m, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind != "text" and kind not in _INPUTS:
            return f"'{at}.content[{m}].type' has the unknown value {kind!r}"
        error = _part_error(part, kind)
        if error:
            return f"'{at}.content[{m}]' {error}"
    return None


def _part_error(part: JsonView, kind: str) -> str | None:
    value = part.get(kind)
    if kind == "text":
        return None if isinstance(value, str) else "has no text"
    if not isinstance(value, Mapping):
        return f"has no {kind} object"
    if kind in ("image_url", "video_url"):
        return _url_error(value.get("url"))
    if kind == "input_audio":
        error = None if value.get("format") else "has no audio format"
        return _base64_error(value.get("data")) or error
    data = value.get("file_data") or value.get("file_id")
    if isinstance(data, str) and ":" in data[:12]:
        return _url_error(data)
    return None if data else "has no file_data"


def _url_error(url: object) -> str | None:
    if not isinstance(url, str):
        return "has no url"
    if url.startswith(("http://", "https://")):
        return None
    prefix = re.match(r"data:[\w.+-]+/[\w.+-]+;base64,", url)
    if prefix is None:
        return "is neither an http(s) nor a base64 data URL"
    return _base64_error(url[prefix.end() :])


def _base64_error(data: object) -> str | None:
    try:
        decoded = base64.b64decode(data, validate=True) if isinstance(data, str) else b""
    except (binascii.Error, ValueError):
        return "has data that is not base64"
    return None if decoded else "has no base64 data"


def _calls_error(message: JsonView, at: str, open_calls: set[str]) -> str | None:
    calls = message.get("tool_calls")
    if calls is None:
        return None
    if message["role"] != "assistant" or not isinstance(calls, list) or not calls:
        return f"'{at}.tool_calls' must be a non-empty array of an assistant message"
    for n, call in enumerate(calls):
        function = call.get("function") if isinstance(call, Mapping) else None
        if (
            not isinstance(function, Mapping)
            or not call.get("id")
            or call.get("type") != "function"
        ):
            return f"'{at}.tool_calls[{n}]' must have id, type and function"
        if not _NAME.fullmatch(str(function.get("name", ""))):
            return f"'{at}.tool_calls[{n}].function.name' must match [A-Za-z0-9_-]{{1,64}}"
        arguments = function.get("arguments")
        if not isinstance(arguments, str) or not _is_json(arguments):
            return f"'{at}.tool_calls[{n}].function.arguments' must be a JSON string"
        if call["id"] in open_calls:
            return f"'{at}.tool_calls[{n}].id' is used twice"
        open_calls.add(call["id"])
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
