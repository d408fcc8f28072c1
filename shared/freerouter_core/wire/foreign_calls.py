"""Tool calls and results as any API words them: Anthropic's blocks, Gemini's parts, the Responses
API's items, Bedrock's, the AI SDK's, and OpenAI's own, old and new."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

from .json_values import Json, JsonMapping, as_dicts, as_mapping, finite, parse_json
from .tool_calls import arguments_text

CALL_ITEMS = frozenset({"function_call", "custom_tool_call", "tool_call", "mcp_call"})
"""Items of the Responses API that are calls."""
RESULT_ITEMS = frozenset({
    "function_call_output", "custom_tool_call_output", "tool_call_output", "tool_result",
})  # fmt: skip
"""Items of the Responses API that are results."""
_CALLS = frozenset({
    "tool_use", "tool_call", "function_call", "invalid_tool_call", "tool-call", "custom_tool_call",
})  # fmt: skip
"""Blocks of an assistant's content that are calls."""

_WITH_ONE_TEXT = frozenset({"datetime", "decimal", "pathlib", "uuid"})
"""Modules whose objects are words for plain data: dates, numbers, paths, ids."""
Result = tuple[object, object, str]
"""(the id of the call, the content, the name of the tool)."""


def calls_in(message: JsonMapping, content: object) -> list[Json]:
    """The calls of an assistant's message: its own, else those in its content."""
    calls = as_dicts(message.get("tool_calls"))
    single = message.get("function_call")
    if not calls and isinstance(single, Mapping):
        calls = (dict(single),)
    if not calls:
        calls = as_dicts(content) if isinstance(content, list) else ()
        calls = tuple(block for block in map(_unwrapped, calls) if block is not None)
    wire: list[Json] = []
    for n, call in enumerate(calls):
        ident = _id_of(call) or f"call_{n}"
        if any(other["id"] == ident for other in wire):
            ident = f"{ident}#{n}"  # `tool_pairing` knows whose result it is
        wire.append({**call_of(call), "id": ident})
    return wire


def _unwrapped(block: Json) -> Json | None:
    """The call in a block of content; None: it holds none."""
    if block.get("type") in _CALLS or is_ui_tool(block):
        return block
    for key in ("function_call", "functionCall", "toolUse"):
        if "type" not in block and isinstance(block.get(key), Mapping):
            return dict(block[key])
    return None


def call_of(call: JsonMapping) -> Json:
    """A call in OpenAI's form. The mark "invalid" stays, for `tool_pairing`."""
    function = as_mapping(call.get("function")) or call
    places = ("arguments", "input", "args", "action")
    arguments = next((function[key] for key in places if function.get(key) is not None), None)
    kind = str(call.get("type") or "")
    if kind == "custom_tool_call" and isinstance(arguments, str):
        arguments = {"input": arguments}  # free text, which no other API has
    name = function.get("name") or function.get("toolName") or _tool_of(kind)
    wire: Json = {
        "id": _id_of(call) or "call_0",
        "type": "function",
        "function": {"name": str(name), "arguments": _whole(arguments)},
    }
    for mark in ("invalid", "extra_content"):
        if call.get(mark):
            wire[mark] = call[mark]
    if call.get("type") == "invalid_tool_call":
        wire["invalid"] = True
    return wire


def is_ui_tool(block: JsonMapping) -> bool:
    """Whether a block is a call of the AI SDK's page, with its result in it."""
    kind = str(block.get("type"))
    is_tool = kind == "dynamic-tool" or kind.startswith("tool-")
    return is_tool and kind not in ("tool-call", "tool-result") and bool(block.get("toolCallId"))


def _tool_of(kind: str) -> str:
    """The name of a tool that only the type of its call tells: `tool-search`, `shell_call`."""
    if kind.startswith("tool-") and kind != "tool-call":
        return kind.removeprefix("tool-")
    return "" if kind in CALL_ITEMS | _CALLS else kind.removesuffix("_call")


def ui_results_in(content: object) -> list[Result]:
    """The results of the AI SDK's page, which stand in the calls."""
    blocks = as_dicts(content) if isinstance(content, list) else ()
    done = (b for b in blocks if is_ui_tool(b) and b.keys() & {"output", "result", "errorText"})
    return [result_of(block) for block in done]


def _id_of(call: JsonMapping) -> str:
    names = ("call_id", "id", "toolUseId", "toolCallId", "tool_call_id")
    return str(next((call[name] for name in names if call.get(name)), ""))


def _whole(arguments: object) -> str:
    """Arguments as the text of a JSON object, with null for NaN and infinity. What is no object is
    sent as none."""
    if isinstance(arguments, str):
        text = arguments_text(arguments)
        if text is not None:
            return text
        with suppress(ValueError):
            arguments = parse_json(arguments)
    if not isinstance(arguments, Mapping):
        return "{}"
    try:
        return _written(arguments)
    except ValueError:
        return _written(finite(arguments))


def _written(arguments: object) -> str:
    return json.dumps(arguments, ensure_ascii=False, allow_nan=False, default=_readable)


def _readable(value: object) -> object:
    """An argument that is no JSON and has one text, such as a date. Raises `TypeError`."""
    if isinstance(value, Mapping):
        return dict(value)
    if type(value).__module__ in _WITH_ONE_TEXT:
        return str(value)
    raise TypeError(f"an argument of the type {type(value).__name__} has no form on the wire")


# -- results ---------------------------------------------------------------------------------------


def results_in(content: object) -> list[Result]:
    """The results among the blocks of a message."""
    found: list[Result] = []
    for block in as_dicts(content):
        if block.get("type") in ("tool_result", "tool-result"):
            found.append(result_of(block))
        elif "type" not in block:
            inner = block.get("function_response") or block.get("functionResponse")
            inner = inner or block.get("toolResult")
            if isinstance(inner, Mapping):
                found.append(result_of(inner))
    return found


def result_of(block: JsonMapping) -> Result:
    """A result in any shape."""
    ids = ("call_id", "tool_use_id", "toolUseId", "toolCallId", "tool_call_id", "id")
    call_id = next((block[name] for name in ids if block.get(name)), "")
    places = ("output", "content", "response", "result", "errorText")
    content = next((block[name] for name in places if block.get(name) is not None), None)
    if isinstance(content, Mapping) and content.get("type") in ("text", "json", "error-text"):
        content = content.get("value", content)  # the AI SDK's `output`
    return call_id, content, str(block.get("name") or block.get("toolName") or "")
